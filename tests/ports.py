"""Ports for test servers, out of the way of those that the kernel hands out by itself."""

from __future__ import annotations

import os
import random
import socket

# Below Linux's ephemeral ports (32768 and up): no outgoing connection and no bind to port 0 of a neighbour that runs
# at the same time can take one between here and its use.
LOWEST, HIGHEST = 20_000, 32_000
_random = random.Random(os.getpid() ^ random.SystemRandom().getrandbits(32))
_given: set[int] = set()


def free_port() -> int:
    """A TCP and UDP port of loopback on which nothing listens just now, given only once to this process."""
    while True:
        port = _random.randrange(LOWEST, HIGHEST)
        if port in _given:
            continue
        try:
            with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
        except OSError:
            continue
        _given.add(port)
        return port
