"""Answers that a file gives in place of a person, for set-ups that are automated."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TextIO

from schoolbeat_agent.settings import SettingsError
from schoolbeat_agent.setup.desk import allowed_secret
from schoolbeat_agent.setup.rows import Row, text
from schoolbeat_agent.setup.terminal import Option, cleaned
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire import catalogue

DEVICE_KEYS: Final = {"id", "address", "kind", "room", "name", "watch"}
_UNKNOWN = Text("{file}: không có khóa {key}", "{file}: unknown key {key}")
_MISSING = Text("{file}: thiếu câu trả lời {key}: {prompt}", "{file}: no answer {key}: {prompt}")
_WRONG = Text("{file}: {key} = {value}: cho phép: {why}", "{file}: {key} = {value}: allowed: {why}")
_KINDS = Text("một trong {kinds}", "one of {kinds}")
SECRET: Final = ("site_key", "community", "camera_password", "broker_password")


class Answers:
    """A desk at which nobody sits. Every question has its key in the file; what has none gets its default."""

    def __init__(self, file: Path, language: Language, stdout: TextIO = sys.stdout) -> None:
        self.language: Language = language
        self._file, self._out = file, stdout
        try:
            self._given: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError) as error:
            raise SettingsError(f"{file}: {error}") from None
        self._lists: dict[str, list[str]] = {}
        self._check_devices()

    def _check_devices(self) -> None:
        for table in self._given.get("device", []):
            if strange := set(table) - DEVICE_KEYS:
                raise SettingsError(_UNKNOWN.both(file=self._file, key=f"device.{min(strange)}"))
            if "kind" in table and table["kind"] not in catalogue.DEVICE_KINDS:
                why = _KINDS.say(self.language, kinds=", ".join(catalogue.DEVICE_KINDS))
                raise SettingsError(_WRONG.both(file=self._file, key="device.kind", value=table["kind"], why=why))

    def say(self, text: str) -> None:
        self._out.write("\n".join(cleaned(line) for line in text.split("\n")) + "\n")
        self._out.flush()

    def progress(self, text: str) -> None:
        self.say(text)

    def _next(self, key: str) -> Any:
        """A question that is asked until it is answered with nothing takes a list from the file, one after another."""
        found = self._given.get(key)
        if not isinstance(found, list):
            return found
        left = self._lists.setdefault(key, list(found))
        return left.pop(0) if left else ""

    def line(self, key: str, prompt: str, default: str, check: Callable[[str], str]) -> str:
        found = self._next(key)
        try:
            return check(default if found is None else str(found))
        except ValueError as error:
            if found is None:
                raise SettingsError(_MISSING.both(file=self._file, key=key, prompt=prompt)) from None
            shown = "…" if key in SECRET else found
            raise SettingsError(_WRONG.both(file=self._file, key=key, value=shown, why=error)) from None

    def secret(self, key: str, prompt: str) -> str:
        found = self._next(key)
        try:
            return "" if found is None else allowed_secret(str(found))
        except ValueError:
            raise SettingsError(_WRONG.both(file=self._file, key=key, value="…", why="≤ 200")) from None

    def yes(self, key: str, prompt: str, default: bool) -> bool:
        found = self._given.get(key, default)
        if not isinstance(found, bool):
            raise SettingsError(_WRONG.both(file=self._file, key=key, value=found, why="true, false"))
        return found

    def several(self, key: str, title: str, options: Sequence[Option], chosen: Sequence[int]) -> list[int]:
        return list(chosen)

    def listed(self, key: str, prompt: str) -> list[str]:
        """A list that must be there."""
        if key not in self._given:
            raise SettingsError(_MISSING.both(file=self._file, key=key, prompt=prompt))
        return [str(one) for one in self._given[key]]

    def one(self, title: str, options: Sequence[Option], cursor: int = 0) -> int | None:
        return cursor

    def form(self, title: str, options: Sequence[Option], cursor: int) -> tuple[int, str]:
        return cursor, "back"

    def applied(self, rows: Sequence[Row]) -> list[Row]:
        """What the file says of a device, by its id or address."""
        told = self._given.get("device", [])
        by_id = {table["id"]: table for table in told if "id" in table}
        by_address = {table["address"]: table for table in told if "address" in table}
        return [_applied(row, by_id.get(row.found.id) or by_address.get(row.found.address)) for row in rows]


def _applied(row: Row, table: Mapping[str, Any] | None) -> Row:
    if table is None:
        return row
    return replace(
        row,
        kind=str(table.get("kind", row.kind)),
        room=text(str(table.get("room", row.room))),
        name=text(str(table.get("name", row.name))),
        watched=bool(table.get("watch", True)),
        confirmed=True,
    )
