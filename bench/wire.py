"""Wire: bytes a value, megabytes a day, microseconds a message, for 60 devices x 8 readings and 70 signals."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from schoolbeat_wire import catalogue, inventory, report
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.report import MinuteRow

Row = tuple[str, str, str]  # what, figure with unit, target
T = TypeVar("T")

DEVICES = 60
SIGNALS = ["lan.router", "line.isp", "line.domestic", "line.international", "line.internet"] + [
    f"device.ap-{i:02d}" for i in range(65)
]
# (reading, start, step of its random walk) in the catalogue's units
WALKS = [
    ("rtt_ms", 3.0, 0.4),
    ("loss_percent", 0.0, 0.0),
    ("rx_bps", 5_000_000.0, 300_000.0),
    ("tx_bps", 800_000.0, 60_000.0),
    ("clients", 12.0, 0.7),
    ("cpu_percent", 20.0, 1.5),
    ("memory_used_percent", 45.0, 0.3),
    ("temperature_celsius", 41.0, 0.2),
]
FIRST_MINUTE = 29_400_000
HOUR = 60
DAY = 1_440
EPOCH = "5be0a1c94f2d7733"


def measure() -> list[Row]:
    of = _inventory()
    minutes = _minutes(of, HOUR)
    every_minute = _figures("a message a minute", of, minutes, 1, "≤ 2.3 bytes", "≤ 1.8 MB")
    every_five = _figures("a message every 5 minutes", of, minutes, 5, "≤ 1.4 bytes", "≤ 1.1 MB")
    return [*every_minute, *every_five]


def _figures(
    what: str, of: Inventory, minutes: list[MinuteRow], size: int, bytes_target: str, day_target: str
) -> list[Row]:
    """A value is one reading or one signal of one minute."""
    chunks = [minutes[start : start + size] for start in range(0, len(minutes), size)]
    pack_us, payloads = _timed(lambda: [_packed(chunk, of) for chunk in chunks], len(chunks))
    read_us, _ = _timed(lambda: [_read(payload, of) for payload in payloads], len(chunks))
    total = sum(map(len, payloads))
    values = len(minutes) * (DEVICES * len(WALKS) + len(SIGNALS))
    per_value = f"{total / values:.2f} bytes"
    per_day = f"{total / len(minutes) * DAY / 1e6:.2f} MB"
    per_minute = values // len(minutes) * size
    return [
        (f"payload a value, {what}", per_value, bytes_target),
        (f"payload a day, {what}", per_day, day_target),
        (f"pack and encode, {what}", f"{pack_us:,.0f} µs ({pack_us / per_minute:.2f} µs a value)", ""),
        (f"decode, check, absolute, {what}", f"{read_us:,.0f} µs ({read_us / per_minute:.2f} µs a value)", ""),
    ]


def _timed(work: Callable[[], T], count: int) -> tuple[float, T]:
    """Microseconds for one of `count`, best of five."""
    best, result = float("inf"), None
    for _ in range(5):
        before = time.process_time()
        result = work()
        best = min(best, time.process_time() - before)
    assert result is not None
    return best / count * 1e6, result


def _packed(rows: list[MinuteRow], of: Inventory) -> bytes:
    return report.encode(report.pack(EPOCH, of.revision, rows, of))


def _read(payload: bytes, of: Inventory) -> list[list[int]]:
    received = report.decode(payload)
    report.fits(received, of)
    return report.absolute(received, of)


def _inventory() -> Inventory:
    subjects = SIGNALS[5 : 5 + DEVICES]
    columns = [Column(reading, subjects) for reading, _, _ in WALKS]
    behind = dict.fromkeys(SIGNALS[1:], "lan.router")
    return inventory.with_revision(Inventory(revision="", signals=SIGNALS, columns=columns, behind=behind))


def _minutes(of: Inventory, count: int) -> list[MinuteRow]:
    """Random walks with a memory; one signal byte in a hundred is not a full minute."""
    rng = random.Random(7)
    now = [[start * rng.uniform(0.5, 1.5) for _ in range(DEVICES)] for _, start, _ in WALKS]
    rows = []
    for index in range(count):
        values: list[list[int | None]] = []
        for column, (reading, _, step) in zip(now, WALKS, strict=True):
            for device in range(DEVICES):
                column[device] = max(0.0, column[device] + rng.gauss(0, step))
            scale = 10 ** catalogue.READINGS[reading].decimals
            values.append([round(value * scale) for value in column])
        signals = bytes(60 if rng.random() > 0.01 else rng.choice([0, 50, 255]) for _ in of.signals)
        rows.append(MinuteRow(1_000 + index, FIRST_MINUTE + index, signals, values))
    return rows
