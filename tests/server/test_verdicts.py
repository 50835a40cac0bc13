"""Verdicts: three values, exact numbers, and reasons that can be shown to the one who misses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server import plans, register, schema
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.evidence import Evidence, SiteFacts, SpeedTest, Window, from_ledger, read_register
from schoolbeat_server.finding import all3, any3, stated
from schoolbeat_server.local_time import local
from schoolbeat_server.measured import Row
from schoolbeat_server.register import Area, Device, Line, Room, School, Site
from schoolbeat_server.register_areas import Boundaries
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import mbps, median
from schoolbeat_server.targets import Condition, Filter, Plan, Target
from schoolbeat_server.verdicts import UnitVerdict, Verdict, collect, judge, judge_plan, plan_status, window_of
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

END = 29_700_000
DAY = 1_440
WORDS = Said("", "")

HIGH_SPEED = (Condition("line.download.median", "fast", at_least=Fraction(20_000_000)),)
FIBRE = (Condition("line.technology", "technologies", one_of=("fibre",)),)
INTERNET = (Condition("line.internet.availability", "enough", at_least=Fraction(9, 10)),)
TARGET = Target(
    id="T",
    name=WORDS,
    clause=WORDS,
    quote=WORDS,
    unit="site",
    filter=Filter(),
    conditions=INTERNET,
    share=Fraction(1),
    deadline=date(2025, 12, 31),
    window_days=7,
    clock="always",
    min_coverage=Fraction(4, 5),
    off="left_out",
    lines="any",
    sites="main",
    devices="every",
    min_tests=3,
    assumptions=(),
)
PLAN = Plan("p", WORDS, WORDS, "p.yaml", (TARGET,))
UP, DOWN = 60, 0


def site_facts(
    ident: str = "s",
    minutes: bytes = b"",
    *,
    kind: str = "main",
    school: str = "school",
    signal: str = "line.internet",
    lines: tuple[Line, ...] = (),
    tests: Iterable[int | None] = (),
    silent: bool = False,
    inventoried: bool = True,
) -> SiteFacts:
    return SiteFacts(
        Site(ident, school, f"Điểm {ident}", kind, None, None),
        lines=lines,
        silent=silent,
        inventoried=inventoried,
        measured={signal: Row(END - len(minutes), minutes)} if minutes else {},
        tests=tuple(SpeedTest(END - 60 * (at + 1), bps, None) for at, bps in enumerate(tests)),
    )


def evidence(*facts: SiteFacts, days: int = 7) -> Evidence:
    schools = {
        one.site.school: School(one.site.school, f"Trường {one.site.school}", "xa", "", "commune") for one in facts
    }
    area = Area("xa", "Xã", "commune", None, "0001-01-01", "9999-12-31")
    return Evidence(Window(END - days * DAY, END), {"xa": area}, schools, {one.site.id: one for one in facts})


def verdict(target: Target, *facts: SiteFacts) -> Verdict:
    return judge(replace(PLAN, targets=(target,)), target, evidence(*facts, days=target.window_days))


def only(found: Verdict) -> UnitVerdict:
    (unit,) = found.units
    return unit


def line(technology: str, down_bps: int | None = None, ident: str = "l") -> Line:
    return Line(ident, "s", "VNPT", technology, down_bps, None)


def week(*runs: tuple[int, int]) -> bytes:
    """Runs of (value, minutes), filled to a week with minutes fully up at its beginning."""
    tail = b"".join(bytes([value]) * count for value, count in runs)
    return bytes([UP]) * (7 * DAY - len(tail)) + tail


# ---- the three values --------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([True, False, None]), max_size=7), st.integers(1, 12), st.integers(1, 12))
def test_a_target_is_decided_exactly_when_every_outcome_of_the_unknown_units_says_the_same(
    units: list[bool | None], one: int, other: int
) -> None:
    share = Fraction(min(one, other), max(one, other))
    outcomes = {
        Fraction(sum(values), len(values)) >= share
        for values in product(*[[unit] if unit is not None else [True, False] for unit in units])
        if values
    }
    expected = {
        frozenset(): "not_applicable",
        frozenset([True]): "met",
        frozenset([False]): "missed",
        frozenset([True, False]): "unknown",
    }[frozenset(outcomes)]

    found = plan_status(units.count(True), units.count(False), units.count(None), share)

    assert found == expected


@given(st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=6))
def test_every_and_any_are_decided_exactly_when_every_outcome_says_the_same(units: list[bool | None]) -> None:
    outcomes = list(product(*[[unit] if unit is not None else [True, False] for unit in units]))

    def decided(values: set[bool]) -> bool | None:
        return values.pop() if len(values) == 1 else None

    assert all3(units) == decided({all(values) for values in outcomes})
    assert any3(units) == decided({any(values) for values in outcomes})


def test_of_nothing_nothing_is_said() -> None:
    assert (all3([]), any3([])) == (None, None)


def test_a_share_is_never_rounded_up() -> None:
    met, missed = 899_999, 100_001

    found = plan_status(met, missed, 0, Fraction(9, 10))

    assert found == "missed"
    assert plan_status(met + 1, missed - 1, 0, Fraction(9, 10)) == "met"


# ---- availability ------------------------------------------------------------------------------------------


def test_a_week_fully_seen_and_up_is_proven() -> None:
    found = verdict(TARGET, site_facts(minutes=week()))

    assert found.status == "met"
    assert (found.numerator, found.denominator) == (1, 1)
    assert only(found) == UnitVerdict(
        "site",
        "s",
        "Trường school – Điểm s",
        "xa",
        "school",
        "s",
        "met",
        False,
        None,
        Fraction(1),
        "proven",
        (
            Said(
                "Internet của trường: thông 100% thời gian, đạt mức cần 90%; đo được 100% của 7 ngày",
                "The school's Internet: up 100% of the time, which reaches the 90% needed; 100% of 7 days measured",
            ),
        ),
        (1, 0, 0),
    )


def test_a_site_that_misses_says_by_how_much_and_since_the_outage_that_used_up_the_allowance() -> None:
    minutes = week((DOWN, 300), (UP, 2_000), (DOWN, 800), (UP, 1_000))

    found = verdict(TARGET, site_facts(minutes=minutes))

    unit = only(found)
    assert (found.status, unit.status, unit.grade) == ("missed", "missed", "observed")
    assert unit.since_minute == END - 1_800
    assert unit.reasons[0].vi == (
        "Internet của trường: thông 89,0% thời gian, thấp hơn mức cần 90%; đo được 100% của 7 ngày"
    )


def test_a_share_just_short_of_the_target_is_not_shown_as_reached() -> None:
    allowed_minutes = 7 * DAY // 10
    facts = site_facts(minutes=week((DOWN, allowed_minutes), (59, 1)))

    unit = only(verdict(TARGET, facts))

    assert unit.status == "missed"
    assert "thông 89,9% thời gian" in unit.reasons[0].vi
    assert only(verdict(TARGET, site_facts(minutes=week((DOWN, allowed_minutes))))).status == "met"


@pytest.mark.parametrize("code", [UNKNOWN, DISPUTED, OFF])
def test_below_the_stated_coverage_the_verdict_is_unknown_since_the_gap_began(code: int) -> None:
    minutes = week((code, 100), (UP, 500), (code, 2_000), (UP, 10))

    unit = only(verdict(TARGET, site_facts(minutes=minutes)))

    assert (unit.status, unit.grade) == ("unknown", "observed")
    assert unit.coverage == Fraction(7 * DAY - 2_100, 7 * DAY)
    assert unit.since_minute == END - 2_010
    assert unit.reasons[0].vi == (
        "Internet của trường: chưa đủ dữ liệu, mới đo được 79,1% của 7 ngày (cần 80%); phần đã đo thông 100%, cần 90%"
        + ("; thiết bị cổng mất điện hoặc tắt 20,8% thời gian" if code == OFF else "")
    )


def test_known_minutes_alone_may_decide_below_the_coverage() -> None:
    mostly_down = only(verdict(TARGET, site_facts(minutes=week((UNKNOWN, 3_000), (DOWN, 1_009)))))
    lenient = replace(TARGET, conditions=(replace(INTERNET[0], at_least=Fraction(1, 2)),))
    mostly_up = only(verdict(lenient, site_facts(minutes=week((UNKNOWN, 3_000)))))

    assert (mostly_down.status, mostly_down.since_minute) == ("missed", END - 1_009)
    assert (mostly_up.status, mostly_up.grade) == ("met", "observed")


def test_off_is_left_out_or_down_as_the_target_says() -> None:
    facts = site_facts(minutes=week((OFF, 1_500)))

    left_out = only(verdict(TARGET, facts))
    down = only(verdict(replace(TARGET, off="down"), facts))

    assert (left_out.status, left_out.coverage) == ("met", Fraction(7 * DAY - 1_500, 7 * DAY))
    assert (down.status, down.coverage, down.since_minute) == ("missed", Fraction(1), END - 1_500)


def test_a_gateway_that_was_mostly_off_proves_nothing_by_a_good_hour() -> None:
    facts = site_facts(minutes=bytes([OFF]) * (7 * DAY - 60) + bytes([UP]) * 60)

    unit = only(verdict(TARGET, facts))

    assert (unit.status, unit.coverage, unit.since_minute) == ("unknown", Fraction(60, 7 * DAY), END - 7 * DAY)


def test_met_is_proven_only_when_every_week_was_covered() -> None:
    month = replace(TARGET, window_days=28)
    thin_week = bytes([UP]) * 21 * DAY + bytes([UNKNOWN]) * 2_100 + bytes([UP]) * (7 * DAY - 2_100)
    full = bytes([UP]) * 28 * DAY

    assert only(verdict(month, site_facts(minutes=full))).grade == "proven"
    assert only(verdict(month, site_facts(minutes=thin_week))).grade == "observed"
    assert only(verdict(month, site_facts(minutes=thin_week))).status == "met"


@pytest.mark.parametrize(("inventoried", "grade"), [(True, "inventoried"), (False, "declared")])
def test_a_signal_without_a_known_minute_is_unknown(inventoried: bool, grade: str) -> None:
    nothing = only(verdict(TARGET, site_facts(inventoried=inventoried)))
    unknown = only(verdict(TARGET, site_facts(minutes=bytes([UNKNOWN]) * 7 * DAY, inventoried=inventoried)))

    assert nothing == unknown
    assert (nothing.status, nothing.grade, nothing.coverage) == ("unknown", grade, Fraction(0))
    assert nothing.reasons[0].en == "The school's Internet: not one minute measured in the window"


def test_lesson_time_alone_counts_when_the_target_says_so() -> None:
    lessons = bytes([0]) * 6 * DAY + bytes([1]) * DAY
    minutes = week((DOWN, 3 * DAY), (UP, DAY))
    facts = replace(site_facts(), measured={"line.internet": Row(END - 7 * DAY, minutes, lessons)})

    always = only(verdict(TARGET, facts))
    in_lessons = only(verdict(replace(TARGET, clock="lessons"), facts))
    no_calendar = only(verdict(replace(TARGET, clock="lessons"), site_facts(minutes=minutes)))

    assert (always.status, in_lessons.status, no_calendar.status) == ("missed", "met", "unknown")


def test_a_target_judges_the_tail_of_a_longer_window() -> None:
    facts = site_facts(minutes=bytes([DOWN]) * 23 * DAY + week())
    longer = replace(TARGET, id="L", window_days=30)
    plan = replace(PLAN, targets=(TARGET, longer))

    short, long = judge_plan(plan, evidence(facts, days=30))

    assert window_of(plan, END) == Window(END - 30 * DAY, END)
    assert (short.status, short.window) == ("met", Window(END - 7 * DAY, END))
    assert (long.status, long.window) == ("missed", Window(END - 30 * DAY, END))


def test_evidence_of_a_shorter_window_is_refused() -> None:
    with pytest.raises(ValueError, match="target T needs 7 days"):
        judge(PLAN, TARGET, evidence(site_facts(minutes=week()), days=6))


# ---- speed -------------------------------------------------------------------------------------------------

SPEED = replace(TARGET, conditions=HIGH_SPEED)


@pytest.mark.parametrize(
    ("tests", "status", "said"),
    [
        ([20_000_000] * 3, "met", "Tốc độ tải xuống: trung vị 20 Mbit/s của 3 lần đo, đạt mức cần 20 Mbit/s"),
        (
            [1, 19_999_999, 90_000_000],
            "missed",
            "Tốc độ tải xuống: trung vị 19,9 Mbit/s của 3 lần đo, thấp hơn mức cần 20 Mbit/s",
        ),
        (
            [19_999_999, 20_000_000, 19_000_000, 50_000_000],
            "missed",
            "Tốc độ tải xuống: trung vị 19,9 Mbit/s của 4 lần đo, thấp hơn mức cần 20 Mbit/s",
        ),
    ],
)
def test_the_median_decides_and_is_shown_on_its_own_side(tests: list[int | None], status: str, said: str) -> None:
    unit = only(verdict(SPEED, site_facts(tests=tests)))

    assert (unit.status, unit.reasons[0].vi) == (status, said)


def test_too_few_tests_are_unknown_and_the_reason_says_what_the_contract_declares() -> None:
    contract = (line("fibre", 100_000_000),)

    untested = only(verdict(SPEED, site_facts(lines=contract)))
    failed = only(verdict(SPEED, site_facts(lines=contract, tests=[None] * 9)))
    two = only(verdict(SPEED, site_facts(lines=contract, tests=[90_000_000] * 2)))
    undeclared = only(verdict(SPEED, site_facts(inventoried=False)))

    assert untested.reasons == (
        Said(
            "Hợp đồng ghi 100 Mbit/s; chưa có phép đo tốc độ nào",
            "The contract states 100 Mbit/s; no speed has been measured",
        ),
    )
    assert failed == untested
    assert (untested.status, untested.grade, untested.coverage) == ("unknown", "inventoried", Fraction(0))
    assert (two.status, two.grade, two.coverage) == ("unknown", "observed", Fraction(2, 3))
    assert two.reasons[0].vi == "Hợp đồng ghi 100 Mbit/s; mới có 2 lần đo tốc độ, cần 3"
    assert (undeclared.status, undeclared.grade) == ("unknown", "declared")
    assert undeclared.reasons[0].vi == "Sổ đăng ký không ghi tốc độ hợp đồng; chưa có phép đo tốc độ nào"


def test_tests_outside_the_window_do_not_count() -> None:
    old = SpeedTest(END - 7 * DAY - 1, 90_000_000, None)
    future = SpeedTest(END, 90_000_000, None)
    facts = replace(site_facts(tests=[90_000_000] * 2), tests=(old, future, future))

    unit = only(verdict(SPEED, facts))

    assert unit.status == "unknown"


def test_a_slow_site_is_slow_since_its_first_slow_test_after_the_last_fast_one() -> None:
    newest_first = [5_000_000, 6_000_000, 50_000_000, 7_000_000]
    facts = site_facts(tests=newest_first)

    unit = only(verdict(SPEED, replace(facts, tests=facts.tests[::-1])))

    assert (unit.status, unit.since_minute) == ("missed", END - 120)


def test_speed_is_proven_when_every_week_had_its_share_of_tests() -> None:
    two_weeks = replace(SPEED, window_days=14, min_tests=4)
    early = [SpeedTest(END - 8 * DAY - at, 30_000_000, None) for at in range(2)]
    late = [SpeedTest(END - DAY - at, 30_000_000, None) for at in range(4)]

    even = only(verdict(two_weeks, replace(site_facts(), tests=tuple(early + late[:2]))))
    uneven = only(verdict(two_weeks, replace(site_facts(), tests=tuple(early[:1] + late))))

    assert (even.status, even.grade) == ("met", "proven")
    assert (uneven.status, uneven.grade) == ("met", "observed")


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=9))
def test_the_median_has_as_many_values_on_either_side(values: list[int]) -> None:
    middle = median(values)

    assert sum(value < middle for value in values) == sum(value > middle for value in values) or middle in values
    assert sum(value < middle for value in values) <= len(values) / 2
    assert sum(value > middle for value in values) <= len(values) / 2


@given(st.integers(1, 10**10), st.integers(1, 10**10))
def test_a_speed_is_never_shown_as_reaching_what_it_misses(bps: int, need: int) -> None:
    text = mbps(Fraction(bps), Fraction(need)).en.removesuffix(" Mbit/s")

    assert (Fraction(text) * 1_000_000 >= need) == (bps >= need) or Fraction(text) * 1_000_000 == bps


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (Fraction(1), Said("100%", "100%")),
        (Fraction(9, 10), Said("90%", "90%")),
        (Fraction(995, 1000), Said("99,5%", "99.5%")),
        (Fraction(1, 3), Said("1/3", "1/3")),
    ],
)
def test_a_stated_share_is_shown_exactly(share: Fraction, said: Said) -> None:
    assert stated(share) == said


# ---- the contract ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("technologies", "how", "status"),
    [
        (["fibre"], "any", "met"),
        (["copper", "fibre"], "any", "met"),
        (["copper", "fibre"], "every", "missed"),
        (["copper", "mobile"], "any", "missed"),
        (["copper", "unknown"], "any", "unknown"),
        (["copper", "unknown"], "every", "missed"),
        (["fibre", "unknown"], "every", "unknown"),
        ([], "any", "unknown"),
        ([], "every", "unknown"),
    ],
)
def test_lines_make_a_site_as_the_target_says(technologies: list[str], how: str, status: str) -> None:
    target = replace(TARGET, conditions=FIBRE, lines=how)  # type: ignore[arg-type]
    lines = tuple(line(technology, ident=str(at)) for at, technology in enumerate(technologies))

    unit = only(verdict(target, site_facts(lines=lines)))

    assert (unit.status, unit.grade, unit.coverage, unit.since_minute) == (status, "declared", None, None)


def test_a_line_that_misses_says_what_it_is_and_what_is_needed() -> None:
    unit = only(verdict(replace(TARGET, conditions=FIBRE), site_facts(lines=(line("mobile"),))))

    assert unit.reasons == (
        Said("Đường truyền theo hợp đồng: di động; cần cáp quang", "Line by contract: mobile; needs fibre"),
    )


def test_a_unit_is_as_well_proven_as_its_weakest_indicator_and_says_first_what_decided() -> None:
    both = replace(TARGET, conditions=FIBRE + INTERNET)

    met = only(verdict(both, site_facts(minutes=week(), lines=(line("fibre"),))))
    missed = only(verdict(both, site_facts(minutes=week((DOWN, 5_000)), lines=(line("fibre"),))))

    assert (met.status, met.grade, met.coverage) == ("met", "declared", Fraction(1))
    assert missed.status == "missed"
    assert [reason.vi.partition(":")[0] for reason in missed.reasons] == [
        "Internet của trường",
        "Đường truyền theo hợp đồng",
    ]


# ---- units -------------------------------------------------------------------------------------------------


def test_a_silent_site_is_unknown_whatever_its_contract_says_and_comes_first() -> None:
    target = replace(TARGET, conditions=FIBRE)
    silent = site_facts("z", silent=True, inventoried=False, lines=(line("copper"),))
    copper = site_facts("a", lines=(line("copper"),))

    found = verdict(target, copper, silent)

    assert [(unit.id, unit.status, unit.silent) for unit in found.units] == [
        ("z", "unknown", True),
        ("a", "missed", False),
    ]
    assert found.units[0].reasons[0] == Said(
        "Chưa từng nhận được bản tin nào từ điểm trường này", "Nothing has ever been reported from this site"
    )
    assert (found.status, found.met, found.missed, found.unknown, found.silent) == ("missed", 0, 1, 1, 1)
    assert found.reasons == (
        Said(
            "0/2 điểm trường đạt, 1 chưa đạt, 1 chưa đủ dữ liệu; cần 100%, tức 2",
            "0 of 2 sites met, 1 missed, 1 unknown; needs 100%, that is 2",
        ),
        Said(
            "Dù cả 1 điểm trường chưa đủ dữ liệu đều đạt cũng chỉ được 1/2",
            "Even if all 1 unknown sites met it, it would be 1 of 2",
        ),
        Said("1 điểm trường chưa từng gửi bản tin nào", "1 site has never reported"),
    )


@pytest.mark.parametrize(
    ("how", "status", "site"),
    [("main", "met", "m"), ("any", "met", ""), ("every", "missed", "")],
)
def test_sites_make_a_school_as_the_target_says(how: str, status: str, site: str) -> None:
    target = replace(TARGET, unit="school", sites=how)  # type: ignore[arg-type]
    main = site_facts("m", week())
    satellite = site_facts("l", week((DOWN, 9_000)), kind="satellite")

    unit = only(verdict(target, satellite, main))

    assert (unit.unit, unit.id, unit.name, unit.status, unit.site) == (
        "school",
        "school",
        "Trường school",
        status,
        site,
    )


def test_a_schools_reason_names_the_site_that_decided() -> None:
    target = replace(TARGET, unit="school", sites="every")
    main = site_facts("m", week())
    satellite = site_facts("l", week((DOWN, 9_000)), kind="satellite")

    unit = only(verdict(target, main, satellite))

    assert unit.reasons[0].vi.startswith("Điểm l: Internet của trường: thông 10,7% thời gian")
    assert unit.since_minute == END - 9_000


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("main", "Sổ đăng ký chưa ghi điểm trường chính"),
        ("every", "Sổ đăng ký chưa ghi điểm trường nào"),
    ],
)
def test_a_school_without_a_site_to_judge_is_unknown(how: str, said: str) -> None:
    target = replace(TARGET, unit="school", sites=how)  # type: ignore[arg-type]
    school = School("school", "Trường", "xa", "", "commune")
    facts = Evidence(Window(END - 7 * DAY, END), {}, {"school": school}, {})

    unit = only(judge(PLAN, target, facts))

    assert (unit.status, unit.silent, unit.grade, unit.reasons[0].vi) == ("unknown", False, "declared", said)


def test_only_units_that_pass_the_filter_count() -> None:
    main, satellite = site_facts("m", week()), site_facts("l", week(), kind="satellite")
    target = replace(TARGET, filter=Filter(site_kinds=("satellite",)))

    found = verdict(target, main, satellite)
    none = verdict(replace(TARGET, filter=Filter(levels=("primary",))), main, satellite)

    assert [unit.id for unit in found.units] == ["l"]
    assert (none.status, none.denominator, none.grade) == ("not_applicable", 0, "declared")
    assert none.reasons[0].vi == "Sổ đăng ký không có điểm trường nào thuộc chỉ tiêu"


def test_a_unit_counts_on_the_windows_last_day_or_not_at_all() -> None:
    last = "2026-06-21"
    facts = [site_facts(ident, minutes=week(), school=ident) for ident in "abcd"]
    facts[1] = replace(facts[1], site=replace(facts[1].site, valid_to=last))
    facts[2] = replace(facts[2], site=replace(facts[2].site, valid_from="2026-06-22"))
    found = evidence(*facts)
    closed = {**found.schools, "d": replace(found.schools["d"], closed=last)}

    told = judge(PLAN, TARGET, replace(found, schools=closed))

    assert found.last_day == last
    assert [unit.id for unit in told.units] == ["a"]


def test_areas_are_those_of_the_boundaries_that_the_document_speaks_of() -> None:
    facts = [site_facts(ident, minutes=week(), school=ident) for ident in "ab"]
    old = Area("huyen", "Huyện", "district", None, "0001-01-01", "2025-07-01")
    found = evidence(*facts)
    boundaries = Boundaries("2025-06-30", {"huyen": old}, {"a": "huyen"}, ["b"])
    then = replace(found, areas={**found.areas, "huyen": old}, boundaries=boundaries)
    in_district = replace(TARGET, filter=Filter(areas=("huyen",)))

    every, within = judge(PLAN, TARGET, then), judge(PLAN, in_district, then)

    assert [(unit.id, unit.area) for unit in every.units] == [("a", "huyen"), ("b", "")]
    assert [unit.id for unit in within.units] == ["a"]


def test_any_of_the_tags_is_enough() -> None:
    facts = [site_facts(ident, minutes=week()) for ident in "abc"]
    facts[0] = replace(facts[0], site=replace(facts[0].site, tags="border,mountain"))
    facts[1] = replace(facts[1], site=replace(facts[1].site, tags="island"))
    tagged = replace(TARGET, filter=Filter(site_tags=("mountain", "ethnic_minority")))

    assert [unit.id for unit in verdict(tagged, *facts).units] == ["a"]


def test_a_stated_number_of_units_is_unknown_while_the_register_names_fewer() -> None:
    facts = [site_facts(ident, minutes=week()) for ident in "ab"]

    three = verdict(replace(TARGET, share=Fraction(0), count=3), *facts)
    two = verdict(replace(TARGET, share=Fraction(0), count=2), *facts)
    one_bad = verdict(
        replace(TARGET, share=Fraction(0), count=2),
        facts[0],
        replace(facts[1], measured={"line.internet": Row(END - 7 * DAY, bytes(7 * DAY))}),
    )

    assert [one.status for one in (three, two, one_bad)] == ["unknown", "met", "missed"]
    assert three.reasons[1].en == "The register names only 2 sites, fewer than the document's 3"


def test_an_area_counts_with_all_under_it_that_are_valid_on_the_windows_last_day() -> None:
    areas = {
        one.id: one
        for one in (
            Area("tinh", "Tỉnh", "province", None, "0001-01-01", "9999-12-31"),
            Area("huyen", "Huyện", "district", "tinh", "0001-01-01", "2025-07-01"),
            Area("xa", "Xã", "commune", "tinh", "2025-07-01", "9999-12-31"),
            Area("xa-cu", "Xã cũ", "commune", "huyen", "0001-01-01", "9999-12-31"),
        )
    }
    schools = {area: School(area, area, area, "", "commune") for area in areas}
    sites = {area: site_facts(area, week(), school=area) for area in areas}
    facts = Evidence(Window(END - 7 * DAY, END), areas, schools, sites)
    target = replace(TARGET, filter=Filter(areas=("tinh",)))

    found = judge(PLAN, target, facts)

    assert [unit.id for unit in found.units] == ["tinh", "xa"]


def test_rooms_are_judged_by_their_devices_and_devices_by_themselves() -> None:
    board = Device("s", "b", "Bảng", "board", "p", "", 0, "lan.router")
    camera = Device("s", "c", "", "camera", "p", "", 0, "lan.router")
    rooms = (Room("p", "s", "Phòng 1", "smart", 2), Room("q", "s", "Phòng 2", "smart", 1))
    minutes = {"device.b": week(), "device.c": week((DOWN, 2_000))}
    measured = {signal: Row(END - len(row), row) for signal, row in minutes.items()}
    facts = replace(site_facts(), rooms=rooms, devices=(board, camera), measured=measured)
    condition = (Condition("device.availability", "enough", at_least=Fraction(9, 10)),)
    target = replace(TARGET, conditions=condition)

    devices = verdict(replace(target, unit="device"), facts)
    every = verdict(replace(target, unit="room"), facts)
    any_device = verdict(replace(target, unit="room", devices="any"), facts)

    assert [(unit.id, unit.status) for unit in devices.units] == [("s/c", "missed"), ("s/b", "met")]
    assert [(unit.id, unit.status) for unit in every.units] == [("p", "missed"), ("q", "unknown")]
    assert [(unit.id, unit.status) for unit in any_device.units] == [("q", "unknown"), ("p", "met")]
    assert every.units[0].since_minute == END - 2_000
    assert every.units[0].reasons[0].vi.startswith("Thiết bị c: thông 80,1% thời gian")
    assert every.units[1].reasons[0].vi == "Sổ đăng ký không ghi thiết bị nào"


# ---- gathering ---------------------------------------------------------------------------------------------


def test_evidence_is_gathered_for_the_units_that_count_and_no_others(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "x.db")
    data: dict[str, list[dict[str, object]]] = {
        "areas": [{"id": "lc", "name": "Lào Cai", "kind": "province"}],
        "schools": [{"id": one, "name": f"Trường {one}", "area": "lc"} for one in ("a", "b")],
        "sites": [
            {"id": "a-1", "school": "a", "name": "Chính", "kind": "main"},
            {"id": "a-2", "school": "a", "name": "Lẻ", "kind": "satellite"},
            {"id": "b-1", "school": "b", "name": "Chính", "kind": "main"},
        ],
        "lines": [
            {"id": f"l-{site}", "site": site, "technology": "fibre", "contract_down_mbps": 100}
            for site in ("a-1", "a-2", "b-1")
        ],
    }
    register.apply(engine, register.rows_of(data, "data"))
    with writing(engine) as connection:
        for site in ("a-1", "a-2"):
            row = {"site": site, "agent": "gateway", "minute": END, "report_id": 1, "received_ms": 0}
            connection.execute(schema.latest.insert().values(row))
        tests = [{"site": "a-2", "minute": END - at, "download_bps": 30_000_000} for at in (1, 9, 7 * DAY, 7 * DAY + 1)]
        connection.execute(schema.speed_test.insert(), tests)
    (shipped,) = plans.all_plans()
    plan = replace(shipped, targets=shipped.targets[:2])
    asked = []

    def read(site: str, signal: str, first: int, end: int) -> bytes:
        asked.append((site, signal, first, end))
        return bytes([UP]) * (end - first)

    with engine.connect() as connection:
        fibre, high_speed = judge_plan(plan, collect(connection, from_ledger(read), plan, window_of(plan, END)))

    assert asked == [("a-1", "line.internet", END - 7 * DAY, END)]
    assert [(unit.id, unit.status, unit.silent) for unit in fibre.units] == [
        ("b", "unknown", True),
        ("a", "met", False),
    ]
    assert fibre.status == "unknown"
    assert [(unit.id, unit.status) for unit in high_speed.units] == [("a-2", "unknown")]
    assert high_speed.units[0].reasons[0].vi == "Hợp đồng ghi 100 Mbit/s; mới có 3 lần đo tốc độ, cần 7"


def test_a_contract_that_has_run_out_proves_nothing(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "schoolbeat.db")
    day = local((END - 1) * 60_000).date()
    spans = {
        "over": (None, day),
        "last": (None, day + timedelta(1)),
        "first": (day, None),
        "later": (day + timedelta(1), None),
    }
    data = {
        "areas": [{"id": "xa", "name": "Xã", "kind": "commune"}],
        "schools": [{"id": "a", "name": "A", "area": "xa"}],
        "sites": [{"id": name, "school": "a", "name": name, "kind": "satellite"} for name in spans],
        "lines": [
            {"id": f"l-{name}", "site": name, "technology": "fibre", "contract_from": first, "contract_to": end}
            for name, (first, end) in spans.items()
        ],
    }
    register.apply(engine, register.rows_of(data, "data"))

    with engine.connect() as connection:
        found = read_register(connection, Window(END - DAY, END), with_devices=False)

    assert {site: len(facts.lines) for site, facts in found.sites.items()} == {
        "over": 0,
        "last": 1,
        "first": 1,
        "later": 0,
    }
