"""A verdict's units as kept for ever: texts apart from their numbers, and only what differs from a first day's."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Unit = dict[str, Any]  # of a unit's verdict, what is kept
Units = Mapping[str, Unit]

_PLAIN = ("name", "status", "silent", "since_minute", "coverage", "grade", "counts")
_FIELDS = {*_PLAIN, "reasons"}
_NUMBER = re.compile("[0-9]+")
_GAP = "\0"  # where a number stood


class First(NamedTuple):
    """The units of an earlier day, by whose end minute they are found again."""

    end_minute: int
    units: Units


def pack(units: Units, first: First | None = None) -> bytes:
    """JSON, zlib. A row of its own, or what differs from the first; whichever the units allow."""
    if not _can_be_parted(units):
        return _deflated(units)
    if first is None or sorted(first.units) != sorted(units) or not _can_be_parted(first.units):
        columns = _columns(units, [])
        return _deflated([0, {"ids": sorted(units), **columns}])
    before = _columns(first.units, [])
    known: list[str] = before["templates"]
    now = _columns(units, known)
    changed = {name: _difference(before[name], now[name]) for name in now if name != "templates"}
    told = {name: found for name, found in changed.items() if found is not None}
    return _deflated([first.end_minute, {"templates": now["templates"][len(known) :], **told}])


def first_of(body: bytes) -> int:
    """The end minute of the day that the body differs from; 0: it stands alone."""
    found = _inflated(body)
    return found[0] if isinstance(found, list) else 0


def unpack(body: bytes, first: Units | None = None) -> dict[str, Unit]:
    """first: the units of the day that `first_of` names."""
    found = _inflated(body)
    if isinstance(found, dict):
        return found
    end_minute, told = found
    if not end_minute:
        return _units(told.pop("ids"), told)
    if first is None:
        raise ValueError(f"the units of the day that ends with minute {end_minute} are needed")
    columns = _columns(first, [])
    columns["templates"] += told.pop("templates")
    for name, change in told.items():
        columns[name] = change if isinstance(change, list) else _changed(columns[name], change)
    return _units(sorted(first), columns)


# ---- columns -----------------------------------------------------------------------------------------------


def _columns(units: Units, known: Sequence[str]) -> dict[str, list[Any]]:
    """Of the units by id. templates: texts without their numbers, after those that are known; told: of each unit the
    places of its reasons' templates, vi and en; numbers: those of its texts in vi, en where it has others."""
    ordered = [units[ident] for ident in sorted(units)]
    places = {one: at for at, one in enumerate(known)}
    told, numbers = [], []
    for unit in ordered:
        mine: list[int] = []
        found: list[str] = []
        for vi, en in unit["reasons"]:
            mine += [places.setdefault(_NUMBER.sub(_GAP, text), len(places)) for text in (vi, en)]
            its, other = (" ".join(_NUMBER.findall(text)) for text in (vi, en))
            found.append(its if its == other else f"{its}/{other}")
        told.append(mine)
        numbers.append(";".join(found))
    columns: dict[str, list[Any]] = {name: [unit[name] for unit in ordered] for name in _PLAIN}
    return {**columns, "told": told, "numbers": numbers, "templates": list(places)}


def _units(ids: Sequence[str], columns: Mapping[str, list[Any]]) -> dict[str, Unit]:
    found = {}
    for at, ident in enumerate(ids):
        unit = {name: columns[name][at] for name in _PLAIN}
        places, numbers = columns["told"][at], columns["numbers"][at].split(";")
        reasons = []
        for number in range(len(places) // 2):
            its, _, other = numbers[number].partition("/")
            pair = zip(places[2 * number : 2 * number + 2], (its, other or its), strict=True)
            reasons.append([_filled(columns["templates"][place], text) for place, text in pair])
        found[ident] = {**unit, "reasons": reasons}
    return found


def _filled(template: str, numbers: str) -> str:
    parts, told = template.split(_GAP), numbers.split(" ") if _GAP in template else []
    return "".join(part + number for part, number in zip(parts, [*told, ""], strict=True))


def _can_be_parted(units: Units) -> bool:
    return all(
        set(unit) == _FIELDS and not any(_GAP in text for pair in unit["reasons"] for text in pair)
        for unit in units.values()
    )


def _difference(before: list[Any], now: list[Any]) -> Any:
    """None: none; by place where few differ, else all."""
    changed = {str(at): new for at, (old, new) in enumerate(zip(before, now, strict=True)) if old != new}
    if not changed:
        return None
    return changed if 2 * len(changed) < len(now) else now


def _changed(before: list[Any], change: Mapping[str, Any]) -> list[Any]:
    return [change.get(str(at), old) for at, old in enumerate(before)]


def _deflated(told: Any) -> bytes:
    return zlib.compress(json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode(), 9)


def _inflated(body: bytes) -> Any:
    return json.loads(zlib.decompress(body))
