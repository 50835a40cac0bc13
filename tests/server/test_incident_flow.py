"""Contact and incidents: one opening and one closing notice for one cause, none for the past, none for restarts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select
from tests.server.school import CUT_AT_ISP, School, register

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import BLIND_MS, ContactBook
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.settings import Channel, Incidents
from schoolbeat_wire.catalogue import UNKNOWN

M0 = 29_000_000


class Server:
    """Ingest and incidents driven by a clock of our own, a second at a time."""

    def __init__(self, engine: Engine, second: int) -> None:
        self.engine, self.second = engine, second
        self.start()

    def start(self) -> None:
        self.ingest = Ingest(self.engine, database.server_id(self.engine), ContactBook(self.ms() + BLIND_MS), self.ms)
        self.ingest.load()
        self.rows = IncidentRows(self.ingest, Incidents(), [Channel("sink", "json://127.0.0.1")])
        with self.engine.connect() as connection:
            self.rows.load(connection)

    def ms(self) -> int:
        return self.second * 1000

    def step(self, *messages: Message) -> None:
        """One second: the messages that came in it, and the tick."""
        self.second += 1
        over = self.ingest.contact.tick(self.ms())
        watched = self.rows.sites_to_watch()

        def follow(batch: Any) -> None:
            if over is not None:
                self.ingest.contact_minute(batch, *over)
            self.ingest.contact.turn(batch.now_ms)
            self.rows.look_at(batch, batch.sites | watched | set(self.ingest.contact.changed))

        self.ingest.commit(list(messages), follow)

    def wait(self, seconds: int) -> None:
        for _ in range(seconds):
            self.step()

    def notices(self) -> list[tuple[str, str]]:
        joined = schema.notice.join(schema.incident, schema.incident.c.id == schema.notice.c.incident)
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(schema.notice.c.kind, schema.incident.c.cause_opened, schema.incident.c.cause)
                .select_from(joined)
                .order_by(schema.notice.c.id)
            )
            return [(kind, opened if kind == "open" else cause) for kind, opened, cause in rows]

    def contact(self, site: str, first: int, count: int) -> list[int]:
        with self.engine.connect() as connection:
            return list(
                self.ingest.ledger.read(connection, site, ["site.contact"], first, first + count)["site.contact"]
            )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = database.open_database(tmp_path / "schoolbeat.db")
    register(engine, ["s1", "s2"])
    yield engine
    engine.dispose()


def live(server: Server, school: School, minutes: int, **down: int) -> None:
    """Whole minutes in which the school reports 3 s after each minute's end."""
    for _ in range(minutes):
        while True:
            at = server.second % 60
            if at == 2:
                server.step(school.minute(server.second // 60 - 1, **down))
                break
            server.step()


@pytest.fixture
def running(engine: Engine) -> tuple[Server, School]:
    server, school = Server(engine, M0 * 60), School("s1")
    server.step(school.inventory_message(), school.presence())
    live(server, school, 4)
    return server, school


def test_contact_of_a_school_that_reports_is_up_once_we_can_know(running: tuple[Server, School]) -> None:
    server, _ = running

    assert server.contact("s1", M0, 4) == [UNKNOWN, 60, 60, UNKNOWN]  # blind at first; the last is not over
    assert server.notices() == []


def test_a_cut_opens_one_notice_without_cause_and_closes_with_the_rung(running: tuple[Server, School]) -> None:
    server, school = running
    cut_minute = server.second // 60
    server.step(school.presence(online=False))
    server.wait(7)
    assert server.notices() == []
    server.wait(2)
    assert server.notices() == [("open", "waiting")]

    server.wait(170)
    kept = [
        school.report(
            school.rows(
                cut_minute,
                [
                    school.signal_row(**CUT_AT_ISP | {"line_isp": 10, "line_internet": 10}),
                    school.signal_row(**CUT_AT_ISP),
                    school.signal_row(**CUT_AT_ISP),
                ],
            )
        )
    ]
    server.step(school.presence())
    server.wait(3)
    assert server.notices() == [("open", "waiting")]
    server.step(*kept)
    live(server, school, 3)

    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]


def test_a_notice_names_the_isp_of_a_contract_in_force_and_no_former_one(
    engine: Engine, running: tuple[Server, School]
) -> None:
    server, school = running
    with database.writing(engine) as connection:
        lines = (("l1", "VNPT", None, "2020-01-01"), ("l2", "Viettel", "2020-01-01", None), ("l3", "FPT", None, None))
        for ident, isp, since, until in lines:
            dates = {"contract_from": since, "contract_to": until}
            connection.execute(insert(schema.line).values(id=ident, site="s1", isp=isp, **dates))
    cut_minute = server.second // 60
    server.step(school.presence(online=False))
    server.wait(170)

    server.step(school.presence(), school.report(school.rows(cut_minute, [school.signal_row(**CUT_AT_ISP)] * 3)))
    live(server, school, 3)

    with engine.connect() as connection:
        closing = connection.scalar(select(schema.notice.c.body).where(schema.notice.c.kind == "close"))
    assert closing is not None
    assert "FPT, Viettel" in closing
    assert "VNPT" not in closing


def test_a_power_cut_is_told_as_power(running: tuple[Server, School]) -> None:
    server, school = running
    minute = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    server.step(school.presence())
    back = server.second // 60
    off = [(minute, 1, "interrupted"), (minute + 1, back - minute - 1, "power")]
    while server.second // 60 == back:
        server.step()
    server.step(school.report(school.rows(back, [bytes([UNKNOWN] * 6)], off)))
    live(server, school, 3)

    assert server.notices() == [("open", "waiting"), ("close", "power")]


def test_a_short_loss_of_contact_tells_nobody(running: tuple[Server, School]) -> None:
    server, school = running

    for _ in range(5):
        server.step(school.presence(online=False))
        server.wait(6)
        server.step(school.presence())
        server.wait(20)
    live(server, school, 2)

    assert server.notices() == []


def test_a_restart_of_the_server_tells_nobody(running: tuple[Server, School]) -> None:
    server, school = running
    server.second += 25
    server.start()
    server.step(Message(school.presence().topic, school.presence().payload, True, None))
    server.wait(20)
    server.step(school.presence())
    live(server, school, 4)

    assert server.notices() == []
    assert UNKNOWN in server.contact("s1", M0 + 3, 3)


def test_a_restart_during_a_cut_still_gives_one_opening_and_one_closing(running: tuple[Server, School]) -> None:
    server, school = running
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(30)
    server.start()
    server.step(school.presence(online=False))
    server.wait(120)
    server.start()
    server.step(school.presence())
    count = server.second // 60 - cut
    server.step(school.report(school.rows(cut, [school.signal_row(**CUT_AT_ISP)] * count)))
    live(server, school, 3)

    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]


def test_a_hung_agent_is_noticed_by_its_lateness(running: tuple[Server, School]) -> None:
    server, _ = running

    server.wait(90 + 8 + 62)

    assert server.notices() == [("open", "waiting")]


def test_a_broker_that_is_away_tells_nobody_and_leaves_contact_unknown(running: tuple[Server, School]) -> None:
    server, school = running
    for _ in range(100):
        server.ingest.contact.blind(server.ms())
        server.step()
    server.step(school.presence())
    live(server, school, 3)

    assert server.notices() == []


def test_a_failed_rung_that_leaves_contact_alive_is_told_after_the_hold(running: tuple[Server, School]) -> None:
    server, school = running
    live(server, school, 1, line_international=0)
    assert server.notices() == []

    live(server, school, 2, line_international=0)
    assert server.notices() == [("open", "line.international")]
    live(server, school, 3)

    assert server.notices() == [("open", "line.international"), ("close", "line.international")]


def test_an_outage_that_is_over_when_it_becomes_known_tells_nobody(running: tuple[Server, School]) -> None:
    server, school = running
    late = School("s1", epoch="ef" * 8)

    server.step(late.report(late.rows(M0 - 500, [late.signal_row(**CUT_AT_ISP)] * 30)))
    live(server, school, 2)

    assert server.notices() == []


def incident_rows(engine: Engine) -> list[tuple[str, str, int, int | None, list[tuple[str, int, int]]]]:
    """(scope, cause, since and until minute, [(signal, first minute, down seconds)])."""
    table = schema.incident.c
    with engine.connect() as connection:
        rows = connection.execute(
            select(table.scope, table.cause, table.since_ms, table.until_ms, table.facts).order_by(table.id)
        ).all()
    return [
        (
            scope,
            why,
            since // 60_000 - M0,
            until and until // 60_000 - M0,
            [
                (one["signal"], one["first_minute"] - M0, one["down_seconds"])
                for one in json.loads(facts).get("outages", [])
            ],
        )
        for scope, why, since, until, facts in rows
    ]


def test_outages_over_when_they_become_known_make_one_summary_of_the_site_and_no_notice(
    engine: Engine, running: tuple[Server, School]
) -> None:
    server, school = running
    late = School("s1", epoch="ef" * 8)
    first = late.report(late.rows(M0 - 500, [late.signal_row(line_international=0)] * 30 + [late.signal_row()]))
    second = late.report(late.rows(M0 - 300, [late.signal_row(device_ap_1=0)] * 3 + [late.signal_row()]))
    short = late.report(late.rows(M0 - 200, [late.signal_row(line_international=0), late.signal_row()]))

    server.step(second, short)
    live(server, school, 1)
    server.step(first, second)
    live(server, school, 1)

    outages = [("line.international", -500, 1_800), ("device.ap-1", -300, 180)]
    assert incident_rows(engine) == [("away", "away", -500, -297, outages)]
    assert server.notices() == []
    server.start()
    server.step(second)
    assert len(incident_rows(engine)) == 1


def test_outages_that_the_backlog_brings_join_the_contact_incident_that_covers_them(
    engine: Engine, running: tuple[Server, School]
) -> None:
    server, school = running
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(1_200)
    rows = [school.signal_row(**CUT_AT_ISP)] * 8 + [school.signal_row()] * 3
    rows += [school.signal_row(**CUT_AT_ISP)] * 8 + [school.signal_row()]
    kept = school.report(school.rows(cut, rows))
    server.step(school.presence())
    server.step(kept)
    live(server, school, 3)

    ((scope, why, _, _, outages),) = incident_rows(engine)
    assert (scope, why) == ("path", "line.isp")
    assert sorted(outages) == [
        (signal, cut - M0 + first, 480) for signal in ("line.internet", "line.isp") for first in (0, 11)
    ]
    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]


def test_what_comes_after_the_contact_incident_was_closed_joins_it_still(
    engine: Engine, running: tuple[Server, School]
) -> None:
    server, school = running
    cut = server.second // 60
    server.step(school.presence(online=False))
    server.wait(600)
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 3)
    assert server.notices() == [("open", "waiting"), ("close", "unknown")]

    server.step(school.report(school.rows(cut, [school.signal_row(**CUT_AT_ISP)] * 5 + [school.signal_row()])))

    ((scope, _, _, _, outages),) = incident_rows(engine)
    assert (scope, sorted(outages)) == (
        "path",
        [("line.internet", cut - M0, 300), ("line.isp", cut - M0, 300)],
    )
    assert server.notices() == [("open", "waiting"), ("close", "line.isp")]  # of the incident now; nobody was told


def test_a_dead_access_point_is_one_incident_of_its_own(running: tuple[Server, School]) -> None:
    server, school = running

    live(server, school, 4, device_ap_1=0)
    server.step(school.presence(online=False))
    server.wait(10)

    assert server.notices() == [("open", "device.ap-1"), ("open", "waiting")]


def test_without_evidence_the_cause_is_unknown_and_not_guessed(running: tuple[Server, School]) -> None:
    server, school = running
    server.step(school.presence(online=False))
    server.wait(300)
    fresh = School("s1", epoch="12" * 8)
    server.step(fresh.presence())
    live(server, fresh, 4)

    assert server.notices() == [("open", "waiting"), ("close", "unknown")]
    del school


def test_a_school_that_never_reported_opens_no_incident(running: tuple[Server, School]) -> None:
    server, _ = running

    server.step()

    assert "s2" not in server.rows.sites_to_watch()
