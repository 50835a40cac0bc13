"""Outages on their way to the time-series store: as they begin, change, end, are taken back or get another name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from schoolbeat_server import schema
from schoolbeat_server.database import upsert
from schoolbeat_server.outage_changes import Key
from schoolbeat_server.school_calendar import day_of
from schoolbeat_server.series_lines import prefix
from schoolbeat_server.series_pieces import Piece, Sources, each
from schoolbeat_server.series_rows import OutageRow, encoded, of_outage, taken_back

OUTAGES: Final = 2_000


def changed() -> Any:
    change, outage = schema.outage_change.c, schema.outage.c
    same = (outage.site == change.site) & (outage.signal == change.signal)
    same &= outage.first_minute == change.first_minute
    columns = (outage.end_minute, outage.down_seconds, outage.lessons, outage.cause)
    return select(change.id, change.site, change.signal, change.first_minute, change.version, *columns).join_from(
        schema.outage_change, schema.outage, same, isouter=True
    )


def lines_of_rows(sources: Sources, rows: Iterable[Any]) -> list[bytes]:
    def lines_of(row: Any) -> Iterator[str]:
        told = (row.end_minute, row.down_seconds, row.lessons, row.cause)
        if row.down_seconds is None:
            told = (row.first_minute, 0, 0, "unknown")
        found = OutageRow(row.site, row.signal, row.first_minute, *told, row.version)
        yield of_outage(found, sources.places, sources.stamps)

    return encoded(each("outage", rows, lines_of))


def read_outages(sources: Sources, connection: Connection, position: int) -> Piece | None:
    change = schema.outage_change.c
    rows = connection.execute(changed().where(change.id > position).order_by(change.id).limit(OUTAGES)).all()
    if not rows:
        return None
    before = {(one.site, one.signal, one.first_minute): one.series for one in _told(connection, rows)}
    told, ended = dict[Key, str](), set[Key]()

    def renamed(row: Any) -> Iterator[str]:
        key = row.site, row.signal, row.first_minute
        series = prefix("schoolbeat_outage", sources.places.of_signal(row.site, row.signal, day_of(row.first_minute)))
        if before.get(key, series) != series:
            yield taken_back(before[key], row.first_minute, row.version, sources.stamps)
        if row.down_seconds is not None and row.end_minute is None:
            told[key] = series
        else:
            ended.add(key)

    lines = lines_of_rows(sources, rows) + encoded(each("outage", rows, renamed))

    def remember(writing: Connection) -> None:
        names = ("site", "signal", "first_minute")
        if told:
            found = [dict(zip(names, key, strict=True)) | {"series": series} for key, series in told.items()]
            upsert(writing, schema.outage_told, found, names)
        for site, signal, first in ended & before.keys():
            table = schema.outage_told.c
            same = (table.site == site) & (table.signal == signal) & (table.first_minute == first)
            writing.execute(delete(schema.outage_told).where(same))

    return Piece(lines, rows[-1].id, len(rows) == OUTAGES, remember)


def _told(connection: Connection, rows: Sequence[Any]) -> Sequence[Any]:
    """Under which tags the store was told of those that lasted then."""
    firsts = sorted({row.first_minute for row in rows})
    query = select(schema.outage_told).where(schema.outage_told.c.first_minute.between(firsts[0], firsts[-1]))
    return connection.execute(query).all()
