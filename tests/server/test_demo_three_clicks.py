"""In the demo's province, three clicks from the front page lead to the proof: a slow line, no power, nothing known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine
from tests.server import browser as browsers
from tests.server.browser import Browser

from schoolbeat_server import enrol, plans, register
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.database import open_database
from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo import inspected, main, minutes, past_verdicts, province
from schoolbeat_server.demo.province import SimulatedSite
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.judge import Judge
from schoolbeat_server.proof_making import ProofMaking
from schoolbeat_server.settings import load
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire import bounds, inventory, topics
from schoolbeat_wire import report as reports

SEED, SCHOOLS, DAYS = 1, 20, 7
NOW_MS = 1_795_275_930_000  # 22:45:30 on 21 November 2026 in Viet Nam, a Saturday
NOW_MINUTE = NOW_MS // 60_000
MADE = province.make(SEED, SCHOOLS)
SLOW, LITTLE_POWER, UNPLUGGED = (
    next(site for site in MADE.sites if site.number == number) for number in (7, script.LITTLE_POWER, script.UNPLUGGED)
)
WITH_MINUTES = (SLOW, LITTLE_POWER, MADE.sites[0])


@dataclass
class Served:
    engine: Engine
    ingest: Ingest
    judge: Judge


def told(site: SimulatedSite) -> Iterator[Message]:
    """What its simulated gateway sends of its history."""
    faults = script.past(site, SEED, NOW_MINUTE * 60, DAYS)
    seqs = [one for span in minutes.recorded(NOW_MINUTE - DAYS * 1_440, NOW_MINUTE, faults) for one in span]
    epoch = minutes.token("epoch", site.id)

    def message(kind: Any, payload: bytes) -> Message:
        return Message(topics.topic(site.id, "gateway", kind), payload, False, None)

    yield message("inventory", inventory.encode(site.inventory))
    for first in range(0, len(seqs), bounds.MINUTES):
        chunk = seqs[first : first + bounds.MINUTES]
        report = minutes.report(site, faults, epoch, first, chunk, seqs[first - 1] if first else None)
        yield message("report", reports.encode(report))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("demo")
    settings = load(main._write_settings(folder, 8080, 1883, {}))
    engine = open_database(folder / "schoolbeat.db")
    register.apply(engine, register.rows_of(MADE.register, "demo"))
    for site in MADE.sites:
        enrol.add_agent(engine, site.id, now_ms=NOW_MS, simulated=True)
    known = plans.all_plans(settings.plans, settings.follow)
    past_verdicts.issue(engine, known, MADE.sites, SEED, NOW_MS)
    ingest = Ingest(engine, "s", ContactBook(NOW_MS), lambda: NOW_MS, settings.lessons)
    ingest.load()
    for site in WITH_MINUTES:
        for message in told(site):
            ingest.commit([message], lambda _batch: None)
    making = ProofMaking(engine, ingest.ledger, ingest.layouts, ingest.proofs, lambda: ingest.asked.calendar)
    making.look(NOW_MS)
    while making.busy:
        making.step(ingest.next_report_id - 1, NOW_MS)
    judge = Judge(engine, ingest.ledger, known, lambda: NOW_MS, lambda: ingest.asked.calendar)
    judge.judge()
    return Served(engine, ingest, judge)


@pytest.fixture(scope="module")
def address(served: Served) -> Iterator[str]:
    ledger = served.ingest.ledger

    def read_minutes(site: str, signals: Sequence[str], first_minute: int, end_minute: int) -> dict[str, bytes]:
        with served.engine.connect() as connection:
            return ledger.read(connection, site, signals, first_minute, end_minute)

    def signals_of(site: str) -> list[str]:
        with served.engine.connect() as connection:
            return ledger.signals(connection, site, NOW_MINUTE - 1_440, NOW_MINUTE)

    context = WebContext(
        engine=served.engine,
        read_minutes=read_minutes,
        signals_of=signals_of,
        live=LiveFeed(),
        health=lambda: {"ok": True, "reasons": [], "agents_connected": 3, "inbox": 0},
        verdicts=lambda: served.judge.verdicts,
        now_ms=lambda: NOW_MS,
        calendar=lambda: served.ingest.asked.calendar,
        banner=("Bản trình diễn", "Demonstration"),
    )
    with browsers.served(create_app(context)) as url:
        inspected.record(MADE, *inspected.over_the_api(urlsplit(url).port or 0))
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsers.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started


class Visitor:
    """Counts the clicks."""

    def __init__(self, browser: Browser, address: str, language: str) -> None:
        self.browser, self.clicks = browser, 0
        browser.open(f"{address}/?lang={language}", width=1280)

    def click(self, link: str) -> None:
        """The first link to that page; else the first whose address has these words."""
        before = len(self.browser._loaded)
        links = "[...document.querySelectorAll('main a')]"
        found = f"({links}.find(a => a.pathname === {link!r}) || {links}.find(a => a.href.includes({link!r})))"
        assert self.browser.evaluate(f"!!{found}"), (link, self.text()[:3_000])
        self.browser.evaluate(f"{found}.click()")
        self.browser._wait(lambda: len(self.browser._loaded) > before, f"{link} led nowhere")
        self.clicks += 1

    def text(self) -> str:
        return str(self.browser.evaluate("document.querySelector('main').innerText"))

    def fetched(self, link: str) -> Any:
        """What another address of the page answers, as JSON."""
        found = f"[...document.querySelectorAll('main a')].find(a => a.href.includes({link!r})).href"
        return self.browser.evaluate(f"fetch({found}).then(r => r.json())")


T2, POWER = "/plans/lao-cai-2022-2025/T2", "/plans/trinh-dien-cach-doc-khac/T2.power"


def test_a_site_misses_t2_because_of_its_line_and_its_tests_are_the_proof(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, "en")

    visitor.click(T2)
    listed = visitor.text()
    visitor.click(f"/site/{SLOW.id}/minutes")
    page, stamp = visitor.text(), visitor.fetched("/stamp?")

    assert visitor.clicks == 2
    assert "is below the 20 Mbit/s needed" in listed
    assert "Speed tests" in page
    assert (stamp["sites"], stamp["days"], stamp["due"], len(stamp["digest"])) == (1, 6, 7, 64)  # today has none yet
    visitor.click(f"/site/{SLOW.id}")
    assert visitor.clicks == 3


def test_a_site_has_no_internet_in_lessons_because_of_power_and_its_dark_hours_are_shown(
    browser: Browser, address: str
) -> None:
    visitor = Visitor(browser, address, "en")

    visitor.click("/plans")
    visitor.click(POWER)
    listed = visitor.text()
    visitor.click(f"/site/{LITTLE_POWER.id}/minutes")
    page = visitor.text()

    assert visitor.clicks == 3
    assert "without power" in listed
    assert "the watcher was off" in page


def test_of_one_site_nothing_is_known_and_it_is_not_said_to_miss_anything(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, "en")

    visitor.click(T2)
    listed = visitor.text()
    visitor.click(f"/site/{UNPLUGGED.id}/minutes")

    assert visitor.clicks == 2
    assert "Nothing has ever been reported from this site" in listed
    assert "no data" in visitor.text()


def test_where_power_left_no_hour_for_a_test_t2_is_unknown_and_not_missed(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, "en")

    visitor.click(T2)
    visitor.click("list=unknown")
    listed = visitor.text()
    visitor.click(f"/site/{LITTLE_POWER.id}/minutes")

    assert visitor.clicks == 3
    assert "speed" in listed
    assert "the watcher was off" in visitor.text()


def test_the_months_before_are_there_and_say_that_they_are_simulated(browser: Browser, address: str) -> None:
    visitor = Visitor(browser, address, "en")

    visitor.click(T2)

    assert browser.evaluate("document.querySelectorAll('#history svg').length") == 1
    assert "weeks" in browser.evaluate("document.querySelector('#forecast').innerText")


WALK = (
    "/",
    "/plans",
    T2,
    f"{T2}?list=unknown",
    POWER,
    f"/school/{SLOW.school}",
    f"/site/{SLOW.id}",
    f"/site/{SLOW.id}/minutes",
    f"/site/{LITTLE_POWER.id}/minutes",
    f"/site/{UNPLUGGED.id}/minutes",
    "/inspections",
    "/calendar",
    "/verdicts",
)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_pages_fit_a_phone_and_no_console_complains(
    browser: Browser, address: str, language: str, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("SCHOOLBEAT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    browser.complaints.clear()
    wide = []
    for place, path in enumerate(WALK):
        for width in (390, 1280):
            browser.open(f"{address}{path}{'&' if '?' in path else '?'}lang={language}", width=width)
            if browser.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((path, width))
            if "SCHOOLBEAT_SCREENSHOTS" in os.environ:
                name = path.strip("/").replace("/", "-").replace("?", "-") or "province"
                browser.screenshot(folder / f"{place:02d}-{name}-{language}-{width}.png")

    assert (wide, browser.complaints) == ([], [])
