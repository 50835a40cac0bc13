"""The list of boards that nobody switched on in lesson time for a month, and of those of which it is not known."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from sqlalchemy import Connection

from schoolbeat_server import register
from schoolbeat_server.kept_days import read_days
from schoolbeat_server.reading_indicators import COUNTERS, MADE_MINUTES, Days, use_of
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_of
from schoolbeat_server.tables import Cell, Column, Table
from schoolbeat_wire.catalogue import device_kind

DAYS: Final = 30
KINDS: Final = ("board",)
KNOWN: Final = Fraction(4, 5)  # of the hours with lessons; below it a board that was never seen on is not known

_COLUMNS: Final = (
    Column("school", Said("Trường", "School")),
    Column("site", Said("Điểm trường", "Site")),
    Column("room", Said("Phòng", "Room")),
    Column("device", Said("Thiết bị", "Device")),
    Column("kind", Said("Loại", "Kind")),
    Column("status", Said("Trong giờ học", "In lesson time")),
    Column("hours", Said("Giờ có tiết đã biết", "Hours with lessons known"), "count"),
    Column("all_hours", Said("Giờ có tiết trong kỳ", "Hours with lessons in the period"), "count"),
)
_NEVER: Final = Said("không bật lần nào", "never switched on")
_NOT_KNOWN: Final = Said("chưa biết: máy không báo đủ", "not known: it does not say enough")


def never_used(
    connection: Connection,
    calendar: SchoolCalendar,
    end_minute: int,
    *,
    days: int = DAYS,
    kinds: tuple[str, ...] = KINDS,
) -> Table:
    """Of the whole days before `end_minute` that have been over long enough, the newest so many. Never switched on come
    first, then those of which it is not known."""
    end = day_of(end_minute - MADE_MINUTES)
    span = Days(end - days, end)
    devices = [one for one in register.read_devices(connection) if one.kind in kinds]
    wanted = {
        site: {(one.signal, reading) for one in devices if one.site == site for reading in ("power_state", *COUNTERS)}
        for site in sorted({one.site for one in devices})
    }
    told = read_days(connection, wanted, *span, calendar)
    province = register.read_province(connection)
    rooms = {room.id: room.name for room in register.read_rooms(connection)}
    rows: list[tuple[tuple[Cell, ...], str]] = []
    for device in devices:
        use = use_of(told[device.site], span, device, KNOWN)
        if use.used:
            continue
        site = province.sites[device.site]
        row = (
            province.schools[site.school].name,
            site.name,
            rooms.get(device.room or "", ""),
            device.name or device.id,
            Said(device_kind(device.kind).vi, device_kind(device.kind).en),
            _NEVER if use.used is False else _NOT_KNOWN,
            use.hours,
            use.all_hours,
        )
        rows.append((row, f"/site/{device.site}"))
    rows.sort(key=lambda one: (one[0][5] is not _NEVER, *map(str, one[0][:4])))
    first, last = date_of(span.first), date_of(span.end - 1)
    return Table(
        "never-used",
        Said(f"Thiết bị không dùng trong {days} ngày", f"Not used for {days} days"),
        _COLUMNS,
        tuple(row for row, _ in rows),
        tuple(link for _, link in rows),
        Said(
            f"Từ {first:%d/%m/%Y} đến {last:%d/%m/%Y}. Theo nguồn điện hoặc đồng hồ giờ chạy mà thiết bị tự báo;"
            " biết dưới bốn phần năm số giờ có tiết thì ghi là chưa biết.",
            f"From {first} to {last}. By the power state or counter of hours that the device itself tells; with less"
            " than four fifths of the hours with lessons known it is not known.",
        ),
    )
