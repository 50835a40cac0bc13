"""Is a projector well, by PJLink class 1 and 2?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Device, Settings
from schoolbeat_agent.watch import Watch, of

if TYPE_CHECKING:
    from schoolbeat_agent.displays.pjlink import Status

PORT: Final = 4352
EVERY_SECONDS: Final = 60
TIMEOUT_SECONDS: Final = 20.0
ALWAYS_READ: Final = ("power_state", "input_source", "error_flags")


@dataclass(frozen=True)
class PjlinkTarget:
    """A projector by its id and IP address. password: None where `credential` names an entry that is not there."""

    id: str
    address: str
    port: int = PORT
    password: str | None = field(default="", repr=False)
    credential: str = ""
    patience: Patience = USUAL


@dataclass
class Known:
    """What earlier runs learnt of a projector."""

    pjlink_class: int = 0  # 0: it has not said yet
    refused: bool = False  # the last time: then no second attempt, which would fail like the first


def watches(settings: Settings) -> list[Watch]:
    """Each device that is asked by PJLink."""
    return [_watch(device, settings) for device in settings.devices if device.ask == "pjlink"]


def _watch(device: Device, settings: Settings) -> Watch:
    signal = f"device.{device.id}"
    credential = settings.credential(device.credential)
    password = credential.password if credential else None if device.credential else ""
    target = PjlinkTarget(device.id, device.address, device.port or PORT, password, device.credential)
    return Watch(
        "pjlink", target, (signal,), of(signal, *ALWAYS_READ), EVERY_SECONDS, TIMEOUT_SECONDS, learns=True, about=signal
    )


def observed(target: PjlinkTarget, status: Status) -> Observation:
    """A projector that answers is up, also in standby; what it does not tell is no reading."""
    signal = f"device.{target.id}"
    values = {
        "power_state": status.power,
        "input_source": status.input,
        "error_flags": status.errors,
        "lamp_hours": status.lamp_hours,
        "filter_hours": status.filter_hours,
    }
    readings = {(signal, name): float(value) for name, value in values.items() if value is not None}
    return Observation({signal: State.UP}, readings, {}, {signal: _place(target)})


def _place(target: PjlinkTarget) -> str:
    return f"{target.address}:{target.port}"


async def probe(target: PjlinkTarget, world: World) -> Observation:
    """Signal device.<id> with power_state, input_source, error_flags, lamp_hours, filter_hours as far as it tells.

    UNSEEN: it takes the connection and hangs up, as those do whose only session another client holds.
    ProbeFailed("auth_failed") when it wants another password: it lives, but how it is cannot be asked.
    """
    from schoolbeat_agent.displays import pjlink  # only where a projector is asked
    from schoolbeat_agent.displays.session import HungUp

    if target.password is None:
        detail = f"there is no [[credential]] named {target.credential!r} in secrets.toml; add it or name another"
        raise ProbeFailed("not_configured", detail)
    known: Known = world.memory.of_probe.setdefault(f"pjlink {target.id} {target.address}", Known())
    signal = f"device.{target.id}"
    try:
        status = await pjlink.ask_status(
            target.address,
            target.port,
            target.password,
            world,
            target.patience,
            known_class=known.pjlink_class,
            attempts=1 if known.refused else 2,
        )
    except pjlink.WrongPassword as wrong:
        known.refused = True
        raise ProbeFailed("auth_failed", _advice(target)) from wrong
    except HungUp as hung_up:
        return Observation({signal: State.UNSEEN}, {}, {}, {signal: f"{_place(target)}; {hung_up.detail}"})
    except NoAnswer as no:
        return Observation({signal: State.DOWN}, {}, {signal: no.cause}, {signal: f"{_place(target)}; {no.detail}"})
    known.refused = False
    known.pjlink_class = known.pjlink_class or status.pjlink_class
    return observed(target, status)


def _advice(target: PjlinkTarget) -> str:
    if target.credential:
        return (
            f"{_place(target)} refuses the password of {target.credential!r} in secrets.toml; give its PJLink password"
        )
    return f"{_place(target)} wants a password; give `credential` an entry of secrets.toml with its PJLink password"
