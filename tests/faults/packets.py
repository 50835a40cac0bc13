"""A rough line for real IP packets: two network namespaces with a TUN device each, and between them we lose, delay, mix
and repeat. What TCP makes of it, it makes by itself."""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import os
import random
import select
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

NEAR, FAR = "10.77.0.2", "10.77.0.1"  # the agent's end, the broker's
DEVICE = "rough0"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
CLONE_NEWNET = 0x40000000
PACKET = 65_536
WAITING = 2_000  # packets under way; more are lost, as in any queue
MIX_SECONDS = 0.3
_numbers = count()


def missing() -> str | None:
    """Why no rough line can be made here; None if one can."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        return "a rough line needs root, ip(8) and /dev/net/tun"
    return None


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip") or "ip", *words], check=True, capture_output=True)


def inside(namespace: str, work: Callable[[], T]) -> T:
    """In a thread of its own, which ends there."""
    found: list[T] = []

    def run() -> None:
        with Path(f"/run/netns/{namespace}").open("rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
        found.append(work())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def _tun() -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH", DEVICE.encode(), IFF_TUN | IFF_NO_PI))
    return descriptor


class RoughLine:
    """`near` is the namespace for the agent. What befalls the packets may change at any moment."""

    def __init__(self, seed: int) -> None:
        self.lose_share = self.repeat_share = self.mix_share = self.delay_seconds = 0.0
        self.carried = self.lost = self.repeated = self.mixed = 0
        number = next(_numbers)
        self.near, self._far = f"sbf{os.getpid()}-{number}n", f"sbf{os.getpid()}-{number}f"
        self._rng = random.Random(seed)
        self._stop, self._wake = os.pipe()
        self._ends: list[int] = []
        for namespace, address in ((self.near, NEAR), (self._far, FAR)):
            _ip("netns", "add", namespace)
            self._ends.append(inside(namespace, _tun))
            _ip("-n", namespace, "address", "add", f"{address}/30", "dev", DEVICE)
            _ip("-n", namespace, "link", "set", DEVICE, "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
        self._thread = threading.Thread(target=self._carry, name="rough line", daemon=True)
        self._thread.start()

    def listener(self, port: int) -> socket.socket:
        """A listening socket at the far end."""
        return inside(self._far, lambda: socket.create_server((FAR, port)))

    def _carry(self) -> None:
        under_way: list[tuple[float, int, int, bytes]] = []
        order = count()
        while True:
            timeout = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
            ready, _, _ = select.select([*self._ends, self._stop], [], [], timeout)
            if self._stop in ready:
                return
            now = time.monotonic()
            for end in ready:
                other = self._ends[1 - self._ends.index(end)]
                try:
                    packet = os.read(end, PACKET)
                except OSError:
                    continue
                for at in self._fates(now):
                    if len(under_way) < WAITING:
                        heapq.heappush(under_way, (at, next(order), other, packet))
            while under_way and under_way[0][0] <= now:
                _, _, end, packet = heapq.heappop(under_way)
                try:
                    os.write(end, packet)
                    self.carried += 1
                except OSError:
                    self.lost += 1

    def _fates(self, now: float) -> list[float]:
        """When the packet comes out; not at all, or twice."""
        if self._rng.random() < self.lose_share:
            self.lost += 1
            return []
        at = now + self.delay_seconds
        if self._rng.random() < self.mix_share:
            self.mixed += 1
            at += self._rng.uniform(0, MIX_SECONDS)
        if self._rng.random() < self.repeat_share:
            self.repeated += 1
            return [at, at + self._rng.uniform(0, MIX_SECONDS)]
        return [at]

    def close(self) -> None:
        os.write(self._wake, b"x")
        self._thread.join(5)
        for descriptor in (*self._ends, self._stop, self._wake):
            os.close(descriptor)
        for namespace in (self.near, self._far):
            subprocess.run([shutil.which("ip") or "ip", "netns", "delete", namespace], check=False, capture_output=True)
