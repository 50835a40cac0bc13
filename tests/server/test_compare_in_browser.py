"""Comparisons and the form of reports in a real browser: they fit a phone, work by keyboard, and reload themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.server import browser as browsers
from tests.server import synthetic
from tests.server.browser import Browser
from tests.server.synthetic import NOW_MS
from tests.server.test_reports import CALENDAR, OFFICE

from schoolbeat_server import plans
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.web.app import create_app

DAYS = "from=2026-11-16&to=2026-11-20"
PAGES = (
    f"/compare?{DAYS}",
    f"/compare?view=periods&{DAYS}",
    "/compare?view=periods&place=school",
    f"/compare?view=pilot&{DAYS}",
    "/compare?view=league",
    "/reports?kind=area",
    "/reports?kind=school",
    "/reports?kind=school&id=mam+non",
    "/reports?kind=evidence",
    f"/reports/isp?id=VNPT&{DAYS}",
    f"/reports/line?id=t0-1&{DAYS}",
    f"/reports/area?id=xa-1&{DAYS}",
)


class Served(NamedTuple):
    address: str
    desk: Desk


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("web")
    made = synthetic.make(folder / "schoolbeat.db", 320, detailed=(0, 1))  # more than one list offers
    desk = Desk(
        made.engine, made.ledger, plans.all_plans(), folder / "reports", lambda: NOW_MS, lambda: CALENDAR, OFFICE
    )
    desk.begin()
    with browsers.served(create_app(synthetic.context(made, calendar=lambda: CALENDAR, reports=desk))) as address:
        yield Served(address, desk)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsers.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_without_a_complaint_and_fits_a_phone(browser: Browser, served: Served, path: str) -> None:
    browser.open(f"{served.address}{path}", width=1280)
    while served.desk.shelf.make_next():
        pass
    browser.complaints.clear()
    for width, dark, language in ((360, False, "vi"), (1280, True, "en")):
        browser.open(f"{served.address}{path}{'&' if '?' in path else '?'}lang={language}", width=width, dark=dark)
        browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1
        assert browser.evaluate(
            "[...document.querySelectorAll('form input, form select')].every(one =>"
            " one.type === 'hidden' || one.labels.length === 1)"
        )
    assert browser.complaints == []


def test_a_page_that_waits_for_its_table_reloads_itself(browser: Browser, served: Served) -> None:
    browser.open(f"{served.address}/compare?from=2026-11-02&to=2026-11-06&lang=vi", width=1280)
    assert browser.evaluate("document.querySelectorAll('#table').length") == 0

    while served.desk.shelf.make_next():
        pass

    browser.until("document.querySelectorAll('#table tbody tr').length > 5")


def test_a_school_is_chosen_by_keyboard_from_part_of_its_name(browser: Browser, served: Served) -> None:
    browser.open(f"{served.address}/reports?kind=school&lang=vi", width=1280)
    browser.evaluate(
        "window.left = 1; const one = document.querySelector('input[name=id]'); one.focus();"
        " one.value = 'thpt khe cham'"
    )

    browser.press("Enter", 13)

    browser.until("window.left !== 1 && !!document.querySelector('select[name=id] option')")
    names = browser.evaluate("[...document.querySelectorAll('select[name=id] option')].map(one => one.textContent)")
    assert len(names) > 1
    assert all("THPT Khe Chàm" in name for name in names)
