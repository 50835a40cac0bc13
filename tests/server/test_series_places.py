"""The register as tags: who is where, since when, on whose line, and what people call it."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from schoolbeat_server import register
from schoolbeat_server.database import open_database
from schoolbeat_server.demo import province
from schoolbeat_server.school_calendar import day_number
from schoolbeat_server.series_catalogue import MEASUREMENTS
from schoolbeat_server.series_lines import line
from schoolbeat_server.series_places import Places, labelled, read_places
from schoolbeat_wire.inventory import Device

OLD, NEW = day_number(date(2025, 6, 30)), day_number(date(2025, 7, 1))
DATA: dict[str, list[dict[str, Any]]] = {
    "areas": [
        {"id": "lc", "name": "Lào Cai", "kind": "province"},
        {"id": "x1", "name": "Xã Cũ", "kind": "commune", "parent": "lc", "valid_to": "2025-07-01"},
        {"id": "x2", "name": "Xã Mới", "kind": "commune", "parent": "lc", "valid_from": "2025-07-01"},
    ],
    "schools": [{"id": "th-1", "name": "Trường Tiểu học Bản Gió", "area": "x2", "level": "primary"}],
    "school_areas": [
        {"school": "th-1", "area": "x1", "valid_to": "2025-07-01"},
        {"school": "th-1", "area": "x2", "valid_from": "2025-07-01"},
    ],
    "sites": [
        {"id": "s1", "school": "th-1", "name": "Điểm trường chính", "kind": "main"},
        {"id": "s2", "school": "th-1", "name": "Điểm trường Bản Sáng", "kind": "satellite"},
    ],
    "lines": [
        {"id": "s1-1", "site": "s1", "isp": "VNPT", "technology": "fibre", "contract_to": "2025-03-01"},
        {"id": "s1-2", "site": "s1", "isp": "Viettel", "technology": "mobile", "contract_from": "2025-07-01"},
        {
            "id": "s1-3",
            "site": "s1",
            "isp": "FPT",
            "technology": "mobile",
            "role": "backup",
            "contract_from": "2025-05-01",
        },
    ],
    "rooms": [{"id": "p5", "site": "s1", "name": "Phòng 5", "kind": "classroom", "smart_level": 2}],
    "devices": [
        {"site": "s1", "id": "sw.1", "name": "Tủ mạng", "kind": "switch"},
        {"site": "s1", "id": "bang", "name": "Bảng lớp 5A", "kind": "board", "room": "p5"},
        {"site": "s2", "id": "bang", "name": "Bảng điểm lẻ", "kind": "board"},
    ],
    "services": [{"id": "csdl", "name": "CSDL ngành giáo dục", "url": "https://csdl.example"}],
}


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "register.db")


def places(engine: Engine, **more: list[dict[str, Any]]) -> Places:
    register.apply(engine, register.rows_of(DATA | more, "data"))
    with engine.connect() as connection:
        return read_places(connection)


def test_a_site_is_where_it_was_on_the_day_of_the_point(engine: Engine) -> None:
    found = places(engine)

    assert found.of_place("s1", OLD) == {"area": "x1", "school": "th-1", "site": "s1"}
    assert found.of_place("s1", NEW) == {"area": "x2", "school": "th-1", "site": "s1"}


def test_a_site_carries_names_with_ids_and_the_line_in_force(engine: Engine) -> None:
    found = places(engine)

    assert found.of_site("s1", NEW) == {
        "area": "x2",
        "school": "th-1",
        "site": "s1",
        "area_label": "Xã Mới (x2)",
        "school_label": "Trường Tiểu học Bản Gió (th-1)",
        "site_label": "Điểm trường chính (s1)",
        "kind": "main",
        "isp": "Viettel",
        "technology": "mobile",
    }


@pytest.mark.parametrize(
    ("day", "isp"),
    [
        (date(2025, 2, 28), "VNPT"),
        (date(2025, 3, 1), ""),  # its contract ran out, and nobody's began
        (date(2025, 5, 1), "FPT"),  # what stands by carries alone
        (date(2025, 7, 1), "Viettel"),
    ],
)
def test_the_isp_is_that_of_the_main_line_in_force(engine: Engine, day: date, isp: str) -> None:
    found = places(engine)

    assert {
        subject: found.about("s1", subject, day_number(day))["isp"]
        for subject in ("line.isp", "speed.hn", "device.bang", "lan.router")
    } == {"line.isp": isp, "speed.hn": isp, "device.bang": "", "lan.router": ""}


@pytest.mark.parametrize(
    ("subject", "kind", "room", "label"),
    [
        ("device.bang", "board", "p5", "Bảng lớp 5A"),
        ("device.sw.1", "switch", "", "Tủ mạng"),
        ("device.sw.1.gi0%2F2", "switch", "", "Tủ mạng gi0/2"),
        ("device.lạ", "other", "", ""),
        ("device.la-1", "printer", "p5", "Máy in"),
        ("device.la-1.khay", "printer", "p5", "Máy in khay"),
        ("device.la-2", "other", "Kho", ""),
        ("device.la-3", "other", "", "Máy"),  # a kind that the catalogue does not know
        ("service.csdl", "service", "", "CSDL ngành giáo dục"),
        ("service.khac", "service", "", ""),
        ("wifi.Gi%C3%A1o%20vi%C3%AAn", "wifi", "", "Giáo viên"),
        ("line.isp", "line", "", ""),
        ("host", "host", "", ""),
    ],
)
def test_what_a_subject_is_and_is_called(engine: Engine, subject: str, kind: str, room: str, label: str) -> None:
    told = {one.id: one for one in (Device("la-1", "Máy in", "printer", "Phòng 5"), Device("la-2", room="Kho"))}
    told["la-3"] = Device("la-3", "Máy", "toaster-4711")
    told["bang"] = Device("bang", "Tên khác", "camera", "Phòng 9")

    about = places(engine).about("s1", subject, NEW, told)

    assert about | {"isp": ""} == {"kind": kind, "room": room, "isp": "", "label": label}


def test_the_same_id_at_another_site_is_another_device(engine: Engine) -> None:
    assert places(engine).of_signal("s2", "device.bang", NEW) == {
        "area": "x2",
        "school": "th-1",
        "site": "s2",
        "signal": "device.bang",
        "kind": "board",
        "room": "",
        "isp": "",
        "label": "Bảng điểm lẻ",
    }


def test_a_room(engine: Engine) -> None:
    assert places(engine).of_room("p5", NEW) == {
        "area": "x2",
        "school": "th-1",
        "site": "s1",
        "room": "p5",
        "label": "Phòng 5 (p5)",
        "kind": "classroom",
        "level": "2",
    }


def test_a_site_that_the_register_does_not_have_is_only_its_id(engine: Engine) -> None:
    found = places(engine)

    assert found.of_place("la", NEW) == {"area": "", "school": "", "site": "la"}
    assert {name: value for name, value in found.of_site("la", NEW).items() if value} == {
        "site": "la",
        "site_label": "la (la)",
    }


def test_every_measurements_tags_are_the_catalogues(engine: Engine) -> None:
    found = places(engine)
    signal = found.of_signal("s1", "line.isp", NEW)

    line("schoolbeat_site", found.of_site("s1", NEW), {"state": 0}, 0)
    line("schoolbeat_room", found.of_room("p5", NEW), {"ready": 1}, 0)
    line("schoolbeat_agent", found.of_agent("s1", "gw", "gateway", "1.0", NEW), {"connected": 1}, 0)
    line("schoolbeat_day", signal | {"clock": "always"}, {"up_seconds": 1}, 0)
    line("schoolbeat_outage", signal, {"down_seconds": 1}, 0)
    assert signal.keys() | {"clock"} == set(MEASUREMENTS["schoolbeat_day"].tags)


def test_it_is_equal_until_the_register_says_something_else(engine: Engine) -> None:
    before = places(engine)

    assert places(engine) == before
    renamed = [DATA["devices"][0], DATA["devices"][1] | {"name": "Bảng lớp 5B"}, DATA["devices"][2]]
    assert places(engine, devices=renamed) != before


@pytest.mark.parametrize("name", ["Xã Mới", "Trường (cũ)", "", "A (b) c"])
def test_grafana_tells_name_and_id_apart(name: str) -> None:
    found = re.fullmatch(r"(?P<text>.+) \((?P<value>[^()]+)\)", labelled(name, "x-1.2"))

    assert found is not None
    assert found.groupdict() == {"text": name or "x-1.2", "value": "x-1.2"}


def test_a_provinces_register_is_read(engine: Engine) -> None:
    made = province.make(1, 30)
    register.apply(engine, register.rows_of(made.register, "data"))

    with engine.connect() as connection:
        found = read_places(connection)

    today = day_number(date(2026, 11, 22))
    over = {one["site"] for one in made.register["lines"] if str(one.get("contract_to") or "9") <= "2026-11-22"}
    assert over
    assert {one.id: found.of_site(one.id, today)["isp"] for one in made.sites} == {
        one.id: "" if one.id in over else one.isp for one in made.sites
    }
    told = {(one.id, device.id): device.kind for one in made.sites for device in one.devices}
    assert {key: found.about(key[0], f"device.{key[1]}", today)["kind"] for key in told} == told
