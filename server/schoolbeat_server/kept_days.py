"""Makes the kept readings of a site's local day from its stored reports, and reads them again."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, select

from schoolbeat_server import facts, kept, proof, schema
from schoolbeat_server.database import upsert
from schoolbeat_server.kept import Key, Names, Series
from schoolbeat_server.layouts import Layout, Layouts
from schoolbeat_server.school_calendar import SchoolCalendar, first_minute_of
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

_DISPUTED: Final = None  # two different values of one minute: counted as none, never chosen between

Owns = Callable[[str, int], bool]
"""(signal, minute) -> whether the agent spoke for it then."""

Values = dict[Key, dict[int, int | None]]
"""By series, by minute since 1970 UTC: the value as on the wire."""


# ---- from reports ------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """A column of a layout with kept readings. places: the subject's place, key, the signal it hangs on ("": none)."""

    column: int
    sparse: bool
    width: int
    places: tuple[tuple[int, Key, str], ...]


def wanted_of(layout: Layout) -> list[Wanted]:
    found, signals = [], frozenset(layout.signals)
    for index, column in enumerate(layout.inventory.columns):
        places = []
        for place, subject in enumerate(column.subjects):
            signal = signal_of(subject, signals)
            mine = signal or layout.inventory.role == "gateway"  # what hangs on no signal is the site's gateway's
            if mine and kept.is_kept(subject, column.reading):
                places.append((place, (subject, column.reading), signal))
        if places:
            found.append(Wanted(index, column.sparse, len(column.subjects), tuple(places)))
    return found


def signal_of(subject: str, signals: frozenset[str]) -> str:
    """The longest of the signals whose name the subject begins with."""
    while subject not in signals:
        subject, _, _ = subject.rpartition(".")
        if not subject:
            return ""
    return subject


def gather(
    connection: Connection, layouts: Layouts, site: str, told: Iterable[proof.Told], first: int, end: int
) -> Values:
    """What the reports say of the minutes [first, end), in any order and however often."""
    found: Values = {}
    plans: dict[tuple[str, str], list[Wanted]] = {}
    taken_back: dict[str, set[int]] = {}  # by agent

    for one in told:
        layout = layouts.of(connection, site, one.agent, one.revision)
        if layout is None:
            continue
        key = one.agent, one.revision
        if key not in plans:
            plans[key] = wanted_of(layout)
        try:
            report = reports.decode(one.payload)
            reports.fits(report, layout.inventory)
            columns = reports.absolute(report, layout.inventory) if plans[key] else []
        except WireError:
            continue
        if columns:
            _take(found, report, columns, plans[key], _owns(layouts, site, one.agent), first, end)
        if DISPUTED in report.signals:
            taken_back.setdefault(one.agent, set()).update(facts.taken_back(report))
    for (agent, _), plan in plans.items():
        _forget(found, plan, _owns(layouts, site, agent), taken_back.get(agent, ()))
    return found


def _forget(found: Values, plan: list[Wanted], owns: Owns, minutes: Iterable[int]) -> None:
    """The clock that placed them never was right: what was measured then was measured at another time."""
    for minute in minutes:
        for one in plan:
            for _, key, signal in one.places:
                if minute in found.get(key, ()) and owns(signal, minute):
                    found[key][minute] = _DISPUTED


def _owns(layouts: Layouts, site: str, agent: str) -> Owns:
    changed = layouts.changed

    @cache
    def now(signal: str) -> bool:
        return not signal or layouts.owns(site, agent, signal)

    def owns(signal: str, minute: int) -> bool:
        if (site, signal) in changed:
            return layouts.owned_at(site, agent, signal, minute)
        return now(signal)

    return owns


def _take(
    found: Values,
    report: reports.Report,
    columns: list[list[int]],
    plan: list[Wanted],
    owns: Owns,
    first: int,
    end: int,
) -> None:
    minutes = reports.minutes_of(report)
    inside = [(index, minute) for index, minute in enumerate(minutes) if first <= minute < end]
    for one in plan:
        values = columns[one.column]
        at: Mapping[int, int]
        if one.sparse:
            triples = zip(values[0::3], values[1::3], values[2::3], strict=True)
            at = {index * one.width + subject: value for index, subject, value in triples}
            if not at:
                continue
        else:
            at = dict(enumerate(values))
            for gone in reports.absent_places(report, one.column):
                del at[gone]
        for place, key, signal in one.places:
            series = found.get(key)
            for index, minute in inside:
                value = at.get(index * one.width + place)
                if value is None or not owns(signal, minute):
                    continue
                if series is None:
                    series = found.setdefault(key, {})
                series[minute] = value if series.get(minute, value) == value else _DISPUTED


def summarised(values: Values, first: int) -> dict[Key, Series]:
    """first: the first minute of the local day."""
    day = {}
    for key, minutes in values.items():
        known = {minute - first: value for minute, value in minutes.items() if value is not None}
        if known:
            day[key] = kept.summarised(*key, known)
    return day


# ---- kept --------------------------------------------------------------------------------------------------


def make_day(connection: Connection, layouts: Layouts, site: str, day: int, up_to: int = 2**62) -> bool:
    """From the reports up to that id. `connection` writes. Where reports of the day are deleted already, what they
    brought stands, and newer ones are added to it. True: something else was kept of the day before."""
    first, end = first_minute_of(day), first_minute_of(day + 1)
    before = _stored(connection, site, day)
    late = bool(before) and first < proof.kept_from(connection)
    after = max(row.last_report for row in before.values()) if late else 0
    told = proof.read_told(connection, site, first, end, after=after, up_to=up_to)
    found = summarised(gather(connection, layouts, site, told, first, end), first)
    last = max((one.id for one in told), default=after)
    if late:
        if not found:
            return False
        stored: dict[Key, Series] = {}
        for row in before.values():
            stored |= readable(site, day, _names(site, row.packed), row.payload)
        both = stored.keys() & found.keys()
        found = stored | found | {key: kept.added(stored[key], found[key]) for key in both}
    return _put(connection, site, day, found, last, before)


class _Row(NamedTuple):
    names: bytes
    packed: bytes
    last_report: int
    payload: bytes


def _stored(connection: Connection, site: str, day: int) -> dict[str, _Row]:
    """By group."""
    table, names = schema.kept_day.c, schema.kept_names.c
    rows = connection.execute(
        select(table.group, table.names, names.names.label("packed"), table.last_report, table.payload)
        .join_from(schema.kept_day, schema.kept_names, (names.site == table.site) & (names.digest == table.names))
        .where(table.site == site, table.day == day)
    )
    return {group: _Row(*row) for group, *row in rows}


def _put(
    connection: Connection, site: str, day: int, found: Mapping[Key, Series], last: int, before: Mapping[str, _Row]
) -> bool:
    groups: dict[str, dict[Key, Series]] = {}
    for key, series in found.items():
        groups.setdefault(kept.group_of(key[0]), {})[key] = series
    table, rows, named = schema.kept_day.c, [], []
    for group, mine in sorted(groups.items()):
        digest, packed = kept.pack_names(mine)
        named.append({"site": site, "digest": digest, "names": packed})
        told = {"names": digest, "last_report": last, "payload": kept.pack(mine)}
        rows.append({"site": site, "day": day, "group": group, **told})
    if rows:
        upsert(connection, schema.kept_names, named, ("site", "digest"))
        upsert(connection, schema.kept_day, rows, ("site", "day", "group"))
    gone = before.keys() - groups.keys()
    if gone:
        where = (table.site == site) & (table.day == day) & table.group.in_(sorted(gone))
        connection.execute(delete(schema.kept_day).where(where))
    same = {group: (row.names, row.payload) for group, row in before.items()}
    return bool(before) and same != {row["group"]: (row["names"], row["payload"]) for row in rows}


def readable(
    site: str, day: int, names: Names, payload: bytes, wanted: Collection[Key] | None = None
) -> dict[Key, Series]:
    """A day whose bytes were damaged is unknown, and told."""
    try:
        return kept.unpack(names, payload, wanted)
    except (zlib.error, struct.error, ValueError, IndexError, KeyError, TypeError) as error:
        log.error("kept readings of %s on day %d are damaged (%s): unknown until they are rebuilt", site, day, error)
        return {}


@dataclass(frozen=True)
class KeptDays:
    """A site's kept readings of some days, as far as they were asked for. lessons: by day, the hours that hold a
    minute of a lesson; None: nobody told its lessons."""

    days: Mapping[int, Mapping[Key, Series]]
    lessons: Mapping[int, frozenset[int]] | None = None

    def of(self, key: Key, first_day: int, end_day: int) -> Iterator[tuple[int, Series]]:
        for day in range(first_day, end_day):
            series = self.days.get(day, {}).get(key)
            if series is not None:
                yield day, series

    def hours_of(self, day: int, *, in_lessons: bool) -> frozenset[int] | None:
        """Those that are asked about; None: all."""
        return (self.lessons or {}).get(day, frozenset()) if in_lessons else None

    def hours(self, first_day: int, end_day: int, *, in_lessons: bool = False) -> int:
        """How many hours are asked about."""
        if not in_lessons:
            return kept.HOURS * (end_day - first_day)
        return sum(len((self.lessons or {}).get(day, ())) for day in range(first_day, end_day))


def read_days(
    connection: Connection,
    wanted: Mapping[str, Collection[Key]],
    first_day: int,
    end_day: int,
    calendar: SchoolCalendar | None,
) -> dict[str, KeptDays]:
    """wanted: the series asked for, by site."""
    names, days, hours = schema.kept_names.c, schema.kept_day.c, _LessonHours(calendar)
    named = select(names.digest, names.names).where(names.site == bindparam("site"))
    groups = sorted({kept.group_of(subject) for keys in wanted.values() for subject, _ in keys})
    told = select(days.day, days.names, days.payload).where(
        days.site == bindparam("site"), days.day.between(first_day, end_day - 1), days.group.in_(groups)
    )
    out = {}
    for site, keys in wanted.items():
        rows = connection.execute(told, {"site": site}).all()
        packed = dict(connection.execute(named, {"site": site}).all()) if rows else {}
        places = {digest: _names(site, packed[digest]) for digest in {row.names for row in rows} & packed.keys()}
        found: dict[int, dict[Key, Series]] = {}
        for day, digest, payload in rows:
            mine = readable(site, day, places.get(digest, {}), payload, keys)
            if mine:
                found.setdefault(day, {}).update(mine)
        out[site] = KeptDays(found, hours.of(site, first_day, end_day))
    return out


def _names(site: str, packed: bytes) -> Names:
    try:
        return kept.unpack_names(packed)
    except (zlib.error, ValueError, TypeError) as error:
        log.error("names of kept readings of %s are damaged (%s): unknown until they are rebuilt", site, error)
        return {}


class _LessonHours:
    """Places under the same rules share theirs."""

    def __init__(self, calendar: SchoolCalendar | None) -> None:
        self.calendar = calendar
        self.known: dict[int, Mapping[int, frozenset[int]] | None] = {}

    def of(self, site: str, first_day: int, end_day: int) -> Mapping[int, frozenset[int]] | None:
        if self.calendar is None:
            return None
        place = self.calendar.of_site(site)
        if id(place) not in self.known:
            self.known[id(place)] = None
            if not place.says_nothing:
                told = place.minutes(first_minute_of(first_day), first_minute_of(end_day))
                self.known[id(place)] = {
                    first_day + at // 24: frozenset(
                        hour for hour in range(24) if any(told[(at + hour) * 60 : (at + hour + 1) * 60])
                    )
                    for at in range(0, len(told) // 60, 24)
                }
        return self.known[id(place)]
