"""`iw dev … survey dump`: how busy and how noisy the channels are, by the radio's own count."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

MOST: Final = 200

_FIELDS: Final = {
    "noise": re.compile(r"noise:\s*(-\d{1,3}) dBm"),
    "active": re.compile(r"channel active time:\s*(\d{1,18}) ms"),
    "busy": re.compile(r"channel busy time:\s*(\d{1,18}) ms"),
}
_FREQUENCY = re.compile(r"frequency:\s*(\d{4,5}(?:\.\d{1,3})?) MHz(.*)")


@dataclass(frozen=True)
class Surveyed:
    """A channel. busy_percent: of the time the radio listened there; None: it did not, or does not tell."""

    freq_mhz: float
    in_use: bool = False
    noise_dbm: float | None = None
    busy_percent: float | None = None


def parse(text: str) -> list[Surveyed]:
    """The channels in the order printed."""
    out: list[Surveyed] = []
    for part in text.split("Survey data from ")[1 : MOST + 1]:
        lines = [line.strip() for line in part.splitlines()]
        where = next((match for line in lines if (match := _FREQUENCY.match(line))), None)
        if where is None:
            continue
        found: dict[str, int] = {}
        for line in lines:
            for name, pattern in _FIELDS.items():
                if name not in found and (match := pattern.match(line)):
                    found[name] = int(match[1])
        active, busy = found.get("active", 0), found.get("busy")
        percent = 100 * busy / active if busy is not None and 0 <= busy <= active and active else None
        noise = float(found["noise"]) if "noise" in found else None
        out.append(Surveyed(float(where[1]), "[in use]" in where[2], noise, percent))
    return out
