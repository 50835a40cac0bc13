"""What a pupil's computer does once it is on the Wi-Fi: address, name, gateway, one page; all over that interface."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.echo import Echo
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes import dns, http
from schoolbeat_agent.probes.attempts import Patience, first_answer, is_reply
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import family_of
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.wifi.dhcp import Client, Lease

# The seat's addresses and routes are in a table of their own: the machine's own traffic never goes that way.
TABLE: Final = 7_701
RULES: Final = (7_701, 7_702)
SO_BINDTODEVICE: Final = 25  # asm-generic/socket.h
DNS_SECONDS, HTTP_SECONDS, IP_SECONDS = 2.0, 8.0, 5.0
PATIENCE: Final = Patience(packets=3, spacing_seconds=0.5, deadline_seconds=2.0)


@dataclass
class Steps:
    """How far it came: milliseconds of each step that was done, and what broke it off."""

    values: dict[str, float] = field(default_factory=dict)
    cause: str = ""  # of the catalogue; empty: the seat could be used
    detail: str = ""
    is_beyond: bool = False  # broken off beyond the school's own network: it may be the line


async def sit(interface: str, url: str, world: World, lease_seconds: float) -> Steps:
    """Address, gateway, name, page over an interface that is joined already; then everything is put back."""
    guard_neighbours(interface, world.proc)
    steps = Steps()
    client = Client(interface, world.entropy)
    try:
        started = world.monotonic()
        lease = await client.obtain(lease_seconds)
        if lease is None:
            steps.cause, steps.detail = "no_lease", f"no address within {lease_seconds:.0f} s"
            return steps
        steps.values["dhcp_ms"] = (world.monotonic() - started) * 1_000
        try:
            await use(interface, lease, url, steps, world)
        except NoAnswer as no:
            steps.cause, steps.detail = no.cause, no.detail
        finally:
            client.release(lease)
    finally:
        client.close()
    return steps


async def use(interface: str, lease: Lease, url: str, steps: Steps, world: World) -> None:
    """NoAnswer at the step that breaks off."""
    if lease.router is None:
        raise NoAnswer("no_router", "the lease names no router")
    async with addressed(interface, lease):
        rtt_ms = await ping(interface, lease.router)
        if rtt_ms is not None:  # a router that ignores pings is none the worse
            steps.values["rtt_ms"] = rtt_ms
        steps.is_beyond = True
        parts = http.parse_url(url)
        host = parts.hostname or ""
        address = host
        if not _is_address(host):
            started = world.monotonic()
            address = await resolve(interface, host, lease.resolvers, world)
            steps.values["dns_ms"] = (world.monotonic() - started) * 1_000
        started = world.monotonic()
        status = await fetch(interface, address, url, world)
        steps.values["http_ms"] = (world.monotonic() - started) * 1_000
        if not is_page(parts.path, status):
            steps.is_beyond = False  # an answer came, but a sign-in page's
            raise NoAnswer("http_status", f"{url}: HTTP {status}: a sign-in page?")


def is_page(path: str, status: int) -> bool:
    """Whether the page itself came and not a sign-in page: these redirect, or answer 200 where nothing was to come."""
    return status == 204 if path.endswith("/generate_204") else 200 <= status < 300


def _is_address(host: str) -> bool:
    try:
        family_of(host)
    except ProbeFailed:
        return False
    return True


def guard_neighbours(interface: str, proc: Path) -> None:
    """Make sure that the interface answers ARP for its own address only (ip-sysctl: arp_ignore).

    By default Linux answers on every interface for all its addresses: the router would take the seat's radio for the
    gateway itself, and lose it when the radio leaves.
    """
    folder = proc / "sys" / "net" / "ipv4" / "conf"
    for name in ("all", interface):
        with contextlib.suppress(OSError):
            if int((folder / name / "arp_ignore").read_text()) > 0:
                return
    try:
        (folder / interface / "arp_ignore").write_text("1")
    except OSError as error:
        detail = (
            f"set net.ipv4.conf.{interface}.arp_ignore = 1 in /etc/sysctl.d/ first; docs/probes/wifi_seat.md says why"
        )
        raise ProbeFailed("no_permission", detail) from error


@asynccontextmanager
async def addressed(interface: str, lease: Lease) -> AsyncIterator[None]:
    """The interface has the lease's address, and a way out that only what is bound to it takes."""
    await clear(interface)
    own = f"{lease.address}/{lease.prefix}"
    lines = [
        f"addr add {own} dev {interface} noprefixroute",
        f"route add {lease.router}/32 dev {interface} scope link src {lease.address} table {TABLE}",
        f"route add default via {lease.router} dev {interface} src {lease.address} table {TABLE}",
        f"rule add pref {RULES[0]} oif {interface} lookup {TABLE}",
        f"rule add pref {RULES[1]} from {lease.address} lookup {TABLE}",
    ]
    try:
        out = await output_of(["ip", "-batch", "-"], IP_SECONDS, given=_batch(lines))
        if out.code:
            cause = "no_permission" if "not permitted" in out.errors else "internal"
            said = " ".join(out.errors.split())[:160]
            raise ProbeFailed(cause, f"{interface}: ip: {said}; a seat needs CAP_NET_ADMIN: docs/probes/wifi_seat.md")
        yield
    finally:
        await clear(interface)


async def clear(interface: str) -> None:
    """Whatever of it is there goes; also what a seat left that was killed."""
    lines = [*(f"rule del pref {rule}" for rule in RULES), f"route flush table {TABLE}", f"addr flush dev {interface}"]
    await output_of(["ip", "-force", "-batch", "-"], IP_SECONDS, given=_batch(lines))


def _batch(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("ascii")


def bind(sock: socket.socket, interface: str) -> None:
    """Only over this interface. Needs no right since Linux 5.7."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, interface.encode() + b"\0")
    except OSError as error:
        raise ProbeFailed("no_permission", f"cannot bind to {interface}: {error.strerror}") from error


async def ping(interface: str, router: str) -> float | None:
    """Milliseconds to the router; None where it does not answer."""
    echo = Echo()
    try:
        bind(echo.open(), interface)
        last = (await first_answer(echo, [router], PATIENCE))[-1]
        return last.rtt_ms if is_reply(last) else None
    finally:
        echo.close()


async def resolve(interface: str, name: str, resolvers: Sequence[str], world: World) -> str:
    """An address of the name by the lease's resolvers, each asked twice at most. NoAnswer."""
    if not resolvers:
        raise NoAnswer("resolver_failed", "the lease names no resolver")
    try:
        query = dns.build_query(name, int.from_bytes(world.entropy(2), "big"))
    except ValueError as error:
        raise ProbeFailed("not_configured", f"wifi.url: {error}") from error
    problem = NoAnswer("timeout", f"{name}: no resolver of the lease answers")
    for resolver in (*resolvers, resolvers[0]):
        try:
            async with asyncio.timeout(DNS_SECONDS):
                answer = await _ask(interface, query, resolver)
        except OSError as error:
            problem = no_answer_from(error, f"{name} at {resolver}")
            continue
        if answer.addresses:
            return answer.addresses[0]
        cause = "name_unknown" if answer.rcode in (dns.NO_ERROR, dns.NAME_UNKNOWN) else "resolver_failed"
        problem = NoAnswer(cause, f"{name}: {resolver} answers with code {answer.rcode}")
    raise problem


async def _ask(interface: str, query: bytes, resolver: str) -> dns.Answer:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
        bind(sock, interface)
        sock.connect((resolver, dns.PORT))
        await loop.sock_sendall(sock, query)
        for _ in range(dns.PACKETS_READ):
            with contextlib.suppress(dns.DnsUnreadable):
                return dns.parse_answer(await loop.sock_recv(sock, 65_535), query)
        raise TimeoutError


async def fetch(interface: str, address: str, url: str, world: World) -> int:
    """The status of the page. NoAnswer where none comes."""
    try:
        async with asyncio.timeout(HTTP_SECONDS):
            return await _fetch(interface, address, url, world)
    except ssl.SSLError as error:
        raise http.tls_failure(error, url) from error
    except OSError as error:
        raise no_answer_from(error, url) from error


async def _fetch(interface: str, address: str, url: str, world: World) -> int:
    parts = http.parse_url(url)
    sock = socket.socket(family_of(address), socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        bind(sock, interface)
        await asyncio.get_running_loop().sock_connect(sock, (address, parts.port or http.PORTS[parts.scheme]))
        tls = world.tls if parts.scheme == "https" else None
        reader, writer = await asyncio.open_connection(
            sock=sock, ssl=tls, server_hostname=parts.hostname if tls else None, limit=http.FETCH_BYTES
        )
    except BaseException:
        sock.close()
        raise
    try:
        writer.write(http.build_request(parts))
        got = http.Fetch()
        await http.read_response(reader, got)
        assert got.status is not None
        return got.status
    finally:
        writer.transport.abort()
