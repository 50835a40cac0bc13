"""What is wrong with the server itself: told over every channel once when it lasts, and once when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from schoolbeat_server import schema
from schoolbeat_server.local_time import clock_and_day, lasting
from schoolbeat_server.said import Said
from schoolbeat_server.settings import Channel

HOLD_MS: Final = 120_000  # before it is told
OVER_MS: Final = 600_000  # without it, before it is called over: what comes and goes is told once
_LETTERS: Final = 1_000

Step = Literal["see", "tell", "back", "forget", "go", "close", ""]

_TITLES: Final = {
    "open": Said("[SchoolBeat] Máy chủ cần người xem", "[SchoolBeat] The server needs somebody to look"),
    "close": Said("[SchoolBeat] Máy chủ: đã hết", "[SchoolBeat] The server: it is over"),
}


class Known(NamedTuple):
    """A matter that is not closed. told_ms, gone_ms: None while it has not been told, while it is there."""

    id: int
    name: str
    seen_ms: int
    told_ms: int | None
    gone_ms: int | None
    vi: str
    en: str


def step_of(known: Known | None, *, there: bool, now_ms: int) -> Step:
    """What to do about a matter at this look."""
    if known is None:
        return "see" if there else ""
    if there:
        if known.told_ms is None:
            return "tell" if now_ms - known.seen_ms >= HOLD_MS else ""
        return "back" if known.gone_ms is not None else ""
    if known.told_ms is None:
        return "forget"
    if known.gone_ms is None:
        return "go"
    return "close" if now_ms - known.gone_ms >= OVER_MS else ""


def look(connection: Connection, found: Mapping[str, Sequence[Said]], channels: Sequence[Channel], now_ms: int) -> None:
    """found: what is wrong now, by name. `connection` writes."""
    table = schema.matter.c
    columns = [table[name] for name in Known._fields]
    known = {row.name: Known(*row) for row in connection.execute(select(*columns).where(table.closed_ms.is_(None)))}
    for name in sorted(found.keys() | known.keys()):
        one = known.get(name)
        step = step_of(one, there=name in found, now_ms=now_ms)
        said = _joined(found[name]) if name in found else Said("", "")
        if one is None:
            if step == "see":
                connection.execute(insert(schema.matter).values(name=name, seen_ms=now_ms, vi=said.vi, en=said.en))
        elif step == "forget":
            connection.execute(delete(schema.matter).where(table.id == one.id))
        elif step:
            connection.execute(update(schema.matter).where(table.id == one.id).values(_changed(step, said, now_ms)))
            if step == "tell":
                _write(connection, one._replace(vi=said.vi, en=said.en), "open", channels, now_ms)
            elif step == "close":
                _write(connection, one, "close", channels, now_ms)


def _joined(said: Sequence[Said]) -> Said:
    return Said("; ".join(one.vi for one in said)[:_LETTERS], "; ".join(one.en for one in said)[:_LETTERS])


def _changed(step: Step, said: Said, now_ms: int) -> dict[str, Any]:
    if step == "tell":
        return {"told_ms": now_ms, "vi": said.vi, "en": said.en}
    if step == "back":
        return {"gone_ms": None}
    return {"gone_ms": now_ms} if step == "go" else {"closed_ms": now_ms}


def _write(
    connection: Connection, one: Known, kind: Literal["open", "close"], channels: Sequence[Channel], now_ms: int
) -> None:
    for channel in channels:
        values = {
            "matter": one.id,
            "kind": kind,
            "channel": channel.name,
            "title": _TITLES[kind].to(channel.language),
            "body": _body(one, kind, now_ms).to(channel.language),
            "created_ms": now_ms,
            "next_try_ms": now_ms,
        }
        connection.execute(insert(schema.notice).values(values))


def _body(one: Known, kind: Literal["open", "close"], now_ms: int) -> Said:
    since = Said(clock_and_day(one.seen_ms, "vi"), clock_and_day(one.seen_ms, "en"))
    if kind == "open":
        return Said(
            f"{one.vi}\nTừ: {since.vi}\nBáo cáo của các trường vẫn được nhận và giữ. Xem thêm: trang «Giải thích» của "
            "máy chủ, /healthz.",
            f"{one.en}\nSince: {since.en}\nReports of schools are still received and kept. See also: the server's "
            "own page, /healthz.",
        )
    over_ms = one.gone_ms if one.gone_ms is not None else now_ms
    seconds = max(0, over_ms - one.seen_ms) // 1_000
    return Said(
        f"Đã hết: {one.vi}\nTừ: {since.vi}, kéo dài {lasting(seconds, 'vi')}.",
        f"Over: {one.en}\nSince: {since.en}, it lasted {lasting(seconds, 'en')}.",
    )
