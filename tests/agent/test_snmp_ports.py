"""Ports and system as devices really fill the tables: hand-made rows, and the shared recordings with their facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.agent import snmprec

from schoolbeat_agent.snmp import host_resources, interfaces, system
from schoolbeat_agent.snmp.interfaces import (
    IF_DESCR,
    IF_NAME,
    Port,
    chosen,
    counts,
    missing,
    parse,
    speed_bps,
    up_count,
)
from schoolbeat_agent.snmp.rates import Count
from schoolbeat_agent.snmp.rows import Rows
from schoolbeat_wire import bounds

SHARED = Path(__file__).resolve().parents[3] / "shared" / "material" / "snmp"
FACTS = sorted((SHARED / "facts").glob("*.json"))
needs_shared = pytest.mark.skipif(not FACTS, reason="no ../shared/material/snmp in a fresh clone")


def table(*rows: dict[str, Any]) -> Rows:
    """{"index": 1, "2": b"eth0", "x1": b"eth0"}: columns of ifTable, and of ifXTable with an x."""
    return {
        f"{interfaces.IFX_TABLE if key[0] == 'x' else interfaces.IF_TABLE}.{key.lstrip('x')}.{row['index']}": value
        for row in rows
        for key, value in row.items()
        if key != "index"
    }


@pytest.mark.parametrize(
    ("if_speed", "if_high_speed", "expected"),
    [
        (10**8, 100, 10**8),
        (2**32 - 1, 10_000, 10**10),
        (2**32 - 1, None, None),
        (2**32 - 1, 0, None),
        (10**9, 0, 10**9),  # an up port whose ifHighSpeed is 0
        (0, 0, None),
        (None, None, None),
        (10**7, 1_000, 10**9),  # an ifSpeed that was never filled in
        (64_000, 0, 64_000),
        (2_500_500, 2, 2_500_500),
        (10**8, 2**32 - 1, 10**8),
        (-1, -1, None),
    ],
)
def test_the_speed_of_a_port_is_what_both_objects_can_mean(
    if_speed: int | None, if_high_speed: int | None, expected: int | None
) -> None:
    assert speed_bps(if_speed, if_high_speed) == expected


def test_a_row_is_read_whole_and_what_is_missing_is_not_known() -> None:
    rows = table(
        {
            "index": 70_001,
            "2": b"Gi 1",
            "8": 7,
            "10": 5,
            "16": 2**32,
            "x6": 2**40,
            "x10": 3,
            "14": 9,
            "x1": b"g\xc3\xb4 1",
        },
        {"index": 3, "8": 1},
    )

    assert parse(rows) == (
        Port(3, status="up"),
        Port(
            70_001,
            name="gô 1",
            descr="Gi 1",
            status="lowerLayerDown",
            rx=Count(2**40, 64),
            tx=Count(3, 64),
            rx_errors=9,
        ),
    )


def test_64_bit_counters_that_stand_at_zero_while_the_others_move_are_not_believed() -> None:
    rows = table({"index": 1, "10": 700, "16": 0, "x6": 0, "x10": 0})

    assert counts(rows, 1) == (Count(700, 32), Count(0, 32))


def test_a_name_of_other_letters_or_control_characters_is_readable() -> None:
    assert interfaces.decoded(b"Ph\xc3\xb2ng 3\0") == "Phòng 3"
    assert interfaces.decoded(b"caf\xe9\x07 x") == "café  x"
    assert interfaces.decoded(b"\0" * 9) == ""
    assert interfaces.decoded(17) == ""


def test_ports_are_chosen_by_name_and_each_has_a_subject_of_its_own() -> None:
    ports = [
        Port(1, name="ether1", descr="uplink"),
        Port(2, descr="LAN"),
        Port(3, descr="LAN"),
        Port(4),
        Port(5, name="wan: ISP (eth1)"),
        Port(6, name="not asked"),
        Port(7, name="if4x", descr="wan: ISP (eth1)"),
    ]

    found = chosen(ports, ["uplink", "LAN", "if4", "wan: ISP (eth1)"], "device.r1")

    assert {subject: port.index for subject, port in found.items()} == {
        "device.r1.uplink": 1,
        "device.r1.LAN-2": 2,
        "device.r1.LAN-3": 3,
        "device.r1.if4": 4,
        "device.r1.wan%3A%20ISP%20%28eth1%29": 5,
    }
    assert all(bounds.SUBJECT.fullmatch(subject) for subject in found)


def test_a_name_that_no_port_has_now_is_missed() -> None:
    assert not missing([Port(1, name="a"), Port(2, descr="b")], ["a", "b", "if2"])
    assert missing([Port(1, name="a")], ["a", "pppoe-out1"])


def test_ports_up_are_those_that_say_up_and_nothing_is_said_where_none_tells() -> None:
    assert up_count(table({"index": 1, "8": 1}, {"index": 2, "8": 7}, {"index": 3, "8": 4})) == 1
    assert up_count(table({"index": 1, "2": b"eth0"})) is None


def test_a_device_without_sys_uptime_is_timed_by_its_engine_or_its_host() -> None:
    assert system.parse({}) == system.System("", "", "", None)
    assert system.parse({system.SYS_UPTIME: 5, system.ENGINE_TIME: 9})[2:] == (system.SYS_UPTIME, 5)
    assert system.parse({system.ENGINE_TIME: 9, system.HOST_UPTIME: 1})[2:] == (system.ENGINE_TIME, 900)
    assert system.parse({system.SYS_UPTIME: b"x", system.HOST_UPTIME: 7})[2:] == (system.HOST_UPTIME, 7)


def storage(index: int, kind: str, descr: bytes, units: int, size: int, used: int) -> dict[str, snmprec.Value]:
    columns = (
        host_resources.TYPE,
        host_resources.DESCR,
        host_resources.UNITS,
        host_resources.SIZE,
        host_resources.USED,
    )
    return {f"{column}.{index}": value for column, value in zip(columns, (kind, descr, units, size, used), strict=True)}


def test_memory_and_storage_leave_out_caches_and_rows_that_make_no_sense() -> None:
    rows = {
        **storage(1, host_resources.RAM, b"Physical memory", 1_024, 1_000, 900),
        **storage(7, "1.3.6.1.2.1.25.2.1.1", b"Cached memory", 1_024, 1_000, 400),
        **storage(31, host_resources.FIXED_DISK, b"/", 4_096, 100, 50),
        **storage(32, host_resources.FIXED_DISK, b"/big", 4_096, -2_000_000, 5),
        **storage(33, host_resources.FIXED_DISK, b"/odd", 4_096, 10, 50),
        f"{host_resources.PROCESSOR_LOAD}.196608": 10,
        f"{host_resources.PROCESSOR_LOAD}.196609": 30,
    }

    assert host_resources.readings(rows, "device.x") == {
        ("device.x", "cpu_percent"): 20,
        ("device.x", "memory_used_percent"): 50,
        ("device.x", "storage_used_percent"): 50,
    }


def test_what_the_kernel_would_give_back_is_not_used_memory() -> None:
    memory = {host_resources.TOTAL: 1_000, host_resources.FREE: 100}

    assert host_resources.net_snmp_memory_percent(memory) == 90
    assert host_resources.net_snmp_memory_percent({**memory, host_resources.CACHED: 400}) == 50
    assert host_resources.net_snmp_memory_percent({**memory, host_resources.FREE: 2_000}) is None
    assert host_resources.net_snmp_memory_percent({}) is None


def test_an_impossible_load_makes_the_mean_unknown() -> None:
    rows = {f"{host_resources.PROCESSOR_LOAD}.1": 10, f"{host_resources.PROCESSOR_LOAD}.2": 65_535}

    assert host_resources.readings(rows, "device.x") == {}


# --- recordings of real devices ------------------------------------------------------------------------------------


def expected_port(fact: dict[str, Any]) -> Port:
    """From the facts file alone."""

    def said(key: str) -> str:
        return " ".join("".join(c if c.isprintable() else " " for c in fact.get(key, "")).split())

    high, low = fact.get("ifHighSpeed"), fact.get("ifSpeed")
    speed = high * 10**6 if high else low if low and low < 2**32 - 1 else None
    if high and low and low // 10**6 == high:
        speed = low
    both = {way: (fact.get(f"ifHC{way}Octets"), fact.get(f"if{way}Octets")) for way in ("In", "Out")}
    only_low = all(not wide for wide, _ in both.values()) and any(narrow for _, narrow in both.values())

    def octets(way: str) -> Count | None:
        wide, narrow = both[way]
        if wide is not None and not only_low:
            return Count(wide, 64)
        return None if narrow is None else Count(narrow, 32)

    return Port(
        index=fact["ifIndex"],
        name=said("ifName"),
        descr=said("ifDescr"),
        alias=said("ifAlias"),
        type=fact.get("ifType"),
        # a number that the standard does not have says nothing
        status=status if isinstance(status := fact.get("ifOperStatus"), str) else "",
        speed_bps=speed,
        rx=octets("In"),
        tx=octets("Out"),
        rx_errors=fact.get("ifInErrors"),
        tx_errors=fact.get("ifOutErrors"),
        rx_discards=fact.get("ifInDiscards"),
        tx_discards=fact.get("ifOutDiscards"),
    )


@needs_shared
@pytest.mark.parametrize("facts", FACTS, ids=lambda path: path.stem)
def test_every_row_of_a_recording_is_read_as_its_facts_say(facts: Path) -> None:
    fact = json.loads(facts.read_text("utf-8"))
    rows = snmprec.rows(snmprec.load(SHARED / "recordings" / f"{facts.stem}.snmprec"))

    ports = parse(rows)
    said = system.parse(rows)

    assert [plain(port) for port in ports] == [expected_port(row) for row in fact["interfaces"]]
    assert sum(port.status == "up" for port in ports) == (up_count(rows) or 0) == fact["oper_up"]
    assert said.object_id == (fact["sysObjectID"] or "")
    assert said.descr.split() == (fact["sysDescr"] or "").split()
    assert rows.get(system.SYS_UPTIME) == (fact["sysUpTime"] if isinstance(fact["sysUpTime"], int) else None)
    assert {oid.rpartition(".")[0] for oid in rows if oid.startswith((f"{IF_DESCR}.", f"{IF_NAME}."))} <= {
        IF_DESCR,
        IF_NAME,
    }


def plain(port: Port) -> Port:
    """With single spaces, as the facts are compared."""
    names = {key: " ".join(getattr(port, key).split()) for key in ("name", "descr", "alias")}
    return Port(**{key: names.get(key, getattr(port, key)) for key in Port.__slots__})
