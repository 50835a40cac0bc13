"""Time: the anchor that ties this boot's seconds to UTC, and where an anchor may come from."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Final, Literal

Source = Literal["server", "trust", "kernel"]

RANK: Final[dict[str, int]] = {"trust": 1, "server": 2, "kernel": 3}
STEP_SECONDS: Final = 1.0  # a correction over this makes its minute unknown
ROUND_TRIP_SECONDS: Final = 2.0  # an answer that took longer tells no time
MISPLACED_SECONDS: Final = 10.0  # a round of probes: minutes that are further off are not true
DRIFT: Final = 200e-6  # of a crystal that nobody corrects, at most
LOST_SECONDS: Final = 60.0  # the kernel is asked every ten
KERNEL_ERROR_US: Final = 2_000_000  # what the kernel may say of its own error: as much as a server's answer has
PLAUSIBLE_UNIX: Final = (1_577_836_800.0, 4_102_444_800.0)  # 2020 to 2100


@dataclass(frozen=True)
class Anchor:
    """UTC = the boot's second + offset_seconds. heard: the boot's second at which its source said so. confirmed: it had
    said so before."""

    source: Source
    offset_seconds: float
    heard: float = field(default=0.0, compare=False)
    confirmed: bool = field(default=False, compare=False)

    def utc(self, second: float) -> float:
        return second + self.offset_seconds


@dataclass(frozen=True)
class Correction:
    """What a candidate does to the anchor. `step_seconds` is 0 when no minute suffers from it. misplaced: the anchor
    never was right; the minutes that were cut by it are not where they belong."""

    anchor: Anchor
    step_seconds: float = 0.0
    misplaced: bool = False


def corrected(anchor: Anchor | None, candidate: Anchor, others: Iterable[Anchor] = ()) -> Correction | None:
    """The anchor to hold from now on, or None to leave everything as it is. others: what else was heard in this boot.

    An equally good or better source replaces the anchor; a worse one does not: an anchor stays good when its source is
    lost. But then it drifts, and the server may correct it by as much. Of two words of one source that differ by more
    than drift explains, the one with which another source agrees is true; a trusted clock that was set had been wrong.
    A server that contradicts what it said more than once must say it twice; what it said only once was not right. Below
    STEP_SECONDS the candidate is taken in silence.
    """
    if not PLAUSIBLE_UNIX[0] <= candidate.offset_seconds <= PLAUSIBLE_UNIX[1]:
        return None
    if anchor is None:
        return Correction(candidate)
    difference = candidate.offset_seconds - anchor.offset_seconds
    step = difference if abs(difference) > STEP_SECONDS else 0.0
    alike = agree(anchor, candidate)
    better = RANK[candidate.source] - RANK[anchor.source]
    if better < 0:
        lost = candidate.heard - anchor.heard > LOST_SECONDS
        if candidate.source != "server" or not lost or not alike:
            return None
        return Correction(replace(candidate, source=anchor.source), step)
    if alike or better:
        return Correction(replace(candidate, confirmed=alike), step, misplaced=not alike)
    heard = list(others)
    if candidate.source == "server":
        again = any(other.source == "server" and agree(other, candidate) for other in heard)
        return Correction(candidate, step, misplaced=not anchor.confirmed) if again or not anchor.confirmed else None
    for_candidate = any(agree(other, candidate) for other in heard)
    if not for_candidate and any(other.source != "trust" and agree(other, anchor) for other in heard):
        return None
    return Correction(candidate, step, misplaced=for_candidate or anchor.source == "trust")


def agree(earlier: Anchor, later: Anchor) -> bool:
    """Whether an error that minutes bear, and drift since, explain the difference."""
    allowed = MISPLACED_SECONDS + DRIFT * max(0.0, later.heard - earlier.heard)
    return abs(later.offset_seconds - earlier.offset_seconds) <= allowed


def from_answer(sent: float, received: float, server_unix: float) -> Anchor | None:
    """The anchor in the server's answer to `presence`; sent and received are the boot's seconds."""
    if not 0 <= received - sent <= ROUND_TRIP_SECONDS:
        return None
    return Anchor("server", server_unix - (sent + received) / 2, received)


def from_system(
    trust: bool, is_synchronised: Callable[[], bool], boot_seconds: Callable[[], float], unix: Callable[[], float]
) -> Anchor | None:
    """What the system clock is good for now."""
    synchronised = is_synchronised()
    if not (synchronised or trust):
        return None
    now = boot_seconds()
    return Anchor("kernel" if synchronised else "trust", unix() - now, now)


def boot_seconds() -> float:
    """Seconds since boot, sleep included; every process of this boot counts the same."""
    if sys.platform != "linux":
        return time.monotonic()  # Windows counts it so
    return time.clock_gettime(time.CLOCK_BOOTTIME)


_STA_UNSYNC, _TIME_ERROR = 0x0040, 5  # linux/timex.h


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2); what we do not read is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("padding", ctypes.c_long * 40),
    )


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def kernel_is_synchronised() -> bool:
    """adjtimex(2): the kernel's clock is being disciplined by NTP or the like, and is as right as we need it. Elsewhere
    than on Linux: not known."""
    if sys.platform != "linux":
        return False
    state = _Timex()
    found = _libc().adjtimex(ctypes.byref(state))
    disciplined = found not in (-1, _TIME_ERROR) and not state.status & _STA_UNSYNC
    return disciplined and state.maxerror <= KERNEL_ERROR_US
