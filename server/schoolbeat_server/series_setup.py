"""A time-series store is configured, another one, or none any more: what the queue begins with."""

from __future__ import annotations

import logging
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, select

from schoolbeat_server import outage_changes, restored, schema, series_again
from schoolbeat_server.database import get_meta, set_meta, upsert, writing
from schoolbeat_server.outage_changes import FOLLOWED
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.series_cursors import newest
from schoolbeat_server.settings import Series

log = logging.getLogger(__name__)

AHEAD: Final = "series_ahead"  # in table meta: "<milliseconds> <when it was last noticed that a backup was restored>"
AHEAD_MS: Final = 1_000
FROM_NOW: Final = ("reports", "contact", "outages", "verdicts", "days", "recounted")


def named(settings: Series) -> str:
    """Without what is secret."""
    return " ".join((settings.kind, settings.url, settings.database, settings.org)).strip()


def prepare(engine: Engine, settings: Series, now_ms: int) -> None:
    """At start, before anything is loaded. A store that was not the last one gets what is new from now on, and beside
    it all that is kept of the past."""
    with writing(engine) as connection:
        known = get_meta(connection, FOLLOWED)
        if not settings.kind:
            if known is not None:
                _forget(connection)
                connection.execute(delete(schema.meta).where(schema.meta.c.key == FOLLOWED))
            return
        if known != named(settings):
            set_meta(connection, FOLLOWED, named(settings))
            _begin(connection, now_ms)
            log.info(
                "the time-series store is %s now: what is kept of the past is sent beside what is new", named(settings)
            )


def _forget(connection: Connection) -> None:
    for table in (schema.series_cursor, schema.series_again, schema.series_later, schema.outage_told):
        connection.execute(delete(table))


def _begin(connection: Connection, now_ms: int) -> None:
    _forget(connection)
    outage_changes.take_in_all(connection)
    rows = []
    for stream in FROM_NOW:
        position = newest(connection, stream)
        rows.append({"stream": stream, "position": position, "settled": position, "at_ms": 0})
    upsert(connection, schema.series_cursor, rows, ("stream",))
    oldest, end = _oldest_minute(connection), now_ms // 60_000 + 1
    if oldest is not None and oldest < end:
        first = first_minute_of(day_of(oldest))  # whole days
        span = series_again.Span(0, series_again.newest_report(connection))
        series_again.ask(connection, "", (first, end), now_ms, span, whole=True)


def _oldest_minute(connection: Connection) -> int | None:
    """Of which anything is kept."""
    found = [
        connection.scalar(select(func.min(column)))
        for column in (
            schema.report.c.first_minute,
            schema.contact_minute.c.minute,
            schema.outage.c.first_minute,
            schema.issued.c.end_minute - 1,
        )
    ]
    day = connection.scalar(select(func.min(schema.day_digest.c.day)))
    found.append(None if day is None else first_minute_of(day))
    return min((one for one in found if one is not None), default=None)


def ahead_ms(connection: Connection) -> int:
    """Revisions are counted anew in a database that was restored: what is corrected from then on must lie later than
    what the store was told before. `connection` writes."""
    found = restored.read(connection)
    before, _, noticed = (get_meta(connection, AHEAD) or "0 0").partition(" ")
    if found is None or int(noticed) == found.noticed_ms:
        return int(before)
    set_meta(connection, AHEAD, f"{int(before) + AHEAD_MS} {found.noticed_ms}")
    return int(before) + AHEAD_MS
