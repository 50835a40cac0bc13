"""A seat and a school in namespaces of our own, joined by a cable instead of the air; and emulated joining programs."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.agent.probe_fakes import need_namespaces

from schoolbeat_agent.probes.world import World

RADIO = "seat0"
RULES = re.compile(r"\b770[12]:")


def need_dnsmasq() -> None:
    if shutil.which("dnsmasq", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have dnsmasq")
        pytest.skip("dnsmasq-base is not installed (make test installs it)")


class School:
    """desk: the gateway with seat0 (its second radio) and eth0 (its own way). school: router, DHCP, DNS, page.

    Both interfaces are in the same network 10.88.0.0/24, as in most schools. The page is beyond the router.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.desk, self.school = f"sbw{os.getpid()}d", f"sbw{os.getpid()}s"

    def run(self, *command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def ip(self, namespace: str, command: str) -> str:
        return self.run("ip", "-n", namespace, *command.split())

    def up(self) -> None:
        for namespace in (self.desk, self.school):
            self.run("ip", "netns", "add", namespace)
            self.ip(namespace, "link set lo up")
        self.ip(self.school, "link add br0 type bridge")
        for ours, theirs in ((RADIO, "ap0"), ("eth0", "sw0")):
            self.run(
                *("ip", "link", "add", ours, "netns", self.desk, "type", "veth"),
                *("peer", "name", theirs, "netns", self.school),
            )
            self.ip(self.school, f"link set {theirs} master br0")
            self.ip(self.school, f"link set {theirs} up")
            self.ip(self.desk, f"link set {ours} up")
        self.ip(self.school, "link set br0 up")
        self.ip(self.school, "addr add 10.88.0.1/24 dev br0")
        self.ip(self.school, "addr add 198.51.100.10/32 dev lo")
        # Nobody answers ARP for what is beyond the router: it must be asked as a router.
        self.run("ip", "netns", "exec", self.school, "sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        self.ip(self.desk, "addr add 10.88.0.9/24 dev eth0")
        self.ip(self.desk, "route add default via 10.88.0.1 dev eth0")
        # As strict as a distribution may set it.
        strict = ["net.ipv4.conf.all.rp_filter=1", f"net.ipv4.conf.{RADIO}.rp_filter=1"]
        self.run("ip", "netns", "exec", self.desk, "sysctl", "-qw", *strict, "net.ipv4.ping_group_range=0 2147483647")

    def down(self) -> None:
        for namespace in (self.desk, self.school):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def world(self) -> World:
        """/proc/net is the process's and not the thread's: the route is written down."""
        proc = self.folder / "proc"
        (proc / "net").mkdir(parents=True, exist_ok=True)
        (proc / "net" / "route").write_text(
            "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
            "eth0\t00000000\t0100580A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        )
        if not (proc / "sys").exists():
            (proc / "sys").symlink_to("/proc/sys")
        return World(proc=proc)

    def left_behind(self) -> tuple[str, list[str], str]:
        """The radio's addresses, rules and routes of a seat: after it there must be none."""
        rules = [line for line in self.ip(self.desk, "rule list").splitlines() if RULES.search(line)]
        table = subprocess.run(
            ["ip", "-n", self.desk, "route", "show", "table", "7701"], capture_output=True, text=True, check=False
        ).stdout
        return self.ip(self.desk, f"-4 -o addr show dev {RADIO}"), rules, table

    @contextmanager
    def dnsmasq(self, *more: str) -> Iterator[Path]:
        """Debian's dnsmasq: DHCP and DNS. Its log."""
        need_dnsmasq()
        log = self.folder / "dnsmasq.log"
        command = [
            *("ip", "netns", "exec", self.school, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null"),
            *("--interface=br0", "--bind-interfaces", "--no-resolv", "--no-hosts", "--user=root", "--no-ping"),
            *(f"--log-facility={log}", "--log-dhcp", f"--dhcp-leasefile={self.folder}/leases", "--pid-file"),
            *("--dhcp-range=10.88.0.50,10.88.0.59,255.255.255.0,2m", "--address=/page.test/198.51.100.10"),
            *more,
        ]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 10
            while not log.exists() or "started" not in log.read_text():
                assert process.poll() is None, "dnsmasq ended"
                assert time.monotonic() < end
                time.sleep(0.02)
            yield log
        finally:
            process.terminate()
            process.wait(10)
            log.unlink(missing_ok=True)

    @contextmanager
    def page(self) -> Iterator[None]:
        """A web server: /generate_204, /signin redirects, /hang says nothing, /page is a page."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.school, sys.executable, "-m", "tests.agent.wifi_lab"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.terminate()
            process.wait(10)
            if process.stdout:
                process.stdout.close()


@contextmanager
def school(folder: Path) -> Iterator[School]:
    need_namespaces()
    lab = School(folder)
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


def emulated(folder: Path, name: str, body: str) -> str:
    """An EMULATED program: a shell script that keeps its arguments in NAME.calls, one line a call."""
    path = folder / f"Emulated-{name}"
    path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {folder}/{name}.calls\n{body}\n')
    path.chmod(0o755)
    return str(path)


def calls(folder: Path, name: str) -> list[str]:
    path = folder / f"{name}.calls"
    return path.read_text().splitlines() if path.exists() else []


ANSWERS = {
    b"/generate_204": b"HTTP/1.1 204 No Content\r\n\r\n",
    b"/page": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"/signin": b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\nContent-Length: 0\r\n\r\n",
    b"/portal/generate_204": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin",
}


async def _serve() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readline()).split(b" ")[1]
        if path in ANSWERS:
            writer.write(ANSWERS[path])
            await writer.drain()
            writer.close()
        else:
            await asyncio.sleep(60)

    server = await asyncio.start_server(answer, "198.51.100.10", 80)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
