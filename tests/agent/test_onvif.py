"""What cameras and recorders tell by ONVIF and WS-Discovery: a camera of our own, and answers of a real one."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeVar

import pytest
from tests.agent.emulated_camera import EmulatedCamera
from tests.agent.probe_fakes import in_namespace, need_namespaces
from tests.ports import free_port

from schoolbeat_agent.cameras import discovery, onvif, onvif_answers, security, soap, ws_discovery
from schoolbeat_agent.cameras.discovery import Identity, identify, kind_of
from schoolbeat_agent.cameras.http import Endpoint
from schoolbeat_agent.cameras.onvif import Device
from schoolbeat_agent.cameras.onvif_answers import Profile
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.cameras.soap import Fault
from schoolbeat_agent.cameras.ws_discovery import Hello, ws_discover
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import onvif as probe_onvif
from schoolbeat_agent.probes import rtsp as probe_rtsp
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.onvif import OnvifTarget
from schoolbeat_agent.probes.rtsp import RtspTarget
from schoolbeat_agent.probes.world import Memory, World
from schoolbeat_agent.settings import build

T = TypeVar("T")
SECRET = "Lớp 1 & <2>"
RIGHT = Credential("cameras", username="admin", password=SECRET)
WRONG = Credential("cameras", username="admin", password="sai rồi")
CAPTURES = Path(__file__).parents[3] / "shared" / "material" / "camera" / "onvif-captures-agsh"
NOW = 1_795_000_000.0  # 2026-11-18
SIGNAL = "device.cam-1"


def camera(**given: object) -> EmulatedCamera:
    told = {"rtsp_port": free_port(), "http_port": free_port(), "discovery_port": 0, "password": SECRET} | given
    return EmulatedCamera("127.0.0.1", **told)  # type: ignore[arg-type]


def target(of: EmulatedCamera, credential: Credential | None = RIGHT, **given: object) -> OnvifTarget:
    told = {"decides": True, "is_recorder": of.kind == "recorder"} | given
    return OnvifTarget("cam-1", of.address, of.http_port, credential=credential, **told)  # type: ignore[arg-type]


def observe(of: EmulatedCamera, asked: OnvifTarget | None = None, world: World | None = None) -> Observation:
    async def run() -> Observation:
        async with of.serving():
            return await probe_onvif.probe(asked or target(of), world or World(unix=time.time))

    return asyncio.run(run())


def visit(of: EmulatedCamera, work: Callable[[Device], Awaitable[T]], credential: Credential | None = RIGHT) -> T:
    async def run() -> T:
        async with of.serving():
            return await work(Device(Endpoint(of.address, of.http_port, "/onvif/device_service"), credential, World()))

    return asyncio.run(run())


# --- pure ----------------------------------------------------------------------------------------------------------


def test_the_digest_of_a_username_token_is_what_onvif_says() -> None:
    nonce = b"0123456789abcdef"

    text = soap.username_token("a<b", "userpassword", nonce, 1_284_648_573.0)

    proof = base64.b64encode(hashlib.sha1(nonce + b"2010-09-16T14:49:33.000Z" + b"userpassword").digest()).decode()
    assert f">{proof}</Password>" in text
    assert "<Username>a&lt;b</Username>" in text
    assert ">2010-09-16T14:49:33.000Z</Created>" in text
    assert f">{base64.b64encode(nonce).decode()}</Nonce>" in text
    assert "userpassword" not in text


def clock_answer(**given: object) -> bytes:
    told = {"Year": 2026, "Month": 11, "Day": 22, "Hour": 1, "Minute": 2, "Second": 3} | given
    day = "".join(f"<x:{name}>{told[name]}</x:{name}>" for name in ("Year", "Month", "Day"))
    hour = "".join(f"<x:{name}>{told[name]}</x:{name}>" for name in ("Hour", "Minute", "Second"))
    utc = f"<x:UTCDateTime><x:Time>{hour}</x:Time><x:Date>{day}</x:Date></x:UTCDateTime>"
    inner = f"<x:GetSystemDateAndTimeResponse><x:SystemDateAndTime>{utc}</x:SystemDateAndTime></x:GetSystemDateAndTimeResponse>"
    return f"<s:Envelope><s:Body>{inner}</s:Body></s:Envelope>".encode()


@pytest.mark.parametrize(
    ("given", "unix"),
    [
        ({}, 1_795_309_323.0),
        ({"Year": 1970, "Month": 1, "Day": 1, "Hour": 0, "Minute": 0, "Second": 0}, 0.0),
        ({"Second": 60}, 1_795_309_379.0),
        ({"Month": 13}, None),
        ({"Hour": "x"}, None),
        ({"Year": 10**30}, None),
        ({"Year": 9999}, None),
        ({"Year": 1969}, None),
        ({"Year": ""}, None),
    ],
)
def test_a_cameras_clock(given: dict[str, object], unix: float | None) -> None:
    assert onvif_answers.clock_of(soap.answer(clock_answer(**given))) == unix


@pytest.mark.parametrize(
    ("firmware", "day"),
    [
        ("V5.5.800 build 210628", date(2021, 6, 28)),
        ("2.800.0000000.20.R,Build Date:2021-05-12", date(2021, 5, 12)),
        ("V4.02.R11.20190725", date(2019, 7, 25)),
        ("v3.1.0_20240229", date(2024, 2, 29)),
        ("IPC_1.2 20230230", None),
        ("1.2.3", None),
        ("V5.4.5 170302", None),  # six digits alone may be anything
        ("20200101-20210101", None),  # two dates: which one?
        ("0120200101234", None),
        ("", None),
    ],
)
def test_the_date_of_a_firmware_only_where_it_is_clear(firmware: str, day: date | None) -> None:
    assert onvif_answers.built_on(firmware) == day


@pytest.mark.parametrize(
    ("states", "records"),
    [([], None), (["Idle"], False), (["Idle", "Active"], True), (["PartiallyActive"], True), (["Error", ""], False)],
)
def test_a_recorder_records_when_one_of_its_jobs_does(states: list[str], records: bool | None) -> None:
    assert onvif_answers.is_recording(states) is records


@pytest.mark.parametrize(
    ("xaddr", "path", "port"),
    [
        ("http://192.0.2.5:8000/onvif/media", "/onvif/media", 8000),
        ("http://192.0.2.5/onvif/media", "/onvif/media", 80),
        ("http://10.9.9.9:99/onvif/media?a=1", "/onvif/media?a=1", 8899),
        ("http://evil.example/x", "/x", 8899),
        ("https://192.0.2.5/x", "/x", 8899),
        ("http://192.0.2.5/a b\r\nHost: c", "/abHost:c", 80),
    ],
)
def test_a_service_is_asked_on_the_device_itself_whatever_host_it_names(xaddr: str, path: str, port: int) -> None:
    near = Endpoint("192.0.2.5", 8899, "/")

    assert onvif.endpoint_of(xaddr, near) == Endpoint("192.0.2.5", port, path)


@pytest.mark.parametrize(
    ("said", "channels", "records", "kind"),
    [
        ("NetworkVideoTransmitter onvif://www.onvif.org/hardware/DS-2CD2143G0-I", 1, True, "camera"),
        ("onvif://www.onvif.org/hardware/DS-7608NI-K2", 8, True, "recorder"),
        ("onvif://www.onvif.org/type/Network_Video_Recorder", 0, False, "recorder"),
        ("Dahua DHI-NVR4108HS-4KS2", 0, False, "recorder"),
        ("Dahua XVR5108", 0, False, "recorder"),
        ("NetworkVideoStorage", 0, False, "recorder"),
        ("onvif://www.onvif.org/name/IPC video_encoder", 2, True, "camera"),
        ("Generic", 16, True, "recorder"),
        ("Generic", 16, False, "camera"),
    ],
)
def test_a_recorder_is_told_from_a_camera(said: str, channels: int, records: bool, kind: str) -> None:
    assert kind_of(said, channels, records) == kind


@pytest.mark.parametrize(
    ("endpoint", "mac"),
    [
        ("urn:uuid:1419d68a-1dd2-11b2-a105-242121a37efc", "24:21:21:a3:7e:fc"),
        ("urn:uuid:1419D68A-1DD2-11B2-A105-242121A37EFC", "24:21:21:a3:7e:fc"),
        ("uuid:c9790c3a-701b-464d-a189-0060351c8ada", ""),  # a random one
        ("urn:uuid:1419d68a-1dd2-11b2-a105-252121a37efc", ""),  # a group address is nobody's
        ("", ""),
    ],
)
def test_the_mac_in_an_endpoints_name(endpoint: str, mac: str) -> None:
    assert ws_discovery.mac_of(endpoint) == mac


@pytest.mark.parametrize(
    ("kept", "is_due"),
    [("", True), ("1000 1", False), (f"{1000 - 7 * 86_400} 0", True), ("2000 0", False), ("x", True)],
)
def test_default_passwords_are_due_once_a_week(kept: str, is_due: bool) -> None:
    assert security.is_due(kept, 1_000) is is_due


# --- the probe -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("onvif_auth", ["wsse", "digest"])
@pytest.mark.parametrize("skew", [0.0, -3_600.0, 400_000_000.0])
def test_a_camera_tells_its_clock_and_firmware_and_what_stands_open(onvif_auth: str, skew: float) -> None:
    of = camera(skew_seconds=skew, onvif_auth=onvif_auth, now=lambda: NOW)

    seen = observe(of, world=World(unix=lambda: NOW))

    offset = seen.readings.pop((SIGNAL, "clock_offset_seconds"))
    assert abs(offset - skew) < 3
    assert seen == Observation(
        {SIGNAL: State.UP},
        {
            (SIGNAL, "firmware_age_days"): 1_038.0,
            (SIGNAL, "telnet_open"): 0.0,
            (SIGNAL, "open_stream"): 0.0,
        },
        {},
        {SIGNAL: f"127.0.0.1:{of.http_port}; Emulated EC-1; V1.2.3 build 240115"},
    )
    assert of.refused_logins == 0


def test_a_recorder_tells_whether_it_records() -> None:
    values = [
        observe(camera(kind="recorder", channels=3, recording=state)).readings[SIGNAL, "recording"]
        for state in ("Active", "Idle")
    ]

    assert values == [1.0, 0.0]


def test_a_machine_that_does_not_know_the_time_tells_no_offset_and_no_age() -> None:
    seen = observe(camera(skew_seconds=-1e6), world=World())

    assert seen.states == {SIGNAL: State.UP}
    assert seen.readings.keys() == {(SIGNAL, "telnet_open"), (SIGNAL, "open_stream")}


def test_an_open_stream_and_an_open_telnet_are_facts() -> None:
    of = camera(password="", telnet_port=free_port())

    seen = observe(of, target(of, telnet_port=of.telnet_port))

    assert (seen.readings[SIGNAL, "open_stream"], seen.readings[SIGNAL, "telnet_open"]) == (1.0, 1.0)


def test_serial_number_mac_and_password_are_in_nothing_that_is_told() -> None:
    of = camera(serial="SERIAL-77")
    world = World(unix=time.time)

    seen = observe(of, world=world)

    told = repr((seen, world.memory))
    for secret in (of.serial, of.mac, SECRET, of.path):
        assert secret not in told


@pytest.mark.parametrize("onvif_auth", ["wsse", "digest"])
@pytest.mark.parametrize("fault", ["chunked", "until_close", "clock_wants_password", "other_host"])
def test_what_real_devices_do_differently_does_not_matter(fault: str, onvif_auth: str) -> None:
    seen = observe(camera(fault=fault, onvif_auth=onvif_auth))

    assert seen.states == {SIGNAL: State.UP}
    assert seen.readings.keys() >= {(SIGNAL, "clock_offset_seconds"), (SIGNAL, "open_stream")}


def test_video_is_looked_for_on_the_device_itself_whatever_host_it_names() -> None:
    of = camera(fault="other_host")

    place = visit(of, lambda device: device.stream("p0"))

    assert place == Place(of.address, of.rtsp_port, of.path)


def test_a_fault_is_told_from_a_refused_password() -> None:
    of = camera()

    with pytest.raises(Fault) as fault:
        visit(of, lambda device: device.call('<SystemReboots xmlns="http://www.onvif.org/ver10/device/wsdl"/>'))
    with pytest.raises(Fault) as refused:
        visit(of, Device.information, WRONG)

    assert (fault.value.cause, refused.value.cause) == ("device_error", "auth_failed")
    assert refused.value.codes == ("Sender", "NotAuthorized")


@pytest.mark.parametrize("onvif_auth", ["wsse", "digest"])
def test_a_refused_password_is_told_once_and_what_is_open_to_all_is_still_read(onvif_auth: str) -> None:
    of, memory = camera(onvif_auth=onvif_auth), Memory()

    first = observe(of, target(of, WRONG), World(unix=time.time, memory=memory))
    again = observe(of, target(of, WRONG), World(unix=time.time, memory=memory))

    assert first.states == again.states == {SIGNAL: State.DOWN}
    assert first.causes == again.causes == {SIGNAL: "auth_failed"}
    assert (SIGNAL, "clock_offset_seconds") in first.readings
    assert (SIGNAL, "clock_offset_seconds") in again.readings
    assert of.refused_logins == 1


def test_a_refused_password_is_told_once_also_where_the_clock_wants_one() -> None:
    of, memory = camera(fault="clock_wants_password"), Memory()

    seen = [observe(of, target(of, WRONG), World(memory=memory)) for _ in range(2)]

    assert [one.causes for one in seen] == [{SIGNAL: "auth_failed"}] * 2
    assert of.refused_logins == 1


def test_where_video_decides_a_device_that_does_not_answer_is_a_failed_measurement() -> None:
    asked = OnvifTarget("cam-1", "127.0.0.1", free_port(), credential=RIGHT)

    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(probe_onvif.probe(asked, World()))

    assert failed.value.cause == "refused"


def test_a_camera_whose_onvif_is_switched_off_still_shows_what_stands_open() -> None:
    of = camera(http_port=0)

    seen = observe(of, OnvifTarget("cam-1", of.address, free_port(), of.rtsp_port, of.path, RIGHT))

    assert (seen.states, seen.readings) == ({}, {(SIGNAL, "open_stream"): 0.0, (SIGNAL, "telnet_open"): 0.0})


def test_where_onvif_decides_a_device_that_does_not_answer_is_down() -> None:
    asked = OnvifTarget("cam-1", "127.0.0.1", free_port(), credential=RIGHT, decides=True)

    seen = asyncio.run(probe_onvif.probe(asked, World()))

    assert (seen.states, seen.causes, seen.readings) == ({SIGNAL: State.DOWN}, {SIGNAL: "refused"}, {})


def test_the_video_probe_learns_the_stream_from_onvif_once() -> None:
    of, memory = camera(), Memory()
    observe(of, world=World(memory=memory))
    asked = len(of.requests)

    async def run() -> Observation:
        async with of.serving():
            return await probe_rtsp.probe(RtspTarget("cam-1", of.address, credential=RIGHT), World(memory=memory))

    seen = asyncio.run(run())

    assert seen.states == {SIGNAL: State.UP}
    assert not [one for one in of.requests[asked:] if "rtsp" not in one]


def test_default_passwords_are_tried_only_where_that_is_wanted_and_once_a_week() -> None:
    now = [NOW]
    world = World(unix=lambda: now[0], monotonic=lambda: now[0])
    of = camera(password="12345")
    credential = Credential("cameras", username="viewer", password="x")
    wanted = target(of, credential, try_defaults=True, stream=of.path, rtsp_port=of.rtsp_port)
    values, refusals = [], []

    observe(of, target(of, None, stream=of.path, rtsp_port=of.rtsp_port), World(unix=lambda: NOW))
    refusals.append(of.refused_logins)
    for hours in (0, 1, 24 * 8):
        now[0] = NOW + hours * 3_600
        values.append(observe(of, wanted, world).readings.get((SIGNAL, "default_password")))
        of.password = "another"

    assert (refusals, values) == ([0], [1.0, 1.0, 0.0])
    assert world.memory.kept == {"onvif 127.0.0.1": f"{int(now[0])} 0"}
    assert SECRET not in repr(world.memory.kept)


def test_the_channels_of_one_recorder_try_default_passwords_once_together() -> None:
    world = World(unix=lambda: NOW)
    of = camera(password="another", kind="recorder")
    asked = [
        OnvifTarget(f"channel-{n}", of.address, of.http_port, of.rtsp_port, of.path, try_defaults=True)
        for n in range(8)
    ]

    async def run() -> list[Observation]:
        async with of.serving():
            return list(await asyncio.gather(*(probe_onvif.probe(one, world) for one in asked)))

    asyncio.run(run())

    assert of.refused_logins == len(security.DEFAULTS)


def test_our_own_credential_that_is_a_default_one_is_told_without_trying() -> None:
    of = camera(password="12345")

    seen = observe(of, target(of, Credential("c", username="admin", password="12345"), try_defaults=True))

    assert seen.readings[SIGNAL, "default_password"] == 1.0
    assert of.refused_logins == 0


def test_the_settings_say_which_devices_are_asked(tmp_path: Path) -> None:
    devices = [
        {"id": "cam-1", "address": "192.0.2.1", "kind": "camera", "ask": "rtsp", "credential": "cameras", "port": 8554},
        {"id": "cam-2", "address": "192.0.2.2", "kind": "camera", "ask": "rtsp"},
        {"id": "nvr-1", "address": "192.0.2.3", "kind": "recorder", "ask": "onvif", "port": 8000},
        {"id": "ap-1", "address": "192.0.2.4", "kind": "access_point", "credential": "cameras"},
    ]
    found = {"site": "s", "agent": "a", "broker": {"host": "h"}, "device": devices, "lan": {"default_passwords": True}}

    watches = probe_onvif.watches(build(found, tmp_path / "agent.toml", {"cameras": RIGHT}))

    assert [(watch.name, watch.signals, watch.every_seconds, watch.target) for watch in watches] == [
        (
            "onvif device.cam-1",
            (),
            600,
            OnvifTarget("cam-1", "192.0.2.1", 0, 8554, "", RIGHT, "cameras", False, False, True),
        ),
        (
            "onvif device.nvr-1",
            ("device.nvr-1",),
            120,
            OnvifTarget("nvr-1", "192.0.2.3", 8000, 0, "", None, "", True, True, True),
        ),
    ]
    assert [[reading for _, reading in watch.readings] for watch in watches] == [
        ["clock_offset_seconds", "firmware_age_days", "open_stream", "telnet_open", "default_password"],
        ["clock_offset_seconds", "firmware_age_days", "open_stream", "telnet_open", "recording", "default_password"],
    ]


# --- answers of a real camera --------------------------------------------------------------------------------------


def capture(name: str) -> bytes:
    if not CAPTURES.exists():
        pytest.skip("needs ../shared/material/camera/onvif-captures-agsh")
    return (CAPTURES / name).read_bytes()


def why_not_read(body: bytes) -> str:
    try:
        soap.answer(body)
    except NoAnswer as no:
        return no.cause
    return ""


def test_every_captured_answer_is_read_but_the_two_that_are_not_xml() -> None:
    capture("Error.xml")
    names = sorted(path.name for path in CAPTURES.iterdir() if path.name != "LICENSE")
    causes = {name: cause for name in names if (cause := why_not_read(capture(name)))}

    assert sorted(causes) == [
        "Error.xml",
        "PullMessages.xml",
    ]  # quotation marks of a word processor; a template's brackets
    assert set(causes.values()) == {"bad_answer"}
    assert len(names) >= 77


def test_the_captured_camera() -> None:
    services = onvif_answers.services_of(soap.answer(capture("GetServices.xml")))
    information = onvif_answers.information_of(soap.answer(capture("GetDeviceInformation.xml")))

    assert onvif_answers.clock_of(soap.answer(capture("GetSystemDateAndTime.xml"))) == 1_419_448_477.0
    assert services[onvif_answers.MEDIA] == "http://192.168.68.111/onvif/services"
    assert (
        onvif_answers.services_of(soap.answer(capture("GetCapabilities.xml")))[onvif_answers.MEDIA]
        == services[onvif_answers.MEDIA]
    )
    assert onvif_answers.profiles_of(soap.answer(capture("GetProfiles.xml"))) == [Profile("main", "vidsrc0", True)]
    assert (information.vendor, information.model, information.firmware, information.serial) == (
        "Mockup Manufacturer",
        "Mockup Model",
        "Mockup_15_14_13",
        "00000000",
    )
    assert onvif_answers.built_on(information.firmware) is None


def test_the_captured_answer_to_a_search() -> None:
    data = capture("Probe.xml").replace(b"SERVICE_URI", b"http://192.168.68.111/onvif/device_service")

    (hello,) = ws_discovery.parse(data, "192.168.68.111", {"RELATES_TO"})

    assert (hello.address, hello.types) == ("192.168.68.111", ("NetworkVideoTransmitter", "Device"))
    assert (hello.scope("hardware"), hello.scope("name")) == ("HD_PREDATOR", "PREDATOR")
    assert onvif.endpoint_said(hello) == Endpoint("192.168.68.111", 80, "/onvif/device_service")
    assert ws_discovery.parse(data, "192.168.68.111", {"urn:uuid:another"}) == []


# --- a camera of another author ------------------------------------------------------------------------------------


@contextmanager
def ipycam(folder: Path, python: str) -> Iterator[str]:
    """PyPI ipycam at 192.0.2.21 of a namespace, for it listens at every address; yields the namespace of who asks."""
    need_namespaces()
    cam, asker = f"sbi{os.getpid()}", f"sba{os.getpid()}"
    video, config = folder / "video.mp4", folder / "ipycam.json"
    source = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=10", "-t", "5", "-pix_fmt", "yuv420p", str(video)]
    subprocess.run(["ffmpeg", "-v", "error", *source], check=True)
    told = {"name": "CAM", "manufacturer": "PythonCam", "model": "VirtualCam-1", "local_ip": "192.0.2.21"}
    told |= {"username": "admin", "password": "School@123", "main_width": 320, "main_height": 240, "main_fps": 10}
    config.write_text(json.dumps(told))
    process = None
    try:
        for command in (
            f"netns add {cam}",
            f"netns add {asker}",
            f"link add eth0 netns {cam} type veth peer name eth0 netns {asker}",
            *(f"-n {one} link set lo up" for one in (cam, asker)),
            f"-n {cam} addr add 192.0.2.21/24 dev eth0",
            f"-n {asker} addr add 192.0.2.1/24 dev eth0",
            *(f"-n {one} link set eth0 up" for one in (cam, asker)),
            *(f"-n {one} route add 239.0.0.0/8 dev eth0" for one in (cam, asker)),
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        command = ["ip", "netns", "exec", cam, python, "-m", "ipycam", "--config", str(config), "--source", str(video)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield asker
    finally:
        if process:
            process.kill()
            process.communicate()
        for one in (cam, asker):
            subprocess.run(["ip", "netns", "del", one], check=False, capture_output=True)


@pytest.mark.namespaces
def test_ipycam_is_found_and_its_video_arrives(tmp_path: Path) -> None:
    python = os.environ.get("IPYCAM_PYTHON", "")
    if not python or shutil.which("ffmpeg") is None:
        pytest.skip("needs ffmpeg, and IPYCAM_PYTHON: a Python with ipycam 1.3.0 (100 MB with its opencv)")
    login = Credential("ipycam", username="admin", password="School@123")

    async def work() -> tuple[Identity | None, Observation, Observation]:
        world = World(unix=time.time)
        hellos: list[Hello] = []
        for _ in range(20):
            hellos = hellos or await ws_discover("192.0.2.1", 1.5)
        await asyncio.sleep(3)  # its video comes up after its ONVIF
        known = await identify("192.0.2.21", [login], world, hellos[0])
        told = await probe_onvif.probe(OnvifTarget("cam-1", "192.0.2.21", credential=login, decides=True), world)
        return known, told, await probe_rtsp.probe(RtspTarget("cam-1", "192.0.2.21", credential=login), world)

    with ipycam(tmp_path, python) as namespace:
        known, told, video = in_namespace(namespace, work)

    assert known is not None
    assert (known.vendor, known.model, known.onvif_port, known.rtsp_port, known.stream) == (
        "PythonCam",
        "VirtualCam-1",
        8080,
        8554,
        "/video_main",
    )
    assert told.states == video.states == {SIGNAL: State.UP}
    assert told.readings[SIGNAL, "open_stream"] == 1.0  # its RTSP wants no password
    assert abs(told.readings[SIGNAL, "clock_offset_seconds"]) < 3


# --- discovery -----------------------------------------------------------------------------------------------------


@contextmanager
def school(*cameras: tuple[str, ...]) -> Iterator[str]:
    """A LAN of our own: this machine at 192.0.2.1, and emulated devices as processes at their addresses."""
    need_namespaces()
    name = f"sbc{os.getpid()}"
    running = []
    try:
        for command in (
            f"netns add {name}",
            f"-n {name} link set lo up",
            f"-n {name} link add lan type bridge",
            f"-n {name} addr add 192.0.2.1/24 dev lan",
            f"-n {name} link set lan up",
            *(f"-n {name} addr add {one[0]}/24 dev lan" for one in cameras),
        ):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        script = str(Path(__file__).with_name("emulated_camera.py"))
        for one in cameras:
            command = ["ip", "netns", "exec", name, sys.executable, script, *one]
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        for process in running:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("READY")
        yield name
    finally:
        for process in running:
            process.kill()
            process.communicate()
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.namespaces
def test_a_search_finds_every_device_on_the_lan_once_and_knows_them() -> None:
    devices = (
        ("192.0.2.21", "--password", SECRET, "--mac", "24:21:21:00:00:21", "--model", "EC 21"),
        ("192.0.2.22", "--password", SECRET, "--mac", "24:21:21:00:00:22", "--fault", "probe_match", "--auth", "basic"),
        ("192.0.2.31", "--password", SECRET, "--mac", "24:21:21:00:00:31", "--kind", "recorder", "--channels", "8"),
        ("192.0.2.41", "--fault", "unrelated", "--path", "/stream1"),
        ("192.0.2.42", "--password", "other", "--fault", "noise"),
    )

    async def work() -> tuple[list[Hello], list[Identity | None], list[Hello]]:
        found = sorted(await ws_discover("192.0.2.1", 1.5), key=lambda hello: hello.address)
        alone = await ws_discover("", 1.5, to="192.0.2.22")
        known = [await identify(hello.address, [WRONG, RIGHT], World(), hello) for hello in found]
        return (
            found,
            [*known, await identify("192.0.2.41", [], World()), await identify("192.0.2.1", [], World())],
            alone,
        )

    with school(*devices) as name:
        found, known, alone = in_namespace(name, work)

    assert [hello.address for hello in found] == ["192.0.2.21", "192.0.2.22", "192.0.2.31", "192.0.2.42"]
    assert [hello.address for hello in alone] == ["192.0.2.22"]
    one, two, recorder, strange, by_ports, nobody = known
    path = EmulatedCamera.path
    first = Identity(
        "camera",
        "Emulated",
        "EC 21",
        "Emulated EC 21",
        "24:21:21:00:00:21",
        "EC1-000001",
        80,
        554,
        path,
        "cameras",
        True,
    )
    assert one == first
    assert two is not None
    assert (two.kind, two.mac, two.stream) == ("camera", "24:21:21:00:00:22", path)
    assert recorder is not None
    assert (recorder.kind, recorder.mac, recorder.credential) == ("recorder", "24:21:21:00:00:31", "cameras")
    assert strange is not None
    assert (strange.kind, strange.wants_password, strange.credential, strange.stream) == ("camera", True, "", "")
    assert by_ports is not None
    assert (by_ports.kind, by_ports.onvif_port, by_ports.stream) == ("camera", 80, "/stream1")
    assert nobody is None


def test_a_camera_without_onvif_is_known_by_the_usual_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    of = camera(http_port=0, path="/cam/realmonitor?channel=1&subtype=0")
    monkeypatch.setattr(discovery, "RTSP_PORTS", (of.rtsp_port,))
    monkeypatch.setattr(discovery, "ONVIF_PORTS", (free_port(),))

    async def run() -> Identity | None:
        async with of.serving():
            return await identify("127.0.0.1", [WRONG, RIGHT], World())

    found = asyncio.run(run())

    assert found == Identity(
        "camera", rtsp_port=of.rtsp_port, stream=of.path, credential="cameras", wants_password=True
    )
    assert of.refused_logins == 1


def test_a_message_id_is_a_random_uuid() -> None:
    pattern = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

    assert all(re.fullmatch(pattern, ws_discovery.message_id(os.urandom)) for _ in range(100))
