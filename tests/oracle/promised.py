"""Promises to ask of a province, with thresholds that some unit of it reaches exactly or misses by very little."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from random import Random

from tests.oracle import books
from tests.oracle.asked import Asks, Promise, Which, last_day
from tests.oracle.by_readings import OF_DEVICES
from tests.oracle.promises import SIGNAL_OF, busiest
from tests.oracle.provinces import (
    DEVICE_KINDS,
    LEVELS,
    MBIT,
    ROOM_KINDS,
    SERVICES,
    TAGS,
    Province,
    Site,
)
from tests.oracle.readings import Key

LITTLE = (Fraction(0), Fraction(0), Fraction(0), Fraction(1, 10**9), Fraction(-1, 10**9))
OF_SITES = (
    *SIGNAL_OF,
    "line.technology",
    "line.contract.download",
    "line.contract.upload",
    "line.backup",
    "line.fibre",
    "line.download.median",
    "line.download.tenth",
    "line.download.of_contract",
    "line.download.per_pupil",
    "line.upload.median",
    "line.upload.tenth",
    "line.upload.of_contract",
    "service.availability",
    "wifi.availability",
    "lan.devices.availability",
    "data.completeness",
    "data.freshness",
    "rooms.ready.count",
)
BY_READINGS = (
    "line.domestic.latency",
    "line.international.latency",
    "line.domestic.loss",
    "service.latency",
    "lesson.peak_use",
    "lesson.video",
)
OF_ROOMS = ("room.equipped", "room.ready")
BY_WHOLE_DAYS = frozenset((*BY_READINGS, *OF_DEVICES))
ALL = frozenset(
    (*OF_SITES, *BY_READINGS, *OF_ROOMS, *OF_DEVICES, "device.availability", "holding.recorded", "inspection.digital")
)
UNITS = ("school", "school", "site", "site", "site", "room", "room", "device", "device", "holding", "inspection")
MS = (5, 20, 20, 30, 50, 300)


def drawn(random: Random, province: Province, boundaries: str | None) -> Promise:
    unit = random.choice(UNITS)
    whole = (province.end - province.first) // 1_440
    asks = {one.indicator: one for one in (_asks(random, province, unit) for _ in range(random.choice((1, 1, 2))))}
    days = whole if asks.keys() & BY_WHOLE_DAYS else random.choice((1, whole, whole))
    count = random.randrange(1, 40) if random.random() < 0.3 else None
    share = random.choice((Fraction(1), Fraction(random.randrange(1, 12), 12))) if count is None else Fraction(0)
    return Promise(
        unit,
        _which(random, unit),
        tuple(asks.values()),
        share=share,
        count=count,
        days=days,
        clock=random.choice(("always", "lessons")),
        coverage=_within(_covered(random, province) + random.choice(LITTLE)),
        off_is_down=random.random() < 0.5,
        lines=random.choice(("any", "every")),
        sites=random.choice(("any", "main", "every")) if unit == "school" else "every",
        devices=random.choice(("any", "every")),
        tests=random.choice((1, 3, 4, 10)),
        boundaries=boundaries,
    )


def _which(random: Random, unit: str) -> Which:
    def some(choices: tuple[str, ...], chance: float) -> tuple[str, ...]:
        return tuple(random.sample(choices, random.randrange(1, 3))) if random.random() < chance else ()

    return Which(
        some(("p", "d1", "d2", "c1", "x1", "x2", "y"), 0.4),
        some(LEVELS, 0.2),
        some(("commune", "province"), 0.15),
        some(TAGS, 0.15) if unit != "school" else (),
        some(("main", "satellite"), 0.3) if unit != "school" else (),
        some(ROOM_KINDS, 0.3) if unit == "room" else (),
        random.choice(((), (), (1,), (1, 2))) if unit == "room" else (),
        some(DEVICE_KINDS, 0.3) if unit == "device" else (),
    )


def _asks(random: Random, province: Province, unit: str) -> Asks:
    if unit in ("holding", "inspection"):
        return Asks("holding.recorded" if unit == "holding" else "inspection.digital")
    if unit == "room":
        name = random.choice((*OF_ROOMS, "room.ready", "device.availability", "line.fibre", "device.posture"))
    elif unit == "device":
        name = random.choice(("device.availability", *OF_DEVICES))
    else:
        name = random.choice(OF_SITES if random.random() < 0.6 else BY_READINGS)
    return _NEEDS.get(name, _share)(random, province, name)


def _share(random: Random, province: Province, name: str) -> Asks:
    return Asks(name, _within(_up(random, province) + random.choice(LITTLE)))


def _within(share: Fraction) -> Fraction:
    return min(max(share, Fraction(1, 10**9)), Fraction(1))


def _seconds(random: Random, province: Province) -> tuple[int, int, int, int]:
    rows = [row for site in _sites(province) for row in site.minutes.values()]
    return books.availability(random.choice(rows), 0, lessons=False) if rows else (60, 60, 0, 0)


def _up(random: Random, province: Province) -> Fraction:
    up, down, off, unknown = _seconds(random, province)
    of = random.choice((up + down, up + down + off, up + down + off + unknown, 2 * up))
    return Fraction(up, of) if of else Fraction(1, 2)


def _covered(random: Random, province: Province) -> Fraction:
    if random.random() < 0.4:
        values = _values(random, province, None)
        return Fraction(len([one for one in values if one is not None]), len(values))
    up, down, off, unknown = _seconds(random, province)
    return Fraction(random.choice((up + down, up + down + off)), up + down + off + unknown)


def _values(random: Random, province: Province, key: Key | None) -> list[int | None]:
    """Of the key, or of any, as some site told them on a day or on all."""
    found = [
        days
        for site in _sites(province)
        if site.readings
        for of, days in site.readings.told.items()
        if key in (None, of)
    ]
    if not found:
        return [0, None]
    days = random.choice(found)
    chosen = random.choice(([random.choice(list(days))], list(days)[:-1] or list(days)))
    return [value for day in chosen for value in days[day]]


def _known(random: Random, province: Province, key: Key) -> list[int]:
    return [one for one in _values(random, province, key) if one is not None] or [1]


def _loss(random: Random, province: Province, name: str) -> Asks:
    values = _known(random, province, ("line.domestic", "loss_percent"))
    return Asks(name, min(Fraction(sum(values), 1_000 * len(values)) + abs(random.choice(LITTLE)), Fraction(1)))


def _recording(random: Random, province: Province, name: str) -> Asks:
    values = _known(random, province, ("device.b0", "recording"))
    return Asks(name, _within(Fraction(sum(values), len(values)) + random.choice(LITTLE)))


def _sites(province: Province) -> list[Site]:
    return [site for school in province.schools for site in school.sites]


def _bps(random: Random, _province: Province, name: str) -> Asks:
    return Asks(name, Fraction(random.choice((10, 16, 20, 25, 26, 40)) * MBIT + random.choice((-1, 0, 0, 1))))


def _per_pupil(random: Random, province: Province, name: str) -> Asks:
    pupils = [count for site in _sites(province) if (count := busiest(site, last_day(province)))]
    each = Fraction(random.choice((10, 20, 50)) * MBIT, random.choice(pupils or [40]))
    return Asks(name, each, most=random.choice((None, Fraction(20 * MBIT))))


_NEEDS: dict[str, Callable[[Random, Province, str], Asks]] = {
    "line.technology": lambda random, _, name: Asks(
        name, words=random.choice((("fibre",), ("fibre", "copper"), ("mobile",)))
    ),
    "line.backup": lambda _random, _province, name: Asks(name),
    "room.equipped": lambda _random, _province, name: Asks(name),
    "line.contract.download": _bps,
    "line.contract.upload": _bps,
    "line.download.median": _bps,
    "line.download.tenth": _bps,
    "line.upload.median": _bps,
    "line.upload.tenth": _bps,
    "line.download.per_pupil": _per_pupil,
    "line.download.of_contract": lambda random, _, name: Asks(name, Fraction(random.choice((2, 4, 5)), 5)),
    "line.upload.of_contract": lambda random, _, name: Asks(name, Fraction(random.choice((2, 4, 5)), 5)),
    "service.availability": lambda random, province, name: _share(random, province, name)._replace(
        of=random.choice((SERVICES, SERVICES[:1]))
    ),
    "lan.devices.availability": lambda random, province, name: _share(random, province, name)._replace(
        of=tuple(random.sample(DEVICE_KINDS, 2))
    ),
    "line.domestic.latency": lambda random, _, name: Asks(name, Fraction(random.choice(MS))),
    "line.international.latency": lambda random, _, name: Asks(name, Fraction(random.choice(MS))),
    "service.latency": lambda random, _, name: Asks(
        name, Fraction(random.choice(MS)), of=random.choice((SERVICES, SERVICES[:1]))
    ),
    "line.domestic.loss": _loss,
    "lesson.peak_use": lambda random, _, name: Asks(name, Fraction(random.choice((1, 2, 4, 5, 10)), 5)),
    "device.recording": _recording,
    "device.posture": lambda _random, _province, name: Asks(name),
    "device.used": lambda _random, _province, name: Asks(name),
    "data.freshness": lambda random, _, name: Asks(name, Fraction(random.choice((0, 1, 30, 144, 288)))),
    "rooms.ready.count": lambda random, _, name: Asks(
        name, Fraction(random.choice((1, 1, 2))), of=tuple(random.sample(ROOM_KINDS, 2))
    ),
    "room.ready": lambda random, province, name: random.choice(
        (_share(random, province, name), Asks(name, Fraction(random.randrange(1, 6), 5)))
    ),
}
