"""The product's books beside the oracle's: rows, ledger, outages, off-reasons, availability, verdicts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import product as product_of
from itertools import zip_longest
from pathlib import Path
from random import Random
from typing import NamedTuple

from sqlalchemy import Engine, select
from tests.oracle import books
from tests.oracle.month import FIRST_MINUTE, INTERNET, MONTH_MINUTES, SIGNALS, Enrolled, Rule
from tests.oracle.product import SITE, Event, Inventory, Sent, Server
from tests.oracle.stories import GATEWAY
from tests.oracle.truth import Row
from tests.oracle.way import until_calendars
from tests.server.school import register

from schoolbeat_server import database, schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Filter, Plan, Target
from schoolbeat_wire.catalogue import OFF_NAMES
from schoolbeat_wire.report import MinuteRow

WINDOW = (FIRST_MINUTE, FIRST_MINUTE + MONTH_MINUTES)


def of_product(row: MinuteRow) -> Row:
    off = {
        minute: OFF_NAMES[told.reason]
        for told in row.off
        if OFF_NAMES[told.reason] != "interrupted"
        for minute in range(told.first_minute, told.first_minute + told.count)
    }
    return Row(row.minute, row.signals, off)


def difference(found: list[list[Row]], expected: list[list[Row]]) -> str:
    """The first row that differs, in few words; empty: none does."""
    nothing: list[Row] = []
    for card, (mine, wanted) in enumerate(zip_longest(found, expected, fillvalue=nothing)):
        for place, (a, b) in enumerate(zip_longest(mine, wanted)):
            if a != b:
                return f"card {card}, row {place}: found {_told(a)}, expected {_told(b)}"
    return ""


def _told(row: Row | None) -> str:
    if row is None:
        return "nothing"
    off = sorted(row.off)
    return f"{row.minute} {list(row.codes)} off {len(off)}: {off[:3]}…{off[-3:]} {set(row.off.values())}"


def _words(card: int, row: MinuteRow) -> Iterator[books.Word]:
    """What is told of minutes to come was told by a wrong clock."""
    for told in row.off:
        end = min(told.first_minute + told.count, row.minute)
        if told.first_minute < end:
            yield books.Word(card, row.seq, told.first_minute, end, OFF_NAMES[told.reason])


def of_event(event: Event) -> books.Happening:
    if isinstance(event, Inventory):
        return books.Tells(event.agent, event.tells)
    if isinstance(event, Sent):
        words = (word for row in event.rows for word in _words(event.card, row))
        return books.Came(event.agent, tuple(of_product(row) for row in event.rows), tuple(words))
    return event.what


@cache
def empty_database() -> bytes:
    """With the school in the register; made once."""
    with tempfile.TemporaryDirectory() as folder:
        engine = database.open_database(Path(folder) / "schoolbeat.db")
        register(engine, [SITE])
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        engine.dispose()
        return (Path(folder) / "schoolbeat.db").read_bytes()


def compare(server: Server, taken: books.Taken) -> None:
    """The ledger and its outages, byte by byte and row by row."""
    expected = books.ledger(taken, *WINDOW)
    with server.engine.connect() as connection:
        found = server.ingest.ledger.read(connection, SITE, SIGNALS, *WINDOW)
    for signal in SIGNALS:
        if found[signal] != expected[signal]:
            pairs = enumerate(zip(found[signal], expected[signal], strict=True))
            wrong = [(FIRST_MINUTE + at, a, b) for at, (a, b) in pairs if a != b]
            raise AssertionError(f"{signal}: {wrong[:20]} (minute, found, expected)")
    assert outage_rows(server.engine) == books.outages(expected, FIRST_MINUTE, taken.rules)


def compare_figures(server: Server, taken: books.Taken, random: Random) -> None:
    """Availability, coverage and verdicts, on both clocks."""
    expected = books.ledger(taken, *WINDOW)
    calendar = server.ingest.asked.calendar
    with server.engine.connect() as connection:
        found = server.ingest.ledger.read(connection, SITE, SIGNALS, *WINDOW)
    lessons = calendar.of_site(SITE).minutes(*WINDOW)
    for signal, clock in product_of(SIGNALS, (None, lessons)):
        seconds = books.availability(expected[signal], FIRST_MINUTE, lessons=clock is not None, rules=taken.rules)
        of_signal = availability(found[signal], clock)
        assert of_signal == Availability(*seconds)
        assert of_signal.coverage == Fraction(seconds[0] + seconds[1], sum(seconds) or 1)
    asked = some_asked(expected, taken.rules, random)
    of_clock = {
        clock: books.availability(expected[INTERNET], FIRST_MINUTE, lessons=clock == "lessons", rules=taken.rules)
        for clock in ("always", "lessons")
    }
    wanted = [
        books.verdict(of_clock[one.clock], one.share, one.coverage, off_is_down=one.off == "down") for one in asked
    ]
    told = [verdict.status for verdict in server.judged(plan(asked), WINDOW)]
    assert list(zip(asked, told, strict=True)) == list(zip(asked, wanted, strict=True))


def outage_rows(engine: Engine) -> list[books.Outage]:
    table = schema.outage.c
    columns = (
        table.signal,
        table.first_minute,
        table.last_minute,
        table.end_minute,
        table.down_seconds,
        table.cause,
        table.lessons,
    )
    with engine.connect() as connection:
        return sorted(books.Outage(*row) for row in connection.execute(select(*columns)))


def off_reasons(engine: Engine) -> dict[tuple[str, int], set[str]]:
    table = schema.off.c
    out: dict[tuple[str, int], set[str]] = {}
    columns = (table.agent, table.first_minute, table.count, table.reason)
    with engine.connect() as connection:
        for agent, first, count, reason in connection.execute(select(*columns)):
            if reason != "interrupted":
                for minute in range(first, first + count):
                    out.setdefault((agent, minute), set()).add(reason)
    return out


class Asked(NamedTuple):
    clock: str
    off: str
    share: Fraction
    coverage: Fraction


def some_asked(books_: dict[str, bytes], rules: frozenset[Rule], random: Random) -> list[Asked]:
    """On both clocks, off either way: some shares and coverages, among them exactly what was reached and just more."""
    out = []
    for clock, off in product_of(("always", "lessons"), ("left_out", "down")):
        up, down, gone, unknown = books.availability(
            books_[INTERNET], FIRST_MINUTE, lessons=clock == "lessons", rules=rules
        )
        known = up + down + (gone if off == "down" else 0)
        whole = up + down + gone + unknown
        shares = [Fraction(random.choice((1, 500, 900, 990, 999, 1_000)), 1_000)]
        coverages = [Fraction(random.choice((1, 2, 5, 20, 500)), 1_000)]
        if known:
            least = random.choice((Fraction(up, known), Fraction(up, whole), Fraction(whole - known + up, whole)))
            shares += [share for share in (least, least + Fraction(1, 10**9)) if 0 < share <= 1]
            reached = Fraction(known, whole)
            coverages += [share for share in (reached, reached + Fraction(1, 10**9)) if share <= 1]
        out += [Asked(clock, off, share, coverage) for share, coverage in product_of(shares, coverages)]
    return out


def plan(asked: list[Asked]) -> Plan:
    words = Said("", "")
    targets = tuple(
        Target(
            str(n), words, words, words, "school", Filter(),
            (Condition("line.internet.availability", "enough", at_least=one.share),),
            Fraction(1), date(2026, 1, 1), MONTH_MINUTES // 1_440,
            one.clock, one.coverage, one.off, "any", "every", "every", 1, (),  # type: ignore[arg-type]
        )
        for n, one in enumerate(asked)
    )  # fmt: skip
    return Plan("p", words, words, "p.yaml", targets)


@contextmanager
def some_database() -> Iterator[Engine]:
    """With the school in the register."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schoolbeat.db"
        path.write_bytes(empty_database())
        engine = database.open_database(path)
        try:
            yield engine
        finally:
            engine.dispose()


def follow(server: Server, events: list[Event]) -> books.Taken:
    """Both take what happens; compared before and after each change of the calendar, and at the end."""
    taken = books.Taken()
    taken.take(Enrolled(FIRST_MINUTE, GATEWAY))
    for part in until_calendars(events):
        server.take(part)
        for event in part:
            taken.take(of_event(event))
        compare(server, taken)
    compare_figures(server, taken, server.random)
    assert off_reasons(server.engine) == books.reasons(taken)
    return taken
