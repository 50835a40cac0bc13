"""A gateway's lives as they truly were: boots, a crystal, clocks that lie, a server that answers; drives the real agent's
clock, recorder and outbox by a time that only the test knows."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from schoolbeat_agent import clock, ranges
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import load
from schoolbeat_wire.catalogue import DISPUTED, OFF_NAMES, UNKNOWN
from schoolbeat_wire.messages import Ack

START = 29_394_905 * 60.0  # true seconds since 1970
SIGNAL = "lan.router"
CONFIG = 'site = "s1"\nagent = "gateway"\nclock = "{clock}"\nfolder = "{folder}"\n[broker]\nhost = "127.0.0.1"\ntls = false\n'
YEARS = 3 * 365 * 86_400.0
OFF = 254


@dataclass
class Books:
    """In the server's place, by docs/truth.md and docs/wire.md: what it believes, keeps apart and joins."""

    told: dict[int, set[int]] = field(default_factory=dict)  # minute -> codes, unknown left out
    off: dict[int, tuple[int, str]] = field(default_factory=dict)  # first minute -> (count, reason), the last word
    had: set[tuple[str, int]] = field(default_factory=set)
    apart: int = 0
    error: float = 0.0  # of its own clock

    def take(self, box: Outbox, true: float) -> None:
        """All that waits, oldest first, and the ack."""
        now = int((true + self.error) // 60)
        settled = []
        for first, end in box.unsettled():
            box.mark_sent(first, end)
            for stored in box.rows(first, end):
                row, ident = stored.row, (box.epoch, stored.row.seq)
                if row.minute > now + 2 and row.minute <= now + 1_440:
                    continue  # early: it comes again
                settled.append((row.seq, row.seq + 1))
                if ident in self.had:
                    continue
                self.had.add(ident)
                if row.minute > now + 2 or row.minute < now - 400 * 1_440:
                    self.apart += 1
                    continue
                self.told.setdefault(row.minute, set()).update({row.signals[0]} - {UNKNOWN})
                for off in row.off:
                    count = min(off.first_minute + off.count, row.minute) - off.first_minute
                    if count > 0:
                        self.off[off.first_minute] = (count, OFF_NAMES[off.reason])
        ack = Ack("ab" * 8, int((true + self.error) * 1000), box.epoch, ranges.from_pairs(settled), 0)
        known = ranges.from_seqs(seq for epoch, seq in self.had if epoch == box.epoch)
        box.settle(Ack(ack.server, ack.time_ms, ack.epoch, known, 0))

    def code(self, minute: int) -> int:
        codes = self.told.get(minute, set())
        if len(codes) > 1:
            return DISPUTED
        if codes:
            return next(iter(codes))
        return OFF if self.reason(minute) else UNKNOWN

    def reason(self, minute: int) -> str:
        for first, (count, reason) in self.off.items():
            if first <= minute < first + count and reason != "interrupted":
                return reason
        return ""


class Machine:
    """A gateway in true time. Everything that the agent may know of time comes through it."""

    def __init__(self, folder: Path, random: Random, *, trust: bool = False) -> None:
        self.folder, self.random, self.true = folder, random, START
        (folder / "agent.toml").write_text(CONFIG.format(folder=folder, clock="trust" if trust else "kernel"))
        self.settings = load(folder / "agent.toml")
        self.loop = asyncio.new_event_loop()
        self.books = Books()
        self.boots = itertools.count(1)
        self.boot, self.booted, self.ppm = "", 0.0, 0.0
        self.system = 0.0  # what its clock shows beyond the boot's seconds
        self.synchronised, self.lie = False, 0.0  # the kernel's word, and how far NTP itself is off
        self.online = False
        self.runner: Runner | None = None
        self.alive: list[tuple[float, float]] = []  # the agent's lives
        self.gaps: list[str] = []
        self.down: list[tuple[float, float]] = []
        self.marks: list[float] = []  # true times of boots, steps, ends: about them minutes may be unknown
        self.sent_error = 0.0

    # ---- the machine -----------------------------------------------------------------------------------------

    def boots_up(self, shows: float, ppm: float = 0.0) -> None:
        """shows: what its clock says then, seconds since 1970."""
        self.boot, self.booted, self.ppm = f"{next(self.boots):032x}", self.true, ppm
        self.system, self.synchronised = shows, False
        self.true += 20.0

    def seconds(self) -> float:
        return (self.true - self.booted) * (1 + self.ppm * 1e-6)

    def unix(self) -> float:
        return self.system + self.seconds()

    def ntp(self, lie: float = 0.0) -> None:
        """The kernel's clock is synchronised from now on, by servers that are `lie` seconds ahead."""
        self.lie, self.synchronised = lie, True
        self.discipline()

    def discipline(self) -> None:
        if self.synchronised:
            self.system = self.true + self.lie - self.seconds()

    def ntp_lost(self) -> None:
        self.synchronised = False

    def set_by_hand(self, seconds: float) -> None:
        """date -s: the kernel no longer counts as synchronised."""
        self.system += seconds
        self.synchronised = False

    # ---- the agent -------------------------------------------------------------------------------------------

    def starts(self) -> None:
        box = Outbox(self.folder / "outbox.sqlite", hardware="a" * 16, boot=self.boot)
        self.runner = Runner(
            self.settings,
            box,
            World(),
            version="t",
            is_synchronised=lambda: self.synchronised,
            boot_seconds=self.seconds,
            unix=self.unix,
        )
        self.began = self.true
        self.marks.append(self.true)
        runner = self.runner
        self.loop.run_until_complete(runner._disk(runner._restore))
        runner._look_at_clock()
        self.loop.run_until_complete(runner._disk(runner._leave_mark))

    def lives(self, seconds: float) -> None:
        end = self.true + seconds
        while self.true < end:
            self.true += 10.0
            self.loop.run_until_complete(self._turn())

    async def _turn(self) -> None:
        runner = self.runner
        assert runner is not None
        self.discipline()
        runner._look_at_clock()
        started = self.seconds()
        state = State.DOWN if self.is_down(self.true) else State.UP
        runner.recorder.record(Run("path", started, 0.3, Observation({SIGNAL: state})))
        now = self.seconds() + 1
        if runner.recorder.anchor is None:
            if now - runner._raw_at >= 60:
                await runner._keep_raw()
        else:
            await runner._keep(runner.recorder.due(now, [started], await runner._already()))
        if self.online and self.random.randrange(6) == 0:
            await runner._disk(self.books.take, runner._box, self.true)

    def asks_the_server(self, trip: float = 0.4) -> None:
        """Presence and its answer."""
        runner = self.runner
        assert runner is not None
        sent = self.seconds()
        answered = self.true + trip * self.random.random()
        self.true += trip
        found = clock.from_answer(sent, self.seconds(), answered + self.books.error)
        if found is not None:
            runner.take_time(found)
            self.loop.run_until_complete(runner._disk(lambda: None))  # here hours pass within a moment

    def is_killed(self) -> None:
        """SIGKILL, or the power of a moment ago: the disk keeps what was committed."""
        runner = self.runner
        assert runner is not None
        runner._executor.shutdown(wait=True)
        runner._box.close()
        self.alive.append((self.began, self.true))
        self.marks.append(self.true)
        self.runner = None

    def stops(self) -> None:
        runner = self.runner
        assert runner is not None
        self.loop.run_until_complete(runner._last_words())
        self.is_killed()

    def off(self, seconds: float) -> None:
        self.true += seconds

    def hands_over(self) -> None:
        """The line is there for long enough, and the server's clock right: what was ahead of it comes again."""
        runner = self.runner
        assert runner is not None
        self.books.error = 0.0
        for days in (0, 1, 2):
            self.loop.run_until_complete(runner._disk(self.books.take, runner._box, self.true + days * 86_400))

    def close(self) -> None:
        if self.runner is not None:
            self.is_killed()
        self.loop.close()

    # ---- the truth -------------------------------------------------------------------------------------------

    def is_down(self, at: float) -> bool:
        return any(first <= at < end for first, end in self.down)

    def untrue(self, error: float) -> list[str]:
        """Every minute in the books that is not as it was. error: by how much a known time may be off."""
        out = []
        minutes = {*self.books.told}
        for first, (count, _) in self.books.off.items():
            minutes.update(range(first, first + min(count, 3_000)))
        for minute in sorted(minutes):
            code, begin = self.books.code(minute), minute * 60.0
            if code == OFF:
                lived = [
                    life for life in self.lives_so_far() if life[0] < begin + 60 - error and life[1] > begin + error
                ]
                if lived:
                    out.append(f"{self.told(minute)} is said to be off ({self.books.reason(minute)}), it lived then")
            elif code <= 60:
                edges = [edge for span in self.down for edge in span if begin - 25 - error < edge < begin + 60 + error]
                up = sum(not self.is_down(begin + second) for second in range(60))
                if abs(up - code) > len(edges) * (11 + error):
                    out.append(f"{self.told(minute)} has {code} s, it was up for {up}")
                elif not any(a <= begin + error and begin + 60 - error <= b + 25 for a, b in self.watched()):
                    out.append(f"{self.told(minute)} has {code} s, and nobody was there all through it")
        return out

    def lives_so_far(self) -> list[tuple[float, float]]:
        return [*self.alive, *([(self.began, self.true)] if self.runner else [])]

    def watched(self) -> list[tuple[float, float]]:
        """The lives, joined over gaps that the last run before them still speaks for."""
        out: list[tuple[float, float]] = []
        for begin, end in self.lives_so_far():
            if out and begin - out[-1][1] <= 25:
                out[-1] = (out[-1][0], end)
            else:
                out.append((begin, end))
        return out

    def missing(self, error: float, about: float = 130.0) -> list[str]:
        """Minutes through which the agent lived, far from any boot, step or end, of which the books know nothing."""
        out = []
        for begin, end in self.lives_so_far():
            for minute in range(int(begin // 60) + 1, int(end // 60)):
                near = any(minute * 60 - about < mark < minute * 60 + 60 + about for mark in self.marks)
                if not near and self.books.code(minute) > 60:
                    out.append(f"{self.told(minute)} is {self.books.code(minute)}")
        return out

    def told(self, minute: int) -> str:
        return f"minute {minute - int(START // 60)}"
