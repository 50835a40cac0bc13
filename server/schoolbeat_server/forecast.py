"""When a target will be reached at the present pace: the weeks to come are drawn from the weeks that were."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from schoolbeat_server import issued
from schoolbeat_server.history import Point
from schoolbeat_server.targets import Target, units_needed

WEEK = timedelta(7)
LEAST_WEEKS = 8  # of history; with fewer nothing is foretold
MOST_WEEKS = 26  # older weeks say little of the present pace
HORIZON_WEEKS = 260
DRAWS = 400
LOW, HIGH = 5, 95  # per cent of the draws; back-tested, the interval holds four outcomes in five

Answer = Literal["reached", "expected", "not_in_sight", "too_little"]


class Forecast(NamedTuple):
    """answer "expected": between `earliest` and `latest` (None: not within five years) with four chances in five,
    `likely` in the middle. weeks: how many weeks of history it rests on. by_deadline: the part of the draws, in per
    cent rounded down, that reach it in time; None without a deadline, or where nothing is foretold."""

    answer: Answer
    weeks: int
    earliest: date | None = None
    likely: date | None = None
    latest: date | None = None
    by_deadline: int | None = None


def forecast(points: Sequence[Point], target: Target, seed: int = 0) -> Forecast:
    """points: by day, the oldest first. The same points and seed give the same forecast.

    Method (docs/indicators.md): the number of met units at the end of each of the last 26 weeks gives the weekly
    steps. 400 times a set of weeks is drawn from them with repetition, and the coming weeks are drawn from that set, so
    that both the chance of the weeks and how little a few weeks tell is in the interval.
    """
    counts = weekly(points)
    if not counts:
        return Forecast("too_little", 0)
    last = points[-1]
    need = units_needed(last.units, target.share, target.count)
    weeks = len(counts) - 1
    if last.met >= need > 0:
        return Forecast("reached", weeks)
    if weeks < LEAST_WEEKS:
        return Forecast("too_little", weeks)
    steps = [after - before for before, after in pairwise(counts)]
    took = sorted(weeks_to_reach(steps, need - counts[-1], random.Random(seed)))
    low, middle, high = (_day(took[len(took) * part // 100], last.day) for part in (LOW, 50, HIGH))
    chance = None
    if target.deadline is not None:
        left = (target.deadline - last.day).days // 7
        chance = 100 * bisect_left(took, left + 1) // len(took) if left >= 0 else 0
    return Forecast("expected" if low is not None else "not_in_sight", weeks, low, middle, high, chance)


def weekly(points: Sequence[Point]) -> list[int]:
    """Met units at the end of each week, counted back from the newest point; the oldest first. A week without a verdict
    at its end ends the history there: what lies before a gap is not the present pace."""
    by_day = {one.day: one for one in points}
    found: list[int] = []
    day = points[-1].day if points else date.min
    while day in by_day and len(found) <= MOST_WEEKS:
        found.append(by_day[day].met)
        day -= WEEK
    return found[::-1]


def weeks_to_reach(steps: Sequence[int], missing: int, chance: random.Random) -> list[int]:
    """For each draw, after how many weeks the missing units are there; HORIZON_WEEKS + 1: not within the horizon."""
    found = []
    for _ in range(DRAWS):
        drawn = chance.choices(steps, k=len(steps))
        way = accumulate(chance.choices(drawn, k=HORIZON_WEEKS))
        found.append(next((week for week, met in enumerate(way, 1) if met >= missing), HORIZON_WEEKS + 1))
    return found


def _day(weeks: int, start: date) -> date | None:
    return None if weeks > HORIZON_WEEKS else start + weeks * WEEK


# ---- who is likely to miss ---------------------------------------------------------------------------------

STUCK_WEEKS = 4


def likely_to_miss(weeks: Sequence[Mapping[str, str]]) -> list[str]:
    """weeks: unit -> status at the end of each of the last weeks, the newest last. Units that are counted now and were
    met at the end of none of the last four weeks, those with more missed weeks first; nothing with fewer weeks."""
    if len(weeks) < STUCK_WEEKS:
        return []
    recent = weeks[-STUCK_WEEKS:]
    missed = {unit: sum(week.get(unit) == "missed" for week in recent) for unit in recent[-1]}
    never = (unit for unit in missed if all(week.get(unit) != "met" for week in recent))
    return sorted(never, key=lambda unit: (-missed[unit], unit))


def read_weeks(connection: Connection, points: Sequence[Point]) -> list[dict[str, str]]:
    """For likely_to_miss: of the newest verdict and of those 7, 14 and 21 days before; fewer where one is missing."""
    by_day = {one.day: one for one in points}
    found: list[dict[str, str]] = []
    day = points[-1].day if points else date.min
    while day in by_day and len(found) < STUCK_WEEKS:
        read = issued.read_units(connection, by_day[day].issue)
        found.append({unit: one["status"] for unit, one in read[1].items()} if read else {})
        day -= WEEK
    return found[::-1]
