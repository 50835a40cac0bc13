"""May a speed test be made now? Pure: lessons, exams, the night, the idle line, the month's budget, one-use grants."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from schoolbeat_agent import lessons
from schoolbeat_agent.settings import Lessons, Speed, Traffic

NIGHT_MINUTES: Final = (120, 300)  # 02:00–05:00 in Viet Nam
LONGEST_SECONDS: Final = 75.0  # of a whole test, both ways and finding a server: over before a lesson begins
IDLE_BPS: Final = 1_000_000  # where the contract is not known
ASSUMED_BPS: Final = 100_000_000  # of a line of which neither contract nor test is known
OVERHEAD: Final = 1.06  # what a line carries for each byte of payload: TCP, IP, Ethernet
MARGIN: Final = 1.25  # this test may be larger than the last one
ALONE_SECONDS: Final = 20 * 3_600  # between tests that the server did not ask for
GRANTS_KEPT: Final = 8
SERVERS_KEPT: Final = 6
MOST_TIMES: Final = 4  # what was expected: a test is stopped there, and so much is set aside for it
IN_FLIGHT_BYTES: Final = 8_000_000  # may still arrive after a test was stopped


class Granted(Protocol):
    """The server's word: one test, before that time."""

    @property
    def token(self) -> str: ...

    @property
    def until_unix(self) -> float: ...


class Used(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was used up; kept on disk. month: as "2026-11"; bytes: of that month; last_bytes: of the last whole test;
    tried: when the last one was begun; grants: tokens that are worth nothing any more; servers: whose figures there
    are."""

    month: str = ""
    bytes: int = 0
    last_bytes: int = 0
    tried: int = 0
    grants: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """why: a cause of the catalogue, or "no_grant", "no_clock". grant: the one that is used up by this test."""

    run: bool
    why: str
    grant: str = ""
    most_bytes: int = 0


_used = msgspec.json.Decoder(Used)


def read_used(text: str) -> Used:
    """What `kept` says; nothing used when it cannot be read."""
    try:
        return _used.decode(text)
    except msgspec.DecodeError:
        return Used()


def write_used(used: Used) -> str:
    return msgspec.json.encode(used).decode("ascii")


def month_of(unix: float) -> str:
    return lessons.local(unix).strftime("%Y-%m")


def used_bytes(used: Used, unix: float) -> int:
    """Of this month so far."""
    return used.bytes if used.month == month_of(unix) else 0


def left_bytes(speed: Speed, used: Used, unix: float) -> int:
    """Payload that may still be moved this month."""
    return max(0, int((speed.monthly_bytes - used_bytes(used, unix)) / OVERHEAD))


def estimate_bytes(speed: Speed, traffic: Traffic, used: Used) -> int:
    """Payload of a test: by the last one, or by the contract. Of what is not known, ASSUMED_BPS."""
    if used.last_bytes:
        return int(used.last_bytes * MARGIN)
    both = sum(bps or ASSUMED_BPS for bps in (traffic.contract_down_bps, traffic.contract_up_bps))
    return int(both / 8 * (speed.seconds + 2))


def is_night(unix: float) -> bool:
    now = lessons.local(unix)
    return NIGHT_MINUTES[0] <= now.hour * 60 + now.minute < NIGHT_MINUTES[1]


def may_disturb(hours: Lessons, unix: float, night_only: bool) -> bool:
    """Whether a test begun now is over before anyone learns: no lesson, no exam day, and only the night where the
    hours are not known or `night_only`."""
    for quarter in range(4):  # less than a minute apart, and no lesson is shorter
        moment = unix + quarter * LONGEST_SECONDS / 3
        if lessons.is_exam_day(hours, moment) or lessons.is_lesson(hours, moment):
            return False
        if (night_only or not hours.week) and not is_night(moment):
            return False
    return True


def idle_bps(percent: int, contract_bps: int) -> float:
    return contract_bps * percent / 100 if contract_bps else IDLE_BPS


def is_idle(speed: Speed, traffic: Traffic, rates: tuple[float, float]) -> bool:
    """rates: received and sent, bits a second."""
    contracts = traffic.contract_down_bps, traffic.contract_up_bps
    return all(
        bps < idle_bps(speed.idle_percent, contract_bps) for bps, contract_bps in zip(rates, contracts, strict=True)
    )


def nights_minute(name: str, unix: float) -> int:
    """The minute of this day at which `name` tests by itself: each school and each night another one."""
    first, end = NIGHT_MINUTES
    last = end - int(LONGEST_SECONDS // 60) - 30  # half an hour for a line that is not idle at once
    return first + zlib.crc32(f"{name} {lessons.local(unix).date()}".encode()) % (last - first)


def _wants_alone(speed: Speed, used: Used, name: str, unix: float) -> bool:
    now = lessons.local(unix)
    reached = now.hour * 60 + now.minute >= nights_minute(name, unix)
    return speed.alone and is_night(unix) and reached and abs(unix - used.tried) >= ALONE_SECONDS


def live_grant(grants: Sequence[Granted], used: Used, unix: float) -> Granted | None:
    return next((one for one in grants if one.until_unix >= unix and one.token not in used.grants), None)


def decide(
    speed: Speed,
    hours: Lessons,
    traffic: Traffic,
    *,
    name: str,
    grants: Sequence[Granted],
    used: Used,
    rates: tuple[float, float] | None,
    unix: float | None,
) -> Decision:
    """rates: the line's traffic, received and sent; None: not known, and then only the night is believed to be idle.

    name: this agent's, for its own minute of the night.
    """
    if unix is None:
        return Decision(False, "no_clock")
    grant = live_grant(grants, used, unix)
    if grant is None and not _wants_alone(speed, used, name, unix):
        return Decision(False, "no_grant")
    if not may_disturb(hours, unix, night_only=rates is None):
        return Decision(False, "not_now")
    if rates is not None and not is_idle(speed, traffic, rates):
        return Decision(False, "busy")
    left, expected = left_bytes(speed, used, unix) - IN_FLIGHT_BYTES, estimate_bytes(speed, traffic, used)
    if expected > left:
        return Decision(False, "over_budget")
    return Decision(True, "", grant.token if grant is not None else "", min(left, MOST_TIMES * expected))


def _reserved(decision: Decision) -> int:
    return int((decision.most_bytes + IN_FLIGHT_BYTES) * OVERHEAD)


def begun(used: Used, decision: Decision, unix: float) -> Used:
    """To be kept before the first byte: a power cut in the test gives neither the grant nor the bytes back."""
    grants = (*used.grants, decision.grant)[-GRANTS_KEPT:] if decision.grant else used.grants
    spent = used_bytes(used, unix) + _reserved(decision)
    return msgspec.structs.replace(used, month=month_of(unix), bytes=spent, tried=int(unix), grants=grants)


def ended(used: Used, decision: Decision, moved_bytes: int, *, whole: bool, server: str) -> Used:
    """After it: what was really moved takes the place of what was set aside for it."""
    spent = max(0, used.bytes - _reserved(decision)) + int(moved_bytes * OVERHEAD)
    servers = used.servers
    if whole and server not in servers and len(servers) < SERVERS_KEPT:
        servers = (*servers, server)
    # One that was stopped at its bound says that a whole one is at least as large; one that broke off says nothing.
    last = moved_bytes if whole or moved_bytes >= decision.most_bytes else used.last_bytes
    return msgspec.structs.replace(used, bytes=spent, last_bytes=last, servers=servers)
