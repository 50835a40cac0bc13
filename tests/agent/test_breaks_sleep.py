"""A machine that sleeps in the middle of a run, or an agent that is stopped there, has measured nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from schoolbeat_agent.observation import Run
from schoolbeat_agent.probes.tcp import TcpTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import measure
from schoolbeat_agent.watch import Watch


def measured(ends_after: float) -> Run:
    """A device that refuses, by a clock of our own."""
    watch = Watch("tcp", TcpTarget("board", "127.0.0.1", 1), ("device.board",), ())
    clock: Iterator[float] = iter([100.0, 100.0 + ends_after])
    return asyncio.run(measure(watch, World(), 8.5, lambda: next(clock)))


@pytest.mark.parametrize("seconds", [80.0, 180.0, 40_000.0])
def test_a_run_with_a_sleep_in_it_says_nothing_of_the_device(seconds: float) -> None:
    run = measured(seconds)

    assert (run.observation, run.failure) == (None, "hung")


def test_a_run_that_took_its_time_says_what_it_saw() -> None:
    run = measured(9.0)

    assert run.observation is not None
    assert run.failure is None
