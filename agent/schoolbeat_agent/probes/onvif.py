"""What a camera or recorder tells by ONVIF: clock, firmware, streams, recording; and what stands open on it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from schoolbeat_agent.cameras import lockout, onvif, onvif_answers, rtsp, security
from schoolbeat_agent.cameras.onvif import Device
from schoolbeat_agent.cameras.onvif_answers import Information
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Device as Watched
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of

EVERY_SECONDS: Final = 600
DECIDING_SECONDS: Final = 120  # where it decides the signal: within the hold time of every kind
TIMEOUT_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 50.0
READINGS: Final = ("clock_offset_seconds", "firmware_age_days", "open_stream", "telnet_open")


@dataclass(frozen=True)
class OnvifTarget:
    """port: of ONVIF, 0 where it is not known; rtsp_port and stream: as configured, 0 and empty where it tells."""

    id: str
    address: str
    port: int = 0
    rtsp_port: int = 0
    stream: str = field(default="", repr=False)
    credential: Credential | None = field(default=None, repr=False)
    credential_name: str = ""
    decides: bool = False
    is_recorder: bool = False
    try_defaults: bool = False
    telnet_port: int = security.TELNET


def watches(settings: Settings) -> list[Watch]:
    """Cameras and recorders that may be asked: by the credential they have, or because ONVIF decides their signal."""
    out = []
    for device in settings.devices:
        if device.ask != "onvif" and not _has_more_to_tell(device):
            continue
        signal, decides = f"device.{device.id}", device.ask == "onvif"
        target = OnvifTarget(
            device.id,
            device.address,
            device.port if decides else 0,
            0 if decides else device.port,
            device.stream,
            settings.credential(device.credential),
            device.credential,
            decides,
            device.kind == "recorder",
            settings.lan.default_passwords,
        )
        names = [*READINGS, *(["recording"] if target.is_recorder else [])]
        names += ["default_password"] if target.try_defaults else []
        every = DECIDING_SECONDS if decides else EVERY_SECONDS
        signals = (signal,) if decides else ()
        about = "" if decides else signal
        out.append(Watch("onvif", target, signals, of(signal, *names), every, TIMEOUT_SECONDS, about=about))
    return out


def _has_more_to_tell(device: Watched) -> bool:
    return device.ask == "rtsp" and bool(device.credential) and device.kind in ("camera", "recorder")


async def probe(target: OnvifTarget, world: World) -> Observation:
    """Readings of device.<id>, and its signal where ONVIF decides it: up when it answers and takes the credential."""
    signal = f"device.{target.id}"
    if target.credential_name and target.credential is None:
        raise ProbeFailed("not_configured", f"secrets.toml has no entry {target.credential_name!r}")
    values: dict[str, float] = {}
    broken: NoAnswer | None = None
    note = ""
    try:
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            lockout.first_alone(target.address, target.credential, world),
        ):
            note = await visit(target, world, values)
    except NoAnswer as no:
        broken = no
    except TimeoutError:
        broken = NoAnswer("timeout", f"{target.address}: too slow, not all was answered in {PATIENCE_SECONDS:.0f} s")
    if broken and not target.decides and not values:
        raise ProbeFailed(broken.cause, broken.detail) from broken
    readings = {(signal, name): value for name, value in values.items()}
    notes = {signal: broken.detail if broken else note}
    if not target.decides:
        return Observation({}, readings, {}, notes)
    if broken:
        return Observation({signal: State.DOWN}, readings, {signal: broken.cause}, notes)
    return Observation({signal: State.UP}, readings, {}, notes)


async def visit(target: OnvifTarget, world: World, values: dict[str, float]) -> str:
    """Ask what is due, noting each value as it comes. A note for the technician; NoAnswer where it breaks off."""
    credential = target.credential
    locked = credential is not None and not lockout.may_try(target.address, credential, world)
    remembered = world.memory.of_probe.get(f"onvif {target.id}")
    at = remembered or await onvif.find_endpoint(target.address, target.port, world)
    device = Device(at, None if locked else credential, world)
    try:
        offset = await device.clock()
    except NoAnswer as no:
        world.memory.of_probe.pop(f"onvif {target.id}", None)  # it may be elsewhere by now
        if no.cause == "auth_failed" and device.credential:
            lockout.refused(target.address, device.credential, world)
        if target.decides or not await _what_stands_open(target, False, world, values):
            raise
        return f"{at}: no ONVIF ({no.cause}), its video is there"
    world.memory.of_probe[f"onvif {target.id}"] = at
    if offset is not None:
        values["clock_offset_seconds"] = offset
    refused: NoAnswer | None = None
    if locked:
        refused = NoAnswer("auth_failed", f"{at}: it refused this password a while ago; tried again later")
    note, is_due = str(at), _facts_are_due(target, world)
    if credential and not locked:
        try:
            note = await _by_login(target, device, world, values, is_due)
            lockout.accepted(target.address, credential, world)
        except NoAnswer as no:
            refused = no
            if no.cause == "auth_failed":
                lockout.refused(target.address, credential, world)
    if is_due:
        await _what_stands_open(target, refused is None, world, values, is_there=True)
        world.memory.of_probe[f"facts {target.id}"] = world.monotonic()
    if refused:
        raise refused
    return note


def _facts_are_due(target: OnvifTarget, world: World) -> bool:
    last = world.memory.of_probe.get(f"facts {target.id}")
    return not target.decides or last is None or world.monotonic() - last >= EVERY_SECONDS - DECIDING_SECONDS / 2


async def _by_login(target: OnvifTarget, device: Device, world: World, values: dict[str, float], is_due: bool) -> str:
    """What it says only to who has a password. What it does not offer is left out."""
    told = await device.information()
    if (age := firmware_age(told, world.unix())) is not None:
        values["firmware_age_days"] = age
    if is_due:
        for part in (_stream, _recording):
            try:
                await part(target, device, world, values)
            except NoAnswer as no:
                if no.cause == "auth_failed":
                    raise
    return f"{device.at}; {told.vendor} {told.model}; {told.firmware}"


async def _stream(target: OnvifTarget, device: Device, world: World, values: dict[str, float]) -> None:
    if not rtsp.path_of(target.stream):
        await onvif.learn_stream(target.id, device, world)


async def _recording(target: OnvifTarget, device: Device, world: World, values: dict[str, float]) -> None:
    if target.is_recorder and (found := onvif_answers.is_recording(await device.job_states())) is not None:
        values["recording"] = float(found)


def firmware_age(told: Information, unix: float | None) -> float | None:
    """Whole days since the date that its firmware states; None where it states none, or one that is to come."""
    built = onvif_answers.built_on(told.firmware)
    if built is None or unix is None:
        return None
    days = (datetime.fromtimestamp(unix, UTC).date() - built).days
    return float(days) if days >= 0 else None


async def _what_stands_open(
    target: OnvifTarget, is_accepted: bool, world: World, values: dict[str, float], *, is_there: bool = False
) -> bool:
    """The security facts, of a device that has just answered or whose stream does: of others silence says nothing."""
    place = _place(target, world)
    is_open = await rtsp.is_open(place, world) if place else None
    if is_open is None and not is_there:
        return False
    if is_open is not None:
        values["open_stream"] = float(is_open)
    if (telnet := await security.telnet_open(target.address, world, target.telnet_port)) is not None:
        values["telnet_open"] = float(telnet)
    if target.try_defaults:
        is_default = is_accepted and security.is_default(target.credential)
        found = is_default or await _default_password(target, place if is_open is False else None, world)
        if found is not None:
            values["default_password"] = float(found)
    return True


async def _default_password(target: OnvifTarget, place: Place | None, world: World) -> bool | None:
    """Tried once a week on a stream that wants a password; between that, what came of it.

    Kept by address and before it is tried: a recorder's channels are many devices with one account to lock.
    """
    if place is None:
        return None
    key, unix = f"onvif {target.address}", world.unix()
    kept = world.memory.kept.get(key, "")
    if unix is not None and security.is_due(kept, unix):
        world.memory.keep(key, f"{int(unix)} ")
        found = await security.default_password(place, world)
        kept = f"{int(unix)} {'' if found is None else int(found)}"
        world.memory.keep(key, kept)
    return security.kept_result(kept)


def _place(target: OnvifTarget, world: World) -> Place | None:
    if path := rtsp.path_of(target.stream):
        return Place(target.address, target.rtsp_port or rtsp.PORT, path)
    found = world.memory.of_probe.get(f"stream {target.id}")
    return found if isinstance(found, Place) else None
