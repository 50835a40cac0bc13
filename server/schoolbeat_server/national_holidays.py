"""Viet Nam's public holidays, by the package `holidays`: what a calendar takes over when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date


def days_off(first: date, last: date) -> dict[date, str]:
    """The days off from first to last, with Tết, days in lieu and swapped days, each with its Vietnamese name."""
    found = _of_years(range(first.year, last.year + 1))
    return {day: name for day, name in sorted(found.items()) if first <= day <= last}


def _of_years(years: Iterable[int]) -> dict[date, str]:
    import holidays  # 0.1 s and some MiB, for those who load a calendar only

    return dict(holidays.country_holidays("VN", years=years, language="vi").items())
