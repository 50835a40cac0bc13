"""The whole register as a workbook or as CSV files, which loaded again change nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server.register import TABLES
from schoolbeat_server.register_columns import COLUMNS, tags_in_vietnamese
from schoolbeat_server.register_csv import FORMULA_SIGNS, guarded
from schoolbeat_server.register_headings import GUIDE, HEADINGS, SHEETS
from schoolbeat_server.register_xlsx import MOST_ROWS
from schoolbeat_server.said import Said

_MBPS = 1_000_000
_WIDEST = 60


class Table(NamedTuple):
    """columns: those that are written; rows: their cells, None for an empty one."""

    columns: list[str]
    rows: Iterator[list[str | int | float | None]]


def table(connection: Connection, section: str, language: str) -> Table:
    """Speeds in Mbit/s if all of them can be said so. language vi: words as Vietnamese registers write them."""
    stored = TABLES[section]
    query = select(stored).order_by(*stored.primary_key.columns)
    columns = [name for name in COLUMNS[section] if not _is_left_out(connection, section, name)]
    return Table(
        columns,
        (
            [_cell(section, name, row[COLUMNS[section][name].stored or name], language) for name in columns]
            for row in connection.execute(query).mappings()
        ),
    )


def _is_left_out(connection: Connection, section: str, name: str) -> bool:
    """Of a speed in bit/s and the same in Mbit/s one is written, so that changing one is enough."""
    columns = COLUMNS[section]
    speed = columns[name].stored or name
    if speed not in {column.stored for column in columns.values()}:
        return False
    stored = TABLES[section].c[speed]
    uneven = connection.execute(select(stored).where(stored % _MBPS != 0).limit(1)).first()
    return bool(columns[name].stored) == (uneven is not None)


def _cell(section: str, name: str, value: Any, language: str) -> str | int | float | None:
    column = COLUMNS[section][name]
    if value is None or value == "" or (column.day and value == column.default):
        return None
    if column.stored:
        return int(value) // _MBPS
    if isinstance(value, bool):
        return {True: Said("có", "yes"), False: Said("không", "no")}[value].to(language)
    if isinstance(value, str) and language == "vi":
        if name == "tags":
            return tags_in_vietnamese(value)
        return column.words.get(value, value)
    return value if isinstance(value, int | float) else str(value)


# ---- CSV ---------------------------------------------------------------------------------------------------


def to_folder(connection: Connection, folder: Path) -> dict[str, int]:
    """A file per section that has rows, with our ids as headings; rows written, by section."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    for section in COLUMNS:
        found = table(connection, section, "en")
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(found.columns)
        counts[section] = 0
        for row in found.rows:
            writer.writerow([guarded(cell) if isinstance(cell, str) else cell for cell in row])
            counts[section] += 1
        if counts[section]:
            (folder / f"{section}.csv").write_bytes(text.getvalue().encode("utf-8-sig"))
    return counts


# ---- a workbook --------------------------------------------------------------------------------------------


def to_xlsx(connection: Connection, out: BinaryIO, language: str) -> dict[str, int]:
    """A sheet per section, empty ones too, to be filled in, and one that says how; rows written, by section."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.creator, book.properties.title = "SchoolBeat", Said("Sổ đăng ký", "The register").to(language)
    _guide(book, language)
    counts = {section: _sheet(book, section, table(connection, section, language), language) for section in COLUMNS}
    book.save(out)
    return counts


def _sheet(book: Any, section: str, found: Table, language: str) -> int:
    from openpyxl.utils import get_column_letter

    sheet = book.create_sheet(SHEETS[section] if language == "vi" else section)
    headings = [HEADINGS[section][name] if language == "vi" else name for name in found.columns]
    for index, (name, heading) in enumerate(zip(found.columns, headings, strict=True), 1):
        dimension = sheet.column_dimensions[get_column_letter(index)]
        dimension.width = min(max(len(heading) + 4, 36 if name == "name" else 14), _WIDEST)
        if _is_text(section, name):
            dimension.number_format = "@"  # what is typed below the last row keeps its zeros too
    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(headings))}1"
    sheet.append(_header(sheet, section, found.columns, headings))
    _offer_words(sheet, section, found.columns, language)
    write = [_writer(sheet, _is_text(section, name)) for name in found.columns]
    count = 0
    for row in found.rows:
        sheet.append([None if cell is None else put(cell) for put, cell in zip(write, row, strict=True)])
        count += 1
    return count


_MOST_LIST = 255  # signs of a list that a workbook offers


def _offer_words(sheet: Any, section: str, columns: list[str], language: str) -> None:
    """A list to choose from, which lets other words pass: the import takes more of them, and says what it takes."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    for index, name in enumerate(columns, 1):
        words = COLUMNS[section][name].words
        offered = ",".join(words.values() if language == "vi" else words)
        if words and len(offered) <= _MOST_LIST:
            choice = DataValidation("list", formula1=f'"{offered}"', allow_blank=True, showErrorMessage=False)
            choice.add(f"{get_column_letter(index)}2:{get_column_letter(index)}{MOST_ROWS}")
            sheet.data_validations.append(choice)


def _is_text(section: str, name: str) -> bool:
    return COLUMNS[section][name].exact or COLUMNS[section][name].day


def _header(sheet: Any, section: str, columns: list[str], headings: list[str]) -> list[Any]:
    """Required columns stand out."""
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font, PatternFill

    fills = {True: PatternFill("solid", fgColor="1F4E79"), False: PatternFill("solid", fgColor="5B7FA3")}
    cells = []
    for name, heading in zip(columns, headings, strict=True):
        required = COLUMNS[section][name].required
        cell = WriteOnlyCell(sheet, heading + (" *" if required else ""))
        cell.font, cell.fill = Font(bold=True, color="FFFFFF"), fills[required]
        cell.alignment = Alignment(wrap_text=True, vertical="center")
        cells.append(cell)
    return cells


def _writer(sheet: Any, is_text: bool) -> Any:
    """How a column's cells are written. One cell is used again and again: a style costs more than its text."""
    from openpyxl.cell import WriteOnlyCell

    as_text, as_quoted = WriteOnlyCell(sheet, ""), WriteOnlyCell(sheet, "")
    as_text.number_format = as_quoted.number_format = "@"
    as_quoted.quotePrefix = True

    def write(value: str | int | float) -> Any:
        if not isinstance(value, str):
            return value
        if not is_text and not value.startswith(FORMULA_SIGNS):
            return value
        cell = as_quoted if value.startswith(FORMULA_SIGNS) else as_text
        cell.value = value
        cell.data_type = "s"  # openpyxl takes what begins with = for a formula
        return cell

    return write


_GUIDE = (
    Said("Sổ đăng ký của SchoolBeat", "SchoolBeat's register"),
    Said(
        "Mỗi trang là một mục. Sửa hoặc thêm dòng, lưu lại, rồi kiểm tra trước khi nạp:",
        "Each sheet is a section. Change or add rows, save, and check before loading:",
    ),
    Said("schoolbeat-server register load TỆP.xlsx --dry-run", "schoolbeat-server register load FILE.xlsx --dry-run"),
    Said("schoolbeat-server register load TỆP.xlsx", "schoolbeat-server register load FILE.xlsx"),
    Said(
        "Cột có dấu * là bắt buộc. Mã giữ nguyên như đã gõ: để định dạng Text, nếu không Excel bỏ mất số 0 ở đầu.",
        "Columns with * are required. Ids stay as typed: keep the format Text, or Excel takes their leading zeros.",
    ),
    Said(
        "Không dùng công thức: hãy dán dạng giá trị. Ngày ghi NĂM-THÁNG-NGÀY, ví dụ 2025-07-01.",
        "No formulas: paste as values. Dates as YEAR-MONTH-DAY, such as 2025-07-01.",
    ),
    Said(
        "Xóa một dòng ở đây không xóa trong sổ (để số liệu cũ còn tên). Ô để trống trở về mặc định; cột bị bỏ thì giữ"
        " nguyên.",
        "Deleting a row here deletes nothing (history keeps its names). An empty cell takes the default back; a column"
        " left out stays as it is.",
    ),
)


def _guide(book: Any, language: str) -> None:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Alignment, Font

    sheet = book.create_sheet(GUIDE if language == "vi" else "Guide")
    for letter, width in zip("ABCD", (24, 32, 14, 100), strict=True):
        sheet.column_dimensions[letter].width = width

    def cells(*values: str, bold: bool = False) -> list[Any]:
        made = []
        for value in values:
            cell = WriteOnlyCell(sheet, value)
            cell.font, cell.alignment = Font(bold=bold), Alignment(vertical="top", wrap_text=len(values) > 1)
            made.append(cell)
        return made

    for number, line in enumerate(_GUIDE):
        sheet.append(cells(line.to(language), bold=number == 0))
    sheet.append([])
    heads = (Said("Trang", "Sheet"), Said("Cột", "Column"), Said("Mã cột", "Id"), Said("Được ghi", "Allowed"))
    sheet.append(cells(*(head.to(language) for head in heads), bold=True))
    for section, columns in COLUMNS.items():
        for name, column in columns.items():
            words = column.words.values() if language == "vi" else column.words
            star = " *" if column.required else ""
            title = SHEETS[section] if language == "vi" else section
            sheet.append(cells(title, HEADINGS[section][name] + star, name, " | ".join(words)))
