"""Carries TCP connections out of a network namespace by a Unix socket, which no namespace can cut."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

MOST_CONNECTIONS = 50
CHUNK_BYTES = 64 * 1024

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Streams]]


async def from_unix(path: Path, host: str, port: int) -> asyncio.Server:
    """Outside the namespace: what comes to the Unix socket goes on to host:port."""
    return await asyncio.start_unix_server(_carrier(lambda: asyncio.open_connection(host, port)), path)


async def from_tcp(host: str, port: int, path: Path) -> asyncio.Server:
    """Inside the namespace: what comes to host:port goes on to the Unix socket."""
    return await asyncio.start_server(_carrier(lambda: asyncio.open_unix_connection(path)), host, port)


def _carrier(dial: Dial) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    carried = 0

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal carried
        if carried >= MOST_CONNECTIONS:
            writer.close()
            return
        carried += 1
        try:
            there, back = await dial()
            await asyncio.gather(_pour(reader, back), _pour(there, writer))
        except OSError:
            pass  # nobody there: the one who called sees the connection closed and calls again
        finally:
            carried -= 1
            writer.close()

    return carry


async def _pour(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Until either end closes; then the other learns it."""
    with contextlib.suppress(OSError):
        while data := await source.read(CHUNK_BYTES):
            target.write(data)
            await target.drain()
    target.close()


async def _serve(host: str, port: int, path: Path) -> None:
    async with await from_tcp(host, port, path) as server:
        print("READY", flush=True)
        await server.serve_forever()


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m schoolbeat_server.demo.relay HOST PORT UNIX_SOCKET`, inside the namespace."""
    parser = argparse.ArgumentParser(prog="relay")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("path", type=Path)
    given = parser.parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(given.host, given.port, given.path))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
