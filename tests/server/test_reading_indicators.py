"""Latency, loss, use, recorders and boards are judged exactly by kept hours, and unknown is a value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from tests.server.school import register
from tests.server.test_kept import FIRST, Measuring
from tests.server.test_proof import DAY, Province
from tests.server.test_verdicts import PLAN, TARGET

from schoolbeat_server import database, kept, plans, schema
from schoolbeat_server.evidence import SiteFacts, Window, from_ledger
from schoolbeat_server.finding import Case, Finding
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.kept import Key
from schoolbeat_server.kept_days import KeptDays
from schoolbeat_server.measured import Row
from schoolbeat_server.never_used import never_used
from schoolbeat_server.reading_indicators import days_of
from schoolbeat_server.register import Device, Line, Site
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, first_minute_of
from schoolbeat_server.speed_indicator import median
from schoolbeat_server.targets import Condition, Target
from schoolbeat_server.verdicts import Verdict, collect, judge_plan, window_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.messages import Lesson

DAYS = range(DAY, DAY + 7)
WINDOW = Window(first_minute_of(DAY), first_minute_of(DAY + 7) + 12 * 60)
LESSONS = {day: frozenset({7, 8}) for day in DAYS}
RTT: Key = ("line.domestic", "rtt_ms")
LOSS: Key = ("line.domestic", "loss_percent")
BOARD = Device("s", "b", "Bảng 5A", "board", None, "192.0.2.1", 0, "lan.router")

Told = Callable[[int, int], int | None]
"""(day from 0, minute of the day) -> the value as on the wire."""


def days_told(told: Mapping[Key, Told], lessons: Mapping[int, frozenset[int]] | None = LESSONS) -> KeptDays:
    days = {}
    for day in DAYS:
        found = {}
        for key, value_of in told.items():
            values = {at: value for at in range(1_440) if (value := value_of(day - DAY, at)) is not None}
            if values:
                found[key] = kept.summarised(*key, values)
        days[day] = found
    return KeptDays(days, lessons)


def site(told: Mapping[Key, Told], lessons: Mapping[int, frozenset[int]] | None = LESSONS, *lines: Line) -> SiteFacts:
    place = Site("s", "school", "Điểm", "main", None, None)
    return SiteFacts(place, lines=lines, devices=(BOARD,), inventoried=True, kept=days_told(told, lessons))


def found(
    indicator: str,
    facts: SiteFacts,
    threshold: Fraction | int = 0,
    *,
    of: tuple[str, ...] = (),
    target: Target = TARGET,
) -> Finding:
    known = INDICATORS[indicator]
    least, most = (Fraction(threshold), None) if known.compares == "at_least" else (None, Fraction(threshold))
    condition = Condition(indicator, "a", at_least=least, at_most=most, of=of)
    return known.judge(Case(facts, BOARD if known.of == "device" else None, target, condition, WINDOW))


def always(value: int) -> Told:
    return lambda day, at: value


# ---- latency and loss --------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=60), st.sampled_from(kept.EDGES["ms"]))
def test_latency_is_met_exactly_when_the_lower_median_of_all_minutes_is_at_most_the_threshold(
    values: list[int], edge: int
) -> None:
    facts = site({RTT: lambda day, at: values[(day * 1_440 + at) % len(values)]})
    every = sorted(values[at % len(values)] for at in range(7 * 1_440))

    told = found("line.domestic.latency", facts, edge)

    assert told.met is (every[(len(every) - 1) // 2] <= edge * 100)
    if len(every) % 2:
        assert told.met is (median(every) <= edge * 100)


def test_latency_says_its_numbers_and_is_proven_when_every_week_was_measured() -> None:
    facts = site({RTT: lambda day, at: 4_000 if at % 4 else 6_000})

    met = found("line.domestic.latency", facts, 50)
    missed = found("line.domestic.latency", facts, 30)

    assert (met.met, met.grade, met.coverage) == (True, "proven", Fraction(1))
    assert met.said.vi == ("Độ trễ trong nước: 75,0% số phút có độ trễ không quá 50 ms, cần ít nhất một nửa")
    assert (missed.met, missed.since_minute) == (False, first_minute_of(DAY))


def test_latency_below_its_coverage_is_unknown_unless_the_known_minutes_decide_it() -> None:
    half_the_time = site({RTT: lambda day, at: 4_000 if at % 2 else None})
    a_little_more = site({RTT: lambda day, at: 4_000 if at % 2 or at % 100 == 0 else None})

    assert found("line.domestic.latency", half_the_time, 50).met is True  # whatever the other half is
    assert found("line.domestic.latency", site({RTT: lambda day, at: 4_000 if at % 3 == 0 else None}), 50).met is None
    assert found("line.domestic.latency", a_little_more, 30).met is False
    assert found("line.domestic.latency", site({}), 50).met is None
    assert found("line.domestic.latency", replace(site({}), kept=None), 50).grade == "inventoried"


def test_in_lessons_only_hours_that_hold_lessons_count() -> None:
    in_lessons = replace(TARGET, clock="lessons")
    slow_in_lessons = site({RTT: lambda day, at: 9_000 if at // 60 in (7, 8) else 1_000})

    assert found("line.domestic.latency", slow_in_lessons, 50).met is True
    assert found("line.domestic.latency", slow_in_lessons, 50, target=in_lessons).met is False
    untold = found("line.domestic.latency", replace(slow_in_lessons, kept=days_told({RTT: always(1)}, None)), 50)
    assert untold.met is True
    untold = found("line.domestic.latency", site({RTT: always(1)}, None), 50, target=in_lessons)
    assert (untold.met, untold.said.en) == (
        None,
        "Domestic latency: there is no school calendar to count by",
    )


def test_since_when_a_line_has_been_slow_is_the_first_slow_day_after_the_last_good_one() -> None:
    facts = site({RTT: lambda day, at: 9_000 if day not in (1, 2) else 1_000})

    assert found("line.domestic.latency", facts, 50).since_minute == first_minute_of(DAY + 3)


def test_only_whole_days_that_have_been_over_for_twelve_hours_are_judged() -> None:
    case = Case(site({}), None, TARGET, Condition("line.domestic.latency", "a"), WINDOW)

    assert days_of(case) == (DAY, DAY + 7)
    assert days_of(case._replace(window=Window(WINDOW[0], WINDOW[1] - 1))) == (DAY, DAY + 6)
    assert days_of(case._replace(window=Window(WINDOW[0] + 1, WINDOW[1]))) == (DAY + 1, DAY + 7)
    assert days_of(case._replace(window=Window(WINDOW[1] - 60, WINDOW[1]))) == (DAY + 8, DAY + 8)


@pytest.mark.parametrize(("allowed", "met"), [(Fraction(1, 100), True), (Fraction(99, 10_000), False)])
def test_loss_is_the_exact_mean_of_the_minutes(allowed: Fraction, met: bool) -> None:
    facts = site({LOSS: lambda day, at: 100 if at % 10 == 0 else 0})  # 10 % in one minute of ten

    told = found("line.domestic.loss", facts, allowed)

    assert told.met is met
    if met:
        assert told.said.vi == "Mất gói trong nước: trung bình mỗi phút mất 1%, cho phép 1%"


def test_loss_of_the_unknown_minutes_may_be_anything() -> None:
    facts = site({LOSS: lambda day, at: 0 if at < 720 else None})

    assert found("line.domestic.loss", facts, Fraction(1, 2)).met is True
    assert found("line.domestic.loss", facts, Fraction(1, 100)).met is None


# ---- video lessons -----------------------------------------------------------------------------------------


def test_video_lessons_are_judged_in_lesson_time_whatever_the_targets_clock() -> None:
    minutes = bytes(60 if 420 <= at % 1_440 < 540 else 0 for at in range(7 * 1_440))
    lessons = bytes(int(420 <= at % 1_440 < 540) for at in range(7 * 1_440))
    window = Window(first_minute_of(DAY), first_minute_of(DAY + 7))

    def told(codes: bytes, in_lessons: bytes | None = lessons) -> Finding:
        facts = replace(site({}), measured={"lesson.video": Row(window.first_minute, codes, in_lessons)})
        condition = Condition("lesson.video", "a", at_least=Fraction(95, 100))
        return INDICATORS["lesson.video"].judge(Case(facts, None, TARGET, condition, window))

    assert told(minutes).met is True
    assert told(bytes(7 * 1_440)).met is False
    assert told(bytes([UNKNOWN]) * (7 * 1_440)).met is None
    assert told(minutes, None).met is None
    assert told(minutes).said.vi.startswith("Bài giảng qua video: đường truyền đủ 100% thời gian")


# ---- services, use -----------------------------------------------------------------------------------------


def test_every_service_named_must_be_quick() -> None:
    facts = site({("service.hub", "http_ms"): always(30_000), ("service.mail", "http_ms"): always(60_000)})

    assert found("service.latency", facts, 300, of=("hub",)).met is True
    both = found("service.latency", facts, 300, of=("hub", "mail"))
    assert (both.met, both.said.en.split(":")[0]) == (False, "Service mail")
    assert found("service.latency", facts, 300, of=("hub", "other")).met is None


def test_the_busiest_quarter_hour_of_lesson_time_is_compared_with_the_contract() -> None:
    line = Line("l", "s", "VNPT", "fibre", 100_000_000, None)
    rx: Key = ("line.internet", "rx_quarter_bps")
    quarters: Told = lambda day, at: (  # noqa: E731
        None if at % 15 else 99_000_000 if at < 60 else 80_000_000 if (day, at) == (3, 435) else 1_000_000
    )
    facts = site({rx: quarters}, LESSONS, line)

    met = found("lesson.peak_use", facts, Fraction(4, 5))
    missed = found("lesson.peak_use", facts, Fraction(79, 100))

    assert (met.met, met.coverage, missed.met) == (True, Fraction(1), False)
    assert met.said.vi == ("Chiều xuống: 15 phút đông nhất của giờ học 80 Mbit/s, bằng 80% hợp đồng, cho phép 80%")
    assert found("lesson.peak_use", site({rx: quarters}), Fraction(1)).met is None
    assert found("lesson.peak_use", site({rx: quarters}, None, line), Fraction(1)).met is None
    few = site({rx: lambda day, at: 1_000_000 if at == 420 and day < 2 else None}, LESSONS, line)
    assert found("lesson.peak_use", few, Fraction(1)).met is None


@pytest.mark.parametrize(
    ("how", "contracts", "met"),
    [
        ("every", ((100, None), (None, None)), None),
        ("every", ((79, None), (None, None)), False),  # whatever the other's contract states
        ("any", ((100, None), (None, None)), True),
        ("any", ((79, None), (None, None)), None),
        ("any", ((79, None), (100, None)), True),
        ("every", ((100, 9), (100, None)), False),  # a contract for upload is there and exceeded
        ("every", ((100, 10), (100, None)), True),
        ("any", ((100, 9), (100, 10)), True),
    ],
)
def test_use_is_compared_with_the_contract_of_each_line(
    how: Literal["any", "every"], contracts: tuple[tuple[int | None, int | None], ...], met: bool | None
) -> None:
    bps = [tuple(None if one is None else one * 1_000_000 for one in both) for both in contracts]
    lines = [Line(f"l{at}", "s", "VNPT", "fibre", down, up) for at, (down, up) in enumerate(bps)]
    told = {
        ("line.internet", "rx_quarter_bps"): always(80_000_000),
        ("line.internet", "tx_quarter_bps"): always(10_000_000),
    }

    seen = found("lesson.peak_use", site(told, LESSONS, *lines), Fraction(1), target=replace(TARGET, lines=how))

    assert seen.met is met


# ---- devices -----------------------------------------------------------------------------------------------


def flags(**values: int | None) -> SiteFacts:
    return site(
        {
            ("device.b", reading): lambda day, at, value=value: value if at % 60 == 5 else None  # type: ignore[misc]
            for reading, value in values.items()
        }
    )


def test_posture_is_by_the_last_answers_and_unknown_where_nobody_asked() -> None:
    fine = found("device.posture", flags(default_password=0, telnet_open=0, open_stream=0))
    open_telnet = found("device.posture", flags(default_password=0, telnet_open=1, open_stream=None))
    never_tried = found("device.posture", flags(telnet_open=0, open_stream=0))
    mended = site(
        {
            ("device.b", "default_password"): lambda day, at: int(day < 5) if at == 600 else None,
            ("device.b", "telnet_open"): always(0),
            ("device.b", "open_stream"): always(0),
        }
    )

    assert (fine.met, fine.grade, fine.coverage) == (True, "proven", Fraction(1))
    assert (open_telnet.met, open_telnet.said.vi) == (False, "Bảng 5A: cổng telnet mở")
    assert (never_tried.met, never_tried.said.vi) == (None, "Bảng 5A: chưa hỏi về mật khẩu mặc định")
    assert found("device.posture", mended).met is True
    assert found("device.posture", site({})).met is None


def test_recording_counts_each_hour_by_its_answers() -> None:
    every_five: Told = lambda day, at: int(at // 60 != 0) if at % 5 == 0 else None  # noqa: E731
    facts = site({("device.b", "recording"): every_five})

    assert found("device.recording", facts, Fraction(23, 24)).met is True
    assert found("device.recording", facts, Fraction(24, 25)).met is False
    assert found("device.recording", site({}), Fraction(1, 2)).met is None
    only_days: Told = lambda day, at: 1 if 420 <= at < 1_020 else None  # noqa: E731
    assert found("device.recording", site({("device.b", "recording"): only_days}), Fraction(1, 2)).met is None


def test_a_board_is_used_when_it_was_on_in_an_hour_with_lessons_or_its_counter_rose() -> None:
    power, hours = ("device.b", "power_state"), ("device.b", "lamp_hours")
    once = site({power: lambda day, at: int((day, at) == (3, 470))})
    at_night = site({power: lambda day, at: int(at > 1_200)})
    standby_seldom_seen = site({power: lambda day, at: 0 if day == 0 else None})
    counted = site({hours: lambda day, at: 900 + (day > 3) if at % 60 == 0 else None})
    resting = site({hours: always(900)})

    assert [found("device.used", one).met for one in (once, at_night, standby_seldom_seen, counted, resting)] == [
        True,
        False,
        None,
        True,
        None,
    ]
    assert found("device.used", at_night).said.vi == "Bảng 5A: không bật trong giờ học suốt 7 ngày"


# ---- plan files, and the whole way -------------------------------------------------------------------------


def plan_with(threshold: str, window_days: int = 7) -> str:
    return f"""
plan: p
kind: profile
document: {{vi: a, en: a}}
issuer: {{vi: a, en: a}}
targets:
  - target: t
    name: {{vi: a, en: a}}
    clause: {{vi: a, en: a}}
    quote: {{vi: a, en: a}}
    unit: site
    conditions:
      - {{indicator: line.domestic.latency, at_most: latency}}
    share: 100%
    assumptions:
      latency: {{value: {threshold}, reason: {{vi: a, en: a}}, source: a}}
      window_days: {{value: {window_days}, reason: {{vi: a, en: a}}, source: a}}
      clock: {{value: always, reason: {{vi: a, en: a}}, source: a}}
      min_coverage: {{value: 80%, reason: {{vi: a, en: a}}, source: a}}
      site_kinds: {{value: [main, satellite], reason: {{vi: a, en: a}}, source: a}}
"""


def test_a_threshold_that_is_no_edge_is_refused_and_the_edges_are_named() -> None:
    with pytest.raises(plans.PlanError) as refused:
        plans.parse(plan_with("60 ms"), "p.yaml")

    assert refused.value.said.en == (
        "p.yaml:16: targets[1].assumptions.latency.value = '60 ms': only these thresholds can be answered exactly (ms):"
        " 5, 10, 20, 30, 40, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1000, 2000, 3000, 5000, 10000"
    )
    assert plans.parse(plan_with("50 ms"), "p.yaml").targets[0].conditions[0].at_most == 50


def test_a_window_that_never_holds_a_whole_day_is_refused() -> None:
    with pytest.raises(plans.PlanError, match="cần ít nhất 2"):
        plans.parse(plan_with("50 ms", window_days=1), "p.yaml")

    assert plans.parse(plan_with("50 ms", window_days=2), "p.yaml").targets[0].window_days == 2


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    made = Province(tmp_path / "a.db")
    made.night(DAY - 1)
    yield made
    made.engine.dispose()
    engine.dispose()


def verdict_on(province: Province, latency: int) -> Verdict:
    condition = Condition("line.domestic.latency", "latency", at_most=Fraction(latency))
    target = replace(TARGET, conditions=(condition,), window_days=2, min_coverage=Fraction(1, 24))
    plan = replace(PLAN, targets=(target,))
    end = first_minute_of(DAY + 1) + 13 * 60
    calendar = SchoolCalendar(default=LessonHours(tuple(Lesson(weekday, 420, 460) for weekday in range(7))))
    with province.engine.connect() as connection:
        source = from_ledger(
            lambda site, signal, first, end: province.ingest.ledger.read(connection, site, [signal], first, end)[signal]
        )
        evidence = collect(connection, source, plan, window_of(plan, end), calendar=calendar)
    return judge_plan(plan, evidence)[0]


def test_from_reports_to_a_verdict(province: Province) -> None:
    school = Measuring("s1")
    province.minute = FIRST + 200
    rtts = {FIRST + at: {RTT: 4_500} for at in range(120)}
    province.take(school.inventory_message(), school.presence(), school.tell(rtts))
    province.night(DAY)

    met, missed = verdict_on(province, 50), verdict_on(province, 40)

    assert {unit.id: unit.status for unit in met.units} == {"s1": "met", "s2": "unknown"}
    assert {unit.id: unit.status for unit in missed.units} == {"s1": "missed", "s2": "unknown"}


def test_a_day_kept_anew_because_of_late_data_makes_its_verdicts_looked_at_again(province: Province) -> None:
    school = Measuring("s1")
    early, late = school.tell({FIRST: {RTT: 100}}), school.tell({FIRST + 1: {RTT: 900}})
    province.minute = FIRST + 200
    province.take(school.inventory_message(), school.presence(), early)
    province.night(DAY)
    province.take(late)
    touched = select(schema.touched.c.site, schema.touched.c.first_minute, schema.touched.c.end_minute)

    with province.engine.connect() as connection:
        before = connection.execute(touched).all()
    province.night(DAY + 1)

    with province.engine.connect() as connection:
        after = connection.execute(touched).all()
    assert after[len(before) :] == [("s1", FIRST, FIRST + 1_440)]


def test_the_list_of_boards_that_nobody_used_names_those_and_apart_from_them_the_unknown_ones(
    province: Province,
) -> None:
    boards = [
        {"site": "s1", "id": ident, "name": ident, "kind": kind, "address": "192.0.2.1"}
        for ident, kind in (("idle", "board"), ("busy", "board"), ("mute", "board"), ("cam", "camera"))
    ]
    with province.engine.begin() as connection:
        connection.execute(insert(schema.device), boards)
    school = Measuring("s1")
    school.inventory = inventories.with_revision(
        inventories.Inventory(
            revision="",
            signals=school.signals,
            columns=[inventories.Column("power_state", ["device.idle", "device.busy"])],
        )
    )
    province.take(school.inventory_message(), school.presence())
    for day in range(2):
        first = first_minute_of(DAY + day)
        rows = []
        for at in range(400, 700, 5):
            values: list[list[int | None]] = [[0, int((day, at) == (1, 450))]]
            rows.append(reports.MinuteRow(school.seq, first + at, bytes([60]) * len(school.signals), values))
            school.seq += 1
        province.minute = first + 720
        for start in range(0, len(rows), 30):
            province.take(school.report(rows[start : start + 30]))
        province.night(DAY + day)
    calendar = SchoolCalendar(default=LessonHours(tuple(Lesson(weekday, 420, 660) for weekday in range(7))))

    with province.engine.connect() as connection:
        table = never_used(connection, calendar, first_minute_of(DAY + 2) + 720, days=2)

    assert [tuple(map(str, (row[3], row[5], row[6], row[7]))) for row in table.rows] == [
        ("idle", str(Said("không bật lần nào", "never switched on")), "8", "8"),
        ("mute", str(Said("chưa biết: máy không báo đủ", "not known: it does not say enough")), "0", "8"),
    ]
    assert table.links == ("/site/s1", "/site/s1")
