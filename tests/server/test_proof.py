"""Digests of days: the same however messages came, a revision for what is late, and every change is found."""

from __future__ import annotations

import random
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, func, select, text, update
from tests.server.school import CUT_AT_ISP, School, register

from schoolbeat_server import database, proof, rebuild, schema
from schoolbeat_server.batch import Batch, Message
from schoolbeat_server.canonical import canonical_minutes, in_order
from schoolbeat_server.cli import main
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import pack_day, unpack_day
from schoolbeat_server.proof_cli import told
from schoolbeat_server.proof_making import ProofMaking
from schoolbeat_server.run import lock_folder
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_server.settings import Settings
from schoolbeat_server.stamp import stamp
from schoolbeat_server.verify import Fault, Finding, Verifier, broken_proofs
from schoolbeat_wire import report as reports

DAY = 20_411
NOON = 12 * 60


class Province:
    """Ingest, sealing and the making of digests, by a clock of our own; no broker."""

    def __init__(self, path: Path) -> None:
        self.engine = database.open_database(path)
        self.minute = first_minute_of(DAY)
        self.start()

    def start(self) -> None:
        self.ingest = Ingest(self.engine, "c0ffee00", ContactBook(0), lambda: self.minute * 60_000)
        self.ingest.load()
        self.making = ProofMaking(self.engine, self.ingest.ledger, self.ingest.layouts, self.ingest.proofs)

    def take(self, *messages: Message, contact: dict[str, int] | None = None) -> None:
        def more(batch: Batch) -> None:
            self.ingest.contact_minute(batch, self.minute, contact or {})
            self.ingest.outages.flush(batch.connection)

        self.ingest.commit(list(messages), more)

    def seal(self) -> None:
        self.ingest.ledger.seal(self.minute, self.ingest.next_report_id - 1, self.minute)

    def night(self, day: int) -> None:
        """Five in the morning after the day."""
        self.minute = first_minute_of(day + 1) + 300
        self.seal()
        self.making.look(self.minute * 60_000)
        while self.making.busy:
            self.making.step(self.ingest.next_report_id - 1, self.minute * 60_000)

    def find(self, first: int = DAY, end: int = DAY + 1, site: str = "s1") -> list[Finding]:
        with self.engine.connect() as connection:
            layouts = Layouts()
            layouts.load(connection)
            return list(Verifier(connection, layouts, site).days(first, end))

    def rows(self, site: str = "s1") -> list[Any]:
        table = schema.day_digest.c
        with self.engine.connect() as connection:
            return list(connection.execute(select(schema.day_digest).where(table.site == site).order_by(table.id)))

    def stored(self) -> tuple[dict[tuple[str, int], bytes], list[tuple[Any, ...]]]:
        """The ledger's rows and the outages."""
        with self.engine.connect() as connection:
            days = {
                (row.site, row.day): row.payload
                for row in connection.execute(select(schema.ledger_day).order_by(schema.ledger_day.c.day))
            }
            return days, [tuple(row) for row in connection.execute(select(schema.outage).order_by(schema.outage.c.id))]


@pytest.fixture
def province(tmp_path: Path) -> Iterator[Province]:
    engine = database.open_database(tmp_path / "a.db")
    register(engine, ["s1", "s2"])
    made = Province(tmp_path / "a.db")
    made.night(DAY - 1)  # from here on days have digests
    yield made
    made.engine.dispose()
    engine.dispose()


def a_day(province: Province, school: School, day: int = DAY, hours: int = 3) -> None:
    """Some hours from noon on, the line down for some of them, and contact."""
    for hour in range(hours):
        first = first_minute_of(day) + NOON + hour * 60
        cut = school.signal_row(**CUT_AT_ISP)
        rows = [cut if 10 <= at < 25 else school.signal_row() for at in range(60)]
        province.minute = first + 61
        told = [] if school.seq else [school.inventory_message(), school.presence()]
        province.take(*told, school.report(school.rows(first, rows)), contact={school.site: 60})


@pytest.fixture
def school(province: Province) -> School:
    school = School("s1")
    a_day(province, school)
    province.night(DAY)
    return school


def kinds(found: list[Finding]) -> list[str]:
    return [one.state for one in found]


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        assert connection.execute(text(statement)).rowcount


# ---- canonical form ----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_digest_is_the_same_however_the_minutes_were_cut_and_ordered_and_repeated(data: st.DataObject) -> None:
    school = School("s1")
    count = data.draw(st.integers(1, 12))
    values = st.one_of(
        st.none(), st.tuples(st.one_of(st.none(), st.integers(0, 999)), st.none() | st.integers(0, 10**9))
    )
    rows = []
    for at in range(count):
        drawn = data.draw(values)
        rows.append(
            reports.MinuteRow(
                seq=at,
                minute=29_000_000 + 2 * at,
                signals=bytes(data.draw(st.lists(st.sampled_from([0, 31, 60, 255]), min_size=6, max_size=6))),
                values=[] if drawn is None else [[drawn[0]], [drawn[1]]],
                failures=[(0, 1, 2)] if data.draw(st.booleans()) else [],
                causes=[(1, 3), (2, 4)] if data.draw(st.booleans()) else [],
                off=[reports.Off(28_999_000, 5, 1)] if data.draw(st.booleans()) else [],
            )
        )

    def cut() -> list[bytes]:
        messages, start = [], 0
        while start < count:
            size = data.draw(st.integers(1, count - start))
            packed = reports.pack(school.epoch, school.inventory.revision, rows[start : start + size], school.inventory)
            messages.append(reports.encode(packed))
            start += size
        repeated = messages + data.draw(st.lists(st.sampled_from(messages), max_size=3))
        return data.draw(st.permutations(repeated))

    def digest(messages: list[bytes]) -> tuple[bytes, list[bytes]]:
        found = [
            minute
            for payload in messages
            for minute in canonical_minutes("gateway", reports.decode(payload), school.inventory)
        ]
        return proof.digest_reports(in_order(found), ["x"], 29_000_000)

    one, other = cut(), cut()

    assert digest(one) == digest(other)


def test_any_other_value_gives_another_digest() -> None:
    school = School("s1")
    row = reports.MinuteRow(7, 29_000_000, school.signal_row(), [[125], [None]])
    others = [
        row,
        reports.MinuteRow(8, 29_000_000, school.signal_row(), [[125], [None]]),
        reports.MinuteRow(7, 29_000_001, school.signal_row(), [[125], [None]]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(line_isp=59), [[125], [None]]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), [[126], [None]]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), [[0], [None]]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), [[None], [0]]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), []),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), [[125], [None]], causes=[(0, 1)]),
        reports.MinuteRow(7, 29_000_000, school.signal_row(), [[125], [None]], off=[reports.Off(28_999_000, 5, 1)]),
    ]

    found = {
        canonical_minutes(
            agent, reports.pack(epoch, school.inventory.revision, [one], school.inventory), school.inventory
        )[0]
        for one in others
        for agent, epoch in (("gateway", "ab" * 8), ("gateway", "cd" * 8), ("pc", "ab" * 8))
    }

    assert len(found) == 3 * len(others)


# ---- making ------------------------------------------------------------------------------------------------


def test_a_day_that_is_over_gets_one_digest_and_stands(province: Province, school: School) -> None:
    province.night(DAY)
    rows = province.rows()

    assert [(row.day, row.revision, row.minutes, row.why) for row in rows] == [(DAY, 1, 180, "")]
    assert [row.day for row in province.rows("s2")] == [DAY]
    assert province.find() == [Finding(DAY, "intact", rows[0].made_ms)]
    assert kinds(province.find(DAY - 1, DAY + 2)) == ["pending", "intact", "pending"]


def test_a_restart_in_the_middle_begins_anew_and_makes_nothing_twice(province: Province) -> None:
    a_day(province, School("s1"))
    province.minute = first_minute_of(DAY + 1) + 300
    province.making.look(province.minute * 60_000)
    province.making.step(province.ingest.next_report_id - 1, province.minute * 60_000)
    province.start()

    province.night(DAY)

    assert [(row.day, row.revision) for row in province.rows()] == [(DAY, 1)]
    assert kinds(province.find()) == ["intact"]


def test_a_new_servers_first_backlog_gets_its_digests_the_same_day_once_no_more_of_it_comes(tmp_path: Path) -> None:
    engine = database.open_database(tmp_path / "b.db")
    register(engine, ["s1"])
    province, school = Province(tmp_path / "b.db"), School("s1")
    now_ms = (first_minute_of(DAY + 1) + NOON) * 60_000
    province.making.look(now_ms)  # nothing has come yet
    a_day(province, school)
    begun = []
    for seconds in (2, 4, 33, 62, 64):
        province.making.look(now_ms + seconds * 1_000)
        begun.append(province.making.busy)
        if seconds == 4:
            a_day(province, school, DAY - 1, hours=1)
    while province.making.busy:
        province.making.step(province.ingest.next_report_id - 1, now_ms)
    province.making.look(now_ms + 90_000)

    assert begun == [False, False, False, False, True]
    assert not province.making.busy
    assert [(row.day, row.revision, row.minutes) for row in province.rows()] == [(DAY - 1, 1, 60), (DAY, 1, 180)]
    province.engine.dispose()
    engine.dispose()


def test_a_site_is_not_alone_each_row_is_chained_to_the_one_before(province: Province, school: School) -> None:
    a_day(province, school, DAY + 1)
    province.night(DAY + 1)

    first, second = province.rows()

    assert first.previous == proof.NONE
    assert second.previous == first.digest
    assert kinds(province.find(DAY, DAY + 2)) == ["intact", "intact"]


def test_late_data_makes_a_revision_and_later_days_keep_their_rows(province: Province, school: School) -> None:
    a_day(province, school, DAY + 1)
    province.night(DAY + 1)
    before = province.rows()
    late = school.report(school.rows(first_minute_of(DAY) + 6 * 60, [school.signal_row()] * 5))
    province.take(late)
    province.seal()
    waiting = kinds(province.find(DAY, DAY + 2))
    province.night(DAY + 2)
    rows = province.rows()

    assert waiting == ["waiting", "intact"]
    assert [tuple(row) for row in rows[:2]] == [tuple(row) for row in before]
    assert [(row.day, row.revision, row.why) for row in rows[2:]] == [(DAY, 2, "late"), (DAY + 2, 1, "")]
    assert rows[2].replaces == before[0].digest
    assert rows[2].previous == before[1].digest
    (found,) = province.find()
    assert (found.state, found.made_ms, [one.why for one in found.changes]) == ("revised", rows[2].made_ms, ["late"])
    assert "bổ sung lúc 05:00:00" in next(told([found], "vi"))
    assert "(late data)" in next(told([found], "en"))


def test_the_digest_of_digests_goes_out_with_an_ack_that_is_asked_for_and_then_now_and_then(
    province: Province, school: School
) -> None:
    proofs, now = province.ingest.proofs, province.minute * 60_000
    with province.engine.connect() as connection:
        newest = proof.newest_proof(connection)
    assert newest is not None
    said = ("2025-11-20", newest[1].hex())

    assert proofs.to_tell(("s1", "gateway"), now, asked=False) == said
    assert proofs.to_tell(("s1", "gateway"), now + 60_000, asked=False) == ("", "")
    assert proofs.to_tell(("s1", "gateway"), now + 60_000, asked=True) == said
    assert proofs.to_tell(("s1", "gateway"), now + 7 * 3_600_000, asked=False) == said


def test_every_site_and_every_row_is_in_the_digest_of_digests(province: Province, school: School) -> None:
    with province.engine.connect() as connection:
        whole = broken_proofs(connection)
    with database.writing(province.engine) as connection:
        connection.execute(delete(schema.day_digest).where(schema.day_digest.c.site == "s2"))

    with province.engine.connect() as connection:
        assert whole == []
        assert broken_proofs(connection) == [DAY + 1]


# ---- altering ----------------------------------------------------------------------------------------------


def test_an_altered_report_is_found_with_its_hour(province: Province, school: School) -> None:
    table = schema.report.c
    with database.writing(province.engine) as connection:
        row = connection.execute(select(schema.report).order_by(table.id.desc()).limit(1)).one()
        report = reports.decode(row.payload)
        report.signals = bytes([60]) * len(report.signals)  # the line was never down
        connection.execute(update(schema.report).where(table.id == row.id).values(payload=reports.encode(report)))

    (found,) = province.find()

    assert found.state == "altered"
    assert found.faults[0] == Fault("reports", (14,))
    assert found.faults[1].hours == (14,)
    assert "line.isp" in found.faults[1].signals


def test_a_deleted_report_is_found_and_the_ledger_is_not_made_from_the_rest(province: Province, school: School) -> None:
    before = province.stored()
    with database.writing(province.engine) as connection:
        last = connection.scalar(select(func.max(schema.report.c.id)))
        connection.execute(delete(schema.report).where(schema.report.c.id == last))

    (found,) = province.find()
    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    assert found.faults[0] == Fault("fewer", (14,), number=60)
    assert done.refused == (DAY,)
    assert province.stored() == before


def test_an_unreadable_report_is_found(province: Province, school: School) -> None:
    change(province.engine, "UPDATE report SET payload = CAST(x'00' || substr(payload, 2) AS BLOB) WHERE id = 2")

    (found,) = province.find()

    assert found.faults[:2] == (Fault("unreadable", number=1), Fault("fewer", (13,), number=60))


@pytest.mark.parametrize("column", ["minutes", "made_ms", "last_report"])
def test_an_altered_row_of_a_digest_is_found(province: Province, school: School, column: str) -> None:
    change(province.engine, f"UPDATE day_digest SET {column} = {column} + 1 WHERE site = 's1'")

    assert Fault("row") in province.find()[0].faults


def test_a_day_taken_out_of_the_chain_leaves_a_gap_and_a_fault_after_it(province: Province, school: School) -> None:
    a_day(province, school, DAY + 1)
    province.night(DAY + 1)
    a_day(province, school, DAY + 2)
    province.night(DAY + 2)
    change(province.engine, f"DELETE FROM day_digest WHERE site = 's1' AND day = {DAY + 1}")

    found = province.find(DAY, DAY + 3)

    assert kinds(found) == ["intact", "gap", "altered"]
    assert found[2].faults == (Fault("missing"),)


def test_a_change_in_an_hour_of_which_nothing_came_is_unexplained_for_ever(province: Province, school: School) -> None:
    flip_minute(province.engine, 12 * 60 + 70)
    late = school.report(school.rows(first_minute_of(DAY) + 6 * 60, [school.signal_row()] * 5))
    province.take(late)

    province.night(DAY + 1)

    assert Fault("unexplained", (6, 13)) in province.find()[0].faults


def flip_minute(engine: Engine, minute_of_day: int) -> None:
    """A whole, readable ledger with one other minute in it."""
    minute = first_minute_of(DAY) + minute_of_day
    table = schema.ledger_day
    with database.writing(engine) as connection:
        where = (table.c.site == "s1") & (table.c.day == minute // 1_440)
        rows = unpack_day(connection.execute(select(table.c.payload).where(where)).scalar_one())
        data = bytearray(rows["line.internet"])
        data[minute % 1_440] = 60 - data[minute % 1_440]
        rows["line.internet"] = bytes(data)
        connection.execute(update(table).where(where).values(payload=pack_day(rows)))


# ---- rebuilding --------------------------------------------------------------------------------------------


def test_rebuilding_a_sound_ledger_changes_no_byte_of_it_and_no_outage(province: Province, school: School) -> None:
    before = province.stored()
    with database.writing(province.engine) as connection:
        connection.execute(delete(schema.ledger_day))
        connection.execute(delete(schema.outage))
        connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'outage'"))
    province.start()

    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    after = province.stored()
    assert len(before[1]) == 6
    assert {key: row for key, row in after[0].items() if key[0] == "s1"} == before[0]
    assert sorted(row[1:] for row in after[1]) == sorted(row[1:] for row in before[1])
    assert (done.refused, done.lost) == ((), 0)
    assert kinds(province.find()) == ["intact"]


def test_nothing_is_written_where_nothing_was_wrong(province: Province, school: School) -> None:
    before = province.stored()

    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    assert (done.days, done.ledger_days, done.outages) == (1, 0, 0)
    assert province.stored() == before


def test_an_altered_minute_of_the_ledger_is_found_with_its_place_and_mended(province: Province, school: School) -> None:
    before = province.stored()
    flip_minute(province.engine, 12 * 60 + 70)
    province.start()

    (found,) = province.find()
    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    assert found.faults == (Fault("ledger", (13,), ("line.internet",)),)
    assert next(told([found], "vi")).startswith("2025-11-19: BỊ SỬA; sổ phút khác")
    assert done.ledger_days == 1
    assert province.stored() == before
    assert kinds(province.find()) == ["intact"]


def test_a_flipped_byte_makes_the_day_unknown_stops_nothing_is_found_and_mended(
    province: Province, school: School
) -> None:
    before = province.stored()
    day = (first_minute_of(DAY) + NOON) // 1_440
    payload = bytearray(before[0]["s1", day])
    payload[len(payload) // 2] ^= 0x10
    with pytest.raises(zlib.error):
        unpack_day(bytes(payload))
    table = schema.ledger_day
    with database.writing(province.engine) as connection:
        connection.execute(update(table).where(table.c.site == "s1", table.c.day == day).values(payload=bytes(payload)))
    province.start()

    with province.engine.connect() as connection:
        first = first_minute_of(DAY) + NOON
        read = province.ingest.ledger.read(connection, "s1", ["line.isp"], first, first + 60)
    (found,) = province.find()
    rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    assert read == {"line.isp": b"\xff" * 60}
    assert found.faults[0].hours == (12, 13, 14, 15)  # and a minute of contact
    assert province.stored() == before
    assert kinds(province.find()) == ["intact"]


def test_a_digest_made_of_a_damaged_ledger_gets_a_revision_that_says_rebuilt(province: Province) -> None:
    a_day(province, School("s1"))
    province.minute += 60
    province.seal()
    province.minute += 120
    province.seal()  # the hours have left the memory
    flip_minute(province.engine, NOON + 5)
    province.night(DAY)
    province.start()
    spoilt = kinds(province.find())

    rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 77)

    assert spoilt == ["altered"]
    assert [(row.revision, row.why, row.made_ms) for row in province.rows()][1:] == [(2, "rebuilt", 77)]
    assert kinds(province.find()) == ["revised"]


# ---- retention and restoring -------------------------------------------------------------------------------


def drop_reports(engine: Engine, before_minute: int) -> None:
    """What the heart does with old ones."""
    with database.writing(engine) as connection:
        connection.execute(delete(schema.report).where(schema.report.c.last_minute < before_minute))
        connection.execute(delete(schema.contact_minute).where(schema.contact_minute.c.minute < before_minute))
        database.set_meta(connection, "kept_from_minute", str(before_minute))


def test_a_day_without_reports_stands_by_its_digest_and_a_changed_ledger_does_not(
    province: Province, school: School
) -> None:
    drop_reports(province.engine, first_minute_of(DAY + 1))
    sound = province.find()
    flip_minute(province.engine, 12 * 60 + 70)
    spoilt = province.find()
    province.start()
    done = rebuild.rebuild_site(province.ingest, "s1", DAY, DAY + 1, 0)

    assert kinds(sound) == ["old"]
    assert next(told(sound, "en")).startswith("2025-11-19: reports no longer kept, ledger matches the digest made at")
    assert spoilt[0].faults == (Fault("ledger", (13,)),)
    assert done.refused == (DAY,)


def test_late_data_for_a_day_without_reports_is_added_to_what_was_known(province: Province, school: School) -> None:
    drop_reports(province.engine, first_minute_of(DAY + 1))
    first = province.rows()[0]
    province.take(school.report(school.rows(first_minute_of(DAY) + 6 * 60, [school.signal_row()] * 5)))

    province.night(DAY + 1)

    (_, second, _) = province.rows()
    assert (second.day, second.revision, second.why, second.minutes) == (DAY, 2, "late", first.minutes + 5)
    assert kinds(province.find()) == ["old"]


def test_a_restored_backup_is_made_whole_by_the_agents_and_its_days_stand(tmp_path: Path, province: Province) -> None:
    school = School("s1")
    a_day(province, school, DAY, hours=1)
    province.seal()
    backup = database.open_database(tmp_path / "backup.db")
    backup.dispose()
    (tmp_path / "backup.db").unlink()
    with province.engine.connect() as connection:
        connection.connection.execute(f"VACUUM INTO '{tmp_path / 'backup.db'}'")
    shutil.copy(tmp_path / "backup.db", tmp_path / "restored.db")
    sent_again = []
    for hour in (1, 2):
        first = first_minute_of(DAY) + NOON + hour * 60
        sent_again.append(school.report(school.rows(first, [school.signal_row()] * 60)))
    province.minute = first_minute_of(DAY) + NOON + 190
    province.take(*sent_again)
    province.night(DAY)

    restored = Province(tmp_path / "restored.db")
    random.Random(1).shuffle(sent_again)
    restored.minute = province.minute
    restored.take(*sent_again, *sent_again)
    restored.night(DAY)

    (one,), (other,) = province.rows(), restored.rows()
    assert (one.of_reports, one.of_ledger, one.minutes) == (other.of_reports, other.of_ledger, other.minutes)
    assert kinds(restored.find()) == ["intact"]


# ---- the command, the page, and what is deleted ------------------------------------------------------------


def desk(province: Province, folder: Path) -> list[str]:
    (folder / "server.toml").write_text(f'folder = "{folder / "data"}"\n', encoding="utf-8")
    (folder / "data").mkdir()
    with province.engine.connect() as connection:
        connection.connection.execute(f"VACUUM INTO '{folder / 'data' / 'schoolbeat.db'}'")
    return ["--settings", str(folder / "server.toml")]


def test_the_command_verifies_and_rebuilds_in_both_languages(
    province: Province, school: School, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sound").mkdir()
    (tmp_path / "spoilt").mkdir()
    sound = desk(province, tmp_path / "sound")
    flip_minute(province.engine, 12 * 60 + 70)
    spoilt = desk(province, tmp_path / "spoilt")
    window = ["s1", "2025-11-18", "2025-11-19"]

    codes = [
        main([*sound, "verify", *window]),
        main([*spoilt, "--lang", "en", "verify", *window]),
        main([*spoilt, "--lang", "en", "rebuild", "--all", *window[1:]]),
        main([*spoilt, "verify", *window]),
        main([*spoilt, "verify", "s1", "2025-11-19", "2025-11-18"]),
        main([*spoilt, "verify", "nowhere", "2025-11-18", "2025-11-19"]),
        main([*sound, "--lang", "en", "verify", *window, "--stamp"]),
    ]
    with province.engine.connect() as connection:
        stamped = stamp(connection, ["s1"], DAY - 1, DAY + 1)

    said = capsys.readouterr()
    assert codes == [0, 4, 0, 0, 1, 1, 0]
    assert said.out.splitlines() == [
        "2025-11-18: chưa đến lúc lập mã",
        "2025-11-19: nguyên vẹn",
        "2025-11-18: no digest is due yet",
        "2025-11-19: ALTERED; the ledger is not what reports or digest say, hours 13, signals line.internet",
        "s1: 2 days; 1 ledger rows and 0 outages changed",
        "s2: 2 days; 0 ledger rows and 0 outages changed",
        "2025-11-18: chưa đến lúc lập mã",
        "2025-11-19: nguyên vẹn",
        "2025-11-18: no digest is due yet",
        "2025-11-19: intact",
        f"stamp of 1 digests, of 2 days: {stamped.digest.hex()}",
        f"digest of digests of 2025-11-20: {stamped.proof.hex()}",
    ]
    assert said.err.splitlines() == ["2025-11-19 ở sau 2025-11-18", "sổ đăng ký không có điểm trường 'nowhere'"]


def test_the_command_compares_what_an_agent_kept(
    province: Province, school: School, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with province.engine.connect() as connection:
        newest = proof.newest_proof(connection)
    assert newest is not None
    words = desk(province, tmp_path)

    codes = [
        main([*words, "proof"]),
        main([*words, "proof", "2025-11-20", newest[1].hex()]),
        main([*words, "proof", "2025-11-20", "0" * 64]),
        main([*words, "proof", "2025-11-25"]),
    ]

    assert codes == [0, 0, 4, 3]
    assert capsys.readouterr().out.splitlines() == [
        f"2025-11-20 {newest[1].hex()}",
        "2025-11-20: khớp",
        "Sổ đăng ký và lịch học như khi ấy",
        f"2025-11-20: KHÔNG KHỚP: máy chủ có {newest[1].hex()}",
        "Sổ đăng ký và lịch học như khi ấy",
        "2025-11-25: máy chủ không có mã của ngày này",
    ]


def test_a_rebuild_beside_a_running_server_is_refused(
    province: Province, school: School, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = desk(province, tmp_path)

    with lock_folder(tmp_path / "data"):
        code = main([*words, "rebuild", "s1"])

    assert code == 1
    assert "stop it first" in capsys.readouterr().err


class NoLink:
    connected, problem = True, ""

    def publish(self, *_: Any, **__: Any) -> None:
        pass

    def pump(self, _seconds: float) -> None:
        pass


def test_no_report_is_deleted_before_its_day_has_a_digest(province: Province, tmp_path: Path) -> None:
    a_day(province, School("s1"))
    rows = IncidentRows(province.ingest, Settings(tmp_path).incidents, [])
    made = Heart(province.engine, Settings(tmp_path, report_days=1), lambda _: NoLink(), province.ingest, rows)  # type: ignore[arg-type,return-value]

    def reports_kept() -> int:
        with province.engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(schema.report)) or 0

    province.minute = first_minute_of(DAY + 3)
    province.seal()
    made._delete_old()
    before = reports_kept()
    province.night(DAY + 3)
    made._delete_old()

    assert (before, reports_kept()) == (3, 0)
    assert kinds(province.find()) == ["old"]


def test_the_heart_makes_the_digests_by_itself(province: Province, tmp_path: Path) -> None:
    a_day(province, School("s1"))
    rows = IncidentRows(province.ingest, Settings(tmp_path).incidents, [])
    made = Heart(province.engine, Settings(tmp_path), lambda _: NoLink(), province.ingest, rows)  # type: ignore[arg-type,return-value]
    province.minute = first_minute_of(DAY + 1) + 300

    made.turn()
    busy = made.proofs.busy
    for _ in range(5):
        made.turn()

    assert (busy, made.proofs.busy, made.problem) == (True, False, "")
    assert [(row.day, row.minutes) for row in province.rows()] == [(DAY, 180)]
    assert province.ingest.proofs.newest is not None


def test_there_is_nothing_to_rebuild_where_nothing_was_reported(
    province: Province, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main([*desk(province, tmp_path), "--lang", "en", "rebuild", "--all"])

    assert (code, "There is no day to rebuild." in capsys.readouterr().err) == (1, True)
