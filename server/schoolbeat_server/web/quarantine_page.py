"""The page of reports whose times cannot be believed: what waits for an operator, who decided what and why."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from schoolbeat_server import decided
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.server_view import Context

router = APIRouter(include_in_schema=False)

ROWS = 50


@router.get("/quarantine")
def quarantine_page(
    request: Request,
    context: Context,
    all: bool = False,  # noqa: A002
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    lang: Lang = None,
) -> Response:
    with context.engine.connect() as connection:
        rows = decided.read_held(connection, waiting=not all, before=before, limit=ROWS + 1)
    older = rows[ROWS - 1].id if len(rows) > ROWS else None
    say = speaker_of(request, context)
    return rendered(request, say, "quarantine.html", rows=rows[:ROWS], older=older, everything=all)
