"""Verdicts, sites, rooms, agents and the server's own health as the real stores have them, and how a row is a line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from tests.server import synthetic
from tests.server.issued_days import issue_days
from tests.server.line_protocol import parse
from tests.server.series_sending import AnyStore, newest, of, one, points
from tests.server.synthetic import DAY, NOW_MINUTE, NOW_MS
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server import issued, schema, series_now, series_setup
from schoolbeat_server.database import writing
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.register_needs import needs_of, shipped
from schoolbeat_server.register_values import Room
from schoolbeat_server.school_calendar import SchoolCalendar, day_of, first_minute_of
from schoolbeat_server.series_places import Places
from schoolbeat_server.series_queue import SeriesQueue
from schoolbeat_server.series_rows import OutageRow, Stamps, cause_code, of_outage
from schoolbeat_server.series_store import open_store
from schoolbeat_server.settings import Settings
from schoolbeat_server.web import province
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL

TODAY = first_minute_of(day_of(NOW_MINUTE))
SCHOOLS = 8
NEEDS = [
    (need.device_kind, need.count)
    for need in needs_of(Room("", "", "", "classroom", 1), shipped())
    for _ in range(need.count)
]


@pytest.fixture(params=["victoriametrics", "influxdb1"], scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyStore]:
    folder = tmp_path_factory.mktemp(request.param)
    with (victoria_metrics if request.param == "victoriametrics" else influxdb1)(folder) as running:
        yield running


class World:
    """A province of eight schools whose queue was sent."""

    def __init__(self, folder: Path, store: AnyStore) -> None:
        self.made = synthetic.make(folder / "schoolbeat.db", SCHOOLS)
        put_rooms(self.made)
        self.store, self.now_ms, self.seconds = store, NOW_MS, 0.0
        self.settings = Settings(folder, series=store.settings)
        self.verdicts = [one for one in synthetic.judged(self.made) if one.target.id in ("T1", "T2")]
        series_setup.prepare(self.made.engine, store.settings, NOW_MS)
        issue_days(self.made, self.verdicts, 2, lambda ago, at, unit: ("met", "missed", "unknown")[at % 3])  # type: ignore[arg-type, return-value]
        self.queue = SeriesQueue(
            self.made.engine,
            self.made.ledger,
            Layouts(),
            SchoolCalendar,
            open_store(store.settings),
            self.settings,
            lambda: self.now_ms,
            unit_kinds={(one.plan.id, one.target.id): one.target.unit for one in self.verdicts},
            seconds=lambda: self.seconds,
        )

    def send(self) -> None:
        while self.queue.step():
            pass
        assert self.queue.trouble.now is None


@pytest.fixture(scope="module")
def world(store: AnyStore, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Rooms and an outage that the tests look at are put in before anything is sent."""
    made = World(tmp_path_factory.mktemp("province"), store)
    made.send()
    return made


def test_a_targets_counts_are_told_of_the_province_and_of_each_commune(world: World) -> None:
    found = points(world.store, "schoolbeat_target")
    verdict = next(one for one in world.verdicts if one.target.id == "T1")

    for name in ("met", "missed", "unknown", "silent"):
        all_of_it = one(found, f"schoolbeat_target_{name}", target="T1", plan=verdict.plan.id, area="all")
        parts = of(found, f"schoolbeat_target_{name}", lambda has: has["target"] == "T1" and has["area"] != "all")
        assert sorted(all_of_it) == [(TODAY - DAY) * 60_000, TODAY * 60_000]
        assert len(parts) == len({unit.area for unit in verdict.units})
        assert all_of_it[TODAY * 60_000] == sum(values[TODAY * 60_000] for values in parts.values())
    met = of(found, "schoolbeat_target_met", lambda has: has["target"] == "T1" and has["area"] != "all")
    expected = Counter(unit.area for at, unit in enumerate(verdict.units) if at % 3 == 0)
    assert {dict(tags)["area"]: values[TODAY * 60_000] for tags, values in met.items()} == {
        unit.area: expected[unit.area] for unit in verdict.units
    }


def _expected_unit(at: int) -> tuple[int, int]:
    """(verdict, grade)"""
    return ((1, 3), (0, 2), (2, 2))[at % 3]


@pytest.mark.parametrize("target", ["T1", "T2"])
def test_each_unit_has_its_verdict_with_its_place(world: World, target: str) -> None:
    found = points(world.store, "schoolbeat_verdict")
    verdict = next(one for one in world.verdicts if one.target.id == target)

    for at, unit in enumerate(verdict.units):
        told = [
            of(
                found,
                f"schoolbeat_verdict_{name}",
                lambda has, unit=unit: (has["unit"], has["target"]) == (unit.id, target),
            )
            for name in ("verdict", "grade")
        ]
        assert [len(one) for one in told] == [1, 1], unit.id
        tags = {dict(tags)["area"]: dict(tags) for tags in told[0]}
        assert list(tags) == [unit.area]
        assert tags[unit.area]["school"] == unit.school
        assert tags[unit.area].get("site", unit.site) == unit.site
        assert tuple(next(iter(one.values()))[TODAY * 60_000] for one in told) == _expected_unit(at)


def test_a_revision_tells_the_counts_anew_and_only_the_units_that_changed(world: World) -> None:
    (row,) = [one for one in _issues(world) if one.target == "T1" and one.end_minute == TODAY]
    with writing(world.made.engine) as connection:
        found = issued.read_units(connection, row.id)
        assert found is not None
        ident, unit = next((key, unit) for key, unit in found[1].items() if unit["status"] == "unknown")
        changed = {ident: unit | {"status": "met", "counts": [1, 0, 0], "grade": "proven"}}
        values = {
            name: getattr(row, name)
            for name in ("plan", "target", "first_minute", "end_minute", "issued_ms", "status", "silent", "grade")
        }
        values |= {"revision": 1, "met": row.met + 1, "missed": row.missed, "unknown": row.unknown - 1, "touch": 0}
        values |= {"why": "late", "sites": "[]", "body": issued.pack(changed)}
        connection.execute(insert(schema.issued), [values])

    world.send()
    targets, units = points(world.store, "schoolbeat_target"), points(world.store, "schoolbeat_verdict")

    at_ms = TODAY * 60_000
    assert newest(one(targets, "schoolbeat_target_met", target="T1", area="all"), at_ms) == row.met + 1
    assert newest(one(targets, "schoolbeat_target_unknown", target="T1", area="all"), at_ms) == row.unknown - 1
    assert newest(one(units, "schoolbeat_verdict_verdict", target="T1", unit=ident), at_ms) == 1
    revised = {
        dict(tags)["unit"]
        for tags, values in of(units, "schoolbeat_verdict_verdict", lambda has: has["target"] == "T1").items()
        if at_ms + 1 in values
    }
    assert revised == ({ident} if world.queue.sources.stamps.by_revision else set())


def _rows(world: World, table: Any) -> list[Any]:
    with world.made.engine.connect() as connection:
        return list(connection.execute(select(table)))


def _issues(world: World) -> list[issued.Issue]:
    with world.made.engine.connect() as connection:
        return issued.read_issues(connection, revised=False, limit=100)


def test_every_site_tells_its_state_as_the_pages_do(world: World) -> None:
    found = points(world.store, "schoolbeat_site")
    codes = {"ok": 0, "faulty": 1, "down": 2, "lost": 3, "silent": 4}
    with world.made.engine.connect() as connection:
        rows = province.read_sites(connection)

    for row in rows:
        assert one(found, "schoolbeat_site_state", site=row.id) == {NOW_MS: codes[row.state]}
        contract = one(found, "schoolbeat_site_contract_down_bps", site=row.id, isp=row.isps[0])
        assert contract[NOW_MS] in (100e6, 150e6, 200e6, 30e6)
    assert len({row.state for row in rows}) == 5
    assert one(found, "schoolbeat_site_heard_seconds", site=world.made.silent) == {}
    labels = {dict(tags)["site_label"] for tags in of(found, "schoolbeat_site_state")}
    assert f"Điểm trường chính ({world.made.down})" in labels


def test_every_agent_tells_whether_it_is_connected_and_how_late_it_is(world: World) -> None:
    found = points(world.store, "schoolbeat_agent")

    connected = of(found, "schoolbeat_agent_connected")
    assert len(connected) == len(world.made.sites)
    assert one(found, "schoolbeat_agent_connected", site=world.made.lost) == {NOW_MS: 0}
    assert one(found, "schoolbeat_agent_connected", site=world.made.down) == {NOW_MS: 1}
    assert one(found, "schoolbeat_agent_heard_seconds", site=world.made.silent) == {}


def test_a_server_that_hears_nobody_does_not_say_how_sites_are(world: World) -> None:
    lines = series_now.lines_of_now(world.queue.sources, NOW_MS, deaf=True)
    heard = series_now.lines_of_now(world.queue.sources, NOW_MS)

    def fields(told: list[bytes], measurement: bytes) -> set[str]:
        return {
            one.partition("=")[0]
            for line in told
            if line.startswith(measurement + b",")
            for one in line.decode().rsplit(" ", 2)[1].split(",")
        }

    assert fields(heard, b"schoolbeat_site") - fields(lines, b"schoolbeat_site") == {"state", "cause"}
    assert fields(heard, b"schoolbeat_agent") - fields(lines, b"schoolbeat_agent") == {"connected"}


def put_rooms(made: synthetic.Made) -> None:
    """Three rooms of the same needs, every device of which answers, all but one, and one that is not heard of."""
    with writing(made.engine) as connection:
        rooms = [
            {"id": f"p{n}", "site": "t5", "name": f"Phòng {n}", "kind": "classroom", "smart_level": 1} for n in range(4)
        ]
        connection.execute(insert(schema.room), [*rooms[:3], rooms[3] | {"smart_level": 0}])
        devices = [
            {"site": "t5", "id": f"{kind}-{n}", "kind": kind, "room": f"p{n}"} for n in range(3) for kind, _ in NEEDS
        ]
        connection.execute(insert(schema.device), devices)
    signals = tuple(f"device.{one['id']}" for one in devices)
    codes = bytearray([UP_FULL]) * len(signals)
    codes[len(NEEDS)] = 0
    codes[-1] = UNKNOWN
    made.ledger.merge("t5", "gw", "r", signals, [NOW_MINUTE - 2], bytes(codes))


def test_a_room_is_ready_when_all_that_it_must_hold_answers_now(world: World) -> None:
    found = points(world.store, "schoolbeat_room")

    assert {dict(tags)["room"] for tags in of(found, "schoolbeat_room_needed")} == {"p0", "p1", "p2"}
    count = len(NEEDS)
    assert [one(found, "schoolbeat_room_needed", room=f"p{n}") for n in range(3)] == [{NOW_MS: count}] * 3
    answering = [one(found, "schoolbeat_room_answering", room=f"p{n}")[NOW_MS] for n in range(3)]
    assert answering == [count, count - 1, count - 1]
    assert [one(found, "schoolbeat_room_ready", room=f"p{n}") for n in range(3)] == [{NOW_MS: 1}, {NOW_MS: 0}, {}]
    tags = {dict(tags)["label"]: dict(tags) for tags in of(found, "schoolbeat_room_ready")}
    assert tags["Phòng 0 (p0)"] | {"room": "p0", "site": "t5", "school": "t5", "level": "1"} == tags["Phòng 0 (p0)"]


def test_the_servers_own_health_is_told_every_minute(world: World) -> None:
    found = points(world.store, "schoolbeat_server")
    first = one(found, "schoolbeat_server_agents")

    world.now_ms += 60_000
    world.send()
    again = points(world.store, "schoolbeat_server")
    payloads = [row.payload for row in _rows(world, schema.health)]

    world.now_ms += (world.settings.report_days + 1) * 86_400_000
    world.send()
    left = [row.minute for row in _rows(world, schema.health)]
    world.now_ms = NOW_MS + 60_000

    assert left == [(NOW_MS + 60_000) // 60_000 + (world.settings.report_days + 1) * 1_440]
    assert first == {NOW_MS // 60_000 * 60_000: len(world.made.sites)}
    assert len(one(again, "schoolbeat_server_agents")) == 2
    names = {name.removeprefix("schoolbeat_server_") for name, _ in again}
    assert names >= {"ok", "reports", "queue_reports", "points_sent", "disk_free_bytes", "database_bytes", "agents"}
    assert json.loads(payloads[0])["agents_connected"] == sum(
        1 for site in world.made.sites if site not in (world.made.silent, world.made.lost)
    )


def test_another_store_gets_every_verdict_that_was_ever_issued(world: World, tmp_path: Path) -> None:
    with influxdb1(tmp_path) as other:
        series_setup.prepare(world.made.engine, other.settings, NOW_MS)
        queue = SeriesQueue(
            world.made.engine,
            world.made.ledger,
            Layouts(),
            SchoolCalendar,
            open_store(other.settings),
            replace(world.settings, series=other.settings),
            lambda: NOW_MS,
            unit_kinds=world.queue.sources.unit_kinds,
        )
        while queue.step():
            pass

        for measurement, field in (("verdict", "verdict"), ("target", "met"), ("outage", "down_seconds")):
            name = f"schoolbeat_{measurement}_{field}"
            told, again = (of(points(one, f"schoolbeat_{measurement}"), name) for one in (world.store, other))
            assert told.keys() == again.keys(), measurement
            for tags in told:
                assert {at // 60_000: newest(told[tags], at // 60_000 * 60_000) for at in told[tags]} == {
                    at // 60_000: value for at, value in again[tags].items()
                }
    series_setup.prepare(world.made.engine, world.store.settings, NOW_MS)


# ---- pure --------------------------------------------------------------------------------------------------


PLACES = Places({}, {}, {}, {}, {}, {}, {})


def test_an_outage_that_lasts_has_no_end_and_one_taken_back_no_seconds() -> None:
    row = OutageRow("s1", "line.isp", 100, None, 75, 2, "line.isp", 3)

    lasting = parse(of_outage(row, PLACES, Stamps()))
    ended = parse(of_outage(row._replace(end_minute=110, version=4), PLACES, Stamps(True)))

    assert lasting.fields == {"down_seconds": 75, "end_seconds": 0, "lessons": 2, "cause": 11}
    assert (lasting.at_ms, ended.at_ms) == (100 * 60_000, 100 * 60_000 + 4)
    assert ended.fields["end_seconds"] == 6_600


def test_a_revision_never_leaves_its_minute_and_a_restored_database_goes_on_later() -> None:
    assert Stamps(False, 5_000).at(7, 9) == 420_000
    assert Stamps(True, 5_000).at(7, 9) == 425_009
    assert Stamps(True, 0).at(7, 10**6) == 479_999


def test_every_cause_has_a_number_and_what_is_a_thing_stands_for_itself() -> None:
    assert [cause_code(one) for one in ("unknown", "waiting", "line.isp", "device.bang-1", "wifi.GV", "gì đó")] == [
        0,
        1,
        11,
        2,
        2,
        0,
    ]
