"""What became of promises, from issued rows with gaps and revisions: at the deadline, kept since, week by week."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random, SystemRandom
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from tests.oracle.calendars import DAY, LOCAL
from tests.oracle.promises import kept_since

from schoolbeat_server import database, schema
from schoolbeat_server.forecast import MOST_WEEKS, weekly
from schoolbeat_server.history import at_deadline, kept, read_points

HISTORIES = int(os.environ.get("ORACLE_PROVINCES", "100"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
FIRST = date(2025, 6, 20)
FIRST_NUMBER = (FIRST - date(1970, 1, 1)).days
WAYS = (("met", "proven"), ("met", "observed"), ("missed", "observed"), ("unknown", "declared"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = database.open_database(tmp_path_factory.mktemp("histories") / "schoolbeat.db")
    yield engine
    engine.dispose()


def _drawn(random: Random) -> list[tuple[str, str, int] | None]:
    """Status, grade and met units of each day; None: not judged. Most days are like the day before."""
    days: list[tuple[str, str, int] | None] = []
    for _ in range(random.choice((1, 3, 15, 80, 230))):
        if days and random.random() < 0.95:
            days.append(days[-1])
        else:
            days.append(None if random.random() < 0.2 else (*random.choice(WAYS), random.randrange(9)))
    return days


def _rows(random: Random, target: str, number: int, day: tuple[str, str, int]) -> Iterator[dict[str, Any]]:
    """The last revision is what counts."""
    end = (FIRST_NUMBER + number + 1) * DAY - LOCAL
    said = [(*random.choice(WAYS), 0) for _ in range(random.choice((0, 0, 0, 1, 2)))]
    for revision, (status, grade, met) in enumerate([*said, day]):
        yield {
            "plan": "p", "target": target, "first_minute": end - 7 * DAY, "end_minute": end, "revision": revision,
            "issued_ms": 0, "touch": 0, "status": status, "met": met, "missed": 9 - met, "unknown": 0, "silent": 0,
            "grade": grade, "why": "", "sites": "[]", "body": b"",
        }  # fmt: skip


def test_what_became_of_a_promise_is_what_its_days_say(engine: Engine) -> None:
    for seed in range(SEED, SEED + HISTORIES):
        random = Random(seed)
        days = _drawn(random)
        deadline, today = random.randrange(-2, len(days) + 2), random.randrange(len(days), len(days) + 4)
        rows = [row for number, day in enumerate(days) if day for row in _rows(random, str(seed), number, day)]
        random.shuffle(rows)
        with database.writing(engine) as connection:
            if rows:
                connection.execute(insert(schema.issued), rows)
            points = read_points(connection, "p", str(seed))

        reached = at_deadline(points, FIRST + timedelta(deadline), FIRST + timedelta(today))
        told = kept(points, FIRST + timedelta(len(days) - 1))
        counts = weekly(points)

        told_then = days[deadline] if 0 <= deadline < len(days) else None
        then = "to_come" if today <= deadline else told_then[0] if told_then else "not_observed"
        since = kept_since([day and day[:2] for day in days])
        judged = [number for number, day in enumerate(days) if day]
        assert reached.answer == then, f"ORACLE_SEED={seed}"
        assert (told.since, told.kept) == (
            (None, None)
            if since is None
            else (FIRST + timedelta(since[0]), {"met": True, "missed": False, "unknown": None}[since[1]])
        ), f"ORACLE_SEED={seed}"
        assert counts == _weeks(days, judged[-1] if judged else -1), f"ORACLE_SEED={seed}"


def _weeks(days: list[tuple[str, str, int] | None], at: int) -> list[int]:
    found: list[int] = []
    while at >= 0 and days[at] is not None and len(found) < MOST_WEEKS + 1:
        found.insert(0, days[at][2])  # type: ignore[index]
        at -= 7
    return found
