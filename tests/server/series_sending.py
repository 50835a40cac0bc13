"""A province whose rows go to a real time-series store, and what the store then has, the same way for both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import select
from tests.server.school import register
from tests.server.test_proof import DAY, Province
from tests.stores import InfluxDB1, VictoriaMetrics

from schoolbeat_server import database, schema, series_setup
from schoolbeat_server.availability import availability
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.series_catalogue import CAUSES
from schoolbeat_server.series_queue import SeriesQueue
from schoolbeat_server.series_store import Store, open_store
from schoolbeat_server.settings import Series, Settings

AnyStore = VictoriaMetrics | InfluxDB1
Points = dict[tuple[str, frozenset[tuple[str, str]]], dict[int, float]]
"""(measurement and field, tags) -> value by ms. Of two corrected ones both."""


class Sending:
    """seconds: the queue's own clock, which goes only as it is told."""

    def __init__(self, folder: Path, series: Series, *, first_night: bool = True, **changed: Any) -> None:
        self.path, self.folder, self.series = folder / "schoolbeat.db", folder, series
        engine = database.open_database(self.path)
        register(engine, ["s1", "s2"])
        engine.dispose()
        self.province = Province(self.path)
        if first_night:
            self.province.night(DAY - 1)
        self.seconds = 0.0
        self.changed = changed
        self.open()

    @property
    def engine(self) -> Any:
        return self.province.engine

    def open(self, store: Store | None = None) -> None:
        """As the server does at start: the store's place in the database, then what is in memory, then the queue."""
        ms = self.province.minute * 60_000
        series_setup.prepare(self.engine, self.series, ms)
        self.province.start()
        self.store = store or open_store(self.series)
        ingest = self.province.ingest
        self.queue = SeriesQueue(
            self.engine,
            ingest.ledger,
            ingest.layouts,
            lambda: ingest.asked.calendar,
            self.store,
            Settings(self.folder, series=self.series, **self.changed),
            lambda: self.province.minute * 60_000,
            seconds=lambda: self.seconds,
            jitter=lambda: 0.5,
        )

    def send(self, steps: int = 200) -> int:
        """Until nothing is left to send; how many steps it took."""
        for step in range(steps):
            more = self.queue.step()
            if self.queue.trouble.now is not None:
                return step
            if not more:
                return step + 1
        raise AssertionError("the queue does not come to an end")

    def later(self, seconds: float) -> None:
        self.seconds += seconds

    def rows(self, table: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(select(table)))

    def close(self) -> None:
        self.store.close()
        self.engine.dispose()

    def ledger(self, site: str, signals: list[str], first: int, end: int) -> dict[str, bytes]:
        with self.engine.connect() as connection:
            return self.province.ingest.ledger.read(connection, site, signals, first, end)


def points(store: AnyStore, measurement: str) -> Points:
    """All values of a measurement."""
    if isinstance(store, VictoriaMetrics):
        found = store.export(f'{{__name__=~"{measurement}_.*"}}')
        return {
            (labels["__name__"], _tags({k: v for k, v in labels.items() if k != "__name__"})): dict(values)
            for labels, values in found
        }
    out: Points = {}
    for row in store.query(f'SELECT * FROM "{measurement}" GROUP BY *'):
        for values in row.values:
            for name, value in values.items():
                if name != "time" and value is not None:
                    key = (f"{measurement}_{name}", _tags(row.tags))
                    out.setdefault(key, {})[values["time"]] = value
    return out


def _tags(tags: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset((key, value) for key, value in tags.items() if value and key != "db")


def of(found: Points, metric: str, pick: Callable[[dict[str, str]], bool] = lambda _tags: True) -> dict[Any, Any]:
    """Values of a metric by the tags that differ, as plain dictionaries."""
    return {tags: values for (name, tags), values in found.items() if name == metric and pick(dict(tags))}


def one(found: Points, metric: str, **tags: str) -> dict[int, float]:
    """Of the one series with these tags among its own."""
    mine = list(of(found, metric, lambda has: tags.items() <= has.items()).values())
    assert len(mine) <= 1, f"{len(mine)} series of {metric} {tags}"
    return mine[0] if mine else {}


def counters(sending: Sending) -> dict[str, int]:
    return {row.name: row.count for row in sending.rows(schema.counter) if row.name.startswith("series.")}


def newest(values: dict[int, float], at_ms: int) -> float | None:
    """What holds of a row that was corrected: the last value within its minute."""
    mine = [at for at in values if at_ms <= at < at_ms + 60_000]
    return values[max(mine)] if mine else None


def outages_told(store: AnyStore) -> dict[tuple[str, str, int], tuple[float | None, ...]]:
    """(site, signal, first minute) -> down_seconds, end_seconds, lessons, cause of all that were not taken back."""
    found = points(store, "schoolbeat_outage")
    keys = set()
    for (_, tags), values in found.items():
        has = dict(tags)
        keys |= {(has["site"], has["signal"], at // 60_000) for at in values}
    told = {}
    for site, signal, first in sorted(keys):
        told[site, signal, first] = tuple(
            newest(one(found, f"schoolbeat_outage_{name}", site=site, signal=signal), first * 60_000)
            for name in ("down_seconds", "end_seconds", "lessons", "cause")
        )
    return {key: values for key, values in told.items() if values[0]}


def outages_known(sending: Sending) -> dict[tuple[str, str, int], tuple[float | None, ...]]:
    return {
        (row.site, row.signal, row.first_minute): (
            row.down_seconds,
            (row.end_minute or 0) * 60,
            row.lessons,
            CAUSES.get(row.cause, CAUSES["itself"]),
        )
        for row in sending.rows(schema.outage)
    }


def days_told(store: AnyStore, clock: str) -> dict[tuple[str, str, int], list[float | None]]:
    """(site, signal, local day) -> up, down, off, unknown seconds."""
    found, told = points(store, "schoolbeat_day"), {}
    names = [f"schoolbeat_day_{name}_seconds" for name in ("up", "down", "off", "unknown")]
    for (name, tags), values in found.items():
        has = dict(tags)
        if name == names[0] and has["clock"] == clock:
            for day in {day_of(at // 60_000) for at in values}:
                place = {key: has[key] for key in ("site", "signal", "clock")}
                at_ms = first_minute_of(day) * 60_000
                told[has["site"], has["signal"], day] = [newest(one(found, metric, **place), at_ms) for metric in names]
    return told


def days_known(sending: Sending, days: range) -> dict[tuple[str, str, int], list[float]]:
    known: dict[tuple[str, str, int], list[float]] = {}
    for day in days:
        first, end = first_minute_of(day), first_minute_of(day + 1)
        with sending.engine.connect() as connection:
            signals = sending.province.ingest.ledger.signals(connection, "s1", first, end)
        for signal, codes in sending.ledger("s1", signals, first, end).items():
            counted = availability(codes)
            known["s1", signal, day] = [
                counted.up_seconds,
                counted.down_seconds,
                counted.off_seconds,
                counted.unknown_seconds,
            ]
    return known
