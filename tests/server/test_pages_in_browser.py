"""The pages in a real browser: no complaint of its console, nothing wider than a phone, live without a reload."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from tests.server import browser as browsers
from tests.server import synthetic
from tests.server.browser import Browser
from tests.server.synthetic import NOW_MS, Made

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed

PAGES = ("/", "/sites", "/site/t0", "/site/t1", "/site/t2", "/notices", "/about", "/site/nobody")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return synthetic.make(tmp_path_factory.mktemp("web") / "schoolbeat.db", 60)


@pytest.fixture(scope="module")
def feed() -> LiveFeed:
    return LiveFeed()


@pytest.fixture(scope="module")
def address(made: Made, feed: LiveFeed) -> Iterator[str]:
    banner = ("Bản trình diễn: 60 trường mô phỏng.", "Demonstration: 60 simulated schools.")
    with browsers.served(create_app(synthetic.context(made, live=feed, banner=banner))) as url:
        yield url


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsers.started(tmp_path_factory.mktemp("chromium")) as started:
        yield started


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_without_a_complaint_and_fits_a_phone(
    browser: Browser, address: str, path: str, language: str
) -> None:
    browser.complaints.clear()
    for width, dark in ((360, False), (1280, True)):
        browser.open(f"{address}{path}?lang={language}", width=width, dark=dark)

        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.evaluate("document.documentElement.lang") == language
        assert browser.evaluate("document.querySelectorAll('h1').length") == 1
    expected = ["Failed to load resource: the server responded with a status of 404 (Not Found)"]
    allowed = expected if path == "/site/nobody" else []
    assert [one for one in browser.complaints if not one.startswith(tuple(allowed) or ("\0",))] == []


def test_a_forbidden_script_would_have_been_noticed(browser: Browser, address: str) -> None:
    browser.open(f"{address}/about", width=1280)
    browser.complaints.clear()

    browser.evaluate(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.head.append(s); const i = new Image(); i.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw=';"
        " document.body.append(i); })()"
    )

    assert browser.evaluate("window.ran") is None
    browser.until("true")
    assert any("Content Security Policy" in one for one in browser.complaints)


def test_the_strips_and_the_ladder_are_drawn_with_their_styles(browser: Browser, address: str) -> None:
    browser.open(f"{address}/site/t2", width=1280)

    drawn: dict[str, Any] = browser.evaluate(
        "({strips: document.querySelectorAll('#day svg.strip').length,"
        " width: document.querySelector('#day svg.strip').getBoundingClientRect().width > 300,"
        " down: getComputedStyle(document.querySelector('#day svg.strip .down')).fill,"
        " up: getComputedStyle(document.querySelector('#day svg.strip .up')).fill,"
        " hatched: getComputedStyle(document.querySelector('#day svg.strip')).backgroundImage.startsWith('repeating'),"
        " rungs: [...document.querySelectorAll('svg.ladder .rung')].map(g => g.classList[1])})"
    )

    assert drawn == {
        "strips": 8,
        "width": True,
        "down": "rgb(179, 38, 30)",
        "up": "rgb(27, 122, 61)",
        "hatched": True,
        "rungs": ["up", "up", "up", "down", "unknown", "unknown"],
    }


@pytest.mark.parametrize("width", [360, 1280])
def test_the_hours_stand_under_the_minutes_that_they_name(
    browser: Browser, address: str, made: Made, width: int
) -> None:
    browser.open(f"{address}/site/{made.faulty}", width=width)

    left_and_width = """selector => {
        const box = [...document.querySelectorAll(selector)].find(one => one.getBoundingClientRect().width)
        const {left, width} = box.getBoundingClientRect()
        return [Math.round(left), Math.round(width)]
    }"""
    hours, strip = (browser.evaluate(f"({left_and_width})('{one}')") for one in (".hours", "svg.strip"))

    assert hours == strip


def test_the_keyboard_reaches_the_content_first_and_its_focus_is_seen(browser: Browser, address: str) -> None:
    browser.open(f"{address}/", width=1280)

    browser.press("Tab", 9)

    assert browser.evaluate("document.activeElement.className") == "skip"
    assert browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    browser.press("Tab", 9)
    assert browser.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_an_incident_appears_without_a_reload_and_what_is_open_stays_open(
    browser: Browser, address: str, made: Made, feed: LiveFeed
) -> None:
    browser.open(f"{address}/?lang=vi", width=1280)
    browser.until("document.documentElement.dataset.connected === 'yes'")
    browser.evaluate("document.querySelector('#targets details').open = true; window.kept = 1")
    assert "T9" not in browser.evaluate("document.body.textContent")
    with writing(made.engine) as connection:
        connection.execute(
            update(schema.school).where(schema.school.c.id == "t9").values(name="Trường vừa mất mạng T9")
        )
        connection.execute(
            insert(schema.incident).values(
                id=99,
                site="t9",
                scope="path",
                opened_ms=NOW_MS,
                since_ms=NOW_MS - 60_000,
                cause_opened="waiting",
                cause="waiting",
            )
        )

    feed.publish("incident", {"site": "t9", "action": "open", "cause": "waiting"})

    browser.until("document.querySelector('#incidents').textContent.includes('Trường vừa mất mạng T9')")
    assert browser.evaluate("window.kept") == 1
    assert browser.evaluate("document.querySelector('#targets details').open") is True


def test_minutes_of_other_sites_do_not_wake_a_sites_page(browser: Browser, address: str, feed: LiveFeed) -> None:
    browser.open(f"{address}/site/t3", width=390)
    browser.until("document.documentElement.dataset.connected === 'yes'")

    feed.publish("incident", {"site": "t8", "action": "open", "cause": "waiting"})
    feed.publish("incident", {"site": "t3", "action": "close", "cause": "line.isp"})

    browser.until("document.documentElement.dataset.refreshed === '1'")


def test_a_page_says_when_its_server_is_gone(browser: Browser, made: Made) -> None:
    with browsers.served(create_app(synthetic.context(made, live=LiveFeed()))) as url:
        browser.open(f"{url}/", width=390)
        browser.until("document.documentElement.dataset.connected === 'yes'")

    browser.until("!document.querySelector('#offline').hidden")
    assert browser.evaluate("document.querySelector('#offline').textContent").startswith("Mất kết nối với máy chủ")


def test_screenshots_to_look_at(browser: Browser, address: str, tmp_path: Path) -> None:
    """Kept where SCHOOLBEAT_SCREENSHOTS says, for people to look at."""
    folder = Path(os.environ.get("SCHOOLBEAT_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    for path in ("/", "/site/t0", "/site/t1", "/site/t2"):
        for width in (390, 1280):
            name = path.strip("/").replace("/", "-") or "province"
            browser.open(address + path, width=width)
            browser.screenshot(folder / f"{name}-{width}.png")

    assert all(shot.stat().st_size > 50_000 for shot in folder.glob("*.png"))
    assert len(list(folder.glob("*.png"))) == 8
