"""Verdicts as issued: one a target and local day, readable for ever; what changes one is a revision that says why."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, func, insert, select

from schoolbeat_server import register_digest, schema
from schoolbeat_server.database import get_meta, set_meta
from schoolbeat_server.finding import Grade, weakest
from schoolbeat_server.issued_units import First, Unit, first_of, pack, unpack
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Plan, Target
from schoolbeat_server.verdicts import Status, UnitVerdict, Verdict, plan_status

# late: minutes came after the verdict was issued. calendar: lessons were changed. operator: released from quarantine or
# of a machine that was kept apart.
# rebuilt: what was damaged was made again from the reports. retracted: an operator set a machine's reports aside.
Why = Literal["late", "calendar", "operator", "rebuilt", "retracted"]
WHY_WORDS: dict[str, Said] = {
    "late": Said("số liệu đến muộn", "late data"),
    "calendar": Said("lịch học thay đổi", "the school calendar was changed"),
    "operator": Said("quyết định của người quản trị", "an operator's decision"),
    "rebuilt": Said("sổ phút được dựng lại từ bản tin gốc", "the ledger was made again from reports"),
    "retracted": Said(
        "người quản trị loại bản tin của máy bị sao chép", "an operator set a copied machine's reports aside"
    ),
}

QUIET_MS = 120_000  # a backlog is waited for: one revision instead of many
PATIENCE_MS = 3_600_000
ROWS = 20_000  # touches looked at in one go
SHOWN_MS = 31 * 86_400_000  # pages tell of revisions so long
ALONE_MINUTES = 31 * 1_440  # so long a day's units are written as what differs from those of one that stands alone
SITES = 50  # named in a revision


class Issue(NamedTuple):
    """revision 0 is what was issued first. changed_*: the minutes because of which it was made anew; None: none.
    register_digest: of what it took from the register and the calendar."""

    id: int
    plan: str
    target: str
    first_minute: int
    end_minute: int
    revision: int
    issued_ms: int
    status: Status
    met: int
    missed: int
    unknown: int
    silent: int
    grade: Grade
    why: str
    changed_first: int | None
    changed_end: int | None
    sites: list[str]
    register_digest: str


class Touch(NamedTuple):
    """Minutes [first, end) of a site that changed after their day was over."""

    id: int
    site: str
    first_minute: int
    end_minute: int
    at_ms: int
    why: str


Row = dict[str, Any]  # of table `issued`; register_digest: the State

Judging = Callable[[Plan, int, frozenset[str] | None], Sequence[Verdict]]
"""(plan, end minute, sites or None for all) -> its verdicts; units of other sites are not to be looked at."""


# ---- what changed ------------------------------------------------------------------------------------------


def touch(connection: Connection, rows: Iterable[tuple[str, int, int, str]], at_ms: int) -> None:
    """(site, first minute, end minute, why) of minutes whose day was over."""
    values = [
        {"site": site, "first_minute": first, "end_minute": end, "why": why, "at_ms": at_ms}
        for site, first, end, why in rows
        if first < end
    ]
    if values:
        connection.execute(insert(schema.touched), values)


def _newest_touch(connection: Connection) -> int:
    return connection.scalar(select(func.max(schema.touched.c.id))) or 0


def _touches(connection: Connection, now_ms: int) -> list[Touch]:
    """Those not looked at yet, unless more are coming just now."""
    table = schema.touched.c
    last = int(get_meta(connection, "revised_touch") or 0)
    rows = connection.execute(select(schema.touched).where(table.id > last).order_by(table.id).limit(ROWS)).all()
    found = [Touch(*row) for row in rows]
    if not found or len(found) == ROWS:
        return found
    waits = now_ms - found[-1].at_ms < QUIET_MS and now_ms - found[0].at_ms < PATIENCE_MS
    return [] if waits else found


# ---- issuing and revising ----------------------------------------------------------------------------------


def issue(connection: Connection, plans: Sequence[Plan], end_minute: int, now_ms: int, judging: Judging) -> list[Row]:
    """The rows to write of plans whose verdict on windows that end there was not issued yet."""
    table = schema.issued.c
    done = set(connection.scalars(select(table.plan).where(table.end_minute == end_minute).distinct()))
    newest = _newest_touch(connection)
    rows: list[Row] = []
    for plan in plans:
        if plan.id not in done:
            rows += [
                _row(verdict, now_ms, newest, _first(connection, plan.id, verdict.target.id, end_minute))
                for verdict in judging(plan, end_minute, None)
            ]
    return _with_register(connection, rows)


def _with_register(connection: Connection, rows: list[Row]) -> list[Row]:
    """The connection reads at one moment: what it reads now is what they were judged by."""
    if rows:
        now = register_digest.state(connection)
        for row in rows:
            row["register_digest"] = now
    return rows


def revise(
    connection: Connection,
    plans: Sequence[Plan],
    now_ms: int,
    schools_of: Mapping[str, str],
    judging: Judging,
) -> tuple[list[Row], int]:
    """(rows to write, the last touch looked at; 0: none). schools_of: site -> school."""
    touches = _touches(connection, now_ms)
    if not touches:
        return [], 0
    low, high = min(one.first_minute for one in touches), max(one.end_minute for one in touches)
    rows: list[Row] = []
    for plan in plans:
        for end_minute in _ends(connection, plan.id, low, high):
            rows += _revise_plan(connection, plan, end_minute, touches, now_ms, schools_of, judging)
    return _with_register(connection, rows), touches[-1].id


def keep(connection: Connection, rows: Sequence[Row], last_touch: int) -> None:
    told = []
    for row in rows:
        register_digest.keep(connection, row["register_digest"], row["issued_ms"])
        told.append({**row, "register_digest": row["register_digest"].digest})
    if told:
        connection.execute(insert(schema.issued), told)
    if last_touch:
        set_meta(connection, "revised_touch", str(last_touch))


def _ends(connection: Connection, plan: str, low: int, high: int) -> list[int]:
    table = schema.issued.c
    where = (table.plan == plan) & (table.revision == 0) & (table.first_minute < high) & (table.end_minute > low)
    return sorted(connection.scalars(select(table.end_minute).where(where).distinct()))


def _revise_plan(
    connection: Connection,
    plan: Plan,
    end_minute: int,
    touches: Sequence[Touch],
    now_ms: int,
    schools_of: Mapping[str, str],
    judging: Judging,
) -> list[Row]:
    table = schema.issued.c
    where = (table.plan == plan.id) & (table.end_minute == end_minute)
    known = connection.scalar(select(func.min(table.touch)).where(where)) or 0
    mine = [one for one in touches if one.first_minute < end_minute and one.id > known]
    schools = {schools_of.get(one.site) for one in mine} - {None}
    sites = frozenset(site for site, school in schools_of.items() if school in schools)
    rows = []
    for verdict in judging(plan, end_minute, sites) if sites else ():
        stored = connection.execute(
            select(schema.issued).where(where, table.target == verdict.target.id).order_by(table.revision)
        ).all()
        inside = [
            one for one in mine if stored and one.id > stored[0].touch and one.end_minute > stored[0].first_minute
        ]
        if inside:
            units = _units(connection, stored)
            if units is not None:
                rows += _revise_one(verdict, stored, units, inside, schools_of, now_ms)
    return rows


def _revise_one(
    verdict: Verdict,
    stored: Sequence[Any],
    units: dict[str, Unit],
    touches: Sequence[Touch],
    schools_of: Mapping[str, str],
    now_ms: int,
) -> list[Row]:
    """A new row if a unit that the touched sites make or belong to is another now."""
    touched = {one.site for one in touches}
    schools = {schools_of[site] for site in touched if site in schools_of}
    changed = {}
    for unit in verdict.units:
        concerned = unit.site in touched if unit.site else unit.school in schools
        if concerned and unit.id in units:
            new = _unit(unit) | {"name": units[unit.id]["name"]}  # a new name changes no verdict
            if new != units[unit.id]:
                changed[unit.id] = new
    if not changed:
        return []
    units |= changed
    first, last = verdict.window.first_minute, stored[-1]
    reasons = [one.why for one in touches]
    return [
        {
            **_head(verdict.plan.id, verdict.target, verdict.window, now_ms),
            **_counts(verdict.target, units.values()),
            "revision": last.revision + 1,
            "touch": stored[0].touch,
            "why": max(set(reasons), key=reasons.count),
            "changed_first": max(first, min(one.first_minute for one in touches)),
            "changed_end": min(verdict.window.end_minute, max(one.end_minute for one in touches)),
            "sites": json.dumps(sorted(touched)[:SITES]),
            "body": pack(changed),
        }
    ]


def _row(verdict: Verdict, now_ms: int, newest_touch: int, first: First | None) -> Row:
    units = {unit.id: _unit(unit) for unit in verdict.units}
    return {
        **_head(verdict.plan.id, verdict.target, verdict.window, now_ms),
        **_counts(verdict.target, units.values()),
        "revision": 0,
        "touch": newest_touch,
        "why": "",
        "changed_first": None,
        "changed_end": None,
        "sites": "[]",
        "body": pack(units, first),
    }


def _head(plan: str, target: Target, window: tuple[int, int], now_ms: int) -> Row:
    first, end = window
    return {"plan": plan, "target": target.id, "first_minute": first, "end_minute": end, "issued_ms": now_ms}


def _counts(target: Target, units: Collection[Unit]) -> Row:
    met, missed, unknown = (sum(unit["counts"][at] for unit in units) for at in range(3))
    return {
        "status": plan_status(met, missed, unknown, target.share, target.count),
        "met": met,
        "missed": missed,
        "unknown": unknown,
        "silent": sum(unit["silent"] for unit in units),
        "grade": weakest(unit["grade"] for unit in units if unit["status"] in ("met", "missed")),
    }


def _unit(unit: UnitVerdict) -> Unit:
    return {
        "name": unit.name,
        "status": unit.status,
        "silent": unit.silent,
        "since_minute": unit.since_minute,
        "coverage": None if unit.coverage is None else str(unit.coverage),
        "grade": unit.grade,
        "counts": list(unit.counts),
        "reasons": [[said.vi, said.en] for said in unit.reasons],
    }


def _first(connection: Connection, plan: str, target: str, end_minute: int) -> First | None:
    """The day of which only the difference is written: one that stands alone and is not older than a month."""
    table = schema.issued.c
    earlier = (table.plan == plan) & (table.target == target) & (table.revision == 0) & (table.end_minute < end_minute)
    last = connection.execute(
        select(table.end_minute, table.body).where(earlier).order_by(table.end_minute.desc()).limit(1)
    ).first()
    if last is None:
        return None
    at = first_of(last.body) or last.end_minute
    body = last.body if at == last.end_minute else _body(connection, plan, target, at)
    return First(at, unpack(body)) if body is not None and end_minute - at < ALONE_MINUTES else None


def _body(connection: Connection, plan: str, target: str, end_minute: int) -> bytes | None:
    table = schema.issued.c
    mine = (table.plan == plan) & (table.target == target) & (table.end_minute == end_minute) & (table.revision == 0)
    return connection.scalar(select(table.body).where(mine))


def _units(connection: Connection, stored: Sequence[Any]) -> dict[str, Unit] | None:
    """As the last of the rows says: the first has all units, each later one those that changed. None: the day that
    they differ from is lost."""
    at = first_of(stored[0].body)
    before = _body(connection, stored[0].plan, stored[0].target, at) if at else None
    if at and (before is None or first_of(before)):
        return None
    found = unpack(stored[0].body, None if before is None else unpack(before))
    for row in stored[1:]:
        found |= unpack(row.body)
    return found


# ---- reading -----------------------------------------------------------------------------------------------


def read_issues(
    connection: Connection,
    *,
    plan: str | None = None,
    target: str | None = None,
    revised: bool = False,
    before: int | None = None,
    limit: int,
) -> list[Issue]:
    """The newest first. revised: revisions only."""
    table = schema.issued.c
    query = select(*(table[name] for name in Issue._fields)).order_by(table.id.desc()).limit(limit)
    for column, value in ((table.plan, plan), (table.target, target)):
        if value is not None:
            query = query.where(column == value)
    if revised:
        query = query.where(table.revision > 0)
    if before is not None:
        query = query.where(table.id < before)
    return [_issue(row) for row in connection.execute(query)]


def read_revisions(connection: Connection, one: Issue) -> list[Issue]:
    """Everything that was said of its window, the first first."""
    table = schema.issued.c
    query = select(*(table[name] for name in Issue._fields)).where(
        table.plan == one.plan, table.target == one.target, table.end_minute == one.end_minute
    )
    return [_issue(row) for row in connection.execute(query.order_by(table.revision))]


def revised_lately(connection: Connection, since_ms: int) -> dict[tuple[str, str], Issue]:
    """(plan, target) -> the newest revision since then."""
    table = schema.issued.c
    query = select(*(table[name] for name in Issue._fields)).where(table.revision > 0, table.issued_ms >= since_ms)
    return {(row.plan, row.target): _issue(row) for row in connection.execute(query.order_by(table.id))}


def read_units(connection: Connection, ident: int) -> tuple[Issue, dict[str, Unit]] | None:
    """An issue and its units as they were then; None: there is none, or its units are lost."""
    table = schema.issued.c
    row = connection.execute(select(schema.issued).where(table.id == ident)).one_or_none()
    if row is None:
        return None
    stored = connection.execute(
        select(schema.issued)
        .where(
            table.plan == row.plan,
            table.target == row.target,
            table.end_minute == row.end_minute,
            table.revision <= row.revision,
        )
        .order_by(table.revision)
    ).all()
    units = _units(connection, stored)
    return None if units is None else (_issue(row), units)


def _issue(row: Any) -> Issue:
    values = {name: getattr(row, name) for name in Issue._fields}
    return Issue(**values | {"sites": json.loads(row.sites)})
