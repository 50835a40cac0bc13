"""Summaries say what the ledger says, to the second, on both clocks, whatever came late or was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, text
from tests.server.school import SIGNALS, School, register
from tests.server.test_proof import DAY, NOON, Province, a_day, change

from schoolbeat_server import database, schema, summaries
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, first_minute_of
from schoolbeat_server.summaries import Both, Month, Seconds, days_of, month_of, opened, seconds_of
from schoolbeat_server.sums import Sums
from schoolbeat_wire.messages import Lesson

LESSONS = SchoolCalendar(default=LessonHours(tuple(Lesson(weekday, 735, 810) for weekday in range(7))))
CODES = st.sampled_from([0, 17, 59, 60, 60, 253, 254, 255])


def by_hand(minutes: bytes, lessons: bytes | None) -> Both:
    """Minute by minute, with no word shared with the product."""
    found = []
    for clock in ([1] * len(minutes), list(lessons or bytes(len(minutes)))):
        up = down = off = unknown = disputed = 0
        for (code, counts), times in Counter(zip(minutes, clock, strict=True)).items():
            if not counts:
                continue
            if code <= 60:
                up, down = up + code * times, down + (60 - code) * times
            elif code == 254:
                off += 60 * times
            elif code == 253:
                disputed += 60 * times
            else:
                unknown += 60 * times
        found.append(Seconds(up, down, off, unknown, disputed))
    return Both(*found)


@given(st.lists(st.tuples(CODES, st.integers(0, 1)), max_size=300), st.booleans())
def test_the_numbers_of_a_row_are_those_of_its_minutes(drawn: list[tuple[int, int]], told: bool) -> None:
    minutes, lessons = bytes(code for code, _ in drawn), bytes(lesson for _, lesson in drawn) if told else None

    found = seconds_of(minutes, lessons)

    assert Both(Seconds(*found[:5]), Seconds(*found[5:])) == by_hand(minutes, lessons)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 27), st.dictionaries(st.sampled_from("abcd"), st.integers(0, 86_400), max_size=4)),
        max_size=12,
    )
)
def test_a_month_says_of_each_day_what_was_last_put(told: list[tuple[int, dict[str, int]]]) -> None:
    month = month_of(DAY)
    first, kept = days_of(month)[0], Month(month)
    expected: dict[tuple[int, str], tuple[int, ...] | None] = {}
    for place, found in told:
        for signal in "abcd":
            expected[place, signal] = None
        numbers = {signal: (up, 86_400 - up, 0, 0, 0, 0, 0, 0, 0, 0) for signal, up in found.items()}
        expected |= {(place, signal): row for signal, row in numbers.items()}
        kept.put(first + place, b"12345678", numbers)
        row = kept.row("s1")
        kept = opened(month, row["names"], row["days"])  # type: ignore[arg-type]

    assert {key: kept.of_day(first + key[0], key[1]) for key in expected} == expected


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    made = Province(tmp_path / "a.db")
    made.making.calendar = lambda: LESSONS
    made.night(DAY - 1)
    yield made
    made.engine.dispose()
    engine.dispose()


def both_ways(
    province: Province, first_day: int, end_day: int, calendar: SchoolCalendar = LESSONS
) -> tuple[dict[tuple[str, str], Both], dict[tuple[str, str], Both], int]:
    """By summaries, by the ledger's minutes by hand, and how many days of sites the summaries could not tell."""
    first, end = first_minute_of(first_day), first_minute_of(end_day)
    with province.engine.connect() as connection:
        reader = Sums(connection, province.ingest.ledger, calendar)
        told = reader.read({"s1": SIGNALS, "s2": SIGNALS[:2]}, first, end)
        rows = {
            (site, signal): province.ingest.ledger.read(connection, site, [signal], first, end)[signal]
            for site, signal in told
        }
    expected = {key: by_hand(row, calendar.read(key[0], first, end)) for key, row in rows.items()}
    return told, expected, reader.from_ledger


def test_days_are_told_by_their_summary_and_today_by_the_ledger(province: Province) -> None:
    school = School("s1")
    for day in (DAY, DAY + 1):
        a_day(province, school, day)
        province.night(day)

    told, expected, counted = both_ways(province, DAY, DAY + 3)

    assert told == expected
    assert told["s1", "line.isp"].always.down == 6 * 15 * 60
    assert told["s1", "line.isp"].lessons.down == (10 + 15) * 60 * 2
    assert counted == 1  # today; s2 never told anything


def test_late_minutes_and_late_words_of_being_off_are_counted_at_once_and_summed_the_next_night(
    province: Province,
) -> None:
    school = School("s1")
    a_day(province, school)
    province.night(DAY)
    before = both_ways(province, DAY, DAY + 1)
    late = school.rows(first_minute_of(DAY) + NOON + 190, [school.signal_row(line_isp=3)])
    off = (first_minute_of(DAY) + 6 * 60, 120, "power")
    province.take(school.report(late))
    province.take(school.report(school.rows(first_minute_of(DAY + 1) + 10, [school.signal_row()], [off])))
    at_once = both_ways(province, DAY, DAY + 1)
    province.night(DAY + 1)
    summed = both_ways(province, DAY, DAY + 1)

    assert before[0] == before[1]
    assert before[2] == 0
    assert at_once[0] == at_once[1] == summed[0] == summed[1]
    assert (at_once[2], summed[2]) == (1, 0)
    assert summed[0]["s1", "line.isp"].always.off == 120 * 60


def test_under_another_calendar_days_are_counted_anew_and_summed_the_next_night(province: Province) -> None:
    school = School("s1")
    a_day(province, school)
    province.night(DAY)
    other = SchoolCalendar(default=LessonHours((Lesson(2, 720, 740),)))
    at_once = both_ways(province, DAY, DAY + 1, other)
    province.making.calendar = lambda: other
    province.night(DAY + 1)
    summed = both_ways(province, DAY, DAY + 1, other)

    assert at_once[0] == at_once[1] == summed[0] == summed[1]
    assert (at_once[2], summed[2]) == (1, 0)
    assert summed[0]["s1", "line.isp"].lessons == Seconds(10 * 60, 10 * 60, 0, 0, 0)


def test_whole_months_are_told_by_their_totals(province: Province) -> None:
    """Only the totals are right here: the days are made worthless."""
    days = days_of(month_of(DAY))
    school = School("s1")
    with database.writing(province.engine) as connection:
        connection.execute(text("DELETE FROM meta WHERE key = 'digested_to'"))
    province.making.next_day = None
    for day in days:
        a_day(province, school, day, hours=1)
    province.night(days[-1])
    whole = both_ways(province, days[0], days[-1] + 1)
    change(province.engine, "UPDATE summary SET days = x'00' WHERE site = 's1'")
    with province.engine.connect() as connection:
        reader = Sums(connection, province.ingest.ledger, LESSONS)
        told = reader.read({"s1": SIGNALS}, first_minute_of(days[0]), first_minute_of(days[-1] + 1))

    elsewhere = both_ways(province, days[0], days[-1] + 1, SchoolCalendar(default=LessonHours((Lesson(2, 720, 740),))))
    province.take(school.report(school.rows(first_minute_of(DAY) + NOON + 190, [school.signal_row(line_isp=3)])))
    late = both_ways(province, days[0], days[-1] + 1)
    province.night(days[-1] + 1)  # finds, because of the late minutes, that the days are lost
    province.night(days[-1] + 2)
    made_again = both_ways(province, days[0], days[-1] + 1)
    in_lessons = "substr(totals, 1, 20) || x'ff' || substr(totals, 22)"
    change(province.engine, f"UPDATE summary SET totals = CAST({in_lessons} AS BLOB) WHERE site = 's1'")
    damaged = both_ways(province, days[0], days[-1] + 1)

    assert whole[0] == whole[1]
    assert told == {key: both for key, both in whole[1].items() if key[0] == "s1"}
    assert reader.from_ledger == 0
    assert elsewhere[0] == elsewhere[1] != whole[1]
    assert late[0] == late[1] == made_again[0] == damaged[0] != whole[1]
    assert late[2] == len(days)
    assert made_again[2] == 0


def test_nothing_is_counted_twice_where_nothing_was_touched(province: Province) -> None:
    school = School("s1")
    a_day(province, school)
    province.night(DAY)
    with province.engine.connect() as connection:
        before = connection.execute(select(schema.summary).where(schema.summary.c.site == "s1")).all()
    change(province.engine, "UPDATE summary SET lessons = lessons, days = days")
    with database.writing(province.engine) as connection:
        connection.execute(insert(schema.day_touched), [{"site": "s2", "day": DAY}])

    province.night(DAY + 1)

    with province.engine.connect() as connection:
        after = connection.execute(select(schema.summary).where(schema.summary.c.site == "s1")).all()
        assert summaries.to_count_again(connection, LESSONS, DAY + 2) == []
    month = month_of(DAY)
    old, new = (opened(month, row[0].names, row[0].days) for row in (before, after))
    assert [old.of_day(DAY, name) for name in old.names] == [new.of_day(DAY, name) for name in old.names]
