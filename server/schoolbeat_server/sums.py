"""Seconds of any window: months and days by their summaries, edges and whatever is in doubt by the ledger's minutes."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from sys import byteorder
from typing import Any, Final

from sqlalchemy import Connection, Select, func, select

from schoolbeat_server import schema
from schoolbeat_server.availability import Availability
from schoolbeat_server.database import get_meta
from schoolbeat_server.evidence import Source, Window
from schoolbeat_server.ledger import DAY, HOUR, Ledger
from schoolbeat_server.measured import Measured, Row
from schoolbeat_server.school_calendar import SchoolCalendar, day_of, first_minute_of
from schoolbeat_server.summaries import (
    DAY_SECONDS,
    NUMBERS,
    Both,
    Marks,
    Month,
    Seconds,
    apart,
    beside,
    days_of,
    is_whole,
    month_of,
    opened,
    seconds_of,
)
from schoolbeat_server.targets import Clock
from schoolbeat_wire.catalogue import UNKNOWN

SUMMED_TO: Final = "digested_to"  # key of table `meta`: local days before it were summed up for good
_BYTES: Final = 4 * NUMBERS
_MONTHS_KEPT, _DAYS_KEPT = 48, 400  # opened ones: judging goes from site to site; a day is 1,440 bytes a signal
_TOTALS_KEPT: Final = 50_000  # of sites and months
_ROWS: Final = 100  # at once: a row of a month has 25 kB, and what was read is worked on while it is near

Wanted = Mapping[str, Iterable[str]]
"""Signals by site."""

Key = tuple[str, str]
"""(site, signal)"""


class Sums:
    """As of one moment: what `connection`, which must not have read anything yet, sees; and of days in doubt what the
    ledger says when it is asked.

    A summary is believed for a day that was summed up for good, that nothing came for since, and whose lesson time is
    still that of the calendar. What is missing or in doubt is counted from the ledger's minutes."""

    def __init__(self, connection: Connection, ledger: Ledger, calendar: SchoolCalendar) -> None:
        self.connection, self.ledger, self.calendar = connection, ledger, calendar
        self.marks = Marks(calendar)
        self.from_ledger = 0  # days of sites that were read minute by minute
        with ledger.lock:  # before the database: what is sealed meanwhile is in one of them
            hours = {
                site: min(block.hour for block in blocks.values()) for site, blocks in ledger.open.items() if blocks
            }
        self._open_from = {site: day_of(hour * HOUR) for site, hour in hours.items()}
        self.summed_to = int(get_meta(connection, SUMMED_TO) or 0)
        self.touched: dict[tuple[str, int], set[int]] = {}  # days by site and month
        table = schema.day_touched.c
        for site, day in connection.execute(select(table.site, table.day)):
            self.touched.setdefault((site, month_of(day)), set()).add(day)
        self._wanted: dict[str, set[str]] = {}
        self._months: OrderedDict[tuple[str, int], Month] = OrderedDict()
        self._rows: OrderedDict[tuple[str, int], dict[str, bytes]] = OrderedDict()
        self._lessons: dict[tuple[int, int, int], int] = {}
        self._began: dict[str, int] | None = None
        self._off: dict[str, list[tuple[int, int]]] = {}
        self._edges: dict[tuple[str, str, int, int], int] = {}
        self._at: dict[tuple[str, str, tuple[int, ...]], bytes] = {}
        self._minutes: dict[tuple[int, ...], tuple[int, ...]] = {}  # sites under the same rules share theirs
        self._totals: dict[tuple[str, int], tuple[Places, bytes]] = {}  # of months, as far as asked for and few

    # ---- many sites ----------------------------------------------------------------------------------------

    def read(self, wanted: Wanted, first: int, end: int) -> dict[Key, Both]:
        """The seconds of the minutes [first, end)."""
        return {key: _both(found) for key, found in self.together(wanted, first, end).items()}

    def together(self, wanted: Wanted, first: int, end: int) -> dict[Key, int]:
        """As `read`, side by side (summaries.beside)."""
        self._want(wanted)
        days = _whole_days(first, end)
        sums = self._whole_days(wanted, days) if days else {}
        for edge in _edges(first, end, days) if days else [(first, end)]:
            for site, signals in wanted.items():
                for signal in signals:
                    sums[site, signal] = sums.get((site, signal), 0) + self._edge(site, signal, *edge)
        return sums

    def _want(self, wanted: Wanted) -> None:
        for site, signals in wanted.items():
            self._wanted.setdefault(site, set()).update(signals)

    def _whole_days(self, wanted: Wanted, days: range) -> dict[Key, int]:
        """By months, a row a site and month; where that does not tell of every day, with more care."""
        after = range(max(days.start, min(self.summed_to, days.stop)), days.stop)
        days = range(days.start, after.start)
        sums = {(site, signal): 0 for site, signals in wanted.items() for signal in signals}
        whole = {month for month in _months(days) if _is_whole(month, days) and days_of(month)[-1] < self.summed_to}
        self._add_totals(sums, wanted, whole)
        self._add_parts(sums, wanted, {month: _part(month, days) for month in _months(days) if month not in whole})
        need = len(days) * DAY_SECONDS
        for key, found in sums.items():
            if sum(apart(found)[:5]) != need:
                sums[key] = self.days(*key, days.start, days.stop)
            for day in after:
                sums[key] += self._of_day(*key, day)
        return sums

    def _add_totals(self, sums: dict[Key, int], wanted: Wanted, months: set[int]) -> None:
        """Of months that are whole and beyond doubt."""
        table = schema.summary.c
        query = select(table.site, table.month, table.names, table.totals, table.complete, table.lessons)
        places: dict[tuple[int, bytes], Places] = {}
        added: dict[Places, dict[str, int]] = {}  # by site, all its signals side by side
        asked = _same(wanted)
        for site, month, names, totals, complete, lessons in self._summaries(query, months):
            if site not in asked or not complete or (site, month) in self.touched:
                continue
            if lessons != self.marks.of_month(site, month) or not is_whole(names, totals):
                continue
            number, signals = asked[site]
            where = places.get((number, names))
            if where is None:
                where = places[number, names] = Places(names, signals)
                added[where] = {}
            told = where.cut(totals)
            by_site = added[where]
            by_site[site] = by_site.get(site, 0) + int.from_bytes(told, byteorder)
            if len(self._totals) < _TOTALS_KEPT:
                self._totals[site, month] = where, told
        for where, by_site in added.items():
            for site, together in by_site.items():
                for signal, numbers in where.apart(together):
                    sums[site, signal] += numbers

    def _add_parts(self, sums: dict[Key, int], wanted: Wanted, parts: Mapping[int, range]) -> None:
        """Of months that are not, day by day, where none of the days is in doubt."""
        table = schema.summary.c
        known = {month for month, days in parts.items() if days and days[-1] < self.summed_to}
        query = select(table.site, table.month, table.names, table.days)
        for site, month, names, days in self._summaries(query, known):
            part = parts[month]
            if site in wanted and (site, month) not in self.touched:
                summary = opened(month, names, days)
                if summary.marks_of(part.start, part.stop) == self.marks.of_days(site, part.start, part.stop):
                    for signal in wanted[site]:
                        sums[site, signal] += summary.together(part.start, part.stop, signal)

    def _summaries(self, query: Select[Any], months: Collection[int]) -> Iterator[Sequence[Any]]:
        table = schema.summary.c
        if months:
            query = query.where(table.month.in_(sorted(months)))
            for rows in self.connection.execute(query).partitions(_ROWS):
                yield from rows

    # ---- one signal ----------------------------------------------------------------------------------------

    def one(self, site: str, signal: str, first: int, end: int) -> int:
        """The seconds of the minutes [first, end), side by side."""
        days = _whole_days(first, end)
        if not days:
            return self._edge(site, signal, first, end)
        found = self.days(site, signal, days.start, days.stop)
        for edge in _edges(first, end, days):
            found += self._edge(site, signal, *edge)
        return found

    def days(self, site: str, signal: str, first_day: int, end_day: int) -> int:
        """Of local days, each by the best that is known of it."""
        began = min(max(first_day, self._first_day(site)), end_day)
        found, doubtful = self.told(site, signal, began, end_day)
        found += self._nothing(site, first_day, began)
        for day in doubtful:
            found += self._of_day(site, signal, day)
        return found

    def months_around(self, site: str, signal: str, days: range) -> int | None:
        """Of the whole months in which the days lie, if every one of their days was told already."""
        months, found = _months(days), 0
        for month in months:
            where, told = self._totals.get((site, month), (None, b""))
            found += where.of(signal, told) if where is not None else 0
        return found if sum(apart(found)[:5]) == sum(map(len, map(days_of, months))) * DAY_SECONDS else None

    def told(self, site: str, signal: str, first_day: int, end_day: int) -> tuple[int, list[int]]:
        """What summaries tell of the days, and which days they do not tell."""
        found, doubtful = 0, []
        for month in _months(range(first_day, end_day)):
            days = _part(month, range(first_day, end_day))
            summary = self._month(site, month)
            runs = [days]
            if not self._are_sound(summary, site, days):
                runs = [range(day, day + 1) for day in days if self._are_sound(summary, site, range(day, day + 1))]
                doubtful += sorted(set(days) - {run.start for run in runs})
            for run in runs:
                numbers = summary.together(run.start, run.stop, signal)
                if sum(apart(numbers)[:5]) == len(run) * DAY_SECONDS:
                    found += numbers
                    continue
                for day in run:
                    one = summary.together(day, day + 1, signal)
                    if one:
                        found += one
                    elif self._was_off(site, day):
                        doubtful.append(day)
                    else:
                        found += self._nothing(site, day, day + 1)
        return found, doubtful

    def _are_sound(self, summary: Month, site: str, days: range) -> bool:
        if days[-1] >= self.summed_to or any(day in days for day in self.touched.get((site, summary.month), ())):
            return False
        return summary.marks_of(days.start, days.stop) == self.marks.of_days(site, days.start, days.stop)

    def _month(self, site: str, month: int) -> Month:
        found = self._months.get((site, month))
        if found is None:
            table = schema.summary.c
            query = select(table.names, table.days).where(table.site == site, table.month == month)
            row = self.connection.execute(query).one_or_none()
            found = Month(month) if row is None else opened(month, row.names, row.days)
            self._months[site, month] = found
            if len(self._months) > _MONTHS_KEPT:
                self._months.popitem(last=False)
        return found

    # ---- by the ledger -------------------------------------------------------------------------------------

    def row(self, site: str, signal: str, first: int, end: int) -> Row:
        if end <= first_minute_of(self._first_day(site)):
            codes = bytes([UNKNOWN]) * (end - first)
        else:
            codes = b"".join(self._codes(site, signal, *part) for part in _by_days(first, end))
        return Row(first, codes, self.calendar.read(site, first, end))

    def at(self, site: str, signals: Iterable[str], signal: str, minutes: tuple[int, ...]) -> bytes:
        """The codes of single minutes. signals: what else will be asked for of the site: all are read at once, and what
        was read stays, because several targets ask for it."""
        found = self._at.get((site, signal, minutes))
        if found is not None:
            return found
        minutes = self._minutes.setdefault(minutes, minutes)
        first, end = min(minutes, default=0), max(minutes, default=-1) + 1
        rows: dict[str, bytes] = dict.fromkeys((signal,), bytes([UNKNOWN]) * (end - first))
        if end > first_minute_of(self._first_day(site)):
            self.from_ledger += day_of(end - 1) - day_of(first) + 1
            with self.ledger.engine.connect() as fresh:  # the ledger may be being sealed while we read
                rows = self.ledger.read(fresh, site, sorted({*signals, signal}), first, end)
        for name, codes in rows.items():
            self._at[site, name, minutes] = bytes(codes[minute - first] for minute in minutes)
        return self._at[site, signal, minutes]

    def _codes(self, site: str, signal: str, first: int, end: int) -> bytes:
        """Minutes of one local day."""
        day = day_of(first)
        rows = self._rows.get((site, day))
        if rows is None or signal not in rows:
            self.from_ledger += 1
            wanted = sorted(self._wanted.setdefault(site, set()) | {signal})
            with self.ledger.engine.connect() as fresh:  # the ledger may be being sealed while we read
                rows = self.ledger.read(fresh, site, wanted, first_minute_of(day), first_minute_of(day + 1))
            self._rows[site, day] = rows
            if len(self._rows) > _DAYS_KEPT:
                self._rows.popitem(last=False)
        return rows[signal][first - first_minute_of(day) : end - first_minute_of(day)]

    def _edge(self, site: str, signal: str, first: int, end: int) -> int:
        """Of less than a whole local day, or of parts of two."""
        key = (site, signal, first, end)
        found = self._edges.get(key)
        if found is None:
            row = self.row(site, signal, first, end)
            found = self._edges[key] = beside(seconds_of(row.codes, row.lessons))
        return found

    def _of_day(self, site: str, signal: str, day: int) -> int:
        row = self.row(site, signal, first_minute_of(day), first_minute_of(day + 1))
        return beside(seconds_of(row.codes, row.lessons))

    # ---- where there is nothing ----------------------------------------------------------------------------

    def _nothing(self, site: str, first_day: int, end_day: int) -> int:
        """Local days of which nothing is known."""
        lessons = self.lesson_minutes(site, first_day, end_day)
        return beside((0, 0, 0, (end_day - first_day) * DAY_SECONDS, 0, 0, 0, 0, lessons * 60, 0))

    def lesson_minutes(self, site: str, first_day: int, end_day: int) -> int:
        """None told counts as none."""
        key = (self.marks.place(site), first_day, end_day)
        found = self._lessons.get(key)
        if found is None:
            told = self.calendar.read(site, first_minute_of(first_day), first_minute_of(end_day))
            found = self._lessons[key] = 0 if told is None else told.count(1)
        return found

    def _first_day(self, site: str) -> int:
        """The first local day of which the ledger may know anything; none before it was so much as switched off."""
        if self._began is None:
            self._began = self._first_days()
        first_off = min((day_of(first) for first, _ in self._offs(site)), default=_NEVER)
        return min(self._began.get(site, _NEVER), self._open_from.get(site, _NEVER), first_off)

    def _first_days(self) -> dict[str, int]:
        table = schema.ledger_day.c
        rows = self.connection.execute(select(table.site, func.min(table.day)).group_by(table.site))
        return {site: day_of(day * DAY) for site, day in rows}

    def _was_off(self, site: str, day: int) -> bool:
        first, end = first_minute_of(day), first_minute_of(day + 1)
        return any(low < end and high > first for low, high in self._offs(site))

    def _offs(self, site: str) -> list[tuple[int, int]]:
        found = self._off.get(site)
        if found is None:
            table = schema.off.c
            query = select(table.first_minute, table.first_minute + table.count).where(table.site == site)
            found = self._off[site] = [tuple(row) for row in self.connection.execute(query)]
        return found


_NEVER: Final = 1 << 40


# ---- of one signal, as verdicts ask -----------------------------------------------------------------------


class Summed:
    """measured.Measured by summaries. Windows that verdicts ask of every site are counted for all of them at once."""

    def __init__(self, counted: Counted, site: str, signal: str) -> None:
        self.counted, self.site, self.signal = counted, site, signal

    @property
    def has_lessons(self) -> bool:
        return not self.counted.sums.calendar.of_site(self.site).says_nothing

    def seconds(self, first: int, end: int, clock: Clock) -> Availability:
        return _on(clock, self.counted.of(self.site, self.signal, first, end))

    def at_hand(self, first: int, end: int, clock: Clock) -> Availability:
        days = _whole_days(first, end)
        return _on(clock, self.counted.sums.told(self.site, self.signal, days.start, days.stop)[0] if days else 0)

    def around(self, first: int, end: int, clock: Clock) -> Availability | None:
        found = self.counted.sums.months_around(self.site, self.signal, range(day_of(first), day_of(end - 1) + 1))
        return None if found is None else _on(clock, found)

    def days_around(self, first: int, end: int, clock: Clock) -> Availability | None:
        found, doubtful = self.counted.sums.told(self.site, self.signal, day_of(first), day_of(end - 1) + 1)
        return None if doubtful else _on(clock, found)

    def all_seconds(self, first: int, end: int, clock: Clock) -> int:
        if clock == "always":
            return 60 * (end - first)
        sums, days = self.counted.sums, _whole_days(first, end)
        edges = _edges(first, end, days) if days else [(first, end)]
        inside = sums.lesson_minutes(self.site, days.start, days.stop) if days else 0
        calendar = sums.calendar.of_site(self.site)
        return 60 * (inside + sum(calendar.minutes(*edge).count(1) for edge in edges))

    def row(self, first: int, end: int) -> Row:
        return self.counted.sums.row(self.site, self.signal, first, end)

    def at(self, minutes: tuple[int, ...]) -> bytes:
        together = (one for one in self.counted.wanted[self.site] if one.startswith("device."))
        return self.counted.sums.at(self.site, together, self.signal, minutes)


class Counted:
    """The windows of a plan's targets over its sites."""

    def __init__(self, sums: Sums, wanted: Mapping[str, frozenset[str]], windows: Collection[Window]) -> None:
        self.sums, self.wanted, self.windows = sums, wanted, frozenset(windows)
        self._counted: dict[tuple[Window, bool], dict[Key, int]] = {}

    def of(self, site: str, signal: str, first: int, end: int) -> int:
        window = Window(first, end)
        if window not in self.windows:
            return self.sums.one(site, signal, first, end)
        of_devices = signal.startswith("device.")  # many, and asked by few targets
        found = self._counted.get((window, of_devices))
        if found is None:
            wanted = {
                place: sorted(one for one in signals if one.startswith("device.") is of_devices)
                for place, signals in self.wanted.items()
            }
            found = self._counted[window, of_devices] = self.sums.together(wanted, first, end)
        return found[site, signal]


def from_sums(sums: Sums) -> Source:
    def measured(
        wanted: Mapping[str, frozenset[str]], windows: Collection[Window]
    ) -> Mapping[str, Mapping[str, Measured]]:
        counted = Counted(sums, wanted, windows)
        return {site: {one: Summed(counted, site, one) for one in signals} for site, signals in wanted.items()}

    return measured


def _on(clock: Clock, together: int) -> Availability:
    numbers = apart(together)
    return Seconds(*(numbers[:5] if clock == "always" else numbers[5:])).availability()


# ---- minutes, days and months ------------------------------------------------------------------------------


def _whole_days(first: int, end: int) -> range:
    """The local days that lie in [first, end) as a whole."""
    return range(day_of(first - 1) + 1, day_of(end))


def _edges(first: int, end: int, days: range) -> list[tuple[int, int]]:
    """What of [first, end) lies before and after them."""
    found = (first, first_minute_of(days.start)), (first_minute_of(days.stop), end)
    return [edge for edge in found if edge[0] < edge[1]]


def _by_days(first: int, end: int) -> list[tuple[int, int]]:
    cuts = [first, *(first_minute_of(day) for day in range(day_of(first) + 1, day_of(end - 1) + 1)), end]
    return list(pairwise(cuts)) if first < end else []


def _months(days: range) -> range:
    return range(month_of(days.start), month_of(days.stop - 1) + 1) if days else range(0)


def _part(month: int, days: range) -> range:
    """Those of the days that lie in the month."""
    mine = days_of(month)
    return range(max(mine.start, days.start), min(mine.stop, days.stop))


def _is_whole(month: int, days: range) -> bool:
    return _part(month, days) == days_of(month)


class Places:
    """Where in a month's totals the signals asked for are; `cut` takes them out, one beside the other."""

    def __init__(self, names: bytes, signals: Iterable[str]) -> None:
        places = {name: index for index, name in enumerate(json.loads(names))}
        known = [one for one in signals if one in places]
        self._slices = [slice(places[one] * _BYTES, (places[one] + 1) * _BYTES) for one in known]
        self._parts = {one: slice(index * _BYTES, (index + 1) * _BYTES) for index, one in enumerate(known)}

    def cut(self, totals: bytes) -> bytes:
        return b"".join([totals[one] for one in self._slices])

    def of(self, signal: str, told: bytes) -> int:
        """0: they do not tell of it."""
        part = self._parts.get(signal)
        return 0 if part is None else int.from_bytes(told[part], byteorder)

    def apart(self, together: int) -> Iterator[tuple[str, int]]:
        told = together.to_bytes(_BYTES * len(self._parts), byteorder)
        for signal, part in self._parts.items():
            yield signal, int.from_bytes(told[part], byteorder)


def _same(wanted: Wanted) -> dict[str, tuple[int, list[str]]]:
    """By site: the number of its list of signals, the same for the same signals, and the list."""
    numbers: dict[tuple[str, ...], int] = {}
    found = {}
    for site, signals in wanted.items():
        listed = list(signals)
        found[site] = numbers.setdefault(tuple(listed), len(numbers)), listed
    return found


def _both(together: int) -> Both:
    numbers = apart(together)
    return Both(Seconds(*numbers[:5]), Seconds(*numbers[5:]))
