"""Units as they are kept come back exactly, alone or as what differs from an earlier day."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select
from tests.server import test_verdicts as made

from schoolbeat_server import issued, schema
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.evidence import Window
from schoolbeat_server.issued_units import First, first_of, pack, unpack

texts = st.text("ab0189 ,.;/%\0", max_size=9) | st.sampled_from(("đo được 98,3% của 7 ngày", "98.3% of 7 days", ""))
reasons = st.lists(st.tuples(texts, texts).map(list), max_size=3)
some_unit = st.fixed_dictionaries(
    {
        "name": texts,
        "status": st.sampled_from(("met", "missed", "unknown")),
        "silent": st.booleans(),
        "since_minute": st.none() | st.integers(0, 9),
        "coverage": st.none() | st.just("7/80"),
        "grade": st.sampled_from(("observed", "proven")),
        "counts": st.just([1, 0, 0]),
        "reasons": reasons,
    }
)
some_units = st.dictionaries(st.sampled_from(("a", "b", "s/1")), some_unit)


@given(some_units)
def test_units_come_back_as_they_were(units: dict[str, dict[str, Any]]) -> None:
    body = pack(units)

    assert (unpack(body), first_of(body)) == (units, 0)


@given(some_units, some_units)
def test_a_later_day_comes_back_from_its_difference(
    first: dict[str, dict[str, Any]], units: dict[str, dict[str, Any]]
) -> None:
    body = pack(units, First(5, first))

    assert unpack(body, first) == units
    assert first_of(body) in ((0, 5) if sorted(first) == sorted(units) else (0,))


def test_what_stays_the_same_is_not_written_again() -> None:
    units = {
        f"site-{at}": {
            "name": f"Trường {at * 7919}", "status": "met", "silent": False, "since_minute": None, "coverage": "1",
            "grade": "proven", "counts": [1, 0, 0], "reasons": [["a 1", "b 1"]],
        }
        for at in range(100)
    }  # fmt: skip
    later = {**units, "site-7": {**units["site-7"], "reasons": [["a 2", "b 3"]]}}

    assert 10 * len(pack(later, First(5, units))) < len(pack(later))


def test_every_day_is_read_as_it_was_issued_and_each_month_has_one_that_stands_alone(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "schoolbeat.db")
    sites = [made.site_facts(f"s{at}", made.week((0, 10 * at))) for at in range(5)]
    verdict = made.verdict(made.TARGET, *sites)
    days = range(20_000, 20_070)
    said = {}
    for day in days:
        units = tuple(replace(one, since_minute=day if one.id == f"s{day % 5}" else None) for one in verdict.units)
        told = replace(verdict, units=units, window=Window(day * 1_440 - 7 * 1_440, day * 1_440))
        said[day * 1_440] = {one.id: one.since_minute for one in units}
        with writing(engine) as connection:
            issued.keep(connection, issued.issue(connection, [made.PLAN], day * 1_440, 0, lambda *_: [told]), 0)  # noqa: B023

    table = schema.issued.c
    with engine.connect() as connection:
        alone = [row.end_minute for row in connection.execute(select(schema.issued)) if not first_of(row.body)]
        read = {
            row.end_minute: issued.read_units(connection, row.id) for row in connection.execute(select(schema.issued))
        }
    with writing(engine) as connection:
        connection.execute(delete(schema.issued).where(table.end_minute == alone[0]))
        lost = issued.read_units(connection, connection.scalars(select(table.id).order_by(table.id)).first() or 0)
    engine.dispose()

    assert alone == [day * 1_440 for day in (20_000, 20_031, 20_062)]
    assert {
        end: found and {ident: unit["since_minute"] for ident, unit in found[1].items()} for end, found in read.items()
    } == said
    assert lost is None
