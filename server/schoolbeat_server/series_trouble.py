"""What stands between the series queue and its store: since when, when to ask again, and what people are told."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

from schoolbeat_server.said import Said
from schoolbeat_server.series_decisions import wait_seconds
from schoolbeat_server.series_delivery import Waits

log = logging.getLogger(__name__)

AWAY_SECONDS: Final = 600.0  # of no answer, before it is a reason to go and look
STUCK_SECONDS: Final = 300.0  # before a stream that could not be read is looked at again
TROUBLE: Final = "series_trouble"  # in table meta: what the store said last, as of the last minute; "": it takes points
PATIENCE_SECONDS: Final = 86_400.0  # while a whole measurement is refused


@dataclass
class Trouble:
    """All seconds are those of the queue's clock. now: what the store said last; None: it takes points."""

    now: Waits | None = None
    since: float = 0.0
    next_try: float = 0.0
    tries: int = 0

    def wait(self, waits: Waits, seconds: float, jitter: float) -> None:
        fresh = self.now is None or waits.text != self.now.text
        if self.now is None:
            self.since = seconds
        self.now, self.tries = waits, self.tries + 1
        self.next_try = seconds + wait_seconds(self.tries, waits.wait_seconds, jitter)
        log.log(logging.WARNING if fresh else logging.DEBUG, "the time-series store: %s: %s", waits.kind, waits.text)

    def end(self) -> None:
        if self.now is not None:
            log.info("the time-series store takes points again")
        self.now, self.tries, self.next_try = None, 0, 0.0

    def is_patient(self, seconds: float) -> bool:
        return self.now is None or seconds - self.since < PATIENCE_SECONDS

    def said(self, seconds: float) -> Said | None:
        """What somebody should go and look at."""
        if self.now is None:
            return None
        if self.now.kind == "setup":
            return Said(
                f"kho chuỗi thời gian từ chối: {self.now.text}; xem: schoolbeat-server series check",
                f"the time-series store refuses: {self.now.text}; see: schoolbeat-server series check",
            )
        minutes = int(seconds - self.since) // 60
        if seconds - self.since < AWAY_SECONDS:
            return None
        return Said(
            f"kho chuỗi thời gian không nhận đã {minutes} phút: {self.now.text}",
            f"the time-series store has not answered for {minutes} minutes: {self.now.text}",
        )


class Stuck:
    """Streams that could not be read, by damage or a fault of ours: each holds up itself and no other."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, float]] = {}  # by stream what was wrong, and when to look again

    def rests(self, stream: str, seconds: float) -> bool:
        return stream in self.found and seconds < self.found[stream][1]

    def note(self, stream: str, error: Exception, seconds: float) -> None:
        log.error("%s is not sent to the time-series store for now", stream, exc_info=error)
        self.found[stream] = type(error).__name__, seconds + STUCK_SECONDS

    def forget(self, stream: str) -> None:
        self.found.pop(stream, None)

    def said(self) -> Said | None:
        if not self.found:
            return None
        told = ", ".join(f"{stream} ({what})" for stream, (what, _) in sorted(self.found.items()))
        return Said(
            f"chưa gửi được vào kho chuỗi thời gian vì không đọc được: {told}; xem nhật ký máy chủ",
            f"not sent to the time-series store, for it cannot be read: {told}; see the server's log",
        )
