"""The page of the school calendar: what holds, what was changed, when, by whom and why, and what that revised."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from schoolbeat_server import calendar_rows, calendar_shown
from schoolbeat_server.calendar_rows import Change
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.speaker import Speaker

router = APIRouter(include_in_schema=False)

CHANGES, RULES = 50, 200
BEFORE_ALL: Final = 1970


@router.get("/calendar")
def calendar_page(request: Request, context: Context, lang: Lang = None) -> Response:
    say = speaker_of(request, context)
    with context.engine.connect() as connection:
        changes = calendar_rows.read_changes(connection, limit=CHANGES)
        documents = calendar_rows.read_rules(connection)
    shown = [
        (calendar_shown.source(name, say.language), [calendar_shown.rule_text(rule, say.language) for rule in rules])
        for name, rules in sorted(documents.items())
    ]
    return rendered(
        request,
        say,
        "calendar.html",
        changes=[(one, calendar_shown.source(one.document, say.language), _days(one, say)) for one in changes],
        documents=[(name, rules[:RULES], len(rules) - len(rules[:RULES])) for name, rules in shown],
    )


def _days(change: Change, say: Speaker) -> str:
    """From the first day to the last, as people write them; open ends are left out."""
    first, end = date.fromisoformat(change.first_day), date.fromisoformat(change.end_day)
    shown = say.day(first) if first.year > BEFORE_ALL else ""
    last = say.day(end - timedelta(days=1)) if end.year < date.max.year else ""
    return shown if shown == last else f"{shown} – {last}".strip()
