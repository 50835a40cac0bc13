"""Provinces with all that promises ask of: counts and lists of units are those of an independent calculation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random, SystemRandom

import pytest
from sqlalchemy import Engine
from tests.oracle import promised, promises, provinces, registered

from schoolbeat_server import database
from schoolbeat_server.verdicts import Verdict

PROVINCES = int(os.environ.get("ORACLE_PROVINCES", "120"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
PROMISES = 12  # asked of each province


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = database.open_database(tmp_path_factory.mktemp("provinces") / "schoolbeat.db")
    yield engine
    engine.dispose()


@pytest.mark.timeout(60 + 5 * PROVINCES)
def test_units_and_counts_are_those_of_the_independent_calculation(engine: Engine) -> None:
    for number in range(PROVINCES):
        seed = SEED + number
        random = Random(seed)
        province = provinces.drawn(random, random.choice((2, 2, 6, 6, 45)))
        boundaries = random.choice((None, None, "2025-06-30", "2025-07-01"))
        asked = [promised.drawn(random, province, boundaries) for _ in range(PROMISES)]
        calendar = registered.register(engine, province)

        found = registered.judged(engine, province, calendar, registered.plan_of(asked))

        for verdict, promise in zip(found, asked, strict=True):
            told = f"ORACLE_SEED={seed} ORACLE_PROVINCES=1, {verdict.target.id}: {promise}"
            assert _told(verdict) == promises.answers(province, promise), told


def _told(verdict: Verdict) -> tuple[str, tuple[int, int, int], dict[str, promises.Answer]]:
    units = {
        one.id: promises.Answer(one.status, one.silent, one.since_minute, one.grade, one.counts)
        for one in verdict.units
    }
    assert len(units) == len(verdict.units)
    assert verdict.silent == sum(one.silent for one in verdict.units)
    return verdict.status, (verdict.met, verdict.missed, verdict.unknown), units
