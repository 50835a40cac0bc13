"""Who gave this machine its address: the DHCP server that its lease files name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

# Of systemd-networkd and NetworkManager ("SERVER_ADDRESS="), and of dhclient ("option dhcp-server-identifier").
FOLDERS: Final = tuple(
    Path(folder)
    for folder in (
        "/run/systemd/netif/leases",
        "/run/NetworkManager/devices",
        "/var/lib/NetworkManager",
        "/var/lib/dhcp",
    )
)
SERVER = re.compile(r"(?:SERVER_ADDRESS=|dhcp-server-identifier )(\d{1,3}(?:\.\d{1,3}){3})")
FILES: Final = 64
LEASE_BYTES: Final = 65_536


def dhcp_servers(folders: Iterable[Path] = FOLDERS) -> frozenset[str]:
    """Addresses; none where no lease file can be read."""
    found: set[str] = set()
    for folder in folders:
        try:
            for file in sorted(folder.iterdir())[:FILES]:
                if file.is_file():
                    with file.open("rb") as opened:
                        found.update(SERVER.findall(opened.read(LEASE_BYTES).decode("utf-8", "replace")))
        except OSError:
            continue
    return frozenset(found)
