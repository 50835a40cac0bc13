"""A report as an official document: one HTML for the page and for paper, after Nghị định 30/2020/NĐ-CP."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schoolbeat_server.local_time import local
from schoolbeat_server.report_parts import Section
from schoolbeat_server.reports import Report
from schoolbeat_server.said import Said
from schoolbeat_server.settings import Office
from schoolbeat_server.tables import NUMERIC, Table, cell_text, page_of, pairs

FOLDER: Final = Path(__file__).parent / "paper_files"
STYLE: Final = FOLDER / "paper.css"
MOST_ROWS: Final = 300  # of a table; whoever wants more takes the workbook
WIDE: Final = 10  # more columns than this lie across
IN_THE_TEXT: Final = 30  # more rows than this are an annex on paper, after the signature
_ROMAN: Final = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")

_templates = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


class Heading(NamedTuple):
    """The words every official document carries, in the reader's language."""

    country: Said = Said("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "SOCIALIST REPUBLIC OF VIET NAM")
    motto: Said = Said("Độc lập - Tự do - Hạnh phúc", "Independence - Freedom - Happiness")
    kind: Said = Said("BÁO CÁO", "REPORT")
    number: Said = Said("Số:", "No.:")
    recipients: Said = Said("Nơi nhận:", "Sent to:")
    file_copy: Said = Said("- Lưu: VT.", "- Filed.")
    no_agency: Said = Said("TÊN CƠ QUAN", "NAME OF AGENCY")
    no_signer: Said = Said("CHỨC VỤ CỦA NGƯỜI KÝ", "TITLE OF SIGNATORY")
    about: Said = Said("Thuyết minh", "About this report")
    files: Said = Said("Tải về", "Download")
    annex: Said = Said("Phụ lục", "Annex")
    addressed: Said = Said("Kính gửi:", "To:")
    as_above: Said = Said("- Như trên;", "- As above;")
    see: Said = Said("xem Phụ lục", "see Annex")
    draft: Said = Said(
        "Bản do máy lập; có hiệu lực khi cơ quan ghi số và ký.",
        "Made by a machine; valid once the agency has numbered and signed it.",
    )


HEADING: Final = Heading()


def to_html(
    report: Report, office: Office, language: str, *, downloads: Sequence[tuple[str, str]] = (), paper: bool = False
) -> str:
    """paper: the style is in the document and links lead nowhere. downloads: (name, address)."""
    sections = _sections(report, language, paper)
    return _templates.get_template("report.html").render(
        language=language,
        words={name: said.to(language) for name, said in HEADING._asdict().items()},
        office=office,
        symbol=f"       /{office.symbol or 'BC-…'}",
        dated=dated(office.place, local(report.made_ms).date(), language),
        with_document=_with_document(office, language),
        title=report.title.to(language),
        about=[(what.to(language), value.to(language)) for what, value in report.about],
        sections=sections,
        annexes=[table for section in sections for table in section["tables"] if table["annex"]],
        downloads=downloads,
        style=STYLE.read_text(encoding="utf-8") if paper else "",
    )


def _sections(report: Report, language: str, paper: bool) -> list[dict[str, Any]]:
    found, annexes = [], 0
    for number, section in zip(_ROMAN, report.sections, strict=False):
        tables = _tables(section, language, linked=not paper)
        for one in tables:
            if paper and (one["wide"] or len(one["rows"]) > IN_THE_TEXT):
                annexes += 1
                one["annex"] = _roman(annexes)
        told = [one.to(language) for one in section.paragraphs]
        found.append({"number": number, "heading": section.heading.to(language), "paragraphs": told, "tables": tables})
    return found


def _roman(number: int) -> str:
    """Up to 39: more tables no report has."""
    return "X" * (number // 10) + ("", *_ROMAN)[number % 10]


def _with_document(office: Office, language: str) -> str:
    """Left open, as on paper: number and day are written in when the document is issued."""
    symbol = office.symbol or "BC-…"
    vi = f"(Kèm theo Báo cáo số        /{symbol} ngày      tháng      năm           )"
    return Said(vi, f"(With report No.        /{symbol} of                )").to(language)


def dated(place: str, day: date, language: str) -> str:
    """Days under 10 and months 1 and 2 have a zero before them."""
    place = place or "…………"
    if language == "en":
        return f"{place}, {day.isoformat()}"
    month = f"{day.month:02d}" if day.month <= 2 else str(day.month)
    return f"{place}, ngày {day.day:02d} tháng {month} năm {day.year}"


def _tables(section: Section, language: str, *, linked: bool) -> list[dict[str, Any]]:
    """A note that several share is told once, under the last; the section's own heading is not said again."""
    found = [_table(table, language, linked=linked) for table in section.tables]
    for one, after in pairwise(found):
        one["note"] = "" if one["note"] == after["note"] else one["note"]
    for one in found:
        one["caption"] = "" if one["title"] == section.heading.to(language) else one["title"]
    return found


def _table(table: Table, language: str, *, linked: bool) -> dict[str, Any]:
    shown = page_of(table, 0, MOST_ROWS)
    links = shown.links if linked and shown.links else ("",) * len(shown.rows)
    left = len(table.rows) - len(shown.rows)
    more = Said(
        f"Còn {left} dòng nữa: xem tệp XLSX, CSV hoặc JSON của cùng báo cáo.",
        f"{left} more rows: see the XLSX, CSV or JSON of the same report.",
    )
    return {
        "annex": "",
        "title": table.title.to(language),
        "note": table.note.to(language),
        "wide": len(table.columns) > WIDE,
        "columns": [(one.heading.to(language), one.kind in NUMERIC) for one in table.columns],
        "rows": [
            (
                [
                    (cell_text(cell, column.kind, language), column.kind in NUMERIC)
                    for cell, column in pairs(table, row)
                ],
                link,
            )
            for row, link in zip(shown.rows, links, strict=True)
        ],
        "more": more.to(language) if left else "",
        "none": Said("Không có dòng nào.", "There are no rows.").to(language) if not table.rows else "",
    }
