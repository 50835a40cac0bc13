"""Reports as pages and files at once, or in the background by a job that tells how far it is."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from fastapi.responses import FileResponse, RedirectResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schoolbeat_server import paper, report_files, report_jobs
from schoolbeat_server.local_time import local
from schoolbeat_server.report_facts import KINDS, Kind, Period, Refused, checked_period
from schoolbeat_server.report_jobs import STATE_WORDS, STEPS, Busy, Desk, Job, Wanted
from schoolbeat_server.reports import Report
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


class JobIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Kind
    id: str = Field(min_length=1, max_length=60)
    first_day: date
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


@pages_router.get("/reports")
def reports_page(request: Request, context: Context, lang: Lang = None) -> Response:
    say = speaker_of(request, context)
    yesterday = local(context.now_ms()).date() - timedelta(1)
    jobs = _desk(context).jobs()
    return rendered(
        request,
        say,
        "reports.html",
        jobs=jobs,
        going=any(job.state in ("waiting", "running") for job in jobs),
        state_words=STATE_WORDS,
        steps=STEPS,
        days=report_jobs.KEPT_MS // 86_400_000,
        kinds=KINDS,
        formats=list(report_files.FORMATS),
        first=yesterday.replace(day=1).isoformat(),
        last=yesterday.isoformat(),
    )


@pages_router.get("/reports/look/at")
def look(
    kind: Kind, ident: Ident, first: First, last: Last, form: Annotated[Format, Query(alias="format")] = "html"
) -> Response:
    """Where the form of the page of reports leads."""
    asked = {"id": ident, "from": first.isoformat(), "to": last.isoformat(), "format": form}
    return RedirectResponse(f"/reports/{kind}?{urlencode(asked)}", 303)


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
        period = checked_period(body.first_day, body.last_day, context.now_ms())
        _desk(context).ask(_wanted(body.kind, body.id, period, body.format, say.language))
    except ValidationError as error:
        return invalid_page(request, [{**one, "loc": ("form", *one["loc"])} for one in error.errors()])
    except Refused as refused:
        raise HTTPException(_status(refused), refused.said.to(say.language)) from None
    return RedirectResponse("/reports", 303)


def _wanted(kind: Kind, ident: str, period: Period, form: str, language: str) -> Wanted:
    return Wanted(kind, ident, period.first.isoformat(), period.last.isoformat(), form, language)


# ---- the API -----------------------------------------------------------------------------------------------


class JobOut(BaseModel):
    """step: of `steps`. file: where to fetch it, while it is kept; sha256: of that file."""

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
        steps=STEPS,
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
    """Asks for a report in the background. There is no login yet: who reaches this server, which listens on loopback
    only, may do this."""
    desk = _desk(context)
    try:
        period = checked_period(body.first_day, body.last_day, context.now_ms())
        return _out(desk, desk.ask(_wanted(body.kind, body.id, period, body.format, body.language)))
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
    return FileResponse(path, media_type=report_files.FORMATS[job.format].media_type, filename=job.name)
