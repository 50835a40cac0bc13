"""Passwords, user names, serial numbers and MACs of devices stay in the school: a real agent, and all that leaves it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import urllib.request
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from tests.agent.broker import TinyServer, mosquitto, wait_for
from tests.agent.emulated_camera import EmulatedCamera
from tests.agent.emulated_projector import EmulatedProjector, Projector
from tests.agent.snmp_responder import EmulatedAgent, serving
from tests.agent.snmprec import Value
from tests.agent.test_agent_process import agent, stop
from tests.ports import free_port

from schoolbeat_agent import status

ROOT = Path(__file__).parents[2]
# Each is in a place of its own, so that what is found tells where it came from.
SECRETS = {
    "broker's password": "Kh0a-Broker-11",
    "camera's password": "Kh0a-Camera-12",
    "camera's user": "nguoi-xem-13",
    "camera's wrong password": "Kh0a-Sai-14",
    "password in a path": "Kh0a-DuongDan-15",
    "camera's serial": "EC1-SERIAL-16",
    "camera's MAC": "02:5e:c2:e7:00:17",
    "community": "Kh0a-SNMP-18",
    "wrong community": "Kh0a-SNMP-Sai-19",
    "SNMP v3 user": "nguoi-doc-20",
    "SNMP v3 authentication key": "Kh0a-XacThuc-21",
    "SNMP v3 privacy key": "Kh0a-MaHoa-22",
    "switch's contact": "co-hieu-truong-23",
    "switch's serial": "SW-SERIAL-24",
    "projector's password": "Kh0a-MayChieu-25",
    "projector's wrong password": "Kh0a-Sai-26",
    "site key": "5ec2e7275ec2e7275ec2e7275ec2e727",
}
S = SECRETS
SWITCH: dict[str, Value] = {
    "1.3.6.1.2.1.1.1.0": b"A switch",
    "1.3.6.1.2.1.1.2.0": "1.3.6.1.4.1.99999.1",
    "1.3.6.1.2.1.1.3.0": 123_456,
    "1.3.6.1.2.1.1.4.0": S["switch's contact"].encode(),
    "1.3.6.1.2.1.2.2.1.1.1": 1,
    "1.3.6.1.2.1.2.2.1.2.1": b"eth0",
    "1.3.6.1.2.1.2.2.1.6.1": bytes.fromhex("025ec2e70028"),
    "1.3.6.1.2.1.2.2.1.8.1": 1,
    "1.3.6.1.2.1.25.3.3.1.2.1": 20,
    "1.3.6.1.2.1.47.1.1.1.1.11.1": S["switch's serial"].encode(),
}

AGENT_TOML = """
site = "th-thu"
folder = "state"
language = "{language}"
[broker]
host = "127.0.0.1"
port = {broker}
tls = false
password_file = "broker-password"
[path]
router = "127.0.0.1"
international = []
[internet]
names = ["localhost"]
targets = ["127.0.0.1:{broker}"]
[dns]
known = "127.0.0.1:9"
resolvers = ["127.0.0.1:9"]
[page]
port = {page}
[lan]
default_passwords = true
"""


def device(of: str, **keys: object) -> str:
    lines = [f"{key} = {value}" if type(value) is int else f'{key} = "{value}"' for key, value in keys.items()]
    return "\n".join(["[[device]]", f'id = "{of}"', 'address = "127.0.0.1"', *lines, ""])


def credential(name: str, **keys: str) -> str:
    return "\n".join(["[[credential]]", f'name = "{name}"', *(f'{key} = "{value}"' for key, value in keys.items()), ""])


@contextmanager
def cameras(*several: EmulatedCamera) -> Iterator[None]:
    """Served from a thread of their own."""
    loop, ready, over = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with several[0].serving(), several[1].serving():
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


@contextmanager
def everything_published(port: int) -> Iterator[list[bytes]]:
    """Topic and payload of all that goes through the broker, decompressed where it is compressed."""
    heard: list[bytes] = []

    def take(_client: object, _data: object, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        try:
            payload = zlib.decompress(payload)
        except zlib.error:
            pass
        heard.append(message.topic.encode() + b" " + payload)

    def subscribe(*_: object) -> None:
        client.subscribe("#", 1)

    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.on_message = take
    client.on_connect = subscribe
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def command(config: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "schoolbeat_agent.cli", "--config", config, *arguments],
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def page(port: int, language: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{language}", timeout=10) as answer:
        return bytes(answer.read())


def found_in(said: dict[str, bytes]) -> list[str]:
    return [
        f"{name} in {where}"
        for where, text in said.items()
        for name, secret in SECRETS.items()
        if secret.lower().encode() in text.lower() or secret.replace(":", "").lower().encode() in text.lower()
    ]


@pytest.mark.timeout(120)
def test_no_secret_of_a_device_leaves_by_broker_log_page_status_or_table(tmp_path: Path) -> None:
    broker, served = free_port(), free_port()
    path = f"/user=x_password={S['password in a path']}_channel=1.sdp"
    rights = EmulatedCamera(
        "127.0.0.1",
        free_port(),
        free_port(),
        0,
        username=S["camera's user"],
        password=S["camera's password"],
        serial=S["camera's serial"],
        mac=S["camera's MAC"],
        path=path,
    )
    talkative = EmulatedCamera("127.0.0.1", free_port(), free_port(), 0, password=S["camera's password"], path=path)
    with ExitStack() as stack:
        stack.enter_context(cameras(rights, talkative))
        switch = stack.enter_context(serving(EmulatedAgent(SWITCH, community=S["community"])))
        projector = stack.enter_context(EmulatedProjector(Projector(password=S["projector's password"])))
        stack.enter_context(mosquitto(tmp_path, broker))
        published = stack.enter_context(everything_published(broker))
        server = stack.enter_context(TinyServer(broker))
        config = tmp_path / "agent.toml"
        config.write_text(
            AGENT_TOML.format(broker=broker, page=served, language="vi")
            + device("cam", ask="rtsp", port=rights.rtsp_port, credential="cam", stream=path, kind="camera")
            + device("cam-wrong", ask="rtsp", port=talkative.rtsp_port, credential="wrong", stream=path)
            + device("cam-none", ask="rtsp", port=talkative.rtsp_port, stream=path)
            + device("onvif", ask="onvif", port=rights.http_port, credential="cam", kind="camera")
            + device("onvif-wrong", ask="onvif", port=talkative.http_port, credential="wrong", kind="recorder")
            + device("switch", ask="snmp", port=switch, credential="switch", kind="switch")
            + device("switch-wrong", ask="snmp", port=switch, credential="switch-wrong")
            + device("switch-v3", ask="snmp", port=switch, credential="v3")
            + device("projector", ask="pjlink", port=projector.port, credential="projector", kind="projector")
            + device("projector-wrong", ask="pjlink", port=projector.port, credential="projector-wrong")
        )
        for name, text in {
            "broker-password": S["broker's password"],
            "secrets.toml": credential("cam", username=S["camera's user"], password=S["camera's password"])
            + credential("wrong", username=S["camera's user"], password=S["camera's wrong password"])
            + credential("switch", community=S["community"])
            + credential("switch-wrong", community=S["wrong community"])
            + credential(
                "v3",
                version="3",
                username=S["SNMP v3 user"],
                auth="SHA1",
                auth_key=S["SNMP v3 authentication key"],
                privacy="AES128",
                privacy_key=S["SNMP v3 privacy key"],
            )
            + credential("projector", password=S["projector's password"])
            + credential("projector-wrong", password=S["projector's wrong password"])
            + credential("site-key", password=S["site key"]),
        }.items():
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o600)

        with agent(config) as process:
            ups = {"device.cam", "device.onvif", "device.switch", "device.projector"}
            wait_for(lambda: ups <= _up(tmp_path / "state"), 60)
            wait_for(lambda: len(server.rows) >= 3, 60)
            said = {
                "status": command(config, "status"),
                "status --json": command(config, "status", "--json"),
                "the page": page(served, "vi") + page(served, "en"),
                "its command line": Path(f"/proc/{process.pid}/cmdline").read_bytes(),
            }
            stop(process)
        said |= {"check": command(config, "check"), "once": command(config, "once")}

    said["what is published"] = b"\n".join(published)
    said["the log"] = (tmp_path / "agent.log").read_bytes()
    said["the state folder"] = b"\n".join(
        file.read_bytes() for file in (tmp_path / "state").rglob("*") if file.is_file()
    )
    assert found_in(said) == []
    kinds = {topic.split(b"/")[4].split(b" ")[0] for topic in published if topic.startswith(b"schoolbeat/1/")}
    assert {b"report", b"inventory", b"presence"} <= kinds
    assert rights.refused_logins + talkative.refused_logins > 0
    assert b"auth_failed" in said["status"]
    assert found_in({"a trap for this test": S["camera's MAC"].replace(":", "").upper().encode()}) == [
        "camera's MAC in a trap for this test"
    ]


def _up(folder: Path) -> set[str]:
    told = status.ask(folder)
    return {signal for signal, state in told["signals"].items() if state == "up"} if told else set()
