"""What one run of a probe says: states of signals, readings, or why it could not measure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class State(enum.Enum):
    """What a run says of a signal from its start on, until the next run or the signal's hold time."""

    UP = "up"
    DOWN = "down"
    UNSEEN = "unseen"  # cannot be seen from here (a rung that never shows itself): not up, not down


class ProbeFailed(Exception):
    """The run could not measure (no permission, no address, nothing configured): a fact, never a number.

    `cause` is a name of the catalogue `schoolbeat_wire.catalogue.CAUSES`; `detail` is for the technician.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(detail or cause)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True)
class Observation:
    """The result of a run that could measure.

    states:   signal name -> state, e.g. {"lan.router": State.UP}
    readings: (subject, reading) -> value in the catalogue's unit, e.g. {("lan.router", "rtt_ms"): 1.25}.
              A subject is the signal the reading belongs to, or "host" or "probe.<name>".
    causes:   signal name -> catalogue cause, for signals that are DOWN (why the run says so)
    notes:    free facts for the technician's table, never sent (e.g. {"lan.router": "192.168.1.1"})
    """

    states: dict[str, State] = field(default_factory=dict)
    readings: dict[tuple[str, str], float] = field(default_factory=dict)
    causes: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One execution of a probe. `started` is monotonic seconds; `seconds` how long it took.

    `observation` is None when the probe failed, and then `failure` names the cause.
    """

    probe: str
    started: float
    seconds: float
    observation: Observation | None
    failure: str | None = None
    detail: str = ""
