"""`netsh wlan show interfaces` of Windows, in whatever language it speaks. Never yet run on a real one."""

from __future__ import annotations

import re
from typing import Final

from schoolbeat_agent.wifi.link import Link
from schoolbeat_agent.wifi.ssid import LONGEST

LINES: Final = 500
# What a label is in the languages met in schools; the rest is known by the shape of its value.
CHANNEL: Final = ("channel", "kênh")
RSSI: Final = "rssi"
_QUALITY = re.compile(r"(\d{1,3})\s*%")
_RATE_LABEL = re.compile(r"\((?:Mbps|Mb/s|Mbit/s)\)")


def parse(text: str) -> Link | None:
    """The first radio that hangs on an access point: it has a quality; None where none has."""
    found: dict[str, str] = {}
    for line in text.splitlines()[:LINES]:
        label, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            continue
        name = _name(label.lower(), label, value)
        if name == "ssid" and "quality" in found:
            break  # the next radio
        if name:
            found.setdefault(name, value)
    quality = _QUALITY.fullmatch(found.get("quality", ""))
    if quality is None:
        return None
    channel = found.get("channel", "")
    rate = found.get("rate", "").replace(",", ".")
    return Link(
        found.get("ssid", "").encode("utf-8", "replace")[:LONGEST],
        int(channel) if re.fullmatch(r"[1-9]\d{0,2}", channel, re.ASCII) else None,
        _signal_dbm(found.get("rssi", ""), int(quality[1])),
        round(float(rate) * 1e6) if re.fullmatch(r"\d{1,6}(\.\d{1,3})?", rate, re.ASCII) else None,
    )


def _name(lower: str, label: str, value: str) -> str:
    if lower in ("ssid", RSSI):
        return lower
    if lower in CHANNEL:
        return "channel"
    if _QUALITY.fullmatch(value):
        return "quality"
    return "rate" if _RATE_LABEL.search(label) else ""


def _signal_dbm(rssi: str, quality: int) -> float | None:
    """WLAN_ASSOCIATION_ATTRIBUTES: 0 % is -100 dBm, 100 % is -50 dBm or better, linear between them."""
    if re.fullmatch(r"-\d{1,3}", rssi, re.ASCII):
        return float(rssi)
    return quality / 2 - 100 if 0 < quality < 100 else None
