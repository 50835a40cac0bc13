"""The forecast: back-tested on simulated provinces, whose true day of reaching the share is known."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction

from tests.server.test_verdicts import TARGET

from schoolbeat_server.forecast import HORIZON_WEEKS, LEAST_WEEKS, Forecast, forecast, likely_to_miss, weekly
from schoolbeat_server.history import Point

START = date(2026, 1, 4)
SCHOOLS = 400
SHARE = Fraction(9, 10)
NEEDED = 360
PROMISE = replace(TARGET, share=SHARE, deadline=date(2030, 12, 31))
NOW = 20  # weeks of history when the forecast is made


def history(counts: Sequence[int], until: int | None = None) -> list[Point]:
    """Daily verdicts; the counts are those at the end of each week, and within a week they stay."""
    days = range(7 * (len(counts[:until]) - 1) + 1)
    return [
        Point(START + timedelta(at), "missed", counts[at // 7], SCHOOLS - counts[at // 7], 0, "observed", at)
        for at in days
    ]


def province(chance: random.Random) -> list[int]:
    """Weekly met schools: contracts bring some, faults take some, holidays bring none, some weeks bring many at once."""
    pace, spread, met = chance.uniform(2, 9), chance.uniform(1, 6), chance.randint(60, 140)
    counts = [met]
    while len(counts) <= NOW + HORIZON_WEEKS:
        step = 0 if chance.random() < 0.1 else round(chance.gauss(pace, spread))
        step += chance.randint(10, 25) if chance.random() < 0.05 else 0
        counts.append(max(0, min(SCHOOLS, counts[-1] + step)))
    return counts


Method = Callable[[list[Point]], Forecast]


def hits(method: Method, provinces: int = 120) -> int:
    """In how many of 100 provinces the true week lies in the interval that was foretold."""
    inside = told = 0
    for seed in range(provinces):
        counts = province(random.Random(seed))
        true = next((week for week, met in enumerate(counts) if met >= NEEDED), None)
        if true is None or true <= NOW:
            continue
        found = method(history(counts, NOW + 1))
        day = START + timedelta(7 * true)
        told += 1
        inside += (found.earliest or date.max) <= day <= (found.latest or date.max)
    return 100 * inside // told


def by_the_last_step(points: list[Point]) -> Forecast:
    """A bad method, to see that the back-test would tell: the last week goes on for ever."""
    counts = weekly(points)
    step = max(1, counts[-1] - counts[-2])
    day = points[-1].day + timedelta(7 * -(-(NEEDED - counts[-1]) // step))
    return Forecast("expected", 1, day - timedelta(14), day, day + timedelta(14))


def by_the_mean_alone(points: list[Point]) -> Forecast:
    """Another: the mean pace, as if nothing were uncertain."""
    counts = weekly(points)
    pace = (counts[-1] - counts[0]) / (len(counts) - 1)
    day = points[-1].day + timedelta(7 * (NEEDED - counts[-1]) / pace)
    return Forecast("expected", 1, day - timedelta(7), day, day + timedelta(7))


def test_four_outcomes_in_five_lie_in_the_interval_and_a_bad_method_would_be_found_out() -> None:
    assert 74 <= hits(lambda points: forecast(points, PROMISE)) <= 90
    assert hits(by_the_last_step) < 50
    assert hits(by_the_mean_alone) < 50


def test_the_interval_is_not_right_by_being_endless() -> None:
    widths = []
    for seed in range(60):
        counts = province(random.Random(seed))
        if max(counts[: NOW + 1]) < NEEDED:
            found = forecast(history(counts, NOW + 1), PROMISE)
            if found.earliest and found.latest and found.likely:
                widths.append((found.latest - found.earliest) / (found.likely - history(counts, NOW + 1)[-1].day))

    assert len(widths) > 30
    assert sorted(widths)[len(widths) // 2] < 1  # the middle one is narrower than the time that is left


def test_a_steady_pace_is_foretold_to_the_week() -> None:
    counts = [100 + 10 * week for week in range(11)]

    found = forecast(history(counts), PROMISE)

    day = START + timedelta(7 * (10 + 16))
    assert found == Forecast("expected", 10, day, day, day, 100)


def test_no_progress_is_not_in_sight() -> None:
    found = forecast(history([100] * 12), PROMISE)

    assert found == Forecast("not_in_sight", 11, None, None, None, 0)


def test_too_few_weeks_foretell_nothing() -> None:
    counts = [100 + 10 * week for week in range(LEAST_WEEKS + 1)]

    assert forecast(history(counts[:-1]), PROMISE) == Forecast("too_little", LEAST_WEEKS - 1)
    assert forecast(history(counts), PROMISE).answer == "expected"
    assert forecast([], PROMISE) == Forecast("too_little", 0)


def test_what_is_reached_is_said_to_be() -> None:
    assert forecast(history([350, 360]), PROMISE) == Forecast("reached", 1)


def test_what_lies_before_a_gap_is_not_the_present_pace() -> None:
    points = history([100 + 10 * week for week in range(20)])
    gap = [one for one in points if one.day != START + timedelta(7 * 15)]

    assert weekly(gap) == [260, 270, 280, 290]


def test_the_same_history_is_told_the_same_way() -> None:
    points = history(province(random.Random(1)), NOW + 1)

    assert forecast(points, PROMISE) == forecast(points, PROMISE)


def test_a_deadline_that_has_passed_has_no_chance_left() -> None:
    found = forecast(history([100 + 10 * week for week in range(11)]), replace(PROMISE, deadline=date(2025, 12, 31)))

    assert found.by_deadline == 0


def test_a_unit_that_was_met_at_no_weeks_end_is_likely_to_miss() -> None:
    weeks = [
        {"a": "missed", "b": "met", "c": "unknown", "gone": "missed"},
        {"a": "missed", "b": "missed", "c": "unknown"},
        {"a": "unknown", "b": "missed", "c": "unknown", "d": "missed"},
        {"a": "missed", "b": "missed", "c": "missed", "d": "missed", "e": "met"},
    ]

    assert likely_to_miss(weeks) == ["a", "d", "c"]
    assert likely_to_miss(weeks[1:]) == []
