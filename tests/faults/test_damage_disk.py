"""Agent and server on disks that are full or read-only: nothing is lost, no crash loop, and both go on by themselves."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.agent.test_outbox import fill_up, small_disk
from tests.e2e.processes import Agent, Server, Surroundings, await_, children
from tests.faults.damage_world import is_whole, once, record

CANNOT = "the database cannot be written"
pytestmark = [pytest.mark.timeout(240), pytest.mark.namespaces]


def without_room(point: Path, fault: str) -> Callable[[], object]:
    """What mends it. Read-only only while nobody has a file open for writing."""
    if fault == "full":
        return fill_up(point).unlink
    subprocess.run(["mount", "-o", "remount,ro", point], check=True)
    return lambda: subprocess.run(["mount", "-o", "remount,rw", point], check=True)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_server_without_a_disk_waits_for_it_and_nothing_is_lost(tmp_path: Path, fault: str) -> None:
    around = Surroundings()
    with small_disk(tmp_path, 24) as (_, point), children() as kids:
        server = Server(kids, point / "server", ["mot"])
        server.log = tmp_path / "server.log"
        agent = Agent(kids, server, around, tmp_path / "agent", "mot")
        minutes = record(agent, 0, 60)
        if fault == "full":  # at work first
            server.start()
            mend = without_room(point, fault)
            agent.start()
            await_(lambda: server.get("/healthz")["reasons"], 60, "it says that it cannot write", server.log)
            server.kill()
        else:
            mend = without_room(point, fault)
            agent.start()

        said_before = server.log.read_text().count(CANNOT) if server.log.exists() else 0
        server.start(wait=False)
        await_(lambda: says_so(server, said_before), 60, "it waits", server.log)
        still = server.is_running()
        mend()
        await_(lambda: is_whole(agent, once(minutes)), 90, "all has come", agent.log, server.log)
        agent.stop()
        server.stop()
    around.close()

    assert still


def says_so(server: Server, before: int) -> bool:
    """Whether it could be started or had to wait for its broker depends on the last free blocks."""
    text = server.log.read_text()
    return "The server waits until it can" in text or text.count(CANNOT) > before


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_an_agent_that_begins_without_a_disk_stays_and_sends_all_when_it_has_one(tmp_path: Path, fault: str) -> None:
    around = Surroundings()
    with small_disk(tmp_path, 12) as (_, point), children() as kids:
        server = Server(kids, tmp_path / "server", ["mot"])
        server.start()
        agent = Agent(kids, server, around, point / "agent", "mot")
        minutes = record(agent, 0, 60)
        epoch = agent.epoch
        mend = without_room(point, fault)
        process = kids.start(
            [*_command(agent)],
            tmp_path / "agent.log",
        )
        agent.process = process
        words = ("minutes wait in memory", "không ghi được")
        await_(lambda: any(word in (tmp_path / "agent.log").read_text() for word in words), 60, "it says so")
        still = agent.is_running()
        mend()
        await_(lambda: is_whole_without_status(agent, minutes), 120, "all has come", tmp_path / "agent.log", server.log)
        same = agent.is_running()
        agent.stop()
        after = agent.epoch
        server.stop()
    around.close()

    assert (still, same, after) == (True, True, epoch)


def _command(agent: Agent) -> list[str | Path]:
    from tests.e2e.processes import BIN

    return [BIN / "schoolbeat-agent", "--config", agent.folder / "agent.toml", "run"]


def is_whole_without_status(agent: Agent, minutes: dict[int, object]) -> bool:
    """Who began on a read-only disk may have no socket to be asked at."""
    found = agent.server.rows("SELECT sum(count) FROM report WHERE last_minute <= ?", max(minutes))
    return (found[0][0] or 0) >= len(minutes)
