"""M-Lab's ndt7 (m-lab/ndt-server, spec/ndt7-protocol.md v0.11): one WebSocket each way, found by Locate v2."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from schoolbeat_agent.probes.dns import Resolver
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.speed import websocket
from schoolbeat_agent.speed.stream import READ_BYTES, Stream, fetched, opened, parse_url, read_until_blank_line
from schoolbeat_agent.speed.tally import Sample, Tally, check_end, rate_bps, running, sampled

PROTOCOL: Final = "net.measurementlab.ndt.v7"
FIRST_BYTES, MOST_BYTES, SHARE = 1 << 13, 1 << 18, 16  # of a message: doubled while it is below sent / SHARE
MEASUREMENTS: Final = 1_000
ABOUT_US: Final = "client_name=schoolbeat"


class _App(msgspec.Struct):
    ElapsedTime: int = 0  # µs
    NumBytes: int = 0


class _Tcp(msgspec.Struct):
    ElapsedTime: int = 0
    MinRTT: int = 0
    BytesReceived: int = 0


class Measurement(msgspec.Struct):
    """What the server says now and then (the specification's names)."""

    AppInfo: _App | None = None
    TCPInfo: _Tcp | None = None


class _Place(msgspec.Struct):
    machine: str = ""
    urls: dict[str, str] = {}


class _Located(msgspec.Struct):
    results: list[_Place] = []


@dataclass(frozen=True)
class Addresses:
    """One server's two tests."""

    download: str
    upload: str

    @property
    def host(self) -> str:
        return urlsplit(self.download).hostname or ""


_measurement = msgspec.json.Decoder(Measurement)
_located = msgspec.json.Decoder(_Located)


def fixed(server: str) -> Addresses:
    base = server.rstrip("/")
    return Addresses(f"{base}/ndt/v7/download", f"{base}/ndt/v7/upload")


def parse_located(body: bytes, known: Sequence[str]) -> Addresses:
    """The server to use: one that was used before if it is offered, so that figures compare; else the nearest."""
    try:
        found = _located.decode(body)
    except msgspec.DecodeError as error:
        raise NoAnswer("bad_answer", f"the answer of Locate cannot be read: {error}") from error
    places = []
    for place in found.results[:20]:
        for scheme in ("wss", "ws"):
            urls = [place.urls.get(f"{scheme}:///ndt/v7/{test}", "") for test in ("download", "upload")]
            if all(url.startswith(f"{scheme}://") and len(url) < 4_096 for url in urls):
                places.append(Addresses(*urls))
                break
    if not places:
        raise NoAnswer("no_capacity", "Locate names no server")
    return next((place for place in places if place.host in known), places[0])


async def located(url: str, known: Sequence[str], resolvers: tuple[Resolver, ...], world: World) -> Addresses:
    """Asks the Locate service. 204 says that no server has room for us."""
    status, body = await fetched(url, resolvers, world)
    if status == 204:
        raise NoAnswer("no_capacity", "Locate says that no server has capacity (204)")
    if status != 200:
        raise NoAnswer("no_capacity" if status in (429, 503) else "http_status", f"Locate answers {status}")
    return parse_located(body, known)


def next_size(size: int, sent: int) -> int:
    return size * 2 if size < MOST_BYTES and size < sent / SHARE else size


def heard(samples: list[Sample], said: Measurement, sent: int) -> None:
    """Adds what the server says it received. It cannot have received more than was sent."""
    seconds, count = 0.0, 0
    if said.AppInfo is not None and said.AppInfo.ElapsedTime > 0:
        seconds, count = said.AppInfo.ElapsedTime / 1e6, said.AppInfo.NumBytes
    elif said.TCPInfo is not None:
        seconds, count = said.TCPInfo.ElapsedTime / 1e6, said.TCPInfo.BytesReceived
    if not 0 <= count <= sent * 1.05 + 4_096:
        raise NoAnswer("bad_answer", f"the server says that it received {count} bytes of {sent}")
    if seconds > 0 and (not samples or seconds > samples[-1][0]) and len(samples) < MEASUREMENTS:
        samples.append((seconds, count))


async def _upgraded(stream: Stream, url: str, world: World) -> None:
    parts = urlsplit(url)
    key = base64.b64encode(world.entropy(16)).decode("ascii")
    query = f"{parts.query}&{ABOUT_US}" if parts.query else ABOUT_US
    stream.writer.write(websocket.upgrade(parts.netloc, f"{parts.path}?{query}", key, PROTOCOL))
    websocket.check_upgraded(await read_until_blank_line(stream.reader), key, PROTOCOL)


class _Listening:
    """Reads what the server sends: counts messages, answers pings, keeps measurements."""

    def __init__(self, stream: Stream, tally: Tally, world: World) -> None:
        self.frames = websocket.Frames()
        self.samples: list[Sample] = []
        self._stream, self._tally, self._world = stream, tally, world

    async def run(self) -> None:
        """Until the server closes or hangs up."""
        while not self.frames.closed and (data := await self._stream.reader.read(READ_BYTES)):
            self._tally.rx_bytes += len(data)
            self._tally.check()
            for message in self.frames.feed(data):
                self._take(message)

    def _take(self, message: websocket.Message) -> None:
        if message.opcode in (websocket.PING, websocket.CLOSE):
            answer = websocket.PONG if message.opcode == websocket.PING else websocket.CLOSE
            self._stream.writer.write(websocket.control_frame(answer, message.payload, self._world.entropy(4)))
        elif message.opcode == websocket.TEXT:
            try:
                said = _measurement.decode(message.payload)
            except msgspec.DecodeError:
                return  # measurements are for information: one that cannot be read is passed over
            if said.TCPInfo is not None and said.TCPInfo.MinRTT > 0:
                self._tally.rtt_ms = said.TCPInfo.MinRTT / 1_000
            if self._tally.tx_bytes:
                heard(self.samples, said, self._tally.tx_bytes)


async def _send(stream: Stream, tally: Tally, world: World) -> None:
    """Random bytes in ever larger messages. Masked with a key of each message's own, as RFC 6455 wants: any bytes
    are some other bytes masked, so random ones need no XOR."""
    noise = memoryview(world.entropy(MOST_BYTES))
    size, sent = FIRST_BYTES, 0
    while True:
        now = min(size, tally.left)
        if now:
            stream.writer.write(websocket.frame_head(websocket.BINARY, now, world.entropy(4)))
            stream.writer.write(noise[:now])
            tally.tx_bytes += now
            sent += now
        await stream.writer.drain()
        size = next_size(size, sent)
        if not now:
            tally.check()


async def download(url: str, seconds: float, tally: Tally, resolvers: tuple[Resolver, ...], world: World) -> float:
    """Bits a second of what arrives here."""
    async with opened(parse_url(url, ("wss", "ws")), resolvers, world) as stream:
        tally.rtt_ms = stream.connect_ms
        await _upgraded(stream, url, world)
        listening = _Listening(stream, tally, world)
        async with running(listening.run()) as (task,):
            samples = await sampled(lambda: listening.frames.binary_bytes, seconds, tally, world.monotonic, task)
            check_end(task, listening.frames.closed, samples, seconds)
    return rate_bps(samples)


async def upload(url: str, seconds: float, tally: Tally, resolvers: tuple[Resolver, ...], world: World) -> float:
    """Bits a second of what the server says it received, by its own clock."""
    async with opened(parse_url(url, ("wss", "ws")), resolvers, world) as stream:
        await _upgraded(stream, url, world)
        listening = _Listening(stream, tally, world)
        tally.waiting = stream.waiting_bytes
        try:
            async with running(listening.run(), _send(stream, tally, world)) as (task, _):
                samples = await sampled(
                    lambda: tally.tx_bytes - stream.waiting_bytes(), seconds, tally, world.monotonic, task
                )
                check_end(task, listening.frames.closed, samples, seconds)
        finally:
            tally.waiting = lambda: 0
    return rate_bps(listening.samples)


async def run(
    server: str,
    locate: str,
    known: Sequence[str],
    seconds: float,
    tally: Tally,
    resolvers: tuple[Resolver, ...],
    world: World,
) -> None:
    """Both tests into the tally. NoAnswer or ProbeFailed where one breaks; what came before it stays."""
    addresses = fixed(server) if server else await located(locate, known, resolvers, world)
    tally.server = addresses.host
    tally.download_bps = await download(addresses.download, seconds, tally, resolvers, world)
    tally.upload_bps = await upload(addresses.upload, seconds, tally, resolvers, world)
