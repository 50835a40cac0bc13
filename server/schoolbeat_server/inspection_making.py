"""Entering an inspection, and adding to it what is said afterwards: checked, stored whole, never changed again."""

from __future__ import annotations

import json
import re
import unicodedata
import zlib
from collections.abc import Callable, Mapping
from datetime import date
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, insert, select

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.inspections import KINDS, SNAPSHOT_BYTES, WORD_KINDS, read_inspection
from schoolbeat_server.local_time import local
from schoolbeat_server.said import Said

EARLIEST = date(2000, 1, 1)
NAME_LETTERS = 200
SCOPE_LETTERS = 2_000
TEXT_LETTERS = 20_000
WORDS_OF_ONE = 200
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")

Snapshot = Mapping[str, Any]
Photograph = Callable[[Connection, str, str], Snapshot]
"""(connection, school, site or "" for all its sites) -> what the pages say now."""


class InspectionError(ValueError):
    """What was asked cannot be entered; `said` names the thing, the value and what is allowed."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


class Entry(NamedTuple):
    """As the operator gives it. held_on: an ISO date; "" for today."""

    school: str
    site: str
    kind: str
    held_on: str
    inspector: str
    scope: str
    findings: str = ""


def record(engine: Engine, entry: Entry, who: str, now_ms: int, photograph: Photograph) -> int:
    """Its id. Raises InspectionError, and then nothing is stored."""
    today = local(now_ms).date()
    day = _checked_day(entry, today)
    values: dict[str, Any] = {
        "school": entry.school,
        "site": entry.site,
        "kind": entry.kind,
        "held_on": day.isoformat(),
        "inspector": _text("inspector", entry.inspector, NAME_LETTERS, one_line=True),
        "scope": _text("scope", entry.scope, SCOPE_LETTERS),
        "findings": _text("findings", entry.findings, TEXT_LETTERS, empty=True),
        "created_ms": now_ms,
        "who": who[:80],
    }
    with engine.connect() as connection:  # looked at before we write: nobody waits for the lock meanwhile
        _check_place(connection, entry.school, entry.site)
        if entry.kind == "digital":
            text = canonical(photograph(connection, entry.school, entry.site))
            if len(text) > SNAPSHOT_BYTES:
                raise InspectionError(
                    f"bản chụp dài {len(text)} byte, nhiều nhất {SNAPSHOT_BYTES}; hãy kiểm tra từng điểm trường (site)",
                    f"the snapshot has {len(text)} bytes, at most {SNAPSHOT_BYTES}; inspect site by site",
                )
            values |= {"snapshot": zlib.compress(text, 9), "digest": sha256(text).digest()}
    with writing(engine) as connection:
        (ident,) = connection.execute(insert(schema.inspection).values(**values)).inserted_primary_key or (0,)
        return int(ident)


def canonical(snapshot: Snapshot) -> bytes:
    """The bytes that the digest is of: JSON in UTF-8, keys sorted, no blanks."""
    return json.dumps(snapshot, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def add_word(engine: Engine, ident: int, kind: str, author: str, text: str, who: str, now_ms: int) -> None:
    """Raises InspectionError. After `closed` only `withdrawn` may follow, after that nothing."""
    if kind not in WORD_KINDS:
        allowed = " | ".join(WORD_KINDS)
        raise InspectionError(
            f"kind = {kind[:40]!r}: chỉ nhận {allowed}", f"kind = {kind[:40]!r}: allowed is {allowed}"
        )
    author = _text("author", author, NAME_LETTERS, one_line=True)
    text = _text("text", text, TEXT_LETTERS)
    with writing(engine) as connection:
        found = read_inspection(connection, ident)
        if found is None:
            raise InspectionError(f"không có biên bản số {ident}", f"there is no inspection {ident}")
        if found.state == "withdrawn" or (found.state == "closed" and kind != "withdrawn"):
            raise InspectionError(
                f"biên bản {ident} đã kết thúc, không thêm được {kind!r}; cần thì lập biên bản mới",
                f"inspection {ident} is over, {kind!r} cannot be added; enter a new one if need be",
            )
        if len(found.words) >= WORDS_OF_ONE:
            raise InspectionError(
                f"biên bản {ident} đã có {WORDS_OF_ONE} ý kiến, nhiều nhất",
                f"inspection {ident} has {WORDS_OF_ONE} entries, the most",
            )
        values = {"inspection": ident, "kind": kind, "author": author, "text": text, "at_ms": now_ms, "who": who[:80]}
        connection.execute(insert(schema.inspection_word).values(**values))


def _checked_day(entry: Entry, today: date) -> date:
    if entry.kind not in KINDS:
        allowed = " | ".join(KINDS)
        given = entry.kind[:40]
        raise InspectionError(f"kind = {given!r}: chỉ nhận {allowed}", f"kind = {given!r}: allowed is {allowed}")
    given = entry.held_on[:40]
    try:
        day = date.fromisoformat(entry.held_on) if entry.held_on else today
    except ValueError:
        raise InspectionError(
            f"held_on = {given!r}: cần dạng 2026-09-05", f"held_on = {given!r}: must be like 2026-09-05"
        ) from None
    if entry.kind == "digital" and day != today:
        raise InspectionError(
            f"held_on = {given!r}: kiểm tra qua môi trường số phải ghi trong ngày ({today}), vì bản chụp là của lúc"
            " này; nhận xét có thể thêm sau (finding)",
            f"held_on = {given!r}: a digital inspection is entered on its day ({today}), for its snapshot is of this"
            " moment; findings can be added later",
        )
    if not EARLIEST <= day <= today:
        raise InspectionError(
            f"held_on = {given!r}: từ {EARLIEST} đến hôm nay {today}",
            f"held_on = {given!r}: from {EARLIEST} to today, {today}",
        )
    return day


def _check_place(connection: Connection, school: str, site: str) -> None:
    known = connection.scalar(select(schema.school.c.id).where(schema.school.c.id == school))
    if known is None:
        raise InspectionError(
            f"school = {school[:40]!r}: sổ đăng ký không có trường này",
            f"school = {school[:40]!r}: the register has no such school",
        )
    table = schema.site.c
    mine = sorted(connection.scalars(select(table.id).where(table.school == school)))
    if site and site not in mine:
        allowed = ", ".join(mine[:20]) or "–"
        raise InspectionError(
            f"site = {site[:40]!r}: trường {school} chỉ có các điểm trường {allowed}",
            f"site = {site[:40]!r}: school {school} has the sites {allowed}",
        )


def _text(name: str, value: str, most: int, *, one_line: bool = False, empty: bool = False) -> str:
    text = unicodedata.normalize("NFC", value.replace("\r\n", "\n")).strip()
    if not text and not empty:
        raise InspectionError(f"{name}: không được để trống", f"{name}: must not be empty")
    if len(text) > most:
        raise InspectionError(
            f"{name}: dài {len(text)} ký tự, nhiều nhất {most}", f"{name}: {len(text)} characters, at most {most}"
        )
    if _CONTROL.search(text) or (one_line and "\n" in text):
        raise InspectionError(
            f"{name} = {text[:40]!r}: có ký tự điều khiển hoặc xuống dòng không nhận",
            f"{name} = {text[:40]!r}: has control characters or line breaks that are not taken",
        )
    return text
