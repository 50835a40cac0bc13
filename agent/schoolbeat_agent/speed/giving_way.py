"""Is there other traffic on the line while our own test loads it?"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.probes.traffic import counters, port_bps
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Speed, Traffic
from schoolbeat_agent.speed.flow import Counters, Rates, moved
from schoolbeat_agent.speed.policy import idle_bps
from schoolbeat_agent.speed.tally import Tally

LOOK_SECONDS: Final = 1.0
WINDOW_LOOKS: Final = 2
TIMES: Final = 2  # windows in a row: bytes that wait in a buffer for a moment are no traffic
OVERHEAD: Final = 1.06  # bytes on the wire for a byte of ours
ANSWERS: Final = 0.05  # TCP's acknowledgements, of what goes the other way
SLACK: Final = 0.1  # of our own rate: what is sent again after a loss


@dataclass(frozen=True)
class Moment:
    """The interface's bytes, and ours among them. None: another program's, not known while it runs."""

    line: Counters
    own: tuple[int, int] | None


def foreign_bps(before: Moment, now: Moment, port: int = 0) -> tuple[Rates, float]:
    """What others received and sent, and how fast we ourselves were. Of bytes that cannot be told apart, what goes
    against the stream of our test is theirs."""
    seconds = now.line.seconds - before.line.seconds
    counted = moved(before.line, now.line, port)
    if counted is None:
        return (0.0, 0.0), 0.0
    rx, tx = counted
    if now.own is None or before.own is None:
        small, large = min(rx, tx), max(rx, tx)
        others = max(0.0, small - ANSWERS * large) * 8 / seconds
        return ((others, 0.0) if rx < tx else (0.0, others)), 8 * large / seconds
    own_rx, own_tx = now.own[0] - before.own[0], now.own[1] - before.own[1]
    others_rx = rx - OVERHEAD * own_rx - ANSWERS * max(own_tx, tx)
    others_tx = tx - OVERHEAD * own_tx - ANSWERS * max(own_rx, rx)
    both = max(0.0, others_rx) * 8 / seconds, max(0.0, others_tx) * 8 / seconds
    return both, 8 * max(0, own_rx, own_tx) / seconds


def is_in_the_way(speed: Speed, traffic: Traffic, others: Rates, own_bps: float) -> bool:
    contracts = traffic.contract_down_bps, traffic.contract_up_bps
    return any(
        bps > max(idle_bps(speed.idle_percent, contract), SLACK * own_bps)
        for bps, contract in zip(others, contracts, strict=True)
    )


def _moment(traffic: Traffic, tally: Tally, world: World) -> Moment:
    own = (tally.rx_bytes, tally.tx_bytes - tally.waiting()) if tally.on_wire else None
    return Moment(counters(world, traffic.interface), own)


async def until_others_come(speed: Speed, traffic: Traffic, tally: Tally, world: World) -> None:
    """Returns when real traffic has appeared. Never where the line is not counted by an interface of this machine:
    a device's rates come too seldom."""
    if not traffic.interface:
        await asyncio.get_running_loop().create_future()
    port = port_bps(world, traffic.interface)
    moments: deque[Moment] = deque([_moment(traffic, tally, world)], maxlen=WINDOW_LOOKS + 1)
    times = 0
    while times < TIMES:
        await asyncio.sleep(LOOK_SECONDS)
        moments.append(_moment(traffic, tally, world))
        if len(moments) <= WINDOW_LOOKS:
            continue
        others, own_bps = foreign_bps(moments[0], moments[-1], port)
        times = times + 1 if is_in_the_way(speed, traffic, others, own_bps) else 0
