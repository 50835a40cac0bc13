"""Sets of whole numbers as ascending half-open ranges, for seqs that are settled."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable


class Ranges:
    """Ascending, never touching: adding [5, 7) to [[0, 5)] gives [[0, 7)]."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self.firsts: list[int] = []
        self.ends: list[int] = []
        for first, end in pairs:
            self.add(first, end)

    def add(self, first: int, end: int) -> None:
        if self.ends and first == self.ends[-1]:  # the next minute: by far the commonest
            self.ends[-1] = end
            return
        left = bisect_left(self.ends, first)
        right = bisect_right(self.firsts, end)
        if left < right:
            first = min(first, self.firsts[left])
            end = max(end, self.ends[right - 1])
        self.firsts[left:right] = [first]
        self.ends[left:right] = [end]

    def overlaps(self, first: int, end: int) -> bool:
        place = bisect_right(self.ends, first)
        return place < len(self.firsts) and self.firsts[place] < end

    def touches(self, first: int, end: int) -> bool:
        """Whether adding it makes no further range."""
        place = bisect_left(self.ends, first)
        return place < len(self.firsts) and self.firsts[place] <= end

    def covers(self, first: int, end: int) -> bool:
        if first >= end:
            return True
        place = bisect_right(self.ends, first)
        return place < len(self.firsts) and self.firsts[place] <= first and end <= self.ends[place]

    def pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.firsts, self.ends, strict=True))

    def to_json(self) -> str:
        return json.dumps(self.pairs(), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Ranges:
        return Ranges((first, end) for first, end in json.loads(text))
