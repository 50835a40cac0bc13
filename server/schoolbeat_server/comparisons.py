"""What a comparison sets side by side, and its tables: ISPs, two periods, a pilot, the yearly league table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final, Literal, NamedTuple, TypeVar, cast
from urllib.parse import urlencode

from schoolbeat_server import compare, reports
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.compare import Figures, Group, compared, figures, ranked
from schoolbeat_server.main_line import EDGE
from schoolbeat_server.register_columns import TAGS
from schoolbeat_server.report_facts import Facts, Period, Refused, isp_of
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Column, Table, ordered
from schoolbeat_server.targets import Plan, Target
from schoolbeat_server.units import counted_units

View = Literal["isps", "periods", "pilot", "league"]
VIEWS: Final[tuple[View, ...]] = ("isps", "periods", "pilot", "league")
Place = Literal["area", "school", "isp"]
MINUTE_DAYS: Final = 31  # as many days as the page of minutes lists
PILOT: Final = "tag:pilot"
MOST_MADE: Final = 12  # orders of a table, with their texts, kept of each comparison
Made = TypeVar("Made")


class Asked(NamedTuple):
    """place, id: whose sites; all views but `periods` are of an area. before: the earlier period, of `periods`. pilot:
    'tag:WORD' or 'plan:PLAN/TARGET', of `pilot`."""

    view: View
    place: Place
    id: str
    period: Period
    before: Period | None = None
    pilot: str = ""

    def query(self) -> dict[str, str]:
        found = {"view": self.view, "place": self.place, "id": self.id, **_days("from", "to", self.period)}
        if self.before is not None:
            found |= _days("from_before", "to_before", self.before)
        return found | ({"pilot": self.pilot} if self.pilot else {})

    def address(self, **more: str) -> str:
        return "/compare?" + urlencode(self.query() | more)


def _days(first: str, last: str, period: Period) -> dict[str, str]:
    return {first: period.first.isoformat(), last: period.last.isoformat()}


@dataclass(frozen=True)
class Comparison:
    """tables: by name, the first is the one to look at first; each row leads to the minutes, or to the sites that do.
    method: how it is reckoned. groups: of the column `group` of the table of sites, by key."""

    asked: Asked
    made_ms: int
    title: Said
    about: tuple[tuple[Said, Said], ...]
    method: tuple[Said, ...]
    tables: Mapping[str, Table]
    groups: Mapping[str, Said]
    _once: dict[tuple[str, ...], Any] = field(default_factory=dict, compare=False, repr=False)

    def once(self, key: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """What is made for the first page that asks and serves all others."""
        found = self._once.get(key)
        if found is None:
            while len(self._once) >= MOST_MADE:
                self._once.pop(next(iter(self._once)), None)
            found = self._once[key] = make()
        return cast("Made", found)


# ---- periods -----------------------------------------------------------------------------------------------


def lately(today: date, days: int = 30) -> Period:
    return Period(today - timedelta(days), today - timedelta(1))


def four_weeks_before(period: Period) -> Period:
    """The same weekdays."""
    return Period(period.first - timedelta(28), period.last - timedelta(28))


def school_year(year: int, today: date) -> Period:
    """1 September to 31 May: our assumption; lesson time is the calendar's. What of it is over. Raises Refused."""
    period = Period(date(year, 9, 1), min(date(year + 1, 5, 31), today - timedelta(1)))
    if period.last < period.first:
        raise Refused(f"năm học {year}–{year + 1}: chưa bắt đầu", f"school year {year}–{year + 1}: has not begun")
    return period


def year_of(today: date) -> int:
    """The school year that has a day that is over, the newest."""
    yesterday = today - timedelta(1)
    return yesterday.year if yesterday.month >= 9 else yesterday.year - 1


# ---- who is a pilot ----------------------------------------------------------------------------------------


def pilots(plans: Sequence[Plan]) -> dict[str, Said]:
    """What may tell pilots from others, by key: tags of sites, and filters of targets that leave somebody out."""
    found = {
        f"tag:{tag}": Said(f"điểm trường có nhãn “{words[0]}”", f"sites tagged {tag}") for tag, words in TAGS.items()
    }
    for plan in plans:
        for target in plan.targets:
            if _names_sites(target):
                name = Said(f"{plan.document.vi}, {target.id}: {target.name.vi}", f"{plan.document.en}, {target.id}")
                found[f"plan:{plan.id}/{target.id}"] = name
    return dict(sorted(found.items(), key=lambda pair: pair[0] != PILOT))


def _names_sites(target: Target) -> bool:
    wanted = target.filter
    chosen = (wanted.areas, wanted.levels, wanted.managers, wanted.site_tags, wanted.site_kinds)
    return target.unit in ("school", "site") and any(chosen)


def pilot_sites(facts: Facts, plans: Sequence[Plan], key: str) -> frozenset[str]:
    """Raises Refused."""
    kind, _, word = key.partition(":")
    if kind == "tag" and word in TAGS:
        return frozenset(one for one in facts.sites if word in facts.evidence.sites[one].site.tag_set)
    for plan in plans:
        for target in plan.targets:
            if key == f"plan:{plan.id}/{target.id}" and _names_sites(target):
                parts = (part for unit in counted_units(target, facts.evidence) for part in unit.parts)
                return facts.sites & {part.facts.site.id for part in parts}
    raise Refused(
        f"pilot {key!r}: cần tag:NHÃN (một trong {', '.join(TAGS)}) hoặc plan:KẾ-HOẠCH/CHỈ-TIÊU có bộ lọc",
        f"pilot {key!r}: needed is tag:WORD (one of {', '.join(TAGS)}) or plan:PLAN/TARGET of a target with a filter",
        missing=True,
    )


# ---- made from facts ---------------------------------------------------------------------------------------


def made(asked: Asked, facts: Facts, before: Facts | None, plans: Sequence[Plan]) -> Comparison:
    """Pure. facts: of the league table of the area, or of the whole province for another place; before: of the earlier
    period. Raises Refused."""
    return _MADE[asked.view](asked, facts, before, plans)


def _isps(asked: Asked, facts: Facts, before: Facts | None, plans: Sequence[Plan]) -> Comparison:
    groups = compare.by_isp(facts)
    return _grouped(asked, facts, groups, Said("Các nhà mạng cạnh nhau", "ISPs side by side"), (reports.ISP_METHOD,))


def _pilot(asked: Asked, facts: Facts, before: Facts | None, plans: Sequence[Plan]) -> Comparison:
    mine = pilot_sites(facts, plans, asked.pilot)
    groups = [
        Group(Said("Thí điểm", "Pilot"), tuple(sorted(mine)), facts),
        Group(Said("Các điểm trường khác", "Other sites"), tuple(sorted(facts.sites - mine)), facts),
    ]
    name = pilots(plans)[asked.pilot]
    told = Said(f"Thí điểm là {name.vi}.", f"The pilot is {name.en}.")
    return _grouped(
        asked, facts, groups, Said("Thí điểm so với các nơi khác", "Pilot against the others"), (told, UNEQUAL)
    )


UNEQUAL: Final = Said(
    "Hai nhóm khác nhau không chỉ ở việc thí điểm (nơi ở, nhà mạng, cấp học): chênh lệch chưa nói lên là do thí điểm.",
    "The groups differ in more than the pilot (place, ISP, level): a difference does not say that the pilot made it.",
)


def _grouped(asked: Asked, facts: Facts, groups: Sequence[Group], title: Said, method: tuple[Said, ...]) -> Comparison:
    keys = {str(place): group for place, group in enumerate(groups)}
    linked = [replace(group, link=asked.address(table="sites", group=key) + "#table") for key, group in keys.items()]
    of_site = {site: group.name for group in groups for site in group.sites}
    tables = {"groups": compared("groups", title, linked), "sites": _sites(facts, of_site, facts.sites)}
    return _comparison(asked, facts, title, method, tables, {key: group.name for key, group in keys.items()})


def _sites(facts: Facts, group_of: Mapping[str, Said], sites: Collection[str]) -> Table:
    """Each site, with the group it is of; it leads to its minutes."""
    groups = compare.by_site(facts, sites)
    table = compared("sites", Said("Từng điểm trường", "Site by site"), groups)
    rows = tuple((row[0], group_of[group.sites[0]], *row[1:]) for row, group in zip(table.rows, groups, strict=True))
    links = tuple(minutes_link(group.sites[0], facts.period) for group in groups)
    columns = (table.columns[0], Column("group", Said("Nhóm", "Group")), *table.columns[1:])
    return ordered(replace(table, columns=columns, rows=rows, links=links), "name")


def minutes_link(site: str, period: Period, signal: str = INTERNET) -> str:
    return f"/site/{site}/minutes?" + urlencode({"signal": signal, **_minutes_of(period)})


def _minutes_of(period: Period) -> dict[str, str]:
    days = min(MINUTE_DAYS, (period.last - period.first).days + 1)
    return {"day": period.last.isoformat(), "days": str(days)}


LINE_COLUMNS: Final = frozenset({"line", "line_coverage", "line_before", "line_after"})


def cell_link(link: str, column: str, asked: Asked) -> str:
    """Where a number of a row leads: what is said of the line, to the line's minutes; of the earlier period, to its."""
    if column in LINE_COLUMNS:
        link = link.replace(f"signal={INTERNET}", f"signal={EDGE}")
    if column.endswith("_before") and asked.before is not None:
        link = link.replace(urlencode(_minutes_of(asked.period)), urlencode(_minutes_of(asked.before)))
    return link


def _comparison(
    asked: Asked,
    facts: Facts,
    title: Said,
    method: tuple[Said, ...],
    tables: Mapping[str, Table],
    groups: Mapping[str, Said],
) -> Comparison:
    return Comparison(asked, facts.made_ms, title, reports.about(facts), method, tables, groups)


# ---- two periods -------------------------------------------------------------------------------------------


def _periods(asked: Asked, facts: Facts, before: Facts | None, plans: Sequence[Plan]) -> Comparison:
    assert before is not None
    mine = _sites_of(facts, asked.place, asked.id)
    now, then = replace(facts, sites=mine), replace(before, sites=before.sites & mine)
    groups = [replace(one, link=asked.address(table="changes") + "#table") for one in compare.two_periods(then, now)]
    title = Said("Một nơi, hai kỳ", "One place in two periods")
    tables = {"groups": compared("groups", title, groups), "changes": _changes(then, now)}
    return _comparison(asked, now, title, (SAME_SITES,), tables, {})


SAME_SITES: Final = Said(
    "Chỉ so những điểm trường đang dạy ở cuối cả hai kỳ, để chênh lệch không do danh sách thay đổi.",
    "Only sites that taught at the end of both periods are compared, so that no difference comes from the list.",
)


def _sites_of(facts: Facts, place: Place, ident: str) -> frozenset[str]:
    """Raises Refused."""
    if place == "isp":
        found = frozenset(site for site in facts.sites if isp_of(facts.evidence.sites[site]) == ident)
        if not found:
            raise Refused(
                f"nhà mạng {ident!r}: không có đường truyền chính nào trong sổ đăng ký",
                f"ISP {ident!r}: the register has no main line of it",
                missing=True,
            )
        return found
    if place == "school":
        if ident not in facts.evidence.schools:
            raise Refused(
                f"trường {ident!r}: không có trong sổ đăng ký", f"school {ident!r}: not in the register", missing=True
            )
        return frozenset(site for site in facts.sites if facts.evidence.sites[site].site.school == ident)
    return facts.sites


def _pair(key: str, vi: str, en: str, kind: Literal["share", "count", "seconds", "bps"]) -> tuple[Column, Column]:
    return (
        Column(f"{key}_before", Said(f"{vi}, kỳ trước", f"{en}, before"), kind),
        Column(f"{key}_after", Said(f"{vi}, kỳ sau", f"{en}, after"), kind),
    )


CHANGES: Final = (
    Column("name", Said("Điểm trường", "Site")),
    *_pair("lessons", "Có Internet giờ học", "Internet up, lessons", "share"),
    Column("change", Said("Thay đổi giờ học (điểm %)", "Change in lessons (points)"), "number"),
    *_pair("internet", "Có Internet (24/7)", "Internet up (24/7)", "share"),
    *_pair("coverage", "Đo được (24/7)", "Measured (24/7)", "share"),
    *_pair("line", "Riêng đường truyền", "The line alone", "share"),
    *_pair("outages", "Số lần gián đoạn", "Outages", "count"),
    *_pair("down", "Tổng thời gian mất", "Time down", "seconds"),
    *_pair("median", "Tải xuống, trung vị", "Download, median", "bps"),
)


def _changes(then: Facts, now: Facts) -> Table:
    """Who lost most comes first; the sites that are in both."""
    rows, links = [], []
    for group in compare.by_site(now, now.sites & then.sites):
        (site,) = group.sites
        rows.append(_change(group.name, figures(replace(group, facts=then)), figures(group)))
        links.append(minutes_link(site, now.period))
    title = Said("Thay đổi của từng điểm trường", "What changed, site by site")
    return ordered(Table("changes", title, CHANGES, tuple(rows), tuple(links), compare.NOTE), "change")


def _change(name: Said, then: Figures, now: Figures) -> tuple[Cell, ...]:
    return (
        name,
        then.lessons.share,
        now.lessons.share,
        _points(then.lessons.share, now.lessons.share),
        then.internet.share,
        now.internet.share,
        then.internet.coverage,
        now.internet.coverage,
        then.line.share,
        now.line.share,
        then.outages,
        now.outages,
        then.down_seconds,
        now.down_seconds,
        then.down_median,
        now.down_median,
    )


def _points(then: Fraction | None, now: Fraction | None) -> Fraction | None:
    return None if then is None or now is None else 100 * (now - then)


# ---- the league table --------------------------------------------------------------------------------------


def _league(asked: Asked, facts: Facts, before: Facts | None, plans: Sequence[Plan]) -> Comparison:
    """The tables of the report of that kind, and the sites behind them."""
    isps = compare.by_isp(facts)
    of_site = {site: group.name for group in isps for site in group.sites}
    areas = [
        replace(group, link=asked._replace(id=group.id).address(table="schools") + "#table" if group.id else "")
        for group in compare.by_area(facts, asked.id)
    ]
    schools = [
        replace(
            group,
            link=minutes_link(group.sites[0], facts.period)
            if len(group.sites) == 1
            else asked.address(table="sites", q=group.name.vi) + "#table",
        )
        for group in compare.by_school(facts)
    ]
    linked = [
        replace(group, link=asked.address(table="sites", group=str(place)) + "#table")
        for place, group in enumerate(isps)
    ]
    title = Said("Bảng xếp hạng", "League table")
    tables = {
        "schools": ranked(compared("schools", Said("Trường", "Schools"), schools), "lessons", "lessons_coverage"),
        "areas": ranked(compared("areas", Said("Địa bàn", "Areas"), areas), "lessons", "lessons_coverage"),
        "isps": ranked(compared("isps", Said("Nhà mạng", "ISPs"), linked), "line", "line_coverage"),
        "sites": _sites(facts, of_site, facts.sites),
    }
    if len(areas) < 2:
        del tables["areas"]
    groups = {str(place): group.name for place, group in enumerate(isps)}
    return _comparison(asked, facts, title, (*reports.LEAGUE_METHOD, reports.LEAGUE_BY_LINE), tables, groups)


_MADE: Final = {"isps": _isps, "periods": _periods, "pilot": _pilot, "league": _league}
