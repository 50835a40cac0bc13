"""One HTTP/1.1 POST (RFC 9112) to a device on the LAN, bounded in bytes and time; no redirects, no other host."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.cameras import digest, heads
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.heads import Head
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

CONNECT_SECONDS: Final = 3.0
SOAP: Final = "application/soap+xml; charset=utf-8"


@dataclass(frozen=True)
class Endpoint:
    """A service of a device."""

    address: str
    port: int
    path: str

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Answer:
    head: Head
    body: bytes


async def post(to: Endpoint, body: bytes, login: Login, world: World, *, seconds: float, most_bytes: int) -> Answer:
    """The answer, after a challenge that is worth answering. NoAnswer where none can be had."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = await _exchange(to, body, login, world, most_bytes)
                challenges = digest.parse_challenges(answer.head.every("www-authenticate"))
                if answer.head.status != 401 or not login.take(challenges):
                    return answer
    except OSError as error:
        raise no_answer_from(error, str(to)) from error


async def _exchange(to: Endpoint, body: bytes, login: Login, world: World, most_bytes: int) -> Answer:
    host = f"[{to.address}]" if ":" in to.address else to.address
    lines = [
        f"POST {to.path} HTTP/1.1",
        f"Host: {host}{'' if to.port == 80 else f':{to.port}'}",
        "User-Agent: SchoolBeat",
        f"Content-Type: {SOAP}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    if authorization := login.header("POST", to.path):
        lines.append(f"Authorization: {authorization}")
    sock, _ = await connect(to.address, to.port, CONNECT_SECONDS, world)
    try:
        reader, writer = await asyncio.open_connection(sock=sock, limit=65_536)
    except BaseException:
        sock.close()
        raise
    try:
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        head = await heads.read_head(reader)
        while 100 <= head.status < 200:
            head = await heads.read_head(reader)
        if not head.first.startswith("HTTP/1.") or head.status < 200:
            raise NoAnswer("bad_answer", f"{to}: the answer is not HTTP/1: {head.first[:40]!r}")
        return Answer(head, await _body(reader, head, most_bytes))
    finally:
        writer.transport.abort()


async def _body(reader: asyncio.StreamReader, head: Head, most_bytes: int) -> bytes:
    if head.status in (204, 304):
        return b""
    if "chunked" in head.field("transfer-encoding").lower():
        return await _chunks(reader, most_bytes)
    if head.field("content-length"):
        return await _exactly(reader, _allowed(head.length, most_bytes))
    parts: list[bytes] = []
    size = 0
    while part := await reader.read(65_536):
        size = _allowed(size + len(part), most_bytes)
        parts.append(part)
    return b"".join(parts)


async def _chunks(reader: asyncio.StreamReader, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        text = (await heads.read_line(reader)).partition(b";")[0].strip()
        try:
            length = int(text[:16], 16)
        except ValueError as error:
            raise NoAnswer("bad_answer", "a strange chunk of an answer") from error
        if length <= 0:
            return b"".join(parts)
        size = _allowed(size + length, most_bytes)
        parts.append(await _exactly(reader, length))
        await heads.read_line(reader)


def _allowed(size: int, most_bytes: int) -> int:
    if size > most_bytes:
        raise NoAnswer("bad_answer", f"an answer of more than {most_bytes >> 10} KiB")
    return size


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise NoAnswer("bad_answer", "the connection was closed in the middle of an answer") from error
