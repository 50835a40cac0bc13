"""The JSON API of plans: targets with their verdicts, a target's units, days and forecast."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field

from schoolbeat_server.forecast import LEAST_WEEKS, Forecast
from schoolbeat_server.history import Point
from schoolbeat_server.table_files import to_json
from schoolbeat_server.verdicts import Verdict
from schoolbeat_server.web.answers import VerdictOut, Words
from schoolbeat_server.web.api import verdict_out, words_out
from schoolbeat_server.web.plan_book import PlanBook, Seen
from schoolbeat_server.web.plan_pages import Book
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.target_rows import TargetRow, target_row
from schoolbeat_server.web.target_view import List, Wanted, choose, found_verdict, limits_of, rows_of

router = APIRouter(prefix="/api/v1/plans", tags=["v1"])

MOST_ROWS = 1_000
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]


class UnitsWanted(Wanted):
    """And of a part of the list."""

    which: List = Field("all", alias="list", description="exceptions: missed, and who never reported")
    limit: int = Field(100, ge=1, le=MOST_ROWS)
    after: int = Field(0, ge=0, le=1_000_000, description="How many rows to leave out")
    lang: Literal["vi", "en"] | None = Field(None, description="Whose letters sort and search")


class KeptOut(BaseModel):
    """Since the first day that was met with proof. kept: null while days without data leave it open, or there was no
    proof. breaks: first and last day of each run of missed days; gaps: of days unknown or without a verdict."""

    since: date | None
    kept: bool | None
    breaks: list[tuple[date, date]]
    gaps: list[tuple[date, date]]


class TargetOut(BaseModel):
    """at_deadline: met, missed, unknown, not_applicable, not_observed, to_come; null without a deadline."""

    verdict: VerdictOut
    claim: bool
    variant_of: str
    covers: Words | None
    at_deadline: str | None
    kept: KeptOut


class PlanOut(BaseModel):
    """kind: plan, or profile: a yardstick that nobody here promised."""

    plan: str
    kind: str
    document: Words
    issuer: Words
    source: str
    boundaries: date | None
    targets: list[TargetOut]


class UnitsOut(BaseModel):
    """count: of the whole list. table: as in the file; 'kind' of a column says how its cells are to be read; links lead
    to the minutes."""

    count: int
    boundaries: date
    table: dict[str, Any]


class PointOut(BaseModel):
    """A verdict on the window that ends with the day, after its revisions. issue: /api/v1/verdicts/issued/{issue}."""

    day: date
    status: str
    met: int
    missed: int
    unknown: int
    grade: str
    issue: int


class ForecastOut(BaseModel):
    """answer: reached, expected, not_in_sight, too_little (fewer than least_weeks). Between earliest and latest with
    four chances in five; null: not within five years. by_deadline: per cent."""

    answer: str
    weeks: int
    least_weeks: int
    earliest: date | None
    likely: date | None
    latest: date | None
    by_deadline: int | None


class TargetForecastOut(BaseModel):
    """likely_to_miss: ids of units that met it at the end of none of the last four weeks."""

    forecast: ForecastOut
    areas: dict[str, ForecastOut]
    likely_to_miss: list[str]


@router.get("", response_model=list[PlanOut])
def plans(context: Context, book: Book) -> list[PlanOut]:
    """Every plan and profile with its targets; units are at /units of each target."""
    seen, days, today = book.seen(), book.all_points(), _say(context).today()
    rows = {key: target_row(verdict, days.get(key, ()), today) for key, verdict in seen.targets.items()}
    return [
        PlanOut(
            plan=plan.id,
            kind=plan.kind,
            document=words_out(plan.document),
            issuer=words_out(plan.issuer),
            source=plan.source,
            boundaries=plan.boundaries,
            targets=[_target(row) for (ident, _), row in rows.items() if ident == plan.id],
        )
        for plan in seen.plans()
    ]


@router.get("/{plan}/targets/{target}", response_model=TargetOut)
def one_target(context: Context, book: Book, plan: str, target: str) -> TargetOut:
    _, verdict = _found(book, plan, target)
    return _target(target_row(verdict, book.points(plan, target), _say(context).today()))


@router.get("/{plan}/targets/{target}/units", response_model=UnitsOut)
def units(
    context: Context,
    book: Book,
    plan: str,
    target: str,
    wanted: Annotated[UnitsWanted, Query()],
) -> UnitsOut:
    """Its units, as the page and the files list them; absent `list`: all of them."""
    seen, verdict = _found(book, plan, target)
    chosen = choose(seen, verdict, wanted, _say(context))
    table, count = rows_of(seen, verdict, chosen, wanted, wanted.lang or context.language, wanted.after, wanted.limit)
    return UnitsOut(count=count, boundaries=date.fromisoformat(chosen.limits.day), table=to_json(table))


@router.get("/{plan}/targets/{target}/history", response_model=list[PointOut])
def history(
    book: Book,
    plan: str,
    target: str,
    before: Annotated[date | None, Query(description="Only days before it: the next page")] = None,
    limit: Limit = 366,
) -> list[PointOut]:
    """Its days, the newest first."""
    _found(book, plan, target)
    points = [one for one in book.points(plan, target) if before is None or one.day < before]
    return [_point(one) for one in points[::-1][:limit]]


@router.get("/{plan}/targets/{target}/forecast", response_model=TargetForecastOut)
def forecast(
    book: Book,
    plan: str,
    target: str,
    on: Annotated[date | None, Query(description="The day whose boundaries count; absent: the plan's own")] = None,
) -> TargetForecastOut:
    """When it is reached at the present pace, for all and for each area, and who is likely to miss it."""
    seen, verdict = _found(book, plan, target)
    areas = book.area_forecasts(verdict, limits_of(seen, verdict, on))
    return TargetForecastOut(
        forecast=_forecast(book.forecast(plan, verdict.target)),
        areas={area: _forecast(one) for area, one in areas.items()},
        likely_to_miss=book.likely(plan, target),
    )


def _say(context: Context) -> Speaker:
    """Errors of the API are English."""
    return Speaker("en", context.now_ms())


def _found(book: PlanBook, plan: str, target: str) -> tuple[Seen, Verdict]:
    found = found_verdict(book, plan, target)
    if found is None:
        raise HTTPException(
            404, f"target {plan[:60]!r} {target[:60]!r}: there is no such one; /api/v1/plans lists them"
        )
    return found


def _target(row: TargetRow) -> TargetOut:
    target = row.verdict.target
    return TargetOut(
        verdict=verdict_out(row.verdict, False, None),
        claim=target.claim,
        variant_of=target.variant_of,
        covers=None if target.covers is None else words_out(target.covers),
        at_deadline=None if row.reached is None else row.reached.answer,
        kept=KeptOut(since=row.kept.since, kept=row.kept.kept, breaks=list(row.kept.breaks), gaps=list(row.kept.gaps)),
    )


def _point(one: Point) -> PointOut:
    return PointOut(**one._asdict())


def _forecast(one: Forecast) -> ForecastOut:
    return ForecastOut(**one._asdict(), least_weeks=LEAST_WEEKS)
