"""Outages, against an oracle that walks every second."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import oracle_ledger
from tests.server.oracle_ledger import Minute

from schoolbeat_server import outages
from schoolbeat_server.outages import Outage
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

FIRST = 29_000_000


@given(oracle_ledger.some_minutes(), st.sets(st.integers(0, 59), max_size=3))
def test_outages_are_those_of_the_oracle(minutes: list[Minute], disputed: set[int]) -> None:
    row = oracle_ledger.as_bytes(minutes, disputed)

    assert outages.find(row, FIRST) == [Outage(*o) for o in oracle_ledger.outages(minutes, disputed, FIRST)]


def test_unknown_minutes_neither_end_an_outage_nor_lengthen_it() -> None:
    row = bytes([60, UNKNOWN, 45, OFF, 0, DISPUTED, UNKNOWN, 60, 60, 59])

    assert outages.find(row, 100) == [
        Outage(first_minute=102, last_minute=104, end_minute=107, down_seconds=75),
        Outage(first_minute=109, last_minute=109, end_minute=None, down_seconds=1),
    ]


def test_a_row_in_which_nothing_was_down_has_no_outage() -> None:
    assert outages.find(b"", 5) == []
    assert outages.find(bytes([60, UNKNOWN, OFF, DISPUTED, 60]), 5) == []


@given(oracle_ledger.some_minutes(), st.data())
def test_finding_anew_only_what_a_change_affects_gives_the_same_as_finding_all_anew(
    minutes: list[Minute], data: st.DataObject
) -> None:
    before = oracle_ledger.as_bytes(minutes)
    lo = data.draw(st.integers(0, len(before)))
    hi = data.draw(st.integers(lo, len(before)))
    changed = data.draw(st.lists(oracle_ledger.some_minute(), min_size=hi - lo, max_size=hi - lo))
    after = before[:lo] + oracle_ledger.as_bytes(changed) + before[hi:]

    left, right = outages.affected(after, lo, hi)
    kept = [o for o in outages.find(before, FIRST) if not left <= o.first_minute - FIRST < right]
    patched = sorted(kept + outages.find(after[left:right], FIRST + left))

    assert (left, right) == outages.affected(before, lo, hi)
    assert left <= lo
    assert right >= hi
    assert patched == outages.find(after, FIRST)


def at(minute: int, second: float) -> int:
    return minute * 60_000 + round(second * 1_000)


@pytest.mark.parametrize(
    ("edges", "start_ms", "end_ms"),
    [
        ([], at(10, 0), at(13, 0)),
        ([(at(10, 20), False), (at(12, 41), True)], at(10, 20), at(12, 41)),
        ([(at(12, 41), True), (at(10, 20), False)], at(10, 20), at(12, 41)),
        ([(at(10, 20), False), (at(10, 30), True), (at(10, 40), False)], at(10, 20), at(13, 0)),
        # what the minutes contradict is passed over
        ([(at(9, 59), False), (at(13, 5), True)], at(10, 0), at(13, 0)),
        ([(at(10, 5), True), (at(10, 20), False)], at(10, 0), at(13, 0)),
        ([(at(12, 20), True), (at(12, 50), False)], at(10, 0), at(13, 0)),
        ([(at(11, 20), True), (at(11, 50), False)], at(10, 0), at(13, 0)),
    ],
)
def test_edges_refine_start_and_end_only_where_the_minutes_agree(
    edges: list[tuple[int, bool]], start_ms: int, end_ms: int
) -> None:
    outage = Outage(first_minute=10, last_minute=12, end_minute=13, down_seconds=120)

    assert outages.refined(outage, edges) == (start_ms, end_ms)


def test_an_open_outage_has_no_end_to_refine() -> None:
    outage = Outage(first_minute=10, last_minute=12, end_minute=None, down_seconds=120)

    assert outages.refined(outage, [(at(10, 7), False), (at(12, 9), True)]) == (at(10, 7), None)


def test_a_fall_and_a_rise_in_the_same_millisecond_make_no_outage_without_length() -> None:
    outage = Outage(first_minute=10, last_minute=10, end_minute=11, down_seconds=5)

    assert outages.refined(outage, [(at(10, 5), False), (at(10, 5), True)]) == (at(10, 5), at(11, 0))


def test_the_end_is_sought_after_the_last_minute_seen_down_when_unknown_minutes_follow() -> None:
    outage = Outage(first_minute=10, last_minute=10, end_minute=15, down_seconds=60)

    assert outages.refined(outage, [(at(13, 30), True)]) == (at(10, 0), at(13, 30))


edge_lists = st.lists(st.tuples(st.integers(at(8, 0), at(18, 0)), st.booleans()), max_size=12)


@given(st.integers(10, 12), st.integers(0, 3), st.none() | st.integers(1, 3), edge_lists)
def test_whatever_the_edges_the_shown_outage_keeps_to_its_minutes(
    first: int, more: int, until_end: int | None, edges: list[tuple[int, bool]]
) -> None:
    last = first + more
    outage = Outage(first, last, None if until_end is None else last + until_end, 30)

    start_ms, end_ms = outages.refined(outage, edges)

    assert at(first, 0) <= start_ms < at(first + 1, 0)
    assert (end_ms is None) == (outage.end_minute is None)
    if end_ms is not None and outage.end_minute is not None:
        assert max(start_ms, at(last, 0)) <= end_ms <= at(outage.end_minute, 0)
        assert start_ms < end_ms
