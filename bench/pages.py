"""Milliseconds a page takes at 1,400 sites, from the application's side, without the network."""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.server import synthetic
from tests.server.issued_days import issue_days

from schoolbeat_server.verdicts import Status, UnitVerdict
from schoolbeat_server.web.app import create_app

SCHOOLS = 1_120  # with every fourth one's satellite site: 1,400 sites
ROUNDS = 100
T1 = "/plans/lao-cai-2022-2025/T1"
PAGES = (
    "/",
    "/sites",
    "/site/t0",
    "/notices",
    "/plans",
    T1,
    f"{T1}?list=all&sort=unit&q=tieu+hoc",
    f"{T1}?area=xa-3&by=isp",
    f"{T1}?then=2026-11-10",
    "/plans/lao-cai-2022-2025/T2.all?list=all&page=20",
    "/school/t1",
    "/site/t0/minutes?days=31",
)
DAYS = 190  # of issued verdicts behind the history and forecast of one target
LIMIT_MS = 100


def measure() -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic.make(Path(folder) / "schoolbeat.db", SCHOOLS)
        verdicts = synthetic.judged(made)
        issue_days(made, verdicts[:1], DAYS, _grows)
        app = create_app(synthetic.context(made, verdicts=lambda: verdicts))
        gc.collect()
        gc.freeze()  # as the server does once it runs
        try:
            return [asyncio.run(_page(app, path, len(made.sites))) for path in PAGES]
        finally:
            gc.unfreeze()


def _grows(ago: int, at: int, _unit: UnitVerdict) -> Status:
    return "met" if at < (DAYS - ago) * 4 else "unknown" if at % 5 == 0 else "missed"


async def _page(app: object, path: str, sites: int) -> tuple[str, str, str]:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await client.get(path)
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
    figure = f"{middle:.0f} ms, 95th percentile {late:.0f} ms ({working:.0f} ms CPU), {size:.0f} kB"
    return f"page {path} at {sites:,} sites", figure, f"95th percentile ≤ {LIMIT_MS} ms"
