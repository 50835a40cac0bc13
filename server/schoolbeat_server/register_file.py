"""Register files -> rows of text with their places: one YAML file, or a folder of CSV files."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from schoolbeat_server import yaml_text
from schoolbeat_server.register_columns import COLUMNS
from schoolbeat_server.said import Said

SECTIONS = tuple(COLUMNS)
MOST_BYTES = yaml_text.MOST_BYTES
MOST_ROWS = 500_000


class Place(NamedTuple):
    """line 0: the file as a whole."""

    file: str
    line: int


class Fault(NamedTuple):
    """One thing that cannot be accepted (or, among the remarks, that was accepted but should be known)."""

    place: Place
    column: str
    value: str | None
    said: Said

    def text(self, language: str) -> str:
        row = ("dòng", "line")[language == "en"]
        column = ("cột", "column")[language == "en"]
        where = self.place.file
        if self.place.line:
            where += f", {row} {self.place.line}"
        if self.column:
            where += f", {column} {self.column}"
        shown = "" if self.value is None else f" {self.value[:80]!r}:"
        return f"{where}:{shown} {self.said.to(language)}"


class RegisterError(ValueError):
    """The register cannot be loaded; nothing of it was applied. Every fault is listed."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(fault.text("vi") for fault in faults))
        self.faults = faults

    def text(self, language: str) -> str:
        return "\n".join(fault.text(language) for fault in self.faults)


class Row(NamedTuple):
    """cells: as typed, by column; a column that the file does not have is absent."""

    place: Place
    cells: dict[str, str]


def read(path: Path) -> dict[str, list[Row]]:
    """Rows by section. A folder is read as CSV files named for the sections, a file as YAML. Raises RegisterError."""
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise RegisterError(
            [
                _whole(
                    path.name,
                    "cần một tệp .yaml hoặc một thư mục có các tệp CSV",
                    "expected a .yaml file or a folder of CSV files",
                )
            ]
        )
    return _read_yaml(path)


def _whole(file: str, vi: str, en: str) -> Fault:
    return Fault(Place(file, 0), "", None, Said(vi, en))


def _text_of(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            size = f"{MOST_BYTES // 2**20} MiB"
            raise RegisterError([_whole(path.name, f"lớn hơn {size}: hãy chia nhỏ", f"larger than {size}: split it")])
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RegisterError(
            [
                _whole(
                    path.name,
                    f"không phải UTF-8 (byte thứ {error.start}): trong Excel hãy lưu dạng 'CSV UTF-8'",
                    f"not UTF-8 (byte {error.start}): in Excel, save as 'CSV UTF-8'",
                )
            ]
        ) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise RegisterError([_whole(str(path), f"không đọc được: {reason}", f"cannot be read: {reason}")]) from None


# ---- YAML --------------------------------------------------------------------------------------------------


def _read_yaml(path: Path) -> dict[str, list[Row]]:
    text = _text_of(path)
    try:
        found, lines = yaml_text.parse(text)
    except yaml_text.YamlError as error:
        raise RegisterError([Fault(Place(path.name, error.line), "", None, Said(error.vi, error.en))]) from None
    if not isinstance(found, dict):
        raise RegisterError([_whole(path.name, _EXPECTED.vi, _EXPECTED.en)])
    faults: list[Fault] = []
    rows: dict[str, list[Row]] = {}
    for section, entries in found.items():
        place = Place(path.name, lines[section,])
        if section not in SECTIONS:
            faults.append(Fault(place, "", section, _EXPECTED))
        elif entries is not None and not isinstance(entries, list):
            faults.append(Fault(place, "", section, Said("phải là một danh sách", "must be a list")))
        else:
            rows[section] = _yaml_rows(path.name, section, entries or [], lines, faults)
    if faults:
        raise RegisterError(faults)
    return rows


_EXPECTED = Said(f"cần các mục: {', '.join(SECTIONS)}", f"expected the sections {', '.join(SECTIONS)}")


def _yaml_rows(
    file: str, section: str, entries: list[object], lines: dict[yaml_text.Path, int], faults: list[Fault]
) -> list[Row]:
    rows = []
    for index, entry in enumerate(entries):
        place = Place(file, lines[section, index])
        if not isinstance(entry, dict):
            faults.append(Fault(place, "", str(entry), Said("phải có dạng 'cột: giá trị'", "must be 'column: value'")))
            continue
        cells: dict[str, str] = {}
        for column, value in entry.items():
            if isinstance(value, dict | list):
                faults.append(Fault(place, column, None, Said("phải là một giá trị đơn", "must be a single value")))
            else:
                cells[column] = value or ""
        rows.append(Row(place, cells))
    return rows


# ---- CSV ---------------------------------------------------------------------------------------------------


def _read_folder(folder: Path) -> dict[str, list[Row]]:
    faults: list[Fault] = []
    rows: dict[str, list[Row]] = {}
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in SECTIONS:
            allowed = ", ".join(f"{section}.csv" for section in SECTIONS)
            faults.append(_whole(path.name, f"tên tệp phải là một trong {allowed}", f"must be one of {allowed}"))
            continue
        try:
            rows[path.stem] = _csv_rows(path.name, _text_of(path), faults)
        except RegisterError as error:
            faults += error.faults
    if not rows and not faults:
        allowed = ", ".join(f"{section}.csv" for section in SECTIONS)
        faults.append(_whole(str(folder), f"không có tệp nào trong {allowed}", f"has none of {allowed}"))
    if faults:
        raise RegisterError(faults)
    return rows


def _csv_rows(file: str, text: str, faults: list[Fault]) -> list[Row]:
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)  # a Vietnamese Excel writes semicolons
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[Row] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(file, header, faults)
        for cells in reader:
            place = Place(file, reader.line_num)
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.append(_wrong_width(place, len(cells), len(header)))
                continue
            rows.append(Row(place, dict(zip(header, cells, strict=True))))
            if len(rows) > MOST_ROWS:
                raise RegisterError([_whole(file, f"quá {MOST_ROWS} dòng", f"more than {MOST_ROWS} rows")])
    except csv.Error as error:
        place = Place(file, reader.line_num)
        faults.append(Fault(place, "", None, Said(f"không đọc được CSV: {error}", f"not CSV: {error}")))
    return rows


def _check_header(file: str, header: list[str], faults: list[Fault]) -> None:
    said = Said("cột ghi hai lần", "the column is there twice")
    faults += [Fault(Place(file, 1), name, None, said) for name in sorted(set(header)) if header.count(name) > 1]


def _wrong_width(place: Place, cells: int, columns: int) -> Fault:
    return Fault(
        place,
        "",
        None,
        Said(f"có {cells} ô, dòng tiêu đề có {columns} cột", f"has {cells} cells, the header has {columns} columns"),
    )
