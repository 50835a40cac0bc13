"""The JSON API: the same rows and verdicts as the pages, for other programs. Times are UTC."""

from __future__ import annotations

import json
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Annotated, Literal

from fastapi import APIRouter, HTTPException, Path, Query
from sqlalchemy import select

from schoolbeat_server import decided, issued, schema
from schoolbeat_server.affected import Affected, affected
from schoolbeat_server.availability import availability, shown
from schoolbeat_server.finding import stated
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_number
from schoolbeat_server.stamp import Stamp, stamp
from schoolbeat_server.verdicts import UnitVerdict, Verdict
from schoolbeat_server.web import issued_pages, province, silence_shown, site, site_page
from schoolbeat_server.web.answers import (
    AsideOut,
    AssumptionOut,
    AvailabilityOut,
    DeviceOut,
    HeldOut,
    IncidentOut,
    IssuedOut,
    IssuedUnitOut,
    LatestOut,
    LineOut,
    MachineOut,
    MinutesOut,
    NoticeOut,
    OutageOut,
    ReadingOut,
    RevisedOut,
    RowOut,
    ServerAwayOut,
    SilenceOut,
    SiteDetailOut,
    SiteOut,
    SitesOut,
    StampOut,
    UnitOut,
    VerdictOut,
    Words,
)
from schoolbeat_server.web.server_view import Context
from schoolbeat_server.web.site_state import State
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import READINGS

router = APIRouter(prefix="/api/v1", tags=["v1"])

MOST_MINUTES = 31 * 1_440
MOST_SIGNALS = 100
MOST_ROWS = 1_000
MOST_STAMP_DAYS = 800

Site = Annotated[str, Path(pattern=f"^{bounds.NAME.pattern}$", description="A site's id, as it stands in topics")]
FirstDay = Annotated[date, Query(alias="from", description="A local day, 2026-11-01")]
LastDay = Annotated[date, Query(alias="to", description="The last day, included")]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS)]
Before = Annotated[int | None, Query(ge=1, le=2**53, description="Only rows with a lower id: the next page")]


@router.get("/sites", response_model=SitesOut)
def sites(
    context: Context,
    commune: Annotated[str, Query(max_length=40)] = "",
    isp: Annotated[str, Query(max_length=60)] = "",
    state: State | None = None,
    limit: Limit = MOST_ROWS,
    after: Annotated[int, Query(ge=0, le=1_000_000, description="How many rows to leave out")] = 0,
) -> SitesOut:
    """All sites with their state now, the most urgent first."""
    with context.engine.connect() as connection:
        rows = province.read_sites(connection)
        areas = province.read_areas(connection, context.now_ms()) if commune else {}
    if commune and commune not in areas:
        raise HTTPException(400, f"commune = {commune!r}: the register has no such area")
    wanted = province.within(areas, commune) if commune else None
    chosen = [row for row in rows if (wanted is None or row.area in wanted) and (not isp or isp in row.isps)]
    states = {str(name): count for name, count in province.count_states(chosen).items()}
    chosen = [row for row in chosen if state is None or row.state == state]
    shown_rows = [SiteOut(**(row._asdict() | {"isps": list(row.isps)})) for row in chosen[after : after + limit]]
    return SitesOut(count=len(chosen), states=states, sites=shown_rows)


@router.get("/sites/{ident}", response_model=SiteDetailOut)
def one_site(context: Context, ident: Site) -> SiteDetailOut:
    """One site: its lines, devices and what its agents said last."""
    with context.engine.connect() as connection:
        found = site.read_site(connection, ident)
        if found is None:
            raise _no_site(ident)
        lines = site.read_lines(connection, ident)
        latest = site.read_latest(connection, ident)
        devices = site_page.all_devices(site.read_devices(connection, ident), latest)
        silence = silence_shown.of_site(connection, context.read_minutes, ident, context.now_ms())
    return SiteDetailOut(
        **{name: value for name, value in found._asdict().items() if name != "school_level"},
        lines=[LineOut(**line._asdict()) for line in lines],
        devices=[DeviceOut(**device._asdict()) for device in devices],
        latest=[_latest(one) for one in latest],
        silence=None if silence is None else _silence(silence),
    )


def _silence(one: silence_shown.SilenceShown) -> SilenceOut:
    return SilenceOut(
        lost_ms=one.lost_ms,
        is_back=one.is_back,
        cause=one.cause,
        sentence=words_out(one.sentence),
        minutes=one.minutes,
        known=[words_out(said) for said in one.known],
        waited=[words_out(said) for said in one.waited],
    )


def _no_site(ident: str) -> HTTPException:
    return HTTPException(404, f"site {ident!r}: the register has no such site; /api/v1/sites lists them")


def _latest(one: site.Latest) -> LatestOut:
    readings = [ReadingOut(**reading._asdict(), unit=READINGS[reading.reading].unit) for reading in one.readings]
    kept = {name: value for name, value in one._asdict().items() if name not in ("readings", "devices")}
    return LatestOut(**kept, readings=readings)


@router.get("/sites/{ident}/minutes", response_model=MinutesOut)
def minutes(
    context: Context,
    ident: Site,
    first_minute: Annotated[int, Query(ge=bounds.FIRST_MINUTE, le=bounds.LAST_MINUTE, description="UTC, since 1970")],
    end_minute: Annotated[int, Query(ge=bounds.FIRST_MINUTE, le=bounds.LAST_MINUTE, description="Not included")],
    signal: Annotated[list[str], Query(max_length=MOST_SIGNALS, description="Repeatable; default: all of today")] = [],  # noqa: B006
) -> MinutesOut:
    """The ledger's minutes [first_minute, end_minute), as runs."""
    if not 0 < end_minute - first_minute <= MOST_MINUTES:
        count = end_minute - first_minute
        raise HTTPException(400, f"end_minute - first_minute = {count}: allowed is 1 to {MOST_MINUTES}")
    for name in signal:
        if not bounds.SIGNAL.fullmatch(name):
            raise HTTPException(400, f"signal = {name[:80]!r}: must be a signal's name, such as line.internet")
    with context.engine.connect() as connection:
        if site.read_site(connection, ident) is None:
            raise _no_site(ident)
    asked = signal or context.signals_of(ident)
    rows = context.read_minutes(ident, asked, first_minute, end_minute)
    signals = {name: RowOut(runs=_runs(codes), availability=_availability(codes)) for name, codes in rows.items()}
    return MinutesOut(site=ident, first_minute=first_minute, end_minute=end_minute, signals=signals)


def _runs(codes: bytes) -> list[tuple[int, int]]:
    return [(code, sum(1 for _ in run)) for code, run in groupby(codes)]


def _availability(codes: bytes) -> AvailabilityOut:
    found = availability(codes)
    return AvailabilityOut(
        up_seconds=found.up_seconds,
        down_seconds=found.down_seconds,
        off_seconds=found.off_seconds,
        unknown_seconds=found.unknown_seconds,
        share=_float(found.share),
        coverage=float(found.coverage),
    )


def _float(share: Fraction | None) -> float | None:
    return None if share is None else float(share)


@router.get("/sites/{ident}/outages", response_model=list[OutageOut])
def outages(
    context: Context,
    ident: Site,
    signal: Annotated[str | None, Query(pattern=f"^{bounds.SIGNAL.pattern}$")] = None,
    before_minute: Annotated[int | None, Query(ge=1, le=bounds.LAST_MINUTE)] = None,
    limit: Limit = 100,
) -> list[OutageOut]:
    """The site's outages, the latest first."""
    with context.engine.connect() as connection:
        if site.read_site(connection, ident) is None:
            raise _no_site(ident)
        rows = site.read_outages(connection, ident, signal=signal, before_minute=before_minute, limit=limit)
        rooms = [room.name for room in site.read_rooms(connection, ident)]
        devices = site_page.all_devices(site.read_devices(connection, ident), site.read_latest(connection, ident))
    seated = site_page.seated(devices)
    return [_outage(row, affected(row.signal, row.lessons, rooms, seated)) for row in rows]


def _outage(row: site.OutageRow, found: Affected) -> OutageOut:
    return OutageOut(**row._asdict(), rooms=found.rooms, lesson_rooms=found.lesson_rooms)


@router.get("/incidents", response_model=list[IncidentOut])
def incidents(
    context: Context,
    site: Annotated[str | None, Query(pattern=f"^{bounds.NAME.pattern}$")] = None,
    open: bool = False,  # noqa: A002
    before: Before = None,
    limit: Limit = 100,
) -> list[IncidentOut]:
    """Incidents, the newest first."""
    with context.engine.connect() as connection:
        rows = province.read_incidents(connection, site=site, open_only=open, before=before, limit=limit)
    return [_incident(row) for row in rows]


def _incident(row: province.IncidentRow) -> IncidentOut:
    explained = silence_shown.of_incident(row.facts)
    return IncidentOut(
        **(row._asdict() | {"facts": json.loads(row.facts)}),
        known=[words_out(said) for said in explained.known],
        waited=[words_out(said) for said in explained.waited],
        revised=[RevisedOut(**one._asdict()) for one in explained.revised],
    )


@router.get("/server-away", response_model=list[ServerAwayOut])
def server_away(context: Context, limit: Limit = 100) -> list[ServerAwayOut]:
    """When the server itself heard nobody, the newest first: no school is charged with it."""
    table = schema.server_away
    with context.engine.connect() as connection:
        rows = connection.execute(select(table).order_by(table.c.from_ms.desc()).limit(limit)).all()
    return [ServerAwayOut(**row._asdict()) for row in rows]


@router.get("/notices", response_model=list[NoticeOut])
def notices(
    context: Context,
    site: Annotated[str | None, Query(pattern=f"^{bounds.NAME.pattern}$")] = None,
    delivery: Literal["waiting", "sent", "refused"] | None = None,
    before: Before = None,
    limit: Limit = 100,
) -> list[NoticeOut]:
    """Notices with their delivery, the newest first."""
    with context.engine.connect() as connection:
        rows = province.read_notices(connection, site=site, delivery=delivery, before=before, limit=limit)
    return [NoticeOut(**row._asdict(), delivery=row.delivery) for row in rows]


@router.get("/verdicts", response_model=list[VerdictOut])
def verdicts(context: Context, units: bool = True) -> list[VerdictOut]:
    """Every target with its verdict; units=false leaves the units out. revised: the last one that was issued and
    revised since, in the last 31 days."""
    with context.engine.connect() as connection:
        revised = issued.revised_lately(connection, context.now_ms() - issued.SHOWN_MS)
    return [verdict_out(one, units, revised.get((one.plan.id, one.target.id))) for one in context.verdicts()]


@router.get("/verdicts/issued", response_model=list[IssuedOut])
def verdicts_issued(
    context: Context,
    plan: Annotated[str | None, Query(max_length=60)] = None,
    target: Annotated[str | None, Query(max_length=60)] = None,
    revised: bool = False,
    before: Before = None,
    limit: Limit = 100,
) -> list[IssuedOut]:
    """Verdicts as they were issued at the end of each local day, and their revisions, the newest first."""
    with context.engine.connect() as connection:
        rows = issued.read_issues(connection, plan=plan, target=target, revised=revised, before=before, limit=limit)
    return [IssuedOut(**row._asdict()) for row in rows]


@router.get("/verdicts/issued/{ident}", response_model=IssuedOut)
def verdict_issued(context: Context, ident: Annotated[int, Path(ge=1, le=2**53)]) -> IssuedOut:
    """One of them with its units, as they were then."""
    with context.engine.connect() as connection:
        found = issued.read_units(connection, ident)
    if found is None:
        raise HTTPException(404, f"verdict {ident}: no such one was issued; /api/v1/verdicts/issued lists them")
    units = {name: IssuedUnitOut(**unit) for name, unit in found[1].items()}
    return IssuedOut(**found[0]._asdict(), units=units, stamp=stamp_out(issued_pages.stamp_of(context, found[0])))


@router.get("/sites/{ident}/stamp", response_model=StampOut)
def site_stamp(context: Context, ident: Site, first: FirstDay, last: LastDay) -> StampOut:
    """What figures of a site's days [from, to], both included, rest on as they stand now."""
    days = day_number(first), day_number(last) + 1
    if not 0 < days[1] - days[0] <= MOST_STAMP_DAYS:
        raise HTTPException(400, f"from = {first}, to = {last}: from 1 to {MOST_STAMP_DAYS} days are allowed")
    with context.engine.connect() as connection:
        if site.read_site(connection, ident) is None:
            raise HTTPException(404, f"site {ident!r}: the register has no such site; /api/v1/sites lists them")
        return stamp_out(stamp(connection, [ident], *days))


def stamp_out(found: Stamp) -> StampOut:
    return StampOut(
        first_day=date_of(found.first_day).isoformat(),
        end_day=date_of(found.end_day).isoformat(),
        sites=found.sites,
        days=found.digests,
        due=found.due,
        revised=found.revised,
        digest=found.digest.hex(),
        proof_day=None if found.proof_day is None else date_of(found.proof_day).isoformat(),
        proof=found.proof.hex(),
    )


def words_out(said: Said) -> Words:
    return Words(vi=said.vi, en=said.en)


def verdict_out(one: Verdict, with_units: bool, revised: issued.Issue | None) -> VerdictOut:
    target = one.target
    share = Fraction(one.numerator, one.denominator) if one.denominator else None
    return VerdictOut(
        plan=one.plan.id,
        target=target.id,
        document=words_out(one.plan.document),
        issuer=words_out(one.plan.issuer),
        clause=words_out(target.clause),
        quote=words_out(target.quote),
        name=words_out(target.name),
        unit=target.unit,
        status=one.status,
        required=stated(target.share).en if target.count is None else str(target.count),
        deadline=None if target.deadline is None else target.deadline.isoformat(),
        numerator=one.numerator,
        denominator=one.denominator,
        share=None if share is None else shown(share, target.share or None),
        met=one.met,
        missed=one.missed,
        unknown=one.unknown,
        silent=one.silent,
        grade=one.grade,
        first_minute=one.window.first_minute,
        end_minute=one.window.end_minute,
        reasons=[words_out(said) for said in one.reasons],
        assumptions=[
            AssumptionOut(name=a.name, value=a.value, reason=words_out(a.reason), source=a.source)
            for a in target.assumptions
        ],
        revised=None if revised is None else IssuedOut(**revised._asdict()),
        units=[_unit(unit) for unit in one.units] if with_units else [],
    )


def _unit(unit: UnitVerdict) -> UnitOut:
    return UnitOut(
        id=unit.id,
        name=unit.name,
        site=unit.site,
        status=unit.status,
        silent=unit.silent,
        since_minute=unit.since_minute,
        coverage=_float(unit.coverage),
        grade=unit.grade,
        reasons=[words_out(said) for said in unit.reasons],
    )


@router.get("/clones", response_model=list[MachineOut])
def clones(context: Context, all: bool = False) -> list[MachineOut]:  # noqa: A002
    """Machines that share an agent's credentials; all=true: every machine that was seen."""
    with context.engine.connect() as connection:
        rows = decided.read_machines(connection, conflicts=not all)
    return [MachineOut(**row._asdict()) for row in rows]


@router.get("/quarantine", response_model=list[HeldOut])
def quarantine(
    context: Context,
    site: Annotated[str | None, Query(pattern=f"^{bounds.NAME.pattern}$")] = None,
    all: bool = False,  # noqa: A002
    before: Before = None,
    limit: Limit = 100,
) -> list[HeldOut]:
    """Reports whose times cannot be believed, the newest first; all=true: with those that were decided."""
    with context.engine.connect() as connection:
        rows = decided.read_held(connection, site=site, waiting=not all, before=before, limit=limit)
    return [HeldOut(**row._asdict()) for row in rows]


@router.get("/aside", response_model=AsideOut)
def aside(context: Context) -> AsideOut:
    """Messages that could not be read or believed, and ingest's counters."""
    with context.engine.connect() as connection:
        return AsideOut(aside=province.count_aside(connection), counters=province.read_counters(connection))
