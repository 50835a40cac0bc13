"""What the positions of a report mean, by inventory revision; and which agent may speak for which signal."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.ledger import CONTACT
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.errors import WireError

SPEED_READINGS = ("download_bps", "upload_bps")
MOST = 500  # inventories of one agent that reports still need


class Layout(NamedTuple):
    """signals: a signal that another agent owns reads "". speeds: (column, reading) of sparse speed tests."""

    inventory: inventories.Inventory
    signals: tuple[str, ...]
    speeds: tuple[tuple[int, str], ...]


class Layouts:
    """Remembers what it has read; the database has all of it."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str, str], Layout] = {}
        self.owners: dict[tuple[str, str], str] = {}  # (site, signal) -> agent

    def load(self, connection: Connection) -> None:
        table = schema.owner.c
        rows = connection.execute(select(table.site, table.signal, table.agent).where(table.to_minute.is_(None)))
        self.known, self.owners = {}, {(site, signal): agent for site, signal, agent in rows}

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
            found = self.known[key] = self._read(site, agent, inventories.decode(payload))
        return found

    def owns(self, site: str, agent: str, signal: str) -> bool:
        """True too for a signal that nobody has claimed."""
        return self.owners.get((site, signal), agent) == agent

    def _read(self, site: str, agent: str, found: inventories.Inventory) -> Layout:
        speeds = (
            (index, column.reading)
            for index, column in enumerate(found.columns)
            if column.sparse and column.reading in SPEED_READINGS and column.subjects == ["line.internet"]
        )
        signals = (signal if self.owns(site, agent, signal) else "" for signal in found.signals)
        return Layout(found, tuple(signals), tuple(speeds))

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
        self._claim(connection, site, agent, found)
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
        self.known = {key: layout for key, layout in self.known.items() if key[:2] != (site, agent)}
        if (connection.scalar(count) or 0) >= MOST:
            raise WireError("count", f"agent {site}/{agent} has {MOST} inventories that its reports still need")

    def _claim(self, connection: Connection, site: str, agent: str, found: inventories.Inventory) -> None:
        """Signals that nobody owns become this agent's, from the beginning of what it has."""
        free = [signal for signal in found.signals if signal != CONTACT and (site, signal) not in self.owners]
        self.owners.update({(site, signal): agent for signal in free})
        rows = [{"site": site, "signal": signal, "from_minute": 0, "agent": agent} for signal in free]
        if rows:
            connection.execute(insert(schema.owner).on_conflict_do_nothing(), rows)
