"""Digests of a site's days, each chained to the one made before it, and the digest of digests. docs/proof.md."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, RowMapping, func, insert, select

from schoolbeat_server import facts, register_digest, schema
from schoolbeat_server.canonical import Minute, canonical_minutes, in_order
from schoolbeat_server.database import get_meta
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import HOUR, Ledger
from schoolbeat_server.school_calendar import date_of, first_minute_of
from schoolbeat_wire import codec
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.errors import WireError

NONE = bytes(32)  # stands where nothing came before
HOURS = 24
MARK = 4  # bytes kept of each hour's digest
_BLANK = bytes([UNKNOWN]) * HOUR

Digests = tuple[bytes, list[bytes]]  # of the day, and of each of its hours


class Content(NamedTuple):
    """What a site's day comes to. minutes: how many were reported; hours: see schema.day_digest."""

    minutes: int
    of_reports: bytes
    of_ledger: bytes
    hours: bytes
    of_facts: bytes = b""


class Told(NamedTuple):
    """A stored report that was placed."""

    id: int
    agent: str
    revision: str
    payload: bytes


# ---- pure --------------------------------------------------------------------------------------------------


def digest_reports(minutes: Sequence[Minute], inventories: Iterable[str], first: int) -> Digests:
    """minutes: in order, of the day that begins with the minute `first`. inventories: a line for each in use."""
    hours = [hashlib.sha256() for _ in range(HOURS)]
    for minute, told in minutes:
        hours[(minute - first) // HOUR].update(told + b"\n")
    marks = [hour.digest() for hour in hours]
    head = "".join(line + "\n" for line in sorted(inventories)).encode()
    return hashlib.sha256(b"reports\n" + head + b"".join(marks)).digest(), marks


def digest_ledger(rows: dict[str, bytes]) -> Digests:
    """rows: each signal's bytes of the day. An hour of which nothing is known is as one that is not there."""
    hours = [hashlib.sha256() for _ in range(HOURS)]
    for signal in sorted(rows):
        for index, hour in enumerate(hours):
            data = rows[signal][index * HOUR : (index + 1) * HOUR]
            if data != _BLANK:
                hour.update(signal.encode() + b"\n" + data)
    marks = [hour.digest() for hour in hours]
    return hashlib.sha256(b"ledger\n" + b"".join(marks)).digest(), marks


def content(minutes: int, of_reports: Digests, of_ledger: Digests) -> Content:
    pairs = zip(of_reports[1], of_ledger[1], strict=True)
    hours = b"".join(told[:MARK] + kept[:MARK] for told, kept in pairs)
    return Content(minutes, of_reports[0], of_ledger[0], hours)


def hours_apart(before: bytes, after: bytes) -> tuple[set[int], set[int]]:
    """The hours whose reports, and those whose ledger, differ."""
    told, kept = set(), set()
    for hour in range(HOURS):
        place = hour * 2 * MARK
        if before[place : place + MARK] != after[place : place + MARK]:
            told.add(hour)
        if before[place + MARK : place + 2 * MARK] != after[place + MARK : place + 2 * MARK]:
            kept.add(hour)
    return told, kept


def digest_of_row(row: Mapping[str, Any] | RowMapping) -> bytes:
    """What the digest of a row of day_digest must be, by its other columns."""
    replaces = row["replaces"]
    lines = (
        "schoolbeat-day 1",
        f"site={row['site']}",
        f"day={date_of(row['day']).isoformat()}",
        f"revision={row['revision']}",
        f"made_ms={row['made_ms']}",
        f"why={row['why']}",
        f"minutes={row['minutes']}",
        f"last_report={row['last_report']}",
        f"reports={row['of_reports'].hex()}",
        f"ledger={row['of_ledger'].hex()}",
        f"facts={row['of_facts'].hex()}",
        f"hours={row['hours'].hex()}",
        f"previous={row['previous'].hex()}",
        f"replaces={replaces.hex() if replaces is not None else ''}",
    )
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).digest()


def digest_of_digests(
    day: int, made_ms: int, up_to: int, previous: bytes, register: str, heads: Iterable[tuple[str, bytes]]
) -> bytes:
    """register: register_digest.State's digest. heads: (site, digest of its newest row), in any order."""
    found = sorted(heads)
    lines = [
        "schoolbeat-proof 1",
        f"day={date_of(day).isoformat()}",
        f"made_ms={made_ms}",
        f"up_to={up_to}",
        f"previous={previous.hex()}",
        f"register={register}",
        f"sites={len(found)}",
        *(f"{site} {digest.hex()}" for site, digest in found),
    ]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).digest()


# ---- what is stored ----------------------------------------------------------------------------------------


def kept_from(connection: Connection) -> int:
    """The first minute of which every report and contact minute is still kept."""
    return int(get_meta(connection, "kept_from_minute") or 0)


def read_told(connection: Connection, site: str, first: int, end: int, *, after: int = 0, up_to: int) -> list[Told]:
    """The placed reports with ids in (after, up_to] that touch the minutes [first, end), by id."""
    table = schema.report.c
    rows = connection.execute(
        select(table.id, table.agent, table.revision, table.payload)
        .where(
            table.site == site,
            table.first_minute < end,
            table.last_minute >= first,
            table.id > after,
            table.id <= up_to,
            table.placed,
        )
        .order_by(table.id)
    )
    return [Told(*row) for row in rows]


class DayReader:
    """Reads a site's stored reports of some minutes: their canonical form, and the ledger they make."""

    def __init__(self, connection: Connection, layouts: Layouts, site: str, first: int, end: int) -> None:
        self.connection, self.layouts, self.site, self.first, self.end = connection, layouts, site, first, end
        self.minutes: list[Minute] = []
        self.used: dict[tuple[str, str], str] = {}  # (agent, revision) -> its line
        self.unreadable: list[int] = []
        self.ledger: Ledger | None = None  # set one to have the reports merged into it

    def take(self, told: Iterable[Told]) -> None:
        for one in told:
            layout = self.layouts.of(self.connection, self.site, one.agent, one.revision)
            try:
                if layout is None:
                    raise WireError("unknown", "its inventory is gone")
                report = reports.decode(one.payload)
                reports.fits(report, layout.inventory)
            except WireError:
                self.unreadable.append(one.id)
                continue
            found = canonical_minutes(one.agent, report, layout.inventory)
            mine = [minute for minute in found if self.first <= minute[0] < self.end]
            self.minutes += mine
            if mine:
                self._use(one.agent, one.revision)
            if self.ledger is not None:
                minutes = reports.minutes_of(report)
                key = (self.site, one.agent, one.revision)
                data = self.layouts.believed(key, layout.signals, minutes, report.signals)
                self.ledger.merge(*key, layout.signals, minutes, data)

    def _use(self, agent: str, revision: str) -> None:
        if (agent, revision) in self.used:
            return
        table = schema.inventory.c
        payload = self.connection.scalar(
            select(table.payload).where(table.site == self.site, table.agent == agent, table.revision == revision)
        )
        plain = codec.inflate(payload) if payload is not None else b""
        self.used[agent, revision] = f"{agent} {revision} {hashlib.sha256(plain).hexdigest()}"

    def digests(self) -> tuple[int, Digests]:
        """(minutes, of the reports) of the day that begins with `first`."""
        ordered = in_order(self.minutes)
        return len(ordered), digest_reports(ordered, self.used.values(), self.first)


def newest_of_day(connection: Connection, site: str, day: int) -> Row[Any] | None:
    table = schema.day_digest.c
    return connection.execute(
        select(schema.day_digest).where(table.site == site, table.day == day).order_by(table.revision.desc()).limit(1)
    ).first()


def heads(connection: Connection, up_to: int) -> list[tuple[str, bytes]]:
    table = schema.day_digest.c
    newest = select(func.max(table.id)).where(table.id <= up_to).group_by(table.site)
    return [(site, digest) for site, digest in connection.execute(
        select(table.site, table.digest).where(table.id.in_(newest))
    )]  # fmt: skip


class Draft(NamedTuple):
    """A row that is due. replaced: the revision before it."""

    site: str
    day: int
    why: str
    last_report: int
    found: Content
    replaced: Row[Any] | None


def draft(
    connection: Connection, layouts: Layouts, ledger: Ledger, site: str, day: int, up_to: int, why: str = ""
) -> Draft | None:
    """The row that the day needs now; None when its newest revision says it already. Reads only."""
    first, end = first_minute_of(day), first_minute_of(day + 1)
    before = newest_of_day(connection, site, day)
    late = before is not None and first < kept_from(connection)
    after = before.last_report if before is not None and late else 0
    reader = DayReader(connection, layouts, site, first, end)
    reader.take(read_told(connection, site, first, end, after=after, up_to=up_to))
    count, of_reports = reader.digests()
    of_ledger = digest_ledger(ledger.rows(connection, site, first, end))
    lines = facts.stored_lines(connection, site, first, end)
    found = content(count, of_reports, of_ledger)._replace(of_facts=facts.digest(lines))
    if before is None:
        return Draft(site, day, "", up_to, found, None)
    if late:
        of_facts, touched = found.of_facts, {(minute - first) // HOUR for minute, _ in reader.minutes}
        found = _on_top(before, found, of_ledger, touched)._replace(of_facts=of_facts)
    if all(found._asdict()[name] == getattr(before, name) for name in ("of_reports", "of_ledger", "of_facts")):
        return None
    if not why:
        new = DayReader(connection, layouts, site, first, end)
        new.take(read_told(connection, site, first, end, after=before.last_report, up_to=up_to))
        explained = {(minute - first) // HOUR for minute, _ in new.minutes}
        told, kept = hours_apart(before.hours, found.hours)
        known = told | kept <= explained
        if known and found.of_facts != before.of_facts:
            after = before.last_report if late else 0
            since = read_told(connection, site, first, 2**31, after=after, up_to=up_to)
            said = facts.told_lines(facts.collect(connection, layouts, site, since), first, end)
            known = bool(said & lines) if late else said == lines
        why = "late" if known else "unexplained"
    return Draft(site, day, why, up_to, found, before)


def _on_top(before: Row[Any], late: Content, of_ledger: Digests, touched: set[int]) -> Content:
    """Most of the day's reports are no longer kept: what came late is chained to what was known of them."""
    if not late.minutes:
        return content(before.minutes, (before.of_reports, _marks(before.hours)), of_ledger)
    marks = [
        hashlib.sha256(mark + late.hours[hour * 2 * MARK : hour * 2 * MARK + MARK]).digest()
        if hour in touched
        else mark
        for hour, mark in enumerate(_marks(before.hours))
    ]
    of_reports = hashlib.sha256(b"added\n" + before.of_reports + late.of_reports).digest()
    return content(before.minutes + late.minutes, (of_reports, marks), of_ledger)


def _marks(hours: bytes) -> list[bytes]:
    return [hours[place : place + MARK] for place in range(0, len(hours), 2 * MARK)]


def write(connection: Connection, due: Draft, made_ms: int) -> bytes:
    """Appends the row. Its digest."""
    table = schema.day_digest
    last = connection.scalar(
        select(table.c.digest).where(table.c.site == due.site).order_by(table.c.id.desc()).limit(1)
    )
    before = due.replaced
    values = {
        "site": due.site,
        "day": due.day,
        "revision": before.revision + 1 if before is not None else 1,
        "made_ms": made_ms,
        "why": due.why,
        "last_report": due.last_report,
        **due.found._asdict(),
        "previous": last if last is not None else NONE,
        "replaces": before.digest if before is not None else None,
    }
    digest = digest_of_row(values)
    connection.execute(insert(table).values(**values, digest=digest))
    return digest


def make_proof(connection: Connection, day: int, made_ms: int) -> bytes:
    """The digest of digests of this local day; the one that stands if there is one."""
    table = schema.day_proof
    known = connection.scalar(select(table.c.digest).where(table.c.day == day))
    if known is not None:
        return bytes(known)
    up_to = connection.scalar(select(func.max(schema.day_digest.c.id))) or 0
    last = connection.scalar(select(table.c.digest).order_by(table.c.up_to.desc(), table.c.day.desc()).limit(1))
    previous = last if last is not None else NONE
    found, register = heads(connection, up_to), register_digest.state(connection)
    digest = digest_of_digests(day, made_ms, up_to, previous, register.digest, found)
    register_digest.keep(connection, register, made_ms)
    values = {"day": day, "made_ms": made_ms, "up_to": up_to, "sites": len(found), "register_digest": register.digest}
    connection.execute(insert(table).values(**values, previous=previous, digest=digest))
    return digest


def newest_proof(connection: Connection) -> tuple[int, bytes] | None:
    """(day, digest): what goes out with acks, reports and evidence packs."""
    table = schema.day_proof.c
    row = connection.execute(select(table.day, table.digest).order_by(table.day.desc()).limit(1)).first()
    return (row.day, row.digest) if row is not None else None
