"""What a repair threw away is unknown in the sums too, and not only in the ledger."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import insert, select, update

from schoolbeat_server import database, repair, schema, summaries
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.ledger import DAY, Ledger, pack_day
from schoolbeat_server.school_calendar import SchoolCalendar, day_of, first_minute_of
from schoolbeat_server.sums import SUMMED_TO, Sums

FIRST, END = 20_400, 20_403  # local days
SITE, SIGNAL = "s", "line.internet"
NOW_MS = first_minute_of(END + 1) * 60_000


def test_sums_of_days_whose_ledger_was_thrown_away_say_what_the_ledger_says(tmp_path: Path) -> None:
    path = tmp_path / "schoolbeat.db"
    spoiled = FIRST  # as UTC day: it holds minutes of two local days
    _fill(path, spoiled)

    done = repair.repair(path)
    engine = database.open_database(path)
    ingest = Ingest(engine, "", ContactBook(NOW_MS), lambda: NOW_MS)
    ingest.load()
    assert list(repair.rebuild_all(ingest, NOW_MS)) == []
    count = repair.recount(ingest, done.ledger, NOW_MS)

    assert (done.ledger, count) == ([(SITE, spoiled)], 2)
    with engine.connect() as connection:
        sums = Sums(connection, ingest.ledger, SchoolCalendar())
        window = first_minute_of(FIRST), first_minute_of(END)
        told = sums.read({SITE: [SIGNAL]}, *window)[SITE, SIGNAL].always
        minutes = ingest.ledger.read(connection, SITE, [SIGNAL], *window)[SIGNAL]
        touched = [
            tuple(row) for row in connection.execute(select(schema.touched.c.first_minute, schema.touched.c.why))
        ]
    assert (told.up, told.unknown) == (60 * minutes.count(60), 60 * minutes.count(255)) == (60 * 2 * DAY, 60 * DAY)
    assert sums.from_ledger == 0
    assert touched == [(first_minute_of(day), "rebuilt") for day in (FIRST, FIRST + 1)]


def _fill(path: Path, spoiled: int) -> None:
    engine = database.open_database(path)
    with database.writing(engine) as connection:
        connection.execute(insert(schema.area).values(id="p", name="Tỉnh", kind="province"))
        connection.execute(insert(schema.school).values(id="a", name="A", area="p"))
        connection.execute(insert(schema.site).values(id=SITE, school="a", name="A"))
        payload = pack_day({SIGNAL: bytes([60]) * DAY})
        utc_days = range(first_minute_of(FIRST) // DAY, first_minute_of(END) // DAY + 1)
        connection.execute(
            insert(schema.ledger_day), [{"site": SITE, "day": day, "payload": payload} for day in utc_days]
        )
        database.set_meta(connection, SUMMED_TO, str(END))
    with database.writing(engine) as connection:
        for day in range(FIRST, END):
            summaries.make_day(connection, Ledger(engine), SchoolCalendar(), SITE, day)
        assert day_of(spoiled * DAY) == FIRST
        table = schema.ledger_day.c
        connection.execute(update(schema.ledger_day).where(table.day == spoiled).values(payload=payload[:-9]))
    engine.dispose()
