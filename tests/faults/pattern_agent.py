"""The real agent with the known pattern in place of its probes and a clock that can be shifted, as a process:
`python -m tests.faults.pattern_agent FOLDER`.

FOLDER holds agent.toml; pattern.json: seed, pace (how many times faster its seconds pass), base_unix, hardware; boot.json: id and
the machine's second at which that boot began; clock.json: offset of the system's clock, and whether NTP vouches for it.
Every run is noted in `journal`, in a file of its own that neither agent nor server know of, before anybody else sees it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from schoolbeat_agent import clock, inventory
from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.observation import Observation, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes import PROBES
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import load
from tests.agent import fast
from tests.faults import pattern


class ShiftedClock:
    """The boot's seconds and the system's clock. What was told last counts as the start of the run that asked."""

    def __init__(self, folder: Path, pace: float, base_unix: float) -> None:
        boot = json.loads((folder / "boot.json").read_text())
        self.boot: str = boot["id"]
        self._began = float(boot["at"])
        self._file = folder / "clock.json"
        self._pace, self._base = pace, base_unix
        self._moment: float | None = None
        self.last = 0.0

    def boot_seconds(self) -> float:
        """clock.from_system asks for UTC and then for this: both speak of one moment, however busy the machine is."""
        now, self._moment = (clock.boot_seconds() if self._moment is None else self._moment), None
        self.last = (now - self._began) * self._pace
        return self.last

    def true_unix(self, boot_second: float) -> float:
        return self._base + self._began * self._pace + boot_second

    def unix(self) -> float:
        self._moment = clock.boot_seconds()
        return self._base + self._moment * self._pace + float(self._read()["offset"])

    def is_synchronised(self) -> bool:
        return bool(self._read()["synchronised"])

    def _read(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._file.read_text())
        return found


class Pattern:
    """The probes. Nothing in them waits, so a run is over before anything else happens."""

    def __init__(self, folder: Path, seed: int, shifted: ShiftedClock) -> None:
        self.seed, self.clock = seed, shifted
        former = pattern.read_journal(folder / "journal")
        told = json.loads((folder / "pattern.json").read_text())["counted"]
        self.counter = max((run.counter for run in former), default=told - 1) + 1
        self.journal = os.open(folder / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, probe: str, world: World) -> int:
        """The minute whose pattern the run shows. The run is noted at the time that the agent believes in; without an anchor
        at the one where it will be placed."""
        started = self.clock.last
        believed = world.unix()
        second = self.clock.true_unix(started) if believed is None else believed - (self.clock.last - started)
        offset = round(second - self.clock.true_unix(started))
        process = f"{self.clock.boot[:8]}/{os.getpid()}{offset:+d}"
        os.write(self.journal, pattern.line(probe, second, process, self.counter).encode())
        return int(pattern.shown_second(second, offset) // 60)

    def states(self, probe: str, signals: tuple[str, ...], world: World) -> Observation:
        minute = self.note(probe, world)
        said = {signal: pattern.state(self.seed, signal, minute) for signal in signals}
        shown = {True: State.UP, False: State.DOWN, None: State.UNSEEN}
        causes = {signal: "timeout" for signal, up in said.items() if up is False}
        return Observation({signal: shown[up] for signal, up in said.items()}, {}, causes)

    async def path(self, _target: object, world: World) -> Observation:
        return self.states("path", pattern.PATH, world)

    async def internet(self, _target: object, world: World) -> Observation:
        return self.states("internet", (pattern.INTERNET,), world)

    async def tcp(self, _target: object, world: World) -> Observation:
        return self.states("tcp", (pattern.DEVICE,), world)

    async def host(self, _target: object, world: World) -> Observation:
        self.note("host", world)
        self.counter += 1
        return Observation({}, {("host", "counter"): float(self.counter - 1)})

    async def dns(self, _target: object, _world: World) -> Observation:
        return Observation()


def answers_of(shifted: ShiftedClock) -> Any:
    """The server's clock is ours, not that of the agent's faster world: the answer tells the time of that world."""

    def from_answer(sent: float, received: float, _server_unix: float) -> Anchor | None:
        middle = (sent + received) / 2
        return clock_from_answer(sent, received, shifted.true_unix(middle))

    return from_answer


clock_from_answer = clock.from_answer


async def main(folder: Path, shifted: ShiftedClock, seed: int, hardware: str) -> None:
    probes = Pattern(folder, seed, shifted)
    PROBES.update(host=probes.host, path=probes.path, internet=probes.internet, tcp=probes.tcp, dns=probes.dns)
    vars(inventory)["HOST_READINGS"] = ("counter",)
    clock.from_answer = answers_of(shifted)
    settings = load(folder / "agent.toml")
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    box = Outbox(settings.folder / "outbox.sqlite", hardware=hardware, boot=shifted.boot)
    runner = Runner(
        settings,
        box,
        World(),
        version="pattern",
        is_synchronised=shifted.is_synchronised,
        boot_seconds=shifted.boot_seconds,
        unix=shifted.unix,
    )
    await runner.run(stop)


def start(folder: Path) -> None:
    told = json.loads((folder / "pattern.json").read_text())
    fast.PACE = told["pace"]
    shifted = ShiftedClock(folder, told["pace"], told["base_unix"])
    with asyncio.Runner(loop_factory=fast.Loop) as running:
        running.run(main(folder, shifted, told["seed"], told["hardware"]))


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    start(Path(sys.argv[1]))
