"""Which minutes are lessons, as docs/calendar.md says: a day at a time, by loops. Knows no product code."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from tests.oracle.month import LESSONS, Rule

DAY = 1_440
LOCAL = 7 * 60  # minutes ahead of UTC
Lesson = tuple[int, int]  # first and end minute of the local day


def day_of(minute: int) -> int:
    """Local days since 1970."""
    return (minute + LOCAL) // DAY


@lru_cache(maxsize=20_000)
def lessons_of(day: int, rules: frozenset[Rule]) -> tuple[Lesson, ...]:
    weeks = [rule for rule in rules if rule.kind == "week"]
    lessons = _timetable(day, _weekday(day), weeks)
    for place in (0, 1, 2):  # the nearest decides last
        of_day = [rule for rule in rules if rule.place == place and rule.first_day <= day < rule.end_day]
        for rule in of_day:
            if rule.kind == "closed" and rule.hours is None:
                lessons = []
            elif rule.kind == "closed" and rule.hours is not None:
                lessons = [one for one in lessons if not rule.hours[0] <= one[0] < rule.hours[1]]
        for rule in of_day:
            if rule.kind == "open":
                lessons = _open(rule, day, weeks)
    return _together(lessons)


def _weekday(day: int) -> int:
    return (day + 3) % 7  # 1970 began on a Thursday


def _timetable(day: int, weekday: int, weeks: list[Rule]) -> list[Lesson]:
    if not weeks or day < min(rule.first_day for rule in weeks):
        return [(first, end) for of, first, end in LESSONS if of == weekday]
    for place in (2, 1, 0):
        now = [rule for rule in weeks if rule.place == place and rule.first_day <= day < rule.end_day]
        if now:
            return [lesson for rule in now if weekday in rule.weekdays for lesson in rule.lessons]
    return []


def _open(rule: Rule, day: int, weeks: list[Rule]) -> list[Lesson]:
    if rule.lessons:
        return list(rule.lessons)
    weekday = _weekday(day) if rule.as_weekday is None else rule.as_weekday
    lessons = _timetable(day, weekday, weeks)
    if lessons or any(week.first_day <= day < week.end_day for week in weeks):
        return lessons
    for place in (2, 1, 0):
        over = [week for week in weeks if week.place == place and week.end_day <= day]
        if over:
            last = max(week.end_day for week in over)
            return [one for week in over if week.end_day == last and weekday in week.weekdays for one in week.lessons]
    return []


def _together(lessons: Iterable[Lesson]) -> tuple[Lesson, ...]:
    """Lessons that overlap are one."""
    out: list[Lesson] = []
    for first, end in sorted(lessons):
        if out and first < out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((first, end))
    return tuple(out)


@lru_cache(maxsize=16)
def lessons_by_minute(first: int, end: int, rules: frozenset[Rule]) -> tuple[Lesson | None, ...]:
    """For each minute of [first, end) the (local day, beginning) of the lesson that it lies in."""
    found: list[Lesson | None] = [None] * (end - first)
    for day in range(day_of(first), day_of(end - 1) + 1):
        for begin, over in lessons_of(day, rules):
            for at in range(begin, over):
                place = day * DAY + at - LOCAL - first
                if 0 <= place < end - first:
                    found[place] = (day, begin)
    return tuple(found)


@lru_cache(maxsize=16)
def lesson_places(first: int, end: int, rules: frozenset[Rule]) -> tuple[int, ...]:
    """Of the minutes [first, end), counted from the first."""
    found = lessons_by_minute(first, end, rules)
    return tuple(place for place, lesson in enumerate(found) if lesson is not None)
