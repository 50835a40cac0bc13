"""Could a pupil's seat use the school's Wi-Fi? A second radio joins, gets an address, a name, a page, and leaves."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.lessons import is_exam_day, is_lesson, local
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.path import parse_default_route
from schoolbeat_agent.probes.wifi_heard import is_there, radio_lock
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.settings import Lessons, Settings
from schoolbeat_agent.watch import Watch, of
from schoolbeat_agent.wifi import link, seat
from schoolbeat_agent.wifi.joining import Network, Programs, joined
from schoolbeat_agent.wifi.seat import Steps
from schoolbeat_agent.wifi.ssid import signal_of
from schoolbeat_wire.catalogue import SIGNAL_KINDS

READINGS: Final = ("join_ms", "dhcp_ms", "dns_ms", "rtt_ms", "http_ms", "signal_dbm")
TICK_SECONDS: Final = 90  # how often it is looked whether it is the seat's turn
SLACK_SECONDS: Final = 15  # the runner begins a run a little sooner or later
TIMEOUT_SECONDS: Final = 150.0
JOIN_SECONDS: Final = 40.0
IW_SECONDS: Final = 5.0
HOLD_SECONDS: Final = SIGNAL_KINDS["wifi."].hold_seconds
PROGRAMS: Final = Programs()
EARLY_MINUTES: Final = 14  # before the day's first lesson: so long holds a word, and it should hold in the lesson


@dataclass(frozen=True)
class SeatTarget:
    """One network, joined with one radio. credential: the entry of secrets.toml; `password` is from it."""

    radio: str
    ssid: str
    url: str
    every_seconds: float = 900
    password: str = field(default="", repr=False)
    problem: str = ""  # why this cannot be asked, found in the settings
    programs: Programs = PROGRAMS
    iw: str = "iw"
    join_seconds: float = JOIN_SECONDS
    lease_seconds: float = seat.LEASE_SECONDS
    windows: bool = sys.platform == "win32"


@dataclass
class Turn:
    """What is remembered of a seat: when it was last tried, and why it could not be."""

    at: float | None = None
    failed: ProbeFailed | None = None


def watches(settings: Settings) -> list[Watch]:
    """One of each network that is tried."""
    wifi = settings.wifi
    credential = settings.credential(wifi.credential)
    problem = ""
    if not wifi.radio:
        problem = "wifi.seats needs wifi.radio: the name of a second Wi-Fi interface"
    elif wifi.credential and credential is None:
        problem = f"wifi.credential = {wifi.credential!r}: secrets.toml has no such entry"
    elif credential is not None and credential.username:
        problem = "networks with user names (802.1X) are not tried; give a credential with a password only"
    password = credential.password if credential else ""
    out = []
    for ssid in wifi.seats:
        signal = signal_of(ssid.encode())
        target = SeatTarget(wifi.radio, ssid, wifi.url, wifi.seat_minutes * 60, password, problem)
        out.append(
            Watch("wifi_seat", target, (signal,), of(signal, *READINGS), TICK_SECONDS, TIMEOUT_SECONDS),
        )
    return out


def is_turn(lessons: Lessons, unix: float | None, since_seconds: float | None, every_seconds: float) -> bool:
    """Whether a seat is tried now, `since_seconds` after the last time (None: never yet).

    Without lesson hours or without time: as often as is asked. With them only while school is on, from shortly before
    the first lesson to the end of the last, and not on exam days; sooner in a break; in a lesson as late as the last
    word allows if a break comes before.
    """
    is_due = since_seconds is None or since_seconds + TICK_SECONDS + SLACK_SECONDS > every_seconds
    if unix is None or not lessons.week:
        return is_due
    if is_exam_day(lessons, unix) or not is_school(lessons, unix):
        return False
    if since_seconds is None:
        return True
    if not is_lesson(lessons, unix):
        return is_due or since_seconds >= every_seconds / 2
    at_break = since_seconds + seconds_to_break(lessons, unix) + TICK_SECONDS + SLACK_SECONDS
    return is_due and at_break > HOLD_SECONDS


def is_school(lessons: Lessons, unix: float) -> bool:
    """From EARLY_MINUTES before the day's first lesson to the end of its last."""
    now = local(unix)
    minute = now.hour * 60 + now.minute
    today = [(first, end) for day, first, end in lessons.week if day == now.weekday()]
    return bool(today) and min(today)[0] - EARLY_MINUTES <= minute < max(end for _, end in today)


def seconds_to_break(lessons: Lessons, unix: float) -> float:
    """Until the lesson that is on ends, and another that follows without a break."""
    now = local(unix)
    minute = until = now.hour * 60 + now.minute
    for first, end in sorted((first, end) for day, first, end in lessons.week if day == now.weekday()):
        if first <= until < end:
            until = end
    return (until - minute) * 60.0 - now.second


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
    started = world.monotonic()
    try:
        async with joined(network, target.programs, target.join_seconds):
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


async def probe(target: SeatTarget, world: World) -> Observation:
    """wifi.<ssid> when it is its turn; else nothing, or again why it cannot be tried. ProbeFailed."""
    check(target, world)
    signal = signal_of(target.ssid.encode())
    turn: Turn = world.memory.of_probe.setdefault(f"wifi_seat {signal}", Turn())
    now = world.monotonic()
    since_seconds = None if turn.at is None else now - turn.at
    lock = radio_lock(world)
    if not is_turn(world.lessons, world.unix(), since_seconds, target.every_seconds) or lock.locked():
        if turn.failed is not None:
            raise ProbeFailed(turn.failed.cause, turn.failed.detail)  # the same trouble, until it is its turn again
        return Observation()
    async with lock:
        turn.at, turn.failed = now, None
        try:
            steps = await try_seat(target, world)
        except ProbeFailed as failed:
            turn.failed = failed
            raise
    line = world.memory.sight.signals.get("line.internet")
    return judge(signal, steps, line is not None and line.state is State.DOWN)
