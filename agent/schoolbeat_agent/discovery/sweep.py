"""Who is there: one datagram and one ICMP echo to each address, then what the neighbour table has learnt."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Final

from schoolbeat_agent.discovery import neighbours
from schoolbeat_agent.echo import Reply
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.world import World, read_text

AT_ONCE: Final = 128  # the kernel's table holds 1,024 neighbours, waiting ones included (gc_thresh3)
WAIT_SECONDS: Final = 1.2  # the kernel asks by ARP each second
DISCARD: Final = 9  # RFC 863: the datagram is for nobody; sending it makes the kernel ask for the MAC
ROUNDS: Final = 2  # a radio that sleeps misses the first


@dataclass(frozen=True)
class Swept:
    """macs: address -> MAC, of those in the neighbour table. answered: addresses that answered ICMP.

    until: of the boot's clock, when the last address was asked.
    """

    macs: dict[str, str]
    answered: frozenset[str]
    until: float = 0.0

    @property
    def there(self) -> list[str]:
        return sorted({*self.macs, *self.answered}, key=IPv4Address)


def addresses_of(networks: Iterable[IPv4Network], but: Iterable[str] = ()) -> list[str]:
    """Every host of the networks once, in order."""
    left_out = set(but)
    every = {str(host): None for network in networks for host in network.hosts()}
    return [address for address in every if address not in left_out]


def _poke(sock: socket.socket, address: str) -> None:
    try:
        sock.sendto(b"", (address, DISCARD))
    except OSError:
        pass  # no route, or the error of an earlier datagram: the table will say whether anybody is there


async def _part(addresses: Sequence[str], sock: socket.socket, world: World) -> set[str]:
    waiting: dict[str, asyncio.Future[Reply]] = {}
    for address in addresses:
        _poke(sock, address)
        try:
            waiting[address] = world.echo.send(address, timeout_seconds=WAIT_SECONDS)
        except ProbeFailed:
            pass  # ICMP is not allowed here: the neighbour table alone tells
    await asyncio.sleep(WAIT_SECONDS)
    answered = set()
    for address, future in waiting.items():
        reply = await future
        if reply.kind == "reply":
            answered.add(address)
    return answered


async def sweep(
    networks: Sequence[IPv4Network], world: World, own: Iterable[str], told: Callable[[int, int, int], None]
) -> Swept:
    """Each address is asked at most twice. told(done, all, found) after every 128 of them."""
    every = addresses_of(networks, own)
    asked = set(every)
    macs: dict[str, str] = {}
    answered: set[str] = set()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        for turn in range(ROUNDS):
            silent = [address for address in every if address not in macs and address not in answered]
            for first in range(0, len(silent), AT_ONCE):
                answered |= await _part(silent[first : first + AT_ONCE], sock, world)
                macs |= {address: mac for address, mac in table(world.proc).items() if address in asked}
                done = (turn * len(every) + min(first + AT_ONCE, len(silent))) // ROUNDS
                told(done, len(every), len({*macs, *answered}))
    return Swept(macs, frozenset(answered), world.monotonic())


def table(proc: Path) -> dict[str, str]:
    """The kernel's neighbour table; it may be larger than read_text's bound."""
    try:
        with (proc / "net/arp").open("rb") as file:
            return neighbours.parse_arp(file.read(1024 * 1024).decode("ascii", "replace"))
    except OSError:
        return neighbours.parse_arp(read_text(proc / "net/arp") or "")
