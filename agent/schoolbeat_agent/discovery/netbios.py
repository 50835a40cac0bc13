"""Who answers NetBIOS (RFC 1002, 4.2.17): Windows computers and file servers. Their names are not kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable
from typing import Final

PORT: Final = 137
SECONDS: Final = 1.5
# Node status request for the wildcard name.
QUESTION: Final = b"\x53\x42\0\0\0\x01\0\0\0\0\0\0\x20CK" + b"A" * 30 + b"\0\0\x21\0\x01"


class _Answers(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.of: set[str] = set()

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        if data[:2] == QUESTION[:2] and len(data) > 56 and data[2] & 0x80:
            self.of.add(source[0])


async def answering(addresses: Iterable[str], seconds: float = SECONDS) -> set[str]:
    """Those of the addresses that answer; each is asked once."""
    wanted = list(addresses)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(("", 0))
    transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(_Answers, sock=sock)
    try:
        for place, address in enumerate(wanted):
            with contextlib.suppress(OSError):
                transport.sendto(QUESTION, (address, PORT))
            if place % 32 == 31:
                await asyncio.sleep(0.05)
        await asyncio.sleep(seconds)
    finally:
        transport.close()
    return answers.of & set(wanted)
