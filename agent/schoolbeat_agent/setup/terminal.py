"""A list walked with arrow keys: what keys mean and what is drawn is pure, one class touches the terminal."""

from __future__ import annotations

import os
import select
import sys
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TextIO

NARROWEST, LOWEST = 20, 6
WAIT_SECONDS: Final = 0.25  # how soon a changed size is drawn
HELP_LINES: Final = 5
CLEAR, ALTERNATE, NORMAL = "\x1b[H\x1b[2J", "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
BOLD, DIM, REVERSE, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[7m", "\x1b[0m"
# What terminals send, in both cursor modes; k and j for keyboards of phones that have no arrows.
KEYS: Final = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"k": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"j": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "first",
    b"\x1b[1~": "first",
    b"\x1bOH": "first",
    b"g": "first",
    b"\x1b[F": "last",
    b"\x1b[4~": "last",
    b"\x1bOF": "last",
    b"G": "last",
    b"\r": "enter",
    b"\n": "enter",
    b"\x1b[C": "enter",
    b" ": "space",
    b"\x1b": "back",
    b"\x1b[D": "back",
    b"q": "back",
}


@dataclass(frozen=True)
class Option:
    """One entry of a list. below: a second, dim line. help: shown while the cursor stands on it."""

    text: str
    below: str = ""
    help: str = ""


@dataclass(frozen=True)
class Menu:
    """hint: what the keys do, at the bottom."""

    title: str
    options: tuple[Option, ...]
    hint: str
    cursor: int = 0

    def moved(self, key: str, page: int = 5) -> Menu:
        steps = {"up": -1, "down": 1, "page up": -page, "page down": page, "first": -len(self.options)}
        step = steps.get(key, len(self.options) if key == "last" else 0)
        return replace(self, cursor=max(0, min(len(self.options) - 1, self.cursor + step)))


def keys_of(typed: bytes) -> list[str]:
    """The keys in what a terminal sent; what no key of ours sends is passed over."""
    out = []
    while typed:
        known = next((sequence for sequence in sorted(KEYS, key=len, reverse=True) if typed.startswith(sequence)), None)
        if known == b"\x1b" and len(typed) > 1 and typed[1:2] in b"[O":
            end = next((at for at in range(2, len(typed)) if 0x40 <= typed[at] <= 0x7E), len(typed) - 1)
            typed = typed[end + 1 :]  # a key that we do not use
            continue
        if known is not None:
            out.append(KEYS[known])
        typed = typed[len(known or b"_") :]
    return out


def width(text: str) -> int:
    """Columns that a text takes: a combining mark none, a wide sign two."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def cleaned(text: str) -> str:
    """Composed letters, and nothing that could steer the terminal: devices name themselves."""
    return "".join(
        sign if unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else "·"
        for sign in unicodedata.normalize("NFC", text)
    )


def fitted(text: str, columns: int) -> str:
    """In one line, the end cut off where it must be."""
    text = cleaned(text)
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, columns: int, most: int = 99) -> list[str]:
    lines = [line for part in text.split("\n") for line in textwrap.wrap(cleaned(part), max(4, columns)) or [""]]
    return lines[:most]


def between_words(line: str, columns: int) -> list[str]:
    """A line in as many as it takes, its indentation and the space at its end kept."""
    if width(line) <= columns:
        return [line]
    indent = line[: len(line) - len(line.lstrip())]
    found = textwrap.wrap(line, columns, subsequent_indent=indent) or [line]
    return [*found[:-1], found[-1] + line[len(line.rstrip()) :]]


def frame(menu: Menu, columns: int, rows: int) -> list[str]:
    """The screen's lines, none wider and not more than there is room for."""
    columns, rows = max(NARROWEST, columns), max(LOWEST, rows)
    head = [f"{BOLD}{line}{PLAIN}" for line in wrapped(menu.title, columns, 3 if rows > 12 else 1)]
    feet = [f"{DIM}{line}{PLAIN}" for line in wrapped(menu.hint, columns, 2 if rows > 12 else 1)]
    current = menu.options[menu.cursor] if menu.options else Option("")
    told = wrapped(current.help, columns, HELP_LINES) if current.help and rows > 14 else []
    room = rows - len(head) - len(feet) - (len(told) + 1 if told else 0)
    blocks = [_block(option, number == menu.cursor, columns) for number, option in enumerate(menu.options)]
    shown = _window(blocks, menu.cursor, max(1, room))
    filling = [""] * max(0, room - len(shown))
    return [*head, *shown, *filling, *(["─" * columns, *told] if told else []), *feet][:rows]


def _block(option: Option, is_current: bool, columns: int) -> list[str]:
    mark, look = ("›", REVERSE) if is_current else (" ", "")
    lines = [f"{look}{mark} {fitted(option.text, columns - 2)}{PLAIN if look else ''}"]
    if option.below:
        lines.append(f"{DIM}    {fitted(option.below, columns - 4)}{PLAIN}")
    return lines


def _window(blocks: Sequence[list[str]], cursor: int, room: int) -> list[str]:
    """As many as there is room for, with the cursor's among them."""
    first = 0
    while first < cursor and sum(len(block) for block in blocks[first : cursor + 1]) > room:
        first += 1
    return [line for block in blocks[first:] for line in block][:room]


def can_draw(stdin: TextIO, stdout: TextIO, environment: dict[str, str]) -> bool:
    """Whether this is a terminal that can be drawn on; else questions are asked line by line."""
    if sys.platform == "win32" or environment.get("TERM", "dumb") in ("", "dumb", "unknown"):
        return False
    try:
        import termios  # noqa: F401 - not everywhere
    except ImportError:
        return False
    return stdin.isatty() and stdout.isatty()


class Screen:
    """A terminal whose keys are read one by one while a list is shown; otherwise it is as it was."""

    def __init__(self, stdin: TextIO = sys.stdin, stdout: TextIO = sys.stdout) -> None:
        self._in, self._out = stdin.fileno(), stdout
        self._ahead: list[str] = []  # typed faster than lists follow each other

    def choose(self, menu: Menu, ends: Sequence[str] = ("enter", "back")) -> tuple[int, str]:
        """The cursor's place and the key that ended it."""
        with self._drawing():
            drawn = None
            while True:
                size = os.get_terminal_size(self._out.fileno())
                if (menu, size) != drawn:
                    self._draw(frame(menu, size.columns, size.lines))
                    drawn = menu, size
                self._ahead += self._pressed() if not self._ahead else []
                while self._ahead:
                    key = self._ahead.pop(0)
                    if key in ends:
                        return menu.cursor, key
                    menu = menu.moved(key, max(1, size.lines // 3))

    def _pressed(self) -> list[str]:
        if not select.select([self._in], [], [], WAIT_SECONDS)[0]:
            return []
        typed = os.read(self._in, 256)
        if not typed:
            raise EOFError
        if typed[-1:] == b"\x1b" and select.select([self._in], [], [], 0.05)[0]:
            typed += os.read(self._in, 256)  # over a slow line a key's bytes come one by one
        return keys_of(typed)

    def _draw(self, lines: Sequence[str]) -> None:
        self._out.write(CLEAR + "\n".join(lines))
        self._out.flush()

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        import termios
        import tty

        before = termios.tcgetattr(self._in)
        try:
            tty.setcbreak(self._in, termios.TCSADRAIN)  # Ctrl-C stays what it is
            self._out.write(ALTERNATE)
            yield
        finally:
            termios.tcsetattr(self._in, termios.TCSADRAIN, before)
            self._out.write(NORMAL)
            self._out.flush()
