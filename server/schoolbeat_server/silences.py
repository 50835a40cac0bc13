"""Silences that are over, in the tables: what an incident keeps of one, and its cause corrected by what came late."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from sqlalchemy import select, update

from schoolbeat_server import schema, silence_texts
from schoolbeat_server.batch import Batch
from schoolbeat_server.incidents import Scope
from schoolbeat_server.ledger import CONTACT
from schoolbeat_server.outage_rows import OutageRows
from schoolbeat_server.silence import Silence
from schoolbeat_server.silence_evidence import DETECTION_MS, Span

NOT_DECIDED = ("waiting", "unknown")
MOST_REVISIONS = 20  # kept of one incident, the newest

Why = Literal["late", "retracted"]

Explain = Callable[[Span], Silence]


def as_facts(span: Span, found: Silence, cause: str) -> dict[str, object]:
    """For an incident; cause: with which it goes on or ends."""
    facts: dict[str, object] = {
        "known": silence_texts.as_facts(found.known),
        "waited": silence_texts.as_facts(found.waited),
        "silence": {"lost_ms": span.lost_ms, "back_ms": span.back_ms, "cause": cause},
    }
    if found.cause not in NOT_DECIDED or span.back_ms is not None:
        facts["minutes"] = dict(found.minutes)
    return facts


def revise(
    batch: Batch, site: str, first: int, end: int, explain: Explain, outages: OutageRows, why: Why = "late"
) -> Iterator[tuple[Scope, str]]:
    """Incidents and silences over [first, end) get the cause that the evidence names now; nothing that was decided
    becomes undecided, unless the word that decided it was taken back. Yields (scope, new cause) of incidents."""
    for row in _closed(batch, site, first, end):
        facts = json.loads(row.facts)
        told = facts.get("silence")
        if not told or told["back_ms"] is None or told["cause"] != row.cause:
            continue  # it ended with another fault
        found = explain(Span(site, told["lost_ms"], told["back_ms"]))
        cause = _new_cause(row.cause, found, why)
        facts |= as_facts(Span(site, told["lost_ms"], told["back_ms"]), found, cause)
        if cause != row.cause:
            facts["revised"] = [*facts.get("revised", []), _revision(batch, row.cause, cause, why)][-MOST_REVISIONS:]
            yield row.scope, cause
        values = {"cause": cause, "facts": json.dumps(facts, ensure_ascii=False, sort_keys=True)}
        batch.connection.execute(update(schema.incident).where(schema.incident.c.id == row.id).values(values))
    for one in _silences(batch, site, first, end):
        span = Span(site, one.first_minute * 60_000 + DETECTION_MS - 1, one.end_minute * 60_000 - 1)
        cause = _new_cause(one.cause, explain(span), why)
        if cause != one.cause:
            outages.explain(batch.connection, site, one.first_minute, one.end_minute, cause)


def _new_cause(before: str, found: Silence, why: Why) -> str:
    if found.cause not in NOT_DECIDED:
        return found.cause
    return "unknown" if why == "retracted" and before else before


def _revision(batch: Batch, before: str, after: str, why: Why) -> Mapping[str, object]:
    return {"at_ms": batch.now_ms, "from": before, "to": after, "why": why}


def _closed(batch: Batch, site: str, first: int, end: int) -> list[Any]:
    table = schema.incident.c
    return list(
        batch.connection.execute(
            select(table.id, table.scope, table.cause, table.facts)
            .where(
                table.site == site,
                table.scope.in_(("path", "contact")),
                table.cause_opened == "waiting",
                table.closed_ms.is_not(None),
                table.since_ms - DETECTION_MS < end * 60_000,
                table.until_ms >= first * 60_000,
            )
            .order_by(table.id)
        )
    )


def _silences(batch: Batch, site: str, first: int, end: int) -> list[Any]:
    table = schema.outage.c
    return list(
        batch.connection.execute(
            select(table.first_minute, table.end_minute, table.cause)
            .where(
                table.site == site,
                table.signal == CONTACT,
                table.end_minute.is_not(None),
                table.first_minute - 1 < end,
                table.end_minute > first,
            )
            .order_by(table.first_minute)
        )
    )
