"""How many pupils a site teaches in each shift, and in its busiest one: what speeds per pupil are divided by."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.register_values import Shift

ORDER = ("morning", "afternoon", "evening")


def shifts_valid(rows: Iterable[Shift], day: str) -> list[Shift]:
    """Of one site: each shift as its latest row until that day says; a shift of no pupils is held no more."""
    latest: dict[str, Shift] = {}
    for row in rows:
        known = latest.get(row.shift)
        if row.valid_from <= day and (known is None or known.valid_from < row.valid_from):
            latest[row.shift] = row
    return [latest[shift] for shift in ORDER if shift in latest and latest[shift].pupils]


def busiest(rows: Iterable[Shift], day: str) -> Shift | None:
    """The earlier one of equals; None: the register knows of no pupils on that day."""
    return max(shifts_valid(rows, day), key=lambda one: one.pupils, default=None)


def busiest_shift(connection: Connection, site: str, day: str) -> Shift | None:
    return busiest(read_shifts(connection, site).get(site, []), day)


def read_shifts(connection: Connection, site: str | None = None) -> dict[str, list[Shift]]:
    """By site; all rows, of every day."""
    table = schema.shift
    query = select(table).order_by(table.c.site, table.c.shift, table.c.valid_from)
    if site is not None:
        query = query.where(table.c.site == site)
    found: dict[str, list[Shift]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["site"], []).append(Shift(**row))
    return found
