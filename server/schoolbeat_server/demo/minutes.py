"""The minutes of a simulated site as reports: pure functions of site, faults and minute."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import sub
from random import Random

from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo.faults import Fault
from schoolbeat_server.demo.province import CSDL, MAIN_LINE, PLATFORM, WIFI, SimulatedSite
from schoolbeat_wire import video
from schoolbeat_wire.catalogue import CAUSES, OFF_REASONS, RUNGS, UNKNOWN, UP_FULL
from schoolbeat_wire.report import Report

_TIMEOUT = CAUSES["timeout"][0]
_INTERRUPTED, _POWER = OFF_REASONS["interrupted"][0], OFF_REASONS["power"][0]

# One table of noise for all: looked up by minute and site, so that a minute reads the same whenever it is made.
_NOISE_MASK = 2_047
_NOISE = tuple(Random("schoolbeat").choices(range(1_000), k=_NOISE_MASK + 1))
_VIDEO_PATH = video.PATHS[0]
_VIDEO_RUNG = list(RUNGS).index(_VIDEO_PATH)
_CROWDED = 4  # times the round trip of a quiet hour
# Lessons in local time (UTC+7), in minutes of the day: no heavy test then.
_LESSONS = ((7 * 60, 11 * 60 + 30), (13 * 60 + 30, 17 * 60))


def token(*parts: object) -> str:
    """16 hex digits that depend on the parts alone: epochs, boot ids, hardware."""
    return hashlib.blake2b(" ".join(map(str, parts)).encode(), digest_size=8).hexdigest()


def recorded(first_minute: int, end_minute: int, faults: Iterable[Fault]) -> list[range]:
    """The minutes of [first, end) that the gateway saw from end to end: all but those of a power cut."""
    spans = []
    at = first_minute
    for fault in sorted((f for f in faults if f.kind == "power"), key=lambda f: f.first_s):
        if fault.first_s // 60 > at:
            spans.append(range(at, min(end_minute, fault.first_s // 60)))
        at = max(at, -(-fault.end_s // 60))
    spans.append(range(at, end_minute))
    return [span for span in spans if span]


def report(
    site: SimulatedSite,
    faults: Sequence[Fault],
    epoch: str,
    seq: int,
    minutes: Sequence[int],
    minute_before: int | None,
) -> Report:
    """One message of these minutes, whose first has that seq. minute_before: the last one recorded before them."""
    touched = script.touched(faults, minutes[0], minutes[-1] + 1)
    rows = {
        index: signal_row(site, minute, script.masks(faults, minute))
        for index, minute in enumerate(minutes)
        if minute in touched or _is_crowded(site, minute)
    }
    width = len(site.inventory.signals)
    signals = bytearray([UP_FULL]) * (width * len(minutes))
    for index, row in rows.items():
        signals[index * width : (index + 1) * width] = row
    values, absent = _readings(site, minutes, rows)
    return Report(
        epoch=epoch,
        seq=seq,
        revision=site.inventory.revision,
        minutes=[minutes[0], *(b - a for a, b in pairwise(minutes))],
        signals=bytes(signals),
        values=values,
        absent=absent,
        causes=[
            (index, signal, _TIMEOUT)
            for index, row in rows.items()
            for signal, code in enumerate(row)
            if code < UP_FULL and site.inventory.signals[signal] != video.SIGNAL  # which no probe speaks of
        ],
        off=list(_offs(minutes, minute_before, faults)),
    )


def signal_row(site: SimulatedSite, minute: int, masks: Mapping[str, int]) -> bytes:
    """One byte a signal. What lies beyond a failed rung or device is unknown; line.internet is down for all of them."""
    codes: dict[str, int] = {}
    hidden = 0
    for rung in RUNGS:
        down = masks.get(rung, 0)
        codes[rung] = _code(down, hidden)
        if rung != "line.international":
            hidden |= down  # hidden: from where a domestic target cannot be seen
    codes[video.INTERNET] = _code(hidden, 0)
    codes[video.SIGNAL] = _video(site, minute, codes)
    codes[CSDL] = codes[PLATFORM] = _code(0, hidden)
    codes[MAIN_LINE] = _code(0, hidden)  # nobody switches to the line that stands by
    codes[WIFI] = _code(0, masks.get("lan.router", 0))
    blocked = {"lan.router": masks.get("lan.router", 0)}
    for device in site.devices:  # a device comes after what it hangs on
        signal = f"device.{device.id}"
        down, behind = masks.get(signal, 0), blocked[device.behind]
        codes[signal] = _code(down, behind)
        blocked[signal] = down | behind
    return bytes(codes[signal] for signal in site.inventory.signals)


def _code(down: int, hidden: int) -> int:
    return UNKNOWN if hidden else UP_FULL - down.bit_count()


def _video(site: SimulatedSite, minute: int, codes: Mapping[str, int]) -> int:
    """As an agent judges it, by the minute's own figures."""
    path = codes[_VIDEO_PATH]
    rtt = _rtt(site, _VIDEO_RUNG, minute) if 0 < path <= UP_FULL else None
    return video.seconds_of(codes[video.INTERNET], path, rtt, _loss(path) if path <= UP_FULL else None)


def _rtt(site: SimulatedSite, rung: int, minute: int) -> int:
    """In 0.01 ms. In lessons everybody around is on the same mobile mast."""
    usual = site.rtt_us[rung]
    noise = _NOISE[(minute + site.number * 389 + rung * 613) & _NOISE_MASK]
    calm = usual // 10 + usual // 40 * noise // 1_000
    return calm * _CROWDED if rung and _is_crowded(site, minute) else calm


def _is_crowded(site: SimulatedSite, minute: int) -> bool:
    return site.technology == "mobile" and _lesson(minute)


def _loss(code: int) -> int:
    return (UP_FULL - code) * 1_000 // UP_FULL


def _readings(
    site: SimulatedSite, minutes: Sequence[int], rows: Mapping[int, bytes]
) -> tuple[list[list[int]], list[list[int]]]:
    """The columns of the inventory: round-trip time and loss of each rung, now and then a speed test."""
    width, count = len(RUNGS), len(minutes)
    rtt, loss = [0] * (width * count), [0] * (width * count)
    for rung, usual_us in enumerate(site.rtt_us):
        shift = site.number * 389 + rung * 613
        usual, spread = usual_us // 10, usual_us // 40  # 0.01 ms
        rtt[rung::width] = [usual + spread * _NOISE[(minute + shift) & _NOISE_MASK] // 1_000 for minute in minutes]
    places = {reading: site.inventory.signals.index(reading) for reading in RUNGS}
    gone_rtt, gone_loss = [], []
    for index, row in sorted(rows.items()):
        for rung, name in enumerate(RUNGS):
            code, cell = row[places[name]], index * width + rung
            if code == UNKNOWN:
                gone_loss.append(cell)
            else:
                loss[cell] = _loss(code)
            if code in (0, UNKNOWN):
                gone_rtt.append(cell)
            rtt[cell] = _rtt(site, rung, minutes[index])
    down, up = _speed_tests(site, minutes, rows)
    absent = [
        [column, gone[0], *(b - a for a, b in pairwise(gone))]
        for column, gone in enumerate((gone_rtt, gone_loss))
        if gone
    ]
    devices, gone = _device_readings(site, minutes, rows)
    absent += [
        [column, cells[0], *(b - a for a, b in pairwise(cells))] for column, cells in enumerate(gone, 4) if cells
    ]
    return [_differences(rtt, width), _differences(loss, width), down, up, *devices], absent


def _device_readings(
    site: SimulatedSite, minutes: Sequence[int], rows: Mapping[int, bytes]
) -> tuple[list[list[int]], list[list[int]]]:
    """What devices tell of themselves: the same all through a half-hour; nothing while they do not answer."""
    columns: list[list[int]] = []
    gone: list[list[int]] = []
    for column in site.inventory.columns[4:]:
        width = len(column.subjects)
        flat: list[int] = []
        half_hour, before = -1, [0] * width
        for minute in minutes:
            if minute // 30 == half_hour:
                flat += [0] * width
                continue
            half_hour = minute // 30
            now = [_told(column.reading, site.number * 37 + place, minute) for place in range(width)]
            flat += map(sub, now, before)
            before = now
        columns.append(flat)
        places = [site.inventory.signals.index(subject) for subject in column.subjects]
        gone.append(
            [
                index * width + place
                for index, row in sorted(rows.items())
                for place, signal in enumerate(places)
                if row[signal] != UP_FULL
            ]
        )
    return columns, gone


def _told(reading: str, number: int, minute: int) -> int:
    """One device's value of the half-hour, as on the wire."""
    lesson, hour = _lesson(minute), minute // 60
    noise = _NOISE[(number * 97 + hour) & _NOISE_MASK]
    steady = _NOISE[(number * 211) & _NOISE_MASK]
    return {
        "clients": noise * 38 // 1_000 if lesson else noise * 3 // 1_000,
        "ports_up": 12 + steady * 12 // 1_000,
        "power_state": int(lesson and noise > 300),
        "lamp_hours": 200 + steady * 4 + hour // 24 % 400,
        "video_ms": 1_800 + noise * 6,
        "clock_offset_seconds": (steady - 500) // 20,
        "disks_total": 2,
        "disks_faulty": int(steady > 960),
        "battery_percent": 1_000,
        "on_battery": 0,
    }[reading]


def _differences(flat: list[int], width: int) -> list[int]:
    return flat[:width] + list(map(sub, flat[width:], flat))


def _speed_tests(site: SimulatedSite, minutes: Sequence[int], rows: Mapping[int, bytes]) -> tuple[list[int], list[int]]:
    """One an hour outside lessons, at the site's own minute of the hour, where the line was up all through it."""
    down: list[int] = []
    up: list[int] = []
    internet = site.inventory.signals.index(video.INTERNET)
    for index, minute in enumerate(minutes):
        if minute % 60 != site.number % 60 or _lesson(minute):
            continue
        if index in rows and rows[index][internet] != UP_FULL:
            continue
        noise = _NOISE[(minute // 60 + site.number * 131) & _NOISE_MASK]
        down += (index, 0, site.down_bps * (940 + noise * 120 // 1_000) // 1_000)
        up += (index, 0, site.up_bps * (930 + noise * 140 // 1_000) // 1_000)
    return down, up


def _lesson(minute: int) -> bool:
    of_day = (minute + 7 * 60) % 1_440
    return any(first <= of_day < end for first, end in _LESSONS)


def _offs(
    minutes: Sequence[int], minute_before: int | None, faults: Iterable[Fault]
) -> Iterator[tuple[int, int, int, int]]:
    """Told by the first minute after a power cut: the minute it interrupted and those it took whole.

    The minute of the boot has no account: it was neither off all through nor seen from end to end.
    """
    powers = [fault for fault in faults if fault.kind == "power"]
    before = minute_before
    for index, minute in enumerate(minutes):
        if before is not None and minute - before > 1:
            for fault in powers:
                if before * 60 < fault.first_s and fault.end_s <= minute * 60:
                    yield from _off_of(index, fault)
        before = minute


def _off_of(index: int, fault: Fault) -> Iterator[tuple[int, int, int, int]]:
    first_whole, end_whole = -(-fault.first_s // 60), fault.end_s // 60
    if fault.first_s % 60:
        yield index, fault.first_s // 60, 1, _INTERRUPTED
    if end_whole > first_whole:
        yield index, first_whole, end_whole - first_whole, _POWER
