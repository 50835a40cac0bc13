"""Which of a target's units are asked for, in which order: the same for page, file and API."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from schoolbeat_server import register_columns
from schoolbeat_server.plan_tables import Where, WhereOf, signal_of, unit_cells, unit_columns, units_table
from schoolbeat_server.register_areas import Boundaries
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_of
from schoolbeat_server.tables import Table, row_text, search_words, worth
from schoolbeat_server.verdicts import UnitVerdict, Verdict
from schoolbeat_server.web.plan_book import PlanBook, Seen
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.table_answers import Format

List = Literal["exceptions", "unknown", "met", "all"]
LISTS: tuple[List, ...] = ("exceptions", "unknown", "met", "all")
MOST_DAYS = 31  # of minutes that one page lists


class Wanted(BaseModel):
    """What page, file and API may be asked of a target's units."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)

    which: List = Field("exceptions", alias="list", description="exceptions: missed, and who never reported")
    area: str = Field("", max_length=60, description="An area's id; with all under it")
    isp: str = Field("", max_length=60)
    q: str = Field("", max_length=80, description="Words that must all stand in a row; accents do not matter")
    sort: str = Field("", max_length=20, description="A column's key; absent: who is to be looked at first")
    order: Literal["asc", "desc"] = "asc"
    on: date | None = Field(None, description="The day whose boundaries count; absent: the plan's own")


class PageWanted(Wanted):
    """And of the page."""

    page: int = Field(1, ge=1, le=10_000)
    by: Literal["area", "over", "isp", "manager", "level"] = "area"
    then: date | None = None
    format: Format | None = None
    table: Literal["units", "groups", "sides", "history", "changes"] = "units"
    lang: Literal["vi", "en"] | None = None


def found_verdict(book: PlanBook, plan: str, target: str) -> tuple[Seen, Verdict] | None:
    seen = book.seen()
    verdict = seen.targets.get((plan, target))
    return None if verdict is None else (seen, verdict)


def last_day(verdict: Verdict) -> date:
    """Of its window."""
    return date_of(day_of(verdict.window.end_minute - 1))


def limits_of(seen: Seen, verdict: Verdict, on: date | None) -> Boundaries:
    return seen.boundaries((on or verdict.plan.boundaries or last_day(verdict)).isoformat())


class Chosen(NamedTuple):
    """units: those of the list, within area and ISP, in the verdict's order. areas: id -> name of all that hold any."""

    units: list[UnitVerdict]
    areas: dict[str, str]
    isps: list[str]
    where: WhereOf
    limits: Boundaries
    lies_within: Callable[[UnitVerdict], bool]


def choose(seen: Seen, verdict: Verdict, wanted: Wanted, say: Speaker) -> Chosen:
    """Raises HTTPException that names what is not there."""
    limits = limits_of(seen, verdict, wanted.on)
    where = seen.where(limits)
    within = _within(limits, wanted.area, say) if wanted.area else None
    isps = sorted(set(seen.isps.values()))
    if wanted.isp and wanted.isp not in isps:
        raise HTTPException(400, say.t("error.no_isp", id=wanted.isp))
    if wanted.sort and wanted.sort not in _keys(verdict):
        raise HTTPException(400, say.t("error.no_column", id=wanted.sort, allowed=", ".join(_keys(verdict))))

    def lies_within(unit: UnitVerdict) -> bool:
        return _lies(where(unit), within, wanted.isp)

    target = (verdict.plan.id, verdict.target.id)
    units = seen.once((*target, "list", wanted.which), lambda: list(filter(_LISTS[wanted.which], verdict.units)))
    if within is not None or wanted.isp:
        units = [unit for unit in units if lies_within(unit)]
    areas = seen.once((*target, "areas", limits.day), lambda: _areas(limits, verdict))
    return Chosen(units, areas, isps, where, limits, lies_within)


def _lies(place: Where, within: frozenset[str] | None, isp: str) -> bool:
    return (within is None or place.area in within) and (not isp or place.isp == isp)


_LISTS: dict[List, Callable[[UnitVerdict], bool]] = {
    "exceptions": lambda unit: unit.status == "missed" or unit.silent,
    "unknown": lambda unit: unit.status == "unknown" and not unit.silent,
    "met": lambda unit: unit.status == "met",
    "all": lambda unit: True,
}


def counts_of_lists(seen: Seen, verdict: Verdict) -> dict[List, int]:
    key = (verdict.plan.id, verdict.target.id, "counts")
    return seen.once(key, lambda: {name: sum(map(_LISTS[name], verdict.units)) for name in LISTS})


def _within(limits: Boundaries, area: str, say: Speaker) -> frozenset[str]:
    if area not in limits.areas:
        raise HTTPException(400, say.t("error.no_unit_area", id=area, day=limits.day))
    return frozenset(one for one in limits.areas if any(above.id == area for above in limits.up(one)))


def _areas(limits: Boundaries, verdict: Verdict) -> dict[str, str]:
    """By name."""
    schools = {unit.school for unit in verdict.units}
    direct = {limits.area_of[school] for school in schools if school in limits.area_of}
    held = {one.id: one.name for area in direct for one in limits.up(area)}
    return dict(sorted(held.items(), key=lambda pair: pair[1]))


def _keys(verdict: Verdict) -> tuple[str, ...]:
    return tuple(column.key for column in unit_columns(verdict.target))


def rows_of(
    seen: Seen, verdict: Verdict, chosen: Chosen, wanted: Wanted, language: str, first: int, count: int
) -> tuple[Table, int]:
    """Rows [first, first + count) of what is wanted, and how many there are."""
    units = _arranged(seen, verdict, chosen, wanted, language)
    return units_table(verdict, units[first : first + count], chosen.where, minutes_link(verdict)), len(units)


def whole(seen: Seen, verdict: Verdict, chosen: Chosen, wanted: Wanted, language: str) -> Table:
    return units_table(verdict, _arranged(seen, verdict, chosen, wanted, language), chosen.where, minutes_link(verdict))


def _arranged(seen: Seen, verdict: Verdict, chosen: Chosen, wanted: Wanted, language: str) -> list[UnitVerdict]:
    """As tables.searched and tables.ordered would, without making the rows that no page shows."""
    units, columns = chosen.units, unit_columns(verdict.target)
    made = (verdict.plan.id, verdict.target.id, chosen.limits.day, language)
    words = search_words(wanted.q)
    if words:

        def texts() -> dict[str, str]:
            cells = ((unit.id, unit_cells(unit, chosen.where(unit))[: len(columns)]) for unit in verdict.units)
            return {ident: row_text(row, columns, language) for ident, row in cells}

        text = seen.once((*made, "text"), texts)
        units = [unit for unit in units if all(word in text[unit.id] for word in words)]
    if not wanted.sort:
        return units
    place = next(at for at, column in enumerate(columns) if column.key == wanted.sort)

    def worths() -> dict[str, Any]:
        """Of those that are known."""
        cells = ((unit.id, unit_cells(unit, chosen.where(unit))[place]) for unit in verdict.units)
        found = ((ident, worth(cell, columns[place].kind, language)) for ident, cell in cells)
        return {ident: one for ident, one in found if one is not None}

    order = seen.once((*made, wanted.sort), worths)
    known = [unit for unit in units if unit.id in order]
    known.sort(key=lambda unit: order[unit.id], reverse=wanted.order == "desc")
    return [*known, *(unit for unit in units if unit.id not in order)]


def minutes_link(verdict: Verdict) -> Callable[[UnitVerdict], str]:
    """Where what a unit was judged by is shown: the minutes of the window's last day, with as many days before as a
    page lists; the page of its site or school where no single signal tells it."""
    day = last_day(verdict).isoformat()
    days = min(MOST_DAYS, verdict.target.window_days)

    queries: dict[str, str] = {}

    def link(unit: UnitVerdict) -> str:
        if not unit.site:
            return f"/school/{unit.school}"
        signal = signal_of(verdict.target, unit)
        if not signal:
            return f"/site/{unit.site}"
        if signal not in queries:
            queries[signal] = urlencode({"signal": signal, "day": day, "days": days})
        return f"/site/{unit.site}/minutes?{queries[signal]}"

    return link


def group_words(by: str) -> Callable[[str], Said | str]:
    """What a manager or level is called; the register's own word for anything else."""
    if by not in ("manager", "level"):
        return lambda word: word
    vi = register_columns.COLUMNS["schools"][by].words
    return lambda word: Said(vi.get(word, word), word.replace("_", " "))


Asked = Annotated[Wanted, Query()]
PageAsked = Annotated[PageWanted, Query()]
