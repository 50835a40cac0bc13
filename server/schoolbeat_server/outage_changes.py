"""Which outages changed, for whoever tells others of them: the series queue. Nothing is noted while nobody does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select

from schoolbeat_server import schema
from schoolbeat_server.database import get_meta
from schoolbeat_server.outages import Outage

FOLLOWED: Final = "series_store"  # in table meta, while a time-series store is configured: which
_STEPS: Final = ((60, 1), (1_440, 10), (1 << 40, 60))  # an outage that lasts so long: noted every so many minutes

Key = tuple[str, str, int]
"""(site, signal, first minute)"""


class OutageChanges:
    """One that lasts is noted less and less often: what it says for months to come is only that it lasts."""

    def __init__(self) -> None:
        self.followed = False
        self.lasting: dict[Key, tuple[int, str, int]] = {}  # (step, cause, lessons) as noted last
        self.waiting: set[Key] = set()

    def load(self, connection: Connection) -> None:
        self.followed = get_meta(connection, FOLLOWED) is not None
        self.lasting, self.waiting = {}, set()

    def note(self, site: str, signal: str, found: Outage, why: str, lessons: int) -> None:
        if not self.followed:
            return
        key = (site, signal, found.first_minute)
        if found.end_minute is not None:
            self.lasting.pop(key, None)
            self.waiting.add(key)
            return
        said = (_step(found.last_minute - found.first_minute), why, lessons)
        if self.lasting.get(key) != said:
            self.lasting[key] = said
            self.waiting.add(key)

    def note_all(self, keys: Iterable[Key]) -> None:
        """Removed, or explained anew."""
        if self.followed:
            for key in keys:
                self.lasting.pop(key, None)
                self.waiting.add(key)

    def flush(self, connection: Connection) -> None:
        if self.waiting:
            write(connection, sorted(self.waiting))
            self.waiting = set()


def _step(minutes: int) -> int:
    every = next(every for below, every in _STEPS if minutes < below)
    return minutes // every * every


def write(connection: Connection, keys: Iterable[Key]) -> None:
    """Each gets the highest id, and a version more than it had."""
    table = schema.outage_change.c
    before = select(func.max(table.version)).where(
        table.site == bindparam("s"), table.signal == bindparam("g"), table.first_minute == bindparam("f")
    )
    statement = insert(schema.outage_change).prefix_with("OR REPLACE")
    connection.execute(
        statement.values(
            site=bindparam("s"),
            signal=bindparam("g"),
            first_minute=bindparam("f"),
            version=func.coalesce(before.scalar_subquery(), 0) + 1,
        ),
        [{"s": site, "g": signal, "f": first} for site, signal, first in keys],
    )


def take_in_all(connection: Connection) -> int:
    """For a store that knows none of them yet: all outages, and those told of once that are gone."""
    changed, outage = schema.outage_change.c, schema.outage.c
    keys = {tuple(row) for row in connection.execute(select(changed.site, changed.signal, changed.first_minute))}
    keys |= {tuple(row) for row in connection.execute(select(outage.site, outage.signal, outage.first_minute))}
    if keys:
        write(connection, sorted(keys, key=lambda key: key[2]))
    return len(keys)
