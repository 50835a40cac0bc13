"""What a device tells by SNMP: its uptime, ports, processor, memory, storage, and what its family's profile knows."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.tcp import family_of
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.snmp import host_resources, interfaces, profile, rates, system
from schoolbeat_agent.snmp.profile import Profile
from schoolbeat_agent.snmp.rates import Count, PortSample, Stamp
from schoolbeat_agent.snmp.rows import Rows, Value
from schoolbeat_agent.snmp.session import (
    PORT,
    REPETITIONS,
    TOGETHER,
    Habits,
    Patience,
    Session,
    SnmpFailed,
    opened,
    why_silent,
)
from schoolbeat_agent.snmp.subject import below
from schoolbeat_agent.snmp.walk import walk
from schoolbeat_agent.watch import Watch, of

TIMEOUT_SECONDS: Final = 25.0
RUN_SECONDS: Final = 20.0  # nothing more is asked after; what is known by then is told
TABLE_SECONDS: Final = 3_600.0  # how long names, indices and families are believed
AGAIN_SECONDS: Final = 600.0  # when a device did not tell all of them
SPREAD_SECONDS: Final = 600  # by which devices differ in it
ROWS_MOST: Final = 1_024  # of a column: a port table beyond it is not reported
COUNTED_PORTS_MOST: Final = 256  # beyond, the errors and discards of all ports are too many questions for each minute
READINGS_MOST: Final = 64
NOT_TOLD: Final = -1
GENERAL: Final = ("net_snmp",)  # families of software agents; their processor and memory are coarser than the standard
PORT_READINGS: Final = ("rx_bps", "tx_bps", "port_speed_bps")
EVERY_SECONDS: Final = 60
UPS_EVERY_SECONDS: Final = 30


@dataclass(frozen=True)
class SnmpTarget:
    """credential: None where secrets.toml has no entry of that name. decides: whether the device's signal is its."""

    id: str
    address: str
    entry: str
    credential: Credential | None = field(repr=False)
    decides: bool = True
    port: int = PORT
    interfaces: tuple[str, ...] = ()
    patience: tuple[float, int] = (3.0, 3)  # seconds of a try, tries

    @property
    def subject(self) -> str:
        return f"device.{self.id}"


@dataclass
class Learnt:
    """What changes seldom; read again after a restart of the device, and every hour."""

    until: float
    said: tuple[str, str]  # sysDescr, sysObjectID
    profiles: tuple[Profile, ...] = ()
    ports: tuple[int, ...] = ()  # ifIndex
    reported: Mapping[str, int] = field(default_factory=dict)  # subject -> ifIndex
    gets: tuple[str, ...] = ()
    walks: tuple[str, ...] = ()
    still: dict[str, Value] = field(default_factory=dict)


def _no_counts() -> array[int]:
    return array("q")


@dataclass
class Known:
    """Of one device, between runs."""

    habits: Habits = field(default_factory=Habits)
    learnt: Learnt | None = None
    uptime_oid: str = ""
    stamp: Stamp | None = None
    ports: dict[str, PortSample] = field(default_factory=dict)
    errors: array[int] = field(default_factory=_no_counts)  # in the order of `_error_columns`, NOT_TOLD where unknown
    errors_of: tuple[int, ...] = ()  # ifIndex


def watches(settings: Settings) -> list[Watch]:
    """Each device that names an entry to read SNMP with, or whose signal SNMP decides."""
    out = []
    for device in settings.devices:
        decides = device.ask == "snmp"
        entry = device.snmp or (device.credential if decides else "")
        if not (decides or entry):
            continue
        target = SnmpTarget(
            device.id,
            device.address,
            entry,
            settings.credential(entry),
            decides,
            device.port if decides and device.port else PORT,
            device.interfaces,
        )
        subject = target.subject
        ports = [pair for name in device.interfaces for pair in of(below(subject, name), *PORT_READINGS)]
        out.append(
            Watch(
                "snmp",
                target,
                (subject,) if decides else (),
                (*of(subject, "uptime_seconds"), *ports),
                every_seconds=UPS_EVERY_SECONDS if device.kind == "ups" else EVERY_SECONDS,
                timeout_seconds=TIMEOUT_SECONDS,
                learns=True,
                about="" if decides else subject,
            )
        )
    return out


async def probe(target: SnmpTarget, world: World) -> Observation:
    """Up when anything comes back. Not to be asked, or a part of it not: what is known is told, the rest left out."""
    if target.credential is None:
        raise ProbeFailed("not_configured", f"secrets.toml has no entry {target.entry!r}; write one for SNMP")
    family_of(target.address)
    known: Known = world.memory.of_probe.setdefault(f"snmp {target.subject}", Known())
    patience = Patience(world.monotonic() + RUN_SECONDS, *target.patience)
    try:
        session = await opened(
            target.address,
            target.credential,
            known.habits,
            patience,
            port=target.port,
            monotonic=world.monotonic,
        )
        hello = await _hello(session)
    except SnmpFailed as failed:
        return _down(target, await why_silent(failed, target.address, target.port, target.credential, patience))
    return await _told(target, world, known, session, hello)


def _down(target: SnmpTarget, failed: SnmpFailed) -> Observation:
    if failed.cause in ("not_configured", "not_installed", "internal") or not target.decides:
        raise ProbeFailed(failed.cause, f"{target.address}: {failed.detail}")
    signal = target.subject
    return Observation({signal: State.DOWN}, {}, {signal: failed.cause}, {signal: f"SNMP: {failed.detail}"})


async def _hello(session: Session) -> dict[str, Value]:
    """The system group; an answer without one of it is an answer too."""
    asked = [oid for oid in system.ASKED if oid not in session.habits.absent] or [system.SYS_DESCR]
    return await session.together(asked) or await session.get(asked)


async def _told(
    target: SnmpTarget, world: World, known: Known, session: Session, hello: dict[str, Value]
) -> Observation:
    at, subject = world.monotonic(), target.subject
    said = system.parse(hello)
    learnt = known.learnt
    if learnt is None or at >= learnt.until or learnt.said != said[:2] or _restarted(known, said):
        learnt = known.learnt = await _learn(target, session, known, hello, at)
    before, known.stamp = known.stamp, Stamp(at, said.uptime)
    rows: dict[str, Value] = {**learnt.still, **hello}
    readings: dict[tuple[str, str], float] = {}
    if said.uptime is not None:
        readings[subject, "uptime_seconds"] = said.uptime / 100
    statuses, errors = await _port_columns(session, learnt)
    if (up := interfaces.up_count(statuses)) is not None:
        readings[subject, "ports_up"] = up
    readings |= _errors(known, before, learnt, errors, subject)
    readings |= await _traffic(session, known, learnt, said.uptime_oid, world.monotonic)
    rows |= await _vendor_rows(session, learnt)
    readings |= _vendor_readings(learnt.profiles, rows, subject)
    model = profile.model(learnt.profiles, rows) or said.descr
    states = {subject: State.UP} if target.decides else {}
    return Observation(
        states, dict(list(readings.items())[:READINGS_MOST]), {}, {subject: f"SNMP {model[:60]}".strip()}
    )


def _vendor_readings(profiles: tuple[Profile, ...], rows: Rows, subject: str) -> dict[tuple[str, str], float]:
    """The device's own family knows best, then the standard tables, then what any agent of a software maker has."""
    general = [each for each in profiles if each.family in GENERAL]
    own = [each for each in profiles if each.family not in GENERAL]
    return {
        **profile.readings(general, rows, subject),
        **host_resources.readings(rows, subject),
        **profile.readings(own, rows, subject),
    }


def _restarted(known: Known, said: system.System) -> bool:
    stamp = known.stamp
    return stamp is not None and stamp.uptime is not None and said.uptime is not None and said.uptime < stamp.uptime


async def _learn(target: SnmpTarget, session: Session, known: Known, hello: Rows, at: float) -> Learnt:
    """Names, indices and families. What the device does not tell whole is tried again sooner."""
    session.habits.absent.intersection_update(system.ASKED)
    session.habits.repetitions, session.habits.together = REPETITIONS, TOGETHER
    said = system.parse(hello)
    learnt = Learnt(at + TABLE_SECONDS + zlib.crc32(target.id.encode()) % SPREAD_SECONDS, said[:2])
    table: dict[str, Value] = {}
    whole = [await _part(session, table, walks=(root,)) for root in interfaces.NAMES]
    if all(whole):
        ports = interfaces.parse(table)
        learnt.ports = tuple(port.index for port in ports)
        learnt.reported = interfaces.chosen(ports, target.interfaces, target.subject)
    standard: dict[str, Value] = {}
    whole += [await _part(session, standard, walks=(root,)) for root in host_resources.WALKS]
    whole.append(await _part(session, standard, gets=host_resources.GETS))
    candidates = profile.matching(said.object_id, said.descr)
    found: dict[str, Value] = dict(hello)
    proofs = [each.present for each in candidates if each.present]
    whole.append(await _part(session, found, gets=proofs))
    learnt.profiles = profile.confirmed(candidates, found)
    for each in learnt.profiles:
        whole.append(await _part(session, found, gets=each.identity))
        whole += [await _part(session, found, walks=(root,)) for root in each.slow]
    moving = tuple(f"{root}." for root in (*host_resources.MOVING, *host_resources.GETS))
    learnt.still = {oid: value for oid, value in standard.items() if not oid.startswith(moving)} | found
    learnt.still = {oid: value for oid, value in learnt.still.items() if oid not in (*hello, *host_resources.GETS)}
    learnt.gets = tuple(
        dict.fromkeys(
            [
                *(oid for oid in standard if oid.startswith(moving) or oid in host_resources.GETS),
                *(oid for each in learnt.profiles for oid in each.gets),
            ]
        )
    )
    slow = {root for each in learnt.profiles for root in each.slow}
    learnt.walks = tuple(dict.fromkeys(root for each in learnt.profiles for root in each.walks if root not in slow))
    if not all(whole):
        learnt.until = at + AGAIN_SECONDS
    return learnt


async def _part(
    session: Session, into: dict[str, Value], *, gets: list[str] | tuple[str, ...] = (), walks: tuple[str, ...] = ()
) -> bool:
    """Whether it was told whole; a part is left out."""
    try:
        if gets:
            into |= await session.get(gets)
        for root in walks:
            into |= await walk(session, root, rows_most=ROWS_MOST, deadline=float("inf"))
    except SnmpFailed:
        return False
    return True


def _error_columns(learnt: Learnt) -> list[str]:
    return [f"{column}.{index}" for index in learnt.ports for column in (*interfaces.ERRORS, *interfaces.DISCARDS)]


async def _port_columns(session: Session, learnt: Learnt) -> tuple[Rows, Rows | None]:
    """(status of every port; errors and discards), by GET of what is known to be there."""
    statuses: dict[str, Value] = {}
    errors: dict[str, Value] = {}
    if not await _part(session, statuses, gets=[f"{interfaces.IF_OPER_STATUS}.{index}" for index in learnt.ports]):
        return {}, None
    if len(learnt.ports) > COUNTED_PORTS_MOST:
        return statuses, None
    return statuses, errors if await _part(session, errors, gets=_error_columns(learnt)) else None


def _errors(
    known: Known, before: Stamp | None, learnt: Learnt, found: Rows | None, subject: str
) -> dict[tuple[str, str], float]:
    """Packets in error and discarded since the last run, over all ports; left out where one port is in doubt."""
    asked = _error_columns(learnt)
    told = [found.get(oid) if found is not None else None for oid in asked]
    now = array("q", (value if isinstance(value, int) and 0 <= value < 2**32 else NOT_TOLD for value in told))
    last, same = known.errors, known.errors_of == learnt.ports
    known.errors, known.errors_of = now, learnt.ports
    seconds = rates.seconds_between(before, known.stamp) if before and known.stamp else None
    if seconds is None or not same or found is None or len(last) != len(now):
        return {}
    grown = [
        (oid, rates.packets_between(_count(one), _count(other), seconds, None))
        for oid, one, other in zip(asked, last, now, strict=True)
        if one != NOT_TOLD or other != NOT_TOLD
    ]
    out: dict[tuple[str, str], float] = {}
    for reading, columns in (("port_errors", interfaces.ERRORS), ("port_discards", interfaces.DISCARDS)):
        roots = tuple(f"{column}." for column in columns)
        parts = [increase for oid, increase in grown if oid.startswith(roots)]
        counted = [part for part in parts if part is not None]
        if parts and len(counted) == len(parts):
            out[subject, reading] = sum(counted)
    return out


def _count(value: int) -> Count | None:
    return None if value == NOT_TOLD else Count(value, 32)


async def _traffic(
    session: Session, known: Known, learnt: Learnt, uptime_oid: str, monotonic: Callable[[], float]
) -> dict[tuple[str, str], float]:
    """Rates and speed of the ports that are reported, each from one answer with the device's own clock in it."""
    out: dict[tuple[str, str], float] = {}
    samples: dict[str, PortSample] = {}
    clock = [uptime_oid] if uptime_oid else []
    for subject, index in learnt.reported.items():
        asked = [*clock, *(f"{column}.{index}" for column in interfaces.TRAFFIC)]
        there = [oid for oid in asked if oid not in session.habits.absent]
        try:
            rows: Rows = await session.together(there)
            if not rows:
                await session.get(there)  # finds out what made the agent refuse; the next run asks without it
        except SnmpFailed:
            continue
        uptime = system.uptime(rows, uptime_oid) if uptime_oid else None
        samples[subject] = now = interfaces.sample(rows, index, monotonic(), uptime)
        if now.speed_bps is not None:
            out[subject, "port_speed_bps"] = now.speed_bps
        if subject in known.ports:
            rx_bps, tx_bps = rates.octet_rates(known.ports[subject], now)
            out |= {
                (subject, reading): value
                for reading, value in (("rx_bps", rx_bps), ("tx_bps", tx_bps))
                if value is not None
            }
    known.ports = samples
    return out


async def _vendor_rows(session: Session, learnt: Learnt) -> dict[str, Value]:
    rows: dict[str, Value] = {}
    await _part(session, rows, gets=learnt.gets)
    for root in learnt.walks:
        await _part(session, rows, walks=(root,))
    return rows
