"""Reports: one function for page, paper, workbook and JSON; every figure is what the API says; golden files are opened."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import time
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import openpyxl
import pytest
from pypdf import PdfReader
from sqlalchemy import delete, insert, update
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made
from tests.server.test_web import Client

from schoolbeat_server import (
    cli,
    compare,
    comparison_shelf,
    paper,
    plans,
    report_cli,
    report_facts,
    report_files,
    report_jobs,
    report_parts,
    reports,
    schema,
)
from schoolbeat_server.database import writing
from schoolbeat_server.judge import Judge
from schoolbeat_server.report_facts import Facts, Period, Refused
from schoolbeat_server.report_jobs import Desk, Wanted
from schoolbeat_server.reports import Report
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar
from schoolbeat_server.settings import Office
from schoolbeat_server.sums import Sums
from schoolbeat_server.tables import Cell, Column, Table, cell_text, pairs
from schoolbeat_server.web.app import create_app
from schoolbeat_wire.messages import Lesson

PERIOD = Period(date(2026, 11, 16), date(2026, 11, 20))
CALENDAR = SchoolCalendar(default=LessonHours(tuple(Lesson(day, 7 * 60, 11 * 60) for day in range(5))))
OFFICE = Office(
    "Ủy ban nhân dân tỉnh Lào Cai",
    "Sở Giáo dục và Đào tạo",
    "BC-SGDĐT",
    "Lào Cai",
    "Giám đốc",
    ("Ủy ban nhân dân tỉnh Lào Cai",),
    ("Bộ Giáo dục và Đào tạo", "Ủy ban nhân dân tỉnh"),
)


PLAN = next(one for one in plans.all_plans() if one.id == "lao-cai-2022-2025")
PLANS = [replace(PLAN, targets=tuple(one for one in PLAN.targets if one.id in ("T1", "T2")))]
FIRST = PERIOD.window.first_minute


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Verdicts were issued at the end of 20 November; t3 had three outages before, of which one was the ISP's."""
    found = synthetic.make(tmp_path_factory.mktemp("reports") / "schoolbeat.db", 12)
    Judge(found.engine, found.ledger, PLANS, lambda: NOW_MS, lambda: CALENDAR).judge()
    told = (
        ("line.internet", 500, 509, 510, 570, "line.isp", 1),
        ("line.isp", 500, 509, 510, 570, "line.isp", 1),
        ("line.internet", 700, 701, 702, 90, "lan.router", 0),
        ("line.internet", 900, 900, 901, 31, "line.domestic", 0),
    )
    names = ("signal", "first_minute", "last_minute", "end_minute", "down_seconds", "cause", "lessons")
    rows = [dict(zip(names, one, strict=True)) | {"site": "t3"} for one in told]
    for row in rows:
        for name in names[1:4]:
            row[name] += FIRST  # type: ignore[operator]
    with writing(found.engine) as connection:
        connection.execute(insert(schema.outage), rows)
        edges = ((500 * 60_000 + 25_250, False), (509 * 60_000 + 58_500, True))
        connection.execute(
            insert(schema.edge),
            [{"site": "t3", "signal": "line.isp", "at_ms": FIRST * 60_000 + at, "up": up} for at, up in edges],
        )
        connection.execute(schema.line.update().where(schema.line.c.site == "t3").values(isp="VNPT"))
    return found


def gathered(made: Made, kind: report_facts.Kind, ident: str, period: Period = PERIOD) -> Facts:
    with made.engine.connect() as connection, made.engine.connect() as summed:
        sums = Sums(summed, made.ledger, CALENDAR)
        return report_facts.gather(connection, sums, PLANS, kind, ident, period, NOW_MS)


def reported(made: Made, kind: report_facts.Kind, ident: str) -> Report:
    return reports.report(gathered(made, kind, ident))


def table(report: Report, name: str) -> Table:
    return next(one for one in report.tables if one.name == name)


def cells(report: Report, name: str, key: str) -> list[Cell]:
    found = table(report, name)
    return [row[found.place(key)] for row in found.rows]


def row_of(report: Report, name: str, first: str) -> dict[str, Cell]:
    found = table(report, name)
    row = next(row for row in found.rows if first in cell_text(row[0], "text", "vi"))
    return {column.key: cell for cell, column in pairs(found, row)}


@pytest.fixture(scope="module")
def client(made: Made) -> Client:
    return Client(create_app(synthetic.context(made, calendar=lambda: CALENDAR)))


# ---- one calculator ----------------------------------------------------------------------------------------


def test_a_provinces_verdicts_are_those_that_the_api_says_were_issued(made: Made, client: Client) -> None:
    report = reported(made, "area", "lc")

    found = table(report, "verdicts")
    assert found.rows
    for row, link in zip(found.rows, found.links, strict=True):
        said = client.get("/api/v1" + link.replace("/verdicts/", "/verdicts/issued/")).json()
        told = {column.key: cell for cell, column in pairs(found, row)}
        assert [told[one] for one in ("met", "missed", "unknown", "status", "revision")] == [
            said[one] for one in ("met", "missed", "unknown", "status", "revision")
        ]
        assert told["day"] == date(2026, 11, 20)


def test_every_unit_that_is_not_met_is_listed_with_the_reasons_that_were_issued(made: Made, client: Client) -> None:
    report = reported(made, "area", "lc")

    expected = set()
    for link in table(report, "verdicts").links:
        said = client.get("/api/v1" + link.replace("/verdicts/", "/verdicts/issued/")).json()
        expected |= {
            (one["name"], one["status"], "; ".join(why[0] for why in one["reasons"]))
            for one in said["units"].values()
            if one["status"] != "met"
        }
    found = table(report, "units")
    listed = {(row[1].vi, row[2], row[5].vi) for row in found.rows}  # type: ignore[union-attr]
    assert listed == expected
    assert len(listed) == len(found.rows) > 5


def test_a_commune_counts_only_its_own_units(made: Made) -> None:
    whole = reported(made, "area", "lc")
    parts = [reported(made, "area", f"xa-{n}") for n in range(9)]

    for key in ("met", "missed", "unknown"):
        by_target = {
            target.vi: count
            for target, count in zip(cells(whole, "verdicts", "target"), cells(whole, "verdicts", key), strict=True)
        }  # type: ignore[union-attr]
        sums = dict.fromkeys(by_target, 0)
        for part in parts:
            for target, count in zip(cells(part, "verdicts", "target"), cells(part, "verdicts", key), strict=True):
                sums[target.vi] += count  # type: ignore[union-attr,operator]
        assert sums == by_target


@pytest.mark.parametrize(
    ("clock", "share", "coverage"), [("always", "internet", "coverage"), ("lessons", "lessons", "lessons_coverage")]
)
def test_a_sites_availability_is_what_the_api_says(
    made: Made, client: Client, clock: str, share: str, coverage: str
) -> None:
    row = row_of(reported(made, "school", "t3"), "sites", "Điểm trường chính")

    said = client.get(f"/api/v1/sites/t3/availability?from=2026-11-16&to=2026-11-21&clock={clock}").json()[
        "line.internet"
    ]
    assert row[share] == Fraction(said["up_seconds"], said["up_seconds"] + said["down_seconds"])
    assert float(row[coverage]) == said["coverage"]  # type: ignore[arg-type]


def test_the_same_facts_give_the_same_report(made: Made) -> None:
    facts = gathered(made, "area", "lc")

    assert reports.report(facts) == reports.report(facts)


def test_nothing_is_inferred_where_nothing_was_issued(made: Made) -> None:
    report = reports.report(gathered(made, "area", "lc", Period(date(2026, 11, 16), date(2026, 11, 18))))

    assert list(report.sections[0].paragraphs) == [report_parts.NONE_ISSUED]
    assert "verdicts" not in [one.name for one in report.tables]


# ---- whose fault -------------------------------------------------------------------------------------------


def test_an_isp_is_charged_with_its_own_outages_at_their_exact_times_and_with_no_other(made: Made) -> None:
    report = reported(made, "isp", "VNPT")

    rows = table(report, "outages").rows
    start = FIRST * 60_000
    assert [(row[1], row[2], row[3], row[4]) for row in rows] == [
        ("line.isp", start + 500 * 60_000 + 25_250, start + 509 * 60_000 + 58_500, 570),
        ("line.internet", start + 900 * 60_000, start + 901 * 60_000, 31),
    ]
    assert [(row[0].en[:30], *row[1:]) for row in table(report, "others").rows] == [  # type: ignore[union-attr]
        ("The school's router does not a", 1, 1, 90)
    ]
    assert reported(made, "isp", "FPT").sections[2].tables[1].rows == ()


def test_the_isp_that_is_asked_for_heads_the_comparison(made: Made) -> None:
    names = [name.vi for name in cells(reported(made, "isp", "Viettel"), "isps", "name")]  # type: ignore[union-attr]

    assert names[0] == "Viettel"
    assert sorted(names) == ["FPT", "VNPT", "Viettel"]


def test_the_parts_of_every_comparison_make_the_whole(made: Made) -> None:
    report = reported(made, "area", "lc")

    (whole,) = table(report, "all").rows
    for name in ("areas", "isps", "schools"):
        for key in ("sites", "silent", "outages", "down", "tests"):
            parts = [one for one in cells(report, name, key) if one is not None]  # None: nothing was measured there
            assert parts
            assert sum(parts) == whole[table(report, "all").place(key)]  # type: ignore[arg-type]


def test_where_nothing_was_measured_nobody_says_that_nothing_was_down(made: Made) -> None:
    schools = table(reported(made, "area", "lc"), "schools")
    at = [schools.place(key) for key in ("internet", "outages", "down")]

    found = {tuple(row[place] is None for place in at) for row in schools.rows}

    assert found == {(True, True, True), (False, False, False)}


# ---- views over one table ----------------------------------------------------------------------------------


def test_ranks_are_shared_by_equals_and_who_was_hardly_measured_has_none() -> None:
    columns = (
        Column("name", Said("Tên", "Name")),
        Column("up", Said("", ""), "share"),
        Column("seen", Said("", ""), "share"),
    )
    half, most = Fraction(1, 2), Fraction(9, 10)
    rows = (
        ("a", half, most),
        ("b", Fraction(1), half),
        ("c", most, most),
        ("d", half, most),
        ("e", None, most),
        ("f", Fraction(1, 3), compare.LEAST_COVERAGE),
    )

    ranked = compare.ranked(Table("x", Said("", ""), columns, rows, tuple("ABCDEF")), "up", "seen")

    assert [row[:2] for row in ranked.rows] == [(1, "c"), (2, "a"), (2, "d"), (4, "f"), (None, "b"), (None, "e")]
    assert "".join(ranked.links) == "CADFBE"


def test_a_pilot_and_the_others_and_two_periods_are_views_over_the_same_table(made: Made) -> None:
    after = gathered(made, "area", "lc")
    before = gathered(made, "area", "lc", Period(date(2026, 11, 1), date(2026, 11, 10)))

    pilot = compare.compared("pilot", Said("", ""), compare.pilot_and_others(after, {"t0", "t3"}))
    periods = compare.compared("periods", Said("", ""), compare.two_periods(before, after))

    assert [row[1] for row in pilot.rows] == [3, 12]
    assert [row[0].vi for row in periods.rows] == ["01/11/2026 – 10/11/2026", "16/11/2026 – 20/11/2026"]  # type: ignore[union-attr]
    assert periods.rows[0][periods.place("coverage")] == 0
    assert pilot.columns == periods.columns == compare.COLUMNS


def test_a_league_table_ranks_and_says_how(made: Made) -> None:
    report = reported(made, "league", "lc")

    assert report.sections[0].paragraphs == reports.LEAGUE_METHOD
    ranks = cells(report, "schools", "rank")
    shares = cells(report, "schools", "lessons")
    assert [rank for rank in ranks if rank is None] == ranks[-ranks.count(None) :]
    assert None not in shares[: -ranks.count(None)]


# ---- files, opened -----------------------------------------------------------------------------------------


def test_a_pdf_is_an_official_document_with_vietnamese_letters(made: Made) -> None:
    report = reported(made, "area", "lc")

    reader = PdfReader(io.BytesIO(report_files.FORMATS["pdf"].make(report, OFFICE, "vi")))

    text = unicodedata.normalize("NFC", " ".join(" ".join(page.extract_text() for page in reader.pages).split()))
    head = [
        "ỦY BAN NHÂN DÂN TỈNH LÀO CAI",
        "SỞ GIÁO DỤC VÀ ĐÀO TẠO",
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "Độc lập - Tự do - Hạnh phúc",
        "/BC-SGDĐT",
        "Lào Cai, ngày 21 tháng 11 năm 2026",
        "BÁO CÁO",
        "Kết nối Internet và kết quả chỉ tiêu của tỉnh Lào Cai, từ 16/11/2026 đến 20/11/2026",
        "Kính gửi: Ủy ban nhân dân tỉnh Lào Cai",
        "I. KẾT QUẢ THEO TỪNG CHỈ TIÊU",
        "II. ĐƠN VỊ CHƯA ĐẠT VÀ CHƯA ĐỦ DỮ LIỆU",
        "Nơi nhận: - Như trên; - Bộ Giáo dục và Đào tạo; - Ủy ban nhân dân tỉnh; - Lưu: VT.",
        "GIÁM ĐỐC",
        "Phụ lục I TOÀN TỈNH LÀO CAI (Kèm theo Báo cáo số",
        "Phụ lục II THEO ĐỊA BÀN",
    ]
    places = [text.find(one) for one in head]
    assert [one for one, place in zip(head, places, strict=True) if place < 0] == []
    assert [head[at] for at in sorted(range(len(head)), key=places.__getitem__)] == head
    squeezed = text.replace(" ", "")
    for one in report.tables:
        for row in one.rows:
            for cell, column in pairs(one, row):
                assert "".join(cell_text(cell, column.kind, "vi").split()) in squeezed
    first, annex = reader.pages[0].mediabox, reader.pages[-1].mediabox
    assert [round(float(one)) for one in (first.width, first.height, annex.width, annex.height)] == [595, 842, 842, 595]
    for number, page in enumerate(reader.pages[1:], 2):
        assert str(number) in page.extract_text().splitlines()


def test_a_workbook_holds_every_row_as_numbers_and_says_what_it_rests_on(made: Made) -> None:
    report = reported(made, "area", "lc")

    book = openpyxl.load_workbook(io.BytesIO(report_files.FORMATS["xlsx"].make(report, OFFICE, "vi")))

    assert len(book.sheetnames) == 1 + len(report.tables)
    about = [[cell.value for cell in row] for row in book.worksheets[0].iter_rows()]
    assert about[0][1] == report.title.vi
    for what, value in report.about:
        assert [what.vi, value.vi] in about
    for sheet, one in zip(book.worksheets[1:], report.tables, strict=True):
        assert [cell.value for cell in sheet[1]] == [column.heading.vi for column in one.columns]
        assert sheet.max_row - 1 == len(one.rows)
        for written, row in zip(sheet.iter_rows(min_row=2), one.rows, strict=True):
            for cell, (value, column) in zip(written, pairs(one, row), strict=True):
                if column.kind == "count" and value is not None:
                    assert cell.value == value
                if column.kind == "text":
                    assert (cell.value or "") == cell_text(value, "text", "vi")


def test_csv_and_json_hold_the_same_rows(made: Made) -> None:
    report = reported(made, "school", "t3")

    archive = zipfile.ZipFile(io.BytesIO(report_files.FORMATS["csv"].make(report, OFFICE, "vi")))
    told = json.loads(report_files.FORMATS["json"].make(report, OFFICE, "vi"))

    names = [f"{place:02d}-{one.name}.csv" for place, one in enumerate(report.tables, 1)]
    assert archive.namelist() == ["about.txt", *names]
    tables = [one for section in told["sections"] for one in section["tables"]]
    for name, one, as_json in zip(names, report.tables, tables, strict=True):
        lines = archive.read(name).decode("utf-8-sig").splitlines()
        assert len(lines) - 1 == len(one.rows) == len(as_json["rows"])
    assert report.period.last.isoformat() == told["last_day"] == "2026-11-20"
    assert [one["value"]["vi"] for one in told["about"]] == [value.vi for _, value in report.about]


def test_english_paper_has_no_vietnamese_words_of_ours(made: Made) -> None:
    html = report_files.FORMATS["html"].make(reported(made, "isp", "VNPT"), Office(), "en").decode()

    for word in ("nhà mạng", "điểm trường ", "chưa biết", "Nơi nhận", "CỘNG HÒA"):
        assert word not in html
    assert "Quality of the lines of VNPT" in html
    assert "NAME OF AGENCY" in html


def test_what_a_register_names_is_text_and_paper_asks_for_no_other_file(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 4, detailed=(0,))
    name = '<img src="file:///etc/hostname"><script>x</script>'
    with writing(own.engine) as connection:
        connection.execute(schema.school.update().where(schema.school.c.id == "t0").values(name=name))

    data = report_files.FORMATS["pdf"].make(reported(own, "school", "t0"), OFFICE, "vi")

    text = "".join("".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages).split())
    assert '<imgsrc="file:///etc/hostname"><script>x</script>' in text
    assert not [image for page in PdfReader(io.BytesIO(data)).pages for image in page.images]


def test_paper_is_bounded_and_says_what_it_leaves_out() -> None:
    rows = tuple((n,) for n in range(paper.MOST_ROWS + 7))
    long = Table("long", Said("Dài", "Long"), (Column("n", Said("Số", "No."), "count"),), rows)
    report = Report(
        "area", "x", Said("a", "a"), PERIOD, NOW_MS, (), (report_parts.Section(Said("b", "b"), (), (long,)),)
    )

    html = paper.to_html(report, OFFICE, "vi", paper=True)

    assert html.count("<tr>") == 1 + paper.MOST_ROWS
    assert "Còn 7 dòng nữa: xem tệp XLSX, CSV hoặc JSON của cùng báo cáo." in html


def test_a_pdf_that_takes_too_long_is_refused_with_what_to_do(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_files, "PDF_SECONDS", 0.01)

    with pytest.raises(Refused, match="hãy lấy XLSX") as caught:
        report_files.FORMATS["pdf"].make(reported(made, "league", "xa-1"), OFFICE, "vi")

    assert "take the XLSX" in caught.value.said.en


@pytest.mark.parametrize(
    ("day", "written"),
    [
        (date(2026, 2, 3), "Lào Cai, ngày 03 tháng 02 năm 2026"),
        (date(2026, 3, 13), "Lào Cai, ngày 13 tháng 3 năm 2026"),
    ],
)
def test_a_day_is_written_as_official_documents_do(day: date, written: str) -> None:
    assert paper.dated("Lào Cai", day, "vi") == written


# ---- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "ident", "said"),
    [
        ("area", "xa-99", "địa bàn 'xa-99': không có theo địa giới ngày 2026-11-20"),
        ("school", "t99", "trường 't99': không có trong sổ đăng ký"),
        ("isp", "Nobody", "nhà mạng 'Nobody'"),
        ("league", "t0", "địa bàn 't0'"),
    ],
)
def test_what_the_register_does_not_have_is_named(made: Made, kind: report_facts.Kind, ident: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        gathered(made, kind, ident)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 11, 2), date(2026, 11, 1), "kỳ báo cáo từ 1 đến 400 ngày"),
        (date(2025, 1, 1), date(2026, 11, 1), "kỳ báo cáo từ 1 đến 400 ngày"),
        (date(2026, 11, 20), date(2026, 11, 21), "chỉ gồm những ngày đã hết"),
        (date(1960, 1, 1), date(1960, 1, 2), "chỉ gồm những ngày đã hết"),
    ],
)
def test_a_period_must_be_days_that_are_over(first: date, last: date, said: str) -> None:
    with pytest.raises(Refused, match=said):
        report_facts.checked_period(first, last, NOW_MS)


# ---- pages, API and jobs -----------------------------------------------------------------------------------

ASKED = "from=2026-11-16&to=2026-11-20"


@pytest.fixture
def desk(made: Made, tmp_path: Path) -> Iterator[Desk]:
    found = Desk(made.engine, made.ledger, PLANS, tmp_path / "reports", lambda: NOW_MS, lambda: CALENDAR, OFFICE)
    found.begin()
    yield found
    with writing(made.engine) as connection:
        connection.execute(delete(schema.report_job))


class Asking(Client):
    """Asks by POST too, as a page of our own does, or another's."""

    def post(self, address: str, **given: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                return await client.post(address, **given)

        return asyncio.run(ask())


@pytest.fixture
def asking(made: Made, desk: Desk) -> Asking:
    return Asking(create_app(synthetic.context(made, calendar=lambda: CALENDAR, reports=desk)))


def test_a_page_is_the_report_with_its_downloads_and_ways_to_the_proof(made: Made, asking: Asking) -> None:
    page = asking.get(f"/reports/area?id=lc&{ASKED}")

    assert page.status_code == 200
    report = reported(made, "area", "lc")
    assert report.title.vi in page.text
    for link in table(report, "verdicts").links:
        assert f'<a href="{link}">' in page.text
        assert asking.get(link).status_code == 200
    for form in ("pdf", "xlsx", "csv", "json"):
        assert f"format={form}" in page.text
    assert asking.get("/reports/paper.css").headers["content-type"].startswith("text/css")


def test_the_api_gives_the_same_report(made: Made, asking: Asking) -> None:
    told = asking.get(f"/api/v1/reports/isp?id=VNPT&{ASKED}").json()

    assert told == json.loads(json.dumps(report_files.as_json(reported(made, "isp", "VNPT"))))


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        (f"/api/v1/reports/school?id=t99&{ASKED}", 404, "trường 't99': không có trong sổ đăng ký"),
        ("/api/v1/reports/area?id=lc&from=2026-11-20&to=2026-11-21&lang=en", 400, "a report is of days that are over"),
        (f"/api/v1/reports/nothing?id=lc&{ASKED}", 422, "kind"),
        ("/api/v1/report-jobs/999", 404, "report job 999: there is none"),
        (f"/reports/area?id=xa-77&{ASKED}", 404, "địa bàn &#39;xa-77&#39;"),
    ],
)
def test_what_cannot_be_made_is_answered_with_why(asking: Asking, address: str, status: int, said: str) -> None:
    answer = asking.get(address)

    assert answer.status_code == status
    assert said in answer.text


def test_a_report_is_made_in_the_background_and_can_be_fetched_again(asking: Asking, desk: Desk) -> None:
    body = {"kind": "school", "id": "t3", "first_day": "2026-11-16", "last_day": "2026-11-20", "format": "xlsx"}
    waiting = asking.post("/api/v1/report-jobs", json=body)
    again = asking.post("/api/v1/report-jobs", json=body)

    assert desk.make_next()

    number = waiting.json()["job"]
    assert (waiting.status_code, waiting.json()["state"], waiting.json()["file"]) == (202, "waiting", None)
    assert again.json()["job"] == number
    assert not desk.make_next()
    done = asking.get(f"/api/v1/report-jobs/{number}").json()
    assert (done["state"], done["step"], done["steps"]) == ("done", 3, 3)
    files = [asking.get(done["file"]) for _ in range(2)]
    assert [hashlib.sha256(one.content).hexdigest() for one in files] == [done["sha256"]] * 2
    assert "schoolbeat-school-t3-2026-11-16-2026-11-20.xlsx" in files[0].headers["content-disposition"]
    assert openpyxl.load_workbook(io.BytesIO(files[0].content)).sheetnames[0] == "Thuyết minh"
    assert done["name"] in asking.get("/reports").text


def test_a_form_of_our_own_page_asks_and_one_of_another_site_is_refused(asking: Asking, desk: Desk) -> None:
    form = {"kind": "league", "id": "lc", "from": "2026-11-16", "to": "2026-11-20", "format": "html"}

    foreign = asking.post("/reports", data=form, headers={"Origin": "https://elsewhere.example"})
    by_api = asking.post("/api/v1/report-jobs", json={}, headers={"Origin": "null"})
    own = asking.post("/reports", data=form, headers={"Origin": "http://127.0.0.1:8080"})
    wrong = asking.post("/reports", data=form | {"kind": "nothing"})

    assert (foreign.status_code, by_api.status_code, own.status_code, wrong.status_code) == (403, 403, 303, 422)
    assert [job.kind for job in desk.jobs()] == ["league"]
    assert "đang đợi" in asking.get("/reports").text


def test_jobs_are_bounded_and_a_failed_one_says_why(asking: Asking, desk: Desk) -> None:
    def ask(ident: str) -> httpx.Response:
        body = {"kind": "school", "id": ident, "first_day": "2026-11-16", "last_day": "2026-11-20", "format": "json"}
        return asking.post("/api/v1/report-jobs", json=body)

    answers = [ask(f"x{n}").status_code for n in range(report_jobs.MOST_WAITING + 1)]
    while desk.make_next():
        pass

    assert answers == [202] * report_jobs.MOST_WAITING + [400]
    assert {(job.state, job.error_en) for job in desk.jobs() if job.ident == "x3"} == {
        ("failed", "school 'x3': not in the register")
    }
    assert ask("t0").status_code == 202


def test_files_go_after_some_days_and_what_a_stopped_server_was_making_is_made_anew(made: Made, desk: Desk) -> None:
    old = desk.ask(Wanted("league", "lc", "2026-11-16", "2026-11-20", "json", "vi"))
    assert desk.make_next()
    path = desk.file(desk.job(old.id))  # type: ignore[arg-type]
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o600
    (desk.folder / "77777.pdf").write_bytes(b"of no row")
    late = Desk(
        made.engine, made.ledger, PLANS, desk.folder, lambda: NOW_MS + report_jobs.KEPT_MS + 1, lambda: CALENDAR
    )
    new = late.ask(Wanted("school", "t0", "2026-11-16", "2026-11-20", "json", "en"))
    with writing(made.engine) as connection:
        connection.execute(
            update(schema.report_job).where(schema.report_job.c.id == new.id).values(state="running", step=1)
        )

    late.begin()
    late.delete_old()

    assert [(job.id, job.state, job.step) for job in late.jobs()] == [(new.id, "waiting", 0)]
    assert list(desk.folder.iterdir()) == []
    assert late.make_next()
    assert [job.state for job in late.jobs()] == ["done"]


def test_the_desks_own_thread_makes_what_is_asked_for_and_stops(desk: Desk) -> None:
    desk.start()
    try:
        number = desk.ask(Wanted("school", "t3", "2026-11-16", "2026-11-20", "csv", "en")).id
        until = time.monotonic() + 60
        while (job := desk.job(number)) is not None and job.state != "done" and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        desk.stop()

    assert job is not None
    assert (job.state, job.name) == ("done", "schoolbeat-school-t3-2026-11-16-2026-11-20.zip")
    assert not desk.thread.is_alive()


def test_only_one_report_at_a_time_is_made_for_readers(
    asking: Asking, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_jobs, "BUSY_SECONDS", 0.01)

    with desk.making:
        answer = asking.get(f"/api/v1/reports/league?id=lc&{ASKED}")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")


def test_the_command_line_writes_the_report(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "server.toml"
    folder = Path(made.engine.url.database or "").parent
    settings.write_text(f'folder = "{folder}"\n[office]\nname = "Sở Giáo dục và Đào tạo"\n', encoding="utf-8")
    out = tmp_path / "t3.html"

    code = cli.main(
        [
            "--settings",
            str(settings),
            "report",
            "school",
            "t3",
            "2026-10-01",
            "2026-10-31",
            "--format",
            "html",
            "--out",
            str(out),
        ]
    )
    refused = cli.main(
        ["--settings", str(settings), "--lang", "en", "report", "school", "t99", "2026-10-01", "2026-10-31"]
    )

    assert (code, refused) == (0, 1)
    assert "Sở Giáo dục và Đào tạo" in out.read_text(encoding="utf-8")
    told = capsys.readouterr()
    assert told.out.startswith(f"{out}: ")
    assert told.err == "school 't99': not in the register\n"


def test_the_document_says_the_bounds_of_the_code() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")

    assert f"1 đến {report_facts.MOST_DAYS} ngày" in text
    assert f"{report_facts.MOST_OUTAGES:,} are listed" in text
    assert f"{paper.MOST_ROWS} rows a table" in text
    assert f"hơn {paper.IN_THE_TEXT} dòng" in text
    assert f"within\n{report_files.PDF_SECONDS} s" in text
    assert (
        f"{report_jobs.MOST_WAITING} waiting at most, files kept for {report_jobs.KEPT_MS // 86_400_000} days" in text
    )
    assert f"({report_jobs.MOST_KEPT} at most)" in text
    assert f"within {report_jobs.MOST_KEPT_BYTES // 1024**3} GiB besides the newest" in text
    assert Fraction(80, 100) == compare.LEAST_COVERAGE
    assert f"{comparison_shelf.MOST_KEPT} are kept in memory" in text
    assert f"older than {comparison_shelf.FRESH_MS // 60_000} minutes" in text
    for word in (*report_cli.KINDS, *report_files.FORMATS):
        assert f"`{word}`" in text
    assert (report_cli.KINDS, sorted(report_cli.FORMATS)) == (report_facts.KINDS, sorted(report_files.FORMATS))
