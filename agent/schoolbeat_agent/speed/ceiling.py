"""Whether the gateway itself, and not the line, set the bound of a speed test: its port, its processor, its Wi-Fi."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import psutil

from schoolbeat_agent.probes.path import parse_default_route
from schoolbeat_agent.probes.traffic import port_bps
from schoolbeat_agent.probes.world import World, read_text

NONE, PORT, PROCESSOR, WIFI = 0, 1, 2, 3  # speed_ceiling of the catalogue
PORT_SHARE: Final = 0.88  # of a port's speed: payload is at most 94.9 % of it
BUSY_SHARE: Final = 0.9


@dataclass(frozen=True)
class Processor:
    """Seconds, busy and all, of each core; and of this process."""

    seconds: float
    cores: tuple[tuple[float, float], ...]
    own_seconds: float


def look(world: World) -> Processor:
    cores = []
    for times in psutil.cpu_times(percpu=True):
        every = sum(seconds for name, seconds in times._asdict().items() if not name.startswith("guest"))
        cores.append((every - times.idle - getattr(times, "iowait", 0.0), every))
    return Processor(world.monotonic(), tuple(cores), time.process_time())


def was_busy(before: Processor, after: Processor) -> bool:
    """One core at its end is enough: a test's work is in one thread, and so are an interface's interrupts."""
    seconds = after.seconds - before.seconds
    if seconds <= 0:
        return False
    shares = [
        (late[0] - early[0]) / (late[1] - early[1])
        for early, late in zip(before.cores, after.cores, strict=False)
        if late[1] > early[1]
    ]
    return max([*shares, (after.own_seconds - before.own_seconds) / seconds]) >= BUSY_SHARE


def interface_used(world: World, configured: str) -> str:
    """The one that the default route takes; empty: not known."""
    if configured:
        return configured
    route = parse_default_route(read_text(world.proc / "net" / "route") or "")
    return route.interface if route is not None else ""


def is_wifi(world: World, interface: str) -> bool:
    folder = world.sys / "class" / "net" / interface
    return bool(interface) and any((folder / name).exists() for name in ("wireless", "phy80211"))


def ceiling(world: World, interface: str, fastest_bps: float, *, busy: bool) -> int:
    """The code of what bounds the figure, the surest first."""
    if is_wifi(world, interface):
        return WIFI
    port = port_bps(world, interface) if interface else 0
    if port and fastest_bps >= PORT_SHARE * port:
        return PORT
    return PROCESSOR if busy else NONE
