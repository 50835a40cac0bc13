"""The pages of plans: all of them with their targets, and one target with who misses it, its days and its forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.exceptions import HTTPException

from schoolbeat_server import issued
from schoolbeat_server.forecast import LEAST_WEEKS, WEEK, Forecast
from schoolbeat_server.history import AT_DEADLINE_WORDS, Point
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.plan_tables import GROUPS, changes_table, groups_table, history_table, sides_table
from schoolbeat_server.plans_shown import GRADE_WORDS
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Table, cell_text, page_of
from schoolbeat_server.verdicts import STATUS_WORDS, UNIT_WORDS, Verdict
from schoolbeat_server.web import pictures
from schoolbeat_server.web.history_picture import history
from schoolbeat_server.web.pages import Lang, query_of, rendered, speaker_of
from schoolbeat_server.web.plan_book import PlanBook, Seen
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.table_answers import FORMATS, Format, as_file
from schoolbeat_server.web.target_rows import TargetRow, mark, plans_table, required, share, target_row
from schoolbeat_server.web.target_view import (
    LISTS,
    Chosen,
    PageAsked,
    PageWanted,
    choose,
    counts_of_lists,
    found_verdict,
    group_words,
    last_day,
    minutes_link,
    rows_of,
    whole,
)

router = APIRouter(include_in_schema=False)

ROWS = 25
GROUP_ROWS = 12
CHANGES = 20
LIKELY = 12
AREA_FORECASTS = 12
WEEKS = 26


def book_of(request: Request) -> PlanBook:
    book: PlanBook = request.app.state.plan_book
    return book


Book = Annotated[PlanBook, Depends(book_of)]


# ---- all of them -------------------------------------------------------------------------------------------


@router.get("/plans")
def plans_page(
    request: Request,
    context: Context,
    book: Book,
    format: Annotated[Format | None, Query()] = None,  # noqa: A002
    lang: Lang = None,
) -> Response:
    say = speaker_of(request, context)
    seen, days = book.seen(), book.all_points()
    rows = {key: target_row(verdict, days.get(key, ()), say.today()) for key, verdict in seen.targets.items()}
    if format is not None:
        return as_file(plans_table(list(rows.values())), format, say.language, say.today().isoformat())
    return rendered(
        request,
        say,
        "plans.html",
        plans=[
            (plan, _in_order([row for (ident, _), row in rows.items() if ident == plan.id])) for plan in seen.plans()
        ],
        as_of=max((verdict.window.end_minute for verdict in seen.verdicts), default=None),
        formats=FORMATS,
        query=query_of,
        **_words(),
    )


def _in_order(rows: Sequence[TargetRow]) -> list[TargetRow]:
    """Variants under the target that they read another way."""
    own = [row for row in rows if not row.verdict.target.variant_of]
    return [
        one
        for row in own
        for one in (row, *(other for other in rows if other.verdict.target.variant_of == row.verdict.target.id))
    ]


def _words() -> dict[str, Any]:
    return {
        "bar": pictures.share_bar,
        "share": share,
        "required": required,
        "mark": mark,
        "units": UNIT_WORDS,
        "grades": GRADE_WORDS,
        "at_deadline": AT_DEADLINE_WORDS,
    }


# ---- one target --------------------------------------------------------------------------------------------


@router.get("/plans/{plan}/{target}")
def target_page(request: Request, context: Context, book: Book, plan: str, target: str, wanted: PageAsked) -> Response:
    say = speaker_of(request, context)
    found = found_verdict(book, plan, target)
    if found is None:
        raise HTTPException(404, say.t("error.no_target", id=f"{plan} {target}"[:80]))
    seen, verdict = found
    chosen = choose(seen, verdict, wanted, say)
    points = book.points(plan, target)
    if wanted.format is not None:
        table = _table(book, seen, verdict, chosen, points, wanted, say)
        return as_file(table, wanted.format, say.language, last_day(verdict).isoformat(), _head(verdict, say))
    with context.engine.connect() as connection:
        revised = issued.revised_lately(connection, say.now_ms - issued.SHOWN_MS).get((plan, target))
    return rendered(
        request,
        say,
        "target.html",
        again=revised,
        revised_why=issued.WHY_WORDS,
        row=target_row(verdict, points, say.today()),
        wanted=wanted,
        lists=counts_of_lists(seen, verdict),
        chosen=chosen,
        whole_day=min(last_day(verdict), say.today() - timedelta(1)),
        boundaries_day=date.fromisoformat(chosen.limits.day),
        base=_base(wanted),
        query=query_of,
        formats=FORMATS,
        group_kinds=GROUPS,
        cell=lambda cell, column: cell_text(cell, column.kind, say.language),
        **_list(seen, verdict, chosen, wanted, say),
        **_groups(seen, verdict, chosen, wanted),
        sides=_sides(verdict, chosen, wanted) if wanted.area or wanted.isp else None,
        **_days(verdict, points, say),
        **_forecast(book, verdict, chosen, say),
        **_changes(book, seen, verdict, chosen, points, wanted, say),
        **_words(),
    )


def _base(wanted: PageWanted) -> dict[str, Any]:
    """What every link of the page keeps."""
    return {
        "list": wanted.which if wanted.which != "exceptions" else "",
        "area": wanted.area,
        "isp": wanted.isp,
        "q": wanted.q,
        "sort": wanted.sort,
        "order": wanted.order if wanted.order != "asc" else "",
        "on": wanted.on,
        "by": wanted.by if wanted.by != "area" else "",
        "then": wanted.then,
    }


def _list(seen: Seen, verdict: Verdict, chosen: Chosen, wanted: PageWanted, say: Speaker) -> dict[str, Any]:
    table, count = rows_of(seen, verdict, chosen, wanted, say.language, (wanted.page - 1) * ROWS, ROWS)
    pages = max(1, -(-count // ROWS))
    if wanted.page > pages:
        raise HTTPException(404, say.t("error.no_page", page=wanted.page, pages=pages))
    shown = ("unit", "status", "since", "why", "area", "isp", "coverage", "grade")
    places = [(table.place(key), table.columns[table.place(key)]) for key in shown]
    return {"table": table, "places": places, "count": count, "pages": pages, "all_lists": LISTS}


def _groups(seen: Seen, verdict: Verdict, chosen: Chosen, wanted: PageWanted) -> dict[str, Any]:
    table = _group_table(seen, verdict, chosen, wanted)
    return {"groups": page_of(table, 0, GROUP_ROWS), "groups_count": len(table.rows)}


def _group_table(seen: Seen, verdict: Verdict, chosen: Chosen, wanted: PageWanted) -> Table:
    base = _base(wanted)

    def link(key: str) -> str:
        if wanted.by in ("area", "over"):
            return query_of(**{**base, "list": "all", "area": key}) + "#who"
        return query_of(**{**base, "list": "all", "isp": key}) + "#who" if wanted.by == "isp" else ""

    def make() -> Table:
        return groups_table(verdict, wanted.by, chosen.where, group_words(wanted.by))

    table = seen.once((verdict.plan.id, verdict.target.id, "groups", wanted.by, chosen.limits.day), make)
    return replace(table, links=tuple(link(key) if key else "" for key in table.links))


def _sides(verdict: Verdict, chosen: Chosen, wanted: PageWanted) -> Table:
    area = chosen.limits.areas[wanted.area].name if wanted.area else ""
    name = ", ".join(part for part in (area, wanted.isp) if part)
    return sides_table(verdict, Said(name, name), chosen.lies_within)


def _days(verdict: Verdict, points: Sequence[Point], say: Speaker) -> dict[str, Any]:
    if not points:
        return {"points": points, "picture": Markup(""), "weeks": None}
    first, last = points[0], points[-1]
    parts = [say.percent(Fraction(one.met, one.units or 1), verdict.target.share or None) for one in (first, last)]
    label = say.t(
        "target.history.label", first=say.day(first.day), last=say.day(last.day), begin=parts[0], end=parts[1]
    )
    picture = history(points, label, mark(verdict), verdict.target.deadline)
    ends = [one for one in points if (last.day - one.day).days % WEEK.days == 0][-WEEKS:]
    return {"points": points, "picture": picture, "weeks": history_table(verdict, ends)}


def _forecast(book: PlanBook, verdict: Verdict, chosen: Chosen, say: Speaker) -> dict[str, Any]:
    plan, target = verdict.plan.id, verdict.target
    likely = set(book.likely(plan, target.id))
    link = minutes_link(verdict)
    units = [(unit.name, link(unit)) for unit in verdict.units if unit.id in likely]
    areas = book.area_forecasts(verdict, chosen.limits)
    told = sorted(
        (
            (chosen.limits.areas[area].name, told_forecast(verdict, one, say))
            for area, one in areas.items()
            if one.answer != "too_little"
        ),
        key=lambda pair: pair[0],
    )
    return {
        "forecast": told_forecast(verdict, book.forecast(plan, target), say),
        "likely": units[:LIKELY],
        "likely_count": len(units),
        "area_forecasts": told[:AREA_FORECASTS],
    }


def told_forecast(verdict: Verdict, one: Forecast, say: Speaker) -> str:
    """In a sentence or two."""
    if one.answer == "too_little":
        return say.t("target.forecast.too_little", weeks=one.weeks, least=LEAST_WEEKS)
    if one.answer == "reached":
        return say.t("target.forecast.reached")
    beyond = say.t("target.forecast.beyond")
    text = say.t("target.forecast.not_in_sight", weeks=one.weeks)
    if one.answer == "expected":
        likely = say.t("target.forecast.unlikely")
        if one.likely is not None:
            likely = say.t("target.forecast.likely", day=say.day(one.likely))
        text = say.t(
            "target.forecast.expected",
            weeks=one.weeks,
            likely=likely,
            earliest=say.day(one.earliest) if one.earliest else beyond,
            latest=say.day(one.latest) if one.latest else beyond,
        )
    if one.by_deadline is not None and verdict.target.deadline and verdict.target.deadline >= say.today():
        text += " " + say.t("target.forecast.by_deadline", chance=one.by_deadline)
    return text


def _changes(
    book: PlanBook,
    seen: Seen,
    verdict: Verdict,
    chosen: Chosen,
    points: Sequence[Point],
    wanted: PageWanted,
    say: Speaker,
) -> dict[str, Any]:
    if wanted.then is None:
        return {"changes": None, "changes_count": 0}
    table = _changed(book, seen, verdict, chosen, points, wanted.then, say)
    return {"changes": page_of(table, 0, CHANGES), "changes_count": len(table.rows)}


def _changed(
    book: PlanBook,
    seen: Seen,
    verdict: Verdict,
    chosen: Chosen,
    points: Sequence[Point],
    then: date,
    say: Speaker,
) -> Table:
    point = next((one for one in points if one.day == then), None)
    if point is None:
        if not points:
            raise HTTPException(404, say.t("error.no_days", day=then))
        raise HTTPException(404, say.t("error.no_day", day=then, first=points[0].day, last=points[-1].day))

    def make() -> Table:
        return changes_table(verdict, book.units_of(point.issue), chosen.where, minutes_link(verdict))

    return seen.once((verdict.plan.id, verdict.target.id, "changes", str(point.issue), chosen.limits.day), make)


def _table(
    book: PlanBook,
    seen: Seen,
    verdict: Verdict,
    chosen: Chosen,
    points: Sequence[Point],
    wanted: PageWanted,
    say: Speaker,
) -> Table:
    """The table that a file is asked of, whole."""
    if wanted.table == "groups":
        return _group_table(seen, verdict, chosen, wanted)
    if wanted.table == "sides":
        return _sides(verdict, chosen, wanted)
    if wanted.table == "history":
        return history_table(verdict, points)
    if wanted.table == "changes":
        then = wanted.then or (points[0].day if points else say.today())
        return _changed(book, seen, verdict, chosen, points, then, say)
    return whole(seen, verdict, chosen, wanted, say.language)


def _head(verdict: Verdict, say: Speaker) -> list[tuple[str, str]]:
    """What the workbook is of, on its first sheet."""
    plan, target = verdict.plan, verdict.target
    window = " – ".join(clock_and_day(minute * 60_000, say.language) for minute in verdict.window)
    what: list[tuple[Said, str]] = [
        (Said("Văn bản", "Document"), f"{say.of(plan.document)} ({say.of(plan.issuer)})"),
        (Said("Chỉ tiêu", "Target"), f"{target.id}: {say.of(target.name)}"),
        (Said("Trích", "Quote"), f"“{say.of(target.quote)}” ({say.of(target.clause)})"),
        (Said("Kỳ xét", "Window"), window),
        (Said("Kết luận", "Verdict"), say.of(STATUS_WORDS[verdict.status])),
        *((Said("Lý do", "Reason"), say.of(one)) for one in verdict.reasons),
        (Said("Minh chứng", "Evidence"), say.of(GRADE_WORDS[verdict.grade])),
        *(
            (Said("Giả định", "Assumption"), f"{a.name} = {a.value}: {say.of(a.reason)} [{a.source}]")
            for a in target.assumptions
        ),
    ]
    return [(say.of(name), value) for name, value in what]
