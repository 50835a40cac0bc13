"""What discovery reads, from text as machines give it; the whole of it runs in tests/e2e/test_discovery.py."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent.cameras.discovery import Identity
from schoolbeat_agent.cameras.ws_discovery import Hello
from schoolbeat_agent.discovery import asking, lans, leases, mdns, neighbours, netbios, oui, snmp_facts, ssdp, visits
from schoolbeat_agent.discovery.asking import Asking
from schoolbeat_agent.discovery.differences import Differences, differences, with_registered_ids
from schoolbeat_agent.discovery.discover import devices, discover, found_of, identity_of, is_silent
from schoolbeat_agent.discovery.evidence import Evidence, OnvifFacts, PjlinkFacts, SnmpFacts, WebPage
from schoolbeat_agent.discovery.found import Found, device_id
from schoolbeat_agent.discovery.hearing import Heard, onvif_facts
from schoolbeat_agent.discovery.lans import Lan
from schoolbeat_agent.discovery.sweep import Swept, addresses_of
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Device

KEY = bytes(range(32))
A, B = "24:71:21:a3:7e:fc", "00:0c:29:11:22:33"
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         24:71:21:A3:7E:FC     *        eth0
192.168.1.7      0x1         0x0         00:00:00:00:00:00     *        eth0
192.168.1.8      0x1         0x2         00:00:00:00:00:00     *        eth0
192.168.1.9      0x1         0x6         00:0c:29:11:22:33     *        eth0
192.168.1.10     0x1         0x0         00:0c:29:11:22:34     *        eth0
nonsense
"""
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t0105530A\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0005530A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
"""


def found(device: str, address: str) -> Found:
    return Found(device, address, f"mac {A}", "other", 5, ())


# --- who is there ------------------------------------------------------------------------------------------------


def test_the_neighbour_table_tells_who_answered() -> None:
    assert neighbours.parse_arp(ARP) == {"192.168.1.1": A, "192.168.1.9": B}
    assert neighbours.parse_arp("") == {}


def test_made_up_macs_are_known_by_their_bit() -> None:
    assert [neighbours.is_random(mac) for mac in ("8e:11:22:33:44:55", A, "")] == [True, False, False]


def test_a_mac_of_many_addresses_answers_for_others() -> None:
    macs = {f"10.0.0.{last}": A for last in range(1, 5)} | {"10.0.0.9": B, "10.0.0.10": B}

    assert neighbours.speaks_for_others(macs) == {A}


def test_the_default_route_is_the_one_of_the_smallest_metric() -> None:
    assert lans.parse_default_route(ROUTES) == ("eth0", "10.83.5.1")
    assert lans.parse_default_route("Iface\n") == ("", "")


@dataclass
class Address:
    """As psutil has it."""

    family: int
    address: str
    netmask: str | None = None


def test_only_this_machines_private_lans_are_proposed_a_large_one_in_part() -> None:
    every = {
        "lo": [Address(socket.AF_INET, "127.0.0.1", "255.0.0.0")],
        "eth0": [Address(socket.AF_INET, "192.168.1.20", "255.255.255.0"), Address(socket.AF_INET6, "fe80::1", None)],
        "eth1": [
            Address(socket.AF_INET, "10.1.2.3", "255.0.0.0"),
            Address(socket.AF_INET, "113.160.1.2", "255.255.255.0"),
        ],
        "wlan0": [Address(socket.AF_INET, "192.168.7.1", "255.255.255.0")],
        "tun0": [Address(socket.AF_INET, "172.16.0.5", "255.255.255.255")],
    }

    proposed = lans.proposed(lans.interface_addresses(every, {"lo", "eth0", "eth1", "tun0"}))

    assert proposed == [
        Lan("eth0", IPv4Address("192.168.1.20"), IPv4Network("192.168.1.0/24")),
        Lan("eth1", IPv4Address("10.1.2.3"), IPv4Network("10.1.0.0/22")),
    ]


def test_each_address_is_asked_once_and_our_own_never() -> None:
    networks = [IPv4Network("10.0.0.0/30"), IPv4Network("10.0.0.0/29")]

    assert addresses_of(networks, ["10.0.0.2"]) == [f"10.0.0.{last}" for last in (1, 3, 4, 5, 6)]


def test_a_network_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/8 is larger than a /22"):
        asyncio.run(discover([IPv4Network("10.0.0.0/8")], World(), site_key=KEY, credentials={}))


def test_of_several_addresses_with_one_mac_one_device_is_made() -> None:
    inside = [IPv4Network("10.0.0.0/24")]
    swept = Swept(
        {"10.0.0.1": A, "10.0.0.5": A, "10.0.0.7": B, "10.0.0.8": B},
        frozenset({"10.0.0.5", "10.0.0.1", "10.0.0.8", "10.0.0.30"}),
    )

    there = devices(swept, Heard(ssdp={"10.0.0.40": ("x",), "10.9.9.9": ("x",)}), inside, ["10.0.0.30"], "10.0.0.5")

    # The router's by the route; of B's the one that answers; what only SSDP saw; not our own, not of other networks.
    assert there == ["10.0.0.5", "10.0.0.8", "10.0.0.40"]


def test_where_one_answers_for_others_only_those_that_answer_themselves_are_there() -> None:
    swept = Swept({f"10.0.0.{last}": A for last in range(1, 9)}, frozenset({"10.0.0.1", "10.0.0.3"}))

    assert devices(swept, Heard(), [IPv4Network("10.0.0.0/24")], [], "10.0.0.1") == ["10.0.0.1", "10.0.0.3"]


# --- what they say -----------------------------------------------------------------------------------------------


def test_a_web_page_is_read_for_its_title_server_and_realm() -> None:
    answer = (
        b'HTTP/1.1 401 Unauthorized\r\nServer: App-webs/\r\nWWW-Authenticate: Basic realm="DS-7608NI"\r\n\r\n'
        b"<HTML><head><TITLE >\n  \xc4\x90\xe1\xba\xa7u ghi &amp; m\xe1\xba\xa1ng </TITLE><script src=hikvision.js>"
    )

    assert visits.parse_page(80, answer) == WebPage(
        80, 401, "App-webs/", "DS-7608NI", "Đầu ghi & mạng", "", ("hikvision",)
    )
    assert visits.parse_page(80, b"SSH-2.0-dropbear\r\n") is None


@given(st.binary(max_size=400))
def test_whatever_a_service_sends_is_read_without_harm(data: bytes) -> None:
    visits.parse_page(80, data)
    visits.parse_page(80, b"HTTP/1.0 200 OK\r\n" + data)
    ssdp.parse(b"HTTP/1.1 200 OK\r\n" + data)
    assert len(visits.clean(data)) <= visits.LETTERS
    assert not any(ord(letter) < 32 for letter in visits.clean(data))


def test_a_server_that_never_ends_is_left_after_its_bound() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def flood() -> None:
            sock, _ = server.accept()
            try:
                sock.sendall(b"HTTP/1.0 200 OK\r\n\r\n<title>x</title>" + bytes(50_000_000))
            except OSError:
                sock.close()

        thread = threading.Thread(target=flood)
        thread.start()
        page = asyncio.run(visits.web_page("127.0.0.1", server.getsockname()[1]))
        thread.join()

    assert page == WebPage(server_port(page), 200, title="x")


def server_port(page: WebPage | None) -> int:
    assert page is not None
    return page.port


def test_ssdp_answers_tell_type_and_server_and_no_name() -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nST: urn:schemas-upnp-org:device:MediaRenderer:1\r\nSERVER: Linux/4 UPnP/1.0 TV/1\r\n"
        b"USN: uuid:1::x\r\nFRIENDLYNAME: TV cua co Lan\r\n\r\n"
    )

    assert ssdp.parse(answer) == ("urn:schemas-upnp-org:device:MediaRenderer:1", "Linux/4 UPnP/1.0 TV/1")
    assert ssdp.parse(b"NOTIFY * HTTP/1.1\r\nST: x\r\n\r\n") == ()
    assert ssdp.parse(b"HTTP/1.1 200 OK\r\nST: uuid:5f9ec1b3\r\n\r\n") == ()


def test_only_those_that_answer_netbios_properly_are_counted() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))

        assert asyncio.run(netbios.answering(["127.0.0.77"], 0.05)) == set()
    assert len(netbios.QUESTION) == 50


def test_mdns_keeps_service_types_and_model_and_no_name() -> None:
    text = json.dumps({"10.0.0.9": {"services": ["_ipp._tcp"], "model": "HP LaserJet", "name": "Máy in cô Hoa"}})

    assert mdns.parse(text) == {"10.0.0.9": mdns.Offered(("_ipp._tcp",), "HP LaserJet")}
    assert mdns.model_of({b"ty": b"HP LaserJet", b"note": b"phong 3"}) == "HP LaserJet"
    for bad in ("", "[]", '{"a": 5}'):
        with pytest.raises(ValueError):  # noqa: PT011
            mdns.parse(bad)


def test_makers_are_looked_up_in_debians_file(tmp_path: Path) -> None:
    file = tmp_path / "oui.txt"
    file.write_text(
        "24-71-21   (hex)\t\tHangzhou Hikvision\n247121     (base 16)\t\tHangzhou Hikvision\n\t\t\t\tHangzhou\n"
        "000C29     (base 16)\t\tVMware, Inc.\n"
    )

    assert oui.makers([A, B, "aa:bb:cc:00:00:00"], [tmp_path / "absent", file]) == {
        A: "Hangzhou Hikvision",
        B: "VMware, Inc.",
    }
    assert oui.makers([A], [tmp_path / "absent"]) == {}


def test_lease_files_name_who_gave_the_address(tmp_path: Path) -> None:
    (tmp_path / "2").write_text("ADDRESS=10.0.0.7\nSERVER_ADDRESS=10.0.0.1\n")
    (tmp_path / "dhclient.eth0.leases").write_text("lease {\n  option dhcp-server-identifier 10.0.0.2;\n}\n")

    assert leases.dhcp_servers([tmp_path, tmp_path / "absent"]) == {"10.0.0.1", "10.0.0.2"}


def test_onvif_scopes_become_facts() -> None:
    hello = Hello(
        "10.0.0.6",
        ("http://10.0.0.6:8899/onvif/device_service",),
        (
            "onvif://www.onvif.org/hardware/DS-2CD",
            "onvif://www.onvif.org/name/C%E1%BB%95ng",
            "onvif://www.onvif.org/type/NVT",
        ),
        ("NetworkVideoTransmitter",),
        "urn:uuid:2419d68a-2dd2-11b2-a205-247121a37efc",
    )

    assert onvif_facts(hello) == OnvifFacts(("NetworkVideoTransmitter",), "Cổng", "DS-2CD", ("NVT",), 8899, A)


# --- SNMP --------------------------------------------------------------------------------------------------------

NAMES = {
    f"1.3.6.1.2.1.31.1.1.1.1.{index}": name.encode() for index, name in enumerate(("ether1", "lan", "pppoe-out1"), 1)
}
OLD_NAMES = {f"1.3.6.1.2.1.2.2.1.2.{index}": name.encode() for index, name in enumerate(("LAN", "WAN1"), 1)}


@pytest.mark.parametrize(
    ("routes", "way_out"),
    [
        ({"1.3.6.1.2.1.4.24.4.1.5.0.0.0.0.0.0.0.0.0.10.1.1.1": 2}, "lan"),
        ({"1.3.6.1.2.1.4.24.7.1.7.1.4.0.0.0.0.0.2.0.0.1.4.10.1.1.1": 1}, "ether1"),
        ({"1.3.6.1.2.1.4.21.1.2.0.0.0.0": 3}, "pppoe-out1"),
        ({"1.3.6.1.2.1.4.21.1.2.0.0.0.0": 99}, "pppoe-out1"),  # no such interface: by its name
        ({}, "pppoe-out1"),
    ],
)
def test_the_way_out_is_the_default_routes_interface_else_the_one_called_so(
    routes: dict[str, int], way_out: str
) -> None:
    assert snmp_facts.way_out({**NAMES, **routes}) == way_out


def test_ports_without_names_go_by_their_description() -> None:
    assert snmp_facts.way_out(OLD_NAMES) == "WAN1"
    assert snmp_facts.way_out({}) == ""


# --- what is made of it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "evidence", "how"),
    [
        ("camera", Evidence("a", ports=frozenset({554, 80})), Asking("rtsp", 554)),
        (
            "camera",
            Evidence("a", video=Identity("camera", rtsp_port=8554, stream="/live")),
            Asking("rtsp", 8554, stream="/live"),
        ),
        ("recorder", Evidence("a", video=Identity("recorder", rtsp_port=554), answers_icmp=True), Asking()),
        ("camera", Evidence("a", onvif=OnvifFacts(port=8899)), Asking("onvif", 8899)),
        ("camera", Evidence("a", onvif=OnvifFacts(port=8899), answers_icmp=True), Asking()),
        ("projector", Evidence("a", pjlink=PjlinkFacts(True), ports=frozenset({4352})), Asking("pjlink", 4352)),
        ("board", Evidence("a", display="benq-board"), Asking("display", 4660, "benq-board")),
        ("television", Evidence("a", ports=frozenset({1515}), answers_icmp=True), Asking()),
        ("computer", Evidence("a", ports=frozenset({445, 3389})), Asking("tcp", 445)),
        ("phone", Evidence("a"), Asking()),
        ("router", Evidence("a", snmp=SnmpFacts("s", wan="pppoe-out1")), Asking("snmp", interfaces=("pppoe-out1",))),
        (
            "switch",
            Evidence("a", snmp=SnmpFacts("s", wan="vlan1", uplink="gi24"), answers_icmp=True),
            Asking(interfaces=("gi24",)),
        ),
        ("printer", Evidence("a", snmp=SnmpFacts("s", wan="eth0"), answers_icmp=True), Asking()),
    ],
)
def test_each_kind_is_asked_what_proves_most(kind: str, evidence: Evidence, how: Asking) -> None:
    assert asking.how(kind, evidence) == how


def test_what_a_device_is_known_by() -> None:
    snmp, beamer = SnmpFacts("s", serial="AS19"), PjlinkFacts(True, mac=B)

    assert [
        identity_of(Evidence("10.0.0.5", mac=A, snmp=snmp)),
        identity_of(Evidence("10.0.0.5", pjlink=beamer, snmp=snmp)),
        identity_of(Evidence("10.0.0.5", onvif=OnvifFacts(mac=A))),
        identity_of(Evidence("10.0.0.5", snmp=snmp)),
        identity_of(Evidence("10.0.0.5")),
    ] == [f"mac {A}", f"mac {B}", f"mac {A}", "serial AS19", "address 10.0.0.5"]


def test_an_id_is_of_the_sites_key_and_the_mac_alone() -> None:
    one = found_of(Evidence("10.0.0.5", mac=A), KEY)
    moved = found_of(Evidence("10.0.0.99", mac=A.upper(), ports=frozenset({80})), KEY)

    assert one.id == moved.id == device_id(KEY, f"mac {A}")
    assert found_of(Evidence("10.0.0.5", mac=B), KEY).id != one.id
    assert found_of(Evidence("10.0.0.5", mac=A), KEY[::-1]).id != one.id


def test_peoples_machines_stay_unnamed() -> None:
    computer = Evidence("a", mac=A, ports=frozenset({445, 3389}), netbios=True, snmp=SnmpFacts("s", name="PC-CO-LAN"))
    switch = Evidence("a", mac=A, snmp=SnmpFacts("s", "24-Port Gigabit Smart Switch", name="sw-tang-1"))

    assert [(one.kind, one.name) for one in (found_of(computer, KEY), found_of(switch, KEY))] == [
        ("computer", ""),
        ("switch", "sw-tang-1"),
    ]


def test_who_is_known_by_the_neighbour_table_alone_is_silent() -> None:
    only_listed = Evidence("a", mac=A, vendor="Dell", is_default_router=True)

    assert is_silent(only_listed)
    assert not is_silent(Evidence("a", mac=A, answers_icmp=True))
    assert not is_silent(Evidence("a", mac=A, mdns=("_ipp._tcp",)))


def test_differences_are_new_gone_and_moved() -> None:
    stays, gone, moves = ("0" * 12, "1" * 12, "2" * 12)
    before = [Device(stays, "10.0.0.1"), Device(gone, "10.0.0.2"), Device(moves, "10.0.0.3")]
    now = [found(stays, "10.0.0.1"), found(moves, "10.0.0.9"), found("3" * 12, "10.0.0.2")]

    assert differences(before, now) == Differences((now[2],), (before[1],), ((before[2], now[1]),))
    assert not differences(before, [found(device.id, device.address) for device in before])


def test_a_device_of_the_register_is_recognised_by_its_address() -> None:
    before = [Device("cam-cong", "10.0.0.6")]

    assert [one.id for one in with_registered_ids(before, [found("3" * 12, "10.0.0.6")])] == ["cam-cong"]
    assert not differences(before, [found("3" * 12, "10.0.0.6")])


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), unique_by=lambda pair: pair[0]), st.data())
def test_every_device_is_in_one_place_of_the_differences_at_most(
    before: list[tuple[int, int]], data: st.DataObject
) -> None:
    known = [Device(f"{number:012x}", f"10.0.0.{place}") for number, place in before]
    numbers = data.draw(st.lists(st.integers(0, 5), unique=True))
    now = [found(f"{number:012x}", f"10.0.0.{data.draw(st.integers(1, 5))}") for number in numbers]

    change = differences(known, now)

    new, gone = {one.id for one in change.new}, {device.id for device in change.gone}
    moved = {device.id for device, _ in change.moved}
    assert new == {one.id for one in now} - {device.id for device in known}
    assert gone == {device.id for device in known} - {one.id for one in now}
    assert not (moved & (new | gone))


def test_interfaces_without_an_address_are_left_out() -> None:
    assert lans.interface_addresses({"a": [Address(socket.AF_INET, "", None), Address(17, "24:71", None)]}, ["a"]) == []
    assert lans.interface_addresses({"a": [Address(socket.AF_INET, "10.0.0.1", "255.255.255.0")]}, ["a"]) == [
        ("a", IPv4Interface("10.0.0.1/24"))
    ]
