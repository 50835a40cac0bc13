"""What reading a register gives: rows of text with their places, faults that forbid loading, remarks that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from schoolbeat_server.said import Said

MOST_FAULTS_SHOWN = 200

# section, rows read so far: whoever waits may be told
Progress = Callable[[str, int], None]


class Place(NamedTuple):
    """line 0: the file as a whole. headings: how the file calls a column, where it does not use our id."""

    file: str
    line: int
    headings: Mapping[str, str] = MappingProxyType({})


class Fault(NamedTuple):
    """One thing that cannot be accepted (or, among the remarks, that was accepted but should be known)."""

    place: Place
    column: str
    value: str | None
    said: Said

    def text(self, language: str) -> str:
        return f"{self.where(language)}:{self.shown}{self.said.to(language)}"

    def where(self, language: str) -> str:
        row = ("dòng", "line")[language == "en"]
        column = ("cột", "column")[language == "en"]
        where = self.place.file
        if self.place.line:
            where += f", {row} {self.place.line}"
        if self.column:
            where += f", {column} {self.place.headings.get(self.column, self.column)}"
        return where

    @property
    def shown(self) -> str:
        return " " if self.value is None else f" {self.value[:80]!r}: "


class RegisterError(ValueError):
    """The register cannot be loaded; nothing of it was applied. Every fault is listed."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.text("vi") for fault in faults[:MOST_FAULTS_SHOWN]))
        self.faults = faults

    def text(self, language: str) -> str:
        """For a terminal: of very many faults the first ones; `faults` has them all."""
        lines = [fault.text(language) for fault in self.faults[:MOST_FAULTS_SHOWN]]
        more = len(self.faults) - len(lines)
        if more > 0:
            lines.append(Said(f"… và {more} lỗi nữa", f"… and {more} more faults").to(language))
        return "\n".join(lines)


class Row(NamedTuple):
    """cells: as typed, by column; a column that the file does not have is absent."""

    place: Place
    cells: dict[str, str]


@dataclass
class Read:
    """A file or folder as read: rows by section, and what was strange but could be read."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    remarks: list[Fault] = field(default_factory=list)


def whole_file(file: str, vi: str, en: str) -> Fault:
    return Fault(Place(file, 0), "", None, Said(vi, en))
