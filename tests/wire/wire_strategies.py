"""Hypothesis strategies for everything that can travel: inventories, rows of minutes, the small messages."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from schoolbeat_wire import bounds, catalogue, inventory, messages
from schoolbeat_wire.inventory import Column, Device, Inventory
from schoolbeat_wire.report import MinuteRow, Off

ident = st.text("abcXYZ019._%-", min_size=1, max_size=12)
name = st.from_regex(bounds.NAME, fullmatch=True)
token = st.text("0123456789abcdef", min_size=8, max_size=32)
text = st.text(st.characters(codec="utf-8"), max_size=40).filter(lambda t: not bounds.CONTROL.search(t))
signal = st.one_of(
    st.sampled_from([kind for kind in catalogue.SIGNAL_KINDS if not kind.endswith(".")]),
    st.builds(lambda kind, i: kind + i, st.sampled_from(["service.", "device.", "wifi."]), ident),
)
subject = st.one_of(signal, st.just("host"), st.builds(lambda i: "probe." + i, ident))
minute = st.integers(bounds.FIRST_MINUTE, bounds.LAST_MINUTE)
ms = st.integers(bounds.FIRST_MINUTE * 60_000, bounds.LAST_MINUTE * 60_000)


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    readings = draw(st.lists(st.sampled_from(sorted(catalogue.READINGS)), unique=True, max_size=5))
    return [
        Column(reading, draw(st.lists(subject, unique=True, max_size=4)), draw(st.booleans())) for reading in readings
    ]


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    signals = draw(st.lists(signal, unique=True, max_size=6))
    ids = draw(st.lists(ident, unique=True, max_size=3))
    behind = {upper: lower for lower, upper in pairwise(signals) if draw(st.booleans())}
    devices = [Device(i, draw(text), draw(text), draw(text), "lan.router") for i in ids if "lan.router" not in behind]
    return inventory.with_revision(
        Inventory(
            revision="",
            signals=signals,
            columns=draw(columns()),
            probes=draw(st.lists(st.sampled_from(["host", "path", "icmp", "dns"]), unique=True)),
            devices=devices,
            behind=behind,
            role=draw(st.sampled_from(["gateway", "classroom"])),
            version=draw(text),
            capabilities=draw(st.lists(st.sampled_from(["speed", "snmp"]), unique=True)),
        )
    )


def values_of(column: Column) -> st.SearchStrategy[int | None]:
    reading = catalogue.READINGS[column.reading]
    scale = 10**reading.decimals
    return st.none() | st.integers(int(reading.low * scale), int(reading.high * scale))


@st.composite
def rows(draw: st.DrawFn, of: Inventory) -> list[MinuteRow]:
    """Consecutive seqs, ascending minutes with gaps between them, some without readings."""
    count = draw(st.integers(1, 5))
    seq = draw(st.integers(0, bounds.SEQ - count))
    at = draw(st.integers(bounds.FIRST_MINUTE + 100, bounds.LAST_MINUTE - 5 * 5_000))
    out = []
    for index in range(count):
        at += draw(st.sampled_from([1, 1, 1, 2, 5_000])) if index else 0
        with_values = bool(of.columns) and draw(st.booleans())
        out.append(
            MinuteRow(
                seq=seq + index,
                minute=at,
                signals=bytes(draw(st.sampled_from([0, 17, 60, 255])) for _ in of.signals),
                values=[[draw(values_of(c)) for _ in c.subjects] for c in of.columns] if with_values else [],
                failures=draw(_sparse(len(of.probes), 14, 600)),
                causes=draw(_sparse(len(of.signals), 14)),
                off=[Off(at - 50, draw(st.integers(1, 50)), draw(st.integers(1, 4)))] if draw(st.booleans()) else [],
            )
        )
    return out


def _sparse(places: int, *highest: int) -> st.SearchStrategy[Any]:
    if not places:
        return st.just([])
    entry = st.tuples(st.integers(0, places - 1), *(st.integers(1, high) for high in highest))
    return st.lists(entry, max_size=3)


@st.composite
def ranges(draw: st.DrawFn, low: int = 0, high: int = bounds.SEQ) -> list[tuple[int, int]]:
    points = sorted(draw(st.sets(st.integers(low, high), max_size=8)))
    return [(first, end) for first, end in zip(points[0::2], points[1::2], strict=False)]


events = st.builds(messages.Event, signal=signal, up=st.booleans(), at_ms=ms, cause=text)
acks = st.builds(
    messages.Ack,
    server=token,
    time_ms=ms,
    epoch=st.just("") | token,
    settled=ranges(),
    complete_from=st.integers(0, bounds.SEQ),
    nonce=st.integers(0, 2**53),
)


@st.composite
def presences(draw: st.DrawFn) -> messages.Presence:
    lowest, upcoming = sorted(draw(st.lists(st.integers(0, bounds.SEQ), min_size=2, max_size=2)))
    return messages.Presence(
        online=draw(st.booleans()),
        epoch=draw(token),
        hardware=draw(st.just("") | token),
        boot=draw(st.just("") | token),
        lowest=lowest,
        next=upcoming,
        gaps=draw(ranges(lowest, upcoming)),
        nonce=draw(st.integers(0, 2**53)),
        keepalive=draw(st.integers(1, 3_600)),
        clock=draw(st.sampled_from(["none", "kernel", "server", "trust"])),
        revision=draw(st.just("") | token),
        version=draw(text),
        settled=draw(st.integers(0, upcoming)),
    )


configs = st.builds(
    messages.Config,
    revision=st.integers(0, 2**53),
    server=st.just("") | token,
    report_minutes=st.integers(1, 60),
    keepalive=st.integers(5, 600),
    devices=st.lists(
        st.builds(
            messages.WatchedDevice,
            id=ident,
            address=text,
            name=text,
            kind=text,
            room=text,
            port=st.integers(0, 65_535),
            behind=signal,
        ),
        max_size=3,
        unique_by=lambda device: device.id,
    ),
    services=st.lists(
        st.builds(messages.WatchedService, id=ident, url=text), max_size=3, unique_by=lambda service: service.id
    ),
)
commands = st.builds(
    lambda do, epoch, seqs, revision: messages.Command(do, epoch, seqs[0], seqs[1], revision),
    do=st.sampled_from(["check_now", "send_again", "inventory", "identify"]),
    epoch=st.just("") | token,
    seqs=st.tuples(st.integers(0, bounds.SEQ), st.integers(0, bounds.SEQ)).map(sorted),
    revision=st.just("") | token,
)
