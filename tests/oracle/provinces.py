"""Provinces as they truly are: schools, sites, lines, rooms, things, and minutes; drawn from a seed. No product code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from tests.oracle.calendars import DAY, LOCAL, day_of
from tests.oracle.month import Rule
from tests.oracle.readings import Readings
from tests.oracle.readings import drawn as readings_drawn

# Lines of the register end and begin with the reform of 1 July 2025; windows end before, on and after that day.
REFORM = "2025-07-01"
REFORM_DAY = 20_270  # local days since 1970
ALWAYS = ("0001-01-01", "9999-12-31")
OFF, DISPUTED, UNKNOWN, FULL = 254, 253, 255, 60

INTERNET, ISP, ROUTER, POWER, MAIN_LINE = "line.internet", "line.isp", "lan.router", "power.mains", "line.main"
DOMESTIC, INTERNATIONAL, VIDEO = "line.domestic", "line.international", "lesson.video"
LEVELS = ("preschool", "primary", "lower_secondary", "upper_secondary")
TAGS = ("border", "ethnic_minority", "mountain")
SERVICES = ("csdl", "hoclieu")
DEVICE_KINDS = ("board", "access_point", "computer", "camera", "ont")
ROOM_KINDS = ("classroom", "smart", "computer")
TECHNOLOGIES = ("fibre", "fibre", "copper", "mobile", "unknown")
MBIT = 1_000_000


class Area(NamedTuple):
    id: str
    kind: str
    parent: str | None
    since: str
    until: str


@dataclass(frozen=True)
class Line:
    technology: str
    down: int | None
    up: int | None
    backup: bool
    ont: str
    since: str | None
    until: str | None  # of its contract
    isp: str


@dataclass(frozen=True)
class Room:
    id: str
    kind: str
    level: int


@dataclass(frozen=True)
class Device:
    id: str
    kind: str
    room: str | None
    serial: str


@dataclass(frozen=True)
class Asset:
    code: str
    serial: str
    quantity: int
    disposed: bool
    device: str | None


@dataclass(frozen=True)
class Test:
    minute: int
    down: int | None
    up: int | None
    ceiling: int | None


@dataclass(frozen=True)
class Site:
    """told: by inventory, newest last, the things its agent knows. watched: signals it is asked for now."""

    id: str
    main: bool
    tags: tuple[str, ...]
    since: str
    until: str
    heard: bool
    told: tuple[tuple[str, ...], ...]
    watched: tuple[str, ...]
    shifts: tuple[tuple[str, str, int], ...]  # shift, since, pupils
    lines: tuple[Line, ...]
    rooms: tuple[Room, ...]
    devices: tuple[Device, ...]
    assets: tuple[Asset, ...]
    tests: tuple[Test, ...]
    minutes: dict[str, bytes]
    readings: Readings | None


class Inspection(NamedTuple):
    """frozen: what the pages said then was kept."""

    id: int
    school: str
    site: str
    digital: bool
    held_on: str
    frozen: bool
    withdrawn: bool


@dataclass(frozen=True)
class School:
    """stays: (area, since, until); empty: always in `area`."""

    id: str
    area: str
    level: str
    manager: str
    founded: str | None
    closed: str | None
    stays: tuple[tuple[str, str, str], ...]
    sites: tuple[Site, ...]
    shut_day: int | None  # no lessons on that local day


@dataclass(frozen=True)
class Need:
    kind: str
    level: int
    device_kind: str
    count: int


@dataclass(frozen=True)
class Province:
    """Minutes are known of [first, end); windows end there. needs: empty: the province has said nothing."""

    first: int
    end: int
    areas: tuple[Area, ...]
    schools: tuple[School, ...]
    needs: tuple[Need, ...]
    has_calendar: bool
    inspections: tuple[Inspection, ...]
    summed_days: tuple[int, ...] = field(default=())  # local days that the server has summed up already

    def rules(self, school: School) -> frozenset[Rule]:
        if school.shut_day is None:
            return frozenset()
        return frozenset({Rule(1, "closed", school.shut_day, school.shut_day + 1)})


def drawn(random: Random, schools: int) -> Province:
    days = random.choice((1, 2, 3, 5, 8, 9))
    end = (REFORM_DAY + random.choice((0, 1, 2, 3))) * DAY - LOCAL + random.choice((0, 0, 637, 719, 720, 1_439))
    first = end - days * DAY
    areas = (
        Area("p", "province", None, *ALWAYS),
        Area("d1", "district", "p", ALWAYS[0], REFORM),
        Area("d2", "district", "p", ALWAYS[0], REFORM),
        Area("c1", "commune", "d1", ALWAYS[0], REFORM),
        Area("c2", "commune", "d2", ALWAYS[0], REFORM),
        Area("x1", "commune", "p", REFORM, ALWAYS[1]),
        Area("x2", "commune", "p", REFORM, ALWAYS[1]),
        Area("y", "commune", "p", *ALWAYS),
    )
    kinds = [_minutes(random, first, end) for _ in range(12)]  # sites share what happened to them: quicker, and ties
    whole = range(day_of(first - 1) + 1, day_of(end))
    told = [
        readings_drawn(random, range(day_of(first), day_of(end - 1) + 1)) for _ in range(random.choice((0, 1, 1, 2)))
    ]
    shared = Shared(kinds, [None, *told, *told, *told])
    there = tuple(_school(random, f"t{number}", first, end, shared) for number in range(schools))
    return Province(
        first,
        end,
        areas,
        there,
        tuple(_needs(random)) if random.random() < 0.6 else (),
        random.random() < 0.85,
        tuple(_inspections(random, there, day_of(end - 1))),
        tuple(day for day in whole if random.random() < 0.7),
    )


class Shared(NamedTuple):
    """Sites share what happened to them, and what was told of them."""

    minutes: Sequence[bytes]
    readings: Sequence[Readings | None]


def _inspections(random: Random, schools: Sequence[School], last_day: int) -> Iterable[Inspection]:
    for number in range(random.choice((0, 2, 6))):
        school = random.choice(schools)
        held = date(1970, 1, 1) + timedelta(last_day - random.choice((-1, 0, 0, 1, 2, 7, 8, 9, 10)))
        site = random.choice(["", *(one.id for one in school.sites)])
        digital, frozen = random.random() < 0.7, random.random() < 0.8
        yield Inspection(number + 1, school.id, site, digital, held.isoformat(), frozen, random.random() < 0.2)


def _needs(random: Random) -> Iterable[Need]:
    found: dict[tuple[str, int, str], Need] = {}
    for _ in range(random.randrange(1, 5)):
        need = Need(
            random.choice(("any", "any", *ROOM_KINDS)),
            random.choice((1, 1, 2)),
            random.choice(DEVICE_KINDS[:4]),
            random.choice((1, 1, 2)),
        )
        found[need.kind, need.level, need.device_kind] = need
    return found.values()


def _school(random: Random, ident: str, first: int, end: int, shared: Shared) -> School:
    where = random.choice(("moved", "moved", "moved", "always", "now", "gap"))
    old, new = random.choice(("c1", "c2")), random.choice(("x1", "x2"))
    stays: tuple[tuple[str, str, str], ...] = ()
    if where in ("moved", "gap"):
        stays = ((old, ALWAYS[0], "2025-06-30" if where == "gap" else REFORM), (new, REFORM, ALWAYS[1]))
    sites = [_site(random, f"{ident}-0", True, first, end, shared)] if random.random() < 0.95 else []
    others = random.choice((0, 0, 0, 1, 2))
    sites += [_site(random, f"{ident}-{number + 1}", False, first, end, shared) for number in range(others)]
    edge = random.choice(("2025-06-30", REFORM, "2025-07-02"))
    return School(
        ident,
        "y" if where == "always" else new,
        random.choice(LEVELS),
        random.choice(("commune", "commune", "province")),
        edge if random.random() < 0.06 else None,
        edge if random.random() < 0.06 else None,
        stays,
        tuple(sites),
        random.randrange(day_of(first), day_of(end - 1) + 1) if random.random() < 0.2 else None,
    )


def _site(random: Random, ident: str, main: bool, first: int, end: int, shared: Shared) -> Site:
    heard = random.random() < 0.88
    rooms = tuple(
        Room(f"{ident}-r{number}", random.choice(ROOM_KINDS), random.choice((0, 1, 1, 2)))
        for number in range(random.choice((0, 1, 2)))
    )
    devices = tuple(_device(random, number, rooms) for number in range(random.choice((0, 1, 3, 4))))
    for room in rooms if random.random() < 0.5 else ():
        kinds_there = DEVICE_KINDS[: random.choice((2, 2, 4))]
        devices += tuple(Device(f"{kind[:3]}{len(devices)}{room.id[-1]}", kind, room.id, "") for kind in kinds_there)
    strangers = [f"m{number}" for number in range(random.choice((0, 0, 1, 2)))]
    told: tuple[tuple[str, ...], ...] = ()
    if heard and random.random() < 0.8:
        newest = [one.id for one in devices if random.random() < 0.7] + strangers
        told = ((*newest, "gone"), tuple(newest)) if random.random() < 0.3 else (tuple(newest),)
    watched = tuple(
        one
        for one in (MAIN_LINE, "wifi.day", "wifi.gv", *(f"service.{one}" for one in SERVICES))
        if random.random() < 0.6
    )
    edge = random.choice(("2025-06-30", REFORM, "2025-07-02"))
    paths = (INTERNET, ISP, ROUTER, POWER, DOMESTIC, INTERNATIONAL, VIDEO)
    signals = (*paths, *watched, *(f"device.{one.id}" for one in devices))
    minutes = {one: random.choice(shared.minutes) for one in signals if heard and random.random() < 0.9}
    return Site(
        ident,
        main,
        tuple(one for one in TAGS if random.random() < 0.3),
        edge if random.random() < 0.05 else ALWAYS[0],
        edge if random.random() < 0.05 else ALWAYS[1],
        heard,
        told,
        watched,
        tuple(_shifts(random)),
        tuple(_line(random, devices) for _ in range(random.choice((0, 1, 1, 1, 2, 3)))),
        rooms,
        devices,
        tuple(_asset(random, number, devices, strangers) for number in range(random.choice((0, 0, 1, 3)))),
        tuple(sorted(_tests(random, first, end), key=lambda one: one.minute)) if heard else (),
        minutes,
        random.choice(shared.readings) if heard else None,
    )


def _device(random: Random, number: int, rooms: tuple[Room, ...]) -> Device:
    room = random.choice(rooms).id if rooms and random.random() < 0.8 else None
    return Device(f"b{number}", random.choice(DEVICE_KINDS), room, random.choice(("", "", "S1", "S2", f"S{number}")))


def _asset(random: Random, number: int, devices: tuple[Device, ...], strangers: list[str]) -> Asset:
    linked = random.choice([None, None, "nobody", *(one.id for one in devices), *strangers])
    serial = random.choice(("", "S1", "S2", "S3"))
    return Asset(f"TS{number}", serial, random.choice((1, 1, 1, 4)), random.random() < 0.15, linked)


def _shifts(random: Random) -> Iterable[tuple[str, str, int]]:
    for shift in ("morning", "afternoon"):
        for since in ("2025-01-01", REFORM, "2025-07-02"):
            if random.random() < 0.4:
                yield shift, since, random.choice((0, 40, 100, 400))


def _line(random: Random, devices: tuple[Device, ...]) -> Line:
    onts = [one.id for one in devices if one.kind == "ont"]
    return Line(
        random.choice(TECHNOLOGIES),
        random.choice((None, 20, 40, 100)),
        random.choice((None, 20, 40)),
        random.random() < 0.3,
        random.choice(["", *onts]),
        random.choice((None, None, None, "2025-06-30", REFORM)),
        random.choice((None, None, None, REFORM, "2025-07-02")),
        random.choice(("", "VNPT", "Viettel")),
    )


def _tests(random: Random, first: int, end: int) -> list[Test]:
    if random.random() < 0.3:  # just so many slow ones as nine in ten allow, or one more
        count = random.choice((9, 10, 10, 11, 20))
        slow = min(count, count // 10 + random.choice((0, 0, 1)))
        each = [10] * slow + [random.choice((20, 40))] * (count - slow)
        inside = random.sample(range(first, end), count)
        return [Test(minute, bps * MBIT, bps * MBIT, None) for minute, bps in zip(inside, each, strict=True)]
    speeds = random.choice(((10, 20, 30), (16, 20, 32, 80), (1, 50), (20,)))
    minutes = random.sample(range(first - 50, end + 50), random.choice((0, 1, 2, 3, 4, 9, 10, 11)))
    if minutes:
        minutes[0] = random.choice((first - 1, first, end - 1, end))
    found = []
    for minute in set(minutes):
        down = None if random.random() < 0.1 else random.choice(speeds) * MBIT
        up = None if random.random() < 0.2 else random.choice(speeds) * MBIT
        found.append(Test(minute, down, up, random.choice((None, 0, 0, 0, 2))))
    return found


def _minutes(random: Random, first: int, end: int) -> bytes:
    """Mostly up, with stretches of this and that; ends of windows and days too."""
    out = bytearray(bytes([random.choice((FULL, FULL, FULL, FULL, 0, UNKNOWN, OFF))]) * (end - first))
    for _ in range(random.choice((0, 1, 3, 6))):
        length = min(random.choice((1, 7, 30, 144, 288, 720)), end - first)
        at = random.choice((0, end - first - length, random.randrange(end - first - length + 1)))
        out[at : at + length] = bytes([random.choice((FULL, 0, 0, 30, 59, 1, UNKNOWN, OFF, DISPUTED))]) * length
    return bytes(out)
