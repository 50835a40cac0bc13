"""PJLink class 1 and 2 (JBMIA, PJLink Specifications 2.10): questions only, their answers, and class 2 search."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.displays.session import Busy, Session, open_session, twice
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_wire import bounds

PORT: Final = 4352
STRANGE_LINES: Final = 4  # answers to something else before ours: late ones of the question before
NAME_LETTERS: Final = 64
MAX_HOURS: Final = 1_000_000
LAMPS: Final = 8  # at most, by the specification
SEARCH_SECONDS: Final = 11.0  # each projector answers after 0-10 s, by chance
SEARCH_ANSWERS: Final = 256
LINE = re.compile(r"%([12])([A-Z0-9]{4})=(.*)", re.DOTALL)
ERROR = re.compile(r"ERR[1-4]")
MAC = re.compile(r"(?:[0-9A-F]{2}[:-]?){5}[0-9A-F]{2}")


class WrongPassword(Busy):
    """The projector refuses the password, or wants one where there is none (ERRA)."""

    def __init__(self, detail: str = "PJLINK ERRA") -> None:
        super().__init__("auth_failed", detail)


@dataclass(frozen=True)
class Status:
    """What a projector says of itself; None: it does not say, or not in a way that can be read."""

    power: int | None = None
    input: int | None = None
    errors: int | None = None
    lamp_hours: int | None = None
    filter_hours: int | None = None
    pjlink_class: int = 0  # 0: not asked, or not told


@dataclass(frozen=True)
class Identity:
    """Names for discovery, cleaned; empty where the projector does not tell (many do not in standby)."""

    name: str = ""
    manufacturer: str = ""
    model: str = ""
    info: str = ""
    serial: str = ""
    pjlink_class: int = 1
    wants_password: bool = False  # and the one given, if any, was not it


# --- what answers mean: pure -----------------------------------------------------------------------------------


def parse_greeting(line: str) -> str:
    """The salt of a session with a password, or "" of one without. WrongPassword when it lets nobody in (ERRA)."""
    words = line.strip().split(" ")
    if words[0].upper() != "PJLINK" or len(words) < 2:
        raise NoAnswer("bad_answer", f"not PJLink: {line[:40]!r}")
    if words[1] == "0":
        return ""
    if words[1] == "1" and len(words) == 3 and 0 < len(words[2]) <= NAME_LETTERS:
        return words[2]
    if words[1].upper() == "ERRA":
        raise WrongPassword("PJLINK ERRA instead of a greeting")
    raise NoAnswer("bad_answer", f"a strange greeting: {line[:40]!r}")


def digest(salt: str, password: str) -> str:
    """Section 5.1: MD5 of salt and password, before the first command."""
    return hashlib.md5((salt + password).encode(), usedforsecurity=False).hexdigest()


def parse_line(line: str) -> tuple[str, str] | None:
    """("POWR", "0") of `%1POWR=0`, in upper or lower case; None of anything else."""
    text = line.strip("\r\n \0")
    found = LINE.fullmatch(text[:6].upper() + text[6:])
    return (found[2], found[3].strip()) if found else None


def parse_power(value: str) -> int | None:
    """0 standby, 1 on, 2 cooling, 3 warming up."""
    return int(value) if value in ("0", "1", "2", "3") else None


def parse_input(value: str) -> int | None:
    """`31` is 31; class 2 goes on with letters after 9: `3A` is 310, `3B` 311."""
    found = re.fullmatch(r"([1-6])(?:([1-9])|([A-Z]))", value.upper())
    if not found:
        return None
    kind = int(found[1])
    return 10 * kind + int(found[2]) if found[2] else 100 * kind + ord(found[3]) - ord("A") + 10


def parse_errors(value: str) -> int | None:
    """ERST's six digits (fan, lamp, temperature, cover, filter, other), each 0-2, as two bits each, fan lowest."""
    if not re.fullmatch(r"[012]{6}", value):
        return None
    return sum(int(digit) << (2 * place) for place, digit in enumerate(value))


def parse_lamp_hours(value: str) -> int | None:
    """The highest of the lamps' hours: `hours lit [hours lit …]`; some leave out whether it is lit."""
    words = value.split()
    if not 0 < len(words) <= 2 * LAMPS or not all(re.fullmatch(r"\d{1,7}", word) for word in words):
        return None
    lit = words[1::2]
    if len(words) > 1 and (len(words) % 2 or not set(lit) <= {"0", "1"}):
        return None
    hours = max(int(word) for word in words[::2])
    return hours if hours <= MAX_HOURS else None


def parse_hours(value: str) -> int | None:
    return int(value) if re.fullmatch(r"\d{1,6}", value) else None


def parse_class(value: str) -> int:
    """`2`, and `Class 1` of an Optoma; 1 where it cannot be read: every projector has class 1."""
    found = None if ERROR.fullmatch(value) else re.search(r"[12]$", value.strip())
    return int(found[0]) if found else 1


def clean(value: str) -> str:
    """A name for people; "" for an error answer."""
    if ERROR.fullmatch(value):
        return ""
    return " ".join(bounds.CONTROL.sub(" ", value).split())[:NAME_LETTERS]


# --- talking ---------------------------------------------------------------------------------------------------


def _line_size(data: bytes) -> int:
    """Lines end with CR; some add LF, which then stands before the next one."""
    return data.find(b"\r") + 1


@dataclass
class Talk:
    """One session: questions are asked one after the other, the first behind the digest."""

    session: Session
    patience: Patience
    prefix: str = ""
    wants_password: bool = False
    answered: dict[str, str] = field(default_factory=dict)

    async def ask(self, command: str, pjlink_class: int = 1) -> str:
        """The answer's value, also when it is an error (ERR1-ERR4). Only questions go out."""
        seconds = self.patience.next_seconds if self.answered else self.patience.first_seconds
        await self.session.say(f"{self.prefix}%{pjlink_class}{command} ?\r".encode("ascii"))
        self.prefix = ""
        for _ in range(STRANGE_LINES):
            line = (await self.session.hear(_line_size, seconds)).decode("utf-8", "replace")
            if line.strip().upper() == "PJLINK ERRA":
                raise WrongPassword
            found = parse_line(line)
            if found and found[0] == command:
                self.answered[command] = found[1]
                return found[1]
        raise NoAnswer("bad_answer", f"no answer to {command} among {STRANGE_LINES} lines")

    async def ask_all(self, questions: Iterable[tuple[str, int]]) -> bool:
        """Whether the projector went along to the end: one that then hangs up or falls silent answered all the same.

        One question may go unanswered: some say nothing to what they do not know.
        """
        silent = False
        for command, pjlink_class in questions:
            try:
                await self.ask(command, pjlink_class)
            except WrongPassword:
                raise
            except NoAnswer as no:
                if silent or no.cause != "timeout":
                    return False
                silent = True
        return True


async def _greeted(session: Session, password: str, patience: Patience) -> Talk:
    line = (await session.hear(_line_size, patience.first_seconds)).decode("utf-8", "replace")
    salt = parse_greeting(line)
    return Talk(session, patience, digest(salt, password) if salt else "", bool(salt))


async def ask_status(
    address: str,
    port: int,
    password: str,
    world: World,
    patience: Patience = USUAL,
    *,
    known_class: int = 0,
    attempts: int = 2,
) -> Status:
    """One session, hung up at once. NoAnswer where nothing answers; WrongPassword.

    known_class: 0 asks for it. attempts: a second one where another client may just have been there.
    """

    async def talk() -> Status:
        async with open_session(address, port, world, patience) as session:
            talk = await _greeted(session, password, patience)
            await talk.ask("POWR")
            with contextlib.suppress(TimeoutError):  # it has answered: that stands, however slow the rest
                async with asyncio.timeout(patience.rest_seconds):
                    await _ask_the_rest(talk, known_class)
            return _status(talk.answered)

    return await twice(talk, patience, attempts)


async def _ask_the_rest(talk: Talk, known_class: int) -> None:
    of_class = () if known_class else (("CLSS", 1),)
    went_along = await talk.ask_all([("ERST", 1), ("LAMP", 1), ("INPT", 1), *of_class])
    if went_along and 2 in (known_class, parse_class(talk.answered.get("CLSS", ""))):
        await talk.ask_all([("FILT", 2)])


def _status(answered: dict[str, str]) -> Status:
    return Status(
        power=parse_power(answered.get("POWR", "")),
        input=parse_input(answered.get("INPT", "")),
        errors=parse_errors(answered.get("ERST", "")),
        lamp_hours=parse_lamp_hours(answered.get("LAMP", "")),
        filter_hours=parse_hours(answered.get("FILT", "")),
        pjlink_class=parse_class(answered["CLSS"]) if "CLSS" in answered else 0,
    )


# --- discovery -------------------------------------------------------------------------------------------------


async def identify(
    address: str, port: int = PORT, password: str = "", world: World | None = None, patience: Patience = USUAL
) -> Identity | None:
    """What it calls itself; None where nothing speaks PJLink. ProbeFailed when it is this machine's fault."""
    real_world = world or World()

    async def talk() -> Identity:
        async with open_session(address, port, real_world, patience) as session:
            talk = await _greeted(session, password, patience)
            went_along = await talk.ask_all([("CLSS", 1), ("INF1", 1), ("INF2", 1), ("NAME", 1), ("INFO", 1)])
            told = {command: clean(value) for command, value in talk.answered.items()}
            pjlink_class = parse_class(told.get("CLSS", ""))
            if went_along and pjlink_class == 2:
                await talk.ask_all([("SNUM", 2)])
                told["SNUM"] = clean(talk.answered.get("SNUM", ""))
            return Identity(
                name=told.get("NAME", ""),
                manufacturer=told.get("INF1", ""),
                model=told.get("INF2", ""),
                info=told.get("INFO", ""),
                serial=told.get("SNUM", ""),
                pjlink_class=pjlink_class,
            )

    try:
        return await twice(talk, patience)
    except WrongPassword:
        return Identity(wants_password=True)
    except NoAnswer:
        return None


def parse_found(data: bytes) -> str | None:
    """The MAC of `%2ACKN=…`, in lower case with colons."""
    found = parse_line(data[:100].decode("latin-1"))
    mac = found[1].upper() if found and found[0] == "ACKN" else ""
    if not MAC.fullmatch(mac):
        return None
    plain = re.sub("[:-]", "", mac).lower()
    return ":".join(plain[place : place + 2] for place in range(0, 12, 2))


async def search(addresses: Sequence[str], seconds: float = SEARCH_SECONDS, port: int = PORT) -> dict[str, str]:
    """address -> MAC of class 2 projectors that answer (section 3.2). addresses: of the LAN's broadcast, or of devices.

    Answers come to port 4352 of the asker; where another program has it, only those come that answer the sender's port.
    """
    found: dict[str, str] = {}

    class Answers(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, answerer: tuple[str, int]) -> None:
            mac = parse_found(data)
            if mac and len(found) < SEARCH_ANSWERS:
                found[answerer[0]] = mac

    sock = _search_socket(port)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Answers, sock=sock)
    try:
        for address in addresses:
            transport.sendto(b"%2SRCH\r", (address, port))
        await asyncio.sleep(seconds)
    finally:
        transport.close()
    return found


def _search_socket(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        for local_port in (port, 0):
            try:
                sock.bind(("", local_port))
                return sock
            except OSError as error:
                if not local_port:
                    raise ProbeFailed("internal", f"no UDP port to search from: {error.strerror}") from error
    except BaseException:
        sock.close()
        raise
    raise AssertionError
