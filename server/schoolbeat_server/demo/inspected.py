"""Two simulated inspections: one held digitally with its frozen snapshot, one on site with a reply."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from schoolbeat_server.demo.province import Province
from schoolbeat_server.inspection_making import Entry

INSPECTOR = "Đoàn kiểm tra (mô phỏng)"
SCHOOL = "Nhà trường (mô phỏng)"
DIGITAL, ON_SITE = 2, 1  # by the school's place in the register; the first has an access point that is dead

Enter = Callable[[Entry], int]
Say = Callable[[int, str, str, str], None]
"""(inspection, kind of word, author, text)"""


def record(made: Province, enter: Enter, say: Say) -> None:
    """When the history is in: the snapshot is of what the pages say then."""
    schools = [row["id"] for row in made.register["schools"]]
    scope = "Đường truyền, Wi-Fi, thiết bị phòng học (mô phỏng)"
    found = "Một điểm phát Wi-Fi không trả lời; đề nghị nhà trường kiểm tra nguồn và dây."
    enter(Entry(schools[DIGITAL], "", "digital", "", INSPECTOR, scope, found))
    on_site = Entry(
        schools[ON_SITE],
        "",
        "on_site",
        "2026-09-10",
        INSPECTOR,
        "Phòng máy tính (mô phỏng)",
        "Một máy chiếu chưa dán mã tài sản.",
    )
    ident = enter(on_site)
    say(ident, "reply", SCHOOL, "Đã dán mã và cập nhật sổ tài sản.")


# ---- over the API ------------------------------------------------------------------------------------------


def over_the_api(port: int) -> tuple[Enter, Say]:
    """OSError when the server does not take it."""

    def enter(entry: Entry) -> int:
        return int(_post(port, "", entry._asdict())["id"])

    def say(ident: int, kind: str, author: str, text: str) -> None:
        _post(port, f"/{ident}/words", {"kind": kind, "author": author, "text": text})

    return enter, say


def _post(port: int, path: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    content = json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/v1/inspections{path}", content, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310  # the address is built above
        return json.load(answer)


def are_judged(port: int, since_ms: int) -> bool:
    """Whether the verdicts are younger than that."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:  # not well, and yet it judges
        told = json.load(error)
    except (OSError, ValueError):
        return False
    return bool(told["judged_ms"] > since_ms)
