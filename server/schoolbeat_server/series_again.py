"""What of the past is to be sent once more: asked for by an operator, by a new store, or because it was made again."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, String, case, cast, delete, func, insert, literal, select

from schoolbeat_server import schema
from schoolbeat_server.database import get_meta
from schoolbeat_server.outage_changes import FOLLOWED

ALL_MINUTES: Final = (0, 2**31)
MOST: Final = 100  # worked on at a time


class Again(NamedTuple):
    """Minutes [first, end) of a site ("": of all), as far as reports (start, end] tell of them. whole: with outages,
    days, verdicts and contact. Sent from the end: the newest reports first, then the newest hour first."""

    id: int
    asked_ms: int
    site: str
    first_minute: int
    end_minute: int
    start_report: int
    end_report: int
    whole: bool

    @property
    def stream(self) -> str:
        return f"again-{self.id}"

    @property
    def reports(self) -> int:
        return self.end_report - self.start_report

    @property
    def is_first_time(self) -> bool:
        """It only waited until what is newer had gone: what is too old for the store was never counted."""
        return (self.first_minute, self.end_minute) == ALL_MINUTES

    @property
    def hours(self) -> range:
        """Hours since 1970 UTC that are sent when the reports are."""
        return range(self.first_minute // 60, -(-self.end_minute // 60)) if self.whole else range(0)

    @property
    def end(self) -> int:
        """Of its cursor."""
        return self.reports + len(self.hours)


class Span(NamedTuple):
    """Reports (start, end]."""

    start: int
    end: int


def reports_of(connection: Connection, site: str, minutes: tuple[int, int]) -> Span:
    """Between which all lie that tell of the minutes. Of all sites together it takes a while: no transaction waits."""
    table = schema.report.c
    query = select(func.min(table.id), func.max(table.id)).where(
        table.last_minute >= minutes[0], table.first_minute < minutes[1]
    )
    low, high = connection.execute(query.where(table.site == site) if site else query).one()
    return Span(0, 0) if low is None else Span(low - 1, high)


def ask(
    connection: Connection, site: str, minutes: tuple[int, int], now_ms: int, span: Span, *, whole: bool = False
) -> None:
    values = {"asked_ms": now_ms, "site": site, "first_minute": minutes[0], "end_minute": minutes[1]}
    values |= {"start_report": span.start, "end_report": span.end, "whole": whole}
    connection.execute(insert(schema.series_again), values)


def was_made_again(connection: Connection, site: str, first_minute: int, end_minute: int, now_ms: int) -> None:
    """The ledger says something else of these minutes now, and no new report brought it."""
    if get_meta(connection, FOLLOWED) is not None and first_minute < end_minute:
        minutes = (first_minute, end_minute)
        ask(connection, site, minutes, now_ms, reports_of(connection, site, minutes))


def read(connection: Connection, *, sent: bool | None = None, limit: int = MOST) -> list[Again]:
    """The newest asked for first. sent: only those of which all is sent, or of which something is not."""
    table, cursor = schema.series_again.c, schema.series_cursor.c
    query = _with_cursors(*(table[name] for name in Again._fields)).order_by(table.id.desc()).limit(limit)
    if sent is not None:
        hours = case((table.whole, (table.end_minute + 59) // 60 - table.first_minute // 60), else_=0)
        end = table.end_report - table.start_report + hours
        position = func.coalesce(cursor.position, 0)
        query = query.where(position >= end if sent else position < end)
    return [Again(*row) for row in connection.execute(query)]


def forget(connection: Connection, one: Again) -> None:
    connection.execute(delete(schema.series_again).where(schema.series_again.c.id == one.id))
    connection.execute(delete(schema.series_cursor).where(schema.series_cursor.c.stream == one.stream))


def newest_report(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema.report.c.id))) or 0


def passed_reports(connection: Connection) -> int:
    """report.id up to which none is needed for the store any more."""
    cursor, again = schema.series_cursor.c, schema.series_again.c
    settled = connection.scalar(select(cursor.settled).where(cursor.stream == "reports")) or 0
    waiting = func.coalesce(cursor.settled, 0) < again.end_report - again.start_report
    oldest = connection.scalar(_with_cursors(func.min(again.start_report)).where(waiting))
    return settled if oldest is None else min(settled, oldest)


class Left(NamedTuple):
    """Of what is asked for again of all sites: reports not sent yet, and report.id after which the oldest is."""

    reports: int
    after: int | None


def left(connection: Connection) -> Left:
    cursor, again = schema.series_cursor.c, schema.series_again.c
    reports = again.end_report - again.start_report - func.coalesce(cursor.position, 0)
    query = _with_cursors(func.sum(reports), func.min(again.start_report)).where(again.site == "", reports > 0)
    count, after = connection.execute(query).one()
    return Left(count or 0, after)


def _with_cursors(*columns: Any) -> Select[Any]:
    """One question however many rows there are: a ledger made again asks for each site's days."""
    cursor, again = schema.series_cursor.c, schema.series_again.c
    mine = cursor.stream == literal("again-") + cast(again.id, String)
    return select(*columns).select_from(schema.series_again).outerjoin(schema.series_cursor, mine)
