"""For setting up: is this a camera or a recorder, whose, and where is its video? Never run in the steady loop."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from schoolbeat_agent.cameras import onvif, rtsp, ws_discovery
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.http import Endpoint
from schoolbeat_agent.cameras.onvif import Device, Unauthorized
from schoolbeat_agent.cameras.onvif_answers import RECORDING, Profile
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.cameras.soap import Fault
from schoolbeat_agent.cameras.ws_discovery import Hello, ws_discover
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

__all__ = ["Hello", "Identity", "identify", "ws_discover"]

TRIES: Final = 3  # credentials that one device is told: more would lock its account
FIND_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 4.0  # for each place where ONVIF may be
ASK_SECONDS: Final = 30.0
ONVIF_PORTS: Final = (80, 8000, 8899, 2020, 8080)  # where makers put it: most, Reolink, XM, TP-Link, others
RTSP_PORTS: Final = (554, 8554)
# Paths of the first video where ONVIF does not tell it: Hikvision, Dahua, Reolink, TP-Link, Uniview, Axis, Hanwha, XM.
PATHS: Final = (
    "/Streaming/Channels/101",
    "/cam/realmonitor?channel=1&subtype=0",
    "/h264Preview_01_main",
    "/stream1",
    "/media/video1",
    "/axis-media/media.amp",
    "/profile1/media.smp",
    "/onvif1",
    "/live",
)
_RECORDER = re.compile(
    r"\b(?:[nxd]vr|hvr|\w*video_?recorder|\w*video_?storage|ds-[789]\d{3}\w*|recorder)\b|\b\w*(?:nvr|xvr|dvr)\d", re.I
)
# An RTSP server that is none of a camera: media servers and the like say so.
_NO_CAMERA = re.compile(r"mediamtx|live555 media server|vlc|wowza|plex|airtunes|airplay", re.IGNORECASE)
CHANNELS_OF_A_RECORDER: Final = 4  # cameras of two and three lenses exist


@dataclass(frozen=True)
class Identity:
    """onvif_port, rtsp_port: 0 where it does not speak it. stream, mac, serial: empty where they are not known.

    credential: the entry that it accepted. wants_password: it refused whoever has none.
    """

    kind: Literal["camera", "recorder"]
    vendor: str = ""
    model: str = ""
    name: str = ""
    mac: str = ""
    serial: str = field(default="", repr=False)
    onvif_port: int = 0
    rtsp_port: int = 0
    stream: str = field(default="", repr=False)
    credential: str = ""
    wants_password: bool = False


def kind_of(said: str, channels: int, records: bool) -> Literal["camera", "recorder"]:
    """From what it says of itself (types, scopes, vendor and model), its pictures, and whether it keeps them."""
    many = channels >= CHANNELS_OF_A_RECORDER and records
    return "recorder" if many or _RECORDER.search(said.replace("/", " ").replace("%20", " ")) else "camera"


async def identify(
    address: str, credentials: Sequence[Credential], world: World, hello: Hello | None = None
) -> Identity | None:
    """None: it speaks neither ONVIF nor, as a camera, RTSP. `hello`: its answer to a search, if there was one."""
    try:
        async with asyncio.timeout(ASK_SECONDS):
            hello = hello or await _hello(address, world)
            at = await _onvif_at(address, hello, world)
            found = await _by_onvif(at, hello, credentials, world) if at else None
            return await _with_video(address, found, credentials, world)
    except TimeoutError:
        return None


async def _hello(address: str, world: World) -> Hello | None:
    if ":" in address:
        return None
    with contextlib.suppress(OSError):
        for hello in await ws_discover("", FIND_SECONDS, world.entropy, to=address):
            if hello.address == address:
                return hello
    return None


async def _onvif_at(address: str, hello: Hello | None, world: World) -> Endpoint | None:
    """Where it says itself, else the first usual place at which the clock's question is understood."""
    if hello and (said := onvif.endpoint_said(hello)):
        return said
    places = [Endpoint(address, port, onvif.DEVICE_PATH) for port in ONVIF_PORTS]
    answers = await asyncio.gather(*(_speaks_onvif(place, world) for place in places))
    return next((place for place, speaks in zip(places, answers, strict=True) if speaks), None)


async def _speaks_onvif(at: Endpoint, world: World) -> bool:
    """A refusal in SOAP is an answer too; a 401 without SOAP may be anything's."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            await Device(at, None, world).clock()
    except NoAnswer as no:
        return isinstance(no, Fault) or (isinstance(no, Unauthorized) and no.is_soap)
    except TimeoutError:
        return False
    return True


async def _by_onvif(at: Endpoint, hello: Hello | None, credentials: Sequence[Credential], world: World) -> Identity:
    """What it tells to nobody in particular, and to the first credential that it accepts."""
    said = " ".join([*hello.types, *hello.scopes]) if hello else ""
    known = Identity(
        kind_of(said, 0, False),
        model=hello.scope("hardware") if hello else "",
        name=hello.scope("name") if hello else "",
        mac=ws_discovery.mac_of(hello.endpoint) if hello else "",
        onvif_port=at.port,
    )
    for credential in (None, *[one for one in credentials if one.username][:TRIES]):
        device = Device(at, credential, world)
        try:
            await _quietly_read_clock(device)
            return await _told(device, known, said)
        except NoAnswer as no:
            if no.cause != "auth_failed":
                return known
            known = replace(known, wants_password=True)
    return known


async def _quietly_read_clock(device: Device) -> None:
    with contextlib.suppress(NoAnswer):
        await device.clock()


async def _told(device: Device, known: Identity, said: str) -> Identity:
    """NoAnswer("auth_failed") where it wants another credential."""
    information = await device.information()
    profiles: list[Profile] = await device.profiles()
    records = RECORDING in await device.services()
    video = next((profile for profile in profiles if profile.has_video), None)
    place = await device.stream(video.token) if video else None
    mac = known.mac
    with contextlib.suppress(NoAnswer):
        mac = await device.mac() or mac
    channels = len({profile.source for profile in profiles if profile.source})
    return replace(
        known,
        kind=kind_of(f"{said} {information.vendor} {information.model}", channels, records),
        vendor=information.vendor,
        model=information.model or known.model,
        serial=information.serial,
        mac=mac,
        rtsp_port=place.port if place else 0,
        stream=place.path if place else "",
        credential=device.credential.name if device.credential else "",
    )


async def _with_video(
    address: str, found: Identity | None, credentials: Sequence[Credential], world: World
) -> Identity | None:
    """Where ONVIF did not tell the stream: its RTSP port, and the usual paths."""
    if found and found.stream:
        return found
    for port in RTSP_PORTS:
        server = await _rtsp_server(address, port, world)
        if server is None or (found is None and _NO_CAMERA.search(server)):
            continue
        base = replace(found or Identity(kind_of(server, 0, False), name=server), rtsp_port=port)
        return await _with_path(base, address, credentials, world)
    return found


async def _rtsp_server(address: str, port: int, world: World) -> str | None:
    """What the server calls itself; None where there is no RTSP."""
    place = Place(address, port)
    try:
        async with asyncio.timeout(LOOK_SECONDS), rtsp.conversation(place, Login("", "", world.entropy), world) as talk:
            return (await talk.ask("OPTIONS", "*")).head.field("server")[:64]
    except (NoAnswer, TimeoutError):
        return None


async def _with_path(base: Identity, address: str, credentials: Sequence[Credential], world: World) -> Identity:
    """The first usual path that is described, without a password or with the first credential that is not refused."""
    for credential in (None, *[one for one in credentials if one.username][:TRIES]):
        for path in PATHS:
            login = Login(*((credential.username, credential.password) if credential else ("", "")), world.entropy)
            status = await rtsp.described(Place(address, base.rtsp_port, path), login, world)
            if status == 200:
                return replace(base, stream=path, credential=credential.name if credential else "")
            if status in (0, 401, 403):  # a refused credential is not told again for the next path
                base = replace(base, wants_password=base.wants_password or status != 0)
                break
    return base
