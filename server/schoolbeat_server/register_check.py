"""Rows of text -> rows that fit the tables, or every fault there is; pure: what is stored already is an argument."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from schoolbeat_server import register_spans
from schoolbeat_server.register_columns import COLUMNS, KEYS, LADDER, Column, Refused, defaults
from schoolbeat_server.register_rows import Fault, Place, Row
from schoolbeat_server.said import Said

WATCHED = 900  # devices of one site; the wire has 1,000 signals for them, the path and the services
_INVISIBLE = re.compile("[\u200b\u200c\u200d\ufeff]")  # pasted from web pages and messages

Key = tuple[Any, ...]
Values = dict[str, Any]
Table = dict[Key, Values]


class Checked(NamedTuple):
    """tables: whole rows to store, by section and key, and where each stands; faults: any of them forbids loading;
    remarks: to be told."""

    tables: dict[str, Table]
    places: dict[str, dict[Key, Place]]
    faults: list[Fault]
    remarks: list[Fault]


class _Found(NamedTuple):
    place: Place
    values: Values


def check(raw: Mapping[str, list[Row]], stored: Mapping[str, Table]) -> Checked:
    """A column that the file does not have keeps its stored value; an empty cell takes the default."""
    faults: list[Fault] = []
    remarks: list[Fault] = []
    tables: dict[str, Table] = {}
    places: dict[str, dict[Key, Place]] = {}
    for section in COLUMNS:
        found = _section(section, raw.get(section, []), faults, remarks)
        known = stored.get(section, {})
        tables[section] = {key: defaults(section) | known.get(key, {}) | one.values for key, one in found.items()}
        places[section] = {key: one.place for key, one in found.items()}
        faults += _lost_zeros(section, found, known)
    whole = {section: {**stored.get(section, {}), **tables[section]} for section in COLUMNS}
    missing = [
        one
        for section, table in tables.items()
        for key, values in table.items()
        for one in _missing_references(section, places[section][key], values, whole)
    ]
    faults += [_no_such(*one, whole if number < _MOST_GUESSES else {}) for number, one in enumerate(missing)]
    faults += _area_loops(tables["areas"], places["areas"], whole["areas"])
    faults += _same_codes(tables["schools"], places["schools"], whole["schools"])
    faults += _site_faults(tables["sites"], places["sites"], whole["sites"])
    faults += _device_faults(tables["devices"], places["devices"], whole)
    faults += register_spans.faults(tables, places, whole)
    faults += _links(tables, places, whole)
    for section in ("areas", "schools", "sites"):
        remarks += _look_alikes(section, places[section], whole[section])
    remarks += _without(whole, places)
    return Checked(tables, places, sorted(faults, key=_order), sorted(remarks, key=_order))


def _order(fault: Fault) -> tuple[str, int, str]:
    return fault.place.file, fault.place.line, fault.column


# ---- one section -------------------------------------------------------------------------------------------


def _section(section: str, rows: list[Row], faults: list[Fault], remarks: list[Fault]) -> dict[Key, _Found]:
    found: dict[Key, _Found] = {}
    unknown: set[tuple[str, str]] = set()
    for row in rows:
        for name in row.cells.keys() - COLUMNS[section].keys():
            if (row.place.file, name) not in unknown:
                unknown.add((row.place.file, name))
                faults.append(_unknown_column(row.place, name, COLUMNS[section]))
        values = _row(section, row, faults, remarks)
        if values is None:
            continue
        values = {name: COLUMNS[section][name].default for name in KEYS[section]} | values
        key = tuple(values[name] for name in KEYS[section])
        if key in found:
            faults.append(_twice(section, row.place, key, found[key].place.line))
        else:
            found[key] = _Found(row.place, values)
    return found


def _twice(section: str, place: Place, key: Key, line: int) -> Fault:
    if "id" in KEYS[section]:
        said = Said(f"mã đã có ở dòng {line}", f"this id is on line {line} already")
        return Fault(place, "id", str(key[-1]), said)
    said = Said(f"đã có ở dòng {line}", f"on line {line} already")
    return Fault(place, ", ".join(KEYS[section]), " ".join(map(str, key)), said)


def _unknown_column(place: Place, name: str, columns: Mapping[str, Column]) -> Fault:
    near = difflib.get_close_matches(name.casefold(), columns, 1)
    allowed = ", ".join(columns)
    if near:
        said = Said(f"không có cột này; có phải {near[0]}?", f"no such column; did you mean {near[0]}?")
    else:
        said = Said(f"không có cột này; các cột: {allowed}", f"no such column; the columns are {allowed}")
    return Fault(place, name, None, said)


def _row(section: str, row: Row, faults: list[Fault], remarks: list[Fault]) -> Values | None:
    """None if a value was refused."""
    values: Values = {}
    sound = True
    for name, column in COLUMNS[section].items():
        try:
            text = _tidy(row, name, remarks)
            if text:
                _put(values, column.stored or name, column.check(text))
            elif column.required:
                raise Refused("không được để trống", "must not be empty")
            elif text is not None:
                values.setdefault(column.stored or name, column.default)
        except Refused as refused:
            faults.append(Fault(row.place, name, row.cells.get(name), refused.said))
            sound = False
    return values if sound else None


def _put(values: Values, name: str, value: Any) -> None:
    if values.get(name) not in (None, value):  # None: the other of the two columns is empty
        raise Refused(f"khác với cột {name} (= {values[name]})", f"differs from column {name} (= {values[name]})")
    values[name] = value


def _tidy(row: Row, name: str, remarks: list[Fault]) -> str | None:
    """The cell without stray spaces, in composed letters. None: the file has no such column."""
    typed = row.cells.get(name)
    if typed is None:
        return None
    text = " ".join(_INVISIBLE.sub("", typed).split())
    if text != typed:
        said = Said("có khoảng trắng thừa, đã bỏ", "had stray spaces, removed")
        remarks.append(Fault(row.place, name, typed, said))
    return unicodedata.normalize("NFC", text)


# ---- across rows -------------------------------------------------------------------------------------------


_MOST_GUESSES = 50  # what was meant is looked for that often; each look reads thousands of ids


def _missing_references(
    section: str, place: Place, values: Values, whole: Mapping[str, Table]
) -> Iterator[tuple[Place, str, str, str]]:
    """Place, column, value, and the section that has no such id."""
    for name, column in COLUMNS[section].items():
        value = values.get(name)
        if column.refers and value and (value,) not in whole[column.refers]:
            yield place, name, str(value), column.refers


def _no_such(place: Place, name: str, value: str, refers: str, known: Mapping[str, Table]) -> Fault:
    near = _meant(value, [str(key[0]) for key in known.get(refers, ())])
    vi = f"không có mã này trong {refers}" + (f"; có phải {near}?" if near else "")
    en = f"no such id in {refers}" + (f"; did you mean {near}?" if near else "")
    return Fault(place, name, value, Said(vi, en))


def _meant(value: str, ids: list[str]) -> str | None:
    alike = [one for one in ids if _bare(one) == _bare(value)]
    return next(iter(alike or difflib.get_close_matches(value, ids[:5_000], 1)), None)


def _bare(value: str) -> str:
    """What is left of an id when a spreadsheet has taken its leading zeros."""
    return value.casefold().lstrip("0")


def _look_alikes(section: str, places: Mapping[Key, Place], whole: Table) -> Iterator[Fault]:
    alike: dict[str, list[str]] = {}
    for (one,) in whole:
        alike.setdefault(_bare(str(one)), []).append(str(one))
    for key, place in places.items():
        others = [one for one in alike[_bare(str(key[0]))] if one != key[0]]
        if others:
            yield Fault(
                place,
                "id",
                str(key[0]),
                Said(
                    f"chỉ khác {', '.join(others)} ở số 0 đầu hoặc chữ hoa: hãy kiểm tra xem có phải một đơn vị",
                    f"differs from {', '.join(others)} only in leading zeros or case: check that these are two units",
                ),
            )


def _area_loops(areas: Table, places: Mapping[Key, Place], whole: Table) -> Iterator[Fault]:
    for key, values in areas.items():
        if depth(values["id"], whole) is None:
            said = Said("địa bàn nằm trong chính nó", "the area lies within itself")
            yield Fault(places[key], "parent", values["parent"], said)


def depth(area: str, areas: Table) -> int | None:
    """Steps up to the root; None if they never end."""
    steps, seen = 0, {area}
    parent = areas[area,]["parent"]
    while parent and (parent,) in areas:
        if parent in seen:
            return None
        seen.add(parent)
        steps += 1
        parent = areas[parent,]["parent"]
    return steps


def _lost_zeros(section: str, found: Mapping[Key, _Found], known: Table) -> Iterator[Fault]:
    """A code that comes back as what a spreadsheet leaves of the one that is stored."""
    exact = [name for name, column in COLUMNS[section].items() if column.exact and name not in KEYS[section]]
    for key, one in found.items():
        for name in exact:
            before, now = known.get(key, {}).get(name), one.values.get(name)
            if before and now and before != now and now.isdecimal() and before.lstrip("0") == now:
                said = Said(f"trong sổ là {before}: đã mất số 0 ở đầu", f"stored is {before}: leading zeros were lost")
                yield Fault(one.place, name, now, said)


def _same_codes(schools: Table, places: Mapping[Key, Place], whole: Table) -> Iterator[Fault]:
    """The ministry gives each school a code of its own; that of a closed one may be given again."""
    owners: dict[str, list[str]] = {}
    for values in whole.values():
        if values["code"] and not values["closed"]:
            owners.setdefault(values["code"], []).append(values["id"])
    for key, values in schools.items():
        others = [one for one in owners.get(values["code"], []) if one != values["id"]]
        if others and not values["closed"]:
            said = Said(f"trường {others[0]} đã có mã này", f"school {others[0]} has this code already")
            yield Fault(places[key], "code", values["code"], said)


def _site_faults(sites: Table, places: Mapping[Key, Place], whole: Table) -> Iterator[Fault]:
    mains: dict[str, list[str]] = {}
    for values in whole.values():
        if values["kind"] == "main":
            mains.setdefault(values["school"], []).append(values["id"])
    for key, values in sites.items():
        if (values["latitude"] is None) != (values["longitude"] is None):
            empty = "latitude" if values["latitude"] is None else "longitude"
            said = Said("latitude và longitude đi cùng nhau", "latitude and longitude go together")
            yield Fault(places[key], empty, None, said)
        others = [one for one in mains.get(values["school"], []) if one != values["id"]]
        if values["kind"] == "main" and others:
            yield Fault(
                places[key],
                "kind",
                "main",
                Said(
                    f"trường {values['school']} đã có điểm chính {others[0]}; các điểm khác là satellite (lẻ)",
                    f"school {values['school']} has the main site {others[0]} already; the others are satellite",
                ),
            )


def _device_faults(devices: Table, places: Mapping[Key, Place], whole: Mapping[str, Table]) -> Iterator[Fault]:
    watched = Counter(values["site"] for values in whole["devices"].values() if values["address"])
    for key, values in devices.items():
        room = whole["rooms"].get((values["room"],)) if values["room"] else None
        if room is not None and room["site"] != values["site"]:
            said = Said(f"phòng này thuộc điểm trường {room['site']}", f"this room belongs to site {room['site']}")
            yield Fault(places[key], "room", values["room"], said)
        if values["address"] and watched[values["site"]] > WATCHED:
            yield Fault(
                places[key],
                "address",
                values["address"],
                Said(
                    f"điểm trường có {watched[values['site']]} thiết bị có địa chỉ: tối đa {WATCHED}",
                    f"the site has {watched[values['site']]} devices with an address: at most {WATCHED}",
                ),
            )
        problem = _behind_problem(values, whole["devices"])
        if problem is not None:
            yield Fault(places[key], "behind", values["behind"], problem)


def _behind_problem(device: Values, devices: Table) -> Said | None:
    seen = {device["id"]}
    behind = device["behind"]
    while behind not in LADDER:
        name = behind.removeprefix("device.")
        if name in seen:
            return Said("thiết bị đứng sau chính nó", "the device stands behind itself")
        before = devices.get((device["site"], name))
        if before is None:
            return Said(f"điểm trường không có thiết bị {name}", f"the site has no device {name}")
        seen.add(name)
        behind = before["behind"]
    return None


def _links(
    tables: Mapping[str, Table], places: Mapping[str, Mapping[Key, Place]], whole: Mapping[str, Table]
) -> Iterator[Fault]:
    """What names a room or device of the same site."""
    for section, column in (("lines", "ont"), ("assets", "device")):
        for key, values in tables[section].items():
            name, site = values[column], values["site"]
            if name and (site, name) not in whole["devices"]:
                said = Said(f"điểm trường {site} không có thiết bị này", f"site {site} has no such device")
                yield Fault(places[section][key], column, name, said)
    for key, values in tables["assets"].items():
        room = whole["rooms"].get((values["room"],)) if values["room"] else None
        if room is not None and room["site"] != values["site"]:
            said = Said(f"phòng này thuộc điểm trường {room['site']}", f"this room belongs to site {room['site']}")
            yield Fault(places["assets"][key], "room", values["room"], said)


def _without(whole: Mapping[str, Table], places: Mapping[str, Mapping[Key, Place]]) -> Iterator[Fault]:
    """Schools that will stay without a verdict, told on the day they are loaded."""
    mains = {values["school"] for values in whole["sites"].values() if values["kind"] == "main"}
    lines = {values["site"] for values in whole["lines"].values()}
    yield from _missing(
        ((place, str(key[0])) for key, place in places["schools"].items() if key[0] not in mains),
        Said("trường chưa có điểm chính", "the school has no main site"),
    )
    yield from _missing(
        ((place, str(key[0])) for key, place in places["sites"].items() if key[0] not in lines),
        Said("điểm trường chưa có đường truyền", "the site has no line"),
    )


def _missing(where: Iterable[tuple[Place, str]], said: Said) -> Iterator[Fault]:
    for place, name in where:
        yield Fault(place, "id", name, said)
