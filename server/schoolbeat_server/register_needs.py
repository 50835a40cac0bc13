"""What a room must hold: the operator's bill of materials, or the one that is shipped, which is an assumption."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sqlalchemy import Connection, select

from schoolbeat_server import schema, yaml_text
from schoolbeat_server.register_values import Room, RoomNeed

ANY = "any"


@dataclass(frozen=True)
class RoomNeeds:
    """assumed: the operator has said nothing, so these are the shipped ones, for which no document stands."""

    needs: tuple[RoomNeed, ...]
    assumed: bool

    def of(self, room: Room) -> list[RoomNeed]:
        """Rows for the room's kind come before those for any kind; empty: nothing is asked of such a room."""
        return needs_of(room, self.needs)


def needs_of(room: Room, needs: Iterable[RoomNeed]) -> list[RoomNeed]:
    level = [one for one in needs if one.smart_level == room.smart_level]
    return [one for one in level if one.kind == room.kind] or [one for one in level if one.kind == ANY]


def read_room_needs(connection: Connection) -> RoomNeeds:
    table = schema.room_need
    query = select(table).order_by(*table.primary_key.columns)
    own = tuple(RoomNeed(**row) for row in connection.execute(query).mappings())
    return RoomNeeds(own or shipped(), assumed=not own)


@cache
def shipped() -> tuple[RoomNeed, ...]:
    text = resources.files("schoolbeat_server").joinpath("register_files/room_needs.yaml").read_text(encoding="utf-8")
    found, _ = yaml_text.parse(text)
    assert isinstance(found, dict)
    return tuple(
        RoomNeed(row["kind"], int(row["smart_level"]), row["device_kind"], int(row["count"]))
        for row in found["room_needs"]
    )
