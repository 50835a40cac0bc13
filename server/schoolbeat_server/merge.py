"""Joining two accounts of the same minutes: unknown < off < a value < disputed, in any order, any number of times."""

from __future__ import annotations

from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN


def join_codes(a: int, b: int) -> int:
    """The join of two ledger bytes."""
    if a == b or b == UNKNOWN:
        return a
    if a == UNKNOWN:
        return b
    if b == OFF:
        return a
    if a == OFF:
        return b
    return DISPUTED


# Looked up with both bytes read as one 16-bit number; the join is symmetric, so byte order does not matter.
_JOINED = bytes(join_codes(pair >> 8, pair & 0xFF) for pair in range(65_536))


def join(a: bytes, b: bytes) -> bytes:
    """The join of two rows of ledger bytes, place by place. ValueError when their lengths differ."""
    if len(a) != len(b):
        raise ValueError(f"cannot join {len(a)} minutes with {len(b)}: both must cover the same minutes")
    if a == b or b.count(UNKNOWN) == len(b):
        return a
    if a.count(UNKNOWN) == len(a):
        return b
    pairs = bytearray(2 * len(a))
    pairs[0::2] = a
    pairs[1::2] = b
    return bytes(map(_JOINED.__getitem__, memoryview(pairs).cast("H")))
