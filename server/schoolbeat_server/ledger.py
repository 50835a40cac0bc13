"""The ledger: one byte a minute for every signal. Open hours in memory, sealed days in the database."""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.database import get_meta, set_meta, writing
from schoolbeat_server.merge import join
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

log = logging.getLogger(__name__)

HOUR, DAY = 60, 1_440
CONTACT = "site.contact"
_UNKNOWN = bytes([UNKNOWN])


class Block(NamedTuple):
    """An open hour of one agent's inventory. data: minute-major, 60 x len(signals); "" is a signal it may not tell."""

    hour: int
    signals: tuple[str, ...]
    data: bytearray


class Ledger:
    """Merging is a join: any order, any repetition. Readers on other threads take the lock for a moment."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.lock = threading.RLock()
        self.open: dict[str, dict[tuple[str, str, int], Block]] = {}
        self.open_bytes = 0

    def forget(self) -> None:
        """Back to nothing open, to be merged again from the stored reports."""
        with self.lock:
            self.open, self.open_bytes = {}, 0

    def merge(
        self, site: str, agent: str, revision: str, signals: tuple[str, ...], minutes: Sequence[int], data: bytes
    ) -> bool:
        """`data`: len(minutes) x len(signals) bytes, minute by minute; minutes ascend. True: the agent had told
        something else of one of them."""
        width, clash = len(signals), False
        with self.lock:
            blocks = self.open.setdefault(site, {})
            start = 0
            while start < len(minutes):
                hour, offset = divmod(minutes[start], HOUR)
                run = 1
                while (
                    start + run < len(minutes) and offset + run < HOUR and minutes[start + run] == minutes[start] + run
                ):
                    run += 1
                block = blocks.get((agent, revision, hour))
                if block is None:
                    block = Block(hour, signals, bytearray(_UNKNOWN * (width * HOUR)))
                    blocks[agent, revision, hour] = block
                    self.open_bytes += len(block.data)
                place = slice(offset * width, (offset + run) * width)
                new = data[start * width : (start + run) * width]
                old = bytes(block.data[place])
                if old != new:
                    both = new if old.count(UNKNOWN) == len(old) else join(old, new)
                    clash |= DISPUTED in both and both.count(DISPUTED) > old.count(DISPUTED) + new.count(DISPUTED)
                    block.data[place] = both
                start += run
        return clash

    def read(self, connection: Connection, site: str, signals: Sequence[str], first: int, end: int) -> dict[str, bytes]:
        """Every asked signal's bytes for the minutes [first, end), with what is known of off-minutes laid over.

        On another thread than the sealing one the connection must not have read anything yet: open hours are read
        first, and what left them meanwhile is then in the sealed days, but not in an older snapshot of them."""
        out = {signal: bytearray(_UNKNOWN * (end - first)) for signal in signals}
        if end <= first:
            return dict.fromkeys(signals, b"")
        with self.lock:
            for block in list(self.open.get(site, {}).values()):
                if first < (block.hour + 1) * HOUR and block.hour * HOUR < end:
                    for index, signal in enumerate(block.signals):
                        if signal in out:
                            column = bytes(block.data[index :: len(block.signals)])
                            _lay(out[signal], first, end, block.hour * HOUR, column)
        for day, found in self._sealed(connection, site, first // DAY, (end - 1) // DAY):
            for signal, data in found.items():
                if signal in out:
                    _lay(out[signal], first, end, day * DAY, data)
        self._lay_off(connection, site, out, first, end)
        return {signal: bytes(data) for signal, data in out.items()}

    def _sealed(
        self, connection: Connection, site: str, first_day: int, last_day: int
    ) -> Iterable[tuple[int, dict[str, bytes]]]:
        rows = connection.execute(
            select(schema.ledger_day.c.day, schema.ledger_day.c.payload).where(
                schema.ledger_day.c.site == site, schema.ledger_day.c.day.between(first_day, last_day)
            )
        )
        return [(day, _readable(site, day, payload)) for day, payload in rows]

    def rows(self, connection: Connection | None, site: str, first: int, end: int) -> dict[str, bytes]:
        """Every signal's bytes for the minutes [first, end) as reports and contact made them: nothing laid over.
        Without a connection only the open hours."""
        out: dict[str, bytearray] = {}

        def row(signal: str) -> bytearray:
            return out.setdefault(signal, bytearray(_UNKNOWN * (end - first)))

        with self.lock:
            for block in self.open.get(site, {}).values():
                if first < (block.hour + 1) * HOUR and block.hour * HOUR < end:
                    for index, signal in enumerate(block.signals):
                        if signal:
                            column = bytes(block.data[index :: len(block.signals)])
                            _lay(row(signal), first, end, block.hour * HOUR, column)
        sealed = self._sealed(connection, site, first // DAY, (end - 1) // DAY) if connection is not None else ()
        for day, found in sealed:
            for signal, data in found.items():
                _lay(row(signal), first, end, day * DAY, data)
        return {signal: bytes(data) for signal, data in out.items()}

    def _lay_off(self, connection: Connection, site: str, out: dict[str, bytearray], first: int, end: int) -> None:
        """Only of signals that the agent which was off owned then: a switched-off computer says nothing of the line."""
        table = schema.off.c
        rows = connection.execute(
            select(table.first_minute, table.count, table.agent).where(
                table.site == site,
                table.reason != "interrupted",
                table.first_minute < end,
                table.first_minute + table.count > first,
            )
        ).all()
        masks: dict[str, bytearray] = {}  # by agent, over [first, end): a school may have declared a great many
        for off_first, count, agent in rows:
            low, high = max(off_first, first) - first, min(off_first + count, end) - first
            mask = masks.setdefault(agent, bytearray(_UNKNOWN * (end - first)))
            mask[low:high] = bytes([OFF]) * (high - low)
        owners = _owners(connection, site) if masks else {}
        for agent, mask in masks.items():
            for signal, data in out.items():
                for held_from, held_to in owners.get(signal, {}).get(agent, ()):
                    low, high = max(first, held_from), min(held_to or end, end)
                    if signal != CONTACT and low < high:
                        _lay(data, first, end, low, bytes(mask[low - first : high - first]))

    def signals(self, connection: Connection, site: str, first: int, end: int) -> list[str]:
        """Every signal that has a byte of its own in the window."""
        names: set[str] = set()
        with self.lock:
            for block in self.open.get(site, {}).values():
                if first < (block.hour + 1) * HOUR and block.hour * HOUR < end:
                    names.update(block.signals)
        for _, found in self._sealed(connection, site, first // DAY, (end - 1) // DAY):
            names.update(found)
        return sorted(names - {""})

    # ---- sealing -------------------------------------------------------------------------------------------

    def seal(self, now_minute: int, report_id: int, contact_minute: int) -> None:
        """Writes all open hours into their days, site by site in short transactions, and forgets those over.

        Afterwards nothing in reports up to `report_id`, nor in contact minutes up to `contact_minute`, is needed
        to rebuild the ledger. A crash in the middle costs nothing: joining again gives the same.
        """
        for site in list(self.open):
            self.seal_site(site, now_minute)
        with writing(self.engine) as connection:
            set_meta(connection, "sealed_report", str(report_id))
            set_meta(connection, "sealed_contact", str(contact_minute))

    def seal_site(self, site: str, now_minute: int) -> None:
        with self.lock:
            blocks = {key: Block(b.hour, b.signals, bytearray(b.data)) for key, b in self.open.get(site, {}).items()}
        with writing(self.engine) as connection:
            for day in sorted({block.hour * HOUR // DAY for block in blocks.values()}):
                self._seal_day(connection, site, day, [b for b in blocks.values() if b.hour * HOUR // DAY == day])
        with self.lock:
            for key, block in blocks.items():
                if (block.hour + 1) * HOUR < now_minute - 10 and self.open[site][key].data == block.data:
                    del self.open[site][key]
                    self.open_bytes -= len(block.data)

    def _seal_day(self, connection: Connection, site: str, day: int, blocks: list[Block]) -> None:
        table = schema.ledger_day
        where = (table.c.site == site) & (table.c.day == day)
        before = connection.scalar(select(table.c.payload).where(where))
        days = _readable(site, day, before) if before is not None else {}
        work = {signal: bytearray(data) for signal, data in days.items()}
        for block in blocks:
            for index, signal in enumerate(block.signals):
                if signal:
                    data = work.setdefault(signal, bytearray(_UNKNOWN * DAY))
                    _lay(
                        data,
                        day * DAY,
                        (day + 1) * DAY,
                        block.hour * HOUR,
                        bytes(block.data[index :: len(block.signals)]),
                    )
        payload = pack_day({signal: bytes(data) for signal, data in work.items()})
        if payload != before:
            statement = insert(table).values(site=site, day=day, payload=payload)
            connection.execute(
                statement.on_conflict_do_update(index_elements=["site", "day"], set_={"payload": payload})
            )

    def sealed_up_to(self, connection: Connection) -> tuple[int, int]:
        """(report id, contact minute) up to which the sealed days hold everything."""
        return (
            int(get_meta(connection, "sealed_report") or 0),
            int(get_meta(connection, "sealed_contact") or 0),
        )


def _owners(connection: Connection, site: str) -> dict[str, dict[str, list[tuple[int, int | None]]]]:
    """signal -> agent -> the minutes [from, to) in which it owned it; to None: still."""
    table = schema.owner.c
    found: dict[str, dict[str, list[tuple[int, int | None]]]] = {}
    for signal, agent, held_from, held_to in connection.execute(
        select(table.signal, table.agent, table.from_minute, table.to_minute).where(table.site == site)
    ):
        found.setdefault(signal, {}).setdefault(agent, []).append((held_from, held_to))
    return found


def _lay(out: bytearray, first: int, end: int, at: int, data: bytes) -> None:
    """Joins `data`, whose first byte is minute `at`, into `out`, whose first byte is minute `first`."""
    low, high = max(first, at), min(end, at + len(data))
    if low >= high:
        return
    new = data[low - at : high - at]
    if new.count(UNKNOWN) == len(new):
        return
    place = slice(low - first, high - first)
    old = bytes(out[place])
    if old != new:
        out[place] = new if old.count(UNKNOWN) == len(old) else join(old, new)


def pack_day(signals: dict[str, bytes]) -> bytes:
    """zlib of a JSON list of the names, a newline, and 1,440 bytes for each, in that order."""
    names = sorted(signals)
    head = json.dumps(names, separators=(",", ":"), ensure_ascii=False).encode()
    return zlib.compress(head + b"\n" + b"".join(signals[name] for name in names), 6)


def _readable(site: str, day: int, payload: bytes) -> dict[str, bytes]:
    """A day whose bytes were damaged is unknown, and told; `schoolbeat-server rebuild` makes it anew."""
    try:
        return unpack_day(payload)
    except (zlib.error, ValueError) as error:
        log.error("the ledger of %s on day %d is damaged (%s): unknown until it is rebuilt", site, day, error)
        return {}


def unpack_day(payload: bytes) -> dict[str, bytes]:
    head, body = zlib.decompress(payload).split(b"\n", 1)
    return {name: body[i * DAY : (i + 1) * DAY] for i, name in enumerate(json.loads(head))}
