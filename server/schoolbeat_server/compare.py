"""Groups of sites side by side, one row each: ISPs, areas, schools, a pilot and the others, one area in two periods."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, NamedTuple

from schoolbeat_server.availability import NOTHING, Availability
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.evidence import SiteFacts, SpeedTest
from schoolbeat_server.report_facts import Facts, isp_of
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import median, tenth
from schoolbeat_server.tables import Cell, Column, Table

LEAST_COVERAGE: Final = Fraction(4, 5)  # under it nobody is ranked


@dataclass(frozen=True)
class Group:
    """link: the page of it, "" for none. id: of an area."""

    name: Said
    sites: tuple[str, ...]
    facts: Facts
    link: str = ""
    id: str = ""


class Figures(NamedTuple):
    """internet, lessons: what the schools had, around the clock and in lesson time; line: what the main line itself
    did, unknown while the school's own router did not answer or another line carried. limited: tests that the gateway
    held down, which say nothing of the line and are in none of the speeds. outages, down_seconds: None where
    nothing was measured: nobody knows of any, which is not to say that there was none."""

    sites: int
    silent: int
    internet: Availability
    lessons: Availability
    line: Availability
    outages: int | None
    down_seconds: int | None
    tests: int
    limited: int
    down_median: Fraction | None
    down_tenth: Fraction | None
    up_median: Fraction | None


def figures(group: Group) -> Figures:
    facts = group.facts
    parts = facts.facts_of(group.sites)
    tests = [
        test
        for part in parts
        for test in part.tests
        if (test.download_bps or test.upload_bps) and not facts.on_other(part.site.id, test.minute)
    ]
    free = [test for test in tests if not test.ceiling]
    mine = [one for site in group.sites for one in facts.counted_at.get(site, ()) if one.signal == INTERNET]
    both = [facts.both(site, INTERNET) for site in group.sites]
    internet = _together(one.always.availability() for one in both)
    measured = internet.share is not None or bool(mine)
    return Figures(
        len(parts),
        sum(part.silent for part in parts),
        internet,
        _together(one.lessons.availability() for one in both),
        _together(facts.line(site).always.availability() for site in group.sites),
        sum(one.outages for one in mine) if measured else None,
        sum(one.down_seconds for one in mine) if measured else None,
        len(tests),
        len(tests) - len(free),
        _of(free, lambda test: test.download_bps, median),
        _of(free, lambda test: test.download_bps, tenth),
        _of(free, lambda test: test.upload_bps, median),
    )


def _together(parts: Iterable[Availability]) -> Availability:
    return sum(parts, start=NOTHING)


def _of(
    tests: Sequence[SpeedTest], speed: Callable[[SpeedTest], int | None], how: Callable[[Sequence[int]], Fraction]
) -> Fraction | None:
    found = [bps for bps in map(speed, tests) if bps is not None]
    return how(found) if found else None


# ---- the table ---------------------------------------------------------------------------------------------

COLUMNS: Final = (
    Column("name", Said("Tên", "Name")),
    Column("sites", Said("Điểm trường", "Sites"), "count"),
    Column("silent", Said("Chưa có bản tin", "Silent"), "count"),
    Column("internet", Said("Có Internet (24/7)", "Internet up (24/7)"), "share"),
    Column("coverage", Said("Đo được (24/7)", "Measured (24/7)"), "share"),
    Column("lessons", Said("Có Internet giờ học", "Internet up, lessons"), "share"),
    Column("lessons_coverage", Said("Đo được giờ học", "Measured, lessons"), "share"),
    Column("line", Said("Riêng đường truyền", "The line alone"), "share"),
    Column("line_coverage", Said("Đo được đường truyền", "Measured, line"), "share"),
    Column("outages", Said("Số lần gián đoạn", "Outages"), "count"),
    Column("down", Said("Tổng thời gian mất", "Time down"), "seconds"),
    Column("tests", Said("Lần đo tốc độ", "Speed tests"), "count"),
    Column("limited", Said("Bị thiết bị cổng giới hạn", "Held by gateway"), "count"),
    Column("down_median", Said("Tải xuống, trung vị", "Download, median"), "bps"),
    Column("down_tenth", Said("Tải xuống, 9/10 lần đạt", "Download, 9 of 10 reach"), "bps"),
    Column("up_median", Said("Tải lên, trung vị", "Upload, median"), "bps"),
)
NOTE: Final = Said(
    "Tỷ lệ = thời gian thông ÷ (thông + mất); phút chưa đo được không tính vào bên nào mà làm giảm cột 'Đo được'. "
    "'Riêng đường truyền' là của đường chính, không tính lúc bộ định tuyến của trường không trả lời, trường mất điện "
    "hoặc đang đi bằng đường dự phòng. Gián đoạn: những lần mất Internet bắt đầu trong kỳ. Tốc độ: các lần đo không bị "
    "chính thiết bị cổng giới hạn.",
    "Share = up ÷ (up + down); minutes not measured are on neither side and lower 'Measured'. 'The line alone' is the "
    "main line's, without the time in which the school's own router did not answer or had no power, or another line "
    "was in use. Outages: those of the Internet that began in the period. Speeds: of tests that the gateway itself did "
    "not hold down.",
)


def compared(name: str, title: Said, groups: Sequence[Group]) -> Table:
    rows = tuple(_row(group, figures(group)) for group in groups)
    links = tuple(group.link for group in groups)
    return Table(name, title, COLUMNS, rows, links if any(links) else (), NOTE)


def _row(group: Group, found: Figures) -> tuple[Cell, ...]:
    return (
        group.name,
        found.sites,
        found.silent,
        found.internet.share,
        found.internet.coverage,
        found.lessons.share,
        found.lessons.coverage if found.lessons.all_seconds else None,
        found.line.share,
        found.line.coverage,
        found.outages,
        found.down_seconds,
        found.tests,
        found.limited,
        found.down_median,
        found.down_tenth,
        found.up_median,
    )


def ranked(table: Table, by: str, coverage: str) -> Table:
    """The best first, equals on one rank. Who was measured less than LEAST_COVERAGE has none and comes last, by name
    as they stood."""
    share, enough = table.place(by), table.place(coverage)

    def is_ranked(row: tuple[Cell, ...]) -> bool:
        measured = row[enough]
        return row[share] is not None and isinstance(measured, Fraction) and measured >= LEAST_COVERAGE

    at = range(len(table.rows))
    best = sorted((one for one in at if is_ranked(table.rows[one])), key=lambda one: -_worth(table.rows[one][share]))
    worths = [_worth(table.rows[one][share]) for one in best]
    rest = [one for one in at if not is_ranked(table.rows[one])]
    rows = [(1 + worths.index(worth), *table.rows[one]) for one, worth in zip(best, worths, strict=True)]
    rows += [(None, *table.rows[one]) for one in rest]
    return replace(
        table,
        columns=(Column("rank", Said("Hạng", "Rank"), "count"), *table.columns),
        rows=tuple(rows),
        links=tuple(table.links[one] for one in (*best, *rest)) if table.links else (),
    )


def _worth(cell: Cell) -> Fraction:
    assert isinstance(cell, Fraction)
    return cell


# ---- views over it -----------------------------------------------------------------------------------------


def by_isp(facts: Facts) -> list[Group]:
    """By the main line's ISP; the one that the report is of comes first."""
    found: dict[str, list[str]] = {}
    for site in sorted(facts.sites):
        found.setdefault(isp_of(facts.evidence.sites[site]), []).append(site)
    names = sorted(found, key=lambda isp: (facts.kind == "isp" and isp != facts.id, not isp, isp))
    return [Group(Said(isp, isp) if isp else NO_ISP, tuple(found[isp]), facts) for isp in names]


NO_ISP: Final = Said("(chưa ghi nhà mạng)", "(no ISP in the register)")


def by_area(facts: Facts, within: str) -> list[Group]:
    """The areas right under it, by name; schools that are in none of them come last."""
    bounds = facts.evidence.boundaries
    assert bounds is not None
    found: dict[str, list[str]] = {}
    for site in sorted(facts.sites):
        way = [one.id for one in bounds.up(bounds.area_of.get(facts.evidence.sites[site].site.school))]
        place = way.index(within) - 1 if within in way else -1
        found.setdefault(way[place] if place >= 0 else within, []).append(site)
    children = [one for one in bounds.areas.values() if one.parent == within]
    groups = [
        Group(Said(one.name, one.name), tuple(found.get(one.id, ())), facts, id=one.id)
        for one in sorted(children, key=lambda one: (one.name, one.id))
    ]
    if within in found:
        groups.append(Group(Said("(trực thuộc)", "(directly under it)"), tuple(found[within]), facts))
    return groups


def by_school(facts: Facts) -> list[Group]:
    found: dict[str, list[str]] = {}
    for site in sorted(facts.sites, key=lambda one: (facts.evidence.sites[one].site.kind != "main", one)):
        found.setdefault(facts.evidence.sites[site].site.school, []).append(site)
    groups = []
    for school in sorted(found, key=lambda one: (facts.evidence.schools[one].name, one)):
        name = facts.evidence.schools[school].name
        groups.append(Group(Said(name, name), tuple(found[school]), facts, f"/site/{found[school][0]}"))
    return groups


def by_site(facts: Facts, sites: Collection[str]) -> list[Group]:
    """Named by school and site, the main one first."""

    def name(one: SiteFacts) -> str:
        return f"{facts.evidence.schools[one.site.school].name} – {one.site.name}"

    parts = sorted(facts.facts_of(sites), key=lambda one: (name(one).partition(" – ")[0], one.site.kind, one.site.id))
    return [Group(Said(name(one), name(one)), (one.site.id,), facts, f"/site/{one.site.id}") for one in parts]


def pilot_and_others(facts: Facts, pilot: Collection[str]) -> list[Group]:
    """pilot: schools."""
    mine = [site for site in sorted(facts.sites) if facts.evidence.sites[site].site.school in pilot]
    others = sorted(facts.sites - set(mine))
    return [
        Group(Said("Trường thí điểm", "Pilot schools"), tuple(mine), facts),
        Group(Said("Các trường khác", "Other schools"), tuple(others), facts),
    ]


def two_periods(before: Facts, after: Facts) -> list[Group]:
    """The sites that are in both, so that what changed is not the list."""
    same = tuple(sorted(before.sites & after.sites))
    groups = []
    for facts in (before, after):
        first, last = facts.period
        name = Said(f"{first:%d/%m/%Y} – {last:%d/%m/%Y}", f"{first} – {last}")
        groups.append(Group(name, same, facts))
    return groups
