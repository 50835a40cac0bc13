"""From finished runs to minute rows: keeps runs until time is known, then cuts each minute once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schoolbeat_agent import clock
from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.minutes import CATALOGUE, LATEST_SECONDS, Cutter, Holds, is_complete
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_wire import catalogue
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.report import MinuteRow, Off

log = logging.getLogger(__name__)

FAR_BEHIND_MINUTES: Final = 120  # the machine slept: what lies between is declared, not cut minute by minute
ROWS_AT_ONCE: Final = 60
RAW_RUNS: Final = 100_000  # kept in memory while there is no anchor
_INTERRUPTED: Final = catalogue.OFF_REASONS["interrupted"][0]
OTHERS: Final = 8  # anchors of this boot that are remembered
TOLD_ENTRIES: Final = (
    40  # of `off` that agents which saved no minute hand on; a box that starts again and again has more
)


@dataclass(frozen=True)
class Before:
    """What the outbox tells of the agent that ran before this one."""

    last_minute: int = 0  # 0: nothing is known
    stopped_in: int = 0
    same_boot: bool = False
    unplaced: bool = False  # it kept runs whose time nobody will ever know
    began: int = 0  # if it saved no minute: the one in which it began, and what it would have told of those before
    told: tuple[Off, ...] = ()


def minutes_off(before: Before, first: int) -> list[Off]:
    """The minutes between the last one saved and `first`, with what can be proven of the reason.

    The agent was there for a part of the minutes it was about to save: these are 'interrupted' and stay unknown.
    """
    start = before.began or before.last_minute + 1
    told = list(before.told[-TOLD_ENTRIES:])
    if start == 1 or first <= start:
        return told
    if before.unplaced:
        seen_until, reason = first, "interrupted"
    elif before.stopped_in:
        seen_until, reason = before.stopped_in + 1, "clean_stop"
    else:
        seen_until, reason = start + 2, "crash" if before.same_boot else "power"
    seen_until = min(max(seen_until, start), first)
    out = [_off(start, seen_until, "interrupted"), _off(seen_until, first, reason)]
    return told + [entry for entry in out if entry.count > 0]


def taken_back(told: Sequence[Off], proven: Sequence[Off]) -> list[Off]:
    """What to tell after `told`, if only `proven` holds of it. Of words that begin in one minute the last stands."""
    out = {off.first_minute: off for off in (*told, *proven) if off.reason == _INTERRUPTED}
    holding = {off.first_minute: off for off in proven if off.reason != _INTERRUPTED}
    for off in told:
        if off.reason != _INTERRUPTED and off.first_minute not in holding:
            out[off.first_minute] = Off(off.first_minute, 1, _INTERRUPTED)
    return [*(out | holding).values()]


def _off(first: int, end: int, reason: str) -> Off:
    return Off(first, end - first, catalogue.OFF_REASONS[reason][0])


class Recorder:
    """Takes runs with the boot's seconds, an anchor when there is one, and gives rows when minutes are complete."""

    def __init__(self, before: Before, started: float, inventory: Inventory) -> None:
        self.anchor: Anchor | None = None
        self.inventory = inventory
        self.holds: Holds = CATALOGUE
        self.began = 0  # the minute in which this agent began, once time is known
        self.told: tuple[Off, ...] = ()  # what its first row will tell of the minutes before
        self.misplaced = False  # the rows cut by the anchor before the last step are not where they belong
        self._before, self._started = before, started
        self._others: list[Anchor] = []  # what else was heard of the time: the server's last word first
        self._cutter: Cutter | None = None
        self._unplaced: list[Run] = []
        self._off: list[Off] = []
        self._already: Collection[int] = ()  # as `due` was last told
        self._ready: list[tuple[str, MinuteRow]] = []  # with the inventory revision they were cut by

    def use(self, inventory: Inventory, holds: Holds) -> None:
        """From the next minute that is cut."""
        self.inventory, self.holds = inventory, holds
        if self._cutter is not None:
            self._cutter.holds = holds

    def record(self, run: Run) -> None:
        if self._cutter is None or self.anchor is None:
            self._unplaced.append(run)
            del self._unplaced[:-RAW_RUNS]
        else:
            self._cutter.feed(run, self.anchor.utc(run.started))

    def offer(self, candidate: Anchor | None, now: float) -> bool:
        """A possible anchor. True when it became the first one, or a step was made: worth keeping and telling."""
        if candidate is None:
            return False
        correction = clock.corrected(self.anchor, candidate, self._others)
        if candidate.source == "server":
            self._others = [candidate, *(other for other in self._others if other.source != "server")]
        if correction is None:
            return False
        former, self.anchor = self.anchor, correction.anchor
        if former is None:
            self._place()
        elif correction.step_seconds:
            log.warning("clock: corrected by %.1f s (%s)", correction.step_seconds, self.anchor.source)
            self._others = [other for other in [*self._others, former] if other.source != "trust"][:OTHERS]
            self._step(former, now)
            self.misplaced = self.misplaced or correction.misplaced
        return former is None or former.source != self.anchor.source or bool(correction.step_seconds)

    def _place(self) -> None:
        """The first anchor: everything that was kept gets its place in UTC."""
        assert self.anchor is not None
        self._started = min([self._started, *(run.started for run in self._unplaced)])
        first = int(self.anchor.utc(self._started) // 60)
        self._cutter = Cutter(first, holds=self.holds)
        self._off = minutes_off(self._before, first)
        self.began, self.told = first, tuple(self._off)
        for run in sorted(self._unplaced, key=lambda run: run.started):
            self._cutter.feed(run, self.anchor.utc(run.started))
        self._unplaced.clear()

    def _step(self, former: Anchor, now: float) -> None:
        """Minutes that were over by the old clock keep it; the one of the step is unknown by the new one."""
        assert self.anchor is not None
        assert self._cutter is not None
        cutter = self._cutter
        old_minute, new_minute = int(former.utc(now) // 60), int(self.anchor.utc(now) // 60)
        self._withdraw(min(int(self.anchor.utc(self._started) // 60), new_minute), new_minute)
        while cutter.next_minute < old_minute:
            self._cut_once(self._already)
        if new_minute > cutter.next_minute:
            self._off.append(_off(cutter.next_minute, new_minute, "interrupted"))
        cutter.forget()
        cutter.skip_to(new_minute)
        cutter.masked = {new_minute}  # one that an earlier, wrong step had masked is a minute like others

    def _withdraw(self, first: int, minute: int) -> None:
        """After a step back: no minute is off in which this agent lived (from `first` on), nor one yet to come."""
        if not any(off.first_minute + off.count > first for off in self._off):
            return
        ends = [(off, min(off.first_minute + off.count, first)) for off in self._off]
        kept = [Off(off.first_minute, end - off.first_minute, off.reason) for off, end in ends]
        alive = _off(first, minute, "interrupted")
        self._off = [off for off in (*kept, alive) if off.count > 0]
        self.began, self.told = minute, tuple(self._off)

    def recall(self, others: Sequence[Anchor]) -> None:
        """What agents before this one heard of the time in this boot."""
        self._others = [*self._others, *others][:OTHERS]

    def take_back(self, inherited: Sequence[Off] | None = None, holding: Sequence[Off] | None = None) -> None:
        """After a step from a clock that never was right. What it cut and nobody took is given up; what was told of the
        minutes before this agent is told anew, as the new clock has it. inherited: agents before this one went by that
        clock, too, and told so much; then the minute that they saved last proves nothing any more. holding: what was
        told before that clock spoke, by one that was right."""
        assert self.anchor is not None
        assert self._cutter is not None
        self.misplaced = False
        self._ready.clear()
        first, now = int(self.anchor.utc(self._started) // 60), self._cutter.next_minute
        if inherited is not None:
            self._before = Before()
        proven = minutes_off(self._before, first) if holding is None else holding
        told = taken_back([*(inherited or ()), *self.told], proven)
        alive = [_off(first, now, "interrupted")] if first < now else []
        self._off = [*told, *alive]
        self.began, self.told = now, tuple(self._off)

    def _cut(self) -> None:
        assert self._cutter is not None
        minute = self._cutter.next_minute
        # A word is told by a minute after it; what takes back a word on minutes to come waits for them.
        later = [off for off in self._off if off.reason == _INTERRUPTED and off.first_minute + off.count > minute]
        told = [off for off in self._off if off not in later]
        self._ready.append((self.inventory.revision, self._cutter.cut(self.inventory, told)))
        self._off = later

    def due(self, now: float, last_starts: Iterable[float], already: Collection[int]) -> list[tuple[str, MinuteRow]]:
        """Rows, without seq, of the minutes that are complete, each with its inventory's revision.

        now, last_starts: the boot's seconds; last_starts as in minutes.is_complete. already: minutes that were cut
        before the clock was set back; they are never cut again. At most ROWS_AT_ONCE, so that nothing else waits long.
        """
        self._already = already
        if self._cutter is not None and self.anchor is not None:
            utc = self.anchor.utc(now)
            starts = [self.anchor.utc(start) for start in last_starts]
            self._jump(int(utc // 60))
            while len(self._ready) < ROWS_AT_ONCE and self._is_complete(utc, starts):
                self._cut_once(already)
                self._jump(int(utc // 60))
        ready, self._ready = self._ready, []
        return ready

    def _is_complete(self, utc: float, starts: Sequence[float]) -> bool:
        assert self._cutter is not None
        minute = self._cutter.next_minute
        if not is_complete(minute, utc, starts):
            return False
        waited = utc >= minute * 60 + 60 + LATEST_SECONDS or min(starts, default=0.0) > utc  # later than now: at a stop
        return waited or not self._cutter.is_undecided(self.inventory.behind)

    def _cut_once(self, already: Collection[int]) -> None:
        assert self._cutter is not None
        if self._cutter.next_minute in already:
            self._cutter.skip_to(self._cutter.next_minute + 1)
        else:
            self._cut()

    def _jump(self, minute: int) -> None:
        cutter = self._cutter
        assert cutter is not None
        first_with_runs = min([at for at in cutter.tallies if at >= cutter.next_minute], default=minute)
        if first_with_runs - cutter.next_minute > FAR_BEHIND_MINUTES:
            self._off.append(_off(cutter.next_minute, first_with_runs, "interrupted"))
            cutter.skip_to(first_with_runs)

    def rest(self, now: float, already: Collection[int]) -> list[tuple[str, MinuteRow]]:
        """At a stop: every minute that is over, whether or not its last runs are in."""
        out: list[tuple[str, MinuteRow]] = []
        while rows := self.due(now, [now + 120], already):
            out += rows
        return out

    def idle_seconds(self, now: float) -> float:
        """How long no minute can be due: until the end of the running one. 0 while time is not known."""
        if self._cutter is None or self.anchor is None:
            return 0.0
        return max(0.0, self._cutter.next_minute * 60 + 60 - self.anchor.utc(now))

    def untold(self) -> list[Off]:
        """What takes back a word on minutes to come: for the next agent, should this one not live so long."""
        return list(self._off)

    @property
    def ready(self) -> int:
        """Rows that are cut and not handed out."""
        return len(self._ready)

    @property
    def next_minute(self) -> int | None:
        return self._cutter.next_minute if self._cutter else None

    def minute(self, now: float) -> int:
        """The running minute; 0 while time is not known."""
        return int(self.anchor.utc(now) // 60) if self.anchor else 0

    def unplaced(self, after: Run | None = None) -> list[Run]:
        """For the disk, while there is no anchor: those that came in after that one, which may have begun before it."""
        out: list[Run] = []
        for run in reversed(self._unplaced):
            if run is after:
                break
            out.append(run)
        return out[::-1]


def to_raw(run: Run) -> list[Any]:
    """As kept on disk."""
    seen = run.observation
    body = None
    if seen is not None:
        states = {signal: state.value for signal, state in seen.states.items()}
        body = [states, [[*key, value] for key, value in seen.readings.items()], seen.causes]
    return [run.probe, run.started, run.seconds, run.failure, body]


def from_raw(raw: Any) -> Run | None:
    """None for what this version does not understand."""
    try:
        probe, started, seconds, failure, body = raw
        if failure is not None and failure not in catalogue.CAUSES:
            return None
        seen = None
        if body is not None:
            states, readings, causes = body
            for signal, cause in [*((signal, "timeout") for signal in states), *causes.items()]:
                catalogue.kind_of(signal), catalogue.CAUSES[cause]
            seen = Observation(
                {signal: State(state) for signal, state in states.items()},
                {(subject, reading): float(value) for subject, reading, value in readings},
                dict(causes),
            )
        return Run(str(probe), float(started), float(seconds), seen, failure)
    except (ValueError, TypeError, AttributeError, KeyError):
        return None
