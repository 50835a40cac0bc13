"""Day and month summaries beside the ledger: seconds of each signal on both clocks, never other than the ledger's."""

from __future__ import annotations

import hashlib
import json
import zlib
from array import array
from calendar import monthrange
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.database import upsert
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_number, first_minute_of
from schoolbeat_wire.catalogue import DISPUTED

DAY_SECONDS: Final = 86_400
DAYS: Final = 31  # places in a month
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


def days_of(month: int) -> range:
    """The local days of a month."""
    year, index = divmod(month, 12)
    first = day_number(date_of(0).replace(year=year, month=index + 1, day=1))
    return range(first, first + monthrange(year, index + 1)[1])


class Month:
    """A site's month, opened up: days place by place, numbers signal by signal."""

    def __init__(self, month: int, names: Iterable[str] = ()) -> None:
        self.month, self.names = month, list(names)
        self.marks = [_NO_MARK] * DAYS
        self.numbers = [array("I", bytes(4 * NUMBERS * len(self.names))) for _ in range(DAYS)]

    def put(self, day: int, mark: bytes, found: Mapping[str, tuple[int, ...]]) -> None:
        """The day as the ledger says it now: what was known of it before is gone."""
        fresh = sorted(set(found) - set(self.names))
        if fresh:
            self.names += fresh
            for numbers in self.numbers:
                numbers.extend([0] * (NUMBERS * len(fresh)))
        place = day - days_of(self.month)[0]
        row = [number for name in self.names for number in found.get(name, (0,) * NUMBERS)]
        self.marks[place], self.numbers[place] = mark, array("I", row)

    def of_day(self, day: int, signal: str) -> tuple[int, ...] | None:
        """None: the day says nothing of the signal."""
        if signal not in self.names:
            return None
        at = self.names.index(signal) * NUMBERS
        found = tuple(self.numbers[day - days_of(self.month)[0]][at : at + NUMBERS])
        return found if sum(found[:5]) == DAY_SECONDS else None

    def mark(self, day: int) -> bytes:
        return self.marks[day - days_of(self.month)[0]]

    def row(self, site: str) -> dict[str, object]:
        """As table `summary` holds it."""
        count = len(days_of(self.month))
        totals = array("I", map(sum, zip(*self.numbers, strict=True))) if self.names else array("I")
        body = b"".join(self.marks) + b"".join(numbers.tobytes() for numbers in self.numbers)
        return {
            "site": site,
            "month": self.month,
            "names": json.dumps(self.names, separators=(",", ":")).encode(),
            "totals": totals.tobytes(),
            "complete": _NO_MARK not in self.marks[:count],
            "lessons": month_mark(self.marks[:count]),
            "days": zlib.compress(body, 6),
        }


def month_mark(marks: Iterable[bytes]) -> bytes:
    return hashlib.blake2b(b"".join(marks), digest_size=MARK).digest()


def opened(month: int, names: bytes, days: bytes) -> Month:
    found = Month(month, json.loads(names))
    body = zlib.decompress(days)
    width = 4 * NUMBERS * len(found.names)
    for place in range(DAYS):
        found.marks[place] = body[place * MARK : (place + 1) * MARK]
        start = DAYS * MARK + place * width
        found.numbers[place] = array("I", body[start : start + width])
    return found


# ---- making ------------------------------------------------------------------------------------------------


def make_day(connection: Connection, ledger: Ledger, calendar: SchoolCalendar, site: str, day: int) -> None:
    """Counts the day anew. `connection` writes."""
    first, end = first_minute_of(day), first_minute_of(day + 1)
    signals = ledger.signals(connection, site, first, end)
    lessons = calendar.read(site, first, end)
    rows = ledger.read(connection, site, signals, first, end)
    found = {signal: seconds_of(minutes, lessons) for signal, minutes in rows.items()}
    month = month_of(day)
    table = schema.summary.c
    row = connection.execute(select(table.names, table.days).where(table.site == site, table.month == month)).first()
    summary = opened(month, row.names, row.days) if row is not None else Month(month)
    summary.put(day, mark_of(lessons), found)
    upsert(connection, schema.summary, [summary.row(site)], ("site", "month"))


def counted_otherwise(connection: Connection, calendar: SchoolCalendar, before_day: int) -> list[tuple[str, int]]:
    """(site, day) whose lesson time is another one now than when they were counted."""
    table = schema.summary.c
    marks = Marks(calendar)
    found = []
    for row in connection.execute(select(table.site, table.month, table.lessons, table.complete)):
        if row.complete and row.lessons == marks.of_month(row.site, row.month):
            continue
        days = [day for day in days_of(row.month) if day < before_day]
        of = select(table.names, table.days).where(table.site == row.site, table.month == row.month)
        stored = connection.execute(of).one()
        summary = opened(row.month, stored.names, stored.days)
        found += [
            (row.site, day)
            for day in days
            if summary.mark(day) != _NO_MARK and summary.mark(day) != marks.of_day(row.site, day)
        ]
    return found


class Marks:
    """The marks of a calendar; places under the same rules share theirs."""

    def __init__(self, calendar: SchoolCalendar) -> None:
        self.calendar = calendar
        self._days: dict[tuple[int, int], bytes] = {}
        self._months: dict[tuple[int, int], bytes] = {}

    def of_day(self, site: str, day: int) -> bytes:
        key = (id(self.calendar.of_site(site)), day)
        found = self._days.get(key)
        if found is None:
            lessons = self.calendar.read(site, first_minute_of(day), first_minute_of(day + 1))
            found = self._days[key] = mark_of(lessons)
        return found

    def of_month(self, site: str, month: int) -> bytes:
        key = (id(self.calendar.of_site(site)), month)
        found = self._months.get(key)
        if found is None:
            found = self._months[key] = month_mark(self.of_day(site, day) for day in days_of(month))
        return found


# ---- reading -----------------------------------------------------------------------------------------------


class Reader:
    """Sums over whole local days of many sites: by months where nothing is against it, else by days, else by ledger."""

    def __init__(self, connection: Connection, ledger: Ledger, calendar: SchoolCalendar) -> None:
        self.connection, self.ledger, self.calendar = connection, ledger, calendar
        self.marks = Marks(calendar)
        self.from_ledger = 0  # days of signals that had to be counted anew

    def read(self, wanted: Mapping[str, Iterable[str]], first_day: int, end_day: int) -> dict[tuple[str, str], Both]:
        """wanted: signals by site. (site, signal) -> its seconds in the local days [first_day, end_day)."""
        sums = {(site, signal): [0] * NUMBERS for site, signals in wanted.items() for signal in signals}
        left: dict[str, set[int]] = {}  # months that a site's totals do not settle
        months = range(month_of(first_day), month_of(end_day - 1) + 1) if first_day < end_day else range(0)
        whole = {month for month in months if days_of(month)[0] >= first_day and days_of(month)[-1] < end_day}
        touched = self._touched()
        settled: set[tuple[str, int]] = set()
        places: dict[bytes, dict[str, int]] = {}
        table = schema.summary.c
        rows = self.connection.execute(
            select(table.site, table.month, table.names, table.totals, table.complete, table.lessons).where(
                table.month.between(min(months, default=0), max(months, default=-1))
            )
        )
        days_in = {month: len(days_of(month)) for month in months}
        for site, month, names, totals, complete, lessons in rows:
            if site not in wanted or month not in whole or not complete or (site, month) in touched:
                continue
            if lessons != self.marks.of_month(site, month):
                continue
            if names not in places:
                places[names] = {name: index for index, name in enumerate(json.loads(names))}
            numbers, place, need = memoryview(totals).cast("I"), places[names], days_in[month] * DAY_SECONDS
            if any(
                signal not in place or sum(numbers[place[signal] * NUMBERS : place[signal] * NUMBERS + 5]) != need
                for signal in wanted[site]
            ):
                continue
            settled.add((site, month))
            for signal in wanted[site]:
                at = place[signal] * NUMBERS
                _add(sums[site, signal], numbers[at : at + NUMBERS])
        for site in wanted:
            left[site] = {month for month in months if (site, month) not in settled}
            for month in left[site]:
                self._by_days(sums, site, wanted[site], month, first_day, end_day, touched.get((site, month), ()))
        return {key: Both(Seconds(*found[:5]), Seconds(*found[5:])) for key, found in sums.items()}

    def _touched(self) -> dict[tuple[str, int], set[int]]:
        found: dict[tuple[str, int], set[int]] = {}
        table = schema.day_touched.c
        for site, day in self.connection.execute(select(table.site, table.day)):
            found.setdefault((site, month_of(day)), set()).add(day)
        return found

    def _by_days(
        self,
        sums: dict[tuple[str, str], list[int]],
        site: str,
        signals: Iterable[str],
        month: int,
        first_day: int,
        end_day: int,
        touched: Iterable[int],
    ) -> None:
        table = schema.summary.c
        of = select(table.names, table.days).where(table.site == site, table.month == month)
        row = self.connection.execute(of).first()
        summary = opened(month, row.names, row.days) if row is not None else Month(month)
        for day in days_of(month):
            if not first_day <= day < end_day:
                continue
            good = day not in touched and summary.mark(day) == self.marks.of_day(site, day)
            for signal in signals:
                found = summary.of_day(day, signal) if good else None
                _add(sums[site, signal], found if found is not None else self._from_ledger(site, signal, day))

    def _from_ledger(self, site: str, signal: str, day: int) -> tuple[int, ...]:
        self.from_ledger += 1
        first, end = first_minute_of(day), first_minute_of(day + 1)
        with self.connection.engine.connect() as fresh:  # the ledger may be being sealed while we read
            minutes = self.ledger.read(fresh, site, [signal], first, end)[signal]
        return seconds_of(minutes, self.calendar.read(site, first, end))


def _add(sums: list[int], numbers: Iterable[int]) -> None:
    for index, number in enumerate(numbers):
        sums[index] += number
