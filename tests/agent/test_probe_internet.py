"""line.internet against resolvers and TCP ports of our own on loopback."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.agent.probe_fakes import FakeResolver, answering, deaf, listening, silent
from tests.ports import free_port

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import internet
from schoolbeat_agent.probes.dns import Resolver
from schoolbeat_agent.probes.internet import SIGNAL, InternetTarget
from schoolbeat_agent.probes.world import World

NAMES = ("moet.example.vn", "vnu.example.vn")
Hosts = tuple[tuple[str, int], ...]


def at(fake: FakeResolver) -> Resolver:
    return Resolver(fake.address, fake.port)


def observe(hosts: Hosts, *fakes: FakeResolver, seconds: float = 1.5, world: World | None = None) -> Observation:
    target = InternetTarget(NAMES, hosts, tuple(map(at, fakes)), timeout_seconds=seconds, stagger_seconds=0.1)

    async def run() -> Observation:
        return await internet.probe(target, world or World())

    return asyncio.run(run())


def test_a_name_that_resolves_and_a_port_that_opens_are_the_internet() -> None:
    with FakeResolver(answering("192.0.2.1")) as fake, listening() as port:
        seen = observe((("127.0.0.1", port),), fake, seconds=10)

    assert seen.states == {SIGNAL: State.UP}
    assert seen.causes == {}
    assert set(seen.readings) == {(SIGNAL, "dns_ms"), (SIGNAL, "connect_ms")}
    assert all(0 < value < 10_000 for value in seen.readings.values())
    assert seen.notes == {SIGNAL: f"moet.example.vn @ 127.0.0.1; 127.0.0.1:{port}"}


def test_one_host_of_three_is_enough() -> None:
    with FakeResolver(answering("192.0.2.1")) as fake, listening() as port, deaf() as dead:
        hosts = (("127.0.0.1", free_port()), ("127.0.0.1", dead), ("127.0.0.1", port))
        seen = observe(hosts, fake, seconds=10)

    assert seen.states == {SIGNAL: State.UP}


def test_a_fourth_host_is_not_tried() -> None:
    closed = ("127.0.0.1", free_port())
    with FakeResolver(answering("192.0.2.1")) as fake, listening() as port:
        seen = observe((closed, closed, closed, ("127.0.0.1", port)), fake)

    assert seen.causes == {SIGNAL: "refused"}


def test_no_connection_is_down_though_names_resolve() -> None:
    with FakeResolver(answering("192.0.2.1")) as fake, deaf() as dead:
        seen = observe((("127.0.0.1", dead),), fake, seconds=0.6)

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes == {SIGNAL: "timeout"}
    assert list(seen.readings) == [(SIGNAL, "dns_ms")]


@pytest.mark.parametrize(
    ("rcode", "addresses", "cause"),
    [(3, (), "name_unknown"), (2, (), "resolver_failed"), (None, (), "timeout")],
)
def test_names_that_do_not_resolve_are_down_though_ports_open(
    rcode: int | None, addresses: tuple[str, ...], cause: str
) -> None:
    udp = silent if rcode is None else answering(*addresses, rcode=rcode)
    with FakeResolver(udp) as fake, listening() as port:
        seen = observe((("127.0.0.1", port),), fake)

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes == {SIGNAL: cause}
    assert list(seen.readings) == [(SIGNAL, "connect_ms")]


def test_where_both_fail_the_connection_s_cause_is_told() -> None:
    with FakeResolver(silent) as fake:
        seen = observe((("127.0.0.1", free_port()),), fake, seconds=0.6)

    assert seen.causes == {SIGNAL: "refused"}
    assert seen.readings == {}


def test_one_unknown_name_or_one_lost_datagram_is_no_outage() -> None:
    asked = []

    def first_unknown(query: bytes) -> list[bytes]:
        asked.append(query)
        return list(answering(rcode=3)(query) if b"moet" in query else answering("192.0.2.1")(query))

    def first_lost(query: bytes) -> list[bytes]:
        asked.append(query)
        return [] if len(asked) == 1 else list(answering("192.0.2.1")(query))

    with listening() as port:
        with FakeResolver(first_unknown) as fake:
            one_unknown = observe((("127.0.0.1", port),), fake, seconds=3)
        asked.clear()
        with FakeResolver(first_lost) as fake:
            one_lost = observe((("127.0.0.1", port),), fake, seconds=3)

    assert one_unknown.states == one_lost.states == {SIGNAL: State.UP}


def test_a_dead_resolver_is_no_outage_while_the_second_answers() -> None:
    with FakeResolver(silent) as dead, FakeResolver(answering("192.0.2.1")) as well, listening() as port:
        seen = observe((("127.0.0.1", port),), dead, well, seconds=3)

    assert seen.states == {SIGNAL: State.UP}


def test_runs_begin_with_one_name_after_the_other() -> None:
    world = World()
    with FakeResolver(answering("192.0.2.1")) as fake, listening() as port:
        for _ in range(4):
            observe((("127.0.0.1", port),), fake, world=world)

    assert [b"moet" in query for query in fake.queries] == [True, False, True, False]


def test_hosts_may_be_names() -> None:
    with FakeResolver(answering("127.0.0.1")) as fake, listening() as port:
        seen = observe((("cong.example.vn", port),), fake, seconds=5)

    assert seen.notes[SIGNAL].endswith(f"; 127.0.0.1:{port}")


def test_a_machine_without_any_resolver_has_no_internet(tmp_path: Path) -> None:
    with listening() as port:
        seen = observe((("127.0.0.1", port),), world=World(resolv_conf=tmp_path / "missing"))

    assert seen.states == {SIGNAL: State.DOWN}
    assert seen.causes == {SIGNAL: "not_configured"}


@pytest.mark.parametrize("target", [InternetTarget((), (("127.0.0.1", 1),)), InternetTarget(NAMES, ())])
def test_nothing_to_ask_is_a_failed_measurement(target: InternetTarget) -> None:
    with pytest.raises(ProbeFailed) as caught:
        asyncio.run(internet.probe(target, World()))

    assert caught.value.cause == "not_configured"


def test_runs_leave_no_descriptors_behind() -> None:
    async def run() -> tuple[int, int]:
        counts = []
        for _ in range(3):
            with FakeResolver(silent) as fake, deaf() as dead:
                hosts = (("127.0.0.1", dead), ("127.0.0.1", free_port()))
                target = InternetTarget(NAMES, hosts, (at(fake),), timeout_seconds=0.3, stagger_seconds=0.05)
                await internet.probe(target, World())
            counts.append(len(os.listdir("/proc/self/fd")))
        return counts[0], counts[-1]

    first, last = asyncio.run(run())

    assert last == first
