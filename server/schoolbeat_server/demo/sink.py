"""Where the demo's notices arrive: a mailbox (SMTP) and a webhook (HTTP) on loopback, tiny and bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import NamedTuple

MOST_LINE_BYTES = 4_096
MOST_MESSAGE_BYTES = 256 * 1024
MOST_HEADERS = 100
MOST_CONNECTIONS = 20
PATIENCE_SECONDS = 30.0


class Arrived(NamedTuple):
    """One notice as a person would get it. way: "mail" or "webhook"."""

    way: str
    title: str
    body: str


Take = Callable[[Arrived], None]
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Take], Awaitable[None]]


@dataclass
class Sink:
    """Both listeners; `take` is called for each notice. Use as `async with`."""

    take: Take
    mail_port: int = 0
    webhook_port: int = 0

    async def __aenter__(self) -> Sink:
        self._open = 0
        self._mail = await asyncio.start_server(self._guarded(_talk_smtp), "127.0.0.1", 0, limit=MOST_LINE_BYTES)
        self._webhook = await asyncio.start_server(self._guarded(_talk_http), "127.0.0.1", 0, limit=MOST_LINE_BYTES)
        self.mail_port = self._mail.sockets[0].getsockname()[1]
        self.webhook_port = self._webhook.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_error: object) -> None:
        for server in (self._mail, self._webhook):
            server.close()

    @property
    def channels(self) -> dict[str, str]:
        """Name -> the url that apprise takes, for server.toml."""
        mail = (
            f"mailto://127.0.0.1:{self.mail_port}/?from=schoolbeat@demo.example&to=phong-gd@demo.example&mode=insecure"
        )
        return {"thu": mail, "webhook": f"json://127.0.0.1:{self.webhook_port}/notice"}

    def _guarded(self, talk: Talk) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._open += 1
            try:
                if self._open <= MOST_CONNECTIONS:
                    async with asyncio.timeout(PATIENCE_SECONDS):
                        await talk(reader, writer, self.take)
            except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
                pass  # whoever breaks off or sends rubbish gets no further; the next one is served
            finally:
                self._open -= 1
                writer.close()

        return serve


async def _talk_smtp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, take: Take) -> None:
    """The few words of RFC 5321 that deliver a message."""

    async def say(line: str) -> None:
        writer.write(line.encode("ascii") + b"\r\n")
        await writer.drain()

    await say("220 schoolbeat-demo")
    while line := await reader.readline():
        word = line[:4].upper().strip()
        if word == b"QUIT":
            await say("221 bye")
            return
        if word == b"DATA":
            await say("354 end with a dot")
            message = await _mail_data(reader)
            if message is None:
                await say("552 too large")
                return
            take(read_mail(message))
            await say("250 taken")
        else:
            known = (b"HELO", b"EHLO", b"MAIL", b"RCPT", b"RSET", b"NOOP")
            await say("250 schoolbeat-demo" if word in known else "502 not known here")


async def _mail_data(reader: asyncio.StreamReader) -> bytes | None:
    lines: list[bytes] = []
    size = 0
    while (line := await reader.readline()) not in (b".\r\n", b".\n"):
        size += len(line)
        if not line or size > MOST_MESSAGE_BYTES:
            return None
        lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
    return b"".join(lines)


def read_mail(message: bytes) -> Arrived:
    parsed = message_from_bytes(message, policy=policy.default)
    body = parsed.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    return Arrived("mail", str(parsed.get("Subject", "")), "\n".join(str(text).splitlines()).strip())


async def _talk_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, take: Take) -> None:
    """One POST of apprise's JSON: {"title": …, "message": …}."""
    await reader.readline()
    length = 0
    for _ in range(MOST_HEADERS):
        line = await reader.readline()
        if line in (b"\r\n", b"\n", b""):
            break
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    status = "413 Too Large"
    if 0 <= length <= MOST_MESSAGE_BYTES:
        arrived = read_webhook(await reader.readexactly(length))
        status = "200 OK" if arrived is not None else "400 Bad Request"
        if arrived is not None:
            take(arrived)
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii"))
    await writer.drain()


def read_webhook(payload: bytes) -> Arrived | None:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return Arrived("webhook", str(found.get("title", "")), str(found.get("message", "")))
