"""WebSocket frames: cut anywhere they mean the same, and what a server may not send is refused."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.speed_servers import frame

from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.speed.websocket import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frames,
    Message,
    accept_for,
    check_upgraded,
    control_frame,
    frame_head,
    upgrade,
)

PROTOCOL = "net.measurementlab.ndt.v7"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of RFC 6455, section 1.3


def fed(data: bytes, cuts: list[int]) -> tuple[Frames, list[Message]]:
    frames, messages = Frames(), []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(edges):
        messages += frames.feed(data[start:end])
    return frames, messages


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just(BINARY), st.integers(0, 70_000).map(bytes)),
            st.tuples(st.just(TEXT), st.binary(max_size=300)),
            st.tuples(st.sampled_from([PING, PONG]), st.binary(max_size=125)),
        ),
        max_size=8,
    ),
    st.lists(st.integers(0, 10**6), max_size=12),
)
def test_messages_are_the_same_however_their_bytes_arrive(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(frame(opcode, payload) for opcode, payload in sent) + frame(CLOSE, b"\x03\xe8")

    frames, messages = fed(data, cuts)

    assert frames.binary_bytes == sum(len(payload) for opcode, payload in sent if opcode == BINARY)
    assert messages == [
        *(Message(opcode, payload) for opcode, payload in sent if opcode != BINARY),
        Message(CLOSE, b"\x03\xe8"),
    ]
    assert frames.closed


def test_a_message_in_fragments_is_one_message_and_a_ping_may_stand_between() -> None:
    data = b"\x01\x03abc" + frame(PING, b"?") + b"\x00\x00" + b"\x80\x03def" + b"\x02\x02xx" + b"\x80\x01x"

    frames, messages = fed(data, [])

    assert messages == [Message(PING, b"?"), Message(TEXT, b"abcdef")]
    assert frames.binary_bytes == 3


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"\xc2\x01x", "bad_answer"),  # a reserved bit
        (b"\x83\x00", "bad_answer"),  # a reserved opcode
        (b"\x82\x81\0\0\0\0x", "bad_answer"),  # a server masks nothing
        (b"\x80\x01x", "bad_answer"),  # goes on with nothing
        (b"\x01\x01x\x82\x01x", "bad_answer"),  # begins another before the end
        (b"\x09\x00", "bad_answer"),  # a ping in fragments
        (b"\x89\x7e\x00\x7e", "bad_answer"),  # a ping of 126 bytes
        (struct.pack("!BBQ", 0x82, 127, (1 << 24) + 1), "too_much"),
        (struct.pack("!BBQ", 0x81, 127, 65_537), "too_much"),
        (b"\x01\x7e\xff\xff" + b"x" * 65_535 + b"\x80\x02xx", "too_much"),
    ],
)
def test_what_a_server_may_not_send_ends_the_test(data: bytes, cause: str) -> None:
    with pytest.raises(NoAnswer) as refused:
        fed(data, [3])

    assert refused.value.cause == cause


@given(st.binary(max_size=400), st.lists(st.integers(0, 400), max_size=5))
def test_any_bytes_are_read_or_refused(data: bytes, cuts: list[int]) -> None:
    with contextlib.suppress(NoAnswer):
        frames, _ = fed(data, cuts)
        assert 0 <= frames.binary_bytes <= len(data)


def test_the_handshake_is_that_of_the_rfcs_example() -> None:
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    )

    assert accept_for(KEY) == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    check_upgraded(head.encode(), KEY, PROTOCOL)
    for wrong, cause in (
        (head.replace(PROTOCOL, "chat"), "bad_answer"),
        (head.replace("s3pP", "S3pP"), "bad_answer"),
        (head.replace("101", "503"), "no_capacity"),
        (head.replace("101", "404"), "http_status"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "bad_answer"),
    ):
        with pytest.raises(NoAnswer) as refused:
            check_upgraded(wrong.encode(), KEY, PROTOCOL)
        assert refused.value.cause == cause
    assert upgrade("h:80", "/ndt/v7/upload?x", KEY, PROTOCOL).startswith(
        b"GET /ndt/v7/upload?x HTTP/1.1\r\nHost: h:80\r\n"
    )


def test_what_we_send_is_masked_as_the_rfc_says() -> None:
    assert control_frame(PONG, b"Hello", b"\x37\xfa\x21\x3d") == bytes.fromhex("8a8537fa213d7f9f4d5158")  # section 5.7
    assert frame_head(BINARY, 100, b"abcd") == b"\x82\xe4abcd"
    assert frame_head(BINARY, 8_192, b"abcd") == b"\x82\xfe\x20\x00abcd"
    assert frame_head(BINARY, 1 << 20, b"abcd") == b"\x82\xff\0\0\0\0\0\x10\0\0abcd"
