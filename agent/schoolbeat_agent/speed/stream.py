"""Connections to speed servers: by name or address, with TLS where the URL says so, and small HTTP answers."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.dns import Resolver, find_address, school_resolvers
from schoolbeat_agent.probes.http import Head, parse_head, tls_failure
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

CONNECT_SECONDS: Final = 5.0
PORTS: Final = {"http": 80, "ws": 80, "https": 443, "wss": 443}
READ_BYTES: Final = 256 * 1024
HEAD_BYTES: Final = 16 * 1024
BODY_BYTES: Final = 64 * 1024
SIOCOUTQ: Final = 0x5411  # linux/sockios.h: bytes of a TCP socket that the other side has not acknowledged


@dataclass(frozen=True)
class Stream:
    """An open connection, and how long its TCP handshake took."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connect_ms: float

    def waiting_bytes(self) -> int:
        """What was written and has not arrived yet, as far as this system tells."""
        waiting = self.writer.transport.get_write_buffer_size()
        if not sys.platform.startswith("linux") or self.writer.transport.is_closing():
            return waiting
        import array
        import fcntl

        unacknowledged = array.array("i", [0])
        try:
            fcntl.ioctl(self.writer.get_extra_info("socket").fileno(), SIOCOUTQ, unacknowledged)
        except OSError:
            return waiting
        return waiting + unacknowledged[0]


def parse_url(url: str, schemes: Sequence[str]) -> SplitResult:
    """ProbeFailed("not_configured") says what is wrong with it."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProbeFailed("not_configured", f"speed server {url[:200]!r}: {error}") from error
    plain = all("!" <= sign <= "~" for sign in url)
    if parts.scheme not in schemes or not parts.hostname or port == 0 or "@" in parts.netloc or not plain:
        allowed = " or ".join(f"{scheme}://" for scheme in schemes)
        raise ProbeFailed("not_configured", f"speed server {url[:200]!r}: write it like {allowed}name/path, in ASCII")
    return parts


@asynccontextmanager
async def opened(parts: SplitResult, resolvers: tuple[Resolver, ...], world: World) -> AsyncIterator[Stream]:
    """A connection, ended hard when it is left: what still waits in it is of no use. NoAnswer where there is none."""
    host = parts.hostname or ""
    tls = world.tls if parts.scheme in ("https", "wss") else None
    address = (await find_address(host, resolvers or school_resolvers(world), CONNECT_SECONDS, world))[0]
    sock, connect_ms = await connect(address, parts.port or PORTS[parts.scheme], CONNECT_SECONDS, world)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=tls, server_hostname=host if tls else None, limit=READ_BYTES
            )
    except ssl.SSLError as error:
        sock.close()
        raise tls_failure(error, host) from error
    except ConnectionError as error:
        sock.close()
        raise NoAnswer("bad_answer", f"{parts.netloc}: hangs up during the handshake of TLS") from error
    except OSError as error:
        sock.close()
        raise no_answer_from(error, parts.netloc) from error
    except BaseException:
        sock.close()
        raise
    try:
        yield Stream(reader, writer, connect_ms)
    except OSError as error:
        raise no_answer_from(error, parts.netloc) from error
    finally:
        writer.transport.abort()


async def read_until_blank_line(reader: asyncio.StreamReader) -> bytes:
    """The head of an HTTP answer. NoAnswer when none comes in time, or it never ends."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
    except TimeoutError as error:
        raise NoAnswer("timeout", "the speed server accepts the connection and says nothing") from error
    except asyncio.IncompleteReadError as error:
        raise NoAnswer("bad_answer", "the speed server hangs up without an answer") from error
    except asyncio.LimitOverrunError as error:
        raise NoAnswer("too_much", "the head of the speed server's answer never ends") from error
    if len(head) > HEAD_BYTES:
        raise NoAnswer("too_much", "the head of the speed server's answer is too long")
    return head


def request(method: str, parts: SplitResult, path: str, *fields: str) -> bytes:
    """A request that asks the server to close behind its answer."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", "User-Agent: SchoolBeat", *fields]
    return "\r\n".join([*lines, "Accept-Encoding: identity", "Connection: close", "", ""]).encode("ascii")


async def read_final_head(reader: asyncio.StreamReader) -> Head:
    """The head of the answer, interim ones passed over."""
    data = b""
    while True:
        data += await read_until_blank_line(reader)
        head = parse_head(data)
        if head is not None:
            return head
        if len(data) > HEAD_BYTES:
            raise NoAnswer("too_much", "the speed server sends interim answers without end")


def unchunked(body: bytes) -> bytes:
    """A body without its chunks' sizes (RFC 9112, section 7.1). NoAnswer("bad_answer") when they do not fit."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        size_text = body[at:end].partition(b";")[0].strip() if end >= 0 else b""
        if not size_text or len(size_text) > 8 or not all(chr(sign) in "0123456789abcdefABCDEF" for sign in size_text):
            raise NoAnswer("bad_answer", "the chunks of the answer do not fit")
        size = int(size_text, 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2


async def fetched(url: str, resolvers: tuple[Resolver, ...], world: World) -> tuple[int, bytes]:
    """Status and small body of a GET. NoAnswer."""
    parts = parse_url(url, ("https", "http"))
    async with opened(parts, resolvers, world) as stream:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        stream.writer.write(request("GET", parts, path, "Accept: */*"))
        head = await read_final_head(stream.reader)
        body = b""
        length = head.fields.get("content-length", "")
        wanted = int(length) if length.isascii() and length.isdigit() and len(length) < 10 else BODY_BYTES + 1
        wanted = 0 if head.status in (204, 304) else wanted
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                while len(body) < wanted and (data := await stream.reader.read(READ_BYTES)):
                    body += data
                    if len(body) > BODY_BYTES:
                        raise NoAnswer("too_much", f"{parts.netloc}: the answer is longer than {BODY_BYTES} bytes")
                    if "transfer-encoding" in head.fields and body.endswith(b"\r\n0\r\n\r\n"):
                        break
        except TimeoutError as error:
            raise NoAnswer("timeout", f"{parts.netloc}: the answer does not end in time") from error
    return head.status, unchunked(body) if "transfer-encoding" in head.fields and body else body
