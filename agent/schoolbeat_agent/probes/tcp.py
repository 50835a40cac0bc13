"""Does a device on the LAN accept a TCP connection (RFC 9293) on a port?"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.world import World


@dataclass(frozen=True)
class TcpTarget:
    """A device by its id, IPv4 or IPv6 address, and port."""

    id: str
    address: str
    port: int
    timeout_seconds: float = 3.0


def family_of(address: str) -> socket.AddressFamily:
    """The family of an IP address. ProbeFailed("not_configured") when it is none: names are not resolved here."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, address)
        except (OSError, ValueError):
            continue
        return family
    raise ProbeFailed("not_configured", f"{address!r} is not an IP address; write one like 192.168.1.10")


def open_socket(family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket. ProbeFailed when this machine has none to give (descriptors, memory, no IPv6)."""
    try:
        return socket.socket(family, kind | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise ProbeFailed("internal", f"cannot open a socket: {error.strerror}") from error


async def connect(address: str, port: int, timeout_seconds: float, world: World) -> tuple[socket.socket, float]:
    """A connected socket, to be closed by the caller, and the milliseconds it took. NoAnswer if there is none."""
    sock = open_socket(family_of(address), socket.SOCK_STREAM)
    started = world.monotonic()
    try:
        async with asyncio.timeout(timeout_seconds):
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except OSError as error:
        sock.close()
        raise no_answer_from(error, f"{address}:{port}") from error
    except BaseException:
        sock.close()
        raise
    return sock, (world.monotonic() - started) * 1_000


async def probe(target: TcpTarget, world: World) -> Observation:
    """Signal device.<id> with connect_ms. A refused connection is down too: the host lives, the service does not."""
    signal = f"device.{target.id}"
    notes = {signal: f"{target.address}:{target.port}"}
    try:
        sock, connect_ms = await connect(target.address, target.port, target.timeout_seconds, world)
    except NoAnswer as no:
        return Observation({signal: State.DOWN}, {}, {signal: no.cause}, notes)
    sock.close()
    return Observation({signal: State.UP}, {(signal, "connect_ms"): connect_ms}, {}, notes)
