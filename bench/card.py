"""Card: bytes a day that the agent's outbox makes the block device write, each minute durable before it is sent.

The outbox lies on an ext4 in a loop-mounted file and already holds the seven days that it keeps. The device's own
counter of sectors is read, so that the file system's journal and what is rounded up to blocks is in it. Minutes come
every few seconds; this flatters a little, since ext4 puts together what it writes of its own accord within its five
and thirty seconds. BENCH_CARD_SECONDS=60 takes the real time. Checkpoints are rare and measured by themselves.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import wire  # beside this file
from schoolbeat_agent.outbox import KEEP_SETTLED_MINUTES, Outbox
from schoolbeat_wire import inventory
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.messages import Ack
from schoolbeat_wire.report import MinuteRow

Row = tuple[str, str, str]
SECONDS = float(os.environ.get("BENCH_CARD_SECONDS", "7"))  # between two minutes; ext4 commits its journal every 5 s
MINUTES = int(os.environ.get("BENCH_CARD_MINUTES", "60"))  # an hour of the outbox's life, with all that comes hourly
HELD = KEEP_SETTLED_MINUTES + 60
DAY = 1_440
SECTOR_BYTES = 512
IMAGE_BYTES = 1 << 30
SERVER = "5c" * 8


def minutes(of: Inventory, count: int) -> list[MinuteRow]:
    """60 devices with 8 readings; an hour of random walks, over and over."""
    hour = wire._minutes(of, 60)
    return [
        MinuteRow(0, wire.FIRST_MINUTE + n, hour[n % 60].signals, hour[n % 60].values)  # the outbox gives the seq
        for n in range(count)
    ]


def keep(box: Outbox, of: Inventory, row: MinuteRow) -> None:
    """What the agent does of a minute: kept in one commit, sent, and settled by the server a moment later."""
    box.add(row, of.revision, True)
    if box.disk_error:
        raise RuntimeError(box.disk_error)
    box.settle(Ack(SERVER, row.minute * 60_000, box.epoch, [(0, box.next)]))


@dataclass(frozen=True)
class Card:
    """How the card is formatted and mounted."""

    name: str
    block_bytes: int
    commit_seconds: float  # how often ext4 writes its journal unasked


CARDS = (
    Card("ext4 as a Pi has it, 4 KiB blocks", 4_096, 5),
    # In haste the journal must be as rare among the minutes as it is in real time.
    Card("ext4, 4 KiB blocks, mounted commit=300", 4_096, 300 * SECONDS / 60),
    Card("ext4, 1 KiB blocks", 1_024, 5),
)


@contextmanager
def mounted(folder: Path, card: Card) -> Iterator[tuple[Path, Path]]:
    """The card's mount point, and its device's counters."""
    image, point = folder / "card.img", folder / "card"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-b", str(card.block_bytes), "-E", "lazy_itable_init=0,lazy_journal_init=0", image],
        check=True,
    )
    point.mkdir()
    subprocess.run(["mount", "-o", f"loop,noatime,commit={card.commit_seconds:.0f}", image, point], check=True)
    try:
        shown = subprocess.run(["losetup", "-j", image], capture_output=True, text=True, check=True).stdout
        yield point, Path("/sys/block") / Path(shown.partition(":")[0]).name / "stat"
    finally:
        subprocess.run(["umount", "-l", point], check=True)


def written_bytes(stat: Path) -> int:
    return int(stat.read_text().split()[6]) * SECTOR_BYTES


def rest(point: Path) -> None:
    """Until nothing is left to be written."""
    time.sleep(6)
    subprocess.run(["sync", "-f", point], check=True)
    time.sleep(1)


def cycle(box: Outbox, of: Inventory, rows: Iterator[MinuteRow], stat: Path) -> tuple[int, int]:
    """From one checkpoint of the WAL to the next, in haste: how many minutes lie between them, and the bytes that the
    minute with the checkpoint writes. Before that, the WAL grows to its full size once, as in the agent's first day.
    """
    seen, before, count = 0, written_bytes(stat), 0
    changed = box.path.stat().st_mtime_ns  # only a checkpoint writes to the file itself
    while True:
        keep(box, of, next(rows))
        count += 1
        written, now = written_bytes(stat), box.path.stat().st_mtime_ns
        if now != changed:
            seen += 1
            if seen == 3:
                return count, written - before
            changed, count = now, 0
        before = written


def hour(box: Outbox, of: Inventory, rows: Iterator[MinuteRow], stat: Path) -> int:
    """Bytes of MINUTES minutes between two checkpoints."""
    rest(box.path.parent)
    before = written_bytes(stat)
    for _ in range(MINUTES):
        keep(box, of, next(rows))
        time.sleep(SECONDS)
    rest(box.path.parent)
    return written_bytes(stat) - before


def measure() -> list[Row]:
    """The cards side by side: each waits most of the time."""
    of = wire._inventory()
    with tempfile.TemporaryDirectory(prefix="schoolbeat-bench-", dir="/dev/shm") as quick:
        filled = Path(quick) / "outbox.sqlite"
        _fill(filled, of, iter(minutes(of, HELD)))
        with ThreadPoolExecutor(len(CARDS)) as pool:
            return list(pool.map(lambda card: measure_one(card, of, filled), CARDS))


def measure_one(card: Card, of: Inventory, filled: Path) -> Row:
    rows = islice(minutes(of, HELD + 10_000), HELD, None)
    with tempfile.TemporaryDirectory(prefix="schoolbeat-bench-") as name, mounted(Path(name), card) as (point, stat):
        box = Outbox(Path(shutil.copy(filled, point)), hardware="aa" * 8, boot="bb" * 16)
        between, checkpoint_bytes = cycle(box, of, rows, stat)
        if between <= MINUTES:
            raise RuntimeError(f"a checkpoint every {between} minutes falls into the {MINUTES} that are measured")
        hour_bytes = hour(box, of, rows, stat)
        box.close()
    per_day = DAY * (hour_bytes / MINUTES + checkpoint_bytes / between)
    what = f"written to the card a day: {card.name} ({MINUTES} minutes, one every {SECONDS:g} s)"
    parts = f"{hour_bytes / MINUTES / 1e3:.1f} kB a minute; a checkpoint of {checkpoint_bytes / 1e3:.0f} kB"
    return (what, f"{per_day / 1e6:.1f} MB ({parts} every {between} minutes)", "≤ 20 MB")


def _fill(path: Path, of: Inventory, rows: Iterator[MinuteRow]) -> None:
    """Seven days and an hour, so that the oldest are already being deleted; in memory, where it takes seconds."""
    box = Outbox(path, hardware="aa" * 8, boot="bb" * 16)
    box.keep_inventory(of.revision, inventory.encode(of))
    for row in rows:
        keep(box, of, row)
    box.close()  # the last connection to go copies the WAL into the file


if __name__ == "__main__":
    for what, figure, target in measure():
        print(f"{what}: {figure} (target {target})")
