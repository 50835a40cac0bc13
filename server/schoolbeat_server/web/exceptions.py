"""The list of exceptions: who never reported and who misses a target, put together from the verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schoolbeat_server.said import Said
from schoolbeat_server.verdicts import UnitVerdict, Verdict
from schoolbeat_server.web.province import SiteRow


class ExceptionRow(NamedTuple):
    """site: the page to open. target: None for a silent site, which is an exception of them all."""

    site: str
    name: str
    detail: str
    area_name: str
    silent: bool
    target: Said | None
    since_ms: int | None
    reasons: tuple[Said, ...]


def missing(verdicts: Sequence[Verdict], sites: Sequence[SiteRow]) -> list[ExceptionRow]:
    """Silent sites first, then the units that miss, those of the first target first, the longest since first."""
    silent = [
        ExceptionRow(row.id, row.school_name, _satellite(row), row.area_name, True, None, None, ())
        for row in sites
        if row.state == "silent"
    ]
    return silent + _rows(verdicts, sites, "missed")


def unknown(verdicts: Sequence[Verdict], sites: Sequence[SiteRow]) -> list[ExceptionRow]:
    """Units that no verdict can be given on; silent ones stand among the missing."""
    return _rows(verdicts, sites, "unknown")


def _rows(verdicts: Sequence[Verdict], sites: Sequence[SiteRow], status: str) -> list[ExceptionRow]:
    found: list[ExceptionRow] = []
    by_id = {row.id: row for row in sites}
    main = {row.school: row for row in sorted(sites, key=lambda row: row.kind != "main", reverse=True)}
    for verdict in verdicts:
        found += sorted(_of(verdict, status, by_id, main), key=_longest_first)
    return found


def _longest_first(row: ExceptionRow) -> tuple[bool, int, str, str]:
    return row.since_ms is None, row.since_ms or 0, row.name, row.detail


def _of(verdict: Verdict, status: str, by_id: dict[str, SiteRow], main: dict[str, SiteRow]) -> Iterator[ExceptionRow]:
    for unit in verdict.units:
        if unit.status != status or unit.silent:
            continue
        place = by_id.get(unit.site) if unit.site else main.get(unit.school)
        if place is None:
            continue
        yield ExceptionRow(
            place.id,
            place.school_name,
            _detail(verdict, unit, place),
            place.area_name,
            False,
            verdict.target.name,
            unit.since_minute * 60_000 if unit.since_minute is not None else None,
            unit.reasons,
        )


def _detail(verdict: Verdict, unit: UnitVerdict, place: SiteRow) -> str:
    if verdict.target.unit == "school":
        return ""
    return _satellite(place) if verdict.target.unit == "site" else unit.name


def _satellite(row: SiteRow) -> str:
    return row.name if row.kind != "main" else ""


def of_site(of_school: Sequence[tuple[Verdict, UnitVerdict]], site: str) -> list[tuple[Verdict, UnitVerdict]]:
    """What was judged of this site, and of its school as a whole."""
    return [one for one in of_school if one[1].site == site or one[0].target.unit == "school"]
