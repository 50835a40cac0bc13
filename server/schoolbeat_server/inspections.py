"""Inspections held, on site or through the system: who, when, what was found and answered; nothing is overwritten."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Literal, NamedTuple, get_args

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.said import Said

Kind = Literal["digital", "on_site"]
State = Literal["open", "replied", "closed", "withdrawn"]
WordKind = Literal["finding", "reply", "closed", "withdrawn"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WORD_KINDS: tuple[WordKind, ...] = get_args(WordKind)

KIND_WORDS: dict[Kind, Said] = {
    "digital": Said("qua môi trường số", "through the digital environment"),
    "on_site": Said("tại trường", "on site"),
}
STATE_WORDS: dict[State, Said] = {
    "open": Said("chờ ý kiến của trường", "waits for the school's reply"),
    "replied": Said("trường đã có ý kiến", "the school has replied"),
    "closed": Said("đã kết thúc", "closed"),
    "withdrawn": Said("đã rút, không tính", "withdrawn, not counted"),
}
WORD_WORDS: dict[WordKind, Said] = {
    "finding": Said("nhận xét, kiến nghị", "finding"),
    "reply": Said("ý kiến của trường", "the school's reply"),
    "closed": Said("kết thúc", "closed"),
    "withdrawn": Said("rút biên bản", "withdrawn"),
}
SNAPSHOT_BYTES = 8 * 1024 * 1024  # of JSON


class Inspected(NamedTuple):
    """What counts of one: digest is that of its snapshot; None: it has none."""

    id: int
    school: str
    site: str
    kind: Kind
    held_on: date
    digest: bytes | None


class Word(NamedTuple):
    """Said of an inspection after it was entered. who: entered it."""

    kind: WordKind
    author: str
    text: str
    at_ms: int
    who: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """site: "" for the whole school. words: the oldest first."""

    id: int
    school: str
    site: str
    kind: Kind
    held_on: date
    inspector: str
    scope: str
    findings: str
    created_ms: int
    who: str
    digest: bytes | None
    words: tuple[Word, ...] = ()

    @property
    def state(self) -> State:
        said = {word.kind for word in self.words}
        if "withdrawn" in said:
            return "withdrawn"
        return "closed" if "closed" in said else "replied" if "reply" in said else "open"


def read_inspected(connection: Connection) -> list[Inspected]:
    """All that were not withdrawn, the oldest first."""
    table, words = schema.inspection.c, schema.inspection_word.c
    gone = select(words.inspection).where(words.kind == "withdrawn")
    query = select(table.id, table.school, table.site, table.kind, table.held_on, table.digest)
    rows = connection.execute(query.where(table.id.not_in(gone)).order_by(table.held_on, table.id))
    return [
        Inspected(row.id, row.school, row.site, row.kind, date.fromisoformat(row.held_on), row.digest) for row in rows
    ]


def read_inspection(connection: Connection, ident: int) -> Inspection | None:
    found = _read(connection, schema.inspection.c.id == ident, 1)
    return found[0] if found else None


def read_inspections(
    connection: Connection, *, school: str | None = None, before: int | None = None, limit: int
) -> list[Inspection]:
    """The newest first."""
    table = schema.inspection.c
    where = table.id < before if before is not None else table.id > 0
    return _read(connection, where if school is None else where & (table.school == school), limit)


_COLUMNS = ("id", "school", "site", "kind", "held_on", "inspector", "scope", "findings", "created_ms", "who", "digest")


def _read(connection: Connection, where: object, limit: int) -> list[Inspection]:
    table, words = schema.inspection.c, schema.inspection_word.c
    query = select(*(table[name] for name in _COLUMNS)).where(where)  # type: ignore[arg-type]
    rows = connection.execute(query.order_by(table.id.desc()).limit(limit)).all()
    said: dict[int, list[Word]] = {row.id: [] for row in rows}
    for word in connection.execute(select(schema.inspection_word).where(words.inspection.in_(said)).order_by(words.id)):
        said[word.inspection].append(Word(word.kind, word.author, word.text, word.at_ms, word.who))
    return [
        Inspection(**{**row._asdict(), "held_on": date.fromisoformat(row.held_on)}, words=tuple(said[row.id]))
        for row in rows
    ]


class Snapshot(NamedTuple):
    """text: the JSON as it was frozen. intact: it has the digest that was kept beside it."""

    text: bytes
    digest: bytes
    intact: bool


def read_snapshot(connection: Connection, ident: int) -> Snapshot | None:
    """None where there is none. One that cannot be unpacked is empty and not intact."""
    table = schema.inspection.c
    row = connection.execute(select(table.snapshot, table.digest).where(table.id == ident)).one_or_none()
    if row is None or row.snapshot is None:
        return None
    try:
        text = zlib.decompressobj().decompress(row.snapshot, SNAPSHOT_BYTES)
    except zlib.error:
        text = b""
    return Snapshot(text, row.digest, sha256(text).digest() == row.digest)
