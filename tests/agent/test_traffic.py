"""The line's own traffic: counters that wrap and begin anew, a device's rates, quarter-hours, our own tests left out."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent import settings as agent_settings
from schoolbeat_agent.observation import Observation, ProbeFailed, Run
from schoolbeat_agent.probes import traffic
from schoolbeat_agent.probes.traffic import TrafficTarget, flow_of
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Traffic
from schoolbeat_agent.speed.flow import WRAP, Counters, Quarter, moved

START = 1_795_275_900.0  # a quarter-hour of the clock begins
WAN = Traffic("wan0", contract_down_bps=100_000_000, contract_up_bps=20_000_000)


@dataclass
class Box:
    """A machine whose interface's counters stand in files, as under /sys, and whose time stands still until told."""

    folder: Path
    now: float = 1_000.0
    unix: float | None = START
    counted: list[int] = field(default_factory=lambda: [0, 0])

    def __post_init__(self) -> None:
        self.world = World(sys=self.folder, monotonic=lambda: self.now, unix=lambda: self.unix)
        self.write()

    def write(self) -> None:
        statistics = self.folder / "class" / "net" / "wan0" / "statistics"
        statistics.mkdir(parents=True, exist_ok=True)
        for name, count in zip(("rx_bytes", "tx_bytes"), self.counted, strict=True):
            (statistics / name).write_text(f"{count}\n")

    def passed(self, seconds: float, rx: int, tx: int) -> None:
        self.now += seconds
        self.unix = None if self.unix is None else self.unix + seconds
        self.counted = [self.counted[0] + rx, self.counted[1] + tx]
        self.write()

    def seen(self, target: TrafficTarget = TrafficTarget(WAN)) -> dict[str, float]:  # noqa: B008
        found = asyncio.run(traffic.probe(target, self.world))
        assert found == Observation({}, found.readings)
        assert {subject for subject, _ in found.readings} <= {"line.internet"}
        return {name: round(value, 3) for (_, name), value in found.readings.items()}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return Box(tmp_path)


def test_rates_are_means_of_the_last_minute_and_use_is_that_of_the_busier_direction(box: Box) -> None:
    first = box.seen()
    box.passed(10, 12_500_000, 1_250_000)  # 10 and 1 Mbit/s
    second = box.seen()
    box.passed(10, 2_500_000, 5_000_000)  # 2 and 4 Mbit/s
    third = box.seen()
    for _ in range(6):
        box.passed(10, 1_250_000, 1_250_000)
        last = box.seen()

    assert first == {}
    assert second == {"rx_bps": 10_000_000, "tx_bps": 1_000_000, "utilisation_percent": 10}
    assert third == {"rx_bps": 6_000_000, "tx_bps": 2_500_000, "utilisation_percent": 20}
    assert last == {"rx_bps": 1_000_000, "tx_bps": 1_000_000, "utilisation_percent": 5}


def test_a_contract_that_is_not_known_gives_no_share_and_one_that_is_passed_gives_a_hundred(box: Box) -> None:
    box.seen()
    box.passed(10, 250_000_000, 0)

    assert box.seen()["utilisation_percent"] == 100
    box.passed(10, 250_000_000, 0)
    assert "utilisation_percent" not in box.seen(TrafficTarget(Traffic("wan0")))


def test_a_counter_that_wraps_goes_on_and_one_that_begins_anew_makes_no_spike(box: Box) -> None:
    box.counted = [WRAP - 1_000_000, 5_000_000]
    box.write()
    box.seen()
    box.passed(10, 1_250_000 - WRAP, 1_250_000)
    wrapped = box.seen()
    box.counted = [10_000, 20_000]
    box.passed(10, 0, 0)
    anew = box.seen()
    box.passed(10, 1_250_000, 1_250_000)

    assert (wrapped["rx_bps"], wrapped["tx_bps"]) == (1_000_000, 1_000_000)
    assert anew == {}
    assert box.seen()["rx_bps"] == 1_000_000


@given(
    st.integers(0, 2**64), st.integers(0, 2**64), st.integers(0, 2**64), st.integers(0, 2**64), st.floats(0.001, 3_600)
)
def test_whatever_counters_say_there_is_never_less_than_nothing_nor_more_than_the_port(
    rx: int, tx: int, rx_after: int, tx_after: int, seconds: float
) -> None:
    found = moved(Counters(0, rx, tx), Counters(seconds, rx_after, tx_after), 10**9)

    assert found is None or all(0 <= count <= 10**9 / 8 * seconds * 1.1 + 1_000_000 for count in found)


def test_a_whole_quarter_hour_is_told_once_with_its_mean(box: Box) -> None:
    quarters = TrafficTarget(WAN, quarters=True)
    box.now, box.unix = box.now - 25, START - 25
    told = []
    for step in range(100):
        box.passed(10, 1_250_000 if step % 2 else 3_750_000, 125_000)
        box.seen()
        told.append(box.seen(quarters))

    assert [one for one in told if one] == [{"rx_quarter_bps": 2_000_000, "tx_quarter_bps": 100_000}]
    assert told[91] == {} != told[92]  # the first look behind its end


def test_a_quarter_hour_with_a_missing_look_or_without_the_time_is_unknown(box: Box) -> None:
    quarters = TrafficTarget(WAN, quarters=True)
    told = []
    for step in range(400):
        box.passed(80 if step == 30 else 10, 1_250_000, 125_000)
        if step == 130:
            box.unix = None
        if step == 140:
            box.unix = START + 30 * 86_400
        box.seen()
        told.append(bool(box.seen(quarters)))

    # The first has a hole, the second loses its time; after that all are whole but the one that began too late.
    assert sum(told) == 2


def test_our_own_speed_test_is_not_the_schools_traffic(box: Box) -> None:
    quarters = TrafficTarget(WAN, quarters=True)
    box.seen()
    during, told = [], []
    for step in range(91):
        if step == 40:
            flow_of(box.world).spans.begin(box.now + 3)
        if step == 43:
            flow_of(box.world).spans.end(box.now - 4)
        ours = 40 <= step < 43
        box.passed(10, 125_000_000 if ours else 1_250_000, 125_000)
        seen = box.seen()
        if 38 < step < 45:
            during.append(seen.get("rx_bps"))
        told.append(box.seen(quarters))

    assert during == [1_000_000, None, None, None, 1_000_000, 1_000_000]
    assert [one for one in told if one] == [{"rx_quarter_bps": 1_000_000, "tx_quarter_bps": 100_000}]


def test_the_rates_of_a_devices_port_are_the_lines(box: Box) -> None:
    target = TrafficTarget(Traffic("", "rt", "ether1/wan", 100_000_000, 20_000_000))
    subject = "device.rt.ether1%2Fwan"

    def told(rx: float, tx: float, at: float) -> None:
        seen = Observation({}, {(subject, "rx_bps"): rx, (subject, "tx_bps"): tx})
        box.world.memory.sight.take(Run("snmp", at, 0.1, seen))

    with pytest.raises(ProbeFailed, match="ask it by snmp") as nothing:
        box.seen(target)
    told(5e6, 1e6, 50_000.0)
    first = box.seen(target)
    for minute in range(1, 21):
        box.passed(60, 0, 0)
        told(3e6, 2e6, 50_000.0 + 60 * minute)
        last = box.seen(target)
    quarter = box.seen(replace(target, quarters=True))
    box.passed(151, 0, 0)
    with pytest.raises(ProbeFailed) as silent:
        box.seen(target)

    assert (nothing.value.cause, silent.value.cause) == ("not_configured", "timeout")
    assert first == {"rx_bps": 5e6, "tx_bps": 1e6, "utilisation_percent": 5}
    assert last == {"rx_bps": 3e6, "tx_bps": 2e6, "utilisation_percent": 10}
    assert quarter == {"rx_quarter_bps": 3e6, "tx_quarter_bps": 2e6}


def test_an_interface_that_is_not_there_is_named(box: Box) -> None:
    with pytest.raises(ProbeFailed, match=r"traffic\.interface = 'wan9'") as failed:
        box.seen(TrafficTarget(Traffic("wan9")))

    assert failed.value.cause == "not_configured"


def test_this_machines_real_loopback_is_counted() -> None:
    world = World()
    before = traffic.counters(world, "lo")
    other = socket.create_server(("127.0.0.1", 0))

    def swallow() -> None:
        sock, _ = other.accept()
        with sock:
            while sock.recv(65_536):
                pass

    thread = threading.Thread(target=swallow)
    thread.start()
    with socket.create_connection(other.getsockname()) as sock:
        sock.sendall(bytes(3_000_000))
    thread.join()
    other.close()
    counted = moved(before, traffic.counters(world, "lo"))

    assert counted is not None
    assert min(counted) >= 3_000_000


def test_it_is_watched_where_something_counts_and_rates_are_fresh_for_a_moment_only(box: Box, tmp_path: Path) -> None:
    text = 'site = "s1"\n[broker]\nhost = "h"\npassword = "p"\n'
    path = tmp_path / "agent.toml"
    path.touch(mode=0o600)

    def watched(more: str) -> list[tuple[str, int, list[str]]]:
        path.write_text(text + more)
        found = traffic.watches(agent_settings.load(path))
        return [(watch.name, watch.every_seconds, [name for _, name in watch.readings]) for watch in found]

    assert watched("") == []
    assert watched('[traffic]\ninterface = "wan0"\n') == [
        ("traffic line.internet", 0, ["rx_bps", "tx_bps"]),
        ("traffic line.quarter", 120, ["rx_quarter_bps", "tx_quarter_bps"]),
    ]
    assert "utilisation_percent" in watched('[traffic]\ninterface = "wan0"\ncontract_up_bps = 5\n')[0][2]
    assert traffic.fresh_rates(WAN, box.world) is None
    box.seen()
    box.passed(10, 1_250_000, 0)
    box.seen()
    assert traffic.fresh_rates(WAN, box.world) == (1e6, 0)
    box.passed(60, 0, 0)
    assert traffic.fresh_rates(WAN, box.world) is None


def test_time_that_is_set_back_or_forth_never_makes_a_quarter_hour_too_full() -> None:
    quarter = Quarter()
    for second in range(0, 1_000, 10):
        start = START + (second if second < 500 else second - 100)
        quarter.add(start, start + 10, (1e6, 1e6))

    assert quarter.take() is None
