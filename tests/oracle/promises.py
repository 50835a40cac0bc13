"""What a promise comes to in a province, by loops, as docs/plans.md and docs/indicators.md say. Knows no product code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import lru_cache

from tests.oracle import books, by_readings
from tests.oracle.asked import (
    NONE,
    Answer,
    Place,
    Promise,
    Told,
    as_one,
    begun,
    in_force,
    last_day,
    least,
    mains,
    of_province,
    together,
    weakest,
)
from tests.oracle.calendars import DAY, LOCAL, day_of, lessons_of
from tests.oracle.provinces import (
    FULL,
    INTERNET,
    MAIN_LINE,
    MBIT,
    OFF,
    UNKNOWN,
    VIDEO,
    Device,
    Line,
    Need,
    Province,
    Room,
    School,
    Site,
)

WEEK = 7 * DAY
ALL = Fraction(1)
ASSUMED = tuple(  # docs/register.md
    Need("any", level, kind, 1)
    for level, kinds in ((1, ("board", "access_point")), (2, ("board", "access_point", "computer", "camera")))
    for kind in kinds
)
SIGNAL_OF = {
    "line.internet.availability": "line.internet",
    "line.isp.availability": "line.isp",
    "line.domestic.availability": "line.domestic",
    "line.international.availability": "line.international",
    "lan.router.availability": "lan.router",
    "power.mains.availability": "power.mains",
}


# ---- units -------------------------------------------------------------------------------------------------


def answers(province: Province, promise: Promise) -> tuple[str, tuple[int, int, int], dict[str, Answer]]:
    """Of the target, the counts, and of each unit by its id."""
    found: dict[str, Answer] = {}
    if promise.unit == "inspection":
        found = _inspections(province, promise)
    for school in _schools(province, promise) if promise.unit != "inspection" else ():
        if promise.unit == "school":
            parts = [(site, None, ()) for site in _open(province, school) if promise.sites != "main" or site.main]
            found[school.id] = _answer(province, promise, school, parts)
            continue
        for site in _open(province, school):
            if _asked(promise.which.sites, "main" if site.main else "satellite") and (
                not promise.which.tags or set(site.tags) & set(promise.which.tags)
            ):
                for ident, room, devices in _within(promise, site):
                    found[ident] = _answer(province, promise, school, [(site, room, devices)])
    counts = tuple(sum(one.counts[at] for one in found.values()) for at in range(3))
    assert len(counts) == 3
    return of_province(counts, promise.share, promise.count), counts, found


def _within(promise: Promise, site: Site) -> Iterator[tuple[str, Room | None, tuple[Device, ...]]]:
    which = promise.which
    if promise.unit == "room":
        for room in site.rooms:
            if _asked(which.rooms, room.kind) and _asked(which.smart, room.level):
                yield room.id, room, tuple(one for one in site.devices if one.room == room.id)
    elif promise.unit == "device":
        for device in site.devices:
            if _asked(which.kinds, device.kind):
                yield f"{site.id}/{device.id}", None, (device,)
    else:
        yield site.id, None, ()


def _asked(allowed: Sequence[object], value: object) -> bool:
    return not allowed or value in allowed


def _schools(province: Province, promise: Promise) -> Iterator[School]:
    day = promise.boundaries or last_day(province)
    for school in province.schools:
        inside = _stands(school, day) and _is_within(province, promise, school)
        if _stands(school, last_day(province)) and _passes(promise, school) and (inside or not promise.which.areas):
            yield school


def _passes(promise: Promise, school: School) -> bool:
    return _asked(promise.which.levels, school.level) and _asked(promise.which.managers, school.manager)


def _is_within(province: Province, promise: Promise, school: School) -> bool:
    areas = _areas(province, school, promise.boundaries or last_day(province))
    return not promise.which.areas or bool(set(promise.which.areas) & set(areas))


def _inspections(province: Province, promise: Promise) -> dict[str, Answer]:
    """Those held on a day that begins in the window, wherever their school stands or stood."""
    found = {}
    schools = {one.id: one for one in province.schools}
    for one in province.inspections:
        begins = (date.fromisoformat(one.held_on) - date(1970, 1, 1)).days * DAY - LOCAL
        school = schools[one.school]
        inside = province.end - promise.days * DAY <= begins < province.end
        if one.withdrawn or not inside or not _passes(promise, school) or not _is_within(province, promise, school):
            continue
        met = one.digital and one.frozen
        counts = (1, 0, 0) if met else (0, 1, 0)
        area = next(_areas(province, school, promise.boundaries or last_day(province)), "")
        grade = "observed" if met else "declared"
        found[f"inspection-{one.id}"] = Answer(
            "met" if met else "missed", False, None, grade, counts, None, area, one.school, one.site
        )
    return found


def _stands(school: School, day: str) -> bool:
    return (school.founded is None or school.founded <= day) and (school.closed is None or day < school.closed)


def _areas(province: Province, school: School, day: str) -> Iterator[str]:
    """The one it is in on the day, and all above; nothing if the register places it nowhere then."""
    here = [area for area, since, until in school.stays if since <= day < until] if school.stays else [school.area]
    valid = {one.id: one for one in province.areas if one.since <= day < one.until}
    at = here[0] if here else None
    while at is not None and at in valid:
        yield at
        at = valid[at].parent


def _open(province: Province, school: School) -> list[Site]:
    today = last_day(province)
    return [one for one in school.sites if one.since <= today < one.until]


def _answer(
    province: Province,
    promise: Promise,
    school: School,
    parts: Sequence[tuple[Site, Room | None, tuple[Device, ...]]],
) -> Answer:
    told = []
    for site, room, devices in parts:
        found = [_told(Place(province, school, site, promise, asks), room, devices) for asks in promise.asks]
        met = together("every", (one.met for one in found)) if site.heard else "unknown"
        told.append((met, found))
    status = together(promise.sites, (met for met, _ in told))
    sinces = [begun("every", [one.since for one in found if one.met == met]) for met, found in told if met == status]
    grade = weakest(one.grade for _, found in told for one in found)
    counts = (int(status == "met"), int(status == "missed"), int(status == "unknown"))
    for one in (one for _, found in told for one in found if one.counts is not None):
        counts = one.counts  # type: ignore[assignment]
    day = promise.boundaries or last_day(province)
    area = next(_areas(province, school, day), "") if _stands(school, day) else ""
    only = parts[0][0].id if len(parts) == 1 else ""
    covered = least(one.covered for _, found in told for one in found)
    silent = bool(parts) and not any(site.heard for site, _, _ in parts)
    since = None if status == "met" else begun(promise.sites, sinces)
    return Answer(status, silent, since, grade, counts, covered, area, school.id, only)


def _told(place: Place, room: Room | None, devices: tuple[Device, ...]) -> Told:
    name = place.asks.indicator
    if name == "device.availability" or name in by_readings.OF_DEVICES:
        tell = by_readings.OF_DEVICES.get(name, _of_device)
        found = [tell(place, one) for one in devices]
        return as_one(place.promise.devices, found) if found else Told("unknown", "declared")
    if name in SIGNAL_OF:
        return share_of_time(place, SIGNAL_OF[name])
    if name.startswith("line.download.") or name.startswith("line.upload."):
        return speed(place)
    if name.startswith("room."):
        assert room is not None
        return equipped(place, room) if name == "room.equipped" else ready(place, room)
    return _OTHERS[name](place)


def _of_device(place: Place, device: Device) -> Told:
    return share_of_time(place, f"device.{device.id}")


# ---- groups ------------------------------------------------------------------------------------------------

Sums = dict[str, tuple[int, int, int, int]]  # met, missed, unknown, silent


def groups(province: Province, promise: Promise, units: Iterable[Answer], by: str) -> Sums:
    """by: area, isp, manager or level; "" for those that the register does not say it of."""
    found: Sums = {}
    schools = {one.id: one for one in province.schools}
    for unit in units:
        school = schools[unit.school]
        if by == "area":
            key = unit.area if _stands(school, promise.boundaries or last_day(province)) else ""
        elif by == "isp":
            key = _isp(province, school, unit.site)
        else:
            key = school.manager if by == "manager" else school.level
        met, missed, unknown, silent = found.get(key, (0, 0, 0, 0))
        one = unit.counts
        found[key] = (met + one[0], missed + one[1], unknown + one[2], silent + unit.silent)
    return found


def _isp(province: Province, school: School, site: str) -> str:
    """Of the site's, or else of the main site's first main line with a contract that names one."""
    for one in school.sites:
        if one.id == site or (not site and one.main):
            for line in in_force(province, one):
                if not line.backup and line.isp:
                    return line.isp
    return ""


# ---- time --------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4_000)
def _on_clock(first: int, end: int, shut_day: int | None) -> tuple[int, ...]:
    """Places of the lesson minutes."""
    found = []
    for day in range(day_of(first), day_of(end - 1) + 1):
        for begin, over in () if day == shut_day else lessons_of(day, frozenset()):
            at = [day * DAY - LOCAL + minute - first for minute in range(begin, over)]
            found += [one for one in at if 0 <= one < end - first]
    return tuple(found)


@lru_cache(maxsize=40_000)
def _counted(codes: bytes, places: tuple[int, ...] | None) -> tuple[int, int, int, int]:
    asked = codes if places is None else bytes(codes[place] for place in places)
    return books.availability(asked, 0, lessons=False)


def share_of_time(place: Place, signal: str) -> Told:
    return _share(place, place.codes(signal))


def _share(place: Place, codes: bytes) -> Told:
    promise, need = place.promise, place.asks.need
    if promise.clock == "lessons" and not place.province.has_calendar:
        return Told("unknown", place.unseen, NONE)
    places = None
    if promise.clock == "lessons":
        places = _on_clock(place.first, place.end, place.school.shut_day)
    seconds = _counted(codes, places)
    known = seconds[0] + seconds[1] + (seconds[2] if promise.off_is_down else 0)
    if not known:
        return Told("unknown", place.unseen, NONE)
    covered = Fraction(known, sum(seconds))
    met = books.verdict(seconds, need, promise.coverage, off_is_down=promise.off_is_down)
    if met == "met":
        return Told(met, "proven" if _each_week(codes, places, promise) else "observed", covered)
    return Told(met, "observed", covered, place.first + _since(codes, places, promise, need, known, met))


@lru_cache(maxsize=40_000)
def _each_week(codes: bytes, places: tuple[int, ...] | None, promise: Promise) -> bool:
    """Weeks are counted back from the end."""
    for end in range(len(codes), 0, -WEEK):
        first = max(0, end - WEEK)
        mine = None if places is None else tuple(place - first for place in places if first <= place < end)
        up, down, off, unknown = _counted(codes[first:end], mine)
        known = up + down + (off if promise.off_is_down else 0)
        if known < promise.coverage * (up + down + off + unknown):
            return False
    return True


@lru_cache(maxsize=40_000)
def _since(codes: bytes, places: tuple[int, ...] | None, promise: Promise, need: Fraction, known: int, met: str) -> int:
    """The outage that used up what is allowed; or the gap that did, from after the last known minute."""
    asked = range(len(codes)) if places is None else places
    allowed = (1 - need) * known if met == "missed" else (1 - promise.coverage) * 60 * len(asked)
    spent, begun, after_known = 0, None, 0
    for place in asked:
        code = codes[place]
        is_known = code <= FULL or (code == OFF and promise.off_is_down)
        down = (FULL - code if code <= FULL else FULL) if is_known else 0
        if met == "missed":
            spent += down
            if code == FULL:
                begun = None
            elif down and begun is None:
                begun = place
        else:
            spent += 0 if is_known else 60
            if is_known:
                after_known = place + 1
            begun = after_known
        if spent > allowed:
            assert begun is not None
            return begun
    raise AssertionError("nothing used up what is allowed")


def video(place: Place) -> Told:
    """Of lessons, whatever else the promise counts by."""
    return share_of_time(place._replace(promise=replace(place.promise, clock="lessons")), VIDEO)


def over_fibre(place: Place) -> Told:
    lines = place.lines
    if not lines:
        return Told("unknown", "declared")
    main = mains(lines)
    contract = together(place.promise.lines, (_is(one, ("fibre",)) for one in main))
    if contract != "met":
        return Told(contract, "declared")
    watched = MAIN_LINE in place.site.watched
    if not watched and any(one.technology != "fibre" for one in lines):
        return Told("unknown", place.unseen, NONE)
    codes = place.codes(INTERNET)
    if watched:
        codes = _both(codes, place.codes(MAIN_LINE))
    found = _share(place, codes)
    linked = {line.ont for line in main if line.technology == "fibre"}
    terminals = [one for one in place.site.devices if one.kind == "ont" and linked & {"", one.id}]
    if any(0 < code <= FULL for one in terminals for code in place.codes(f"device.{one.id}")):
        return found
    return found._replace(grade="declared")


@lru_cache(maxsize=10_000)
def _both(one: bytes, other: bytes) -> bytes:
    """Seconds with both; what is all down needs nothing to be known of the other, unless nobody was there."""
    out = bytearray()
    for a, b in zip(one, other, strict=True):
        if a <= FULL and b <= FULL:
            out.append(min(a, b))
        elif OFF in (a, b):
            out.append(OFF)
        else:
            out.append(0 if 0 in (a, b) else UNKNOWN)
    return bytes(out)


def services(place: Place) -> Told:
    return as_one("every", [share_of_time(place, f"service.{one}") for one in place.asks.of])


def wifi(place: Place) -> Told:
    found = [share_of_time(place, one) for one in place.site.watched if one.startswith("wifi.")]
    return as_one("every", found) if found else Told("unknown", place.unseen, NONE)


def devices_of_kinds(place: Place) -> Told:
    kinds = place.asks.of
    found = [share_of_time(place, f"device.{one.id}") for one in place.site.devices if one.kind in kinds]
    return as_one("every", found) if found else Told("unknown", "declared")


def completeness(place: Place) -> Told:
    if not place.site.heard:
        return Told("unknown", place.unseen, NONE)
    known = sum(code <= FULL or code == OFF for code in place.codes(INTERNET))
    met = Fraction(known, place.end - place.first) >= place.asks.need
    return Told("met", "proven", ALL) if met else Told("missed", "observed", ALL)


def freshness(place: Place) -> Told:
    if not place.site.heard:
        return Told("unknown", place.unseen, NONE)
    for age, code in enumerate(reversed(place.codes(INTERNET))):
        if code <= FULL or code == OFF:
            since = place.end - age
            is_met = age <= place.asks.need
            return Told("met", "proven", ALL) if is_met else Told("missed", "observed", ALL, since)
    return Told("missed", "observed", ALL, place.first)


# ---- contracts and tests -----------------------------------------------------------------------------------


def _is(line: Line, words: tuple[str, ...]) -> str:
    return "unknown" if line.technology == "unknown" else "met" if line.technology in words else "missed"


def technology(place: Place) -> Told:
    found = [_is(one, place.asks.words) for one in mains(place.lines)]
    return Told(together(place.promise.lines, found), "declared")


def contract(place: Place) -> Told:
    """Of a line whose contract is not stated it is not known."""
    found = []
    for line in mains(place.lines):
        mbit = line.down if place.asks.indicator.endswith("download") else line.up
        found.append("unknown" if mbit is None else "met" if mbit * MBIT >= place.asks.need else "missed")
    return Told(together(place.promise.lines, found), "declared")


def backup(place: Place) -> Told:
    if not place.lines:
        return Told("unknown", "declared")
    return Told("met" if any(one.backup for one in place.lines) else "missed", "declared")


def speed(place: Place) -> Told:
    """A test that the gateway held down may have been as fast as one likes."""
    what = place.asks.indicator.rsplit(".", 1)[1]
    down = place.asks.indicator.startswith("line.download")
    tests = [
        (one.minute, bps, bool(one.ceiling))
        for one in place.site.tests
        if place.first <= one.minute < place.end and (bps := one.down if down else one.up) is not None
    ]
    covered = min(Fraction(len(tests), place.promise.tests), ALL)
    if len(tests) < place.promise.tests:
        return Told("unknown", "observed" if tests else place.unseen, covered)
    if what == "of_contract":
        stated = [one.down if down else one.up for one in mains(place.lines)]
        found = [_speed(place, tests, None if mbit is None else place.asks.need * mbit * MBIT, what) for mbit in stated]
        one = as_one(place.promise.lines, found)
        return one._replace(
            covered=covered, grade=weakest(each.grade for each in found if each.met == one.met) if found else "observed"
        )
    return _speed(place, tests, _need(place, what), what)._replace(covered=covered)


def _speed(place: Place, tests: Sequence[tuple[int, int, bool]], need: Fraction | None, what: str) -> Told:
    if need is None:
        return Told("unknown", "observed")
    fast = 9 if what == "tenth" else 5
    low = [bps for _, bps, _ in tests]
    high = [10**18 if held else bps for _, bps, held in tests]
    outcomes = {_reaches(values, need, fast) for values in (low, high)}
    if len(outcomes) > 1:
        return Told("unknown", "observed")
    if outcomes == {True}:
        return Told("met", "proven" if _tested_weekly(place, [minute for minute, _, _ in tests]) else "observed")
    slow = [minute for minute, bps, _ in tests if bps < need]
    last_fast = max((minute for minute, bps, _ in tests if bps >= need), default=-1)
    since = min((one for one in slow if one > last_fast), default=slow[0])
    return Told("missed", "observed", since=since)


def _reaches(values: Sequence[int], need: Fraction, fast: int) -> bool:
    """Nine in ten do; or the median."""
    ordered = sorted(values)
    if fast == 9:
        return Fraction(sum(value >= need for value in ordered), len(ordered)) >= Fraction(9, 10)
    middle = (ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2])
    return sum(middle) >= 2 * need


def _need(place: Place, what: str) -> Fraction | None:
    """In bits a second."""
    need, site = place.asks.need, place.site
    if what == "per_pupil":
        pupils = busiest(site, last_day(place.province))
        if not pupils:
            return None
        return need * pupils if place.asks.most is None else min(need * pupils, place.asks.most)
    return need


def busiest(site: Site, day: str) -> int:
    found = [0]
    for shift in {one[0] for one in site.shifts}:
        rows = [one for one in site.shifts if one[0] == shift and one[1] <= day]
        found.append(max(rows, key=lambda row: row[1])[2] if rows else 0)
    return max(found)


def _tested_weekly(place: Place, minutes: Sequence[int]) -> bool:
    weeks = -(-place.promise.days // 7)
    for week in range(weeks):
        end = place.end - week * WEEK
        mine = sum(end - WEEK <= minute < end for minute in minutes)
        if mine * weeks < place.promise.tests:
            return False
    return True


# ---- rooms and things --------------------------------------------------------------------------------------


def needs_of(place: Place, room: Room) -> list[Need]:
    level = [one for one in place.province.needs or ASSUMED if one.level == room.level]
    return [one for one in level if one.kind == room.kind] or [one for one in level if one.kind == "any"]


def _standing(place: Place, room: Room, need: Need) -> list[Device]:
    return [one for one in place.site.devices if one.room == room.id and one.kind == need.device_kind]


def equipped(place: Place, room: Room) -> Told:
    needs = needs_of(place, room)
    if not needs:
        return Told("unknown", "declared")
    has_all = all(len(_standing(place, room, need)) >= need.count for need in needs)
    return Told("met" if has_all else "missed", place.unseen)


def lessons(place: Place, room: Room) -> list[str] | None:
    """Of each lesson whether the room was ready as it began; None: it cannot be said of any."""
    needs = needs_of(place, room)
    if not place.province.has_calendar or not needs:
        return None
    starts = []
    for day in range(day_of(place.first), day_of(place.end - 1) + 1):
        for begin, _ in () if day == place.school.shut_day else lessons_of(day, frozenset()):
            starts.append(day * DAY - LOCAL + begin)
    return [_ready_at(place, room, needs, minute) for minute in starts if place.first <= minute < place.end]


def _ready_at(place: Place, room: Room, needs: Sequence[Need], minute: int) -> str:
    told = []
    for need in needs:
        codes = [place.codes(f"device.{one.id}")[minute - place.first] for one in _standing(place, room, need)]
        outcomes = set()
        for lucky in (False, True):
            answering = sum(0 < code <= FULL or (code > FULL and lucky) for code in codes)
            outcomes.add(answering >= need.count)
        told.append("unknown" if len(outcomes) > 1 else "met" if outcomes.pop() else "missed")
    return together("every", told)


def ready(place: Place, room: Room) -> Told:
    found = lessons(place, room)
    if not found:
        return Told("unknown", place.unseen, NONE)
    count = Counter(found)
    known = count["met"] + count["missed"]
    if not known:
        return Told("unknown", place.unseen, NONE)
    seconds = (count["met"], count["missed"], 0, count["unknown"])
    met = books.verdict(seconds, place.asks.need, place.promise.coverage, off_is_down=False)
    proven = met == "met" and Fraction(known, len(found)) >= place.promise.coverage
    return Told(met, "proven" if proven else "observed", Fraction(known, len(found)))


def ready_rooms(place: Place) -> Told:
    rooms = [one for one in place.site.rooms if one.kind in place.asks.of]
    told = []
    for room in rooms:
        count = Counter(lessons(place, room) or [])
        all_ = sum(count.values())
        if not count["met"] + count["missed"]:
            told.append("unknown")
        else:
            outcomes = {2 * (count["met"] + lucky) > all_ for lucky in range(count["unknown"] + 1)}
            told.append("unknown" if len(outcomes) > 1 else "met" if outcomes.pop() else "missed")
    surely, perhaps = told.count("met"), told.count("met") + told.count("unknown")
    met = "met" if surely >= place.asks.need else "missed" if perhaps < place.asks.need else "unknown"
    covered = Fraction(len(told) - told.count("unknown"), len(told)) if told else None
    return Told(met, "observed" if surely or (rooms and "unknown" not in told) else place.unseen, covered)


def recorded(place: Place) -> Told:
    """Things of a site: devices of the register, things that the agent's newest word names, rows of the asset book that
    are neither of them. On record: in the register, or in the book."""
    site = place.site
    declared = {one.id for one in site.devices}
    seen = set(site.told[-1]) if site.told else set()
    book = [one for one in site.assets if not one.disposed]
    singles = [one for one in book if one.quantity == 1]
    mine: dict[str, str] = {}  # thing -> row of the book
    linked = [one for one in singles if one.device is not None and one.device in declared | seen]
    for one in linked:
        assert one.device is not None
        mine.setdefault(one.device, one.code)
    for one in singles:
        alike = [device.id for device in site.devices if one.serial and device.serial == one.serial]
        alone = sum(other.serial == one.serial for other in singles) == 1
        if one not in linked and len(alike) == 1 and alone:
            mine.setdefault(alike[0], one.code)
    strange = len(seen - declared - set(mine))
    rest = sum(one.quantity for one in book if one.code not in mine.values())
    on_record = len(declared | seen) - strange + rest
    counts = (on_record, strange, 0) if site.heard else (0, 0, on_record + strange)
    return Told("missed" if strange else "met", place.unseen, None, None, counts)


_OTHERS: dict[str, Callable[[Place], Told]] = {
    "line.technology": technology,
    "line.contract.download": contract,
    "line.contract.upload": contract,
    "line.backup": backup,
    "line.fibre": over_fibre,
    "lesson.video": video,
    **by_readings.OF_SITES,
    "service.availability": services,
    "wifi.availability": wifi,
    "lan.devices.availability": devices_of_kinds,
    "data.completeness": completeness,
    "data.freshness": freshness,
    "rooms.ready.count": ready_rooms,
    "holding.recorded": recorded,
}


# ---- what became of it -------------------------------------------------------------------------------------


def kept_since(days: Sequence[tuple[str, str] | None]) -> tuple[int, str] | None:
    """days: status and grade of each day, None: not judged. The first proven day, and whether it was kept since."""
    for first, one in enumerate(days):
        if one == ("met", "proven"):
            later = [day[0] if day is not None else "unknown" for day in days[first:]]
            if "missed" in later:
                return first, "missed"
            return first, "met" if set(later) == {"met"} else "unknown"
    return None
