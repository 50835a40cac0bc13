"""One device over the rounds: what is learnt of it seldom, what it is asked each round, and what comes of that."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from schoolbeat_agent.snmp import host_resources, interfaces, profile, rates, system
from schoolbeat_agent.snmp.profile import Profile
from schoolbeat_agent.snmp.rates import Count, Flow, PortSample, Stamp
from schoolbeat_agent.snmp.rows import Rows, Value
from schoolbeat_agent.snmp.session import REPETITIONS, TOGETHER, Habits, Session, SnmpFailed
from schoolbeat_agent.snmp.walk import walk

TABLE_SECONDS: Final = 3_600.0  # how long names, indices and families are believed
AGAIN_SECONDS: Final = 600.0  # when a device did not tell all of them
SPREAD_SECONDS: Final = 600  # by which devices differ in it
ERRORS_SECONDS: Final = 50.0  # between looks at errors and discards: a minute's, though it may be asked oftener
ROWS_MOST: Final = 1_024  # of a column: a port table beyond it is not reported
COUNTED_PORTS_MOST: Final = 256  # beyond, the errors and discards of all ports are too many questions for each minute
READINGS_MOST: Final = 128
NOT_TOLD: Final = -1
HELLO: Final = (*system.ASKED, *interfaces.SHAPE)  # what a run begins with
GENERAL: Final = ("net_snmp",)  # families of software agents; their processor and memory are coarser than the standard


@dataclass
class Learnt:
    """What changes seldom; read again after a restart of the device, and every hour."""

    at: float
    until: float
    said: tuple[str, str]  # sysDescr, sysObjectID
    shape: tuple[Value | None, ...]  # of interfaces.SHAPE
    profiles: tuple[Profile, ...] = ()
    ports: tuple[int, ...] = ()  # ifIndex
    reported: Mapping[str, tuple[int, str]] = field(default_factory=dict)  # subject -> (ifIndex, its name)
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
    stamp: Stamp | None = None
    ports: dict[str, PortSample] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)  # the last, of each port that is reported
    errors_at: Stamp | None = None
    errors: array[int] = field(default_factory=_no_counts)  # in the order of `_error_columns`, NOT_TOLD where unknown
    errors_of: tuple[int, ...] = ()  # ifIndex


class Told(NamedTuple):
    """(subject, reading) -> value, and what it calls itself, "" if nothing."""

    readings: dict[tuple[str, str], float]
    model: str


async def told(session: Session, known: Known, hello: Rows, subject: str, wanted: Sequence[str]) -> Told:
    """One round, after the answer to HELLO. wanted: names of ports whose rates are reported."""
    at = session.monotonic()
    said = system.parse(hello)
    learnt = known.learnt
    if learnt is None or _is_old(learnt, hello, said, at) or _restarted(known, said):
        learnt = known.learnt = await _learn(session, hello, at, subject, wanted)
    known.stamp = Stamp(at, said.uptime)
    rows: dict[str, Value] = {**learnt.still, **hello}
    readings: dict[tuple[str, str], float] = {}
    if said.uptime is not None:
        readings[subject, "uptime_seconds"] = said.uptime / 100
    if (up := interfaces.up_count(await _statuses(session, learnt))) is not None:
        readings[subject, "ports_up"] = up
    if known.errors_at is None or at - known.errors_at.at > ERRORS_SECONDS:
        readings |= _errors(known, known.stamp, learnt, await _error_counts(session, learnt), subject)
    readings |= await _traffic(session, known, learnt, said.uptime_oid)
    rows |= await _vendor_rows(session, learnt)
    readings |= _vendor_readings(learnt.profiles, rows, subject)
    model = profile.model(learnt.profiles, rows) or said.descr
    return Told(dict(list(readings.items())[:READINGS_MOST]), model)


def _vendor_readings(profiles: tuple[Profile, ...], rows: Rows, subject: str) -> dict[tuple[str, str], float]:
    """The device's own family knows best, then the standard tables, then what any agent of a software maker has."""
    general = [each for each in profiles if each.family in GENERAL]
    own = [each for each in profiles if each.family not in GENERAL]
    return {
        **profile.readings(general, rows, subject),
        **host_resources.readings(rows, subject),
        **profile.readings(own, rows, subject),
    }


def _is_old(learnt: Learnt, hello: Rows, said: system.System, at: float) -> bool:
    """Another device, or other ports: these not too often, for devices that change theirs all the time."""
    other_ports = _shape(hello) != learnt.shape and at - learnt.at >= AGAIN_SECONDS
    return at >= learnt.until or learnt.said != said[:2] or other_ports


def _shape(hello: Rows) -> tuple[Value | None, ...]:
    return tuple(hello.get(oid) for oid in interfaces.SHAPE)


def _restarted(known: Known, said: system.System) -> bool:
    stamp = known.stamp
    return stamp is not None and stamp.uptime is not None and said.uptime is not None and said.uptime < stamp.uptime


async def _learn(session: Session, hello: Rows, at: float, subject: str, wanted: Sequence[str]) -> Learnt:
    """Names, indices and families. What the device does not tell whole is tried again sooner."""
    session.habits.absent.intersection_update(HELLO)
    session.habits.repetitions, session.habits.together = REPETITIONS, TOGETHER
    said = system.parse(hello)
    until = at + TABLE_SECONDS + zlib.crc32(subject.encode()) % SPREAD_SECONDS
    learnt = Learnt(at, until, said[:2], _shape(hello))
    table: dict[str, Value] = {}
    whole = [await _part(session, table, walks=(root,)) for root in interfaces.NAMES]
    if all(whole):
        ports = interfaces.parse(table)
        learnt.ports = tuple(port.index for port in ports)
        chosen = interfaces.chosen(ports, wanted, subject)
        learnt.reported = {part: (port.index, port.called) for part, port in chosen.items()}
        whole.append(not interfaces.missing(ports, wanted))  # a dialled port comes and goes
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


async def _statuses(session: Session, learnt: Learnt) -> Rows:
    """By GET of what is known to be there."""
    found: dict[str, Value] = {}
    whole = await _part(session, found, gets=[f"{interfaces.IF_OPER_STATUS}.{index}" for index in learnt.ports])
    return found if whole else {}


async def _error_counts(session: Session, learnt: Learnt) -> Rows | None:
    found: dict[str, Value] = {}
    if len(learnt.ports) > COUNTED_PORTS_MOST or not await _part(session, found, gets=_error_columns(learnt)):
        return None
    return found


def _errors(
    known: Known, stamp: Stamp, learnt: Learnt, found: Rows | None, subject: str
) -> dict[tuple[str, str], float]:
    """Packets in error and discarded since they were last counted, over all ports; none where one port is in doubt."""
    asked = _error_columns(learnt)
    told = [found.get(oid) if found is not None else None for oid in asked]
    now = array("q", (value if isinstance(value, int) and 0 <= value < 2**32 else NOT_TOLD for value in told))
    last, before, same = known.errors, known.errors_at, known.errors_of == learnt.ports
    known.errors, known.errors_at, known.errors_of = now, stamp, learnt.ports
    seconds = rates.seconds_between(before, stamp) if before else None
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


async def _traffic(session: Session, known: Known, learnt: Learnt, uptime_oid: str) -> dict[tuple[str, str], float]:
    """Rates and speed of the ports that are reported, each from one answer with the device's own clock in it."""
    out: dict[tuple[str, str], float] = {}
    samples: dict[str, PortSample] = {}
    flows: dict[str, Flow] = {}
    clock = [uptime_oid] if uptime_oid else []
    for subject, (index, name) in learnt.reported.items():
        asked = [*clock, *(f"{column}.{index}" for column in (*interfaces.CALLED, *interfaces.TRAFFIC))]
        there = [oid for oid in asked if oid not in session.habits.absent]
        try:
            rows: Rows = await session.together(there)
            if not rows:
                await session.get(there)  # finds out what made the agent refuse; the next run asks without it
        except SnmpFailed:
            continue
        if not rows:
            continue
        if interfaces.called(rows, index) != name:  # another port took its index, as dialled ones do
            learnt.until = 0.0
            continue
        uptime = system.uptime(rows, uptime_oid) if uptime_oid else None
        samples[subject] = now = interfaces.sample(rows, index, session.monotonic(), uptime)
        if now.speed_bps is not None:
            out[subject, "port_speed_bps"] = now.speed_bps
        if subject in known.ports and (flow := rates.flow_between(known.ports[subject], now)) is not None:
            flows[subject] = flow
            both = zip(("rx_bps", "tx_bps"), rates.of_a_minute(known.flows.get(subject), flow), strict=True)
            out |= {(subject, reading): value for reading, value in both if value is not None}
    known.ports, known.flows = samples, flows
    return out


async def _vendor_rows(session: Session, learnt: Learnt) -> dict[str, Value]:
    rows: dict[str, Value] = {}
    await _part(session, rows, gets=learnt.gets)
    for root in learnt.walks:
        await _part(session, rows, walks=(root,))
    return rows
