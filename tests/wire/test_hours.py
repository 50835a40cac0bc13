"""The week's lesson hours, as people write them, against the calendar of the standard library."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_wire import hours
from schoolbeat_wire.messages import Lesson

VIET_NAM = timezone(timedelta(hours=7))


def test_hours_are_read_as_people_here_count_the_days() -> None:
    read = [hours.parse(text) for text in ("2 07:00-11:30", "7 13:30-17:05", "CN 00:00-24:00")]

    assert read == [Lesson(0, 420, 690), Lesson(5, 810, 1025), Lesson(6, 0, 1440)]


@pytest.mark.parametrize(
    "text", ["", "8 07:00-11:30", "1 07:00-11:30", "2 11:30-07:00", "2 07:60-08:00", "2 7:00-8:00"]
)
def test_what_is_no_hour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        hours.parse(text)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1)), st.integers(0, 6), st.integers(0, 1438), st.data())
def test_a_minute_is_a_lesson_exactly_when_the_wall_clock_says_so(
    at: datetime, weekday: int, first: int, data: st.DataObject
) -> None:
    end = data.draw(st.integers(first + 1, 1440))
    minute = int(at.replace(tzinfo=UTC).timestamp() // 60)
    here = datetime.fromtimestamp(minute * 60, VIET_NAM)

    found = hours.is_lesson([Lesson(weekday, first, end)], minute)

    assert found == (here.weekday() == weekday and first <= here.hour * 60 + here.minute < end)
    assert hours.is_exam_day([here.date().isoformat()], minute)
    assert not hours.is_exam_day([(here.date() + timedelta(days=1)).isoformat()], minute)
