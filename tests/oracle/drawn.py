"""School-months as Hypothesis draws them: most of the month the gateway is off, so that each is quickly told."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st
from tests.oracle.month import (
    DEVICES,
    EVERY_SECONDS,
    FIRST_MINUTE,
    LADDER,
    LESSONS,
    MONTH_MINUTES,
    PROBES,
    Ending,
    Fault,
    Life,
    Month,
    Ran,
    Runs,
    Step,
)

ENDINGS: tuple[Ending, ...] = ("power", "crash", "stop")
THINGS = (*LADDER, "service", *DEVICES)
SPLIT = 64  # times are whole parts of a second: no float is ever rounded


@st.composite
def some_month(draw: st.DrawFn, beside: float | None = None) -> Month:
    """beside: it begins not long before or after that second."""
    lives: list[Life] = []
    faults: list[Fault] = []
    free = FIRST_MINUTE * 60 + 3_600 if beside is None else int(beside) - 300
    for _ in range(draw(st.integers(1, 5))):
        free += draw(st.sampled_from((7, 95, 200, 1_300, 20_000, 200_000)))
        begin = draw(st.just(free) | _in_lessons(free))
        for _ in range(draw(st.integers(1, 3))):
            begin += draw(st.integers(1, 200))
            life = draw(_life(begin, lives[-1] if lives else None))
            if life.end >= (FIRST_MINUTE + MONTH_MINUTES - 200) * 60:
                break
            lives.append(life)
            faults += draw(st.lists(_fault(life), max_size=3))
            begin = int(life.end) + 1
        free = begin + 4_000
    return Month(
        tuple(lives),
        tuple(faults),
        draw(st.sampled_from((frozenset(), frozenset({"line.isp"}), frozenset(LADDER[1:3])))),
    )


def _in_lessons(after: int) -> st.SearchStrategy[int]:
    """A few minutes about the begin or end of a lesson on one of the next days (UTC+7; 14 November 2025 is a Friday)."""
    monday = (FIRST_MINUTE - 4 * 1_440) * 60 - 7 * 3_600

    def place(week: int, lesson: tuple[int, int, int], about: int) -> int:
        return monday + week * 604_800 + lesson[0] * 86_400 + lesson[1] * 60 + about

    first = max(0, (after - monday) // 604_800)
    drawn = st.builds(place, st.integers(first, first + 1), st.sampled_from(LESSONS), st.integers(-400, 2_700))
    return drawn.map(lambda at: max(at, after))


@st.composite
def _life(draw: st.DrawFn, begin: int, former: Life | None) -> Life:
    minutes = draw(st.sampled_from((0, 1, 2, 3, 6, 12, 25)))
    end = begin + 60 * minutes + draw(st.integers(1, 90)) + 1 / 256
    new_card = former is None or draw(st.integers(0, 9)) == 0
    knew_late = former is not None and (not former.clock or former.clock[0].at > former.begin + 1 / 64)
    long_after = former is not None and knew_late and begin - former.end > 600  # no agent stays away so long
    new_boot = former is None or new_card or former.ending == "power" or long_after or draw(st.booleans())
    known = None if new_boot or former is None or not former.clock else former.clock[-1].error
    clock = draw(_clock(begin, end, known))
    ending = draw(st.sampled_from(ENDINGS))
    ran = runs(
        Random(draw(st.integers(0, 2**32))), begin, end, draw(st.sampled_from((0, 0, 3, 20))), draw(st.booleans())
    )
    return Life(float(begin), end, ending, new_boot, new_card, clock, ran)


# Hours, and about a minute or two: there the same minutes come again while their last runs are still awaited.
_errors = st.integers(-4_000, 4_000) | st.integers(-130, 130)


@st.composite
def _clock(draw: st.DrawFn, begin: int, end: float, known: int | None) -> tuple[Step, ...]:
    """known: the error of an anchor that an agent before it left in this boot. Only the truth ends a series of errors."""
    kind = draw(st.sampled_from(("right", "right", "right", "late", "never", "wrong", "twice")))
    if known is not None:
        first = Step(float(begin), known)
    elif kind == "never":
        return ()
    else:
        wait = 0 if kind == "right" else draw(st.integers(0, 300))
        if begin + wait + 1 / 128 >= end:
            return ()
        error = 0 if kind in ("right", "late") else draw(_errors.filter(lambda error: abs(error) > 1))
        first = Step(begin + wait + 1 / 128, error)
    steps = [first]
    if steps[0].error:
        at = steps[0].at
        for error in [draw(_errors), 0] if kind == "twice" else [0]:
            at = int(at) + draw(st.integers(2, 90) | st.integers(2, 400)) + 1 / 128
            if at < end and abs(error - steps[-1].error) > 1:
                steps.append(Step(at, error))
    return tuple(steps)


@st.composite
def _fault(draw: st.DrawFn, life: Life) -> Fault:
    begin = life.begin + draw(st.integers(-100, int(life.end - life.begin)))
    return Fault(draw(st.sampled_from(THINGS)), begin, begin + draw(st.sampled_from((1, 9, 31, 60, 61, 200, 700))))


def runs(random: Random, begin: int, end: float, failing: int, ragged: bool) -> Runs:
    """Each probe's, one after the other; ragged: they start late, take long, and sometimes pass a turn."""
    out = []
    for probe in PROBES:
        at = begin + random.randrange(3 * SPLIT) / SPLIT
        over = at  # of one probe no run begins before the last one is over
        while at < end:
            started = max(over, at + (random.randrange(2 * SPLIT) / SPLIT if ragged else 0))
            seconds = (1 + random.randrange((9 if ragged else 1) * SPLIT)) / SPLIT
            over = started + seconds
            out.append(Ran(probe, started, over, random.randrange(100) >= failing))
            at += EVERY_SECONDS[probe] * (2 if ragged and random.randrange(12) == 0 else 1)
    return Runs(out)
