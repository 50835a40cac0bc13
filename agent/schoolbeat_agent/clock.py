"""Time: the anchor that ties this boot's seconds to UTC, and where an anchor may come from."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

Source = Literal["server", "trust", "kernel"]

RANK: Final[dict[str, int]] = {"trust": 1, "server": 2, "kernel": 3}
STEP_SECONDS: Final = 1.0  # a correction over this makes its minute unknown
ROUND_TRIP_SECONDS: Final = 2.0  # an answer that took longer tells no time
PLAUSIBLE_UNIX: Final = (1_577_836_800.0, 4_102_444_800.0)  # 2020 to 2100


@dataclass(frozen=True)
class Anchor:
    """UTC = the boot's second + offset_seconds."""

    source: Source
    offset_seconds: float

    def utc(self, second: float) -> float:
        return second + self.offset_seconds


@dataclass(frozen=True)
class Correction:
    """What a candidate does to the anchor. `step_seconds` is 0 when no minute suffers from it."""

    anchor: Anchor
    step_seconds: float = 0.0


def corrected(anchor: Anchor | None, candidate: Anchor) -> Correction | None:
    """The anchor to hold from now on, or None to leave everything as it is.

    An equally good or better source replaces the anchor; a worse one never does: an anchor stays good when its
    source is lost. Below STEP_SECONDS the candidate is taken in silence.
    """
    if not PLAUSIBLE_UNIX[0] <= candidate.offset_seconds <= PLAUSIBLE_UNIX[1]:
        return None
    if anchor is None:
        return Correction(candidate)
    if RANK[candidate.source] < RANK[anchor.source]:
        return None
    difference = candidate.offset_seconds - anchor.offset_seconds
    if abs(difference) > STEP_SECONDS:
        return Correction(candidate, difference)
    return Correction(candidate)


def from_answer(sent: float, received: float, server_unix: float) -> Anchor | None:
    """The anchor in the server's answer to `presence`; sent and received are the boot's seconds."""
    if not 0 <= received - sent <= ROUND_TRIP_SECONDS:
        return None
    return Anchor("server", server_unix - (sent + received) / 2)


def from_system(
    trust: bool, is_synchronised: Callable[[], bool], boot_seconds: Callable[[], float], unix: Callable[[], float]
) -> Anchor | None:
    """What the system clock is good for now."""
    if is_synchronised():
        return Anchor("kernel", unix() - boot_seconds())
    return Anchor("trust", unix() - boot_seconds()) if trust else None


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
    """adjtimex(2): the kernel's clock is being disciplined by NTP or the like. Elsewhere than on Linux: not known."""
    if sys.platform != "linux":
        return False
    state = _Timex()
    found = _libc().adjtimex(ctypes.byref(state))
    return found not in (-1, _TIME_ERROR) and not state.status & _STA_UNSYNC
