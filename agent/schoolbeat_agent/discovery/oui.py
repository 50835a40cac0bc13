"""Who made a network card: the first three bytes of its MAC, by Debian's ieee-data where that is installed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

FILES: Final = (Path("/usr/share/ieee-data/oui.txt"), Path("/var/lib/ieee-data/oui.txt"))
LINE = re.compile(r"([0-9A-F]{6})\s+\(base 16\)\s+(.+)")
NAME_LETTERS: Final = 60


def makers(macs: Iterable[str], files: Iterable[Path] = FILES) -> dict[str, str]:
    """MAC -> maker, of those that are listed. The file (5 MB) is read through once, and nothing of it is kept."""
    wanted: dict[str, list[str]] = {}
    for mac in macs:
        wanted.setdefault(mac.replace(":", "")[:6].upper(), []).append(mac)
    found: dict[str, str] = {}
    for file in files:
        try:
            with file.open(encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if line[:6] in wanted and (match := LINE.match(line)):
                        found |= dict.fromkeys(wanted[match[1]], match[2].strip()[:NAME_LETTERS])
        except OSError:
            continue
        break
    return found
