"""Readings on to the time-series store: values a second encoded, and written to a real VictoriaMetrics, beside Points.

A value is one reading or one signal of one minute. Reports of 60 devices x 8 readings and 70 signals, as the wire
packs them, of 100 sites; round by round in turn with influxdb-client's own Points, the same numbers and tags.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import influxdb_client
from influxdb_client.client.write_api import SYNCHRONOUS
from tests.stores import VictoriaMetrics, victoria_metrics

import wire as wire_bench
from schoolbeat_server.layouts import Layout
from schoolbeat_server.series_places import Item, Places, Span, Spot
from schoolbeat_server.series_reports import Encoder
from schoolbeat_server.series_store import Store, open_store
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import READINGS
from schoolbeat_wire.inventory import Inventory

SITES, MINUTES, ROUNDS = 100, 10, 7
POINT_SITES = 10  # a tenth is enough to know how fast Points are
VALUES = wire_bench.DEVICES * len(wire_bench.WALKS) + len(wire_bench.SIGNALS)
MILLION = 1e6


class Read(NamedTuple):
    report: reports.Report
    columns: list[list[int]]


class School(NamedTuple):
    """The same reports for every site. codes: what the ledger has."""

    of: Inventory
    layout: Layout
    places: Places
    payloads: list[bytes]
    codes: dict[str, bytes]
    first: int


def measure() -> list[tuple[str, str, str]]:
    school = _school()
    kib = _remembered(school)
    ours, lines, points, written, by_points, reading = _rates(school)
    return [
        ("what is remembered to write the lines of 1,400 such sites", f"{kib * 1_400 / 1024:.0f} MiB", ""),
        ("readings of packed reports as lines, values a CPU second", f"{lines.cpu:.2f} M", ""),
        (
            "the same, with the reports decoded and checked",
            f"{ours.cpu:.2f} M (decoding alone {reading.cpu:.2f} M)",
            "",
        ),
        ("the same numbers as influxdb-client's Points, lines of them", f"{points.cpu:.2f} M", ""),
        ("lines, ours to theirs", f"{lines.cpu / points.cpu:.1f} times", ""),
        (
            "decoded, encoded and written to VictoriaMetrics, gzip, values a second",
            f"{written.cpu:.2f} M a CPU second, {written.wall:.2f} M by the clock",
            "",
        ),
        (
            "the same by influxdb-client, synchronous, Points, gzip",
            f"{by_points.cpu:.2f} M a CPU second, {by_points.wall:.2f} M by the clock",
            "",
        ),
        (
            "written, ours to theirs",
            f"{written.cpu / by_points.cpu:.1f} times by CPU, {written.wall / by_points.wall:.1f} by the clock",
            "",
        ),
    ]


class Rate(NamedTuple):
    """Millions of values a second."""

    cpu: float
    wall: float


def _remembered(school: School) -> float:
    """KiB of a site."""
    decoded, encoder = _decoded(school)[:1], Encoder(school.places)
    tracemalloc.start()
    for _ in _bodies(school, encoder, 0, decoded):
        pass
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / SITES / 1024


def _rates(school: School) -> list[Rate]:
    with tempfile.TemporaryDirectory() as folder, victoria_metrics(Path(folder)) as program:
        store, clock = open_store(program.settings), _later()
        client = influxdb_client.InfluxDBClient(url=program.url, token="", org="-", enable_gzip=True)
        api = client.write_api(write_options=SYNCHRONOUS)
        decoded = _decoded(school)
        encoder = Encoder(school.places)
        works: list[tuple[int, Callable[[], int]]] = [
            (SITES, lambda: sum(len(body) for body in _bodies(school, encoder, next(clock)))),
            (SITES, lambda: sum(len(body) for body in _bodies(school, encoder, next(clock), decoded))),
            (POINT_SITES, lambda: sum(len(one.to_line_protocol()) for one in _points(school, decoded, next(clock)))),
            (SITES, lambda: _write(store, school, encoder, next(clock))),
            (POINT_SITES, lambda: _write_points(api, school, next(clock))),
            (SITES, lambda: sum(len(_decoded(school)) for _ in range(SITES))),
        ]
        found: list[list[Rate]] = [[] for _ in works]
        for _ in range(ROUNDS + 1):  # the first warms up
            for rates, (sites, work) in zip(found, works, strict=True):
                rates.append(_timed(work, sites * MINUTES * VALUES))
        stored = _stored(program)
        client.close()
        store.close()
    sent = (ROUNDS + 1) * MINUTES * (SITES + POINT_SITES)
    assert stored == sent, f"{stored} of {sent} minutes of a reading are stored"
    return [Rate(median(one.cpu for one in rates[1:]), median(one.wall for one in rates[1:])) for rates in found]


def _timed(work: Callable[[], int], values: int) -> Rate:
    cpu, wall = time.process_time(), time.perf_counter()
    assert work()
    return Rate(values / (time.process_time() - cpu) / MILLION, values / (time.perf_counter() - wall) / MILLION)


def _later() -> Iterator[int]:
    """Minutes to be added: each round writes other points."""
    at = 0
    while True:
        yield at
        at += MINUTES


# ---- ours --------------------------------------------------------------------------------------------------


def _decoded(school: School) -> list[Read]:
    found = []
    for payload in school.payloads:
        report = reports.decode(payload)
        reports.fits(report, school.of)
        found.append(Read(report, reports.absolute(report, school.of)))
    return found


def _bodies(school: School, encoder: Encoder, later: int, decoded: list[Read] | None = None) -> Iterator[bytes]:
    """Of a site each, whose reports are decoded first unless they are given. later: minutes."""
    for number in range(SITES):
        lines: list[bytes] = []
        for read in decoded or _decoded(school):
            report = _moved(read.report, later)
            lines += encoder.report(
                f"s{number}", "gw", school.layout, report, read.columns, None, school.codes, school.first + later
            )
        yield b"\n".join(lines)


def _moved(report: reports.Report, later: int) -> reports.Report:
    return reports.Report(
        report.epoch, report.seq, report.revision, [report.minutes[0] + later, *report.minutes[1:]], report.signals
    )


def _write(store: Store, school: School, encoder: Encoder, later: int) -> int:
    """In bodies of about a megabyte, as the queue does."""
    waiting: list[bytes] = []
    for body in _bodies(school, encoder, later):
        waiting.append(body)
        if sum(map(len, waiting)) > 1 << 20:
            _take(store, waiting)
            waiting = []
    _take(store, waiting)
    return SITES


def _take(store: Store, bodies: list[bytes]) -> None:
    answer = store.write(b"\n".join(bodies))
    assert answer.kind == "taken", answer


# ---- theirs ------------------------------------------------------------------------------------------------


def _points(school: School, decoded: list[Read], later: int) -> Iterator[Any]:
    scales = [10 ** READINGS[column.reading].decimals for column in school.of.columns]
    subjects = school.of.columns[0].subjects
    for number in range(POINT_SITES):
        site = f"p{number}"
        for read in decoded:
            minute = read.report.minutes[0]
            at = (minute + later) * 60_000
            for place, subject in enumerate(subjects):
                point = influxdb_client.Point("schoolbeat_reading").tag("area", "xa-1").tag("school", "th-1")
                point.tag("site", site).tag("agent", "gw").tag("subject", subject).tag("kind", "access_point")
                point.tag("room", "p1").tag("label", school.places.devices["s0", subject[7:]].name)
                for column, values, scale in zip(school.of.columns, read.columns, scales, strict=True):
                    value = values[place]
                    point.field(column.reading, value / scale if scale > 1 else value)
                yield point.time(at, "ms")
            for signal in school.of.signals:
                code = school.codes[signal][minute - school.first]
                if code <= 60:
                    point = influxdb_client.Point("schoolbeat_minute").tag("area", "xa-1").tag("school", "th-1")
                    point.tag("site", site).tag("signal", signal).tag("kind", "access_point")
                    yield point.field("up_seconds", code).time(at, "ms")


def _write_points(api: Any, school: School, later: int) -> int:
    waiting = []
    for point in _points(school, _decoded(school), later):
        waiting.append(point)
        if len(waiting) == 5_000:
            api.write(bucket="-", record=waiting, write_precision="ms")
            waiting = []
    if waiting:
        api.write(bucket="-", record=waiting, write_precision="ms")
    return POINT_SITES


# ---- the school --------------------------------------------------------------------------------------------


def _school() -> School:
    of = wire_bench._inventory()
    rows = wire_bench._minutes(of, MINUTES)
    devices = [signal.removeprefix("device.") for signal in of.signals if signal.startswith("device.")]
    span = (Span(-(10**6), "xa-1", None),)
    places = Places(
        areas={},
        schools={},
        services={},
        sites={f"s{number}": Spot("th-1", "Điểm trường chính", "main", None, None, span) for number in range(SITES)},
        rooms={},
        devices={
            (f"s{number}", one): Item(f"Điểm phát Wi-Fi dãy {at}", "access_point", "p1")
            for number in range(SITES)
            for at, one in enumerate(devices)
        },
        rooms_by_name={},
    )
    payloads = [reports.encode(reports.pack(wire_bench.EPOCH, of.revision, [row], of)) for row in rows]
    codes = {signal: bytes(row.signals[at] for row in rows) for at, signal in enumerate(of.signals)}
    return School(of, Layout(of, tuple(of.signals), ()), places, payloads, codes, rows[0].minute)


def _stored(program: VictoriaMetrics) -> int:
    """Minutes of one reading of one device of every site."""
    return program.points('schoolbeat_reading_rtt_ms{subject="device.ap-00"}')


if __name__ == "__main__":
    for name, figure, wanted in measure():
        print(f"{name}: {figure} {wanted}")
