"""An hour told as it happens: contact is the oracle's, and what is said of a silence is what truly happened, said once."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from tests.oracle import hours, stories
from tests.oracle.comparison import some_database
from tests.oracle.hours import BEGIN, END, Hour
from tests.oracle.live import Incident, Lived, live

HOURS = int(os.environ.get("ORACLE_HOURS", "5"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
CONTACT_SECONDS = 8  # as docs say: contact lost so long opens an incident
COUNTED: Counter[str] = Counter()


@seed(SEED)
@settings(
    max_examples=HOURS,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(stories.some_hour())
def test_an_hour_at_a_school(tmp_path_factory: pytest.TempPathFactory, hour: Hour) -> None:
    note(f"ORACLE_SEED={SEED}")
    COUNTED.update(["hours", *(one.kind for one in hour.troubles)])

    with some_database() as engine:
        lived = live(engine, tmp_path_factory.mktemp("hour"), hour)

    note(str(lived.incidents))
    expected = hours.contact(hour, lived.heard, lived.session)
    found = dict(zip(range(BEGIN // 60, END // 60), lived.contact, strict=True))
    assert {minute: found[minute] for minute in expected} == expected
    silences = lost(hour, lived)
    nothing_is_told_twice_or_of_the_past(hour, lived, silences)
    what_is_told_happened(hour, lived.incidents)
    a_long_trouble_alone_is_named(hour, lived, silences)
    each_silence_is_told(lived.incidents, silences)
    COUNTED.update(f"cause: {one.cause}" for one in lived.incidents if one.scope != "away")
    COUNTED["silences"] += len(silences)


def lost(hour: Hour, lived: Lived) -> list[tuple[int, int]]:
    """Runs [first, end) of seconds in which contact was known to be lost."""
    out: list[tuple[int, int]] = []
    for second in range(BEGIN, END):
        if hours.word(hour, second, lived.heard, lived.session) == "down":
            if out and out[-1][1] == second:
                out[-1] = (out[-1][0], second + 1)
            else:
                out.append((second, second + 1))
    return out


def nothing_is_told_twice_or_of_the_past(hour: Hour, lived: Lived, silences: list[tuple[int, int]]) -> None:
    told = [one for one in lived.incidents if one.scope in ("path", "contact")]
    for one in lived.incidents:
        assert one.notices == (() if one.scope == "away" else ("open", "close")), one
    for a, b in pairwise(told):
        assert a.closed is not None
        assert a.closed <= b.opened or a.scope != b.scope, (a, b)
    for one in told:
        if one.cause_opened == "waiting":
            now = [first for first, end in silences if first - 1 + CONTACT_SECONDS <= one.opened <= end]
            assert now, one
        else:
            fresh = [t for t in hour.troubles if t.begin <= one.opened <= t.end + 420]
            assert fresh, one


def what_is_told_happened(hour: Hour, incidents: list[Incident]) -> None:
    for one in incidents:
        if one.scope in ("path", "contact"):
            assert one.closed is not None
            allowed = hours.causes(hour, one.since, one.until or one.closed)
            assert one.cause in allowed, (one, allowed)


def a_long_trouble_alone_is_named(hour: Hour, lived: Lived, silences: list[tuple[int, int]]) -> None:
    """Everything that the gateway kept has come since: there is evidence enough."""
    if len(hour.troubles) != 1 or len(silences) != 1:
        return
    (one,) = hour.troubles
    if one.end - one.begin >= 300 and one.kind != "server":
        told = {incident.cause for incident in lived.incidents if incident.scope in ("path", "contact")}
        assert told <= hours.names(hour, one.kind), (told, one)


def each_silence_is_told(incidents: list[Incident], silences: list[tuple[int, int]]) -> None:
    told = [one for one in incidents if one.scope in ("path", "contact")]
    for first, end in silences:
        if end - first > CONTACT_SECONDS + 2:
            covering = [
                one for one in told if one.opened <= first + CONTACT_SECONDS + 2 and end - 1 <= (one.closed or END)
            ]
            assert len(covering) >= 1, (first, end)


@pytest.fixture(scope="module", autouse=True)
def told_how_often() -> Iterator[None]:
    yield
    print(f"\nORACLE_SEED={SEED}", json.dumps(COUNTED, indent=1))
