"""What the server's books must say: owners, ledger, outages, availability, verdicts, by loops. Knows no product code."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

from tests.oracle.calendars import lesson_places, lessons_by_minute
from tests.oracle.month import BOARD, INTERNET, LADDER, SIGNALS, Calendar, Enrolled, Removed, Rule
from tests.oracle.truth import UNKNOWN, Row

OFF, DISPUTED, FULL = 254, 253, 60
KNOWN = re.compile(rb"[\x00-\x3c]")
NO_RULES: frozenset[Rule] = frozenset()


# ---- what was taken ------------------------------------------------------------------------------------------


class Tells(NamedTuple):
    """The inventory of an agent has come."""

    agent: str
    signals: tuple[str, ...]


class Word(NamedTuple):
    """An agent's on minutes [first, end) before the one that tells it. interrupted: they are not known to be off."""

    card: int
    seq: int
    first: int
    end: int
    reason: str


class Came(NamedTuple):
    """Minutes of an agent have come, with its words of minutes before."""

    agent: str
    rows: tuple[Row, ...]
    words: tuple[Word, ...]


Happening = Tells | Came | Enrolled | Removed | Calendar


class Taken:
    """Walks through what happened, in order. owners: signal -> [agent, first minute, end minute or None]."""

    def __init__(self) -> None:
        self.agents: set[str] = set()
        self.tells: dict[str, tuple[str, ...]] = {}
        self.waiting: dict[str, list[Came]] = {}
        self.rows: list[tuple[str, Row]] = []
        self.heard: set[tuple[str, int, int, int]] = set()  # words that came before: agent, card, seq, first
        self.words: dict[tuple[str, int], Word] = {}  # those that stand: of an agent, by their first minute
        self.owners: dict[str, list[tuple[str, int, int | None]]] = {}
        self.documents: dict[str, tuple[Rule, ...]] = {}

    def take(self, what: Happening) -> None:
        if isinstance(what, Enrolled):
            self.agents.add(what.agent)
        elif isinstance(what, Removed):
            self.agents.discard(what.agent)
            for tenures in self.owners.values():
                agent, first, end = tenures[-1]
                if agent == what.agent and end is None:
                    tenures[-1] = (agent, first, max(first, what.minute))
        elif isinstance(what, Calendar):
            self.documents[what.document] = what.rules
        elif what.agent in self.agents and isinstance(what, Tells):
            if what.agent not in self.tells:
                self.tells[what.agent] = what.signals
                self._claim(what.agent)
            for came in self.waiting.pop(what.agent, []):
                self._read(came)
        elif what.agent in self.agents and isinstance(what, Came):
            if what.agent in self.tells:
                self._claim(what.agent)
                self._read(what)
            else:
                self.waiting.setdefault(what.agent, []).append(what)

    def _read(self, came: Came) -> None:
        """Of two words of a card that begin in one minute the one with the greater seq stands, of two cards the one
        that comes last (docs/wire.md)."""
        self.rows += [(came.agent, row) for row in came.rows]
        for word in came.words:
            heard, key = (came.agent, word.card, word.seq, word.first), (came.agent, word.first)
            known = self.words.get(key)
            if heard not in self.heard and (known is None or known.card != word.card or known.seq <= word.seq):
                self.words[key] = word
            self.heard.add(heard)

    def _claim(self, agent: str) -> None:
        """What nobody owns is its own: from the beginning, or from where the last owner's time ended."""
        for signal in self.tells[agent]:
            tenures = self.owners.setdefault(signal, [])
            if not tenures:
                tenures.append((agent, 0, None))
            elif tenures[-1][2] is not None:
                tenures.append((agent, tenures[-1][2], None))

    def owner(self, signal: str, minute: int) -> str:
        for agent, first, end in self.owners.get(signal, []):
            if first <= minute and (end is None or minute < end):
                return agent
        return ""

    @property
    def rules(self) -> frozenset[Rule]:
        return frozenset(rule for rules in self.documents.values() for rule in rules)


# ---- the ledger ----------------------------------------------------------------------------------------------


def ledger(taken: Taken, first: int, end: int) -> dict[str, bytes]:
    off = reasons(taken)
    told: dict[tuple[str, int], set[int]] = {}
    for agent, row in taken.rows:
        for signal, code in zip(taken.tells[agent], row.codes, strict=True):
            if code != UNKNOWN and taken.owner(signal, row.minute) == agent:
                told.setdefault((signal, row.minute), set()).add(code)
    books = {signal: [UNKNOWN] * (end - first) for signal in SIGNALS}
    for signal, tenures in taken.owners.items():
        for agent, held_from, held_to in tenures:
            for teller, minute in off:
                if teller == agent and held_from <= minute and (held_to is None or minute < held_to):
                    books[signal][minute - first] = OFF
    for (signal, minute), values in told.items():
        books[signal][minute - first] = values.pop() if len(values) == 1 else DISPUTED
    return {signal: bytes(codes) for signal, codes in books.items()}


def reasons(taken: Taken) -> dict[tuple[str, int], set[str]]:
    """Why an agent was off, by agent and minute."""
    out: dict[tuple[str, int], set[str]] = {}
    for (agent, _), word in taken.words.items():
        for minute in range(word.first, word.end) if word.reason != "interrupted" else ():
            out.setdefault((agent, minute), set()).add(word.reason)
    return out


# ---- outages -------------------------------------------------------------------------------------------------


class Outage(NamedTuple):
    """As docs/truth.md says. lessons: those with a minute in which it was down."""

    signal: str
    first_minute: int
    last_minute: int
    end_minute: int | None
    down_seconds: int
    cause: str
    lessons: int


def outages(books: dict[str, bytes], first: int, rules: frozenset[Rule] = NO_RULES) -> list[Outage]:
    found = []
    lesson_at = lessons_by_minute(first, first + len(books[INTERNET]), rules)
    for signal, codes in books.items():
        down: list[int] = []
        for place in (match.start() for match in KNOWN.finditer(codes)):
            if codes[place] == FULL and down:
                found.append(_outage(books, first, signal, down, place, lesson_at))
                down = []
            elif codes[place] < FULL and (signal != BOARD or lesson_at[place] is not None):
                down.append(place)
        if down:
            found.append(_outage(books, first, signal, down, None, lesson_at))
    return sorted(found)


def _outage(
    books: dict[str, bytes],
    first: int,
    signal: str,
    down: list[int],
    end: int | None,
    lesson_at: Sequence[tuple[int, int] | None],
) -> Outage:
    seconds = 0
    for place in down:
        seconds += FULL - books[signal][place]
    lessons = {lesson_at[place] for place in down} - {None}
    cause = cause_of(books, down[0], down[-1]) if signal == INTERNET else signal
    over = None if end is None else first + end
    return Outage(signal, first + down[0], first + down[-1], over, seconds, cause, len(lessons))


def cause_of(books: dict[str, bytes], begin: int, last: int) -> str:
    """Of the Internet, from place `begin` to `last`: the rung that was down longest, the lowest of equals; else what
    the path says."""
    best, most = "", 0
    for rung in LADDER:
        seconds = 0
        for code in books[rung][begin : last + 1]:
            seconds += FULL - code if code < FULL else 0
        if seconds > most:
            best, most = rung, seconds
    domestic = books["line.domestic"][begin : last + 1]
    if best == "line.international" and not [code for code in domestic if code <= FULL]:
        return "line.domestic"
    if best:
        return best
    whole = 0
    for place in range(begin, last + 1):
        if FULL in (books["line.domestic"][place], books["line.international"][place]):
            whole += 1
    return "service" if whole > last + 1 - begin - whole else "unknown"


# ---- figures -------------------------------------------------------------------------------------------------


def availability(
    codes: bytes, first: int, *, lessons: bool, rules: frozenset[Rule] = NO_RULES
) -> tuple[int, int, int, int]:
    """Up, down, off, unknown seconds."""
    up = down = off = unknown = 0
    asked = codes
    if lessons:
        asked = bytes(codes[place] for place in lesson_places(first, first + len(codes), rules))
    for code in set(asked):
        minutes = asked.count(code)
        if code <= FULL:
            up += minutes * code
            down += minutes * (FULL - code)
        elif code == OFF:
            off += minutes * FULL
        else:
            unknown += minutes * FULL
    return up, down, off, unknown


def verdict(seconds: tuple[int, int, int, int], share: Fraction, coverage: Fraction, *, off_is_down: bool) -> str:
    """Of one site against one share of the time: every outcome of what is not known is tried."""
    up, down, off, unknown = seconds
    if off_is_down:
        down += off
    else:
        unknown += off
    asked = up + down + unknown
    if not up + down:
        return "unknown"
    outcomes = {Fraction(up + lucky, asked) >= share for lucky in (0, unknown)}
    if len(outcomes) == 1:
        return "met" if outcomes.pop() else "missed"
    if Fraction(up + down, asked) < coverage:
        return "unknown"
    return "met" if Fraction(up, up + down) >= share else "missed"


# ---- schools -------------------------------------------------------------------------------------------------


def together(how: str, sites: Sequence[tuple[str, str]]) -> str:
    """Of a school, from (kind, verdict) of its sites: every outcome of the unknown ones is tried."""
    asked = [told for kind, told in sites if how != "main" or kind == "main"]
    outcomes = set()
    for outcome in product(*(("met", "missed") if told == "unknown" else (told,) for told in asked)):
        met = "met" in outcome if how == "any" else "missed" not in outcome
        outcomes.add("met" if met else "missed")
    return outcomes.pop() if len(outcomes) == 1 and asked else "unknown"


def of_schools(schools: Sequence[str], share: Fraction) -> str:
    """Of the target, from its schools' verdicts: every outcome of the unknown ones is tried."""
    if not schools:
        return "not_applicable"
    sure, open_ = schools.count("met"), schools.count("unknown")
    outcomes = {Fraction(sure + lucky, len(schools)) >= share for lucky in range(open_ + 1)}
    if len(outcomes) > 1:
        return "unknown"
    return "met" if outcomes.pop() else "missed"
