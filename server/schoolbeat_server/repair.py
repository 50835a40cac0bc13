"""Puts a damaged database right: what can be read goes into a new file, what cannot is asked of the agents again."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, select, update

from schoolbeat_server import backup, damage, database, facts, issued, rebuild, schema, summaries
from schoolbeat_server.ingest import WANTED, Ingest
from schoolbeat_server.ledger import DAY, unpack_day
from schoolbeat_server.ranges import Ranges
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.sums import SUMMED_TO
from schoolbeat_wire import codec
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.errors import WireError

TOGETHER: Final = 1_000  # rows asked for at once; where that fails, fewer and fewer
WIDEST_HOLE: Final = 10_000  # row numbers that cannot be read, until the search in a table ends
TOLD: Final = ("epoch", "seq", "count", "revision", "first_minute", "last_minute")  # by a report and by its row
UNTOLD: Final = 2**40  # a highest row number that no table reaches
_UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError)


class Gone(NamedTuple):
    """Minutes of a site's agent that are no longer stored; the agent is asked for those it still holds."""

    site: str
    first_minute: int
    last_minute: int


class Repaired(NamedTuple):
    """aside: the damaged file, if a new one was made. rows: read, by table. lost: places that could not be read, by
    table. gone: reports thrown away because they are not what came. ledger: (site, UTC day) that could not be read."""

    aside: Path | None
    rows: dict[str, int]
    lost: dict[str, int]
    gone: list[Gone]
    ledger: list[tuple[str, int]]


# ---- the file ----------------------------------------------------------------------------------------------


def new_file(path: Path) -> tuple[Path, dict[str, int], dict[str, int]]:
    """Every row that can be read, in a new file in the place of the old one: (old one, rows, places that failed)."""
    new = path.with_name(path.name + ".repaired")
    for part in ("-wal", "-shm", ""):
        new.with_name(new.name + part).unlink(missing_ok=True)
    engine = database.open_database(new)
    engine.dispose()
    rows: dict[str, int] = {}
    lost: dict[str, int] = {}
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(new)) as target:
        source.text_factory = bytes
        target.execute("PRAGMA foreign_keys = OFF")
        for table in schema.metadata.sorted_tables:
            names = [column.name for column in table.columns]
            count, failed = _copy_table(source, target, table.name, names)
            rows[table.name] = count
            if failed:
                lost[table.name] = failed
        _keep_numbers(target, _numbers_used(source))
        target.commit()
    aside = backup.set_aside(path)
    assert aside is not None
    new.replace(path)
    return aside, rows, lost


def _numbers_used(source: sqlite3.Connection) -> int:
    """The highest number that a report had, as far as anything still says so."""
    highest = 0
    for question in (
        "SELECT seq FROM sqlite_sequence WHERE name = 'report'",
        "SELECT max(id) FROM report",
        "SELECT max(last_report) FROM day_digest",
        "SELECT max(report_id) FROM latest",
        "SELECT value FROM meta WHERE key = 'sealed_report'",
    ):
        try:
            row = source.execute(question).fetchone()
            highest = max(highest, int(row[0] or 0) if row else 0)
        except (*_UNREADABLE, ValueError):
            pass
    return highest


def _keep_numbers(target: sqlite3.Connection, highest: int) -> None:
    """No report may get a number that was used: up to `sealed_report` the ledger is held to have them all."""
    target.execute("DELETE FROM sqlite_sequence WHERE name = 'report'")
    target.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('report', ?)", (highest,))


def _copy_table(
    source: sqlite3.Connection, target: sqlite3.Connection, name: str, columns: list[str]
) -> tuple[int, int]:
    listed = ", ".join(f'"{column}"' for column in columns)
    marks = ", ".join("?" * len(columns))
    put = f'INSERT OR IGNORE INTO "{name}" ({listed}) VALUES ({marks})'  # noqa: S608 - names of our own schema
    count = failed = 0
    for row in _rows(source, name, listed):
        if row is None:
            failed += 1
            continue
        try:
            values = [value.decode() if isinstance(value, bytes) and kind == "text" else value for kind, value in row]
            count += target.execute(put, values).rowcount
        except _UNREADABLE:
            failed += 1
    return count, failed


def _rows(source: sqlite3.Connection, name: str, listed: str) -> Iterator[list[tuple[str, Any]] | None]:
    """(kind, value) of each column of each row; None for a place where nothing can be read."""
    kinds = ", ".join(f"typeof({column})" for column in listed.split(", "))
    question = f'SELECT {kinds}, {listed} FROM "{name}" NOT INDEXED WHERE rowid >= ? AND rowid < ?'  # noqa: S608
    first, end = _end(source, name, "min", 0), _end(source, name, "max", UNTOLD) + 1
    hole = 0
    while first < end and hole < WIDEST_HOLE:
        chunk = _asked(source, question, first, min(first + TOGETHER, end))
        if not chunk and end > UNTOLD:
            hole += TOGETHER  # nobody says where the table ends
        for found in chunk:
            hole = hole + 1 if found is None else 0
            yield None if found is None else list(zip(
                (kind.decode() for kind in found[: len(found) // 2]), found[len(found) // 2 :], strict=True
            ))  # fmt: skip
        first += TOGETHER


def _end(source: sqlite3.Connection, name: str, which: str, otherwise: int) -> int:
    try:
        found = source.execute(f'SELECT {which}(rowid) FROM "{name}" NOT INDEXED').fetchone()[0]  # noqa: S608
    except _UNREADABLE:
        return otherwise
    return int(found) if found is not None else -1 if which == "max" else 0


def _asked(source: sqlite3.Connection, question: str, first: int, end: int) -> list[tuple[Any, ...] | None]:
    try:
        return list(source.execute(question, (first, end)).fetchmany(TOGETHER))
    except _UNREADABLE:
        if end - first == 1:
            return [None]
        middle = (first + end) // 2
        return _asked(source, question, first, middle) + _asked(source, question, middle, end)


# ---- its contents ------------------------------------------------------------------------------------------


def throw_away(connection: Connection) -> tuple[list[Gone], list[tuple[str, int]]]:
    """Reports that are not what their rows say, inventories that are not their revision, days of the ledger that cannot
    be read: none of them may be counted."""
    gone: list[Gone] = []
    bad: list[int] = []
    for row in connection.execute(select(schema.report)):
        try:
            told = reports.decode(row.payload)
            minutes = reports.minutes_of(told)
            same = (told.epoch, told.seq, told.count, told.revision, minutes[0], minutes[-1])
            if same == tuple(row._mapping[name] for name in TOLD):
                continue
        except (WireError, TypeError):
            pass
        bad.append(row.id)
        gone.append(Gone(row.site, row.first_minute, row.last_minute))
    for ident in bad:
        connection.execute(delete(schema.report).where(schema.report.c.id == ident))
    return gone, _throw_away_days(connection)


def _throw_away_days(connection: Connection) -> list[tuple[str, int]]:
    table = schema.ledger_day.c
    days = []
    for site, day, payload in connection.execute(select(table.site, table.day, table.payload)).all():
        try:
            found = unpack_day(payload)
            if all(len(data) == DAY for data in found.values()):
                continue
        except (zlib.error, ValueError, TypeError):
            pass
        days.append((site, day))
        connection.execute(delete(schema.ledger_day).where(table.site == site, table.day == day))
    return days


def throw_away_contact(connection: Connection) -> int:
    """The server's own minutes that cannot be read: they are unknown."""
    table = schema.contact_minute.c
    bad = []
    for minute, payload in connection.execute(select(table.minute, table.payload)):
        try:
            found = json.loads(codec.inflate(payload))
            if isinstance(found, dict) and all(isinstance(value, int) for value in found.values()):
                continue
        except (WireError, ValueError, TypeError):
            pass
        bad.append(minute)
    for minute in bad:
        connection.execute(delete(schema.contact_minute).where(table.minute == minute))
    return len(bad)


def throw_away_inventories(connection: Connection) -> int:
    """Reports whose inventory is gone wait for it again; the agents are asked."""
    table, report = schema.inventory.c, schema.report.c
    bad = []
    for site, agent, revision, payload in connection.execute(
        select(table.site, table.agent, table.revision, table.payload)
    ).all():
        try:
            if inventories.decode(payload).revision == revision:
                continue
        except (WireError, TypeError):
            pass
        bad.append((site, agent, revision))
    for site, agent, revision in bad:
        connection.execute(
            delete(schema.inventory).where(table.site == site, table.agent == agent, table.revision == revision)
        )
    found = connection.execute(select(table.site, table.agent, table.revision))
    known = {(site, agent, revision) for site, agent, revision in found}
    used = connection.execute(select(report.site, report.agent, report.revision).distinct()).tuples()
    unnamed = sorted({(site, agent, revision) for site, agent, revision in used} - known)
    database.set_meta(connection, WANTED, json.dumps(unnamed))
    for site, agent, revision in unnamed:
        mine = (report.site == site, report.agent == agent, report.revision == revision)
        connection.execute(update(schema.report).where(*mine).values(placed=False))
    return len(bad)


def ask_again(connection: Connection) -> None:
    """Settled is only what is stored: the agents send the rest again, as far as they hold it, and say of what they hold
    no more that it is lost."""
    report, held, epoch = schema.report.c, schema.held.c, schema.epoch.c
    stored: dict[tuple[str, str, str], Ranges] = {}
    for table in (report, held):
        rows = connection.execute(
            select(table.site, table.agent, table.epoch, table.seq, table.count).order_by(table.seq)
        )
        for site, agent, name, seq, count in rows:
            stored.setdefault((site, agent, name), Ranges()).add(seq, seq + count)
    known = set(connection.execute(select(epoch.site, epoch.agent, epoch.epoch)).tuples())
    for key in known | set(stored):
        settled = stored.get(key, Ranges()).to_json()
        if key in known:
            mine = (epoch.site == key[0], epoch.agent == key[1], epoch.epoch == key[2])
            connection.execute(update(schema.epoch).where(*mine).values(settled=settled))
        else:
            row = {"site": key[0], "agent": key[1], "epoch": key[2], "settled": settled, "seen_ms": 0}
            connection.execute(schema.epoch.insert().values(**row))


def declare_again(connection: Connection) -> int:
    """The off-minutes that the stored reports tell of, where table `off` has lost them."""
    report = schema.report.c
    have = set(connection.execute(select(schema.off.c.site, schema.off.c.agent, schema.off.c.first_minute)).tuples())
    lost: dict[tuple[str, str, int], facts.Off] = {}
    told = select(report.site, report.agent, report.payload).order_by(report.id)
    for site, agent, payload in connection.execute(told).all():
        for row in facts.off_rows(site, agent, reports.decode(payload)):
            key = site, agent, row["first_minute"]
            if key not in have and facts.stands(row, lost.get(key)):
                lost[key] = row
    if lost:
        connection.execute(schema.off.insert(), list(lost.values()))
    return len(lost)


def repair(path: Path) -> Repaired:
    """The file and its contents; the ledger is made again afterwards, by `rebuild_all`. The server must not run."""
    aside: Path | None = None
    rows: dict[str, int] = {}
    lost: dict[str, int] = {}
    if damage.structure(path):
        aside, rows, lost = new_file(path)
    engine = database.open_database(path)
    try:
        with database.writing(engine) as connection:
            gone, ledger = throw_away(connection)
            throw_away_inventories(connection)
            throw_away_contact(connection)
            declare_again(connection)
            if aside is not None or gone or _settled_is_damaged(connection):
                ask_again(connection)
    finally:
        engine.dispose()
    damage.unmark(path.parent)
    return Repaired(aside, rows, lost, gone, ledger)


def _settled_is_damaged(connection: Connection) -> bool:
    for text in connection.scalars(select(schema.epoch.c.settled)):
        try:
            Ranges.from_json(text)
        except (ValueError, TypeError):
            return True
    return False


def rebuild_all(ingest: Ingest, now_ms: int) -> Iterator[rebuild.Rebuilt]:
    """Every site, from the first day of which all reports are kept."""
    with ingest.engine.connect() as connection:
        sites = list(connection.scalars(select(schema.site.c.id).order_by(schema.site.c.id)))
        if connection.scalar(select(schema.report.c.id).limit(1)) is None:
            return  # nothing to make it of
        first = rebuild.first_kept_day(connection)
    for site in sites:
        yield rebuild.rebuild_site(ingest, site, first, day_of(now_ms // 60_000) + 1, now_ms)


def recount(ingest: Ingest, thrown_away: Iterable[tuple[str, int]], now_ms: int) -> int:
    """Sums of the local days that have lost minutes say what the ledger says now, and verdicts on them are revised; the
    number of days. thrown_away: (site, UTC day). After `rebuild_all`; once is as good as twice."""
    with database.writing(ingest.engine) as connection:
        lost = {(site, day_of(day * DAY + at)) for site, day in thrown_away for at in (0, DAY - 1)}
        lost.update(unknown_days(connection))
        summed_to = int(database.get_meta(connection, SUMMED_TO) or 0)
        found = sorted((site, day) for site, day in lost if day < summed_to)
        for site, day in found:
            summaries.make_day(connection, ingest.ledger, ingest.asked.calendar, site, day)
        over = [(site, first_minute_of(day), first_minute_of(day + 1), "rebuilt") for site, day in found]
        issued.touch(connection, over, now_ms)
    return len(found)


def unknown_days(connection: Connection) -> list[tuple[str, int]]:
    """(site, local day) that have a digest of minutes and nothing in the ledger: they are unknown from now on."""
    digest, ledger = schema.day_digest.c, schema.ledger_day.c
    have = set(connection.execute(select(ledger.site, ledger.day)).tuples())
    told = connection.execute(select(digest.site, digest.day).where(digest.minutes > 0).distinct()).tuples()
    return sorted(
        (site, day)
        for site, day in told
        if not {(site, (first_minute_of(day) + at) // DAY) for at in (0, DAY - 1)} & have
    )
