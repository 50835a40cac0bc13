"""Whether what is stored of a site's days is what their digests say: day by day, and where it is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, select

from schoolbeat_server import facts, proof, schema
from schoolbeat_server.database import get_meta
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import CONTACT, HOUR, Ledger
from schoolbeat_server.merge import join
from schoolbeat_server.school_calendar import date_of, day_of, first_minute_of
from schoolbeat_wire import codec
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.errors import WireError

# intact: reports, ledger and digest agree. revised: so too, and late data had changed the day. old: its reports are no
# longer kept, the ledger is what the digest says. waiting: late data came, its revision is made next night. pending:
# no digest is due yet. gap: there should be one and there is none. altered: something was changed.
State = Literal["intact", "revised", "old", "waiting", "pending", "gap", "altered"]
What = Literal[
    "row", "missing", "reports", "fewer", "unreadable", "ledger", "rebuilt_ledger", "facts", "unexplained", "proof"
]


class Fault(NamedTuple):
    """What does not agree. hours: of the local day; signals: of the ledger; number: the rows or minutes concerned."""

    what: What
    hours: tuple[int, ...] = ()
    signals: tuple[str, ...] = ()
    number: int = 0


class Change(NamedTuple):
    """A revision after the first."""

    made_ms: int
    why: str


class Finding(NamedTuple):
    """Of one day. made_ms: of its newest digest."""

    day: int
    state: State
    made_ms: int = 0
    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()


# ---- the chain ---------------------------------------------------------------------------------------------


def broken_rows(rows: list[Row[Any]]) -> dict[int, What]:
    """day -> what is wrong with a row of it; rows: all of a site, in the order they were made."""
    found: dict[int, What] = {}
    previous = proof.NONE
    newest: dict[int, Row[Any]] = {}
    for row in rows:
        before = newest.get(row.day)
        replaced = (before.digest, before.revision) if before is not None else (None, 0)
        if proof.digest_of_row(row._mapping) != row.digest:
            found[row.day] = "row"
        elif row.previous != previous or (row.replaces, row.revision - 1) != replaced:
            found[row.day] = "missing"  # one that was made before it is gone, or is another one now
        previous, newest[row.day] = row.digest, row
    return found


def broken_proofs(connection: Connection, step: Callable[[], None] = lambda: None) -> list[int]:
    """The days whose digest of digests is not what the rows give now: rows at the end of a site's chain are gone, or
    all of a chain was made anew. Reads every site's rows once."""
    table, day = schema.day_digest.c, schema.day_proof.c
    proofs = connection.execute(select(schema.day_proof).order_by(day.up_to, day.day)).all()
    rows = connection.execution_options(yield_per=10_000).execute(
        select(table.id, table.site, table.digest).order_by(table.id)
    )
    heads: dict[str, bytes] = {}
    found, previous, waiting = [], proof.NONE, iter(rows)
    row = next(waiting, None)
    for one in proofs:
        while row is not None and row.id <= one.up_to:
            heads[row.site] = row.digest
            row = next(waiting, None)
        told = proof.digest_of_digests(one.day, one.made_ms, one.up_to, previous, one.register_digest, heads.items())
        if told != one.digest:
            found.append(one.day)
        previous = one.digest
        step()
    return found


def told_proof(connection: Connection, day: int) -> bytes | None:
    """The digest of digests that the server holds for the day."""
    found = connection.scalar(select(schema.day_proof.c.digest).where(schema.day_proof.c.day == day))
    return bytes(found) if found is not None else None


# ---- the days ----------------------------------------------------------------------------------------------


class Verifier:
    """Looks at one site. Reads only: the server may be running."""

    def __init__(self, connection: Connection, layouts: Layouts, site: str) -> None:
        self.connection, self.layouts, self.site = connection, layouts, site
        self.stored = Ledger(connection.engine)  # nothing open in it: what is in the database
        self.sealed_report, self.sealed_contact = self.stored.sealed_up_to(connection)
        self.kept_from = proof.kept_from(connection)
        self.digested_to = int(get_meta(connection, "digested_to") or 0)
        table = schema.day_digest.c
        chain = connection.execute(select(schema.day_digest).where(table.site == site).order_by(table.id)).all()
        self.broken = broken_rows(list(chain))
        self.rows: dict[int, list[Row[Any]]] = {}
        for row in chain:
            self.rows.setdefault(row.day, []).append(row)
        self.since = min(self.rows, default=None)
        self._sayings: list[facts.Saying] | None = None

    def days(self, first_day: int, end_day: int) -> Iterator[Finding]:
        for day in range(first_day, end_day):
            yield self.day(day)

    def day(self, day: int) -> Finding:
        rows = self.rows.get(day)
        if not rows:
            due = self.since is not None and self.since <= day < self.digested_to
            return Finding(day, "gap" if due else "pending")
        newest = rows[-1]
        changes = tuple(Change(row.made_ms, row.why) for row in rows[1:])
        faults = [Fault(self.broken[day])] if day in self.broken else []
        if any(change.why == "unexplained" for change in changes):
            faults.append(self._unexplained(rows))
        kept = first_minute_of(day) >= self.kept_from
        waiting = self._waits(newest, day)
        faults += self._with_reports(newest) if kept else self._without_reports(newest, waiting)
        found, new_facts = self._facts(newest, kept)
        faults += found
        state: State = (
            "altered" if faults else "waiting" if waiting or new_facts else "revised" if changes else "intact"
        )
        if state in ("intact", "revised") and not kept:
            state = "old"
        return Finding(day, state, newest.made_ms, changes, tuple(faults))

    def _unexplained(self, rows: list[Row[Any]]) -> Fault:
        hours: set[int] = set()
        for before, after in pairwise(rows):
            if after.why == "unexplained":
                told, kept = proof.hours_apart(before.hours, after.hours)
                hours |= told | kept
        return Fault("unexplained", tuple(sorted(hours)))

    def _waits(self, row: Row[Any], day: int) -> set[int]:
        """The hours for which reports came after the digest was made."""
        first, end = first_minute_of(day), first_minute_of(day + 1)
        reader = proof.DayReader(self.connection, self.layouts, self.site, first, end)
        reader.take(proof.read_told(self.connection, self.site, first, end, after=row.last_report, up_to=2**62))
        return {(minute - first) // HOUR for minute, _ in reader.minutes}

    def _facts(self, row: Row[Any], kept: bool) -> tuple[list[Fault], bool]:
        """Whether off-minutes and speed tests are what reports and digest say; and whether newer reports tell of
        others, which make a revision next night."""
        first, end = first_minute_of(row.day), first_minute_of(row.day + 1)
        stored = facts.stored_lines(self.connection, self.site, first, end)
        if not kept:
            since = [saying for saying in self._said() if saying.report > row.last_report]
            new = facts.told_lines(since, first, end)
            return ([Fault("facts")] if facts.digest(stored) != row.of_facts and not new else []), bool(new)
        then = facts.told_lines(self._said(), first, end, row.last_report)
        now = facts.told_lines(self._said(), first, end)
        if stored != now:
            return [Fault("facts", number=facts.differ(stored, now))], False
        return ([Fault("facts")] if facts.digest(then) != row.of_facts else []), then != now

    def _said(self) -> list[facts.Saying]:
        """Of all reports that are kept: off-minutes are told days later."""
        if self._sayings is None:
            told = proof.read_told(self.connection, self.site, 0, 2**31, up_to=2**62)
            self._sayings = facts.collect(self.connection, self.layouts, self.site, told)
        return self._sayings

    def _without_reports(self, row: Row[Any], waiting: set[int]) -> list[Fault]:
        first, end = first_minute_of(row.day), first_minute_of(row.day + 1)
        rows = self.stored.rows(self.connection, self.site, first, end)
        digest, marks = proof.digest_ledger(rows)
        if digest == row.of_ledger:
            return []
        now = proof.content(0, (b"", marks), (digest, marks)).hours
        hours = proof.hours_apart(row.hours, now)[1] - waiting
        return [Fault("ledger", tuple(sorted(hours)))] if hours or not waiting else []

    def _with_reports(self, row: Row[Any]) -> list[Fault]:
        first, end = first_minute_of(row.day), first_minute_of(row.day + 1)
        read = proof.read_told(self.connection, self.site, first, end, up_to=2**62)
        cut = min(self.sealed_report, row.last_report)
        reader = proof.DayReader(self.connection, self.layouts, self.site, first, end)
        reader.ledger = Ledger(self.connection.engine)
        merge_contact(self.connection, reader.ledger, self.site, first, min(end, self.sealed_contact + 1))
        reader.take(one for one in read if one.id <= cut)
        least = reader.ledger.rows(None, self.site, first, end)  # what must be sealed already
        merge_contact(self.connection, reader.ledger, self.site, max(first, self.sealed_contact + 1), end)
        reader.take(one for one in read if cut < one.id <= row.last_report)
        count, told = reader.digests()
        made = reader.ledger.rows(None, self.site, first, end)
        unreadable = list(reader.unreadable)
        reader.take(one for one in read if one.id > row.last_report)
        most = reader.ledger.rows(None, self.site, first, end)
        faults = []
        if unreadable:
            faults.append(Fault("unreadable", number=len(unreadable)))
        if told[0] != row.of_reports:
            now = proof.content(count, told, told).hours
            hours = tuple(sorted(proof.hours_apart(row.hours, now)[0]))
            fewer = row.minutes - count
            faults.append(Fault("fewer", hours, number=fewer) if fewer > 0 else Fault("reports", hours))
        stored = self.stored.rows(self.connection, self.site, first, end)
        faults += _between(least, stored, most)
        if not faults and proof.digest_ledger(made)[0] != row.of_ledger:
            faults.append(Fault("rebuilt_ledger"))
        return faults


def merge_contact(connection: Connection, ledger: Ledger, site: str, first: int, end: int) -> None:
    """The server's own minutes of the site, from what is stored of them."""
    table = schema.contact_minute.c
    rows = connection.execute(
        select(table.minute, table.payload).where(table.minute >= first, table.minute < end).order_by(table.minute)
    )
    for minute, payload in rows:
        try:
            seconds = json.loads(codec.inflate(payload))
        except (WireError, ValueError):
            continue  # the minute is then missing from what is compared
        if site in seconds:
            ledger.merge(site, "", "contact", (CONTACT,), [minute], bytes([seconds[site]]))


def _between(least: dict[str, bytes], stored: dict[str, bytes], most: dict[str, bytes]) -> list[Fault]:
    """The ledger must hold what was sealed, and may hold what came since: least <= stored <= most in the join."""
    length = max((len(row) for rows in (least, stored, most) for row in rows.values()), default=0)
    blank = bytes([UNKNOWN]) * length
    hours: set[int] = set()
    signals = []
    for signal in sorted({*least, *stored, *most}):
        low, row, high = (rows.get(signal, blank) for rows in (least, stored, most))
        if row in (low, high) or (join(low, row) == row and join(row, high) == high):
            continue
        signals.append(signal)
        wrong = join(low, row), join(row, high)
        hours |= {at // HOUR for at in range(length) if wrong[0][at] != row[at] or wrong[1][at] != high[at]}
    return [Fault("ledger", tuple(sorted(hours)), tuple(signals))] if signals else []


def worst(findings: Iterator[Finding] | list[Finding]) -> State:
    """Altered before gap before the rest."""
    states = {finding.state for finding in findings}
    return "altered" if "altered" in states else "gap" if "gap" in states else "intact"


def day_told(day: int) -> str:
    return date_of(day).isoformat()


def today(now_ms: int) -> int:
    return day_of(now_ms // 60_000)
