"""Grants of speed tests: few at a time, spread, each site about as often as asked; and what is kept of the tests."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select
from tests.server.school import School, register
from tests.server.test_heart import body, now_ms

from schoolbeat_server import database, grants, schema
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.grants import Candidate, Place, chosen
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar
from schoolbeat_server.settings import SpeedTests
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire.messages import Lesson

DAY_MS, HOUR_MS, MINUTE_MS = 86_400_000, 3_600_000, 60_000
NIGHT = int(datetime(2026, 11, 23, 2, tzinfo=UTC).timestamp() * 1000) - 7 * HOUR_MS  # 02:00 in Viet Nam
LIMITS = SpeedTests(days=7, at_once=8, at_once_isp=4, at_once_area=2)
ALWAYS = LessonHours((Lesson(6, 0, 1),))  # a minute on Sundays: all other time is free
SEED = "5e" * 8


def candidate(number: int, *, tested_ms: int = 0, tried_ms: int = 0) -> Candidate:
    place = Place(f"s{number:04}", ("Viettel", "VNPT", "FPT")[number % 3], f"xa{number % 40}")
    return Candidate(place, "gateway", tested_ms, tried_ms)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 20), st.integers(0, 20)), max_size=60),
    st.lists(st.integers(0, 200), max_size=8, unique=True),
    st.builds(SpeedTests, st.integers(0, 30), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12)),
)
def test_no_choice_ever_passes_a_limit(
    given_sites: list[tuple[int, int, int]], running: list[int], limits: SpeedTests
) -> None:
    now = NIGHT
    sites = {n: candidate(n, tested_ms=now - t * DAY_MS, tried_ms=now - g * HOUR_MS) for n, t, g in given_sites}
    already = [candidate(n).place for n in running]

    found = [one.place for one in chosen(sites.values(), already, limits, now, SEED)]

    new_and_old = [*already, *found]
    assert len(found) <= max(0, limits.at_once - len(already))
    assert len({place.site for place in new_and_old}) == len(new_and_old)
    for isp, count in Counter(place.isp for place in new_and_old).items():
        assert count <= limits.at_once_isp or isp not in {place.isp for place in found}
    for area, count in Counter(place.area for place in new_and_old).items():
        assert count <= limits.at_once_area or area not in {place.area for place in found}
    assert not found or limits.days


def test_a_province_is_tested_in_nights_and_each_site_about_once_in_its_days() -> None:
    sites = [candidate(number) for number in range(600)]
    tested: dict[int, list[int]] = {number: [] for number in range(600)}
    running: dict[str, tuple[Place, int]] = {}
    most = 0
    for night in range(16):
        for minute in range(0, 165):
            now = NIGHT + night * DAY_MS + minute * MINUTE_MS
            running = {site: (place, end) for site, (place, end) in running.items() if end > now}
            for one in chosen(sites, [place for place, _ in running.values()], LIMITS, now, SEED):
                number = int(one.place.site[1:])
                running[one.place.site] = (one.place, now + 3 * MINUTE_MS)
                sites[number] = one._replace(tested_ms=now, tried_ms=now)
                tested[number].append(night)
            most = max(most, len(running))

    assert most == 8
    assert all(2 <= len(nights) <= 3 for nights in tested.values())
    gaps = [later - earlier for nights in tested.values() for earlier, later in pairwise(nights)]
    assert min(gaps) >= 6
    assert max(gaps) <= 8


def test_the_order_is_the_seeds_and_who_waited_longest_comes_first() -> None:
    sites = [candidate(number) for number in range(100)]
    first = chosen(sites, [], LIMITS, NIGHT, SEED)

    assert chosen(reversed(sites), [], LIMITS, NIGHT, SEED) == first
    assert chosen(sites, [], LIMITS, NIGHT, "other") != first
    waited = [one._replace(tried_ms=NIGHT - 3 * HOUR_MS) for one in sites[:99]] + [sites[99]]
    assert chosen(waited, [], LIMITS, NIGHT, SEED)[0] == sites[99]


def test_a_grant_without_a_figure_is_tried_again_after_a_while_and_times_ahead_of_us_count_for_nothing() -> None:
    def is_due(tested_ms: int, tried_ms: int) -> bool:
        return grants.is_due(candidate(1, tested_ms=tested_ms, tried_ms=tried_ms), LIMITS, NIGHT)

    assert is_due(0, 0)
    assert not is_due(0, NIGHT - HOUR_MS)
    assert is_due(0, NIGHT - 2 * HOUR_MS)
    assert not is_due(NIGHT - 6 * DAY_MS, 0)
    assert is_due(NIGHT - 7 * DAY_MS, 0)
    assert is_due(NIGHT + 30 * DAY_MS, NIGHT + DAY_MS)


@pytest.mark.parametrize(
    ("lessons", "hour", "may"),
    [
        (LessonHours(), 1.9, False),
        (LessonHours(), 2, True),
        (LessonHours(), 4.8, False),
        (LessonHours((Lesson(0, 420, 690),)), 7, False),
        (LessonHours((Lesson(0, 420, 690),)), 11.5, True),
        (LessonHours((Lesson(0, 420, 690),), ("2026-11-23",)), 20, False),
        (LessonHours((), ("2026-11-23",)), 3, False),
    ],
)
def test_nothing_is_granted_in_lessons_on_exam_days_or_by_day_where_nobody_told_the_hours(
    lessons: LessonHours, hour: float, may: bool
) -> None:
    assert grants.may_test(lessons, NIGHT + int((hour - 2) * HOUR_MS)) is may


# --- with a database -----------------------------------------------------------------------------------------------


def able_school(site: str, *, capable: bool = True) -> School:
    """A school whose agent can test its speed, against a fixed server."""
    school = School(site)
    names = ("download_bps", "upload_bps", "speed_method", "speed_bytes", "speed_ceiling", "speed_failure")
    columns = [inventories.Column(name, ["speed.do.example"], sparse=True) for name in names]
    probes = ["path", "speed"] if capable else ["path"]
    school.inventory = inventories.with_revision(
        inventories.Inventory(
            revision="",
            signals=school.signals,
            columns=[inventories.Column("download_bps", ["wifi.hs"], sparse=True), *columns],
            probes=probes,
            capabilities=probes,
        )
    )
    return school


def minute_of(school: School, minute: int, *values: int | None) -> list[reports.MinuteRow]:
    """One minute: download of the Wi-Fi, then the values of the speed test."""
    row = reports.MinuteRow(school.seq, minute, school.signal_row(), [[7], *([value] for value in values)])
    school.seq += 1
    return [row]


NOTHING = (None,) * 6


class Province:
    """An ingest with sites that are heard, at a time that stands until told."""

    def __init__(self, engine: Engine, sites: list[School]) -> None:
        self.engine, self.now = engine, NIGHT
        register(engine, [school.site for school in sites])
        self.ingest = Ingest(engine, database.server_id(engine), ContactBook(0), lambda: self.now)
        self.ingest.load()
        self.number = 0
        for school in sites:
            self.take(school.inventory_message(), school.presence())
            self.take(school.report(minute_of(school, self.now // MINUTE_MS - 1, *NOTHING)))

    def take(self, *messages: object) -> None:
        self.ingest.commit(list(messages), lambda batch: None)  # type: ignore[arg-type]

    def token(self) -> str:
        self.number += 1
        return f"{self.number:016x}"

    def granted(self, limits: SpeedTests = LIMITS, lessons: LessonHours = ALWAYS) -> list[grants.Grant]:
        with self.engine.connect() as connection:
            found = grants.look(connection, self.ingest, limits, lambda _site: lessons, self.token)
        if found:
            with database.writing(self.engine) as connection:
                grants.keep(connection, found, self.now)
        return found

    def tests(self) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(schema.speed_test))]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return database.open_database(tmp_path / "schoolbeat.db")


def test_only_connected_agents_that_can_test_are_granted_and_each_once(engine: Engine) -> None:
    schools = [able_school("s1"), able_school("s2"), able_school("s3", capable=False), able_school("s4")]
    province = Province(engine, schools)
    province.take(schools[1].presence(online=False))

    first, second = province.granted(), province.granted()

    assert {(one.site, one.agent) for one in first} == {("s1", "gateway"), ("s4", "gateway")}
    assert [one.command() for one in first] == [
        wire.Command("speed_test", grant=one.token, until_ms=NIGHT + 20 * MINUTE_MS) for one in first
    ]
    assert all(wire.decode_command(wire.encode(one.command())) == one.command() for one in first)
    assert second == []
    assert province.granted(SpeedTests(days=0)) == []


def test_a_result_or_its_time_ends_a_grant_and_a_restart_remembers_it(engine: Engine) -> None:
    schools = [able_school("s1"), able_school("s2")]
    province = Province(engine, schools)
    one_at_once = SpeedTests(days=7, at_once=1)
    (first,) = province.granted(one_at_once)
    province.now += 5 * MINUTE_MS
    while_running = province.granted(one_at_once)
    winner = next(school for school in schools if school.site == first.site)
    minute = province.now // MINUTE_MS - 1
    province.take(winner.report(minute_of(winner, minute, 50_000_000, 20_000_000, 1, 90_000_000, 0, None)))
    (second,) = province.granted(one_at_once)
    province.ingest.load()
    again = province.granted(one_at_once)
    province.now += 3 * HOUR_MS
    for school in schools:
        province.take(school.report(minute_of(school, province.now // MINUTE_MS - 1, *NOTHING)))
    (third,) = province.granted(one_at_once)

    assert (while_running, again) == ([], [])
    assert {first.site, second.site} == {"s1", "s2"}
    assert third.site == second.site  # its grant ran out without a figure


def test_a_test_is_kept_with_its_server_method_bytes_ceiling_or_failure(engine: Engine) -> None:
    school = able_school("s1")
    province = Province(engine, [school])
    minute = province.now // MINUTE_MS
    province.now += 10 * MINUTE_MS
    rows = minute_of(school, minute, 50_000_000, 20_000_000, 1, 90_000_000, 2, None)
    rows += minute_of(school, minute + 1, *NOTHING)
    rows += minute_of(school, minute + 2, None, None, 1, 5_000, None, 24)

    province.take(school.report(rows))
    province.take(school.report(rows))

    assert province.tests() == [
        ("s1", minute, 50_000_000, 20_000_000, "do.example", 1, 90_000_000, 2, None),
        ("s1", minute + 2, None, None, "do.example", 1, 5_000, None, 24),
    ]


def test_a_test_of_a_computer_that_does_not_own_the_line_is_not_the_lines(engine: Engine) -> None:
    school, other = able_school("s1"), able_school("s1")
    province = Province(engine, [school])
    with database.writing(engine) as connection:
        agent = {"site": "s1", "name": "pc", "role": "classroom", "password_hash": "", "created_ms": 0}
        connection.execute(insert(schema.agent).values(agent))
    province.ingest.load()
    other.agent, other.epoch = "pc", "cd" * 8
    minute = province.now // MINUTE_MS - 1

    province.take(other.inventory_message(), other.report(minute_of(other, minute, 5, 5, 1, 5, 0, None)))

    assert province.tests() == []


def test_a_grant_reaches_the_agent_over_a_real_broker(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        in_three_days = (datetime.now(UTC).weekday() + 3) % 7
        hours = LessonHours((Lesson(in_three_days, 0, 1),))  # no lesson now
        it.heart.ingest.asked.calendar = SchoolCalendar(default=hours)
        commands: list[wire.Command] = []
        it.client.message_callback_add(
            "schoolbeat/1/s1/gateway/command",
            lambda _client, _data, message: commands.append(wire.decode_command(bytes(message.payload))),
        )
        it.client.subscribe("schoolbeat/1/s1/gateway/command", 1)
        school = able_school("s1")
        minute = now_ms() // MINUTE_MS - 1
        it.publish(school.inventory_message(), school.presence(), school.report(minute_of(school, minute, *NOTHING)))
        assert it.beat(lambda: bool(it.acks))
        it.heart.next_grants = 0.0

        assert it.beat(lambda: any(command.do == "speed_test" for command in commands))

        (command,) = [command for command in commands if command.do == "speed_test"]
        assert len(command.grant) == 16
        assert 0 < command.until_ms - now_ms() <= grants.VALID_MS
        with it.engine.connect() as connection:
            assert connection.scalars(select(schema.speed_grant.c.token)).all() == [command.grant]
