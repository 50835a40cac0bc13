"""What each fault does when it begins and when it ends, and the loop that lets them all happen at their time."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.faults.relay import Line
from tests.faults.schedule import SERVER, Fault
from tests.faults.world import PatternAgent, Round

Undo = Callable[[], None]


@dataclass(frozen=True)
class Happened:
    """A fault as it came about. Times are time.time()."""

    fault: Fault
    began: float
    ended: float


@dataclass
class Course:
    """What happened in a round."""

    counts: Counter[str] = field(default_factory=Counter)
    happened: list[Happened] = field(default_factory=list)


def _line(agent: PatternAgent) -> Line:
    assert agent.line is not None
    return agent.line


def kill_agent(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    if not agent.is_running():
        return None
    agent.kill()
    return agent.start


def stop_agent(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    if not agent.is_running():
        return None
    agent.thaw()
    agent.stop_politely()
    return agent.start


def freeze_agent(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    if not agent.is_running():
        return None
    agent.freeze()
    return agent.thaw


def power_cut(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    if not agent.is_running():
        return None
    agent.kill()

    def back() -> None:
        agent.reboot(secrets.token_hex(16))
        agent.start()

    return back


def clock_away(world: Round, agent: PatternAgent, amount: float) -> Undo | None:
    agent.set_clock(amount, synchronised=False)
    return lambda: agent.set_clock(0, synchronised=True)


def clock_step(world: Round, agent: PatternAgent, amount: float) -> Undo | None:
    agent.set_clock(amount, synchronised=True)
    return lambda: agent.set_clock(0, synchronised=True)


def cut_line(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    world.relay.cut(_line(agent))
    return lambda: world.relay.mend(_line(agent))


def forget_line(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    world.relay.forget(_line(agent))
    return lambda: world.relay.mend(_line(agent))


def hold_up(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    _line(agent).held.add("up")
    return lambda: _line(agent).held.discard("up")


def hold_down(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    _line(agent).held.add("down")
    return lambda: _line(agent).held.discard("down")


def _set(name: str) -> Callable[[Round, PatternAgent, float], Undo | None]:
    def begin(_world: Round, agent: PatternAgent, amount: float) -> Undo | None:
        setattr(_line(agent), name, amount)
        return lambda: setattr(_line(agent), name, 0.0)

    return begin


def _roughen(name: str) -> Callable[[Round, PatternAgent, float], Undo | None]:
    def begin(_world: Round, agent: PatternAgent, amount: float) -> Undo | None:
        rough = agent.rough
        if rough is None:
            return None
        setattr(rough, name, amount)
        return lambda: setattr(rough, name, 0.0)

    return begin


def replay_reports(world: Round, agent: PatternAgent, _amount: float) -> Undo | None:
    world.relay.replay(_line(agent))
    return lambda: None


def kill_server(world: Round) -> Undo | None:
    if not world.server.is_running():
        return None
    world.server.kill()
    return lambda: world.server.start(wait=False)


def freeze_server(world: Round) -> Undo | None:
    if not world.server.is_running():
        return None
    world.server.freeze()
    return world.server.thaw


def kill_broker(world: Round) -> Undo | None:
    return (lambda: None) if world.server.is_running() and world.server.kill_broker() else None


def wipe_broker(world: Round) -> Undo | None:
    return (lambda: None) if world.server.wipe_broker() else None


def freeze_broker(world: Round) -> Undo | None:
    pid = world.server.broker_pid() if world.server.is_running() else None
    if pid is None:
        return None
    os.kill(pid, signal.SIGSTOP)

    def thaw() -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    return thaw


def deafen_channel(world: Round) -> Undo | None:
    world.recipient.deaf = True

    def hear() -> None:
        world.recipient.deaf = False

    return hear


OF_AGENT: dict[str, Callable[[Round, PatternAgent, float], Undo | None]] = {
    "kill_agent": kill_agent,
    "stop_agent": stop_agent,
    "freeze_agent": freeze_agent,
    "power_cut": power_cut,
    "clock_away": clock_away,
    "clock_step": clock_step,
    "cut_line": cut_line,
    "forget_line": forget_line,
    "hold_up": hold_up,
    "hold_down": hold_down,
    "delay_line": _set("delay_seconds"),
    "repeat_reports": _set("repeat_share"),
    "mix_reports": _set("mix_share"),
    "lose_acks": _set("lost_acks_share"),
    "replay_reports": replay_reports,
    "lose_packets": _roughen("lose_share"),
    "delay_packets": _roughen("delay_seconds"),
    "mix_packets": _roughen("mix_share"),
    "repeat_packets": _roughen("repeat_share"),
}
OF_SERVER: dict[str, Callable[[Round], Undo | None]] = {
    "kill_server": kill_server,
    "freeze_server": freeze_server,
    "kill_broker": kill_broker,
    "wipe_broker": wipe_broker,
    "freeze_broker": freeze_broker,
    "deafen_channel": deafen_channel,
}


def begin(world: Round, fault: Fault) -> Undo | None:
    """None: it cannot happen just now, as who it would befall is not there."""
    if fault.victim == SERVER:
        return OF_SERVER[fault.kind](world)
    return OF_AGENT[fault.kind](world, world.agents[fault.victim], fault.amount)


def go_through(world: Round, faults: Sequence[Fault]) -> Course:
    """All of them at their times. Afterwards everything runs and every line is whole."""
    course, start = Course(), time.monotonic()
    waiting = sorted(faults, key=lambda fault: fault.at)
    pending: list[tuple[float, Undo, Fault, float]] = []
    while waiting or pending:
        now = time.monotonic() - start
        for entry in [entry for entry in pending if entry[0] <= now]:
            pending.remove(entry)
            entry[1]()
            course.happened.append(Happened(entry[2], entry[3], time.time()))
        while waiting and waiting[0].at <= now:
            fault = waiting.pop(0)
            busy = {(one.victim, one.kind) for _, _, one, _ in pending}
            undo = None if (fault.victim, fault.kind) in busy else begin(world, fault)
            if undo is not None:
                course.counts[fault.kind] += 1
                pending.append((fault.end, undo, fault, time.time()))
        time.sleep(0.02)
    return course
