"""Each cable cut in turn, in a real world: one notice without a cause, one that names the rung, every minute kept."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from schoolbeat_wire.catalogue import UNKNOWN
from tests.e2e.world import SITE, World, required

pytestmark = [pytest.mark.namespaces, pytest.mark.timeout(600)]

LADDER = ("lan.router", "line.isp", "line.domestic", "line.international")
FAILED_RUNG = {"c1": "lan.router", "c2": "line.isp", "c3": "line.domestic", "c4": "line.international"}
NOTICE_SECONDS = 30
CUT_SECONDS = 82
RUNNING_SECONDS = 112  # the server may judge contact, and the minute before the cut's was seen whole


def cut_and_mend(cable: str, folder: Path) -> dict[str, Any]:
    """The story of one cable, as facts for the test to judge."""
    folder.mkdir()
    with World(folder) as world:
        world.await_(lambda: bool(world.rows("SELECT 1 FROM epoch")), 60, "the agent is heard")
        world.await_(lambda: time.monotonic() - world.server_since > RUNNING_SECONDS, 150, "the world has run a while")
        while not 44 <= time.time() % 60 < 50:  # so that the cut holds a whole minute
            time.sleep(0.2)
        cut_at = time.time()
        world.lab.cut(cable)
        opened = world.await_(lambda: len(world.notices()) >= 1, 60, "a notice opens")
        time.sleep(max(0.0, CUT_SECONDS - (time.time() - cut_at)))
        mended_at = time.time()
        world.lab.mend(cable)
        closed = world.await_(lambda: len(world.notices()) >= 2, 200, "a notice closes")
        world.await_(lambda: settled_up_to(world, int(mended_at) // 60 + 1), 150, "the minutes after the cut arrive")
        first, end = int(cut_at) // 60 - 1, int(mended_at) // 60 + 2
        return {
            "opened": opened,
            "closed": closed,
            "notices": world.notices(),
            "incidents": world.rows("SELECT cause_opened, cause, closed_ms IS NOT NULL FROM incident"),
            "minutes": {name: world.minutes(name, first, end) for name in (*LADDER, "line.internet")},
            "aside": world.rows("SELECT reason, text FROM aside"),
        }


def settled_up_to(world: World, minute: int) -> bool:
    return bool(world.rows("SELECT 1 FROM latest WHERE site = ? AND minute >= ?", SITE, minute))


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """All four at once: each waits most of the time."""
    why = required()
    if why:
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("cuts")
    with ThreadPoolExecutor(len(FAILED_RUNG)) as pool:
        jobs = {cable: pool.submit(cut_and_mend, cable, folder / cable) for cable in FAILED_RUNG}
        return {cable: job.result() for cable, job in jobs.items()}


@pytest.mark.parametrize("cable", FAILED_RUNG)
def test_a_cut_cable_opens_one_notice_that_names_no_cause(stories: dict[str, Any], cable: str) -> None:
    story = stories[cable]

    assert story["opened"] <= NOTICE_SECONDS
    opening = story["notices"][0]
    assert "mất liên lạc" in (opening["title"] + opening["body"]).lower()
    assert "nguyên nhân: chưa xác định được" in opening["body"].lower()
    assert not any(word in opening["body"].lower() for word in ("bộ định tuyến", "nhà mạng thử", "quốc tế"))


@pytest.mark.parametrize("cable", FAILED_RUNG)
def test_after_mending_one_notice_closes_it_and_names_the_right_rung(stories: dict[str, Any], cable: str) -> None:
    story = stories[cable]

    assert story["incidents"] == [("waiting", FAILED_RUNG[cable], 1)]
    assert len(story["notices"]) == 2


@pytest.mark.parametrize("cable", FAILED_RUNG)
def test_every_minute_of_the_cut_is_in_the_ledger(stories: dict[str, Any], cable: str) -> None:
    minutes = stories[cable]["minutes"]
    rung = LADDER.index(FAILED_RUNG[cable])

    # minutes: before, cut in its last third, wholly cut, mended early, after
    whole = 2
    for name in LADDER[:rung]:
        assert minutes[name] == [60] * 5, name
    assert minutes[LADDER[rung]][0] == 60
    assert 36 <= minutes[LADDER[rung]][1] <= 58
    assert minutes[LADDER[rung]][whole] == 0
    assert 30 <= minutes[LADDER[rung]][3] <= 59
    assert minutes[LADDER[rung]][4] == 60
    for name in LADDER[rung + 1 :]:
        assert minutes[name] == [60, UNKNOWN, UNKNOWN, UNKNOWN, 60], name
    internet = minutes["line.internet"]
    if cable == "c4":  # domestic targets are reached: the school has Internet
        assert internet == [60] * 5
    else:
        assert internet[whole] == 0
        assert all(0 < internet[place] < 60 for place in (1, 3))
    assert UNKNOWN not in internet


def test_nothing_was_set_aside(stories: dict[str, Any]) -> None:
    assert {cable: story["aside"] for cable, story in stories.items()} == {cable: [] for cable in FAILED_RUNG}
