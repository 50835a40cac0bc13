"""The one real agent of the demo: what it measures (this machine's path, the lab's, or loopback) and its agent.toml."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schoolbeat_server.demo import internet, lab
from schoolbeat_server.enrol import Credentials
from schoolbeat_server.said import Said

SITE, SCHOOL, AREA = "may-nay", "may-nay", "xa-that"
_ROUTE_UP_GATEWAY = 0x3
_ARP_COMPLETE = 0x2
_DISCARD_PORT = 9
LAB_BROKER_PORT = 1883

REGISTER: dict[str, list[dict[str, Any]]] = {
    "areas": [{"id": AREA, "name": "Máy thật (không mô phỏng)", "kind": "commune", "parent": "lc-mo-phong"}],
    "schools": [{"id": SCHOOL, "name": "Máy này – tác tử thật", "area": AREA, "level": "", "manager": "commune"}],
    "sites": [{"id": SITE, "school": SCHOOL, "name": "Máy này", "kind": "main"}],
    "lines": [{"id": f"{SITE}-1", "site": SITE, "isp": "", "technology": "unknown"}],
}

WORDS: dict[str, Said] = {
    "machine": Said(
        "Tác tử thật đo chính máy này và đường mạng thật của nó.",
        "The real agent measures this machine and its real path.",
    ),
    "lab": Said(
        "Tác tử thật chạy trong mạng thử riêng (lab) của dự án, không đo đường mạng thật của máy này.",
        "The real agent runs inside the project's own lab, not on this machine's real path.",
    ),
    "loopback": Said(
        "Không dựng được mạng thử (cần root, iproute2, nftables): tác tử thật chỉ đo loopback của máy này.",
        "The lab cannot be built (root, iproute2 and nftables are needed): the real agent measures loopback only.",
    ),
}


@dataclass(frozen=True)
class Enrolled:
    """Where the agent finds broker and server, and as whom."""

    host: str
    port: int
    credentials: Credentials
    server: str


def default_router(routes: str) -> str | None:
    """The default gateway of /proc/net/route (hex, little-endian on the machines we know), None without one."""
    for line in routes.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and int(fields[3], 16) & 0x3 == _ROUTE_UP_GATEWAY:
            return socket.inet_ntoa(struct.pack("=L", int(fields[2], 16)))
    return None


def in_arp_table(address: str, table: str) -> bool:
    """Whether /proc/net/arp has an answer from this address."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[0] == address:
            return bool(int(fields[2], 16) & _ARP_COMPLETE) and fields[3] != "00:00:00:00:00:00"
    return False


def router_answers(proc: Path = Path("/proc"), sleep: Callable[[float], None] = time.sleep) -> bool:
    """Does the default router answer ARP? One datagram to its discard port makes the kernel ask."""
    try:
        router = default_router((proc / "net/route").read_text())
        if router is None:
            return False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            asker.sendto(b"", (router, _DISCARD_PORT))
        for _ in range(10):
            if in_arp_table(router, (proc / "net/arp").read_text()):
                return True
            sleep(0.2)
    except OSError:
        pass
    return False


def agent_toml(kind: str, folder: Path, enrolled: Enrolled, web_port: int, ca_file: Path | None = None) -> str:
    """kind: "machine", "lab" or "loopback" (where our own pages are the target). JSON's strings, numbers and lists
    are TOML's too."""
    top = {
        "site": SITE,
        "agent": "gateway",
        "server": enrolled.server,
        "folder": str(folder),
        "clock": "trust",  # agent and server are one machine here: its clock is the clock
    }
    if ca_file is not None:
        top["ca_file"] = str(ca_file)
    broker: dict[str, Any] = {
        "host": enrolled.host,
        "port": enrolled.port,
        "tls": False,
        "password": enrolled.credentials.password,
    }
    page: dict[str, Any] = {"port": 0}  # the demo's own pages are the ones to open here
    sections = {"broker": broker, "page": page, **({"lab": _LAB, "loopback": _loopback(web_port)}.get(kind, {}))}
    lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    if kind == "lab":
        lines += _lab_devices()
        if ca_file is not None:
            lines += ["", "[[service]]", 'id = "csdl"', 'url = "https://csdl.edu.example/"']
    return "\n".join(lines) + "\n"


_LAB: dict[str, dict[str, Any]] = {
    "path": {"domestic": list(internet.DOMESTIC[:2]), "international": list(internet.INTERNATIONAL[:2])},
    "internet": {
        "names": ["www.domestic.example", "truong.edu.example"],
        "targets": [f"{address}:80" for address in internet.DOMESTIC],
    },
    "dns": {"known": internet.INTERNATIONAL_RESOLVER, "name": "csdl.edu.example"},
}


def _loopback(web_port: int) -> dict[str, dict[str, Any]]:
    here = "127.0.0.1"
    return {
        "path": {"router": here, "domestic": [here], "international": []},
        "internet": {"names": ["localhost"], "targets": [f"{here}:{web_port}"]},
        "dns": {"resolvers": [here], "known": here, "name": "localhost"},
    }


def _lab_devices() -> list[str]:
    kinds = (("board", "Bảng tương tác"), ("camera", "Camera hành lang"), ("access_point", "Điểm phát Wi-Fi"))
    lines: list[str] = []
    for number, ((kind, words), address) in enumerate(zip(kinds, lab.DEVICES, strict=False), 1):
        device = {"id": f"{kind.replace('_', '-')}-{number}", "address": address, "name": words, "kind": kind}
        lines += [
            "",
            "[[device]]",
            *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in device.items()),
        ]
    return lines
