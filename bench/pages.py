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

from schoolbeat_server.web.app import create_app

SCHOOLS = 1_120  # with every fourth one's satellite site: 1,400 sites
ROUNDS = 100
PAGES = ("/", "/sites", "/site/t0", "/notices")
LIMIT_MS = 100


def measure() -> list[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        made = synthetic.make(Path(folder) / "schoolbeat.db", SCHOOLS)
        app = create_app(synthetic.context(made))
        gc.collect()
        gc.freeze()  # as the server does once it runs
        try:
            return [asyncio.run(_page(app, path, len(made.sites))) for path in PAGES]
        finally:
            gc.unfreeze()


async def _page(app: object, path: str, sites: int) -> tuple[str, str, str]:
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        await client.get(path)
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            answer = await client.get(path)
            times.append((time.perf_counter() - began) * 1_000)
            assert answer.status_code == 200
    middle, late = statistics.median(times), statistics.quantiles(times, n=20)[18]
    figure = f"{middle:.0f} ms, 95th percentile {late:.0f} ms, {len(answer.content) / 1_000:.0f} kB"
    return f"page {path} at {sites:,} sites", figure, f"95th percentile ≤ {LIMIT_MS} ms"
