"""Many sites, schools and thresholds: what follows from given minutes is the oracle's verdict, exactly at the thresholds too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from random import SystemRandom
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, note, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from tests.oracle import books, product
from tests.oracle.calendars import lessons_by_minute
from tests.oracle.month import FIRST_MINUTE

from schoolbeat_server import database, schema
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Filter, Plan, Target

SCHOOLS = 10 * int(os.environ.get("ORACLE_MONTHS", "30"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
DAY = 1_440
WINDOW = (FIRST_MINUTE, FIRST_MINUTE + DAY)
SIGNALS = ("line.internet", "line.isp")


class Site(NamedTuple):
    """minutes: stretches of one code, by signal; None: nothing was ever reported."""

    kind: str
    minutes: tuple[tuple[tuple[int, int], ...], ...] | None

    def codes(self, signal: str) -> bytes:
        assert self.minutes is not None
        out = b"".join(bytes([code]) * count for code, count in self.minutes[SIGNALS.index(signal)])
        return (out + bytes([60]) * DAY)[:DAY]


class Asked(NamedTuple):
    clock: str
    off: str
    sites: str
    share: Fraction
    coverage: Fraction
    least: tuple[Fraction, ...]  # by signal


stretches = st.lists(
    st.tuples(st.sampled_from((60, 60, 0, 30, 59, 255, 254, 253)), st.sampled_from((1, 30, 144, 288, 720))), max_size=6
).map(tuple)
some_sites = st.builds(
    lambda kind, minutes: Site("satellite", minutes), st.just(0), st.none() | st.tuples(stretches, stretches)
)
some_school = st.builds(
    lambda main, others: ((Site("main", main.minutes),) if main else ()) + tuple(others),
    st.none() | some_sites,
    st.lists(some_sites, max_size=3),
)


@st.composite
def some_asked(draw: st.DrawFn, schools: list[tuple[Site, ...]]) -> Asked:
    """Thresholds that some site or the schools together reach exactly, or miss by very little, more often than not."""
    clock, off = draw(st.sampled_from(("always", "lessons"))), draw(st.sampled_from(("left_out", "down")))
    reached, covered = [Fraction(9, 10), Fraction(1)], [Fraction(1, 2), Fraction(4, 5), Fraction(1)]
    for site in (site for sites in schools for site in sites if site.minutes is not None):
        for signal in SIGNALS:
            up, down, gone, unknown = seconds_of(site, signal, clock)
            known, whole = up + down + (gone if off == "down" else 0), up + down + gone + unknown
            reached += [Fraction(up, known)] if known else []
            reached += [Fraction(up, whole), Fraction(up + whole - known, whole)]
            covered.append(Fraction(known, whole))
    little = st.sampled_from((Fraction(0), Fraction(0), Fraction(1, 10**9), Fraction(-1, 10**9)))
    share = st.builds(lambda a, b: min(max(a + b, Fraction(1, 10**9)), Fraction(1)), st.sampled_from(reached), little)
    coverage = st.builds(lambda a, b: min(max(a + b, Fraction(0)), Fraction(1)), st.sampled_from(covered), little)
    of_schools = [Fraction(1), Fraction(1, 2), *(Fraction(n, len(schools)) for n in range(1, len(schools) + 1))]
    schools_share = st.builds(lambda a, b: min(a + b, Fraction(1)), st.sampled_from(of_schools), little)
    least = tuple(draw(share) for _ in range(draw(st.integers(1, 2))))
    how = draw(st.sampled_from(("any", "main", "every")))
    return Asked(clock, off, how, draw(schools_share), draw(coverage), least)


def seconds_of(site: Site, signal: str, clock: str) -> tuple[int, int, int, int]:
    return books.availability(site.codes(signal), FIRST_MINUTE, lessons=clock == "lessons")


def plan(asked: Asked) -> Plan:
    words = Said("", "")
    conditions = tuple(
        Condition(f"{signal}.availability", "enough", at_least=least)
        for signal, least in zip(SIGNALS, asked.least, strict=False)
    )
    target = Target(
        "T", words, words, words, "school", Filter(), conditions, asked.share, date(2026, 1, 1), 1, asked.clock,  # type: ignore[arg-type]
        asked.coverage, asked.off, "any", asked.sites, "every", 1, (),  # type: ignore[arg-type]
    )  # fmt: skip
    return Plan("p", words, words, "p.yaml", (target,))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = database.open_database(tmp_path_factory.mktemp("schools") / "schoolbeat.db")
    with engine.begin() as connection:
        connection.execute(schema.area.insert().values(id="p", name="Tỉnh thử", kind="province"))
    yield engine
    engine.dispose()


def registered(engine: Engine, schools: list[tuple[Site, ...]]) -> dict[str, Site]:
    """By id, which names the school too."""
    found = {f"s{n}-{m}": site for n, sites in enumerate(schools) for m, site in enumerate(sites)}
    with engine.begin() as connection:
        for table in (schema.latest, schema.site, schema.school):
            connection.execute(delete(table))
        for n in range(len(schools)):
            connection.execute(schema.school.insert().values(id=f"s{n}", name="T", area="p", level="primary"))
        for ident, site in found.items():
            school = ident.split("-")[0]
            connection.execute(schema.site.insert().values(id=ident, school=school, name="D", kind=site.kind))
            if site.minutes is not None:
                latest = {"site": ident, "agent": "gateway", "minute": 1, "report_id": 1, "received_ms": 1}
                connection.execute(schema.latest.insert().values(latest))
    return found


def expected(sites: tuple[Site, ...], asked: Asked) -> str:
    told = []
    for site in sites:
        each = {
            books.verdict(seconds_of(site, signal, asked.clock), least, asked.coverage, off_is_down=asked.off == "down")
            for signal, least in zip(SIGNALS, asked.least, strict=False)
            if site.minutes is not None
        }
        told.append((site.kind, "missed" if "missed" in each else "unknown" if each != {"met"} else "met"))
    return books.together(asked.sites, told)


@seed(SEED)
@settings(max_examples=SCHOOLS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(some_school, max_size=4), st.data())
def test_the_verdict_on_schools_of_many_sites(
    engine: Engine, schools: list[tuple[Site, ...]], data: st.DataObject
) -> None:
    note(f"ORACLE_SEED={SEED}")
    asked = data.draw(some_asked(schools))
    sites = registered(engine, schools)
    lessons = bytes(one is not None for one in lessons_by_minute(*WINDOW, books.NO_RULES))

    with engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return sites[site].codes(signal)[first - FIRST_MINUTE : end - FIRST_MINUTE]

        def of_lessons(site: str, first: int, end: int) -> bytes:
            return lessons[first - FIRST_MINUTE : end - FIRST_MINUTE]

        (found,) = product.judged(connection, read, of_lessons, plan(asked), WINDOW)

    wanted = [expected(one, asked) for one in schools]
    assert {unit.id: unit.status for unit in found.units} == {f"s{n}": one for n, one in enumerate(wanted)}
    assert found.status == books.of_schools(wanted, asked.share)
