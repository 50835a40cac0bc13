"""A target with what became of its promise: a row of the overview, and of its file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

from schoolbeat_server.finding import stated
from schoolbeat_server.history import AT_DEADLINE_WORDS, Kept, Point, Reached, at_deadline, kept
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Column, Table
from schoolbeat_server.verdicts import UNIT_WORDS, Verdict


class TargetRow(NamedTuple):
    """A target on the overview: its verdict and what became of the promise."""

    verdict: Verdict
    reached: Reached | None
    kept: Kept


def target_row(verdict: Verdict, points: Sequence[Point], today: date) -> TargetRow:
    target = verdict.target
    reached = None if target.deadline is None else at_deadline(points, target.deadline, today)
    return TargetRow(verdict, reached, kept(points, points[-1].day if points else today))


def share(verdict: Verdict) -> Fraction | None:
    return Fraction(verdict.met, verdict.denominator) if verdict.denominator else None


def required(verdict: Verdict) -> Said:
    count = verdict.target.count
    return stated(verdict.target.share) if count is None else Said(str(count), str(count))


def mark(verdict: Verdict) -> tuple[int, int] | None:
    """Where the required share lies on a bar."""
    if verdict.target.count is not None:
        return (verdict.target.count, max(verdict.target.count, verdict.denominator)) if verdict.denominator else None
    return verdict.target.share.numerator, verdict.target.share.denominator


# ---- as a table ---------------------------------------------------------------------------------------------

PLAN_COLUMNS: tuple[Column, ...] = (
    Column("plan", Said("Văn bản", "Document")),
    Column("target", Said("Mã chỉ tiêu", "Target id")),
    Column("name", Said("Chỉ tiêu", "Target")),
    Column("clause", Said("Điều khoản", "Clause")),
    Column("quote", Said("Trích", "Quote")),
    Column("unit", Said("Đơn vị", "Unit")),
    Column("required", Said("Yêu cầu", "Required")),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("share", Said("Tỷ lệ đạt", "Share met"), "share"),
    Column("met", Said("Đạt", "Met"), "count"),
    Column("missed", Said("Chưa đạt", "Missed"), "count"),
    Column("unknown", Said("Chưa đủ dữ liệu", "Unknown"), "count"),
    Column("silent", Said("Chưa từng gửi số liệu", "Never reported"), "count"),
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
    Column("deadline", Said("Hạn", "Deadline"), "day"),
    Column("at_deadline", Said("Khi đến hạn", "At the deadline")),
    Column("first_proven", Said("Chứng minh lần đầu", "First proven"), "day"),
)


def plans_table(rows: Sequence[TargetRow]) -> Table:
    cells = []
    for verdict, reached, since in rows:
        target = verdict.target
        cells.append(
            (
                verdict.plan.document,
                target.id,
                target.name,
                target.clause,
                target.quote,
                UNIT_WORDS[target.unit],
                required(verdict),
                verdict.status,
                share(verdict),
                verdict.met,
                verdict.missed,
                verdict.unknown,
                verdict.silent,
                verdict.grade,
                target.deadline,
                None if reached is None else AT_DEADLINE_WORDS[reached.answer],
                since.since,
            )
        )
    links = tuple(f"/plans/{row.verdict.plan.id}/{row.verdict.target.id}" for row in rows)
    return Table("plans", Said("Kế hoạch và chỉ tiêu", "Plans and targets"), PLAN_COLUMNS, tuple(cells), links)
