"""The managed broker against real Mosquitto: who may say what, and what survives."""

from __future__ import annotations

import base64
import dataclasses
import os
import pwd
import queue
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.ports import free_port

from schoolbeat_server.broker import (
    BrokerError,
    BrokerSettings,
    ManagedBroker,
    check_settings,
    generate_config,
    next_backoff_seconds,
    why_it_ended,
)
from schoolbeat_server.credentials import (
    Account,
    CredentialsError,
    add_account,
    agent_account,
    agent_user_name,
    check_account,
    hash_password,
    read_accounts,
    remove_account,
    server_account,
    server_password,
    write_accounts,
)

TOPIC = "schoolbeat/1/lc-bac-ha/gw/report"


def eventually(condition: Callable[[], object], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class Peer:
    """A connected client that remembers what it was given."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.inbox: queue.Queue[MQTTMessage] = queue.Queue()
        self.connects: list[str] = []
        self.drops: list[str] = []
        self.granted = threading.Event()

    def topics(self) -> list[str]:
        return [message.topic for message in list(self.inbox.queue)]

    def subscribe(self, *filters: str) -> None:
        self.granted.clear()
        self.client.subscribe([(name, 1) for name in filters])
        assert self.granted.wait(10)

    def publish(self, topic: str, payload: str | bytes = "x", *, retain: bool = False) -> None:
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)


@contextmanager
def peer(
    port: int, username: str, password: str, *, session_seconds: int = 0, manual_ack: bool = False
) -> Iterator[Peer]:
    client = Client(CallbackAPIVersion.VERSION2, client_id="any", protocol=MQTTv5, manual_ack=manual_ack)
    client.username_pw_set(username, password)
    client.reconnect_delay_set(1, 1)
    client.max_inflight_messages_set(1000)
    one = Peer(client)
    client.on_connect = lambda c, d, f, reason, p: one.connects.append(str(reason))
    client.on_disconnect = lambda c, d, f, reason, p: one.drops.append(str(reason))
    client.on_message = lambda c, d, message: one.inbox.put(message)
    client.on_subscribe = lambda c, d, mid, reasons, p: one.granted.set()
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = session_seconds
    client.connect("127.0.0.1", port, clean_start=session_seconds == 0, properties=properties)
    client.loop_start()
    try:
        assert eventually(lambda: one.connects)
        yield one
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def settings(tmp_path: Path) -> BrokerSettings:
    return BrokerSettings(tmp_path / "broker", free_port())


@pytest.fixture
def broker(settings: BrokerSettings) -> Iterator[ManagedBroker]:
    settings.folder.mkdir()
    accounts = [
        server_account("of-the-server"),
        agent_account("lc-bac-ha", "gw", "one"),
        agent_account("lc-sa-pa", "gw", "two"),
    ]
    write_accounts(settings.folder, accounts, settings.owner)
    with ManagedBroker(settings) as running:
        yield running


# Who may say what


def test_an_agent_is_heard_on_its_own_topics_only(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with (
        peer(settings.port, "server", "of-the-server") as server,
        peer(settings.port, "lc-bac-ha.gw", "one") as agent,
    ):
        server.subscribe("schoolbeat/#", "elsewhere/#")
        for topic in (
            "schoolbeat/1/lc-sa-pa/gw/report",
            "schoolbeat/1/lc-bac-ha/pc1/report",
            "schoolbeat/1/lc-bac-ha/gw/ack",
            "schoolbeat/1/lc-bac-ha/gw/config",
            "schoolbeat/1/lc-bac-ha/gw/command",
            "schoolbeat/1/lc-bac-ha/gw/report/more",
            "schoolbeat/2/lc-bac-ha/gw/report",
            "elsewhere/at-all",
        ):
            agent.publish(topic)
        own = [f"schoolbeat/1/lc-bac-ha/gw/{kind}" for kind in ("report", "event", "inventory", "presence")]
        for topic in own:
            agent.publish(topic)

        assert eventually(lambda: len(server.topics()) >= len(own))
        assert server.topics() == own


def test_a_refused_message_does_not_cost_the_connection(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with peer(settings.port, "lc-bac-ha.gw", "one") as agent:
        agent.publish("schoolbeat/1/lc-sa-pa/gw/report")
        agent.publish("schoolbeat/1/lc-bac-ha/gw/report")

        assert (agent.connects, agent.drops) == (["Success"], [])


def test_an_agent_hears_its_own_topics_only(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with (
        peer(settings.port, "server", "of-the-server") as server,
        peer(settings.port, "lc-bac-ha.gw", "one") as agent,
    ):
        agent.subscribe("#", "schoolbeat/1/#", "schoolbeat/1/lc-sa-pa/gw/#", "schoolbeat/1/lc-bac-ha/gw/+", "$SYS/#")
        server.publish("schoolbeat/1/lc-sa-pa/gw/ack")
        server.publish("schoolbeat/1/lc-sa-pa/gw/config", retain=True)
        server.publish("schoolbeat/1/lc-bac-ha/gw/report")
        server.publish("schoolbeat/1/lc-bac-ha/gw/ack")
        server.publish("schoolbeat/1/lc-bac-ha/gw/command")

        assert eventually(lambda: "schoolbeat/1/lc-bac-ha/gw/command" in agent.topics())
        assert set(agent.topics()) == {"schoolbeat/1/lc-bac-ha/gw/ack", "schoolbeat/1/lc-bac-ha/gw/command"}


@pytest.mark.parametrize(
    ("username", "password"), [("lc-bac-ha.gw", "two"), ("lc-bac-ha.gw", ""), ("nobody", "one"), ("", "")]
)
def test_a_wrong_password_or_none_is_refused(
    broker: ManagedBroker, settings: BrokerSettings, username: str, password: str
) -> None:
    with peer(settings.port, username, password) as stranger:
        assert stranger.connects[0] == "Not authorized"


def test_an_agent_cannot_take_over_the_servers_session(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with peer(settings.port, "server", "of-the-server") as server:
        thief = Client(CallbackAPIVersion.VERSION2, client_id="server", protocol=MQTTv5)
        thief.username_pw_set("lc-sa-pa.gw", "two")
        thief.connect("127.0.0.1", settings.port)
        thief.loop_start()
        assert eventually(thief.is_connected)
        server.publish("schoolbeat/1/lc-sa-pa/gw/ack")
        thief.disconnect()
        thief.loop_stop()

        assert server.drops == []


# Accounts come and go


def test_adding_an_agent_drops_nobody_and_lets_it_in(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with (
        peer(settings.port, "server", "of-the-server") as server,
        peer(settings.port, "lc-bac-ha.gw", "one") as old,
    ):
        server.subscribe("schoolbeat/1/+/+/report")
        for number in range(20):
            add_account(settings.folder, agent_account(f"new-{number}", "gw", "three"), settings.owner)
            broker.reload()
            old.publish(TOPIC, str(number))
        with peer(settings.port, "new-19.gw", "three") as new:
            new.publish("schoolbeat/1/new-19/gw/report", "20")

        assert eventually(lambda: len(server.topics()) >= 21)
        assert [message.payload for message in server.inbox.queue] == [b"%d" % n for n in range(21)]
        assert (server.drops, old.drops) == ([], [])


def test_the_same_password_hashed_anew_drops_nobody(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with peer(settings.port, "server", "of-the-server") as server:
        others = [account for account in read_accounts(settings.folder) if account.username != "server"]
        write_accounts(settings.folder, [server_account("of-the-server"), *others], settings.owner)
        broker.reload()
        server.subscribe("schoolbeat/1/+/+/report")

        assert server.drops == []


def test_removing_an_account_disconnects_it_and_keeps_it_out(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with (
        peer(settings.port, "server", "of-the-server") as server,
        peer(settings.port, "lc-bac-ha.gw", "one") as removed,
    ):
        assert remove_account(settings.folder, "lc-bac-ha.gw", settings.owner)
        assert not remove_account(settings.folder, "lc-bac-ha.gw", settings.owner)
        broker.reload()

        assert eventually(lambda: "Not authorized" in removed.connects)
        assert server.drops == []


def test_accounts_changed_by_another_process_are_noticed(broker: ManagedBroker, settings: BrokerSettings) -> None:
    assert broker.ensure_alive() is None
    code = (
        "import sys; from pathlib import Path; from schoolbeat_server.credentials import *;"
        "add_account(Path(sys.argv[1]), agent_account('lc-muong-hum', 'gw', 'four'), sys.argv[2] or None)"
    )
    subprocess.run([sys.executable, "-c", code, str(settings.folder), settings.owner or ""], check=True)

    assert broker.ensure_alive() == "Mosquitto đã nạp lại tài khoản / has reloaded its accounts"
    assert broker.ensure_alive() is None
    with peer(settings.port, "lc-muong-hum.gw", "four") as new:
        assert new.connects == ["Success"]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    accounts = [server_account("a"), agent_account("s", "gw", "b"), Account("tool", hash_password("c"), ())]

    write_accounts(tmp_path, accounts)

    assert read_accounts(tmp_path) == accounts
    assert read_accounts(tmp_path / "empty") == []


def test_the_hash_is_the_one_mosquitto_passwd_makes(tmp_path: Path) -> None:
    tool = shutil.which("mosquitto_passwd")
    assert tool is not None, "mosquitto_passwd is missing: apt install mosquitto"
    file = tmp_path / "made"
    subprocess.run([tool, "-c", "-b", str(file), "someone", "Điểm trường 3"], check=True, capture_output=True)
    made = file.read_text().strip().partition(":")[2]
    salt = base64.b64decode(made.split("$")[3])

    assert hash_password("Điểm trường 3", salt) == made


@pytest.mark.parametrize("name", ["", "A", "a.b", "a/b", "+", "#", "a b", "a\nb", "-a", "a-", "đ", "a" * 65, "$sys"])
def test_a_name_that_could_widen_a_topic_is_refused(name: str) -> None:
    with pytest.raises(CredentialsError, match=re.escape(repr(name))):
        agent_user_name(name, "gw")
    with pytest.raises(CredentialsError, match=re.escape(repr(name))):
        agent_user_name("site", name)


@pytest.mark.parametrize(
    "account",
    [
        Account("a:b", hash_password("x"), ()),
        Account("a\nuser server", hash_password("x"), ()),
        Account("a", "plain", ()),
        Account("a", hash_password("x") + "\nb:c", ()),
        Account("a", hash_password("x"), ("topic bogus x",)),
        Account("a", hash_password("x"), ("topic read x\nuser server",)),
        Account("a", hash_password("x"), ("user server",)),
    ],
)
def test_a_line_that_would_break_a_file_is_never_written(tmp_path: Path, account: Account) -> None:
    write_accounts(tmp_path, [server_account("a")])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(CredentialsError):
        check_account(account)
    with pytest.raises(CredentialsError):
        add_account(tmp_path, account)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_bad_line_by_another_hand_is_told_at_the_reload(broker: ManagedBroker, settings: BrokerSettings) -> None:
    (settings.folder / "acl").write_text("user server\ntopic bogus x\n")

    with pytest.raises(BrokerError, match='Invalid topic access type "bogus"'):
        broker.reload()


# What survives


def test_three_thousand_messages_reach_a_subscriber_that_acknowledges_late(
    broker: ManagedBroker, settings: BrokerSettings
) -> None:
    with (
        peer(settings.port, "server", "of-the-server", manual_ack=True) as server,
        peer(settings.port, "lc-bac-ha.gw", "one") as agent,
    ):
        server.subscribe("schoolbeat/1/+/+/report")
        sent = [agent.client.publish(TOPIC, str(number), qos=1) for number in range(3000)]
        for info in sent:
            info.wait_for_publish(30)

        assert eventually(lambda: server.inbox.qsize() >= 3000, 30)
        assert [int(message.payload) for message in server.inbox.queue] == list(range(3000))


def test_three_thousand_messages_wait_for_a_server_that_is_away(
    broker: ManagedBroker, settings: BrokerSettings
) -> None:
    with peer(settings.port, "server", "of-the-server", session_seconds=3600) as server:
        server.subscribe("schoolbeat/1/+/+/report")
    with peer(settings.port, "lc-bac-ha.gw", "one") as agent:
        sent = [agent.client.publish(TOPIC, str(number), qos=1) for number in range(3000)]
        for info in sent:
            info.wait_for_publish(30)

    with peer(settings.port, "server", "of-the-server", session_seconds=3600) as server:
        assert eventually(lambda: server.inbox.qsize() >= 3000, 30)
        assert [int(message.payload) for message in server.inbox.queue] == list(range(3000))


def test_the_queue_of_an_absent_client_is_bounded(settings: BrokerSettings, tmp_path: Path) -> None:
    small = dataclasses.replace(settings, max_queued_bytes=100_000)
    small.folder.mkdir()
    accounts = [server_account("of-the-server"), agent_account("lc-bac-ha", "gw", "one")]
    write_accounts(small.folder, accounts, small.owner)
    with ManagedBroker(small):
        with peer(small.port, "server", "of-the-server", session_seconds=3600) as server:
            server.subscribe("schoolbeat/1/+/+/report")
        with peer(small.port, "lc-bac-ha.gw", "one") as agent:
            for info in [agent.client.publish(TOPIC, b"x" * 1000, qos=1) for _ in range(300)]:
                info.wait_for_publish(30)
        with peer(small.port, "server", "of-the-server", session_seconds=3600) as server:
            server.subscribe("schoolbeat/1/+/+/event")  # its answer comes behind what was queued
            kept = server.inbox.qsize()

    assert 90 <= kept <= 110


def test_a_payload_over_the_limit_is_not_passed_on_and_harms_nobody_else(settings: BrokerSettings) -> None:
    small = dataclasses.replace(settings, message_size_limit=10_000)
    small.folder.mkdir()
    accounts = [server_account("s"), agent_account("lc-bac-ha", "gw", "1"), agent_account("lc-sa-pa", "gw", "2")]
    write_accounts(small.folder, accounts, small.owner)
    with (
        ManagedBroker(small) as broker,
        peer(small.port, "server", "s") as server,
        peer(small.port, "lc-bac-ha.gw", "1") as heavy,
        peer(small.port, "lc-sa-pa.gw", "2") as other,
    ):
        server.subscribe("schoolbeat/1/+/+/report")
        heavy.client.publish(TOPIC, b"y" * 10_001, qos=1)
        heavy.client.publish(TOPIC, b"y" * 10_000_000, qos=1)
        other.publish("schoolbeat/1/lc-sa-pa/gw/report", b"z" * 10_000)

        assert eventually(lambda: heavy.drops)
        assert eventually(lambda: server.inbox.qsize())
        assert {message.payload[:1] for message in server.inbox.queue} == {b"z"}
        assert (server.drops, other.drops) == ([], [])
        assert broker.pid is not None


def test_a_killed_broker_is_started_again_with_sessions_and_retained_messages(
    broker: ManagedBroker, settings: BrokerSettings
) -> None:
    with peer(settings.port, "server", "of-the-server") as server:
        with peer(settings.port, "lc-bac-ha.gw", "one", session_seconds=3600) as agent:
            agent.subscribe("schoolbeat/1/lc-bac-ha/gw/command")
        server.publish("schoolbeat/1/lc-bac-ha/gw/config", "kept", retain=True)
        server.publish("schoolbeat/1/lc-bac-ha/gw/command", "waits")
        broker.save()
        saved = settings.folder / "saved" / "mosquitto.db"
        assert eventually(lambda: saved.exists() and b"waits" in saved.read_bytes())
        first = broker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert eventually(lambda: broker.pid is None)

        told = broker.ensure_alive()

        assert told is not None
        assert "SIGKILL" in told
        assert broker.pid not in (None, first)
        with peer(settings.port, "lc-bac-ha.gw", "one", session_seconds=3600) as agent:
            agent.subscribe("schoolbeat/1/lc-bac-ha/gw/config")
            assert eventually(lambda: agent.inbox.qsize() >= 2)
            assert {message.payload for message in agent.inbox.queue} == {b"kept", b"waits"}
        assert eventually(lambda: server.connects == ["Success", "Success"])


def test_a_broker_that_dies_again_and_again_is_started_less_and_less_often(settings: BrokerSettings) -> None:
    now = [1000.0]
    broker = ManagedBroker(settings, clock=lambda: now[0])
    starts = []
    try:
        broker.start()
        for _ in range(200):
            if broker.pid is not None:
                starts.append(now[0] - 1000)
                os.kill(broker.pid, signal.SIGKILL)
                assert eventually(lambda: broker.pid is None)
            broker.ensure_alive()
            now[0] += 0.5
    finally:
        broker.stop()

    assert starts == [0.0, 0.5, 2.0, 4.5, 9.0, 17.5, 34.0, 66.5]


def test_the_next_start_waits_longer_until_the_broker_lived_well() -> None:
    waits: list[float | None] = [None]
    for _ in range(9):
        waits.append(next_backoff_seconds(waits[-1], lived_seconds=1))

    assert waits[1:] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    assert next_backoff_seconds(60, lived_seconds=60) == 0


def test_why_it_ended_is_its_last_error() -> None:
    log = "1: starting\n2: Error: Address already in use\n3: bye\n"

    assert why_it_ended(3, log) == "mã thoát / exit code 3; 2: Error: Address already in use"
    assert why_it_ended(-9, "") == "signal SIGKILL; (log trống / log empty)"


def test_a_taken_port_is_named(settings: BrokerSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", settings.port))
        taken.listen()
        broker = ManagedBroker(settings, start_seconds=4)
        with pytest.raises(BrokerError, match="Address already in use"):
            broker.start()

    assert broker.pid is None


def test_it_takes_the_place_of_a_broker_that_is_just_leaving(broker: ManagedBroker, settings: BrokerSettings) -> None:
    leaving = broker.pid
    assert leaving is not None
    threading.Timer(0.6, lambda: os.kill(leaving, signal.SIGTERM)).start()

    with ManagedBroker(settings) as next_broker:
        assert next_broker.pid not in (None, leaving)


def test_the_broker_does_not_outlive_a_killed_server(settings: BrokerSettings) -> None:
    code = (
        "import sys, time, threading; from pathlib import Path; from schoolbeat_server.broker import *\n"
        "broker = ManagedBroker(BrokerSettings(Path(sys.argv[1]), int(sys.argv[2])))\n"
        "starter = threading.Thread(target=broker.start); starter.start(); starter.join()\n"
        "time.sleep(0.3); print(broker.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(settings.folder), str(settings.port)], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        child = int(server.stdout.readline())  # alive though the thread that asked for it has ended
        assert Path(f"/proc/{child}/comm").read_text() == "mosquitto\n"
        server.kill()
        server.wait()

    assert eventually(lambda: not runs(child))
    assert (settings.folder / "saved" / "mosquitto.db").exists()


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_stopping_leaves_nothing_running_and_may_be_repeated(settings: BrokerSettings) -> None:
    broker = ManagedBroker(settings)
    broker.start()
    pid = broker.pid
    assert pid is not None

    broker.stop()
    broker.stop()

    assert not runs(pid)
    assert broker.pid is None
    assert broker.ensure_alive() is None


# Files and settings


def test_files_are_secret_and_belong_to_the_user_it_runs_as(broker: ManagedBroker, settings: BrokerSettings) -> None:
    owner = pwd.getpwnam("mosquitto").pw_uid if os.geteuid() == 0 else os.geteuid()
    names = ["acl", "passwords", "mosquitto.conf"]
    found = {name: (settings.folder / name).stat() for name in names}

    assert {name: (stat.S_IMODE(f.st_mode), f.st_uid) for name, f in found.items()} == dict.fromkeys(
        names, (0o600, owner)
    )
    for folder in (settings.folder, settings.folder / "saved"):
        assert (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid) == (0o700, owner)
    assert Path(f"/proc/{broker.pid}").stat().st_uid == owner


def test_the_broker_may_open_a_file_for_each_agent_of_a_province(broker: ManagedBroker) -> None:
    limits = Path(f"/proc/{broker.pid}/limits").read_text()
    soft, hard = re.search(r"Max open files +(\d+) +(\d+)", limits).groups()  # type: ignore[union-attr]

    assert int(soft) == min(int(hard), 65_536)


def test_the_servers_password_is_made_once_and_only_we_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "server-password"
    first = server_password(path)

    assert len(first) == 32
    assert server_password(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_is_bounded(broker: ManagedBroker, settings: BrokerSettings) -> None:
    with broker.log_path.open("a") as log:
        log.write("noise\n" * 200_000)

    broker.ensure_alive()
    broker.reload()

    assert broker.log_path.stat().st_size < 10_000
    assert "Reloading config" in broker.log_path.read_text()
    assert broker.log_path.with_suffix(".log.old").stat().st_size == 65_536


def test_the_configuration_states_what_keeps_messages(tmp_path: Path) -> None:
    config = generate_config(BrokerSettings(tmp_path, 18830, websockets_port=18831)).splitlines()

    for line in (
        "allow_anonymous false",
        "per_listener_settings false",
        "persistence true",
        "max_inflight_messages 0",
        "max_queued_messages 1000000000",
        "max_queued_bytes 67108864",
        "message_size_limit 1048576",
        "listener 18830 127.0.0.1",
        "listener 18831 127.0.0.1",
        "protocol websockets",
    ):
        assert line in config
    assert config.count("use_username_as_clientid true") == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"port": 0}, "port = 0"),
        ({"port": 70000}, "port = 70000"),
        ({"websockets_port": -1}, "websockets_port = -1"),
        ({"websockets_port": 18830}, "websockets_port = 18830"),
        ({"bind": "here\nallow_anonymous true"}, "bind = "),
        ({"tls_cert": Path("a")}, "tls_cert, tls_key"),
        ({"message_size_limit": 0}, "message_size_limit = 0"),
        ({"max_queued_bytes": 0}, "max_queued_bytes = 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(tmp_path: Path, change: dict[str, object], named: str) -> None:
    with pytest.raises(BrokerError, match=re.escape(named)):
        check_settings(dataclasses.replace(BrokerSettings(tmp_path, 18830), **change))  # type: ignore[arg-type]


def test_tls_works_with_a_key_that_only_we_can_read(settings: BrokerSettings, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            "sh",
            "-c",
            f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}",
        ],
        check=True,
        capture_output=True,
    )
    key.chmod(0o600)
    secure = dataclasses.replace(settings, tls_cert=cert, tls_key=key, websockets_port=free_port())
    secure.folder.mkdir()
    write_accounts(secure.folder, [server_account("s")], secure.owner)
    with ManagedBroker(secure) as broker:
        broker.reload()  # the knock must work through TLS as well
        said: list[str] = []
        for port, transport in ((secure.port, "tcp"), (secure.websockets_port, "websockets")):
            client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, transport=transport)  # type: ignore[arg-type]
            client.tls_set(ca_certs=str(cert))
            client.username_pw_set("server", "s")
            client.on_connect = lambda c, d, f, reason, p: said.append(str(reason))
            client.ws_set_options(path="/mqtt")
            assert port is not None
            client.connect("127.0.0.1", port)
            client.loop_start()
            assert eventually(lambda: said)
            client.disconnect()
            client.loop_stop()
            assert said.pop() == "Success"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops privileges and may still need a low port")
def test_as_root_it_may_listen_on_a_low_port_without_being_root(settings: BrokerSettings) -> None:
    for port in range(880, 1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with ManagedBroker(dataclasses.replace(settings, port=port)) as broker:
            assert Path(f"/proc/{broker.pid}").stat().st_uid == pwd.getpwnam("mosquitto").pw_uid
        return
    pytest.fail("no free port from 880 to 999")
