"""Which units of the register a target counts, and by which sites and devices each is judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from schoolbeat_server.evidence import Evidence, SiteFacts
from schoolbeat_server.inspections import Inspected
from schoolbeat_server.register import Area, Device, Room, Site
from schoolbeat_server.school_calendar import day_number, first_minute_of
from schoolbeat_server.targets import Target


class Part(NamedTuple):
    """A site, with the devices, the room or the inspection in question."""

    facts: SiteFacts
    devices: tuple[Device, ...] = ()
    room: Room | None = None
    inspection: Inspected | None = None


class Counted(NamedTuple):
    """A unit of the register that the target counts, and what it is judged by."""

    id: str
    name: str
    area: str
    school: str
    site: str
    parts: tuple[Part, ...]


def counted_units(target: Target, evidence: Evidence) -> Iterator[Counted]:
    areas = _areas_within(target.filter.areas, evidence)
    if target.unit == "inspection":
        yield from _inspections(target, evidence, areas)
        return
    sites: dict[str, list[SiteFacts]] = {}
    for facts in evidence.sites.values():
        sites.setdefault(facts.site.school, []).append(facts)
    day = evidence.last_day
    for school in evidence.schools.values():
        wanted, area = target.filter, evidence.area_of(school)
        if areas is not None and area not in areas:
            continue
        if (school.founded or "") > day or (school.closed is not None and school.closed <= day):
            continue
        if not _passes(school.level, wanted.levels) or not _passes(school.manager, wanted.managers):
            continue
        taught = [one for one in sites.get(school.id, ()) if one.site.valid_from <= day < one.site.valid_to]
        mine = sorted(taught, key=lambda facts: (facts.site.kind != "main", facts.site.id))
        if target.unit == "school":
            parts = tuple(Part(one) for one in mine if target.sites != "main" or one.site.kind == "main")
            only = parts[0].facts.site.id if len(parts) == 1 else ""
            yield Counted(school.id, school.name, area, school.id, only, parts)
            continue
        for facts in mine:
            if _passes(facts.site.kind, wanted.site_kinds) and _tagged(facts, wanted.site_tags):
                yield from _within_site(target, facts, school.name, area)


def _within_site(target: Target, facts: SiteFacts, school: str, area: str) -> Iterator[Counted]:
    site, wanted = facts.site, target.filter
    place = f"{school} – {site.name}"
    if target.unit in ("site", "holding"):  # a site's holdings are told of together
        yield Counted(site.id, place, area, site.school, site.id, (Part(facts),))
    elif target.unit == "room":
        for room in facts.rooms:
            if _passes(room.kind, wanted.room_kinds) and _passes(room.smart_level, wanted.smart_levels):
                devices = tuple(device for device in facts.devices if device.room == room.id)
                name = f"{room.name}, {place}"
                yield Counted(room.id, name, area, site.school, site.id, (Part(facts, devices, room),))
    else:
        for device in facts.devices:
            if _passes(device.kind, wanted.device_kinds):
                name = f"{device.name or device.id}, {place}"
                part = Part(facts, (device,))
                yield Counted(f"{site.id}/{device.id}", name, area, site.school, site.id, (part,))


def _inspections(target: Target, evidence: Evidence, areas: frozenset[str] | None) -> Iterator[Counted]:
    """Those of the target's window, by the first minute of their day; a school's closing undoes none."""
    end = evidence.window.end_minute
    for one in evidence.inspections:
        school = evidence.schools.get(one.school)
        if school is None or not end - target.window_minutes <= first_minute_of(day_number(one.held_on)) < end:
            continue
        area, wanted = evidence.area_ever_of(school), target.filter
        if areas is not None and area not in areas:
            continue
        if _passes(school.level, wanted.levels) and _passes(school.manager, wanted.managers):
            facts = evidence.sites.get(one.site) or SiteFacts(Site("", school.id, "", "main", None, None))
            part = Part(replace(facts, silent=False), inspection=one)  # held, whether or not an agent ever reported
            name = f"{school.name}, {one.held_on:%d/%m/%Y}"
            yield Counted(f"inspection-{one.id}", name, area, school.id, one.site, (part,))


def _passes(value: object, allowed: Sequence[object]) -> bool:
    return not allowed or value in allowed


def _tagged(facts: SiteFacts, wanted: Sequence[str]) -> bool:
    """Any of the tags is enough."""
    return not wanted or not facts.site.tag_set.isdisjoint(wanted)


def _areas_within(roots: Sequence[str], evidence: Evidence) -> frozenset[str] | None:
    """The roots and all under them that are valid on the day whose boundaries count; None: all areas."""
    if not roots:
        return None
    day = evidence.last_day if evidence.boundaries is None else evidence.boundaries.day
    children: dict[str | None, list[Area]] = {}
    for area in evidence.areas.values():
        if area.valid_from <= day < area.valid_to:
            children.setdefault(area.parent, []).append(area)
    found, waiting = set[str](), list(roots)
    while waiting:
        area_id = waiting.pop()
        if area_id not in found:
            found.add(area_id)
            waiting += [child.id for child in children.get(area_id, ())]
    return frozenset(found)
