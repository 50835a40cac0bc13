"""Day and month summaries beside the ledger: seconds of each signal on both clocks, never other than the ledger's."""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from calendar import monthrange
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from struct import Struct
from sys import byteorder
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.database import upsert
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_number, first_minute_of
from schoolbeat_wire.catalogue import DISPUTED

DAY_SECONDS: Final = 86_400
DAYS: Final = 31  # places in a month
CHECK: Final = 4
MARK: Final = 8  # bytes that name the lesson time a day was counted by
NUMBERS: Final = 10  # of a signal: up, down, off, unknown, disputed seconds; around the clock, then in lessons
_NO_MARK = bytes(MARK)


class Seconds(NamedTuple):
    """Of a signal on one clock. Disputed ones count as unknown wherever a share is asked for."""

    up: int
    down: int
    off: int
    unknown: int
    disputed: int

    def availability(self) -> Availability:
        return Availability(self.up, self.down, self.off, self.unknown + self.disputed)


class Both(NamedTuple):
    """Around the clock, and in lessons (all zero where nobody told its lessons)."""

    always: Seconds
    lessons: Seconds


# ---- side by side --------------------------------------------------------------------------------------------
# A signal's numbers as one whole number, 32 bits for each: one addition adds all of them. None grows over 32 bits in
# less than 136 years.

_SIDE_BY_SIDE: Final = Struct(f"={NUMBERS}I")
_BITS: Final = [(1 << 32 * NUMBERS * days) - 1 for days in range(DAYS + 1)]  # of the first so many days
_PART: Final = 4 * NUMBERS * DAYS


def beside(numbers: Iterable[int]) -> int:
    return int.from_bytes(_SIDE_BY_SIDE.pack(*numbers), byteorder)


def _added_up(days: int, count: int) -> int:
    """The sum of so many days laid end to end: the latter half is laid upon the former until one is left."""
    while count > 1:
        former = count + 1 >> 1
        bits = 32 * NUMBERS * former
        days, count = (days & _BITS[former]) + (days >> bits), former
    return days


def apart(together: int) -> tuple[int, ...]:
    return _SIDE_BY_SIDE.unpack(together.to_bytes(4 * NUMBERS, byteorder))


# ---- pure --------------------------------------------------------------------------------------------------


def seconds_of(minutes: bytes, lessons: bytes | None) -> tuple[int, ...]:
    """The numbers of a signal's day (or of any row of ledger minutes)."""
    disputed = 60 * minutes.count(DISPUTED)
    found = _numbers(availability(minutes), disputed)
    if lessons is None:
        return (*found, 0, 0, 0, 0, 0)
    if not disputed:
        return (*found, *_numbers(availability(minutes, lessons), 0))
    inside = 60 * sum(1 for code, lesson in zip(minutes, lessons, strict=True) if lesson and code == DISPUTED)
    return (*found, *_numbers(availability(minutes, lessons), inside))


def _numbers(found: Availability, disputed: int) -> tuple[int, ...]:
    return found.up_seconds, found.down_seconds, found.off_seconds, found.unknown_seconds - disputed, disputed


def mark_of(lessons: bytes | None) -> bytes:
    """Names lesson time; never all zero."""
    told = b"?" if lessons is None else b"!" + lessons
    return hashlib.blake2b(told, digest_size=MARK - 1).digest() + b"\1"


def month_of(day: int) -> int:
    date = date_of(day)
    return date.year * 12 + date.month - 1


@cache
def days_of(month: int) -> range:
    """The local days of a month."""
    year, index = divmod(month, 12)
    first = day_number(date_of(0).replace(year=year, month=index + 1, day=1))
    return range(first, first + monthrange(year, index + 1)[1])


class Month:
    """A site's month, opened up signal by signal as it is asked for."""

    def __init__(self, month: int, names: Iterable[str] = (), marks: bytes = bytes(DAYS * MARK)) -> None:
        self.month, self.names, self.marks = month, list(names), bytearray(marks)
        self.places = _places(tuple(self.names))
        self.packed = b""  # as table `summary` holds the days; of signals not opened yet
        self.packed_count = 0
        self._numbers: dict[int, array[int]] = {}

    def numbers(self, place: int) -> array[int]:
        """Of the signal at the place: NUMBERS for each of DAYS days, all zero for a day that says nothing of it."""
        found = self._numbers.get(place)
        if found is None:
            found = self._numbers[place] = array("I", self._unpacked(place))
        return found

    def _unpacked(self, place: int) -> bytes:
        if place >= self.packed_count:
            return bytes(4 * NUMBERS * DAYS)
        start = DAYS * MARK + 4 * self.packed_count
        ends = memoryview(self.packed)[DAYS * MARK : start].cast("I")
        part = self.packed[start + (ends[place - 1] if place else 0) : start + ends[place]]
        return zlib.decompress(part, bufsize=_PART)  # no more than a month has is set aside for it

    def put(self, day: int, mark: bytes, found: Mapping[str, tuple[int, ...]]) -> None:
        """The day as the ledger says it now: what was known of it before is gone."""
        self.names += sorted(set(found) - set(self.names))
        self.places = _places(tuple(self.names))
        at = day - days_of(self.month)[0]
        self.marks[at * MARK : (at + 1) * MARK] = mark
        nothing = (0,) * NUMBERS
        for name, place in self.places.items():
            self.numbers(place)[at * NUMBERS : (at + 1) * NUMBERS] = array("I", found.get(name, nothing))

    def of_day(self, day: int, signal: str) -> tuple[int, ...] | None:
        """None: the day says nothing of the signal."""
        return self.of_days(day, day + 1, signal)

    def of_days(self, first_day: int, end_day: int, signal: str) -> tuple[int, ...] | None:
        """The sums of days of this month. None: one of them says nothing of the signal."""
        found = apart(self.together(first_day, end_day, signal))
        return found if sum(found[:5]) == (end_day - first_day) * DAY_SECONDS else None

    def together(self, first_day: int, end_day: int, signal: str) -> int:
        """The sums of days of this month, side by side; days that say nothing of the signal add nothing."""
        place = self.places.get(signal)
        if place is None:
            return 0
        first, size = days_of(self.month)[0], 4 * NUMBERS
        numbers = self._numbers.get(place)
        told = self._unpacked(place) if numbers is None else numbers.tobytes()
        days = int.from_bytes(told[(first_day - first) * size : (end_day - first) * size], byteorder)
        return _added_up(days, end_day - first_day)

    def marks_of(self, first_day: int, end_day: int) -> bytes:
        first = days_of(self.month)[0]
        return bytes(self.marks[(first_day - first) * MARK : (end_day - first) * MARK])

    def row(self, site: str) -> dict[str, object]:
        """As table `summary` holds it. days: the marks, where each signal's part ends, and the parts."""
        days = days_of(self.month)
        marks = [self.marks_of(day, day + 1) for day in days]
        totals, ends, parts = array("I"), array("I"), []
        for place in range(len(self.names)):
            numbers = self.numbers(place)
            totals.extend(sum(numbers[index::NUMBERS]) for index in range(NUMBERS))
            parts.append(zlib.compress(numbers.tobytes(), 6))
            ends.append(len(parts[-1]) + (ends[-1] if ends else 0))
        names = json.dumps(self.names, separators=(",", ":")).encode()
        days_told = bytes(self.marks) + ends.tobytes() + b"".join(parts)
        return {
            "site": site,
            "month": self.month,
            "names": names,
            "totals": totals.tobytes() + _check(names, totals.tobytes()),
            "complete": _NO_MARK not in marks,
            "lessons": month_mark(marks),
            "days": days_told + _check(names, days_told),
        }


def month_mark(marks: Iterable[bytes]) -> bytes:
    return hashlib.blake2b(b"".join(marks), digest_size=MARK).digest()


def _check(names: bytes, told: bytes | memoryview) -> bytes:
    """Ends what is told: bytes that were damaged on the disk must not become seconds."""
    return zlib.crc32(told, _crc_of(names)).to_bytes(CHECK, "big")


def is_whole(names: bytes, told: bytes) -> bool:
    """Of the columns totals and days, with names: whether they are as they were written."""
    return told[-CHECK:] == _check(names, memoryview(told)[:-CHECK])


def opened(month: int, names: bytes, days: bytes) -> Month:
    """A damaged one knows no day."""
    if not is_whole(names, days):
        return Month(month)
    found = Month(month, _names(names), days[: DAYS * MARK])
    found.packed, found.packed_count = days, len(found.names)
    return found


_crc_of = lru_cache(64)(zlib.crc32)  # of names, which most sites share


@lru_cache(64)
def _places(names: tuple[str, ...]) -> Mapping[str, int]:
    return {name: place for place, name in enumerate(names)}


@lru_cache(64)
def _names(told: bytes) -> tuple[str, ...]:
    return tuple(json.loads(told))


# ---- making ------------------------------------------------------------------------------------------------


def make_day(connection: Connection, ledger: Ledger, calendar: SchoolCalendar, site: str, day: int) -> None:
    """Counts the day anew. `connection` writes."""
    first, end = first_minute_of(day), first_minute_of(day + 1)
    signals = ledger.signals(connection, site, first, end)
    lessons = calendar.read(site, first, end)
    rows = ledger.read(connection, site, signals, first, end)
    found = {signal: seconds_of(minutes, lessons) for signal, minutes in rows.items()}
    month = month_of(day)
    summary = _stored(connection, site, month)
    summary.put(day, mark_of(lessons), found)
    upsert(connection, schema.summary, [summary.row(site)], ("site", "month"))


def to_count_again(connection: Connection, calendar: SchoolCalendar, before_day: int) -> list[tuple[str, int]]:
    """(site, day) whose lesson time is another one now than when they were counted, or whose summary is lost."""
    table = schema.summary.c
    marks = Marks(calendar)
    doubtful = _months_with_days(connection, before_day)
    for row in connection.execute(select(table.site, table.month, table.names, table.totals, table.lessons)):
        if row.lessons == marks.of_month(row.site, row.month) and is_whole(row.names, row.totals):
            doubtful.pop((row.site, row.month), None)
    found = []
    for site, month in sorted(doubtful):
        summary = _stored(connection, site, month)
        found += [
            (site, day)
            for day in _digested(connection, site, month, before_day)
            if summary.marks_of(day, day + 1) != marks.of_days(site, day, day + 1)
        ]
    return found


def _months_with_days(connection: Connection, before_day: int) -> dict[tuple[str, int], None]:
    """Site and month of all days that may have been summed up."""
    table = schema.day_digest.c
    query = select(table.site, func.min(table.day)).where(table.day < before_day).group_by(table.site)
    last = month_of(before_day - 1)
    return {(site, month): None for site, day in connection.execute(query) for month in range(month_of(day), last + 1)}


def _digested(connection: Connection, site: str, month: int, before_day: int) -> list[int]:
    """Days that have been over: each got its digest and its sums in one transaction."""
    table, days = schema.day_digest.c, days_of(month)
    mine = table.day.between(days.start, min(days.stop, before_day) - 1)
    return sorted(connection.scalars(select(table.day).where(table.site == site, mine).distinct()))


def _stored(connection: Connection, site: str, month: int) -> Month:
    table = schema.summary.c
    row = connection.execute(select(table.names, table.days).where(table.site == site, table.month == month)).first()
    return opened(month, row.names, row.days) if row is not None else Month(month)


class Marks:
    """The marks of a calendar; places under the same rules share theirs."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self.calendar = calendar
        self._days: dict[tuple[int, int], bytes] = {}
        self._months: dict[tuple[int, int], bytes] = {}
        self._spans: dict[tuple[int, int, int], bytes] = {}
        self._places: dict[str, int] = {}

    def place(self, site: str) -> int:
        """Stands for the rules of the site."""
        found = self._places.get(site)
        if found is None:
            found = self._places[site] = id(self.calendar.of_site(site))
        return found

    def of_days(self, site: str, first_day: int, end_day: int) -> bytes:
        key = (self.place(site), first_day, end_day)
        found = self._spans.get(key)
        if found is None:
            found = self._spans[key] = b"".join(self.of_day(site, day) for day in range(first_day, end_day))
        return found

    def of_day(self, site: str, day: int) -> bytes:
        key = (self.place(site), day)
        found = self._days.get(key)
        if found is None:
            lessons = self.calendar.read(site, first_minute_of(day), first_minute_of(day + 1))
            found = self._days[key] = mark_of(lessons)
        return found

    def of_month(self, site: str, month: int) -> bytes:
        key = (self.place(site), month)
        found = self._months.get(key)
        if found is None:
            found = self._months[key] = month_mark(self.of_day(site, day) for day in days_of(month))
        return found
