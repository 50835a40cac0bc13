"""The pages: each reads its rows in a few queries and hands them to its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException

from schoolbeat_server import issued, restored
from schoolbeat_server.proof import newest_proof
from schoolbeat_server.quarantine import read_waiting
from schoolbeat_server.school_calendar import date_of
from schoolbeat_server.web import exceptions, pictures, province, site_page, site_state
from schoolbeat_server.web.plan_book import PlanBook
from schoolbeat_server.web.province import Area, SiteRow
from schoolbeat_server.web.server_view import Context, WebContext, context_of
from schoolbeat_server.web.speaker import LANGUAGES, Speaker
from schoolbeat_server.web.texts import TEXTS
from schoolbeat_wire import bounds

router = APIRouter(include_in_schema=False)

ROWS = 25  # of a list on the first page
# Shown whole, with who misses them; further ones by a line each, profiles and variants on the page of plans only.
FRONT_TARGETS = 4
FRONT_LINES = 12
SITES = 60
INCIDENTS = 6
NOTICES = 5  # events; each has a notice per channel
NOTICE_ROWS = 40
HEARD_LATELY_MS = 180_000
ALL_NOTICES = 40
UNKNOWN_ROWS = 40
_COOKIE = "lang"
_COOKIE_SECONDS = 365 * 86_400

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_templates.filters["capitalize_first"] = lambda text: text[:1].upper() + text[1:]
Row = TypeVar("Row")

Name = Annotated[str, Query(max_length=40)]
Isp = Annotated[str, Query(max_length=60)]
Page = Annotated[int, Query(ge=1, le=10_000)]
StateOrAll = Literal["", "silent", "lost", "down", "faulty", "ok"]
Lang = Annotated[Literal["vi", "en"] | None, Query()]


def language_of(request: Request, context: WebContext) -> str:
    """Asked for in the address, else as chosen before, else the server's."""
    for asked in (request.query_params.get("lang"), request.cookies.get(_COOKIE)):
        if asked in LANGUAGES:
            return str(asked)
    return context.language


def speaker_of(request: Request, context: WebContext) -> Speaker:
    return Speaker(language_of(request, context), context.now_ms())


def rendered(request: Request, say: Speaker, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    context = context_of(request)
    text = _templates.get_template(template).render(
        say=say,
        t=say.t,
        other_language=_other_language(request, say),
        path=request.url.path,
        banner=context.banner,
        makes_reports=context.reports is not None,
        glyphs=site_state.STATE_GLYPHS,
        rung_glyphs=pictures.GLYPHS,
        **values,
    )
    response = HTMLResponse(text, status)
    if request.query_params.get("lang") in LANGUAGES:
        response.set_cookie(_COOKIE, say.language, max_age=_COOKIE_SECONDS, samesite="lax", httponly=True)
    return response


def _other_language(request: Request, say: Speaker) -> str:
    """This page's address in the other language."""
    kept = {key: value for key, value in request.query_params.items() if key != "lang"}
    return "?" + urlencode({**kept, "lang": "en" if say.language == "vi" else "vi"})


def error_page(request: Request, status: int, detail: str) -> HTMLResponse:
    say = speaker_of(request, context_of(request))
    key = f"error.{status}" if f"error.{status}" in TEXTS else "error.other"
    if detail in ("", HTTPStatus(status).phrase):  # nobody said more than the number does
        detail = say.t(f"{key}.help") if f"{key}.help" in TEXTS else ""
    return rendered(request, say, "error.html", status, heading=say.t(key), detail=detail)


def invalid_page(request: Request, problems: Sequence[Mapping[str, Any]]) -> HTMLResponse:
    """Names each parameter, what was given and what is allowed. problems: as pydantic lists them."""
    say = speaker_of(request, context_of(request))
    return error_page(request, 422, "; ".join(_problem(one, say) for one in problems))


def _problem(one: Mapping[str, Any], say: Speaker) -> str:
    kind, bounds_ = str(one["type"]), one.get("ctx", {})
    key = f"invalid.{kind}" if f"invalid.{kind}" in TEXTS else "invalid.other"
    allowed = next((bounds_[name] for name in ("ge", "le", "max_length", "expected") if name in bounds_), "")
    given = str(one.get("input"))[:60]
    return say.t(key, name=".".join(str(part) for part in one["loc"][1:]), given=given, allowed=allowed)


# ---- lists and filters -------------------------------------------------------------------------------------


def _slice(rows: Sequence[Row], page: int, size: int, say: Speaker) -> tuple[Sequence[Row], int]:
    """The rows of a page, and how many pages there are."""
    pages = max(1, -(-len(rows) // size))
    if page > pages:
        raise HTTPException(404, say.t("error.no_page", page=page, pages=pages))
    return rows[(page - 1) * size : page * size], pages


def _filtered(
    sites: list[SiteRow], areas: dict[str, Area], isps: list[str], commune: str, isp: str, say: Speaker
) -> list[SiteRow]:
    if commune and commune not in areas:
        raise HTTPException(400, say.t("error.no_area", id=commune))
    if isp and isp not in isps:
        raise HTTPException(400, say.t("error.no_isp", id=isp))
    wanted = province.within(areas, commune) if commune else None
    return [row for row in sites if (wanted is None or row.area in wanted) and (not isp or isp in row.isps)]


def query_of(**values: object) -> str:
    return "?" + urlencode({key: value for key, value in values.items() if value})


# ---- the province ------------------------------------------------------------------------------------------


@router.get("/")
def province_page(
    request: Request, context: Context, commune: Name = "", isp: Isp = "", page: Page = 1, lang: Lang = None
) -> Response:
    say = speaker_of(request, context)
    with context.engine.connect() as connection:
        sites = province.read_sites(connection)
        areas = province.read_areas(connection, context.now_ms())
        isps = province.read_isps(connection)
        incidents = province.read_incidents(connection, open_only=True, limit=INCIDENTS + 1)
        notices = province.by_event(province.read_notices(connection, limit=NOTICE_ROWS))[:NOTICES]
        revised = issued.revised_lately(connection, say.now_ms - issued.SHOWN_MS)
    chosen = _filtered(sites, areas, isps, commune, isp, say)
    everything = context.verdicts()
    promised = [one for one in everything if one.plan.kind == "plan" and not one.target.variant_of]
    promised.sort(key=lambda one: one.status == "not_applicable")
    front = promised[:FRONT_TARGETS]
    missing = exceptions.missing(front, chosen)
    unknown = exceptions.unknown(front, chosen)
    rows, pages = _slice(missing, page, ROWS, say)
    return rendered(
        request,
        say,
        "province.html",
        province=next((area.name for area in areas.values() if area.kind == "province"), say.t("province.title")),
        sites=sites,
        satellites={row.id for row in sites if row.kind != "main"},
        counts=province.count_states(sites),
        heard_ms=max((row.heard_ms for row in sites if row.heard_ms is not None), default=None),
        heard_count=sum(row.heard_ms is not None and row.heard_ms > say.now_ms - HEARD_LATELY_MS for row in sites),
        verdicts=front,
        further=promised[FRONT_TARGETS : FRONT_TARGETS + FRONT_LINES],
        targets_count=len(everything),
        plans_count=len({one.plan.id for one in everything}),
        revised=revised,
        revised_why=issued.WHY_WORDS,
        incidents=incidents[:INCIDENTS],
        open_count=sum(row.state in ("lost", "down", "faulty") for row in sites),
        notices=notices,
        rows=rows,
        count=len(missing),
        page=page,
        pages=pages,
        unknown=unknown[:UNKNOWN_ROWS],
        unknown_count=len(unknown),
        areas=_communes(areas),
        isps=isps,
        commune=commune,
        isp=isp,
        bar=pictures.share_bar,
        query=query_of,
    )


def _communes(areas: dict[str, Area]) -> list[Area]:
    return [area for area in areas.values() if area.kind != "province"]


@router.get("/sites")
def sites_page(
    request: Request,
    context: Context,
    commune: Name = "",
    isp: Isp = "",
    state: Annotated[StateOrAll, Query()] = "",
    page: Page = 1,
    lang: Lang = None,
) -> Response:
    say = speaker_of(request, context)
    with context.engine.connect() as connection:
        sites = province.read_sites(connection)
        areas = province.read_areas(connection, context.now_ms())
        isps = province.read_isps(connection)
    chosen = _filtered(sites, areas, isps, commune, isp, say)
    counts = province.count_states(chosen)
    shown = [row for row in chosen if not state or row.state == state]
    rows, pages = _slice(shown, page, SITES, say)
    return rendered(
        request,
        say,
        "sites.html",
        rows=rows,
        count=len(shown),
        counts=counts,
        page=page,
        pages=pages,
        areas=_communes(areas),
        isps=isps,
        commune=commune,
        isp=isp,
        state=state,
        states=site_state.STATES,
        query=query_of,
    )


# ---- one site ----------------------------------------------------------------------------------------------


@router.get("/site/{ident}")
def one_site_page(request: Request, context: Context, ident: str, lang: Lang = None) -> Response:
    say = speaker_of(request, context)
    if not bounds.NAME.fullmatch(ident):
        raise HTTPException(404, say.t("error.no_site", id=ident[:40]))
    seen = site_page.read(context, ident, say)
    if seen is None:
        raise HTTPException(404, say.t("error.no_site", id=ident))
    book: PlanBook = request.app.state.plan_book
    mine = exceptions.of_site(book.of_school(seen.site.school), ident)
    return rendered(request, say, "site.html", seen=seen, verdicts=mine)


# ---- the others --------------------------------------------------------------------------------------------


@router.get("/notices")
def notices_page(
    request: Request,
    context: Context,
    delivery: Annotated[Literal["", "waiting", "sent", "refused"], Query()] = "",
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    lang: Lang = None,
) -> Response:
    say = speaker_of(request, context)
    with context.engine.connect() as connection:
        rows = province.read_notices(connection, delivery=delivery or None, before=before, limit=ALL_NOTICES + 1)
    older = rows[ALL_NOTICES - 1].id if len(rows) > ALL_NOTICES else None
    return rendered(
        request, say, "notices.html", notices=rows[:ALL_NOTICES], older=older, delivery=delivery, query=query_of
    )


@router.get("/about")
def about_page(request: Request, context: Context, lang: Lang = None) -> Response:
    with context.engine.connect() as connection:
        aside = province.count_aside(connection)
        waiting = read_waiting(connection)
        proof = newest_proof(connection)
        back = restored.shown(connection)
    speaker = speaker_of(request, context)
    kept = {"days": context.report_days, "proof": proof and (date_of(proof[0]).isoformat(), proof[1].hex())}
    return rendered(
        request, speaker, "about.html", health=context.health(), aside=aside, waiting=waiting, kept=kept, restored=back
    )
