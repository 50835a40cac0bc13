"""The outbox on real files: nothing lost, nothing stuck, whatever happens to the file or the process."""

from __future__ import annotations

import io
import os
import random
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.agent.rows import FIRST, REVISION, row
from tests.outbox_copy import copied

from schoolbeat_agent.outbox import (
    DELETE_TOGETHER,
    MAKE_ROOM_ROWS,
    SETTLE_TOGETHER,
    WAITING_IN_MEMORY,
    Outbox,
    Standing,
    newest_together,
)
from schoolbeat_wire.messages import Ack

SERVER = "cc" * 4
HARDWARE, BOOT = "aa" * 8, "bb" * 16


def opened(path: Path, **changes: object) -> Outbox:
    return Outbox(path, **({"hardware": HARDWARE, "boot": BOOT} | changes))  # type: ignore[arg-type]


def filled(path: Path, rows: int, sent: bool = True) -> Outbox:
    box = opened(path)
    for n in range(rows):
        box.add(row(FIRST + n), REVISION, sent)
    return box


def ack(box: Outbox, *settled: tuple[int, int], complete_from: int = 0) -> Ack:
    return Ack(SERVER, FIRST * 60_000, box.epoch, list(settled), complete_from)


def minutes(box: Outbox) -> list[int]:
    return [stored.row.minute for stored in box.rows(0, 2**40)]


def numbered(box: Outbox) -> list[tuple[int, int]]:
    return [(stored.row.seq, stored.row.minute) for stored in box.rows(0, 2**40)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"


# --- keeping and settling ------------------------------------------------------------------------------------------


def test_rows_are_there_after_a_restart_with_their_seqs(path: Path) -> None:
    first = filled(path, 5)
    epoch = first.epoch
    first.close()

    box = opened(path)

    assert box.rows(1, 3) == [
        type(stored)(REVISION, msgspec.structs.replace(row(FIRST + n), seq=n))
        for n, stored in [(1, box.rows(1, 2)[0]), (2, box.rows(2, 3)[0])]
    ]
    assert (box.epoch, box.last_minute, box.unsettled()) == (epoch, FIRST + 4, [(0, 5)])
    assert box.standing() == Standing(epoch, 0, 5, [], 5, 0, "")


def test_only_the_owner_can_read_the_files(path: Path) -> None:
    filled(path, 3)

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert modes == {"outbox.sqlite": 0o600, "outbox.sqlite-wal": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_settled_rows_wait_no_more_also_after_a_restart(path: Path) -> None:
    box = filled(path, 6)
    box.settle(ack(box, (0, 2), (3, 5)))
    box.stop_clean(FIRST + 6)
    box.close()

    assert opened(path).unsettled() == [(2, 3), (5, 6)]


def test_settled_marks_are_written_some_at_a_time(path: Path) -> None:
    box = filled(path, SETTLE_TOGETHER + 10)
    box.settle(ack(box, (0, SETTLE_TOGETHER - 1)))
    box.add(row(FIRST + 100), REVISION, True)
    with copied(path) as db:
        few = db.execute("SELECT count(*) FROM minute WHERE settled_at IS NOT NULL").fetchone()
    box.settle(ack(box, (0, SETTLE_TOGETHER)))
    box.add(row(FIRST + 101), REVISION, True)
    box.close()

    assert few == (0,)
    assert opened(path).unsettled() == [(SETTLE_TOGETHER, SETTLE_TOGETHER + 12)]


def test_what_a_later_ack_no_longer_contains_waits_again(path: Path) -> None:
    box = filled(path, 6)
    box.settle(ack(box, (0, 6)))

    box.settle(ack(box, (0, 1), (4, 6)))

    assert box.unsettled() == [(1, 4)]


def test_an_ack_says_nothing_of_what_lies_before_complete_from(path: Path) -> None:
    box = filled(path, 6)
    box.settle(ack(box, (0, 3)))

    box.settle(ack(box, (5, 6), complete_from=4))

    assert box.unsettled() == [(3, 5)]


def test_an_ack_of_another_epoch_settles_nothing(path: Path) -> None:
    box = filled(path, 3)

    box.settle(msgspec.structs.replace(ack(box, (0, 3)), epoch="ee" * 8))

    assert box.unsettled() == [(0, 3)]


def test_send_again_makes_settled_rows_wait(path: Path) -> None:
    box = filled(path, 6)
    box.settle(ack(box, (0, 6)))
    box.send_again(2, 4)
    box.add(row(FIRST + 6), REVISION, True)
    box.close()

    assert opened(path).unsettled() == [(2, 4), (6, 7)]


def test_settled_rows_go_after_seven_days_and_unsettled_ones_stay(path: Path) -> None:
    box = filled(path, 100)
    box.settle(ack(box, (0, 40), (45, 100)))
    box.add(row(FIRST + 100), REVISION, True)
    week = FIRST + 7 * 1440
    for later in range(100):
        box.add(row(week + later), REVISION, True)
    early = minutes(box)[0]

    for later in range(300, 300 + DELETE_TOGETHER):
        box.add(row(week + later), REVISION, True)

    assert early == FIRST
    assert minutes(box)[:7] == [*range(FIRST + 40, FIRST + 45), FIRST + 100, week]
    assert (box.standing().lowest, box.standing().gaps) == (40, [(45, 100)])


def test_only_inventories_of_waiting_rows_are_told(path: Path) -> None:
    box = opened(path)
    for n, revision in enumerate(["a" * 12, "b" * 12, "c" * 12]):
        box.keep_inventory(revision, revision.encode())
        box.add(row(FIRST + n), revision, True)
    box.settle(ack(box, (0, 1)))
    box.add(row(FIRST + 3), "c" * 12, True)

    assert sorted(box.unsettled_revisions()) == ["b" * 12, "c" * 12]
    assert [box.inventory("a" * 12), box.inventory("d" * 12)] == [b"a" * 12, None]


def test_the_newest_rows_of_one_report_share_inventory_and_ascend(path: Path) -> None:
    box = opened(path)
    for minute, revision in [(0, "a"), (1, "b"), (5, "b"), (3, "b"), (4, "b")]:
        box.add(row(FIRST + minute), revision * 12, True)

    found = [[stored.row.seq for stored in newest_together(box.rows(0, end), 60)] for end in (5, 3, 1, 0)]

    assert found == [[3, 4], [1, 2], [0], []]
    assert [stored.row.seq for stored in newest_together(box.rows(0, 5), 1)] == [4]


def test_a_clock_set_back_finds_the_minutes_that_were_cut(path: Path) -> None:
    box = filled(path, 5)

    assert (box.minutes_from(FIRST + 3), box.minutes_from(FIRST + 5)) == ({FIRST + 3, FIRST + 4}, set())


def test_a_clean_stop_is_remembered_once(path: Path) -> None:
    box = filled(path, 2)
    box.stop_clean(FIRST + 2)
    box.close()
    second = opened(path)
    second.close()

    found = (second.stopped_in, second.last_boot, opened(path).stopped_in)

    assert found == (FIRST + 2, BOOT, 0)


def test_runs_without_a_time_are_kept_for_their_boot_only(path: Path) -> None:
    box = opened(path)
    box.keep_raw([["path", 1.5]])
    box.keep_raw([["path", 61.5]])
    box.close()
    same, other = opened(path), None
    found = (same.raw(), same.has_unplaced())
    same.close()
    other = opened(path, boot="dd" * 16)

    assert found == ([[["path", 1.5]], [["path", 61.5]]], False)
    assert (other.raw(), other.has_unplaced()) == ([], True)


# --- epochs --------------------------------------------------------------------------------------------------------


def test_other_hardware_is_a_new_epoch_and_keeps_what_waits(path: Path) -> None:
    box = filled(path, 5)
    box.settle(ack(box, (0, 2)))
    box.add(row(FIRST + 5), REVISION, True)
    epoch = box.epoch
    box.stop_clean(FIRST + 6)
    box.close()

    other = opened(path, hardware="ab" * 8)

    assert other.epoch != epoch
    assert numbered(other) == [(0, FIRST + 2), (1, FIRST + 3), (2, FIRST + 4), (3, FIRST + 5)]
    assert other.standing() == Standing(other.epoch, 0, 4, [], 4, 0, "")


def test_an_old_file_put_back_is_found_out_and_loses_nothing(path: Path) -> None:
    box = filled(path, 5)
    box.close()
    shutil.copy(path, path.with_name("old"))
    box = opened(path)
    for n in range(5, 12):
        box.add(row(FIRST + n), REVISION, True)
    told_later = ack(box, (0, 12))
    box.close()
    for part in path.parent.glob("outbox.sqlite*"):
        part.unlink()
    path.with_name("old").rename(path)
    old = opened(path)
    old.add(row(FIRST + 20), REVISION, True)

    began = old.settle(told_later)

    assert began
    assert old.epoch != told_later.epoch
    assert numbered(old) == [(n, FIRST + m) for n, m in enumerate([0, 1, 2, 3, 4, 20])]
    assert old.unsettled() == [(0, 6)]


def test_an_old_file_put_back_is_found_out_even_when_it_has_grown_past_the_server(path: Path) -> None:
    box = filled(path, 5)
    told_later = ack(box, (0, 8))  # the file went on to 8 before the old one was put back
    for n in range(20, 30):  # and then the line was away: more minutes than the server knows, none of them sent
        box.add(row(FIRST + n), REVISION, False)

    began = box.settle(told_later)

    assert began
    assert minutes(box) == [FIRST + n for n in [*range(5), *range(20, 30)]]
    assert box.unsettled() == [(0, 15)]


def test_rows_that_were_marked_as_sent_may_be_settled(path: Path) -> None:
    box = filled(path, 5, sent=False)
    box.mark_sent(0, 5)
    box.close()
    again = opened(path)

    assert (again.settle(ack(again, (0, 5))), again.unsettled()) == (False, [])


def test_the_enrolled_server_is_kept(path: Path) -> None:
    box = opened(path)
    box.enrol(SERVER)
    box.close()

    assert opened(path).enrolled == SERVER


# --- damage --------------------------------------------------------------------------------------------------------


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    for place in range(200, len(data), 97):
        data[place] ^= 0xFF
    path.write_bytes(data)


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("x")


def other_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE strange (x)")
        db.execute("PRAGMA user_version = 1")
    db.close()


def other_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def bad_meta(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 'no token' WHERE key = 'epoch'")
    db.close()


@pytest.mark.parametrize("damage", [cut_short, flip, garbage, folder, other_tables, other_version, bad_meta])
def test_a_damaged_file_is_set_aside_and_a_new_one_begins(path: Path, damage: object) -> None:
    box = filled(path, 300)
    epoch = box.epoch
    box.close()
    damage(path)  # type: ignore[operator]

    new = opened(path)
    new.add(row(FIRST + 500), REVISION, True)

    kept = new.rows(0, 2**40)
    assert [stored.row for stored in kept] == [
        msgspec.structs.replace(row(stored.row.minute), seq=seq) for seq, stored in enumerate(kept)
    ]
    assert (minutes(new)[-1], len(set(minutes(new))), new.disk_error) == (FIRST + 500, len(kept), "")
    assert new.epoch != epoch
    assert len({part.name.removesuffix("-wal") for part in path.parent.glob("outbox.sqlite.damaged-*")}) == 1


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.parent.mkdir()
    path.touch()

    box = filled(path, 2)

    assert (numbered(box), list(path.parent.glob("*damaged*"))) == ([(0, FIRST), (1, FIRST + 1)], [])


def test_at_most_two_damaged_files_are_kept(path: Path) -> None:
    seconds = iter(range(1_700_000_000, 1_800_000_000))
    for _ in range(5):
        filled(path, 1).close()
        garbage(path)
        for part in ("-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
        opened(path, unix=lambda: float(next(seconds))).close()

    assert len(list(path.parent.glob("*damaged*"))) == 2


def test_damage_met_while_running_sets_the_file_aside_and_keeps_the_minute(path: Path) -> None:
    box = filled(path, 2_000)
    box.enrol(SERVER)
    epoch = box.epoch
    assert box._db is not None
    box._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    box._db.execute("PRAGMA cache_size = 0")
    box._db.execute("PRAGMA shrink_memory")

    box.add(row(FIRST + 3_000), REVISION, True)

    assert (minutes(box)[-1], box.disk_error, box.enrolled) == (FIRST + 3_000, "", SERVER)
    assert box.epoch != epoch
    assert len(list(path.parent.glob("*damaged-*"))) >= 1


# --- space ---------------------------------------------------------------------------------------------------------


def big(minute: int) -> object:
    return row(minute, values=3_000)


def test_the_file_stays_within_its_bound_readings_go_first_then_the_oldest_rows(path: Path) -> None:
    bound = 4 * 1024 * 1024
    box = opened(path, max_bytes=bound)
    sizes = []
    for n in range(700):
        box.add(big(FIRST + n), REVISION, False)  # type: ignore[arg-type]
        sizes.append(sum(part.stat().st_size for part in path.parent.glob("outbox.sqlite*") if "shm" not in part.name))
    rows = box.rows(0, 2**40)

    bare = [not stored.row.values for stored in rows]

    assert max(sizes) <= bound
    assert bare == sorted(bare, reverse=True)
    assert bare[0]
    assert not bare[-1]
    assert minutes(box) == list(range(FIRST, FIRST + 700))
    assert all(stored.row.signals == row(stored.row.minute).signals for stored in rows)


def test_when_readings_are_all_given_up_the_oldest_rows_go_and_are_declared(path: Path) -> None:
    box = opened(path, max_bytes=4 * 1024 * 1024)
    signals = bytes(random.Random(2).choices(range(61), k=1_000))
    for n in range(3_000):
        box.add(msgspec.structs.replace(row(FIRST + n), signals=signals), REVISION, False)
    held = minutes(box)

    assert held == list(range(held[0], FIRST + 3_000))
    assert (held[0] - FIRST) % MAKE_ROOM_ROWS == 0
    assert held[0] > FIRST
    assert (box.standing().lowest, box.standing().next) == (held[0] - FIRST, 3_000)


def test_settled_rows_go_before_anything_else(path: Path) -> None:
    box = opened(path, max_bytes=4 * 1024 * 1024)
    for n in range(200):
        box.add(big(FIRST + n), REVISION, True)  # type: ignore[arg-type]
    box.settle(ack(box, (0, 90), (110, 200)))
    for n in range(200, 320):
        box.add(big(FIRST + n), REVISION, True)  # type: ignore[arg-type]

    assert minutes(box) == [FIRST + n for n in [*range(90, 110), *range(140, 320)]]
    assert all(stored.row.values for stored in box.rows(0, 2**40))
    assert (box.standing().lowest, box.standing().gaps) == (90, [(110, 140)])


@contextmanager
def small_disk(tmp_path: Path, megabytes: int) -> Iterator[tuple[Path, Path]]:
    """An ext4 in a file, mounted: (image, mount point)."""
    needs_mounts()
    image, point = tmp_path / "card.img", tmp_path / "card"
    point.mkdir()
    image.write_bytes(b"")
    os.truncate(image, megabytes * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, stdin=subprocess.DEVNULL)
    subprocess.run(["mount", "-o", "loop", image, point], check=True)
    try:
        yield image, point
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def fill_up(point: Path) -> Path:
    """Until the disk takes nothing more; the file to delete."""
    ballast = point / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        write_for_ever(file)
    return ballast


def write_for_ever(file: io.FileIO) -> None:
    while True:
        file.write(bytes(4096))


def needs_mounts() -> None:
    missing = [tool for tool in ("mkfs.ext4", "mount", "umount") if not shutil.which(tool)]
    problem = f"missing: {', '.join(missing)}" if missing else "" if os.geteuid() == 0 else "needs root"
    if problem and os.environ.get("CI") == "true":
        pytest.fail(f"CI must be able to mount an image ({problem})")
    if problem:
        pytest.skip(problem)


@pytest.mark.namespaces
def test_on_a_full_disk_minutes_wait_in_memory_and_are_written_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path, 8) as (_, point):
        path = point / "state" / "outbox.sqlite"
        box = filled(path, 3)
        ballast = fill_up(point)
        for n in range(3, 3 + WAITING_IN_MEMORY + 10):
            box.add(row(FIRST + n, values=500), REVISION, True)
        full = box.standing()
        ballast.unlink()

        wrote = box.retry()
        after, held = box.standing(), minutes(box)
        box.close()

    assert full.in_memory > 0
    assert "full" in full.disk_error
    assert (wrote, after.in_memory, after.disk_error) == (True, 0, "")
    assert held == sorted(set(held))
    assert held[-1] == FIRST + 2 + WAITING_IN_MEMORY + 10
    assert full.next + full.in_memory == after.next


@pytest.mark.namespaces
def test_a_start_on_a_full_disk_sets_nothing_aside(tmp_path: Path) -> None:
    with small_disk(tmp_path, 8) as (_, point):
        path = point / "state" / "outbox.sqlite"
        filled(path, 3).close()
        ballast = fill_up(point)

        box = opened(path)
        box.add(row(FIRST + 3), REVISION, True)
        ballast.unlink()
        box.retry()
        held, aside = minutes(box), list(path.parent.glob("*damaged*"))
        box.close()

    assert (held, aside) == ([FIRST, FIRST + 1, FIRST + 2, FIRST + 3], [])


# --- processes that die, power that goes ---------------------------------------------------------------------------


def writer(path: Path, rows: int = 1_000_000) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.agent.outbox_writer", path, str(rows)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


def told_so_far(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    assert process.stdout is not None
    while select.select([process.stdout], [], [], 0)[0]:
        part = os.read(process.stdout.fileno(), 65_536)
        if not part:
            break
        text += part
    return text


def check_whole(path: Path, told: bytes) -> int:
    """All that was told is there, with the content it had; how many rows."""
    last = int(told.split()[-1]) if told.split() else -1
    box = opened(path)
    rows = box.rows(0, 2**40)
    assert not list(path.parent.glob("*damaged*"))
    assert [stored.row.seq for stored in rows] == list(range(len(rows)))
    assert last + 1 <= len(rows) <= last + 2
    assert all(msgspec.structs.replace(s.row, seq=0) == row(FIRST + s.row.seq, values=60) for s in rows)
    assert box.inventory(REVISION) == b"inventory"
    box.close()
    return len(rows)


def test_a_killed_process_loses_no_minute_that_was_kept(path: Path) -> None:
    rng = random.Random(3)
    counts = []
    for _ in range(8):
        process = writer(path)
        assert process.stdout is not None
        told = process.stdout.read(2)  # it works now
        time.sleep(rng.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        told += process.stdout.read()
        process.stdout.close()
        counts.append(check_whole(path, told))

    assert counts == sorted(counts)
    assert counts[-1] > 50


@pytest.mark.namespaces
def test_a_power_cut_at_any_moment_loses_at_most_the_minute_being_written(tmp_path: Path) -> None:
    """The card's image is copied while the writer stands still at a random point: what the kernel had not yet
    written to the card is lost with the copy, as in a power cut."""
    rng = random.Random(4)
    counts = []
    with small_disk(tmp_path, 24) as (image, point):
        process = writer(point / "outbox.sqlite")
        try:
            told = b""
            for cut in range(12):
                time.sleep(rng.uniform(0.02, 0.2))
                while not told:
                    told = told_so_far(process, told)
                process.send_signal(signal.SIGSTOP)
                os.waitid(os.P_PID, process.pid, os.WSTOPPED)
                copy = tmp_path / f"cut-{cut}.img"
                shutil.copyfile(image, copy)
                told = told_so_far(process, told)
                process.send_signal(signal.SIGCONT)
                counts.append(read_after_the_cut(tmp_path, copy, told))
                copy.unlink()
        finally:
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def read_after_the_cut(tmp_path: Path, copy: Path, told: bytes) -> int:
    point = tmp_path / "after"
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", copy, point], check=True)  # replays the journal, as after a power cut
    try:
        return check_whole(point / "outbox.sqlite", told)
    finally:
        subprocess.run(["umount", "-l", point], check=True)
