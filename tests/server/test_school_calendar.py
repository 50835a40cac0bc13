"""Which minutes are lessons: against a brute-force reading of the same rules with the standard library's clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbeat_server import national_holidays
from schoolbeat_server.asked import masked
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.school_calendar import (
    Day,
    LessonHours,
    LessonTime,
    Place,
    Rule,
    SchoolCalendar,
    changed_days,
    date_of,
    day_number,
    day_of,
    first_minute_of,
    lesson_minutes,
    lessons_touched,
)
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL
from schoolbeat_wire.messages import Lesson

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
PLACE = Place("a-1", "th-a", ("tinh", "xa"))
MORNING = (LessonTime(420, 455, "sáng"), LessonTime(460, 495, "sáng"))
AFTERNOON = (LessonTime(810, 845, "chiều"), LessonTime(850, 885, "chiều"))


def number(text: str) -> int:
    return day_number(date.fromisoformat(text))


def minute(text: str) -> int:
    """Of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp()) // 60


def rule(kind: str, first: str, last: str = "", *, at: tuple[str, str] = ("province", ""), **more: Any) -> Rule:
    return Rule(at[0], at[1], kind, number(first), number(last or first) + 1, **more)  # type: ignore[arg-type]


YEAR = rule("week", "2026-09-07", "2027-05-28", weekdays=(0, 1, 2, 3, 4), lessons=MORNING + AFTERNOON)


def hours_on(day: str, *rules: Rule, place: Place = PLACE) -> list[tuple[int, int]]:
    return [(one.first, one.end) for one in SchoolCalendar(rules).of(place).day(number(day)).lessons]


BOTH = [(420, 455), (460, 495), (810, 845), (850, 885)]


# ---- brute force -------------------------------------------------------------------------------------------

DAYS = st.integers(number("2026-12-25"), number("2027-01-06"))  # over a year's boundary
TIMES = st.builds(lambda first, length: LessonTime(first, first + length), st.integers(0, 1_380), st.integers(1, 60))
CHAIN = [("province", ""), ("area", "tinh"), ("area", "xa"), ("school", "th-a"), ("site", "a-1"), ("site", "other")]


@st.composite
def some_rules(draw: st.DrawFn) -> Rule:
    kind = draw(st.sampled_from(["week", "week", "holiday", "closed", "open", "exam"]))
    level, place = draw(st.sampled_from(CHAIN))
    first = draw(DAYS)
    end = first + draw(st.integers(1, 9))
    lessons = tuple(sorted(draw(st.lists(TIMES, max_size=3)))) if kind in ("week", "open") else ()
    weekdays = tuple(sorted(draw(st.sets(st.integers(0, 6), min_size=1)))) if kind == "week" else ()
    like = draw(st.none() | st.integers(0, 6)) if kind == "open" else None
    hours = draw(st.none() | st.just((0, 720)) | st.just((720, 1_440))) if kind == "closed" else None
    return Rule(level, place, kind, first, end, weekdays, lessons, like, hours)  # type: ignore[arg-type]


def brute_timetable(rules: list[Rule], default: LessonHours, day: int, weekday: int) -> list[tuple[int, int]]:
    weeks = [one for one in rules if one.kind == "week" and (one.level, one.place) in CHAIN[:5]]
    if not weeks or day < min(one.first_day for one in weeks):
        return [(one.first, one.end) for one in default.week if one.weekday == weekday]
    for level in reversed(CHAIN[:5]):
        mine = [one for one in weeks if (one.level, one.place) == level and one.first_day <= day < one.end_day]
        if mine:
            return [(time.first, time.end) for one in mine if weekday in one.weekdays for time in one.lessons]
    return []


def brute_last(rules: list[Rule], day: int, weekday: int) -> list[tuple[int, int]]:
    """What the period before, of the nearest place that had one, says of the weekday."""
    weeks = [one for one in rules if one.kind == "week" and (one.level, one.place) in CHAIN[:5]]
    if any(one.first_day <= day < one.end_day for one in weeks):
        return []
    for level in reversed(CHAIN[:5]):
        mine = [one for one in weeks if (one.level, one.place) == level]
        ended = [one.end_day for one in mine if one.end_day <= day]
        if ended:
            last = [one for one in mine if one.end_day == max(ended) and weekday in one.weekdays]
            return [(time.first, time.end) for one in last for time in one.lessons]
    return []


def brute_is_lesson(rules: list[Rule], default: LessonHours, at: int) -> bool:
    """One minute, as one would decide it with the text of the rules and a wall calendar in hand."""
    local = datetime.fromtimestamp(at * 60, UTC).astimezone(ZONE)
    day = (local.date() - date(1970, 1, 1)).days
    times = brute_timetable(rules, default, day, local.weekday())
    for level in CHAIN[:5]:
        for kind in ("holiday", "closed", "open"):
            said = [one for one in rules if (one.level, one.place) == level and one.kind == kind]
            said = [one for one in said if one.first_day <= day < one.end_day]
            said.sort(
                key=lambda one: (one.first_day, one.end_day, one.hours or (0, 0), one.lessons, one.as_weekday or 0)
            )
            for one in said:
                if kind == "open":
                    weekday = local.weekday() if one.as_weekday is None else one.as_weekday
                    given_ = [(time.first, time.end) for time in one.lessons]
                    times = given_ or brute_timetable(rules, default, day, weekday) or brute_last(rules, day, weekday)
                elif one.hours is None:
                    times = []
                else:
                    times = [time for time in times if not one.hours[0] <= time[0] < one.hours[1]]
    of_day = local.hour * 60 + local.minute
    return any(first <= of_day < end for first, end in times)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(some_rules(), max_size=9),
    st.booleans(),
    st.integers(first_minute_of(number("2026-12-25")), first_minute_of(number("2027-01-08"))),
    st.integers(0, 2_000),
)
def test_a_row_of_minutes_is_what_brute_force_says(
    rules: list[Rule], with_default: bool, first: int, count: int
) -> None:
    default = LessonHours((Lesson(2, 400, 700), Lesson(3, 0, 1_440))) if with_default else LessonHours()

    found = lesson_minutes(SchoolCalendar(tuple(rules), default=default), PLACE, first, first + count)

    assert len(found) == count
    places = range(0, count, 7)
    assert [found[at] for at in places] == [brute_is_lesson(rules, default, first + at) for at in places]


@settings(max_examples=100, deadline=None)
@given(st.lists(some_rules(), max_size=9), st.randoms())
def test_the_order_in_which_rules_came_does_not_matter(rules: list[Rule], random: Any) -> None:
    shuffled = random.sample(rules, len(rules))
    first, end = first_minute_of(number("2026-12-25")), first_minute_of(number("2027-01-12"))

    one, other = (lesson_minutes(SchoolCalendar(tuple(each)), PLACE, first, end) for each in (rules, shuffled))

    assert one == other


@settings(max_examples=100, deadline=None)
@given(st.lists(some_rules(), max_size=6), st.lists(st.sampled_from([0, 30, 59, 60, 255]), max_size=3_000))
def test_lessons_touched_are_those_that_hold_a_down_second(rules: list[Rule], codes: list[int]) -> None:
    calendar = SchoolCalendar(tuple(rules)).of(PLACE)
    first = first_minute_of(number("2026-12-31")) + 100
    down = [first + at for at, code in enumerate(codes) if code < UP_FULL]

    found = lessons_touched(calendar, bytes(codes), first)

    assert found == len({calendar.lesson_at(at) for at in down} - {None})


def test_local_midnights_are_those_of_the_standard_library_all_through_a_century() -> None:
    for text in ("1976-01-01", "2024-02-29", "2026-12-31", "2027-01-01", "2079-06-30"):
        midnight = datetime.fromisoformat(text).replace(tzinfo=ZONE)

        assert first_minute_of(number(text)) * 60 == midnight.timestamp()
        assert day_of(first_minute_of(number(text))) == number(text)
        assert date_of(day_of(first_minute_of(number(text)) - 1)) == midnight.date() - timedelta(days=1)


# ---- who decides -------------------------------------------------------------------------------------------


def test_the_nearest_timetable_holds_and_outside_all_periods_there_are_no_lessons() -> None:
    school = rule("week", "2026-09-07", "2026-12-31", at=("school", "th-a"), weekdays=(5,), lessons=MORNING)
    commune = rule("week", "2026-09-07", "2026-10-31", at=("area", "xa"), weekdays=(0, 5), lessons=AFTERNOON)
    elsewhere = Place("b-1", "th-b", ("tinh", "xa"))

    assert hours_on("2026-09-12", YEAR, school, commune) == [(420, 455), (460, 495)]  # a Saturday
    assert hours_on("2026-09-14", YEAR, school, commune) == []  # the school's week says Saturdays only
    assert hours_on("2027-01-04", YEAR, school, commune) == BOTH  # the school's period is over
    assert hours_on("2026-09-14", YEAR, school, commune, place=elsewhere) == [(810, 845), (850, 885)]
    assert hours_on("2026-11-02", YEAR, school, commune, place=elsewhere) == BOTH
    assert hours_on("2026-09-04", YEAR) == hours_on("2027-05-31", YEAR) == hours_on("2027-07-01", YEAR) == []


def test_a_nearer_place_may_open_what_a_farther_one_closes_and_close_what_it_leaves_open() -> None:
    storm = rule("closed", "2026-09-24", "2026-09-25", why="bão")
    here = rule("open", "2026-09-25", at=("school", "th-a"), why="vẫn học")
    morning_only = rule("closed", "2026-09-25", at=("site", "a-1"), hours=(720, 1_440))

    assert hours_on("2026-09-25", YEAR, storm) == []
    assert hours_on("2026-09-25", YEAR, storm, here) == BOTH
    assert hours_on("2026-09-25", YEAR, storm, here, morning_only) == [(420, 455), (460, 495)]
    assert hours_on("2026-09-24", YEAR, storm, here, morning_only) == []
    assert SchoolCalendar((YEAR, storm, here)).of(PLACE).day(number("2026-09-25")).why == "vẫn học"


def test_a_compensatory_day_takes_another_weekdays_timetable_or_lessons_of_its_own() -> None:
    week = rule("week", "2026-09-07", "2027-05-28", weekdays=(4,), lessons=MORNING)
    as_friday = rule("open", "2026-09-26", as_weekday=4)
    by_name = rule("open", "2026-09-26", lessons=AFTERNOON)

    assert hours_on("2026-09-26", week) == []
    assert hours_on("2026-09-26", week, as_friday) == [(420, 455), (460, 495)]
    assert hours_on("2026-09-26", week, by_name) == [(810, 845), (850, 885)]
    after = rule("open", "2027-06-05", as_weekday=4)
    assert hours_on("2027-06-05", week, after) == [(420, 455), (460, 495)]  # made up for after the year's end
    holiday = rule("holiday", "2026-09-26")
    assert hours_on("2026-09-26", week, as_friday, holiday) == [(420, 455), (460, 495)]  # at one place the day itself


def test_before_the_first_day_of_any_timetable_the_settings_hours_hold() -> None:
    default = LessonHours((Lesson(4, 420, 690),), ("2026-09-04",))
    calendar = SchoolCalendar((YEAR,), default=default).of(PLACE)

    assert calendar.day(number("2026-09-04")) == Day((LessonTime(420, 690),), True, "")
    assert calendar.day(number("2026-09-11")).lessons == MORNING + AFTERNOON
    assert SchoolCalendar().of(PLACE).says_nothing
    assert SchoolCalendar().read("a-1", 0, 10) is None
    assert not SchoolCalendar((rule("closed", "2026-01-01"),), default=default).of(PLACE).says_nothing


def test_an_agent_is_told_the_coming_week_as_it_really_is_and_the_exam_days_ahead() -> None:
    exam = rule("exam", "2026-09-28", "2026-09-29", at=("school", "th-a"))
    closed = rule("closed", "2026-09-21", "2026-09-22")
    calendar = SchoolCalendar((YEAR, exam, closed)).of(PLACE)

    found = calendar.told(minute("2026-09-17T23:59"))
    in_summer = calendar.told(minute("2027-07-01T12:00"))

    days = {lesson.weekday for lesson in found.week}
    assert days == {2, 3, 4}  # Thursday 17, Friday 18 and Wednesday 23; Monday and Tuesday are closed
    assert [lesson for lesson in found.week if lesson.weekday == 3] == [Lesson(3, first, end) for first, end in BOTH]
    assert found.exam_days == ("2026-09-28", "2026-09-29")
    assert in_summer == LessonHours()


# ---- what follows ------------------------------------------------------------------------------------------


def test_changed_days_are_those_whose_lessons_differ() -> None:
    before = SchoolCalendar((YEAR,)).of(PLACE)
    after = SchoolCalendar((YEAR, rule("closed", "2026-09-18", "2026-09-22"))).of(PLACE)

    found = changed_days(before, after, number("2026-09-01"), number("2026-10-01"))

    assert found == [
        (number("2026-09-18"), number("2026-09-19")),
        (number("2026-09-21"), number("2026-09-23")),
    ]  # the weekend between had no lessons before either


def test_availability_on_both_clocks_of_one_row() -> None:
    start = minute("2026-09-14T07:00")
    codes = bytes([60] * 20 + [0] * 15 + [0] * 5 + [60] * 20 + [UNKNOWN] * 15)
    clock = lesson_minutes(SchoolCalendar((YEAR,)), PLACE, start, start + 75)

    assert availability(codes) == Availability(2_400, 1_200, 0, 900)
    assert availability(codes, clock) == Availability(2_400, 900, 0, 900)


@given(st.binary(max_size=200), st.randoms())
def test_masking_a_row_changes_only_what_was_not_up_outside_lessons(codes: bytes, random: Any) -> None:
    lessons = bytes(random.choice((0, 1)) for _ in codes)

    found = masked(codes, lessons)

    pairs = zip(codes, lessons, strict=True)
    assert found == bytes(code if there or code >= UP_FULL else UNKNOWN for code, there in pairs)


def test_masks_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="lessons of 1 minutes for 2 ledger minutes"):
        masked(bytes(2), bytes(1))


# ---- the nation's days off ---------------------------------------------------------------------------------


def off_in(first: str, last: str) -> list[str]:
    found = national_holidays.days_off(date.fromisoformat(first), date.fromisoformat(last))
    return [day.isoformat() for day in found]


def test_days_off_are_those_that_the_government_announced() -> None:
    # Tết Bính Ngọ: announced as 14 to 22 February 2026 for officials, that is five working days between two weekends.
    assert off_in("2026-02-01", "2026-02-28") == [f"2026-02-{day}" for day in (16, 17, 18, 19, 20)]
    # Tết Ất Tỵ: announced as 25 January to 2 February 2025.
    assert off_in("2025-01-20", "2025-02-10") == [
        *(f"2025-01-{day}" for day in (27, 28, 29, 30, 31)),
        "2025-02-01",
    ]
    # National Day 2026: Monday 31 August swapped with Saturday 22 August, and 1 and 2 September.
    assert off_in("2026-08-20", "2026-09-10") == ["2026-08-31", "2026-09-01", "2026-09-02"]
    # Giỗ Tổ 2026 falls on a Sunday: the Monday after is off.
    assert off_in("2026-04-20", "2026-04-29") == ["2026-04-26", "2026-04-27"]


def test_tet_2027_begins_with_the_new_moon_of_6_february() -> None:
    names = national_holidays.days_off(date(2027, 2, 1), date(2027, 2, 28))

    assert names[date(2027, 2, 6)] == "Tết Nguyên Đán"
    assert names[date(2027, 2, 5)] == "Giao thừa Tết Nguyên Đán"
    assert {date(2027, 2, day) for day in (5, 8, 9)} <= names.keys()  # working days certainly off


@pytest.mark.parametrize("backwards", [False, True])
def test_at_one_place_an_open_day_decides_over_a_closure_of_that_day(backwards: bool) -> None:
    closed, opened = rule("closed", "2026-09-08"), rule("open", "2026-09-08", lessons=MORNING)

    said = [opened, closed] if backwards else [closed, opened]

    assert hours_on("2026-09-08", YEAR, *said) == BOTH[:2]
    assert hours_on("2026-09-08", YEAR, closed) == []
