"""Tables: Vietnamese order and search, and files that spreadsheets open as they are meant."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from schoolbeat_server.said import Said
from schoolbeat_server.table_files import harmless, to_csv, to_json, to_xlsx
from schoolbeat_server.tables import Column, Table, cell_text, filtered, ordered, page_of, searched

COLUMNS = (
    Column("school", Said("Trường", "School")),
    Column("share", Said("Độ khả dụng", "Availability"), "share"),
    Column("speed", Said("Tốc độ", "Speed"), "bps"),
    Column("count", Said("Số lần đo", "Tests"), "count"),
    Column("day", Said("Ngày", "Day"), "day"),
    Column("status", Said("Kết luận", "Verdict"), "status"),
)
TABLE = Table(
    "t",
    Said("Các trường", "Schools"),
    COLUMNS,
    (
        ("Đông Sơn", Fraction(9995, 10_000), 18_400_000, 12_345, date(2026, 11, 22), "met"),
        ("An Bình", None, None, 0, None, "unknown"),
        ("Ăn Khê", Fraction(1), 5_000_000, 2, date(2026, 1, 2), "missed"),
        ("Dương Hòa", Fraction(1, 2), 999_999, 1, date(2025, 12, 31), "missed"),
    ),
    links=("/a", "/b", "/c", "/d"),
)


def schools(table: Table) -> list[object]:
    return [row[0] for row in table.rows]


def test_schools_stand_in_the_order_of_the_vietnamese_alphabet() -> None:
    assert schools(ordered(TABLE, "school")) == ["An Bình", "Ăn Khê", "Dương Hòa", "Đông Sơn"]
    assert ordered(TABLE, "school").links == ("/b", "/c", "/d", "/a")


def test_what_is_not_known_comes_last_in_either_order() -> None:
    assert schools(ordered(TABLE, "share"))[-1] == "An Bình"
    assert schools(ordered(TABLE, "share", descending=True)) == ["Ăn Khê", "Đông Sơn", "Dương Hòa", "An Bình"]


def test_words_are_found_without_accents_and_case() -> None:
    assert schools(searched(TABLE, "dong son")) == ["Đông Sơn"]
    assert schools(searched(TABLE, "CHƯA ĐẠT")) == ["Ăn Khê", "Dương Hòa"]
    assert schools(searched(TABLE, "")) == schools(TABLE)


def test_rows_are_picked_by_value_and_by_page() -> None:
    assert schools(filtered(TABLE, "status", ["met", "unknown"])) == ["Đông Sơn", "An Bình"]
    assert schools(page_of(TABLE, 1, 2)) == ["An Bình", "Ăn Khê"]


def test_an_unknown_column_is_no_column() -> None:
    with pytest.raises(KeyError):
        ordered(TABLE, "x")


@pytest.mark.parametrize(
    ("place", "vi", "en"),
    [
        (1, "99,9%", "99.9%"),
        (2, "18,4 Mbit/s", "18.4 Mbit/s"),
        (3, "12.345", "12,345"),
        (4, "22/11/2026", "2026-11-22"),
        (5, "đạt", "met"),
    ],
)
def test_a_cell_reads_as_each_language_writes_it(place: int, vi: str, en: str) -> None:
    value, kind = TABLE.rows[0][place], COLUMNS[place].kind

    assert (cell_text(value, kind, "vi"), cell_text(value, kind, "en")) == (vi, en)


def test_csv_opens_in_a_vietnamese_spreadsheet_and_says_what_is_not_known() -> None:
    data = to_csv(TABLE, "vi")

    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
    assert data.startswith(b"\xef\xbb\xbf")
    assert rows[0] == ["Trường", "Độ khả dụng", "Tốc độ", "Số lần đo", "Ngày", "Kết luận"]
    assert rows[2] == ["An Bình", "chưa biết", "chưa biết", "0", "chưa biết", "chưa đủ dữ liệu"]


def test_numbers_of_a_workbook_are_numbers_and_a_share_is_cut_as_it_is_shown() -> None:
    data = to_xlsx([TABLE, TABLE], "vi", head=[("Kỳ", "11/2026")])

    book = load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["Thuyết minh", "Các trường", "Các trường (2)"]
    first = [cell.value for cell in book["Các trường"][2]]
    assert first[:4] == ["Đông Sơn", 0.999, 18.4, 12_345]
    assert book["Các trường"]["B2"].number_format == "0.0%"
    assert book["Các trường"]["B4"].value == 1
    assert book["Các trường"]["B3"].value == "chưa biết"


@given(st.text(max_size=20))
def test_no_text_becomes_a_formula(text: str) -> None:
    clean = "".join(sign for sign in text if sign.isprintable())
    table = Table("t", Said("T", "T"), (Column("a", Said("A", "A")),), ((clean,),))

    cell = load_workbook(io.BytesIO(to_xlsx([table], "en")))["T"]["A2"]
    assert cell.data_type != "f"
    assert cell.value == (clean or None)
    assert harmless(clean)[:1] not in ("=", "@")


def test_json_is_exact() -> None:
    told = to_json(TABLE)

    assert json.loads(json.dumps(told))["rows"][0] == ["Đông Sơn", "1999/2000", 18_400_000, 12_345, "2026-11-22", "met"]
