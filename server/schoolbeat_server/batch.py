"""A batch: the messages that become one transaction, what they will write, and whom to answer afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection

from schoolbeat_wire import messages as wire

ASIDE_BYTES = 4_096  # of each payload kept aside

EpochKey = tuple[str, str, str]  # site, agent, epoch


class Message(NamedTuple):
    """A message as it came; `token` is what acknowledges it."""

    topic: str
    payload: bytes
    retained: bool
    token: Any


class Out(NamedTuple):
    """A message to be published after the commit."""

    topic: str
    payload: bytes
    qos: int = 0


@dataclass
class Batch:
    """Rows are dicts of the columns in schema.py. sites: whose incidents are to be looked at. minutes: site -> the
    newest minute that came. wanted: (site, agent, revision) of inventories to ask for. touched: (site, why) -> minutes
    [first, end) that changed after their day was over. placed: site -> minutes [first, end) of which something came."""

    connection: Connection
    now_ms: int
    reports: list[dict[str, Any]] = field(default_factory=list)
    aside: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    epochs: set[EpochKey] = field(default_factory=set)
    latest: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    nonces: dict[EpochKey, int] = field(default_factory=dict)
    wanted: set[tuple[str, str, str]] = field(default_factory=set)
    sites: set[str] = field(default_factory=set)
    minutes: dict[str, int] = field(default_factory=dict)
    events: list[tuple[str, wire.Event]] = field(default_factory=list)
    touched: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    placed: dict[str, tuple[int, int]] = field(default_factory=dict)

    def place(self, site: str, first: int, end: int) -> None:
        low, high = self.placed.get(site, (first, end))
        self.placed[site] = min(low, first), max(high, end)

    def touch(self, site: str, why: str, first: int, end: int) -> None:
        low, high = self.touched.get((site, why), (first, end))
        self.touched[site, why] = min(low, first), max(high, end)

    def set_aside(self, message: Message, reason: str, text: str) -> None:
        """Counted for ever, kept for a while, its payload cut to a bound."""
        self.counts[f"aside.{reason}"] += 1
        self.aside.append(
            {
                "received_ms": self.now_ms,
                "topic": message.topic[:200],
                "reason": reason,
                "text": text[:500],
                "payload": message.payload[:ASIDE_BYTES],
            }
        )
