"""Which devices are asked by SNMP, by the settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from schoolbeat_agent import settings
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.probes import snmp
from schoolbeat_agent.probes.snmp import SnmpTarget

CONFIG = """
site = "th-thu"
folder = "state"
[broker]
host = "127.0.0.1"
tls = false
[traffic]
device = "router"
port = "pppoe-out1"
[[device]]
id = "router"
address = "192.168.1.1"
kind = "router"
snmp = "school"
interfaces = ["ether 1"]
[[device]]
id = "ups-1"
address = "192.168.1.9"
kind = "ups"
port = 1161
ask = "snmp"
snmp = "unknown"
[[device]]
id = "board-1"
address = "192.168.1.20"
[[device]]
id = "switch-1"
address = "192.168.1.30"
snmp = "school"
"""
SECRETS = """
[[credential]]
name = "school"
community = "doc-lap"
"""


def test_a_device_with_an_entry_is_asked_and_only_its_own_question_decides_its_signal(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(CONFIG)
    (tmp_path / "secrets.toml").write_text(SECRETS)
    (tmp_path / "secrets.toml").chmod(0o600)

    found = snmp.watches(settings.load(tmp_path / "agent.toml"))

    credential = Credential("school", community="doc-lap")
    router = SnmpTarget("router", "192.168.1.1", "school", credential, False, interfaces=("ether 1", "pppoe-out1"))
    switch = SnmpTarget("switch-1", "192.168.1.30", "school", credential, False)
    ups = SnmpTarget("ups-1", "192.168.1.9", "unknown", None, True, 1161)
    ports = [
        (f"device.router.{port}", reading)
        for port in ("ether%201", "pppoe-out1")
        for reading in ("rx_bps", "tx_bps", "port_speed_bps")
    ]
    assert [
        (watch.target, watch.signals, watch.about, watch.readings, watch.every_seconds, watch.learns) for watch in found
    ] == [
        (router, (), "device.router", (("device.router", "uptime_seconds"), *ports), 30, True),
        (ups, ("device.ups-1",), "", (("device.ups-1", "uptime_seconds"),), 30, True),
        (switch, (), "device.switch-1", (("device.switch-1", "uptime_seconds"),), 60, True),
    ]
    assert "doc-lap" not in repr(found)


def test_an_agent_without_such_devices_does_not_carry_the_library() -> None:
    program = "import sys, schoolbeat_agent.runner; print('gufo' in sys.modules or 'gufo.snmp' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout.strip(), done.stderr) == ("False", "")
