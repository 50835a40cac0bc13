"""The command itself in a LAN of namespaces, with the real sweep: what is there is found, written and measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.agent.probe_fakes import need_namespaces

from schoolbeat_agent.settings import load

HERE, THERE = (f"sbs{os.getpid()}{n}" for n in ("a", "b"))


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def lab() -> Iterator[None]:
    """The gateway at 10.88.7.2; the router, and on its second address another device, beyond the cable."""
    need_namespaces()
    try:
        for name in (HERE, THERE):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "eth0", "netns", HERE, "type", "veth", "peer", "name", "lan", "netns", THERE)
        run("ip", "-n", HERE, "addr", "add", "10.88.7.2/29", "dev", "eth0")
        run("ip", "-n", THERE, "addr", "add", "10.88.7.1/29", "dev", "lan")
        run("ip", "-n", HERE, "link", "set", "eth0", "up")
        run("ip", "-n", THERE, "link", "set", "lan", "up")
        run("ip", "-n", HERE, "route", "add", "default", "via", "10.88.7.1")
        yield
    finally:
        for name in (HERE, THERE):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


ANSWERS = """
site = "th-thu"
host = "10.88.7.1"
tls = false
broker_password = "pw"
networks = ["10.88.7.0/29"]
[[device]]
address = "10.88.7.1"
name = "Bộ định tuyến"
room = "Phòng máy chủ"
kind = "router"
"""


@pytest.mark.namespaces
def test_the_command_finds_writes_and_measures_in_a_real_lan(tmp_path: Path, lab: None) -> None:
    config, answers = tmp_path / "agent.toml", tmp_path / "answers.toml"
    answers.write_text(ANSWERS)
    command = [
        sys.executable,
        "-m",
        "schoolbeat_agent.cli",
        "--config",
        str(config),
        "setup",
        "--answers",
        str(answers),
    ]

    done = subprocess.run(
        ["ip", "netns", "exec", HERE, *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )

    assert done.returncode == 1, done.stdout + done.stderr  # written; there is no Internet in this lab
    assert "Traceback" not in done.stderr, done.stderr
    settings = load(config)
    assert [(device.name, device.address, device.room) for device in settings.devices] == [
        ("Bộ định tuyến", "10.88.7.1", "Phòng máy chủ")
    ]
    assert "✓ Bộ định tuyến của trường" in done.stdout
    assert "✗ Internet dùng được" in done.stdout
    assert tomllib.loads(config.read_text())["broker"]["password_file"] == "password"
