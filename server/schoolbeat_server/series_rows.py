"""Rows of the database as lines: outages, days, verdicts, the server's own health. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schoolbeat_server.issued import Issue
from schoolbeat_server.issued_units import Unit
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.series_catalogue import CAUSES, GRADES, VERDICTS
from schoolbeat_server.series_lines import line, prefix
from schoolbeat_server.series_places import Places, Tags
from schoolbeat_server.summaries import Both

MINUTE_MS: Final = 60_000
PROVINCE: Final = "all"
_STATUS: Final = {"missed": 0, "met": 1, "unknown": 2, "not_applicable": 3}
_GRADE: Final = {"declared": 0, "inventoried": 1, "observed": 2, "proven": 3}
assert len(_STATUS) == len(VERDICTS)
assert len(_GRADE) == len(GRADES)


class Stamps(NamedTuple):
    """When a point of a row lies that may be corrected later. by_revision: the store keeps the greater of two values of
    one moment, so that each correction lies some milliseconds later, and the last is asked for; else it is overwritten.
    ahead_ms: of a database that was restored and counts its revisions anew."""

    by_revision: bool = False
    ahead_ms: int = 0

    def at(self, minute: int, revision: int) -> int:
        later = min(self.ahead_ms + revision, MINUTE_MS - 1) if self.by_revision else 0
        return minute * MINUTE_MS + later


def encoded(lines: Iterable[str]) -> list[bytes]:
    return [one.encode() for one in lines]


# ---- outages -----------------------------------------------------------------------------------------------


class OutageRow(NamedTuple):
    """down_seconds 0: it was taken back. version: of the change that tells of it."""

    site: str
    signal: str
    first_minute: int
    end_minute: int | None
    down_seconds: int
    lessons: int
    cause: str
    version: int


def cause_code(cause: str) -> int:
    """A device, service or Wi-Fi network stands for itself."""
    return CAUSES.get(cause, CAUSES["itself"] if "." in cause else CAUSES["unknown"])


def of_outage(row: OutageRow, places: Places, stamps: Stamps) -> str:
    tags = places.of_signal(row.site, row.signal, day_of(row.first_minute))
    fields = {
        "down_seconds": row.down_seconds,
        "end_seconds": (row.end_minute or 0) * 60,
        "lessons": row.lessons,
        "cause": cause_code(row.cause),
    }
    return line("schoolbeat_outage", tags, fields, stamps.at(row.first_minute, row.version))


def taken_back(series: str, first_minute: int, version: int, stamps: Stamps) -> str:
    """Of an outage that the store was told of under other tags: it is the same one and must not last for ever there."""
    fields = {"down_seconds": 0, "end_seconds": first_minute * 60, "lessons": 0, "cause": CAUSES["unknown"]}
    told = ",".join(f"{name}={value}i" for name, value in fields.items())
    return f"{series} {told} {stamps.at(first_minute, version)}"


# ---- days --------------------------------------------------------------------------------------------------


@dataclass
class DayLines:
    """Remembers the series' names: a province has two hundred thousand sums a day."""

    places: Places
    known: dict[tuple[str, str, str, int], str] = field(default_factory=dict)

    def of(
        self, site: str, day: int, signal: str, found: Both, revision: int, stamps: Stamps, *, lessons: bool
    ) -> Iterator[str]:
        """lessons: somebody told the site's lessons."""
        at_ms = stamps.at(first_minute_of(day), revision)
        for clock, seconds in (("always", found.always), ("lessons", found.lessons))[: 1 + lessons]:
            told = seconds.availability()
            yield (
                f"{self._prefix(site, signal, clock, day)} up_seconds={told.up_seconds}i,"
                f"down_seconds={told.down_seconds}i,off_seconds={told.off_seconds}i,"
                f"unknown_seconds={told.unknown_seconds}i {at_ms}"
            )

    def _prefix(self, site: str, signal: str, clock: str, day: int) -> str:
        key = (site, signal, clock, self.places.span(site, day).first_day)
        found = self.known.get(key)
        if found is None:
            tags = self.places.of_signal(site, signal, day) | {"clock": clock}
            found = self.known[key] = prefix("schoolbeat_day", tags)
        return found


# ---- verdicts ----------------------------------------------------------------------------------------------


def of_issue(
    issue: Issue,
    units: Mapping[str, Unit] | None,
    changed: Iterable[str],
    unit_kind: str,
    places: Places,
    stamps: Stamps,
) -> Iterator[str]:
    """units: all of the verdict; None: lost, then only the province's counts are told. changed: those whose own verdict
    is told. unit_kind: targets.Unit; "" where the plan is no longer there."""
    at_ms, day = stamps.at(issue.end_minute, issue.revision), day_of(issue.end_minute - 1)
    target = {"plan": issue.plan, "target": issue.target}
    counts = {"met": issue.met, "missed": issue.missed, "unknown": issue.unknown, "silent": issue.silent}
    counts["verdict"] = _STATUS[issue.status]
    yield line("schoolbeat_target", target | {"area": PROVINCE}, counts, at_ms)
    if units is None:
        return
    finder = _UnitPlaces(places, unit_kind)
    by_area: dict[str, list[int]] = {}
    for ident, unit in units.items():
        area = finder.of(ident, day).get("area", "")
        if area:
            numbers = by_area.setdefault(area, [0, 0, 0, 0])
            for at, count in enumerate((*unit["counts"], int(unit["silent"]))):
                numbers[at] += count
    for area, numbers in sorted(by_area.items()):
        fields = dict(zip(("met", "missed", "unknown", "silent"), numbers, strict=True))
        yield line("schoolbeat_target", target | {"area": area}, fields, at_ms)
    for ident in changed:
        unit = units[ident]
        fields = {"verdict": _STATUS[unit["status"]], "grade": _GRADE[unit["grade"]]}
        yield line("schoolbeat_verdict", target | finder.of(ident, day) | {"unit": ident}, fields, at_ms)


class _UnitPlaces:
    def __init__(self, places: Places, kind: str) -> None:
        self.places, self.kind = places, kind
        self.site_of = {spot.school: site for site, spot in sorted(places.sites.items(), reverse=True)}

    def of(self, ident: str, day: int) -> Tags:
        """area, school, and the site but of a school; nothing of what the register does not know."""
        site, places = ident.partition("/")[0], self.places
        if self.kind == "room" or (site not in places.sites and ident in places.rooms):
            site = places.rooms[ident].site if ident in places.rooms else ""
        if self.kind == "school" or (not self.kind and site not in places.sites):
            found = self.site_of.get(ident)
            return {"area": places.span(found, day).area, "school": ident} if found else {}
        return places.of_place(site, day) if site in places.sites else {}


# ---- health ------------------------------------------------------------------------------------------------


def of_health(server: str, minute: int, numbers: Mapping[str, Any]) -> str:
    return line("schoolbeat_server", {"server": server}, numbers, minute * MINUTE_MS)
