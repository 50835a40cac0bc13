"""A whole school: the real agent with 60 devices of nine kinds, asked by what each speaks, and its page opened.

Resident memory, CPU a minute and bytes a report of the one process, as in agent.py; the devices are emulated in a
process of their own, in the lab's school.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import agent
import mixed_devices

Row = tuple[str, str, str]
PAGE = 8090


def configuration(folder: Path, ca_file: Path) -> str:
    """agent.toml with its devices, and secrets.toml beside it."""
    text = agent.configuration(folder, ca_file)
    lines = [text[: text.index("\n[[device]]")], "", "[page]", f"port = {PAGE}"]
    for number, (address, kind, how) in enumerate(mixed_devices.kinds(list(agent.DEVICES))):
        device = {"id": f"{kind}-{number:02}", "address": address, "kind": kind, "room": f"P{number // 3}", **how}
        lines += ["", "[[device]]", *(f"{key} = {json.dumps(value)}" for key, value in device.items())]
    secrets = [
        {"name": "read", "community": mixed_devices.READ},
        {"name": "show", "password": mixed_devices.SHOW},
        {"name": "camera", "username": "admin", "password": mixed_devices.CAMERA},
    ]
    beside = folder / "secrets.toml"
    beside.write_text(
        "\n".join(
            line
            for entry in secrets
            for line in ("[[credential]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()))
        )
    )
    beside.chmod(0o600)
    return "\n".join(lines) + "\n"


def weighed(lab: Any) -> subprocess.Popen[bytes]:
    """A subscriber that prints the size of each report's payload."""
    program = (
        "from paho.mqtt.client import *; from paho.mqtt.enums import CallbackAPIVersion as V\n"
        "c = Client(V.VERSION2)\n"
        "c.on_connect = lambda *_: c.subscribe('schoolbeat/1/+/+/report', 1)\n"
        "c.on_message = lambda _c, _d, m: print(len(m.payload), flush=True)\n"
        "c.connect('127.0.0.1', 1883); c.loop_forever()\n"
    )
    child: subprocess.Popen[bytes] = lab.popen(
        "inet", [sys.executable, "-c", program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    return child


def open_page(lab: Any) -> int:
    """How many bytes the page has; asked from a device on the LAN."""
    program = (
        f"import sys, urllib.request\nprint(len(urllib.request.urlopen('http://10.77.1.2:{PAGE}/', timeout=10).read()))"
    )
    shown = lab.run("pi", [sys.executable, "-c", program.replace("10.77.1.2", "127.0.0.1")])
    if shown.returncode:
        raise RuntimeError(f"the page cannot be opened: {shown.stderr[-300:]}")
    return int(shown.stdout)


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="schoolbeat-bench-") as name:
        folder = Path(name)
        with agent.school(folder) as (lab, ca_file):
            argv = [sys.executable, mixed_devices.__file__, *agent.DEVICES]
            devices = lab.popen("devices", argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            if devices.stdout is None or devices.stdout.readline() != b"READY\n":
                raise RuntimeError("the devices did not start")
            config = folder / "agent.toml"
            config.write_text(configuration(folder, ca_file))
            config.chmod(0o600)
            with agent.running(lab, folder, config):
                time.sleep(45)  # what is imported late is compiled now
                open_page(lab)
            scale = weighed(lab)
            with agent.running(lab, folder, config) as child:
                time.sleep(agent.SETTLING_SECONDS)
                page_bytes = open_page(lab)
                before = agent.standing(lab, folder, config)
                cpu, resident, proportional = agent.observed(child.pid, agent.MINUTES)
                after = agent.standing(lab, folder, config)
            scale.terminate()
            sizes = [int(line) for line in scale.stdout or ()][1:]
    up = sum(state == "up" for state in after["signals"].values())
    print(
        f"school: {after['next'] - before['next']} minutes, {len(after['signals'])} signals told, {up} up, "
        f"page {page_bytes} bytes, troubles {after['troubles']}",
        file=sys.stderr,
    )
    if not after["connected"] or after["troubles"]:
        raise RuntimeError(f"the agent was not at work: {after}")
    spread = f"{min(cpu) * 1000:.0f}-{max(cpu) * 1000:.0f}"
    return [
        (
            "whole school, 60 devices of nine kinds, page served: resident, highest",
            f"{max(resident) / 1024:.1f} MiB (proportional: {max(proportional) / 1024:.1f})",
            "≤ 36 MiB",
        ),
        (
            f"whole school, CPU a minute, median of {agent.MINUTES}",
            f"{statistics.median(cpu) * 1000:.0f} ms ({spread})",
            "",
        ),
        (
            "whole school, payload of a report of one minute, median",
            f"{statistics.median(sizes):.0f} bytes, {statistics.median(sizes) * 1440 / 1e6:.2f} MB a day",
            "≤ 1.8 MB a day",
        ),
    ]


if __name__ == "__main__":
    for what, figure, target in measure():
        print(f"{what}: {figure} (target {target})")
