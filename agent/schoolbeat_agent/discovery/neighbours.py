"""Who answered this machine's ARP (RFC 826): the kernel's neighbour table, and what its addresses tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address
from typing import Final

MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
COMPLETE: Final = 0x02  # ATF_COM of if_arp.h: an answer is there
NOBODY: Final = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
ANSWERS_FOR_OTHERS: Final = 4  # so many addresses of one MAC: proxy ARP (RFC 1027), not one device's own addresses


def parse_arp(text: str) -> dict[str, str]:
    """/proc/net/arp (proc(5)): address -> MAC in lower case, of those that answered."""
    out = {}
    for line in text.splitlines()[1:]:
        parts = line.split()
        if len(parts) < 6 or not MAC.fullmatch(parts[3].lower()):
            continue
        try:
            address, complete = str(IPv4Address(parts[0])), int(parts[2], 16) & COMPLETE
        except (AddressValueError, ValueError):
            continue
        if complete and parts[3] not in NOBODY:
            out[address] = parts[3].lower()
    return out


def is_random(mac: str) -> bool:
    """Locally administered (IEEE 802-2014, 8.4): made up by a phone's privacy setting or a virtual machine."""
    return bool(mac) and bool(int(mac[:2], 16) & 0x02)


def speaks_for_others(macs: Mapping[str, str]) -> set[str]:
    """MACs that answer for many addresses: they are no proof of who stands at each of them."""
    count: dict[str, int] = {}
    for mac in macs.values():
        count[mac] = count.get(mac, 0) + 1
    return {mac for mac, addresses in count.items() if addresses >= ANSWERS_FOR_OTHERS}
