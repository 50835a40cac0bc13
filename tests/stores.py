"""Real time-series stores on private ports: VictoriaMetrics and InfluxDB 1, started, asked, frozen, killed by pid."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import httpx
import pytest

from schoolbeat_server.settings import Series
from tests.ports import free_port

DATABASE = "schoolbeat"
ADMIN, PASSWORD = "quan-tri", "mat khau 'thu'"
PACKAGES = {"victoria-metrics": "victoria-metrics", "influxd": "influxdb"}
STARTS_SECONDS = 60.0
PLAIN = False  # no certificates are loaded for each question: they are asked over plain HTTP
_Store = TypeVar("_Store", bound="Program")


class Sample(NamedTuple):
    """One answer of an instant query. The metric's name is the label __name__."""

    labels: dict[str, str]
    value: float


class Row(NamedTuple):
    """A series of an InfluxQL answer; values as dictionaries by column, `time` in milliseconds."""

    name: str
    tags: dict[str, str]
    values: list[dict[str, Any]]


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        problem = f"{name} is not installed (Debian: {PACKAGES[name]})"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(problem)
    return found


@dataclass
class Program:
    """A store's process: the same folder and port whenever it is started again."""

    command: list[str | Path]
    port: int
    log: Path
    alive_path: str
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + STARTS_SECONDS
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < until, f"does not answer: {self.log.read_text(errors='replace')[-2000:]}"
            time.sleep(0.02)

    def answers(self) -> bool:
        try:
            return httpx.get(self.url + self.alive_path, timeout=5, verify=PLAIN).is_success
        except httpx.TransportError:
            return False

    def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """SIGTERM: it may write down what it has in memory; SIGKILL: it may not."""
        if self.process is None:
            return
        self.process.send_signal(by)
        self.process.send_signal(signal.SIGCONT)  # a frozen one
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)
        self.process = None

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def freeze(self) -> None:
        """It takes connections (the kernel does) and never answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/stat")
        while any(stat.read_text().rpartition(")")[2].split()[0] != "T" for stat in threads):
            threads = Path(f"/proc/{self.process.pid}/task").glob("*/stat")  # on a busy machine it goes on for a while

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@dataclass
class VictoriaMetrics(Program):
    @property
    def settings(self) -> Series:
        return Series(kind="victoriametrics", url=self.url)

    def get(self, path: str, **parameters: str | int | float) -> httpx.Response:
        response = httpx.get(self.url + path, params=parameters, timeout=60, verify=PLAIN)
        assert response.is_success, f"{response.status_code} {response.text[:2000]}"
        return response

    def flush(self) -> None:
        """What was written is found by queries."""
        self.get("/internal/force_flush")

    def instant(self, query: str, at_ms: int) -> list[Sample]:
        self.flush()
        answer = self.get("/api/v1/query", query=query, time=f"{at_ms / 1000:.3f}", nocache=1).json()
        return [Sample(one["metric"], float(one["value"][1])) for one in answer["data"]["result"]]

    def range(self, query: str, start_ms: int, end_ms: int, step_seconds: int) -> list[tuple[dict[str, str], Any]]:
        """[(labels, [(at_ms, value), …]), …]"""
        self.flush()
        start, end = f"{start_ms / 1000:.3f}", f"{end_ms / 1000:.3f}"
        answer = self.get("/api/v1/query_range", query=query, start=start, end=end, step=f"{step_seconds}s", nocache=1)
        return [
            (one["metric"], [(round(float(at) * 1000), float(value)) for at, value in one["values"]])
            for one in answer.json()["data"]["result"]
        ]

    def export(self, match: str = '{__name__!=""}') -> list[tuple[dict[str, str], list[tuple[int, float]]]]:
        """Every sample as a query would find it (equal times once, where it was told to): labels, [(at_ms, value)]."""
        self.flush()
        parameters = {"match[]": match, "start": "0", "end": "4102444800"}  # it takes points two days ahead
        lines = self.get("/api/v1/export", **parameters).text.splitlines()
        found = [json.loads(line) for line in lines]
        return [(one["metric"], list(zip(one["timestamps"], one["values"], strict=True))) for one in found]

    def points(self, match: str = '{__name__!=""}') -> int:
        """Samples, one for each field of a line."""
        return sum(len(samples) for _, samples in self.export(match))


@contextmanager
def victoria_metrics(
    folder: Path, *more: str, retention: str = "100y", dedup: bool = True
) -> Iterator[VictoriaMetrics]:
    """retention: as its flag takes it (a bare number is months)."""
    name, port = program("victoria-metrics"), free_port()
    command: list[str | Path] = [
        name,
        f"-httpListenAddr=127.0.0.1:{port}",
        f"-storageDataPath={folder / 'victoria-metrics'}",
        f"-retentionPeriod={retention}",
        "-search.latencyOffset=0s",
        "-memory.allowedBytes=256MB",
        "-loggerLevel=WARN",
        *(["-dedup.minScrapeInterval=1ms"] if dedup else []),
        *more,
    ]
    yield from _running(VictoriaMetrics(command, port, folder / f"victoria-metrics-{port}.log", "/health"))


@dataclass
class InfluxDB1(Program):
    auth: bool = False

    @property
    def settings(self) -> Series:
        without = Series(kind="influxdb1", url=self.url, database=DATABASE)
        return replace(without, username=ADMIN, password=PASSWORD) if self.auth else without

    def query(self, influxql: str, database: str = DATABASE) -> list[Row]:
        login = (ADMIN, PASSWORD) if self.auth else None
        parameters = {"db": database, "q": influxql, "epoch": "ms"}
        response = httpx.post(self.url + "/query", params=parameters, auth=login, timeout=60, verify=PLAIN)
        assert response.is_success, f"{response.status_code} {response.text[:2000]}"
        found: list[Row] = []
        for result in response.json()["results"]:
            assert "error" not in result, result["error"]
            for one in result.get("series", []):
                values = [dict(zip(one["columns"], row, strict=True)) for row in one.get("values", [])]
                found.append(Row(one.get("name", ""), one.get("tags", {}), values))
        return found

    def points(self, measurement: str = "/.*/") -> int:
        """Values, one for each field of a line."""
        rows = self.query(f"SELECT COUNT(*) FROM {measurement}")
        return sum(count for row in rows for value in row.values for key, count in value.items() if key != "time")


INFLUXDB1 = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
  cache-max-memory-size = 268435456
[coordinator]
  write-timeout = "10s"
[monitor]
  store-enabled = false
[subscriber]
  enabled = false
[continuous_queries]
  enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  auth-enabled = {auth}
  log-enabled = false
  max-body-size = {max_body_bytes}
[logging]
  level = "warn"
"""


@contextmanager
def influxdb1(
    folder: Path, *, auth: bool = False, retention: str = "INF", max_body_bytes: int = 25_000_000
) -> Iterator[InfluxDB1]:
    """With the database; retention: as InfluxQL takes a duration (INF, 30d)."""
    name, port, rpc = program("influxd"), free_port(), free_port()
    path = folder / f"influxdb-{port}.conf"
    values = {"port": port, "rpc": rpc, "auth": str(auth).lower(), "max_body_bytes": max_body_bytes}
    path.write_text(INFLUXDB1.format(folder=folder / "influxdb", **values))
    store = InfluxDB1([name, "-config", path], port, folder / f"influxdb-{port}.log", "/ping", auth=auth)
    running = _running(store)
    next(running)
    try:
        if auth:
            quoted = PASSWORD.replace("'", "\\'")
            user = f"CREATE USER \"{ADMIN}\" WITH PASSWORD '{quoted}' WITH ALL PRIVILEGES"
            httpx.post(store.url + "/query", params={"q": user}, timeout=60).raise_for_status()
        store.query(f'CREATE DATABASE "{DATABASE}" WITH DURATION {retention}', "")
        yield store
    finally:
        running.close()


def _running(store: _Store) -> Generator[_Store, None, None]:
    try:
        store.start()
        yield store
    finally:
        store.end()
