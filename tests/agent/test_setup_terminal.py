"""The form in a real pseudo-terminal: arrow keys, 40 columns, a size that changes, Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent.test_setup import KEY, put, state

from schoolbeat_agent.settings import load
from schoolbeat_agent.setup.terminal import width

ROOT = Path(__file__).parents[2]
UP, DOWN, ENTER, SPACE = "\x1b[A", "\x1b[B", "\r", " "
CLEAR = "\x1b[H\x1b[2J"


class Person:
    """Types on a pseudo-terminal and reads its screen."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self.process, self._terminal = process, terminal
        self.said = ""

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, *keys: str) -> None:
        for key in keys:
            os.write(self._terminal, key.encode())

    def sees(self, pattern: str, seconds: float = 30.0) -> re.Match[str]:
        """The screen, as soon as it matches; what was said before a list was drawn is not on it."""
        end = time.monotonic() + seconds
        while True:
            if found := re.search(pattern, self.screen(), re.DOTALL):
                return found
            assert time.monotonic() < end, f"never {pattern!r}; the screen is:\n{self.screen()}"
            self._read(0.1)

    def screen(self) -> str:
        shown = self.said.rpartition(CLEAR)[2] if CLEAR in self.said else self.said
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r\n", "\n")

    def ended(self, seconds: float = 30.0) -> int:
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self._read(0.05)
        self._read(0.05)
        return self.process.wait(1)

    def settings(self) -> list[object]:
        return termios.tcgetattr(self._terminal)

    def _read(self, wait_seconds: float) -> None:
        if select.select([self._terminal], [], [], wait_seconds)[0]:
            try:
                self.said += os.read(self._terminal, 65_536).decode("utf-8", "ignore")
            except OSError:  # the other end is closed
                time.sleep(wait_seconds)


def at_a_terminal() -> None:
    """In the child: its own terminal, and Ctrl-C as usual, also where the tests themselves run in the background."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def person(config: Path, *words: str, columns: int = 40, rows: int = 30, term: str = "xterm") -> Iterator[Person]:
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.agent.setup_process", config, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TERM": term, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
        preexec_fn=at_a_terminal,
    )
    os.close(theirs)
    try:
        yield Person(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def past_the_questions(who: Person) -> None:
    """Up to the form: our own network, no community, no camera."""
    who.sees(r"\[x\] 192\.168\.7\.0/24")
    who.type(ENTER)
    who.sees("SNMP")
    who.type("\r")
    who.sees("camera")
    who.type("\r")
    who.sees("Thiết bị tìm thấy: 3")


def test_a_school_is_named_with_arrow_keys_on_a_phones_terminal(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml")

    with person(config) as who:
        past_the_questions(who)
        assert max(map(width, who.screen().split("\n"))) <= 40
        who.sees(r"› \? Bảng tương tác")
        who.type(ENTER)
        who.sees("› Đúng rồi")
        who.type(DOWN, ENTER)
        who.sees("› Bảng tương tác")
        who.type(DOWN, ENTER)
        who.sees("› Phòng: Chung cả trường")
        who.type(ENTER)
        who.sees("› Phòng khác…")
        who.type(ENTER)
        who.sees("Tên phòng: ")
        who.type("Phòng tin học ắ\r")
        who.sees("Loại: Máy chiếu.*› Tên: Máy chiếu 20")
        who.type(UP, UP, UP, ENTER)
        who.sees("› ✓ Camera")
        who.type(SPACE)
        who.sees("2 sẽ được.*theo dõi.*› – Camera")
        who.type("\x1b[F", ENTER)
        who.sees("ĐÃ ĐO 2")

        assert who.ended() == 0
    assert [(device.name, device.kind, device.room) for device in load(config).devices] == [
        ("Máy chiếu 20", "projector", "Phòng tin học ắ"),
        ("GW-Trường", "router", ""),
    ]


def test_a_screen_that_is_turned_is_drawn_anew(tmp_path: Path) -> None:
    with person(put(tmp_path / "agent.toml"), columns=80, rows=24) as who:
        past_the_questions(who)
        who.resize(30, 12)
        who.sees(r"^(?=.*Thiết bị)(?!.*[^\n]{31}).*Enter: sửa", 10)

        assert max(map(width, who.screen().split("\n"))) <= 30
        assert len(who.screen().split("\n")) <= 12


@pytest.mark.parametrize("at", ["networks", "sweep", "form", "room"])
def test_ctrl_c_leaves_everything_as_it_was_also_the_terminal(tmp_path: Path, at: str) -> None:
    config = put(tmp_path / "agent.toml")
    before = state(tmp_path)

    with person(config, *(["slow"] if at == "sweep" else [])) as who:
        as_it_was = who.settings()
        if at == "networks":
            who.sees(r"\[x\] 192")
        elif at == "sweep":
            who.sees(r"\[x\] 192")
            who.type(ENTER)
            who.sees("SNMP")
            who.type("\r")
            who.sees("camera")
            who.type("\r")
            who.sees("0/254")
        else:
            past_the_questions(who)
            if at == "room":
                who.type(ENTER)
                who.sees("› Đúng rồi")
                who.type(DOWN, DOWN, ENTER)
                who.sees("› Phòng khác…")
                who.type(ENTER)
                who.sees("Tên phòng: ")
        who.type("\x03")

        assert who.ended() == 130
        assert "Đã dừng; không ghi gì cả." in who.said
        assert who.settings() == as_it_was
        assert who.said.count("\x1b[?1049h") == who.said.count("\x1b[?1049l")
    assert state(tmp_path) == before


def test_what_is_secret_is_not_shown_while_it_is_typed(tmp_path: Path) -> None:
    with person(put(tmp_path / "agent.toml"), "en") as who:
        who.sees(r"\[x\] 192")
        who.type(ENTER)
        who.sees("SNMP community to try")
        time.sleep(0.3)  # the echo is switched off just after the question is there
        who.type("very-secret\r")
        who.sees("SNMP.*SNMP community to try")
        who.type("\r")
        who.sees("Password of the cameras")

        assert "very-secret" not in who.said
        assert KEY not in who.said


def test_a_terminal_that_cannot_be_drawn_on_is_asked_line_by_line(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml")

    with person(config, term="dumb") as who:
        who.sees("Các số, cách nhau dấu phẩy")
        who.type("1\r")
        who.sees("SNMP")
        who.type("\r")
        who.sees("camera")
        who.type("\r")
        who.sees("Số để sửa")
        who.type("-2\r")
        who.sees("Số để sửa.*Số để sửa")
        who.type("\r")
        who.sees("Vẫn ghi")
        who.type("c\r")
        who.sees("ĐÃ ĐO 2")

        assert who.ended() == 0
        assert "\x1b" not in who.said
    assert [device.kind for device in load(config).devices] == ["board", "router"]


def test_a_connection_that_breaks_leaves_everything_as_it_was(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml")
    before = state(tmp_path)

    with person(config) as who:
        past_the_questions(who)
        who.process.send_signal(signal.SIGHUP)

        assert who.ended() != 0
    assert state(tmp_path) == before
