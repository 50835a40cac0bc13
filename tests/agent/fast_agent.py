"""The real agent as a process, with faster seconds: `python -m tests.agent.fast_agent CONFIG [PROBE=hang|raise …]`."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from tests.agent import fast

from schoolbeat_agent import machine
from schoolbeat_agent.observation import Observation
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes import PROBES
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import load


async def hang(_target: object, _world: World) -> Observation:
    """It does not even let itself be cancelled."""
    while True:
        try:
            await asyncio.sleep(3_600)
        except asyncio.CancelledError:
            pass


async def fail(_target: object, _world: World) -> Observation:
    raise RuntimeError("a mistake in a probe")


async def main(config: Path, spoilt: list[str]) -> None:
    for entry in spoilt:
        name, how = entry.split("=")
        PROBES[name] = hang if how == "hang" else fail
    settings = load(config)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    boot = (config.parent / "boot").read_text().strip() if (config.parent / "boot").exists() else machine.boot_id()
    box = Outbox(settings.folder / "outbox.sqlite", hardware=machine.hardware_id(), boot=boot)
    runner = Runner(
        settings,
        box,
        World(),
        version="test",
        is_synchronised=lambda: not (config.parent / "no-clock").exists(),
        boot_seconds=fast.boot_seconds,
        unix=fast.unix,
    )
    await runner.run(stop)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)
    with asyncio.Runner(loop_factory=fast.Loop) as running:
        running.run(main(Path(sys.argv[1]), sys.argv[2:]))
        # A probe that cannot be cancelled would hold up the closing of the loop for ever.
        logging.shutdown()
        import os

        os._exit(0)
