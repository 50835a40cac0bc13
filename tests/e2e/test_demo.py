"""`schoolbeat-server demo` as a newcomer sees it: pages, minutes, a missed target, a notice, and nothing left behind."""

from __future__ import annotations

import html
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from schoolbeat_server.demo.folder import MARKER
from schoolbeat_server.demo.lab import missing

DEMO = ("--schools", "6", "--days", "7", "--seconds", "280")


class Running:
    """The demo as a process; its words go to a file."""

    def __init__(self, folder: Path, words: Path) -> None:
        self.words = words
        with words.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "-m", "schoolbeat_server.cli", "demo", *DEMO, "--folder", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "CI": "true"},
                process_group=0,
            )
        self.seen: set[int] = set()

    def said(self) -> str:
        return self.words.read_text(encoding="utf-8")

    def wait_for(self, what: Callable[[], Any], seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert self.process.poll() is None, f"the demo ended:\n{self.said()}"
            assert time.monotonic() < deadline, f"waited too long:\n{self.said()}"
            self.seen |= set(descendants(self.process.pid))
            time.sleep(0.3)
        return found

    def url(self) -> str:
        return self.wait_for(lambda: re.search(r"http://127\.0\.0\.1:\d+/", self.said()))[0]


def descendants(pid: int) -> list[int]:
    """The children of all its threads, and theirs."""
    found = []
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # it ended while we looked
        return []
    for file in files:
        try:
            children = [int(word) for word in file.read_text().split()]
        except OSError:
            continue
        found += children
        for child in children:
            found += descendants(child)
    return found


def still_there(pids: set[int]) -> dict[int, str]:
    found = {}
    for pid in pids:
        try:
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            pass
    return found


def namespaces_of(pid: int) -> list[str]:
    try:
        return [path.name for path in Path("/run/netns").iterdir() if path.name.startswith(f"sb{pid}x")]
    except OSError:
        return []


def listens(running: Running, url: str) -> bool:
    """Whether one of the demo's processes does: the port is free for everybody else on the machine."""
    port = int(url.rstrip("/").rpartition(":")[2])
    holders = {
        one.pid
        for one in psutil.net_connections("tcp")
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
    }
    return not holders.isdisjoint(running.seen)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return html.unescape(answer.read().decode())


def fetched(url: str) -> Any:
    return json.loads(get(url))


def everything_gone(running: Running, url: str) -> bool:
    return not still_there(running.seen) and not namespaces_of(running.process.pid) and not listens(running, url)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    demo = Running(tmp_path / "demo", tmp_path / "words")
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.terminate()
            demo.process.wait(60)


def test_a_newcomer_sees_minutes_arrive_a_missed_target_with_its_reason_and_a_notice_and_ctrl_c_ends_all(
    running: Running, tmp_path: Path
) -> None:
    url = running.url()
    running.wait_for(lambda: "══" in running.said())  # the history is in
    listened = listens(running, url)

    def newest(site: str) -> int:
        latest = fetched(f"{url}api/v1/sites/{site}")["latest"]
        return max((one["minute"] for one in latest), default=0)

    targets = {one["target"]: one for one in fetched(f"{url}api/v1/verdicts")}
    silent = [unit["site"] for unit in targets["T1"]["units"] if unit["silent"]]
    before = {site: newest(site) for site in ("thcs-na-suong", "may-nay")}
    missed = [unit for unit in targets["T2"]["units"] if unit["status"] == "missed"]
    page = get(url)

    assert "thcs-phin-hoa" in silent
    assert targets["T2"]["status"] == "missed"
    assert [unit["site"] for unit in missed] == ["thcs-pha-nang-dl"]
    assert [part for part in missed[0]["name"].split(" – ") if part not in page] == []
    assert missed[0]["reasons"][0]["vi"] in page
    assert "lab" in running.said()

    lost = r"Mất liên lạc: .*Trường THCS Suối Mây \(mô phỏng\)"
    running.wait_for(lambda: all(re.search(f"{way}: {lost}", running.said()) for way in ("mail", "webhook")))
    running.wait_for(lambda: all(newest(site) > minute for site, minute in before.items()), 90)
    notices = [one for one in fetched(f"{url}api/v1/notices") if re.search(lost, one["title"])]
    assert sorted(one["channel"] for one in notices) == ["thu", "webhook"]

    held = running.wait_for(lambda: [one for one in fetched(f"{url}api/v1/inspections") if one["kind"] == "digital"])
    snapshot = fetched(f"{url}api/v1/inspections/{held[0]['id']}/snapshot.json")
    judged = {one["target"]: one["units"][0]["status"] for one in snapshot["verdicts"]}
    assert (judged["T13"], judged["T14"], judged["T18"]) == ("met", "met", "met")

    assert listened
    assert len(running.seen) >= 6
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    assert still_there(running.seen) == {}
    assert namespaces_of(running.process.pid) == []
    assert not listens(running, url)
    assert (tmp_path / "demo" / MARKER).exists()


def test_a_killed_demo_takes_everything_with_it(running: Running) -> None:
    url = running.url()
    running.wait_for(lambda: "The history is in" in running.said())
    assert namespaces_of(running.process.pid) != [] or (missing() and os.environ.get("CI") != "true")

    running.process.kill()
    running.process.wait()

    deadline = time.monotonic() + 60
    while not everything_gone(running, url):
        assert time.monotonic() < deadline, (still_there(running.seen), namespaces_of(running.process.pid))
        time.sleep(0.5)


def test_a_demo_whose_server_dies_says_so_and_ends(running: Running) -> None:
    url = running.url()
    running.wait_for(lambda: "The history is in" in running.said())
    server = next(pid for pid, words in still_there(running.seen).items() if "server.toml run" in words)

    os.kill(server, signal.SIGKILL)

    assert running.process.wait(60) == 1
    assert "server has ended unexpectedly" in running.said()
    assert everything_gone(running, url)


@pytest.mark.parametrize("seconds", [1.0, 2.5])
def test_ctrl_c_during_set_up_ends_everything(running: Running, seconds: float) -> None:
    end = time.monotonic() + seconds
    running.wait_for(lambda: time.monotonic() > end)

    running.process.send_signal(signal.SIGINT)

    # Before our first word Python itself is interrupted.
    assert running.process.wait(60) in (0, -signal.SIGINT)
    assert still_there(running.seen) == {}
    assert namespaces_of(running.process.pid) == []
