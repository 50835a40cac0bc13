"""What verdicts are judged from: the register, the ledger's minutes, speed tests; gathered in one place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, select

from schoolbeat_server import register, schema
from schoolbeat_server.inspections import Inspected, read_inspected
from schoolbeat_server.kept import Key
from schoolbeat_server.kept_days import KeptDays, read_days
from schoolbeat_server.local_time import local
from schoolbeat_server.measured import Measured, Row
from schoolbeat_server.reconcile import Holding, read_found, reconcile
from schoolbeat_server.register import Area, Asset, Device, Line, Room, School, Site
from schoolbeat_server.register_areas import Boundaries, areas_on
from schoolbeat_server.register_needs import RoomNeeds
from schoolbeat_server.register_shifts import busiest, read_shifts
from schoolbeat_server.school_calendar import SchoolCalendar, day_of

LedgerReader = Callable[[str, str, int, int], bytes]
"""(site, signal, first_minute, end_minute) -> one byte a minute."""

LessonReader = Callable[[str, int, int], bytes | None]
"""(site, first_minute, end_minute) -> 1 for each minute of lesson time, 0 for others; None: nobody told its lessons."""

Source = Callable[[Mapping[str, frozenset[str]], Collection["Window"]], Mapping[str, Mapping[str, Measured]]]
"""(signals by site, windows that end together) -> what was measured of each in them, by site and signal."""


class Window(NamedTuple):
    """Half-open minutes since 1970 UTC."""

    first_minute: int
    end_minute: int


class SpeedTest(NamedTuple):
    """None: that direction was not measured; a failed test is no number. ceiling: what of the gateway itself held the
    test down (reading speed_ceiling), so that the line is at least as fast; 0 or None: nothing that it knows of."""

    minute: int
    download_bps: int | None
    upload_bps: int | None
    ceiling: int | None = None


@dataclass(frozen=True)
class SiteFacts:
    """lines: whose contract is in force on the window's last day, as far as the register says. silent: nothing was
    ever reported from here. measured: by signal, over the whole window. pupils: of the busiest
    shift on the window's last day; None: the register does not say. watched: of services, Wi-Fi
    networks and line.main, the signals that are asked for there now. needs: what rooms must hold. lesson_starts: the
    first minute of each lesson in the window; None: nobody told the lessons. kept: kept readings of the window's local
    days. These, and holdings, where asked for."""

    site: Site
    lines: tuple[Line, ...] = ()
    rooms: tuple[Room, ...] = ()
    devices: tuple[Device, ...] = ()
    silent: bool = False
    inventoried: bool = False
    measured: Mapping[str, Measured] = field(default_factory=dict)
    tests: tuple[SpeedTest, ...] = ()
    pupils: int | None = None
    watched: frozenset[str] = frozenset()
    needs: RoomNeeds | None = None
    lesson_starts: tuple[int, ...] | None = None
    holdings: tuple[Holding, ...] = ()
    kept: KeptDays | None = None


@dataclass(frozen=True)
class Evidence:
    """sites: by id. boundaries: of the day whose areas count; None: every school is in its area of today. inspections:
    all that were ever held, where asked for."""

    window: Window
    areas: Mapping[str, Area]
    schools: Mapping[str, School]
    sites: Mapping[str, SiteFacts]
    boundaries: Boundaries | None = None
    inspections: tuple[Inspected, ...] = ()

    @property
    def last_day(self) -> str:
        """Of the window, as an ISO date in Viet Nam: units are those that the register knows of on it."""
        return local((self.window.end_minute - 1) * 60_000).date().isoformat()

    def area_of(self, school: School) -> str:
        """ "" for a school that the boundaries place nowhere."""
        return school.area if self.boundaries is None else self.boundaries.area_of.get(school.id, "")

    def area_ever_of(self, school: School) -> str:
        """Of a school that does not stand on the day, where it was."""
        was = {} if self.boundaries is None else self.boundaries.not_standing
        return self.area_of(school) or was.get(school.id, "")


def read_register(
    connection: Connection, window: Window, *, with_devices: bool, boundaries_day: date | None = None
) -> Evidence:
    """Everything but the ledger: few queries, whatever the number of sites. boundaries_day: whose areas count; None:
    those of the window's last day."""
    province = register.read_province(connection)
    rooms = _by_site(register.read_rooms(connection)) if with_devices else {}
    devices = _by_site(register.read_devices(connection)) if with_devices else {}
    heard = set(connection.scalars(select(schema.latest.c.site).distinct()))
    inventoried = set(connection.scalars(select(schema.inventory.c.site).distinct()))
    tests = _speed_tests(connection, window)
    watched = _watched(connection)
    day = local((window.end_minute - 1) * 60_000).date().isoformat()
    shifts = {site: busiest(rows, day) for site, rows in read_shifts(connection).items()}
    facts = {
        site.id: SiteFacts(
            site,
            tuple(line for line in province.lines.get(site.id, ()) if line.in_force(day)),
            tuple(rooms.get(site.id, ())),
            tuple(devices.get(site.id, ())),
            silent=site.id not in heard,
            inventoried=site.id in inventoried,
            tests=tuple(tests.get(site.id, ())),
            pupils=shift.pupils if (shift := shifts.get(site.id)) else None,
            watched=frozenset(watched.get(site.id, ())),
        )
        for site in province.sites.values()
    }
    found = Evidence(window, province.areas, province.schools, facts)
    return replace(found, boundaries=areas_on(connection, str(boundaries_day or found.last_day)))


def with_rooms(evidence: Evidence, needs: RoomNeeds, calendar: SchoolCalendar | None) -> Evidence:
    """What rooms must hold, and when their lessons begin."""
    facts = dict(evidence.sites)
    for site, one in facts.items():
        place = None if calendar is None else calendar.of_site(site)
        starts = None if place is None or place.says_nothing else tuple(place.lesson_starts(*evidence.window))
        facts[site] = replace(one, needs=needs, lesson_starts=starts)
    return replace(evidence, sites=facts)


def with_holdings(connection: Connection, evidence: Evidence) -> Evidence:
    found, book = read_found(connection), _by_site(register.read_assets(connection))
    facts = {
        site: replace(one, holdings=tuple(reconcile(site, found.get(site, ()), one.devices, book.get(site, ()))))
        for site, one in evidence.sites.items()
    }
    return replace(evidence, sites=facts)


def with_kept(
    connection: Connection, evidence: Evidence, wanted: Mapping[str, frozenset[Key]], calendar: SchoolCalendar | None
) -> Evidence:
    """wanted: series of kept readings by site."""
    asked = {site: keys for site, keys in wanted.items() if keys and not evidence.sites[site].silent}
    if not asked:
        return evidence
    first, end = day_of(evidence.window.first_minute), day_of(evidence.window.end_minute - 1) + 1
    facts = dict(evidence.sites)
    for site, found in read_days(connection, asked, first, end, calendar).items():
        facts[site] = replace(facts[site], kept=found)
    return replace(evidence, sites=facts)


def with_inspections(connection: Connection, evidence: Evidence) -> Evidence:
    return replace(evidence, inspections=tuple(read_inspected(connection)))


def with_ledger(
    evidence: Evidence, wanted: Mapping[str, frozenset[str]], windows: Collection[Window], source: Source
) -> Evidence:
    """wanted: signals by site. Silent sites are not asked for: they have no minutes."""
    heard = {site: signals for site, signals in wanted.items() if signals and not evidence.sites[site].silent}
    facts = dict(evidence.sites)
    for site, measured in source(heard, windows).items():
        facts[site] = replace(facts[site], measured=measured)
    return replace(evidence, sites=facts)


def from_ledger(read: LedgerReader, lessons: LessonReader | None = None) -> Source:
    """The ledger's minutes themselves. Without `lessons` nobody told any."""

    def measured(
        wanted: Mapping[str, frozenset[str]], windows: Collection[Window]
    ) -> Mapping[str, Mapping[str, Measured]]:
        window = min(windows)  # the longest: they end together
        found: dict[str, dict[str, Measured]] = {}
        for site, signals in wanted.items():
            told = lessons(site, *window) if lessons is not None else None
            found[site] = {one: Row(window.first_minute, read(site, one, *window), told) for one in sorted(signals)}
        return found

    return measured


def _watched(connection: Connection) -> dict[str, set[str]]:
    owner = schema.owner.c
    named = owner.signal.like("wifi.%") | owner.signal.like("service.%") | (owner.signal == "line.main")
    found: dict[str, set[str]] = {}
    for site, signal in connection.execute(select(owner.site, owner.signal).where(named, owner.to_minute.is_(None))):
        found.setdefault(site, set()).add(signal)
    return found


def _speed_tests(connection: Connection, window: Window) -> dict[str, list[SpeedTest]]:
    table = schema.speed_test.c
    inside = table.minute.between(window.first_minute, window.end_minute - 1)
    query = select(table.site, table.minute, table.download_bps, table.upload_bps, table.ceiling).where(inside)
    found: dict[str, list[SpeedTest]] = {}
    for site, *values in connection.execute(query.order_by(table.site, table.minute)):
        found.setdefault(site, []).append(SpeedTest(*values))
    return found


Sited = TypeVar("Sited", Room, Device, Asset)


def _by_site(rows: Iterable[Sited]) -> dict[str, list[Sited]]:
    found: dict[str, list[Sited]] = {}
    for row in rows:
        found.setdefault(row.site, []).append(row)
    return found
