"""A refused password is not tried again and again: cameras lock the account, and then nobody sees anything."""

from __future__ import annotations

import hashlib
from typing import Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes.world import World

FIRST_SECONDS: Final = 600.0
LONGEST_SECONDS: Final = 6 * 3_600.0


def may_try(address: str, credential: Credential, world: World) -> bool:
    """Whether this device may be told this credential now; another credential may always be tried."""
    of, until, _ = world.memory.of_probe.get(f"refused {address}", ("", 0.0, 0.0))
    return bool(of != _mark(credential) or world.monotonic() >= until)


def refused(address: str, credential: Credential, world: World) -> None:
    """It was told and refused: the next try is later each time."""
    of, _, waited = world.memory.of_probe.get(f"refused {address}", ("", 0.0, 0.0))
    wait = min(max(2 * waited, FIRST_SECONDS), LONGEST_SECONDS) if of == _mark(credential) else FIRST_SECONDS
    world.memory.of_probe[f"refused {address}"] = (_mark(credential), world.monotonic() + wait, wait)


def accepted(address: str, world: World) -> None:
    world.memory.of_probe.pop(f"refused {address}", None)


def _mark(credential: Credential) -> str:
    """Tells two credentials apart without holding them."""
    return hashlib.sha256(f"{credential.username}\0{credential.password}".encode()).hexdigest()
