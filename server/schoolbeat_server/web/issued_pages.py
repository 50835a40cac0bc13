"""The pages of verdicts as they were issued, with their revisions and the digests that they rest on."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from schoolbeat_server import issued, register_digest
from schoolbeat_server.issued import Issue
from schoolbeat_server.issued_shown import KEYS, issued_units_table
from schoolbeat_server.plan_tables import SILENT
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_of
from schoolbeat_server.stamp import Stamp, stamp
from schoolbeat_server.tables import Cell, Table, cell_text, filtered, ordered, page_of, searched
from schoolbeat_server.web.pages import Lang, Page, query_of, rendered, speaker_of
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.table_answers import FORMATS, Format, as_file

router = APIRouter(include_in_schema=False)

ROWS = 50
Which = Literal["all", "missed", "unknown", "met"]
LISTS: tuple[Which, ...] = ("missed", "unknown", "met", "all")
Sort = Literal["", "unit", "status", "since", "why", "coverage", "grade"]
_CELLS: dict[Which, tuple[Cell, ...]] = {"missed": ("missed",), "unknown": ("unknown", SILENT), "met": ("met",)}


def stamp_of(context: Context, one: Issue) -> Stamp:
    """Of all sites and the verdict's days, as it stood when the verdict was issued."""
    return _stamp(context.engine, day_of(one.first_minute), day_of(one.end_minute - 1) + 1, one.issued_ms)


@lru_cache(maxsize=64)
def _stamp(engine: Engine, first_day: int, end_day: int, at_ms: int) -> Stamp:
    """Read once: what stood at a time does not change, and a year of a province is half a million digests."""
    with engine.connect() as connection:
        return stamp(connection, None, first_day, end_day, at_ms)._replace(days=())


@router.get("/verdicts")
def issued_list(
    request: Request,
    context: Context,
    revised: bool = False,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    lang: Lang = None,
) -> Response:
    with context.engine.connect() as connection:
        rows = issued.read_issues(connection, revised=revised, before=before, limit=ROWS + 1)
    older = rows[ROWS - 1].id if len(rows) > ROWS else None
    names = {(one.plan.id, one.target.id): one.target.name for one in context.verdicts()}
    return rendered(
        request,
        speaker_of(request, context),
        "verdicts.html",
        rows=rows[:ROWS],
        older=older,
        revised=revised,
        names=names,
        why=issued.WHY_WORDS,
    )


@router.get("/verdicts/{ident}")
def issued_page(
    request: Request,
    context: Context,
    ident: Annotated[int, Path(ge=1, le=2**53)],
    which: Annotated[Which, Query(alias="list")] = "all",
    q: Annotated[str, Query(max_length=80)] = "",
    sort: Annotated[Sort, Query()] = "",
    order: Annotated[Literal["asc", "desc"], Query()] = "asc",
    page: Page = 1,
    format: Annotated[Format | None, Query()] = None,  # noqa: A002
    lang: Lang = None,
) -> Response:
    """One of them, as it was said then."""
    say = speaker_of(request, context)
    try:
        one, whole = _shown(context.engine, ident)
    except KeyError:
        raise HTTPException(404) from None
    table = _chosen(whole, which, q, sort, order == "desc", say.language)
    if format is not None:
        return as_file(table, format, say.language, date_of(day_of(one.issued_ms // 60_000)).isoformat())
    pages = max(1, -(-len(table.rows) // ROWS))
    if page > pages:
        raise HTTPException(404, say.t("error.no_page", page=page, pages=pages))
    with context.engine.connect() as connection:
        others = issued.read_revisions(connection, one)
        changed = _register_changed(connection, one)
    rests_on = stamp_of(context, one)
    return rendered(
        request,
        say,
        "issued.html",
        one=one,
        others=others,
        table=page_of(table, (page - 1) * ROWS, ROWS),
        places=[(whole.place(key), whole.columns[whole.place(key)]) for key in KEYS if key != "id"],
        count=len(table.rows),
        counts={name: _count(whole, name) for name in LISTS},
        page=page,
        pages=pages,
        asked={"list": which if which != "all" else "", "q": q, "sort": sort, "order": order if sort else ""},
        cell=lambda value, column: cell_text(value, column.kind, say.language),
        formats=FORMATS,
        query=query_of,
        name=next((v.target.name for v in context.verdicts() if (v.plan.id, v.target.id) == one[1:3]), None),
        why=issued.WHY_WORDS,
        changed=changed,
        stamp=rests_on,
        proof_day=None if rests_on.proof_day is None else date_of(rests_on.proof_day).isoformat(),
    )


@lru_cache(maxsize=8)
def _shown(engine: Engine, ident: int) -> tuple[Issue, Table]:
    """What was issued never changes. KeyError: there is none."""
    with engine.connect() as connection:
        found = issued.read_units(connection, ident)
    if found is None:
        raise KeyError(ident)
    return found[0], issued_units_table(*found)


def _chosen(table: Table, which: Which, q: str, sort: Sort, descending: bool, language: str) -> Table:
    if which != "all":
        table = filtered(table, "status", _CELLS[which])
    table = searched(table, q, language)
    return ordered(table, sort, descending=descending, language=language) if sort else table


def _count(table: Table, which: Which) -> int:
    return len(table.rows if which == "all" else filtered(table, "status", _CELLS[which]).rows)


def _register_changed(connection: Connection, one: Issue) -> list[Said]:
    """What of the register and the calendar is another since, up to the newest verdict issued."""
    newest = issued.read_issues(connection, limit=1)[0].register_digest
    then, now = (register_digest.kept(connection, digest) for digest in (one.register_digest, newest))
    if then is None or now is None:
        return []
    return [register_digest.NAMES[table] for table in register_digest.differing(then, now)]
