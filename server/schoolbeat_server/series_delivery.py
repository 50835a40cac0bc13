"""Brings lines to the store: in batches, and where some are refused by halves, so that a bad line costs one line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Protocol

from schoolbeat_server.series_decisions import Kind, step_of

MOST_DIVISIONS: Final = 200  # of what one call of `deliver` brings
PROBES: Final = 8
MANY: Final = 32  # so many lines of a measurement, each refused, are no matter of a bad line


class Answers(Protocol):
    """series_store.Answer."""

    @property
    def kind(self) -> Kind: ...

    @property
    def text(self) -> str: ...

    @property
    def wait_seconds(self) -> float: ...


Write = Callable[[bytes], Answers]


class Refused(NamedTuple):
    """Lines that the store will never take, and what it said."""

    lines: tuple[bytes, ...]
    reason: str


class Waits(NamedTuple):
    """kind "setup": no use to try again before somebody has put something right."""

    kind: Kind
    text: str
    wait_seconds: float


class Delivery(NamedTuple):
    """waits: nothing of it counts as delivered; all of it is to be brought again."""

    taken: int
    refused: tuple[Refused, ...] = ()
    waits: Waits | None = None


def batches(lines: Iterable[bytes], most_bytes: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    size = 0
    for line in lines:
        if part and size + len(line) + 1 > most_bytes:
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line) + 1
    if part:
        yield part


def deliver(lines: Sequence[bytes], write: Write, most_bytes: int, *, patient: bool = True) -> Delivery:
    """patient: a measurement of which every line is refused is waited for like a wrong password: a field's type or a
    limit of the store, and not its lines, will be the reason. Otherwise it is set aside."""
    taken, divisions, refused = 0, 0, list[Refused]()
    for batch in batches(lines, most_bytes):
        waiting, whole = [batch], True
        while waiting:
            part = waiting.pop()
            answer = write(_joined(part))
            step = step_of(answer.kind, len(part), may_divide=divisions < MOST_DIVISIONS)
            if step == "wait":
                return Delivery(taken, (), Waits(answer.kind, answer.text, answer.wait_seconds))
            if step == "go on":
                taken += len(part)
            elif step == "set aside":
                refused.append(Refused(tuple(part), answer.text))
            elif answer.kind == "too_big":
                divisions += 1
                waiting += reversed(_halves(part))
            elif whole and len(part) >= MANY:
                groups = _by_measurement(part)
                for group in groups:
                    if patient and len(group) >= MANY and _is_hopeless(group, write):
                        return Delivery(taken, (), Waits("setup", answer.text, 0))
                divisions += 1
                waiting += groups if len(groups) > 1 else reversed(_halves(part))
                whole = False
            else:
                divisions += 1
                waiting += reversed(_halves(part))
    return Delivery(taken, tuple(refused))


def _is_hopeless(group: Sequence[bytes], write: Write) -> bool:
    """Some of its lines, far apart, each alone."""
    step = len(group) // PROBES
    return all(write(_joined([group[at * step]])).kind == "refused" for at in range(PROBES))


def _by_measurement(part: list[bytes]) -> list[list[bytes]]:
    return [list(group) for _, group in groupby(sorted(part, key=_measurement), key=_measurement)]


def _measurement(line: bytes) -> bytes:
    return line.partition(b",")[0].partition(b" ")[0]


def _halves(part: list[bytes]) -> list[list[bytes]]:
    middle = len(part) // 2
    return [part[:middle], part[middle:]]


def _joined(part: Sequence[bytes]) -> bytes:
    return b"\n".join(part) + b"\n"


# ---- of a line ---------------------------------------------------------------------------------------------


def time_of(line: bytes) -> int:
    """Milliseconds since 1970: the last word of a line."""
    return int(line.rpartition(b" ")[2])


def not_older(lines: Sequence[bytes], oldest_ms: int) -> list[bytes]:
    return [line for line in lines if time_of(line) >= oldest_ms] if oldest_ms else list(lines)
