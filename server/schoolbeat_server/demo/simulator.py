"""The simulated gateways: many agents in one process, each with its own account, speaking the real wire over MQTT."""

from __future__ import annotations

import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo import minutes, province
from schoolbeat_server.demo.faults import Fault
from schoolbeat_server.demo.province import SimulatedSite
from schoolbeat_server.ranges import Ranges
from schoolbeat_wire import bounds, inventory, messages, topics
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import CAUSES
from schoolbeat_wire.errors import WireError

AGENT = "gateway"
KEEPALIVE_SECONDS = 10
FEW_MINUTES = 5  # so few of the newest minutes never wait behind history
MOST_PATIENCE_SECONDS = 320.0
ANSWER_SECONDS = 5.0  # the server's answer to presence says what it has; not waited for longer
MOST_WAIT_SECONDS = 5.0  # between two attempts to connect

Say = Callable[[dict[str, Any]], None]


class Plan(msgspec.Struct, frozen=True):
    """What the simulator is to do.

    accounts: site -> (user name, password); server: the id to obey, "" for any
    window: messages of history in flight at once; chunk: minutes in one of them
    not_before_s: the script of faults plays from here on, since the server is blind for a minute after its start
    patience_seconds: what has no ack for so long is sent again, with twice the patience each time
    """

    host: str
    port: int
    accounts: dict[str, tuple[str, str]]
    seed: int = 1
    schools: int = 60
    days: int = 7
    server: str = ""
    window: int = 12
    chunk: int = bounds.MINUTES
    not_before_s: int = 0
    patience_seconds: float = 20.0


@dataclass
class Gateway:
    """One simulated agent. What it has to send needs no store: every report can be made again from its seqs."""

    site: SimulatedSite
    username: str
    password: str = field(repr=False)
    epoch: str
    faults: tuple[Fault, ...]
    spans: list[range]  # recorded minutes, ascending; a seq is a place in them
    history: int  # seqs below it are history
    settled: Ranges = field(default_factory=Ranges)
    flying: dict[tuple[int, int], float] = field(default_factory=dict)  # [first, end) of seqs -> when sent
    usual_patience: float = 20.0
    patience: float = 20.0
    client: paho.Client | None = None
    socket: Any = None
    greeted_at: float | None = None  # connected since; None: not yet
    answered: bool = False
    retry_at: float = 0.0
    wait: float = 0.5
    told_down: frozenset[str] | None = None

    @property
    def next(self) -> int:
        return sum(map(len, self.spans))

    @property
    def end_minute(self) -> int:
        return self.spans[-1].stop


def minutes_of(spans: list[range], first: int, end: int) -> tuple[list[int], int | None]:
    """The minutes of the seqs [first, end), and the one recorded before them."""
    found: list[int] = []
    before = None
    at = 0
    for span in spans:
        lo, hi = max(first - at, 0), min(end - at, len(span))
        if lo < hi:
            found += span[lo:hi]
        if 0 <= first - 1 - at < len(span):
            before = span[first - 1 - at]
        at += len(span)
    return found, before


def newest_unsent(end: int, taken: Ranges, most: int) -> tuple[int, int] | None:
    """The newest run of at most `most` seqs below end that is not in `taken`."""
    for first, after in reversed(taken.pairs()):
        if after < end:
            return max(after, end - most), end
        end = min(end, first)
    return (max(0, end - most), end) if end > 0 else None


def after_ack(settled: Ranges, ack: messages.Ack) -> Ranges:
    """What is settled now: below complete_from as before, from there on what the server says and nothing else."""
    kept = Ranges((first, min(end, ack.complete_from)) for first, end in settled.pairs() if first < ack.complete_from)
    for first, end in ack.settled:
        kept.add(first, end)
    return kept


def without(ranges: Ranges, first: int, end: int) -> Ranges:
    """For `send_again`."""
    kept = Ranges()
    for lo, hi in ranges.pairs():
        for part_lo, part_hi in ((lo, min(hi, first)), (max(lo, end), hi)):
            if part_lo < part_hi:
                kept.add(part_lo, part_hi)
    return kept


class Fleet:
    """All gateways on one selector. paho's own loop would wait by select(), which is blind beyond 1,024 descriptors."""

    def __init__(self, plan: Plan, say: Say, clock: Callable[[], float] = time.time) -> None:
        self.plan, self.say, self.clock = plan, say, clock
        self.selector = selectors.DefaultSelector()
        self.gateways = list(_gateways(plan, clock()))
        self.ready_s: int | None = None
        self.percent = -1
        self.announced: set[tuple[str, int]] = set()

    def run(self, stop: Callable[[], bool]) -> None:
        next_look = 0.0
        while not stop():
            for key, events in self.selector.select(0.1):
                self._serve(key.data, events)
            if time.monotonic() >= next_look:
                next_look = time.monotonic() + 0.2
                self._look()
        for gateway in self.gateways:
            self._drop(gateway)
        self.selector.close()

    def _look(self) -> None:
        now_s, now = self.clock(), time.monotonic()
        for gateway in self.gateways:
            _record(gateway, now_s)
            self._connection(gateway, now_s, now)
            if gateway.greeted_at is not None and (gateway.answered or now - gateway.greeted_at > ANSWER_SECONDS):
                _forget_unanswered(gateway, now)
                self._send(gateway, now)
                _tell_edges(gateway, now_s)
            self._watch_writes(gateway)
        self._progress(now_s)

    # ---- connections

    def _connection(self, gateway: Gateway, now_s: float, now: float) -> None:
        if gateway.client is not None and gateway.client.socket() is None:
            self._drop(gateway)
            gateway.retry_at, gateway.wait = now + gateway.wait, min(gateway.wait * 2, MOST_WAIT_SECONDS)
        if not script.reaches_server(gateway.faults, now_s):
            if gateway.client is not None:
                self._drop(gateway)  # without DISCONNECT: the broker sends the last will
                gateway.retry_at = now + 1.0
        elif gateway.client is None and now >= gateway.retry_at:
            self._dial(gateway, now_s, now)
        elif gateway.client is not None:
            gateway.client.loop_misc()

    def _dial(self, gateway: Gateway, now_s: float, now: float) -> None:
        client = paho.Client(
            CallbackAPIVersion.VERSION2, gateway.username, protocol=paho.MQTTv5, reconnect_on_failure=False
        )
        client.username_pw_set(gateway.username, gateway.password)
        client.connect_timeout = 2
        client.max_inflight_messages_set(1_000)
        gone = messages.encode(messages.Presence(online=False))
        client.will_set(_topic(gateway, "presence"), gone, qos=1, retain=True)
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self._greet(gateway, reason)
        client.on_message = lambda _client, _data, message: _heard(gateway, self.plan.server, message)
        try:
            client.connect(self.plan.host, self.plan.port, KEEPALIVE_SECONDS, clean_start=True)
        except OSError:
            gateway.retry_at, gateway.wait = now + gateway.wait, min(gateway.wait * 2, MOST_WAIT_SECONDS)
            return
        gateway.client, gateway.socket = client, client.socket()
        self.selector.register(gateway.socket, selectors.EVENT_READ, gateway)

    def _greet(self, gateway: Gateway, reason: Any) -> None:
        client = gateway.client
        if client is None or reason.is_failure:
            return  # the broker hangs up; _connection tries again
        gateway.wait = 0.5
        gateway.greeted_at, gateway.answered = time.monotonic(), False
        client.subscribe([(_topic(gateway, kind), SubscribeOptions(qos=1)) for kind in topics.FROM_SERVER])
        client.publish(_topic(gateway, "inventory"), inventory.encode(gateway.site.inventory), qos=1, retain=True)
        presence = _presence(gateway, self.clock())
        client.publish(_topic(gateway, "presence"), messages.encode(presence), qos=1, retain=True)

    def _drop(self, gateway: Gateway) -> None:
        if gateway.socket is not None:
            self.selector.unregister(gateway.socket)
            gateway.socket.close()
        gateway.client = gateway.socket = gateway.greeted_at = None
        gateway.flying.clear()

    def _serve(self, gateway: Gateway, events: int) -> None:
        client = gateway.client
        if client is None:
            return
        if events & selectors.EVENT_READ:
            client.loop_read(50)
        if events & selectors.EVENT_WRITE and client.socket() is not None:
            client.loop_write()

    def _watch_writes(self, gateway: Gateway) -> None:
        if gateway.client is not None and gateway.client.socket() is not None:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if gateway.client.want_write() else 0)
            if self.selector.get_key(gateway.socket).events != wanted:
                self.selector.modify(gateway.socket, wanted, gateway)

    # ---- reports

    def _send(self, gateway: Gateway, now: float) -> None:
        """The newest minutes at once; history as far as the window allows, one message of a site at a time."""
        while True:
            taken = Ranges(gateway.settled.pairs())
            for first, end in gateway.flying:
                taken.add(first, end)
            chosen = newest_unsent(gateway.next, taken, self.plan.chunk)
            if chosen is None or gateway.client is None:
                return
            first, end = chosen
            few = end == gateway.next and end - first <= FEW_MINUTES
            if not few and (gateway.flying or self._in_flight() >= self.plan.window):
                return
            found, before = minutes_of(gateway.spans, first, end)
            report = minutes.report(gateway.site, gateway.faults, gateway.epoch, first, found, before)
            gateway.client.publish(_topic(gateway, "report"), reports.encode(report), qos=1)
            gateway.flying[chosen] = now

    def _in_flight(self) -> int:
        return sum(len(gateway.flying) for gateway in self.gateways)

    def _progress(self, now_s: float) -> None:
        if self.ready_s is not None:
            self._announce(now_s)
            return
        total = sum(gateway.history for gateway in self.gateways)
        done = sum(
            min(end, gateway.history) - first
            for gateway in self.gateways
            for first, end in gateway.settled.pairs()
            if first < gateway.history
        )
        percent = 100 * done // total if total else 100
        if percent > self.percent:
            self.percent = percent
            self.say({"kind": "progress", "percent": percent})
        if done == total and now_s >= self.plan.not_before_s:
            self._ready(now_s)

    def _ready(self, now_s: float) -> None:
        """The history is in: from here the script plays."""
        self.ready_s = int(now_s)
        for gateway in self.gateways:
            gateway.faults += script.live(gateway.site, len(self.gateways) + 1, self.ready_s)
        self.say({"kind": "ready", "at": self.ready_s})

    def _announce(self, now_s: float) -> None:
        """Each fault of the script when it begins and when it is mended."""
        for gateway in self.gateways:
            for fault in gateway.faults:
                for mended, at in ((False, fault.first_s), (True, fault.end_s)):
                    key = (gateway.site.id, 2 * at + mended)
                    worth = fault.end_s - fault.first_s > script.TCP_SURVIVES_SECONDS
                    if worth and (self.ready_s or 0) <= at <= now_s and key not in self.announced:
                        self.announced.add(key)
                        self.say({"kind": "fault", "site": gateway.site.id, "fault": fault.kind, "mended": mended})


def _gateways(plan: Plan, now_s: float) -> Iterator[Gateway]:
    end = int(now_s) // 60
    first = end - plan.days * 1_440
    for site in province.make(plan.seed, plan.schools).sites:
        if script.silent(site):
            continue
        faults = script.past(site, plan.seed, end * 60, plan.days)
        spans = minutes.recorded(first, end, faults)
        username, password = plan.accounts[site.id]
        yield Gateway(
            site=site,
            username=username,
            password=password,
            epoch=minutes.token("epoch", plan.seed, site.id, first),
            faults=faults,
            spans=spans,
            history=sum(map(len, spans)),
            usual_patience=plan.patience_seconds,
            patience=plan.patience_seconds,
        )


def _record(gateway: Gateway, now_s: float) -> None:
    """A minute is cut some seconds after its end, each site at its own second; none while there is no power."""
    if not script.powered(gateway.faults, now_s):
        return
    complete = int(now_s - 2 - gateway.site.number * 0.37 % 9) // 60
    for minute in range(gateway.end_minute, complete):
        if any(fault.kind == "power" and fault.mask(minute) for fault in gateway.faults):
            continue
        if minute == gateway.end_minute:
            gateway.spans[-1] = range(gateway.spans[-1].start, minute + 1)
        else:
            gateway.spans.append(range(minute, minute + 1))


def _presence(gateway: Gateway, now_s: float) -> messages.Presence:
    boots = sum(1 for fault in gateway.faults if fault.kind == "power" and fault.end_s <= now_s)
    return messages.Presence(
        online=True,
        epoch=gateway.epoch,
        hardware=minutes.token("hardware", gateway.site.id),
        boot=minutes.token("boot", gateway.epoch, boots),
        next=gateway.next,
        nonce=int(now_s * 1000) & 0xFFFF_FFFF,
        keepalive=KEEPALIVE_SECONDS,
        clock="kernel",
        revision=gateway.site.inventory.revision,
        version=gateway.site.inventory.version,
    )


def _topic(gateway: Gateway, kind: topics.Kind) -> str:
    return topics.topic(gateway.site.id, AGENT, kind)


def _heard(gateway: Gateway, server: str, message: paho.MQTTMessage) -> None:
    """Acks and commands; what cannot be read is as if it had not come."""
    try:
        kind = topics.parse_topic(message.topic).kind
        if kind == "ack":
            _obey_ack(gateway, server, messages.decode_ack(bytes(message.payload)))
        elif kind == "command":
            _obey_command(gateway, messages.decode_command(bytes(message.payload)))
    except WireError:
        return


def _obey_ack(gateway: Gateway, server: str, ack: messages.Ack) -> None:
    if server and ack.server != server:
        return
    gateway.answered = True
    if ack.epoch != gateway.epoch:
        return
    gateway.settled = after_ack(gateway.settled, ack)
    flying = len(gateway.flying)
    gateway.flying = {key: at for key, at in gateway.flying.items() if not gateway.settled.covers(*key)}
    if len(gateway.flying) < flying:
        gateway.patience = gateway.usual_patience


def _obey_command(gateway: Gateway, command: messages.Command) -> None:
    if command.do == "send_again" and command.epoch == gateway.epoch:
        gateway.settled = without(gateway.settled, command.first, command.end)
    elif command.do == "inventory" and gateway.client is not None:
        payload = inventory.encode(gateway.site.inventory)
        gateway.client.publish(_topic(gateway, "inventory"), payload, qos=1, retain=True)


def _forget_unanswered(gateway: Gateway, now: float) -> None:
    late = [key for key, sent_at in gateway.flying.items() if now - sent_at > gateway.patience]
    for key in late:
        del gateway.flying[key]
    if late:
        gateway.patience = min(gateway.patience * 2, MOST_PATIENCE_SECONDS)


def _tell_edges(gateway: Gateway, now_s: float) -> None:
    """Events: hints of what changed since the last look, told only while the way to the server is free."""
    active = [fault for fault in gateway.faults if fault.first_s <= now_s < fault.end_s]
    if gateway.client is None or any(fault.kind not in ("device", "line.international") for fault in active):
        return
    down = frozenset(fault.signal or fault.kind for fault in active)
    before, gateway.told_down = gateway.told_down, down
    if before is None:
        return
    expiry = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    expiry.MessageExpiryInterval = 60
    for name in sorted(down ^ before):
        cause = "" if name in before else next(iter(CAUSES))
        event = messages.Event(signal=name, up=name in before, at_ms=int(now_s * 1000), cause=cause)
        gateway.client.publish(_topic(gateway, "event"), messages.encode(event), qos=1, properties=expiry)


def main(argv: list[str]) -> int:
    """`python -m schoolbeat_server.demo.simulator PLAN.json`; what happens is told as JSON lines on stdout."""
    plan = msgspec.json.decode(Path(argv[0]).read_bytes(), type=Plan)
    stopped = []

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.append(True)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

    def say(what: dict[str, Any]) -> None:
        sys.stdout.write(msgspec.json.encode(what).decode() + "\n")
        sys.stdout.flush()

    Fleet(plan, say).run(lambda: bool(stopped))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
