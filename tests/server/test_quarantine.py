"""Quarantine: reports with impossible times are kept whole and visible, released or discarded by an operator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select
from tests.server import browser as browsers
from tests.server.school import School, register
from tests.server.test_breaks_ledger import Server
from tests.server.test_web import Client

from schoolbeat_server import cli, database, quarantine, schema
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import UNKNOWN

NOW = 29_000_000
OLD = NOW - 401 * 1_440
AHEAD = NOW + 500_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "server.toml").write_text(f'folder = "{tmp_path}"\nlanguage = "en"\n', encoding="utf-8")
    return tmp_path


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    engine = database.open_database(folder / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


@pytest.fixture
def server(engine: Engine, folder: Path) -> Server:
    return Server(engine, folder, NOW * 60)


def turn(server: Server) -> None:
    server.step()
    server.heart._carry_out()


def say(folder: Path, *words: str) -> int:
    return cli.main(["--settings", str(folder / "server.toml"), *words])


def web_context(engine: Engine, server: Server) -> WebContext:
    return WebContext(
        engine=engine,
        read_minutes=lambda site, signals, first, end: server.read(site, list(signals), first, end),
        signals_of=lambda _site: [],
        live=LiveFeed(),
        health=lambda: {"ok": True, "reasons": []},
        verdicts=lambda: (),
        now_ms=server.ms,
    )


def held(engine: Engine) -> list[tuple[str, str, int, int]]:
    table = schema.held.c
    with engine.connect() as connection:
        rows = connection.execute(select(table.why, table.state, table.first_minute, table.payload).order_by(table.id))
        return [(why, state, minute, len(payload)) for why, state, minute, payload in rows]


def router(server: Server, minute: int) -> int:
    return server.read("s1", ["lan.router"], minute, minute + 1)["lan.router"][0]


def test_a_report_with_impossible_times_is_kept_whole_settled_and_seen(
    engine: Engine, server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    school = School("s1", signals=[f"device.d{number}" for number in range(900)])
    rng = random.Random(1)
    rows = school.rows(AHEAD, [bytes(rng.randrange(61) for _ in range(900)) for _ in range(10)])
    report = school.report(rows)

    server.step(school.inventory_message(), report, report)

    assert len(report.payload) > 4_096
    assert held(engine) == [("future", "waiting", AHEAD, len(report.payload))]
    assert server.ingest.epochs.known["s1", "gateway", school.epoch].settled.pairs() == [(0, 10)]
    assert say(folder, "quarantine", "list") == 0
    shown = capsys.readouterr().out
    assert "s1    gateway  in the future" in shown
    assert "10" in shown.splitlines()[1].split()


def test_a_report_that_is_too_old_is_placed_once_an_operator_vouches_for_it(
    engine: Engine, server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(OLD, line_isp=0), school.minute(NOW - 1))
    assert router(server, OLD) == UNKNOWN

    said = say(folder, "quarantine", "release", "1", "--reason", "thẻ nằm trong tủ một năm", "--who", "lan")
    turn(server)
    turn(server)

    assert (said, held(engine)) == (0, [("past", "released", OLD, 0)])
    assert router(server, OLD) == 60
    with engine.connect() as connection:
        found = connection.execute(select(schema.outage.c.first_minute, schema.outage.c.end_minute)).all()
    assert [tuple(row) for row in found] == [(OLD, NOW - 1)]
    capsys.readouterr()
    assert say(folder, "quarantine", "list", "--all") == 0
    assert "released: lan" in (shown := capsys.readouterr().out)
    assert "thẻ nằm trong tủ một năm" in shown
    server.start()
    assert router(server, OLD) == 60


def test_minutes_that_have_not_come_cannot_be_released_but_discarded(
    engine: Engine, server: Server, folder: Path
) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(AHEAD), school.minute(NOW - 1))

    say(folder, "quarantine", "release", "--site", "s1", "--reason", "thử")
    turn(server)
    turn(server)
    with engine.connect() as connection:
        outcome = connection.scalar(select(schema.decision.c.outcome))
    assert outcome == "released 0, 1 not: their minutes have not come yet"
    assert [row[:2] for row in held(engine)] == [("future", "waiting")]
    say(folder, "quarantine", "discard", "1", "--reason", "đồng hồ sai ba năm")
    turn(server)

    assert [row[:2] for row in held(engine)] == [("future", "discarded")]
    assert router(server, AHEAD) == UNKNOWN


def test_what_is_ahead_of_a_clock_of_ours_that_is_behind_is_seen_until_its_time_has_come(
    engine: Engine, server: Server
) -> None:
    school = School("s1")
    early = school.minute(NOW + 30)
    server.step(school.inventory_message(), early)
    assert [row[:3] for row in held(engine)] == [("early", "waiting", NOW + 30)]

    server.step(early, seconds=1_900)

    assert held(engine) == []
    assert router(server, NOW + 30) == 60


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["release", "7", "--reason", "x"], "7: no such report is in quarantine"),
        (["release", "--site", "s2", "--reason", "x"], "s2/gateway: no such report is in quarantine"),
        (["release", "--reason", "x"], "Name either ids, or --site."),
        (["discard", "1", "--site", "s1", "--reason", "x"], "Name either ids, or --site."),
        (["discard", "1", "--reason", "  "], "--reason: needs 1 to 500 characters"),
    ],
)
def test_a_decision_about_nothing_is_refused(
    engine: Engine,
    server: Server,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    server.step(School("s1").minute(AHEAD))

    code = say(folder, "quarantine", *words)

    assert code == 1
    assert said in capsys.readouterr().err
    with engine.connect() as connection:
        assert connection.execute(select(schema.decision)).all() == []


def test_one_school_cannot_fill_the_disk(engine: Engine, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    school, other = School("s1"), School("s2")
    size = len(school.minute(AHEAD).payload)
    monkeypatch.setattr(quarantine, "AGENT_BYTES", 3 * size + size // 2)

    server.step(*(school.minute(AHEAD + n) for n in range(9)), other.minute(AHEAD))

    assert (len(held(engine)), server.ingest.counters["held.no_room"]) == (4, 6)


def test_payloads_of_what_was_refused_go_after_a_fortnight_and_the_rows_stay(
    engine: Engine, server: Server, folder: Path
) -> None:
    school = School("s1")
    server.step(school.minute(AHEAD), school.minute(AHEAD + 1), school.minute(NOW + 30))
    say(folder, "quarantine", "discard", "1", "--reason", "đồng hồ sai")
    turn(server)
    size = held(engine)[1][3]

    server.step(seconds=15 * 86_400)
    server.heart.sealing = []
    server.heart._seal_one()

    assert held(engine) == [("future", "discarded", AHEAD, 0), ("future", "waiting", AHEAD + 1, size)]
    assert server.ingest.held.bytes["s1", "gateway"] == size
    assert say(folder, "quarantine", "release", "1", "--reason", "x") == 1


def test_a_released_report_that_fits_no_inventory_is_discarded_with_the_reason(
    engine: Engine, server: Server, folder: Path
) -> None:
    school = School("s1")
    report = school.minute(OLD)
    server.step(report)
    narrow = School("s1", signals=["lan.router"])
    narrow.inventory = type(narrow.inventory)(
        **{name: getattr(narrow.inventory, name) for name in narrow.inventory.__struct_fields__}
        | {"revision": school.inventory.revision}
    )
    server.step(narrow.inventory_message())

    say(folder, "quarantine", "release", "1", "--reason", "x")
    turn(server)
    turn(server)

    assert [row[:2] for row in held(engine)] == [("past", "discarded")]
    assert bounds.FIRST_MINUTE < OLD


def test_the_commands_name_the_machines_and_refuse_what_is_not_one(
    engine: Engine, server: Server, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware="11" * 8), school.minute(NOW - 3))
    server.step(copy.presence(hardware="22" * 8), copy.minute(NOW - 2))

    assert say(folder, "agent", "clones") == 0
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 3
    assert any("2222222222222222" in line and "WAITS FOR YOU" in line for line in shown)
    assert say(folder, "agent", "true", "s1", "gateway", "--hardware", "33", "--reason", "x") == 1
    assert "does not name one machine. Seen: 1111111111111111" in capsys.readouterr().err
    assert say(folder, "agent", "true", "s1", "gateway", "--hardware", "22", "--reason", "đã thay máy") == 0
    turn(server)
    turn(server)

    assert router(server, NOW - 2) == 60
    assert say(folder, "--lang", "vi", "agent", "clones") == 0


def test_api_and_page_show_what_waits(engine: Engine, server: Server) -> None:
    school, copy = School("s1"), School("s1", epoch="cd" * 8)
    server.step(school.inventory_message(), school.presence(hardware="11" * 8), school.minute(AHEAD))
    server.step(copy.presence(hardware="22" * 8), copy.minute(NOW - 2))
    client = Client(create_app(web_context(engine, server)))

    machines = client.get("/api/v1/clones").json()
    rows = client.get("/api/v1/quarantine").json()
    page = client.get("/about?lang=en").text

    assert [(one["hardware"], one["state"], one["reports"]) for one in machines] == [
        ("11" * 8, "true", 0),
        ("22" * 8, "aside", 1),
    ]
    assert [(one["why"], one["first_minute"], one["who"]) for one in rows] == [("future", AHEAD, None)]
    assert "1 reports of another machine" in page


def test_a_decision_waits_for_a_server_that_is_stopped(engine: Engine, server: Server, folder: Path) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(OLD))
    with engine.begin() as connection:
        values = {"at_ms": 1, "who": "lan", "what": "release", "site": "s1", "agent": "gateway", "reason": "x"}
        connection.execute(insert(schema.decision).values(values))

    fresh = Server(engine, folder, server.second)
    turn(fresh)
    turn(fresh)

    assert router(fresh, OLD) == 60


def test_the_page_in_a_browser_shows_what_waits_and_then_who_decided_and_why(
    engine: Engine, server: Server, folder: Path, tmp_path: Path
) -> None:
    school = School("s1")
    server.step(school.inventory_message(), school.minute(AHEAD), school.minute(OLD))
    with (
        browsers.served(create_app(web_context(engine, server))) as address,
        browsers.started(tmp_path / "chromium") as browser,
    ):
        browser.open(f"{address}/quarantine?lang=vi", width=360)
        waiting = browser.evaluate("[...document.querySelectorAll('#list tbody tr')].map(row => row.innerText)")
        wide = browser.evaluate("document.documentElement.scrollWidth")
        assert say(folder, "quarantine", "release", "2", "--reason", "thẻ <b>cũ</b>", "--who", "lan") == 0
        assert say(folder, "quarantine", "discard", "1", "--reason", "đồng hồ sai", "--who", "lan") == 0
        turn(server)
        turn(server)
        browser.open(f"{address}/quarantine?lang=vi", width=1280)
        nothing = browser.evaluate("document.querySelector('#list').innerText")
        browser.open(f"{address}/quarantine?all=true&lang=en", width=1280)
        decided = browser.evaluate("[...document.querySelectorAll('#list tbody tr')].map(row => row.innerText)")

    assert wide <= 360
    assert ["quá cũ" in waiting[0], "ở tương lai" in waiting[1], len(waiting)] == [True, True, 2]
    assert nothing == "Không có gì phải chờ."
    assert "believed: lan" in decided[0]
    assert "– thẻ <b>cũ</b>" in decided[0]
    assert "discarded: lan" in decided[1]
    assert browser.complaints == []
    assert router(server, OLD) == 60
