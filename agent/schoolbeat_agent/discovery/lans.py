"""This machine's own LANs: what a sweep may ask, once the technician has confirmed it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Interface, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import Final

LARGEST: Final = 22  # a /22 is 1,022 addresses: about ten seconds of sweep, and no school's LAN is larger by intent
PRIVATE: Final = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))  # RFC 1918


@dataclass(frozen=True)
class Lan:
    """An interface that is up, its address, and the network that is proposed to the technician."""

    interface: str
    address: IPv4Address
    network: IPv4Network


def is_private(network: IPv4Network) -> bool:
    """RFC 1918. Others are swept only where the technician has typed them."""
    return any(network.subnet_of(private) for private in PRIVATE)


def proposed(addresses: Iterable[tuple[str, IPv4Interface]]) -> list[Lan]:
    """Each private network once; of one larger than a /22 the part that this machine stands in."""
    out: dict[IPv4Network, Lan] = {}
    for interface, address in addresses:
        network = address.network
        if network.prefixlen > 30 or not is_private(network):
            continue
        if network.prefixlen < LARGEST:
            network = IPv4Network((address.ip, LARGEST), strict=False)
        out.setdefault(network, Lan(interface, address.ip, network))
    return list(out.values())


def lans() -> list[Lan]:
    """Of this machine, now; the one towards the default route first."""
    import psutil

    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    towards = default_route()
    found = sorted(interface_addresses(psutil.net_if_addrs(), up), key=lambda pair: pair[0] != towards[0])
    return proposed(found)


def own_addresses() -> list[str]:
    """IPv4, of every interface but loopback."""
    import psutil

    every = psutil.net_if_addrs()
    return [str(address.ip) for _, address in interface_addresses(every, every) if not address.is_loopback]


def interface_addresses(of: Mapping[str, Iterable[object]], up: Iterable[str]) -> list[tuple[str, IPv4Interface]]:
    """From psutil.net_if_addrs(): IPv4 with its mask."""
    out = []
    wanted = set(up)
    for name, addresses in of.items():
        for one in addresses:
            if name in wanted and getattr(one, "family", None) == socket.AF_INET:
                text = f"{getattr(one, 'address', '')}/{getattr(one, 'netmask', '')}"
                try:
                    out.append((name, IPv4Interface(text)))
                except (AddressValueError, NetmaskValueError, ValueError):
                    continue
    return out


def default_route(route: Path = Path("/proc/net/route")) -> tuple[str, str]:
    """Interface and address of the default router; empty where there is none. Linux only, elsewhere empty."""
    from schoolbeat_agent.probes.world import read_text

    return parse_default_route(read_text(route) or "")


def parse_default_route(text: str) -> tuple[str, str]:
    """/proc/net/route (proc(5)): the default route with the smallest metric; a route without router has none."""
    best: tuple[int, str, str] | None = None
    for line in text.splitlines()[1:]:
        parts = line.split()
        if len(parts) < 8 or parts[1] != "00000000" or parts[7] != "00000000":
            continue
        try:
            metric, router = int(parts[6]), IPv4Address(int.from_bytes(bytes.fromhex(parts[2]), "little"))
        except ValueError:
            continue
        if int(router) and (best is None or metric < best[0]):
            best = (metric, parts[0], str(router))
    return (best[1], best[2]) if best else ("", "")
