"""A whole round: the world is built, its faults happen, it comes to rest, and is judged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e import books
from tests.e2e.processes import await_
from tests.faults import faults, judging, schedule
from tests.faults.judging import Calm, Verdict
from tests.faults.schedule import Fault
from tests.faults.world import PACE, Round, build

CALM_SECONDS = 240  # a gateway's longest back-off is a minute, and so is the trial of another boot


@dataclass
class Outcome:
    """Of one round. sent: what all agents put on the wire; needed: the minutes that had to be sent."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    verdict: Verdict = field(default_factory=Verdict)
    sent: Counter[str] = field(default_factory=Counter)

    @property
    def needed(self) -> int:
        return self.verdict.counts["minutes"]


def run(
    folder: Path,
    seed: int,
    plan: Sequence[Fault],
    *,
    quick: int,
    real: int,
    past_minutes: int,
    pace: float = PACE,
    rough: Sequence[int] = (),
    say: Callable[[str], None] = lambda _text: None,
) -> Outcome:
    """The schedule is kept in the folder before it begins."""
    folder.mkdir(parents=True, exist_ok=True)
    schedule.write(folder / "schedule.json", plan)
    with ExitStack() as held:
        world = build(folder, held, seed, quick=quick, real=real, past_minutes=past_minutes, pace=pace, rough=rough)
        say(f"seed {seed}: {len(world.agents)} agents, {len(plan)} faults in {max(f.end for f in plan):.0f} s")
        course = faults.go_through(world, plan)
        say(f"seed {seed}: the faults are over, everything comes to rest")
        calm = come_to_rest(world)
        verdict = judging.judge(world, course, calm)
        sent = Counter[str]()
        for line in world.relay.lines:
            sent.update({name: getattr(line.sent, name) for name in ("reports", "minutes", "acks", "acks_lost")})
            sent.update({name: getattr(line.sent, name) for name in ("repeated", "mixed", "replayed", "connections")})
        for way in (agent.rough for agent in world.agents if agent.rough is not None):
            sent.update({f"packets_{name}": getattr(way, name) for name in ("carried", "lost", "mixed", "repeated")})
        return Outcome(seed, course.counts, verdict, sent)


def come_to_rest(world: Round) -> Calm:
    """All is delivered, agents and server end, and what they said last is kept."""
    calm, server = Calm(), world.server
    await_(server.is_well, 120, "the server is well again", *world.logs)
    assert not server.counters().get("aside.internal"), f"the server made a mistake: {server.log}"
    for agent in world.agents:
        await_(agent.is_at_rest, CALM_SECONDS, f"everything of {agent.site} is settled", *world.logs)
        calm.next[agent.site] = agent.standing()["next"]
    waiting = "SELECT COUNT(*) FROM notice WHERE sent_ms IS NULL AND refused_ms IS NULL"
    await_(lambda: server.rows(waiting)[0][0] == 0, 120, "every notice is sent", *world.logs)
    for agent in world.agents:
        agent.stop()
    for agent in world.agents:
        signals, first, end = judging.extent(books.recorded(agent))
        end = min(end, max(minute for minute in books.kept(server, agent.site).minutes()) + 1)
        calm.live[agent.site] = {name: server.minutes(agent.site, name, first, end) for name in signals}
    server.stop()
    return calm


def sub_seed(seed: int, number: int) -> int:
    """Of the round with that number."""
    return random.Random(seed * 1_000_003 + number).randrange(1 << 30)
