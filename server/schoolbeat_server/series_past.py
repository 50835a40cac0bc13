"""What the time-series store is sent once more, or for the first time long after: reports from the newest down, then
hour by hour what else is kept."""

from __future__ import annotations

import zlib
from typing import Final

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema, series_outages
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.series_again import Again
from schoolbeat_server.series_pieces import Piece, Sources
from schoolbeat_server.series_streams import (
    COLUMNS,
    REPORTS,
    contact_lines,
    day_lines,
    keep_for_later,
    lines_of_reports,
    some_of,
    verdict_lines,
)

AGAIN: Final = 20_000  # ids of reports


def read_again(sources: Sources, connection: Connection, one: Again, position: int) -> Piece | None:
    """None: all of it was sent."""
    if position < one.reports:
        return _reports_again(sources, connection, one, position)
    if position < one.end:
        return _hour_again(sources, connection, one, position)
    return None


def _reports_again(sources: Sources, connection: Connection, one: Again, position: int) -> Piece:
    """From the newest down, so many ids at once that nobody waits long for those asked for."""
    table, high = schema.report.c, one.end_report - position
    low = max(one.start_report, high - AGAIN)
    query = select(*COLUMNS).where(
        table.id > low,
        table.id <= high,
        table.last_minute >= max(one.first_minute, 0 if one.is_first_time else sources.oldest_ms // 60_000),
        table.first_minute < one.end_minute,
    )
    if one.site:
        query = query.where(table.site == one.site)
    rows, more = some_of(connection.execute(query.order_by(table.id.desc()).limit(REPORTS)).all(), REPORTS)
    lines, unnamed = lines_of_reports(sources, connection, rows)
    after = one.end_report - (rows[-1].id - 1 if more else low)
    return Piece(lines, after, True, keep_for_later(unnamed))


def _hour_again(sources: Sources, connection: Connection, one: Again, position: int) -> Piece:
    """Its contact minutes and outages; of the day's sums and verdicts a part: a province's whole day is too much."""
    hour = one.hours[one.reports - position - 1]
    first, end = max(hour * 60, one.first_minute), min(hour * 60 + 60, one.end_minute)
    if end * 60_000 < sources.oldest_ms:
        return Piece([], position + 1, True)
    digest, change, contact = (table.c for table in (schema.day_digest, schema.outage_change, schema.contact_minute))
    outages = series_outages.changed().where(change.first_minute >= first, change.first_minute < end)
    newest = select(digest.site, digest.day, func.max(digest.revision).label("revision"))
    newest = newest.where(digest.day == day_of(first)).group_by(digest.site, digest.day)
    if one.site:
        newest, outages = newest.where(digest.site == one.site), outages.where(change.site == one.site)
    with sources.engine.connect() as fresh:
        lines = series_outages.lines_of_rows(sources, fresh.execute(outages))
        minutes = select(schema.contact_minute).where(contact.minute >= first, contact.minute < end)
        lines += contact_lines(sources, fresh.execute(minutes), one.site)
        days = [row for row in fresh.execute(newest) if zlib.crc32(row.site.encode()) % 24 == hour % 24]
        if not one.site:
            lines += _verdicts_again(sources, fresh, hour)
    return Piece(lines + day_lines(sources, connection, days), position + 1, True)


def _verdicts_again(sources: Sources, connection: Connection, hour: int) -> list[bytes]:
    """Of the local day in which the hour lies, each as it stands: an older one must not overwrite a revision."""
    table, day = schema.issued.c, day_of(hour * 60)
    last = func.max(table.revision).label("revision")
    newest = select(table.id, last, table.body, table.plan, table.target).where(  # SQLite: all of the row with it
        table.end_minute > first_minute_of(day), table.end_minute <= first_minute_of(day + 1)
    )
    rows = connection.execute(newest.group_by(table.plan, table.target, table.end_minute)).all()
    mine = [row for row in rows if zlib.crc32(f"{row.plan} {row.target}".encode()) % 24 == hour % 24]
    return verdict_lines(sources, connection, mine, whole=True)
