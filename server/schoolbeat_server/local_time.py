"""Times and lengths of time as people in Viet Nam read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

# Viet Nam has kept UTC+7 without summer time since 1975, so no time zone database is needed.
LOCAL = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
_UNITS = ((86_400, "ngày", "d"), (3_600, "giờ", "h"), (60, "phút", "min"), (1, "giây", "s"))


def local(ms: int) -> datetime:
    """The local date and time of milliseconds since 1970 UTC."""
    return datetime.fromtimestamp(ms / 1000, LOCAL)


def clock_and_day(ms: int, language: str) -> str:
    """'08:15:32 ngày 21/11/2026', '08:15:32 on 21 Nov 2026'."""
    at = local(ms)
    if language == "vi":
        return at.strftime("%H:%M:%S ngày %d/%m/%Y")
    return f"{at:%H:%M:%S} on {at.day} {_MONTHS[at.month - 1]} {at.year}"


_MONTHS = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)  # not the process's locale


def lasting(seconds: int, language: str) -> str:
    """The two largest units: '2 giờ 5 phút', '2 h 5 min'; a length under a second is '0 giây'."""
    seconds = max(0, seconds)
    column = 1 if language == "vi" else 2
    for index, unit in enumerate(_UNITS):
        size = unit[0]
        if seconds >= size or size == 1:
            parts = [f"{seconds // size} {unit[column]}"]
            if index + 1 < len(_UNITS):
                smaller = _UNITS[index + 1]
                rest = seconds % size // smaller[0]
                parts += [f"{rest} {smaller[column]}"] if rest else []
            return " ".join(parts)
    raise AssertionError("unreachable: seconds always fit the smallest unit")
