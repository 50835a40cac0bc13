"""Kept readings of a province's year: bytes on disk, CPU of a site's day made from its reports, and of judging."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

from sqlalchemy import Engine, insert, select

sys.path.insert(0, str(Path(__file__).parents[1]))

from schoolbeat_server import database, kept, kept_days, plans, schema
from schoolbeat_server.evidence import from_ledger
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, day_number, first_minute_of
from schoolbeat_server.targets import Condition
from schoolbeat_server.verdicts import collect, judge_plan, window_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.messages import Lesson

SITES, DEVICES, DAY_KINDS, WINDOW_DAYS = 1_400, 50, 24, 28
RUNGS = ["lan.router", "line.isp", "line.domestic", "line.international"]
SERVICES = ["service.csdl", "service.hub", "service.mail"]
SIGNALS = [*RUNGS, "line.internet", *SERVICES, *(f"device.{n:02}" for n in range(DEVICES))]
DEVICE_SIGNALS = SIGNALS[-DEVICES:]
PORTS = [f"device.00.gi{n}" for n in range(16)]
# As of a site with a managed switch, four access points, eight cameras, six projectors.
COLUMNS = [
    inventories.Column("rtt_ms", [*RUNGS, *DEVICE_SIGNALS]),
    inventories.Column("loss_percent", RUNGS),
    inventories.Column("connect_ms", ["line.internet", *SERVICES]),
    inventories.Column("http_ms", SERVICES),
    inventories.Column("dns_ms", ["line.internet", "dns.school", "dns.known"]),
    inventories.Column("rx_bps", ["line.internet", *PORTS]),
    inventories.Column("tx_bps", ["line.internet", *PORTS]),
    inventories.Column("utilisation_percent", ["line.internet"]),
    inventories.Column("rx_quarter_bps", ["line.internet"], sparse=True),
    inventories.Column("tx_quarter_bps", ["line.internet"], sparse=True),
    inventories.Column("clients", DEVICE_SIGNALS[1:5], sparse=True),
    inventories.Column("open_stream", DEVICE_SIGNALS[10:18], sparse=True),
    inventories.Column("telnet_open", DEVICE_SIGNALS[10:18], sparse=True),
    inventories.Column("recording", DEVICE_SIGNALS[18:19], sparse=True),
    inventories.Column("power_state", DEVICE_SIGNALS[20:26], sparse=True),
    inventories.Column("lamp_hours", DEVICE_SIGNALS[20:26], sparse=True),
    inventories.Column("load1", ["host"]),
    inventories.Column("cpu_percent", ["host"]),
]
INVENTORY = inventories.with_revision(
    inventories.Inventory(revision="", signals=SIGNALS, columns=COLUMNS, probes=["path"])
)
FIRST = day_number(date(2025, 9, 1))
WEEK = tuple(Lesson(day, *hours) for day in range(6) for hours in ((420, 690), (810, 1_020)))
CALENDAR = SchoolCalendar(default=LessonHours(WEEK))


def measure() -> list[tuple[str, str, str]]:
    rng = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schoolbeat.db"
        engine = database.open_database(path)
        _register(engine)
        spent_ms, values = _make(engine, rng)
        size = _fill_year(engine, rng)
        series = _series(engine)
        judged = _judged(engine)
        engine.dispose()
    return [
        (
            f"kept readings of a province's year, 1,400 sites × 365 days, {series} series a site",
            f"{size / 1e9:.2f} GB",
            "",
        ),
        ("a site's day of kept readings", f"{size / SITES / 365:,.0f} bytes", ""),
        (f"a site's day made from its 1,440 reports ({values:,} values), CPU", f"{spent_ms:.0f} ms", ""),
        ("four indicators of 1,400 sites over 28 days of kept readings → verdicts, CPU", f"{judged:.1f} s", ""),
    ]


def _register(engine: Engine) -> None:
    with database.writing(engine) as connection:
        connection.execute(insert(schema.area).values(id="p", name="Tỉnh", kind="province"))
        names = [f"s{number}" for number in range(SITES)]
        connection.execute(insert(schema.school), [{"id": one, "name": one, "area": "p"} for one in names])
        connection.execute(insert(schema.site), [{"id": one, "school": one, "name": one} for one in names])
        told = {"agent": "gw", "minute": 0, "report_id": 0, "received_ms": 0}
        connection.execute(insert(schema.latest), [{"site": one, **told} for one in names])
        connection.execute(
            insert(schema.inventory),
            {
                "site": "s0",
                "agent": "gw",
                "revision": INVENTORY.revision,
                "received_ms": 0,
                "payload": inventories.encode(INVENTORY),
            },
        )


def _value(rng: random.Random, reading: str, base: int, minute: int) -> int | None:
    """As a line that idles at night, is busy in lessons, and stumbles now and then."""
    busy = 420 <= minute % 1_440 < 1_020
    if reading == "loss_percent":
        return rng.choice((143, 71)) if rng.random() < 0.02 else 0
    if reading.endswith("_ms"):
        return int(base * rng.lognormvariate(0.4 if busy else 0, 0.15)) * (10 if rng.random() < 0.005 else 1)
    if reading.endswith("_bps"):
        return (
            int(rng.lognormvariate(16 if busy else 11, 1))
            if not reading[3:].startswith("q") or not minute % 15
            else None
        )
    if reading.endswith("_percent"):
        return rng.randrange(1_000 if busy else 30)
    if minute % 5:
        return None
    return {"lamp_hours": 900, "clients": rng.randrange(30) if busy else 0, "power_state": int(busy)}.get(reading, 0)


def _day_of_reports(rng: random.Random, first: int) -> list[dict[str, object]]:
    bases = {(c.reading, s): rng.randrange(100, 6_000) for c in COLUMNS for s in c.subjects}
    rows = []
    for at in range(1_440):
        values = [[_value(rng, c.reading, bases[c.reading, s], at) for s in c.subjects] for c in COLUMNS]
        row = reports.MinuteRow(at, first + at, bytes([60]) * len(SIGNALS), values)
        payload = reports.encode(reports.pack("ab" * 8, INVENTORY.revision, [row], INVENTORY))
        rows.append(
            {
                "site": "s0",
                "agent": "gw",
                "epoch": "ab" * 8,
                "seq": first + at,
                "count": 1,
                "revision": INVENTORY.revision,
                "first_minute": first + at,
                "last_minute": first + at,
                "received_ms": 0,
                "placed": True,
                "payload": payload,
            }
        )
    return rows


def _make(engine: Engine, rng: random.Random) -> tuple[float, int]:
    """Days of one site are made really; the year repeats them."""
    layouts = Layouts()
    spent = 0.0
    for day in range(DAY_KINDS):
        with database.writing(engine) as connection:
            connection.execute(insert(schema.report), _day_of_reports(rng, first_minute_of(FIRST + day)))
        with database.writing(engine) as connection:
            began = time.process_time()
            kept_days.make_day(connection, layouts, "s0", FIRST + day)
            spent += time.process_time() - began
    return spent * 1_000 / DAY_KINDS, 1_440 * sum(len(c.subjects) for c in COLUMNS if not c.sparse)


def _fill_year(engine: Engine, rng: random.Random) -> int:
    table = schema.kept_day.c
    with database.writing(engine) as connection:
        days: dict[int, list[dict[str, object]]] = {}
        for day, *told in connection.execute(select(table.day, table.group, table.names, table.payload)):
            days.setdefault(day, []).append(dict(zip(("group", "names", "payload"), told, strict=True)))
        names = connection.execute(select(schema.kept_names)).all()
        connection.execute(schema.kept_day.delete())
        for number in range(SITES):
            site = f"s{number}"
            if number:
                connection.execute(insert(schema.kept_names), [{**row._asdict(), "site": site} for row in names])
            made = list(days.values())
            rows = [
                {"site": site, "day": FIRST + n, "last_report": 2**30, **one}
                for n in range(365)
                for one in rng.choice(made)
            ]
            connection.execute(insert(schema.kept_day), rows)
    with engine.connect() as connection:
        asked = "SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%kept%'"
        return int(connection.exec_driver_sql(asked).scalar() or 0)


def _series(engine: Engine) -> int:
    with engine.connect() as connection:
        table = schema.kept_names.c
        return sum(
            len(kept.unpack_names(one)) for one in connection.scalars(select(table.names).where(table.site == "s0"))
        )


def _judged(engine: Engine) -> float:
    (shipped, *_) = plans.all_plans()
    asked = (
        Condition("line.domestic.latency", "a", at_most=Fraction(50)),
        Condition("line.international.latency", "a", at_most=Fraction(200)),
        Condition("line.domestic.loss", "a", at_most=Fraction(1, 100)),
        Condition("service.latency", "a", at_most=Fraction(500), of=("hub",)),
    )
    like = replace(shipped.targets[0], unit="site", clock="lessons", window_days=WINDOW_DAYS)
    targets = tuple(replace(like, id=f"T{n}", conditions=(one,)) for n, one in enumerate(asked))
    plan = replace(shipped, targets=targets)
    ledger = Ledger(engine)
    began = time.process_time()
    with engine.connect() as connection:
        source = from_ledger(
            lambda site, signal, first, end: ledger.read(connection, site, [signal], first, end)[signal]
        )
        window = window_of(plan, first_minute_of(FIRST + 300) + 720)
        found = judge_plan(plan, collect(connection, source, plan, window, calendar=CALENDAR))
    assert [one.unknown for one in found] == [0] * len(found), [one.unknown for one in found]
    return time.process_time() - began


if __name__ == "__main__":
    for name, figure, wanted in measure():
        print(f"{name}: {figure} {wanted}")
