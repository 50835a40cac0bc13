"""`iw dev … link` and `iw dev … station dump`: how well this machine's own radio hangs on its access point."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.wifi.ssid import channel_of, from_iw

_BEGIN = re.compile(r"(?:Connected to|Station) [0-9A-Fa-fx:]{17} \(on ")
# Only at the beginning of a line: "last ack signal:-54 dBm" and "signal avg:" are others.
_FIELDS: Final = {
    "ssid": re.compile(r"SSID:(.*)"),
    "freq": re.compile(r"freq:\s*(\d{4,5}(?:\.\d{1,3})?)\b"),
    "signal": re.compile(r"signal:\s*(-?\d{1,3})(?:\s+\[[^\]]*\])? dBm"),
    "tx": re.compile(r"tx bitrate:\s*(\d{1,6}(?:\.\d)?) MBit/s"),
    "rx": re.compile(r"rx bitrate:\s*(\d{1,6}(?:\.\d)?) MBit/s"),
}


@dataclass(frozen=True)
class Link:
    """None: not told. rate_bps: what this machine may send with; where that is not told, receive."""

    ssid: bytes = b""
    channel: int | None = None
    signal_dbm: float | None = None
    rate_bps: float | None = None


def parse(text: str) -> Link | None:
    """The first access point named; None where the radio hangs on none."""
    found: dict[str, str] | None = None
    for line in text.splitlines():
        if _BEGIN.match(line):
            if found is not None:
                break
            found = {}
        elif found is not None:
            for name, pattern in _FIELDS.items():
                if name not in found and (match := pattern.match(line.strip())):
                    found[name] = match[1]
                    break
    if found is None:
        return None
    rate = found.get("tx") or found.get("rx")
    return Link(
        from_iw(found.get("ssid", "").strip()),
        channel_of(float(found["freq"])) if "freq" in found else None,
        float(found["signal"]) if "signal" in found else None,
        round(float(rate) * 1e6) if rate else None,
    )
