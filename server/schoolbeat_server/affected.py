"""Lessons affected: how many lessons of how many rooms an outage touched; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

_OF_THE_SITE = ("line.", "lan.", "service.", "wifi.", "power.")


class Seated(NamedTuple):
    """A device with the room it stands in ("": none) and the signal it is seen through."""

    id: str
    room: str
    behind: str


class Affected(NamedTuple):
    """lessons: those that hold a down second. rooms: in which they are taught; None where the register has no rooms."""

    lessons: int
    rooms: int | None

    @property
    def lesson_rooms(self) -> int | None:
        """The unit that is counted: one lesson in one room."""
        return None if self.rooms is None else self.lessons * self.rooms


def affected(signal: str, lessons: int, rooms: Collection[str], devices: Iterable[Seated]) -> Affected:
    """rooms: all of the site."""
    if not rooms:
        return Affected(lessons, None)
    return Affected(lessons, len(rooms_of(signal, rooms, devices)))


def rooms_of(signal: str, rooms: Collection[str], devices: Iterable[Seated]) -> frozenset[str]:
    """The line and all that the site shares reach every room; a device its own, and those of whatever is behind it."""
    if signal.startswith(_OF_THE_SITE):
        return frozenset(rooms)
    devices = list(devices)
    found: set[str] = set()
    reached: set[str] = set()
    waiting = [signal]
    while waiting:
        one = waiting.pop()
        reached.add(one)
        for device in devices:
            own = f"device.{device.id}"
            if own == one or one.startswith(own + "."):
                found.add(device.room)
            if device.behind == one and own not in reached:
                waiting.append(own)
    return frozenset(found & set(rooms))
