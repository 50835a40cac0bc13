"""A short round of faults, drawn from a seed: everything emitted is kept exactly once or declared, and nobody is woken.

The long one is `make soak`. Three worlds live at the same time here: each waits most of the time.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from schoolbeat_agent import publisher
from schoolbeat_wire.catalogue import OFF
from schoolbeat_wire.report import MinuteRow, Off
from tests.e2e.books import Book
from tests.e2e.processes import await_
from tests.faults import judging, packets, pattern, rounds, schedule
from tests.faults.rounds import Outcome
from tests.faults.schedule import KINDS, OF_PACKETS, Fault
from tests.faults.world import Round, build

SEED = int(os.environ.get("FAULTS_SEED", "2026"))
PAST_MINUTES = 300
WIRE_MINUTES = 1_000
SIGHTED_SECONDS = 66  # the server is blind for a minute after it or the broker came back
SETTLE_SECONDS = 240

pytestmark = pytest.mark.timeout(600)


def short_round(folder: Path) -> Outcome:
    rough = () if packets.missing() else (2,)
    plan = schedule.of_short_round(SEED, rough)
    return rounds.run(folder, SEED, plan, quick=4, real=1, past_minutes=PAST_MINUTES, rough=rough, say=print)


@dataclass(frozen=True)
class Wire:
    """What was sent and what had to be, in minutes; most: how often the same minute was sent; seconds it took."""

    sent: int
    needed: int
    most: int
    seconds: float
    acks_lost: int = 0


def sends(folder: Path) -> dict[str, Wire]:
    """Three agents with our seconds deliver what they hold: undisturbed, with half of the acks lost, with none for 45 s."""
    with ExitStack() as held:
        world = build(folder, held, SEED, quick=0, real=3, past_minutes=WIRE_MINUTES)
        lines, began = world.relay.lines, time.monotonic()
        for line, share in zip(lines[1:], (0.5, 1.0), strict=True):
            await_(partial(getattr, line.sent, "acks"), SETTLE_SECONDS, "the first ack", *world.logs)
            line.lost_acks_share = share
        time.sleep(max(0.0, 45 - (time.monotonic() - began)))
        lines[2].lost_acks_share = 0.0
        out = {}
        for name, agent, line in zip(("undisturbed", "half", "none"), world.agents, lines, strict=True):
            await_(agent.is_at_rest, SETTLE_SECONDS, f"{name}: all is settled", *world.logs)
            needed, sent = len(line.sent.each), line.sent
            seconds = time.monotonic() - began
            out[name] = Wire(sent.minutes, needed, max(sent.each.values()), seconds, sent.acks_lost)
        return out


@dataclass
class Told:
    """Incidents as (site, cause) and notices while everybody came back at once; incidents when one was gone for good."""

    while_back: list[tuple[str, str]]
    notices: int
    at_last: list[tuple[str, str]]


def restarts(folder: Path) -> Told:
    rng = random.Random(SEED)
    with ExitStack() as held:
        world = build(folder, held, SEED, quick=0, real=3, past_minutes=0, all_up=True)
        await_(
            lambda: all(agent.standing().get("connected") for agent in world.agents), 60, "all are there", *world.logs
        )
        world.server.kill_broker()
        time.sleep(rng.uniform(2, 5))
        world.server.kill()
        world.server.start()
        time.sleep(SIGHTED_SECONDS)
        for agent in rng.sample(world.agents, 3):
            agent.kill()
            agent.start()
            time.sleep(rng.uniform(0, 6))
        time.sleep(12)
        while_back, notices = told(world), world.server.rows("SELECT COUNT(*) FROM notice")[0][0]
        world.agents[0].kill()
        await_(lambda: world.recipient.taken, 90, "silence is told", *world.logs)
        return Told(while_back, notices, told(world))


def told(world: Round) -> list[tuple[str, str]]:
    return world.server.rows(
        "SELECT site, cause_opened FROM incident WHERE scope = 'path' AND cause_opened = 'waiting'"
    )


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[object]]]:
    folder = tmp_path_factory.mktemp("faults")
    with ThreadPoolExecutor(3) as pool:
        yield {story.__name__: pool.submit(story, folder / story.__name__) for story in (short_round, sends, restarts)}


@pytest.fixture(scope="module")
def outcome(stories: dict[str, Future[Outcome]]) -> Outcome:
    return stories["short_round"].result()


def test_after_a_round_of_faults_everything_emitted_is_kept_once_or_declared_and_nothing_else(outcome: Outcome) -> None:
    again = f"FAULTS_SEED={SEED} .venv/bin/pytest tests/faults/test_faults.py"

    assert outcome.verdict.disagreements == [], f"to repeat it: {again}"


def test_the_round_compared_what_it_is_for(outcome: Outcome) -> None:
    counts = outcome.verdict.counts
    happened = set(outcome.faults)
    possible = set(KINDS) - (set(OF_PACKETS) if packets.missing() else set())

    assert counts["minutes"] >= 4 * PAST_MINUTES + 40
    assert counts["foretold"] >= 3 * counts["minutes"]
    assert counts["counters"] >= 4 * PAST_MINUTES + 40
    assert len(possible - happened) <= 2, "a fault or two may have met nobody"
    assert {"kill_agent", "kill_server", "kill_broker"} <= happened


def test_undisturbed_agents_send_no_minute_twice_or_nearly_so(stories: dict[str, Future[dict[str, Wire]]]) -> None:
    wire = stories["sends"].result()["undisturbed"]

    assert wire.needed >= WIRE_MINUTES
    assert wire.sent <= 1.2 * wire.needed


@pytest.mark.parametrize("name", ["half", "none"])
def test_sends_are_bounded_when_acks_are_lost(stories: dict[str, Future[dict[str, Wire]]], name: str) -> None:
    """Any ack settles all that came before it. Without one an agent sends again what is in flight, at most IN_FLIGHT
    messages of BATCH_MINUTES (and the newest minutes), and that not sooner than every ACK_SECONDS."""
    wire = stories["sends"].result()[name]
    turns = int(wire.seconds // publisher.ACK_SECONDS)
    of_one_turn = publisher.IN_FLIGHT_NEW * publisher.BATCH_MINUTES

    assert wire.acks_lost >= 2
    assert wire.sent <= wire.needed + turns * of_one_turn
    assert wire.most <= 1 + turns


def test_restarts_of_agents_broker_and_server_wake_nobody(stories: dict[str, Future[Told]]) -> None:
    found = stories["restarts"].result()

    assert (found.while_back, found.notices) == ([], 0)
    assert found.at_last == [("truong-0", "waiting")]


def test_a_seed_draws_the_same_schedule_and_a_file_brings_it_back(tmp_path: Path) -> None:
    plan = schedule.of_soak(7, 6, (2, 5))

    schedule.write(tmp_path / "schedule.json", plan)

    assert schedule.of_soak(7, 6, (2, 5)) == plan
    assert schedule.of_soak(8, 6, (2, 5)) != plan
    assert schedule.read(tmp_path / "schedule.json") == plan
    assert all(isinstance(fault, Fault) and fault.kind in KINDS for fault in plan)


def test_the_judge_finds_what_is_wrong() -> None:
    """Of a judge that is always content nobody learns anything: the pattern's own expectations can be missed."""
    seed, minutes = 3, range(29_000_000, 29_000_300)
    bytes_of = {signal: [pattern.allowed(seed, signal, minute) for minute in minutes] for signal in pattern.SIGNALS}

    steady = {
        signal: sum(1 for one in found if one is not None and len(one) == 1) for signal, found in bytes_of.items()
    }

    assert all(count >= 60 for count in steady.values()), steady
    assert pattern.seen([pattern.Run("path", s * 10.0, "b/1+0", 0) for s in range(30)], "path").covered == {
        0,
        1,
        2,
        3,
        4,
    }
    gap = [pattern.Run("path", float(s), "b/1+0", 0) for s in (0, 10, 20, 50, 60, 70, 80, 90, 100, 110, 120)]
    assert pattern.seen(gap, "path").covered == {1}


def test_the_judge_knows_what_a_lying_clock_must_not_leave() -> None:
    off = {310: [Off(300, 4, 2)], 320: [Off(300, 1, 1), Off(318, 9, 4)]}
    rows = {("e", minute): [MinuteRow(minute, minute, b"", off=told)] for minute, told in off.items()}
    runs = [pattern.Run("path", 60.0 * minute, f"{boot}/1{lie:+d}", 0) for minute, boot, lie in RUNS]
    verdict = judging.Verdict()

    judging.judge_off(verdict, "truong-0", runs, 300, {"lan.router": bytes([OFF] * 20)})

    assert judging.declarations(Book(rows, {})) == {300: {"interrupted"}, 318: {"power"}, 319: {"power"}}
    assert verdict.disagreements == ["truong-0: off in the ledger and truly at work: 2: 302, 303"]


RUNS = [
    (301, "a", 600),
    (302, "a", 0),
    (313, "b", 600),
    (330, "b", 0),
]  # the minute it believed in, boot, lie in seconds
