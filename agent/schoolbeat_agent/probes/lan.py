"""Strangers and faults on the LAN: how many give out addresses, hold one twice, or were never seen before."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.lan import watch
from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of

SITE_KEY: Final = "site-key"  # the entry of secrets.toml whose password is the key, in hexadecimal
KEY_BYTES: Final = 32
SECONDS: Final = 20.0  # the child looks around for so long
LIMIT_SECONDS: Final = 60.0
CHILD: Final = "schoolbeat_agent.lan.child"
# Its exit codes; see lan/child.py, which is not imported here.
FAILURES: Final = {
    3: ("not_installed", "the Python package scapy is not installed; install schoolbeat[discover]"),
    4: (
        "no_permission",
        "raw sockets are not allowed; give the agent AmbientCapabilities=CAP_NET_RAW in its systemd unit",
    ),
    5: ("not_configured", "lan.watch = {interface!r}: there is no such interface with an IPv4 address"),
}


@dataclass(frozen=True)
class LanTarget:
    """key: of the site, or empty: then one of this machine's own is made."""

    interface: str
    key: bytes = field(default=b"", repr=False)
    seconds: float = SECONDS


def watches(settings: Settings) -> list[Watch]:
    """One, where an interface is named; Windows has no raw sockets for it."""
    if not settings.lan.watch or sys.platform == "win32":
        return []
    return [
        Watch(
            "lan",
            LanTarget(settings.lan.watch, site_key(settings)),
            (),
            of(watch.SUBJECT, *watch.READINGS),
            every_seconds=settings.lan.minutes * 60,
            timeout_seconds=LIMIT_SECONDS + 10,
            about=watch.SUBJECT,
        )
    ]


def site_key(settings: Settings) -> bytes:
    """Empty where there is none, or it is no hexadecimal."""
    entry = settings.credential(SITE_KEY)
    try:
        return bytes.fromhex(entry.password) if entry else b""
    except ValueError:
        return b""


async def probe(target: LanTarget, world: World) -> Observation:
    lock = world.memory.of_probe.setdefault("lan lock", asyncio.Lock())
    async with lock:  # one child at a time
        command = (sys.executable, "-I", "-m", CHILD, target.interface, f"{target.seconds:.0f}")
        output = await output_of(command, LIMIT_SECONDS)
    if output.code:
        cause, detail = FAILURES.get(output.code, ("internal", "the LAN child ended with code {code}"))
        raise ProbeFailed(cause, detail.format(interface=target.interface, code=output.code))
    kept, key = f"lan {target.interface}", target.key or _own_key(world)
    before = watch.from_text(world.memory.kept.get(kept, ""), key)
    readings, now = watch.counts(watch.parse(output.text), before, key)
    world.memory.keep(kept, watch.to_text(now, key))
    return Observation(readings=readings)


def _own_key(world: World) -> bytes:
    """Made once; what is remembered under it can be compared on this machine only."""
    try:
        key = bytes.fromhex(world.memory.kept.get("lan key", ""))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        key = world.entropy(KEY_BYTES)
        world.memory.keep("lan key", key.hex())
    return key
