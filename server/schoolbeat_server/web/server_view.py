"""All that pages, API, metrics and live events see of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request
from sqlalchemy import Engine

from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.verdicts import Verdict
from schoolbeat_server.web.live import LiveFeed

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")


class ReadMinutes(Protocol):
    def __call__(self, site: str, signals: Sequence[str], first_minute: int, end_minute: int) -> dict[str, bytes]: ...


@dataclass(frozen=True)
class WebContext:
    """signals_of: every signal of a site that has minutes of its own in the last day. verdicts: judged lately, never
    while a reader waits. health: {"ok": bool, "reasons": [str, ...], and numbers by name}. banner: (vi, en), on top of
    every page. hosts: the names this server may be called by."""

    engine: Engine
    read_minutes: ReadMinutes
    signals_of: Callable[[str], list[str]]
    live: LiveFeed
    health: Callable[[], Mapping[str, Any]]
    verdicts: Callable[[], Sequence[Verdict]]
    now_ms: Callable[[], int]
    language: str = "vi"
    banner: tuple[str, str] | None = None
    hosts: Sequence[str] = LOOPBACK_HOSTS
    calendar: Callable[[], SchoolCalendar] = SchoolCalendar
    report_days: int = 14
    reports: Desk | None = None


def context_of(request: Request) -> WebContext:
    context: WebContext = request.app.state.context
    return context


Context = Annotated[WebContext, Depends(context_of)]
