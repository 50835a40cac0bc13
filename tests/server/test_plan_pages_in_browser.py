"""The pages of plans in a real browser: they fit a phone, and three clicks lead from the front page to the minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server import browser as browsers
from tests.server import synthetic
from tests.server.browser import Browser
from tests.server.issued_days import issue_days

from schoolbeat_server.web.app import create_app

T1 = "/plans/lao-cai-2022-2025/T1"
PAGES = (
    "/plans",
    f"{T1}?list=all&area=xa-4&then=2026-11-10",
    "/plans/lao-cai-2022-2025/T2?by=isp",
    "/school/t1",
    "/site/t2/minutes?days=31",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = synthetic.make(tmp_path_factory.mktemp("web") / "schoolbeat.db", 60)
    verdicts = synthetic.judged(made)
    issue_days(made, verdicts[:1], 90, lambda ago, at, unit: "met" if at < (90 - ago) // 3 else "missed")
    with browsers.served(create_app(synthetic.context(made, verdicts=lambda: verdicts))) as url:
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsers.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_without_a_complaint_and_fits_a_phone(
    browser: Browser, address: str, path: str, language: str, tmp_path: Path
) -> None:
    browser.complaints.clear()
    for width, dark in ((360, False), (1280, True)):
        browser.open(f"{address}{path}{'&' if '?' in path else '?'}lang={language}", width=width, dark=dark)
        browser.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    assert browser.complaints == []


def test_three_clicks_lead_from_the_front_page_to_the_minutes_that_prove_it(browser: Browser, address: str) -> None:
    browser.open(f"{address}/?lang=vi", width=1280)
    for link, place in (
        ("#targets h3 a[href='" + T1 + "']", T1),
        ("#who tbody th a[href^='/site/']", "/minutes"),
        ("#days tbody a", "/minutes"),
    ):
        browser.evaluate(f'window.left = 1; document.querySelector("{link}").click()')
        browser.until(
            f"window.left !== 1 && location.pathname.endsWith('{place}') && !!document.querySelector('footer')"
        )

    assert browser.evaluate("document.querySelectorAll('#day svg.strip').length") == 1
    assert "không có số liệu" in browser.evaluate("document.querySelector('#runs').textContent")


def test_the_history_is_drawn_in_the_colours_of_its_key(browser: Browser, address: str) -> None:
    browser.open(f"{address}{T1}", width=1280)

    drawn = browser.evaluate(
        "({met: getComputedStyle(document.querySelector('svg.history .met')).fill,"
        " key: getComputedStyle(document.querySelector('#history .key.met')).backgroundColor,"
        " high: document.querySelector('svg.history').getBoundingClientRect().height > 100})"
    )

    assert drawn == {"met": "rgb(27, 122, 61)", "key": "rgb(27, 122, 61)", "high": True}


def test_a_heading_sorts_by_keyboard_and_says_which_way(browser: Browser, address: str) -> None:
    browser.open(f"{address}{T1}?list=all", width=1280)
    browser.evaluate("window.left = 1; document.querySelector('#who thead a').focus()")

    browser.press("Enter", 13)

    browser.until("window.left !== 1 && !!document.querySelector('#who th[aria-sort=ascending]')")
    first, second = browser.evaluate(
        "[...document.querySelectorAll('#who tbody th')].slice(0, 2).map(one => one.textContent)"
    )
    assert first <= second
