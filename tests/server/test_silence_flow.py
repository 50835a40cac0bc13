"""Silence in the running server: what is known and waited for, late evidence, other machines, our own breaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, update
from tests.server.school import CUT_AT_ISP, School, register
from tests.server.test_heart import body, now_ms
from tests.server.test_incident_flow import Server, live
from tests.server.test_web import Client, section

from schoolbeat_server import database, decided, schema
from schoolbeat_server.batch import Batch
from schoolbeat_server.retraction import Retraction
from schoolbeat_server.web import silence_shown
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire.catalogue import UNKNOWN

M0 = 29_000_000
SITES = [f"s{number}" for number in range(1, 13)]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, SITES)
    with engine.begin() as connection:
        connection.execute(insert(schema.area), [{"id": "x", "name": "Xã Thử", "kind": "commune", "parent": "p"}])
        connection.execute(insert(schema.area), [{"id": "y", "name": "Xã Bên", "kind": "commune", "parent": "p"}])
        connection.execute(update(schema.school).values(area="x"))
        connection.execute(update(schema.school).where(schema.school.c.id.in_(SITES[6:])).values(area="y"))
    yield engine
    engine.dispose()


def started(engine: Engine, schools: list[School]) -> Server:
    server = Server(engine, M0 * 60)
    for school in schools:
        server.step(school.inventory_message(), school.presence())
    run(server, schools, 4)
    return server


def run(server: Server, schools: list[School], minutes: int) -> None:
    """Whole minutes in which these report, all in one second."""
    for _ in range(minutes):
        while server.second % 60 != 2:
            server.step()
        server.step(*(school.minute(server.second // 60 - 1) for school in schools))


def incident(engine: Engine, site: str = "s1") -> tuple[str, dict[str, Any]]:
    """The cause and facts of the site's last one."""
    table = schema.incident.c
    with engine.connect() as connection:
        row = connection.execute(
            select(table.cause, table.facts).where(table.site == site).order_by(table.id.desc()).limit(1)
        ).one()
    return row.cause, json.loads(row.facts)


def contact_causes(engine: Engine, site: str = "s1") -> list[str]:
    table = schema.outage.c
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(table.cause)
                .where(table.site == site, table.signal == "site.contact")
                .order_by(table.first_minute)
            )
        )


def context_of(server: Server) -> WebContext:
    def read(site: str, signals: Any, first: int, end: int) -> dict[str, bytes]:
        with server.engine.connect() as connection:
            return server.ingest.ledger.read(connection, site, signals, first, end)

    return WebContext(
        engine=server.engine,
        read_minutes=read,
        signals_of=lambda _site: [],
        live=LiveFeed(),
        health=lambda: {"ok": True, "reasons": []},
        verdicts=list,
        now_ms=server.ms,
    )


def shown(server: Server, site: str = "s1") -> silence_shown.SilenceShown | None:
    with server.engine.connect() as connection:
        return silence_shown.of_site(connection, context_of(server).read_minutes, site, server.ms())


def whats(points: list[dict[str, Any]]) -> list[str]:
    return [one["what"] for one in points]


# ---- what is known, waited for, and came late --------------------------------------------------------------


def test_while_a_school_is_silent_its_page_names_what_is_waited_for(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    assert shown(server) is None
    server.step(school.presence(online=False))
    server.wait(30)

    found = shown(server)

    assert found is not None
    assert (found.cause, found.is_back, [said.vi[:38] for said in found.waited]) == (
        "waiting",
        False,
        ["thiết bị cổng có liên lạc trở lại (mất"],
    )
    assert whats(incident(engine)[1]["waited"]) == ["gateway_return"]


def test_when_the_gateway_is_back_its_page_names_the_minutes_still_to_come(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(300)
    kept = school.rows(cut, [school.signal_row(**CUT_AT_ISP)] * 5)
    server.step(school.presence())
    server.wait(3)

    found = shown(server)

    assert found is not None
    assert (found.cause, found.is_back) == ("waiting", True)
    assert [said.en[:59] for said in found.waited] == ["the backlog of the gateway: 5 minutes still to come; minute"]
    server.step(school.report(kept))
    live(server, school, 2)
    assert shown(server) is None
    assert incident(engine)[0] == "line.isp"


def test_a_backlog_after_the_incident_was_closed_corrects_its_cause_and_wakes_nobody(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 3)
    assert incident(engine)[0] == "unknown"
    assert contact_causes(engine) == ["unknown"]
    notices = server.notices()
    live(server, fresh, 12)

    server.step(school.report(school.rows(cut, [school.signal_row(**CUT_AT_ISP)] * 10)))

    cause, facts = incident(engine)
    assert cause == "line.isp"
    assert facts["revised"] == [{"at_ms": server.ms(), "from": "unknown", "to": "line.isp", "why": "late"}]
    assert facts["minutes"]["line.isp"] == 10
    assert contact_causes(engine) == ["line.isp"]
    assert [kind for kind, _ in server.notices()] == [kind for kind, _ in notices]
    explained = silence_shown.of_incident(json.dumps(facts))
    assert [(one.before, one.after) for one in explained.revised] == [("unknown", "line.isp")]


@pytest.mark.parametrize("newest_first", [True, False])
def test_the_order_of_a_late_backlog_does_not_matter(engine: Engine, newest_first: bool) -> None:
    school = School("s1")
    server = started(engine, [school])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 3)

    parts = [
        school.report(school.rows(cut, [school.signal_row(lan_router=0, line_isp=UNKNOWN)] * 3)),
        school.report(school.rows(cut + 3, [school.signal_row(**CUT_AT_ISP)] * 7)),
    ]
    for part in reversed(parts) if newest_first else parts:
        server.step(part)

    cause, facts = incident(engine)
    assert (cause, facts["minutes"]["lan.router"], facts["minutes"]["line.isp"]) == ("line.isp", 3, 7)
    assert contact_causes(engine) == ["line.isp"]


def test_a_power_cut_told_weeks_later_corrects_a_silence_that_was_never_explained(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 3)
    back = server.second // 60

    off = [(cut, 1, "interrupted"), (cut + 1, 11, "power")]
    server.step(school.report(school.rows(back - 1, [bytes([UNKNOWN] * 6)], off)))

    assert incident(engine)[0] == "power"
    assert contact_causes(engine) == ["power"]


def test_a_cause_that_rests_on_what_a_copied_machine_said_goes_with_it_and_wakes_nobody(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    server.step(school.presence(hardware="11" * 8, boot="aa" * 16))
    run(server, [school], 1)
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(900)
    copy = School("s1", seq=school.seq)
    server.step(copy.presence(hardware="11" * 8, boot="b1" * 16))
    off = [(cut, 2, "interrupted"), (cut + 2, 12, "power")]
    server.step(copy.report(copy.rows(server.second // 60 - 1, [copy.signal_row()], off)))
    live(server, copy, 12)
    before, notices = (incident(engine)[0], contact_causes(engine)), len(server.notices())

    whose = decided.Speaker("s1", "gateway", "11" * 8, "b1" * 16, "", None, None)
    decided.retract(engine, whose, "thẻ bị sao chép", who="lan", now_ms=server.ms())
    work = Retraction(server.ingest, lambda db, *minutes: server.rows.take_back(Batch(db, server.ms()), *minutes))
    work.look()
    while work.busy:
        work.step()

    cause, facts = incident(engine)
    assert before == ("power", ["power"])
    assert (cause, contact_causes(engine)) == ("unknown", ["unknown"])
    assert facts["revised"] == [{"at_ms": server.ms(), "from": "power", "to": "unknown", "why": "retracted"}]
    assert facts["silence"]["cause"] == "unknown"
    assert len(server.notices()) == notices


# ---- other machines ----------------------------------------------------------------------------------------


def with_classroom(engine: Engine) -> School:
    with engine.begin() as connection:
        values = {"site": "s1", "name": "pc-1", "role": "classroom", "password_hash": "", "created_ms": 0}
        connection.execute(insert(schema.agent).values(values))
    return School("s1", agent="pc-1", epoch="cd" * 8, signals=["device.pc-1-gateway"])


def test_a_computer_that_still_reports_proves_the_gateway_dead_while_it_is_silent(engine: Engine) -> None:
    computer, school = with_classroom(engine), School("s1")
    server = started(engine, [school, computer])
    server.step(school.presence(online=False))
    for _ in range(8):
        while server.second % 60 != 2:
            server.step()
        server.step(computer.minute(server.second // 60 - 1, device_pc_1_gateway=0))

    cause, facts = incident(engine)

    assert cause == "gateway"
    assert whats(facts["known"]) == ["witness_down"]
    assert facts["known"][0]["minutes"] < 8  # when it was decided; the page counts on
    assert contact_causes(engine) == ["gateway"]
    assert server.notices() == [("open", "waiting")]  # it was told once
    found = shown(server)
    assert found is not None
    assert (found.cause, found.waited, found.minutes["gateway"]) == ("gateway", [], 8)


@pytest.mark.parametrize(
    ("language", "says", "known"),
    [
        (
            "vi",
            "Thiết bị cổng không trả lời ngay trong trường",
            "Đã biết thêm: Máy pc-1 trong trường gửi tin được 8 phút",
        ),
        (
            "en",
            "The gateway box is dead, unplugged or stopped",
            "Also known: Computer pc-1 in the school reported in 8 min",
        ),
    ],
)
def test_page_and_api_say_so(engine: Engine, language: str, says: str, known: str) -> None:
    computer, school = with_classroom(engine), School("s1")
    server = started(engine, [school, computer])
    server.step(school.presence(online=False))
    for _ in range(8):
        while server.second % 60 != 2:
            server.step()
        server.step(computer.minute(server.second // 60 - 1, device_pc_1_gateway=0))
    client = Client(create_app(context_of(server)))

    page = section(client.get(f"/site/s1?lang={language}").text, "answer")
    told = client.get("/api/v1/sites/s1").json()["silence"]
    (row,) = client.get("/api/v1/incidents?site=s1").json()

    assert says in page
    assert known in page
    assert (told["cause"], told["waited"], told["minutes"]["gateway"]) == ("gateway", [], 8)
    assert (row["cause"], len(row["known"]), row["revised"]) == ("gateway", 1, [])


def test_the_gateways_own_account_goes_before_what_a_computer_saw(engine: Engine) -> None:
    computer, school = with_classroom(engine), School("s1")
    server = started(engine, [school, computer])
    cut = server.second // 60
    server.step(school.presence(online=False))
    for _ in range(8):
        while server.second % 60 != 2:
            server.step()
        server.step(computer.minute(server.second // 60 - 1, device_pc_1_gateway=0))
    server.step(school.presence())
    back = server.second // 60
    off = [(cut, 1, "interrupted"), (cut + 1, back - cut - 1, "power")]
    while server.second // 60 == back:
        server.step()

    server.step(school.report(school.rows(back, [bytes([UNKNOWN] * 6)], off)))
    run(server, [school, computer], 2)

    assert incident(engine)[0] == "power"
    assert [kind for kind, _ in server.notices()] == ["open", "close"]


def test_a_computer_that_sent_its_minutes_later_proves_no_network(engine: Engine) -> None:
    computer, school = with_classroom(engine), School("s1")
    server = started(engine, [school, computer])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)

    server.step(computer.report(computer.rows(cut, [bytes([0])] * 7)))

    assert incident(engine)[0] == "waiting"


def test_neighbours_that_lost_power_are_told_and_prove_nothing(engine: Engine) -> None:
    schools = [School(site) for site in SITES[:4]]
    server = started(engine, schools)
    cut = server.second // 60
    server.step(*(school.presence(online=False) for school in schools[:3]))
    run(server, schools[3:], 8)
    back = server.second // 60
    off = [(cut, 1, "interrupted"), (cut + 1, back - cut - 1, "power")]
    for school in schools[:2]:
        server.step(school.presence())
    while server.second // 60 == back:
        server.step()
    server.step(*(school.report(school.rows(back, [bytes([UNKNOWN] * 6)], off)) for school in schools[:2]))
    fresh = School("s3", epoch="12" * 8)  # a new card: it tells nothing of the time before
    server.step(fresh.presence())

    run(server, [*schools[:2], fresh, schools[3]], 3)

    cause, facts = incident(engine, "s1")
    assert (cause, whats(facts["known"])) == ("power", ["neighbours_too"])
    cause, facts = incident(engine, "s3")
    assert (cause, facts["known"]) == (
        "unknown",
        [{"what": "neighbours", "area": "Xã Thử", "sites": 6, "silent": 3, "power": 2}],
    )


# ---- our own breaks ----------------------------------------------------------------------------------------


def server_away(engine: Engine, server: Server) -> list[tuple[str, int]]:
    """(why, seconds), as they would be written."""
    with engine.begin() as connection:
        server.ingest.contact.breaks.write(connection)
        server.ingest.contact.breaks.settle()
        rows = connection.execute(select(schema.server_away).order_by(schema.server_away.c.from_ms)).all()
    return [(row.why, (row.until_ms - row.from_ms) // 1000) for row in rows]


def test_when_nobody_is_heard_any_more_no_school_is_charged(engine: Engine) -> None:
    schools = [School(site) for site in SITES]
    server = started(engine, schools)
    server.wait(10)
    first = server.second // 60
    for school in schools:  # the line of the server is cut; the broker drops them one after the other
        server.step(school.presence(online=False))
    server.wait(600)
    for school in schools:
        server.step(school.presence())
    run(server, schools, 4)

    assert server.notices() == []
    assert set(server.contact("s1", first + 1, 8)) == {UNKNOWN}
    assert [why for why, _ in server_away(engine, server)] == ["everyone"]
    assert server_away(engine, server)[0][1] > 500
    assert [contact_causes(engine, site) for site in SITES] == [[]] * 12


def test_one_school_that_is_heard_proves_that_the_others_are_silent(engine: Engine) -> None:
    schools = [School(site) for site in SITES]
    server = started(engine, schools)
    server.step(*(school.presence(online=False) for school in schools[1:]))
    server.wait(30)
    assert server.notices() == []  # it could be ours

    run(server, schools[:1], 1)
    server.wait(2)

    assert server.notices() == [("open", "waiting")] * 11


def test_a_commune_that_falls_silent_alone_is_told(engine: Engine) -> None:
    schools = [School(site) for site in SITES[:6]]
    server = started(engine, schools)

    server.step(*(school.presence(online=False) for school in schools))
    server.wait(12)

    assert server.notices() == [("open", "waiting")] * 6


def test_a_restart_is_on_record_from_the_last_thing_written(engine: Engine) -> None:
    server = started(engine, [School("s1")])
    with engine.begin() as connection:
        database.set_meta(connection, "alive_ms", str(server.ms()))
    server.second += 300
    server.start()

    with engine.connect() as connection:
        server.ingest.contact.breaks.start(connection, server.ms())

    assert server_away(engine, server) == [("stopped", 300)]


def test_a_broker_that_is_away_is_one_break_however_often_it_is_noticed(engine: Engine) -> None:
    server = started(engine, [School("s1")])
    breaks = server.ingest.contact.breaks
    for _ in range(40):
        server.ingest.contact.blind(server.ms())
        server.step()
    assert breaks.is_due(server.ms())  # it lasts, and is worth writing
    assert server_away(engine, server) == [("broker", 39)]

    server.wait(10)
    server.ingest.contact.blind(server.ms(), "database")
    server.step()
    server.ingest.contact.blind(server.ms(), "database")

    assert server_away(engine, server) == [("broker", 39), ("database", 1)]


def test_our_own_breaks_are_told_by_the_api(engine: Engine) -> None:
    server = started(engine, [School("s1")])
    with engine.begin() as connection:
        rows = [
            {"from_ms": 1_000, "until_ms": 9_000, "why": "stopped"},
            {"from_ms": 10, "until_ms": 20, "why": "broker"},
        ]
        connection.execute(insert(schema.server_away), rows)

    told = Client(create_app(context_of(server))).get("/api/v1/server-away").json()

    assert told == rows


def test_a_school_that_was_online_while_we_were_away_is_told_so(engine: Engine) -> None:
    school = School("s1")
    server = started(engine, [school])
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(30)
    with engine.begin() as connection:
        values = {"from_ms": cut * 60_000, "until_ms": (cut + 9) * 60_000, "why": "stopped"}
        connection.execute(insert(schema.server_away).values(values))
    server.wait(480)
    server.step(school.presence())
    back = server.second // 60
    server.step(school.report(school.rows(cut, [school.signal_row()] * (back - cut))))
    live(server, school, 2)

    assert incident(engine)[0] == "server_away"
    assert server.notices() == [("open", "waiting"), ("close", "server_away")]


def test_the_heart_keeps_a_lasting_record_of_its_own_breaks(tmp_path: Path) -> None:
    with body(tmp_path, tmp_path) as living:
        with living.engine.begin() as connection:
            database.set_meta(connection, "alive_ms", str(now_ms() - 600_000))
        living.heart.listening = False  # as after a start
        assert living.beat(lambda: rows_of(living.engine)[:1] == ["stopped"])
        living.broker.stop()
        assert living.beat(lambda: not living.heart.link.connected)
        living.beat(lambda: False, 2)
        living.broker.start()

        assert living.beat(lambda: rows_of(living.engine) == ["stopped", "broker"], 40)

        with living.engine.connect() as connection:
            (stopped, broker) = connection.execute(
                select(schema.server_away).order_by(schema.server_away.c.from_ms)
            ).all()
        assert 600_000 <= stopped.until_ms - stopped.from_ms < 660_000
        assert 1_000 <= broker.until_ms - broker.from_ms < 40_000


def rows_of(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(select(schema.server_away.c.why).order_by(schema.server_away.c.from_ms)))


# ---- who never spoke, and who may not ----------------------------------------------------------------------


def test_sites_that_never_reported_say_what_is_waited_for(engine: Engine) -> None:
    server = started(engine, [School("s1")])
    with engine.begin() as connection:
        connection.execute(schema.agent.delete().where(schema.agent.c.site.in_(["s3", "s1"])))

    found = [shown(server, site) for site in ("s2", "s3", "s1")]

    assert [(one.cause, [said.en for said in one.waited]) for one in found if one is not None] == [
        ("never_heard", ["the agent's first report"]),
        ("no_agent", ["an agent to be enrolled and installed at the site"]),
        ("unwatched", []),
    ]


def test_a_copied_card_is_a_sign_of_life_and_says_nothing_of_the_line(engine: Engine) -> None:
    school = School("s1")
    server = Server(engine, M0 * 60)
    server.step(school.inventory_message(), school.presence(hardware="aa" * 8, boot="11" * 8))
    live(server, school, 4)
    server.step(school.presence(online=False))
    server.wait(10)
    copy = School("s1", epoch="99" * 8)
    server.step(copy.presence(hardware="bb" * 8, boot="22" * 8))
    server.wait(5)

    found = shown(server)

    assert found is not None
    assert found.cause == "waiting"
    assert [said.en[:15] for said in found.known] == ["Another machine"]
    assert [said.en for said in found.waited][-1] == "an operator to say which machine is the true one"


def test_an_account_given_anew_and_not_used_is_waited_for(engine: Engine) -> None:
    school = School("s1")
    server = Server(engine, M0 * 60)
    server.step(school.inventory_message(), school.presence(hardware="aa" * 8, boot="11" * 8))
    live(server, school, 4)
    with engine.begin() as connection:
        connection.execute(update(schema.agent).where(schema.agent.c.site == "s1").values(issued_ms=server.ms()))
    server.step(school.presence(online=False))
    server.wait(20)

    found = shown(server)

    assert found is not None
    assert [said.en[:42] for said in found.waited] == [
        "the return of the gateway (contact lost si",
        "the gateway to connect with its new passwo",
    ]
