"""An hour at a school as it truly was, second by second: what failed, what was heard, and what may be said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from tests.oracle.month import FIRST_MINUTE, LADDER, Ending, Fault, Life, Month

BEGIN = FIRST_MINUTE * 60 + 3_600
MINUTES = 50
END = BEGIN + MINUTES * 60
HEARD_SECONDS, BLIND_SECONDS, UNKNOWN = 90, 60, 255
ENDINGS: dict[str, Ending] = {"power": "power", "agent_crashed": "crash", "agent_stopped": "stop"}
ON_THE_WAY = ("lan.router", "line.isp", "line.domestic", "beyond")  # nothing from the school arrives


class Trouble(NamedTuple):
    """kind: one of ENDINGS, a rung, 'beyond' (between the ISP and us) or 'server' (neither server nor broker run)."""

    kind: str
    begin: int
    end: int


@dataclass(frozen=True)
class Hour:
    """detection: so long after the way broke the broker finds out; return_: so long after it is whole again, or the
    agent runs, the agent is connected. per_second: messages of the backlog."""

    troubles: tuple[Trouble, ...]
    silent: frozenset[str]
    lives: tuple[Life, ...]
    detection: int
    return_: int
    per_second: int
    seed: int

    @property
    def of_line(self) -> tuple[Trouble, ...]:
        return tuple(one for one in self.troubles if one.kind in LADDER)


def lives_at(hour: Hour, second: int) -> bool:
    return any(life.begin <= second < life.end for life in hour.lives)


def is_away(hour: Hour, second: int) -> bool:
    return any(one.kind == "server" and one.begin <= second < one.end for one in hour.troubles)


def reaches(hour: Hour, second: int) -> bool:
    """Whether something said in the school then arrives."""
    broken = any(one.kind in ON_THE_WAY and one.begin <= second < one.end for one in hour.troubles)
    return lives_at(hour, second) and not broken and not is_away(hour, second)


class Session(NamedTuple):
    """connected: the agent speaks. ends: the broker finds out in this second that it no longer does."""

    connected: bool
    begins: bool
    ends: bool


def sessions(hour: Hour) -> list[Session]:
    """For each second of the hour."""
    out: list[Session] = []
    session = False
    usable = broken = 0  # for how many seconds
    for second in range(BEGIN, END):
        ended = next((life for life in hour.lives if second - 1 <= life.end < second), None)
        reached = reaches(hour, second)
        usable = 0 if ended or not reached else usable + 1
        broken = 0 if reached else broken + 1
        before = session
        if session and is_away(hour, second):
            session = before = False  # nobody is told
        elif session:
            told = ended and (reached or (ended.ending != "power" and not _is_broken(hour, second)))
            session = not told and broken <= hour.detection
        begins = not session and not before and usable > hour.return_
        session = session or begins
        out.append(Session(session and reached, begins, before and not session))
    return out


def _is_broken(hour: Hour, second: int) -> bool:
    return any(one.kind in ON_THE_WAY and one.begin <= second < one.end for one in hour.troubles)


# ---- what the server may say ---------------------------------------------------------------------------------


def contact(hour: Hour, heard: list[int], session: list[tuple[int, bool]]) -> dict[int, int]:
    """The minutes of site.contact. heard: seconds in which a word of the gateway's own came; session: (second, lives)
    as the broker told. A second is up when in the one before it a session lived, and a word had come within 90 s."""
    out = {}
    for minute in range(BEGIN // 60, END // 60 - 1):
        words = [word(hour, second, heard, session) for second in range(minute * 60, minute * 60 + 60)]
        out[minute] = UNKNOWN if "unknown" in words else words.count("up")
    return out


def word(hour: Hour, second: int, heard: list[int], session: list[tuple[int, bool]]) -> str:
    blind = any(one.kind == "server" and one.begin <= second < one.end + BLIND_SECONDS for one in hour.troubles)
    if blind or second < BEGIN + BLIND_SECONDS or not heard or heard[0] >= second:
        return "unknown"
    lives = [lived for at, lived in session if at < second][-1]
    last = max(at for at in heard if at < second)
    return "up" if lives and second - last <= HEARD_SECONDS else "down"


def causes(hour: Hour, since: int, until: int) -> set[str]:
    """What may be said of a silence, or of an outage, of these seconds: only what truly happened."""
    allowed = {"unknown"}
    for one in hour.troubles:
        if one.begin < until + 60 and since - 120 < one.end:
            allowed |= names(hour, one.kind)
    return allowed


def names(hour: Hour, kind: str) -> set[str]:
    """A rung that never shows itself is told by the next one that does."""
    if kind == "server":
        return {"server_away", "beyond"}
    if kind in LADDER:
        showing = [rung for rung in LADDER[LADDER.index(kind) :] if rung not in hour.silent]
        found = showing[0] if showing else "unknown"
        return {"line.domestic" if found == "line.international" and kind != found else found}
    return {kind}


def month_of(hour: Hour) -> Month:
    return Month(hour.lives, tuple(Fault(one.kind, one.begin, one.end) for one in hour.of_line), hour.silent)
