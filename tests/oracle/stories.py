"""School-months with all that happens to them at the server: who watches, when what comes in, what operators do."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from hypothesis import strategies as st
from tests.oracle.calendars import DAY, LOCAL, day_of
from tests.oracle.drawn import runs, some_month
from tests.oracle.hours import BEGIN, END, ENDINGS, Hour, Trouble
from tests.oracle.month import (
    BOARD,
    FIRST_MINUTE,
    INTERNET,
    LADDER,
    MONTH_MINUTES,
    SIGNALS,
    Calendar,
    Enrolled,
    Life,
    Month,
    Removed,
    Rule,
    Step,
)

GATEWAY, NEW_GATEWAY, PC = "gateway", "gateway-2", "pc-1"
WEEKS_SECONDS = 21 * 86_400
MORNING, AFTERNOON = ((405, 450), (460, 505), (530, 575)), ((780, 825), (835, 880))


@dataclass(frozen=True)
class Watcher:
    agent: str
    tells: tuple[str, ...]
    month: Month


@dataclass(frozen=True)
class Way:
    """What happens between agents and server, in parts of a hundred where nothing else is said; seed decides which.

    late_seconds: what comes late does so by that much at most. after: all of it comes after the month.
    """

    seed: int
    lost: int
    repeated: int
    altered: int
    troubles: int
    late: int
    late_seconds: int
    after: bool
    shuffled: bool
    sizes: tuple[int, ...] = (1, 1, 2, 7, 60)  # of messages, in minutes


@dataclass(frozen=True)
class Story:
    watchers: tuple[Watcher, ...]
    operators: tuple[Enrolled | Removed | Calendar, ...]
    way: Way


ways = st.builds(
    Way,
    st.integers(0, 2**32),
    st.sampled_from((0, 0, 5, 30)),
    st.sampled_from((0, 20, 100)),
    st.sampled_from((0, 0, 0, 10)),
    st.sampled_from((0, 30)),
    st.sampled_from((0, 10, 50, 100)),
    st.sampled_from((90, 7_200, WEEKS_SECONDS)),
    st.booleans(),
    st.booleans(),
)


@st.composite
def some_story(draw: st.DrawFn) -> Story:
    month = draw(some_month())
    told = draw(st.sampled_from((SIGNALS, SIGNALS, tuple(name for name in SIGNALS if name != BOARD))))
    watchers = [Watcher(GATEWAY, told, month)]
    operators: list[Enrolled | Removed | Calendar] = []
    if draw(st.integers(0, 2)) == 0:
        tells = draw(st.sampled_from(((BOARD,), ("device.ap", BOARD), (INTERNET, BOARD), SIGNALS)))
        watchers.append(Watcher(PC, tells, draw(_beside(month))))
        operators += draw(_comes_and_goes(PC))
    if draw(st.integers(0, 2)) == 0:
        watchers.append(Watcher(NEW_GATEWAY, SIGNALS, draw(_beside(month))))
        at = draw(_minute_of(watchers[-1].month) | _minute_of(month))
        operators.append(Removed(at, GATEWAY))
        operators.append(Enrolled(at - draw(st.sampled_from((0, 0, 3, 3_000))), NEW_GATEWAY))
        if draw(st.integers(0, 4)) == 0:
            operators.append(Enrolled(at + draw(st.sampled_from((1, 5, 500))), GATEWAY))
    days = sorted({day_of(minute_of(life.begin)) for watcher in watchers for life in watcher.month.lives})
    if days:
        operators += draw(_calendars(days))
    return Story(tuple(watchers), _possible(operators), draw(ways))


def _possible(operators: list[Enrolled | Removed | Calendar]) -> tuple[Enrolled | Removed | Calendar, ...]:
    """In order; nobody is enrolled who is, or removed who is not."""
    out: list[Enrolled | Removed | Calendar] = []
    agents = {GATEWAY}
    for what in sorted(operators, key=lambda what: what.minute):
        if isinstance(what, Calendar):
            out.append(what)
        elif isinstance(what, Enrolled) != (what.agent in agents):
            agents ^= {what.agent}
            out.append(what)
    return tuple(out)


def minute_of(second: float) -> int:
    return int(second // 60)


@st.composite
def _beside(draw: st.DrawFn, month: Month) -> Month:
    """Another machine's, in the same school: the same things fail."""
    lives = draw(some_month(month.lives[0].begin if month.lives else None)).lives
    return Month(lives, month.faults, month.silent)


def _minute_of(month: Month) -> st.SearchStrategy[int]:
    """One in which something may just be told."""
    if not month.lives:
        return st.just(FIRST_MINUTE + MONTH_MINUTES // 2)
    lives = st.sampled_from(month.lives)
    return st.builds(
        lambda life, part: minute_of(life.begin + (life.end - life.begin) * part / 8), lives, st.integers(0, 9)
    )


@st.composite
def _comes_and_goes(draw: st.DrawFn, agent: str) -> list[Enrolled | Removed]:
    """Enrolled before the month, and perhaps removed in it, and perhaps enrolled again."""
    out: list[Enrolled | Removed] = [Enrolled(FIRST_MINUTE, agent)]
    at = FIRST_MINUTE
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 2)))):
        at += draw(st.integers(60, MONTH_MINUTES // 3))
        out += [Removed(at, agent), Enrolled(at + draw(st.integers(0, 90)), agent)]
    return out


@st.composite
def _calendars(draw: st.DrawFn, days: list[int]) -> list[Calendar]:
    """About days on which something was measured; loaded before, in between or late."""
    out = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2, 3)))):
        rules = draw(st.lists(_rule(days), min_size=1, max_size=3, unique_by=lambda rule: (rule.place, rule.kind)))
        about = draw(st.sampled_from(days)) * DAY - LOCAL
        at = about + draw(st.sampled_from((-2_000, 500, 700, 1_500, 9_000, 40_000)))
        document = draw(st.sampled_from("ab"))
        if document == "b":  # who decides of two that say 'open' at one place and day is not said
            rules = [rule for rule in rules if rule.kind != "open"]
        out.append(Calendar(min(max(at, FIRST_MINUTE), FIRST_MINUTE + MONTH_MINUTES), document, tuple(rules)))
    return out


def _rule(days: list[int]) -> st.SearchStrategy[Rule]:
    places, day, length = st.integers(0, 2), st.sampled_from(days), st.sampled_from((1, 1, 2, 9))
    shifts = st.sampled_from((MORNING, AFTERNOON, (*MORNING, *AFTERNOON)))
    hours = st.sampled_from((None, (0, 470), (720, 1_080), (420, 421)))
    weekdays = st.sampled_from(((0, 1, 2, 3, 4), (0, 1, 2, 3, 4, 5), (5, 6), (2,)))
    return st.one_of(
        st.builds(lambda p, d, n, h: Rule(p, "closed", d, d + n, hours=h), places, day, length, hours),
        st.builds(lambda p, d, w: Rule(p, "open", d, d + 1, as_weekday=w), places, day, st.none() | st.integers(0, 6)),
        st.builds(lambda p, d, s: Rule(p, "open", d, d + 1, lessons=s), places, day, shifts),
        st.builds(lambda p, d, n: Rule(p, "exam", d, d + n), places, day, length),
        st.builds(lambda p, d, n, w, s: Rule(p, "week", d, d + n, w, s), places, day, length, weekdays, shifts),
    )


# ---- an hour, told as it happens -------------------------------------------------------------------------------


@st.composite
def some_hour(draw: st.DrawFn) -> Hour:
    """One or two troubles of some minutes; between them, before and after, all is well for long enough to be told."""
    troubles: list[Trouble] = []
    at = BEGIN + 300 + draw(st.integers(0, 60))
    for _ in range(draw(st.integers(0, 2))):
        kind = draw(st.sampled_from((*ENDINGS, *LADDER, "beyond", "server")))
        seconds = draw(st.sampled_from((2, 7, 20, 75, 130, 300, 420)) | st.integers(1, 400))
        troubles.append(Trouble(kind, at, at + seconds))
        at += seconds + draw(st.sampled_from((700, 760)))
    silent = draw(st.sampled_from((frozenset(), frozenset({"line.isp"}), frozenset(LADDER[1:3]))))
    hour_seed = draw(st.integers(0, 2**32))
    return Hour(
        tuple(troubles),
        silent,
        _lives(troubles, Random(hour_seed)),
        draw(st.integers(10, 20)),
        draw(st.integers(1, 25)),
        draw(st.sampled_from((1, 2, 100))),
        hour_seed,
    )


def _lives(troubles: list[Trouble], random: Random) -> tuple[Life, ...]:
    out: list[Life] = []
    begin, new_boot = BEGIN - 30, True
    for one in [*(one for one in troubles if one.kind in ENDINGS), Trouble("stop", END + 60, END + 60)]:
        end, ending = one.begin + 1 / 256, ENDINGS.get(one.kind, "stop")
        clock = (Step(begin + 1 / 128, 0),)
        out.append(Life(float(begin), end, ending, new_boot, not out, clock, runs(random, begin, end, 0, False)))
        begin, new_boot = one.end, ending == "power"
    return tuple(out)
