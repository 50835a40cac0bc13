"""A school's LAN in namespaces: every device a machine of its own with its own MAC, and an EMULATED service or two.

Where ../shared/material is there, SNMP answers come from recordings of real devices; else from a few rows written here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.agent import snmprec
from tests.agent.emulated_camera import EmulatedCamera
from tests.agent.emulated_display import PORTS, EmulatedDisplay
from tests.agent.emulated_projector import EmulatedProjector, Projector
from tests.agent.snmp_responder import EmulatedAgent, Responder

SILENCE = b"(it takes the connection, and not a byte comes)"
CLONE_NEWNET = 0x40000000
NETWORK = "10.83.5"
RECORDINGS = Path(__file__).resolve().parents[3] / "shared/material/snmp/recordings"
SITE_KEY = bytes(range(32))

DESCR, OBJECT_ID, NAME, SERVICES = (f"1.3.6.1.2.1.1.{number}.0" for number in (1, 2, 5, 7))
Rows = Mapping[str, Any]


def interfaces(*names: str, kind: int = 6) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for index, name in enumerate(names, 1):
        out[f"1.3.6.1.2.1.2.2.1.2.{index}"] = name.encode()
        out[f"1.3.6.1.2.1.2.2.1.3.{index}"] = kind
        out[f"1.3.6.1.2.1.31.1.1.1.1.{index}"] = name.encode()
    return out


def mac(last: int, maker: str) -> str:
    """maker: three bytes that the IEEE gave to one."""
    return f"{maker}:5b:ea:{last:02x}"


def under(oid: str, of_mac: str) -> str:
    return oid + "." + ".".join(str(byte) for byte in bytes.fromhex(of_mac.replace(":", "")))


ROUTER_MAC = mac(1, "48:a9:8a")
ROUTER = {
    DESCR: b"RouterOS RB750Gr3",
    OBJECT_ID: "1.3.6.1.4.1.14988.1",
    NAME: b"cong-truong",
    "1.3.6.1.2.1.4.1.0": 1,
    "1.3.6.1.2.1.4.21.1.2.0.0.0.0": 3,
    **interfaces("ether1", "bridge", "pppoe-out1"),
}
SWITCH = {
    DESCR: b"JetStream 18-Port Gigabit Smart Switch",
    OBJECT_ID: "1.3.6.1.4.1.11863.5.190",
    NAME: b"sw-tang-1",
    SERVICES: 2,
    "1.3.6.1.2.1.17.1.2.0": 18,
    under("1.3.6.1.2.1.17.4.3.1.2", ROUTER_MAC): 17,
    "1.3.6.1.2.1.17.1.4.1.2.17": 17,
    **interfaces(*(f"gigabitEthernet 1/0/{port}" for port in range(1, 19))),
}
ACCESS_POINT = {
    DESCR: b"UAP-nanoHD 5.43.36.12724",
    OBJECT_ID: "1.3.6.1.4.1.8072.3.2.10",
    NAME: b"ap-tang-2",
    **interfaces("eth0", "br0"),
}
UPS = {
    DESCR: b"APC Web/SNMP Management Card (MB:v4.1.0)",
    OBJECT_ID: "1.3.6.1.4.1.318.1.3.27",
    "1.3.6.1.4.1.318.1.1.1.1.1.1.0": b"Smart-UPS X 750",
    "1.3.6.1.4.1.318.1.1.1.1.2.3.0": b"AS0000000001",
    "1.3.6.1.4.1.318.1.1.1.4.1.1.0": 2,
}
RECORDER = {DESCR: b"DH-NVR4108HS-8P-4KS2", OBJECT_ID: "1.3.6.1.4.1.1004849.3.2.10", **interfaces("eth0")}
PRINTER = {
    DESCR: b"HP ETHERNET MULTI-ENVIRONMENT",
    OBJECT_ID: "1.3.6.1.4.1.11.2.3.9.1",
    "1.3.6.1.2.1.43.5.1.1.16.1": b"HP LaserJet Pro",
    "1.3.6.1.2.1.43.5.1.1.17.1": b"VNB0000001",
}


def rows(own: Rows, recording: str, real: bool) -> Rows:
    file = RECORDINGS / f"{recording}.snmprec"
    return snmprec.load(file) if real and recording else own


def page(title: str, server: str = "httpd") -> bytes:
    body = f"<html><head><title>{title}</title></head></html>".encode()
    return f"HTTP/1.0 200 OK\r\nServer: {server}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def rtsp_wants_password(realm: str) -> bytes:
    return f'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="{realm}", nonce="8b5c"\r\n\r\n'.encode()


def netbios(datagram: bytes) -> bytes | None:
    """Node status answer (RFC 1002, 4.2.18) with one name."""
    if len(datagram) < 50:
        return None
    names = b"\x01" + b"PC-PHONG-TIN   " + b"\x00\x04\x00"
    head = datagram[:2] + b"\x84\x00\0\0\0\x01\0\0\0\0" + datagram[12:46]
    return head + b"\0\x21\0\x01\0\0\0\0" + len(names).to_bytes(2, "big") + names


def media_renderer(datagram: bytes) -> bytes | None:
    if not datagram.startswith(b"M-SEARCH"):
        return None
    return (
        b"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=1800\r\nEXT:\r\nLOCATION: http://10.83.5.14:1/\r\n"
        b"SERVER: Linux/4.19 UPnP/1.0 LGE WebOS TV/Version 0.9\r\nST: urn:schemas-upnp-org:device:MediaRenderer:1\r\n"
        b"USN: uuid:0::urn:schemas-upnp-org:device:MediaRenderer:1\r\n\r\n"
    )


def offers_addresses(own: str) -> Callable[[bytes], bytes | None]:
    """An EMULATED DHCP server: a DISCOVER is answered with an OFFER (RFC 2131, table 3) that names it."""

    def answer(datagram: bytes) -> bytes | None:
        if len(datagram) < 243 or datagram[0] != 1 or datagram[236:240] != b"\x63\x82\x53\x63":
            return None
        if b"\x35\x01\x01" not in datagram[240:]:
            return None
        head = b"\x02" + datagram[1:16] + socket.inet_aton(f"{NETWORK}.199") + socket.inet_aton(own) + datagram[24:236]
        return head + datagram[236:240] + b"\x35\x01\x02\x36\x04" + socket.inet_aton(own) + b"\xff"

    return answer


@dataclass(frozen=True)
class Machine:
    """kind: what it really is. tcp: port -> what it sends when spoken to; None: it only accepts.

    udp: port -> answer to a datagram. groups: multicast groups it listens to.
    """

    last: int
    kind: str
    mac: str
    snmp: Rows | None = None
    tcp: Mapping[int, bytes | None] = field(default_factory=dict)
    udp: Mapping[int, Callable[[bytes], bytes | None]] = field(default_factory=dict)
    groups: Sequence[str] = ()
    projector: Projector | None = None
    camera: EmulatedCamera | None = None
    display: str = ""
    mdns: str = ""

    address: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", self.address or f"{NETWORK}.{self.last}")


def school(real: bool) -> list[Machine]:
    """The devices of a small school. real: recordings in place of the rows written here."""
    camera_1, camera_2 = mac(6, "24:0f:9b"), mac(7, "14:a7:8b")
    beamer, recorder = mac(5, "dc:d2:fc"), mac(15, "00:12:16")
    return [
        Machine(1, "router", ROUTER_MAC, rows(ROUTER, "routeros_rb750gr3", real), {80: page("RouterOS router")}),
        Machine(2, "switch", mac(2, "1c:61:b4"), rows(SWITCH, "jetstream_sg2218p", real), {80: page("Login")}),
        Machine(
            3, "access_point", mac(3, "74:ac:b9"), rows(ACCESS_POINT, "unifi_nanohd", real), {22: b"SSH-2.0-x\r\n"}
        ),
        Machine(4, "ups", mac(4, "00:c0:b7"), rows(UPS, "apc_smt750x-nmc2", real)),
        Machine(5, "projector", beamer, projector=Projector(mac=beamer, name="Phòng 7A1")),
        Machine(
            6,
            "camera",
            camera_1,
            tcp={8000: None},
            camera=EmulatedCamera(
                f"{NETWORK}.6", mac=camera_1, vendor="HIKVISION", model="DS-2CD1023G0E-I", password="School@123"
            ),
        ),
        Machine(
            7,
            "camera",
            camera_2,
            tcp={37777: None},
            camera=EmulatedCamera(
                f"{NETWORK}.7",
                mac=camera_2,
                vendor="Dahua",
                model="DH-IPC-HFW1230S",
                path="/cam/realmonitor?channel=1&subtype=0",
            ),
        ),
        Machine(
            8,
            "recorder",
            mac(8, "14:a7:8b"),
            rows(RECORDER, "dahua-nvr", real),
            tcp={554: rtsp_wants_password("Login to 6K0"), 37777: None},
        ),
        Machine(
            9,
            "printer",
            mac(9, "3c:d9:2b"),
            rows(PRINTER, "", real),
            tcp={9100: None, 80: page("HP LaserJet Pro")},
            mdns="_pdl-datastream._tcp.local.",
        ),
        Machine(10, "computer", mac(10, "f8:b1:56"), tcp={445: None, 3389: None}, udp={137: netbios}),
        Machine(11, "phone", "8e:11:22:33:44:0b"),
        Machine(12, "other", mac(12, "00:00:5e")),
        Machine(
            13, "recorder", mac(13, "24:0f:9b"), rows({DESCR: b"Hikvision company products"}, "hikvision-nvr", real)
        ),
        Machine(
            14,
            "television",
            mac(14, "a8:23:fe"),
            udp={1900: media_renderer},
            groups=("239.255.255.250",),
            display="lg",
        ),
        Machine(
            15,
            "recorder",
            recorder,
            camera=EmulatedCamera(
                f"{NETWORK}.15",
                kind="recorder",
                mac=recorder,
                model="R-16",
                password="School@123",
                rtsp_port=0,
                channels=16,
            ),
        ),
        Machine(
            16,
            "other",
            mac(16, "00:00:5e"),
            tcp=dict.fromkeys((22, 80, 443, 554, 4352), SILENCE),
            udp={161: lambda _: bytes(range(200, 240)), 137: lambda _: b"nonsense"},
        ),
        Machine(17, "board", mac(17, "00:00:5e"), display="benq-board"),
    ]


def enter(namespace: str) -> None:
    """This thread, and those it starts, live there from now on."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}") as opened:
        if libc.setns(opened.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class SchoolLan:
    """A bridge, the gateway that looks around, and the machines. Everything is taken away at the end."""

    def __init__(self, machines: Sequence[Machine]) -> None:
        self.machines = list(machines)
        self.prefix = f"sbl{os.getpid()}x{id(self) % 997}"
        self.bridge, self.gateway = f"{self.prefix}b", f"{self.prefix}g"
        self._threads: dict[int, tuple[threading.Thread, threading.Event]] = {}

    def __enter__(self) -> SchoolLan:
        try:
            for namespace in (self.bridge, self.gateway):
                self._run("ip", "netns", "add", namespace)
                self.ip(namespace, "link set lo up")
            self.ip(self.bridge, "link add br0 type bridge mcast_snooping 0")
            self.ip(self.bridge, "link set br0 up")
            self._plug(self.gateway, "gw", mac(200, "dc:a6:32"), f"{NETWORK}.200")
            self.ip(self.gateway, f"route add default via {NETWORK}.1")
            for machine in self.machines:
                self.switch_on(machine)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for last in list(self._threads):
            self.switch_off(last)
        for namespace in (self.bridge, self.gateway):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def ip(self, namespace: str, command: str) -> None:
        self._run("ip", "-n", namespace, *command.split())

    def _run(self, *command: str) -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def _plug(self, namespace: str, port: str, hardware: str, address: str) -> None:
        self.ip(self.bridge, f"link add {port} type veth peer name eth0 netns {namespace} address {hardware}")
        self.ip(self.bridge, f"link set {port} master br0 up")
        self.ip(namespace, f"addr add {address}/24 brd + dev eth0")
        self.ip(namespace, "link set eth0 up")

    def switch_on(self, machine: Machine) -> None:
        namespace = f"{self.prefix}m{machine.last}"
        self._run("ip", "netns", "add", namespace)
        self._plug(namespace, f"m{machine.last}", machine.mac, machine.address)
        started, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=serve, args=(machine, namespace, started, stop))
        self._threads[machine.last] = (thread, stop)
        thread.start()
        assert started.wait(30), f"{machine} did not start"

    def switch_off(self, last: int) -> None:
        thread, stop = self._threads.pop(last)
        stop.set()
        thread.join()
        subprocess.run(["ip", "netns", "del", f"{self.prefix}m{last}"], check=False, capture_output=True)
        # The kernel takes the namespace down a little later; the plug must be free at once.
        subprocess.run(["ip", "-n", self.bridge, "link", "del", f"m{last}"], check=False, capture_output=True)

    def in_gateway(self, *command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", self.gateway, *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def discovered(self) -> dict[str, Any]:
        """What `discover` says, run as a program on the gateway, with what it cost."""
        done = self.in_gateway(sys.executable, "-c", DISCOVERING, f"{NETWORK}.0/24", SITE_KEY.hex())
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


DISCOVERING = """
import asyncio, dataclasses, ipaddress, json, resource, sys, time
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.discover import discover
from schoolbeat_agent.probes.world import World

steps = []
world = World()
async def run():
    try:
        return await discover([ipaddress.IPv4Network(sys.argv[1])], world, site_key=bytes.fromhex(sys.argv[2]),
            credentials={"other": Credential("other", community="nope"), "school": Credential("school", community="public")},
            progress=steps.append)
    finally:
        world.echo.close()
started = time.monotonic()
found = asyncio.run(run())
seconds = time.monotonic() - started
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
json.dump({
    "found": [dataclasses.asdict(one) for one in found],
    "seconds": seconds,
    "cpu_seconds": sum(use.ru_utime + use.ru_stime for use in used),
    "steps": [dataclasses.asdict(step) for step in steps],
    "heavy": sorted(set(sys.modules) & {"scapy", "zeroconf"}),
}, sys.stdout)
"""


def serve(machine: Machine, namespace: str, started: threading.Event, stop: threading.Event) -> None:
    """One machine's thread, until it is switched off."""
    enter(namespace)
    with contextlib.ExitStack() as stack:
        if machine.snmp is not None:
            stack.enter_context(Responder({(machine.address, 161): EmulatedAgent(machine.snmp, "public")}))
        if machine.projector is not None:
            stack.enter_context(EmulatedProjector(machine.projector, machine.address, 4352, [f"{NETWORK}.255"]))
        if machine.display:
            stack.enter_context(EmulatedDisplay(machine.display, machine.address, PORTS[machine.display]))
        if machine.mdns:
            stack.enter_context(announced(machine))
        asyncio.run(_serve(machine, started, stop))


@contextlib.contextmanager
def announced(machine: Machine) -> Iterator[None]:
    """By real mDNS."""
    from zeroconf import ServiceInfo, Zeroconf

    zeroconf = Zeroconf(interfaces=[machine.address])
    try:
        zeroconf.register_service(
            ServiceInfo(
                machine.mdns,
                f"may-in.{machine.mdns}",
                9100,
                properties={"ty": "HP LaserJet Pro"},
                server="may-in.local.",
                addresses=[socket.inet_aton(machine.address)],
            )
        )
        yield
    finally:
        zeroconf.close()


async def _serve(machine: Machine, started: threading.Event, stop: threading.Event) -> None:
    def says(answer: bytes | None) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                if answer == SILENCE:
                    await reader.read(-1)
                elif answer is not None and (answer.startswith(b"SSH") or await reader.read(2_048)):
                    writer.write(answer)
                    await writer.drain()
                writer.close()

        return talk

    def datagrams(answer: Callable[[bytes], bytes | None]) -> type[asyncio.DatagramProtocol]:
        class Answers(asyncio.DatagramProtocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, asker: tuple[str, int]) -> None:
                to = ("255.255.255.255", asker[1]) if asker[0] == "0.0.0.0" else asker  # who has no address yet
                if said := answer(data):
                    self.transport.sendto(said, to)  # type: ignore[attr-defined]

        return Answers

    loop = asyncio.get_running_loop()
    servers = [await asyncio.start_server(says(answer), machine.address, port) for port, answer in machine.tcp.items()]
    ears = []
    for port, answer in machine.udp.items():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
        sock.bind(("", port))
        for group in machine.groups:
            member = socket.inet_aton(group) + socket.inet_aton(machine.address)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        ears.append((await loop.create_datagram_endpoint(datagrams(answer), sock=sock))[0])
    async with contextlib.AsyncExitStack() as stack:
        if machine.camera is not None:
            await stack.enter_async_context(replace(machine.camera, address=machine.address).serving())
        started.set()
        while not stop.is_set():
            await asyncio.sleep(0.05)
    for server in servers:
        server.close()
    for ear in ears:
        ear.close()
