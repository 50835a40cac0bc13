"""The page of the school calendar: what holds, what was changed, when, by whom and why, and what that revised."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from schoolbeat_server import calendar_rows, calendar_shown
from schoolbeat_server.calendar_rows import Change
from schoolbeat_server.said import Said
from schoolbeat_server.web.pages import Lang, rendered, speaker_of
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.speaker import Speaker

router = APIRouter(include_in_schema=False)

CHANGES, RULES = 50, 200
DOCUMENTS: Final = 12  # whose rules are shown at once; those of any other when it is asked for
BEFORE_ALL: Final = 1970


@router.get("/calendar")
def calendar_page(
    request: Request, context: Context, document: Annotated[str, Query(max_length=40)] = "", lang: Lang = None
) -> Response:
    say = speaker_of(request, context)
    with context.engine.connect() as connection:
        changes = calendar_rows.read_changes(connection, limit=CHANGES)
        counts = calendar_rows.count_rules(connection)
        if document and document not in counts:
            raise HTTPException(404, _no_such(document).to(say.language))
        names = [document] if document else sorted(counts)[:DOCUMENTS]
        rules = {name: calendar_rows.rules_of(connection, name, RULES) for name in names}
    shown = [
        (
            calendar_shown.source(name, say.language),
            [calendar_shown.rule_text(rule, say.language) for rule in found],
            counts[name] - len(found),
        )
        for name, found in rules.items()
    ]
    return rendered(
        request,
        say,
        "calendar.html",
        changes=[(one, calendar_shown.source(one.document, say.language), _days(one, say)) for one in changes],
        documents=shown,
        others=[
            (name, calendar_shown.source(name, say.language), counts[name])
            for name in sorted(counts)
            if name not in rules
        ],
        all_others=_OTHERS,
    )


_EVERY_DAY: Final = Said("mọi ngày", "every day")
_OTHERS: Final = Said("Các lịch khác, bấm để xem", "Other calendars, click to read")


def _no_such(document: str) -> Said:
    return Said(
        f"Không có lịch “{document}”; mở /calendar để xem các lịch đang áp dụng.",
        f"There is no calendar “{document}”; /calendar lists those that hold.",
    )


def _days(change: Change, say: Speaker) -> str:
    """From the first day to the last, as people write them; open ends are left out."""
    first, end = date.fromisoformat(change.first_day), date.fromisoformat(change.end_day)
    shown = say.day(first) if first.year > BEFORE_ALL else ""
    last = say.day(end - timedelta(days=1)) if end.year < date.max.year else ""
    if not shown and not last:
        return _EVERY_DAY.to(say.language)
    return shown if shown == last else f"{shown} – {last}".strip()
