"""The three clients against servers on loopback that keep a known pace, and against what goes wrong with servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.probe_fakes import skip_or_fail
from tests.agent.speed_servers import serving
from tests.ports import free_port

from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.speed import iperf3, librespeed, ndt7
from schoolbeat_agent.speed.stream import unchunked
from schoolbeat_agent.speed.tally import Tally, rate_bps

PACE = 5_000_000  # bytes a second
PLENTY = 10**12
HERE = "127.0.0.1"

Client = Callable[[int, float, Tally], Awaitable[None]]


async def by_ndt7(port: int, seconds: float, tally: Tally) -> None:
    await ndt7.run(f"ws://{HERE}:{port}", "", (), seconds, tally, (), World())


async def by_locate(port: int, seconds: float, tally: Tally) -> None:
    await ndt7.run("", f"http://{HERE}:{port}/v2/nearest/ndt/ndt7", (), seconds, tally, (), World())


async def by_librespeed(port: int, seconds: float, tally: Tally) -> None:
    await librespeed.run(f"http://{HERE}:{port}/backend", seconds, tally, (), World())


async def outcome(client: Client, port: int, seconds: float, tally: Tally) -> str:
    """The cause it failed with; empty when it did not."""
    try:
        await client(port, seconds, tally)
    except (NoAnswer, ProbeFailed) as no:
        return no.cause
    return ""


def all_outcomes(cases: list[tuple[Client, str, str, tuple[str, ...]]], seconds: float) -> list[tuple[str, Tally]]:
    """Of (client, kind of server, its fault, options), all at the same time, each with a server of its own."""
    with ExitStack() as servers:
        ports = [free_port() for _ in cases]
        for (_, kind, fault, options), port in zip(cases, ports, strict=True):
            given = ("--end", fault) if fault else ()
            servers.enter_context(serving(kind, HERE, port, *given, *options))
        tallies = [Tally(PLENTY) for _ in cases]

        async def run() -> list[str]:
            return await asyncio.gather(
                *(
                    outcome(case[0], port, seconds, tally)
                    for case, port, tally in zip(cases, ports, tallies, strict=True)
                )
            )

        return list(zip(asyncio.run(run()), tallies, strict=True))


def test_each_way_measures_the_pace_of_the_server_within_five_per_cent() -> None:
    paced = ("--pace", str(PACE), "--seconds", "4")
    near = pytest.approx(8 * PACE, rel=0.05)
    # The server keeps its pace only as long as it gets the processor: on a busy machine it catches up in bursts.
    for _ in range(3):
        found = all_outcomes([(by_locate, "ndt7", "", paced), (by_librespeed, "librespeed", "", paced)], 4)
        if all(tally.download_bps == near and tally.upload_bps == near for _, tally in found):
            break

    for failure, tally in found:
        assert (failure, tally.server) == ("", HERE)
        assert (tally.download_bps, tally.upload_bps) == (near, near)
        assert tally.rtt_ms is not None
        assert 0 < tally.rtt_ms < 1_000
        assert tally.rx_bytes > 3 * PACE
        assert tally.tx_bytes > 3 * PACE


def test_every_fault_of_an_ndt7_server_has_its_cause_and_gives_no_figure() -> None:
    expected = {
        "noproto": "bad_answer",
        "key": "bad_answer",
        "masked": "bad_answer",
        "huge": "too_much",
        "full": "no_capacity",
        "mute": "timeout",
        "abort": "bad_answer",
        "stall": "timeout",
    }
    paced = ("--pace", str(PACE // 10), "--seconds", "10")
    found = all_outcomes([(by_ndt7, "ndt7", fault, paced) for fault in expected], 8)

    assert {fault: failure for fault, (failure, _) in zip(expected, found, strict=True)} == expected
    assert [(tally.download_bps, tally.upload_bps) for _, tally in found] == [(None, None)] * len(expected)


def test_a_server_that_ends_early_or_pings_is_measured_and_one_that_lies_of_the_upload_keeps_the_download() -> None:
    paced = ("--pace", str(PACE // 5), "--seconds", "3")
    cases: list[tuple[Client, str, str, tuple[str, ...]]] = [
        (by_ndt7, "ndt7", fault, paced) for fault in ("early", "ping", "liar")
    ]
    (early, pinged, lied) = all_outcomes(cases, 4)

    for failure, tally in (early, pinged):
        assert failure == ""
        assert tally.download_bps == pytest.approx(8 * PACE / 5, rel=0.1)
        assert tally.upload_bps == pytest.approx(8 * PACE / 5, rel=0.1)
    assert lied[0] == "bad_answer"
    assert lied[1].download_bps == pytest.approx(8 * PACE / 5, rel=0.1)
    assert lied[1].upload_bps is None


def test_a_librespeed_backend_that_cannot_be_used_says_why() -> None:
    expected = {"missing": "http_status", "empty": "bad_answer", "small": "http_status bad_answer"}
    paced = ("--pace", str(PACE))
    found = all_outcomes([(by_librespeed, "librespeed", fault, paced) for fault in expected], 2)

    assert [failure in why for (failure, _), why in zip(found, expected.values(), strict=True)] == [True] * 3
    assert [tally.upload_bps for _, tally in found] == [None] * 3


def test_nobody_there_no_capacity_and_no_room_left_are_causes() -> None:
    port = free_port()

    async def nobody() -> list[str]:
        return [await outcome(client, port, 2, Tally(PLENTY)) for client in (by_ndt7, by_locate, by_librespeed)]

    assert asyncio.run(nobody()) == ["refused"] * 3
    assert all_outcomes([(by_locate, "ndt7", "locate204", ())], 2)[0][0] == "no_capacity"


@pytest.mark.parametrize(("client", "kind"), [(by_ndt7, "ndt7"), (by_librespeed, "librespeed")])
def test_a_test_ends_at_the_bytes_it_may_move(client: Client, kind: str) -> None:
    port = free_port()
    down, up = Tally(2_000_000), Tally(12_000_000)
    with serving(kind, HERE, port, "--pace", str(PACE)):
        causes = [asyncio.run(outcome(client, port, 2 if tally is up else 5, tally)) for tally in (down, up)]

    assert causes == ["over_budget", "over_budget"]
    assert down.bytes < 2_000_000 + 300_000
    assert up.bytes < 12_000_000 + 300_000
    assert (down.download_bps, up.upload_bps) == (None, None)
    assert up.download_bps is not None


def test_a_machine_that_was_too_busy_to_look_gives_no_figure() -> None:
    port, tally = free_port(), Tally(PLENTY)

    async def run() -> str:
        asyncio.get_running_loop().call_later(0.7, time.sleep, 1.5)
        return await outcome(by_ndt7, port, 3, tally)

    with serving("ndt7", HERE, port, "--pace", str(PACE)):
        cause = asyncio.run(run())

    assert (cause, tally.download_bps) == ("hung", None)


def test_nothing_is_left_running_or_open_behind_a_test() -> None:
    port = free_port()

    async def run() -> int:
        assert await outcome(by_ndt7, port, 2, Tally(PLENTY)) == ""
        await asyncio.sleep(0.1)
        return len(asyncio.all_tasks())

    with serving("ndt7", HERE, port, "--pace", str(PACE // 5), "--seconds", "2"):
        before = len(list(Path("/proc/self/fd").iterdir()))
        tasks = asyncio.run(run())
        after = len(list(Path("/proc/self/fd").iterdir()))

    assert tasks == 1
    assert after <= before


# --- ndt7's parts ------------------------------------------------------------------------------------------------


def located(*hosts: str, scheme: str = "wss") -> bytes:
    places = [
        {
            "machine": host,
            "urls": {
                f"{scheme}:///ndt/v7/{test}": f"{scheme}://{host}/ndt/v7/{test}?t=1" for test in ("download", "upload")
            },
        }
        for host in hosts
    ]
    return json.dumps({"results": places}).encode()


def test_of_the_servers_that_locate_names_the_one_known_from_before_is_taken_else_the_nearest() -> None:
    body = located("han01.example", "han02.example")

    assert ndt7.parse_located(body, ()).upload == "wss://han01.example/ndt/v7/upload?t=1"
    assert ndt7.parse_located(body, ("sgn01.example", "han02.example")).host == "han02.example"
    assert ndt7.parse_located(located("a.example", scheme="ws"), ()).download == "ws://a.example/ndt/v7/download?t=1"


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "bad_answer"),
        (b"[]", "bad_answer"),
        (b'{"results": [{"urls": 5}]}', "bad_answer"),
        (b"[" * 60_000, "bad_answer"),
        (b"{}", "no_capacity"),
        (b'{"results": [{"machine": "x", "urls": {}}]}', "no_capacity"),
        (
            b'{"results": [{"urls": {"wss:///ndt/v7/download": "file:///etc", "wss:///ndt/v7/upload": "x"}}]}',
            "no_capacity",
        ),
    ],
)
def test_an_answer_of_locate_that_names_no_server_is_refused(body: bytes, cause: str) -> None:
    with pytest.raises(NoAnswer) as refused:
        ndt7.parse_located(body, ())

    assert refused.value.cause == cause


def test_messages_grow_as_the_specification_says() -> None:
    size, sent, sizes = ndt7.FIRST_BYTES, 0, []
    for _ in range(400):
        sent += size
        sizes.append(size)
        size = ndt7.next_size(size, sent)

    assert sizes[0] == 1 << 13
    assert max(sizes) == 1 << 18
    assert all(later in (now, 2 * now) for now, later in pairwise(sizes))


@given(st.binary(max_size=200))
def test_chunks_are_read_or_refused(body: bytes) -> None:
    whole = b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (body, b"tail")) + b"0\r\n\r\n"

    assert unchunked(whole if body else whole[9:]) == body + b"tail"
    with contextlib.suppress(NoAnswer):
        assert len(unchunked(body)) < len(body)


def test_the_warm_up_is_left_out_and_too_short_a_test_says_nothing() -> None:
    slow_start = [(n / 10, 0 if n < 15 else (n - 15) * 1_000) for n in range(101)]

    assert rate_bps(slow_start) == pytest.approx(80_000)
    for samples in ([], [(0.0, 0)], [(0.0, 0), (0.5, 10**6), (1.0, 2 * 10**6)]):
        with pytest.raises(NoAnswer):
            rate_bps(samples)


# --- iperf3 ------------------------------------------------------------------------------------------------------


def need_iperf3() -> None:
    if shutil.which("iperf3") is None:
        skip_or_fail("Debian's iperf3 is needed")


def test_iperf3_measures_both_ways_and_says_busy_refused_and_over_budget() -> None:
    need_iperf3()
    port, tally = free_port(), Tally(200_000_000)
    command = ["iperf3", "-s", "-B", HERE, "-p", str(port), "--forceflush"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    while "listening" not in server.stdout.readline():
        pass

    async def run() -> tuple[str, str, str]:
        first = asyncio.create_task(_iperf3(port, tally))
        await asyncio.sleep(1)
        busy = await _iperf3(port, Tally(PLENTY))
        return busy, await first, await _iperf3(free_port(), Tally(PLENTY))

    try:
        busy, over, refused = asyncio.run(run())
    finally:
        server.kill()
        server.communicate()

    assert (busy, over, refused) == ("no_capacity", "over_budget", "refused")
    assert tally.bytes < 200_000_000  # loopback is faster than these bytes allow: the bound held


async def _iperf3(port: int, tally: Tally) -> str:
    try:
        await iperf3.run(f"{HERE}:{port}", 1, tally, (), World())
    except (NoAnswer, ProbeFailed) as no:
        return no.cause
    return ""


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('{"error": "unable to connect to server: Connection timed out"}', "timeout"),
        ('{"error": "unable to connect to server: No route to host"}', "unreachable"),
        ('{"error": "the server is busy running a test. try again later"}', "no_capacity"),
        ('{"error": "test authorization failed"}', "auth_failed"),
        ('{"error": "control socket has closed unexpectedly"}', "bad_answer"),
        ('{"error": "something new"}', "bad_answer"),
        ("iperf3: parameter error", "bad_answer"),
        ("", "bad_answer"),
        ('{"end": 5}', "bad_answer"),
    ],
)
def test_what_iperf3_says_instead_of_a_figure_has_a_cause(text: str, cause: str) -> None:
    with pytest.raises(NoAnswer) as refused:
        iperf3.parse(text, 1)

    assert refused.value.cause == cause


def test_a_report_without_the_receivers_count_is_no_figure() -> None:
    with pytest.raises(NoAnswer):
        iperf3.received_bps(iperf3.parse('{"end": {"sum_sent": {"bits_per_second": 5}}}', 0))


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("speed.example", ("speed.example", 5201)),
        ("speed.example:5202", ("speed.example", 5202)),
        ("192.0.2.1:99", ("192.0.2.1", 99)),
        ("[2001:db8::1]:99", ("2001:db8::1", 99)),
        ("2001:db8::1", ("2001:db8::1", 5201)),
    ],
)
def test_a_server_of_iperf3_is_host_and_port(server: str, expected: tuple[str, int]) -> None:
    assert iperf3.host_and_port(server) == expected


@pytest.mark.parametrize("server", ["", ":5201", "speed.example:0", "speed.example:x", "--help", "host:99999"])
def test_what_is_no_server_of_iperf3_is_said(server: str) -> None:
    with pytest.raises(ProbeFailed) as refused:
        iperf3.host_and_port(server)

    assert refused.value.cause == "not_configured"
