"""Which machine this is, and which of its boots."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

BOOT_SECONDS = 300  # how far apart two readings of one time of boot may be
WINDOWS = sys.platform == "win32"
# Not the DMI serials of a PC: only root can read them, and root must not be another machine than the service's user.
_SERIAL = "firmware/devicetree/base/serial-number"


def boot_id(proc: Path = Path("/proc")) -> str:
    """32 hex digits, other ones after every boot."""
    if WINDOWS:
        return _windows_boot_id()
    return _read(proc / "sys/kernel/random/boot_id").replace("-", "") or "0" * 32


def hardware_id(sys: Path = Path("/sys"), etc: Path = Path("/etc")) -> str:
    """16 hex digits of the machine itself: a copied memory card has another one in another machine.

    The serial number if there is one, else the addresses of the built-in network cards (only their hash leaves this
    machine), else the id of the installation.
    """
    if WINDOWS:
        return _hashed(_windows_machine())
    if serial := _read(sys / _SERIAL):
        return _hashed(serial)
    cards = sorted(_read(card / "address") for card in (sys / "class/net").glob("*") if (card / "device").exists())
    return _hashed(",".join(cards) if any(cards) else _read(etc / "machine-id"))


def _windows_boot_id() -> str:
    """Windows counts no boots that everybody may read: its time of boot, as exact as a corrected clock leaves it."""
    import psutil

    return f"{int(psutil.boot_time()) // BOOT_SECONDS:032x}"


def _windows_machine() -> str:
    """Made with the installation: a cloned disk must be generalised (sysprep), or two machines are one."""
    import winreg

    with winreg.OpenKey(  # type: ignore[attr-defined]
        winreg.HKEY_LOCAL_MACHINE,  # type: ignore[attr-defined]
        r"SOFTWARE\Microsoft\Cryptography",
        0,
        winreg.KEY_READ | winreg.KEY_WOW64_64KEY,  # type: ignore[attr-defined]
    ) as key:
        return str(winreg.QueryValueEx(key, "MachineGuid")[0])  # type: ignore[attr-defined]


def _hashed(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8, person=b"schoolbeat").hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_bytes()[:4096].decode("utf-8", "replace").strip("\0 \n")
    except OSError:
        return ""
