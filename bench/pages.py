"""CPU and milliseconds of a page at 1,400 sites with some years behind it, from the application's side, without the
network."""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.server import synthetic
from tests.server.issued_days import issue_days

import pages_province
from schoolbeat_server.verdicts import Status, UnitVerdict
from schoolbeat_server.web.app import create_app

SCHOOLS = 1_120  # with every fourth one's satellite site: 1,400 sites
ROUNDS = 100
T1 = "/plans/lao-cai-2022-2025/T1"
PAGES = (
    "/",
    "/?area=xa-3",
    "/sites",
    "/sites?area=xa-3&q=tieu+hoc",
    "/site/t0",
    "/notices",
    "/plans",
    T1,
    f"{T1}?list=all&sort=unit&q=tieu+hoc",
    f"{T1}?area=xa-3&by=isp",
    f"{T1}?then=2026-11-10",
    "/plans/lao-cai-2022-2025/T2.all?list=all&page=20",
    "/plans/lao-cai-2022-2025/T7?list=all",
    "/school/t1",
    "/site/t0/minutes",
    "/site/t0/minutes?days=31",
    "/reports",
    "/reports?kind=school",
    "/reports?kind=school&id=mam+non",
    "/compare",
    "/compare?sort=down&order=desc&q=tieu+hoc",
    "/compare?view=periods",
    "/compare?view=periods&place=school&id=t3",
    "/compare?view=pilot",
    "/compare?view=league",
    "/verdicts",
    "/verdicts/1",
    "/inspections",
    "/inspections/1",
    "/calendar",
    "/quarantine",
    "/about",
)
DAYS = 190  # of issued verdicts behind the history and forecast of one target
LIMIT_MS = 100


def measure(only: str = "") -> list[tuple[str, str, str]]:
    """only: a page, which is profiled too."""
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic.make(Path(folder) / "schoolbeat.db", SCHOOLS)
        pages_province.fill(made)
        verdicts = pages_province.judged(made)
        issue_days(made, [one for one in verdicts if (one.plan.id, one.target.id) == PAST], DAYS, _grows)
        desk = pages_province.desk(made, Path(folder))
        app = create_app(synthetic.context(made, verdicts=lambda: verdicts, reports=desk))
        gc.collect()
        gc.freeze()  # as the server does once it runs
        try:
            rows = [asyncio.run(_page(app, path, len(made.sites))) for path in ([only] if only else PAGES)]
            if only:
                with cProfile.Profile() as profile:
                    asyncio.run(_page(app, only, len(made.sites)))
                pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
            return rows
        finally:
            gc.unfreeze()


PAST = ("lao-cai-2022-2025", "T1")


def _grows(ago: int, at: int, _unit: UnitVerdict) -> Status:
    return "met" if at < (DAYS - ago) * 4 else "unknown" if at % 5 == 0 else "missed"


async def _page(app: object, path: str, sites: int) -> tuple[str, str, str]:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await client.get(path)
        while app.state.context.reports.shelf.make_next():  # type: ignore[attr-defined]
            pass  # in the background, where it is timed by nobody's patience
        times, spent = [], []
        for _ in range(ROUNDS):
            began, worked = time.perf_counter(), time.process_time()
            answer = await client.get(path)
            times.append((time.perf_counter() - began) * 1_000)
            spent.append((time.process_time() - worked) * 1_000)
            assert answer.status_code == 200
    middle, late = statistics.median(times), statistics.quantiles(times, n=20)[18]
    working = statistics.quantiles(spent, n=20)[18]
    size = len(answer.content) / 1_000
    figure = f"{working:.0f} ms CPU (95th percentile; {late:.0f} ms wall, {middle:.0f} median), {size:.0f} kB"
    return f"page {path} at {sites:,} sites", figure, f"≤ {LIMIT_MS} ms"


if __name__ == "__main__":
    for row in measure(*sys.argv[1:2]):
        print(*row, sep="\n    ")
