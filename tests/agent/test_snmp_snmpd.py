"""The SNMP session against net-snmp's real agent: v1, v2c, v3, and wrong keys."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ports import free_port

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import snmp
from schoolbeat_agent.probes.snmp import SnmpTarget
from schoolbeat_agent.probes.world import World

SNMPD = shutil.which("snmpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(SNMPD is None, reason="no snmpd; `make test` installs it")
D = "device.srv"
V3 = Credential(
    "v3",
    username="sha",
    version="3",
    auth="SHA1",
    auth_key="authpass1",
    privacy="AES128",
    privacy_key="privpass1",
)
CONFIGURATION = """
rocommunity school 127.0.0.1
sysLocation a test
createUser sha SHA authpass1 AES privpass1
rouser sha authPriv
createUser md5 MD5 authpass1 DES privpass1
rouser md5 authPriv
createUser sha256 SHA-256 authpass1 AES privpass1
rouser sha256 authPriv
createUser sha512 SHA-512 authpass1 AES-256 privpass1
rouser sha512 authPriv
createUser longer SHA authpass1 AES-192 privpass1
rouser longer authPriv
createUser plain SHA authpass1
rouser plain authNoPriv
"""


@pytest.fixture(scope="module")
def snmpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Its port. A process of our own with its own folder; no service."""
    folder: Path = tmp_path_factory.mktemp("snmpd")
    (folder / "snmpd.conf").write_text(CONFIGURATION)
    port = free_port()
    assert SNMPD
    process = subprocess.Popen(
        [SNMPD, "-f", "-Lf", str(folder / "log"), "-C", "-c", str(folder / "snmpd.conf"), f"udp:127.0.0.1:{port}"],
        env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder), "MIBS": ""},
        stdin=subprocess.DEVNULL,
    )
    try:
        for _ in range(60):
            if observed(port, Credential("v2c", community="school"), tries=1).states == {D: State.UP}:
                break
            time.sleep(0.2)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def observed(port: int, credential: Credential, tries: int = 2) -> Observation:
    target = SnmpTarget("srv", "127.0.0.1", credential.name, credential, True, port, ("lo",), (1.5, tries))
    return asyncio.run(snmp.probe(target, World()))


@pytest.mark.parametrize(
    "credential",
    [
        Credential("v1", version="1", community="school"),
        Credential("v2c", community="school"),
        V3,
        replace(V3, username="md5", auth="MD5", privacy="DES"),
        replace(V3, username="sha256", auth="SHA256"),
        replace(V3, username="sha512", auth="SHA512", privacy="AES256"),
        replace(V3, username="longer", privacy="AES192"),
        replace(V3, username="plain", privacy="", privacy_key=""),
    ],
    ids=lambda credential: f"{credential.version} {credential.username}",
)
def test_a_real_agent_tells_itself_in_every_version(snmpd: int, credential: Credential) -> None:
    seen = observed(snmpd, credential)

    assert seen.states == {D: State.UP}
    ups = sum(
        (path / "operstate").read_text().strip() in ("up", "unknown") for path in Path("/sys/class/net").iterdir()
    )
    assert 1 <= seen.readings[D, "ports_up"] <= ups
    assert 0 < seen.readings[D, "uptime_seconds"] < 3_600
    assert 0 < seen.readings[D, "memory_used_percent"] < 100


@pytest.mark.parametrize(
    "credential",
    [
        replace(V3, auth_key="anotherpass"),
        replace(V3, privacy_key="anotherpass"),
        replace(V3, username="nobody"),
        replace(V3, username="plain"),
    ],
    ids=["authentication key", "privacy key", "user", "user without privacy"],
)
def test_a_wrong_key_is_told_as_such_and_not_as_a_dead_device(snmpd: int, credential: Credential) -> None:
    seen = observed(snmpd, credential, tries=1)

    assert (seen.states, seen.causes, seen.readings) == ({D: State.DOWN}, {D: "auth_failed"}, {})
    assert "pass" not in repr(seen)


def test_a_v3_entry_without_its_keys_is_not_configured(snmpd: int) -> None:
    for credential in (replace(V3, auth_key=""), replace(V3, privacy_key="")):
        with pytest.raises(ProbeFailed) as failed:
            observed(snmpd, credential)

        assert failed.value.cause == "not_configured"


def test_a_wrong_community_and_a_v3_agent_that_is_gone_are_silence(snmpd: int) -> None:
    wrong = observed(snmpd, Credential("v2c", community="wrong"), tries=1)
    gone = observed(free_port(), V3, tries=1)

    assert wrong.causes == {D: "timeout"}
    assert gone.causes == {D: "refused"}
