"""Whatever a gateway's clock does, a minute is placed where it truly was or counts as unknown; against a simulated machine
that knows the true time. CLOCK_LIVES=2000 CLOCK_SEED=… for a long round."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random, SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.agent.clock_lives import START, YEARS, Machine

from schoolbeat_wire.catalogue import DISPUTED, UNKNOWN

LIVES = int(os.environ.get("CLOCK_LIVES", "60"))
SEED = int(os.environ.get("CLOCK_SEED") or SystemRandom().randrange(2**32))
ERROR = 2.0


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        made = Machine(Path(folder), Random(1))
        yield made
        made.close()


def codes(machine: Machine, first: int, end: int) -> list[int]:
    return [machine.books.code(int(START // 60) + minute) for minute in range(first, end)]


# ---- by chance ----------------------------------------------------------------------------------------------------


def honest(random: Random, machine: Machine) -> None:
    """Boots that show any time, NTP that comes and goes, clocks set by hand, a right server: nobody lies about being
    right."""
    shut_down = START
    for _ in range(random.randrange(2, 6)):
        shows = random.choice(
            (0.0, shut_down, machine.true, machine.true - 86_400, machine.true + YEARS, machine.true + 3_600)
        )
        machine.boots_up(shows, ppm=random.choice((0, 0, 20, -50, 100)))
        for _ in range(random.randrange(1, 4)):
            if random.randrange(3) == 0:
                machine.off(random.choice((3, 40, 200)))
            machine.starts()
            for _ in range(random.randrange(1, 5)):
                happening = random.randrange(8)
                if happening == 0:
                    machine.ntp()
                elif happening == 1:
                    machine.ntp_lost()
                elif happening == 2:
                    machine.set_by_hand(random.choice((-7_200, -70, 65, 3_600, YEARS)))
                elif happening in (3, 4):
                    machine.asks_the_server(random.choice((0.1, 1.9, 2.5)))
                    machine.online = True
                elif happening == 5:
                    machine.online = False
                elif happening == 6:
                    machine.off(random.choice((30, 4_000)))  # it sleeps
                    machine.marks.append(machine.true)
                machine.lives(random.choice((15, 70, 130, 300, 600)))
            (machine.stops if random.randrange(3) == 0 else machine.is_killed)()
            shut_down = machine.unix()
        machine.off(random.choice((30, 400, 9_000, 90_000)))
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(200)
    machine.hands_over()


def lying(random: Random, machine: Machine) -> None:
    """As above, but the first word on the time is a lie that somebody better corrects before the boot ends."""
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.online = random.randrange(2) == 0
    machine.lives(random.choice((70, 400)))
    (machine.stops if random.randrange(3) == 0 else machine.is_killed)()
    for _ in range(random.randrange(1, 4)):
        machine.off(random.choice((100, 900, 30_000)))
        machine.boots_up(machine.true + random.choice((-20_000, -700, -100, 150, 900, 40_000)))
        machine.online = random.randrange(2) == 0
        who = random.choice(("trust", "server"))
        machine.starts()
        if who == "server":
            machine.books.error = machine.unix() - machine.true
            machine.asks_the_server()
        for _ in range(random.randrange(1, 4)):
            machine.lives(random.choice((15, 130, 400)))
            if random.randrange(3) == 0:
                machine.is_killed()
                machine.off(random.choice((5, 200)))
                machine.starts()
        machine.books.error = 0.0
        machine.ntp()
        machine.lives(random.choice((30, 300)))
        (machine.stops if random.randrange(3) == 0 else machine.is_killed)()
    machine.off(200)
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(1_800)  # past the minutes that were taken back: those are never told a second time
    machine.hands_over()


def by_chance(number: int, story: object, *, trust: bool) -> Machine:
    random = Random(number)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:  # noqa: S108
        machine = Machine(Path(folder), random, trust=trust)
        at = START
        for _ in range(random.randrange(0, 12)):
            at += random.choice((30, 500, 4_000, 40_000))
            machine.down.append((at, at + random.choice((15, 61, 300, 3_000))))
            at = machine.down[-1][1]
        try:
            story(random, machine)  # type: ignore[operator]
        finally:
            machine.close()
    return machine


drawn = settings(
    max_examples=LIVES,
    deadline=None,
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@seed(SEED)
@drawn
@given(st.integers(0, 2**48))
def test_with_sources_that_are_right_when_they_say_so_no_minute_is_untrue(number: int) -> None:
    machine = by_chance(number, honest, trust=False)

    assert (SEED, number, machine.untrue(ERROR + 2)) == (SEED, number, [])


@seed(SEED)
@drawn
@given(st.integers(0, 2**48))
def test_what_a_wrong_clock_placed_is_taken_back_when_a_better_one_speaks(number: int) -> None:
    machine = by_chance(number, lying, trust=True)

    assert (SEED, number, machine.untrue(ERROR + 10)) == (SEED, number, [])


# ---- one by one ---------------------------------------------------------------------------------------------------


def test_a_boot_at_1970_is_placed_when_ntp_comes_and_nothing_of_it_is_lost(machine: Machine) -> None:
    machine.boots_up(0.0)
    machine.starts()
    machine.lives(900)
    machine.ntp()
    machine.lives(100)
    machine.hands_over()

    assert (machine.untrue(ERROR), machine.missing(ERROR)) == ([], [])
    assert codes(machine, 1, 15) == [60] * 14
