"""What is asked less often than each round: its word holds longer, its readings join the inventory, nobody waits."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agent import fast
from tests.agent.snmp_responder import EmulatedAgent, Faults, serving

from schoolbeat_agent import inventory
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.minutes import Cutter, seconds_up
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner, may_tell
from schoolbeat_agent.settings import Device, Settings, build
from schoolbeat_agent.watch import Watch
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.messages import Config, WatchedDevice
from schoolbeat_wire.report import MinuteRow

M = 29_000_000
S = M * 60
UP, DOWN = State.UP, State.DOWN
SWITCH = {
    "1.3.6.1.2.1.1.1.0": b"A switch",
    "1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.99999.1",
    "1.3.6.1.2.1.1.3.0": 123_456,
    "1.3.6.1.2.1.25.3.3.1.2.1": 20,
    "1.3.6.1.2.1.25.3.3.1.2.2": 40,
}


def test_a_word_holds_as_long_as_its_device_allows() -> None:
    said = {"device.cam": [(S - 300, UP)]}

    held = [seconds_up(M, "device.cam", said, {}, holds={"device.cam": hold}) for hold in (400, 350)]

    assert held == [60, UNKNOWN]
    assert seconds_up(M, "device.cam", said, {}) == UNKNOWN


def test_a_run_that_outlasts_its_minute_brings_its_readings_to_the_one_in_which_it_ended() -> None:
    cutter = Cutter(M)
    listed = Inventory("", ["device.cam"], [Column("video_ms", ["device.cam"], sparse=True)], ["rtsp"])
    run = Run("rtsp", 0, 30, Observation({"device.cam": UP}, {("device.cam", "video_ms"): 812.5}))
    cutter.feed(Run("rtsp", 0, 1, Observation({"device.cam": DOWN}, causes={"device.cam": "no_video"})), S)
    first = cutter.cut(listed)

    cutter.feed(run, S + 59)

    assert (first.values, first.signals) == ([[None]], bytes([UNKNOWN]))
    second = cutter.cut(listed)
    assert second.values == [[8125]]


def test_each_value_has_one_place_and_what_comes_seldom_a_sparse_one() -> None:
    watches = [
        Watch("rtsp", None, ("device.cam",), (("device.cam", "video_ms"),), every_seconds=120),
        Watch("snmp", None, ("device.sw",), (("device.sw", "uptime_seconds"),), every_seconds=60, learns=True),
        Watch("icmp", None, ("device.cam",), (("device.cam", "rtt_ms"),)),
        Watch("onvif", None, (), (("device.cam", "video_ms"),), every_seconds=600, about="device.cam"),
    ]
    offered = {
        "snmp device.sw": [("device.sw", "cpu_percent"), ("device.sw", "uptime_seconds")],
        "icmp device.cam": [("device.cam", "cpu_percent")],
    }

    found = inventory.columns(watches, offered)

    probes = [f"probe.{name}" for name in ("rtsp", "snmp", "icmp", "onvif")]
    assert found == [
        Column("video_ms", ["device.cam"], sparse=True),
        Column("uptime_seconds", ["device.sw"]),
        Column("rtt_ms", ["device.cam"]),
        Column("cpu_percent", ["device.sw"]),
        *(Column(reading, probes) for reading in ("run_count", "run_failures", "run_seconds")),
    ]


def test_what_was_learnt_takes_no_more_room_than_an_inventory_has_and_what_is_configured_always_has_its_place() -> None:
    watches = [
        Watch("snmp", None, (), (), every_seconds=60, learns=True, about="device.sw"),
        Watch("icmp", None, ("device.pc",), (("device.pc", "cpu_percent"),)),
    ]
    offered = {"snmp device.sw": [(f"device.sw.{core}", "cpu_percent") for core in range(bounds.SUBJECTS + 1)]}

    found = inventory.columns(watches, offered)

    learnt = [f"device.sw.{core}" for core in range(bounds.SUBJECTS - 1)]
    assert found[0] == Column("cpu_percent", ["device.pc", *learnt])


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param('[["device.sw", "a_reading_of_the_past"]]', id="a reading that this version does not know"),
        pytest.param('[["Device sw", "cpu_percent"]]', id="a subject that no inventory can hold"),
        pytest.param('[["device.sw"]]', id="another shape"),
        pytest.param("[" * 50_000, id="too deep"),
        pytest.param('{"device.sw": 1}', id="a table"),
        pytest.param("\x00", id="no JSON"),
    ],
)
def test_a_damaged_memory_of_what_devices_have_does_not_stop_the_start(tmp_path: Path, kept: str) -> None:
    config = settings(tmp_path, 1)
    box = Outbox(config.folder / "outbox.sqlite", hardware="ab" * 8, boot="cd" * 8)
    box.remember("kept offered snmp device.sw", kept)

    runner = Runner(config, box, World(), version="1")

    box.close()
    assert runner.recorder.inventory.columns == inventory.columns(inventory.watches(config), {})


def test_a_device_brings_readings_of_its_own_parts_and_of_no_other_device() -> None:
    watch = Watch("snmp", None, (), (), learns=True, about="device.sw")
    devices = ["device.sw", "device.sw.1", "device.sw1"]

    told = ["device.sw", "device.sw.2", "device.sw.1", "device.sw.1.eth0", "device.sw.10", "device.sw1.eth0", "wifi.a"]

    assert [subject for subject in told if may_tell(watch, subject, devices)] == [
        "device.sw",
        "device.sw.2",
        "device.sw.10",
    ]


def settings(folder: Path, port: int) -> Settings:
    found = build(
        {
            "site": "th-a",
            "folder": str(folder),
            "clock": "trust",
            "broker": {"host": "127.0.0.1", "port": 1, "tls": False},
            "path": {"router": "127.0.0.1", "domestic": ["127.0.0.1"], "international": []},
            "internet": {"names": ["localhost"], "targets": ["127.0.0.1:1"]},
            "dns": {"resolvers": ["127.0.0.1:1"], "known": "127.0.0.1:1"},
            "page": {"port": 0},
        },
        folder / "agent.toml",
    )
    switch = Device("sw", "127.0.0.1", kind="switch", port=port, ask="snmp", credential="read", snmp="read")
    return replace(found, devices=(switch,), credentials={"read": Credential("read", community="public")})


async def run_for(config: Settings, minutes: int) -> tuple[list[MinuteRow], list[Inventory]]:
    """The rows that an agent records in so many fast minutes, with the inventory that each was cut by."""
    box = Outbox(config.folder / "outbox.sqlite", hardware="ab" * 8, boot="cd" * 8)
    runner = Runner(
        config,
        box,
        World(),
        version="1",
        is_synchronised=lambda: True,
        boot_seconds=fast.boot_seconds,
        unix=fast.unix,
    )
    rows: list[MinuteRow] = []
    listed: list[Inventory] = []
    add = box.add

    def added(row: MinuteRow, revision: str, at_once: bool) -> None:
        rows.append(row)
        listed.append(runner.recorder.inventory)
        add(row, revision, at_once)

    box.add = added  # type: ignore[method-assign, assignment] # looks on
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    while len(rows) < minutes:
        await asyncio.sleep(1)
    stop.set()
    await running
    return rows, listed


def run_fast(config: Settings, minutes: int) -> tuple[list[MinuteRow], list[Inventory]]:
    with asyncio.Runner(loop_factory=fast.Loop) as loop:
        return loop.run(run_for(config, minutes))


def value(row: MinuteRow, of: Inventory, reading: str, subject: str) -> int | None:
    for column, values in zip(of.columns, row.values, strict=True):
        if column.reading == reading and subject in column.subjects:
            return values[column.subjects.index(subject)]
    return None


@pytest.mark.timeout(120)
def test_what_a_device_turns_out_to_tell_joins_the_inventory_and_is_known_at_the_next_start(tmp_path: Path) -> None:
    with serving(EmulatedAgent(SWITCH)) as port:
        config = settings(tmp_path, port)

        rows, listed = run_fast(config, 4)
        again_rows, again_listed = run_fast(config, 2)

    last, of = rows[-1], listed[-1]
    assert value(last, of, "cpu_percent", "device.sw") == 300
    assert last.signals[of.signals.index("device.sw")] == 60
    assert len({one.revision for one in listed}) <= 2
    assert {one.revision for one in again_listed} == {of.revision}
    assert again_rows[0].minute > last.minute


async def sight_after_removal(config: Settings, device: WatchedDevice, switch: EmulatedAgent) -> tuple[bool, set[str]]:
    """Whether the device was being asked when another configuration took it away; and what is seen some time later."""
    box = Outbox(config.folder / "outbox.sqlite", hardware="ab" * 8, boot="cd" * 8)
    runner = Runner(config, box, World(), version="1", boot_seconds=fast.boot_seconds, unix=fast.unix)
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run(stop))
    await runner.take_config(Config(1, devices=[device]))
    while not switch.asked:
        await asyncio.sleep(0.1)
    before = len(switch.asked)
    await runner.take_config(Config(2))
    await asyncio.sleep(60)
    seen = {*runner.view().sight.signals, *runner.snapshot()["troubles"]}
    stop.set()
    await running
    return before < len(switch.asked), seen


@pytest.mark.timeout(60)
def test_a_device_that_is_taken_away_while_it_is_asked_is_forgotten(tmp_path: Path) -> None:
    switch = EmulatedAgent(SWITCH, faults=Faults(delay_seconds=0.05))
    with serving(switch) as port, asyncio.Runner(loop_factory=fast.Loop) as loop:
        config = replace(settings(tmp_path, port), devices=())
        device = WatchedDevice("sw", "127.0.0.1", kind="switch", port=port, ask="snmp", credential="read")

        was_asked, seen = loop.run(sight_after_removal(config, device, switch))

    assert was_asked
    assert not [name for name in seen if "device.sw" in name]
