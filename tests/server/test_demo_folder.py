"""The demo's folder is made fresh, and nobody else's folder is touched."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from schoolbeat_agent import settings as agent_settings
from schoolbeat_server.demo import main as demo
from schoolbeat_server.demo import this_machine, words
from schoolbeat_server.demo.folder import MARKER, FolderError, fresh
from schoolbeat_server.demo.lab import Lab, missing
from schoolbeat_server.demo.sink import Arrived
from schoolbeat_server.demo.this_machine import Enrolled, default_router, in_arp_table
from schoolbeat_server.enrol import Credentials
from schoolbeat_server.said import Said


def test_an_old_demo_is_removed_and_the_marker_stays(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    fresh(folder).close()
    (folder / "server").mkdir()
    (folder / "server" / "a").write_text("old")
    (folder / "link").symlink_to(tmp_path)

    fresh(folder).close()

    assert [path.name for path in folder.iterdir()] == [MARKER]
    assert tmp_path.exists()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_without_the_marker_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")

    with pytest.raises(FolderError, match=f"{MARKER}.*--folder"):
        fresh(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.odt"]


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with fresh(tmp_path / "demo"):
        (tmp_path / "demo" / "server").mkdir()
        with pytest.raises(FolderError, match="another demo is running"):
            fresh(tmp_path / "demo")

    assert (tmp_path / "demo" / "server").exists()


@pytest.mark.parametrize("given", [["--schools", "5"], ["--days", "0"], ["--schools", "x"], ["--unknown"]])
def test_wrong_words_end_with_2_and_make_nothing(given: list[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        demo.main([*given, "--folder", str(tmp_path / "demo")])

    assert ended.value.code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_refused_folder_ends_with_1_and_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.odt").write_text("years of work")

    code = demo.main(["--folder", str(tmp_path)])

    assert code == 1
    assert "hãy chọn --folder khác" in capsys.readouterr().out


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
"""
ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.1      0x1         0x2         b8:27:eb:00:00:01     *        eth0
192.168.1.9      0x1         0x0         00:00:00:00:00:00     *        eth0
"""


def test_the_default_router_and_its_answer_are_read_from_the_kernels_tables() -> None:
    assert default_router(ROUTES) == "192.168.1.1"
    assert default_router(ROUTES.splitlines()[0]) is None
    assert [in_arp_table(f"192.168.1.{last}", ARP) for last in (1, 9, 2)] == [True, False, False]


@pytest.mark.parametrize("kind", ["machine", "lab", "loopback"])
def test_the_agent_takes_the_settings_that_are_written_for_it(kind: str, tmp_path: Path) -> None:
    enrolled = Enrolled("127.0.0.1", 1884, Credentials("may-nay.gateway", "p-_w"), "ab" * 8)
    path = tmp_path / "agent.toml"
    path.write_text(this_machine.agent_toml(kind, tmp_path / "agent", enrolled, 8080))
    path.chmod(0o600)

    read = agent_settings.load(path)

    assert (read.site, read.agent, read.server, read.folder) == ("may-nay", "gateway", "ab" * 8, tmp_path / "agent")
    assert (read.broker.host, read.broker.port, read.broker.password) == ("127.0.0.1", 1884, "p-_w")
    assert read.broker.username == "may-nay.gateway"
    only_tests = all(
        address.startswith(("192.0.2.", "198.51.100.", "127.")) for address in (*read.domestic, *read.international)
    )
    assert only_tests == (kind != "machine")


ASK = "from schoolbeat_server.demo.this_machine import router_answers; print(router_answers())"


@pytest.mark.namespaces
def test_a_router_that_answers_is_told_from_one_that_does_not() -> None:
    problems = "; ".join(said.en for said in missing())
    if problems and os.environ.get("CI") != "true":
        pytest.skip(f"no network namespaces here: {problems}")
    assert problems == ""
    with Lab() as lab:
        answers = lab.run("pi", [sys.executable, "-c", ASK]).stdout
        lab.silence("c1")
        lab.run("pi", ["ip", "neigh", "flush", "all"])
        silent = lab.run("pi", [sys.executable, "-c", ASK]).stdout
        no_route = lab.run("wires", [sys.executable, "-c", ASK]).stdout

    assert (answers, silent, no_route) == ("True\n", "False\n", "False\n")


def test_progress_in_a_file_comes_every_tenth_percent() -> None:
    out = io.StringIO()
    terminal = words.Terminal(out)

    for percent in range(101):
        terminal.progress("Đang gửi", "Sending", percent)

    assert out.getvalue().splitlines() == [f"Đang gửi / Sending: {percent} %" for percent in range(0, 101, 10)]


def test_a_notice_is_told_whole_once_and_the_second_way_by_its_title() -> None:
    out = io.StringIO()
    terminal = words.Terminal(out)

    terminal.notice(Arrived("mail", "Mất liên lạc", "Từ lúc 10:00\nChưa rõ"))
    terminal.notice(Arrived("webhook", "Mất liên lạc", "Từ lúc 10:00\nChưa rõ"))

    assert out.getvalue().splitlines() == [
        "✉ thư / mail: Mất liên lạc",
        "    │ Từ lúc 10:00",
        "    │ Chưa rõ",
        "⇢ webhook: Mất liên lạc",
    ]


def test_what_to_see_fits_on_one_screen_with_the_address_first() -> None:
    said = words.what_to_see("http://127.0.0.1:8080/", 60, Said("vi.", "en."))

    assert "http://127.0.0.1:8080/" in said.vi.splitlines()[1]
    assert len(said.vi.strip().splitlines()) == 8
    assert len(said.en.strip().splitlines()) == 8
