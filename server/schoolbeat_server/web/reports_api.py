"""Reports as pages and files at once, or in the background by a job that tells how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schoolbeat_server import paper, report_choice, report_files, report_jobs
from schoolbeat_server.local_time import local
from schoolbeat_server.report_choice import Choice
from schoolbeat_server.report_facts import KINDS, Kind, Refused, checked_period
from schoolbeat_server.report_jobs import STATE_WORDS, Busy, Desk, Job, JobKind, Wanted
from schoolbeat_server.reports import Report
from schoolbeat_server.said import Said
from schoolbeat_server.web.pages import Lang, invalid_page, rendered, speaker_of
from schoolbeat_server.web.server_view import Context, WebContext, context_of
from schoolbeat_server.web.speaker import Speaker

pages_router = APIRouter(include_in_schema=False)
router = APIRouter(prefix="/api/v1", tags=["v1"])

Format = Literal["html", "pdf", "xlsx", "csv", "json"]
Ident = Annotated[
    str, Query(alias="id", min_length=1, max_length=60, description="Of the area, the school; an ISP's name")
]
First = Annotated[date, Query(alias="from", description="A local day, 2026-11-01")]
Last = Annotated[date, Query(alias="to", description="The last day, included")]
MOST_FORM_BYTES = 4_096
Number = Annotated[int, Path(ge=1, le=2**53)]


JOB_KINDS: tuple[JobKind, ...] = (*KINDS, "evidence")
MOST_OFFERED = 300  # in one list; more are searched by name


class JobIn(BaseModel):
    """first_day: of reports; an evidence pack is of its target's own window, and always a zip."""

    model_config = ConfigDict(extra="forbid")
    kind: JobKind
    id: str = Field(min_length=1, max_length=130, description="PLAN/TARGET of an evidence pack")
    first_day: date | None = None
    last_day: date
    format: Format = "pdf"
    language: Literal["vi", "en"] = "vi"


def from_here(request: Request) -> None:
    """A page of somebody else's must not make a reader's browser ask for work: browsers say where a POST comes from."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise HTTPException(403, speaker_of(request, context_of(request)).t("reports.foreign"))


FromHere = Annotated[None, Depends(from_here)]


def _desk(context: WebContext) -> Desk:
    if context.reports is None:
        raise HTTPException(404, "this server makes no reports")
    return context.reports


def _status(refused: Refused) -> int:
    return 404 if refused.missing else 400


def _made(context: WebContext, say: Speaker, kind: Kind, ident: str, first: date, last: date) -> Report:
    try:
        return _desk(context).report(kind, ident, checked_period(first, last, context.now_ms()))
    except Refused as refused:
        raise HTTPException(_status(refused), refused.said.to(say.language)) from None
    except Busy:
        raise HTTPException(503, say.t("reports.busy"), {"Retry-After": "60"}) from None


def _file(context: WebContext, say: Speaker, report: Report, form: str) -> Response:
    made = report_files.FORMATS[form]
    try:
        data = made.make(report, _desk(context).office, say.language)
    except Refused as refused:
        raise HTTPException(503, refused.said.to(say.language)) from None
    name = report_files.file_name(report, form)
    return Response(data, media_type=made.media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


# ---- pages -------------------------------------------------------------------------------------------------


@pages_router.get("/reports/paper.css")
def style() -> Response:
    return FileResponse(paper.STYLE, media_type="text/css")


@pages_router.get("/reports/{kind}")
def report_page(
    request: Request,
    context: Context,
    kind: Kind,
    ident: Ident,
    first: First,
    last: Last,
    form: Annotated[Format, Query(alias="format")] = "html",
    lang: Lang = None,
) -> Response:
    """The report to look at, or as a file to take away."""
    say = speaker_of(request, context)
    report = _made(context, say, kind, ident, first, last)
    if form != "html":
        return _file(context, say, report, form)
    asked = {"id": ident, "from": first.isoformat(), "to": last.isoformat(), "lang": say.language}
    downloads = [
        (one.upper(), f"/reports/{kind}?{urlencode({**asked, 'format': one})}")
        for one in report_files.FORMATS
        if one != "html"
    ]
    html = paper.to_html(
        report, _desk(context).office, say.language, downloads=[*downloads, (say.t("reports.title"), "/reports")]
    )
    return Response(html, media_type="text/html; charset=utf-8")


Typed = Annotated[str, Query(alias="id", max_length=200)]


@pages_router.get("/reports")
def reports_page(
    request: Request,
    context: Context,
    kind: JobKind = "area",
    typed: Typed = "",
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    form: Annotated[Format, Query(alias="format")] = "pdf",
    fresh: bool = False,
    lang: Lang = None,
) -> Response:
    """typed: what somebody is looking for; several that it may mean are offered. fresh: all are, by the boundaries of
    the period's last day."""
    say = speaker_of(request, context)
    yesterday = local(context.now_ms()).date() - timedelta(1)
    desk = _desk(context)
    jobs = desk.jobs()
    known = _choices(context, kind, last or yesterday)
    found = report_choice.meant(known, typed) if typed and not fresh else []
    typed = typed if not fresh else ""
    return rendered(
        request,
        say,
        "reports.html",
        jobs=jobs,
        names=_names(context, jobs),
        going=any(job.state in ("waiting", "running") for job in jobs) and not typed,
        state_words=STATE_WORDS,
        days=report_jobs.KEPT_MS // 86_400_000,
        kinds=JOB_KINDS,
        kind=kind,
        known=known,
        listed=len(known) <= MOST_OFFERED,
        groups=list(dict.fromkeys(one.group for one in known)),
        typed=typed,
        found=found[: report_choice.MOST_FOUND],
        found_count=len(found),
        formats=list(report_files.FORMATS),
        form=form,
        first=(first or yesterday.replace(day=1)).isoformat(),
        last=(last or yesterday).isoformat(),
        latest=yesterday.isoformat(),
    )


def _names(context: WebContext, jobs: Sequence[Job]) -> dict[tuple[JobKind, str], Said]:
    with context.engine.connect() as connection:
        return report_choice.names(connection, _desk(context).plans, {(job.kind, job.ident) for job in jobs})


def _choices(context: WebContext, kind: JobKind, day: date) -> list[Choice]:
    with context.engine.connect() as connection:
        return report_choice.choices(connection, _desk(context).plans, kind, day.isoformat())


def _meant(context: WebContext, kind: JobKind, typed: str, day: date) -> str | None:
    """The id, if the words mean one thing only by the register of that day."""
    found = report_choice.meant(_choices(context, kind, day), typed)
    return found[0].id if len(found) == 1 else None


@pages_router.get("/reports/look/at")
def look(
    context: Context,
    kind: Kind,
    typed: Typed,
    first: First,
    last: Last,
    form: Annotated[Format, Query(alias="format")] = "html",
) -> Response:
    """Where the form of the page of reports leads: to the report, or back if the name means none or several."""
    asked = {"from": first.isoformat(), "to": last.isoformat(), "format": form}
    ident = _meant(context, kind, typed, last)
    if ident is None:
        return RedirectResponse(f"/reports?{urlencode({'kind': kind, 'id': typed, **asked})}#ask", 303)
    return RedirectResponse(f"/reports/{kind}?{urlencode({'id': ident, **asked})}", 303)


async def _form(request: Request) -> dict[str, str]:
    """A form's fields, each once; no file comes, so nothing is installed to read forms with."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise HTTPException(413, f"the form has more than the {MOST_FORM_BYTES} bytes that are allowed")
    return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=20))


@pages_router.post("/reports")
def ask_page(
    request: Request, context: Context, _here: FromHere, form: Annotated[dict[str, str], Depends(_form)]
) -> Response:
    """Asks for a report in the background, as POST /api/v1/report-jobs does."""
    say = speaker_of(request, context)
    given = {"id": "id", "kind": "kind", "from": "first_day", "to": "last_day", "format": "format"}
    try:
        body = JobIn(**{given[name]: value for name, value in form.items() if name in given}, language=say.language)  # type: ignore[arg-type]
        ident = _meant(context, body.kind, body.id, body.last_day)
        if ident is None:
            asked = {name: form[name] for name in given if name in form}
            return RedirectResponse(f"/reports?{urlencode(asked)}#ask", 303)
        _asked(context, body.model_copy(update={"id": ident}))
    except ValidationError as error:
        return invalid_page(request, [{**one, "loc": ("form", *one["loc"])} for one in error.errors()])
    except Refused as refused:
        raise HTTPException(_status(refused), refused.said.to(say.language)) from None
    return RedirectResponse("/reports#jobs", 303)


def _asked(context: WebContext, body: JobIn) -> Job:
    """Raises Refused."""
    desk = _desk(context)
    if body.kind == "evidence":
        return desk.ask(desk.wanted_pack(body.id, body.last_day, body.language))
    if body.first_day is None:
        raise Refused("first_day: cần ngày đầu của kỳ báo cáo", "first_day: a report needs the first day of its period")
    first, last = checked_period(body.first_day, body.last_day, context.now_ms())
    return desk.ask(Wanted(body.kind, body.id, first.isoformat(), last.isoformat(), body.format, body.language))


# ---- the API -----------------------------------------------------------------------------------------------


class JobOut(BaseModel):
    """kind evidence: id is PLAN/TARGET. step: of `steps`. file: where to fetch it, while it is kept; sha256: its
    digest."""

    job: int
    kind: str
    id: str
    first_day: str
    last_day: str
    format: str
    language: str
    state: str = Field(description="waiting | running | done | failed")
    step: int
    steps: int
    asked_ms: int
    done_ms: int | None
    file: str | None
    name: str
    bytes: int
    sha256: str
    error: str


def _out(desk: Desk, job: Job) -> JobOut:
    there = desk.file(job) is not None
    kept = (
        "kind",
        "first_day",
        "last_day",
        "format",
        "language",
        "state",
        "step",
        "steps",
        "asked_ms",
        "done_ms",
        "name",
        "bytes",
        "sha256",
    )
    return JobOut(
        **{name: getattr(job, name) for name in kept},
        job=job.id,
        id=job.ident,
        file=f"/api/v1/report-jobs/{job.id}/file" if there else None,
        error=job.error_en,
    )


@router.get("/reports/{kind}", response_class=Response)
def report_file(
    context: Context,
    kind: Kind,
    ident: Ident,
    first: First,
    last: Last,
    form: Annotated[Format, Query(alias="format")] = "json",
    lang: Lang = None,
) -> Response:
    """The report at once: whole in JSON, both languages, or as a file. One is made at a time; 503 says to come back."""
    say = Speaker(lang or context.language, context.now_ms())
    return _file(context, say, _made(context, say, kind, ident, first, last), form)


@router.get("/report-jobs", response_model=list[JobOut])
def jobs(context: Context) -> list[JobOut]:
    """The newest first."""
    desk = _desk(context)
    return [_out(desk, job) for job in desk.jobs()]


@router.post("/report-jobs", response_model=JobOut, status_code=202)
def ask(context: Context, _here: FromHere, body: JobIn) -> JobOut:
    """Asks for a report or an evidence pack in the background. There is no login yet: who reaches this server, which
    listens on loopback only, may do this."""
    try:
        return _out(_desk(context), _asked(context, body))
    except Refused as refused:
        raise HTTPException(_status(refused), refused.said.en) from None


def _known(desk: Desk, number: int) -> Job:
    job = desk.job(number)
    if job is None:
        raise HTTPException(
            404, f"report job {number}: there is none, or it was deleted; /api/v1/report-jobs lists them"
        )
    return job


@router.get("/report-jobs/{number}", response_model=JobOut)
def one_job(context: Context, number: Number) -> JobOut:
    desk = _desk(context)
    return _out(desk, _known(desk, number))


@router.get("/report-jobs/{number}/file", response_class=Response)
def job_file(context: Context, number: Number) -> Response:
    desk = _desk(context)
    job = _known(desk, number)
    path = desk.file(job)
    if path is None:
        raise HTTPException(409, f"report job {number} is {job.state}: it has no file")
    media = report_files.FORMATS[job.format].media_type if job.format in report_files.FORMATS else "application/zip"
    return FileResponse(path, media_type=media, filename=job.name, headers={"X-SHA256": job.sha256})
