"""What a device tells by SNMP: its uptime, ports, processor, memory, storage, and what its family's profile knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.tcp import family_of
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.snmp import system
from schoolbeat_agent.snmp.device import HELLO, Known, told
from schoolbeat_agent.snmp.rows import Value
from schoolbeat_agent.snmp.session import PORT, Patience, Session, SnmpFailed, opened, why_silent
from schoolbeat_agent.snmp.subject import below
from schoolbeat_agent.watch import Watch, of

TIMEOUT_SECONDS: Final = 25.0
RUN_SECONDS: Final = 20.0  # nothing more is asked after; what is known by then is told
PORT_READINGS: Final = ("rx_bps", "tx_bps", "port_speed_bps")
EVERY_SECONDS: Final = 60
# A UPS; and a device whose ports are reported: in a minute a 32-bit counter of a gigabit port may wrap twice.
OFTEN_SECONDS: Final = 30


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


def watches(settings: Settings) -> list[Watch]:
    """Each device that names an entry to read SNMP with, or whose signal SNMP decides."""
    out = []
    for device in settings.devices:
        decides = device.ask == "snmp"
        entry = device.snmp or (device.credential if decides else "")
        if not (decides or entry):
            continue
        ports = device.interfaces
        if settings.traffic.device == device.id and settings.traffic.port:
            ports = tuple(dict.fromkeys((*ports, settings.traffic.port)))
        target = SnmpTarget(
            device.id,
            device.address,
            entry,
            settings.credential(entry),
            decides,
            device.port if decides and device.port else PORT,
            ports,
        )
        subject = target.subject
        rates = [pair for name in ports for pair in of(below(subject, name.strip()), *PORT_READINGS)]
        out.append(
            Watch(
                "snmp",
                target,
                (subject,) if decides else (),
                (*of(subject, "uptime_seconds"), *rates),
                every_seconds=OFTEN_SECONDS if device.kind == "ups" or ports else EVERY_SECONDS,
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
    needed = "username" if target.credential.version == "3" else "community"
    if not getattr(target.credential, needed):
        raise ProbeFailed("not_configured", f"secrets.toml: entry {target.entry!r} has no {needed}; SNMP needs one")
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
    found = await told(session, known, hello, target.subject, target.interfaces)
    states = {target.subject: State.UP} if target.decides else {}
    return Observation(states, found.readings, {}, {target.subject: f"SNMP {found.model[:60]}".strip()})


def _down(target: SnmpTarget, failed: SnmpFailed) -> Observation:
    if failed.cause in ("not_configured", "not_installed", "internal") or not target.decides:
        raise ProbeFailed(failed.cause, f"{target.address}: {failed.detail}")
    signal = target.subject
    return Observation({signal: State.DOWN}, {}, {signal: failed.cause}, {signal: f"SNMP: {failed.detail}"})


async def _hello(session: Session) -> dict[str, Value]:
    """The system group; an answer without one of it is an answer too."""
    asked = [oid for oid in HELLO if oid not in session.habits.absent] or [system.SYS_DESCR]
    return await session.together(asked) or await session.get(asked)
