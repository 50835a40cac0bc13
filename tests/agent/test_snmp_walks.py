"""The SNMP probe over 106 walks of real devices (PyPI snmpsim-data): nothing hangs, nothing raises, nothing is made up."""

from __future__ import annotations

import asyncio
import bz2
import importlib.util
from itertools import takewhile
from pathlib import Path

import pytest
from tests.agent import snmprec
from tests.agent.snmp_responder import EmulatedAgent, Responder
from tests.agent.snmprec import Records
from tests.agent.test_snmp_probe import refuse_nonsense

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import snmp
from schoolbeat_agent.probes.snmp import SnmpTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.snmp import host_resources, interfaces, system

SPEC = importlib.util.find_spec("snmpsim_data")
FOLDER = Path(SPEC.submodule_search_locations[0]) if SPEC and SPEC.submodule_search_locations else None
WALKS = sorted([*FOLDER.rglob("*.snmprec"), *FOLDER.rglob("*.snmprec.bz2")]) if FOLDER else []
TEXT_BYTES = 1_500_000  # of a walk: MIB-2 and the beginning of the maker's own; a few go on for a hundred megabytes
D = "device.any"


def beginning(path: Path) -> Records:
    with bz2.open(path) if path.suffix == ".bz2" else path.open("rb") as file:
        return snmprec.records(takewhile(lambda _: file.tell() < TEXT_BYTES, file))


@pytest.mark.skipif(not WALKS, reason="no snmpsim-data")
@pytest.mark.parametrize("part", range(4))
def test_every_walk_is_survived_and_what_is_told_stands_in_it(part: int) -> None:
    told = 0
    for path in WALKS[part::4]:
        records = beginning(path)
        seen = asked(records)
        told += len(seen.readings)

        assert seen.states == {D: State.UP}, path
        refuse_nonsense(seen)
        refuse_inventions(seen, records)

    assert told > 100


def asked(records: Records) -> Observation:
    async def run(port: int) -> Observation:
        names = [interfaces.decoded(typed.value) for oid, typed in records.items() if is_name(oid)][:16]
        credential = Credential("any", community="public")
        target = SnmpTarget("any", "127.0.0.1", "any", credential, True, port, tuple(names), (3.0, 2))
        async with asyncio.timeout(snmp.TIMEOUT_SECONDS):
            return await snmp.probe(target, World())

    with Responder({("127.0.0.1", 0): EmulatedAgent(records)}) as responder:
        return asyncio.run(run(responder.ports[0]))


def is_name(oid: str) -> bool:
    return oid.startswith((f"{interfaces.IF_NAME}.", f"{interfaces.IF_DESCR}."))


def refuse_inventions(seen: Observation, records: Records) -> None:
    """What the standard tables say is worked out here once more, from the records alone."""
    rows = snmprec.rows(records)
    statuses = [value for oid, value in rows.items() if oid.startswith(f"{interfaces.IF_OPER_STATUS}.")]
    if (D, "ports_up") in seen.readings:
        assert seen.readings[D, "ports_up"] == statuses.count(1)
    if (D, "uptime_seconds") in seen.readings:
        ticks = {rows.get(system.SYS_UPTIME), rows.get(system.HOST_UPTIME), 100 * int(rows.get(system.ENGINE_TIME, 0))}
        assert round(seen.readings[D, "uptime_seconds"] * 100) in ticks
    for (subject, reading), value in seen.readings.items():
        if reading == "port_speed_bps":
            speeds = [
                rows[oid] for oid in rows if oid.startswith((f"{interfaces.IF_SPEED}.", f"{interfaces.IF_HIGH_SPEED}."))
            ]
            assert value in speeds or value / 10**6 in speeds, subject
        assert reading not in ("rx_bps", "tx_bps", "port_errors", "port_discards"), "one answer makes no rate"
    if not any(oid.startswith(("1.3.6.1.4.1.", host_resources.PROCESSOR_LOAD, host_resources.STORAGE)) for oid in rows):
        assert not {reading for _, reading in seen.readings} & {"cpu_percent", "memory_used_percent"}


def test_a_walk_is_read_at_all() -> None:
    """So that the test above can fail: the same checks, on numbers that are wrong."""
    records: Records = {system.SYS_UPTIME: snmprec.Typed(snmprec.TIME_TICKS, 500)}
    seen = asked(records)
    wrong = Observation(seen.states, {(D, "uptime_seconds"): 6.0})

    assert seen.readings == {(D, "uptime_seconds"): 5.0}
    refuse_inventions(seen, records)
    with pytest.raises(AssertionError):
        refuse_inventions(wrong, records)
    with pytest.raises(ProbeFailed):
        asyncio.run(snmp.probe(SnmpTarget("any", "nowhere", "any", Credential("any")), World()))
