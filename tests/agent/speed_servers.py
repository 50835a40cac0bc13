"""Emulated speed servers for the tests: ndt7 by its specification, a LibreSpeed backend, and how each can misbehave.

    python speed_servers.py ndt7|librespeed ADDRESS PORT [--end FAULT] [--seconds N] [--pace BYTES_A_SECOND]

They stand in for M-Lab's server and for LibreSpeed's PHP, which no registry has. One JSON line on stdout for each
finished upload or download: what the server counted.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

PROTOCOL = "net.measurementlab.ndt.v7"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Pace:
    """Bytes a second, over all connections together; 0: as fast as it goes."""

    def __init__(self, bytes_per_second: float) -> None:
        self.rate, self.free_at = bytes_per_second, 0.0

    async def take(self, count: int) -> None:
        if self.rate:
            now = time.monotonic()
            self.free_at = max(self.free_at, now - 0.5) + count / self.rate  # a busy machine may catch up
            await asyncio.sleep(max(0.0, self.free_at - now))


class EmulatedNdt7:
    """A server of m-lab/ndt-server's spec/ndt7-protocol.md v0.11, with Locate v2 on the same port."""

    def __init__(self, address: str, port: int, seconds: float, fault: str, pace: Pace) -> None:
        self.address, self.port, self.seconds, self.fault, self.pace = address, port, seconds, fault, pace
        self.noise = os.urandom(1 << 18)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ")[1]
        if path.startswith("/v2/nearest/ndt/ndt7"):
            writer.write(self.locate())
            await writer.drain()
            return
        if self.fault == "mute":
            await asyncio.sleep(60)
        if self.fault == "full":
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
            return
        if PROTOCOL not in head or "Upgrade: websocket" not in head or not path.startswith("/ndt/v7/"):
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            return
        self.upgrade(head, writer)
        test = self.download if path.startswith("/ndt/v7/download") else self.upload
        started = time.monotonic()
        count, how = await test(reader, writer)
        seconds = time.monotonic() - started
        said = {"test": path[8:].partition("?")[0], "bytes": count, "seconds": seconds, "end": how, "path": path}
        print(json.dumps(said), flush=True)

    def locate(self) -> bytes:
        if self.fault == "locate204":
            return b"HTTP/1.1 204 No Content\r\n\r\n"
        token = "access_token=" + uuid.uuid4().hex
        urls = {
            f"{scheme}:///ndt/v7/{test}": f"ws://{self.address}:{self.port}/ndt/v7/{test}?{token}"
            for scheme in ("ws", "wss")
            for test in ("download", "upload")
        }
        body = json.dumps({"results": [{"machine": "mlab1-han01.example", "urls": urls}]}).encode()
        half = len(body) // 2  # in chunks, as a real front end sends it
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]))
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"

    def upgrade(self, head: str, writer: asyncio.StreamWriter) -> None:
        found = re.search(r"Sec-WebSocket-Key: (\S+)", head)
        key = found.group(1) if found and self.fault != "key" else "of somebody else"
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        protocol = "" if self.fault == "noproto" else f"Sec-WebSocket-Protocol: {PROTOCOL}\r\n"
        writer.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{protocol}"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
        )

    def measurement(self, writer: asyncio.StreamWriter, started: float, count: int) -> bytes:
        data = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, 11, 256)
        elapsed = int((time.monotonic() - started) * 1e6)
        said = {
            "AppInfo": {"ElapsedTime": elapsed, "NumBytes": count * (1000 if self.fault == "liar" else 1)},
            "Origin": "server",
            "TCPInfo": {"MinRTT": struct.unpack_from("=I", data, 148)[0], "ElapsedTime": elapsed},
        }
        return frame(1, json.dumps(said).encode())

    async def download(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, str]:
        size, count, started, told = 1 << 13, 0, time.monotonic(), 0.0
        limit = 3.0 if self.fault == "early" else self.seconds
        if self.fault == "huge":
            writer.write(struct.pack("!BBQ", 0x82, 127, 1 << 40))
        if self.fault == "masked":
            writer.write(b"\x82\x81\x00\x00\x00\x00x")
        while (passed := time.monotonic() - started) < limit:
            if self.fault == "stall" and passed > 2:
                await asyncio.sleep(limit)
            if self.fault == "abort" and passed > 2:
                hard_close(writer)
                return count, "abort"
            writer.write(frame(2, self.noise[:size]))
            count += size
            if self.fault == "ping" and count == size:
                writer.write(frame(9, b"are you there?"))
            if passed - told > 0.25:
                told = passed
                writer.write(self.measurement(writer, started, count))
            await writer.drain()
            await self.pace.take(size)
            size = size * 2 if size < len(self.noise) and size < count / 16 else size
        if self.fault == "ping":
            opcode, payload = await read_frame(reader)
            assert (opcode, payload) == (10, b"are you there?"), (opcode, payload)
        writer.write(frame(8, b""))
        await writer.drain()
        return count, "limit"

    async def upload(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, str]:
        started, told, count = time.monotonic(), 0.0, 0
        limit = 3.0 if self.fault == "early" else self.seconds
        left = 0
        try:
            async with asyncio.timeout(limit):
                while True:
                    if not left:
                        opcode, left, _ = await read_head(reader)
                        if opcode != 2:
                            await reader.readexactly(left)
                            left = 0
                            continue
                    data = await reader.read(min(left, 1 << 16))
                    if not data:
                        return count, "client left"
                    left -= len(data)
                    count += len(data)
                    await self.pace.take(len(data))
                    passed = time.monotonic() - started
                    if self.fault == "abort" and passed > 2:
                        hard_close(writer)
                        return count, "abort"
                    if passed - told > 0.25:
                        told = passed
                        writer.write(self.measurement(writer, started, count))
        except TimeoutError:
            writer.write(self.measurement(writer, started, count) + frame(8, b""))
            await writer.drain()
            return count, "limit"
        except asyncio.IncompleteReadError:
            return count, "client left"


def frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 1 << 16:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + payload
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + payload


async def read_head(reader: asyncio.StreamReader) -> tuple[int, int, bytes]:
    """Opcode, size and mask of a client's frame. AssertionError when it is not masked or not whole."""
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a client's frame must be masked"
    assert first & 0x80, "our client does not fragment"
    size = second & 0x7F
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    return first & 0x0F, size, await reader.readexactly(4)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    opcode, size, mask = await read_head(reader)
    payload = await reader.readexactly(size)
    return opcode, bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def hard_close(writer: asyncio.StreamWriter) -> None:
    """RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class EmulatedLibreSpeed:
    """garbage.php and empty.php as LibreSpeed's backend answers them."""

    def __init__(self, fault: str, pace: Pace) -> None:
        self.fault, self.pace = fault, pace
        self.noise = os.urandom(1 << 16)
        self.received = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, path = head.split(" ")[:2]
        if path.startswith("/backend/garbage.php?ckSize=") and self.fault != "missing":
            await self.garbage(writer, int(path.partition("=")[2]))
            return
        if path != "/backend/empty.php":
            writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "POST":
            if self.fault == "small":
                writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
                return
            await self.swallow(reader, int(re.search(r"Content-Length: (\d+)", head).group(1)))  # type: ignore[union-attr]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    async def garbage(self, writer: asyncio.StreamWriter, mebibytes: int) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        if self.fault == "empty":
            writer.write(b"0\r\n\r\n")
            return
        for _ in range(16 * mebibytes):
            writer.write(b"10000\r\n" + self.noise + b"\r\n")
            await writer.drain()
            await self.pace.take(len(self.noise))
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    async def swallow(self, reader: asyncio.StreamReader, size: int) -> None:
        while size > 0 and (data := await reader.read(min(size, 1 << 16))):
            size -= len(data)
            self.received += len(data)
            await self.pace.take(len(data))
        print(json.dumps({"test": "post", "left": size}), flush=True)


async def _serve(given: argparse.Namespace) -> None:
    address, port, pace = given.address, given.port, Pace(given.pace)
    server: EmulatedNdt7 | EmulatedLibreSpeed = EmulatedLibreSpeed(given.end, pace)
    if given.kind == "ndt7":
        server = EmulatedNdt7(address, port, given.seconds, given.end, pace)

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await server.serve(reader, writer)
        with contextlib.suppress(OSError):
            writer.close()

    listener = await asyncio.start_server(one, address, port, limit=1 << 16)
    print("READY", flush=True)
    async with listener:
        await listener.serve_forever()


@contextlib.contextmanager
def serving(
    kind: str, address: str, port: int, *options: str, inside: Sequence[str] = ()
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """One of them as a process; what it has counted is asked of the function. inside: a command before it."""
    with program([*inside, sys.executable, __file__, kind, address, str(port), *options]) as said:
        yield said


@contextlib.contextmanager
def program(command: Sequence[str | Path]) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """A server that prints READY and then JSON lines."""
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=out, stdin=subprocess.DEVNULL)

        def said() -> list[str]:
            out.seek(0)
            return out.read().splitlines()

        try:
            deadline = time.monotonic() + 20
            while not any(line.startswith("READY") for line in said()):
                assert child.poll() is None, said()
                assert time.monotonic() < deadline, said()
                time.sleep(0.05)
            yield lambda: [json.loads(line) for line in said() if line.startswith("{")]
        finally:
            child.kill()
            child.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("ndt7", "librespeed"))
    parser.add_argument("address")
    parser.add_argument("port", type=int)
    parser.add_argument("--end", default="")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--pace", type=float, default=0)
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
