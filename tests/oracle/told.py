"""An oracle's readings as reports in the product's database, and the kept days that the product makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Connection, delete, insert, select
from tests.oracle.calendars import DAY, LOCAL
from tests.oracle.provinces import School, Site
from tests.oracle.readings import Key, Readings

from schoolbeat_server import kept_days, schema
from schoolbeat_server.layouts import Layouts
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import UP_FULL
from schoolbeat_wire.inventory import Column, Inventory

SCRATCH = "scratch"
PER_REPORT = 360
SIGNALS = ["line.internet", "line.domestic"]


def tell(connection: Connection, sites: Iterable[tuple[School, Site]]) -> None:
    """Sites with the same readings get copies of one site's kept days."""
    alike: dict[int, list[Site]] = {}
    for _, site in sites:
        if site.readings is not None:
            alike.setdefault(id(site.readings), []).append(site)
    for mine in alike.values():
        assert mine[0].readings is not None
        _keep(connection, mine[0].readings)
        for site in mine:
            _copy(connection, site.id)
        for table in (schema.report, schema.inventory, schema.owner, schema.kept_day, schema.kept_names):
            connection.execute(delete(table).where(table.c.site == SCRATCH))


def _keep(connection: Connection, readings: Readings) -> None:
    inventory = _inventory(readings.told)
    layouts = Layouts()
    layouts.learn(connection, SCRATCH, "gateway", inventories.encode(inventory), 1)
    days = sorted({day for days in readings.told.values() for day in days})
    for day in days:
        first = {key: days[day] for key, days in readings.told.items()}
        _report(connection, inventory, "0" * 16, day, range(DAY), first)
        again = {key: days[day] for key, days in readings.again.items() if day in days}
        if again:
            minutes = sorted({minute for one in again.values() for minute in one})
            others = {key: [one.get(minute) for minute in minutes] for key, one in again.items()}
            _report(connection, inventory, "1" * 16, day, minutes, others)
        kept_days.make_day(connection, layouts, SCRATCH, day)


def _inventory(told: Mapping[Key, object]) -> Inventory:
    subjects: dict[str, list[str]] = {}
    for subject, reading in told:
        subjects.setdefault(reading, []).append(subject)
    columns = [Column(reading, found, sparse=len(reading) % 2 == 0) for reading, found in subjects.items()]
    return inventories.with_revision(Inventory("", SIGNALS, columns=columns))


def _report(
    connection: Connection,
    inventory: Inventory,
    epoch: str,
    day: int,
    minutes: Sequence[int],
    told: Mapping[Key, Sequence[int | None]],
) -> None:
    """told: a value for each of the minutes."""
    nothing: Sequence[int | None] = [None] * len(minutes)
    columns = [
        zip(*(told.get((subject, column.reading), nothing) for subject in column.subjects), strict=True)
        for column in inventory.columns
    ]
    places = enumerate(day * DAY - LOCAL + minute for minute in minutes)
    rows = [
        reports.MinuteRow(seq, minute, bytes([UP_FULL]) * len(SIGNALS), [list(one) for one in values])
        for (seq, minute), values in zip(places, zip(*columns, strict=True), strict=True)
    ]
    for at in range(0, len(rows), PER_REPORT):
        part = rows[at : at + PER_REPORT]
        values = {
            "site": SCRATCH,
            "agent": "gateway",
            "epoch": epoch,
            "revision": inventory.revision,
            "received_ms": 1,
            "seq": part[0].seq,
            "count": len(part),
            "first_minute": part[0].minute,
            "last_minute": part[-1].minute,
            "placed": True,
            "payload": reports.encode(reports.pack(epoch, inventory.revision, part, inventory)),
        }
        connection.execute(insert(schema.report).values(**values))


def _copy(connection: Connection, site: str) -> None:
    for table in (schema.kept_names, schema.kept_day):
        rows = connection.execute(select(table).where(table.c.site == SCRATCH)).mappings()
        copies = [{**row, "site": site} for row in rows]
        if copies:
            connection.execute(insert(table), copies)
