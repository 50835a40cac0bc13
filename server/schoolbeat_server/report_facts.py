"""What a report is made of: register, availability, outages, speed tests and issued verdicts of whole local days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, select

from schoolbeat_server import issued, outages, schema
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.evidence import Evidence, SiteFacts, Window, read_register
from schoolbeat_server.issued import Issue
from schoolbeat_server.issued_units import Unit
from schoolbeat_server.local_time import local
from schoolbeat_server.main_line import MAIN, MainLine, read_main
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import day_number, first_minute_of
from schoolbeat_server.stamp import Stamp, stamp
from schoolbeat_server.summaries import Both, Seconds
from schoolbeat_server.sums import Sums
from schoolbeat_server.targets import Plan, Target

Kind = Literal["area", "school", "isp", "league", "line"]
KINDS: Final[tuple[Kind, ...]] = ("area", "school", "isp", "league", "line")

MOST_DAYS: Final = 400
MOST_OUTAGES: Final = 1_000  # listed one by one; all are counted
ISP_EDGE: Final = "line.isp"
COUNTED: Final = (INTERNET, ISP_EDGE)  # signals whose minutes and outages are counted for every site
ISP_CAUSES: Final = ("line.isp", "line.domestic", "line.international")
ON_OTHER: Final = MAIN  # the cause by which an outage is told that another line was having
_NOTHING: Final = Both(Seconds(0, 0, 0, 0, 0), Seconds(0, 0, 0, 0, 0))


class Refused(Exception):
    """The report that was asked for cannot be made; `missing`: there is nothing of that name."""

    def __init__(self, vi: str, en: str, *, missing: bool = False) -> None:
        super().__init__(vi)
        self.said, self.missing = Said(vi, en), missing


class Period(NamedTuple):
    """Local days, both included."""

    first: date
    last: date

    @property
    def window(self) -> Window:
        return Window(first_minute_of(day_number(self.first)), first_minute_of(day_number(self.last) + 1))


def checked_period(first: date, last: date, now_ms: int) -> Period:
    """Days that are over; raises Refused."""
    days = (last - first).days + 1
    if not 1 <= days <= MOST_DAYS:
        raise Refused(
            f"từ {first} đến {last}: kỳ báo cáo từ 1 đến {MOST_DAYS} ngày",
            f"from {first} to {last}: a report is of 1 to {MOST_DAYS} days",
        )
    today = local(now_ms).date()
    if last >= today or first.year < 2000:
        raise Refused(
            f"đến {last}: kỳ báo cáo chỉ gồm những ngày đã hết (trước {today})",
            f"to {last}: a report is of days that are over (before {today})",
        )
    return Period(first, last)


class Standing(NamedTuple):
    """What was issued last of a target in the period, as it stands after its revisions. units: by id."""

    plan: Plan
    target: Target
    issue: Issue
    units: Mapping[str, Unit]


class Counted(NamedTuple):
    """Outages that began in the period."""

    site: str
    signal: str
    cause: str
    outages: int
    down_seconds: int


class OutageShown(NamedTuple):
    """Start and end as edges refine them; end_ms None: not over."""

    site: str
    signal: str
    start_ms: int
    end_ms: int | None
    down_seconds: int
    cause: str
    lessons: int


@dataclass(frozen=True)
class Facts:
    """sites: those that the report speaks of. seconds: by site and signal. main_lines: of the sites where another line
    may have carried for a time. rooms: room -> site. listed: the outages to list one by one, the earliest first, at
    most MOST_OUTAGES; unlisted: how many more there were."""

    kind: Kind
    id: str
    period: Period
    made_ms: int
    evidence: Evidence
    sites: frozenset[str]
    seconds: Mapping[tuple[str, str], Both]
    counted: tuple[Counted, ...]
    listed: tuple[OutageShown, ...]
    unlisted: int
    standings: tuple[Standing, ...]
    rooms: Mapping[str, str]
    stamp: Stamp
    main_lines: Mapping[str, MainLine] = field(default_factory=dict)

    @cached_property
    def counted_at(self) -> Mapping[str, list[Counted]]:
        """By site: a table of every site looks each up once."""
        found: dict[str, list[Counted]] = {}
        for one in self.counted:
            found.setdefault(one.site, []).append(one)
        return found

    def both(self, site: str, signal: str) -> Both:
        return self.seconds.get((site, signal), _NOTHING)

    def line(self, site: str) -> Both:
        """Of the main line itself, as far as its ISP's edge was seen."""
        found = self.main_lines.get(site)
        return self.both(site, ISP_EDGE) if found is None else found.seconds

    def on_other(self, site: str, minute: int) -> bool:
        """Whether another line than the main one carried, or may have."""
        found = self.main_lines.get(site)
        return found is not None and found.is_other(minute)

    def facts_of(self, sites: Iterable[str]) -> list[SiteFacts]:
        return [self.evidence.sites[site] for site in sites]


def gather(
    connection: Connection, sums: Sums, plans: Sequence[Plan], kind: Kind, ident: str, period: Period, made_ms: int
) -> Facts:
    """sums: over a connection of its own. Raises Refused for what the register does not have."""
    window = period.window
    evidence = read_register(connection, window, with_devices=False)
    sites = scope(evidence, kind, ident)
    seconds = sums.read(dict.fromkeys(sorted(sites), (*COUNTED, MAIN)), *window)
    told = {
        site: (seconds[site, ISP_EDGE], seconds[site, MAIN])
        for site in sorted(sites)
        if len(evidence.sites[site].lines) > 1 or seconds[site, MAIN].always.down  # others have no line to change to
    }
    main_lines = read_main(sums, told, window)
    listed, unlisted = _listed(connection, kind, ident, evidence, sites, window, main_lines)
    room = schema.room.c
    return Facts(
        kind,
        ident,
        period,
        made_ms,
        evidence,
        sites,
        seconds,
        tuple(one for one in _counted(connection, window, main_lines) if one.site in sites),
        listed,
        unlisted,
        tuple(_standings(connection, plans, window)) if kind in ("area", "school") else (),
        {ident: site for ident, site in connection.execute(select(room.id, room.site))},  # noqa: C416 (rows are no pairs)
        stamp(connection, sites, day_number(period.first), day_number(period.last) + 1, made_ms),
        main_lines,
    )


# ---- which sites -------------------------------------------------------------------------------------------


def scope(evidence: Evidence, kind: Kind, ident: str) -> frozenset[str]:
    """Sites that teach on the period's last day. An ISP's report compares all."""
    taught = [one for one in evidence.sites.values() if _teaches(evidence, one)]
    if kind == "isp":
        if not any(isp_of(one) == ident for one in taught):
            raise Refused(
                f"nhà mạng {ident!r}: không có đường truyền chính nào trong sổ đăng ký",
                f"ISP {ident!r}: the register has no main line of it",
                missing=True,
            )
        return frozenset(one.site.id for one in taught)
    if kind == "line":
        return frozenset({_site_of_line(taught, ident)})
    if kind == "school":
        if ident not in evidence.schools:
            raise Refused(
                f"trường {ident!r}: không có trong sổ đăng ký", f"school {ident!r}: not in the register", missing=True
            )
        return frozenset(one.site.id for one in taught if one.site.school == ident)
    bounds = evidence.boundaries
    assert bounds is not None
    if ident not in bounds.areas:
        raise Refused(
            f"địa bàn {ident!r}: không có theo địa giới ngày {bounds.day}",
            f"area {ident!r}: there is none by the boundaries of {bounds.day}",
            missing=True,
        )
    inside = frozenset(bounds.schools_within(ident))
    return frozenset(one.site.id for one in taught if one.site.school in inside)


def _site_of_line(taught: Sequence[SiteFacts], ident: str) -> str:
    """Only of the line whose minutes `line.isp` are."""
    found = next(((one, line) for one in taught for line in one.lines if line.id == ident), None)
    if found is None:
        raise Refused(
            f"đường truyền {ident!r}: không có trong sổ đăng ký", f"line {ident!r}: not in the register", missing=True
        )
    facts, line = found
    measured = min(facts.lines, key=lambda one: (one.role != "main", one.id))
    if line.id != measured.id:
        raise Refused(
            f"đường truyền {ident!r}: tín hiệu line.isp của điểm trường là của đường {measured.id!r}, đường này không"
            " được đo riêng",
            f"line {ident!r}: the site's line.isp is of line {measured.id!r}; this one is not measured by itself",
        )
    return facts.site.id


def _teaches(evidence: Evidence, facts: SiteFacts) -> bool:
    day, site, school = evidence.last_day, facts.site, evidence.schools[facts.site.school]
    open_ = (school.founded or "") <= day and (school.closed is None or school.closed > day)
    return open_ and site.valid_from <= day < site.valid_to


def isp_of(facts: SiteFacts) -> str:
    """Of the main line, whose minutes `line.isp` are; "" where the register names none."""
    lines = sorted(facts.lines, key=lambda line: (line.role != "main", line.id))
    return lines[0].isp if lines else ""


# ---- outages -----------------------------------------------------------------------------------------------


def _counted(connection: Connection, window: Window, main_lines: Mapping[str, MainLine]) -> list[Counted]:
    table = schema.outage.c
    inside = table.first_minute.between(window.first_minute, window.end_minute - 1) & table.signal.in_(COUNTED)
    query = (
        select(table.site, table.signal, table.cause, func.count(), func.sum(table.down_seconds))
        .where(inside)
        .group_by(table.site, table.signal, table.cause)
        .order_by(table.site, table.signal, table.cause)
    )
    rows = [Counted(*row) for row in connection.execute(query)]
    if not main_lines:
        return rows
    found = {row[:3]: row for row in rows}
    columns = (table.site, table.signal, table.cause, table.first_minute, table.down_seconds)
    for site, signal, cause, first, seconds in connection.execute(
        select(*columns).where(inside, table.site.in_(sorted(main_lines)))
    ):
        if _cause(main_lines, site, cause, first) != cause:
            for name, count in ((cause, -1), (ON_OTHER, 1)):
                one = found.get((site, signal, name), Counted(site, signal, name, 0, 0))
                found[site, signal, name] = one._replace(
                    outages=one.outages + count, down_seconds=one.down_seconds + count * seconds
                )
    return sorted(one for one in found.values() if one.outages)


def _cause(main_lines: Mapping[str, MainLine], site: str, cause: str, first_minute: int) -> str:
    """What the ladder says of a line that stands by is not said of the main one."""
    one = main_lines.get(site)
    return ON_OTHER if one is not None and cause in ISP_CAUSES and one.is_other(first_minute) else cause


def _listed(
    connection: Connection,
    kind: Kind,
    ident: str,
    evidence: Evidence,
    sites: Collection[str],
    window: Window,
    main_lines: Mapping[str, MainLine],
) -> tuple[tuple[OutageShown, ...], int]:
    """A line: those of its site's ISP edge and Internet that lie in part in the window. A school: of all its signals
    that begin in it. An ISP: its own, with nothing that happened inside a school or on another line. Else: none."""
    if kind not in ("school", "isp", "line"):
        return (), 0
    table = schema.outage.c
    mine = sites if kind != "isp" else [one for one in sites if isp_of(evidence.sites[one]) == ident]
    where: list[ColumnElement[bool]] = [
        table.site.in_(sorted(mine)),
        table.first_minute.between(window.first_minute, window.end_minute - 1),
    ]
    if kind == "line":
        where = [
            table.site.in_(sorted(mine)),
            table.signal.in_(COUNTED),
            table.first_minute < window.end_minute,
            table.end_minute.is_(None) | (table.last_minute >= window.first_minute),
        ]
    if kind == "isp":
        beyond = (table.signal == INTERNET) & table.cause.in_(ISP_CAUSES[1:])
        where.append((table.signal == ISP_EDGE) | beyond)
    left_out = 0
    if kind == "isp" and main_lines:
        few = select(table.site, table.cause, table.first_minute).where(*where, table.site.in_(sorted(main_lines)))
        left_out = sum(_cause(main_lines, *row) == ON_OTHER for row in connection.execute(few))
    count = connection.scalar(select(func.count()).select_from(schema.outage).where(*where)) or 0
    query = select(schema.outage).where(*where).order_by(table.first_minute, table.site, table.signal)
    rows = connection.execute(query.limit(MOST_OUTAGES + left_out)).all()
    told = [(row, _cause(main_lines, row.site, row.cause, row.first_minute)) for row in rows]
    mine_only = [(row, cause) for row, cause in told if kind != "isp" or cause != ON_OTHER][:MOST_OUTAGES]
    shown = tuple(_shown(connection, row)._replace(cause=cause) for row, cause in mine_only)
    return shown, count - left_out - len(shown)


def _shown(connection: Connection, row: Row[tuple[object, ...]]) -> OutageShown:
    found = outages.Outage(row.first_minute, row.last_minute, row.end_minute, row.down_seconds)
    edge = schema.edge.c
    end_ms = ((row.end_minute or row.last_minute) + 1) * 60_000
    query = select(edge.at_ms, edge.up).where(
        edge.site == row.site, edge.signal == row.signal, edge.at_ms.between(row.first_minute * 60_000, end_ms)
    )
    start, end = outages.refined(found, [(at, up) for at, up in connection.execute(query)])
    return OutageShown(row.site, row.signal, start, end, row.down_seconds, row.cause, row.lessons)


# ---- verdicts ----------------------------------------------------------------------------------------------


def _standings(connection: Connection, plans: Sequence[Plan], window: Window) -> Iterable[Standing]:
    """Of each target the verdict whose window ends last in the period. None is made here: what was not issued then
    is not told."""
    table = schema.issued.c
    ends = (
        select(table.plan, table.target, func.max(table.end_minute).label("end_minute"))
        .where(table.end_minute > window.first_minute, table.end_minute <= window.end_minute)
        .group_by(table.plan, table.target)
        .subquery()
    )
    query = (
        select(table.plan, table.target, table.id, table.revision)
        .join(
            ends,
            (ends.c.plan == table.plan) & (ends.c.target == table.target) & (ends.c.end_minute == table.end_minute),
        )
        .order_by(table.revision)
    )
    newest = {(plan, target): ident for plan, target, ident, _ in connection.execute(query)}
    for plan in plans:
        for target in plan.targets:
            ident = newest.get((plan.id, target.id))
            found = None if ident is None else issued.read_units(connection, ident)
            if found is not None:
                yield Standing(plan, target, *found)
