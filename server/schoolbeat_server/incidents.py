"""Incidents: pure decisions about when people are told, and with which cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from schoolbeat_server.cause import INTERNET
from schoolbeat_server.outage_rows import OpenOutage
from schoolbeat_server.silence import Silence
from schoolbeat_wire.catalogue import RUNGS

Scope = Literal["path", "devices", "contact", "clone", "away"]
AWAY = "away"  # the summary of what was over when it became known
UNWATCHED = "unwatched"  # the cause with which an incident ends that nobody can see the end of
LIVE_MINUTES = 5  # an outage last seen longer ago than this wakes nobody


@dataclass(frozen=True)
class Current:
    """The open incident of a site and scope."""

    id: int
    cause_opened: str
    cause: str
    since_ms: int


@dataclass(frozen=True)
class Situation:
    """All that counts for one site at one moment. Times in ms.

    silence: why contact is or was lost; None when it was not, or nothing new is known of it. Its cause 'waiting' means
    that what would tell it is not there yet. outages: open ones of signals that are still watched; gone: signals of the
    others. blind: server or broker came back just now; what is known may be long over, so nobody is told of it yet.
    """

    now_ms: int
    lost_ms: int | None
    back_ms: int | None
    silence: Silence | None
    outages: Sequence[OpenOutage]
    current: Current | None
    gone: frozenset[str] = frozenset()
    blind: bool = False


@dataclass(frozen=True)
class Decision:
    """What to do with the incident and why (for the log and the tests)."""

    action: Literal["open", "update", "close", "none"]
    why: str
    cause: str = ""
    since_ms: int = 0
    until_ms: int | None = None
    facts: dict[str, object] = field(default_factory=dict)


def scope_of(signal: str) -> Scope | None:
    if signal == INTERNET or signal in RUNGS or signal.startswith("service."):
        return "path"
    return "devices" if signal.startswith(("device.", "wifi.", "power.")) else None


def root(outages: Sequence[OpenOutage]) -> OpenOutage:
    """The one that explains the others: the lowest failed rung, then what the school has, then services."""

    def height(outage: OpenOutage) -> tuple[int, str]:
        named = outage.cause if outage.signal == INTERNET else outage.signal
        if named in RUNGS:
            return RUNGS.index(named), outage.signal
        return (len(RUNGS), "") if outage.signal == INTERNET else (len(RUNGS) + 1, outage.signal)

    return min(outages, key=height)


def decide_path(now: Situation, *, contact_seconds: int, hold_seconds: int, backlog_wait_seconds: int) -> Decision:
    """The incident of the site's way to the Internet: contact, ladder, services."""
    current, lost = now.current, now.lost_ms is not None and now.back_ms is None
    if lost and now.lost_ms is not None:
        if current is not None:
            return _decide_while_lost(now, current)
        if now.blind or now.now_ms - now.lost_ms < contact_seconds * 1000:
            return Decision("none", "contact is lost, but not long enough")
        return Decision("open", "no word from the school", "waiting", now.lost_ms)
    alarming = _alarming(now, hold_seconds)
    if now.back_ms is not None and current is not None:
        return _decide_return(now, now.back_ms, current, alarming, backlog_wait_seconds)
    return _decide_outages(now, alarming)


def _decide_while_lost(now: Situation, current: Current) -> Decision:
    """Another machine of the school may prove why before the gateway is back."""
    found = now.silence.cause if now.silence is not None else "waiting"
    if current.cause == "waiting" and found not in ("waiting", "unknown"):
        return Decision("update", "explained from inside the school", found)
    return Decision("none", "contact is lost and an incident is open")


def is_beyond(cause: str) -> bool:
    """Whether such a fault leaves the school's line to us alone, so that it cannot be why contact is lost."""
    return cause == "line.international" or cause.startswith("service.")


def _decide_return(
    now: Situation, back_ms: int, current: Current, alarming: Sequence[OpenOutage], wait_seconds: int
) -> Decision:
    waited = now.now_ms - back_ms >= wait_seconds * 1000
    facts: dict[str, object] = {}
    if now.silence is None or now.silence.cause == "waiting":
        if not waited:
            return Decision("none", "contact is back, what the gateway kept is still coming")
        cause = "unknown" if current.cause == "waiting" else current.cause
    else:
        cause, facts["minutes"] = now.silence.cause, dict(now.silence.minutes)
    if alarming:
        return Decision("update", "contact is back, the fault is still there", root(alarming).cause, facts=facts)
    return Decision("close", "contact is back and its loss explained", cause, until_ms=back_ms, facts=facts)


def _decide_outages(now: Situation, alarming: Sequence[OpenOutage]) -> Decision:
    path = [one for one in now.outages if scope_of(one.signal) == "path"]
    if now.current is None:
        if now.blind or not alarming:
            return Decision("none", "nothing is down long enough and now")
        first = min(one.first_minute for one in alarming)
        return Decision("open", "down long enough", root(alarming).cause, first * 60_000, facts=_facts(alarming))
    if not path:
        return Decision("close", "everything is up again", _last_cause(now, now.current), until_ms=now.now_ms)
    cause = root(path).cause
    if cause != now.current.cause and now.current.cause != "waiting":
        return Decision("update", "the cause has changed", cause, facts=_facts(path))
    return Decision("none", "still down")


def decide_devices(now: Situation, *, hold_seconds: int) -> Decision:
    """The incident of a site's devices: one for all of them."""
    down = [one for one in now.outages if scope_of(one.signal) == "devices"]
    alarming = [one for one in down if _is_alarming(one, now.now_ms, hold_seconds)]
    if now.current is None:
        if now.blind or not alarming or (now.lost_ms is not None and now.back_ms is None):
            return Decision("none", "no device is down long enough and now")
        first = min(alarming, key=lambda one: (one.first_minute, one.signal))
        return Decision("open", "down long enough", first.signal, first.first_minute * 60_000, facts=_facts(alarming))
    if not down:
        return Decision("close", "all devices answer again", _last_cause(now, now.current), until_ms=now.now_ms)
    return Decision("none", "still down")


def decide_clone(now_ms: int, machines: Sequence[tuple[str, int]], current: Current | None) -> Decision:
    """The incident of a site for which more than one machine speaks, until an operator says which is true.

    machines: (hardware, when it was first heard) of those set aside."""
    if machines and current is None:
        since_ms = min(first_ms for _, first_ms in machines)
        facts: dict[str, object] = {"machines": sorted({name for name, _ in machines})}
        return Decision("open", "another machine has the agent's credentials", "clone", since_ms, facts=facts)
    if not machines and current is not None:
        return Decision("close", "an operator has said which is true", "clone", until_ms=now_ms)
    return Decision("none", "no other machine speaks, or people know of it")


def _last_cause(now: Situation, current: Current) -> str:
    """What is no longer watched is not up again; and 'waiting' is an opening's word only."""
    if current.cause in now.gone:
        return UNWATCHED
    return "unknown" if current.cause == "waiting" else current.cause


def _alarming(now: Situation, hold_seconds: int) -> list[OpenOutage]:
    return [
        one for one in now.outages if scope_of(one.signal) == "path" and _is_alarming(one, now.now_ms, hold_seconds)
    ]


def _is_alarming(outage: OpenOutage, now_ms: int, hold_seconds: int) -> bool:
    """Long enough, and seen just now: late data corrects history and wakes nobody."""
    return outage.down_seconds >= hold_seconds and outage.last_minute >= now_ms // 60_000 - LIVE_MINUTES


def _facts(outages: Sequence[OpenOutage]) -> dict[str, object]:
    return {
        "signals": sorted(one.signal for one in outages),
        "down_seconds": max(one.down_seconds for one in outages),
    }
