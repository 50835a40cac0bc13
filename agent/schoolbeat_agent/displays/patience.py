"""How long a board or projector is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Patience:
    """connect, first (the greeting, the first answer) and next follow one another; rest: for all questions behind the
    first; again: until the second attempt; talk: for everything, so that the runner need not stop a run."""

    connect_seconds: float = 3.0
    first_seconds: float = 4.0
    next_seconds: float = 2.5
    rest_seconds: float = 5.0
    again_seconds: float = 1.0
    talk_seconds: float = 18.0


USUAL: Final = Patience()
