"""A real server and agents with made-up minutes, whose files are damaged between two lives."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from pathlib import Path

from schoolbeat_wire.report import MinuteRow
from tests.e2e import backlog, books
from tests.e2e.processes import BIN, Agent, Server, await_

NOW = int(time.time() // 60)
M0 = NOW - 600  # the first of the minutes that are made up
SETTLE_SECONDS = 60


def record(agent: Agent, first: int, count: int, seed: int = 1, *, base: int = M0) -> dict[int, MinuteRow]:
    """Minutes [base + first, …) that the stopped agent will find in its outbox, waiting."""
    backlog.fill(agent, base + first, count, seed, counted=first)
    return {row.minute: row for row in backlog.rows(base + first, count, seed, counted=first)}


def deliver(agent: Agent) -> None:
    """Starts it and waits until the server has settled everything."""
    agent.start()
    await_(agent.is_settled, SETTLE_SECONDS, "everything is settled", agent.log, agent.server.log)


def made_up(server: Server, site: str, first: int = M0, count: int = 500) -> dict[int, list[MinuteRow]]:
    """What the server keeps of the made-up minutes, each content once."""
    out: dict[int, list[MinuteRow]] = {}
    for minute, rows in books.kept(server, site).minutes().items():
        if first <= minute < first + count:
            bare = [MinuteRow(0, minute, row.signals, row.values, row.failures, row.causes) for row in rows]
            out[minute] = [row for index, row in enumerate(bare) if row not in bare[:index]]
    return out


def once(*parts: dict[int, MinuteRow]) -> dict[int, list[MinuteRow]]:
    return {minute: [row] for part in parts for minute, row in part.items()}


def put_back(copy: Path, database: Path) -> None:
    for part in ("-wal", "-shm"):
        database.with_name(database.name + part).unlink(missing_ok=True)
    shutil.copy(copy, database)


def spoil(path: Path, first: int, end: int, seed: int = 1) -> None:
    """Every byte of [first, end) is another one."""
    with path.open("r+b") as file:
        file.seek(first)
        file.write(random.Random(seed).randbytes(end - first))


def said(server: Server, *words: str) -> tuple[int, str]:
    """(exit code, what it printed) of a command of the server."""
    argv = [BIN / "schoolbeat-server", "--settings", server.folder / "server.toml", "--lang", "en", *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def is_whole(agent: Agent, expected: dict[int, list[MinuteRow]]) -> bool:
    if not agent.is_settled() or agent.server.rows("SELECT 1 FROM report WHERE NOT placed"):
        return False  # a settled report may still wait for its inventory
    found = made_up(agent.server, agent.site, min(expected), max(expected) - min(expected) + 1)
    return found.keys() == expected.keys()
