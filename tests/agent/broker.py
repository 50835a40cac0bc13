"""A real Mosquitto on a free port, and a small server that reads what agents send and acknowledges it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from schoolbeat_agent import ranges
from schoolbeat_wire import inventory, messages, report, topics
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.messages import Ack, Command, Config, Event, Presence
from schoolbeat_wire.report import MinuteRow

SERVER = "5e" * 4


@contextmanager
def mosquitto(folder: Path, port: int, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """Listening on loopback, everybody may do everything."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have mosquitto")
        pytest.skip("mosquitto is not installed")
    config = folder / f"mosquitto-{port}.conf"
    config.write_text("\n".join([f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", *more, ""]))
    with (folder / f"mosquitto-{port}.log").open("ab") as log:
        process = subprocess.Popen([program, "-c", config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(lambda: accepts(port), 10)
        yield process
    finally:
        process.terminate()
        process.wait(10)


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(is_so: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until, f"did not come true within {seconds} s"
        time.sleep(0.02)


@dataclass
class TinyServer:
    """Keeps all it hears, in the order it came. `acks` False: it hears and says nothing."""

    port: int
    site: str = "th-thu"
    agent: str = "gateway"
    name: str = SERVER
    acks: bool = True
    presences: list[Presence] = field(default_factory=list)
    inventories: dict[str, Inventory] = field(default_factory=dict)
    reports: list[tuple[str, int, int]] = field(default_factory=list)  # epoch, first seq, end
    times: list[float] = field(default_factory=list)  # when each report came
    rows: dict[tuple[str, int], list[MinuteRow]] = field(default_factory=dict)  # (epoch, seq) -> all that came
    events: list[Event] = field(default_factory=list)
    kinds: list[tuple[str, bool]] = field(default_factory=list)  # kind, retained at the broker
    problems: list[str] = field(default_factory=list)

    def __enter__(self) -> TinyServer:
        self._lock = threading.RLock()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._heard
        ready = threading.Event()

        def subscribe(*_: object) -> None:
            self._client.subscribe(f"schoolbeat/1/{self.site}/#", 1)

        self._client.on_connect = subscribe
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: object, _data: object, message: MQTTMessage) -> None:
        try:
            with self._lock:
                self._take(topics.parse_topic(message.topic).kind, bytes(message.payload))
        except Exception as error:
            self.problems.append(repr(error))

    def _take(self, kind: str, payload: bytes) -> None:
        if kind not in topics.FROM_AGENT:
            return
        if kind == "presence":
            presence = messages.decode_presence(payload)
            self.presences.append(presence)
            if presence.online and self.acks:
                self.ack(presence.epoch, presence.nonce)
        elif kind == "inventory":
            found = inventory.decode(payload)
            self.inventories[found.revision] = found
        elif kind == "event":
            self.events.append(messages.decode_event(payload))
        elif kind == "report":
            self._take_report(report.decode(payload))
        self.kinds.append((kind, False))

    def _take_report(self, found: report.Report) -> None:
        self.times.append(time.monotonic())
        self.reports.append((found.epoch, found.seq, found.seq + found.count))
        for row in report.unpack(found, self.inventories[found.revision]):
            self.rows.setdefault((found.epoch, row.seq), []).append(row)
        if self.acks:
            self.ack(found.epoch)

    def settled(self, epoch: str) -> list[tuple[int, int]]:
        return ranges.from_seqs(seq for of, seq in self.rows if of == epoch)

    def ack(self, epoch: str, nonce: int = 0, settled: list[tuple[int, int]] | None = None) -> None:
        told = self.settled(epoch) if settled is None else settled
        self.say("ack", messages.encode(Ack(self.name, int(time.time() * 1000), epoch, told, 0, nonce)))

    def command(self, command: Command) -> None:
        self.say("command", messages.encode(command))

    def config(self, config: Config) -> None:
        self.say("config", messages.encode(config), retain=True)

    def say(self, kind: topics.Kind, payload: bytes, retain: bool = False) -> None:
        self._client.publish(topics.topic(self.site, self.agent, kind), payload, qos=1, retain=retain)

    def minutes(self) -> dict[int, list[MinuteRow]]:
        """minute -> every row of it that came, repeats (same epoch and seq) once."""
        out: dict[int, list[MinuteRow]] = {}
        with self._lock:
            for rows in self.rows.values():
                assert all(row == rows[0] for row in rows), "a repeat differs from what was sent first"
                out.setdefault(rows[0].minute, []).append(rows[0])
        return out
