"""The running agent tells its standing on a Unix socket: asking costs the memory card no write."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

NAME: Final = "status.sock"
SECONDS: Final = 5.0


def can_be_asked() -> bool:
    """Not on Windows: there is no socket that only this user can open."""
    return hasattr(socket, "AF_UNIX")


async def serve(folder: Path, snapshot: Callable[[], dict[str, Any]]) -> asyncio.Server:
    """One JSON document to whoever connects; only the agent's user (and root) can."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(json.dumps(snapshot()).encode())
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    if not can_be_asked():
        raise OSError("this system has no Unix sockets")
    (folder / NAME).unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(folder) as short:
        before = os.umask(0o177)
        try:
            listener.bind(f"{short}/{NAME}")
        finally:
            os.umask(before)
    return await asyncio.start_unix_server(answer, sock=listener)


def ask(folder: Path) -> dict[str, Any] | None:
    """What the running agent says; None if none runs there, or if it cannot be asked here."""
    if not can_be_asked():
        return None
    try:
        with _short(folder) as short, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(SECONDS)
            client.connect(f"{short}/{NAME}")
            parts = []
            while part := client.recv(65_536):
                parts.append(part)
        found = json.loads(b"".join(parts))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short name for a folder: a socket's path has room for about 100 bytes only."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
