"""Has the school Internet? A name resolves, and a TCP connection to one of three domestic targets opens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.dns import Resolver, find_address, resolve, school_resolvers
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

SIGNAL = "line.internet"
NAME_ATTEMPTS = 3  # questions a run may ask before it says that names do not resolve
HOSTS_TRIED = 3


@dataclass(frozen=True)
class InternetTarget:
    """Names to resolve, and domestic (host, port) to connect to. No `resolvers`: those of resolv.conf.

    Hosts may be names; then their own resolution counts as part of the connection.
    """

    names: tuple[str, ...]
    hosts: tuple[tuple[str, int], ...]
    resolvers: tuple[Resolver, ...] = ()
    timeout_seconds: float = 4.0
    stagger_seconds: float = 0.75  # how long one host may take before the next is tried beside it


async def resolve_any(target: InternetTarget, resolvers: Sequence[Resolver], world: World) -> tuple[str, float]:
    """The first name that resolves, with its milliseconds; begins with another name in each run. NoAnswer if none."""
    if not resolvers:
        raise NoAnswer("not_configured", f"no resolver in {world.resolv_conf}")
    first = world.memory.name_turn
    world.memory.name_turn = (first + 1) % len(target.names)
    problem = NoAnswer("timeout")
    for attempt in range(NAME_ATTEMPTS):
        name = target.names[(first + attempt) % len(target.names)]
        resolver = resolvers[attempt % len(resolvers)]
        try:
            _, dns_ms = await resolve(name, resolver, target.timeout_seconds / NAME_ATTEMPTS, world)
        except NoAnswer as no:
            problem = no
        else:
            return f"{name} @ {resolver.address}", dns_ms
    raise problem


async def connect_host(
    host: str, port: int, target: InternetTarget, resolvers: Sequence[Resolver], world: World
) -> tuple[str, float]:
    """The address that accepted a connection, and the milliseconds it took. NoAnswer if it did not."""
    address = (await find_address(host, resolvers, target.timeout_seconds / 2, world))[0]
    sock, connect_ms = await connect(address, port, target.timeout_seconds, world)
    sock.close()
    return f"{address}:{port}", connect_ms


async def connect_any(target: InternetTarget, resolvers: Sequence[Resolver], world: World) -> tuple[str, float]:
    """The first of the hosts that accepts a connection; a slow one does not hold up the next. NoAnswer if none."""
    problem = NoAnswer("timeout", "no domestic target accepted a connection in time")
    waiting = list(reversed(target.hosts[:HOSTS_TRIED]))
    trying: set[asyncio.Task[tuple[str, float]]] = set()
    loop = asyncio.get_running_loop()
    until = loop.time() + target.timeout_seconds
    try:
        while (waiting or trying) and (left_seconds := until - loop.time()) > 0:
            if waiting:
                host, port = waiting.pop()
                trying.add(asyncio.create_task(connect_host(host, port, target, resolvers, world)))
                left_seconds = min(left_seconds, target.stagger_seconds) if waiting else left_seconds
            done, trying = await asyncio.wait(trying, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED)
            failures = [task.exception() for task in done]  # all of them: asyncio complains of one nobody looked at
            for task, failure in zip(done, failures, strict=True):
                if failure is None:
                    return task.result()
                if not isinstance(failure, NoAnswer):
                    raise failure
                problem = failure
    finally:
        for task in trying:
            task.cancel()
        if trying:
            await asyncio.gather(*trying, return_exceptions=True)
    raise problem


async def probe(target: InternetTarget, world: World) -> Observation:
    """Signal line.internet with dns_ms and connect_ms, each when it succeeded. ICMP plays no part."""
    if not target.names or not target.hosts:
        raise ProbeFailed("not_configured", "line.internet needs a name to resolve and a domestic host to connect to")
    resolvers = target.resolvers or school_resolvers(world)
    resolved, connected = await asyncio.gather(
        resolve_any(target, resolvers, world), connect_any(target, resolvers, world), return_exceptions=True
    )
    seen = Observation({SIGNAL: State.UP})
    facts = []
    # The connection last: where both fail, its cause is the one nearer to the line.
    for reading, result in (("dns_ms", resolved), ("connect_ms", connected)):
        if isinstance(result, NoAnswer):
            seen.states[SIGNAL] = State.DOWN
            seen.causes[SIGNAL] = result.cause
            facts.append(result.detail or result.cause)
        elif isinstance(result, BaseException):
            raise result
        else:
            fact, seen.readings[SIGNAL, reading] = result
            facts.append(fact)
    seen.notes[SIGNAL] = "; ".join(facts)
    return seen
