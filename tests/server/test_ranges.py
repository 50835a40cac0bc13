"""Ranges of settled seqs agree with a plain set of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server.ranges import Ranges

PAIRS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)).map(lambda p: (p[0], p[0] + p[1])), max_size=25)


def numbers(pairs: list[tuple[int, int]]) -> set[int]:
    return {n for first, end in pairs for n in range(first, end)}


@given(PAIRS)
def test_adding_in_any_order_gives_the_same_numbers_ascending_and_apart(pairs: list[tuple[int, int]]) -> None:
    found = Ranges(pairs).pairs()

    assert numbers(found) == numbers(pairs)
    assert all(a[1] < b[0] for a, b in pairwise(found))


@given(PAIRS, st.integers(0, 70), st.integers(1, 12))
def test_overlaps_and_covers_say_what_the_set_says(pairs: list[tuple[int, int]], first: int, length: int) -> None:
    found, asked = Ranges(pairs), set(range(first, first + length))

    assert found.overlaps(first, first + length) == bool(asked & numbers(pairs))
    assert found.covers(first, first + length) == (asked <= numbers(pairs))


@given(PAIRS)
def test_they_come_back_from_text(pairs: list[tuple[int, int]]) -> None:
    found = Ranges(pairs)

    assert Ranges.from_json(found.to_json()).pairs() == found.pairs()
