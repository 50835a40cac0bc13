"""What the line carries: rates from byte counters or from a device's own rates, and means of clock quarter-hours."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

WRAP: Final = 1 << 32
QUARTER_SECONDS: Final = 900
SLACK_SECONDS: Final = 1.0  # of a quarter's seconds that are known: the clock is corrected now and then
LEAST_SECONDS: Final = 600.0  # of a quarter, outside our own speed tests
GAP_SECONDS: Final = 60.0  # between two looks at a counter: longer is a hole
MEAN_SECONDS: Final = 60.0  # over which a rate is told
UNKNOWN_PORT_BPS: Final = 100 * 10**9  # no school's port is faster
SPANS_KEPT: Final = 8

Rates = tuple[float, float]  # received and sent, bits a second


@dataclass(frozen=True)
class Counters:
    """Bytes received and sent at a monotonic second."""

    seconds: float
    rx_bytes: int
    tx_bytes: int


def moved(before: Counters, now: Counters, port_bps: int = 0) -> tuple[int, int] | None:
    """Bytes received and sent between two looks; None when the counters cannot tell.

    A counter that fell by itself went past 2^32; when both fell, or more is said than the port can carry, they
    began anew. port_bps 0: not known.
    """
    fell = now.rx_bytes < before.rx_bytes, now.tx_bytes < before.tx_bytes
    if all(fell) or now.seconds <= before.seconds:
        return None
    out = []
    for has_fallen, was, is_now in zip(
        fell, (before.rx_bytes, before.tx_bytes), (now.rx_bytes, now.tx_bytes), strict=True
    ):
        if has_fallen and was >= WRAP:
            return None
        out.append(is_now - was + (WRAP if has_fallen else 0))
    most = (port_bps or UNKNOWN_PORT_BPS) / 8 * (now.seconds - before.seconds) * 1.1 + 1_000_000
    return (out[0], out[1]) if max(out) <= most else None


@dataclass
class Spans:
    """When our own speed tests ran, by the monotonic clock: that traffic is not the school's."""

    times: list[list[float]] = field(default_factory=list)  # [start, end], the end of a running one is infinite

    def begin(self, now: float) -> None:
        self.times.append([now, float("inf")])
        del self.times[:-SPANS_KEPT]

    def end(self, now: float) -> None:
        self.times[-1][1] = now

    def touch(self, start: float, end: float) -> bool:
        return any(begun < end and start < over for begun, over in self.times)


@dataclass
class Quarter:
    """The running quarter-hour of the clock. finished: the last whole one's mean, until it is taken."""

    number: int = 0
    known_seconds: float = 0.0
    left_out_seconds: float = 0.0
    rx_bits: float = 0.0
    tx_bits: float = 0.0
    finished: Rates | None = None

    def add(self, start: float, end: float, rates: Rates | None) -> None:
        """start, end: seconds since 1970. rates None: known to be none of the school's."""
        while start < end:
            number = int(start // QUARTER_SECONDS)
            if number != self.number:
                self._turn(number)
            until = min(end, (number + 1) * QUARTER_SECONDS)
            if rates is None:
                self.left_out_seconds += until - start
            else:
                self.known_seconds += until - start
                self.rx_bits += rates[0] * (until - start)
                self.tx_bits += rates[1] * (until - start)
            start = until
        if end // QUARTER_SECONDS != self.number:
            self._turn(int(end // QUARTER_SECONDS))

    def _turn(self, number: int) -> None:
        whole = abs(self.known_seconds + self.left_out_seconds - QUARTER_SECONDS) <= SLACK_SECONDS
        self.finished = None
        if whole and self.known_seconds >= LEAST_SECONDS and number == self.number + 1:
            self.finished = self.rx_bits / self.known_seconds, self.tx_bits / self.known_seconds
        self.number, self.known_seconds, self.left_out_seconds = number, 0.0, 0.0
        self.rx_bits = self.tx_bits = 0.0

    def take(self) -> Rates | None:
        found, self.finished = self.finished, None
        return found


@dataclass
class Flow:
    """The line's traffic as its last looks tell it. now_bps: between the last two, mean_bps: over about a minute."""

    looks: deque[Counters] = field(default_factory=lambda: deque(maxlen=64))  # without wraps
    quarter: Quarter = field(default_factory=Quarter)
    spans: Spans = field(default_factory=Spans)
    now_bps: Rates | None = None
    mean_bps: Rates | None = None
    at: float = float("-inf")  # monotonic, of these rates
    told_at: float | None = None  # the device's own time of its last rates
    _raw: Counters | None = None  # the last look as it was

    def look(self, now: Counters, port_bps: int, unix: float | None) -> None:
        """Another look at an interface's counters."""
        before = self._raw
        if before is None or now.seconds - before.seconds > GAP_SECONDS:
            self._forget(now)
            return
        counted = moved(before, now, port_bps)
        if counted is None:
            self._forget(now)
            return
        seconds = now.seconds - before.seconds
        rates = 8 * counted[0] / seconds, 8 * counted[1] / seconds
        ours = self.spans.touch(before.seconds, now.seconds)
        if unix is not None:
            self.quarter.add(unix - seconds, unix, None if ours else rates)
        if ours:
            self._forget(now)
            return
        last = self.looks[-1]
        self._raw = now
        self.looks.append(Counters(now.seconds, last.rx_bytes + counted[0], last.tx_bytes + counted[1]))
        while len(self.looks) > 2 and now.seconds - self.looks[1].seconds >= MEAN_SECONDS:
            self.looks.popleft()
        self.now_bps, self.mean_bps, self.at = rates, self._mean(), now.seconds

    def _mean(self) -> Rates:
        first, last = self.looks[0], self.looks[-1]
        seconds = last.seconds - first.seconds
        return 8 * (last.rx_bytes - first.rx_bytes) / seconds, 8 * (last.tx_bytes - first.tx_bytes) / seconds

    def _forget(self, now: Counters) -> None:
        self._raw = now
        self.looks.clear()
        self.looks.append(now)
        self.now_bps = self.mean_bps = None

    def told(self, rates: Rates, at: float, now: float, unix: float | None, longest_seconds: float) -> None:
        """A device's own rates, of the time since it was asked before; at: by the clock of whoever asked it."""
        if self.told_at == at:
            return
        seconds = at - self.told_at if self.told_at is not None else float("inf")
        self.told_at, self.at = at, now
        is_hole = not 0 < seconds <= longest_seconds
        # What the device counted began up to two of its rounds ago.
        ours = self.spans.touch(now - (longest_seconds if is_hole else 2 * seconds), now)
        self.now_bps = self.mean_bps = None if ours else rates
        if unix is not None and not is_hole:
            self.quarter.add(unix - seconds, unix, None if ours else rates)
