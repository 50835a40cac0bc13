"""`iw dev`: this machine's radios."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.wifi.ssid import from_iw

MOST: Final = 64

_INTERFACE = re.compile(r"\s*Interface (\S{1,15})$")
_TYPE = re.compile(r"\s*type (\S{1,20})")
_SSID = re.compile(r"\s*ssid (.*)")


@dataclass(frozen=True)
class Radio:
    """An interface of a radio. kind: managed (a station), AP, monitor, P2P-device…"""

    interface: str
    kind: str = ""
    ssid: bytes = b""


def parse(text: str) -> list[Radio]:
    """In the order printed; what has no interface name (P2P-device) is left out."""
    found: list[dict[str, str]] = []
    for line in text.splitlines():
        if match := _INTERFACE.match(line):
            found.append({"interface": match[1]})
        elif line.strip().startswith(("phy#", "Unnamed")):
            found.append({})
        elif found and (match := _TYPE.match(line)):
            found[-1].setdefault("kind", match[1])
        elif found and (match := _SSID.match(line)):
            found[-1].setdefault("ssid", match[1].strip())
    named = [one for one in found if "interface" in one][:MOST]
    return [Radio(one["interface"], one.get("kind", ""), from_iw(one.get("ssid", ""))) for one in named]
