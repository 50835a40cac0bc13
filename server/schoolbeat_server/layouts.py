"""What the positions of a report mean, by inventory revision; and which agent may speak for which signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.database import upsert
from schoolbeat_server.ledger import CONTACT
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.errors import WireError

# What is kept of speed tests, by the column of speed_test. Their subject is speed.<server>, or line.internet.
SPEED_COLUMNS = {
    "download_bps": "download_bps",
    "upload_bps": "upload_bps",
    "speed_method": "method",
    "speed_bytes": "bytes",
    "speed_ceiling": "ceiling",
    "speed_failure": "failure",
}
MOST = 500  # inventories of one agent that reports still need


class Layout(NamedTuple):
    """signals: in the order of a report's bytes; "" for what no agent may tell. speeds: (column of the report, column
    of speed_test, server by subject: None for a subject that is no speed test) of sparse speed tests."""

    inventory: inventories.Inventory
    signals: tuple[str, ...]
    speeds: tuple[tuple[int, str, tuple[str | None, ...]], ...]


class Tenure(NamedTuple):
    """An agent's time as owner of a signal: [first_minute, end_minute), None: still."""

    first_minute: int
    end_minute: int | None
    agent: str


class Layouts:
    """Remembers what it has read; the database has all of it."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], Layout] = {}
        self.owners: dict[tuple[str, str], str] = {}  # (site, signal) -> agent, now
        self.changed: dict[tuple[str, str], list[Tenure]] = {}  # of signals that had another owner before
        self.claimed: set[tuple[str, str, str]] = set()
        self.undivided: set[tuple[str, str, str]] = set()  # every signal was always this agent's

    def load(self, connection: Connection) -> None:
        table = schema.owner.c
        rows = connection.execute(select(table.site, table.signal, table.agent).where(table.to_minute.is_(None)))
        self.known, self.owners, self.claimed = {}, {(site, signal): agent for site, signal, agent in rows}, set()
        self.changed, self.undivided = {}, set()
        ended = select(table.site, table.signal).where(table.to_minute.is_not(None))
        for site, signal in {(site, signal) for site, signal in connection.execute(ended)}:
            self.changed[site, signal] = tenures(connection, site, signal)

    def of(self, connection: Connection, site: str, agent: str, revision: str) -> Layout | None:
        """None: no such inventory has come yet."""
        key = (site, agent, revision)
        found = self.known.get(key)
        if found is None:
            table = schema.inventory.c
            payload = connection.scalar(
                select(table.payload).where(table.site == site, table.agent == agent, table.revision == revision)
            )
            if payload is None:
                return None
            found = self.known[key] = self._read(inventories.decode(payload))
        return found

    def owns(self, site: str, agent: str, signal: str) -> bool:
        """Now. True too for a signal that nobody has claimed."""
        return signal != CONTACT and self.owners.get((site, signal), agent) == agent

    def owned_at(self, site: str, agent: str, signal: str, minute: int) -> bool:
        past = self.changed.get((site, signal))
        if past is None:
            return self.owns(site, agent, signal)
        held = (one.agent for one in past if one.first_minute <= minute < (one.end_minute or minute + 1))
        return next(held, agent) == agent

    def believed(self, key: tuple[str, str, str], signals: Sequence[str], minutes: Sequence[int], data: bytes) -> bytes:
        """The bytes of a report (site, agent, revision), unknown where another agent owned the signal then."""
        site, agent, _ = key
        if key in self.undivided:
            return data
        if all(self.owners.get((site, name)) == agent and (site, name) not in self.changed for name in signals):
            self.undivided.add(key)
            return data
        width, out = len(signals), None
        for index, signal in enumerate(signals):
            if (site, signal) not in self.changed:
                if self.owners.get((site, signal), agent) == agent:
                    continue
                foreign: Iterable[int] = range(len(minutes))
            else:
                foreign = [at for at, minute in enumerate(minutes) if not self.owned_at(site, agent, signal, minute)]
            out = bytearray(data) if out is None else out
            for at in foreign:
                out[at * width + index] = UNKNOWN
        return data if out is None else bytes(out)

    def _read(self, found: inventories.Inventory) -> Layout:
        speeds = (
            (index, SPEED_COLUMNS[column.reading], tuple(map(speed_server, column.subjects)))
            for index, column in enumerate(found.columns)
            if column.sparse and column.reading in SPEED_COLUMNS
        )
        return Layout(found, tuple("" if name == CONTACT else name for name in found.signals), tuple(speeds))

    def learn(self, connection: Connection, site: str, agent: str, payload: bytes, now_ms: int) -> str | None:
        """The revision, if it is new. WireError: unreadable, or a revision that named something else before."""
        found = inventories.decode(payload)
        known = self.of(connection, site, agent, found.revision)
        if known is not None:
            if (known.inventory.signals, known.inventory.columns) != (found.signals, found.columns):
                raise WireError("layout", f"inventory {found.revision} was something else before: a revision names one")
            return None
        self._make_room(connection, site, agent)
        connection.execute(
            insert(schema.inventory).values(
                site=site, agent=agent, revision=found.revision, received_ms=now_ms, payload=payload
            )
        )
        self.claim(connection, site, agent, found)
        return found.revision

    def _make_room(self, connection: Connection, site: str, agent: str) -> None:
        """Inventories that no stored report needs go when there are too many."""
        table, report = schema.inventory.c, schema.report.c
        mine = (table.site == site) & (table.agent == agent)
        count = select(func.count()).select_from(schema.inventory).where(mine)
        if (connection.scalar(count) or 0) < MOST:
            return
        needed = select(report.revision).where(report.site == site, report.agent == agent)
        connection.execute(delete(schema.inventory).where(mine, table.revision.not_in(needed)))
        known = list(self.known.items())  # at once: another thread may be adding to it
        self.known = {key: layout for key, layout in known if key[:2] != (site, agent)}
        if (connection.scalar(count) or 0) >= MOST:
            raise WireError("count", f"agent {site}/{agent} has {MOST} inventories that its reports still need")

    def claim(self, connection: Connection, site: str, agent: str, found: inventories.Inventory) -> None:
        """Signals that nobody owns become this agent's: from the beginning, or from where the last owner's time ended.

        To be asked with each report, not only with the inventory: the owner may have been removed in between."""
        if (site, agent, found.revision) in self.claimed:
            return
        self.claimed.add((site, agent, found.revision))
        free = [signal for signal in found.signals if signal != CONTACT and (site, signal) not in self.owners]
        self.owners.update({(site, signal): agent for signal in free})
        rows = []
        for signal in free:
            past = self.changed.get((site, signal), [])
            first = max((one.end_minute or 0 for one in past), default=0)
            rows.append({"site": site, "signal": signal, "from_minute": first, "agent": agent, "to_minute": None})
        if not rows:
            return
        # A tenure that ended in the minute it began is empty: the new one takes its place.
        upsert(connection, schema.owner, rows, ("site", "signal", "from_minute"))
        for signal in free:
            if (site, signal) in self.changed:
                self.changed[site, signal] = tenures(connection, site, signal)


def speed_server(subject: str) -> str | None:
    """The server in a speed test's subject; empty where it is not told; None for another kind of subject."""
    head, _, rest = subject.partition(".")
    return rest if head == "speed" else "" if subject == "line.internet" else None


def tenures(connection: Connection, site: str, signal: str) -> list[Tenure]:
    table = schema.owner.c
    rows = connection.execute(
        select(table.from_minute, table.to_minute, table.agent)
        .where(table.site == site, table.signal == signal)
        .order_by(table.from_minute)
    )
    return [Tenure(*row) for row in rows]
