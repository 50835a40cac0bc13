"""The register as a workbook to take away. There is no login yet, so it is changed by the command only."""

from __future__ import annotations

import io
import threading
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Query, Response

from schoolbeat_server import register_export
from schoolbeat_server.local_time import local
from schoolbeat_server.web.server_view import Context

router = APIRouter(prefix="/api/v1/register", tags=["v1"])

_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_writing = threading.Lock()  # a large province takes seconds and memory: one at a time


@router.get(
    "/export.xlsx",
    response_class=Response,
    responses={200: {"content": {_XLSX: {}}, "description": "The workbook that `register load` takes back"}},
)
def export(
    context: Context,
    lang: Annotated[Literal["vi", "en"] | None, Query(description="Headings and words; absent: the server's")] = None,
) -> Response:
    """Everything the register holds, a sheet per section. There is no login yet: who reaches this server, which listens
    on loopback only, may read it."""
    if not _writing.acquire(blocking=False):
        raise HTTPException(503, "another export is being written: ask again in a minute", {"Retry-After": "60"})
    try:
        out = io.BytesIO()
        with context.engine.connect() as connection:
            register_export.to_xlsx(connection, out, lang or context.language)
    finally:
        _writing.release()
    name = f"schoolbeat-register-{local(context.now_ms()):%Y-%m-%d}.xlsx"
    return Response(out.getvalue(), media_type=_XLSX, headers={"Content-Disposition": f'attachment; filename="{name}"'})
