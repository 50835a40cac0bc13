"""Why a school is or was silent: a pure function over evidence, which names the cause, what says so, or what is waited
for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from schoolbeat_server.cause import INTERNET, columns, path_up
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL

SilenceCause = Literal[
    "power",
    "mains",
    "agent_stopped",
    "agent_crashed",
    "lan.router",
    "line.isp",
    "line.domestic",
    "line.international",
    "service",
    "gateway",
    "server_away",
    "beyond",
    "never_heard",
    "no_agent",
    "unwatched",
    "waiting",
    "unknown",
]

# What the agent says of minutes in which it was off. 'interrupted' is no reason: those minutes stay unknown.
_OFF_CAUSES: dict[str, SilenceCause] = {
    "power": "power",
    "clean_stop": "agent_stopped",
    "crash": "agent_crashed",
}
_RUNG_CAUSES: tuple[SilenceCause, ...] = ("lan.router", "line.isp", "line.domestic", "line.international")
# Ties go to what comes first here: without power there is no agent, without the agent no rung.
_ORDER: tuple[SilenceCause, ...] = (
    "power",
    "agent_stopped",
    "agent_crashed",
    "mains",
    *_RUNG_CAUSES,
    "service",
    "gateway",
    "server_away",
    "beyond",
)
# A minute without an account may hold the fault after which all this was only the coming back.
_NO_FAULT: frozenset[SilenceCause] = frozenset({"beyond", "server_away"})

# After a fault the agent needs some minutes to be heard again: back-off, or a boot. In them the school sees
# everything up, which says nothing against the fault.
RETURN_MINUTES = 5
# A power cut leaves the interrupted minute and the minute of the boot without an account, however short it was.
UNACCOUNTED_MINUTES = 3
# Around a fault that left no account of its own the school sees everything up too: until we noticed, and coming back.
AROUND_MINUTES = 2 + RETURN_MINUTES
BEFORE_MINUTES = 30  # of what the school said before it fell silent

Standing = Literal["heard", "never_heard", "no_agent", "unwatched"]


@dataclass(frozen=True, slots=True)
class OffRange:
    """Minutes that the agent says it did not observe; reason: a name of catalogue.OFF_REASONS."""

    first_minute: int
    count: int
    reason: str


class Point(NamedTuple):
    """One thing known, or waited for; name: a key of silence_texts.KNOWN or WAITED, values: what its text tells."""

    name: str
    values: Mapping[str, int | str]


class Silence(NamedTuple):
    """minutes: how many minutes of the silence speak for each cause, and under 'unknown' those that say nothing.
    known: what else is evidence. waited: what can still tell the cause; nothing once that is decided."""

    cause: SilenceCause
    minutes: Mapping[str, int]
    known: tuple[Point, ...] = ()
    waited: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True)
class Witness:
    """A classroom's computer of the same site; both rows begin with the silence. gateway: the ledger's bytes of the
    gateway as it sees it. prompt: 1 for each minute of which it reported at once, so that the school was online."""

    agent: str
    gateway: bytes
    prompt: bytes


@dataclass(frozen=True, slots=True)
class LastWords:
    """What the gateway's last report before the silence told of its power; None: nothing."""

    minute: int
    on_battery: bool | None = None
    battery_low: bool | None = None
    undervoltage: bool | None = None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """sites: of the same area that have a gateway, this one with them; silent: that fell silent in the same minutes;
    power: of these, that have evidence of their own of lost power."""

    area: str
    sites: int
    silent: int
    power: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that is known of one silence, over the minutes [first_minute, end_minute). Rows of bytes are the ledger's,
    from first_minute on; what they lack is unknown."""

    first_minute: int
    end_minute: int
    standing: Standing = "heard"
    lost_ms: int = 0
    is_back: bool = False
    backlog_complete: bool = False  # everything that the gateway held when it came back is here
    backlog_rows: int = 0  # minutes that it still holds
    rungs: Mapping[str, bytes] = field(default_factory=dict)  # line.internet may be one of them
    heard: bytes | None = None  # site.contact
    offs: Sequence[OffRange] = ()
    mains: bytes = b""  # power.mains
    mains_before: int | None = None  # the first minute of lost mains that lasted until the silence
    last_words: LastWords | None = None
    witnesses: Sequence[Witness] = ()
    neighbours: Neighbours | None = None
    server_away: Sequence[tuple[int, int]] = ()  # minutes [first, end) in which server or broker were not there
    blind_until_ms: int = 0  # they came back just now: until then silence says nothing
    now_ms: int = 0
    strangers: Sequence[tuple[str, int]] = ()  # (machine, when heard last) of cards set aside
    account_ms: int = 0  # when the agent's account was given anew, and nobody has connected with it since


def witness_signal(agent: str) -> str:
    """Of the gateway as a classroom's agent sees it: schoolbeat_agent.probes.witness."""
    return f"device.{agent}-gateway"


def explain(seen: Evidence) -> Silence:
    """The cause, the minutes that speak for each, what else is known; while it is not decided, what is waited for."""
    if seen.standing != "heard":
        waits = {"never_heard": "first_report", "no_agent": "enrolment"}.get(seen.standing)
        return Silence(seen.standing, {}, _strangers(seen), (Point(waits, {}),) if waits else ())
    found = of_silence(
        seen.first_minute,
        seen.end_minute,
        seen.rungs,
        seen.first_minute,
        seen.offs,
        backlog_complete=seen.backlog_complete,
        heard=seen.heard,
        mains=seen.mains,
        witnessed=_witnessed(seen),
        server_away=seen.server_away,
    )
    return found._replace(known=_known(seen), waited=_waited(seen) if found.cause == "waiting" else ())


def of_silence(
    first_minute: int,
    end_minute: int,
    rungs: Mapping[str, bytes],
    window_first: int,
    offs: Sequence[OffRange],
    *,
    backlog_complete: bool,
    heard: bytes | None = None,
    mains: bytes = b"",
    witnessed: bytes = b"",
    server_away: Sequence[tuple[int, int]] = (),
) -> Silence:
    """Why nothing was heard over [first_minute, end_minute); rungs: signal -> ledger bytes from window_first on. The
    rows below begin with first_minute. heard: site.contact; in minutes unknown there nobody listened, so that a school
    which saw its line up does not speak for a fault beyond it. witnessed: 1 where a classroom's computer proves the
    gateway away and the school online.

    rungs may hold line.internet too. The cause with the most seconds wins; 'beyond' means that the school saw its
    whole line up, so the fault was on the way to our server or in it. Nothing is guessed: while the backlog is
    incomplete a cause is named only if the minutes still missing cannot change it ('waiting' until then), and
    afterwards only if the minutes without any account do not outnumber the others ('unknown').
    """
    minutes: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    away = {minute for first, end in server_away for minute in range(max(first, first_minute), min(end, end_minute))}
    told = _accounts(first_minute, end_minute, rungs, window_first, offs, mains, witnessed)
    kind: str
    for place, (kind, weight) in enumerate(told):
        if kind == "beyond" and (first_minute + place in away or _at(heard, place) == UNKNOWN):
            # That nobody listened explains the silence only where our own record says since when and until when.
            kind, weight = "server_away", weight if first_minute + place in away else 0
        elif kind == "beyond" and (code := _at(heard, place)) is not None and code <= UP_FULL:
            # Only while nothing is heard of a school that is online is the fault beyond it: not before, nor after.
            kind, weight = ("beyond", UP_FULL - code) if code < UP_FULL else ("heard", 0)
        minutes[kind] += 1
        seconds[kind] += weight
    named = sorted((kind for kind in _ORDER if seconds[kind]), key=lambda kind: -seconds[kind])
    return Silence(_verdict(named, minutes, seconds, backlog_complete), dict(minutes))


def _at(row: bytes | None, place: int) -> int | None:
    if row is None:
        return None
    return row[place] if place < len(row) else UNKNOWN


def _verdict(
    told: list[SilenceCause], minutes: Counter[str], seconds: Counter[str], backlog_complete: bool
) -> SilenceCause:
    blank = minutes["unknown"]
    if not backlog_complete:
        if blank and told and told[0] in _NO_FAULT:
            return "waiting"
        runner_up = seconds[told[1]] if len(told) > 1 else 0
        return told[0] if told and seconds[told[0]] > runner_up + 60 * blank else "waiting"
    accounted = minutes.total() - blank
    if not told or blank > max(accounted, UNACCOUNTED_MINUTES):
        return "unknown"
    if told[0] == "beyond" and blank and seconds["beyond"] <= 60 * (blank + AROUND_MINUTES):
        return "unknown"
    return told[0]


def _accounts(
    first_minute: int,
    end_minute: int,
    rungs: Mapping[str, bytes],
    window_first: int,
    offs: Sequence[OffRange],
    mains: bytes,
    witnessed: bytes,
) -> Iterator[tuple[SilenceCause | Literal["returning"], int]]:
    """For each minute what it speaks for and how many seconds of it."""
    off = _off_minutes(first_minute, end_minute, offs)
    last_fault = first_minute - RETURN_MINUTES - 1
    told = columns(rungs, first_minute - window_first, end_minute - window_first)
    for place, codes in enumerate(told):
        minute = first_minute + place
        kind, weight = (off[minute], 60) if minute in off else _account(codes)
        if kind == "lan.router" and place < len(mains) and mains[place] < UP_FULL:
            kind = "mains"
        if kind == "unknown" and place < len(witnessed) and witnessed[place]:
            kind, weight = "gateway", 60
        if kind == "beyond" and minute - last_fault <= RETURN_MINUTES:
            yield "returning", 0
            continue
        if kind not in ("beyond", "unknown"):
            last_fault = minute
        yield kind, weight


_OFF_REASONS = {reason: -place for place, reason in enumerate(_OFF_CAUSES)}  # the strongest word is said last


def _off_minutes(first_minute: int, end_minute: int, offs: Sequence[OffRange]) -> dict[int, SilenceCause]:
    """Where two accounts of one minute differ, the first in _ORDER, whichever came first."""
    off: dict[int, SilenceCause] = {}
    for told in sorted(offs, key=lambda one: _OFF_REASONS.get(one.reason, 0)):
        if told.reason in _OFF_CAUSES:
            for minute in range(max(told.first_minute, first_minute), min(told.first_minute + told.count, end_minute)):
                off[minute] = _OFF_CAUSES[told.reason]
    return off


def _account(codes: Mapping[str, int]) -> tuple[SilenceCause, int]:
    """What the rungs of one minute say: the lowest failed one and its down seconds."""
    for rung in _RUNG_CAUSES:
        if codes[rung] < UP_FULL:
            abroad_only = (
                rung != "line.international" or codes["line.domestic"] <= UP_FULL or codes[INTERNET] >= UP_FULL
            )
            return rung if abroad_only else "line.domestic", UP_FULL - codes[rung]
    if codes[INTERNET] < UP_FULL:
        return ("service", UP_FULL - codes[INTERNET]) if path_up(codes) else ("unknown", 0)
    return ("beyond", 60) if path_up(codes) else ("unknown", 0)


# ---- what else is known ------------------------------------------------------------------------------------


def _witnessed(seen: Evidence) -> bytes:
    """1 where some computer of the site did not get an answer from the gateway and told so at once."""
    count = seen.end_minute - seen.first_minute
    found = bytearray(count)
    for witness in seen.witnesses:
        for place, (code, prompt) in enumerate(zip(witness.gateway[:count], witness.prompt[:count], strict=False)):
            found[place] |= prompt and code < UP_FULL
    return bytes(found)


def _known(seen: Evidence) -> tuple[Point, ...]:
    return (*_power(seen), *_witnesses(seen), *_common(seen), *_strangers(seen))


def _power(seen: Evidence) -> Iterator[Point]:
    words = seen.last_words
    down = [place for place, code in enumerate(seen.mains) if code < UP_FULL]
    if seen.mains_before is not None:
        yield Point("mains_before", {"minute": seen.mains_before})
    if down:
        yield Point("mains_down", {"minutes": len(down), "minute": seen.first_minute + down[0]})
    if words is not None and words.battery_low:
        yield Point("battery_low", {"minute": words.minute})
    elif words is not None and words.on_battery and seen.mains_before is None:
        yield Point("on_battery", {"minute": words.minute})
    if words is not None and words.undervoltage:
        yield Point("undervoltage", {"minute": words.minute})


def _witnesses(seen: Evidence) -> Iterator[Point]:
    """One point for each computer: it misses the gateway, sees it, or was merely online."""
    for one in sorted(seen.witnesses, key=lambda witness: witness.agent):
        pairs = list(zip(one.gateway, one.prompt, strict=False))
        down = [place for place, (code, prompt) in enumerate(pairs) if prompt and code < UP_FULL]
        up = [place for place, (code, prompt) in enumerate(pairs) if prompt and code == UP_FULL]
        online = [place for place, prompt in enumerate(one.prompt) if prompt]
        for name, places in (("witness_down", down), ("witness_up", up), ("witness", online)):
            if places:
                first, end = seen.first_minute + places[0], seen.first_minute + places[-1] + 1
                values: dict[str, int | str] = {
                    "agent": one.agent,
                    "minutes": len(places),
                    "first_minute": first,
                    "end_minute": end,
                }
                yield Point(name, values)
                break


def _common(seen: Evidence) -> Iterator[Point]:
    """What others have in common with it."""
    near = seen.neighbours
    if near is not None and near.power and near.silent > 1:
        values: dict[str, int | str] = {
            "area": near.area,
            "sites": near.sites,
            "silent": near.silent,
            "power": near.power,
        }
        yield Point("neighbours_too" if _has_lost_power(seen) else "neighbours", values)
    away = [(max(a, seen.first_minute), min(b, seen.end_minute)) for a, b in sorted(seen.server_away)]
    away = [(first, end) for first, end in away if first < end]
    if away:
        minutes = len({minute for first, end in away for minute in range(first, end)})
        yield Point("server_away", {"minutes": minutes, "first_minute": away[0][0], "end_minute": away[-1][1]})


def _has_lost_power(seen: Evidence) -> bool:
    return any(one.reason == "power" for one in seen.offs) or any(code < UP_FULL for code in seen.mains)


def _strangers(seen: Evidence) -> tuple[Point, ...]:
    """A machine set aside proves that something is alive, and nothing of the line."""
    if not seen.strangers:
        return ()
    machine, heard_ms = max(seen.strangers, key=lambda one: (one[1], one[0]))
    return (Point("stranger", {"machine": machine, "count": len(seen.strangers), "minute": heard_ms // 60_000}),)


def _waited(seen: Evidence) -> tuple[Point, ...]:
    found = []
    if seen.blind_until_ms > seen.now_ms:
        found.append(Point("server", {"at_ms": seen.blind_until_ms}))
    if not seen.is_back:
        found.append(Point("gateway_return", {"minute": seen.lost_ms // 60_000}))
        if seen.account_ms:
            found.append(Point("account", {"minute": seen.account_ms // 60_000}))
    elif not seen.backlog_complete:
        blank = [place for place, kind in enumerate(_kinds(seen)) if kind == "unknown"] or [0]
        first, end = seen.first_minute + blank[0], seen.first_minute + blank[-1] + 1
        found.append(Point("backlog", {"rows": seen.backlog_rows, "first_minute": first, "end_minute": end}))
    if seen.strangers:
        found.append(Point("operator", {}))
    return tuple(found)


def _kinds(seen: Evidence) -> list[str]:
    told = _accounts(
        seen.first_minute, seen.end_minute, seen.rungs, seen.first_minute, seen.offs, seen.mains, _witnessed(seen)
    )
    return [kind for kind, _ in told]
