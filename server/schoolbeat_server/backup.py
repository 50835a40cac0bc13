"""A backup: one file with everything that the server must not lose, made while it runs; and its way back."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from schoolbeat_server.credentials import write_secret

MADE: Final = "backup_made_ms"  # in table meta of a backup: who opens it knows what it is
SECRETS: Final = ("site-key-secret", "server-password")
_KEPT: Final = "backup_file "
_PARTS: Final = ("-wal", "-shm", "-journal", "")


class BackupError(Exception):
    """vi and en say what is in the way."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.vi, self.en = vi, en


def make(database: Path, target: Path, made_ms: int) -> int:
    """The bytes written. Whole or not there at all, readable by its owner only; an older file is never overwritten."""
    if target.exists():
        raise BackupError(f"{target}: đã có tệp này; hãy chọn tên khác", f"{target}: exists; choose another name")
    if not database.exists():
        raise BackupError(f"{database}: không có cơ sở dữ liệu", f"{database}: there is no database")
    new = target.with_name(target.name + ".new")
    try:
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with _source(database) as source, closing(sqlite3.connect(new)) as copy:
            source.backup(copy)  # in one step: a reader stops nobody who writes
            _finish(copy, database.parent, made_ms)
        with new.open("rb+") as file:
            os.fsync(file.fileno())
        new.replace(target)
    except (sqlite3.Error, OSError) as error:
        for part in _PARTS:
            new.with_name(new.name + part).unlink(missing_ok=True)
        raise BackupError(f"{target}: không sao lưu được: {error}", f"{target}: no backup was made: {error}") from None
    except BackupError:
        new.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def _finish(copy: sqlite3.Connection, folder: Path, made_ms: int) -> None:
    copy.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
    _check(copy)
    with copy:
        copy.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (MADE, str(made_ms)))
        for name in SECRETS:
            if (folder / name).exists():
                copy.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEPT + name, (folder / name).read_text()))


def _check(copy: sqlite3.Connection) -> None:
    found = [row[0] for row in copy.execute("PRAGMA quick_check(3)")]
    if found != ["ok"]:
        raise BackupError(
            f"cơ sở dữ liệu bị hỏng: {'; '.join(found)}. Hãy dừng máy chủ rồi chạy: schoolbeat-server repair",
            f"the database is damaged: {'; '.join(found)}. Stop the server and run: schoolbeat-server repair",
        )


@contextmanager
def _source(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)) as found:
        yield found


def made_ms(path: Path) -> int:
    """When the backup was made. BackupError when it is none, or a damaged one."""
    try:
        with _source(path) as found:
            _check(found)
            row = found.execute("SELECT value FROM meta WHERE key = ?", (MADE,)).fetchone()
            server = found.execute("SELECT 1 FROM meta WHERE key = 'server_id'").fetchone()
    except sqlite3.Error as error:
        raise BackupError(f"{path}: không phải bản sao lưu: {error}", f"{path}: no backup: {error}") from None
    if server is None:
        raise BackupError(f"{path}: không phải cơ sở dữ liệu của máy chủ", f"{path}: no server's database")
    return int(row[0]) if row is not None else 0


def restore(source: Path, database: Path) -> Path | None:
    """Puts a copy of the backup in place; the server must not run. Where the former database is now."""
    made_ms(source)
    aside = set_aside(database)
    new = database.with_name(database.name + ".new")
    try:
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        with source.open("rb") as old, new.open("wb") as file:
            while part := old.read(1 << 20):
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        new.unlink(missing_ok=True)
        if aside is not None:
            put_back(aside, database)
        raise BackupError(f"{source}: không khôi phục được: {error}", f"{source}: not restored: {error}") from None
    new.replace(database)
    return aside


def set_aside(database: Path) -> Path | None:
    """Renamed with all its parts; nothing of it is deleted."""
    if not database.exists():
        return None
    aside = database.with_name(f"{database.name}.before-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}")
    for part in _PARTS:
        old = database.with_name(database.name + part)
        if old.exists():
            old.rename(aside.with_name(aside.name + part))
    return aside


def put_back(aside: Path, database: Path) -> None:
    for part in _PARTS:
        old = aside.with_name(aside.name + part)
        if old.exists():
            old.rename(database.with_name(database.name + part))


def unpack_secrets(meta: dict[str, str], folder: Path) -> list[str]:
    """Those that the folder lacks are written from what the backup brought; the keys of meta to forget."""
    told = {key: value for key, value in meta.items() if key.startswith(_KEPT)}
    for key, value in told.items():
        name = key.removeprefix(_KEPT)
        if name in SECRETS and not (folder / name).exists():
            write_secret(folder / name, value.encode(), None)
    return list(told)
