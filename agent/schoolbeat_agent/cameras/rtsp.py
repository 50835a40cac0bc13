"""A client of RTSP 1.0 (RFC 2326, with what RFC 7826 made clear): it asks until video arrives, over one connection."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from schoolbeat_agent.cameras import digest, heads, sdp
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.heads import Head
from schoolbeat_agent.cameras.video import Video
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

PORT: Final = 554
BODY_BYTES: Final = 65_536
RUN_BYTES: Final = 16 * 1024 * 1024  # of one conversation: what a flood may cost
RUN_MESSAGES: Final = 20_000  # a 4K camera sends a thousand packets a second
BUFFER_BYTES: Final = 65_536
CONNECT_SECONDS: Final = 4.0
REPLY_SECONDS: Final = 8.0
TEAR_DOWN_SECONDS: Final = 1.0
DOLLAR: Final = b"$"  # begins interleaved data (RFC 2326, 10.12)


@dataclass(frozen=True)
class Place:
    """Where a stream is. `path` begins with "/" and may hold a password that a vendor put there: never logged."""

    address: str
    port: int = PORT
    path: str = field(default="/", repr=False)

    @property
    def url(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"rtsp://{host}{f':{self.port}' if self.port != PORT else ''}{self.path}"

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def path_of(stream: str) -> str:
    """The path and query of a configured path, or of a whole rtsp address of which host and user are left out.

    Empty where the text holds none; what no request line can carry is written %XX.
    """
    text = stream.strip()
    if sdp.SCHEME.match(text):
        with contextlib.suppress(ValueError):
            parts = urlsplit(text)
            text = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not text:
        return ""
    text = re.sub(r"[^!-~]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)
    return text if text.startswith("/") else "/" + text


def port_of(stream: str) -> int:
    """The port of a whole rtsp address; PORT where it says none."""
    with contextlib.suppress(ValueError):
        return urlsplit(stream.strip()).port or PORT
    return PORT


@dataclass(frozen=True)
class Reply:
    head: Head
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status


class Conversation:
    """One connection to a camera: requests, their replies, and interleaved data that may come at any time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, login: Login, place: Place) -> None:
        self.place, self.login = place, login
        self.media: Callable[[int, bytes], None] = lambda channel, data: None
        self.has_answered = False
        self._reader, self._writer = reader, writer
        self._sequence, self._bytes, self._messages, self._session = 0, 0, 0, ""

    async def ask(self, method: str, url: str, **fields: str) -> Reply:
        """The reply, after as many refusals as are worth answering. NoAnswer("timeout") when none comes."""
        while True:
            try:
                async with asyncio.timeout(REPLY_SECONDS):
                    reply = await self._reply_to(self.send(method, url, **fields))
            except TimeoutError as error:
                raise NoAnswer("timeout", f"{self.place}: no reply to {method} in {REPLY_SECONDS:.0f} s") from error
            if reply.status != 401:
                return reply
            if not self.login.take(digest.parse_challenges(reply.head.every("www-authenticate"))):
                return reply

    def send(self, method: str, url: str, **fields: str) -> int:
        """The sequence number of what was sent."""
        self._sequence += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._sequence}", "User-Agent: SchoolBeat"]
        if authorization := self.login.header(method, url):
            lines.append(f"Authorization: {authorization}")
        if self._session:
            lines.append(f"Session: {self._session}")
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        return self._sequence

    async def _reply_to(self, sequence: int) -> Reply:
        while True:
            reply = await self.next()
            if reply is None or reply.head.field("cseq") not in ("", str(sequence)):
                continue  # data, a late reply, or a request of the camera's own
            self._session = reply.head.field("session").partition(";")[0].strip() or self._session
            return reply

    async def next(self) -> Reply | None:
        """The next message; None when it was interleaved data, which goes to `media`, or a request."""
        self._messages += 1
        if self._messages > RUN_MESSAGES:
            raise NoAnswer("bad_answer", f"{self.place}: more than {RUN_MESSAGES} messages and still no video")
        first = await self._exactly(1)
        if first == DOLLAR:
            header = await self._exactly(3)
            self.media(header[0], await self._exactly(int.from_bytes(header[1:])))
            return None
        if first in b"\r\n":
            return None
        head = await heads.read_head(self._reader, first)
        self._count(sum(len(name) + len(value) for name, value in head.fields))
        if head.length > BODY_BYTES:
            raise NoAnswer("bad_answer", f"{self.place}: a body of {head.length} bytes")
        reply = Reply(head, await self._exactly(head.length))
        if not head.first.upper().startswith("RTSP/1."):
            if head.first.upper().endswith("RTSP/1.0"):
                return None
            raise NoAnswer("bad_answer", f"{self.place}: the answer is not RTSP: {head.first[:40]!r}")
        if not 100 <= reply.status <= 599:
            raise NoAnswer("bad_answer", f"{self.place}: a strange status line: {head.first[:40]!r}")
        if reply.status < 200:
            return None
        self.has_answered = True
        return reply

    async def _exactly(self, size: int) -> bytes:
        self._count(size)
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise NoAnswer("bad_answer", f"{self.place}: the camera closed the connection") from error

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > RUN_BYTES:
            raise NoAnswer("bad_answer", f"{self.place}: more than {RUN_BYTES >> 20} MiB and still no video")


@asynccontextmanager
async def conversation(place: Place, login: Login, world: World) -> AsyncIterator[Conversation]:
    """Connected; closed in the end whatever happens. NoAnswer when there is nobody."""
    sock, _ = await connect(place.address, place.port, CONNECT_SECONDS, world)
    try:
        reader, writer = await asyncio.open_connection(sock=sock, limit=BUFFER_BYTES)
    except BaseException:
        sock.close()
        raise
    try:
        yield Conversation(reader, writer, login, place)
    except OSError as error:
        raise no_answer_from(error, str(place)) from error
    finally:
        writer.transport.abort()


DESCRIBED: Final = {200: True, 401: False, 403: False}


class Refused(NoAnswer):
    """A reply that is no success."""

    def __init__(self, reply: Reply, method: str, place: Place) -> None:
        cause = "auth_failed" if reply.status in (401, 403) else "no_video"
        super().__init__(cause, f"{place}: {method} is answered with {reply.status}")
        self.status = reply.status


async def describe(talk: Conversation) -> tuple[sdp.Description, str]:
    """The stream's description and the base of its relative addresses. NoAnswer when it is not given."""
    url = talk.place.url
    reply = await talk.ask("DESCRIBE", url, Accept="application/sdp")
    if reply.status != 200:
        raise Refused(reply, "DESCRIBE", talk.place)
    base = reply.head.field("content-base") or reply.head.field("content-location")
    return sdp.parse(reply.body.decode("utf-8", "replace")), base if sdp.SCHEME.match(base) else url


def channel_of(transport: str) -> int | None:
    """The channel that the camera gave the track (RFC 2326, 12.39); 0 where it does not say. None: not over TCP."""
    if "TCP" not in transport.upper() and "interleaved" not in transport.lower():
        return None
    found = re.search(r"interleaved\s*=\s*(\d{1,3})", transport, re.IGNORECASE)
    channel = int(found[1]) if found else 0
    return channel if channel < 256 else None


async def set_up(talk: Conversation) -> tuple[Video, str]:
    """DESCRIBE and SETUP. The packets of the video track go to what is returned; and what to PLAY."""
    described, base = await describe(talk)
    if described.video is None:
        raise NoAnswer("no_video", f"{talk.place}: the description has no video track")
    session = sdp.address_of(described.control, base)
    video = Video(described.video)
    reply = await talk.ask(
        "SETUP", sdp.address_of(described.video.control, session), Transport="RTP/AVP/TCP;unicast;interleaved=0-1"
    )
    if reply.status != 200:
        raise Refused(reply, "SETUP", talk.place)
    channel = channel_of(reply.head.field("transport"))
    if channel is None:
        raise NoAnswer("no_video", f"{talk.place}: it does not send video over TCP")
    talk.media = lambda of, data: video.take(data) if of == channel else None
    return video, session


async def play(talk: Conversation, video: Video, url: str) -> None:
    """Until the video is there. Data may come before the reply."""
    sequence = talk.send("PLAY", url, Range="npt=0.000-")
    while not video.is_there:
        reply = await talk.next()
        if reply is None or reply.head.field("cseq") not in ("", str(sequence)):
            continue
        if reply.status == 401 and talk.login.take(digest.parse_challenges(reply.head.every("www-authenticate"))):
            sequence = talk.send("PLAY", url, Range="npt=0.000-")
        elif reply.status != 200:
            raise Refused(reply, "PLAY", talk.place)


async def tear_down(talk: Conversation, url: str) -> None:
    """So that the camera frees the session at once: many serve few. Its reply is not important."""
    talk.media = lambda channel, data: None
    with contextlib.suppress(NoAnswer, OSError):
        async with asyncio.timeout(TEAR_DOWN_SECONDS):
            sequence = talk.send("TEARDOWN", url)
            while (reply := await talk.next()) is None or reply.head.field("cseq") != str(sequence):
                pass


async def until_video(talk: Conversation, seconds: float, monotonic: Callable[[], float]) -> tuple[Video, float]:
    """The video and when it was there.

    NoAnswer says why none came: nobody answered, a password was refused, or it connects and nothing arrives.
    """
    url = ""
    try:
        async with asyncio.timeout(seconds):
            if (reply := await talk.ask("OPTIONS", talk.place.url)).status == 401:
                raise Refused(reply, "OPTIONS", talk.place)  # any other answer only shows that somebody is there
            video, url = await set_up(talk)
            await play(talk, video, url)
            return video, monotonic()
    except TimeoutError as error:
        cause = "no_video" if talk.has_answered else "timeout"
        raise NoAnswer(cause, f"{talk.place}: no video in {seconds:.0f} s") from error
    except NoAnswer as no:
        if no.cause == "timeout" and talk.has_answered:
            raise NoAnswer("no_video", no.detail) from no
        raise
    finally:
        if url:
            await tear_down(talk, url)


async def is_open(place: Place, world: World) -> bool | None:
    """Is the stream described to somebody without a password? None: cannot be told. Nothing is played."""
    return DESCRIBED.get(await described(place, Login("", "", world.entropy), world))


async def accepts(place: Place, username: str, password: str, world: World) -> bool | None:
    """Is the stream described to whoever has this password? None: cannot be told."""
    return DESCRIBED.get(await described(place, Login(username, password, world.entropy), world))


async def described(place: Place, login: Login, world: World) -> int:
    """The status with which a DESCRIBE is answered; 0 where it is not."""
    try:
        async with asyncio.timeout(REPLY_SECONDS), conversation(place, login, world) as talk:
            return (await talk.ask("DESCRIBE", place.url, Accept="application/sdp")).status
    except (NoAnswer, TimeoutError):
        return 0
