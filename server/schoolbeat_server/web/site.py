"""One site as rows: register, last readings, outages. A handful of queries."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_wire import catalogue, inventory, report
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.report import Report


class Site(NamedTuple):
    id: str
    name: str
    kind: str
    school: str
    school_name: str
    school_level: str
    area_name: str


class Line(NamedTuple):
    id: str
    isp: str
    technology: str
    contract_down_bps: int | None
    contract_up_bps: int | None


class Device(NamedTuple):
    """behind: the signal it is seen through; address only when the register knows it."""

    id: str
    name: str
    kind: str
    room: str
    behind: str


class Room(NamedTuple):
    name: str
    kind: str
    smart_level: int


class OutageRow(NamedTuple):
    signal: str
    first_minute: int
    last_minute: int
    end_minute: int | None
    down_seconds: int
    cause: str
    lessons: int


class Reading(NamedTuple):
    """A number as measured; value in the catalogue's unit."""

    subject: str
    reading: str
    value: float


class Latest(NamedTuple):
    """What an agent said last. why_down: signal -> cause; failures: probe -> cause of its runs without a result."""

    agent: str
    minute: int
    received_ms: int
    version: str
    readings: list[Reading]
    devices: list[Device]
    why_down: dict[str, str]
    failures: dict[str, str]


class Speed(NamedTuple):
    minute: int
    download_bps: int | None
    upload_bps: int | None


def read_site(connection: Connection, ident: str) -> Site | None:
    site, school, area = schema.site.c, schema.school.c, schema.area.c
    row = connection.execute(
        select(site.id, site.name, site.kind, school.id, school.name, school.level, area.name)
        .select_from(schema.site)
        .join(schema.school, school.id == site.school)
        .join(schema.area, area.id == school.area)
        .where(site.id == ident)
    ).one_or_none()
    return Site(*row) if row else None


def read_siblings(connection: Connection, school: str) -> list[tuple[str, str]]:
    """(id, name) of all sites of the school."""
    site = schema.site.c
    query = select(site.id, site.name).where(site.school == school).order_by(site.kind, site.name)
    return [(ident, name) for ident, name in connection.execute(query)]


def read_lines(connection: Connection, site: str) -> list[Line]:
    line = schema.line.c
    columns = (line.id, line.isp, line.technology, line.contract_down_bps, line.contract_up_bps)
    return [Line(*row) for row in connection.execute(select(*columns).where(line.site == site).order_by(line.id))]


def read_devices(connection: Connection, site: str) -> list[Device]:
    device, room = schema.device.c, schema.room.c
    query = (
        select(device.id, device.name, device.kind, room.name, device.behind)
        .select_from(schema.device)
        .outerjoin(schema.room, room.id == device.room)
        .where(device.site == site)
        .order_by(device.kind, device.name, device.id)
    )
    return [
        Device(ident, name, kind, place or "", behind) for ident, name, kind, place, behind in connection.execute(query)
    ]


def read_rooms(connection: Connection, site: str) -> list[Room]:
    room = schema.room.c
    query = select(room.name, room.kind, room.smart_level).where(room.site == site).order_by(room.id)
    return [Room(*row) for row in connection.execute(query)]


def read_services(connection: Connection) -> dict[str, str]:
    """Signal -> the name people know."""
    service = schema.service.c
    return {f"service.{ident}": name for ident, name in connection.execute(select(service.id, service.name))}


def read_outages(
    connection: Connection, site: str, *, signal: str | None = None, before_minute: int | None = None, limit: int
) -> list[OutageRow]:
    """The latest first."""
    outage = schema.outage.c
    where = [outage.site == site]
    if signal is not None:
        where.append(outage.signal == signal)
    if before_minute is not None:
        where.append(outage.first_minute < before_minute)
    columns = (
        outage.signal,
        outage.first_minute,
        outage.last_minute,
        outage.end_minute,
        outage.down_seconds,
        outage.cause,
        outage.lessons,
    )
    query = select(*columns).where(*where).order_by(outage.first_minute.desc(), outage.signal).limit(limit)
    return [OutageRow(*row) for row in connection.execute(query)]


def read_speed(connection: Connection, site: str) -> Speed | None:
    speed = schema.speed_test.c
    """The newest that brought a figure."""
    measured = speed.download_bps.is_not(None) | speed.upload_bps.is_not(None)
    query = select(speed.minute, speed.download_bps, speed.upload_bps).where(speed.site == site, measured)
    row = connection.execute(query.order_by(speed.minute.desc()).limit(1)).one_or_none()
    return Speed(*row) if row else None


def read_latest(connection: Connection, site: str) -> list[Latest]:
    """The last report of each of the site's agents, read by the inventory it was made with."""
    latest, stored, known = schema.latest, schema.report, schema.inventory
    query = (
        select(latest.c.agent, latest.c.minute, latest.c.received_ms, stored.c.payload, known.c.payload)
        .select_from(latest)
        .join(stored, stored.c.id == latest.c.report_id)
        .join(
            known,
            (known.c.site == stored.c.site)
            & (known.c.agent == stored.c.agent)
            & (known.c.revision == stored.c.revision),
        )
        .where(latest.c.site == site)
        .order_by(latest.c.agent)
    )
    found = []
    for agent, minute, received_ms, payload, listed in connection.execute(query):
        try:
            watched = inventory.decode(listed)
            told = report.decode(payload)
            report.fits(told, watched)
            found.append(_latest(agent, minute, received_ms, watched, told))
        except WireError:  # it was checked when it came; a newer protocol's report may wait here after a downgrade
            continue
    return found


def _latest(agent: str, minute: int, received_ms: int, watched: Inventory, told: Report) -> Latest:
    newest = told.count - 1
    return Latest(
        agent=agent,
        minute=minute,
        received_ms=received_ms,
        version=watched.version,
        readings=_readings(watched, told),
        devices=[Device(one.id, one.name, one.kind, one.room, one.behind) for one in watched.devices],
        why_down={
            watched.signals[signal]: catalogue.CAUSE_NAMES.get(cause, "internal")
            for at, signal, cause in told.causes
            if at == newest
        },
        failures={
            watched.probes[probe]: catalogue.CAUSE_NAMES.get(cause, "internal")
            for at, probe, cause, _ in told.failures
            if at == newest
        },
    )


def _readings(watched: Inventory, told: Report) -> list[Reading]:
    """The newest minute's values; of a sparse reading, such as a speed test, the newest that the report holds."""
    out = []
    for place, (column, values) in enumerate(zip(watched.columns, report.absolute(told, watched), strict=False)):
        scale = 10 ** catalogue.READINGS[column.reading].decimals
        width = len(column.subjects)
        found: dict[int, int] = {}
        if column.sparse:
            found = dict(zip(values[1::3], values[2::3], strict=True))
        else:
            first = (told.count - 1) * width
            gone = {at - first for at in report.absent_places(told, place)}
            found = {subject: values[first + subject] for subject in range(width) if subject not in gone}
        out += [Reading(column.subjects[at], column.reading, found[at] / scale) for at in sorted(found)]
    return out
