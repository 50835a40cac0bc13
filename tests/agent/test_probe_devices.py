"""Devices on the LAN by ICMP and TCP, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.agent.probe_fakes import Lab, deaf, in_namespace, listening, need_icmp, need_namespaces
from tests.ports import free_port

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import icmp, tcp
from schoolbeat_agent.probes.attempts import Patience
from schoolbeat_agent.probes.icmp import IcmpTarget
from schoolbeat_agent.probes.tcp import TcpTarget
from schoolbeat_agent.probes.world import World

QUICK = Patience(packets=3, spacing_seconds=0.1, deadline_seconds=0.5)


def observe_tcp(target: TcpTarget) -> Observation:
    return asyncio.run(tcp.probe(target, World()))


def test_a_device_that_answers_icmp_is_up() -> None:
    need_icmp()

    async def run() -> Observation:
        world = World()
        seen = await icmp.probe(IcmpTarget("board-1", "127.0.0.9"), world)
        world.echo.close()
        return seen

    seen = asyncio.run(run())

    rtt_ms = seen.readings.pop(("device.board-1", "rtt_ms"))
    assert 0 < rtt_ms < 4_000
    assert seen == Observation({"device.board-1": State.UP}, {}, {}, {"device.board-1": "127.0.0.9"})


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    need_namespaces()
    lab = Lab()
    try:
        lab.up()
        yield lab
    finally:
        lab.down()


@pytest.mark.namespaces
def test_sixty_devices_are_asked_at_once_and_the_dead_hold_up_nobody(lab: Lab) -> None:
    alive = [f"10.77.1.{n}" for n in range(100, 130)]
    dead = [f"10.77.1.{n}" for n in range(150, 180)]
    for address in alive:
        lab.ip(lab.rt, f"addr add {address}/24 dev lan")

    async def run() -> tuple[list[Observation], float]:
        world = World()
        loop = asyncio.get_running_loop()
        started = loop.time()
        targets = [IcmpTarget(address, address, QUICK) for address in alive + dead]
        seen = await asyncio.gather(*(icmp.probe(target, world) for target in targets))
        world.echo.close()
        return seen, loop.time() - started

    seen, seconds = in_namespace(lab.pi, run)

    assert [list(one.states.values()) for one in seen] == [[State.UP]] * 30 + [[State.DOWN]] * 30
    assert all(len(one.readings) == 1 for one in seen[:30])
    assert all(not one.readings for one in seen[30:])
    assert seconds < 10


@pytest.mark.namespaces
def test_a_device_without_a_way_is_unreachable(lab: Lab) -> None:
    async def run() -> tuple[Observation, Observation]:
        world = World()
        by_icmp = await icmp.probe(IcmpTarget("x", "192.0.2.9", QUICK), world)
        by_tcp = await tcp.probe(TcpTarget("x", "192.0.2.9", 80), world)
        world.echo.close()
        return by_icmp, by_tcp

    lab.ip(lab.pi, "route add unreachable 192.0.2.0/24")
    by_icmp, by_tcp = in_namespace(lab.pi, run)

    assert by_icmp.causes == by_tcp.causes == {"device.x": "unreachable"}
    assert by_icmp.readings == by_tcp.readings == {}


def test_a_port_that_opens_is_up() -> None:
    with listening() as port:
        seen = observe_tcp(TcpTarget("cam-1", "127.0.0.1", port))

    connect_ms = seen.readings.pop(("device.cam-1", "connect_ms"))
    assert 0 < connect_ms < 3_000
    assert seen == Observation({"device.cam-1": State.UP}, {}, {}, {"device.cam-1": f"127.0.0.1:{port}"})


def test_a_closed_port_is_down_and_refused() -> None:
    port = free_port()

    seen = observe_tcp(TcpTarget("cam-1", "127.0.0.1", port))

    assert seen == Observation(
        {"device.cam-1": State.DOWN}, {}, {"device.cam-1": "refused"}, {"device.cam-1": f"127.0.0.1:{port}"}
    )


def test_a_port_that_says_nothing_is_down_in_time() -> None:
    with deaf() as port:
        seen = observe_tcp(TcpTarget("cam-1", "127.0.0.1", port, timeout_seconds=0.2))

    assert seen.causes == {"device.cam-1": "timeout"}


@pytest.mark.parametrize("address", ["cam.local", "", "10.0.0.256", "1\0"])
def test_a_device_without_an_ip_address_is_a_failed_measurement(address: str) -> None:
    with pytest.raises(ProbeFailed) as by_tcp:
        observe_tcp(TcpTarget("cam-1", address, 80))

    assert by_tcp.value.cause == "not_configured"
    assert repr(address) in by_tcp.value.detail
