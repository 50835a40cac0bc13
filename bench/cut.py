"""Cut: seconds from a pulled cable to the notice handed to the channel, keepalive 10, in the end-to-end tests' world.

Real agent, server, Mosquitto with TLS and a webhook receiver in network namespaces. Each cable has a world of its own;
they run side by side, since they wait most of the time. Cables are pulled at random moments.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.e2e.world import World

Row = tuple[str, str, str]
ROUNDS = int(os.environ.get("BENCH_CUT_ROUNDS", "3"))
CABLES = ("c1", "c2", "c4")  # at the Pi, at the ISP's side of the router, abroad
RUNNING_SECONDS = 100.0  # contact is judged from a minute after the server's start on


def seconds_to_notice(cable: str, rounds: int) -> list[float]:
    rng = random.Random(f"{cable} {os.getpid()}")
    found = []
    with tempfile.TemporaryDirectory(prefix="schoolbeat-bench-") as name, World(Path(name)) as world:
        world.await_(lambda: bool(world.rows("SELECT 1 FROM epoch")), 90, "the agent is heard")
        world.await_(lambda: time.monotonic() - world.server_since > RUNNING_SECONDS, 180, "the world has run a while")
        for number in range(rounds):
            time.sleep(rng.uniform(0, 30))
            if len(world.notices()) != 2 * number:
                raise RuntimeError(f"a notice that no cut explains: {world.notices()}")
            cut_at = time.time()
            world.lab.cut(cable)
            world.await_(lambda n=number: len(world.notices()) > 2 * n, 90, "a notice opens")  # type: ignore[misc]
            found.append(world.notices()[2 * number]["at"] - cut_at)
            time.sleep(rng.uniform(5, 25))
            world.lab.mend(cable)
            world.await_(lambda n=number: len(world.notices()) > 2 * n + 1, 240, "a notice closes")  # type: ignore[misc]
    return found


def measure() -> list[Row]:
    with ThreadPoolExecutor(len(CABLES)) as pool:
        jobs = {cable: pool.submit(seconds_to_notice, cable, ROUNDS) for cable in CABLES}
        found = {cable: job.result() for cable, job in jobs.items()}
    for cable, seconds in found.items():
        print(f"cut {cable}: {', '.join(f'{each:.1f}' for each in seconds)} s", file=sys.stderr)
    every = [each for seconds in found.values() for each in seconds]
    figure = f"{max(every):.1f} s the longest, {statistics.median(every):.1f} s the median of {len(every)} cuts"
    return [(f"cable cut ({', '.join(CABLES)}) to notice handed over, keepalive 10", figure, "≤ 30 s")]


if __name__ == "__main__":
    for what, figure, target in measure():
        print(f"{what}: {figure} (target {target})")
