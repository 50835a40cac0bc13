"""A LibreSpeed backend: several streams of garbage.php down, of POSTs to empty.php up, each for a set time."""

from __future__ import annotations

import asyncio
from statistics import median
from typing import Final
from urllib.parse import SplitResult

from schoolbeat_agent.probes.dns import Resolver
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.speed.stream import READ_BYTES, Stream, opened, parse_url, read_final_head, request
from schoolbeat_agent.speed.tally import Tally, any_broken, check_end, rate_bps, running, sampled

STREAMS: Final = 4
STAGGER_SECONDS: Final = 0.1
MEBIBYTES: Final = 100  # asked of garbage.php at a time; the test ends first
POST_BYTES: Final = 20 * 1024 * 1024  # what LibreSpeed's own page posts, so what its servers are set up to take
PIECE_BYTES: Final = 64 * 1024
PINGS: Final = 5


class _Backend:
    """The folder with garbage.php and empty.php."""

    def __init__(self, url: str, resolvers: tuple[Resolver, ...], world: World) -> None:
        self.parts: SplitResult = parse_url(url if url.endswith("/") else url + "/", ("https", "http"))
        self.resolvers, self.world = resolvers, world

    def at(self, file: str) -> tuple[SplitResult, str]:
        return self.parts, self.parts.path + file


async def ping_ms(backend: _Backend) -> float:
    """The median time of TCP's handshake; the backend must answer empty.php once."""
    times = []
    for turn in range(PINGS):
        async with opened(backend.parts, backend.resolvers, backend.world) as stream:
            times.append(stream.connect_ms)
            if turn == 0:
                stream.writer.write(request("GET", *backend.at("empty.php")))
                head = await read_final_head(stream.reader)
                if head.status != 200:
                    raise NoAnswer("http_status", f"{backend.parts.netloc}: empty.php answers {head.status}")
    return median(times)


async def _get(backend: _Backend, tally: Tally, delay_seconds: float) -> None:
    """One stream of the download, for ever."""
    await asyncio.sleep(delay_seconds)
    while True:
        async with opened(backend.parts, backend.resolvers, backend.world) as stream:
            stream.writer.write(request("GET", *backend.at(f"garbage.php?ckSize={MEBIBYTES}"), "Accept: */*"))
            head = await read_final_head(stream.reader)
            if head.status != 200:
                raise NoAnswer("http_status", f"{backend.parts.netloc}: garbage.php answers {head.status}")
            got = 0
            while data := await stream.reader.read(READ_BYTES):
                tally.rx_bytes += len(data)
                tally.check()
                got += len(data)
        if got < PIECE_BYTES:
            raise NoAnswer("bad_answer", f"{backend.parts.netloc}: garbage.php sends only {got} bytes")


class _Sending:
    """The streams of an upload, and what they have got across."""

    def __init__(self, backend: _Backend, tally: Tally) -> None:
        self.backend, self.tally = backend, tally
        self.streams: set[Stream] = set()

    def waiting_bytes(self) -> int:
        return sum(stream.waiting_bytes() for stream in self.streams)

    async def run(self, delay_seconds: float) -> None:
        """One stream, for ever."""
        await asyncio.sleep(delay_seconds)
        noise = memoryview(self.backend.world.entropy(PIECE_BYTES))
        while True:
            async with opened(self.backend.parts, self.backend.resolvers, self.backend.world) as stream:
                self.streams.add(stream)
                try:
                    await self._post(stream, noise)
                finally:
                    self.streams.discard(stream)

    async def _post(self, stream: Stream, noise: memoryview) -> None:
        fields = (f"Content-Length: {POST_BYTES}", "Content-Type: application/octet-stream")
        stream.writer.write(request("POST", *self.backend.at("empty.php"), *fields))
        left = POST_BYTES
        while left:
            self.tally.check()
            size = min(PIECE_BYTES, left, self.tally.left)
            stream.writer.write(noise[:size])
            self.tally.tx_bytes += size
            left -= size
            await stream.writer.drain()
        head = await read_final_head(stream.reader)
        if head.status != 200:
            raise NoAnswer(
                "http_status", f"{self.backend.parts.netloc}: empty.php answers {head.status} to {POST_BYTES} bytes"
            )


async def download(backend: _Backend, seconds: float, tally: Tally) -> float:
    """Bits a second of what arrives here, over all streams."""
    before = tally.rx_bytes
    async with running(*(_get(backend, tally, turn * STAGGER_SECONDS) for turn in range(STREAMS))) as tasks:
        done = any_broken(tasks)
        samples = await sampled(lambda: tally.rx_bytes - before, seconds, tally, backend.world.monotonic, done)
        check_end(done, False, samples, seconds)
    return rate_bps(samples)


async def upload(backend: _Backend, seconds: float, tally: Tally) -> float:
    """Bits a second of what the other side's TCP has acknowledged: a LibreSpeed server does not tell what it got."""
    sending = _Sending(backend, tally)
    before, tally.waiting = tally.tx_bytes, sending.waiting_bytes
    try:
        async with running(*(sending.run(turn * STAGGER_SECONDS) for turn in range(STREAMS))) as tasks:
            done = any_broken(tasks)
            samples = await sampled(
                lambda: tally.tx_bytes - before - sending.waiting_bytes(),
                seconds,
                tally,
                backend.world.monotonic,
                done,
            )
            check_end(done, False, samples, seconds)
    finally:
        tally.waiting = lambda: 0
    return rate_bps(samples)


async def run(url: str, seconds: float, tally: Tally, resolvers: tuple[Resolver, ...], world: World) -> None:
    """Both tests into the tally. NoAnswer or ProbeFailed where one breaks; what came before it stays."""
    backend = _Backend(url, resolvers, world)
    tally.server = backend.parts.hostname or ""
    tally.rtt_ms = await ping_ms(backend)
    tally.download_bps = await download(backend, seconds, tally)
    tally.upload_bps = await upload(backend, seconds, tally)
