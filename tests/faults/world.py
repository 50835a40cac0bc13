"""The world of a fault round: a server that tells somebody, and agents that show the known pattern over lines of ours."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from schoolbeat_agent import clock
from schoolbeat_agent.outbox import Outbox
from schoolbeat_wire import inventory
from schoolbeat_wire.catalogue import UNKNOWN
from schoolbeat_wire.inventory import Column, Inventory
from schoolbeat_wire.report import MinuteRow
from tests.e2e.processes import Agent, Children, Server, Surroundings, children, write_toml
from tests.faults import packets, pattern
from tests.faults.packets import RoughLine
from tests.faults.relay import Line, Relay
from tests.ports import free_port

DAY = 86_400
PACE = 30.0  # of quick agents
FIRST_BOOT = "0123456789abcdef" * 2
PAST_SECONDS = 20 * DAY  # so long ago quick agents begin


class Recipient:
    """Takes notices over HTTP, and can be deaf."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []
        self.deaf = False
        outer = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), 1 << 20)))
                if outer.deaf:
                    self.send_response(503)
                else:
                    outer.taken.append((body.get("title") or "", body.get("message") or ""))
                    self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Receiver)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class TellingServer(Server):
    """Its notices go to a recipient."""

    def __init__(self, kids: Children, folder: Path, sites: Sequence[str], recipient: Recipient) -> None:
        self.recipient = recipient
        super().__init__(kids, folder, sites)

    def _write_settings(self) -> None:
        write_toml(
            self.folder / "server.toml",
            {
                "": {"folder": str(self.folder / "data")},
                "web": {"port": self.web_port},
                "broker": {"port": self.port},
                "channels.office": {"url": f"json://127.0.0.1:{self.recipient.port}/"},
            },
        )

    def freeze(self) -> None:
        if self.is_running() and self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)

    def wipe_broker(self) -> bool:
        """Killed, and its store is gone before it is back."""
        pid = self.broker_pid() if self.is_running() else None
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        for store in (self.folder / "data").rglob("mosquitto.db*"):
            store.unlink(missing_ok=True)
        return True


@dataclass
class PatternAgent(Agent):
    """tests.faults.pattern_agent in a folder of its own, over a line of the relay."""

    base_unix: float = 0.0  # plus the machine's seconds since its boot, `pace` times as fast: the agent's time
    pace: float = PACE
    seed: int = 0
    line: Line | None = None
    host: str = "127.0.0.1"
    rough: RoughLine | None = None  # it runs in the namespace of this one
    boots: int = 0

    def write_settings(self) -> None:
        super().write_settings()
        own = {"site": self.site, "agent": self.name, "folder": str(self.state), "clock": "kernel"}
        port = self.server.port if self.line is None else self.line.port
        write_toml(
            self.folder / "agent.toml",
            {
                "": own | {"server": self.server.id} | self.extra,
                "broker": {"host": self.host, "port": port, "tls": False, "password": self.password},
                "path": {"router": "127.0.0.1", "domestic": ["127.0.0.2"], "international": ["127.0.0.3"]},
                "internet": {"names": ["truong.example"], "targets": ["127.0.0.1:9"]},
                "dns": {"resolvers": ["127.0.0.1:9"], "known": "127.0.0.1:9", "name": "truong.example"},
                "page": {"port": 0},
            },
            '\n[[device]]\nid = "bang-1"\naddress = "127.0.0.1"\nport = 9\n',
        )

    @property
    def is_quick(self) -> bool:
        return self.pace != 1

    @property
    def hardware(self) -> str:
        """Of its own: what this machine has for one is another in each namespace."""
        return hashlib.blake2b(self.site.encode(), digest_size=8).hexdigest()

    def believed_unix(self) -> float:
        """Of an agent whose clock is right."""
        return self.base_unix + clock.boot_seconds() * self.pace

    def prepare(self, past_minutes: int) -> None:
        """As many minutes of the pattern are in its outbox, waiting."""
        (self.folder / "pattern.json").write_text(
            json.dumps(
                {
                    "seed": self.seed,
                    "pace": self.pace,
                    "base_unix": self.base_unix,
                    "counted": past_minutes,
                    "hardware": self.hardware,
                }
            )
        )
        self.set_clock(0, synchronised=True)
        self.reboot(FIRST_BOOT)
        end = int(self.believed_unix() // 60) - 3
        self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        box = Outbox(self.outbox, hardware=self.hardware, boot=FIRST_BOOT)
        box.keep_inventory(INVENTORY.revision, inventory.encode(INVENTORY))
        for index in range(past_minutes):
            box.add(past_row(self.seed, end - past_minutes + index, index), INVENTORY.revision, False)
        box.close()

    def reboot(self, boot: str) -> None:
        self.boots += 1
        (self.folder / "boot.json").write_text(json.dumps({"id": boot, "at": clock.boot_seconds()}))

    def set_clock(self, offset: float, *, synchronised: bool) -> None:
        new = self.folder / "clock.new"
        new.write_text(json.dumps({"offset": offset, "synchronised": synchronised}))
        new.replace(self.folder / "clock.json")

    def start(self) -> None:
        argv: list[str | Path] = [sys.executable, "-m", "tests.faults.pattern_agent", self.folder]
        if self.rough is not None:
            argv = [shutil.which("ip") or "ip", "netns", "exec", self.rough.near, *argv]
        self.process = self.children.start(argv, self.log)

    def freeze(self) -> None:
        if self.is_running() and self.process is not None:
            self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        if self.is_running() and self.process is not None:
            self.process.send_signal(signal.SIGCONT)

    def stop_politely(self) -> None:
        """It must not be frozen."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def is_at_rest(self) -> bool:
        """It runs, and everything it holds is settled."""
        assert self.is_running(), f"agent {self.site} ended by itself: {self.log.read_text()[-2_000:]}"
        return self.is_settled()

    def runs(self) -> list[pattern.Run]:
        return pattern.read_journal(self.folder / "journal")


INVENTORY = inventory.with_revision(
    Inventory(
        revision="", signals=list(pattern.SIGNALS), columns=[Column("counter", ["host"])], probes=["host", "path"]
    )
)


def past_row(seed: int, minute: int, counter: int) -> MinuteRow:
    """As if the minute had been seen from end to end; what the pattern leaves open is up."""
    shown = {True: 60, False: 0, None: UNKNOWN}
    codes = []
    for signal_name in pattern.SIGNALS:
        may_be = pattern.allowed(seed, signal_name, minute)
        at = shown[pattern.state(seed, signal_name, minute)]
        codes.append(at if may_be is None or at in may_be else may_be[0])
    return MinuteRow(seq=0, minute=minute, signals=bytes(codes), values=[[counter]])


@dataclass
class Round:
    """All who take part in a round."""

    folder: Path
    server: TellingServer
    recipient: Recipient
    relay: Relay
    agents: list[PatternAgent]
    around: Surroundings
    held: ExitStack = field(repr=False)

    @property
    def logs(self) -> list[Path]:
        return [self.server.log, *(agent.log for agent in self.agents)]


def build(
    folder: Path,
    held: ExitStack,
    seed: int,
    *,
    quick: int,
    real: int,
    past_minutes: int,
    pace: float = PACE,
    rough: Sequence[int] = (),
    all_up: bool = False,
) -> Round:
    """A server and agents, all running, each with so many minutes waiting. Quick ones live in the past. rough: the
    numbers of those behind a rough line."""
    sites = [f"truong-{number}" for number in range(quick + real)]
    around, recipient = Surroundings(), Recipient()
    held.callback(around.close)
    held.callback(recipient.close)
    kids = held.enter_context(children())
    relay = Relay()
    held.callback(relay.close)
    server = TellingServer(kids, folder / "server", sites, recipient)
    server.start()
    agents = []
    rng = random.Random(seed)
    for number, site in enumerate(sites):
        own_pace = pace if number < quick else 1.0
        ago = PAST_SECONDS if number < quick else 0
        way = RoughLine(rng.randrange(1 << 30)) if number in rough else None
        if way is not None:
            held.callback(way.close)
        port = free_port()
        listener = socket.create_server(("127.0.0.1", port)) if way is None else way.listener(port)
        line = relay.add(listener, server.port, rng.randrange(1 << 30))
        agent = PatternAgent(
            kids,
            server,
            around,
            folder / site,
            site,
            base_unix=time.time() - ago - clock.boot_seconds() * own_pace,
            pace=own_pace,
            seed=pattern.ALL_UP if all_up else rng.randrange(1, 1 << 30),
            line=line,
            host="127.0.0.1" if way is None else packets.FAR,
            rough=way,
        )
        agent.prepare(past_minutes)
        agents.append(agent)
        agent.start()
    return Round(folder, server, recipient, relay, agents, around, held)
