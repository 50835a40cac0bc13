"""What was measured of one signal: its seconds on a clock in any span, and its minutes where they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from schoolbeat_server.availability import Availability, availability, within
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.targets import Clock


class Measured(Protocol):
    """Spans are half-open minutes since 1970 UTC. has_lessons False: nobody told the site's lessons; then "always" is
    the only clock that may be asked."""

    @property
    def has_lessons(self) -> bool: ...

    def seconds(self, first: int, end: int, clock: Clock) -> Availability: ...

    def at_hand(self, first: int, end: int, clock: Clock) -> Availability:
        """Of as much of the span as is told without reading its minutes: of nothing more than `seconds` says."""
        ...

    def around(self, first: int, end: int, clock: Clock) -> Availability | None:
        """Of a wider span, if one was told already: of nothing less than `seconds` says."""
        ...

    def days_around(self, first: int, end: int, clock: Clock) -> Availability | None:
        """Of the whole local days in which the span lies, if they are told without reading minutes."""
        ...

    def all_seconds(self, first: int, end: int, clock: Clock) -> int:
        """Those of the span on the clock, whatever was measured."""
        ...

    def row(self, first: int, end: int) -> Row: ...

    def at(self, minutes: tuple[int, ...]) -> bytes:
        """The codes of single minutes, which ascend."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """Ledger minutes at hand. lessons: 1 for each minute of a lesson, 0 for others, as many; None: nobody told them."""

    first_minute: int
    codes: bytes
    lessons: bytes | None = None

    @property
    def has_lessons(self) -> bool:
        return self.lessons is not None

    def seconds(self, first: int, end: int, clock: Clock) -> Availability:
        place = self._place(first, end)
        return availability(self.codes[place], self._on(clock, place))

    def at_hand(self, first: int, end: int, clock: Clock) -> Availability:
        return self.seconds(first, end, clock)

    def around(self, first: int, end: int, clock: Clock) -> Availability | None:
        return self.seconds(first, end, clock)

    def days_around(self, first: int, end: int, clock: Clock) -> Availability | None:
        return self.seconds(first, end, clock)

    def all_seconds(self, first: int, end: int, clock: Clock) -> int:
        on = self._on(clock, self._place(first, end))
        return 60 * (end - first if on is None else on.count(1))

    def row(self, first: int, end: int) -> Row:
        place = self._place(first, end)
        return Row(first, self.codes[place], None if self.lessons is None else self.lessons[place])

    def at(self, minutes: tuple[int, ...]) -> bytes:
        return bytes(self.codes[minute - self.first_minute] for minute in minutes)

    def on(self, clock: Clock) -> bytes:
        """The minutes, with those outside the clock unknown."""
        on = self._on(clock, slice(None))
        return self.codes if on is None else within(self.codes, on)

    def _place(self, first: int, end: int) -> slice:
        last = self.first_minute + len(self.codes)
        if not self.first_minute <= first <= end <= last:
            raise ValueError(f"minutes {first} to {end} are asked of a row that has {self.first_minute} to {last}")
        return slice(first - self.first_minute, end - self.first_minute)

    def _on(self, clock: Clock, place: slice) -> bytes | None:
        if clock == "always":
            return None
        if self.lessons is None:
            raise ValueError("lesson time is asked of a site whose lessons nobody told")
        return self.lessons[place]


# ---- places in a span --------------------------------------------------------------------------------------

Says = Callable[[Availability], int]


class Span(NamedTuple):
    """Of a signal, on a clock."""

    measured: Measured
    first: int
    end: int
    clock: Clock

    def seconds(self) -> Availability:
        return self.measured.seconds(self.first, self.end, self.clock)

    def by_days(self, count: int = 1) -> list[Span]:
        """In parts that end with a local day, so that what has nothing to tell is passed over in few steps."""
        if self.first >= self.end:
            return []
        days = range(day_of(self.first) + count, day_of(self.end - 1) + 1, count)
        cuts = [self.first, *(first_minute_of(day) for day in days), self.end]
        return [self._replace(first=first, end=end) for first, end in pairwise(cuts)]


STEP_DAYS = 16


def end_of_allowance(span: Span, allowed: int, spent: Says) -> int:
    """The minute before which more seconds are spent than are allowed; the span's end if they never are."""
    found = span
    for days in (STEP_DAYS, 1):
        for part in found.by_days(days):
            now = spent(part.seconds())
            if now > allowed:
                found = part
                break
            allowed -= now
        else:
            return found.end
    row = found.measured.row(found.first, found.end)
    minutes = range(found.first, found.end)
    return found.first + bisect_right(minutes, allowed, key=lambda at: spent(row.seconds(found.first, at, found.clock)))


def first_of(span: Span, codes: Iterable[int], has: Says) -> int | None:
    """The first minute with one of the codes. has: whether seconds may be of such a minute (0: surely not)."""
    return _search(span, codes, has, bytes.find, 1)


def last_of(span: Span, codes: Iterable[int], has: Says) -> int | None:
    return _search(span, codes, has, bytes.rfind, -1)


def _search(span: Span, codes: Iterable[int], has: Says, find: Callable[[bytes, int], int], order: int) -> int | None:
    wanted = set(codes)
    marks = bytes(code in wanted for code in range(256))
    for part in span.by_days(STEP_DAYS)[::order]:
        if not has(part.seconds()):
            continue
        for day in part.by_days()[::order]:
            if has(day.seconds()):
                row = day.measured.row(day.first, day.end)
                place = find(row.on(day.clock).translate(marks), 1)
                if place >= 0:
                    return day.first + place
    return None
