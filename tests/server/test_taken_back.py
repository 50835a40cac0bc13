"""What an agent takes back, because the clock that placed it never was right, counts as unknown, in any order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.server.school import School, register
from tests.server.test_breaks_ledger import Server, outage_rows

from schoolbeat_server import database, schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

NOW = 29_394_905


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1"])
    yield engine
    engine.dispose()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Server:
    return Server(engine, tmp_path, NOW * 60)


def internet(server: Server, first: int, end: int) -> bytes:
    return server.read("s1", ["line.internet"], NOW + first, NOW + end)["line.internet"]


def test_a_minute_taken_back_is_unknown_and_its_outage_never_was(engine: Engine, server: Server) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(NOW - 9), school.minute(NOW - 8, line_internet=0))
    server.step(school.minute(NOW - 7, line_internet=20), school.minute(NOW - 6))
    before = outage_rows(engine)

    server.step(*(school.report(school.rows(NOW - ago, [bytes([DISPUTED] * 6)])) for ago in (8, 7, 6)))

    assert [row[0] for row in before] == ["line.internet"]
    assert outage_rows(engine) == []
    assert internet(server, -9, -5) == bytes([60, DISPUTED, DISPUTED, DISPUTED])
    assert availability(internet(server, -9, -5)) == Availability(60, 0, 0, 180)


def test_the_order_in_which_they_come_does_not_matter(engine: Engine, server: Server) -> None:
    school = School("s1")
    wrong = school.minute(NOW - 8, line_internet=0)
    back = school.report(school.rows(NOW - 8, [bytes([DISPUTED] * 5 + [UNKNOWN])]))

    server.step(school.inventory_message(), back, wrong, school.minute(NOW - 7))

    assert internet(server, -8, -6) == bytes([DISPUTED, 60])
    assert outage_rows(engine) == []


def test_of_what_an_agent_says_of_its_absence_the_last_word_stands(server: Server) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(NOW - 60))
    row = school.signal_row()
    server.step(school.report(school.rows(NOW - 20, [row], off=[(NOW - 57, 37, "power")])))
    claimed = internet(server, -60, -19)

    server.step(
        school.report(school.rows(NOW - 18, [row], off=[(NOW - 57, 10, "power"), (NOW - 47, 27, "interrupted")]))
    )

    assert claimed == bytes([60] + [UNKNOWN] * 2 + [OFF] * 37 + [60])
    assert internet(server, -60, -19) == bytes([60] + [UNKNOWN] * 2 + [OFF] * 10 + [UNKNOWN] * 27 + [60])


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_last_word_stands_though_a_backlog_comes_newest_first(
    engine: Engine, server: Server, order: tuple[int, ...]
) -> None:
    school = School("s1")
    row = school.signal_row()
    told = [
        school.minute(NOW - 60),
        school.report(school.rows(NOW - 20, [row], off=[(NOW - 57, 37, "power")])),
        school.report(school.rows(NOW - 19, [row], off=[(NOW - 57, 10, "power")])),
    ]
    server.step(school.inventory_message())

    for index in order:
        server.step(told[index])

    with engine.connect() as connection:
        off = schema.off.c
        kept = connection.execute(select(off.first_minute, off.count, off.reason, off.epoch, off.seq)).all()
    assert kept == [(NOW - 57, 10, "power", school.epoch, 2)]
    assert internet(server, -60, -18) == bytes([60] + [UNKNOWN] * 2 + [OFF] * 10 + [UNKNOWN] * 27 + [60] * 2)


def test_of_another_epoch_the_word_that_comes_last_stands(server: Server) -> None:
    old, new = School("s1", seq=500), School("s1", epoch="cd" * 8)
    row = old.signal_row()
    server.step(old.inventory_message(), old.report(old.rows(NOW - 20, [row], off=[(NOW - 57, 37, "power")])))

    server.step(new.report(new.rows(NOW - 19, [row], off=[(NOW - 57, 10, "power")])))

    assert internet(server, -57, -18) == bytes([OFF] * 10 + [UNKNOWN] * 27 + [60] * 2)
