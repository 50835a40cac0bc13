"""The paper of an evidence pack: a target's verdict laid out as an official document, in both languages, as PDF."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from schoolbeat_server import report_files
from schoolbeat_server.finding import stated
from schoolbeat_server.local_time import local
from schoolbeat_server.pack_texts import ASSUMPTIONS, UNITS, assumption_rows, unit_row
from schoolbeat_server.report_facts import Period, Refused
from schoolbeat_server.report_parts import Section
from schoolbeat_server.reports import Report
from schoolbeat_server.said import Said
from schoolbeat_server.settings import Office
from schoolbeat_server.stamp import Stamp
from schoolbeat_server.tables import Cell, Column, Table
from schoolbeat_server.verdicts import UNIT_WORDS, Verdict

MISSING: Final = "NO-PDF.txt"
_ORDER: Final = ("missed", "unknown", "not_applicable", "met")


def papers(verdict: Verdict, rests_on: Stamp, office: Office) -> dict[str, bytes]:
    """Files by name; where no PDF can be made, one that says why."""
    report = of_verdict(verdict, rests_on)
    try:
        return {f"report.{language}.pdf": report_files.to_pdf(report, office, language) for language in ("vi", "en")}
    except Refused as refused:
        return {MISSING: f"{refused.said.vi}\n{refused.said.en}\n".encode()}


def of_verdict(verdict: Verdict, rests_on: Stamp) -> Report:
    """Pure, and without a time of making: it is dated by the last day of the target's window."""
    target, plan = verdict.target, verdict.plan
    first, last = (local(minute * 60_000).date() for minute in (verdict.window[0], verdict.window[1] - 1))
    title = Said(
        f"Minh chứng chỉ tiêu {target.id}: {target.name.vi}, từ {first:%d/%m/%Y} đến {last:%d/%m/%Y}",
        f"Evidence for target {target.id}: {target.name.en}, from {first} to {last}",
    )
    made_ms = (verdict.window.end_minute - 1) * 60_000
    period = Period(first, last)
    about = tuple(_about(verdict, rests_on).items())
    name = f"{plan.id}/{target.id}"
    return Report("evidence", name, title, period, made_ms, about, tuple(_sections(verdict)))


def _about(verdict: Verdict, rests_on: Stamp) -> Mapping[Said, Said]:
    target, plan = verdict.target, verdict.plan
    clock = "giờ học" if target.clock == "lessons" else "suốt ngày đêm (24/7)"
    clock_en = "lesson time" if target.clock == "lessons" else "around the clock (24/7)"
    days = f"{len(rests_on.days)}/{rests_on.due}"
    needed = stated(target.min_coverage)
    coverage = Said(
        f"một đơn vị phải được đo ít nhất {needed.vi} kỳ xét",
        f"a unit must have been measured in {needed.en} of the window",
    )
    return {
        Said("Văn bản", "Document"): Said(
            f"{plan.document.vi} ({plan.issuer.vi})", f"{plan.document.en} ({plan.issuer.en})"
        ),
        Said("Trích", "Quote"): Said(
            f"“{target.quote.vi}” ({target.clause.vi})", f"“{target.quote.en}” ({target.clause.en})"
        ),
        Said("Đồng hồ", "Clock"): Said(clock, clock_en),
        **({Said("Đo được", "Coverage"): coverage} if target.min_coverage < 1 else {}),
        Said("Căn cứ", "Rests on"): Said(
            f"mã băm {rests_on.digest.hex()} của {days} ngày × điểm trường ({rests_on.revised} ngày có bản sửa); cùng "
            "gói này: tệp HOW-TO-RECOMPUTE.txt",
            f"digest {rests_on.digest.hex()} over {days} days of sites ({rests_on.revised} of them revised); in the "
            "same pack: HOW-TO-RECOMPUTE.txt",
        ),
    }


def _sections(verdict: Verdict) -> list[Section]:
    told = Said("Kết luận", "The verdict")
    assumed = Said("Giả định", "Assumptions")
    sections = [
        Section(told, verdict.reasons, (Table("verdict", told, COUNTS, (_counts(verdict),)),)),
        _units(verdict),
    ]
    rows = tuple(assumption_rows(verdict.target))
    if rows:
        sections.append(Section(assumed, (), (Table("assumptions", assumed, ASSUMPTIONS, rows),)))
    sections.append(Section(Said("Điều gói này không chứng minh", "What this pack does not prove"), (NOT_PROVEN,)))
    return sections


COUNTS: Final = (
    Column("unit", Said("Đơn vị tính", "Unit")),
    Column("asked", Said("Yêu cầu", "Asked")),
    Column("met", Said("Đạt", "Met"), "count"),
    Column("missed", Said("Chưa đạt", "Missed"), "count"),
    Column("unknown", Said("Chưa đủ dữ liệu", "Unknown"), "count"),
    Column("silent", Said("Trong đó chưa từng gửi số liệu", "Of these never reported"), "count"),
    Column("status", Said("Kết luận", "Verdict"), "status"),
    Column("grade", Said("Minh chứng", "Evidence"), "grade"),
)
NOT_PROVEN: Final = Said(
    "Gói chứng minh rằng kết luận đi ra từ số liệu kèm theo và ai cũng tính lại được; gói không chứng minh rằng tác tử "
    "ở trường đã đo đúng sự thật.",
    "The pack proves that the verdict follows from the data in it, for anybody to recompute; it does not prove that "
    "the agents at the schools measured the truth.",
)


def _counts(verdict: Verdict) -> tuple[Cell, ...]:
    target = verdict.target
    asked = stated(target.share) if target.count is None else Said(str(target.count), str(target.count))
    counts = (verdict.met, verdict.missed, verdict.unknown, verdict.silent)
    return (UNIT_WORDS[target.unit], asked, *counts, verdict.status, verdict.grade)


def _units(verdict: Verdict) -> Section:
    heading = Said("Từng đơn vị, chưa đạt trước", "Every unit, those that miss first")
    units = sorted(verdict.units, key=lambda one: (_ORDER.index(one.status), one.name, one.id))
    table = Table("units", heading, UNITS[1:], tuple(unit_row(one)[1:] for one in units))
    return Section(heading, (WHERE_ALL,), (table,))


WHERE_ALL: Final = Said(
    "Danh sách đủ, kèm mã từng đơn vị: tables/units.vi.csv trong gói.",
    "The whole list, with the id of each unit: tables/units.en.csv in the pack.",
)
