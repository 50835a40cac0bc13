"""What the time-series store refused for good, kept with its reason; and what the queue counts for ever."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.series_delivery import Refused, time_of

MOST_BYTES: Final = 64 << 20  # as stored
REASON_LETTERS: Final = 500
COUNTERS: Final = ("points_sent", "points_aside", "points_old", "reports_lost", "aside_dropped")


class Aside(NamedTuple):
    id: int
    at_ms: int
    stream: str
    reason: str
    points: int
    first_ms: int
    last_ms: int


def keep(connection: Connection, stream: str, refused: Refused, now_ms: int) -> None:
    """Once: what was sent again is refused again."""
    table = schema.series_aside
    lines = zlib.compress(b"\n".join(refused.lines), 6)
    if connection.scalar(select(table.c.id).where(table.c.lines == lines).limit(1)) is not None:
        return
    times = [time_of(line) for line in refused.lines]
    connection.execute(
        insert(table).values(
            at_ms=now_ms,
            stream=stream,
            reason=refused.reason[:REASON_LETTERS],
            points=len(refused.lines),
            first_ms=min(times),
            last_ms=max(times),
            lines=lines,
        )
    )


def make_room(connection: Connection, most_bytes: int = MOST_BYTES) -> int:
    """The oldest of it goes when there is too much. How many points."""
    table, size, gone = schema.series_aside, func.length(schema.series_aside.c.lines), 0
    left = connection.scalar(select(func.sum(size))) or 0
    rows = connection.execute(select(table.c.id, table.c.points, size).order_by(table.c.id)).all()
    for ident, points, length in rows:
        if left <= most_bytes:
            break
        connection.execute(delete(table).where(table.c.id == ident))
        left, gone = left - length, gone + points
    return gone


def points(connection: Connection) -> int:
    return connection.scalar(select(func.sum(schema.series_aside.c.points))) or 0


def read(connection: Connection, limit: int = 100) -> list[Aside]:
    """The newest first."""
    table = schema.series_aside.c
    columns = (table[name] for name in Aside._fields)
    return [Aside(*row) for row in connection.execute(select(*columns).order_by(table.id.desc()).limit(limit))]


def lines_of(connection: Connection, ident: int) -> bytes | None:
    """None: there is no such row."""
    found = connection.scalar(select(schema.series_aside.c.lines).where(schema.series_aside.c.id == ident))
    return None if found is None else zlib.decompress(found)


def drop(connection: Connection, ident: int | None) -> int:
    """None: all of it. How many points."""
    table = schema.series_aside
    where = table.c.id == ident if ident is not None else table.c.id > 0
    count = connection.scalar(select(func.sum(table.c.points)).where(where)) or 0
    connection.execute(delete(table).where(where))
    return count


# ---- counted for ever --------------------------------------------------------------------------------------


def count(connection: Connection, counts: Mapping[str, int]) -> None:
    table = schema.counter.c
    for name, number in counts.items():
        if number:
            statement = insert(schema.counter).values(name=f"series.{name}", count=number)
            more = {"count": table["count"] + statement.excluded["count"]}
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=more))


def counts(connection: Connection) -> dict[str, int]:
    table = schema.counter.c
    rows = connection.execute(select(table.name, table["count"]).where(table.name.like("series.%")))
    return dict.fromkeys(COUNTERS, 0) | {name.removeprefix("series."): number for name, number in rows}
