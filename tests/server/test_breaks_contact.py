"""Contact and incidents under stalls, clock steps, restarts and removals: nobody is woken for nothing or for the past."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, select
from tests.server.school import CUT_AT_ISP, School, register
from tests.server.test_incident_flow import M0, Server, live

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import UNKNOWN


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


@pytest.fixture
def running(engine: Engine) -> tuple[Server, School]:
    server, school = Server(engine, M0 * 60), School("s1")
    server.step(school.inventory_message(), school.presence())
    live(server, school, 4)
    return server, school


def kept(message: Message) -> Message:
    """As the broker gives what it retained."""
    return message._replace(retained=True)


def bodies(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(schema.notice.c.title + "\n" + schema.notice.c.body)))


# ---- restarts ----------------------------------------------------------------------------------------------


def test_a_restart_in_the_seconds_after_a_lost_session_tells_nobody(running: tuple[Server, School]) -> None:
    server, school = running
    server.step(school.presence(online=False))
    server.wait(3)
    server.second += 10
    server.start()
    server.step(kept(school.presence()))
    server.wait(2)
    server.step(school.presence())
    live(server, school, 3)

    assert server.notices() == []


def test_reports_that_waited_at_the_broker_during_a_restart_wake_nobody_for_the_past(
    running: tuple[Server, School],
) -> None:
    server, school = running
    first = server.second // 60
    server.second += 240
    server.start()
    server.step(kept(school.presence()))
    server.step(*(school.minute(first + n, line_international=0) for n in range(3)))  # a batch full of the bad minutes
    server.step(school.minute(first + 3))
    live(server, school, 3)

    assert server.notices() == []


def test_a_fault_that_lasts_over_a_restart_is_told_once_the_server_can_know(running: tuple[Server, School]) -> None:
    server, school = running
    server.start()
    server.step(kept(school.presence()))

    live(server, school, 4, line_international=0)

    assert server.notices() == [("open", "line.international")]


def test_a_cut_that_ends_while_the_server_is_stopped_closes_with_its_cause(running: tuple[Server, School]) -> None:
    server, school = running
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(120)
    server.second += 3_600  # the school is back after 10 minutes, the server after an hour
    server.start()
    server.step(kept(school.presence()))
    now = server.second // 60
    rows = [school.signal_row(**CUT_AT_ISP)] * 10 + [school.signal_row()] * (now - cut - 10)
    server.step(school.presence())
    server.step(school.report(school.rows(cut, rows)))
    live(server, school, 4)

    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]


def test_without_what_the_broker_retained_a_school_that_reports_is_not_lost(running: tuple[Server, School]) -> None:
    server, school = running
    server.start()

    live(server, school, 4)

    assert server.notices() == []
    assert server.contact("s1", M0 + 6, 1) == [60]


# ---- stalls and clocks -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [40, 100, 1_000, 90_000])
def test_a_stalled_server_does_not_take_its_own_silence_for_the_schools(
    running: tuple[Server, School], seconds: int
) -> None:
    server, school = running
    server.wait(45)  # the next report is due, and the process is suspended

    server.second += seconds
    server.wait(20)  # what the socket holds is still being read
    server.step(school.minute(server.second // 60 - 1))
    live(server, school, 3)

    assert server.notices() == []


@pytest.mark.parametrize("step", [-86_400, -600, -90, -30, 30, 120, 86_400])
def test_a_step_of_the_servers_clock_tells_nobody_and_is_no_contact_lost(
    running: tuple[Server, School], step: int
) -> None:
    server, school = running
    server.wait(20)
    server.second += step
    first = server.second // 60
    live(server, school, 5)

    assert server.notices() == []
    assert set(server.contact("s1", first, 4)) <= {60, UNKNOWN}
    server.step(school.presence(online=False))
    server.wait(10)
    assert server.notices() == [("open", "waiting")]


def test_after_any_clock_step_a_restart_rebuilds_the_same_contact_minutes(running: tuple[Server, School]) -> None:
    server, school = running
    for step in (-90, 45, -200, 400, -30):
        server.wait(50)
        server.step(school.presence(online=False))
        server.wait(4)
        server.step(school.presence())
        server.second += step
        live(server, school, 2)
    before = server.contact("s1", M0 - 20, 60)

    server.start()

    assert server.contact("s1", M0 - 20, 60) == before


def test_a_report_that_the_broker_had_retained_is_no_word_of_now(running: tuple[Server, School]) -> None:
    server, school = running
    report = school.minute(server.second // 60 - 1)
    server.step(school.presence(online=False))
    server.wait(60)
    told = server.notices()

    server.step(kept(report))
    server.wait(60)

    assert told == [("open", "waiting")]
    assert server.notices() == told
    assert server.ingest.contact.of("s1").lost_ms is not None
    assert server.ingest.contact.of("s1").back_ms is None


def test_the_seconds_before_the_first_word_are_unknown_and_not_down(running: tuple[Server, School]) -> None:
    server, _ = running
    fresh = School("s2")
    live_minute = server.second // 60
    server.step(fresh.inventory_message(), fresh.presence())
    live(server, fresh, 2)

    assert server.contact("s2", live_minute, 2) == [UNKNOWN, 60]


# ---- what is no longer there -------------------------------------------------------------------------------


def test_the_incident_of_a_device_that_is_no_longer_watched_ends_and_says_so(
    running: tuple[Server, School], engine: Engine
) -> None:
    server, school = running
    live(server, school, 4, device_ap_1=0)
    assert server.notices() == [("open", "device.ap-1")]
    bare = School("s1", epoch=school.epoch, signals=school.signals[:-1], seq=school.seq)
    server.step(bare.inventory_message())

    live(server, bare, 3)

    assert server.notices() == [("open", "device.ap-1"), ("close", "unwatched")]
    assert "không còn" in bodies(engine)[-1]
    server.start()
    live(server, bare, 3)
    assert len(server.notices()) == 2


def test_the_incident_of_a_site_without_a_gateway_ends_and_none_opens_anew(
    running: tuple[Server, School], engine: Engine
) -> None:
    server, school = running
    server.step(school.presence(online=False))
    server.wait(10)
    with engine.begin() as connection:
        connection.execute(delete(schema.agent).where(schema.agent.c.site == "s1"))
    with engine.connect() as connection:
        server.ingest.load_agents(connection)
    server.wait(200)

    assert server.notices() == [("open", "waiting"), ("close", "unwatched")]
    server.start()
    server.wait(300)
    assert len(server.notices()) == 2


# ---- two agents of one site --------------------------------------------------------------------------------


def test_a_classroom_computer_that_is_switched_off_says_nothing_of_the_gateway(
    running: tuple[Server, School], engine: Engine
) -> None:
    server, school = running
    with engine.begin() as connection:
        values = {"site": "s1", "name": "pc", "role": "classroom", "password_hash": "", "created_ms": 0}
        connection.execute(schema.agent.insert().values(values))
    with engine.connect() as connection:
        server.ingest.load_agents(connection)
    pc = School("s1", agent="pc", epoch="cd" * 8, signals=["wifi.hoc"])
    server.step(pc.inventory_message())
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    back = server.second // 60
    told = pc.rows(back, [bytes([60])], [(cut, back - cut, "clean_stop")])
    server.step(pc.report(told))
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 4)

    assert server.notices() == [("open", "waiting"), ("close", "unknown")]
    with engine.connect() as connection:
        found = server.ingest.ledger.read(connection, "s1", ["lan.router", "wifi.hoc"], cut + 1, cut + 3)
    assert found == {"lan.router": bytes([255, 255]), "wifi.hoc": bytes([254, 254])}


def test_an_edge_that_another_agent_tells_of_a_signal_is_set_aside(
    running: tuple[Server, School], engine: Engine
) -> None:
    server, school = running
    with engine.begin() as connection:
        values = {"site": "s1", "name": "pc", "role": "classroom", "password_hash": "", "created_ms": 0}
        connection.execute(schema.agent.insert().values(values))
    with engine.connect() as connection:
        server.ingest.load_agents(connection)
    pc = School("s1", agent="pc", epoch="cd" * 8, signals=["wifi.hoc"])
    server.step(pc.inventory_message())
    edge = wire.encode(wire.Event(signal="line.internet", up=False, at_ms=server.ms()))

    server.step(pc.message("event", edge))
    server.step(school.message("event", edge.replace(b"line.internet", b"line.isp")))

    with engine.connect() as connection:
        assert list(connection.scalars(select(schema.edge.c.signal))) == ["line.isp"]
        assert list(connection.scalars(select(schema.aside.c.reason))) == ["not_owner"]


def test_no_agent_may_speak_for_contact(running: tuple[Server, School]) -> None:
    server, _ = running
    liar = School("s1", epoch="34" * 8)
    liar.inventory = inventories.with_revision(
        inventories.Inventory(revision="", signals=["site.contact"], columns=[], probes=[])
    )
    minute = server.second // 60 - 2
    before = server.contact("s1", minute, 1)

    server.step(liar.inventory_message())
    rows = [reports.MinuteRow(0, minute, bytes([0]), [])]
    server.step(
        liar.message("report", reports.encode(reports.pack(liar.epoch, liar.inventory.revision, rows, liar.inventory)))
    )

    assert server.contact("s1", minute, 1) == before


# ---- what gateways say -------------------------------------------------------------------------------------


def test_a_gateway_whose_clock_is_ahead_is_heard_though_its_minutes_are_set_aside(
    running: tuple[Server, School],
) -> None:
    server, school = running

    for _ in range(5):
        server.wait(58)
        server.step(school.minute(server.second // 60 + 60))

    assert server.notices() == []
    assert server.contact("s1", M0 + 6, 1) == [60]


def test_a_second_gateway_in_the_register_does_not_hide_the_cause(
    running: tuple[Server, School], engine: Engine
) -> None:
    server, school = running
    with engine.begin() as connection:
        values = {"site": "s1", "name": "a-spare", "role": "gateway", "password_hash": "", "created_ms": 0}
        connection.execute(schema.agent.insert().values(values))
    with engine.connect() as connection:
        server.ingest.load_agents(connection)
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(180)
    server.step(school.presence())
    rows = [school.signal_row(**CUT_AT_ISP)] * (server.second // 60 - cut)
    server.step(school.report(school.rows(cut, rows)))
    live(server, school, 3)

    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]


@pytest.mark.parametrize("signal", ["line_international", "service_csdl"])
def test_a_fault_beyond_the_line_does_not_hide_that_contact_is_lost(
    running: tuple[Server, School], signal: str
) -> None:
    server, _ = running
    school = School("s1", epoch="56" * 8, signals=["lan.router", "line.isp", "line.international", "service.csdl"])
    server.step(school.inventory_message(), school.presence())
    live(server, school, 4, **{signal: 0})
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(200)
    server.step(school.presence())
    hidden = {"line_isp": 0, "line_international": UNKNOWN, "service_csdl": UNKNOWN}
    server.step(school.report(school.rows(cut, [school.signal_row(**hidden)] * (server.second // 60 - cut))))
    live(server, school, 3, **{signal: 0})
    live(server, school, 2)

    name = signal.replace("_", ".")
    assert server.notices() == [("open", name), ("open", "waiting"), ("close", "line.isp"), ("close", name)]


def test_a_fault_of_the_line_itself_and_the_contact_it_takes_are_one_incident(running: tuple[Server, School]) -> None:
    server, school = running
    live(server, school, 4, line_isp=0)  # a second line still carries us
    server.step(school.presence(online=False))
    server.wait(60)

    assert server.notices() == [("open", "line.isp")]
