"""What a copied machine brought in before it was known for one is taken back, and everything is as if it never spoke."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError
from tests.server.school import CUT_AT_ISP, School, register
from tests.server.test_proof import DAY, NOON, Province

from schoolbeat_server import database, decided, schema
from schoolbeat_server.cli import main
from schoolbeat_server.decided import Refused, Speaker
from schoolbeat_server.retraction import Retraction
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.verify import Change
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import OFF_REASONS

MACHINE, BOOT, COPY_BOOT = "11" * 8, "aa" * 16, "b1" * 16
MORNING = first_minute_of(DAY) + 480


def make(folder: Path) -> Province:
    engine = database.open_database(folder / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    engine.dispose()
    made = Province(folder / "schoolbeat.db")
    made.night(DAY - 1)
    return made


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    made = make(tmp_path)
    yield made
    made.engine.dispose()


@pytest.fixture
def calm(tmp_path: Path) -> Iterator[Province]:
    """In which nobody ever copied anything."""
    folder = tmp_path / "calm"
    folder.mkdir()
    made = make(folder)
    yield made
    made.engine.dispose()


def true_one(*provinces: Province) -> School:
    """An hour of the noon of two days."""
    school = School("s1")
    for day in (DAY, DAY + 1):
        first = first_minute_of(day) + NOON
        told = [school.inventory_message(), school.presence(hardware=MACHINE, boot=BOOT)] if day == DAY else []
        rows = school.rows(first, [school.signal_row()] * 40 + [school.signal_row(**CUT_AT_ISP)] * 10)
        message = school.report(rows)
        for province in provinces:
            province.minute = first + 61
            province.take(*told, message)
    return school


def copied(province: Province, school: School) -> None:
    """The same machine id and outbox after an hour of silence: believed as a reboot. It tells the evening's minutes
    as a cut, off-minutes of the morning before, a speed test, and some minutes of which the other one told too."""
    copy = School("s1", seq=school.seq)
    province.minute = first_minute_of(DAY + 1) + 1_000
    first = first_minute_of(DAY + 1) + 900
    off = reports.Off(MORNING, 60, OFF_REASONS["power"][0])
    cut = copy.signal_row(**CUT_AT_ISP)
    rows = [reports.MinuteRow(copy.seq + at, first + at, cut, [[125], [9_000 + at]]) for at in range(60)]
    rows[0] = reports.MinuteRow(copy.seq, first, cut, [[125], [9_000]], off=[off])
    overlap = [
        reports.MinuteRow(copy.seq + 60 + at, first_minute_of(DAY) + NOON + at, cut, [[1], [None]]) for at in range(5)
    ]
    copy.seq += 65
    province.take(copy.presence(hardware=MACHINE, boot=COPY_BOOT), copy.report(rows), copy.report(overlap))


def everything(province: Province) -> dict[str, Any]:
    """What figures are made of, and the sums."""
    days, _ = province.stored()
    with province.engine.connect() as connection:

        def rows(table: Any, *without: str) -> list[tuple[Any, ...]]:
            columns = [column for column in table.c if column.name not in without]
            return sorted(tuple(row) for row in connection.execute(select(*columns)))

        first, end = first_minute_of(DAY), first_minute_of(DAY + 2)
        return {
            "sealed": days,
            "read": province.ingest.ledger.read(connection, "s1", ["line.internet", "lan.router"], first, end),
            "outages": rows(schema.outage, "id"),
            "off": rows(schema.off),
            "speed": rows(schema.speed_test),
            "summary": rows(schema.summary),
            "latest": rows(schema.latest, "report_id", "received_ms"),
        }


def work(province: Province) -> None:
    retraction = Retraction(province.ingest)
    retraction.look()
    while retraction.busy:
        retraction.step()
        retraction.look()


def take_back(province: Province, whose: Speaker, reason: str = "thẻ bị sao chép") -> int:
    _, count = decided.retract(province.engine, whose, reason, who="lan", now_ms=province.minute * 60_000)
    work(province)
    return count


COPY = Speaker("s1", "gateway", MACHINE, COPY_BOOT, "", None, None)


def held(engine: Engine) -> list[tuple[Any, ...]]:
    table = schema.held.c
    with engine.connect() as connection:
        rows = connection.execute(select(table.why, table.state, table.boot, table.payload).order_by(table.id))
        return [(why, state, boot, bool(payload)) for why, state, boot, payload in rows]


@pytest.mark.parametrize("sealed", [False, True], ids=["still open", "sealed, with digests"])
def test_what_a_copy_brought_is_taken_back_as_if_it_had_never_spoken(
    province: Province, calm: Province, sealed: bool
) -> None:
    copied(province, true_one(province, calm))
    calm.minute = province.minute
    for one in (province, calm) if sealed else ():
        one.night(DAY + 1)
    assert everything(province) != everything(calm)

    assert take_back(province, COPY._replace(boot="b1")) == 2

    assert everything(province) == everything(calm)
    assert held(province.engine) == [("retracted", "discarded", COPY_BOOT, True)] * 2
    province.start()  # and so it is after a restart
    assert everything(province) == everything(calm)
    if sealed:
        assert [(one.state, [change.why for change in one.changes]) for one in province.find(DAY, DAY + 2)] == [
            ("revised", ["retracted", "retracted"]),  # its own minutes, and what was told of them a day later
            ("revised", ["retracted"]),
        ]
        with province.engine.connect() as connection:
            touched = connection.execute(select(schema.touched.c.why).distinct()).scalars().all()
        assert "retracted" in touched


def test_the_next_night_has_nothing_to_add_and_verify_stands(province: Province) -> None:
    copied(province, true_one(province))
    province.night(DAY + 1)
    take_back(province, COPY)
    before = province.rows()

    province.night(DAY + 2)

    assert [row.day for row in province.rows()[len(before) :]] == [DAY + 2]
    assert [one.state for one in province.find(DAY, DAY + 3)] == ["revised", "revised", "intact"]
    assert province.find(DAY + 1, DAY + 2)[0].changes == (Change(before[-1].made_ms, "retracted"),)


def test_it_can_be_given_back_row_by_row(province: Province) -> None:
    copied(province, true_one(province))
    before = everything(province)
    take_back(province, COPY)
    with province.engine.connect() as connection:
        ids = list(connection.scalars(select(schema.held.c.id)))

    decided.say_of_held(province.engine, "release", ids, None, "gateway", "nhầm máy", who="lan", now_ms=1)
    province.ingest.commit([], lambda _batch: None, decided=True)
    province.ingest.commit([], lambda _batch: None)

    assert everything(province) == before


def test_only_minutes_of_a_span_and_only_a_day_that_is_whole(province: Province) -> None:
    copied(province, true_one(province))
    province.night(DAY + 1)
    with province.engine.begin() as connection:
        database.set_meta(connection, "kept_from_minute", str(first_minute_of(DAY) + 1))

    count = take_back(province, COPY._replace(end_minute=first_minute_of(DAY + 1)))
    with province.engine.connect() as connection:
        (outcome,) = connection.scalars(select(schema.decision.c.outcome))

    assert count == 1
    assert outcome == "set aside 0 reports of 0 days, not 1: reports of their days are no longer all kept"
    assert held(province.engine) == []
    assert [one.state for one in province.find(DAY, DAY + 2)] == ["old", "intact"]


@pytest.mark.parametrize(
    ("whose", "told"),
    [
        (COPY._replace(hardware="22"), "does not name one machine. Reports came from: –"),
        (COPY._replace(boot="c"), "does not name one machine"),
        (COPY._replace(first_minute=2**30), "no such report is kept any more"),
    ],
)
def test_what_names_nothing_is_refused(province: Province, whose: Speaker, told: str) -> None:
    copied(province, true_one(province))

    with pytest.raises(Refused) as refused:
        decided.retract(province.engine, whose, "x", who="lan", now_ms=1)

    assert told in refused.value.said.en
    with province.engine.connect() as connection:
        assert connection.execute(select(schema.decision)).all() == []


def test_a_failed_transaction_is_done_again_whole(province: Province, calm: Province) -> None:
    copied(province, true_one(province, calm))
    decided.retract(province.engine, COPY, "x", who="lan", now_ms=1)
    with province.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE INSERT ON touched BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    retraction = Retraction(province.ingest)
    retraction.look()
    with pytest.raises(SQLAlchemyError):
        retraction.step()
    with province.engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER broken")

    work(province)

    assert everything(province) == everything(calm)


def test_the_command_takes_back_in_both_languages_and_clones_shows_what_came_from_whom(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied(province, true_one(province))
    (tmp_path / "server.toml").write_text(f"folder = {json.dumps(str(tmp_path))}\n")

    def say(*words: str) -> int:
        return main(["--settings", str(tmp_path / "server.toml"), *words])

    assert say("--lang", "en", "agent", "clones", "--all") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["believed", "2", "2"]
    words = ("agent", "retract", "s1", "gateway", "--boot", "b1", "--to", "2025-11-20", "--reason", "thẻ bị sao chép")
    assert say("--lang", "vi", *words[:5], "zz", *words[6:]) == 1
    assert "không chỉ đúng một máy" in capsys.readouterr().err
    assert say("--lang", "en", *words) == 0
    assert f"1 reports of machine {MACHINE} are taken back" in capsys.readouterr().out
