"""What became of a promise: only its own day answers for the deadline, and a promise is kept day by day."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server.history import Kept, Point, Reached, at_deadline, kept

DEADLINE = date(2025, 12, 31)
FIRST = date(2026, 1, 1)


def point(day: date, status: str = "met", grade: str = "proven", met: int = 9, missed: int = 1) -> Point:
    return Point(day, status, met, missed, 0, grade, day.toordinal())  # type: ignore[arg-type]


def days(*statuses: str) -> list[Point]:
    return [point(FIRST + timedelta(at), status) for at, status in enumerate(statuses) if status]


def test_the_deadline_is_answered_by_its_own_day_and_by_no_other() -> None:
    before, on, after = (point(DEADLINE + timedelta(at), "met") for at in (-1, 0, 1))

    assert at_deadline([before, on, after], DEADLINE, FIRST) == Reached("met", on)
    assert at_deadline([before, after], DEADLINE, FIRST) == Reached("not_observed", None)
    assert at_deadline([after], DEADLINE, date(2026, 11, 22)) == Reached("not_observed", None)
    assert at_deadline([before], DEADLINE, DEADLINE) == Reached("to_come", None)


def test_a_promise_is_kept_only_if_every_day_since_the_first_proof_was_met() -> None:
    unproven = [point(FIRST - timedelta(1), "met", "observed")]

    assert kept([*unproven, *days("met", "met")], FIRST + timedelta(1)) == Kept(FIRST, True, (), ())
    assert kept(unproven, FIRST) == Kept(None, None, (), ())


def test_what_broke_it_and_what_is_not_known_is_told_apart() -> None:
    told = kept(days("met", "missed", "missed", "unknown", "", "met"), FIRST + timedelta(6))

    second, fourth, seventh = FIRST + timedelta(1), FIRST + timedelta(3), FIRST + timedelta(6)
    assert told == Kept(
        FIRST,
        False,
        ((second, FIRST + timedelta(2)),),
        ((fourth, FIRST + timedelta(4)), (seventh, seventh)),
    )


@given(st.lists(st.sampled_from(["met", "missed", "unknown", ""]), max_size=40))
def test_kept_says_of_every_day_what_it_was(statuses: list[str]) -> None:
    until = FIRST + timedelta(len(statuses) - 1)

    told = kept(days(*statuses), until)

    known = dict(enumerate(statuses))
    if "met" not in statuses:
        assert told == Kept(None, None, (), ())
        return
    since = statuses.index("met")
    assert told.since == FIRST + timedelta(since)
    for at in range(since, len(statuses)):
        day = FIRST + timedelta(at)
        assert any(first <= day <= last for first, last in told.breaks) == (known[at] == "missed")
        assert any(first <= day <= last for first, last in told.gaps) == (known[at] in ("unknown", ""))
    rest = set(statuses[since:])
    assert told.kept == (False if "missed" in rest else None if rest - {"met"} else True)
