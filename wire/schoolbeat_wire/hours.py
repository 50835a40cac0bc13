"""Lesson hours: the week's table as people write it, and whether a minute lies in them. Viet Nam's time; pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from datetime import date
from typing import Final

from schoolbeat_wire.messages import Lesson

UTC_OFFSET_MINUTES: Final = 7 * 60  # Asia/Ho_Chi_Minh: no summer time since 1975
DAY_MINUTES: Final = 1_440
THURSDAY: Final = 3  # 1 January 1970
_WRITTEN = re.compile(r"([2-7]|CN) (\d\d):(\d\d)-(\d\d):(\d\d)")


def parse(text: str) -> Lesson:
    """ "2 07:00-11:30": day 2-7 (Monday is 2, as people count here) or CN (Sunday). ValueError for anything else."""
    found = _WRITTEN.fullmatch(text)
    if not found:
        raise ValueError(text)
    day, *times = found.groups()
    hour, minute, end_hour, end_minute = (int(part) for part in times)
    first, end = hour * 60 + minute, end_hour * 60 + end_minute
    if not first < end <= DAY_MINUTES or minute > 59 or end_minute > 59:
        raise ValueError(text)
    return Lesson(6 if day == "CN" else int(day) - 2, first, end)


def is_lesson(lessons: Iterable[Lesson], minute: int) -> bool:
    """minute: since 1970 UTC."""
    day, at = divmod(minute + UTC_OFFSET_MINUTES, DAY_MINUTES)
    weekday = (day + THURSDAY) % 7
    return any(lesson.weekday == weekday and lesson.first <= at < lesson.end for lesson in lessons)


def is_exam_day(exam_days: Collection[str], minute: int) -> bool:
    """exam_days: ISO dates."""
    if not exam_days:
        return False
    day = (minute + UTC_OFFSET_MINUTES) // DAY_MINUTES
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat() in exam_days
