"""The lab: a school's path to the Internet in network namespaces, each cable of which can be cut.

    pi ──c1── router ──c2── edge ──c3── core ──c4── inet
              (NAT)  ──lan── devices

Every cable is a bridge of its own in one more namespace, `wires`: cutting it takes the carrier from both plugs,
as pulling it would, and touches neither addresses nor routes.
"""

from __future__ import annotations

import atexit
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from schoolbeat_server.demo import internet
from schoolbeat_server.said import Said

NAMESPACES = ("wires", "pi", "devices", "router", "edge", "core", "inet")
PI = "10.77.1.10"
ROUTER = "10.77.1.1"
EDGE = "100.77.0.1"
CORE = "203.0.113.2"
DEVICES = tuple(f"10.77.1.{number}" for number in range(21, 31))

_NETNS_FOLDER = Path("/run/netns")
_RESOLV_FOLDER = Path("/etc/netns")  # `ip netns exec` shows NAME/resolv.conf here as /etc/resolv.conf
_OURS = re.compile(r"sb(\d+)x\d+-[a-z]+")
_SBIN = "/usr/sbin:/sbin:/usr/bin:/bin"
_COUNT = itertools.count()


class Plug(NamedTuple):
    """One end of a cable: a network interface in a namespace."""

    namespace: str
    interface: str


CABLES: dict[str, tuple[Plug, Plug]] = {
    "c1": (Plug("pi", "eth0"), Plug("router", "lan1")),
    "c2": (Plug("router", "wan"), Plug("edge", "customer")),
    "c3": (Plug("edge", "uplink"), Plug("core", "south")),
    "c4": (Plug("core", "north"), Plug("inet", "eth0")),
    "lan": (Plug("router", "lan2"), Plug("devices", "eth0")),
}


class LabError(RuntimeError):
    """The lab cannot be built or changed; the text says why."""


class Lab:
    """A lab of its own namespaces, `sb<pid>x<n>-pi` and so on. Everything goes when it is left, at the exit of
    the process, or (should that be killed) when the next lab is built."""

    def __init__(self, devices: Sequence[str] = DEVICES) -> None:
        self.prefix = f"sb{os.getpid()}x{next(_COUNT)}"
        self._devices = devices
        self._owner = os.getpid()
        self._up = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._internet: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Lab:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Build it. Takes well under a second."""
        remove_stale()
        self._up = True
        atexit.register(self.down)
        try:
            for name in NAMESPACES:
                _ip("netns", "add", self.namespace(name))
            self._set_kernel()
            for name, lines in link_commands(self.namespace, self._devices):
                _ip("-n", self.namespace(name), "-batch", "-", text="\n".join(lines) + "\n")
            self._nft("router", ROUTER_RULES)
            self._set_resolvers()
            self._wait_for_carrier()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End what still runs in it and take it away. Safe to call twice."""
        if not self._up or os.getpid() != self._owner:  # a fork leaves it to its parent
            return
        self._up = False
        atexit.unregister(self.down)
        _remove(self.prefix)
        while self._internet:
            with self._internet.pop() as _:  # closes its pipes and reaps it
                pass
        if self._folder is not None:
            self._folder.cleanup()

    def namespace(self, name: str) -> str:
        """The real name of `pi`, `router` and so on."""
        if name not in NAMESPACES:
            raise LabError(f"namespace {name!r}: {', '.join(NAMESPACES)}")
        return f"{self.prefix}-{name}"

    def command(self, namespace: str, argv: Sequence[str | Path]) -> list[str]:
        """The command that runs argv in a namespace. It replaces itself: its process is argv's."""
        return [_program("ip"), "netns", "exec", self.namespace(namespace), *map(str, argv)]

    def run(self, namespace: str, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end, output as text, at most 60 s unless `timeout` says otherwise."""
        given = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60} | options
        if "input" in given:
            del given["stdin"]
        result: subprocess.CompletedProcess[str] = subprocess.run(self.command(namespace, argv), **given)
        return result

    def popen(self, namespace: str, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """Start it; `down` ends it if nobody did before."""
        return subprocess.Popen(self.command(namespace, argv), **options)

    def cut(self, cable: str) -> None:
        """Pull it: both plugs lose carrier."""
        self._set_links(cable, "down")

    def mend(self, cable: str) -> None:
        """Make it whole again, whatever was wrong with it."""
        self._rules(cable, None)
        self._no_delay(cable)
        self._set_links(cable, "up")

    def silence(self, cable: str) -> None:
        """Carrier stays, nothing passes: a dead media converter."""
        self._rules(cable, "drop")

    def loss(self, cable: str, percent: float) -> None:
        """Lose this share of the frames in each direction; 0: none."""
        if not 0 <= percent <= 100:
            raise LabError(f"loss {percent}: 0–100 %")
        hits = round(percent * 100)
        self._rules(cable, f"numgen random mod 10000 < {hits} drop" if hits else None)

    def delay(self, cable: str, delay_ms: float) -> None:
        """Hold every frame back in each direction. LabError where the kernel has no netem."""
        for end in _ends(cable):
            line = ["qdisc", "replace", "dev", end, "root", "netem", "delay", f"{delay_ms}ms"]
            done = self.run("wires", [_program("tc"), *line])
            if done.returncode:
                raise LabError(f"delay: nhân không có netem / the kernel has no netem: {done.stderr.strip()}")

    def carrier(self, plug: Plug) -> bool:
        """Whether the interface has a carrier."""
        shown = self.run(plug.namespace, [_program("ip"), "-j", "link", "show", "dev", plug.interface])
        return "NO-CARRIER" not in json.loads(shown.stdout)[0]["flags"]

    def start_internet(self) -> Path | None:
        """Start the simulated name and web servers. Returns the file of the CA that signed their certificate
        (None without openssl). It also signed `web.pem`, `web.key` beside it, good for every name and address."""
        self._folder = tempfile.TemporaryDirectory(prefix="schoolbeat-lab-")
        folder = Path(self._folder.name)
        hosts = [*internet.NAMES, *internet.DOMESTIC, *internet.INTERNATIONAL, internet.SERVER, ROUTER, PI]
        made = internet.make_certificates(folder, hosts)
        secure: list[str | Path] = ["--cert", made[1], "--key", made[2]] if made else []
        places = (
            ("core", internet.DOMESTIC_RESOLVER, internet.DOMESTIC),
            ("inet", internet.INTERNATIONAL_RESOLVER, internet.INTERNATIONAL),
        )
        for namespace, resolver, webs in places:
            argv = [sys.executable, "-m", internet.__name__, "--dns", resolver, "--web", *webs]
            log = folder / f"internet-{namespace}.log"
            with log.open("wb") as errors:
                child = self.popen(
                    namespace,
                    [*argv, *secure],
                    stdin=subprocess.PIPE,  # our end of it closes with us, and so ends the child
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    process_group=0,
                )
            self._internet.append(child)
            _await_ready(child, log)
        return made[0] if made else None

    def _set_kernel(self) -> None:
        # Rate limits of ICMP answers would look like loss. Unprivileged ping is a per-namespace permission.
        script = "\n".join(
            (
                "for f in /proc/sys/net/ipv6/conf/default/disable_ipv6 /proc/sys/net/ipv4/ip_forward; do",
                "  echo 1 > $f; done",
                "echo 0 > /proc/sys/net/ipv4/icmp_ratelimit",
                "echo 0 2147483647 > /proc/sys/net/ipv4/ping_group_range",
                "[ ! -w /proc/sys/net/ipv4/icmp_msgs_per_sec ] || echo 100000 > /proc/sys/net/ipv4/icmp_msgs_per_sec",
                "[ ! -w /proc/sys/net/ipv4/icmp_msgs_burst ] || echo 10000 > /proc/sys/net/ipv4/icmp_msgs_burst",
            )
        )
        for name in NAMESPACES:
            done = self.run(name, ["sh", "-c", script])
            if done.returncode:
                raise LabError(f"{self.namespace(name)}: {done.stderr.strip()}")

    def _set_resolvers(self) -> None:
        for name in ("pi", "devices"):
            folder = _RESOLV_FOLDER / self.namespace(name)
            folder.mkdir(parents=True)
            (folder / "resolv.conf").write_text(f"nameserver {ROUTER}\n", encoding="ascii")

    def _wait_for_carrier(self) -> None:
        deadline = time.monotonic() + 10
        while not all(self.carrier(plug) for pair in CABLES.values() for plug in pair):
            if time.monotonic() > deadline:
                raise LabError("không có tín hiệu trên cáp / the cables get no carrier")
            time.sleep(0.05)

    def _set_links(self, cable: str, state: str) -> None:
        lines = [f"link set dev {end} {state}" for end in _ends(cable)]
        _ip("-n", self.namespace("wires"), "-batch", "-", text="\n".join(lines) + "\n")

    def _rules(self, cable: str, rule: str | None) -> None:
        text = f"table netdev {cable} {{}}\ndelete table netdev {cable}\n"
        if rule is not None:
            chains = (
                f'chain {end} {{ type filter hook ingress device "{end}" priority 0; {rule}; }}' for end in _ends(cable)
            )
            text += f"table netdev {cable} {{\n" + "\n".join(chains) + "\n}\n"
        self._nft("wires", text)

    def _no_delay(self, cable: str) -> None:
        tc = shutil.which("tc", path=_SBIN)
        for end in _ends(cable) if tc else ():
            self.run("wires", [str(tc), "qdisc", "del", "dev", end, "root"])  # fails if there is none: as well

    def _nft(self, namespace: str, text: str) -> None:
        done = self.run(namespace, [_program("nft"), "-f", "-"], input=text)
        if done.returncode:
            raise LabError(f"nft: {done.stderr.strip()}")


# The router hides the school behind its own address and passes questions for names on to the ISP's resolver.
ROUTER_RULES = f"""
table ip school {{
  chain out {{ type nat hook postrouting priority 100; oifname "wan" masquerade; }}
  chain in {{
    type nat hook prerouting priority -100;
    ip daddr {ROUTER} udp dport 53 dnat to {internet.DOMESTIC_RESOLVER}
    ip daddr {ROUTER} tcp dport 53 dnat to {internet.DOMESTIC_RESOLVER}
  }}
}}
"""


def link_commands(namespace: Callable[[str], str], devices: Sequence[str]) -> list[tuple[str, list[str]]]:
    """What `ip` must do in which namespace: first the cables, then addresses and routes."""
    wires = []
    plugs: dict[str, list[str]] = {name: ["link set dev lo up"] for name in NAMESPACES}
    for cable, pair in CABLES.items():
        wires.append(f"link add name {cable} type bridge stp_state 0 mcast_snooping 0")
        for end, plug in zip(_ends(cable), pair, strict=True):
            wires.append(f"link add name {end} type veth peer name {plug.interface} netns {namespace(plug.namespace)}")
            wires += [f"link set dev {end} master {cable}", f"link set dev {end} up"]
            plugs[plug.namespace].append(f"link set dev {plug.interface} up")
        wires.append(f"link set dev {cable} up")
    plugs["router"][:0] = [
        "link add name lan type bridge stp_state 0 mcast_snooping 0",
        "link set dev lan1 master lan",
        "link set dev lan2 master lan",
        "link set dev lan up",
    ]
    plugs["pi"] += [f"addr add {PI}/24 dev eth0", f"route add default via {ROUTER}"]
    plugs["devices"] += [f"addr add {address}/24 dev eth0" for address in devices]
    plugs["devices"].append(f"route add default via {ROUTER}")
    plugs["router"] += [f"addr add {ROUTER}/24 dev lan", "addr add 100.77.0.2/30 dev wan"]
    plugs["router"].append(f"route add default via {EDGE}")
    plugs["edge"] += [f"addr add {EDGE}/30 dev customer", "addr add 203.0.113.1/30 dev uplink"]
    plugs["edge"].append(f"route add default via {CORE}")
    plugs["core"] += [f"addr add {CORE}/30 dev south", "addr add 198.51.100.1/24 dev north"]
    plugs["core"] += [f"addr add {a}/32 dev lo" for a in (*internet.DOMESTIC, internet.DOMESTIC_RESOLVER)]
    plugs["core"].append("route add 100.77.0.0/30 via 203.0.113.1")
    abroad = (*internet.INTERNATIONAL, internet.INTERNATIONAL_RESOLVER, internet.SERVER)
    plugs["inet"] += [f"addr add {address}/24 dev eth0" for address in abroad]
    plugs["inet"].append("route add default via 198.51.100.1")
    del plugs["wires"]
    return [("wires", wires), *plugs.items()]


def _ends(cable: str) -> tuple[str, str]:
    if cable not in CABLES:
        raise LabError(f"cable {cable!r}: {', '.join(CABLES)}")
    return f"{cable}a", f"{cable}b"


def missing() -> list[Said]:
    """Why this machine cannot build a lab; empty if it can. Tries it, since permissions have many sources."""
    found = []
    if os.geteuid() != 0:
        found.append(Said("cần quyền root (sudo)", "root is needed (sudo)"))
    for program, package in (("ip", "iproute2"), ("nft", "nftables")):
        if shutil.which(program, path=_SBIN) is None:
            found.append(
                Said(f"thiếu lệnh {program}: apt install {package}", f"{program} is missing: apt install {package}")
            )
    if found:
        return found
    try:
        with Lab() as lab:
            for cable in CABLES:
                lab.silence(cable)
                lab.mend(cable)
    except (LabError, OSError, subprocess.SubprocessError) as error:
        found.append(Said(f"không dựng được: {error}", f"it cannot be built: {error}"))
    return found


def remove_stale() -> None:
    """Take away the namespaces of labs whose process is gone."""
    names = [path.name for path in _entries(_NETNS_FOLDER)] + [path.name for path in _entries(_RESOLV_FOLDER)]
    for prefix in stale_prefixes(names, _is_alive):
        _remove(prefix)


def stale_prefixes(names: Iterable[str], is_alive: Callable[[int], bool]) -> list[str]:
    """The labs among these namespaces whose process is gone. Namespaces of others are none of our business."""
    found = {match[0].rpartition("-")[0]: int(match[1]) for name in names if (match := _OURS.fullmatch(name))}
    return sorted(prefix for prefix, pid in found.items() if not is_alive(pid))


def _is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _remove(prefix: str) -> None:
    """End what runs in a lab's namespaces, then delete them."""
    there = [path.name for path in _entries(_NETNS_FOLDER) if path.name.startswith(f"{prefix}-")]
    for sign in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + 3
        while (pids := [pid for name in there for pid in _pids(name)]) and time.monotonic() < deadline:
            for pid in pids:
                _signal(pid, sign)
            time.sleep(0.05)
    for name in there:
        subprocess.run([_program("ip"), "netns", "del", name], capture_output=True)
    for folder in _entries(_RESOLV_FOLDER):
        if folder.name.startswith(f"{prefix}-"):
            shutil.rmtree(folder, ignore_errors=True)


def _pids(namespace: str) -> list[int]:
    shown = subprocess.run([_program("ip"), "netns", "pids", namespace], capture_output=True, text=True)
    return [int(line) for line in shown.stdout.split() if _state(int(line)) != "Z"]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def _signal(pid: int, sign: signal.Signals) -> None:
    try:
        os.kill(pid, sign)
    except ProcessLookupError:
        pass


def _await_ready(child: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> None:
    out: IO[bytes] | None = child.stdout
    assert out is not None
    ready, _, _ = select.select([out], [], [], seconds)
    if not ready or out.readline() != b"READY\n":
        raise LabError(f"Internet mô phỏng không chạy / the simulated Internet does not run: {log.read_text()[-300:]}")


def _ip(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run([_program("ip"), *arguments], input=text, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _program(name: str) -> str:
    found = shutil.which(name, path=_SBIN)
    if found is None:
        raise LabError(f"thiếu lệnh {name} / {name} is missing: apt install iproute2 nftables")
    return found


def main(arguments: Sequence[str]) -> int:
    """`check`: can this machine build a lab? `up`: build one and keep it until Ctrl-C."""
    if arguments == ["check"]:
        problems = missing()
        for said in problems or [Said("Máy này dựng được lab.", "This machine can build the lab.")]:
            print(f"{said.vi}\n{said.en}")
        return 1 if problems else 0
    if arguments == ["up"]:
        with Lab() as lab:
            lab.start_internet()
            print(f"ip netns exec {lab.namespace('pi')} bash   # Ctrl-C: dỡ bỏ / takes it away", flush=True)
            try:
                signal.pause()
            except KeyboardInterrupt:
                return 0
    print("python -m schoolbeat_server.demo.lab check | up", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
