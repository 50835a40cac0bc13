"""What probes touch and what they remember: every path, clock and socket is an argument."""

from __future__ import annotations

import os
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from schoolbeat_agent.echo import Echo
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.settings import Lessons
from schoolbeat_agent.sight import Sight

LOSS_RUNS = 6  # loss is told over about a minute of 10 s runs: one run alone sends too few packets to tell
EDGES_KEPT = 8  # an ISP answers from a handful of edge addresses, in turn


@dataclass(frozen=True)
class Grant:
    """The server lets this agent make one speed test before that time."""

    token: str
    until_unix: float


@dataclass
class Memory:
    """What runs have learnt for the next ones. Worth keeping over a restart: `isp_edges`, `kept`."""

    isp_edges: list[str] = field(default_factory=list)  # seen answering, newest last
    packets: dict[str, deque[tuple[int, int]]] = field(default_factory=dict)  # rung -> (sent, lost) of its runs
    cpu_seconds: tuple[float, float] | None = None  # (busy, all) when last looked at
    name_turn: int = 0  # which configured name is asked first next time
    of_probe: dict[str, Any] = field(default_factory=dict)  # a probe's own, by "probe subject"; lost at a restart
    kept: dict[str, str] = field(default_factory=dict)  # small texts by "probe key", on disk when changed: seldom
    changed: set[str] = field(default_factory=set)  # keys of `kept` that the disk does not have yet
    grants: list[Grant] = field(default_factory=list)  # not used yet, oldest first
    sight: Sight = field(default_factory=Sight)  # what the last runs of all probes brought

    def keep(self, key: str, text: str) -> None:
        """Over restarts. Each change is a write to the memory card: only what is worth it, at most 4 KB."""
        if self.kept.get(key) != text:
            self.kept[key] = text
            self.changed.add(key)

    def saw_isp_edge(self, address: str) -> None:
        if address in self.isp_edges:
            self.isp_edges.remove(address)
        self.isp_edges.append(address)
        del self.isp_edges[:-EDGES_KEPT]

    def loss_percent(self, rung: str, sent: int, lost: int) -> float:
        """Remember an answered run's packets; loss over the last LOSS_RUNS answered runs of the rung.

        Packets lost ÷ packets sent over several runs is right in the mean; the mean of single runs is not, since a
        run stops at its first answer.
        """
        runs = self.packets.setdefault(rung, deque(maxlen=LOSS_RUNS))
        runs.append((sent, lost))
        return 100 * sum(lost for _, lost in runs) / sum(sent for sent, _ in runs)


@dataclass(frozen=True)
class World:
    """The real world by default; tests give other paths, clocks and files."""

    echo: Echo = field(default_factory=Echo)
    memory: Memory = field(default_factory=Memory)
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    resolv_conf: Path = Path("/etc/resolv.conf")
    lessons: Lessons = field(default_factory=Lessons)
    unix: Callable[[], float | None] = lambda: None  # seconds since 1970 UTC where this agent knows them
    hurry: Callable[[], None] = lambda: None  # the next round begins now
    ca_file: Path | None = None  # None: the system's certificate authorities
    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    entropy: Callable[[int], bytes] = os.urandom

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """Made when first used: certificate and host name are checked. A file of one CA is 2 MiB lighter."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.ca_file is None:
            context.load_default_certs()
            return context
        try:
            context.load_verify_locations(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            detail = f"CA file {self.ca_file} cannot be read ({error}); give a PEM file of certificates"
            raise ProbeFailed("not_configured", detail) from error
        return context


def read_text(path: Path) -> str | None:
    """The beginning of a small file of /proc, /sys or /etc; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(65_536).decode("utf-8", "replace")
    except OSError:
        return None
