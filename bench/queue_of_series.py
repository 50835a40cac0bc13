"""The series queue: a province's backlog from stored reports to VictoriaMetrics, read, gzipped, written, moved on.

Reports of a minute with 60 devices x 8 readings and 70 signals, as the wire packs them. What a minute of live reports
costs follows from it; by CPU of our process, and by the clock with the store on the same machine.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import msgspec
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.server import synthetic
from tests.server.school import register
from tests.stores import VictoriaMetrics, victoria_metrics

import wire as wire_bench
from schoolbeat_server import database, schema, series_now, series_setup
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.database import writing
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.series_places import read_places
from schoolbeat_server.series_queue import SeriesQueue
from schoolbeat_server.series_store import open_store
from schoolbeat_server.settings import Settings
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics

SITES, MINUTES = 200, 30
PROVINCE = 1_400  # sites; a report a minute each
SCHOOLS, ROOMS = 1_120, 10  # of the synthetic one, with 1,400 sites and 60 devices in each


def measure() -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder, victoria_metrics(Path(folder)) as store:
        cpu, wall, stored = _backlog(Path(folder), store)
    with tempfile.TemporaryDirectory() as folder:
        now, places = _snapshot(Path(folder))
    assert stored == SITES * MINUTES, f"{stored} of {SITES * MINUTES} minutes of a signal are stored"
    day = PROVINCE * 1_440 * cpu / 60
    return [
        ("a stored report on to VictoriaMetrics, CPU of the server", f"{1_000 * cpu:.2f} ms", ""),
        (f"live reports of {PROVINCE} sites, share of a core", f"{100 * PROVINCE * cpu / 60:.1f} %", ""),
        (f"a day's backlog of {PROVINCE} sites, CPU", f"{day:.0f} min", ""),
        ("the same by the clock, busy machine with the store on it", f"{PROVINCE * 1_440 * wall / 60:.0f} min", ""),
        ("states of 1,400 sites, their agents and 14,000 rooms every 5 minutes, CPU", f"{now:.2f} s", ""),
        ("their register (84,000 devices) read as tags every 4 minutes, CPU", f"{places:.2f} s", ""),
    ]


def _backlog(folder: Path, program: VictoriaMetrics) -> tuple[float, float, int]:
    """Seconds of CPU and by the clock for a report; how many minutes of a signal are in the store."""
    engine = database.open_database(folder / "schoolbeat.db")
    register(engine, [f"s{number}" for number in range(SITES)])
    first = wire_bench.FIRST_MINUTE
    clock = [(first + 1) * 60_000]
    series_setup.prepare(engine, program.settings, clock[0])
    ingest = Ingest(engine, database.server_id(engine), ContactBook(0), lambda: clock[0])
    ingest.load()
    of = wire_bench._inventory()
    inventory, rows = inventories.encode(of), wire_bench._minutes(of, MINUTES)
    _take(ingest, "inventory", inventory, retained=True)
    for at, row in enumerate(rows):
        clock[0] = (first + at + 1) * 60_000
        placed = msgspec.structs.replace(row, seq=at, minute=first + at)
        _take(ingest, "report", reports.encode(reports.pack(wire_bench.EPOCH, of.revision, [placed], of)))
    ingest.ledger.seal(first + 10_000, ingest.next_report_id - 1, 0)
    settings = Settings(folder, series=program.settings)
    store = open_store(program.settings)
    queue = SeriesQueue(engine, ingest.ledger, ingest.layouts, SchoolCalendar, store, settings, lambda: clock[0])
    cpu, wall = time.process_time(), time.perf_counter()
    while queue.step():
        pass
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert queue.trouble.now is None
    store.close()
    engine.dispose()
    count = SITES * MINUTES
    return cpu / count, wall / count, program.points('schoolbeat_minute_up_seconds{signal="line.internet"}')


def _take(ingest: Ingest, kind: str, payload: bytes, *, retained: bool = False) -> None:
    messages = [
        Message(topics.topic(f"s{number}", "gateway", kind), payload, retained, None)  # type: ignore[arg-type]
        for number in range(SITES)
    ]
    ingest.commit(messages, lambda _batch: None)


def _snapshot(folder: Path) -> tuple[float, float]:
    """Seconds of CPU: of the states of now, of reading the register."""
    made = synthetic.make(folder / "schoolbeat.db", SCHOOLS)
    kinds = ("board", "access_point", "camera")
    with writing(made.engine) as connection:
        rooms = [(f"{site}-p{at}", site) for site in made.sites for at in range(ROOMS)]
        named = [
            {"id": room, "site": site, "name": room, "kind": "classroom", "smart_level": 1} for room, site in rooms
        ]
        connection.execute(insert(schema.room), named)
        devices = [
            {"site": site, "id": f"x{at}", "kind": kinds[at % 3], "room": f"{site}-p{at % ROOMS}", "name": f"Máy {at}"}
            for site in made.sites
            for at in range(wire_bench.DEVICES)
        ]
        connection.execute(insert(schema.device), devices)
    settings = Settings(folder)
    queue = SeriesQueue(
        made.engine, made.ledger, Layouts(), SchoolCalendar, _NoStore(), settings, lambda: synthetic.NOW_MS
    )
    cpu = time.process_time()
    assert len(series_now.lines_of_now(queue.sources, synthetic.NOW_MS)) > 2_000
    now = time.process_time() - cpu
    cpu = time.process_time()
    with made.engine.connect() as connection:
        assert len(read_places(connection).sites) == len(made.sites)
    return now, time.process_time() - cpu


class _NoStore:
    """Is never asked."""

    settles_seconds = 0.0

    def write(self, lines: bytes) -> None:
        raise AssertionError

    def about(self) -> None:
        raise AssertionError

    def close(self) -> None: ...


if __name__ == "__main__":
    for name, figure, wanted in measure():
        print(f"{name}: {figure} {wanted}")
