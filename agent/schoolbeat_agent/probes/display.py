"""Is a board or display well, by its maker's own frames?"""

from __future__ import annotations

from dataclasses import dataclass

from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Device, Settings
from schoolbeat_agent.watch import Watch, of

EVERY_SECONDS = 60
TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True)
class DisplayTarget:
    """A device by its id and IP address. profile: a family of displays/, with :id; port 0: the family's own."""

    id: str
    address: str
    profile: str
    port: int = 0
    patience: Patience = USUAL


def watches(settings: Settings) -> list[Watch]:
    """Each device that is asked by its maker's frames."""
    return [_watch(device) for device in settings.devices if device.ask == "display"]


def _watch(device: Device) -> Watch:
    signal = f"device.{device.id}"
    target = DisplayTarget(device.id, device.address, device.profile, device.port)
    readings = of(signal, "power_state")
    return Watch("display", target, (signal,), readings, EVERY_SECONDS, TIMEOUT_SECONDS, learns=True, about=signal)


async def probe(target: DisplayTarget, world: World) -> Observation:
    """Signal device.<id> with power_state, input_source, error_flags, on_hours, lamp_hours as far as the family tells.

    A display that answers is up, also with a refusal and in standby. UNSEEN: it takes the connection and hangs up, as
    those do whose only session another client holds; or says nothing, as its family is known to do in standby.
    """
    from schoolbeat_agent.displays import conversation, frames  # only where a display is asked
    from schoolbeat_agent.displays.session import HungUp

    try:
        name, own_id = frames.split_profile(target.profile)
    except frames.UnknownFamily as unknown:
        raise ProbeFailed("not_configured", f"device {target.id}: profile {unknown}") from unknown
    family = frames.load(name)
    display_id = family.id if own_id is None else own_id
    if not family.ids[0] <= display_id <= family.ids[1]:
        allowed = f"{family.ids[0]} to {family.ids[1]}"
        raise ProbeFailed("not_configured", f"device {target.id}: profile {target.profile!r}: id {allowed}")
    signal, port = f"device.{target.id}", target.port or family.port
    place = f"{family.name} {target.address}:{port}"
    try:
        heard = await conversation.ask(family, display_id, target.address, port, world, target.patience)
    except conversation.Locked as locked:
        raise ProbeFailed("auth_failed", f"{place}: {locked.detail}") from locked
    except NoAnswer as no:
        notes = {signal: f"{place}; {no.detail}"}
        if isinstance(no, HungUp) or (isinstance(no, conversation.Mute) and family.mute_in_standby):
            return Observation({signal: State.UNSEEN}, {}, {}, notes)
        return Observation({signal: State.DOWN}, {}, {signal: no.cause}, notes)
    readings = {(signal, name): value for name, value in heard.readings.items()}
    return Observation({signal: State.UP}, readings, {}, {signal: f"{place}; {heard.note}" if heard.note else place})
