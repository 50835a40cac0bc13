"""The server's own health as numbers of a minute, for the time-series store."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema

LATE_MS: Final = 300_000  # reports received since then are looked at
MOST: Final = 50_000


def numbers(
    connection: Connection, database: Path, now_ms: int, queue: Mapping[str, int], *, ok: bool
) -> dict[str, Any]:
    """Fields of schoolbeat_server. queue: what the series queue knows of itself."""
    notice, counter, contact = schema.notice.c, schema.counter.c, schema.contact.c
    waiting = select(func.count()).select_from(schema.notice)
    waiting = waiting.where(notice.sent_ms.is_(None), notice.refused_ms.is_(None))
    found = {
        "ok": int(ok),
        "reports": connection.scalar(select(counter.count).where(counter.name == "reports")) or 0,
        **queue,
        "late_p95_seconds": _late_p95_seconds(connection, now_ms),
        "notices_waiting": connection.scalar(waiting) or 0,
        "disk_free_bytes": shutil.disk_usage(database.parent).free,
        "database_bytes": sum(part.stat().st_size for part in _parts(database) if part.exists()),
        "agents": connection.scalar(select(func.count()).select_from(schema.agent)) or 0,
        "agents_connected": connection.scalar(select(func.count()).select_from(schema.contact).where(contact.session))
        or 0,
    }
    return {name: value for name, value in found.items() if value is not None}


def _parts(database: Path) -> tuple[Path, Path]:
    return database, database.with_name(database.name + "-wal")


def _late_p95_seconds(connection: Connection, now_ms: int) -> int | None:
    """Of how long after the end of their last minute reports came. None: none came."""
    table = schema.report.c
    late = table.received_ms - (table.last_minute + 1) * 60_000
    rows = connection.scalars(select(late).where(table.received_ms > now_ms - LATE_MS).limit(MOST)).all()
    found = sorted(max(one, 0) // 1_000 for one in rows)
    return found[(len(found) - 1) * 95 // 100] if found else None
