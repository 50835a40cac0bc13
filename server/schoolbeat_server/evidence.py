"""What verdicts are judged from: the register, the ledger's minutes, speed tests; gathered in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, select

from schoolbeat_server import register, schema
from schoolbeat_server.register import Area, Device, Line, Room, School, Site

LedgerReader = Callable[[str, str, int, int], bytes]
"""(site, signal, first_minute, end_minute) -> one byte a minute."""

LessonReader = Callable[[str, int, int], bytes | None]
"""(site, first_minute, end_minute) -> 1 for each minute of lesson time, 0 for others; None: nobody told its lessons."""


class Window(NamedTuple):
    """Half-open minutes since 1970 UTC."""

    first_minute: int
    end_minute: int


class SpeedTest(NamedTuple):
    """None: that direction was not measured; a failed test is no number."""

    minute: int
    download_bps: int | None
    upload_bps: int | None


@dataclass(frozen=True)
class SiteFacts:
    """silent: nothing was ever reported from here. minutes: by signal, over the whole window."""

    site: Site
    lines: tuple[Line, ...] = ()
    rooms: tuple[Room, ...] = ()
    devices: tuple[Device, ...] = ()
    silent: bool = False
    inventoried: bool = False
    minutes: Mapping[str, bytes] = field(default_factory=dict)
    lessons: bytes | None = None
    tests: tuple[SpeedTest, ...] = ()


@dataclass(frozen=True)
class Evidence:
    """sites: by id."""

    window: Window
    areas: Mapping[str, Area]
    schools: Mapping[str, School]
    sites: Mapping[str, SiteFacts]


class Needs(NamedTuple):
    """What a plan asks for: signals by site (over the window), lesson time, rooms and devices."""

    signals: Mapping[str, frozenset[str]]
    lessons: bool


def read_register(connection: Connection, window: Window, *, with_devices: bool) -> Evidence:
    """Everything but the ledger: few queries, whatever the number of sites."""
    province = register.read_province(connection)
    rooms = _by_site(register.read_rooms(connection)) if with_devices else {}
    devices = _by_site(register.read_devices(connection)) if with_devices else {}
    heard = set(connection.scalars(select(schema.latest.c.site).distinct()))
    inventoried = set(connection.scalars(select(schema.inventory.c.site).distinct()))
    tests = _speed_tests(connection, window)
    facts = {
        site.id: SiteFacts(
            site,
            tuple(province.lines.get(site.id, ())),
            tuple(rooms.get(site.id, ())),
            tuple(devices.get(site.id, ())),
            silent=site.id not in heard,
            inventoried=site.id in inventoried,
            tests=tuple(tests.get(site.id, ())),
        )
        for site in province.sites.values()
    }
    return Evidence(window, province.areas, province.schools, facts)


def with_ledger(
    evidence: Evidence, needs: Needs, ledger_reader: LedgerReader, lesson_reader: LessonReader | None
) -> Evidence:
    """Silent sites are not asked for: they have no minutes."""
    first, end = evidence.window
    facts = dict(evidence.sites)
    for site, signals in needs.signals.items():
        if facts[site].silent or not signals:
            continue
        lessons = lesson_reader(site, first, end) if needs.lessons and lesson_reader is not None else None
        minutes = {signal: ledger_reader(site, signal, first, end) for signal in sorted(signals)}
        facts[site] = replace(facts[site], minutes=minutes, lessons=lessons)
    return replace(evidence, sites=facts)


def _speed_tests(connection: Connection, window: Window) -> dict[str, list[SpeedTest]]:
    table = schema.speed_test.c
    inside = table.minute.between(window.first_minute, window.end_minute - 1)
    query = select(table.site, table.minute, table.download_bps, table.upload_bps).where(inside)
    found: dict[str, list[SpeedTest]] = {}
    for site, *values in connection.execute(query.order_by(table.site, table.minute)):
        found.setdefault(site, []).append(SpeedTest(*values))
    return found


Sited = TypeVar("Sited", Room, Device)


def _by_site(rows: Iterable[Sited]) -> dict[str, list[Sited]]:
    found: dict[str, list[Sited]] = {}
    for row in rows:
        found.setdefault(row.site, []).append(row)
    return found
