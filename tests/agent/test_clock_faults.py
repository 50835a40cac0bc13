"""Whatever a gateway's clock does, a minute is placed where it truly was or counts as unknown; against a simulated machine
that knows the true time. CLOCK_LIVES=2000 CLOCK_SEED=… for a long round."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random, SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, example, given, seed, settings
from hypothesis import strategies as st
from tests.agent.clock_lives import START, YEARS, Machine

from schoolbeat_agent.settings import load
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

LIVES = int(os.environ.get("CLOCK_LIVES", "30"))
SEED = int(os.environ.get("CLOCK_SEED") or SystemRandom().randrange(2**32))
ERROR = 2.0


@pytest.fixture
def machine() -> Iterator[Machine]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
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


def stepping(random: Random, machine: Machine) -> None:
    """NTP itself lies now and then and says the right time again before the boot ends; whoever starts asks the server."""

    def ends(away: float) -> None:
        (machine.stops if random.randrange(3) == 0 else machine.is_killed)()
        machine.off(away)

    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.online = random.randrange(2) == 0
    machine.asks_the_server()
    machine.lives(random.choice((70, 400)))
    for _ in range(random.randrange(1, 5)):
        happening = random.randrange(7)
        if happening < 3:
            machine.ntp(lie=random.choice((-7_000, -1_500, -285, -70, 65, 300, 3_349, 7_000)))
            for _ in range(random.randrange(1, 3)):
                machine.lives(random.choice((15, 130, 400)))
                machine.online = machine.online != (random.randrange(2) == 0)
                if random.randrange(3) == 0:
                    ends(random.choice((5, 200)))
                    machine.starts()
        elif happening < 5:
            ends(random.choice((5, 200, 900)))
            machine.starts()
        else:
            ends(random.choice((30, 400, 900)))
            machine.boots_up(machine.true + random.choice((0, -100_000)))
            machine.starts()
            machine.lives(random.choice((10, 70)))
        if random.randrange(2) == 0:
            machine.asks_the_server()
        machine.ntp()
        machine.lives(random.choice((30, 130, 400)))
        machine.asks_the_server()  # nothing is handed over before
        machine.lives(random.choice((15, 130, 400)))
    machine.lives(1_800)
    machine.online = True
    machine.asks_the_server()
    machine.hands_over()


def by_chance(number: int, story: object, *, trust: bool) -> Machine:
    random = Random(number)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
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
@example(22116028)
@example(63_016_672_861)
def test_what_a_wrong_clock_placed_is_taken_back_when_a_better_one_speaks(number: int) -> None:
    machine = by_chance(number, lying, trust=True)

    assert (SEED, number, machine.untrue(ERROR + 10)) == (SEED, number, [])


@seed(SEED)
@drawn
@given(st.integers(0, 2**48))
@example(143)
@example(450)
def test_when_ntp_lies_and_tells_the_truth_again_no_minute_stays_where_the_lie_put_it(number: int) -> None:
    machine = by_chance(number, stepping, trust=False)

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


def test_what_was_placed_before_ntp_lied_for_a_moment_stays(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(900)
    machine.ntp(lie=-3_228.0)
    machine.lives(20)
    machine.ntp()
    machine.lives(300)
    machine.hands_over()

    known = [minute for minute, code in enumerate(codes(machine, 1, 19), 1) if code == 60]
    assert machine.untrue(ERROR) == []
    assert known[:13] == list(range(1, 14))
    assert len(known) >= 15


def test_what_was_told_of_off_minutes_before_ntp_lied_for_a_moment_stays(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.online = True
    machine.lives(310)
    machine.stops()
    machine.off(600)
    machine.starts()
    machine.lives(300)
    machine.ntp(lie=3_349.0)
    machine.lives(600)
    machine.is_killed()  # with it goes what it remembered
    machine.starts()
    machine.asks_the_server()
    machine.ntp()
    machine.lives(300)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert codes(machine, 6, 15) == [OFF] * 9
    assert codes(machine, 17, 20) == [60] * 3


def test_a_power_cut_after_ntp_had_lied_is_told_though_the_minutes_it_took_back_lie_ahead(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.online = True
    machine.lives(300)
    machine.ntp(lie=7_000.0)
    machine.lives(900)
    machine.asks_the_server()
    machine.ntp()
    machine.lives(300)
    machine.is_killed()
    machine.off(900)
    machine.boots_up(0.0)
    machine.starts()
    machine.ntp()
    machine.lives(300)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert {machine.books.reason(int(START // 60) + minute) for minute in range(27, 39)} == {"power"}


def test_what_an_agent_of_a_boot_before_told_of_off_minutes_is_taken_back_with_its_rows(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.online = True
    machine.lives(130)
    machine.is_killed()
    machine.off(600)
    machine.starts()
    machine.lives(300)
    machine.is_killed()
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(300)
    machine.is_killed()
    machine.boots_up(machine.true)
    machine.ntp(lie=-7_000.0)
    machine.starts()
    machine.lives(300)
    machine.hands_over()

    assert {machine.books.reason(int(START // 60) + minute) for minute in range(2, 13)} == {""}


@pytest.mark.parametrize("killed", [False, True])
def test_of_two_words_of_the_kernel_that_nobody_could_decide_the_server_decides_later(
    machine: Machine, killed: bool
) -> None:
    machine.boots_up(machine.true)
    machine.ntp(lie=-3_600.0)
    machine.starts()
    machine.lives(300)
    machine.ntp()
    machine.lives(300)
    if killed:
        machine.is_killed()
        machine.starts()
    machine.asks_the_server()
    machine.lives(300)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert codes(machine, -60, -54) == [UNKNOWN] * 6
    assert codes(machine, 6, 10) + codes(machine, 12, 15) == [60] * 7


def test_after_hours_without_a_clock_nothing_is_lost_and_two_such_boots_claim_nothing(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(300)
    machine.is_killed()
    for _ in range(2):
        machine.off(600)
        machine.boots_up(0.0)
        machine.starts()
        machine.lives(40)  # too short to save a run
        machine.is_killed()
    machine.off(600)
    machine.boots_up(0.0)
    machine.starts()
    machine.lives(600)
    machine.asks_the_server()
    machine.lives(100)
    machine.hands_over()

    known = {minute for minute, code in enumerate(codes(machine, 0, 60)) if code != UNKNOWN}
    assert machine.untrue(ERROR) == []
    assert known == {*range(1, 5), *range(38, 49)}


def test_a_stop_before_which_no_time_was_known_does_not_hide_the_power_cut_before_it(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(300)
    machine.is_killed()
    machine.off(600)
    machine.boots_up(0.0)
    machine.starts()
    machine.lives(30)
    machine.is_killed()  # the process, in this boot
    machine.starts()
    machine.ntp()
    machine.lives(200)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert {machine.books.reason(int(START // 60) + minute) for minute in range(7, 15)} == {"power"}


def test_a_kernel_that_is_synchronised_and_wrong_by_years_is_kept_apart_by_the_server(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp(lie=YEARS)
    machine.starts()
    machine.online = True
    machine.lives(600)
    machine.ntp()
    machine.lives(600)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert machine.books.apart >= 9
    assert codes(machine, 12, 20) == [60] * 8


def test_of_two_words_of_the_kernel_the_one_holds_with_which_the_server_agrees(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp(lie=3_600.0)
    machine.starts()
    machine.online = True
    machine.asks_the_server()
    machine.lives(400)
    machine.ntp()
    machine.lives(300)
    assert codes(machine, 8, 10) == [60] * 2
    machine.ntp(lie=-7_200.0)
    machine.lives(300)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert codes(machine, 8, 16) == [60] * 8  # the kernel was not followed away from itself and the server
    assert codes(machine, 61, 65) == [DISPUTED] * 4  # what was told by the first word


def test_days_without_ntp_drift_no_further_than_the_server_lets_them(machine: Machine) -> None:
    machine.boots_up(machine.true, ppm=100.0)
    machine.ntp()
    machine.starts()
    machine.lives(60)
    machine.ntp_lost()
    for _ in range(3 * 24):
        machine.off(3_500)
        machine.lives(100)
        machine.asks_the_server()
    anchor = machine.runner.recorder.anchor  # type: ignore[union-attr]

    assert anchor is not None
    assert anchor.source == "kernel"
    assert abs(anchor.utc(machine.seconds()) - machine.true) < 1.0


def test_a_server_that_is_wrong_moves_no_clock_that_ntp_has_set(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(60)
    machine.ntp_lost()
    machine.off(50_000)
    machine.books.error = 400.0
    machine.asks_the_server()
    anchor = machine.runner.recorder.anchor  # type: ignore[union-attr]

    assert anchor is not None
    assert abs(anchor.utc(machine.seconds()) - machine.true) < ERROR


def test_an_anchor_that_was_corrected_little_by_little_is_kept_so_over_a_kill(machine: Machine) -> None:
    machine.boots_up(0.0, ppm=100.0)
    machine.starts()
    for _ in range(200):
        machine.asks_the_server()
        machine.off(3_600)
    machine.is_killed()
    machine.starts()
    anchor = machine.runner.recorder.anchor  # type: ignore[union-attr]

    assert anchor is not None
    assert abs(anchor.utc(machine.seconds()) - machine.true) < ERROR


def test_a_clock_restored_from_the_last_shutdown_is_not_trusted_behind_what_was_recorded(machine: Machine) -> None:
    (machine.folder / "agent.toml").write_text((machine.folder / "agent.toml").read_text().replace("kernel", "trust"))
    machine.settings = load(machine.folder / "agent.toml")
    machine.boots_up(machine.true)
    machine.starts()
    machine.lives(600)
    machine.is_killed()
    machine.off(7_200)
    machine.boots_up(START + 60)  # fake-hwclock: as it was an hour before the power went
    machine.starts()
    machine.lives(200)

    assert machine.runner is not None
    assert machine.runner.recorder.anchor is None
    machine.ntp()
    machine.lives(60)
    machine.hands_over()
    assert machine.untrue(ERROR) == []
    assert machine.missing(ERROR) == []


def test_a_boot_id_that_two_boots_share_places_nothing_by_the_other_ones_anchor(machine: Machine) -> None:
    """Windows tells its boots apart by the time of boot: an empty clock battery makes it the same each day."""
    machine.boots_up(0.0)
    machine.starts()
    machine.asks_the_server()
    machine.lives(600)
    machine.is_killed()
    machine.off(86_400)
    shared = machine.boot
    machine.boots_up(0.0)
    machine.boot = shared
    machine.starts()

    assert machine.runner is not None
    assert machine.runner.recorder.anchor is None


def test_a_machine_that_slept_for_hours_counts_them(machine: Machine) -> None:
    machine.boots_up(machine.true)
    machine.ntp()
    machine.starts()
    machine.lives(300)
    machine.ntp_lost()
    machine.off(6 * 3_600)
    machine.lives(300)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert codes(machine, 1, 5) == [60] * 4
    assert codes(machine, 6, 364) == [UNKNOWN] * 358
    assert codes(machine, 366, 370) == [60] * 4


def test_a_server_that_was_wrong_once_and_then_right_leaves_no_wrong_minute(machine: Machine) -> None:
    machine.boots_up(0.0)
    machine.starts()
    machine.online = True
    machine.books.error = -5_000.0
    machine.asks_the_server()
    machine.lives(400)
    machine.books.error = 0.0
    machine.asks_the_server()
    machine.lives(400)
    machine.hands_over()

    assert machine.untrue(ERROR) == []
    assert codes(machine, 8, 13) == [60] * 5


def test_a_server_that_is_wrong_for_a_moment_is_not_followed_and_for_long_it_is(machine: Machine) -> None:
    machine.boots_up(0.0)
    machine.starts()
    for _ in range(3):
        machine.asks_the_server()
        machine.lives(60)
    machine.books.error = 3_600.0
    machine.asks_the_server()
    machine.books.error = 0.0
    machine.lives(60)
    machine.asks_the_server()
    right = machine.runner.recorder.anchor  # type: ignore[union-attr]
    machine.books.error = 3_600.0
    machine.asks_the_server()
    machine.asks_the_server()
    followed = machine.runner.recorder.anchor  # type: ignore[union-attr]

    assert right is not None
    assert abs(right.utc(machine.seconds()) - machine.true) < ERROR
    assert followed is not None
    assert abs(followed.utc(machine.seconds()) - machine.true - 3_600) < ERROR
