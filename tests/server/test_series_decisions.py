"""When the series queue asks again, what it sets aside, what is too old, and how long its room lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server.series_cursors import Cursors
from schoolbeat_server.series_decisions import (
    DAY_MS,
    EDGE_MS,
    LONGEST_WAIT_SECONDS,
    Kind,
    backlog,
    oldest_ms,
    retention_of,
    wait_seconds,
)
from schoolbeat_server.series_delivery import MOST_DIVISIONS, Delivery, Refused, Waits, batches, deliver, not_older

GIB = 1 << 30


@dataclass
class Said:
    kind: Kind
    text: str = ""
    wait_seconds: float = 0.0
    restarted: bool = False


@dataclass
class FakeStore:
    """Takes lines but those that `bad` says, as InfluxDB does: of a refused batch the good ones are kept."""

    bad: Callable[[bytes], bool] = lambda _line: False
    most_bytes: int = 1 << 30
    taken: set[bytes] = field(default_factory=set)
    asked: int = 0

    def write(self, body: bytes) -> Said:
        self.asked += 1
        lines = body.splitlines()
        if len(body) > self.most_bytes:
            return Said("too_big", "413")
        self.taken.update(line for line in lines if not self.bad(line))
        return Said("refused", "bad line") if any(map(self.bad, lines)) else Said("taken")


def lines_of(count: int, measurement: str = "m") -> list[bytes]:
    return [f"{measurement} a={at}i {at}".encode() for at in range(count)]


# ---- answers -----------------------------------------------------------------------------------------------


def test_waits_grow_to_five_minutes_with_a_part_left_to_chance() -> None:
    assert [wait_seconds(tries, 0, 1.0) for tries in (1, 2, 3, 9, 10, 500)] == [1, 2, 4, 256, 300, 300]
    assert wait_seconds(4, 0, 0.0) == 4.0
    assert wait_seconds(1, 42, 0.5) == 42
    assert wait_seconds(1, 86_400, 0.5) == LONGEST_WAIT_SECONDS


@given(st.sets(st.integers(0, 999), max_size=8), st.integers(1, 40_000))
def test_each_bad_line_costs_itself_alone(bad: set[int], most_bytes: int) -> None:
    lines = lines_of(1_000)
    wrong = {lines[at] for at in bad}
    store = FakeStore(lambda line: line in wrong)

    found = deliver(lines, store.write, most_bytes)

    assert found.waits is None
    assert {line for one in found.refused for line in one.lines} == wrong
    assert found.taken == 1_000 - len(wrong)
    assert store.taken == set(lines) - wrong


def test_a_bad_line_among_ten_thousand_is_found_in_a_few_questions() -> None:
    lines = lines_of(10_000)
    store = FakeStore(lambda line: line == lines[7_123])

    found = deliver(lines, store.write, 1 << 30)

    assert found == Delivery(9_999, (Refused((lines[7_123],), "bad line"),))
    assert store.asked < 50


def test_many_bad_lines_end_in_a_bounded_number_of_questions() -> None:
    lines = lines_of(10_000)
    store = FakeStore(lambda line: line.endswith((b"1", b"5")))

    found = deliver(lines, store.write, 1 << 30, patient=False)

    assert found.taken + sum(len(one.lines) for one in found.refused) == 10_000
    assert store.asked < 3 * MOST_DIVISIONS


def test_a_measurement_of_which_every_line_is_refused_is_waited_for_and_not_set_aside() -> None:
    lines = [*lines_of(100, "good"), *lines_of(100, "bad"), *lines_of(100, "more")]
    store = FakeStore(lambda line: line.startswith(b"bad"))

    patient = deliver(lines, store.write, 1 << 30)
    at_last = deliver(lines, store.write, 1 << 30, patient=False)

    assert patient.waits == Waits("setup", "bad line", 0)
    assert patient.refused == ()
    assert {line for one in at_last.refused for line in one.lines} == set(lines[100:200])
    assert at_last.taken == 200


def test_a_few_lines_all_bad_are_set_aside_at_once() -> None:
    lines = lines_of(5)

    found = deliver(lines, FakeStore(lambda _line: True).write, 1 << 30)

    assert found.waits is None
    assert sum(len(one.lines) for one in found.refused) == 5


def test_what_is_too_big_goes_in_halves_and_a_line_too_big_alone_is_set_aside() -> None:
    lines = [*lines_of(50), b"m b=" + b"9" * 900 + b" 1"]
    store = FakeStore(most_bytes=200)

    found = deliver(lines, store.write, 1 << 30)

    assert store.taken == set(lines[:50])
    assert found == Delivery(50, (Refused((lines[50],), "413"),))


def test_no_answer_counts_for_nothing() -> None:
    answers = iter([Said("taken"), Said("later", "down", 7)])

    found = deliver(lines_of(4), lambda _body: next(answers), 18)

    assert found.waits == Waits("later", "down", 7)
    assert found.refused == ()


def test_batches_are_full_and_keep_the_order() -> None:
    lines = lines_of(100)

    parts = list(batches(lines, 64))

    assert [line for part in parts for line in part] == lines
    assert all(sum(len(line) + 1 for line in part) <= 64 for part in parts)
    assert all(sum(len(line) + 1 for line in part) + len(after[0]) + 1 > 64 for part, after in pairwise(parts))
    assert [len(part) for part in batches([b"x" * 100, b"y"], 10)] == [1, 1]


# ---- age ---------------------------------------------------------------------------------------------------


def test_what_the_store_would_drop_is_not_sent() -> None:
    now_ms = 100 * DAY_MS

    assert oldest_ms(now_ms, 0) == 0
    assert oldest_ms(now_ms, 31) == 69 * DAY_MS + EDGE_MS
    assert retention_of(0, None) == retention_of(0, 0) == 0
    assert (retention_of(30, None), retention_of(30, 0), retention_of(30, 7), retention_of(0, 90)) == (30, 30, 7, 90)
    assert not_older([b"m a=1i 10", b"m a=1i 11"], 11) == [b"m a=1i 11"]
    assert not_older([b"m a=1i 10"], 0) == [b"m a=1i 10"]


# ---- room --------------------------------------------------------------------------------------------------


def room(days: float, held_bytes: int = 0) -> list[object]:
    found = backlog(round(days * GIB), days * 86_400, held_bytes=held_bytes, report_days=14, backlog_bytes=6 * GIB)
    said = found.said()
    return [round(found.share, 3), None if found.days_left is None else round(found.days_left, 1), said and said.en]


def test_the_end_of_the_room_is_told_long_before() -> None:
    """A GiB a day: fourteen days are kept anyway, six more fit."""
    assert room(0.01) == [0.0, None, None]
    assert room(5) == [0.25, 15.0, None]
    half = (
        "reports that wait for the time-series store use over 50 % of their room; in about 9.0 days the oldest will go"
    )
    assert room(11) == [0.55, 9.0, half]
    assert room(16.5)[2] == half.replace("50 %", "80 %").replace("9.0", "3.5")
    assert room(20, 6 * GIB)[:2] == [1.0, 0.0]
    assert "no room is left" in str(room(20, 6 * GIB)[2])


def test_it_is_told_in_vietnamese_too() -> None:
    said = backlog(11 * GIB, 11 * 86_400, held_bytes=0, report_days=14, backlog_bytes=6 * GIB).said()

    assert said is not None
    assert said.vi.endswith("đã dùng quá 50 % chỗ giữ; còn khoảng 9,0 ngày nữa thì bản tin cũ nhất bị bỏ")


# ---- what is settled ---------------------------------------------------------------------------------------


def moved(settles: float, moves: Iterable[tuple[float, str, int]]) -> Cursors:
    found = Cursors(settles)
    for seconds, stream, position in moves:
        found.move(stream, position, seconds)
    return found


def test_a_store_that_forgets_its_last_minute_gets_it_again() -> None:
    cursors = moved(60, [(0, "reports", 5), (30, "reports", 7), (61, "reports", 9), (62, "days", 3)])

    assert cursors.settled == {"reports": 5}
    cursors.settle(95)
    assert cursors.settled == {"reports": 7}
    cursors.go_back()
    assert (cursors.at("reports"), cursors.at("days")) == (7, 0)


def test_a_store_that_writes_before_it_answers_needs_nothing_again() -> None:
    cursors = moved(0, [(0, "reports", 5), (0, "reports", 7)])

    cursors.go_back()

    assert cursors.at("reports") == 7


@pytest.mark.parametrize("settles", [0, 60])
def test_a_stream_that_is_forgotten_leaves_no_trace(settles: float) -> None:
    cursors = moved(settles, [(0, "again-1", 5), (1, "reports", 7)])

    cursors.forget("again-1")
    cursors.settle(1_000)

    assert (cursors.at("again-1"), cursors.settled) == (0, {"reports": 7})
