"""Does the site's gateway answer, seen from a classroom's computer? A second witness of its silence."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.path import parse_default_route
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.settings import Device, Settings
from schoolbeat_agent.watch import Watch, of

TRIES: Final = 2
SECONDS: Final = 2.0  # a try
# What a router usually listens on; one that refuses is as alive as one that accepts.
ROUTER_PORTS: Final = (53, 80, 443)


@dataclass(frozen=True)
class WitnessTarget:
    """id: of the device that the gateway is, as this computer sees it. router "": the default route's."""

    id: str
    gateway: str
    port: int
    router: str = ""
    router_ports: tuple[int, ...] = ROUTER_PORTS


def devices(settings: Settings) -> tuple[Device, ...]:
    """A signal of this agent's own: the site's ladder and devices belong to the gateway's agent."""
    if settings.role != "classroom" or not settings.classroom.gateway:
        return ()
    name = f"Thiết bị cổng (nhìn từ {settings.agent})"
    return (Device(f"{settings.agent}-gateway", settings.classroom.gateway, name, "other"),)


def watches(settings: Settings) -> list[Watch]:
    """On a classroom's computer that knows where the gateway is."""
    out = []
    for device in devices(settings):
        signal = f"device.{device.id}"
        target = WitnessTarget(device.id, device.address, settings.classroom.port, settings.router)
        out.append(Watch("witness", target, (signal,), of(signal, "connect_ms")))
    return out


async def probe(target: WitnessTarget, world: World) -> Observation:
    """Down only where the school's router answers: a computer that is itself cut off is no witness."""
    signal = f"device.{target.id}"
    notes = {signal: f"{target.gateway}:{target.port}"}
    problem = NoAnswer("timeout")
    for _ in range(TRIES):
        try:
            sock, connect_ms = await connect(target.gateway, target.port, SECONDS, world)
        except NoAnswer as no:
            problem = no
        except TimeoutError:
            problem = NoAnswer("timeout")
        else:
            sock.close()
            return Observation({signal: State.UP}, {(signal, "connect_ms"): connect_ms}, {}, notes)
    if problem.cause != "refused":  # its machine said so itself
        await _must_see_router(target, world)
    return Observation({signal: State.DOWN}, {}, {signal: problem.cause}, notes)


async def _must_see_router(target: WitnessTarget, world: World) -> None:
    route = parse_default_route(read_text(world.proc / "net" / "route") or "")
    router = target.router or (route.gateway if route else None)
    if not router:
        raise ProbeFailed(
            "no_router", "the gateway is silent, but which router this computer uses is not known: path.router"
        )
    if router == target.gateway:
        raise ProbeFailed("no_router", f"the gateway is the router {router}: its silence alone proves nothing")
    answered = await asyncio.gather(*(_is_alive(router, port, world) for port in target.router_ports))
    if not any(answered):
        raise ProbeFailed("unreachable", f"neither gateway nor router {router} answers: this computer may be cut off")


async def _is_alive(address: str, port: int, world: World) -> bool:
    try:
        sock, _ = await connect(address, port, SECONDS, world)
    except NoAnswer as no:
        return no.cause == "refused"
    except TimeoutError:
        return False
    sock.close()
    return True
