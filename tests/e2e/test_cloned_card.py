"""A copied memory card: two real agents with one account take the connection from each other; the school is not mixed."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schoolbeat_agent import machine
from tests.e2e.processes import Agent, Server, Surroundings, await_, children
from tests.e2e.test_outbox_fates import M0, SETTLE_SECONDS, deliver, made_up, once, record

SITE = "sao-chep"
MINUTE_SECONDS = 60

pytestmark = pytest.mark.timeout(300)


@dataclass
class Elsewhere(Agent):
    """On another machine."""

    hardware: str = "22" * 8
    boot: str = "b2" * 16

    def start(self) -> None:
        config = self.folder / "agent.toml"
        words = [sys.executable, "-m", "tests.e2e.other_machine", self.hardware, self.boot, "--config", config, "run"]
        self.process = self.children.start(words, self.log)


@pytest.fixture
def around() -> Iterator[Surroundings]:
    found = Surroundings()
    yield found
    found.close()


def states(server: Server) -> dict[str, str]:
    return dict(server.rows("SELECT hardware, state FROM card WHERE site = ? AND state != 'former'", SITE))


def test_a_copied_card_is_recognised_within_a_minute_and_a_replaced_gateway_goes_on(
    around: Surroundings, tmp_path: Path
) -> None:
    with children() as kids:
        server = Server(kids, tmp_path / "server", [SITE])
        server.start()
        agent = Agent(kids, server, around, tmp_path / "agent", SITE)
        before = record(agent, 0, 5)
        deliver(agent)
        agent.stop()
        copy = Elsewhere(kids, server, around, tmp_path / "copy", SITE, password=agent.password)
        shutil.copytree(agent.state, copy.state, ignore=shutil.ignore_patterns("*.sock"))
        mine = record(agent, 5, 5, seed=2)
        record(copy, 5, 8, seed=3)
        agent.start()
        began = time.monotonic()
        copy.start()

        await_(lambda: states(server).get(copy.hardware) == "aside", MINUTE_SECONDS, "recognised", server.log, copy.log)
        assert time.monotonic() - began < MINUTE_SECONDS
        held = "SELECT COUNT(*) FROM held WHERE site = ? AND why = 'clone' AND last_minute < ?"
        last = max(mine) + 100
        await_(lambda: server.rows(held, SITE, last)[0][0] > 0, 120, "the copy's minutes are kept apart", copy.log)
        await_(lambda: made_up(server, SITE) == once(before, mine), 120, "the school's minutes", server.log, agent.log)

        shown = server.get("/api/v1/clones")
        assert {one["hardware"]: one["state"] for one in shown} == states(server)
        assert sorted(states(server).values()) == ["aside", "true"]
        assert server.rows("SELECT scope FROM incident WHERE scope = 'clone'") == [("clone",)]
        copy.kill()
        (first,) = [name for name, state in states(server).items() if state == "true"]
        server.command("agent", "true", SITE, "gateway", "--hardware", first, "--reason", "đã hỏi trường")
        await_(lambda: states(server)[copy.hardware] == "false", 30, "decided", server.log)
        await_(agent.is_settled, SETTLE_SECONDS, "the true one goes on", agent.log)
        agent.stop()
        assert made_up(server, SITE) == once(before, mine)

        password = server.enrol(SITE, replace_password=True)
        new = Elsewhere(kids, server, around, tmp_path / "new", SITE, password=password, hardware="33" * 8)
        after = record(new, 20, 3, seed=4)
        deliver(new)
        new.stop()
        assert made_up(server, SITE) == once(before, mine, after)
        assert states(server)["33" * 8] == "true"
        server.stop()


def test_an_older_copy_on_the_same_hardware_id_is_kept_apart_and_a_machines_reports_can_be_taken_back(
    around: Surroundings, tmp_path: Path
) -> None:
    """As of two virtual machines made from one disk: nothing but boot and outbox tells them apart."""
    with children() as kids:
        server = Server(kids, tmp_path / "server", [SITE])
        server.start()
        same = machine.hardware_id()
        first = Elsewhere(kids, server, around, tmp_path / "first", SITE, hardware=same, boot="a1" * 16)
        before = record(first, 0, 5)
        deliver(first)
        first.stop()
        account = {"password": first.password, "hardware": same}
        copy = Elsewhere(kids, server, around, tmp_path / "copy", SITE, **account, boot="b2" * 16)
        shutil.copytree(first.state, copy.state, ignore=shutil.ignore_patterns("*.sock"))
        mine = record(first, 5, 40, seed=2)
        deliver(first)
        first.stop()
        record(copy, 50, 8, seed=3)

        copy.start()
        boots = "SELECT boot, state FROM card WHERE site = ? AND state != 'former'"
        both = {"a1" * 16: "true", "b2" * 16: "aside"}
        await_(lambda: dict(server.rows(boots, SITE)) == both, MINUTE_SECONDS, "recognised", server.log, copy.log)
        await_(copy.is_settled, SETTLE_SECONDS, "the copy's minutes are kept apart", copy.log)
        copy.stop()
        assert made_up(server, SITE) == once(before, mine)

        why = ("--reason", "đã hỏi trường: máy thật là máy thứ hai")
        server.command("agent", "true", SITE, "gateway", "--hardware", same, "--boot", "b2", *why)
        await_(lambda: len(made_up(server, SITE)) == 53, 60, "what was kept apart is placed", server.log)
        server.command("agent", "retract", SITE, "gateway", "--hardware", same, "--boot", "a1", *why)
        done = "SELECT outcome FROM decision WHERE what = 'retract' AND done_ms IS NOT NULL"
        await_(lambda: server.rows(done) != [], 60, "taken back", server.log)
        assert sorted(minute - M0 for minute in made_up(server, SITE)) == list(range(50, 58))
        assert "not" not in server.rows(done)[0][0]
        server.stop()
