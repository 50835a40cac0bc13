"""WS-Discovery (OASIS 2005/04, ONVIF Core 7): who on this LAN, or at this address, is a network video device?"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from schoolbeat_agent.cameras import soap
from schoolbeat_agent.cameras.soap import Node
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_wire import bounds

GROUP: Final = "239.255.255.250"
PORT: Final = 3702
ANSWERS: Final = 1_000
ANSWER_BYTES: Final = 4 * 1024 * 1024  # of one search, all together
REPEAT_SECONDS: Final = 0.3  # UDP loses; the standard says to ask again
_ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_DISCOVERY = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_TYPES = (
    'xmlns:n="http://www.onvif.org/ver10/network/wsdl">n:NetworkVideoTransmitter',
    'xmlns:n="http://www.onvif.org/ver10/device/wsdl">n:Device',
)


@dataclass(frozen=True)
class Hello:
    """One device. address: where the answer came from; what the device says of itself is cleaned and bounded."""

    address: str
    xaddrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()  # without prefixes
    endpoint: str = ""  # its lasting name: a urn of a UUID

    def scope(self, name: str) -> str:
        """What stands behind onvif://www.onvif.org/<name>/; empty where it says nothing of it."""
        head = f"onvif://www.onvif.org/{name}/"
        return next((unquote(scope[len(head) :]) for scope in self.scopes if scope.startswith(head)), "")


def probe_message(message_id: str, types: str) -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{soap.ENVELOPE}" xmlns:a="{_ADDRESSING}">'
        f"<s:Header><a:MessageID>{message_id}</a:MessageID>"
        '<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>'
        f'<a:Action s:mustUnderstand="1">{_DISCOVERY}/Probe</a:Action></s:Header>'
        f'<s:Body><d:Probe xmlns:d="{_DISCOVERY}"><d:Types {types}</d:Types></d:Probe></s:Body></s:Envelope>'
    ).encode()


def message_id(random: Callable[[int], bytes]) -> str:
    """A urn of a random UUID (RFC 9562, version 4)."""
    raw = bytearray(random(16))
    raw[6], raw[8] = raw[6] & 0x0F | 0x40, raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"urn:uuid:{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse(data: bytes, source: str, asked: set[str]) -> list[Hello]:
    """The matches of an answer to one of the messages `asked`; none where it is anything else.

    Action ProbeMatches with its list is the standard's; a ProbeMatch alone is taken too, where it relates to `asked`.
    """
    try:
        root = soap.parse(data)
    except NoAnswer:
        return []
    head, body = root.at("Header"), root.at("Body", "ProbeMatches") or root.at("Body")
    if root.name != "Envelope" or head is None or body is None or head.text_at("RelatesTo") not in asked:
        return []
    if head.text_at("Action") not in (f"{_DISCOVERY}/ProbeMatches", f"{_DISCOVERY}/ProbeMatch"):
        return []
    return [_hello(match, source) for match in body.every("ProbeMatch")[:8]]


def _hello(match: Node, source: str) -> Hello:
    def words(name: str) -> tuple[str, ...]:
        return tuple(_clean(word) for word in match.text_at(name).split()[:32])

    types = tuple(word.rpartition(":")[2] for word in words("Types"))
    xaddrs = tuple(word for word in words("XAddrs") if _is_http(word))
    return Hello(source, xaddrs, words("Scopes"), types, _clean(match.text_at("EndpointReference", "Address")))


def _clean(text: str) -> str:
    return bounds.CONTROL.sub("", text)[: bounds.TEXT]


def _is_http(text: str) -> bool:
    with contextlib.suppress(ValueError):
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 80) > 0
    return False


class _Ear(asyncio.DatagramProtocol):
    """Collects the answers to its questions, each device once."""

    def __init__(self, asked: set[str]) -> None:
        self.found: dict[tuple[str, str], Hello] = {}
        self.heard = asyncio.Event()
        self._asked, self._bytes = asked, 0

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._bytes += len(data)
        if self._bytes > ANSWER_BYTES or len(self.found) >= ANSWERS:
            return
        for hello in parse(data, addr[0], self._asked):
            self.found.setdefault((hello.address, hello.endpoint), hello)
            self.heard.set()

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at an address: silence says the same."""


async def ws_discover(
    interface_address: str,
    seconds: float,
    random: Callable[[int], bytes] = os.urandom,
    *,
    to: str = GROUP,
    port: int = PORT,
) -> list[Hello]:
    """Who answers within so many seconds, asked from the interface that has this IPv4 address ("" for any).

    `to`: the group, or one device; of one device the first answer ends the wait. OSError where nothing can be sent.
    """
    questions = [(message_id(random), types) for types in _TYPES]
    ear = _Ear({one for one, _ in questions})
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        if interface_address:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface_address))
        sock.bind((interface_address, 0))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: ear, sock=sock)
    except BaseException:
        sock.close()
        raise
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for _ in range(2):
                    for one, types in questions:
                        transport.sendto(probe_message(one, types), (to, port))
                    await asyncio.sleep(min(REPEAT_SECONDS, seconds / 2))
                    if to != GROUP and ear.heard.is_set():
                        break
                await (ear.heard.wait() if to != GROUP else asyncio.sleep(seconds))
    finally:
        transport.abort()
    return list(ear.found.values())


def mac_of(endpoint: str) -> str:
    """The MAC that most cameras put at the end of their endpoint's UUID (version 1); empty where it is none."""
    found = re.search(r"-1[0-9a-f]{3}-[0-9a-f]{4}-([0-9a-f]{12})$", endpoint, re.IGNORECASE)
    if not found or int(found[1][:2], 16) & 1:
        return ""
    return ":".join(found[1][at : at + 2] for at in range(0, 12, 2)).lower()
