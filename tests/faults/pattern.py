"""The known pattern: what an agent of the fault rounds sees is a function of its seed, the signal and the minute alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schoolbeat_wire.catalogue import RUNGS, UNKNOWN

PATH = tuple(RUNGS)
INTERNET = "line.internet"
DEVICE = "device.bang-1"
SIGNALS = (*PATH, INTERNET, DEVICE)
PROBE_OF = {**dict.fromkeys(PATH, "path"), INTERNET: "internet", DEVICE: "tcp"}
ALL_UP = 0  # a seed
BLOCK = 3  # minutes of one state: the middle one is seen by runs of this state alone
HOLD_SECONDS = 25  # of a run's word, by the catalogue: `path`, `internet` and `tcp` are asked every 10 s
LIE_SECONDS = 10  # below that, minutes may bear the error
COVER_SECONDS = 23  # runs no further apart leave no second without a word


def is_up(seed: int, signal: str, minute: int) -> bool:
    """Down in a fifth of the blocks; never with the seed ALL_UP."""
    if seed == ALL_UP:
        return True
    said = hashlib.blake2b(f"{seed} {signal} {minute // BLOCK}".encode(), digest_size=2).digest()
    return int.from_bytes(said, "big") % 5 != 0


def below(signal: str) -> tuple[str, ...]:
    """What it is seen through: the ladder; a device of which nothing else is known, the router."""
    if signal == DEVICE:
        return PATH[:1]
    return PATH[: PATH.index(signal)] if signal in PATH else ()


def state(seed: int, signal: str, minute: int) -> bool | None:
    """Up, down, or None: behind a rung that is down it cannot be seen to be down."""
    if is_up(seed, signal, minute):
        return True
    return False if all(is_up(seed, rung, minute) for rung in below(signal)) else None


def allowed(seed: int, signal: str, minute: int) -> range | None:
    """What the byte may be if every second of the minute was under a word. None: whatever it likes, unknown too.

    The run before the minute speaks into it for at most its hold time: what changes, changes within that time.
    """
    before, now, after = (state(seed, signal, at) for at in (minute - 1, minute, minute + 1))
    if None in (before, now, after):
        return range(UNKNOWN, UNKNOWN + 1) if now is None and before is None and after is None else None
    if not all(state(seed, rung, at) for rung in below(signal) for at in (minute - 1, minute, minute + 1)):
        return None  # a word may be hidden by the next run of a rung: only minutes without that are foretold
    if before == now:
        return range(60, 61) if now else range(1)
    return range(60 - HOLD_SECONDS, 61) if now else range(HOLD_SECONDS + 1)


@dataclass(frozen=True)
class Run:
    """One execution, as the agent's journal tells it: by whom, at which second of the time the agent believed in."""

    probe: str
    second: float
    process: str  # boot, pid and offset of the believed clock: runs of another one do not join up
    counter: int

    @property
    def lie_seconds(self) -> int:
        """By how much the time it believed in was wrong."""
        return int(re.split("(?=[+-])", self.process)[1])

    @property
    def true_minute(self) -> int:
        return int((self.second - self.lie_seconds) // 60)


def not_decided(runs: Sequence[Run]) -> list[Run]:
    """Made by a clock that lied in a boot before the last: it may have ended before anybody else spoke of the time."""
    last = runs[-1].process.split("/")[0] if runs else ""
    return [run for run in runs if abs(run.lie_seconds) > LIE_SECONDS and run.process.split("/")[0] != last]


def shown_second(second: float, lie_seconds: int) -> float:
    """What happens in the world goes by the true time, whatever the clock says."""
    return second - lie_seconds if abs(lie_seconds) > LIE_SECONDS else second


def line(probe: str, second: float, process: str, counter: int) -> str:
    return f"{probe} {second:.3f} {process} {counter}\n"


def read_journal(path: Path) -> list[Run]:
    out = []
    for text in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        probe, second, process, counter = text.split()
        out.append(Run(probe, float(second), process, int(counter)))
    return out


@dataclass(frozen=True)
class Seen:
    """Of one probe: minute -> processes whose runs touched it; and the minutes that one process saw from end to end."""

    touched: Mapping[int, set[str]]
    covered: set[int]


def seen(runs: Sequence[Run], probe: str) -> Seen:
    touched: dict[int, set[str]] = {}
    for run in runs:
        if run.probe == probe:
            touched.setdefault(int(run.second // 60), set()).add(run.process)
    covered: set[int] = set()
    for first, last in lives(runs, probe):
        covered |= set(range(int(-(-first // 60)), int((last + COVER_SECONDS) // 60)))
    return Seen(touched, covered)


def lives(runs: Iterable[Run], probe: str) -> list[tuple[float, float]]:
    """Of one process each: the first and last second of a row of runs without a gap."""
    out: list[tuple[float, float]] = []
    began: dict[str, tuple[float, float]] = {}
    for run in runs:
        if run.probe != probe:
            continue
        first, last = began.get(run.process, (run.second, run.second))
        if not 0 <= run.second - last <= COVER_SECONDS:
            out.append((first, last))
            first = run.second
        began[run.process] = (first, run.second)
    return out + list(began.values())
