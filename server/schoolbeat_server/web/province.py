"""The province as rows: sites with their state, incidents, notices. A handful of queries for any number of sites."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select

from schoolbeat_server import schema
from schoolbeat_server.local_time import local
from schoolbeat_server.web import site_state
from schoolbeat_server.web.site_state import State

Delivery = Literal["sent", "refused", "retrying", "waiting"]


class SiteRow(NamedTuple):
    """since_ms: since when it is in this state, where that is known. cause: of the open incident."""

    id: str
    name: str
    kind: str
    school: str
    school_name: str
    area: str
    area_name: str
    isps: tuple[str, ...]
    state: State
    since_ms: int | None
    cause: str
    heard_ms: int | None
    simulated: bool


class IncidentRow(NamedTuple):
    """cause_name: what people call the device or service that is the cause; "" for all other causes."""

    id: int
    site: str
    site_name: str
    school_name: str
    scope: str
    opened_ms: int
    since_ms: int
    closed_ms: int | None
    until_ms: int | None
    cause_opened: str
    cause: str
    facts: str
    cause_name: str

    @property
    def names(self) -> dict[str, str]:
        return {self.cause: self.cause_name} if self.cause_name else {}


class NoticeRow(NamedTuple):
    """incident, site: None where it is of the server itself."""

    id: int
    incident: int | None
    matter: int | None
    site: str | None
    kind: str
    channel: str
    title: str
    body: str
    created_ms: int
    next_try_ms: int
    tries: int
    sent_ms: int | None
    refused_ms: int | None
    error: str

    @property
    def delivery(self) -> Delivery:
        if self.sent_ms is not None:
            return "sent"
        if self.refused_ms is not None:
            return "refused"
        return "retrying" if self.error else "waiting"


class Told(NamedTuple):
    """The notices of one incident's opening or closing, over all channels."""

    first: NoticeRow
    channels: list[NoticeRow]


class Area(NamedTuple):
    id: str
    name: str
    kind: str
    parent: str | None


def read_areas(connection: Connection, now_ms: int) -> dict[str, Area]:
    """Those of today's boundaries, and any in which a school was left."""
    area, day = schema.area.c, local(now_ms).date().isoformat()
    today = and_(area.valid_from <= day, area.valid_to > day)
    left = area.id.in_(select(schema.school.c.area))
    query = select(area.id, area.name, area.kind, area.parent).where(or_(today, left)).order_by(area.name)
    return {row[0]: Area(*row) for row in connection.execute(query)}


def read_isps(connection: Connection) -> list[str]:
    line = schema.line.c
    return list(connection.scalars(select(line.isp).where(line.isp != "").distinct().order_by(line.isp)))


def read_sites(connection: Connection) -> list[SiteRow]:
    """Every site with its state, the most urgent first, then by school and name."""
    site, school, area = schema.site.c, schema.school.c, schema.area.c
    query = (
        select(site.id, site.name, site.kind, school.id, school.name, area.id, area.name)
        .select_from(schema.site)
        .join(schema.school, school.id == site.school)
        .join(schema.area, area.id == school.area)
    )
    isps: dict[str, list[str]] = {}
    for ident, isp in connection.execute(select(schema.line.c.site, schema.line.c.isp)).all():
        isps.setdefault(ident, []).append(isp)
    latest = schema.latest.c
    newest = select(latest.site, func.max(latest.received_ms)).group_by(latest.site)
    heard: dict[str, int] = dict(connection.execute(newest).all())
    contact = schema.contact.c
    away = select(contact.site, contact.lost_ms).where(contact.lost_ms.is_not(None), contact.back_ms.is_(None))
    lost: dict[str, int] = dict(connection.execute(away).all())
    simulated = set(connection.scalars(select(schema.agent.c.site).where(schema.agent.c.simulated)))
    incidents = _open_incidents(connection)
    rows = []
    for ident, name, kind, school_id, school_name, area_id, area_name in connection.execute(query).all():
        path, devices = incidents.get((ident, "path")), incidents.get((ident, "devices"))
        state = site_state.state(
            reported=ident in heard,
            lost=ident in lost,
            path_incident=path is not None,
            devices_incident=devices is not None,
        )
        told = path if state in ("lost", "down") else devices if state == "faulty" else None
        since_ms = told[0] if told else lost.get(ident) if state == "lost" else None
        rows.append(
            SiteRow(
                ident,
                name,
                kind,
                school_id,
                school_name,
                area_id,
                area_name,
                tuple(isps.get(ident, ())),
                state,
                since_ms,
                told[1] if told else "waiting" if state == "lost" else "",
                heard.get(ident),
                ident in simulated,
            )
        )
    order = {state: place for place, state in enumerate(site_state.STATES)}
    rows.sort(key=lambda row: (order[row.state], row.school_name, row.kind, row.name))
    return rows


def _open_incidents(connection: Connection) -> dict[tuple[str, str], tuple[int, str]]:
    table = schema.incident.c
    query = select(table.site, table.scope, table.since_ms, table.cause).where(table.closed_ms.is_(None))
    return {(site, scope): (since_ms, cause) for site, scope, since_ms, cause in connection.execute(query)}


def read_incidents(
    connection: Connection, *, site: str | None = None, open_only: bool = False, limit: int, before: int | None = None
) -> list[IncidentRow]:
    """The newest first. before: an incident's id; those with a lower one."""
    table, device, service = schema.incident, schema.device, schema.service
    where: list[ColumnElement[bool]] = []
    if site is not None:
        where.append(table.c.site == site)
    if open_only:
        where.append(table.c.closed_ms.is_(None))
    if before is not None:
        where.append(table.c.id < before)
    columns = [table.c[name] for name in ("scope", "opened_ms", "since_ms", "closed_ms", "until_ms", "cause_opened")]
    query = (
        select(
            table.c.id,
            table.c.site,
            func.coalesce(schema.site.c.name, table.c.site),
            func.coalesce(schema.school.c.name, ""),
            *columns,
            table.c.cause,
            table.c.facts,
            func.coalesce(device.c.name, service.c.name, ""),
        )
        .select_from(table)
        .outerjoin(device, (device.c.site == table.c.site) & (table.c.cause == literal("device.") + device.c.id))
        .outerjoin(service, table.c.cause == literal("service.") + service.c.id)
        .outerjoin(schema.site, schema.site.c.id == table.c.site)
        .outerjoin(schema.school, schema.school.c.id == schema.site.c.school)
        .where(*where)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [IncidentRow(*tuple(row)) for row in connection.execute(query)]


def read_notices(
    connection: Connection,
    *,
    site: str | None = None,
    delivery: str | None = None,
    limit: int,
    before: int | None = None,
) -> list[NoticeRow]:
    """The newest first. delivery: waiting (retried or not), sent or refused."""
    table = schema.notice
    where: list[ColumnElement[bool]] = []
    if site is not None:
        where.append(schema.incident.c.site == site)
    if before is not None:
        where.append(table.c.id < before)
    if delivery == "sent":
        where.append(table.c.sent_ms.is_not(None))
    if delivery == "refused":
        where.append(table.c.refused_ms.is_not(None))
    if delivery == "waiting":
        where += [table.c.sent_ms.is_(None), table.c.refused_ms.is_(None)]
    names = ("kind", "channel", "title", "body", "created_ms", "next_try_ms", "tries", "sent_ms", "refused_ms", "error")
    query = (
        select(table.c.id, table.c.incident, table.c.matter, schema.incident.c.site, *(table.c[name] for name in names))
        .join_from(table, schema.incident, schema.incident.c.id == table.c.incident, isouter=True)
        .where(*where)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [NoticeRow(*row) for row in connection.execute(query)]


def by_event(notices: Sequence[NoticeRow]) -> list[Told]:
    """Together what was written together; in the order of the newest of each."""
    found: dict[tuple[int | None, int | None, str], Told] = {}
    for one in notices:
        found.setdefault((one.incident, one.matter, one.kind), Told(one, [])).channels.append(one)
    return list(found.values())


def within(areas: dict[str, Area], area: str) -> set[str]:
    """The area and every area below it."""
    found = {area}
    while more := {one.id for one in areas.values() if one.parent in found} - found:
        found |= more
    return found


def count_states(sites: Sequence[SiteRow]) -> dict[State, int]:
    counts: dict[State, int] = dict.fromkeys(site_state.STATES, 0)
    for site in sites:
        counts[site.state] += 1
    return counts


def count_aside(connection: Connection) -> dict[str, int]:
    """Messages set aside, by reason; only the last ones are kept, the counters count them all."""
    aside = schema.aside.c
    query = select(aside.reason, func.count()).group_by(aside.reason).order_by(aside.reason)
    return dict(connection.execute(query).all())


def read_counters(connection: Connection) -> dict[str, int]:
    counter = schema.counter.c
    return dict(connection.execute(select(counter.name, counter.count).order_by(counter.name)).all())
