"""Past minutes, written into an agent's outbox by the agent's own code, so that nobody has to wait for them."""

from __future__ import annotations

import random

from schoolbeat_agent import machine
from schoolbeat_agent.outbox import Outbox
from schoolbeat_wire import inventory
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.report import MinuteRow
from tests.e2e.processes import Agent

SIGNALS = ["lan.router", "line.isp", "line.internet", "device.bang-1"]
BYTES = [60] * 12 + [0, 31, UNKNOWN]

INVENTORY = inventory.with_revision(
    Inventory(
        revision="",
        signals=SIGNALS,
        columns=[Column("rtt_ms", ["lan.router", "line.isp"]), Column("counter", ["host"])],
        probes=["path"],
    )
)


def rows(first_minute: int, count: int, seed: int, counted: int = 0) -> list[MinuteRow]:
    """One minute after the other; the reading `counter` of `host` counts them from `counted` on."""
    rng = random.Random(seed)
    return [
        MinuteRow(
            seq=0,
            minute=first_minute + index,
            signals=bytes(rng.choice(BYTES) for _ in SIGNALS),
            values=[[rng.randrange(50, 900), rng.choice([None, 1_500])], [counted + index]],
            failures=[(0, 1, 2)] if rng.random() < 0.1 else [],
        )
        for index in range(count)
    ]


def opened(agent: Agent) -> Outbox:
    """The outbox of an agent that does not run."""
    agent.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Outbox(agent.outbox, hardware=machine.hardware_id(), boot=machine.boot_id())


def fill(agent: Agent, first_minute: int, count: int, seed: int, counted: int = 0) -> None:
    """Recorded, not sent yet. The agent must not run."""
    box = opened(agent)
    box.keep_inventory(INVENTORY.revision, inventory.encode(INVENTORY))
    for row in rows(first_minute, count, seed, counted):
        box.add(row, INVENTORY.revision, False)
    assert box.standing().in_memory == 0
    box.close()
