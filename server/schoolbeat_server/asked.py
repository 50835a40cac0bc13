"""When a signal's absence matters: always, or in lessons only. A board that is off at night is not asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar
from schoolbeat_wire.catalogue import UNKNOWN, UP_FULL, Clock, device_kind, kind_of
from schoolbeat_wire.inventory import Inventory

# What is not fully up says nothing; a minute fully up is one, whoever asked.
_SAYS_LITTLE = bytes(UNKNOWN if code < UP_FULL else 0 for code in range(256))
_OUTSIDE = bytes([0xFF, 0x00]) + bytes(254)


def clock_of(signal: str, kind: str = "") -> Clock:
    """kind: of the device, where the signal is a device's."""
    return device_kind(kind).clock if signal.startswith("device.") else kind_of(signal).clock


def masked(codes: bytes, lessons: bytes) -> bytes:
    """One signal's minutes, as its outages are to be found in them: unknown where its absence does not matter.
    lessons: 1 for each minute of a lesson, 0 for others."""
    if len(codes) != len(lessons):
        raise ValueError(f"lessons of {len(lessons)} minutes for {len(codes)} ledger minutes: must be as many")
    if 0 not in lessons:
        return codes
    little = int.from_bytes(codes.translate(_SAYS_LITTLE), "big") & int.from_bytes(lessons.translate(_OUTSIDE), "big")
    return (int.from_bytes(codes, "big") | little).to_bytes(len(codes), "big")


class Asked:
    """Which signals of which site matter in lessons only, by the kinds that the register and the agents tell."""

    def __init__(self, lessons: LessonHours = LessonHours()) -> None:  # noqa: B008 - frozen
        self.calendar = SchoolCalendar(default=lessons)  # replaced as a whole: other threads read it
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

    def in_lessons(self, site: str) -> frozenset[str]:
        """The signals known here whose absence matters in lessons only."""
        return self._in_lessons.get(site, frozenset())

    def learn(self, site: str, inventory: Inventory) -> None:
        if (site, inventory.revision) in self._learnt:
            return
        self._learnt.add((site, inventory.revision))
        told = self._told.setdefault(site, {})
        told.update({f"device.{device.id}": device.kind for device in inventory.devices if device.kind})
        self._sort(site, inventory.signals)

    def learn_past(self, site: str, inventories: Iterable[Inventory]) -> None:
        """What older inventories told of, the newest last; newer words stand."""
        told: dict[str, str] = {}
        names: set[str] = set()
        for inventory in inventories:
            told.update({f"device.{device.id}": device.kind for device in inventory.devices if device.kind})
            names.update(inventory.signals)
        self._told[site] = {**told, **self._told.get(site, {})}
        self._sort(site, names)

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
        return masked(codes, self.calendar.of_site(site).minutes(first_minute, first_minute + len(codes)))

    def of_report(self, site: str, signals: Sequence[str], minutes: Sequence[int], data: bytes) -> bytes:
        """A report's bytes, minute by minute, each with all signals."""
        mine = self._in_lessons.get(site)
        if not mine:
            return data
        width, out = len(signals), bytearray(data)
        calendar = self.calendar.of_site(site)
        lessons = bytes(calendar.is_lesson(minute) for minute in minutes)
        for index, signal in enumerate(signals):
            if signal in mine:
                out[index::width] = masked(bytes(out[index::width]), lessons)
        return bytes(out)
