"""A school's LAN is discovered: every device, none of a wrong kind, soon and at little cost; and once more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from schoolbeat_agent.discovery.differences import differences
from schoolbeat_agent.discovery.found import Found, device_id
from schoolbeat_agent.settings import Device
from schoolbeat_agent.texts import Text
from tests.agent.probe_fakes import need_namespaces
from tests.e2e.school_lan import NETWORK, RECORDINGS, SITE_KEY, Machine, SchoolLan, mac, school

pytestmark = pytest.mark.namespaces

# These say too little of themselves: a wrong guess would be worse than none. The second only by its own few rows.
SILENT = (11, 12, 16)


def as_found(entry: dict[str, Any]) -> Found:
    reasons = tuple(Text(**reason) for reason in entry.pop("reasons"))
    return Found(**(entry | {"reasons": reasons, "interfaces": tuple(entry["interfaces"])}))


def discovered(lan: SchoolLan) -> tuple[list[Found], dict[str, Any]]:
    told = lan.discovered()
    percent = 100 * told["cpu_seconds"] / told["seconds"]
    print(f"\n{len(told['found'])} devices in {told['seconds']:.1f} s, {percent:.1f} % of one core")
    return [as_found(entry) for entry in told["found"]], told


@pytest.fixture(scope="module", params=["rows written here", "recordings of real devices"])
def seen(request: pytest.FixtureRequest) -> tuple[bool, list[Machine], list[Found], dict[str, Any]]:
    """Whether SNMP answers were real ones, what stands there, what was found, and what that cost."""
    need_namespaces()
    real: bool = request.param.startswith("recordings")
    if real and not RECORDINGS.is_dir():
        pytest.skip(f"no recordings in {RECORDINGS}")
    with SchoolLan(school(real)) as lan:
        return real, lan.machines, *discovered(lan)


Seen = tuple[bool, list[Machine], list[Found], dict[str, Any]]


def test_all_are_found_none_of_a_wrong_kind_in_a_minute(seen: Seen) -> None:
    real, machines, found, told = seen

    assert [one.address for one in found] == [machine.address for machine in machines]
    unsure = {*SILENT, *(() if real else (13,))}
    expected = {machine.address: "other" if machine.last in unsure else machine.kind for machine in machines}
    assert {one.address: one.kind for one in found} == expected
    assert all((one.confidence >= 50) == (one.kind != "other") and one.reasons for one in found)
    assert told["seconds"] < 60
    assert told["cpu_seconds"] < told["seconds"]
    assert told["heavy"] == []
    assert told["steps"][-1]["done"] == told["steps"][-1]["all"] == len(found)


def test_each_is_known_by_its_mac_and_asked_as_it_can_be(seen: Seen) -> None:
    real, machines, found, _ = seen

    assert {one.address: (one.identity, one.id) for one in found} == {
        machine.address: (f"mac {machine.mac}", device_id(SITE_KEY, f"mac {machine.mac}")) for machine in machines
    }
    of = {int(one.address.rpartition(".")[2]): one for one in found}
    assert {last: (one.ask, one.port, one.profile, one.snmp) for last, one in of.items()} == {
        **dict.fromkeys((1, 2, 3, 4, 8, 9, 13), ("", 0, "", "school")),
        **dict.fromkeys((10, 11, 12, 15, 16), ("", 0, "", "")),
        5: ("pjlink", 4352, "", ""),
        **dict.fromkeys((6, 7), ("rtsp", 554, "", "")),
        14: ("display", 9761, "lg", ""),
        17: ("display", 4660, "benq-board", ""),
    }
    # Of the camera without a password the stream is known at once.
    assert (of[6].stream, of[7].stream) == ("", "/cam/realmonitor?channel=1&subtype=0")
    assert [of[last].name for last in (10, 11, 12)] == ["", "", ""], "people name their machines after themselves"
    if not real:
        assert (of[1].interfaces, of[2].interfaces) == (("pppoe-out1",), ("gigabitEthernet 1/0/17",))
        assert [of[last].name for last in (1, 2, 5)] == ["cong-truong", "sw-tang-1", "Phòng 7A1"]


def test_a_new_card_finds_the_same_ids_and_only_what_changed_is_shown() -> None:
    need_namespaces()
    at_first = [machine for machine in school(False) if machine.last in (1, 5, 6, 10)]
    with SchoolLan(at_first) as lan:
        before, _ = discovered(lan)
        inventory = [Device(one.id, one.address, kind=one.kind) for one in before]
        # The same devices seen from another card: nothing is different.
        again, _ = discovered(lan)
        unchanged = differences(inventory, again)
        lan.switch_off(5)
        lan.switch_on(replace(at_first[1], mac=mac(55, "dc:d2:fc"), projector=at_first[1].projector))
        lan.switch_off(6)
        lan.switch_on(replace(at_first[2], address=f"{NETWORK}.66"))
        lan.switch_off(10)
        lan.switch_on(Machine(20, "computer", mac(20, "f8:b1:56"), tcp={3389: None, 445: None}))
        # As a minute later: the kernel still lists the silent one, but no longer without asking.
        lan.ip(lan.gateway, f"neigh change {NETWORK}.10 nud stale dev eth0")
        after, _ = discovered(lan)

    assert not unchanged
    ids = {one.address: one.id for one in before}
    changes = differences(inventory, after)
    assert [(one.address, one.kind) for one in changes.new] == [
        (f"{NETWORK}.5", "projector"),
        (f"{NETWORK}.20", "computer"),
    ]
    assert [device.address for device in changes.gone] == [f"{NETWORK}.5", f"{NETWORK}.10"]
    assert [(was.address, now.address, now.id) for was, now in changes.moved] == [
        (f"{NETWORK}.6", f"{NETWORK}.66", ids[f"{NETWORK}.6"])
    ]
