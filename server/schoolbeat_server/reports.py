"""Reports on an area, a school, an ISP, and the yearly league table: pure, from what was gathered for a period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

from schoolbeat_server import compare
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.compare import Group, compared, figures, ranked
from schoolbeat_server.line_sheet import of_line
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.report_facts import ISP_CAUSES, ISP_EDGE, ON_OTHER, Facts, Kind, Period, isp_of
from schoolbeat_server.report_parts import (
    BEGAN,
    HOW_ISSUED,
    NONE_ISSUED,
    UNITS,
    Section,
    assumption_section,
    carried_by_others,
    causes,
    not_told_apart,
    outages,
    tests,
    unit_rows,
    unit_section,
    unlisted,
    verdict_section,
)
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import date_of
from schoolbeat_server.tables import Column, Table, cell_text, ordered


@dataclass(frozen=True)
class Report:
    """kind "evidence": of an evidence pack (evidence_paper.py). about: what and value, what the figures rest on; it
    stands in every form of the report."""

    kind: Kind | Literal["evidence"]
    id: str
    title: Said
    period: Period
    made_ms: int
    about: tuple[tuple[Said, Said], ...]
    sections: tuple[Section, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for section in self.sections for table in section.tables)


def report(facts: Facts) -> Report:
    """Pure: the same facts give the same report."""
    title, sections = _MADE[facts.kind](facts)
    days = _days(facts.period)
    named = Said(f"{title.vi}, {days.vi}", f"{title.en}, {days.en}")
    return Report(facts.kind, facts.id, named, facts.period, facts.made_ms, about(facts), tuple(sections))


def _days(period: Period) -> Said:
    first, last = period
    return Said(f"từ {first:%d/%m/%Y} đến {last:%d/%m/%Y}", f"from {first} to {last}")


# ---- what it rests on --------------------------------------------------------------------------------------


def about(facts: Facts) -> tuple[tuple[Said, Said], ...]:
    days = _days(facts.period)
    whole = figures(_all(facts))
    day = facts.evidence.boundaries.day if facts.evidence.boundaries is not None else facts.evidence.last_day
    on = date.fromisoformat(day)
    revised = [one.issue for one in facts.standings if one.issue.revision]
    told = [
        (Said("Kỳ báo cáo", "Period"), Said(f"{days.vi}, trọn ngày, giờ Việt Nam", f"{days.en}, whole local days")),
        (Said("Địa giới", "Boundaries"), Said(f"theo địa giới ngày {on:%d/%m/%Y}", f"as of {on}")),
        (Said("Đồng hồ", "Clock"), CLOCKS),
        (Said("Đo được", "Coverage"), _coverage(whole)),
        (Said("Lập lúc", "Made at"), _both(clock_and_day, facts.made_ms)),
    ]
    if facts.standings:
        told.append((Said("Bản sửa", "Revision"), _revised(len(facts.standings), revised)))
    return (*told, (Said("Căn cứ", "Rests on"), _rests_on(facts)))


CLOCKS: Final = Said(
    "mỗi tỷ lệ ghi rõ tính suốt ngày đêm (24/7) hay theo giờ học của lịch năm học",
    "each share says whether it is around the clock (24/7) or in the lessons of the school calendar",
)


def _both(how: object, value: int) -> Said:
    assert callable(how)
    return Said(how(value, "vi"), how(value, "en"))


def _coverage(whole: compare.Figures) -> Said:
    def told(language: str) -> tuple[str, str]:
        lessons = whole.lessons.coverage if whole.lessons.all_seconds else None
        return cell_text(whole.internet.coverage, "share", language), cell_text(lessons, "share", language)

    (vi, vi_lessons), (en, en_lessons) = told("vi"), told("en")
    count_vi, count_en = (cell_text(whole.sites, "count", language) for language in ("vi", "en"))
    return Said(
        f"Internet của {count_vi} điểm trường: {vi} thời gian của kỳ (24/7), {vi_lessons} giờ học;"
        f" {whole.silent} điểm trường chưa từng gửi bản tin",
        f"Internet of {count_en} sites: {en} of the period (24/7), {en_lessons} of lesson time;"
        f" {whole.silent} sites never reported",
    )


def _revised(count: int, revised: Sequence[object]) -> Said:
    vi = f"{len(revised)} trong {count} kết luận đã được sửa sau khi công bố; cột 'Bản' ghi lần sửa"
    return Said(vi, f"{len(revised)} of {count} verdicts were revised after they were issued; see 'Revision'")


def _rests_on(facts: Facts) -> Said:
    one = facts.stamp
    told = Said(
        f"mã băm {one.digest.hex()} của {len(one.days)}/{one.due} ngày × điểm trường"
        f" ({one.revised} ngày có bản sửa); cách tính lại: docs/proof.md",
        f"digest {one.digest.hex()} over {len(one.days)} of {one.due} days of sites"
        f" ({one.revised} of them revised); how to recompute it: docs/proof.md",
    )
    if one.proof_day is None:
        return told
    day, proof = date_of(one.proof_day).isoformat(), one.proof.hex()
    return Said(f"{told.vi}; chuỗi đã gửi ra ngoài: {proof} ({day})", f"{told.en}; already sent out: {proof} ({day})")


def _all(facts: Facts) -> Group:
    return Group(Said("Cộng", "All"), tuple(sorted(facts.sites)), facts)


# ---- an area -----------------------------------------------------------------------------------------------


def _of_area(facts: Facts) -> tuple[Said, list[Section]]:
    bounds = facts.evidence.boundaries
    assert bounds is not None
    area = bounds.areas[facts.id]
    name = in_sentence(area.name)
    children = any(one.parent == area.id for one in bounds.areas.values())
    whole = [_all(facts)]
    sections = [
        verdict_section(facts),
        unit_section(facts),
        Section(
            Said("Kết nối Internet", "Internet connection"),
            (_summary(figures(whole[0])), CAUSES_ARE_NOT_BLAME),
            (
                compared("all", Said(f"Toàn {name}", f"All of {name}"), whole),
                *(
                    [
                        ordered(
                            compared("areas", Said("Theo địa bàn", "By area"), compare.by_area(facts, area.id)), "name"
                        )
                    ]
                    if children
                    else []
                ),
                compared("isps", Said("Theo nhà mạng", "By ISP"), compare.by_isp(facts)),
                ordered(compared("schools", Said("Theo trường", "By school"), compare.by_school(facts)), "name"),
            ),
        ),
        Section(Said("Nguyên nhân gián đoạn", "Causes of outages"), (), (causes(facts, INTERNET),)),
        assumption_section(facts),
    ]
    if bounds.without:
        sections.append(_without(facts))
    return _titled(name), sections


def in_sentence(name: str) -> str:
    """'xã Bản Gió': the kind of area has a capital only where a line begins with it."""
    kind = next(
        (one for one in ("Tỉnh ", "Thành phố ", "Huyện ", "Xã ", "Phường ", "Đặc khu ") if name.startswith(one)), ""
    )
    return kind.lower() + name.removeprefix(kind)


def _titled(name: str) -> Said:
    return Said(f"Kết nối Internet và kết quả chỉ tiêu của {name}", f"Internet connection and targets of {name}")


def _summary(whole: compare.Figures) -> Said:
    """For whoever reads no table."""

    def told(language: str) -> dict[str, str]:
        shares = {"internet": whole.internet.share, "lessons": whole.lessons.share, "line": whole.line.share}
        shown = {name: cell_text(share, "share", language) for name, share in shares.items()}
        counts = {"sites": whole.sites, "outages": whole.outages, "tests": whole.tests}
        shown |= {name: cell_text(count, "count", language) for name, count in counts.items()}
        down = cell_text(whole.down_median, "bps", language)
        return shown | {"down": down, "seconds": cell_text(whole.down_seconds, "seconds", language)}

    return Said(
        "Trong thời gian đo được, {sites} điểm trường có Internet {internet} (24/7) và {lessons} giờ học; riêng đường "
        "truyền hoạt động {line}. Số lần gián đoạn: {outages}, tổng cộng {seconds}. {tests} lần đo tốc độ, trung vị "
        "tải xuống {down}.".format(**told("vi")),
        "Of the time measured, the Internet of {sites} sites was up {internet} (24/7) and {lessons} of lesson time; "
        "the line alone {line}. Outages: {outages}, {seconds} in all. {tests} speed tests, median download "
        "{down}.".format(**told("en")),
    )


CAUSES_ARE_NOT_BLAME: Final = Said(
    "'Có Internet' là điều trường nhận được, dù lỗi ở đâu; 'Riêng đường truyền' chỉ tính phần của nhà mạng.",
    "'Internet up' is what the school had, wherever the fault lay; 'The line alone' is the ISP's part only.",
)


def _without(facts: Facts) -> Section:
    bounds = facts.evidence.boundaries
    assert bounds is not None
    names = tuple(sorted((facts.evidence.schools[one].name, one) for one in bounds.without))
    columns = (Column("name", Said("Trường", "School")), Column("id", Said("Mã", "Id")))
    table = Table("without", Said("Trường chưa xếp vào địa bàn", "Schools in no area"), columns, names)
    told = Said(
        f"{len(names)} trường không được sổ đăng ký xếp vào địa bàn nào của ngày này nên không có trong các bảng trên.",
        f"The register places {len(names)} schools in no area of that day; they are in none of the tables above.",
    )
    return Section(table.title, (told,), (table,))


# ---- a school ----------------------------------------------------------------------------------------------


def _of_school(facts: Facts) -> tuple[Said, list[Section]]:
    school = facts.evidence.schools[facts.id]
    heading = Said("Các chỉ tiêu của trường", "The school's targets")
    rows, links = unit_rows(facts, met_too=True)
    verdicts = (
        Section(heading, (HOW_ISSUED,), (Table("units", heading, UNITS, tuple(rows), tuple(links)),))
        if rows
        else Section(heading, (NONE_ISSUED,))
    )
    sites = compared("sites", Said("Theo điểm trường", "By site"), compare.by_site(facts, facts.sites))
    shown = outages(facts, Said("Các đoạn gián đoạn", "Outages"))
    sections = [
        verdicts,
        Section(Said("Kết nối Internet", "Internet connection"), (CAUSES_ARE_NOT_BLAME,), (sites,)),
        Section(shown.title, (BEGAN, *unlisted(facts)), (causes(facts, INTERNET), shown)),
        Section(Said("Các lần đo tốc độ", "Speed tests"), (), (tests(facts),)),
        assumption_section(facts),
    ]
    name = school.name
    return Said(
        f"Kết nối Internet và kết quả chỉ tiêu của {name}", f"Internet connection and targets of {name}"
    ), sections


# ---- an ISP ------------------------------------------------------------------------------------------------

ISP_METHOD: Final = Said(
    "Mỗi điểm trường được tính cho nhà mạng của đường truyền chính trong sổ đăng ký. 'Riêng đường truyền' chỉ gồm "
    "những phút bộ định tuyến của trường trả lời và trường đi bằng đường chính: mất điện, hỏng thiết bị trong trường, "
    "lúc đi bằng đường dự phòng và lúc chưa đo được không tính cho nhà mạng. Tốc độ đo ngoài giờ học, bỏ các lần bị "
    "chính thiết bị cổng giới hạn.",
    "Each site counts for the ISP of its main line in the register. 'The line alone' has only the minutes in which the "
    "school's router answered and the main line was in use: lost power, faults inside the school, time on a line that "
    "stands by and what was not measured are not the ISP's. Speeds were measured outside lessons; tests that the "
    "gateway held down are left out.",
)


def _of_isp(facts: Facts) -> tuple[Said, list[Section]]:
    mine = [site for site in sorted(facts.sites) if isp_of(facts.evidence.sites[site]) == facts.id]
    shown = outages(facts, Said("Gián đoạn do nhà mạng", "Outages of the ISP"))
    other = causes(facts, INTERNET, mine, ISP_CAUSES)
    other = replace(other, name="others", title=Said("Không tính cho nhà mạng", "Not charged to the ISP"))
    own = causes(facts, ISP_EDGE, mine, (ON_OTHER,))
    sections = [
        Section(
            Said("So sánh các nhà mạng", "ISPs compared"),
            (ISP_METHOD, *carried_by_others(facts, mine), *not_told_apart(facts, mine)),
            (compared("isps", Said("Theo nhà mạng", "By ISP"), compare.by_isp(facts)),),
        ),
        Section(
            Said(f"Các điểm trường dùng {facts.id}", f"Sites on {facts.id}"),
            (),
            (compared("sites", Said("Theo điểm trường", "By site"), compare.by_site(facts, mine)),),
        ),
        Section(shown.title, (BEGAN, *unlisted(facts)), (own, shown)),
        Section(other.title, (NOT_CHARGED,), (other,)),
    ]
    title = Said(f"Chất lượng đường truyền của {facts.id}", f"Quality of the lines of {facts.id}")
    return title, sections


NOT_CHARGED: Final = Said(
    "Trường mất Internet vì những nguyên nhân này, nhưng lỗi không ở đường truyền hoặc chưa rõ ở đâu.",
    "The schools lost the Internet for these causes, but the fault was not the line's, or it is not known whose.",
)


# ---- the league table --------------------------------------------------------------------------------------

LEAGUE_METHOD: Final = (
    Said(
        "Xếp hạng theo tỷ lệ thời gian giờ học có Internet (thông ÷ (thông + mất)), so sánh bằng phân số chính xác, "
        "không làm tròn; bằng nhau thì đồng hạng.",
        "Ranked by the share of lesson time with Internet (up ÷ (up + down)), compared as exact fractions, never "
        "rounded; equals share a rank.",
    ),
    Said(
        "Chỉ xếp hạng nơi đo được từ 80% giờ học trở lên (giả định của SchoolBeat, không phải quy định); nơi khác "
        "ghi ở cuối, không có hạng: chưa đo được không phải là kém.",
        "Only those measured in 80 % of lesson time or more are ranked (an assumption of SchoolBeat, not a "
        "regulation); others stand at the end without a rank: not measured is not bad.",
    ),
    Said(
        "Thứ hạng nói trường nhận được gì, không nói lỗi của ai: mất điện cũng là không có Internet.",
        "A rank says what the schools had, not whose fault it was: without power there is no Internet.",
    ),
)


LEAGUE_BY_LINE: Final = Said(
    "Nhà mạng được xếp theo 'Riêng đường truyền', với cùng ngưỡng đo được.",
    "ISPs are ranked by 'The line alone', with the same threshold of coverage.",
)


def _of_league(facts: Facts) -> tuple[Said, list[Section]]:
    bounds = facts.evidence.boundaries
    assert bounds is not None
    area = bounds.areas[facts.id]
    areas = compared("areas", Said("Xếp hạng địa bàn", "Areas ranked"), compare.by_area(facts, area.id))
    schools = compared("schools", Said("Xếp hạng trường", "Schools ranked"), compare.by_school(facts))
    isps = compared("isps", Said("Xếp hạng nhà mạng", "ISPs ranked"), compare.by_isp(facts))
    sections = [
        Section(Said("Cách xếp hạng", "Method"), LEAGUE_METHOD),
        Section(areas.title, (), (ranked(areas, "lessons", "lessons_coverage"),)),
        Section(schools.title, (), (ranked(schools, "lessons", "lessons_coverage"),)),
        Section(isps.title, (LEAGUE_BY_LINE, ISP_METHOD), (ranked(isps, "line", "line_coverage"),)),
    ]
    return Said(f"Bảng xếp hạng kết nối của {in_sentence(area.name)}", f"League table of {area.name}"), sections


_MADE = {"area": _of_area, "school": _of_school, "isp": _of_isp, "league": _of_league, "line": of_line}
