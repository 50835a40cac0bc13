"""Stored rows reach a real time-series store, each once, whatever happens to the store, the server or the rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert
from tests.server.school import CUT_AT_ISP, SIGNALS, School
from tests.server.series_sending import (
    AnyStore,
    Sending,
    counters,
    days_known,
    days_told,
    newest,
    of,
    one,
    outages_known,
    outages_told,
    points,
)
from tests.server.test_proof import DAY, NOON, a_day
from tests.server.test_retraction import COPY, copied, take_back, true_one
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server import calendar_rows, schema
from schoolbeat_server.availability import availability
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.calendar_revision import CalendarRevision
from schoolbeat_server.database import writing
from schoolbeat_server.school_calendar import LessonTime, Rule, first_minute_of
from schoolbeat_server.series_streams import TOUCHED
from schoolbeat_wire.catalogue import UP_FULL

FIRST = first_minute_of(DAY) + NOON


@pytest.fixture(params=["victoriametrics", "influxdb1"], scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyStore]:
    folder = tmp_path_factory.mktemp(request.param)
    with (victoria_metrics if request.param == "victoriametrics" else influxdb1)(folder) as running:
        yield running


@pytest.fixture
def sending(tmp_path: Path, store: AnyStore) -> Iterator[Sending]:
    made = Sending(tmp_path, store.settings)
    yield made
    made.close()
    _empty(store)


def _empty(store: AnyStore) -> None:
    if hasattr(store, "query"):
        for row in store.query("SHOW MEASUREMENTS"):
            for found in row.values:
                store.query(f'DROP MEASUREMENT "{found["name"]}"')
    else:
        store.get("/api/v1/admin/tsdb/delete_series", **{"match[]": '{__name__!=""}'})


def ledger_minutes(sending: Sending, site: str, signal: str, first: int, end: int) -> dict[int, float]:
    codes = sending.ledger(site, [signal], first, end)[signal]
    return {(first + at) * 60_000: code for at, code in enumerate(codes) if code <= UP_FULL}


def test_every_minute_and_reading_of_reports_is_in_the_store_as_the_ledger_has_it(
    sending: Sending, store: AnyStore
) -> None:
    a_day(sending.province, School("s1"))

    sending.send()
    minutes, readings = points(store, "schoolbeat_minute"), points(store, "schoolbeat_reading")

    for signal in [*SIGNALS, "site.contact"]:
        expected = ledger_minutes(sending, "s1", signal, FIRST, FIRST + 240)
        assert one(minutes, "schoolbeat_minute_up_seconds", site="s1", signal=signal) == expected
        assert expected
    rtt = one(readings, "schoolbeat_reading_rtt_ms", site="s1", subject="lan.router")
    assert rtt == {(FIRST + at) * 60_000: 1.25 for at in range(180)}
    assert counters(sending)["series.points_sent"] > 1_000


# ---- what is corrected -------------------------------------------------------------------------------------


def test_outages_are_told_as_they_begin_grow_and_end(sending: Sending, store: AnyStore) -> None:
    school = School("s1")
    told = [school.inventory_message(), school.presence()]
    for at in range(12):
        sending.province.minute = FIRST + at + 1
        down = 3 <= at < 9
        row = school.signal_row(**CUT_AT_ISP) if down else school.signal_row()
        sending.province.take(*told, school.report(school.rows(FIRST + at, [row])))
        told = []
        sending.send()
        assert outages_told(store) == outages_known(sending), at

    assert len(outages_known(sending)) == 2  # the line, and the Internet because of it
    found = points(store, "schoolbeat_outage")
    versions = one(found, "schoolbeat_outage_down_seconds", site="s1", signal="line.isp")
    by_revision = sending.queue.sources.stamps.by_revision
    assert len(versions) == (7 if by_revision else 1)


def test_an_outage_that_lasts_while_its_device_gets_a_name_ends_under_the_new_one_and_is_gone_under_the_old(
    sending: Sending, store: AnyStore
) -> None:
    school = School("s1")
    named = {"site": "s1", "id": "ap-1", "kind": "access_point", "name": "Wi-Fi phòng hội đồng"}
    told = [school.inventory_message(), school.presence()]
    for at in range(8):
        if at == 4:
            with writing(sending.engine) as connection:
                connection.execute(insert(schema.device).values(named))
            sending.later(300)
        sending.province.minute = FIRST + at + 1
        row = school.signal_row(device_ap_1=0) if 2 <= at < 6 else school.signal_row()
        sending.province.take(*told, school.report(school.rows(FIRST + at, [row])))
        told = []
        sending.send()
    found = of(
        points(store, "schoolbeat_outage"), "schoolbeat_outage_down_seconds", lambda has: has["signal"] == "device.ap-1"
    )
    shown = {dict(tags).get("label", ""): newest(values, (FIRST + 2) * 60_000) for tags, values in found.items()}

    assert shown == {"": 0, "Wi-Fi phòng hội đồng": 240}
    assert sending.rows(schema.outage_told) == []


def test_minutes_that_come_late_take_an_outage_back(sending: Sending, store: AnyStore) -> None:
    """Unknown minutes neither end an outage nor lengthen it: two runs are one until a minute up lies between them."""
    school = School("s1")
    cut, up = school.signal_row(**CUT_AT_ISP), school.signal_row()
    early = school.report(school.rows(FIRST, [up, cut]))
    between = school.report(school.rows(FIRST + 2, [up] * 3))
    late = school.report(school.rows(FIRST + 5, [cut, up]))
    sending.province.minute = FIRST + 10
    sending.province.take(school.inventory_message(), school.presence(), early, late)
    sending.send()
    before = outages_told(store)
    sending.province.take(between)
    sending.send()

    assert outages_told(store) == outages_known(sending)
    assert before != outages_told(store)
    assert {first for _, _, first in before} == {FIRST + 1}
    assert {first for _, _, first in outages_told(store)} == {FIRST + 1, FIRST + 5}


def test_what_an_operator_takes_back_leaves_the_store_with_what_the_server_says(
    sending: Sending, store: AnyStore
) -> None:
    copied(sending.province, true_one(sending.province))
    sending.send()
    with_copy = outages_told(store)

    take_back(sending.province, COPY)
    sending.send()
    minutes = points(store, "schoolbeat_minute")

    assert with_copy != outages_known(sending)
    assert outages_told(store) == outages_known(sending)
    overlap = first_minute_of(DAY) + NOON  # the copy had told something else of these: nobody's word counted
    internet = one(minutes, "schoolbeat_minute_up_seconds", site="s1", signal="line.internet")
    assert [internet[(overlap + at) * 60_000] for at in range(50)] == [60] * 40 + [0] * 10


def test_a_days_sums_are_told_in_the_morning_and_again_when_late_minutes_revise_it(
    sending: Sending, store: AnyStore
) -> None:
    school = School("s1")
    a_day(sending.province, school)
    late = school.report(school.rows(first_minute_of(DAY) + NOON + 300, [school.signal_row(line_isp=0)] * 20))
    sending.province.night(DAY)
    sending.send()
    assert days_told(store, "always") == days_known(sending, range(DAY, DAY + 1))
    before = days_told(store, "always")

    sending.province.minute = first_minute_of(DAY + 1) + 700
    sending.province.take(late)
    sending.province.night(DAY + 1)
    sending.send()

    assert days_told(store, "always") | before != before
    told = {key: value for key, value in days_told(store, "always").items() if key[2] == DAY}
    assert told == days_known(sending, range(DAY, DAY + 1))
    assert days_told(store, "lessons") == {}  # nobody told the lessons


def test_lessons_told_later_are_counted_in_days_already_sent(sending: Sending, store: AnyStore) -> None:
    a_day(sending.province, School("s1"))
    sending.province.night(DAY)
    sending.send()
    rule = Rule("province", "", "week", DAY - 30, DAY + 30, tuple(range(7)), (LessonTime(NOON + 5, NOON + 50),))
    document = Document("tkb", frozenset([rule]), ())
    now_ms = sending.province.minute * 60_000

    calendar_rows.store(sending.engine, document, "x.yaml", who="test", why="thử", now_ms=now_ms)
    revision = CalendarRevision(sending.province.ingest)
    revision.look()
    while revision.busy:
        revision.step()
    sending.send()

    first, codes = FIRST - NOON, sending.ledger("s1", ["line.isp"], FIRST - NOON, FIRST - NOON + 1_440)["line.isp"]
    lessons = bytes(NOON + 5 <= at < NOON + 50 for at in range(1_440))
    counted = availability(codes, lessons)
    assert first == first_minute_of(DAY)
    assert days_told(store, "lessons")["s1", "line.isp", DAY] == [
        counted.up_seconds,
        counted.down_seconds,
        counted.off_seconds,
        counted.unknown_seconds,
    ]
    assert counted.down_seconds == 15 * 60
    assert days_told(store, "always") == days_known(sending, range(DAY, DAY + 1))


def test_what_others_noted_of_changed_minutes_is_passed_once(sending: Sending) -> None:
    """Late data adds a row for each site and morning, for ever."""
    late = {"site": "s1", "first_minute": FIRST, "end_minute": FIRST + 1, "at_ms": 0, "why": "late"}
    with writing(sending.engine) as connection:
        connection.execute(schema.touched.insert(), [late] * (TOUCHED + 1) + [late | {"why": "calendar"}])
        connection.execute(schema.touched.insert(), [late] * (TOUCHED + 1))

    sending.send()

    assert sending.queue.cursors.at("recounted") == 2 * TOUCHED + 3
