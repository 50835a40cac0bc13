"""The demo's child processes: started so that they die with us, ended in order and by their own id."""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)
STOP_SECONDS = 20.0


def _die_with_parent() -> None:
    """Runs in the child before exec. The signal survives exec, and `ip netns exec` too."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """name is for people; log: where its words go."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def ended(self) -> bool:
        return self.process.returncode is not None

    def last_words(self) -> str:
        """The last lines of its log."""
        try:
            text = self.log.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-5:])[-1_000:]

    async def stop(self) -> None:
        if self.ended:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def start(name: str, command: Sequence[str | Path], log: Path, *, listen: bool = False) -> Child:
    """listen: its stdout comes to us by `process.stdout`; otherwise it goes to the log. stdin is closed to it.

    A process group of its own: Ctrl-C in our terminal is for us, and we stop the children in our order.
    """
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *map(str, command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if listen else file,
            stderr=file,
            process_group=0,
            preexec_fn=_die_with_parent,
            cwd=log.parent,
        )
    return Child(name, process, log)


def free_port(wanted: int = 0) -> int:
    """A free port on loopback: the wanted one if it is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("không còn cổng trống / no free port on 127.0.0.1")
