"""Is there mains power, and how is the battery: what a UPS's status means, and a look at it between runs."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent import nut
from schoolbeat_agent.nut import Ups
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.world import World
from schoolbeat_wire.catalogue import READINGS

log = logging.getLogger(__name__)

MAINS: Final = "power.mains"
NUT_NUMBERS: Final[Mapping[str, str]] = {
    "battery.charge": "battery_percent",
    "battery.runtime": "battery_runtime_seconds",
    "battery.voltage": "battery_volts",
    "input.voltage": "input_volts",
    "ups.load": "load_percent",
    "ups.temperature": "temperature_celsius",
}
FLAGS: Final[Mapping[str, str]] = {"LB": "battery_low", "RB": "battery_replace"}
# What UPSes say for "not known"; beyond the catalogue's bounds it is dropped anyway.
NOT_KNOWN: Final[Mapping[str, tuple[float, ...]]] = {"battery.runtime": (9_999, 65_535, 599_940, 3_932_100)}
GLANCE_SECONDS: Final = 0.7  # between looks at the status between runs: the gateway may not live for long
GLANCES_LAST_SECONDS: Final = 60.0  # after a run; then nobody asks any more
FRESH_SECONDS: Final = 90.0  # what another probe saw of the UPS


def mains(status: str) -> State:
    """ups.status (NUT developer guide, "Status data"; RFC 9271, section 5.1) in one word. ProbeFailed if it says none.

    A UPS that tests or calibrates its battery runs on it though the mains may be there: then nothing is seen.
    """
    flags = set(status.split())
    if "OB" in flags and flags & {"CAL", "TEST"}:
        return State.UNSEEN
    if "OB" in flags and "OL" not in flags:
        return State.DOWN
    if flags & {"OL", "BYPASS"} and "OB" not in flags:  # bypass: the load hangs on the mains directly
        return State.UP
    raise ProbeFailed("bad_answer", f"ups.status {status[:60]!r} says neither on line (OL) nor on battery (OB)")


def numbers(variables: Mapping[str, str]) -> dict[str, float]:
    """The readings in a UPS's variables; what is not a number, a sentinel or out of bounds is not known."""
    out = {}
    for variable, reading in NUT_NUMBERS.items():
        try:
            value = float(variables.get(variable, ""))
        except ValueError:
            continue
        bounds = READINGS[reading]
        if math.isfinite(value) and bounds.low <= value <= bounds.high and value not in NOT_KNOWN.get(variable, ()):
            out[reading] = value
    return out


def parse(variables: Mapping[str, str]) -> Observation:
    """What the variables say now; how long on battery is for the caller to count."""
    status = variables.get("ups.status", "")
    state = mains(status)
    flags = set(status.split())
    readings = {name: float(flag in flags) for flag, name in FLAGS.items()} | numbers(variables)
    readings["on_battery"] = float("OB" in flags)
    return Observation(
        {MAINS: state},
        {(MAINS, name): value for name, value in readings.items()},
        {MAINS: "mains_lost"} if state is State.DOWN else {},
        {MAINS: f"ups.status {status[:60]}"},
    )


def count_battery(seen: Observation, world: World) -> None:
    """Add how long this agent has seen it on battery."""
    since = world.memory.of_probe
    if not seen.readings[MAINS, "on_battery"]:
        since.pop("ups since", None)
        return
    began = since.setdefault("ups since", world.monotonic())
    seen.readings[MAINS, "on_battery_seconds"] = world.monotonic() - began


def by_device(device: str, now: float, world: World) -> Observation:
    """What the device's own probe saw last; now: the boot's seconds. ProbeFailed: nothing, or too long ago."""
    value, at = world.memory.sight.readings.get((f"device.{device}", "on_battery"), (0.0, -math.inf))
    if now - at > FRESH_SECONDS:
        detail = f"device {device} tells nothing of its battery for {FRESH_SECONDS:.0f} s; is it asked by SNMP?"
        raise ProbeFailed("not_configured" if at == -math.inf else "timeout", detail)
    return Observation(
        {MAINS: State.DOWN if value else State.UP},
        {(MAINS, "on_battery"): value},
        {MAINS: "mains_lost"} if value else {},
        {MAINS: f"device.{device}"},
    )


async def by_nut(ups_text: str, timeout_seconds: float, world: World) -> Observation:
    """Everything that the UPS tells; between runs its status is glanced at."""
    ups = nut.parse_ups(ups_text)
    async with nut.connected(ups, timeout_seconds) as talk:
        seen = parse(await talk.variables())
    keep_glancing(ups, timeout_seconds, seen.states[MAINS], world)
    return seen


@dataclass
class Glances:
    """Looks at the status between runs; when it differs from what the last run said, the next round begins now."""

    said: State
    until: float
    task: asyncio.Task[None] | None = None

    async def look(self, ups: Ups, timeout_seconds: float, world: World) -> None:
        loop = asyncio.get_running_loop()
        async with nut.connected(ups, timeout_seconds) as talk:
            while loop.time() < self.until:
                await asyncio.sleep(GLANCE_SECONDS)
                state = mains(await talk.status())
                if state not in (self.said, State.UNSEEN):
                    self.said = state
                    world.hurry()


async def _look(glances: Glances, ups: Ups, timeout_seconds: float, world: World) -> None:
    try:
        await glances.look(ups, timeout_seconds, world)
    except ProbeFailed as failed:
        log.debug("power: between runs: %s", failed)  # the next run tells it


def keep_glancing(ups: Ups, timeout_seconds: float, said: State, world: World) -> None:
    """A run has just said so; look on until the next one comes."""
    loop = asyncio.get_running_loop()
    glances = world.memory.of_probe.setdefault(f"ups glances {ups}", Glances(said, 0.0))
    glances.said, glances.until = said, loop.time() + GLANCES_LAST_SECONDS
    if glances.task is None or glances.task.done():
        glances.task = loop.create_task(_look(glances, ups, timeout_seconds, world))
