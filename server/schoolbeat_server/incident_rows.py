"""Applies incident decisions: rows of `incident`, `notice` and `contact`, in the batch's transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import incidents, late, schema, silence_evidence, silences
from schoolbeat_server.batch import Batch
from schoolbeat_server.contact import SiteContact
from schoolbeat_server.incidents import Current, Decision, Scope, Situation
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.local_time import local
from schoolbeat_server.notice_texts import compose
from schoolbeat_server.register_values import Line
from schoolbeat_server.settings import Channel, Incidents
from schoolbeat_server.silence import Silence, explain
from schoolbeat_server.silence_evidence import Span

log = logging.getLogger(__name__)

LATE_MINUTES = 2  # what came so soon after its minute was told of as it happened
LIVE_MINUTES = 5
FULL_AT_ONCE = 100  # of a whole province the others are told of without what decides nothing; pages have all of it
EXPLAINED_MS = 10_000  # what is known of a silence is looked through again, if nothing came, after so long


@dataclass(frozen=True)
class Change:
    """An incident that opened, changed or closed; for the live pages."""

    site: str
    scope: Scope
    action: str
    cause: str


class IncidentRows:
    """Knows the open incidents; everything else is asked of ingest."""

    def __init__(self, ingest: Ingest, rules: Incidents, channels: Sequence[Channel]) -> None:
        self.ingest, self.rules, self.channels = ingest, rules, channels
        self.current: dict[tuple[str, str], Current] = {}
        self.changes: list[Change] = []
        self.explained: dict[str, tuple[int, Span, Silence]] = {}  # when to look again; of silences that are over
        self.full = 0  # how many silences may still be told of with all that is known
        self.short: dict[str, int] = {}  # the minute in which a silence ended that nobody was told of

    def load(self, connection: Connection) -> None:
        table = schema.incident.c
        rows = connection.execute(
            select(table.site, table.scope, table.id, table.cause_opened, table.cause, table.since_ms).where(
                table.closed_ms.is_(None)
            )
        )
        self.current = {(site, scope): Current(*rest) for site, scope, *rest in rows}
        self.changes = []
        for contact in self.ingest.contact.sites.values():
            contact.lost_ms = contact.back_ms = None
        for row in connection.execute(select(schema.contact)):
            if not self.ingest.has_gateway(row.site):
                continue
            contact = self.ingest.contact.of(row.site)
            contact.lost_ms, contact.back_ms = row.lost_ms, row.back_ms
            contact.back_epoch, contact.back_next = row.back_epoch, row.back_next
            contact.heard_ms = max(contact.heard_ms, row.heard_ms)

    def sites_to_watch(self) -> set[str]:
        """Sites whose situation can change by time alone."""
        waiting = {site for site, contact in self.ingest.contact.sites.items() if contact.lost_ms is not None}
        return waiting | {site for site, _ in self.current}

    def look_at(self, batch: Batch, sites: set[str]) -> None:
        self.full = FULL_AT_ONCE
        for site in sorted(sites):
            contact = self.ingest.contact.of(site)
            before = (contact.lost_ms, contact.back_ms)
            self._clone(batch, site)
            self._path(batch, site, contact)
            self._devices(batch, site, contact)
            late.follow(batch, site, self.ingest.outages.ended.pop(site, ()), self.rules.hold_seconds)
            if (contact.lost_ms, contact.back_ms) != before or site in self.ingest.contact.changed:
                self._write_contact(batch, site, contact)
        self.ingest.contact.changed -= sites
        for site in sorted(batch.placed):
            self._revise(batch, site, *batch.placed[site])
        batch.placed = {}

    def _path(self, batch: Batch, site: str, contact: SiteContact) -> None:
        """A fault beyond the line may last for weeks: contact lost meanwhile is an incident of its own."""
        path, apart = self.current.get((site, "path")), self.current.get((site, "contact"))
        if path is None and apart is None and (site, "clone") in self.current:
            contact = SiteContact()  # people know already that another machine speaks in the gateway's place
        if apart is None and (path is None or contact.lost_ms is None or not incidents.is_beyond(path.cause)):
            self._ladder(batch, site, "path", contact, path, with_outages=True)
            return
        self._ladder(batch, site, "path", SiteContact(), path, with_outages=True)
        self._ladder(batch, site, "contact", contact, apart, with_outages=False)

    def _clone(self, batch: Batch, site: str) -> None:
        waiting = self.ingest.cards.waiting(site)
        machines = [(card.hardware, card.first_ms) for key, card in waiting if key in self.ingest.agents]
        current = self.current.get((site, "clone"))
        self._apply(batch, site, "clone", current, incidents.decide_clone(batch.now_ms, machines, current))

    def _ladder(
        self,
        batch: Batch,
        site: str,
        scope: Scope,
        contact: SiteContact,
        current: Current | None,
        *,
        with_outages: bool,
    ) -> None:
        if contact.back_ms is not None and current is None:
            if contact.lost_ms is not None:
                self._explain_outages(batch, site, contact.lost_ms, contact.back_ms, "unknown")
                self.short[site] = contact.back_ms // 60_000
            contact.lost_ms = contact.back_ms = None  # back before anybody was told
        silence = self._silence(batch, site, contact, current)
        situation = self._situation(batch, site, contact, silence, current)
        decision = incidents.decide_path(
            situation if with_outages else replace(situation, outages=()),
            contact_seconds=self.rules.contact_seconds,
            hold_seconds=self.rules.hold_seconds,
            backlog_wait_seconds=self.rules.backlog_wait_seconds,
        )
        if current is not None and not self.ingest.has_gateway(site):
            decision = Decision("close", "no gateway any more", incidents.UNWATCHED, until_ms=batch.now_ms)
        if decision.action != "none" and contact.lost_ms is not None:
            decision = self._with_silence(batch, site, contact, decision)
        if decision.action in ("update", "close") and contact.back_ms is not None:
            contact.lost_ms = contact.back_ms = None
            self.explained.pop(site, None)
        self._apply(batch, site, scope, current, decision)

    def _devices(self, batch: Batch, site: str, contact: SiteContact) -> None:
        current = self.current.get((site, "devices"))
        situation = self._situation(batch, site, contact, None, current)
        witnessed = self.ingest.gateway_signals(site)  # what they see is told of as the site's silence
        situation = replace(situation, outages=[one for one in situation.outages if one.signal not in witnessed])
        decision = incidents.decide_devices(situation, hold_seconds=self.rules.hold_seconds)
        self._apply(batch, site, "devices", current, decision)

    def _situation(
        self, batch: Batch, site: str, contact: SiteContact, silence: Silence | None, current: Current | None
    ) -> Situation:
        opened = self.ingest.outages.open.get(site, {})
        gone = frozenset(signal for signal in opened if not self.ingest.watches(site, signal))
        return Situation(
            batch.now_ms,
            contact.lost_ms,
            contact.back_ms,
            silence,
            [one for one in opened.values() if one.signal not in gone],
            current,
            gone,
            blind=self.ingest.contact.is_blind(batch.now_ms),
        )

    def _silence(self, batch: Batch, site: str, contact: SiteContact, current: Current | None) -> Silence | None:
        """Why contact was lost; while it still is, only when another machine of the site has said something new."""
        if contact.lost_ms is None or current is None:
            return None
        if contact.back_ms is None:
            new = site in batch.placed and bool(self.ingest.gateway_signals(site))
            return self._explain(batch, _span(site, contact), everything=False) if new else None
        span = _span(site, contact)
        until_ms, of_span, known = self.explained.get(site, (0, None, None))
        if known is not None and of_span == span and batch.now_ms < until_ms <= batch.now_ms + EXPLAINED_MS:
            if site in batch.placed:  # once a second is often enough
                self.explained[site] = min(until_ms, batch.now_ms + 1_000), span, known
            return known
        found = self._explain(batch, span, everything=False)
        again_ms = batch.now_ms + (1_000 if site in batch.placed else EXPLAINED_MS)
        self.explained[site] = again_ms, span, found
        return found

    def _explain(self, batch: Batch, span: Span, *, everything: bool = True) -> Silence:
        read = silence_evidence.reader(self.ingest.ledger, batch.connection)
        blind_until_ms = self.ingest.contact.blind_until_ms
        seen = silence_evidence.gather(
            batch.connection, read, span, batch.now_ms, blind_until_ms=blind_until_ms, everything=everything
        )
        return explain(seen)

    def _with_silence(self, batch: Batch, site: str, contact: SiteContact, decision: Decision) -> Decision:
        """The decision with all that is known, and what is still waited for."""
        span = _span(site, contact)
        self.full -= 1
        found = self._explain(batch, span, everything=self.full >= 0)
        if decision.action != "open":
            self._explain_outages(batch, site, span.lost_ms, span.back_ms or batch.now_ms, decision.cause)
        return replace(decision, facts=decision.facts | silences.as_facts(span, found, decision.cause))

    def _explain_outages(self, batch: Batch, site: str, lost_ms: int, back_ms: int, why: str) -> None:
        first = (lost_ms - silence_evidence.DETECTION_MS) // 60_000
        self.ingest.outages.explain(batch.connection, site, first, back_ms // 60_000 + 1, why)

    def _revise(self, batch: Batch, site: str, first: int, end: int) -> None:
        """Of minutes that came late: what they say of silences that are over. It wakes nobody."""
        ended = self.short.get(site)
        if ended is not None and end > ended:
            first = min(first, ended - LIVE_MINUTES)
            del self.short[site]
        elif first >= batch.now_ms // 60_000 - LATE_MINUTES:
            return
        self._explain_anew(batch, site, first, end, "late")

    def take_back(self, batch: Batch, site: str, first: int, end: int) -> None:
        """Of minutes of which reports were retracted: what these had explained."""
        self._explain_anew(batch, site, first, end, "retracted")

    def _explain_anew(self, batch: Batch, site: str, first: int, end: int, why: silences.Why) -> None:
        found = silences.revise(
            batch, site, first, end, lambda span: self._explain(batch, span), self.ingest.outages, why
        )
        for scope, cause in found:
            log.info("%s: incident revised: %s", site, cause)
            self.changes.append(Change(site, scope, "revised", cause))

    def _apply(self, batch: Batch, site: str, scope: Scope, current: Current | None, decision: Decision) -> None:
        if decision.action == "none":
            return
        log.info("%s: incident %s: %s (%s)", site, decision.action, decision.cause, decision.why)
        facts = json.dumps(decision.facts, ensure_ascii=False, sort_keys=True)
        if decision.action == "open":
            values = {
                "site": site,
                "scope": scope,
                "opened_ms": batch.now_ms,
                "since_ms": decision.since_ms,
                "cause_opened": decision.cause,
                "cause": decision.cause,
                "facts": facts,
            }
            result = batch.connection.execute(schema.incident.insert().values(values))
            key = result.inserted_primary_key
            assert key is not None
            current = Current(key[0], decision.cause, decision.cause, decision.since_ms)
            self.current[site, scope] = current
            self._notices(batch, site, scope, current, decision, "open")
        elif current is not None:
            changes: dict[str, object] = {"cause": decision.cause}
            if decision.action == "close":
                changes |= {"closed_ms": batch.now_ms, "until_ms": decision.until_ms}
            table = schema.incident
            changes["facts"] = late.with_outages(
                batch, site, scope, current.since_ms, decision, self.rules.hold_seconds
            )
            batch.connection.execute(update(table).where(table.c.id == current.id).values(changes))
            if decision.action == "close":
                self.current.pop((site, scope), None)
                self._notices(batch, site, scope, current, decision, "close")
            else:
                self.current[site, scope] = current_with(current, decision.cause)
        self.changes.append(Change(site, scope, decision.action, decision.cause))

    def _notices(self, batch: Batch, site: str, scope: Scope, current: Current, decision: Decision, kind: str) -> None:
        names = batch.connection.execute(
            select(schema.site.c.name, schema.school.c.name)
            .join(schema.school, schema.school.c.id == schema.site.c.school)
            .where(schema.site.c.id == site)
        ).one_or_none()
        site_name, school_name = names if names else (site, site)
        facts = self._told_facts(batch, site, current, decision)
        for channel in self.channels:
            title, body = compose(
                kind="open" if kind == "open" else "close",
                site_name=site_name,
                school_name=school_name,
                scope="devices" if scope == "devices" else "path",
                cause=decision.cause,
                since_ms=current.since_ms,
                until_ms=decision.until_ms,
                facts=facts,
                language=channel.language,
            )
            values = {
                "incident": current.id,
                "kind": kind,
                "channel": channel.name,
                "title": title,
                "body": body,
                "created_ms": batch.now_ms,
                "next_try_ms": batch.now_ms,
            }
            batch.connection.execute(insert(schema.notice).values(values).on_conflict_do_nothing())
            batch.counts["notices"] += 1

    def _told_facts(self, batch: Batch, site: str, current: Current, decision: Decision) -> dict[str, object]:
        """The decision's facts with the names people know."""
        device = schema.device.c
        rows = batch.connection.execute(select(device.id, device.name).where(device.site == site, device.name != ""))
        lines = batch.connection.execute(select(schema.line).where(schema.line.c.site == site)).mappings()
        today = local(batch.now_ms).date().isoformat()
        mine = {line.isp for row in lines if (line := Line(**row)).isp and line.in_force(today)}
        return {
            **decision.facts,
            "names": {f"device.{ident}": name for ident, name in rows},
            "isp": ", ".join(sorted(mine)),
            "contact_lost": current.cause_opened == "waiting",
        }

    def _write_contact(self, batch: Batch, site: str, contact: SiteContact) -> None:
        values = {
            "session": contact.session,
            "heard_ms": contact.heard_ms,
            "lost_ms": contact.lost_ms,
            "back_ms": contact.back_ms,
            "back_epoch": contact.back_epoch,
            "back_next": contact.back_next,
        }
        statement = insert(schema.contact).values(site=site, **values)
        batch.connection.execute(statement.on_conflict_do_update(index_elements=["site"], set_=values))


def current_with(current: Current, new_cause: str) -> Current:
    return Current(current.id, current.cause_opened, new_cause, current.since_ms)


def _span(site: str, contact: SiteContact) -> Span:
    assert contact.lost_ms is not None
    return Span(site, contact.lost_ms, contact.back_ms, contact.back_epoch, contact.back_next)
