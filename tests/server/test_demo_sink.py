"""The demo's mailbox and webhook take what apprise really sends, and nothing can fill or stop them."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from schoolbeat_server import channels
from schoolbeat_server.demo import relay, sink
from schoolbeat_server.demo.sink import Arrived, Sink
from schoolbeat_server.settings import Channel, parse

TITLE = "Trường Tiểu học Nà Sương (mô phỏng): mất liên lạc"
BODY = "Không có tin từ 10:42.\nChưa rõ nguyên nhân.\n.dòng bắt đầu bằng dấu chấm"


def with_sink(act: Callable[[Sink], Any]) -> tuple[list[Arrived], Any]:
    """Runs act in a thread beside a living sink."""
    taken: list[Arrived] = []

    async def run() -> Any:
        async with Sink(taken.append) as living:
            return await asyncio.wait_for(asyncio.to_thread(act, living), 30)

    result = asyncio.run(run())
    return taken, result


def test_what_apprise_sends_by_mail_and_webhook_arrives_word_for_word() -> None:
    def act(living: Sink) -> None:
        for name, url in living.channels.items():
            channels.send(Channel(name, url), TITLE, BODY)

    taken, _ = with_sink(act)

    assert taken == [Arrived("mail", TITLE, BODY), Arrived("webhook", TITLE, BODY)]


def test_the_channels_are_such_as_the_settings_take() -> None:
    def act(living: Sink) -> dict[str, str]:
        return living.channels

    _, urls = with_sink(act)
    settings = parse({"folder": "/x", "channels": {name: {"url": url} for name, url in urls.items()}}, "server.toml")

    assert {channel.name: channel.url for channel in settings.channels} == urls


def test_a_mail_that_is_too_large_is_refused_and_the_next_is_taken() -> None:
    def act(living: Sink) -> int:
        code = 0
        with smtplib.SMTP("127.0.0.1", living.mail_port, timeout=10) as client:
            try:
                client.sendmail("a@demo.example", "b@demo.example", "x" * 70 + ("\r\n" + "y" * 70) * 5_000)
            except (smtplib.SMTPDataError, smtplib.SMTPServerDisconnected) as error:
                code = getattr(error, "smtp_code", 0)
        message = EmailMessage()
        message["Subject"] = "sau"
        message.set_content("vẫn nhận")
        with smtplib.SMTP("127.0.0.1", living.mail_port, timeout=10) as client:
            client.send_message(message, "a@demo.example", "b@demo.example")
        return code

    taken, code = with_sink(act)

    assert code in (0, 552)
    assert taken == [Arrived("mail", "sau", "vẫn nhận")]


def test_rubbish_on_either_port_stops_nobody() -> None:
    import socket

    def act(living: Sink) -> list[bytes]:
        answers = []
        for port in (living.mail_port, living.webhook_port):
            for rubbish in (
                b"\x00\xff" * 9_000,
                b"POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                b"",
                b"Content-Length: 9e9\r\n\r\n",
            ):
                with socket.create_connection(("127.0.0.1", port), 10) as stranger:
                    stranger.sendall(rubbish)
        for payload in (b'{"title": "t", "message": "m"}', b"[1]", b"{" * 5_000):
            with socket.create_connection(("127.0.0.1", living.webhook_port), 10) as caller:
                caller.sendall(b"POST /notice HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % len(payload) + payload)
                answers.append(caller.recv(100).split(b"\r\n")[0])
        return answers

    taken, answers = with_sink(act)

    assert answers == [b"HTTP/1.1 200 OK", b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 400 Bad Request"]
    assert taken == [Arrived("webhook", "t", "m")]


def test_more_connections_than_allowed_are_closed_at_once() -> None:
    import socket

    def act(living: Sink) -> bytes:
        held = [socket.create_connection(("127.0.0.1", living.mail_port), 10) for _ in range(sink.MOST_CONNECTIONS)]
        for one in held:
            one.recv(100)
        with socket.create_connection(("127.0.0.1", living.mail_port), 10) as late:
            answer = late.recv(100)
        for one in held:
            one.close()
        return answer

    _, answer = with_sink(act)

    assert answer == b""


def test_the_relay_carries_bytes_both_ways_and_passes_the_end_on(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data.upper())
        writer.close()

    async def run() -> tuple[bytes, bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        path = tmp_path / "relay"
        outside = await relay.from_unix(path, "127.0.0.1", server.sockets[0].getsockname()[1])
        inside = await relay.from_tcp("127.0.0.1", 0, path)
        reader, writer = await asyncio.open_connection("127.0.0.1", inside.sockets[0].getsockname()[1])
        writer.write(b"x" * 200_000)
        answer = await reader.readexactly(200_000)
        writer.write_eof()
        end = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        for one in (server, outside, inside):
            one.close()
        return answer, end

    answer, end = asyncio.run(run())

    assert answer == b"X" * 200_000
    assert end == b""


def test_the_relay_closes_the_caller_when_nobody_listens_behind_it(tmp_path: Path) -> None:
    async def run() -> bytes:
        inside = await relay.from_tcp("127.0.0.1", 0, tmp_path / "nobody")
        reader, writer = await asyncio.open_connection("127.0.0.1", inside.sockets[0].getsockname()[1])
        end = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        inside.close()
        return end

    assert asyncio.run(run()) == b""
