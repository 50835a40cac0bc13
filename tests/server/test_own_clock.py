"""A server whose own clock is wrong accepts, judges, seals, deletes and alarms nothing until the clock is right again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from tests.server.school import School, register
from tests.server.test_breaks_ledger import Server

from schoolbeat_server import cli, database, own_clock, schema
from schoolbeat_server.judge import Judge
from schoolbeat_server.own_clock import OwnClock, doubt

NOW = 29_394_905
SECOND = NOW * 60
MS = SECOND * 1000
DAY_MS = 86_400_000
YEARS = 3 * 365 * 86_400


class Network:
    """In the broker's place: hands over what schools published, again until it is acknowledged."""

    def __init__(self) -> None:
        self.connected, self.problem = False, ""
        self.waiting: list[object] = []
        self.given: list[object] = []
        self.closed = 0
        self.published: list[str] = []

    def pump(self, _seconds: float) -> None:
        if not self.connected:
            self.connected, self.given = True, []
        for message in self.waiting:
            if message not in self.given:
                self.given.append(message)
                self.heart.inbox.append(message)  # type: ignore[attr-defined]

    def ack(self, _token: object) -> None:
        """Our messages carry no token: they are told by what the heart still holds."""
        self.waiting = [one for one in self.waiting if one not in self.given]

    def publish(self, topic: str, _payload: bytes, **_how: object) -> None:
        self.published.append(topic.rsplit("/", 1)[1])

    def close(self) -> None:
        self.connected, self.closed = False, self.closed + 1


class Clocked(Server):
    """The heart's own turn, by a clock that the test sets; the kernel says what the test says."""

    synchronised = False

    def start(self) -> None:
        super().start()
        self.link = Network()  # type: ignore[assignment]
        self.heart.link = self.link  # type: ignore[assignment]
        self.link.heart = self.heart  # type: ignore[attr-defined]
        self.heart.clock = OwnClock(self.engine, lambda: self.synchronised)
        self.heart.stopping.wait = lambda _seconds: False  # type: ignore[method-assign, assignment, misc]

    def turn(self, *messages: object) -> None:
        self.link.waiting += messages  # type: ignore[attr-defined]
        self.heart.next_tick = self.heart.first_at = 0.0
        self.heart.next_house = 0.0
        self.heart.turn()

    def turns(self, seconds: int) -> None:
        for _ in range(seconds):
            self.second += 1
            self.turn()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


@pytest.fixture
def server(engine: Engine, tmp_path: Path) -> Clocked:
    return Clocked(engine, tmp_path, SECOND)


def rows(engine: Engine) -> dict[str, int]:
    """How many there are of everything that a wrong time could make or delete."""
    tables = (
        "report",
        "held",
        "aside",
        "ledger_day",
        "contact_minute",
        "outage",
        "incident",
        "notice",
        "digest",
        "off",
    )
    tables += ("issued", "edge", "day_touched", "counter")
    found = {name: table for name, table in schema.metadata.tables.items() if name in tables}
    with engine.connect() as connection:
        return {name: connection.scalar(select(func.count()).select_from(one)) or 0 for name, one in found.items()}


def settled_school(server: Clocked, minutes: int = 20) -> School:
    """A school that is heard for a while and goes on being so."""
    school = School("s1")
    server.turn(school.inventory_message(), school.presence())
    for minute in range(NOW - minutes, NOW):
        server.turn(school.minute(minute))
    server.turns(60)
    server.turn(school.minute(NOW - 1))  # again: it is there
    server.turns(60)
    return school


def test_a_time_is_doubted_before_the_program_was_made_before_what_is_written_and_weeks_after_it() -> None:
    def told(now_ms: int, mark_ms: int, synchronised: bool = False) -> str:
        said = doubt(now_ms, mark_ms, synchronised=synchronised)
        return said.en.partition(": ")[0] if said else ""

    assert told(0, 0) == "the server's clock says 1970-01-01 00:00 UTC, before this program was made"
    assert told(0, 0, synchronised=True) == "the server's clock says 1970-01-01 00:00 UTC, before this program was made"
    assert "and yet records were written at 2025-11-21" in told(MS - 11 * 60_000, MS)
    assert "more than 7 days after the last record" in told(MS + 8 * DAY_MS, MS)
    assert [told(MS + step, MS) for step in (-9 * 60_000, 0, 6 * DAY_MS)] == ["", "", ""]
    assert [told(MS + step, MS, synchronised=True) for step in (-5 * DAY_MS, 900 * DAY_MS)] == ["", ""]
    assert told(MS, 0) == ""


@given(st.integers(0, 4 * 10**12), st.integers(0, 4 * 10**12), st.booleans())
def test_what_is_doubted_is_told_in_both_languages(now_ms: int, mark_ms: int, synchronised: bool) -> None:
    said = doubt(now_ms, mark_ms, synchronised=synchronised)

    assert said is None or (said.vi.startswith("đồng hồ máy chủ chỉ ") and said.en.startswith("the server's clock"))


@pytest.mark.parametrize("wrong", [0, SECOND - YEARS, SECOND - 3_600, SECOND + YEARS, SECOND + 86_400 * 9])
def test_a_server_that_starts_with_a_wrong_clock_writes_nothing_and_loses_nothing(
    engine: Engine, server: Clocked, wrong: int
) -> None:
    school = settled_school(server)
    before, true_second = rows(engine), server.second
    server.second = wrong
    server.start()

    server.turn(school.presence(), school.minute(NOW))
    server.turns(200)

    assert rows(engine) == before
    assert server.link.published == []  # type: ignore[attr-defined]
    assert server.heart.clock.problem is not None
    server.second, server.synchronised = true_second + 300, True
    server.turns(5)
    assert rows(engine) | {"counter": 0} == before | {"report": before["report"] + 1, "counter": 0}
    assert "ack" in server.link.published  # type: ignore[attr-defined]
    assert server.read("s1", ["line.internet"], NOW, NOW + 1)["line.internet"][0] == 60


@pytest.mark.parametrize("step", [-YEARS, -7_200, YEARS])
def test_a_clock_that_steps_while_the_server_runs_stops_it_until_it_is_right(
    engine: Engine, server: Clocked, step: int
) -> None:
    school = settled_school(server)
    before = rows(engine)
    server.second += step

    server.turn(school.minute(NOW))
    server.turns(400)

    assert rows(engine) == before
    assert server.link.closed == 1  # type: ignore[attr-defined]
    server.second -= step
    server.turns(80)
    after = rows(engine)
    assert (after["report"], after["incident"], after["notice"]) == (before["report"] + 1, 0, 0)
    assert not server.heart.link.problem
    assert server.ingest.contact.blind_until_ms < server.ms() + 60_000


def test_for_hours_with_a_wrong_clock_no_school_is_out_of_contact(engine: Engine, server: Clocked) -> None:
    school = settled_school(server)
    server.second = 100
    server.turns(500)
    server.second, server.synchronised = SECOND + 7_200, True

    server.turn(school.presence(), school.minute(NOW + 118))
    server.turns(80)

    with engine.connect() as connection:
        assert connection.execute(select(schema.incident.c.id)).all() == []


def test_nothing_is_judged_by_a_clock_that_cannot_be_right(server: Clocked) -> None:
    settled_school(server)
    times = iter([0, (SECOND + YEARS) * 1000, server.ms()])

    found = [server.heart.clock.is_right_at(at) for at in times]

    assert found == [False, False, True]
    judge = Judge(server.engine, server.ingest.ledger, (), server.ms, knows_time=lambda: False)
    judge.start()
    judge.stop()
    assert judge.judged_ms == 0


def test_an_operator_vouches_for_a_clock_without_a_network_time(
    engine: Engine, server: Clocked, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tmp_path / "server.toml"
    settings.write_text(f'folder = "{tmp_path}"\nlanguage = "en"\n', encoding="utf-8")
    school = settled_school(server)
    server.second += 30 * 86_400
    server.turns(3)
    assert server.heart.clock.problem is not None
    assert "clock believe" in server.heart.clock.problem.vi

    own_clock.vouch(engine, server.ms(), "lan", "không có NTP")
    server.turn(school.minute(server.second // 60 - 1))
    server.turns(2)

    assert server.heart.clock.problem is None
    assert server.ingest.newest["s1", "gateway"] == server.second // 60 - 1
    assert cli.main(["--settings", str(settings), "clock", "believe", "--reason", " "]) == 1
    assert cli.main(["--settings", str(settings), "clock", "believe", "--reason", "no NTP"]) == 0
    assert "Noted: it is 20" in capsys.readouterr().out


def test_the_real_kernel_says_whether_it_is_synchronised() -> None:
    assert own_clock.kernel_is_synchronised() in (True, False)
