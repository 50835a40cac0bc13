"""A whole small world for end-to-end tests: the lab, a real server with its broker on the Internet side, a real
agent in the school, a receiver of notices. All processes, all real packets, TLS on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from sqlalchemy import insert

from schoolbeat_server import database, enrol, schema
from schoolbeat_server.demo import internet
from schoolbeat_server.demo.lab import DEVICES, Lab
from schoolbeat_wire.catalogue import OFF_REASONS

SITE = "truong-1"
BIN = Path(sys.executable).parent
BROKER_PORT, WEB_PORT, SINK_PORT = 8883, 18080, 18081
CLEAN_STOP = OFF_REASONS["clean_stop"][0]


class World:
    """Use as a context manager. Everything lies under `folder`; everything ends with the block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab()
        self.children: dict[str, subprocess.Popen[Any]] = {}
        self.server_since = 0.0  # monotonic

    def __enter__(self) -> World:
        self.lab.__enter__()
        try:
            self._build()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("agent", "server", "sink"):
            self.stop(name)
        self.lab.__exit__(kind, error, trace)

    def _build(self) -> None:
        ca = self.lab.start_internet()
        assert ca is not None, "openssl is missing"
        self.ca = ca
        self._register()
        self._write_server_toml()
        self._write_agent_toml()
        self.start("sink")
        self.start("server")
        self.await_(lambda: self.server_answers(), 30, "the server answers")
        self.server_since = time.monotonic()
        self.start("agent")

    def _register(self) -> None:
        (self.folder / "data").mkdir(mode=0o700)
        engine = database.open_database(self.folder / "data" / "schoolbeat.db")
        with engine.begin() as connection:
            connection.execute(insert(schema.area).values(id="xa", name="Xã Thử", kind="commune"))
            connection.execute(insert(schema.school).values(id="t1", name="Trường Thử", area="xa"))
            connection.execute(insert(schema.site).values(id=SITE, school="t1", name="Điểm chính"))
            connection.execute(insert(schema.line).values(id="l1", site=SITE, isp="Nhà mạng Thử", technology="fibre"))
            device = {"site": SITE, "id": "bang-1", "name": "Bảng 1", "kind": "board", "address": DEVICES[0]}
            connection.execute(insert(schema.device).values(device))
        self.credentials = enrol.add_agent(engine, SITE, now_ms=time.time_ns() // 1_000_000)
        self.server_id = database.server_id(engine)
        engine.dispose()

    def _write_server_toml(self) -> None:
        lines = {
            "": {"folder": str(self.folder / "data")},
            "web": {"port": WEB_PORT},
            "broker": {
                "bind": internet.SERVER,
                "port": BROKER_PORT,
                "cert_file": str(self.ca.parent / "web.pem"),
                "key_file": str(self.ca.parent / "web.key"),
                "ca_file": str(self.ca),
            },
            "channels.sink": {"url": f"json://127.0.0.1:{SINK_PORT}/notice"},
        }
        self._write_toml("server.toml", lines)

    def _write_agent_toml(self) -> None:
        lines: dict[str, dict[str, Any]] = {
            "": {"site": SITE, "server": self.server_id, "folder": str(self.folder / "agent")},
            "broker": {
                "host": internet.SERVER,
                "port": BROKER_PORT,
                "ca_file": str(self.ca),
                "password": self.credentials.password,
            },
            "path": {"domestic": list(internet.DOMESTIC), "international": list(internet.INTERNATIONAL)},
            "internet": {
                "names": ["www.domestic.example", "truong.edu.example"],
                "targets": [f"{address}:80" for address in internet.DOMESTIC],
            },
            "dns": {"known": internet.INTERNATIONAL_RESOLVER, "name": "csdl.edu.example"},
        }
        self._write_toml("agent.toml", lines)

    def _write_toml(self, name: str, sections: dict[str, dict[str, Any]]) -> None:
        text = ""
        for section, values in sections.items():
            text += f"\n[{section}]\n" if section else ""
            text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    # ---- processes -----------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        place, argv = {
            "agent": ("pi", [BIN / "schoolbeat-agent", "--config", self.folder / "agent.toml", "run"]),
            "server": ("inet", [BIN / "schoolbeat-server", "--settings", self.folder / "server.toml", "run"]),
            "sink": ("inet", [sys.executable, Path(__file__).parent / "sink.py", str(SINK_PORT), self.sink_file]),
        }[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.children[name] = self.lab.popen(
                place, argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
            )

    def stop(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        child = self.children.pop(name, None)
        if child is None:
            return
        child.send_signal(how)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    # ---- looking -------------------------------------------------------------------------------------------

    @property
    def sink_file(self) -> Path:
        return self.folder / "notices.jsonl"

    def notices(self) -> list[dict[str, Any]]:
        if not self.sink_file.exists():
            return []
        return [json.loads(line) for line in self.sink_file.read_text(encoding="utf-8").splitlines()]

    def get(self, path: str) -> Any:
        done = self.lab.run("inet", ["curl", "-s", "-m", "10", f"http://127.0.0.1:{WEB_PORT}{path}"])
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else None

    def server_answers(self) -> bool:
        found = self.get("/healthz")
        return bool(found and found["ok"])

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """From the server's database, read only."""
        connection = sqlite3.connect(f"file:{self.folder / 'data' / 'schoolbeat.db'}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    def minutes(self, signal_name: str, first: int, end: int) -> list[int]:
        """Ledger bytes of the minutes [first, end), through the server's API."""
        query = f"first_minute={first}&end_minute={end}&signal={signal_name}"
        found = self.get(f"/api/v1/sites/{SITE}/minutes?{query}")
        return [code for code, count in found["signals"][signal_name]["runs"] for _ in range(count)]

    def await_(self, done: Callable[[], bool], seconds: float, what: str) -> float:
        """Seconds it took. AssertionError with the logs' ends when it takes too long."""
        began = time.monotonic()
        while not done():
            if time.monotonic() - began > seconds:
                tails = "\n".join(f"--- {path.name}\n{_tail(path)}" for path in sorted(self.folder.glob("*.log")))
                raise AssertionError(f"not within {seconds} s: {what}\n{tails}")
            time.sleep(0.2)
        return time.monotonic() - began


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])


def required() -> str | None:
    """Why a world cannot be built here; None if it can. In CI a missing part is a failure, not a reason to skip."""
    from schoolbeat_server.demo import lab

    missing = [said.en for said in lab.missing()]
    if missing and os.environ.get("CI") == "true":
        raise RuntimeError("; ".join(missing))
    return "; ".join(missing) or None
