"""The page in the school: what is wrong, whose fault it is not, what to try. Served on the LAN only."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import Final

import psutil

from schoolbeat_agent import page_drawn
from schoolbeat_agent.page_request import (
    REQUEST_BYTES,
    Network,
    Refused,
    is_ours,
    lans_among,
    may_ask,
    own_names,
    parse,
    response,
)
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.sight import View
from schoolbeat_agent.texts import Language

REQUEST_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
TOGETHER: Final = 16  # connections
LANS_SECONDS: Final = 30.0  # an address that DHCP changes is noticed so soon
PATHS: Final[dict[str, Language]] = {"/": "vi", "/vi": "vi", "/en": "en"}


async def serve(settings: Settings, view: Callable[[], View]) -> asyncio.Server | None:
    """None where the page is turned off, and on a classroom's computer. OSError when the port cannot be had."""
    if not settings.page.port or settings.role == "classroom":
        return None
    listener = _listener(settings.page.port)
    return await asyncio.start_server(
        Answering(settings, view).answer, sock=listener, limit=REQUEST_BYTES, backlog=TOGETHER
    )


def _listener(port: int) -> socket.socket:
    """On all addresses of this machine, since they change; who may ask is decided by the asker's address."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError:  # IPv6 is switched off, or the port is taken: then IPv4 says so too
            pass
    return socket.create_server(("", port))


class Answering:
    """Counts the connections, and knows this machine's networks and names."""

    def __init__(
        self, settings: Settings, view: Callable[[], View], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._view, self._monotonic = view, monotonic
        self._given = tuple(ipaddress.ip_network(network) for network in settings.page.networks)
        self._names = own_names(socket.gethostname())
        self._lans: tuple[Network, ...] = ()
        self._looked = -LANS_SECONDS
        self._open = 0

    def _networks(self) -> tuple[Network, ...]:
        if self._given:
            return self._given
        now = self._monotonic()
        if now - self._looked >= LANS_SECONDS:
            self._looked = now
            addresses = psutil.net_if_addrs().values()
            self._lans = lans_among((one.address, one.netmask) for card in addresses for one in card)
        return self._lans

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer; a stranger gets neither."""
        peer = writer.get_extra_info("peername")
        if self._open >= TOGETHER or not peer or not may_ask(peer[0], self._networks()):
            writer.transport.abort()
            return
        self._open += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(self._answer(head[:-4]))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # the agent stops; asyncio would complain of a task that was cancelled
        finally:
            self._open -= 1
            writer.transport.abort()

    def _answer(self, head: bytes) -> bytes:
        try:
            request = parse(head)
            if not is_ours(request.host, self._names):
                raise Refused(421)
            language = PATHS.get(request.path)
            if language is None:
                raise Refused(404)
            body = page_drawn.page(self._view(), language)
        except Refused as refused:
            return response(refused.status, f"{refused}\n".encode(), page_drawn.STYLE_HASH)
        return response(200, body, page_drawn.STYLE_HASH, send_body=request.method == "GET")
