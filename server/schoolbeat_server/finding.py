"""What one indicator says of one case: met, missed or unknown, with grade, coverage, since when, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from schoolbeat_server.evidence import SiteFacts, Window
from schoolbeat_server.inspections import Inspected
from schoolbeat_server.register_values import Device, Room
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Join, Target

Grade = Literal["declared", "inventoried", "observed", "proven"]
GRADES: tuple[Grade, ...] = ("declared", "inventoried", "observed", "proven")

DAY_MINUTES = 1_440
WEEK_MINUTES = 7 * DAY_MINUTES


@dataclass(frozen=True, slots=True)
class Finding:
    """What one indicator says. met None: unknown. since_minute: since when it has been so; None: not known.

    coverage: the part of the window (or of the asked tests) that was measured; None where nothing is measured.
    counts: of several units told of at once, how many are met, missed and unknown; None: it is of one.
    """

    met: bool | None
    grade: Grade
    coverage: Fraction | None
    since_minute: int | None
    said: Said
    counts: tuple[int, int, int] | None = None


Threshold = Literal["share", "bps", "ms", "count", "minutes", "words", "none"]


class Indicator(NamedTuple):
    """One way of judging. of: what it speaks of. threshold: the unit of what it is compared with, "words" for one_of,
    "none" for what is true or not. needs: the standard assumptions that its target must state. signal: what it reads
    of the ledger ("" for none, "device." for the device's own). choice: what the assumption named by a condition's
    `of` lists ("" where there is no such choice). about: what it says and what it cannot say. best: the highest grade
    of evidence that it can reach. kept: the kept readings that it is judged by, (subject, reading), the subject written
    as a signal above. edges: the only thresholds that can be answered exactly; empty: any."""

    of: Literal["site", "room", "device", "holding", "inspection"]
    threshold: Threshold
    needs: tuple[str, ...]
    signal: str
    words: tuple[str, ...]
    judge: Callable[[Case], Finding]
    name: Said
    compares: Literal["at_least", "at_most", "one_of", ""] = "at_least"
    choice: Literal["", "services", "device_kinds", "room_kinds"] = ""
    grows: bool = False  # with the unit: a condition may say up_to
    about: Said = Said("", "")
    best: Grade = "proven"
    kept: tuple[tuple[str, str], ...] = ()
    edges: tuple[int, ...] = ()


class Case(NamedTuple):
    """What a condition is judged on: a site, its device, room or inspection if it is of one, and the target with its
    window."""

    facts: SiteFacts
    device: Device | None
    target: Target
    condition: Condition
    window: Window  # the target's own: the tail of what was gathered
    room: Room | None = None
    inspection: Inspected | None = None


def all3(values: Iterable[bool | None]) -> bool | None:
    """False if any is, else None if any is; None for nothing at all."""
    found = set(values)
    if not found:
        return None
    return False if False in found else None if None in found else True


def any3(values: Iterable[bool | None]) -> bool | None:
    """True if any is, else None if any is; None for nothing at all."""
    found = set(values)
    if not found:
        return None
    return True if True in found else None if None in found else False


def join3(how: Join, values: Iterable[bool | None]) -> bool | None:
    """'main' is chosen before: there it is one value."""
    return any3(values) if how == "any" else all3(values)


def joined(how: Join, findings: Iterable[Finding]) -> Finding:
    """Several findings as one; what decided is what is told. At least one."""
    found = list(findings)
    if len(found) == 1:
        return found[0]
    met = join3(how, (one.met for one in found))
    telling = [one for one in found if one.met == met]
    since = since_of(how, [one.since_minute for one in telling])
    coverages = [one.coverage for one in found if one.coverage is not None]
    said = Said("; ".join(one.said.vi for one in telling), "; ".join(one.said.en for one in telling))
    grade = weakest(one.grade for one in found)
    return Finding(met, grade, min(coverages, default=None), since, said)


def since_of(how: Join, sinces: Sequence[int | None]) -> int | None:
    """Of what decided: where any would do, since the last of them failed too; else since the first of them did."""
    known = [one for one in sinces if one is not None]
    if how == "any":
        return max(known, default=None) if len(known) == len(sinces) else None
    return min(known, default=None)


def weakest(grades: Iterable[Grade]) -> Grade:
    return min(grades, key=GRADES.index, default="declared")


def stated(share: Fraction) -> Said:
    """A share that a document or assumption states: exact, '90%', '99,5%' or '1/3'."""
    percent = share * 100
    for decimals in range(7):
        whole = percent * 10**decimals
        if whole.denominator == 1:
            before, after = divmod(int(whole), 10**decimals)
            tail = f"{after:0{decimals}d}" if decimals else ""
            return Said(f"{before}{',' if tail else ''}{tail}%", f"{before}{'.' if tail else ''}{tail}%")
    return Said(str(share), str(share))


def grade_unseen(facts: SiteFacts) -> Grade:
    return "inventoried" if facts.inventoried else "declared"
