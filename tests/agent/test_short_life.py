"""An agent that lived too short to save a minute leaves its mark on the disk: nobody says that it was off then."""

from __future__ import annotations

import asyncio
from pathlib import Path

from schoolbeat_agent.clock import Anchor
from schoolbeat_agent.observation import Run
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.recorder import to_raw
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import load
from schoolbeat_wire.catalogue import OFF_NAMES
from schoolbeat_wire.report import MinuteRow

M = 29_394_905
CONFIG = 'site = "s1"\nagent = "gateway"\nfolder = "{folder}"\n[broker]\nhost = "127.0.0.1"\nport = 1\ntls = false\n'


def started(folder: Path, boot: str, minute: int) -> Runner:
    """The agent, begun in that minute of a boot; it knows the time."""
    box = Outbox(folder / "outbox.sqlite", hardware="a" * 16, boot=boot)
    runner = Runner(load(folder / "agent.toml"), box, World(), version="t", boot_seconds=lambda: 40.0, unix=lambda: 0.0)
    runner.take_time(Anchor("trust", minute * 60.0 - 20))
    runner._executor.shutdown(wait=True)
    return runner


def off_of(runner: Runner) -> dict[int, str]:
    return {
        minute: OFF_NAMES[off.reason]
        for off in runner.recorder.told
        for minute in range(off.first_minute, off.first_minute + off.count)
    }


def saved(runner: Runner, minute: int) -> None:
    row = MinuteRow(0, minute, bytes([60] * len(runner.recorder.inventory.signals)))
    runner._box.keep_inventory(runner.recorder.inventory.revision, b"{}")
    runner._box.add(row, runner.recorder.inventory.revision, about_to_send=False)


def test_a_boot_that_lasted_a_minute_is_not_among_the_minutes_without_power(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(CONFIG.format(folder=tmp_path))
    first = started(tmp_path, "b" * 16, M - 1)
    saved(first, M)
    first._box.close()
    for boot, minute in (("c" * 16, M + 10), ("d" * 16, M + 15)):
        started(tmp_path, boot, minute)._box.close()

    last = started(tmp_path, "e" * 16, M + 20)

    off = off_of(last)
    assert sorted(off) == list(range(M + 1, M + 20))
    there = {minute for minute, reason in off.items() if reason == "interrupted"}
    assert there == {M + 1, M + 2, M + 10, M + 11, M + 15, M + 16}
    assert {off[minute] for minute in set(off) - there} == {"power"}
    last._box.close()


def test_a_run_that_ends_after_the_others_were_kept_is_kept_next_time_though_it_began_before(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text(CONFIG.format(folder=tmp_path))
    box = Outbox(tmp_path / "outbox.sqlite", hardware="a" * 16, boot="b" * 16)
    runner = Runner(
        load(tmp_path / "agent.toml"), box, World(), version="t", boot_seconds=lambda: 40.0, unix=lambda: 0.0,
        is_synchronised=lambda: False,
    )  # fmt: skip
    quick, slow, next_one = (
        Run(name, at, 1.0, None, "timeout") for name, at in (("a", 55.0), ("b", 50.0), ("c", 65.0))
    )

    async def work() -> None:
        runner.recorder.record(quick)
        await runner._keep_raw()
        runner.recorder.record(slow)
        runner.recorder.record(next_one)
        await runner._keep_raw()
        await runner._keep_raw()

    asyncio.run(work())
    runner._executor.shutdown(wait=True)

    assert box.raw() == [[to_raw(quick)], [to_raw(slow), to_raw(next_one)]]
    box.close()
