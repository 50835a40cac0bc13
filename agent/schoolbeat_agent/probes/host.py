"""How the machine itself is: load, memory, disk, temperature, supply voltage (as far as it tells)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.world import Memory, World, read_text

SUBJECT = "host"
CPU_SENSORS = ("cpu", "soc", "x86_pkg_temp", "coretemp", "k10temp", "zenpower")  # how their names begin
UNDERVOLTAGE_NOW, UNDERVOLTAGE_BEFORE = 1 << 0, 1 << 16  # bits of the Pi firmware's get_throttled
THROTTLED = Path("devices/platform/soc/soc:firmware/get_throttled")
WARM = range(-60_000, 200_001)  # thousandths of a degree that a sensor can mean


@dataclass(frozen=True)
class HostTarget:
    """The machine; `disk_path` lies on the disk that is watched."""

    disk_path: Path = Path("/")


def parse_uptime(text: str) -> float | None:
    """Seconds since boot in the text of /proc/uptime (proc(5))."""
    try:
        return float(text.split()[0])
    except (IndexError, ValueError):
        return None


def cpu_percent(before: tuple[float, float] | None, now: tuple[float, float]) -> float | None:
    """How busy the processors were between two (busy, all) seconds; None without a time between them."""
    if before is None or now[1] <= before[1]:
        return None
    return min(100.0, max(0.0, 100 * (now[0] - before[0]) / (now[1] - before[1])))


def cpu_seconds() -> tuple[float, float]:
    """(busy, all) seconds of all processors since boot; waiting for the disk is not busy, guests are in user time."""
    times = psutil.cpu_times()._asdict()
    every = sum(seconds for name, seconds in times.items() if not name.startswith("guest"))
    return every - times["idle"] - times.get("iowait", 0.0), every


def read_number(path: Path, base: int = 10) -> int | None:
    try:
        return int((read_text(path) or "").strip(), base)
    except ValueError:
        return None


def labels(sys: Path, kind: str, file: str) -> list[Path]:
    """The files `file` of a class's devices, e.g. class/hwmon/hwmon*/name. Much cheaper than a glob."""
    try:
        with os.scandir(sys / "class" / kind) as entries:
            return sorted(Path(entry.path, file) for entry in entries)
    except OSError:
        return []


def temperature_celsius(sys: Path) -> float | None:
    """The processor's temperature: the warmest of the sensors that are known to be its own; None without one."""
    found = [
        read_number(label.parent / value)
        for kind, file, value in (("thermal", "type", "temp"), ("hwmon", "name", "temp1_input"))
        for label in labels(sys, kind, file)
        if (read_text(label) or "").strip().startswith(CPU_SENSORS)
    ]
    known = [millidegrees for millidegrees in found if millidegrees is not None and millidegrees in WARM]
    return max(known) / 1_000 if known else None


def throttled_flags(sys: Path) -> int | None:
    """The Pi firmware's flags (hexadecimal); None on another machine."""
    return read_number(sys / THROTTLED, 16)


def undervoltage(sys: Path) -> bool | None:
    """Whether the Pi tells of too low a voltage now, by its firmware or its hwmon driver; None if it cannot tell."""
    flags = throttled_flags(sys)
    if flags is not None:
        return bool(flags & UNDERVOLTAGE_NOW)
    for label in labels(sys, "hwmon", "name"):
        if (read_text(label) or "").strip() == "rpi_volt":
            alarm = read_number(label.parent / "in0_lcrit_alarm")
            return None if alarm is None else bool(alarm)
    return None


def cpu_since_last_run(memory: Memory) -> float | None:
    """The first run knows none."""
    before, memory.cpu_seconds = memory.cpu_seconds, cpu_seconds()
    return cpu_percent(before, memory.cpu_seconds)


def uptime_seconds(world: World) -> float | None:
    """Of this boot. Windows has no /proc, and tells when it was started."""
    if sys.platform == "win32":
        return world.wall() - psutil.boot_time()
    return parse_uptime(read_text(world.proc / "uptime") or "")


async def probe(target: HostTarget, world: World) -> Observation:
    """Readings of the subject "host". What is not known is absent. ProbeFailed when nothing at all is known."""
    disk = str(target.disk_path)
    asked: dict[str, Callable[[], float | None]] = {
        "load1": lambda: psutil.getloadavg()[0],
        "cpu_percent": lambda: cpu_since_last_run(world.memory),
        "memory_used_percent": lambda: psutil.virtual_memory().percent,
        "disk_used_percent": lambda: psutil.disk_usage(disk).percent,
        "disk_free_bytes": lambda: psutil.disk_usage(disk).free,
        "temperature_celsius": lambda: temperature_celsius(world.sys),
        "undervoltage": lambda: undervoltage(world.sys),
        "uptime_seconds": lambda: uptime_seconds(world),
    }
    seen = Observation()
    for name, ask in asked.items():
        try:
            value = ask()
        except (OSError, psutil.Error) as error:
            seen.notes[name] = str(error)
            continue
        if value is not None:
            seen.readings[SUBJECT, name] = float(value)
    if not seen.readings:
        raise ProbeFailed("internal", "; ".join(f"{name}: {why}" for name, why in seen.notes.items()))
    if (throttled_flags(world.sys) or 0) & UNDERVOLTAGE_BEFORE:
        seen.notes["undervoltage"] = "the voltage was too low since boot: check power supply and cable"
    return seen
