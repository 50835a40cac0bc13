"""Registers as offices send them: workbooks and CSV in every encoding, with what Excel does to ids; and back again."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine
from tests.server.registers import Data, emptied, registers, stored

from schoolbeat_server import register, register_check, register_export, register_file, register_xlsx
from schoolbeat_server.database import open_database
from schoolbeat_server.register_columns import COLUMNS
from schoolbeat_server.register_csv import guarded
from schoolbeat_server.register_headings import HEADINGS, SHEETS, bare, column_of, section_of
from schoolbeat_server.register_rows import Read, RegisterError
from schoolbeat_server.register_text import Unreadable, decode

AREAS = [["id", "name", "kind"], ["lc", "Lào Cai", "tỉnh"]]


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return open_database(tmp_path / "register.db")


def book(sheets: dict[str, list[list[Any]]], change: Callable[[Any], None] = lambda book: None) -> bytes:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    change(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def cells(read: Read, section: str) -> list[dict[str, str]]:
    return [row.cells for row in read.rows[section]]


def refused(name: str, data: bytes, language: str = "en") -> list[str]:
    with pytest.raises(RegisterError) as caught:
        register_file.read_bytes(name, data)
    return [fault.text(language) for fault in caught.value.faults]


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> list[Engine]:
    return [open_database(tmp_path_factory.mktemp("round") / "register.db") for _ in range(3)]


# ---- there and back ----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=registers(), language=st.sampled_from(["vi", "en"]))
def test_what_was_exported_loads_without_a_change_and_makes_an_equal_register_elsewhere(
    databases: list[Engine], tmp_path_factory: pytest.TempPathFactory, data: Data, language: str
) -> None:
    folder = tmp_path_factory.mktemp("round")
    here, there, third = (emptied(engine) for engine in databases)
    register.apply(here, register.rows_of(data, "data"))
    workbook, csv_folder = folder / "so.xlsx", folder / "csv"
    with here.connect() as connection, workbook.open("wb") as out:
        register_export.to_xlsx(connection, out, language)
        counts = register_export.to_folder(connection, csv_folder)

    again = register.load(here, workbook)
    again_csv = register.load(here, csv_folder)
    register.load(there, workbook)
    register.load(third, csv_folder)

    assert (again.changes, again_csv.changes) == ([], [])
    assert set(again.kept.values()) | set(again_csv.kept.values()) == {0}
    assert counts == {section: len(rows) for section, rows in stored(here).items()}
    assert stored(there) == stored(third) == stored(here)


def test_an_exported_workbook_has_a_guide_headings_people_know_and_no_formula(engine: Engine, tmp_path: Path) -> None:
    register.apply(engine, register.rows_of({"areas": [{"id": "007", "name": "=1+1", "kind": "province"}]}, "data"))
    out = io.BytesIO()
    with engine.connect() as connection:
        register_export.to_xlsx(connection, out, "vi")

    made = openpyxl.load_workbook(out)

    assert made.sheetnames == ["Hướng dẫn", *SHEETS.values()]
    areas = made["Địa bàn"]
    assert [cell.value for cell in areas[1]] == [
        "Mã địa bàn *", "Tên địa bàn *", "Cấp *", "Thuộc địa bàn", "Hiệu lực từ", "Hiệu lực đến",
    ]  # fmt: skip
    assert [cell.value for cell in areas[2]][:3] == ["007", "=1+1", "tỉnh"]
    assert [(cell.data_type, cell.quotePrefix, cell.number_format) for cell in areas[2]][:2] == [
        ("s", False, "@"),
        ("s", True, "@"),
    ]
    assert areas.freeze_panes == "B2"
    assert [(str(one.sqref), one.formula1) for one in areas.data_validations.dataValidation] == [
        ("C2:C200000", '"tỉnh,huyện,xã"')
    ]
    guide = [[cell.value for cell in row] for row in made["Hướng dẫn"]]
    assert [
        "Trường",
        "Cấp học",
        "level",
        "mầm non | tiểu học | THCS | TH&THCS | THPT | THCS&THPT | GDTX | nội trú hoặc bán trú",
    ] in guide


def test_exported_csv_cannot_run_in_a_spreadsheet(engine: Engine, tmp_path: Path) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(1)", "'=1", "x=1"]
    data = {"areas": [{"id": f"a{n}", "name": name, "kind": "province"} for n, name in enumerate(names)]}
    register.apply(engine, register.rows_of(data, "data"))
    with engine.connect() as connection:
        register_export.to_folder(connection, tmp_path / "out")

    text = (tmp_path / "out" / "areas.csv").read_text(encoding="utf-8-sig")

    assert [line.split(",")[1] for line in text.splitlines()[1:]] == ["'=1+1", "'+1", "'-1", "'@SUM(1)", "''=1", "x=1"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["areas.csv"]


@given(st.text())
def test_nothing_guarded_begins_with_a_sign_that_a_spreadsheet_computes(text: str) -> None:
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))


# ---- headings ----------------------------------------------------------------------------------------------


def test_every_column_has_a_heading_and_no_two_of_a_section_are_alike() -> None:
    assert {section: list(columns) for section, columns in HEADINGS.items()} == {
        section: list(columns) for section, columns in COLUMNS.items()
    }
    assert list(SHEETS) == list(COLUMNS)
    for section, columns in HEADINGS.items():
        words = [bare(word) for word in (*columns, *columns.values())]
        assert len(set(words)) == len(words), section
        for name, heading in columns.items():
            for typed in (name, heading, f" {heading.upper()} *"):
                assert column_of(section, typed) == name
    assert [section_of(sheet) for sheet in SHEETS.values()] == list(SHEETS)
    assert (section_of("diem truong"), section_of("Điểm Trường"), section_of("Sheet1")) == ("sites", "sites", None)


def test_a_title_above_the_headings_is_passed_over(engine: Engine) -> None:
    rows: list[list[Any]] = [
        ["UBND TỈNH (thử)"],
        [],
        ["DANH SÁCH ĐỊA BÀN", None, "Năm 2026"],
        ["Mã địa bàn", "Tên địa bàn", "Cấp"],
        ["lc", "Lào Cai", "tỉnh"],
    ]

    of_book = register_file.read_bytes("a.xlsx", book({"Địa bàn": rows}))
    text = "\n".join(";".join(str(cell or "") for cell in row) for row in rows[3:])
    of_csv = register_file.read_bytes("areas.csv", f"UBND TỈNH;;\n;;\n{text}\n".encode())

    assert cells(of_book, "areas") == cells(of_csv, "areas") == [{"id": "lc", "name": "Lào Cai", "kind": "tỉnh"}]
    assert (of_book.rows["areas"][0].place.line, of_csv.rows["areas"][0].place.line) == (5, 4)


# ---- encodings ---------------------------------------------------------------------------------------------

WORDS = "Trường Tiểu học số 1 xã Nậm Ngần – điểm bản Sằng Ổ, “ề ễ ữ ợ ặ ẫ ỵ ỷ đ Đ ƠƯĂÂÊÔ”"


def windows_1258(text: str) -> bytes:
    """As Windows saves it: letters with a hat or horn are one byte, most tones a second one."""
    import unicodedata

    pieces = []
    for sign in text:
        try:
            pieces.append(sign.encode("cp1258"))
        except UnicodeEncodeError:
            base, tone = unicodedata.normalize("NFD", sign)[:-1], unicodedata.normalize("NFD", sign)[-1]
            if tone in "\u0302\u031b\u0306":  # the mark of the letter comes last in some: ặ is a, dot, breve
                full = unicodedata.normalize("NFD", sign)
                base, tone = unicodedata.normalize("NFC", full[0] + full[-1]), full[1]
            pieces.append(unicodedata.normalize("NFC", base).encode("cp1258") + tone.encode("cp1258"))
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (WORDS.encode(), "UTF-8"),
        (b"\xef\xbb\xbf" + WORDS.encode(), "UTF-8"),
        (WORDS.encode("utf-16"), "UTF-16"),
        (b"\xfe\xff" + WORDS.encode("utf-16-be"), "UTF-16"),
        (WORDS.encode("utf-16-le"), "UTF-16"),
        (WORDS.encode("utf-16-be"), "UTF-16"),
        (windows_1258(WORDS), "Windows-1258"),
    ],
)
def test_every_encoding_of_vietnamese_offices_gives_the_same_letters(data: bytes, encoding: str) -> None:
    found = decode(data)

    assert (found.text, found.encoding, found.sure) == (WORDS, encoding, encoding != "Windows-1258")


@pytest.mark.parametrize(
    "data",
    [
        b"id,name\n1,Tr\xad\xeang Ti\xd3u h\xe4c \xb8\xae",  # TCVN3
        b"id,name\n1,Tr\xf6\xf4\xf8ng Tie\xe5u ho\xefc",  # VNI
        "id,name\n1,Ошибка".encode("cp1251"),
        b"\xff\xfea",  # half a sign of UTF-16
        b"a\0\0\0b\0c\0\0\0",
        bytes(range(128, 256)),
    ],
)
def test_what_is_in_no_known_encoding_is_refused_and_never_guessed(data: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        found = decode(data)
    except Unreadable:
        return
    assert found.encoding in ("UTF-8", "UTF-16", "Windows-1258")


def test_a_file_in_windows_1258_loads_and_says_so(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "areas.csv").write_bytes(windows_1258("Mã địa bàn;Tên địa bàn;Cấp\r\nlc;Tỉnh Lào Cai;tỉnh\r\n"))

    loaded = register.load(engine, folder)

    assert [remark.text("en") for remark in loaded.remarks] == [
        "areas.csv: was read as Windows-1258: check the names; better save as 'CSV UTF-8'"
    ]
    assert stored(engine)["areas"][0]["name"] == "Tỉnh Lào Cai"


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_excel_may_state_its_separator_in_the_first_line(sign: str) -> None:
    text = f"sep={sign}\r\n" + "\r\n".join(sign.join(row) for row in AREAS)

    read = register_file.read_bytes("areas.csv", text.encode("utf-8-sig"))

    assert cells(read, "areas") == [{"id": "lc", "name": "Lào Cai", "kind": "tỉnh"}]


def as_excel_writes_it(table: str) -> bytes:
    """Strings in a part of their own, in pieces of several fonts; openpyxl, which makes the others, writes them so not."""
    rows = [line.split(",") for line in table.split("\n")]
    strings = "".join(f"<si><r><t>{cell[:1]}</t></r><r><t>{cell[1:]}</t></r></si>" for row in rows for cell in row)
    numbers = iter(range(sum(map(len, rows))))
    cells = "".join(
        f'<row r="{at}">'
        + "".join(f'<c r="{"ABCDEF"[n]}{at}" t="s"><v>{next(numbers)}</v></c>' for n in range(len(row)))
        + "</row>"
        for at, row in enumerate(rows, 1)
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    refers = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    types = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{types}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{types}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{types}.sharedStrings+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{refers}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{refers}"><sheets><sheet name="Địa bàn" sheetId="1" r:id="r1"/>'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{refers}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{refers}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
        "xl/sharedStrings.xml": f'<sst xmlns="{main}">{strings}</sst>',
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, xml in parts.items():
            archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>' + xml)
    return out.getvalue()


def test_a_workbook_with_shared_strings_reads_as_one_without() -> None:
    read = register_file.read_bytes("so.xlsx", as_excel_writes_it("id,name,kind\nlc,Lào Cai,tỉnh"))

    assert cells(read, "areas") == [{"id": "lc", "name": "Lào Cai", "kind": "tỉnh"}]


# ---- cells of a workbook -----------------------------------------------------------------------------------

SITES = ["Mã điểm trường", "Mã trường", "Tên điểm trường", "Vĩ độ", "Kinh độ", "Ngày mở"]


def test_numbers_dates_and_booleans_of_a_workbook_become_what_a_person_sees() -> None:
    data = book(
        {
            "Điểm trường": [SITES, ["s1", "0012", 101, 22.4856, 104, datetime(2025, 7, 1)]],
            "lines": [["id", "site", "universal_service", "contract_down_mbps"], ["l1", "s1", True, 150.0]],
        }
    )

    read = register_file.read_bytes("so.xlsx", data)

    assert cells(read, "sites") == [
        {
            "id": "s1",
            "school": "0012",
            "name": "101",
            "latitude": "22.4856",
            "longitude": "104",
            "valid_from": "2025-07-01",
        }
    ]
    assert cells(read, "lines") == [
        {"id": "l1", "site": "s1", "universal_service": "TRUE", "contract_down_mbps": "150"}
    ]
    assert read.remarks == []


def test_an_id_that_lost_its_zeros_is_told_by_its_cell_and_one_that_shows_them_keeps_them() -> None:
    def padded(made: Any) -> None:
        made["schools"]["A4"].number_format = "0000"

    rows = [["id", "name", "area"], [12, "A", "lc"], [13, "B", "lc"], [14, "C", "lc"]]

    read = register_file.read_bytes("so.xlsx", book({"schools": rows}, padded))

    assert [row["id"] for row in cells(read, "schools")] == ["12", "13", "0014"]
    assert [remark.text("en") for remark in read.remarks] == [
        "so.xlsx [schools], line 2, column A “id”: the cell is a number: leading zeros, if it had any, are lost; format"
        " the column as Text and type such ids again (and 1 more cells of this column)"
    ]


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("=A1", "line 2, column A “id”: '=A1': the cell holds a formula"),
        (1234567890123456, "an id that is a number of over 15 digits"),
        (12.5, "an id that is a number of over 15 digits or a fraction"),
        (date(2025, 1, 2), "the cell is a date or time: format it as Text"),
        ("#N/A", "the cell shows a spreadsheet's error"),
    ],
)
def test_a_cell_that_excel_may_have_changed_is_refused_by_name(cell: Any, fault: str) -> None:
    said = refused("so.xlsx", book({"schools": [["id", "name", "area"], [cell, "A", "lc"]]}))

    assert len(said) == 1
    assert said[0].startswith("so.xlsx [schools], line 2, column A “id”: ")
    assert fault in said[0]


def test_faults_of_all_sheets_are_told_at_once_in_vietnamese(engine: Engine, tmp_path: Path) -> None:
    data = book(
        {
            "Trường": [["Mã trường", "Tên trường", "Địa bàn"], ["=B2", "A", "lc"], ["002", "=1", "lc"]],
            "Điểm trường": [SITES, ["s1", "002", "x", None, None, datetime(2025, 7, 1, 8)]],
            "Linh tinh": [["gì đó"]],
            "Trống": [],
        }
    )

    assert refused("so.xlsx", data, "vi") == [
        "so.xlsx [Trường], dòng 2, cột A “Mã trường”: '=B2': ô chứa công thức: hãy sao chép rồi dán dạng giá trị"
        " (Paste Special → Values)",
        "so.xlsx [Trường], dòng 3, cột B “Tên trường”: '=1': ô chứa công thức: hãy sao chép rồi dán dạng giá trị"
        " (Paste Special → Values)",
        "so.xlsx [Điểm trường], dòng 2, cột F “Ngày mở”: '2025-07-01 08:00:00': cần ngày, không kèm giờ",
        "so.xlsx [Linh tinh]: trang này không thuộc sổ đăng ký; các trang: Địa bàn, Trường, Địa bàn của trường, Điểm"
        " trường, Buổi học, Đường truyền, Phòng, Phòng cần gì, Thiết bị, Sổ tài sản, Dịch vụ; hãy đổi tên hoặc bỏ trang",
    ]


def test_a_fault_of_the_register_names_the_cell_by_the_heading_of_the_file(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "so.xlsx"
    path.write_bytes(book({"Trường": [["Mã trường", "Tên trường", "Địa bàn"], ["001", "A", "xx"]]}))

    with pytest.raises(RegisterError) as caught:
        register.load(engine, path)

    assert caught.value.text("vi") == ("so.xlsx [Trường], dòng 2, cột C “Địa bàn”: 'xx': không có mã này trong areas")
    assert stored(engine) == {section: [] for section in COLUMNS}


# ---- what is no workbook, or a hostile one -----------------------------------------------------------------


def repacked(data: bytes, part: str, change: Callable[[bytes], bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name == part else content)
    return out.getvalue()


def test_entities_are_refused_before_they_unfold() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]>'
    plain = as_excel_writes_it("id,name,kind\nlc,Lào Cai,tỉnh")
    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml"):
        hostile = repacked(
            plain, part, lambda xml: bomb + (xml.partition(b"?>")[2] if xml.startswith(b"<?xml") else xml)
        )

        said = refused("so.xlsx", hostile)

        assert "EntitiesForbidden" in said[0], part


def test_a_workbook_that_unpacks_to_too_much_is_refused_unpacked() -> None:
    out = io.BytesIO(book({"areas": AREAS}))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/big.bin", "w") as big:
        for _ in range(301):
            big.write(bytes(2**20))

    said = refused("so.xlsx", out.getvalue())

    assert said == ["so.xlsx: unpacks to 301 MiB in 10 parts: at most 300 MiB in 500 parts; split it"]


def test_a_row_number_far_below_is_refused_without_the_rows_above_being_made_up() -> None:
    hostile = repacked(
        book({"areas": AREAS}),
        "xl/worksheets/sheet1.xml",
        lambda xml: xml.replace(b'<row r="2"', b'<row r="99999999999"'),
    )

    said = refused("so.xlsx", hostile)

    assert said == [f"so.xlsx [areas]: more than {register_xlsx.MOST_ROWS} rows, or a cell below them"]


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("so.xlsx", b"", "cannot be read as .xlsx"),
        ("so.xlsx", b"PK\x03\x04 no", "cannot be read as .xlsx"),
        ("so.xlsx", book({"Sheet1": []}), "has none of the sheets Địa bàn"),
        ("so.xlsx", book({"areas": AREAS, "Địa bàn": AREAS}), "there are two sheets of this section"),
        ("so.xlsx", book({"areas": [["id", "Mã địa bàn", "name"], ["a", "b", "c"]]}), "the column is there twice"),
        (
            "so.xlsx",
            book({"areas": [["id", "name"], ["a", "b", "c"]]}),
            "column C: 'c': the cell is in a column without",
        ),
        ("so.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1", "protected by a password, or an old .xls under another name"),
        ("so.xls", b"\xd0\xcf\x11\xe0", "an old .xls file: in Excel, save it as .xlsx"),
        ("so.ods", b"", "expected a .yaml, .xlsx or .csv file"),
        ("truong.csv", b"id\n", "must be one of areas.csv"),
    ],
)
def test_what_is_no_register_is_refused_with_what_to_do(name: str, data: bytes, fault: str) -> None:
    said = refused(name, data)

    assert fault in said[0]


# Made once: they hold the time at which they were made.
WHOLE = (
    book({"areas": AREAS, "schools": [["id", "name", "area"], ["1", "A", "lc"]]}),
    as_excel_writes_it("id,name,kind\nlc,Lào Cai,tỉnh"),
)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_workbook_is_read_or_refused_and_never_anything_else(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from(WHOLE))
    part = data.draw(st.sampled_from(["", *zipfile.ZipFile(io.BytesIO(whole)).namelist()]))

    def damage(content: bytes) -> bytes:
        at = data.draw(st.integers(0, max(0, len(content) - 1)))
        patch = data.draw(st.one_of(st.binary(max_size=8), st.sampled_from([b'"', b"<", b"-1", b"9" * 30, b"nan"])))
        return content[:at] + patch + content[at + data.draw(st.integers(0, 8)) :]

    damaged = damage(whole) if not part else repacked(whole, part, damage)
    try:
        faults = register_file.read_bytes("so.xlsx", damaged).faults
    except RegisterError:
        faults = []
    assert faults == []


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text(alphabet="ab;,\t\n\r\"'=id\0", max_size=200).map(str.encode)))
def test_any_bytes_named_csv_or_yaml_are_read_or_refused(data: bytes) -> None:
    for name in ("schools.csv", "a.yaml"):
        try:
            found = register_file.read_bytes(name, data)
        except RegisterError as error:
            assert error.faults  # noqa: PT017
        else:
            assert found.faults == []


cell = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["lc", "s1", "²", "1e5", "2025-W01-1", "2025-02-30", "::1", "https://[x", "device.d", "9" * 40, "có"]
    ),
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(sorted(COLUMNS)),
        st.lists(
            st.dictionaries(
                st.sampled_from(sorted({name for one in COLUMNS.values() for name in one})), cell, max_size=8
            ),
            max_size=3,
        ),
    )
)
def test_whatever_cells_hold_is_taken_or_faulted_and_what_is_taken_fits_the_tables(data: Data) -> None:
    checked = register_check.check(register.rows_of(data, "data"), {})

    for section, table in checked.tables.items():
        for values in table.values():
            assert {*values} == {name for name, column in COLUMNS[section].items() if not column.stored}
    assert all(fault.text("vi") and fault.text("en") for fault in [*checked.faults, *checked.remarks])
