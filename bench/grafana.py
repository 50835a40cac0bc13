"""A province's dashboard over 30 days with 1,400 sites, asked of both real stores: the whole, its slowest queries."""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
from dashboards import build
from tests.server.grafana_asking import Desk
from tests.stores import InfluxDB1, VictoriaMetrics, influxdb1, victoria_metrics

from schoolbeat_server.series_lines import prefix
from schoolbeat_server.series_places import labelled
from schoolbeat_wire.catalogue import RUNGS

SITES, AREAS, DAYS, ROUNDS = 1_400, 100, 30, 5
TARGETS = 10
SIGNALS = (*RUNGS, "line.internet", "site.contact")  # of 66: a store takes minutes to make the series of all
ISPS = ("Viettel", "VNPT", "FPT Telecom")
DAY_MS, STEP_MS, NOW_MS = 86_400_000, 300_000, 15 * 60_000
BATCH = 20_000


def place(n: int) -> dict[str, str]:
    return {"area": f"xa-{n % AREAS}", "school": f"t{n}", "site": f"t{n}"}


def days(midnight_ms: int, rng: random.Random) -> Iterator[str]:
    """schoolbeat_day: the signals of every site's line on both clocks, as the queue writes it."""
    for n in range(SITES):
        for signal in SIGNALS:
            line = {"isp": ISPS[n % 3]} if signal.startswith("line.") else {}
            for clock, length in (("always", 86_400), ("lessons", 28_800)):
                kind = signal.partition(".")[0]
                head = prefix("schoolbeat_day", place(n) | line | {"signal": signal, "clock": clock, "kind": kind})
                for day in range(DAYS):
                    down, unknown = rng.randrange(0, 900), rng.randrange(0, 2_000)
                    yield (
                        f"{head} up_seconds={length - down - unknown}i,down_seconds={down}i,off_seconds=0i,"
                        f"unknown_seconds={unknown}i {midnight_ms - day * DAY_MS}"
                    )


def verdicts(midnight_ms: int, rng: random.Random) -> Iterator[str]:
    for target in range(TARGETS):
        tags = {"plan": "ke-hoach", "target": f"T{target}"}
        for day in range(DAYS):
            at_ms = midnight_ms - day * DAY_MS
            for area in ("all", *(f"xa-{n}" for n in range(AREAS))):
                of = SITES if area == "all" else SITES // AREAS
                missed = rng.randrange(of // 3)
                verdict = f",verdict={rng.randrange(3)}i" if area == "all" else ""
                yield (
                    f"{prefix('schoolbeat_target', tags | {'area': area})} met={of - missed - 1}i,missed={missed}i,"
                    f"unknown=1i,silent=1i{verdict} {at_ms}"
                )
            for n in range(SITES):
                head = prefix("schoolbeat_verdict", tags | place(n) | {"unit": f"t{n}"})
                yield f"{head} verdict={rng.randrange(3)}i,grade={rng.randrange(4)}i {at_ms}"


def sites(now_ms: int, rng: random.Random) -> Iterator[str]:
    """A day of snapshots: nothing of this dashboard asks for older ones."""
    for n in range(SITES):
        tags = place(n) | {
            "area_label": labelled(f"Xã {n % AREAS}", f"xa-{n % AREAS}"),
            "school_label": labelled(f"Trường {n}", f"t{n}"),
            "site_label": labelled("Điểm trường chính", f"t{n}"),
            "kind": "main",
            "isp": ISPS[n % 3],
            "technology": "fibre",
        }
        head = prefix("schoolbeat_site", tags)
        for step in range(DAY_MS // STEP_MS):
            state = rng.choices(range(5), (900, 40, 40, 15, 5))[0]
            yield (
                f"{head} state={state}i,cause=0i,latitude={22 + n / 1400:.4f},longitude={104 + n / 2800:.4f},"
                f"contract_down_bps=100000000i,contract_up_bps=50000000i,heard_seconds=40i {now_ms - step * STEP_MS}"
            )


def write(store: Any, lines: Iterable[str]) -> int:
    path = "/write?precision=ms" if isinstance(store, VictoriaMetrics) else "/write?db=schoolbeat&precision=ms"
    count, lines = 0, iter(lines)
    with httpx.Client(base_url=store.url, timeout=120, verify=False) as client:
        while batch := list(islice(lines, BATCH)):
            count += len(batch)
            while (answer := client.post(path, content="\n".join(batch).encode())).status_code >= 500:
                time.sleep(0.5)  # its cache is full for a moment
            answer.raise_for_status()
    return count


def asked(store: Any, now_ms: int) -> dict[str, float]:
    """Query -> seconds, median of some rounds after one to warm up."""
    kind = "influxdb" if isinstance(store, InfluxDB1) else "victoriametrics"
    desk = Desk(store, json.loads(build.files()[f"{kind}/vi/province.json"]), now_ms, {"target": ["T1"]})
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS + 1):
        for panel in desk.panels():
            for target in panel["targets"]:
                began = time.perf_counter()
                answer = desk.ask(panel, target)
                found.setdefault(f"{panel['title']} {target['refId']}", []).append(time.perf_counter() - began)
                assert answer, f"{panel['title']} {target['refId']}: nothing"
        for name, one in desk.variables().items():
            if one["type"] == "query":
                began = time.perf_counter()
                assert desk.offered(name), name
                found.setdefault(f"${name}", []).append(time.perf_counter() - began)
    return {name: statistics.median(seconds[1:]) for name, seconds in found.items()}


def measure() -> list[tuple[str, str, str]]:
    now_ms = int(time.time() * 1000) // 60_000 * 60_000
    midnight_ms = (now_ms + 7 * 3_600_000) // DAY_MS * DAY_MS - 7 * 3_600_000
    rows: list[tuple[str, str, str]] = []
    for name, start in (("VictoriaMetrics", victoria_metrics), ("InfluxDB 1", influxdb1)):
        with tempfile.TemporaryDirectory() as folder, start(Path(folder)) as store:
            rng, began = random.Random(1), time.perf_counter()
            count = sum(
                write(store, lines)
                for lines in (days(midnight_ms, rng), verdicts(midnight_ms, rng), sites(now_ms, rng))
            )
            print(f"{name}: {count:,} points in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
            if isinstance(store, VictoriaMetrics):
                store.flush()
            found = asked(store, now_ms)
        slowest = sorted(found, key=lambda one: -found[one])[:4]
        told = ", ".join(f"{one} {found[one]:.2f} s" for one in slowest)
        rows.append(
            (
                f"province's dashboard, {SITES:,} sites, {DAYS} days, {name}: all {len(found)} queries, one by one",
                f"{sum(found.values()):.2f} s ({told})",
                "",
            )
        )
    return rows


if __name__ == "__main__":
    for row in measure():
        print(" | ".join(row))
