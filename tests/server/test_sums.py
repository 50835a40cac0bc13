"""The one calculator says of any window what the ledger's minutes say, whatever came late, was changed or was damaged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.server.school import SIGNALS, School, register
from tests.server.test_proof import DAY, Province
from tests.server.test_summaries import LESSONS, by_hand
from tests.server.test_verdicts import TARGET, site_facts

from schoolbeat_server import database
from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.evidence import Source, Window, from_ledger
from schoolbeat_server.finding import Case, Finding
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, first_minute_of
from schoolbeat_server.summaries import apart
from schoolbeat_server.sums import Sums, from_sums
from schoolbeat_server.targets import Condition, Target
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.messages import Lesson

FIRST_DAY = DAY + 10  # 29 November 2025: December is whole in what follows
DAYS = 40
ASKED = [*SIGNALS, "device.never", "site.contact"]
CALENDARS = [
    LESSONS,
    SchoolCalendar(),
    SchoolCalendar(default=LessonHours((Lesson(0, 420, 690), Lesson(2, 420, 690), Lesson(4, 0, 1_440)))),
]


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    made = Province(tmp_path / "a.db")
    made.night(FIRST_DAY - 1)
    yield made
    made.engine.dispose()
    engine.dispose()


class Life:
    """A school's weeks as chance has them: gaps, cuts, words of being off, late and contradicting minutes, nights that
    sum up and nights that do not, restarts, another calendar, damaged summaries."""

    def __init__(self, province: Province, seed: int) -> None:
        self.province, self.rng = province, random.Random(seed)
        self.school, self.calendar = School("s1"), LESSONS
        self.day = FIRST_DAY
        province.take(self.school.inventory_message(), self.school.presence())

    def live_a_day(self) -> None:
        rng, province = self.rng, self.province
        if rng.random() < 0.8:
            self._tell(self.day)
        if rng.random() < 0.3:
            self._tell(rng.randrange(FIRST_DAY, self.day + 1))
        if rng.random() < 0.15:
            self.calendar = rng.choice(CALENDARS)
        province.making.calendar = lambda: self.calendar
        chance = rng.random()
        if chance < 0.65:
            province.night(self.day)
        elif chance < 0.8:
            self._half_a_night()
        if rng.random() < 0.1:
            province.start()
        if rng.random() < 0.1:
            self._damage()
        self.day += 1

    def _tell(self, day: int) -> None:
        rng, school = self.rng, self.school
        count = rng.choice((20, 90, 600))
        first = first_minute_of(day) + rng.randrange(1_440 - count + 1)
        self.province.minute = max(self.province.minute, first_minute_of(self.day + 1), first + count)
        usual, cut = school.signal_row(), school.signal_row(line_isp=rng.choice((0, 17, UNKNOWN)), line_internet=0)
        begins, ends = sorted(rng.randrange(count + 1) for _ in range(2))
        rows = [cut if begins <= at < ends else usual for at in range(count)]
        off = (
            first - rng.choice((5, 700, 3_000)),
            rng.choice((4, 300, 4_000)),
            rng.choice(("power", "clean_stop", "interrupted")),
        )
        told = [off] if rng.random() < 0.4 else None
        self.province.take(school.report(school.rows(first, rows, told)), contact={"s1": rng.choice((0, 60))})

    def _half_a_night(self) -> None:
        province = self.province
        province.minute = max(province.minute, first_minute_of(self.day + 1) + 300)
        province.making.look(province.minute * 60_000)
        for _ in range(self.rng.randrange(3)):
            if province.making.busy:
                province.making.step(province.ingest.next_report_id - 1, province.minute * 60_000)
        if self.rng.random() < 0.5:
            province.start()

    def _damage(self) -> None:
        with database.writing(self.province.engine) as connection:
            connection.execute(
                text(
                    self.rng.choice(
                        (
                            "DELETE FROM summary WHERE month % 2 = 0",
                            "UPDATE summary SET totals = CAST(x'00' || substr(totals, 2) AS BLOB)",
                            "UPDATE summary SET days = CAST(substr(days, 1, 300) || x'ff' || substr(days, 302) AS BLOB)",
                            "UPDATE summary SET names = CAST(replace(names, 'isp', 'ist') AS BLOB)",
                        )
                    )
                )
            )

    def window(self) -> Window:
        """Mostly ragged at both ends, now and then of whole days or months, and as far as the minute that runs."""
        rng = self.rng
        low, high = first_minute_of(FIRST_DAY - 2), first_minute_of(self.day + 1)
        first, end = sorted((rng.randrange(low, high), rng.randrange(low, high)))
        if rng.random() < 0.3:
            first, end = low, high - rng.randrange(1_440)
        if rng.random() < 0.3:
            first, end = first_minute_of((first + 420) // 1_440), first_minute_of((end + 420) // 1_440 + 1)
        return Window(first, end + 1 if end == first else end)


@pytest.mark.parametrize("seed", range(3))
def test_any_window_is_told_as_its_minutes_tell_it(province: Province, seed: int) -> None:
    life = Life(province, seed)
    for _ in range(DAYS):
        life.live_a_day()
        if life.rng.random() < 0.4:
            _compare_seconds(life)
    _compare_seconds(life, 10)


def _compare_seconds(life: Life, times: int = 3) -> None:
    ledger = life.province.ingest.ledger
    with life.province.engine.connect() as connection:
        sums = Sums(connection, ledger, life.calendar)
        for _ in range(times):
            first, end = life.window()
            told = sums.read({"s1": ASKED, "s2": ASKED[:2]}, first, end)
            with life.province.engine.connect() as fresh:
                rows = {key: ledger.read(fresh, key[0], [key[1]], first, end)[key[1]] for key in told}
            expected = {key: by_hand(row, life.calendar.read(key[0], first, end)) for key, row in rows.items()}

            assert told == expected


@pytest.mark.parametrize("seed", range(100, 102))
def test_findings_are_those_of_the_minutes(province: Province, seed: int) -> None:
    life = Life(province, seed)
    told = set()
    for _ in range(DAYS):
        life.live_a_day()
    for _ in range(60):
        target, end = _target(life.rng), life.window().end_minute
        with life.province.engine.connect() as connection:
            sums = from_sums(Sums(connection, life.province.ingest.ledger, life.calendar))
            by_sums, by_minutes = (_find(source, target, end) for source in (sums, _minutes_of(life)))

        assert by_sums == by_minutes
        told.add((by_sums.met, by_sums.grade, by_sums.since_minute is None))
    assert {met for met, _, _ in told} == {True, False, None}


def _target(rng: random.Random) -> Target:
    enough = Condition(
        "", "", at_least=rng.choice((Fraction(1, 2), Fraction(9, 10), Fraction(999, 1000), Fraction(1, 9)))
    )
    return replace(
        TARGET,
        conditions=(enough,),
        window_days=rng.choice((1, 7, 10, 30, 40)),
        clock=rng.choice(("always", "lessons")),
        off=rng.choice(("left_out", "down")),
        min_coverage=rng.choice((Fraction(0), Fraction(1, 20), Fraction(1, 5), Fraction(4, 5))),
    )


def _minutes_of(life: Life) -> Source:
    def read(site: str, signal: str, first: int, end: int) -> bytes:
        with life.province.engine.connect() as fresh:
            return life.province.ingest.ledger.read(fresh, site, [signal], first, end)[signal]

    return from_ledger(read, life.calendar.read)


def _find(source: Source, target: Target, end: int) -> Finding:
    window = Window(end - target.window_minutes, end)
    measured = source({"s1": frozenset(["line.isp", "device.ap-1"])}, [window])
    facts = replace(site_facts(), measured=measured["s1"])
    return judge_availability("line.isp", Said("", ""), Case(facts, None, target, target.conditions[0], window))


def test_a_night_that_was_cut_short_summed_up_nothing_for_good(province: Province) -> None:
    """What comes late after the restart marks no day as touched: for the server no day is over yet."""
    school, day = School("s1"), FIRST_DAY
    first, end = first_minute_of(day), first_minute_of(day + 1)
    province.take(school.inventory_message(), school.report(school.rows(first + 60, [school.signal_row()] * 30)))
    province.minute = end + 300
    province.making.calendar = lambda: LESSONS
    province.making.look(province.minute * 60_000)
    for _ in ("s1", "s2"):
        province.making.step(province.ingest.next_report_id - 1, province.minute * 60_000)
    province.start()
    province.take(school.report(school.rows(first + 100, [school.signal_row()] * 30)))

    with province.engine.connect() as connection:
        sums = Sums(connection, province.ingest.ledger, LESSONS)
        found = sums.read({"s1": ["line.isp"]}, first, end)["s1", "line.isp"]
        one = apart(sums.days("s1", "line.isp", day, day + 1))

    assert found.always.up == one[0] == 60 * 60
