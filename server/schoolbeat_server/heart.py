"""The heart: one thread that receives, commits, acknowledges, watches contact, seals and keeps house."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from paho.mqtt.client import MQTTMessage
from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import configs, damage, grants, schema, series_room
from schoolbeat_server.batch import Batch, Message, Out
from schoolbeat_server.broker import BrokerError, ManagedBroker
from schoolbeat_server.calendar_revision import CalendarRevision
from schoolbeat_server.database import get_meta, set_meta, writing
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.local_time import local
from schoolbeat_server.mqtt import Link
from schoolbeat_server.own_clock import OwnClock, kernel_is_synchronised
from schoolbeat_server.proof_making import ProofMaking, deletable_before
from schoolbeat_server.retraction import Retraction
from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_server.settings import Settings
from schoolbeat_wire import messages as wire
from schoolbeat_wire import topics

log = logging.getLogger(__name__)

BATCH_SECONDS = 0.2
BATCH_MESSAGES = 500
HOUSE_SECONDS = 2.0
UNBELIEVED_SECONDS = 0.5  # between two looks at a clock that cannot be right
GRANT_SECONDS = 20.0
SEAL_MINUTE = 7  # of each hour
SEAL_BYTES = 128 << 20  # of open hours in memory, that call for a seal at once
OLD_ROWS = 500  # deleted at a time
ROOM_SECONDS = 60.0  # between two looks at how much waits for the time-series store

Publish = Callable[[str, Mapping[str, Any]], None]


class Heart:
    """Everything that writes, but for the state of notices, happens in its thread, in batches."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        make_link: Callable[[Callable[[MQTTMessage], None]], Link],
        ingest: Ingest,
        incident_rows: IncidentRows,
        *,
        broker: ManagedBroker | None = None,
        accounts_changed: Callable[[Connection], None] = lambda _connection: None,
        publish: Publish = lambda _kind, _data: None,
        wake: Callable[[], None] = lambda: None,
        synchronised: Callable[[], bool] = kernel_is_synchronised,
    ) -> None:
        self.engine, self.settings, self.ingest, self.incident_rows = engine, settings, ingest, incident_rows
        self.broker, self.accounts_changed = broker, accounts_changed
        self.publish, self.wake = publish, wake
        self.link = make_link(self._receive)
        self.clock = OwnClock(engine, synchronised)
        self.stopping = threading.Event()
        self.failed: BaseException | None = None
        self.inbox: list[Message] = []
        self.first_at = 0.0
        self.next_tick = 0.0
        self.next_house = 0.0
        self.next_grants = 0.0
        self.retry_at = 0.0
        self.problem = ""
        self.memory_is_ahead = False
        self.contact_minutes: list[tuple[int, dict[str, int]]] = []
        self.listening = False
        self.sealing: list[str] | None = None
        self.seal_to = (0, 0)
        self.sealed_hour = 0
        self.last_contact_minute = 0
        self.agents_seen: str | None = None
        self.batch: Batch | None = None  # the last that was committed
        self.configs_sent: dict[tuple[str, str], bytes] = {}
        self.next_room = 0.0
        self.too_many = 0  # reports that must go though the time-series store never took them
        self.calendar = CalendarRevision(ingest)
        self.retraction = Retraction(ingest, self._retold)
        self.proofs = ProofMaking(engine, ingest.ledger, ingest.layouts, ingest.proofs, lambda: ingest.asked.calendar)

    def _receive(self, message: MQTTMessage) -> None:
        if not self.inbox:
            self.first_at = time.monotonic()
        self.inbox.append(Message(message.topic, bytes(message.payload), message.retain, message))

    # ---- the loop ------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until `stopping` is set. An exception that nobody foresaw ends the loop and is kept in `failed`."""
        try:
            while not self.stopping.is_set():
                self.turn()
        except BaseException as error:
            self.failed = error
            log.exception("the heart stopped")
            raise
        finally:
            self.link.close()

    def turn(self) -> None:
        doubted = self.clock.problem is not None
        if not self.clock.is_believed(self.ingest.now_ms()):
            self._wait_for_time()
            return
        if doubted:
            self.ingest.contact.begin_anew(self.clock.mark_ms)
        now = time.monotonic()
        due = min(self.next_tick, self.first_at + BATCH_SECONDS if self.inbox else now + 1)
        if len(self.inbox) < BATCH_MESSAGES:
            self.link.pump(
                0.0
                if self.sealing or self.calendar.busy or self.retraction.busy or self.proofs.busy
                else max(0.0, min(due - now, 0.2))
            )
        now = time.monotonic()
        if not self.link.connected:
            self.ingest.contact.blind(self.ingest.now_ms())
        ripe = self.inbox and (len(self.inbox) >= BATCH_MESSAGES or now >= self.first_at + BATCH_SECONDS)
        tick = now >= self.next_tick
        if (ripe or tick) and now >= self.retry_at:
            self._commit(tick=tick)
        elif len(self.inbox) >= BATCH_MESSAGES:
            self.link.pump(0.05)  # the disk is away: keep the connection, take little more
        if tick:
            self.next_tick = max(self.next_tick + 1.0, now - 5.0)
        if now >= self.next_house:
            self.next_house = now + HOUSE_SECONDS
            self._keep_house()
        if self.sealing is not None and not self.inbox:
            self._seal_one()
        elif self.retraction.busy and not self.inbox and not self.problem and now >= self.retry_at:
            self._retract_one()  # never while hours are being sealed, which it opens again
        elif self.calendar.busy and not self.inbox and now >= self.retry_at:
            self._revise_one()
        elif self.proofs.busy and not self.inbox and not self.problem:
            self.proofs.step(self.ingest.next_report_id - 1, self.ingest.now_ms())

    def _wait_for_time(self) -> None:
        """Nobody is listened to: what agents and broker hold, they keep. What came and was not written comes again."""
        self.listening = False
        if self.link.connected or self.inbox:
            self.link.close()
            self.inbox = []
        self.stopping.wait(UNBELIEVED_SECONDS)
        try:
            self.clock.hear()
            if self.broker is not None:
                self.broker.ensure_alive()
        except (SQLAlchemyError, BrokerError, OSError) as error:
            log.warning("house-keeping: %s", error)

    def _commit(self, *, tick: bool) -> None:
        if tick:
            over = self.ingest.contact.tick(self.ingest.now_ms())
            if over is not None:
                self.contact_minutes.append(over)
        messages, self.inbox = self.inbox, []
        try:
            self._load_again()
            self._begin()
            watched = self.incident_rows.sites_to_watch() if tick else set()
            due = self.ingest.contact.breaks.is_due(self.ingest.now_ms())
            if not (messages or self.contact_minutes or watched or due or self.ingest.contact.changed):
                return
            outs = self.ingest.commit(messages, lambda batch: self._follow(batch, watched))
        except SQLAlchemyError as error:
            self._could_not_commit(messages, error)
            return
        self.problem, self.retry_at = "", 0.0
        self.ingest.contact.breaks.settle()
        if self.contact_minutes:
            self.last_contact_minute = max(minute for minute, _ in self.contact_minutes)
        self.contact_minutes = []
        for message in messages:
            self.link.ack(message.token)
        self._send(outs)
        self._tell()

    def _begin(self) -> None:
        """Since the last thing that was written nobody was listened to: that is on record before anything else."""
        if not self.listening:
            with self.engine.connect() as connection:
                self.ingest.contact.breaks.start(connection, self.ingest.now_ms())
            self.listening = True

    def _follow(self, batch: Batch, watched: set[str]) -> None:
        for minute, seconds in self.contact_minutes:
            self.ingest.contact_minute(batch, minute, seconds)
        self.ingest.contact.turn(batch.now_ms)
        self.ingest.contact.breaks.write(batch.connection)
        self.incident_rows.look_at(batch, batch.sites | watched | set(self.ingest.contact.changed))
        set_meta(batch.connection, "alive_ms", str(batch.now_ms))
        self.batch = batch

    def _could_not_commit(self, messages: list[Message], error: SQLAlchemyError) -> None:
        """Nothing was written and nothing is acknowledged: the same messages are tried again. While they wait
        nobody is heard, which is our fault and not the schools'."""
        text = str(getattr(error, "orig", error))
        if damage.is_damage(error):
            damage.mark(self.settings.folder, text)
            raise error
        log.log(logging.DEBUG if self.problem else logging.WARNING, "the database cannot be written: %s", text)
        self.problem = text
        self.inbox = messages + self.inbox
        self.retry_at = time.monotonic() + 1.0
        self.memory_is_ahead = True
        self.ingest.contact.blind(self.ingest.now_ms(), "database")

    def _load_again(self) -> None:
        """What a transaction that failed has left in memory is put right from the database."""
        if self.memory_is_ahead:
            with self.engine.connect() as connection:
                self.incident_rows.load(connection)
            self.memory_is_ahead = False

    def _send(self, outs: list[Out]) -> None:
        for out in outs:
            self.link.publish(out.topic, out.payload, qos=out.qos)

    def _tell(self) -> None:
        batch = self.batch
        if batch is None:
            return
        if batch.minutes:
            self.publish("minutes", {"sites": batch.minutes})
        for site, event in batch.events:
            self.publish("event", {"site": site, "signal": event.signal, "up": event.up, "at_ms": event.at_ms})
        if self.incident_rows.changes:
            for change in self.incident_rows.changes:
                self.publish("incident", {"site": change.site, "action": change.action, "cause": change.cause})
            self.incident_rows.changes = []
            self.wake()

    # ---- house-keeping -------------------------------------------------------------------------------------

    def _keep_house(self) -> None:
        try:
            if self.broker is not None:
                said = self.broker.ensure_alive()
                if said:
                    log.warning("%s", said)
            self._look_for_agents()
            self.calendar.look()
            self._carry_out()
            self.retraction.look()
            self._grant_tests()
            self._consider_sealing()
            self.proofs.look(self.ingest.now_ms())
            self._delete_old()
        except (SQLAlchemyError, BrokerError, OSError) as error:  # OSError: no room for the broker's files of accounts
            if damage.is_damage(error):
                damage.mark(self.settings.folder, str(getattr(error, "orig", error)))
                raise
            log.warning("house-keeping: %s", error)

    def _look_for_agents(self) -> None:
        """Agents that the command line added or removed, devices and services that changed."""
        with self.engine.connect() as connection:
            table = schema.agent.c
            # The hashes too: a replaced password changes nothing else.
            known = func.group_concat(table.site + "." + table.name + table.role + table.password_hash)
            seen = connection.scalar(select(known)) or ""
            if seen != self.agents_seen:
                self.ingest.load_agents(connection)
                self.accounts_changed(connection)
                self.agents_seen = seen
            if self.link.connected:
                day = local(self.ingest.now_ms()).date().isoformat()
                self._publish_configs(configs.of_agents(connection, self.ingest.server, self._lessons_of, day=day))
            else:
                self.configs_sent = {}

    def _carry_out(self) -> None:
        """What operators said of cloned cards and of what is in quarantine."""
        if not self.ingest.is_decided() or self.problem:
            return
        self._load_again()
        self.memory_is_ahead = True  # unless it was written
        self._send(self.ingest.commit([], self._follow_decided, decided=True))
        self.memory_is_ahead = False
        self._tell()

    def _follow_decided(self, batch: Batch) -> None:
        self.incident_rows.look_at(batch, batch.sites)
        self.batch = batch

    def _lessons_of(self, site: str) -> LessonHours:
        return self.ingest.asked.calendar.of_site(site).told(self.ingest.now_ms() // 60_000)

    def _publish_configs(self, wanted: dict[tuple[str, str], wire.Config]) -> None:
        for (site, agent), config in wanted.items():
            payload = wire.encode(config)
            if self.configs_sent.get((site, agent)) != payload:
                self.link.publish(topics.topic(site, agent, "config"), payload, qos=1, retain=True)
                self.configs_sent[site, agent] = payload
                kinds = {f"device.{device.id}": device.kind for device in config.devices if device.kind}
                self.ingest.asked.use_site(site, kinds)

    def _grant_tests(self) -> None:
        now = time.monotonic()
        if now < self.next_grants or not self.link.connected:
            return
        self.next_grants = now + GRANT_SECONDS
        with self.engine.connect() as connection:
            limits, new_token = self.settings.speed, lambda: secrets.token_hex(8)
            found = grants.look(connection, self.ingest, limits, self._lessons_of, new_token)
        if found:
            with writing(self.engine) as connection:
                grants.keep(connection, found, self.ingest.now_ms())
        for grant in found:
            self.link.publish(topics.topic(grant.site, grant.agent, "command"), wire.encode(grant.command()), qos=1)

    def _consider_sealing(self) -> None:
        if self.sealing is not None:
            return
        minute = self.ingest.now_ms() // 60_000
        due = minute % 60 >= SEAL_MINUTE and minute // 60 != self.sealed_hour
        if due or self.ingest.ledger.open_bytes > SEAL_BYTES:
            self.sealed_hour = minute // 60
            self.seal_to = (self.ingest.next_report_id - 1, self.last_contact_minute)
            self.sealing = list(self.ingest.ledger.open)

    def _seal_one(self) -> None:
        """One site a turn, so that nobody waits long for an acknowledgement."""
        assert self.sealing is not None
        try:
            if self.sealing:
                self.ingest.ledger.seal_site(self.sealing[-1], self.ingest.now_ms() // 60_000)
                self.sealing.pop()
                return
            with writing(self.engine) as connection:
                set_meta(connection, "sealed_report", str(self.seal_to[0]))
                if self.seal_to[1]:
                    set_meta(connection, "sealed_contact", str(self.seal_to[1]))
                self.ingest.held.forget_old(connection, self.ingest.now_ms() - self.settings.report_days * 86_400_000)
        except SQLAlchemyError as error:
            log.warning("sealing waits: %s", error)
        self.sealing = None

    def _revise_one(self) -> None:
        """The past under a changed calendar, a piece a turn."""
        try:
            self.calendar.step()
        except SQLAlchemyError as error:
            log.warning("outages are not found anew yet: %s", error)
            self.retry_at = time.monotonic() + 1.0

    def _retold(self, connection: Connection, site: str, first: int, end: int) -> None:
        """What retracted reports had explained."""
        self.incident_rows.take_back(Batch(connection, self.ingest.now_ms()), site, first, end)

    def _retract_one(self) -> None:
        """A day of what an operator took back."""
        try:
            self._load_again()
            self.retraction.step()
        except SQLAlchemyError as error:
            log.warning("what was retracted is not made again yet: %s", error)
            self.retry_at = time.monotonic() + 1.0

    def _kept_for_series(self, connection: Connection, before_ms: int) -> series_room.Kept:
        """What the time-series store has not taken yet stays, as long as there is room."""
        if not self.settings.series.kind:
            return series_room.NOTHING_KEPT
        now = time.monotonic()
        if now >= self.next_room:
            self.next_room = now + ROOM_SECONDS
            self.too_many = series_room.too_many(connection, before_ms, self.settings.series.backlog_bytes)
        return series_room.kept(connection, self.too_many)

    def _delete_old(self) -> None:
        """What is older than `report_days`, once it is sealed, its days have their digests and the store has it."""
        before_ms = self.ingest.now_ms() - self.settings.report_days * 86_400_000
        with self.engine.connect() as connection:
            sealed, contact = self.ingest.ledger.sealed_up_to(connection)
            kept = self._kept_for_series(connection, before_ms)
            table = schema.report.c
            query = select(table.id, table.last_minute).where(
                table.received_ms < before_ms,
                table.id <= min(sealed, kept.reports),
                table.last_minute < deletable_before(connection),
            )
            rows: Sequence[Any] = ()
            if (connection.scalar(select(func.min(table.id))) or 0) <= kept.reports:  # else all of them wait
                rows = connection.execute(query.order_by(table.received_ms).limit(min(OLD_ROWS, kept.most))).all()
            old = [row.id for row in rows]
            lost = [one for one in old if kept.lost_after is not None and one > kept.lost_after]
            contact = min(contact, max((row.last_minute for row in rows), default=0) if lost else kept.contact)
            stale = connection.scalar(
                select(func.count())
                .select_from(schema.contact_minute)
                .where(schema.contact_minute.c.minute <= min(contact, before_ms // 60_000))
            )
        if not (old or stale):
            return
        with writing(self.engine) as connection:
            known = int(get_meta(connection, "kept_from_minute") or 0)
            gone = [row.last_minute for row in rows] + ([min(contact, before_ms // 60_000)] if stale else [])
            set_meta(connection, "kept_from_minute", str(max(known, max(gone) + 1)))
            connection.execute(delete(schema.report).where(schema.report.c.id.in_(old)))
            series_room.count_lost(connection, lost)
            connection.execute(
                delete(schema.contact_minute).where(schema.contact_minute.c.minute <= min(contact, before_ms // 60_000))
            )
            connection.execute(delete(schema.edge).where(schema.edge.c.at_ms < before_ms))
        self.too_many = max(self.too_many - len(lost), 0)
