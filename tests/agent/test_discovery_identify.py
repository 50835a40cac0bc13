"""What kind a device is, judged from evidence: right where there is enough of it, "other" where there is not."""

from __future__ import annotations

import bz2
import importlib.util
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent import snmprec

from schoolbeat_agent.discovery import asking, signs, snmp_facts, visits
from schoolbeat_agent.discovery.evidence import Evidence, OnvifFacts, PjlinkFacts, SnmpFacts, WebPage
from schoolbeat_agent.discovery.identify import Guess, clues, identify
from schoolbeat_agent.displays import families
from schoolbeat_agent.texts import Text
from schoolbeat_wire import catalogue

SPEC = importlib.util.find_spec("snmpsim_data")
WALKS = Path(next(iter(SPEC.submodule_search_locations or []))) / "data" if SPEC else None
WALK_BYTES = 1_500_000
RECORDINGS = Path(__file__).resolve().parents[3] / "shared/material/snmp/recordings"
NVT = ("NetworkVideoTransmitter",)


def of(address: str = "192.168.1.9", **seen: object) -> Evidence:
    return Evidence(address, **seen)  # type: ignore[arg-type]


def told(descr: str, **more: object) -> SnmpFacts:
    return SnmpFacts("school", descr=descr, **more)  # type: ignore[arg-type]


# Texts are such as real devices send; models are examples of their families, not a list to match.
ENOUGH = {
    "MikroTik at the default route": (of(is_default_router=True, ports=frozenset({80, 8291})), "router"),
    "a default router that says nothing": (of(is_default_router=True), "router"),
    "a switch of layer 3 at the default route": (
        of(is_default_router=True, snmp=told("Ruijie 10G Routing Switch(S6220-48XS4QXS)", bridge_ports=48)),
        "router",
    ),
    "the ISP's ONT at the default route": (
        of(is_default_router=True, pages=(WebPage(80, 200, title="GPON Home Gateway"),)),
        "ont",
    ),
    "an ONT behind the router": (of(pages=(WebPage(80, 200, title="HG8245H"),), vendor="Huawei"), "ont"),
    "DrayTek": (of(snmp=told("DrayTek Corporation, Router Model: Vigor2962, Version: 4.3.2.5")), "router"),
    "Cisco switch": (of(snmp=told("Catalyst 1200 Series Smart Switch, 8-port GE", bridge_ports=10)), "switch"),
    "a switch of a maker nobody knows": (of(snmp=told("8-Port Gigabit Managed Switch V1.0", services=2)), "switch"),
    "a switch that only its tables show": (
        of(snmp=told("SW-OS 3.1", bridge_ports=26, services=2), vendor="H3C Technologies", ports=frozenset({80, 23})),
        "switch",
    ),
    "UniFi AP": (of(snmp=told("UAP-nanoHD 5.43.36.12724"), vendor="Ubiquiti Inc"), "access_point"),
    "an AP by its page": (of(pages=(WebPage(443, 200, title="EAP225-Outdoor"),), vendor="TP-Link"), "access_point"),
    "an AP that only its radios show": (
        of(snmp=told("Linux AP 4.4", interface_types=frozenset({6, 71})), vendor="Ruijie Networks"),
        "access_point",
    ),
    "Hikvision camera": (of(onvif=OnvifFacts(NVT, "HIKVISION DS-2CD2143G0-I", "DS-2CD2143G0-I")), "camera"),
    "a camera without a name that is known": (
        of(onvif=OnvifFacts(NVT, "IPCAM", "C6F0SgZ3N0P6L2"), ports=frozenset({554, 80}), rtsp_realm="IP Camera"),
        "camera",
    ),
    "Hikvision recorder by ONVIF": (
        of(onvif=OnvifFacts(NVT, "NVR", "DS-7608NI-K2"), ports=frozenset({554})),
        "recorder",
    ),
    "Dahua recorder": (
        of(snmp=told("DH-NVR4108HS-8P-4KS2"), ports=frozenset({554, 37777}), vendor="Zhejiang Dahua Technology"),
        "recorder",
    ),
    "a recorder by its type": (of(onvif=OnvifFacts(("Device", "NetworkVideoStorage"))), "recorder"),
    "UPS by RFC 1628": (of(snmp=told("NET Agent II", is_ups=True)), "ups"),
    "APC": (of(snmp=told("APC Web/SNMP Management Card (MB:v4.1.0 PN:apc_hw05_aos_708.bin)", is_ups=True)), "ups"),
    "Epson projector": (
        of(pjlink=PjlinkFacts(True, vendor="EPSON", model="EB-L735U"), ports=frozenset({4352})),
        "projector",
    ),
    "a projector with a password": (of(pjlink=PjlinkFacts(True, True), ports=frozenset({4352, 3629})), "projector"),
    "a board by its page": (of(pages=(WebPage(80, 200, title="ViewBoard IFP7550"),), ports=frozenset({5000})), "board"),
    "BenQ board": (of(vendor="BenQ Corporation", ports=frozenset({4660})), "board"),
    "a board of a maker nobody knows": (of(display="maxhub", ports=frozenset({4664})), "board"),
    "LG television": (of(ssdp=("urn:schemas-upnp-org:device:MediaRenderer:1", "Linux WebOS TV/1.0")), "television"),
    "HP printer": (of(snmp=told("HP ETHERNET MULTI-ENVIRONMENT", is_printer=True), ports=frozenset({9100})), "printer"),
    "a printer by mDNS": (of(mdns=("_ipp._tcp", "_pdl-datastream._tcp"), mdns_model="Brother HL-L2360D"), "printer"),
    "a Windows computer": (of(ports=frozenset({445, 3389}), netbios=True, vendor="Dell Inc."), "computer"),
    "a NAS": (
        of(pages=(WebPage(5000, 200, title="Synology DiskStation"),), netbios=True, ports=frozenset({445})),
        "server",
    ),
    "an IP phone": (of(pages=(WebPage(80, 200, title="Yealink T21P_E2 Phone"),), ports=frozenset({5060})), "phone"),
}

TOO_LITTLE = {
    "nothing": of(),
    "only a maker of cameras": of(vendor="Hangzhou Hikvision Digital Technology"),
    "a maker of many kinds": of(vendor="Huawei Technologies", ports=frozenset({80, 443})),
    "RTSP, that many things speak": of(ports=frozenset({554, 80})),
    "Dahua's port, of cameras and recorders alike": of(
        ports=frozenset({37777, 554, 80}), vendor="Zhejiang Dahua Technology"
    ),
    "a phone's made-up MAC": of(random_mac=True),
    "a web server": of(ports=frozenset({80, 443}), pages=(WebPage(80, 200, "nginx", title="Welcome to nginx!"),)),
    "Linux": of(snmp=told("Linux host 5.10.0"), ports=frozenset({22, 80})),
    "port 9100 alone of a machine that is a computer besides": of(ports=frozenset({9100, 445}), netbios=True),
    "a label that somebody typed": of(snmp=told("", name="camera cong truong")),
    "two kinds at once": of(pages=(WebPage(80, 200, title="NVR"), WebPage(8080, 200, title="IP Camera"))),
}


@pytest.mark.parametrize("name", ENOUGH)
def test_enough_evidence_names_the_kind(name: str) -> None:
    evidence, kind = ENOUGH[name]

    guess = identify(evidence)

    assert (guess.kind, guess.confidence >= 50) == (kind, True), (guess, clues(evidence))


@pytest.mark.parametrize("name", TOO_LITTLE)
def test_thin_evidence_names_no_kind(name: str) -> None:
    guess = identify(TOO_LITTLE[name])

    assert (guess.kind, guess.confidence <= 40) == ("other", True), (guess, clues(TOO_LITTLE[name]))


def test_the_reasons_are_told_in_both_languages_the_best_first() -> None:
    guess = identify(of(onvif=OnvifFacts(NVT, "cong {chinh}", "DS-2CD2143G0-I {1}"), ports=frozenset({554})))

    assert guess == Guess(
        "camera",
        86,
        (
            Text("ONVIF nói “DS-2CD2143G0”", "ONVIF says “DS-2CD2143G0”"),
            Text("ONVIF: thiết bị truyền hình", "ONVIF: it sends video"),
            Text("mở cổng TCP 554", "TCP 554 is open"),
        ),
    )


def test_braces_in_what_a_device_says_do_no_harm() -> None:
    guess = identify(of(vendor="{0} {names} Brother", snmp=told("", is_printer=True)))

    assert [reason.say("en") for reason in guess.reasons][-1] == "MAC of {0} {names} Brother"


ANY_TEXT = st.one_of(
    st.text(max_size=40), st.sampled_from(["NVR", "Smart Switch", "EB-L735U", "Router", "UPS", "printer"])
)
ANY_EVIDENCE = st.builds(
    Evidence,
    address=st.just("192.168.1.9"),
    vendor=ANY_TEXT,
    random_mac=st.booleans(),
    is_default_router=st.booleans(),
    ports=st.frozensets(st.sampled_from(visits.PORTS)),
    pages=st.lists(st.builds(WebPage, st.just(80), title=ANY_TEXT, server=ANY_TEXT), max_size=2).map(tuple),
    snmp=st.none() | st.builds(SnmpFacts, st.just("a"), ANY_TEXT, is_ups=st.booleans(), is_printer=st.booleans()),
    onvif=st.none() | st.builds(OnvifFacts, st.just(NVT), ANY_TEXT, ANY_TEXT),
    mdns=st.lists(st.sampled_from(sorted(signs.MDNS)), max_size=3).map(tuple),
    netbios=st.booleans(),
)


@given(ANY_EVIDENCE)
def test_whatever_is_seen_the_guess_is_of_the_catalogue_and_explained(evidence: Evidence) -> None:
    guess = identify(evidence)

    assert guess.kind in catalogue.DEVICE_KINDS
    assert guess.confidence <= (40 if guess.kind == "other" else 97)
    assert guess.reasons
    assert all(reason.say("vi") and reason.say("en") for reason in guess.reasons)
    assert not evidence.is_default_router or guess.kind in ("router", "ont")


def test_every_sign_is_of_a_kind_of_the_catalogue() -> None:
    kinds = {sign.kind for sign in (*signs.WORDS, *signs.MAKERS)} | {
        kind for kind, _ in (*signs.MDNS.values(), *signs.DISPLAYS.values())
    }

    assert kinds | {kind for row in signs.PORTS.values() for kind, _ in row} <= set(catalogue.DEVICE_KINDS)
    assert set(signs.PORTS) | set(asking.DISPLAYS) <= set(visits.PORTS)
    assert set(signs.DISPLAYS) == set(asking.DISPLAYS.values()) <= set(families())


# What each recording's device is, and what may be said of it: by its SNMP answers alone, as an unknown MAC's.
RECORDED = {
    "apc_smt750x-nmc2": "ups",
    "aruba-instant": "access_point",
    "cen-apc-battery-low": "ups",
    "ciscosb_c1200-8t-e-2g": "switch",
    "dahua-nvr": "recorder",
    "draytek_vigor2962": "router",
    "epson-projector_eb-4770w": "projector",
    "hikvision-nvr": "recorder",
    "jetstream_sg2218p": "switch",
    "linux_raspberrypi-gpiomonitor": "computer",
    "netagent2": "ups",
    "routeros": "router",
    "routeros_rb750gr3": "router",
    "routeros_rb760igs": "router",
    "ruijie": "switch",
    "ssd-phoenixtec-ups": "ups",
    "ssd-ubiquiti-m5": "access_point",
    "unifi_nanohd": "access_point",
    "vrp_ar169sfp": "router",
}


@pytest.mark.parametrize("name", RECORDED)
def test_recordings_of_real_devices_are_of_their_kind(name: str) -> None:
    file = RECORDINGS / f"{name}.snmprec"
    if not file.is_file():
        pytest.skip(f"no recordings in {RECORDINGS}")
    rows = {oid: found.value for oid, found in snmprec.load(file).items()}

    guess = identify(of(snmp=snmp_facts.facts(rows, "school")))

    assert guess.kind == RECORDED[name], (guess, snmp_facts.facts(rows, "school"))


# The folders in which the 106 walks of snmpsim-data lie, and what may be said of devices in them. Some routers' folders
# hold switches of layer 3, cameras' a recorder.
FOLDERS = {
    "UPS": {"ups"},
    "camera": {"camera", "recorder"},
    "network/appliance": {"switch"},
    "network/firewall": {"router"},
    "network/router": {"router", "switch"},
    "network/switch": {"switch"},
    "network/wifi": {"access_point"},
    "os/windows": {"computer", "server"},
    "storage": {"server"},
}


@pytest.mark.skipif(WALKS is None, reason="no snmpsim-data")
@pytest.mark.parametrize("folder", FOLDERS)
def test_walks_of_devices_that_nobody_prepared_for_are_of_no_wrong_kind(folder: str) -> None:
    assert WALKS is not None
    files = sorted([*(WALKS / folder).glob("*.snmprec"), *(WALKS / folder).glob("*.snmprec.bz2")])
    kinds = {}
    for path in files:
        with bz2.open(path) if path.suffix == ".bz2" else path.open("rb") as file:
            records = snmprec.records(takewhile(lambda _, file=file: file.tell() < WALK_BYTES, file))  # type: ignore[misc]
        rows = {oid: found.value for oid, found in records.items()}
        kinds[path.name] = identify(of(snmp=snmp_facts.facts(rows, "school"))).kind

    assert files
    assert {name: kind for name, kind in kinds.items() if kind not in FOLDERS[folder] | {"other"}} == {}
