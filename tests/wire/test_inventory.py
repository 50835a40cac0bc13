"""Inventories survive the journey, are named by their content, and are checked before they are believed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.wire import wire_strategies

from schoolbeat_wire import codec, inventory
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Column, Device, Inventory


@given(wire_strategies.inventories())
def test_an_inventory_arrives_as_it_was_sent(sent: Inventory) -> None:
    assert inventory.decode(inventory.encode(sent)) == sent


@given(wire_strategies.inventories(), wire_strategies.inventories())
def test_the_revision_names_the_content(a: Inventory, b: Inventory) -> None:
    assert inventory.with_revision(a) == a
    assert (a.revision == b.revision) == (a == b)


def test_fields_that_nobody_knows_yet_are_ignored() -> None:
    plain = b'{"revision":"00112233","signals":["lan.router"],"colour":{"of":["tomorrow",1e9]}}'

    assert inventory.decode(codec.deflate(plain)) == Inventory(revision="00112233", signals=["lan.router"])


def sample(**changes: Any) -> Inventory:
    return msgspec.structs.replace(Inventory(revision="00112233", signals=["lan.router"]), **changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revision": ""}, "name"),
        ({"signals": [f"device.{i}" for i in range(1_001)]}, "count"),
        ({"signals": ["lan.router", "lan.router"]}, "shape"),
        ({"signals": ["line.moon"]}, "unknown"),
        ({"signals": ["device."]}, "name"),
        ({"signals": ["device.a b"]}, "name"),
        ({"signals": ["device." + "a" * 97]}, "name"),
        ({"columns": [Column("beauty", [])]}, "unknown"),
        ({"columns": [Column("rtt_ms", [])] * 201}, "count"),
        ({"columns": [Column("rtt_ms", [f"device.{i}" for i in range(1_001)])]}, "count"),
        ({"columns": [Column("rtt_ms", ["host", "host"])]}, "shape"),
        ({"columns": [Column("rtt_ms", ["host"]), Column("rtt_ms", ["host"], sparse=True)]}, "shape"),
        ({"columns": [Column("rtt_ms", ["a" * 33])]}, "name"),
        ({"probes": ["path"] * 201}, "count"),
        ({"probes": ["Path!"]}, "name"),
        ({"devices": [Device("a"), Device("a")]}, "shape"),
        ({"devices": [Device("a", room="phòng\n1")]}, "text"),
        ({"devices": [Device("a", name="tên\u202e")]}, "text"),
        ({"devices": [Device("a", name="a" * 201)]}, "text"),
        ({"devices": [Device("a", behind="device.a")]}, "shape"),
        ({"devices": [Device("a", behind="device.b"), Device("b", behind="device.a")]}, "shape"),
        ({"behind": {"line.isp": "lan.router", "lan.router": "line.isp"}}, "shape"),
        ({"behind": {"line.isp": "router"}}, "name"),
        ({"version": "1\x00"}, "text"),
    ],
)
def test_an_inventory_out_of_bounds_is_refused(changes: dict[str, Any], reason: str) -> None:
    payload = inventory.encode(sample(**changes))

    with pytest.raises(WireError) as refusal:
        inventory.decode(payload)

    assert refusal.value.reason == reason


def test_a_vietnamese_wifi_name_of_full_length_fits_a_signals_name() -> None:
    signal = "wifi." + "%E1%BA%BF" * 10 + "%61%62"

    assert inventory.decode(inventory.encode(sample(signals=[signal]))).signals == [signal]
