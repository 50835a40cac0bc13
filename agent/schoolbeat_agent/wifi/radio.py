"""This machine's radio: whether it is there, and who uses it just now."""

from __future__ import annotations

import asyncio
import socket

from schoolbeat_agent.probes.world import World


def radio_lock(world: World) -> asyncio.Lock:
    """Whoever uses the radio holds it: listening and sitting exclude each other."""
    lock: asyncio.Lock = world.memory.of_probe.setdefault("wifi radio", asyncio.Lock())
    return lock


def is_there(interface: str) -> bool:
    """Whether this machine has such an interface."""
    try:
        return socket.if_nametoindex(interface) > 0
    except OSError:
        return False
