"""The demo's months before: the same from the same seed, named as simulated, and none of days that are judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, select
from tests.server import browser as browsers

from schoolbeat_server import history, issued, plans, register, schema
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.demo import inspected, main, own_plans, past_verdicts, province
from schoolbeat_server.inspections import read_inspections
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import Verdict
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire.catalogue import UNKNOWN

NOW_MS = 1_795_275_930_000  # 22:45:30 on 21 November 2026 in Viet Nam
MADE = province.make(1, 20)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> list[Plan]:
    return plans.all_plans(own_plans.write(tmp_path_factory.mktemp("own") / "plans"), main.FOLLOW)


def made(folder: Path, known: list[Plan], name: str) -> Engine:
    engine = open_database(folder / name)
    register.apply(engine, register.rows_of(MADE.register, "demo"))
    past_verdicts.issue(engine, known, MADE.sites, 1, NOW_MS)
    return engine


def test_the_demos_plans_are_the_followed_ones_and_its_own_reading_and_lao_cai_is_judged_by_weeks(
    known: list[Plan],
) -> None:
    days = {
        target.id: target.window_days for plan in known if plan.id == own_plans.SHIPPED.stem for target in plan.targets
    }

    assert sorted(plan.id for plan in known) == sorted([*main.FOLLOW, "trinh-dien-cach-doc-khac"])
    assert days["T13"] == days["T12"] == 7
    assert days["T9"] == 365


def test_the_same_seed_gives_the_same_months_and_every_unit_says_that_it_is_simulated(
    tmp_path: Path, known: list[Plan]
) -> None:
    first, second = (made(tmp_path, known, name) for name in ("a.db", "b.db"))

    rows = [list(engine.connect().execute(select(schema.issued)).mappings()) for engine in (first, second)]
    with first.connect() as connection:
        points = history.read_points(connection, main.FOLLOW[0], "T2")
        told = issued.read_units(connection, points[-1].issue)

    assert rows[0] == rows[1]
    assert (len(points), points[-1].day) == (past_verdicts.DAYS, date(2026, 11, 19))  # that of the 20th is judged
    assert told is not None
    assert {tuple(map(tuple, unit["reasons"])) for unit in told[1].values()} == {(tuple(past_verdicts.SIMULATED),)}
    assert points[0].met == 0 < points[-1].met
    first.dispose()
    second.dispose()


def test_minutes_that_come_later_revise_no_simulated_day(tmp_path: Path, known: list[Plan]) -> None:
    engine = made(tmp_path, known, "d.db")
    schools = {site.id: site.school for site in MADE.sites}
    with writing(engine) as connection:
        touched = [(site, NOW_MS // 60_000 - 7 * 1_440, NOW_MS // 60_000, "late") for site in schools]
        issued.touch(connection, touched, NOW_MS - issued.PATIENCE_MS)

    def judging(plan: Plan, _end: int, sites: frozenset[str] | None) -> list[Verdict]:
        raise AssertionError(f"{plan.id} is judged anew: {sites}")

    with engine.connect() as connection:
        rows, last = issued.revise(connection, known, NOW_MS, schools, judging)

    assert (rows, last) == ([], len(schools))
    engine.dispose()


def test_the_simulated_inspections_are_entered_over_the_api_and_name_nobody(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, engine):
        inspected.record(MADE, *inspected.over_the_api(port_of(url)))

        with engine.connect() as connection:
            found = read_inspections(connection, limit=10)
    assert sorted((one.kind, one.inspector, [word.kind for word in one.words]) for one in found) == [
        ("digital", inspected.INSPECTOR, []),
        ("on_site", inspected.INSPECTOR, ["reply"]),
    ]
    assert "mô phỏng" in inspected.INSPECTOR


def test_inspections_wait_for_verdicts_that_are_young_enough(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _engine):
        told = [inspected.are_judged(port_of(url), since_ms) for since_ms in (NOW_MS - 1, NOW_MS)]

    assert told == [True, False]
    assert not inspected.are_judged(9, 0)


def port_of(url: str) -> int:
    return urlsplit(url).port or 0


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Engine]]:
    engine = open_database(folder / "c.db")
    register.apply(engine, register.rows_of(MADE.register, "demo"))
    context = WebContext(
        engine=engine,
        read_minutes=lambda _site, signals, first, end: dict.fromkeys(signals, bytes([UNKNOWN]) * (end - first)),
        signals_of=lambda _site: [],
        live=LiveFeed(),
        health=lambda: {"ok": True, "reasons": [], "judged_ms": NOW_MS},
        verdicts=tuple,
        now_ms=lambda: NOW_MS,
    )
    with browsers.served(create_app(context)) as url:
        yield url, engine
    engine.dispose()
