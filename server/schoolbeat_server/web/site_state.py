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
    "silent", "lost", "nothing_new", "router", "isp", "domestic", "international", "name", "service", "devices", "fine"
]


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


def now_code(codes: bytes) -> int:
    """The last minute that is known among the last ones of a row that ends now; UNKNOWN when none is."""
    for code in reversed(codes[-NOW_MINUTES:]):
        if code not in (UNKNOWN, DISPUTED):
            return code
    return UNKNOWN


def now_states(minutes: Mapping[str, bytes]) -> dict[str, RungState]:
    return {signal: state_of(now_code(codes)) for signal, codes in minutes.items()}


def path_of(states: Mapping[str, RungState]) -> Path:
    return Path(
        rungs={rung: states.get(rung, "unknown") for rung in RUNGS},
        internet=states.get("line.internet", "unknown"),
        services={name: one for name, one in states.items() if name.startswith("service.")},
        devices_down=sum(one == "down" for name, one in states.items() if name.startswith("device.")),
    )


_RUNG_ANSWERS: dict[str, Answer] = {
    "lan.router": "router",
    "line.isp": "isp",
    "line.domestic": "domestic",
    "line.international": "international",
}


def answer(site: State, path: Path) -> Answer:
    """Is it us or the line? The lowest failed rung answers; without recent minutes nothing is said."""
    if site in ("silent", "lost"):
        return site
    seen = [*path.rungs.values(), path.internet, *path.services.values()]
    if all(one in ("unknown", "off") for one in seen):
        return "nothing_new"
    for rung in RUNGS:
        if path.rungs[rung] in ("down", "part"):
            return _RUNG_ANSWERS[rung]
    if path.internet in ("down", "part"):
        return "name"
    if any(one in ("down", "part") for one in path.services.values()):
        return "service"
    if path.internet == "unknown":
        return "nothing_new"
    return "devices" if path.devices_down else "fine"
