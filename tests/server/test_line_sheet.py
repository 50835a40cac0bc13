"""The conformity sheet of a line: what the ledger says of the ISP's edge, to the second, and what is not the ISP's."""

from __future__ import annotations

import io
import json
import unicodedata

import pytest
from pypdf import PdfReader
from sqlalchemy import delete, insert, update
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made
from tests.server.test_reports import CALENDAR, OFFICE, PERIOD, cells, table

from schoolbeat_server import outages, plans, report_facts, report_files, reports, schema
from schoolbeat_server.database import writing
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.reports import Report
from schoolbeat_server.sums import Sums
from schoolbeat_server.tables import cell_text
from schoolbeat_wire.catalogue import OFF, UNKNOWN

FIRST, END = PERIOD.window
SITE = "t5"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """t5: its line was cut for 40 minutes, stumbled once at the second, was not seen behind a dead router for an hour,
    and began the period in an outage; the gateway was off for two hours."""
    made = synthetic.make(tmp_path_factory.mktemp("sheets") / "schoolbeat.db", 8)
    signals = ("lan.router", "line.isp", "line.internet")
    start = FIRST - 600
    rows = {signal: bytearray([60] * (END - start)) for signal in signals}

    def put(first: int, count: int, router: int, isp: int, internet: int) -> None:
        for signal, code in zip(signals, (router, isp, internet), strict=True):
            rows[signal][600 + first : 600 + first + count] = bytes([code]) * count

    put(-10, 20, 60, 0, 0)
    put(1_000, 40, 60, 0, 0)
    put(2_000, 1, 60, 17, 17)
    put(3_000, 60, 0, UNKNOWN, 0)
    put(4_000, 120, OFF, OFF, OFF)
    put(5_000, 5, 60, 60, 0)
    data = bytes(rows[signal][at] for at in range(END - start) for signal in signals)
    made.ledger.merge(SITE, "gw", "r", signals, range(start, END), data)
    causes = {3_000: "lan.router", 5_000: "line.domestic"}
    with writing(made.engine) as connection:
        connection.execute(delete(schema.outage).where(schema.outage.c.site == SITE))
        for signal in ("line.isp", "line.internet"):
            for one in outages.find(bytes(rows[signal]), start):
                cause = "line.isp" if signal == "line.isp" else causes.get(one.first_minute - FIRST, "line.isp")
                values = {"site": SITE, "signal": signal, "cause": cause, "lessons": 0, **one._asdict()}
                connection.execute(insert(schema.outage).values(**values))
        edges = ((1_000 * 60_000 + 7_250, False), (1_039 * 60_000 + 41_900, True))
        told = [{"site": SITE, "signal": "line.isp", "at_ms": FIRST * 60_000 + at, "up": up} for at, up in edges]
        connection.execute(insert(schema.edge), told)
        line = schema.line.c
        connection.execute(
            update(schema.line)
            .where(line.site == SITE)
            .values(id="L5", contract="HĐ 01/2026", contract_down_bps=100_000_000, contract_min_bps=60_000_000)
        )
        connection.execute(insert(schema.line), [{"id": "L5-b", "site": SITE, "isp": "FPT", "role": "backup"}])
        connection.execute(delete(schema.speed_test).where(schema.speed_test.c.site == SITE))
        tests = [(100, 90_000_000, 0), (1_600, 50_000_000, 0), (3_100, 70_000_000, 0), (4_600, 30_000_000, 1)]
        connection.execute(
            insert(schema.speed_test),
            [{"site": SITE, "minute": FIRST + at, "download_bps": bps, "ceiling": held} for at, bps, held in tests]
            + [{"site": SITE, "minute": FIRST + 5_000, "download_bps": None, "ceiling": None}],
        )
    return made


def sheet(made: Made, ident: str = "L5") -> Report:
    with made.engine.connect() as connection, made.engine.connect() as summed:
        sums = Sums(summed, made.ledger, CALENDAR)
        facts = report_facts.gather(connection, sums, plans.all_plans(), "line", ident, PERIOD, NOW_MS)
    return reports.report(facts)


def test_only_the_lines_own_seconds_are_charged(made: Made) -> None:
    found = sheet(made)

    (row, *_) = table(found, "availability").rows
    up, down, off, unknown = (int(str(cell)) for cell in row[1:5])
    assert down == 60 * 10 + 60 * 40 + 43  # of the outage that began before: the part in the period
    assert off == 60 * 120
    assert unknown == 60 * 60
    assert up == 60 * (END - FIRST) - down - off - unknown
    assert row[5] == pytest.approx(up / (up + down))


def test_outages_are_told_to_the_second_where_the_agent_saw_it(made: Made) -> None:
    found = sheet(made)

    at = FIRST * 60_000
    assert list(zip(*(cells(found, "charged", key) for key in ("from", "to", "down")), strict=True)) == [
        (at - 10 * 60_000, at + 10 * 60_000, 20 * 60),
        (at + 1_000 * 60_000 + 7_250, at + 1_039 * 60_000 + 41_900, 40 * 60),
        (at + 2_000 * 60_000, at + 2_001 * 60_000, 43),
    ]


def test_school_side_and_upstream_causes_stand_apart_with_why(made: Made) -> None:
    found = sheet(made)

    assert [cell_text(one, "text", "en")[:35] for one in cells(found, "others", "cause")] == [
        "The school's router does not answer"
    ]
    assert [cell_text(one, "text", "en")[:42] for one in cells(found, "beyond", "cause")] == [
        "The ISP's edge answers but no domestic tar"
    ]
    assert cells(found, "others", "from") == [(FIRST + 3_000) * 60_000]


def test_speeds_stand_against_the_contract_without_what_the_gateway_held_down(made: Made) -> None:
    found = sheet(made)

    (section,) = [one for one in found.sections if any(part.name == "tests" for part in one.tables)]
    assert section.paragraphs[0].en == (
        "3 usable tests, median 70 Mbit/s; 3 of 3 below the contracted speed; 1 of 3 below the guaranteed minimum."
    )
    shares = [cell_text(one, "share", "en") for one in cells(found, "tests", "of_contract")]
    assert shares == ["90.0%", "50.0%", "70.0%", "30.0%", "not known"]


@pytest.mark.parametrize(
    ("ident", "said"),
    [("L99", "đường truyền 'L99': không có trong sổ đăng ký"), ("L5-b", "là của đường 'L5', đường này không")],
)
def test_a_line_that_is_not_measured_has_no_sheet(made: Made, ident: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        sheet(made, ident)


@pytest.mark.parametrize("form", ["html", "xlsx", "csv", "json"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_form_of_the_sheet_can_be_made(made: Made, form: str, language: str) -> None:
    data = report_files.FORMATS[form].make(sheet(made), OFFICE, language)

    if form == "html":
        text = data.decode()
        assert (
            "Phiếu đánh giá chất lượng đường truyền L5" if language == "vi" else "Conformity sheet of line L5"
        ) in text
        assert "HĐ 01/2026" in text
    if form == "json":
        assert json.loads(data)["kind"] == "line"
    assert len(data) > 1_000


def squeezed(text: str) -> str:
    """Lines are broken anywhere in narrow cells."""
    return "".join(unicodedata.normalize("NFC", text).split())


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_pdf_holds_every_exact_outage_in_its_section_and_nothing_of_the_schools_in_the_lines(
    made: Made, language: str
) -> None:
    report = sheet(made)

    reader = PdfReader(io.BytesIO(report_files.FORMATS["pdf"].make(report, OFFICE, language)))

    text = squeezed("".join(page.extract_text() for page in reader.pages))
    headings = [squeezed(section.heading.to(language).upper()) for section in report.sections]
    places = [text.find(heading) for heading in headings]
    assert -1 not in places
    assert places == sorted(places)
    parts = {
        section.tables[0].name: text[start:end]
        for section, start, end in zip(report.sections, places, [*places[1:], len(text)], strict=True)
        if section.tables
    }
    for name in ("charged", "beyond", "others"):
        found = table(report, name)
        assert found.rows
        for row in found.rows:
            for cell, column in zip(row, found.columns, strict=True):
                assert squeezed(cell_text(cell, column.kind, language)) in parts[name]
    school_side = squeezed(cell_text(cells(report, "others", "cause")[0], "text", language))
    assert school_side not in parts["charged"] + parts["beyond"]
    assert squeezed("60 Mbit/s") in parts["contract"]
    assert squeezed("HĐ 01/2026") in parts["contract"]


def test_the_vietnamese_pdf_says_the_seconds_as_they_were_seen(made: Made) -> None:
    data = report_files.FORMATS["pdf"].make(sheet(made), OFFICE, "vi")

    text = squeezed("".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))
    for said in (
        "Phiếu đánh giá chất lượng đường truyền L5",
        "16:40:07 ngày 16/11/2026",
        "17:19:41 ngày 16/11/2026",
        "2.400",
        "Bộ định tuyến của trường vẫn trả lời nhưng biên mạng của nhà mạng thì không",
        "Độ khả dụng của đường truyền".upper(),
    ):
        assert squeezed(said) in text


def test_each_outage_of_the_sheet_leads_to_its_minutes(made: Made) -> None:
    links = table(sheet(made), "charged").links

    assert links[1] == f"/site/{SITE}/minutes?signal=line.isp&day=2026-11-16"
    assert len(links) == 3


def test_no_page_has_the_signature_alone(made: Made) -> None:
    data = report_files.FORMATS["pdf"].make(sheet(made), OFFICE, "en")

    last = PdfReader(io.BytesIO(data)).pages[-1].extract_text()
    before, _, after = last.partition("Sent to:")
    assert after
    assert len(before.split()) > 5
