"""How sites, rooms and agents are at this moment, as lines: taken while the store answers, and never kept for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, func, select

from schoolbeat_server import register, schema
from schoolbeat_server.contact import METERED_HOLD_MS
from schoolbeat_server.finding import all3
from schoolbeat_server.register_needs import read_room_needs
from schoolbeat_server.register_values import Device, Room, RoomNeed
from schoolbeat_server.room_indicators import answering, enough
from schoolbeat_server.school_calendar import day_of
from schoolbeat_server.series_lines import Value, line
from schoolbeat_server.series_pieces import Sources
from schoolbeat_server.series_rows import cause_code, encoded
from schoolbeat_server.web import province
from schoolbeat_wire.catalogue import UNKNOWN

NOW_MINUTES: Final = 7  # metered lines report every 5
_STATES: Final = {"ok": 0, "faulty": 1, "down": 2, "lost": 3, "silent": 4}


def lines_of_now(sources: Sources, now_ms: int, *, deaf: bool = False) -> list[bytes]:
    """deaf: nobody can be heard (our broker is away, or was until now): how sites are is unknown then, and not told."""
    with sources.engine.connect() as connection:
        lines = list(_sites(sources, connection, now_ms, deaf))
        lines += _agents(sources, connection, now_ms, deaf)
        lines += _rooms(sources, connection, now_ms)
    return encoded(lines)


def _sites(sources: Sources, connection: Connection, now_ms: int, deaf: bool) -> Iterator[str]:
    places, day = sources.places, day_of(now_ms // 60_000)
    for row in province.read_sites(connection):
        spot, told = places.sites.get(row.id), places.span(row.id, day).line
        fields: dict[str, Value | None] = {
            "state": None if deaf else _STATES[row.state],
            "cause": None if deaf else cause_code(row.cause) if row.cause else 0,
            "latitude": spot.latitude if spot else None,
            "longitude": spot.longitude if spot else None,
            "contract_down_bps": told.contract_down_bps if told else None,
            "contract_up_bps": told.contract_up_bps if told else None,
            "heard_seconds": _age(row.heard_ms, now_ms),
        }
        if _says_anything(fields):
            yield line("schoolbeat_site", places.of_site(row.id, day), fields, now_ms)


def _says_anything(fields: dict[str, Value | None]) -> bool:
    return any(value is not None for value in fields.values())


def _age(at_ms: int | None, now_ms: int) -> int | None:
    return None if at_ms is None else max(now_ms - at_ms, 0) // 1_000


def _agents(sources: Sources, connection: Connection, now_ms: int, deaf: bool) -> Iterator[str]:
    agent, latest, contact = schema.agent.c, schema.latest.c, schema.contact.c
    day, versions = day_of(now_ms // 60_000), _versions(sources, connection)
    rows = connection.execute(
        select(agent.site, agent.name, agent.role, latest.minute, latest.received_ms, contact.session)
        .select_from(schema.agent)
        .outerjoin(schema.latest, (latest.site == agent.site) & (latest.agent == agent.name))
        .outerjoin(schema.contact, contact.site == agent.site)
    ).all()
    for site, name, role, minute, received_ms, session in rows:
        near = received_ms is not None and now_ms - received_ms <= METERED_HOLD_MS
        fields: dict[str, Value | None] = {
            # Others than gateways have no session that we follow.
            "connected": None if deaf else int(bool(session) if role == "gateway" else near),
            "heard_seconds": _age(received_ms, now_ms),
            "late_seconds": None if received_ms is None else max(received_ms - (minute + 1) * 60_000, 0) // 1_000,
        }
        tags = sources.places.of_agent(site, name, role, versions.get((site, name), ""), day)
        if _says_anything(fields):
            yield line("schoolbeat_agent", tags, fields, now_ms)


def _versions(sources: Sources, connection: Connection) -> dict[tuple[str, str], str]:
    """By the newest inventory of each agent."""
    table = schema.inventory.c
    newest = select(table.site, table.agent, table.revision, func.max(table.received_ms))  # SQLite: all of one row
    found = {}
    for site, agent, revision, _ in connection.execute(newest.group_by(table.site, table.agent)).all():
        layout = sources.layouts.of(connection, site, agent, revision)
        if layout is not None:
            found[site, agent] = layout.inventory.version
    return found


# ---- rooms -------------------------------------------------------------------------------------------------


def _rooms(sources: Sources, connection: Connection, now_ms: int) -> Iterator[str]:
    """Those of which is known what they must hold."""
    needs, day = read_room_needs(connection), day_of(now_ms // 60_000)
    by_room: dict[tuple[str, str], list[Device]] = {}
    for device in register.read_devices(connection):
        if device.room:
            by_room.setdefault((device.site, device.room), []).append(device)
    rooms: dict[str, list[tuple[Room, list[RoomNeed]]]] = {}
    for room in register.read_rooms(connection):
        mine = needs.of(room)
        if mine:
            rooms.setdefault(room.site, []).append((room, mine))
    for site, listed in rooms.items():
        signals = {one.signal for room, _ in listed for one in by_room.get((site, room.id), ())}
        codes = _codes_now(sources, site, sorted(signals), now_ms)
        for room, mine in listed:
            yield _room(sources, room, mine, by_room.get((site, room.id), []), codes, now_ms, day)


def _room(
    sources: Sources,
    room: Room,
    needs: list[RoomNeed],
    devices: list[Device],
    codes: dict[str, int],
    now_ms: int,
    day: int,
) -> str:
    found = [([codes[one.signal] for one in devices if one.kind == need.device_kind], need.count) for need in needs]
    ready = all3([enough(mine, count) for mine, count in found])
    fields: dict[str, Value | None] = {
        "ready": None if ready is None else int(ready),
        "needed": sum(count for _, count in found),
        "answering": sum(min(answering(mine), count) for mine, count in found),
    }
    return line("schoolbeat_room", sources.places.of_room(room.id, day), fields, now_ms)


def _codes_now(sources: Sources, site: str, signals: list[str], now_ms: int) -> dict[str, int]:
    """Of each signal, the newest of the last minutes that is known."""
    end = now_ms // 60_000
    with sources.engine.connect() as fresh:
        rows = sources.ledger.read(fresh, site, signals, end - NOW_MINUTES, end)
    return {signal: (row.rstrip(bytes([UNKNOWN])) or bytes([UNKNOWN]))[-1] for signal, row in rows.items()}
