"""The state of a site as people see it, and the answer to "is it us or the line?": pure decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from schoolbeat_server.web.pictures import RungState, state_of
from schoolbeat_wire.catalogue import DISPUTED, RUNGS, UNKNOWN

State = Literal["silent", "lost", "down", "faulty", "ok"]
STATES: tuple[State, ...] = ("silent", "lost", "down", "faulty", "ok")  # the most urgent first
STATE_GLYPHS: dict[State, str] = {"silent": "○", "lost": "?", "down": "✗", "faulty": "!", "ok": "✓"}

# A minute is cut 20 s after it ends and then travels; older than this it says nothing of now.
NOW_MINUTES = 5

Answer = Literal[
    "silent",
    "lost",
    "nothing_new",
    "router",
    "isp",
    "domestic",
    "international",
    "name",
    "service",
    "devices",
    "fine",
]
INTERNET = "line.internet"


class Said(NamedTuple):
    """passing: the fault lasted for a part of the minute only, so that it may be over."""

    answer: Answer
    passing: bool = False


class Path(NamedTuple):
    """What is known of a site's way to the Internet now; each state of a rung or signal."""

    rungs: Mapping[str, RungState]
    internet: RungState
    services: Mapping[str, RungState]
    devices_down: int


def state(*, reported: bool, lost: bool, path_incident: bool, devices_incident: bool) -> State:
    """reported: a report ever came; lost: contact is lost now."""
    if not reported:
        return "silent"
    if lost:
        return "lost"
    if path_incident:
        return "down"
    return "faulty" if devices_incident else "ok"


def newest(minutes: Mapping[str, bytes]) -> int | None:
    """How many minutes before the rows' end the newest lies in which the way out was seen; None: too long ago.

    All states are read in that one minute: from different minutes they would tell of a school that never was.
    """
    told = [codes for signal, codes in minutes.items() if signal in RUNGS or signal == INTERNET]
    for back in range(1, NOW_MINUTES + 1):
        if any(len(codes) >= back and codes[-back] not in (UNKNOWN, DISPUTED) for codes in told):
            return back
    return None


def now_states(minutes: Mapping[str, bytes]) -> dict[str, RungState]:
    """The state of each signal in the newest minute; nothing when that is too long ago."""
    back = newest(minutes)
    if back is None:
        return {}
    return {signal: state_of(codes[-back]) for signal, codes in minutes.items() if len(codes) >= back}


def path_of(states: Mapping[str, RungState]) -> Path:
    return Path(
        rungs={rung: states.get(rung, "unknown") for rung in RUNGS},
        internet=states.get(INTERNET, "unknown"),
        services={name: one for name, one in states.items() if name.startswith("service.")},
        devices_down=sum(one == "down" for name, one in states.items() if name.startswith("device.")),
    )


_RUNG_ANSWERS: dict[str, Answer] = {
    "lan.router": "router",
    "line.isp": "isp",
    "line.domestic": "domestic",
    "line.international": "international",
}


def answer(site: State, path: Path) -> Said:
    """Is it us or the line? The lowest failed rung answers; without recent minutes nothing is said."""
    if site in ("silent", "lost"):
        return Said(site)
    seen = [*path.rungs.values(), path.internet, *path.services.values()]
    if all(one in ("unknown", "off") for one in seen):
        return Said("nothing_new")
    for rung in RUNGS:
        if path.rungs[rung] in ("down", "part"):
            return Said(_RUNG_ANSWERS[rung], path.rungs[rung] == "part")
    if path.internet in ("down", "part"):
        return Said("name", path.internet == "part")
    failing = [one for one in path.services.values() if one in ("down", "part")]
    if failing:
        return Said("service", "down" not in failing)
    if path.internet == "unknown":
        return Said("nothing_new")
    return Said("devices" if path.devices_down else "fine")
