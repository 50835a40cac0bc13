"""A report as a file: HTML, PDF, XLSX, CSV in a zip, JSON; the same tables in each."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from schoolbeat_server import paper, table_files
from schoolbeat_server.local_time import local
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.reports import Report
from schoolbeat_server.settings import Office

PDF_SECONDS: Final = 180


class Format(NamedTuple):
    media_type: str
    suffix: str
    make: Callable[[Report, Office, str], bytes]


def to_html(report: Report, office: Office, language: str) -> bytes:
    return paper.to_html(report, office, language, paper=True).encode()


def to_pdf(report: Report, office: Office, language: str) -> bytes:
    """Raises Refused if it cannot be made here, or takes too long."""
    html = paper.to_html(report, office, language, paper=True).encode()
    command = [sys.executable, "-m", "schoolbeat_server.paper_child"]
    try:
        done = subprocess.run(command, input=html, capture_output=True, timeout=PDF_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Refused(
            f"PDF: chưa xong sau {PDF_SECONDS} giây; hãy lấy XLSX hoặc rút ngắn kỳ báo cáo",
            f"PDF: not done in {PDF_SECONDS} s; take the XLSX, or a shorter period",
        ) from None
    if done.returncode or not done.stdout.startswith(b"%PDF"):
        last = (done.stderr.decode(errors="replace").strip().splitlines() or ["?"])[-1][:300]
        raise Refused(
            f"PDF: không lập được ({last}); cần pip install 'schoolbeat[paper]' và libpango của Debian",
            f"PDF: could not be made ({last}); it needs pip install 'schoolbeat[paper]' and Debian's libpango",
        )
    return done.stdout


def to_xlsx(report: Report, office: Office, language: str) -> bytes:
    return table_files.to_xlsx(report.tables, language, _head(report, language))


def _head(report: Report, language: str) -> list[tuple[str, str]]:
    told = [("", report.title.to(language))]
    told += [(what.to(language), value.to(language)) for what, value in report.about]
    for section in report.sections:
        told += [(section.heading.to(language), one.to(language)) for one in section.paragraphs]
    notes = dict.fromkeys(table.note.to(language) for table in report.tables if table.note.vi)
    return told + [("", note) for note in notes]


def to_csv(report: Report, office: Office, language: str) -> bytes:
    """A zip: a CSV of each table, and what they rest on."""
    out = io.BytesIO()
    at = local(report.made_ms).timetuple()[:6]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        about = "".join(f"{what}: {value}\r\n" for what, value in _head(report, language))
        for name, data in [
            ("about.txt", b"\xef\xbb\xbf" + about.encode()),
            *((f"{place:02d}-{one.name}.csv", table_files.to_csv(one, language)) for place, one in _numbered(report)),
        ]:
            archive.writestr(zipfile.ZipInfo(name, at), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _numbered(report: Report) -> list[tuple[int, Any]]:
    return list(enumerate(report.tables, 1))


def to_json(report: Report, office: Office, language: str) -> bytes:
    return json.dumps(as_json(report), ensure_ascii=False, separators=(",", ":")).encode()


def as_json(report: Report) -> dict[str, Any]:
    """Both languages, exact."""
    return {
        "kind": report.kind,
        "id": report.id,
        "title": report.title._asdict(),
        "first_day": report.period.first.isoformat(),
        "last_day": report.period.last.isoformat(),
        "made_ms": report.made_ms,
        "about": [{"what": what._asdict(), "value": value._asdict()} for what, value in report.about],
        "sections": [
            {
                "heading": section.heading._asdict(),
                "paragraphs": [one._asdict() for one in section.paragraphs],
                "tables": [table_files.to_json(table) for table in section.tables],
            }
            for section in report.sections
        ],
    }


FORMATS: Final[Mapping[str, Format]] = {
    "html": Format("text/html; charset=utf-8", "html", to_html),
    "pdf": Format("application/pdf", "pdf", to_pdf),
    "xlsx": Format("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", to_xlsx),
    "csv": Format("application/zip", "zip", to_csv),
    "json": Format("application/json", "json", to_json),
}


def file_name(report: Report, form: str) -> str:
    """ASCII: an ISP's name may be anything."""
    plain = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "-_.") else "-" for sign in report.id)
    return f"schoolbeat-{report.kind}-{plain}-{report.period.first}-{report.period.last}.{FORMATS[form].suffix}"
