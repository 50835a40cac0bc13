"""A calendar revised over a province: a storm's day and another shift for a month, found anew from measured minutes."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from sqlalchemy import Engine, func, insert, select

sys.path.insert(0, str(Path(__file__).parents[1]))

from schoolbeat_server import calendar_rows, database, schema
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.calendar_revision import CalendarRevision
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.ledger import DAY, pack_day
from schoolbeat_server.school_calendar import LessonTime, Rule, day_number, first_minute_of
from year import DEVICES, SIGNALS, SITES, _a_day

FIRST = day_number(date(2026, 9, 7))
DAYS = 30
MORNING = tuple(LessonTime(first, first + 45, "sáng") for first in (420, 470, 530, 580, 630))
AFTERNOON = tuple(LessonTime(first, first + 45, "chiều") for first in (810, 860, 920))
YEAR = Rule("province", "", "week", FIRST, FIRST + 260, (0, 1, 2, 3, 4), MORNING)
STORM = Rule("province", "", "closed", FIRST + 9, FIRST + 10, why="bão")
BOTH = Rule("province", "", "week", FIRST, FIRST + 260, (0, 1, 2, 3, 4), MORNING + AFTERNOON)
BOARDS = 20  # devices that are asked for in lessons only


def measure(sites: int = SITES) -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        engine = database.open_database(Path(folder) / "schoolbeat.db")
        _fill(engine, sites, random.Random(3))
        now_ms = first_minute_of(FIRST + DAYS) * 60_000
        ingest = Ingest(engine, "ab" * 8, ContactBook(0), lambda: now_ms)
        ingest.load()
        revision = CalendarRevision(ingest)
        rows = []
        for name, rules in (
            ("the first calendar, a month measured", {YEAR}),
            ("a storm's day, closed", {YEAR, STORM}),
            ("the shifts of the whole month changed", {BOTH, STORM}),
        ):
            calendar_rows.store(
                engine, Document("tinh", frozenset(rules), ()), "x", who="bench", why=name, now_ms=now_ms
            )
            rows.append(
                (f"calendar revised over {sites} sites × {len(SIGNALS)} signals: {name}", _revise(revision), "")
            )
        engine.dispose()
    return rows


def _revise(revision: CalendarRevision) -> str:
    cpu, wall, steps, longest = time.process_time(), time.perf_counter(), 0, []
    revision.look()
    begun = time.perf_counter() - wall
    while revision.busy:
        began = time.perf_counter()
        revision.step()
        longest.append(time.perf_counter() - began)
        steps += 1
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    with revision.ingest.engine.connect() as connection:
        changed = connection.scalar(
            select(schema.calendar_change.c.outages).order_by(schema.calendar_change.c.id.desc())
        )
        kept = connection.scalar(select(func.count()).select_from(schema.outage))
    slowest = sorted(longest)[-1] * 1e3
    usual = sorted(longest)[len(longest) // 2] * 1e3
    return (
        f"{cpu:.0f} s CPU, {wall:.0f} s wall in {steps} steps (half ≤ {usual:.0f} ms, longest {slowest:.0f} ms; "
        f"begun in {begun:.1f} s); {changed} of {kept} outages changed"
    )


def _fill(engine: Engine, sites: int, rng: random.Random) -> None:
    payloads = [pack_day(_a_day(rng)) for _ in range(100)]
    names = [f"s{number}" for number in range(sites)]
    days = range(first_minute_of(FIRST) // DAY, first_minute_of(FIRST + DAYS) // DAY)
    with database.writing(engine) as connection:
        connection.execute(insert(schema.area), [{"id": "p", "name": "Tỉnh", "kind": "province"}])
        for name in names:
            connection.execute(insert(schema.school), [{"id": name, "name": name, "area": "p", "level": "primary"}])
            connection.execute(insert(schema.site), [{"id": name, "school": name, "name": name}])
            devices = [
                {"site": name, "id": f"{number:02}", "kind": "board" if number < BOARDS else "camera"}
                for number in range(DEVICES)
            ]
            connection.execute(insert(schema.device), devices)
            rows = [{"site": name, "day": day, "payload": payloads[rng.randrange(100)]} for day in days]
            connection.execute(insert(schema.ledger_day), rows)


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else SITES):
        print(*row, sep="\n    ")
