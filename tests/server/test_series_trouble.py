"""The series queue in trouble: the store away, a crash in the middle, no room, a store that refuses, another store."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, literal_column, select, update
from tests.server.school import SIGNALS, School
from tests.server.series_sending import (
    AnyStore,
    Sending,
    counters,
    days_known,
    days_told,
    one,
    outages_known,
    outages_told,
    points,
)
from tests.server.test_breaks_ledger import NoBroker, Server
from tests.server.test_proof import DAY, NOON, a_day
from tests.server.test_quarantine import web_context
from tests.server.test_web import Client
from tests.stores import InfluxDB1, influxdb1, victoria_metrics

from schoolbeat_server import restored, schema, series_again, series_aside
from schoolbeat_server.database import writing
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.judge import Judge
from schoolbeat_server.run import health
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.series_streams import MINUTES, REPORTS, read_reports
from schoolbeat_server.settings import Channel, Settings
from schoolbeat_server.web.app import create_app
from schoolbeat_wire.catalogue import UP_FULL

FIRST = first_minute_of(DAY) + NOON
KINDS = {"victoriametrics": victoria_metrics, "influxdb1": influxdb1}


@pytest.fixture(params=sorted(KINDS))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    with KINDS[request.param](tmp_path) as running:  # type: ignore[operator]
        yield running


@pytest.fixture
def sending(tmp_path: Path, store: AnyStore) -> Iterator[Sending]:
    made = Sending(tmp_path, store.settings)
    yield made
    made.close()


def in_ledger(sending: Sending, first: int, end: int) -> dict[str, dict[int, float]]:
    rows = sending.ledger("s1", SIGNALS, first, end)
    return {
        signal: {(first + at) * 60_000: code for at, code in enumerate(codes) if code <= UP_FULL}
        for signal, codes in rows.items()
    }


def in_store(store: AnyStore) -> dict[str, dict[int, float]]:
    found = points(store, "schoolbeat_minute")
    return {signal: one(found, "schoolbeat_minute_up_seconds", site="s1", signal=signal) for signal in SIGNALS}


def test_a_day_without_the_store_loses_nothing(sending: Sending, store: AnyStore) -> None:
    school = School("s1")
    a_day(sending.province, school, hours=1)
    sending.send()
    store.end()
    for _hour in range(24):
        start = sending.province.minute
        sending.province.minute += 60
        sending.province.take(school.report(school.rows(start, [school.signal_row()] * 60)))
        sending.later(3_600)
        sending.send()
        assert sending.queue.trouble.now is not None
    assert sending.queue.numbers()["series_queue_seconds"] > 80_000
    assert "has not answered for" in sending.queue.reasons()[0].en
    end = sending.province.minute

    store.start()
    sending.later(400)
    sending.send()

    assert sending.queue.reasons() == []
    assert in_store(store) == in_ledger(sending, FIRST, end)
    assert len(in_store(store)["line.isp"]) == 60 + 24 * 60
    assert {row.stream for row in sending.rows(schema.series_cursor)} >= {"reports", "contact", "health"}


def test_a_store_that_stays_away_is_told_once_over_every_channel_and_its_return_once(
    sending: Sending, store: AnyStore
) -> None:
    channels = (Channel(name="so", url="json://127.0.0.1"), Channel(name="office", url="json://127.0.0.1"))
    sending.queue.settings = replace(sending.queue.settings, channels=channels)
    school = School("s1")
    a_day(sending.province, school, hours=1)
    store.end()
    for _minute in range(30):
        sending.later(60)
        sending.province.minute += 1
        sending.send()
    while_away = [(row.kind, row.channel) for row in sending.rows(schema.notice)]
    store.start()
    for _minute in range(30):
        sending.later(60)
        sending.province.minute += 1
        sending.send()

    assert while_away == [("open", "so"), ("open", "office")]
    assert [(row.kind, row.channel) for row in sending.rows(schema.notice)][2:] == [
        ("close", "so"),
        ("close", "office"),
    ]
    assert sending.rows(schema.notice)[0].body.startswith("kho chuỗi thời gian không nhận đã")


def test_of_a_long_backlog_the_newest_goes_before_the_rest(sending: Sending, store: AnyStore) -> None:
    store.end()
    school, minutes = School("s1"), 3 * REPORTS
    sending.province.minute = FIRST + 1
    told = [school.inventory_message(), school.presence()]
    sending.province.take(*told, *(school.report(school.rows(FIRST + at, [school.signal_row()])) for at in range(1)))
    for start in range(1, minutes, 500):
        sending.province.minute = FIRST + start + 500
        rows = [school.rows(FIRST + at, [school.signal_row()]) for at in range(start, min(start + 500, minutes))]
        sending.province.take(*map(school.report, rows))
    sending.province.minute = FIRST + minutes + 60
    sending.send()

    store.start()
    sending.later(400)
    sending.queue.step()
    first = in_store(store)["line.isp"].keys()
    sending.queue.step()
    second = in_store(store)["line.isp"].keys() - first
    (asked,) = sending.rows(schema.series_again)
    sending.send()

    assert first == {(FIRST + at) * 60_000 for at in range(REPORTS)}
    assert second == {(FIRST + at) * 60_000 for at in range(2 * REPORTS, 3 * REPORTS)}
    assert (asked.whole, asked.end_report) == (False, minutes)
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + minutes)
    sending.later(200)
    sending.send()
    assert sending.rows(schema.series_again) == []


def test_a_crash_before_the_cursor_moved_sends_again_and_nothing_is_there_twice(
    sending: Sending, store: AnyStore, tmp_path: Path
) -> None:
    a_day(sending.province, School("s1"))
    sending.engine.dispose()  # the last one out puts the WAL into the file
    shutil.copy(sending.path, tmp_path / "before.db")
    sending.send()
    before = points(store, "schoolbeat_minute"), points(store, "schoolbeat_reading")

    sending.close()
    for part in ("", "-wal", "-shm"):
        Path(f"{sending.path}{part}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "before.db", sending.path)
    sending.province.__init__(sending.path)  # type: ignore[misc]
    sending.province.minute = FIRST + 200
    sending.open()
    sending.send()

    assert (points(store, "schoolbeat_minute"), points(store, "schoolbeat_reading")) == before
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)


def test_what_victoriametrics_had_not_written_down_when_it_was_killed_is_sent_again(tmp_path: Path) -> None:
    """It answers before it has written: what it took in its last seconds is gone when it dies by SIGKILL."""
    with victoria_metrics(tmp_path) as store:
        sending = Sending(tmp_path, store.settings)
        school = School("s1")
        a_day(sending.province, school, hours=1)
        sending.send()
        sending.later(200)
        store.end()  # cleanly: so long ago, it has written down all of that
        store.start()
        for at in range(5):
            sending.province.minute = FIRST + 62 + at
            sending.province.take(school.report(school.rows(FIRST + 61 + at, [school.signal_row()])))
            sending.later(2)
            sending.store._ask_at = 0.0  # type: ignore[attr-defined]  # as if it had been long ago
            sending.send()
            if at == 2:
                time.sleep(1.1)  # it says when it was started in whole seconds
                store.kill()
                store.start()

        sending.later(400)
        sending.send()
        sending.send()

        assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
        sending.close()


# ---- room --------------------------------------------------------------------------------------------------


def heart_of(sending: Sending, **changed: Any) -> Heart:
    settings = Settings(sending.folder, series=sending.series, **changed)
    rows = IncidentRows(sending.province.ingest, settings.incidents, ())
    return Heart(sending.engine, settings, lambda _receive: NoBroker(), sending.province.ingest, rows)  # type: ignore[arg-type, return-value]


def stored(sending: Sending) -> int:
    with sending.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(schema.report)) or 0


def sixteen_days_later(sending: Sending) -> None:
    for day in range(16):
        sending.province.night(DAY + day)


def test_old_reports_stay_until_the_store_has_them(sending: Sending, store: AnyStore) -> None:
    store.end()
    a_day(sending.province, School("s1"))
    sending.send()
    sixteen_days_later(sending)
    heart = heart_of(sending)
    heart._delete_old()
    assert stored(sending) == 3

    store.start()
    sending.later(400)
    sending.send()
    sending.later(200)  # what VictoriaMetrics took shortly before may still be lost
    sending.province.minute += 1
    sending.send()
    heart._delete_old()

    assert stored(sending) == 0
    assert in_store(store)["line.isp"].keys() == {(FIRST + at) * 60_000 for at in range(180)}
    assert counters(sending)["series.points_sent"] > 0
    assert "series.reports_lost" not in counters(sending)


def test_without_room_the_oldest_go_counted_and_told(tmp_path: Path) -> None:
    with influxdb1(tmp_path) as store:
        sending = Sending(tmp_path, store.settings)
        store.end()
        a_day(sending.province, School("s1"))
        sending.send()
        sixteen_days_later(sending)
        room = sending.series.__class__(**{**vars(sending.series), "backlog_bytes": 1_000})
        sending.series = room
        heart = heart_of(sending)

        for _ in range(5):
            heart._delete_old()
        sending.open()
        sending.send()

        assert 0 < stored(sending) < 3
        assert counters(sending)["series.reports_lost"] == 3 - stored(sending)
        assert sending.queue.numbers()["series_reports_lost"] == 3 - stored(sending)
        sending.close()


# ---- refused -----------------------------------------------------------------------------------------------


def test_a_field_of_another_type_in_the_database_stops_the_queue_and_loses_nothing(tmp_path: Path) -> None:
    """Somebody else wrote the measurement before: every line of it would be refused, which no line is guilty of."""
    with influxdb1(tmp_path) as store:
        sending = Sending(tmp_path, store.settings)
        strange = f'schoolbeat_minute,site=x up_seconds="60" {FIRST * 60_000}'
        assert sending.store.write(strange.encode()).kind == "taken"
        a_day(sending.province, School("s1"))

        sending.send()

        assert sending.queue.trouble.now is not None
        assert sending.queue.trouble.now.kind == "setup"
        assert "series check" in sending.queue.reasons()[0].en
        assert sending.rows(schema.series_aside) == []
        store.query("DROP MEASUREMENT schoolbeat_minute")
        sending.later(400)
        sending.send()
        assert sending.queue.reasons() == []
        assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
        sending.close()


def test_a_refused_line_is_set_aside_once_with_the_reason_and_the_others_arrive(tmp_path: Path) -> None:
    """A single series of another type: InfluxDB refuses what was written of its measurement in that week only."""
    with influxdb1(tmp_path) as store:
        sending = Sending(tmp_path, store.settings)
        a_day(sending.province, School("s1"))
        real = sending.store.write

        def spoilt(lines: bytes) -> Any:  # one minute of one signal, as if a fault of ours had made it
            bad = f" up_seconds=45i {(FIRST + 9) * 60_000}".encode()
            return real(lines.replace(b"signal=line.isp,kind=line up_seconds=60i " + bad[16:], b"schoolbeat_x broken"))

        sending.store.write = spoilt  # type: ignore[method-assign]
        sending.send()
        sending.send()

        (aside,) = sending.rows(schema.series_aside)
        assert (aside.stream, aside.points) == ("reports", 1)
        assert "unable to parse" in aside.reason
        assert (aside.first_ms, aside.last_ms) == ((FIRST + 9) * 60_000,) * 2
        expected = in_ledger(sending, FIRST, FIRST + 240)
        del expected["line.isp"][(FIRST + 9) * 60_000]
        assert in_store(store) == expected
        assert "set aside" in sending.queue.reasons()[0].en
        with writing(sending.engine) as connection:
            assert series_aside.lines_of(connection, aside.id) is not None
            assert series_aside.drop(connection, None) == 1
        sending.province.minute += 1
        sending.send()
        assert sending.queue.reasons() == []
        sending.close()


def test_points_older_than_the_retention_are_counted_and_not_sent(tmp_path: Path) -> None:
    with influxdb1(tmp_path, retention="365d") as store:
        sending = Sending(tmp_path, store.settings)
        a_day(sending.province, School("s1"))
        sending.province.minute += 400 * 1_440

        sending.send()

        assert counters(sending)["series.points_old"] > 1_000
        assert points(store, "schoolbeat_minute") == {}
        assert sending.queue.reasons() == []
        sending.close()


def test_a_backlog_that_has_become_too_old_is_counted_to_the_last_point(tmp_path: Path) -> None:
    """Part of it in its turn, the rest beside what is new."""
    with influxdb1(tmp_path, retention="365d") as store:
        sending, school = Sending(tmp_path, store.settings), School("s1")
        sending.province.minute = FIRST + 3_000
        told = [school.report(school.rows(FIRST + at, [school.signal_row()] * 300)) for at in range(0, 2_400, 300)]
        sending.province.take(school.inventory_message(), school.presence(), *told)
        sending.province.minute += 400 * 1_440

        sending.queue.step()
        sending.queue.step()
        (asked,) = sending.rows(schema.series_again)
        sending.send()

        assert (asked.start_report, asked.end_report) == (MINUTES // 300, 8)
        assert counters(sending)["series.points_old"] == 2_400 * (len(SIGNALS) + 1)  # and a reading each minute
        assert points(store, "schoolbeat_minute") == {}
        sending.close()


# ---- another store, an older database, lost rows -----------------------------------------------------------


def test_a_new_store_gets_what_is_new_and_beside_it_all_that_is_kept(tmp_path: Path, store: AnyStore) -> None:
    from schoolbeat_server.settings import Series

    sending = Sending(tmp_path, Series())
    a_day(sending.province, School("s1"))
    sending.province.night(DAY)
    assert sending.rows(schema.outage_change) == []
    sending.store.close()

    sending.series = store.settings
    sending.open()
    (asked,) = sending.rows(schema.series_again)
    sending.send(1_000)
    sending.later(200)
    sending.send()

    assert asked.whole
    assert sending.rows(schema.series_again) == []
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
    assert days_told(store, "always") == days_known(sending, range(DAY, DAY + 1))
    assert outages_told(store) == outages_known(sending)
    sending.close()


def test_reports_whose_inventory_was_lost_are_sent_when_it_is_there_again(sending: Sending, store: AnyStore) -> None:
    school = School("s1")
    a_day(sending.province, school)
    with writing(sending.engine) as connection:
        connection.execute(delete(schema.inventory))
    sending.province.ingest.layouts.known.clear()
    sending.send()
    assert len(sending.rows(schema.series_later)) == 3
    before = in_store(store)

    sending.province.take(school.inventory_message())
    sending.later(400)
    sending.send()

    assert before == {signal: {} for signal in SIGNALS}
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
    assert sending.rows(schema.series_later) == []


def test_those_sent_late_are_sent_once_more_if_the_store_lost_them(tmp_path: Path) -> None:
    """VictoriaMetrics killed a moment after it took them."""
    with victoria_metrics(tmp_path) as store:
        sending, school = Sending(tmp_path, store.settings), School("s1")
        a_day(sending.province, school)
        with writing(sending.engine) as connection:
            connection.execute(delete(schema.inventory))
        sending.province.ingest.layouts.known.clear()
        sending.send()
        sending.later(200)
        sending.province.minute += 1
        sending.send()  # notes with the minute that the cursor is beyond doubt
        sending.province.take(school.inventory_message())
        sending.later(200)
        sending.send()

        store.kill()
        shutil.rmtree(tmp_path / "victoria-metrics")
        store.start()
        sending.open()
        sending.send()

        assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
        sending.close()


def test_reports_that_come_before_their_inventory_are_sent_when_they_are_placed(
    sending: Sending, store: AnyStore
) -> None:
    school = School("s1")
    sending.province.minute = FIRST + 10
    sending.province.take(school.presence(), school.report(school.rows(FIRST, [school.signal_row()] * 5)))
    sending.send()
    assert in_store(store)["line.isp"] == {}

    sending.province.take(school.inventory_message())
    sending.send()

    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 10)


def test_a_cursor_beyond_what_there_is_goes_back(sending: Sending, store: AnyStore) -> None:
    a_day(sending.province, School("s1"))
    with writing(sending.engine) as connection:
        sending.queue.cursors.move("reports", 10_000, 0)
        sending.queue.cursors.settle(1e9)
        sending.queue.cursors.write(connection, "reports", 0)

    sending.open()

    assert sending.queue.cursors.at("reports") == 3
    assert isinstance(store, InfluxDB1) or sending.queue.cursors.settled["reports"] == 3
    with sending.engine.connect() as connection:
        assert series_again.passed_reports(connection) == 3


def test_what_is_corrected_after_a_restore_counts_over_what_was_told_before(sending: Sending, store: AnyStore) -> None:
    """Revisions are counted anew: in VictoriaMetrics they must lie later than those that the lost database had told."""
    school = School("s1")
    down, up = school.signal_row(line_isp=0), school.signal_row()
    sending.province.minute = FIRST + 2
    sending.province.take(school.inventory_message(), school.presence(), school.report(school.rows(FIRST, [up, down])))
    sending.send()
    sending.engine.dispose()
    shutil.copy(sending.path, sending.folder / "backup.db")
    for at in range(2, 12):
        sending.province.minute = FIRST + at + 1
        sending.province.take(school.report(school.rows(FIRST + at, [down if at < 11 else up])))
        sending.send()
    told = outages_told(store)["s1", "line.isp", FIRST + 1]

    sending.close()
    for part in ("", "-wal", "-shm"):
        Path(f"{sending.path}{part}").unlink(missing_ok=True)
    shutil.copy(sending.folder / "backup.db", sending.path)
    sending.province.__init__(sending.path)  # type: ignore[misc]
    sending.province.minute = FIRST + 40
    with writing(sending.engine) as connection:
        found = restored.Restored((FIRST + 3) * 60_000, sending.province.minute * 60_000, 0)
        restored.note(connection, found)
    sending.open()
    other = School("s1", epoch="cd" * 8)  # the first one's card is lost, and all that it had not told again
    sending.province.take(other.presence(), other.report(other.rows(FIRST + 20, [down, up])))
    sending.send()

    assert told[:2] == (600, (FIRST + 11) * 60)
    assert outages_told(store)["s1", "line.isp", FIRST + 1][:2] == (120, (FIRST + 21) * 60)
    assert outages_told(store) == outages_known(sending)


# ---- damage ------------------------------------------------------------------------------------------------


def test_a_damaged_inventory_holds_up_its_own_reports_alone(sending: Sending, store: AnyStore) -> None:
    other = School("s2")
    a_day(sending.province, School("s1"))
    a_day(sending.province, other)
    inventory = schema.inventory.c
    with writing(sending.engine) as connection:
        sound = connection.scalar(select(inventory.payload).where(inventory.site == "s2"))
        connection.execute(update(schema.inventory).where(inventory.site == "s2").values(payload=b"damaged"))
    sending.province.ingest.layouts.known.clear()

    sending.send()
    late = len(sending.rows(schema.series_later))
    before = points(store, "schoolbeat_minute")
    with writing(sending.engine) as connection:
        connection.execute(update(schema.inventory).where(inventory.site == "s2").values(payload=sound))
    sending.later(400)
    sending.send()

    assert late == 3
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
    assert one(before, "schoolbeat_minute_up_seconds", site="s2", signal="line.isp") == {}
    after = points(store, "schoolbeat_minute")
    assert len(one(after, "schoolbeat_minute_up_seconds", site="s2", signal="line.isp")) == 180
    assert sending.rows(schema.series_later) == []


def test_a_stream_that_cannot_be_read_is_told_and_stops_no_other(sending: Sending, store: AnyStore) -> None:
    digest = schema.day_digest
    a_day(sending.province, School("s1"))
    sending.province.night(DAY)
    with writing(sending.engine) as connection:
        connection.execute(update(digest).where(digest.c.day == DAY).values(day=literal_column("'damaged'")))

    sending.send()
    told, days = [said.en for said in sending.queue.reasons()], points(store, "schoolbeat_day")
    with writing(sending.engine) as connection:
        connection.execute(update(digest).where(digest.c.day == literal_column("'damaged'")).values(day=DAY))
    sending.later(400)
    sending.send()

    assert [one for one in told if "days (" in one]
    assert days == {}
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 240)
    assert outages_told(store) == outages_known(sending)
    assert sending.queue.reasons() == []
    assert days_told(store, "always") == days_known(sending, range(DAY, DAY + 1))


def test_a_backlog_of_long_reports_is_sent_in_pieces_that_memory_holds(sending: Sending, store: AnyStore) -> None:
    """An agent that comes back after a day sends up to an hour in each report, and a whole district comes at once."""
    school = School("s1")
    sending.province.minute = FIRST + 3_000
    told = [school.report(school.rows(FIRST + at, [school.signal_row()] * 300)) for at in range(0, 2_400, 300)]
    sending.province.take(school.inventory_message(), school.presence(), *told)
    with sending.engine.connect() as connection:
        piece = read_reports(sending.queue.sources, connection, 0)

    sending.send()

    assert piece is not None
    assert (piece.position, piece.full) == (MINUTES // 300, True)
    assert in_store(store) == in_ledger(sending, FIRST, FIRST + 2_400)


# ---- told --------------------------------------------------------------------------------------------------


def test_the_servers_own_page_and_healthz_tell_of_the_store(sending: Sending, store: AnyStore) -> None:
    a_day(sending.province, School("s1"))
    sending.send()
    store.end()
    sending.province.minute += 1
    sending.province.take(contact={"s1": 60})
    sending.send()
    sending.later(700)
    server = Server(sending.engine, sending.folder, sending.province.minute * 60)
    judge = Judge(sending.engine, sending.province.ingest.ledger, (), server.ms)

    found = health(server.heart, judge, sending.queue)
    client = Client(create_app(replace(web_context(sending.engine, server), health=lambda: found)))
    answer = client.get("/healthz")
    vi, en = client.get("/about?lang=vi").text, client.get("/about?lang=en").text

    assert answer.status_code == 503
    assert "the time-series store has not answered for 11 minutes" in str(found["reasons"])
    assert found["series_waits"] == 1
    assert {name for name in found if name.startswith("series_")} == {
        "series_queue_reports",
        "series_queue_seconds",
        "series_queue_bytes",
        "series_points_sent",
        "series_points_aside",
        "series_points_old",
        "series_reports_lost",
        "series_aside_dropped",
        "series_waits",
    }
    assert "Kho chuỗi thời gian (Grafana)" in vi
    assert "kho chuỗi thời gian không nhận đã 11 phút" in vi
    assert "points were sent." in en


def test_more_days_made_again_than_are_worked_on_at_a_time_are_all_sent(tmp_path: Path) -> None:
    with influxdb1(tmp_path) as store:
        sending = Sending(tmp_path, store.settings)
        a_day(sending.province, School("s1"))
        sending.send()
        expected = in_store(store)
        store.query("DROP MEASUREMENT schoolbeat_minute")
        with writing(sending.engine) as connection:
            for at in range(2 * series_again.MOST + 10):
                first = FIRST + at % 180
                series_again.was_made_again(connection, "s1", first, first + 1, 0)

        sending.send(1_000)

        assert in_store(store) == expected
        assert sending.rows(schema.series_again) == []
        assert not [row for row in sending.rows(schema.series_cursor) if row.stream.startswith("again")]
        sending.close()
