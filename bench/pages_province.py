"""What a province has gathered after some years, behind the pages that are timed: rows in every list."""

from __future__ import annotations

import random
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import compress

from sqlalchemy import Connection, insert
from tests.server.synthetic import DAY, NOW_MINUTE, NOW_MS, Made

from schoolbeat_server import inspection_making, plans, schema
from schoolbeat_server.database import writing
from schoolbeat_server.inspection_snapshot import photograph
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.sums import Sums, from_sums
from schoolbeat_server.verdicts import Verdict, collect, judge_plan, window_of

ROOMS = (("smart", 1), ("smart", 2), ("computer", 0), ("online", 0))
THINGS = ("board", "access_point", "computer", "camera", "ont", "switch")
DEVICES = 18
YEARS_OF_INSPECTIONS, CLOSED, HELD, CHANGES, CLOSURES = 3, 20_000, 5_000, 200, 2_000


def fill(made: Made) -> None:
    rng = random.Random(3)
    main = [one for one in made.sites if not one.endswith("-b")]
    with writing(made.engine) as connection:
        for table, rows in _register(made.sites).items():
            connection.execute(insert(schema.metadata.tables[table]), rows)
        connection.execute(insert(schema.incident), list(_incidents(made.sites, rng)))
        connection.execute(insert(schema.outage), list(_outages(made.sites, rng)))
        connection.execute(insert(schema.held), list(_held(made.sites, rng)))
        connection.execute(insert(schema.inspection), list(_inspections(connection, main)))
        connection.execute(insert(schema.calendar_change), list(_changes()))
        connection.execute(insert(schema.calendar_rule), list(_closures(main, rng)))


def judged(made: Made) -> list[Verdict]:
    """All shipped plans."""
    with made.engine.connect() as connection, made.engine.connect() as summed:
        source = from_sums(Sums(summed, made.ledger, SchoolCalendar()))
        return [
            verdict
            for plan in plans.all_plans(follow=("*",))
            for verdict in judge_plan(plan, collect(connection, source, plan, window_of(plan, NOW_MINUTE)))
        ]


def desk(made: Made, folder: Path) -> Desk:
    return Desk(made.engine, made.ledger, plans.all_plans(), folder, lambda: NOW_MS)


# ---- rows ----------------------------------------------------------------------------------------------------


def _register(sites: list[str]) -> dict[str, list[dict[str, Any]]]:
    return {
        "shift": [{"site": one, "shift": "morning", "valid_from": "2026-01-01", "pupils": 320} for one in sites],
        "room": [
            {"id": f"{one}-r{at}", "site": one, "name": f"Phòng {at}", "kind": kind, "smart_level": level}
            for one in sites
            for at, (kind, level) in enumerate(ROOMS)
        ],
        "device": [
            {"site": one, "id": f"d{at:02}", "name": f"Máy {at}", "kind": THINGS[at % 6], "room": f"{one}-r{at % 4}"}
            for one in sites
            for at in range(DEVICES)
        ],
        "asset": [
            {"site": one, "code": f"TS{at}", "name": f"Máy {at}", "device": f"d{at:02}"}
            for one in sites
            for at in range(DEVICES)
        ],
    }


def _incidents(sites: list[str], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Over for long, but for one site in thirty."""
    for at in range(CLOSED):
        since_ms = NOW_MS - rng.randrange(3_600_000, 300 * 86_400_000)
        until_ms = since_ms + rng.randrange(300_000, 7_200_000)
        cause = rng.choice(("line.isp", "lan.router", "line.domestic", "power"))
        yield _incident(at + 1_000, rng.choice(sites), cause, since_ms, until_ms)
    for at, site in enumerate(sites[10::30]):
        yield _incident(at + 500_000, site, "line.isp", NOW_MS - 3_600_000, None)


def _incident(ident: int, site: str, cause: str, since_ms: int, until_ms: int | None) -> dict[str, Any]:
    return {
        "id": ident,
        "site": site,
        "scope": "path",
        "opened_ms": since_ms + 8_000,
        "since_ms": since_ms,
        "closed_ms": until_ms,
        "until_ms": until_ms,
        "cause_opened": "waiting",
        "cause": cause,
    }


def _outages(sites: list[str], rng: random.Random) -> Iterator[dict[str, Any]]:
    """Of the last month, as many as a report of it tells."""
    for site in sites:
        first = NOW_MINUTE - 41 * DAY
        for _ in range(20):
            first += rng.randrange(200, 2 * DAY)
            minutes = rng.randrange(2, 120)
            told = {
                "site": site,
                "first_minute": first,
                "last_minute": first + minutes,
                "end_minute": first + minutes + 1,
            }
            for signal in ("line.isp", "line.internet"):
                yield told | {"signal": signal, "down_seconds": 60 * minutes, "cause": "line.isp"}


def _held(sites: list[str], rng: random.Random) -> Iterator[dict[str, Any]]:
    for at in range(HELD):
        yield {
            "site": rng.choice(sites),
            "agent": "gw",
            "epoch": "0123456789abcdef",
            "hardware": "0123456789abcdef",
            "boot": f"{at:016x}",
            "seq": at,
            "count": 1,
            "first_minute": NOW_MINUTE + 5 * DAY,
            "last_minute": NOW_MINUTE + 5 * DAY,
            "received_ms": NOW_MS - at * 1_000,
            "why": "future",
            "text": "first minute is 5 days ahead",
            "state": "waiting",
            "payload": b"x" * 400,
        }


def _inspections(connection: Connection, schools: list[str]) -> Iterator[dict[str, Any]]:
    """One snapshot of a school with minutes stands for all: what is timed reads one of them or none."""

    def read(_site: str, signals: Any, first: int, end: int) -> dict[str, bytes]:
        return {one: bytes([60]) * (end - first) for one in signals}

    text = inspection_making.canonical(photograph(connection, "t0", "", (), read, NOW_MS))
    frozen = {"snapshot": compress(text, 9), "digest": sha256(text).digest()}
    for year in range(YEARS_OF_INSPECTIONS):
        for school in schools:
            yield {
                "school": school,
                "site": "",
                "kind": "digital",
                "held_on": f"{2024 + year}-10-01",
                "inspector": "Đoàn kiểm tra",
                "scope": "Đường truyền",
                "findings": "",
                "created_ms": NOW_MS,
                "who": "bench",
                **frozen,
            }


def _changes() -> Iterator[dict[str, Any]]:
    for at in range(CHANGES):
        yield {
            "id": at + 1,
            "at_ms": NOW_MS - (CHANGES - at) * 86_400_000,
            "who": "cli so-gd",
            "document": f"bao-so-{at}",
            "why": "Nghỉ vì bão",
            "first_day": "2026-09-10",
            "end_day": "2026-09-12",
            "added": 1,
            "removed": 0,
            "revised_ms": NOW_MS,
        }


def _closures(schools: list[str], rng: random.Random) -> Iterator[dict[str, Any]]:
    for at in range(CLOSURES):
        yield {
            "document": f"bao-so-{at % CHANGES}",
            "level": "school",
            "place": rng.choice(schools),
            "kind": "closed",
            "valid_from": "2026-09-10",
            "valid_to": "2026-09-12",
            "value": "{}",
            "why": "bão",
            "added": at % CHANGES + 1,
        }
