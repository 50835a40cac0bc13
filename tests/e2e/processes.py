"""A real server with its managed broker and real agents, as processes on loopback that can be killed at any moment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from sqlalchemy import insert

from schoolbeat_agent import status
from schoolbeat_server import database, enrol, schema
from schoolbeat_server.demo import internet
from tests.outbox_copy import copied
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
START_SECONDS = 60  # several engineers' tests may share two cores


class Children:
    """Every process that was started; `end` leaves none of them behind."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[bytes]] = []
        self.grandchildren: set[int] = set()

    def start(self, argv: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
        """It dies with the thread that starts it: a test that is shot leaves nothing running either."""
        with log.open("ab") as file:
            child = subprocess.Popen(
                [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", *map(str, argv)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                cwd=ROOT,
                process_group=0,
            )
        self.started.append(child)
        return child

    def end(self) -> None:
        for child in self.started:
            if child.poll() is None:
                child.kill()
            child.wait()
        for pid in self.grandchildren:
            if name_of(pid) == "mosquitto":
                os.kill(pid, signal.SIGKILL)


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            found += map(int, (thread / "children").read_text().split())
        except OSError:
            pass
    return found


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def await_(done: Callable[[], object], seconds: float, what: str, *logs: Path) -> float:
    """Seconds it took. AssertionError with the logs' ends when it takes too long."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            tails = "\n".join(f"--- {path}\n{_tail(path)}" for path in logs)
            raise AssertionError(f"not within {seconds} s: {what}\n{tails}")
        time.sleep(0.1)
    return time.monotonic() - began


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-25:]) if path.exists() else ""


def write_toml(path: Path, sections: dict[str, dict[str, Any]], more: str = "") -> None:
    """JSON's strings, numbers, booleans and lists are TOML's too."""
    text = ""
    for section, values in sections.items():
        text += f"\n[{section}]\n" if section else ""
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
    path.touch(mode=0o600)
    path.write_text(text + more, encoding="utf-8")


NAME = "truong.example"


class Port:
    """A TCP port on loopback that accepts and hangs up, and can be closed and opened again."""

    def __init__(self) -> None:
        self.number = free_port()
        self.listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        if self.listener is None:
            self.listener = socket.create_server(("127.0.0.1", self.number))
            threading.Thread(target=_accept, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        if self.listener is not None:
            self.listener.shutdown(socket.SHUT_RDWR)  # wakes the thread
            self.listener.close()
            self.listener = None


def _accept(listener: socket.socket) -> None:
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        pass


class Surroundings:
    """What agents on loopback measure: a name server, a port on the Internet, and a board that can be switched off."""

    def __init__(self) -> None:
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.bind(("127.0.0.1", 0))
        self.name_server = f"127.0.0.1:{self.names.getsockname()[1]}"
        self.target, self.board = Port(), Port()
        self._closed = False
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            query, address = self.names.recvfrom(512)
            if self._closed:
                return
            reply = internet.answer(query, {NAME: "127.0.0.1"})
            if reply is not None:
                self.names.sendto(reply, address)

    def close(self) -> None:
        self.board.close()
        self.target.close()
        self._closed = True
        self.names.sendto(b"", self.names.getsockname())


class Server:
    """`schoolbeat-server run` on a folder of its own, with the broker that is its child."""

    def __init__(self, children: Children, folder: Path, sites: Sequence[str]) -> None:
        self.children, self.folder, self.log = children, folder, folder / "server.log"
        self.port, self.web_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "data").mkdir(mode=0o700, parents=True)
        self._register(sites)
        self._write_settings()

    def take_place_of(self, former: Server) -> None:
        """Listens where the other one did. Both keep their ids."""
        self.port, self.web_port = former.port, former.web_port
        self._write_settings()

    def _write_settings(self) -> None:
        write_toml(
            self.folder / "server.toml",
            {
                "": {"folder": str(self.folder / "data")},
                "web": {"port": self.web_port},
                "broker": {"port": self.port},
                "channels.nobody": {"url": "json://127.0.0.1:9/"},  # rows of table `notice` are what counts here
            },
        )

    def _register(self, sites: Sequence[str]) -> None:
        engine = database.open_database(self.database)
        with engine.begin() as connection:
            connection.execute(insert(schema.area).values(id="xa", name="Xã Thử", kind="commune"))
            for site in sites:
                connection.execute(insert(schema.school).values(id=site, name=f"Trường {site}", area="xa"))
                connection.execute(insert(schema.site).values(id=site, school=site, name="Điểm chính"))
        self.id = database.server_id(engine)
        engine.dispose()

    def enrol(self, site: str, name: str = "gateway", *, replace_password: bool = False) -> str:
        """The password."""
        engine = database.open_database(self.database)
        try:
            now_ms = time.time_ns() // 1_000_000
            return enrol.add_agent(engine, site, name, now_ms=now_ms, replace_password=replace_password).password
        finally:
            engine.dispose()

    @property
    def database(self) -> Path:
        return self.folder / "data" / "schoolbeat.db"

    def command(self, *words: str) -> str:
        """Another `schoolbeat-server` command on the same folder, while the server runs."""
        argv = [BIN / "schoolbeat-server", "--settings", self.folder / "server.toml", "--lang", "en", *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=START_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    # ---- living and dying ------------------------------------------------------------------------------------

    def start(self, *, wait: bool = True) -> None:
        argv = [BIN / "schoolbeat-server", "--settings", self.folder / "server.toml", "run"]
        self.process = self.children.start(argv, self.log)
        if wait:
            await_(self.is_well, START_SECONDS, "the server answers", self.log)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, _tail(self.log)

    def kill(self) -> None:
        assert self.process is not None
        self.broker_pid()
        self.process.kill()
        self.process.wait()

    def broker_pid(self) -> int | None:
        """Of the Mosquitto that is the server's child at this moment."""
        assert self.process is not None
        found = [pid for pid in children_of(self.process.pid) if name_of(pid) == "mosquitto"]
        self.children.grandchildren.update(found)
        return found[0] if found else None

    def kill_broker(self) -> bool:
        """The broker alone. False if there is none at this moment."""
        pid = self.broker_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def is_well(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the server ended by itself\n{_tail(self.log)}"
        try:
            return bool(self.get("/healthz")["ok"])
        except (OSError, ValueError):
            return False

    # ---- looking ---------------------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web_port}{path}", timeout=20) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """From the server's database, read only."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def counters(self) -> dict[str, int]:
        return dict(self.rows("SELECT name, count FROM counter"))

    def minutes(self, site: str, signal_name: str, first: int, end: int) -> bytes:
        """Ledger bytes of the minutes [first, end), through the API."""
        found = self.get(f"/api/v1/sites/{site}/minutes?first_minute={first}&end_minute={end}&signal={signal_name}")
        return bytes(code for code, count in found["signals"][signal_name]["runs"] for _ in range(count))


@dataclass
class Agent:
    """`schoolbeat-agent run` with a folder of its own."""

    children: Children
    server: Server
    around: Surroundings
    folder: Path
    site: str
    name: str = "gateway"
    password: str = ""
    process: subprocess.Popen[bytes] | None = None
    enrolled: str | None = None  # the server's id in agent.toml; None: that of `server`
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password = self.password or self.server.enrol(self.site, self.name)
        self.write_settings()

    def write_settings(self) -> None:
        own = {"site": self.site, "agent": self.name, "folder": str(self.state), "clock": "trust"}
        port = self.server.port
        write_toml(
            self.folder / "agent.toml",
            {
                "": own | {"server": self.server.id if self.enrolled is None else self.enrolled} | self.extra,
                "broker": {"host": "127.0.0.1", "port": port, "tls": False, "password": self.password},
                "path": {"router": "127.0.0.1", "domestic": ["127.0.0.2"], "international": ["127.0.0.3"]},
                "internet": {"names": [NAME], "targets": [f"127.0.0.1:{self.around.target.number}"]},
                "dns": {"resolvers": [self.around.name_server], "known": self.around.name_server, "name": NAME},
            },
            f'\n[[device]]\nid = "bang-1"\naddress = "127.0.0.1"\nport = {self.around.board.number}\n',
        )

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def outbox(self) -> Path:
        return self.state / "outbox.sqlite"

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    def start(self) -> None:
        config = self.folder / "agent.toml"
        self.process = self.children.start([BIN / "schoolbeat-agent", "--config", config, "run"], self.log)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, _tail(self.log)

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def standing(self) -> dict[str, Any]:
        """What `status` shows; {} while nobody answers."""
        return status.ask(self.state) or {}

    def is_settled(self) -> bool:
        told = self.standing()
        return bool(told) and told["connected"] and told["waiting"] == 0 and told["next"] > 0

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """From a copy of the outbox."""
        with copied(self.outbox) as connection:
            return connection.execute(query, values).fetchall()

    @property
    def epoch(self) -> str:
        return str(self.rows("SELECT value FROM meta WHERE key = 'epoch'")[0][0])


@contextmanager
def children() -> Iterator[Children]:
    held = Children()
    try:
        yield held
    finally:
        held.end()


class Speaker:
    """Somebody with an account of the broker who says what he likes. Its client id is its user name, as the broker wants."""

    def __init__(self, port: int, username: str, password: str, client_id: str = "") -> None:
        self.refused = ""
        self.connected = False
        self.ended = ""
        self.heard: list[tuple[str, bytes]] = []
        self._acknowledged: set[int] = set()
        self.client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or username,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(username, password)
        self.client.max_queued_messages_set(0)
        self.client.max_inflight_messages_set(65_535)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = lambda _client, _data, mid, _reason, _properties: self._acknowledged.add(mid)
        self.client.on_message = lambda _client, _data, message: self.heard.append(
            (message.topic, bytes(message.payload))
        )
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        await_(lambda: self.connected or self.refused, START_SECONDS, "the broker answers")

    def _on_connect(self, _client: object, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self.connected = not reason.is_failure
        self.refused = str(reason) if reason.is_failure else ""

    def _on_disconnect(self, _client: object, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        self.connected, self.ended = False, str(reason)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def listen(self, topic: str) -> None:
        self.client.subscribe(topic, 1)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> int:
        """Its message id; the broker has it once `acknowledged(it)`."""
        return self.client.publish(topic, payload, qos=1, retain=retain).mid

    def acknowledged(self, mid: int) -> bool:
        return mid in self._acknowledged

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for name, payload in list(self.heard) if name == topic]
