"""Reports survive the journey, and nothing is believed that does not fit its inventory."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire import wire_strategies

from schoolbeat_wire import bounds, inventory, report
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.report import MinuteRow, Off, Report

EPOCH = "0123456789abcdef"
MINUTE = 29_400_000


@st.composite
def inventories_with_rows(draw: st.DrawFn) -> tuple[Inventory, list[MinuteRow]]:
    of = draw(wire_strategies.inventories())
    return of, draw(wire_strategies.rows(of))


def as_received(rows: list[MinuteRow], of: Inventory) -> list[MinuteRow]:
    """A row without readings, among rows with readings, arrives with every place empty."""
    if not any(row.values for row in rows):
        return rows
    nothing: list[list[int | None]] = [[None] * len(column.subjects) for column in of.columns]
    return [row if row.values else msgspec.structs.replace(row, values=nothing) for row in rows]


@given(inventories_with_rows())
def test_what_is_packed_encoded_decoded_and_unpacked_is_what_was_recorded(
    recorded: tuple[Inventory, list[MinuteRow]],
) -> None:
    of, rows = recorded

    sent = report.pack(EPOCH, of.revision, rows, of)
    received = report.decode(report.encode(sent))

    assert received == sent
    assert report.minutes_of(received) == [row.minute for row in rows]
    assert report.unpack(received, of) == as_received(rows, of)


@given(inventories_with_rows())
def test_absolute_values_and_absent_places_together_tell_every_dense_reading(
    recorded: tuple[Inventory, list[MinuteRow]],
) -> None:
    of, rows = recorded
    sent = report.pack(EPOCH, of.revision, rows, of)
    report.fits(sent, of)

    absolute = report.absolute(sent, of)

    for index, column in enumerate(of.columns):
        if absolute and not column.sparse:
            gone = set(report.absent_places(sent, index))
            told = [None if place in gone else value for place, value in enumerate(absolute[index])]
            assert told == [value for row in as_received(rows, of) for value in row.values[index]]


@given(inventories_with_rows(), wire_strategies.inventories())
def test_a_report_read_with_another_inventory_raises_nothing_but_the_wire_error(
    recorded: tuple[Inventory, list[MinuteRow]], other: Inventory
) -> None:
    of, rows = recorded
    sent = report.pack(EPOCH, of.revision, rows, of)

    with contextlib.suppress(WireError):
        report.unpack(sent, other)
    with contextlib.suppress(WireError):
        report.fits(sent, other)
        report.absolute(sent, other)


OF = inventory.with_revision(
    Inventory(
        revision="",
        signals=["lan.router", "line.isp"],
        columns=[
            Column("rtt_ms", ["lan.router", "line.isp"]),
            Column("download_bps", ["host"], sparse=True),
            Column("temperature_celsius", ["host"]),
        ],
        probes=["path"],
    )
)


def sample(**changes: Any) -> Report:
    whole = Report(
        epoch=EPOCH,
        seq=7,
        revision=OF.revision,
        minutes=[MINUTE, 1, 3],
        signals=bytes([60, 60, 60, 0, 255, 255]),
        values=[[120, 900, 5, -20, 0, 0], [1, 0, 50_000_000], [412, 1, -2]],
        absent=[[0, 3, 1]],
        failures=[(2, 0, 12, 1)],
        causes=[(1, 1, 1)],
        off=[(2, MINUTE + 2, 2, 4)],
    )
    return msgspec.structs.replace(whole, **changes)


def test_a_report_means_what_the_specification_says() -> None:
    rows = report.unpack(report.decode(report.encode(sample())), OF)

    assert rows == [
        MinuteRow(7, MINUTE, bytes([60, 60]), [[120, 900], [None], [412]]),
        MinuteRow(8, MINUTE + 1, bytes([60, 0]), [[125, None], [50_000_000], [413]], causes=[(1, 1)]),
        MinuteRow(
            9,
            MINUTE + 4,
            bytes([255, 255]),
            [[None, 880], [None], [411]],
            failures=[(0, 12, 1)],
            off=[Off(MINUTE + 2, 2, 4)],
        ),
    ]


def test_packing_costs_nothing_for_a_place_without_a_value() -> None:
    rows = [
        MinuteRow(0, MINUTE, b"\x3c\x3c", [[500, 900], [None], [400]]),
        MinuteRow(1, MINUTE + 1, b"\x3c\x3c", [[None, 900], [None], [400]]),
        MinuteRow(2, MINUTE + 2, b"\x3c\x3c", [[510, 900], [None], [400]]),
    ]

    sent = report.pack(EPOCH, OF.revision, rows, OF)

    assert sent.values == [[500, 900, 0, 0, 10, 0], [], [400, 0, 0]]
    assert sent.absent == [[0, 2]]


def test_an_absence_longer_than_may_be_told_is_told_in_its_last_part() -> None:
    long_ago = Off(MINUTE - bounds.OFF_MINUTES - 500, bounds.OFF_MINUTES + 500, 4)

    sent = report.pack(EPOCH, OF.revision, [MinuteRow(0, MINUTE, b"\x3c\x3c", off=[long_ago])], OF)

    assert report.decode(report.encode(sent)).off == [(0, MINUTE - bounds.OFF_MINUTES, bounds.OFF_MINUTES, 4)]


def test_an_absence_ends_before_the_minute_that_tells_it_though_the_clock_was_set_back() -> None:
    off = [Off(MINUTE - 5, 8, 4), Off(MINUTE + 3, 2, 3)]

    sent = report.pack(EPOCH, OF.revision, [MinuteRow(0, MINUTE, b"\x3c\x3c", off=off)], OF)

    assert report.decode(report.encode(sent)).off == [(0, MINUTE - 5, 5, 4)]


def test_a_refused_report_still_says_which_minutes_it_would_have_brought() -> None:
    damaged = report.encode(sample(signals=bytes([99] * 6)))

    assert report.identity(damaged) == (EPOCH, 7, 3)
    assert report.identity(damaged[:-1]) is None
    assert report.identity(report.encode(sample(epoch="XYZ"))) is None
    assert report.identity(report.encode(sample(seq=-1))) is None
    assert report.identity(report.encode(sample(minutes=[]))) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epoch": "XYZ"}, "name"),
        ({"revision": ""}, "name"),
        ({"minutes": []}, "range"),
        ({"minutes": [MINUTE] + [1] * 1_440, "signals": b""}, "range"),
        ({"minutes": [MINUTE, 0, 1]}, "time"),
        ({"minutes": [MINUTE, -1, 1]}, "time"),
        ({"minutes": [5, 1, 1]}, "time"),
        ({"minutes": [MINUTE, 1, 10**9]}, "time"),
        ({"seq": -1}, "range"),
        ({"seq": bounds.SEQ - 2}, "range"),
        ({"signals": bytes(5)}, "shape"),
        ({"signals": bytes([60, 60, 60, 61, 60, 60])}, "range"),
        ({"signals": bytes([60, 60, 60, 254, 60, 60])}, "range"),
        ({"signals": bytes(3 * 1_001)}, "count"),
        ({"values": [[]] * 201}, "count"),
        ({"values": [[0] * 500_001]}, "count"),
        ({"values": [[2**54 + 1]]}, "range"),
        ({"values": [[-(2**54) - 1]]}, "range"),
        ({"absent": [[]] * 201}, "count"),
        ({"absent": [[0] * 500_001]}, "count"),
        ({"causes": [(0, 0, 1)] * 50_001}, "count"),
        ({"causes": [(3, 0, 1)]}, "range"),
        ({"causes": [(0, -1, 1)]}, "range"),
        ({"failures": [(0, 0, 10**12, 1)]}, "range"),
        ({"off": [(0, 5, 1, 1)]}, "time"),
        ({"off": [(0, MINUTE - 1, 0, 1)]}, "range"),
        ({"off": [(0, MINUTE - 1, 2, 1)]}, "range"),
        ({"off": [(0, bounds.FIRST_MINUTE, bounds.OFF_MINUTES + 1, 1)]}, "range"),
    ],
)
def test_a_report_out_of_bounds_is_refused(changes: dict[str, Any], reason: str) -> None:
    payload = report.encode(sample(**changes))

    with pytest.raises(WireError) as refusal:
        report.decode(payload)

    assert refusal.value.reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"signals": bytes(3)}, "layout"),
        ({"values": [[0] * 6]}, "layout"),
        ({"values": [[0] * 5, [], [0] * 3]}, "layout"),
        ({"values": [[0] * 6, [0, 0], [0] * 3]}, "layout"),
        ({"values": [[0] * 6, [0, 0, 1] * 4, [0] * 3]}, "layout"),
        ({"values": [[0] * 6, [3, 0, 1], [0] * 3], "absent": []}, "layout"),
        ({"values": [[0] * 6, [0, -1, 1], [0] * 3], "absent": []}, "layout"),
        ({"values": [[0] * 6, [1, 0, 1, 0, 0, 1], [0] * 3], "absent": []}, "layout"),
        ({"values": [[0] * 6, [1, 0, 1, 1, 0, 1], [0] * 3], "absent": []}, "layout"),
        ({"values": [[0] * 6, [0, 0, -1], [0] * 3]}, "range"),
        ({"values": [[-1] * 6, [], [0] * 3]}, "range"),
        ({"values": [[0] * 6, [], [0, 2_001, 0]]}, "range"),
        ({"absent": [[]]}, "layout"),
        ({"absent": [[0]]}, "layout"),
        ({"absent": [[3, 0]]}, "layout"),
        ({"absent": [[-1, 0]]}, "layout"),
        ({"absent": [[1, 0]]}, "layout"),
        ({"absent": [[0, 1], [0, 2]]}, "layout"),
        ({"absent": [[0, 6]]}, "layout"),
        ({"absent": [[0, -1]]}, "layout"),
        ({"absent": [[0, 2, 0]]}, "layout"),
        ({"absent": [[0, 2, 4]]}, "layout"),
        ({"values": []}, "layout"),  # absent places without values
        ({"causes": [(0, 2, 1)]}, "range"),
        ({"failures": [(0, 1, 12, 1)]}, "range"),
    ],
)
def test_a_report_that_does_not_fit_its_inventory_is_refused(changes: dict[str, Any], reason: str) -> None:
    received = report.decode(report.encode(sample(**changes)))

    with pytest.raises(WireError) as refusal:
        report.unpack(received, OF)

    assert refusal.value.reason == reason


def test_a_number_in_an_absent_place_means_nothing_and_may_be_anything() -> None:
    received = sample(values=[[-5, 900, 5, -20, 0, 0], [], [412, 1, -2]], absent=[[0, 0]])

    report.fits(received, OF)

    assert report.absolute(received, OF)[0] == [-5, 900, 0, 880, 0, 880]


def test_a_report_without_readings_has_no_columns() -> None:
    bare = sample(values=[], absent=[])

    report.fits(bare, OF)

    assert report.absolute(bare, OF) == []
    assert [row.values for row in report.unpack(bare, OF)] == [[], [], []]
