"""Random schools, random faults, both real stores: whatever happened, the store has the ledger's minutes and nothing else.

`FAULTS_SEED=… pytest tests/server/test_series_faults.py` repeats a run; the seed is in what a failure says.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.fake_stores import FakeFront, FakeInfluxDB2, FakeInfluxDB3, Reply
from tests.server.school import CUT_AT_ISP, SIGNALS, School
from tests.server.series_sending import AnyStore, Sending, counters, one, outages_known, outages_told, points
from tests.server.test_proof import DAY, NOON, a_day
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server import schema
from schoolbeat_server.batch import Message
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.series_store import Store, open_store
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL

SEED = int(os.environ.get("FAULTS_SEED", "2026"))
STORES: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "victoriametrics": victoria_metrics,
    "influxdb1": influxdb1,
}
FIRST = first_minute_of(DAY) + NOON
REPLIES = (
    Reply(500, {}, b'{"error":"timeout"}'),
    Reply(503, {"Retry-After": "20"}),
    Reply(429, {"Retry-After": "5"}, b"slower"),
    Reply(413),
    Reply(401, {}, b'{"error":"authorization failed"}'),
    Reply(404, {}, b'{"error":"database not found"}'),
    Reply(302, {"Location": "http://127.0.0.1:9/"}),
    Reply(200, {"Content-Type": "text/html"}, b"<html>welcome</html>"),
)


@dataclass
class Trial:
    """Time goes as it is told, so that nothing waits but for the stores themselves."""

    sending: Sending
    store: AnyStore
    front: FakeFront
    rng: random.Random
    schools: list[School] = field(default_factory=lambda: [School("s1"), School("s2")])
    on_the_way: list[Message] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    # ---- what schools do -------------------------------------------------------------------------------------

    def report(self) -> None:
        school = self.rng.choice(self.schools)
        count = self.rng.randint(1, 20)
        rows = [self.row(school) for _ in range(count)]
        self.on_the_way.append(school.report(school.rows(self.sending.province.minute, rows)))
        self.sending.province.minute += count + 1

    def row(self, school: School) -> bytes:
        return self.rng.choice(
            [
                school.signal_row(),
                school.signal_row(),
                school.signal_row(**CUT_AT_ISP),
                school.signal_row(line_isp=self.rng.randrange(60)),
                bytes([UNKNOWN] * len(SIGNALS)),
            ]
        )

    def arrive(self) -> None:
        """In any order, some of them again."""
        self.rng.shuffle(self.on_the_way)
        count = self.rng.randint(0, len(self.on_the_way))
        arriving, self.on_the_way = self.on_the_way[:count], self.on_the_way[count:]
        again = self.rng.sample(self.taken, min(len(self.taken), self.rng.randint(0, 2)))
        if arriving or again:
            self.sending.province.take(*arriving, *again, contact={self.rng.choice(self.schools).site: 60})
        self.taken += arriving

    # ---- what befalls store and server -------------------------------------------------------------------------

    def step(self) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.sending.queue.step()

    def time_passes(self) -> None:
        self.sending.later(self.rng.choice([1, 5, 60, 400]))

    def answers_badly(self) -> None:
        self.front.replies += self.rng.choices(REPLIES, k=self.rng.randint(1, 3))

    def store_killed(self) -> None:
        self.store.kill()
        if self.rng.random() < 0.7:
            self.step()  # nobody is there
        self.store.start()

    def server_killed(self) -> None:
        """What it had in memory is gone; the rows are there."""
        self.sending.open(self.opened())

    def opened(self) -> Store:
        """Nothing counts as settled: time passes faster here than VictoriaMetrics writes."""
        store = open_store(self.sending.series)
        store.settles_seconds = 1e9 if store.settles_seconds else 0.0
        return store

    def shuffled(self) -> list[Callable[[], None]]:
        often = {
            self.report: 20,
            self.arrive: 14,
            self.step: 18,
            self.time_passes: 14,
            self.answers_badly: 6,
            self.store_killed: 2,
            self.server_killed: 2,
        }
        actions = [action for action, times in often.items() for _ in range(times)]
        self.rng.shuffle(actions)
        return actions

    # ---- and in the end ------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        self.front.replies.clear()
        self.sending.province.take(*self.on_the_way)
        self.on_the_way = []
        for _ in range(3):  # the last words of trouble, what was lost, and what its rows brought about
            self.sending.later(4_000)
            self.sending.province.minute += 1
            self.sending.store._ask_at = 0.0  # type: ignore[attr-defined]
            self.sending.send()

    def in_store(self) -> dict[tuple[str, str], dict[int, float]]:
        found = points(self.store, "schoolbeat_minute")
        name = "schoolbeat_minute_up_seconds"
        return {
            (school.site, signal): one(found, name, site=school.site, signal=signal)
            for school in self.schools
            for signal in SIGNALS
        }

    def in_ledger(self) -> dict[tuple[str, str], dict[int, float]]:
        end = self.sending.province.minute
        return {
            (school.site, signal): {(FIRST + at) * 60_000: code for at, code in enumerate(codes) if code <= UP_FULL}
            for school in self.schools
            for signal, codes in self.sending.ledger(school.site, SIGNALS, FIRST, end).items()
        }


@pytest.mark.parametrize("kind", STORES)
def test_after_any_faults_the_store_has_what_the_server_says(tmp_path: Path, kind: str) -> None:
    with STORES[kind](tmp_path) as store, FakeFront(target=store.url) as front:
        sending = Sending(tmp_path, replace(store.settings, url=front.url, batch_bytes=16_384))
        trial = Trial(sending, store, front, random.Random(f"{SEED} {kind}"))
        sending.province.minute = FIRST
        for school in trial.schools:
            sending.province.take(school.inventory_message(), school.presence())
        sending.open(trial.opened())
        for action in trial.shuffled():
            trial.done.append(action.__name__)
            action()

        trial.come_to_rest()

        again = f"FAULTS_SEED={SEED}: {' '.join(trial.done)}"
        assert trial.in_store() == trial.in_ledger(), again
        assert outages_told(store) == outages_known(sending), again
        assert sum(map(len, trial.in_store().values())) > 200, "something was compared"
        assert sending.rows(schema.series_aside) == [], again
        assert counters(sending).get("series.points_old", 0) == 0
        sending.close()


@pytest.mark.parametrize("fake", [FakeInfluxDB2, FakeInfluxDB3])
def test_influxdb_2_and_3_get_the_ledgers_minutes_by_their_own_path(
    tmp_path: Path, fake: type[FakeInfluxDB2 | FakeInfluxDB3]
) -> None:
    with fake() as server:
        sending = Sending(tmp_path, server.settings)
        a_day(sending.province, School("s1"))
        sending.send()

        known = sending.ledger("s1", SIGNALS, FIRST, sending.province.minute)
        minutes = {
            (tags.partition("signal=")[2].partition(",")[0], at // 60_000, fields)
            for (tags, at), fields in server.points.items()
            if tags.startswith("schoolbeat_minute,") and ",signal=site.contact" not in tags
        }
        assert minutes == {
            (signal, FIRST + at, f"up_seconds={code}i")
            for signal, codes in known.items()
            for at, code in enumerate(codes)
            if code <= UP_FULL
        }
        assert sending.queue.reasons() == []
        sending.close()
