"""The minutes of one signal of a site: a day as it was kept, and the days before it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, select
from starlette.exceptions import HTTPException

from schoolbeat_server import schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.evidence import SpeedTest
from schoolbeat_server.school_calendar import date_of, day_number, day_of, first_minute_of
from schoolbeat_server.web import pictures, site
from schoolbeat_server.web.pages import Lang, query_of, rendered, speaker_of
from schoolbeat_server.web.pictures import DAY_MINUTES
from schoolbeat_server.web.server_view import Context, WebContext
from schoolbeat_server.web.speaker import Speaker
from schoolbeat_server.web.target_view import MOST_DAYS
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import DISPUTED, UNKNOWN, UP_FULL

router = APIRouter(include_in_schema=False)

RUNS = 100
OUTAGES = 40
TESTS = 60
WEEK = 7


class Run(NamedTuple):
    """Minutes in a row that say the same: [first, end)."""

    first_minute: int
    end_minute: int
    code: int

    @property
    def state(self) -> str:
        return pictures.state_of(self.code)


class DayRow(NamedTuple):
    """lessons: the share in lesson time; None where the day has none, or nothing of them is known."""

    day: date
    all_day: Availability
    lessons: Availability | None


@router.get("/site/{ident}/minutes")
def minutes_page(
    request: Request,
    context: Context,
    ident: str,
    signal: Annotated[str, Query(max_length=120)] = "line.internet",
    day: date | None = None,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = WEEK,
    lang: Lang = None,
) -> Response:
    say = speaker_of(request, context)
    if not bounds.SIGNAL.fullmatch(signal):
        raise HTTPException(400, say.t("error.no_signal", id=signal[:80]))
    today = say.today()
    chosen = day or today
    if chosen > today:
        raise HTTPException(404, say.t("error.future", day=chosen))
    if day_number(chosen) - days < day_of(bounds.FIRST_MINUTE):
        raise HTTPException(404, say.t("error.past", day=chosen))
    first_day, end_day = day_number(chosen) - days + 1, day_number(chosen) + 1
    start, end = first_minute_of(first_day), first_minute_of(end_day)
    with context.engine.connect() as connection:
        found = site.read_site(connection, ident) if bounds.NAME.fullmatch(ident) else None
        if found is None:
            raise HTTPException(404, say.t("error.no_site", id=ident[:40]))
        names = _names(connection, ident)
        outages = _outages(connection, ident, signal, end - DAY_MINUTES, end)
        tests = _tests(connection, ident, start, end)
    codes = context.read_minutes(ident, [signal], start, min(end, context.now_ms() // 60_000))[signal]
    rows, whole = _days(context, ident, codes, start, first_day, days)
    mine = codes[(days - 1) * DAY_MINUTES :]
    runs = list(runs_of(mine, end - DAY_MINUTES))
    return rendered(
        request,
        say,
        "minutes.html",
        site=found,
        signal=signal,
        signal_name=say.signal(signal, names),
        signals=_signals(context, ident, signal, names, say),
        day=chosen,
        days=days,
        previous=chosen - timedelta(1),
        following=chosen + timedelta(1) if chosen < today else None,
        picture=pictures.strip(
            mine.ljust(DAY_MINUTES, bytes([UNKNOWN])), f"{say.signal(signal, names)}, {say.day(chosen)}"
        ),
        hours=tuple(pictures.hours(end - DAY_MINUTES, DAY_MINUTES, *how) for how in ((3, "wide"), (6, "narrow"))),
        spent=say.spent(availability(mine)),
        runs=runs[:RUNS],
        runs_more=max(0, len(runs) - RUNS),
        disputed=DISPUTED,
        full=UP_FULL,
        rows=rows[::-1],
        whole=whole,
        outages=outages,
        names=names,
        tests=tests[:TESTS],
        first_minute=end - DAY_MINUTES,
        end_minute=end,
        first_day=date_of(first_day),
        query=query_of,
    )


def runs_of(codes: bytes, first_minute: int) -> Iterator[Run]:
    at = first_minute
    for code, run in groupby(codes):
        end = at + sum(1 for _ in run)
        yield Run(at, end, code)
        at = end


def _days(
    context: WebContext, ident: str, codes: bytes, start: int, first_day: int, days: int
) -> tuple[list[DayRow], DayRow]:
    """Each day, and all of them; of today only what is over."""
    lessons = context.calendar().of_site(ident).minutes(start, start + len(codes))

    def told(day: int, first: int, end: int) -> DayRow:
        clock = lessons[first:end]
        in_lessons = availability(codes[first:end], clock) if any(clock) else None
        return DayRow(date_of(day), availability(codes[first:end]), in_lessons)

    rows = [
        told(first_day + at, at * DAY_MINUTES, min(len(codes), (at + 1) * DAY_MINUTES))
        for at in range(days)
        if at * DAY_MINUTES < len(codes)
    ]
    return rows, told(first_day, 0, len(codes))


def _names(connection: Connection, ident: str) -> dict[str, str]:
    devices = {f"device.{one.id}": one.name or one.id for one in site.read_devices(connection, ident)}
    return {**site.read_services(connection), **devices}


def _signals(
    context: WebContext, ident: str, signal: str, names: Mapping[str, str], say: Speaker
) -> list[tuple[str, str]]:
    """Those with minutes in the last day, the one that is shown, and devices of the register."""
    known = {*context.signals_of(ident), signal, *(name for name in names if name.startswith("device."))}
    return sorted(
        ((one, say.signal(one, names)) for one in known), key=lambda pair: (pair[0].startswith("device."), pair)
    )


def _outages(connection: Connection, ident: str, signal: str, first: int, end: int) -> Sequence[site.OutageRow]:
    rows = site.read_outages(connection, ident, signal=signal, before_minute=end, limit=OUTAGES)
    return [one for one in rows if one.end_minute is None or one.end_minute > first]


def _tests(connection: Connection, ident: str, first: int, end: int) -> list[SpeedTest]:
    """The newest first."""
    table = schema.speed_test.c
    query = select(table.minute, table.download_bps, table.upload_bps, table.ceiling).where(
        table.site == ident, table.minute >= first, table.minute < end
    )
    return [SpeedTest(*row) for row in connection.execute(query.order_by(table.minute.desc()).limit(TESTS + 1))]
