"""The line between an agent and its broker, as a relay that understands MQTT's frames: cut, held up, slow, repeating."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from schoolbeat_wire import report
from schoolbeat_wire.errors import WireError

Way = Literal["up", "down"]  # up: from the agent to the broker

PUBLISH, PUBACK = 3, 4
DUPLICATE = 0x08
INJECTED = 64_000  # packet identifiers of what the relay sends by itself: no agent comes so far
REMEMBERED = 60  # reports, to be replayed
LONGEST_MIX_SECONDS = 1.5
LIMIT = 1 << 22


@dataclass(frozen=True)
class Frame:
    """One MQTT control packet as it was read."""

    head: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.head >> 4

    @property
    def quality(self) -> int:
        return (self.head >> 1) & 3

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + int.from_bytes(self.body[:2])].decode() if self.kind == PUBLISH else ""

    @property
    def payload(self) -> bytes:
        """Of a PUBLISH of MQTT 5: after topic, packet identifier and properties."""
        at = 2 + int.from_bytes(self.body[:2]) + (2 if self.quality else 0)
        length, used = _varint(self.body[at:])
        return self.body[at + used + length :]

    def numbered(self, identifier: int) -> Frame:
        """The same PUBLISH as a repeat under another packet identifier."""
        at = 2 + int.from_bytes(self.body[:2])
        return Frame(self.head | DUPLICATE, self.body[:at] + identifier.to_bytes(2) + self.body[at + 2 :])

    def bytes(self) -> bytes:
        length, out = len(self.body), bytearray([self.head])
        while True:
            length, low = length >> 7, length & 127
            out.append(low | 128 if length else low)
            if not length:
                return bytes(out) + self.body


def _varint(data: bytes) -> tuple[int, int]:
    """(value, bytes used)."""
    value = 0
    for used, byte in enumerate(data[:4]):
        value |= (byte & 127) << (7 * used)
        if byte < 128:
            return value, used + 1
    raise ValueError("no variable byte integer of MQTT")


async def read_frame(reader: asyncio.StreamReader) -> Frame:
    """asyncio.IncompleteReadError at the end of the stream."""
    head, length = (await reader.readexactly(1))[0], b""
    while not length or length[-1] & 128:
        length += await reader.readexactly(1)
    return Frame(head, await reader.readexactly(_varint(length)[0]))


@dataclass
class Sent:
    """What an agent put on the wire, by its own hand."""

    reports: int = 0
    minutes: int = 0
    each: Counter[tuple[str, int]] = field(default_factory=Counter)  # (epoch, seq) -> times
    acks: int = 0  # that came through to it
    acks_lost: int = 0
    repeated: int = 0  # frames that the relay sent once more, or late, or again
    mixed: int = 0
    replayed: int = 0
    connections: int = 0


@dataclass
class Line:
    """One agent's. What it does to what passes is set from outside and may change at any moment."""

    port: int
    broker_port: int
    rng: random.Random
    cut: bool = False
    held: set[Way] = field(default_factory=set)
    delay_seconds: float = 0.0
    repeat_share: float = 0.0
    mix_share: float = 0.0
    lost_acks_share: float = 0.0
    sent: Sent = field(default_factory=Sent)
    connections: set[Connection] = field(default_factory=set)
    past: deque[Frame] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def count(self, frame: Frame) -> bool:
        """Whether it is a report of the agent's."""
        if frame.kind != PUBLISH or not frame.topic.endswith("/report"):
            return False
        self.past.append(frame)
        with suppress(WireError):
            found = report.decode(frame.payload)
            self.sent.reports += 1
            self.sent.minutes += found.count
            self.sent.each.update((found.epoch, found.seq + index) for index in range(found.count))
        return True


class Connection:
    """One TCP connection of the agent and the relay's own to the broker behind it. By identity a key of sets."""

    def __init__(self, line: Line, agent: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.line, self.forgotten = line, False
        self.writers: dict[Way, asyncio.StreamWriter] = {"up": broker, "down": agent}
        self.queues: dict[Way, asyncio.Queue[tuple[float, Frame]]] = {"up": asyncio.Queue(), "down": asyncio.Queue()}
        self._clock = asyncio.get_running_loop().time
        self._injected = INJECTED

    def put(self, way: Way, frame: Frame, later: float = 0.0) -> None:
        self.queues[way].put_nowait((self._clock() + self.line.delay_seconds + later, frame))

    async def read(self, way: Way, reader: asyncio.StreamReader) -> None:
        while True:
            frame = await read_frame(reader)
            (self._from_agent if way == "up" else self._from_broker)(frame)

    def _from_agent(self, frame: Frame) -> None:
        line = self.line
        if not line.count(frame):
            self.put("up", frame)
            return
        if line.rng.random() < line.mix_share:  # others overtake it
            line.sent.mixed += 1
            seconds = line.rng.uniform(0, LONGEST_MIX_SECONDS)
            asyncio.get_running_loop().call_later(seconds, self.put, "up", frame)
        else:
            self.put("up", frame)
        if line.rng.random() < line.repeat_share:
            line.sent.repeated += 1
            again = Frame(frame.head | DUPLICATE, frame.body)
            asyncio.get_running_loop().call_later(line.rng.choice((0.0, 0.1, 2.0)), self.put, "up", again)

    def _from_broker(self, frame: Frame) -> None:
        if frame.kind == PUBACK and int.from_bytes(frame.body[:2]) >= INJECTED:
            return
        if frame.kind == PUBLISH and frame.topic.endswith("/ack") and frame.quality == 0:
            if self.line.rng.random() < self.line.lost_acks_share:
                self.line.sent.acks_lost += 1
                return
            self.line.sent.acks += 1
        self.put("down", frame)

    def replay(self) -> None:
        """Everything remembered once more, in any order."""
        past = list(self.line.past)
        self.line.rng.shuffle(past)
        for frame in past:
            self._injected = self._injected + 1 if self._injected < 65_535 else INJECTED
            self.put("up", frame.numbered(self._injected))
        self.line.sent.replayed += len(past)

    async def write(self, way: Way) -> None:
        while True:
            at, frame = await self.queues[way].get()
            await asyncio.sleep(at - self._clock())
            while way in self.line.held or self.forgotten:
                await asyncio.sleep(0.05)
            self.writers[way].write(frame.bytes())
            await self.writers[way].drain()

    def break_off(self) -> None:
        for writer in self.writers.values():
            writer.transport.abort()


class Relay:
    """All lines, on a loop in a thread of its own. Its methods may be called from any other."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def add(self, listener: socket.socket, broker_port: int, seed: int) -> Line:
        line = Line(listener.getsockname()[1], broker_port, random.Random(seed))
        self.lines.append(line)

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._carry(line, reader, writer)

        async def serve() -> None:
            self._servers.append(await asyncio.start_server(accept, sock=listener, limit=LIMIT))

        self._do(serve())
        return line

    async def _carry(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if line.cut:
            writer.transport.abort()
            return
        try:
            broker_reader, broker = await asyncio.open_connection("127.0.0.1", line.broker_port, limit=LIMIT)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection(line, writer, broker)
        line.connections.add(connection)
        line.sent.connections += 1
        parts = [
            asyncio.create_task(part)
            for part in (
                connection.read("up", reader),
                connection.read("down", broker_reader),
                connection.write("up"),
                connection.write("down"),
            )
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            while connection.forgotten and not all(part.done() for part in parts[:2]):
                await asyncio.sleep(0.1)  # each end lives on until it gives up by itself
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):  # what was read before the end still goes its way
                    while any(not queue.empty() for queue in connection.queues.values()):
                        await asyncio.sleep(0.02)
        finally:
            for part in parts:
                part.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.gather(*parts, return_exceptions=True)
            line.connections.discard(connection)
            connection.break_off()

    def _call(self, work: Callable[[], None]) -> None:
        async def wrapped() -> None:
            work()

        self._do(wrapped())

    def cut(self, line: Line) -> None:
        def work() -> None:
            line.cut = True
            for connection in list(line.connections):
                connection.break_off()

        self._call(work)

    def mend(self, line: Line) -> None:
        line.cut = False

    def forget(self, line: Line) -> None:
        """Nothing passes any more on the connections that stand; new ones are carried once the line is mended."""

        def work() -> None:
            line.cut = True
            for connection in line.connections:
                connection.forgotten = True

        self._call(work)

    def replay(self, line: Line) -> None:

        def work() -> None:
            for connection in line.connections:
                connection.replay()

        self._call(work)

    def close(self) -> None:
        async def work() -> None:
            for server in self._servers:
                server.close()
            for line in self.lines:
                for connection in list(line.connections):
                    connection.forgotten = False
                    connection.break_off()
            await asyncio.sleep(0.1)

        self._do(work())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
