"""A province's year: bytes on disk of ledger, digests and summaries, and seconds from six indicators to verdicts."""

from __future__ import annotations

import gc
import random
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from sqlalchemy import Engine, insert, select

sys.path.insert(0, str(Path(__file__).parents[1]))

from schoolbeat_server import database, plans, schema, summaries
from schoolbeat_server.ledger import DAY, Ledger, pack_day, unpack_day
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, day_number, first_minute_of
from schoolbeat_server.summaries import Month, days_of, mark_of, month_of, seconds_of
from schoolbeat_server.sums import SUMMED_TO, Sums, from_sums
from schoolbeat_server.targets import Condition
from schoolbeat_server.verdicts import collect, judge_plan, plan_status, window_of
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.messages import Lesson

SITES, DEVICES = 1_400, 58
PATH = [
    "lan.router",
    "line.isp",
    "line.domestic",
    "line.international",
    "line.internet",
    "service.csdl",
    "wifi.day",
    "site.contact",
]
SIGNALS = [*PATH, *(f"device.{number:02}" for number in range(DEVICES))]
# Signal, clock, share: what a plan of availabilities might ask.
INDICATORS = (
    ("line.internet", "always", Fraction(99, 100)),
    ("line.internet", "lessons", Fraction(995, 1000)),
    ("line.isp", "always", Fraction(99, 100)),
    ("wifi.day", "lessons", Fraction(98, 100)),
    ("device.00", "lessons", Fraction(95, 100)),
    ("device.07", "lessons", Fraction(90, 100)),
)
WEEK = tuple(Lesson(day, *hours) for day in range(6) for hours in ((420, 690), (810, 1_020)))
CALENDAR = SchoolCalendar(default=LessonHours(WEEK))
DAY_KINDS, MONTH_KINDS = 300, 300  # different ones; the rest repeats them
YEAR = 2025


def measure() -> list[tuple[str, str, str]]:
    rng = random.Random(11)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schoolbeat.db"
        engine = database.open_database(path)
        _fill(engine, rng)
        check_ms = _one_site_really(engine)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        sizes = _sizes(engine)
        rows = [
            ("a year of 1,400 sites × 66 signals on disk: " + sizes, f"{path.stat().st_size / 1e9:.2f} GB", "≤ 2 GB")
        ]
        first, end = day_number(_date(YEAR, 1)), day_number(_date(YEAR + 1, 1))
        for name, from_day, to_day in (
            ("the calendar year", first, end),
            ("365 days that begin in mid-month", first + 14, end - 10),
        ):
            cpu, wall, statuses = _verdicts(engine, from_day, to_day)
            figure = f"{cpu:.2f} s CPU, {wall:.2f} s wall ({statuses})"
            rows.append((f"six indicators of 1,400 sites → verdicts, {name}", figure, "≤ 0.5 s on one core"))
        for name, end_minute in (
            ("the calendar year", first_minute_of(end)),
            ("365 days that end at 10:37 on 20 December", first_minute_of(end - 12) + 637),
        ):
            cpu, read = _judged(engine, end_minute)
            figure = f"{cpu:.1f} s CPU, {read} days of sites read from the ledger"
            rows.append((f"the same, judged whole: reasons, grades, since when, {name}", figure, ""))
        rows.append(("a site's day summed up, 66 signals, both clocks, CPU", f"{check_ms:.1f} ms", ""))
        engine.dispose()
    return rows


def _date(year: int, month: int):  # type: ignore[no-untyped-def]
    from datetime import date

    return date(year, month, 1)


def _a_day(rng: random.Random) -> dict[str, bytes]:
    """The line stumbles now and then, devices are off at night or fail, sometimes nobody measured."""
    rows = {}
    for signal in SIGNALS:
        data = bytearray([60]) * DAY
        if signal.startswith("device.") and rng.random() < 0.5:  # a board: does not answer at night
            data[600:] = bytes(DAY - 600)
        for _ in range(rng.choice((0, 0, 1, 3)) if signal in PATH else rng.random() < 0.1):
            at = rng.randrange(DAY)
            length = min(DAY - at, int(rng.expovariate(1 / 12)) + 1)
            data[at : at + length] = bytes([rng.choice((0, 0, 31, UNKNOWN))]) * length
        for _ in range(4 if signal in PATH else 1):
            data[rng.randrange(DAY)] = rng.randrange(60)
        rows[signal] = bytes(data)
    if rng.random() < 0.1:
        at, length = rng.randrange(DAY - 300), rng.randrange(10, 300)
        rows = {name: data[:at] + bytes([UNKNOWN]) * length + data[at + length :] for name, data in rows.items()}
    return rows


def _fill(engine: Engine, rng: random.Random) -> None:
    days = [_a_day(rng) for _ in range(DAY_KINDS)]
    payloads = [pack_day(rows) for rows in days]
    first = day_number(_date(YEAR, 1))
    lessons = [CALENDAR.read("s0", first_minute_of(first + n), first_minute_of(first + n + 1)) for n in range(7)]
    numbers = [[{name: seconds_of(row, lesson) for name, row in rows.items()} for lesson in lessons] for rows in days]
    months: dict[int, list[dict[str, object]]] = {}
    for month in range(month_of(first), month_of(first) + 12):
        months[month] = []
        for _ in range(MONTH_KINDS // 12):
            made = Month(month)
            for day in days_of(month):
                weekday = (day - first) % 7
                made.put(day, mark_of(lessons[weekday]), rng.choice(numbers)[weekday])
            months[month].append(made.row(""))
    with database.writing(engine) as connection:
        connection.execute(insert(schema.area).values(id="p", name="Tỉnh", kind="province"))
        names = [f"s{number}" for number in range(SITES)]
        connection.execute(insert(schema.school), [{"id": one, "name": one, "area": "p"} for one in names])
        connection.execute(insert(schema.site), [{"id": one, "school": one, "name": one} for one in names])
        told = {"agent": "gw", "minute": 0, "report_id": 0, "received_ms": 0}
        connection.execute(insert(schema.latest), [{"site": one, **told} for one in names])
        database.set_meta(connection, SUMMED_TO, str(first + 365))
    for number in range(SITES):
        site = f"s{number}"
        with database.writing(engine) as connection:
            connection.execute(
                insert(schema.ledger_day),
                [{"site": site, "day": first - 1 + n, "payload": rng.choice(payloads)} for n in range(366)],
            )
            connection.execute(insert(schema.summary), [{**rng.choice(made), "site": site} for made in months.values()])
            connection.execute(insert(schema.day_digest), [_digest(rng, site, first + n) for n in range(365)])


def _digest(rng: random.Random, site: str, day: int) -> dict[str, object]:
    parts = {name: rng.randbytes(32) for name in ("of_reports", "of_ledger", "of_facts", "previous", "digest")}
    told = {
        "site": site,
        "day": day,
        "revision": 1,
        "made_ms": 1_760_000_000_000,
        "minutes": 1_440,
        "last_report": 2**30,
    }
    return {**told, **parts, "hours": rng.randbytes(192), "why": ""}


def _one_site_really(engine: Engine) -> float:
    """Site s0 is summed up from its ledger, and what summaries then tell is compared with the ledger's minutes."""
    ledger, first, end = Ledger(engine), day_number(_date(YEAR, 1)), day_number(_date(YEAR + 1, 1))
    began = time.process_time()
    for day in range(first, end):
        with database.writing(engine) as connection:
            summaries.make_day(connection, ledger, CALENDAR, "s0", day)
    spent = (time.process_time() - began) * 1_000 / (end - first)
    with engine.connect() as connection:
        told = Sums(connection, ledger, CALENDAR).read({"s0": SIGNALS}, first_minute_of(first), first_minute_of(end))
        rows = ledger.read(connection, "s0", SIGNALS, first_minute_of(first), first_minute_of(end))
    lessons = CALENDAR.read("s0", first_minute_of(first), first_minute_of(end))
    assert all(
        seconds_of(rows[name], lessons) == (*told["s0", name].always, *told["s0", name].lessons) for name in SIGNALS
    )
    return spent


def _sizes(engine: Engine) -> str:
    with engine.connect() as connection:
        table = schema.ledger_day.c
        payload = connection.execute(select(table.payload).limit(1)).scalar_one()
        assert set(unpack_day(payload)) == set(SIGNALS)
        sums = {
            name: connection.exec_driver_sql(f"SELECT sum(pgsize) FROM dbstat WHERE name LIKE '%{name}%'").scalar()
            for name in ("ledger_day", "day_digest", "summary")
        }
    return ", ".join(f"{name} {size / 1e6:.0f} MB" for name, size in sums.items() if size)


def _judged(engine: Engine, end_minute: int) -> tuple[float, int]:
    """What the judge does of a plan of six targets over 365 days, a unit each site."""
    (shipped, *_) = plans.all_plans()
    like = shipped.targets[0]
    asked = [
        (signal, clock) for signal in ("line.internet", "line.isp", "lan.router") for clock in ("always", "lessons")
    ]
    targets = tuple(
        replace(
            like,
            id=f"T{number}",
            unit="site",
            clock=clock,
            window_days=365,
            conditions=(Condition(f"{signal}.availability", "share", at_least=Fraction(99, 100)),),
        )
        for number, (signal, clock) in enumerate(asked)
    )
    plan = replace(shipped, targets=targets)
    began = time.process_time()
    with engine.connect() as connection, engine.connect() as summed:
        sums = Sums(summed, Ledger(engine), CALENDAR)
        found = judge_plan(plan, collect(connection, from_sums(sums), plan, window_of(plan, end_minute)))
    assert [len(one.units) for one in found] == [SITES] * len(targets)
    return time.process_time() - began, sums.from_ledger


def _verdicts(engine: Engine, first_day: int, end_day: int) -> tuple[float, float, str]:
    """The middle one of five after one that is not counted: everything is read from the database each time."""
    _judge(engine, first_day, end_day)
    gc.collect()
    gc.freeze()
    found = []
    for _ in range(5):
        cpu, wall = time.process_time(), time.perf_counter()
        statuses = _judge(engine, first_day, end_day)
        found.append((time.process_time() - cpu, time.perf_counter() - wall, ", ".join(statuses)))
    gc.unfreeze()
    return sorted(found)[2]


def _judge(engine: Engine, first_day: int, end_day: int) -> list[str]:
    signals = sorted({signal for signal, _, _ in INDICATORS})
    with engine.connect() as connection:
        wanted = {f"s{number}": signals for number in range(SITES)}
        window = first_minute_of(first_day), first_minute_of(end_day)
        sums = Sums(connection, Ledger(engine), CALENDAR).read(wanted, *window)
    statuses = []
    for signal, clock, share in INDICATORS:
        counted = {True: 0, False: 0, None: 0}
        for number in range(SITES):
            both = sums[f"s{number}", signal]
            seconds = both.always if clock == "always" else both.lessons
            met = seconds.availability().at_least(share, min_coverage=Fraction(9, 10), off_is_down=False)
            counted[met] += 1
        statuses.append(str(plan_status(counted[True], counted[False], counted[None], Fraction(9, 10))))
    return statuses
