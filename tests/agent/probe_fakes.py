"""What the probes' tests ask: DNS and TCP servers of our own on loopback, and namespaces of our own."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
from tests.ports import free_port

from schoolbeat_agent.echo import Echo
from schoolbeat_agent.observation import ProbeFailed

T = TypeVar("T")
CLONE_NEWNET = 0x40000000


def dns_answer(
    query: bytes, addresses: Sequence[str] = (), *, rcode: int = 0, truncated: bool = False, alias: bytes = b""
) -> bytes:
    """A resolver's answer to a query, built by hand: a CNAME first if `alias` (a name on the wire) is given."""
    records = b""
    if alias:
        records += b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, len(alias)) + alias
    for address in addresses:
        records += b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
    flags = 0x8180 | (0x0200 if truncated else 0) | rcode
    return query[:2] + struct.pack("!HHHHH", flags, 1, bool(alias) + len(addresses), 0, 0) + query[12:] + records


class FakeResolver:
    """A DNS server on loopback; `udp` and `tcp` say what it sends back for a query."""

    def __init__(
        self,
        udp: Callable[[bytes], Sequence[bytes]],
        tcp: Callable[[bytes], bytes] | None = None,
        address: str = "127.0.0.1",
    ) -> None:
        self.address = address
        self.queries: list[bytes] = []
        self._udp_answers, self._tcp_answer = udp, tcp
        self.port = free_port()
        self._tcp = socket.create_server((address, self.port))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind((address, self.port))
        self._threads = [threading.Thread(target=self._serve_udp), threading.Thread(target=self._serve_tcp)]

    def __enter__(self) -> FakeResolver:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._udp, self._tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while True:
            query, asker = self._udp.recvfrom(2_048)
            if not query:
                return
            self.queries.append(query)
            for answer in self._udp_answers(query):
                self._udp.sendto(answer, asker)

    def _serve_tcp(self) -> None:
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            with sock:
                query = sock.recv(2_048)[2:]
                if self._tcp_answer is not None and query:
                    answer = self._tcp_answer(query)
                    sock.sendall(struct.pack("!H", len(answer)) + answer)


def answering(*addresses: str, rcode: int = 0) -> Callable[[bytes], Sequence[bytes]]:
    return lambda query: [dns_answer(query, addresses, rcode=rcode)]


def silent(_: bytes) -> Sequence[bytes]:
    return []


@contextmanager
def listening(address: str = "127.0.0.1") -> Iterator[int]:
    """A TCP port that accepts connections (the kernel does) and says nothing."""
    with socket.create_server((address, 0), backlog=64) as sock:
        yield sock.getsockname()[1]


@contextmanager
def deaf(address: str = "127.0.0.1") -> Iterator[int]:
    """A TCP port that answers nothing at all: its queue of connections is full."""
    with socket.create_server((address, 0), backlog=0) as sock:
        port = sock.getsockname()[1]
        waiting = []
        for _ in range(4):
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex((address, port))
            waiting.append(other)
        try:
            yield port
        finally:
            for other in waiting:
                other.close()


def skip_or_fail(reason: str) -> None:
    """A neighbour that CI must have fails there when it is missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_icmp() -> None:
    async def try_it() -> None:
        echo = Echo()
        echo.open()
        echo.close()

    try:
        asyncio.run(try_it())
    except ProbeFailed as failed:
        skip_or_fail(f"no ICMP socket here: {failed}")


def need_namespaces() -> None:
    missing = [tool for tool in ("ip", "nft", "sysctl", "setpriv") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        skip_or_fail(f"namespaces need root and the tools ip, nft, sysctl, setpriv (missing: {missing})")


def in_namespace(name: str, work: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine in a thread that lives in the network namespace; its result or its exception."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            with open(f"/run/netns/{name}") as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")

            async def awaited() -> T:
                return await work()

            results.append(asyncio.run(awaited()))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def echo_reply(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An ICMP echo reply with its checksum."""
    data = struct.pack("!BBHHH", 0, 0, 0, identifier, sequence) + payload
    words = struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2))
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return data[:2] + struct.pack("!H", ~total & 0xFFFF) + data[4:]


@contextmanager
def icmp_server(namespace: str, answers: Callable[[bytes], Iterable[bytes]]) -> Iterator[None]:
    """Answers the echo requests that come to a namespace, whose kernel should be told not to."""
    stop, ready = threading.Event(), threading.Event()

    async def serve() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.settimeout(0.1)
            ready.set()
            while not stop.is_set():
                try:
                    packet, (source, _) = sock.recvfrom(1_024)
                except TimeoutError:
                    continue
                if packet[20] == 8:
                    for answer in answers(packet[20:]):
                        sock.sendto(answer, (source, 0))

    thread = threading.Thread(target=in_namespace, args=(namespace, serve))
    thread.start()
    ready.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join()


THREAD_PROC = Path("/proc/thread-self")  # /proc/net is the process's namespace, not the thread's


class Lab:
    """A school's line of namespaces of our own: pi -- rt -- edge -- far, with forwarding between.

    pi    10.77.1.10   the gateway
    rt    10.77.1.1    the school's router, 100.77.0.2 towards the ISP
    edge  100.77.0.1   the ISP's edge, 203.0.113.1 beyond
    far   203.0.113.2  holds the targets 198.51.100.10 (domestic) and 198.51.100.20 (international)
    """

    def __init__(self) -> None:
        self.prefix = f"sbp{os.getpid()}"
        self.pi, self.rt, self.edge, self.far = (f"{self.prefix}{n}" for n in ("pi", "rt", "edge", "far"))

    def run(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, text=True)

    def ip(self, namespace: str, command: str) -> None:
        self.run("ip", "-n", namespace, *command.split())

    def sysctl(self, namespace: str, *settings: str) -> None:
        self.run("ip", "netns", "exec", namespace, "sysctl", "-qw", *settings)

    def nft(self, namespace: str, command: str) -> None:
        self.run("ip", "netns", "exec", namespace, "nft", command)

    def up(self) -> None:
        for namespace in (self.pi, self.rt, self.edge, self.far):
            self.run("ip", "netns", "add", namespace)
            self.ip(namespace, "link set lo up")
            self.sysctl(namespace, "net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0")
            self.sysctl(namespace, "net.ipv4.icmp_ratemask=0")
            # Older kernels have these limits for the whole machine only; then the tests live with them.
            limits = ("net.ipv4.icmp_msgs_per_sec=100000", "net.ipv4.icmp_msgs_burst=10000")
            command = ["ip", "netns", "exec", namespace, "sysctl", "-qw", *limits]
            subprocess.run(command, check=False, capture_output=True)
        self._cable(self.pi, "eth0", "10.77.1.10/24", self.rt, "lan", "10.77.1.1/24")
        self._cable(self.rt, "wan", "100.77.0.2/30", self.edge, "cust", "100.77.0.1/30")
        self._cable(self.edge, "net", "203.0.113.1/30", self.far, "eth0", "203.0.113.2/30")
        for address in ("198.51.100.10/32", "198.51.100.20/32"):
            self.ip(self.far, f"addr add {address} dev lo")
        self.ip(self.pi, "route add default via 10.77.1.1")
        self.ip(self.edge, "route add 10.77.1.0/24 via 100.77.0.2")
        self.ip(self.far, "route add default via 203.0.113.1")
        self.mend()

    def _cable(self, one: str, one_end: str, one_address: str, other: str, end: str, address: str) -> None:
        self.run("ip", "link", "add", one_end, "netns", one, "type", "veth", "peer", "name", end, "netns", other)
        for namespace, interface, network in ((one, one_end, one_address), (other, end, address)):
            self.ip(namespace, f"addr add {network} dev {interface}")
            self.ip(namespace, f"link set dev {interface} up")

    def mend(self) -> None:
        """Bring everything back as it was at first, whatever a test did to it."""
        for namespace, interface in ((self.rt, "wan"), (self.edge, "net"), (self.pi, "eth0")):
            self.ip(namespace, f"link set dev {interface} up")
        for namespace in (self.pi, self.rt, self.edge, self.far):
            self.nft(namespace, "flush ruleset")
            self.sysctl(namespace, "net.ipv4.icmp_echo_ignore_all=0", "net.ipv4.ping_group_range=1 0")
        self.ip(self.rt, "route replace default via 100.77.0.1")
        self.ip(self.edge, "route replace 198.51.100.0/24 via 203.0.113.2")
        self.ip(self.pi, "route replace default via 10.77.1.1")

    def cut_line(self) -> None:
        """The router's cable to the ISP is out: the router has no route and says so."""
        self.ip(self.rt, "link set dev wan down")

    def mute(self, namespace: str, rule: str) -> None:
        """Drop what a namespace sends of its own, e.g. "icmp type time-exceeded"."""
        self.nft(namespace, "add table ip mute")
        self.nft(namespace, "add chain ip mute out { type filter hook output priority 0; }")
        self.nft(namespace, f"add rule ip mute out {rule} drop")

    def down(self) -> None:
        for namespace in (self.pi, self.rt, self.edge, self.far):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)
