"""How tests look into an outbox whose agent runs: only that agent may open the file itself, so they open a copy."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def copied(outbox: Path) -> Iterator[sqlite3.Connection]:
    """As a power cut at this moment would leave it. sqlite3.Error or OSError while there is none."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / outbox.name
        shutil.copyfile(outbox, copy)
        wal = outbox.with_name(f"{outbox.name}-wal")
        if wal.exists():
            shutil.copyfile(wal, copy.with_name(wal.name))
        with closing(sqlite3.connect(copy)) as db:
            yield db
