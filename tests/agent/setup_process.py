"""`setup` as a process, with devices that nobody had to sweep for: `python -m tests.agent.setup_process CONFIG …`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any, TextIO

from schoolbeat_agent.discovery.discover import SWEEPING, Progress
from schoolbeat_agent.discovery.found import Found, device_id
from schoolbeat_agent.discovery.lans import Lan
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.setup import command
from schoolbeat_agent.texts import Language, Text

LAN = Lan("eth0", IPv4Address("192.168.7.10"), IPv4Network("192.168.7.0/24"))
THERE = (  # address, MAC, kind, confidence, name, ask
    ("192.168.7.1", "02:00:00:00:00:01", "router", 95, "GW-Trường", ""),
    ("192.168.7.9", "02:00:00:00:00:09", "camera", 90, "", "rtsp"),
    ("192.168.7.20", "02:00:00:00:00:20", "board", 40, "", "pjlink"),
    ("192.168.7.50", "02:00:00:00:00:50", "computer", 80, "", ""),
)


class FakeSweep:
    """In place of `discover`: a school's devices, and what it was asked for."""

    def __init__(self, there: Sequence[tuple[str, str, str, int, str, str]] = THERE, seconds: float = 0.0) -> None:
        self.there, self.seconds = there, seconds
        self.asked: list[dict[str, Any]] = []

    async def __call__(self, networks: Sequence[IPv4Network], world: object, **named: Any) -> list[Found]:
        self.asked.append({"networks": [str(network) for network in networks], **named})
        for done in (0, 128, 254):
            named["progress"](Progress(SWEEPING, done, 254, done // 64))
            await asyncio.sleep(self.seconds)
        return [
            Found(
                id=device_id(named["site_key"], f"mac {mac}"),
                address=address,
                identity=f"mac {mac}",
                kind=kind,
                confidence=confidence,
                reasons=(Text("mở cổng 554", "port 554 is open"), Text("MAC của hãng", "the maker's MAC")),
                name=name,
                vendor="Hãng thử",
                ask=ask,  # type: ignore[arg-type]
                interfaces=("ether1",) if kind == "router" else (),
            )
            for address, mac, kind, confidence, name, ask in self.there
        ]


async def measured(settings: Settings, language: Language, progress: TextIO) -> tuple[str, bool]:
    """In place of `once`."""
    return f"ĐÃ ĐO {len(settings.devices)} THIẾT BỊ", True


if __name__ == "__main__":
    sys.exit(
        command.run(
            Path(sys.argv[1]),
            "en" if "en" in sys.argv[2:] else None,
            sweep=FakeSweep(seconds=60.0 if "slow" in sys.argv[2:] else 0.0),
            own_lans=lambda: [LAN],
            measure=measured,
        )
    )
