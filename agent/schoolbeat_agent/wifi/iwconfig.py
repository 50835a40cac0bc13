"""`iwconfig` and /proc/net/wireless (Wireless Extensions): for machines so old that they have no `iw`."""

from __future__ import annotations

import re
from typing import Final

from schoolbeat_agent.wifi.link import Link
from schoolbeat_agent.wifi.ssid import LONGEST, channel_of

MOST: Final = 64

_HEAD = re.compile(r"(\S{1,15})\s+IEEE 802\.11\S*\s")
_ESSID = re.compile(r'ESSID:"(.*)"')
_SIGNAL = re.compile(r"Signal level[=:](-\d{1,3}) dBm")
_RATE = re.compile(r"Bit Rate[=:](\d{1,6}(?:\.\d{1,3})?) ([kMG])b/s")
_FREQUENCY = re.compile(r"Frequency[=:](\d(?:\.\d{1,6})?) GHz")
_SCALE: Final = {"k": 1e3, "M": 1e6, "G": 1e9}
_NO_LEVEL: Final = -256.0


def parse(text: str) -> dict[str, Link]:
    """interface -> its link, of those that say they are IEEE 802.11."""
    found: dict[str, str] = {}
    interface = ""
    for line in text.splitlines():
        if line[:1].strip():
            head = _HEAD.match(line)
            interface = head[1] if head and len(found) < MOST else ""
        if interface:
            found[interface] = found.get(interface, "") + line + "\n"
    return {interface: _link(block) for interface, block in found.items()}


def _link(block: str) -> Link:
    essid, signal, rate, freq = (pattern.search(block) for pattern in (_ESSID, _SIGNAL, _RATE, _FREQUENCY))
    return Link(
        essid[1].encode("utf-8", "replace")[:LONGEST] if essid else b"",
        channel_of(round(float(freq[1]) * 1e3, 3)) if freq else None,
        float(signal[1]) if signal else None,
        round(float(rate[1]) * _SCALE[rate[2]]) if rate else None,
    )


def levels(text: str) -> dict[str, tuple[float | None, float | None]]:
    """/proc/net/wireless: interface -> (signal, noise) in dBm; None: not known or not in dBm."""
    out: dict[str, tuple[float | None, float | None]] = {}
    for line in text.splitlines()[:MOST]:
        name, colon, rest = line.strip().partition(":")
        fields = rest.split()
        if colon and name and " " not in name and len(fields) >= 4:
            out[name] = _dbm(fields[2]), _dbm(fields[3])
    return out


def _dbm(field: str) -> float | None:
    """A dot behind it says that it is fresh. Old drivers write a byte without its sign: 200 is -56."""
    if not re.fullmatch(r"-?\d{1,3}\.?", field):
        return None
    value = float(field)
    if 128 <= value < 256:
        value -= 256
    return value if _NO_LEVEL < value < 0 else None
