"""Recognises that the database is an older one put back: what came back since, and what is in no place any more."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, select

from schoolbeat_server import backup, schema
from schoolbeat_server.database import get_meta, set_meta, writing
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of, day_of, first_minute_of

log = logging.getLogger(__name__)

KEY: Final = "restored"
MOST_DAYS: Final = 400  # of the time between that are looked at


class Restored(NamedTuple):
    """had_ms: up to when the database had everything. noticed_ms: when that was found out. made_ms: when the backup was
    made, 0 if nothing in the file said so and an agent's word gave it away."""

    had_ms: int
    noticed_ms: int
    made_ms: int


class Missing(NamedTuple):
    """Of a site: local days [first_day, last_day] with `minutes` of the gateway that are in no place any more."""

    site: str
    first_day: int
    last_day: int
    minutes: int


def read(connection: Connection) -> Restored | None:
    said = get_meta(connection, KEY)
    return Restored(*json.loads(said)) if said else None


def look_at_start(engine: Engine, folder: Path, now_ms: int) -> None:
    """A file that says it is a backup is one no more, once it is at work: it was restored now."""
    with writing(engine) as connection:
        meta = {row.key: row.value for row in connection.execute(select(schema.meta))}
        if backup.MADE not in meta:
            return
        gone = [backup.MADE, *backup.unpack_secrets(meta, folder)]
        connection.execute(delete(schema.meta).where(schema.meta.c.key.in_(gone)))
        made_ms = int(meta[backup.MADE])
        note(connection, Restored(int(meta.get("alive_ms", made_ms)), now_ms, made_ms))


def note(connection: Connection, found: Restored) -> None:
    """Told once; a restoring that is not over by the next one keeps its beginning."""
    former = read(connection)
    if former is not None and former.noticed_ms >= found.had_ms:
        found = Restored(min(former.had_ms, found.had_ms), found.noticed_ms, found.made_ms)
    set_meta(connection, KEY, json.dumps(found))
    log.warning("%s %s", said_of(found).vi, said_of(found).en)


def note_of_agent(connection: Connection, key: tuple[str, str, str], had_ms: int, now_ms: int) -> None:
    """An agent has had acks for minutes that the database does not know: it is older than they are."""
    former = read(connection)
    if former is not None:
        table = schema.epoch.c
        seen_ms = connection.scalar(select(func.max(table.seen_ms)).where(table.site == key[0], table.agent == key[1]))
        if former.had_ms >= had_ms or (seen_ms or 0) <= former.noticed_ms:
            return  # the restoring that is known already; only this agent had not been heard since
    log.warning("agent %s/%s was told that minutes of epoch %s are kept, and they are not", *key)
    note(connection, Restored(had_ms, now_ms, 0))


def said_of(found: Restored) -> Said:
    made = found.made_ms or found.had_ms
    return Said(
        f"Cơ sở dữ liệu là bản cũ được khôi phục: bản sao lưu lúc {clock_and_day(made, 'vi')},"
        f" nhận ra lúc {clock_and_day(found.noticed_ms, 'vi')}. Tác tử đang tự gửi lại những phút còn giữ.",
        f"The database is an older one put back: a backup of {clock_and_day(made, 'en')},"
        f" noticed {clock_and_day(found.noticed_ms, 'en')}. Agents send again the minutes that they still hold.",
    )


def came_back(connection: Connection, found: Restored) -> int:
    """Minutes of the time between that came after the restoring."""
    table = schema.report.c
    return int(
        connection.scalar(
            select(func.sum(table.count)).where(
                table.received_ms >= found.noticed_ms,
                table.last_minute >= found.had_ms // 60_000,
                table.first_minute < found.noticed_ms // 60_000,
            )
        )
        or 0
    )


def missing(connection: Connection, found: Restored) -> list[Missing]:
    """By site and run of days: neither reported nor declared off. They count as unknown, never as up or down."""
    first, end = found.had_ms // 60_000 + 1, found.noticed_ms // 60_000
    first = max(first, end - MOST_DAYS * 1_440)
    agents = schema.agent.c
    rows = connection.execute(select(agents.site, agents.name).where(agents.role == "gateway").order_by(agents.site))
    out: list[Missing] = []
    for site, name in rows.all():
        known = _known(connection, site, name, first, end)
        if known is not None:
            out += _runs(site, known, first)
    return out


def _known(connection: Connection, site: str, name: str, first: int, end: int) -> bytearray | None:
    """A byte for each minute of [first, end); None of an agent that had told nothing before."""
    reports, off = schema.report.c, schema.off.c
    mine = (reports.site == site, reports.agent == name)
    epochs = schema.epoch.c
    before = connection.scalar(select(func.min(reports.first_minute)).where(*mine))
    known_before = connection.scalar(
        select(func.count()).select_from(schema.epoch).where(epochs.site == site, epochs.agent == name)
    )
    if end <= first or not known_before or before is None:
        return None
    out = bytearray(end - first)
    sent = select(reports.first_minute, reports.last_minute).where(
        *mine, reports.first_minute < end, reports.last_minute >= first
    )
    declared = select(off.first_minute, off.first_minute + off.count - 1).where(
        off.site == site,
        off.agent == name,
        off.reason != "interrupted",  # that is unknown too
        off.first_minute < end,
        off.first_minute + off.count > first,
    )
    for low, high in [*connection.execute(sent), *connection.execute(declared)]:
        low, high = max(low, first) - first, min(high + 1, end) - first
        out[low:high] = b"\1" * (high - low)
    return out


def _runs(site: str, known: bytearray, first: int) -> list[Missing]:
    out: list[Missing] = []
    end = first + len(known)
    for day in range(day_of(first), day_of(end - 1) + 1):
        low, high = max(first, first_minute_of(day)) - first, min(end, first_minute_of(day + 1)) - first
        minutes = known[low:high].count(0)
        if minutes and out and out[-1].last_day == day - 1:
            out[-1] = out[-1]._replace(last_day=day, minutes=out[-1].minutes + minutes)
        elif minutes:
            out.append(Missing(site, day, day, minutes))
    return out


def told(connection: Connection, found: Restored, language: str) -> list[str]:
    """For the command line."""
    count = came_back(connection, found)
    lines = [
        said_of(found).to(language),
        Said(f"{count} phút đã về lại.", f"{count} minutes came back.").to(language),
    ]
    for one in missing(connection, found):
        days = date_of(one.first_day).isoformat()
        if one.last_day != one.first_day:
            days += f" … {date_of(one.last_day).isoformat()}"
        lines.append(
            Said(
                f"{one.site}: {days}: {one.minutes} phút chưa biết, không có trong bản sao lưu",
                f"{one.site}: {days}: {one.minutes} minutes unknown, not in the backup",
            ).to(language)
        )
    return lines


def shown(connection: Connection) -> dict[str, Any] | None:
    """For pages."""
    found = read(connection)
    if found is None:
        return None
    lost = missing(connection, found)
    return {
        "said": said_of(found),
        "minutes": came_back(connection, found),
        "sites": len({one.site for one in lost}),
        "lost": sum(one.minutes for one in lost),
    }
