"""A seat from its turn to its verdict: may it be tried, join, sit, leave, and what that says of the Wi-Fi."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.path import parse_default_route
from schoolbeat_agent.probes.wifi_seat import IW_SECONDS, SeatTarget
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.wifi import link, seat
from schoolbeat_agent.wifi.joining import Network, Programs, joined
from schoolbeat_agent.wifi.radio import is_there, radio_lock
from schoolbeat_agent.wifi.seat import Steps
from schoolbeat_agent.wifi.ssid import signal_of
from schoolbeat_agent.wifi.turns import is_turn


@dataclass
class Turn:
    """What is remembered of a seat: when it was last tried, and why it could not be."""

    at: float | None = None
    failed: ProbeFailed | None = None


def judge(signal: str, steps: Steps, line_is_down: bool) -> Observation:
    """Up when a seat could use it. Broken off beyond the school while the line is down, the Wi-Fi is not seen."""
    readings = {(signal, name): value for name, value in steps.values.items()}
    notes = {signal: steps.detail} if steps.detail else {}
    if not steps.cause:
        return Observation({signal: State.UP}, readings, {}, notes)
    if steps.is_beyond and line_is_down:
        return Observation({signal: State.UNSEEN}, readings, {}, {signal: f"the line is down: {steps.detail}"})
    return Observation({signal: State.DOWN}, readings, {signal: steps.cause}, notes)


def check(target: SeatTarget, world: World) -> None:
    """ProbeFailed where this must not or cannot be tried."""
    if target.problem or target.windows:
        raise ProbeFailed("not_configured", target.problem or "seats are tried on Linux only")
    route = parse_default_route(read_text(world.proc / "net" / "route") or "")
    if route is not None and route.interface == target.radio:
        detail = f"wifi.radio = {target.radio} is this machine's own way to the Internet; a seat needs a second radio"
        raise ProbeFailed("not_configured", detail)
    if not is_there(target.radio):
        raise ProbeFailed("no_radio", f"wifi.radio = {target.radio}: there is no such interface; `iw dev` lists radios")


async def try_seat(target: SeatTarget, world: World) -> Steps:
    """Join, sit, leave."""
    network = Network(target.radio, target.ssid, target.password)
    programs = Programs(target.nmcli, target.wpa_supplicant, target.driver)
    started = world.monotonic()
    try:
        async with joined(network, programs, target.join_seconds):
            join_ms = (world.monotonic() - started) * 1_000
            signal_dbm = await signal_of_link(target)
            steps = await seat.sit(target.radio, target.url, world, target.lease_seconds)
    except NoAnswer as no:
        return Steps({}, no.cause, no.detail)
    steps.values["join_ms"] = join_ms
    if signal_dbm is not None:
        steps.values["signal_dbm"] = signal_dbm
    return steps


async def signal_of_link(target: SeatTarget) -> float | None:
    with contextlib.suppress(ProbeFailed):
        found = link.parse((await output_of([target.iw, "dev", target.radio, "link"], IW_SECONDS)).text)
        return found.signal_dbm if found else None
    return None


async def seen_from(target: SeatTarget, world: World) -> Observation:
    """wifi.<ssid> when it is its turn; else nothing, or again why it cannot be tried. ProbeFailed."""
    check(target, world)
    signal = signal_of(target.ssid.encode())
    turn: Turn = world.memory.of_probe.setdefault(f"wifi_seat {signal}", Turn())
    lock = radio_lock(world)
    since_seconds = None if turn.at is None else world.monotonic() - turn.at
    is_first = turn.at is None  # at the start, and for a technician's `once`, all that are tried wait for one another
    if not is_turn(world.lessons, world.unix(), since_seconds, target.every_seconds) or (
        lock.locked() and not is_first
    ):
        if turn.failed is not None:
            raise ProbeFailed(turn.failed.cause, turn.failed.detail)  # the same trouble, until it is its turn again
        return Observation()
    async with lock:
        turn.at, turn.failed = world.monotonic(), None
        try:
            steps = await try_seat(target, world)
        except ProbeFailed as failed:
            turn.failed = failed
            raise
    line = world.memory.sight.signals.get("line.internet")
    return judge(signal, steps, line is not None and line.state is State.DOWN)
