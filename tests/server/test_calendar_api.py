"""Both clocks, lessons affected and calendars, as the API and the page tell them; over a real ingest and database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, select
from tests.server.test_calendar_revision import FIRST, MORNING, SIGNALS, START, BoardSchool, Desk, closed, week
from tests.server.test_heart import body, now_ms

from schoolbeat_server import calendar_rows, plans, schema
from schoolbeat_server.affected import Affected, Seated, affected, rooms_of
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.configs import of_agents
from schoolbeat_server.database import writing
from schoolbeat_server.judge import Judge
from schoolbeat_server.school_calendar import LessonHours, LessonTime, Rule, SchoolCalendar, day_of
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire.messages import Lesson

TEXT = """\
calendar: tinh
shifts: {s: [07:00-07:35, 07:40-08:15]}
places:
  - place: province
    week: [{from: 2026-09-10, to: 2026-10-09, days: 2-6, shifts: s}]
"""


class Web:
    """The pages and the API over a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

        def read(site: str, signals: Any, first: int, end: int) -> dict[str, bytes]:
            with desk.engine.connect() as connection:
                return desk.ingest.ledger.read(connection, site, signals, first, end)

        self.app = create_app(
            WebContext(
                engine=desk.engine,
                read_minutes=read,
                signals_of=lambda _site: list(SIGNALS),
                live=LiveFeed(),
                health=lambda: {"ok": True, "reasons": []},
                verdicts=tuple,
                now_ms=lambda: desk.now_ms,
                calendar=lambda: desk.ingest.asked.calendar,
            )
        )

    def ask(self, method: str, address: str, body: bytes = b"") -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                return await client.request(method, address, content=body)

        return asyncio.run(ask())


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """s1 was without Internet for the first lesson and a half; its board too. Two rooms, the board in one of them."""
    desk, school = Desk(tmp_path, ["s1", "s2"]), BoardSchool("s1", signals=list(SIGNALS))
    with writing(desk.engine) as connection:
        rooms = [{"id": ident, "site": "s1", "name": ident.upper()} for ident in ("p1", "p2")]
        connection.execute(insert(schema.room), rooms)
        connection.execute(
            insert(schema.device), [{"site": "s1", "id": "b", "kind": "board", "room": "p1", "address": ""}]
        )
    rows = [bytes([60, 60, 60])] * 10 + [bytes([0, 0, 60])] * 60 + [bytes([60, 60, 60])] * 30
    desk.take(school.inventory_message(), school.report(school.rows(START + 410, rows)))
    yield Web(desk)
    desk.engine.dispose()


def test_a_calendar_is_put_and_availability_lessons_and_outages_follow(web: Web) -> None:
    without = web.ask("GET", "/api/v1/sites/s1/availability?clock=lessons&from=2026-09-10&to=2026-09-11")
    dry = web.ask("PUT", "/api/v1/calendars/tinh?dry_run=true", TEXT.encode())
    put = web.ask("PUT", "/api/v1/calendars/tinh?why=Q%C4%90%201", TEXT.encode())
    web.desk.revise()

    both = {
        clock: web.ask("GET", f"/api/v1/sites/s1/availability?clock={clock}&from=2026-09-10&to=2026-09-11").json()
        for clock in ("always", "lessons")
    }

    assert (without.status_code, dry.json()["change"], put.json()["change"]) == (409, None, 1)
    assert put.json()["added"][0]["en"] == (
        "the province: timetable 10/09/2026–09/10/2026; Mon, Tue, Wed, Thu, Fri; 07:00-07:35, 07:40-08:15"
    )
    assert both["always"]["line.internet"] == {
        "clock": "always",
        "first_minute": START,
        "end_minute": START + 1_440,
        "minutes": 1_440,
        "up_seconds": 40 * 60,
        "down_seconds": 60 * 60,
        "off_seconds": 0,
        "unknown_seconds": 1_340 * 60,
        "share": 0.4,
        "coverage": 100 / 1_440,
        "shown": "40.0%",
    }
    found = both["lessons"]["line.internet"]
    assert (found["minutes"], found["up_seconds"], found["down_seconds"], found["unknown_seconds"]) == (
        70,
        900,
        3_300,
        0,
    )
    outages = {one["signal"]: one for one in web.ask("GET", "/api/v1/sites/s1/outages").json()}
    assert {name: (one["lessons"], one["rooms"], one["lesson_rooms"]) for name, one in outages.items()} == {
        "line.internet": (2, 2, 4),
        "device.b": (2, 1, 2),
    }
    assert "2 tiết × 2 phòng = 4" in web.ask("GET", "/site/s1").text
    changes = web.ask("GET", "/api/v1/calendar-changes").json()
    assert [(one["who"], one["why"], one["sites"], one["outages"]) for one in changes] == [("api", "QĐ 1", 1, 2)]
    assert [one["calendar"] for one in web.ask("GET", "/api/v1/calendars").json()] == ["tinh"]


def test_a_calendar_with_faults_is_refused_whole(web: Web) -> None:
    bad = web.ask("PUT", "/api/v1/calendars/tinh", TEXT.replace("2-6", "9").encode())
    nowhere = web.ask("PUT", "/api/v1/calendars/tinh", TEXT.replace("place: province", "place: school x").encode())
    other = web.ask("PUT", "/api/v1/calendars/xa", TEXT.encode())
    bytes_ = web.ask("PUT", "/api/v1/calendars/tinh", b"\xff\xfe")
    large = web.ask("PUT", "/api/v1/calendars/tinh", b"#" * (2 * 1024 * 1024 + 1))

    codes = [one.status_code for one in (bad, nowhere, other, bytes_, large)]
    assert codes == [422, 422, 400, 422, 413]
    assert bad.json()["detail"] == [
        "calendar, line 5, key places 1, week 1, days: '9': write days as 2-6 (2: Monday), or 2, 4, CN"
    ]
    assert nowhere.json()["detail"] == ["calendar, line 4, key nơi: 'school x': the register has no such school"]
    assert web.ask("GET", "/api/v1/calendars").json() == []


def test_the_days_of_a_site_and_windows_as_people_write_them(web: Web) -> None:
    web.desk.load("tinh", [week(FIRST, 30), closed(FIRST + 1)])
    web.desk.revise()

    days = web.ask("GET", "/api/v1/sites/s1/lessons?from=2026-09-10&to=2026-09-12").json()
    by_time = web.ask(
        "GET", "/api/v1/sites/s1/availability?clock=lessons&from=2026-09-10T07:00%2B07:00&to=2026-09-10T07:35%2B07:00"
    ).json()
    refused = [
        web.ask("GET", f"/api/v1/sites/{site}/availability?from={first}&to={end}").status_code
        for site, first, end in (
            ("s1", "2026-09-31", "2026-10-01"),
            ("s1", "2026-09-10", "2026-09-10"),
            ("s1", "2026-09-10T07:00", "2026-09-11"),
            ("s1", "2020-01-01", "2026-09-11"),
            ("s9", "2026-09-10", "2026-09-11"),
        )
    ]

    assert days == {
        "site": "s1",
        "revision": 1,
        "days": [
            {"day": "2026-09-10", "lessons": [[420, 455, ""], [460, 495, ""]], "exam": False, "why": ""},
            {"day": "2026-09-11", "lessons": [], "exam": False, "why": "bão"},
        ],
    }
    assert (by_time["line.internet"]["minutes"], by_time["line.internet"]["down_seconds"]) == (35, 35 * 60)
    assert refused == [400, 400, 400, 400, 404]


# ---- rooms -------------------------------------------------------------------------------------------------

DEVICES = [
    Seated("ap", "", "lan.router"),
    Seated("b1", "P1", "device.ap"),
    Seated("b2", "P2", "device.sw.port3"),
    Seated("sw", "P3", "lan.router"),
]


@pytest.mark.parametrize(
    ("signal", "rooms"),
    [
        ("line.internet", {"P1", "P2", "P3"}),
        ("lan.router", {"P1", "P2", "P3"}),
        ("device.b1", {"P1"}),
        ("device.ap", {"P1"}),
        ("device.sw.port3", {"P2", "P3"}),
        ("device.gone", set()),
        ("site.contact", set()),
    ],
)
def test_an_outage_reaches_the_rooms_behind_it(signal: str, rooms: set[str]) -> None:
    assert rooms_of(signal, ["P1", "P2", "P3"], DEVICES) == rooms
    assert affected(signal, 3, [], DEVICES) == Affected(3, None)
    assert affected(signal, 3, ["P1", "P2", "P3"], DEVICES).lesson_rooms == 3 * len(rooms)


# ---- agents and verdicts -----------------------------------------------------------------------------------


def test_each_sites_agent_is_told_its_own_week(web: Web) -> None:
    desk = web.desk
    desk.load("tinh", [week(FIRST, 90), closed(FIRST + 15), Rule("site", "s2", "exam", FIRST + 20, FIRST + 22)])
    desk.load("truong", [week(FIRST, 90, ("school", "s2"), (5,))])
    desk.revise()
    calendar = desk.ingest.asked.calendar
    minute = desk.now_ms // 60_000  # Thursday 24 September; Friday is closed

    with desk.engine.connect() as connection:
        found = of_agents(connection, "ab" * 8, lambda site: calendar.of_site(site).told(minute), day="2026-11-20")

    hours = {site: {one.weekday for one in config.lessons} for (site, _), config in found.items()}
    assert hours == {"s1": {0, 1, 2, 3}, "s2": {5}}
    assert found["s2", "gateway"].lessons == [Lesson(5, one.first, one.end) for one in MORNING]
    assert {site: config.exam_days for (site, _), config in found.items()} == {
        "s1": [],
        "s2": ["2026-09-30", "2026-10-01"],
    }


PLAN = """\
plan: p
document: {vi: a, en: a}
issuer: {vi: a, en: a}
targets:
  - target: T1
    name: {vi: a, en: a}
    clause: {vi: a, en: a}
    quote: {vi: a, en: a}
    unit: site
    share: 100%
    deadline: 2026-12-31
    conditions: [{indicator: line.internet.availability, at_least: enough}]
    assumptions:
      enough: {value: "95%", reason: {vi: a, en: a}, source: a}
      window_days: {value: 1, reason: {vi: a, en: a}, source: a}
      clock: {value: CLOCK, reason: {vi: a, en: a}, source: a}
      min_coverage: {value: "80%", reason: {vi: a, en: a}, source: a}
      off: {value: down, reason: {vi: a, en: a}, source: a}
      site_kinds: {value: [main], reason: {vi: a, en: a}, source: a}
"""


@pytest.mark.parametrize(("clock", "status"), [("lessons", ["met"]), ("always", ["unknown"])])
def test_a_verdict_on_lesson_time_asks_for_lessons_only(tmp_path: Path, clock: str, status: list[str]) -> None:
    desk, school = Desk(tmp_path, ["s1"], LessonHours()), BoardSchool("s1", signals=list(SIGNALS))
    path = tmp_path / "p.yaml"
    path.write_text(PLAN.replace("CLOCK", clock), encoding="utf-8")
    desk.load("tinh", [week(FIRST, 30)])
    desk.revise()
    # Up in the two lessons, down for an hour at noon, nothing known of the night.
    rows = [bytes([60, 60, 60])] * 80 + [bytes([0, 60, 60])] * 60
    desk.take(school.inventory_message(), school.report(school.rows(START + 418, rows)))
    desk.now_ms = (START + 1_440 + 7) * 60_000
    judge = Judge(
        desk.engine,
        desk.ingest.ledger,
        [plans.load_plan(path)],
        lambda: desk.now_ms,
        lambda: desk.ingest.asked.calendar,
    )

    judge.judge()

    assert [one.status for one in judge.verdicts] == status
    if clock == "lessons":
        assert judge.verdicts[0].units[0].reasons[0].vi == (
            "Internet của trường: thông 100% thời gian, đạt mức cần 95%; đo được 100% của giờ học trong 1 ngày"
        )
        judge.calendar = SchoolCalendar  # none at all
        judge.judge()
        assert [one.status for one in judge.verdicts] == ["unknown"]


# ---- a running server --------------------------------------------------------------------------------------


def test_a_running_server_notices_a_calendar_revises_the_past_and_tells_the_agent(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        today = day_of(now_ms() // 60_000)
        school = BoardSchool("s1", signals=list(SIGNALS))
        minute = now_ms() // 60_000 - 3
        it.publish(school.inventory_message(), school.presence())
        it.publish(school.report(school.rows(minute, [bytes([60, 0, 60]), bytes([60, 60, 60])])))
        assert it.beat(lambda: it.stored() == 1 and bool(it.configs))
        before = _outages(it.engine)

        all_day = Rule("province", "", "week", today - 2, today + 20, tuple(range(7)), (LessonTime(0, 1_440),))
        document = Document("tinh", frozenset([all_day]), ())
        calendar_rows.store(it.engine, document, "x", who="cli", why="", now_ms=now_ms())
        told = it.beat(lambda: any(len(config.lessons) == 7 for config in it.configs))
        revised = it.beat(lambda: _changes(it.engine)[0].revised_ms is not None)

        assert (told, revised) == (True, True)
        assert before == []
        assert _outages(it.engine) == [("device.b", minute, minute + 1, 60, 1)]
        assert [(one.sites, one.outages) for one in _changes(it.engine)] == [(1, 1)]


def _outages(engine: Engine) -> list[tuple[object, ...]]:
    table = schema.outage.c
    columns = (table.signal, table.first_minute, table.end_minute, table.down_seconds, table.lessons)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(select(*columns).where(table.signal != "site.contact"))]


def _changes(engine: Engine) -> list[calendar_rows.Change]:
    with engine.connect() as connection:
        return calendar_rows.read_changes(connection)


@pytest.mark.parametrize(
    ("language", "waiting", "revised", "rule"),
    [
        (
            "vi",
            "đang tính lại",
            "1 điểm trường có giờ học đã đo thay đổi, 2 đoạn gián đoạn đổi",
            "toàn tỉnh: thời khóa",
        ),
        ("en", "being found anew", "(sites: 1); outages changed: 2", "the province: timetable 10/09/2026"),
    ],
)
def test_the_calendars_page_says_what_was_changed_and_what_that_revised(
    web: Web, language: str, waiting: str, revised: str, rule: str
) -> None:
    empty = web.ask("GET", f"/calendar?lang={language}").text
    web.ask("PUT", "/api/v1/calendars/tinh?why=Q%C4%90%201%20%3Cb%3E", TEXT.encode())
    before = web.ask("GET", f"/calendar?lang={language}").text
    web.desk.revise()

    after = web.ask("GET", f"/calendar?lang={language}").text

    assert "tinh" not in empty
    assert waiting in before
    assert revised in after
    assert rule in after
    assert "QĐ 1 &lt;b&gt;" in after
