"""A register as it comes - YAML, a workbook, CSV - read into rows of text, in which nothing is believed yet."""

from __future__ import annotations

from pathlib import Path

from schoolbeat_server import register_csv, register_xlsx, yaml_text
from schoolbeat_server.register_columns import COLUMNS
from schoolbeat_server.register_rows import Fault, Place, Progress, Read, RegisterError, Row, whole_file
from schoolbeat_server.register_text import Unreadable, decode
from schoolbeat_server.said import Said

SECTIONS = tuple(COLUMNS)
MOST_BYTES = yaml_text.MOST_BYTES
_CSV_NAMES = ", ".join(f"{section}.csv" for section in SECTIONS)


def read(path: Path, progress: Progress | None = None) -> Read:
    """A folder is read as CSV files named for the sections. Raises RegisterError with every fault of form."""
    if path.is_dir():
        return _read_folder(path, progress)
    return read_bytes(path.name, _bytes_of(path), progress)


def read_bytes(name: str, data: bytes, progress: Progress | None = None) -> Read:
    """One file, told apart by how its name ends. Raises RegisterError."""
    kind = name.rpartition(".")[2].lower()
    found = Read()
    if kind in ("yaml", "yml"):
        found = _read_yaml(name, data)
    elif kind in ("xlsx", "xlsm"):
        found = register_xlsx.read(name, data, progress)
    elif kind == "csv":
        _read_csv(name, data, found, progress)
    elif kind == "xls":
        said = "tệp .xls kiểu cũ: trong Excel hãy lưu lại dạng .xlsx", "an old .xls file: in Excel, save it as .xlsx"
        found.faults.append(whole_file(name, *said))
    else:
        vi = "cần một tệp .yaml, .xlsx, .csv hoặc một thư mục có các tệp CSV"
        en = "expected a .yaml, .xlsx or .csv file or a folder of CSV files"
        found.faults.append(whole_file(name, vi, en))
    if found.faults:
        raise RegisterError(found.faults)
    return found


def _bytes_of(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            size = f"{MOST_BYTES // 2**20} MiB"
            fault = whole_file(path.name, f"lớn hơn {size}: hãy chia nhỏ", f"larger than {size}: split it")
            raise RegisterError([fault])
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise RegisterError([whole_file(str(path), f"không đọc được: {reason}", f"cannot be read: {reason}")]) from None


def _text_of(name: str, data: bytes, found: Read) -> str:
    """ "" with a fault if it is in no known encoding."""
    try:
        text = decode(data)
    except Unreadable as error:
        fault = whole_file(
            name,
            f"không phải UTF-8 (byte thứ {error.at}), UTF-16 hay Windows-1258; nếu chữ gõ bằng phông TCVN3 hoặc VNI"
            " thì hãy chuyển sang Unicode; trong Excel hãy lưu dạng 'CSV UTF-8'",
            f"not UTF-8 (byte {error.at}), UTF-16 or Windows-1258; text in TCVN3 or VNI fonts has to be converted to"
            " Unicode first; in Excel, save as 'CSV UTF-8'",
        )
        found.faults.append(fault)
        return ""
    if not text.sure:
        remark = whole_file(
            name,
            f"được đọc là {text.encoding}: hãy xem lại các tên; nên lưu dạng 'CSV UTF-8'",
            f"was read as {text.encoding}: check the names; better save as 'CSV UTF-8'",
        )
        found.remarks.append(remark)
    return text.text


# ---- YAML --------------------------------------------------------------------------------------------------


def _read_yaml(name: str, data: bytes) -> Read:
    result = Read()
    text = _text_of(name, data, result)
    if result.faults:
        return result
    try:
        found, lines = yaml_text.parse(text)
    except yaml_text.YamlError as error:
        raise RegisterError([Fault(Place(name, error.line), "", None, Said(error.vi, error.en))]) from None
    if not isinstance(found, dict):
        raise RegisterError([whole_file(name, _EXPECTED.vi, _EXPECTED.en)])
    for section, entries in found.items():
        place = Place(name, lines[section,])
        if section not in SECTIONS:
            result.faults.append(Fault(place, "", section, _EXPECTED))
        elif entries is not None and not isinstance(entries, list):
            result.faults.append(Fault(place, "", section, Said("phải là một danh sách", "must be a list")))
        else:
            result.rows[section] = _yaml_rows(name, section, entries or [], lines, result.faults)
    return result


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


def _read_folder(folder: Path, progress: Progress | None) -> Read:
    found = Read()
    for path in sorted(folder.glob("*.csv")):
        try:
            _read_csv(path.name, _bytes_of(path), found, progress)
        except RegisterError as error:
            found.faults += error.faults
    if not found.rows and not found.faults:
        said = f"không có tệp nào trong {_CSV_NAMES}", f"has none of {_CSV_NAMES}"
        found.faults.append(whole_file(str(folder), *said))
    if found.faults:
        raise RegisterError(found.faults)
    return found


def _read_csv(name: str, data: bytes, found: Read, progress: Progress | None) -> None:
    section = name.rpartition(".")[0]
    if section not in SECTIONS:
        said = f"tên tệp phải là một trong {_CSV_NAMES}", f"must be one of {_CSV_NAMES}"
        found.faults.append(whole_file(name, *said))
        return
    count = len(found.faults)
    text = _text_of(name, data, found)
    if len(found.faults) == count:
        found.rows[section] = register_csv.rows(name, section, text, found.faults, progress)
