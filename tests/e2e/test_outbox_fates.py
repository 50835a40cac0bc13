"""What may happen to an outbox, to the server's database and to credentials: nothing dropped as a repeat, nothing stuck."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schoolbeat_agent.ranges import Ranges
from schoolbeat_server import database, enrol
from schoolbeat_server.credentials import add_account, server_account
from schoolbeat_wire.catalogue import OFF, UNKNOWN
from schoolbeat_wire.report import MinuteRow
from tests.e2e import backlog, books
from tests.e2e.processes import BIN, Agent, Children, Server, Speaker, Surroundings, await_, children, write_toml

SITES = ["cu-1", "cu-5", "cu-9", "hong", "lo", "phuc-hoi", "hai-may-chu", "thay", "mat-khau", "go"]
NOW = int(time.time() // 60)
M0 = NOW - 600  # the first of the minutes that are made up here
SETTLE_SECONDS = 60

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def kids() -> Iterator[Children]:
    with children() as held:
        yield held


@pytest.fixture(scope="module")
def around() -> Iterator[Surroundings]:
    found = Surroundings()
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(kids: Children, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """For all who leave it as it was."""
    found = Server(kids, tmp_path_factory.mktemp("server"), SITES)
    found.start()
    return found


@pytest.fixture
def own_server(kids: Children, tmp_path: Path) -> Iterator[Server]:
    found = Server(kids, tmp_path / "server", SITES)
    found.start()
    yield found
    if found.is_running():
        found.stop()


def record(agent: Agent, first: int, count: int, seed: int = 1) -> dict[int, MinuteRow]:
    """Minutes [M0 + first, …) that the stopped agent will find in its outbox, waiting."""
    backlog.fill(agent, M0 + first, count, seed, counted=first)
    return {row.minute: row for row in backlog.rows(M0 + first, count, seed, counted=first)}


def deliver(agent: Agent) -> None:
    """Starts it and waits until the server has settled everything."""
    agent.start()
    await_(agent.is_settled, SETTLE_SECONDS, "everything is settled", agent.log, agent.server.log)


def put_back(copy: Path, database: Path) -> None:
    for part in ("-wal", "-shm"):
        database.with_name(database.name + part).unlink(missing_ok=True)
    shutil.copy(copy, database)


def made_up(server: Server, site: str) -> dict[int, list[MinuteRow]]:
    """The rows of made-up minutes that the server keeps, without their seqs; each content once."""
    # Settled, an inventory may still be asked for.
    unplaced = "SELECT 1 FROM report WHERE site = ? AND NOT placed"
    await_(lambda: not server.rows(unplaced, site), SETTLE_SECONDS, "every report has its inventory", server.log)
    out: dict[int, list[MinuteRow]] = {}
    for minute, rows in books.kept(server, site).minutes().items():
        if M0 <= minute < M0 + 500:
            bare = [MinuteRow(0, minute, row.signals, row.values, row.failures, row.causes) for row in rows]
            out[minute] = [row for index, row in enumerate(bare) if row not in bare[:index]]
    return out


def once(*parts: dict[int, MinuteRow]) -> dict[int, list[MinuteRow]]:
    return {minute: [row] for part in parts for minute, row in part.items()}


def held_settled(agent: Agent) -> tuple[Ranges, Ranges]:
    """The seqs that the server has settled of the agent's epoch; the made-up ones that the stopped agent's file holds
    unsettled."""
    question = "SELECT seq FROM minute WHERE settled_at IS NULL AND minute < ?"  # without those of the test's own time
    unsettled = [(seq, seq + 1) for (seq,) in agent.rows(question, M0 + 500)]
    return books.settled(agent.server, agent.site, agent.epoch), unsettled


@pytest.mark.parametrize("later", [1, 5, 9])
def test_an_old_outbox_put_back_begins_a_new_epoch_and_loses_nothing(
    server: Server, kids: Children, around: Surroundings, tmp_path: Path, later: int
) -> None:
    """`later`: minutes recorded on the old copy; five went to the server after the copy was made."""
    site = f"cu-{later}"
    agent = Agent(kids, server, around, tmp_path / "agent", site)
    before = record(agent, 0, 10)
    deliver(agent)
    agent.stop()
    shutil.copy(agent.outbox, tmp_path / "copy")
    former = agent.epoch
    lost = record(agent, 10, 5, seed=2)
    deliver(agent)
    agent.stop()

    put_back(tmp_path / "copy", agent.outbox)
    after = record(agent, 15, later, seed=3)
    deliver(agent)
    agent.stop()

    assert made_up(server, site) == once(before, lost, after)
    assert agent.epoch != former
    assert held_settled(agent)[1] == []


def test_a_damaged_outbox_is_set_aside_and_the_agent_goes_on(
    server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    agent = Agent(kids, server, around, tmp_path / "agent", "hong")
    before = record(agent, 0, 30)
    deliver(agent)
    agent.stop()
    former = agent.epoch
    with agent.outbox.open("r+b") as file:
        file.seek(100)  # SQLite's own head stays as it is
        file.write(b"\xa5" * (agent.outbox.stat().st_size * 2 // 3))

    agent.start()
    await_(lambda: agent.standing().get("connected"), SETTLE_SECONDS, "it runs and is connected", agent.log)
    agent.stop()
    after = record(agent, 30, 10, seed=2)
    deliver(agent)
    agent.stop()

    assert made_up(server, "hong") == once(before, after)
    assert agent.epoch != former
    assert len([path for path in agent.state.glob("outbox.sqlite.damaged-*") if path.suffix != "-shm"]) >= 1
    assert held_settled(agent)[1] == []


def test_a_hole_in_seq_is_declared_and_nothing_waits_for_it(
    server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    agent = Agent(kids, server, around, tmp_path / "agent", "lo")
    minutes = record(agent, 0, 40)
    with sqlite3.connect(agent.outbox) as file:
        file.execute("DELETE FROM minute WHERE seq IN (0, 7, 8, 9, 31)")
    file.close()

    deliver(agent)
    standing = agent.standing()
    agent.stop()

    there = [minute for minute in minutes if minute - M0 not in (0, 7, 8, 9, 31)]
    assert made_up(server, "lo") == once({minute: minutes[minute] for minute in there})
    assert (standing["lowest"], standing["gaps"]) == (1, [[7, 10], [31, 32]])
    assert held_settled(agent)[0][0][0] == 0
    assert len(held_settled(agent)[0]) == 1
    hole = books.ledger_of(server, "lo", ["lan.router"], M0 + 7, M0 + 10)
    assert hole == {"lan.router": bytes([UNKNOWN] * 3)}


@pytest.mark.parametrize("known", [100, 0])
def test_a_server_restored_from_a_backup_is_made_whole_by_the_agents(
    own_server: Server, kids: Children, around: Surroundings, tmp_path: Path, known: int
) -> None:
    """`known`: minutes that the backup has; 0: it does not even know what the agent watches."""
    agent = Agent(kids, own_server, around, tmp_path / "agent", "phuc-hoi")
    before = record(agent, 0, known)
    if known:
        deliver(agent)
        agent.stop()
    own_server.stop()
    assert not own_server.database.with_name("schoolbeat.db-wal").exists()
    shutil.copy(own_server.database, tmp_path / "backup")
    own_server.start()
    after = record(agent, 100, 150, seed=2)
    deliver(agent)
    assert made_up(own_server, "phuc-hoi") == once(before, after)

    own_server.stop()
    put_back(tmp_path / "backup", own_server.database)
    assert made_up(own_server, "phuc-hoi") == once(before)
    own_server.start()

    def is_whole() -> bool:
        minutes = dict(own_server.rows("SELECT seq, count FROM report WHERE site = 'phuc-hoi' AND placed"))
        return sum(minutes.values()) >= len(before) + len(after) and agent.is_settled()

    await_(is_whole, SETTLE_SECONDS, "what the backup did not have is sent again", agent.log, own_server.log)
    agent.stop()
    assert made_up(own_server, "phuc-hoi") == once(before, after)
    settled, unsettled = held_settled(agent)
    assert settled[0][0] == 0
    assert len(settled) == 1
    assert unsettled == []


def test_of_two_servers_at_one_broker_the_agent_obeys_its_own_and_says_so(
    own_server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    other = Server(kids, tmp_path / "other", ["hai-may-chu"])
    agent = Agent(kids, own_server, around, tmp_path / "agent", "hai-may-chu")
    other.enrol("hai-may-chu")
    broker = own_server.folder / "data" / "broker"
    await_(lambda: b"hai-may-chu" in (broker / "passwords").read_bytes(), 20, "the server wrote its accounts")
    add_account(broker, server_account("mat-khau-thu-hai", "server-2"), "mosquitto" if os.geteuid() == 0 else None)
    write_toml(
        other.folder / "server.toml",
        {
            "": {"folder": str(other.folder / "data")},
            "web": {"port": other.web_port},
            "broker": {"mode": "outside", "url": f"mqtt://server-2:mat-khau-thu-hai@127.0.0.1:{own_server.port}"},
        },
    )
    await_(lambda: Speaker(own_server.port, "server-2", "mat-khau-thu-hai").connected, 20, "the account is known")
    other.start()
    minutes = record(agent, 0, 120)

    deliver(agent)
    await_(lambda: agent.standing()["refused_servers"], 20, "the other server's word came too", agent.log)

    told = agent.standing()
    assert told["server"] == own_server.id
    assert list(told["refused_servers"]) == [other.id]
    shown = status_of(agent)
    assert f"of a strange server {other.id} refused" in shown
    assert made_up(own_server, "hai-may-chu") == once(minutes)
    assert made_up(other, "hai-may-chu") == once(minutes)
    agent.stop()
    other.stop()


def status_of(agent: Agent) -> str:
    """What `schoolbeat-agent status` prints."""
    argv = [BIN / "schoolbeat-agent", "--config", agent.folder / "agent.toml", "--lang", "en", "status"]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout


def test_a_new_server_in_the_place_of_the_old_is_refused_and_the_minutes_wait(
    own_server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    agent = Agent(kids, own_server, around, tmp_path / "agent", "thay")
    own_server.stop()
    other = Server(kids, tmp_path / "other", ["thay"])
    other.take_place_of(own_server)
    engine = database.open_database(other.database)
    enrol.add_agent(engine, "thay", now_ms=1, make_password=lambda: agent.password)
    engine.dispose()
    other.start()
    minutes = record(agent, 0, 60)

    agent.start()
    await_(lambda: agent.standing().get("refused_servers"), SETTLE_SECONDS, "it refuses", agent.log, other.log)
    time.sleep(5)
    told = agent.standing()
    assert (list(told["refused_servers"]), told["waiting"], told["connected"]) == ([other.id], 60, True)
    assert f"of a strange server {other.id} refused" in status_of(agent)
    other.stop()
    own_server.start()
    await_(agent.is_settled, SETTLE_SECONDS, "its own server is back", agent.log, own_server.log)

    assert made_up(own_server, "thay") == once(minutes)
    agent.stop()


def test_a_replaced_password_counts_at_once_and_what_waited_is_delivered(
    server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    agent = Agent(kids, server, around, tmp_path / "agent", "mat-khau")
    first = record(agent, 0, 20)
    deliver(agent)
    old = agent.password

    new = server.enrol("mat-khau", replace_password=True)
    await_(lambda: not agent.standing()["connected"], 30, "the old password is refused", agent.log, server.log)
    agent.stop()
    second = record(agent, 20, 20, seed=2)
    agent.start()
    await_(lambda: "refuses" in agent.standing().get("problem", ""), 30, "it is refused and says so", agent.log)
    waiting = agent.standing()["waiting"]
    agent.stop()
    agent.password = new
    agent.write_settings()
    deliver(agent)
    agent.stop()

    assert waiting >= 20
    assert made_up(server, "mat-khau") == once(first, second)
    with Speaker(server.port, "mat-khau.gateway", old) as speaker:
        assert "Not authorized" in speaker.refused or "Bad user name or password" in speaker.refused


def test_an_agent_removed_and_added_again_delivers_what_it_kept(
    server: Server, kids: Children, around: Surroundings, tmp_path: Path
) -> None:
    agent = Agent(kids, server, around, tmp_path / "agent", "go")
    first = record(agent, 0, 20)
    deliver(agent)

    server.command("agent", "remove", "go", "gateway", "--yes")
    await_(lambda: not agent.standing()["connected"], 30, "it may no longer connect", agent.log, server.log)
    agent.stop()
    second = record(agent, 20, 20, seed=2)
    agent.start()
    await_(lambda: "refuses" in agent.standing().get("problem", ""), 30, "it is refused and says so", agent.log)
    server.command("agent", "add", "go")
    time.sleep(3)
    still_refused = agent.standing()
    agent.stop()
    agent.password = server.enrol("go", replace_password=True)
    agent.write_settings()
    deliver(agent)
    agent.stop()

    assert (still_refused["connected"], still_refused["waiting"] >= 20) == (False, True)
    assert made_up(server, "go") == once(first, second)
    recorded = bytes(row.signals[0] for part in (first, second) for row in part.values())
    # An agent that was at work when a real minute ended has declared those after the first part as off: of minutes that
    # are unknown by themselves, that is the better word.
    told = server.minutes("go", backlog.SIGNALS[0], M0, M0 + 40)
    assert told[:20] + told[20:].replace(bytes([OFF]), bytes([UNKNOWN])) == recorded
