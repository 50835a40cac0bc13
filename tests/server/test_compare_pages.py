"""Comparisons: made in the background and kept as of then, by the reports' own table function; all leads to minutes."""

from __future__ import annotations

import html
import io
import re
import time
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert, update
from tests.server import synthetic
from tests.server.synthetic import DAY, NOW_MS, Made
from tests.server.test_reports import CALENDAR, OFFICE, Asking

from schoolbeat_server import compare, comparison_shelf, comparisons, plans, reports, schema
from schoolbeat_server.comparisons import Asked, cell_link, pilots, school_year
from schoolbeat_server.database import writing
from schoolbeat_server.report_facts import Facts, Period, Refused, isp_of
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.said import Said
from schoolbeat_server.tables import cell_text
from schoolbeat_server.web.app import create_app

PERIOD = Period(date(2026, 11, 16), date(2026, 11, 20))
DAYS = "from=2026-11-16&to=2026-11-20"
PILOTS = ("t0", "t3", "t3-b")
PLANS = plans.all_plans()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """12 schools with 15 sites, of which five tell minutes; three sites are pilots."""
    found = synthetic.make(tmp_path_factory.mktemp("compare") / "schoolbeat.db", 12)
    first = PERIOD.window.first_minute - 28 * DAY
    found.ledger.merge("t2", "gw", "r", ("line.internet", "line.isp"), range(first, first + 5 * DAY), bytes(10 * DAY))
    with writing(found.engine) as connection:
        site = schema.site.c
        connection.execute(update(schema.site).where(site.id.in_(PILOTS)).values(tags="border,pilot"))
        names = ("site", "signal", "first_minute", "last_minute", "end_minute", "down_seconds", "cause", "lessons")
        rows = [
            ("t3", "line.internet", 500, 509, 510, 570, "line.isp", 1),
            ("t4", "line.internet", 700, 701, 702, 90, "lan.router", 0),
        ]
        for row in rows:
            told = dict(zip(names, row, strict=True))
            for name in names[2:5]:
                told[name] += PERIOD.window.first_minute  # type: ignore[operator]
            connection.execute(insert(schema.outage).values(**told))
    return found


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(made: Made, tmp_path: Path, clock: Clock) -> Desk:
    found = Desk(made.engine, made.ledger, PLANS, tmp_path / "reports", clock, lambda: CALENDAR, OFFICE)
    found.begin()
    return found


@pytest.fixture
def asking(made: Made, desk: Desk, clock: Clock) -> Asking:
    return Asking(create_app(synthetic.context(made, calendar=lambda: CALENDAR, reports=desk, now_ms=clock)))


def shown(asking: Asking, desk: Desk, address: str) -> str:
    """The page, once what it shows was made."""
    first = asking.get(address)
    assert first.status_code == 200, first.text
    while desk.shelf.make_next():
        pass
    page = asking.get(address)
    assert page.status_code == 200
    assert "đang được tính" not in page.text
    return html.unescape(page.text)


def told(asking: Asking, desk: Desk, query: str) -> dict[str, Any]:
    asking.get(f"/api/v1/compare?{query}")
    while desk.shelf.make_next():
        pass
    answer = asking.get(f"/api/v1/compare?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def facts(desk: Desk, period: Period = PERIOD) -> Facts:
    return desk.facts("league", "lc", period)


# ---- never in the request ----------------------------------------------------------------------------------


def test_a_page_never_waits_for_a_comparison_and_says_as_of_when_it_is(asking: Asking, desk: Desk) -> None:
    address = f"/compare?{DAYS}"

    with desk.making:  # whoever would make one now would wait
        first = asking.get(address)
        file = asking.get(f"{address}&format=csv")
        api = asking.get(f"/api/v1/compare?{DAYS}")
    assert desk.shelf.make_next()
    page = asking.get(address)

    assert (first.status_code, file.status_code, api.status_code) == (200, 503, 202)
    assert 'http-equiv="refresh" content="3"' in first.text
    assert "Bảng đang được tính từ sổ phút" in first.text
    assert (file.headers["retry-after"], api.json()) == ("3", {"state": "being made"})
    assert not desk.shelf.make_next()  # three asked, one was made
    assert "http-equiv" not in page.text
    assert "22:45, 21/11/2026" in re.sub(r"<[^>]+>", "", page.text)
    assert "kỳ 16/11/2026 – 20/11/2026" in page.text


def test_an_old_one_is_shown_and_made_anew_meanwhile(asking: Asking, desk: Desk, clock: Clock) -> None:
    shown(asking, desk, f"/compare?{DAYS}")
    clock.now_ms += comparison_shelf.FRESH_MS + 1

    old = asking.get(f"/compare?{DAYS}").text
    assert desk.shelf.make_next()
    new = asking.get(f"/compare?{DAYS}").text

    assert ("Đang tính lại" in old, "Đang tính lại" in new) == (True, False)
    assert "22:45, 21/11/2026" in re.sub(r"<[^>]+>", "", old)
    assert "22:55, 21/11/2026" in re.sub(r"<[^>]+>", "", new)


def test_the_usual_ones_are_made_ahead_by_the_shelfs_own_thread(
    made: Made, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison_shelf, "LOOK_SECONDS", 0.05)
    usual = desk.shelf.usual()

    desk.shelf.start()
    try:
        until = time.monotonic() + 60
        while desk.shelf._ahead_of is None and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        desk.shelf.stop()

    assert [one.view for one in usual] == ["isps", "periods", "pilot", "league"]
    assert [desk.shelf.find(one).comparison is not None for one in usual] == [True] * 4
    assert not desk.shelf.thread.is_alive()


def test_what_waits_and_what_is_kept_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_shelf, "MOST_WAITING", 3)
    monkeypatch.setattr(comparison_shelf, "MOST_KEPT", 2)
    every = [Asked("isps", "area", f"xa-{n}", PERIOD) for n in range(4)]

    for one in every[:3]:
        assert desk.shelf.find(one) == (None, True, None)
    with pytest.raises(Refused, match="3 bảng so sánh đang đợi"):
        desk.shelf.find(every[3])
    while desk.shelf.make_next():
        pass

    assert [desk.shelf.find(one).comparison is None for one in every[:3]] == [True, False, False]


def test_what_cannot_be_made_says_why_and_is_not_tried_at_every_look(asking: Asking, desk: Desk) -> None:
    asked = Asked("isps", "area", "xa-99", PERIOD)
    desk.shelf.find(asked)
    assert desk.shelf.make_next()

    found = desk.shelf.find(asked)

    assert found.refused is not None
    assert found.refused.en.startswith("area 'xa-99': there is none")
    assert not desk.shelf.make_next()


# ---- one calculator ----------------------------------------------------------------------------------------


def test_isps_side_by_side_are_the_reports_own_figures(asking: Asking, desk: Desk) -> None:
    found = told(asking, desk, DAYS)

    report = reports.report(desk.facts("isp", "VNPT", PERIOD))
    table = next(one for one in report.tables if one.name == "isps")
    mine, theirs = ({row[0]["vi"]: row[1:] for row in rows} for rows in (found["tables"][0]["rows"], _json(table)))
    assert mine == theirs
    assert {what["what"]["en"]: what["value"]["en"] for what in found["about"]}["Rests on"].startswith("digest ")


def _json(table: Any) -> list[Any]:
    from schoolbeat_server.table_files import to_json

    rows: list[Any] = to_json(table)["rows"]
    return rows


def test_the_league_table_is_that_of_the_report(asking: Asking, desk: Desk) -> None:
    found = told(asking, desk, f"view=league&{DAYS}&table=schools")

    report = reports.report(facts(desk))
    assert found["tables"][0]["rows"] == _json(next(one for one in report.tables if one.name == "schools"))
    assert [one["vi"] for one in found["method"]][:3] == [one.vi for one in reports.LEAGUE_METHOD]


def test_sites_make_their_groups(asking: Asking, desk: Desk) -> None:
    found = told(asking, desk, DAYS)

    groups, sites = found["tables"]
    keys = [[column["key"] for column in one["columns"]] for one in (groups, sites)]
    for key in ("sites", "silent", "outages", "down", "tests"):
        for group in groups["rows"]:
            mine = [row[keys[1].index(key)] for row in sites["rows"] if row[1] == group[0]]
            known = [one for one in mine if one is not None]  # None: nothing was measured there
            assert (sum(known) if known else None) == group[keys[0].index(key)]


def test_a_pilot_is_named_by_a_tag_or_by_a_plans_filter(asking: Asking, desk: Desk) -> None:
    by_tag = told(asking, desk, f"view=pilot&{DAYS}&pilot=tag:pilot")
    by_plan = told(asking, desk, f"view=pilot&{DAYS}&pilot=plan:lao-cai-2022-2025/T2")

    rows = by_tag["tables"][0]["rows"]
    assert [(row[0]["vi"], row[1]) for row in rows] == [("Thí điểm", 3), ("Các điểm trường khác", 12)]
    expected = compare.figures(compare.Group(Said("", ""), PILOTS, facts(desk)))
    assert rows[0][9:11] == [expected.outages, expected.down_seconds] == [1, 570]
    assert [row[1] for row in by_plan["tables"][0]["rows"]] == [3, 12]  # T2 counts satellite sites
    names = {row[0]["vi"].partition(" – ")[2] for row in by_plan["tables"][1]["rows"] if row[1]["vi"] == "Thí điểm"}
    assert names == {"Điểm trường Bản Sáng"}


def test_only_filters_that_leave_somebody_out_name_a_pilot() -> None:
    found = pilots(PLANS)

    assert next(iter(found)) == "tag:pilot"
    assert "plan:lao-cai-2022-2025/T2" in found
    assert "plan:lao-cai-2022-2025/T1" not in found


def test_one_place_in_two_periods_says_who_changed(asking: Asking, desk: Desk) -> None:
    """t2 had no minute of Internet four weeks before."""
    found = told(asking, desk, f"view=periods&{DAYS}")

    summary, changes = found["tables"]
    assert [row[0]["en"] for row in summary["rows"]] == ["2026-10-19 – 2026-10-23", "2026-11-16 – 2026-11-20"]
    keys = [column["key"] for column in changes["columns"]]
    known = [dict(zip(keys, row, strict=True)) for row in changes["rows"] if row[keys.index("change")] is not None]
    assert len(known) == 1
    assert "Bản Gió – Điểm trường chính" in known[0]["name"]["vi"]
    assert (known[0]["lessons_before"], known[0]["coverage_before"]) == ("0", "1")
    assert Fraction(known[0]["change"]) == 100 * Fraction(known[0]["lessons_after"])


def test_only_sites_of_both_periods_are_compared(desk: Desk) -> None:
    now = facts(desk)
    before = replace(now, sites=now.sites - {"t0"})

    found = comparisons.made(Asked("periods", "area", "lc", PERIOD, PERIOD), now, before, PLANS)

    assert [row[1] for row in found.tables["groups"].rows] == [14, 14]
    assert len(found.tables["changes"].rows) == 14


@pytest.mark.parametrize(("place", "ident", "sites"), [("school", "t3", 2), ("area", "xa-3", 2), ("isp", "FPT", None)])
def test_a_place_is_an_area_a_school_or_an_isp(
    asking: Asking, desk: Desk, made: Made, place: str, ident: str, sites: int | None
) -> None:
    found = told(asking, desk, f"view=periods&place={place}&id={ident}&{DAYS}")

    if sites is None:
        known = facts(desk)
        sites = sum(isp_of(known.evidence.sites[one]) == ident for one in known.sites)
    assert [row[1] for row in found["tables"][0]["rows"]] == [sites, sites]
    assert len(found["tables"][1]["rows"]) == sites


# ---- sorted, filtered, taken away --------------------------------------------------------------------------


def names(page: str) -> list[str]:
    """Of the table below."""
    rows = page.partition('<section id="table"')[2]
    return re.findall(r'<th scope="row"><a href="[^"]+">([^<]+)</a>', rows)


def test_the_table_of_sites_sorts_filters_and_searches(asking: Asking, desk: Desk) -> None:
    every = names(shown(asking, desk, f"/compare?{DAYS}"))
    down = shown(asking, desk, f"/compare?{DAYS}&sort=down&order=desc")
    group = shown(asking, desk, f"/compare?{DAYS}&group=0")
    words = names(shown(asking, desk, f"/compare?{DAYS}&q=diem truong ban sang"))

    assert len(every) == 15
    assert names(down)[0].startswith("Trường Tiểu học Phìn Hoa")
    assert 'aria-sort="descending"' in down
    known = facts(desk)
    isps = [isp_of(known.evidence.sites[one]) for one in known.sites]
    assert len(names(group)) == isps.count(sorted(isps)[0])
    assert [name.partition(" – ")[2] for name in words] == ["Điểm trường Bản Sáng"] * 3


def test_files_hold_what_is_shown_with_every_column_and_say_what_it_is(asking: Asking, desk: Desk) -> None:
    query = f"/compare?{DAYS}&table=sites&q=ban sang&sort=name"
    page = shown(asking, desk, query)

    csv = asking.get(f"{query}&format=csv").content.decode("utf-8-sig").splitlines()
    book = openpyxl.load_workbook(io.BytesIO(asking.get(f"{query}&format=xlsx").content))
    as_json = asking.get(f"{query}&format=json").json()

    assert [line.partition(";")[0] for line in csv[1:]] == names(page)
    assert len(csv[0].split(";")) == len(compare.COLUMNS) + 1
    assert [row[0].value for row in book.worksheets[1].iter_rows(min_row=2)] == names(page)
    assert [row[0]["vi"] for row in as_json["rows"]] == names(page)
    assert "Căn cứ" in as_json["head"]
    assert "2026-11-20.csv" in asking.get(f"{query}&format=csv").headers["content-disposition"]


def test_every_number_leads_to_its_minutes_or_to_the_sites_that_do(asking: Asking, desk: Desk) -> None:
    for view in ("isps", "pilot", "league", "periods"):
        page = shown(asking, desk, f"/compare?view={view}&{DAYS}")
        cells = re.findall(r"<td data-label=[^>]+>(.*?)</td>", page)
        assert len(cells) > 50
        numbers = [cell for cell in cells if re.match(r"(<a [^>]+>)?[\d-]", cell)]
        bare = [cell for cell in numbers if "<a href=" not in cell]
        assert (view, bare) == (view, [])
        links = dict.fromkeys(re.findall(r'(?:<td[^>]*>|<th scope="row">)<a href="([^"]+)"', page))
        for link in list(links)[:3] + list(links)[-2:]:
            assert asking.get(link).status_code == 200, link


def test_a_number_leads_to_the_minutes_of_its_own_signal_and_period() -> None:
    asked = Asked("periods", "area", "lc", PERIOD, Period(date(2026, 9, 1), date(2026, 11, 1)))
    link = comparisons.minutes_link("t3", PERIOD)

    assert cell_link(link, "internet_after", asked) == "/site/t3/minutes?signal=line.internet&day=2026-11-20&days=5"
    assert cell_link(link, "line_after", asked) == "/site/t3/minutes?signal=line.isp&day=2026-11-20&days=5"
    assert cell_link(link, "line_before", asked) == "/site/t3/minutes?signal=line.isp&day=2026-11-01&days=31"


def test_a_league_table_of_several_sites_of_a_school_leads_to_them(asking: Asking, desk: Desk) -> None:
    page = shown(asking, desk, f"/compare?view=league&{DAYS}")
    links = {name: link for link, name in re.findall(r'<th scope="row"><a href="([^"]+)">([^<]+)</a>', page)}

    link = links["Trường Tiểu học Phìn Hoa"]
    assert "table=sites" in link
    assert names(shown(asking, desk, link.partition("#")[0])) == [
        "Trường Tiểu học Phìn Hoa – Điểm trường Bản Sáng",
        "Trường Tiểu học Phìn Hoa – Điểm trường chính",
    ]


# ---- what is asked for -------------------------------------------------------------------------------------


def test_a_school_year_is_named_by_its_first_year_and_is_of_the_days_that_are_over(asking: Asking, desk: Desk) -> None:
    page = shown(asking, desk, "/compare?view=league")
    last_year = shown(asking, desk, "/compare?view=league&year=2025")

    assert "kỳ 01/09/2026 – 20/11/2026" in page
    assert "kỳ 01/09/2025 – 31/05/2026" in last_year
    assert '<input type="hidden" name="kind" value="league">' in page
    with pytest.raises(Refused, match="năm học 2027–2028: chưa bắt đầu"):
        school_year(2027, date(2026, 11, 21))


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        (f"id=nowhere&{DAYS}", 404, "nowhere"),
        ("from=2026-11-20&to=2026-11-21", 400, "chỉ gồm những ngày đã hết"),
        (f"view=pilot&pilot=tag:no&{DAYS}", 404, "cần tag:NHÃN"),
        (f"view=league&year=2040&{DAYS}", 400, "chưa bắt đầu"),
        (f"sort=nothing&{DAYS}", 400, "nothing"),
        (f"group=77&{DAYS}", 400, "77"),
        (f"table=nothing&{DAYS}", 400, "nothing"),
        (f"page=999&{DAYS}", 404, "999"),
        ("view=nothing", 422, "view"),
    ],
)
def test_what_cannot_be_compared_is_answered_with_why(
    asking: Asking, desk: Desk, query: str, status: int, said: str
) -> None:
    asking.get(f"/compare?{query}")
    while desk.shelf.make_next():
        pass

    answer = asking.get(f"/compare?{query}")

    assert (answer.status_code, said in html.unescape(answer.text)) == (status, True), answer.text


def test_a_name_that_means_several_schools_is_offered_to_choose_from(asking: Asking, desk: Desk) -> None:
    page = asking.get(f"/compare?view=periods&place=school&id=tieu hoc&{DAYS}").text
    api = asking.get(f"/api/v1/compare?view=periods&place=school&id=tieu hoc&{DAYS}")

    assert "tên khớp với “tieu hoc”" in html.unescape(page)
    assert '<option value="t0">' in page
    assert 'name="from" value="2026-11-16"' in page
    assert api.status_code == 422
    assert not desk.shelf.make_next()


def test_english_pages_have_no_vietnamese_words_of_ours(asking: Asking, desk: Desk) -> None:
    for view in comparisons.VIEWS:
        shown(asking, desk, f"/compare?view={view}&{DAYS}")
        text = html.unescape(asking.get(f"/compare?view={view}&{DAYS}&lang=en").text)
        for word in ("So sánh", "nhà mạng", "đo được", "chưa biết", "Tải về", "Tính lúc", "Cách tính"):
            assert word not in text, (view, word)


def test_shares_are_kept_exact(desk: Desk) -> None:
    """What the page rounds, the file for programs does not."""
    found = comparisons.made(Asked("isps", "area", "lc", PERIOD), facts(desk), None, PLANS)

    table = found.tables["groups"]
    shares = [share for row in table.rows if (share := row[table.place("coverage")])]
    assert shares
    for share in shares:
        assert isinstance(share, Fraction)
        assert cell_text(share, "share", "vi") != str(share)
