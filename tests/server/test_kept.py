"""Kept readings say what a plain pass over the reports says, in whatever order and however late these came."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update
from tests.server.school import SIGNALS, School, register
from tests.server.test_proof import DAY, Province

from schoolbeat_server import database, kept, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.kept import Key, Part, Series
from schoolbeat_server.kept_days import KeptDays, read_days
from schoolbeat_server.rebuild import rebuild_site
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, first_minute_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED
from schoolbeat_wire.messages import Lesson

FIRST = first_minute_of(DAY)
COLUMNS = [
    inventories.Column("rtt_ms", ["line.domestic", "device.ap-1", "host"]),
    inventories.Column("loss_percent", ["line.domestic"]),
    inventories.Column("telnet_open", ["device.ap-1"], sparse=True),
    inventories.Column("download_bps", ["speed.a"], sparse=True),
    inventories.Column("load1", ["host"]),
    inventories.Column("clients", ["device.ap-1"]),
]
KEYS: list[Key] = [
    ("line.domestic", "rtt_ms"),
    ("device.ap-1", "clients"),
    ("host", "rtt_ms"),
    ("line.domestic", "loss_percent"),
    ("device.ap-1", "telnet_open"),
]
Row = dict[Key, int]
Reported = dict[int, Row]


class Measuring(School):
    """A school whose reports bring readings."""

    def __post_init__(self) -> None:
        self.inventory = inventories.with_revision(
            inventories.Inventory(revision="", signals=self.signals, columns=COLUMNS, probes=["path"])
        )

    def tell(self, told: Reported) -> Message:
        rows = []
        for minute in sorted(told):
            values: list[list[int | None]] = [
                [told[minute].get((subject, column.reading)) for subject in column.subjects] for column in COLUMNS
            ]
            values[3], values[4] = [5_000_000], [100]
            rows.append(reports.MinuteRow(self.seq, minute, bytes([60]) * len(SIGNALS), values))
            self.seq += 1
        return self.report(rows)


def plain(told: Iterable[tuple[int, Row]]) -> dict[Key, dict[int, list[int]]]:
    """By series and hour the values, minute by minute, with no word shared with the product."""
    seen: dict[tuple[Key, int], set[int]] = {}
    for minute, row in told:
        for key, value in row.items():
            seen.setdefault((key, minute), set()).add(value)
    found: dict[Key, dict[int, list[int]]] = {}
    for (key, minute), values in sorted(seen.items(), key=lambda one: one[0][1]):
        if len(values) == 1 and FIRST <= minute < FIRST + 1440:
            daily = key == ("device.ap-1", "clients")
            hour = 0 if daily else (minute - FIRST) // 60
            found.setdefault(key, {}).setdefault(hour, []).extend(values)
    return found


def figures(day: dict[Key, Series]) -> dict[Key, dict[int, tuple[int, int, int, int]]]:
    return {key: {hour: part[:4] for hour, part in series.parts.items()} for key, series in day.items()}


def expected_figures(found: dict[Key, dict[int, list[int]]]) -> dict[Key, dict[int, tuple[int, int, int, int]]]:
    return {
        key: {hour: (len(one), sum(one), min(one), max(one)) for hour, one in hours.items()}
        for key, hours in found.items()
    }


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    made = Province(tmp_path / "a.db")
    made.night(DAY - 1)
    yield made
    made.engine.dispose()
    engine.dispose()


def stored(province: Province, site: str = "s1", day: int = DAY) -> dict[Key, Series]:
    with province.engine.connect() as connection:
        found = read_days(connection, {site: KEYS}, day, day + 1, None)[site]
    return dict(found.days.get(day, {}))


def everything(province: Province) -> list[Any]:
    table = schema.kept_day.c
    with province.engine.connect() as connection:
        return list(
            connection.execute(select(table.site, table.day, table.group, table.names, table.payload).order_by(*table))
        )


def drawn(rng: random.Random, minutes: Iterable[int]) -> Reported:
    highest = {"rtt_ms": 6_000_000, "clients": 100_000, "loss_percent": 1_000, "telnet_open": 1}
    return {
        minute: {key: rng.randint(0, highest[key[1]]) for key in KEYS if rng.random() < 0.8}
        for minute in sorted(minutes)
    }


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.integers(0, 1_439), st.integers(0, 6_000_000), min_size=1, max_size=120),
    st.sampled_from(
        [
            ("line.domestic", "rtt_ms"),
            ("line.domestic", "loss_percent"),
            ("device.d", "clients"),
            ("dns.school", "dns_ms"),
        ]
    ),
)
def test_a_series_is_what_its_values_are(values: dict[int, int], key: Key) -> None:
    series = kept.summarised(*key, values)
    again = kept.unpack(kept.unpack_names(kept.pack_names({key: series})[1]), kept.pack({key: series}))[key]

    assert again == series
    assert sum(part.known for part in series.parts.values()) == len(values)
    for edge in series.edges:
        assert series.at_most(series.at(None), edge) == sum(value <= edge for value in values.values())
    assert (series.last_minute, series.last) == max(values.items())


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(st.integers(0, 1_439), st.integers(-(2**40), 2**40), min_size=2, max_size=60),
    st.sets(st.integers(0, 1_439)),
)
def test_two_parts_of_a_day_add_up_to_the_whole(values: dict[int, int], some: set[int]) -> None:
    one = {minute: value for minute, value in values.items() if minute in some}
    other = {minute: value for minute, value in values.items() if minute not in some}
    if not one or not other:
        return

    both = kept.added(kept.summarised("line.isp", "rtt_ms", one), kept.summarised("line.isp", "rtt_ms", other))

    assert both == kept.summarised("line.isp", "rtt_ms", values)


@pytest.mark.parametrize("seed", range(4))
def test_kept_is_what_a_plain_pass_gives_in_any_order_with_repeats_and_late_data(province: Province, seed: int) -> None:
    rng = random.Random(seed)
    school = Measuring("s1")
    minutes = rng.sample(range(FIRST - 30, FIRST + 1_470), 300)
    told = drawn(rng, minutes)
    groups = [sorted(minutes)[at : at + rng.randint(1, 40)] for at in range(0, 300, 40)]
    messages = [school.tell({minute: told[minute] for minute in group}) for group in groups if group]
    heard = [minute for group in groups for minute in group]
    rng.shuffle(messages)
    late, soon = messages[:2], messages[2:]

    province.minute = FIRST + 1_470
    province.take(school.inventory_message(), school.presence(), *soon, *rng.sample(soon, 2))
    province.night(DAY)
    before = figures(stored(province))
    province.minute += 60
    province.take(*late, *late)
    province.night(DAY + 1)

    found = stored(province)
    expected = plain((minute, told[minute]) for minute in heard)
    assert figures(found) == expected_figures(expected)
    assert before != figures(found)
    for series in found.values():
        assert all(sum(part.bins) in (0, part.known) for part in series.parts.values())


def test_two_different_values_of_one_minute_are_none(province: Province) -> None:
    one, copy = Measuring("s1"), Measuring("s1", epoch="cd" * 8)
    province.minute = FIRST + 100
    key = ("line.domestic", "rtt_ms")
    province.take(one.inventory_message(), one.presence(), one.tell({FIRST: {key: 100}, FIRST + 1: {key: 200}}))
    province.take(copy.presence(), copy.tell({FIRST: {key: 100}, FIRST + 1: {key: 201}, FIRST + 2: {key: 300}}))

    province.night(DAY)

    assert stored(province)[key].parts[0][:4] == (2, 400, 100, 300)


@pytest.mark.parametrize("backwards", [False, True])
def test_what_was_measured_in_a_minute_that_is_taken_back_is_none(province: Province, backwards: bool) -> None:
    school = Measuring("s1")
    told = school.tell({FIRST + at: {("line.domestic", "rtt_ms"): 20 + at} for at in range(3)})
    blank: list[list[int | None]] = [[None] * len(column.subjects) for column in COLUMNS]
    back = school.report([reports.MinuteRow(school.seq, FIRST + 1, bytes([DISPUTED]) * len(SIGNALS), blank)])
    province.take(school.inventory_message(), school.presence())
    province.minute = FIRST + 30

    for message in (back, told) if backwards else (told, back):
        province.take(message)
    province.night(DAY)

    day = figures(stored(province))
    assert day["line.domestic", "rtt_ms"] == {0: (2, 42, 20, 22)}


def test_another_agent_may_not_tell_of_a_signal_that_is_not_its_own(province: Province) -> None:
    with province.engine.begin() as connection:
        connection.execute(
            schema.agent.insert(),
            [{"site": "s1", "name": "room", "role": "gateway", "password_hash": "", "created_ms": 0}],
        )
    province.start()
    gateway, other = Measuring("s1"), Measuring("s1", agent="room", epoch="cd" * 8)
    key = ("line.domestic", "rtt_ms")
    province.minute = FIRST + 100
    province.take(gateway.inventory_message(), gateway.presence(), gateway.tell({FIRST: {key: 100}}))
    province.take(other.inventory_message(), other.presence(), other.tell({FIRST + 5: {key: 900}}))

    province.night(DAY)

    assert stored(province)[key].parts[0][:4] == (1, 100, 100, 100)


def test_rebuild_makes_lost_and_damaged_days_again(province: Province) -> None:
    school = Measuring("s1")
    province.minute = FIRST + 100
    province.take(
        school.inventory_message(), school.presence(), school.tell(drawn(random.Random(1), range(FIRST, FIRST + 90)))
    )
    province.night(DAY)
    before = everything(province)
    with province.engine.begin() as connection:
        connection.execute(update(schema.kept_day).values(payload=b"damaged"))

    damaged = stored(province)
    rebuild_site(province.ingest, "s1", DAY, DAY + 1, province.minute * 60_000)
    made_again = everything(province)
    with province.engine.begin() as connection:
        connection.execute(delete(schema.kept_day))
        connection.execute(delete(schema.kept_names))
    rebuild_site(province.ingest, "s1", DAY, DAY + 1, province.minute * 60_000)

    assert before
    assert damaged == {}
    assert made_again == before
    assert everything(province) == before


def test_late_data_is_added_to_a_day_whose_reports_are_deleted_already(province: Province) -> None:
    school = Measuring("s1")
    key = ("line.domestic", "rtt_ms")
    province.minute = FIRST + 300
    early, late = {FIRST: {key: 100}, FIRST + 1: {key: 5_000}}, {FIRST + 2: {key: 300}, FIRST + 70: {key: 7}}
    first, second = school.tell(early), school.tell(late)
    province.take(school.inventory_message(), school.presence(), first)
    province.night(DAY)
    with province.engine.begin() as connection:
        connection.execute(delete(schema.report))
        database.set_meta(connection, "kept_from_minute", str(FIRST + 1_440))
    province.take(second)

    province.night(DAY + 1)

    parts = stored(province)[key].parts
    assert {hour: part[:4] for hour, part in parts.items()} == {0: (3, 5_400, 100, 5_000), 1: (1, 7, 7, 7)}
    assert parts == kept.summarised(*key, {0: 100, 1: 5_000, 2: 300, 70: 7}).parts


def test_only_hours_that_hold_lessons_are_given_where_they_are_asked_for() -> None:
    key = ("line.international", "rtt_ms")
    series = kept.summarised(*key, {minute: minute // 60 for minute in range(180, 1_440)})
    lessons = {DAY: frozenset({1, 7, 8}), DAY + 1: frozenset[int]()}
    days = KeptDays({day: {key: series} for day in (DAY, DAY + 1)}, lessons)

    at = series.at(days.hours_of(DAY, in_lessons=True))

    assert [series.hours[place] for place in at] == [7, 8]
    assert kept.total(series.totals, at) == 420 + 480
    assert series.at(days.hours_of(DAY + 1, in_lessons=True)) == ()
    assert len(series.at(days.hours_of(DAY, in_lessons=False))) == 21
    assert days.hours(DAY, DAY + 2, in_lessons=True) == 3
    assert days.hours(DAY, DAY + 2) == 48


def test_the_hours_with_lessons_come_from_the_calendar(province: Province) -> None:
    calendar = SchoolCalendar(default=LessonHours(tuple(Lesson(weekday, 415, 425) for weekday in range(7))))

    with province.engine.connect() as connection:
        told = read_days(connection, {"s1": KEYS}, DAY, DAY + 2, calendar)["s1"]
        untold = read_days(connection, {"s1": KEYS}, DAY, DAY + 2, SchoolCalendar())["s1"]

    assert told.lessons == {DAY: frozenset({6, 7}), DAY + 1: frozenset({6, 7})}
    assert untold.lessons is None


def test_edges_ascend_and_are_whole_on_the_wire() -> None:
    from schoolbeat_wire.catalogue import READINGS

    for reading in READINGS:
        edges = kept.edges_of_series("line.internet", reading)
        assert list(edges) == sorted(set(edges))
        assert len(edges) < 32


def test_speed_tests_are_not_kept_twice() -> None:
    assert not kept.is_kept("speed.host", "download_bps")
    assert not kept.is_kept("host", "load1")
    assert not kept.is_kept("device.sw.gi1", "rx_bps")
    assert kept.is_kept("service.hub", "http_ms")
    assert Part(1, 1, 1, 1) + Part(2, 5, 2, 3) == Part(3, 6, 1, 3)
