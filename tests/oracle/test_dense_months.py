"""Every minute of thirty days with every signal: drawn second by second, reduced to bytes here, and told to the product."""

from __future__ import annotations

import os
from random import Random, SystemRandom

import pytest
from tests.oracle.calendars import day_of
from tests.oracle.comparison import follow, some_database
from tests.oracle.month import FIRST_MINUTE, MONTH_MINUTES, SIGNALS, Calendar, Month, Rule
from tests.oracle.product import Server, rows_of
from tests.oracle.stories import AFTERNOON, GATEWAY, MORNING, WEEKS_SECONDS, Story, Watcher, Way
from tests.oracle.truth import UNKNOWN, Row
from tests.oracle.way import on_the_way

DENSE = int(os.environ.get("ORACLE_DENSE", "1"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
SECONDS = MONTH_MINUTES * 60
WORDS = {"up": ord("u"), "down": ord("d"), "unseen": ord("?")}


def seconds_of(random: Random) -> bytes:
    """One signal's month, a letter a second: up for hours, down or unseen for seconds, minutes, sometimes days."""
    out = bytearray()
    restless = random.choice((600, 4_000, 40_000, 200_000))
    while len(out) < SECONDS:
        out += b"u" * random.randrange(1, 2 * restless)
        letter = b"?" if random.randrange(4) == 0 else b"d"
        out += letter * random.choice((1, 5, 59, 60, 61, 600, random.randrange(1, 20_000)))
    return bytes(out[:SECONDS])


def minutes_of(seconds: bytes) -> bytes:
    """A minute with a second that is not known is not known."""
    minutes = (seconds[at : at + 60] for at in range(0, SECONDS, 60))
    return bytes(UNKNOWN if b"?" in minute else minute.count(b"u") for minute in minutes)


def some_rows(random: Random) -> list[Row]:
    """The agent is off now and then, and tells why when it is back."""
    columns = [minutes_of(seconds_of(random)) for _ in SIGNALS]
    rows: list[Row] = []
    off: dict[int, str] = {}
    at = 0
    while at < MONTH_MINUTES:
        for place in range(at, min(MONTH_MINUTES, at + random.choice((10, 3_000, 20_000)))):
            rows.append(Row(FIRST_MINUTE + place, bytes(column[place] for column in columns), off))
            off = {}
        at = place + 1 + random.choice((1, 2, 3, 40, 1_500))
        reason = random.choice(("power", "crash", "clean_stop"))
        off = dict.fromkeys(range(FIRST_MINUTE + place + 3, FIRST_MINUTE + min(at, MONTH_MINUTES)), reason)
    return rows


def some_calendars(random: Random) -> list[Calendar]:
    day = day_of(FIRST_MINUTE) + random.randrange(25)
    rules = (
        Rule(1, "week", day, day + random.choice((1, 9)), (0, 1, 2, 3, 4, 5), random.choice((MORNING, AFTERNOON))),
        Rule(random.randrange(3), "closed", day + 2, day + 4, hours=random.choice((None, (0, 470)))),
        Rule(2, "open", day + 1, day + 2, as_weekday=random.choice((None, 0))),
    )
    at = FIRST_MINUTE + random.randrange(MONTH_MINUTES)
    return [Calendar(at, "a", rules), Calendar(min(at + 9_000, FIRST_MINUTE + MONTH_MINUTES), "a", rules[1:])]


@pytest.mark.timeout(900)  # a machine may have much else to do
@pytest.mark.parametrize("number", range(DENSE))
def test_a_dense_month(number: int) -> None:
    random = Random(SEED + number)
    print(f"ORACLE_SEED={SEED}")
    rows = some_rows(random)
    late = random.choice((0, 10, 50))
    way = Way(
        random.randrange(2**32),
        0,
        5,
        random.choice((0, 2)),
        2,
        late,
        WEEKS_SECONDS,
        False,
        False,
        (1, 60, 60, 60, 60, 60, 60),
    )
    story = Story((Watcher(GATEWAY, SIGNALS, Month((), (), frozenset())),), tuple(some_calendars(random)), way)
    events = on_the_way(story, {GATEWAY: [rows_of(rows)]})

    with some_database() as engine:
        taken = follow(Server(engine, random, way.troubles), events)

        assert len({row.minute for _, row in taken.rows}) == len(rows)
