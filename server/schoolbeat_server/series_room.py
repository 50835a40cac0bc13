"""Room for reports that wait for the time-series store: how many there are, and which may be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema, series_aside
from schoolbeat_server.series_again import left, newest_report, passed_reports

ROW_BYTES: Final = 250  # of a stored report beside its payload, with its places in indices
SAMPLE: Final = 200
DAY_MS: Final = 86_400_000


class Waiting(NamedTuple):
    """Reports that the store has not taken. Estimated from ids and a sample: exact where ids have no gaps. seconds: how
    long the oldest waits."""

    reports: int
    seconds: int
    bytes: int


def waiting(connection: Connection, position: int, now_ms: int) -> Waiting:
    """position: of the stream of reports."""
    table, again = schema.report.c, left(connection)
    count = max(newest_report(connection) - position, 0) + again.reports
    after = position if again.after is None else min(position, again.after)
    oldest = connection.scalar(select(table.received_ms).where(table.id > after).order_by(table.id).limit(1))
    seconds = max(now_ms - oldest, 0) // 1_000 if oldest is not None and count else 0
    return Waiting(count, seconds, count * bytes_of_one(connection) if seconds else 0)


def bytes_of_one(connection: Connection) -> int:
    table = schema.report.c
    sample = select(func.length(table.payload).label("size")).order_by(table.id.desc()).limit(SAMPLE).subquery()
    return round(connection.scalar(select(func.avg(sample.c.size))) or 0) + ROW_BYTES


class Held(NamedTuple):
    """Reports older than report_days that are kept for the store alone."""

    reports: int
    bytes: int


def held(connection: Connection, passed: int, before_ms: int) -> Held:
    table = schema.report.c
    query = select(func.count()).select_from(schema.report).where(table.received_ms < before_ms, table.id > passed)
    count = connection.scalar(query) or 0
    return Held(count, count * bytes_of_one(connection) if count else 0)


def too_many(connection: Connection, before_ms: int, backlog_bytes: int) -> int:
    """How many of the oldest reports must go though the store never took them."""
    found = held(connection, passed_reports(connection), before_ms)
    over = found.bytes - backlog_bytes
    return -(-over * found.reports // found.bytes) if over > 0 else 0


class Kept(NamedTuple):
    """reports, contact: up to which id and minute rows may be deleted; most: how many reports at once. lost_after: rows
    with a higher id were never sent."""

    reports: int
    contact: int
    most: int
    lost_after: int | None


NOTHING_KEPT: Final = Kept(2**62, 2**31, 2**31, None)


def kept(connection: Connection, too_many: int) -> Kept:
    passed = passed_reports(connection)
    if too_many:
        return Kept(2**62, 2**31, too_many, passed)
    cursor = schema.series_cursor.c
    contact = connection.scalar(select(cursor.settled).where(cursor.stream == "contact")) or 0
    return Kept(passed, contact, 2**31, None)


def count_lost(connection: Connection, reports: Sequence[int]) -> None:
    series_aside.count(connection, {"reports_lost": len(reports)})
