"""SSDP (UPnP Device Architecture 2.0, 1.3): who answers a search, and what they say they are."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Final

from schoolbeat_agent.discovery.visits import clean, parse_headers

GROUP: Final = ("239.255.255.250", 1900)
SECONDS: Final = 4.0
SEARCH: Final = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: %s\r\n\r\n'
HOSTS: Final = 1_024
WORDS_OF_ONE: Final = 40


def parse(datagram: bytes) -> tuple[str, ...]:
    """Device type and SERVER of an answer; nothing of anything else. Services are of no interest, names are private."""
    if not datagram.startswith(b"HTTP/1.1 200"):
        return ()
    headers = parse_headers(datagram)
    kinds = [value for value in (headers.get("st", ""), headers.get("server", "")) if value]
    return tuple(clean(value) for value in kinds if "uuid:" not in value.lower())


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.said: dict[str, dict[str, None]] = {}

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if source[0] in self.said or len(self.said) < HOSTS:
            words = self.said.setdefault(source[0], {})
            for word in parse(data[:2_048]):
                if len(words) < WORDS_OF_ONE:
                    words[word] = None


async def search(own: Iterable[str], seconds: float = SECONDS) -> dict[str, tuple[str, ...]]:
    """address -> what it says, asked from each of this machine's own addresses."""
    answers = _Answers()
    transports = []
    try:
        for address in own:
            with contextlib.suppress(OSError):
                sock = multicast_socket(address)
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: answers, sock=sock)
                transports.append(transport)
                for target in (b"ssdp:all", b"upnp:rootdevice"):
                    transport.sendto(SEARCH % target, GROUP)
        await asyncio.sleep(seconds)
    finally:
        for transport in transports:
            transport.close()
    return {address: tuple(words) for address, words in answers.said.items() if words}


def multicast_socket(address: str) -> socket.socket:
    """A UDP socket whose multicast leaves by the interface of this address, and does not go beyond the LAN."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
        sock.bind((address, 0))
    except BaseException:
        sock.close()
        raise
    return sock
