"""The heart with a real Mosquitto: nothing is acknowledged before it is on disk, whatever the disk does."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import Engine, func, insert, select
from tests.ports import free_port
from tests.server.school import School, register

from schoolbeat_server import database, enrol, schema
from schoolbeat_server.broker import BrokerSettings, ManagedBroker
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.credentials import server_account, write_accounts
from schoolbeat_server.heart import HOUSE_SECONDS, Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.mqtt import Link
from schoolbeat_server.settings import Settings
from schoolbeat_wire import messages as wire


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Body:
    """A heart with its broker, and one school's client beside it, all driven from the test's own loop."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.port = free_port()
        self.engine = database.open_database(data / "schoolbeat.db")
        register(self.engine, ["s1"])
        own = BrokerSettings(folder=folder / "broker", port=self.port)
        self.broker = ManagedBroker(own)
        self.broker.start()
        accounts = [server_account("secret"), *_publisher()]
        write_accounts(own.folder, accounts, own.owner)
        self.broker.reload()
        ingest = Ingest(self.engine, database.server_id(self.engine), ContactBook(0), now_ms)
        ingest.load()
        settings = Settings(folder=data)
        rows = IncidentRows(ingest, settings.incidents, ())
        self.heart = Heart(self.engine, settings, self._link, ingest, rows)
        self.acks: list[wire.Ack] = []
        self.configs: list[wire.Config] = []
        self.client = Client(CallbackAPIVersion.VERSION2, "school", protocol=MQTTv5)
        self.client.username_pw_set("school", "school")
        self.client.on_message = self._took
        self.client.connect("127.0.0.1", self.port)
        self.client.subscribe([("schoolbeat/1/s1/gateway/ack", 1), ("schoolbeat/1/s1/gateway/config", 1)])
        self.client.loop_start()
        subscribed = []
        self.heart.link.client.on_subscribe = lambda *_: subscribed.append(True)
        assert self.beat(lambda: bool(subscribed))

    def _link(self, receive: Callable[[MQTTMessage], None]) -> Link:
        client = Client(CallbackAPIVersion.VERSION2, "server", protocol=MQTTv5, manual_ack=True)
        client.username_pw_set("server", "secret")
        return Link(client, "127.0.0.1", self.port, receive)

    def _took(self, _client: object, _data: object, message: MQTTMessage) -> None:
        if message.topic.endswith("/ack"):
            self.acks.append(wire.decode_ack(bytes(message.payload)))
        else:
            self.configs.append(wire.decode_config(bytes(message.payload)))

    def publish(self, *messages: object) -> None:
        for message in messages:
            self.client.publish(message.topic, message.payload, qos=1)  # type: ignore[attr-defined]

    def beat(self, done: Callable[[], bool], seconds: float = 20) -> bool:
        deadline = time.monotonic() + seconds
        while not done() and time.monotonic() < deadline:
            self.heart.turn()
        return done()

    def stored(self) -> int:
        with self.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(schema.report)) or 0

    def close(self) -> None:
        self.client.loop_stop()
        self.client.disconnect()
        self.heart.link.close()
        self.broker.stop()
        self.engine.dispose()


def _publisher() -> list[object]:
    """A client that may play the school."""
    return [server_account("school", "school")]


@contextmanager
def body(folder: Path, data: Path) -> Iterator[Body]:
    made = Body(folder, data)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An ext4 of its own that a test can fill."""
    missing = [name for name in ("mkfs.ext4", "mount", "umount") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        why = f"a mounted image needs root and {', '.join(missing) or 'mount'}"
        assert os.environ.get("CI") != "true", why
        pytest.skip(why)
    image, place = tmp_path / "disk.img", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(24 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_report_is_acknowledged_and_a_config_is_published(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        with it.engine.begin() as connection:
            device = {"site": "s1", "id": "bang", "name": "Bảng", "kind": "board", "address": "192.0.2.7"}
            connection.execute(insert(schema.device).values(device))
        school = School("s1")
        it.publish(school.inventory_message(), school.minute(now_ms() // 60_000 - 1))

        assert it.beat(lambda: bool(it.acks and it.configs))

        assert it.acks[-1].settled == [(0, 1)]
        assert [device.address for device in it.configs[-1].devices] == ["192.0.2.7"]


@pytest.mark.namespaces
def test_a_full_disk_delays_acknowledgement_and_loses_nothing(tmp_path: Path, small_disk: Path) -> None:
    with body(tmp_path, small_disk) as it:
        school = School("s1")
        minute = now_ms() // 60_000 - 400
        it.publish(school.inventory_message(), school.minute(minute))
        assert it.beat(lambda: bool(it.acks))
        filler = small_disk / "filler"
        with filler.open("wb") as file:
            try:
                while True:
                    file.write(b"\0" * (1 << 16))
                    file.flush()
            except OSError:
                pass
        it.acks.clear()

        it.publish(*(school.minute(minute + 1 + n) for n in range(300)))
        failed = it.beat(lambda: bool(it.heart.problem), 60)
        settled_while_full = it.acks[-1].settled[-1][1] if it.acks else 1

        assert failed
        assert "full" in it.heart.problem
        assert settled_while_full <= it.stored() == len(_seqs(it.engine))
        filler.unlink()
        assert it.beat(lambda: bool(it.acks) and it.acks[-1].settled == [(0, 301)], 60)
        assert _seqs(it.engine) == list(range(301))


def _seqs(engine: Engine) -> list[int]:
    with engine.connect() as connection:
        return sorted(connection.scalars(select(schema.report.c.seq)))


def test_a_broker_that_dies_is_started_again_and_nothing_is_lost(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        it.heart.broker = it.broker
        school = School("s1")
        minute = now_ms() // 60_000 - 100
        it.publish(school.inventory_message(), school.minute(minute))
        assert it.beat(lambda: bool(it.acks))
        pid = it.broker.pid
        assert pid is not None

        os.kill(pid, 9)
        assert it.beat(lambda: it.broker.pid not in (None, pid) and it.heart.link.connected, 60)
        assert it.beat(lambda: it.client.is_connected(), 60)
        it.client.subscribe("schoolbeat/1/s1/gateway/ack", 1)
        it.publish(school.minute(minute + 1))

        assert it.beat(lambda: it.acks[-1].settled == [(0, 2)])


def test_an_agent_that_is_added_while_the_server_runs_is_known(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        it.beat(lambda: it.heart.agents_seen is not None)

        enrol.add_agent(it.engine, "s1", "second", now_ms=now_ms())

        assert it.beat(lambda: ("s1", "second") in it.heart.ingest.agents)


def test_a_disk_too_full_for_the_broker_s_accounts_is_waited_for(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as it:
        full, written = [True], []

        def write(_connection: object) -> None:
            if full[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            written.append(True)

        it.heart.accounts_changed = write
        enrol.add_agent(it.engine, "s1", "second", now_ms=now_ms())
        failed_quietly = not it.beat(lambda: bool(written), HOUSE_SECONDS + 1)
        full[0] = False

        assert it.beat(lambda: bool(written))
        assert failed_quietly
