"""The script of faults: what fails where and when, as a pure function of site and time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from schoolbeat_server.demo.province import SimulatedSite

# "path" kinds name a rung of the ladder; power takes the gateway with it; a device is named by its signal.
Kind = Literal["lan.router", "line.isp", "line.domestic", "line.international", "power", "device"]

STILL = 2**40  # the end of a fault that nobody mends
TCP_SURVIVES_SECONDS = 15  # a shorter cut of the line is bridged by TCP's retransmission: contact is kept

# Who plays which part, by the site's number. Satellite sites follow their school, hence the gaps.
CUT_NOW, POWER_CUT, DEAD_AP, SILENT, FLAPPING, NO_INTERNATIONAL = 0, 1, 3, 4, 5, 6
PARTS = 8  # sites of a higher number have no part of their own while the viewer looks on
# Satellite sites, in a province of 20 schools or more: one with power for some hours of lessons only, so that no speed
# test can run, and one whose gateway was never plugged in. The one whose line is too slow is in province._line.
LITTLE_POWER, UNPLUGGED = 12, 22

CUT_AFTER_SECONDS, CUT_SECONDS = 20, 70
POWER_AFTER_SECONDS, POWER_SECONDS, LINE_AFTER_POWER_SECONDS = 150, 215, 50
LATER_EVERY_SECONDS, LATER_COUNT = 600, 144  # a day of further cuts, for a demo that is left running

HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True)
class Fault:
    """Seconds since 1970 UTC, half-open. signal: the device's, for kind "device"."""

    kind: Kind
    first_s: int
    end_s: int
    signal: str = ""

    def mask(self, minute: int) -> int:
        """The seconds of the minute in which it lasts, as bits: bit 0 is the minute's first second."""
        first = max(self.first_s - minute * 60, 0)
        end = min(self.end_s - minute * 60, 60)
        return ((1 << end) - (1 << first)) if end > first else 0


def past(site: SimulatedSite, seed: int, now_s: int, days: int) -> tuple[Fault, ...]:
    """What failed in the history that ends at now_s, and what failed then and still does."""
    rng = Random(f"{seed} past {site.id}")
    faults: list[Fault] = []
    if site.number == LITTLE_POWER:
        return tuple(_dark(now_s, days))
    if site.number % 5 == 2:  # an ordinary cut of the line, of minutes to hours
        faults.append(_somewhere(rng, "line.isp", now_s, days, rng.randrange(240, 3 * HOUR)))
    if site.number % 9 == 8:
        faults.append(_somewhere(rng, "power", now_s, days, rng.randrange(20 * 60, 2 * HOUR)))
    if site.number % 11 == 6:
        faults.append(_somewhere(rng, "lan.router", now_s, days, rng.randrange(90, 1_800)))
    if site.number % 13 == 9:
        faults.append(_somewhere(rng, "line.domestic", now_s, days, rng.randrange(120, 1_200)))
    if site.number == DEAD_AP:
        faults.append(Fault("device", now_s - 9 * HOUR - 17, STILL, "device.ap-2"))
    if site.number == NO_INTERNATIONAL:
        faults.append(Fault("line.international", now_s - 5 * HOUR - 41, STILL))
    if site.number == FLAPPING:
        faults += [Fault("line.isp", at, at + 12) for at in range(now_s - 6 * HOUR, now_s + DAY, 437)]
    return tuple(sorted(faults, key=lambda fault: fault.first_s))


def _somewhere(rng: Random, kind: Kind, now_s: int, days: int, seconds: int) -> Fault:
    """Ends at least half an hour before now, so that the history ends in peace."""
    seconds = min(seconds, days * DAY // 4)
    first = now_s - rng.randrange(1_800 + seconds, days * DAY - 60)
    return Fault(kind, first, first + seconds)


# Of each day in local time, in minutes: no power from here to there. What is left lies within lessons.
_DARK = ((0, 495), (645, 820), (990, 1_440))
_UTC_PLUS_7_SECONDS = 7 * HOUR


def _dark(now_s: int, days: int) -> Iterator[Fault]:
    """Power came back half an hour before now, for good, whatever the hour: the history ends in peace."""
    first_s, end_s = now_s - days * DAY, now_s - 1_800
    for midnight in range((first_s + _UTC_PLUS_7_SECONDS) // DAY, (end_s + _UTC_PLUS_7_SECONDS) // DAY + 1):
        for first, end in _DARK:
            start = midnight * DAY - _UTC_PLUS_7_SECONDS
            fault = Fault("power", max(first_s, start + first * 60), min(end_s, start + end * 60))
            if fault.first_s < fault.end_s:
                yield fault


def live(site: SimulatedSite, sites: int, ready_s: int) -> tuple[Fault, ...]:
    """What the viewer is to see after ready_s, the moment at which the history is in."""
    if site.number == CUT_NOW:
        first = ready_s + CUT_AFTER_SECONDS
        return (Fault("line.isp", first, first + CUT_SECONDS),)
    if site.number == POWER_CUT:
        first = ready_s + POWER_AFTER_SECONDS
        end = first + POWER_SECONDS
        # The ISP's equipment in the village needs longer than the Pi: what the Pi saw meanwhile is backlog.
        return (Fault("power", first, end), Fault("line.isp", end, end + LINE_AFTER_POWER_SECONDS))
    return tuple(_later(site, sites, ready_s))


def _later(site: SimulatedSite, sites: int, ready_s: int) -> Iterator[Fault]:
    if site.number < PARTS or sites <= PARTS:
        return
    kinds: tuple[Kind, ...] = ("line.isp", "lan.router", "line.domestic")
    for turn in range(1, LATER_COUNT):
        if PARTS + turn * 7 % (sites - PARTS) == site.number:
            first = ready_s + turn * LATER_EVERY_SECONDS
            yield Fault(kinds[turn % len(kinds)], first, first + 95 + turn * 37 % 150)


def silent(site: SimulatedSite) -> bool:
    """Registered and given credentials, but its gateway was never plugged in."""
    return site.number in (SILENT, UNPLUGGED)


def powered(faults: Iterable[Fault], at_s: float) -> bool:
    return not any(fault.kind == "power" and fault.first_s <= at_s < fault.end_s for fault in faults)


def reaches_server(faults: Iterable[Fault], at_s: float) -> bool:
    """Can a TCP connection from the site to the server live at this moment?"""
    for fault in faults:
        if fault.kind in ("device", "line.international"):
            continue
        if fault.first_s <= at_s < fault.end_s and (
            fault.kind == "power" or fault.end_s - fault.first_s > TCP_SURVIVES_SECONDS
        ):
            return False
    return True


def masks(faults: Iterable[Fault], minute: int) -> dict[str, int]:
    """What is down in the minute: rung, device signal or "power" -> its seconds as bits. Empty: nothing is."""
    found: dict[str, int] = {}
    for fault in faults:
        mask = fault.mask(minute)
        if mask:
            name = fault.signal or fault.kind
            found[name] = found.get(name, 0) | mask
    return found


def touched(faults: Iterable[Fault], first_minute: int, end_minute: int) -> set[int]:
    """The minutes of [first, end) in which any fault lasts."""
    found: set[int] = set()
    for fault in faults:
        found.update(range(max(first_minute, fault.first_s // 60), min(end_minute, -(-fault.end_s // 60))))
    return found
