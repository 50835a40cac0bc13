"""ICMP echo over real sockets: loopback, and namespaces with routers, forgers and forbidden sockets."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.probe_fakes import Lab, echo_reply, icmp_server, in_namespace, need_icmp, need_namespaces

from schoolbeat_agent import echo as echo_module
from schoolbeat_agent.echo import (
    Echo,
    Reply,
    build_request,
    checksum,
    parse_error,
    parse_queued_error,
    parse_reply,
    reply_to_send_error,
)
from schoolbeat_agent.observation import ProbeFailed

ALLOW_ALL = "net.ipv4.ping_group_range=0 2147483647"


@pytest.fixture(scope="module")
def whole_lab() -> Iterator[Lab]:
    need_namespaces()
    lab = Lab()
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.fixture(params=["datagram", "raw"])
def lab(whole_lab: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "datagram":
        whole_lab.sysctl(whole_lab.pi, ALLOW_ALL)
    yield whole_lab
    whole_lab.mend()


def test_the_checksum_is_that_of_rfc_1071() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(build_request(7, 9, b"16 bytes of load")) == 0


@given(st.binary(max_size=120))
def test_no_bytes_make_the_parsers_raise(data: bytes) -> None:
    parse_reply(data)
    parse_error(data)
    parse_error(b"\x0b\0\0\0\0\0\0\0" + data)
    parse_queued_error([(socket.IPPROTO_IP, echo_module.IP_RECVERR, data)])


def test_an_error_quotes_the_request_it_is_about() -> None:
    ip_header = bytes.fromhex("450000340000000001010000") + socket.inet_aton("10.0.0.2") + socket.inet_aton("192.0.2.9")
    quoted = ip_header + build_request(0x1234, 77, b"")
    error = b"\x0b\x00\x00\x00\x00\x00\x00\x00" + quoted

    assert parse_error(error) == ("ttl_exceeded", "192.0.2.9", 0x1234, 77)
    assert parse_error(error[:30]) is None


def test_a_hundred_addresses_answer_at_once_each_for_itself() -> None:
    need_icmp()
    addresses = [f"127.0.7.{n}" for n in range(1, 101)]

    async def ask() -> list[Reply]:
        echo = Echo()
        replies = await asyncio.gather(*(echo.ping(address, timeout_seconds=10) for address in addresses))
        echo.close()
        return replies

    replies = asyncio.run(ask())

    assert [(reply.kind, reply.from_address) for reply in replies] == [("reply", address) for address in addresses]
    assert all(reply.rtt_ms is not None and 0 < reply.rtt_ms < 10_000 for reply in replies)


def test_descriptors_above_1024_work() -> None:
    need_icmp()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4_096, hard), hard))
    filler: list[int] = []

    async def ask() -> tuple[int, Reply]:
        echo = Echo()
        descriptor = echo.open().fileno()
        reply = await echo.ping("127.0.0.1", timeout_seconds=10)
        echo.close()
        return descriptor, reply

    try:
        while not filler or filler[-1] < 1_100:
            filler.append(os.open("/dev/null", os.O_RDONLY))
        descriptor, reply = asyncio.run(ask())
    finally:
        for number in filler:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert descriptor > 1_024
    assert reply.kind == "reply"


def test_closing_leaves_no_descriptor_and_using_it_again_opens_it_again() -> None:
    need_icmp()

    async def ask() -> tuple[int, int, Reply, bool]:
        echo = Echo()
        before = len(os.listdir("/proc/self/fd"))
        await echo.ping("127.0.0.1", timeout_seconds=10)
        waiting = echo.send("127.0.0.1", timeout_seconds=10)
        echo.close()
        after = len(os.listdir("/proc/self/fd"))
        again = await echo.ping("127.0.0.1", timeout_seconds=10)
        echo.close()
        return before, after, again, waiting.cancelled()

    before, after, again, cancelled = asyncio.run(ask())

    assert after == before
    assert again.kind == "reply"
    assert cancelled


@pytest.mark.parametrize("address", ["router", "10.0.0", "fe80::1", "", "10.0.0.1\0", "255.255.255.255"])
def test_what_is_no_machine_s_ipv4_address_is_a_failed_measurement(address: str) -> None:
    need_icmp()

    with pytest.raises(ProbeFailed) as caught:
        asyncio.run(Echo().ping(address))

    assert caught.value.cause == "not_configured"


@pytest.mark.namespaces
def test_a_ttl_that_runs_out_names_the_hop(lab: Lab) -> None:
    async def ask() -> list[Reply]:
        echo = Echo()
        replies = [await echo.ping("198.51.100.10", ttl=ttl, timeout_seconds=5) for ttl in (1, 2, 3, None)]
        echo.close()
        return replies

    replies = in_namespace(lab.pi, ask)

    assert [(reply.kind, reply.from_address) for reply in replies] == [
        ("ttl_exceeded", "10.77.1.1"),
        ("ttl_exceeded", "100.77.0.1"),
        ("reply", "198.51.100.10"),
        ("reply", "198.51.100.10"),
    ]


@pytest.mark.namespaces
def test_errors_of_some_packets_never_touch_the_others(lab: Lab) -> None:
    async def ask() -> list[str]:
        echo = Echo()
        sending = [
            echo.send("198.51.100.10" if n % 2 else "198.51.100.20", ttl=1 if n % 3 else None, timeout_seconds=10)
            for n in range(300)
        ]
        replies = await asyncio.gather(*sending)
        echo.close()
        return [reply.kind for reply in replies]

    kinds = in_namespace(lab.pi, ask)

    assert kinds == ["ttl_exceeded" if n % 3 else "reply" for n in range(300)]


@pytest.mark.namespaces
def test_a_router_without_a_line_says_unreachable(lab: Lab) -> None:
    lab.cut_line()

    async def ask() -> Reply:
        echo = Echo()
        for _ in range(5):  # Linux says so once a second at most, after a burst
            reply = await echo.ping("198.51.100.10", timeout_seconds=1.5)
            if reply.kind != "timeout":
                break
        echo.close()
        return reply

    reply = in_namespace(lab.pi, ask)

    assert (reply.kind, reply.from_address) == ("unreachable", "10.77.1.1")


@pytest.mark.namespaces
def test_no_route_and_no_neighbour_are_unreachable_and_nobody_s_word(lab: Lab) -> None:
    lab.ip(lab.pi, "route del default")
    lab.sysctl(lab.pi, "net.ipv4.neigh.eth0.retrans_time_ms=50")

    async def ask() -> tuple[Reply, Reply]:
        echo = Echo()
        replies = await echo.ping("198.51.100.10"), await echo.ping("10.77.1.99", timeout_seconds=10)
        echo.close()
        return replies

    no_route, no_neighbour = in_namespace(lab.pi, ask)

    assert no_route == Reply("unreachable")
    assert (no_neighbour.kind, no_neighbour.from_address) == ("unreachable", "")


def test_a_packet_that_a_dead_link_dropped_is_unreachable_and_a_lack_of_memory_is_no_measurement() -> None:
    dropped = reply_to_send_error(OSError(errno.ENOBUFS, "No buffer space available"), "10.0.0.1")
    with pytest.raises(ProbeFailed) as caught:
        reply_to_send_error(OSError(errno.ENOMEM, "Cannot allocate memory"), "10.0.0.1")

    assert dropped == Reply("unreachable")
    assert caught.value.cause == "internal"


@pytest.mark.namespaces
def test_a_firewall_of_our_own_is_a_failed_measurement(lab: Lab) -> None:
    lab.mute(lab.pi, "icmp type echo-request")

    with pytest.raises(ProbeFailed) as caught:
        in_namespace(lab.pi, lambda: Echo().ping("10.77.1.1"))

    assert (caught.value.cause, "firewall" in caught.value.detail) == ("no_permission", True)


@pytest.mark.namespaces
def test_silence_is_a_timeout(lab: Lab) -> None:
    lab.sysctl(lab.rt, "net.ipv4.icmp_echo_ignore_all=1")

    reply = in_namespace(lab.pi, lambda: Echo().ping("10.77.1.1", timeout_seconds=0.2))

    assert reply == Reply("timeout")


def forgeries(request: bytes, right_at_last: bool) -> Iterator[bytes]:
    """What a forger who saw our request could send, a little apart from each other."""
    identifier, sequence = int.from_bytes(request[4:6], "big"), int.from_bytes(request[6:8], "big")
    payload = request[8:]
    wrong = [
        echo_reply(identifier, sequence, bytes(8) + payload[8:]),  # another cookie
        echo_reply(identifier, sequence, payload[:8] + bytes(8)),  # another number: the sequence came round again
        echo_reply(identifier, sequence ^ 1, payload),
        echo_reply(identifier, sequence, payload + b"more"),
        echo_reply(identifier, sequence, b""),
        b"\0\0",
    ]
    right = [echo_reply(identifier, sequence, payload)] * 3
    for reply in wrong + right if right_at_last else wrong:
        time.sleep(0.02)
        yield reply


@pytest.mark.namespaces
@pytest.mark.parametrize("right_at_last", [False, True])
def test_forged_short_and_duplicated_replies_are_passed_over(lab: Lab, right_at_last: bool) -> None:
    async def ask() -> list[str]:
        echo = Echo()
        seen: list[str] = [(await echo.ping("10.77.1.1", timeout_seconds=1)).kind for _ in range(2)]
        await asyncio.sleep(0.1)
        echo.close()
        return seen

    lab.sysctl(lab.rt, "net.ipv4.icmp_echo_ignore_all=1")
    with icmp_server(lab.rt, lambda request: forgeries(request, right_at_last)):
        seen = in_namespace(lab.pi, ask)

    assert seen == (["reply", "reply"] if right_at_last else ["timeout", "timeout"])


@pytest.mark.namespaces
def test_a_late_answer_does_not_answer_the_next_request(lab: Lab) -> None:
    async def ask() -> tuple[str, str, float]:
        echo = Echo()
        late = await echo.ping("10.77.1.1", timeout_seconds=0.02)
        in_time = await echo.ping("10.77.1.1", timeout_seconds=10)
        echo.close()
        assert in_time.rtt_ms is not None
        return late.kind, in_time.kind, in_time.rtt_ms

    lab.sysctl(lab.rt, "net.ipv4.icmp_echo_ignore_all=1")
    with icmp_server(lab.rt, lambda request: forgeries(request, right_at_last=True)):
        late, in_time, rtt_ms = in_namespace(lab.pi, ask)

    assert (late, in_time) == ("timeout", "reply")
    assert rtt_ms > 120  # the forger's seven replies are 20 ms apart


@pytest.mark.namespaces
def test_an_answer_from_another_address_is_not_the_asked_one_s(lab: Lab) -> None:
    def honestly(request: bytes) -> Iterator[bytes]:
        yield echo_reply(int.from_bytes(request[4:6], "big"), int.from_bytes(request[6:8], "big"), request[8:])

    async def ask() -> list[Reply]:
        echo = Echo()
        replies = [await echo.ping(address, timeout_seconds=1) for address in ("198.51.100.10", "203.0.113.2")]
        echo.close()
        return replies

    lab.sysctl(lab.far, "net.ipv4.icmp_echo_ignore_all=1")
    with icmp_server(lab.far, honestly):  # it answers from 203.0.113.2, whatever address was asked
        replies = in_namespace(lab.pi, ask)

    assert [(reply.kind, reply.from_address) for reply in replies] == [("timeout", ""), ("reply", "203.0.113.2")]


CHILD = """
import asyncio, json
from schoolbeat_agent.echo import Echo
from schoolbeat_agent.observation import ProbeFailed
async def ask():
    echo = Echo()
    try:
        replies = [await echo.ping("198.51.100.10", ttl=ttl, timeout_seconds=5) for ttl in (2, None)]
    except ProbeFailed as failed:
        return [failed.cause, failed.detail]
    echo.close()
    return [[reply.kind, reply.from_address] for reply in replies]
print(json.dumps(asyncio.run(ask())))
"""
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
SEEN = [["ttl_exceeded", "100.77.0.1"], ["reply", "198.51.100.10"]]


def ask_as_nobody(lab: Lab, *capabilities: str) -> object:
    # It may read every file: the checkout can lie in a folder that only its owner may enter.
    kept = ",".join(["-all", "+dac_read_search", *(f"+{name}" for name in capabilities)])
    limits = [f"--inh-caps={kept}", f"--ambient-caps={kept}"]
    command = ["ip", "netns", "exec", lab.pi, *AS_NOBODY, *limits, sys.executable, "-c", CHILD]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout)


@pytest.mark.namespaces
def test_a_user_without_rights_pings_where_ping_group_range_allows_it(whole_lab: Lab) -> None:
    whole_lab.sysctl(whole_lab.pi, ALLOW_ALL)

    seen = ask_as_nobody(whole_lab)

    whole_lab.mend()
    assert seen == SEEN


@pytest.mark.namespaces
def test_a_user_with_the_capability_pings_where_ping_group_range_is_off(whole_lab: Lab) -> None:
    whole_lab.mend()

    seen = ask_as_nobody(whole_lab, "net_raw")

    assert seen == SEEN


@pytest.mark.namespaces
def test_a_user_without_both_is_told_the_remedy(whole_lab: Lab) -> None:
    whole_lab.mend()

    seen = ask_as_nobody(whole_lab)

    assert seen == ["no_permission", echo_module.REMEDY]
    assert "ping_group_range" in echo_module.REMEDY
    assert "AmbientCapabilities=CAP_NET_RAW" in echo_module.REMEDY


def test_an_echo_that_was_never_used_closes_quietly() -> None:
    async def close() -> None:
        Echo().close()

    asyncio.run(close())
    gc.collect()
