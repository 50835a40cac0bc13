"""The publisher against a real broker and a small server: order, settling, back-off, who is obeyed, TLS, websockets."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent import fast
from tests.agent.broker import SERVER, TinyServer, mosquitto
from tests.agent.rows import FIRST, row
from tests.ports import free_port

from schoolbeat_agent import clock
from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.publisher import BATCH_MINUTES, InFlight, Publisher, still_waiting, wait_seconds, whole_blocks
from schoolbeat_agent.settings import Settings, build
from schoolbeat_wire import inventory as wire_inventory
from schoolbeat_wire.inventory import Column, Inventory, with_revision
from schoolbeat_wire.messages import Command, Config, Event, Presence
from schoolbeat_wire.report import MinuteRow

INVENTORY = with_revision(
    Inventory(
        "",
        signals=["lan.router", "line.internet"],
        columns=[Column("rtt_ms", ["a", "b", "c"]), Column("load1", ["host"])],
        probes=["path"],
    )
)


def settings_for(tmp_path: Path, port: int, **broker: object) -> Settings:
    table = {"host": "127.0.0.1", "port": port, "tls": False} | broker
    return build({"site": "th-thu", "broker": table}, tmp_path / "agent.toml")


@dataclass
class Orders:
    """What the server had the agent do."""

    times: list[Anchor] = field(default_factory=list)
    configs: list[Config] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def take_time(self, candidate: Anchor) -> None:
        self.times.append(candidate)

    async def take_config(self, config: Config) -> None:
        self.configs.append(config)

    def check_now(self) -> None:
        self.done.append("check_now")

    def identify(self) -> None:
        self.done.append("identify")


@dataclass
class Agent:
    """A publisher without probes: minutes are put into its outbox by the test."""

    box: Outbox
    publisher: Publisher
    orders: Orders

    def add(self, *minutes: int, about_to_send: bool = True) -> None:
        for minute in minutes:
            self.box.add(row(FIRST + minute), INVENTORY.revision, about_to_send)
        self.publisher.minute_added()


def outbox(tmp_path: Path, minutes: int = 0) -> Outbox:
    box = Outbox(tmp_path / "outbox.sqlite", hardware="aa" * 8, boot="bb" * 16)
    box.keep_inventory(INVENTORY.revision, wire_inventory.encode(INVENTORY))
    for minute in range(minutes):
        box.add(row(FIRST + minute), INVENTORY.revision, False)
    return box


@asynccontextmanager
async def publishing(
    settings: Settings, box: Outbox, seconds: Callable[[], float] = clock.boot_seconds
) -> AsyncIterator[Agent]:
    async def disk(work: Callable[..., Any], *args: Any) -> Any:
        return work(*args)

    orders = Orders()
    publisher = Publisher(settings, box, disk, orders, lambda: "kernel", INVENTORY, seconds, random.Random(1), "test")
    task = asyncio.create_task(publisher.run())
    try:
        yield Agent(box, publisher, orders)
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.wait([task])
        box.close()


async def until(is_so: Callable[[], object], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.02)


def run(scenario: Awaitable[None], *, quick: bool = False) -> None:
    async def main() -> None:
        await scenario

    with asyncio.Runner(loop_factory=fast.Loop if quick else None) as runner:
        runner.run(main())


def test_presence_tells_what_is_held_and_the_newest_report_goes_before_the_backlog(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 2 * BATCH_MINUTES + 30)
        async with publishing(settings_for(tmp_path, port), box) as agent:
            await until(lambda: not box.unsettled())
            agent.add(1_000)
            await until(lambda: not box.unsettled())
        await until(lambda: not server.presences[-1].online)  # said on leaving: it is on its way to whoever listens

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    first = server.presences[0]
    epoch = first.epoch
    assert replace_nonce(first) == Presence(
        online=True,
        epoch=epoch,
        hardware="aa" * 8,
        boot="bb" * 16,
        lowest=0,
        next=150,
        keepalive=10,
        clock="kernel",
        revision=INVENTORY.revision,
        version="test",
    )
    assert server.reports == [(epoch, 90, 150), (epoch, 30, 90), (epoch, 0, 30), (epoch, 150, 151)]
    assert server.inventories == {INVENTORY.revision: INVENTORY}
    assert [kind for kind, _ in server.kinds][:2] == ["inventory", "presence"]
    assert server.rows[epoch, 7] == [_with_seq(7)]
    assert server.problems == []
    assert server.presences[-1] == Presence(online=False)


def replace_nonce(presence: Presence) -> Presence:
    assert presence.nonce > 0
    return msgspec.structs.replace(presence, nonce=0)


def _with_seq(seq: int) -> MinuteRow:
    return msgspec.structs.replace(row(FIRST + seq), seq=seq)


def test_the_backlog_goes_at_a_bounded_rate_and_a_new_minute_does_not_queue_behind_it(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 8 * BATCH_MINUTES)
        async with publishing(settings_for(tmp_path, port), box) as agent:
            await until(lambda: len(server.reports) >= 3)
            agent.add(1_000)
            await until(lambda: not box.unsettled())

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    place = server.reports.index((server.presences[0].epoch, 480, 481))
    assert place < 6
    backlog = [at for at, report in zip(server.times, server.reports, strict=True) if report[2] <= 480]
    assert backlog[-1] - backlog[1] >= 0.25 * (len(backlog) - 2) * 0.8


def test_a_report_without_an_answer_is_sent_again(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 1)
        async with publishing(settings_for(tmp_path, port), box, fast.boot_seconds):
            await until(lambda: len(server.reports) >= 3, 3_000)
            assert box.unsettled() == [(0, 1)]
            server.acks = True
            await until(lambda: not box.unsettled(), 3_000)

    with mosquitto(tmp_path, port), TinyServer(port, acks=False) as server:
        run(scenario(server), quick=True)

    waits = [(later - earlier) * fast.PACE for earlier, later in pairwise(server.times)]
    assert min(waits) >= 20


def test_while_acks_stay_away_little_is_sent(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 20 * BATCH_MINUTES)
        async with publishing(settings_for(tmp_path, port), box, fast.boot_seconds):
            await asyncio.sleep(150)

    with mosquitto(tmp_path, port), TinyServer(port, acks=False) as server:
        run(scenario(server), quick=True)

    assert 4 <= len(server.reports) <= 12


def test_a_strange_server_is_not_obeyed(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer, strange: TinyServer) -> None:
        box = outbox(tmp_path, 1)
        settings = replace(settings_for(tmp_path, port), server=SERVER)
        async with publishing(settings, box) as agent:
            await until(lambda: server.reports)
            strange.ack(box.epoch, settled=[(0, 1)])
            strange.config(Config(3, strange.name))
            await until(lambda: agent.publisher.standing.refused_servers.get(strange.name, 0) >= 3)
            assert (box.unsettled(), agent.orders.configs) == ([(0, 1)], [])
            server.ack(box.epoch)
            await until(lambda: not box.unsettled())

    with (
        mosquitto(tmp_path, port),
        TinyServer(port, acks=False) as server,
        TinyServer(port, name="bad0" * 4) as strange,
    ):
        run(scenario(server, strange))


def test_without_enrolment_the_first_server_is_obeyed_and_kept(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 1)
        async with publishing(settings_for(tmp_path, port), box):
            await until(lambda: not box.unsettled())

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    again = Outbox(tmp_path / "outbox.sqlite", hardware="aa" * 8, boot="bb" * 16)
    assert again.enrolled == SERVER


def test_an_old_file_put_back_sends_its_minutes_under_a_new_epoch(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 5)
        old = box.epoch
        for seq in range(40):  # what the file had sent before the old one was put back
            server.rows[old, seq] = [_with_seq(seq)]
        async with publishing(settings_for(tmp_path, port), box) as agent:
            await until(lambda: box.epoch != old and not box.unsettled())
            agent.add(77)
            await until(lambda: not box.unsettled())

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    old, new = server.presences[0].epoch, server.presences[1].epoch
    assert new != old
    assert server.reports == [(new, 0, 5), (new, 5, 6)]
    assert [server.rows[new, seq][0].minute - FIRST for seq in range(6)] == [0, 1, 2, 3, 4, 77]


def test_a_server_restored_from_a_backup_is_made_whole(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 6)
        async with publishing(settings_for(tmp_path, port), box):
            await until(lambda: not box.unsettled())
            for seq in range(2, 6):
                del server.rows[box.epoch, seq]
            server.ack(box.epoch)
            await until(lambda: len(server.rows) == 6)
            await until(lambda: not box.unsettled())

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    assert server.reports[1:] == [(server.presences[0].epoch, 2, 6)]


def test_commands_are_done(tmp_path: Path) -> None:
    port = free_port()
    former = with_revision(Inventory("", signals=["lan.router"]))

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 6)
        box.keep_inventory(former.revision, wire_inventory.encode(former))
        async with publishing(settings_for(tmp_path, port), box) as agent:
            await until(lambda: not box.unsettled())
            server.command(Command("send_again", box.epoch, 2, 4))
            await until(lambda: len(server.reports) == 2)
            server.command(Command("send_again", "ee" * 8, 0, 6))
            server.inventories.clear()
            server.command(Command("inventory", revision=former.revision))
            await until(lambda: len(server.inventories) == 2)
            server.command(Command("check_now"))
            server.command(Command("identify"))
            await until(lambda: len(agent.orders.done) == 2)
            assert agent.orders.done == ["check_now", "identify"]

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    epoch = server.presences[0].epoch
    assert server.reports == [(epoch, 0, 6), (epoch, 2, 4)]
    assert server.inventories == {former.revision: former, INVENTORY.revision: INVENTORY}


def test_the_answer_to_presence_tells_the_time(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        async with publishing(settings_for(tmp_path, port), outbox(tmp_path)) as agent:
            await until(lambda: agent.orders.times)
            told = agent.orders.times[0]
            assert told.source == "server"
            assert abs(told.utc(clock.boot_seconds()) - time.time()) < 2

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))


def test_events_are_hints_that_expire(tmp_path: Path) -> None:
    port = free_port()
    event = Event("line.internet", False, FIRST * 60_000, "timeout")

    async def scenario(server: TinyServer) -> None:
        async with publishing(settings_for(tmp_path, port), outbox(tmp_path, 1)) as agent:
            agent.publisher.event(event)  # not connected: nobody would want it later
            await until(lambda: server.reports and not agent.box.unsettled())
            agent.publisher.event(event)
            await until(lambda: server.events)

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    assert server.events == [event]


def test_five_minutes_share_a_message_when_that_is_asked_for(tmp_path: Path) -> None:
    port = free_port()

    async def scenario(server: TinyServer) -> None:
        settings = replace(settings_for(tmp_path, port), report_minutes=5)
        async with publishing(settings, outbox(tmp_path)) as agent:
            await until(lambda: server.presences)
            for minute in range(11):
                agent.add(minute)
                await asyncio.sleep(0.1)
            await until(lambda: len(server.reports) == 2)
            await asyncio.sleep(0.3)

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    epoch = server.presences[0].epoch
    assert server.reports == [(epoch, 0, 5), (epoch, 5, 10)]


def test_the_agent_comes_back_after_the_broker_does(tmp_path: Path) -> None:
    port = free_port()

    async def scenario() -> None:
        box = outbox(tmp_path)
        async with publishing(settings_for(tmp_path, port), box) as agent:
            for minute in range(2):
                with mosquitto(tmp_path, port), TinyServer(port):
                    agent.add(minute)
                    await until(lambda: not box.unsettled())
                    assert agent.publisher.standing.connected
                await until(lambda: not agent.publisher.connected)
                assert agent.publisher.standing.problem

    run(scenario())


def test_a_broker_that_accepts_and_says_nothing_is_left_in_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        mute = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        port = mute.sockets[0].getsockname()[1]
        async with publishing(settings_for(tmp_path, port), outbox(tmp_path)) as agent:
            await until(lambda: agent.publisher.standing.problem, 300)
            assert "does not answer" in agent.publisher.standing.problem
        mute.close()

    run(scenario(), quick=True)


# --- TLS and websockets --------------------------------------------------------------------------------------------


def make_certificates(folder: Path, name: str) -> None:
    """An authority and a certificate of it for `name` (127.0.0.1 or another)."""
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("openssl is not installed")
    config = folder / "openssl.cnf"
    config.write_text(f"[v3]\nsubjectAltName = {name}\n")

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        "-subj",
        "/CN=test ca",
        "-days",
        "2",
    )
    openssl(
        "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "broker.key", "-out", "broker.csr", "-subj", "/CN=broker"
    )
    openssl(
        "x509",
        "-req",
        "-in",
        "broker.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-out",
        "broker.pem",
        "-days",
        "2",
        "-extfile",
        "openssl.cnf",
        "-extensions",
        "v3",
    )


def tls_lines(folder: Path) -> list[str]:
    return [f"certfile {folder}/broker.pem", f"keyfile {folder}/broker.key"]


@pytest.mark.parametrize("transport", ["tcp", "websockets"])
def test_over_tls_and_websockets_minutes_are_settled(tmp_path: Path, transport: str) -> None:
    make_certificates(tmp_path, "IP:127.0.0.1")
    plain, port = free_port(), free_port()
    listener = [f"listener {port} 127.0.0.1", *tls_lines(tmp_path)]
    listener += ["protocol websockets"] if transport == "websockets" else []

    async def scenario() -> None:
        box = outbox(tmp_path, 3 * BATCH_MINUTES)
        settings = settings_for(tmp_path, port, tls=True, ca_file=str(tmp_path / "ca.pem"), transport=transport)
        async with publishing(settings, box) as agent:
            await until(lambda: not box.unsettled())
            agent.add(500)
            await until(lambda: not box.unsettled())

    with mosquitto(tmp_path, plain, *listener), TinyServer(plain) as server:
        run(scenario())

    assert server.problems == []
    assert len(server.rows) == 3 * BATCH_MINUTES + 1


@pytest.mark.parametrize("problem", ["another authority", "another name"])
def test_a_certificate_that_is_not_the_brokers_is_refused(tmp_path: Path, problem: str) -> None:
    make_certificates(tmp_path, "IP:127.0.0.1" if problem == "another authority" else "DNS:elsewhere.test")
    ca_file = tmp_path / "ca.pem"
    if problem == "another authority":
        (tmp_path / "other").mkdir()
        make_certificates(tmp_path / "other", "IP:127.0.0.1")
        ca_file = tmp_path / "other" / "ca.pem"
    plain, port = free_port(), free_port()

    async def scenario() -> None:
        settings = settings_for(tmp_path, port, tls=True, ca_file=str(ca_file))
        async with publishing(settings, outbox(tmp_path, 1)) as agent:
            await until(lambda: agent.publisher.standing.problem)
            assert "certificate verify failed" in agent.publisher.standing.problem

    with (
        mosquitto(tmp_path, plain, f"listener {port} 127.0.0.1", *tls_lines(tmp_path)),
        TinyServer(plain) as server,
    ):
        run(scenario())

    assert (server.presences, server.reports) == ([], [])


# --- pure decisions ------------------------------------------------------------------------------------------------


@given(st.integers(-1, 10_000), st.integers())
def test_waiting_grows_and_stays_under_a_minute(failures: int, seed: int) -> None:
    found = wait_seconds(failures, random.Random(seed))

    assert min(2.0**failures if failures < 6 else 60, 60) / 2 <= found <= 60


def test_a_running_block_waits_and_whole_ones_go() -> None:
    assert whole_blocks([(2, 13)], 13, 5) == [(2, 10)]
    assert whole_blocks([(2, 13)], 13, 1) == [(2, 13)]


def test_a_report_waits_as_long_as_anything_of_it_is_unsettled() -> None:
    sent = [InFlight(0, 10, 1.0), InFlight(10, 20, 2.0), InFlight(20, 30, 3.0)]

    assert still_waiting(sent, [(5, 6), (20, 40)]) == [sent[0], sent[2]]
