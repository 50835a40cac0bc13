"""A silence as pages and API show it: why, what else is known, what is waited for, and what was revised."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import cause, schema, silence_evidence, silence_texts
from schoolbeat_server.said import Said
from schoolbeat_server.silence import Silence, explain
from schoolbeat_server.silence_evidence import ReadMinutes, Span


@dataclass(frozen=True)
class SilenceShown:
    """lost_ms: since when; None for a site that was never heard. is_back: the gateway is heard again, its account is
    not complete yet."""

    lost_ms: int | None
    is_back: bool
    cause: str
    sentence: Said
    minutes: dict[str, int]
    known: list[Said]
    waited: list[Said]

    @property
    def is_decided(self) -> bool:
        return self.cause not in ("waiting", "unknown")


class Revised(NamedTuple):
    """A cause that late data changed."""

    at_ms: int
    before: str
    after: str


class Explained(NamedTuple):
    """What an incident keeps of the silence that it is about."""

    known: list[Said]
    waited: list[Said]
    revised: list[Revised]


def of_site(connection: Connection, read: ReadMinutes, site: str, now_ms: int) -> SilenceShown | None:
    """None for a site that is heard and has nothing to explain."""
    table = schema.contact.c
    row = connection.execute(select(schema.contact).where(table.site == site)).one_or_none()
    if row is not None and row.lost_ms is not None:
        span = Span(site, row.lost_ms, row.back_ms, row.back_epoch, row.back_next)
    elif connection.scalar(select(schema.latest.c.site).where(schema.latest.c.site == site).limit(1)) is None:
        span = Span(site, now_ms)
    else:
        agent = schema.agent.c
        with_gateway = select(agent.site).where(agent.site == site, agent.role == "gateway").limit(1)
        if connection.scalar(with_gateway) is not None:
            return None
        span = Span(site, now_ms)
    found = explain(silence_evidence.gather(connection, read, span, now_ms))
    return _shown(span, found, heard_before=row is not None and row.lost_ms is not None)


def _shown(span: Span, found: Silence, *, heard_before: bool) -> SilenceShown:
    return SilenceShown(
        lost_ms=span.lost_ms if heard_before else None,
        is_back=span.back_ms is not None,
        cause=found.cause,
        sentence=Said(cause.sentence(found.cause, "vi"), cause.sentence(found.cause, "en")),
        minutes=dict(found.minutes),
        known=[silence_texts.said(one) for one in found.known],
        waited=[silence_texts.said(one) for one in found.waited],
    )


def of_incident(facts: str) -> Explained:
    """facts: as the incident keeps them."""
    told = json.loads(facts)
    known, waited = (
        [silence_texts.said(one) for one in silence_texts.from_facts(told, name)] for name in ("known", "waited")
    )
    return Explained(
        known, waited, [Revised(one["at_ms"], one["from"], one["to"]) for one in told.get("revised") or ()]
    )
