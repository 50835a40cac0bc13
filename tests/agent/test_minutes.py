"""Cutting runs into minutes, against an oracle that looks at every second by itself."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schoolbeat_agent.minutes import Cutter, is_complete, of_readings, scaled, seconds_up
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_wire.catalogue import CAUSES, UNKNOWN
from schoolbeat_wire.inventory import Column, Inventory, with_revision
from schoolbeat_wire.report import MinuteRow, Off

UP, DOWN, UNSEEN = State.UP, State.DOWN, State.UNSEEN
M = 29_000_000  # a minute in 2025
S = M * 60
LADDER = {
    "line.isp": "lan.router",
    "line.domestic": "line.isp",
    "line.international": "line.domestic",
    "service.lms": "line.international",
    "device.sw": "lan.router",
    "device.ap": "device.sw",
    "wifi.lop": "device.ap",
}
SIGNALS = ("lan.router", "line.internet", *LADDER)
HOLD = dict.fromkeys(SIGNALS, 25) | {"wifi.lop": 900}


def every(seconds: int, state: State, first: int = S - 30, end: int = S + 90) -> list[tuple[int, State]]:
    return [(at, state) for at in range(first, end, seconds)]


def test_a_minute_under_runs_that_say_up_is_sixty_seconds_up() -> None:
    assert seconds_up(M, "line.isp", {"line.isp": every(10, UP)}, {}) == 60


def test_a_minute_under_runs_that_say_down_is_zero_seconds_up() -> None:
    assert seconds_up(M, "line.internet", {"line.internet": every(10, DOWN)}, {}) == 0


def test_a_run_speaks_until_the_next_one() -> None:
    said = {"lan.router": [(S - 5, UP), (S + 7, DOWN), (S + 19, UP), (S + 40, UP), (S + 58, UP)]}

    assert seconds_up(M, "lan.router", said, {}) == 60 - 12


def test_one_second_under_no_run_makes_the_whole_minute_unknown() -> None:
    whole = {"lan.router": [(S, UP), (S + 25, UP), (S + 50, UP)]}
    hole = {"lan.router": [(S, UP), (S + 26, UP), (S + 50, UP)]}

    assert (seconds_up(M, "lan.router", whole, {}), seconds_up(M, "lan.router", hole, {})) == (60, UNKNOWN)


def test_the_minute_in_which_observing_began_is_unknown() -> None:
    assert seconds_up(M, "lan.router", {"lan.router": every(10, UP, S + 1)}, {}) == UNKNOWN


def test_what_cannot_be_seen_is_unknown() -> None:
    said = {"line.isp": [*every(10, UP, end=S + 30), (S + 31, UNSEEN), (S + 41, UP), (S + 51, UP)]}

    assert seconds_up(M, "line.isp", said, {}) == UNKNOWN


def test_a_rung_beyond_a_failed_one_is_unknown_and_the_internet_is_down() -> None:
    said = {name: every(10, DOWN) for name in ("line.isp", "line.domestic", "line.internet", "service.lms")}
    said["lan.router"] = every(10, UP)

    found = {name: seconds_up(M, name, said, LADDER) for name in ("lan.router", *said)}

    assert found == {
        "lan.router": 60,
        "line.isp": 0,
        "line.domestic": UNKNOWN,
        "line.internet": 0,
        "service.lms": UNKNOWN,
    }


def test_a_run_is_hidden_by_the_failure_that_only_the_next_run_below_sees() -> None:
    said = {
        "device.sw": every(10, UP, end=S + 20) + every(10, DOWN, S + 20),
        "lan.router": every(10, UP, S - 29, S + 11),
    }
    said["lan.router"] += every(10, DOWN, S + 21)

    assert seconds_up(M, "device.sw", said, LADDER) == UNKNOWN


def test_an_answer_is_a_fact_even_behind_something_that_is_down() -> None:
    said = {"lan.router": every(10, DOWN), "device.sw": every(10, UP)}

    assert seconds_up(M, "device.sw", said, LADDER) == 60


def test_what_is_only_unknown_below_hides_nothing() -> None:
    said = {"line.isp": every(10, UNSEEN), "line.domestic": every(10, DOWN), "lan.router": every(10, UP)}

    assert seconds_up(M, "line.domestic", said, LADDER) == 0


# --- the oracle: every second by itself, from the words of the design ---------------------------------------------


def oracle(signal: str, said: dict[str, list[tuple[int, State]]], behind: dict[str, str]) -> int:
    up = 0
    for second in range(S, S + 60):
        speaking = [run for run in said.get(signal, []) if run[0] <= second]
        if not speaking:
            return UNKNOWN
        start, word = speaking[-1]
        if second >= start + HOLD[signal] or word is UNSEEN:
            return UNKNOWN
        if word is UP:
            up += 1
            continue
        lower = signal
        seen_through = set()
        while lower in behind and behind[lower] not in seen_through:
            lower = behind[lower]
            seen_through.add(lower)
        for name in seen_through:
            before = [run for run in said.get(name, []) if run[0] <= start]
            after = [run for run in said.get(name, []) if run[0] > start]
            if before and before[-1][1] is DOWN and start - before[-1][0] < HOLD[name]:
                return UNKNOWN
            if after and after[0][1] is DOWN and after[0][0] - start <= HOLD[name]:
                return UNKNOWN
    return up


runs = st.lists(
    st.tuples(st.integers(1, 14), st.sampled_from([UP, UP, UP, DOWN, DOWN, UNSEEN])), min_size=8, max_size=20
)


@st.composite
def histories(draw: st.DrawFn) -> dict[str, list[tuple[int, State]]]:
    out: dict[str, list[tuple[int, State]]] = {}
    for signal in draw(st.lists(st.sampled_from(SIGNALS), unique=True, min_size=1, max_size=5)):
        at, words = S - draw(st.integers(0, 60)), []
        favourite = draw(st.sampled_from([None, UP, DOWN]))
        for step, state in draw(runs):
            at += step
            words.append((at, favourite or state))
        out[signal] = words
    return out


@settings(max_examples=400, deadline=None)
@given(histories())
def test_every_minute_is_as_the_oracle_counts_it_second_by_second(said: dict[str, list[tuple[int, State]]]) -> None:
    found = {signal: seconds_up(M, signal, said, LADDER) for signal in SIGNALS}

    assert found == {signal: oracle(signal, said, LADDER) for signal in SIGNALS}


@settings(max_examples=100, deadline=None)
@given(histories())
def test_the_cutter_that_forgets_as_it_goes_counts_as_the_oracle_does(said: dict[str, list[tuple[int, State]]]) -> None:
    inventory = with_revision(Inventory("", signals=list(SIGNALS), behind=LADDER, probes=["icmp"]))
    cutter = Cutter(M - 2)
    fed = sorted((at, signal, state) for signal, words in said.items() for at, state in words)
    for at, signal, state in fed:
        while cutter.next_minute < M and at >= cutter.next_minute * 60 + 80:
            cutter.cut(inventory)
        cutter.feed(Run("icmp", 0.0, 0.1, Observation({signal: state})), at + 0.5)
    cutter.skip_to(M)

    row = cutter.cut(inventory)

    assert list(row.signals) == [oracle(signal, said, LADDER) for signal in SIGNALS]


def test_a_minute_is_complete_when_every_last_run_began_after_it_or_twenty_seconds_later() -> None:
    end = S + 60

    found = [
        is_complete(M, end - 1, [end + 5, end + 5]),
        is_complete(M, end + 8, [end + 5, end - 1]),
        is_complete(M, end + 8, [end + 5, end]),
        is_complete(M, end + 20, [end - 50]),
    ]

    assert found == [False, False, True, True]


# --- readings, failures, causes ------------------------------------------------------------------------------------

INVENTORY = with_revision(
    Inventory(
        "",
        signals=["lan.router", "device.sw"],
        columns=[
            Column("rtt_ms", ["lan.router", "device.sw"]),
            Column("loss_percent", ["lan.router"]),
            Column("load1", ["host"]),
            Column("run_count", ["probe.path", "probe.icmp"]),
            Column("run_failures", ["probe.path", "probe.icmp"]),
            Column("run_seconds", ["probe.path", "probe.icmp"]),
        ],
        probes=["path", "icmp"],
        behind=LADDER,
    )
)


def run(probe: str, seen: Observation | None, failure: str | None = None, seconds: float = 0.5) -> Run:
    return Run(probe, 0.0, seconds, seen, failure)


def test_a_row_has_median_times_mean_percentages_last_values_failures_and_causes() -> None:
    cutter = Cutter(M)
    cutter.feed(run("path", Observation({"lan.router": UP})), S - 10)
    for index, (rtt, loss) in enumerate([(1.0, 0.0), (9.0, 50.0), (2.0, 10.0)]):
        seen = Observation({"lan.router": UP}, {("lan.router", "rtt_ms"): rtt, ("lan.router", "loss_percent"): loss})
        cutter.feed(run("path", seen, seconds=index / 8), S + index * 20 + 0.25)
    cutter.feed(run("icmp", Observation({"device.sw": DOWN}, {}, {"device.sw": "refused"})), S - 4)
    for second in (6, 26, 46):
        cutter.feed(run("icmp", Observation({"device.sw": DOWN}, {}, {"device.sw": "timeout"})), S + second)
    cutter.feed(run("icmp", None, "no_permission"), S + 50)
    cutter.feed(run("icmp", None, "no_permission"), S + 55)
    cutter.feed(run("path", Observation({}, {("host", "load1"): 0.5})), S + 56)
    cutter.feed(run("path", Observation({}, {("host", "load1"): 0.75})), S + 57)

    row = cutter.cut(INVENTORY, [Off(M - 5, 5, 4)])

    assert row == MinuteRow(
        seq=0,
        minute=M,
        signals=bytes([60, 0]),
        values=[[200, None], [200], [75], [5, 5], [0, 2], [500, 500]],
        failures=[(1, CAUSES["no_permission"][0], 2)],
        causes=[(1, CAUSES["timeout"][0])],
        off=[Off(M - 5, 5, 4)],
    )


@pytest.mark.parametrize("value", [-0.01, 60_000.5, float("nan"), float("inf")])
def test_a_value_out_of_range_is_absent_and_a_failure_and_never_bent(value: float) -> None:
    cutter = Cutter(M)
    cutter.feed(run("icmp", Observation({"device.sw": UP}, {("device.sw", "rtt_ms"): value})), S + 5)

    row = cutter.cut(INVENTORY)

    assert (row.values[0], row.failures) == ([None, None], [(1, CAUSES["bad_answer"][0], 1)])


def test_a_failed_run_says_nothing_and_the_one_before_keeps_speaking() -> None:
    cutter = Cutter(M)
    for second in range(-20, 80, 20):
        cutter.feed(run("path", Observation({"lan.router": UP})), S + second)
        cutter.feed(run("path", None, "hung"), S + second + 10)

    row = cutter.cut(INVENTORY)

    assert (row.signals[0], row.failures) == (60, [(0, CAUSES["hung"][0], 3)])


def test_a_masked_minute_is_unknown_for_every_signal() -> None:
    cutter = Cutter(M)
    for at, _ in every(10, UP):
        cutter.feed(run("path", Observation({"lan.router": UP, "device.sw": UP})), at)
    cutter.masked.add(M)

    assert [cutter.cut(INVENTORY).signals, cutter.cut(INVENTORY).signals] == [bytes([UNKNOWN] * 2)] * 2


@given(st.lists(st.floats(0, 60_000), min_size=1, max_size=8))
def test_times_are_told_by_their_median(values: list[float]) -> None:
    assert scaled("rtt_ms", of_readings("rtt_ms", values)) == round(median(values) * 100)
