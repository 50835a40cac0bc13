"""Keeps the rows of table `outage` equal to what `outages.find` says of the ledger, where absence matters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, or_, select, update

from schoolbeat_server import cause, outages, schema
from schoolbeat_server.asked import Asked
from schoolbeat_server.database import upsert
from schoolbeat_server.ledger import CONTACT, DAY, Ledger
from schoolbeat_server.outage_changes import OutageChanges
from schoolbeat_server.outages import Outage
from schoolbeat_server.school_calendar import lessons_touched
from schoolbeat_wire.catalogue import RUNGS, UP_FULL

LIVE_MINUTES = 5  # a report of so many minutes at most goes the quick way
_DOWN = bytes(range(UP_FULL))


class OpenOutage(NamedTuple):
    """An outage without an end so far."""

    signal: str
    first_minute: int
    last_minute: int
    down_seconds: int
    cause: str
    lessons: int


class OutageRows:
    """Remembers which outages are open, so that a minute in which all is well costs one comparison."""

    def __init__(self, ledger: Ledger, asked: Asked) -> None:
        self.ledger, self.asked = ledger, asked
        self.open: dict[str, dict[str, OpenOutage]] = {}
        self.waiting: dict[tuple[str, str, int], dict[str, object]] = {}  # rows to write, the last word of each
        self.ended: dict[str, list[tuple[str, Outage]]] = {}  # by site, those that are over; whoever tells takes them
        self.changes = OutageChanges()

    def load(self, connection: Connection) -> None:
        table = schema.outage.c
        columns = (
            table.site,
            table.signal,
            table.first_minute,
            table.last_minute,
            table.down_seconds,
            table.cause,
            table.lessons,
        )
        self.open, self.waiting, self.ended = {}, {}, {}
        self.changes.load(connection)
        for site, *rest in connection.execute(select(*columns).where(table.end_minute.is_(None))):
            self.open.setdefault(site, {})[rest[0]] = OpenOutage(*rest)

    def follow(
        self,
        connection: Connection,
        site: str,
        signals: Sequence[str],
        minutes: Sequence[int],
        data: bytes,
        *,
        newest: bool,
    ) -> bool:
        """After the ledger has merged `data`. `newest`: no later minute of these signals is known.

        True if a row changed.
        """
        width = len(signals)
        if newest and not self.open.get(site) and data.count(UP_FULL) == len(data):
            return False
        data = self.asked.of_report(site, signals, minutes, data)
        if newest and len(minutes) <= LIVE_MINUTES:
            return self._follow_live(connection, site, signals, minutes, data)
        rows = self._overlapping(connection, site, minutes[0], minutes[-1])
        touched = set(rows)
        for index, signal in enumerate(signals):
            column = data[index::width]
            if signal and len(column.translate(None, _DOWN)) != len(column):
                touched.add(signal)
        for signal in touched & set(signals):
            self._find_again(connection, site, signal, minutes[0], minutes[-1], rows.get(signal, []))
        return bool(touched)

    def _follow_live(
        self, connection: Connection, site: str, signals: Sequence[str], minutes: Sequence[int], data: bytes
    ) -> bool:
        width, changed = len(signals), False
        opened = self.open.setdefault(site, {})
        full = bytes([UP_FULL]) * width
        for index, minute in enumerate(minutes):
            row = data[index * width : (index + 1) * width]
            if row == full and not opened:
                continue
            for signal, seconds in zip(signals, row, strict=True):
                before = opened.get(signal)
                if seconds < UP_FULL and signal:
                    self._extend(connection, site, signal, minute, UP_FULL - seconds, before)
                    changed = True
                elif seconds == UP_FULL and before is not None:
                    found = Outage(*before[1:3], minute, before.down_seconds)
                    self._write(site, signal, found, before.cause, before.lessons)
                    changed = True
        return changed

    def _extend(
        self, connection: Connection, site: str, signal: str, minute: int, down: int, before: OpenOutage | None
    ) -> None:
        first = before.first_minute if before else minute
        found = Outage(first, minute, None, down + (before.down_seconds if before else 0))
        lesson = self.asked.calendar.of_site(site).lesson_at(minute)
        fresh = lesson is not None and (before is None or before.last_minute < lesson)
        lessons = (before.lessons if before else 0) + fresh
        told = before is not None and signal == CONTACT  # why a school is silent is not found in one minute
        why = before.cause if before is not None and told else self._cause(connection, site, signal, found)
        self._write(site, signal, found, why, lessons)

    def _overlapping(self, connection: Connection, site: str, lo: int, hi: int) -> dict[str, list[int]]:
        """signal -> first minutes of its outages that a change of the minutes lo..hi can touch."""
        self.flush(connection)
        table = schema.outage.c
        rows = connection.execute(
            select(table.signal, table.first_minute).where(
                table.site == site,
                table.first_minute <= hi,
                or_(table.end_minute.is_(None), table.end_minute >= lo),
            )
        )
        found: dict[str, list[int]] = {}
        for signal, first in rows:
            found.setdefault(signal, []).append(first)
        return found

    def find_again(self, connection: Connection, site: str, lo: int, hi: int, more: Iterable[str] = ()) -> int:
        """After the calendar changed in the minutes lo..hi: of signals that matter in lessons, and of all that had
        outages there; after the ledger was made anew, of `more`, too. How many rows changed; the caller flushes."""
        rows = self._overlapping(connection, site, lo, hi)
        signals = sorted({*rows, *self.asked.in_lessons(site), *more})
        after = hi + 1 + DAY
        wide = self.ledger.read(connection, site, signals, lo, after)  # one read of each day, not one a signal
        changed = 0
        for signal in signals:
            start, data = min([lo, *rows.get(signal, [])]), wide[signal]
            full = data.find(UP_FULL, hi + 1 - lo)
            if full < 0:
                end = self._next_full(connection, site, signal, after)
                data += self.ledger.read(connection, site, [signal], after, end)[signal]
            else:
                data = data[: full + 1]
            if start < lo:
                data = self.ledger.read(connection, site, [signal], start, lo)[signal] + data
            changed += self._found_again(connection, site, signal, start, data)
        return changed

    def _find_again(
        self, connection: Connection, site: str, signal: str, lo: int, hi: int, firsts: Iterable[int]
    ) -> int:
        """How many rows changed."""
        start = min([lo, *firsts])
        end = self._next_full(connection, site, signal, hi + 1)
        data = self.ledger.read(connection, site, [signal], start, end)[signal]
        return self._found_again(connection, site, signal, start, data)

    def _found_again(self, connection: Connection, site: str, signal: str, start: int, data: bytes) -> int:
        """data: the ledger's, from the minute `start` to past a fully-up one. How many rows changed."""
        end = start + len(data)
        data = self.asked.of_one(site, signal, data, start)
        self.flush(connection)
        table = schema.outage.c
        old = {
            row.first_minute: row
            for row in connection.execute(
                select(schema.outage).where(
                    table.site == site, table.signal == signal, table.first_minute.between(start, end - 1)
                )
            )
        }
        opened = self.open.get(site, {})
        if signal in opened and start <= opened[signal].first_minute < end:  # a later one stays open
            del opened[signal]
        found = outages.find(data, start)
        gone = old.keys() - {one.first_minute for one in found}
        if gone:
            connection.execute(
                delete(schema.outage).where(
                    table.site == site, table.signal == signal, table.first_minute.in_(sorted(gone))
                )
            )
            self.changes.note_all((site, signal, one) for one in gone)
        calendar, changed = self.asked.calendar.of_site(site), len(gone)
        for one in found:
            row = old.get(one.first_minute)
            lessons = lessons_touched(
                calendar, data[one.first_minute - start : one.last_minute + 1 - start], one.first_minute
            )
            same = (
                row is not None and Outage(row.first_minute, row.last_minute, row.end_minute, row.down_seconds) == one
            )
            why = row.cause if row is not None and signal == CONTACT else self._cause(connection, site, signal, one)
            if not same or row is None or row.cause != why or row.lessons != lessons:
                changed += 1
                self._write(site, signal, one, why, lessons)
                self.changes.note_all([(site, signal, one.first_minute)])  # however long it lasts
            elif one.end_minute is None:
                self._remember(site, signal, one, why, lessons)
        return changed

    def _next_full(self, connection: Connection, site: str, signal: str, start: int) -> int:
        """One past the first fully-up minute at or after `start`; else one past the last minute known."""
        last = self._last_minute(connection, site)
        while start <= last:
            end = min(start + DAY, last + 1)
            place = self.ledger.read(connection, site, [signal], start, end)[signal].find(UP_FULL)
            if place >= 0:
                return start + place + 1
            start = end
        return start

    def _last_minute(self, connection: Connection, site: str) -> int:
        day = connection.scalar(
            select(schema.ledger_day.c.day)
            .where(schema.ledger_day.c.site == site)
            .order_by(schema.ledger_day.c.day.desc())
            .limit(1)
        )
        with self.ledger.lock:
            hours = [block.hour for block in self.ledger.open.get(site, {}).values()]
        return max((day + 1) * DAY - 1 if day is not None else 0, (max(hours) + 1) * 60 - 1 if hours else 0)

    def _cause(self, connection: Connection, site: str, signal: str, found: Outage) -> str:
        if signal == CONTACT:
            return "waiting"  # until `explain` says
        if signal != cause.INTERNET:
            return signal
        first, last = found.first_minute, found.last_minute
        rungs = self.ledger.read(connection, site, RUNGS, first, last + 1)
        return cause.of_outage(signal, first, last, rungs, first).name

    def explain(self, connection: Connection, site: str, first: int, end: int, why: str) -> None:
        """Of the silences that touch the minutes [first, end) it is known now why."""
        self.flush(connection)
        table = schema.outage.c
        mine = (table.site == site) & (table.signal == CONTACT) & (table.first_minute < end)
        mine &= or_(table.end_minute.is_(None), table.end_minute > first)
        found = connection.scalars(select(table.first_minute).where(mine, table.cause != why)).all()
        connection.execute(update(schema.outage).where(mine).values(cause=why))
        self.changes.note_all((site, CONTACT, one) for one in found)
        self.flush(connection)
        one = self.open.get(site, {}).get(CONTACT)
        if one is not None and one.first_minute < end:
            self.open[site][CONTACT] = one._replace(cause=why)

    def _write(self, site: str, signal: str, found: Outage, why: str, lessons: int) -> None:
        row = {"site": site, "signal": signal, **found._asdict(), "cause": why, "lessons": lessons}
        self.waiting[site, signal, found.first_minute] = row
        self._remember(site, signal, found, why, lessons)
        self.changes.note(site, signal, found, why, lessons)
        if found.end_minute is not None and signal != CONTACT:
            self.ended.setdefault(site, []).append((signal, found))

    def flush(self, connection: Connection) -> None:
        """Writes what waits; before the table is read, and at the end of a batch."""
        if self.waiting:
            upsert(connection, schema.outage, list(self.waiting.values()), ("site", "signal", "first_minute"))
            self.waiting = {}
        self.changes.flush(connection)

    def _remember(self, site: str, signal: str, found: Outage, why: str, lessons: int) -> None:
        opened = self.open.setdefault(site, {})
        if found.end_minute is None:
            opened[signal] = OpenOutage(signal, found.first_minute, found.last_minute, found.down_seconds, why, lessons)
        elif signal in opened and opened[signal].first_minute == found.first_minute:
            del opened[signal]
