"""What an agent recorded, held against what the server kept: every minute, every byte, every number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from schoolbeat_agent.ranges import Ranges, from_seqs
from schoolbeat_server import database
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_wire import codec, inventory, report
from schoolbeat_wire.catalogue import OFF, OFF_NAMES, UNKNOWN
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.report import MinuteRow
from tests.e2e.processes import Agent, Server

Key = tuple[str, int]  # (epoch, seq)

_row = msgspec.json.Decoder(MinuteRow)


@dataclass(frozen=True)
class Book:
    """The minutes of one side, by epoch and seq."""

    rows: dict[Key, list[MinuteRow]]
    inventories: dict[Key, Inventory]

    def minutes(self) -> dict[int, list[MinuteRow]]:
        out: dict[int, list[MinuteRow]] = {}
        for rows in self.rows.values():
            for row in rows:
                out.setdefault(row.minute, []).append(row)
        return out

    def declared(self) -> dict[int, str]:
        """minute -> reason of those that were declared not observed."""
        return {
            minute: OFF_NAMES[off.reason]
            for rows in self.rows.values()
            for row in rows
            for off in row.off
            for minute in range(off.first_minute, off.first_minute + off.count)
        }

    def numbers(self, reading: str, subject: str) -> list[int]:
        """The values of one reading in the order of their minutes."""
        out = []
        for key, rows in sorted(self.rows.items(), key=lambda item: item[1][0].minute):
            columns = self.inventories[key].columns
            for column, values in zip(columns, rows[0].values, strict=False):
                if column.reading == reading and subject in column.subjects:
                    value = values[column.subjects.index(subject)]
                    out += [] if value is None else [value]
        return out

    def seqs(self, epoch: str) -> Ranges:
        return from_seqs(sorted(seq for of, seq in self.rows if of == epoch))


def recorded(agent: Agent) -> Book:
    """What its outbox holds."""
    inventories = {
        revision: inventory.decode(bytes(body)) for revision, body in agent.rows("SELECT revision, body FROM inventory")
    }
    epoch, rows, kinds = agent.epoch, {}, {}
    for seq, revision, body in agent.rows("SELECT seq, revision, body FROM minute ORDER BY seq"):
        row = msgspec.structs.replace(_row.decode(codec.inflate(bytes(body))), seq=seq)
        rows[epoch, seq], kinds[epoch, seq] = [row], inventories[revision]
    return Book(rows, kinds)


def kept(server: Server, site: str) -> Book:
    """What table `report` holds of a site: every row that was stored, in the order of storing."""
    inventories = {
        revision: inventory.decode(payload)
        for revision, payload in server.rows("SELECT revision, payload FROM inventory WHERE site = ?", site)
    }
    rows: dict[Key, list[MinuteRow]] = {}
    kinds = {}
    for revision, placed, payload in server.rows(
        "SELECT revision, placed, payload FROM report WHERE site = ? ORDER BY id", site
    ):
        assert placed, f"a report of {site} waits for inventory {revision}"
        found = report.decode(payload)
        for row in report.unpack(found, inventories[revision]):
            rows.setdefault((found.epoch, row.seq), []).append(row)
            kinds[found.epoch, row.seq] = inventories[revision]
    return Book(rows, kinds)


def settled(server: Server, site: str, epoch: str) -> Ranges:
    found = server.rows("SELECT settled FROM epoch WHERE site = ? AND epoch = ?", site, epoch)
    return [(first, end) for first, end in json.loads(found[0][0])] if found else []


def ledger_of(server: Server, site: str, signals: Iterable[str], first: int, end: int) -> dict[str, bytes]:
    """As a server that starts now would know it: built from the database alone."""
    engine = database.open_database(server.database)
    ingest = Ingest(engine, server.id, ContactBook(0), lambda: end * 60_000)
    ingest.load()
    with engine.connect() as connection:
        found = ingest.ledger.read(connection, site, list(signals), first, end)
    engine.dispose()
    return found


def expected_ledger(book: Book, signals: list[str], first: int, end: int) -> dict[str, bytes]:
    """What the ledger must say, worked out without it: the recorded bytes, off where off was proven, else unknown."""
    out = {signal: bytearray([UNKNOWN]) * (end - first) for signal in signals}
    for minute, reason in book.declared().items():
        if reason != "interrupted" and first <= minute < end:
            for codes in out.values():
                codes[minute - first] = OFF
    for key, rows in book.rows.items():
        for signal, byte in zip(book.inventories[key].signals, rows[0].signals, strict=True):
            place = rows[0].minute - first
            if signal in out and 0 <= place < end - first and byte != UNKNOWN:
                out[signal][place] = byte
    return {signal: bytes(codes) for signal, codes in out.items()}
