"""What a device says of itself is shown to people: it cannot give their terminal orders, nor fill it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.agent.snmp_responder import EmulatedAgent, serving
from tests.agent.snmprec import Value
from tests.ports import free_port

from schoolbeat_agent import clock
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.visits import clean
from schoolbeat_agent.observation import Run
from schoolbeat_agent.probes.rtsp import RtspTarget
from schoolbeat_agent.probes.snmp import SnmpTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import LETTERS, measure
from schoolbeat_agent.table import lines_of
from schoolbeat_agent.watch import Watch
from schoolbeat_wire import bounds

ORDERS = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202etrap\r\n"


def run(watch: Watch) -> Run:
    return asyncio.run(measure(watch, World(), 20.0, clock.boot_seconds))


def shown(watch: Watch, found: Run) -> str:
    return "\n".join(str(line) for line in lines_of(watch, found, {}, "vi"))


def test_a_switch_whose_description_is_an_order_to_the_terminal_is_only_described(tmp_path: Path) -> None:
    said: dict[str, Value] = {"1.3.6.1.2.1.1.1.0": (ORDERS + "A switch").encode(), "1.3.6.1.2.1.1.3.0": 100}
    with serving(EmulatedAgent(said)) as port:
        target = SnmpTarget("sw", "127.0.0.1", "read", Credential("read", community="public"), port=port)
        watch = Watch("snmp", target, ("device.sw",), ())

        found = run(watch)

    assert found.observation is not None
    assert "owned" in found.observation.notes["device.sw"]
    assert not bounds.CONTROL.search(shown(watch, found).replace("\n", ""))


def test_a_camera_that_answers_with_orders_or_endlessly_long_is_told_in_one_bounded_line() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(ORDERS.strip().encode() + b"x" * 10_000 + b"\r\n\r\n")
        await reader.read()
        writer.close()

    async def asked() -> Run:
        port = free_port()
        async with await asyncio.start_server(answer, "127.0.0.1", port):
            target = RtspTarget("cam", "127.0.0.1", port, "/live")
            return await measure(Watch("rtsp", target, ("device.cam",), ()), World(), 20.0, clock.boot_seconds)

    found = asyncio.run(asked())

    assert found.observation is not None
    note = found.observation.notes["device.cam"]
    assert not bounds.CONTROL.search(note)
    assert 0 < len(note) <= LETTERS


def test_names_that_are_found_are_one_clean_line() -> None:
    assert clean(ORDERS.encode() + b"Camera " + b"x" * 1_000).startswith("]0;owned [2J 31m trap Camera xxx")
    assert not bounds.CONTROL.search(clean(ORDERS))
