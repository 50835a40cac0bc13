"""Rates from counters, against a simulated device whose true counters are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schoolbeat_agent.snmp.rates import (
    Count,
    Flow,
    PortSample,
    Stamp,
    flow_between,
    increase,
    octet_rates,
    of_a_minute,
    packets_between,
    seconds_between,
)

GIGABIT = 10**9


def sample(
    at: float, uptime: float | None, rx: int, tx: int = 0, bits: int = 64, speed: int | None = GIGABIT
) -> PortSample:
    return PortSample(
        Stamp(at, None if uptime is None else round(uptime * 100)), Count(rx, bits), Count(tx, bits), speed
    )


def test_a_minute_of_a_steady_stream_is_its_rate() -> None:
    assert octet_rates(sample(0, 1_000, 0, 0), sample(60, 1_060, 7_500_000, 750_000)) == (1_000_000, 100_000)


@pytest.mark.parametrize("bits", [32, 64])
def test_a_counter_that_wraps_once_goes_on(bits: int) -> None:
    before = sample(0, 1_000, 2**bits - 500, 100, bits, 10**8)
    now = sample(60, 1_060, 7_000, 100, bits, 10**8)

    assert octet_rates(before, now) == (7_500 * 8 / 60, 0)


def test_a_gigabit_port_with_32_bits_says_nothing_of_a_minute_because_it_may_have_wrapped_twice() -> None:
    before, now = sample(0, 1_000, 500, 500, 32), sample(60, 1_060, 600, 600, 32)

    assert octet_rates(before, now) == (None, None)


def test_32_bits_and_an_unknown_speed_say_nothing_and_64_bits_do() -> None:
    assert octet_rates(sample(0, 1_000, 0, 0, 32, None), sample(60, 1_060, 60, 60, 32, None)) == (None, None)
    assert octet_rates(sample(0, 1_000, 0, 0, 64, None), sample(60, 1_060, 60, 60, 64, None)) == (8, 8)


def test_after_a_restart_nothing_is_said_until_the_next_run() -> None:
    before, after, later = sample(0, 90_000, 10**9), sample(60, 30, 5_000), sample(120, 90, 12_500)

    assert octet_rates(before, after) == (None, None)
    assert octet_rates(after, later) == (1_000, 0)


def test_a_restart_that_hides_behind_a_young_uptime_is_not_a_rate() -> None:
    assert octet_rates(sample(0, 4, 1_000_000), sample(60, 58, 900_000_000)) == (None, None)


def test_counters_that_jumped_by_the_devices_own_word_are_not_a_rate() -> None:
    before, now = sample(0, 1_000, 10_000), sample(60, 1_060, 20_000)
    jumped = replace(now, stamp=replace(now.stamp, discontinuity=100_500))

    assert octet_rates(before, jumped) == (None, None)


def test_both_counters_going_back_is_a_reset_that_nobody_announced() -> None:
    before = sample(0, 1_000, 2**32 - 1_000, 2**32 - 9_000, 32, 10**8)

    assert octet_rates(before, sample(60, 1_060, 5_000, 6_000, 32, 10**8)) == (None, None)


def test_the_same_answer_twice_is_not_a_rate_of_zero() -> None:
    assert octet_rates(sample(0, 1_000, 10_000), sample(60, 1_000, 10_000)) == (None, None)


def test_more_than_the_port_can_carry_is_not_a_rate() -> None:
    assert octet_rates(sample(0, 1_000, 0, 0), sample(60, 1_060, GIGABIT // 8 * 61, GIGABIT // 8 * 59)) == (
        None,
        GIGABIT * 59 / 60,
    )


def test_a_change_of_speed_or_of_the_counters_width_is_a_doubt() -> None:
    before = sample(0, 1_000, 0, 0)

    assert octet_rates(before, sample(60, 1_060, 100, 100, speed=10**8)) == (None, None)
    assert octet_rates(before, sample(60, 1_060, 100, 100, bits=32)) == (None, None)


def test_without_the_devices_clock_nothing_is_said() -> None:
    assert octet_rates(sample(0, None, 0), sample(60, None, 1_000)) == (None, None)


def test_an_uptime_that_begins_again_after_497_days_is_one_doubt() -> None:
    assert seconds_between(Stamp(0, 2**32 - 100), Stamp(60, 5_900)) is None


def test_errors_are_counted_over_a_wrap_and_not_over_a_reset() -> None:
    assert packets_between(Count(2**32 - 3, 32), Count(4, 32), 60, None) == 7
    assert packets_between(Count(5_000, 32), Count(4, 32), 60, None) is None


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1), st.floats(0, 2**70), st.sampled_from([32, 64]))
def test_an_increase_is_never_negative_and_never_more_than_can_be(one: int, other: int, most: float, bits: int) -> None:
    found = increase(Count(one % 2**bits, bits), Count(other % 2**bits, bits), most)

    assert found is None or 0 <= found <= most


def test_a_gigabit_port_with_32_bits_is_told_by_looks_half_a_minute_apart() -> None:
    looks = [
        sample(second, 1_000 + second, passed % 2**32, 0, 32)
        for second, passed in ((0, 4_000_000_000), (30, 7_000_000_000), (60, 8_000_000_000))
    ]

    first, second = (flow_between(before, now) for before, now in pairwise(looks))

    assert first == Flow(30, 800_000_000, 0)
    assert second is not None
    assert of_a_minute(first, second) == (4_000_000_000 * 8 / 60, 0)


def test_a_minute_has_no_mean_of_what_is_not_known() -> None:
    known = Flow(30, 600, 60)

    assert of_a_minute(None, known) == (600, 60)
    assert of_a_minute(Flow(60, 0, 0), known) == (600, 60)
    assert of_a_minute(Flow(30, None, 0), known) == (600, 30)
    assert of_a_minute(known, Flow(30, None, 0)) == (None, 30)


# --- against a device whose truth is known -------------------------------------------------------------------------


@dataclass
class SimulatedPort:
    """Counts what really passed, and shows what an agent with counters of so many bits would show."""

    bits: int
    speed: int
    shown_start: int
    now: float = 0.0
    booted: float = 0.0
    jumped: int | None = None
    passed: int = 0  # octets since the beginning of the world
    base: int = 0  # of `passed`, when the counter last was at shown_start

    def run(self, seconds: float, share: float) -> None:
        self.now += seconds
        self.passed += int(seconds * share * self.speed / 8)

    def restart(self, down_seconds: float) -> None:
        self.now += down_seconds
        self.booted, self.base, self.shown_start = self.now, self.passed, 0
        self.jumped = None if self.jumped is None else 0

    def jump(self) -> None:
        self.base, self.shown_start, self.jumped = self.passed, 0, int((self.now - self.booted) * 100)

    def asked(self, late: float) -> tuple[PortSample, float, int]:
        """The sample, the time it was really taken, and the truth then."""
        shown = (self.shown_start + self.passed - self.base) % 2**self.bits
        uptime = int((self.now - self.booted) * 100) % 2**32
        count = Count(shown, self.bits)
        stamp = Stamp(self.now + late, uptime, self.jumped)
        return PortSample(stamp, count, Count(0, self.bits), self.speed), self.now, self.passed


SPANS = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.floats(0.01, 200), st.floats(0, 1)),
        st.tuples(st.just("restart"), st.floats(0, 60), st.just(0.0)),
        st.tuples(st.just("jump"), st.just(0.0), st.just(0.0)),
        st.tuples(st.just("ask"), st.floats(0, 3), st.just(0.0)),
    ),
    max_size=25,
)


@given(
    st.sampled_from([32, 64]),
    st.sampled_from([10**6, 10**7, 10**8, 10**9, 10**10]),
    st.integers(0, 2**64 - 1),
    st.booleans(),
    SPANS,
)
def test_a_rate_is_the_true_one_or_none(
    bits: int, speed: int, start: int, tells_jumps: bool, spans: list[tuple[str, float, float]]
) -> None:
    port = SimulatedPort(bits, speed, start % 2**bits, jumped=0 if tells_jumps else None)
    assume(tells_jumps or all(kind != "jump" for kind, _, _ in spans))
    last = None
    for kind, seconds, share in [("run", 90.0, 0.5), ("ask", 0.0, 0.0), *spans, ("ask", 0.0, 0.0)]:
        if kind == "run":
            port.run(seconds, share)
        elif kind == "restart":
            port.restart(seconds)
        elif kind == "jump":
            port.jump()
        else:
            sample, at, passed = port.asked(seconds)
            if last is not None:
                rate, _ = octet_rates(last[0], sample)
                if rate is not None:
                    true = (passed - last[2]) * 8 / (at - last[1])
                    assert rate == pytest.approx(true, rel=0.005, abs=16)
                    assert 0 <= rate <= speed
            last = sample, at, passed


def test_the_simulated_port_is_mostly_answered_with_a_rate() -> None:
    port, found = SimulatedPort(64, GIGABIT, 2**64 - 10**9), []
    port.run(90, 0.5)
    last = port.asked(0.0)[0]
    for _ in range(20):
        port.run(60, 0.7)
        now = port.asked(0.1)[0]
        found.append(octet_rates(last, now)[0])
        last = now

    assert found == [pytest.approx(0.7 * GIGABIT, rel=0.001)] * 20
