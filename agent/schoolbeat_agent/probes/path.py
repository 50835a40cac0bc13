"""The ladder: which of router, ISP edge, domestic and international targets answers (RFC 792, RFC 1812)."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schoolbeat_agent.echo import Reply
from schoolbeat_agent.observation import Observation, ProbeFailed, State
from schoolbeat_agent.probes.attempts import PATIENT, Patience, first_answer, is_reply
from schoolbeat_agent.probes.icmp import cause_of_silence
from schoolbeat_agent.probes.world import Memory, World, read_text
from schoolbeat_wire.catalogue import RUNGS

ROUTER, ISP, DOMESTIC, INTERNATIONAL = RUNGS
MAIN = "line.main"
RTF_UP, RTF_GATEWAY, RTF_REJECT = 0x1, 0x2, 0x200  # linux/route.h

Exchanges = Mapping[str, tuple[Reply, ...]]  # rung -> what became of its packets; an answer is the last


@dataclass(frozen=True)
class PathTarget:
    """Targets as IPv4 addresses. `router` None: the default route's. A rung without targets is not asked.

    isp_ttl: at how many hops the ISP begins; 3 where a second router (the ISP's ONT) stands in the school.
    main_edges: the ISP's edges by which the main line is known; empty: which line is in use is not watched.
    """

    domestic: tuple[str, ...] = ()
    international: tuple[str, ...] = ()
    router: str | None = None
    isp_ttl: int = 2
    main_edges: tuple[str, ...] = ()
    patience: Patience = PATIENT


@dataclass(frozen=True)
class Route:
    """The default route: over which interface, to which router (None on a point-to-point line)."""

    interface: str
    gateway: str | None


def parse_default_route(text: str) -> Route | None:
    """The default route of lowest metric in the text of /proc/net/route (proc(5)); None if there is none."""
    best: tuple[int, Route] | None = None
    for line in text.splitlines()[1:]:
        fields = line.split()
        try:
            destination, gateway, flags, mask = (int(fields[n], 16) for n in (1, 2, 3, 7))
            metric = int(fields[6])
            address = socket.inet_ntoa(struct.pack("=I", gateway))
        except (IndexError, ValueError, struct.error):
            continue
        if destination or mask or not flags & RTF_UP or flags & RTF_REJECT:
            continue
        if best is None or metric < best[0]:
            best = (metric, Route(fields[0], address if flags & RTF_GATEWAY else None))
    return best[1] if best else None


def has_no_carrier(sys: Path, interface: str | None) -> bool:
    """Whether the interface, or without one every physical interface, is known to have no carrier."""
    root = sys / "class" / "net"
    if interface is not None:
        return (read_text(root / interface / "carrier") or "").strip() == "0"
    try:
        physical = [entry for entry in root.iterdir() if (entry / "device").exists()]
    except OSError:
        return False
    # An interface that is switched off tells no carrier at all (reading it fails): it does not count.
    carriers = {text.strip() for entry in physical if (text := read_text(entry / "carrier")) is not None}
    return carriers == {"0"}


def is_isp_answer(reply: Reply, router: str | None, edges: Sequence[str]) -> bool:
    """Whether the reply to a packet of limited TTL proves a hop beyond the router.

    "Unreachable" proves it only from an edge seen before: a second router in the school says it too.
    """
    if reply.kind == "unreachable":
        return reply.from_address in edges
    return reply.kind in ("reply", "ttl_exceeded") and reply.from_address not in ("", router)


def decide(router: str | None, exchanges: Exchanges, edges: Sequence[str]) -> Observation:
    """States, round-trip times and causes of the rungs that were asked; nothing is masked here.

    A hop is up when it answers or when something beyond it does: routers may ignore pings and be well. The ISP's
    edge that was never seen answering is UNSEEN when nothing answers, for then its silence says nothing.
    """
    every = [reply for replies in exchanges.values() for reply in replies]
    beyond_isp = any(is_reply(reply) for rung in (DOMESTIC, INTERNATIONAL) for reply in exchanges.get(rung, ()))
    isp_up = beyond_isp or any(is_isp_answer(reply, router, edges) for reply in exchanges.get(ISP, ()))
    isp_up = isp_up or any(reply.kind == "unreachable" and reply.from_address in edges for reply in every)
    # Any word from another machine came through the router, or is the router's own.
    router_up = any(reply.kind != "timeout" and reply.from_address for reply in every)

    states, readings, causes, notes = {}, {}, {}, {}
    for rung, replies in exchanges.items():
        last = replies[-1] if replies else Reply("timeout")
        direct = is_isp_answer(last, router, edges) if rung == ISP else is_reply(last)
        up = direct or (rung == ROUTER and router_up) or (rung == ISP and isp_up)
        if direct and last.rtt_ms is not None:
            readings[rung, "rtt_ms"] = last.rtt_ms
            notes[rung] = last.from_address
        if up:
            states[rung] = State.UP
        elif (rung == ISP and not edges) or (rung == ROUTER and router is None):
            states[rung] = State.UNSEEN
        else:
            states[rung] = State.DOWN
            causes[rung] = cause_of_silence(replies)
    return Observation(states, readings, causes, notes)


def line_in_use(exchanges: Exchanges, router: str | None, main_edges: Sequence[str]) -> Observation:
    """State of line.main: by whose edge what leaves the school goes. UNSEEN when no edge says who it is."""
    hops = [
        reply.from_address
        for reply in exchanges.get(ISP, ())
        if reply.kind == "ttl_exceeded" and reply.from_address not in ("", router)
    ]
    if not hops:
        return Observation({MAIN: State.UNSEEN}, {}, {}, {})
    notes = {MAIN: hops[-1]}
    if hops[-1] in main_edges:
        return Observation({MAIN: State.UP}, {}, {}, notes)
    return Observation({MAIN: State.DOWN}, {}, {MAIN: "other_line"}, notes)


def without_route(target: PathTarget, no_carrier: bool) -> Observation:
    """No router is configured and no default route is there: nothing can be asked, and nothing can be reached."""
    causes = {ROUTER: "no_carrier" if no_carrier else "no_router"}
    causes |= {rung: "unreachable" for rung in (ISP, DOMESTIC, INTERNATIONAL) if targets_of(target, rung)}
    return Observation(dict.fromkeys(causes, State.DOWN), {}, causes, {})


def targets_of(target: PathTarget, rung: str) -> tuple[str, ...]:
    """Where the packets of a rung beyond the router are sent; the ISP's edge lies on the way to all of them."""
    if rung == ISP:
        # One domestic, one international, in turn: the way to a single dead target says nothing of the edge.
        return target.domestic[:1] + target.international[:1] + target.domestic[1:2]
    return target.domestic if rung == DOMESTIC else target.international


async def ask(target: PathTarget, router: str | None, world: World) -> dict[str, tuple[Reply, ...]]:
    """What became of the packets of every rung that has a target; the rungs are asked at the same time."""
    edges = tuple(world.memory.isp_edges)
    echo, patience = world.echo, target.patience
    echo.open()
    asking = {}
    if router is not None:
        asking[ROUTER] = first_answer(echo, [router], patience)
    if on_the_way := targets_of(target, ISP):
        asking[ISP] = first_answer(
            echo,
            on_the_way,
            patience,
            ttl=target.isp_ttl,
            answers=lambda reply: is_isp_answer(reply, router, edges),
        )
    for rung in (DOMESTIC, INTERNATIONAL):
        if addresses := targets_of(target, rung):
            asking[rung] = first_answer(echo, addresses, patience)
    found = await asyncio.gather(*asking.values(), return_exceptions=True)
    exchanges: dict[str, tuple[Reply, ...]] = {ROUTER: ()} if router is None else {}
    for rung, replies in zip(asking, found, strict=True):
        if isinstance(replies, BaseException):
            raise replies
        exchanges[rung] = replies
    return exchanges


def learn(memory: Memory, router: str | None, exchanges: Exchanges, seen: Observation) -> None:
    """Remember the ISP's edge, and add to the readings the loss of every rung that answered."""
    for rung, replies in exchanges.items():
        if (rung, "rtt_ms") not in seen.readings:
            continue
        seen.readings[rung, "loss_percent"] = memory.loss_percent(rung, len(replies), len(replies) - 1)
        if rung == ISP and replies[-1].kind == "ttl_exceeded":
            memory.saw_isp_edge(replies[-1].from_address)


async def probe(target: PathTarget, world: World) -> Observation:
    """The rungs' states, rtt_ms and loss_percent. ProbeFailed when this machine may not send ICMP."""
    route = parse_default_route(read_text(world.proc / "net" / "route") or "")
    if target.router is None and route is None:
        return without_route(target, has_no_carrier(world.sys, None))
    router = target.router or (route.gateway if route else None)
    if router is None and not (target.domestic or target.international):
        raise ProbeFailed("not_configured", "no router, domestic or international address to ask")
    exchanges = await ask(target, router, world)
    seen = decide(router, exchanges, tuple(world.memory.isp_edges))
    learn(world.memory, router, exchanges, seen)
    if target.main_edges:
        line = line_in_use(exchanges, router, target.main_edges)
        seen.states.update(line.states)
        seen.causes.update(line.causes)
        seen.notes.update(line.notes)
    for rung in exchanges:
        asked = (router or "") if rung == ROUTER else ", ".join(targets_of(target, rung))
        seen.notes.setdefault(rung, asked)
    if ROUTER in seen.causes and has_no_carrier(world.sys, route.interface if route else None):
        seen.causes[ROUTER] = "no_carrier"
    return seen
