"""The outbox: every minute waits here, on disk, until the server says that it is settled."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from schoolbeat_agent import outbox_file, ranges
from schoolbeat_agent.outbox_file import Damaged, transaction
from schoolbeat_agent.ranges import Ranges
from schoolbeat_wire import bounds, catalogue, codec
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.messages import Ack
from schoolbeat_wire.report import MinuteRow, Off

log = logging.getLogger(__name__)
T = TypeVar("T")

KEEP_SETTLED_MINUTES: Final = 7 * 24 * 60
# Marks and deletions are gathered: each page that a commit touches is written to the card.
SETTLE_TOGETHER: Final = 30
DELETE_TOGETHER: Final = 60
WAITING_IN_MEMORY: Final = 240  # minutes kept while the disk takes none
RAW_MINUTES: Final = 2 * 24 * 60  # of runs kept while there is no anchor
SMALLEST_BYTES: Final = 4 * 1024 * 1024
MAKE_ROOM_ROWS: Final = 120  # rows touched in one commit when the file is full
FAILURES_BEFORE_ANEW: Final = 10  # read errors in a row until the file counts as damaged

# Two different words on a minute are disputed: so is one that is taken back.
_NOT_KNOWN: Final = bytes([catalogue.UNKNOWN, catalogue.DISPUTED])
_INTERRUPTED: Final = catalogue.OFF_REASONS["interrupted"][0]
_UNTRUE: Final = bytes(code if code == catalogue.UNKNOWN else catalogue.DISPUTED for code in range(256))

_row_decoder = msgspec.json.Decoder(MinuteRow)


@dataclass(frozen=True)
class Stored:
    """A row with the inventory revision that its positions refer to."""

    revision: str
    row: MinuteRow


@dataclass(frozen=True)
class Standing:
    """What `presence` and `status` tell of the outbox. epoch is "" while the file cannot be opened."""

    epoch: str
    lowest: int
    next: int
    gaps: Ranges
    waiting: int
    in_memory: int
    disk_error: str
    settled: int = 0  # one past the highest seq that the server has settled


@dataclass(frozen=True)
class Seqs:
    """Which seqs of the epoch the file holds, and what became of them."""

    next: int = 0
    held: Ranges = field(default_factory=list)
    settled: Ranges = field(default_factory=list)
    sent: Ranges = field(default_factory=list)  # may have left this machine

    def without(self, gone: Ranges) -> Seqs:
        held, settled, sent = (ranges.subtract(those, gone) for those in (self.held, self.settled, self.sent))
        return Seqs(self.next, held, settled, sent)


class Outbox:
    """One SQLite file. One caller at a time. No method raises because the file is damaged or the disk is full."""

    def __init__(
        self,
        path: Path,
        *,
        hardware: str,
        boot: str,
        max_bytes: int = 64 * 1024 * 1024,
        unix: Callable[[], float] = time.time,
        new_epoch: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self.path, self.hardware, self.boot = path, hardware, boot
        self.max_bytes = max(max_bytes, SMALLEST_BYTES)
        self.epoch = self.enrolled = self.last_boot = self.disk_error = ""
        self.is_new = False  # made by this process
        self.stopped_in = 0  # the minute in which the agent before this one was stopped on purpose; 0: it was not
        self.last_minute = 0  # of the newest row
        self.highest_minute = 0  # of any row: another one only after the clock was set back
        self.highest_told = 0  # of the rows that were there at the opening and were not taken back
        self._unix, self._new_epoch = unix, new_epoch
        self._db: sqlite3.Connection | None = None
        self._seqs = Seqs()
        self._revisions: set[str] = set()
        self._waiting: list[tuple[Stored, bool]] = []
        self._to_settle: Ranges = []  # not written yet
        self._to_unsettle: Ranges = []
        self._strip_from = 0
        self._failures = 0
        self._damaged: Path | None = None  # set aside; what waited in it is still to be taken over
        self._guarded(lambda db: None, None)

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    # --- the file ------------------------------------------------------------------------------------------------

    def _guarded(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Does the work; a full disk is told and waited for, a damaged file set aside and the work tried anew."""
        for attempt in (1, 2):
            at_start = self._db is None
            try:
                done = work(self._db if self._db is not None else self._open())
            except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
                raise  # our own mistake says nothing of the file
            except (sqlite3.Error, OSError, UnicodeDecodeError, Damaged) as error:
                self._failures += 1
                waits = not at_start and outbox_file.is_read_error(error) and self._failures < FAILURES_BEFORE_ANEW
                if attempt == 2 or waits or outbox_file.is_passing(error):
                    self._tell(str(error))
                    return otherwise
                self._start_anew(error)
            else:
                self._failures = 0
                self._tell("")
                return done
        return otherwise

    def _tell(self, error: str) -> None:
        if error and not self.disk_error:
            log.warning("outbox %s: %s; minutes wait in memory", self.path, error)
        elif self.disk_error and not error:
            log.info("outbox %s: the disk takes minutes again", self.path)
        self.disk_error = error

    def _start_anew(self, error: Exception) -> None:
        log.warning("outbox %s is damaged (%s): it is set aside, a new one begins", self.path, str(error))
        self.close()
        self.epoch = ""
        try:
            self._damaged = outbox_file.set_aside(self.path, self._unix())
        except OSError as second:
            log.warning("outbox %s cannot be set aside: %s", self.path, second)

    def _open(self) -> sqlite3.Connection:
        db = outbox_file.opened(self.path, min(outbox_file.WAL_PAGES, self.max_bytes // 8 // outbox_file.PAGE_BYTES))
        try:
            self._load(db)
            if self._damaged is not None:
                self._take_over(db, self._damaged)
                self._damaged = None
        except BaseException:
            db.close()
            raise
        self._db = db
        return db

    def _take_over(self, db: sqlite3.Connection, damaged: Path) -> None:
        """What waits in a damaged file and can still be read; the server has, or will never get, the rest of it.

        Its newest minutes may be missing: so it does not tell since when the agent was off."""
        from schoolbeat_agent import salvage  # seldom needed

        first = seq = self._seqs.next
        try:
            source = salvage.opened(damaged)
        except salvage.UNREADABLE:
            return
        try:
            with transaction(db):
                for revision, body in salvage.inventories(source):
                    db.execute("INSERT OR REPLACE INTO inventory VALUES (?, ?)", (revision, body))
                    self._revisions.add(revision)
                for minute, revision, stripped, body in salvage.waiting(source):
                    _insert(db, seq, minute, revision, 0, stripped, None, body)
                    self.highest_minute = max(self.highest_minute, minute)
                    seq += 1
                _set(db, "next", str(seq))
        finally:
            source.close()
            damaged.with_name(f"{damaged.name}-shm").unlink(missing_ok=True)  # reading made it
        self._seqs = Seqs(seq, ranges.union(self._seqs.held, [(first, seq)]), self._seqs.settled, self._seqs.sent)
        log.warning("outbox %s: %d waiting minutes were read out of the damaged file", self.path, seq - first)

    def _load(self, db: sqlite3.Connection) -> None:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        held, settled, sent = [], [], []
        last_minute = max(self.last_minute, _number(meta, "last_minute"))
        highest, newest = last_minute, (-1, last_minute)
        for seq, minute, settled_at, was_sent in db.execute("SELECT seq, minute, settled_at, sent FROM minute"):
            held.append(seq)
            highest, newest = max(highest, minute), max(newest, (seq, minute))
            if settled_at is not None:
                settled.append(seq)
            if was_sent:
                sent.append(seq)
        next_seq = max(_number(meta, "next"), max(held, default=-1) + 1)
        seqs = Seqs(next_seq, *map(ranges.from_seqs, (held, settled, sent)))
        epoch = meta.get("epoch") or self._new_epoch()
        if not bounds.TOKEN.fullmatch(epoch):
            raise Damaged(f"its epoch is {epoch[:40]!r}")
        with transaction(db):
            if meta.get("epoch") and meta.get("hardware") != self.hardware:
                log.warning("outbox %s was made on other hardware: a new epoch begins", self.path)
                epoch, seqs = self._new_epoch(), self._renumbered(db)
            last_minute = newest[1]
            first_words = {"epoch": epoch, "hardware": self.hardware, "boot": self.boot, "stopped_in": "0"}
            for key, value in first_words.items():
                _set(db, key, value)
            if self.enrolled:
                _set(db, "server", self.enrolled)
            if not held:
                _set(db, "last_minute", str(last_minute))
        self.epoch, self._seqs = epoch, seqs
        self.last_minute, self.highest_minute = last_minute, highest
        self.highest_told = _highest_told(db)
        self.enrolled = self.enrolled or meta.get("server", "")
        self.stopped_in = _number(meta, "stopped_in")
        self.is_new = epoch != meta.get("epoch")
        self.last_boot = meta.get("boot", "")
        self._revisions = {row[0] for row in db.execute("SELECT revision FROM inventory")}
        self._to_settle, self._to_unsettle, self._strip_from = [], [], 0

    # --- minutes -------------------------------------------------------------------------------------------------

    def add(self, row: MinuteRow, revision: str, about_to_send: bool) -> None:
        """Keeps the minute: durable when this returns, unless `disk_error` says otherwise. One commit.

        about_to_send: the row may leave this machine from now on.
        """
        self._waiting.append((Stored(revision, row), about_to_send))
        if len(self._waiting) == WAITING_IN_MEMORY + 1:
            log.warning("outbox %s: more than %d minutes wait: the oldest are lost", self.path, WAITING_IN_MEMORY)
        del self._waiting[:-WAITING_IN_MEMORY]
        self.last_minute, self.highest_minute = row.minute, max(self.highest_minute, row.minute)
        self._guarded(self._write_waiting, None)

    def retry(self) -> bool:
        """Another try for minutes that wait in memory. True when none waits any more."""
        if self._waiting:
            self._guarded(self._write_waiting, None)
        return not self._waiting

    def _write_waiting(self, db: sqlite3.Connection) -> None:
        self._make_room(db)
        first, expired = self._seqs.next, self._expired(db)
        with transaction(db):
            for seq, (stored, sent) in enumerate(self._waiting, first):
                body = _packed(msgspec.structs.replace(stored.row, seq=seq))
                _insert(db, seq, stored.row.minute, stored.revision, int(sent), 0, None, body)
            marks = self._marks_are_many()
            if marks:
                self._write_settled(db)
            _delete(db, expired)
        sent_now = ranges.from_seqs(seq for seq, (_, sent) in enumerate(self._waiting, first) if sent)
        end = first + len(self._waiting)
        kept = self._seqs.without(expired)
        held, sent_ever = ranges.union(kept.held, [(first, end)]), ranges.union(kept.sent, sent_now)
        self._seqs = Seqs(end, held, kept.settled, sent_ever)
        self._waiting.clear()
        if marks:
            self._to_settle, self._to_unsettle = [], []

    def _marks_are_many(self) -> bool:
        return bool(self._to_unsettle) or ranges.count(self._to_settle) >= SETTLE_TOGETHER

    def _write_settled(self, db: sqlite3.Connection) -> None:
        for first, end in self._to_unsettle:
            db.execute("UPDATE minute SET settled_at = NULL WHERE seq >= ? AND seq < ?", (first, end))
        for first, end in self._to_settle:
            values = (self.last_minute, first, end)
            db.execute("UPDATE minute SET settled_at = ? WHERE seq >= ? AND seq < ? AND settled_at IS NULL", values)

    def _expired(self, db: sqlite3.Connection) -> Ranges:
        """Settled seven days ago: once an hour, oldest first. The newest row stays: it tells the next seq."""
        if not self._seqs.settled or self._seqs.next % DELETE_TOGETHER:
            return []
        first = self._seqs.settled[0][0]
        found = db.execute(
            "SELECT seq FROM minute WHERE seq >= ? AND seq < ? AND settled_at < ?",
            (first, first + 4 * DELETE_TOGETHER, self.last_minute - KEEP_SETTLED_MINUTES),
        )
        return ranges.subtract(ranges.from_seqs(row[0] for row in found), [(self._seqs.next - 1, self._seqs.next)])

    def rows(self, first: int, end: int) -> list[Stored]:
        """The rows [first, end) that are held, ascending."""

        def read(db: sqlite3.Connection) -> list[Stored]:
            question = "SELECT seq, minute, revision, crc, body FROM minute WHERE seq >= ? AND seq < ? ORDER BY seq"
            found = db.execute(question, (first, end)).fetchall()
            return [Stored(row[2], msgspec.structs.replace(_checked(*row[1:]), seq=row[0])) for row in found]

        return self._guarded(read, [])

    def give_up(self, first: int, end: int) -> None:
        """Rows that nobody can ever read are no longer held: `presence` declares them, and nothing waits for them."""
        gone = ranges.intersect(self._seqs.held, [(first, end)])

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                _delete(db, gone)
                _set(db, "next", str(self._seqs.next))
            self._seqs = self._seqs.without(gone)

        self._guarded(write, None)

    def take_back(self, spans: Ranges, after: int = 0) -> int:
        """The rows with these seqs, of minutes after that one, were cut by a clock that was not right: what never left
        this machine goes, of the rest it is told that nothing is known of its minutes. How many rows that were."""

        def write(db: sqlite3.Connection) -> int:
            question = (
                "SELECT seq, minute, revision, sent, crc, body FROM minute WHERE seq >= ? AND seq < ? AND minute > ?"
            )
            found = [row for span in spans for row in db.execute(f"{question} ORDER BY seq", (*span, after)).fetchall()]
            rows = [(*row[:4], _checked(row[1], row[2], *row[4:])) for row in found]
            rows = [row for row in rows if tells(row[4])]
            seqs, seq = self._seqs, self._seqs.next
            sent_rows = [row for row in rows if row[3]]
            with transaction(db):
                _delete(db, ranges.from_seqs(row[0] for row in rows))
                for old, minute, revision, _, row in sent_rows:
                    settled_at = self.last_minute if ranges.intersect(seqs.settled, [(old, old + 1)]) else None
                    bare = MinuteRow(old, minute, row.signals.translate(_UNTRUE))
                    _insert(db, old, minute, revision, 1, 1, settled_at, _packed(bare))  # it may not be there yet
                    # Of words that begin in one minute the last stands: these take back what was said of off-minutes.
                    untold = [Off(off.first_minute, 1, _INTERRUPTED) for off in row.off if off.reason != _INTERRUPTED]
                    again = msgspec.structs.replace(bare, seq=seq, off=untold)
                    _insert(db, seq, minute, revision, 0, 1, None, _packed(again))
                    seq += 1
                _set(db, "next", str(seq))
            kept = seqs.without(ranges.from_seqs(row[0] for row in rows if not row[3]))
            self._seqs = Seqs(seq, ranges.union(kept.held, [(seqs.next, seq)]), kept.settled, kept.sent)
            return len(rows)

        self._waiting.clear()
        return self._guarded(write, 0)

    def minutes_from(self, minute: int) -> set[int]:
        """Those that were cut already; there are none unless the clock was set back."""
        if minute > self.highest_minute:
            return set()
        waiting = {stored.row.minute for stored, _ in self._waiting if stored.row.minute >= minute}
        question = "SELECT minute FROM minute WHERE minute >= ?"
        return waiting | self._guarded(lambda db: {row[0] for row in db.execute(question, (minute,))}, set())

    @property
    def next(self) -> int:
        """The seq that the next minute will get."""
        return self._seqs.next

    def unsettled(self) -> Ranges:
        return ranges.subtract(self._seqs.held, self._seqs.settled)

    def standing(self) -> Standing:
        seqs, unsettled = self._seqs, self.unsettled()
        lowest = seqs.held[0][0] if seqs.held else seqs.next
        return Standing(
            epoch=self.epoch,
            lowest=lowest,
            next=seqs.next,
            gaps=ranges.subtract([(lowest, seqs.next)], seqs.held)[: bounds.RANGES],
            waiting=ranges.count(unsettled) + len(self._waiting),
            in_memory=len(self._waiting),
            disk_error=self.disk_error,
            settled=seqs.settled[-1][1] if seqs.settled else 0,
        )

    # --- what the server says ------------------------------------------------------------------------------------

    def mark_sent(self, first: int, end: int) -> None:
        """Before rows leave this machine: afterwards the server may well know them. A commit, if that is news."""
        if not ranges.subtract([(first, end)], self._seqs.sent):
            return

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute("UPDATE minute SET sent = 1 WHERE seq >= ? AND seq < ? AND sent = 0", (first, end))

        self._guarded(write, None)
        seqs = self._seqs
        self._seqs = Seqs(seqs.next, seqs.held, seqs.settled, ranges.union(seqs.sent, [(first, end)]))

    def settle(self, ack: Ack) -> bool:
        """Believes an ack of the enrolled server. True when that began a new epoch: presence must be told again.

        Written some at a time: a settled mark that is lost costs a repeat and nothing else.
        """
        if ack.epoch != self.epoch or not self.epoch:
            return False
        seqs, told = self._seqs, ranges.from_pairs(ack.settled)
        dropped = ranges.subtract([(0, seqs.next)], seqs.held)
        if ranges.subtract(told, ranges.union(dropped, seqs.sent)):
            # The server knows minutes that this file never sent, so it is an old one that was put back: under its
            # epoch, new minutes would be taken for repeats.
            log.warning(
                "outbox %s: the server knows later minutes of it: it is an old file, a new epoch begins", self.path
            )
            self._guarded(self._begin_epoch, None)
            return True
        spoken_of = ranges.intersect(seqs.held, [(ack.complete_from, seqs.next)])
        settled = ranges.intersect(spoken_of, told)
        news = ranges.subtract(settled, seqs.settled)
        gone = ranges.subtract(ranges.intersect(seqs.settled, spoken_of), settled)
        self._settle(news, gone)
        return False

    def send_again(self, first: int, end: int) -> None:
        """These rows wait for the server again."""
        self._settle([], ranges.intersect(self._seqs.settled, [(first, end)]))

    def _settle(self, news: Ranges, gone: Ranges) -> None:
        seqs = self._seqs
        self._seqs = Seqs(seqs.next, seqs.held, ranges.subtract(ranges.union(seqs.settled, news), gone), seqs.sent)
        self._to_settle = ranges.union(ranges.subtract(self._to_settle, gone), news)
        self._to_unsettle = ranges.union(ranges.subtract(self._to_unsettle, news), gone)

    def _begin_epoch(self, db: sqlite3.Connection) -> None:
        epoch = self._new_epoch()
        with transaction(db):
            self._write_settled(db)
            seqs = self._renumbered(db)
            _set(db, "epoch", epoch)
        self.epoch, self._seqs = epoch, seqs
        self._to_settle, self._to_unsettle, self._strip_from = [], [], 0

    def _renumbered(self, db: sqlite3.Connection) -> Seqs:
        """What is not settled gets new seqs from 0 on; what is settled belongs to the old epoch and goes."""
        db.execute("DELETE FROM minute WHERE settled_at IS NOT NULL")
        seqs = [row[0] for row in db.execute("SELECT seq FROM minute ORDER BY seq")]
        for new, old in enumerate(seqs):
            db.execute("UPDATE minute SET seq = ?, sent = 0 WHERE seq = ?", (new, old))
        _set(db, "next", str(len(seqs)))
        _set(db, "last_minute", str(self.last_minute))
        return Seqs(len(seqs), ranges.from_pairs([(0, len(seqs))]))

    def enrol(self, server: str) -> None:
        self.enrolled = server
        self.remember("server", server)

    # --- inventories, runs without a time, stops -------------------------------------------------------------------

    def keep_inventory(self, revision: str, body: bytes) -> None:
        if revision in self._revisions:
            return

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute("INSERT OR REPLACE INTO inventory VALUES (?, ?)", (revision, body))
                unused = "DELETE FROM inventory WHERE revision != ? AND revision NOT IN (SELECT revision FROM minute)"
                db.execute(unused, (revision,))
            self._revisions = {row[0] for row in db.execute("SELECT revision FROM inventory")}

        self._guarded(write, None)

    def inventory(self, revision: str) -> bytes | None:
        question = "SELECT body FROM inventory WHERE revision = ?"
        found = self._guarded(lambda db: db.execute(question, (revision,)).fetchone(), None)
        return bytes(found[0]) if found else None

    def unsettled_revisions(self) -> list[str]:
        """Of the rows that the server has still to get, so that it can read them."""
        waiting = self.unsettled()
        if not waiting:
            return []
        question = "SELECT DISTINCT revision FROM minute WHERE settled_at IS NULL AND seq >= ?"
        return self._guarded(lambda db: [row[0] for row in db.execute(question, (waiting[0][0],))], [])

    def keep_raw(self, runs: object) -> None:
        """A minute's runs that cannot be placed in UTC yet; anything that JSON can hold."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                values = (self.boot, codec.deflate(codec.to_json(runs)))
                db.execute("INSERT INTO raw (boot, body) VALUES (?, ?)", values)
                db.execute("DELETE FROM raw WHERE id <= (SELECT max(id) FROM raw) - ?", (RAW_MINUTES,))

        self._guarded(write, None)

    def raw(self) -> list[Any]:
        """The kept runs of this boot, oldest first."""

        def read(db: sqlite3.Connection) -> list[Any]:
            rows = db.execute("SELECT body FROM raw WHERE boot = ? ORDER BY id", (self.boot,)).fetchall()
            return [json.loads(codec.inflate(bytes(row[0]))) for row in rows]

        return self._guarded(read, [])

    def has_unplaced(self) -> bool:
        """Runs of another boot that found no anchor: the agent was there, nobody can say when."""
        question = "SELECT 1 FROM raw WHERE boot != ? LIMIT 1"
        return self._guarded(lambda db: db.execute(question, (self.boot,)).fetchone(), None) is not None

    def drop_raw(self) -> None:
        def write(db: sqlite3.Connection) -> None:
            if db.execute("SELECT 1 FROM raw LIMIT 1").fetchone():
                with transaction(db):
                    db.execute("DELETE FROM raw")

        self._guarded(write, None)

    def remember(self, key: str, value: str) -> None:
        """A small fact for the next start."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                _set(db, key, value)

        self._guarded(write, None)

    def recall(self, key: str) -> str:
        found = self._guarded(lambda db: db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone(), None)
        return str(found[0]) if found else ""

    def recalled(self, prefix: str) -> dict[str, str]:
        """Every small fact whose key begins so, without the beginning."""

        def read(db: sqlite3.Connection) -> dict[str, str]:
            found = db.execute("SELECT key, value FROM meta WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
            return {str(key)[len(prefix) :]: str(value) for key, value in found}

        return self._guarded(read, {})

    def stop_clean(self, minute: int) -> None:
        """The last word of an agent that is stopped on purpose, in that minute."""

        def write(db: sqlite3.Connection) -> None:
            with transaction(db):
                _set(db, "stopped_in", str(minute))
                self._write_settled(db)

        self._guarded(write, None)

    # --- space ---------------------------------------------------------------------------------------------------

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Settled rows go first, then the readings of the oldest rows, then the oldest rows: these are gaps.

        An eighth of the bound, at least 1.5 MiB, is left for the WAL and the new rows.
        """
        limit = self.max_bytes - max(self.max_bytes // 8, 3 * SMALLEST_BYTES // 8)
        for _ in range(50):
            if outbox_file.used_bytes(db) <= limit:
                return
            gone = self._oldest(self._seqs.settled)
            if not gone and not self._strip(db):
                gone = self._oldest(self._seqs.held)
                log.warning("outbox %s is full: %d minutes are given up", self.path, ranges.count(gone))
            with transaction(db):
                _delete(db, gone)
                if not gone:
                    db.execute("DELETE FROM raw WHERE id <= (SELECT max(id) FROM raw) - 60")
            self._seqs = self._seqs.without(gone)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _strip(self, db: sqlite3.Connection) -> int:
        """Takes the readings out of the oldest rows; how many rows that were."""
        question = (
            "SELECT seq, minute, revision, sent, settled_at, crc, body FROM minute"
            " WHERE seq >= ? AND stripped = 0 ORDER BY seq LIMIT ?"
        )
        found = db.execute(question, (self._strip_from, MAKE_ROOM_ROWS)).fetchall()
        # Deleted and inserted again, not updated: SQLite would leave each small row alone on the page it had.
        with transaction(db):
            _delete(db, ranges.from_seqs(row[0] for row in found))
            for seq, minute, revision, sent, settled_at, crc, body in found:
                bare = _packed(msgspec.structs.replace(_checked(minute, revision, crc, body), values=[]))
                _insert(db, seq, minute, revision, sent, 1, settled_at, bare)
        self._strip_from = found[-1][0] + 1 if found else self._strip_from
        return len(found)

    def _oldest(self, among: Ranges) -> Ranges:
        out, left = [], MAKE_ROOM_ROWS
        for first, end in among:
            out.append((first, min(end, first + left)))
            left -= out[-1][1] - first
            if left <= 0:
                break
        return ranges.subtract(out, [(self._seqs.next - 1, self._seqs.next)])


def _set(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def _number(meta: dict[str, str], key: str) -> int:
    try:
        return int(meta.get(key, "0"))
    except ValueError:
        raise Damaged(f"its {key} is {meta[key][:40]!r}") from None


def tells(row: MinuteRow) -> bool:
    """False for what was taken back, and where nothing was known."""
    return bool(row.signals.strip(_NOT_KNOWN)) or any(off.reason != _INTERRUPTED for off in row.off)


def _highest_told(db: sqlite3.Connection) -> int:
    """0: none. Only what was taken back is ahead of it, so few are looked at."""
    for minute, revision, crc, body in db.execute(
        "SELECT minute, revision, crc, body FROM minute ORDER BY minute DESC"
    ):
        with suppress(Damaged):  # whoever wants that row finds it out
            if tells(_checked(minute, revision, crc, body)):
                return int(minute)
    return 0


def _delete(db: sqlite3.Connection, gone: Ranges) -> None:
    for first, end in gone:
        db.execute("DELETE FROM minute WHERE seq >= ? AND seq < ?", (first, end))


def _insert(
    db: sqlite3.Connection,
    seq: int,
    minute: int,
    revision: str,
    sent: int,
    stripped: int,
    settled_at: int | None,
    body: bytes,
) -> None:
    values = (seq, minute, revision, sent, stripped, settled_at, outbox_file.row_crc(minute, revision, body), body)
    db.execute("INSERT INTO minute VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _packed(row: MinuteRow) -> bytes:
    return codec.deflate(codec.to_json(row))


def _checked(minute: int, revision: str, crc: int, body: bytes) -> MinuteRow:
    """The row as it was packed. Damaged when a single bit of it is another one."""
    if not isinstance(body, bytes) or crc != outbox_file.row_crc(minute, str(revision), body):
        raise Damaged(f"the row of minute {minute} is not what was written")
    try:
        return _row_decoder.decode(codec.inflate(body))
    except (msgspec.DecodeError, WireError, UnicodeDecodeError) as error:
        raise Damaged(f"a row cannot be read: {error}") from error


def newest_together(rows: Sequence[Stored], most: int) -> list[Stored]:
    """The newest of the rows that one report can carry: one inventory, seqs in a row, minutes ascending."""
    out: list[Stored] = []
    for stored in reversed(rows):
        if out and (
            stored.revision != out[0].revision
            or stored.row.seq + 1 != out[0].row.seq
            or stored.row.minute >= out[0].row.minute
            or len(out) >= most
        ):
            break
        out.insert(0, stored)
    return out
