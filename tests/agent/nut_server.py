"""Debian's real upsd with the dummy-ups driver on loopback, and an emulated server for what a real one does not do."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.ports import free_port

# Not the wrappers in /usr/sbin: these want /etc/nut/nut.conf to allow a service.
UPSD, DRIVER = Path("/lib/nut/upsd"), Path("/lib/nut/dummy-ups")
ON_LINE = {
    "ups.status": "OL CHRG",
    "battery.charge": "97",
    "battery.runtime": "1800",
    "battery.voltage": "27.1",
    "input.voltage": "221.5",
    "ups.load": "23",
    "ups.temperature": "31.5",
}


@dataclass
class RealNut:
    """A NUT server whose UPS says what the test tells it to."""

    folder: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def ups(self) -> str:
        return f"school@127.0.0.1:{self.port}"

    def says(self, variables: dict[str, str]) -> None:
        """dummy-ups reads the file again when it has changed."""
        text = "".join(f"{name}: {value}\n" for name, value in variables.items())
        fresh = self.folder / "school.new"
        fresh.write_text(text)
        fresh.replace(self.folder / "school.dev")

    def status(self) -> str:
        """What the server itself says, by a socket of the test's own."""
        with socket.create_connection(("127.0.0.1", self.port), 5) as sock:
            sock.sendall(b"GET VAR school ups.status\n")
            return sock.recv(1_024).decode().strip()

    def start(self, program: Path, *arguments: str) -> None:
        environment = {
            "NUT_CONFPATH": str(self.folder),
            "NUT_STATEPATH": str(self.folder),
            "NUT_ALTPIDPATH": str(self.folder),
            "NUT_QUIET_INIT_SSL": "true",
        }
        with (self.folder / f"{program.name}.log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(
                    [program, *arguments, "-D", "-F", "-u", "root"],
                    env=os.environ | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        process.wait(10)


@contextmanager
def real_nut(folder: Path) -> Iterator[RealNut]:
    if not (UPSD.exists() and DRIVER.exists()) or os.geteuid() != 0:
        reason = "Debian's nut-server is not installed (make test installs it), or this is not root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    nut = RealNut(folder, free_port())
    nut.says(ON_LINE)
    (folder / "ups.conf").write_text(
        f"[school]\n driver = dummy-ups\n port = {folder}/school.dev\n mode = dummy-once\n pollinterval = 1\n"
    )
    (folder / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {nut.port}\nSTATEPATH {folder}\n")
    (folder / "upsd.users").write_text("")
    folder.chmod(0o700)
    try:
        nut.start(DRIVER, "-a", "school")
        until(lambda: (folder / "dummy-ups-school").exists())
        nut.start(UPSD)
        until(lambda: "OL" in nut.status())
        yield nut
    finally:
        for process in nut.processes:
            nut.stop(process)


def until(is_so: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if is_so():
                return
        except OSError:
            pass
        assert time.monotonic() < end, f"did not come true within {seconds} s"
        time.sleep(0.05)


@contextmanager
def emulated_nut(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """An EMULATED server: one answer to each line; None: it hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def talk(sock: socket.socket) -> None:
        with sock:
            try:
                for line in sock.makefile("rb"):
                    said = answer(line)
                    if said is None:
                        return
                    sock.sendall(said)
            except OSError:
                pass

    def serve() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=talk, args=(sock,), daemon=True).start()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        try:
            listening.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        thread.join()
        listening.close()
