"""A plan and its targets as values: what a document promises, and every assumption under which it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from schoolbeat_server.said import Said

# holding: a thing that was found on the network or that the register or asset book names; inspection: one held.
Unit = Literal["school", "site", "room", "device", "holding", "inspection"]
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
    """One indicator against one threshold: at_least or at_most (in the indicator's unit), or one_of (words).

    assumption: the name of the assumption that holds the threshold; "" for an indicator that is true or not.
    of: which services, kinds of device or readings are meant, for an indicator that asks. up_to: more than this is
    asked of no unit, for a threshold that grows with the unit.
    """

    indicator: str
    assumption: str
    at_least: Fraction | None = None
    at_most: Fraction | None = None
    one_of: tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    up_to: Fraction | None = None

    def holds(self, value: Fraction) -> bool:
        """Exact."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which units count; an empty tuple lets all pass."""

    areas: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    site_tags: tuple[str, ...] = ()
    site_kinds: tuple[str, ...] = ()
    room_kinds: tuple[str, ...] = ()
    smart_levels: tuple[int, ...] = ()
    device_kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """lines: how lines make a site; sites: how sites make a school; devices: how devices make a room.

    count: so many units must meet it, instead of a share of them (then share is 0). deadline None: a profile's.
    claim: said to be reached already. covers: what of the promise is judged; None: all of it.
    """

    id: str
    name: Said
    clause: Said
    quote: Said
    unit: Unit
    filter: Filter
    conditions: tuple[Condition, ...]
    share: Fraction
    deadline: date | None
    window_days: int
    clock: Clock
    min_coverage: Fraction
    off: Off
    lines: Join
    sites: Join
    devices: Join
    min_tests: int
    assumptions: tuple[Assumption, ...]
    count: int | None = None
    claim: bool = False
    covers: Said | None = None
    variant_of: str = ""

    @property
    def window_minutes(self) -> int:
        return self.window_days * 1_440

    @property
    def off_is_down(self) -> bool:
        return self.off == "down"


def units_needed(units: int, share: Fraction, count: int | None) -> int:
    """How many of so many units must meet a target that states a share of them, or else a number."""
    return count if count is not None else -(-share.numerator * units // share.denominator)


@dataclass(frozen=True, slots=True)
class Plan:
    """file: where it was read from. kind "profile": a yardstick from elsewhere. boundaries: the day whose areas it
    speaks of; None: today's."""

    id: str
    document: Said
    issuer: Said
    file: str
    targets: tuple[Target, ...]
    kind: Literal["plan", "profile"] = "plan"
    source: str = ""
    boundaries: date | None = None
