"""Which fault befalls whom and when: drawn from a seed, written to a file, and read again to repeat a round."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

SERVER = -1  # as a victim: server and broker


@dataclass(frozen=True)
class Fault:
    """At `at` seconds of the round `kind` begins; it ends `seconds` later. victim: an agent's number, or SERVER."""

    at: float
    kind: str
    victim: int
    seconds: float
    amount: float = 0.0  # as `kind` takes it: seconds of delay or of a clock's step, a share of messages or packets

    @property
    def end(self) -> float:
        return self.at + self.seconds


@dataclass(frozen=True)
class Kind:
    """How often a fault is drawn, how long it lasts at most, and between what its amount lies."""

    weight: int
    seconds: float
    amount: tuple[float, float] = (0.0, 0.0)


OF_AGENTS = {
    "kill_agent": Kind(6, 8),
    "stop_agent": Kind(2, 6),
    "freeze_agent": Kind(3, 8),
    "power_cut": Kind(2, 8),  # it comes back as another boot, its clock not synchronised for half of that time
    "clock_away": Kind(2, 10, (-4e8, 1e8)),  # the system's clock jumps while NTP is away: 1970, three years ahead
    "clock_step": Kind(1, 6, (-7_200, 7_200)),  # NTP itself says another time, and the right one again
    "cut_line": Kind(4, 12),
    "hold_up": Kind(2, 10),  # nothing comes through in one direction; TCP repeats it when the way is free again
    "hold_down": Kind(2, 10),
    "forget_line": Kind(3, 12),  # a router forgot the connection: nothing comes through and nobody says so
    "delay_line": Kind(3, 12, (0.05, 1.5)),
    "repeat_reports": Kind(3, 12, (0.2, 1.0)),
    "mix_reports": Kind(3, 12, (0.2, 0.8)),
    "replay_reports": Kind(2, 1),
    "lose_acks": Kind(3, 15, (0.3, 1.0)),
}
OF_PACKETS = {  # of agents behind a rough line (packets.py)
    "lose_packets": Kind(4, 15, (0.02, 0.4)),
    "delay_packets": Kind(2, 15, (0.02, 0.6)),
    "mix_packets": Kind(3, 15, (0.1, 0.9)),
    "repeat_packets": Kind(3, 15, (0.1, 0.9)),
}
OF_SERVER = {
    "kill_server": Kind(5, 4),
    "freeze_server": Kind(3, 8),
    "kill_broker": Kind(6, 0.1),
    "wipe_broker": Kind(3, 0.1),  # killed, and without the store it had kept
    "freeze_broker": Kind(3, 8),
    "deafen_channel": Kind(2, 10),  # who takes the notices does not answer
}
KINDS = OF_AGENTS | OF_PACKETS | OF_SERVER


def draw(
    seed: int,
    seconds: float,
    agents: int,
    *,
    every: tuple[float, float] = (0.6, 2.5),
    rough: Sequence[int] = (),
    stepping: Sequence[int] = (),
    without: Sequence[str] = (),
    lasting: float = 1.0,
) -> list[Fault]:
    """Faults of one round in the order of their beginnings; each kind that is possible at least once where time allows.

    rough: agents behind a rough line. stepping: agents whose synchronised clock may step. without: kinds to leave out.
    lasting: how many times longer than usual a fault may last.
    """
    rng = random.Random(seed)
    agent_kinds = {kind: of for kind, of in OF_AGENTS.items() if kind != "clock_step" or stepping}
    possible = {**agent_kinds, **(OF_PACKETS if rough else {}), **OF_SERVER}
    possible = {kind: of for kind, of in possible.items() if kind not in without}
    first = rng.sample(sorted(possible), len(possible))
    out: list[Fault] = []
    at = rng.uniform(*every)
    while at < seconds:
        kind = first.pop() if first else rng.choices(list(possible), [of.weight for of in possible.values()])[0]
        lasts = min(KINDS[kind].seconds * rng.uniform(0.05, lasting), seconds - at)
        amount = rng.uniform(*KINDS[kind].amount)
        out.append(Fault(round(at, 2), kind, _victim(rng, kind, agents, rough, stepping), round(lasts, 2), amount))
        at += rng.uniform(*every)
    return out


def _victim(rng: random.Random, kind: str, agents: int, rough: Sequence[int], stepping: Sequence[int]) -> int:
    if kind in OF_SERVER:
        return SERVER
    if kind in OF_PACKETS:
        return rng.choice(rough)
    return rng.choice(stepping) if kind == "clock_step" else rng.randrange(agents)


def write(path: Path, faults: Sequence[Fault]) -> None:
    path.write_text("[\n" + ",\n".join(json.dumps(asdict(fault)) for fault in faults) + "\n]\n", encoding="utf-8")


def read(path: Path) -> list[Fault]:
    return [Fault(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


BLIND_SECONDS = 66  # the server judges no silence for a minute after it or the broker came back


def shifted(faults: Sequence[Fault], seconds: float) -> list[Fault]:
    return [Fault(fault.at + seconds, fault.kind, fault.victim, fault.seconds, fault.amount) for fault in faults]


def of_short_round(seed: int, rough: Sequence[int] = ()) -> list[Fault]:
    """For `make test`, five agents: everything at least once; the power cut first, as another boot is tried for a minute."""
    first = [Fault(0.2, "power_cut", 1, 1.5)]
    others = draw(seed, 48, 5, every=(0.3, 1.6), rough=rough, stepping=(0,), without=("power_cut",))
    return first + shifted(others, 2)


def of_soak(seed: int, agents: int, rough: Sequence[int] = ()) -> list[Fault]:
    """A round of two to four minutes: everything for everybody, or longer faults in the schools before a server that
    sees and may judge."""
    rng = random.Random(seed)
    if rng.random() < 0.6:
        return draw(seed, rng.uniform(90, 180), agents, stepping=(0,), rough=rough, lasting=rng.choice((1, 1, 3)))
    silent = tuple(OF_SERVER.keys() - {"deafen_channel"})
    found = draw(
        seed, rng.uniform(100, 160), agents, every=(2, 9), without=silent, stepping=(0,), rough=rough, lasting=5.0
    )
    return shifted(found, BLIND_SECONDS)
