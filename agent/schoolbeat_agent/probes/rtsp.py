"""Does video arrive from a camera (RTSP, RFC 7826 and 2326)?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.cameras import lockout, onvif, rtsp
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.rtsp import Place, Refused
from schoolbeat_agent.cameras.video import Video
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import tcp
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of

EVERY_SECONDS: Final = 120
TIMEOUT_SECONDS: Final = 25.0
VIDEO_SECONDS: Final = 15.0
FIND_SECONDS: Final = 12.0
PATIENCE_SECONDS: Final = 22.0  # with a second to tear down: less than the time limit


@dataclass(frozen=True)
class RtspTarget:
    """A camera or a recorder's channel. stream: its path; empty: what the device says by ONVIF."""

    id: str
    address: str
    port: int = rtsp.PORT
    stream: str = field(default="", repr=False)
    credential: Credential | None = field(default=None, repr=False)
    credential_name: str = ""
    video_seconds: float = VIDEO_SECONDS


def watches(settings: Settings) -> list[Watch]:
    """Each device whose signal is decided by its video."""
    out = []
    for device in settings.devices:
        if device.ask != "rtsp":
            continue
        signal = f"device.{device.id}"
        target = RtspTarget(
            device.id,
            device.address,
            device.port or rtsp.PORT,
            device.stream,
            settings.credential(device.credential),
            device.credential,
        )
        out.append(Watch("rtsp", target, (signal,), of(signal, "video_ms"), EVERY_SECONDS, TIMEOUT_SECONDS))
    return out


async def probe(target: RtspTarget, world: World) -> Observation:
    """Signal device.<id> with video_ms: from the connection's beginning to the first packet that can be decoded."""
    signal = f"device.{target.id}"
    if target.credential_name and target.credential is None:
        raise ProbeFailed("not_configured", f"secrets.toml has no entry {target.credential_name!r}")
    until = world.monotonic() + PATIENCE_SECONDS
    try:
        async with lockout.first_alone(target.address, target.credential, world):
            place = await _place(target, world)
            video, video_ms = await _watched(target, place, until, world)
    except NoAnswer as no:
        return Observation({signal: State.DOWN}, {}, {signal: no.cause}, {signal: no.detail})
    note = f"{place}; {video.track.codec or 'codec unknown'}"
    return Observation({signal: State.UP}, {(signal, "video_ms"): video_ms}, {}, {signal: note})


async def _place(target: RtspTarget, world: World) -> Place:
    """Where the video is. NoAnswer where the device is not there; ProbeFailed where nobody knows."""
    if path := rtsp.path_of(target.stream):
        return Place(target.address, target.port, path)
    why = "give `stream` (its path), or a `credential` for ONVIF"
    try:
        async with asyncio.timeout(FIND_SECONDS):
            found = await onvif.stream_of(target.id, target.address, 0, target.credential, world)
    except (NoAnswer, TimeoutError) as error:
        if isinstance(error, NoAnswer) and error.cause == "auth_failed":
            raise
        why, found = f"ONVIF does not tell it ({error}); give `stream` (its path)", None
    if found is not None:
        return Place(target.address, target.port if target.port != rtsp.PORT else found.port, found.path)
    sock, _ = await tcp.connect(target.address, target.port, rtsp.CONNECT_SECONDS, world)  # a dead camera is down
    sock.close()
    raise ProbeFailed("not_configured", f"device {target.id}: where its video is is not known; {why}")


async def _watched(target: RtspTarget, place: Place, until: float, world: World) -> tuple[Video, float]:
    credential = target.credential
    if credential and not lockout.may_try(target.address, credential, world):
        credential = None  # asked without: if it still wants one, it is still the refused one
    login = Login(credential.username if credential else "", credential.password if credential else "", world.entropy)
    started = world.monotonic()
    try:
        async with rtsp.conversation(place, login, world) as talk:
            seconds = max(1.0, min(target.video_seconds, until - world.monotonic()))
            video, at = await rtsp.until_video(talk, seconds, world.monotonic)
    except NoAnswer as no:
        if isinstance(no, Refused) and no.cause != "auth_failed":
            onvif.forget_stream(target.id, world)  # it may be elsewhere by now
        elif no.cause == "auth_failed" and target.credential is None:
            detail = f"device {target.id} wants a password: name an entry of secrets.toml as its `credential`"
            raise ProbeFailed("not_configured", detail) from no
        elif no.cause == "auth_failed" and credential is not None and login.challenge is not None:
            lockout.refused(target.address, credential, world)
        raise
    if login.challenge is not None and credential is not None:
        lockout.accepted(target.address, credential, world)
    return video, (at - started) * 1_000
