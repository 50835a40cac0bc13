"""DNS-SD over multicast (RFC 6762, 6763). Run as a program it listens with zeroconf, which the agent never imports.

`python -I -m schoolbeat_agent.discovery.mdns SECONDS ADDRESS…` prints {"address": {"services": […], "model": "…"}}.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.discovery import signs
from schoolbeat_agent.observation import ProbeFailed

NOT_INSTALLED: Final = 3  # exit code
ANSWERS: Final = 2_000
LETTERS: Final = 80
MODEL_KEYS: Final = ("ty", "md", "model", "usb_MDL", "product", "am")  # of TXT, the plainest first


@dataclass(frozen=True)
class Offered:
    """What one host offers. Instance and host names are not kept: people name devices after themselves."""

    services: tuple[str, ...] = ()
    model: str = ""


def parse(text: str) -> dict[str, Offered]:
    """The child's output. ValueError when it is none."""
    read = json.loads(text)
    if type(read) is not dict or not all(type(entry) is dict for entry in read.values()):
        raise ValueError("no object of objects")
    return {
        address[:45]: Offered(
            tuple(str(service)[:LETTERS] for service in entry.get("services", [])[:40]),
            str(entry.get("model", ""))[:LETTERS],
        )
        for address, entry in list(read.items())[:ANSWERS]
    }


async def heard(own: Sequence[str], seconds: float) -> dict[str, Offered]:
    """address -> what it offers. ProbeFailed: not_installed (the extra [discover] is not there), hung, bad_answer."""
    command = (sys.executable, "-I", "-m", "schoolbeat_agent.discovery.mdns", f"{seconds:.1f}", *own)
    output = await output_of(command, seconds + 15)
    if output.code == NOT_INSTALLED:
        raise ProbeFailed("not_installed", "the Python package zeroconf is not installed; install schoolbeat[discover]")
    try:
        return parse(output.text)
    except (ValueError, TypeError, AttributeError) as error:
        raise ProbeFailed("bad_answer", f"mDNS child: {output.errors[-200:]}") from error


def model_of(properties: Any) -> str:
    """From a TXT record's keys and values, as zeroconf gives them."""
    for key in MODEL_KEYS:
        value = properties.get(key.encode())
        if value:
            return bytes(value).decode("utf-8", "replace").strip("() ")[:LETTERS]
    return ""


def listen(seconds: float, own: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Only in the child process."""
    from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf

    names: dict[tuple[str, str], None] = {}
    lock = threading.Lock()

    def heard_of(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        with lock:
            if len(names) < ANSWERS:
                names[service_type, name] = None

    until = time.monotonic() + seconds
    found: dict[str, dict[str, Any]] = {}
    zeroconf = Zeroconf(interfaces=list(own), ip_version=IPVersion.V4Only)
    try:
        ServiceBrowser(zeroconf, [f"{service}.local." for service in signs.MDNS], handlers=[heard_of])
        asked: set[tuple[str, str]] = set()
        while time.monotonic() < until:
            time.sleep(0.2)
            with lock:
                todo = [name for name in names if name not in asked]
            for service_type, name in todo:
                asked.add((service_type, name))
                info = zeroconf.get_service_info(service_type, name, timeout=700)
                for address in info.parsed_addresses(IPVersion.V4Only) if info else ():
                    entry = found.setdefault(address, {"services": [], "model": ""})
                    service = service_type.removesuffix(".local.")
                    if service not in entry["services"]:
                        entry["services"].append(service)
                    entry["model"] = entry["model"] or model_of(info.properties if info else {})
    finally:
        zeroconf.close()
    return found


def main(arguments: Sequence[str]) -> int:
    try:
        import zeroconf  # noqa: F401
    except ImportError:
        print("zeroconf is not installed", file=sys.stderr)
        return NOT_INSTALLED
    json.dump(listen(min(60.0, float(arguments[0])), arguments[1:]), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
