"""A school for tests: makes the messages an agent would send, by the real wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, insert

from schoolbeat_server import schema
from schoolbeat_server.batch import Message
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics
from schoolbeat_wire.catalogue import OFF_REASONS, UNKNOWN

SIGNALS = ["lan.router", "line.isp", "line.domestic", "line.international", "line.internet", "device.ap-1"]


def register(engine: Engine, sites: list[str]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(schema.area), [{"id": "p", "name": "Tỉnh thử", "kind": "province"}])
        for site in sites:
            connection.execute(
                insert(schema.school), [{"id": site, "name": f"Trường {site}", "area": "p", "level": "primary"}]
            )
            connection.execute(insert(schema.site), [{"id": site, "school": site, "name": f"Điểm {site}"}])
            connection.execute(
                insert(schema.agent), [{"site": site, "name": "gateway", "password_hash": "", "created_ms": 0}]
            )


@dataclass
class School:
    """The agent's side: seqs, epoch, inventory."""

    site: str
    agent: str = "gateway"
    epoch: str = "ab" * 8
    signals: list[str] = field(default_factory=lambda: list(SIGNALS))
    seq: int = 0

    def __post_init__(self) -> None:
        self.inventory = inventories.with_revision(
            inventories.Inventory(
                revision="",
                signals=self.signals,
                columns=[
                    inventories.Column("rtt_ms", ["lan.router"]),
                    inventories.Column("download_bps", ["line.internet"], sparse=True),
                ],
                probes=["path"],
            )
        )

    def message(self, kind: str, payload: bytes, retained: bool = False) -> Message:
        return Message(topics.topic(self.site, self.agent, kind), payload, retained, None)  # type: ignore[arg-type]

    def inventory_message(self) -> Message:
        return self.message("inventory", inventories.encode(self.inventory), retained=True)

    def presence(self, online: bool = True, lowest: int = 0, **more: Any) -> Message:
        presence = (
            wire.Presence(online=True, epoch=self.epoch, lowest=lowest, next=self.seq, nonce=7, **more)
            if online
            else wire.Presence(online=False)
        )
        return self.message("presence", wire.encode(presence))

    def rows(
        self, first_minute: int, signal_rows: list[bytes], off: list[tuple[int, int, str]] | None = None
    ) -> list[reports.MinuteRow]:
        """Takes the next seqs."""
        out = []
        for index, row in enumerate(signal_rows):
            told = [reports.Off(f, n, OFF_REASONS[r][0]) for f, n, r in off or []] if index == 0 else []
            out.append(reports.MinuteRow(self.seq, first_minute + index, row, [[125], [None]], off=told))
            self.seq += 1
        return out

    def report(self, rows: list[reports.MinuteRow]) -> Message:
        packed = reports.pack(self.epoch, self.inventory.revision, rows, self.inventory)
        return self.message("report", reports.encode(packed))

    def minute(self, minute: int, **down: int) -> Message:
        """One minute, all up but for the signals named with dots as underscores: line_isp=0, lan_router=UNKNOWN."""
        return self.report(self.rows(minute, [self.signal_row(**down)]))

    def signal_row(self, **down: int) -> bytes:
        given = {name.replace("_", ".", 1).replace("_", "-"): value for name, value in down.items()}
        return bytes(given.get(signal, 60) for signal in self.signals)


CUT_AT_ISP = {
    "line_isp": 0,
    "line_domestic": UNKNOWN,
    "line_international": UNKNOWN,
    "line_internet": 0,
}
