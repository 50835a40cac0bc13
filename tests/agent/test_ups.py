"""Mains power: what a UPS's status means, a real NUT server, and the event that must be out before the gateway dies."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.broker import TinyServer, mosquitto, wait_for
from tests.agent.nut_server import ON_LINE, RealNut, emulated_nut, real_nut, until
from tests.ports import free_port

from schoolbeat_agent import clock, machine, power
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.power import MAINS
from schoolbeat_agent.probes import ups
from schoolbeat_agent.probes.ups import UpsTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import Settings, build
from schoolbeat_wire.catalogue import READINGS
from schoolbeat_wire.messages import Command


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("OL", State.UP),
        ("OL CHRG", State.UP),
        ("ALARM OL RB", State.UP),
        ("OL TRIM", State.UP),
        ("BYPASS", State.UP),
        ("OB", State.DOWN),
        ("OB DISCHRG LB", State.DOWN),
        ("FSD OB LB", State.DOWN),
        ("OB CAL", State.UNSEEN),
        ("OB DISCHRG TEST", State.UNSEEN),
    ],
)
def test_what_a_status_says_of_the_mains(status: str, state: State) -> None:
    assert power.mains(status) is state


@pytest.mark.parametrize("status", ["", "WAIT", "OFF", "OL OB", "OL OB BYPASS", "ob", "NOCOMM", "x" * 500])
def test_a_status_that_says_nothing_of_the_mains_is_a_failed_measurement(status: str) -> None:
    with pytest.raises(ProbeFailed) as failed:
        power.mains(status)

    assert failed.value.cause == "bad_answer"
    assert len(failed.value.detail) < 200


def test_everything_a_ups_on_battery_tells() -> None:
    told = ON_LINE | {"ups.status": "OB DISCHRG LB RB", "battery.charge": "75", "input.voltage": "0.0"}

    seen = power.parse(told)

    assert seen == Observation(
        {MAINS: State.DOWN},
        {
            (MAINS, "on_battery"): 1.0,
            (MAINS, "battery_low"): 1.0,
            (MAINS, "battery_replace"): 1.0,
            (MAINS, "battery_percent"): 75.0,
            (MAINS, "battery_runtime_seconds"): 1800.0,
            (MAINS, "battery_volts"): 27.1,
            (MAINS, "input_volts"): 0.0,
            (MAINS, "load_percent"): 23.0,
            (MAINS, "temperature_celsius"): 31.5,
        },
        {MAINS: "mains_lost"},
        {MAINS: "ups.status OB DISCHRG LB RB"},
    )


def test_what_a_ups_does_not_know_is_absent() -> None:
    for runtime in ("4294967295", "65535", "9999", "-1", "nan", "inf", "", "1e999", "half an hour"):
        assert power.numbers({"battery.runtime": runtime}) == {}
    assert power.numbers({"battery.charge": "101", "ups.temperature": "5000", "ups.load": "7"}) == {"load_percent": 7.0}


@given(st.dictionaries(st.sampled_from([*ON_LINE, "other"]), st.text(max_size=20)))
def test_whatever_a_ups_says_it_is_a_number_within_bounds_or_nothing(told: dict[str, str]) -> None:
    for name, value in power.numbers(told).items():
        assert READINGS[name].low <= value <= READINGS[name].high
    try:
        seen = power.parse(told)
    except ProbeFailed:
        return
    assert set(seen.states) == {MAINS}


def test_a_real_server_and_how_long_it_is_on_battery(tmp_path: Path) -> None:
    at = 100.0
    with real_nut(tmp_path) as real:
        world = World(monotonic=lambda: at)
        target = UpsTarget(real.ups)

        on_line = asyncio.run(ups.probe(target, world))
        real.says(ON_LINE | {"ups.status": "OB DISCHRG"})
        until(lambda: "OB" in real.status())
        first = asyncio.run(ups.probe(target, world))
        at = 130.0
        later = asyncio.run(ups.probe(target, world))
        real.says(ON_LINE)
        until(lambda: "OL" in real.status())
        back = asyncio.run(ups.probe(target, world))

    assert on_line.states == back.states == {MAINS: State.UP}
    assert first.states == later.states == {MAINS: State.DOWN}
    assert first.causes == {MAINS: "mains_lost"}
    seconds = [seen.readings.get((MAINS, "on_battery_seconds")) for seen in (on_line, first, later, back)]
    assert seconds == [None, 0.0, 30.0, None]


def test_a_server_that_cannot_be_asked_is_never_a_power_cut(tmp_path: Path) -> None:
    with real_nut(tmp_path) as real:
        real.stop(real.processes[0])
        until(lambda: real.status().startswith("ERR"))

        with pytest.raises(ProbeFailed) as failed:
            asyncio.run(ups.probe(UpsTarget(real.ups), World()))

    assert failed.value.cause == "device_error"


def settings_for(folder: Path, port: int, **by: str) -> Settings:
    return build(
        {
            "site": "th-thu",
            "folder": str(folder / "state"),
            "broker": {"host": "127.0.0.1", "port": port, "tls": False},
            "path": {"router": "127.0.0.1", "domestic": [], "international": []},
            "internet": {"names": ["localhost"], "targets": [f"127.0.0.1:{port}"]},
            "dns": {"known": "127.0.0.1:9", "resolvers": ["127.0.0.1:9"]},
            "probe_seconds": 20,
            "page": {"port": 0},
            "power": by,
        },
        folder / "agent.toml",
    )


def test_nothing_is_asked_where_no_ups_is_named(tmp_path: Path) -> None:
    assert ups.watches(settings_for(tmp_path, 1)) == []
    (by_nut,) = ups.watches(settings_for(tmp_path, 1, nut="a@b"))
    (by_device,) = ups.watches(settings_for(tmp_path, 1, ups="ups-1"))
    assert (by_nut.signals, by_device.signals) == ((MAINS,), (MAINS,))
    assert all(name in READINGS and subject == MAINS for subject, name in by_nut.readings)


def test_a_device_asked_by_another_probe_tells_of_the_mains_while_its_word_is_fresh() -> None:
    world = World()
    target = UpsTarget(device="ups-1", boot_seconds=lambda: 1_000.0)
    subject = ("device.ups-1", "on_battery")

    def tell(value: float, at: float) -> None:
        world.memory.sight.take(Run("snmp", at, 0.1, Observation({}, {subject: value})))

    with pytest.raises(ProbeFailed) as never:
        asyncio.run(ups.probe(target, world))
    tell(0.0, 950.0)
    on_line = asyncio.run(ups.probe(target, world))
    tell(1.0, 980.0)
    on_battery = asyncio.run(ups.probe(target, world))
    with pytest.raises(ProbeFailed) as old:
        asyncio.run(ups.probe(replace(target, boot_seconds=lambda: 1_071.0), world))

    assert (never.value.cause, old.value.cause) == ("not_configured", "timeout")
    assert on_line.states == {MAINS: State.UP}
    assert on_battery.states == {MAINS: State.DOWN}
    assert on_battery.causes == {MAINS: "mains_lost"}


@contextmanager
def running(settings: Settings) -> Iterator[None]:
    """The real runner in a thread with its own loop, in real seconds."""
    stopped = threading.Event()

    async def run() -> None:
        settings.folder.mkdir(mode=0o700)
        box = Outbox(settings.folder / "outbox.sqlite", hardware=machine.hardware_id(), boot=machine.boot_id())
        runner = Runner(settings, box, World(), version="test", is_synchronised=lambda: True)
        stop = asyncio.Event()
        task = asyncio.create_task(runner.run(stop))
        while not stopped.is_set():
            await asyncio.sleep(0.05)
        stop.set()
        await task

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(30)


def test_the_broker_hears_of_the_power_cut_at_once_and_once(tmp_path: Path) -> None:
    """A round is 20 s here, a minute 60 s: neither is waited for."""
    port = free_port()
    nut_folder = tmp_path / "nut"
    nut_folder.mkdir()
    with (
        real_nut(nut_folder) as real,
        mosquitto(tmp_path, port),
        TinyServer(port) as server,
        running(settings_for(tmp_path, port, nut=real.ups)),
    ):
        wait_for(lambda: server.presences and server.inventories)
        wait_for(lambda: _glancing(real))
        began = int(time.time() * 1_000)
        real.says(ON_LINE | {"ups.status": "OB DISCHRG LB"})
        until(lambda: "OB" in real.status())
        said = time.monotonic()
        wait_for(lambda: server.events)
        seconds = time.monotonic() - said

        for _ in range(2):  # more rounds that see the same
            server.command(Command("check_now"))
            time.sleep(2.5)
        (cut,) = server.events
        real.says(ON_LINE)
        wait_for(lambda: len(server.events) == 2)

    # At most 0.7 s between glances, and 2 s of jitter in a round of 20 s; the rest is this machine's load.
    assert seconds < 6
    assert (cut.signal, cut.up, cut.cause) == (MAINS, False, "mains_lost")
    assert began <= cut.at_ms <= began + 15_000
    assert (server.events[1].signal, server.events[1].up) == (MAINS, True)
    assert server.problems == []


def _glancing(real: RealNut) -> bool:
    """Whether the agent holds a connection to the server: a first run has been."""
    line = f"0100007F:{real.port:04X}"
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(row[1] == line and row[3] == "01" for row in rows)


def test_glances_end_when_nobody_runs_the_probe_any_more() -> None:
    asked: list[float] = []

    def answer(line: bytes) -> bytes:
        asked.append(clock.boot_seconds())
        if line.startswith(b"LIST"):
            return b"BEGIN LIST VAR a\nVAR a ups.status OL\nEND LIST VAR a\n"
        return b"VAR a ups.status OB\n"

    hurried: list[int] = []

    async def run(port: int) -> int:
        world = World(hurry=lambda: hurried.append(1))
        await ups.probe(UpsTarget(f"a@127.0.0.1:{port}"), world)
        (glances,) = world.memory.of_probe.values()
        await asyncio.sleep(2.0)
        glances.until = 0.0
        await asyncio.wait_for(glances.task, 10)
        return len(asked)

    with emulated_nut(answer) as port:
        count = asyncio.run(run(port))

    assert hurried == [1]  # a change is told once, however often it is seen
    assert 2 <= count <= 6
