"""The demo's one folder: fresh each time, and never somebody else's."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from typing import IO

from schoolbeat_server.said import Said

MARKER = ".schoolbeat-demo"
_TEXT = "Made by `schoolbeat-server demo`; removed and made anew at its next start.\n"


class FolderError(RuntimeError):
    """The folder cannot be used; `said` tells why and what to do."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(f"{vi} / {en}")
        self.said = Said(vi, en)


def fresh(folder: Path) -> IO[str]:
    """Empty but for the marker; the file returned holds the lock as long as it is open. Raises FolderError."""
    marker = folder / MARKER
    try:
        if folder.exists() and any(folder.iterdir()):
            if not marker.is_file():
                raise FolderError(
                    f"{folder}: không phải thư mục của bản trình diễn (thiếu {MARKER}); hãy chọn --folder khác",
                    f"{folder}: not a folder of the demo ({MARKER} is missing); choose another --folder",
                )
            with _locked(marker, "r+"):
                for path in folder.iterdir():
                    if path != marker:
                        _remove(path)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = _locked(marker, "a")
    except OSError as error:
        raise FolderError(
            f"{folder}: không dùng được: {error.strerror}", f"{folder}: cannot be used: {error.strerror}"
        ) from None
    if not marker.stat().st_size:
        lock.write(_TEXT)
        lock.flush()
    return lock


def _locked(marker: Path, mode: str) -> IO[str]:
    file = marker.open(mode, encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise FolderError(
            f"{marker.parent}: một bản trình diễn khác đang chạy ở đây; dừng nó hoặc chọn --folder khác",
            f"{marker.parent}: another demo is running here; stop it or choose another --folder",
        ) from None
    return file


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
