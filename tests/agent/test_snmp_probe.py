"""The SNMP probe over real sockets: EMULATED agents with the faults of real ones, and recordings of devices."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.agent import snmprec
from tests.agent.probe_fakes import in_namespace, need_namespaces
from tests.agent.snmp_responder import GETBULK, GETNEXT, EmulatedAgent, Faults, serving
from tests.agent.snmprec import COUNTER32, COUNTER64, GAUGE32, INTEGER, OCTETS, OID, TIME_TICKS, Records, Typed
from tests.ports import free_port

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes import snmp
from schoolbeat_agent.probes.snmp import SnmpTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.snmp import host_resources, interfaces, profile, system
from schoolbeat_agent.snmp.rows import Rows
from schoolbeat_agent.snmp.session import Habits, Patience, Session, SnmpFailed, opened
from schoolbeat_agent.snmp.walk import get, walk
from schoolbeat_wire import bounds
from schoolbeat_wire.catalogue import CAUSES, READINGS

T = TypeVar("T")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "material" / "snmp"
FACTS = sorted((SHARED / "facts").glob("*.json"))
PUBLIC = Credential("school", community="public")
V1 = Credential("old", version="1", community="public")
QUICK = (0.3, 2)
D = "device.sw"


def switch(ports: int = 60, *, hc: bool = True) -> Records:
    """A switch as it might be: every port up but the last, 100 Mbit/s."""
    out = {
        system.SYS_DESCR: Typed(OCTETS, b"A switch"),
        system.SYS_OBJECT_ID: Typed(OID, "1.3.6.1.4.1.99999.1"),
        system.SYS_UPTIME: Typed(TIME_TICKS, 100_000),
        "1.3.6.1.9.1.0": Typed(OCTETS, b"beyond the tables"),
    }
    for index in range(1, ports + 1):
        row = {
            interfaces.IF_DESCR: Typed(OCTETS, b"port %d" % index),
            interfaces.IF_SPEED: Typed(GAUGE32, 10**8),
            interfaces.IF_OPER_STATUS: Typed(INTEGER, 2 if index == ports else 1),
            interfaces.IF_IN_OCTETS: Typed(COUNTER32, 1_000),
            interfaces.IF_OUT_OCTETS: Typed(COUNTER32, 2_000),
            interfaces.IF_IN_ERRORS: Typed(COUNTER32, 5),
            interfaces.IF_OUT_ERRORS: Typed(COUNTER32, 0),
            interfaces.IF_IN_DISCARDS: Typed(COUNTER32, 7),
            interfaces.IF_NAME: Typed(OCTETS, b"g%d" % index),
            interfaces.IF_HIGH_SPEED: Typed(GAUGE32, 100),
        }
        if hc:
            row |= {
                interfaces.IF_HC_IN_OCTETS: Typed(COUNTER64, 1_000),
                interfaces.IF_HC_OUT_OCTETS: Typed(COUNTER64, 2_000),
            }
        out |= {f"{column}.{index}": typed for column, typed in row.items()}
    return out


def moved(records: Records, seconds: float, changes: dict[str, int]) -> Records:
    """The same device so many seconds later."""
    uptime = Typed(TIME_TICKS, int(records[system.SYS_UPTIME].value) + int(seconds * 100))
    grown = {oid: Typed(records[oid].tag, int(records[oid].value) + by) for oid, by in changes.items()}
    return {**records, system.SYS_UPTIME: uptime, **grown}


class Later:
    """A monotonic clock that can be set forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


def target(port: int, *names: str, credential: Credential | None = PUBLIC, decides: bool = True) -> SnmpTarget:
    return SnmpTarget("sw", "127.0.0.1", "school", credential, decides, port, names, QUICK)


async def with_session(
    port: int, work: Callable[[Session], Awaitable[T]], credential: Credential = PUBLIC, seconds: float = 20.0
) -> T:
    patience = Patience(time.monotonic() + seconds, *QUICK)
    return await work(await opened("127.0.0.1", credential, Habits(), patience, port=port))


def walked(
    agent: EmulatedAgent, root: str, *, rows_most: int = 500, seconds: float = 20.0, credential: Credential = PUBLIC
) -> Rows:
    async def work(session: Session) -> Rows:
        return await walk(session, root, rows_most=rows_most, deadline=time.monotonic() + seconds)

    with serving(agent) as port:
        return asyncio.run(with_session(port, work, credential, seconds))


def column(records: Records, root: str) -> Rows:
    return {oid: typed.value for oid, typed in records.items() if oid.startswith(f"{root}.")}


# --- walks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("credential", [PUBLIC, V1], ids=["v2c", "v1"])
def test_a_walk_brings_the_column_and_no_more(credential: Credential) -> None:
    records = switch()

    assert walked(EmulatedAgent(records), interfaces.IF_DESCR, credential=credential) == column(
        records, interfaces.IF_DESCR
    )
    assert walked(EmulatedAgent(records), "1.3.6.1.2.1.99", credential=credential) == {}


@pytest.mark.parametrize("order", ["same", "inside"])
def test_a_walk_whose_identifiers_do_not_increase_ends_without_rows(order: str) -> None:
    agent = EmulatedAgent(switch(), faults=Faults(order=order))  # type: ignore[arg-type]

    if order == "inside":  # within one answer only: asked for one row at a time the device is right
        assert len(walked(agent, interfaces.IF_DESCR)) == 60
        assert agent.asked[-1].pdu == GETNEXT
    else:
        with pytest.raises(SnmpFailed, match="do not increase"):
            walked(agent, interfaces.IF_DESCR)
    assert len(agent.asked) < 200


def test_a_device_that_begins_its_column_again_has_told_all_of_it() -> None:
    records = switch()

    assert walked(EmulatedAgent(records, faults=Faults(order="cycling")), interfaces.IF_DESCR) == column(
        records, interfaces.IF_DESCR
    )


def test_an_answer_that_never_comes_is_asked_for_smaller_and_remembered() -> None:
    records = switch()
    agent = EmulatedAgent(records, faults=Faults(never_above=10))

    async def work(session: Session) -> tuple[Rows, Rows, int]:
        first = await walk(session, interfaces.IF_DESCR, rows_most=500, deadline=float("inf"))
        asked = len(agent.asked)
        second = await walk(session, interfaces.IF_NAME, rows_most=500, deadline=float("inf"))
        return first, second, len(agent.asked) - asked

    with serving(agent) as port:
        first, second, asked = asyncio.run(with_session(port, work))

    assert (first, second) == (column(records, interfaces.IF_DESCR), column(records, interfaces.IF_NAME))
    assert asked == 8  # of 8 rows each: the large answer is not waited for again
    assert {repetitions for pdu, _, repetitions in agent.asked if pdu == GETBULK} == {25, 8}


def test_a_device_that_answers_no_getbulk_is_walked_by_getnext() -> None:
    records = switch(8)

    assert walked(EmulatedAgent(records, faults=Faults(no_bulk=True)), interfaces.IF_DESCR) == column(
        records, interfaces.IF_DESCR
    )


def test_a_walk_is_cut_off_at_its_rows_and_says_so() -> None:
    with pytest.raises(SnmpFailed, match="more than 20 rows") as failed:
        walked(EmulatedAgent(switch()), interfaces.IF_DESCR, rows_most=20)

    assert failed.value.cause == "too_much"


def test_a_walk_ends_at_its_deadline_though_every_row_comes() -> None:
    agent = EmulatedAgent(switch(), faults=Faults(no_bulk=True, delay_seconds=0.1))
    started = time.monotonic()

    with pytest.raises(SnmpFailed) as failed:
        walked(agent, interfaces.IF_DESCR, seconds=1.5)

    assert failed.value.cause == "timeout"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("mangle", ["truncated", "garbage"])
def test_what_cannot_be_read_is_a_bad_answer(mangle: str) -> None:
    agent = EmulatedAgent(switch(), faults=Faults(mangle=mangle))  # type: ignore[arg-type]

    with pytest.raises(SnmpFailed) as failed:
        walked(agent, interfaces.IF_DESCR)

    assert failed.value.cause == "bad_answer"


class Garbler(EmulatedAgent):
    """Answers with some bytes changed, lost or put in."""

    rng = random.Random(7)

    def answer(self, datagram: bytes) -> bytes | None:
        garbled = bytearray(super().answer(datagram) or b"")
        for _ in range(self.rng.choice((1, 1, 2, 5))):
            at = self.rng.randrange(len(garbled))
            how = self.rng.random()
            if how < 0.7:
                garbled[at] = self.rng.choice((0, 1, 0x7F, 0x80, 0x82, 0x84, 0xFF, self.rng.randrange(256)))
            else:
                garbled[at : at + self.rng.randrange(0, 4)] = self.rng.randbytes(self.rng.randrange(0, 3))
        return bytes(garbled)


def test_garbled_answers_are_a_failure_or_values_and_nothing_worse() -> None:
    agent, ends = Garbler(switch(12)), []

    async def run(port: int) -> None:
        for turn in range(120):
            patience = Patience(time.monotonic() + 1, 0.03, 1)
            session = await opened("127.0.0.1", PUBLIC, Habits(), patience, port=port)
            try:
                if turn % 2:
                    rows = await session.get([system.SYS_DESCR, *column(switch(12), interfaces.IF_IN_OCTETS)])
                else:
                    rows = await walk(session, interfaces.IF_DESCR, rows_most=100, deadline=float("inf"))
            except SnmpFailed as failed:
                ends.append(failed.cause)
            else:
                ends.append("rows")
                interfaces.parse(rows)
                system.parse(rows)

    with serving(agent) as port:
        asyncio.run(run(port))

    assert len(ends) == 120
    assert {"bad_answer", "rows"} <= set(ends) <= {"bad_answer", "rows", "timeout"}


@pytest.mark.parametrize("credential", [PUBLIC, V1], ids=["v2c", "v1"])
def test_many_objects_are_got_in_pieces_and_those_missing_are_left_out(credential: Credential) -> None:
    records = switch()
    there = list(column(records, interfaces.IF_DESCR))
    agent = EmulatedAgent(records)

    async def work(session: Session) -> tuple[Rows, Rows, int]:
        asked = [*there[:30], "1.3.6.1.2.1.2.2.1.2.99", *there[30:], "1.3.6.1.4.1.5.0"]
        first = await get(session, asked)
        before = len(agent.asked)
        return first, await get(session, asked), len(agent.asked) - before

    with serving(agent) as port:
        first, second, requests = asyncio.run(with_session(port, work, credential))

    assert first == second == column(records, interfaces.IF_DESCR)
    assert requests == 2
    assert max(len(oids) for _, oids, _ in agent.asked) == 40


@pytest.mark.parametrize("how", ["not answered", "refused as too big"])
def test_a_question_too_large_is_asked_in_smaller_ones_and_that_is_remembered(how: str) -> None:
    records = switch()
    there = list(column(records, interfaces.IF_DESCR))
    agent = EmulatedAgent(records, faults=Faults(most_objects=25))
    if how == "refused as too big":
        agent = EmulatedAgent({**records, **{oid: Typed(OCTETS, b"x" * 80) for oid in there}}, get_bytes=2_500)

    async def work(session: Session) -> tuple[int, int, int]:
        first = await session.get(there)
        before = len(agent.asked)
        second = await session.get(there)
        return len(first), len(second), len(agent.asked) - before

    with serving(agent) as port:
        found = asyncio.run(with_session(port, work))

    assert found == (60, 60, 3)


def test_two_that_ask_over_one_session_wait_for_each_other() -> None:
    async def work(session: Session) -> list[dict[str, snmprec.Value]]:
        return await asyncio.gather(*(session.get([system.SYS_DESCR]) for _ in range(5)))

    with serving(EmulatedAgent(switch(), faults=Faults(delay_seconds=0.03))) as port:
        found = asyncio.run(with_session(port, work))

    assert found == [{system.SYS_DESCR: b"A switch"}] * 5


def test_a_session_leaves_no_socket_behind() -> None:
    async def run(port: int) -> None:
        for _ in range(20):
            await snmp.probe(target(port), World())

    with serving(EmulatedAgent(switch(2))) as port:
        before = len(os.listdir("/proc/self/fd"))
        asyncio.run(run(port))
        after = len(os.listdir("/proc/self/fd"))

    assert after <= before


# --- runs ----------------------------------------------------------------------------------------------------------


def test_the_first_run_tells_what_is_and_the_second_what_moved() -> None:
    first = switch()
    agent, clock = EmulatedAgent(first), Later()
    later = moved(
        first,
        60,
        {
            f"{interfaces.IF_HC_IN_OCTETS}.3": 7_500_000,
            f"{interfaces.IF_HC_OUT_OCTETS}.3": 750_000,
            f"{interfaces.IF_IN_ERRORS}.3": 4,
            f"{interfaces.IF_OUT_ERRORS}.60": 2,
            f"{interfaces.IF_IN_DISCARDS}.59": 1,
        },
    )

    async def run(port: int) -> tuple[Observation, Observation, int]:
        world = World(monotonic=clock)
        one = await snmp.probe(target(port, "g3"), world)
        asked = len(agent.asked)
        clock.ahead = 60
        agent.change(later)
        return one, await snmp.probe(target(port, "g3"), world), len(agent.asked) - asked

    with serving(agent) as port:
        one, other, asked = asyncio.run(run(port))

    told = {(D, "uptime_seconds"): 1_000.0, (D, "ports_up"): 59.0, (f"{D}.g3", "port_speed_bps"): 10**8}
    assert one == Observation({D: State.UP}, told, {}, {D: "SNMP A switch"})
    rx_bps, tx_bps = other.readings.pop((f"{D}.g3", "rx_bps")), other.readings.pop((f"{D}.g3", "tx_bps"))
    assert (rx_bps, tx_bps) == (1_000_000, 100_000)
    assert other.readings == {
        **told,
        (D, "uptime_seconds"): 1_060.0,
        (D, "port_errors"): 6.0,
        (D, "port_discards"): 1.0,
    }
    assert asked <= 11  # one greeting, 60 statuses, 180 counters, one port: no table is walked again


def test_a_device_of_v1_tells_the_same_with_its_32_bits() -> None:
    first = switch(4)
    agent, clock = EmulatedAgent(first), Later()
    grown = {f"{interfaces.IF_IN_OCTETS}.1": 750_000, f"{interfaces.IF_OUT_ERRORS}.2": 3}

    async def run(port: int) -> dict[tuple[str, str], float]:
        world = World(monotonic=clock)
        for seconds in (0, 60, 120):  # the first two find out what the agent refuses
            clock.ahead = seconds
            agent.change(moved(first, seconds, {oid: by * seconds // 60 for oid, by in grown.items()}))
            seen = await snmp.probe(target(port, "g1", credential=V1), world)
        return seen.readings

    with serving(agent) as port:
        readings = asyncio.run(run(port))

    assert readings == {
        (D, "uptime_seconds"): 1_120.0,
        (D, "ports_up"): 3.0,
        (D, "port_errors"): 3.0,
        (D, "port_discards"): 0.0,
        (f"{D}.g1", "port_speed_bps"): 10**8,
        (f"{D}.g1", "rx_bps"): 100_000.0,
        (f"{D}.g1", "tx_bps"): 0.0,
    }


def test_after_a_restart_the_tables_are_read_again_and_no_rate_is_told() -> None:
    agent, clock = EmulatedAgent(switch()), Later()
    restarted = {**switch(7), system.SYS_UPTIME: Typed(TIME_TICKS, 3_000)}

    async def run(port: int) -> tuple[Observation, bool]:
        world = World(monotonic=clock)
        await snmp.probe(target(port, "g3"), world)
        asked = len(agent.asked)
        clock.ahead = 60
        agent.change(restarted)
        seen = await snmp.probe(target(port, "g3"), world)
        return seen, any(pdu == GETBULK for pdu, _, _ in agent.asked[asked:])

    with serving(agent) as port:
        seen, walked_again = asyncio.run(run(port))

    assert walked_again
    assert seen.readings == {
        (D, "uptime_seconds"): 30.0,
        (D, "ports_up"): 6.0,
        (f"{D}.g3", "port_speed_bps"): 10**8,
    }


def test_a_port_whose_index_another_one_took_is_looked_for_again_and_never_mixed_up() -> None:
    first, clock = switch(4), Later()
    agent = EmulatedAgent(first)
    taken = {f"{root}.3": Typed(OCTETS, b"new") for root in (interfaces.IF_NAME, interfaces.IF_DESCR)}
    moved_on = {f"{root}.9": first[f"{root}.3"] for root in interfaces.TABLE if f"{root}.3" in first}

    async def run(port: int) -> list[dict[tuple[str, str], float]]:
        world, found = World(monotonic=clock), []
        for minute in range(4):
            clock.ahead = 60 * minute
            later = first if minute == 0 else {**first, **moved_on, **taken}
            agent.change(moved(later, 60 * minute, {f"{interfaces.IF_HC_IN_OCTETS}.3": 7_500_000 * minute}))
            seen = await snmp.probe(target(port, "g3"), world)
            found.append({pair: value for pair, value in seen.readings.items() if pair[0] != D})
        return found

    with serving(agent) as port:
        readings = asyncio.run(run(port))

    speed = {(f"{D}.g3", "port_speed_bps"): 10**8}
    assert readings == [
        speed,
        {},
        speed,
        {**speed, (f"{D}.g3", "rx_bps"): 0.0, (f"{D}.g3", "tx_bps"): 0.0},
    ]


def test_names_and_indices_are_read_again_after_an_hour_and_not_before() -> None:
    agent, clock = EmulatedAgent(switch(3)), Later()

    async def run(port: int) -> list[float]:
        world, found = World(monotonic=clock), []
        for minutes, ports in ((0, 3), (50, 5), (75, 5)):
            clock.ahead = 60 * minutes
            agent.change(moved(switch(ports), 60 * minutes, {}))
            found.append((await snmp.probe(target(port), world)).readings[D, "ports_up"])
        return found

    with serving(agent) as port:
        assert asyncio.run(run(port)) == [2, 3, 4]  # of the ports known then; the last of three was down at first


def test_a_device_that_says_its_ports_changed_is_read_again_but_not_all_the_time() -> None:
    agent, clock = EmulatedAgent(switch(3)), Later()

    async def run(port: int) -> list[float]:
        world, found = World(monotonic=clock), []
        for minutes, ports in ((0, 3), (5, 4), (11, 5), (12, 6), (15, 6)):
            clock.ahead = 60 * minutes
            agent.change({**moved(switch(ports), 60 * minutes, {}), interfaces.SHAPE[0]: Typed(INTEGER, ports)})
            found.append((await snmp.probe(target(port), world)).readings[D, "ports_up"])
        return found

    with serving(agent) as port:
        assert asyncio.run(run(port)) == [2, 3, 4, 5, 5]  # of 3, of 3, of 5 (the last is down), of 5, of 5


def test_processor_memory_and_storage_are_asked_each_round() -> None:
    records = {
        **switch(1),
        f"{host_resources.PROCESSOR_LOAD}.1": Typed(INTEGER, 10),
        f"{host_resources.TYPE}.1": Typed(OID, host_resources.RAM),
        f"{host_resources.UNITS}.1": Typed(INTEGER, 1_024),
        f"{host_resources.SIZE}.1": Typed(INTEGER, 1_000),
        f"{host_resources.USED}.1": Typed(INTEGER, 250),
    }
    agent = EmulatedAgent(records)

    async def run(port: int) -> list[float]:
        world, found = World(), []
        for load, used in ((10, 250), (30, 500)):
            agent.change(
                {
                    **records,
                    f"{host_resources.PROCESSOR_LOAD}.1": Typed(INTEGER, load),
                    f"{host_resources.USED}.1": Typed(INTEGER, used),
                }
            )
            seen = (await snmp.probe(target(port), world)).readings
            found += [seen[D, "cpu_percent"], seen[D, "memory_used_percent"]]
        return found

    with serving(agent) as port:
        assert asyncio.run(run(port)) == [10, 25, 30, 50]


def test_silence_a_wrong_community_and_a_closed_port_are_told_apart_as_far_as_can_be() -> None:
    async def run(port: int, closed: int) -> list[Observation]:
        wrong = Credential("school", community="wrong")
        return [
            await snmp.probe(target(port, credential=wrong), World()),
            await snmp.probe(target(closed), World()),
        ]

    with serving(EmulatedAgent(switch())) as port:
        wrong, closed = asyncio.run(run(port, free_port()))

    assert (wrong.states, wrong.causes, wrong.readings) == ({D: State.DOWN}, {D: "timeout"}, {})
    assert (closed.states, closed.causes, closed.readings) == ({D: State.DOWN}, {D: "refused"}, {})


@pytest.mark.namespaces
def test_a_network_that_is_not_there_is_unreachable_and_a_dead_neighbour_is_silent() -> None:
    need_namespaces()
    name = f"sbsnmp{os.getpid()}"
    lines = (
        f"netns add {name}",
        f"-n {name} link set lo up",
        f"-n {name} link add v0 type veth peer name v1",
        f"-n {name} link set v0 up",
        f"-n {name} link set v1 up",
        f"-n {name} addr add 10.99.7.1/24 dev v0",
    )

    async def run() -> list[dict[str, str]]:
        aims = [SnmpTarget("sw", address, "s", PUBLIC, patience=QUICK) for address in ("10.99.8.1", "10.99.7.5")]
        return [(await snmp.probe(aim, World())).causes for aim in aims]

    try:
        for line in lines:
            subprocess.run(["ip", *line.split()], check=True)
        found = in_namespace(name, run)
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)

    assert found == [{D: "unreachable"}, {D: "timeout"}]


def test_a_lost_request_is_asked_again() -> None:
    with serving(EmulatedAgent(switch(3), faults=Faults(lose=1))) as port:
        seen = asyncio.run(snmp.probe(target(port), World()))

    assert seen.states == {D: State.UP}
    assert seen.readings[D, "ports_up"] == 2


@pytest.mark.parametrize("mangle", ["truncated", "garbage"])
def test_a_device_whose_answers_cannot_be_read_is_down_with_that_cause(mangle: str) -> None:
    with serving(EmulatedAgent(switch(), faults=Faults(mangle=mangle))) as port:  # type: ignore[arg-type]
        seen = asyncio.run(snmp.probe(target(port), World()))

    assert (seen.states, seen.causes) == ({D: State.DOWN}, {D: "bad_answer"})


def test_garbage_in_answer_to_v3_is_a_bad_answer_too() -> None:
    class Babbler(EmulatedAgent):
        def answer(self, datagram: bytes) -> bytes | None:
            return bytes(range(200, 240))

    v3 = Credential(
        "v3", username="u", version="3", auth="SHA1", auth_key="x" * 8, privacy="AES128", privacy_key="y" * 8
    )
    with serving(Babbler({})) as port:
        seen = asyncio.run(snmp.probe(target(port, credential=v3), World()))

    assert (seen.states, seen.causes) == ({D: State.DOWN}, {D: "bad_answer"})


def test_a_device_with_an_empty_system_group_is_up() -> None:
    with serving(EmulatedAgent({"1.3.6.1.9.1.0": 5})) as port:
        seen = asyncio.run(snmp.probe(target(port), World()))

    assert seen == Observation({D: State.UP}, {}, {}, {D: "SNMP"})


def test_endless_tables_leave_their_readings_out_and_the_device_up() -> None:
    with serving(EmulatedAgent(switch(), faults=Faults(order="same"))) as port:
        seen = asyncio.run(snmp.probe(target(port, "g3"), World()))

    assert seen.states == {D: State.UP}
    assert seen.readings == {(D, "uptime_seconds"): 1_000.0}


def test_a_device_whose_signal_another_probe_decides_is_never_called_down() -> None:
    with pytest.raises(ProbeFailed) as failed:
        asyncio.run(snmp.probe(target(free_port(), decides=False), World()))
    with serving(EmulatedAgent(switch(2))) as port:
        seen = asyncio.run(snmp.probe(target(port, decides=False), World()))

    assert failed.value.cause == "refused"
    assert seen.states == {}
    assert seen.readings[D, "ports_up"] == 1


def test_a_secret_that_is_not_there_and_a_name_for_an_address_are_not_configured() -> None:
    named = SnmpTarget("sw", "switch.lan", "school", PUBLIC)
    bare = [target(161, credential=Credential("school", version=version)) for version in ("1", "2c", "3")]  # type: ignore[arg-type]
    for wrong in (target(161, credential=None), named, *bare):
        with pytest.raises(ProbeFailed) as failed:
            asyncio.run(snmp.probe(wrong, World()))

        assert failed.value.cause == "not_configured"


# --- recordings of real devices ------------------------------------------------------------------------------------


@pytest.mark.skipif(not FACTS, reason="no ../shared/material/snmp in a fresh clone")
@pytest.mark.parametrize("facts", FACTS, ids=lambda path: path.stem)
def test_a_recorded_device_is_told_over_the_network_as_its_facts_say(facts: Path) -> None:
    fact = json.loads(facts.read_text("utf-8"))
    records = snmprec.load(SHARED / "recordings" / f"{facts.stem}.snmprec")
    names = [row.get("ifName") or row.get("ifDescr") or "" for row in fact["interfaces"]][:16]

    async def run(port: int) -> tuple[Observation, Rows]:
        async def work(session: Session) -> Rows:
            table: dict[str, snmprec.Value] = {}
            for root in interfaces.TABLE:
                table |= await walk(session, root, rows_most=500, deadline=float("inf"))
            return table

        seen = await snmp.probe(target(port, *(name for name in names if name)), World())
        return seen, await with_session(port, work)

    with serving(EmulatedAgent(records)) as port:
        seen, table = asyncio.run(run(port))

    rows = snmprec.rows(records)
    assert table == {oid: rows[oid] for oid in rows if oid.rpartition(".")[0] in interfaces.TABLE}
    assert seen.states == {D: State.UP}
    known = [row for row in fact["interfaces"] if "ifOperStatus" in row]
    assert seen.readings.get((D, "ports_up")) == (fact["oper_up"] if known else None)
    if isinstance(fact["sysUpTime"], int):
        assert seen.readings[D, "uptime_seconds"] == fact["sysUpTime"] / 100
    if "hrProcessorLoad" in fact["well_known"]:  # a maker's own object may say it better: LibreNMS takes the same
        loads = [processor["usage_pct"] for processor in fact["librenms"]["processors"]]
        assert seen.readings[D, "cpu_percent"] == pytest.approx(sum(loads) / len(loads))
    refuse_nonsense(seen)
    vendor = profile.readings(profile.confirmed(profile.matching(*system.parse(rows)[1::-1]), rows), rows, D)
    standard = {pair[1] for pair in host_resources.readings(rows, D)}
    told = {pair: value for pair, value in seen.readings.items() if pair in vendor and pair[1] not in standard}
    assert told == {pair: value for pair, value in vendor.items() if pair[1] not in standard}


def refuse_nonsense(seen: Observation) -> None:
    """Names and values that the wire and the catalogue allow."""
    for (subject, reading), value in seen.readings.items():
        assert bounds.SUBJECT.fullmatch(subject), subject
        assert READINGS[reading].low <= value <= READINGS[reading].high, (subject, reading, value)
    assert set(seen.causes.values()) <= set(CAUSES)
