"""Outages: runs of minutes, each known and not fully up, found in a row of ledger minutes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from schoolbeat_wire.catalogue import UP_FULL

# From a minute with a down second up to, not including, the next fully-up minute. Unknown, off and disputed minutes
# on the way neither end it nor lengthen it.
_OUTAGE = re.compile(rb"[\x00-\x3b][^\x3c]*")
_FULL = bytes([UP_FULL])
_DOWN = bytes(range(UP_FULL))
_NOT_DOWN = bytes(range(UP_FULL, 256))


class Outage(NamedTuple):
    """first_minute, last_minute: the first and last minute with a down second; end_minute: the first fully-up minute
    after it, None while the outage is open; down_seconds: its length."""

    first_minute: int
    last_minute: int
    end_minute: int | None
    down_seconds: int


def find(minutes: bytes, first_minute: int) -> list[Outage]:
    """All outages in the row, whose first byte is the minute first_minute."""
    found = []
    for match in _OUTAGE.finditer(minutes):
        run = match.group()
        down = run.translate(None, _NOT_DOWN)
        found.append(
            Outage(
                first_minute + match.start(),
                first_minute + match.start() + len(run.rstrip(_NOT_DOWN)) - 1,
                first_minute + match.end() if match.end() < len(minutes) else None,
                60 * len(down) - sum(down),
            )
        )
    return found


def affected(minutes: bytes, lo: int, hi: int) -> tuple[int, int]:
    """The widest places [lo2, hi2) that a change of the places [lo, hi) can touch.

    Left to just after the nearest fully-up minute, right to and including the nearest one. Outages that begin in
    there are to be found anew by `find(minutes[lo2:hi2], first_minute + lo2)`; all others stay as they are.
    """
    right = minutes.find(_FULL, hi)
    return minutes.rfind(_FULL, 0, lo) + 1, len(minutes) if right < 0 else right + 1


def refined(outage: Outage, edges: Sequence[tuple[int, bool]]) -> tuple[int, int | None]:
    """(start_ms, end_ms or None while open) as shown to people; edges are (at_ms, up), in any order.

    The minutes decide: the start stays within the first minute, the end between the start of the last minute with a
    down second and the start of the fully-up one. An edge refines only if it is the one to expect there: the first
    in the first minute a fall, the last before the end a rise.
    """
    start_ms = outage.first_minute * 60_000
    in_first = sorted(edge for edge in edges if start_ms <= edge[0] < start_ms + 60_000)
    if in_first and not in_first[0][1]:
        start_ms = in_first[0][0]
    if outage.end_minute is None:
        return start_ms, None
    end_ms = outage.end_minute * 60_000
    at_end = sorted(edge for edge in edges if outage.last_minute * 60_000 <= edge[0] < end_ms)
    if at_end and at_end[-1][1] and at_end[-1][0] > start_ms:
        end_ms = at_end[-1][0]
    return start_ms, end_ms
