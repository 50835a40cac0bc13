"""Stored rows reach a real time-series store, each once, whatever happens to the store, the server or the rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.server.school import CUT_AT_ISP, SIGNALS, School
from tests.server.series_sending import AnyStore, Sending, counters, one, points
from tests.server.test_proof import DAY, NOON, a_day
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server import schema
from schoolbeat_server.school_calendar import first_minute_of
from schoolbeat_wire.catalogue import UP_FULL

FIRST = first_minute_of(DAY) + NOON


@pytest.fixture(params=["victoriametrics", "influxdb1"], scope="module")
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnyStore]:
    folder = tmp_path_factory.mktemp(request.param)
    with (victoria_metrics if request.param == "victoriametrics" else influxdb1)(folder) as running:
        yield running


@pytest.fixture
def sending(tmp_path: Path, store: AnyStore) -> Iterator[Sending]:
    made = Sending(tmp_path, store.settings)
    yield made
    made.close()
    _empty(store)


def _empty(store: AnyStore) -> None:
    if hasattr(store, "query"):
        for row in store.query("SHOW MEASUREMENTS"):
            for found in row.values:
                store.query(f'DROP MEASUREMENT "{found["name"]}"')
    else:
        store.get("/api/v1/admin/tsdb/delete_series", **{"match[]": '{__name__!=""}'})


def ledger_minutes(sending: Sending, site: str, signal: str, first: int, end: int) -> dict[int, float]:
    codes = sending.ledger(site, [signal], first, end)[signal]
    return {(first + at) * 60_000: code for at, code in enumerate(codes) if code <= UP_FULL}


def test_every_minute_and_reading_of_reports_is_in_the_store_as_the_ledger_has_it(
    sending: Sending, store: AnyStore
) -> None:
    a_day(sending.province, School("s1"))

    sending.send()
    minutes, readings = points(store, "schoolbeat_minute"), points(store, "schoolbeat_reading")

    for signal in [*SIGNALS, "site.contact"]:
        expected = ledger_minutes(sending, "s1", signal, FIRST, FIRST + 240)
        assert one(minutes, "schoolbeat_minute_up_seconds", site="s1", signal=signal) == expected
        assert expected
    rtt = one(readings, "schoolbeat_reading_rtt_ms", site="s1", subject="lan.router")
    assert rtt == {(FIRST + at) * 60_000: 1.25 for at in range(180)}
    assert counters(sending)["series.points_sent"] > 1_000
