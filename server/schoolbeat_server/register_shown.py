"""What loading a register did, or would do: as text for a terminal, and row by row as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schoolbeat_server.register import TABLES, Change, Loaded
from schoolbeat_server.register_columns import COLUMNS, tags_in_vietnamese
from schoolbeat_server.register_headings import HEADINGS
from schoolbeat_server.register_rows import Fault, RegisterError
from schoolbeat_server.said import Said

MOST_CHANGES = 50
MOST_NEW = 20
MOST_REMARKS = 50

SECTION_WORDS = {
    "areas": Said("địa bàn", "areas"),
    "schools": Said("trường", "schools"),
    "school_areas": Said("địa bàn của trường", "areas of schools"),
    "sites": Said("điểm trường", "sites"),
    "shifts": Said("buổi học", "shifts"),
    "lines": Said("đường truyền", "lines"),
    "rooms": Said("phòng", "rooms"),
    "room_needs": Said("phòng cần gì", "what rooms need"),
    "devices": Said("thiết bị", "devices"),
    "assets": Said("sổ tài sản", "asset book"),
    "services": Said("dịch vụ", "services"),
}


# ---- as text -----------------------------------------------------------------------------------------------


def text(loaded: Loaded, language: str, *, dry_run: bool) -> str:
    return "\n".join(_lines(loaded, language, dry_run))


def _lines(loaded: Loaded, language: str, dry_run: bool) -> Iterator[str]:
    for section in TABLES:
        if loaded.rows[section]:
            yield _counts(section, loaded).to(language)
    changed = [change for change in loaded.changes if change.before is not None]
    for change in changed[:MOST_CHANGES]:
        yield _change(change, language)
    if len(changed) > MOST_CHANGES:
        more = len(changed) - MOST_CHANGES
        yield Said(f"  … và {more} thay đổi nữa", f"  … and {more} more changes").to(language)
    if dry_run:
        yield from _new(loaded, language)
    for remark in loaded.remarks[:MOST_REMARKS]:
        yield "! " + remark.text(language)
    if len(loaded.remarks) > MOST_REMARKS:
        more = len(loaded.remarks) - MOST_REMARKS
        yield Said(f"! … và {more} lưu ý nữa", f"! … and {more} more remarks").to(language)
    if dry_run:
        yield Said("Chỉ kiểm tra: chưa ghi gì.", "Dry run: nothing was written.").to(language)
    else:
        yield Said("Đã nạp.", "Loaded.").to(language)


def _new(loaded: Loaded, language: str) -> Iterator[str]:
    new = [change for change in loaded.changes if change.before is None]
    for change in new[:MOST_NEW]:
        place = loaded.places[change.section][change.key]
        said = Said(f"mới ({place.file}, dòng {place.line})", f"new ({place.file}, line {place.line})")
        yield f"  {_name(change, language)}: {said.to(language)}"
    if len(new) > MOST_NEW:
        more = len(new) - MOST_NEW
        yield Said(f"  … và {more} dòng mới nữa", f"  … and {more} more new rows").to(language)


def _counts(section: str, loaded: Loaded) -> Said:
    new, changed, same, kept = (_count(section, loaded)[name] for name in ("new", "changed", "same", "kept"))
    words = SECTION_WORDS[section]
    return Said(
        f"{words.vi}: {new} mới, {changed} thay đổi, {same} như cũ"
        + (f", {kept} không có trong tệp (vẫn giữ)" if kept else ""),
        f"{words.en}: {new} new, {changed} changed, {same} as before"
        + (f", {kept} not in the file (they stay)" if kept else ""),
    )


def _count(section: str, loaded: Loaded) -> dict[str, int]:
    mine = [change for change in loaded.changes if change.section == section]
    new = sum(change.before is None for change in mine)
    return {
        "new": new,
        "changed": len(mine) - new,
        "same": loaded.rows[section] - len(mine),
        "kept": loaded.kept[section],
    }


def _name(change: Change, language: str) -> str:
    return f"{SECTION_WORDS[change.section].to(language)} {'/'.join(str(part) for part in change.key)}"


def _change(change: Change, language: str) -> str:
    assert change.before is not None
    parts = []
    for column, now in change.after.items():
        before, after = (_shown(change.section, column, value, language) for value in (change.before[column], now))
        name = HEADINGS[change.section][column] if language == "vi" else column
        parts.append(f"{name}: {before} → {after}")
    return f"  {_name(change, language)}: " + "; ".join(parts)


def _shown(section: str, column: str, value: Any, language: str) -> str:
    """As the reader's workbook has it."""
    if value in (None, ""):
        return "–"
    if isinstance(value, bool):
        return {True: Said("có", "yes"), False: Said("không", "no")}[value].to(language)
    if language == "vi" and column == "tags":
        return tags_in_vietnamese(value)
    return COLUMNS[section][column].words.get(value, str(value)) if language == "vi" else str(value)


# ---- as data -----------------------------------------------------------------------------------------------


def data(loaded: Loaded, language: str, *, dry_run: bool) -> dict[str, Any]:
    """applied; sections: how many rows of each are new, changed, same, and kept though not in the file; rows: each
    new or changed one with its place and, by column, its value before (absent of a new row) and after; remarks."""
    return {
        "applied": not dry_run,
        "sections": {section: _count(section, loaded) for section in TABLES if loaded.rows[section]},
        "rows": [_row(change, loaded) for change in loaded.changes],
        "faults": [],
        "remarks": [_fault(remark, language) for remark in loaded.remarks],
    }


def data_of_error(error: RegisterError, language: str) -> dict[str, Any]:
    """As data, of a register that cannot be loaded: nothing was written, and `faults` says why, all of them."""
    faults = [_fault(fault, language) for fault in error.faults]
    return {"applied": False, "sections": {}, "rows": [], "faults": faults, "remarks": []}


def _row(change: Change, loaded: Loaded) -> dict[str, Any]:
    place = loaded.places[change.section][change.key]
    before = change.before
    return {
        "file": place.file,
        "line": place.line,
        "section": change.section,
        "key": list(change.key),
        "state": "new" if before is None else "changed",
        "columns": {
            name: {"after": now} if before is None else {"before": before[name], "after": now}
            for name, now in change.after.items()
        },
    }


def _fault(fault: Fault, language: str) -> dict[str, Any]:
    return {
        "file": fault.place.file,
        "line": fault.place.line,
        "column": fault.column,
        "heading": fault.place.headings.get(fault.column, fault.column),
        "value": fault.value,
        "text": fault.said.to(language),
    }
