"""What is written of a report is what it says, number by number, but for what is disputed or another agent's."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.server.line_protocol import Point, parse

from schoolbeat_server.layouts import Layout, Layouts, Tenure
from schoolbeat_server.series_places import Item, Places, Span, Spot
from schoolbeat_server.series_reports import Encoder, ownership
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, OFF, READINGS, UNKNOWN
from schoolbeat_wire.inventory import Column, Device, Inventory
from schoolbeat_wire.report import MinuteRow

FIRST = 29_700_000
AT = f"{FIRST * 60_000}"
SIGNALS = ["lan.router", "line.isp", "device.may-1", "device.bang-1", "site.contact"]
INVENTORY = inventories.with_revision(
    Inventory(
        revision="",
        signals=SIGNALS,
        columns=[
            Column("rtt_ms", ["lan.router", "line.isp", "device.may-1", "device.bang-1"]),
            Column("loss_percent", ["lan.router", "line.isp"]),
            Column("rx_bps", ["device.may-1", "device.may-1.gi1"]),
            Column("lamp_hours", ["device.may-1"], sparse=True),
            Column("download_bps", ["speed.hn"], sparse=True),
            Column("load1", ["host"]),
        ],
        devices=[Device("bang-1", "Bảng 1", "board", "Phòng 5")],
    )
)
LAYOUT = Layout(INVENTORY, tuple("" if one == "site.contact" else one for one in SIGNALS), ())
PLACES = Places(
    areas={"xa-1": "Xã Một"},
    schools={"th-1": "Trường Một"},
    services={},
    sites={"s1": Spot("th-1", "Điểm chính", "main", None, None, (Span(-(10**6), "xa-1", None),))},
    rooms={},
    devices={("s1", "may-1"): Item("Máy chiếu", "projector", "p5")},
    rooms_by_name={("s1", "Phòng 5"): "p5"},
)
PLACE = "area=xa-1,school=th-1,site=s1"
VALUES: list[list[int | None]] = [[120, 310, 5, None], [0, 15], [12_000_000, 7], [1_200], [None], [25]]
ALL_UP = bytes([60] * len(SIGNALS))


def rows_of(first: int, *codes: bytes) -> dict[str, bytes]:
    """The ledger's, as if these codes were all that was told."""
    return {name: bytes(code[at] for code in codes) for at, name in enumerate(SIGNALS) if name != "site.contact"}


def lines(rows: list[MinuteRow], ledger: dict[str, bytes], owns: Any = None, of: Inventory = INVENTORY) -> list[str]:
    report = reports.decode(reports.encode(reports.pack("ab" * 8, of.revision, rows, of)))
    reports.fits(report, of)
    columns = reports.absolute(report, of)
    layout = Layout(of, tuple("" if one == "site.contact" else one for one in of.signals), ())
    written = Encoder(PLACES).report("s1", "gw", layout, report, columns, owns, ledger, rows[0].minute)
    return [one.decode() for one in written]


def test_a_report_is_a_line_for_each_subject_and_for_each_signal_that_is_known() -> None:
    codes = bytes([60, 31, 0, UNKNOWN, 60])

    written = lines([MinuteRow(1, FIRST, codes, VALUES)], rows_of(FIRST, codes))

    assert sorted(written) == sorted(
        [
            f"schoolbeat_reading,{PLACE},agent=gw,subject=lan.router,kind=lan rtt_ms=1.2,loss_percent=0.0 {AT}",
            f"schoolbeat_reading,{PLACE},agent=gw,subject=line.isp,kind=line rtt_ms=3.1,loss_percent=1.5 {AT}",
            f"schoolbeat_reading,{PLACE},agent=gw,subject=host,kind=host load1=0.25 {AT}",
            rf"schoolbeat_reading,{PLACE},agent=gw,subject=device.may-1,kind=projector,room=p5,label=Máy\ chiếu "
            f"rtt_ms=0.05,rx_bps=12000000i,lamp_hours=1200i {AT}",
            f"schoolbeat_reading,{PLACE},agent=gw,subject=device.may-1.gi1,kind=projector,room=p5,"
            rf"label=Máy\ chiếu\ gi1 rx_bps=7i {AT}",
            f"schoolbeat_minute,{PLACE},signal=lan.router,kind=lan up_seconds=60i {AT}",
            f"schoolbeat_minute,{PLACE},signal=line.isp,kind=line up_seconds=31i {AT}",
            rf"schoolbeat_minute,{PLACE},signal=device.may-1,kind=projector,room=p5,label=Máy\ chiếu up_seconds=0i {AT}",
        ]
    )


def test_the_minute_is_the_ledgers_and_not_the_reports() -> None:
    ledger = rows_of(FIRST, bytes([OFF, 12, UNKNOWN, DISPUTED, 0]))

    written = lines([MinuteRow(1, FIRST, ALL_UP, VALUES)], ledger)

    assert [parse(one) for one in written if one.startswith("schoolbeat_minute")] == [
        Point(
            "schoolbeat_minute",
            {"area": "xa-1", "school": "th-1", "site": "s1", "signal": "line.isp", "kind": "line"},
            {"up_seconds": 12},
            FIRST * 60_000,
        )
    ]


def told(written: list[str]) -> set[tuple[str, int]]:
    points = [parse(one) for one in written if one.startswith("schoolbeat_reading")]
    return {(one.tags["subject"], one.at_ms // 60_000 - FIRST) for one in points}


ALL = {"lan.router", "line.isp", "device.may-1", "device.may-1.gi1", "host"}


def test_of_a_disputed_minute_no_reading_of_the_signal_is_written_nor_what_hangs_on_none() -> None:
    rows = [MinuteRow(1 + at, FIRST + at, ALL_UP, VALUES) for at in range(2)]

    written = lines(rows, rows_of(FIRST, bytes([60, 60, DISPUTED, 60, 60]), ALL_UP))

    assert told(written) == {("lan.router", 0), ("line.isp", 0)} | {(one, 1) for one in ALL}


def test_what_another_agent_spoke_for_is_not_written_and_what_it_said_before_is() -> None:
    layouts = Layouts()
    layouts.owners = {("s1", name): "gw" for name in SIGNALS} | {
        ("s1", "line.isp"): "gw-2",
        ("s1", "device.may-1"): "pc",
    }
    layouts.changed = {("s1", "line.isp"): [Tenure(0, FIRST + 1, "gw"), Tenure(FIRST + 1, None, "gw-2")]}
    rows = [MinuteRow(1 + at, FIRST + at, ALL_UP, VALUES) for at in range(2)]

    written = lines(rows, rows_of(FIRST, ALL_UP, ALL_UP), ownership(layouts, "s1", "gw", LAYOUT))

    assert told(written) == {("lan.router", 0), ("line.isp", 0), ("host", 0), ("lan.router", 1), ("host", 1)}
    minutes = [parse(one) for one in written if one.startswith("schoolbeat_minute")]
    assert [(one.tags["signal"], one.at_ms // 60_000 - FIRST) for one in minutes] == [
        ("lan.router", 0),
        ("line.isp", 0),
        ("device.bang-1", 0),
        ("lan.router", 1),
        ("device.bang-1", 1),
    ]


def test_who_always_spoke_for_all_is_not_asked() -> None:
    layouts = Layouts()
    layouts.owners = {("s1", name): "gw" for name in SIGNALS}

    assert ownership(layouts, "s1", "gw", LAYOUT) is None


def test_a_report_without_readings_has_its_minutes() -> None:
    written = lines([MinuteRow(1, FIRST, ALL_UP, [])], rows_of(FIRST, ALL_UP))

    assert {parse(one).measurement for one in written} == {"schoolbeat_minute"}
    assert len(written) == 4


def test_the_tags_are_those_of_the_minutes_own_day() -> None:
    midnight = -(-FIRST // 1_440) * 1_440 - 7 * 60
    moved = (Span(-(10**6), "xa-1", None), Span((midnight + 420) // 1_440, "xa-2", None))
    places = Places({}, {}, {}, {"s1": Spot("th-1", "", "main", None, None, moved)}, {}, {}, {})
    rows = [MinuteRow(1 + at, midnight - 1 + at, ALL_UP, VALUES) for at in range(2)]
    report = reports.pack("ab" * 8, INVENTORY.revision, rows, INVENTORY)
    columns = reports.absolute(report, INVENTORY)

    written = Encoder(places).report(
        "s1", "gw", LAYOUT, report, columns, None, rows_of(midnight - 1, ALL_UP, ALL_UP), midnight - 1
    )

    found = {(one.tags["area"], one.at_ms // 60_000 - midnight) for one in map(parse, map(bytes.decode, written))}
    assert found == {("xa-1", -1), ("xa-2", 0)}


def test_the_servers_own_signal_needs_no_inventory() -> None:
    written = Encoder(PLACES).signal("s1", "site.contact", bytes([60, UNKNOWN, 12]), FIRST)

    assert [one.decode() for one in written] == [
        f"schoolbeat_minute,{PLACE},signal=site.contact,kind=site up_seconds=60i {AT}",
        f"schoolbeat_minute,{PLACE},signal=site.contact,kind=site up_seconds=12i {(FIRST + 2) * 60_000}",
    ]


@pytest.mark.parametrize("reading", READINGS)
def test_no_reading_is_told_with_an_exponent(reading: str) -> None:
    known = READINGS[reading]
    scale = 10**known.decimals
    low, high = round(known.low * scale), round(known.high * scale)
    of = inventories.with_revision(Inventory(revision="", signals=["lan.router"], columns=[Column(reading, ["host"])]))
    values = sorted({one for one in (low, low + 1, 1, 9_999, 10_000, 10_001, high - 1, high) if low <= one <= high})
    rows = [MinuteRow(1 + at, FIRST + at, b"\x3c", [[value]]) for at, value in enumerate(values)]

    written = lines(rows, {}, of=of)

    found = [parse(one).fields[reading] for one in written]
    assert found == [value / scale if known.decimals else value for value in values]
    assert {type(one) for one in found} == {float if known.decimals else int}


# ---- against another calculation ---------------------------------------------------------------------------

NAMES = sorted(READINGS)


def made(rng: random.Random) -> tuple[Inventory, list[MinuteRow]]:
    """Any columns, dense and sparse, of any subjects, with values that are missing."""
    signals = rng.sample(["lan.router", "line.isp", "device.a", "device.b", "service.x"], rng.randrange(1, 6))
    subjects = ["lan.router", "line.isp", "device.a", "device.a.gi1", "device.b", "service.x", "host", "dns.known"]
    columns = [
        Column(name, rng.sample(subjects, rng.randrange(0, 9)), sparse=rng.random() < 0.3)
        for name in rng.sample(NAMES, rng.randrange(0, 7))
    ]
    of = inventories.with_revision(Inventory(revision="", signals=signals, columns=columns))
    rows, minute = [], FIRST
    for seq in range(rng.randrange(1, 6)):
        values = [[_value(rng, one.reading, one.sparse) for _ in one.subjects] for one in columns]
        codes = bytes(rng.choice([60, 60, 0, 17, UNKNOWN]) for _ in signals)
        rows.append(MinuteRow(seq, minute, codes, values if rng.random() < 0.8 else []))
        minute += rng.choice([1, 1, 1, 3, 700])
    return of, rows


def _value(rng: random.Random, reading: str, sparse: bool) -> int | None:
    known = READINGS[reading]
    if rng.random() < (0.8 if sparse else 0.15):
        return None
    scale = 10**known.decimals
    return rng.randrange(round(known.low * scale), round(min(known.high, 10 ** rng.randrange(1, 12)) * scale) + 1)


def expected(of: Inventory, rows: list[MinuteRow], ledger: dict[str, bytes], first: int) -> list[Point]:
    found = []
    for row in rows:
        now = {name: ledger[name][row.minute - first] for name in of.signals}
        fields: dict[str, dict[str, int | float]] = {}
        for column, values in zip(of.columns, row.values, strict=False):
            decimals = READINGS[column.reading].decimals
            for subject, value in zip(column.subjects, values, strict=True):
                below = [name for name in of.signals if f"{subject}.".startswith(f"{name}.")]
                hidden = now[max(below, key=len)] == DISPUTED if below else DISPUTED in now.values()
                if value is not None and not hidden:
                    number = float(f"{value}e-{decimals}") if decimals else value
                    fields.setdefault(subject, {})[column.reading] = number
        at_ms = row.minute * 60_000
        tags = {"agent": "gw", "site": "s1", "area": "xa-1", "school": "th-1"}
        for subject, numbers in fields.items():
            kind = "other" if subject.startswith("device.") else subject.partition(".")[0]
            found.append(Point("schoolbeat_reading", tags | {"subject": subject, "kind": kind}, numbers, at_ms))
        del tags["agent"]
        for name, code in now.items():
            kind = "other" if name.startswith("device.") else name.partition(".")[0]
            if code <= 60:
                found.append(
                    Point("schoolbeat_minute", tags | {"signal": name, "kind": kind}, {"up_seconds": code}, at_ms)
                )
    return found


def in_order(points: list[Point]) -> list[Point]:
    return sorted(points, key=lambda one: (one.measurement, one.at_ms, sorted(one.tags.items())))


@pytest.mark.parametrize("seed", range(100))
def test_any_report_is_told_as_a_slow_reader_of_it_says(seed: int) -> None:
    rng = random.Random(seed)
    of, rows = made(rng)
    first, end = rows[0].minute, rows[-1].minute + 1
    ledger = {
        name: bytes(rng.choice([60, 60, 60, 5, UNKNOWN, OFF, DISPUTED]) for _ in range(first, end))
        for name in of.signals
    }

    written = lines(rows, ledger, of=of)

    points = [parse(one) for one in written]
    assert in_order(points) == in_order(expected(of, rows, ledger, first))
