"""The register: areas, schools, sites, lines, rooms, devices and services, loaded whole or not at all, and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import register_check, register_file, schema
from schoolbeat_server.database import writing
from schoolbeat_server.register_check import Table, Values
from schoolbeat_server.register_columns import COLUMNS, KEYS
from schoolbeat_server.register_rows import Fault, Place, Progress, RegisterError, Row
from schoolbeat_server.register_values import (
    Agent,
    Area,
    Asset,
    Device,
    Line,
    Room,
    RoomNeed,
    School,
    SchoolArea,
    Service,
    Shift,
    Site,
)

__all__ = [
    "Agent",
    "Area",
    "Asset",
    "Device",
    "Fault",
    "Line",
    "RegisterError",
    "Room",
    "RoomNeed",
    "Row",
    "School",
    "SchoolArea",
    "Service",
    "Shift",
    "Site",
]

TABLES = {
    "areas": schema.area,
    "schools": schema.school,
    "school_areas": schema.school_area,
    "sites": schema.site,
    "shifts": schema.shift,
    "lines": schema.line,
    "rooms": schema.room,
    "room_needs": schema.room_need,
    "devices": schema.device,
    "assets": schema.asset,
    "services": schema.service,
}


# ---- loading -----------------------------------------------------------------------------------------------


class Change(NamedTuple):
    """before: None if the row is new, else the columns that change; after: the same columns (of a new row: all)."""

    section: str
    key: tuple[Any, ...]
    before: Values | None
    after: Values


@dataclass(frozen=True)
class Loaded:
    """rows: how many the file holds, by section; kept: how many stored rows the file does not name (they stay).
    places: where each row of the file stands, by section and key."""

    rows: dict[str, int]
    kept: dict[str, int]
    changes: list[Change]
    remarks: list[Fault]
    places: dict[str, dict[tuple[Any, ...], Place]]


def load(engine: Engine, path: Path, *, dry_run: bool = False, progress: Progress | None = None) -> Loaded:
    """Store what the file or folder says, in one transaction. Raises RegisterError with every fault; then nothing
    was stored. Rows that the file does not name stay, so that history keeps its names."""
    read = register_file.read(path, progress)
    return apply(engine, read.rows, dry_run=dry_run, remarks=read.remarks)


def rows_of(data: Mapping[str, Iterable[Mapping[str, Any]]], origin: str) -> dict[str, list[Row]]:
    """Rows for apply from plain data; origin stands where a file's name would."""
    return {
        section: [
            Row(Place(origin, number), {name: "" if value is None else str(value) for name, value in entry.items()})
            for number, entry in enumerate(entries, 1)
        ]
        for section, entries in data.items()
    }


def apply(
    engine: Engine, raw: Mapping[str, list[Row]], *, dry_run: bool = False, remarks: Sequence[Fault] = ()
) -> Loaded:
    """As load, from rows already read. remarks: of the reading. A dry run keeps nobody from writing."""
    with engine.connect() if dry_run else writing(engine) as connection:
        stored = {section: _stored(connection, section) for section in TABLES}
        checked = register_check.check(raw, stored)
        if checked.faults:
            raise RegisterError(checked.faults)
        changes = [
            change for section in TABLES for change in _changes(section, checked.tables[section], stored[section])
        ]
        if not dry_run:
            _store(connection, changes, checked.tables)
    return Loaded(
        {section: len(table) for section, table in checked.tables.items()},
        {section: len(stored[section].keys() - checked.tables[section].keys()) for section in TABLES},
        changes,
        [*remarks, *checked.remarks],
        checked.places,
    )


def _stored(connection: Connection, section: str) -> Table:
    rows = connection.execute(select(TABLES[section])).mappings()
    return {tuple(row[name] for name in KEYS[section]): dict(row) for row in rows}


def _changes(section: str, new: Table, stored: Table) -> list[Change]:
    changes = []
    for key, values in new.items():
        before = stored.get(key)
        if before is None:
            changes.append(Change(section, key, None, values))
            continue
        different = [name for name in values if values[name] != before[name]]
        if different:
            old, now = ({name: source[name] for name in different} for source in (before, values))
            changes.append(Change(section, key, old, now))
    return changes


def _store(connection: Connection, changes: list[Change], tables: Mapping[str, Table]) -> None:
    for section, table in TABLES.items():
        rows = [tables[section][change.key] for change in changes if change.section == section]
        if section == "areas":  # parents first
            whole = {**_stored(connection, section), **tables[section]}
            rows.sort(key=lambda row: register_check.depth(row["id"], whole) or 0)
        if rows:
            statement = insert(table)
            others = {name: statement.excluded[name] for name in _columns(section) if name not in KEYS[section]}
            connection.execute(statement.on_conflict_do_update(index_elements=list(KEYS[section]), set_=others), rows)


def _columns(section: str) -> list[str]:
    return [name for name, column in COLUMNS[section].items() if not column.stored]


# ---- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Province:
    """The whole register without rooms and devices. lines and agents by site id; device_counts: 0 for absent sites."""

    areas: dict[str, Area]
    schools: dict[str, School]
    sites: dict[str, Site]
    lines: dict[str, list[Line]]
    agents: dict[str, list[Agent]]
    device_counts: dict[str, int]

    def sites_of(self, school: str) -> list[Site]:
        """The main site first."""
        found = [site for site in self.sites.values() if site.school == school]
        return sorted(found, key=lambda site: (site.kind != "main", site.id))


@dataclass(frozen=True)
class SiteRegister:
    """Everything the register says of one site."""

    site: Site
    school: School
    areas: list[Area]  # from the school's up to the root
    lines: list[Line]
    rooms: list[Room]
    devices: list[Device]
    agents: list[Agent]


Value = TypeVar("Value")


def read_province(connection: Connection) -> Province:
    device = schema.device.c
    counts = connection.execute(select(device.site, func.count().label("devices")).group_by(device.site))
    return Province(
        {one.id: one for one in _read(connection, Area, "areas")},
        {one.id: one for one in _read(connection, School, "schools")},
        {one.id: one for one in _read(connection, Site, "sites")},
        _by_site(_read(connection, Line, "lines")),
        _by_site(read_agents(connection)),
        {row.site: row.devices for row in counts},
    )


def read_site(connection: Connection, site: str) -> SiteRegister | None:
    """None if the register has no such site."""
    row = connection.execute(select(schema.site).where(schema.site.c.id == site)).mappings().first()
    if row is None:
        return None
    found = Site(**row)
    school = connection.execute(select(schema.school).where(schema.school.c.id == found.school)).mappings().one()
    return SiteRegister(
        found,
        School(**school),
        _areas_up(connection, school["area"]),
        _read(connection, Line, "lines", site),
        _read(connection, Room, "rooms", site),
        _read(connection, Device, "devices", site),
        read_agents(connection, site),
    )


def read_devices(connection: Connection, site: str | None = None) -> list[Device]:
    """Of one site, or of all."""
    return _read(connection, Device, "devices", site)


def read_rooms(connection: Connection, site: str | None = None) -> list[Room]:
    return _read(connection, Room, "rooms", site)


def read_assets(connection: Connection, site: str | None = None) -> list[Asset]:
    return _read(connection, Asset, "assets", site)


def read_services(connection: Connection) -> list[Service]:
    return _read(connection, Service, "services")


def read_agents(connection: Connection, site: str | None = None) -> list[Agent]:
    table = schema.agent
    columns = [column for column in table.c if column.name not in ("password_hash", "issued_ms")]
    query = select(*columns).order_by(table.c.site, table.c.name)
    if site is not None:
        query = query.where(table.c.site == site)
    return [Agent(**row) for row in connection.execute(query).mappings()]


def _read(connection: Connection, kind: type[Value], section: str, site: str | None = None) -> list[Value]:
    table = TABLES[section]
    query = select(table).order_by(*table.primary_key.columns)
    if site is not None:
        query = query.where(table.c.site == site)
    return [kind(**row) for row in connection.execute(query).mappings()]


def _areas_up(connection: Connection, area: str | None) -> list[Area]:
    areas = {one.id: one for one in _read(connection, Area, "areas")}
    found: list[Area] = []
    while area is not None and area in areas:
        found.append(areas.pop(area))  # popped, so that a loop would end
        area = found[-1].parent
    return found


Sited = TypeVar("Sited", Line, Agent)


def _by_site(rows: list[Sited]) -> dict[str, list[Sited]]:
    found: dict[str, list[Sited]] = {}
    for row in rows:
        found.setdefault(row.site, []).append(row)
    return found
