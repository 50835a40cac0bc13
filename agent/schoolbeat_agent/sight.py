"""What the agent sees right now: for its page in the school and for `status`. Never sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schoolbeat_agent.observation import Run, State
from schoolbeat_agent.settings import Settings


@dataclass(frozen=True)
class Seen:
    """A signal as its last run saw it. since, at: seconds of the boot's clock, of the change and of the last run."""

    state: State
    cause: str
    since: float
    at: float
    note: str = ""


@dataclass
class Sight:
    """Filled by the runner with every finished run."""

    signals: dict[str, Seen] = field(default_factory=dict)
    readings: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)  # -> value, when

    def take(self, run: Run) -> None:
        if run.observation is None:
            return
        for signal, state in run.observation.states.items():
            before = self.signals.get(signal)
            since = before.since if before is not None and before.state is state else run.started
            cause = run.observation.causes.get(signal, "") if state is State.DOWN else ""
            note = run.observation.notes.get(signal, "")
            self.signals[signal] = Seen(state, cause, since, run.started, note)
        for key, value in run.observation.readings.items():
            self.readings[key] = (value, run.started)

    def only(self, signals: Mapping[str, object], subjects: Mapping[str, object]) -> None:
        """Another configuration: what is no longer watched is forgotten."""
        self.signals = {signal: seen for signal, seen in self.signals.items() if signal in signals}
        self.readings = {key: found for key, found in self.readings.items() if key[0] in subjects}


@dataclass(frozen=True)
class View:
    """A moment of it, for whoever shows it. now: the boot's clock, as in Seen."""

    settings: Settings
    sight: Sight
    now: float
    unix: float | None  # None: this machine does not know the time
    connected: bool
    last_minute: int  # the last one recorded; 0: none
