"""Does video arrive? Against a camera of our own with its faults, and GStreamer's server where it is installed."""

from __future__ import annotations

import asyncio
import base64
import os
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.emulated_camera import KEY, OTHER, PPS, SPROP, SPS, EmulatedCamera
from tests.agent.probe_fakes import deaf
from tests.ports import free_port

from schoolbeat_agent.cameras import digest, rtsp, sdp
from schoolbeat_agent.cameras.digest import Login
from schoolbeat_agent.cameras.rtsp import Place
from schoolbeat_agent.cameras.sdp import Description, Track
from schoolbeat_agent.cameras.video import PACKETS_WITHOUT_KEY, Video
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import rtsp as probe_rtsp
from schoolbeat_agent.probes.rtsp import RtspTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import build

SECRET = "Lớp 1 & <2>"
RIGHT = Credential("cameras", username="admin", password=SECRET)
WRONG = Credential("cameras", username="admin", password="sai rồi")
SHARED = Path(__file__).parents[3] / "shared" / "material" / "camera"
OURS = Path(__file__).with_name("gstreamer_camera.py")


def camera(**given: object) -> EmulatedCamera:
    return EmulatedCamera("127.0.0.1", rtsp_port=free_port(), http_port=0, discovery_port=0, **given)  # type: ignore[arg-type]


def watch(
    of: EmulatedCamera, credential: Credential | None = None, world: World | None = None, seconds: float = 5.0
) -> Observation:
    async def run() -> Observation:
        async with of.serving():
            target = RtspTarget("cam-1", of.address, of.rtsp_port, of.path, credential, video_seconds=seconds)
            return await probe_rtsp.probe(target, world or World())

    return asyncio.run(run())


def is_up(seen: Observation) -> bool:
    return seen.states == {"device.cam-1": State.UP}


# --- authentication ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_digest_of_rfc_7616_section_3_9_1(algorithm: str, response: str) -> None:
    field = (
        f'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={algorithm}, '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )
    (challenge,) = digest.parse_challenges([field])

    told = digest.digest_response(
        challenge,
        "Mufasa",
        "Circle of Life",
        "GET",
        "/dir/index.html",
        "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        1,
    )

    assert told == (
        'Digest username="Mufasa", realm="http-auth@example.org", '
        'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", uri="/dir/index.html", '
        f'response="{response}", algorithm={algorithm}, qop=auth, nc=00000001, '
        'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    )


@pytest.mark.parametrize(
    ("fields", "best"),
    [
        (
            ['Basic realm="IP, Camera", Digest realm="a \\"b\\"", nonce="n"'],
            ("digest", {"realm": 'a "b"', "nonce": "n"}),
        ),
        (
            ['Digest realm="r", nonce="n", algorithm=MD5', 'Digest realm="r", nonce="m", algorithm=SHA-256'],
            ("digest", {"realm": "r", "nonce": "m", "algorithm": "SHA-256"}),
        ),
        (['Digest realm="r", nonce="n", qop="auth-int"', "Basic realm=r"], ("basic", {"realm": "r"})),
        (['Digest realm="r", nonce="n", algorithm=SHA-512-256'], None),
        (['Digest realm="r"', "Negotiate", ""], None),
        ([], None),
    ],
)
def test_the_strongest_challenge_that_can_be_answered_is_taken(
    fields: list[str], best: tuple[str, dict[str, str]] | None
) -> None:
    found = digest.best(digest.parse_challenges(fields))

    assert (found and (found.scheme, found.parameters)) == best


def test_a_fresh_nonce_that_is_refused_is_a_refused_password_and_is_not_tried_again() -> None:
    login = Login("admin", "x", os.urandom)
    first, second = (digest.parse_challenges([f'Digest realm="r", nonce="{n}"']) for n in "ab")

    assert login.take(first)
    assert login.header("DESCRIBE", "rtsp://x/")
    assert not login.take(second)


@given(st.lists(st.text(max_size=300), max_size=3))
def test_no_challenge_is_too_strange_to_be_read(fields: list[str]) -> None:
    digest.best(digest.parse_challenges(fields))


def test_a_password_is_in_no_repr() -> None:
    target = RtspTarget("cam-1", "192.0.2.1", 554, f"/user=admin&password={SECRET}", RIGHT)

    shown = repr([target, Login("admin", SECRET, os.urandom), Place("192.0.2.1", 554, f"/{SECRET}")])

    assert SECRET not in shown
    assert "192.0.2.1" in shown


# --- description ---------------------------------------------------------------------------------------------------


def test_the_first_video_track_of_a_description() -> None:
    text = (
        "v=0\r\ns=x\r\na=control:rtsp://192.0.2.1/s/\r\nm=audio 0 RTP/AVP 8\r\na=control:trackID=2\r\n"
        "m=video 0 RTP/AVP 96 97\r\na=rtpmap:96 h264/90000\r\n"
        f"a=fmtp:96 profile-level-id=42c01e; sprop-parameter-sets={SPROP}\r\na=control:trackID=1\r\n"
        "m=video 0 RTP/AVP 26\r\na=control:trackID=3\r\n"
    )

    found = sdp.parse(text)

    parameters = {"profile-level-id": "42c01e", "sprop-parameter-sets": SPROP}
    assert found == Description("rtsp://192.0.2.1/s/", Track("H264", 96, "trackID=1", parameters))


@pytest.mark.parametrize("text", ["", "m=audio 0 RTP/AVP 8", "m=video", "m=video 0 RTP/AVP x", "m=video 0 RTP/AVP 999"])
def test_a_description_without_a_video_track_has_none(text: str) -> None:
    assert sdp.parse(text).video is None


@pytest.mark.parametrize(
    ("control", "base", "address"),
    [
        ("trackID=1", "rtsp://h/a/", "rtsp://h/a/trackID=1"),
        ("trackID=1", "rtsp://h/a", "rtsp://h/a/trackID=1"),
        (
            "trackID=0",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0/",
            "rtsp://h/cam/realmonitor?channel=1&subtype=0/trackID=0",
        ),
        ("*", "rtsp://h/a/", "rtsp://h/a/"),
        ("", "rtsp://h/a/", "rtsp://h/a/"),
        ("rtsp://10.0.0.5/b/1", "rtsp://h/a/", "rtsp://10.0.0.5/b/1"),
        ("/b/1", "rtsp://h:8554/a/", "rtsp://h:8554/b/1"),
    ],
)
def test_a_track_is_addressed_as_cameras_mean_it(control: str, base: str, address: str) -> None:
    assert sdp.address_of(control, base) == address


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("/live", "/live"),
        ("live ch1", "/live%20ch1"),
        ("rtsp://admin:x@192.0.2.9:8554/a?b=1", "/a?b=1"),
        ("/a\r\nTEARDOWN /b", "/a%0D%0ATEARDOWN%20/b"),
        ("RTSP://192.0.2.9", "/"),
        ("", ""),
    ],
)
def test_a_configured_stream_is_a_path_and_nothing_else(stream: str, path: str) -> None:
    assert rtsp.path_of(stream) == path


@given(st.text(max_size=500))
def test_no_description_is_too_strange_to_be_read(text: str) -> None:
    sdp.parse("m=video 0 RTP/AVP 96\r\n" + text)


# --- video ---------------------------------------------------------------------------------------------------------


def packet(payload: bytes, kind: int = 96, flags: int = 0x80) -> bytes:
    return struct.pack("!BBHII", flags, kind, 1, 2, 3) + payload


WITH_SETS = Track("H264", 96, "", {"sprop-parameter-sets": SPROP})
WITHOUT = Track("H264", 96)
STAP = b"\x78" + b"".join(struct.pack("!H", len(unit)) + unit for unit in (SPS, PPS))


@pytest.mark.parametrize(
    ("track", "packets", "is_there"),
    [
        (WITH_SETS, [packet(KEY)], True),
        (WITH_SETS, [packet(OTHER)], False),
        (WITH_SETS, [packet(b"\x65\x08\x84")], False),  # the middle of a key picture
        (WITH_SETS, [packet(b"\x7c\x85\x88")], True),  # FU-A that begins one
        (WITH_SETS, [packet(b"\x7c\x05\x88")], False),
        (WITHOUT, [packet(KEY)], False),
        (WITHOUT, [packet(SPS), packet(KEY)], False),
        (WITHOUT, [packet(SPS), packet(PPS), packet(KEY)], True),
        (WITHOUT, [packet(STAP), packet(KEY)], True),
        (WITHOUT, [packet(STAP[:-1]), packet(KEY)], False),
        (WITH_SETS, [packet(KEY, kind=97)], False),
        (WITH_SETS, [packet(KEY, flags=0x40)], False),  # not RTP version 2
        (WITH_SETS, [packet(b"\xbe\xde\0\1abcd" + KEY, flags=0x90)], True),  # behind a header extension
        (WITH_SETS, [packet(KEY + b"\0\0\3", flags=0xA0)], True),  # with padding
        (WITH_SETS, [packet(b"\xff", flags=0xA0)], False),  # nothing but padding, and more of it than there is
        (WITH_SETS, [packet(OTHER)] * PACKETS_WITHOUT_KEY, True),
        (WITH_SETS, [packet(OTHER)] * (PACKETS_WITHOUT_KEY - 1) + [packet(b"\xff")], False),
        (Track("JPEG", 26), [packet(b"\0\0\0\0\1\x50\x28\x1e" + bytes(9), 26)], True),
        (Track("JPEG", 26), [packet(b"\0\0\1\0\1\x50\x28\x1e" + bytes(9), 26)], False),
        (Track("MP4V-ES", 96, "", {"config": "000001B001"}), [packet(b"\0\0\1\xb6\x10")], True),
        (Track("MP4V-ES", 96, "", {"config": "000001B001"}), [packet(b"\0\0\1\xb6\x50")], False),
        (Track("MP4V-ES", 96), [packet(b"\0\0\1\xb0\x01\0\0\1\xb6\x10")], True),
        (Track("AV1", 96), [packet(b"a")] * PACKETS_WITHOUT_KEY, True),
    ],
)
def test_what_can_be_decoded(track: Track, packets: list[bytes], is_there: bool) -> None:
    video = Video(track)
    for one in packets:
        video.take(one)

    assert video.is_there is is_there


@given(st.sampled_from(["H264", "H265", "JPEG", "MP4V-ES", "?"]), st.lists(st.binary(max_size=80), max_size=8))
def test_no_packet_is_too_strange_to_be_dropped(codec: str, payloads: list[bytes]) -> None:
    video = Video(Track(codec, 96))
    for payload in payloads:
        video.take(payload)
        video.take(packet(payload, flags=0xB3))
        video.take(packet(payload))


def test_nothing_of_a_picture_is_kept() -> None:
    video = Video(WITH_SETS)
    video.take(packet(KEY))

    assert not [value for value in vars(video).values() if isinstance(value, bytes | bytearray | memoryview)]


# --- against the emulated camera -----------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["h264", "h264_in_band", "h265", "jpeg"])
def test_a_camera_whose_video_arrives_is_up(codec: str) -> None:
    of = camera(codec=codec)

    seen = watch(of)

    video_ms = seen.readings.pop(("device.cam-1", "video_ms"))
    assert 0 < video_ms < 5_000
    name = {"h265": "H265", "jpeg": "JPEG"}.get(codec, "H264")
    note = {"device.cam-1": f"127.0.0.1:{of.rtsp_port}; {name}"}
    assert seen == Observation({"device.cam-1": State.UP}, {}, {}, note)


def test_the_dialogue_ends_with_a_teardown_and_the_session_is_free() -> None:
    of = camera(password=SECRET)

    assert is_up(watch(of, RIGHT))

    url = f"rtsp://127.0.0.1:{of.rtsp_port}{of.path}"
    assert of.requests == [
        f"OPTIONS {url}",
        f"DESCRIBE {url}",
        f"DESCRIBE {url}",
        f"SETUP {url}/trackID=1",
        f"PLAY {url}/",
        f"TEARDOWN {url}/",
    ]
    assert of.rtsp_sessions == 0


def test_a_session_without_video_is_freed_too() -> None:
    of = camera(fault="no_rtp")

    watch(of, seconds=0.5)

    assert of.requests[-1].startswith("TEARDOWN")
    assert of.rtsp_sessions == 0


@pytest.mark.parametrize("auth", ["basic", "digest", "both", "sha256"])
def test_each_way_to_log_in(auth: str) -> None:
    of = camera(password=SECRET, auth=auth)

    assert is_up(watch(of, RIGHT))

    assert of.refused_logins == 0


@pytest.mark.parametrize(
    "fault",
    [
        "options_want_password",
        "early",
        "server_asks",
        "other_channel",
        "absolute_control",
        "no_base",
        "no_key",
        "stale",
        "one_time_nonce",
    ],
)
def test_what_real_cameras_do_differently_does_not_matter(fault: str) -> None:
    assert is_up(watch(camera(fault=fault, password=SECRET), RIGHT, seconds=20))


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("silent", "timeout"),
        ("slow_head", "timeout"),
        ("hang_options", "timeout"),
        ("hang_describe", "no_video"),
        ("hang_setup", "no_video"),
        ("hang_play", "no_video"),
        ("no_rtp", "no_video"),
        ("garbage", "no_video"),
        ("udp_only", "no_video"),
        ("wrong_cseq", "no_video"),
        ("status_404", "no_video"),
        ("status_503", "no_video"),
        ("status_403", "auth_failed"),
        ("close_options", "bad_answer"),
        ("close_describe", "bad_answer"),
        ("close_play", "bad_answer"),
        ("not_rtsp", "bad_answer"),
        ("flood_head", "bad_answer"),
        ("huge_body", "bad_answer"),
    ],
)
def test_a_camera_whose_video_does_not_arrive_is_down_in_time_with_its_cause(fault: str, cause: str) -> None:
    started = time.monotonic()

    seen = watch(camera(fault=fault), RIGHT, seconds=0.7)

    assert (seen.states, seen.causes, seen.readings) == (
        {"device.cam-1": State.DOWN},
        {"device.cam-1": cause},
        {},
    )
    assert time.monotonic() - started < 10


def test_a_flood_of_other_data_costs_a_bounded_time_and_memory() -> None:
    seen = watch(camera(fault="flood_data"), seconds=30)

    assert seen.causes == {"device.cam-1": "bad_answer"}
    assert "16 MiB" in seen.notes["device.cam-1"]


def test_a_description_of_sound_alone_is_no_video() -> None:
    assert watch(camera(codec="audio")).causes == {"device.cam-1": "no_video"}


def test_nobody_there_is_refused_and_nobody_answering_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp, "CONNECT_SECONDS", 0.2)

    async def run(port: int) -> Observation:
        return await probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", port, "/a"), World())

    with deaf() as port:
        silent = asyncio.run(run(port))
    refused = asyncio.run(run(free_port()))

    assert (silent.causes, refused.causes) == ({"device.cam-1": "timeout"}, {"device.cam-1": "refused"})


def test_a_camera_that_wants_a_password_we_were_not_given_is_not_measured() -> None:
    with pytest.raises(ProbeFailed) as failed:
        watch(camera(password=SECRET))

    assert failed.value.cause == "not_configured"
    assert "credential" in failed.value.detail


def test_a_device_without_a_stream_or_a_credential_is_not_measured_but_a_dead_one_is_down() -> None:
    of = camera()
    of.path = ""

    with pytest.raises(ProbeFailed) as failed:
        watch(of)
    dead = asyncio.run(probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", free_port()), World()))

    assert failed.value.cause == "not_configured"
    assert dead.causes == {"device.cam-1": "refused"}


def test_a_refused_password_is_told_seldom_so_that_no_account_is_locked() -> None:
    now = [1_000.0]
    world = World(monotonic=lambda: now[0])
    of = camera(password=SECRET)
    causes, refusals = [], []
    for at in (0, 120, 240, 700, 820, 1_840, 1_900):
        now[0] = 1_000.0 + at
        causes.append(watch(of, WRONG, world).causes["device.cam-1"])
        refusals.append(of.refused_logins)

    assert causes == ["auth_failed"] * 7
    assert refusals == [1, 1, 1, 2, 2, 2, 3]
    assert is_up(watch(of, RIGHT, world))  # a corrected password is told at once


def test_a_wrong_password_is_told_once_also_where_each_request_wants_one() -> None:
    of = camera(password=SECRET, fault="options_want_password")

    assert watch(of, WRONG).causes == {"device.cam-1": "auth_failed"}

    assert of.refused_logins == 1


def test_the_settings_say_which_cameras_are_watched(tmp_path: Path) -> None:
    devices = [
        {
            "id": "cam-1",
            "address": "192.0.2.1",
            "kind": "camera",
            "ask": "rtsp",
            "credential": "cameras",
            "stream": "/a",
        },
        {"id": "cam-2", "address": "192.0.2.2", "kind": "camera"},
        {"id": "nvr-1", "address": "192.0.2.3", "kind": "recorder", "ask": "rtsp", "port": 8554},
    ]
    found = {"site": "s", "agent": "a", "broker": {"host": "h"}, "device": devices}

    watches = probe_rtsp.watches(build(found, tmp_path / "agent.toml", {"cameras": RIGHT}))

    assert [(watch.signals, watch.readings, watch.every_seconds, watch.target) for watch in watches] == [
        (
            ("device.cam-1",),
            (("device.cam-1", "video_ms"),),
            120,
            RtspTarget("cam-1", "192.0.2.1", 554, "/a", RIGHT, "cameras"),
        ),
        (("device.nvr-1",), (("device.nvr-1", "video_ms"),), 120, RtspTarget("nvr-1", "192.0.2.3", 8554)),
    ]


def test_a_credential_that_secrets_toml_does_not_have_is_named() -> None:
    with pytest.raises(ProbeFailed, match="cameras"):
        asyncio.run(probe_rtsp.probe(RtspTarget("c", "192.0.2.1", 554, "/a", None, "cameras"), World()))


# --- against GStreamer's server ------------------------------------------------------------------------------------


def need_gstreamer() -> None:
    program = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, timeout=60, check=False)
    except OSError:
        pytest.skip("no /usr/bin/python3 here")
    if done.returncode:
        pytest.skip("GStreamer's RTSP server is not installed (180 MB: see tests/agent/gstreamer_camera.py)")


@pytest.fixture(scope="module")
def gstreamer() -> Iterator[Callable[[str], int]]:
    """Starts the server with a way to log in, once each; its port."""
    need_gstreamer()
    running: dict[str, tuple[subprocess.Popen[str], int]] = {}

    def start(auth: str) -> int:
        if auth not in running:
            port = free_port()
            command = ["/usr/bin/python3", str(OURS), str(port), auth]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            running[auth] = (process, port)
            assert process.stdout is not None
            assert process.stdout.readline() == "READY\n"
        return running[auth][1]

    yield start
    for process, _ in running.values():
        process.kill()
        process.communicate()


def ask(port: int, path: str, credential: Credential | None = None, seconds: float = 15.0) -> Observation:
    target = RtspTarget("cam-1", "127.0.0.1", port, path, credential, video_seconds=seconds)
    return asyncio.run(probe_rtsp.probe(target, World()))


GSTREAMERS_PASSWORD = Credential("gst", username="admin", password="Lớp 1 & 2")


@pytest.mark.parametrize("path", ["/h264", "/h265", "/jpeg"])
def test_real_encoders_are_understood(gstreamer: Callable[[str], int], path: str) -> None:
    seen = ask(gstreamer("none"), path)

    assert is_up(seen), seen
    assert seen.readings.keys() == {("device.cam-1", "video_ms")}


@pytest.mark.parametrize("auth", ["basic", "digest"])
def test_a_real_server_accepts_the_right_password_and_no_other(gstreamer: Callable[[str], int], auth: str) -> None:
    port = gstreamer(auth)

    assert is_up(ask(port, "/h264", GSTREAMERS_PASSWORD))
    assert ask(port, "/h264", WRONG).causes == {"device.cam-1": "auth_failed"}
    with pytest.raises(ProbeFailed):
        ask(port, "/h264")


def test_a_real_server_without_video_or_without_the_path(gstreamer: Callable[[str], int]) -> None:
    port = gstreamer("none")

    assert ask(port, "/other").causes == {"device.cam-1": "no_video"}
    assert ask(port, "/hang", seconds=1.0).causes == {"device.cam-1": "no_video"}  # and then it answers nobody


@pytest.mark.parametrize("auth", ["none", "basic", "digest"])
def test_the_shared_server_in_each_of_its_modes(auth: str) -> None:
    if not SHARED.exists():
        pytest.skip("needs ../shared/material/camera")
    need_gstreamer()
    port = free_port()
    command = ["/usr/bin/python3", str(SHARED / "rtspd.py"), "--port", str(port), "--auth", auth, "--hang"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("READY")
        credential = None if auth == "none" else Credential("c", username="admin", password="School@123")
        seen = {
            path: ask(port, path, credential, 8) for path in ("/cam", "/Streaming/Channels/101", "/cam/realmonitor")
        }
        hung = ask(port, "/hang", credential, 1.0)
    finally:
        process.kill()
        process.communicate()

    assert {path: is_up(one) for path, one in seen.items()} == dict.fromkeys(seen, True)
    assert hung.causes == {"device.cam-1": "no_video"}


def test_the_made_up_parameter_sets_are_what_they_say() -> None:
    assert [base64.b64decode(part)[0] & 0x1F for part in SPROP.split(",")] == [7, 8]
