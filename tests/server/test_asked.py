"""What matters in lessons only makes no outage at night, and its minutes are kept all the same."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from schoolbeat_server import schema
from schoolbeat_server.asked import Asked, clock_of, masked
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.outage_rows import OutageRows
from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_wire import hours
from schoolbeat_wire.catalogue import OFF, UNKNOWN
from schoolbeat_wire.inventory import Device, Inventory

MONDAY = 29459100  # 2026-01-05 00:00 in Viet Nam, in minutes since 1970 UTC
MORNING = LessonHours((hours.parse("2 07:00-11:30"),))
INVENTORY = Inventory(
    "ab" * 6,
    ["device.b", "device.c", "wifi.hoc-sinh"],
    devices=[
        Device("b", kind="board"),
        Device("c", kind="camera"),
    ],
)


def test_a_device_matters_by_its_kind_and_a_seat_in_lessons() -> None:
    asked = [clock_of("device.x", kind) for kind in ("board", "camera", "", "spaceship")]

    assert asked == ["lessons", "always", "always", "always"]
    assert (clock_of("wifi.hoc-sinh"), clock_of("line.internet")) == ("lessons", "always")


def test_outside_lessons_only_a_minute_fully_up_says_something() -> None:
    start = MONDAY + 7 * 60 - 3

    found = masked(bytes([0, 60, OFF, 0, 59, 60]), Asked(MORNING).calendar.of_site("s").minutes(start, start + 6))

    assert found == bytes([UNKNOWN, 60, OFF, 0, 59, 60])
    assert masked(bytes([0, 60]), bytes(2)) == bytes([UNKNOWN, 60])


def outages_of(folder: Path, lessons: LessonHours, start: int, data: bytes, live: bool) -> list[tuple[object, ...]]:
    engine = open_database(folder / "x.db")
    asked = Asked(lessons)
    asked.learn("s", INVENTORY)
    ledger = Ledger(engine)
    rows = OutageRows(ledger, asked)
    minutes = list(range(start, start + len(data) // 3))
    with writing(engine) as connection:
        pieces = [minutes[at : at + 1] for at in range(len(minutes))] if live else [minutes]
        for piece in pieces:
            at = (piece[0] - start) * 3
            part = data[at : at + 3 * len(piece)]
            ledger.merge("s", "gateway", "ab" * 6, INVENTORY.signals, piece, part)
            rows.follow(connection, "s", INVENTORY.signals, piece, part, newest=True)
        rows.flush(connection)
        table = schema.outage.c
        columns = (table.signal, table.first_minute, table.last_minute, table.end_minute, table.down_seconds)
        found = [tuple(row) for row in connection.execute(select(*columns).order_by(table.signal, table.first_minute))]
    assert ledger.read(engine.connect(), "s", ["device.b"], start, start + 1)["device.b"] == data[:1]
    return found


def test_a_board_switched_off_at_night_is_no_outage_and_a_camera_is(tmp_path: Path) -> None:
    start = MONDAY + 7 * 60 - 2  # two minutes of the night, then three of the lesson
    data = bytes([0, 0, 0] * 2 + [0, 60, 0] * 2 + [60, 60, 60])
    for name, live in (("live", True), ("late", False)):
        folder = tmp_path / name
        folder.mkdir()

        found = outages_of(folder, MORNING, start, data, live)

        assert found == [
            ("device.b", start + 2, start + 3, start + 4, 120),
            ("device.c", start, start + 1, start + 2, 120),
            ("wifi.hoc-sinh", start + 2, start + 3, start + 4, 120),
        ]


def test_without_a_timetable_nothing_is_asked_for_in_lessons(tmp_path: Path) -> None:
    found = outages_of(tmp_path, LessonHours(), MONDAY + 480, bytes([0, 0, 0] * 3), live=True)

    assert found == [("device.c", MONDAY + 480, MONDAY + 482, None, 180)]


def test_the_register_goes_before_what_an_agent_says() -> None:
    asked = Asked(MORNING)
    asked.learn("s", INVENTORY)
    before = [asked.matters_always("s", f"device.{one}") for one in "bc"]

    asked.use_register({"s": {"device.b": "camera"}})
    asked.use_site("s", {"device.c": "board"})

    assert before == [False, True]
    assert [asked.matters_always("s", f"device.{one}") for one in "bc"] == [True, False]
