"""Round after round for a given time: `python -m tests.faults.soak SEED MINUTES [SCHEDULE]`, as `make soak` runs it.

Ends with 1 when anything disagreed, after naming the seed, the schedule that was followed and the folder with all logs.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.faults import packets, rounds, schedule
from tests.faults.rounds import Outcome

QUICK, REAL, PAST_MINUTES = 4, 2, 900
ROUGH = () if packets.missing() else (2, 5)  # a quick one and one with our seconds


def one(folder: Path, seed: int, plan: list[schedule.Fault]) -> Outcome:
    """A round that did not come to its end is a disagreement too."""
    try:
        return rounds.run(folder, seed, plan, quick=QUICK, real=REAL, past_minutes=PAST_MINUTES, rough=ROUGH, say=say)
    except AssertionError as error:
        outcome = Outcome(seed)
        outcome.verdict.disagreements.append(f"the round did not end: {error}")
    except Exception:
        outcome = Outcome(seed)
        outcome.verdict.disagreements.append(f"the round broke off: {traceback.format_exc()}")
    return outcome


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def soak(seed: int, minutes: float, given: Path | None) -> int:
    if packets.missing():
        say(f"without rough lines: {packets.missing()}")
    folder = Path(tempfile.mkdtemp(prefix="schoolbeat-soak-"))
    end, number, bad = time.monotonic() + minutes * 60, 0, 0
    faults, counts, sent = Counter[str](), Counter[str](), Counter[str]()
    while number == 0 or time.monotonic() < end:
        own = seed if given is not None else rounds.sub_seed(seed, number)
        plan = schedule.read(given) if given is not None else schedule.of_soak(own, QUICK + REAL, ROUGH)
        outcome = one(folder / f"round-{number}", own, plan)
        faults.update(outcome.faults)
        counts.update(outcome.verdict.counts)
        sent.update(outcome.sent)
        number += 1
        say(f"seed {own}: {outcome.verdict.counts['minutes']} minutes checked, " + _verdict_of(outcome))
        for text in outcome.verdict.disagreements:
            bad += 1
            print(f"  DISAGREES {text}")
        if outcome.verdict.disagreements:
            path = folder / f"round-{number - 1}"
            print(f"  to repeat it: make soak SEED={own} SCHEDULE={path}/schedule.json   (its logs: {path})")
    say(f"soak of seed {seed} is over: {number} rounds, {sum(faults.values())} faults, {bad} disagreements")
    print(f"  faults   {_listed(faults)}")
    print(f"  checked  {_listed(counts)}")
    print(f"  sent     {_listed(sent)}")
    return 1 if bad else 0


def _verdict_of(outcome: Outcome) -> str:
    found = len(outcome.verdict.disagreements)
    return f"{sum(outcome.faults.values())} faults, " + (f"{found} DISAGREEMENTS" if found else "all agree")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing of it stays behind
    schedule_file = Path(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] else None
    sys.exit(soak(int(sys.argv[1]), float(sys.argv[2]), schedule_file))
