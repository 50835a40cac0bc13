"""Off-minutes and speed tests: covered by the day's digest, found when altered, made again from the reports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select
from tests.server.school import School, register
from tests.server.test_proof import DAY, NOON, Province, change, kinds

from schoolbeat_server import database, facts, rebuild, schema, summaries
from schoolbeat_server.batch import Message
from schoolbeat_server.proof_cli import told
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.stamp import digest_of, stamp
from schoolbeat_server.verify import Fault
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, OFF_REASONS

START = first_minute_of(DAY) + NOON
DOWN = reports.Off(START - 300, 240, OFF_REASONS["power"][0])


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    engine.dispose()
    made = Province(tmp_path / "a.db")
    made.night(DAY - 1)
    yield made
    made.engine.dispose()


def tell(province: Province, school: School, first: int, tests: tuple[int, ...] = (), off: Any = None) -> None:
    """Ten minutes; speed tests in some of them."""
    rows = [
        reports.MinuteRow(
            school.seq + at,
            first + at,
            school.signal_row(),
            [[125], [9_000_000 + at if at in tests else None]],
            off=[off] if off is not None and at == 0 else [],
        )
        for at in range(10)
    ]
    told = [] if school.seq else [school.inventory_message(), school.presence()]
    school.seq += 10
    province.minute = max(province.minute, first + 11)
    province.take(*told, school.report(rows))


@pytest.fixture
def school(province: Province) -> School:
    """Two speed tests, and a power cut that is told when it is over."""
    school = School("s1")
    tell(province, school, START, (2, 5), DOWN)
    province.night(DAY)
    return school


def stored(province: Province) -> tuple[list[Any], list[Any], list[Any]]:
    with province.engine.connect() as connection:
        return tuple(sorted(map(tuple, connection.execute(select(table)))) for table in (schema.off, schema.speed_test, schema.summary))  # type: ignore[return-value]  # fmt: skip


def test_a_day_with_off_minutes_and_speed_tests_stands(province: Province, school: School) -> None:
    assert len(stored(province)[0]) == 1
    assert [row[1:3] for row in stored(province)[1]] == [(START + 2, 9_000_002), (START + 5, 9_000_005)]
    assert kinds(province.find()) == ["intact"]


@pytest.mark.parametrize(
    ("harm", "number"),
    [
        ("DELETE FROM off", 1),
        ("UPDATE off SET count = count + 1", 1),
        ("UPDATE off SET reason = 'clean_stop'", 1),
        (f"INSERT INTO off VALUES ('s1', 'gateway', {START - 30}, 5, 'power', '', 0)", 1),
        ("UPDATE speed_test SET download_bps = 90000000 WHERE minute = %d" % (START + 2), 1),  # noqa: UP031
        ("DELETE FROM speed_test", 2),
        ("INSERT INTO speed_test (site, minute, download_bps) VALUES ('s1', %d, 1)" % (START + 7), 1),  # noqa: UP031
    ],
)
@pytest.mark.parametrize("digest", [True, False], ids=["digest", "no digest yet"])
def test_what_is_altered_is_found_and_made_again(province: Province, harm: str, number: int, digest: bool) -> None:
    school = School("s1")
    tell(province, school, START, (2, 5), DOWN)
    if digest:
        province.night(DAY)
    else:
        province.seal()
    before = stored(province)
    change(province.engine, harm)

    found = province.find()
    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, province.minute * 60_000)

    if digest:
        assert found[0].faults == (Fault("facts", number=number),)
        assert "dòng tắt máy hoặc lần đo tốc độ" in next(iter(told(found, "vi")))
        assert "off-minutes or speed tests" in next(iter(told(found, "en")))
    assert done.facts >= number
    assert stored(province) == before
    assert kinds(province.find()) == (["intact"] if digest else ["pending"])


def test_a_digest_made_of_altered_rows_tells_of_it_for_ever(province: Province, school: School) -> None:
    change(province.engine, "DELETE FROM speed_test")
    tell(province, school, START + 60)  # late data: the day gets a revision

    province.night(DAY + 1)
    rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, province.minute * 60_000)

    assert [change.why for change in province.find()[0].changes] == ["unexplained", "rebuilt"]
    assert province.find()[0].faults[0].what == "unexplained"


def test_off_minutes_that_are_told_a_day_later_are_late_data(province: Province) -> None:
    school = School("s1")
    tell(province, school, START)
    province.night(DAY)
    tell(province, school, START + 1_440, off=reports.Off(START + 12, 1_428, OFF_REASONS["power"][0]))
    assert kinds(province.find()) == ["waiting"]

    province.night(DAY + 1)

    (found,) = province.find()
    assert (found.state, [one.why for one in found.changes]) == ("revised", ["late"])


def test_without_reports_the_rows_stand_by_the_digest(province: Province, school: School) -> None:
    change(province.engine, "DELETE FROM report")
    with database.writing(province.engine) as connection:
        database.set_meta(connection, "kept_from_minute", str(first_minute_of(DAY + 1)))
    assert kinds(province.find()) == ["old"]

    change(province.engine, "UPDATE speed_test SET download_bps = 90000000")

    (found,) = province.find()
    assert (found.state, found.faults) == ("altered", (Fault("facts"),))
    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)
    assert done.refused == (DAY,)


def test_off_minutes_stay_while_a_report_that_may_have_told_of_them_is_gone(province: Province) -> None:
    school = School("s1")
    tell(province, school, START)
    province.night(DAY)
    tell(province, school, START + 1_440, off=reports.Off(START + 12, 600, OFF_REASONS["power"][0]))
    province.night(DAY + 1)
    before = stored(province)
    change(province.engine, "DELETE FROM report WHERE id = 2")

    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, province.minute * 60_000)

    assert (done.facts, done.refused) == (0, ())
    assert stored(province) == before


def test_a_stamp_is_of_the_days_as_they_stood_and_can_be_asked_for_years_later(
    province: Province, school: School
) -> None:
    with province.engine.connect() as connection:
        first = stamp(connection, ["s1"], DAY, DAY + 1)
        both = stamp(connection, None, DAY - 1, DAY + 1)
    made_ms = province.minute * 60_000
    tell(province, school, START + 60)
    province.night(DAY + 1)

    with province.engine.connect() as connection:
        again = stamp(connection, ["s1"], DAY, DAY + 1, made_ms)
        now = stamp(connection, ["s1"], DAY, DAY + 1)

    assert again == first
    assert (first.due, first.revised, [one.digest for one in first.days]) == (1, 0, [province.rows()[0].digest])
    assert (both.due, len(both.days), both.sites) == (4, 2, 2)
    assert (now.revised, now.digest != first.digest) == (1, True)
    assert now.digest == digest_of(DAY, DAY + 1, 1, now.days)
    assert (first.proof_day, now.proof_day) == (DAY + 1, DAY + 2)
    assert first.digest.hex() == written_by_hand(province)


def written_by_hand(province: Province) -> str:
    """As docs/proof.md has it."""
    import hashlib

    row = province.rows()[0].digest.hex()
    lines = ["schoolbeat-stamp 1", "from=2025-11-19", "to=2025-11-19", "sites=1", "days=1", f"s1 2025-11-19 1 {row}"]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def test_lines_have_one_digest_in_any_order() -> None:
    lines = [("off", "gateway", 5, 3, "power"), ("speed", 9, 1, None, "", None, None, None, None)]

    assert facts.digest(lines) == facts.digest(lines[::-1]) != facts.digest(lines[:1])
    assert facts.differ({lines[0]}, {("off", "gateway", 5, 4, "power"), lines[1]}) == 2


def shorter(school: School, first: int, off: reports.Off) -> Message:
    row = reports.MinuteRow(school.seq, first, school.signal_row(), [[125], [None]], off=[off])
    school.seq += 1
    return school.report([row])


def summed(province: Province, day: int) -> tuple[int, ...] | None:
    """Of line.internet, by the summary."""
    table, month = schema.summary.c, summaries.month_of(day)
    with province.engine.connect() as connection:
        row = connection.execute(select(table.names, table.days).where(table.site == "s1", table.month == month)).one()
    return summaries.opened(month, row.names, row.days).of_day(day, "line.internet")


def counted(province: Province, day: int) -> tuple[int, ...]:
    """The same, by the ledger."""
    first, end = first_minute_of(day), first_minute_of(day + 1)
    with province.engine.connect() as connection:
        found = province.ingest.ledger.read(connection, "s1", ["line.internet"], first, end)["line.internet"]
    return summaries.seconds_of(found, None)


def test_a_word_on_off_minutes_that_shrinks_makes_anew_the_days_it_leaves(province: Province) -> None:
    school = School("s1")
    tell(province, school, START)
    province.night(DAY)
    long = reports.Off(START + 20, 2 * 1440, OFF_REASONS["power"][0])  # to the noon of the day after next
    tell(province, school, START + 20 + 2 * 1440, off=long)
    tell(province, school, START + 40 + 2 * 1440)
    province.night(DAY + 2)
    before = [summed(province, day) for day in range(DAY, DAY + 3)]
    province.take(shorter(school, START + 60 + 2 * 1440, msgspec.structs.replace(long, count=60)))
    province.night(DAY + 3)

    days = range(DAY, DAY + 3)
    assert all(found is not None and found[2] > 0 for found in before)
    assert [summed(province, day) for day in days] == [counted(province, day) for day in days]
    assert [counted(province, day)[2] for day in days] == [3600, 0, 0]
    assert kinds(province.find(DAY, DAY + 3)) == ["revised"] * 3


def test_rebuilding_finds_the_last_word_though_it_came_first(province: Province) -> None:
    school = School("s1")
    tell(province, school, START)
    long = reports.Off(START + 20, 60, OFF_REASONS["power"][0])
    told = [shorter(school, START + 80, long), shorter(school, START + 81, msgspec.structs.replace(long, count=10))]
    province.minute = START + 90
    province.take(told[1])
    province.take(told[0])
    province.night(DAY)
    before = stored(province)
    with province.engine.begin() as connection:
        connection.execute(schema.off.delete())

    rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 1)

    assert [row[3] for row in before[0]] == [10]
    assert stored(province) == before


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
def test_a_speed_test_of_a_minute_that_is_taken_back_counts_nowhere(
    province: Province, backwards: bool, at_once: bool
) -> None:
    """It was measured, but nobody knows when."""
    school = School("s1")
    tell(province, school, START, (2,))
    row = reports.MinuteRow(10, START + 15, school.signal_row(), [[125], [8_000_000]])
    back = reports.MinuteRow(11, START + 15, bytes([DISPUTED] * 6), [[None], [None]])
    told = [school.report([row]), school.report([back])][:: -1 if backwards else 1]
    province.minute = START + 30

    for messages in [told] if at_once else [[one] for one in told]:
        province.take(*messages)
    province.night(DAY)
    before = stored(province)

    assert [line[1] for line in before[1]] == [START + 2]
    assert kinds(province.find()) == ["intact"]
    rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 1)
    assert stored(province) == before
