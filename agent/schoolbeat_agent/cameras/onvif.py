"""What a camera or recorder says by ONVIF (Core, Media, Media2 and Recording specifications)."""

from __future__ import annotations

import contextlib
import re
from typing import Final
from urllib.parse import urlsplit

from schoolbeat_agent.cameras import digest, http, lockout, rtsp, soap
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.http import Endpoint
from schoolbeat_agent.cameras.onvif_answers import (
    MEDIA,
    RECORDING,
    Information,
    Profile,
    clock_of,
    information_of,
    profiles_of,
    services_of,
)
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.cameras.soap import Fault, Node
from schoolbeat_agent.cameras.ws_discovery import Hello, ws_discover
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

CALL_SECONDS: Final = 5.0
DISCOVER_SECONDS: Final = 1.5
DEVICE_PATH: Final = "/onvif/device_service"  # ONVIF Core, 5.1.1: of every device
DEVICE: Final = "http://www.onvif.org/ver10/device/wsdl"
MEDIA2: Final = "http://www.onvif.org/ver20/media/wsdl"
SCHEMA: Final = "http://www.onvif.org/ver10/schema"
JOBS: Final = 16


class Unauthorized(NoAnswer):
    """HTTP says no. is_soap: and what says so speaks SOAP, as no other thing behind a password does."""

    def __init__(self, at: Endpoint, answer: http.Answer) -> None:
        super().__init__("auth_failed", f"{at}: it is answered with {answer.head.status}")
        self.is_soap = b"Envelope" in answer.body


class Device:
    """One visit to a device: where its services are, what its clock says, and how it wants to be logged in to."""

    def __init__(self, at: Endpoint, credential: Credential | None, world: World) -> None:
        self.at, self.credential = at, credential
        self.clock_unix: float | None = None  # the camera's clock, when it was read
        self._world, self._read_at = world, 0.0
        self._services: dict[str, str] | None = None
        username, password = (credential.username, credential.password) if credential else ("", "")
        self._login = Login(username, password, world.entropy)

    async def clock(self) -> float | None:
        """The camera's clock minus this machine's, in seconds; None where one of the two is not known.

        It is asked without a password first: the answer is needed to make one (ONVIF Core, 5.9.4 and 8.1.2.1).
        A camera tells whole seconds, so that in the mean half of one is cut off.
        """
        operation = f'<GetSystemDateAndTime xmlns="{DEVICE}"/>'
        began, unix = self._world.monotonic(), self._world.unix()
        try:
            answer = await self.call(operation, secretly=False)
        except NoAnswer as no:
            if no.cause != "auth_failed" or not self._may_log_in():
                raise
            began, unix = self._world.monotonic(), self._world.unix()
            answer = await self.call(operation)
        ended = self._world.monotonic()
        self.clock_unix, self._read_at = clock_of(answer), (began + ended) / 2
        if self.clock_unix is None or unix is None:
            return None
        return self.clock_unix + 0.5 - (unix + (ended - began) / 2)

    async def information(self) -> Information:
        return information_of(await self.call(f'<GetDeviceInformation xmlns="{DEVICE}"/>'))

    async def services(self) -> dict[str, str]:
        if self._services is None:
            try:
                asked = f'<GetServices xmlns="{DEVICE}"><IncludeCapability>false</IncludeCapability></GetServices>'
                self._services = services_of(await self.call(asked))
            except NoAnswer as no:
                if no.cause == "auth_failed":
                    raise
                asked = f'<GetCapabilities xmlns="{DEVICE}"><Category>All</Category></GetCapabilities>'
                self._services = services_of(await self.call(asked))
        return self._services

    async def profiles(self) -> list[Profile]:
        namespace = await self._media()
        return profiles_of(await self.call(f'<GetProfiles xmlns="{namespace}"/>', to=namespace))

    async def stream(self, token: str) -> Place:
        """Where the profile's video is. The host is always the device itself, whatever its answer says."""
        namespace, named = await self._media(), f"<ProfileToken>{soap.escaped(token)}</ProfileToken>"
        if namespace == MEDIA:
            inner = (
                f'<StreamSetup><Stream xmlns="{SCHEMA}">RTP-Unicast</Stream>'
                f'<Transport xmlns="{SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>{named}'
            )
        else:
            inner = f"<Protocol>RTSP</Protocol>{named}"
        answer = await self.call(f'<GetStreamUri xmlns="{namespace}">{inner}</GetStreamUri>', to=namespace)
        uri = answer.text_at("MediaUri", "Uri") or answer.text_at("Uri")
        if not re.match(r"rtsp://", uri, re.IGNORECASE):
            raise NoAnswer("bad_answer", f"{self.at}: its stream address is not rtsp")
        return Place(self.at.address, rtsp.port_of(uri), rtsp.path_of(uri))

    async def job_states(self) -> list[str]:
        """Of a recorder's jobs; none where it has no recording service."""
        if RECORDING not in await self.services():
            return []
        jobs = await self.call(f'<GetRecordingJobs xmlns="{RECORDING}"/>', to=RECORDING)
        states = []
        for job in jobs.every("JobItem")[:JOBS]:
            token = soap.escaped(job.text_at("JobToken"))
            asked = f'<GetRecordingJobState xmlns="{RECORDING}"><JobToken>{token}</JobToken></GetRecordingJobState>'
            states.append((await self.call(asked, to=RECORDING)).text_at("State", "State"))
        return states

    async def mac(self) -> str:
        """Of its first interface; empty where it does not say. It stays on this machine."""
        answer = await self.call(f'<GetNetworkInterfaces xmlns="{DEVICE}"/>')
        for node in answer.within("HwAddress"):
            text = node.text.strip().lower().replace("-", ":")
            if re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", text):
                return text
        return ""

    async def call(self, operation: str, *, to: str = DEVICE, secretly: bool = True) -> Node:
        """The answer to one operation. NoAnswer: auth_failed, device_error (a Fault), bad_answer, timeout, refused."""
        at = self.at if to == DEVICE else self._at((await self.services())[to])
        security = self._token() if secretly and self._login.challenge is None else ""
        nobody = Login("", "", self._world.entropy)
        answer = await self._posted(at, operation, security, self._login if secretly and not security else nobody)
        challenges = digest.parse_challenges(answer.head.every("www-authenticate"))
        if security and answer.head.status == 401 and self._login.take(challenges):
            answer = await self._posted(at, operation, "", self._login)
        if answer.head.status in (401, 403):
            raise Unauthorized(at, answer)
        try:
            return soap.answer(answer.body)
        except Fault:
            raise
        except NoAnswer as no:
            raise NoAnswer(no.cause, f"{at}: HTTP {answer.head.status}, {no.detail}") from no

    async def _posted(self, at: Endpoint, operation: str, security: str, login: Login) -> http.Answer:
        body = soap.request(operation, security)
        return await http.post(at, body, login, self._world, seconds=CALL_SECONDS, most_bytes=soap.BODY_BYTES)

    def _may_log_in(self) -> bool:
        return bool(self.credential and self.credential.username)

    def _token(self) -> str:
        """By the camera's clock as it goes on since it was read; by ours where it does not tell."""
        if self.credential is None or not self.credential.username:
            return ""
        if self.clock_unix is None:
            created = self._world.unix() or self._world.wall()
        else:
            created = self.clock_unix + self._world.monotonic() - self._read_at
        return soap.username_token(self.credential.username, self.credential.password, self._world.entropy(16), created)

    async def _media(self) -> str:
        services = await self.services()
        for namespace in (MEDIA, MEDIA2):
            if namespace in services:
                return namespace
        raise NoAnswer("device_error", f"{self.at}: it offers no media service")

    def _at(self, xaddr: str) -> Endpoint:
        return endpoint_of(xaddr, self.at)


def endpoint_of(xaddr: str, near: Endpoint) -> Endpoint:
    """A service's place on the device that is asked: its path, and its port where it names this very address.

    Behind a second address, after a move or by malice the text names another host; that one is never asked.
    """
    try:
        parts = urlsplit(xaddr)
        port = parts.port or 80
    except ValueError as error:
        raise NoAnswer("bad_answer", f"{near}: a strange service address") from error
    same = parts.hostname == near.address and parts.scheme == "http"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(near.address, port if same else near.port, re.sub(r"[^!-~]", "", path)[:512])


async def find_endpoint(address: str, port: int, world: World) -> Endpoint:
    """Where a device's ONVIF is: at the given port, else where it says by WS-Discovery, else at port 80."""
    if port:
        return Endpoint(address, port, DEVICE_PATH)
    if ":" not in address:
        with contextlib.suppress(OSError):
            for hello in await ws_discover("", DISCOVER_SECONDS, world.entropy, to=address):
                if hello.address == address and (found := endpoint_said(hello)):
                    return found
    return Endpoint(address, 80, DEVICE_PATH)


def endpoint_said(hello: Hello) -> Endpoint | None:
    """The ONVIF service that a device says it has, at the address where it is; None where it has none over HTTP."""
    for xaddr in hello.xaddrs:
        if xaddr.startswith("http://"):
            parts = urlsplit(xaddr)
            return Endpoint(hello.address, parts.port or 80, parts.path or DEVICE_PATH)
    return None


async def stream_of(name: str, address: str, port: int, credential: Credential | None, world: World) -> Place | None:
    """Where a device's first video is: remembered, or asked for. None: it cannot be asked without a credential.

    NoAnswer where it does not tell.
    """
    if (known := world.memory.of_probe.get(f"stream {name}")) is not None:
        return known if isinstance(known, Place) else None
    if credential is None:
        return None
    if not lockout.may_try(address, credential, world):
        raise NoAnswer("auth_failed", f"{address}: it refused this password a while ago; tried again later")
    device = Device(await find_endpoint(address, port, world), credential, world)
    try:
        await device.clock()
        return await learn_stream(name, device, world)
    except NoAnswer as no:
        if no.cause == "auth_failed":
            lockout.refused(address, credential, world)
        raise


async def learn_stream(name: str, device: Device, world: World) -> Place | None:
    """The first profile with video, remembered for the rtsp probe. None where there is no such profile."""
    for profile in await device.profiles():
        if profile.has_video:
            place = await device.stream(profile.token)
            world.memory.of_probe[f"stream {name}"] = place
            return place
    return None


def forget_stream(name: str, world: World) -> None:
    world.memory.of_probe.pop(f"stream {name}", None)
