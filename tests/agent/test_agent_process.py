"""The agent as a real process (with faster seconds) beside a real broker: every minute is told once, or declared."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent import fast
from tests.agent.broker import SERVER, TinyServer, mosquitto, wait_for
from tests.outbox_copy import copied
from tests.ports import free_port

from schoolbeat_agent import status
from schoolbeat_wire.catalogue import CAUSES, OFF_NAMES, UNKNOWN
from schoolbeat_wire.messages import Config, WatchedDevice

AGENT_TOML = """
site = "th-thu"
folder = "state"
[broker]
host = "127.0.0.1"
port = {port}
tls = false
[path]
router = "127.0.0.1"
international = []
[internet]
names = ["localhost"]
targets = ["127.0.0.1:{port}"]
[dns]
known = "127.0.0.1:9"
resolvers = ["127.0.0.1:9"]
[[device]]
id = "broker"
address = "127.0.0.1"
port = {port}
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def config(tmp_path: Path, port: int) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(AGENT_TOML.format(port=port))
    return path


@contextmanager
def agent(config: Path, *spoilt: str) -> Iterator[subprocess.Popen[bytes]]:
    with (config.parent / "agent.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.agent.fast_agent", config, *spoilt],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=Path(__file__).parents[2],
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def minutes_without_time(outbox: Path) -> int:
    """How many minutes of runs without a place in UTC an outbox keeps."""
    if not outbox.exists():
        return 0
    try:
        with copied(outbox) as db:
            return int(db.execute("SELECT count(*) FROM raw").fetchone()[0])
    except sqlite3.Error:
        return 0


def sleep_minutes(minutes: float) -> None:
    time.sleep(minutes * 60 / fast.PACE)


def declared(server: TinyServer) -> dict[int, str]:
    """minute -> why the agent was off, as its rows declare."""
    out: dict[int, str] = {}
    for rows in server.minutes().values():
        for off in rows[0].off:
            for minute in range(off.first_minute, off.first_minute + off.count):
                assert minute not in out, "declared twice"
                out[minute] = OFF_NAMES[off.reason]
    return out


def check_every_minute_once(server: TinyServer) -> None:
    rows, off = server.minutes(), declared(server)
    assert server.problems == []
    assert {minute: len(found) for minute, found in rows.items() if len(found) > 1} == {}
    assert set(rows) & set(off) == set()
    assert sorted([*rows, *off]) == list(range(min([*rows, *off]), max(rows) + 1))


def test_minutes_arrive_one_by_one_and_are_settled(tmp_path: Path, config: Path, port: int) -> None:
    with mosquitto(tmp_path, port), TinyServer(port) as server, agent(config) as process:
        wait_for(lambda: len(server.rows) >= 3, 60)
        wait_for(lambda: (told := status.ask(tmp_path / "state")) and told["waiting"] == 0)
        told = status.ask(tmp_path / "state")
        stop(process)
        wait_for(lambda: not server.presences[-1].online)

    assert told is not None
    assert (told["connected"], told["server"], told["clock"], told["disk_error"]) == (True, SERVER, "kernel", "")
    check_every_minute_once(server)
    rows = [server.minutes()[minute][0] for minute in sorted(server.minutes())]
    names = next(iter(server.inventories.values())).signals
    assert names == ["lan.router", "line.internet", "device.broker"]
    assert 60 in {row.signals[names.index("device.broker")] for row in rows}
    assert set(rows[0].signals) == {UNKNOWN}  # the minute in which it started
    first = server.presences[0]
    assert (first.online, first.lowest, first.next, first.gaps, first.clock) == (True, 0, 0, [], "kernel")


def test_a_clean_stop_a_kill_and_a_power_cut_are_each_declared_as_what_they_were(
    tmp_path: Path, config: Path, port: int
) -> None:
    (tmp_path / "boot").write_text("b0" * 16)
    with mosquitto(tmp_path, port), TinyServer(port) as server:
        with agent(config) as process:
            wait_for(lambda: len(server.rows) >= 1, 60)
            stop(process)
        sleep_minutes(2.3)
        for boot in ("b0", "b1"):
            before = len(server.minutes())
            with agent(config) as process:
                wait_for(lambda before=before: len(server.minutes()) > before, 60)  # type: ignore[misc]
                process.kill()
            sleep_minutes(3.4)
            (tmp_path / "boot").write_text(boot * 16)
        before = len(server.minutes())
        with agent(config) as process:
            wait_for(lambda: len(server.minutes()) > before, 60)
            stop(process)

    check_every_minute_once(server)
    off = declared(server)
    assert list(dict.fromkeys(off[minute] for minute in sorted(off))) == ["interrupted", "clean_stop", "crash", "power"]
    assert sum(reason == "interrupted" for reason in off.values()) == 1 + 2 + 2


def test_kills_at_random_moments_lose_no_minute_and_tell_none_twice(tmp_path: Path, config: Path, port: int) -> None:
    rng = random.Random(7)
    with mosquitto(tmp_path, port), TinyServer(port) as server:
        for _ in range(5):
            with agent(config) as process:
                sleep_minutes(rng.uniform(0.3, 2.2))
                process.kill()
        with agent(config) as process:
            wait_for(
                lambda: (told := status.ask(tmp_path / "state")) and told["next"] >= 1 and told["waiting"] == 0, 60
            )
            stop(process)

    check_every_minute_once(server)
    assert set(declared(server).values()) <= {"interrupted", "crash"}


def test_what_was_measured_without_broker_and_server_arrives_later(tmp_path: Path, config: Path, port: int) -> None:
    with mosquitto(tmp_path, port), TinyServer(port) as server, agent(config) as process:
        wait_for(lambda: len(server.rows) >= 1, 60)
        server.acks = False
        wait_for(lambda: len(server.rows) >= 2, 60)
        stop(process)
    with agent(config) as process:
        wait_for(lambda: (told := status.ask(tmp_path / "state")) and told["waiting"] >= 3, 60)
        with mosquitto(tmp_path, port), TinyServer(port) as later:
            wait_for(lambda: later.rows and (told := status.ask(tmp_path / "state")) and told["waiting"] == 0, 60)
            stop(process)

    assert later.problems == []
    assert len(later.minutes()) >= 3
    assert set(server.minutes()) - {min(server.minutes())} <= set(later.minutes())
    newest = next(told.next for told in later.presences if told.online)
    assert later.reports[0][2] >= newest  # the newest goes first: that of the connection, or one made since


def test_a_probe_that_hangs_or_raises_delays_no_other_and_is_told(tmp_path: Path, config: Path, port: int) -> None:
    with (
        mosquitto(tmp_path, port),
        TinyServer(port) as server,
        agent(config, "path=hang", "host=raise") as process,
    ):
        wait_for(lambda: len(server.rows) >= 3, 60)
        stop(process)

    check_every_minute_once(server)
    names = next(iter(server.inventories.values()))
    rows = [found[0] for found in server.minutes().values()]
    failures = {(names.probes[probe], cause) for row in rows for probe, cause, _ in row.failures}
    assert {row.signals[names.signals.index("lan.router")] for row in rows} == {UNKNOWN}
    assert 60 in {row.signals[names.signals.index("device.broker")] for row in rows}
    assert {("path", CAUSES["hung"][0]), ("host", CAUSES["internal"][0])} <= failures


def test_without_a_clock_runs_are_kept_over_a_kill_and_cut_when_time_is_known(
    tmp_path: Path, config: Path, port: int
) -> None:
    (tmp_path / "no-clock").touch()
    with agent(config) as process:
        wait_for(lambda: minutes_without_time(tmp_path / "state" / "outbox.sqlite") >= 4, 60)  # the first: its start
        process.kill()
    began = int(fast.unix() // 60)
    (tmp_path / "no-clock").unlink()
    with mosquitto(tmp_path, port), TinyServer(port) as server, agent(config) as process:
        wait_for(lambda: len(server.rows) >= 5, 60)
        stop(process)

    check_every_minute_once(server)
    known = [minute for minute, rows in server.minutes().items() if rows[0].signals[2] != UNKNOWN]
    assert [minute for minute in known if minute < began - 1] != []


def test_a_config_of_the_server_adds_a_device_and_survives_a_restart_without_line(
    tmp_path: Path, config: Path, port: int
) -> None:
    with mosquitto(tmp_path, port), TinyServer(port) as server, agent(config) as process:
        wait_for(lambda: server.presences)
        added = WatchedDevice("cam-1", "127.0.0.1", port=port, kind="camera", behind="device.broker")
        server.config(Config(7, SERVER, devices=[added]))
        wait_for(lambda: any("device.cam-1" in found.signals for found in server.inventories.values()))
        wait_for(lambda: server.presences[-1].revision in server.inventories)
        stop(process)
    with agent(config) as process:
        wait_for(lambda: (told := status.ask(tmp_path / "state")) and told["waiting"] >= 2, 60)
        with mosquitto(tmp_path, port), TinyServer(port) as later:
            wait_for(lambda: later.rows, 60)
            stop(process)

    names = later.inventories[later.presences[0].revision]
    assert names.signals == ["lan.router", "line.internet", "device.broker", "device.cam-1"]
    assert names.behind == {"device.broker": "lan.router", "device.cam-1": "device.broker"}


def test_a_config_of_a_strange_server_or_with_nonsense_changes_nothing(tmp_path: Path, config: Path, port: int) -> None:
    with mosquitto(tmp_path, port), TinyServer(port) as server, agent(config) as process:
        wait_for(lambda: len(server.rows) >= 1, 60)
        server.config(Config(7, "ba" * 8, devices=[WatchedDevice("x", "127.0.0.1")]))
        server.config(Config(8, SERVER, devices=[WatchedDevice("x", "not an address")]))
        server.say("config", b"{nonsense")
        server.say("command", b"\xff\xfe")
        server.say("ack", b"[]")
        count = len(server.rows)
        wait_for(lambda: len(server.rows) >= count + 1, 60)
        told = status.ask(tmp_path / "state")
        stop(process)

    assert told is not None
    assert told["refused_servers"] == {"ba" * 8: 1}
    assert len(server.inventories) == 1
    check_every_minute_once(server)
