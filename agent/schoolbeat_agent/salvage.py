"""What a damaged outbox still says: the rows that can be read, each checked by its checksum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from schoolbeat_agent.outbox_file import row_crc
from schoolbeat_wire import bounds, codec, inventory
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.report import MinuteRow

TOGETHER: Final = 64  # seqs asked for at once; where that fails, one by one
WIDEST_HOLE: Final = 8_192  # seqs in a row of which nothing can be read, until the search ends
LARGEST_BYTES: Final = 256 * 1024 * 1024  # a damaged head may tell of more

UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)  # also the message of an error may be damaged text
_DAMAGE: Final = (*UNREADABLE, WireError, msgspec.DecodeError, TypeError, ValueError)
_row_decoder = msgspec.json.Decoder(MinuteRow)


class Waiting(NamedTuple):
    """A minute that the server had not settled. body: as it was packed."""

    minute: int
    revision: str
    stripped: int
    body: bytes


def opened(path: Path) -> sqlite3.Connection:
    """Only to read: nothing is put in order in it, but for a cut tail, without which SQLite reads nothing at all."""
    _lengthen(path)
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=0)
    # Nothing but the row itself is looked at: a count or an order that the file claims may be wrong.
    db.execute("PRAGMA cell_size_check = ON")
    return db


def _lengthen(path: Path) -> None:
    """To the pages that its head tells of, with zeros."""
    try:
        with path.open("r+b") as file:
            head = file.read(32)
            told_bytes = int.from_bytes(head[16:18], "big") * int.from_bytes(head[28:32], "big")
            if path.stat().st_size < told_bytes <= LARGEST_BYTES:
                file.truncate(told_bytes)
    except OSError:
        pass


def waiting(db: sqlite3.Connection) -> Iterator[Waiting]:
    """By seq. What is not whole in every part is left out."""
    lowest, end = _end(db, "min", 0), _end(db, "max", 2**40) + 1
    first, seen = lowest, lowest
    question = "SELECT seq, minute, revision, stripped, settled_at, crc, body FROM minute WHERE seq >= ? AND seq < ?"
    while first < end and first - seen < WIDEST_HOLE:
        rows = _asked(db, question, first, min(first + TOGETHER, end))
        first += TOGETHER
        seen = first if rows else seen
        for row in rows:
            found = _checked(*row[1:])
            if found is not None:
                yield found


def _end(db: sqlite3.Connection, which: str, otherwise: int) -> int:
    try:
        question = "SELECT min(seq) FROM minute" if which == "min" else "SELECT max(seq) FROM minute"
        found = db.execute(question).fetchone()[0]
    except UNREADABLE:
        return otherwise
    return found if isinstance(found, int) and found >= 0 else -1 if which == "max" else 0


def _asked(db: sqlite3.Connection, question: str, first: int, end: int) -> list[tuple[object, ...]]:
    try:
        found = db.execute(question + " ORDER BY seq", (first, end)).fetchmany(
            TOGETHER
        )  # a damaged tree may have no end
        return [row for row in found if first <= row[0] < end]
    except UNREADABLE:
        if end - first == 1:
            return []
        middle = (first + end) // 2
        return _asked(db, question, first, middle) + _asked(db, question, middle, end)


def _checked(
    minute: object, revision: object, stripped: object, settled_at: object, crc: object, body: object
) -> Waiting | None:
    """None for what is settled or damaged."""
    if settled_at is not None or not (
        isinstance(minute, int) and isinstance(revision, str) and isinstance(body, bytes)
    ):
        return None
    try:
        if crc != row_crc(minute, revision, body):
            return None
        told = _row_decoder.decode(codec.inflate(body))
    except _DAMAGE:
        return None
    if told.minute != minute or not bounds.TOKEN.fullmatch(revision):
        return None
    if not bounds.FIRST_MINUTE <= told.minute <= bounds.LAST_MINUTE:
        return None
    return Waiting(told.minute, revision, int(stripped == 1), body)


def inventories(db: sqlite3.Connection) -> list[tuple[str, bytes]]:
    """(revision, as packed) of those that can be read and are what their revision says."""
    out = []
    try:
        for revision, body in db.execute("SELECT revision, body FROM inventory"):
            try:
                found = inventory.decode(bytes(body))
            except _DAMAGE:
                continue
            if found.revision == revision:
                out.append((found.revision, bytes(body)))
    except UNREADABLE:
        pass
    return out
