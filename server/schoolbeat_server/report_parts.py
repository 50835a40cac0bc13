"""The parts of reports: verdicts, units that miss, assumptions, outages and speed tests, each a section or a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from schoolbeat_server import history
from schoolbeat_server.cause import sentence
from schoolbeat_server.evidence import SpeedTest
from schoolbeat_server.issued import WHY_WORDS
from schoolbeat_server.issued_units import Unit
from schoolbeat_server.local_time import lasting, local
from schoolbeat_server.main_line import MAIN
from schoolbeat_server.report_facts import Facts, OutageShown, Standing
from schoolbeat_server.said import Said
from schoolbeat_server.tables import Cell, Column, Table
from schoolbeat_server.verdicts import UNIT_WORDS, Status, plan_status

MOST_UNITS: Final = 20_000  # named in a report


class Section(NamedTuple):
    heading: Said
    paragraphs: tuple[Said, ...] = ()
    tables: tuple[Table, ...] = ()


# ---- verdicts ----------------------------------------------------------------------------------------------

VERDICTS: Final = (
    Column("plan", Said("Kế hoạch", "Plan")),
    Column("target", Said("Chỉ tiêu", "Target")),
    Column("unit", Said("Đơn vị tính", "Unit")),
    Column("met", Said("Đạt", "Met"), "count"),
    Column("missed", Said("Chưa đạt", "Missed"), "count"),
    Column("unknown", Said("Chưa đủ dữ liệu", "Unknown"), "count"),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("day", Said("Của ngày", "Of day"), "day"),
    Column("revision", Said("Bản", "Revision"), "count"),
    Column("why", Said("Lý do sửa", "Revised because")),
)
FOR_ALL: Final = Said("tính cho toàn tỉnh", "counted for the province")
NONE_ISSUED: Final = Said(
    "Trong kỳ này chưa có kết luận nào được công bố; báo cáo không suy ngược từ số liệu sau này.",
    "No verdict was issued in this period; nothing is inferred from later data.",
)
HOW_ISSUED: Final = Said(
    "Kết luận của mỗi chỉ tiêu là kết luận công bố cuối cùng trong kỳ, kèm các lần sửa đến lúc lập báo cáo. Một chỉ "
    "tiêu chỉ 'đạt' hoặc 'chưa đạt' khi các đơn vị chưa đủ dữ liệu không thể làm thay đổi kết quả.",
    "Each target's verdict is the last one issued in the period, with its revisions until the report was made. A "
    "target is 'met' or 'missed' only when no outcome of the unknown units could change that.",
)


def verdict_section(facts: Facts) -> Section:
    rows, links = [], []
    for one in facts.standings:
        mine = _units_of(facts, one)
        if not mine:
            continue
        met, missed, unknown = (sum(unit["counts"][at] for unit in mine.values()) for at in range(3))
        rows.append(
            (
                one.plan.document,
                Said(f"{one.target.id}: {one.target.name.vi}", f"{one.target.id}: {one.target.name.en}"),
                UNIT_WORDS[one.target.unit],
                met,
                missed,
                unknown,
                _status(facts, one, met, missed, unknown),
                history.local_day(one.issue.end_minute),
                one.issue.revision,
                WHY_WORDS[one.issue.why] if one.issue.why else Said("", ""),
            )
        )
        links.append(f"/verdicts/{one.issue.id}")
    heading = Said("Kết quả theo từng chỉ tiêu", "Results by target")
    if not rows:
        return Section(heading, (NONE_ISSUED,))
    return Section(heading, (HOW_ISSUED,), (Table("verdicts", heading, VERDICTS, tuple(rows), tuple(links)),))


def _status(facts: Facts, one: Standing, met: int, missed: int, unknown: int) -> Status | Said:
    """A target that asks for a number of units asks the whole province for it."""
    if _is_whole(facts):
        return one.issue.status
    if one.target.count is not None:
        return FOR_ALL
    return plan_status(met, missed, unknown, one.target.share)


def _is_whole(facts: Facts) -> bool:
    bounds = facts.evidence.boundaries
    return facts.kind == "area" and bounds is not None and bounds.areas[facts.id].parent is None


def _units_of(facts: Facts, one: Standing) -> dict[str, Unit]:
    """Those within the report's area or school."""
    if _is_whole(facts):
        return dict(one.units)
    schools = {facts.evidence.sites[site].site.school for site in facts.sites}
    return {ident: unit for ident, unit in one.units.items() if _school_of(facts, one, ident) in schools}


def _school_of(facts: Facts, one: Standing, ident: str) -> str:
    """ "" for what the register no longer knows."""
    if one.target.unit == "school":
        return ident
    site = facts.rooms.get(ident, "") if one.target.unit == "room" else ident.partition("/")[0]
    found = facts.evidence.sites.get(site)
    return "" if found is None else found.site.school


UNITS: Final = (
    Column("target", Said("Chỉ tiêu", "Target")),
    Column("unit", Said("Đơn vị", "Unit")),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("since", Said("Từ", "Since"), "minute"),
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
    Column("reasons", Said("Vì sao", "Why")),
)


NO_DAY: Final = Said("–", "–")


def unit_rows(facts: Facts, met_too: bool) -> tuple[list[tuple[Cell, ...]], list[str]]:
    rows: list[tuple[Cell, ...]] = []
    links = []
    for one in facts.standings:
        for ident, unit in sorted(_units_of(facts, one).items(), key=_urgency):
            if met_too or unit["status"] != "met":
                vi, en = zip(*unit["reasons"], strict=True) if unit["reasons"] else ((), ())
                why = Said("; ".join(vi), "; ".join(en))
                rows.append(
                    (
                        Said(f"{one.plan.id} {one.target.id}", f"{one.plan.id} {one.target.id}"),
                        Said(unit["name"], unit["name"]),
                        unit["status"],
                        NO_DAY if unit["status"] == "met" else unit["since_minute"],
                        unit["grade"],
                        why,
                    )
                )
                links.append(_page_of(facts, one, ident))
    return rows, links


def _urgency(pair: tuple[str, Unit]) -> tuple[int, str, str]:
    ident, unit = pair
    return ("missed", "unknown", "not_applicable", "met").index(unit["status"]), unit["name"], ident


def _page_of(facts: Facts, one: Standing, ident: str) -> str:
    site = facts.rooms.get(ident, "") if one.target.unit == "room" else ident.partition("/")[0]
    if one.target.unit == "school":
        site = next((part for part in sorted(facts.sites) if facts.evidence.sites[part].site.school == ident), "")
    return f"/site/{site}" if site in facts.evidence.sites else ""


def unit_section(facts: Facts) -> Section:
    heading = Said("Đơn vị chưa đạt và chưa đủ dữ liệu", "Units that miss, and units unknown")
    rows, links = unit_rows(facts, met_too=False)
    if not rows:
        return Section(
            heading, (Said("Không có đơn vị nào.", "There is none."),) if facts.standings else (NONE_ISSUED,)
        )
    table = Table("units", heading, UNITS, tuple(rows[:MOST_UNITS]), tuple(links[:MOST_UNITS]))
    return Section(heading, _left_out(len(rows), MOST_UNITS), (table,))


def _left_out(count: int, most: int) -> tuple[Said, ...]:
    if count <= most:
        return ()
    return (Said(f"Chỉ liệt kê {most} trong {count} dòng.", f"Only {most} of {count} rows are listed."),)


ASSUMPTIONS: Final = (
    Column("target", Said("Chỉ tiêu", "Target")),
    Column("name", Said("Giả định", "Assumption")),
    Column("value", Said("Giá trị", "Value")),
    Column("reason", Said("Vì sao", "Why")),
    Column("source", Said("Nguồn", "Source")),
)


def assumption_section(facts: Facts) -> Section:
    """A target that counts nothing here needs none."""
    heading = Said("Giả định", "Assumptions")
    rows: list[tuple[Cell, ...]] = [
        (f"{one.plan.id} {one.target.id}", each.name, str(each.value), each.reason, each.source)
        for one in facts.standings
        if _units_of(facts, one)
        for each in one.target.assumptions
    ]
    told = Said(
        "Văn bản kế hoạch không nói hết; những chỗ còn bỏ ngỏ được quyết định như sau, ai cũng có thể xem xét lại.",
        "The documents leave things open; they were settled as follows, for anybody to reconsider.",
    )
    if not rows:
        return Section(heading, (Said("Không dùng giả định nào của kế hoạch.", "None of a plan's was used."),))
    return Section(heading, (told,), (Table("assumptions", heading, ASSUMPTIONS, tuple(rows)),))


# ---- outages -----------------------------------------------------------------------------------------------

CAUSES: Final = (
    Column("cause", Said("Nguyên nhân", "Cause")),
    Column("sites", Said("Điểm trường", "Sites"), "count"),
    Column("outages", Said("Số lần", "Outages"), "count"),
    Column("down", Said("Tổng thời gian mất", "Time down"), "seconds"),
)


def causes(facts: Facts, signal: str, sites: Iterable[str] | None = None, besides: Sequence[str] = ()) -> Table:
    """The longest first; causes in `besides` are left out."""
    wanted = facts.sites if sites is None else frozenset(sites)
    found: dict[str, list[tuple[str, int, int]]] = {}
    for one in facts.counted:
        if one.signal == signal and one.site in wanted and one.cause not in besides:
            found.setdefault(one.cause, []).append((one.site, one.outages, one.down_seconds))
    rows: list[tuple[Cell, ...]] = [
        (
            Said(sentence(cause, "vi"), sentence(cause, "en")),
            len({site for site, _, _ in parts}),
            sum(count for _, count, _ in parts),
            sum(seconds for _, _, seconds in parts),
        )
        for cause, parts in found.items()
    ]
    rows.sort(key=lambda row: (-int(str(row[3])), str(row[0])))
    return Table(
        "causes", Said("Gián đoạn Internet theo nguyên nhân", "Internet outages by cause"), CAUSES, tuple(rows)
    )


OUTAGES: Final = (
    Column("place", Said("Điểm trường", "Site")),
    Column("signal", Said("Tín hiệu", "Signal")),
    Column("from", Said("Từ", "From"), "moment"),
    Column("to", Said("Đến", "To"), "moment"),
    Column("down", Said("Mất", "Down for"), "seconds"),
    Column("lessons", Said("Tiết học", "Lessons"), "count"),
    Column("cause", Said("Nguyên nhân", "Cause")),
)
STILL: Final = Said("vẫn mất", "still down")


def outages(facts: Facts, title: Said) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for one in facts.listed:
        part = facts.evidence.sites[one.site].site
        place = f"{facts.evidence.schools[part.school].name} – {part.name}"
        why = Said(sentence(one.cause, "vi"), sentence(one.cause, "en"))
        end = STILL if one.end_ms is None else one.end_ms
        rows.append((place, one.signal, one.start_ms, end, one.down_seconds, one.lessons, why))
    return Table("outages", title, OUTAGES, tuple(rows), tuple(minutes_of(one) for one in facts.listed))


def minutes_of(one: OutageShown) -> str:
    """The page of the minutes in which it began."""
    return f"/site/{one.site}/minutes?" + urlencode({"signal": one.signal, "day": local(one.start_ms).date()})


BEGAN: Final = Said(
    "Gồm các đoạn bắt đầu trong kỳ; 'Mất' là tổng số giây đo được là mất, phút chưa đo được không tính.",
    "Those that began in the period; 'Down for' is the sum of seconds measured down, without minutes not measured.",
)


def unlisted(facts: Facts) -> tuple[Said, ...]:
    if not facts.unlisted:
        return ()
    count, more = len(facts.listed), facts.unlisted
    return (Said(f"Liệt kê {count} đoạn đầu; còn {more} đoạn nữa.", f"The first {count} are listed; {more} more."),)


# ---- another line ------------------------------------------------------------------------------------------


def carried_by_others(facts: Facts, sites: Iterable[str]) -> tuple[Said, ...]:
    """What of the sites' `line.isp` is not the main line's."""
    mine = [facts.main_lines[site] for site in sites if site in facts.main_lines]
    if not mine:
        return ()
    seconds = sum(60 * (end - first) for one in mine for first, end in one.other)
    vi, en = lasting(seconds, "vi"), lasting(seconds, "en")
    return (
        Said(
            f"Trong {vi}, {len(mine)} điểm trường đi bằng đường dự phòng, hoặc không rõ đi bằng đường nào sau khi "
            "đường chính ngắt; thời gian ấy của đường chính là chưa biết: không tính là thông, cũng không tính là mất.",
            f"For {en}, {len(mine)} of the sites went out by a line that stands by, or by nobody knows which after the "
            "main line broke; of the main line that time is not known: neither up nor down.",
        ),
    )


def not_told_apart(facts: Facts, sites: Iterable[str]) -> tuple[Said, ...]:
    """Sites with several lines where nothing says which was in use."""
    count = 0
    for part in facts.facts_of(sites):
        main = facts.both(part.site.id, MAIN).always
        count += len(part.lines) > 1 and not main.up + main.down
    if not count:
        return ()
    return (
        Said(
            f"{count} điểm trường có đường dự phòng mà tác tử không nhận ra lúc nào đi bằng đường nào (chưa đặt "
            "main_edges); mọi phút của các điểm ấy được tính cho đường chính.",
            f"{count} of the sites have a line that stands by, and the agent cannot tell which is in use (main_edges "
            "is not set); all their minutes count for the main line.",
        ),
    )


# ---- speed tests -------------------------------------------------------------------------------------------

TESTS: Final = (
    Column("place", Said("Điểm trường", "Site")),
    Column("at", Said("Lúc", "At"), "minute"),
    Column("download", Said("Tải xuống", "Download"), "bps"),
    Column("upload", Said("Tải lên", "Upload"), "bps"),
    Column("limited", Said("Bị thiết bị cổng giới hạn", "Held by the gateway")),
)
_YES, _NO = Said("có", "yes"), Said("không", "no")
OTHER_LINE: Final = Said("không tính: đang đi đường khác", "not counted: another line in use")


def test_note(facts: Facts, site: str, test: SpeedTest) -> Said:
    """Why a test says less of the main line than its number does."""
    if facts.on_other(site, test.minute):
        return OTHER_LINE
    return _YES if test.ceiling else _NO


def tests(facts: Facts) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (part.site.name, test.minute, test.download_bps, test.upload_bps, test_note(facts, part.site.id, test))
        for part in facts.facts_of(sorted(facts.sites))
        for test in part.tests
    ]
    return Table("tests", Said("Các lần đo tốc độ", "Speed tests"), TESTS, tuple(rows))
