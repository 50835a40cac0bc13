"""How many series a province is in each store: what docs/series.md promises, counted in the stores themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.stores import influxdb1, victoria_metrics

from schoolbeat_server.issued import Issue
from schoolbeat_server.layouts import Layout
from schoolbeat_server.series_catalogue import MEASUREMENTS
from schoolbeat_server.series_lines import line
from schoolbeat_server.series_places import Item, Places, Room, Span, Spot
from schoolbeat_server.series_reports import Encoder
from schoolbeat_server.series_rows import DayLines, OutageRow, Stamps, of_issue, of_outage
from schoolbeat_server.summaries import Both, Seconds
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import report as reports
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.report import MinuteRow

SITES, PROVINCE = 40, 1_400
DEVICES, ROOMS, TARGETS = 60, 10, 3
READINGS = ("rtt_ms", "loss_percent", "rx_bps", "tx_bps", "clients", "cpu_percent", "lamp_hours", "on_hours")
PATH = ["lan.router", "line.isp", "line.domestic", "line.international", "line.internet", "line.main", "power.mains"]
SUBJECTS = [f"device.d{number:02}" for number in range(DEVICES)]
SIGNALS = [*PATH, "service.csdl", "wifi.hoc-sinh", "lesson.video", *SUBJECTS]
INVENTORY = inventories.with_revision(
    Inventory(
        revision="",
        signals=SIGNALS,
        columns=[Column(reading, SUBJECTS, sparse=reading in ("lamp_hours", "on_hours")) for reading in READINGS],
    )
)
LAYOUT = Layout(INVENTORY, tuple(SIGNALS), ())
MINUTE = 29_700_000
DAY = MINUTE // 1_440
DOCUMENT = (Path(__file__).parents[2] / "docs" / "series.md").read_text(encoding="utf-8")


class Count(NamedTuple):
    """Series of one site."""

    influxdb: int
    victoriametrics: int


def by_the_formula() -> Count:
    """As docs/series.md has it: S signals with site.contact, U subjects, R readings of them."""
    s, u, r = len(SIGNALS) + 1, DEVICES, DEVICES * len(READINGS)
    verdicts = TARGETS * ROOMS
    return Count(u + 4 * s + 1 + ROOMS + 1 + verdicts, r + 13 * s + 7 + 3 * ROOMS + 3 + 2 * verdicts)


def places() -> Places:
    span = (Span(-(10**6), "xa-1", None),)
    sites = [f"s{number}" for number in range(SITES)]
    return Places(
        areas={"xa-1": "Xã Một"},
        schools={site: f"Trường {site}" for site in sites},
        services={"csdl": "CSDL"},
        sites={site: Spot(site, "Điểm trường chính", "main", 22.0, 104.0, span) for site in sites},
        rooms={f"{site}-p{n}": Room(site, f"Phòng {n}", "classroom", 1) for site in sites for n in range(ROOMS)},
        devices={
            (site, f"d{n:02}"): Item(f"Thiết bị {n}", "board", f"{site}-p{n % ROOMS}")
            for site in sites
            for n in range(DEVICES)
        },
        rooms_by_name={},
    )


def everything(found: Places, later: int) -> Iterator[str]:
    """Of each site all that can be written: every signal was out, lessons are known, rooms are judged. later: minutes,
    by which no series becomes another one."""
    encoder, days, stamps, minute = Encoder(found), DayLines(found), Stamps(True), MINUTE + later
    values: list[list[int | None]] = [[later % 100 + place for place in range(DEVICES)] for _ in READINGS]
    row = MinuteRow(later, minute, bytes([60] * len(SIGNALS)), values)
    packed = reports.pack("ab" * 8, INVENTORY.revision, [row], INVENTORY)
    columns, codes = reports.absolute(packed, INVENTORY), dict.fromkeys(SIGNALS, b"\x3c")
    seconds = Seconds(86_400, 0, 0, 0, 0)
    for site in found.sites:
        yield from texts(encoder.report(site, "gw", LAYOUT, packed, columns, None, codes, minute))
        yield from texts(encoder.signal(site, "site.contact", b"\x3c", minute))
        for signal in [*SIGNALS, "site.contact"]:
            yield from days.of(site, DAY, signal, Both(seconds, seconds), 1 + later, stamps, lessons=True)
            yield of_outage(OutageRow(site, signal, minute, None, 60, 0, "power", 1), found, stamps)
        yield whole("schoolbeat_site", found.of_site(site, DAY), minute)
        yield whole("schoolbeat_agent", found.of_agent(site, "gw", "gateway", "1.0", DAY), minute)
    for room in found.rooms:
        yield whole("schoolbeat_room", found.of_room(room, DAY), minute)
    unit = {"status": "met", "grade": "proven", "counts": (1, 0, 0), "silent": False}
    for target in range(TARGETS):
        window = minute - 1_440, minute
        issue = Issue(1, "plan", f"T{target}", *window, 0, 0, "met", 1, 0, 0, 0, "proven", "", None, None, [], "")
        units: dict[str, Any] = dict.fromkeys(found.rooms, unit)
        yield from of_issue(issue, units, units, "room", found, stamps)


def texts(lines: list[bytes]) -> Iterator[str]:
    return map(bytes.decode, lines)


def whole(measurement: str, tags: dict[str, str], minute: int) -> str:
    return line(measurement, tags, dict.fromkeys(MEASUREMENTS[measurement].fields, 1), minute * 60_000)


def post(url: str, lines: list[str]) -> None:
    for at in range(0, len(lines), 10_000):
        answer = httpx.post(url, content="\n".join(lines[at : at + 10_000]).encode(), timeout=60)
        assert answer.status_code == 204, answer.text


# ---- counted -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rounds() -> list[list[str]]:
    found = places()
    return [list(everything(found, later)) for later in (0, 1)]


def shared() -> Count:
    """Series of the targets, which are no site's: of the province and of its one commune."""
    return Count(TARGETS * 2, TARGETS * (5 + 4))


def test_in_victoria_metrics_a_site_is_as_many_series_as_promised(rounds: list[list[str]], tmp_path: Path) -> None:
    counts = []
    with victoria_metrics(tmp_path) as store:
        for lines in rounds:
            post(f"{store.url}/api/v2/write?precision=ms", lines)
            store.flush()
            counts.append(store.get("/api/v1/series/count").json()["data"][0])

    expected = SITES * by_the_formula().victoriametrics + shared().victoriametrics
    assert counts == [expected, expected]  # another minute, the same series


def test_in_influxdb_a_site_is_as_many_series_as_promised(rounds: list[list[str]], tmp_path: Path) -> None:
    counts = []
    with influxdb1(tmp_path) as store:
        for lines in rounds:
            post(f"{store.url}/write?db=schoolbeat&precision=ms", lines)
            found = store.query("SHOW SERIES EXACT CARDINALITY")
            counts.append(sum(int(value["count"]) for row in found for value in row.values))

    expected = SITES * by_the_formula().influxdb + shared().influxdb
    assert counts == [expected, expected]


def test_the_document_has_the_numbers() -> None:
    rows = re.findall(r"^\| (InfluxDB|VictoriaMetrics) \| .* \| \*\*(\d+)\*\* \| ([\d ]+) \|$", DOCUMENT, re.MULTILINE)
    count = by_the_formula()

    assert {name: (int(site), int(province.replace(" ", ""))) for name, site, province in rows} == {
        "InfluxDB": (count.influxdb, count.influxdb * PROVINCE),
        "VictoriaMetrics": (count.victoriametrics, count.victoriametrics * PROVINCE),
    }
    assert (
        f"S={len(SIGNALS) + 1}, U={DEVICES}, R={DEVICES * len(READINGS)}, P={ROOMS}, A=1, V={TARGETS * ROOMS}"
        in DOCUMENT
    )


def test_every_tag_is_one_whose_values_are_bounded() -> None:
    """A new tag must be thought about: an id, a kind, or the name that goes with an id; no time, address or counter."""
    ids = {"area", "school", "site", "agent", "subject", "signal", "room", "plan", "target", "unit", "server"}
    kinds = {"kind", "isp", "clock", "technology", "level", "role", "version"}
    names = {"label", "area_label", "school_label", "site_label"}

    assert {tag for one in MEASUREMENTS.values() for tag in one.tags} == ids | kinds | names
