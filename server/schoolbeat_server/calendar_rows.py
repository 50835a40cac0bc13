"""The calendar in the database: documents loaded whole or not at all, nothing overwritten, read back as of a change."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, func, or_, select, update

from schoolbeat_server import calendar_places, schema
from schoolbeat_server.calendar_file import CalendarError, CalendarFault, Document
from schoolbeat_server.database import writing
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import (
    KINDS,
    LEVELS,
    LessonHours,
    LessonTime,
    Level,
    Rule,
    SchoolCalendar,
    date_of,
    day_number,
)

_NO_SUCH: Mapping[Level, Said] = {
    "area": Said("sổ đăng ký không có địa bàn này", "the register has no such area"),
    "school": Said("sổ đăng ký không có trường này", "the register has no such school"),
    "site": Said("sổ đăng ký không có điểm trường này", "the register has no such site"),
}
_TABLES = {"area": schema.area, "school": schema.school, "site": schema.site}


@dataclass(frozen=True)
class Loaded:
    """change: its number; None: nothing changed, or a dry run."""

    document: str
    added: tuple[Rule, ...]
    removed: tuple[Rule, ...]
    kept: int
    change: int | None


class Change(NamedTuple):
    """As table calendar_change has it; days are ISO dates, half-open."""

    id: int
    at_ms: int
    who: str
    document: str
    why: str
    first_day: str
    end_day: str
    added: int
    removed: int
    revised_ms: int | None
    sites: int
    outages: int


# ---- writing -----------------------------------------------------------------------------------------------


def store(
    engine: Engine, document: Document, file: str, *, who: str, why: str, now_ms: int, dry_run: bool = False
) -> Loaded:
    """Makes the document's rules what it says now, in one transaction. Raises CalendarError when it names a place
    that the register does not have; then nothing was stored."""
    with writing(engine) as connection:
        _check_places(connection, document, file)
        stored = standing(connection, document.id)
        added, removed = document.rules - stored.keys(), stored.keys() - document.rules
        kept = len(document.rules) - len(added)
        change = None
        if (added or removed) and not dry_run:
            change = write_change(connection, document.id, added, removed, who=who, why=why, now_ms=now_ms)
            ids = [ident for rule in removed for ident in stored[rule]]
            for at in range(0, len(ids), 500):
                table = schema.calendar_rule
                connection.execute(update(table).where(table.c.id.in_(ids[at : at + 500])).values(removed=change))
            add_rules(connection, document.id, added, change)
    return Loaded(document.id, tuple(_ordered(added)), tuple(_ordered(removed)), kept, change)


def _check_places(connection: Connection, document: Document, file: str) -> None:
    faults = []
    for level, table in _TABLES.items():
        named = [one for one in document.places if one[0] == level]
        known = set(connection.scalars(select(table.c.id))) if named else set()
        faults += [
            CalendarFault(file, line, "nơi", written, _NO_SUCH[kind])
            for kind, ident, line, written in named
            if ident not in known
        ]
    if faults:
        raise CalendarError(sorted(faults, key=lambda fault: fault.line))


def add_rules(connection: Connection, document: str, rules: Iterable[Rule], change: int) -> None:
    rows = [_row(rule) | {"document": document, "added": change} for rule in _ordered(rules)]
    if rows:
        connection.execute(schema.calendar_rule.insert(), rows)


def iso(day: int) -> str:
    return date_of(day).isoformat()


def write_change(
    connection: Connection,
    document: str,
    added: Iterable[Rule],
    removed: Iterable[Rule],
    *,
    who: str,
    why: str,
    now_ms: int,
) -> int:
    added, removed = list(added), list(removed)
    first, end = _hull([*added, *removed])
    values = {
        "at_ms": now_ms,
        "who": who[:80],
        "document": document,
        "why": why[:1_000],
        "first_day": date_of(first).isoformat(),
        "end_day": date_of(end).isoformat(),
        "added": len(added),
        "removed": len(removed),
    }
    return int(
        connection.execute(
            schema.calendar_change.insert().values(values).returning(schema.calendar_change.c.id)
        ).scalar_one()
    )


def _hull(rules: Iterable[Rule]) -> tuple[int, int]:
    rules = list(rules)
    return min(rule.first_day for rule in rules), max(rule.end_day for rule in rules)


def _ordered(rules: Iterable[Rule]) -> list[Rule]:
    return sorted(rules, key=lambda rule: (LEVELS.index(rule.level), rule.place, rule.first_day, str(rule)))


def _row(rule: Rule) -> dict[str, Any]:
    value = {
        "weekdays": rule.weekdays,
        "lessons": rule.lessons,
        "as_weekday": rule.as_weekday,
        "hours": rule.hours,
    }
    return {
        "level": rule.level,
        "place": rule.place,
        "kind": rule.kind,
        "valid_from": date_of(rule.first_day).isoformat(),
        "valid_to": date_of(rule.end_day).isoformat(),
        "value": json.dumps({name: one for name, one in value.items() if one not in ((), None)}, ensure_ascii=False),
        "why": rule.why,
    }


# ---- reading -----------------------------------------------------------------------------------------------


def _rule(row: Any) -> Rule:
    value = json.loads(row.value)
    assert row.level in LEVELS and row.kind in KINDS  # noqa: PT018 - what _row wrote
    hours = value.get("hours")
    return Rule(
        row.level,
        row.place,
        row.kind,
        day_number(date.fromisoformat(row.valid_from)),
        day_number(date.fromisoformat(row.valid_to)),
        tuple(value.get("weekdays", ())),
        tuple(LessonTime(*one) for one in value.get("lessons", ())),
        value.get("as_weekday"),
        (hours[0], hours[1]) if hours else None,
        row.why,
    )


def standing(connection: Connection, document: str) -> dict[Rule, list[int]]:
    table = schema.calendar_rule.c
    rows = connection.execute(select(schema.calendar_rule).where(table.document == document, table.removed.is_(None)))
    found: dict[Rule, list[int]] = {}
    for row in rows:
        found.setdefault(_rule(row), []).append(row.id)
    return found


def read_rules(connection: Connection, change: int | None = None) -> dict[str, list[Rule]]:
    """By document, as they stood after that change; None: now."""
    table = schema.calendar_rule.c
    query = select(schema.calendar_rule).order_by(table.id)
    if change is None:
        query = query.where(table.removed.is_(None))
    else:
        query = query.where(table.added <= change, or_(table.removed.is_(None), table.removed > change))
    found: dict[str, list[Rule]] = {}
    for row in connection.execute(query):
        found.setdefault(row.document, []).append(_rule(row))
    return found


def count_rules(connection: Connection) -> dict[str, int]:
    """By document, of those that stand now."""
    table = schema.calendar_rule.c
    query = select(table.document, func.count()).where(table.removed.is_(None)).group_by(table.document)
    return dict(connection.execute(query).all())


def rules_of(connection: Connection, document: str, limit: int) -> list[Rule]:
    """The first so many of those that stand now."""
    table = schema.calendar_rule
    query = (
        select(table).where(table.c.document == document, table.c.removed.is_(None)).order_by(table.c.id).limit(limit)
    )
    return [_rule(row) for row in connection.execute(query)]


def last_change(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema.calendar_change.c.id))) or 0


def read_calendar(connection: Connection, default: LessonHours, change: int | None = None) -> SchoolCalendar:
    """The calendar as it stood after that change, over the places that were known then; a site of which none is kept
    yet is where the register has it now."""
    if change is None:
        change = last_change(connection)
    rules = [rule for found in read_rules(connection, change).values() for rule in found]
    spans: dict[str, Sequence[calendar_places.Span]] = {**calendar_places.read_register(connection)[0]}
    spans |= calendar_places.standing(connection, change)
    places = {site: found[-1].place for site, found in spans.items()}
    moves = {
        site: tuple((day_number(date.fromisoformat(one.valid_from)), one.place) for one in found)
        for site, found in spans.items()
        if len(found) > 1
    }
    return SchoolCalendar(tuple(rules), places, default, change, moves)


def read_changes(connection: Connection, *, limit: int = 100, waiting: bool = False) -> list[Change]:
    """The newest first; waiting: those whose outages are not found anew yet, the oldest first."""
    table = schema.calendar_change
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if waiting:
        query = select(table).where(table.c.revised_ms.is_(None)).order_by(table.c.id).limit(limit)
    return [Change(**row) for row in connection.execute(query).mappings()]
