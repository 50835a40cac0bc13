"""Ingest: a batch of messages becomes one transaction; only then is anything acknowledged."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import belief, facts, issued, quarantine, repeats, restored, schema
from schoolbeat_server.asked import Asked
from schoolbeat_server.batch import Batch, EpochKey, Message, Out
from schoolbeat_server.calendar_rows import read_calendar
from schoolbeat_server.clones import BELIEVED, SPEAKS_FOR_SITE, Card, Cards
from schoolbeat_server.contact import HOLD_MS, METERED_HOLD_MS, ContactBook
from schoolbeat_server.database import get_meta, upsert, writing
from schoolbeat_server.epochs import Epochs
from schoolbeat_server.layouts import Layout, Layouts
from schoolbeat_server.ledger import CONTACT, Ledger
from schoolbeat_server.outage_rows import OutageRows
from schoolbeat_server.proof_making import Proofs
from schoolbeat_server.school_calendar import LessonHours, day_of, first_minute_of
from schoolbeat_server.silence import witness_signal
from schoolbeat_server.speakers import Machine, Speakers
from schoolbeat_wire import codec, topics
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, OFF_NAMES
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

ASIDE_ROWS = 10_000  # kept aside at most; the counters go on
WANTED = "inventories_wanted"  # in table meta: JSON [[site, agent, revision], …] that a repair found missing
EVENTS = 1_000  # of one site in an hour; they are hints


class Ingest:
    """Holds what a batch needs of the past in memory; everything of it can be loaded again from the database."""

    def __init__(
        self,
        engine: Engine,
        server: str,
        contact: ContactBook,
        now_ms: Callable[[], int],
        lessons: LessonHours = LessonHours(),  # noqa: B008 - frozen
    ) -> None:
        self.engine, self.server, self.contact, self.now_ms = engine, server, contact, now_ms
        self.ledger = Ledger(engine)
        self.asked = Asked(lessons)
        self.outages = OutageRows(self.ledger, self.asked)
        self.agents: dict[tuple[str, str], str] = {}  # (site, agent) -> role
        self.gateways: dict[str, list[str]] = {}  # by site
        self.witnesses: dict[str, frozenset[str]] = {}  # by site, the signals of its gateway that others tell
        self.epochs = Epochs()
        self.layouts = Layouts()
        self.cards = Cards()
        self.held = quarantine.Quarantine()
        self.proofs = Proofs()
        self.speakers = Speakers()
        self.newest: dict[tuple[str, str], int] = {}
        self.addresses: dict[str, topics.Address] = {}
        self.events: Counter[tuple[str, int]] = Counter()  # (site, hour)
        self.next_report_id = 1
        self.counters: Counter[str] = Counter()
        self.committed_ms = 0
        self.faults_told: set[str] = set()
        self.by_operator = False  # what is being placed was released by an operator
        self.stale = False  # a transaction failed and memory could not be loaded again yet
        self.unnamed: set[tuple[str, str, str]] = set()  # as WANTED
        self.had_ms = 0  # up to when the database had everything as it was found
        self.watched: dict[tuple[str, str], tuple[str, ...]] = {}  # what each agent's newest report told of

    # ---- loading -------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Everything kept in memory, from the database: at start, and after a transaction that failed."""
        self.speakers.forget()
        with self.engine.connect() as connection:
            self.load_agents(connection)
            self.outages.load(connection)
            self.epochs.load(connection)
            self.cards.load(connection)
            self.held.load(connection)
            self.proofs.load(connection)
            self._load_newest(connection)
            self._load_ledger(connection)
            self.next_report_id = 1 + max(
                connection.scalar(select(func.max(schema.report.c.id))) or 0,
                int(
                    connection.exec_driver_sql("SELECT max(seq) FROM sqlite_sequence WHERE name='report'").scalar() or 0
                ),
            )
            self.unnamed = {tuple(one) for one in json.loads(get_meta(connection, WANTED) or "[]")}
            self.had_ms = self.had_ms or int(get_meta(connection, "alive_ms") or 0)
            counted = select(schema.counter.c.name, schema.counter.c.count.label("number"))
            self.counters = Counter({row.name: row.number for row in connection.execute(counted)})
        self.stale = self.by_operator = False

    def load_agents(self, connection: Connection) -> None:
        """The agents of the register, and which signals are whose: a removed agent gives up its own."""
        table = schema.agent.c
        rows = connection.execute(select(table.site, table.name, table.role, table.issued_ms)).all()
        self.agents = {(site, name): role for site, name, role, _ in rows}
        self.cards.issued_ms = {(site, name): issued_ms for site, name, _, issued_ms in rows}
        self.gateways = {}
        for (site, name), role in self.agents.items():
            if role == "gateway":
                self.gateways.setdefault(site, []).append(name)
        self.witnesses = {}
        for (site, name), role in self.agents.items():
            if role == "classroom":
                self.witnesses[site] = self.witnesses.get(site, frozenset()) | {witness_signal(name)}
        self.contact.keep_only(set(self.gateways))
        places = select(schema.site.c.id, schema.school.c.area).join_from(schema.site, schema.school)
        self.contact.areas = dict(connection.execute(places).all())
        self.layouts.load(connection)
        kinds: dict[str, dict[str, str]] = {}
        device = schema.device.c
        for site, ident, kind in connection.execute(select(device.site, device.id, device.kind)):
            if kind:
                kinds.setdefault(site, {})[f"device.{ident}"] = kind
        self.asked.use_register(kinds)
        self.asked.calendar = read_calendar(connection, self.asked.calendar.default)

    def has_gateway(self, site: str) -> bool:
        return site in self.gateways

    def gateway_signals(self, site: str) -> frozenset[str]:
        """The gateway as the site's other agents see it."""
        return self.witnesses.get(site, frozenset())

    def gateways_of(self, site: str) -> list[str]:
        return self.gateways.get(site, [])

    def watches(self, site: str, signal: str) -> bool:
        """Whether some agent's newest report told of the signal. True while nothing is known of an agent."""
        found = [self.watched.get(key) for key in self.agents if key[0] == site]
        return any(signals is None or signal in signals for signals in found) or signal == CONTACT

    def _load_newest(self, connection: Connection) -> None:
        table, report = schema.latest.c, schema.report
        self.newest, self.watched = {}, {}
        rows = connection.execute(
            select(table.site, table.agent, table.minute, table.received_ms, report.c.revision).join_from(
                schema.latest, report, report.c.id == table.report_id, isouter=True
            )
        ).all()
        for site, agent, minute, received_ms, revision in rows:
            self.newest[site, agent] = minute
            layout = self.layouts.of(connection, site, agent, revision) if revision else None
            if layout is not None:
                self.watched[site, agent] = layout.signals
                self.asked.learn(site, layout.inventory)
            if self.agents.get((site, agent)) == "gateway":
                found = self.contact.of(site)
                found.heard_ms = max(found.heard_ms, received_ms)

    def _load_ledger(self, connection: Connection) -> None:
        """The open hours, from the reports and contact minutes that are not sealed yet."""
        self.ledger.forget()
        sealed, contact = self.ledger.sealed_up_to(connection)
        table = schema.report.c
        rows = connection.execution_options(yield_per=500).execute(
            select(table.site, table.agent, table.revision, table.payload)
            .where(table.id > sealed, table.placed)
            .order_by(table.id)
        )
        for site, agent, revision, payload in rows:
            layout = self.layouts.of(connection, site, agent, revision)
            if layout is None:
                continue
            try:
                found = reports.decode(payload)
            except WireError as error:  # believed when it came, by older bounds: kept as it is, and told
                log.warning("a stored report of %s/%s is refused now: %s", site, agent, error)
                continue
            minutes = reports.minutes_of(found)
            data = self.layouts.believed((site, agent, revision), layout.signals, minutes, found.signals)
            self.ledger.merge(site, agent, revision, layout.signals, minutes, data)
        contacts = schema.contact_minute.c
        for minute, payload in connection.execute(
            select(contacts.minute, contacts.payload).where(contacts.minute > contact)
        ):
            try:
                self._merge_contact(minute, _unpack_contact(payload))
            except (WireError, ValueError) as error:
                log.error("our own minute %d is damaged (%s): unknown; run `schoolbeat-server repair`", minute, error)

    # ---- a batch -------------------------------------------------------------------------------------------

    def commit(
        self, batch_messages: list[Message], more: Callable[[Batch], None], *, decided: bool = False
    ) -> list[Out]:
        """One transaction. `more(batch)` adds what follows (incidents, notices). Returns what to publish.
        decided: what operators said, and trials that are over, are carried out first.

        Raises SQLAlchemyError when nothing was written; the caller keeps the messages and tries again.
        """
        if self.stale:
            self.load()
        try:
            with writing(self.engine) as connection:
                batch = Batch(connection, self.now_ms())
                if decided:
                    self._carry_out(batch)
                self._release(batch)
                for message in batch_messages:
                    self._one(batch, message)
                self._write(batch)
                more(batch)
        except SQLAlchemyError:
            self.stale = True
            self.load()
            raise
        self.committed_ms = self.now_ms()
        return list(self._answers(batch))

    def _one(self, batch: Batch, message: Message) -> None:
        try:
            address = self.addresses.get(message.topic)
            if address is None:
                address = self._address(message.topic)
            self._handle(batch, address, message)
        except WireError as error:
            batch.set_aside(message, error.reason, str(error))
        except SQLAlchemyError:
            raise
        except Exception as error:  # a fault of ours must not stop the others; it is counted and shown
            fresh = repr(error) not in self.faults_told and len(self.faults_told) < 100
            self.faults_told.add(repr(error)[:500])
            log.log(logging.ERROR if fresh else logging.DEBUG, "message on %s", message.topic, exc_info=fresh)
            batch.set_aside(message, "internal", f"{type(error).__name__}: {error}")

    def _address(self, topic: str) -> topics.Address:
        address = topics.parse_topic(topic)
        if len(self.addresses) > 100_000:
            self.addresses.clear()
        self.addresses[topic] = address
        return address

    def _handle(self, batch: Batch, address: topics.Address, message: Message) -> None:
        site, agent, kind = address
        role = self.agents.get((site, agent))
        if role is None:
            if not message.payload:
                return  # a retained message that was cleared
            raise WireError("unregistered", f"agent {site}/{agent} is not in the register")
        known = self.cards.speaks_for_site((site, agent))
        if kind in ("report", "event") and role == "gateway" and not message.retained and known:
            self.contact.hear(site, batch.now_ms)  # whatever we think of what it says
        if kind == "report":
            self._report(batch, site, agent, message.payload)
        elif kind == "presence":
            self._presence(batch, site, agent, role, message)
        elif kind == "inventory":
            self._inventory(batch, site, agent, message.payload)
        elif kind == "event":
            self._event(batch, site, agent, message.payload)
        # anything else are our own words, retained by the broker

    # ---- reports -------------------------------------------------------------------------------------------

    def _report(self, batch: Batch, site: str, agent: str, payload: bytes) -> None:
        try:
            report = reports.decode(payload)
        except WireError:
            self._settle_unreadable(batch, site, agent, payload)
            raise
        key = (site, agent, report.epoch)
        epoch = self.epochs.of(key)
        batch.epochs.add(key)
        batch.counts["reports"] += 1
        card = self.cards.speaker(key, epoch.hardware, epoch.boot)
        if card is not None:
            self.cards.heard((site, agent), card, batch.now_ms)
            if card.state not in BELIEVED:
                batch.sites.add(site)
                self._hold(batch, key, report, payload, card)
                return
        self._believe(batch, key, report, payload)

    def _hold(self, batch: Batch, key: EpochKey, report: reports.Report, payload: bytes, card: Card) -> None:
        """Of a card that may be a copy: kept whole, merged with nothing."""
        why: quarantine.Why = "trial" if card.state == "trial" else "clone"
        text = f"machine {card.hardware}, boot {card.boot}: {card.state}"
        kept = self.held.keep(batch, key, report, payload, why, text, card)
        if kept and why == "clone" and not self.cards.shares_epoch(key[:2], card):
            self.epochs.settle(key, report.seq, report.seq + report.count)

    def _believe(
        self,
        batch: Batch,
        key: EpochKey,
        report: reports.Report,
        payload: bytes,
        *,
        vouched: bool = False,
        machine: Machine = ("", ""),
    ) -> None:
        """vouched: an operator has said that its times are true. machine: who sent it, if it was kept apart."""
        site, agent, _ = key
        epoch, end = self.epochs.of(key), report.seq + report.count
        speaker = self.speakers.of(batch.connection, key, machine if any(machine) else (epoch.hardware, epoch.boot))
        fresh = None  # all of it
        if epoch.settled.overlaps(report.seq, end):
            fresh, clash = repeats.fresh_seqs(batch, key, report, payload)
            if not fresh:
                batch.counts["repeated"] += 1
                return
            if clash:
                self._suspect(batch, site, agent)
        minutes = reports.minutes_of(report)
        layout = self.layouts.of(batch.connection, site, agent, report.revision)
        columns: list[list[int]] = []
        try:
            belief.check_contents(report, minutes) if vouched else belief.check(report, minutes, batch.now_ms)
            if layout is not None:
                reports.fits(report, layout.inventory)
                columns = reports.absolute(report, layout.inventory)
        except belief.Early as error:
            self.held.keep(batch, key, report, payload, "early", str(error), None)
            raise
        except WireError as error:
            if error.reason in ("future", "past"):
                why: quarantine.Why = "future" if error.reason == "future" else "past"
                self.held.keep(batch, key, report, payload, why, str(error), None)
            self.epochs.settle(key, report.seq, end)  # set aside is settled: sending it again would not help
            raise
        self.held.forget_early(batch, key, report.seq, end)
        self.epochs.settle(key, report.seq, end)
        parts = None
        if fresh is not None and len(fresh) < report.count and layout is not None:
            parts = repeats.only(report, layout.inventory, fresh)
        if not parts or layout is None:
            self._store(batch, key, report, payload, layout, columns, speaker)
            return
        batch.counts["partly_repeated"] += 1
        for part in parts:
            columns = reports.absolute(part, layout.inventory)
            self._store(batch, key, part, reports.encode(part), layout, columns, speaker)

    def _store(
        self,
        batch: Batch,
        key: EpochKey,
        report: reports.Report,
        payload: bytes,
        layout: Layout | None,
        columns: list[list[int]],
        speaker: int,
    ) -> None:
        """Kept as it is; placed at once if it is known what its positions mean."""
        site, agent, epoch = key
        minutes = reports.minutes_of(report)
        row = {
            "id": self.next_report_id,
            "site": site,
            "agent": agent,
            "epoch": epoch,
            "seq": report.seq,
            "count": report.count,
            "revision": report.revision,
            "first_minute": minutes[0],
            "last_minute": minutes[-1],
            "received_ms": batch.now_ms,
            "placed": layout is not None,
            "speaker": speaker,
            "payload": payload,
        }
        self.next_report_id += 1
        batch.reports.append(row)
        batch.counts["minutes"] += report.count
        if layout is None:
            batch.wanted.add((site, agent, report.revision))
        else:
            self._place(batch, row, report, minutes, layout, columns)

    def is_decided(self) -> bool:
        """Something of what is set aside can be placed or refused now."""
        with self.engine.connect() as connection:
            said = quarantine.has_decisions(connection)
        return said or self.held.busy or bool(self.cards.trials_over(self.now_ms()))

    def _carry_out(self, batch: Batch) -> None:
        for key, card in self.cards.trials_over(batch.now_ms):
            presence = self.cards.believe(key, card)
            if presence is not None:
                self.epochs.take((*key, presence.epoch), presence)
            self.held.release_of(batch.connection, key, card, None)
            batch.epochs.add((*key, card.epoch))
            batch.sites.add(key[0])
        quarantine.carry_out(batch, self.cards, self.held)

    def _release(self, batch: Batch) -> None:
        """What is believed after all: it is merged like late data."""
        if not self.held.busy:
            return
        for row in self.held.take(batch.connection):
            key, problem = (row.site, row.agent, row.epoch), ""
            self.by_operator = row.decision is not None
            try:
                machine = row.hardware, row.boot
                self._believe(batch, key, reports.decode(row.payload), row.payload, vouched=True, machine=machine)
                batch.epochs.add(key)
            except WireError as error:
                problem = str(error)
            self.held.released(batch.connection, row, problem)
        self.by_operator = False

    def _settle_unreadable(self, batch: Batch, site: str, agent: str, payload: bytes) -> None:
        """Set aside is settled, as far as the report still says which minutes it would have brought."""
        said = reports.identity(payload)
        if said is not None:
            epoch, seq, count = said
            self.epochs.settle((site, agent, epoch), seq, seq + count)
            batch.epochs.add((site, agent, epoch))

    def _place(
        self,
        batch: Batch,
        row: dict[str, Any],
        report: reports.Report,
        minutes: list[int],
        layout: Layout,
        columns: list[list[int]],
    ) -> None:
        """A report whose positions are known goes into the ledger, and what follows from it into its tables."""
        site, agent = row["site"], row["agent"]
        newest = self.newest.get((site, agent), 0)
        self.layouts.claim(batch.connection, site, agent, layout.inventory)
        self.asked.learn(site, layout.inventory)
        data = self.layouts.believed((site, agent, report.revision), layout.signals, minutes, report.signals)
        if self.ledger.merge(site, agent, report.revision, layout.signals, minutes, data):
            self._suspect(batch, site, agent)
        self._touch(batch, site, min([minutes[0], *(off[1] for off in report.off)]), minutes[-1] + 1)
        self.proofs.note(batch.connection, site, minutes)
        in_order = minutes[0] > newest
        if self.outages.follow(batch.connection, site, layout.signals, minutes, data, newest=in_order):
            batch.sites.add(site)
        if report.off:
            self._off(batch, site, agent, report)
        if columns and layout.speeds:
            self._speeds(batch, site, agent, facts.speeds(self.layouts, site, agent, minutes, layout, columns))
        if DISPUTED in report.signals:
            facts.forget_speeds(batch.connection, self.layouts, site, agent, facts.taken_back(report))
        if minutes[-1] > newest:
            self.newest[site, agent], self.watched[site, agent] = minutes[-1], layout.signals
            batch.latest[site, agent] = {
                "site": site,
                "agent": agent,
                "minute": minutes[-1],
                "report_id": row["id"],
                "received_ms": batch.now_ms,
            }
        batch.minutes[site] = max(batch.minutes.get(site, 0), minutes[-1])
        batch.place(site, min([minutes[0], *(off[1] for off in report.off)]), minutes[-1] + 1)

    def _touch(self, batch: Batch, site: str, first: int, end: int) -> None:
        """Of days that are over verdicts may have been issued already."""
        today = first_minute_of(day_of(batch.now_ms // 60_000))
        if first < today:
            batch.touch(site, "operator" if self.by_operator else "late", first, min(end, today))

    def _suspect(self, batch: Batch, site: str, agent: str) -> None:
        """Two machines speak as the agent, and were taken for one."""
        batch.counts["clashes"] += 1
        if self.cards.suspect((site, agent), batch.now_ms):
            batch.sites.add(site)

    def _speeds(self, batch: Batch, site: str, agent: str, told: Iterable[facts.Speed]) -> None:
        tests = list(told)
        minutes = {minute for minute, _ in tests}
        back = {one for one in minutes if facts.was_taken_back(batch.connection, site, agent, batch.reports, one)}
        facts.keep_speeds(batch.connection, site, (one for one in tests if one[0] not in back))

    def _off(self, batch: Batch, site: str, agent: str, report: reports.Report) -> None:
        strange = sum(code not in OFF_NAMES for *_, code in report.off)
        if strange:
            batch.counts["aside.off_reason"] += strange
        changed = facts.keep_off(batch.connection, facts.off_rows(site, agent, report))
        if changed:
            self.proofs.note_off(batch.connection, site, changed)
            end = max(first + count for first, count in changed)  # of a word taken back it may lie after this report
            self._touch(batch, site, min(first for first, _ in changed), end)
            batch.place(site, min(first for first, _ in changed), end)
        batch.sites.add(site)

    # ---- inventory, presence, event ------------------------------------------------------------------------

    def _inventory(self, batch: Batch, site: str, agent: str, payload: bytes) -> None:
        if payload:
            revision = self.layouts.learn(batch.connection, site, agent, payload, batch.now_ms)
            if revision is not None:
                self.unnamed.discard((site, agent, revision))
                self._place_waiting(batch, site, agent, revision)

    def _place_waiting(self, batch: Batch, site: str, agent: str, revision: str) -> None:
        """Reports that came before their inventory: placed now, under new ids so that a restart sees them as new."""
        table = schema.report
        where = (table.c.site == site) & (table.c.agent == agent) & (table.c.revision == revision) & ~table.c.placed
        waiting = [dict(row) for row in batch.connection.execute(select(table).where(where)).mappings()]
        key = (site, agent, revision, False)
        waiting += [row for row in batch.reports if (row["site"], row["agent"], row["revision"], row["placed"]) == key]
        if not waiting:
            return
        layout = self.layouts.of(batch.connection, site, agent, revision)
        assert layout is not None
        batch.connection.execute(delete(table).where(where))
        batch.reports = [row for row in batch.reports if row not in waiting]
        for row in waiting:
            report = reports.decode(row["payload"])
            try:
                reports.fits(report, layout.inventory)
                columns = reports.absolute(report, layout.inventory) if report.values else []
            except WireError as error:
                topic = topics.topic(site, agent, "report")
                batch.set_aside(Message(topic, row["payload"], False, None), error.reason, str(error))
                continue
            row["id"], row["placed"] = self.next_report_id, True
            self.next_report_id += 1
            batch.reports.append(row)
            self._place(batch, row, report, reports.minutes_of(report), layout, columns)

    def _presence(self, batch: Batch, site: str, agent: str, role: str, message: Message) -> None:
        if not message.payload:
            return
        presence = wire.decode_presence(message.payload)
        if not presence.online:
            if role == "gateway" and not self.cards.is_fought_over((site, agent), batch.now_ms):
                contact = self.contact.of(site)
                if contact.session:
                    contact.session, contact.dropped_ms = False, batch.now_ms
            return
        key = (site, agent, presence.epoch)
        settled = self.epochs.known[key].settled.ends if key in self.epochs.known else []
        card = self.cards.present(
            (site, agent),
            presence,
            batch.now_ms,
            retained=message.retained,
            known_to=settled[-1] if settled else 0,
        )
        copy = card is not None and card.state not in SPEAKS_FOR_SITE
        batch.wanted |= {one for one in self.unnamed if one[:2] == (site, agent)}
        if not copy and self.had_ms and self.epochs.has_lost(key, presence):
            restored.note_of_agent(batch.connection, key, self.had_ms, batch.now_ms)
        self.epochs.take(key, presence, losses=not copy and (card is None or card.state in BELIEVED))
        batch.epochs.add(key)
        batch.nonces[key] = presence.nonce
        if self.cards.changed:
            self._follow_cards(batch, site, agent)
        if role == "gateway" and not copy:
            self._gateway_is_here(batch, site, presence, retained=message.retained)

    def _follow_cards(self, batch: Batch, site: str, agent: str) -> None:
        """A boot that was on trial may have turned out to be a copy's; people are told of copies. What a machine said
        while it waited is placed when it is believed."""
        speaking = self.cards.speaking.get((site, agent))
        if speaking is not None and speaking.state in BELIEVED and self.held.bytes[site, agent]:
            self.held.release_of(batch.connection, (site, agent), speaking, None)
            batch.sites.add(site)
        for (_, name), card in self.cards.waiting(site):
            if name == agent:
                self.held.turn_to_clone(batch.connection, (site, agent), card)
                batch.sites.add(site)

    def _gateway_is_here(self, batch: Batch, site: str, presence: wire.Presence, *, retained: bool) -> None:
        contact = self.contact.of(site)
        contact.session = True
        contact.hold_ms = METERED_HOLD_MS if presence.keepalive >= 60 else HOLD_MS
        if retained:
            return  # what the broker kept proves nothing about now
        contact.heard_ms = batch.now_ms
        contact.back_epoch, contact.back_next = presence.epoch, presence.next

    def _event(self, batch: Batch, site: str, agent: str, payload: bytes) -> None:
        event = wire.decode_event(payload)
        if not self.cards.speaks_for_site((site, agent)):
            raise WireError("clone", f"another machine speaks as agent {site}/{agent}: an operator has to say which")
        if not self.layouts.owns(site, agent, event.signal):
            raise WireError("not_owner", f"signal {event.signal} of {site} belongs to another agent than {agent}")
        if abs(event.at_ms - batch.now_ms) > 600_000:
            raise WireError("time", f"event at {event.at_ms} ms is more than 10 minutes away from now")
        hour = batch.now_ms // 3_600_000
        if self.events[site, hour] >= EVENTS:
            raise WireError("count", f"more than {EVENTS} events of {site} within the hour")
        if not self.events[site, hour]:
            self.events = Counter({key: count for key, count in self.events.items() if key[1] == hour})
        self.events[site, hour] += 1
        statement = insert(schema.edge).values(
            site=site, signal=event.signal, at_ms=event.at_ms, up=event.up, cause=event.cause[:40]
        )
        batch.connection.execute(statement.on_conflict_do_nothing())
        batch.events.append((site, event))

    # ---- contact minutes -----------------------------------------------------------------------------------

    def contact_minute(self, batch: Batch, minute: int, seconds: dict[str, int]) -> None:
        """The server's own minute of every site: stored, merged and followed like an agent's."""
        if not seconds:
            return
        payload = codec.deflate(codec.to_json(seconds))
        statement = insert(schema.contact_minute).values(minute=minute, payload=payload)
        if not batch.connection.execute(statement.on_conflict_do_nothing()).rowcount:
            return  # our clock was set back: a minute is told once
        self._merge_contact(minute, seconds)
        for site, value in seconds.items():
            self.outages.follow(batch.connection, site, (CONTACT,), [minute], bytes([value]), newest=True)
        self.outages.flush(batch.connection)

    def _merge_contact(self, minute: int, seconds: dict[str, int]) -> None:
        for site, value in seconds.items():
            self.ledger.merge(site, "", "contact", (CONTACT,), [minute], bytes([value]))

    # ---- writing and answering -----------------------------------------------------------------------------

    def _write(self, batch: Batch) -> None:
        connection = batch.connection
        self.outages.flush(connection)
        if batch.reports:
            connection.execute(schema.report.insert(), batch.reports)
        if batch.latest:
            upsert(connection, schema.latest, list(batch.latest.values()), ("site", "agent"))
        self.epochs.write(connection, batch.epochs, batch.now_ms)
        self.cards.write(connection, self.cards.changed)
        issued.touch(
            connection, [(site, *minutes, why) for (site, why), minutes in batch.touched.items()], batch.now_ms
        )
        if batch.aside:
            connection.execute(schema.aside.insert(), batch.aside[-ASIDE_ROWS:])
            newest = connection.scalar(select(func.max(schema.aside.c.id))) or 0
            connection.execute(delete(schema.aside).where(schema.aside.c.id <= newest - ASIDE_ROWS))
        if batch.counts:
            self.counters.update(batch.counts)
            rows = [{"name": name, "count": self.counters[name]} for name in batch.counts]
            upsert(connection, schema.counter, rows, ("name",))

    def _answers(self, batch: Batch) -> Iterable[Out]:
        now = self.now_ms()
        for key in batch.epochs:
            nonce = batch.nonces.get(key, 0)
            proof = self.proofs.to_tell(key[:2], now, asked=bool(nonce))
            yield self.epochs.ack(key, self.server, now, nonce, proof)
        for site, agent, revision in batch.wanted:
            command = wire.Command(do="inventory", revision=revision)
            yield Out(topics.topic(site, agent, "command"), wire.encode(command), qos=1)


def _unpack_contact(payload: bytes) -> dict[str, int]:
    found: dict[str, int] = json.loads(codec.inflate(payload))
    return found
