"""How much the line carries, counted without loading it: by this machine's own interface or a device's WAN port."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.settings import Settings, Traffic
from schoolbeat_agent.snmp.subject import below
from schoolbeat_agent.speed.flow import Counters, Flow, Rates
from schoolbeat_agent.watch import Watch, of

SUBJECT: Final = "line.internet"
QUARTER_WATCH_SECONDS: Final = 120  # how soon after its end a quarter-hour is told
STALE_SECONDS: Final = 150.0  # a device is asked each minute
FRESH_SECONDS: Final = 45.0  # of an interface, which is looked at each round


@dataclass(frozen=True)
class TrafficTarget:
    """Where the traffic is counted. quarters: tell the last whole quarter-hour instead of the rate now."""

    traffic: Traffic
    quarters: bool = False


def watches(settings: Settings) -> list[Watch]:
    """None where nobody said what counts the line's traffic."""
    traffic = settings.traffic
    if not traffic.interface and not (traffic.device and traffic.port):
        return []
    contract = traffic.contract_down_bps or traffic.contract_up_bps
    rates = of(SUBJECT, "rx_bps", "tx_bps", *(["utilisation_percent"] if contract else []))
    quarters = of(SUBJECT, "rx_quarter_bps", "tx_quarter_bps")
    return [
        Watch("traffic", TrafficTarget(traffic), (), rates, about=SUBJECT),
        Watch("traffic", TrafficTarget(traffic, True), (), quarters, QUARTER_WATCH_SECONDS, about="line.quarter"),
    ]


def flow_of(world: World) -> Flow:
    """What is remembered between runs, and shared with the speed test."""
    found = world.memory.of_probe.setdefault("traffic", Flow())
    assert isinstance(found, Flow)
    return found


def port_bps(world: World, interface: str) -> int:
    """The speed that was agreed with the other end of the cable; 0: not known."""
    text = (read_text(world.sys / "class" / "net" / interface / "speed") or "").strip()
    return int(text) * 1_000_000 if text.isascii() and text.isdigit() and len(text) < 8 else 0


def counters(world: World, interface: str) -> Counters:
    """What the kernel has counted on it. ProbeFailed when it has no such interface."""
    folder = world.sys / "class" / "net" / interface / "statistics"
    counted = [(read_text(folder / f"{way}_bytes") or "").strip() for way in ("rx", "tx")]
    if all(text.isascii() and text.isdigit() and len(text) < 21 for text in counted):
        return Counters(world.monotonic(), int(counted[0]), int(counted[1]))
    if os.name == "nt":
        import psutil

        found = psutil.net_io_counters(pernic=True, nowrap=False).get(interface)
        if found is not None:
            return Counters(world.monotonic(), found.bytes_recv, found.bytes_sent)
    raise ProbeFailed("not_configured", f"traffic.interface = {interface!r}: this machine has no such interface")


def look(traffic: Traffic, world: World) -> Flow:
    """Adds a look to the flow. ProbeFailed when the source does not tell."""
    flow = flow_of(world)
    if traffic.interface:
        flow.look(counters(world, traffic.interface), port_bps(world, traffic.interface), world.unix())
        return flow
    subject = below(f"device.{traffic.device}", traffic.port)
    told = [world.memory.sight.readings.get((subject, reading)) for reading in ("rx_bps", "tx_bps")]
    if told[0] is not None and told[1] is not None:
        rates = told[0][0], told[1][0]
        flow.told(rates, min(told[0][1], told[1][1]), world.monotonic(), world.unix(), STALE_SECONDS)
    if world.monotonic() - flow.at > STALE_SECONDS:
        detail = f"device {traffic.device} tells no rates of its port {traffic.port!r}: ask it by snmp, with that port"
        raise ProbeFailed("not_configured" if flow.told_at is None else "timeout", detail)
    return flow


def fresh_rates(traffic: Traffic, world: World) -> Rates | None:
    """What the line carries now, the larger of the last moment's and the last minute's; None: not known."""
    flow = flow_of(world)
    limit = FRESH_SECONDS if traffic.interface else STALE_SECONDS
    if flow.now_bps is None or flow.mean_bps is None or world.monotonic() - flow.at > limit:
        return None
    return max(flow.now_bps[0], flow.mean_bps[0]), max(flow.now_bps[1], flow.mean_bps[1])


def utilisation_percent(traffic: Traffic, rates: Rates) -> float | None:
    """Of the busier direction, as far as its contract is known; never over 100: bursts are the ISP's gift."""
    contracts = traffic.contract_down_bps, traffic.contract_up_bps
    used = [100 * bps / contract for bps, contract in zip(rates, contracts, strict=True) if contract]
    return min(100.0, max(used)) if used else None


async def probe(target: TrafficTarget, world: World) -> Observation:
    """Readings of the line. Nothing while it is not known, or while our own speed test runs."""
    if target.quarters:
        mean = flow_of(world).quarter.take()
        names = "rx_quarter_bps", "tx_quarter_bps"
        return Observation({}, {(SUBJECT, name): bps for name, bps in zip(names, mean or (), strict=False)})
    flow = look(target.traffic, world)
    if flow.now_bps is None or flow.mean_bps is None:
        return Observation()
    readings = {(SUBJECT, "rx_bps"): flow.mean_bps[0], (SUBJECT, "tx_bps"): flow.mean_bps[1]}
    used = utilisation_percent(target.traffic, flow.now_bps)
    if used is not None:
        readings[SUBJECT, "utilisation_percent"] = used
    return Observation({}, readings)
