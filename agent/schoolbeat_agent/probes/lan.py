"""Strangers and faults on the LAN, looked for by a child process."""

from __future__ import annotations

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch


def watches(settings: Settings) -> list[Watch]:
    """What is asked, by the settings."""
    return []


async def probe(target: object, world: World) -> Observation:
    raise ProbeFailed("not_configured", "not there yet")
