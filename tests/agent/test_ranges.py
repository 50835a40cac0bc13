"""Ranges of seqs against plain sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent import ranges

pairs = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=8)


def numbers(found: ranges.Ranges) -> set[int]:
    return {n for first, end in found for n in range(first, end)}


@given(pairs)
def test_normal_form_is_ascending_and_never_touches(made: list[tuple[int, int]]) -> None:
    found = ranges.from_pairs(made)

    assert numbers(found) == numbers(made)
    assert all(first < end for first, end in found)
    assert all(left[1] < right[0] for left, right in pairwise(found))


@given(pairs, pairs)
def test_union_difference_and_intersection_are_those_of_sets(
    a: list[tuple[int, int]], b: list[tuple[int, int]]
) -> None:
    left, right = ranges.from_pairs(a), ranges.from_pairs(b)

    found = [ranges.union(left, right), ranges.subtract(left, right), ranges.intersect(left, right)]

    wanted = [numbers(a) | numbers(b), numbers(a) - numbers(b), numbers(a) & numbers(b)]
    assert [numbers(one) for one in found] == wanted
    assert [ranges.from_pairs(one) for one in found] == found
    assert [ranges.count(one) for one in found] == [len(one) for one in wanted]


@given(pairs)
def test_single_seqs_become_ranges_and_back(made: list[tuple[int, int]]) -> None:
    there = numbers(made)

    assert ranges.from_seqs(there) == ranges.from_pairs(made)
    assert {n for n in range(-1, 32) if ranges.contains(ranges.from_pairs(made), n)} == there
