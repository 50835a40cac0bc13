"""Which area each school is in by the boundaries of a day: one history, told on the old ones or the new."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.register_values import Area, School, SchoolArea

Memberships = Mapping[str, list[SchoolArea]]


@dataclass(frozen=True)
class Boundaries:
    """areas: those valid on the day, by id; area_of: school -> its area; without: schools that the register places
    in no area of that day, to be listed apart and never guessed. A school not founded yet or closed is in neither;
    not_standing: where such a one was or will be."""

    day: str
    areas: dict[str, Area]
    area_of: dict[str, str]
    without: list[str]
    not_standing: dict[str, str] = field(default_factory=dict)

    def up(self, area: str | None) -> list[Area]:
        """The area and those above it, up to the root."""
        found: list[Area] = []
        while area is not None and area in self.areas and self.areas[area] not in found:  # a loop would end
            found.append(self.areas[area])
            area = found[-1].parent
        return found

    def schools_within(self, area: str) -> list[str]:
        """Those of the area and of all areas under it."""
        return [school for school, of in self.area_of.items() if any(one.id == area for one in self.up(of))]


def boundaries(day: str, areas: Iterable[Area], schools: Iterable[School], memberships: Memberships) -> Boundaries:
    """day: an ISO date. A school without memberships is in school.area, if that area is valid on the day."""
    valid = {one.id: one for one in areas if one.valid_from <= day < one.valid_to}
    area_of: dict[str, str] = {}
    without: list[str] = []
    not_standing: dict[str, str] = {}
    for school in schools:
        area = area_on(school, memberships.get(school.id, []), day)
        if (school.founded or "") > day or (school.closed is not None and school.closed <= day):
            if area in valid:
                not_standing[school.id] = area
        elif area in valid:
            area_of[school.id] = area
        else:
            without.append(school.id)
    return Boundaries(day, valid, area_of, without, not_standing)


def area_on(school: School, memberships: Iterable[SchoolArea], day: str) -> str:
    """ "" if the register knows where the school was on other days but not on this one."""
    spans = list(memberships)
    if not spans:
        return school.area
    return next((one.area for one in spans if one.valid_from <= day < one.valid_to), "")


def areas_on(connection: Connection, day: str) -> Boundaries:
    areas = connection.execute(select(schema.area).order_by(schema.area.c.id)).mappings()
    schools = connection.execute(select(schema.school).order_by(schema.school.c.id)).mappings()
    return boundaries(
        day, [Area(**row) for row in areas], [School(**row) for row in schools], read_memberships(connection)
    )


def read_memberships(connection: Connection) -> dict[str, list[SchoolArea]]:
    """By school, the oldest first."""
    found: dict[str, list[SchoolArea]] = {}
    table = schema.school_area
    for row in connection.execute(select(table).order_by(table.c.school, table.c.valid_from)).mappings():
        found.setdefault(row["school"], []).append(SchoolArea(**row))
    return found
