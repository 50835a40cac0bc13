"""Rates from counters: the true one, or None when in doubt (RFC 2578 7.1.6 and 7.1.10, RFC 2863 3.1.5); pure.

In doubt: after a restart, a discontinuity, two counters that went back together, a clock of the device that does not
agree with ours, more than one wrap possible, more than the port can carry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

LEAST_SECONDS: Final = 5.0  # between samples: below, the device's own caching would show as a rate
MOST_SECONDS: Final = 300.0  # above, the mean says nothing of now
MINUTE_SECONDS: Final = 75.0  # of two flows together, at most
TICK_SECONDS: Final = 0.02  # of both uptimes, in hundredths of a second, cut off
CLOCK_SECONDS: Final = 5.0  # by which the device's clock may differ, for retries and caches
CLOCK_SHARE: Final = 0.05
UNKNOWN_SPEED_BPS: Final = 10**12  # no port of a school is faster; 32 bits tell nothing of such a one
FRAME_BITS: Final = 672  # the smallest Ethernet frame with preamble and gap: so many packets can a port count
UNKNOWN_PACKETS_BPS: Final = 10**10


class Count(NamedTuple):
    """A counter's value and how many bits it has: 32 or 64."""

    value: int
    bits: int


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a sample was taken. at: our monotonic seconds; uptime: the agent's, in hundredths of a second.

    discontinuity: the agent's uptime when the port's counters last jumped; None where it does not say.
    """

    at: float
    uptime: int | None
    discontinuity: int | None = None


@dataclass(frozen=True, slots=True)
class PortSample:
    """A port's octet counters at one moment, and its speed where it is known."""

    stamp: Stamp
    rx: Count | None
    tx: Count | None
    speed_bps: int | None


class Flow(NamedTuple):
    """What passed between two samples; None: in doubt."""

    seconds: float
    rx_bps: float | None
    tx_bps: float | None


def flow_between(before: PortSample, now: PortSample) -> Flow | None:
    """None where even the time between them is in doubt."""
    seconds = seconds_between(before.stamp, now.stamp)
    return None if seconds is None else Flow(seconds, *octet_rates(before, now))


def of_a_minute(last: Flow | None, now: Flow) -> tuple[float | None, float | None]:
    """(received, sent) in bit/s: the mean over both, where a minute holds them and both are known."""
    if last is None or last.seconds + now.seconds > MINUTE_SECONDS:
        return now.rx_bps, now.tx_bps
    return _mean(last, now, last.rx_bps, now.rx_bps), _mean(last, now, last.tx_bps, now.tx_bps)


def _mean(last: Flow, now: Flow, earlier: float | None, later: float | None) -> float | None:
    if earlier is None or later is None:
        return later
    return (earlier * last.seconds + later * now.seconds) / (last.seconds + now.seconds)


def seconds_between(before: Stamp, now: Stamp) -> float | None:
    """How long the counters ran on without interruption; None where that is not certain."""
    if before.uptime is None or now.uptime is None or before.discontinuity != now.discontinuity:
        return None
    passed, ours = (now.uptime - before.uptime) / 100, now.at - before.at
    slack = CLOCK_SECONDS + CLOCK_SHARE * max(ours, 0.0)
    if not LEAST_SECONDS <= passed <= MOST_SECONDS or abs(passed - ours) > slack:
        return None
    # So soon after a start, another start could hide within the slack.
    return passed if before.uptime / 100 > slack else None


def increase(before: Count | None, now: Count | None, most: float) -> int | None:
    """What was counted in between; most: what at most can have been."""
    if before is None or now is None or before.bits != now.bits:
        return None
    modulus = 2**now.bits
    if most >= modulus or not (0 <= before.value < modulus and 0 <= now.value < modulus):
        return None
    counted = (now.value - before.value) % modulus
    return counted if counted <= most else None


def octet_rates(before: PortSample, now: PortSample) -> tuple[float | None, float | None]:
    """(received, sent) in bit/s."""
    seconds = seconds_between(before.stamp, now.stamp)
    if seconds is None or before.speed_bps != now.speed_bps:
        return None, None
    if _went_back(before.rx, now.rx) and _went_back(before.tx, now.tx):
        return None, None  # two wraps within a minute are far rarer than a restart that nothing tells of
    return tuple(_rate(one, other, seconds, now.speed_bps) for one, other in ((before.rx, now.rx), (before.tx, now.tx)))  # type: ignore[return-value]


def _went_back(before: Count | None, now: Count | None) -> bool:
    return before is not None and now is not None and now.value < before.value


def _rate(before: Count | None, now: Count | None, seconds: float, speed_bps: int | None) -> float | None:
    speed = UNKNOWN_SPEED_BPS if speed_bps is None else speed_bps
    octets = increase(before, now, speed / 8 * (seconds + TICK_SECONDS))
    return None if octets is None else min(octets * 8 / seconds, float(speed))


def packets_between(before: Count | None, now: Count | None, seconds: float, speed_bps: int | None) -> int | None:
    """Packets counted in between (errors, discards)."""
    return increase(before, now, (speed_bps or UNKNOWN_PACKETS_BPS) / FRAME_BITS * (seconds + 1) + 1)
