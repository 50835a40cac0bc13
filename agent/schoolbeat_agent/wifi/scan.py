"""`iw dev … scan` and `scan dump`: which networks are heard, how well, and how busy their channels are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.wifi.ssid import channel_of, from_iw

MOST: Final = 1_000  # access points; the densest city block has a few hundred

_BSS = re.compile(r"BSS (?:[0-9A-Fa-fx]{2}:){5}[0-9A-Fa-fx]{2}\s*\(on ")
_FIELDS: Final = {
    "freq": re.compile(r"freq:\s*(\d{4,5}(?:\.\d{1,3})?)\b"),
    "signal": re.compile(r"signal:\s*(-?\d{1,3}(?:\.\d{1,3})?) dBm"),
    "age": re.compile(r"last seen:\s*(\d{1,9}) ms ago"),
    "ssid": re.compile(r"SSID:(.*)"),
    "ds": re.compile(r"DS Parameter set: channel (\d{1,3})\b"),
    "primary": re.compile(r"\* primary channel: (\d{1,3})\b"),
    "stations": re.compile(r"\* station count: (\d{1,5})\b"),
    "busy": re.compile(r"\* channel utili[sz]ation: (\d{1,3})/255"),
}


@dataclass(frozen=True)
class Heard:
    """One access point (BSS). Its address is not here: nobody needs it. None: not told."""

    ssid: bytes = b""
    freq_mhz: float | None = None
    channel: int | None = None
    signal_dbm: float | None = None
    age_ms: int | None = None
    stations: int | None = None  # BSS Load element, IEEE 802.11-2020, 9.4.2.27
    busy_255: int | None = None
    associated: bool = False

    @property
    def busy_percent(self) -> float | None:
        return None if self.busy_255 is None else self.busy_255 / 255 * 100


def parse(text: str) -> list[Heard]:
    """Every BSS in the order printed."""
    out: list[Heard] = []
    head, lines = "", list[str]()
    for line in text.splitlines():
        if _BSS.match(line):
            if head:
                out.append(_one(head, lines))
            head, lines = line, []
            if len(out) >= MOST:
                return out
        else:
            lines.append(line.strip())
    return [*out, _one(head, lines)] if head else out


def _one(head: str, lines: list[str]) -> Heard:
    found: dict[str, str] = {}
    for line in lines:
        for name, pattern in _FIELDS.items():
            if name not in found and (match := pattern.match(line)):
                found[name] = match[1]
                break
    freq = float(found["freq"]) if "freq" in found else None
    told = found.get("primary") or found.get("ds")
    busy = int(found["busy"]) if "busy" in found else None
    return Heard(
        ssid=from_iw(found.get("ssid", "").strip()),
        freq_mhz=freq,
        channel=(channel_of(freq) if freq else None) or (int(told) if told else None),
        signal_dbm=float(found["signal"]) if "signal" in found else None,
        age_ms=int(found["age"]) if "age" in found else None,
        stations=int(found["stations"]) if "stations" in found else None,
        busy_255=busy if busy is not None and busy <= 255 else None,
        associated="-- associated" in head,
    )
