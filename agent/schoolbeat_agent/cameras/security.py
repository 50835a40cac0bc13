"""What stands open on a camera: its stream, telnet, and, only where the operator asked for it, default passwords."""

from __future__ import annotations

from typing import Final

from schoolbeat_agent.cameras import rtsp
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes import tcp
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

TELNET: Final = 23
TELNET_SECONDS: Final = 2.0
WEEK_SECONDS: Final = 7 * 86_400
# What cameras of the last fifteen years came with. At most three tries: from five on they lock the account.
DEFAULTS: Final = (("admin", "admin"), ("admin", "12345"), ("admin", "123456"))


async def telnet_open(address: str, world: World, port: int = TELNET) -> bool | None:
    """Does it accept a connection? Nothing is said on it. None: there is no way to the device."""
    try:
        sock, _ = await tcp.connect(address, port, TELNET_SECONDS, world)
    except NoAnswer as no:
        return None if no.cause == "unreachable" else False
    sock.close()
    return True


def is_default(credential: Credential | None) -> bool:
    return credential is not None and (credential.username, credential.password) in DEFAULTS


async def default_password(place: Place, world: World) -> bool | None:
    """Does it accept one of DEFAULTS? Only to be asked of a stream that wants a password. None: cannot be told."""
    answers = []
    for username, password in DEFAULTS:
        answer = await rtsp.accepts(place, username, password, world)
        if answer:
            return True
        answers.append(answer)
    return None if None in answers else False


def is_due(kept: str, now_unix: float) -> bool:
    """Whether a week is over since what `kept` says: "unix seconds, result". A clock that went back waits on."""
    when = kept.partition(" ")[0]
    return not when.isdigit() or now_unix - int(when[:12]) >= WEEK_SECONDS


def kept_result(kept: str) -> bool | None:
    return {"0": False, "1": True}.get(kept.partition(" ")[2])
