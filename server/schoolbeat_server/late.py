"""Outages that were over when they became known join the incident that covers them, or one summary of the site."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select, update

from schoolbeat_server import schema
from schoolbeat_server.batch import Batch
from schoolbeat_server.incidents import AWAY, LIVE_MINUTES, Decision, scope_of
from schoolbeat_server.outages import Outage

DETECTION_MS = 60_000  # an incident begins so much later than what it is about, at most
SUMMARY_MS = 86_400_000  # what becomes known within a day goes into one summary
SHOWN = 50  # outages in an incident's facts; the others are counted

Told = tuple[str, Outage]


def follow(batch: Batch, site: str, ended: Iterable[Told], hold_seconds: int) -> None:
    """ended: outages whose rows have changed just now. None of them wakes anybody."""
    last_live = batch.now_ms // 60_000 - LIVE_MINUTES
    late = [
        (signal, one)
        for signal, one in ended
        if one.last_minute < last_live and one.down_seconds >= hold_seconds and scope_of(signal) is not None
    ]
    if not late:
        return
    first, end = min(one.first_minute for _, one in late), max(one.end_minute or 0 for _, one in late)
    incidents = _incidents(batch, site, first, end)
    uncovered = []
    touched = {}
    for signal, one in late:
        covering = [row for row in incidents if _covers(row, signal, one, batch.now_ms)]
        touched.update({row.id: row for row in covering})
        if not covering:
            uncovered.append(one)
    for row in touched.values():
        until_ms = batch.now_ms if row.closed_ms is None else row.until_ms or row.closed_ms
        found = _outages(batch, site, row.scope, row.since_ms, until_ms, hold_seconds)
        _keep_facts(batch, row.id, json.loads(row.facts) | _facts(found))
    if uncovered:
        _summarise(batch, site, uncovered, hold_seconds)


def with_outages(batch: Batch, site: str, scope: str, since_ms: int, decision: Decision, hold_seconds: int) -> str:
    """The decision's facts, and all outages that the incident covers, as JSON."""
    if scope == "clone":
        return _json(decision.facts)
    until_ms = decision.until_ms or batch.now_ms
    return _json(decision.facts | _facts(_outages(batch, site, scope, since_ms, until_ms, hold_seconds)))


def _summarise(batch: Batch, site: str, uncovered: Sequence[Outage], hold_seconds: int) -> None:
    """One row for a site and day, closed from the beginning, with no notice."""
    table = schema.incident.c
    row = batch.connection.execute(
        select(table.id, table.since_ms, table.until_ms)
        .where(table.site == site, table.scope == AWAY, table.opened_ms > batch.now_ms - SUMMARY_MS)
        .order_by(table.id.desc())
        .limit(1)
    ).one_or_none()
    since_ms = min(one.first_minute for one in uncovered) * 60_000
    until_ms = max(one.end_minute or one.last_minute for one in uncovered) * 60_000
    if row is not None:
        since_ms, until_ms = min(since_ms, row.since_ms), max(until_ms, row.until_ms)
    found = _outages(batch, site, AWAY, since_ms, until_ms, hold_seconds)
    others = _incidents(batch, site, since_ms // 60_000, until_ms // 60_000)
    alone = [one for one in found if not any(_covers(other, *_told(one), batch.now_ms) for other in others)]
    values = {"since_ms": since_ms, "until_ms": until_ms, "facts": _json(_facts(alone))}
    if row is not None:
        batch.connection.execute(update(schema.incident).where(table.id == row.id).values(values))
        return
    values |= {"site": site, "scope": AWAY, "opened_ms": batch.now_ms, "closed_ms": batch.now_ms}
    values |= {"cause_opened": AWAY, "cause": AWAY}
    batch.connection.execute(insert(schema.incident).values(values))


def _told(row: dict[str, Any]) -> Told:
    names = ("first_minute", "last_minute", "end_minute", "down_seconds")
    return row["signal"], Outage(*(row[name] for name in names))


def _incidents(batch: Batch, site: str, first: int, end: int) -> Sequence[Any]:
    table = schema.incident.c
    return batch.connection.execute(
        select(schema.incident)
        .where(
            table.site == site,
            table.scope.in_(("path", "contact", "devices")),
            table.since_ms - DETECTION_MS <= end * 60_000,
            (table.closed_ms.is_(None)) | (table.until_ms >= first * 60_000),
        )
        .order_by(table.id)
    ).all()


def _covers(row: Any, signal: str, one: Outage, now_ms: int) -> bool:
    until_ms = now_ms if row.closed_ms is None else row.until_ms or row.closed_ms
    if not (row.since_ms - DETECTION_MS <= (one.end_minute or one.last_minute) * 60_000):
        return False
    if one.first_minute * 60_000 > until_ms:
        return False
    of_devices: bool = row.scope == "devices"
    return bool(row.cause_opened == "waiting") or of_devices == (scope_of(signal) == "devices")


def _outages(
    batch: Batch, site: str, scope: str, since_ms: int, until_ms: int, hold_seconds: int
) -> list[dict[str, Any]]:
    """Those of the table that were over, long enough and within the time."""
    table = schema.outage.c
    rows = batch.connection.execute(
        select(table.signal, table.first_minute, table.last_minute, table.end_minute, table.down_seconds, table.cause)
        .where(
            table.site == site,
            table.end_minute.is_not(None),
            table.down_seconds >= hold_seconds,
            table.first_minute <= until_ms // 60_000,
            table.end_minute >= (since_ms - DETECTION_MS) // 60_000,
        )
        .order_by(table.first_minute, table.signal)
    )
    found = [row._asdict() for row in rows if scope_of(row.signal) is not None]
    return [row for row in found if scope != "devices" or scope_of(row["signal"]) == "devices"]


def _facts(found: Sequence[dict[str, Any]]) -> dict[str, object]:
    if not found:
        return {}
    shown = [{name: value for name, value in row.items() if name != "last_minute"} for row in found[:SHOWN]]
    more = {"outages_more": len(found) - SHOWN} if len(found) > SHOWN else {}
    return {"outages": shown, **more}


def _keep_facts(batch: Batch, ident: int, facts: dict[str, object]) -> None:
    batch.connection.execute(update(schema.incident).where(schema.incident.c.id == ident).values(facts=_json(facts)))


def _json(facts: dict[str, object]) -> str:
    return json.dumps(facts, ensure_ascii=False, sort_keys=True)
