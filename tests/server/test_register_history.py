"""What of the register holds from one day until another: boundaries old and new, shifts; and what rooms need."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from tests.server.registers import stored
from tests.server.test_calendar_api import Web, web  # noqa: F401

from schoolbeat_server import register, register_check, register_provinces
from schoolbeat_server.cli import main
from schoolbeat_server.database import open_database
from schoolbeat_server.demo import province, province_register
from schoolbeat_server.register import RegisterError, Room, RoomNeed, Shift
from schoolbeat_server.register_areas import areas_on
from schoolbeat_server.register_columns import COLUMNS
from schoolbeat_server.register_needs import read_room_needs, shipped
from schoolbeat_server.register_shifts import busiest, busiest_shift
from schoolbeat_server.web.province import read_areas

OLD = "2025-06-30"
NEW = "2025-07-01"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "register.db")


def apply(engine: Engine, **sections: list[dict[str, Any]]) -> register.Loaded:
    return register.apply(engine, register.rows_of(sections, "data"))


def faults(engine: Engine, **sections: list[dict[str, Any]]) -> list[str]:
    before = stored(engine)
    with pytest.raises(RegisterError) as caught:
        apply(engine, **sections)
    assert stored(engine) == before
    return [fault.text("en") for fault in caught.value.faults]


# ---- boundaries --------------------------------------------------------------------------------------------

TREES: list[dict[str, Any]] = [
    {"id": "lc", "name": "Lào Cai", "kind": "province", "valid_from": NEW},
    {"id": "x1", "name": "Xã 1", "kind": "commune", "parent": "lc", "valid_from": NEW},
    {"id": "lc-cu", "name": "Lào Cai cũ", "kind": "province", "valid_to": NEW},
    {"id": "h1", "name": "Huyện 1", "kind": "district", "parent": "lc-cu", "valid_to": NEW},
    {"id": "x1-cu", "name": "Xã 1 cũ", "kind": "commune", "parent": "h1", "valid_to": NEW},
    {"id": "x2-cu", "name": "Xã 2 cũ", "kind": "commune", "parent": "h1", "valid_to": NEW},
]
SCHOOLS: list[dict[str, Any]] = [
    {"id": "a", "name": "A", "area": "x1"},
    {"id": "b", "name": "B", "area": "x1"},
    {"id": "new", "name": "Mới", "area": "x1", "founded": "2025-09-01"},
    {"id": "gone", "name": "Đã giải thể", "area": "x1-cu", "closed": "2024-07-01"},
    {"id": "nowhere", "name": "Chưa rõ", "area": "x1"},
]
MEMBERS: list[dict[str, Any]] = [
    {"school": "a", "area": "x1-cu", "valid_to": NEW},
    {"school": "a", "area": "x1", "valid_from": NEW},
    {"school": "b", "area": "x1-cu", "valid_to": "2020-01-01"},
    {"school": "b", "area": "x2-cu", "valid_from": "2020-01-01", "valid_to": NEW},
    {"school": "b", "area": "x1", "valid_from": NEW},
]


def test_the_same_schools_are_told_on_old_and_on_new_boundaries(engine: Engine) -> None:
    apply(engine, areas=TREES, schools=SCHOOLS, school_areas=MEMBERS)

    with engine.connect() as connection:
        old, new, early, late = (areas_on(connection, day) for day in (OLD, NEW, "2019-12-31", "2026-01-01"))

    assert (old.area_of, old.without) == ({"a": "x1-cu", "b": "x2-cu"}, ["nowhere"])
    assert (new.area_of, new.without) == ({"a": "x1", "b": "x1", "nowhere": "x1"}, [])
    assert early.area_of == {"a": "x1-cu", "b": "x1-cu", "gone": "x1-cu"}
    assert late.area_of == {"a": "x1", "b": "x1", "new": "x1", "nowhere": "x1"}
    assert (sorted(old.areas), sorted(new.areas)) == (["h1", "lc-cu", "x1-cu", "x2-cu"], ["lc", "x1"])
    assert [one.id for one in old.up("x2-cu")] == ["x2-cu", "h1", "lc-cu"]
    assert (old.schools_within("h1"), old.schools_within("x2-cu"), old.schools_within("x1")) == (["a", "b"], ["b"], [])


def test_pages_offer_todays_areas_and_those_in_which_a_school_was_left(engine: Engine) -> None:
    apply(engine, areas=TREES, schools=SCHOOLS)

    with engine.connect() as connection:
        found = read_areas(connection, 1_790_000_000_000)

    assert sorted(found) == ["lc", "x1", "x1-cu"]


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            [{"school": "a", "area": "x1-cu"}],
            "data, line 1, column valid_to: '9999-12-31': area x1-cu is valid from 0001-01-01 to 2025-07-01 only",
        ),
        (
            [{"school": "a", "area": "x1"}],
            "data, line 1, column valid_from: '0001-01-01': area x1 is valid from 2025-07-01 to 9999-12-31 only",
        ),
        (
            [
                {"school": "a", "area": "x1-cu", "valid_to": NEW},
                {"school": "a", "area": "x2-cu", "valid_from": "2020-01-01", "valid_to": NEW},
                {"school": "a", "area": "x1", "valid_from": NEW},
            ],
            "data, line 2, column valid_from: '2020-01-01': the school is in area x1-cu until 2025-07-01: let that row"
            " end first",
        ),
        (
            [{"school": "b", "area": "x1-cu", "valid_to": "2021-01-01"}],
            "data, line 1, column valid_to: '2021-01-01': the school is in area x2-cu from 2020-01-01 on already",
        ),
        (
            [
                {"school": "a", "area": "x1-cu", "valid_to": NEW},
                {"school": "a", "area": "x2-cu", "valid_to": NEW},
            ],
            "data, line 2, column school, valid_from: 'a 0001-01-01': on line 1 already",
        ),
        (
            [{"school": "a", "area": "x1", "valid_from": "2026-01-01", "valid_to": "2026-01-01"}],
            "data, line 1, column valid_to: '2026-01-01': must be after valid_from (2026-01-01)",
        ),
    ],
)
def test_a_school_is_in_one_area_at_a_time_and_only_while_the_area_exists(
    engine: Engine, members: list[dict[str, Any]], said: str
) -> None:
    apply(engine, areas=TREES, schools=SCHOOLS, school_areas=MEMBERS[2:])

    assert faults(engine, school_areas=members)[0] == said


@pytest.mark.parametrize(
    ("area", "said"),
    [
        (
            {"id": "x", "name": "X", "kind": "commune", "parent": "h1", "valid_from": NEW},
            "column valid_to: '9999-12-31': area h1 is valid from 0001-01-01 to 2025-07-01 only",
        ),
        (
            {"id": "x", "name": "X", "kind": "commune", "parent": "lc"},
            "column valid_from: '0001-01-01': area lc is valid from 2025-07-01 to 9999-12-31 only",
        ),
        (
            {"id": "x", "name": "X", "kind": "district", "parent": "x1-cu", "valid_to": NEW},
            "column parent: 'x1-cu': a district cannot lie in a commune",
        ),
    ],
)
def test_the_two_trees_of_areas_do_not_mix(engine: Engine, area: dict[str, Any], said: str) -> None:
    apply(engine, areas=TREES)

    assert faults(engine, areas=[area]) == [f"data, line 1, {said}"]


def test_a_school_cannot_move_without_its_history_knowing(engine: Engine) -> None:
    apply(
        engine, areas=[*TREES, {"id": "x9", "name": "Xã 9", "kind": "commune"}], schools=SCHOOLS, school_areas=MEMBERS
    )

    said = faults(engine, schools=[{"id": "a", "name": "A", "area": "x9"}])
    moved = apply(
        engine,
        schools=[{"id": "a", "name": "A", "area": "x9"}],
        school_areas=[
            {"school": "a", "area": "x1", "valid_from": NEW, "valid_to": "2026-09-01"},
            {"school": "a", "area": "x9", "valid_from": "2026-09-01"},
        ],
    )

    assert said == ["data, line 1, column area: 'x9': school_areas has x1-cu, x1 only: add a row for this area"]
    assert len(moved.changes) == 3
    with engine.connect() as connection:
        found = [areas_on(connection, day).area_of["a"] for day in (OLD, "2026-08-31", "2026-09-01")]
    assert found == ["x1-cu", "x1", "x9"]


# ---- shifts ------------------------------------------------------------------------------------------------


def test_the_busiest_shift_is_that_of_the_day_asked_for(engine: Engine) -> None:
    rows = [
        {"site": "s", "shift": "sáng", "valid_from": "2025-09-01", "pupils": 300, "teachers": 12},
        {"site": "s", "shift": "chiều", "valid_from": "2025-09-01", "pupils": 300},
        {"site": "s", "shift": "chiều", "valid_from": "2026-09-01", "pupils": 350},
        {"site": "s", "shift": "chiều", "valid_from": "2027-09-01", "pupils": 0},
    ]
    site = {"id": "s", "school": "a", "name": "S"}
    apply(engine, areas=TREES, schools=SCHOOLS[:1], sites=[site], shifts=rows)

    with engine.connect() as connection:
        found = [
            busiest_shift(connection, "s", day)
            for day in ("2025-08-31", "2025-09-01", "2026-08-31", "2026-09-01", "2027-09-01")
        ]

    morning = Shift("s", "morning", "2025-09-01", 300, 12)
    assert found == [None, morning, morning, Shift("s", "afternoon", "2026-09-01", 350, 0), morning]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["morning", "afternoon", "evening"]), st.dates().map(str)),
        st.integers(0, 5),
        max_size=8,
    ),
    st.dates().map(str),
)
def test_no_shift_held_on_a_day_has_more_pupils_than_the_busiest(rows: dict[tuple[str, str], int], day: str) -> None:
    found = busiest([Shift("s", shift, start, pupils) for (shift, start), pupils in rows.items()], day)

    held = {}
    for (shift, start), pupils in sorted(rows.items(), key=lambda one: one[0][1]):
        if start <= day:
            held[shift] = pupils
    assert (found.pupils if found else 0) == max(held.values(), default=0)


# ---- what rooms need ---------------------------------------------------------------------------------------


def test_until_the_operator_says_what_rooms_need_an_assumption_stands_and_is_named_so(engine: Engine) -> None:
    smart, computer = Room("p", "s", "P", "smart", 1), Room("q", "s", "Q", "computer", 1)
    with engine.connect() as connection:
        before = read_room_needs(connection)
    rows: list[dict[str, Any]] = [
        {"smart_level": 1, "device_kind": "bảng tương tác"},
        {"kind": "phòng tin học", "smart_level": 1, "device_kind": "máy tính", "count": 20},
    ]
    apply(engine, room_needs=rows)
    with engine.connect() as connection:
        after = read_room_needs(connection)

    assert (before.assumed, before.needs) == (True, shipped())
    assert before.of(smart) == [RoomNeed("any", 1, "board", 1), RoomNeed("any", 1, "access_point", 1)]
    assert after.assumed is False
    assert (after.of(smart), after.of(computer)) == (
        [RoomNeed("any", 1, "board", 1)],
        [RoomNeed("computer", 1, "computer", 20)],
    )
    assert after.of(Room("r", "s", "R", "classroom", 0)) == []


def test_what_is_shipped_is_a_register_file_that_loads(engine: Engine) -> None:
    loaded = register.load(engine, Path(register.__file__).parent / "register_files" / "room_needs.yaml")

    assert loaded.rows["room_needs"] == len(shipped()) == 6
    with engine.connect() as connection:
        assert set(read_room_needs(connection).needs) == set(shipped())


# ---- links -------------------------------------------------------------------------------------------------


def test_what_names_a_room_or_device_names_one_of_the_same_site(engine: Engine) -> None:
    apply(
        engine,
        areas=TREES,
        schools=SCHOOLS[:1],
        sites=[
            {"id": "s", "school": "a", "name": "S"},
            {"id": "t", "school": "a", "name": "T", "kind": "lẻ", "tags": "Biên giới; miền núi, border"},
        ],
        rooms=[{"id": "p", "site": "s", "name": "P"}],
        devices=[{"site": "s", "id": "ont-1", "kind": "ont"}],
        lines=[{"id": "l", "site": "s", "ont": "ont-1", "universal_service": "có", "role": "dự phòng"}],
        assets=[{"site": "s", "code": "TS/01", "name": "Bảng", "room": "p", "device": "ont-1", "status": "hỏng"}],
    )

    said = faults(
        engine,
        lines=[{"id": "m", "site": "t", "ont": "ont-1"}],
        assets=[
            {"site": "t", "code": "TS/01", "name": "Bảng", "room": "p"},
            {"site": "t", "code": "TS/02", "name": "Bảng", "device": "ont-1"},
        ],
    )

    assert said == [
        "data, line 1, column ont: 'ont-1': site t has no such device",
        "data, line 1, column room: 'p': this room belongs to site s",
        "data, line 2, column device: 'ont-1': site t has no such device",
    ]
    with engine.connect() as connection:
        sites = register.read_province(connection).sites
    assert (sites["t"].tags, sites["t"].tag_set) == ("border,mountain", frozenset({"border", "mountain"}))


# ---- the demo's province -----------------------------------------------------------------------------------


def test_the_simulated_province_has_both_boundaries_pupils_contracts_and_an_asset_book(engine: Engine) -> None:
    made = province.make(1, 60)
    loaded = register.apply(engine, register.rows_of(made.register, "demo"))
    with engine.connect() as connection:
        old, new = areas_on(connection, OLD), areas_on(connection, "2026-11-01")
        crowd = [busiest_shift(connection, site.id, "2026-11-01") for site in made.sites]

    assert loaded.remarks == []
    assert all(loaded.rows[section] for section in COLUMNS if section != "services")
    founded, unplaced = (
        made.register["schools"][number]["id"]
        for number in (province_register.FOUNDED_SINCE, province_register.UNPLACED_BEFORE)
    )
    assert (old.without, new.without) == ([unplaced], [])
    assert set(new.area_of) - set(old.area_of) == {founded, unplaced}
    assert {old.areas[area].kind for area in old.area_of.values()} == {"commune"}
    assert len({area.id for area in old.areas.values() if area.kind == "district"}) == 4
    assert not {area.id for area in new.areas.values() if area.kind == "district"}
    assert None not in crowd
    assets = made.register["assets"]
    devices = {(row["site"], row["id"]) for row in made.register["devices"]}
    linked = {(row["site"], row["device"]) for row in assets if row.get("device")}
    assert linked < devices
    assert 20 <= sum(row["code"] == "TS-901" for row in assets) <= 30


def test_the_simulated_papers_come_from_the_seed_alone() -> None:
    assert province.make(3, 20).register == province.make(3, 20).register
    assert province.make(3, 20).register["assets"] != province.make(4, 20).register["assets"]


# ---- a province's areas ------------------------------------------------------------------------------------


def administrative_data(folder: Path) -> Path:
    """A small hand-made one in the form of the package's data: one commune was divided, a district has no communes."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "dataset.db")) as made:
        made.execute(
            "create table admin_units (provinceKey, province, provinceShort, provinceCode, ward, wardKey, wardCode)"
        )
        for ward, key, code in (("Xã Một", "xamot", "00001"), ("Xã Hai", "xahai", "00002")):
            made.execute("insert into admin_units values ('tinha','Tỉnh A','A','15',?,?,?)", (ward, key, code))
        made.execute(
            "create table admin_units_legacy (provinceKey, province, provinceCode, district, districtKey, districtCode,"
            " ward, wardKey, wardCode)"
        )
        for ward, key, code in (("Xã 1", "xa1", "00001"), ("Xã 2", "xa2", "00003")):
            row = ("tinha", "Tỉnh A", "10", "Huyện H", "huyenh", "080", ward, key, code)
            made.execute("insert into admin_units_legacy values (?,?,?,?,?,?,?,?,?)", row)
        row = ("tinha", "Tỉnh A", "10", "Huyện Đảo", "huyendao", "081", None, None, None)
        made.execute("insert into admin_units_legacy values (?,?,?,?,?,?,?,?,?)", row)
        made.commit()
    parts = [{"newWardKey": "xamot", "isDefaultNewWard": False}, {"newWardKey": "xahai", "isDefaultNewWard": True}]
    converter = {
        "DICT_PROVINCE": {"tinha": ["tinha"]},
        "DICT_PROVINCE_WARD_NO_DIVIDED": {"tinha": {"xamot": ["tinha_huyenh_xa1", "tinha_huyendao_"]}},
        "DICT_PROVINCE_WARD_DIVIDED": {"tinha": {"tinha_huyenh_xa2": parts}},
    }
    (folder / "converter_2025.json").write_text(json.dumps(converter))
    return folder


def test_a_provinces_areas_of_both_trees_load_and_the_moves_are_listed_for_people(
    engine: Engine, tmp_path: Path
) -> None:
    counts = register_provinces.write(tmp_path / "out", "tỉnh a", administrative_data(tmp_path / "data"))

    loaded = register.load(engine, tmp_path / "out")

    assert counts == (8, 4)
    assert loaded.remarks == []
    assert [
        (row["id"], row["kind"], row["parent"], row["valid_from"], row["valid_to"]) for row in stored(engine)["areas"]
    ] == [
        ("h080-cu", "district", "t10-cu", "0001-01-01", NEW),
        ("h081-cu", "district", "t10-cu", "0001-01-01", NEW),
        ("t10-cu", "province", None, "0001-01-01", NEW),
        ("t15", "province", None, NEW, "9999-12-31"),
        ("x00001", "commune", "t15", NEW, "9999-12-31"),
        ("x00001-cu", "commune", "h080-cu", "0001-01-01", NEW),
        ("x00002", "commune", "t15", NEW, "9999-12-31"),
        ("x00003-cu", "commune", "h080-cu", "0001-01-01", NEW),
    ]
    text = (tmp_path / "out" / "kiem-tra" / "xa-cu-xa-moi.csv").read_text(encoding="utf-8-sig")
    moves = [(row["xa_cu"], row["xa_moi"], row["phan"]) for row in csv.DictReader(io.StringIO(text))]
    assert moves == [
        ("x00001-cu", "x00001", "toàn bộ"),
        ("x00003-cu", "x00001", "một phần"),
        ("x00003-cu", "x00002", "phần lớn"),
        ("h081-cu", "x00001", "toàn bộ"),
    ]


def test_a_province_of_before_is_refused_with_the_names_of_today(tmp_path: Path) -> None:
    with pytest.raises(register_provinces.ProvinceError, match="Yên Bái"):
        register_provinces.write(tmp_path / "out", "Yên Bái", administrative_data(tmp_path / "data"))

    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(find_spec("vietnamadminunits") is None, reason="vietnamadminunits is not installed")
def test_every_province_of_the_package_loads(engine: Engine) -> None:
    data = register_provinces.data_folder()
    for name in ("Lào Cai", "Quảng Trị", "Thanh Hóa", "Quảng Ninh", "Hưng Yên"):
        areas, moves = register_provinces.read(name, data)
        rows = {
            "areas": [
                dict(zip(("id", "name", "kind", "parent", "valid_from", "valid_to"), row, strict=True)) for row in areas
            ]
        }
        assert register_check.check(register.rows_of(rows, name), {}).faults == []
        assert len({move.old for move in moves}) >= 150


# ---- command and API ---------------------------------------------------------------------------------------


def test_the_command_exports_loads_back_and_tells_row_by_row_as_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "server.toml").write_text(f'folder = "{tmp_path}/data"\n')

    def run(*words: object) -> tuple[int, str, str]:
        code = main(["--settings", str(tmp_path / "server.toml"), "--lang", "vi", *map(str, words)])
        return code, *capsys.readouterr()

    (tmp_path / "a.yaml").write_text("areas: [{id: '01', name: Tỉnh A, kind: tỉnh}]", encoding="utf-8")
    run("register", "load", tmp_path / "a.yaml")
    exported = run("register", "export", tmp_path / "so.xlsx")
    again = run("register", "load", tmp_path / "so.xlsx", "--json")
    refused = run("register", "export", tmp_path / "so.xlsx")
    folder = run("register", "export", tmp_path / "csv")
    made = openpyxl.load_workbook(tmp_path / "so.xlsx")
    made["Địa bàn"]["B2"] = "Tỉnh B"
    made["Địa bàn"].append(["02", "Xã", "xã", "01"])
    made.save(tmp_path / "moi.xlsx")
    dry = run("register", "load", tmp_path / "moi.xlsx", "--dry-run", "--json")
    made["Địa bàn"]["C3"] = "=C2"
    made.save(tmp_path / "hong.xlsx")
    broken = run("register", "load", tmp_path / "hong.xlsx", "--dry-run", "--json")

    assert exported == (0, f"địa bàn: 1\nĐã ghi {tmp_path}/so.xlsx.\n", "")
    assert (again[0], json.loads(again[1])["rows"]) == (0, [])
    assert refused == (1, "", f"{tmp_path}/so.xlsx: đã có; thêm --force để ghi đè\n")
    assert folder[0] == 0
    assert json.loads(dry[1]) == {
        "applied": False,
        "sections": {"areas": {"new": 1, "changed": 1, "same": 0, "kept": 0}},
        "rows": [
            {
                "file": "moi.xlsx [Địa bàn]",
                "line": 2,
                "section": "areas",
                "key": ["01"],
                "state": "changed",
                "columns": {"name": {"before": "Tỉnh A", "after": "Tỉnh B"}},
            },
            {
                "file": "moi.xlsx [Địa bàn]",
                "line": 3,
                "section": "areas",
                "key": ["02"],
                "state": "new",
                "columns": {
                    name: {"after": value}
                    for name, value in {
                        "id": "02",
                        "name": "Xã",
                        "kind": "commune",
                        "parent": "01",
                        "valid_from": "0001-01-01",
                        "valid_to": "9999-12-31",
                    }.items()
                },
            },
        ],
        "faults": [],
        "remarks": [],
    }
    assert broken[0] == 1
    assert json.loads(broken[1])["faults"] == [
        {
            "file": "hong.xlsx [Địa bàn]",
            "line": 3,
            "column": "kind",
            "heading": "C “Cấp *”",
            "value": "=C2",
            "text": "ô chứa công thức: hãy sao chép rồi dán dạng giá trị (Paste Special → Values)",
        }
    ]


def test_the_api_gives_the_register_as_a_workbook_that_loads_without_a_change(web: Web, tmp_path: Path) -> None:  # noqa: F811
    answers: list[httpx.Response] = [
        web.ask("GET", f"/api/v1/register/export.xlsx{asked}") for asked in ("", "?lang=en", "?lang=fr")
    ]
    (tmp_path / "so.xlsx").write_bytes(answers[0].content)
    loaded = register.load(web.desk.engine, tmp_path / "so.xlsx")

    assert [answer.status_code for answer in answers] == [200, 200, 422]
    assert answers[0].headers["content-disposition"] == 'attachment; filename="schoolbeat-register-2026-09-24.xlsx"'
    assert (loaded.changes, loaded.rows["devices"]) == ([], 1)
    assert openpyxl.load_workbook(io.BytesIO(answers[1].content)).sheetnames == ["Guide", *COLUMNS]
