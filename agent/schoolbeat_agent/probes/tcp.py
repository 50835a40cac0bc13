"""Does a device on the LAN accept a TCP connection (RFC 9293) on a port?"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
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
        sock = socket.socket(family, kind)
    except OSError as error:
        raise ProbeFailed("internal", f"cannot open a socket: {error.strerror}") from error
    sock.setblocking(False)
    return sock


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


def outcome(sock: socket.socket, error: int, asked: str) -> NoAnswer | ProbeFailed | None:
    """What a connection that is no longer on its way became; None: it stands. Closes the socket."""
    sock.close()
    try:
        return no_answer_from(OSError(error, os.strerror(error)), asked) if error else None
    except ProbeFailed as failed:
        return failed


class Together:
    """Connections that are opened at the same time, each closed as soon as its fate is known."""

    def __init__(self, world: World) -> None:
        self.fates: dict[int, float | NoAnswer | ProbeFailed] = {}  # place -> milliseconds it took, or why not
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._on_the_way: dict[int, socket.socket] = {}
        self._all_done = self._loop.create_future()

    def open(self, place: int, address: str, port: int) -> None:
        started, asked = self._world.monotonic(), f"{address}:{port}"

        def settle() -> None:
            self._loop.remove_writer(self._on_the_way.pop(place).fileno())
            took_ms = (self._world.monotonic() - started) * 1_000
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.fates[place] = outcome(sock, error, asked) or took_ms
            if not self._on_the_way and not self._all_done.done():
                self._all_done.set_result(None)

        try:
            sock = open_socket(family_of(address), socket.SOCK_STREAM)
        except ProbeFailed as failed:
            self.fates[place] = failed
            return
        error = sock.connect_ex((address, port))
        if error in (errno.EINPROGRESS, errno.EWOULDBLOCK):  # the latter is Windows' word for it
            self._on_the_way[place] = sock
            self._loop.add_writer(sock.fileno(), settle)
        else:
            self.fates[place] = outcome(sock, error, asked) or (self._world.monotonic() - started) * 1_000

    async def wait(self, seconds: float) -> None:
        """Until every fate is known; at most so long. What is still on its way then did not answer in time."""
        try:
            if self._on_the_way:
                await asyncio.wait([self._all_done], timeout=seconds)
        finally:
            for place, sock in self._on_the_way.items():
                self._loop.remove_writer(sock.fileno())
                sock.close()
                self.fates[place] = NoAnswer("timeout")


def observed(target: TcpTarget, fate: float | NoAnswer) -> Observation:
    """Signal device.<id> with connect_ms. A refused connection is down too: the host lives, the service does not."""
    signal = f"device.{target.id}"
    notes = {signal: f"{target.address}:{target.port}"}
    if isinstance(fate, NoAnswer):
        return Observation({signal: State.DOWN}, {}, {signal: fate.cause}, notes)
    return Observation({signal: State.UP}, {(signal, "connect_ms"): fate}, {}, notes)


async def sweep(targets: Sequence[TcpTarget], world: World) -> list[Observation | ProbeFailed]:
    """A run of each of the targets, at the same time; all of them have the longest one's patience."""
    together = Together(world)
    for place, target in enumerate(targets):
        together.open(place, target.address, target.port)
    await together.wait(max(target.timeout_seconds for target in targets))
    fates = [together.fates[place] for place in range(len(targets))]
    return [
        fate if isinstance(fate, ProbeFailed) else observed(target, fate)
        for target, fate in zip(targets, fates, strict=True)
    ]


async def probe(target: TcpTarget, world: World) -> Observation:
    """The one target alone."""
    (found,) = await sweep([target], world)
    if isinstance(found, ProbeFailed):
        raise found
    return found
