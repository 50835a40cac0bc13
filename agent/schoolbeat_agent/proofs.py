"""What the server said of its past, kept here: one digest a day, so that altering the past needs this agent, too."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Final

from schoolbeat_agent.disk import sync_folder
from schoolbeat_wire import bounds

log = logging.getLogger(__name__)

NAME: Final = "proofs"
MOST: Final = 400
OF_ONE_DAY: Final = 2  # the first, and one that differs from it: that is worth knowing
_LINE = re.compile(rf"({bounds.DAY.pattern}) ({bounds.DIGEST.pattern})")


def added(lines: list[str], day: str, digest: str) -> list[str]:
    """The lines with this one, the newest last; the same list when there is nothing to add."""
    line = f"{day} {digest}"
    if line in lines or sum(one.startswith(day) for one in lines) >= OF_ONE_DAY:
        return lines
    return [*lines, line][-MOST:]


class Proofs:
    """A file of lines 'day digest'. A disk that takes nothing is tried again with the next one."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / NAME
        self.lines = _read(self.file)

    @property
    def newest(self) -> str:
        return self.lines[-1] if self.lines else ""

    def take(self, day: str, digest: str) -> None:
        lines = added(self.lines, day, digest)
        if lines is self.lines:
            return
        try:
            _save(self.file, lines)
        except OSError as error:
            log.warning("%s: the server's digest of %s is not kept: %s", self.file, day, error)
            return
        self.lines = lines


def _read(file: Path) -> list[str]:
    """Whatever is no such line is left out."""
    try:
        text = file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return [line for line in text[: 100 * MOST].splitlines() if _LINE.fullmatch(line)][-MOST:]


def _save(file: Path, lines: list[str]) -> None:
    """Whole or not at all."""
    new = file.with_name(file.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as out:
        out.write("".join(line + "\n" for line in lines))
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    sync_folder(file.parent)
