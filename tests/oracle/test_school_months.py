"""Whatever a month was like and whatever happened on the way, the product's books are the oracle's, byte for byte."""

from __future__ import annotations

import ast
import json
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from functools import cache
from itertools import product as product_of
from itertools import zip_longest
from pathlib import Path
from random import Random, SystemRandom
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from sqlalchemy import Engine, select
from tests.oracle import books, drawn, product, stories, truth
from tests.oracle.month import (
    FIRST_MINUTE,
    INTERNET,
    MONTH_MINUTES,
    SIGNALS,
    Calendar,
    Enrolled,
    Fault,
    Life,
    Month,
    Ran,
    Rule,
    Runs,
    Step,
    answers,
)
from tests.oracle.product import SITE, Event, Inventory, Operator, Sent, Server
from tests.oracle.stories import WEEKS_SECONDS, Story, Watcher, Way
from tests.oracle.truth import Row
from tests.server.school import register

from schoolbeat_server import database, schema
from schoolbeat_server.availability import Availability, availability
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Filter, Plan, Target
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


def on_the_way(story: Story, cards: dict[str, list[list[MinuteRow]]]) -> list[Event]:
    """All that happens at the server, in order."""
    way, random = story.way, Random(story.way.seed)
    sent: list[Sent] = []
    for who in story.watchers:
        for card, rows in enumerate(cards[who.agent]):
            for _ in range(2 if random.randrange(100) < way.repeated else 1):
                sent += _together(who, card, rows, random)
    sent = [one for one in sent if random.randrange(100) >= way.lost]
    sent += [one for one in sent if random.randrange(100) < way.repeated]
    altered = [one for one in sent if random.randrange(100) < way.altered]
    for n, one in enumerate(altered):
        sent.append(one._replace(card=0xA0 + n, rows=tuple(_other(row, n, random) for n, row in enumerate(one.rows))))
    events: list[Event] = [Operator(what.minute * 60, what) for what in story.operators]
    events += [one for who in story.watchers for one in _inventories(story, who, random)]
    events += [one._replace(at=_comes_at(one.rows, way, random)) for one in sent]
    if way.shuffled:
        random.shuffle(events)
    return sorted(events, key=lambda event: event.at)


def _together(who: Watcher, card: int, rows: list[MinuteRow], random: Random) -> Iterator[Sent]:
    at = 0
    while at < len(rows):
        size = random.choice((1, 1, 2, 7, 60))
        together = rows[at : at + size]
        ascending = 1
        while ascending < len(together) and together[ascending - 1].minute < together[ascending].minute:
            ascending += 1
        yield Sent(0, who.agent, card, who.tells, tuple(together[:ascending]))
        at += ascending


def _comes_at(rows: tuple[MinuteRow, ...], way: Way, random: Random) -> int:
    if way.after:
        return (END_MINUTE + 10) * 60
    late = random.randrange(way.late_seconds) if random.randrange(100) < way.late else 0
    return max(row.minute for row in rows) * 60 + 60 + random.randrange(30) + late


def _inventories(story: Story, who: Watcher, random: Random) -> list[Inventory]:
    """The last comes when the agent may speak at last; those before may be refused."""
    enrolled = [FIRST_MINUTE] + [
        one.minute for one in story.operators if isinstance(one, Enrolled) and one.agent == who.agent
    ]
    at = enrolled[-1] * 60 + random.choice((1, 1, 40, 4_000, WEEKS_SECONDS))
    if story.way.after:
        at = (END_MINUTE + 10) * 60
    early = [minute * 60 + 30 for minute in enrolled if random.randrange(2)]
    return [Inventory(second, who.agent, who.tells) for second in [*early, at]]


def _other(row: MinuteRow, seq: int, random: Random) -> MinuteRow:
    """What an altered copy of the card says."""
    codes = bytes(random.randrange(61) if random.randrange(8) == 0 else code for code in row.signals)
    return msgspec.structs.replace(row, seq=seq, signals=codes)


def of_event(event: Event) -> books.Happening:
    if isinstance(event, Inventory):
        return books.Tells(event.agent, event.tells)
    if isinstance(event, Sent):
        return books.Came(event.agent, tuple(of_product(row) for row in event.rows))
    return event.what


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
@given(stories.some_story())
def test_a_school_month(story: Story) -> None:
    note(f"ORACLE_SEED={SEED}")
    cards = {}
    for who in story.watchers:
        cards[who.agent] = product.recorded(who.month, who.tells)
        found = [[of_product(row) for row in rows] for rows in cards[who.agent]]
        assert (who.agent, difference(found, truth.rows_of(who.month, who.tells))) == (who.agent, "")
    random = Random(story.way.seed + 1)
    COUNTED.update(counted(story))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schoolbeat.db"
        path.write_bytes(empty_database())
        engine = database.open_database(path)
        try:
            server, taken = Server(engine, random, story.way.troubles), books.Taken()
            taken.take(Enrolled(FIRST_MINUTE, stories.GATEWAY))
            for part in until_calendars(on_the_way(story, cards)):
                server.take(part)
                for event in part:
                    taken.take(of_event(event))
                compare(server, taken)
            compare_figures(server, taken, random)
            assert off_reasons(engine) == books.reasons(taken.rows)
        finally:
            engine.dispose()


def until_calendars(events: list[Event]) -> Iterator[list[Event]]:
    """Cut before each change of the calendar, and after it."""
    part: list[Event] = []
    for event in events:
        if isinstance(event, Operator) and isinstance(event.what, Calendar):
            yield part
            yield [event]
            part = []
        else:
            part.append(event)
    yield part


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
    wanted = [
        books.verdict(
            books.availability(expected[INTERNET], FIRST_MINUTE, lessons=one.clock == "lessons", rules=taken.rules),
            one.share,
            one.coverage,
            off_is_down=one.off == "down",
        )
        for one in asked
    ]
    told = [verdict.status for verdict in server.judged(plan(asked), WINDOW)]
    assert list(zip(asked, told, strict=True)) == list(zip(asked, wanted, strict=True))


COUNTED: Counter[str] = Counter()  # what was drawn how often, for the long runs: python -m pytest -s shows it


def counted(story: Story) -> dict[str, int]:
    lives = [life for who in story.watchers for life in who.month.lives]
    kinds = [type(what).__name__ for what in story.operators]
    return {
        "months": 1,
        "agents": len(story.watchers),
        "lives": len(lives),
        "lives without a clock": sum(not life.clock for life in lives),
        "clock steps": sum(max(0, len(life.clock) - 1) for life in lives),
        "faults": sum(len(who.month.faults) for who in story.watchers),
        **{f"operator: {kind}": kinds.count(kind) for kind in ("Enrolled", "Removed", "Calendar")},
        "months told live": not story.way.after,
        "months with late weeks": not story.way.after and story.way.late > 0 and story.way.late_seconds > 90_000,
        "months with copies altered": story.way.altered > 0,
        "months in disorder": story.way.shuffled,
        "months with restarts and seals": story.way.troubles > 0,
    }


@pytest.fixture(scope="module", autouse=True)
def told_how_often() -> Iterator[None]:
    yield
    print(f"\nORACLE_SEED={SEED}", json.dumps(COUNTED, indent=1))


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
                if told <= books.FULL:
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


ORACLE = ("month", "truth", "books", "calendars", "drawn", "stories")


def test_the_oracle_shares_no_code_with_the_product() -> None:
    for name in ORACLE:
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
            "itertools",
            "dataclasses",
            "typing",
            "datetime",
            "random",
            "hypothesis",
            "fractions",
            *(f"tests.oracle.{name}" for name in ORACLE),
        }

        assert imported <= allowed, name
        assert not {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} & {
            "__import__",
            "importlib",
            "exec",
            "eval",
        }
