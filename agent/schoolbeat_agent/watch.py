"""A watch: one probe with one target, and what its runs may speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ROUND: Final = 0  # every_seconds of what is asked each round


@dataclass(frozen=True, eq=False)
class Watch:
    """Each is itself and no other: a key of dicts.

    readings: (subject, reading) that its runs may bring. learns: runs may bring more, which the device alone knows
    (a switch's sensors): what was once seen joins the inventory. The subject of these begins with one of `signals`, or
    with `about` where the watch has none.
    every_seconds: how often it is asked; 0: each round. timeout_seconds: when a run counts as hung; 0: within a round.
    """

    probe: str
    target: object
    signals: tuple[str, ...]
    readings: tuple[tuple[str, str], ...]
    every_seconds: int = ROUND
    timeout_seconds: float = 0.0
    learns: bool = False
    about: str = ""

    @property
    def name(self) -> str:
        """For the log: the probe and what it looks at."""
        if self.about:
            return f"{self.probe} {self.about}"
        return f"{self.probe} {self.signals[0]}" if len(self.signals) == 1 else self.probe


def of(subject: str, *readings: str) -> tuple[tuple[str, str], ...]:
    """Readings of one subject."""
    return tuple((subject, reading) for reading in readings)
