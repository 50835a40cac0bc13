"""Sets of seqs as sorted, disjoint, not touching half-open ranges: [(0, 10), (12, 20)]."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

Ranges = list[tuple[int, int]]


def from_pairs(pairs: Iterable[tuple[int, int]]) -> Ranges:
    """The same set in normal form; empty pairs vanish, touching ones join."""
    out: Ranges = []
    for first, end in sorted(pairs):
        if first >= end:
            continue
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((first, end))
    return out


def union(left: Ranges, right: Ranges) -> Ranges:
    return from_pairs([*left, *right])


def subtract(left: Ranges, right: Ranges) -> Ranges:
    out: Ranges = []
    position = 0
    for first, end in left:
        while position < len(right) and right[position][1] <= first:
            position += 1
        index = position
        while index < len(right) and right[index][0] < end:
            if right[index][0] > first:
                out.append((first, right[index][0]))
            first = max(first, right[index][1])
            index += 1
        if first < end:
            out.append((first, end))
    return out


def intersect(left: Ranges, right: Ranges) -> Ranges:
    return subtract(left, subtract(left, right))


def contains(ranges: Ranges, seq: int) -> bool:
    index = bisect_right(ranges, (seq, 2**62)) - 1
    return index >= 0 and ranges[index][0] <= seq < ranges[index][1]


def from_seqs(seqs: Iterable[int]) -> Ranges:
    return from_pairs((seq, seq + 1) for seq in seqs)


def count(ranges: Ranges) -> int:
    return sum(end - first for first, end in ranges)
