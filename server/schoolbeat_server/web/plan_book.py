"""What the plan pages read beside the verdicts, kept until they change: places, issued days, forecasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, func, select

from schoolbeat_server import issued, register, schema
from schoolbeat_server.forecast import MOST_WEEKS, WEEK, Forecast, forecast, likely_to_miss, read_weeks
from schoolbeat_server.history import Point, local_day
from schoolbeat_server.issued_units import Unit
from schoolbeat_server.local_time import local
from schoolbeat_server.plan_tables import Where
from schoolbeat_server.register_areas import Boundaries, areas_on
from schoolbeat_server.register_values import Line, School, Site
from schoolbeat_server.targets import Plan, Target
from schoolbeat_server.verdicts import UnitVerdict, Verdict, plan_status

Made = TypeVar("Made")

MOST_MADE = 30  # a province's texts of one target are a megabyte
MOST_ISSUES = 4  # that pages compare with
MOST_DAYS = 8  # boundaries of so many days are kept at once


@dataclass
class Seen:
    """One judgement's verdicts, with the register as it was when somebody first looked at them."""

    verdicts: Sequence[Verdict]
    engine: Engine
    targets: dict[tuple[str, str], Verdict]
    schools: Mapping[str, School]
    sites: Mapping[str, Site]
    isps: Mapping[str, str]  # site or school -> ISP of its main line
    of_school: Mapping[str, list[tuple[Verdict, UnitVerdict]]]
    _days: dict[str, Boundaries] = field(default_factory=dict)
    _made: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def plans(self) -> list[Plan]:
        """In the order in which they were judged, profiles last."""
        found = {verdict.plan.id: verdict.plan for verdict in self.verdicts}
        return sorted(found.values(), key=lambda plan: plan.kind == "profile")

    def boundaries(self, day: str) -> Boundaries:
        found = self._days.get(day)
        if found is None:
            with self.engine.connect() as connection:
                found = areas_on(connection, day)
            while len(self._days) >= MOST_DAYS:
                self._days.pop(next(iter(self._days)), None)
            self._days[day] = found
        return found

    def once(self, key: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """What is made for the first page that asks and serves all others until the next judgement."""
        found = self._made.get(key)
        if found is None:
            while len(self._made) >= MOST_MADE:
                self._made.pop(next(iter(self._made)), None)
            found = self._made[key] = make()
        return cast("Made", found)

    def where(self, limits: Boundaries) -> Callable[[UnitVerdict], Where]:
        """A unit's place by these boundaries; each school is looked up once."""
        of_school: dict[str, Where] = {}

        def find(unit: UnitVerdict) -> Where:
            place = of_school.get(unit.school)
            if place is None:
                place = of_school[unit.school] = self._where(unit.school, limits)
            isp = self.isps.get(unit.site or unit.school)
            return place if isp == place.isp else place._replace(isp=isp)

        return find

    def _where(self, ident: str, limits: Boundaries) -> Where:
        up = limits.up(limits.area_of.get(ident))
        over = up[1] if len(up) > 2 else None  # the root says nothing
        school = self.schools.get(ident)
        return Where(
            up[0].id if up else None,
            up[0].name if up else None,
            over.id if over else None,
            over.name if over else None,
            self.isps.get(ident),
            school.manager if school else None,
            school.level if school else None,
        )


Mine = Mapping[str, list[tuple[Verdict, UnitVerdict]]]
"""By school."""


def _by_school(verdicts: Sequence[Verdict]) -> Mine:
    mine: dict[str, list[tuple[Verdict, UnitVerdict]]] = {}
    for verdict in verdicts:
        for unit in verdict.units:
            mine.setdefault(unit.school, []).append((verdict, unit))
    return mine


def _look(engine: Engine, verdicts: Sequence[Verdict], mine: Mine) -> Seen:
    with engine.connect() as connection:
        province = register.read_province(connection)
    return Seen(
        verdicts,
        engine,
        {(verdict.plan.id, verdict.target.id): verdict for verdict in verdicts},
        province.schools,
        province.sites,
        _isps(province.sites.values(), province.lines, _last_day(verdicts)),
        mine,
    )


def _last_day(verdicts: Sequence[Verdict]) -> str:
    """Whose contracts count."""
    end = max((one.window.end_minute for one in verdicts), default=0)
    return local((end - 1) * 60_000).date().isoformat()


def _isps(sites: Iterable[Site], lines: Mapping[str, Iterable[Line]], day: str) -> dict[str, str]:
    """Of each site's first main line with a contract on that day; of each school that of its main site."""
    found: dict[str, str] = {}
    for site in sites:
        main = (line for line in lines.get(site.id, ()) if line.role == "main" and line.in_force(day))
        isp = next((line.isp for line in main if line.isp), "")
        if isp:
            found[site.id] = isp
            if site.kind == "main":
                found.setdefault(site.school, isp)
    return found


Key = tuple[str, str]


class PlanBook:
    """Of one server. What was issued is only ever added to, so each look reads the rows that are new."""

    def __init__(self, engine: Engine, verdicts: Callable[[], Sequence[Verdict]]) -> None:
        self.engine, self.verdicts = engine, verdicts
        self._lock = threading.Lock()
        self._seen: Seen | None = None
        self._mine: tuple[Sequence[Verdict], Mine] | None = None
        self._newest = 0
        self._days: dict[Key, dict[date, tuple[int, Point]]] = {}  # (revision, what it says)
        self._points: dict[Key, list[Point]] = {}
        self._units: dict[int, Mapping[str, Unit]] = {}
        self._made: dict[tuple[str, str, str], tuple[int, Any]] = {}  # until a later day is issued

    def seen(self) -> Seen:
        verdicts = self.verdicts()
        with self._lock:
            if self._seen is None or self._seen.verdicts is not verdicts:
                self._seen = _look(self.engine, verdicts, self._by_school(verdicts))
            return self._seen

    def of_school(self, school: str) -> Sequence[tuple[Verdict, UnitVerdict]]:
        """What was judged of it: a province has some hundred thousand units."""
        with self._lock:
            return self._by_school(self.verdicts()).get(school, ())

    def _by_school(self, verdicts: Sequence[Verdict]) -> Mine:
        if self._mine is None or self._mine[0] is not verdicts:
            self._mine = verdicts, _by_school(verdicts)
        return self._mine[1]

    # ---- issued days -----------------------------------------------------------------------------------------

    def points(self, plan: str, target: str) -> list[Point]:
        """By day, the oldest first, as they stand after their revisions; equal to history.read_points."""
        with self._lock:
            with self.engine.connect() as connection:
                self._read_new(connection)
            return self._points_of((plan, target))

    def all_points(self) -> dict[Key, list[Point]]:
        with self._lock:
            with self.engine.connect() as connection:
                self._read_new(connection)
            return {key: self._points_of(key) for key in self._days}

    def _points_of(self, key: Key) -> list[Point]:
        if key not in self._points:
            days = self._days.get(key, {})
            self._points[key] = [days[day][1] for day in sorted(days)]
        return self._points[key]

    def _read_new(self, connection: Connection) -> None:
        table = schema.issued.c
        if (connection.scalar(select(func.max(table.id))) or 0) == self._newest:
            return
        columns = (table.plan, table.target, table.revision, table.end_minute, table.status, table.met, table.missed)
        query = select(*columns, table.unknown, table.grade, table.id).where(table.id > self._newest).order_by(table.id)
        for plan, target, revision, end_minute, *values in connection.execute(query):
            point = Point(local_day(end_minute), *values)
            days = self._days.setdefault((plan, target), {})
            if point.day not in days or days[point.day][0] <= revision:
                days[point.day] = (revision, point)
            self._points.pop((plan, target), None)
            self._newest = point.issue

    def units_of(self, issue: int) -> Mapping[str, Unit]:
        """As they were said then; what was issued never changes."""
        found = self._units.get(issue)
        if found is None:
            with self.engine.connect() as connection:
                told = issued.read_units(connection, issue)
            found = told[1] if told else {}
            while len(self._units) >= MOST_ISSUES:
                self._units.pop(next(iter(self._units)), None)
            self._units[issue] = found
        return found

    # ---- what is to come -------------------------------------------------------------------------------------

    def forecast(self, plan: str, target: Target) -> Forecast:
        points = self.points(plan, target.id)
        return self._once(plan, target.id, "forecast", points, partial(forecast, points, target))

    def likely(self, plan: str, target: str) -> list[str]:
        """Ids of units that are likely to miss."""
        points = self.points(plan, target)
        return self._once(plan, target, "likely", points, partial(self._likely, points))

    def area_forecasts(self, verdict: Verdict, limits: Boundaries) -> dict[str, Forecast]:
        """By area, with those above: of the units that are counted now, as they were judged at the end of each week."""
        plan, target = verdict.plan.id, verdict.target
        points = self.points(plan, target.id)
        return self._once(
            plan, target.id, f"areas of {limits.day}", points, partial(self._of_areas, verdict, limits, points)
        )

    def _of_areas(self, verdict: Verdict, limits: Boundaries, points: Sequence[Point]) -> dict[str, Forecast]:
        over = {unit.id: limits.up(limits.area_of.get(unit.school)) for unit in verdict.units}
        found: dict[str, list[Point]] = {}
        for point in _weeks_ends(points):
            counts: dict[str, list[int]] = {}
            with self.engine.connect() as connection:
                told = issued.read_units(connection, point.issue)
            for ident, unit in (told[1] if told else {}).items():
                for area in over.get(ident, ()):
                    mine = counts.setdefault(area.id, [0, 0, 0])
                    for at, count in enumerate(unit["counts"]):
                        mine[at] += count
            for name, (met, missed, unknown) in counts.items():
                status = plan_status(met, missed, unknown, verdict.target.share)
                found.setdefault(name, []).append(
                    point._replace(status=status, met=met, missed=missed, unknown=unknown)
                )
        target = replace(verdict.target, count=None)  # a number of units is the whole plan's
        return (
            {}
            if verdict.target.count is not None
            else {area: forecast(mine, target) for area, mine in found.items() if mine[-1].day == points[-1].day}
        )

    def _once(self, plan: str, target: str, what: str, points: Sequence[Point], make: Callable[[], Made]) -> Made:
        newest = points[-1].issue if points else 0
        kept = self._made.get((plan, target, what))
        if kept is not None and kept[0] == newest:
            return cast("Made", kept[1])
        made = make()
        self._made[plan, target, what] = (newest, made)
        return made

    def _likely(self, points: Sequence[Point]) -> list[str]:
        with self.engine.connect() as connection:
            return likely_to_miss(read_weeks(connection, points))


def _weeks_ends(points: Sequence[Point]) -> list[Point]:
    """The newest and those 7, 14, … days before, the oldest first, as far as there is one each."""
    by_day = {one.day: one for one in points}
    found: list[Point] = []
    day = points[-1].day if points else date.min
    while day in by_day and len(found) <= MOST_WEEKS:
        found.append(by_day[day])
        day -= WEEK
    return found[::-1]
