"""The minutes that an agent must save, worked out second by second, by loops. Knows no product code."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.oracle.month import BEHIND, HOLD, PROBES, SIGNALS, Life, Month, Ran, Runs, Step, answers, kept_by

UNKNOWN = 255

Said = dict[str, list[tuple[int, str]]]  # signal -> (second by the agent's clock, word), in order


class Row(NamedTuple):
    """A minute as the agent saves it. off: minutes that it declares, with the reason, as proven."""

    minute: int
    codes: bytes
    off: dict[int, str]


def rows_of(month: Month, tells: tuple[str, ...] = SIGNALS) -> list[list[Row]]:
    """By card, in the order of saving; of an agent that watches all of it and tells of some signals."""
    cards: list[list[Row]] = [[]]
    known = Known()
    for life in month.lives:
        if life.new_card and cards[-1]:
            cards.append([])
        if life.new_card:
            known = Known()
        _live(month, life, known, cards[-1])
    places = [SIGNALS.index(signal) for signal in tells]
    return [[row._replace(codes=bytes(row.codes[at] for at in places)) for row in rows] for rows in cards]


@dataclass
class Known:
    """What the card tells of the agents before. edge: the first minute of which nothing is told yet. kept: runs whose
    time was not known, of this boot; lost: there were such, and nobody will ever know. rebooted: since the edge."""

    edge: int | None = None
    stopped: int | None = None
    rebooted: bool = False
    kept: tuple[Ran, ...] = ()
    lost: bool = False
    carried: dict[int, str] = field(default_factory=dict)


def _live(month: Month, life: Life, known: Known, rows: list[Row]) -> None:
    if life.new_boot:
        known.rebooted, known.lost, known.kept = True, known.lost or bool(known.kept), ()
    known.kept += kept_by(life)
    if not life.clock:
        return
    earliest = min([life.begin, *(ran.started for ran in known.kept)])
    first = minute_of(earliest + life.clock[0].error)
    if known.edge is not None and not known.lost:
        start = known.edge + 2 if known.stopped is None else max(known.stopped + 1, known.edge)
        reason = "clean_stop" if known.stopped is not None else "power" if known.rebooted else "crash"
        known.carried.update(dict.fromkeys(range(start, first), reason))
    before = len(rows)
    whole = replace(life, begin=earliest, runs=Runs(dict.fromkeys([*known.kept, *life.runs])))
    known.edge = first
    made = 0
    for minute, codes, steps in _minutes_of_life(month, whole, {row.minute for row in rows}):
        for step in life.clock[made + 1 : steps + 1]:
            _withdraw(known, earliest, step)
        made = max(made, steps)
        rows.append(Row(minute, codes, known.carried))
        known.carried = {}
    for step in life.clock[made + 1 :]:
        _withdraw(known, earliest, step)
    if len(rows) > before:
        known.edge, known.kept = rows[-1].minute + 1, ()
    known.lost = known.rebooted = False
    known.stopped = minute_of(life.end + life.clock[-1].error) if life.ending == "stop" else None


def _withdraw(known: Known, earliest: float, step: Step) -> None:
    """What was not told yet when the clock was put right: no minute was off in which this agent lived."""
    first = minute_of(earliest + step.error)
    if any(minute >= first for minute in known.carried):
        known.carried = {minute: reason for minute, reason in known.carried.items() if minute < first}
        known.edge = minute_of(step.at + step.error)


def minute_of(second: float) -> int:
    return int(second // 60)


def _minutes_of_life(month: Month, life: Life, saved: set[int]) -> list[tuple[int, bytes, int]]:
    """Each with how many corrections of the clock had been made when it was saved."""
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
                goes_on = replace(life, ending="power")  # it is no stop that ends this part of it
                before = following is None or _is_saved(minute, goes_on, said, end, step.error, stepped=False)
                out.append((minute, codes, index if before else index + 1))
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
