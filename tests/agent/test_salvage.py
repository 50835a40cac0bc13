"""A damaged outbox: what can be read goes on, nothing is invented, nothing waits for what is gone."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import msgspec
import pytest
from tests.agent.rows import FIRST, row

from schoolbeat_agent import outbox
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.outbox_file import Damaged, row_crc
from schoolbeat_wire import inventory
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.messages import Ack

WATCHED = inventory.with_revision(Inventory("", ["lan.router", "line.isp"], [Column("rtt_ms", ["host"])], ["path"]))
HARDWARE, BOOT = "aa" * 8, "bb" * 16
ROWS = 400


def opened(path: Path) -> Outbox:
    return Outbox(path, hardware=HARDWARE, boot=BOOT)


def filled(path: Path, settled: int = 0) -> Outbox:
    box = opened(path)
    box.keep_inventory(WATCHED.revision, inventory.encode(WATCHED))
    for n in range(ROWS):
        box.add(row(FIRST + n), WATCHED.revision, True)
    box.settle(Ack("cc" * 4, 0, box.epoch, [(0, settled)]))
    return box


def close(box: Outbox) -> None:
    box.stop_clean(FIRST + ROWS)
    box.close()


def held(box: Outbox) -> list[int]:
    """Its minutes; fails when one of them says what was never recorded."""
    kept = box.rows(0, 2**40)
    assert [stored.row for stored in kept] == [
        msgspec.structs.replace(row(stored.row.minute), seq=seq) for seq, stored in enumerate(kept)
    ]
    assert {stored.revision for stored in kept} <= {WATCHED.revision}
    return [stored.row.minute for stored in kept]


def spoil_row(path: Path, seq: int, place: int) -> None:
    with sqlite3.connect(path) as db:
        body = bytearray(db.execute("SELECT body FROM minute WHERE seq = ?", (seq,)).fetchone()[0])
        body[place] ^= 0x10
        db.execute("UPDATE minute SET body = ? WHERE seq = ?", (bytes(body), seq))
    db.close()


@pytest.mark.parametrize("minute", range(3))
def test_no_flipped_bit_of_a_row_makes_another_row_of_it(minute: int) -> None:
    """Every single bit, and two thousand times some bytes."""
    true = msgspec.structs.replace(row(FIRST + minute, values=60), seq=minute)
    body, told = outbox._packed(true), (true.minute, WATCHED.revision)
    crc = row_crc(*told, body)
    rng = random.Random(minute)
    spoilt = [bytearray(body) for _ in range(len(body) * 8 + 2_000)]
    for n, copy in enumerate(spoilt):
        if n < len(body) * 8:
            copy[n // 8] ^= 1 << n % 8
        else:
            for _ in range(rng.randrange(1, 12)):
                copy[rng.randrange(len(copy))] ^= rng.randrange(1, 256)
    read = []
    for copy in spoilt:
        try:
            read.append(outbox._checked(*told, crc, bytes(copy)))
        except Damaged:
            pass

    assert outbox._checked(*told, crc, body) == true
    assert [one for one in read if one != true] == []


def test_a_row_that_cannot_be_read_takes_no_other_with_it(path: Path) -> None:
    box = filled(path, settled=100)
    close(box)
    spoil_row(path, 250, 20)
    box = opened(path)
    epoch = box.epoch

    met = box.rows(240, 260)
    box.add(row(FIRST + ROWS), WATCHED.revision, True)

    assert held(box) == [FIRST + n for n in range(100, ROWS + 1) if n != 250]
    assert box.epoch != epoch
    assert (box.unsettled(), box.disk_error) == ([(0, ROWS - 100)], "")
    assert box.inventory(WATCHED.revision) == inventory.encode(WATCHED)
    assert [stored.row.minute for stored in met] == [FIRST + n for n in range(341, 361)]


@pytest.mark.parametrize("seed", range(12))
def test_whatever_bytes_are_flipped_nothing_is_invented_and_most_is_kept(path: Path, seed: int) -> None:
    box = filled(path, settled=50)
    close(box)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(3):
        place = rng.randrange(512, len(data) - 8)  # of the first page everything hangs
        data[place : place + 8] = rng.randbytes(8)
    path.write_bytes(data)

    box = opened(path)
    box.rows(0, 2**40)  # whatever has not been met yet
    box.add(row(FIRST + ROWS), WATCHED.revision, True)
    found = box.rows(0, 2**40)

    true = {FIRST + n: row(FIRST + n) for n in range(ROWS + 1)}
    assert [msgspec.structs.replace(stored.row, seq=0) for stored in found] == [
        true[stored.row.minute] for stored in found
    ]
    assert len(found) > ROWS / 3
    assert found[-1].row.minute == FIRST + ROWS
    assert box.disk_error == ""


@pytest.mark.parametrize("part", ["", "-wal"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_cut_tail_invents_nothing_and_of_the_wal_loses_only_the_newest(path: Path, part: str, share: float) -> None:
    box = filled(path)
    db = box._db
    assert db is not None
    if not part:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = path.with_name(path.name + part)
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())
    wal = path.with_name(f"{path.name}-wal")
    copy.with_name("copy.sqlite-wal").write_bytes(wal.read_bytes() if wal.exists() else b"")
    cut = copy.with_name(f"copy.sqlite{part}")
    cut.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    box.close()

    box = opened(copy)
    box.add(row(FIRST + ROWS), WATCHED.revision, True)

    found = held(box)
    assert found[-1] == FIRST + ROWS
    assert found == sorted(set(found))
    if part:  # of the file itself the pages above the rows may be gone
        assert found[:-1] == [FIRST + n for n in range(len(found) - 1)]
        assert len(found) > ROWS * share * 0.6
    else:
        assert len(found) > (ROWS * 0.9 if share > 0.9 else 0)


def test_rows_that_are_given_up_are_declared_and_no_seq_is_used_again(path: Path) -> None:
    box = filled(path)
    box.give_up(ROWS - 3, ROWS)
    box.give_up(10, 12)
    close(box)
    box = opened(path)
    box.add(row(FIRST + ROWS), WATCHED.revision, True)

    told = box.standing()

    assert (told.lowest, told.gaps, told.next) == (0, [(10, 12), (ROWS - 3, ROWS)], ROWS + 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.sqlite"
