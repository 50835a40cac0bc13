"""Agent, server and broker are killed at random moments: each recorded minute is kept once, what is missing is declared."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from schoolbeat_agent.ranges import subtract
from tests.agent import fast
from tests.e2e import backlog, books
from tests.e2e.processes import Agent, Server, Surroundings, await_, children

# A province's night: SOAK_MINUTES=60 (make soak). KILLS_SEED repeats a schedule, as far as processes repeat anything.
SOAK_MINUTES = float(os.environ.get("SOAK_MINUTES", "3.5"))
SEED = int(os.environ.get("KILLS_SEED", "2026"))
CALM_SECONDS = 150  # a gateway's longest back-off is a minute
SIGHTED_SECONDS = 75
DAY = 86_400
BACKLOG_MINUTES = 2_000  # that a quick agent holds when it starts: so there is always something on its way

pytestmark = pytest.mark.timeout(SOAK_MINUTES * 60 + 500)


@dataclass
class Story:
    """What happened, as facts for the tests to judge."""

    server: Server
    agents: list[Agent]
    around: Surroundings
    kills: Counter[str] = field(default_factory=Counter)
    away: dict[str, list[tuple[float, float]]] = field(default_factory=dict)  # site -> (killed, back) by its clock
    next: dict[str, int] = field(default_factory=dict)  # site -> seqs below it were settled while all was calm
    live: dict[str, dict[str, bytes]] = field(default_factory=dict)  # site -> ledger, told by the running server
    sighted: int = 0  # how often the server had its eyes open again
    told: list[tuple[str, str]] = field(default_factory=list)  # (site, cause) of the incidents
    notices: int = -1
    told_of_silence: list[tuple[str, str]] = field(default_factory=list)  # when an agent was gone at last

    def clock(self, agent: Agent) -> float:
        return time.time() if agent.base_unix is None else agent.base_unix + fast.boot_seconds()


def begin(folder: Path, held: ExitStack, quick: int, real: int) -> Story:
    """A server, `quick` agents with faster seconds in the past, `real` ones with ours; all running."""
    sites = [f"truong-{number}" for number in range(quick + real)]
    around = Surroundings()
    held.callback(around.close)
    kids = held.enter_context(children())
    server = Server(kids, folder / "server", sites)
    server.start()
    past = time.time() - 20 * DAY - fast.boot_seconds()
    agents = [
        Agent(kids, server, around, folder / site, site, base_unix=past if number < quick else None)
        for number, site in enumerate(sites)
    ]
    story = Story(server, agents, around, away={site: [] for site in sites})
    for agent in agents:
        if agent.base_unix is not None:
            end = int(story.clock(agent) // 60) - 3
            backlog.fill(agent, end - BACKLOG_MINUTES, BACKLOG_MINUTES, seed=SEED)
            story.away[agent.site].append((end * 60.0, end * 60.0 + 240))
        agent.start()
    return story


Later = list[tuple[float, Callable[[], None]]]


def kill_an_agent(story: Story, agent: Agent, rng: random.Random, later: Later, longest_away: float) -> None:
    if not agent.is_running():
        return
    killed = story.clock(agent)
    if rng.random() < 0.8:
        agent.kill()
        story.kills["agent"] += 1
    else:
        agent.stop()
        story.kills["agent, politely"] += 1

    def back() -> None:
        agent.start()
        story.away[agent.site].append((killed, story.clock(agent)))

    later.append((time.monotonic() + rng.uniform(0, longest_away), back))


def kill_the_server(story: Story, rng: random.Random, later: Later) -> None:
    if not story.server.is_running():
        return
    story.server.kill()
    story.kills["server"] += 1
    later.append((time.monotonic() + rng.uniform(0, 4), lambda: story.server.start(wait=False)))


def kill_the_broker(story: Story) -> None:
    if story.server.is_running() and story.server.kill_broker():
        story.kills["broker"] += 1


def go_on(
    story: Story, seconds: float, every: tuple[float, float], rng: random.Random, do: Callable[[Later], None]
) -> None:
    """`do` at random moments; what it wants done later is done. Ends with everything running."""
    end, next_at, later = time.monotonic() + seconds, 0.0, list[tuple[float, Callable[[], None]]]()
    while time.monotonic() < end or later:
        now = time.monotonic()
        for entry in [entry for entry in later if entry[0] <= now]:
            later.remove(entry)
            entry[1]()
        if next_at <= now < end:
            next_at = now + rng.uniform(*every)
            do(later)
        time.sleep(0.05)


def kill_at_random(folder: Path) -> Story:
    rng = random.Random(SEED)
    with ExitStack() as held:
        story = begin(folder, held, quick=4, real=2)

        def one(later: Later) -> None:
            story.around.board.open() if rng.random() < 0.5 else story.around.board.close()
            for _ in range(rng.choice((1, 1, 1, 2))):
                victim = rng.choice(("agent", "agent", "agent", "server", "broker", "broker"))
                if victim == "agent":
                    kill_an_agent(story, rng.choice(story.agents), rng, later, longest_away=8)
                elif victim == "server":
                    kill_the_server(story, rng, later)
                else:
                    kill_the_broker(story)

        go_on(story, SOAK_MINUTES * 60, (4, 14), rng, one)
        end_calmly(story)
        return story


def end_calmly(story: Story) -> None:
    logs = [story.server.log, *(agent.log for agent in story.agents)]
    await_(story.server.is_well, 90, "the server is well again", *logs)
    for agent in story.agents:
        await_(lambda agent=agent: agent.is_settled(), CALM_SECONDS, f"everything of {agent.site} is settled", *logs)
        story.next[agent.site] = agent.standing()["next"]
    for agent in story.agents:
        agent.stop()
    time.sleep(1)
    for agent in story.agents:
        book = books.recorded(agent)
        signals, first, end = extent(book)
        story.live[agent.site] = {name: story.server.minutes(agent.site, name, first, end) for name in signals}
    story.server.stop()


def restart_at_once(folder: Path) -> Story:
    """Server, broker and agents die and are back within seconds, with quiet minutes between, in which the server judges."""
    rng = random.Random(SEED + 1)
    with ExitStack() as held:
        story = begin(folder, held, quick=0, real=3)
        rounds = max(2, int(SOAK_MINUTES / 2.2))
        while True:
            time.sleep(SIGHTED_SECONDS)  # the server is blind for a minute after it or the broker came back
            story.sighted += 1
            for agent in rng.sample(story.agents, 2):
                agent.kill()
                agent.start()
                time.sleep(rng.uniform(0, 15))
            if story.sighted == rounds:
                break
            for victim in rng.choices(("server", "broker"), k=2):
                if victim == "broker":
                    kill_the_broker(story)
                else:
                    story.server.kill()
                    time.sleep(rng.uniform(0, 3))
                    story.server.start()
                time.sleep(rng.uniform(3, 20))
        time.sleep(20)
        story.told = story.server.rows("SELECT site, cause_opened FROM incident")
        story.notices = story.server.rows("SELECT COUNT(*) FROM notice")[0][0]
        lost = story.agents[0]
        lost.kill()
        await_(lambda: story.server.rows("SELECT 1 FROM notice"), 60, "silence is told", story.server.log)
        story.told_of_silence = story.server.rows("SELECT site, cause_opened FROM incident")
        return story


def extent(book: books.Book) -> tuple[list[str], int, int]:
    """All signals, the first minute and one past the last."""
    minutes = book.minutes()
    signals = sorted({signal for kind in book.inventories.values() for signal in kind.signals})
    return signals, min(minutes), max(minutes) + 1


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Story]]]:
    """At the same time: each waits most of the time."""
    folder = tmp_path_factory.mktemp("kills")
    with ThreadPoolExecutor(2) as pool:
        yield {
            "kills": pool.submit(kill_at_random, folder / "kills"),
            "restarts": pool.submit(restart_at_once, folder / "restarts"),
        }


@pytest.fixture(scope="module")
def kills(stories: dict[str, Future[Story]]) -> Story:
    return stories["kills"].result()


def test_every_recorded_minute_is_kept_once_as_it_was_recorded(kills: Story) -> None:
    for agent in kills.agents:
        mine, theirs = books.recorded(agent), books.kept(kills.server, agent.site)
        settled = books.settled(kills.server, agent.site, agent.epoch)
        certain = {key: rows for key, rows in mine.rows.items() if key[1] < kills.next[agent.site]}

        assert len(certain) >= SOAK_MINUTES / 3 + (0 if agent.base_unix is None else BACKLOG_MINUTES)
        assert {key: theirs.rows.get(key) for key in certain} == certain
        assert {key for key, rows in theirs.rows.items() if len(rows) != 1} == set()
        assert {epoch for epoch, _ in theirs.rows} == {agent.epoch}
        assert subtract([(0, kills.next[agent.site])], settled) == []
        assert subtract(mine.seqs(agent.epoch), [(0, max(seq for _, seq in mine.rows) + 1)]) == []


def test_each_minute_was_recorded_once_or_declared_because_the_agent_was_killed(kills: Story) -> None:
    for agent in kills.agents:
        book = books.recorded(agent)
        minutes, declared = book.minutes(), book.declared()
        _, first, end = extent(book)
        slack = 1 if agent.base_unix is None else 2  # minutes; a quick one is four of our seconds
        excused = {
            minute
            for killed, back in kills.away[agent.site]
            for minute in range(int(killed // 60) - slack, int(back // 60) + slack + 1)
        }

        assert {minute: rows for minute, rows in minutes.items() if len(rows) != 1} == {}
        assert set(range(first, end)) - minutes.keys() == declared.keys() & set(range(first, end))
        assert declared.keys() - excused == set()


def test_the_ledger_holds_the_recorded_bytes_live_and_after_a_start(kills: Story) -> None:
    for agent in kills.agents:
        book = books.recorded(agent)
        signals, first, end = extent(book)
        expected = books.expected_ledger(book, signals, first, end)

        assert kills.live[agent.site] == expected
        assert books.ledger_of(kills.server, agent.site, signals, first, end) == expected


def test_a_reading_that_only_rises_rises_at_the_server_too(kills: Story) -> None:
    for agent in kills.agents:
        mine = books.recorded(agent).numbers("uptime_seconds", "host")
        theirs = books.kept(kills.server, agent.site).numbers("uptime_seconds", "host")

        assert len(mine) >= SOAK_MINUTES / 3
        assert theirs[: len(mine)] == mine[: len(theirs)]
        assert theirs == sorted(set(theirs))
        if agent.base_unix is not None:
            counted = books.kept(kills.server, agent.site).numbers("counter", "host")
            assert counted == list(range(BACKLOG_MINUTES))


def test_the_schedule_killed_everybody(kills: Story) -> None:
    assert all(kills.kills[victim] >= SOAK_MINUTES / 2 for victim in ("agent", "server", "broker"))


def test_restarts_of_agents_broker_and_server_wake_nobody(stories: dict[str, Future[Story]]) -> None:
    story = stories["restarts"].result()

    assert story.sighted >= 2
    assert (story.told, story.notices) == ([], 0)
    assert story.told_of_silence == [("truong-0", "waiting")]
