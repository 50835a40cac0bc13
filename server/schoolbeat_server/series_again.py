"""What of the past is to be sent once more: asked for by an operator, by a new store, or because it was made again."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from schoolbeat_server import schema
from schoolbeat_server.database import get_meta
from schoolbeat_server.outage_changes import FOLLOWED

ALL_MINUTES: Final = (0, 2**31)


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


def read(connection: Connection) -> list[Again]:
    """The newest asked for first."""
    table = schema.series_again
    rows = connection.execute(select(table).order_by(table.c.id.desc()))
    return [Again(*row) for row in rows]


def forget(connection: Connection, one: Again) -> None:
    connection.execute(delete(schema.series_again).where(schema.series_again.c.id == one.id))
    connection.execute(delete(schema.series_cursor).where(schema.series_cursor.c.stream == one.stream))


def newest_report(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema.report.c.id))) or 0


def passed_reports(connection: Connection) -> int:
    """report.id up to which none is needed for the store any more."""
    cursor = schema.series_cursor.c
    settled = connection.scalar(select(cursor.settled).where(cursor.stream == "reports")) or 0
    for one in read(connection):
        sent = connection.scalar(select(cursor.settled).where(cursor.stream == one.stream)) or 0
        if sent < one.reports:
            settled = min(settled, one.start_report)
    return settled
