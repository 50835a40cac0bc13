"""What the series queue does next: when it asks again, what is too old to send, how near the end of the room is."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from schoolbeat_server.said import Said, number_vi

FIRST_WAIT_SECONDS: Final = 1.0
LONGEST_WAIT_SECONDS: Final = 300.0
EDGE_MS: Final = 3_600_000  # so near the end of its retention a store may drop what it has just taken
DAY_MS: Final = 86_400_000
TOLD_SHARES: Final = (0.5, 0.8)


def wait_seconds(tries: int, asked: float, jitter: float) -> float:
    """After so many answers without success in a row (from 1 on). asked: by the store itself, 0 if it did not; jitter:
    random in [0, 1), so that several servers behind one store do not come at once."""
    grown = FIRST_WAIT_SECONDS * 2.0 ** min(tries - 1, 16)
    return min(LONGEST_WAIT_SECONDS, max(asked, grown * (0.5 + jitter / 2)))


def oldest_ms(now_ms: int, retention_days: float) -> int:
    """What is older the store would drop. retention_days: 0 where it keeps everything."""
    return now_ms - round(retention_days * DAY_MS) + EDGE_MS if retention_days else 0


def retention_of(configured_days: int, store_days: float | None) -> float:
    """The shorter of what the operator and the store say; 0: everything is kept."""
    said = [float(days) for days in (configured_days, store_days) if days]
    return min(said, default=0.0)


# ---- room for what waits -----------------------------------------------------------------------------------


class Backlog(NamedTuple):
    """share: of the room that is used, 1.0 when the oldest must go. days_left: at the present rate; None: nothing is
    known of a rate, or nothing waits."""

    share: float
    days_left: float | None
    lost: bool

    def said(self) -> Said | None:
        """None: it is not time yet to say anything."""
        if self.lost:
            return Said(
                "kho chuỗi thời gian đã lâu không nhận: hết chỗ giữ, bản tin cũ nhất đang bị bỏ mà chưa gửi"
                " (series.backlog_bytes)",
                "the time-series store has not answered for long: no room is left, the oldest reports go without"
                " having been sent (series.backlog_bytes)",
            )
        if self.share < TOLD_SHARES[0]:
            return None
        share = next(f"{100 * one:.0f}" for one in reversed(TOLD_SHARES) if self.share >= one)
        vi = f"bản tin đợi kho chuỗi thời gian đã dùng quá {share} % chỗ giữ"
        en = f"reports that wait for the time-series store use over {share} % of their room"
        if self.days_left is not None:
            days = f"{self.days_left:.1f}"
            vi += f"; còn khoảng {number_vi(days)} ngày nữa thì bản tin cũ nhất bị bỏ"
            en += f"; in about {days} days the oldest will go"
        return Said(vi, en)


def backlog(
    waiting_bytes: int, waiting_seconds: float, *, held_bytes: int, report_days: int, backlog_bytes: int
) -> Backlog:
    """waiting: all that the store has not taken, and how long the oldest of it waits; held: what of it is older than
    report_days, and kept only for the store. The room is report_days of reports, and backlog_bytes beyond them."""
    if waiting_seconds < 3_600:
        return Backlog(0.0, None, False)
    daily = waiting_bytes * 86_400 / waiting_seconds
    room = daily * report_days + backlog_bytes
    left = max(room - waiting_bytes, 0.0)
    share = max(waiting_bytes / room, held_bytes / backlog_bytes)
    return Backlog(min(share, 1.0), left / daily if daily else None, held_bytes >= backlog_bytes)


# ---- an answer ---------------------------------------------------------------------------------------------

Kind = Literal["taken", "later", "setup", "too_big", "refused"]
Step = Literal["go on", "wait", "divide", "set aside"]


def step_of(kind: Kind, lines: int, *, may_divide: bool) -> Step:
    """What to do with a batch of so many lines after the store's answer. may_divide: not too often yet."""
    if kind == "taken":
        return "go on"
    if kind in ("later", "setup"):
        return "wait"
    return "divide" if lines > 1 and may_divide else "set aside"
