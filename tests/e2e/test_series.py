"""Agents to time-series store under faults: all that agents recorded is in the store, each point once, whatever befell it.

Both real stores at the same time, each behind a front that also answers what no store here would; both stories wait
most of the time.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schoolbeat_wire.catalogue import UP_FULL
from tests.agent.test_outbox import small_disk
from tests.e2e import backlog
from tests.e2e.processes import Agent, Children, Server, Surroundings, await_, children, write_toml
from tests.fake_stores import FakeFront, Reply
from tests.stores import InfluxDB1, VictoriaMetrics, influxdb1, victoria_metrics

SEED = int(os.environ.get("FAULTS_SEED", "2026"))
MINUTES = 240  # of each agent's past
SETTLE_SECONDS = 240
STORES: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "victoriametrics": victoria_metrics,
    "influxdb1": influxdb1,
}
REPLIES = (
    Reply(500, {}, b'{"error":"timeout"}'),
    Reply(503, {"Retry-After": "1"}),
    Reply(429, {"Retry-After": "1"}, b"slower"),
    Reply(401, {}, b'{"error":"authorization failed"}'),
    Reply(403),
    Reply(404, {}, b'{"error":"database not found"}'),
    Reply(302, {"Location": "http://127.0.0.1:9/"}),
)

pytestmark = pytest.mark.timeout(600)


AnyStore = VictoriaMetrics | InfluxDB1
Minutes = dict[tuple[str, str], dict[int, int]]
"""(site, signal) -> minute -> seconds up."""


class SendingServer(Server):
    """Small batches: more of them are under way when something happens."""

    def __init__(self, kids: Children, folder: Path, sites: Sequence[str], store: AnyStore, url: str) -> None:
        self.series: dict[str, Any] = {"kind": store.settings.kind, "url": url, "batch_bytes": 16_384}
        if store.settings.database:
            self.series["database"] = store.settings.database
        super().__init__(kids, folder, sites)

    def _write_settings(self) -> None:
        super()._write_settings()
        write_toml(self.folder / "series.toml", {"series": self.series})
        with (self.folder / "server.toml").open("a", encoding="utf-8") as file:
            file.write((self.folder / "series.toml").read_text(encoding="utf-8"))


@dataclass
class Told:
    """What a story leaves to be judged: counter and seconds up as agents recorded them and as the store has them."""

    faults: list[str] = field(default_factory=list)
    recorded: dict[str, dict[int, int]] = field(default_factory=dict)
    counted: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    minutes: Minutes = field(default_factory=dict)
    up_seconds: Minutes = field(default_factory=dict)
    aside: list[tuple[Any, ...]] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass
class World:
    store: AnyStore
    front: FakeFront
    server: SendingServer
    agents: list[Agent]
    first: int
    disk: Path | None
    rng: random.Random

    @property
    def logs(self) -> list[Path]:
        return [self.server.log, self.store.log, *(agent.log for agent in self.agents)]

    # ---- faults ----------------------------------------------------------------------------------------------

    def answers(self) -> None:
        """Few: after each in a row the queue waits twice as long."""
        self.front.replies += [Reply(413), *self.rng.sample(REPLIES, 3), Reply(413)]
        await_(lambda: not self.front.replies, SETTLE_SECONDS, "the front has answered", *self.logs)

    def killed(self) -> None:
        self.store.kill()
        time.sleep(2)
        self.store.start()

    def frozen(self) -> None:
        self.store.freeze()
        time.sleep(3)
        self.store.kill()
        self.store.start()

    def server_killed(self) -> None:
        self.server.kill()
        self.server.start()

    def full(self) -> None:
        assert self.disk is not None
        ballast = self.disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                for block in itertools.repeat(bytes(4096)):
                    file.write(block)
            except OSError:
                pass
        time.sleep(3)
        ballast.unlink()
        self.store.end()  # the one has ended itself, the other will not believe in its disk again until it is started
        self.store.start()

    def all_faults(self) -> dict[str, Callable[[], None]]:
        """One for each agent, which begins to deliver just before."""
        last = {"full": self.full} if self.disk is not None else {"killed again": self.killed}
        return {
            "answers": self.answers,
            "killed": self.killed,
            "frozen": self.frozen,
            "server killed": self.server_killed,
        } | last

    # ---- looking ---------------------------------------------------------------------------------------------

    def counted(self) -> dict[str, list[tuple[int, int]]]:
        """site -> (minute, counter) of the past that was prepared, as often as the store has them."""
        found: dict[str, list[tuple[int, int]]] = {}
        for site, _, minute, value in self._values("schoolbeat_reading", "counter", "subject", "host"):
            found.setdefault(site, []).append((minute, value))
        return {site: sorted(values) for site, values in found.items()}

    def minutes(self) -> Minutes:
        found: Minutes = {}
        for site, signal, minute, value in self._values("schoolbeat_minute", "up_seconds", "signal", None):
            if signal in backlog.SIGNALS:
                found.setdefault((site, signal), {})[minute] = value
        return found

    def _values(self, measurement: str, name: str, by: str, only: str | None) -> Iterator[tuple[str, str, int, int]]:
        if isinstance(self.store, VictoriaMetrics):
            for labels, samples in self.store.export(f'{measurement}_{name}{{{by}=~"{only or ".+"}"}}'):
                for at_ms, sample in samples:
                    yield from self._of_past(labels["site"], labels[by], at_ms, sample)
        else:
            where = f""" WHERE "{by}" = '{only}'""" if only else ""
            for row in self.store.query(f'SELECT {name} FROM {measurement}{where} GROUP BY site, "{by}"'):
                for value in row.values:
                    yield from self._of_past(row.tags["site"], row.tags[by], value["time"], value[name])

    def _of_past(self, site: str, by: str, at_ms: int, value: float) -> Iterator[tuple[str, str, int, int]]:
        if self.first <= at_ms // 60_000 < self.first + MINUTES:
            assert at_ms % 60_000 == 0
            yield site, by, at_ms // 60_000, int(value)


@contextmanager
def world(folder: Path, kind: str) -> Iterator[World]:
    folder.mkdir()
    with ExitStack() as held:
        has_disk = os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
        disk = held.enter_context(small_disk(folder, 64))[1] if has_disk else None
        store = held.enter_context(STORES[kind](disk or folder))
        front = held.enter_context(FakeFront(target=store.url))
        kids = held.enter_context(children())
        around = Surroundings()
        held.callback(around.close)
        sites = [f"th-{number}" for number in range(1, 7)]  # one more than faults
        server = SendingServer(kids, folder, sites, store, front.url)
        first = int(time.time()) // 60 - 2 * 1_440
        agents = [Agent(kids, server, around, folder / site, site) for site in sites]
        server.start()
        yield World(store, front, server, agents, first, disk, random.Random(f"{SEED} {kind}"))


def story(folder: Path, kind: str) -> Told:
    with world(folder, kind) as at:
        told = Told()
        for number, agent in enumerate(at.agents):
            _fill(at, agent, number, told)
        at.agents[0].start()
        for number, (name, fault) in enumerate(at.all_faults().items()):
            at.agents[number + 1].start()  # what it has comes in the middle of it
            site = at.agents[number].site
            await_(partial(_has_points_of, at, site), SETTLE_SECONDS, f"points of {site} come", *at.logs)
            fault()
            if fault != at.server_killed:  # the next fault finds a queue that no longer waits long
                await_(partial(_waits_no_longer, at), SETTLE_SECONDS, "points are taken again", *at.logs)
            told.faults.append(name)
        _await_all(at, told)
        told.counted, told.minutes = at.counted(), at.minutes()
        told.aside = at.server.rows("SELECT stream, reason, points FROM series_aside")
        told.numbers = at.server.get("/healthz")
        return told


def _fill(at: World, agent: Agent, number: int, told: Told) -> None:
    """Each agent counts its minutes from another thousand on."""
    backlog.fill(agent, at.first, MINUTES, SEED + number, number * 1_000)
    recorded = backlog.rows(at.first, MINUTES, SEED + number, number * 1_000)
    told.recorded[agent.site] = {row.minute: row.values[1][0] or 0 for row in recorded}
    for index, signal in enumerate(backlog.SIGNALS):
        known = {row.minute: row.signals[index] for row in recorded if row.signals[index] <= UP_FULL}
        told.up_seconds[agent.site, signal] = known


def _has_points_of(at: World, site: str) -> bool:
    return site in at.counted()


def _waits_no_longer(at: World) -> bool:
    return bool(at.server.get("/healthz")["series_waits"] == 0)


def _await_all(at: World, told: Told) -> None:
    """VictoriaMetrics is asked every half a minute whether it was started again."""

    def is_all_there() -> bool:
        found = at.counted()
        if {site: dict(values) for site, values in found.items()} != told.recorded:
            return False
        return at.minutes() == told.up_seconds

    try:
        await_(is_all_there, SETTLE_SECONDS, "all points are there")
    except AssertionError:
        return  # the test says what is missing


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Told]]]:
    folder = tmp_path_factory.mktemp("series")
    with ThreadPoolExecutor(len(STORES)) as pool:
        yield {kind: pool.submit(story, folder / kind, kind) for kind in STORES}


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", STORES)
def test_every_point_that_agents_recorded_is_in_the_store_once_after_all_these_faults(
    stories: dict[str, Future[Told]], kind: str
) -> None:
    told = stories[kind].result()

    assert told.counted == {site: sorted(values.items()) for site, values in told.recorded.items()}
    assert told.minutes == told.up_seconds
    assert sum(map(len, told.counted.values())) == 6 * MINUTES
    assert told.aside == []
    assert len(told.faults) == 5


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", STORES)
def test_afterwards_the_server_is_well_and_nothing_waits(stories: dict[str, Future[Told]], kind: str) -> None:
    told = stories[kind].result()

    assert told.numbers["ok"], told.numbers
    assert told.numbers["series_waits"] == 0
