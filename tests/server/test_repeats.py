"""A minute that comes again is kept once, however it is packed the second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from tests.server.school import School, register

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_wire import report as reports

M0 = 29_000_000


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1"])
    yield engine
    engine.dispose()


def kept(engine: Engine) -> Counter[tuple[int, int]]:
    """(seq, minute) -> how often it is stored."""
    with engine.connect() as connection:
        found = [reports.decode(payload) for payload in connection.scalars(select(schema.report.c.payload))]
    return Counter(
        (report.seq + index, minute) for report in found for index, minute in enumerate(reports.minutes_of(report))
    )


@pytest.mark.parametrize("together", [True, False])
def test_new_minutes_among_repeated_ones_are_kept_and_the_others_not_again(engine: Engine, together: bool) -> None:
    ingest, school = Ingest(engine, "5e" * 8, ContactBook(0), lambda: (M0 + 100) * 60_000), School("s1")
    ingest.load()
    rows = school.rows(M0, [school.signal_row(device_ap_1=n) for n in range(10)], off=[(M0 - 3, 3, "power")])
    parts = [rows[2:3], rows[5:7], rows]
    messages = [school.inventory_message(), *(school.report(part) for part in parts)]
    batches: list[list[Message]] = [messages] if together else [[message] for message in messages]

    for batch in batches:
        ingest.commit(batch, lambda _batch: None)

    assert kept(engine) == Counter({(seq, M0 + seq): 1 for seq in range(10)})
    assert (ingest.counters["minutes"], ingest.counters["partly_repeated"]) == (10, 1)
    with engine.connect() as connection:
        read = ingest.ledger.read(connection, "s1", ["device.ap-1"], M0 - 3, M0 + 10)
    assert read["device.ap-1"] == bytes([254] * 3 + list(range(10)))
