"""The simulated minutes obey the wire and the ladder, whatever the script of faults says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbeat_server import register, silence
from schoolbeat_server.database import open_database
from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo import minutes, province
from schoolbeat_server.demo.faults import Fault
from schoolbeat_wire import bounds, inventory, video
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import RUNGS, UNKNOWN, UP_FULL
from schoolbeat_wire.report import Off

NOW_S = 1_790_000_000
FIRST = NOW_S // 60 - 120
LESSON = FIRST + (7 * 60 + 15 - (FIRST + 7 * 60) % 1_440) % 1_440  # a quarter past seven in Viet Nam
EPOCH = "ab" * 8
SITES = province.make(7, 12).sites
SITE = SITES[0]

KINDS = st.sampled_from(["lan.router", "line.isp", "line.domestic", "line.international", "power", "device"])


@st.composite
def some_faults(draw: st.DrawFn) -> tuple[Fault, ...]:
    found = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(KINDS)
        first = draw(st.integers(FIRST * 60 - 300, FIRST * 60 + 2_400))
        device = f"device.{draw(st.sampled_from(SITE.devices)).id}" if kind == "device" else ""
        found.append(Fault(kind, first, first + draw(st.integers(1, 1_500)), device))
    return tuple(found)


def made(
    faults: tuple[Fault, ...], first: int = FIRST, end: int = FIRST + 40, site: province.SimulatedSite = SITE
) -> list[reports.MinuteRow]:
    spans = minutes.recorded(first, end, faults)
    found = [minute for span in spans for minute in span]
    if not found:
        return []
    report = minutes.report(site, faults, EPOCH, 0, found, first - 1)
    return reports.unpack(reports.decode(reports.encode(report)), site.inventory)


def down_seconds(faults: tuple[Fault, ...], kinds: tuple[str, ...], minute: int) -> int:
    """Second by second, without the masks of the product."""
    return sum(
        any((f.signal or f.kind) in kinds and f.first_s <= second < f.end_s for f in faults)
        for second in range(minute * 60, minute * 60 + 60)
    )


@given(some_faults())
@settings(max_examples=50, deadline=None)
def test_each_rung_is_down_for_the_seconds_of_its_faults_and_unknown_beyond_a_failed_one(
    faults: tuple[Fault, ...],
) -> None:
    for row in made(faults):
        codes = dict(zip(SITE.inventory.signals, row.signals, strict=True))
        path = ("lan.router", "line.isp", "line.domestic")
        below: tuple[str, ...] = ()
        for rung in RUNGS:
            hidden = down_seconds(faults, below, row.minute) > 0
            expected = UNKNOWN if hidden else UP_FULL - down_seconds(faults, (rung,), row.minute)
            assert codes[rung] == expected
            below = (*below, rung)
        assert codes["line.internet"] == UP_FULL - down_seconds(faults, path, row.minute)


@given(some_faults())
@settings(max_examples=50, deadline=None)
def test_a_device_behind_something_that_failed_is_unknown(faults: tuple[Fault, ...]) -> None:
    behind = SITE.inventory.behind
    for row in made(faults):
        codes = dict(zip(SITE.inventory.signals, row.signals, strict=True))
        for signal in behind:
            chain: tuple[str, ...] = ()
            at = signal
            while at in behind:
                at = behind[at]
                chain = (*chain, at)
            hidden = down_seconds(faults, chain, row.minute) > 0
            assert codes[signal] == (UNKNOWN if hidden else UP_FULL - down_seconds(faults, (signal,), row.minute))


@given(some_faults())
@settings(max_examples=50, deadline=None)
def test_no_minute_without_power_is_recorded_and_every_minute_wholly_without_it_is_declared_off(
    faults: tuple[Fault, ...],
) -> None:
    rows = made(faults)
    if not rows:
        return
    powered = [m for m in range(FIRST, FIRST + 40) if down_seconds(faults, ("power",), m) == 0]
    told = {
        m
        for row in rows
        for off in row.off
        if off.reason == 4
        for m in range(off.first_minute, off.first_minute + off.count)
    }
    dark = {m for m in range(FIRST, rows[-1].minute) if down_seconds(faults, ("power",), m) == 60}

    assert [row.minute for row in rows] == powered
    powers = [fault for fault in faults if fault.kind == "power"]
    # overlapping cuts, and those that began before the first minute, declare less; none declares more
    alone = len(powers) == 1 and powers[0].first_s >= FIRST * 60
    assert not told & set(powered)
    assert told == dark or not alone


@given(some_faults())
@settings(max_examples=30, deadline=None)
def test_readings_are_absent_exactly_where_nothing_could_be_measured(faults: tuple[Fault, ...]) -> None:
    for row in made(faults):
        codes = dict(zip(SITE.inventory.signals, row.signals, strict=True))
        rtt, loss = row.values[0], row.values[1]
        assert [value is None for value in loss] == [codes[rung] == UNKNOWN for rung in RUNGS]
        assert [value is None for value in rtt] == [codes[rung] in (0, UNKNOWN) for rung in RUNGS]


@given(some_faults(), st.sampled_from([SITE, next(site for site in SITES if site.technology == "mobile")]))
@settings(max_examples=50, deadline=None)
def test_a_video_lesson_is_judged_from_the_minutes_own_figures(
    faults: tuple[Fault, ...], site: province.SimulatedSite
) -> None:
    place, later_s = RUNGS.index("line.domestic"), (LESSON - FIRST) * 60
    then = tuple(replace(one, first_s=one.first_s + later_s, end_s=one.end_s + later_s) for one in faults)
    for row in made(then, LESSON, LESSON + 40, site):
        codes = dict(zip(site.inventory.signals, row.signals, strict=True))
        rtt, loss = row.values[0][place], row.values[1][place]
        judged = video.seconds_of(codes["line.internet"], codes["line.domestic"], rtt, loss)
        assert codes["lesson.video"] == judged


def test_lessons_crowd_a_mobile_mast_so_that_it_carries_no_video_lesson_and_fibre_carries_them_all() -> None:
    carried = {}
    for site in (SITE, next(site for site in SITES if site.technology == "mobile")):
        place = site.inventory.signals.index("lesson.video")
        carried[site.technology] = [row.signals[place] for row in made((), LESSON, LESSON + 240, site)].count(UP_FULL)

    assert carried["fibre"] == 240
    assert carried["mobile"] < 240 * 95 // 100


def test_a_minute_reads_the_same_alone_and_within_a_long_message() -> None:
    faults = (
        Fault("line.isp", FIRST * 60 + 90, FIRST * 60 + 400),
        Fault("power", FIRST * 60 + 999, FIRST * 60 + 1_500),
    )
    found = [minute for span in minutes.recorded(FIRST, FIRST + 40, faults) for minute in span]
    whole = made(faults)
    alone = []
    for seq, minute in enumerate(found):
        before = found[seq - 1] if seq else FIRST - 1
        report = minutes.report(SITE, faults, EPOCH, seq, [minute], before)
        alone += reports.unpack(report, SITE.inventory)

    assert alone == whole
    assert whole[0].off == []


def test_what_the_simulator_builds_by_hand_is_what_the_wire_would_pack() -> None:
    faults = (Fault("line.domestic", FIRST * 60 + 70, FIRST * 60 + 200),)
    rows = made(faults)

    packed = reports.pack(EPOCH, SITE.inventory.revision, rows, SITE.inventory)

    assert reports.unpack(packed, SITE.inventory) == rows


def test_the_power_cut_is_told_by_the_first_minute_after_it() -> None:
    first = FIRST * 60 + 10 * 60 + 20
    rows = made((Fault("power", first, first + 300),))

    told = {row.minute - FIRST: row.off for row in rows if row.off}

    assert told == {16: [Off(FIRST + 10, 1, 1), Off(FIRST + 11, 4, 4)]}


def test_all_history_of_the_province_fits_the_bounds_of_the_wire() -> None:
    largest = 0
    for site in province.make(1, 60).sites:
        inventory.decode(inventory.encode(site.inventory))
        faults = script.past(site, 1, NOW_S, 7)
        found = [m for span in minutes.recorded(NOW_S // 60 - 10_080, NOW_S // 60, faults) for m in span]
        newest = found[-bounds.MINUTES :]
        payload = reports.encode(minutes.report(site, faults, EPOCH, 0, newest, None))
        decoded = reports.decode(payload)
        reports.fits(decoded, site.inventory)
        reports.absolute(decoded, site.inventory)
        largest = max(largest, len(payload))

    assert 2_000 < largest < bounds.PACKED_BYTES // 4


def test_the_same_seed_makes_the_same_province_and_the_same_minutes() -> None:
    again = province.make(7, 12)

    assert again == province.make(7, 12)
    assert again.sites == SITES
    assert province.make(8, 12).sites != SITES
    assert script.past(SITES[2], 7, NOW_S, 7) == script.past(SITES[2], 7, NOW_S, 7)


def test_the_province_loads_into_the_register_with_every_device_where_the_inventory_says(tmp_path: object) -> None:
    made_province = province.make(1, 60)
    engine = open_database(tmp_path / "a.db")  # type: ignore[operator]

    loaded = register.apply(engine, register.rows_of(made_province.register, "demo"))

    assert loaded.remarks == []
    assert loaded.rows == {section: len(rows) for section, rows in made_province.register.items()}
    assert loaded.rows["schools"] == 60
    for site in made_province.sites:
        placed = {row["id"]: row["behind"] for row in made_province.register["devices"] if row["site"] == site.id}
        assert placed == {device.id: device.behind for device in site.devices}
        assert 10 <= len(placed) <= 30


def test_every_name_says_that_it_is_simulated() -> None:
    found = province.make(1, 60).register

    unmarked = [
        row["name"] for section in ("areas", "schools") for row in found[section] if province.MARK not in row["name"]
    ]
    assert unmarked == []


def test_some_satellite_sites_are_fast_some_are_slow_and_some_schools_have_no_fibre() -> None:
    sites = province.make(1, 60).sites
    satellites = [site.down_bps >= 50_000_000 for site in sites if not site.main]

    assert len(satellites) == 15
    assert satellites.count(False) in range(3, 8)
    assert [site.id for site in sites if site.main and site.technology != "fibre"] != []


def test_the_script_has_one_of_each_and_leaves_the_end_of_history_in_peace() -> None:
    by_number = {site.number: site for site in SITES}
    live = {number: script.live(site, len(SITES) + 1, NOW_S) for number, site in by_number.items()}

    assert script.silent(by_number[script.SILENT])
    assert [f.kind for f in live[script.CUT_NOW]] == ["line.isp"]
    assert [f.kind for f in live[script.POWER_CUT]] == ["power", "line.isp"]
    assert [f.signal for f in script.past(by_number[script.DEAD_AP], 1, NOW_S, 7) if f.end_s == script.STILL] == [
        "device.ap-2"
    ]
    for site in SITES:
        for fault in script.past(site, 1, NOW_S, 7):
            ongoing = fault.end_s == script.STILL or site.number == script.FLAPPING
            assert ongoing or fault.end_s <= NOW_S - 1_800
            assert script.reaches_server((fault,), NOW_S)


@pytest.mark.parametrize("days", [1, 2, 7])
def test_a_short_history_is_possible(days: int) -> None:
    for site in SITES:
        for fault in script.past(site, 3, NOW_S, days):
            assert fault.first_s >= NOW_S - days * 86_400


def test_a_cut_line_explains_itself_to_the_server() -> None:
    fault = Fault("line.isp", FIRST * 60 + 620, FIRST * 60 + 690)
    rows = made((fault,))
    rungs = {
        name: bytes(row.signals[place] for row in rows)
        for place, name in enumerate(SITE.inventory.signals)
        if name in (*RUNGS, "line.internet")
    }

    silent = silence.of_silence(FIRST + 10, FIRST + 12, rungs, FIRST, [], backlog_complete=True)

    assert silent.cause == "line.isp"


@pytest.mark.parametrize("schools", [0, -1, 301])
def test_an_impossible_number_of_schools_is_refused_with_what_is_allowed(schools: int) -> None:
    with pytest.raises(ValueError, match=f"{schools}.*1 to 300"):
        province.make(1, schools)
