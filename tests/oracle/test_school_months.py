"""Whatever a month was like and whatever happened on the way, the product's books are the oracle's, byte for byte."""

from __future__ import annotations

import ast
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random, SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from tests.oracle import books, drawn, product, stories, truth
from tests.oracle.comparison import difference, follow, of_product, some_database
from tests.oracle.month import (
    FIRST_MINUTE,
    INTERNET,
    SIGNALS,
    Fault,
    Life,
    Month,
    Ran,
    Runs,
    Step,
    answers,
)
from tests.oracle.product import Server
from tests.oracle.stories import GATEWAY, Story, Watcher, Way
from tests.oracle.way import on_the_way

MONTHS = int(os.environ.get("ORACLE_MONTHS", "30"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))


@pytest.mark.timeout(900)  # a machine may have much else to do
@seed(SEED)
@settings(
    max_examples=MONTHS,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],  # the seed tells enough; shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(stories.some_story())
def test_a_school_month(story: Story) -> None:
    note(f"ORACLE_SEED={SEED}")
    cards = {}
    for who in story.watchers:
        cards[who.agent] = product.recorded(who.month, who.tells)
        found = [[of_product(row) for row in rows] for rows in cards[who.agent]]
        assert (who.agent, difference(found, truth.rows_of(who.month, who.tells))) == (who.agent, "")
    COUNTED.update(counted(story))
    with some_database() as engine:
        follow(Server(engine, Random(story.way.seed + 1), story.way.troubles), on_the_way(story, cards))


COUNTED: Counter[str] = Counter()  # what was drawn how often, for the long runs: python -m pytest -s shows it


def counted(story: Story) -> dict[str, int]:
    lives = [life for who in story.watchers for life in who.month.lives]
    kinds = [type(what).__name__ for what in story.operators]
    return {
        "months": 1,
        "agents": len(story.watchers),
        "lives": len(lives),
        "lives without a clock": sum(not life.clock for life in lives),
        "clock steps": sum(max(0, len(life.clock) - 1) for life in lives),
        "faults": sum(len(who.month.faults) for who in story.watchers),
        **{f"operator: {kind}": kinds.count(kind) for kind in ("Enrolled", "Removed", "Calendar")},
        "months told live": not story.way.after,
        "months with late weeks": not story.way.after and story.way.late > 0 and story.way.late_seconds > 90_000,
        "months with copies altered": story.way.altered > 0,
        "months in disorder": story.way.shuffled,
        "months with restarts and seals": story.way.troubles > 0,
    }


@pytest.fixture(scope="module", autouse=True)
def told_how_often() -> Iterator[None]:
    yield
    print(f"\nORACLE_SEED={SEED}", json.dumps(COUNTED, indent=1))


@pytest.mark.timeout(900)  # a machine may have much else to do
@seed(SEED)
@settings(
    max_examples=MONTHS, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(drawn.some_month())
def test_a_byte_is_as_true_as_the_rounds_are_close(month: Month) -> None:
    """Against the world itself, each second of it: a change is seen at the next run that could measure, no later."""
    lives = [life for life in month.lives if life.clock and not any(step.error for step in life.clock)]
    lone = [Month((replace(life, new_card=True, new_boot=True),), month.faults, month.silent) for life in lives]
    for alone in lone:
        life = alone.lives[0]
        looks = sorted(ran.started for ran in life.runs if ran.probe == "path" and ran.measured)
        for row in product.recorded(alone)[0]:
            begin = row.minute * 60
            world = [answers(alone, "path", second) for second in range(begin - 30, begin + 60)]
            for signal in ("lan.router", INTERNET):
                told = row.signals[SIGNALS.index(signal)]
                was = [seen[signal] for seen in world]
                changes = [begin - 30 + at for at in range(1, 90) if was[at] != was[at - 1]]
                blind = sum(min([look for look in looks if look >= at], default=at + 25) - at + 1 for at in changes)
                if told <= books.FULL:
                    assert abs(told - was[30:].count("up")) <= blind, (signal, row.minute, changes)


def test_a_clock_set_back_twice_within_a_minute_tells_no_minute_twice() -> None:
    begin = FIRST_MINUTE * 60 + 600
    end = begin + 600 + 1 / 256
    for wait in range(30, 75):
        steps = (Step(begin + 1 / 128, 70), Step(begin + 312 + 1 / 128, 5), Step(begin + 312 + wait + 1 / 128, 0))
        life = Life(float(begin), end, "stop", True, True, steps, drawn.runs(Random(wait), begin, end, 0, True))
        month = Month((life,), (), frozenset())

        rows = [[of_product(row) for row in rows] for rows in product.recorded(month)]

        assert difference(rows, truth.rows_of(month)) == ""
        assert len({row.minute for row in rows[0]}) == len(rows[0])


def test_a_minute_waits_for_the_run_that_tells_whether_a_device_could_be_seen() -> None:
    """The router fails between the path's round and the devices'; the path's next run cannot measure."""
    begin = FIRST_MINUTE * 60
    rounds = [begin + 10 * n for n in range(30)]
    ran = [Ran("path", at + 4.0, at + 4.5, at != begin + 120) for at in rounds]
    ran += [Ran("devices", at + 5.0, at + 5.5, True) for at in rounds]
    ran += [Ran("rooms", at + 6.0, at + 6.5, True) for at in rounds[::6]]
    life = Life(float(begin), begin + 300 + 1 / 256, "stop", True, True, (Step(begin + 1 / 128, 0),), Runs(ran))
    month = Month((life,), (Fault("lan.router", begin + 114.5, begin + 200),), frozenset())

    rows = [[of_product(row) for row in rows] for rows in product.recorded(month)]

    assert difference(rows, truth.rows_of(month)) == ""
    assert rows[0][1].codes == bytes([60, 60, 60, 60, 60, 255, 255, 60])


def test_of_two_words_on_the_same_minutes_before_a_start_the_last_stands() -> None:
    """The clock is wrong when it becomes known, rows are saved by it, and it is put right."""
    first = FIRST_MINUTE * 60 + 615
    then = first + 282
    steps = (Step(then + 168 + 1 / 128, 507), Step(then + 170 + 1 / 128, 744), Step(then + 172 + 1 / 128, 0))
    lives = (
        Life(float(first), first + 169 + 1 / 256, "power", True, True, (Step(first + 1 / 128, 0),), _runs(first, 169)),
        Life(float(then), then + 204 + 1 / 256, "power", True, False, steps, _runs(then, 204)),
    )
    story = Story(
        (Watcher(GATEWAY, SIGNALS, Month(lives, (), frozenset())),), (), Way(2, 0, 0, 0, 0, 0, 90, False, False)
    )
    cards = {GATEWAY: product.recorded(story.watchers[0].month)}
    told = [off for row in cards[GATEWAY][0] for off in row.off]

    with some_database() as engine:
        follow(Server(engine, Random(3), 0), on_the_way(story, cards))

    begun = [off.first_minute for off in told]
    assert {first for first in begun if begun.count(first) > 1}  # else it tells nothing


def _runs(begin: int, seconds: int) -> Runs:
    return drawn.runs(Random(begin), begin, begin + seconds + 1 / 256, 0, False)


# ---- the oracle itself ---------------------------------------------------------------------------------------


ORACLE = (
    *("month", "truth", "books", "calendars", "drawn", "stories", "hours"),
    *("asked", "by_readings", "promised", "promises", "provinces", "readings"),
)


def test_the_oracle_shares_no_code_with_the_product() -> None:
    for name in ORACLE:
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
        imported = {
            module.split(".")[0] if not module.startswith("tests.") else module
            for node in ast.walk(tree)
            for module in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [f"tests.oracle.{alias.name}" for alias in node.names]
                if isinstance(node, ast.ImportFrom) and node.module == "tests.oracle"
                else [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        allowed = {
            "__future__",
            "collections",
            "re",
            "functools",
            "itertools",
            "dataclasses",
            "typing",
            "datetime",
            "random",
            "hypothesis",
            "fractions",
            *(f"tests.oracle.{name}" for name in ORACLE),
        }

        assert imported <= allowed, name
        assert not {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & {
            "__import__",
            "importlib",
            "exec",
            "eval",
        }
