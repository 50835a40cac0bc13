"""What the child process saw, as counts; what is remembered of it are keyed hashes, never an address. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from schoolbeat_agent.discovery.found import device_id
from schoolbeat_agent.discovery.neighbours import MAC, NOBODY, speaks_for_others
from schoolbeat_agent.observation import ProbeFailed

SUBJECT: Final = "lan"
READINGS: Final = ("dhcp_servers", "addresses_duplicate", "gateway_changed", "devices_seen", "devices_new")
MARK_LETTERS: Final = 6  # of a device's id; among 600 one new device in 28,000 is taken for an old one
MARKS: Final = 600  # remembered: 3,600 letters, of the 4 KB that a probe may keep
ADDRESSES: Final = 4_096


@dataclass(frozen=True)
class Heard:
    """dhcp_servers: addresses. holders: address -> MACs that answer for it. router: its address, or empty."""

    dhcp_servers: frozenset[str] = frozenset()
    holders: dict[str, frozenset[str]] = field(default_factory=dict, repr=False)
    router: str = ""


@dataclass(frozen=True)
class Remembered:
    """Marks of the router and of every device seen, oldest first. An empty one: nothing was seen before."""

    router: str = ""
    devices: tuple[str, ...] = ()


def parse(text: str) -> Heard:
    """The child's output. ProbeFailed when it is none: without quoting it."""
    try:
        read: Any = json.loads(text)
        holders = {
            str(address): frozenset(mac for mac in macs if MAC.fullmatch(mac) and mac not in NOBODY)
            for address, macs in list(read["holders"].items())[:ADDRESSES]
        }
        return Heard(frozenset(map(str, read["dhcp_servers"])), holders, str(read["router"]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ProbeFailed("bad_answer", f"the LAN child's output cannot be read ({type(error).__name__})") from None


def duplicates(heard: Heard) -> int:
    """Addresses for which two machines answer. A router that answers for others (proxy ARP) is not one of them."""
    single = {f"{address} {mac}": mac for address, macs in heard.holders.items() for mac in macs}
    for_others = speaks_for_others(single)
    return sum(len(macs - for_others) > 1 for macs in heard.holders.values())


def marks(macs: Iterable[str], key: bytes) -> frozenset[str]:
    return frozenset(device_id(key, f"mac {mac}")[:MARK_LETTERS] for mac in macs)


def counts(heard: Heard, before: Remembered, key: bytes) -> tuple[dict[tuple[str, str], float], Remembered]:
    """The readings, and what to remember for the next run. What was never seen before cannot be called new at first."""
    seen = marks({mac for macs in heard.holders.values() for mac in macs}, key)
    router = sorted(marks(heard.holders.get(heard.router, ()), key))
    found = {
        "dhcp_servers": len(heard.dhcp_servers),
        "addresses_duplicate": duplicates(heard),
        "devices_seen": len(seen),
    }
    if router and before.router:
        found["gateway_changed"] = int(before.router not in router)
    new = seen - set(before.devices)
    if before.devices and len(seen) <= MARKS:
        found["devices_new"] = len(new)
    stays = before.router if before.router in router or not router else router[0]
    return {(SUBJECT, reading): float(value) for reading, value in found.items()}, Remembered(
        stays, _bounded(before.devices, new, seen)
    )


def _bounded(before: tuple[str, ...], new: frozenset[str], seen: frozenset[str]) -> tuple[str, ...]:
    """Who is not there now is forgotten first, the oldest before the others."""
    every = [*before, *sorted(new)]
    too_many = len(every) - MARKS
    if too_many > 0:
        away = [mark for mark in every if mark not in seen]
        forgotten = {*away[:too_many]}
        every = [mark for mark in every if mark not in forgotten][:MARKS]
    return tuple(every)


def to_text(remembered: Remembered, key: bytes) -> str:
    """Marks one after the other: of the key, the router, the devices."""
    return "".join((_of_key(key), remembered.router.ljust(MARK_LETTERS), *remembered.devices))


def from_text(text: str, key: bytes) -> Remembered:
    """Nothing where it is not what `to_text` wrote with this key: marks of another key cannot be compared."""
    parts = [text[at : at + MARK_LETTERS] for at in range(0, len(text), MARK_LETTERS)]
    if len(parts) < 2 or parts[0] != _of_key(key) or any(len(part) != MARK_LETTERS for part in parts):
        return Remembered()
    return Remembered(parts[1].strip(), tuple(dict.fromkeys(parts[2:])))


def _of_key(key: bytes) -> str:
    return device_id(key, "key")[:MARK_LETTERS]
