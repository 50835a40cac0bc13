"""Gathers the evidence of a silence from the database: the one reader, for incidents, pages and API alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from schoolbeat_server import schema
from schoolbeat_server.cause import CONTACT, INTERNET
from schoolbeat_server.clones import SPEAKS_FOR_SITE
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.ranges import Ranges
from schoolbeat_server.silence import (
    BEFORE_MINUTES,
    Evidence,
    LastWords,
    Neighbours,
    OffRange,
    Standing,
    Witness,
    witness_signal,
)
from schoolbeat_wire import inventory, report
from schoolbeat_wire.catalogue import RUNGS, UP_FULL
from schoolbeat_wire.errors import WireError

DETECTION_MS = 60_000  # a broken line is noticed so much later at most: keepalive x 1.5 and the broker's sweep
MAINS = "power.mains"
MOST_MINUTES = 31 * 1_440  # of a silence that are looked at; of a longer one the last
PROMPT_MS = 120_000  # a report that came so soon after its minute came over the school's line
TOGETHER_MINUTES = 2  # sites that fall silent so far apart do so together
POWER = {"on_battery": MAINS, "battery_low": MAINS, "undervoltage": "host"}

ReadMinutes = Callable[[str, Sequence[str], int, int], Mapping[str, bytes]]
"""(site, signals, first_minute, end_minute) -> the ledger's bytes of each."""


@dataclass(frozen=True, slots=True)
class Span:
    """A silence of a site's gateway; back_ms None: it still lasts. back_epoch, back_next: what it said it held when it
    came back; "" for a silence long over, of which nobody remembers."""

    site: str
    lost_ms: int
    back_ms: int | None = None
    back_epoch: str = ""
    back_next: int = 0

    @property
    def first_minute(self) -> int:
        return (self.lost_ms - DETECTION_MS) // 60_000

    def end_minute(self, now_ms: int) -> int:
        return (now_ms if self.back_ms is None else self.back_ms) // 60_000 + 1


def reader(ledger: Ledger, connection: Connection) -> ReadMinutes:
    return lambda site, signals, first, end: ledger.read(connection, site, signals, first, end)


def gather(
    connection: Connection,
    read: ReadMinutes,
    span: Span,
    now_ms: int,
    *,
    blind_until_ms: int = 0,
    everything: bool = True,
) -> Evidence:
    """everything=False leaves out what decides no cause."""
    site, end = span.site, span.end_minute(now_ms)
    first = max(span.first_minute, end - MOST_MINUTES)
    agents = _agents(connection, site)
    gateways = [name for name, role, _ in agents if role == "gateway"]
    classrooms = [name for name, role, _ in agents if role == "classroom"]
    seen_by = {name: witness_signal(name) for name in classrooms}
    signals = (*RUNGS, INTERNET, CONTACT, MAINS, *seen_by.values())
    early = first - BEFORE_MINUTES
    wide = read(site, signals, early, end)
    rows = {signal: wide.get(signal, b"")[BEFORE_MINUTES:] for signal in signals}
    complete, missing = _backlog(connection, span, gateways)
    return Evidence(
        first,
        end,
        standing=_standing(connection, site, gateways),
        lost_ms=span.lost_ms,
        is_back=span.back_ms is not None,
        backlog_complete=complete,
        backlog_rows=missing,
        rungs={name: rows[name] for name in (*RUNGS, INTERNET)},
        heard=rows[CONTACT],
        offs=_offs(connection, site, gateways, first, end),
        mains=rows[MAINS],
        mains_before=_mains_before(wide.get(MAINS, b"")[:BEFORE_MINUTES], early),
        last_words=_last_words(connection, site, gateways, first) if everything else None,
        witnesses=_witnesses(connection, site, {name: rows[seen_by[name]] for name in classrooms}, first, end),
        neighbours=_neighbours(connection, span) if everything else None,
        server_away=_server_away(connection, first, end),
        blind_until_ms=blind_until_ms,
        now_ms=now_ms,
        strangers=_strangers(connection, site, gateways, span, now_ms),
        account_ms=_account(connection, site, agents, span) if everything else 0,
    )


def _agents(connection: Connection, site: str) -> list[tuple[str, str, int]]:
    table = schema.agent.c
    rows = connection.execute(
        select(table.name, table.role, table.issued_ms).where(table.site == site).order_by(table.name)
    )
    return [(name, role, issued_ms) for name, role, issued_ms in rows]


def _standing(connection: Connection, site: str, gateways: Sequence[str]) -> Standing:
    table = schema.latest.c
    reported = connection.scalar(select(table.site).where(table.site == site).limit(1)) is not None
    if gateways:
        return "heard" if reported else "never_heard"
    return "unwatched" if reported else "no_agent"


def _offs(connection: Connection, site: str, gateways: Sequence[str], first: int, end: int) -> list[OffRange]:
    table = schema.off.c
    rows = connection.execute(
        select(table.first_minute, table.count, table.reason)
        .where(
            table.site == site,
            table.agent.in_(gateways),
            table.first_minute < end,
            table.first_minute + table.count > first,
        )
        .order_by(table.agent, table.first_minute)
    )
    return [OffRange(*row) for row in rows]


def _backlog(connection: Connection, span: Span, gateways: Sequence[str]) -> tuple[bool, int]:
    """Whether everything that the gateway held when it came back has come, and the minute of its return too; and how
    many minutes are still to come."""
    if span.back_ms is None:
        return False, 0
    table, latest = schema.epoch.c, schema.latest.c
    where = [table.site == span.site, table.agent.in_(gateways)]
    if span.back_epoch:
        where.append(table.epoch == span.back_epoch)
    known = connection.execute(
        select(table.agent, table.settled, table.lowest, table.next).where(*where).order_by(table.seen_ms)
    ).all()
    newest = {row.agent: row for row in known}  # an epoch before it belongs to an outbox that is no more
    missing = 0
    for row in newest.values():
        settled, end = Ranges.from_json(row.settled), span.back_next if span.back_epoch else row.next
        missing += max(0, end - row.lowest) - sum(
            max(0, min(last, end) - max(first, row.lowest)) for first, last in settled.pairs()
        )
    minutes = connection.scalars(
        select(latest.minute).where(latest.site == span.site, latest.agent.in_(list(newest) or gateways))
    )
    return not missing and max(minutes, default=0) >= span.back_ms // 60_000, missing


def _mains_before(row: bytes, early: int) -> int | None:
    """The first minute of lost mains that no minute with mains follows."""
    since = row.rfind(UP_FULL) + 1
    down = [early + place for place in range(since, len(row)) if row[place] < UP_FULL]
    return down[0] if down else None


# ---- what the gateway and other machines said --------------------------------------------------------------


def _last_words(connection: Connection, site: str, gateways: Sequence[str], first: int) -> LastWords | None:
    stored, latest = schema.report, schema.latest.c
    known = schema.inventory.c
    columns = (stored.c.last_minute, stored.c.payload, known.payload.label("listed"))
    told = (
        select(*columns)
        .join(
            schema.inventory,
            (known.site == stored.c.site) & (known.agent == stored.c.agent) & (known.revision == stored.c.revision),
        )
        .limit(1)
    )
    recent = stored.c.last_minute.between(first - BEFORE_MINUTES, first + 1)
    row = connection.execute(
        told.join(schema.latest, latest.report_id == stored.c.id).where(
            latest.site == site, latest.agent.in_(gateways), recent
        )
    ).first()
    row = (
        row
        or connection.execute(
            told.where(stored.c.site == site, stored.c.agent.in_(gateways), recent).order_by(
                stored.c.last_minute.desc()
            )
        ).first()
    )
    if row is None:
        return None
    try:
        found = power_readings(inventory.decode(row.listed), report.decode(row.payload))
    except WireError:  # believed when it came, by older bounds
        return None
    return LastWords(row.last_minute, **found) if found else None


def power_readings(watched: inventory.Inventory, told: report.Report) -> dict[str, bool]:
    """Of the report's newest minute."""
    report.fits(told, watched)
    out = {}
    for place, (column, values) in enumerate(zip(watched.columns, report.absolute(told, watched), strict=False)):
        subject = POWER.get(column.reading)
        if subject not in column.subjects or column.sparse:
            continue
        at = (told.count - 1) * len(column.subjects) + column.subjects.index(subject)
        if at not in report.absent_places(told, place):
            out[column.reading] = bool(values[at])
    return out


def _witnesses(
    connection: Connection, site: str, rows: Mapping[str, bytes], first: int, end: int
) -> tuple[Witness, ...]:
    table = schema.report.c
    found = []
    for agent, row in rows.items():
        prompt = bytearray(end - first)
        stored = connection.execute(
            select(table.first_minute, table.last_minute, table.received_ms).where(
                table.site == site, table.agent == agent, table.last_minute >= first, table.first_minute < end
            )
        )
        for low, high, received_ms in stored:
            soon = max(low, first, -(-(received_ms - PROMPT_MS) // 60_000) - 1)
            for minute in range(soon, min(high + 1, end)):
                prompt[minute - first] = 1
        if any(prompt):
            found.append(Witness(agent, row, bytes(prompt)))
    return tuple(found)


def _strangers(
    connection: Connection, site: str, gateways: Sequence[str], span: Span, now_ms: int
) -> tuple[tuple[str, int], ...]:
    """Machines that were set aside and heard in the silence."""
    table = schema.card.c
    rows = connection.execute(
        select(table.hardware, func.max(table.heard_ms))
        .where(
            table.site == site,
            table.agent.in_(gateways),
            table.state.not_in(sorted(SPEAKS_FOR_SITE | {"former"})),
            table.heard_ms.between(span.lost_ms - DETECTION_MS, span.back_ms or now_ms),
        )
        .group_by(table.hardware)
        .order_by(table.hardware)
    )
    return tuple((hardware, heard_ms) for hardware, heard_ms in rows)


def _account(connection: Connection, site: str, agents: Iterable[tuple[str, str, int]], span: Span) -> int:
    """When a gateway's account was given anew, if that was before the silence and nobody has connected since."""
    card = schema.card.c
    for name, role, issued_ms in agents:
        connected = connection.scalar(select(func.max(card.presence_ms)).where(card.site == site, card.agent == name))
        recent = issued_ms > span.lost_ms - BEFORE_MINUTES * 60_000
        if role == "gateway" and recent and connected is not None and connected < issued_ms:
            return issued_ms
    return 0


# ---- what it has in common with others ---------------------------------------------------------------------


def _server_away(connection: Connection, first: int, end: int) -> tuple[tuple[int, int], ...]:
    """Whole minutes only: of the others we heard a part."""
    table = schema.server_away.c
    rows = connection.execute(
        select(table.from_ms, table.until_ms).where(table.until_ms > first * 60_000, table.from_ms < end * 60_000)
    )
    found = sorted((-(-from_ms // 60_000), until_ms // 60_000) for from_ms, until_ms in rows)
    return tuple((low, high) for low, high in found if low < high)


def _neighbours(connection: Connection, span: Span) -> Neighbours | None:
    """Sites of the same area that fell silent in the same minutes, and how many have evidence of lost power."""
    site, school, area, agent = schema.site.c, schema.school.c, schema.area.c, schema.agent.c
    own = select(school.area).join(schema.site, site.school == school.id).where(site.id == span.site).scalar_subquery()
    near = (
        select(site.id)
        .join(schema.school, school.id == site.school)
        .where(school.area == own, site.id.in_(select(agent.site).where(agent.role == "gateway")))
    )
    minute = span.first_minute + 1
    silent = _fell_silent(connection, near, minute, span.lost_ms)
    power = _lost_power(connection, near, minute) & (silent | {span.site})
    if not power - {span.site}:
        return None
    sites = connection.scalar(select(func.count()).select_from(near.subquery())) or 0
    name = connection.scalar(select(area.name).where(area.id == own)) or ""
    return Neighbours(name, sites, len(silent | {span.site}), len(power))


def _fell_silent(connection: Connection, near: Any, minute: int, lost_ms: int) -> set[str]:
    contact, outage = schema.contact.c, schema.outage.c
    apart_ms = TOGETHER_MINUTES * 60_000
    now = select(contact.site).where(
        contact.site.in_(near), contact.lost_ms.between(lost_ms - apart_ms, lost_ms + apart_ms)
    )
    then = select(outage.site).where(
        outage.site.in_(near),
        outage.signal == CONTACT,
        outage.first_minute.between(minute - TOGETHER_MINUTES, minute + TOGETHER_MINUTES),
    )
    return {*connection.scalars(now), *connection.scalars(then)}


def _lost_power(connection: Connection, near: Any, minute: int) -> set[str]:
    """The agent's own word begins two minutes after the last one that it saved."""
    off, outage = schema.off.c, schema.outage.c
    told = select(off.site).where(
        off.site.in_(near), off.reason == "power", off.first_minute.between(minute - 3, minute + 4)
    )
    ups = select(outage.site).where(
        outage.site.in_(near),
        outage.signal == MAINS,
        outage.first_minute.between(minute - 3, minute + 3),
    )
    return {*connection.scalars(told), *connection.scalars(ups)}
