"""Server: values a second of one core from MQTT to durable, everything derived, in one run with a real broker.

One process ingests (its CPU is what counts); schools' reports are published beforehand by another process, so that
the broker never starves it. A value is one reading or one signal of one minute.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import socket
import tempfile
import time
from pathlib import Path

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from schoolbeat_server import database, schema
from schoolbeat_server.broker import BrokerSettings, ManagedBroker
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.credentials import hash_password, server_account, write_accounts
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.mqtt import Link
from schoolbeat_server.settings import Settings
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics

Row = tuple[str, str, str]
SITES = 200
DEVICES = 60
READINGS = (
    "rtt_ms",
    "loss_percent",
    "rx_bps",
    "tx_bps",
    "clients",
    "cpu_percent",
    "memory_used_percent",
    "temperature_celsius",
)
SIGNALS = ["lan.router", "line.isp", "line.domestic", "line.international", "line.internet"] + [
    f"device.d{k:02d}" for k in range(65)
]


def inventory() -> inventories.Inventory:
    subjects = [f"device.d{k:02d}" for k in range(DEVICES)]
    columns = [inventories.Column(reading, subjects) for reading in READINGS]
    return inventories.with_revision(inventories.Inventory(revision="", signals=SIGNALS, columns=columns))


def payloads(found: inventories.Inventory, site: int, first_minute: int, messages: int, minutes: int) -> list[bytes]:
    """Random walks; now and then a device is down for some minutes, and once the line."""
    rng = random.Random(site)
    table = [[rng.randrange(0, 1000) for _ in range(DEVICES)] for _ in READINGS]
    down: dict[int, int] = {}
    out, seq = [], 0
    for _ in range(messages):
        rows = []
        for _ in range(minutes):
            table = [[min(1000, max(0, v + rng.randrange(-5, 6))) for v in row] for row in table]
            if rng.random() < 0.02:
                down[rng.randrange(4, len(SIGNALS))] = rng.randrange(1, 8)
            signals = bytes(0 if down.get(k, 0) > 0 else 60 for k in range(len(SIGNALS)))
            down = {k: left - 1 for k, left in down.items() if left > 1}
            rows.append(reports.MinuteRow(seq, first_minute + seq, signals, [list(row) for row in table]))
            seq += 1
        out.append(reports.encode(reports.pack("ab" * 8, found.revision, rows, found)))
    return out


def publish(port: int, first_minute: int, messages: int, minutes: int, ready: object, go: object) -> None:
    found = inventory()
    made = [(f"s{n}", payloads(found, n, first_minute, messages, minutes)) for n in range(SITES)]
    client = Client(CallbackAPIVersion.VERSION2, "bench", protocol=MQTTv5)
    client.username_pw_set("publisher", "bench")
    client.max_inflight_messages_set(2_000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for site, _ in made:
        client.publish(topics.topic(site, "gateway", "inventory"), inventories.encode(found), qos=1)
    ready.set()  # type: ignore[attr-defined]
    go.wait()  # type: ignore[attr-defined]
    last = None
    for index in range(messages):
        for site, parts in made:
            last = client.publish(topics.topic(site, "gateway", "report"), parts[index], qos=1)
    if last is not None:
        last.wait_for_publish(300)
    client.disconnect()


def measure_one(messages: int, minutes: int) -> tuple[float, float]:
    """(values per CPU second of the ingest process, values per wall second)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = database.open_database(folder / "bench.db")
        _register(engine)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        own = BrokerSettings(folder=folder / "broker", port=port, max_queued_bytes=1 << 30)
        both = [server_account("bench"), server_account("bench", "publisher")]
        (folder / "broker").mkdir()
        broker = ManagedBroker(own)
        write_accounts(folder / "broker", both, own.owner)
        broker.start()
        try:
            return _drive(engine, port, messages, minutes)
        finally:
            broker.stop()
            engine.dispose()


def _register(engine: object) -> None:
    with database.writing(engine) as connection:  # type: ignore[arg-type]
        connection.execute(schema.area.insert().values(id="p", name="p", kind="province"))
        digest = hash_password("x")
        for n in range(SITES):
            connection.execute(schema.school.insert().values(id=f"s{n}", name="s", area="p"))
            connection.execute(schema.site.insert().values(id=f"s{n}", school=f"s{n}", name="s"))
            connection.execute(
                schema.agent.insert().values(site=f"s{n}", name="gateway", password_hash=digest, created_ms=0)
            )


def _drive(engine: object, port: int, messages: int, minutes: int) -> tuple[float, float]:
    first_minute = int(time.time()) // 60 - messages * minutes
    ingest = Ingest(engine, "ab" * 8, ContactBook(0), lambda: int(time.time() * 1000))  # type: ignore[arg-type]
    ingest.load()
    settings = Settings(folder=Path("/nonexistent"))

    def make_link(receive: object) -> Link:
        client = Client(CallbackAPIVersion.VERSION2, "ingest", protocol=MQTTv5, manual_ack=True)
        client.username_pw_set("server", "bench")
        return Link(client, "127.0.0.1", port, receive)  # type: ignore[arg-type]

    heart = Heart(engine, settings, make_link, ingest, IncidentRows(ingest, settings.incidents, ()))  # type: ignore[arg-type]
    while not heart.link.connected:
        heart.turn()
    ready, go = multiprocessing.Event(), multiprocessing.Event()
    process = multiprocessing.Process(target=publish, args=(port, first_minute, messages, minutes, ready, go))
    process.start()
    while not ready.is_set():
        heart.turn()
    wanted = SITES * messages
    go.set()
    cpu, wall = _cpu(), time.monotonic()
    while ingest.counters["reports"] < wanted:
        heart.turn()
        if time.monotonic() - wall > 300:
            raise RuntimeError(f"only {ingest.counters['reports']} of {wanted} reports came in 300 s")
    used, took = _cpu() - cpu, time.monotonic() - wall
    process.join()
    aside = {name: count for name, count in ingest.counters.items() if name.startswith("aside")}
    if aside:
        raise RuntimeError(f"set aside: {aside}")
    values = wanted * minutes * (len(SIGNALS) + DEVICES * len(READINGS))
    return values / used, values / took


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure() -> list[Row]:
    rows = []
    for messages, minutes in ((60, 1), (24, 5)):
        runs = sorted(measure_one(messages, minutes) for _ in range(3))
        cpu, wall = runs[1]
        rows.append(
            (
                f"server, MQTT to durable, {minutes} minute(s) a message, median of 3",
                f"{cpu / 1e6:.2f} M values per CPU second ({wall / 1e6:.2f} M/s wall beside the broker and publisher)",
                ">= 1.5 M values/s",
            )
        )
    return rows


if __name__ == "__main__":
    for what, figure, target in measure():
        print(f"{what}: {figure} (target {target})")
