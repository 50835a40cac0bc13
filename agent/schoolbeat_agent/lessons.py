"""Is it a lesson now? The week's hours and the exam days, in Viet Nam's time; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from schoolbeat_agent.settings import Lessons

HERE: Final = timedelta(hours=7)  # Asia/Ho_Chi_Minh: no summer time since 1975


def local(unix: float) -> datetime:
    """Viet Nam's wall clock, as a naive datetime."""
    return datetime.fromtimestamp(unix, UTC).replace(tzinfo=None) + HERE


def is_lesson(lessons: Lessons, unix: float) -> bool | None:
    """None: nobody told this agent the hours."""
    if not lessons.week:
        return None
    now = local(unix)
    minute = now.hour * 60 + now.minute
    return any(day == now.weekday() and first <= minute < end for day, first, end in lessons.week)


def is_exam_day(lessons: Lessons, unix: float) -> bool:
    return local(unix).date().isoformat() in lessons.exam_days
