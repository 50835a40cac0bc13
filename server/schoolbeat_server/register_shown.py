"""What loading a register did, or would do, as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from schoolbeat_server.register import TABLES, Change, Loaded
from schoolbeat_server.said import Said

MOST_CHANGES = 50
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
    for remark in loaded.remarks[:MOST_REMARKS]:
        yield "! " + remark.text(language)
    if len(loaded.remarks) > MOST_REMARKS:
        more = len(loaded.remarks) - MOST_REMARKS
        yield Said(f"! … và {more} lưu ý nữa", f"! … and {more} more remarks").to(language)
    if dry_run:
        yield Said("Chỉ kiểm tra: chưa ghi gì.", "Dry run: nothing was written.").to(language)
    else:
        yield Said("Đã nạp.", "Loaded.").to(language)


def _counts(section: str, loaded: Loaded) -> Said:
    mine = [change for change in loaded.changes if change.section == section]
    new = sum(change.before is None for change in mine)
    changed = len(mine) - new
    same = loaded.rows[section] - len(mine)
    kept = loaded.kept[section]
    words = SECTION_WORDS[section]
    return Said(
        f"{words.vi}: {new} mới, {changed} thay đổi, {same} như cũ"
        + (f", {kept} không có trong tệp (vẫn giữ)" if kept else ""),
        f"{words.en}: {new} new, {changed} changed, {same} as before"
        + (f", {kept} not in the file (they stay)" if kept else ""),
    )


def _change(change: Change, language: str) -> str:
    assert change.before is not None
    name = "/".join(str(part) for part in change.key)
    parts = [f"{column}: {_shown(change.before[column])} → {_shown(now)}" for column, now in change.after.items()]
    return f"  {SECTION_WORDS[change.section].to(language)} {name}: " + "; ".join(parts)


def _shown(value: Any) -> str:
    return "–" if value in (None, "") else str(value)
