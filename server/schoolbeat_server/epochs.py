"""The agents' outbox files as the server knows them: which seqs are settled, and the acks that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.batch import EpochKey, Out
from schoolbeat_server.database import upsert
from schoolbeat_server.ranges import Ranges
from schoolbeat_wire import bounds, topics
from schoolbeat_wire import messages as wire
from schoolbeat_wire.errors import WireError

MOST = 1_000  # of one agent: each is a new card or a new file
MOST_RANGES = 2_000  # of one epoch's settled seqs: written anew with every commit that concerns it


@dataclass
class Epoch:
    """lowest, next: as the agent's last presence said them."""

    settled: Ranges = field(default_factory=Ranges)
    hardware: str = ""
    boot: str = ""
    lowest: int = 0
    next: int = 0


class Epochs:
    """All epochs of all agents, by (site, agent, epoch)."""

    def __init__(self) -> None:
        self.known: dict[EpochKey, Epoch] = {}
        self.count: Counter[tuple[str, str]] = Counter()

    def load(self, connection: Connection) -> None:
        self.known = {
            (row.site, row.agent, row.epoch): Epoch(
                Ranges.from_json(row.settled), row.hardware, row.boot, row.lowest, row.next
            )
            for row in connection.execute(select(schema.epoch))
        }
        self.count = Counter(key[:2] for key in self.known)

    def of(self, key: EpochKey) -> Epoch:
        """Made when it is new. WireError when an agent makes up more than anybody could need."""
        found = self.known.get(key)
        if found is None:
            if self.count[key[:2]] >= MOST:
                raise WireError("count", f"agent {key[0]}/{key[1]} had {MOST} epochs already")
            found = self.known[key] = Epoch()
            self.count[key[:2]] += 1
        return found

    def has_lost(self, key: EpochKey, presence: wire.Presence) -> bool:
        """Whether an ack of ours settled what we know nothing of: we were put back to an earlier state."""
        known = self.known.get(key)
        last = presence.settled - 1
        return last >= presence.lowest and (known is None or not known.settled.covers(last, last + 1))

    def take(self, key: EpochKey, presence: wire.Presence, *, losses: bool = True) -> None:
        """What the agent says it holds. What it no longer has is declared lost, or was settled long ago; not believed
        of what may be a copy, whose outbox may bear the same epoch (losses=False)."""
        epoch = self.of(key)
        epoch.hardware, epoch.boot = presence.hardware, presence.boot
        if not losses:
            return
        _check_ranges(epoch, [(0, presence.lowest), *presence.gaps])
        epoch.lowest, epoch.next = presence.lowest, presence.next
        if presence.lowest:
            epoch.settled.add(0, presence.lowest)
        for first, end in presence.gaps:
            epoch.settled.add(first, end)

    def settle(self, key: EpochKey, first: int, end: int) -> None:
        """WireError when the agent leaves more holes than anybody could need."""
        epoch = self.of(key)
        _check_ranges(epoch, [(first, end)])
        epoch.settled.add(first, end)

    def write(self, connection: Connection, keys: Iterable[EpochKey], now_ms: int) -> None:
        rows = [
            {
                "site": key[0],
                "agent": key[1],
                "epoch": key[2],
                "hardware": epoch.hardware,
                "boot": epoch.boot,
                "lowest": epoch.lowest,
                "next": epoch.next,
                "settled": epoch.settled.to_json(),
                "seen_ms": now_ms,
            }
            for key, epoch in ((key, self.known[key]) for key in keys)
        ]
        if rows:
            upsert(connection, schema.epoch, rows, ("site", "agent", "epoch"))

    def ack(self, key: EpochKey, server: str, now_ms: int, nonce: int, proof: tuple[str, str] = ("", "")) -> Out:
        """The newest ranges that fit; `complete_from` says from where on they are all. proof: (day, digest)."""
        pairs = self.known[key].settled.pairs()
        kept = pairs[-bounds.RANGES :]
        message = wire.Ack(
            server=server,
            time_ms=now_ms,
            epoch=key[2],
            settled=kept,
            complete_from=kept[0][0] if len(kept) < len(pairs) else 0,
            nonce=nonce,
            proof_day=proof[0],
            proof=proof[1],
        )
        return Out(topics.topic(key[0], key[1], "ack"), wire.encode(message))


def _check_ranges(epoch: Epoch, more: Iterable[tuple[int, int]]) -> None:
    new = sum(1 for first, end in more if first < end and not epoch.settled.touches(first, end))
    if new and len(epoch.settled.firsts) + new > MOST_RANGES:
        raise WireError("count", f"the settled seqs of one epoch would lie in more than {MOST_RANGES} ranges")
