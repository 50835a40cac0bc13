"""Who may test its speed now: a few sites at a time, spread over ISPs and areas, each about every so many days."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.database import upsert
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_server.settings import SpeedTests
from schoolbeat_wire import hours
from schoolbeat_wire import messages as wire

CAPABILITY: Final = "speed"  # of an agent whose site has said how to test
VALID_MS: Final = 20 * 60_000  # the agent waits so long for an idle line
RETRY_MS: Final = 2 * 3_600_000  # after a grant that brought no figure
EARLY_MS: Final = 12 * 3_600_000  # sooner than the days say: the same night again, not ever later ones
NIGHT_MINUTES: Final = (120, 285)  # of the day in Viet Nam: without lesson hours agents test from 02:00 to 05:00 only


class Place(NamedTuple):
    """What a test loads."""

    site: str
    isp: str
    area: str


class Candidate(NamedTuple):
    """A connected site that can test. tested_ms: its last figure; tried_ms: its last grant; 0: never."""

    place: Place
    agent: str
    tested_ms: int
    tried_ms: int


class Grant(NamedTuple):
    """One test, to be told to the agent."""

    site: str
    agent: str
    token: str
    until_ms: int

    def command(self) -> wire.Command:
        return wire.Command("speed_test", grant=self.token, until_ms=self.until_ms)


def may_test(lessons: LessonHours, now_ms: int) -> bool:
    """No exam day and no lesson now; where nobody told the hours, the night. Each agent judges again by its own."""
    minute = now_ms // 60_000
    if hours.is_exam_day(lessons.exam_days, minute):
        return False
    if not lessons.week:
        of_day = (minute + hours.UTC_OFFSET_MINUTES) % hours.DAY_MINUTES
        return NIGHT_MINUTES[0] <= of_day < NIGHT_MINUTES[1]
    return not hours.is_lesson(lessons.week, minute)


def is_due(one: Candidate, limits: SpeedTests, now_ms: int) -> bool:
    """Times ahead of now are of a clock that was wrong: they count as never."""
    tested, tried = (at if at <= now_ms else 0 for at in (one.tested_ms, one.tried_ms))
    return now_ms - tested >= limits.days * 86_400_000 - EARLY_MS and now_ms - tried >= RETRY_MS


def chosen(
    candidates: Iterable[Candidate], running: Collection[Place], limits: SpeedTests, now_ms: int, seed: str
) -> list[Candidate]:
    """Those to grant a test now, the longest waiting first; among equals an order of this seed's own."""
    if not limits.days:
        return []
    isps, areas = Counter(place.isp for place in running), Counter(place.area for place in running)
    busy = {place.site for place in running}
    out: list[Candidate] = []
    due = [one for one in candidates if is_due(one, limits, now_ms)]
    for one in sorted(due, key=lambda one: (one.tried_ms, zlib.crc32(f"{seed} {one.place.site}".encode()))):
        if len(busy) >= limits.at_once:
            break
        place = one.place
        # An ISP that the register does not name may be any.
        if place.site in busy or isps[place.isp] >= limits.at_once_isp or areas[place.area] >= limits.at_once_area:
            continue
        isps[place.isp] += 1
        areas[place.area] += 1
        busy.add(place.site)
        out.append(one)
    return out


def places(connection: Connection) -> dict[str, Place]:
    """Of every site: the ISP of its first line, and its school's area."""
    line, site, school = schema.line.c, schema.site.c, schema.school.c
    isps = {row.site: row.isp for row in connection.execute(select(line.site, line.isp).order_by(line.id.desc()))}
    rows = connection.execute(select(site.id, school.area).join_from(schema.site, schema.school))
    return {ident: Place(ident, isps.get(ident, ""), area) for ident, area in rows}


class _Tried(NamedTuple):
    granted_ms: int
    until_ms: int


def _tests(connection: Connection) -> dict[str, tuple[int, int]]:
    """site -> its last figure and its last test of any outcome, both as ms since 1970; 0: none."""
    table, site = schema.speed_test.c, schema.site.c
    newest = select(table.minute).where(table.site == site.id).order_by(table.minute.desc()).limit(1)
    figure = newest.where(table.download_bps.is_not(None)).scalar_subquery()
    rows = connection.execute(select(site.id, figure, newest.scalar_subquery()))
    return {ident: ((last or 0) * 60_000, (any_last or 0) * 60_000) for ident, last, any_last in rows}


def look(
    connection: Connection,
    ingest: Ingest,
    limits: SpeedTests,
    lessons_of: Callable[[str], LessonHours],
    new_token: Callable[[], str],
) -> list[Grant]:
    """New grants: to be kept, then published. lessons_of: a site's, as its agents are told."""
    now_ms = ingest.now_ms()
    if not limits.days:
        return []
    table = schema.speed_grant.c
    rows = connection.execute(select(table.site, table.granted_ms, table.until_ms))
    tried = {site: _Tried(granted_ms, until_ms) for site, granted_ms, until_ms in rows}
    tests, where = _tests(connection), places(connection)
    running = [
        where[site]
        for site, one in tried.items()
        if site in where and one.until_ms > now_ms >= one.granted_ms and not _has_ended(one, tests.get(site))
    ]
    candidates = [
        Candidate(where[site], agent, tests.get(site, (0, 0))[0], tried[site].granted_ms if site in tried else 0)
        for site, agent in _able(connection, ingest)
        if site in where and may_test(lessons_of(site), now_ms)
    ]
    return [
        Grant(one.place.site, one.agent, new_token(), now_ms + VALID_MS)
        for one in chosen(candidates, running, limits, now_ms, ingest.server)
    ]


def keep(connection: Connection, grants: Sequence[Grant], now_ms: int) -> None:
    """Before they are published: a restart must not grant the same site again."""
    values = [{**grant._asdict(), "granted_ms": now_ms} for grant in grants]
    upsert(connection, schema.speed_grant, values, ("site",))


def _has_ended(one: _Tried, tests: tuple[int, int] | None) -> bool:
    """A result of the time since, whatever it says. A minute's start may lie before the grant in it."""
    return tests is not None and tests[1] >= one.granted_ms - 60_000


def _able(connection: Connection, ingest: Ingest) -> Sequence[tuple[str, str]]:
    """(site, agent) of gateways that are heard now and whose newest report came from an agent that can test."""
    latest, report = schema.latest.c, schema.report.c
    rows = connection.execute(
        select(latest.site, latest.agent, report.revision).join_from(
            schema.latest, schema.report, report.id == latest.report_id
        )
    )
    out = []
    for site, agent, revision in rows:
        contact = ingest.contact.sites.get(site)
        if ingest.agents.get((site, agent)) != "gateway" or contact is None:
            continue
        if not contact.session or contact.lost_ms is not None:
            continue
        layout = ingest.layouts.of(connection, site, agent, revision)
        if layout is not None and CAPABILITY in layout.inventory.capabilities:
            out.append((site, agent))
    return out
