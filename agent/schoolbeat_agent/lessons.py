"""Is it a lesson now? The week's hours and the exam days, in Viet Nam's time; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schoolbeat_agent.settings import Lessons
from schoolbeat_wire import hours
from schoolbeat_wire.messages import Lesson


def local(unix: float) -> datetime:
    """Viet Nam's wall clock, as a naive datetime."""
    return datetime.fromtimestamp(unix, UTC).replace(tzinfo=None) + timedelta(minutes=hours.UTC_OFFSET_MINUTES)


def is_lesson(lessons: Lessons, unix: float) -> bool | None:
    """None: nobody told this agent the hours."""
    if not lessons.week:
        return None
    return hours.is_lesson((Lesson(*entry) for entry in lessons.week), int(unix // 60))


def is_exam_day(lessons: Lessons, unix: float) -> bool:
    return hours.is_exam_day(lessons.exam_days, int(unix // 60))
