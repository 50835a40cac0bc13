"""A workbook -> rows of text, one sheet per section; a cell that Excel may have changed is refused or told by name."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from decimal import Decimal
from typing import Any

from schoolbeat_server.register_columns import COLUMNS, Column, Refused
from schoolbeat_server.register_csv import PROGRESS_ROWS
from schoolbeat_server.register_headings import (
    MOST_ROWS_ABOVE,
    SHEETS,
    column_of,
    header_at,
    is_guide,
    section_of,
)
from schoolbeat_server.register_rows import Fault, Place, Progress, Read, RegisterError, Row, whole_file
from schoolbeat_server.said import Said

MOST_UNPACKED_BYTES = 300 * 2**20
MOST_STRINGS_BYTES = 64 * 2**20  # kept in memory whole
MOST_PARTS = 500
MOST_COLUMNS = 60
MOST_ROWS = 200_000
_OLE = b"\xd0\xcf\x11\xe0"
_MOST_DIGITS = 15  # a spreadsheet keeps no more of a number


def read(name: str, data: bytes, progress: Progress | None = None) -> Read:
    """Raises RegisterError if it is no workbook, or too large a one; faults of cells are in what it returns."""
    found = Read()
    if data.startswith(_OLE):
        vi = "tệp có mật khẩu, hoặc là .xls kiểu cũ đã đổi tên: hãy bỏ mật khẩu và lưu lại dạng .xlsx"
        en = "protected by a password, or an old .xls under another name: remove the password and save it as .xlsx"
        raise RegisterError([whole_file(name, vi, en)])
    try:
        _refuse_bombs(name, data)
        _read_book(name, data, found, progress)
    except RegisterError:
        raise
    except Exception as error:  # openpyxl, zipfile and expat name no set of what damage may raise
        cause = _first_cause(error)
        reason = f"{type(cause).__name__}: {cause}"[:200]
        fault = whole_file(name, f"không đọc được như tệp .xlsx ({reason})", f"cannot be read as .xlsx ({reason})")
        raise RegisterError([fault]) from None
    return found


def _first_cause(error: BaseException) -> BaseException:
    """What openpyxl met, not the advice that it wraps it in."""
    while (before := error.__cause__ or error.__context__) is not None:
        error = before
    return error


def _refuse_bombs(name: str, data: bytes) -> None:
    """Before anything is unpacked. zipfile itself unpacks no more of a part than its entry states."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = archive.infolist()
    unpacked = sum(part.file_size for part in parts)
    strings = max((part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml")), default=0)
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED_BYTES or strings > MOST_STRINGS_BYTES:
        size = f"{unpacked // 2**20} MiB"
        most = f"{MOST_UNPACKED_BYTES // 2**20} MiB"
        fault = whole_file(
            name,
            f"giải nén ra {size} trong {len(parts)} phần: tối đa {most} trong {MOST_PARTS} phần; hãy chia nhỏ",
            f"unpacks to {size} in {len(parts)} parts: at most {most} in {MOST_PARTS} parts; split it",
        )
        raise RegisterError([fault])


def _read_book(name: str, data: bytes, found: Read, progress: Progress | None) -> None:
    import warnings

    import openpyxl

    if not openpyxl.DEFUSEDXML:  # it expands entities without
        raise RuntimeError("defusedxml is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about decoration that is not read
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        try:
            for sheet in book.worksheets:
                _read_sheet(name, sheet, found, progress)
        finally:
            book.close()
    if not found.rows and not found.faults:
        allowed = ", ".join(SHEETS.values())
        vi, en = f"không có trang nào trong: {allowed}", f"has none of the sheets {allowed} (or {', '.join(SHEETS)})"
        found.faults.append(whole_file(name, vi, en))


def _read_sheet(name: str, sheet: Any, found: Read, progress: Progress | None) -> None:
    section = section_of(sheet.title)
    file = f"{name} [{sheet.title}]"
    if section is None:
        if not is_guide(sheet.title) and any(any(row) for row in sheet.iter_rows(max_row=5, values_only=True)):
            allowed = ", ".join(SHEETS.values())
            vi = f"trang này không thuộc sổ đăng ký; các trang: {allowed}; hãy đổi tên hoặc bỏ trang"
            en = f"no such sheet; the sheets are {allowed}; rename or remove it"
            found.faults.append(whole_file(file, vi, en))
        return
    if section in found.rows:
        found.faults.append(whole_file(file, "có hai trang cho mục này", "there are two sheets of this section"))
        return
    found.rows[section] = list(_Sheet(section, file, found).rows(sheet, progress))


class _Sheet:
    """One sheet while it is read: its headings, and which of its columns hold numbers where text belongs."""

    def __init__(self, section: str, file: str, found: Read) -> None:
        self.section, self.file, self.found = section, file, found
        self.names: list[str] = []
        self.headings: dict[str, str] = {}
        self.numbers: dict[str, list[int]] = {}  # column -> rows

    def rows(self, sheet: Any, progress: Progress | None) -> Iterator[Row]:
        above: list[tuple[Any, ...]] = []
        number = 0
        # max_row also because a sheet may state a row number of any size, and the rows before it are made up.
        for number, cells in enumerate(sheet.iter_rows(max_row=MOST_ROWS + 1, max_col=MOST_COLUMNS), 1):
            if self.names:
                yield from self._row(number, cells)
            elif len(above) < MOST_ROWS_ABOVE:
                above.append(cells)
                if len(above) == MOST_ROWS_ABOVE:
                    yield from self._after_header(above)
            if progress is not None and number % PROGRESS_ROWS == 0:
                progress(self.section, number)
        if not self.names:
            yield from self._after_header(above)
        if number > MOST_ROWS:
            said = f"quá {MOST_ROWS} dòng, hoặc có ô ở dòng sau đó", f"more than {MOST_ROWS} rows, or a cell below them"
            self.found.faults.append(whole_file(self.file, *said))
        self._tell_numbers()

    def _after_header(self, above: Sequence[tuple[Any, ...]]) -> Iterator[Row]:
        texts = [[_plain(cell.value) for cell in cells] for cells in above]
        at = header_at(self.section, texts)
        if at >= len(texts):
            return
        typed = texts[at]
        while typed and not typed[-1]:
            typed.pop()
        self.names = [column_of(self.section, heading) or heading for heading in typed]
        for letter, name, heading in zip(map(_letter, range(len(typed))), self.names, typed, strict=True):
            if name:
                self.headings[name] = f"{letter} “{heading}”"
        place = Place(self.file, at + 1)
        twice = sorted({name for name in self.names if name and self.names.count(name) > 1})
        said = Said("cột ghi hai lần", "the column is there twice")
        self.found.faults += [Fault(place, name, None, said) for name in twice]
        for number, cells in enumerate(above[at + 1 :], at + 2):
            yield from self._row(number, cells)

    def _row(self, number: int, cells: Sequence[Any]) -> Iterator[Row]:
        if not any(_plain(cell.value) for cell in cells):
            return
        place = Place(self.file, number, self.headings)
        texts: dict[str, str] = {}
        sound = True
        for index, cell in enumerate(cells):
            name = self.names[index] if index < len(self.names) else ""
            if not name:
                if _plain(cell.value):
                    said = Said("ô nằm ở cột không có tiêu đề", "the cell is in a column without a heading")
                    self.found.faults.append(Fault(place, _letter(index), _plain(cell.value), said))
                continue
            try:
                texts[name] = self._text(number, name, cell)
            except Refused as refused:
                sound = False
                self.found.faults.append(Fault(place, name, _plain(cell.value), refused.said))
        if sound:
            yield Row(place, texts)

    def _text(self, number: int, name: str, cell: Any) -> str:
        column = COLUMNS[self.section].get(name)
        if isinstance(cell.value, int | float) and not isinstance(cell.value, bool) and cell.data_type != "f":
            if column is not None and column.exact:
                text, padded = _digits(cell)
                if not padded:
                    self.numbers.setdefault(name, []).append(number)
                return text
            return _number(cell.value)
        return _text_of(cell, column)

    def _tell_numbers(self) -> None:
        for name, numbers in self.numbers.items():
            more = len(numbers) - 1
            said = Said(
                "ô là số: số 0 ở đầu, nếu có, đã mất; hãy định dạng cột là Text rồi gõ lại mã có số 0 ở đầu"
                + (f" (và {more} ô nữa của cột này)" if more else ""),
                "the cell is a number: leading zeros, if it had any, are lost; format the column as Text and type such"
                " ids again" + (f" (and {more} more cells of this column)" if more else ""),
            )
            self.found.remarks.append(Fault(Place(self.file, numbers[0], self.headings), name, None, said))


def _letter(index: int) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(index + 1))


def _plain(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _text_of(cell: Any, column: Column | None) -> str:
    value = cell.value
    if cell.data_type == "f":
        raise Refused(
            "ô chứa công thức: hãy sao chép rồi dán dạng giá trị (Paste Special → Values)",
            "the cell holds a formula: copy it and paste it as a value (Paste Special → Values)",
        )
    if cell.data_type == "e":
        raise Refused("ô đang báo lỗi của bảng tính", "the cell shows a spreadsheet's error")
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"  # as it is shown
    if isinstance(value, datetime) and column is not None and column.day and value.time() == time():
        return value.date().isoformat()
    raise Refused(
        "ô có dạng ngày giờ: hãy định dạng là Text rồi gõ lại"
        if column is None or not column.day
        else "cần ngày, không kèm giờ",
        "the cell is a date or time: format it as Text and type it again"
        if column is None or not column.day
        else "must be a date without a time",
    )


def _number(value: float) -> str:
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return format(Decimal(repr(value)), "f")


def _digits(cell: Any) -> tuple[str, bool]:
    """An id that stands as a number. True: its format shows leading zeros, so that they are known."""
    value = cell.value
    if abs(value) >= 10**_MOST_DIGITS or (isinstance(value, float) and not value.is_integer()):
        raise Refused(
            f"mã là số dài hơn {_MOST_DIGITS} chữ số hoặc số lẻ, Excel đã làm tròn: hãy định dạng Text và gõ lại",
            f"an id that is a number of over {_MOST_DIGITS} digits or a fraction, which Excel has rounded: format the"
            " cell as Text and type it again",
        )
    shown = re.fullmatch("0{2,40}", cell.number_format or "")
    return (str(int(value)).zfill(len(shown[0])), True) if shown else (str(int(value)), False)
