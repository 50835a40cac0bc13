"""The real agent with faster seconds: `python -m tests.e2e.quick_agent CONFIG BASE_UNIX`.

Its time is BASE_UNIX plus the boot's seconds times fast.PACE: the same for all processes of this boot.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from pathlib import Path

from schoolbeat_agent import machine
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import load
from tests.agent import fast


async def main(config: Path, base_unix: float) -> None:
    settings = load(config)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    box = Outbox(settings.folder / "outbox.sqlite", hardware=machine.hardware_id(), boot=machine.boot_id())
    runner = Runner(
        settings,
        box,
        World(),
        version="quick",
        is_synchronised=lambda: True,  # better than the server's time, which is another one
        boot_seconds=fast.boot_seconds,
        unix=lambda: base_unix + fast.boot_seconds(),
    )
    await runner.run(stop)


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    with asyncio.Runner(loop_factory=fast.Loop) as running:
        running.run(main(Path(sys.argv[1]), float(sys.argv[2])))
