"""The agent at work: every round all probes at once, every minute one row, and nothing waits for anything else."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from schoolbeat_agent import clock, config_file, inventory, page, status
from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes import PROBES, SWEEPS
from schoolbeat_agent.probes.world import Grant, World
from schoolbeat_agent.publisher import Publisher
from schoolbeat_agent.recorder import Before, Recorder, from_raw, taken_back, to_raw
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.sight import View
from schoolbeat_agent.watch import Watch
from schoolbeat_wire import bounds, catalogue
from schoolbeat_wire import inventory as wire_inventory
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.messages import Config, Event
from schoolbeat_wire.report import Off

log = logging.getLogger(__name__)
T = TypeVar("T")
Group = tuple[Watch, ...]  # of one probe

TOGETHER: Final = 32  # targets of a sweep: a burst that a cheap switch takes
JITTER: Final = 0.1  # of the round: when each probe starts in it
TIMEOUT: Final = 0.85  # of the round: when a run counts as hung
LONGEST_IDLE_SECONDS: Final = 10.0  # a clock that is corrected meanwhile moves the end of the minute
SLEPT_SECONDS: Final = 60.0  # beyond its time limit: no busy machine is so late
RAW_SECONDS: Final = 60.0
CAUGHT_UP_MINUTES: Final = 2
MOVED_SECONDS: Final = 0.5  # an anchor that moved by more is kept anew
HEARD_SECONDS: Final = 6 * 3_600.0  # and one of which was heard again so much later
EDGES_SECONDS: Final = 600.0
EDGE_SIGNALS: Final = (*catalogue.RUNGS, inventory.INTERNET, "power.mains")
FIRST_SECONDS: Final = 30.0  # after the start, by which everything has been asked once
NO_END: Final = 1 << 62
PLACED: Final = 8  # anchors that may yet turn out to have been wrong
NOT_PLACED: Final = Anchor("trust", 0.0)  # agrees with no other
LETTERS: Final = 500  # of a note or a failure's detail
OFFERED: Final = 64  # readings that one device may have beside those that its kind has


async def measure(watch: Watch, world: World, timeout_seconds: float, boot_seconds: Callable[[], float]) -> Run:
    """One run, whatever happens in it."""
    return (await measure_group((watch,), world, timeout_seconds, boot_seconds))[0]


async def measure_group(
    group: Group, world: World, timeout_seconds: float, boot_seconds: Callable[[], float]
) -> list[Run]:
    """A run of each watch, whatever happens in it: the one place that catches everything."""
    probe, started = group[0].probe, boot_seconds()
    found: Sequence[Observation | ProbeFailed]
    try:
        async with asyncio.timeout(timeout_seconds) as limit:
            if len(group) == 1:
                found = [await PROBES[probe](group[0].target, world)]
            else:
                found = await SWEEPS[probe]([watch.target for watch in group], world)
    except ProbeFailed as failed:
        found = [failed] * len(group)
    except Exception as error:
        if limit.expired():
            found = [ProbeFailed("hung", f"no result within {timeout_seconds:.0f} s")] * len(group)
        else:
            log.debug("probe %s: %r", group[0].name, error, exc_info=True)
            found = [ProbeFailed("internal", f"{type(error).__name__}: {error}")] * len(group)
    seconds = boot_seconds() - started
    if seconds > timeout_seconds + SLEPT_SECONDS:  # answers came while nobody listened: silence proves nothing
        found = [ProbeFailed("hung", f"the machine slept or the agent was stopped for {seconds:.0f} s")] * len(group)
    return [_run(watch, started, seconds, one) for watch, one in zip(group, found, strict=True)]


def _run(watch: Watch, started: float, seconds: float, found: Observation | ProbeFailed) -> Run:
    if isinstance(found, ProbeFailed):
        cause = found.cause if found.cause in catalogue.CAUSES else "internal"
        return Run(watch.probe, started, seconds, None, cause, _clean(found.detail))
    if strange := found.states.keys() - set(watch.signals):
        detail = f"it speaks of {', '.join(sorted(strange))}, which is not its own"
        return Run(watch.probe, started, seconds, None, "internal", detail)
    notes = {subject: _clean(note) for subject, note in found.notes.items()}
    return Run(watch.probe, started, seconds, replace(found, notes=notes))


def _clean(text: str) -> str:
    """Devices say what they like, and what they say is shown: on a terminal an escape sequence is an order."""
    return bounds.CONTROL.sub(" ", text[:LETTERS])


def may_tell(watch: Watch, subject: str, devices: Iterable[str]) -> bool:
    """Whether a reading of this subject is the watch's own to bring. devices: signals of all that are watched.

    A device sw whose port is named 1 may not speak of a device that is named sw.1.
    """
    longest = max((own for own in (*watch.signals, watch.about) if own and _is_of(subject, own)), key=len, default="")
    return bool(longest) and not any(len(other) > len(longest) and _is_of(subject, other) for other in devices)


def _is_of(subject: str, owner: str) -> bool:
    return subject == owner or subject.startswith(owner + ".")


def _offered(text: str) -> list[tuple[str, str]]:
    """What a device was found to have, as it was kept: as much of it as this version still understands."""
    try:
        pairs = [(str(subject), str(reading)) for subject, reading in json.loads(text)]
    except (ValueError, TypeError, RecursionError):
        return []
    known = [pair for pair in pairs if pair[1] in catalogue.READINGS and bounds.SUBJECT.fullmatch(pair[0])]
    return list(dict.fromkeys(known))[:OFFERED]


def groups(watches: Sequence[Watch]) -> list[Group]:
    """Those that start at the same moment: alone, or some at a time where their probe can ask many together."""
    out: list[Group] = [(watch,) for watch in watches if watch.probe not in SWEEPS or watch.every_seconds]
    for probe in SWEEPS:
        together = [watch for watch in watches if watch.probe == probe and not watch.every_seconds]
        out += [tuple(together[at : at + TOGETHER]) for at in range(0, len(together), TOGETHER)]
    return out


def _began_before(box: Outbox) -> tuple[int, tuple[Off, ...]]:
    """What an agent left that saved no minute: Before.began and Before.told."""
    try:
        epoch, seq, began, told = json.loads(box.recall("began"))
        if (epoch, seq) == (box.epoch, box.next) and isinstance(began, int):
            return began, tuple(Off(int(first), int(count), int(reason)) for first, count, reason in told)
    except (ValueError, TypeError):
        pass
    return 0, ()


def _lived_before(box: Outbox) -> tuple[str, int]:
    """The boot of the agent before this one, and the minute in which it was stopped; of one that never knew a time,
    what it found itself."""
    try:
        boot, stopped_in = json.loads(box.recall("before"))
        return str(boot), int(stopped_in)
    except (ValueError, TypeError):
        return box.last_boot, box.stopped_in


class Anchored(NamedTuple):
    """What is kept of the anchor. heard, confirmed: as in Anchor. first_seq: from it on rows are cut by this anchor.
    told: of the minutes before, by this anchor: (first minute, count, reason). placed: as in Placed, one entry each."""

    boot: str
    source: str
    offset_seconds: float
    heard: float
    confirmed: bool
    first_seq: int
    told: list[list[int]]
    placed: Sequence[Sequence[Any]] = ()

    def off(self) -> list[Off]:
        return _off(self.told)

    def before(self) -> list[Placed]:
        return [
            Placed(Anchor(source, float(offset), float(heard)), _off(told), int(until))
            for source, offset, heard, told, until in self.placed
        ]


@dataclass
class Placed:
    """Rows below the seq `until` were cut by this anchor, before another word contradicted it. told: of the minutes
    before, until then."""

    anchor: Anchor
    told: list[Off]
    until: int = NO_END


def _as_told(off: Iterable[Off]) -> list[list[int]]:
    return [[*msgspec.structs.astuple(one)] for one in off]


def _off(told: list[list[int]]) -> list[Off]:
    return [Off(int(first), int(count), int(reason)) for first, count, reason in told]


def _anchored(box: Outbox) -> Anchored | None:
    """By an agent before this one."""
    try:
        found = Anchored(*json.loads(box.recall("anchor")))
        found.off(), found.before()
        return found._replace(offset_seconds=float(found.offset_seconds), heard=float(found.heard))
    except (ValueError, TypeError):
        return None


class Runner:
    """Holds what runs. The world, the clock and the random source are arguments."""

    def __init__(
        self,
        settings: Settings,
        box: Outbox,
        world: World,
        *,
        version: str,
        is_synchronised: Callable[[], bool] = clock.kernel_is_synchronised,
        boot_seconds: Callable[[], float] = clock.boot_seconds,
        unix: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._ground, self._box, self._world, self._version = settings, box, world, version
        self._is_synchronised, self._boot_seconds, self._unix = is_synchronised, boot_seconds, unix
        self._rng = rng or random.Random()
        self._offered: dict[str, list[tuple[str, str]]] = {}
        self._recall()
        self._config_path = settings.folder / "config.json"
        self._config = config_file.load(self._config_path)
        try:
            current = self._use(self._config)
        except WireError as error:
            log.warning("%s cannot be used, the agent works by agent.toml: %s", self._config_path, error)
            current = self._use(None)
        self._lived = _lived_before(box)
        last_boot, stopped_in = self._lived
        before = Before(box.last_minute, stopped_in, last_boot == box.boot, box.has_unplaced(), *_began_before(box))
        if 0 < before.began < box.last_minute:  # one of the two clocks was wrong: nothing is proven
            before = replace(before, began=0, told=tuple(taken_back(before.told, [])), unplaced=True)
        self.recorder = Recorder(before, boot_seconds(), current)
        self.recorder.use(current, inventory.holds(self.settings, self._watches))
        self._first_seq = box.next
        self._anchor_seq = box.next  # rows from it on are cut by the anchor
        self._kept: Anchor | None = None  # as it is on disk
        self._inherited: list[Off] | None = None  # told by agents before this one under the same anchor
        self._told_before: list[Off] = []  # by the last agent that knew a time
        self._taken_back = 0
        self._to_add = 0  # rows on their way to the outbox
        self._placed: list[Placed] = []  # since _anchor_seq, by anchors before the present one
        self._distrusted = False
        self._executor = ThreadPoolExecutor(1, "disk")
        self.publisher = Publisher(
            self.settings, box, self._disk, self, self._clock_name, current, boot_seconds, self._rng, version
        )
        self._due: dict[Group, float] = {}  # when one that is not asked each round comes next
        self._grown = False
        self._running: dict[Group, asyncio.Task[None]] = {}
        self._started: dict[Group, float] = {}  # when the run now running, or the last one, was begun
        self._last_starts: dict[Watch, float] = {}  # of finished runs
        self._said: dict[str, State] = {}
        self._troubles: dict[Watch, str] = {}
        self._now = asyncio.Event()
        self._raw_at = self._edges_at = boot_seconds()
        self._raw_last: Run | None = None  # that is on disk
        self._edges = ""

    def _use(self, config: Config | None) -> Inventory:
        """WireError leaves everything as it was."""
        settings = config_file.laid_over(self._ground, config)
        watches = inventory.watches(settings)
        current = inventory.of(settings, watches, self._version, self._offered)
        self._config, self.settings, self._watches, self._groups = config, settings, watches, groups(watches)
        self._world = replace(self._world, lessons=settings.lessons, unix=self._utc, hurry=self.hurry)
        return current

    def _utc(self) -> float | None:
        anchor = self.recorder.anchor
        return anchor.utc(self._boot_seconds()) if anchor else None

    def _recall(self) -> None:
        """What runs before this start found worth keeping."""
        self._world.memory.kept.update(self._box.recalled("kept "))
        for key, text in self._world.memory.kept.items():
            probe, _, watch = key.partition(" ")
            if probe == "offered":
                self._offered[watch] = _offered(text)

    async def _disk(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *args)

    def _clock_name(self) -> str:
        return self.recorder.anchor.source if self.recorder.anchor else "none"

    # --- starting and stopping ---------------------------------------------------------------------------------

    async def run(self, stop: asyncio.Event) -> None:
        await self._disk(self._restore)
        self._look_at_clock()
        await self._disk(self._leave_mark)
        parts = [
            asyncio.create_task(self._rounds()),
            asyncio.create_task(self._minutes()),
            asyncio.create_task(self.publisher.run()),
        ]
        servers = [await self._serve_status(), await self._serve_page()]
        gc.collect()
        gc.freeze()  # what was made at the start lives for ever: later collections need not look at it
        ending = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([ending, *parts], return_when=asyncio.FIRST_COMPLETED)
            for part in done & set(parts):
                part.result()  # a mistake of ours: the service manager starts us again
        finally:
            for task in (ending, *parts[:2], *self._running.values()):
                task.cancel()
            await asyncio.wait([ending, *parts[:2]])
            await self._last_words()
            parts[2].cancel()
            await asyncio.wait([parts[2]])
            for server in servers:
                if server:
                    server.close()
            self._executor.shutdown()
            self._box.close()

    async def _serve_status(self) -> asyncio.Server | None:
        try:
            return await status.serve(self._ground.folder, self.snapshot)
        except OSError as error:
            log.warning("status cannot be asked for: %s", error)
            return None

    async def _serve_page(self) -> asyncio.Server | None:
        try:
            return await page.serve(self._ground, self.view)
        except OSError as error:
            log.warning("the page in the school cannot be served on port %d: %s", self._ground.page.port, error)
            return None

    def _restore(self) -> None:
        """What an agent before this one knew of this boot: its anchor, and runs that have no time yet."""
        now = self._boot_seconds()
        for raw in self._box.raw():
            for entry in raw if isinstance(raw, list) else []:
                run = from_raw(entry)
                if run and run.started <= now:  # else it is of another boot, whatever the id says
                    self.recorder.record(run)
                    self._raw_last = run
        self._world.memory.isp_edges.extend(self._box.recall("isp_edges").split())
        self._edges = " ".join(self._world.memory.isp_edges)
        kept = _anchored(self._box)
        if kept is None or kept.source not in clock.RANK:
            return
        self._told_before = kept.off()
        anchor = Anchor(kept.source, kept.offset_seconds, kept.heard, kept.confirmed)  # type: ignore[arg-type]
        if kept.boot == self._box.boot and kept.heard <= now and not self._is_before_the_last_row(anchor, now):
            self.recorder.offer(anchor, now)
            self._placed = kept.before()
            self.recorder.recall([placed.anchor for placed in self._placed])
            self._anchor_seq, self._inherited = kept.first_seq, self._told_before
            self._keep_anchor(anchor)

    def _is_before_the_last_row(self, anchor: Anchor, now: float) -> bool:
        return anchor.utc(now) < self._box.last_minute * 60

    def _leave_mark(self) -> None:
        """While nobody knows the time: that this agent was there, for those after it, and what it found itself."""
        if self.recorder.anchor is None:
            now = self._boot_seconds()
            self._box.keep_raw([to_raw(Run("mark", now, 0.0, None, "not_configured"))])
            self._box.remember("before", json.dumps(self._lived))

    def _beginning(self) -> str:
        """For the next agent, should this one not live to save a minute."""
        box, recorder = self._box, self.recorder
        told = [[off.first_minute, off.count, off.reason] for off in recorder.told]
        return json.dumps([box.epoch, self._first_seq, recorder.began, told])

    async def _last_words(self) -> None:
        now = self._boot_seconds()
        if self.recorder.anchor is None:
            await self._keep_raw()
        else:
            await self._keep(self.recorder.rest(now, await self._already()))
        await self._keep_edges()
        await self._disk(self._box.stop_clean, self.recorder.minute(now))
        if self.publisher.connected:
            await asyncio.sleep(0.3)  # the last minute may still reach the server; if not, it goes at the next start

    # --- rounds ------------------------------------------------------------------------------------------------

    async def _rounds(self) -> None:
        every = self._ground.probe_seconds
        loop = asyncio.get_running_loop()
        next_round = loop.time()
        while True:
            self._look_at_clock()
            for group in self._groups:
                if not group[0].every_seconds:
                    self._start(group, self._rng.uniform(0, JITTER * every))
                elif self._is_due(group, loop.time()):
                    self._start(group, self._rng.uniform(0, TIMEOUT * every))
            next_round = max(next_round + every, loop.time())
            self._now.clear()
            try:
                async with asyncio.timeout_at(next_round):
                    await self._now.wait()
                    next_round = loop.time()
            except TimeoutError:
                pass

    def _is_due(self, group: Group, now: float) -> bool:
        """Of one that is not asked each round; when it is, the next time is set."""
        every = group[0].every_seconds
        due = self._due.setdefault(group, now + self._rng.uniform(0, min(every, FIRST_SECONDS)))
        if now < due:
            return False
        self._due[group] = max(due + every, now)
        return True

    def _start(self, group: Group, delay_seconds: float) -> None:
        if group in self._running:
            now = self._boot_seconds()
            for watch in group if now - self._started[group] >= self._ground.probe_seconds else ():
                self._finished(watch, Run(watch.probe, now, 0.0, None, "hung", "the run before still hangs"))
            return
        self._started[group] = self._boot_seconds()
        task = asyncio.create_task(self._one(group, delay_seconds))
        self._running[group] = task
        task.add_done_callback(lambda _: self._running.pop(group, None))

    async def _one(self, group: Group, delay_seconds: float) -> None:
        await asyncio.sleep(delay_seconds)
        limit = group[0].timeout_seconds or TIMEOUT * self._ground.probe_seconds
        runs = await measure_group(group, self._world, limit, self._boot_seconds)
        for watch, run in zip(group, runs, strict=True):
            self._finished(watch, run)

    def _finished(self, watch: Watch, run: Run) -> None:
        self.recorder.record(run)
        if watch in self._watches:  # else another configuration came while it ran
            self._last_starts[watch] = run.started
            self._world.memory.sight.take(run)
            self._tell_trouble(watch, f"{run.failure}: {run.detail}" if run.failure else "")
            if run.observation:
                self._tell_edges(run)
                if watch.learns:
                    self._learn(watch, run.observation)
        for key in self._world.memory.changed:
            self._executor.submit(self._box.remember, f"kept {key}", self._world.memory.kept[key])
        self._world.memory.changed.clear()

    def _learn(self, watch: Watch, seen: Observation) -> None:
        """Readings that this device turns out to have; they join the inventory before the next minute is cut."""
        known = self._offered.setdefault(watch.name, [])
        fresh = [
            key
            for key in seen.readings
            if key not in watch.readings
            and key not in known
            and key[1] in catalogue.READINGS
            and bounds.SUBJECT.fullmatch(key[0])
            and may_tell(watch, key[0], self.recorder.inventory.signals)
        ][: OFFERED - len(known)]
        if fresh:
            known += fresh
            self._grown = True
            self._world.memory.keep(f"offered {watch.name}", json.dumps(known))

    def _grow(self) -> None:
        self._grown = False
        try:
            current = inventory.of(self.settings, self._watches, self._version, self._offered)
        except WireError as error:
            log.warning("more is measured than a report can hold, the newest is left out: %s", error)
            return
        if current != self.recorder.inventory:
            self.recorder.use(current, inventory.holds(self.settings, self._watches))
            self.publisher.use(self.settings, current)

    def _tell_trouble(self, watch: Watch, trouble: str) -> None:
        """The same trouble once, its end once."""
        before = self._troubles.get(watch, "")
        if trouble and trouble.split(":")[0] != before.split(":")[0]:
            log.warning("probe %s: %s", watch.name, trouble)
        elif trouble:
            log.debug("probe %s: %s", watch.name, trouble)
        elif before:
            log.info("probe %s: measures again", watch.name)
        self._troubles[watch] = trouble

    def _tell_edges(self, run: Run) -> None:
        assert run.observation is not None
        behind = self.recorder.inventory.behind
        for signal, state in run.observation.states.items():
            before = self._said.get(signal)
            if signal not in EDGE_SIGNALS or state is State.UNSEEN:
                continue
            if state is State.DOWN and run.observation.states.get(behind.get(signal, "")) is State.DOWN:
                continue  # it cannot be seen: only the lowest rung speaks
            self._said[signal] = state
            if before is None or before is state:
                continue
            log.info("%s is %s %s", signal, state.value, run.observation.causes.get(signal, ""))
            if state is State.UP:
                self.publisher.hurry()
            if self.recorder.anchor:
                at_ms = int(self.recorder.anchor.utc(run.started) * 1000)
                cause = run.observation.causes.get(signal, "")
                self.publisher.event(Event(signal, state is State.UP, at_ms, cause))

    # --- minutes -----------------------------------------------------------------------------------------------

    async def _minutes(self) -> None:
        while True:
            idle_seconds = self.recorder.idle_seconds(self._boot_seconds())
            await asyncio.sleep(min(max(1.0, idle_seconds), LONGEST_IDLE_SECONDS))
            if self.recorder.anchor is None:
                self._look_at_clock()
            now = self._boot_seconds()
            if self.recorder.anchor is None:
                if now - self._raw_at >= RAW_SECONDS:
                    await self._keep_raw()
                continue
            if self._grown:
                self._grow()
            starts = [self._heard_until(group, now) for group in self._groups]
            await self._keep(self.recorder.due(now, starts, await self._already()))
            if now - self._edges_at > EDGES_SECONDS:
                self._edges_at = now
                await self._keep_edges()

    def _heard_until(self, group: Group, now: float) -> float:
        """No run of it that began before this time is still to come in."""
        if group[0].every_seconds:
            return self._started[group] if group in self._running else now
        return min(self._last_starts.get(watch, 0.0) for watch in group)

    async def _already(self) -> set[int]:
        minute = self.recorder.next_minute
        if minute is None or minute > self._box.highest_minute:
            return set()
        return await self._disk(self._box.minutes_from, minute)

    async def _keep(self, rows: list[Any]) -> None:
        taken_back, self._to_add = self._taken_back, len(rows)
        for revision, row in rows:
            if taken_back != self._taken_back:
                return  # meanwhile the clock they were cut by turned out to be wrong
            if revision == self.recorder.inventory.revision:
                body = wire_inventory.encode(self.recorder.inventory)
                await self._disk(self._box.keep_inventory, revision, body)
            epoch, self._to_add = self._box.epoch, self._to_add - 1
            await self._disk(self._box.add, row, revision, self.publisher.sends_at_once)
            if self._box.epoch != epoch:
                self.publisher.presence_changed()
        if rows:
            if (self.recorder.next_minute or 0) >= self.recorder.minute(self._boot_seconds()) - CAUGHT_UP_MINUTES:
                await self._disk(self._box.drop_raw)  # before, a kill would lose what is placed and not yet cut
            self.publisher.minute_added()
        if rows and (untold := self.recorder.untold()):
            await self._disk(self._remember_untold, self.recorder.next_minute, untold)

    def _remember_untold(self, minute: int, untold: list[Off]) -> None:
        told = [[*msgspec.structs.astuple(off)] for off in untold]
        self._box.remember("began", json.dumps([self._box.epoch, self._box.next, minute, told]))

    async def _keep_raw(self) -> None:
        """Runs since the last time, while nobody can say when they were."""
        self._raw_at = self._boot_seconds()
        fresh = self.recorder.unplaced(self._raw_last)
        if fresh:
            self._raw_last = fresh[-1]
            await self._disk(self._box.keep_raw, [to_raw(run) for run in fresh])

    async def _keep_edges(self) -> None:
        edges = " ".join(self._world.memory.isp_edges)
        if edges != self._edges:
            self._edges = edges
            await self._disk(self._box.remember, "isp_edges", edges)

    # --- time, and what the server orders ----------------------------------------------------------------------

    def _look_at_clock(self) -> None:
        trust = self._ground.clock == "trust"
        self.take_time(clock.from_system(trust, self._is_synchronised, self._boot_seconds, self._unix))

    def take_time(self, candidate: Anchor | None) -> None:
        former, now = self.recorder.anchor, self._boot_seconds()
        if candidate is not None and candidate.source == "trust" and self._is_before_the_last_row(candidate, now):
            self._distrust()
            return
        told = [*(self._inherited or ()), *self.recorder.told]
        changed = self.recorder.offer(candidate, now)
        anchor = self.recorder.anchor
        if anchor is not None and candidate is not None and self._are_judged(anchor, candidate):
            self._take_back()
            self._executor.submit(self._keep_anchor, anchor)
            return
        if anchor is None or not (changed or self._has_moved(anchor)):
            return
        if changed:
            log.info("clock: anchored by %s", anchor.source)
        if former is None:
            self._begin(anchor, int(anchor.utc(now) // 60))
        elif self.recorder.misplaced:
            self._placed.append(Placed(former, told))
            self._take_back()
        elif former.source != anchor.source:
            self._anchor_seq, self._placed = self._box.next, []  # those before are confirmed by a better source
        elif not clock.agree(former, anchor):
            self._placed.append(Placed(former, told))
            if len(self._placed) > PLACED:  # of so many nobody will know; together they count as one that was wrong
                self._placed[:2] = [replace(self._placed[1], anchor=NOT_PLACED, told=[])]
            self._executor.submit(self._end, self._placed[-1], self._to_add + self.recorder.ready)
        self._executor.submit(self._keep_anchor, anchor)
        if changed:
            self.publisher.presence_changed()

    def _begin(self, anchor: Anchor, minute: int) -> None:
        """Time is known for the first time in this life, and was not kept from one before in this boot."""
        self._anchor_seq = self._first_seq
        self._executor.submit(self._box.remember, "before", "")
        if anchor.source != "trust" and self._box.highest_told > minute:
            log.warning("clock: an earlier boot recorded minutes that have not come yet: its clock was wrong")
            self._inherited = self._told_before
            self._take_back(after=minute)

    def _take_back(self, after: int = 0) -> None:
        """after: only minutes after that one, whatever anchor they were cut by."""
        anchor, before, self._placed = self.recorder.anchor, self._placed, []
        assert anchor is not None
        # What an anchor placed and told before it was contradicted holds, if it was the right one after all.
        right = [clock.agree(placed.anchor, anchor) for placed in before]
        self.recorder.take_back(self._inherited, before[0].told if right[:1] == [True] else None)
        self._inherited = None
        self._taken_back += 1

        def write() -> None:
            firsts = [self._anchor_seq, *(placed.until for placed in before)]
            spans = [(first, of.until) for first, of, holds in zip(firsts, before, right, strict=False) if not holds]
            count = self._box.take_back([(0, NO_END)] if after else spans, after)
            log.warning("clock: %d minutes were recorded by a wrong clock: they count as not known", count)
            self._first_seq = self._anchor_seq = self._box.next

        self._executor.submit(write)

    def _are_judged(self, anchor: Anchor, candidate: Anchor) -> bool:
        """Whether the server's word decides between those of one source: the present anchor's is the right one."""
        third = candidate.source == "server" != anchor.source and clock.agree(anchor, candidate)
        return third and any(not clock.agree(placed.anchor, candidate) for placed in self._placed)

    def _end(self, placed: Placed, to_add: int) -> None:
        """to_add: rows cut by that anchor that the outbox does not have yet."""
        placed.until = self._box.next + self._box.standing().in_memory + to_add

    def _distrust(self) -> None:
        if not self._distrusted:
            log.warning("clock: this machine's clock says a time before the last recorded minute: it is not believed")
        self._distrusted = True

    def _has_moved(self, anchor: Anchor) -> bool:
        kept = self._kept
        return kept is not None and (
            (anchor.confirmed and not kept.confirmed)
            or abs(anchor.offset_seconds - kept.offset_seconds) > MOVED_SECONDS
            or anchor.heard - kept.heard > HEARD_SECONDS
        )

    def _keep_anchor(self, anchor: Anchor) -> None:
        told = _as_told([*(self._inherited or ()), *self.recorder.told])
        of_anchor = anchor.source, anchor.offset_seconds, anchor.heard, anchor.confirmed
        placed = [
            [of.anchor.source, of.anchor.offset_seconds, of.anchor.heard, _as_told(of.told), of.until]
            for of in self._placed
        ]
        kept = Anchored(self._box.boot, *of_anchor, self._anchor_seq, told, placed)
        self._box.remember("anchor", json.dumps(kept))
        self._box.remember("began", self._beginning())
        self._kept = anchor

    async def take_config(self, config: Config) -> None:
        if config == self._config:
            return
        try:
            config_file.check(config)
            current = self._use(config)
        except WireError as error:
            log.warning("config %d of the server cannot be used, the former one stays: %s", config.revision, error)
            return
        try:
            await self._disk(config_file.save, self._config_path, config)
        except OSError as error:
            log.warning("config %d cannot be kept on disk: %s", config.revision, error)
        self._last_starts.clear()
        self._started = {group: at for group, at in self._started.items() if group in self._running}
        self._troubles.clear()
        self.recorder.use(current, inventory.holds(self.settings, self._watches))
        self._world.memory.sight.only(
            dict.fromkeys(current.signals),
            {subject: None for column in current.columns for subject in column.subjects},
        )
        self._due.clear()
        self.publisher.use(self.settings, current)
        counts = len(self.settings.devices), len(self.settings.services)
        log.info("config %d: %d devices, %d services", config.revision, *counts)

    def hurry(self) -> None:
        """The next round begins now."""
        self._now.set()

    def check_now(self) -> None:
        self._due.update(dict.fromkeys(self._due, 0.0))
        self._now.set()

    def take_grant(self, grant: Grant) -> None:
        """One speed test; the speed probe decides when, within the grant's time."""
        grants = self._world.memory.grants
        if grant not in grants:
            grants.append(grant)
            del grants[:-4]

    def view(self) -> View:
        """For the page in the school."""
        return View(
            self.settings,
            self._world.memory.sight,
            self._boot_seconds(),
            self._utc(),
            self.publisher.connected,
            self._box.last_minute,
        )

    def identify(self) -> None:
        log.warning("identify: the server asks which machine this is: %s.%s", self.settings.site, self.settings.agent)

    def snapshot(self) -> dict[str, Any]:
        """For `status`."""
        box, link = self._box.standing(), self.publisher.standing
        return {
            "site": self.settings.site,
            "agent": self.settings.agent,
            "connected": link.connected,
            "problem": link.problem,
            "last_ack_unix_ms": link.last_ack_unix_ms,
            "proof": self.publisher.proofs.newest,
            "server": self.settings.server or self._box.enrolled,
            "refused_servers": dict(link.refused_servers),
            "epoch": box.epoch,
            "lowest": box.lowest,
            "next": box.next,
            "gaps": box.gaps,
            "waiting": box.waiting,
            "in_memory": box.in_memory,
            "disk_error": box.disk_error,
            "clock": self._clock_name(),
            "last_minute": self._box.last_minute,
            "signals": {signal: seen.state.value for signal, seen in self._world.memory.sight.signals.items()},
            "troubles": {watch.name: trouble for watch, trouble in self._troubles.items() if trouble},
        }
