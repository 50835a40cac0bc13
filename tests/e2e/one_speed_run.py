"""One granted run of the speed probe as a process: `python one_speed_run.py METHOD SERVER LOCATE SECONDS INTERFACE`.

Prints its readings as JSON. `ip netns exec` gives it the namespace's own /sys.
"""

from __future__ import annotations

import asyncio
import json
import sys

from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes import speed, traffic
from schoolbeat_agent.probes.speed import SpeedTarget
from schoolbeat_agent.probes.world import Grant, Memory, World
from schoolbeat_agent.settings import Lessons, Speed, Traffic

EVENING = 1_795_275_930.0  # 22:45 on 21 November 2026 in Viet Nam, a Saturday


async def main(method: str, server: str, locate: str, seconds: str, interface: str) -> Observation:
    contract = 50_000_000
    target = SpeedTarget(
        "s1.gateway",
        Speed(method, server, locate, seconds=int(seconds)),  # type: ignore[arg-type]
        Traffic(interface, contract_down_bps=contract, contract_up_bps=contract),
    )
    memory = Memory(grants=[Grant("ab" * 8, EVENING + 600)])
    world = World(memory=memory, lessons=Lessons(((0, 420, 690),)), unix=lambda: EVENING)
    for _ in range(3):
        traffic.look(target.traffic, world)
        await asyncio.sleep(0.2)
    return await speed.probe(target, world)


if __name__ == "__main__":
    seen = asyncio.run(main(*sys.argv[1:]))
    print(
        json.dumps({"subjects": sorted({s for s, _ in seen.readings}), **{n: v for (_, n), v in seen.readings.items()}})
    )
