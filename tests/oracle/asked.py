"""What is asked of a place, what is told of it, and the three values. Knows no product code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import NamedTuple

from tests.oracle.calendars import DAY, day_of
from tests.oracle.provinces import UNKNOWN, Line, Province, School, Site

GRADES = ("declared", "inventoried", "observed", "proven")


class Asks(NamedTuple):
    """need: a share, bits a second, minutes or a count."""

    indicator: str
    need: Fraction = Fraction(0)
    words: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    most: Fraction | None = None


class Which(NamedTuple):
    """Units that count; empty: all."""

    areas: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    rooms: tuple[str, ...] = ()
    smart: tuple[int, ...] = ()
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Promise:
    unit: str
    which: Which
    asks: tuple[Asks, ...]
    share: Fraction
    count: int | None
    days: int
    clock: str
    coverage: Fraction
    off_is_down: bool
    lines: str
    sites: str
    devices: str
    tests: int
    boundaries: str | None  # the day whose areas it speaks of


NONE = Fraction(0)


class Told(NamedTuple):
    """Of one condition. covered: how much of what it takes was measured; None: nothing of it is."""

    met: str
    grade: str
    covered: Fraction | None = None
    since: int | None = None
    counts: tuple[int, int, int] | None = None


class Answer(NamedTuple):
    """Of one unit."""

    status: str
    silent: bool
    since: int | None
    grade: str
    counts: tuple[int, int, int]
    covered: Fraction | None
    area: str
    school: str
    site: str  # "" for a school of several sites


class Place(NamedTuple):
    """A site with the window, and what the promise asks of it."""

    province: Province
    school: School
    site: Site
    promise: Promise
    asks: Asks

    @property
    def first(self) -> int:
        return self.province.end - self.promise.days * DAY

    @property
    def end(self) -> int:
        return self.province.end

    def codes(self, signal: str) -> bytes:
        row = self.site.minutes.get(signal)
        return bytes([UNKNOWN]) * (self.end - self.first) if row is None else row[self.first - self.province.first :]

    @property
    def lines(self) -> list[Line]:
        return in_force(self.province, self.site)

    @property
    def unseen(self) -> str:
        return "inventoried" if self.site.told else "declared"


def last_day(province: Province) -> str:
    return (date(1970, 1, 1) + timedelta(day_of(province.end - 1))).isoformat()


def in_force(province: Province, site: Site) -> list[Line]:
    """Those with a contract on the window's last day."""
    today = last_day(province)
    return [one for one in site.lines if (one.since or "") <= today and (not one.until or today < one.until)]


def mains(lines: Sequence[Line]) -> list[Line]:
    return [one for one in lines if not one.backup] or list(lines)


# ---- three values ------------------------------------------------------------------------------------------


def together(how: str, values: Iterable[str]) -> str:
    """'any' or every; every outcome of the unknown ones is tried."""
    told = Counter(values)
    outcomes = set()
    for lucky in range(told["unknown"] + 1):
        met, all_ = told["met"] + lucky, sum(told.values())
        outcomes.add(met > 0 if how == "any" else met == all_)
    return ("met" if outcomes.pop() else "missed") if len(outcomes) == 1 and told else "unknown"


def of_province(counts: tuple[int, int, int], share: Fraction, count: int | None) -> str:
    met, missed, unknown = counts
    units = met + missed + unknown
    if not units:
        return "not_applicable"
    if count is not None and count > units:
        return "unknown"
    outcomes = {
        met + lucky >= count if count is not None else Fraction(met + lucky, units) >= share
        for lucky in range(unknown + 1)
    }
    return ("met" if outcomes.pop() else "missed") if len(outcomes) == 1 else "unknown"


def as_one(how: str, found: Sequence[Told]) -> Told:
    met = together(how, (one.met for one in found))
    since = begun(how, [one.since for one in found if one.met == met])
    return Told(met, weakest(one.grade for one in found), least(one.covered for one in found), since)


def least(covered: Iterable[Fraction | None]) -> Fraction | None:
    return min((one for one in covered if one is not None), default=None)


def begun(how: str, sinces: Sequence[int | None]) -> int | None:
    """Where any would do, it began when the last failed; if of one that is not known, it is not."""
    if how != "any":
        return min((one for one in sinces if one is not None), default=None)
    last = None
    for one in sinces:
        if one is None:
            return None
        last = one if last is None or one > last else last
    return last


def weakest(grades: Iterable[str]) -> str:
    return min(grades, key=GRADES.index, default="declared")
