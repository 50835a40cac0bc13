"""Ingest: every recorded minute counts exactly once, whatever order or repetition it comes in."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from tests.server.school import CUT_AT_ISP, SIGNALS, School, register

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message, Out
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.outages import find
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import OFF, UNKNOWN

M0 = 29_000_000
NOW_MS = (M0 + 10_000) * 60_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


def new_ingest(engine: Engine) -> Ingest:
    ingest = Ingest(engine, database.server_id(engine), ContactBook(0), lambda: NOW_MS)
    ingest.load()
    return ingest


def send(ingest: Ingest, *messages: Message) -> list[Out]:
    return ingest.commit(list(messages), lambda batch: None)


def acks(outs: list[Out]) -> list[wire.Ack]:
    return [wire.decode_ack(out.payload) for out in outs if out.topic.endswith("/ack")]


def read(ingest: Ingest, site: str, first: int, count: int) -> dict[str, bytes]:
    with ingest.engine.connect() as connection:
        return ingest.ledger.read(connection, site, SIGNALS, first, first + count)


def outage_rows(engine: Engine) -> list[tuple[object, ...]]:
    table = schema.outage.c
    columns = (table.signal, table.first_minute, table.last_minute, table.end_minute, table.down_seconds, table.cause)
    with engine.connect() as connection:
        return sorted(tuple(row) for row in connection.execute(select(*columns)))


def test_a_minute_is_in_the_ledger_and_acknowledged(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")

    outs = send(ingest, school.inventory_message(), school.presence(), school.minute(M0, device_ap_1=20))

    assert read(ingest, "s1", M0 - 1, 3) == {
        **{signal: bytes([UNKNOWN, 60, UNKNOWN]) for signal in SIGNALS},
        "device.ap-1": bytes([UNKNOWN, 20, UNKNOWN]),
    }
    (ack,) = acks(outs)
    assert (ack.server, ack.epoch, ack.settled, ack.nonce) == (ingest.server, school.epoch, [(0, 1)], 7)


def test_a_repeat_is_acknowledged_again_and_stored_once(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    first = school.minute(M0)
    send(ingest, school.inventory_message(), first)

    outs = send(ingest, first, first)

    assert [ack.settled for ack in acks(outs)] == [[(0, 1)]]
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(schema.report)) == 1
    assert ingest.counters["repeated"] == 2


def test_a_repacked_repeat_is_a_repeat(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    rows = school.rows(M0, [school.signal_row()] * 5)
    send(ingest, school.inventory_message(), *(school.report([row]) for row in rows))

    send(ingest, school.report(rows))

    assert ingest.counters["repeated"] == 1


def test_epochs_and_events_beyond_any_need_are_refused(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("schoolbeat_server.epochs.MOST", 3)
    monkeypatch.setattr("schoolbeat_server.ingest.EVENTS", 2)
    ingest, school = new_ingest(engine), School("s1")
    event = wire.Event("line.isp", up=False, at_ms=NOW_MS)

    send(ingest, *(School("s1", epoch=f"{n:016x}").presence() for n in range(5)))
    send(ingest, *[school.message("event", wire.encode(event))] * 3)

    assert ingest.counters["aside.count"] == 3


def test_a_seq_used_again_for_another_minute_is_not_dropped_as_a_repeat(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    send(ingest, school.inventory_message(), school.minute(M0))
    school.seq = 0  # an old outbox put back

    send(ingest, school.minute(M0 + 7))

    assert read(ingest, "s1", M0 + 7, 1)["lan.router"] == bytes([60])


def test_a_report_before_its_inventory_is_kept_asked_about_and_placed_later(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")

    outs = send(ingest, school.minute(M0, **CUT_AT_ISP))

    commands = [wire.decode_command(out.payload) for out in outs if out.topic.endswith("/command")]
    assert commands == [wire.Command(do="inventory", revision=school.inventory.revision)]
    assert acks(outs)[0].settled == [(0, 1)]
    assert read(ingest, "s1", M0, 1)["line.isp"] == bytes([UNKNOWN])
    send(ingest, school.inventory_message())
    assert read(ingest, "s1", M0, 1)["line.isp"] == bytes([0])
    assert read(new_ingest(engine), "s1", M0, 1)["line.isp"] == bytes([0])
    assert [row[0] for row in outage_rows(engine)] == ["line.internet", "line.isp"]


def test_what_cannot_be_believed_is_set_aside_counted_and_settled(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    stranger = School("s1", agent="other")

    outs = send(
        ingest,
        school.inventory_message(),
        school.minute(NOW_MS // 60_000 + 5_000),
        stranger.minute(M0),
        school.message("report", b"not zlib"),
        Message("schoolbeat/9/s1/gateway/report", b"x", False, None),
        school.minute(M0),
    )

    with engine.connect() as connection:
        reasons = list(connection.scalars(select(schema.aside.c.reason).order_by(schema.aside.c.id)))
    assert reasons == ["future", "unregistered", "zlib", "version"]
    assert acks(outs)[0].settled == [(0, 2)]
    assert read(ingest, "s1", M0, 1)["lan.router"] == bytes([60])


def test_a_minute_ahead_of_a_clock_of_ours_that_is_behind_is_not_lost(engine: Engine) -> None:
    clock = [NOW_MS]
    ingest = Ingest(engine, database.server_id(engine), ContactBook(0), lambda: clock[0])
    ingest.load()
    school = School("s1")
    early = school.minute(NOW_MS // 60_000 + 10)

    first = acks(send(ingest, school.inventory_message(), early))
    clock[0] += 600_000
    again = acks(send(ingest, early))

    assert [ack.settled for ack in first + again] == [[], [(0, 1)]]
    assert read(ingest, "s1", NOW_MS // 60_000 + 10, 1)["lan.router"] == bytes([60])
    assert ingest.counters["aside.early"] == 1


def test_off_minutes_are_off_and_interrupted_ones_stay_unknown(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    row = school.signal_row()
    off = [(M0, 1, "interrupted"), (M0 + 1, 3, "power")]

    send(ingest, school.inventory_message(), school.report(school.rows(M0 + 4, [row], off)))

    assert read(ingest, "s1", M0, 5)["lan.router"] == bytes([UNKNOWN, OFF, OFF, OFF, 60])


def test_an_outage_has_its_length_its_end_and_the_lowest_failed_rung_as_cause(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    send(ingest, school.inventory_message(), school.minute(M0))
    cut = {**CUT_AT_ISP, "line_isp": 30, "line_internet": 35}

    send(ingest, school.minute(M0 + 1, **cut), school.minute(M0 + 2, **CUT_AT_ISP), school.minute(M0 + 3))

    assert outage_rows(engine) == [
        ("line.internet", M0 + 1, M0 + 2, M0 + 3, 85, "line.isp"),
        ("line.isp", M0 + 1, M0 + 2, M0 + 3, 90, "line.isp"),
    ]


@pytest.mark.parametrize("seed", range(30))
def test_any_order_and_repetition_gives_the_same_ledger_and_the_same_outages(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1"])
    ingest, school = new_ingest(engine), School("s1", signals=["lan.router", "line.isp"])
    codes = [60, 60, 60, 0, 30, UNKNOWN]
    truth = [bytes(rng.choice(codes) for _ in range(2)) for _ in range(200)]
    rows = school.rows(M0 + 50, truth)
    parts, place = [], 0
    while place < len(rows):
        size = rng.choice([1, 1, 1, 2, 7, 30])
        parts.append(school.report(rows[place : place + size]))
        place += size
    order = parts + rng.sample(parts, len(parts) // 3)
    if seed % 3:
        rng.shuffle(order)
    elif seed % 2:
        order.reverse()
    send(ingest, school.inventory_message())

    while order:
        size = rng.randrange(1, 9)
        send(ingest, *order[:size])
        order = order[size:]
        if rng.random() < 0.1:
            ingest.ledger.seal(M0 + 10_000, ingest.next_report_id - 1, 0)
        if rng.random() < 0.1:
            ingest = new_ingest(engine)

    with engine.connect() as connection:
        found = ingest.ledger.read(connection, "s1", school.signals, M0 + 50, M0 + 250)
    assert found == {signal: bytes(row[i] for row in truth) for i, signal in enumerate(school.signals)}
    expected = sorted(
        (signal, *outage, signal)
        for i, signal in enumerate(school.signals)
        for outage in find(bytes(row[i] for row in truth), M0 + 50)
    )
    assert outage_rows(engine) == expected
    engine.dispose()


def test_what_the_agent_no_longer_holds_is_declared_lost_and_settled(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    school.seq = 20

    outs = send(ingest, school.presence(lowest=5, gaps=[(8, 10)]))

    assert acks(outs)[0].settled == [(0, 5), (8, 10)]


def test_a_signal_belongs_to_the_agent_that_had_it_first(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            schema.agent.insert().values(site="s1", name="pc", role="classroom", password_hash="", created_ms=0)
        )
    ingest, school, other = new_ingest(engine), School("s1"), School("s1", agent="pc", epoch="cd" * 8)
    send(ingest, school.inventory_message(), other.inventory_message(), school.minute(M0))

    send(ingest, other.minute(M0, lan_router=0))

    assert read(ingest, "s1", M0, 1)["lan.router"] == bytes([60])


def test_the_report_is_kept_as_it_came(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    message = school.minute(M0)

    send(ingest, school.inventory_message(), message)

    with engine.connect() as connection:
        assert connection.scalar(select(schema.report.c.payload)) == message.payload
    assert reports.decode(message.payload).seq == 0


def test_a_report_that_cannot_be_read_but_says_its_minutes_is_settled(engine: Engine) -> None:
    ingest, school = new_ingest(engine), School("s1")
    row = school.signal_row()
    damaged = school.report(school.rows(M0, [bytes([99]) * len(row)] * 2))

    outs = send(ingest, school.inventory_message(), damaged)

    assert [ack.settled for ack in acks(outs)] == [[(0, 2)]]
    assert ingest.counters["aside.range"] == 1


def test_minutes_strewn_over_the_year_are_refused_before_they_fill_the_memory(engine: Engine) -> None:
    ingest = new_ingest(engine)
    school = School("s1", signals=[f"device.d{n}" for n in range(1_000)])
    rows = [reports.MinuteRow(n, M0 + n * 60, bytes([60] * 1_000), [[1], [None]]) for n in range(100)]

    outs = send(ingest, school.inventory_message(), school.report(rows))

    assert ingest.counters["aside.count"] == 1
    assert ingest.ledger.open_bytes == 0
    assert acks(outs)[0].settled == [(0, 100)]
