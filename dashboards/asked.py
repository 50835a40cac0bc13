"""Questions that several dashboards ask in the same way: availability from day sums, states, outages."""

from __future__ import annotations

from typing import Final

from dashboards.look import CAUSE, COUNT, ENDED, LENGTH, READY, SHARE
from dashboards.panels import SITE_PAGE, Panel
from dashboards.queries import PLACE, How, Of, Only, Over, Per, Query, Rows, Share, Where, is_
from schoolbeat_server.said import Said

INTERNET: Final = is_("signal", "line.internet")
EDGE: Final = is_("signal", "line.isp")
MAINS: Final = is_("signal", "power.mains")
ALWAYS: Final = is_("clock", "always")
LESSONS: Final = is_("clock", "lessons")

AROUND_THE_CLOCK: Final = Said("Cả ngày đêm", "Around the clock")
IN_LESSONS: Final = Said("Giờ học", "In lessons")
NOT_KNOWN: Final = Said("Chưa biết", "Unknown")
TIME_DOWN: Final = Said("Thời gian mất", "Time down")

PARTS: Final = ("up_seconds", "down_seconds")
ALL: Final = (*PARTS, "off_seconds", "unknown_seconds")
HOW: Final = Said(
    "Khả dụng = thời gian thông ÷ (thông + mất), cộng từ tổng ngày mà máy chủ đã tính cho trang và báo cáo; thời gian "
    "chưa biết không tính vào bên nào và được nêu riêng. Nơi chưa từng báo cáo không có tổng ngày nào.",
    "Availability = up ÷ (up + down), over the day sums that the server calculated for its pages and reports; time "
    "unknown is on neither side and stands apart. Who never reported has no day's sums.",
)


def available(name: Said, *where: Where, by: tuple[str, ...] = (), per: Per = "month", place: bool = True) -> Query:
    return Query(name, "schoolbeat_day", Share(("up_seconds",), PARTS), by, (*(PLACE if place else ()), *where), per)


def unknown_share(*where: Where, by: tuple[str, ...] = (), per: Per = "month", name: Said = NOT_KNOWN) -> Query:
    """Of all seconds; off counts as known: the agent is known to have been off."""
    return Query(name, "schoolbeat_day", Share(("unknown_seconds",), ALL), by, (*PLACE, *where), per)


def down_seconds(*where: Where, by: tuple[str, ...] = (), per: Per = "month", name: Said = TIME_DOWN) -> Query:
    return Query(name, "schoolbeat_day", Of("down_seconds", "sum"), by, (*PLACE, *where), per)


def reading(name: Said, field: str, how: How, *where: Where, by: tuple[str, ...] = (), per: Per = "interval") -> Query:
    return Query(name, "schoolbeat_reading", Of(field, how), by, (*PLACE, *where), per)


def sites(
    name: Said, state: int | None = None, by: tuple[str, ...] = (), where: tuple[Where, ...] = (), per: Per = "now"
) -> Query:
    """How many there are; in the state, where one is given."""
    only = None if state is None else Only("state", "=", state)
    return Query(name, "schoolbeat_site", Over("state", "last", "count", ("site",)), by, (*PLACE, *where), per, only)


def internet_by_day(about: Said) -> Panel:
    """On both clocks, and the share of time unknown."""
    return Panel(
        "daily",
        Said("Có Internet theo ngày", "Internet by day"),
        about,
        (
            available(AROUND_THE_CLOCK, INTERNET, ALWAYS, per="day"),
            available(IN_LESSONS, INTERNET, LESSONS, per="day"),
            unknown_share(INTERNET, ALWAYS, per="day"),
        ),
        (SHARE,),
        step="1d",
    )


def rooms_now(title: Said, about: Said, *where: Where) -> Panel:
    by = ("site", "label", "kind", "level")
    fields = (
        (Said("Sẵn sàng", "Ready"), "ready"),
        (Said("Cần", "Needed"), "needed"),
        (Said("Đang trả lời", "Answering"), "answering"),
    )
    return Panel(
        "table",
        title,
        about,
        tuple(Query(name, "schoolbeat_room", Of(field, "last"), by, (*PLACE, *where), "now") for name, field in fields),
        (READY, COUNT, COUNT),
        16,
        links=(SITE_PAGE,),
        sort=("Ready", False),
        step="5m",
    )


def outages(title: Said, about: Said, by: tuple[str, ...], *where: Where, width: int = 24) -> Panel:
    fields = (
        ("end_seconds", Said("Kết thúc", "Ended"), 1000),
        ("down_seconds", Said("Tổng thời gian mất", "Time down"), 1),
        ("cause", Said("Nguyên nhân", "Cause"), 1),
        ("lessons", Said("Tiết học bị ảnh hưởng", "Lessons affected"), 1),
    )
    rows = Rows("schoolbeat_outage", fields, by, (*PLACE, *where), Only("down_seconds", ">", 0))
    return Panel(
        "table",
        title,
        about,
        (rows,),
        (ENDED, LENGTH, CAUSE, COUNT),
        width,
        10,
        links=(SITE_PAGE,),
        sort=("Began", True),
    )
