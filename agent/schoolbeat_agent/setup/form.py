"""The form in which the technician confirms what was found: a list, and for each device its kind, room and name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from schoolbeat_agent.setup.desk import Desk
from schoolbeat_agent.setup.rows import Row, kind_name, shown, text, unsure, with_kind
from schoolbeat_agent.setup.terminal import Option
from schoolbeat_agent.texts import Text
from schoolbeat_wire import catalogue

_TITLE = Text("Thiết bị tìm thấy: {watched} sẽ được theo dõi", "Devices found: {watched} will be watched")
_DONE = Text("» Ghi danh sách này", "» Write this list")
_STILL_UNSURE = Text(
    "Còn {count} thiết bị chưa chắc là loại gì. Vẫn ghi?", "{count} devices are of an uncertain kind. Write anyway?"
)
_KIND, _ROOM, _NAME = Text("Loại: {now}", "Kind: {now}"), Text("Phòng: {now}", "Room: {now}"), Text("Tên", "Name")
_NAME_NOW = Text("Tên: {now}", "Name: {now}")
_RIGHT = Text("Đúng rồi, sang thiết bị sau", "It is right, the next one")
_LEAVE, _TAKE = Text("Không theo dõi", "Do not watch"), Text("Theo dõi", "Watch")
_OTHER_ROOM = Text("Phòng khác…", "Another room…")
_NO_ROOM = Text("Chung cả trường", "The whole school")
_ROOM_NAME = Text("Tên phòng", "The room's name")
KINDS: Final = tuple(catalogue.DEVICE_KINDS)


def confirm(desk: Desk, rows: Sequence[Row], rooms: Sequence[str] = ()) -> list[Row]:
    """The rows as the technician leaves them. rooms: those already known."""
    now, cursor = list(rows), 0
    while True:
        options = [Option(*shown(row, desk.language)) for row in now]
        title = _TITLE.say(desk.language, watched=sum(row.watched for row in now))
        cursor, key = desk.form(title, [*options, Option(_DONE.say(desk.language))], cursor)
        if key == "back" or cursor == len(now):
            left = len(unsure(now))
            if not left or desk.yes("unsure", _STILL_UNSURE.say(desk.language, count=left), True):
                return now
        elif key == "space":
            now[cursor] = replace(now[cursor], watched=not now[cursor].watched, confirmed=True)
        else:
            known = dict.fromkeys([*rooms, *(row.room for row in now)])
            now[cursor], goes_on = _one(desk, now[cursor], [room for room in known if room])
            cursor = min(cursor + goes_on, len(now))


def _one(desk: Desk, row: Row, rooms: Sequence[str]) -> tuple[Row, bool]:
    """One device; and whether the next one is to be looked at."""
    cursor = 0
    while True:
        say = desk.language
        options = [
            Option(_RIGHT.say(say)),
            Option(_KIND.say(say, now=kind_name(row.kind, say))),
            Option(_ROOM.say(say, now=row.room or _NO_ROOM.say(say))),
            Option(_NAME_NOW.say(say, now=row.name)),
            Option((_LEAVE if row.watched else _TAKE).say(say)),
        ]
        head, below, why = shown(row, say)
        picked = desk.one("\n".join(filter(None, (head, below, why))), options, cursor)
        if picked is None:
            return row, False
        cursor = picked
        if picked == 0:
            return replace(row, confirmed=True), True
        if picked == 1:
            row = _kind(desk, row)
        elif picked == 2:
            row = replace(row, room=_room(desk, row, rooms), confirmed=True)
        elif picked == 3:
            name = desk.line("name", _NAME.say(say), row.name, _some_name)
            row = replace(row, name=name, confirmed=True)
        else:
            return replace(row, watched=not row.watched, confirmed=True), True
        cursor = (cursor + 1) % 4 if picked < 3 else 0


def _kind(desk: Desk, row: Row) -> Row:
    names = [Option(kind_name(kind, desk.language)) for kind in KINDS]
    now = KINDS.index(row.kind) if row.kind in KINDS else len(KINDS) - 1
    picked = desk.one(_KIND.say(desk.language, now=row.name), names, now)
    return row if picked is None else with_kind(row, KINDS[picked], desk.language)


def _room(desk: Desk, row: Row, rooms: Sequence[str]) -> str:
    choices = [*rooms, _NO_ROOM.say(desk.language), _OTHER_ROOM.say(desk.language)]
    now = choices.index(row.room) if row.room in rooms else len(choices) - 1
    picked = desk.one(_ROOM.say(desk.language, now=row.name), [Option(room) for room in choices], now)
    if picked is None:
        return row.room
    if picked < len(rooms):
        return rooms[picked]
    if picked == len(rooms):
        return ""
    return desk.line("room", _ROOM_NAME.say(desk.language), row.room, text)


def _some_name(typed: str) -> str:
    if not text(typed):
        raise ValueError("…")
    return text(typed)
