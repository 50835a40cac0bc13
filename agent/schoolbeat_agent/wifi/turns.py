"""When a seat is tried: while school is on, and better in breaks; pure."""

from __future__ import annotations

from typing import Final

from schoolbeat_agent.lessons import is_exam_day, is_lesson, local
from schoolbeat_agent.probes.wifi_seat import TICK_SECONDS
from schoolbeat_agent.settings import Lessons
from schoolbeat_wire.catalogue import SIGNAL_KINDS

SLACK_SECONDS: Final = 15  # the runner begins a run a little sooner or later
HOLD_SECONDS: Final = SIGNAL_KINDS["wifi."].hold_seconds
EARLY_MINUTES: Final = 14  # before the day's first lesson: so long holds a word, and it should hold in the lesson


def is_turn(lessons: Lessons, unix: float | None, since_seconds: float | None, every_seconds: float) -> bool:
    """Whether a seat is tried now, `since_seconds` after the last time (None: never yet).

    Without lesson hours or without time: as often as is asked. With them only while school is on, from shortly before
    the first lesson to the end of the last, and not on exam days; sooner in a break; in a lesson as late as the last
    word allows if a break comes before.
    """
    is_due = since_seconds is None or since_seconds + TICK_SECONDS + SLACK_SECONDS > every_seconds
    if unix is None or not lessons.week:
        return is_due
    if is_exam_day(lessons, unix) or not is_school(lessons, unix):
        return False
    if since_seconds is None:
        return True
    if not is_lesson(lessons, unix):
        return is_due or since_seconds >= every_seconds / 2
    at_break = since_seconds + seconds_to_break(lessons, unix) + TICK_SECONDS + SLACK_SECONDS
    return is_due and at_break > HOLD_SECONDS


def is_school(lessons: Lessons, unix: float) -> bool:
    """From EARLY_MINUTES before the day's first lesson to the end of its last."""
    now = local(unix)
    minute = now.hour * 60 + now.minute
    today = [(first, end) for day, first, end in lessons.week if day == now.weekday()]
    return bool(today) and min(today)[0] - EARLY_MINUTES <= minute < max(end for _, end in today)


def seconds_to_break(lessons: Lessons, unix: float) -> float:
    """Until the lesson that is on ends, and another that follows without a break."""
    now = local(unix)
    minute = until = now.hour * 60 + now.minute
    for first, end in sorted((first, end) for day, first, end in lessons.week if day == now.weekday()):
        if first <= until < end:
            until = end
    return (until - minute) * 60.0 - now.second
