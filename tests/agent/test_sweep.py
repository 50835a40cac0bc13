"""Many devices asked together: each of them is told what it would have been told alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.agent.probe_fakes import Lab, in_namespace, need_namespaces

from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.probes import icmp
from schoolbeat_agent.probes.attempts import Patience
from schoolbeat_agent.probes.icmp import IcmpTarget
from schoolbeat_agent.probes.tcp import TcpTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import TOGETHER, groups, measure, measure_group
from schoolbeat_agent.watch import Watch

QUICK = Patience(packets=3, spacing_seconds=0.1, deadline_seconds=0.5)


def watch(name: str, address: str) -> Watch:
    return Watch("icmp", IcmpTarget(name, address, QUICK), (f"device.{name}",), ((f"device.{name}", "rtt_ms"),))


def said(run: Run) -> tuple[object, ...]:
    """All of a run but its times."""
    seen = run.observation
    body = (seen.states, seen.causes, seen.notes, list(seen.readings)) if seen else None
    return run.probe, run.failure, run.detail, body


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    need_namespaces()
    lab = Lab()
    try:
        lab.up()
        lab.ip(lab.pi, "route add unreachable 192.0.2.0/24")
        yield lab
    finally:
        lab.down()


@pytest.mark.namespaces
def test_each_device_of_a_sweep_is_told_what_it_is_told_alone(lab: Lab) -> None:
    asked = (
        watch("router", "10.77.1.1"),
        watch("dead", "10.77.1.199"),
        watch("no-way", "192.0.2.9"),
        watch("name", "cam.local"),
        watch("many", "255.255.255.255"),
        watch("itself", "127.0.0.9"),
    )

    async def run() -> tuple[list[Run], list[Run]]:
        world, now = World(), asyncio.get_running_loop().time
        together = await measure_group(asked, world, 5, now)
        alone = [await measure(one, world, 5, now) for one in asked]
        world.echo.close()
        return together, alone

    together, alone = in_namespace(lab.pi, run)

    assert [said(one) for one in together] == [said(one) for one in alone]
    states = [list(run.observation.states.values()) if run.observation else run.failure for run in together]
    up, down = [State.UP], [State.DOWN]
    assert states == [up, down, down, "not_configured", "not_configured", up]


@pytest.mark.namespaces
def test_a_device_that_begins_to_answer_during_a_sweep_is_up(lab: Lab) -> None:
    slow = Patience(packets=3, spacing_seconds=1.0, deadline_seconds=4.0)
    targets = [IcmpTarget(name, f"10.77.1.{n}", slow) for name, n in (("late", 140), ("dead", 141), ("router", 1))]

    async def run() -> list[Observation | ProbeFailed]:
        world = World()
        asking = asyncio.create_task(icmp.sweep(targets, world))
        await asyncio.sleep(0.5)
        await asyncio.to_thread(lab.ip, lab.rt, "addr add 10.77.1.140/24 dev lan")
        found = await asking
        world.echo.close()
        return found

    found = in_namespace(lab.pi, run)

    assert [one.states for one in found if isinstance(one, Observation)] == [
        {"device.late": State.UP},
        {"device.dead": State.DOWN},
        {"device.router": State.UP},
    ]


@pytest.mark.namespaces
def test_each_connection_of_a_sweep_is_told_what_it_is_told_alone(lab: Lab) -> None:
    places = {
        "router": "10.77.1.1",  # refuses
        "dead": "10.77.1.199",
        "no-way": "192.0.2.9",
        "name": "cam.local",
        "ipv6": "::1",
        "itself": "127.0.0.1",
    }

    async def run() -> tuple[list[Run], list[Run]]:
        listener = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        asked = tuple(
            Watch("tcp", TcpTarget(name, address, port, 0.5), (f"device.{name}",), ())
            for name, address in places.items()
        )
        world, now = World(), asyncio.get_running_loop().time
        together = await measure_group(asked, world, 5, now)
        alone = [await measure(one, world, 5, now) for one in asked]
        listener.close()
        return together, alone

    together, alone = in_namespace(lab.pi, run)

    assert [said(one) for one in together] == [said(one) for one in alone]
    causes = [list(run.observation.causes.values()) if run.observation else run.failure for run in together]
    assert causes == [["refused"], ["timeout"], ["unreachable"], "not_configured", ["refused"], []]


def test_watches_start_alone_or_some_devices_at_a_time() -> None:
    devices = [watch(str(n), f"127.0.0.{n}") for n in range(1, 2 * TOGETHER + 2)]
    host = Watch("host", None, (), ())

    found = groups([*devices[:3], host, *devices[3:]])

    assert [len(group) for group in found] == [1, TOGETHER, TOGETHER, 1]
    assert [one for group in found[1:] for one in group] == devices
