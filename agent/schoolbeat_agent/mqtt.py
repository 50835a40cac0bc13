"""One MQTT 5 session on the asyncio loop, without a network thread: paho, driven by readiness of its socket."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import ssl
import sys
import threading
import types
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final


def _only_when_used(name: str) -> None:
    """paho imports urllib.request for SOCKS proxies, which the agent never uses: 1.5 MiB for nothing, unless put off.

    What stands in for the module loads it at the first use. (importlib's LazyLoader loads at the next `import`.)
    """
    if name in sys.modules:
        return
    package, _, last = name.rpartition(".")
    later = types.ModuleType(name)

    def found(attribute: str) -> Any:
        if attribute.startswith("__"):  # who only looks at all modules there are
            raise AttributeError(attribute)
        if sys.modules.get(name) is later:
            del sys.modules[name]
        return getattr(importlib.import_module(name), attribute)

    later.__spec__ = importlib.util.find_spec(name)
    later.__dict__["__getattr__"] = found  # PEP 562
    sys.modules[name] = later
    setattr(importlib.import_module(package), last, later)


_only_when_used("urllib.request")

from paho.mqtt.client import Client, MQTTMessage  # noqa: E402 - after what is put off
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

from schoolbeat_agent.settings import Broker  # noqa: E402

CONNECT_SECONDS: Final = 6.0  # for one address, the TLS handshake, the answer: each
ATTEMPT_SECONDS: Final = 20.0
INBOX: Final = 1_000


class NoSession(Exception):
    """The broker cannot be reached or refuses; the text says why."""


@dataclass(frozen=True)
class Will:
    topic: str
    payload: bytes


@dataclass(frozen=True)
class Arrived:
    """A message and the boot's second at which it came."""

    topic: str
    payload: bytes
    at: float


def tls_context(broker: Broker) -> ssl.SSLContext:
    """Certificate and host name are checked. NoSession names a CA file that cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if broker.ca_file is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cafile=broker.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise NoSession(f"CA file {broker.ca_file}: {error}") from None
    return context


class Session:
    """Connected until `closed` is set. A new object for each connection: nothing of an old one lives on."""

    def __init__(self, broker: Broker, client_id: str, will: Will, clock: Callable[[], float]) -> None:
        self.closed = asyncio.Event()
        self.wake = asyncio.Event()  # something arrived, or the session closed
        self.inbox: deque[Arrived] = deque(maxlen=INBOX)
        self.why = ""
        self._broker, self._clock = broker, clock
        self._accepted = self._abandoned = False
        self._loop = asyncio.get_running_loop()
        self._descriptor = -1
        self._writes = False
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            transport=broker.transport,
        )
        client.username_pw_set(broker.username, broker.password or None)
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.connect_timeout = CONNECT_SECONDS
        client.suppress_exceptions = True
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        if broker.transport == "websockets":
            client.ws_set_options(path=broker.websocket_path)
        self._client = client

    async def open(self) -> None:
        """NoSession when that does not work out. Looking up, connecting and TLS happen beside the loop."""
        if self._broker.tls:
            self._client.tls_set_context(tls_context(self._broker))
        problem = await _in_thread(self._connect, ATTEMPT_SECONDS)
        if problem is not None:
            self._abandoned = True
            self._drop()
            raise NoSession(problem)
        socket = self._client.socket()
        if socket is None:
            raise NoSession("the connection was closed at once")
        self._descriptor = socket.fileno()
        self._loop.add_reader(self._descriptor, self._readable)
        self._mind_writes()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_SECONDS):
                while not self._accepted and not self.closed.is_set():
                    await self.wake.wait()
                    self.wake.clear()
        if not self._accepted:
            why = self.why or "the broker does not answer"
            self.close()
            raise NoSession(why)

    def _connect(self) -> str | None:
        """In a thread of its own; why it failed."""
        try:
            self._client.connect(
                self._broker.host,
                self._broker.port,
                keepalive=self._broker.keepalive,
                clean_start=True,
            )
        except (OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}" if not str(error) else str(error)
        except Exception as error:  # paho raises its own kind for a refused websocket
            return f"{type(error).__name__}: {error}"
        if self._abandoned:  # too late: another attempt may stand already
            self._drop()
        return None

    def publish(self, topic: str, payload: bytes, *, retain: bool = False, expiry_seconds: int = 0) -> None:
        """QoS 1. Nothing waits for the broker's answer: what matters is acknowledged by the server."""
        properties = None
        if expiry_seconds:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry_seconds
        self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        self._mind_writes()

    def subscribe(self, topics: list[str]) -> None:
        self._client.subscribe([(topic, 1) for topic in topics])
        self._mind_writes()

    def keep_alive(self) -> None:
        """To be called every second or two."""
        self._client.loop_misc()
        self._mind_writes()

    async def flush(self, seconds: float) -> None:
        """Until all is handed to the kernel, at most that long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._client.want_write() and not self.closed.is_set():
                    self._client.loop_write()
                    await asyncio.sleep(0.02)

    def close(self) -> None:
        """Says goodbye (so the will is not sent) if the session stands."""
        self._unwatch()
        if not self.closed.is_set():
            with contextlib.suppress(OSError, ValueError):
                self._client.disconnect()
                self._client.loop_write()
        self._drop()
        self.closed.set()
        self.wake.set()

    def _drop(self) -> None:
        socket = self._client.socket()
        if socket is not None:
            with contextlib.suppress(OSError):
                socket.close()

    def _readable(self) -> None:
        """TLS and websockets may hold bytes that the kernel no longer shows."""
        while True:
            self._client.loop_read()
            socket = self._client.socket()
            if socket is None or not (hasattr(socket, "pending") and socket.pending()):
                break
        self._mind_writes()

    def _writable(self) -> None:
        self._client.loop_write()
        self._mind_writes()

    def _mind_writes(self) -> None:
        if self._client.socket() is None:
            self._lost("the connection broke")
            return
        if self._descriptor < 0:
            return
        wants = self._client.want_write()
        if wants and not self._writes:
            self._loop.add_writer(self._descriptor, self._writable)
        elif self._writes and not wants:
            self._loop.remove_writer(self._descriptor)
        self._writes = wants

    def _unwatch(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)
            self._descriptor, self._writes = -1, False

    def _lost(self, why: str) -> None:
        self._unwatch()
        self.why = self.why or why
        self.closed.set()
        self.wake.set()

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: object, _properties: object) -> None:
        self._accepted = not getattr(reason, "is_failure", True)
        if not self._accepted:
            self.why = f"the broker refuses: {reason}"
        self.wake.set()

    def _on_disconnect(
        self, _client: object, _data: object, flags: object, reason: object, _properties: object
    ) -> None:
        # paho has closed its socket already; its number may belong to another one from the next accept on.
        told = getattr(flags, "is_disconnect_packet_from_server", False)
        self._lost(f"the broker ended the session: {reason}" if told else "the connection was lost")

    def _on_message(self, _client: object, _data: object, message: MQTTMessage) -> None:
        self.inbox.append(Arrived(message.topic, bytes(message.payload), self._clock()))
        self.wake.set()


async def _in_thread(work: Callable[[], str | None], seconds: float) -> str | None:
    """In a thread that nobody waits for at exit: a name lookup can hang for minutes."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[str | None] = loop.create_future()

    def settle(result: str | None) -> None:
        if not done.done():
            done.set_result(result)

    def run() -> None:
        result = work()
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result)

    threading.Thread(target=run, name="connect", daemon=True).start()
    try:
        async with asyncio.timeout(seconds):
            return await done
    except TimeoutError:
        return f"no connection within {seconds:.0f} s"
