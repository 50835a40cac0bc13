"""Who may open the page in the school, between real networks: the LAN may, what reaches the gateway from outside may not."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.agent.probe_fakes import in_namespace, need_namespaces
from tests.agent.test_page import GET, all_up, school, view

from schoolbeat_agent import page

GATEWAY, OTHER = (f"sbl{os.getpid()}{n}" for n in ("a", "b"))
PORT = 8080


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def lab() -> Iterator[None]:
    """One cable with a LAN (10.88.9.0/24), a public network, and the provider's own (RFC 6598) on it."""
    need_namespaces()
    try:
        for name in (GATEWAY, OTHER):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("ip", "link", "add", "eth0", "netns", GATEWAY, "type", "veth", "peer", "name", "eth0", "netns", OTHER)
        for name, last in ((GATEWAY, 1), (OTHER, 2)):
            for network in ("10.88.9", "203.0.113", "100.64.9"):
                run("ip", "-n", name, "addr", "add", f"{network}.{last}/24", "dev", "eth0")
            run("ip", "-n", name, "addr", "add", f"fd88::{last}/64", "dev", "eth0", "nodad")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        yield
    finally:
        for name in (GATEWAY, OTHER):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


async def answered(address: str) -> bytes:
    """What comes back from the gateway's page at this address."""
    with socket.create_connection((address, PORT), timeout=20) as client:
        try:
            client.sendall(GET)
            return client.recv(65_536)
        except ConnectionError:
            return b""


def served(networks: tuple[str, ...]) -> dict[str, bool]:
    """Address -> whether the page was shown to a client that reached the gateway by it."""
    settings = school()
    settings = replace(settings, page=replace(settings.page, port=PORT, networks=networks))
    now, ready, stop = view(all_up(), settings=settings), threading.Event(), threading.Event()

    async def serve() -> None:
        server = await page.serve(settings, lambda: now)
        assert server is not None
        async with server:
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=in_namespace, args=(GATEWAY, serve))
    thread.start()
    try:
        assert ready.wait(20)
        addresses = ("10.88.9.1", "fd88::1", "203.0.113.1", "100.64.9.1")
        return {
            one: in_namespace(OTHER, lambda one=one: answered(one)).startswith(b"HTTP/1.1 200") for one in addresses
        }
    finally:
        stop.set()
        thread.join()


@pytest.mark.namespaces
def test_the_lan_sees_the_page_and_the_line_does_not(lab: None) -> None:
    assert served(()) == {"10.88.9.1": True, "fd88::1": True, "203.0.113.1": False, "100.64.9.1": False}


@pytest.mark.namespaces
def test_networks_that_are_given_are_the_only_ones(lab: None) -> None:
    assert served(("203.0.113.0/24",)) == {
        "10.88.9.1": False,
        "fd88::1": False,
        "203.0.113.1": True,
        "100.64.9.1": False,
    }
