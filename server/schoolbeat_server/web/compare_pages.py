"""The page of comparisons, and the same over the API: shown from the shelf, never made while a reader waits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from schoolbeat_server import report_choice, table_files
from schoolbeat_server.comparison_shelf import Found
from schoolbeat_server.comparisons import VIEWS, Asked, Comparison, cell_link, pilots, year_of
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.report_choice import Choice
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.tables import NUMERIC, Cell, Column, Table, cell_text, page_of
from schoolbeat_server.web.compare_view import SUMMARY, PageAsked, PageWanted, Wanted, WantedAsked, asked_of, choose
from schoolbeat_server.web.pages import query_of, rendered, speaker_of
from schoolbeat_server.web.plan_book import PlanBook
from schoolbeat_server.web.plan_pages import book_of
from schoolbeat_server.web.server_view import Context, WebContext
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.table_answers import FORMATS, as_file

pages_router = APIRouter(include_in_schema=False)
router = APIRouter(prefix="/api/v1", tags=["v1"])

ROWS = 25
AGAIN_SECONDS = 3
YEARS = 4  # of league tables to choose from
PLACES = ("area", "school", "isp")
MOST_LISTED = 300
# On the page; files have all columns. A share stands with how much of the time was measured.
SHOWN = ("rank", "name", "group", "sites", "lessons", "internet", "line", "outages", "down", "tests", "down_median")
CHANGES = (
    "name",
    "lessons_before",
    "lessons_after",
    "change",
    "line_before",
    "line_after",
    "down_before",
    "down_after",
)
COVERAGE: Mapping[str, str] = {"internet": "coverage", "lessons": "lessons_coverage", "line": "line_coverage"}
Book = Annotated[PlanBook, Depends(book_of)]


def _desk(context: WebContext) -> Desk:
    if context.reports is None:
        raise HTTPException(404, "this server makes no comparisons")
    return context.reports


# ---- what is asked for -------------------------------------------------------------------------------------


class Sought(NamedTuple):
    """known: what may be compared; meant: what the words may mean; found: of the one that they do."""

    known: Sequence[Choice]
    meant: Sequence[Choice]
    asked: Asked | None = None
    found: Found | None = None


def _sought(context: WebContext, book: PlanBook, wanted: Wanted, say: Speaker) -> Sought:
    """Raises HTTPException for what cannot be compared."""
    known = _choices(context, book, wanted, say.today())
    is_area = wanted.view != "periods" or wanted.place == "area"
    meant = report_choice.meant(known, wanted.id) if wanted.id else known[:1] if is_area else []
    if not meant and (wanted.id or is_area):
        raise HTTPException(404, say.t("reports.none_found", typed=wanted.id[:80]))
    if len(meant) != 1:
        return Sought(known, meant)
    try:
        asked = asked_of(wanted, meant[0].id, say.today(), say.now_ms)
        found = _desk(context).shelf.find(asked)
    except Refused as refused:
        raise HTTPException(404 if refused.missing else 400, refused.said.to(say.language)) from None
    if found.comparison is None and found.refused is not None:
        raise HTTPException(404, found.refused.to(say.language))
    return Sought(known, meant, asked, found)


def _choices(context: WebContext, book: PlanBook, wanted: Wanted, today: date) -> list[Choice]:
    place = wanted.place if wanted.view == "periods" else "area"
    if place == "isp":
        return [report_choice.plain(one, one) for one in sorted(set(book.seen().isps.values()))]
    day = (wanted.last or today).isoformat()
    if place == "area":
        return report_choice.areas_of(book.seen().boundaries(day))
    with context.engine.connect() as connection:
        return report_choice.choices(connection, (), "school", day)


# ---- the page ----------------------------------------------------------------------------------------------


@pages_router.get("/compare")
def compare_page(request: Request, context: Context, book: Book, wanted: PageAsked) -> Response:
    say = speaker_of(request, context)
    sought = _sought(context, book, wanted, say)
    comparison = sought.found.comparison if sought.found is not None else None
    if wanted.format is not None:
        return _file(comparison, wanted, say)
    return rendered(
        request,
        say,
        "compare.html",
        wanted=wanted,
        sought=sought,
        comparison=comparison,
        views=VIEWS,
        places=PLACES,
        listed=len(sought.known) <= MOST_LISTED,
        pilots=pilots(_desk(context).plans) if wanted.view == "pilot" else {},
        years=[year_of(say.today()) - ago for ago in range(YEARS)],
        again=AGAIN_SECONDS,
        days=sought.asked or _usual(wanted, say),
        formats=FORMATS,
        query=query_of,
        base=_base(wanted, sought.asked),
        **(_shown(comparison, wanted, say) if comparison is not None else {}),
    )


def _usual(wanted: PageWanted, say: Speaker) -> Asked | None:
    """The days that the form begins with, before a place is chosen."""
    try:
        return asked_of(wanted, "", say.today(), say.now_ms)
    except Refused:
        return None


def _base(wanted: PageWanted, asked: Asked | None) -> dict[str, Any]:
    """What every link of the page keeps."""
    if asked is None:
        return {"view": wanted.view, "place": wanted.place}
    return {
        **asked.query(),
        "table": wanted.table,
        "group": wanted.group,
        "q": wanted.q,
        "sort": wanted.sort,
        "order": wanted.order if wanted.order != "asc" else "",
    }


class Shown(NamedTuple):
    """A cell as a page shows it."""

    label: str
    text: str
    small: str
    link: str


def _shown(comparison: Comparison, wanted: PageWanted, say: Speaker) -> dict[str, Any]:
    chosen = choose(comparison, wanted, say)
    pages = max(1, -(-len(chosen.rows) // ROWS))
    if wanted.page > pages:
        raise HTTPException(404, say.t("error.no_page", page=wanted.page, pages=pages))
    summary = comparison.tables.get(SUMMARY)
    return {
        "count": len(chosen.rows),
        "pages": pages,
        "chosen": chosen,
        "columns": _columns(chosen),
        "rows": _rows(page_of(chosen, (wanted.page - 1) * ROWS, ROWS), comparison.asked, say),
        "summary": summary,
        "summary_columns": _columns(summary) if summary else [],
        "summary_rows": _rows(summary, comparison.asked, say) if summary else [],
        "tables": [table for name, table in comparison.tables.items() if name != SUMMARY],
    }


def _columns(table: Table) -> list[Column]:
    keys = CHANGES if table.name == "changes" else [key for key in SHOWN if (table.name, key) != ("sites", "sites")]
    return [column for key in keys for column in table.columns if column.key == key]


def _rows(table: Table, asked: Asked, say: Speaker) -> list[list[Shown]]:
    columns = _columns(table)
    links = table.links or ("",) * len(table.rows)
    return [
        [_cell(table, row, column, cell_link(link, column.key, asked), say) for column in columns]
        for row, link in zip(table.rows, links, strict=True)
    ]


def _cell(table: Table, row: Sequence[Cell], column: Column, link: str, say: Speaker) -> Shown:
    value = row[table.place(column.key)]
    small = ""
    if column.key in COVERAGE:
        measured = cell_text(row[table.place(COVERAGE[column.key])], "share", say.language)
        small = say.t("compare.measured", share=measured)
    leads = column.key == "name" or (column.kind in NUMERIC and value is not None)
    text = "–" if value is None and column.key == "rank" else cell_text(value, column.kind, say.language)
    return Shown(say.of(column.heading), text, small, link if leads else "")


def _file(comparison: Comparison | None, wanted: PageWanted, say: Speaker) -> Response:
    assert wanted.format is not None
    if comparison is None:
        raise HTTPException(503, say.t("compare.not_ready"), {"Retry-After": str(AGAIN_SECONDS)})
    day = comparison.asked.period.last.isoformat()
    return as_file(choose(comparison, wanted, say), wanted.format, say.language, day, _head(comparison, say))


def _head(comparison: Comparison, say: Speaker) -> list[tuple[str, str]]:
    """What the workbook is of, on its first sheet."""
    return [
        (say.t("compare.title"), say.of(comparison.title)),
        *((say.of(what), say.of(value)) for what, value in comparison.about),
        *((say.t("compare.method"), say.of(one)) for one in comparison.method),
    ]


# ---- the API -----------------------------------------------------------------------------------------------


@router.get("/compare")
def compare_json(request: Request, context: Context, book: Book, wanted: WantedAsked) -> JSONResponse:
    """The comparison with its tables, exact and in both languages; `table` as filtered and ordered, the summary whole.
    202 while it is made in the background: ask again. `as_of_ms`: when it was made; it is made anew when it is older
    than ten minutes."""
    say = Speaker("en", context.now_ms())
    sought = _sought(context, book, wanted, say)
    if sought.found is None:
        several = ", ".join(one.id for one in sought.meant[:20])
        raise HTTPException(422, f"id = {wanted.id!r}: means {len(sought.meant)} things ({several}); one is needed")
    comparison = sought.found.comparison
    if comparison is None:
        headers = {"Retry-After": str(AGAIN_SECONDS)}
        return JSONResponse({"state": "being made"}, 202, headers)
    summary = comparison.tables.get(SUMMARY)
    tables = [*([summary] if summary else []), choose(comparison, wanted, say)]
    return JSONResponse(
        {
            "view": comparison.asked.view,
            "place": comparison.asked.place,
            "id": comparison.asked.id,
            "as_of_ms": comparison.made_ms,
            "as_of": clock_and_day(comparison.made_ms, "en"),
            "being_made_anew": sought.found.making,
            "about": [{"what": what._asdict(), "value": value._asdict()} for what, value in comparison.about],
            "method": [one._asdict() for one in comparison.method],
            "groups": {key: name._asdict() for key, name in comparison.groups.items()},
            "tables": [table_files.to_json(table) for table in tables],
        }
    )
