"""What of a well-formed report is not believed: impossible times, and contents that would grow into mountains."""

from __future__ import annotations

from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import UP_FULL
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.report import Report

FUTURE_MINUTES = 2  # a clock may run ahead by so much
SOON_MINUTES = 1_440  # maybe it is our own clock that is behind: what is ahead by less is asked for again
PAST_MINUTES = 400 * 1_440  # a report older than this is not believed
SPREAD_BYTES = 4 << 20  # of the open ledger, that one report may ask for
OUTAGES = 20_000  # that one report may begin; an hour of a whole school flapping is a tenth of it
OFF_ENTRIES = 100  # in one report, and 4 for each of its minutes

_IS_DOWN = bytes(1 if code < UP_FULL else 0 for code in range(256))


class Early(WireError):
    """Not settled: sent again, it is taken as soon as our clock has come so far. Nothing is lost, whoever erred."""

    def __init__(self, text: str) -> None:
        super().__init__("early", text)


def check(report: Report, minutes: list[int], now_ms: int) -> None:
    """minutes: the report's, absolute. Raises WireError, before anybody has to wait for what would follow."""
    _check_times(minutes, now_ms // 60_000)
    check_contents(report, minutes)


def check_contents(report: Report, minutes: list[int]) -> None:
    """All but the times, which an operator may have vouched for."""
    width = len(report.signals) // report.count
    hours = len({minute // 60 for minute in minutes})
    if hours * width * 60 > SPREAD_BYTES:  # each would open an hour of the ledger in memory
        raise WireError("count", f"{hours} different hours of {width} signals in one report: send fewer at once")
    bounds.at_most(len(report.off), OFF_ENTRIES + 4 * report.count, "entries of `off` in one report")
    if len(report.signals) > OUTAGES:
        bounds.at_most(_count_falls(report, width), OUTAGES, "times that a signal goes down in one report")


def _check_times(minutes: list[int], now: int) -> None:
    if minutes[-1] > now + FUTURE_MINUTES:
        ahead = minutes[-1] - now
        if ahead <= SOON_MINUTES:
            raise Early(f"minute {minutes[-1]} is {ahead} minutes ahead of us; allowed {FUTURE_MINUTES}")
        raise WireError("future", f"minute {minutes[-1]} is {ahead} minutes ahead of us; allowed {FUTURE_MINUTES}")
    if minutes[0] < now - PAST_MINUTES:
        raise WireError("past", f"minute {minutes[0]} is older than {PAST_MINUTES // 1_440} days")


def _count_falls(report: Report, width: int) -> int:
    """How often a signal is down in a minute and was not in the minute before, as one sum over all bytes."""
    down = report.signals.translate(_IS_DOWN)
    before = int.from_bytes(bytes(width) + down[:-width], "big")
    now = int.from_bytes(down, "big")
    return (now ^ (now & before)).bit_count()
