"""Our own clock: whether anything may be accepted, judged, sealed, deleted or told by it."""

from __future__ import annotations

import ctypes
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Engine

from schoolbeat_server.database import get_meta, set_meta, writing
from schoolbeat_server.said import Said

log = logging.getLogger(__name__)

BUILT_MS: Final = 1_735_689_600_000  # 2025-01-01: no server of ours ran before
BEHIND_MS: Final = 10 * 60_000  # so far behind what it has already written a clock may be corrected
AHEAD_MS: Final = 7 * 86_400_000  # less than reports are kept: a clock that is ahead must delete none
MARK: Final = "alive_ms"  # meta: when we last committed
WORD: Final = "clock_word"  # meta: an operator's word, "ms who: reason"


def doubt(now_ms: int, mark_ms: int, *, synchronised: bool) -> Said | None:
    """Why the clock cannot be right. mark_ms: when something was last written by it; 0: never."""
    if synchronised and now_ms >= BUILT_MS:
        return None
    told = _told(now_ms)
    if now_ms < BUILT_MS:
        return Said(
            f"đồng hồ máy chủ chỉ {told}, trước khi có phần mềm này",
            f"the server's clock says {told}, before this program was made",
        )
    if mark_ms and now_ms < mark_ms - BEHIND_MS:
        return Said(
            f"đồng hồ máy chủ chỉ {told}, nhưng số liệu đã được ghi lúc {_told(mark_ms)}",
            f"the server's clock says {told}, and yet records were written at {_told(mark_ms)}",
        )
    if mark_ms and now_ms > mark_ms + AHEAD_MS:
        return Said(
            f"đồng hồ máy chủ chỉ {told}, hơn {AHEAD_MS // 86_400_000} ngày sau lần ghi cuối ({_told(mark_ms)}), và "
            "không được đồng bộ (NTP)",
            f"the server's clock says {told}, more than {AHEAD_MS // 86_400_000} days after the last record "
            f"({_told(mark_ms)}), and is not synchronised (NTP)",
        )
    return None


_WHAT_TO_DO = Said(
    "; không nhận, không kết luận, không báo tin cho tới khi đồng hồ được đồng bộ, hoặc người quản trị xác nhận: "
    "schoolbeat-server clock believe --reason …",
    "; nothing is accepted, judged or told until it is synchronised, or an operator vouches for it: "
    "schoolbeat-server clock believe --reason …",
)


def _told(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


class OwnClock:
    """Looked at before everything that depends on the time."""

    def __init__(self, engine: Engine, synchronised: Callable[[], bool]) -> None:
        self.engine, self.synchronised = engine, synchronised
        self.problem: Said | None = None  # None: the clock is believed
        with engine.connect() as connection:
            self.mark_ms = int(get_meta(connection, MARK) or 0)
            self.word = get_meta(connection, WORD)

    def is_right_at(self, now_ms: int) -> bool:
        return self._doubt(now_ms) is None

    def _doubt(self, now_ms: int) -> Said | None:
        found = doubt(now_ms, self.mark_ms, synchronised=False)
        return doubt(now_ms, self.mark_ms, synchronised=True) if found is not None and self.synchronised() else found

    def is_believed(self, now_ms: int) -> bool:
        """Remembers the time if it is."""
        found = self._doubt(now_ms)
        if found is None:
            if self.problem is not None:
                log.warning("the clock is believed again: %s", _told(now_ms))
            self.problem, self.mark_ms = None, now_ms
            return True
        if self.problem is None:
            log.error("%s%s", found.en, _WHAT_TO_DO.en)
        self.problem = Said(found.vi + _WHAT_TO_DO.vi, found.en + _WHAT_TO_DO.en)
        return False

    def hear(self) -> None:
        """What an operator has said meanwhile. Raises SQLAlchemyError."""
        with self.engine.connect() as connection:
            word = get_meta(connection, WORD)
        if word != self.word and word is not None:
            self.word, self.mark_ms = word, int(word.split()[0])
            log.warning("an operator vouches for the clock: %s", word)


def vouch(engine: Engine, now_ms: int, who: str, reason: str) -> None:
    """An operator says that the clock is right now, whatever was written before. The running server hears it."""
    with writing(engine) as connection:
        set_meta(connection, MARK, str(now_ms))
        set_meta(connection, WORD, f"{now_ms} {who[:80]}: {reason}")


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


def kernel_is_synchronised() -> bool:
    """adjtimex(2): the kernel's clock is being disciplined by NTP or the like."""
    if sys.platform != "linux":
        return False
    state = _Timex()
    found = ctypes.CDLL(None).adjtimex(ctypes.byref(state))
    return found not in (-1, _TIME_ERROR) and not state.status & _STA_UNSYNC
