"""Whatever a month was like and whatever happened on the way, the product's books are the oracle's, byte for byte."""

from __future__ import annotations

import ast
import os
import tempfile
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import zip_longest
from pathlib import Path
from random import Random, SystemRandom

import msgspec
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from tests.oracle import drawn, product, truth
from tests.oracle.drawn import Reporting
from tests.oracle.month import (
    FIRST_MINUTE,
    INTERNET,
    MONTH_MINUTES,
    SIGNALS,
    Fault,
    Life,
    Month,
    Ran,
    Runs,
    Step,
    answers,
)
from tests.oracle.product import SITE, Sent, Server
from tests.oracle.truth import Row
from tests.server.school import register

from schoolbeat_server import database, schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.evidence import Window, from_ledger
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Filter, Plan, Target
from schoolbeat_server.verdicts import collect, judge_plan
from schoolbeat_wire.catalogue import OFF_NAMES
from schoolbeat_wire.report import MinuteRow

MONTHS = int(os.environ.get("ORACLE_MONTHS", "40"))
SEED = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
END_MINUTE = FIRST_MINUTE + MONTH_MINUTES
WINDOW = (FIRST_MINUTE, END_MINUTE)


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


def on_the_way(cards: list[list[MinuteRow]], how: Reporting) -> tuple[list[Sent], list[tuple[int, MinuteRow]]]:
    """The messages as they come in, and each row that came, once."""
    random = Random(how.seed)
    sent: list[Sent] = []
    for card, rows in enumerate(cards):
        for _ in range(2 if random.randrange(100) < how.repeated else 1):
            at = 0
            while at < len(rows):
                size = random.choice((1, 1, 2, 7, 60))
                together = rows[at : at + size]
                ascending = 1
                while ascending < len(together) and together[ascending - 1].minute < together[ascending].minute:
                    ascending += 1
                sent.append(Sent(card, tuple(together[:ascending])))
                at += ascending
    sent = [one for one in sent if random.randrange(100) >= how.lost]
    sent += [one for one in sent if random.randrange(100) < how.repeated]
    altered = [one for one in sent if random.randrange(100) < how.altered]
    sent += [
        Sent(0xA0 + n, tuple(_other(row, n, random) for n, row in enumerate(one.rows))) for n, one in enumerate(altered)
    ]
    if how.shuffled:
        random.shuffle(sent)
    came = {(one.card, row.seq): row for one in sent for row in one.rows}
    return sent, [(card, row) for (card, _), row in came.items()]


def _other(row: MinuteRow, seq: int, random: Random) -> MinuteRow:
    """What an altered copy of the card says."""
    codes = bytes(random.randrange(61) if random.randrange(8) == 0 else code for code in row.signals)
    return msgspec.structs.replace(row, seq=seq, signals=codes)


def outage_rows(engine: Engine) -> list[truth.Outage]:
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
        return sorted(truth.Outage(*row) for row in connection.execute(select(*columns)))


def off_reasons(engine: Engine) -> dict[int, set[str]]:
    table = schema.off.c
    out: dict[int, set[str]] = {}
    with engine.connect() as connection:
        for first, count, reason in connection.execute(select(table.first_minute, table.count, table.reason)):
            if reason != "interrupted":
                for minute in range(first, first + count):
                    out.setdefault(minute, set()).add(reason)
    return out


def plan(permille: int, coverage_permille: int, clock: str, off: str) -> Plan:
    words = Said("", "")
    condition = Condition("line.internet.availability", "enough", at_least=Fraction(permille, 1000))
    target = Target(
        "T", words, words, words, "school", Filter(), (condition,), Fraction(1), date(2026, 1, 1), MONTH_MINUTES // 1_440,
        clock, Fraction(coverage_permille, 1000), off, "any", "every", "every", 1, (),  # type: ignore[arg-type]
    )  # fmt: skip
    return Plan("p", words, words, "p.yaml", (target,))


shares = st.tuples(st.sampled_from((1, 500, 900, 990, 999, 1000)), st.sampled_from((1, 2, 5, 20, 500)))


@seed(SEED)
@settings(
    max_examples=MONTHS,
    deadline=None,
    database=None,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[Phase.explicit, Phase.generate],  # the seed tells enough; shrinking takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(drawn.some_month(), drawn.reportings, shares)
def test_a_school_month(month: Month, how: Reporting, share: tuple[int, int]) -> None:
    note(f"ORACLE_SEED={SEED}")
    expected_rows = truth.rows_of(month)
    cards = product.recorded(month)
    assert difference([[of_product(row) for row in rows] for rows in cards], expected_rows) == ""
    sent, came = on_the_way(cards, how)
    rows = [of_product(row) for _, row in came]
    books = truth.ledger(rows, *WINDOW)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schoolbeat.db"
        path.write_bytes(empty_database())
        engine = database.open_database(path)
        try:
            server = Server(engine, (END_MINUTE + 10) * 60_000)
            messages = [product.message(one) for one in sent]
            random = Random(how.seed + 1)
            messages.insert(random.randrange(len(messages) + 1) if how.shuffled else 0, product.inventory_message())
            server.take(messages, random, how.troubles)
            compare(server, books, share)
            assert off_reasons(engine) == truth.reasons(rows)
        finally:
            engine.dispose()


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


def compare(server: Server, books: dict[str, bytes], share: tuple[int, int]) -> None:
    ingest = server.ingest
    with server.engine.connect() as connection:
        found = ingest.ledger.read(connection, SITE, SIGNALS, *WINDOW)
    for signal in SIGNALS:
        wrong = [
            (FIRST_MINUTE + at, a, b)
            for at, (a, b) in enumerate(zip(found[signal], books[signal], strict=True))
            if a != b
        ]
        assert (signal, wrong[:20]) == (signal, [])
    assert outage_rows(server.engine) == truth.outages(books, FIRST_MINUTE)
    lessons = ingest.asked.calendar.of_site(SITE).minutes(*WINDOW)
    for signal in SIGNALS:
        for clock in (None, lessons):
            seconds = truth.availability(books[signal], FIRST_MINUTE, lessons=clock is not None)
            assert availability(found[signal], clock) == Availability(*seconds)
            whole = sum(seconds)
            assert availability(found[signal], clock).coverage == Fraction(seconds[0] + seconds[1], whole)
    for clock_name, off in (("always", "left_out"), ("lessons", "down"), ("lessons", "left_out"), ("always", "down")):
        seconds = truth.availability(books[INTERNET], FIRST_MINUTE, lessons=clock_name == "lessons")
        wanted = truth.verdict(seconds, *share, off_is_down=off == "down")
        assert (clock_name, off, judged(server, plan(*share, clock_name, off))) == (clock_name, off, wanted)


def judged(server: Server, asked: Plan) -> str:
    with server.engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return server.ingest.ledger.read(connection, site, [signal], first, end)[signal]

        evidence = collect(connection, from_ledger(read, server.ingest.asked.calendar.read), asked, Window(*WINDOW))
    return judge_plan(asked, evidence)[0].status


@seed(SEED)
@settings(
    max_examples=MONTHS, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
@given(drawn.some_month())
def test_a_byte_is_as_true_as_the_rounds_are_close(month: Month) -> None:
    """Against the world itself, each second of it: a change is seen at the next run that could measure, no later."""
    lives = [life for life in month.lives if life.clock and not any(step.error for step in life.clock)]
    lone = [Month((replace(life, new_card=True, new_boot=True),), month.faults, month.silent) for life in lives]
    for alone in lone:
        life = alone.lives[0]
        looks = sorted(ran.started for ran in life.runs if ran.probe == "path" and ran.measured)
        for row in product.recorded(alone)[0]:
            begin = row.minute * 60
            world = [answers(alone, "path", second) for second in range(begin - 30, begin + 60)]
            for signal in ("lan.router", INTERNET):
                told = row.signals[SIGNALS.index(signal)]
                was = [seen[signal] for seen in world]
                changes = [begin - 30 + at for at in range(1, 90) if was[at] != was[at - 1]]
                blind = sum(min([look for look in looks if look >= at], default=at + 25) - at + 1 for at in changes)
                if told <= truth.FULL:
                    assert abs(told - was[30:].count("up")) <= blind, (signal, row.minute, changes)


def test_a_clock_set_back_twice_within_a_minute_tells_no_minute_twice() -> None:
    begin = FIRST_MINUTE * 60 + 600
    end = begin + 600 + 1 / 256
    for wait in range(30, 75):
        steps = (Step(begin + 1 / 128, 70), Step(begin + 312 + 1 / 128, 5), Step(begin + 312 + wait + 1 / 128, 0))
        life = Life(float(begin), end, "stop", True, True, steps, drawn.runs(Random(wait), begin, end, 0, True))
        month = Month((life,), (), frozenset())

        rows = [[of_product(row) for row in rows] for rows in product.recorded(month)]

        assert difference(rows, truth.rows_of(month)) == ""
        assert len({row.minute for row in rows[0]}) == len(rows[0])


def test_a_minute_waits_for_the_run_that_tells_whether_a_device_could_be_seen() -> None:
    """The router fails between the path's round and the devices'; the path's next run cannot measure."""
    begin = FIRST_MINUTE * 60
    rounds = [begin + 10 * n for n in range(30)]
    ran = [Ran("path", at + 4.0, at + 4.5, at != begin + 120) for at in rounds]
    ran += [Ran("devices", at + 5.0, at + 5.5, True) for at in rounds]
    ran += [Ran("rooms", at + 6.0, at + 6.5, True) for at in rounds[::6]]
    life = Life(float(begin), begin + 300 + 1 / 256, "stop", True, True, (Step(begin + 1 / 128, 0),), Runs(ran))
    month = Month((life,), (Fault("lan.router", begin + 114.5, begin + 200),), frozenset())

    rows = [[of_product(row) for row in rows] for rows in product.recorded(month)]

    assert difference(rows, truth.rows_of(month)) == ""
    assert rows[0][1].codes == bytes([60, 60, 60, 60, 60, 255, 255, 60])


# ---- the oracle itself ---------------------------------------------------------------------------------------


def test_the_oracle_shares_no_code_with_the_product() -> None:
    for name in ("month", "truth", "drawn"):
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text())
        imported = {
            module.split(".")[0] if not module.startswith("tests.") else module
            for node in ast.walk(tree)
            for module in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        allowed = {
            "__future__",
            "collections",
            "functools",
            "dataclasses",
            "typing",
            "datetime",
            "random",
            "hypothesis",
            "tests.oracle.month",
        }

        assert imported <= allowed, name
        assert not {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & {
            "__import__",
            "importlib",
            "exec",
            "eval",
        }
