"""Does a device on the LAN answer an ICMP echo request (RFC 792)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schoolbeat_agent.echo import Reply
from schoolbeat_agent.observation import Observation, State
from schoolbeat_agent.probes.attempts import PATIENT, Patience, first_answer, is_reply
from schoolbeat_agent.probes.world import World


@dataclass(frozen=True)
class IcmpTarget:
    """A device by its id and IPv4 address."""

    id: str
    address: str
    patience: Patience = PATIENT


def cause_of_silence(replies: Sequence[Reply]) -> str:
    """The catalogue's cause when no packet was answered; a TTL that ran out under way is a loop: no route either."""
    return "timeout" if all(reply.kind == "timeout" for reply in replies) else "unreachable"


async def probe(target: IcmpTarget, world: World) -> Observation:
    """Signal device.<id> with rtt_ms when it answers. ProbeFailed when this machine may not send ICMP."""
    signal = f"device.{target.id}"
    notes = {signal: target.address}
    replies = await first_answer(world.echo, [target.address], target.patience)
    last = replies[-1]
    if is_reply(last) and last.rtt_ms is not None:
        return Observation({signal: State.UP}, {(signal, "rtt_ms"): last.rtt_ms}, {}, notes)
    return Observation({signal: State.DOWN}, {}, {signal: cause_of_silence(replies)}, notes)
