"""How fast the line is: an active test, seldom and polite."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes import traffic as line_traffic
from schoolbeat_agent.probes.dns import Resolver
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings, Speed, Traffic
from schoolbeat_agent.snmp.subject import below
from schoolbeat_agent.speed import policy
from schoolbeat_agent.speed.tally import Tally
from schoolbeat_agent.watch import Watch, of
from schoolbeat_wire.catalogue import CAUSES

EVERY_SECONDS: Final = 120  # longer than a test
TIMEOUT_SECONDS: Final = 90.0
KEPT: Final = "speed used"  # in World.memory.kept
METHODS: Final = {"ndt7": 1, "librespeed": 2, "iperf3": 3}  # speed_method of the catalogue
READINGS: Final = (
    "download_bps",
    "upload_bps",
    "speed_rtt_ms",
    "speed_bytes",
    "speed_seconds",
    "speed_method",
    "speed_ceiling",
    "speed_failure",
)


@dataclass(frozen=True)
class SpeedTarget:
    """How to test. name: site and agent, for this agent's own minute of the night."""

    name: str
    speed: Speed
    traffic: Traffic
    resolvers: tuple[Resolver, ...] = ()


def host_of(speed: Speed) -> str:
    """The configured server's; of ndt7 without one, that of the Locate service."""
    if speed.method == "iperf3":
        return speed.server.rpartition(":")[0].strip("[]") or speed.server
    try:
        return urlsplit(speed.server or speed.locate).hostname or "server"
    except ValueError:
        return "server"


def subject_of(speed: Speed, server: str, used: policy.Used) -> str:
    """speed.<server>. Locate may name many: those beyond the first few share one subject, an inventory is finite."""
    if not speed.server and server not in (*used.servers, host_of(speed)):
        return "speed.other"
    return below("speed", server)


def watches(settings: Settings) -> list[Watch]:
    """None without a method."""
    speed = settings.speed
    if not speed.method or (speed.method != "ndt7" and not speed.server):
        return []
    resolvers = tuple(Resolver(*pair) for pair in settings.resolvers)
    target = SpeedTarget(f"{settings.site}.{settings.agent}", speed, settings.traffic, resolvers)
    known = of(below("speed", host_of(speed)), *READINGS) if speed.server else ()
    return [
        Watch(
            "speed",
            target,
            (),
            known,
            EVERY_SECONDS,
            TIMEOUT_SECONDS,
            learns=not speed.server,
            about="speed",
        )
    ]


async def probe(target: SpeedTarget, world: World) -> Observation:
    """Mostly nothing: a test where one is granted and does no harm; its figures, or why there are none."""
    unix = world.unix()
    used = policy.read_used(world.memory.kept.get(KEPT, ""))
    decision = policy.decide(
        target.speed,
        world.lessons,
        target.traffic,
        name=target.name,
        grants=world.memory.grants,
        used=used,
        rates=line_traffic.fresh_rates(target.traffic, world),
        unix=unix,
    )
    if unix is None or not decision.run:
        return _waiting(target, world, used, decision.why, unix)
    return await _tested(target, world, used, decision, unix)


def _waiting(target: SpeedTarget, world: World, used: policy.Used, why: str, unix: float | None) -> Observation:
    """Nothing; but of a grant that ran out unused it says once what was in its way, and a grant that this month's
    data does not allow to use is not waited with: others may want its place."""
    reasons: dict[str, str] = world.memory.of_probe.setdefault("speed waits", {})
    seen = Observation(notes={"speed": why})
    if unix is None:
        return seen
    live = policy.live_grant(world.memory.grants, used, unix)
    if live is not None and why in CAUSES:
        reasons[live.token] = why
    for grant in list(world.memory.grants):
        if grant.until_unix >= unix and not (grant is live and why == "over_budget"):
            continue
        world.memory.grants.remove(grant)
        if reason := reasons.pop(grant.token, ""):
            subject = subject_of(target.speed, host_of(target.speed), used)
            seen.readings[subject, "speed_failure"] = float(CAUSES[reason][0])
            seen.readings[subject, "speed_method"] = float(METHODS[target.speed.method])
    return seen


def _client(target: SpeedTarget, used: policy.Used, tally: Tally, world: World) -> Coroutine[None, None, None]:
    """Loaded when needed: seldom."""
    speed = target.speed
    if speed.method == "ndt7":
        from schoolbeat_agent.speed import ndt7

        known = used.servers
        return ndt7.run(speed.server, speed.locate, known, speed.seconds, tally, target.resolvers, world)
    if speed.method == "librespeed":
        from schoolbeat_agent.speed import librespeed

        return librespeed.run(speed.server, speed.seconds, tally, target.resolvers, world)
    from schoolbeat_agent.speed import iperf3

    return iperf3.run(speed.server, speed.seconds, tally, target.resolvers, world)


async def _giving_way(target: SpeedTarget, used: policy.Used, tally: Tally, world: World) -> None:
    """The test, ended at once when others need the line. NoAnswer, ProbeFailed."""
    from schoolbeat_agent.speed.giving_way import until_others_come

    test = asyncio.create_task(_client(target, used, tally, world))
    others = asyncio.create_task(until_others_come(target.speed, target.traffic, tally, world))
    try:
        await asyncio.wait([test, others], return_when=asyncio.FIRST_COMPLETED)
        if test.done():
            test.result()
        else:
            others.result()
            raise NoAnswer("aborted", "others began to use the line")
    finally:
        for task in (test, others):
            task.cancel()
        await asyncio.gather(test, others, return_exceptions=True)


async def _tested(
    target: SpeedTarget, world: World, used: policy.Used, decision: policy.Decision, unix: float
) -> Observation:
    from schoolbeat_agent.speed import ceiling

    used = policy.begun(used, decision, unix)
    world.memory.keep(KEPT, policy.write_used(used))
    world.memory.grants[:] = [grant for grant in world.memory.grants if grant.token != decision.grant]
    tally = Tally(decision.most_bytes, server=host_of(target.speed))
    spans, before, failure = line_traffic.flow_of(world).spans, ceiling.look(world), None
    spans.begin(world.monotonic())
    try:
        async with asyncio.timeout(policy.LONGEST_SECONDS):
            await _giving_way(target, used, tally, world)
    except (NoAnswer, ProbeFailed) as error:
        failure = error
    except TimeoutError:
        failure = NoAnswer("timeout", f"not over after {policy.LONGEST_SECONDS:.0f} s")
    finally:
        spans.end(world.monotonic())
        used = policy.ended(used, decision, tally.bytes, whole=tally.upload_bps is not None, server=tally.server)
        world.memory.keep(KEPT, policy.write_used(used))
    after = ceiling.look(world)
    readings = {"speed_method": float(METHODS[target.speed.method]), "speed_bytes": float(tally.bytes)}
    readings["speed_seconds"] = after.seconds - before.seconds
    figures = {"download_bps": tally.download_bps, "upload_bps": tally.upload_bps, "speed_rtt_ms": tally.rtt_ms}
    readings |= {name: value for name, value in figures.items() if value is not None}
    if tally.download_bps is not None:
        interface = ceiling.interface_used(world, target.traffic.interface)
        fastest = max(tally.download_bps, tally.upload_bps or 0.0)
        busy = ceiling.was_busy(before, after)
        readings["speed_ceiling"] = float(ceiling.ceiling(world, interface, fastest, busy=busy))
    if failure is not None:
        readings["speed_failure"] = float(CAUSES.get(failure.cause, CAUSES["internal"])[0])
    subject = subject_of(target.speed, tally.server, used)
    notes = {subject: failure.detail} if failure is not None else {}
    return Observation({}, {(subject, name): value for name, value in readings.items()}, {}, notes)
