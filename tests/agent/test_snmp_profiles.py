"""Vendor profiles: their data, answers written by hand for each family, real recordings, real walks."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent import snmprec
from tests.agent.snmp_profile_cases import CASES, Case

from schoolbeat_agent.snmp import profile as profiles
from schoolbeat_agent.snmp.profile import FILES, confirmed, families, kind, load, matching, model, parse, readings
from schoolbeat_agent.snmp.rows import Rows, Value
from schoolbeat_agent.snmp.rule import AGGREGATES
from schoolbeat_agent.snmp.subject import below
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import DEVICE_KINDS, READINGS

DEVICE = "device.0123456789ab"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "material" / "snmp"
RECORDINGS = sorted((SHARED / "recordings").glob("*.snmprec"))
SPEC = importlib.util.find_spec("snmpsim_data")
WALKS = sorted(Path(SPEC.origin or "").parent.rglob("*.snmprec*")) if SPEC else []
WALK_BYTES = 150_000  # packed; the rest takes minutes to unpack and is walked by the probe's own test

TOP = {
    "title",
    "kind",
    "kinds",
    "present",
    "excludes",
    "model",
    "model_after",
    "still",
    "scalars",
    "columns",
    "reading",
}
FIELDS = {
    *("name", "from", "each", "part", "prefix", "called", "without", "only_named", "index_text", "index", "index_end"),
    *("scale", "map", "otherwise", "ignore", "low", "high", "of", "plus", "free", "milliwatts", "bits", "si_scale"),
    *("precision", "when", "unless", "aggregate", "verified"),
}


def data(family: str) -> dict[str, Any]:
    return tomllib.loads((FILES / f"{family}.toml").read_text("utf-8"))


def objects(content: dict[str, Any], which: str) -> dict[str, str]:
    return {name: oid for mib in content.get(which, {}).values() for name, oid in mib.items()}


def told(found: dict[tuple[str, str], float], device: str = DEVICE) -> dict[tuple[str, str], float]:
    return {(subject[len(device) + 1 :], reading): value for (subject, reading), value in found.items()}


def recorded(path: Path) -> Rows:
    return snmprec.rows(snmprec.load(path))


def profiles_of(rows: Rows) -> tuple[profiles.Profile, ...]:
    object_id, descr = rows.get("1.3.6.1.2.1.1.2.0", ""), rows.get("1.3.6.1.2.1.1.1.0", b"")
    return confirmed(matching(str(object_id), descr.decode("latin-1") if isinstance(descr, bytes) else ""), rows)


def test_each_family_has_its_file_and_each_file_its_family() -> None:
    files = {path.stem for path in FILES.glob("*.toml")} - {"index"}

    assert files == set(families())


def test_the_index_says_nothing_that_is_not_understood() -> None:
    for entry in tomllib.loads((FILES / "index.toml").read_text("utf-8")).values():
        assert set(entry) <= {"enterprises", "descr", "nameless"}
        assert all(re.fullmatch(r"1\.3\.6\.1(\.\d+){3,}", oid) for oid in entry.get("enterprises", ()))
        assert all(word == word.lower() for word in entry.get("descr", ()))


@pytest.mark.parametrize("family", families())
def test_a_profile_names_every_object_and_says_only_what_is_understood(family: str) -> None:
    content = data(family)
    scalars, columns = objects(content, "scalars"), objects(content, "columns")
    known = {**scalars, **columns}

    assert set(content) <= TOP
    assert content["title"]
    assert {content.get("kind", ""), *content.get("kinds", {})} <= {"", *DEVICE_KINDS}
    assert set(content.get("excludes", ())) <= set(families())
    assert len(set(known.values())) == len(scalars) + len(columns), "an OID or a name stands twice"
    for name, oid in known.items():
        assert re.fullmatch(r"[a-z][A-Za-z0-9]+(\.[\d.]+)?", name), name
        assert re.fullmatch(r"1(\.\d+){6,}", oid), oid
    assert not [oid for oid in columns.values() if oid.endswith(".0")]
    for entry in content.get("reading", ()):
        assert set(entry) <= FIELDS
        assert entry["name"] in READINGS
        assert entry.get("aggregate", "first") in AGGREGATES
        assert entry.get("verified", "by the MIB's text only") == "by the MIB's text only"
        for condition in (*entry.get("when", ()), *entry.get("unless", ())):
            assert set(condition) <= {"object", "is", "has"}
            assert len(condition) == 2
            assert all(word == word.lower() for word in condition.get("has", ()))
        assert entry.get("each") or entry["from"] in scalars or entry.get("aggregate") or entry.get("index")


@pytest.mark.parametrize("family", families())
def test_a_profile_asks_for_nothing_that_it_does_not_use(family: str) -> None:
    content, found = data(family), load(family)

    used = {*found.gets, *found.walks, *found.identity, found.present} - {""}

    assert used == {*objects(content, "scalars").values(), *objects(content, "columns").values()}
    assert set(found.slow) <= set(found.walks)
    assert len(found.walks) - len(found.slow) <= 10, "each costs a round trip in every round"


def test_a_family_that_may_hide_behind_any_name_can_be_confirmed() -> None:
    index = tomllib.loads((FILES / "index.toml").read_text("utf-8"))

    assert [family for family, entry in index.items() if entry.get("nameless") and not load(family).present] == []
    assert [family for family, entry in index.items() if not entry] == []


def test_an_object_that_the_file_does_not_list_is_a_mistake_in_the_file() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        parse("x", {"title": "x", "reading": [{"name": "clients", "from": "nowhere"}]})


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.family}: {case.what}")
def test_a_family_is_read_as_it_writes(case: Case) -> None:
    found = readings([load(case.family)], case.whole(), DEVICE)

    assert told(found) == pytest.approx(case.told, abs=1e-4)


def test_every_family_has_a_case() -> None:
    assert {case.family for case in CASES} == set(families())


@pytest.mark.parametrize("family", families())
def test_a_device_that_answers_nothing_tells_nothing(family: str) -> None:
    assert readings([load(family)], {}, DEVICE) == {}


@given(
    st.sampled_from(families()),
    st.data(),
    st.one_of(st.integers(-(2**31), 2**64), st.binary(max_size=40), st.text(max_size=20), st.floats()),
)
@settings(max_examples=300, deadline=None)
def test_whatever_a_device_writes_nothing_raises_and_nothing_leaves_the_bounds(
    family: str, draw: st.DataObject, value: Value
) -> None:
    found = load(family)
    indices = st.lists(st.integers(0, 300), min_size=1, max_size=8).map(lambda parts: ".".join(map(str, parts)))
    rows: dict[str, Value] = dict.fromkeys(found.gets, value)
    index = draw.draw(indices)
    rows |= {f"{root}.{index}": draw.draw(st.sampled_from((value, 1, 6, 8, 14, b"x"))) for root in found.walks}

    assert_sane(readings([found], rows, DEVICE))
    assert len(model([found], rows)) <= 256


def assert_sane(found: dict[tuple[str, str], float]) -> None:
    for (subject, reading), value in found.items():
        assert bounds.SUBJECT.fullmatch(subject), subject
        assert subject == DEVICE or subject.startswith(f"{DEVICE}.")
        assert READINGS[reading].low <= value <= READINGS[reading].high, (subject, reading, value)


def test_a_vendor_is_known_by_its_number_and_not_by_one_that_begins_like_it() -> None:
    assert [each.family for each in matching("1.3.6.1.4.1.14988.1", "RouterOS RB750")] == ["mikrotik"]
    assert "mikrotik" not in [each.family for each in matching("1.3.6.1.4.1.149881.1", "")]


def test_behind_a_name_that_says_nothing_every_family_that_can_be_confirmed_is_tried() -> None:
    rows = {"1.3.6.1.4.1.41112.1.6.3.3.0": b"U6-LR"}

    for object_id in ("1.3.6.1.4.1.8072.3.2.10", "", "1.3.6.1.4.1.99999.1"):
        found = confirmed(matching(object_id, "Linux U6 4.4.153"), rows)

        assert "unifi" in [each.family for each in found]
        assert "apc" not in [each.family for each in found]
        assert model(found, rows) == "U6-LR"


def test_what_one_family_is_another_is_not() -> None:
    candidates = matching("1.3.6.1.4.1.9.1.3211", "Catalyst 1200")

    small = confirmed(candidates, {"1.3.6.1.4.1.9.6.1.101.1.8.0": 3})

    assert [each.family for each in small] == ["cisco_small"]
    assert [each.family for each in confirmed(candidates, {})] == ["cisco", "entity_sensor"]


@pytest.mark.parametrize(
    ("object_id", "descr", "expected"),
    [
        ("1.3.6.1.4.1.14988.1", "RouterOS RB760iGS", "RB760iGS"),
        ("1.3.6.1.4.1.2011.2.224.62", "Huawei AR169F Huawei Versatile Routing Platform Software", "AR169F"),
        ("1.3.6.1.4.1.2011.2.23.276", "S5720-36C-EI-AC \r\nHuawei Versatile Routing Platform", "S5720-36C-EI-AC"),
        ("1.3.6.1.4.1.7367", "DrayTek Corporation, Router Model: Vigor2962, Version: 4.3.2.5", "Vigor2962"),
        ("1.3.6.1.4.1.14823.1.1.32", "ArubaOS (MODEL: Aruba7210), Version 6.5.1", "Aruba7210"),
        ("1.3.6.1.4.1.4881.1.1.10.1.41", "Ruijie 10G Routing Switch(S5750-24GT/12SFP) By Ruijie", "S5750-24GT/12SFP"),
        ("1.3.6.1.4.1.14988.1", "router", ""),
    ],
)
def test_a_model_is_found_in_the_description(object_id: str, descr: str, expected: str) -> None:
    rows = {"1.3.6.1.2.1.1.1.0": descr.encode()}

    assert model([each for each in matching(object_id, descr) if not each.present], rows) == expected


@pytest.mark.parametrize(
    ("object_id", "descr", "expected"),
    [
        ("1.3.6.1.4.1.14988.1", "RouterOS RB760iGS", "router"),
        ("1.3.6.1.4.1.14988.1", "RouterOS CRS328-24P-4S+", "switch"),
        ("1.3.6.1.4.1.14988.1", "RouterOS RBcAPGi-5acD2nD", "access_point"),
        ("1.3.6.1.4.1.14988.1", "router", "router"),
        ("1.3.6.1.4.1.2011.2.224.62", "Huawei AR169F Huawei Versatile Routing Platform Software", "router"),
        ("1.3.6.1.4.1.2011.2.23.276", "S5720-36C-EI-AC \r\nHuawei Versatile Routing Platform", "switch"),
        ("1.3.6.1.4.1.2011.2.240.7", "Huawei ACU2 Huawei Versatile Routing Platform", ""),
        ("1.3.6.1.4.1.4881.1.1.10.1.150", "Ruijie 10G Routing Switch(S6220-48XS4QXS) By Ruijie", "switch"),
        ("1.3.6.1.4.1.99999.1", "A box", ""),
    ],
)
def test_a_kind_is_that_of_the_model_before_that_of_the_family(object_id: str, descr: str, expected: str) -> None:
    rows = {"1.3.6.1.2.1.1.1.0": descr.encode()}

    assert kind(confirmed(matching(object_id, descr), rows), rows) == expected


def test_a_part_is_named_in_what_a_subject_may_carry() -> None:
    assert below("device.sw1", "gi 1/0/1") == "device.sw1.gi%201%2F0%2F1"
    assert below("device.ap", "ssid.Phòng") == "device.ap.ssid.Ph%C3%B2ng"


@given(st.text(min_size=1, max_size=200), st.text("abcdef0123456789", min_size=1, max_size=60))
def test_any_name_fits_a_subject(name: str, device: str) -> None:
    assert bounds.SUBJECT.fullmatch(below(f"device.{device}", name))


def test_names_that_had_to_be_cut_stay_apart() -> None:
    long = "Trường tiểu học Nguyễn Trãi – lớp "

    assert len({below(DEVICE, long + end) for end in ("1A", "1B", "1C")}) == 3


def test_two_ports_of_one_name_are_told_apart() -> None:
    rows = {f"1.3.6.1.4.1.14988.1.1.19.1.1.{column}.{index}": value for index in (1, 2) for column, value in {2: b"sfp", 7: 3300, 10: -5000 - index}.items()}  # fmt: skip

    found = told(readings([load("mikrotik")], rows, DEVICE))

    assert found == {("sfp", "optical_rx_dbm"): -5.001, ("sfp-2", "optical_rx_dbm"): -5.002}


def test_what_is_told_apart_or_has_no_name_never_shows_a_mac() -> None:
    mac = "104.40.207.1.2.3"
    root = "1.3.6.1.4.1.14823.2.3.3.1.2"
    rows = {
        f"{root}.1.1.2.{mac}": b"AP",
        f"{root}.1.1.2.{mac}9": b"AP",
        f"{root}.1.1.7.{mac}": 6,
        f"{root}.1.1.7.{mac}9": 7,
    }
    nameless = {"1.3.6.1.4.1.2011.5.25.31.1.1.3.1.8.1.104.40.207.1.2.3": -849}

    assert told(readings([load("aruba_instant")], rows, DEVICE)) == {
        ("AP", "cpu_percent"): 6,
        ("AP-2", "cpu_percent"): 7,
    }
    assert readings([load("huawei")], nameless, DEVICE) == {}


def test_a_sum_beyond_reason_is_not_told() -> None:
    rows = {f"1.3.6.1.4.1.14988.1.1.1.3.1.6.{index}": 90_000 for index in (1, 2)}

    found = told(readings([load("mikrotik")], rows, DEVICE))

    assert found == {("radio.1", "clients"): 90_000, ("radio.2", "clients"): 90_000}


def test_loading_a_family_reads_its_file_once_while_it_is_held() -> None:
    held = load("apc")

    assert load("apc") is held


# What the facts' independent readers call it, by our reading. Unit: theirs times this is ours.
SENSORS = {
    "charge": ("battery_percent", 1),
    "runtime": ("battery_runtime_seconds", 60),
    "load": ("load_percent", 1),
    "temperature": ("temperature_celsius", 1),
}
NUT = {
    "battery.charge": "battery_percent",
    "battery.runtime": "battery_runtime_seconds",
    "battery.voltage": "battery_volts",
    "input.voltage": "input_volts",
    "ups.load": "load_percent",
    "ups.temperature": "temperature_celsius",
}


def facts_of(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SHARED / "facts" / f"{path.stem}.json").read_text("utf-8"))
    return found


def expected(facts: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """(reading, value) that the facts' readers have from this recording and our catalogue has a reading for."""
    librenms = facts.get("librenms") or {}
    for sensor in librenms.get("sensors", ()):
        descr, value = sensor["descr"].lower(), float(sensor["value"])
        if sensor["raw"] in ("9999", "-40000"):
            continue  # sentinels
        if sensor["class"] in SENSORS:
            reading, times = SENSORS[sensor["class"]]
            yield reading, value * times
        elif sensor["class"] == "voltage" and descr.startswith("batt"):
            yield "battery_volts", value
        elif sensor["class"] == "voltage" and descr.startswith("in"):
            yield "input_volts", value
        elif sensor["class"] == "dbm":
            yield "optical_tx_dbm" if "tx" in descr or "transmit" in descr else "optical_rx_dbm", value
        elif "Lamp Hours" in sensor["descr"]:
            yield "lamp_hours", value
    for each in librenms.get("wireless", ()):
        if each["class"] == "clients":
            yield "clients", float(each["value"])
        elif each["class"] == "noise-floor" and each["value"]:
            yield "noise_dbm", float(each["value"])
    for name, text in facts.get("nut", {}).get("values", {}).items():
        if name in NUT:
            yield NUT[name], float(text)
    if "OB" in facts.get("nut", {}).get("values", {}).get("ups.status", ""):
        yield "on_battery", 1
    elif "nut" in facts:
        yield "on_battery", 0


def empty_cage(rows: Rows, facts: dict[str, Any]) -> bool:
    """Facts of a cage without a module: 0 dBm at 0 degrees and 0 volts."""
    optical = [s for s in (facts.get("librenms") or {}).get("sensors", ()) if "sfp" in s["descr"]]
    return bool(optical) and not any(float(sensor["value"]) for sensor in optical)


@pytest.mark.skipif(not RECORDINGS, reason="no ../shared/material")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_what_others_read_from_a_recording_is_read(path: Path) -> None:
    rows, facts = recorded(path), facts_of(path)

    found = readings(profiles_of(rows), rows, DEVICE)

    assert_sane(found)
    ours = [(reading, round(value, 3)) for (_, reading), value in found.items()]
    theirs = [(reading, round(value, 3)) for reading, value in expected(facts)]
    if empty_cage(rows, facts):
        theirs = [each for each in theirs if each[1]]
        assert not [each for each in ours if each[0].startswith("optical")]
    missing = [each for each in theirs if not any(each[0] == name and abs(each[1] - v) < 0.01 for name, v in ours)]
    assert missing == []


@pytest.mark.skipif(not RECORDINGS, reason="no ../shared/material")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_no_light_and_no_battery_is_made_up_beside_what_others_read(path: Path) -> None:
    rows, facts = recorded(path), facts_of(path)

    found = readings(profiles_of(rows), rows, DEVICE)

    optical = sorted(round(value, 3) for (_, reading), value in found.items() if reading.startswith("optical"))
    theirs = [] if empty_cage(rows, facts) else [v for name, v in expected(facts) if name.startswith("optical")]
    assert optical == sorted(round(value, 3) for value in theirs)
    is_ups = any(reading == "on_battery" for _, reading in found)
    assert is_ups == bool(facts.get("nut") or "ups" in path.stem or "netagent" in path.stem or "apc" in path.stem)


@pytest.mark.skipif(not RECORDINGS, reason="no ../shared/material")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_processors_and_memory_of_a_vendors_own_objects_are_as_others_read_them(path: Path) -> None:
    rows, facts = recorded(path), facts_of(path)
    found = readings(profiles_of(rows), rows, DEVICE)
    librenms = facts.get("librenms") or {}
    processors = [each for each in librenms.get("processors", ()) if not each["oid"].startswith("1.3.6.1.2.1.25")]
    memory = [each["pct"] for each in librenms.get("mempools", ())]

    cpu = sorted(value for (_, reading), value in found.items() if reading == "cpu_percent")
    used = sorted(round(value) for (_, reading), value in found.items() if reading == "memory_used_percent")

    assert cpu == sorted(float(each["usage_pct"]) for each in processors)
    if used:
        assert used == sorted(memory) or path.stem.startswith("ssd-")


@pytest.mark.skipif(not RECORDINGS, reason="no ../shared/material")
def test_a_low_battery_at_75_percent_is_a_low_battery() -> None:
    rows = recorded(SHARED / "recordings" / "cen-apc-battery-low.snmprec")

    found = told(readings(profiles_of(rows), rows, DEVICE))

    assert found["", "battery_percent"] == 75
    assert found["", "battery_low"] == 1
    assert found["", "battery_replace"] == 1
    assert found["", "on_battery"] == 0
    assert ("", "on_battery_seconds") not in found


@pytest.mark.skipif(not WALKS, reason="no snmpsim-data")
def test_over_walks_of_real_devices_nothing_raises_and_nothing_leaves_the_bounds() -> None:
    telling = 0
    for path in WALKS:
        if path.stat().st_size > WALK_BYTES:
            continue
        rows = recorded(path)
        for which in (profiles_of(rows), tuple(load(family) for family in families())):
            found = readings(which, rows, DEVICE)
            assert_sane(found)
        telling += bool(found)

    assert telling >= 15


def test_the_page_lists_what_the_data_says() -> None:
    """docs/snmp-profiles.md is made by `python -m tests.agent.snmp_profile_page`."""
    from tests.agent.snmp_profile_page import PAGE, page

    assert PAGE.read_text("utf-8") == page()
