"""The outbox's file: made, opened and checked; set aside when it is damaged."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

# A commit writes whole pages: the smallest that SQLite knows write the least, though a minute then takes several.
PAGE_BYTES: Final = 512
WAL_PAGES: Final = 8_000  # a page that changes often is written back once for all changes in so many
SET_ASIDE: Final = 2  # damaged files kept for whoever wants to look
VERSION: Final = 2

SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE minute (
    seq INTEGER PRIMARY KEY,
    minute INTEGER NOT NULL,
    revision TEXT NOT NULL,
    sent INTEGER NOT NULL,     -- 1: it may have left this machine
    stripped INTEGER NOT NULL, -- 1: its readings were given up for space
    settled_at INTEGER,        -- minute since 1970; NULL: waits for the server
    crc INTEGER NOT NULL,      -- of minute, revision and body: zlib's own sum lets some flipped bits pass
    body BLOB NOT NULL         -- MinuteRow, JSON, zlib
);
CREATE TABLE inventory (revision TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE raw (id INTEGER PRIMARY KEY, boot TEXT NOT NULL, body BLOB NOT NULL);
"""

_PARTS = ("-wal", "-shm", "-journal", "")
# What passes by itself or with an operator's help; every other error of SQLite means that the file is damaged.
_PASSING = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_IOERR,
)
_READ_ERRORS = (sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS)
_PASSING_ERRNO = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOMEM, errno.EMFILE)


class Damaged(Exception):
    """The file can be opened and does not hold what it must."""


def is_passing(error: Exception) -> bool:
    """Whether the file may be well and only the disk (full, read-only, busy) is in the way."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in _PASSING and not is_read_error(error)
    return isinstance(error, OSError) and error.errno in _PASSING_ERRNO


def is_read_error(error: Exception) -> bool:
    """A part of the file that cannot be read any more: the card is worn there."""
    if isinstance(error, sqlite3.Error):
        return (getattr(error, "sqlite_errorcode", 0) or 0) in _READ_ERRORS
    return isinstance(error, OSError) and error.errno == errno.EIO


def opened(path: Path, wal_pages: int = WAL_PAGES) -> sqlite3.Connection:
    """The database, made if there is none. sqlite3.Error, OSError or Damaged when it cannot be used."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The file is made before SQLite opens it: so neither it nor its WAL is ever readable by others.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        # Nobody else opens it while the agent runs: so SQLite keeps the WAL's index in memory. As a mapped file beside
        # the WAL it would be written to the card again and again.
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -256")
        # Debian's SQLite would write zeros over everything that is deleted: the card pays for it, and nothing here is
        # secret once the server has it.
        db.execute("PRAGMA secure_delete = OFF")
        # The WAL grows to its size once and is written over from then on: a file that grows costs the card its
        # journal at every commit.
        db.execute(f"PRAGMA wal_autocheckpoint = {wal_pages}")
        _check(db)
    except BaseException:
        db.close()
        raise
    return db


def _check(db: sqlite3.Connection) -> None:
    found = [row[0] for row in db.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        raise Damaged(f"quick_check: {str(found)[:200]}")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise Damaged(f"it is of version {version}, this agent reads {VERSION}")
    if version == 0:
        with transaction(db):
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def set_aside(path: Path, unix: float) -> Path:
    """Renamed with all its parts to NAME.damaged-TIME-…; only the newest few are kept. Its new name."""
    stamp = f"{int(unix):012}-{secrets.token_hex(2)}"
    for part in _PARTS:
        old = path.with_name(path.name + part)
        if old.exists() or old.is_symlink():
            old.rename(path.with_name(f"{path.name}.damaged-{stamp}{part}"))
    head = f"{path.name}.damaged-"
    stamps = sorted({entry.name[len(head) :][:17] for entry in path.parent.iterdir() if entry.name.startswith(head)})
    for gone in stamps[:-SET_ASIDE]:
        for entry in path.parent.glob(f"{head}{gone}*"):
            if entry.is_dir() and not entry.is_symlink():
                import shutil  # seldom needed, and 0.4 MiB

                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)
    return path.with_name(head + stamp)


def row_crc(minute: int, revision: str, body: bytes) -> int:
    """Not of the seq, which is another one in a new epoch."""
    return zlib.crc32(body, zlib.crc32(f"{minute} {revision} ".encode()))


def used_bytes(db: sqlite3.Connection) -> int:
    """What the rows take; free pages are used again before the file grows."""
    asked = ("page_count", "freelist_count", "page_size")
    pages, free, page_bytes = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    return int(pages - free) * int(page_bytes)
