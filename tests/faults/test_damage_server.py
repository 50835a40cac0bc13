"""The server's database damaged, put back or without a disk: made whole by itself or by one command, else said."""

from __future__ import annotations

import argparse
import shutil
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from schoolbeat_server import backup, backup_cli, damage, database, own_clock, restored
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.settings import load
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.report import MinuteRow
from tests.e2e import books
from tests.e2e.processes import Agent, Children, Server, Surroundings, await_, children
from tests.faults.damage_world import M0, NOW, deliver, is_whole, made_up, once, put_back, record, said, spoil
from tests.server.school import School, register

SITES = ["mot", "hai"]
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


@pytest.fixture
def server(kids: Children, tmp_path: Path) -> Iterator[Server]:
    found = Server(kids, tmp_path / "server", SITES)
    found.start()
    yield found
    if found.is_running():
        found.stop()


@pytest.fixture
def agent(kids: Children, server: Server, around: Surroundings, tmp_path: Path) -> Iterator[Agent]:
    found = Agent(kids, server, around, tmp_path / "agent", "mot")
    yield found
    if found.is_running():
        found.stop()


def page(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.web_port}{path}", timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def killed(server: Server) -> None:
    """With its broker: nobody has put the WAL into the file."""
    broker = server.broker_pid()
    server.kill()
    if broker is not None:
        await_(lambda: not Path(f"/proc/{broker}").exists(), 20, "the broker has ended")


# ---- bytes flipped -----------------------------------------------------------------------------------------


def test_a_spoilt_tail_of_the_wal_is_made_whole_by_the_agents(server: Server, agent: Agent) -> None:
    minutes = record(agent, 0, 150)
    deliver(agent)
    killed(server)
    wal = server.database.with_name("schoolbeat.db-wal")
    size = wal.stat().st_size
    spoil(wal, size // 2, size)
    lost = len(minutes) - len(made_up(server, "mot"))

    server.start()
    await_(lambda: is_whole(agent, once(minutes)), 60, "what was lost is sent again", agent.log, server.log)

    assert lost > 0
    assert made_up(server, "mot") == once(minutes)


def test_a_spoilt_page_shows_no_figure_names_the_command_and_repair_brings_all_back(
    server: Server, agent: Agent
) -> None:
    minutes = record(agent, 0, 300)
    deliver(agent)
    ledger = {name: server.minutes("mot", name, M0, M0 + 300) for name in ("lan.router", "line.internet")}
    server.stop()
    with sqlite3.connect(server.database) as db:
        bytes_a_page = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'report'").fetchone()[0]
    db.close()
    spoil(server.database, (root - 1) * bytes_a_page, root * bytes_a_page)
    server.database.with_name("schoolbeat.db-wal").write_bytes(b"\0" * 32)  # as after an end that was not clean

    server.start(wait=False)
    await_(lambda: page_is_there(server), 60, "it says what is wrong", server.log)
    shown = [page(server, path) for path in ("/", "/sites/mot", "/api/v1/sites/mot/minutes", "/healthz")]
    still_running = server.is_running()
    server.stop()
    code, told = said(server, "repair")
    server.start()
    await_(lambda: is_whole(agent, once(minutes)), 60, "the agent sends it again", agent.log, server.log)

    assert [status for status, _ in shown] == [503] * 4
    assert all("schoolbeat-server repair" in text for _, text in shown)
    assert still_running
    assert code in (0, 4), told
    assert "readable rows are in a new file" in told
    assert made_up(server, "mot") == once(minutes)
    assert {name: server.minutes("mot", name, M0, M0 + 300) for name in ledger} == ledger
    assert len(list(server.database.parent.glob("schoolbeat.db.before-*"))) == 1


def page_is_there(server: Server) -> bool:
    try:
        return page(server, "/healthz")[0] == 503
    except OSError:
        return False


def test_damage_met_at_work_stops_the_figures_at_once(server: Server, agent: Agent) -> None:
    record(agent, 0, 60)
    deliver(agent)
    damage.mark(server.database.parent, "database disk image is malformed")
    server.stop()

    server.start(wait=False)
    await_(lambda: page_is_there(server), 60, "it says what is wrong", server.log)
    status, text = page(server, "/")
    server.stop()
    code, told = said(server, "repair")
    server.start()

    assert (status, "schoolbeat-server repair" in text) == (503, True)
    assert (code, told.splitlines()[0]) == (0, "The database file is whole.")


SPOILT = (
    "UPDATE report SET payload = randomblob(length(payload)) WHERE id = (SELECT max(id) FROM report)",
    "UPDATE ledger_day SET payload = randomblob(length(payload))",
    "UPDATE contact_minute SET payload = randomblob(20)",
    "UPDATE inventory SET payload = randomblob(length(payload))",
    "UPDATE epoch SET settled = '[[0, 12],'",
    "DELETE FROM outage",
    "DELETE FROM off",
)


def test_flipped_contents_are_never_counted_and_repair_mends_every_kind_of_table(server: Server, agent: Agent) -> None:
    """SQLite finds the file whole."""
    minutes = record(agent, 0, 120)
    deliver(agent)
    names = ["lan.router", "line.isp", "line.internet"]
    true = books.ledger_of(server, "mot", names, M0, M0 + 120)
    found = "SELECT signal, first_minute, down_seconds FROM outage WHERE first_minute < ? ORDER BY 1, 2"
    outages = server.rows(found, M0 + 120)
    server.stop()
    with sqlite3.connect(server.database) as db:
        for statement in SPOILT:
            db.execute(statement)
    db.close()
    server.start(wait=False)
    await_(lambda: page_is_there(server), 60, "it says what is wrong", server.log)
    server.stop()

    code, told = said(server, "repair")
    server.start()
    await_(lambda: is_placed(agent, once(minutes)), 60, "it is whole again", agent.log, server.log)

    assert code == 4, told
    assert "asked of the agent again" in told
    assert made_up(server, "mot") == once(minutes)
    assert books.ledger_of(server, "mot", names, M0, M0 + 120) == true
    assert server.rows(found, M0 + 120) == outages


def is_placed(agent: Agent, expected: dict[int, list[MinuteRow]]) -> bool:
    return not agent.server.rows("SELECT 1 FROM report WHERE NOT placed") and is_whole(agent, expected)


# ---- backups -----------------------------------------------------------------------------------------------


def test_a_backup_made_at_work_and_restored_is_recognised_and_made_whole(
    server: Server, agent: Agent, tmp_path: Path
) -> None:
    before = record(agent, 0, 100)
    deliver(agent)
    assert said(server, "backup", str(tmp_path / "sao-luu.db"))[0] == 0
    again = said(server, "backup", str(tmp_path / "sao-luu.db"))
    agent.stop()
    after = record(agent, 100, 80, seed=2)
    deliver(agent)
    refused = said(server, "restore", str(tmp_path / "sao-luu.db"))
    server.stop()
    (server.database.parent / "server-password").unlink()

    restored = said(server, "restore", str(tmp_path / "sao-luu.db"))
    gone = made_up(server, "mot")
    server.start()
    await_(lambda: is_whole(agent, once(before, after)), 60, "it comes back", agent.log, server.log)

    code, told = said(server, "restored")
    assert (tmp_path / "sao-luu.db").stat().st_mode & 0o777 == 0o600
    assert again[0] == 1
    assert "exists" in again[1]
    assert refused[0] == 1
    assert "stop it first" in refused[1]
    assert restored[0] == 0
    assert gone == once(before)
    assert made_up(server, "mot") == once(before, after)
    assert "an older one put back" in told
    assert "sao lưu" in page(server, "/about")[1]
    assert "an older one put back" in server.log.read_text()
    assert code in (0, 4)


def test_a_plain_copy_put_back_is_given_away_by_what_agents_were_told(
    server: Server, agent: Agent, tmp_path: Path
) -> None:
    before = record(agent, 0, 100)
    deliver(agent)
    server.stop()
    shutil.copy(server.database, tmp_path / "copy.db")
    server.start()
    agent.stop()
    after = record(agent, 100, 80, seed=2)
    deliver(agent)
    server.stop()
    first = said(server, "restored")
    put_back(tmp_path / "copy.db", server.database)

    server.start()
    await_(lambda: is_whole(agent, once(before, after)), 60, "it comes back", agent.log, server.log)

    assert first == (0, "No backup was restored.\n")
    assert "an older one put back" in said(server, "restored")[1]
    assert "was told that minutes of epoch" in server.log.read_text()


def test_days_that_no_agent_holds_any_more_are_unknown_and_listed(tmp_path: Path) -> None:
    """The backup is 20 days old; the agent holds the last hour only."""
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["mot"])
    base, now = NOW - 20 * 1_440, NOW * 60_000
    ingest = Ingest(engine, "aa" * 8, ContactBook(0), lambda: now)
    ingest.load()
    school = School("mot")
    first = [school.inventory_message(), *(school.minute(base + n) for n in range(60))]
    after = [school.minute(NOW - 60 + n) for n in range(60)]
    ingest.now_ms = lambda: (base + 60) * 60_000
    ingest.commit(first, lambda batch: None)
    ingest.now_ms = lambda: now
    found = restored.Restored((base + 59) * 60_000, now, (base + 60) * 60_000)
    with database.writing(engine) as connection:
        restored.note(connection, found)

    ingest.commit(after, lambda batch: None)

    with engine.connect() as connection:
        lost, back = restored.missing(connection, found), restored.came_back(connection, found)
        lines = restored.told(connection, found, "en")
        ledger = ingest.ledger.read(connection, "mot", ["line.internet"], base, NOW)["line.internet"]
    days = [one.last_day - one.first_day for one in lost]
    assert (back, days, sum(one.minutes for one in lost)) == (60, [20], 20 * 1_440 - 120)
    assert "minutes unknown, not in the backup" in lines[-1]
    assert ledger[:60] + ledger[-60:] == bytes([60]) * 120
    assert set(ledger[60:-60]) == {UNKNOWN}


def test_a_damaged_backup_is_refused_and_nothing_is_touched(server: Server, tmp_path: Path) -> None:
    assert said(server, "backup", str(tmp_path / "sao-luu.db"))[0] == 0
    spoil(tmp_path / "sao-luu.db", 4096, 60_000)
    (tmp_path / "no-backup").write_text("abc")
    server.stop()
    before = server.database.read_bytes()

    answers = [said(server, "restore", str(tmp_path / name)) for name in ("sao-luu.db", "no-backup", "nothing")]

    assert [code for code, _ in answers] == [1, 1, 1]
    assert server.database.read_bytes() == before


@pytest.mark.parametrize(("days", "waits"), [(6, False), (8, True), (-1, True)])
def test_after_a_backup_far_from_the_clock_the_command_says_that_the_server_will_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], days: int, waits: bool
) -> None:
    """The kernel of a machine without NTP; every other part is real."""
    monkeypatch.setattr(own_clock, "kernel_is_synchronised", lambda: False)
    (tmp_path / "server.toml").write_text(f'folder = "{tmp_path}"\n')
    settings = load(tmp_path / "server.toml")
    engine = database.open_database(settings.database)
    database.server_id(engine)
    with database.writing(engine) as connection:
        database.set_meta(connection, "alive_ms", str(NOW * 60_000))
    engine.dispose()
    backup.make(settings.database, tmp_path / "sao-luu.db", NOW * 60_000)
    words = argparse.Namespace(file=tmp_path / "sao-luu.db", keep=backup_cli._restore)

    assert backup_cli.run(words, settings, "en", (NOW + days * 1_440) * 60_000) == 0

    assert ("clock believe" in capsys.readouterr().out) == waits
    with database.open_database(settings.database).connect() as connection:
        mark_ms = int(database.get_meta(connection, "alive_ms") or 0)
    doubted = own_clock.doubt((NOW + days * 1_440) * 60_000, mark_ms, synchronised=False)
    assert (doubted is not None) == waits
