"""ICMP echo (RFC 792) by our own socket: many at once, with the address of whoever answers a TTL that ran out."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from schoolbeat_agent.observation import ProbeFailed

Kind = Literal["reply", "ttl_exceeded", "unreachable", "timeout"]

REMEDY = (
    "ICMP is not allowed to this user. Either allow unprivileged ping:"
    ' sysctl -w net.ipv4.ping_group_range="0 2147483647" (and in /etc/sysctl.d/ to keep it),'
    " or give the agent the capability: AmbientCapabilities=CAP_NET_RAW in its systemd unit."
)

ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
KINDS: dict[int, Kind] = {UNREACHABLE: "unreachable", TIME_EXCEEDED: "ttl_exceeded"}

# From linux/in.h, linux/icmp.h and linux/errqueue.h; Python does not name them.
IP_RECVERR = 11
ICMP_FILTER = 1
SO_EE_ORIGIN_ICMP = 2
EXTENDED_ERROR = struct.Struct("=IBBBBII")  # errno, origin, type, code, pad, info, data; then the offender

HEADER = struct.Struct("!BBHHH")  # type, code, checksum, id, sequence
PAYLOAD = struct.Struct("!8sQ")  # a cookie of this Echo, the running number of the request
# ENOBUFS: with IP_RECVERR the kernel says so of a packet that a link without its other end dropped.
NO_WAY = (
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EADDRNOTAVAIL,
    errno.ENOBUFS,
)
PACKETS_PER_TURN = 64  # read at most so many before the event loop goes on


@dataclass(frozen=True)
class Reply:
    """What became of one echo request. `from_address` is empty when nobody, or this machine itself, said it."""

    kind: Kind
    from_address: str = ""
    rtt_ms: float | None = None


@dataclass(frozen=True)
class _Pending:
    address: str
    number: int
    sent: float
    future: asyncio.Future[Reply]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def build_request(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An echo request; over a datagram socket the kernel puts its own identifier and checksum."""
    unsummed = HEADER.pack(ECHO_REQUEST, 0, 0, identifier, sequence) + payload
    return HEADER.pack(ECHO_REQUEST, 0, checksum(unsummed), identifier, sequence) + payload


def strip_ip(packet: bytes) -> tuple[int, bytes, bytes] | None:
    """Protocol, destination and content of an IPv4 packet; None if it is none."""
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None
    header_bytes = (packet[0] & 15) * 4
    if header_bytes < 20 or len(packet) < header_bytes:
        return None
    return packet[9], packet[16:20], packet[header_bytes:]


def parse_reply(icmp: bytes) -> tuple[int, int, bytes, int] | None:
    """Identifier, sequence, cookie and number of an echo reply to one of our requests; None if it is none."""
    if len(icmp) != HEADER.size + PAYLOAD.size:
        return None
    kind, code, _, identifier, sequence = HEADER.unpack_from(icmp)
    if (kind, code) != (ECHO_REPLY, 0):
        return None
    cookie, number = PAYLOAD.unpack_from(icmp, HEADER.size)
    return identifier, sequence, cookie, number


def parse_error(icmp: bytes) -> tuple[Kind, str, int, int] | None:
    """Kind, and of the quoted request destination, identifier, sequence (RFC 792 quotes 8 bytes of it)."""
    if len(icmp) < HEADER.size or icmp[0] not in KINDS:
        return None
    quoted = strip_ip(icmp[HEADER.size :])
    if quoted is None or quoted[0] != socket.IPPROTO_ICMP or len(quoted[2]) < HEADER.size:
        return None
    kind, _, _, identifier, sequence = HEADER.unpack_from(quoted[2])
    if kind != ECHO_REQUEST:
        return None
    return KINDS[icmp[0]], socket.inet_ntoa(quoted[1]), identifier, sequence


def parse_queued_error(ancillary: list[tuple[int, int, bytes]]) -> tuple[Kind, str] | None:
    """Kind and offender of an ICMP error the kernel queued for us (ip(7), IP_RECVERR); None if it is another."""
    for level, kind, data in ancillary:
        if (level, kind) != (socket.IPPROTO_IP, IP_RECVERR) or len(data) < EXTENDED_ERROR.size + 8:
            continue
        _, origin, icmp_type, _, _, _, _ = EXTENDED_ERROR.unpack_from(data)
        if origin == SO_EE_ORIGIN_ICMP and icmp_type in KINDS:
            offender = data[EXTENDED_ERROR.size + 4 : EXTENDED_ERROR.size + 8]
            return KINDS[icmp_type], socket.inet_ntoa(offender)
    return None


def is_own_address(address: str) -> bool:
    """Whether the address is this machine's: only then can a socket be bound to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((address, 0))
        except OSError:
            return False
    return True


def open_socket() -> tuple[socket.socket, bool]:
    """A non-blocking ICMP socket and whether it is raw. ProbeFailed("no_permission") when neither is allowed."""
    if not hasattr(socket, "MSG_ERRQUEUE"):
        raise ProbeFailed("no_permission", "ICMP is asked on Linux only; elsewhere devices are asked by TCP (port = …)")
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
    except OSError:
        pass  # ping_group_range leaves us out, or the kernel has no such sockets: a raw one may be allowed
    else:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        return sock, False
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_ICMP)
    except PermissionError as error:
        raise ProbeFailed("no_permission", REMEDY) from error
    except OSError as error:
        raise ProbeFailed("internal", f"cannot open an ICMP socket: {error}") from error
    wanted = 1 << ECHO_REPLY | 1 << UNREACHABLE | 1 << TIME_EXCEEDED
    sock.setsockopt(socket.IPPROTO_RAW, ICMP_FILTER, struct.pack("=I", ~wanted & 0xFFFFFFFF))
    return sock, True


class Echo:
    """One ICMP socket, opened when first used, shared by all probes of one event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._cookie = os.urandom(8)
        self._identifier = int.from_bytes(os.urandom(2), "big")
        self._number = int.from_bytes(os.urandom(2), "big")
        self._pending: dict[int, _Pending] = {}
        self._socket: socket.socket | None = None
        self._raw = False

    def open(self) -> socket.socket:
        """Open the socket unless it is open. ProbeFailed says what to do where that is not allowed."""
        if self._socket is None:
            self._socket, self._raw = open_socket()
            asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)
        return self._socket

    def close(self) -> None:
        """Close the socket; requests still waiting are cancelled. It opens again when used again."""
        if self._socket is None:
            return
        for waiting in list(self._pending.values()):
            waiting.future.cancel()
        self._pending.clear()
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None

    async def ping(self, address: str, *, ttl: int | None = None, timeout_seconds: float = 1.0) -> Reply:
        """One echo request to an IPv4 address and what became of it. A network error is a Reply, not an exception.

        Raises ProbeFailed when the request could not be sent for a reason that says nothing of the network.
        """
        return await self.send(address, ttl=ttl, timeout_seconds=timeout_seconds)

    def send(self, address: str, *, ttl: int | None = None, timeout_seconds: float) -> asyncio.Future[Reply]:
        """As `ping`, but at once: the future has the reply later; cancel it to wait no longer."""
        check_address(address)
        sock = self.open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Reply] = loop.create_future()
        if len(self._pending) % PACKETS_PER_TURN == PACKETS_PER_TURN - 1:
            self._read()  # the kernel keeps about 250 answers: a long burst must not overrun them
        sequence = self._free_sequence()
        self._pending[sequence] = _Pending(address, self._number, self._clock(), future)
        payload = PAYLOAD.pack(self._cookie, self._number)
        try:
            self._transmit(sock, build_request(self._identifier, sequence, payload), address, ttl)
        except OSError as error:
            del self._pending[sequence]
            future.set_result(reply_to_send_error(error, address))
            return future
        timer = loop.call_later(timeout_seconds, _settle, future, Reply("timeout"))

        def forget(_: asyncio.Future[Reply]) -> None:
            timer.cancel()
            self._pending.pop(sequence, None)

        future.add_done_callback(forget)
        return future

    def _free_sequence(self) -> int:
        for _ in range(65_536):
            self._number += 1
            if self._number & 0xFFFF not in self._pending:
                return self._number & 0xFFFF
        raise ProbeFailed("internal", "65536 echo requests are waiting already")

    def _transmit(self, sock: socket.socket, packet: bytes, address: str, ttl: int | None) -> None:
        ancillary = [] if ttl is None else [(socket.IPPROTO_IP, socket.IP_TTL, struct.pack("=i", ttl))]
        # With IP_RECVERR a send also reports the error of an earlier packet to somebody else: read those away, then
        # only an error that stays is this packet's.
        for attempts_left in (2, 1, 0):
            try:
                sock.sendmsg([packet], ancillary, 0, (address, 0))
                return
            except OSError:
                if not attempts_left:
                    raise
                self._read()

    def _read(self) -> None:
        sock = self._socket
        if sock is None:
            return
        if not self._raw:
            for _ in range(PACKETS_PER_TURN):
                if not self._read_queued_error(sock):
                    break
        for _ in range(PACKETS_PER_TURN):
            try:
                packet, (source, _port) = sock.recvfrom(1_024)
            except BlockingIOError:
                return
            except OSError:
                continue  # the error of some packet, which the queue told already
            self._take_packet(packet, source)

    def _read_queued_error(self, sock: socket.socket) -> bool:
        try:
            quoted, ancillary, _, (destination, _port) = sock.recvmsg(1_024, 512, socket.MSG_ERRQUEUE)
        except OSError:
            return False
        found = parse_queued_error(ancillary)
        if found is not None and len(quoted) >= HEADER.size:
            kind, offender = found
            sequence = HEADER.unpack_from(quoted)[4]
            self._take_error(kind, offender, destination, sequence)
        return True

    def _take_packet(self, packet: bytes, source: str) -> None:
        if not self._raw:
            self._take_reply(packet, source)
            return
        stripped = strip_ip(packet)
        if stripped is None:
            return
        icmp = stripped[2]
        error = parse_error(icmp)
        if error is None:
            self._take_reply(icmp, source)
            return
        kind, destination, identifier, sequence = error
        if identifier == self._identifier:
            self._take_error(kind, source, destination, sequence)

    def _take_reply(self, icmp: bytes, source: str) -> None:
        parsed = parse_reply(icmp)
        if parsed is None:
            return
        identifier, sequence, cookie, number = parsed
        if cookie != self._cookie or (self._raw and identifier != self._identifier):
            return
        waiting = self._pending.get(sequence)
        if waiting is not None and waiting.number == number and waiting.address == source:
            _settle(waiting.future, Reply("reply", source, self._since(waiting)))

    def _take_error(self, kind: Kind, offender: str, destination: str, sequence: int) -> None:
        waiting = self._pending.get(sequence)
        if waiting is None or waiting.address != destination:
            return
        # Our own kernel says "unreachable" too, when nobody answers its ARP: that proves no other machine.
        from_address = "" if is_own_address(offender) else offender
        _settle(waiting.future, Reply(kind, from_address, self._since(waiting)))

    def _since(self, waiting: _Pending) -> float:
        return (self._clock() - waiting.sent) * 1_000


def _settle(future: asyncio.Future[Reply], reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)


def check_address(address: str) -> None:
    """ProbeFailed("not_configured") unless it is an IPv4 address in four decimal parts."""
    try:
        socket.inet_pton(socket.AF_INET, address)
    except (OSError, ValueError) as error:
        detail = f"{address!r} is not an IPv4 address; write four numbers, like 192.168.1.10"
        raise ProbeFailed("not_configured", detail) from error


def reply_to_send_error(error: OSError, address: str) -> Reply:
    """What a failed send says: no way there is an answer of the network; anything else is no measurement."""
    if error.errno in NO_WAY:
        return Reply("unreachable")
    if error.errno == errno.EPERM:
        raise ProbeFailed("no_permission", f"this machine's firewall forbids ICMP to {address}") from error
    if error.errno in (errno.EACCES, errno.EINVAL):
        detail = f"{address} cannot be pinged ({error.strerror}); give the address of one machine"
        raise ProbeFailed("not_configured", detail) from error
    raise ProbeFailed("internal", f"cannot send ICMP to {address}: {error.strerror}") from error
