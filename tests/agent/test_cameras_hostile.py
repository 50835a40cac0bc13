"""A device that answers with malice or madness costs a bounded time and memory, and says so in one word."""

from __future__ import annotations

import asyncio
import logging
import resource
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agent.emulated_camera import EmulatedCamera
from tests.ports import free_port

from schoolbeat_agent.cameras import discovery, heads, onvif, rtsp, soap, ws_discovery
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, State
from schoolbeat_agent.probes import onvif as probe_onvif
from schoolbeat_agent.probes import rtsp as probe_rtsp
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.onvif import OnvifTarget
from schoolbeat_agent.probes.rtsp import RtspTarget
from schoolbeat_agent.probes.world import World

T = TypeVar("T")
SECRET = "mật khẩu của trường"
CREDENTIAL = Credential("cameras", username="admin", password=SECRET)
SIGNAL = "device.cam-1"


async def asked(port: int) -> Observation:
    target = OnvifTarget("cam-1", "127.0.0.1", port, credential=CREDENTIAL, decides=True)
    return await probe_onvif.probe(target, World(unix=time.time))


def against(fault: str) -> tuple[Observation, float]:
    async def run() -> Observation:
        of = EmulatedCamera("127.0.0.1", 0, free_port(), 0, password=SECRET, fault=fault)
        async with of.serving():
            return await asked(of.http_port)

    started = time.monotonic()
    return asyncio.run(run()), time.monotonic() - started


@pytest.mark.parametrize("fault", ["bomb", "external", "deep", "wide", "huge", "not_xml", "empty"])
def test_hostile_xml_is_a_bad_answer(fault: str) -> None:
    seen, seconds = against(fault)

    assert (seen.states, seen.causes, seen.readings) == ({SIGNAL: State.DOWN}, {SIGNAL: "bad_answer"}, {})
    assert seconds < 8


@pytest.mark.parametrize("fault", ["hang_http", "slow_http"])
def test_a_device_that_hangs_or_drips_is_a_timeout(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onvif, "CALL_SECONDS", 0.5)

    seen, seconds = against(fault)

    assert seen.causes == {SIGNAL: "timeout"}
    assert seconds < 8


BOMB = '<!DOCTYPE a [<!ENTITY b "bb">]><a>&b;</a>'


@pytest.mark.parametrize(
    "body",
    [
        BOMB.encode(),
        BOMB.encode("utf-16"),
        b"\xef\xbb\xbf" + BOMB.encode(),
        b'<?xml version="1.0" encoding="utf-16"?>' + BOMB.encode(),
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x"><a/>',
        b"<!DOCTYPE a><a/>",
        b"<a>&nothing;</a>",
        b"<a>" * (soap.DEPTH + 1) + b"</a>" * (soap.DEPTH + 1),
        b"<a>" + b"<b/>" * soap.PARTS + b"</a>",
        b"<a " + b" ".join(b'x%d="1"' % n for n in range(soap.PARTS)) + b"/>",
        b"<a>" + b"x" * soap.BODY_BYTES + b"</a>",
        b"<a><b></a>",
        b"\0\0\0",
        b"",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_refused_of_xml(body: bytes) -> None:
    with pytest.raises(NoAnswer) as no:
        soap.parse(body)

    assert no.value.cause == "bad_answer"


def test_a_large_answer_within_the_bounds_takes_little_time() -> None:
    body = b"<a>" + b"<b>" + b"&#65;" * 48_000 + b"</b>" + b"</a>"
    started = time.process_time()

    assert len(soap.parse(body).children[0].text) == 48_000
    assert time.process_time() - started < 2


def why_not_read(body: bytes) -> str | None:
    try:
        soap.answer(body)
    except NoAnswer as no:
        return no.cause
    return None


@given(st.binary(max_size=400))
def test_no_bytes_are_too_strange_for_the_xml_reader(body: bytes) -> None:
    within = b"<Envelope><Body>" + body + b"</Body></Envelope>"

    assert {why_not_read(body), why_not_read(within)} <= {None, "bad_answer", "device_error", "auth_failed"}


@given(st.binary(max_size=400))
def test_no_datagram_is_too_strange_for_discovery(data: bytes) -> None:
    assert ws_discovery.parse(data, "192.0.2.1", {"x"}) == []


def test_a_discovery_answer_is_cleaned_and_bounded() -> None:
    match = (
        "<ProbeMatch><EndpointReference><Address>urn:uuid:1</Address></EndpointReference><Types>a:NetworkVideoTransmitter</Types>"
        f"<Scopes>onvif://www.onvif.org/name/\u202e{'x' * 5_000} {' '.join('s' for _ in range(500))}</Scopes>"
        "<XAddrs>file:///etc/passwd http://[bad http://192.0.2.1:99999/ javascript:x http://192.0.2.7/onvif</XAddrs></ProbeMatch>"
    )
    head = f"<Header><RelatesTo>x</RelatesTo><Action>{ws_discovery._DISCOVERY}/ProbeMatches</Action></Header>"
    text = f"<Envelope>{head}<Body><ProbeMatches>{match * 20}</ProbeMatches></Body></Envelope>"

    found = ws_discovery.parse(text.encode(), "192.0.2.7", {"x"})

    assert len(found) == 8
    assert (found[0].xaddrs, len(found[0].scopes), len(found[0].scopes[0])) == (("http://192.0.2.7/onvif",), 32, 200)
    assert "\u202e" not in found[0].scopes[0]


def answering(*parts: bytes, then_close: bool = True) -> Callable[[Callable[[int], Awaitable[T]]], T]:
    """Runs what asks a server that sends these bytes to whoever connects."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            if not then_close:
                await reader.read(-1)
        except OSError:
            pass
        writer.close()

    def run(ask: Callable[[int], Awaitable[T]]) -> T:
        async def inner() -> T:
            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            try:
                return await ask(server.sockets[0].getsockname()[1])
            finally:
                server.close()

        return asyncio.run(inner())

    return run


HTTP = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"\x00\xff" * 100,),
        (b"SSH-2.0-dropbear\r\n",),
        (HTTP + b"Content-Length: 99999999999999\r\n\r\n",),
        (HTTP + b"Content-Length: -1\r\n\r\n<a/>",),
        (HTTP + b"Content-Length: 10\r\n\r\n<a/>",),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n",),
        (HTTP + b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n" * 1_000] * 300),
        (HTTP, *[b"X: " + b"a" * 1_000 + b"\r\n"] * 100),
        (HTTP, *[b"X: y\r\n"] * 10_000),
        (HTTP + b"X: " + b"a" * 200_000,),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3,),
        (b"HTTP/1.1 99999 OK\r\n\r\n",),
        (b"HTTP/1.1 \r\n\r\n",),
    ],
    ids=lambda parts: repr(parts[-1][:30]),
)
def test_hostile_http_is_a_bad_answer(parts: tuple[bytes, ...]) -> None:
    seen = answering(*parts)(asked)

    assert seen.causes == {SIGNAL: "bad_answer"}


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"$",),
        (b"$\0\0\0" * 500_000,),
        (b"$\0\xff\xff" + b"a" * 100,),
        (b"\r\n" * 500_000,),
        (b"RTSP/1.0 999999 OK\r\n\r\n",),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: x\r\n\r\n",),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n" + b"A: b\r\n" * 10_000 + b"\r\n",),
        (b"RTSP/1.0 100 Continue\r\n\r\n" * 1_000,),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 1_000,),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nSession: \x01\x02;\x03\r\n\r\n", b"RTSP/2.0 200 OK\r\n\r\n"),
    ],
    ids=lambda parts: repr(parts[-1][:30]),
)
def test_hostile_rtsp_is_a_bad_answer(parts: tuple[bytes, ...]) -> None:
    async def ask(port: int) -> Observation:
        return await probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", port, "/a", video_seconds=3), World())

    seen = answering(*parts)(ask)

    assert seen.causes == {SIGNAL: "bad_answer"}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=3))
def test_no_rtsp_server_is_too_strange(parts: list[bytes]) -> None:
    async def ask(port: int) -> Observation:
        return await probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", port, "/a", video_seconds=1), World())

    seen = answering(*parts)(ask)

    assert seen.states == {SIGNAL: State.DOWN}


@pytest.mark.parametrize("unit", [b"\r\n", b"$\0\0\0", b"RTSP/1.0 100 Continue\r\n\r\n"], ids=repr)
def test_many_small_messages_end_the_conversation(unit: bytes) -> None:
    async def ask(port: int) -> Observation:
        return await probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", port, "/a", video_seconds=15), World())

    seen = answering(unit * 200_000, then_close=False)(ask)

    assert seen.causes == {SIGNAL: "bad_answer"}
    assert f"{rtsp.RUN_MESSAGES} messages" in seen.notes[SIGNAL]


def test_a_flood_does_not_grow_the_agent() -> None:
    """The peak of this process may grow by the buffers, not by what is sent."""
    part = bytes(65_536)
    chunk = b"10000\r\n" + part + b"\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    until_close = answering(HTTP + b"\r\n", *[part] * 1_000)(asked)
    chunked = answering(HTTP + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 1_000)(asked)
    video = answering(*[b"$\0\xff\xff" + part[:-1]] * 1_000)(
        lambda port: probe_rtsp.probe(RtspTarget("cam-1", "127.0.0.1", port, "/a", video_seconds=10), World())
    )

    assert until_close.causes == chunked.causes == video.causes == {SIGNAL: "bad_answer"}
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 24 * 1024  # KiB


def test_a_password_is_in_no_log_and_in_no_url(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    of = EmulatedCamera("127.0.0.1", free_port(), free_port(), 0, password=SECRET)

    async def run() -> list[Observation]:
        async with of.serving():
            by_onvif = await asked(of.http_port)
            target = RtspTarget("cam-1", "127.0.0.1", of.rtsp_port, of.path, CREDENTIAL)
            return [by_onvif, await probe_rtsp.probe(target, World())]

    seen = asyncio.run(run())

    assert [one.states for one in seen] == [{SIGNAL: State.UP}] * 2
    told = f"{caplog.text}{of.requests}{seen}"
    assert SECRET not in told
    assert SECRET.replace(" ", "%20") not in told


def test_identify_ends_in_time_whatever_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovery, "LOOK_SECONDS", 0.5)
    monkeypatch.setattr(onvif, "CALL_SECONDS", 0.5)
    monkeypatch.setattr(discovery, "FIND_SECONDS", 0.2)

    async def ask(port: int) -> object:
        monkeypatch.setattr(discovery, "ONVIF_PORTS", (port,))
        monkeypatch.setattr(discovery, "RTSP_PORTS", (port,))
        return await discovery.identify("127.0.0.1", [CREDENTIAL], World())

    started = time.monotonic()

    assert answering(b"hello", then_close=False)(ask) is None
    assert answering(b"\xff" * 100)(ask) is None
    assert answering(HTTP + b"\r\n<html>")(ask) is None
    assert time.monotonic() - started < 10


def test_a_head_is_bounded_in_lines_and_bytes() -> None:
    async def read(data: bytes) -> heads.Head:
        reader = asyncio.StreamReader(limit=65_536)
        reader.feed_data(data)
        reader.feed_eof()
        return await heads.read_head(reader)

    folded = asyncio.run(read(b'RTSP/1.0 200 OK\nWWW-Authenticate: Digest realm="a",\n  nonce="b"\nEmpty\n\n'))
    with pytest.raises(NoAnswer):
        asyncio.run(read(b"A\r\n" + b"B: c\r\n" * (heads.FIELDS + 1) + b"\r\n"))

    assert folded == heads.Head("RTSP/1.0 200 OK", (("www-authenticate", 'Digest realm="a", nonce="b"'), ("empty", "")))
