"""Whatever fails half-way, memory equals the database; sealing, rebuilding and changes of owner lose and add nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text
from tests.server.school import CUT_AT_ISP, School, register

from schoolbeat_server import database, enrol, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.judge import Judge
from schoolbeat_server.mqtt import Link
from schoolbeat_server.outages import find
from schoolbeat_server.plans import all_plans
from schoolbeat_server.settings import Channel, Settings
from schoolbeat_wire.catalogue import UNKNOWN

M0 = 29_000_000 - 29_000_000 % 1_440 + 1_380  # an hour before midnight UTC


class NoBroker:
    """In the link's place: everything is called by the test, what is acknowledged is kept."""

    connected, problem = True, ""

    def __init__(self) -> None:
        self.acked: list[Any] = []
        self.sent: list[tuple[str, bytes]] = []

    def pump(self, seconds: float) -> None:
        pass

    def ack(self, token: Any) -> None:
        self.acked.append(token)

    def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        self.sent.append((topic, payload))


class Server:
    """The heart without a network, by a clock of our own."""

    def __init__(self, engine: Engine, folder: Path, second: int) -> None:
        self.engine, self.folder, self.second = engine, folder, second
        self.link = NoBroker()
        self.start()

    def ms(self) -> int:
        return self.second * 1000

    def start(self) -> None:
        self.ingest = Ingest(self.engine, database.server_id(self.engine), ContactBook(self.ms()), self.ms)
        self.ingest.load()
        self.rows = IncidentRows(self.ingest, Settings(self.folder).incidents, [Channel("a", "json://127.0.0.1")])
        with self.engine.connect() as connection:
            self.rows.load(connection)

        def link(_receive: object) -> Link:
            return self.link  # type: ignore[return-value]

        self.heart = Heart(self.engine, Settings(self.folder), link, self.ingest, self.rows)

    def step(self, *messages: Message, seconds: int = 1) -> bool:
        """True if the batch was committed."""
        self.second += seconds
        self.heart.inbox += messages
        self.heart._commit(tick=True)
        return not self.heart.problem

    def memory(self) -> dict[str, Any]:
        """All that is held in memory and must be what the database says."""
        ingest = self.ingest
        return {
            "epochs": {key: (one.settled.pairs(), one.lowest, one.next) for key, one in ingest.epochs.known.items()},
            "outages": {site: dict(found) for site, found in ingest.outages.open.items() if found},
            "newest": dict(ingest.newest),
            "watched": dict(ingest.watched),
            "owners": dict(ingest.layouts.owners),
            "counters": dict(ingest.counters),
            "next_report_id": ingest.next_report_id,
            "incidents": dict(self.rows.current),
            "contact": {
                site: (one.lost_ms, one.back_ms)
                for site, one in ingest.contact.sites.items()
                if one.lost_ms is not None
            },
        }

    def read(self, site: str, signals: list[str], first: int, end: int) -> dict[str, bytes]:
        with self.engine.connect() as connection:
            return self.ingest.ledger.read(connection, site, signals, first, end)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


def outage_rows(engine: Engine) -> list[tuple[Any, ...]]:
    table = schema.outage.c
    columns = (table.signal, table.first_minute, table.last_minute, table.end_minute, table.down_seconds)
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns).where(table.signal != "site.contact")))


FAULTS = ("report", "outage", "epoch", "counter", "latest", "incident", "notice", "contact", "contact_minute", "meta")


def break_writing_to(engine: Engine, table: str) -> None:
    with engine.begin() as connection:
        for change in ("INSERT", "UPDATE"):
            connection.execute(
                text(f"CREATE TRIGGER fault_{change} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
            )


def mend(engine: Engine) -> None:
    with engine.begin() as connection:
        for change in ("INSERT", "UPDATE"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS fault_{change}"))


# ---- transactions that fail --------------------------------------------------------------------------------


@pytest.mark.parametrize("table", FAULTS)
def test_after_a_failed_transaction_memory_is_what_the_database_says_and_the_retry_brings_all(
    engine: Engine, tmp_path: Path, table: str
) -> None:
    server, school = Server(engine, tmp_path, M0 * 60 + 190), School("s1")
    server.step(school.inventory_message(), school.presence())
    server.step(school.minute(M0, line_international=0))
    before = server.memory()
    break_writing_to(engine, table)
    messages = [school.minute(M0 + 1, line_international=0), school.minute(M0 + 2, line_international=0)]
    tokens = [object() for _ in messages]

    server.step(*(m._replace(token=t) for m, t in zip(messages, tokens, strict=True)))

    if server.heart.problem:
        assert server.link.acked[-1] is None
        fresh = Server(engine, tmp_path, server.second)
        server.heart._load_again()
        assert server.memory() == fresh.memory() == before
    mend(engine)
    server.step()
    assert server.link.acked[-2:] == tokens
    for _ in range(7):
        server.step(seconds=10)
    server.step(school.minute(M0 + 3, line_international=0))  # the server can know again
    fresh = Server(engine, tmp_path, server.second)
    assert fresh.memory() == server.memory()
    assert outage_rows(engine) == [("line.international", M0, M0 + 3, None, 240)]
    with engine.connect() as connection:
        notices = list(connection.execute(select(schema.notice.c.incident, schema.notice.c.kind)))
        stored = sorted(connection.scalars(select(schema.report.c.seq)))
    assert (stored, [kind for _, kind in notices]) == ([0, 1, 2, 3], ["open"])


@pytest.mark.parametrize("seed", range(25))
def test_faults_crashes_seals_and_late_data_in_any_order_give_the_ledger_that_was_sent(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    signals = ["lan.router", "line.isp", "line.internet"]
    school = School("s1", signals=signals)
    truth: dict[int, bytes] = {}
    parts: list[Message] = []
    minute = M0
    while minute < M0 + 150:
        row_minutes = range(minute, minute + rng.choice([1, 1, 2, 9]))
        off = []
        if rng.random() < 0.1:
            gone = rng.choice([3, 20])
            off = [(minute - 1 + 1, gone, "power")]
            row_minutes = range(minute + gone, minute + gone + 2)
        rows = [bytes(rng.choice([60, 60, 60, 0, 25, UNKNOWN]) for _ in signals) for _ in row_minutes]
        for first, count, _ in off:
            truth |= dict.fromkeys(range(first, first + count), bytes([254] * 3))
        truth |= dict(zip(row_minutes, rows, strict=True))
        parts.append(school.report(school.rows(row_minutes[0], rows, off)))
        minute = row_minutes[-1] + 1
    order = parts + rng.sample(parts, 5)
    if seed % 2:
        rng.shuffle(order)
    server = Server(engine, tmp_path, (minute + 1) * 60)
    waiting = [school.inventory_message(), school.presence()]
    if seed % 3 == 0:
        waiting, order = [], [*order[:9], school.inventory_message(), *order[9:]]

    while order or waiting or server.heart.problem:
        if rng.random() < 0.15:
            break_writing_to(engine, rng.choice(FAULTS))
        size = rng.randrange(4)
        batch, order = waiting + order[:size], order[size:]
        waiting = []
        done = server.step(*batch, seconds=rng.choice([1, 1, 7, 30]))
        mend(engine)
        if rng.random() < 0.2:
            server.heart.sealed_hour = -1
            server.heart.seal_to = (server.ingest.next_report_id - 1, server.heart.last_contact_minute)
            server.heart.sealing = list(server.ingest.ledger.open)
        if server.heart.sealing is not None:
            for _ in range(rng.randrange(3)):
                if server.heart.sealing is not None:
                    server.heart._seal_one()
        if rng.random() < 0.1:
            waiting = [] if done else list(server.heart.inbox)  # the broker gives again what was not acknowledged
            contact = server.read("s1", ["site.contact"], M0, minute + 60)
            if done:
                memory = server.memory()
            server.start()
            assert server.read("s1", ["site.contact"], M0, minute + 60) == contact
            assert not done or server.memory() == memory

    expected = [truth.get(at, bytes([UNKNOWN] * 3)) for at in range(M0, minute)]
    rows = {signal: bytes(row[i] for row in expected) for i, signal in enumerate(signals)}
    assert server.read("s1", signals, M0, minute) == rows
    assert outage_rows(engine) == sorted((s, *one) for s in signals for one in find(rows[s], M0))
    server.start()
    assert server.read("s1", signals, M0, minute) == rows
    with engine.connect() as connection:
        told = list(connection.execute(select(schema.notice.c.incident, schema.notice.c.kind)))
        table = schema.incident.c
        incidents = list(connection.execute(select(table.id, table.closed_ms).where(table.scope != "away")))
    assert sorted(told) == sorted(
        (ident, kind) for ident, closed in incidents for kind in (["open"] if closed is None else ["close", "open"])
    )


def test_a_reader_sees_no_hole_while_an_hour_is_sealed(engine: Engine, tmp_path: Path) -> None:
    server, school = Server(engine, tmp_path, (M0 + 200) * 60), School("s1")
    server.step(school.inventory_message(), school.report(school.rows(M0, [school.signal_row()] * 60)))
    sealed = []

    def seal_in_between(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "ledger_day" in statement and not sealed:
            sealed.append(statement)
            server.ingest.ledger.seal(M0 + 200, 1, 0)

    event.listen(engine, "after_cursor_execute", seal_in_between)
    found = server.read("s1", ["line.isp"], M0, M0 + 60)

    assert (len(sealed), found) == (1, {"line.isp": bytes([60] * 60)})


def test_late_data_before_an_open_outage_leaves_it_open(engine: Engine, tmp_path: Path) -> None:
    server, school = Server(engine, tmp_path, (M0 + 9) * 60), School("s1")
    server.step(school.inventory_message(), school.minute(M0 + 5))
    server.step(*(school.minute(M0 + 6 + n, line_international=0) for n in range(3)))
    opened = server.memory()["outages"]

    server.step(school.minute(M0 + 2, line_international=0), school.minute(M0 + 3))

    assert server.memory()["outages"] == opened
    server.step(school.minute(M0 + 9))
    assert outage_rows(engine) == [
        ("line.international", M0 + 2, M0 + 2, M0 + 3, 60),
        ("line.international", M0 + 6, M0 + 8, M0 + 9, 180),
    ]


# ---- owners ------------------------------------------------------------------------------------------------


def with_agent(engine: Engine, server: Server, name: str, role: str = "classroom") -> None:
    enrol.add_agent(engine, "s1", name, role, now_ms=server.ms())
    server.heart._look_for_agents()


def without_agent(engine: Engine, server: Server, name: str) -> None:
    enrol.remove_agent(engine, "s1", name, now_ms=server.ms())
    server.heart._look_for_agents()


def test_when_the_owner_is_removed_the_other_agent_speaks_from_then_on_and_not_before(
    engine: Engine, tmp_path: Path
) -> None:
    server, school = Server(engine, tmp_path, (M0 + 2) * 60), School("s1")
    pc = School("s1", agent="pc", epoch="cd" * 8)
    with_agent(engine, server, "pc")
    server.step(school.inventory_message(), school.minute(M0), pc.inventory_message(), pc.minute(M0, line_isp=0))
    server.second = (M0 + 4) * 60
    without_agent(engine, server, "gateway")

    server.step(pc.report(pc.rows(M0 + 1, [pc.signal_row(line_isp=7)] * 5)))

    expected = {"line.isp": bytes([60, UNKNOWN, UNKNOWN, UNKNOWN, 7, 7])}
    assert server.read("s1", ["line.isp"], M0, M0 + 6) == expected
    server.start()
    assert server.read("s1", ["line.isp"], M0, M0 + 6) == expected
    server.ingest.ledger.seal(M0 + 1_000, server.ingest.next_report_id - 1, 0)
    assert server.read("s1", ["line.isp"], M0, M0 + 6) == expected


def test_what_nobody_ever_told_of_is_unknown_while_the_agent_is_off(engine: Engine, tmp_path: Path) -> None:
    server, school = Server(engine, tmp_path, (M0 + 30) * 60), School("s1")

    told = school.rows(M0 + 20, [school.signal_row()], [(M0, 10, "power")])
    server.step(school.inventory_message(), school.report(told))

    expected = {"line.isp": bytes([254] * 2), "device.nobody": bytes([UNKNOWN] * 2)}
    assert server.read("s1", ["line.isp", "device.nobody"], M0, M0 + 2) == expected


def test_a_gateway_removed_and_added_again_goes_on(engine: Engine, tmp_path: Path) -> None:
    server, school = Server(engine, tmp_path, (M0 + 2) * 60), School("s1")
    server.step(school.inventory_message(), school.minute(M0))
    for _ in range(3):
        without_agent(engine, server, "gateway")
        with_agent(engine, server, "gateway", "gateway")
    new = School("s1", epoch="12" * 8, signals=[*school.signals, "device.neu"])

    server.step(new.inventory_message(), new.minute(M0 + 2, **CUT_AT_ISP))
    server.step(school.minute(M0 + 1))  # what the old card still held

    expected = {"line.isp": bytes([60, 60, 0])}
    assert server.read("s1", ["line.isp"], M0, M0 + 3) == expected
    server.start()
    assert server.read("s1", ["line.isp"], M0, M0 + 3) == expected
    assert server.ingest.layouts.owners["s1", "line.isp"] == "gateway"


# ---- what one school can cost the others -------------------------------------------------------------------


def test_a_school_that_declares_ten_thousand_times_that_it_was_off_delays_nobody(
    engine: Engine, tmp_path: Path
) -> None:
    server, school = Server(engine, tmp_path, (M0 + 2) * 60), School("s1")
    offs = [[(M0 - 500_000 + 100 * k + n, 400_000, "power") for n in range(100)] for k in range(100)]
    messages = [school.report(school.rows(M0, [school.signal_row()], off)) for off in offs]
    server.step(school.inventory_message())
    began = time.process_time()

    server.step(*messages)
    found = server.read("s1", school.signals, M0 - 400_000, M0)

    assert time.process_time() - began < 5
    assert {signal: row.count(254) for signal, row in found.items()} == dict.fromkeys(school.signals, 309_999)


def test_minutes_that_are_still_on_their_way_are_not_judged(engine: Engine, tmp_path: Path) -> None:
    server, school = Server(engine, tmp_path, (M0 + 10_086) * 60), School("s1")
    rows = [school.signal_row()] * 10_080
    server.step(school.inventory_message())
    for first in range(0, 10_080, 1_440):  # seven days, and the newest six minutes have not come yet
        server.step(school.report(school.rows(M0 + first, rows[first : first + 1_440])))
    judge = Judge(engine, server.ingest.ledger, all_plans(None), server.ms)

    judge.judge()

    seen = [unit for verdict in judge.verdicts for unit in verdict.units if unit.id == "s1" and unit.coverage]
    assert {verdict.window.end_minute for verdict in judge.verdicts} == {M0 + 10_079}
    assert all(unit.coverage == 1 for unit in seen if unit.grade in ("observed", "proven"))
