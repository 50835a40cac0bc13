"""Evidence packs and the inventory's reconciliation, to take away; one large thing is made at a time."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import IO, Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query, Response
from fastapi.responses import StreamingResponse

from schoolbeat_server import inventory_tables
from schoolbeat_server.evidence_pack import PackError, window_until, write_pack
from schoolbeat_server.local_time import local
from schoolbeat_server.sums import Sums
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.table_answers import Format, as_file

router = APIRouter(prefix="/api/v1", tags=["v1"])

_making = threading.Lock()
PIECE = 1 << 18
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
    """The verdict on the target's window that ends with that day, with everything that it rests on and a script that
    recomputes it. The same data gives the same bytes."""
    found = next((one for one in context.verdicts() if (one.plan.id, one.target.id) == (plan, target)), None)
    if found is None:
        raise HTTPException(404, f"plan {plan!r}, target {target!r}: not judged here; /api/v1/verdicts lists them")

    def read(site: str, signal: str, first: int, end: int) -> bytes:
        return context.read_minutes(site, [signal], first, end)[signal]

    with _alone():
        out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it was sent)
        try:
            window = window_until(found.target, last, context.now_ms())
            with context.engine.connect() as connection:
                made = write_pack(out, connection, found.plan, found.target, window, read, context.calendar())
        except PackError as error:
            out.close()
            raise HTTPException(422, error.said.en) from None
        except BaseException:
            out.close()
            raise
    headers = {
        "Content-Disposition": f'attachment; filename="schoolbeat-{plan}-{target}-{last}.zip"',
        "Content-Length": str(made.size),
        "X-SHA256": made.digest.hex(),
    }
    return StreamingResponse(_pieces(out), media_type="application/zip", headers=headers)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(PIECE):
            yield piece


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
