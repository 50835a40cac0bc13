"""Ledger, outages, off-minutes and speed tests of some days, made again from the stored reports in one transaction."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable
from functools import cache
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import facts, issued, kept_days, proof, schema, series_again, summaries
from schoolbeat_server.database import get_meta, writing
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import DAY, Ledger, pack_day, unpack_day
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.verify import merge_contact
from schoolbeat_wire.catalogue import UNKNOWN

Why = Literal["rebuilt", "retracted"]

MOST_DAYS: Final = 40  # of one site at once, so that memory stays small


class Rebuilt(NamedTuple):
    """What was done at one site. ledger_days: UTC days whose row is another now; outages: rows that changed.
    refused: local days whose reports are not what their digest says; lost: minutes that became unknown; facts: rows of
    off-minutes and speed tests that changed."""

    site: str
    days: int
    ledger_days: int
    outages: int
    refused: tuple[int, ...]
    lost: int
    facts: int = 0


class Copy(NamedTuple):
    """A day of the ledger, made again. payload None: nothing was reported. lost: see Rebuilt."""

    day: int  # UTC
    payload: bytes | None
    before: bytes | None
    signals: frozenset[str]
    lost: int


def first_kept_day(connection: Connection) -> int:
    """The first local day of which every report is still there; that of the oldest report on a young server, and of
    one that has none a day that never comes."""
    kept = proof.kept_from(connection)
    if kept:
        return day_of(kept + DAY - 1)
    oldest = connection.scalar(select(func.min(schema.report.c.first_minute)))
    return day_of(oldest if oldest is not None else 2**31)


def rebuild_site(ingest: Ingest, site: str, first_day: int, end_day: int, now_ms: int) -> Rebuilt:
    """The local days [first_day, end_day) of the site. The server must not be running; `ingest` is loaded.

    Days whose reports were altered or are no longer all there are refused: their ledger stands by its digest."""
    days = ledger_days = outages = lost = of_facts = 0
    refused: list[int] = []
    for start in range(first_day, end_day, MOST_DAYS):
        part = _rebuild(ingest, site, start, min(start + MOST_DAYS, end_day), now_ms)
        days, ledger_days, outages = days + part.days, ledger_days + part.ledger_days, outages + part.outages
        refused += part.refused
        lost, of_facts = lost + part.lost, of_facts + part.facts
    return Rebuilt(site, days, ledger_days, outages, tuple(refused), lost, of_facts)


def _rebuild(ingest: Ingest, site: str, first_day: int, end_day: int, now_ms: int) -> Rebuilt:
    with ingest.engine.connect() as connection:
        around = range(first_day - 1, end_day + 1)
        refused = {day for day in around if not is_sound(connection, ingest.layouts, site, day)}
    days = [day for day in range(first_day, end_day) if day not in refused]
    with writing(ingest.engine) as connection:
        done = remake(connection, ingest, site, days, refused, now_ms, "rebuilt")
    return done._replace(refused=tuple(sorted(day for day in refused if first_day <= day < end_day)))


def remake(
    connection: Connection,
    ingest: Ingest,
    site: str,
    days: Collection[int],
    refused: Collection[int],
    now_ms: int,
    why: Why,
) -> Rebuilt:
    """The local days, sound ones, from what is stored now. refused: days beside them that are not to be touched."""
    wanted = sorted({(first_minute_of(day) + at) // DAY for day in days for at in (0, DAY - 1)})
    copies = [copy for day in wanted if (copy := _copy(connection, ingest.layouts, site, day, refused))]
    changed = [copy for copy in copies if copy.payload != copy.before]
    for copy in changed:
        _put(connection, site, copy)
    lines = _put_facts(connection, ingest, site, days, now_ms)
    outages = 0
    for copy in copies:
        lo, hi = copy.day * DAY, copy.day * DAY + DAY - 1
        outages += ingest.outages.find_again(connection, site, lo, hi, copy.signals)
    ingest.outages.flush(connection)
    touched = {day_of(copy.day * DAY + at) for copy in changed for at in (0, DAY - 1)}
    touched |= {day for day, found in lines.items() if found} | (set(days) if why == "retracted" else set())
    digested = int(get_meta(connection, "digested_to") or 0)
    for day in sorted(touched):
        _say(connection, ingest, site, day, now_ms, why)
        if day < digested:
            summaries.make_day(connection, ingest.ledger, ingest.asked.calendar, site, day)
    touched |= {day for day in days if day < digested and kept_days.make_day(connection, ingest.layouts, site, day)}
    over = [(site, first_minute_of(day), first_minute_of(day + 1), why) for day in touched if day < _today(now_ms)]
    issued.touch(connection, over, now_ms)
    for day in sorted(touched):
        series_again.was_made_again(connection, site, first_minute_of(day), first_minute_of(day + 1), now_ms)
    others = sum(len(found) for found in lines.values())
    return Rebuilt(site, len(days), len(changed), outages, (), sum(copy.lost for copy in changed), others)


def _today(now_ms: int) -> int:
    return day_of(now_ms // 60_000)


def _put_facts(
    connection: Connection, ingest: Ingest, site: str, days: Collection[int], now_ms: int
) -> dict[int, set[facts.Line]]:
    """By local day, the off-minutes and speed tests that are others now."""
    if not days:
        return {}
    told = proof.read_told(connection, site, first_minute_of(min(days)), 2**31, up_to=2**62)
    sayings = facts.collect(connection, ingest.layouts, site, told)
    found: dict[int, set[facts.Line]] = {}

    @cache
    def later_days_are_sound() -> bool:
        later = (day for day in range(min(days), _today(now_ms) + 1) if day not in days)
        return all(is_sound(connection, ingest.layouts, site, day) for day in later)

    for day in days:
        first, end = first_minute_of(day), first_minute_of(day + 1)
        found[day] = facts.put(connection, site, sayings, first, end, later_days_are_sound)
    return found


def is_sound(connection: Connection, layouts: Layouts, site: str, day: int) -> bool:
    """Its reports are those of its digest, or it has none yet."""
    row = proof.newest_of_day(connection, site, day)
    first, end = first_minute_of(day), first_minute_of(day + 1)
    if first < proof.kept_from(connection):
        return False
    if row is None:
        return True
    reader = proof.DayReader(connection, layouts, site, first, end)
    reader.take(proof.read_told(connection, site, first, end, up_to=row.last_report))
    return bool(reader.digests()[1][0] == row.of_reports)


def _copy(connection: Connection, layouts: Layouts, site: str, day: int, refused: Iterable[int]) -> Copy | None:
    """Of minutes on refused local days what the ledger says is kept."""
    first, end = day * DAY, (day + 1) * DAY
    made = Ledger(connection.engine)
    sealed_report, sealed_contact = made.sealed_up_to(connection)
    merge_contact(connection, made, site, first, min(end, sealed_contact + 1))
    reader = proof.DayReader(connection, layouts, site, first, end)
    reader.ledger = made
    reader.take(proof.read_told(connection, site, first, end, up_to=sealed_report))
    rows = made.rows(None, site, first, end)
    table = schema.ledger_day.c
    before = connection.scalar(select(table.payload).where(table.site == site, table.day == day))
    lost = 0
    for local in {day_of(first), day_of(end - 1)} & set(refused):
        low, high = max(first, first_minute_of(local)) - first, min(end, first_minute_of(local + 1)) - first
        lost += _keep(rows, before, low, high)
    return Copy(day, pack_day(rows) if rows else None, before, frozenset(rows), lost)


def _keep(rows: dict[str, bytes], before: bytes | None, low: int, high: int) -> int:
    """The stored ledger's minutes [low, high) stay. How many minutes of signals are lost because it is damaged."""
    blank = bytes([UNKNOWN])
    try:
        old = unpack_day(before) if before is not None else {}
    except (zlib.error, ValueError):
        return high - low
    for signal in {*rows, *old}:
        data = rows.get(signal, blank * DAY)
        rows[signal] = data[:low] + old.get(signal, blank * DAY)[low:high] + data[high:]
    return 0


def _put(connection: Connection, site: str, copy: Copy) -> None:
    table = schema.ledger_day
    if copy.payload is None:
        connection.execute(delete(table).where(table.c.site == site, table.c.day == copy.day))
        return
    statement = insert(table).values(site=site, day=copy.day, payload=copy.payload)
    connection.execute(statement.on_conflict_do_update(index_elements=["site", "day"], set_={"payload": copy.payload}))


def _say(connection: Connection, ingest: Ingest, site: str, day: int, now_ms: int, why: Why) -> None:
    """A digest that was made of what was damaged, or of what does not count any more, gets a revision."""
    row = proof.newest_of_day(connection, site, day)
    if row is None:
        return
    due = proof.draft(connection, ingest.layouts, ingest.ledger, site, day, row.last_report, why)
    if due is not None:
        proof.write(connection, due, now_ms)
