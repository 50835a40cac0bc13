"""A calendar that comes late, in parts or corrected leaves what one leaves that was there from the start."""

from __future__ import annotations

import tempfile
from datetime import date
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, update
from tests.server.school import School, register

from schoolbeat_server import calendar_default, calendar_rows, schema
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.calendar_revision import CalendarRevision
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import LessonHours, LessonTime, Rule, day_number, first_minute_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.messages import Lesson

FIRST = day_number(date(2026, 9, 10))  # a Thursday
START = first_minute_of(FIRST)
SIGNALS = ["line.internet", "device.b", "device.c"]
MORNING = (LessonTime(420, 455), LessonTime(460, 495))


class BoardSchool(School):
    """Its board matters in lessons, its camera always."""

    def __post_init__(self) -> None:
        devices = [inventories.Device("b", kind="board"), inventories.Device("c", kind="camera")]
        self.inventory = inventories.with_revision(
            inventories.Inventory(
                "",
                self.signals,
                columns=[
                    inventories.Column("rtt_ms", ["lan.router"]),
                    inventories.Column("download_bps", ["line.internet"]),
                ],
                probes=["path"],
                devices=devices,
            )
        )


class Desk:
    """A server's ingest with its calendar; `now` is two weeks after the first day."""

    def __init__(self, folder: Path, sites: list[str], default: LessonHours = LessonHours()) -> None:  # noqa: B008
        self.engine: Engine = open_database(folder / "x.db")
        register(self.engine, sites)
        self.now_ms = first_minute_of(FIRST + 14) * 60_000
        self.ingest = Ingest(self.engine, "ab" * 8, ContactBook(0), lambda: self.now_ms, default)
        self.ingest.load()
        self.revision = CalendarRevision(self.ingest)

    def take(self, *messages: object) -> None:
        self.ingest.commit(list(messages), lambda batch: None)  # type: ignore[arg-type]

    def load(self, name: str, rules: list[Rule]) -> calendar_rows.Loaded:
        document = Document(name, frozenset(rules), ())
        return calendar_rows.store(self.engine, document, "x.yaml", who="test", why="vì thử", now_ms=self.now_ms)

    def revise(self) -> None:
        self.revision.look()
        while self.revision.busy:
            self.revision.step()
            self.revision.look()

    def outages(self) -> list[tuple[object, ...]]:
        table = schema.outage
        columns = [one for one in table.c if one.name != "id"]
        with self.engine.connect() as connection:
            return sorted((tuple(row) for row in connection.execute(select(*columns))), key=str)

    def changes(self) -> list[calendar_rows.Change]:
        with self.engine.connect() as connection:
            return calendar_rows.read_changes(connection)


def week(
    first: int, days: int, place: tuple[str, str] = ("province", ""), weekdays: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> Rule:
    return Rule(place[0], place[1], "week", first, first + days, weekdays, MORNING)  # type: ignore[arg-type]


def closed(day: int, days: int = 1, place: tuple[str, str] = ("province", "")) -> Rule:
    return Rule(place[0], place[1], "closed", day, day + days, why="bão")  # type: ignore[arg-type]


DOCUMENTS = st.dictionaries(
    st.sampled_from(["tinh", "truong", "diem"]),
    st.lists(
        st.builds(
            lambda kind, place, first, days: (week if kind else closed)(FIRST + first, days, place),
            st.booleans(),
            st.sampled_from([("province", ""), ("area", "p"), ("school", "s1"), ("site", "s2")]),
            st.integers(-2, 5),
            st.integers(1, 4),
        ),
        max_size=3,
        unique=True,
    ),
)


@st.composite
def some_minutes(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Stretches of minutes near the lessons' edges, with rows for the three signals."""
    code = st.sampled_from([60, 60, 60, 0, 30, 255])
    out: dict[int, bytes] = {}
    for _ in range(draw(st.integers(1, 5))):
        at = START + 1_440 * draw(st.integers(0, 4)) + draw(st.sampled_from([415, 450, 457, 493, 700]))
        for step in range(draw(st.integers(1, 8))):
            out[at + step] = bytes(draw(st.tuples(code, code, code)))
    return sorted(out.items())


@settings(max_examples=40, deadline=None)
@given(DOCUMENTS, DOCUMENTS, some_minutes(), some_minutes(), st.booleans(), st.randoms())
def test_the_order_of_calendar_and_data_does_not_matter(
    earlier: dict[str, list[Rule]],
    last: dict[str, list[Rule]],
    one: list[tuple[int, bytes]],
    two: list[tuple[int, bytes]],
    with_default: bool,
    random: object,
) -> None:
    default = LessonHours((Lesson(3, 400, 470), Lesson(4, 450, 500))) if with_default else LessonHours()
    final = {name: last.get(name, []) for name in (*earlier, *last)}
    sites = {"s1": one, "s2": two}
    with tempfile.TemporaryDirectory() as a, tempfile.TemporaryDirectory() as b:
        first, late = Desk(Path(a), list(sites), default), Desk(Path(b), list(sites), default)
        for name, rules in final.items():
            first.load(name, rules)
        first.revise()
        for name, rules in earlier.items():
            late.load(name, rules)
        late.revise()
        reports = []
        for desk in (first, late):
            for site, rows in sites.items():
                school = BoardSchool(site, signals=list(SIGNALS))
                messages = [school.report(school.rows(at, [row])) for at, row in rows]
                if desk is first:
                    desk.take(school.inventory_message(), *messages)
                else:
                    random.shuffle(messages)  # type: ignore[attr-defined]
                    desk.take(school.inventory_message())
                    reports += messages
        half = len(reports) // 2
        for message in reports[:half]:
            late.take(message)
        for name, rules in last.items():
            late.load(name, rules)
        if half % 2:
            late.revise()
        for message in reports[half:]:
            late.take(message)
        for name in earlier.keys() - last.keys():
            late.load(name, [])
        late.revise()
        remembered = {site: found for site, found in late.ingest.outages.open.items() if found}
        late.ingest.load()

        assert late.outages() == first.outages()
        assert remembered == late.ingest.outages.open
        first.engine.dispose()
        late.engine.dispose()


def test_a_storm_closure_told_a_day_later_takes_the_boards_outage_back_and_says_so(tmp_path: Path) -> None:
    desk, school = Desk(tmp_path, ["s1", "s2"]), BoardSchool("s1", signals=list(SIGNALS))
    desk.load("tinh", [week(FIRST, 30)])
    desk.revise()
    rows = [bytes([0, 0, 60])] * 50 + [bytes([60, 60, 60])]
    desk.take(school.inventory_message(), school.report(school.rows(START + 420, rows)))
    before = desk.outages()

    loaded = desk.load("tinh", [week(FIRST, 30), closed(FIRST)])
    told_at_once = desk.changes()[0]
    desk.revise()

    assert before == [
        ("s1", "device.b", START + 420, START + 469, START + 470, 45 * 60, "device.b", 2),
        ("s1", "line.internet", START + 420, START + 469, START + 470, 50 * 60, "unknown", 2),
    ]
    assert desk.outages() == [("s1", "line.internet", START + 420, START + 469, START + 470, 50 * 60, "unknown", 0)]
    assert (loaded.added, loaded.removed, loaded.kept) == ((closed(FIRST),), (), 1)
    assert told_at_once.revised_ms is None
    assert desk.changes()[0] == calendar_rows.Change(
        2, desk.now_ms, "test", "tinh", "vì thử", "2026-09-10", "2026-09-11", 1, 0, desk.now_ms, 1, 2
    )


def test_loading_the_same_again_is_no_change_and_nothing_is_overwritten(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ["s1"])
    desk.load("tinh", [week(FIRST, 30)])
    again = desk.load("tinh", [week(FIRST, 30)])
    desk.load("tinh", [week(FIRST, 20)])
    desk.load("tinh", [])

    with desk.engine.connect() as connection:
        then = [calendar_rows.read_rules(connection, change) for change in (0, 1, 2, 3)]
        rows = connection.execute(select(schema.calendar_rule.c.added, schema.calendar_rule.c.removed)).all()

    assert (again.change, again.kept) == (None, 1)
    assert then == [{}, {"tinh": [week(FIRST, 30)]}, {"tinh": [week(FIRST, 20)]}, {}]
    assert [tuple(row) for row in rows] == [(1, 2), (2, 3)]


def test_a_restart_in_the_middle_goes_on_to_the_same_end(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ["s1", "s2"])
    for site in ("s1", "s2"):
        school = BoardSchool(site, signals=list(SIGNALS))
        messages = [
            school.report(school.rows(START + 430 + 1_440 * day, [bytes([60, 0, 60])])) for day in range(0, 14, 2)
        ]
        desk.take(school.inventory_message(), *messages)
    desk.load("tinh", [week(FIRST, 30)])
    desk.revision.look()
    desk.revision.step()
    half = len(desk.outages())

    restarted = Ingest(desk.engine, "ab" * 8, ContactBook(0), lambda: desk.now_ms)
    restarted.load()
    desk.ingest, desk.revision = restarted, CalendarRevision(restarted)
    desk.revise()

    boards = [row[:3] for row in desk.outages() if row[1] == "device.b"]
    assert half == 1
    # One outage each: no minute fully up lies between the days.
    assert boards == [(site, "device.b", START + 430) for site in ("s1", "s2")]
    assert [change.revised_ms for change in desk.changes()] == [desk.now_ms]


def test_a_board_that_is_there_no_more_is_still_asked_for_in_lessons_only(tmp_path: Path) -> None:
    desk, school = Desk(tmp_path, ["s1"]), BoardSchool("s1", signals=list(SIGNALS))
    desk.load("tinh", [week(FIRST, 1)])
    desk.revise()
    rows = [bytes([60, 0, 60])] * 50 + [bytes([60, 60, 60])]
    desk.take(school.inventory_message(), school.report(school.rows(START + 400, rows)))
    later = BoardSchool("s1", signals=["line.internet", "device.c"], seq=school.seq)
    later.inventory = inventories.with_revision(
        inventories.Inventory(
            "",
            later.signals,
            columns=later.inventory.columns,
            probes=["path"],
            devices=[inventories.Device("c", kind="camera")],
        )
    )
    desk.take(later.inventory_message(), later.report(later.rows(START + 600, [bytes([60, 60])])))
    restarted = Ingest(desk.engine, "ab" * 8, ContactBook(0), lambda: desk.now_ms)
    restarted.load()
    desk.ingest, desk.revision = restarted, CalendarRevision(restarted)

    desk.load("tinh", [Rule("province", "", "week", FIRST, FIRST + 1, tuple(range(7)), (LessonTime(430, 440),))])
    desk.revise()

    assert desk.outages() == [("s1", "device.b", START + 430, START + 439, START + 450, 600, "device.b", 1)]


def board_down_all_morning(desk: Desk, *sites: str) -> None:
    """On the first day and on the thirteenth after it."""
    for site in sites:
        school = BoardSchool(site, signals=list(SIGNALS))
        mornings = [
            school.report(school.rows(START + day * 1_440 + 415, [bytes([60, 0, 60])] * 60 + [bytes([60] * 3)] * 30))
            for day in (0, 13)
        ]
        desk.take(school.inventory_message(), *mornings)


def of_board(desk: Desk) -> list[tuple[object, ...]]:
    """(site, day, down seconds)"""
    columns = [column.name for column in schema.outage.c if column.name != "id"]
    rows = [dict(zip(columns, row, strict=True)) for row in desk.outages()]
    return [(row["site"], (row["first_minute"] - START) // 1_440, row["down_seconds"]) for row in rows]  # type: ignore[operator]


def days_shown(desk: Desk, site: str) -> list[int]:
    """Minutes of lessons on the first day, yesterday, today and tomorrow."""
    calendar = desk.ingest.asked.calendar.of_site(site)
    return [calendar.minutes(START + day * 1_440, START + (day + 1) * 1_440).count(1) for day in (0, 13, 14, 15)]


def test_a_site_that_the_register_moves_follows_its_new_school_from_that_day_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ["s1", "s2"])
    desk.load("truong", [week(FIRST, 30, ("school", "s1"), tuple(range(7)))])
    board_down_all_morning(desk, "s1", "s2")
    desk.revise()
    before = of_board(desk)
    with writing(desk.engine) as connection:
        connection.execute(update(schema.site).where(schema.site.c.id == "s2").values(school="s1"))

    desk.revise()

    assert of_board(desk) == before == [("s1", 0, 3_000), ("s1", 13, 3_000)]
    assert days_shown(desk, "s1") == [70, 70, 70, 70]
    assert days_shown(desk, "s2") == [0, 0, 70, 70]
    newest = desk.changes()[0]
    assert (newest.document, newest.why, newest.first_day) == ("@register", "s2: s2 (p) → s1 (p)", "2026-09-24")
    assert (newest.added, newest.removed, newest.sites, newest.revised_ms) == (1, 0, 1, desk.now_ms)


def test_a_move_with_its_day_in_the_past_revises_what_was_measured_since(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ["s1", "s2"])
    with writing(desk.engine) as connection:
        connection.execute(schema.area.insert(), [{"id": "x", "name": "Xã X", "kind": "commune", "parent": "p"}])
    desk.load("xa", [week(FIRST, 30, ("area", "x"), tuple(range(7)))])
    board_down_all_morning(desk, "s1", "s2")
    desk.revise()
    assert of_board(desk) == []

    with writing(desk.engine) as connection:
        rows = [("p", "0001-01-01", "2026-09-20"), ("x", "2026-09-20", "9999-12-31")]
        told = [{"school": "s2", "area": area, "valid_from": one, "valid_to": end} for area, one, end in rows]
        connection.execute(schema.school_area.insert(), told)
    desk.revise()

    assert of_board(desk) == [("s2", 13, 3_000)]
    assert days_shown(desk, "s2") == [0, 70, 70, 70]
    assert days_shown(desk, "s1") == [0, 0, 0, 0]
    assert [(one.document, one.sites, one.outages) for one in desk.changes()] == [("@register", 1, 1), ("xa", 0, 0)]
    again = Desk.__new__(Desk)
    again.engine, again.now_ms = desk.engine, desk.now_ms
    again.ingest = Ingest(desk.engine, "ab" * 8, ContactBook(0), lambda: desk.now_ms)
    again.ingest.load()
    again.revision = CalendarRevision(again.ingest)
    again.revise()
    assert (days_shown(again, "s2"), len(again.changes())) == ([0, 70, 70, 70], 2)


def test_another_week_in_the_settings_holds_from_the_day_it_is_read(tmp_path: Path) -> None:
    morning, later = (LessonHours(tuple(Lesson(day, *hours) for day in range(7))) for hours in ((420, 490), (600, 610)))
    desk = Desk(tmp_path, ["s1"])
    calendar_default.keep(desk.engine, morning, START * 60_000)  # before anything was measured: it was always so
    desk.revise()
    board_down_all_morning(desk, "s1")
    before = of_board(desk)

    calendar_default.keep(desk.engine, later, desk.now_ms)
    desk.revise()

    assert of_board(desk) == before == [("s1", 0, 3_300), ("s1", 13, 3_300)]
    assert days_shown(desk, "s1") == [70, 70, 10, 10]
    calendar_default.keep(desk.engine, later, desk.now_ms)
    calendar_default.keep(desk.engine, LessonHours(), desk.now_ms + 86_400_000)
    desk.revise()
    assert days_shown(desk, "s1") == [70, 70, 10, 0]
    assert [(one.document, one.first_day, one.added, one.removed) for one in desk.changes()] == [
        ("@settings", "2026-09-25", 7, 7),
        ("@settings", "2026-09-24", 14, 7),
        ("@settings", "1970-01-01", 7, 0),
    ]
    desk.load("tinh", [week(FIRST + 10, 30)])
    desk.revise()
    assert days_shown(desk, "s1")[0] == 70  # a calendar's first day ends it, as ever


def test_a_first_week_in_the_settings_after_months_of_measuring_is_none_of_the_past(tmp_path: Path) -> None:
    desk = Desk(tmp_path, ["s1"])
    board_down_all_morning(desk, "s1")

    calendar_default.keep(desk.engine, LessonHours(tuple(Lesson(day, 420, 490) for day in range(7))), desk.now_ms)
    desk.revise()

    assert of_board(desk) == []
    assert days_shown(desk, "s1") == [0, 0, 70, 70]
