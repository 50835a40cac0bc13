"""Verdicts already issued stay readable as issued; a revision says when, why and because of which minutes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.server.school import CUT_AT_ISP, School, register
from tests.server.test_breaks_ledger import Server
from tests.server.test_calendar_revision import MORNING
from tests.server.test_quarantine import web_context
from tests.server.test_web import Client

from schoolbeat_server import calendar_rows, database, issued, schema
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.judge import Judge
from schoolbeat_server.plans import all_plans
from schoolbeat_server.school_calendar import Rule, day_of, first_minute_of
from schoolbeat_server.web.app import create_app

DAY = 1_440
TODAY = first_minute_of(day_of(29_000_000))
TARGET = "T1"  # the Internet of each school, over seven days


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


class World:
    """A school that reported for a month, and whoever judges it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine, self.school = engine, School("s1")
        self.server = Server(engine, folder, (TODAY + 10) * 60)
        self.judge = Judge(engine, self.server.ingest.ledger, all_plans(None), self.server.ms)
        self.server.step(self.school.inventory_message())
        self.kept = {}
        for day in range(40, 0, -1):
            rows = self.school.rows(TODAY - day * DAY, [self.school.signal_row()] * DAY)
            self.kept[day] = self.school.report(rows)

    def send(self, *days: int) -> None:
        for day in days:
            self.server.step(self.kept[day])

    def later(self, minutes: int) -> None:
        self.server.second += minutes * 60

    def issues(self) -> list[issued.Issue]:
        with self.engine.connect() as connection:
            return issued.read_issues(connection, limit=1_000)[::-1]

    def availability(self) -> list[issued.Issue]:
        return [one for one in self.issues() if one.target == TARGET]


@pytest.fixture
def world(engine: Engine, tmp_path: Path) -> World:
    return World(engine, tmp_path)


def units(world: World, issue: issued.Issue) -> dict[str, issued.Unit]:
    with world.engine.connect() as connection:
        found = issued.read_units(connection, issue.id)
    assert found is not None
    return found[1]


def unit(world: World, issue: issued.Issue, name: str = "s1") -> issued.Unit:
    return units(world, issue)[name]


def test_a_verdict_is_issued_once_a_day_for_each_target(world: World) -> None:
    world.send(*range(40, 0, -1))

    world.judge.judge()
    world.judge.judge()
    world.later(60)
    world.judge.judge()
    first = world.issues()
    world.later(DAY)
    world.judge.judge()

    targets = sum(len(plan.targets) for plan in world.judge.plans)
    assert [(one.revision, one.end_minute, one.why) for one in first] == [(0, TODAY, "")] * targets
    assert [one.end_minute for one in world.issues()[targets:]] == [TODAY + DAY] * targets


def test_late_minutes_make_a_revision_and_what_was_issued_stays_as_it_was(world: World) -> None:
    late = [4, 3, 2]
    world.send(*(day for day in range(40, 0, -1) if day not in late))
    world.judge.judge()
    (before,) = world.availability()
    as_issued = unit(world, before)
    world.later(30)

    world.send(*late)
    world.judge.judge()
    assert len(world.availability()) == 1  # more may be coming
    world.later(3)
    world.judge.judge()

    old, new = world.availability()
    assert old == before
    assert unit(world, old) == as_issued
    assert (new.revision, new.why, new.sites) == (1, "late", ["s1"])
    assert (new.changed_first, new.changed_end) == (TODAY - 4 * DAY, TODAY - DAY)
    assert (new.first_minute, new.end_minute, new.issued_ms) == (old.first_minute, old.end_minute, world.server.ms())
    assert unit(world, new) != as_issued
    assert unit(world, new, "s2") == unit(world, old, "s2")
    world.later(3)
    world.judge.judge()
    assert len(world.availability()) == 2


def test_a_revision_is_what_would_have_been_issued_had_the_minutes_come_in_time(world: World, tmp_path: Path) -> None:
    late = [9, 3, 2]
    world.send(*(day for day in range(40, 0, -1) if day not in late))
    world.judge.judge()
    world.send(*late)
    world.later(3)
    world.judge.judge()
    (tmp_path / "calm").mkdir()
    engine = database.open_database(tmp_path / "calm" / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    calm = World(engine, tmp_path / "calm")
    calm.send(*range(40, 0, -1))
    calm.judge.judge()

    newest = {one.target: one for one in world.issues()}
    for one in calm.issues():
        found = newest[one.target]
        assert found[7:12] == one[7:12]
        assert units(world, found) == units(calm, one)
    engine.dispose()


def test_every_window_that_holds_the_minutes_is_revised_and_no_other(world: World) -> None:
    world.send(*(day for day in range(40, 0, -1) if day != 2))
    for _ in range(3):
        world.judge.judge()
        world.later(DAY)
    world.server.step(
        world.school.report(world.school.rows(TODAY + DAY + 5, [world.school.signal_row(**CUT_AT_ISP)] * 90))
    )

    world.later(3)
    world.judge.judge()

    revised = {one.end_minute for one in world.availability() if one.revision}
    assert revised == {TODAY + 2 * DAY}


def test_minutes_that_come_just_after_midnight_are_no_revision(world: World) -> None:
    world.send(*range(40, 1, -1))
    world.server.second = (TODAY + 1) * 60

    world.send(1)
    world.later(9)
    world.judge.judge()
    world.later(9)
    world.judge.judge()

    assert {one.revision for one in world.issues()} == {0}
    with world.engine.connect() as connection:
        assert connection.scalar(select(schema.touched.c.why)) == "late"


def test_what_an_operator_releases_says_so(world: World) -> None:
    world.send(*(day for day in range(40, 0, -1) if day != 5))
    world.judge.judge()
    new = School("s1", epoch="cd" * 8)
    world.server.step(world.school.presence(hardware="11" * 8))
    world.server.step(new.presence(hardware="22" * 8))
    world.server.step(new.report(new.rows(TODAY - 5 * DAY, [new.signal_row()] * DAY)))
    with world.engine.begin() as connection:
        values = {"at_ms": 1, "who": "lan", "what": "true", "site": "s1", "agent": "gateway", "reason": "đã thay"}
        connection.execute(schema.decision.insert().values(**values, hardware="22" * 8))
    world.server.heart._carry_out()
    world.server.heart._carry_out()

    world.later(3)
    world.judge.judge()

    assert [(one.revision, one.why) for one in world.availability()] == [(0, ""), (1, "operator")]


def test_page_and_api_say_revised(world: World) -> None:
    world.send(*(day for day in range(40, 0, -1) if day != 5))
    world.judge.judge()
    world.send(5)
    world.later(3)
    world.judge.judge()
    context = replace(web_context(world.engine, world.server), verdicts=lambda: world.judge.verdicts)
    client = Client(create_app(context))

    verdicts = client.get("/api/v1/verdicts?units=false").json()
    rows = client.get(f"/api/v1/verdicts/issued?target={TARGET}").json()
    one = client.get(f"/api/v1/verdicts/issued/{rows[0]['id']}").json()

    (told,) = [entry["revised"] for entry in verdicts if entry["target"] == TARGET]
    assert told["changed_first"] == TODAY - 5 * DAY
    assert [(row["revision"], row["why"]) for row in rows] == [(1, "late"), (0, "")]
    assert set(one["units"]) == {"s1", "s2"}
    assert client.get("/api/v1/verdicts/issued/999999").status_code == 404
    assert "Đã sửa lại" in client.get("/?lang=vi").text
    assert "because of late data at 1 sites" in client.get("/?lang=en").text
    assert (one["stamp"]["due"], one["stamp"]["days"], one["stamp"]["proof_day"]) == (0, 0, None)  # no night was yet
    site = client.get("/api/v1/sites/s1/stamp?from=2025-02-18&to=2025-02-19").json()
    assert (site["first_day"], site["end_day"], site["due"]) == ("2025-02-18", "2025-02-20", 2)
    assert client.get("/api/v1/sites/s1/stamp?from=2025-02-19&to=2025-02-18").status_code == 400
    assert client.get("/api/v1/sites/s9/stamp?from=2025-02-19&to=2025-02-19").status_code == 404
    for language, revised, stamped in (("vi", "Sửa lại lần 1", "trên 0 ngày"), ("en", "Revision 1", "of 0 days")):
        page = client.get(f"/verdicts/{rows[0]['id']}?lang={language}").text
        assert revised in page
        assert stamped in page
        assert one["stamp"]["digest"] in page
        assert f"/verdicts/{rows[0]['id']}" in client.get(f"/verdicts?lang={language}&revised=true").text
        assert f'/verdicts/{rows[1]["id"]}"' not in client.get(f"/verdicts?lang={language}&revised=true").text
    assert client.get("/verdicts/999999").status_code == 404


def test_a_changed_calendar_revises_what_is_judged_in_lessons(world: World) -> None:
    (plan,) = [one for one in all_plans(None) if any(target.id == TARGET for target in one.targets)]
    lessons = replace(plan, targets=tuple(replace(one, clock="lessons") for one in plan.targets if one.id == TARGET))
    calendar = world.server.ingest.asked
    world.judge = Judge(world.engine, world.server.ingest.ledger, [lessons], world.server.ms, lambda: calendar.calendar)
    world.send(*range(8, 0, -1))
    world.judge.judge()
    first_day = day_of(TODAY) - 6
    rules = frozenset({Rule("province", "", "week", first_day, first_day + 3, (0, 1, 2, 3, 4, 5, 6), MORNING)})
    calendar_rows.store(
        world.engine, Document("tinh", rules, ()), "x.yaml", who="lan", why="năm học", now_ms=world.server.ms()
    )
    revision = world.server.heart.calendar
    revision.look()
    while revision.busy:
        revision.step()

    world.later(3)
    world.judge.judge()

    old, new = world.availability()
    assert (new.revision, new.why, new.sites) == (1, "calendar", ["s1"])
    assert (new.changed_first, new.changed_end) == (TODAY - 6 * DAY, TODAY - 3 * DAY)
    assert unit(world, new)["reasons"] != unit(world, old)["reasons"]
