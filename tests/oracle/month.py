"""A school-month as it truly was: when the agent lived, what failed when, which runs were made. Knows no product code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

FIRST_MINUTE = 29_384_640  # 2025-11-14T00:00Z
MONTH_MINUTES = 30 * 24 * 60

Ending = Literal["power", "crash", "stop"]
Probe = Literal["path", "devices", "rooms", "mark"]  # mark: none, an agent was there

LADDER = ("lan.router", "line.isp", "line.domestic", "line.international")
INTERNET = "line.internet"
DEVICES = ("device.sw", "device.ap", "device.board")
SIGNALS = (*LADDER, INTERNET, *DEVICES)
BEHIND = {"device.sw": "lan.router", "device.ap": "device.sw", "device.board": "device.ap"}
BOARD = "device.board"  # its absence matters in lessons only
HOLD = {signal: 150 if signal == BOARD else 25 for signal in SIGNALS}
PROBES: dict[Probe, tuple[str, ...]] = {
    "path": (*LADDER, INTERNET),
    "devices": ("device.sw", "device.ap"),
    "rooms": (BOARD,),
}
EVERY_SECONDS: dict[Probe, int] = {"path": 10, "devices": 10, "rooms": 60}

# The province's week, in the local time of UTC+7: weekday (0 Monday), first and end minute of the day.
LESSONS = tuple(
    (weekday, first, first + 45)
    for weekday in range(5)
    for first in (420, 475, 530, 810, 865)
    if weekday < 4 or first < 600
)


class Fault(NamedTuple):
    """thing: a signal that fails of itself, or 'service' (names or connections, the path being whole)."""

    thing: str
    begin: float
    end: float


class Ran(NamedTuple):
    """One execution of a probe; measured False: it could not, and says nothing."""

    probe: Probe
    started: float
    finished: float
    measured: bool


class Runs(tuple[Ran, ...]):
    """Too many to be printed."""

    def __repr__(self) -> str:
        return f"<{len(self)} runs>"


class Step(NamedTuple):
    """From this true second on the agent's clock is `error` seconds ahead of the truth."""

    at: float
    error: int


@dataclass(frozen=True)
class Life:
    """One life of the agent's process, in true seconds. clock: its first entry is when it first knows a time; none: never.

    new_boot: the machine began anew before it. new_card: with an empty outbox.
    Without a clock its runs are kept for those after it: once a minute, and at a stop.
    """

    begin: float
    end: float
    ending: Ending
    new_boot: bool
    new_card: bool
    clock: tuple[Step, ...]
    runs: Runs


@dataclass(frozen=True)
class Month:
    lives: tuple[Life, ...]
    faults: tuple[Fault, ...]
    silent: frozenset[str]  # rungs that never show themselves


def failing(month: Month, at: float) -> set[str]:
    return {fault.thing for fault in month.faults if fault.begin <= at < fault.end}


def answers(month: Month, probe: Probe, at: float) -> dict[str, str]:
    """What a run that starts then finds out: 'up', 'down' or 'unseen', by signal."""
    broken = failing(month, at)
    out: dict[str, str] = {}
    if probe == "path":
        cut = False
        reached = True
        for rung in LADDER:
            reached = reached and rung not in broken
            if cut or rung in month.silent:
                out[rung] = "unseen"
            else:
                out[rung] = "up" if reached else "down"
                cut = not reached
        out[INTERNET] = "down" if broken & {*LADDER[:3], "service"} else "up"
        return out
    for device in PROBES[probe]:
        way: str | None = device
        out[device] = "up"
        while way:
            if way in broken:
                out[device] = "down"
            way = BEHIND.get(way)
    return out


def kept_by(life: Life) -> tuple[Ran, ...]:
    """What the life leaves on its card of the time before it knew one: a mark that it was there, and its runs as they
    were saved each minute, or at a stop."""
    known = life.clock[0].at if life.clock else life.end
    if life.clock and known < life.begin + 1 / 64:
        return ()
    looks = int((life.end - life.begin) // 5) - 1
    saved = [life.begin + at for at in range(60, 5 * looks + 1, 60) if life.begin + at < known]
    if not life.clock and life.ending == "stop":
        saved.append(life.end)
    mark = Ran("mark", life.begin, life.begin, False)
    return (mark, *(ran for ran in life.runs if saved and ran.finished < saved[-1]))


# ---- what happens at the server --------------------------------------------------------------------------------


class Rule(NamedTuple):
    """One sentence of a school calendar, of the local days [first_day, end_day) since 1970.

    place: 0 the province, 1 the school, 2 the site. kind: week, closed, open or exam. hours: closed are only lessons
    that begin in them. as_weekday: open as on that weekday; lessons: open with these.
    """

    place: int
    kind: str
    first_day: int
    end_day: int
    weekdays: tuple[int, ...] = ()
    lessons: tuple[tuple[int, int], ...] = ()
    as_weekday: int | None = None
    hours: tuple[int, int] | None = None


class Enrolled(NamedTuple):
    """An operator gives an agent its credentials."""

    minute: int
    agent: str


class Removed(NamedTuple):
    """An operator takes them away."""

    minute: int
    agent: str


class Calendar(NamedTuple):
    """A calendar document is loaded, or one of that name again."""

    minute: int
    document: str
    rules: tuple[Rule, ...]
