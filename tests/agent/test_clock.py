"""Time and off-minutes: what the agent believes, what it corrects, what it never tells twice. Clocks are arguments."""

from __future__ import annotations

import json
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent import clock
from schoolbeat_agent.clock import Anchor, Correction, corrected, from_answer, from_system
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.recorder import Before, Recorder, from_raw, minutes_off, to_raw
from schoolbeat_wire.catalogue import OFF_NAMES, OFF_REASONS, UNKNOWN
from schoolbeat_wire.inventory import Inventory, with_revision
from schoolbeat_wire.report import MinuteRow, Off

UTC = 29_000_000 * 60.0  # of the boot's second 0 in these tests
M = 29_000_000
INVENTORY = with_revision(Inventory("", signals=["lan.router"], probes=["path"]))


# --- anchors -------------------------------------------------------------------------------------------------------


def test_the_kernel_is_better_than_the_server_and_the_server_than_trust() -> None:
    trust, server, kernel = (Anchor(name, UTC) for name in ("trust", "server", "kernel"))

    found = [corrected(None, trust), corrected(trust, server), corrected(server, kernel)]

    assert found == [Correction(trust), Correction(server), Correction(kernel)]
    assert [corrected(kernel, server), corrected(kernel, trust), corrected(server, trust)] == [None, None, None]


def test_a_correction_over_a_second_is_a_step_and_below_it_is_none() -> None:
    found = [
        corrected(Anchor("server", UTC), Anchor("kernel", UTC + difference)) for difference in (0.9, -0.9, 1.5, -300.0)
    ]

    assert [correction and correction.step_seconds for correction in found] == [0.0, 0.0, 1.5, -300.0]


def test_an_anchor_stays_good_when_the_kernel_loses_its_source() -> None:
    lost = from_system(False, lambda: False, lambda: 100.0, lambda: UTC + 100)

    assert lost is None
    assert from_system(False, lambda: True, lambda: 100.0, lambda: UTC + 100) == Anchor("kernel", UTC)
    assert from_system(True, lambda: False, lambda: 100.0, lambda: UTC + 100) == Anchor("trust", UTC)


def test_the_servers_answer_tells_the_time_if_it_came_within_two_seconds() -> None:
    found = [from_answer(100.0, 100.0 + trip, UTC + 100 + trip / 2) for trip in (0.0, 2.0, 2.01, -0.1)]

    assert found == [Anchor("server", UTC), Anchor("server", UTC), None, None]


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_an_impossible_time_is_no_anchor(offset: float) -> None:
    found = corrected(None, Anchor("trust", offset))

    assert (found is not None) == (clock.PLAUSIBLE_UNIX[0] <= offset <= clock.PLAUSIBLE_UNIX[1])


def test_the_real_kernel_can_be_asked_and_every_process_of_a_boot_counts_the_same_seconds() -> None:
    before = clock.boot_seconds()
    text = "from schoolbeat_agent import clock; print(clock.boot_seconds(), clock.kernel_is_synchronised())"

    other = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout.split()

    assert before <= float(other[0]) <= clock.boot_seconds()
    assert other[1] == str(clock.kernel_is_synchronised())


# --- off-minutes ---------------------------------------------------------------------------------------------------


def told(before: Before, first: int) -> dict[int, str]:
    out: dict[int, str] = {}
    for off in minutes_off(before, first):
        assert off.count > 0
        out |= dict.fromkeys(range(off.first_minute, off.first_minute + off.count), OFF_NAMES[off.reason])
    return out


def test_after_a_crash_the_two_minutes_it_was_measuring_are_interrupted() -> None:
    assert told(Before(M, same_boot=True), M + 5) == {
        M + 1: "interrupted",
        M + 2: "interrupted",
        M + 3: "crash",
        M + 4: "crash",
    }


def test_after_another_boot_it_was_the_power() -> None:
    assert told(Before(M), M + 4) == {M + 1: "interrupted", M + 2: "interrupted", M + 3: "power"}


def test_after_a_stop_on_purpose_only_the_minute_of_the_stop_is_interrupted() -> None:
    assert told(Before(M, stopped_in=M + 1), M + 4) == {M + 1: "interrupted", M + 2: "clean_stop", M + 3: "clean_stop"}


def test_after_a_stop_before_which_minutes_could_not_be_saved_these_stay_unknown() -> None:
    assert told(Before(M, stopped_in=M + 3), M + 5) == {
        M + 1: "interrupted",
        M + 2: "interrupted",
        M + 3: "interrupted",
        M + 4: "clean_stop",
    }


def test_when_the_agent_ran_at_a_time_nobody_knows_nothing_is_claimed() -> None:
    assert set(told(Before(M, unplaced=True), M + 500).values()) == {"interrupted"}


@given(st.integers(0, 5), st.integers(0, 12), st.booleans(), st.booleans(), st.integers(0, 10))
def test_every_minute_since_the_last_saved_one_is_declared_once(
    last: int, first: int, same_boot: bool, unplaced: bool, stopped: int
) -> None:
    before = Before(last and M + last, stopped and M + stopped, same_boot, unplaced)

    found = told(before, M + first)

    assert list(found) == (list(range(M + last + 1, M + first)) if last else [])


# --- the recorder --------------------------------------------------------------------------------------------------


def run(started: float, state: State = State.UP) -> Run:
    return Run("path", started, 0.2, Observation({"lan.router": state}))


def due(recorder: Recorder, now: float, already: frozenset[int] = frozenset()) -> list[tuple[int, int, list[Off]]]:
    return [(row.minute, row.signals[0], row.off) for _, row in recorder.due(now, [now + 999], already)]


def test_without_an_anchor_no_minute_is_cut_and_with_one_all_of_them_are() -> None:
    recorder = Recorder(Before(), 30.0, INVENTORY)
    for second in range(30, 250, 10):
        recorder.record(run(second + 0.5))
    nothing = due(recorder, 250.0)

    recorder.offer(Anchor("server", UTC), 250.0)

    assert nothing == []
    assert due(recorder, 250.0) == [(M, UNKNOWN, []), (M + 1, 60, []), (M + 2, 60, []), (M + 3, 60, [])]
    assert due(recorder, 259.0) == []


def test_the_first_row_declares_what_was_off_before_it() -> None:
    recorder = Recorder(Before(M - 3, same_boot=True), 30.0, INVENTORY)
    recorder.offer(Anchor("kernel", UTC), 30.0)

    found = due(recorder, 125.0)

    off = [Off(M - 2, 2, OFF_REASONS["interrupted"][0])]
    assert found == [(M, UNKNOWN, off), (M + 1, UNKNOWN, [])]


def test_a_step_makes_the_minute_it_falls_into_unknown_and_loses_no_other() -> None:
    recorder = Recorder(Before(), 0.0, INVENTORY)
    recorder.offer(Anchor("server", UTC), 0.0)
    for second in range(0, 200, 10):
        recorder.record(run(second))
    first = due(recorder, 190.0)
    recorder.offer(Anchor("kernel", UTC + 3), 200.0)  # second 200 is now 3:23
    for second in range(200, 360, 10):
        recorder.record(run(second))

    assert first == [(M, 60, []), (M + 1, 60, []), (M + 2, 60, [])]
    assert due(recorder, 360.0) == [(M + 3, UNKNOWN, []), (M + 4, 60, []), (M + 5, 60, [])]


def test_after_a_step_back_no_minute_is_told_a_second_time() -> None:
    recorder = Recorder(Before(), 0.0, INVENTORY)
    recorder.offer(Anchor("trust", UTC + 600), 0.0)
    for second in range(0, 200, 10):
        recorder.record(run(second))
    early = due(recorder, 200.0)
    cut = frozenset(minute for minute, _, _ in early)
    recorder.offer(Anchor("server", UTC), 200.0)
    for second in range(200, 1_000, 10):
        recorder.record(run(second))

    late = due(recorder, 1_000.0, cut)

    assert [minute - M for minute, _, _ in early] == [10, 11, 12]
    assert [(minute - M, byte) for minute, byte, _ in late] == [
        (3, UNKNOWN),
        *((n, 60) for n in range(4, 10)),
        *((n, 60) for n in range(13, 16)),
    ]


def test_a_step_back_takes_back_the_minutes_that_a_start_by_a_clock_ahead_had_taken_for_off() -> None:
    recorder = Recorder(Before(M - 10, same_boot=True), 30.0, INVENTORY)
    recorder.offer(Anchor("kernel", UTC + 3_600), 30.0)
    recorder.record(run(30.0))
    recorder.offer(Anchor("kernel", UTC), 100.0)  # the agent has lived since the first minute, half of it
    for second in range(100, 190, 10):
        recorder.record(run(second))

    found = due(recorder, 190.0)

    interrupted, crash = OFF_REASONS["interrupted"][0], OFF_REASONS["crash"][0]
    off = [Off(M - 9, 2, interrupted), Off(M - 7, 7, crash), Off(M, 1, interrupted)]
    assert found == [(M + 60, UNKNOWN, off), (M + 1, UNKNOWN, []), (M + 2, 60, [])]
    assert (recorder.began, recorder.told) == (M + 1, tuple(off))


def test_a_small_step_back_takes_back_the_minute_in_which_the_agent_began() -> None:
    recorder = Recorder(Before(M - 10, same_boot=True), 30.0, INVENTORY)
    recorder.offer(Anchor("kernel", UTC + 60), 30.0)
    recorder.record(run(30.0))
    recorder.offer(Anchor("kernel", UTC), 65.0)

    interrupted, crash = OFF_REASONS["interrupted"][0], OFF_REASONS["crash"][0]
    assert recorder.told == (Off(M - 9, 2, interrupted), Off(M - 7, 7, crash), Off(M, 1, interrupted))


def test_the_minutes_a_step_forward_jumps_over_are_declared_as_unknown() -> None:
    recorder = Recorder(Before(), 0.0, INVENTORY)
    recorder.offer(Anchor("trust", UTC), 0.0)
    recorder.record(run(5.0))
    recorder.offer(Anchor("server", UTC + 86_400 * 365), 10.0)

    found = due(recorder, 70.0)

    year = 365 * 1440
    assert found == [(M + year, UNKNOWN, [Off(M, year, OFF_REASONS["interrupted"][0])])]


def test_a_machine_that_slept_declares_the_hours_instead_of_cutting_each_minute() -> None:
    recorder = Recorder(Before(), 0.0, INVENTORY)
    recorder.offer(Anchor("kernel", UTC), 0.0)
    recorder.record(run(5.0))
    awake = 8 * 3_600.0
    for second in range(0, 130, 10):
        recorder.record(run(awake + second))

    found = due(recorder, awake + 130)

    hours = 8 * 60
    assert [minute - M for minute, _, _ in found] == [0, hours, hours + 1]
    assert found[1][2] == [Off(M + 1, hours - 1, OFF_REASONS["interrupted"][0])]


def test_at_a_stop_the_minutes_that_are_over_are_cut_though_their_last_runs_are_not_in() -> None:
    recorder = Recorder(Before(), 0.0, INVENTORY)
    recorder.offer(Anchor("kernel", UTC), 0.0)
    for second in range(0, 60, 10):
        recorder.record(run(second))

    waiting = recorder.due(62.0, [50.0], ())
    rest = recorder.rest(62.0, ())

    assert waiting == []
    assert rest == [(INVENTORY.revision, MinuteRow(0, M, bytes([60]), [], [], []))]


def test_a_run_without_a_time_comes_back_from_the_disk_as_it_was() -> None:
    seen = Observation({"lan.router": State.DOWN}, {("lan.router", "rtt_ms"): 1.5}, {"lan.router": "timeout"})
    runs = [Run("path", 1.25, 0.5, seen), Run("dns", 2.5, 0.1, None, "refused")]

    found = [from_raw(json.loads(json.dumps(to_raw(one)))) for one in runs]

    assert found == runs


@given(st.recursive(st.none() | st.integers() | st.text() | st.floats(), lambda inner: st.lists(inner, max_size=6)))
def test_nonsense_from_the_disk_is_no_run(raw: object) -> None:
    found = from_raw(raw)

    assert found is None or isinstance(found, Run)


def test_nothing_is_looked_for_before_the_minute_ends() -> None:
    recorder = Recorder(Before(), 30.0, INVENTORY)
    without_time = recorder.idle_seconds(31.0)
    recorder.offer(Anchor("kernel", UTC), 31.0)

    assert without_time == 0
    assert [recorder.idle_seconds(now) for now in (31.0, 59.5, 60.0, 75.0)] == [29.0, 0.5, 0.0, 0.0]


def test_an_agent_that_saved_no_minute_was_there_all_the_same() -> None:
    """Power went at M + 1, came back for a moment at M + 10, and for good at M + 20."""
    short = Recorder(Before(M), 0.0, INVENTORY)
    short.offer(Anchor("trust", (M + 10) * 60.0), 1.0)

    after = told(Before(M, began=short.began, told=short.told), M + 20)

    assert {minute for minute, reason in after.items() if reason == "interrupted"} == {M + 1, M + 2, M + 10, M + 11}
    assert {reason for minute, reason in after.items() if minute not in (M + 1, M + 2, M + 10, M + 11)} == {"power"}
    assert sorted(after) == list(range(M + 1, M + 20))
