"""A target's tables: its units, its groups of units, its days, and what changed between two. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from schoolbeat_server.history import Point
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Column, Table
from schoolbeat_server.targets import Target
from schoolbeat_server.verdicts import UnitVerdict, Verdict


class Where(NamedTuple):
    """Where a unit lies by the boundaries of some day, and whose it is; None: the register does not say.

    area: its id; over: that of the area above it, unless that is the whole tree's root. isp: of its main line, or of
    its school's main site.
    """

    area: str | None = None
    area_name: str | None = None
    over: str | None = None
    over_name: str | None = None
    isp: str | None = None
    manager: str | None = None
    level: str | None = None


WhereOf = Callable[[UnitVerdict], Where]

SILENT = Said("chưa từng gửi số liệu", "never reported")
AREA = Said("Địa bàn", "Area")
OVER = Said("Thuộc", "Within")
ISP = Said("Nhà mạng", "ISP")

UNIT_COLUMNS: tuple[Column, ...] = (
    Column("unit", Said("Đơn vị", "Unit")),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("since", Said("Từ khi nào", "Since"), "minute", Said("Theo kỳ xét", "As far as the window shows")),
    Column("why", Said("Vì sao", "Why")),
    Column("area", AREA),
    Column("over", OVER),
    Column("isp", ISP),
    Column("coverage", Said("Độ phủ số liệu", "Data coverage"), "share"),
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
    Column("id", Said("Mã", "Id")),
)
COUNT_COLUMNS: tuple[Column, ...] = (
    Column("met", Said("Đạt", "Met"), "count"),
    Column("missed", Said("Chưa đạt", "Missed"), "count"),
    Column("unknown", Said("Chưa đủ dữ liệu", "Unknown"), "count"),
)


def units_table(
    verdict: Verdict, units: Sequence[UnitVerdict], where: WhereOf, link: Callable[[UnitVerdict], str]
) -> Table:
    """In the verdict's own order. Of units that count as several, how many of them; of a silent one, that it is."""
    columns = unit_columns(verdict.target)
    rows = tuple(unit_cells(unit, where(unit))[: len(columns)] for unit in units)
    name = f"{verdict.plan.id}-{verdict.target.id}"
    return Table(name, verdict.target.name, columns, rows, tuple(map(link, units)))


def unit_columns(target: Target) -> tuple[Column, ...]:
    return UNIT_COLUMNS + (COUNT_COLUMNS if target.unit == "holding" else ())


def unit_cells(unit: UnitVerdict, place: Where) -> tuple[Cell, ...]:
    """In the order of UNIT_COLUMNS and COUNT_COLUMNS."""
    return (
        unit.name,
        SILENT if unit.silent else unit.status,
        unit.since_minute,
        sentence(unit.reasons),
        place.area_name,
        place.over_name,
        place.isp,
        unit.coverage,
        unit.grade,
        unit.id,
        *unit.counts,
    )


def sentence(reasons: Iterable[Said]) -> Said:
    told = list(reasons)
    return Said("; ".join(one.vi for one in told), "; ".join(one.en for one in told))


def signal_of(target: Target, unit: UnitVerdict) -> str:
    """The signal whose minutes say most of the unit; of a line's speed, that of its tests' day: the school's Internet.
    "" where no single signal tells it: the site's page does."""
    for condition in target.conditions:
        signal = INDICATORS[condition.indicator].signal
        if signal == "device." and "/" in unit.id:
            return "device." + unit.id.partition("/")[2]
        if signal == "service." and condition.of:
            return f"service.{condition.of[0]}"
        if signal and not signal.endswith("."):
            return signal
    of_line = any(condition.indicator.startswith("line.") for condition in target.conditions)
    return "line.internet" if of_line else ""


# ---- groups ------------------------------------------------------------------------------------------------

GROUPS: Mapping[str, Said] = {
    "area": AREA,
    "over": OVER,
    "isp": ISP,
    "manager": Said("Cấp quản lý", "Run by"),
    "level": Said("Cấp học", "Level"),
}


SHARE_COLUMNS: tuple[Column, ...] = (
    Column("share", Said("Tỷ lệ đạt", "Share met"), "share", Said("Trên mọi đơn vị", "Of all units")),
    Column("units", Said("Đơn vị", "Units"), "count"),
    *COUNT_COLUMNS,
    Column("silent", Said("Chưa từng gửi số liệu", "Never reported"), "count"),
)


def groups_table(
    verdict: Verdict,
    by: str,
    where: WhereOf,
    words: Callable[[str], Said | str] = lambda name: name,
) -> Table:
    """by: one of GROUPS. The lowest share met first; units of which the register does not say it stand last.
    links: the groups' ids; who shows the table makes addresses of them."""
    counts: dict[str | None, list[int]] = {}
    names: dict[str | None, Said | str | None] = {None: None}
    for unit in verdict.units:
        place = where(unit)
        key: str | None = getattr(place, by) or None
        names.setdefault(key, getattr(place, f"{by}_name") if by in ("area", "over") else words(key or ""))
        mine = counts.setdefault(key, [0, 0, 0, 0])
        for at, count in enumerate(unit.counts):
            mine[at] += count
        mine[3] += unit.silent
    keys = sorted(counts, key=lambda key: (key is None, _share(counts[key]), str(names[key])))
    rows = tuple((names[key], _share(counts[key]), sum(counts[key][:3]), *counts[key]) for key in keys)
    columns = (Column(by, GROUPS[by]), *SHARE_COLUMNS)
    title = Said(f"{verdict.target.name.vi} theo {GROUPS[by].vi}", f"{verdict.target.name.en} by {GROUPS[by].en}")
    name = f"{verdict.plan.id}-{verdict.target.id}-{by}"
    return Table(name, title, columns, rows, tuple(key or "" for key in keys))


def _share(counts: Sequence[int]) -> Fraction:
    return Fraction(counts[0], sum(counts[:3]) or 1)


def sides_table(verdict: Verdict, name: Said, is_chosen: Callable[[UnitVerdict], bool]) -> Table:
    """Those that are chosen, such as a pilot's, and all others of the target."""
    counts: dict[bool, list[int]] = {True: [0, 0, 0, 0], False: [0, 0, 0, 0]}
    for unit in verdict.units:
        mine = counts[is_chosen(unit)]
        for at, count in enumerate(unit.counts):
            mine[at] += count
        mine[3] += unit.silent
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (side, _share(mine), sum(mine[:3]), *mine) for side, mine in ((name, counts[True]), (OTHERS, counts[False]))
    )
    ident = f"{verdict.plan.id}-{verdict.target.id}-sides"
    return Table(ident, verdict.target.name, (Column("side", Said("Nhóm", "Group")), *SHARE_COLUMNS), rows)


OTHERS = Said("Tất cả còn lại", "All others")


# ---- days --------------------------------------------------------------------------------------------------

HISTORY_COLUMNS: tuple[Column, ...] = (
    Column("day", Said("Kỳ xét đến hết ngày", "Window up to the end of"), "day"),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("share", Said("Tỷ lệ đạt", "Share met"), "share"),
    *COUNT_COLUMNS,
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
)


def history_table(verdict: Verdict, points: Sequence[Point]) -> Table:
    """The newest first; each leads to what was issued."""
    newest = points[::-1]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.day, one.status, Fraction(one.met, one.units or 1), one.met, one.missed, one.unknown, one.grade)
        for one in newest
    )
    name = f"{verdict.plan.id}-{verdict.target.id}-history"
    return Table(name, verdict.target.name, HISTORY_COLUMNS, rows, tuple(f"/verdicts/{one.issue}" for one in newest))


CHANGE_COLUMNS: tuple[Column, ...] = (
    Column("unit", Said("Đơn vị", "Unit")),
    Column("then", Said("Khi ấy", "Then"), "status"),
    Column("now", Said("Nay", "Now"), "status"),
    Column("why", Said("Vì sao nay như vậy", "Why it is so now")),
    Column("area", AREA),
    Column("id", Said("Mã", "Id")),
)
_ORDER = ("missed", "unknown", "met", None)
NEW = Said("chưa có trong sổ", "not counted then")
GONE = Said("không còn được đếm", "no longer counted")


def changes_table(
    verdict: Verdict, then: Mapping[str, Mapping[str, Any]], where: WhereOf, link: Callable[[UnitVerdict], str]
) -> Table:
    """Units that are judged otherwise than then, those that were lost first. then: as issued.read_units gives them."""
    rows: list[tuple[int, int, tuple[Cell, ...], str]] = []
    now = {unit.id for unit in verdict.units}
    for unit in verdict.units:
        before = then[unit.id]["status"] if unit.id in then else None
        if before != unit.status:
            cells = (unit.name, before or NEW, unit.status, sentence(unit.reasons), where(unit).area_name, unit.id)
            rows.append((_ORDER.index(unit.status), -_ORDER.index(before), cells, link(unit)))
    for ident, told in then.items():
        if ident not in now:
            rows.append((len(_ORDER), 0, (told["name"], told["status"], GONE, None, None, ident), ""))
    rows.sort(key=lambda row: (row[0], row[1], str(row[2][0])))
    name = f"{verdict.plan.id}-{verdict.target.id}-changes"
    return Table(
        name, verdict.target.name, CHANGE_COLUMNS, tuple(row[2] for row in rows), tuple(row[3] for row in rows)
    )
