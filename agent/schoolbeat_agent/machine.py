"""Which machine this is, and which of its boots."""

from __future__ import annotations

import hashlib
from pathlib import Path

# Not the DMI serials of a PC: only root can read them, and root must not be another machine than the service's user.
_SERIAL = "firmware/devicetree/base/serial-number"


def boot_id(proc: Path = Path("/proc")) -> str:
    """32 hex digits, other ones after every boot."""
    return _read(proc / "sys/kernel/random/boot_id").replace("-", "") or "0" * 32


def hardware_id(sys: Path = Path("/sys"), etc: Path = Path("/etc")) -> str:
    """16 hex digits of the machine itself: a copied memory card has another one in another machine.

    The serial number if there is one, else the addresses of the built-in network cards (only their hash leaves this
    machine), else the id of the installation.
    """
    if serial := _read(sys / _SERIAL):
        return _hashed(serial)
    cards = sorted(_read(card / "address") for card in (sys / "class/net").glob("*") if (card / "device").exists())
    return _hashed(",".join(cards) if any(cards) else _read(etc / "machine-id"))


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8, person=b"schoolbeat").hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""
