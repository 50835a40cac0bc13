"""Two simulated inspections: one held digitally with its frozen snapshot, one on site with a reply."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine

from schoolbeat_server import inspection_making
from schoolbeat_server.demo.province import Province
from schoolbeat_server.inspection_making import Entry
from schoolbeat_server.inspection_snapshot import photograph
from schoolbeat_server.ledger import Ledger

WHO = "bản trình diễn / demonstration"
INSPECTOR = "Đoàn kiểm tra (mô phỏng)"
SCHOOL = "Nhà trường (mô phỏng)"


def record(engine: Engine, made: Province, now_ms: int) -> None:
    """Before any minute has arrived, so the snapshot says that nothing is known yet."""
    ledger = Ledger(engine)

    def taken(connection: Connection, school: str, site: str) -> dict[str, Any]:
        def read(at: str, signals: Any, first: int, end: int) -> dict[str, bytes]:
            return ledger.read(connection, at, signals, first, end)

        return photograph(connection, school, site, (), read, now_ms)

    first, second = (row["id"] for row in made.register["schools"][:2])
    digital = Entry(first, "", "digital", "", INSPECTOR, "Đường truyền, Wi-Fi, thiết bị phòng học (mô phỏng)")
    inspection_making.record(engine, digital, WHO, now_ms, taken)
    on_site = Entry(
        second,
        "",
        "on_site",
        "2026-09-10",
        INSPECTOR,
        "Phòng máy tính (mô phỏng)",
        "Một máy chiếu chưa dán mã tài sản.",
    )
    ident = inspection_making.record(engine, on_site, WHO, now_ms, taken)
    inspection_making.add_word(engine, ident, "reply", SCHOOL, "Đã dán mã và cập nhật sổ tài sản.", WHO, now_ms)
