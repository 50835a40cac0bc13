"""Cutting: from what runs said, second by second, to one byte a signal and minute. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from schoolbeat_agent.observation import Run, State
from schoolbeat_wire import catalogue, video
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.report import MinuteRow, Off

Said = Sequence[tuple[int, State]]  # (second since 1970 UTC at which a run started, what it said), ascending

LATEST_SECONDS = 20  # after its end a minute is cut, whatever is still missing


Holds = Mapping[str, int]  # signal -> hold time, where it is another than the catalogue's
CATALOGUE: Holds = MappingProxyType({})


def hold_of(signal: str, holds: Holds) -> int:
    return holds.get(signal) or catalogue.kind_of(signal).hold_seconds


def seconds_up(
    minute: int,
    signal: str,
    said: Mapping[str, Said],
    behind: Mapping[str, str],
    masked: bool = False,
    holds: Holds = CATALOGUE,
) -> int:
    """The minute's byte: 0-60 seconds up, or catalogue.UNKNOWN when any of its seconds is under no word.

    A run speaks from its start until the next one, at most for the signal's hold time. A run that says DOWN says
    nothing when something that the signal is behind was down at its start, or at the next run of that something.
    """
    if masked:
        return catalogue.UNKNOWN
    words = said.get(signal, ())
    hold = hold_of(signal, holds)
    start, end = minute * 60, minute * 60 + 60
    up, at = 0, start
    index = max(0, bisect_right(words, start, key=lambda word: word[0]) - 1)
    while at < end:
        if index >= len(words) or words[index][0] > at:
            return catalogue.UNKNOWN
        first, state = words[index]
        until = min(first + hold, end)
        if index + 1 < len(words):
            until = min(until, words[index + 1][0])
        index += 1
        if until <= at:
            continue
        if state is State.UNSEEN or (state is State.DOWN and is_hidden(signal, first, said, behind, holds)):
            return catalogue.UNKNOWN
        up += until - at if state is State.UP else 0
        at = until
    return up


def below(signal: str, behind: Mapping[str, str]) -> list[str]:
    """Everything the signal is seen through, nearest first."""
    out: list[str] = []
    while (signal := behind.get(signal, "")) and signal not in out:
        out.append(signal)
    return out


def is_hidden(
    signal: str, second: int, said: Mapping[str, Said], behind: Mapping[str, str], holds: Holds = CATALOGUE
) -> bool:
    return any(_is_down_about(second, said.get(other, ()), hold_of(other, holds)) for other in below(signal, behind))


def _is_down_about(second: int, words: Said, hold: int) -> bool:
    """Down at that second, or in the next run within the hold time: the path's run of the same tick may come later."""
    index = bisect_right(words, second, key=lambda word: word[0])
    if index and words[index - 1][1] is State.DOWN and second < words[index - 1][0] + hold:
        return True
    return index < len(words) and words[index][1] is State.DOWN and words[index][0] <= second + hold


def is_complete(minute: int, now: float, last_starts: Iterable[float]) -> bool:
    """Whether the minute's last runs are in. last_starts: of each probe, the start of its last finished run."""
    end = minute * 60 + 60
    return now >= end + LATEST_SECONDS or (now >= end and all(start >= end for start in last_starts))


def of_readings(reading: str, values: Sequence[float]) -> float:
    """One value for the minute: the median of times, the mean of percentages, the last of anything else."""
    if reading.endswith("_ms"):
        return median(values)
    if reading.endswith("_percent"):
        return math.fsum(values) / len(values)
    return values[-1]


def median(values: Sequence[float]) -> float:
    """Of at least one. (The library's brings decimal fractions with it: 0.7 MiB that a school's box lacks.)"""
    ordered, middle = sorted(values), len(values) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def is_allowed(reading: str, value: float) -> bool:
    """Whether the catalogue knows the reading and has the value within its range."""
    known = catalogue.READINGS.get(reading)
    return known is not None and math.isfinite(value) and known.low <= value <= known.high


def scaled(reading: str, value: float) -> int | None:
    """As on the wire; None for what the catalogue does not allow: it is no number to believe."""
    return round(value * 10 ** catalogue.READINGS[reading].decimals) if is_allowed(reading, value) else None


@dataclass
class Tally:
    """What the runs that started in one minute brought, beside their states."""

    values: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)  # (probe, cause)
    longest_seconds: dict[str, float] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)


@dataclass
class Cutter:
    """Takes finished runs, placed in UTC, and gives rows, each minute once and in ascending order."""

    next_minute: int
    said: dict[str, list[tuple[int, State]]] = field(default_factory=dict)
    tallies: dict[int, Tally] = field(default_factory=dict)
    masked: set[int] = field(default_factory=set)
    longest_hold_seconds: int = 0  # of any signal heard of
    holds: Holds = field(default_factory=dict)

    def feed(self, run: Run, started: float) -> None:
        """started: seconds since 1970 UTC at which the run began."""
        tally = self._tally(self._minute_of(started, run.seconds))
        tally.runs[run.probe] += 1
        tally.longest_seconds[run.probe] = max(run.seconds, tally.longest_seconds.get(run.probe, 0.0))
        if run.observation is None:
            tally.failures[run.probe, run.failure or "internal"] += 1
            return
        for signal, state in run.observation.states.items():
            self._say(signal, int(started), state)
            if state is State.DOWN:
                tally.causes[signal] = run.observation.causes.get(signal, "timeout")
        believable = {key: value for key, value in run.observation.readings.items() if is_allowed(key[1], value)}
        if len(believable) < len(run.observation.readings):
            tally.failures[run.probe, "bad_answer"] += 1
        for key, value in believable.items():
            tally.values.setdefault(key, []).append(value)

    def _minute_of(self, started: float, seconds: float) -> int:
        """That of its start; of a run so long that this one is cut already, that of its end."""
        minute = int(started // 60)
        return minute if minute >= self.next_minute else int((started + seconds) // 60)

    def _tally(self, minute: int) -> Tally:
        if minute not in self.tallies:
            self.tallies[minute] = Tally()
        return self.tallies[minute]

    def _say(self, signal: str, second: int, state: State) -> None:
        words = self.said.setdefault(signal, [])
        if words and words[-1][0] > second:
            second = words[-1][0]  # the clock was set back by less than a second; order is what counts
        words.append((second, state))
        hold = hold_of(signal, self.holds)
        self.longest_hold_seconds = max(self.longest_hold_seconds, hold)
        # Kept is what can speak for the next minute, or for the start of a run that speaks for it from behind this.
        keep_from = min(second, self.next_minute * 60) - self.longest_hold_seconds - hold
        while len(words) > 1 and words[1][0] <= keep_from:
            del words[0]

    def is_undecided(self, behind: Mapping[str, str]) -> bool:
        """A DOWN in the minute to be cut may yet be hidden: by the next run of what it is seen through."""
        end = self.next_minute * 60 + 60
        for signal, words in self.said.items():
            others = [self.said[other] for other in below(signal, behind) if other in self.said]
            for second, state in reversed(words) if others else ():
                if second <= end - 60 - hold_of(signal, self.holds):
                    break
                if state is State.DOWN and second < end and any(other[-1][0] <= second for other in others):
                    return True
        return False

    def cut(self, inventory: Inventory, off: Sequence[Off] = ()) -> MinuteRow:
        """The next minute's row, without its seq (0)."""
        minute = self.next_minute
        tally = self.tallies.get(minute, Tally())
        masked = minute in self.masked
        signals = bytes(
            seconds_up(minute, signal, self.said, inventory.behind, masked, self.holds) for signal in inventory.signals
        )
        row = MinuteRow(
            seq=0,
            minute=minute,
            signals=_with_video(inventory.signals, signals, tally),
            values=_values(inventory, tally),
            failures=_failures(inventory, tally),
            causes=_causes(inventory, tally, signals),
            off=list(off),
        )
        self.skip_to(minute + 1)
        return row

    def skip_to(self, minute: int) -> None:
        """No minute before this one will be cut any more; what cannot speak for later ones is forgotten."""
        self.next_minute = minute
        self.tallies = {at: tally for at, tally in self.tallies.items() if at >= minute}
        self.masked = {at for at in self.masked if at >= minute}

    def forget(self) -> None:
        """The clock was wrong: what was said is placed at seconds that are not true."""
        self.said.clear()
        self.tallies.clear()


def _with_video(names: list[str], signals: bytes, tally: Tally) -> bytes:
    """What would carry a video lesson is no probe's word: it follows from the minute's other figures."""
    if video.SIGNAL not in names:
        return signals
    path = video.path_of(names)
    rtt_ms, loss_percent = (_value(reading, path, tally) for reading in ("rtt_ms", "loss_percent"))
    byte = video.seconds_of(signals[names.index(video.INTERNET)], signals[names.index(path)], rtt_ms, loss_percent)
    at = names.index(video.SIGNAL)
    return signals[:at] + bytes([byte]) + signals[at + 1 :]


def _values(inventory: Inventory, tally: Tally) -> list[list[int | None]]:
    return [[_value(column.reading, subject, tally) for subject in column.subjects] for column in inventory.columns]


def _value(reading: str, subject: str, tally: Tally) -> int | None:
    if reading.startswith("run_"):
        probe = subject.removeprefix("probe.")
        if reading == "run_count":
            return scaled(reading, tally.runs[probe])
        if reading == "run_failures":
            return scaled(reading, sum(n for (name, _), n in tally.failures.items() if name == probe))
        longest = tally.longest_seconds.get(probe)
        return None if longest is None else scaled(reading, longest)
    values = tally.values.get((subject, reading))
    return scaled(reading, of_readings(reading, values)) if values else None


def _failures(inventory: Inventory, tally: Tally) -> list[tuple[int, int, int]]:
    places = {probe: index for index, probe in enumerate(inventory.probes)}
    return sorted(
        (places[probe], catalogue.CAUSES[cause][0], runs)
        for (probe, cause), runs in tally.failures.items()
        if probe in places
    )


def _causes(inventory: Inventory, tally: Tally, signals: bytes) -> list[tuple[int, int]]:
    return [
        (index, catalogue.CAUSES[tally.causes[signal]][0])
        for index, signal in enumerate(inventory.signals)
        if signals[index] < catalogue.UP_FULL and signal in tally.causes
    ]
