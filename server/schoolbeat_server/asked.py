"""When a signal's absence matters: always, or in lessons only. A board that is off at night is not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from schoolbeat_wire import hours
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL, Clock, device_kind, kind_of
from schoolbeat_wire.inventory import Inventory
from schoolbeat_wire.messages import Lesson

# What is not fully up says nothing; a minute fully up is one, whoever asked.
_NOT_ASKED = bytes(UNKNOWN if code < UP_FULL else code for code in range(256))


@dataclass(frozen=True)
class LessonHours:
    """The week's table of the province. Empty: nobody told it, so nothing is asked for in lessons."""

    week: tuple[Lesson, ...] = ()
    exam_days: tuple[str, ...] = ()


def clock_of(signal: str, kind: str = "") -> Clock:
    """kind: of the device, where the signal is a device's."""
    return device_kind(kind).clock if signal.startswith("device.") else kind_of(signal).clock


@lru_cache(maxsize=4_096)
def is_asked(lessons: LessonHours, minute: int) -> bool:
    return hours.is_lesson(lessons.week, minute)


def masked(codes: bytes, minutes: Iterable[int], lessons: LessonHours) -> bytes:
    """One signal's minutes, as its outages are to be found in them: unknown where its absence does not matter."""
    asked = [is_asked(lessons, minute) for minute in minutes]
    if all(asked):
        return codes
    return bytes(code if there else _NOT_ASKED[code] for code, there in zip(codes, asked, strict=True))


class Asked:
    """Which signals of which site matter in lessons only, by the kinds that the register and the agents tell."""

    def __init__(self, lessons: LessonHours = LessonHours()) -> None:
        self.lessons = lessons
        self._registered: dict[str, dict[str, str]] = {}  # site -> signal -> kind
        self._told: dict[str, dict[str, str]] = {}
        self._in_lessons: dict[str, frozenset[str]] = {}
        self._learnt: set[tuple[str, str]] = set()  # (site, inventory revision)

    def use_register(self, kinds: Mapping[str, dict[str, str]]) -> None:
        """site -> signal -> kind; what the register says goes before what an agent says."""
        self._registered = dict(kinds)
        for site in {*self._registered, *self._told}:
            self._sort(site, ())

    def use_site(self, site: str, kinds: Mapping[str, str]) -> None:
        """The register's word on some devices of one site has changed."""
        self._registered.setdefault(site, {}).update(kinds)
        self._sort(site, ())

    def learn(self, site: str, inventory: Inventory) -> None:
        if (site, inventory.revision) in self._learnt:
            return
        self._learnt.add((site, inventory.revision))
        told = self._told.setdefault(site, {})
        told.update({f"device.{device.id}": device.kind for device in inventory.devices if device.kind})
        self._sort(site, inventory.signals)

    def _sort(self, site: str, signals: Iterable[str]) -> None:
        kinds = {**self._told.get(site, {}), **self._registered.get(site, {})}
        known = {*kinds, *self._in_lessons.get(site, ()), *(name for name in signals if name)}
        self._in_lessons[site] = frozenset(name for name in known if clock_of(name, kinds.get(name, "")) == "lessons")

    def matters_always(self, site: str, signal: str) -> bool:
        return signal not in self._in_lessons.get(site, ())

    def of_one(self, site: str, signal: str, codes: bytes, first_minute: int) -> bytes:
        """A row of one signal's minutes from the ledger."""
        if self.matters_always(site, signal):
            return codes
        return masked(codes, range(first_minute, first_minute + len(codes)), self.lessons)

    def of_report(self, site: str, signals: Sequence[str], minutes: Sequence[int], data: bytes) -> bytes:
        """A report's bytes, minute by minute, each with all signals."""
        mine = self._in_lessons.get(site)
        if not mine:
            return data
        width, out = len(signals), bytearray(data)
        for index, signal in enumerate(signals):
            if signal in mine:
                out[index::width] = masked(bytes(out[index::width]), minutes, self.lessons)
        return bytes(out)
