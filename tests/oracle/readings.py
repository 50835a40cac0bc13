"""What lines, services and devices told of themselves, minute by minute; drawn from a seed. Knows no product code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

Key = tuple[str, str]  # subject, reading
Day = Sequence[int | None]  # 1,440 values as they travel: ms in hundredths, percents in tenths

DAY = 1_440
LINES: tuple[Key, ...] = (
    ("line.domestic", "rtt_ms"),
    ("line.domestic", "loss_percent"),
    ("line.international", "rtt_ms"),
    ("line.internet", "rx_quarter_bps"),
    ("line.internet", "tx_quarter_bps"),
    ("service.csdl", "http_ms"),
    ("service.hoclieu", "http_ms"),
)
DEVICES = ("b0", "b1")
POSTURE = ("default_password", "telnet_open", "open_stream")
COUNTERS = ("lamp_hours", "on_hours")
_OF_DEVICES = (*POSTURE, "recording", "power_state", *COUNTERS)
_MS = (400, 2_000, 2_001, 3_000, 5_000, 5_001, 31_234)
_BPS = (0, 8_000_000, 16_000_000, 20_000_000, 20_000_001, 32_000_000, 40_000_000, 100_000_000)
_VALUES: Mapping[str, Sequence[int]] = {
    "rtt_ms": _MS,
    "http_ms": _MS,
    "loss_percent": (0, 0, 0, 10, 167, 500, 1_000),
    "rx_quarter_bps": _BPS,
    "tx_quarter_bps": _BPS,
    "power_state": (0, 0, 1, 2, 3),
    "recording": (0, 1, 1),
}


@dataclass(frozen=True, eq=False)
class Readings:
    """told: by local day. again: what a second report said otherwise, by the minute of the day: then it is not known."""

    told: Mapping[Key, Mapping[int, Day]]
    again: Mapping[Key, Mapping[int, Mapping[int, int]]]


def drawn(random: Random, days: range) -> Readings:
    keys = [*LINES, *((f"device.{one}", reading) for one in DEVICES for reading in _OF_DEVICES)]
    told, again = {}, {}
    for subject, reading in keys:
        if random.random() < 0.9:
            every = _of_all_days(random, reading, len(days))
            told[subject, reading] = {day: every[at * DAY : (at + 1) * DAY] for at, day in enumerate(days)}
            if random.random() < 0.2:
                day = random.choice(days)
                again[subject, reading] = {day: _otherwise(random, reading, told[subject, reading][day])}
    return Readings(told, again)


def _of_all_days(random: Random, reading: str, days: int) -> Sequence[int | None]:
    if reading in COUNTERS:
        return _counter(random, days * DAY)
    values = _VALUES.get(reading, (0, 0, 0, 1))
    turn_about: list[int | None] = [
        random.choice(values) for _ in range(random.choice((1, 1, 2)))
    ]  # by two exactly half of any hour
    out: list[int | None] = (turn_about * (days * DAY))[: days * DAY]
    for _ in range(random.choice((0, 0, 1, 4, 9))):
        length = min(random.choice((1, 7, 30, 60, 144, 288, 720, DAY)), len(out))
        at = random.choice((0, len(out) - length, random.randrange(len(out) - length + 1)))
        at -= random.choice((0, at % 60))
        out[at : at + length] = [random.choice((None, *values))] * length
    every = random.choice((1, 1, 1, 60, 300)) if reading in _OF_DEVICES else 1
    return out if every == 1 else _seldom(random, out, every)


def _counter(random: Random, minutes: int) -> Sequence[int | None]:
    first, step = random.randrange(5_000), random.choice((minutes, minutes, random.randrange(minutes)))
    return _seldom(random, [first + (at >= step) for at in range(minutes)], random.choice((30, 300, DAY)))


def _seldom(random: Random, values: Sequence[int | None], every: int) -> Sequence[int | None]:
    offset = random.randrange(every)
    out: list[int | None] = [None] * len(values)
    out[offset::every] = values[offset::every]
    return out


def _otherwise(random: Random, reading: str, day: Day) -> dict[int, int]:
    known = [minute for minute, value in enumerate(day) if value is not None]
    chosen = random.sample(known, min(len(known), random.choice((1, 5, 90))))
    values = _VALUES.get(reading, (0, 1))
    return {minute: random.choice(values) for minute in chosen}
