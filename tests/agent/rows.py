"""Minute rows for tests: what a row says is told by its minute, so that a mixed-up row is seen."""

from __future__ import annotations

import random

from schoolbeat_wire.report import MinuteRow

FIRST = 29_000_000
REVISION = "0123456789ab"


def row(minute: int, values: int = 3) -> MinuteRow:
    rng = random.Random(minute)
    return MinuteRow(
        seq=0,
        minute=minute,
        signals=bytes([minute % 61, 255]),
        values=[[rng.randrange(1_000_000) for _ in range(values)], [None]],
        failures=[(0, 1, minute % 7 + 1)],
    )
