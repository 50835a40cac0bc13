"""The register as tags of points: where a site is, what a signal, a subject, a room is called, whose its line is."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple
from urllib.parse import unquote

from sqlalchemy import Connection

from schoolbeat_server import register
from schoolbeat_server.register_areas import area_on, read_memberships
from schoolbeat_server.register_values import Line, School, SchoolArea
from schoolbeat_server.school_calendar import date_of, day_number
from schoolbeat_wire.catalogue import DEVICE_KINDS
from schoolbeat_wire.inventory import Device as Told

Tags = dict[str, str]

_OF_THE_LINE: Final = ("line", "speed")  # heads of the subjects that carry the ISP
_BEGINNING: Final = day_number(date.min)
_NOTHING_TOLD: Final[Mapping[str, Told]] = {}


def labelled(name: str, ident: str) -> str:
    """What Grafana shows and, by (?<text>.+) \\((?<value>[^()]+)\\)$, the id that it asks by."""
    return f"{name or ident} ({ident})"


class Span(NamedTuple):
    """What holds of a site from a local day on. line: the main one whose contract is in force."""

    first_day: int
    area: str
    line: Line | None

    @property
    def isp(self) -> str:
        return self.line.isp if self.line else ""


class Spot(NamedTuple):
    """A site. spans: the oldest first; the first has no beginning."""

    school: str
    name: str
    kind: str
    latitude: float | None
    longitude: float | None
    spans: tuple[Span, ...]


class Room(NamedTuple):
    site: str
    name: str
    kind: str
    level: int


class Item(NamedTuple):
    """A device. room: its id in the register, else as the agent told it."""

    name: str
    kind: str
    room: str


_UNREGISTERED: Final = Spot("", "", "", None, None, (Span(_BEGINNING, "", None),))


@dataclass(frozen=True)
class Places:
    """Equal to another one if no tag of any point would differ."""

    areas: dict[str, str]  # id -> name
    schools: dict[str, str]
    services: dict[str, str]
    sites: dict[str, Spot]
    rooms: dict[str, Room]
    devices: dict[tuple[str, str], Item]
    rooms_by_name: dict[tuple[str, str], str]

    def span(self, site: str, day: int) -> Span:
        """day: local days since 1970. By the day of the point, so that what is sent again is the same point."""
        spans = self.sites.get(site, _UNREGISTERED).spans
        found = spans[0]
        for one in spans:
            if one.first_day > day:
                break
            found = one
        return found

    def of_place(self, site: str, day: int) -> Tags:
        """The tags that all points of a site have."""
        return {"area": self.span(site, day).area, "school": self.sites.get(site, _UNREGISTERED).school, "site": site}

    def of_site(self, site: str, day: int) -> Tags:
        """Of schoolbeat_site."""
        spot, span = self.sites.get(site, _UNREGISTERED), self.span(site, day)
        return self.of_place(site, day) | {
            "area_label": labelled(self.areas.get(span.area, ""), span.area) if span.area else "",
            "school_label": labelled(self.schools.get(spot.school, ""), spot.school) if spot.school else "",
            "site_label": labelled(spot.name, site),
            "kind": spot.kind,
            "isp": span.isp,
            "technology": span.line.technology if span.line else "",
        }

    def of_room(self, room: str, day: int) -> Tags:
        """Of schoolbeat_room. KeyError: the register has no such room."""
        site, name, kind, level = self.rooms[room]
        return self.of_place(site, day) | {
            "room": room,
            "label": labelled(name, room),
            "kind": kind,
            "level": str(level),
        }

    def of_agent(self, site: str, agent: str, role: str, version: str, day: int) -> Tags:
        """Of schoolbeat_agent."""
        return self.of_place(site, day) | {"agent": agent, "role": role, "version": version}

    def of_signal(self, site: str, signal: str, day: int, told: Mapping[str, Told] = _NOTHING_TOLD) -> Tags:
        """Of schoolbeat_day (beside its clock) and schoolbeat_outage; of schoolbeat_minute without the ISP."""
        return self.of_place(site, day) | {"signal": signal} | self.about(site, signal, day, told)

    def about(self, site: str, subject: str, day: int, told: Mapping[str, Told] = _NOTHING_TOLD) -> Tags:
        """kind, room, isp, label. told: devices of the agent's inventory by id, for those not in the register."""
        head, _, rest = subject.partition(".")
        kind, room, label = head, "", ""
        if head == "device":
            ident = _known(rest, _Registered(self.devices, site)) or _known(rest, told) or rest
            item = self._item(site, ident, told)
            kind, room = item.kind, item.room
            label = " ".join(filter(None, (item.name, unquote(rest[len(ident) + 1 :])))) if item.name else ""
        elif head == "service":
            label = self.services.get(rest, "")
        elif head == "wifi":
            label = unquote(rest)
        isp = self.span(site, day).isp if head in _OF_THE_LINE else ""
        return {"kind": kind, "room": room, "isp": isp, "label": label}

    def _item(self, site: str, ident: str, told: Mapping[str, Told]) -> Item:
        found = self.devices.get((site, ident))
        if found is not None:
            return found
        one = told.get(ident)
        if one is None:
            return Item("", "other", "")
        return Item(
            one.name,
            one.kind if one.kind in DEVICE_KINDS else "other",
            self.rooms_by_name.get((site, one.room), one.room),
        )


class _Registered(Container[str]):
    """The ids of a site's devices."""

    def __init__(self, devices: Container[tuple[str, str]], site: str) -> None:
        self.devices, self.site = devices, site

    def __contains__(self, ident: object) -> bool:
        return (self.site, ident) in self.devices


def _known(rest: str, known: Container[str]) -> str:
    """The longest id that the rest of a subject begins with, for ids may have dots, and so have parts of a device."""
    while rest and rest not in known:
        rest = rest.rpartition(".")[0]
    return rest


# ---- from the register -------------------------------------------------------------------------------------


def read_places(connection: Connection) -> Places:
    province = register.read_province(connection)
    memberships = read_memberships(connection)
    rooms = register.read_rooms(connection)
    sites = {}
    for one in province.sites.values():
        school = province.schools[one.school]
        spans = spans_of(school, memberships.get(school.id, ()), province.lines.get(one.id, ()))
        sites[one.id] = Spot(school.id, one.name, one.kind, one.latitude, one.longitude, spans)
    return Places(
        {one.id: one.name for one in province.areas.values()},
        {one.id: one.name for one in province.schools.values()},
        {one.id: one.name for one in register.read_services(connection)},
        sites,
        {one.id: Room(one.site, one.name, one.kind, one.smart_level) for one in rooms},
        {
            (one.site, one.id): Item(one.name, one.kind or "other", one.room or "")
            for one in register.read_devices(connection)
        },
        {(one.site, one.name): one.id for one in rooms},
    )


def spans_of(school: School, memberships: Iterable[SchoolArea], lines: Iterable[Line]) -> tuple[Span, ...]:
    """A span for each time between two days on which the school changed its area or the site its main line."""
    memberships, lines = list(memberships), sorted(lines, key=lambda line: (line.role != "main", line.id))
    told = [day for one in memberships for day in (one.valid_from, one.valid_to)]
    told += [day for one in lines for day in (one.contract_from, one.contract_to) if day]
    found: list[Span] = []
    for first in sorted({_BEGINNING, *(day_number(date.fromisoformat(day)) for day in told)}):
        day = date_of(first).isoformat()
        line = next((one for one in lines if one.in_force(day)), None)
        span = Span(first, area_on(school, memberships, day), line)
        if not found or found[-1][1:] != span[1:]:
            found.append(span)
    return tuple(found)
