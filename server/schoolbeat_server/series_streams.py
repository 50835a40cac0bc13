"""What the series queue sends, stream by stream: the rows after a position as lines, and the position after them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import issued, issued_units, schema, series_again, series_outages, series_reports
from schoolbeat_server.layouts import Layout
from schoolbeat_server.ledger import CONTACT
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.series_again import Span
from schoolbeat_server.series_pieces import UNTOLD, Done, Piece, Read, Sources, each
from schoolbeat_server.series_rows import (
    encoded,
    of_health,
    of_issue,
)
from schoolbeat_server.sums import Sums
from schoolbeat_wire import codec
from schoolbeat_wire import report as reports
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

REPORTS: Final = 500  # rows looked at in one go
MINUTES: Final = 1_000  # of reports in one go, unless one has more: a big school's minute is 130 lines
CONTACT_MINUTES: Final = 30
VERDICTS: Final = 3  # of a target each, with all its units
DAYS: Final = 200  # of a site each
TOUCHED: Final = 1_000  # rows that are none of a stream's, before it moves past them
HEALTH_MINUTES: Final = 1_440
LATER: Final = 5_000  # rows without payloads
APART_MINUTES: Final = 90  # minutes of a site so far apart are read from the ledger apart

# ---- reports -----------------------------------------------------------------------------------------------


class _Read(NamedTuple):
    id: int
    agent: str
    layout: Layout
    report: reports.Report
    columns: list[list[int]]
    minutes: list[int]


COLUMNS: Final = tuple(
    schema.report.c[name] for name in ("id", "site", "agent", "revision", "placed", "payload", "count")
)


def read_reports(sources: Sources, connection: Connection, position: int) -> Piece | None:
    table = schema.report.c
    query = select(*COLUMNS).where(table.id > position).order_by(table.id)
    rows, more = some_of(connection.execute(query.limit(REPORTS)).all(), REPORTS)
    if not rows:
        return None
    lines, unnamed = lines_of_reports(sources, connection, rows)
    return Piece(lines, rows[-1].id, more, keep_for_later(unnamed))


def some_of(rows: Sequence[Any], most: int) -> tuple[Sequence[Any], bool]:
    """As many as memory should hold as lines; and whether there may be more. After a day without the line a report has
    many minutes."""
    minutes = 0
    for at, row in enumerate(rows):
        minutes += row.count or 0
        if at and minutes > MINUTES:
            return rows[:at], True
    return rows, len(rows) == most


def keep_for_later(unnamed: Sequence[int]) -> Done:
    def keep(writing: Connection) -> None:
        if unnamed:
            statement = insert(schema.series_later).on_conflict_do_nothing()
            writing.execute(statement, [{"report": ident} for ident in unnamed])

    return keep


def read_later(sources: Sources, connection: Connection, position: int) -> Piece | None:
    """Those whose inventory was lost and is there again are asked for once more; a look at all, again and again."""
    later, table = schema.series_later.c, schema.report.c
    columns = (table[name] for name in ("id", "site", "agent", "revision", "received_ms"))
    query = select(later.report, *columns).join_from(
        schema.series_later, schema.report, table.id == later.report, isouter=True
    )
    rows = connection.execute(query.where(later.report > position).order_by(later.report).limit(LATER)).all()
    if not rows:
        return None
    waiting: dict[tuple[str, str, str], list[Any]] = {}
    for row in rows:
        if row.id is not None:
            waiting.setdefault((row.site, row.agent, row.revision), []).append(row)
    found = [mine for key, mine in waiting.items() if _layout(sources, connection, *key) is not None]
    done = [row.report for row in rows if row.id is None] + [row.id for mine in found for row in mine]

    def ask_again(writing: Connection) -> None:
        for mine in found:
            span = Span(mine[0].id - 1, mine[-1].id)
            series_again.ask(writing, mine[0].site, series_again.ALL_MINUTES, mine[-1].received_ms, span)
        writing.execute(delete(schema.series_later).where(later.report.in_(done)))

    return Piece([], rows[-1].report if len(rows) == LATER else 0, False, ask_again)


def _layout(sources: Sources, connection: Connection, site: str, agent: str, revision: str) -> Layout | None:
    try:
        return sources.layouts.of(connection, site, agent, revision)
    except UNTOLD as error:
        log.warning("inventory %s of %s/%s cannot be read: %s", revision, site, agent, error)
        return None


def lines_of_reports(sources: Sources, connection: Connection, rows: Iterable[Any]) -> tuple[list[bytes], list[int]]:
    """(lines, ids of those whose inventory is lost). A report that is not placed yet comes again under another id."""
    found: dict[str, list[_Read]] = {}
    unnamed = []
    for row in rows:
        if not row.placed:
            continue
        layout = _layout(sources, connection, row.site, row.agent, row.revision)
        if layout is None:
            unnamed.append(row.id)
            continue
        try:
            report = reports.decode(row.payload)
            reports.fits(report, layout.inventory)
            columns = reports.absolute(report, layout.inventory)
        except WireError as error:  # believed when it came, by older bounds, or damaged since
            log.warning("report %d of %s/%s is not sent: %s", row.id, row.site, row.agent, error)
            continue
        read = _Read(row.id, row.agent, layout, report, columns, reports.minutes_of(report))
        found.setdefault(row.site, []).append(read)
    lines = []
    for site, mine in found.items():
        for near in _near_each_other(mine):
            lines += _of_site(sources, site, near)
    return lines, unnamed


def _near_each_other(found: list[_Read]) -> Iterator[list[_Read]]:
    near: list[_Read] = []
    for one in sorted(found, key=lambda one: one.minutes[0]):
        if near and one.minutes[0] > near[-1].minutes[-1] + APART_MINUTES:
            yield near
            near = []
        near.append(one)
    if near:
        yield near


def _of_site(sources: Sources, site: str, found: Sequence[_Read]) -> list[bytes]:
    first, end = min(one.minutes[0] for one in found), max(one.minutes[-1] for one in found) + 1
    signals = sorted({signal for one in found for signal in one.layout.signals if signal})
    with sources.engine.connect() as fresh:  # the ledger may be being sealed while we read
        rows = sources.ledger.read(fresh, site, signals, first, end)

    def lines_of(one: _Read) -> list[bytes]:
        owns = series_reports.ownership(sources.layouts, site, one.agent, one.layout)
        return sources.encoder.report(site, one.agent, one.layout, one.report, one.columns, owns, rows, first)

    return each("report", found, lines_of)


# ---- contact, outages, verdicts ----------------------------------------------------------------------------


def read_contact(sources: Sources, connection: Connection, position: int) -> Piece | None:
    table = schema.contact_minute.c
    query = select(schema.contact_minute).where(table.minute > position).order_by(table.minute)
    rows = connection.execute(query.limit(CONTACT_MINUTES)).all()
    if not rows:
        return None
    return Piece(contact_lines(sources, rows), rows[-1].minute, len(rows) == CONTACT_MINUTES)


def contact_lines(sources: Sources, rows: Iterable[Any], site: str = "") -> list[bytes]:
    def lines_of(row: Any) -> Iterator[bytes]:
        seconds: dict[str, int] = json.loads(codec.inflate(row.payload))
        for one, up in seconds.items():
            if not site or one == site:
                yield from sources.encoder.signal(one, CONTACT, bytes([up]), row.minute)

    return each("contact minute", rows, lines_of)


def read_verdicts(sources: Sources, connection: Connection, position: int) -> Piece | None:
    table = schema.issued.c
    rows = connection.execute(
        select(table.id, table.revision, table.body).where(table.id > position).order_by(table.id).limit(VERDICTS)
    ).all()
    if not rows:
        return None
    return Piece(verdict_lines(sources, connection, rows), rows[-1].id, len(rows) == VERDICTS)


def verdict_lines(sources: Sources, connection: Connection, rows: Iterable[Any], *, whole: bool = False) -> list[bytes]:
    """whole: with all units, not only those that a revision changed."""

    def lines_of(row: Any) -> Iterator[str]:
        found = issued.read_units(connection, row.id)
        units = found[1] if found else None
        issue = found[0] if found else issued.read_issues(connection, before=row.id + 1, limit=1)[0]
        # A revision holds only the units that are others now.
        part = row.revision and units is not None and not whole
        changed = issued_units.unpack(row.body) if part else units or ()
        kind = sources.unit_kinds.get((issue.plan, issue.target), "")
        yield from of_issue(issue, units, changed, kind, sources.places, sources.stamps)

    return encoded(each("verdict", rows, lines_of))


# ---- days --------------------------------------------------------------------------------------------------


def read_days(sources: Sources, connection: Connection, position: int) -> Piece | None:
    table = schema.day_digest.c
    query = select(table.id, table.site, table.day, table.revision).where(table.id > position)
    with sources.engine.connect() as fresh:  # Sums wants one that has read nothing yet
        rows = fresh.execute(query.order_by(table.id).limit(DAYS)).all()
    if not rows:
        return None
    return Piece(day_lines(sources, connection, rows), rows[-1].id, len(rows) == DAYS)


def read_recounted(sources: Sources, connection: Connection, position: int) -> Piece | None:
    """Days whose lessons are others now: their sums are, too. No digest tells of it."""
    touched, digest = schema.touched.c, schema.day_digest.c
    with sources.engine.connect() as fresh:
        last = fresh.scalar(select(func.max(touched.id))) or 0
        mine = touched.id.between(position + 1, last) & (touched.why == "calendar")
        row = fresh.execute(select(schema.touched).where(mine).order_by(touched.id).limit(1)).first()
        if row is None:  # nor are the others looked through for ever: years make millions
            return Piece([], last) if last > position + TOUCHED else None
        days = digest.day.between(day_of(row.first_minute), day_of(row.end_minute - 1))
        newest = select(digest.site, digest.day, func.max(digest.revision).label("revision"))
        rows = fresh.execute(newest.where(digest.site == row.site, days).group_by(digest.site, digest.day)).all()
    return Piece(day_lines(sources, connection, rows), row.id, True)


def day_lines(sources: Sources, connection: Connection, rows: Iterable[Any]) -> list[bytes]:
    """By the one calculator, as it counts now: a day's later revision may be in it already."""
    calendar = sources.calendar()
    sums = Sums(connection, sources.ledger, calendar)
    recounts = connection.scalar(select(func.count()).select_from(schema.calendar_change)) or 0
    days: dict[int, dict[str, int]] = {}
    for row in rows:
        days.setdefault(row.day, {})[row.site] = row.revision
    lines: list[str] = []
    for day, sites in sorted(days.items()):
        first, end = first_minute_of(day), first_minute_of(day + 1)
        with sources.engine.connect() as fresh:
            wanted = {site: sources.ledger.signals(fresh, site, first, end) for site in sites}
        for (site, signal), found in sums.read(wanted, first, end).items():
            told = not calendar.of_site(site).says_nothing
            revision = sites[site] + recounts
            lines += sources.days.of(site, day, signal, found, revision, sources.stamps, lessons=told)
    return encoded(lines)


# ---- health ------------------------------------------------------------------------------------------------


def read_health(sources: Sources, connection: Connection, position: int) -> Piece | None:
    table = schema.health.c
    query = select(schema.health).where(table.minute > position).order_by(table.minute).limit(HEALTH_MINUTES)
    rows = connection.execute(query).all()
    if not rows:
        return None

    def lines_of(row: Any) -> Iterator[str]:
        yield of_health(sources.server, row.minute, json.loads(row.payload))

    return Piece(encoded(each("health", rows, lines_of)), rows[-1].minute, len(rows) == HEALTH_MINUTES)


STREAMS: Final[dict[str, Read]] = {
    "reports": read_reports,
    "contact": read_contact,
    "health": read_health,
    "outages": series_outages.read_outages,
    "verdicts": read_verdicts,
    "days": read_days,
    "recounted": read_recounted,
    "later": read_later,
}
