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
) -> dict[tuple[str, str], wire.Config]:
    """(site, agent) -> config, for gateways. The revision is a checksum of the content: the same content, the same."""
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
    contracts = _contracts(connection)
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


def _contracts(connection: Connection) -> dict[str, tuple[int, int]]:
    """site -> (down, up) of its fastest line: the agent measures one, and cannot tell which."""
    line = schema.line.c
    found: dict[str, tuple[int, int]] = {}
    for site, down, up in connection.execute(select(line.site, line.contract_down_bps, line.contract_up_bps)):
        found[site] = max(found.get(site, (0, 0)), (down or 0, up or 0))
    return found


def within_bounds(config: wire.Config) -> wire.Config:
    """Names for people stay here when there are too many of them: better watched than named."""
    if len(wire.encode(config)) <= bounds.CONFIG_BYTES - 100:
        return config
    bare = [msgspec.structs.replace(device, name="", room="") for device in config.devices]
    return msgspec.structs.replace(config, devices=bare)


def with_revision(config: wire.Config) -> wire.Config:
    return msgspec.structs.replace(config, revision=zlib.crc32(wire.encode(config)))
