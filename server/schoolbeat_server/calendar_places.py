"""Where the register had each site, from a day on: past lessons stay those of the place where the site was then."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, Engine, insert, or_, select, update

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.local_time import local
from schoolbeat_server.register_areas import read_memberships
from schoolbeat_server.school_calendar import Place

REGISTER: Final = "@register"  # in the place of a calendar's id; no id begins so
ALWAYS, NEVER = "0001-01-01", "9999-12-31"
_NAMED: Final = 5  # sites told in the reason of a change


class Span(NamedTuple):
    """From an ISO date until the next span."""

    valid_from: str
    place: Place


Spans = Mapping[str, Sequence[Span]]  # by site, the oldest first


def read_register(connection: Connection) -> tuple[dict[str, list[Span]], set[str]]:
    """(what the register says now, the sites of whose school it tells when it was in which area)."""
    area, site, school = schema.area.c, schema.site.c, schema.school.c
    parents: dict[str, str | None] = dict(connection.execute(select(area.id, area.parent)).all())
    memberships = read_memberships(connection)
    found: dict[str, list[Span]] = {}
    dated: set[str] = set()
    rows = connection.execute(select(site.id, school.id, school.area).join_from(schema.site, schema.school))
    for ident, of, where in rows:
        history = memberships.get(of, [])
        if not history:
            found[ident] = [Span(ALWAYS, Place(ident, of, _up(parents, where)))]
            continue
        dated.add(ident)
        found[ident] = _dated([(one.valid_from, one.valid_to, one.area) for one in history], ident, of, parents)
    return found, dated


def _dated(
    history: list[tuple[str, str, str]], site: str, school: str, parents: Mapping[str, str | None]
) -> list[Span]:
    """Between its times in areas a school is in none that the register knows."""
    spans: list[Span] = []
    for valid_from, valid_to, area in history:
        if spans and spans[-1].valid_from == valid_from:
            spans.pop()
        spans += [Span(valid_from, Place(site, school, _up(parents, area))), Span(valid_to, Place(site, school))]
    if spans[-1].valid_from >= NEVER:
        spans.pop()
    return [one for at, one in enumerate(spans) if not at or one.place != spans[at - 1].place]


def _up(parents: Mapping[str, str | None], area: str | None) -> tuple[str, ...]:
    """From the root down to the area."""
    found: list[str] = []
    while area is not None and area not in found:  # a loop would end
        found.append(area)
        area = parents.get(area)
    return tuple(reversed(found))


# ---- what is kept of it ------------------------------------------------------------------------------------


def standing(connection: Connection, change: int | None = None) -> dict[str, list[Span]]:
    """As it was known after that change; None: now."""
    table = schema.site_place.c
    query = select(table.site, table.valid_from, table.school, table.areas).order_by(table.site, table.valid_from)
    if change is None:
        query = query.where(table.removed.is_(None))
    else:
        query = query.where(table.added <= change, or_(table.removed.is_(None), table.removed > change))
    found: dict[str, list[Span]] = {}
    for site, valid_from, school, areas in connection.execute(query):
        found.setdefault(site, []).append(Span(valid_from, Place(site, school, tuple(json.loads(areas)))))
    return found


def keep(engine: Engine, now_ms: int) -> None:
    """What the register says now. A site that it has elsewhere than before is a change of the calendar: from the days
    that the register names; if it names none, from today on."""
    today = f"{local(now_ms):%Y-%m-%d}"
    with engine.connect() as connection:
        if not _differences(connection, today):
            return
    with writing(engine) as connection:
        found = _differences(connection, today)
        moved = {site: spans for site, spans in found.items() if spans[0]}
        change = _write_change(connection, moved, now_ms) if moved else 0
        table = schema.site_place
        for site, (before, after) in found.items():
            gone = [one.valid_from for one in before if one not in after]
            where = (table.c.site == site) & table.c.removed.is_(None) & table.c.valid_from.in_(gone)
            connection.execute(update(table).where(where).values(removed=change))
            rows = [_row(one, change if before else 0) for one in after if one not in before]
            if rows:
                connection.execute(insert(table), rows)


def _differences(connection: Connection, today: str) -> dict[str, tuple[list[Span], list[Span]]]:
    """site -> (what is kept, what is to be kept instead)."""
    said, dated = read_register(connection)
    kept = standing(connection)
    found = {}
    for site, spans in said.items():
        before = kept.get(site, [])
        after = spans
        if before and site not in dated:
            last = before[-1]
            after = before
            if last.place != spans[-1].place:
                after = [one for one in before if one.valid_from < today] + [Span(today, spans[-1].place)]
        if after != before:
            found[site] = (before, after)
    return found


def _row(span: Span, change: int) -> dict[str, object]:
    place = span.place
    said = {"site": place.site, "valid_from": span.valid_from, "school": place.school}
    return said | {"areas": json.dumps(place.areas), "added": change}


def _write_change(connection: Connection, moved: Mapping[str, tuple[list[Span], list[Span]]], now_ms: int) -> int:
    new = [one for before, after in moved.values() for one in after if one not in before]
    old = [one for before, after in moved.values() for one in before if one not in after]
    named = [
        f"{site}: {_where(before[-1].place)} → {_where(after[-1].place)}" for site, (before, after) in moved.items()
    ]
    values = {
        "at_ms": now_ms,
        "who": "server",
        "document": REGISTER,
        "why": "; ".join(named[:_NAMED]) + (f"; … +{len(named) - _NAMED}" if len(named) > _NAMED else ""),
        "first_day": min(one.valid_from for one in [*new, *old]),
        "end_day": NEVER,
        "added": len(new),
        "removed": len(old),
    }
    table = schema.calendar_change
    return int(connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one())


def _where(place: Place) -> str:
    return f"{place.school} ({place.areas[-1] if place.areas else '–'})"
