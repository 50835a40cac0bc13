"""Agent: resident memory and CPU a minute of the real process with 60 devices, 10 s probes, TLS, a report a minute.

It runs in the lab's school: real ICMP and TCP to 60 addresses on the LAN, the real ladder, a service over TLS, a
real Mosquitto behind the line. Counted is the one process, by the kernel: its resident pages and its CPU clock.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schoolbeat_server.demo import internet
from schoolbeat_server.demo.lab import Lab

Row = tuple[str, str, str]
MINUTES = int(os.environ.get("BENCH_AGENT_MINUTES", "5"))
SETTLING_SECONDS = 75  # start, first connection, first minute
DEVICES = tuple(f"10.77.1.{number}" for number in range(21, 81))
BY_TCP, PORT = 10, 8080
SERVICES = ("csdl.edu.example",)
CPUCLOCK_SCHED = 2  # of linux/posix-timers.h
NEIGHBOURS = Path(__file__).with_name("neighbours.py")
# Everything that `run` imports, as it imports it; then the process looks at itself.
AFTER_IMPORT = (
    "import schoolbeat_agent.cli, schoolbeat_agent.outbox, schoolbeat_agent.probes.world, schoolbeat_agent.runner\n"
    "print(open('/proc/self/status').read())"
)


def environment(folder: Path) -> dict[str, str]:
    """Compiled modules are kept, as an installation has them: compiling at the start would cost memory for good."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    as_the_unit = {
        "PYTHONOPTIMIZE": "2",
        "PYTHONNODEBUGRANGES": "1",
        "MALLOC_ARENA_MAX": "1",
    }  # deploy/schoolbeat-agent.service
    return found | as_the_unit | {"PYTHONPYCACHEPREFIX": str(folder / "compiled")}


def configuration(folder: Path, ca_file: Path) -> str:
    """agent.toml. JSON's strings, numbers and lists are TOML's too."""
    top: dict[str, Any] = {"site": "bench", "folder": str(folder / "agent"), "ca_file": str(ca_file)}
    sections: dict[str, dict[str, Any]] = {
        "broker": {"host": internet.SERVER, "port": 8883, "tls": True, "ca_file": str(ca_file)},
        "path": {"domestic": list(internet.DOMESTIC[:2]), "international": list(internet.INTERNATIONAL[:2])},
        "internet": {
            "names": ["www.domestic.example", "truong.edu.example"],
            "targets": [f"{address}:80" for address in internet.DOMESTIC],
        },
        "dns": {"known": internet.INTERNATIONAL_RESOLVER, "name": "csdl.edu.example"},
    }
    lists: list[tuple[str, Mapping[str, Any]]] = [
        ("service", {"id": name.split(".")[0], "url": f"https://{name}/"}) for name in SERVICES
    ]
    for number, address in enumerate(DEVICES):
        by_tcp = {"port": PORT} if number < BY_TCP else {}
        lists.append(("device", {"id": f"device-{number:02}", "address": address, "kind": "camera", **by_tcp}))
    lines = [f"{key} = {json.dumps(value)}" for key, value in top.items()]
    for name, values in sections.items():
        lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    for name, values in lists:
        lines += ["", f"[[{name}]]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


@contextmanager
def school(folder: Path) -> Iterator[tuple[Lab, Path]]:
    """The lab with its broker, a server that settles, open ports at the devices; and the file of its CA."""
    with Lab(DEVICES) as lab:
        ca_file = lab.start_internet()
        if ca_file is None:
            raise RuntimeError("openssl is missing: apt install openssl")
        broker = folder / "mosquitto.conf"
        from neighbours import broker_lines  # beside this file, which need not be a package

        broker.write_text(broker_lines(folder, ca_file.with_name("web.pem"), ca_file.with_name("web.key")))
        quiet: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        lab.popen("inet", ["mosquitto", "-c", broker], stdout=subprocess.DEVNULL, **quiet)
        time.sleep(1.0)
        for place, arguments in (("inet", ["settle", 1883]), ("devices", ["listen", PORT, *DEVICES[:BY_TCP]])):
            argv = [sys.executable, NEIGHBOURS, *map(str, arguments)]
            child = lab.popen(place, argv, stdout=subprocess.PIPE, **quiet)
            if child.stdout is None or child.stdout.readline() != b"READY\n":
                raise RuntimeError(f"{arguments[0]} did not start")
        yield lab, ca_file


def status_kib(pid: int, name: str) -> int:
    """A line of /proc/PID/status (VmRSS) or smaps_rollup (Pss), in KiB."""
    file = "status" if name.startswith("Vm") else "smaps_rollup"
    return kib(Path(f"/proc/{pid}/{file}").read_text(), name)


def kib(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"no {name} in it")
    return int(found[1])


def cpu_seconds(pid: int) -> float:
    """The process's CPU clock: nanoseconds fine, where /proc/PID/stat counts ticks of 10 ms."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def import_kib(folder: Path) -> int:
    """The second time: the first one compiles."""
    for _ in range(2):
        argv = [sys.executable, "-c", AFTER_IMPORT]
        shown = subprocess.run(argv, env=environment(folder), capture_output=True, text=True, check=True)
    return kib(shown.stdout, "VmRSS")


@contextmanager
def running(lab: Lab, folder: Path, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    argv = [Path(sys.executable).with_name("schoolbeat-agent"), "--config", config, "run"]
    with (folder / "agent.log").open("ab") as log:
        child = lab.popen("pi", argv, env=environment(folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def standing(lab: Lab, folder: Path, config: Path) -> dict[str, Any]:
    argv = [Path(sys.executable).with_name("schoolbeat-agent"), "--config", config, "status", "--json"]
    shown = lab.run("pi", argv, env=environment(folder))
    found: dict[str, Any] = json.loads(shown.stdout)
    return found


def observed(pid: int, minutes: int) -> tuple[list[float], list[int], list[int]]:
    """CPU seconds of each minute; resident and proportional KiB, six times a minute."""
    cpu, resident, proportional = [], [], []
    for _ in range(minutes):
        before, started = cpu_seconds(pid), time.monotonic()
        for sample in range(1, 7):
            time.sleep(max(0.0, started + 10 * sample - time.monotonic()))
            resident.append(status_kib(pid, "VmRSS"))
            proportional.append(status_kib(pid, "Pss"))
        cpu.append((cpu_seconds(pid) - before) * 60 / (time.monotonic() - started))
    return cpu, resident, proportional


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="schoolbeat-bench-") as name:
        folder = Path(name)
        imported = import_kib(folder)
        with school(folder) as (lab, ca_file):
            config = folder / "agent.toml"
            config.write_text(configuration(folder, ca_file))
            config.chmod(0o600)
            with running(lab, folder, config):
                time.sleep(15)  # what is imported late is compiled now, not in the process that is measured
            with running(lab, folder, config) as child:
                time.sleep(SETTLING_SECONDS)
                before = standing(lab, folder, config)
                cpu, resident, proportional = observed(child.pid, MINUTES)
                after = standing(lab, folder, config)
    _believe(before, after)
    spread = f"{min(cpu) * 1000:.0f}-{max(cpu) * 1000:.0f}"
    return [
        ("agent, resident after import", f"{imported / 1024:.1f} MiB", "≤ 32 MiB"),
        (
            "agent, 60 devices, resident in the steady loop, highest",
            f"{max(resident) / 1024:.1f} MiB (proportional: {max(proportional) / 1024:.1f})",
            "≤ 36 MiB",
        ),
        (
            f"agent, 60 devices, CPU a minute, median of {MINUTES}",
            f"{statistics.median(cpu) * 1000:.0f} ms ({spread})",
            "≤ 100 ms",
        ),
    ]


def _believe(before: dict[str, Any], after: dict[str, Any]) -> None:
    """What was measured was work: connected, every device up, minutes made and settled."""
    up = sum(state == "up" for state in after["signals"].values())
    made = after["next"] - before["next"]
    if not after["connected"] or after["waiting"] > 1 or made < MINUTES - 1 or after["troubles"]:
        raise RuntimeError(f"the agent was not at work: {after}")
    print(f"agent: {made} minutes made, waiting {after['waiting']}, {up} signals told up", file=sys.stderr)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    for what, figure, target in measure():
        print(f"{what}: {figure} (target {target})")
