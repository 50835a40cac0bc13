"""An event loop whose seconds pass faster, for what happens once a minute."""

from __future__ import annotations

import asyncio
import selectors

from schoolbeat_agent import clock

PACE = 30.0
BASE_UNIX = 1_740_000_000.0


class _Selector(selectors.DefaultSelector):
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found: list[tuple[selectors.SelectorKey, int]] = super().select(timeout and timeout / PACE)
        return found


class Loop(asyncio.SelectorEventLoop):
    """Its clock, its timeouts and its sleeps run PACE times as fast; sockets do not."""

    def __init__(self) -> None:
        super().__init__(_Selector())

    def time(self) -> float:
        return super().time() * PACE


def boot_seconds() -> float:
    return clock.boot_seconds() * PACE


def unix() -> float:
    """The same for all processes of this boot."""
    return BASE_UNIX + boot_seconds()
