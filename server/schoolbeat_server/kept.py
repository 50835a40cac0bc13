"""Kept readings: a site's local day hour by hour, with what a percentile needs, as bytes that are kept for ever."""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from struct import Struct
from typing import Final, NamedTuple

from schoolbeat_wire.catalogue import READINGS

HOURS: Final = 24
HOUR_MINUTES: Final = 60

Key = tuple[str, str]
"""(subject, reading)"""

# ---- which edges -------------------------------------------------------------------------------------------
# A bin holds what is above the edge before it and at most its own, the last what is above all. In the readings' unit.
# Days that are kept already stand by the edges they were made with, which they carry: an edge may be added.

EDGES: Final[Mapping[str, tuple[int, ...]]] = {
    "ms": (5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1_000, 2_000, 3_000, 5_000, 10_000),
    "%": (0, 1, 2, 5, 10, 20, 30, 50, 70, 80, 90, 95),
    "bit/s": tuple(one * 10**power for power in range(5, 10) for one in (1, 2, 5)),
}
EDGES_OF: Final[Mapping[str, tuple[int, ...]]] = {"power_state": (0, 1, 2)}  # readings with others than their unit's
_HOURLY: Final = ("rtt_ms", "loss_percent", "http_ms", "rx_quarter_bps", "tx_quarter_bps", "dhcp_ms", "join_ms")
_BELOW: Final = ("lan.router", "line.isp")  # rungs that no figure of latency or loss is of
_SPEED: Final = "speed."  # speed tests are kept one by one
_DEVICE: Final = "device."


def is_kept(subject: str, reading: str) -> bool:
    """Of devices no times and rates: they are many, no figure asks for them, and the time-series store has them."""
    told = READINGS[reading]
    if not told.kept or subject.startswith(_SPEED):
        return False
    return not (subject.startswith(_DEVICE) and told.unit in ("ms", "bit/s"))


def is_daily(subject: str, reading: str) -> bool:
    """By the hour are kept the figures that lessons are judged by, what is only on or off, and whether a device is
    switched on; all others by the day, those of devices without bins."""
    if subject.startswith(_DEVICE):
        return READINGS[reading].high > 1 and reading not in EDGES_OF
    return reading not in _HOURLY or subject in _BELOW


def edges_of(reading: str) -> tuple[int, ...]:
    """In the reading's unit."""
    return EDGES_OF.get(reading) or EDGES.get(READINGS[reading].unit, ())


def edges_of_series(subject: str, reading: str) -> tuple[int, ...]:
    """As on the wire: scaled."""
    if subject.startswith(_DEVICE) and is_daily(subject, reading):
        return ()
    return tuple(one * scale_of(reading) for one in edges_of(reading))


def scale_of(reading: str) -> int:
    scale: int = 10 ** READINGS[reading].decimals
    return scale


def group_of(subject: str) -> str:
    """A day is stored in a few rows: whoever asks of the line need not open its devices, and small ones waste less of a
    database page."""
    if subject in ("line.domestic", "line.international"):
        return "path"
    head = subject.partition(".")[0]
    return "line" if head in ("line", "lan") else "device" if head == "device" else "other"


# ---- one series --------------------------------------------------------------------------------------------


class Part(NamedTuple):
    """Of an hour, or of a whole day: known is how many minutes had a value; their sum, lowest and highest, as on the
    wire. bins: how many were in each."""

    known: int
    total: int
    low: int
    high: int
    bins: tuple[int, ...] = ()

    def __add__(self, other: Part) -> Part:  # type: ignore[override]  # these are no sequences to be joined
        bins = tuple(map(int.__add__, self.bins, other.bins))
        return Part(
            self.known + other.known,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
            bins,
        )


@dataclass(frozen=True, slots=True)
class Series:
    """A reading's day. edges: as on the wire. hours: of the local day, those that are told; of a daily one only 0.
    Then for each of them what Part says; bins: by place, those that hold anything. last: the newest value;
    last_minute: of the day, from 0."""

    daily: bool
    edges: tuple[int, ...]
    hours: tuple[int, ...]
    known: tuple[int, ...]
    totals: tuple[int, ...]
    lows: tuple[int, ...]
    highs: tuple[int, ...]
    bins: Mapping[int, tuple[int, ...]]
    last_minute: int
    last: int

    def at(self, hours: frozenset[int] | None) -> tuple[int, ...]:
        """Places of those hours; None: of all. A daily series tells of no hours."""
        return _places(self.hours, None if hours is None else () if self.daily else tuple(sorted(hours)))

    def at_most(self, at: tuple[int, ...], most: int) -> int:
        """How many values were at most that. ValueError unless it is an edge."""
        upto = self.edges.index(most)
        return sum(total(row, at) for place, row in self.bins.items() if place <= upto)

    @property
    def parts(self) -> dict[int, Part]:
        rows = [self.bins.get(place, (0,) * len(self.hours)) for place in range(len(self.edges) + 1)]
        bins = list(zip(*rows, strict=True)) if self.edges else [()] * len(self.hours)
        figures = zip(self.known, self.totals, self.lows, self.highs, bins, strict=True)
        return {hour: Part(*one) for hour, one in zip(self.hours, figures, strict=True)}


def series_of(daily: bool, edges: tuple[int, ...], parts: Mapping[int, Part], last_minute: int, last: int) -> Series:
    hours = tuple(sorted(parts))
    ordered = [parts[hour] for hour in hours]
    known, totals, lows, highs, bins = zip(*ordered, strict=True)
    rows = dict(enumerate(zip(*bins, strict=True))) if edges else {}
    filled = {place: row for place, row in rows.items() if any(row)}
    return Series(daily, edges, hours, known, totals, lows, highs, filled, last_minute, last)


@lru_cache(4096)
def _places(told: tuple[int, ...], wanted: tuple[int, ...] | None) -> tuple[int, ...]:
    return tuple(place for place, hour in enumerate(told) if wanted is None or hour in wanted)


def total(row: Sequence[int], at: tuple[int, ...]) -> int:
    return sum(row) if len(at) == len(row) else sum([row[place] for place in at])


def summarised(subject: str, reading: str, values: Mapping[int, int]) -> Series:
    """values: by minute of the local day, at least one, as on the wire."""
    daily, edges = is_daily(subject, reading), edges_of_series(subject, reading)
    hours: dict[int, list[int]] = {}
    for minute, value in values.items():
        hours.setdefault(0 if daily else minute // HOUR_MINUTES, []).append(value)
    newest = max(values)
    return series_of(daily, edges, {hour: _part(hours[hour], edges) for hour in hours}, newest, values[newest])


def _part(values: Sequence[int], edges: tuple[int, ...]) -> Part:
    bins: list[int] = []
    if edges:
        bins = [0] * (len(edges) + 1)
        for value in values:
            bins[bisect_left(edges, value)] += 1
    return Part(len(values), sum(values), min(values), max(values), tuple(bins))


def added(one: Series, other: Series) -> Series:
    """Of different minutes of one day. Where the edges are others now, the newer's bins are left out."""
    parts = one.parts
    for hour, part in other.parts.items():
        before = parts.get(hour)
        if other.edges != one.edges:
            part = part._replace(bins=(0,) * (len(one.edges) + 1) if one.edges else ())
        parts[hour] = part if before is None else before + part
    last = max((one.last_minute, one.last), (other.last_minute, other.last))
    return series_of(one.daily, one.edges, parts, *last)


# ---- a day as bytes ----------------------------------------------------------------------------------------
# The names of a day's series and their edges change seldom, so they stand apart, under their digest. Of each series: a
# head, then known, sum, low and high of every hour, field by field, then the bins that hold anything.
# Numbers are laid down byte by byte, first the lowest byte of all of them: so zlib packs them tighter.

_HEAD: Final = Struct("<BIIHqB")  # flags, hours told, bins told, last minute, last value, size of a number
_DAILY: Final = 1
_CODES: Final = (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31), ("q", 1 << 63))
_COUNTS: Final = "H"


Names = Mapping[Key, tuple[int, tuple[int, ...]]]
"""The place of each series, and its edges."""


def pack_names(day: Mapping[Key, Series]) -> tuple[bytes, bytes]:
    """(digest, names) of the series of a day, in the order in which `pack` has them."""
    told = [[*key, day[key].edges] for key in sorted(day)]
    names = json.dumps(told, separators=(",", ":")).encode()
    return blake2b(names, digest_size=8).digest(), zlib.compress(names, 9)


def unpack_names(names: bytes) -> Names:
    """zlib.error, ValueError, TypeError: the bytes are damaged."""
    told = json.loads(zlib.decompress(names))
    return {(subject, reading): (place, tuple(edges)) for place, (subject, reading, edges) in enumerate(told)}


def pack(day: Mapping[Key, Series]) -> bytes:
    bodies = [_pack_series(day[key]) for key in sorted(day)]
    ends = array("I", [0])
    for body in bodies:
        ends.append(ends[-1] + len(body))
    return zlib.compress(ends.tobytes() + b"".join(bodies), 9)


def _pack_series(series: Series) -> bytes:
    numbers = [*series.totals, *series.lows, *series.highs]
    code = next(code for code, limit in _CODES if all(-limit <= number < limit for number in numbers))
    used = sorted(series.bins)
    hours, places = sum(1 << hour for hour in series.hours), sum(1 << place for place in used)
    flags, size = _DAILY if series.daily else 0, array(code).itemsize
    head = _HEAD.pack(flags, hours, places, series.last_minute, series.last, size)
    counts = [*series.known, *(count for place in used for count in series.bins[place])]
    planes = _planes(array(_COUNTS, counts).tobytes(), 2) + _planes(array(code, numbers).tobytes(), size)
    return head + planes


def _planes(told: bytes, size: int) -> bytes:
    return b"".join(told[at::size] for at in range(size))


def _unplaned(told: bytes, code: str) -> array[int]:
    size = array(code).itemsize
    if size > 1:
        width, out = len(told) // size, bytearray(len(told))
        for at in range(size):
            out[at::size] = told[at * width : (at + 1) * width]
        told = bytes(out)
    return array(code, told)


def unpack(names: Names, payload: bytes, wanted: Collection[Key] | None = None) -> dict[Key, Series]:
    """Only of those wanted; None: all. zlib.error, ValueError, struct.error: the
    bytes are damaged."""
    told = zlib.decompress(payload)
    keys = names.keys() if wanted is None else [key for key in wanted if key in names]
    if not keys:
        return {}
    head = 4 * (len(names) + 1)
    ends = memoryview(told)[:head].cast("I")
    found = {}
    for key in keys:
        place, edges = names[key]
        found[key] = _unpack_series(told[head + ends[place] : head + ends[place + 1]], edges)
    return found


_CODE_OF: Final = {array(code).itemsize: code for code, _ in _CODES}


def _unpack_series(told: bytes, edges: tuple[int, ...]) -> Series:
    flags, hour_bits, bin_bits, last_minute, last, size = _HEAD.unpack_from(told)
    at = _HEAD.size
    hours, used = _bits(hour_bits), _bits(bin_bits)
    width = len(hours)
    end = at + 2 * width * (1 + len(used))
    counts = tuple(_unplaned(told[at:end], _COUNTS))
    numbers = tuple(_unplaned(told[end:], _CODE_OF[size]))
    bins = {place: counts[row * width : (row + 1) * width] for row, place in enumerate(used, 1)}
    totals, lows, highs = (numbers[field * width : (field + 1) * width] for field in range(3))
    return Series(bool(flags & _DAILY), edges, hours, counts[:width], totals, lows, highs, bins, last_minute, last)


@lru_cache(4096)
def _bits(mask: int) -> tuple[int, ...]:
    return tuple(place for place in range(32) if mask >> place & 1)
