"""The catalogue of series as docs/series.md has it; `python -m schoolbeat_server.series_shown FILE` writes it there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schoolbeat_server.series_catalogue import CAUSES, CAUSES_IN_WORDS, MEASUREMENTS, Field, Measurement, metric_of

BEGIN: Final = "<!-- danh mục, do máy viết / the catalogue, written by program -->"
END: Final = "<!-- hết / end -->"
_TAGS: Final = {
    "area": ("mã xã, phường; `all`: toàn tỉnh", "id of the commune or ward; `all`: the whole province"),
    "school": ("mã trường", "id of the school"),
    "site": ("mã điểm trường", "id of the site"),
    "agent": ("tên tác tử", "the agent's name"),
    "subject": ("điều được đo: tín hiệu, thiết bị, cổng của thiết bị, `host`…", "what was measured"),
    "signal": ("tín hiệu", "the signal"),
    "kind": (
        "loại: của thiết bị, phòng, điểm trường; nếu không, phần đầu của tên",
        "of the device, room, site; otherwise the name's head",
    ),
    "room": ("mã phòng; thiết bị ngoài sổ: như tác tử báo", "id of the room; of an unregistered device as told"),
    "isp": (
        "nhà mạng của đường chính còn hợp đồng ngày ấy; chỉ ở `line.*` và `speed.*`",
        "ISP of the main line in force on that day; of `line.*` and `speed.*` only",
    ),
    "label": (
        "tên người đọc thấy; của phòng: «Tên (mã)»",
        "the name that people know; of a room: 'Name (id)'",
    ),
    "area_label": ("«Tên (mã)» của xã, phường", "'Name (id)' of the commune"),
    "school_label": ("«Tên (mã)» của trường", "'Name (id)' of the school"),
    "site_label": ("«Tên (mã)» của điểm trường", "'Name (id)' of the site"),
    "clock": ("`always`: cả ngày; `lessons`: giờ học", "`always`: around the clock; `lessons`: lesson time"),
    "plan": ("mã kế hoạch", "id of the plan"),
    "target": ("mã chỉ tiêu", "id of the target"),
    "unit": ("mã đơn vị được xét", "id of the unit judged"),
    "technology": ("công nghệ đường truyền", "the line's technology"),
    "level": ("mức lớp học thông minh", "level of the smart room"),
    "role": ("vai trò: gateway, classroom", "gateway or classroom"),
    "version": ("phiên bản tác tử", "the agent's version"),
    "server": ("mã máy chủ", "the server's id"),
}
assert {tag for one in MEASUREMENTS.values() for tag in one.tags} == _TAGS.keys()


def catalogue() -> str:
    """Markdown."""
    parts = [*(_measurement(name, one) for name, one in MEASUREMENTS.items()), _tags(), _causes()]
    return "\n".join(parts)


def _measurement(name: str, one: Measurement) -> str:
    lines = [
        f"### {name}",
        "",
        f"{one.vi}. / *{one.en}.*",
        "",
        f"* tag: {', '.join(f'`{tag}`' for tag in one.tags)}",
        f"* thời điểm / time: {one.at}",
        f"* ghi / written: {one.every}",
        "",
        "| field | kiểu / type | đơn vị / unit | VictoriaMetrics | nghĩa | meaning |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{field}` | {told.kind} | {told.unit} | `{metric_of(name, field)}` | {told.vi} | {told.en} |"
            for field, told in one.fields.items()
        ),
        *(line for field, told in one.fields.items() if told.codes for line in _codes(field, told)),
        "",
    ]
    return "\n".join(lines)


def _codes(name: str, field: Field) -> Iterator[str]:
    vi = "; ".join(f"{code} {vi}" for code, vi, _ in field.codes)
    en = "; ".join(f"{code} {en}" for code, _, en in field.codes)
    yield from ("", f"`{name}`: {vi}. / *{en}.*")


def _tags() -> str:
    rows = [f"| `{tag}` | {vi} | {en} |" for tag, (vi, en) in _TAGS.items()]
    return "\n".join(["### Tag / tags", "", "| tag | nghĩa | meaning |", "|---|---|---|", *rows, ""])


def _causes() -> str:
    """Of the fields named cause."""
    rows = [f"| {code} | `{name}` | {' | '.join(CAUSES_IN_WORDS[name])} |" for name, code in CAUSES.items()]
    head = ["### Nguyên nhân / causes", "", "| số / number | tên / name | nghĩa | meaning |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, ""])


def main(path: Path) -> None:
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    path.write_text(f"{before}{BEGIN}\n\n{catalogue()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
