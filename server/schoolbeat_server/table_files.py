"""Tables as files: CSV and XLSX that spreadsheets open as they are meant, JSON that loses nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Column, Kind, Table, cell_text, pairs


def to_csv(table: Table, language: str) -> bytes:
    """UTF-8 with a byte-order mark for Excel; semicolons for Vietnamese, whose comma is decimal."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";" if language == "vi" else ",", lineterminator="\r\n")
    writer.writerow([harmless(column.heading.to(language)) for column in table.columns])
    for row in table.rows:
        writer.writerow([harmless(cell_text(cell, column.kind, language)) for cell, column in pairs(table, row)])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def harmless(text: str) -> str:
    """No cell is a formula when a spreadsheet opens the file."""
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return text[1:].replace(",", "").replace(".", "").isdigit() and text[0] in "+-"


def to_json(table: Table) -> dict[str, Any]:
    """Exact: a share as 'numerator/denominator', a text in both languages, a minute as it is."""
    return {
        "name": table.name,
        "title": _json(table.title),
        "columns": [{"key": one.key, "heading": _json(one.heading), "kind": one.kind} for one in table.columns],
        "rows": [[_json(cell) for cell in row] for row in table.rows],
        "links": list(table.links),
        "note": _json(table.note),
    }


def _json(value: Cell) -> Any:
    if isinstance(value, Said):
        return {"vi": value.vi, "en": value.en}
    if isinstance(value, Fraction):
        return str(value)
    return value.isoformat() if isinstance(value, date) else value


def to_xlsx(tables: Sequence[Table], language: str, head: Sequence[tuple[str, str]] = ()) -> bytes:
    """A sheet for each table; head: pairs of what and value for a first sheet that says what this is."""
    book = Workbook(write_only=True)
    if head:
        _head_sheet(book, head, language)
    names: set[str] = set()
    for table in tables:
        sheet = book.create_sheet(_sheet_name(table.title.to(language), names))
        sheet.freeze_panes = "A2"
        for place, column in enumerate(table.columns, 1):
            sheet.column_dimensions[get_column_letter(place)].width = _width(table, place - 1, column, language)
        sheet.append([_heading(sheet, column.heading.to(language)) for column in table.columns])
        for row in table.rows:
            sheet.append([_xlsx_cell(sheet, cell, column, language) for cell, column in pairs(table, row)])
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(table.columns))}{len(table.rows) + 1}"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _head_sheet(book: Any, head: Sequence[tuple[str, str]], language: str) -> None:
    sheet = book.create_sheet(Said("Thuyết minh", "About").to(language))
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = 28, 100
    for what, value in head:
        told = _text_cell(sheet, value)
        told.alignment = Alignment(wrap_text=True, vertical="top")
        sheet.append([_heading(sheet, what), told])


def _heading(sheet: Any, text: str) -> Any:
    cell = _text_cell(sheet, text)
    cell.font, cell.fill = Font(bold=True), PatternFill("solid", start_color="E6EEF5")
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    return cell


def _text_cell(sheet: Any, text: str) -> Any:
    cell = WriteOnlyCell(sheet, value=text)
    cell.data_type = "s"  # never a formula, whatever it begins with
    return cell


def _xlsx_cell(sheet: Any, value: Cell, column: Column, language: str) -> Any:
    """Numbers are numbers that can be sorted and summed; a share is cut as it is shown, since 99.95 % is not 100 %."""
    text = cell_text(value, column.kind, language)
    if value is None or isinstance(value, Said) or column.kind not in _FORMATS:
        return _text_cell(sheet, text)
    cell = WriteOnlyCell(sheet, value=_plain(value, column.kind, text))
    cell.number_format = _FORMATS[column.kind]
    if column.kind == "share":
        if not text.endswith("%"):
            return _text_cell(sheet, text)
        decimals = len(text.rstrip("%").replace(",", ".").partition(".")[2])
        cell.number_format = "0" + ("." + "0" * decimals if decimals else "") + "%"
    return cell


_FORMATS: dict[Kind, str] = {
    "count": "#,##0",
    "number": "#,##0.##",
    "bps": '#,##0.0## "Mbit/s"',
    "share": "0%",
    "day": "dd/mm/yyyy",
}


def _plain(value: Any, kind: Kind, text: str) -> Any:
    if kind == "share":
        return float(Fraction(text.rstrip("%").replace(",", ".")) / 100) if text.endswith("%") else None
    if kind == "bps":
        return float(Fraction(value) / 1_000_000)
    return float(value) if isinstance(value, Fraction) else value


def _width(table: Table, place: int, column: Column, language: str) -> int:
    longest = max((len(cell_text(row[place], column.kind, language)) for row in table.rows[:200]), default=0)
    return min(60, max(10, len(column.heading.to(language)) + 2, longest + 2))


def _sheet_name(title: str, taken: set[str]) -> str:
    """At most 31 characters, without those that a spreadsheet forbids, each once."""
    plain = "".join(" " if sign in "[]:*?/\\" else sign for sign in title)[:31].strip() or "1"
    name, count = plain, 2
    while name.casefold() in taken:
        name, count = f"{plain[:27]} ({count})", count + 1
    taken.add(name.casefold())
    return name
