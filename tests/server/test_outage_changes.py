"""Which outages are noted for the time-series store: all that change, one that lasts less and less often."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select
from tests.server.school import register

from schoolbeat_server import database, outage_changes, schema, series_setup
from schoolbeat_server.database import writing
from schoolbeat_server.outage_changes import OutageChanges
from schoolbeat_server.outages import Outage
from schoolbeat_server.settings import Series

STORE = Series(kind="victoriametrics", url="http://127.0.0.1:1")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1"])
    yield engine
    engine.dispose()


def followed(engine: Engine, store: Series = STORE) -> OutageChanges:
    series_setup.prepare(engine, store, 0)
    found = OutageChanges()
    with engine.connect() as connection:
        found.load(connection)
    return found


def rows(engine: Engine) -> list[tuple[object, ...]]:
    """(id, site, signal, first minute, version)"""
    with engine.connect() as connection:
        return [
            tuple(row) for row in connection.execute(select(schema.outage_change).order_by(schema.outage_change.c.id))
        ]


def flush(engine: Engine, changes: OutageChanges) -> None:
    with writing(engine) as connection:
        changes.flush(connection)


def outage(first: int, last: int, end: int | None = None) -> Outage:
    return Outage(first, last, end, (last - first + 1) * 60)


def test_without_a_store_nothing_is_noted(engine: Engine) -> None:
    changes = followed(engine, Series())

    changes.note("s1", "line.isp", outage(5, 6), "line.isp", 0)
    changes.note_all([("s1", "line.isp", 5)])
    flush(engine, changes)

    assert rows(engine) == []


def test_each_change_has_the_highest_number_and_one_version_more(engine: Engine) -> None:
    changes = followed(engine)
    for last in (5, 6):
        changes.note("s1", "line.isp", outage(5, last), "line.isp", 0)
        flush(engine, changes)
    changes.note("s1", "device.a", outage(7, 7, 8), "device.a", 0)
    flush(engine, changes)
    changes.note("s1", "line.isp", outage(5, 6, 7), "line.isp", 1)
    flush(engine, changes)

    assert rows(engine) == [(3, "s1", "device.a", 7, 1), (4, "s1", "line.isp", 5, 3)]


def test_a_batch_notes_an_outage_once(engine: Engine) -> None:
    changes = followed(engine)

    for last in range(5, 15):
        changes.note("s1", "line.isp", outage(5, last), "line.isp", 0)
    flush(engine, changes)

    assert rows(engine) == [(1, "s1", "line.isp", 5, 1)]


def test_one_that_lasts_for_months_stays_within_its_minute(engine: Engine) -> None:
    changes, noted = followed(engine), 0
    for last in range(60 * 1_440):
        changes.note("s1", "line.isp", outage(0, last), "line.isp", 0)
        noted += len(changes.waiting)
        changes.waiting.clear()

    assert noted == 60 + (1_440 - 60) // 10 + 59 * 24
    assert noted < 10_000  # of the 60,000 ms that a minute has


@pytest.mark.parametrize(
    ("last", "why", "lessons", "expected"),
    [(5_000, "line.isp", 3, 0), (5_001, "power", 3, 1), (5_001, "line.isp", 4, 1)],
)
def test_of_one_that_lasts_another_cause_or_lesson_is_noted_at_once(
    engine: Engine, last: int, why: str, lessons: int, expected: int
) -> None:
    changes = followed(engine)
    changes.note("s1", "site.contact", outage(0, 5_000), "line.isp", 3)
    changes.waiting.clear()

    changes.note("s1", "site.contact", outage(0, last), why, lessons)

    assert len(changes.waiting) == expected


def test_one_taken_back_and_found_again_is_noted_again(engine: Engine) -> None:
    changes = followed(engine)
    changes.note("s1", "line.isp", outage(5, 6), "line.isp", 0)
    flush(engine, changes)
    changes.note_all([("s1", "line.isp", 5)])
    flush(engine, changes)
    changes.note("s1", "line.isp", outage(5, 6), "line.isp", 0)
    flush(engine, changes)

    assert rows(engine) == [(3, "s1", "line.isp", 5, 3)]


def test_another_store_takes_all_in_and_none_lets_go(engine: Engine) -> None:
    changes = followed(engine)
    changes.note_all([("s1", "line.isp", 5)])  # taken back since: no row of its own
    flush(engine, changes)
    with writing(engine) as connection:
        table = schema.outage
        values = {"site": "s1", "signal": "lan.router", "first_minute": 9, "last_minute": 9, "down_seconds": 60}
        connection.execute(insert(table).values(values))

    series_setup.prepare(engine, STORE, 0)
    same = rows(engine)
    series_setup.prepare(engine, Series(kind="influxdb1", url="http://127.0.0.1:2", database="x"), 0)
    other = rows(engine)
    series_setup.prepare(engine, Series(), 0)

    assert same == [(1, "s1", "line.isp", 5, 1)]
    assert other == [(2, "s1", "line.isp", 5, 2), (3, "s1", "lan.router", 9, 1)]
    assert not followed(engine, Series()).followed
    with engine.connect() as connection:
        assert connection.execute(select(schema.series_cursor)).all() == []


def test_taking_all_in_of_nothing_is_nothing(engine: Engine) -> None:
    with writing(engine) as connection:
        connection.execute(delete(schema.outage))

        assert outage_changes.take_in_all(connection) == 0
