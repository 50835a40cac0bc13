"""The real agent as a process (with faster seconds) beside a projector: off is not down, and unplugged is not off."""

from __future__ import annotations

from pathlib import Path

from tests.agent.broker import TinyServer, mosquitto, wait_for
from tests.agent.emulated_projector import STANDBY, EmulatedProjector, Projector
from tests.agent.test_agent_process import AGENT_TOML, agent, check_every_minute_once, stop
from tests.ports import free_port

from schoolbeat_wire import catalogue
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.report import MinuteRow

PROJECTOR = """
[[device]]
id = "p-1"
address = "127.0.0.1"
kind = "projector"
ask = "pjlink"
port = {projector}
"""


EMPTY = Inventory(revision="", signals=[], columns=[], probes=[])


def told(server: TinyServer, row: MinuteRow, reading: str) -> float | None:
    """What a minute says of the projector's reading; None where it says nothing."""
    of_row = (made for made in server.inventories.values() if len(made.columns) == len(row.values))
    for column, values in zip(next(of_row, EMPTY).columns, row.values, strict=False):
        if column.reading == reading and "device.p-1" in column.subjects:
            return values[column.subjects.index("device.p-1")]
    return None


def last(server: TinyServer) -> MinuteRow:
    minutes = server.minutes()
    return minutes[max(minutes)][0]


def up_seconds(server: TinyServer, row: MinuteRow) -> int:
    names = next(iter(server.inventories.values())).signals
    return row.signals[names.index("device.p-1")]


def whole(server: TinyServer, row: MinuteRow) -> bool:
    return up_seconds(server, row) == 60


def test_a_projector_that_is_switched_off_is_up_and_one_that_is_unplugged_is_down(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "agent.toml"
    with mosquitto(tmp_path, port), TinyServer(port) as server, EmulatedProjector(Projector()) as projector:
        config.write_text(AGENT_TOML.format(port=port) + PROJECTOR.format(projector=projector.port))
        with agent(config) as process:
            wait_for(lambda: server.rows, 60)
            wait_for(lambda: whole(server, last(server)) and told(server, last(server), "lamp_hours") == 1200, 60)
            on = last(server)
            projector.projector.power = STANDBY
            wait_for(lambda: whole(server, last(server)) and told(server, last(server), "power_state") == 0, 60)
            standby = last(server)
            projector.projector.says_nothing = True
            wait_for(lambda: up_seconds(server, last(server)) == 0, 60)
            unplugged = last(server)
            stop(process)

    check_every_minute_once(server)
    assert told(server, on, "power_state") == 1
    assert told(server, standby, "lamp_hours") == 1200  # learnt, not configured; it is told in standby too
    assert told(server, unplugged, "power_state") is None
    names = next(iter(server.inventories.values())).signals
    cause = dict(unplugged.causes)[names.index("device.p-1")]
    assert catalogue.CAUSE_NAMES[cause] == "timeout"
