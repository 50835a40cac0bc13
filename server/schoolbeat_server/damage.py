"""A damaged database: recognised, said on every page with the command that helps, and no figure served from it."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import uvicorn

log = logging.getLogger(__name__)

MARK: Final = "damaged"  # a file in the server's folder: removed by `repair` and `restore`
WHAT_TO_DO: Final = (
    "Cơ sở dữ liệu bị hỏng ({why}). Máy chủ không đưa ra số liệu nào; tác tử vẫn đo và giữ số liệu."
    " Hãy dừng máy chủ, chạy `schoolbeat-server repair` (hoặc `schoolbeat-server restore BẢN-SAO-LƯU`),"
    " rồi chạy lại máy chủ.",
    "The database is damaged ({why}). The server shows no figure; agents go on measuring and keep what they measure."
    " Stop the server, run `schoolbeat-server repair` (or `schoolbeat-server restore BACKUP`), then start it again.",
)
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_PASSING: Final = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
)


class Unreadable(Exception):
    """The file is whole and says what cannot be."""


def _code(error: BaseException) -> int:
    found = getattr(error, "orig", error)
    return (getattr(found, "sqlite_errorcode", 0) or 0) & 0xFF


def is_damage(error: BaseException) -> bool:
    """SQLite's word that the file is not whole."""
    return isinstance(error, Unreadable) or _code(error) in _DAMAGED


def is_passing(error: BaseException) -> bool:
    """The disk is full, read-only or away: waiting helps, or an operator does."""
    return _code(error) in _PASSING


def mark(folder: Path, why: str) -> None:
    """So that the next start knows it, too."""
    log.error("%s", " / ".join(WHAT_TO_DO).format(why=why))
    try:
        (folder / MARK).write_text(why, encoding="utf-8")
    except OSError as error:
        log.error("%s: %s", folder / MARK, error)


def unmark(folder: Path) -> None:
    (folder / MARK).unlink(missing_ok=True)


def found(database: Path) -> str:
    """Why it cannot be used; "" when nothing is known against it. Looked through only after an end that was not clean:
    then its WAL is still there."""
    marked = database.parent / MARK
    if marked.exists():
        return marked.read_text(encoding="utf-8", errors="replace")[:300] or "?"
    wal = database.with_name(f"{database.name}-wal")
    if not database.exists() or not wal.exists() or not wal.stat().st_size:
        return ""
    return structure(database)


def structure(database: Path) -> str:
    """What SQLite finds wrong with it; "" when it is whole. The WAL's good part is put into the file on the way."""
    try:
        with closing(sqlite3.connect(database, timeout=30)) as db:
            said = [str(row[0]) for row in db.execute("PRAGMA quick_check(3)")]
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error) if not isinstance(error, sqlite3.Error) or is_damage(error) else ""
    return "" if said == ["ok"] else "; ".join(said)[:300]


def serve(host: str, port: int, why: str) -> None:
    """Every address answers 503 with what to do, until the process is told to stop."""
    log.error("%s", " / ".join(WHAT_TO_DO).format(why=why))
    web = uvicorn.Server(uvicorn.Config(_application(why), host=host, port=port, log_level="warning", lifespan="off"))
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped: by the default handler that would be no clean end.
        signal.signal(number, lambda _number, _frame: setattr(web, "should_exit", True))
    web.run()


def _application(why: str) -> Callable[..., Awaitable[None]]:
    texts = [text.format(why=why) for text in WHAT_TO_DO]
    plain = "\n\n".join(["SchoolBeat", *texts, ""]).encode()
    health = json.dumps({"ok": False, "reasons": texts}, ensure_ascii=False).encode()

    async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asks_health = scope["path"] == "/healthz" or scope["path"].startswith("/api/")
        kind = b"application/json" if asks_health else b"text/plain; charset=utf-8"
        headers = [(b"content-type", kind), (b"cache-control", b"no-store"), (b"retry-after", b"60")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": health if asks_health else plain})

    return answer
