"""Availability, against an oracle that counts every second by itself."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.server import oracle_ledger
from tests.server.oracle_ledger import Minute

from schoolbeat_server.availability import NOTHING, Availability, availability, shown, shown_up
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

shares = st.fractions(0, 1, max_denominator=1_000)


@given(oracle_ledger.some_minutes(), st.data())
def test_every_second_is_counted_once_and_as_what_it_was(minutes: list[Minute], data: st.DataObject) -> None:
    disputed = data.draw(st.sets(st.integers(0, max(len(minutes) - 1, 0)), max_size=3))
    clock = data.draw(st.none() | st.lists(st.booleans(), min_size=len(minutes), max_size=len(minutes)))
    row = oracle_ledger.as_bytes(minutes, disputed)

    found = availability(row, None if clock is None else bytes(clock))

    assert found == Availability(*oracle_ledger.availability(minutes, disputed, clock))
    assert found.all_seconds == 60 * (len(minutes) if clock is None else sum(clock))


@given(oracle_ledger.some_minutes(), oracle_ledger.some_minutes())
def test_availability_of_two_windows_adds_up(first: list[Minute], second: list[Minute]) -> None:
    a, b = oracle_ledger.as_bytes(first), oracle_ledger.as_bytes(second)

    assert availability(a) + availability(b) == availability(a + b)


def test_unknown_is_neither_up_nor_down() -> None:
    found = availability(bytes([60, 30, UNKNOWN, OFF, DISPUTED]))

    assert found == Availability(up_seconds=90, down_seconds=30, off_seconds=60, unknown_seconds=120)
    assert found.share == Fraction(3, 4)
    assert found.coverage == Fraction(120, 300)


def test_nothing_observed_has_no_share() -> None:
    assert availability(bytes([UNKNOWN, OFF, DISPUTED])).share is None
    assert availability(b"") == NOTHING
    assert NOTHING.coverage == 0


def test_a_clock_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="clock of 1 minutes for 2 ledger minutes"):
        availability(bytes([60, 60]), b"\x01")


seconds = st.integers(0, 30).map(lambda minutes: 60 * minutes)


@given(seconds, seconds, seconds, seconds, shares, shares, st.booleans())
@example(60, 0, 0, 0, Fraction(1), Fraction(1), False)
def test_the_answer_is_unknown_unless_covered_or_decided_by_the_known_seconds_alone(
    up: int, down: int, off: int, unknown: int, share: Fraction, min_coverage: Fraction, off_is_down: bool
) -> None:
    window = Availability(up, down, off, unknown)
    outcomes = {
        all_seconds and Fraction(good, all_seconds) >= share
        for good, all_seconds in oracle_ledger.every_outcome(up, down, off, unknown, off_is_down)
    }
    known = up + down + (off if off_is_down else 0)

    answer = window.at_least(share, min_coverage=min_coverage, off_is_down=off_is_down)

    if known + unknown == 0:
        assert answer is None
    elif len(outcomes) == 1:
        assert answer is outcomes.pop()
    elif known == 0 or Fraction(known, up + down + off + unknown) < min_coverage:
        assert answer is None
    else:
        assert answer is (Fraction(up, known) >= share)


def test_the_stated_coverage_is_enough_and_a_second_less_is_not() -> None:
    half = Availability(up_seconds=600, down_seconds=0, off_seconds=0, unknown_seconds=600)

    assert half.at_least(Fraction(9, 10), min_coverage=Fraction(1, 2), off_is_down=False) is True
    assert half.at_least(Fraction(9, 10), min_coverage=Fraction(601, 1_200), off_is_down=False) is None


@given(seconds, seconds, seconds, seconds, shares, shares, st.booleans())
def test_learning_an_unknown_minute_never_overturns_what_the_known_ones_decided(
    up: int, down: int, off: int, unknown: int, share: Fraction, min_coverage: Fraction, off_is_down: bool
) -> None:
    strict = Availability(up, down, off, unknown).at_least(share, min_coverage=Fraction(2), off_is_down=off_is_down)

    if strict is not None and unknown:
        for later in (
            Availability(up + 60, down, off, unknown - 60),
            Availability(up, down + 60, off, unknown - 60),
        ):
            assert later.at_least(share, min_coverage=min_coverage, off_is_down=off_is_down) is strict


def test_off_is_left_out_or_counted_as_down_as_the_target_says() -> None:
    night_off = Availability(up_seconds=600, down_seconds=0, off_seconds=600, unknown_seconds=0)

    assert night_off.at_least(Fraction(9, 10), min_coverage=Fraction(1, 2), off_is_down=False) is True
    assert night_off.at_least(Fraction(9, 10), min_coverage=Fraction(1, 2), off_is_down=True) is False


@given(shares, shares)
@example(Fraction(1, 3), Fraction(1, 3))
def test_a_shown_share_never_stands_on_the_wrong_side_of_its_target(share: Fraction, target: Fraction) -> None:
    text = shown(share, target)

    read = Fraction(text.rstrip("%")) / 100 if text.endswith("%") else Fraction(text)

    assert read <= share
    assert (read >= target) == (share >= target)


@given(st.fractions(0, 1))
def test_a_shown_share_is_rounded_down_by_less_than_a_tenth(share: Fraction) -> None:
    read = Fraction(shown(share).rstrip("%")) / 100

    assert 0 <= share - read < Fraction(1, 1_000)


@pytest.mark.parametrize(
    ("share", "target", "text"),
    [
        (Fraction(1), Fraction(1), "100%"),
        (Fraction(999_999, 1_000_000), Fraction(1), "99.9%"),
        (Fraction(0), None, "0%"),
        (Fraction(9_995, 10_000), Fraction(9_995, 10_000), "99.95%"),
        (Fraction(99_949, 100_000), Fraction(9_995, 10_000), "99.9%"),
        (Fraction(2, 3), Fraction(2, 3), "2/3"),
        (Fraction(1, 2), None, "50.0%"),
    ],
)
def test_a_share_is_shown_as(share: Fraction, target: Fraction | None, text: str) -> None:
    assert shown(share, target) == text


def test_a_share_is_shown_with_the_decimal_sign_of_the_reader() -> None:
    assert shown(Fraction(999, 1_000), point=",") == "99,9%"


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 1_000))
def test_what_may_be_at_most_so_much_is_shown_on_its_own_side(part: int, whole: int, most: int) -> None:
    share, allowed = Fraction(min(part, whole), whole), Fraction(most, 1_000)

    text = shown_up(share, allowed).removesuffix("%")

    told = Fraction(text) / 100 if "/" not in text else Fraction(text)
    assert (told <= allowed) == (share <= allowed)
    assert told >= share
