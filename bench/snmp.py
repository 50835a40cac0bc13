"""SNMP: 50 devices' whole interface tables at once, by our guarded walks and by pysnmp; a round of the probe.

The devices are addresses of loopback, each an emulated switch of 49 ports (882 values), served by a process of its own.
CPU is this process's; wall time has the emulated switches' share in it, the same for both.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

Row = tuple[str, str, str]
ROOT = Path(__file__).resolve().parent.parent
DEVICES, PORTS, ROUNDS = 50, 49, 3
ADDRESSES = tuple(f"127.81.0.{number}" for number in range(1, DEVICES + 1))
COLUMNS = (
    *(f"1.3.6.1.2.1.2.2.1.{column}" for column in (2, 3, 5, 8, 10, 13, 14, 16, 19, 20)),
    *(f"1.3.6.1.2.1.31.1.1.1.{column}" for column in (1, 6, 7, 10, 11, 15, 18, 19)),
)
NAMES = ("2.2.1.2", "31.1.1.1.1", "31.1.1.1.18")
SERVER = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from tests.agent.snmp_responder import EmulatedAgent, Responder
from tests.agent.snmprec import *
from bench.snmp import ADDRESSES, records
port = int(sys.argv[1])
responder = Responder({{(address, port): EmulatedAgent(records()) for address in ADDRESSES}})
print("READY", flush=True)
responder.serve()
"""


def records() -> dict[str, object]:
    from tests.agent.snmprec import COUNTER64, GAUGE32, OCTETS, TIME_TICKS, Typed

    out: dict[str, object] = {
        "1.3.6.1.2.1.1.1.0": Typed(OCTETS, b"A switch of 49 ports"),
        "1.3.6.1.2.1.1.3.0": Typed(TIME_TICKS, 4_000_000),
    }
    for column in COLUMNS:
        for index in range(1, PORTS + 1):
            if column.endswith(NAMES):
                typed = Typed(OCTETS, b"GigabitEthernet1/0/%d" % index)
            elif column.endswith("1.8"):
                typed = Typed(GAUGE32, 1)
            else:
                typed = Typed(COUNTER64 if ".31." in column else GAUGE32, 1_000_000 + index)
            out[f"{column}.{index}"] = typed
    return out


async def by_us(port: int) -> int:
    from schoolbeat_agent.credentials import Credential
    from schoolbeat_agent.snmp.session import Habits, Patience, opened
    from schoolbeat_agent.snmp.walk import walk

    async def one(address: str) -> int:
        patience = Patience(time.monotonic() + 60, timeout_seconds=10)
        session = await opened(address, Credential("x", community="public"), Habits(), patience, port=port)
        found = [await walk(session, root, rows_most=500, deadline=float("inf")) for root in COLUMNS]
        return sum(map(len, found))

    return sum(await asyncio.gather(*map(one, ADDRESSES)))


async def by_pysnmp(port: int) -> int:
    from pysnmp.hlapi.v3arch import asyncio as hlapi

    engine = hlapi.SnmpEngine()

    async def one(address: str) -> int:
        transport = await hlapi.UdpTransportTarget.create((address, port), timeout=30, retries=0)
        found = 0
        for root in COLUMNS:
            asked = hlapi.ObjectType(hlapi.ObjectIdentity(root))
            community = hlapi.CommunityData("public", mpModel=1)
            rows = hlapi.bulk_walk_cmd(
                engine,
                community,
                transport,
                hlapi.ContextData(),
                0,
                25,
                asked,
                lexicographicMode=False,
                lookupMib=False,
            )
            async for error, status, _, bindings in rows:
                assert (error, status) == (None, 0)
                found += len(bindings)
        return found

    try:
        return sum(await asyncio.gather(*map(one, ADDRESSES)))
    finally:
        engine.close_dispatcher()


async def by_probe(port: int) -> tuple[list[float], int]:
    """CPU seconds of rounds after the first; readings of the last."""
    from schoolbeat_agent.credentials import Credential
    from schoolbeat_agent.probes import snmp
    from schoolbeat_agent.probes.world import World

    world, spent, told = World(), [], 0
    targets = [
        snmp.SnmpTarget(
            f"sw-{number}",
            address,
            "x",
            Credential("x", community="public"),
            True,
            port,
            ("GigabitEthernet1/0/1", "GigabitEthernet1/0/2"),
            (10.0, 2),
        )
        for number, address in enumerate(ADDRESSES)
    ]
    for turn in range(ROUNDS + 1):
        before = time.process_time()
        seen = await asyncio.gather(*(snmp.probe(target, world) for target in targets))
        if turn:
            spent.append(time.process_time() - before)
        told = sum(len(one.readings) for one in seen)
    return spent, told


def spent(work: Callable[[int], Awaitable[int]], port: int) -> tuple[float, float]:
    """(wall, CPU) seconds of the middle round; every value must have come."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.monotonic(), time.process_time()
        found = asyncio.run(work(port))  # type: ignore[arg-type]
        walls.append(time.monotonic() - wall)
        cpus.append(time.process_time() - cpu)
        assert found == DEVICES * PORTS * len(COLUMNS), found
    return statistics.median(walls), statistics.median(cpus)


def measure() -> list[Row]:
    sys.path[:0] = [str(ROOT)]
    from tests.ports import free_port

    port = free_port()
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == b"READY\n"
        wall, cpu = spent(by_us, port)
        other_wall, other_cpu = spent(by_pysnmp, port)
        rounds, told = asyncio.run(by_probe(port))
    finally:
        server.terminate()
        server.wait()
    values = DEVICES * PORTS * len(COLUMNS)
    what = f"SNMP, {DEVICES} devices × {PORTS * len(COLUMNS)} values"
    return [
        (f"{what}: CPU", f"{cpu:.2f} s ({cpu / values * 1e6:.1f} µs a value)", ""),
        (f"{what}: CPU, pysnmp 7", f"{other_cpu:.2f} s ({other_cpu / cpu:.0f} times ours)", ""),
        (f"{what}: wall, emulated devices included", f"{wall:.2f} s (pysnmp {other_wall:.2f} s)", ""),
        (
            f"SNMP probe, a round of {DEVICES} devices, {told} readings: CPU",
            f"{statistics.median(rounds) * 1_000:.0f} ms",
            "",
        ),
    ]


if __name__ == "__main__":
    for row in measure():
        print(" | ".join(row))
