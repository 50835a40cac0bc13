"""A refused password is not tried again and again: cameras lock the account, and then nobody sees anything."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes.world import World

FIRST_SECONDS: Final = 600.0
LONGEST_SECONDS: Final = 6 * 3_600.0
WAIT_SECONDS: Final = 6.0


@asynccontextmanager
async def first_alone(address: str, credential: Credential | None, world: World) -> AsyncIterator[None]:
    """Until it is known whether the device takes the credential, one asks and the others wait a little.

    A recorder's channels are many devices with one account: sixteen refusals at once would lock it.
    """
    if credential is None or _key(address, credential) in world.memory.of_probe:
        yield
        return
    lock: asyncio.Lock = world.memory.of_probe.setdefault(f"first {_key(address, credential)}", asyncio.Lock())
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await lock.acquire()
    except TimeoutError:  # who asks before us hangs: so nothing was refused
        yield
        return
    try:
        yield
    finally:
        lock.release()


def may_try(address: str, credential: Credential, world: World) -> bool:
    """Whether this device may be told this credential now; another credential may always be tried."""
    until, _ = world.memory.of_probe.get(_key(address, credential), (0.0, 0.0))
    return world.monotonic() >= float(until)


def refused(address: str, credential: Credential, world: World) -> None:
    """It was told and refused: the next try is later each time."""
    key = _key(address, credential)
    _, waited = world.memory.of_probe.get(key, (0.0, 0.0))
    wait = min(max(2 * waited, FIRST_SECONDS), LONGEST_SECONDS)
    world.memory.of_probe[key] = (world.monotonic() + wait, wait)


def accepted(address: str, credential: Credential, world: World) -> None:
    world.memory.of_probe[_key(address, credential)] = (0.0, 0.0)


def _key(address: str, credential: Credential) -> str:
    """Tells credentials apart without holding them."""
    mark = hashlib.sha256(f"{credential.username}\0{credential.password}".encode()).hexdigest()[:16]
    return f"refused {address} {mark}"
