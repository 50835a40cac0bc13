"""The machine itself: the real one, and one made of files."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes import host
from schoolbeat_agent.probes.host import HostTarget, cpu_percent, parse_uptime, temperature_celsius, undervoltage
from schoolbeat_agent.probes.world import World
from schoolbeat_wire.catalogue import READINGS


def file(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def observe(world: World, target: HostTarget | None = None) -> Observation:
    return asyncio.run(host.probe(target or HostTarget(), world))


def test_this_machine_tells_of_itself_within_the_catalogue_s_bounds(tmp_path: Path) -> None:
    world = World()
    first = observe(world, HostTarget(tmp_path))
    while observe(world, HostTarget(tmp_path)).readings.get(("host", "cpu_percent")) is None:
        pass  # the kernel counts processor time in hundredths of a second
    seen = observe(World(), HostTarget(tmp_path))

    for (subject, name), value in seen.readings.items():
        assert subject == "host"
        assert READINGS[name].low <= value <= READINGS[name].high
    names = {name for _, name in first.readings}
    assert names >= {"load1", "memory_used_percent", "disk_used_percent", "disk_free_bytes", "uptime_seconds"}
    assert "cpu_percent" not in names
    assert seen.states == {}
    assert abs(seen.readings["host", "disk_free_bytes"] - shutil.disk_usage(tmp_path).free) < 2**30


def test_a_pi_tells_temperature_and_undervoltage(tmp_path: Path) -> None:
    file(tmp_path, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    file(tmp_path, "sys/class/thermal/thermal_zone0/temp", "61342\n")
    file(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n")
    file(tmp_path, "proc/uptime", "93784.52 361234.10\n")

    seen = observe(World(sys=tmp_path / "sys", proc=tmp_path / "proc"))

    assert seen.readings["host", "temperature_celsius"] == 61.342
    assert seen.readings["host", "undervoltage"] == 1
    assert seen.readings["host", "uptime_seconds"] == 93784.52
    assert "power supply" in seen.notes["undervoltage"]


def test_what_is_not_known_is_absent(tmp_path: Path) -> None:
    seen = observe(World(sys=tmp_path, proc=tmp_path), HostTarget(tmp_path / "missing"))

    assert {name for _, name in seen.readings} == {"load1", "memory_used_percent"}
    assert set(seen.notes) == {"disk_used_percent", "disk_free_bytes"}


@pytest.mark.parametrize(
    ("flags", "low"), [("0", False), ("0x0", False), ("50000", False), ("50005", True), ("0x1", True), ("?", None)]
)
def test_undervoltage_is_the_firmware_s_lowest_bit(tmp_path: Path, flags: str, low: bool | None) -> None:
    file(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", flags)

    assert undervoltage(tmp_path) is low


def test_undervoltage_is_the_alarm_of_the_pi_s_driver_and_of_no_other(tmp_path: Path) -> None:
    file(tmp_path, "class/hwmon/hwmon0/name", "nvme\n")
    file(tmp_path, "class/hwmon/hwmon0/in0_lcrit_alarm", "1\n")
    another = undervoltage(tmp_path)
    file(tmp_path, "class/hwmon/hwmon1/name", "rpi_volt\n")
    unreadable = undervoltage(tmp_path)
    file(tmp_path, "class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    well = undervoltage(tmp_path)
    file(tmp_path, "class/hwmon/hwmon1/in0_lcrit_alarm", "1\n")

    assert (another, unreadable, well, undervoltage(tmp_path)) == (None, None, False, True)


def test_the_temperature_is_the_warmest_of_the_processor_s_own_sensors(tmp_path: Path) -> None:
    file(tmp_path, "class/thermal/thermal_zone0/type", "acpitz\n")
    file(tmp_path, "class/thermal/thermal_zone0/temp", "99000\n")
    only_a_stranger = temperature_celsius(tmp_path)
    file(tmp_path, "class/thermal/thermal_zone1/type", "x86_pkg_temp\n")
    file(tmp_path, "class/thermal/thermal_zone1/temp", "41000\n")
    file(tmp_path, "class/hwmon/hwmon0/name", "coretemp\n")
    file(tmp_path, "class/hwmon/hwmon0/temp1_input", "47500\n")
    file(tmp_path, "class/thermal/thermal_zone2/type", "cpu0-thermal\n")
    file(tmp_path, "class/thermal/thermal_zone2/temp", "5000000\n")  # a sentinel, not a temperature
    file(tmp_path, "class/thermal/thermal_zone3/type", "soc_thermal\n")
    file(tmp_path, "class/thermal/thermal_zone3/temp", "nonsense\n")

    assert (only_a_stranger, temperature_celsius(tmp_path)) == (None, 47.5)


@pytest.mark.parametrize(
    ("before", "now", "percent"),
    [
        (None, (1.0, 4.0), None),
        ((1.0, 4.0), (1.0, 4.0), None),
        ((1.0, 4.0), (0.5, 3.0), None),  # suspended, or another counter
        ((1.0, 4.0), (2.0, 8.0), 25.0),
        ((1.0, 4.0), (1.0, 8.0), 0.0),
        ((1.0, 4.0), (9.0, 8.0), 100.0),
        ((1.0, 4.0), (0.9, 8.0), 0.0),  # iowait may run backwards
    ],
)
def test_the_processor_s_use_needs_two_looks(
    before: tuple[float, float] | None, now: tuple[float, float], percent: float | None
) -> None:
    assert cpu_percent(before, now) == percent


@given(st.text())
def test_no_text_makes_the_uptime_parser_raise(text: str) -> None:
    parse_uptime(text)
