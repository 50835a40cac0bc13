"""The units of a verdict as it was issued, as a table: those to look at first come first."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from schoolbeat_server.issued import Issue
from schoolbeat_server.issued_units import Unit
from schoolbeat_server.local_time import local
from schoolbeat_server.plan_tables import COUNT_COLUMNS, SILENT, UNIT_COLUMNS, sentence
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Table

KEYS: Final = ("unit", "status", "since", "why", "coverage", "grade", "id")  # what of a target's table is kept
STATUSES: Final = ("missed", "unknown", "not_applicable", "met")


def issued_units_table(one: Issue, units: Mapping[str, Unit]) -> Table:
    """No areas and ISPs: they are not part of what was said."""
    columns = tuple(next(column for column in UNIT_COLUMNS if column.key == key) for key in KEYS)
    several = any(sum(unit["counts"]) != 1 for unit in units.values())
    rows = sorted(units.items(), key=lambda pair: (STATUSES.index(pair[1]["status"]), pair[1]["name"]))
    name = f"{one.plan}-{one.target}-{local(one.end_minute * 60_000):%Y-%m-%d}-{one.revision}"
    return Table(
        name,
        Said(f"{one.plan} {one.target}", f"{one.plan} {one.target}"),
        columns + (COUNT_COLUMNS if several else ()),
        tuple(_cells(ident, unit) + (tuple(unit["counts"]) if several else ()) for ident, unit in rows),
    )


def _cells(ident: str, unit: Unit) -> tuple[Cell, ...]:
    return (
        unit["name"],
        SILENT if unit["silent"] else unit["status"],
        unit["since_minute"],
        sentence(Said(*pair) for pair in unit["reasons"]),
        None if unit["coverage"] is None else Fraction(unit["coverage"]),
        unit["grade"],
        ident,
    )
