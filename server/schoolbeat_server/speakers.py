"""Whose word each report is: one machine in one boot, by one outbox; so that it can be taken back later."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, insert, select

from schoolbeat_server import schema
from schoolbeat_server.batch import EpochKey

MOST: Final = 20_000  # remembered

Machine = tuple[str, str]  # hardware and boot, as presence said them; "": it does not say


class Speakers:
    """Remembers the rows of table `speaker` that are in use."""

    def __init__(self) -> None:
        self.known: dict[tuple[EpochKey, Machine], int] = {}

    def forget(self) -> None:
        """A row that was written in a transaction that failed is not there."""
        self.known = {}

    def of(self, connection: Connection, key: EpochKey, machine: Machine) -> int:
        """Its id; written when it is new."""
        found = self.known.get((key, machine))
        if found is None:
            if len(self.known) >= MOST:
                self.known = {}
            found = self.known[key, machine] = _read_or_write(connection, key, machine)
        return found


def _read_or_write(connection: Connection, key: EpochKey, machine: Machine) -> int:
    table = schema.speaker.c
    values = dict(zip(("site", "agent", "epoch", "hardware", "boot"), (*key, *machine), strict=True))
    known = connection.scalar(select(table.id).where(*(table[name] == value for name, value in values.items())))
    if known is not None:
        return int(known)
    return int(connection.execute(insert(schema.speaker).values(values).returning(table.id)).scalar_one())
