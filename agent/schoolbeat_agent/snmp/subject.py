"""Names that devices give (ports, radios, networks) as the last part of a subject."""

from __future__ import annotations

import hashlib
from typing import Final

LONGEST: Final = 96  # characters of a subject after its first word (bounds.SUBJECT)
LEAST: Final = 12  # of a name that had to be cut
_PLAIN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def below(subject: str, name: str) -> str:
    """The subject of a part: "device.sw1" and "gi 1/0/1" are "device.sw1.gi%201%2F0%2F1".

    Bytes of UTF-8 that a subject cannot carry are %XX. A name too long is cut and ends in a hash of the whole.
    """
    _, _, rest = subject.partition(".")
    return f"{subject}.{_token(name, max(LEAST, LONGEST - len(rest) - 1))}"


def _token(name: str, room: int) -> str:
    parts = [chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in name.encode("utf-8", "replace")]
    if sum(map(len, parts)) <= room:
        return "".join(parts)
    end = "-" + hashlib.blake2b(name.encode("utf-8", "replace"), digest_size=4).hexdigest()
    kept, left = [], room - len(end)
    for part in parts:
        left -= len(part)
        if left < 0:
            break
        kept.append(part)
    return "".join(kept) + end
