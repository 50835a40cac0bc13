"""A school's own page: what is asked of it, whether it does it, why not, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from schoolbeat_server.next_steps import next_steps
from schoolbeat_server.plans_shown import GRADE_WORDS
from schoolbeat_server.said import Said
from schoolbeat_server.verdicts import Status, UnitVerdict, Verdict
from schoolbeat_server.web import province, site
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.plan_pages import Book
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.target_view import minutes_link

router = APIRouter(include_in_schema=False)

INCIDENTS = 4  # of a site: one of its path, one of its devices
UNITS = 6  # of a target that counts many units of the school, the first to look at


class Item(NamedTuple):
    """A target and those of the school's units that stand alike. more: how many are not shown."""

    verdict: Verdict
    units: list[tuple[UnitVerdict, str]]
    steps: list[Said]
    more: int


def items(mine: Sequence[tuple[Verdict, UnitVerdict]], status: Status) -> list[Item]:
    """Promises before profiles; variants and profiles last."""
    found: dict[tuple[str, str], tuple[Verdict, list[UnitVerdict]]] = {}
    for verdict, unit in mine:
        if unit.status == status:
            found.setdefault((verdict.plan.id, verdict.target.id), (verdict, []))[1].append(unit)
    rows = sorted(found.values(), key=lambda one: (one[0].plan.kind == "profile", bool(one[0].target.variant_of)))
    return [_item(verdict, units) for verdict, units in rows]


def _item(verdict: Verdict, units: list[UnitVerdict]) -> Item:
    link = minutes_link(verdict)
    steps = dict.fromkeys(step for unit in units for step in next_steps(verdict.target, unit))
    return Item(verdict, [(unit, link(unit)) for unit in units[:UNITS]], list(steps), max(0, len(units) - UNITS))


@router.get("/school/{ident}")
def school_page(request: Request, context: Context, book: Book, ident: str, lang: Lang = None) -> Response:
    say = speaker_of(request, context)
    seen = book.seen()
    school = seen.schools.get(ident)
    if school is None:
        raise HTTPException(404, say.t("error.no_school", id=ident[:40]))
    mine = seen.of_school.get(ident, ())
    with context.engine.connect() as connection:
        siblings = site.read_siblings(connection, ident)
        areas = province.read_areas(connection, context.now_ms())
        incidents = [
            one
            for site_id, _ in siblings
            for one in province.read_incidents(connection, site=site_id, open_only=True, limit=INCIDENTS)
        ]
    lists: dict[Status, list[Item]] = {status: items(mine, status) for status in ("missed", "unknown", "met")}
    return rendered(
        request,
        say,
        "school.html",
        school=school,
        area=areas.get(school.area),
        siblings=siblings,
        lists=lists,
        incidents=incidents,
        grades=GRADE_WORDS,
    )
