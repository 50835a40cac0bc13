"""The server's digests: kept once a day, over restarts, bounded, and told by `status`."""

from __future__ import annotations

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.agent.broker import TinyServer, mosquitto
from tests.agent.test_publisher import outbox, publishing, run, until
from tests.ports import free_port

from schoolbeat_agent import standing
from schoolbeat_agent.proofs import MOST, OF_ONE_DAY, Proofs, added
from schoolbeat_agent.settings import build
from schoolbeat_wire import messages
from schoolbeat_wire.messages import Ack

ONE, OTHER, THIRD = "1" * 64, "2" * 64, "3" * 64


def test_a_proof_is_written_once_and_read_again_after_a_restart(tmp_path: Path) -> None:
    kept = Proofs(tmp_path)
    kept.take("2026-11-21", ONE)
    written = (tmp_path / "proofs").stat().st_mtime_ns
    kept.take("2026-11-21", ONE)
    same = (tmp_path / "proofs").stat().st_mtime_ns
    kept.take("2026-11-22", OTHER)

    again = Proofs(tmp_path)

    assert written == same
    assert again.lines == [f"2026-11-21 {ONE}", f"2026-11-22 {OTHER}"]
    assert again.newest == f"2026-11-22 {OTHER}"
    assert (tmp_path / "proofs").stat().st_mode & 0o777 == 0o600


def test_a_different_proof_of_one_day_is_kept_beside_the_first_and_a_third_is_not() -> None:
    lines = added(added([], "2026-11-21", ONE), "2026-11-21", OTHER)

    assert lines == [f"2026-11-21 {ONE}", f"2026-11-21 {OTHER}"]
    assert added(lines, "2026-11-21", THIRD) is lines


@given(st.lists(st.tuples(st.integers(1, 600), st.integers(0, 3)), max_size=900))
def test_however_many_come_only_the_last_ones_are_kept(told: list[tuple[int, int]]) -> None:
    lines: list[str] = []
    for day, variant in told:
        lines = added(lines, f"20{26 + day // 336}-{1 + day % 336 // 28:02}-{1 + day % 28:02}", str(variant) * 64)

    days = [line.split()[0] for line in lines]

    assert len(lines) <= MOST
    assert all(days.count(day) <= OF_ONE_DAY for day in days)


def test_a_damaged_file_and_a_disk_that_takes_nothing_stop_nobody(tmp_path: Path) -> None:
    (tmp_path / "proofs").write_bytes(b"\xff\x00nonsense\n2026-11-20 " + ONE.encode() + b"\n2026-11-21 short\n")
    kept = Proofs(tmp_path)
    lost = Proofs(tmp_path / "nowhere")

    kept.take("2026-11-21", OTHER)
    lost.take("2026-11-21", OTHER)

    assert Proofs(tmp_path).lines == [f"2026-11-20 {ONE}", f"2026-11-21 {OTHER}"]
    assert lost.lines == []


def test_a_proof_in_an_ack_is_kept_and_one_of_a_strange_server_is_not(tmp_path: Path) -> None:
    port = free_port()
    table = {"site": "th-thu", "folder": str(tmp_path), "broker": {"host": "127.0.0.1", "port": port, "tls": False}}
    settings = build(table, tmp_path / "agent.toml")

    async def scenario(server: TinyServer) -> None:
        box = outbox(tmp_path, 1)
        async with publishing(settings, box) as agent:
            await until(lambda: not box.unsettled())
            for name, day, digest in (("0" * 16, "2026-11-20", ONE), (server.name, "2026-11-21", OTHER)):
                ack = Ack(name, int(time.time() * 1000), box.epoch, [(0, 1)], proof_day=day, proof=digest)
                server.say("ack", messages.encode(ack))
            await until(lambda: agent.publisher.proofs.lines)

    with mosquitto(tmp_path, port), TinyServer(port) as server:
        run(scenario(server))

    assert Proofs(tmp_path).lines == [f"2026-11-21 {OTHER}"]


def test_status_shows_the_newest() -> None:
    said = standing._LINES["proof"].say("vi", day="2026-11-21", digest=ONE)

    assert said == f"✓ mã tổng của máy chủ ngày 2026-11-21: {ONE}"
