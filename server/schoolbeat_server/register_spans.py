"""The days from which and until which the register's rows hold: what cannot be is told as a fault; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schoolbeat_server.register_rows import Fault, Place
from schoolbeat_server.said import Said

Key = tuple[Any, ...]
Values = dict[str, Any]
Table = Mapping[Key, Values]
Places = Mapping[str, Mapping[Key, Place]]

_SPANS = (
    ("areas", "valid_from", "valid_to"),
    ("schools", "founded", "closed"),
    ("school_areas", "valid_from", "valid_to"),
    ("sites", "valid_from", "valid_to"),
    ("lines", "contract_from", "contract_to"),
)


def faults(tables: Mapping[str, Table], places: Places, whole: Mapping[str, Table]) -> Iterator[Fault]:
    """tables: the rows of the file; whole: these and what is stored already."""
    for section, first, end in _SPANS:
        for key, values in tables[section].items():
            if values[first] and values[end] and values[first] >= values[end]:
                said = Said(f"phải sau {first} ({values[first]})", f"must be after {first} ({values[first]})")
                yield Fault(places[section][key], end, values[end], said)
    yield from _trees(tables["areas"], places["areas"], whole["areas"])
    yield from _memberships(tables, places, whole)


_HEIGHT = {"province": 2, "district": 1, "commune": 0}


def _trees(areas: Table, places: Mapping[Key, Place], whole: Table) -> Iterator[Fault]:
    """An area lies in a higher one that exists as long as it does: old communes in old districts, new ones in the
    province."""
    for key, values in areas.items():
        above = whole.get((values["parent"],))
        if above is None:
            continue
        if _HEIGHT[above["kind"]] <= _HEIGHT[values["kind"]]:
            said = Said(
                f"{values['kind']} không thể thuộc {above['kind']}",
                f"a {values['kind']} cannot lie in a {above['kind']}",
            )
            yield Fault(places[key], "parent", values["parent"], said)
        yield from _beyond_its_area(places[key], values, above)


def _memberships(tables: Mapping[str, Table], places: Places, whole: Mapping[str, Table]) -> Iterator[Fault]:
    spans: dict[str, list[Values]] = {}
    for values in whole["school_areas"].values():
        spans.setdefault(values["school"], []).append(values)
    for mine in spans.values():
        mine.sort(key=lambda values: str(values["valid_from"]))
    for key, values in tables["school_areas"].items():
        place = places["school_areas"][key]
        yield from _beyond_its_area(place, values, whole["areas"].get((values["area"],)))
        yield from _overlaps(place, values, spans[values["school"]], tables["school_areas"])
    for key, values in tables["schools"].items():
        known = [one["area"] for one in spans.get(values["id"], ())]
        if known and values["area"] not in known:
            said = Said(
                f"school_areas chỉ có {', '.join(known)}: hãy thêm dòng cho địa bàn này",
                f"school_areas has {', '.join(known)} only: add a row for this area",
            )
            yield Fault(places["schools"][key], "area", values["area"], said)


def _overlaps(place: Place, values: Values, mine: list[Values], loading: Table) -> Iterator[Fault]:
    """A school is in one area at a time. mine: its rows by valid_from; of two that are being loaded the later errs."""
    at = mine.index(values)
    before, after = mine[at - 1] if at else None, mine[at + 1] if at + 1 < len(mine) else None
    if before is not None and before["valid_to"] > values["valid_from"]:
        said = Said(
            f"trường còn ở địa bàn {before['area']} đến {before['valid_to']}: hãy cho dòng đó kết thúc trước",
            f"the school is in area {before['area']} until {before['valid_to']}: let that row end first",
        )
        yield Fault(place, "valid_from", values["valid_from"], said)
    stored = after is not None and (after["school"], after["valid_from"]) not in loading
    if after is not None and stored and values["valid_to"] > after["valid_from"]:
        said = Said(
            f"trường đã ở địa bàn {after['area']} từ {after['valid_from']}",
            f"the school is in area {after['area']} from {after['valid_from']} on already",
        )
        yield Fault(place, "valid_to", values["valid_to"], said)


def _beyond_its_area(place: Place, values: Values, area: Values | None) -> Iterator[Fault]:
    """The wrong one of the two trees: an old commune with days of the new boundaries, or the other way round."""
    if area is None:
        return
    for name, wrong in (
        ("valid_from", values["valid_from"] < area["valid_from"]),
        ("valid_to", values["valid_to"] > area["valid_to"]),
    ):
        if wrong:
            said = Said(
                f"địa bàn {area['id']} chỉ có hiệu lực từ {area['valid_from']} đến {area['valid_to']}",
                f"area {area['id']} is valid from {area['valid_from']} to {area['valid_to']} only",
            )
            yield Fault(place, name, values[name], said)
