"""What each site's gateway is told to watch: the register's devices with an address, and the services."""

from __future__ import annotations

import zlib

import msgspec
from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_wire import bounds
from schoolbeat_wire import messages as wire


def of_agents(connection: Connection, server: str) -> dict[tuple[str, str], wire.Config]:
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
        devices.setdefault(row.site, []).append(
            wire.WatchedDevice(row.id, row.address, row.name, row.kind, row.room_name or "", row.port, row.behind)
        )
    agent = schema.agent.c
    gateways = connection.execute(select(agent.site, agent.name).where(agent.role == "gateway"))
    return {
        (site, name): with_revision(
            within_bounds(wire.Config(revision=0, server=server, devices=devices.get(site, []), services=services))
        )
        for site, name in gateways
    }


def within_bounds(config: wire.Config) -> wire.Config:
    """Names for people stay here when there are too many of them: better watched than named."""
    if len(wire.encode(config)) <= bounds.CONFIG_BYTES - 100:
        return config
    bare = [msgspec.structs.replace(device, name="", room="") for device in config.devices]
    return msgspec.structs.replace(config, devices=bare)


def with_revision(config: wire.Config) -> wire.Config:
    return msgspec.structs.replace(config, revision=zlib.crc32(wire.encode(config)))
