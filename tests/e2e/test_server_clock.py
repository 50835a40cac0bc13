"""A real server that finds its clock behind what it has written waits, says so, and goes on when an operator vouches."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import Children, Server, await_


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.end()


def test_a_server_behind_its_own_records_judges_nothing_until_an_operator_vouches_for_the_clock(
    tmp_path: Path, children: Children
) -> None:
    server = Server(children, tmp_path, ["s1"])
    tomorrow_ms = time.time_ns() // 1_000_000 + 86_400_000
    with sqlite3.connect(server.database) as connection:
        connection.execute("INSERT INTO meta (key, value) VALUES ('alive_ms', ?)", (str(tomorrow_ms),))
    connection.close()

    server.start(wait=False)

    await_(lambda: _health(server).get("reasons"), 60, "the server answers", server.log)
    time.sleep(2)
    waiting = _health(server)
    assert any("schoolbeat-server clock believe" in reason for reason in waiting["reasons"])
    assert waiting["judged_ms"] == 0
    assert server.rows("SELECT value FROM meta WHERE key = 'alive_ms'") == [(str(tomorrow_ms),)]
    assert server.command("clock", "believe", "--reason", "no NTP here").startswith("Noted: it is ")
    await_(server.is_well, 60, "the server goes on", server.log)
    await_(lambda: _health(server)["judged_ms"], 60, "the judge judges", server.log)
    server.stop()


def _health(server: Server) -> dict[str, object]:
    try:
        found: dict[str, object] = server.get("/healthz")
        return found
    except (OSError, ValueError):
        return {}
