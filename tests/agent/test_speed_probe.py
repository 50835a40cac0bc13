"""A whole run of the speed probe: the decision, the test, what is told of it and what is remembered."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.agent.speed_servers import serving
from tests.ports import free_port

from schoolbeat_agent import settings as agent_settings
from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes import speed, traffic
from schoolbeat_agent.probes.speed import SpeedTarget
from schoolbeat_agent.probes.world import Grant, Memory, World
from schoolbeat_agent.settings import Lessons, Speed, Traffic
from schoolbeat_agent.speed import ceiling, policy
from schoolbeat_agent.speed.ceiling import Processor, was_busy
from schoolbeat_agent.speed.flow import Counters
from schoolbeat_agent.speed.giving_way import Moment, foreign_bps, is_in_the_way
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import CAUSES, READINGS

PACE = 1_000_000  # bytes a second
EVENING = datetime(2026, 11, 23, 20, tzinfo=UTC).timestamp() - 7 * 3_600
HOURS = Lessons(((0, 420, 690),))
TOKEN = "ab" * 8
SUBJECT = "speed.127.0.0.1"


@dataclass
class Gateway:
    """An agent beside an interface whose counters a test writes, at 20:00 on a Monday."""

    folder: Path
    port: int
    method: str = "ndt7"
    unix: float | None = EVENING
    memory: Memory = field(default_factory=Memory)
    counted: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.world = World(sys=self.folder, proc=self.folder, memory=self.memory, lessons=HOURS, unix=lambda: self.unix)
        server = {"ndt7": f"ws://127.0.0.1:{self.port}", "librespeed": f"http://127.0.0.1:{self.port}/backend/"}
        self.target = SpeedTarget(
            "s1.gateway",
            Speed(self.method, server.get(self.method, f"127.0.0.1:{self.port}"), seconds=3),  # type: ignore[arg-type]
            Traffic("wan0", contract_down_bps=50_000_000, contract_up_bps=50_000_000),
        )
        self.count()

    def count(self) -> None:
        statistics = self.folder / "class" / "net" / "wan0" / "statistics"
        statistics.mkdir(parents=True, exist_ok=True)
        for name, count in zip(("rx_bytes", "tx_bytes"), self.counted, strict=True):
            (statistics / f"{name}.new").write_text(f"{count}\n")
            (statistics / f"{name}.new").replace(statistics / name)

    def idle(self) -> None:
        """Two looks at a line that carries nothing."""
        for _ in range(2):
            traffic.look(self.target.traffic, self.world)
            time.sleep(0.01)

    def grant(self, token: str = TOKEN, seconds: float = 600) -> None:
        assert self.unix is not None
        self.memory.grants.append(Grant(token, self.unix + seconds))

    def run(self) -> Observation:
        return asyncio.run(speed.probe(self.target, self.world))

    def used(self) -> policy.Used:
        return policy.read_used(self.memory.kept.get(speed.KEPT, ""))


def figures(seen: Observation, subject: str = SUBJECT) -> dict[str, float]:
    assert {own for own, _ in seen.readings} <= {subject}
    assert seen.states == {}
    for _, name in seen.readings:
        assert READINGS[name].low <= seen.readings[subject, name] <= READINGS[name].high
    return {name: value for (_, name), value in seen.readings.items()}


def test_a_granted_test_tells_its_figures_once_and_is_remembered_over_a_restart(tmp_path: Path) -> None:
    port = free_port()
    with serving("ndt7", "127.0.0.1", port, "--pace", str(PACE), "--seconds", "3"):
        gateway = Gateway(tmp_path, port)
        gateway.idle()
        gateway.grant()
        told = figures(gateway.run())
        again = gateway.run()
        restarted = Gateway(tmp_path, port, memory=Memory(kept=dict(gateway.memory.kept)))
        restarted.idle()
        restarted.grant()
        after = restarted.run()

    assert told.pop("download_bps") == pytest.approx(8 * PACE, rel=0.1)
    assert told.pop("upload_bps") == pytest.approx(8 * PACE, rel=0.1)
    assert 0 < told.pop("speed_rtt_ms") < 1_000
    moved = told.pop("speed_bytes")
    assert 5 * PACE < moved < 40 * PACE  # what waits in buffers at the end is counted too
    assert 6 <= told.pop("speed_seconds") < 15
    assert told.pop("speed_ceiling") in (0, 2)  # this machine may be busy
    assert told == {"speed_method": 1}
    assert gateway.used() == policy.Used(
        "2026-11", int(moved * 1.06), int(moved), int(EVENING), (TOKEN,), ("127.0.0.1",)
    )
    assert gateway.memory.changed == {speed.KEPT}
    assert (again, after) == (Observation(notes={"speed": "no_grant"}),) * 2
    assert gateway.memory.grants == []


def test_a_failed_test_is_a_reading_of_its_failure_and_costs_the_grant(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port(), "librespeed")
    gateway.idle()
    gateway.grant()

    seen = gateway.run()

    told = figures(seen)
    del told["speed_seconds"]
    assert told == {"speed_method": 2, "speed_bytes": 0, "speed_failure": CAUSES["refused"][0]}
    assert "Connect call failed" in seen.notes[SUBJECT]
    assert gateway.used() == policy.Used("2026-11", 0, 0, int(EVENING), (TOKEN,))
    assert gateway.run().notes == {"speed": "no_grant"}


def test_a_grant_that_ran_out_unused_says_once_what_was_in_its_way(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.idle()
    gateway.counted = [900_000, 0]
    gateway.count()
    traffic.look(gateway.target.traffic, gateway.world)
    gateway.grant(seconds=60)
    waiting = gateway.run()
    gateway.unix = EVENING + 61
    over, later = gateway.run(), gateway.run()

    assert waiting == Observation(notes={"speed": "busy"})
    assert figures(over) == {"speed_failure": CAUSES["busy"][0], "speed_method": 1}
    assert later == Observation(notes={"speed": "no_grant"})
    assert gateway.memory.grants == []


def test_a_grant_that_the_months_data_does_not_allow_is_given_back_at_once(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.memory.kept[speed.KEPT] = policy.write_used(policy.Used("2026-11", 10**10))
    gateway.idle()
    gateway.grant()

    now, later = gateway.run(), gateway.run()

    assert figures(now) == {"speed_failure": CAUSES["over_budget"][0], "speed_method": 1}
    assert later == Observation(notes={"speed": "no_grant"})
    assert gateway.used() == policy.Used("2026-11", 10**10)


def test_without_the_time_nothing_is_tested_and_no_grant_is_lost(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, free_port())
    gateway.grant()
    gateway.unix = None

    assert gateway.run() == Observation(notes={"speed": "no_clock"})
    assert len(gateway.memory.grants) == 1


def test_a_test_makes_way_for_others_at_once_and_what_it_spent_is_counted(tmp_path: Path) -> None:
    port, over = free_port(), threading.Event()
    gateway = Gateway(tmp_path, port)
    gateway.target = replace(gateway.target, speed=replace(gateway.target.speed, seconds=10))

    def others() -> None:  # 80 Mbit/s that are none of ours
        while not over.wait(0.1):
            gateway.counted[0] += 1_000_000
            gateway.count()

    with serving("ndt7", "127.0.0.1", port, "--pace", str(PACE), "--seconds", "10"):
        gateway.idle()
        gateway.grant()
        thread = threading.Thread(target=others)
        thread.start()
        try:
            told = figures(gateway.run())
        finally:
            over.set()
            thread.join()

    assert 2 < told.pop("speed_seconds") < 9
    spent = told.pop("speed_bytes")
    assert spent > PACE
    assert told.pop("speed_rtt_ms") > 0
    assert told == {"speed_method": 1, "speed_failure": CAUSES["aborted"][0]}
    assert gateway.used().bytes == int(spent * 1.06)
    spans = traffic.flow_of(gateway.world).spans.times
    assert len(spans) == 1
    assert spans[0][1] < float("inf")


def test_others_are_told_from_our_own_bytes_with_their_headers_and_answers() -> None:
    def moment(seconds: float, line: tuple[int, int], own: tuple[int, int] | None) -> Moment:
        return Moment(Counters(seconds, *line), own)

    start = moment(0, (0, 0), (0, 0))
    ours = moment(2, (10_500_000, 300_000), (10_000_000, 0))
    with_others = moment(2, (14_600_000, 300_000), (10_000_000, 0))
    unknown = moment(0, (0, 0), None)

    assert foreign_bps(start, ours) == ((0, 0), 40_000_000)
    assert foreign_bps(start, with_others)[0] == pytest.approx((16_000_000, 0), rel=0.01)
    assert foreign_bps(unknown, moment(2, (300_000, 10_000_000), None)) == ((0, 0), 40_000_000)
    assert foreign_bps(unknown, moment(2, (1_500_000, 10_000_000), None))[0] == (4_000_000, 0)
    contract = Traffic("wan0", contract_down_bps=100_000_000, contract_up_bps=100_000_000)
    assert not is_in_the_way(Speed(idle_percent=10), contract, (9e6, 9e6), 40e6)
    assert is_in_the_way(Speed(idle_percent=10), contract, (0, 11e6), 40e6)
    assert not is_in_the_way(Speed(), Traffic("wan0"), (3e6, 0), 40e6)  # a tenth of our own may be sent again
    assert is_in_the_way(Speed(), Traffic("wan0"), (5e6, 0), 40e6)


def test_the_ceiling_of_the_gateway_itself_is_told(tmp_path: Path) -> None:
    world = World(sys=tmp_path, proc=tmp_path)
    for name, told in (("eth0", "100\n"), ("wlan0", "-1\n"), ("wan0", "1000\n")):
        (tmp_path / "class" / "net" / name).mkdir(parents=True)
        (tmp_path / "class" / "net" / name / "speed").write_text(told)
    (tmp_path / "class" / "net" / "wlan0" / "phy80211").mkdir()
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "route").write_text("head\neth0\t00000000\t014D0A0A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")

    def told(interface: str, mbps: float, *, busy: bool = False) -> int:
        return ceiling.ceiling(world, interface, mbps * 1e6, busy=busy)

    assert [told("eth0", 94), told("eth0", 80), told("eth0", 80, busy=True)] == [1, 0, 2]
    assert [told("wlan0", 10), told("wan0", 94, busy=True), told("", 94)] == [3, 2, 0]
    assert (ceiling.interface_used(world, ""), ceiling.interface_used(world, "wan0")) == ("eth0", "wan0")
    start = Processor(0, ((0, 0), (0, 0)), 0)
    assert was_busy(start, Processor(10, ((9.1, 10), (1, 10)), 2))  # one core at its end
    assert was_busy(start, Processor(10, ((5, 10), (5, 10)), 9.5))  # a thread that moved between cores
    assert not was_busy(start, Processor(10, ((8.9, 10), (8.9, 10)), 8.9))


def watched(tmp_path: Path, more: str) -> list[tuple[int, float, bool, set[str]]]:
    path = tmp_path / "agent.toml"
    path.touch(mode=0o600)
    path.write_text('site = "s1"\n[broker]\nhost = "h"\npassword = "p"\n[speed]\n' + more)
    return [
        (watch.every_seconds, watch.timeout_seconds, watch.learns, {subject for subject, _ in watch.readings})
        for watch in speed.watches(agent_settings.load(path))
    ]


def test_it_is_watched_where_a_method_is_set_and_its_subject_is_the_server(tmp_path: Path) -> None:
    assert watched(tmp_path, "") == []
    assert watched(tmp_path, 'method = "iperf3"') == []
    assert watched(tmp_path, 'method = "iperf3"\nserver = "do.example:5201"') == [
        (120, 90, False, {"speed.do.example"})
    ]
    assert watched(tmp_path, 'method = "ndt7"\nserver = "wss://do.example"') == [(120, 90, False, {"speed.do.example"})]
    assert watched(tmp_path, 'method = "ndt7"') == [(120, 90, True, set())]


def test_the_subjects_of_located_servers_are_few_and_fit_the_wire() -> None:
    located = Speed("ndt7")
    used = policy.Used()
    for number in range(20):
        host = f"ndt-mlab1-han{number:02}.mlab-oti.measurement-lab.org"
        decision = policy.Decision(True, "", "", 10**9)
        used = policy.ended(policy.begun(used, decision, EVENING), decision, 1_000, whole=True, server=host)
    subjects = {
        speed.subject_of(located, f"ndt-mlab1-han{number:02}.mlab-oti.measurement-lab.org", used)
        for number in range(20)
    } | {speed.subject_of(located, speed.host_of(located), used)}

    assert len(subjects) == 8
    assert "speed.other" in subjects
    assert all(bounds.SUBJECT.fullmatch(subject) for subject in subjects)
    assert len(subjects) * len(speed.READINGS) <= 64  # what one watch may learn
    assert bounds.SUBJECT.fullmatch(speed.subject_of(Speed("iperf3", "[2001:db8::1]:5201"), "2001:db8::1", used))
