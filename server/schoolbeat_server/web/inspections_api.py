"""Inspections over the JSON API and as pages: entered, answered, read with the snapshot that was frozen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, select

from schoolbeat_server import inspections, schema
from schoolbeat_server.inspection_making import Entry, InspectionError, add_word, record
from schoolbeat_server.inspection_snapshot import photograph
from schoolbeat_server.inspections import KIND_WORDS, STATE_WORDS, WORD_WORDS, Inspection
from schoolbeat_server.said import Said
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.reports_api import FromHere
from schoolbeat_server.web.server_view import Context, WebContext

router = APIRouter(prefix="/api/v1", tags=["v1"])
pages_router = APIRouter(include_in_schema=False)

ROWS = 50
Ident = Annotated[int, Path(ge=1, le=2**53)]


class InspectionIn(BaseModel):
    """A digital one freezes what the pages say now, and is entered on the day it is held."""

    model_config = ConfigDict(extra="forbid")
    school: str = Field(max_length=40)
    site: str = Field("", max_length=40, description="Empty for all sites of the school")
    kind: Literal["digital", "on_site"]
    held_on: str = Field("", max_length=40, description="ISO date; empty for today")
    inspector: str = Field(max_length=1_000)
    scope: str = Field(max_length=10_000)
    findings: str = Field("", max_length=100_000)


class WordIn(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["finding", "reply", "closed", "withdrawn"]
    author: str = Field(max_length=1_000)
    text: str = Field(max_length=100_000)


class WordOut(BaseModel):
    kind: str
    author: str
    text: str
    at_ms: int
    who: str


class InspectionOut(BaseModel):
    id: int
    school: str
    site: str
    kind: str
    held_on: str
    inspector: str
    scope: str
    findings: str
    state: str = Field(description="open | replied | closed | withdrawn")
    created_ms: int
    who: str
    snapshot_sha256: str | None = Field(description="Of /api/v1/inspections/{id}/snapshot.json; null: on site")
    words: list[WordOut]


def _out(one: Inspection) -> InspectionOut:
    return InspectionOut(
        id=one.id,
        school=one.school,
        site=one.site,
        kind=one.kind,
        held_on=one.held_on.isoformat(),
        inspector=one.inspector,
        scope=one.scope,
        findings=one.findings,
        state=one.state,
        created_ms=one.created_ms,
        who=one.who,
        snapshot_sha256=None if one.digest is None else one.digest.hex(),
        words=[WordOut(**word._asdict()) for word in one.words],
    )


@router.get("/inspections", response_model=list[InspectionOut])
def listed(
    context: Context,
    school: Annotated[str | None, Query(max_length=40)] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = ROWS,
) -> list[InspectionOut]:
    """The newest first."""
    with context.engine.connect() as connection:
        found = inspections.read_inspections(connection, school=school, before=before, limit=limit)
    return [_out(one) for one in found]


@router.post("/inspections", response_model=InspectionOut, status_code=201)
def enter(context: Context, _here: FromHere, body: InspectionIn) -> InspectionOut:
    """There is no login yet: who reaches this server, which listens on loopback only, may do this."""

    def now(connection: Connection, school: str, site: str) -> dict[str, Any]:
        return photograph(connection, school, site, context.verdicts(), _read(context), context.now_ms())

    try:
        ident = record(context.engine, Entry(**body.model_dump()), "api", context.now_ms(), now)
    except InspectionError as error:
        raise HTTPException(422, [error.said.en]) from None
    return _out(_one(context, ident))


def _read(context: WebContext) -> Any:
    return lambda site, signals, first, end: context.read_minutes(site, signals, first, end)


@router.get("/inspections/{ident}", response_model=InspectionOut)
def one(context: Context, ident: Ident) -> InspectionOut:
    return _out(_one(context, ident))


@router.post("/inspections/{ident}/words", response_model=InspectionOut, status_code=201)
def say(context: Context, _here: FromHere, ident: Ident, body: WordIn) -> InspectionOut:
    """Adds a finding, the school's reply, the end; nothing said before is changed."""
    _one(context, ident)
    try:
        add_word(context.engine, ident, body.kind, body.author, body.text, "api", context.now_ms())
    except InspectionError as error:
        raise HTTPException(422, [error.said.en]) from None
    return _out(_one(context, ident))


@router.get("/inspections/{ident}/snapshot.json", response_class=Response)
def snapshot(context: Context, ident: Ident) -> Response:
    """The very bytes that the digest is of."""
    with context.engine.connect() as connection:
        found = inspections.read_snapshot(connection, ident)
    if found is None:
        raise HTTPException(404, f"inspection {ident}: there is none, or it has no snapshot")
    if not found.intact:
        raise HTTPException(500, f"inspection {ident}: the snapshot no longer has its SHA-256; restore it")
    name = f'attachment; filename="schoolbeat-inspection-{ident}.json"'
    return Response(found.text, media_type="application/json", headers={"Content-Disposition": name})


def _one(context: WebContext, ident: int) -> Inspection:
    with context.engine.connect() as connection:
        found = inspections.read_inspection(connection, ident)
    if found is None:
        raise HTTPException(404, f"there is no inspection {ident}; /api/v1/inspections lists them")
    return found


# ---- pages -------------------------------------------------------------------------------------------------

WORDS = {
    "title": Said("Biên bản kiểm tra", "Inspections"),
    "one": Said("Biên bản kiểm tra số", "Inspection"),
    "intro": Said(
        "Kiểm tra qua môi trường số giữ lại những gì các trang nói lúc ấy, cùng mã SHA-256; điều nói sau chỉ được thêm"
        " vào. Ghi bằng lệnh schoolbeat-server inspection add hoặc qua API.",
        "A digital inspection keeps what the pages said at that moment, with its SHA-256; what is said later is only"
        " added. Enter one with schoolbeat-server inspection add or over the API.",
    ),
    "held": Said("Ngày kiểm tra", "Held on"),
    "kind": Said("Cách kiểm tra", "How"),
    "school": Said("Trường", "School"),
    "place": Said("Điểm trường", "Site"),
    "whole": Said("cả trường", "the whole school"),
    "inspector": Said("Người kiểm tra", "Inspector"),
    "scope": Said("Nội dung", "Scope"),
    "findings": Said("Nhận xét, kiến nghị", "Findings"),
    "no_findings": Said("Chưa ghi.", "None entered."),
    "state": Said("Tình trạng", "State"),
    "entered": Said("Ghi vào lúc", "Entered"),
    "after": Said("Ý kiến sau đó", "What was said since"),
    "snapshot": Said("Bản chụp số liệu lúc kiểm tra", "What the pages said then"),
    "intact": Said("Bản chụp còn đúng như lúc ghi; mã SHA-256", "The snapshot is as it was frozen; SHA-256"),
    "broken": Said(
        "Bản chụp KHÔNG còn khớp mã SHA-256 đã giữ; hãy khôi phục từ bản sao lưu. Mã đã giữ",
        "The snapshot NO LONGER has the SHA-256 that was kept; restore it from a backup. Kept was",
    ),
    "download": Said("Tải bản chụp (JSON)", "Download the snapshot (JSON)"),
    "none": Said("Chưa ghi cuộc kiểm tra nào.", "No inspection is entered yet."),
    "on_site": Said("Kiểm tra tại trường không có bản chụp.", "An inspection on site has no snapshot."),
    "verdict": Said("Kết luận", "Verdict"),
    "target": Said("Chỉ tiêu", "Target"),
    "reason": Said("Lý do", "Why"),
    "outages": Said("Đoạn gián đoạn đang mở", "Outages open"),
    "since": Said("Từ", "Since"),
}


def _words_shown() -> dict[str, Any]:
    return {"words": WORDS, "kinds": KIND_WORDS, "states": STATE_WORDS, "said": WORD_WORDS}


@pages_router.get("/inspections")
def list_page(
    request: Request, context: Context, before: Annotated[int | None, Query(ge=1, le=2**53)] = None, lang: Lang = None
) -> Response:
    with context.engine.connect() as connection:
        rows = inspections.read_inspections(connection, before=before, limit=ROWS + 1)
        names = _names(connection)
    older = rows[ROWS - 1].id if len(rows) > ROWS else None
    say = speaker_of(request, context)
    return rendered(request, say, "inspections.html", rows=rows[:ROWS], older=older, names=names, **_words_shown())


@pages_router.get("/inspections/{ident}")
def one_page(request: Request, context: Context, ident: Ident, lang: Lang = None) -> Response:
    with context.engine.connect() as connection:
        found = inspections.read_inspection(connection, ident)
        frozen = inspections.read_snapshot(connection, ident)
        names = _names(connection)
    if found is None:
        raise HTTPException(404)
    seen = json.loads(frozen.text) if frozen is not None and frozen.intact else None
    say = speaker_of(request, context)
    return rendered(
        request,
        say,
        "inspection.html",
        one=found,
        frozen=frozen,
        seen=seen,
        names=names,
        names_in=_names_in,
        by_state=_by_state,
        **_words_shown(),
    )


def _names_in(site: Mapping[str, Any]) -> dict[str, str]:
    """By signal, as the devices were called then."""
    return {f"device.{one['id']}": one["name"] for one in site["devices"] if one["name"]}


def _by_state(site: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """The snapshot's devices, those that ask for a look first."""
    found = [(state, [one for one in site["devices"] if one["state"] == state]) for state in _WORST_FIRST]
    return [(state, devices) for state, devices in found if devices]


_WORST_FIRST = ("down", "part", "off", "unknown", "up")


def _names(connection: Connection) -> dict[str, str]:
    """Of schools and sites."""
    school, site = schema.school.c, schema.site.c
    found = {row.id: row.name for row in connection.execute(select(site.id, site.name))}
    return found | {row.id: row.name for row in connection.execute(select(school.id, school.name))}
