"""What the books must say of a school-month: worked out second by second, by loops. Knows no product code."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from tests.oracle.month import BEHIND, BOARD, HOLD, INTERNET, LADDER, LESSONS, PROBES, SIGNALS, Life, Month, answers

UNKNOWN, OFF, DISPUTED, FULL = 255, 254, 253, 60

Said = dict[str, list[tuple[int, str]]]  # signal -> (second by the agent's clock, word), in order


class Row(NamedTuple):
    """A minute as the agent saves it. off: minutes that it declares, with the reason, as proven."""

    minute: int
    codes: bytes
    off: dict[int, str]


# ---- the agent's minutes -------------------------------------------------------------------------------------


def rows_of(month: Month) -> list[list[Row]]:
    """By card, in the order of saving."""
    cards: list[list[Row]] = [[]]
    edge: int | None = None  # the first minute of which this card tells nothing yet
    stopped: int | None = None
    lost_runs = False
    carried: dict[int, str] = {}
    for life in month.lives:
        if life.new_card and cards[-1]:
            cards.append([])
        if life.new_card:
            edge, stopped, lost_runs, carried = None, None, False, {}
        rows = cards[-1]
        if not life.clock:
            lost_runs = lost_runs or any(ran.finished < life.end for ran in life.runs)
            stopped = None
            continue
        first = minute_of(life.begin + life.clock[0].error)
        if edge is not None and not lost_runs:
            start = edge + 2 if stopped is None else max(stopped + 1, edge)
            reason = "clean_stop" if stopped is not None else "power" if life.new_boot else "crash"
            carried.update(dict.fromkeys(range(start, first), reason))
        lost_runs = False
        before = len(rows)
        for minute, codes in _minutes_of_life(month, life, {row.minute for row in rows}):
            rows.append(Row(minute, codes, carried))
            carried = {}
        edge = rows[-1].minute + 1 if len(rows) > before else first
        stopped = minute_of(life.end + life.clock[-1].error) if life.ending == "stop" else None
    return cards


def minute_of(second: float) -> int:
    return int(second // 60)


def _minutes_of_life(month: Month, life: Life, saved: set[int]) -> list[tuple[int, bytes]]:
    out = []
    for index, step in enumerate(life.clock):
        begin = life.begin if index == 0 else step.at
        following = life.clock[index + 1] if index + 1 < len(life.clock) else None
        end = following.at if following else life.end
        said = _said(month, life, begin, end, step.error)
        minute = minute_of(begin + step.error)
        stepped_in = minute if index else None
        while _is_saved(minute, life, said, end, step.error, stepped=following is not None):
            if minute not in saved:
                saved.add(minute)
                codes = bytes([UNKNOWN] * len(SIGNALS)) if minute == stepped_in else bytes(_codes(minute, said))
                out.append((minute, codes))
            minute += 1
    return out


def _is_saved(minute: int, life: Life, said: Said, end: float, error: int, *, stepped: bool) -> bool:
    """Until `end` the minute was over, and its last runs were in or waited for long enough."""
    over = (minute + 1) * 60
    if end + error < over:
        return False
    if stepped:
        return minute < minute_of(end + error)
    if life.ending == "stop" or end + error >= over + 20:
        return True
    for probe in PROBES:
        if not any(ran.probe == probe and ran.finished < end and ran.started + error >= over for ran in life.runs):
            return False
    return not _waits_for_what_it_is_seen_through(minute, said)


def _waits_for_what_it_is_seen_through(minute: int, said: Said) -> bool:
    for signal in SIGNALS:
        for second, word in said[signal]:
            if word == "down" and minute * 60 - HOLD[signal] < second < minute * 60 + 60:
                way = BEHIND.get(signal)
                while way:
                    if said[way] and said[way][-1][0] <= second:
                        return True
                    way = BEHIND.get(way)
    return False


def _said(month: Month, life: Life, begin: float, end: float, error: int) -> Said:
    """The words of the runs that finished in [begin, end), by the clock that held then."""
    said: Said = {signal: [] for signal in SIGNALS}
    for ran in sorted(life.runs, key=lambda ran: ran.finished):
        if ran.measured and begin <= ran.finished < end:
            for signal, word in answers(month, ran.probe, ran.started).items():
                said[signal].append((int((ran.started + error) // 1), word))
    return said


def _codes(minute: int, said: Said) -> list[int]:
    out = []
    for signal in SIGNALS:
        words = seconds_of(minute, signal, said)
        out.append(UNKNOWN if "unseen" in words else words.count("up"))
    return out


def seconds_of(minute: int, signal: str, said: Said) -> list[str]:
    """The minute's sixty words."""
    first = minute * 60
    words = ["unseen"] * 60
    for second, word in said[signal]:
        if second + HOLD[signal] <= first or second >= first + 60:
            continue
        if word == "down" and _cannot_be_seen(signal, second, said):
            word = "unseen"
        for at in range(max(second, first), min(second + HOLD[signal], first + 60)):
            words[at - first] = word
    return words


def _cannot_be_seen(signal: str, second: int, said: Said) -> bool:
    """Something it is seen through was down then, or at that something's next run."""
    way = BEHIND.get(signal)
    while way:
        last, following = None, None
        for at, word in said[way]:
            if at <= second:
                last = (at, word)
            elif following is None:
                following = (at, word)
        if last and last[1] == "down" and second < last[0] + HOLD[way]:
            return True
        if following and following[1] == "down" and following[0] <= second + HOLD[way]:
            return True
        way = BEHIND.get(way)
    return False


# ---- the books -----------------------------------------------------------------------------------------------


def ledger(rows: list[Row], first: int, end: int) -> dict[str, bytes]:
    """rows: all that came, whatever card they came from."""
    told: dict[int, list[bytes]] = {}
    off = reasons(rows)
    for row in rows:
        told.setdefault(row.minute, []).append(row.codes)
    out = {}
    for index, signal in enumerate(SIGNALS):
        codes = [UNKNOWN] * (end - first)
        for minute in off:
            codes[minute - first] = OFF
        for minute, accounts in told.items():
            values = {one[index] for one in accounts} - {UNKNOWN}
            if len(values) > 1:
                codes[minute - first] = DISPUTED
            elif values:
                codes[minute - first] = values.pop()
        out[signal] = bytes(codes)
    return out


def reasons(rows: list[Row]) -> dict[int, set[str]]:
    """Why the agent was off, by minute."""
    out: dict[int, set[str]] = {}
    for row in rows:
        for minute, reason in row.off.items():
            if minute < row.minute:  # else its clock was wrong, as it knew by then
                out.setdefault(minute, set()).add(reason)
    return out


@cache
def lesson_of(minute: int) -> tuple[int, int] | None:
    """(local day, which lesson of it) in which the minute lies."""
    local = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(minutes=minute + 7 * 60)
    for weekday, first, end in LESSONS:
        if weekday == local.weekday() and first <= local.hour * 60 + local.minute < end:
            return local.toordinal(), first
    return None


class Outage(NamedTuple):
    """As docs/truth.md says. lessons: those with a minute in which it was down."""

    signal: str
    first_minute: int
    last_minute: int
    end_minute: int | None
    down_seconds: int
    cause: str
    lessons: int


def outages(books: dict[str, bytes], first: int) -> list[Outage]:
    found = []
    for signal, codes in books.items():
        down: list[int] = []
        for place, code in enumerate(codes):
            minute = first + place
            if code < FULL and (signal != BOARD or lesson_of(minute) is not None):
                down.append(minute)
            elif code == FULL and down:
                found.append(_outage(books, first, signal, down, minute))
                down = []
        if down:
            found.append(_outage(books, first, signal, down, None))
    return sorted(found)


def _outage(books: dict[str, bytes], first: int, signal: str, down: list[int], end: int | None) -> Outage:
    seconds = 0
    for minute in down:
        seconds += FULL - books[signal][minute - first]
    lessons = {lesson_of(minute) for minute in down} - {None}
    cause = cause_of(books, first, down[0], down[-1]) if signal == INTERNET else signal
    return Outage(signal, down[0], down[-1], end, seconds, cause, len(lessons))


def cause_of(books: dict[str, bytes], first: int, begin: int, last: int) -> str:
    """Of the Internet: the rung that was down longest, the lowest of equals; else what the path says."""
    best, most = "", 0
    for rung in LADDER:
        seconds = 0
        for code in books[rung][begin - first : last + 1 - first]:
            seconds += FULL - code if code < FULL else 0
        if seconds > most:
            best, most = rung, seconds
    domestic = books["line.domestic"][begin - first : last + 1 - first]
    if best == "line.international" and not [code for code in domestic if code <= FULL]:
        return "line.domestic"
    if best:
        return best
    whole = 0
    for place in range(begin - first, last + 1 - first):
        if FULL in (books["line.domestic"][place], books["line.international"][place]):
            whole += 1
    return "service" if whole > last + 1 - begin - whole else "unknown"


def availability(codes: bytes, first: int, *, lessons: bool) -> tuple[int, int, int, int]:
    """Up, down, off, unknown seconds."""
    up = down = off = unknown = 0
    asked = [code for place, code in enumerate(codes) if not lessons or lesson_of(first + place) is not None]
    for code, minutes in Counter(asked).items():
        if code <= FULL:
            up += minutes * code
            down += minutes * (FULL - code)
        elif code == OFF:
            off += minutes * FULL
        else:
            unknown += minutes * FULL
    return up, down, off, unknown


def verdict(seconds: tuple[int, int, int, int], permille: int, coverage_permille: int, *, off_is_down: bool) -> str:
    """Of one school against one share of the time: every outcome of what is not known is tried."""
    up, down, off, unknown = seconds
    if off_is_down:
        down += off
    else:
        unknown += off
    asked = up + down + unknown
    if not asked:
        return "unknown"
    outcomes = {(up + lucky) * 1000 >= permille * asked for lucky in (0, unknown)}
    if len(outcomes) == 1:
        return "met" if outcomes.pop() else "missed"
    if not up + down or (up + down) * 1000 < coverage_permille * asked:
        return "unknown"
    return "met" if up * 1000 >= permille * (up + down) else "missed"
