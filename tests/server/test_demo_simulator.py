"""The simulated gateways against a real Mosquitto and a server that loses acknowledgements."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port

from schoolbeat_server.broker import BrokerSettings, ManagedBroker
from schoolbeat_server.credentials import agent_account, server_account, write_accounts
from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo import province, simulator
from schoolbeat_server.demo.simulator import Fleet, Plan, after_ack, minutes_of, newest_unsent, without
from schoolbeat_server.ranges import Ranges
from schoolbeat_wire import inventory, messages, topics
from schoolbeat_wire import report as reports
from schoolbeat_wire.report import MinuteRow

SCHOOLS, SEED, SERVER = 6, 5, "00" * 8
SPEED = 30  # the fleet's clock runs so much faster


def wait_for(what: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@dataclass
class Listener:
    """A server of the smallest kind: keeps every minute, acknowledges what it is told to."""

    acknowledges: Callable[[int], bool] = lambda _count: True
    rows: dict[str, dict[int, MinuteRow]] = field(default_factory=dict)  # site -> seq -> row
    arrived: list[tuple[str, int, int]] = field(default_factory=list)  # site, first seq, count
    presences: list[tuple[str, messages.Presence]] = field(default_factory=list)
    events: list[tuple[str, messages.Event]] = field(default_factory=list)
    inventories: dict[str, inventory.Inventory] = field(default_factory=dict)
    settled: dict[tuple[str, str], Ranges] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)

    def hear(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        address = topics.parse_topic(message.topic)
        payload = bytes(message.payload)
        if address.kind == "inventory":
            self.inventories[address.site] = inventory.decode(payload)
        elif address.kind == "event":
            self.events.append((address.site, messages.decode_event(payload)))
        elif address.kind == "presence":
            presence = messages.decode_presence(payload)
            self.presences.append((address.site, presence))
            if presence.online:
                self.answer(client, address.site, presence.epoch, presence.nonce)
        elif address.kind == "report":
            self.take(client, address.site, reports.decode(payload))

    def take(self, client: paho.Client, site: str, report: reports.Report) -> None:
        self.arrived.append((site, report.seq, report.count))
        known = self.rows.setdefault(site, {})
        for row in reports.unpack(report, self.inventories[site]):
            if known.setdefault(row.seq, row) != row:
                self.conflicts.append(f"{site} {row.seq}")
        self.settled.setdefault((site, report.epoch), Ranges()).add(report.seq, report.seq + report.count)
        if self.acknowledges(len(self.arrived)):
            self.answer(client, site, report.epoch, 0)

    def answer(self, client: paho.Client, site: str, epoch: str, nonce: int) -> None:
        pairs = self.settled.get((site, epoch), Ranges()).pairs()
        ack = messages.Ack(SERVER, int(time.time() * 1000), epoch, pairs, 0, nonce)
        client.publish(topics.topic(site, "gateway", "ack"), messages.encode(ack))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[tuple[ManagedBroker, int]]:
    port = free_port()
    tmp_path.chmod(0o755)
    folder = tmp_path / "broker"
    folder.mkdir()
    settings = BrokerSettings(folder, port)
    sites = province.make(SEED, SCHOOLS).sites
    accounts = [server_account("server-password")] + [agent_account(site.id, "gateway", site.id) for site in sites]
    write_accounts(folder, accounts, settings.owner)
    with ManagedBroker(settings) as running:
        yield running, port


@contextmanager
def listening(port: int, listener: Listener) -> Iterator[paho.Client]:
    client = paho.Client(CallbackAPIVersion.VERSION2, "server", protocol=paho.MQTTv5)
    client.username_pw_set("server", "server-password")
    client.on_message = listener.hear
    client.on_connect = lambda c, *_rest: c.subscribe("schoolbeat/#", qos=1)
    client.connect("127.0.0.1", port)
    client.reconnect_delay_set(0.2, 0.5)  # type: ignore[arg-type]
    client.loop_start()
    try:
        yield client
    finally:
        client.loop_stop()


@contextmanager
def running(
    port: int, said: list[dict[str, Any]], clock: Callable[[], float] = time.time, **plan: Any
) -> Iterator[Fleet]:
    sites = province.make(SEED, SCHOOLS).sites
    accounts = {site.id: (f"{site.id}.gateway", site.id) for site in sites}
    fleet = Fleet(
        Plan("127.0.0.1", port, accounts, seed=SEED, schools=SCHOOLS, days=1, server=SERVER, **plan), said.append, clock
    )
    stop = threading.Event()
    thread = threading.Thread(target=fleet.run, args=(stop.is_set,))
    thread.start()
    try:
        yield fleet
    finally:
        stop.set()
        thread.join(30)


def expected(fleet: Fleet) -> dict[str, list[int]]:
    return {gateway.site.id: minutes_of(gateway.spans, 0, gateway.history)[0] for gateway in fleet.gateways}


def history_of(fleet: Fleet, listener: Listener) -> dict[str, list[int]]:
    return {
        gateway.site.id: [
            listener.rows.get(gateway.site.id, {})[seq].minute
            for seq in range(gateway.history)
            if seq in listener.rows.get(gateway.site.id, {})
        ]
        for gateway in fleet.gateways
    }


def test_all_history_arrives_newest_first_though_acks_are_lost(broker: tuple[ManagedBroker, int]) -> None:
    listener, said = Listener(lambda count: count % 3 != 0), []
    with listening(broker[1], listener), running(broker[1], said, chunk=200, patience_seconds=0.5) as fleet:
        wait_for(lambda: fleet.ready_s is not None)

    assert history_of(fleet, listener) == expected(fleet)
    assert listener.conflicts == []
    assert len(fleet.gateways) == SCHOOLS + 1  # one satellite site has its own, one school is silent
    firsts = [seq for site, seq, count in listener.arrived if site == fleet.gateways[0].site.id and count == 200]
    assert firsts[0] == max(firsts)
    assert [what["percent"] for what in said if what["kind"] == "progress"][-1] == 100
    assert said[-1]["kind"] in ("ready", "fault")


def test_a_broker_that_dies_on_the_way_costs_nothing(broker: tuple[ManagedBroker, int]) -> None:
    listener, said = Listener(), []
    with listening(broker[1], listener), running(broker[1], said, chunk=90, window=4) as fleet:
        wait_for(lambda: len(listener.arrived) > 20)
        pid = broker[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: broker[0].ensure_alive() is not None)
        wait_for(lambda: fleet.ready_s is not None)

    assert history_of(fleet, listener) == expected(fleet)
    assert listener.conflicts == []


def test_the_script_cuts_a_line_and_the_power_and_both_explain_themselves(broker: tuple[ManagedBroker, int]) -> None:
    started, real = time.time(), time.monotonic()

    def fast() -> float:
        return started + (time.monotonic() - real) * SPEED

    listener, said = Listener(), []
    cut = province.make(SEED, SCHOOLS).sites[script.CUT_NOW].id
    dark = province.make(SEED, SCHOOLS).sites[script.POWER_CUT].id

    def told(site: str) -> list[bool]:
        return [presence.online for its_site, presence in listener.presences if its_site == site]

    def off_of(site: str) -> set[int]:
        return {off.reason for row in listener.rows[site].values() for off in row.off}

    with listening(broker[1], listener), running(broker[1], said, fast) as fleet:
        wait_for(lambda: told(cut)[:3] == [True, False, True] and told(dark)[:3] == [True, False, True])
        returned = fast() // 60
        wait_for(lambda: 4 in off_of(dark) and max(row.minute for row in listener.rows[cut].values()) >= returned)

    assert fleet.ready_s is not None
    first = (fleet.ready_s + script.CUT_AFTER_SECONDS) // 60
    signals = fleet.gateways[0].site.inventory.signals
    place = {name: signals.index(name) for name in ("lan.router", "line.isp", "line.domestic", "line.internet")}
    seen = {
        row.minute: {name: row.signals[at] for name, at in place.items()}
        for row in listener.rows[cut].values()
        if first <= row.minute <= first + 2
    }
    assert sum(60 - codes["line.isp"] for codes in seen.values()) == script.CUT_SECONDS
    assert all(codes["line.internet"] == codes["line.isp"] for codes in seen.values())
    assert {codes["lan.router"] for codes in seen.values()} == {60}
    assert all((codes["line.domestic"] == 255) == (codes["line.isp"] < 60) for codes in seen.values())
    boots = {presence.boot for site, presence in listener.presences if site == dark and presence.online}
    assert len(boots) == 2
    assert next(what for what in said if what["kind"] == "fault") == {
        "kind": "fault",
        "site": cut,
        "fault": "line.isp",
        "mended": False,
    }


def test_the_silent_school_never_connects(broker: tuple[ManagedBroker, int]) -> None:
    listener, said = Listener(), []
    silent = next(site.id for site in province.make(SEED, SCHOOLS).sites if script.silent(site))
    with listening(broker[1], listener), running(broker[1], said) as fleet:
        wait_for(lambda: fleet.ready_s is not None)

    assert silent not in {site for site, _ in listener.presences}
    assert len({site for site, _ in listener.presences}) == len(fleet.gateways)


def test_a_restored_server_gets_again_what_its_ack_no_longer_names(broker: tuple[ManagedBroker, int]) -> None:
    listener, said = Listener(), []
    with listening(broker[1], listener) as client, running(broker[1], said, chunk=500) as fleet:
        wait_for(lambda: fleet.ready_s is not None)
        gateway = fleet.gateways[0]
        before = len(listener.arrived)
        key = (gateway.site.id, gateway.epoch)
        listener.settled[key] = without(listener.settled[key], 100, 200)
        listener.answer(client, *key, 0)
        wait_for(lambda: (gateway.site.id, 100, 100) in listener.arrived[before:])
        command = messages.encode(messages.Command("send_again", gateway.epoch, 300, 310))
        asked_at = 0.0

        def came() -> bool:
            """Asked again now and then: the script may have this gateway away when the command comes."""
            nonlocal asked_at
            if time.monotonic() > asked_at + 5:
                asked_at = time.monotonic()
                client.publish(topics.topic(gateway.site.id, "gateway", "command"), command, qos=1)
            return (gateway.site.id, 300, 10) in listener.arrived[before:]

        wait_for(came, 120.0)  # the script keeps it away for 70 s

    assert listener.conflicts == []


def test_another_servers_ack_is_not_obeyed(broker: tuple[ManagedBroker, int]) -> None:
    listener, said = Listener(lambda _count: False), []
    with listening(broker[1], listener) as client, running(broker[1], said) as fleet:
        wait_for(lambda: len(listener.arrived) >= len(fleet.gateways))
        gateway = fleet.gateways[0]
        ack = messages.Ack("ff" * 8, int(time.time() * 1000), gateway.epoch, [(0, gateway.history)])
        client.publish(topics.topic(gateway.site.id, "gateway", "ack"), messages.encode(ack), qos=1)
        client.publish(topics.topic(gateway.site.id, "gateway", "ack"), b"\x00not json", qos=1)
        time.sleep(1)

    assert gateway.settled.pairs() == []


def test_the_newest_unsent_seqs_come_first_and_never_twice() -> None:
    taken = Ranges([(10, 20), (35, 40)])

    chosen = []
    while (found := newest_unsent(50, taken, 8)) is not None:
        chosen.append(found)
        taken.add(*found)

    assert chosen == [(42, 50), (40, 42), (27, 35), (20, 27), (2, 10), (0, 2)]


def test_an_ack_replaces_what_was_settled_from_its_complete_from_on() -> None:
    settled = Ranges([(0, 50), (60, 90)])

    after = after_ack(settled, messages.Ack(SERVER, 0, "ab" * 8, [(40, 70)], complete_from=40))

    assert after.pairs() == [(0, 70)]


def test_minutes_of_seqs_skip_the_minutes_without_power() -> None:
    spans = [range(100, 105), range(200, 203)]

    assert minutes_of(spans, 3, 7) == ([103, 104, 200, 201], 102)
    assert minutes_of(spans, 5, 8) == ([200, 201, 202], 104)
    assert minutes_of(spans, 0, 1) == ([100], None)


def test_passwords_are_not_shown() -> None:
    assert "hunter2" not in repr(
        simulator.Gateway(province.make(1, 1).sites[0], "user", "hunter2", "ab" * 8, (), [range(0, 1)], 1)
    )
