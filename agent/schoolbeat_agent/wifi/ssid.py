"""Network names (SSIDs) are up to 32 bytes of anything: how tools write them, and how they stand in signals."""

from __future__ import annotations

import re
from typing import Final

SIGNAL_PREFIX: Final = "wifi."
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPE: Final = re.compile(rb"\\x([0-9A-Fa-f]{2})")
LONGEST: Final = 32


def token(ssid: bytes) -> str:
    """As in signals and subjects: every byte that is not a letter, digit, _ or - as %XX.

    Dots too: what stands behind a dot would look like a part of the name.
    """
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in ssid[:LONGEST])


def signal_of(ssid: bytes) -> str:
    """wifi.<token>."""
    return SIGNAL_PREFIX + token(ssid)


def is_hidden(ssid: bytes) -> bool:
    """An access point that hides its name sends none, or zeros of its length."""
    return not ssid.strip(b"\0")


def from_iw(text: str) -> bytes:
    """`iw` and `wpa_cli` write every byte that is no printable ASCII as \\xNN, a backslash too."""
    return _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "replace"))[:LONGEST]


def channel_of(freq_mhz: float) -> int | None:
    """IEEE 802.11 channel numbers of the 2.4, 5 and 6 GHz bands; None for what is in none of them."""
    if freq_mhz == 2_484:
        return 14
    for low, high, base in ((2_412, 2_472, 2_407), (5_160, 5_885, 5_000), (5_955, 7_115, 5_950)):
        if low <= freq_mhz <= high:
            return round((freq_mhz - base) / 5)
    return None
