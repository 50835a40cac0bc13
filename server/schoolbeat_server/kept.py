"""Kept readings: a site's local day hour by hour, with what a percentile needs, as bytes that are kept for ever."""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
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
_SPEED: Final = "speed."  # speed tests are kept one by one


def is_kept(subject: str, reading: str) -> bool:
    return READINGS[reading].kept and not subject.startswith(_SPEED)


def is_daily(subject: str, reading: str) -> bool:
    """Numbers of single devices are kept by the day and without bins: there are many, and no figure asks for more.
    What is only on or off, and whether it is switched on, is kept by the hour as all others are."""
    return subject.startswith("device.") and READINGS[reading].high > 1 and reading not in EDGES_OF


def edges_of(reading: str) -> tuple[int, ...]:
    """In the reading's unit."""
    return EDGES_OF.get(reading) or EDGES.get(READINGS[reading].unit, ())


def edges_of_series(subject: str, reading: str) -> tuple[int, ...]:
    """As on the wire: scaled."""
    return () if is_daily(subject, reading) else tuple(one * scale_of(reading) for one in edges_of(reading))


def scale_of(reading: str) -> int:
    return 10 ** READINGS[reading].decimals


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


class Series(NamedTuple):
    """A reading's day. edges: as on the wire. parts: by hour of the local day; of a daily one all in hour 0.
    last: the newest value; last_minute: of the day, from 0."""

    daily: bool
    edges: tuple[int, ...]
    parts: Mapping[int, Part]
    last_minute: int
    last: int

    def at_most(self, part: Part, most: int) -> int:
        """How many values were at most that. ValueError unless it is an edge."""
        bins: tuple[int, ...] = part.bins
        return sum(bins[: self.edges.index(most) + 1])


def summarised(subject: str, reading: str, values: Mapping[int, int]) -> Series:
    """values: by minute of the local day, at least one, as on the wire."""
    daily, edges = is_daily(subject, reading), edges_of_series(subject, reading)
    hours: dict[int, list[int]] = {}
    for minute, value in values.items():
        hours.setdefault(0 if daily else minute // HOUR_MINUTES, []).append(value)
    newest = max(values)
    return Series(daily, edges, {hour: _part(hours[hour], edges) for hour in sorted(hours)}, newest, values[newest])


def _part(values: Sequence[int], edges: tuple[int, ...]) -> Part:
    bins: list[int] = []
    if edges:
        bins = [0] * (len(edges) + 1)
        for value in values:
            bins[bisect_left(edges, value)] += 1
    return Part(len(values), sum(values), min(values), max(values), tuple(bins))


def added(one: Series, other: Series) -> Series:
    """Of different minutes of one day. Where the edges are others now, the newer's bins are left out."""
    parts = dict(one.parts)
    for hour, part in other.parts.items():
        before = parts.get(hour)
        if other.edges != one.edges:
            part = part._replace(bins=(0,) * len(before.bins if before else (*one.edges, 0)))
        parts[hour] = part if before is None else before + part
    last = max((one.last_minute, one.last), (other.last_minute, other.last))
    return Series(one.daily, one.edges, dict(sorted(parts.items())), *last)


# ---- a day as bytes ----------------------------------------------------------------------------------------
# The names of a day's series change seldom, so they stand apart, under their digest. Of each series: a head, the edges
# where it has any, then count, sum, low and high of every hour, field by field, then the bins that hold anything.

_HEAD: Final = Struct("<BIIHqBB")  # flags, hours told, bins told, last minute, last value, size of a number, edges
_DAILY: Final = 1
_CODES: Final = (("b", 1 << 7), ("h", 1 << 15), ("i", 1 << 31), ("q", 1 << 63))
_COUNTS: Final = "H"


def pack_names(keys: Collection[Key]) -> tuple[bytes, bytes]:
    """(digest, names) of the series of a day, in the order in which `pack` has them."""
    names = json.dumps(sorted(keys), separators=(",", ":")).encode()
    return blake2b(names, digest_size=8).digest(), zlib.compress(names, 9)


@lru_cache(512)
def unpack_names(names: bytes) -> dict[Key, int]:
    """The place of each series."""
    return {(subject, reading): place for place, (subject, reading) in enumerate(json.loads(zlib.decompress(names)))}


def pack(day: Mapping[Key, Series]) -> bytes:
    bodies = [_pack_series(day[key]) for key in sorted(day)]
    ends = array("I", [0])
    for body in bodies:
        ends.append(ends[-1] + len(body))
    return zlib.compress(ends.tobytes() + b"".join(bodies), 9)


def _pack_series(series: Series) -> bytes:
    parts = list(series.parts.values())
    hours = sum(1 << hour for hour in series.parts)
    used = [place for place in range(len(series.edges) + 1) if any(part.bins and part.bins[place] for part in parts)]
    numbers = [part.total for part in parts] + [part.low for part in parts] + [part.high for part in parts]
    code = next(code for code, limit in _CODES if all(-limit <= number < limit for number in numbers))
    places = sum(1 << place for place in used)
    flags, size = _DAILY if series.daily else 0, array(code).itemsize
    head = _HEAD.pack(flags, hours, places, series.last_minute, series.last, size, len(series.edges))
    counts = [part.known for part in parts] + [part.bins[place] for place in used for part in parts]
    return head + array("q", series.edges).tobytes() + array(_COUNTS, counts).tobytes() + array(code, numbers).tobytes()


def unpack(names: bytes, payload: bytes, wanted: Collection[Key] | None = None) -> dict[Key, Series]:
    """Only of those wanted; None: all. zlib.error or ValueError: the bytes are damaged."""
    places = unpack_names(names)
    told = zlib.decompress(payload)
    keys = places.keys() if wanted is None else [key for key in wanted if key in places]
    if not keys:
        return {}
    head = 4 * (len(places) + 1)
    ends = memoryview(told)[:head].cast("I")
    found = {}
    for key in keys:
        place = places[key]
        found[key] = _unpack_series(told[head + ends[place] : head + ends[place + 1]])
    return found


_CODE_OF: Final = {array(code).itemsize: code for code, _ in _CODES}


def _unpack_series(told: bytes) -> Series:
    flags, hours, places, last_minute, last, size, edge_count = _HEAD.unpack_from(told)
    at = _HEAD.size
    edges = _edges(told[at : at + 8 * edge_count])
    at += 8 * edge_count
    at_hours, used = _bits(hours), _bits(places)
    width = len(at_hours)
    end = at + 2 * width * (1 + len(used))
    counts = array(_COUNTS, told[at:end])
    numbers = array(_CODE_OF[size], told[end:])
    parts = {}
    for index, hour in enumerate(at_hours):
        bins = [0] * (edge_count + 1) if edge_count else []
        for row, place in enumerate(used, 1):
            bins[place] = counts[row * width + index]
        parts[hour] = Part(
            counts[index], numbers[index], numbers[width + index], numbers[2 * width + index], tuple(bins)
        )
    return Series(bool(flags & _DAILY), edges, parts, last_minute, last)


@lru_cache(256)
def _edges(told: bytes) -> tuple[int, ...]:
    found = tuple(array("q", told))
    if any(one >= other for one, other in pairwise(found)):
        raise ValueError("edges do not ascend")
    return found


@lru_cache(4096)
def _bits(mask: int) -> tuple[int, ...]:
    return tuple(place for place in range(32) if mask >> place & 1)
