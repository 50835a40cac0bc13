"""What readings come to, minute by minute by loops, as docs/indicators.md says. Knows no product code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache

from tests.oracle import books
from tests.oracle.asked import NONE, Place, Told, as_one, mains, together
from tests.oracle.calendars import DAY, LOCAL, day_of, lessons_of
from tests.oracle.provinces import MBIT, Device
from tests.oracle.readings import COUNTERS, POSTURE, Key, Readings

OVER_FOR = 12 * 60  # a day is looked at when it has been over for so long
ALL_HOURS = frozenset(range(24))
ON = (1, 3)

Number = int | Fraction
Seen = tuple[Number, Number, Number]  # good, known, and what would be known if all were


# ---- what is known -----------------------------------------------------------------------------------------


def days_of(place: Place) -> list[int]:
    """Local days that lie in the window as a whole and have been over long enough."""
    found = []
    for day in range(day_of(place.first) - 1, day_of(place.end) + 2):
        begin = day * DAY - LOCAL
        if place.first <= begin and begin + DAY + OVER_FOR <= place.end:
            found.append(day)
    return found


@lru_cache(maxsize=20_000)
def lesson_hours(day: int) -> frozenset[int]:
    """Those that hold a minute of a lesson."""
    return frozenset(minute // 60 for begin, over in lessons_of(day, frozenset()) for minute in range(begin, over))


def hours_of(place: Place, day: int, *, lessons: bool) -> frozenset[int]:
    if not lessons:
        return ALL_HOURS
    is_none = not place.province.has_calendar or day == place.school.shut_day
    return frozenset() if is_none else lesson_hours(day)


def told(place: Place, key: Key, day: int, hours: frozenset[int]) -> tuple[tuple[int, int], ...]:
    """(minute of the day, value) of those that were told, and told but once."""
    readings = place.site.readings
    return () if readings is None else _told(readings, key, day, hours)


@lru_cache(maxsize=4_000)
def _told(readings: Readings, key: Key, day: int, hours: frozenset[int]) -> tuple[tuple[int, int], ...]:
    found = []
    again = readings.again.get(key, {}).get(day, {})
    for minute, value in enumerate(readings.told.get(key, {}).get(day, ())):
        if value is not None and minute // 60 in hours and again.get(minute, value) == value:
            found.append((minute, value))
    return tuple(found)


# ---- a share of what is known ------------------------------------------------------------------------------

Day = tuple[tuple[int, int], ...]
Good = Callable[[Day], tuple[Number, Number]]


def share(place: Place, key: Key, need: Fraction, unit: int, good: Good) -> Told:
    """good: of what was told of a day, (good, known), a minute counting as `unit`."""
    lessons = place.promise.clock == "lessons"
    if lessons and not place.province.has_calendar:
        return Told("unknown", place.unseen, NONE)
    seen: dict[int, Seen] = {}
    for day in days_of(place):
        hours = hours_of(place, day, lessons=lessons)
        seen[day] = (*good(told(place, key, day, hours)), 60 * len(hours) * unit)
    all_good, known, asked = _sum(seen.values())
    if not known:
        return Told("unknown", place.unseen, NONE)
    covered = Fraction(known) / asked
    four = (all_good, known - all_good, 0, asked - known)
    met = books.verdict(four, need, place.promise.coverage, off_is_down=False)  # type: ignore[arg-type]
    if met == "met":
        return Told(met, "proven" if _each_week(seen, place.promise.coverage) else "observed", covered)
    return Told(met, "observed", covered, _since(seen, need) if met == "missed" else None)


def _sum(seen: Iterable[Seen]) -> Seen:
    rows = list(seen)
    return sum(row[0] for row in rows), sum(row[1] for row in rows), sum(row[2] for row in rows)


def _each_week(seen: Mapping[int, Seen], coverage: Fraction) -> bool:
    """Weeks are counted back from the last day."""
    if not seen:
        return False
    last = max(seen)
    for week in range((last - min(seen)) // 7 + 1):
        _, known, asked = _sum(one for day, one in seen.items() if (last - day) // 7 == week)
        if known < coverage * asked:
            return False
    return True


def _since(seen: Mapping[int, Seen], need: Fraction) -> int | None:
    """The first short day after the last one that was not; if the last one was not, the first short one."""
    short = {day: good < need * known for day, (good, known, _) in sorted(seen.items()) if known}
    fine = [day for day, is_short in short.items() if not is_short]
    since = [day for day, is_short in short.items() if is_short]
    after = [day for day in since if not fine or day > fine[-1]]
    told = after or since
    return told[0] * DAY - LOCAL if told else None


def latency(place: Place, key: Key) -> Told:
    """The middle one of the minutes is low enough when half of them are."""
    most = place.asks.need * 100

    def good(day: Day) -> tuple[int, int]:
        return sum(value <= most for _, value in day), len(day)

    return share(place, key, Fraction(1, 2), 1, good)


def domestic_latency(place: Place) -> Told:
    return latency(place, ("line.domestic", "rtt_ms"))


def international_latency(place: Place) -> Told:
    return latency(place, ("line.international", "rtt_ms"))


def services_latency(place: Place) -> Told:
    return as_one("every", [latency(place, (f"service.{one}", "http_ms")) for one in place.asks.of])


def loss(place: Place) -> Told:
    """The mean of the minutes' shares: what was not lost is what is good."""

    def good(day: Day) -> tuple[int, int]:
        return sum(1_000 - value for _, value in day), 1_000 * len(day)

    return share(place, ("line.domestic", "loss_percent"), 1 - place.asks.need, 1_000, good)


def recording(place: Place, device: Device) -> Told:
    """Each hour with an answer counts as one, by the part of its answers that say so."""

    def good(day: Day) -> tuple[Number, int]:
        hours: dict[int, list[int]] = {}
        for minute, value in day:
            hours.setdefault(minute // 60, []).append(value)
        parts = [Fraction(sum(one), len(one)) for one in hours.values()]
        return 60 * sum(parts, Fraction(0)), 60 * len(hours)

    return share(place, (f"device.{device.id}", "recording"), place.asks.need, 1, good)


# ---- lessons -----------------------------------------------------------------------------------------------


def peak_use(place: Place) -> Told:
    """A line whose contract states no upload promises none."""
    lines = mains(place.lines)
    upload = [one.up for one in lines if one.up is not None]
    found = [_peak(place, "rx_quarter_bps", [one.down for one in lines])]
    if upload:
        found.append(_peak(place, "tx_quarter_bps", upload))
    return as_one("every", found)


def _peak(place: Place, reading: str, contracts: Sequence[int | None]) -> Told:
    """contracts: Mbit/s of each line."""
    hours = known = peak = 0
    for day in days_of(place):
        of_day = hours_of(place, day, lessons=True)
        seen = told(place, ("line.internet", reading), day, of_day)
        hours += len(of_day)
        known += len({minute // 60 for minute, _ in seen})
        peak = max([peak, *(value for _, value in seen)])
    if not known or all(one is None for one in contracts):
        return Told("unknown", place.unseen, NONE)
    lines = []
    for mbit in contracts:
        if mbit is None:
            lines.append("unknown")
        elif peak > place.asks.need * mbit * MBIT:
            lines.append("missed")
        else:
            lines.append("met" if known >= place.promise.coverage * hours else "unknown")
    met = together(place.promise.lines, lines)
    return Told(met, "proven" if met == "met" else "observed", Fraction(known, hours))


def used(place: Place, device: Device) -> Told:
    hours = known = 0
    was_on = False
    for day in days_of(place):
        of_day = hours_of(place, day, lessons=True)
        seen = told(place, (f"device.{device.id}", "power_state"), day, of_day)
        hours += len(of_day)
        known += len({minute // 60 for minute, _ in seen})
        was_on = was_on or any(value in ON for _, value in seen)
    for reading in COUNTERS:
        every = [
            value
            for day in days_of(place)
            for _, value in told(place, (f"device.{device.id}", reading), day, ALL_HOURS)
        ]
        was_on = was_on or len(set(every)) > 1
    covered = Fraction(known, hours) if hours else NONE
    if was_on:
        return Told("met", "observed", covered)
    if hours and known >= place.promise.coverage * hours:
        return Told("missed", "observed", covered, place.first)
    return Told("unknown", "observed" if known else place.unseen, covered)


def posture(place: Place, device: Device) -> Told:
    """By the newest answers."""
    newest = []
    for reading in POSTURE:
        every = [
            (day * DAY - LOCAL + minute, value)
            for day in days_of(place)
            for minute, value in told(place, (f"device.{device.id}", reading), day, ALL_HOURS)
        ]
        newest += [max(every)] if every else []
    covered = Fraction(len(newest), len(POSTURE))
    open_ = [minute for minute, value in newest if value]
    if open_:
        return Told("missed", "observed", covered, min(open_))
    if len(newest) < len(POSTURE):
        return Told("unknown", "observed" if newest else place.unseen, covered)
    return Told("met", "proven", covered)


OF_SITES: dict[str, Callable[[Place], Told]] = {
    "line.domestic.latency": domestic_latency,
    "line.international.latency": international_latency,
    "line.domestic.loss": loss,
    "service.latency": services_latency,
    "lesson.peak_use": peak_use,
}
OF_DEVICES: dict[str, Callable[[Place, Device], Told]] = {
    "device.recording": recording,
    "device.used": used,
    "device.posture": posture,
}
