"""The child process of the probe `lan`, the only place where scapy is imported. Only its parent reads addresses.

`python -I -m schoolbeat_agent.lan.child INTERFACE SECONDS` prints one JSON object, see `watch.parse`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from schoolbeat_agent.discovery.lans import LARGEST, interface_addresses, parse_default_route

if TYPE_CHECKING:
    from scapy.packet import Packet

NOT_INSTALLED, NO_PERMISSION, NO_INTERFACE = 3, 4, 5  # exit codes
NICENESS: Final = 10
ARP_TYPE, IP_TYPE = 0x0806, 0x0800  # IEEE 802 Ethertypes
SO_ATTACH_FILTER: Final = 26
PAUSE_SECONDS: Final = 0.005  # between two ARP questions: 200 a second
DHCP_SECONDS: Final = 4.0
MOST: Final = 4_096  # addresses told
# udp and not a later fragment and destination port 68, for Ethernet, as `tcpdump -dd` words it (bpf(4)).
TO_DHCP_CLIENT: Final = (
    *((0x28, 0, 0, 12), (0x15, 0, 8, IP_TYPE), (0x30, 0, 0, 23), (0x15, 0, 6, 17), (0x28, 0, 0, 20)),
    *((0x45, 4, 0, 0x1FFF), (0xB1, 0, 0, 14), (0x48, 0, 0, 16), (0x15, 0, 1, 68), (0x6, 0, 0, 0xFFFF), (0x6, 0, 0, 0)),
)


def attach_filter(sock: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    """What does not pass costs this process nothing."""
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer)))


def addresses_of(interface: str) -> tuple[bytes, IPv4Interface] | None:
    """Its MAC and first IPv4 address; None where it has none of these or is not there."""
    import psutil

    every = psutil.net_if_addrs().get(interface, [])
    hardware = next((one.address for one in every if one.family == psutil.AF_LINK), "")
    found = interface_addresses({interface: every}, [interface])
    return (bytes.fromhex(hardware.replace(":", "")), found[0][1]) if hardware and found else None


def asked(own: IPv4Interface) -> list[str]:
    """The addresses of its network, of a large one the /22 that it stands in; its own is the first."""
    network = own.network
    if network.prefixlen < LARGEST:
        network = IPv4Network((own.ip, LARGEST), strict=False)
    return [str(own.ip), *(str(host) for host in network.hosts() if host != own.ip)]


def hear(sock: Any, seconds: float, take: Callable[[Packet], None]) -> None:
    """Each packet that comes within that time; at least those that wait already."""
    until = time.monotonic() + seconds
    while True:
        left = max(0.0, until - time.monotonic())
        if not select.select([sock], [], [], left)[0]:
            return
        packet = sock.recv()
        if packet is not None:
            take(packet)
        if left == 0.0:
            return


def dhcp_servers(interface: str, hardware: bytes, seconds: float) -> list[str]:
    """Who offers an address (RFC 2131, 4.3.1): the offer is never taken up, so no address is used."""
    from scapy.config import conf
    from scapy.layers.dhcp import BOOTP, DHCP
    from scapy.layers.inet import IP, UDP
    from scapy.layers.l2 import Ether

    number = int.from_bytes(os.urandom(4), "big")
    discover = (
        Ether(src=hardware, dst="ff:ff:ff:ff:ff:ff")
        / IP(src="0.0.0.0", dst="255.255.255.255")  # noqa: S104
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=hardware + bytes(10), xid=number, flags=0x8000)
        / DHCP(options=[("message-type", "discover"), ("param_req_list", [1, 3, 6, 54]), "end"])
    )
    found: dict[str, None] = {}

    def take(packet: Packet) -> None:
        if BOOTP in packet and DHCP in packet and packet[BOOTP].xid == number and packet[BOOTP].op == 2:
            options: dict[str, Any] = dict(option[:2] for option in packet[DHCP].options if isinstance(option, tuple))
            if options.get("message-type") == 2 and len(found) < MOST:
                found[str(options.get("server_id") or packet[IP].src)] = None

    sock = conf.L2socket(iface=interface, type=IP_TYPE, promisc=False)
    try:
        attach_filter(sock.ins, TO_DHCP_CLIENT)
        for _ in range(2):
            sock.send(discover)
            hear(sock, seconds / 2, take)
    finally:
        sock.close()
    return list(found)


def holders(interface: str, hardware: bytes, own: IPv4Interface, seconds: float) -> dict[str, list[str]]:
    """address -> MACs that answer for it (RFC 826), and of those heard asking; our own is tried as RFC 5227 has it."""
    from scapy.config import conf
    from scapy.layers.l2 import ARP, Ether

    text = ":".join(f"{byte:02x}" for byte in hardware)
    found: dict[str, dict[str, None]] = {}

    def take(packet: Packet) -> None:
        if ARP not in packet:
            return
        address, mac = str(packet[ARP].psrc), str(packet[ARP].hwsrc).lower()
        if mac != text and address != "0.0.0.0" and (address in found or len(found) < MOST):  # noqa: S104
            macs = found.setdefault(address, {})
            if len(macs) < 8:
                macs[mac] = None

    sock = conf.L2socket(iface=interface, type=ARP_TYPE, promisc=False)
    until = time.monotonic() + seconds
    try:
        for turn in range(2):  # of two that hold one address the slower may answer the second only
            for address in asked(own):
                source = "0.0.0.0" if address == str(own.ip) else str(own.ip)  # noqa: S104
                sock.send(Ether(src=hardware, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=hardware, psrc=source, pdst=address))
                hear(sock, PAUSE_SECONDS, take)
                if time.monotonic() > until - 1:
                    break
            hear(sock, 1.0 if turn == 0 else max(1.0, min(2.0, until - time.monotonic())), take)
    finally:
        sock.close()
    if str(own.ip) in found:
        found[str(own.ip)][text] = None
    return {address: list(macs) for address, macs in found.items()}


def main(arguments: Sequence[str]) -> int:
    interface, seconds = arguments[0], float(arguments[1])
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    try:
        from scapy.config import conf
    except ImportError:
        return NOT_INSTALLED
    conf.ipv6_enabled = False
    addresses = addresses_of(interface)
    if addresses is None:
        return NO_INTERFACE
    hardware, own = addresses
    try:
        told = {
            "dhcp_servers": dhcp_servers(interface, hardware, min(DHCP_SECONDS, seconds / 3)),
            "holders": holders(interface, hardware, own, seconds * 2 / 3),
            "router": router_of(interface),
        }
    except PermissionError:
        return NO_PERMISSION
    json.dump(told, sys.stdout)
    return 0


def router_of(interface: str) -> str:
    """The default router's address, where the way to it is this interface."""
    by, router = parse_default_route(Path("/proc/net/route").read_text(encoding="ascii"))
    return router if by == interface else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
