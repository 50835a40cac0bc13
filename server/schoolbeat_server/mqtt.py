"""The server's MQTT connection: paho without its threads, waiting by poll(), acknowledging by hand."""

from __future__ import annotations

import logging
import select
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

log = logging.getLogger(__name__)

SESSION_SECONDS = 3_600  # the broker keeps for us what comes while we restart
READ_AT_ONCE = 100  # packets, before the caller has a look
RECEIVE_MAXIMUM = 2_000  # unacknowledged at once: the bound of what waits in our memory


class Link:
    """One connection, driven by whoever calls `pump`. paho's own loop uses select(), which goes silent with
    descriptors of 1,024 and more; poll() does not."""

    def __init__(
        self,
        client: Client,
        host: str,
        port: int,
        on_message: Callable[[MQTTMessage], None],
        topics: tuple[str, ...] = ("schoolbeat/#",),
    ) -> None:
        """client: a paho client (v5, manual_ack) with its credentials and TLS set, not yet connected."""
        self.client, self.host, self.port, self.topics = client, host, port, topics
        self.connected = False
        self.problem = ""
        self.next_try = 0.0
        self.wait = 0.5
        client.connect_timeout = 5
        client.max_queued_messages_set(0)
        client.max_inflight_messages_set(65_535)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = lambda _client, _data, message: on_message(message)

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            self._trouble(f"the broker at {self.host}:{self.port} refuses us: {reason}")
            return
        log.info("connected to the broker at %s:%s", self.host, self.port)
        self.connected, self.problem, self.wait = True, "", 0.5
        options = SubscribeOptions(qos=1, noLocal=True)
        self.client.subscribe([(topic, options) for topic in self.topics])

    def _on_disconnect(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if self.connected:
            self._trouble(f"the broker at {self.host}:{self.port} is gone: {reason}")
        self.connected = False

    def _trouble(self, text: str) -> None:
        log.log(logging.DEBUG if self.problem else logging.WARNING, "%s", text)
        self.problem = text

    def _connect(self) -> None:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_SECONDS
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        try:
            self.client.connect(self.host, self.port, keepalive=30, clean_start=False, properties=properties)
        except (OSError, ValueError) as error:
            self._trouble(f"no connection to the broker at {self.host}:{self.port}: {error}")
            self.wait = min(self.wait * 2, 5.0)
        self.next_try = time.monotonic() + self.wait

    def pump(self, seconds: float) -> None:
        """Waits up to `seconds` for the network and handles what is there."""
        socket = self.client.socket()
        if socket is None:
            if time.monotonic() >= self.next_try:
                self._connect()
            else:
                time.sleep(max(0.0, min(seconds, self.next_try - time.monotonic())))
            return
        poll = select.poll()
        poll.register(socket, select.POLLIN | (select.POLLOUT if self.client.want_write() else 0))
        wait = 0 if _pending(socket) else max(0, int(seconds * 1000))
        for _ in range(READ_AT_ONCE):  # paho reads one packet a call
            ready = poll.poll(wait)
            if not (_pending(socket) or (ready and ready[0][1] & ~select.POLLOUT)):
                break
            self.client.loop_read()
            if self.client.socket() is not socket:
                return
            wait = 0
        if self.client.want_write():
            self.client.loop_write()
        if self.client.socket() is not None:
            self.client.loop_misc()

    def ack(self, message: MQTTMessage) -> None:
        if message.qos:
            self.client.ack(message.mid, message.qos)

    def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=qos, retain=retain)

    def close(self) -> None:
        if self.connected:
            self.client.disconnect()
            deadline = time.monotonic() + 1
            while self.client.socket() is not None and time.monotonic() < deadline:
                self.pump(0.05)


def _pending(socket: Any) -> bool:
    """TLS and websockets may hold bytes that poll() does not see."""
    pending = getattr(socket, "pending", None)
    return pending is not None and bool(pending())
