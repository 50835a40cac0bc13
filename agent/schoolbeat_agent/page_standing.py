"""How each signal stands for somebody who looks now: what is old or hidden behind a fault is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from schoolbeat_agent import inventory
from schoolbeat_agent.lessons import is_lesson
from schoolbeat_agent.observation import State
from schoolbeat_agent.settings import Device
from schoolbeat_agent.sight import Seen, View
from schoolbeat_wire import catalogue

# standby: it answers and is switched off. unasked: it is silent while nobody has to expect it.
Word = Literal["up", "standby", "unasked", "down", "unknown"]
READING_SECONDS: Final = 150.0  # a reading older than this tells nothing of now, where it is read each minute
STANDBY: Final = 0.0  # of the reading power_state


@dataclass(frozen=True)
class Standing:
    """since: the boot's second from which on it is so; None where that is not known. hidden_by: the fault before it."""

    word: Word
    cause: str = ""
    since: float | None = None
    hidden_by: str = ""


UNKNOWN: Final = Standing("unknown")


def standings(view: View) -> dict[str, Standing]:
    """Every signal that this agent watches, in the inventory's order."""
    watches = inventory.watches(view.settings)
    signals = dict.fromkeys(signal for watch in watches for signal in watch.signals)
    holds = inventory.holds(view.settings, watches)
    behind = inventory.behind(view.settings, signals)
    fresh = {signal: seen for signal in signals if (seen := _fresh(view, signal, holds)) is not None}
    down = {signal for signal, seen in fresh.items() if seen.state is State.DOWN}
    devices = {f"device.{device.id}": device for device in view.settings.devices}
    return {
        signal: _standing(view, signal, fresh[signal], _hides(signal, behind, down), devices.get(signal))
        if signal in fresh
        else UNKNOWN
        for signal in signals
    }


def _fresh(view: View, signal: str, holds: Mapping[str, int]) -> Seen | None:
    seen = view.sight.signals.get(signal)
    hold_seconds = holds.get(signal, catalogue.kind_of(signal).hold_seconds)
    return seen if seen is not None and view.now - seen.at <= hold_seconds else None


def _hides(signal: str, behind: Mapping[str, str], down: set[str]) -> str:
    """The nearest failed thing that this signal is seen through; empty if there is none."""
    passed = {signal}
    through = behind.get(signal, "")
    while through and through not in passed:
        if through in down:
            return through
        passed.add(through)
        through = behind.get(through, "")
    return ""


def _standing(view: View, signal: str, seen: Seen, hidden_by: str, device: Device | None) -> Standing:
    if seen.state is State.UNSEEN:
        return UNKNOWN
    if seen.state is State.UP:
        is_off = device is not None and reading(view, signal, "power_state") == STANDBY
        return Standing("standby" if is_off else "up", since=seen.since)
    if hidden_by:
        return Standing("unknown", hidden_by=hidden_by)
    if device is not None and not _is_expected(view, device):
        return Standing("unasked", since=seen.since)
    return Standing("down", seen.cause or "timeout", seen.since)


def _is_expected(view: View, device: Device) -> bool:
    """Whether this device has to answer now. Who does not know the hours accuses no board of being switched off."""
    if catalogue.device_kind(device.kind).clock == "always":
        return True
    return view.unix is not None and is_lesson(view.settings.lessons, view.unix) is True


def reading(view: View, subject: str, name: str, most_seconds: float = READING_SECONDS) -> float | None:
    """Its value now; None where it is not known or old."""
    found = view.sight.readings.get((subject, name))
    return found[0] if found is not None and view.now - found[1] <= most_seconds else None
