"""The server's connection with more descriptors open than select() can watch."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from tests.ports import free_port

from schoolbeat_server.broker import BrokerSettings, ManagedBroker
from schoolbeat_server.credentials import server_account, write_accounts
from schoolbeat_server.mqtt import Link


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1_100)]
    try:
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_link_with_a_high_descriptor_receives_acknowledges_and_publishes(
    tmp_path: Path, many_descriptors: None
) -> None:
    port = free_port()
    own = BrokerSettings(folder=tmp_path / "broker", port=port)
    broker = ManagedBroker(own)
    broker.start()
    write_accounts(own.folder, [server_account("secret"), server_account("secret", "school")], own.owner)
    broker.reload()
    client = Client(CallbackAPIVersion.VERSION2, "server", protocol=MQTTv5, manual_ack=True)
    client.username_pw_set("server", "secret")
    came: list[MQTTMessage] = []
    link = Link(client, "127.0.0.1", port, came.append)
    subscribed: list[bool] = []
    acked: list[MQTTMessage] = []
    client.on_subscribe = lambda *_: subscribed.append(True)

    def pump(done: object) -> None:
        deadline = time.monotonic() + 20
        while not done() and time.monotonic() < deadline:  # type: ignore[operator]
            link.pump(0.1)

    try:
        pump(lambda: subscribed)
        assert client.socket().fileno() > 1_024  # type: ignore[union-attr]
        beside = Client(CallbackAPIVersion.VERSION2, "server-2", protocol=MQTTv5)
        beside.username_pw_set("school", "secret")
        other = Link(beside, "127.0.0.1", port, lambda _message: None)
        deadline = time.monotonic() + 20
        while not other.connected and time.monotonic() < deadline:
            other.pump(0.1)
        for n in range(300):
            other.publish("schoolbeat/1/s1/gateway/report", f"{n:03}".encode() * 1_000, qos=1)
        while len(came) < 300 and time.monotonic() < deadline:
            other.pump(0.01)
            link.pump(0.01)
            for message in came[len(acked) :]:
                link.ack(message)
                acked.append(message)
        other.close()
    finally:
        link.close()
        broker.stop()

    assert sorted({int(message.payload[:3]) for message in came}) == list(range(300))
