"""The JSON API of time: availability on both clocks, the days of a site, calendars and their changes."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request

from schoolbeat_server import calendar_file, calendar_rows, calendar_shown, national_holidays
from schoolbeat_server.availability import availability, shown
from schoolbeat_server.school_calendar import Rule, date_of, day_number, day_of, first_minute_of
from schoolbeat_server.web import site
from schoolbeat_server.web.answers import (
    CalendarChangeOut,
    CalendarLoadedOut,
    CalendarOut,
    ClockOut,
    DayOut,
    DaysOut,
    Words,
)
from schoolbeat_server.web.server_view import Context
from schoolbeat_wire import bounds

router = APIRouter(prefix="/api/v1", tags=["v1"])

MOST_DAYS = 400
MOST_SIGNALS = 20
_YAML = {"requestBody": {"required": True, "content": {"application/yaml": {"schema": {"type": "string"}}}}}

Site = Annotated[str, Path(pattern=f"^{bounds.NAME.pattern}$", description="A site's id, as it stands in topics")]
Moment = "a local day 2026-09-05, a time 2026-09-05T07:00+07:00, or minutes since 1970 UTC"
From = Annotated[str, Query(alias="from", max_length=40, description=Moment)]
To = Annotated[str, Query(alias="to", max_length=40, description=f"Not included: {Moment}")]


def _minute(name: str, text: str) -> int:
    """+ in an address is a blank, so a time zone after one is taken as well."""
    try:
        if text.isdigit():
            found = int(text)
        elif len(text) == 10:
            found = first_minute_of(day_number(date.fromisoformat(text)))
        else:
            at = datetime.fromisoformat(text.replace(" ", "+"))
            if at.tzinfo is None:
                raise ValueError(text)
            found = int(at.timestamp()) // 60
    except ValueError:
        raise HTTPException(400, f"{name} = {text!r}: must be {Moment}") from None
    if not bounds.FIRST_MINUTE <= found <= bounds.LAST_MINUTE:
        raise HTTPException(400, f"{name} = {text!r}: before {bounds.FIRST_MINUTE} or after {bounds.LAST_MINUTE}")
    return found


def _window(first: str, end: str) -> tuple[int, int]:
    window = _minute("from", first), _minute("to", end)
    if not 0 < window[1] - window[0] <= MOST_DAYS * 1_440:
        raise HTTPException(400, f"from = {first!r}, to = {end!r}: from one minute to {MOST_DAYS} days are allowed")
    return window


def _known(context: Context, ident: str) -> None:
    with context.engine.connect() as connection:
        if site.read_site(connection, ident) is None:
            raise HTTPException(404, f"site {ident!r}: the register has no such site; /api/v1/sites lists them")


@router.get("/sites/{ident}/availability", response_model=dict[str, ClockOut])
def of_site(
    context: Context,
    ident: Site,
    first: From,
    end: To,
    clock: Annotated[Literal["always", "lessons"], Query(description="Around the clock, or lesson time")] = "always",
    signal: Annotated[list[str], Query(max_length=MOST_SIGNALS, description="Repeatable")] = ["line.internet"],  # noqa: B006
) -> dict[str, ClockOut]:
    """By signal, over [from, to): the same function that verdicts use. lessons: the site's own school calendar."""
    for name in signal:
        if not bounds.SIGNAL.fullmatch(name):
            raise HTTPException(400, f"signal = {name[:80]!r}: must be a signal's name, such as line.internet")
    window = _window(first, end)
    _known(context, ident)
    mask = None
    if clock == "lessons":
        mask = context.calendar().read(ident, *window)
        if mask is None:
            raise HTTPException(409, "clock = 'lessons': no calendar is loaded and server.toml has no [lessons]")
    out = {}
    for name, codes in context.read_minutes(ident, signal, *window).items():
        found = availability(codes, mask)
        out[name] = ClockOut(
            clock=clock,
            first_minute=window[0],
            end_minute=window[1],
            minutes=len(codes) if mask is None else mask.count(1),
            up_seconds=found.up_seconds,
            down_seconds=found.down_seconds,
            off_seconds=found.off_seconds,
            unknown_seconds=found.unknown_seconds,
            share=None if found.share is None else float(found.share),
            coverage=float(found.coverage),
            shown=None if found.share is None else shown(found.share),
        )
    return out


@router.get("/sites/{ident}/lessons", response_model=DaysOut)
def lessons(context: Context, ident: Site, first: From, end: To) -> DaysOut:
    """The site's days as its calendar has them; times are minutes of the day in Viet Nam."""
    window = _window(first, end)
    _known(context, ident)
    calendar = context.calendar()
    found = calendar.of_site(ident)
    days = range(day_of(window[0]), day_of(window[1] - 1) + 1)
    out = []
    for day in days:
        one = found.day(day)
        out.append(DayOut(day=date_of(day).isoformat(), lessons=list(one.lessons), exam=one.exam, why=one.why))
    return DaysOut(site=ident, revision=calendar.revision, days=out)


@router.get("/calendars", response_model=list[CalendarOut])
def calendars(context: Context) -> list[CalendarOut]:
    """Every calendar with its rules as they stand now."""
    with context.engine.connect() as connection:
        found = calendar_rows.read_rules(connection)
    return [CalendarOut(calendar=name, rules=[_rule(rule) for rule in rules]) for name, rules in sorted(found.items())]


@router.get("/calendar-changes", response_model=list[CalendarChangeOut])
def changes(context: Context, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> list[CalendarChangeOut]:
    """What was changed, when, by whom and why, and when the past had been revised; the newest first."""
    with context.engine.connect() as connection:
        return [CalendarChangeOut(**one._asdict()) for one in calendar_rows.read_changes(connection, limit=limit)]


async def _body(request: Request) -> bytes:
    out = bytearray()
    async for piece in request.stream():
        out += piece
        if len(out) > calendar_file.MOST_BYTES:
            raise HTTPException(413, f"the file has more than the {calendar_file.MOST_BYTES} bytes that are allowed")
    return bytes(out)


@router.put("/calendars/{ident}", response_model=CalendarLoadedOut, openapi_extra=_YAML)
def load(
    context: Context,
    ident: Annotated[str, Path(max_length=40)],
    body: Annotated[bytes, Depends(_body)],
    why: Annotated[str, Query(max_length=1_000, description="The reason, which is kept")] = "",
    dry_run: bool = False,
) -> CalendarLoadedOut:
    """Checks and stores a calendar file, all of it or nothing; the past is then revised. There is no login yet: who
    reaches this server, which listens on loopback only, may do this."""
    try:
        document = calendar_file.read(_text(body), "calendar", national_holidays.days_off)
        if document.id != ident:
            raise HTTPException(400, f"the file says calendar {document.id!r}, the address {ident!r}")
        loaded = calendar_rows.store(
            context.engine, document, "calendar", who="api", why=why, now_ms=context.now_ms(), dry_run=dry_run
        )
    except calendar_file.CalendarError as error:
        raise HTTPException(422, [fault.text("en") for fault in error.faults]) from None
    return CalendarLoadedOut(
        calendar=loaded.document,
        change=loaded.change,
        kept=loaded.kept,
        added=[_rule(rule) for rule in loaded.added],
        removed=[_rule(rule) for rule in loaded.removed],
    )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HTTPException(422, [f"calendar: not UTF-8 (byte {error.start})"]) from None


def _rule(rule: Rule) -> Words:
    return Words(vi=calendar_shown.rule_text(rule, "vi"), en=calendar_shown.rule_text(rule, "en"))
