"""A rule: how one reading comes from a device's objects. A small fixed vocabulary and no language."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.snmp.columns import Columns, number, text
from schoolbeat_agent.snmp.rows import Value
from schoolbeat_agent.snmp.subject import below
from schoolbeat_wire.catalogue import READINGS

AGGREGATES: Final = ("first", "min", "max", "sum", "mean")
# What a device may write behind a number, by the catalogue's unit.
_UNITS: Final = {
    "%": frozenset({"%", "percent"}),
    "°C": frozenset({"c", "°c", "℃"}),
    "dBm": frozenset({"dbm"}),
    "V": frozenset({"v", "vac", "vdc"}),
    "s": frozenset({"s"}),
    "h": frozenset({"h"}),
}
_PLACES: Final = 6  # more than any reading needs: 1191 tenths are 119.1 and no 119.10000000000001
_PARTS: Final = 200  # of one device that one rule may name
_BITS_BYTES: Final = 4
_REST: Final = 2  # numbers at the end of an index that may be added to a name


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether another object of the same row (or of the device) has one of these values or contains one of these."""

    oid: str
    column: bool
    values: tuple[float | str, ...]
    words: tuple[str, ...]

    def holds(self, columns: Columns, index: str) -> bool:
        value = _value(columns, self.oid, self.column, index)
        if value is None:
            return False
        said = text(value).lower()
        return any(word in said for word in self.words) or any(_same(value, each) for each in self.values)


@dataclass(frozen=True, slots=True)
class Rule:
    """See docs/snmp-profiles.md for what each field means."""

    reading: str
    oid: str
    column: bool
    each: bool
    part: str
    prefix: str
    names: tuple[str, ...]
    without: tuple[str, ...]
    only_named: bool
    index_text: bool
    index: str
    index_end: str
    scale: float
    mapping: tuple[tuple[float | str, float], ...]
    otherwise: float | None
    ignore: tuple[float | str, ...]
    low: float
    high: float
    of: str
    plus: bool
    of_column: bool
    free: bool
    milliwatts: bool
    bits: bool
    si_scale: str
    precision: str
    when: tuple[Condition, ...]
    unless: tuple[Condition, ...]
    aggregate: str

    def asks(self) -> Iterator[str]:
        """Every object that it needs."""
        yield from self.moving()
        yield from self.names
        yield from filter(None, (self.si_scale, self.precision))

    def moving(self) -> Iterator[str]:
        """Those that change from minute to minute."""
        yield self.oid
        yield from filter(None, (self.of,))
        yield from (each.oid for each in (*self.when, *self.unless))


def apply(rule: Rule, columns: Columns, subject: str) -> dict[tuple[str, str], float]:
    """(subject, reading) -> value; nothing where the device does not say, or says what cannot be."""
    if not rule.column:
        value = _reading(rule, columns, "", columns.scalar(rule.oid))
        return {} if value is None else {(_part(rule, subject), rule.reading): value}
    values = list(_rows(rule, columns))
    if rule.each:
        gathered = {below(subject, name): found for name, found in _parts(rule, columns, values).items()}
    else:
        gathered = {_part(rule, subject): [value for _, value in values]} if values else {}
    told = {(part, rule.reading): _one(found, rule.aggregate) for part, found in gathered.items()}
    return {of: value for of, value in told.items() if value <= READINGS[rule.reading].high}


def _part(rule: Rule, subject: str) -> str:
    return below(subject, rule.prefix + rule.part) if rule.part else subject


def _rows(rule: Rule, columns: Columns) -> Iterator[tuple[str, float]]:
    end = f".{rule.index_end}" if rule.index_end else ""
    for index, raw in columns.column(rule.oid).items():
        if not index.endswith(end) or (rule.index and index != rule.index):
            continue
        if (value := _reading(rule, columns, index, raw)) is not None:
            yield index.removesuffix(end), value


def _parts(rule: Rule, columns: Columns, values: list[tuple[str, float]]) -> dict[str, list[float]]:
    """By the parts' names. One name met again: gathered where the rule says how, else told apart."""
    gathered: dict[str, list[float]] = {}
    for index, value in values[:_PARTS]:
        name = _name(rule, columns, index)
        if not name:
            continue
        if rule.prefix + name in gathered and not rule.aggregate:
            name = f"{name}-{index if _is_short(index) else len(gathered) + 1}"
        gathered.setdefault(rule.prefix + name, []).append(value)
    return gathered


def _is_short(index: str) -> bool:
    """Whether it may be told: one of six numbers or more may be a client's MAC."""
    return index.count(".") <= _REST + 1


def _name(rule: Rule, columns: Columns, index: str) -> str:
    """By the first column that has a name at the index or, with the rest of the index added, at its beginning.

    Else the index itself, if it may be told.
    """
    if rule.index_text:
        return _index_text(index)
    for oid in rule.names:
        known, rest = index, ""
        while known and rest.count(".") <= _REST:
            name = text(columns.at(oid, known))
            for word in rule.without:
                name = name.replace(word, "").strip()
            if name:
                return name + rest
            known, _, last = known.rpartition(".")
            rest = f".{last}{rest}"
    return index if _is_short(index) and not rule.only_named else ""


def _index_text(index: str) -> str:
    """A text that is an index: its length, then its bytes (RFC 2578, 7.7). "" if it is none."""
    length, *parts = (int(part) for part in index.split("."))
    if length != len(parts) or any(part > 255 for part in parts):
        return ""
    return text(bytes(parts))


def _reading(rule: Rule, columns: Columns, index: str, raw: Value | None) -> float | None:
    if raw is None or any(_same(raw, each) for each in rule.ignore):
        return None
    if not all(each.holds(columns, index) for each in rule.when):
        return None
    if any(each.holds(columns, index) for each in rule.unless):
        return None
    value = _value_of(rule, columns, index, raw)
    entry = READINGS[rule.reading]
    if value is None or not max(rule.low, entry.low) <= value <= min(rule.high, entry.high):
        return None
    return round(value, _PLACES)


def _value_of(rule: Rule, columns: Columns, index: str, raw: Value) -> float | None:
    if rule.mapping or rule.otherwise is not None:
        return _mapped(rule, raw)
    if rule.bits:
        return _bits(raw) if isinstance(raw, bytes) else None
    return _converted(rule, columns, index, raw)


def _bits(raw: bytes) -> float | None:
    """BITS (RFC 2578, 7.1.4): bit 0 is the first of the first byte; ours counts 2 to the power of each that is set."""
    if len(raw) > _BITS_BYTES:
        return None
    said = "".join(f"{byte:08b}" for byte in raw)
    return float(sum(1 << place for place, bit in enumerate(said) if bit == "1"))


def _mapped(rule: Rule, raw: Value) -> float | None:
    return next((value for known, value in rule.mapping if _same(raw, known)), rule.otherwise)


def _converted(rule: Rule, columns: Columns, index: str, raw: Value) -> float | None:
    value = number(raw, _UNITS.get(READINGS[rule.reading].unit, frozenset()))
    if value is None or not math.isfinite(value):
        return None
    if rule.of:
        other = number(_value(columns, rule.of, rule.of_column, index), frozenset())
        return None if other is None else _share(value, value + other if rule.plus else other, rule.free)
    value *= rule.scale * _exponent(rule, columns, index)
    if rule.milliwatts:
        return 10 * math.log10(value) if value > 0 else None
    return 100 - value if rule.free else value


def _share(value: float, whole: float, free: bool) -> float | None:
    if whole <= 0 or not 0 <= value <= whole:
        return None
    return 100 * ((whole - value) if free else value) / whole


def _exponent(rule: Rule, columns: Columns, index: str) -> float:
    """RFC 3433: EntitySensorDataScale (units is 9, each step a thousand) and EntitySensorPrecision."""
    power = 0
    if rule.si_scale and isinstance(scale := columns.at(rule.si_scale, index), int) and 1 <= scale <= 17:
        power += 3 * (scale - 9)
    if rule.precision and isinstance(digits := columns.at(rule.precision, index), int) and -8 <= digits <= 9:
        power -= digits
    return float(10.0**power)


def _value(columns: Columns, oid: str, column: bool, index: str) -> Value | None:
    return columns.at(oid, index) if column else columns.scalar(oid)


def _same(value: Value, known: float | str) -> bool:
    if isinstance(known, str):
        return text(value).lower() == known.lower()
    return number(value, frozenset()) == known


def _one(found: list[float], aggregate: str) -> float:
    match aggregate:
        case "sum":
            return sum(found)
        case "max":
            return max(found)
        case "min":
            return min(found)
        case "mean":
            return sum(found) / len(found)
    return found[0]
