"""What of a comparison is asked for, and which rows in which order: the same for page, file and API."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Final, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from schoolbeat_server.comparisons import (
    PILOT,
    Asked,
    Comparison,
    Place,
    View,
    four_weeks_before,
    lately,
    school_year,
    year_of,
)
from schoolbeat_server.report_facts import Period, checked_period
from schoolbeat_server.tables import Table, filtered, ordered, row_text, search_words
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.table_answers import Format


class Wanted(BaseModel):
    """Of page and API."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    view: View = "isps"
    place: Place = Field("area", description="Of `periods`; the other views are of an area")
    id: str = Field(
        "", max_length=200, description="Of the place, or part of a school's name; absent: the whole province"
    )
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")
    first_before: date | None = Field(None, alias="from_before", description="The earlier period, of `periods`")
    last_before: date | None = Field(None, alias="to_before")
    year: int | None = Field(None, ge=2000, le=2100, description="Of `league`: the school year that begins in it")
    pilot: str = Field(PILOT, max_length=140, description="tag:WORD, or plan:PLAN/TARGET of a target with a filter")
    table: str = Field("", max_length=20)
    group: str = Field("", max_length=10, description="Only sites of that group, by its place in the first table")
    q: str = Field("", max_length=80, description="Words that must all stand in a row; accents do not matter")
    sort: str = Field("", max_length=30, description="A column's key")
    order: Literal["asc", "desc"] = "asc"


class PageWanted(Wanted):
    page: int = Field(1, ge=1, le=10_000)
    format: Format | None = None
    lang: Literal["vi", "en"] | None = None


def asked_of(wanted: Wanted, ident: str, today: date, now_ms: int) -> Asked:
    """With what is usual for whatever was not said. Raises Refused."""
    view = wanted.view
    period = _period(wanted, today, now_ms)
    if view == "periods":
        earlier = four_weeks_before(period)
        first, last = wanted.first_before or earlier.first, wanted.last_before or earlier.last
        return Asked(view, wanted.place, ident, period, checked_period(first, last, now_ms))
    return Asked(view, "area", ident, period, None, wanted.pilot if view == "pilot" else "")


def _period(wanted: Wanted, today: date, now_ms: int) -> Period:
    if wanted.view == "league" and (wanted.year is not None or wanted.first is None):
        return school_year(year_of(today) if wanted.year is None else wanted.year, today)
    usual = lately(today, 7 if wanted.view == "periods" else 30)
    last = wanted.last or usual.last
    first = wanted.first or last - timedelta((usual.last - usual.first).days)
    return checked_period(first, last, now_ms)


SUMMARY: Final = "groups"  # the table of a few rows that stands above the one that is chosen


def choose(comparison: Comparison, wanted: Wanted, say: Speaker) -> Table:
    """All rows that are asked for, in their order. Raises HTTPException that names what is not there."""
    name = wanted.table or next(one for one in comparison.tables if one != SUMMARY)
    if name not in comparison.tables:
        raise HTTPException(400, say.t("compare.no_table", id=name, allowed=", ".join(comparison.tables)))
    keys = [column.key for column in comparison.tables[name].columns]
    if wanted.sort and wanted.sort not in keys:
        raise HTTPException(400, say.t("error.no_column", id=wanted.sort, allowed=", ".join(keys)))

    def arranged() -> tuple[Table, list[str]]:
        table = comparison.tables[name]
        if wanted.sort:
            table = ordered(table, wanted.sort, descending=wanted.order == "desc", language=say.language)
        return table, [row_text(row, table.columns, say.language) for row in table.rows]

    table, texts = comparison.once((name, wanted.sort, wanted.order, say.language), arranged)
    words = search_words(wanted.q)
    if words:
        table = _at(table, [at for at, text in enumerate(texts) if all(word in text for word in words)])
    if wanted.group and "group" in keys:
        if wanted.group not in comparison.groups:
            raise HTTPException(400, say.t("compare.no_group", id=wanted.group, allowed=", ".join(comparison.groups)))
        table = filtered(table, "group", [comparison.groups[wanted.group]])
    return table


def _at(table: Table, places: list[int]) -> Table:
    links = tuple(table.links[at] for at in places) if table.links else ()
    return Table(table.name, table.title, table.columns, tuple(table.rows[at] for at in places), links, table.note)


WantedAsked = Annotated[Wanted, Query()]
PageAsked = Annotated[PageWanted, Query()]
