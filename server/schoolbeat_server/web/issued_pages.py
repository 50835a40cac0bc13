"""The pages of verdicts as they were issued, with their revisions and the digests that they rest on."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, Engine

from schoolbeat_server import issued, register_digest
from schoolbeat_server.issued import Issue
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_of
from schoolbeat_server.stamp import Stamp, stamp
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.server_view import Context

router = APIRouter(include_in_schema=False)

ROWS = 50


def stamp_of(context: Context, one: Issue) -> Stamp:
    """Of all sites and the verdict's days, as it stood when the verdict was issued."""
    return _stamp(context.engine, day_of(one.first_minute), day_of(one.end_minute - 1) + 1, one.issued_ms)


@lru_cache(maxsize=64)
def _stamp(engine: Engine, first_day: int, end_day: int, at_ms: int) -> Stamp:
    """Read once: what stood at a time does not change, and a year of a province is half a million digests."""
    with engine.connect() as connection:
        return stamp(connection, None, first_day, end_day, at_ms)._replace(days=())


@router.get("/verdicts")
def issued_list(
    request: Request,
    context: Context,
    revised: bool = False,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    lang: Lang = None,
) -> Response:
    with context.engine.connect() as connection:
        rows = issued.read_issues(connection, revised=revised, before=before, limit=ROWS + 1)
    older = rows[ROWS - 1].id if len(rows) > ROWS else None
    names = {(one.plan.id, one.target.id): one.target.name for one in context.verdicts()}
    return rendered(
        request,
        speaker_of(request, context),
        "verdicts.html",
        rows=rows[:ROWS],
        older=older,
        revised=revised,
        names=names,
        why=issued.WHY_WORDS,
    )


@router.get("/verdicts/{ident}")
def issued_page(
    request: Request, context: Context, ident: Annotated[int, Path(ge=1, le=2**53)], lang: Lang = None
) -> Response:
    """One of them, as it was said then."""
    with context.engine.connect() as connection:
        found = issued.read_units(connection, ident)
        others = issued.read_revisions(connection, found[0]) if found is not None else []
        changed = _register_changed(connection, found[0]) if found is not None else []
    if found is None:
        raise HTTPException(404)
    one, units = found
    rests_on = stamp_of(context, one)
    return rendered(
        request,
        speaker_of(request, context),
        "issued.html",
        one=one,
        others=others,
        units=sorted(units.items(), key=lambda pair: (_ORDER.index(pair[1]["status"]), pair[1]["name"])),
        name=next((v.target.name for v in context.verdicts() if (v.plan.id, v.target.id) == one[1:3]), None),
        why=issued.WHY_WORDS,
        changed=changed,
        stamp=rests_on,
        proof_day=None if rests_on.proof_day is None else date_of(rests_on.proof_day).isoformat(),
    )


def _register_changed(connection: Connection, one: Issue) -> list[Said]:
    """What of the register and the calendar is another since, up to the newest verdict issued."""
    newest = issued.read_issues(connection, limit=1)[0].register_digest
    then, now = (register_digest.kept(connection, digest) for digest in (one.register_digest, newest))
    if then is None or now is None:
        return []
    return [register_digest.NAMES[table] for table in register_digest.differing(then, now)]


_ORDER = ("missed", "unknown", "not_applicable", "met")
