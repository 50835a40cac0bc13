"""A province's areas before and after 1 July 2025, from the data of the package vietnamadminunits, to be checked.

The package (MIT) is no dependency: it stands for a first file that people look over, is needed once, and would bring
numpy and shapely. Its data files are read; none of its code runs.
"""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from schoolbeat_server.register_headings import bare
from schoolbeat_server.said import Said

PACKAGE = "vietnamadminunits"
CHANGED = "2025-07-01"
_FIRST, _LAST = "0001-01-01", "9999-12-31"
_AREAS = ("id", "name", "kind", "parent", "valid_from", "valid_to")
_MOVES = ("xa_cu", "ten_xa_cu", "huyen_cu", "xa_moi", "ten_xa_moi", "phan")


class ProvinceError(ValueError):
    """The file cannot be made; `said` tells why."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


class Move(NamedTuple):
    """part: toàn bộ (the whole old commune went there), phần lớn (of a divided one, by the package), một phần."""

    old: str
    old_name: str
    district: str
    new: str
    new_name: str
    part: str


def data_folder() -> Path:
    """Where the package keeps its data. Raises ProvinceError if it is not installed."""
    spec = find_spec(PACKAGE)  # finds it without running it
    if spec is None or spec.origin is None:
        command = f"pip install --no-deps {PACKAGE}"
        raise ProvinceError(
            f"chưa có dữ liệu đơn vị hành chính: hãy chạy {command}",
            f"the data of administrative units is not there: run {command}",
        )
    return Path(spec.origin).parent / "data"


def write(folder: Path, province: str, data: Path) -> tuple[int, int]:
    """folder/areas.csv, ready to be loaded, and folder/kiem-tra/xa-cu-xa-moi.csv, which old commune became which, for
    people. How many areas and moves. Raises ProvinceError."""
    areas, moves = read(province, data)
    (folder / "kiem-tra").mkdir(parents=True, exist_ok=True)
    _write_csv(folder / "areas.csv", _AREAS, areas)
    _write_csv(folder / "kiem-tra" / "xa-cu-xa-moi.csv", _MOVES, moves)
    return len(areas), len(moves)


def _write_csv(path: Path, heading: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(heading)
        writer.writerows(rows)


def read(province: str, data: Path) -> tuple[list[tuple[str, ...]], list[Move]]:
    """province: its name today. Its areas today, and all those that became part of it with the trees they stood in."""
    converter = json.loads((data / "converter_2025.json").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(f"{(data / 'dataset.db').as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        key = _province_key(connection, province)
        new = connection.execute("select * from admin_units where provinceKey = ? order by wardCode", (key,)).fetchall()
        old = [
            row
            for one in converter["DICT_PROVINCE"][key]
            for row in connection.execute(
                "select * from admin_units_legacy where provinceKey = ? order by districtCode, wardCode", (one,)
            )
        ]
    return [*_new_areas(new), *_old_areas(old)], list(_moves(new, old, converter, key))


def _province_key(connection: sqlite3.Connection, province: str) -> str:
    rows = connection.execute("select distinct provinceKey, province, provinceShort from admin_units").fetchall()
    for row in rows:
        if bare(province) in (bare(row["province"]), bare(row["provinceShort"])):
            return str(row["provinceKey"])
    names = ", ".join(sorted(row["provinceShort"] for row in rows))
    raise ProvinceError(
        f"không có tỉnh {province!r}; cần tên từ 1/7/2025: {names}",
        f"no province {province!r}; the names since 1 July 2025 are {names}",
    )


def _new_areas(rows: list[Any]) -> Iterator[tuple[str, ...]]:
    first = rows[0]
    top = f"t{first['provinceCode']}"
    yield top, first["province"], "province", "", CHANGED, _LAST
    for row in rows:
        yield f"x{row['wardCode']}", row["ward"], "commune", top, CHANGED, _LAST


def _old_areas(rows: list[Any]) -> Iterator[tuple[str, ...]]:
    told: set[str] = set()
    for row in rows:
        top, district = f"t{row['provinceCode']}-cu", f"h{row['districtCode']}-cu"
        if top not in told:
            yield top, f"{row['province']} (trước 1/7/2025)", "province", "", _FIRST, CHANGED
        if district not in told:
            yield district, row["district"], "district", top, _FIRST, CHANGED
        told |= {top, district}
        if row["ward"]:  # five island districts have no communes
            yield f"x{row['wardCode']}-cu", row["ward"], "commune", district, _FIRST, CHANGED


def _moves(new: list[Any], old: list[Any], converter: dict[str, Any], key: str) -> Iterator[Move]:
    today = {row["wardKey"]: row for row in new}
    whole = {
        before: [(after, "toàn bộ")]
        for after, all_before in converter["DICT_PROVINCE_WARD_NO_DIVIDED"].get(key, {}).items()
        for before in all_before
    }
    divided = {
        before: [(one["newWardKey"], "phần lớn" if one["isDefaultNewWard"] else "một phần") for one in parts]
        for before, parts in converter["DICT_PROVINCE_WARD_DIVIDED"].get(key, {}).items()
    }
    for row in old:
        before = f"{row['provinceKey']}_{row['districtKey']}_{row['wardKey'] or ''}"
        ident = f"x{row['wardCode']}-cu" if row["ward"] else f"h{row['districtCode']}-cu"
        for after, part in (whole | divided).get(before, []):
            found = today[after]
            yield Move(ident, row["ward"] or "", row["district"], f"x{found['wardCode']}", found["ward"], part)
