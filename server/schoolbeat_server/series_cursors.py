"""How far each stream is sent, and how far the store keeps it for good whatever happens to it now."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema
from schoolbeat_server.database import upsert

_NEWEST = {
    "reports": schema.report.c.id,
    "contact": schema.contact_minute.c.minute,
    "health": schema.health.c.minute,
    "outages": schema.outage_change.c.id,
    "verdicts": schema.issued.c.id,
    "days": schema.day_digest.c.id,
    "recounted": schema.touched.c.id,
}


def newest(connection: Connection, stream: str) -> int:
    """The position behind everything that the stream has now."""
    return connection.scalar(select(func.max(_NEWEST[stream]))) or 0


def read_cursors(connection: Connection) -> dict[str, tuple[int, int]]:
    """stream -> (position, when it moved last, 0: never)."""
    table = schema.series_cursor.c
    rows = connection.execute(select(table.stream, table.position, table.at_ms))
    return {stream: (position, at_ms) for stream, position, at_ms in rows}


@dataclass
class Cursors:
    """settles_seconds: what the store took so shortly before it died may be lost."""

    settles_seconds: float
    positions: dict[str, int] = field(default_factory=dict)
    settled: dict[str, int] = field(default_factory=dict)
    trail: deque[tuple[float, str, int]] = field(default_factory=deque)  # (seconds, stream, position), not settled yet
    written: dict[str, int] = field(default_factory=dict)  # as `settled`
    moved_ms: dict[str, int] = field(default_factory=dict)

    def load(self, connection: Connection) -> None:
        """After a start, ours or the store's. A position beyond what there is (rows were lost) would skip new ones."""
        table = schema.series_cursor.c
        rows = connection.execute(select(table.stream, table.position, table.settled, table.at_ms)).all()
        for stream, position, settled, self.moved_ms[stream] in rows:
            found = settled if self.settles_seconds else position
            if stream in _NEWEST:
                found = min(found, newest(connection, stream))
            self.positions[stream] = self.settled[stream] = self.written[stream] = found
        self.trail.clear()

    def at(self, stream: str) -> int:
        return self.positions.get(stream, 0)

    def move(self, stream: str, position: int, seconds: float) -> None:
        self.positions[stream] = position
        self.trail.append((seconds, stream, position))
        self.settle(seconds)

    def settle(self, seconds: float) -> None:
        while self.trail and self.trail[0][0] <= seconds - self.settles_seconds:
            _, stream, position = self.trail.popleft()
            self.settled[stream] = position

    def go_back(self) -> None:
        """The store was started anew."""
        self.trail.clear()
        self.positions = dict(self.settled)

    def forget(self, stream: str) -> None:
        self.positions.pop(stream, None)
        self.settled.pop(stream, None)
        self.trail = deque(one for one in self.trail if one[1] != stream)

    def write(self, connection: Connection, stream: str, moved_ms: int) -> None:
        settled, self.moved_ms[stream] = self.settled.get(stream, 0), moved_ms
        row = {"stream": stream, "position": self.at(stream), "settled": settled, "at_ms": moved_ms}
        upsert(connection, schema.series_cursor, [row], ("stream",))
        self.written[stream] = settled

    def write_all(self, connection: Connection) -> None:
        """After a step back, for what is asked of the database and not of us."""
        for stream in read_cursors(connection):
            self.write(connection, stream, self.moved_ms.get(stream, 0))

    def write_settled(self, connection: Connection) -> None:
        """Of streams that have nothing new to send."""
        for stream in [one for one, position in self.settled.items() if self.written.get(one) != position]:
            self.write(connection, stream, self.moved_ms.get(stream, 0))
