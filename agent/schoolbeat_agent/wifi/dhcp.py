"""A lease as a pupil's computer gets it: DHCP (RFC 2131, RFC 2132) over one interface, and given back at the end.

By packets of our own (AF_PACKET), as every DHCP client must: an interface without an address hears no UDP where the
kernel filters by reverse path.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.echo import checksum
from schoolbeat_agent.observation import ProbeFailed

BROADCAST_MAC: Final = b"\xff" * 6
IP_PROTOCOL: Final = 0x0800  # linux/if_ether.h, ETH_P_IP
SERVER_PORT, CLIENT_PORT = 67, 68
COOKIE: Final = b"\x63\x82\x53\x63"
FIXED: Final = struct.Struct("!BBBBIHH4s4s4s4s16s192x")  # RFC 2131, section 2; then cookie and options
DISCOVER, OFFER, REQUEST, ACK, NAK, RELEASE = 1, 2, 3, 5, 6, 7
MASK, ROUTER, RESOLVERS, ADDRESS, KIND, SERVER, WANTED, CLIENT = 1, 3, 6, 50, 53, 54, 55, 61
AGAIN_SECONDS: Final = (1.5, 2.5)  # then every 4 s: a pupil's computer is not more patient
AFTER_NO_SECONDS: Final = 0.5  # refused, or offered nothing of use: begin anew, not at once
PACKETS_READ: Final = 5_000  # of whatever else is on the air
PACKETS_PER_TURN: Final = 64  # then the event loop goes on, however many more wait
RESOLVERS_TAKEN: Final = 3


@dataclass(frozen=True)
class Lease:
    """What the server gave. router None: it named none."""

    address: str
    prefix: int
    router: str | None
    resolvers: tuple[str, ...]
    server: str


@dataclass(frozen=True)
class Message:
    """A DHCP message to us: its kind, the address meant, and options as they came."""

    kind: int
    address: bytes
    options: Mapping[int, bytes]


def options_of(data: bytes) -> dict[int, bytes]:
    """RFC 2132, section 2; an option that came twice is one (RFC 3396). ValueError where one is cut."""
    out: dict[int, bytes] = {}
    place = 0
    while place < len(data) and data[place] != 255:
        code = data[place]
        if code == 0:
            place += 1
            continue
        if place + 1 >= len(data) or place + 2 + data[place + 1] > len(data):
            raise ValueError("an option is cut")
        size = data[place + 1]
        out[code] = out.get(code, b"") + data[place + 2 : place + 2 + size]
        place += 2 + size
    return out


def parse_packet(packet: bytes, transaction: int, mac: bytes) -> Message | None:
    """The DHCP message in an IPv4 packet; None where it is none, or none of ours."""
    if len(packet) < 28 or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_UDP:
        return None
    header = (packet[0] & 15) * 4
    fragment = struct.unpack_from("!H", packet, 6)[0] & 0x3FFF
    if header < 20 or fragment or len(packet) < header + 8 + FIXED.size + 4:
        return None
    # The checksum is not looked at: for packets that never see a cable the kernel leaves it out.
    source, target, size, _ = struct.unpack_from("!HHHH", packet, header)
    if (source, target) != (SERVER_PORT, CLIENT_PORT) or size < 8:
        return None
    body = packet[header + 8 : header + size]
    if len(body) < FIXED.size + 4 or body[FIXED.size : FIXED.size + 4] != COOKIE:
        return None
    operation, _, length, _, number, _, _, _, yours, _, _, hardware = FIXED.unpack_from(body)
    if operation != 2 or number != transaction or length != 6 or hardware[:6] != mac:
        return None
    try:
        options = options_of(body[FIXED.size + 4 :])
    except ValueError:
        return None
    kind = options.get(KIND, b"")
    return Message(kind[0], yours, options) if len(kind) == 1 else None


def lease_of(message: Message) -> Lease | None:
    """None where it is no lease that a computer could use."""
    address, mask = message.address, message.options.get(MASK, b"\xff\xff\xff\x00")
    server = message.options.get(SERVER, b"")
    ip = ipaddress.IPv4Address(address)
    if len(mask) != 4 or len(server) != 4 or ip.is_unspecified or ip.is_loopback or ip.is_multicast:
        return None
    bits = f"{int.from_bytes(mask, 'big'):032b}"
    if "01" in bits or "1" not in bits:
        return None
    routers, resolvers = (_addresses(message.options.get(code, b"")) for code in (ROUTER, RESOLVERS))
    return Lease(
        str(ip), bits.count("1"), routers[0] if routers else None, resolvers[:RESOLVERS_TAKEN], socket.inet_ntoa(server)
    )


def _addresses(data: bytes) -> tuple[str, ...]:
    return tuple(socket.inet_ntoa(data[place : place + 4]) for place in range(0, len(data) - len(data) % 4, 4))


def build(
    kind: int,
    transaction: int,
    mac: bytes,
    options: Mapping[int, bytes],
    ours: str = "0.0.0.0",  # noqa: S104 (the address of who has none)
    to: str = "255.255.255.255",
) -> bytes:
    """An IPv4 packet with the message: from `ours`, to the server or to all."""
    source, target = socket.inet_aton(ours), socket.inet_aton(to)
    told = {KIND: bytes([kind]), CLIENT: b"\x01" + mac} | dict(options)
    body = FIXED.pack(1, 1, 6, 0, transaction, 0, 0, source, b"", b"", b"", mac) + COOKIE
    body += b"".join(bytes([code, len(value)]) + value for code, value in told.items()) + b"\xff"
    body += b"\0" * (300 - len(body))  # BOOTP's shortest (RFC 1542, section 2.1)
    udp_bytes = 8 + len(body)
    pseudo = source + target + struct.pack("!BBH", 0, socket.IPPROTO_UDP, udp_bytes)
    unsummed = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, udp_bytes, 0) + body
    total = checksum(pseudo + unsummed + b"\0" * (len(unsummed) % 2)) or 0xFFFF
    udp = struct.pack("!HHHH", CLIENT_PORT, SERVER_PORT, udp_bytes, total) + body

    def header(sum_: int) -> bytes:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, sum_) + source + target

    return header(checksum(header(0))) + udp


def open_socket(interface: str) -> socket.socket:
    """Hears and sends IPv4 packets of the interface alone. ProbeFailed where that is not allowed."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, socket.htons(IP_PROTOCOL))
    except OSError as error:
        detail = f"asking for an address needs CAP_NET_RAW and AF_PACKET ({error.strerror}); docs/probes/wifi_seat.md"
        raise ProbeFailed("no_permission", detail) from error
    try:
        sock.bind((interface, IP_PROTOCOL))
    except OSError as error:
        sock.close()
        raise ProbeFailed("no_radio", f"{interface}: {error.strerror}") from error
    return sock


class Client:
    """One lease on one interface: `obtain`, then `release`."""

    def __init__(self, interface: str, entropy: Callable[[int], bytes]) -> None:
        self._interface = interface
        self._transaction = int.from_bytes(entropy(4), "big")
        self._server_mac = BROADCAST_MAC
        self._sock = open_socket(interface)
        self._mac: bytes = self._sock.getsockname()[4]

    def close(self) -> None:
        self._sock.close()

    async def obtain(self, timeout_seconds: float) -> Lease | None:
        """None: no lease in this time, or the server says no."""
        try:
            async with asyncio.timeout(timeout_seconds):
                while True:
                    offer = await self._ask(DISCOVER, {WANTED: bytes([MASK, ROUTER, RESOLVERS])}, (OFFER,))
                    if lease_of(offer) is not None:
                        chosen = {ADDRESS: offer.address, SERVER: offer.options[SERVER]}
                        wanted = chosen | {WANTED: bytes([MASK, ROUTER, RESOLVERS])}
                        answer = await self._ask(REQUEST, wanted, (ACK, NAK))
                        if answer.kind == ACK and (lease := lease_of(answer)):
                            return lease
                    await asyncio.sleep(AFTER_NO_SECONDS)
        except TimeoutError:
            return None

    def release(self, lease: Lease) -> None:
        """RFC 2131, section 4.4.6: a school's pool may be small. Nobody answers."""
        packet = build(
            RELEASE,
            self._transaction,
            self._mac,
            {SERVER: socket.inet_aton(lease.server)},
            lease.address,
            lease.server,
        )
        try:
            self._send(packet, self._server_mac)
        except OSError:
            pass  # the radio is gone already: the server's own time-out will do

    def _send(self, packet: bytes, mac: bytes = BROADCAST_MAC) -> None:
        self._sock.sendto(packet, (self._interface, IP_PROTOCOL, 0, 0, mac))

    async def _ask(self, kind: int, options: Mapping[int, bytes], wanted: tuple[int, ...]) -> Message:
        packet = build(kind, self._transaction, self._mac, options)
        waits = iter(AGAIN_SECONDS)
        while True:
            try:
                self._send(packet)
            except OSError:
                pass  # the link is not quite up yet
            try:
                async with asyncio.timeout(next(waits, 4.0)):
                    return await self._hear(wanted)
            except TimeoutError:
                continue

    async def _hear(self, wanted: tuple[int, ...]) -> Message:
        loop = asyncio.get_running_loop()
        for number in range(PACKETS_READ):
            if number % PACKETS_PER_TURN == PACKETS_PER_TURN - 1:
                await asyncio.sleep(0)
            packet, sender = await _received(loop, self._sock)
            message = parse_packet(packet, self._transaction, self._mac)
            if message is not None and message.kind in wanted:
                self._server_mac = sender[4][:6] if len(sender) > 4 and sender[4] else BROADCAST_MAC
                return message
        raise TimeoutError


Sender = tuple[str, int, int, int, bytes]  # interface, protocol, packet type, hardware type, hardware address


async def _received(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> tuple[bytes, Sender]:
    """recvfrom of a packet socket; asyncio's own wants Internet addresses."""
    while True:
        try:
            packet, sender = sock.recvfrom(2_048)
            return packet, sender
        except BlockingIOError:
            await _readable(loop, sock)
        except OSError as error:
            raise ProbeFailed("internal", f"the radio went away while it was asked for an address: {error}") from error


async def _readable(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    ready = asyncio.Event()
    loop.add_reader(sock.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock.fileno())
