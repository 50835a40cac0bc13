"""A plan and its targets as values: what a document promises, and every assumption under which it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from schoolbeat_server.said import Said

Unit = Literal["school", "site", "room", "device"]
Join = Literal["any", "main", "every"]
Off = Literal["left_out", "down"]
Clock = Literal["always", "lessons"]


@dataclass(frozen=True, slots=True)
class Assumption:
    """What the document leaves open, and how it was settled. value: as written in the file."""

    name: str
    value: str
    reason: Said
    source: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One indicator against one threshold: at_least (in the indicator's unit) or one_of (words).

    assumption: the name of the assumption that holds the threshold.
    """

    indicator: str
    assumption: str
    at_least: Fraction | None = None
    one_of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Which units count; an empty tuple lets all pass."""

    areas: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    site_kinds: tuple[str, ...] = ()
    room_kinds: tuple[str, ...] = ()
    smart_levels: tuple[int, ...] = ()
    device_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """lines: how lines make a site; sites: how sites make a school; devices: how devices make a room."""

    id: str
    name: Said
    clause: Said
    quote: Said
    unit: Unit
    filter: Filter
    conditions: tuple[Condition, ...]
    share: Fraction
    deadline: date
    window_days: int
    clock: Clock
    min_coverage: Fraction
    off: Off
    lines: Join
    sites: Join
    devices: Join
    min_tests: int
    assumptions: tuple[Assumption, ...]

    @property
    def window_minutes(self) -> int:
        return self.window_days * 1_440

    @property
    def off_is_down(self) -> bool:
        return self.off == "down"


@dataclass(frozen=True, slots=True)
class Plan:
    """file: where it was read from."""

    id: str
    document: Said
    issuer: Said
    file: str
    targets: tuple[Target, ...]
