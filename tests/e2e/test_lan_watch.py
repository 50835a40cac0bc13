"""Strangers and faults on a real LAN of namespaces, seen by the probe `lan` as the agent runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.agent.probe_fakes import need_namespaces
from tests.e2e.school_lan import NETWORK, Machine, SchoolLan, mac, offers_addresses

pytestmark = pytest.mark.namespaces

ROUTER = Machine(1, "router", mac(1, "48:a9:8a"), udp={67: offers_addresses(f"{NETWORK}.1")})
COMPUTERS = [Machine(last, "computer", mac(last, "f8:b1:56")) for last in (10, 11)]

# One run of the probe, with what earlier ones kept; as in the agent, in a process of its own.
RUN = """
import asyncio, json, sys
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes import lan
from schoolbeat_agent.probes.world import Memory, World

world = World(memory=Memory(kept=json.load(sys.stdin)))
told = {}
try:
    seen = asyncio.run(lan.probe(lan.LanTarget(sys.argv[1], seconds=7), world))
    told["readings"] = {f"{subject} {reading}": value for (subject, reading), value in seen.readings.items()}
    told["else"] = [seen.states, seen.notes, seen.causes]
except ProbeFailed as failed:
    told["failed"] = [failed.cause, failed.detail]
told |= {"kept": world.memory.kept, "heavy": sorted(set(sys.modules) & {"scapy", "zeroconf"})}
json.dump(told, sys.stdout)
"""


def run(lan: SchoolLan, kept: dict[str, str], interface: str = "eth0", *before: str) -> dict[str, Any]:
    done = subprocess.run(
        ["ip", "netns", "exec", lan.gateway, *before, sys.executable, "-c", RUN, interface],
        input=json.dumps(kept),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def lan() -> Iterator[SchoolLan]:
    need_namespaces()
    with SchoolLan([ROUTER, *COMPUTERS]) as lan:
        yield lan


def test_a_second_dhcp_server_a_doubled_address_another_router_and_a_stranger_are_counted(lan: SchoolLan) -> None:
    quiet = run(lan, {})

    assert quiet["readings"] == {"lan dhcp_servers": 1, "lan addresses_duplicate": 0, "lan devices_seen": 3}
    assert quiet["else"] == [{}, {}, {}]

    lan.switch_off(1)
    lan.switch_on(replace(ROUTER, mac=mac(99, "48:a9:8a")))
    lan.switch_on(Machine(40, "router", mac(40, "14:cc:20"), udp={67: offers_addresses(f"{NETWORK}.40")}))
    lan.switch_on(Machine(41, "phone", "8e:11:22:33:44:29", address=f"{NETWORK}.10"))
    troubled = run(lan, quiet["kept"])

    assert troubled["readings"] == {
        "lan dhcp_servers": 2,
        "lan addresses_duplicate": 1,
        "lan gateway_changed": 1,
        "lan devices_seen": 5,
        "lan devices_new": 3,  # another router, the second DHCP server, who took the computer's address
    }

    lan.switch_off(40)
    lan.switch_off(41)
    after = run(lan, troubled["kept"])

    assert after["readings"] == {
        "lan dhcp_servers": 1,
        "lan addresses_duplicate": 0,
        "lan gateway_changed": 0,
        "lan devices_seen": 3,
        "lan devices_new": 0,
    }
    assert after["kept"] == troubled["kept"], "nothing new: nothing is written to the memory card"
    everything = json.dumps([quiet, troubled, after])
    assert not any(machine.mac[9:] in everything for machine in (ROUTER, *COMPUTERS)), "no MAC leaves the child"
    assert quiet["heavy"] == troubled["heavy"] == after["heavy"] == [], "scapy stays in the child"


def test_a_real_dhcp_server_and_our_own_address_held_by_another_are_counted(lan: SchoolLan) -> None:
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed (Debian: dnsmasq-base)")
    lan.switch_on(Machine(42, "computer", mac(42, "f8:b1:56"), address=f"{NETWORK}.200"))
    command = (
        f"dnsmasq --no-daemon --conf-file=/dev/null --port=0 --interface=eth0 --dhcp-range={NETWORK}.50,{NETWORK}.60,2m"
    )
    inside = [
        "ip",
        "netns",
        "exec",
        f"{lan.prefix}m10",
        *command.split(),
        "--leasefile-ro",
        "--no-ping",
        "--log-facility=-",
    ]
    server = subprocess.Popen(inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        told = run(lan, {})
    finally:
        server.terminate()
        server.wait(10)

    assert told["readings"] == {"lan dhcp_servers": 2, "lan addresses_duplicate": 1, "lan devices_seen": 5}


def test_it_says_why_it_cannot_look(lan: SchoolLan) -> None:
    unprivileged = run(lan, {}, "eth0", "setpriv", "--bounding-set=-net_raw")
    no_interface = run(lan, {}, "eth7")

    assert [told["failed"] for told in (unprivileged, no_interface)] == [
        [
            "no_permission",
            "raw sockets are not allowed; give the agent AmbientCapabilities=CAP_NET_RAW in its systemd unit",
        ],
        ["not_configured", "lan.watch = 'eth7': there is no such interface with an IPv4 address"],
    ]
    assert unprivileged["kept"] == no_interface["kept"] == {}
