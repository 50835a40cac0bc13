"""What each site's gateway is told to watch: the register's devices with an address, and the services."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_wire import bounds
from schoolbeat_wire import messages as wire


def of_agents(
    connection: Connection,
    server: str,
    lessons_of: Callable[[str], LessonHours] = lambda _site: LessonHours(),
    *,
    day: str,
) -> dict[tuple[str, str], wire.Config]:
    """(site, agent) -> config, for gateways. day: an ISO date, whose contracts count. The revision is a checksum of the
    content: the same content, the same."""
    services = [
        wire.WatchedService(row.id, row.url)
        for row in connection.execute(select(schema.service).order_by(schema.service.c.id))
    ]
    device = schema.device.c
    rows = connection.execute(
        select(schema.device, schema.room.c.name.label("room_name"))
        .outerjoin(schema.room, schema.room.c.id == device.room)
        .where(device.address != "")
        .order_by(device.site, device.id)
    )
    devices: dict[str, list[wire.WatchedDevice]] = {}
    for row in rows:
        devices.setdefault(row.site, []).append(_watched(row))
    contracts = contracts_on(connection, day)
    agent = schema.agent.c
    gateways = connection.execute(select(agent.site, agent.name).where(agent.role == "gateway"))
    return {
        (site, name): with_revision(
            within_bounds(
                wire.Config(
                    revision=0,
                    server=server,
                    devices=devices.get(site, []),
                    services=services,
                    lessons=list(lessons_of(site).week),
                    exam_days=list(lessons_of(site).exam_days),
                    contract_down_bps=contracts.get(site, (0, 0))[0],
                    contract_up_bps=contracts.get(site, (0, 0))[1],
                )
            )
        )
        for site, name in gateways
    }


def _watched(row: Any) -> wire.WatchedDevice:
    return wire.WatchedDevice(
        row.id,
        row.address,
        row.name,
        row.kind,
        row.room_name or "",
        row.port,
        row.behind,
        ask=row.ask,
        credential=row.credential,
        snmp=row.snmp,
        profile=row.profile,
        stream=row.stream,
    )


def contracts_on(connection: Connection, day: str) -> dict[str, tuple[int, int]]:
    """site -> (down, up) of its main line whose contract is in force on that ISO day; of one that stands by only where
    there is no main line. The fastest of several: the agent measures one, and cannot tell which."""
    line = schema.line.c
    columns = (line.site, line.role, line.contract_from, line.contract_to, line.contract_down_bps, line.contract_up_bps)
    found: dict[str, tuple[bool, int, int]] = {}
    for site, role, first, end, down, up in connection.execute(select(*columns)):
        if (first or "") <= day < (end or "9999-12-31"):
            found[site] = max(found.get(site, (False, 0, 0)), (role == "main", down or 0, up or 0))
    return {site: (down, up) for site, (_, down, up) in found.items()}


def within_bounds(config: wire.Config) -> wire.Config:
    """Names for people stay here when there are too many of them: better watched than named."""
    if len(wire.encode(config)) <= bounds.CONFIG_BYTES - 100:
        return config
    bare = [msgspec.structs.replace(device, name="", room="") for device in config.devices]
    return msgspec.structs.replace(config, devices=bare)


def with_revision(config: wire.Config) -> wire.Config:
    return msgspec.structs.replace(config, revision=zlib.crc32(wire.encode(config)))
