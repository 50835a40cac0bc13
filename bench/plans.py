"""All shipped plans judged over 1,400 sites with a month of ledger: CPU, memory, and what a day of verdicts weighs."""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlalchemy import Connection, Engine, func, insert, select

from schoolbeat_server import database, issued, plans, schema
from schoolbeat_server.ledger import DAY, Ledger, pack_day
from schoolbeat_server.school_calendar import day_number, first_minute_of
from schoolbeat_server.summaries import Month, mark_of, month_of, seconds_of
from schoolbeat_server.sums import SUMMED_TO, Sums, from_sums
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import Verdict, collect, judge_plan, window_of
from schoolbeat_wire import inventory
from year import CALENDAR, DEVICES, SIGNALS, _a_day

SITES = 1_400
KINDS = 40  # of sites that had the same month; the rest repeats them
FIRST = day_number(date(2026, 9, 29))
DAYS = 33  # windows that end on either of the last two days
LEVELS = ("preschool", "primary", "lower_secondary", "primary_lower_secondary", "upper_secondary")
THINGS = ("board", "access_point", "computer", "camera", "ont", "switch")
ROOMS = (("smart", 1), ("smart", 2), ("computer", 0), ("online", 0))


def measure(sites: int = SITES) -> list[tuple[str, str, str]]:
    every = plans.all_plans(follow=("*",))
    targets = sum(len(plan.targets) for plan in every)
    with tempfile.TemporaryDirectory() as folder:
        engine = database.open_database(Path(folder) / "schoolbeat.db")
        _fill(engine, random.Random(5), sites)
        before = _resident()
        what = f"all {len(every)} shipped plans ({targets} targets), {sites:,} sites, a month of {len(SIGNALS)} signals"
        rows = []
        bodies = []
        for at in (DAYS - 1, DAYS):
            cpu, units, size = _issued(engine, every, first_minute_of(FIRST + at))
            bodies.append(size)
        rows.append((f"{what}: judged and issued, {units:,} units", f"{cpu:.1f} s CPU", ""))
        rows.append(("the same, resident at most, and before", f"{_resident():.0f} MiB, {before:.0f} MiB", ""))
        later = bodies[1] * 365 / 1e6
        figure = f"first day {bodies[0] / 1e6:.2f} MB, the next {bodies[1] / 1e6:.2f} MB: {later:.0f} MB a year"
        rows.append(("its verdicts as issued, kept for ever", figure, "≤ 150 MB a year"))
        engine.dispose()
    return rows


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _issued(engine: Engine, every: list[Plan], end_minute: int) -> tuple[float, int, int]:
    """CPU seconds, units, bytes stored."""
    began, units = time.process_time(), 0
    with engine.connect() as connection, engine.connect() as summed:
        source = from_sums(Sums(summed, Ledger(engine), CALENDAR))

        def judging(plan: Plan, end: int, only: frozenset[str] | None) -> list[Verdict]:
            nonlocal units
            found = judge_plan(plan, collect(connection, source, plan, window_of(plan, end), only, CALENDAR))
            units += sum(len(one.units) for one in found)
            return found

        made = issued.issue(connection, every, end_minute, end_minute * 60_000, judging)
    with database.writing(engine) as connection:
        issued.keep(connection, made, 0)
    spent = time.process_time() - began
    with engine.connect() as connection:
        table = schema.issued.c
        size = connection.scalar(select(func.sum(func.length(table.body))).where(table.end_minute == end_minute))
    return spent, units, size or 0


# ---- the province --------------------------------------------------------------------------------------------


def _fill(engine: Engine, rng: random.Random, sites: int) -> None:
    months = [_month(rng) for _ in range(KINDS)]
    names = [f"s{number}" for number in range(sites)]
    with database.writing(engine) as connection:
        _register(connection, names)
        for number, name in enumerate(names):
            days, summaries = months[number % KINDS]
            connection.execute(insert(schema.ledger_day), [{**one, "site": name} for one in days])
            connection.execute(insert(schema.summary), [{**one, "site": name} for one in summaries])
            connection.execute(insert(schema.speed_test), _tests(rng, name))
        database.set_meta(connection, SUMMED_TO, str(FIRST + DAYS))


def _month(rng: random.Random) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Ledger days and summaries that say the same."""
    first_utc = first_minute_of(FIRST) // DAY
    rows = [_a_day(rng) for _ in range(DAYS + 1)]
    days = [{"day": first_utc + at, "payload": pack_day(one)} for at, one in enumerate(rows)]
    months: dict[int, Month] = {}
    for at in range(DAYS):
        day = FIRST + at
        cut = first_minute_of(day) - (first_utc + at) * DAY
        lessons = CALENDAR.read("s0", first_minute_of(day), first_minute_of(day + 1))
        told = {name: seconds_of(rows[at][name][cut:] + rows[at + 1][name][:cut], lessons) for name in SIGNALS}
        months.setdefault(month_of(day), Month(month_of(day))).put(day, mark_of(lessons), told)
    return days, [one.row("") for one in months.values()]


def _tests(rng: random.Random, site: str) -> list[dict[str, object]]:
    """One each night."""
    line = rng.choice((8, 18, 40, 90)) * 1_000_000
    return [
        {
            "site": site,
            "minute": first_minute_of(FIRST + at) + 60,
            "download_bps": int(line * rng.uniform(0.7, 1.05)),
            "upload_bps": int(line / 2 * rng.uniform(0.7, 1.05)),
        }
        for at in range(DAYS)
    ]


def _register(connection: Connection, names: list[str]) -> None:
    """Every fifth site is the satellite of the one before."""
    mains = [name if at % 5 != 4 else names[at - 1] for at, name in enumerate(names)]
    put = {
        "area": [{"id": "p", "name": "Tỉnh", "kind": "province"}],
        "school": [
            {"id": name, "name": f"Trường số {at}", "area": "p", "level": LEVELS[at // 5 % 5]}
            for at, name in enumerate(names)
            if mains[at] == name
        ],
        "site": [
            {
                "id": name,
                "school": mains[at],
                "name": f"Điểm số {at}",
                "kind": "main" if mains[at] == name else "satellite",
                "tags": "mountain" if at % 3 == 0 else "",
            }
            for at, name in enumerate(names)
        ],
        "line": [
            {"id": name, "site": name, "technology": "fibre", "contract_down_bps": 10**8, "contract_up_bps": 5 * 10**7}
            for name in names
        ],
        "shift": [{"site": name, "shift": "morning", "valid_from": "2026-01-01", "pupils": 320} for name in names],
        "room": [
            {"id": f"{name}-r{at}", "site": name, "name": f"Phòng {at}", "kind": kind, "smart_level": level}
            for name in names
            for at, (kind, level) in enumerate(ROOMS)
        ],
        "device": [
            {"site": name, "id": f"{at:02}", "kind": THINGS[at % 6], "room": f"{name}-r{at // 4}" if at < 16 else None}
            for name in names
            for at in range(DEVICES)
        ],
        "asset": [
            {"site": name, "code": f"TS{at}", "name": f"Máy {at}", "device": f"{at:02}"}
            for name in names
            for at in range(20)
        ],
        "latest": [{"site": name, "agent": "gw", "minute": 0, "report_id": 0, "received_ms": 0} for name in names],
        "owner": [
            {"site": name, "signal": signal, "from_minute": 0, "agent": "gw"}
            for name in names
            for signal in ("wifi.day", "service.csdl")
        ],
    }
    known = [inventory.Device(f"{at:02}") for at in range(DEVICES)]
    told = inventory.with_revision(inventory.Inventory("", ["line.internet"], devices=known))
    put["inventory"] = [
        {"site": name, "agent": "gw", "revision": told.revision, "received_ms": 0, "payload": inventory.encode(told)}
        for name in names
    ]
    for table, rows in put.items():
        connection.execute(insert(schema.metadata.tables[table]), rows)


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else SITES):
        print(*row, sep="\n    ")
