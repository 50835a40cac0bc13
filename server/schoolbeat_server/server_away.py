"""Our own breaks: from when to when we heard nobody for reasons of ours, so that no school is charged with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

from sqlalchemy import Connection

from schoolbeat_server import schema
from schoolbeat_server.database import get_meta, upsert

Why = Literal["stopped", "broker", "database", "stalled", "everyone"]

STOPPED_MS = 15_000  # a restart that took longer is a break
JOIN_MS = 5_000  # between two words of one break
LEAST_MS = 1_000  # shorter than that is connecting
WRITE_MS = 30_000  # how far the stored end of a break that lasts may lag
EVERYONE_SITES = 5  # so many at once, in more than one area, and nobody else heard: the fault is not the schools'
EVERYONE_AREAS = 2
EVERYONE_MS = 90_000  # every school reports each minute; so long a session without a word is lost, too


class Breaks:
    """Breaks that are not written yet, and the last one, which may still last."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[int, Why]] = {}  # from_ms -> until_ms, why; not written
        self.last: tuple[int, int, Why] | None = None
        self.written_ms = 0  # the end of the last one, as it was written

    def note(self, now_ms: int, why: Why) -> None:
        """Now we hear nobody; the break goes on, or begins."""
        if self.last is not None and self.last[2] == why and 0 <= now_ms - self.last[1] <= JOIN_MS:
            self.add(self.last[0], now_ms, why)
        else:
            self.add(now_ms, now_ms, why)

    def add(self, from_ms: int, until_ms: int, why: Why) -> None:
        if self.last is None or self.last[0] != from_ms:
            self.written_ms = 0
        self.last = (from_ms, until_ms, why)
        self.rows[from_ms] = (until_ms, why)

    def start(self, connection: Connection, now_ms: int) -> None:
        """Since the last thing that we wrote we were not running."""
        alive_ms = int(get_meta(connection, "alive_ms") or 0)
        if alive_ms and now_ms - alive_ms > STOPPED_MS:
            self.add(alive_ms, now_ms, "stopped")

    def is_due(self, now_ms: int) -> bool:
        """Whether something is worth a transaction of its own."""
        if self.last is None or not self.rows:
            return False
        is_over = now_ms - self.last[1] > JOIN_MS
        return is_over or len(self.rows) > 1 or self.last[1] - self.written_ms >= WRITE_MS

    def write(self, connection: Connection) -> None:
        rows = [
            {"from_ms": from_ms, "until_ms": until_ms, "why": why}
            for from_ms, (until_ms, why) in self.rows.items()
            if until_ms - from_ms >= LEAST_MS
        ]
        if rows:
            upsert(connection, schema.server_away, rows, ("from_ms",))

    def settle(self) -> None:
        """What was written is committed."""
        if self.rows and self.last is not None:
            self.written_ms = self.last[1]
        self.rows = {}


class Heard(Protocol):
    """As contact.SiteContact."""

    heard_ms: int
    lost_ms: int | None
    back_ms: int | None


def nobody_since(sites: Mapping[str, Heard], areas: Mapping[str, str]) -> int | None:
    """The last word of anybody, if since then many sites of several areas fell silent, half of all at least: then it
    is not known whether the schools or the way to us failed. None as soon as one of them is heard."""
    last_ms = max((one.heard_ms for one in sites.values()), default=0)
    fell, there = [], 0
    for site, one in sites.items():
        if not one.heard_ms:
            continue
        if one.lost_ms is None or one.back_ms is not None:
            there += 1
        elif one.lost_ms >= last_ms:
            fell.append(site)
    if len(fell) < EVERYONE_SITES or len(fell) < there:
        return None
    return last_ms if len({areas.get(site, "") for site in fell}) >= EVERYONE_AREAS else None
