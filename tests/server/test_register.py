"""The register: checked as a whole, told fault by fault, loaded whole or not at all, and read back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from schoolbeat_server import enrol, register, register_csv, register_file, register_shown, register_xlsx, schema
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.register import (
    Agent,
    Area,
    Device,
    Line,
    RegisterError,
    Room,
    School,
    Service,
    Site,
    load,
    read_province,
    read_services,
    read_site,
)
from schoolbeat_server.register_columns import COLUMNS, TAGS
from schoolbeat_server.register_headings import HEADINGS, SHEETS

WHOLE = """
areas:
  - {id: lc, name: Tỉnh Lào Cai, kind: tỉnh}
  - {id: xa-a, name: Xã A, kind: commune, parent: lc, valid_from: 2025-07-01}
schools:
  - {id: 0012, name: Trường Tiểu học A, area: xa-a, level: tiểu học, manager: commune}
sites:
  - {id: a-1, school: 0012, name: Điểm chính, kind: chính, latitude: 22.4856, longitude: 103.9707}
  - {id: a-2, school: 0012, name: Điểm bản Sáng, kind: lẻ}
lines:
  - {id: a-1-1, site: a-1, isp: VNPT, technology: cáp quang, contract_down_mbps: 150, contract_up_bps: 150000000}
  - {id: a-2-1, site: a-2, isp: Viettel, technology: 4G}
rooms:
  - {id: a-1-p1, site: a-1, name: Phòng 1, kind: smart, smart_level: 2}
devices:
  - {site: a-1, id: sw-1, name: Bộ chuyển mạch, kind: switch, address: 192.168.1.2}
  - {site: a-1, id: board-1, kind: board, room: a-1-p1, address: 192.168.1.20, port: 4352, behind: device.sw-1}
services:
  - {id: csdl, name: CSDL ngành, url: "https://csdl.example.vn/"}
"""


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "register.db")


def written(tmp_path: Path, text: str, name: str = "register.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def faults(engine: Engine, path: Path, language: str = "vi") -> list[str]:
    with pytest.raises(RegisterError) as caught:
        load(engine, path)
    return [fault.text(language) for fault in caught.value.faults]


def counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {section: len(connection.execute(select(table)).all()) for section, table in register.TABLES.items()}


NOTHING = dict.fromkeys(register.TABLES, 0)


def test_a_yaml_register_is_stored_and_read_back_whole(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))
    enrol.add_agent(engine, "a-1", now_ms=5)

    with engine.connect() as connection:
        province = read_province(connection)
        services = read_services(connection)
        site = read_site(connection, "a-1")

    commune = Area("xa-a", "Xã A", "commune", "lc", "2025-07-01", "9999-12-31")
    whole = Area("lc", "Tỉnh Lào Cai", "province", None, "0001-01-01", "9999-12-31")
    school = School("0012", "Trường Tiểu học A", "xa-a", "primary", "commune")
    main = Site("a-1", "0012", "Điểm chính", "main", 22.4856, 103.9707)
    satellite = Site("a-2", "0012", "Điểm bản Sáng", "satellite", None, None)
    fibre = Line("a-1-1", "a-1", "VNPT", "fibre", 150_000_000, 150_000_000)
    mobile = Line("a-2-1", "a-2", "Viettel", "mobile", None, None)
    agent = Agent("a-1", "gateway", "gateway", 5, False)
    switch = Device("a-1", "sw-1", "Bộ chuyển mạch", "switch", None, "192.168.1.2", 0, "lan.router")
    board = Device("a-1", "board-1", "", "board", "a-1-p1", "192.168.1.20", 4352, "device.sw-1")
    assert province == register.Province(
        {"lc": whole, "xa-a": commune},
        {"0012": school},
        {"a-1": main, "a-2": satellite},
        {"a-1": [fibre], "a-2": [mobile]},
        {"a-1": [agent]},
        {"a-1": 2},
    )
    assert province.sites_of("0012") == [main, satellite]
    assert services == [Service("csdl", "CSDL ngành", "https://csdl.example.vn/")]
    assert site == register.SiteRegister(
        main,
        school,
        [commune, whole],
        [fibre],
        [Room("a-1-p1", "a-1", "Phòng 1", "smart", 2)],
        [board, switch],
        [agent],
    )


def test_a_site_that_the_register_does_not_have_is_none(engine: Engine) -> None:
    with engine.connect() as connection:
        found = read_site(connection, "a-9")

    assert found is None


def test_loading_the_same_file_again_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    path = written(tmp_path, WHOLE)
    load(engine, path)

    again = load(engine, path)

    assert again.changes == []
    assert again.rows == NOTHING | {
        "areas": 2,
        "schools": 1,
        "sites": 2,
        "lines": 2,
        "rooms": 1,
        "devices": 2,
        "services": 1,
    }
    assert again.kept == NOTHING


def test_a_change_is_told_column_by_column_and_what_the_file_leaves_out_stays(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))

    changed = load(engine, written(tmp_path, "lines: [{id: a-1-1, site: a-1, isp: FPT}]", "less.yaml"))

    assert changed.changes == [register.Change("lines", ("a-1-1",), {"isp": "VNPT"}, {"isp": "FPT"})]
    assert changed.kept == NOTHING | {
        "areas": 2,
        "schools": 1,
        "sites": 2,
        "lines": 1,
        "rooms": 1,
        "devices": 2,
        "services": 1,
    }
    with engine.connect() as connection:
        lines = read_province(connection).lines
    assert lines["a-1"] == [Line("a-1-1", "a-1", "FPT", "fibre", 150_000_000, 150_000_000)]


def test_an_empty_cell_takes_the_default_back(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))

    load(engine, written(tmp_path, "lines: [{id: a-1-1, site: a-1, technology: '', contract_down_bps: }]"))

    with engine.connect() as connection:
        lines = read_province(connection).lines
    assert lines["a-1"] == [Line("a-1-1", "a-1", "VNPT", "unknown", None, 150_000_000)]


def test_a_dry_run_tells_what_would_change_and_writes_nothing(engine: Engine, tmp_path: Path) -> None:
    loaded = load(engine, written(tmp_path, WHOLE), dry_run=True)

    assert len(loaded.changes) == 11
    assert all(change.before is None for change in loaded.changes)
    assert counts(engine) == NOTHING


def test_children_may_stand_before_their_parents(engine: Engine, tmp_path: Path) -> None:
    text = """
areas:
  - {id: c, name: C, kind: xã, parent: b}
  - {id: b, name: B, kind: huyện, parent: a}
  - {id: a, name: A, kind: tỉnh}
"""

    load(engine, written(tmp_path, text))

    assert counts(engine) == NOTHING | {"areas": 3}


def test_every_fault_is_listed_with_row_column_value_and_what_is_allowed(engine: Engine, tmp_path: Path) -> None:
    text = """areas:
  - {id: lc, name: Lào Cai, kind: vùng}
schools:
  - {id: s1, name: "", area: lc}
sites:
  - {id: Diem_1, school: s1, name: Điểm}
lines:
  - {id: l1, site: d1, technology: quang, contract_down_mbps: 0}
"""

    said = faults(engine, written(tmp_path, text))

    assert said == [
        "register.yaml, dòng 2, cột kind: 'vùng': cần một trong: province (tỉnh) | district (huyện) | commune (xã)",
        "register.yaml, dòng 4, cột name: '': không được để trống",
        "register.yaml, dòng 6, cột id: 'Diem_1': cần tên 1-40 ký tự gồm a-z, 0-9 và - ở giữa (chữ thường, không dấu)",
        "register.yaml, dòng 8, cột contract_down_mbps: '0': cần số nguyên từ 1 đến 1000000",
        "register.yaml, dòng 8, cột technology: 'quang': cần một trong: fibre (cáp quang) | copper (cáp đồng)"
        " | mobile (di động) | satellite (vệ tinh) | other (khác) | unknown (chưa rõ)",
    ]
    assert counts(engine) == NOTHING


@pytest.mark.parametrize(
    ("section", "row", "fault"),
    [
        ("sites", "{id: x, school: '0012', name: X, kind: chính}", "school 0012 has the main site a-1 already"),
        ("sites", "{id: x, school: '12', name: X, kind: lẻ}", "no such id in schools; did you mean 0012?"),
        ("sites", "{id: x, school: '0012', name: X, kind: lẻ, latitude: 91, longitude: 1}", "allowed are decimal"),
        ("sites", "{id: x, school: '0012', name: X, kind: lẻ, latitude: 22}", "go together"),
        ("sites", "{id: x, school: '0012', nam: X, kind: lẻ}", "no such column; did you mean name?"),
        (
            "schools",
            "{id: b, name: B, area: xa-a, code: 0123}\n  - {id: c, name: C, area: xa-a, code: 0123}",
            "has this code",
        ),
        ("areas", "{id: lc, name: L, kind: tỉnh, parent: xa-a}", "the area lies within itself"),
        ("areas", "{id: b, name: B, kind: xã, valid_from: 2025-07-01, valid_to: 2025-07-01}", "must be after"),
        ("areas", "{id: b, name: B, kind: xã, valid_from: 1/7/2025}", "allowed is a date"),
        ("rooms", "{id: p, site: a-1, name: P, smart_level: 3}", "allowed is a whole number from 0 to 2"),
        ("devices", "{site: a-2, id: d, room: a-1-p1}", "this room belongs to site a-1"),
        ("devices", "{site: a-2, id: d, behind: device.sw-1}", "the site has no device sw-1"),
        ("devices", "{site: a-2, id: d, behind: device.d}", "the device stands behind itself"),
        ("devices", "{site: a-2, id: d, behind: switch}", "allowed is lan.router"),
        ("devices", "{site: a-2, id: d, address: 300.1.1.1}", "allowed is an IP address"),
        ("devices", "{site: a-2, id: d, port: 65536}", "allowed is a whole number from 0 to 65535"),
        ("lines", "{id: l, site: a-1, contract_down_bps: 1, contract_down_mbps: 1}", "differs from column"),
        ("services", "{id: s, name: S, url: 'ftp://x.vn'}", "allowed is an http(s) address without a password"),
        ("services", "{id: s, name: S, url: 'https://u:p@x.vn'}", "allowed is an http(s) address without a password"),
        ("services", "{id: s, name: [S], url: 'https://x.vn'}", "must be a single value"),
        ("lines", "{id: l1, site: a-1}\n  - {id: l1, site: a-1}", "this id is on line 2 already"),
        ("schools", "just words", "must be 'column: value'"),
    ],
)
def test_what_does_not_fit_is_refused_and_named(
    engine: Engine, tmp_path: Path, section: str, row: str, fault: str
) -> None:
    load(engine, written(tmp_path, WHOLE))
    before = counts(engine)

    said = faults(engine, written(tmp_path, f"{section}:\n  - {row}\n", "bad.yaml"), "en")

    assert fault in said[0]
    assert said[0].startswith("bad.yaml, line ")
    assert counts(engine) == before


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("school: []", f"expected the sections {', '.join(COLUMNS)}"),
        ("schools: 5", "must be a list"),
        ("- a", "expected the sections"),
        ("schools: [", "not YAML"),
        ("schools:\n  - &a {id: 1}\n  - *a", "line 2: YAML anchors (&a, *a) are not allowed"),
        ("schools: []\nschools: []", "line 2: key 'schools' is written twice"),
        ("[" * 200_000, "line 1: nested more than 12 deep"),
    ],
)
def test_a_file_that_is_no_register_is_refused(engine: Engine, tmp_path: Path, text: str, fault: str) -> None:
    said = faults(engine, written(tmp_path, text), "en")

    assert fault in said[0]


def test_leading_zeros_are_kept_and_ids_that_differ_only_in_them_are_told(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))

    loaded = load(engine, written(tmp_path, "schools: [{id: 12, name: Trường khác, area: xa-a}]"))

    assert [remark.text("vi") for remark in loaded.remarks] == [
        "register.yaml, dòng 1, cột id: '12': chỉ khác 0012 ở số 0 đầu hoặc chữ hoa:"
        " hãy kiểm tra xem có phải một đơn vị",
        "register.yaml, dòng 1, cột id: '12': trường chưa có điểm chính",
    ]


def test_a_code_that_comes_back_without_its_zeros_is_refused(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))
    load(engine, written(tmp_path, "schools: [{id: 0012, name: A, area: xa-a, code: 00345}]"))

    lost = faults(engine, written(tmp_path, "schools: [{id: 0012, name: A, area: xa-a, code: 345}]"))
    other = load(engine, written(tmp_path, "schools: [{id: 0012, name: A, area: xa-a, code: 0345}]"))

    assert lost == ["register.yaml, dòng 1, cột code: '345': trong sổ là 00345: đã mất số 0 ở đầu"]
    assert len(other.changes) == 1


def test_what_changes_is_told_in_the_readers_words(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))
    changed = """
sites: [{id: a-2, school: 0012, name: Điểm bản Sáng, kind: lẻ, tags: miền núi}]
lines: [{id: a-1-1, site: a-1, technology: 4G, universal_service: có}]
"""

    loaded = load(engine, written(tmp_path, changed), dry_run=True)

    assert register_shown.text(loaded, "vi", dry_run=True).splitlines()[2:] == [
        "  điểm trường a-2: Đặc điểm: – → miền núi",
        "  đường truyền a-1-1: Công nghệ: cáp quang → di động; Viễn thông công ích: không → có",
        "Chỉ kiểm tra: chưa ghi gì.",
    ]
    assert register_shown.text(loaded, "en", dry_run=True).splitlines()[2:] == [
        "  sites a-2: tags: – → mountain",
        "  lines a-1-1: technology: fibre → mobile; universal_service: no → yes",
        "Dry run: nothing was written.",
    ]


def test_stray_spaces_are_removed_and_told(engine: Engine, tmp_path: Path) -> None:
    loaded = load(engine, written(tmp_path, 'areas: [{id: "lc\u00a0", name: " Lào  Cai", kind: tỉnh}]'))

    assert [remark.text("en") for remark in loaded.remarks] == [
        "register.yaml, line 1, column id: 'lc\\xa0': had stray spaces, removed",
        "register.yaml, line 1, column name: ' Lào  Cai': had stray spaces, removed",
    ]
    with engine.connect() as connection:
        areas = read_province(connection).areas
    assert areas == {"lc": Area("lc", "Lào Cai", "province", None, "0001-01-01", "9999-12-31")}


def test_letters_typed_in_pieces_are_stored_composed(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, "areas: [{id: lc, name: La\u0300o Cai, kind: ti\u0309nh}]"))

    with engine.connect() as connection:
        areas = read_province(connection).areas
    assert areas["lc"].name == "Lào Cai"


# ---- CSV ---------------------------------------------------------------------------------------------------


def folder_of(tmp_path: Path, files: dict[str, bytes]) -> Path:
    folder = tmp_path / "register"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "with BOM"])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_a_folder_of_csv_loads_as_excel_saves_it(engine: Engine, tmp_path: Path, mark: bytes, sign: str) -> None:
    tables: dict[str, list[list[str]]] = {
        "areas.csv": [["id", "name", "kind"], ["lc", "Lào Cai", "tỉnh"]],
        "schools.csv": [["id", "name", "area"], ["0012", f'"Trường{sign} A"', "lc"], ["", "", ""]],
        "sites.csv": [["id", "school", "name", "kind"], ["a-1", "0012", "Điểm chính", "main"]],
    }
    files = {name: mark + "".join(sign.join(row) + "\r\n" for row in rows).encode() for name, rows in tables.items()}

    load(engine, folder_of(tmp_path, files))

    with engine.connect() as connection:
        schools = read_province(connection).schools
    name = " ".join(f"Trường{sign} A".split())
    assert schools == {"0012": School("0012", name, "lc", "", "commune")}


def test_csv_faults_name_the_line_of_the_file(engine: Engine, tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        {
            "areas.csv": "id,name,kind\nlc,Lào Cai,tỉnh\nxx,Xã X\n".encode(),
            "schools.csv": b"id,name,area,name\n",
            "school.csv": b"id\n",
            "sites.csv": b"id,school\n\xb8,\xae\n",  # TCVN3, a font of the 1990s
        },
    )

    said = faults(engine, folder)

    assert said == [
        "areas.csv, dòng 3: có 2 ô, dòng tiêu đề có 3 cột",
        f"school.csv: tên tệp phải là một trong {', '.join(f'{section}.csv' for section in COLUMNS)}",
        "schools.csv, dòng 1, cột name: cột ghi hai lần",
        "sites.csv: không phải UTF-8 (byte thứ 10), UTF-16 hay Windows-1258; nếu chữ gõ bằng phông TCVN3 hoặc VNI thì hãy"
        " chuyển sang Unicode; trong Excel hãy lưu dạng 'CSV UTF-8'",
    ]


def test_an_empty_folder_and_a_missing_file_are_refused(engine: Engine, tmp_path: Path) -> None:
    empty = folder_of(tmp_path, {})

    assert "has none of areas.csv" in faults(engine, empty, "en")[0]
    assert "cannot be read: No such file or directory" in faults(engine, tmp_path / "x.yaml", "en")[0]
    word = written(tmp_path, "", "x.docx")
    assert "expected a .yaml, .xlsx or .csv file or a folder of CSV files" in faults(engine, word, "en")[0]


def test_rows_can_be_given_as_plain_data(engine: Engine) -> None:
    data: dict[str, list[dict[str, Any]]] = {
        "areas": [{"id": "lc", "name": "Lào Cai", "kind": "province", "parent": None}],
        "schools": [{"id": "s", "name": "S", "area": "lc"}],
    }

    register.apply(engine, register.rows_of(data, "mô phỏng"))

    assert counts(engine) == NOTHING | {"areas": 1, "schools": 1}


# ---- agents ------------------------------------------------------------------------------------------------


def test_an_agent_gets_a_password_of_which_only_the_hash_is_kept(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))

    credentials = enrol.add_agent(engine, "a-1", now_ms=7)

    with engine.connect() as connection:
        row = connection.execute(select(schema.agent)).one()
        (account,) = enrol.accounts(connection)
    assert credentials.username == account.username == "a-1.gateway"
    assert row.password_hash == account.password_hash
    assert row.password_hash.startswith("$7$101$")
    assert len(credentials.password) == 32
    assert credentials.password not in repr(credentials) + repr(row)
    assert account.acl_lines[0] == "topic write schoolbeat/1/a-1/gateway/report"


@pytest.mark.parametrize(
    ("site", "name", "role", "said"),
    [
        ("a-9", "gateway", "gateway", "the register has no site 'a-9'"),
        ("A 1", "gateway", "gateway", "site 'A 1': allowed are 1-40 of a-z, 0-9 and inner hyphens"),
        ("a-1", "+", "gateway", "agent name '+': allowed are 1-40"),
        ("a-1", "pc", "teacher", "role 'teacher': allowed is gateway | classroom"),
        ("a-1", "gateway", "gateway", "agent gateway of site a-1 is there already; --replace gives it a new password"),
    ],
)
def test_an_agent_that_cannot_be_added_says_why(
    engine: Engine, tmp_path: Path, site: str, name: str, role: str, said: str
) -> None:
    load(engine, written(tmp_path, WHOLE))
    enrol.add_agent(engine, "a-1", now_ms=7)

    with pytest.raises(enrol.EnrolError) as caught:
        enrol.add_agent(engine, site, name, role, now_ms=8)

    assert said in caught.value.said.en


def test_a_new_password_replaces_the_old_one(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))
    old = enrol.add_agent(engine, "a-1", now_ms=7)
    with engine.connect() as connection:
        (before,) = enrol.accounts(connection)

    new = enrol.add_agent(engine, "a-1", now_ms=8, replace_password=True)

    with engine.connect() as connection:
        (after,) = enrol.accounts(connection)
    assert old.password != new.password
    assert before.password_hash != after.password_hash


def test_a_removed_agent_keeps_its_history_and_owns_nothing_any_more(engine: Engine, tmp_path: Path) -> None:
    load(engine, written(tmp_path, WHOLE))
    enrol.add_agent(engine, "a-1", now_ms=0)
    owners = [
        {"site": "a-1", "signal": "line.isp", "from_minute": 10, "agent": "gateway", "to_minute": None},
        {"site": "a-1", "signal": "lan.router", "from_minute": 90, "agent": "gateway", "to_minute": None},
        {"site": "a-1", "signal": "line.isp", "from_minute": 5, "agent": "gateway", "to_minute": 9},
        {"site": "a-1", "signal": "device.x", "from_minute": 10, "agent": "pc", "to_minute": None},
    ]
    with writing(engine) as connection:
        connection.execute(schema.owner.insert(), owners)
        connection.execute(schema.speed_test.insert().values(site="a-1", minute=50, download_bps=1))

    enrol.remove_agent(engine, "a-1", "gateway", now_ms=60 * 60_000)

    with engine.connect() as connection:
        held = {(row.signal, row.from_minute): row.to_minute for row in connection.execute(select(schema.owner))}
        assert register.read_agents(connection) == []
        assert connection.scalar(select(schema.speed_test.c.minute)) == 50
    assert held == {
        ("line.isp", 10): 60,
        ("lan.router", 90): 90,
        ("line.isp", 5): 9,
        ("device.x", 10): None,
    }
    with pytest.raises(enrol.EnrolError):
        enrol.remove_agent(engine, "a-1", "gateway", now_ms=0)


# ---- the document ------------------------------------------------------------------------------------------

DOCUMENT = Path(__file__).parents[2] / "docs" / "register.md"


def test_the_documents_example_loads_without_a_remark(engine: Engine, tmp_path: Path) -> None:
    example = DOCUMENT.read_text(encoding="utf-8").partition("```yaml\n")[2].partition("```")[0]

    loaded = load(engine, written(tmp_path, example))

    assert loaded.remarks == []
    assert loaded.rows["devices"] == 2


def test_the_document_names_every_column() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    tables = text.partition("## Các cột")[2].partition("## Ví dụ")[0]
    parts = {part.partition("**")[0]: part for part in tables.split("\n**")[1:]}

    assert list(parts) == list(COLUMNS)
    for section, part in parts.items():
        rows = re.findall(r"^\| `(\w+)`( \*)? \| (.+?) \| (.+) \|$", part, re.MULTILINE)
        assert part.startswith(f"{section}** — {SHEETS[section]}\n")
        assert [(name, bool(star), heading) for name, star, heading, _ in rows] == [
            (name, column.required, HEADINGS[section][name]) for name, column in COLUMNS[section].items()
        ]
        for name, _, _, allowed in rows:
            words = COLUMNS[section][name].words
            assert set(words) <= set(re.findall(r"`(\w+)`", allowed)), (section, name)
            assert all(f"({vi})" in allowed for word, vi in words.items() if vi != word), (section, name)
    for tag in TAGS:
        assert f"`{tag}`" in parts["sites"]


def test_the_document_states_the_limits_of_the_code() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    assert f"tệp {register_file.MOST_BYTES // 2**20} MiB" in text
    assert f"{register_xlsx.MOST_UNPACKED_BYTES // 2**20} MiB" in text
    assert (
        f"{register_xlsx.MOST_ROWS // 1000}.000 dòng mỗi trang; CSV {register_csv.MOST_ROWS // 1000}.000 dòng" in text
    )
    assert all(f"`{section}.csv`" in text for section in COLUMNS)
