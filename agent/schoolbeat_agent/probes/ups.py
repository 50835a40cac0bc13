"""The gateway's UPS by NUT (RFC 9271) or by another probe's word, and whether there is mains power."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from schoolbeat_agent import clock
from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of


@dataclass(frozen=True)
class UpsTarget:
    """A UPS of a NUT server as ups@host[:port], or (`nut` empty) a device whose readings another probe brings."""

    nut: str = ""
    device: str = ""
    timeout_seconds: float = 3.0
    boot_seconds: Callable[[], float] = field(default=clock.boot_seconds, repr=False)


def watches(settings: Settings) -> list[Watch]:
    """Each round: the UPS by NUT, or else what is known of a device."""
    if not settings.power.nut and not settings.power.ups:
        return []
    from schoolbeat_agent import power  # only where there is a UPS

    target = UpsTarget(settings.power.nut, "" if settings.power.nut else settings.power.ups)
    told = (*power.FLAGS.values(), *power.NUT_NUMBERS.values()) if target.nut else ()
    readings = of(power.MAINS, "on_battery", "on_battery_seconds", *told)
    return [Watch("ups", target, (power.MAINS,), readings)]


async def probe(target: UpsTarget, world: World) -> Observation:
    """power.mains with what the UPS tells. ProbeFailed when it cannot be asked: that is not a power cut."""
    from schoolbeat_agent import power

    if target.nut:
        seen = await power.by_nut(target.nut, target.timeout_seconds, world)
    else:
        seen = power.by_device(target.device, target.boot_seconds(), world)
    power.count_battery(seen, world)
    return seen
