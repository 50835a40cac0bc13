"""Evidence packs that were made, and the inventory's reconciliation, to take away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import FileResponse

from schoolbeat_server import inventory_tables
from schoolbeat_server.local_time import local
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.sums import Sums
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.table_answers import Format, as_file

router = APIRouter(prefix="/api/v1", tags=["v1"])

_making = threading.Lock()
Id = Annotated[str, Path(max_length=60)]


@contextmanager
def _alone() -> Iterator[None]:
    if not _making.acquire(blocking=False):
        raise HTTPException(503, "another one is being made: ask again in a minute", {"Retry-After": "60"})
    try:
        yield
    finally:
        _making.release()


@router.get(
    "/evidence/{plan}/{target}.zip",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "X-SHA256 is the digest of the zip"}},
)
def pack(
    context: Context,
    plan: Id,
    target: Id,
    last: Annotated[date, Query(description="Last local day of the target's window; it must be over")],
) -> Response:
    """The pack that was made in the background: the verdict on the target's window that ends with that day, with
    everything that it rests on and a script that recomputes it. 404: nobody asked for it (or it was deleted): POST
    /api/v1/report-jobs does; 409: it is being made."""
    desk = context.reports
    if desk is None:
        raise HTTPException(404, "this server makes no evidence packs")
    ident = f"{plan}/{target}"
    try:
        desk.wanted_pack(ident, last, context.language)
    except Refused as refused:
        raise HTTPException(404 if refused.missing else 422, refused.said.en) from None
    job = desk.pack_of(ident, last)
    path = None if job is None else desk.file(job)
    if job is None or (path is None and job.state == "done"):
        raise HTTPException(
            404, f'not made yet: POST /api/v1/report-jobs {{"kind": "evidence", "id": "{ident}", "last_day": "{last}"}}'
        )
    if path is None:
        said = f"report job {job.id} is {job.state}: step {job.step} of {job.steps}"
        raise HTTPException(409, said, {"Retry-After": "5"})
    return FileResponse(path, media_type="application/zip", filename=job.name, headers={"X-SHA256": job.sha256})


@router.get("/inventory/{table}", response_class=Response)
def inventory(
    context: Context,
    table: Literal["schools", "areas", "things", "missing"],
    school: Annotated[str, Query(max_length=40)] = "",
    area: Annotated[str, Query(max_length=40)] = "",
    form: Annotated[Format, Query(alias="format")] = "json",
    lang: Literal["vi", "en"] | None = None,
) -> Response:
    """Found, declared and booked side by side; ghosts by the ledger of the last 30 whole days."""
    desk = context.reports
    if desk is None:
        raise HTTPException(404, "this server makes no tables of the inventory")
    with _alone():
        try:
            with context.engine.connect() as connection, context.engine.connect() as summed:
                sums = Sums(summed, desk.ledger, context.calendar())
                told = inventory_tables.gather(connection, sums, context.now_ms(), school, area)
        except inventory_tables.Refused as error:
            raise HTTPException(404, error.said.en) from None
        made = inventory_tables.TABLES[table](told)
        day = local(context.now_ms()).date().isoformat()
        return as_file(made, form, lang or context.language, day, [("", made.note.to(lang or context.language))])
