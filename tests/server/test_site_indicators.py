"""Indicators of a site: contracts, services, Wi-Fi, LAN devices, fibre, and how much of it is known."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server.test_verdicts import END, TARGET

from schoolbeat_server.evidence import SiteFacts, SpeedTest, Window
from schoolbeat_server.fibre_indicator import Both
from schoolbeat_server.finding import Case, Finding
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.measured import Measured, Row
from schoolbeat_server.register import Device, Line, Site
from schoolbeat_server.targets import Clock, Condition
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

DAY = 1_440
UP = bytes([60])
WEEK = Window(END - 7 * DAY, END)


def found(indicator: str, facts: SiteFacts, condition: Condition | None = None) -> Finding:
    case = Case(facts, None, TARGET, condition or Condition(indicator, "", at_least=Fraction(9, 10)), WEEK)
    return INDICATORS[indicator].judge(case)


def site(*lines: Line, watched: tuple[str, ...] = (), devices: tuple[Device, ...] = (), **rows: bytes) -> SiteFacts:
    """rows: by signal with a double underscore for a dot, the tail of the week; unknown before."""
    measured: dict[str, Measured] = {
        name.replace("__", "."): Row(WEEK.first_minute, codes.rjust(7 * DAY, bytes([UNKNOWN])))
        for name, codes in rows.items()
    }
    return SiteFacts(
        Site("s", "school", "Điểm", "main", None, None),
        lines=lines,
        devices=devices,
        inventoried=True,
        measured=measured,
        watched=frozenset(watched),
    )


def line(technology: str = "fibre", role: str = "main", down: int | None = None, up: int | None = None) -> Line:
    return Line(f"l-{role}-{technology}", "s", "VNPT", technology, down, up, role=role)


def device(ident: str, kind: str) -> Device:
    return Device("s", ident, ident, kind, None, "192.0.2.1", 0, "lan.router")


# ---- contracts and speed -----------------------------------------------------------------------------------


def test_a_contract_is_compared_as_it_stands() -> None:
    hundred = Condition("line.contract.download", "a", at_least=Fraction(100_000_000))

    met = found("line.contract.download", site(line(down=100_000_000)), hundred)
    missed = found("line.contract.download", site(line(down=99_999_999)), hundred)
    unknown = found("line.contract.download", site(line()), hundred)

    assert [(one.met, one.grade) for one in (met, missed, unknown)] == [
        (True, "declared"),
        (False, "declared"),
        (None, "declared"),
    ]
    assert missed.said.vi == "Hợp đồng ghi 99,9 Mbit/s, cần 100 Mbit/s"


def test_a_backup_line_is_one_that_the_register_calls_so() -> None:
    assert found("line.backup", site(line(), line("mobile", "backup"))).met is True
    assert found("line.backup", site(line(), line())).met is False
    assert found("line.backup", site()).met is None


def with_tests(
    *bps: int, ceiling: int | None = None, pupils: int | None = None, lines: tuple[int | None, ...] = (100,)
) -> SiteFacts:
    """lines: what their contracts state, in Mbit/s; a backup line's never counts."""
    tests = tuple(SpeedTest(END - 60 * (at + 1), one, None, ceiling) for at, one in enumerate(bps))
    named = (line(down=None if one is None else one * 1_000_000) for one in lines)
    return replace(site(*named, line("mobile", "backup", down=1_000_000)), tests=tests, pupils=pupils)


@pytest.mark.parametrize(
    ("indicator", "threshold", "facts", "met"),
    [
        ("line.download.tenth", 20, with_tests(*range(10, 110, 10)), True),  # nine of the ten reach it
        ("line.download.tenth", 21, with_tests(*range(10, 110, 10)), False),
        ("line.download.tenth", 20, with_tests(*range(10, 120, 10)), True),
        ("line.download.tenth", 21, with_tests(*range(10, 120, 10)), False),
        ("line.download.tenth", 10, with_tests(*range(10, 100, 10)), True),
        ("line.download.tenth", 11, with_tests(*range(10, 100, 10)), False),
        ("line.download.of_contract", Fraction(4, 5), with_tests(80_000_000, 80_000_000, 1), True),
        ("line.download.of_contract", Fraction(4, 5), with_tests(79_999_999, 79_999_999, 10**9), False),
        ("line.download.of_contract", Fraction(4, 5), with_tests(*[20_000_000] * 3, lines=(20, 100)), True),
        ("line.download.of_contract", Fraction(4, 5), with_tests(*[15_000_000] * 3, lines=(20, 100)), False),
        ("line.download.of_contract", Fraction(4, 5), with_tests(*[15_000_000] * 3, lines=(20, None)), None),
        ("line.download.of_contract", Fraction(4, 5), with_tests(*[20_000_000] * 3, lines=(20, None)), True),
        ("line.download.per_pupil", 50_000, with_tests(*[20_000_000] * 3, pupils=400), True),
        ("line.download.per_pupil", 50_000, with_tests(*[20_000_000] * 3, pupils=401), False),
        ("line.download.per_pupil", 50_000, with_tests(*[20_000_000] * 3), None),
    ],
)
def test_speed_is_compared_exactly(
    indicator: str, threshold: int | Fraction, facts: SiteFacts, met: bool | None
) -> None:
    told = found(indicator, facts, Condition(indicator, "a", at_least=Fraction(threshold)))

    assert told.met is met


def test_more_than_the_cap_is_asked_of_no_site() -> None:
    facts = with_tests(*[10**9] * 3, pupils=5_000)
    each = Condition("line.download.per_pupil", "a", at_least=Fraction(1_000_000))

    assert found("line.download.per_pupil", facts, each).met is False
    assert found("line.download.per_pupil", facts, replace(each, up_to=Fraction(10**9))).met is True


def test_a_test_that_the_gateway_held_down_may_meet_but_never_miss() -> None:
    ninety = Condition("line.download.median", "a", at_least=Fraction(90_000_000))

    held = found("line.download.median", with_tests(*[80_000_000] * 3, ceiling=1), ninety)
    enough = found("line.download.median", with_tests(*[95_000_000] * 3, ceiling=1), ninety)
    slow = found("line.download.median", with_tests(*[80_000_000] * 3, ceiling=0), ninety)

    assert (held.met, enough.met, slow.met) == (None, True, False)
    assert held.said.vi == (
        "Tốc độ tải xuống: ít nhất 80 Mbit/s (3 lần đo, bị chính thiết bị cổng giới hạn), cần 90 Mbit/s"
    )


# ---- several signals ---------------------------------------------------------------------------------------


def test_every_service_named_must_be_watched_and_reachable() -> None:
    both = Condition("service.availability", "a", at_least=Fraction(9, 10), of=("hub", "mail"))
    good, bad = UP * (7 * DAY), bytes(7 * DAY)
    watched = ("service.hub", "service.mail")

    reachable = found("service.availability", site(watched=watched, service__hub=good, service__mail=good), both)
    one_dead = found("service.availability", site(watched=watched, service__hub=good, service__mail=bad), both)
    not_asked = found("service.availability", site(watched=watched[:1], service__hub=good), both)

    assert (reachable.met, one_dead.met, not_asked.met) == (True, False, None)
    assert one_dead.said.en.startswith("Service mail: up 0% of the time")
    assert not_asked.said.en == "Service mail: not watched at this site"


def test_wifi_is_every_network_that_a_seat_tries() -> None:
    good = UP * (7 * DAY)

    assert found("wifi.availability", site(watched=("wifi.a",), **{"wifi__a": good})).met is True
    assert (
        found("wifi.availability", site(watched=("wifi.a", "wifi.b"), **{"wifi__a": good, "wifi__b": b"\0" * 9999})).met
        is False
    )
    assert found("wifi.availability", site()).said.vi == "Chưa đo Wi-Fi từ chỗ ngồi"


def test_lan_devices_are_those_of_the_kinds_named() -> None:
    kinds = Condition("lan.devices.availability", "a", at_least=Fraction(9, 10), of=("switch", "access_point"))
    devices = (device("sw", "switch"), device("cam", "camera"))
    rows = {"device__sw": UP * (7 * DAY), "device__cam": bytes(7 * DAY)}

    told = found("lan.devices.availability", site(devices=devices, **rows), kinds)
    none = found("lan.devices.availability", site(devices=devices[1:], **rows), kinds)

    assert (told.met, none.met) == (True, None)
    assert none.said.en == "The register names no switch, wi-fi access point"


# ---- our own data ------------------------------------------------------------------------------------------


def test_completeness_counts_what_is_known_and_what_had_no_power() -> None:
    half = UP * (2 * DAY) + bytes([OFF]) * DAY + bytes(DAY // 2)
    need = Condition("data.completeness", "a", at_least=Fraction(1, 2))

    told = found("data.completeness", site(line__internet=half), need)
    less = found("data.completeness", site(line__internet=half[1:]), need)

    assert (told.met, told.said.vi) == (True, "Có số liệu cho 50,0% thời gian, cần 50%")
    assert less.met is False


def test_freshness_is_the_age_of_the_newest_known_minute() -> None:
    hour = Condition("data.freshness", "a", at_most=Fraction(60))
    old = UP * DAY + bytes([UNKNOWN]) * 60

    just = found("data.freshness", site(line__internet=old), hour)
    over = found("data.freshness", site(line__internet=old + bytes([DISPUTED])), hour)
    never = found("data.freshness", site(line__internet=b""), hour)

    assert (just.met, just.said.en) == (True, "The newest data is 60 min old, 60 min allowed")
    assert (over.met, over.since_minute) == (False, END - 61)
    assert never.met is False


# ---- fibre -------------------------------------------------------------------------------------------------

ONLINE = UP * (7 * DAY)


def test_fibre_by_contract_alone_is_declared_however_well_the_internet_works() -> None:
    alone = found("line.fibre", site(line(), line__internet=ONLINE))
    seen = found("line.fibre", site(line(), devices=(device("o", "ont"),), line__internet=ONLINE, device__o=ONLINE))

    assert (alone.met, alone.grade) == (True, "declared")
    assert (seen.met, seen.grade) == (True, "proven")


def test_no_contract_for_fibre_is_missed_and_one_that_is_not_stated_unknown() -> None:
    assert found("line.fibre", site(line("mobile"), line__internet=ONLINE)).met is False
    assert found("line.fibre", site(line("unknown"), line__internet=ONLINE)).met is None
    assert found("line.fibre", site(line__internet=ONLINE)).met is None


def test_minutes_on_a_line_of_another_kind_do_not_count_as_fibre() -> None:
    lines = (line(), line("mobile", "backup"))
    on_fibre = UP * (6 * DAY) + bytes(DAY)
    mostly_fibre = UP * (7 * DAY - DAY // 2) + bytes(DAY // 2)

    not_known = found("line.fibre", site(*lines, line__internet=ONLINE))
    on_4g = found("line.fibre", site(*lines, watched=("line.main",), line__internet=ONLINE, line__main=on_fibre))
    mostly = found(
        "line.fibre",
        site(*lines, watched=("line.main",), line__internet=ONLINE, line__main=mostly_fibre),
    )

    assert (not_known.met, not_known.said.en.split(",")[0]) == (None, "Another kind of line stands by")
    assert on_4g.met is False
    assert mostly.met is True


codes = st.lists(st.sampled_from([0, 1, 30, 59, 60, OFF, UNKNOWN, DISPUTED]), min_size=3 * DAY, max_size=3 * DAY)


@settings(deadline=None)
@given(st.data(), st.sampled_from(["always", "lessons"]))
def test_both_is_the_sum_of_its_minutes_over_any_span(data: st.DataObject, clock: Clock) -> None:
    runs = st.lists(
        st.tuples(st.sampled_from([0, 7, 60, 60, 60, OFF, UNKNOWN, DISPUTED]), st.integers(1, 2 * DAY)), max_size=9
    )
    one, other = (
        b"".join(bytes([code]) * count for code, count in data.draw(runs)).ljust(4 * DAY, UP)[: 4 * DAY] for _ in "ab"
    )
    lessons = (bytes(400) + b"\x01" * 600 + bytes(440)) * 4
    first = data.draw(st.integers(0, 4 * DAY))
    end = data.draw(st.integers(first, 4 * DAY))
    start = END - 4 * DAY

    both = Both(Row(start, one, lessons), Row(start, other, lessons))

    assert both.seconds(start + first, start + end, clock) == both.row(start + first, start + end).seconds(
        start + first, start + end, clock
    )
