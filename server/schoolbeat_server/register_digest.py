"""What verdicts take from the register and the calendar, as one digest: an edit made afterwards shows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.said import Said

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "area": ("id", "kind", "parent", "valid_from", "valid_to"),
    "school": ("id", "area", "level", "manager", "founded", "closed"),
    "school_area": ("school", "valid_from", "valid_to", "area"),
    "site": ("id", "school", "kind", "tags", "valid_from", "valid_to"),
    "shift": ("site", "shift", "valid_from", "pupils"),
    "line": (
        *("id", "site", "isp", "technology", "contract_down_bps", "contract_up_bps", "role"),
        *("contract", "contract_from", "contract_to", "contract_min_bps", "ont"),
    ),
    "room": ("id", "site", "kind", "smart_level"),
    "room_need": ("kind", "smart_level", "device_kind", "count"),
    "device": ("site", "id", "kind", "room", "serial"),
    "asset": ("site", "code", "serial", "quantity", "status", "device"),
    "calendar_rule": ("level", "place", "kind", "valid_from", "valid_to", "value"),
    "site_place": ("site", "valid_from", "school", "areas"),
}
LEFT_OUT: Final[Mapping[str, tuple[str, ...]]] = {  # no verdict depends on them
    "area": ("name",),
    "school": ("name", "code", "cluster"),
    "school_area": (),
    "site": ("name", "latitude", "longitude"),
    "shift": ("teachers",),
    "line": ("universal_service",),
    "room": ("name",),
    "room_need": (),
    "device": (
        *("name", "address", "port", "behind", "ask", "credential", "snmp", "profile", "stream"),
        *("model", "vendor"),
    ),
    "asset": ("room", "kind", "name", "model", "year", "funding", "warranty_to"),
    "calendar_rule": ("id", "document", "why", "added", "removed"),
    "site_place": ("id", "added", "removed"),
}


NAMES: Final[Mapping[str, Said]] = {
    "area": Said("địa bàn", "areas"),
    "school": Said("trường", "schools"),
    "school_area": Said("trường thuộc địa bàn nào", "areas of schools"),
    "site": Said("điểm trường", "sites"),
    "shift": Said("số học sinh từng ca", "pupils of shifts"),
    "line": Said("đường truyền và hợp đồng", "lines and contracts"),
    "room": Said("phòng", "rooms"),
    "room_need": Said("danh mục thiết bị phòng phải có", "what rooms must hold"),
    "device": Said("thiết bị", "devices"),
    "asset": Said("sổ tài sản", "asset book"),
    "calendar_rule": Said("lịch học", "school calendar"),
    "site_place": Said("điểm trường ở đâu theo lịch học", "places of sites in the calendar"),
}


class State(NamedTuple):
    """text: a line for each table, with how many rows it had and their digest; digest: in hexadecimal, of the text."""

    digest: str
    text: str


def state(connection: Connection) -> State:
    """As it stands now. Of the calendar, what is still said."""
    lines = ["schoolbeat-register 1", *(_line(connection, name) for name in COLUMNS)]
    text = "".join(line + "\n" for line in lines)
    return State(hashlib.sha256(text.encode()).hexdigest(), text)


def _line(connection: Connection, name: str) -> str:
    table = schema.metadata.tables[name].c
    query = select(*(table[column] for column in COLUMNS[name]))
    if "removed" in table:
        query = query.where(table["removed"].is_(None))
    rows = sorted(json.dumps(list(row), ensure_ascii=False, separators=(",", ":")) for row in connection.execute(query))
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row}\n".encode())
    return f"{name} {len(rows)} {digest.hexdigest()}"


def keep(connection: Connection, found: State, now_ms: int) -> None:
    """`connection` writes. Once a state, however many verdicts name it."""
    row = {"digest": found.digest, "text": found.text, "seen_ms": now_ms}
    connection.execute(insert(schema.register_state).on_conflict_do_nothing(), row)


def kept(connection: Connection, digest: str) -> State | None:
    """None: none was kept under that digest, or another text than it is of."""
    table = schema.register_state.c
    text = connection.scalar(select(table.text).where(table.digest == digest))
    if text is None or hashlib.sha256(text.encode()).hexdigest() != digest:
        return None
    return State(digest, text)


def differing(one: State, other: State) -> list[str]:
    """The tables that are another in the two."""
    here, there = (dict(line.split(" ", 1) for line in told.text.splitlines()[1:]) for told in (one, other))
    return [name for name in COLUMNS if here.get(name) != there.get(name)]
