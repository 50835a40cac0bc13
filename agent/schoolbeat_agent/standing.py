"""`status` in words: connected? how much waits? last ack?"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schoolbeat_agent import status
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.texts import Language, Text

_LINES = {
    "not_running": Text("✗ tác tử không chạy (thư mục {folder})", "✗ the agent is not running (folder {folder})"),
    "not_here": Text(
        "✗ trên hệ thống này không hỏi được tác tử đang chạy: xem nhật ký (thư mục {folder})",
        "✗ on this system a running agent cannot be asked: see its log (folder {folder})",
    ),
    "left": Text(
        "… {waiting} phút nằm trong sổ gửi, sẽ được gửi khi tác tử chạy lại",
        "… {waiting} minutes lie in the outbox and go when the agent runs again",
    ),
    "connected": Text("✓ đã kết nối với {broker}", "✓ connected to {broker}"),
    "not_connected": Text("✗ chưa kết nối với {broker}: {problem}", "✗ not connected to {broker}: {problem}"),
    "waiting": Text("{mark} {waiting} phút chờ máy chủ xác nhận", "{mark} {waiting} minutes wait for the server"),
    "in_memory": Text(
        "✗ {in_memory} phút chỉ nằm trong bộ nhớ vì đĩa báo lỗi: {disk_error}",
        "✗ {in_memory} minutes are in memory only, the disk says: {disk_error}",
    ),
    "ack": Text("✓ máy chủ {server} xác nhận lần cuối lúc {time}", "✓ server {server} acknowledged last at {time}"),
    "no_ack": Text("✗ máy chủ chưa xác nhận gì", "✗ no server has acknowledged anything yet"),
    "proof": Text(
        "✓ mã tổng của máy chủ ngày {day}: {digest}",
        "✓ the server's digest of {day}: {digest}",
    ),
    "clock": Text("✓ giờ: {clock}", "✓ time: {clock}"),
    "no_clock": Text(
        "✗ chưa biết giờ: bật NTP, hoặc chờ máy chủ trả lời; các phép đo được giữ lại",
        "✗ the time is not known yet: switch NTP on, or wait for the server; what is measured is kept",
    ),
    "refused": Text(
        "✗ {count} bản tin của máy chủ lạ {server} bị từ chối",
        "✗ {count} messages of a strange server {server} refused",
    ),
    "trouble": Text("✗ {watch}: {trouble}", "✗ {watch}: {trouble}"),
    "gap": Text("✗ {count} phút đã bị bỏ vì hết chỗ", "✗ {count} minutes were given up for space"),
}


def describe(settings: Settings, language: Language, as_json: bool) -> tuple[str, bool]:
    """The text, and whether all is well."""
    told = status.ask(settings.folder)
    if as_json:
        return json.dumps(told or {"running": False}, ensure_ascii=False), told is not None
    if told is None:
        return _not_running(settings, language), False
    lines = list(_lines(settings, told))
    well = not any(text.startswith("✗") for text in (line.say(language, **names) for line, names in lines))
    return "\n".join(line.say(language, **names) for line, names in lines), well


def _not_running(settings: Settings, language: Language) -> str:
    line = "not_running" if status.can_be_asked() else "not_here"
    said = [_LINES[line].say(language, folder=settings.folder)]
    waiting = _left(settings.folder / "outbox.sqlite")
    if waiting is not None:
        said.append(_LINES["left"].say(language, waiting=waiting))
    return "\n".join(said)


def _left(outbox: Path) -> int | None:
    """How many minutes wait in the file of an agent that does not run; None if it cannot be read."""
    if not outbox.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{outbox.as_uri()}?mode=ro", uri=True, timeout=1)) as db:
            return int(db.execute("SELECT count(*) FROM minute WHERE settled_at IS NULL").fetchone()[0])
    except sqlite3.Error:
        return None


def _lines(settings: Settings, told: dict[str, Any]) -> list[tuple[Text, dict[str, Any]]]:
    names = {**told, "broker": f"{settings.broker.host}:{settings.broker.port}"}
    out = [(_LINES["connected" if told["connected"] else "not_connected"], names)]
    out.append((_LINES["waiting"], {**names, "mark": "✓" if told["waiting"] <= 2 else "…"}))
    if told["disk_error"]:
        out.append((_LINES["in_memory"], names))
    if told["last_ack_unix_ms"]:
        at = datetime.fromtimestamp(told["last_ack_unix_ms"] / 1000, UTC).astimezone()
        out.append((_LINES["ack"], {**names, "time": at.strftime("%H:%M:%S %d/%m/%Y")}))
    else:
        out.append((_LINES["no_ack"], names))
    day, _, digest = told.get("proof", "").partition(" ")
    if digest:
        out.append((_LINES["proof"], {"day": day, "digest": digest}))
    out.append((_LINES["no_clock" if told["clock"] == "none" else "clock"], names))
    gone = sum(end - first for first, end in told["gaps"])
    if gone:
        out.append((_LINES["gap"], {"count": gone}))
    out += [(_LINES["refused"], {"server": s, "count": n}) for s, n in told["refused_servers"].items()]
    out += [(_LINES["trouble"], {"watch": w, "trouble": t}) for w, t in told["troubles"].items()]
    return out
