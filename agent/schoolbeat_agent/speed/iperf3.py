"""iperf3's own program, asked for its JSON; its slow start is left out by -O."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.dns import Resolver, find_address, school_resolvers
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.speed.tally import Tally

PORT: Final = 5201
OMIT_SECONDS: Final = 2
CONNECT_MS: Final = 4_000
GRACE_SECONDS: Final = 8.0  # beyond the test itself, to connect and to exchange results
ERRORS: Final = (  # what its error texts say, in the catalogue's causes
    ("busy running a test", "no_capacity"),
    ("refused", "refused"),
    ("timed out", "timeout"),
    ("unreachable", "unreachable"),
    ("no route", "unreachable"),
    ("authorization", "auth_failed"),
    ("reset", "bad_answer"),
    ("control socket", "bad_answer"),
)


class _Sum(msgspec.Struct):
    bits_per_second: float = 0.0
    bytes: int = 0


class _Interval(msgspec.Struct):
    sum: _Sum | None = None


class _Sender(msgspec.Struct):
    min_rtt: float = 0.0  # µs


class _Stream(msgspec.Struct):
    sender: _Sender | None = None


class _End(msgspec.Struct):
    sum_sent: _Sum | None = None
    sum_received: _Sum | None = None
    streams: list[_Stream] = []


class Report(msgspec.Struct):
    """The parts of iperf3's JSON that are used."""

    error: str = ""
    intervals: list[_Interval] = []
    end: _End | None = None

    @property
    def bytes(self) -> int:
        """Everything that was moved, the omitted beginning too."""
        return sum(interval.sum.bytes for interval in self.intervals if interval.sum is not None)


_report = msgspec.json.Decoder(Report)


def host_and_port(server: str) -> tuple[str, int]:
    """ "speed.example:5202" and "[2001:db8::1]:5202"; without a port the standard one. ProbeFailed."""
    host, colon, port = server.rpartition(":")
    if not colon or (server.count(":") > 1 and not host.endswith("]")):
        host, port = server, str(PORT)
    host = host.strip("[]")
    if not host or host.startswith("-") or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65_536:
        raise ProbeFailed("not_configured", f"speed.server = {server[:100]!r}: write it like speed.example:5201")
    return host, int(port)


def command(address: str, port: int, seconds: int, most_bps: int, *, reverse: bool) -> list[str]:
    """reverse: the server sends. most_bps bounds what the test can use; it is no aim."""
    asked = ["iperf3", "-J", "-c", address, "-p", str(port), "-t", str(seconds), "-O", str(OMIT_SECONDS)]
    bounds = ["-b", str(most_bps), "--connect-timeout", str(CONNECT_MS)]
    return [*asked, *bounds, *(["-R"] if reverse else [])]


def parse(text: str, code: int, errors: str = "") -> Report:
    """NoAnswer with the cause that iperf3's error means."""
    try:
        report = _report.decode(text)
    except msgspec.DecodeError as error:
        said = f"{errors.strip()[:200] or text.strip()[:200]}"
        raise NoAnswer("bad_answer", f"iperf3 (exit code {code}) says nothing that can be read: {said}") from error
    if report.error:
        said = report.error.lower()
        cause = next((cause for sign, cause in ERRORS if sign in said), "bad_answer")
        raise NoAnswer(cause, f"iperf3: {report.error[:200]}")
    return report


def received_bps(report: Report) -> float:
    """By the receiving side's count. NoAnswer when it is missing."""
    received = report.end.sum_received if report.end is not None else None
    if received is None or received.bits_per_second <= 0:
        raise NoAnswer("bad_answer", "iperf3: the receiver counted nothing")
    return received.bits_per_second


def min_rtt_ms(report: Report) -> float | None:
    """Of the upload; the sender alone knows it."""
    streams = report.end.streams if report.end is not None else []
    found = [stream.sender.min_rtt for stream in streams if stream.sender is not None and stream.sender.min_rtt > 0]
    return min(found) / 1_000 if found else None


async def _one(address: str, port: int, seconds: int, share_bytes: int, *, reverse: bool) -> Report:
    from schoolbeat_agent.commands import output_of

    most_bps = 8 * share_bytes // (seconds + OMIT_SECONDS)
    if most_bps < 1_000:
        raise NoAnswer("over_budget", "too few bytes are left this month")
    wanted: Any = command(address, port, seconds, most_bps, reverse=reverse)
    output = await output_of(wanted, seconds + OMIT_SECONDS + GRACE_SECONDS)
    report = parse(output.text, output.code, output.errors)
    if received_bps(report) > 0.95 * most_bps:
        raise NoAnswer("over_budget", "the line is faster than the bytes left this month allow to measure")
    return report


async def run(server: str, seconds: int, tally: Tally, resolvers: tuple[Resolver, ...], world: World) -> None:
    """Both tests into the tally. NoAnswer or ProbeFailed where one breaks; what came before it stays."""
    host, port = host_and_port(server)
    tally.server, tally.on_wire = host, False
    address = (await find_address(host, resolvers or school_resolvers(world), 5.0, world))[0]
    down = await _one(address, port, seconds, tally.left // 2, reverse=True)
    tally.rx_bytes, tally.download_bps = down.bytes, received_bps(down)
    up = await _one(address, port, seconds, tally.left, reverse=False)
    tally.tx_bytes, tally.upload_bps, tally.rtt_ms = up.bytes, received_bps(up), min_rtt_ms(up)
