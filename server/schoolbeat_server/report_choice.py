"""What a report can be of, by name: areas, schools, ISPs, lines and targets, and which of them a typed name means."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.register_areas import Boundaries, areas_on
from schoolbeat_server.report_jobs import JobKind
from schoolbeat_server.said import Said
from schoolbeat_server.tables import search_words
from schoolbeat_server.targets import Plan

MOST_FOUND: Final = 100  # offered when a name means several


class Choice(NamedTuple):
    """label: its name, with as much as tells it from others; group: under which it is offered."""

    id: str
    label: Said
    group: Said = Said("", "")


def choices(connection: Connection, plans: Sequence[Plan], kind: JobKind, day: str) -> list[Choice]:
    """In the order in which one looks for them; by the register of that ISO day."""
    if kind == "evidence":
        return [
            Choice(f"{plan.id}/{one.id}", Said(f"{one.id}: {one.name.vi}", f"{one.id}: {one.name.en}"), plan.document)
            for plan in plans
            for one in plan.targets
        ]
    if kind == "isp":
        line = schema.line.c
        names = connection.scalars(select(line.isp).where(line.isp != "").distinct().order_by(line.isp))
        return [plain(name, name) for name in names]
    limits = areas_on(connection, day)
    if kind in ("area", "league"):
        return areas_of(limits)
    return _schools(connection, limits) if kind == "school" else _lines(connection)


def plain(ident: str, label: str) -> Choice:
    return Choice(ident, Said(label, label))


def areas_of(limits: Boundaries) -> list[Choice]:
    """Those above first; one whose name another one bears too says what it lies in."""
    names = [one.name for one in limits.areas.values()]
    found = []
    for one in sorted(limits.areas.values(), key=lambda one: (len(limits.up(one.id)), one.name, one.id)):
        above = [area.name for area in limits.up(one.id)[1:]]
        found.append(plain(one.id, ", ".join([one.name, *above]) if names.count(one.name) > 1 else one.name))
    return found


def _schools(connection: Connection, limits: Boundaries) -> list[Choice]:
    rows = connection.execute(select(schema.school.c.id, schema.school.c.name).order_by(schema.school.c.name))
    found = []
    for ident, name in rows:
        if ident in limits.area_of or ident in limits.without:
            area = limits.areas.get(limits.area_of.get(ident, ""))
            found.append(plain(ident, f"{name}, {area.name} ({ident})" if area else f"{name} ({ident})"))
    return found


def _lines(connection: Connection) -> list[Choice]:
    line, site, school = schema.line.c, schema.site.c, schema.school.c
    rows = connection.execute(
        select(line.id, line.isp, site.name, school.name)
        .join_from(schema.line, schema.site, line.site == site.id)
        .join(schema.school, site.school == school.id)
        .where(line.role == "main")
        .order_by(school.name, site.kind, site.name, line.id)
    )
    return [plain(ident, f"{place} – {name}, {isp or '?'} ({ident})") for ident, isp, name, place in rows]


def names(
    connection: Connection, plans: Sequence[Plan], wanted: Collection[tuple[JobKind, str]]
) -> dict[tuple[JobKind, str], Said]:
    """What those are called that were asked for, as far as it is still known."""
    found: dict[tuple[JobKind, str], Said] = {}
    for kind, table in (("area", schema.area), ("league", schema.area), ("school", schema.school)):
        ids = sorted(ident for one, ident in wanted if one == kind)
        rows = connection.execute(select(table.c.id, table.c.name).where(table.c.id.in_(ids))) if ids else ()
        found |= {(kind, ident): Said(name, name) for ident, name in rows}  # type: ignore[misc]
    if any(kind == "line" for kind, _ in wanted):
        found |= {("line", one.id): one.label for one in _lines(connection)}
    if any(kind == "evidence" for kind, _ in wanted):
        found |= {("evidence", one.id): one.label for one in choices(connection, plans, "evidence", "")}
    return found


def meant(known: Sequence[Choice], typed: str) -> list[Choice]:
    """The id; else the whole name in either language; else all of whose words some begin with each of those typed,
    whatever the accents."""
    typed = " ".join(typed.split())
    for same in ([one for one in known if one.id == typed], [one for one in known if typed in one.label]):
        if len(same) == 1:
            return same
    begun = _WORD.findall(" ".join(search_words(typed)))
    return [one for one in known if begun and _has(one, begun)]


def _has(one: Choice, begun: Sequence[str]) -> bool:
    names = f"{one.label.vi} {one.id}" if one.label.vi == one.label.en else f"{one.label.vi} {one.label.en} {one.id}"
    words = _WORD.findall(" ".join(search_words(names)))
    return all(any(word.startswith(part) for word in words) for part in begun)


_WORD: Final = re.compile(r"\w+")
