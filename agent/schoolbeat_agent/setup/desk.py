"""Where the technician is asked: by arrow keys where the terminal can be drawn on, else line by line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TextIO

from schoolbeat_agent.credentials import SECRET_LETTERS
from schoolbeat_agent.setup.terminal import NARROWEST, Menu, Option, Screen, between_words, cleaned
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire import bounds

TRIES: Final = 20  # wrong answers to one question: whoever answers is no person

_ENTER = Text("↑↓ chọn · Enter · q: quay lại", "↑↓ move · Enter · q: back")
_SPACE = Text("↑↓ chọn · dấu cách: đánh dấu · Enter: tiếp", "↑↓ move · space: tick · Enter: go on")
_FORM = Text("↑↓ · Enter: sửa · cách: bỏ · q: xong", "↑↓ · Enter: edit · space: drop · q: done")
_NUMBER = Text("Số (Enter: {default}): ", "Number (Enter: {default}): ")
_NUMBERS = Text("Các số, cách nhau dấu phẩy (Enter: {default}): ", "Numbers, with commas (Enter: {default}): ")
_OR_MINUS = Text("Số để sửa, -số để bỏ/lấy (Enter: xong): ", "Number to change, -number to leave out (Enter: done): ")
_YES, _NO = Text("có", "yes"), Text("không", "no")
_WRONG = Text("Không được: {why}", "Not allowed: {why}")
_SECRET = Text("nhiều nhất 200 ký tự, không có phím điều khiển", "at most 200 characters, no control characters")
_ONE_OF = Text("một số từ 1 đến {last}", "a number from 1 to {last}")


def allowed_secret(typed: str) -> str:
    """ValueError for what secrets.toml may not hold."""
    if len(typed) > SECRET_LETTERS or bounds.CONTROL.search(typed):
        raise ValueError
    return typed


class Stopped(Exception):
    """The technician, or the end of the input, ended it: nothing is written."""


class Desk(Protocol):
    """key names a question in an answers file; a desk with a person at it does not need it."""

    language: Language

    def say(self, text: str) -> None: ...
    def progress(self, text: str) -> None: ...
    def line(self, key: str, prompt: str, default: str, check: Callable[[str], str]) -> str:
        """`check` gives back what is meant, or raises ValueError with what is allowed."""
        ...

    def secret(self, key: str, prompt: str) -> str: ...
    def yes(self, key: str, prompt: str, default: bool) -> bool: ...
    def several(self, key: str, title: str, options: Sequence[Option], chosen: Sequence[int]) -> list[int]: ...
    def one(self, title: str, options: Sequence[Option], cursor: int = 0) -> int | None:
        """None: back."""
        ...

    def form(self, title: str, options: Sequence[Option], cursor: int) -> tuple[int, str]:
        """The place, and "enter" (change it), "space" (leave it out or take it again) or "back" (done)."""
        ...


class Lines:
    """Asks line by line: for a terminal that cannot be drawn on, a pipe, and Windows."""

    def __init__(self, language: Language, stdin: TextIO = sys.stdin, stdout: TextIO = sys.stdout) -> None:
        self.language: Language = language
        self._in, self._out = stdin, stdout

    def say(self, text: str) -> None:
        self._out.write(self._laid("\n".join(cleaned(line) for line in text.split("\n"))) + "\n")
        self._out.flush()

    def _laid(self, text: str) -> str:
        """As it is shown."""
        return text

    def progress(self, text: str) -> None:
        self.say(text)

    def _typed(self, prompt: str) -> str:
        self._out.write(self._laid(prompt))
        self._out.flush()
        found = self._in.readline()
        if not found:
            raise Stopped
        return found.strip()

    def line(self, key: str, prompt: str, default: str, check: Callable[[str], str]) -> str:
        shown = f"{prompt} [{default}]: " if default else f"{prompt}: " if prompt else ""
        for _ in range(TRIES):
            try:
                return check(cleaned(self._typed(shown)) or default)
            except ValueError as error:
                self.say(_WRONG.say(self.language, why=error))
        raise Stopped

    def secret(self, key: str, prompt: str) -> str:
        for _ in range(TRIES):
            try:
                return allowed_secret(self._hidden(f"{prompt}: "))
            except ValueError:
                self.say(_WRONG.say(self.language, why=_SECRET.say(self.language)))
        raise Stopped

    def _hidden(self, prompt: str) -> str:
        if not self._in.isatty():
            return self._typed(prompt)
        import getpass

        return getpass.getpass(self._laid(prompt), self._out).strip()

    def yes(self, key: str, prompt: str, default: bool) -> bool:
        def check(typed: str) -> str:
            if typed.lower() in ("c", "có", "co", "y", "yes"):
                return "y"
            if typed.lower() in ("k", "không", "khong", "n", "no"):
                return ""
            raise ValueError(f"{_YES.say(self.language)} / {_NO.say(self.language)}")

        shown = (_YES if default else _NO).say(self.language)
        return bool(self.line(key, prompt, shown, check))

    def _listed(self, title: str, options: Sequence[Option], ticked: Sequence[int] | None = None) -> None:
        self.say(f"\n{title}")
        for number, option in enumerate(options, 1):
            tick = ("[x] " if number - 1 in ticked else "[ ] ") if ticked is not None else ""
            self.say(f"{number:>3}  {tick}{option.text}")
            for more in (option.below, option.help):
                if more:
                    self.say(f"       {more}")

    def _number(self, typed: str, last: int) -> int:
        if not typed.isdecimal() or not 1 <= int(typed) <= last:
            raise ValueError(_ONE_OF.say(self.language, last=last))
        return int(typed) - 1

    def _numbers(self, typed: str, last: int) -> list[int]:
        return sorted({self._number(part.strip(), last) for part in typed.split(",") if part.strip() not in ("", "-")})

    def several(self, key: str, title: str, options: Sequence[Option], chosen: Sequence[int]) -> list[int]:
        self._listed(title, options, list(chosen))
        default = ",".join(str(number + 1) for number in chosen) or "-"
        for _ in range(TRIES):
            try:
                typed = self._typed(_NUMBERS.say(self.language, default=default))
                return self._numbers(typed or default, len(options))
            except ValueError as error:
                self.say(_WRONG.say(self.language, why=error))
        raise Stopped

    def one(self, title: str, options: Sequence[Option], cursor: int = 0) -> int | None:
        self._listed(title, options)
        for _ in range(TRIES):
            try:
                typed = self._typed(_NUMBER.say(self.language, default=cursor + 1))
                return self._number(typed, len(options)) if typed else cursor
            except ValueError as error:
                self.say(_WRONG.say(self.language, why=error))
        raise Stopped

    def form(self, title: str, options: Sequence[Option], cursor: int) -> tuple[int, str]:
        self._listed(title, options)
        for _ in range(TRIES):
            typed = self._typed(_OR_MINUS.say(self.language))
            if not typed:
                return cursor, "back"
            try:
                number = self._number(typed.lstrip("-"), len(options))
                return number, "space" if typed.startswith("-") else "enter"
            except ValueError as error:
                self.say(_WRONG.say(self.language, why=error))
        raise Stopped


class Keys(Lines):
    """Lists are walked with arrow keys; what is typed is still typed in a line, as the terminal edits it."""

    def __init__(self, language: Language, stdin: TextIO = sys.stdin, stdout: TextIO = sys.stdout) -> None:
        super().__init__(language, stdin, stdout)
        self._screen = Screen(stdin, stdout)
        self._tells = False

    def say(self, text: str) -> None:
        if self._tells:
            self._out.write("\n")
            self._tells = False
        super().say(text)

    def _laid(self, text: str) -> str:
        """Lines end between words, also on a phone."""
        columns = max(NARROWEST, os.get_terminal_size(self._out.fileno()).columns)
        return "\n".join(line for part in text.split("\n") for line in between_words(part, columns))

    def progress(self, text: str) -> None:
        self._tells = True
        self._out.write(f"\r\x1b[K{cleaned(text)}")
        self._out.flush()

    def several(self, key: str, title: str, options: Sequence[Option], chosen: Sequence[int]) -> list[int]:
        ticked, cursor = set(chosen), 0
        while True:
            shown = tuple(
                Option(f"[{'x' if number in ticked else ' '}] {option.text}", option.below, option.help)
                for number, option in enumerate(options)
            )
            menu = Menu(title, shown, _SPACE.say(self.language), cursor)
            cursor, pressed = self._screen.choose(menu, ("enter", "space"))
            if pressed == "enter":
                return sorted(ticked)
            ticked ^= {cursor}

    def one(self, title: str, options: Sequence[Option], cursor: int = 0) -> int | None:
        place, pressed = self._screen.choose(Menu(title, tuple(options), _ENTER.say(self.language), cursor))
        return place if pressed == "enter" else None

    def form(self, title: str, options: Sequence[Option], cursor: int) -> tuple[int, str]:
        menu = Menu(title, tuple(options), _FORM.say(self.language), cursor)
        return self._screen.choose(menu, ("enter", "space", "back"))
