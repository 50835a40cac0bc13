"""An outside broker, given by URL: how to reach it, and whether it hands over enough unacknowledged messages."""

from __future__ import annotations

import secrets
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

_SCHEMES = {  # scheme: (port, tls, transport)
    "mqtt": (1883, False, "tcp"),
    "mqtts": (8883, True, "tcp"),
    "ws": (80, False, "websockets"),
    "wss": (443, True, "websockets"),
}
# Outside `schoolbeat/`: the ingest's session, which may be waiting there, must not get these.
CHECK_TOPIC = "schoolbeat-check"


class OutsideBrokerError(RuntimeError):
    """The outside broker cannot be used as given; the text names it and says what to do."""


@dataclass(frozen=True)
class BrokerAddress:
    """A broker's URL taken apart. `__str__` leaves the password out."""

    scheme: str
    host: str
    port: int
    path: str = "/mqtt"
    username: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_broker_url(url: str) -> BrokerAddress:
    """`mqtt|mqtts|ws|wss://[user[:password]@]host[:port][/path]`; raises OutsideBrokerError."""
    allowed = "mqtt://, mqtts://, ws://, wss:// + [user:password@]host[:port]"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise OutsideBrokerError(f"broker: URL không hợp lệ / invalid URL ({error}); {allowed}") from None
    if parts.scheme not in _SCHEMES or not host:
        raise OutsideBrokerError(f"broker: {parts.scheme}://{host or ''}: phải có dạng / must be of the form {allowed}")
    return BrokerAddress(
        scheme=parts.scheme,
        host=host,
        port=port or _SCHEMES[parts.scheme][0],
        path=parts.path if parts.path not in ("", "/") else "/mqtt",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def broker_client(address: BrokerAddress, client_id: str, ca_file: Path | None = None) -> Client:
    """A paho client (v5, manual acknowledgement) for this address, not yet connected. TLS is verified."""
    _, tls, transport = _SCHEMES[address.scheme]
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=MQTTv5,
        transport="websockets" if transport == "websockets" else "tcp",
        manual_ack=True,
    )
    if transport == "websockets":
        client.ws_set_options(path=address.path)
    if tls:
        client.tls_set(ca_certs=str(ca_file) if ca_file else None)
    if address.username:
        client.username_pw_set(address.username, address.password)
    return client


def check_outside_broker(
    make_client: Callable[[], Client],
    address: BrokerAddress,
    *,
    messages: int = 50,
    timeout_seconds: float = 10.0,
) -> str | None:
    """Send ourselves QoS 1 messages and acknowledge none: how many are we given? A broker with a small
    in-flight window caps every batch of the ingest, and with a small queue loses the rest without a word.

    Returns None when all came, else a warning (vi / en). Raises OutsideBrokerError when it cannot be asked.
    """
    client = make_client()
    given = _Given()
    client.on_connect = given.on_connect
    client.on_message = given.on_message
    client.on_subscribe = given.on_subscribe
    client.on_publish = given.on_publish
    topic = f"{CHECK_TOPIC}/{secrets.token_hex(8)}"
    try:
        client.connect(address.host, address.port, keepalive=30)
        _pump(client, lambda: given.connected, timeout_seconds)
        if given.refused or not given.connected:
            raise OutsideBrokerError(f"{address}: không đăng nhập được / login failed: {given.refused or 'no answer'}")
        client.subscribe(topic, qos=1)
        _pump(client, lambda: given.subscribed, timeout_seconds)
        for number in range(messages):
            client.publish(topic, str(number), qos=1)
        _pump(client, lambda: given.refused or len(given.unacknowledged) >= messages, timeout_seconds)
        if given.refused:
            raise OutsideBrokerError(
                f"{address}: tài khoản phải được ghi và đọc chủ đề {CHECK_TOPIC}/# / the account must be allowed to "
                f"write and read the topic {CHECK_TOPIC}/#: {given.refused}"
            )
        before = len(given.unacknowledged)
        _acknowledge_all(client, given, messages, timeout_seconds)
        client.disconnect()
    except OSError as error:
        raise OutsideBrokerError(f"{address}: không kết nối được / cannot connect: {error}") from None
    return _warning(address, messages, before, given.received)


class _Given:
    """What the broker has given us so far."""

    def __init__(self) -> None:
        self.connected = False
        self.subscribed = False
        self.refused = ""
        self.received = 0
        self.unacknowledged: list[MQTTMessage] = []

    def on_connect(self, client: Client, data: object, flags: object, reason: ReasonCode, more: object) -> None:
        self.connected = True
        self.refused = str(reason) if reason.is_failure else ""

    def on_subscribe(self, client: Client, data: object, mid: int, reasons: list[ReasonCode], more: object) -> None:
        self.subscribed = True
        self.refused = "; ".join(str(reason) for reason in reasons if reason.is_failure)

    def on_publish(self, client: Client, data: object, mid: int, reason: ReasonCode, more: object) -> None:
        if reason.is_failure:
            self.refused = str(reason)

    def on_message(self, client: Client, data: object, message: MQTTMessage) -> None:
        self.received += 1
        self.unacknowledged.append(message)


def _acknowledge_all(client: Client, given: _Given, messages: int, timeout_seconds: float) -> None:
    """Acknowledge what came, so that what waits behind it comes too; what never comes was dropped."""

    def acknowledged() -> bool:
        while given.unacknowledged:
            message = given.unacknowledged.pop()
            client.ack(message.mid, message.qos)
        return given.received >= messages

    if given.received:
        _pump(client, acknowledged, timeout_seconds)


def _pump(client: Client, done: Callable[[], object], timeout_seconds: float) -> None:
    """Drive the client until done or out of time. Not paho's own loop: its select() goes silent with
    descriptors of 1,024 and more."""
    deadline = time.monotonic() + timeout_seconds
    while not done() and (left := deadline - time.monotonic()) > 0:
        connection = client.socket()
        if connection is None:
            return
        with selectors.DefaultSelector() as selector:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.want_write() else 0)
            selector.register(connection, events)
            ready = selector.select(0 if _pending(connection) else min(left, 0.2))
        if _pending(connection) or any(mask & selectors.EVENT_READ for _, mask in ready):
            client.loop_read()
        if client.want_write():
            client.loop_write()
        if client.loop_misc() != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return


def _pending(connection: object) -> bool:
    """TLS may hold bytes that the kernel no longer announces."""
    pending = getattr(connection, "pending", None)
    return bool(pending and pending())


def _warning(address: BrokerAddress, messages: int, before: int, received: int) -> str | None:
    if before >= messages:
        return None
    if received < messages:
        return (
            f"{address} nhận {messages} bản tin nhưng chỉ giao {received}: nó làm mất bản tin mà không báo. "
            f"Hãy bỏ giới hạn hàng đợi (Mosquitto: max_queued_messages 1000000000, max_inflight_messages 0). / "
            f"{address} took {messages} messages and handed over only {received}: it loses messages without a "
            f"word. Lift the limit of its queue (Mosquitto: max_queued_messages 1000000000, max_inflight_messages 0)."
        )
    return (
        f"{address} chỉ giao {before} trong {messages} bản tin chưa xác nhận: máy chủ sẽ ghi chậm. "
        f"Hãy tăng giới hạn (Mosquitto: max_inflight_messages 0). / "
        f"{address} hands over only {before} of {messages} unacknowledged messages: the server will be slow to "
        f"record. Raise the limit (Mosquitto: max_inflight_messages 0)."
    )
