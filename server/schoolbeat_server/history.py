"""What became of a promise: reached at its deadline? kept since the first proof? Pure functions of issued verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema
from schoolbeat_server.finding import Grade
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import day_of
from schoolbeat_server.verdicts import Status

EPOCH = date(1970, 1, 1)


class Point(NamedTuple):
    """A target's verdict on the window that ends with `day`, as it stands after its revisions. issue: issued.id."""

    day: date
    status: Status
    met: int
    missed: int
    unknown: int
    grade: Grade
    issue: int

    @property
    def units(self) -> int:
        return self.met + self.missed + self.unknown


AtDeadline = Literal["met", "missed", "unknown", "not_applicable", "not_observed", "to_come"]

AT_DEADLINE_WORDS: dict[AtDeadline, Said] = {
    "met": Said("đạt khi đến hạn", "reached at the deadline"),
    "missed": Said("chưa đạt khi đến hạn", "not reached at the deadline"),
    "unknown": Said("khi đến hạn chưa đủ dữ liệu", "unknown at the deadline"),
    "not_applicable": Said("khi đến hạn không có đơn vị nào", "there were no units at the deadline"),
    "not_observed": Said(
        "chưa đo vào lúc đến hạn: chỉ có khai báo, không suy ngược từ số liệu sau này",
        "not measured at the deadline: there are declarations only, and nothing is inferred from later data",
    ),
    "to_come": Said("chưa đến hạn", "the deadline is still to come"),
}


class Reached(NamedTuple):
    """point: the verdict that says so, None where none does."""

    answer: AtDeadline
    point: Point | None


def at_deadline(points: Sequence[Point], deadline: date, today: date) -> Reached:
    """Only the verdict on the window that ends with the deadline's day counts; another day's says nothing of it."""
    if today <= deadline:
        return Reached("to_come", None)
    point = next((one for one in points if one.day == deadline), None)
    if point is None:
        return Reached("not_observed", None)
    return Reached(point.status, point)


class Kept(NamedTuple):
    """since: the first day that was met with proof; None: there was none, and nothing else is told.

    kept: every day since then met (True), one at least missed (False), or neither (None: days unknown or without a
    verdict). breaks: first and last day of each run of missed days; gaps: the same of days unknown or not judged.
    """

    since: date | None
    kept: bool | None
    breaks: tuple[tuple[date, date], ...]
    gaps: tuple[tuple[date, date], ...]


def kept(points: Sequence[Point], until: date) -> Kept:
    """points: by day, each day once. until: the last day that could have a verdict."""
    by_day = {one.day: one for one in points}
    since = min((one.day for one in points if one.status == "met" and one.grade == "proven"), default=None)
    if since is None:
        return Kept(None, None, (), ())
    days = [since + timedelta(at) for at in range((until - since).days + 1)]
    missed = [day for day in days if day in by_day and by_day[day].status == "missed"]
    blank = [day for day in days if day not in by_day or by_day[day].status in ("unknown", "not_applicable")]
    answer = False if missed else None if blank else True
    return Kept(since, answer, _runs(missed), _runs(blank))


def _runs(days: Iterable[date]) -> tuple[tuple[date, date], ...]:
    found: list[tuple[date, date]] = []
    for day in days:
        if found and day - found[-1][1] == timedelta(1):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return tuple(found)


# ---- reading -----------------------------------------------------------------------------------------------


def read_points(connection: Connection, plan: str, target: str) -> list[Point]:
    """By day, the oldest first; of each day what its last revision says."""
    table = schema.issued.c
    mine = (table.plan == plan) & (table.target == target)
    last = (
        select(table.end_minute, func.max(table.revision).label("revision"))
        .where(mine)
        .group_by(table.end_minute)
        .subquery()
    )
    query = (
        select(table.end_minute, table.status, table.met, table.missed, table.unknown, table.grade, table.id)
        .where(mine)
        .join(last, (last.c.end_minute == table.end_minute) & (last.c.revision == table.revision))
        .order_by(table.end_minute)
    )
    return [Point(local_day(end_minute), *values) for end_minute, *values in connection.execute(query)]


def local_day(end_minute: int) -> date:
    """The local day that ends there, or in which the minute before lies."""
    return EPOCH + timedelta(day_of(end_minute - 1))
