"""The command `register`: load, check first, export; and a file of a province's areas to begin with."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from schoolbeat_server.said import Said

if TYPE_CHECKING:
    from sqlalchemy import Engine

Words = Callable[[str, str], str]
_PATIENCE_S = 2.0


def register_words(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], said: Words
) -> argparse.ArgumentParser:
    register = commands.add_parser("register", help=said("sổ đăng ký trường, điểm trường…", "schools, sites, lines…"))
    actions = register.add_subparsers(dest="action", required=True, metavar="load|export|areas")
    load = actions.add_parser(
        "load",
        help=said("nạp từ tệp YAML, XLSX, CSV hoặc thư mục CSV", "load YAML, XLSX, CSV or a folder of CSV"),
    )
    load.add_argument("path", type=Path, metavar=said("TỆP", "PATH"))
    load.add_argument(
        "--dry-run", action="store_true", help=said("chỉ kiểm tra và cho xem sẽ đổi gì", "only check and show changes")
    )
    load.add_argument("--json", action="store_true", help=said("kết quả từng dòng dạng JSON", "row by row, as JSON"))
    export = actions.add_parser(
        "export", help=said("xuất toàn bộ ra tệp .xlsx hoặc thư mục CSV", "write everything as .xlsx or CSV files")
    )
    export.add_argument("path", type=Path, metavar=said("TỆP.xlsx|THƯ_MỤC", "FILE.xlsx|FOLDER"))
    export.add_argument("--force", action="store_true", help=said("ghi đè tệp đã có", "replace what is there"))
    areas = actions.add_parser(
        "areas",
        help=said(
            "viết tệp địa bàn của tỉnh, trước và sau 1/7/2025, để kiểm tra", "write a province's areas, to be checked"
        ),
    )
    areas.add_argument("province", metavar=said("TỈNH", "PROVINCE"))
    areas.add_argument("path", type=Path, metavar=said("THƯ_MỤC", "FOLDER"))
    return register


def run(arguments: argparse.Namespace, database: Callable[[], Engine], language: str) -> int:
    """database: opened only where it is needed."""
    if arguments.action == "areas":
        return _areas(arguments, language)
    return {"load": _load, "export": _export}[arguments.action](arguments, database(), language)


def _load(arguments: argparse.Namespace, engine: Engine, language: str) -> int:
    from schoolbeat_server import register, register_shown

    dry_run = arguments.dry_run
    try:
        loaded = register.load(engine, arguments.path, dry_run=dry_run, progress=_progress(language))
    except register.RegisterError as error:
        if arguments.json:
            print(json.dumps(register_shown.data_of_error(error, language), ensure_ascii=False))
            return 1
        count = len(error.faults)
        said = Said(
            f"{count} lỗi; chưa nạp gì. Hãy sửa rồi nạp lại.",
            f"{count} faults; nothing was loaded. Mend them and load again.",
        )
        print(f"{error.text(language)}\n{said.to(language)}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(register_shown.data(loaded, language, dry_run=dry_run), ensure_ascii=False))
    else:
        print(register_shown.text(loaded, language, dry_run=dry_run))
    return 0


def _progress(language: str) -> Callable[[str, int], None]:
    """Told only to somebody who watches, and only when it takes long."""
    from schoolbeat_server.register_shown import SECTION_WORDS

    began = time.monotonic()

    def tell(section: str, rows: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - began > _PATIENCE_S:
            said = Said(f"đang đọc {SECTION_WORDS[section].vi}: {rows} dòng", f"reading {section}: {rows} rows")
            print(said.to(language), file=sys.stderr)

    return tell


def _export(arguments: argparse.Namespace, engine: Engine, language: str) -> int:
    from schoolbeat_server import register_export, register_shown

    path: Path = arguments.path
    is_book = path.suffix.lower() == ".xlsx"
    if not arguments.force and (any(path.iterdir()) if path.is_dir() else path.exists()):
        said = Said(f"{path}: đã có; thêm --force để ghi đè", f"{path}: is there already; --force replaces it")
        print(said.to(language), file=sys.stderr)
        return 1
    try:
        with engine.connect() as connection:
            if is_book:
                counts = _to_book(path, lambda out: register_export.to_xlsx(connection, out, language))
            else:
                counts = register_export.to_folder(connection, path)
    except OSError as error:
        said = Said(f"{path}: không ghi được: {error.strerror}", f"{path}: cannot be written: {error.strerror}")
        print(said.to(language), file=sys.stderr)
        return 1
    words = register_shown.SECTION_WORDS
    print("\n".join(f"{words[section].to(language)}: {count}" for section, count in counts.items() if count))
    print(Said(f"Đã ghi {path}.", f"Wrote {path}.").to(language))
    return 0


def _to_book(path: Path, write: Callable[..., dict[str, int]]) -> dict[str, int]:
    """Under another name first, so that nobody opens half a workbook."""
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as out:
            counts = write(out)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return counts


def _areas(arguments: argparse.Namespace, language: str) -> int:
    from schoolbeat_server import register_provinces

    path: Path = arguments.path
    try:
        areas, moves = register_provinces.write(path, arguments.province, register_provinces.data_folder())
    except register_provinces.ProvinceError as error:
        print(error.said.to(language), file=sys.stderr)
        return 1
    except OSError as error:
        said = Said(f"{path}: không ghi được: {error.strerror}", f"{path}: cannot be written: {error.strerror}")
        print(said.to(language), file=sys.stderr)
        return 1
    said = Said(
        f"Đã ghi {path}/areas.csv ({areas} địa bàn) và {path}/kiem-tra/xa-cu-xa-moi.csv ({moves} dòng)."
        " Dữ liệu do cộng đồng tổng hợp: hãy đối chiếu với nghị quyết sắp xếp của tỉnh rồi mới nạp.",
        f"Wrote {path}/areas.csv ({areas} areas) and {path}/kiem-tra/xa-cu-xa-moi.csv ({moves} rows)."
        " The data is gathered by volunteers: compare it with the resolutions before loading.",
    )
    print(said.to(language))
    return 0
