"""Whatever bytes arrive, a decoder gives a checked message or raises the one wire error, in bounded time and memory."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire import wire_strategies

from schoolbeat_wire import bounds, inventory, messages, report
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Column, Device, Inventory
from schoolbeat_wire.report import MinuteRow, Off, Report

MINUTE = 29_400_000
MIB = 2**20

OF = inventory.with_revision(
    Inventory(
        revision="",
        signals=["lan.router", "line.isp", "device.ap-1"],
        columns=[Column("rtt_ms", ["lan.router", "line.isp"]), Column("download_bps", ["host"], sparse=True)],
        probes=["path", "host"],
        devices=[Device("ap-1", "AP tầng 2", "access_point", "P201")],
        behind={"line.isp": "lan.router"},
        version="0.1.0",
        capabilities=["speed"],
    )
)
ROWS = [
    MinuteRow(7, MINUTE, b"\x3c\x3c\x3c", [[120, 900], [None]], [(0, 12, 1)], [], [Off(MINUTE - 9, 9, 4)]),
    MinuteRow(8, MINUTE + 1, b"\x3c\x00\xff", [[125, None], [50_000_000]], [], [(1, 1)]),
]
REPORT = report.pack("0123456789abcdef", OF.revision, ROWS, OF)

SMALL: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "event": (messages.decode_event, messages.encode(messages.Event("line.isp", False, MINUTE * 60_000, "timeout"))),
    "presence": (
        messages.decode_presence,
        messages.encode(messages.Presence(True, "00112233", "00112233", "00112233", 2, 9, [(4, 5)], 12, 10, "kernel")),
    ),
    "ack": (
        messages.decode_ack,
        messages.encode(messages.Ack("00112233", MINUTE * 60_000, "00112233", [(0, 4), (5, 9)], 0, 12)),
    ),
    "config": (
        messages.decode_config,
        messages.encode(
            messages.Config(
                3,
                "00112233",
                devices=[messages.WatchedDevice("ap-1", "192.168.1.2", port=80)],
                services=[messages.WatchedService("csdl", "https://csdl.example/")],
            )
        ),
    ),
    "command": (messages.decode_command, messages.encode(messages.Command("send_again", "00112233", 4, 9))),
}
LARGE: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "report": (report.decode, report.encode(REPORT)),
    "inventory": (inventory.decode, inventory.encode(OF)),
}
DECODERS = {kind: decode for kind, (decode, _) in {**SMALL, **LARGE}.items()}
kinds = st.sampled_from(sorted(DECODERS))


def use(received: object) -> None:
    """What ingest does with a report once it believes it: only the wire error may come of that, too."""
    if isinstance(received, Report):
        with contextlib.suppress(WireError):
            report.fits(received, OF)
            report.absolute(received, OF)
            for column in range(len(received.values)):
                assert all(0 <= p < len(received.values[column]) for p in report.absent_places(received, column))
            report.unpack(received, OF)


def believe(kind: str, payload: bytes) -> None:
    if kind == "report":
        report.identity(payload)
    try:
        received = DECODERS[kind](payload)
    except WireError as error:
        assert error.reason.isalpha()  # noqa: PT017
        assert len(str(error)) < 500  # noqa: PT017
    else:
        use(received)


@given(kinds, st.binary(max_size=300))
def test_random_bytes_are_refused(kind: str, payload: bytes) -> None:
    believe(kind, payload)
    believe(kind, zlib.compress(payload))


@given(kinds, st.data())
@settings(max_examples=400)
def test_a_message_with_some_bytes_changed_is_refused_or_still_within_bounds(kind: str, data: st.DataObject) -> None:
    _, whole = {**SMALL, **LARGE}[kind]
    plain = zlib.decompress(whole) if kind in LARGE else whole
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(plain) - 1))
        cut = data.draw(st.integers(0, 3))
        plain = plain[:at] + data.draw(st.binary(max_size=4) | st.sampled_from(FRAGMENTS)) + plain[at + cut :]
    believe(kind, zlib.compress(plain) if kind in LARGE else plain)


FRAGMENTS = [b"9" * 30, b"-1", b"null", b"[]", b"[[", b"{}", b'"', b"1e999", b"NaN", b"\\ud800", b"\xff", b"0.5", b","]


@given(st.sampled_from(sorted(LARGE)), st.data())
def test_a_packed_message_with_some_bytes_changed_is_refused_or_still_within_bounds(
    kind: str, data: st.DataObject
) -> None:
    packed = bytearray(LARGE[kind][1])
    for _ in range(data.draw(st.integers(1, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    believe(kind, bytes(packed))


STRANGE: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**40,
    2**63,
    2**64,
    -(2**70),
    int("9" * 4_000),
    0.5,
    1e300,
    float("nan"),
    float("inf"),
    "",
    "a" * 300,
    "\x00",
    "\ud800",
    "//8=",
    "=",
    [],
    [[]],
    [[[]]],
    [0, 0, 0],
    [[0, 0, 0, 0]],
    [[-1, 2**70, 3]],
    {},
    {"a": "b"},
    [{}],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def with_strange(value: Any, path: tuple[Any, ...], strange: Any) -> Any:
    if not path:
        return strange
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[path[0]] = with_strange(changed[path[0]], path[1:], strange)
    return changed


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_strange_value_in_any_place_is_refused_or_still_within_bounds(kind: str) -> None:
    _, whole = {**SMALL, **LARGE}[kind]
    message = json.loads(zlib.decompress(whole) if kind in LARGE else whole)
    for place in places(message):
        for strange in STRANGE:
            plain = json.dumps(with_strange(message, place, strange)).encode()
            believe(kind, zlib.compress(plain, 1) if kind in LARGE else plain)


@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_message_cut_short_or_with_something_after_it_is_refused(kind: str) -> None:
    decode, whole = {**SMALL, **LARGE}[kind]
    decode(whole)
    for payload in [*(whole[:end] for end in range(len(whole))), whole + b"\x00", whole + b"}", whole + whole]:
        with pytest.raises(WireError):
            decode(payload)


@given(wire_strategies.inventories(), st.data())
def test_any_report_read_with_any_inventory_gives_rows_or_the_wire_error(of: Inventory, data: st.DataObject) -> None:
    numbers = st.lists(st.integers(-3, 6) | st.integers(), max_size=6)
    received = Report(
        epoch="0123456789abcdef",
        seq=0,
        revision=of.revision,
        minutes=[MINUTE] + [1] * data.draw(st.integers(0, 2)),
        signals=bytes(len(of.signals)) * data.draw(st.integers(0, 3)),
        values=data.draw(st.lists(numbers, min_size=len(of.columns), max_size=len(of.columns))),
        absent=data.draw(st.lists(numbers, max_size=2)),
    )
    with contextlib.suppress(WireError):
        report.unpack(report.decode(report.encode(received)), of)


def zeros_that_grow_to(size: int) -> bytes:
    packer = zlib.compressobj(9)
    return b"".join(packer.compress(bytes(MIB)) for _ in range(size // MIB)) + packer.flush()


@contextlib.contextmanager
def at_most_mib(limit: int) -> Any:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", sorted(LARGE))
def test_a_bomb_is_refused_in_bounded_memory(kind: str) -> None:
    bomb = zeros_that_grow_to(200 * MIB)
    assert len(bomb) < bounds.PACKED_BYTES

    with at_most_mib(12), pytest.raises(WireError) as refusal:
        LARGE[kind][0](bomb)

    assert refusal.value.reason == "bomb"


@pytest.mark.parametrize("kind", sorted(DECODERS))
@pytest.mark.parametrize("byte", [b"0", b" ", b"[", b"\x00", b"x"])
def test_ten_megabytes_are_refused_before_they_are_looked_at(kind: str, byte: bytes) -> None:
    payload = byte * (10 * MIB)

    with at_most_mib(1), pytest.raises(WireError) as refusal:
        DECODERS[kind](payload)

    assert refusal.value.reason == "size"


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"values":[', b'{"behind":{"a":', b'{"settled":['])
@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_deep_nesting_is_refused(kind: str, opening: bytes) -> None:
    deep = opening + b"[" * 60_000

    with pytest.raises(WireError):
        DECODERS[kind](zlib.compress(deep) if kind in LARGE else deep)


@pytest.mark.parametrize(
    "filling",
    [
        b'"values":[' + b"[]," * 1_300_000 + b"[]]",
        b'"values":[[' + b"0," * 2_000_000 + b"0]]",
        b'"values":[[' + b"1234567," * 480_000 + b"0]]",
        b'"causes":[' + b"[0,0,0]," * 480_000 + b"[0,0,0]]",
        b'"absent":[[' + b"1," * 2_000_000 + b"1]]",
        b'"x":[' + b"{}," * 1_300_000 + b"{}]",
    ],
)
def test_the_fullest_report_that_may_be_unpacked_takes_bounded_memory(filling: bytes) -> None:
    head = json.loads(zlib.decompress(LARGE["report"][1]))
    plain = json.dumps({key: head[key] for key in ("epoch", "seq", "revision", "minutes", "signals")})[:-1].encode()
    payload = zlib.compress(plain + b"," + filling + b"}", 6)
    assert len(payload) < bounds.PACKED_BYTES

    with at_most_mib(160):
        believe("report", payload)


def test_sparse_columns_that_would_spread_over_millions_of_places_are_refused() -> None:
    many = [f"device.{i}" for i in range(1_000)]
    wide = inventory.with_revision(
        Inventory(
            revision="", signals=[], columns=[Column(r, many, sparse=True) for r in ("rtt_ms", "rx_bps", "clients")]
        )
    )
    empty = Report("00112233", 0, wide.revision, [MINUTE] + [1] * 1_439, b"", [[], [], []])

    with at_most_mib(1), pytest.raises(WireError) as refusal:
        report.unpack(empty, wide)

    assert refusal.value.reason == "count"


@given(st.integers() | st.just(int("9" * 4_000)))
def test_numbers_of_any_size_are_refused_in_a_short_text(number: int) -> None:
    for payload in (
        f'{{"server":"00112233","time_ms":{MINUTE * 60_000},"settled":[[{number},{number}]]}}',
        f'{{"server":"00112233","time_ms":{number}}}',
    ):
        believe("ack", payload.encode())
    believe("report", report.encode(Report("00112233", number, "00112233", [number], b"", off=[(0, number, 1, 1)])))
