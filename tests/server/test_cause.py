"""Causes of outages and of silence, against an oracle that walks every second."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.server import oracle_ledger
from tests.server.oracle_ledger import Minute

from schoolbeat_server import cause, silence
from schoolbeat_server.cause import Cause
from schoolbeat_server.silence import OffRange, Silence
from schoolbeat_wire.catalogue import OFF, RUNGS, UNKNOWN

FIRST = 29_000_000
LADDER = ["lan.router", "line.isp", "line.domestic", "line.international"]
UP, DOWN, BLIND = bytes([60]), bytes([0]), bytes([UNKNOWN])


@st.composite
def ladders(draw: st.DrawFn, names: list[str] = LADDER) -> dict[str, list[Minute]]:
    count = draw(st.integers(1, 12))
    return {
        rung: draw(st.lists(oracle_ledger.some_minute(), min_size=count, max_size=count))
        for rung in draw(st.lists(st.sampled_from(names), unique=True, min_size=1))
    }


def rows_of(rungs: dict[str, list[Minute]]) -> dict[str, bytes]:
    return {rung: oracle_ledger.as_bytes(minutes) for rung, minutes in rungs.items()}


def test_the_ladder_of_the_tests_is_the_catalogues() -> None:
    assert tuple(LADDER) == RUNGS


@given(ladders(), st.data())
def test_the_cause_of_lost_internet_is_the_rung_the_oracle_names(
    rungs: dict[str, list[Minute]], data: st.DataObject
) -> None:
    count = len(next(iter(rungs.values())))
    lo = data.draw(st.integers(0, count - 1))
    hi = data.draw(st.integers(lo + 1, count))

    found = cause.of_outage("line.internet", FIRST + lo, FIRST + hi - 1, rows_of(rungs), FIRST)

    assert found == Cause(*oracle_ledger.cause_of_internet(rungs, lo, hi))


@given(ladders())
def test_an_isp_is_never_charged_with_an_outage_in_which_only_the_router_failed(
    rungs: dict[str, list[Minute]],
) -> None:
    rows = rows_of(rungs)
    count = len(next(iter(rows.values())))
    rows = {rung: bytes(UNKNOWN if code < 60 else code for code in row) for rung, row in rows.items()}
    rows["lan.router"] = DOWN * count

    assert cause.of_outage("line.internet", FIRST, FIRST + count - 1, rows, FIRST) == Cause("lan.router", 60 * count)


@pytest.mark.parametrize("signal", ["lan.router", "line.isp", "device.ap-1", "service.csdl", "wifi.THCS"])
def test_a_rung_a_device_and_a_service_are_their_own_cause(signal: str) -> None:
    rows = {"lan.router": bytes([0, 30, 60]), signal: bytes([10, 20, 60])}

    assert cause.of_outage(signal, FIRST, FIRST + 1, rows, FIRST) == Cause(signal, 90)


def test_minutes_outside_the_window_are_unknown() -> None:
    rows = {"line.isp": DOWN * 3}

    assert cause.of_outage("line.internet", FIRST - 5, FIRST + 9, rows, FIRST) == Cause("line.isp", 180)
    assert cause.of_outage("line.internet", FIRST - 5, FIRST - 2, rows, FIRST) == Cause("unknown", 0)
    assert cause.of_outage("line.internet", FIRST + 3, FIRST + 5, rows, FIRST) == Cause("unknown", 0)
    assert cause.of_outage("line.internet", FIRST, FIRST, {}, FIRST) == Cause("unknown", 0)


def test_lost_internet_with_every_rung_up_is_the_services_but_lost_contact_is_not() -> None:
    rows = dict.fromkeys(LADDER, UP * 4)

    assert cause.of_outage("line.internet", FIRST, FIRST + 3, rows, FIRST) == Cause("service", 0)
    assert cause.of_outage("site.contact", FIRST, FIRST + 3, rows, FIRST) == Cause("unknown", 0)


def test_a_path_seen_up_in_half_of_the_minutes_does_not_make_it_the_services_fault() -> None:
    rows = {"line.domestic": UP * 2 + BLIND * 2}

    assert cause.of_outage("line.internet", FIRST, FIRST + 3, rows, FIRST) == Cause("unknown", 0)
    assert cause.of_outage("line.internet", FIRST, FIRST + 2, rows, FIRST) == Cause("service", 0)


OFF_REASONS = ["power", "clean_stop", "crash", "interrupted"]


@given(
    ladders([*LADDER, "line.internet"]),
    st.dictionaries(st.integers(0, 11), st.sampled_from(OFF_REASONS)),
    st.booleans(),
)
def test_silence_is_explained_as_the_oracle_does(
    rungs: dict[str, list[Minute]], reasons: dict[int, str], complete: bool
) -> None:
    count = len(next(iter(rungs.values())))
    offs = [OffRange(FIRST + place, 1, reason) for place, reason in reasons.items()]

    found = silence.of_silence(FIRST, FIRST + count, rows_of(rungs), FIRST, offs, backlog_complete=complete)

    expected, minutes = oracle_ledger.cause_of_silence(rungs, count, reasons, complete)
    assert found == Silence(expected, minutes)  # type: ignore[arg-type]
    assert sum(found.minutes.values()) == count


@given(ladders([*LADDER, "line.internet"]), st.data())
@settings(max_examples=300)
def test_a_cause_named_before_the_backlog_is_complete_is_still_the_cause_afterwards(
    rungs: dict[str, list[Minute]], data: st.DataObject
) -> None:
    """The backlog comes newest first: whatever its first part already decides, the rest must not change."""
    whole = rows_of(rungs)
    count = len(next(iter(whole.values())))
    missing = data.draw(st.integers(0, count))
    part = {rung: BLIND * missing + row[missing:] for rung, row in whole.items()}

    early = silence.of_silence(FIRST, FIRST + count, part, FIRST, [], backlog_complete=False)
    late = silence.of_silence(FIRST, FIRST + count, whole, FIRST, [], backlog_complete=True)

    if early.cause != "waiting":
        assert late.cause == early.cause


def explained(rows: dict[str, bytes], offs: list[OffRange], complete: bool = True, count: int = 10) -> Silence:
    return silence.of_silence(FIRST, FIRST + count, rows, FIRST, offs, backlog_complete=complete)


def test_without_evidence_it_waits_for_the_backlog_and_then_is_unknown() -> None:
    assert explained({}, [], complete=False) == Silence("waiting", {"unknown": 10})
    assert explained({}, [], complete=True) == Silence("unknown", {"unknown": 10})
    assert explained({"lan.router": bytes([OFF]) * 10}, []) == Silence("unknown", {"unknown": 10})


@pytest.mark.parametrize(
    ("reason", "name"), [("power", "power"), ("clean_stop", "agent_stopped"), ("crash", "agent_crashed")]
)
def test_off_minutes_explain_silence_by_their_reason(reason: str, name: str) -> None:
    offs = [OffRange(FIRST - 2, 1, "interrupted"), OffRange(FIRST - 1, 10, reason)]

    assert explained({}, offs) == Silence(name, {name: 9, "unknown": 1})  # type: ignore[arg-type]


def test_an_interrupted_minute_alone_explains_nothing() -> None:
    assert explained({}, [OffRange(FIRST, 1, "interrupted")], count=1) == Silence("unknown", {"unknown": 1})


def test_a_short_power_cut_is_told_in_spite_of_the_minutes_of_the_cut_and_the_boot() -> None:
    assert explained({}, [OffRange(FIRST + 1, 1, "power")], count=3) == Silence("power", {"unknown": 2, "power": 1})


def test_one_bad_minute_does_not_explain_an_hour_of_which_nothing_is_known() -> None:
    rows = {"lan.router": DOWN + BLIND * 59}

    assert explained(rows, [], count=60) == Silence("unknown", {"lan.router": 1, "unknown": 59})


def test_the_minutes_of_coming_back_say_nothing_against_the_fault() -> None:
    rows = {"line.isp": bytes([15]) + UP * 4, "line.domestic": BLIND + UP * 4, "lan.router": UP * 5}

    assert explained(rows, [], count=5) == Silence("line.isp", {"line.isp": 1, "returning": 4})


def test_the_school_is_not_called_fine_while_a_minute_is_missing() -> None:
    """The missing minute may hold the fault after which the others were only those of coming back."""
    rows = {"line.domestic": BLIND + UP * 4}

    assert explained(rows, [], complete=False, count=5) == Silence("waiting", {"unknown": 1, "beyond": 4})
    assert explained(rows, [], complete=True, count=5) == Silence("unknown", {"unknown": 1, "beyond": 4})


def test_a_school_is_called_fine_when_more_minutes_say_so_than_a_fault_in_the_missing_one_leaves_behind() -> None:
    rows = {"line.domestic": BLIND + UP * 9}

    assert explained(rows, [], count=9) == Silence("unknown", {"unknown": 1, "beyond": 8})
    assert explained(rows, [], count=10) == Silence("beyond", {"unknown": 1, "beyond": 9})


def test_minutes_in_which_the_school_was_heard_do_not_say_that_the_fault_is_beyond_it() -> None:
    """The first is of the time before it fell silent; then a rung fails for 36 seconds of the next."""
    rows = {"line.domestic": UP + BLIND, "line.international": UP + bytes([24]), "line.internet": UP + bytes([24])}

    found = silence.of_silence(FIRST, FIRST + 2, rows, FIRST, [], backlog_complete=True, heard=bytes([60, 28]))

    assert found == Silence("line.domestic", {"heard": 1, "line.domestic": 1})


def test_a_school_that_saw_everything_up_was_cut_off_beyond_its_line() -> None:
    assert explained(dict.fromkeys(LADDER, UP * 10), []) == Silence("beyond", {"beyond": 10})
    # the ISP's edge does not have to answer for that
    assert explained({"line.domestic": UP * 10}, []) == Silence("beyond", {"beyond": 10})


def test_a_line_seen_up_with_names_failing_is_the_services_fault() -> None:
    rows = {**dict.fromkeys(LADDER, UP * 10), "line.internet": DOWN * 10}

    assert explained(rows, []) == Silence("service", {"service": 10})


def test_every_cause_has_a_sentence_in_both_languages() -> None:
    assert set(get_args(silence.SilenceCause)) | set(RUNGS) | {
        "unwatched",
        "clone",
        "away",
        "line.main",
        "lesson.video",
    } == set(cause.SENTENCES)
    assert cause.sentence("lan.router", "vi") == (
        "Bộ định tuyến của trường không trả lời — lỗi trong trường, không phải do nhà mạng"
    )
    assert cause.sentence("device.ap-1", "vi") == "Thiết bị không trả lời"
    assert cause.sentence("service.csdl", "en") == "The service does not answer over a valid TLS connection"
    assert cause.sentence("beyond", "en").startswith("The school's network was fine")


def test_where_no_domestic_target_is_asked_no_internet_means_a_fault_that_is_not_only_abroad() -> None:
    rungs = {
        "lan.router": bytes([60, 60]),
        "line.isp": bytes([60, 60]),
        "line.international": bytes([0, 0]),
        "line.internet": bytes([0, 0]),
    }

    outage = cause.of_outage("line.internet", 100, 101, rungs, 100)
    silent = silence.of_silence(100, 102, rungs, 100, [], backlog_complete=True)

    assert (outage.name, silent.cause) == ("line.domestic", "line.domestic")


def test_where_the_school_has_internet_a_fault_abroad_is_only_abroad() -> None:
    rungs = {
        "lan.router": bytes([60, 60]),
        "line.isp": bytes([60, 60]),
        "line.international": bytes([0, 0]),
        "line.internet": bytes([60, 60]),
    }

    assert silence.of_silence(100, 102, rungs, 100, [], backlog_complete=True).cause == "line.international"
