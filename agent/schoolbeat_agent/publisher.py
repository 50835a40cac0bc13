"""To the server: presence, inventory, the newest report first, the backlog after it; settled by the server's acks."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from schoolbeat_agent import clock, outbox, ranges
from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.mqtt import Arrived, NoSession, Session, Will
from schoolbeat_agent.outbox import Outbox, Stored
from schoolbeat_agent.probes.world import Grant
from schoolbeat_agent.proofs import Proofs
from schoolbeat_agent.ranges import Ranges
from schoolbeat_agent.settings import Settings
from schoolbeat_wire import bounds, inventory, messages, report, topics
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.messages import Ack, Command, Config, Event, Presence

log = logging.getLogger(__name__)
T = TypeVar("T")

BATCH_MINUTES: Final = 60
IN_FLIGHT: Final = 4  # backlog messages that wait for their ack
IN_FLIGHT_NEW: Final = 8  # with new minutes, which do not queue behind the backlog
BACKLOG_SECONDS: Final = 0.25  # between two backlog messages
ACK_SECONDS: Final = 20.0
LONGEST_WAIT_SECONDS: Final = 60.0
FIRST_ACK_SECONDS: Final = 3.0  # how long reports wait for the answer to presence
ASK_TIME_SECONDS: Final = 30.0
ASK_TIME_AGAIN_SECONDS: Final = 3_600.0
EVENT_SECONDS: Final = 60
REST_SECONDS: Final = 2.0
NONCES: Final = 8


class Disk(Protocol):
    """Runs one piece of the outbox's work at a time, beside the loop."""

    def __call__(self, work: Callable[..., T], *args: Any) -> Awaitable[T]: ...


class Orders(Protocol):
    """What the server may have the agent do."""

    def take_time(self, candidate: Anchor) -> None: ...
    async def take_config(self, config: Config) -> None: ...
    def check_now(self) -> None: ...
    def identify(self) -> None: ...
    def take_grant(self, grant: Grant) -> None: ...


@dataclass
class Standing:
    """What `status` tells of the connection."""

    connected: bool = False
    problem: str = ""
    last_ack_unix_ms: int = 0
    refused_servers: dict[str, int] = field(default_factory=dict)  # server id -> messages not obeyed


@dataclass(frozen=True)
class InFlight:
    """A report that waits for its ack."""

    first: int
    end: int
    sent_at: float


def wait_seconds(failures: int, rng: random.Random) -> float:
    """Exponential, with jitter, from half a second to a minute: many agents lose the same broker at once."""
    return min(LONGEST_WAIT_SECONDS, 2.0 ** min(failures, 10)) * rng.uniform(0.5, 1.0)


def still_waiting(in_flight: list[InFlight], unsettled: Ranges) -> list[InFlight]:
    """Without the reports of which nothing is unsettled any more."""
    return [sent for sent in in_flight if ranges.intersect([(sent.first, sent.end)], unsettled)]


def whole_blocks(unsettled: Ranges, next_seq: int, block: int) -> Ranges:
    """What may be sent when `block` minutes share a message: the running block waits until it is full."""
    return ranges.subtract(unsettled, [(next_seq - next_seq % block, next_seq)]) if block > 1 else unsettled


class Publisher:
    """Owns the connection. `run` until cancelled; everything else returns at once."""

    def __init__(
        self,
        settings: Settings,
        box: Outbox,
        disk: Disk,
        orders: Orders,
        clock_name: Callable[[], str],
        current: Inventory,
        boot_seconds: Callable[[], float],
        rng: random.Random,
        version: str,
    ) -> None:
        self.settings, self.inventory = settings, current
        self.standing = Standing()
        self.proofs = Proofs(settings.folder)
        self._box, self._disk, self._orders = box, disk, orders
        self._clock_name, self._now, self._rng, self._version = clock_name, boot_seconds, rng, version
        self._session: Session | None = None
        self._hurry = asyncio.Event()
        self._in_flight: list[InFlight] = []
        self._nonces: dict[int, float] = {}
        self._inventories: dict[str, Inventory] = {}
        # The epoch of which no minute can be mistaken for a repeat: the file is new, or the server has said what it
        # knows of it. Until then it may be an old file put back, and nothing of it is sent.
        self._verified = box.epoch if box.is_new else ""
        self._config_revision = -1
        self._inventory_told = False
        self._reset()

    def _reset(self) -> None:
        """Nothing of a former session or epoch is waited for."""
        self._in_flight.clear()
        self._nonces.clear()
        self._answered = False
        self._presence_at = self._presence_due = -1e9
        self._next_backlog = self._resume_at = -1e9
        self._misses = 0
        self._fresh_from: int | None = None  # seqs from here on have not been published in this session
        self._epoch = self._box.epoch

    # --- told by the runner ------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._session is not None

    @property
    def sends_at_once(self) -> bool:
        """Whether a new minute leaves now. Not before the server has said what it knows of this outbox: a minute that
        counts as sent cannot tell any more that the file is an old copy."""
        return self._session is not None and self._answered

    def minute_added(self) -> None:
        if self._session:
            self._session.wake.set()

    def presence_changed(self) -> None:
        """Clock, inventory or epoch are other ones now."""
        self._presence_due = self._now()
        if self._session:
            self._session.wake.set()

    def use(self, settings: Settings, current: Inventory) -> None:
        self.settings, self.inventory = settings, current
        self._inventory_told = False
        self.presence_changed()

    def hurry(self) -> None:
        """The line is back: connect now, whatever the back-off says."""
        self._hurry.set()

    def event(self, event: Event) -> None:
        if self._session and self._answered:
            expiry = EVENT_SECONDS
            self._session.publish(self._topic("event"), messages.encode(event), expiry_seconds=expiry)

    def _topic(self, kind: topics.Kind) -> str:
        return topics.topic(self.settings.site, self.settings.agent, kind)

    # --- connecting --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        failures = 0
        while True:
            started = self._now()
            try:
                await self._one_session()
            except NoSession as error:
                self._complain(str(error))
            failures = 0 if self._now() - started > LONGEST_WAIT_SECONDS else failures + 1
            await self._pause(wait_seconds(failures - 1, self._rng))

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
                self._hurry.clear()
                await asyncio.sleep(self._rng.uniform(0.1, 0.5))
        except TimeoutError:
            pass

    def _complain(self, problem: str) -> None:
        level = logging.DEBUG if self.standing.problem == problem else logging.WARNING
        log.log(level, "broker %s:%d: %s", self.settings.broker.host, self.settings.broker.port, problem)
        self.standing.problem = problem

    async def _one_session(self) -> None:
        if not self._box.epoch:
            raise NoSession("the outbox cannot be opened yet")
        broker = self.settings.broker
        will = Will(self._topic("presence"), messages.encode(Presence(online=False)))
        session = Session(broker, f"{self.settings.site}.{self.settings.agent}", will, self._now)
        await session.open()
        log.info("broker %s:%d: connected", broker.host, broker.port)
        self._reset()
        self._session = session
        self.standing.connected, self.standing.problem = True, ""
        try:
            session.subscribe([self._topic(kind) for kind in topics.FROM_SERVER])
            await self._tell_inventories()
            while not session.closed.is_set():
                session.keep_alive()
                await self._work(session)
                await self._rest(session)
        except asyncio.CancelledError:
            await self._say_goodbye(session)
            raise
        finally:
            self._session = None
            self.standing.connected = False
            session.close()
        raise NoSession(session.why or "the session ended")

    async def _say_goodbye(self, session: Session) -> None:
        session.publish(self._topic("presence"), messages.encode(Presence(online=False)), retain=True)
        await session.flush(2.0)

    async def _rest(self, session: Session) -> None:
        """Until something happens, at most two seconds: only the keepalive and late acks are looked at then."""
        left_seconds = self._next_backlog - self._now()
        seconds = min(REST_SECONDS, max(0.05, left_seconds)) if left_seconds > 0 else REST_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await session.wake.wait()
        except TimeoutError:
            pass
        session.wake.clear()

    # --- one round of work -------------------------------------------------------------------------------------

    async def _work(self, session: Session) -> None:
        while session.inbox:
            await self._take(session.inbox.popleft())
        if self._epoch != self._box.epoch:
            self._reset()
            self._verified = self._epoch  # made by this process
            await self._tell_inventories()
        now = self._now()
        if not self._inventory_told:
            await self._tell_inventories()
        if now >= min(self._presence_due, self._presence_at + self._ask_again_seconds()):
            await self._tell_presence(session)
        if self._answered or (self._verified == self._epoch and now - self._presence_at > FIRST_ACK_SECONDS):
            self._give_up_waiting(now)
            await self._send_reports(session)

    async def _tell_inventories(self) -> None:
        """Those that waiting rows need, and the current one, which stays at the broker, last."""
        session = self._session
        if session is None:
            return
        for revision in await self._disk(self._box.unsettled_revisions):
            body = await self._disk(self._box.inventory, revision)
            if body and revision != self.inventory.revision:
                session.publish(self._topic("inventory"), body)
        session.publish(self._topic("inventory"), inventory.encode(self.inventory), retain=True)
        self._inventory_told = True

    async def _tell_presence(self, session: Session) -> None:
        standing = await self._disk(self._box.standing)
        if not standing.epoch:
            self._presence_due = self._now() + ASK_TIME_SECONDS
            return
        source = self._clock_name()
        nonce = self._rng.randrange(1, 2**53)
        presence = Presence(
            online=True,
            epoch=standing.epoch,
            hardware=self._box.hardware,
            boot=self._box.boot,
            lowest=standing.lowest,
            next=standing.next,
            gaps=standing.gaps,
            nonce=nonce,
            keepalive=self.settings.broker.keepalive,
            clock=source,  # type: ignore[arg-type]
            revision=self.inventory.revision,
            version=self._version,
            settled=standing.settled,
        )
        self._presence_at = self._now()
        self._presence_due = 1e18
        self._nonces[nonce] = self._presence_at
        for old in list(self._nonces)[:-NONCES]:
            del self._nonces[old]
        session.publish(self._topic("presence"), messages.encode(presence), retain=True)

    def _ask_again_seconds(self) -> float:
        """Until the server has answered, and for its time."""
        unknown = self._clock_name() == "none" or not self._answered
        return ASK_TIME_SECONDS if unknown else ASK_TIME_AGAIN_SECONDS

    # --- reports -----------------------------------------------------------------------------------------------

    def _give_up_waiting(self, now: float) -> None:
        late = [sent for sent in self._in_flight if now - sent.sent_at > ACK_SECONDS]
        if late:
            self._in_flight = [sent for sent in self._in_flight if sent not in late]
            self._resume_at = now + wait_seconds(self._misses, self._rng)
            self._misses += 1
            log.log(
                logging.INFO if self._misses == 1 else logging.DEBUG, "server: no acknowledgement; it is sent again"
            )

    async def _send_reports(self, session: Session) -> None:
        while not session.closed.is_set():
            waiting = whole_blocks(self._box.unsettled(), self._box.next, self.settings.report_minutes)
            sent = ranges.from_pairs([(sent.first, sent.end) for sent in self._in_flight])
            waiting = ranges.subtract(waiting, sent)
            if not waiting or not self._may_send(waiting[-1][1]):
                return
            batch = await self._disk(self._batch, waiting[-1])
            if batch is None:
                return
            first, end, payload = batch
            session.publish(self._topic("report"), payload)
            now = self._now()
            self._in_flight.append(InFlight(first, end, now))
            if self._is_new(end):
                self._fresh_from = end
            else:
                self._next_backlog = now + BACKLOG_SECONDS

    def _is_new(self, end: int) -> bool:
        return self._fresh_from is None or end > self._fresh_from

    def _may_send(self, end: int) -> bool:
        """New minutes go at once; the backlog at a bounded rate, and not while acks stay away."""
        now = self._now()
        if self._is_new(end) and not self._box.disk_error:
            return len(self._in_flight) < IN_FLIGHT_NEW
        window = IN_FLIGHT if not self._misses else 1
        return len(self._in_flight) < window and now >= max(self._next_backlog, self._resume_at)

    def _batch(self, newest: tuple[int, int]) -> tuple[int, int, bytes] | None:
        """On the disk's thread: the newest minutes of a range as one report within the wire's bounds."""
        first = max(newest[0], newest[1] - BATCH_MINUTES)
        rows = outbox.newest_together(self._box.rows(first, newest[1]), BATCH_MINUTES)
        if self._box.epoch != self._epoch:
            return None  # the file was damaged: these are another one's seqs
        if not rows or rows[-1].row.seq + 1 != newest[1]:
            if self._box.disk_error:  # it may pass
                self._resume_at = self._next_backlog = self._now() + ACK_SECONDS
            else:
                self._give_up(rows[-1].row.seq + 1 if rows else first, newest[1])
            return None
        known = self._inventory_of(rows[0].revision)
        if known is None:
            if self._box.disk_error:  # it may pass
                self._resume_at = self._next_backlog = self._now() + ACK_SECONDS
                return None
            log.warning("outbox: the inventory %s is lost; %d minutes cannot be sent", rows[0].revision, len(rows))
            self._give_up(rows[0].row.seq, rows[-1].row.seq + 1)
            return None
        while True:
            payload = self._encode(rows, known)
            if len(rows) == 1 or self._fits(rows, known, payload):
                break
            rows = rows[len(rows) // 2 :]
        seqs = rows[0].row.seq, rows[-1].row.seq + 1
        self._box.mark_sent(*seqs)
        return *seqs, payload

    def _give_up(self, first: int, end: int) -> None:
        """Rows that can never be sent: presence declares them lost, so that the server waits for them no more."""
        self._box.give_up(first, end)
        self._presence_due = self._now()

    def _fits(self, rows: list[Stored], known: Inventory, payload: bytes) -> bool:
        values = len(rows) * sum(len(column.subjects) for column in known.columns)
        return len(payload) <= bounds.PACKED_BYTES // 2 and values <= bounds.VALUES // 4

    def _encode(self, rows: list[Stored], known: Inventory) -> bytes:
        packed = report.pack(self._box.epoch, rows[0].revision, [stored.row for stored in rows], known)
        return report.encode(packed)

    def _inventory_of(self, revision: str) -> Inventory | None:
        if revision == self.inventory.revision:
            return self.inventory
        if revision not in self._inventories:
            body = self._box.inventory(revision)
            try:
                found = inventory.decode(body) if body else None
            except WireError:
                found = None
            if found is None:
                return None
            if len(self._inventories) >= 4:
                self._inventories.clear()
            self._inventories[revision] = found
        return self._inventories[revision]

    # --- what the server says ----------------------------------------------------------------------------------

    async def _take(self, arrived: Arrived) -> None:
        try:
            kind = topics.parse_topic(arrived.topic).kind
            if kind == "ack":
                await self._take_ack(messages.decode_ack(arrived.payload), arrived.at)
            elif kind == "config":
                await self._take_config(messages.decode_config(arrived.payload))
            elif kind == "command":
                await self._take_command(messages.decode_command(arrived.payload))
        except WireError as error:
            log.warning("server: a message cannot be believed: %s", error)

    async def _obeys(self, server: str) -> bool:
        mine = self.settings.server or self._box.enrolled
        if not mine:
            log.info("server %s answered first: the agent obeys it from now on", server)
            await self._disk(self._box.enrol, server)
            return True
        if server == mine:
            return True
        count = self.standing.refused_servers.get(server, 0) + 1
        if len(self.standing.refused_servers) < 20 or count > 1:
            self.standing.refused_servers[server] = count
        log.log(
            logging.WARNING if count == 1 else logging.DEBUG,
            "server %s is not obeyed: this agent is enrolled with %s",
            server,
            mine,
        )
        return False

    async def _take_ack(self, ack: Ack, at: float) -> None:
        if not await self._obeys(ack.server):
            return
        self.standing.last_ack_unix_ms = ack.time_ms
        if ack.proof:
            await self._disk(self.proofs.take, ack.proof_day, ack.proof)
        if ack.nonce and ack.nonce in self._nonces:
            candidate = clock.from_answer(self._nonces.pop(ack.nonce), at, ack.time_ms / 1000)
            if candidate:
                self._orders.take_time(candidate)
        if await self._disk(self._box.settle, ack):
            return  # another epoch: the next round tells presence anew
        if ack.epoch != self._box.epoch:
            return
        self._answered, self._verified = True, ack.epoch
        self._misses = 0
        self._resume_at = -1e9
        self._in_flight = still_waiting(self._in_flight, self._box.unsettled())

    async def _take_config(self, config: Config) -> None:
        if await self._obeys(config.server) and config.revision != self._config_revision:
            self._config_revision = config.revision
            await self._orders.take_config(config)

    async def _take_command(self, command: Command) -> None:
        if command.do == "send_again" and command.epoch == self._box.epoch:
            await self._disk(self._box.send_again, command.first, command.end)
            self._in_flight = []
        elif command.do == "inventory":
            self._inventory_told = False
            body = await self._disk(self._box.inventory, command.revision)
            if self._session and body and command.revision != self.inventory.revision:
                self._session.publish(self._topic("inventory"), body)
        elif command.do == "check_now":
            self._orders.check_now()
        elif command.do == "identify":
            self._orders.identify()
        elif command.do == "speed_test":
            self._orders.take_grant(Grant(command.grant, command.until_ms / 1000))
