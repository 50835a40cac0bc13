"""What a running speed test has moved so far, and the rate in it once slow start is over."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.no_answer import NoAnswer

WARM_SECONDS: Final = 2.0  # TCP has found the line's rate by then
WARM_SHARE: Final = 1 / 3  # of a test that ended early
LEAST_SECONDS: Final = 1.5  # a shorter test says nothing
SAMPLE_SECONDS: Final = 0.1
SILENT_SECONDS: Final = 3.0  # without a byte the server, or the line, is gone
LATE_SECONDS: Final = 1.0  # beyond SAMPLE_SECONDS: what waited meanwhile would be read at no rate of the line's
SILENT_END_SECONDS: Final = 1.5  # the same at the end of the time, where one cannot wait longer

Sample = tuple[float, int]  # seconds, bytes so far


@dataclass
class Tally:
    """Filled while the test runs; what was finished before something broke stays.

    rx_bytes, tx_bytes: payload. on_wire: whether they are known while the test runs (not so in another program).
    most_bytes: the test ends before it has moved so many.
    """

    most_bytes: int
    server: str = ""
    rx_bytes: int = 0
    tx_bytes: int = 0
    on_wire: bool = True
    rtt_ms: float | None = None
    download_bps: float | None = None
    upload_bps: float | None = None
    waiting: Callable[[], int] = field(default=lambda: 0)  # bytes of tx_bytes that have not left yet

    @property
    def bytes(self) -> int:
        return self.rx_bytes + self.tx_bytes

    @property
    def left(self) -> int:
        return max(0, self.most_bytes - self.bytes)

    def check(self) -> None:
        """NoAnswer("over_budget") when there is nothing left to spend."""
        if self.left == 0:
            raise NoAnswer("over_budget", f"stopped after {self.bytes} bytes: no more are left this month")


def rate_bps(samples: Sequence[Sample]) -> float:
    """Bits a second without the warm-up. NoAnswer("bad_answer") when the test was too short to say."""
    if len(samples) < 3 or samples[-1][0] - samples[0][0] < LEAST_SECONDS:
        raise NoAnswer("bad_answer", "the speed test ended too early to say anything")
    start, end = samples[0][0], samples[-1][0]
    warm = start + min(WARM_SECONDS, WARM_SHARE * (end - start))
    return 8 * slope([sample for sample in samples if sample[0] >= warm])


def slope(samples: Sequence[Sample]) -> float:
    """Bytes a second by least squares: what a lost packet held back at either end shifts it little."""
    if len(samples) < 2:
        raise NoAnswer("bad_answer", "the speed test has too few samples after its warm-up")
    seconds = math.fsum(at for at, _ in samples) / len(samples)
    count = math.fsum(moved for _, moved in samples) / len(samples)
    spread = math.fsum((at - seconds) ** 2 for at, _ in samples)
    if spread <= 0:
        raise NoAnswer("bad_answer", "the speed test's samples are all of one moment")
    return math.fsum((at - seconds) * (moved - count) for at, moved in samples) / spread


def last_silence(samples: Sequence[Sample]) -> float:
    """Seconds up to the last sample without a byte."""
    last = samples[-1]
    for before, after in reversed(list(pairwise(samples))):
        if after[1] > before[1]:
            return last[0] - after[0]
    return last[0] - samples[0][0]


async def sampled(
    moved: Callable[[], int], seconds: float, tally: Tally, clock: Callable[[], float], done: asyncio.Future[Any]
) -> list[Sample]:
    """Samples of what was moved, until the time is over or `done`, however that ended; the last is of the very end.

    NoAnswer: timeout after SILENT_SECONDS without a byte, over_budget. ProbeFailed("hung") when this machine was too
    busy to look.
    """
    started = clock()
    samples = [(started, moved())]
    while not done.done() and samples[-1][0] - started < seconds:
        await asyncio.wait([done], timeout=min(SAMPLE_SECONDS, max(0.001, started + seconds - clock())))
        samples.append((clock(), moved()))
        if samples[-1][0] - samples[-2][0] > SAMPLE_SECONDS + LATE_SECONDS:
            raise ProbeFailed("hung", "this machine was too busy to measure: bytes waited that the line had brought")
        tally.check()
        _check_silence(samples, SILENT_SECONDS, tally.server)
    _check_silence(samples, SILENT_SECONDS if done.done() else SILENT_END_SECONDS, tally.server)
    return samples


def _check_silence(samples: Sequence[Sample], most_seconds: float, server: str) -> None:
    silent = last_silence(samples[-100:])
    if silent > most_seconds:
        raise NoAnswer("timeout", f"{server}: no byte for {silent:.1f} s")


def check_end(done: asyncio.Future[Any], regular: bool, samples: Sequence[Sample], seconds: float) -> None:
    """Either side may end a test at any time; one that breaks off before half its time is no test. NoAnswer."""
    if not done.done():
        return
    error = done.exception()
    if error is not None and not isinstance(error, OSError):
        raise error
    lasted = samples[-1][0] - samples[0][0]
    if not regular and lasted < seconds / 2:
        why = f": {error}" if error else ""
        raise NoAnswer("bad_answer", f"the speed server broke off after {lasted:.1f} s{why}")


@contextlib.asynccontextmanager
async def running(*works: Coroutine[None, None, None]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """They run as long as the block does; none is left behind."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def any_broken(tasks: Sequence[asyncio.Task[None]]) -> asyncio.Future[Any]:
    """Done with the first one's error."""
    done = asyncio.gather(*tasks)
    done.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # nobody need ask for it
    return done
