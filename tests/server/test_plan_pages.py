"""Pages, files and API of plans: what stands there is what the verdicts say, and every number leads to its minutes."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import pytest
from openpyxl import load_workbook
from sqlalchemy import event, insert, update
from tests.server import synthetic
from tests.server.issued_days import issue_days
from tests.server.synthetic import NOW_MINUTE, Made
from tests.server.test_web import Client, Structure, section, text_of

from schoolbeat_server import history, issued, issued_units, schema
from schoolbeat_server.database import writing
from schoolbeat_server.forecast import forecast
from schoolbeat_server.plan_tables import units_table
from schoolbeat_server.tables import ordered, searched
from schoolbeat_server.verdicts import Status, UnitVerdict, Verdict
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.plan_book import PlanBook

PLAN = "lao-cai-2022-2025"
T1, T2 = f"/plans/{PLAN}/T1", f"/plans/{PLAN}/T2"
PAGES = (
    "/plans",
    T1,
    f"{T1}?list=all&sort=since&order=desc&q=tieu+hoc",
    f"{T1}?list=unknown&by=isp&on=2025-06-30",
    f"{T1}?then=2026-11-10",
    T2,
    "/school/t0",
    "/school/t3",
    "/site/t2/minutes",
    "/site/t2/minutes?signal=line.domestic&day=2026-11-21&days=31",
    "/site/t59/minutes?day=2026-01-01",
)
DAYS = 120


def grows(ago: int, at: int, _unit: UnitVerdict) -> Status:
    """Each three days one unit more has met it; every fifth of the others is unknown."""
    return "met" if at < (DAYS - ago) // 3 else "unknown" if at % 5 == 0 else "missed"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return synthetic.make(tmp_path_factory.mktemp("plans") / "schoolbeat.db", 60)


@pytest.fixture(scope="module")
def verdicts(made: Made) -> list[Verdict]:
    found = synthetic.judged(made)
    issue_days(made, [one for one in found if one.target.id in ("T1", "T2")], DAYS, grows)
    return found


@pytest.fixture(scope="module")
def client(made: Made, verdicts: list[Verdict]) -> Client:
    return Client(create_app(synthetic.context(made, verdicts=lambda: verdicts)))


def of(verdicts: list[Verdict], target: str) -> Verdict:
    return next(one for one in verdicts if (one.plan.id, one.target.id) == (PLAN, target))


def names(page: str) -> list[str]:
    """Of the units listed."""
    table = page[page.index('<section id="who"') :]
    return re.findall(r'<th scope="row"><a [^>]*>(.*?)</a></th>', table[: table.index("</section>")])


# ---- every page --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_landmarks_headings_captions_and_nothing_inline(client: Client, path: str, language: str) -> None:
    page = client.get(f"{path}{'&' if '?' in path else '?'}lang={language}")

    seen = Structure()
    seen.feed(page.text)
    assert page.status_code == 200
    assert seen.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(seen.headings, seen.headings[1:], strict=False))
    assert (seen.captions, seen.forbidden, seen.unnamed) == (seen.tables, [], [])
    assert len(seen.ids) == len(set(seen.ids))
    assert len(page.content) < 60_000
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize("path", ["/plans", T1, "/school/t0", "/site/t2/minutes"])
def test_every_link_of_a_page_leads_somewhere(client: Client, path: str) -> None:
    page = client.get(path).text

    links = {one.replace("&amp;", "&") for one in re.findall(r'href="([^"#]+)', page)}
    assert not {"/reports", "/compare"} & links  # this server makes none
    for link in sorted(links):
        address = link if link.startswith("/") else path.partition("?")[0] + link
        assert client.get(address).status_code == 200, link


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        (f"/plans/{PLAN}/T99", 404, f"Không có chỉ tiêu “{PLAN} T99”"),
        (f"{T1}?page=99", 404, "page = 99: chỉ có"),
        (f"{T1}?page=0", 422, "page = 0: phải từ 1 trở lên."),
        (f"{T1}?list=some", 422, "list = some: chỉ được là 'exceptions', 'unknown', 'met' or 'all'"),
        (f"{T1}?area=xyz", 400, "area = “xyz”: không có địa bàn này theo địa giới ngày 2025-06-30"),
        (f"{T1}?area=xa-1&on=1900-01-01&isp=xyz", 400, "isp = “xyz”: không có nhà mạng này"),
        (f"{T1}?sort=price", 400, "sort = “price”: không có cột này. Chỉ được là unit, status, since"),
        (f"{T1}?on=tomorrow", 422, "on = tomorrow: phải là một ngày như 2026-11-21."),
        (
            f"{T1}?then=2020-01-01",
            404,
            "then = 2020-01-01: ngày này chưa công bố kết luận. Có từ 2026-07-24 đến 2026-11-20",
        ),
        (f"{T1}?format=pdf", 422, "format = pdf: chỉ được là 'csv', 'xlsx' or 'json'"),
        (f"{T1}?q=" + "x" * 81, 422, "dài nhất 80 ký tự"),
        ("/school/nobody", 404, "Không có trường “nobody” trong danh bạ"),
        ("/school/%3Cscript%3E", 404, "Không có trường “&lt;script&gt;”"),
        ("/site/nobody/minutes", 404, "Không có điểm trường “nobody” trong danh bạ"),
        ("/site/t2/minutes?signal=a%20b", 400, "signal = “a b”: không phải tên tín hiệu"),
        ("/site/t2/minutes?day=2026-11-22", 404, "day = 2026-11-22: ngày này chưa đến."),
        ("/site/t2/minutes?day=yesterday", 422, "day = yesterday: phải là một ngày"),
        ("/site/t2/minutes?day=0001-01-01&days=31", 404, "day = 0001-01-01: trước ngày đầu có thể có số liệu"),
        ("/site/t2/minutes?days=32", 422, "days = 32: nhiều nhất là 31."),
    ],
)
def test_what_is_wrong_is_named_with_its_value(client: Client, address: str, status: int, says: str) -> None:
    page = client.get(address)

    assert page.status_code == status
    assert says.replace("'", "&#39;") in page.text


def test_names_from_outside_are_text_and_never_markup(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 8)
    evil = "<script>alert(1)</script>\"'&"
    with writing(own.engine) as connection:
        connection.execute(update(schema.school).values(name=evil))
        connection.execute(update(schema.area).values(name=evil))
        connection.execute(update(schema.line).values(isp=evil))
    client = Client(create_app(synthetic.context(own)))

    for path in ("/plans", T1, f"{T1}?list=all&by=isp", "/school/t0", "/site/t0/minutes"):
        page = client.get(path)
        seen = Structure()
        seen.feed(page.text)
        assert (page.status_code, seen.forbidden) == (200, [])
        assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


def test_the_number_of_queries_does_not_grow_with_the_province(tmp_path: Path) -> None:
    counts = {}
    for name, schools in (("small", 8), ("large", 40)):
        own = synthetic.make(tmp_path / f"{name}.db", schools)
        client = Client(create_app(synthetic.context(own)))
        asked: list[str] = []
        event.listen(own.engine, "before_cursor_execute", lambda *given, asked=asked: asked.append(given[2]))
        for path in ("/plans", T1, f"{T1}?list=all&sort=unit", "/school/t0", "/site/t0/minutes"):
            asked.clear()
            client.get(path)
            counts[name, path] = len(asked)

    assert {path: count for (name, path), count in counts.items() if name == "small"} == {
        path: count for (name, path), count in counts.items() if name == "large"
    }


# ---- all plans ---------------------------------------------------------------------------------------------


def test_the_overview_says_of_each_target_its_counts_deadline_and_whether_it_was_kept(client: Client) -> None:
    told = section(client.get("/plans").text, PLAN)

    assert "Điểm trường lẻ" in told or "T2" in told
    assert "8,3% · 5/60 trường (yêu cầu 100%)" in told
    assert "đạt 5, chưa đạt 5, chưa đủ dữ liệu 50" in told
    assert "31/12/2025 chưa đo vào lúc đến hạn" in told
    assert "cách hiểu khác của T2" in told
    assert "chưa từng được chứng minh là đạt" in told


def test_the_overview_as_a_file_has_a_row_for_every_target(client: Client, verdicts: list[Verdict]) -> None:
    rows = list(csv.DictReader(io.StringIO(client.get("/plans?format=csv").text.lstrip("\ufeff")), delimiter=";"))

    assert [row["Mã chỉ tiêu"] for row in rows] == [one.target.id for one in verdicts]
    assert rows[0]["Tỷ lệ đạt"] == "8,3%"
    assert rows[0]["Khi đến hạn"].startswith("chưa đo vào lúc đến hạn")


# ---- one target --------------------------------------------------------------------------------------------


def test_the_four_lists_hold_every_unit_once_with_unknown_apart(client: Client, verdicts: list[Verdict]) -> None:
    units = of(verdicts, "T1").units
    lists = {
        name: client.get(f"/api/v1/plans/{PLAN}/targets/T1/units?list={name}&limit=1000").json()
        for name in ("exceptions", "unknown", "met", "all")
    }

    ids = {name: [row[-1] for row in one["table"]["rows"]] for name, one in lists.items()}
    assert ids["exceptions"] == [one.id for one in units if one.silent or one.status == "missed"]
    assert ids["unknown"] == [one.id for one in units if one.status == "unknown" and not one.silent]
    assert ids["met"] == [one.id for one in units if one.status == "met"]
    assert sorted(ids["exceptions"] + ids["unknown"] + ids["met"]) == sorted(ids["all"])
    assert {name: one["count"] for name, one in lists.items()} == {name: len(one) for name, one in ids.items()}


def test_who_misses_stands_with_reason_silent_first_and_leads_to_its_minutes(
    client: Client, verdicts: list[Verdict]
) -> None:
    page = client.get(T2).text
    first, second = of(verdicts, "T2").units[:2]

    assert (first.silent, second.status) == (True, "missed")
    assert names(page)[:2] == [first.name, second.name]
    told = section(page, "who")
    assert "Chưa từng gửi số liệu" in told
    assert second.reasons[0].vi in told
    assert f'href="/site/{second.site}/minutes?signal=line.internet&amp;day=2026-11-21&amp;days=7"' in page


def test_a_list_is_searched_sorted_and_narrowed_like_its_file(client: Client) -> None:
    query = "list=all&q=tieu%20hoc%20nam&sort=unit&order=desc&area=xa-7"
    shown = names(client.get(f"{T1}?{query}").text)
    file = list(
        csv.DictReader(io.StringIO(client.get(f"{T1}?{query}&format=csv").text.lstrip("\ufeff")), delimiter=";")
    )

    assert shown == [row["Đơn vị"] for row in file]
    assert shown == sorted(shown, reverse=True)
    assert shown
    assert all("Nậm Ngần" in name and "Tiểu học" in name for name in shown)
    assert {row["Địa bàn"] for row in file} == {"Xã Nậm Ngần"}


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["unit", "status", "since", "why", "area", "over", "isp", "coverage", "grade", "id"])
def test_a_list_is_put_in_order_as_any_table_is(
    client: Client, verdicts: list[Verdict], made: Made, sort: str, order: str
) -> None:
    told = client.get(f"/api/v1/plans/{PLAN}/targets/T1/units?sort={sort}&order={order}&q=truong%20tieu&limit=1000")
    seen = PlanBook(made.engine, lambda: verdicts).seen()
    verdict = of(verdicts, "T1")
    where = seen.where(seen.boundaries("2025-06-30"))
    table = searched(units_table(verdict, verdict.units, where, lambda unit: ""), "Trường TIEU")

    expected = ordered(table, sort, descending=order == "desc")
    assert [row[9] for row in told.json()["table"]["rows"]] == [row[9] for row in expected.rows]
    assert expected.rows


def test_pages_of_a_list_follow_on(client: Client) -> None:
    whole = [*names(client.get(f"{T1}?list=all").text), *names(client.get(f"{T1}?list=all&page=2").text)]
    whole += names(client.get(f"{T1}?list=all&page=3").text)

    assert len(whole) == 60
    assert len(set(whole)) == 60


def test_groups_sum_up_to_the_target(client: Client, verdicts: list[Verdict]) -> None:
    verdict = of(verdicts, "T1")
    for by in ("area", "over", "isp", "manager", "level"):
        rows = client.get(f"{T1}?by={by}&table=groups&format=json").json()["rows"]

        assert [sum(row[at] for row in rows) for at in (2, 3, 4, 5)] == [
            verdict.denominator,
            verdict.met,
            verdict.missed,
            verdict.unknown,
        ]
    assert {row[0] for row in client.get(f"{T1}?by=isp&table=groups&format=json").json()["rows"]} == set(synthetic.ISPS)


def test_a_pilot_stands_against_all_others(client: Client, verdicts: list[Verdict]) -> None:
    page = client.get(f"{T1}?area=xa-4&table=sides&format=json").json()
    verdict = of(verdicts, "T1")
    mine = [unit.status for unit in verdict.units if unit.area == "xa-4"]

    assert [row[0]["vi"] for row in page["rows"]] == ["Xã Mường Trúc", "Tất cả còn lại"]
    chosen, others = page["rows"]
    assert (chosen[2], chosen[3], chosen[4]) == (len(mine), mine.count("met"), mine.count("missed"))
    assert [chosen[at] + others[at] for at in (2, 3, 4, 5)] == [60, verdict.met, verdict.missed, verdict.unknown]
    assert "Xã Mường Trúc" in section(client.get(f"{T1}?area=xa-4").text, "sides")
    assert 'id="sides"' not in client.get(T1).text


def test_one_history_is_told_on_the_old_or_the_new_boundaries(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 8)
    with writing(own.engine) as connection:
        connection.execute(
            insert(schema.area),
            [
                {"id": "h-1", "name": "Huyện Cũ", "kind": "district", "parent": "lc", "valid_to": "2025-07-01"},
                {"id": "xc-1", "name": "Xã Cũ", "kind": "commune", "parent": "h-1", "valid_to": "2025-07-01"},
            ],
        )
        connection.execute(
            insert(schema.school_area),
            [
                {"school": "t0", "area": "xc-1", "valid_from": "0001-01-01", "valid_to": "2025-07-01"},
                {"school": "t0", "area": "xa-0", "valid_from": "2025-07-01", "valid_to": "9999-12-31"},
            ],
        )
    client = Client(create_app(synthetic.context(own)))

    def places(on: str) -> dict[str, tuple[str, str | None]]:
        rows = client.get(f"/api/v1/plans/{PLAN}/targets/T1/units?{on}").json()["table"]["rows"]
        return {row[9]: (row[4], row[5]) for row in rows}

    assert places("on=2025-06-30")["t0"] == ("Xã Cũ", "Huyện Cũ")
    assert places("on=2025-07-01")["t0"] == ("Xã Suối Mây", None)
    assert places("")["t0"] == places("on=2025-06-30")["t0"]  # the plan speaks of the old boundaries
    assert names(client.get(f"{T1}?list=all&on=2025-06-30&area=h-1").text) == ["Trường Tiểu học Suối Mây"]
    assert client.get(f"{T1}?area=h-1&on=2025-07-01").status_code == 400


def test_a_workbook_says_what_it_is_of(client: Client) -> None:
    answer = client.get(f"{T1}?format=xlsx&list=all&lang=en")

    book = load_workbook(io.BytesIO(answer.content))
    head = {row[0].value: row[1].value for row in book["About"].iter_rows()}
    assert head["Verdict"] == "missed"
    assert str(head["Quote"]).startswith("“")
    assert book.worksheets[1].max_row == 61
    assert answer.headers["Content-Disposition"] == f'attachment; filename="schoolbeat-{PLAN}-T1-2026-11-21.xlsx"'


# ---- days --------------------------------------------------------------------------------------------------


def test_the_days_of_a_target_are_those_that_were_issued_with_their_revisions(
    made: Made, verdicts: list[Verdict]
) -> None:
    book = PlanBook(made.engine, lambda: verdicts)

    with made.engine.connect() as connection:
        assert book.points(PLAN, "T1") == history.read_points(connection, PLAN, "T1")
    assert len(book.points(PLAN, "T1")) == DAYS


def test_a_day_issued_or_revised_later_is_seen_without_reading_all_again(tmp_path: Path) -> None:
    own = synthetic.make(tmp_path / "schoolbeat.db", 8)
    found = [one for one in synthetic.judged(own) if (one.plan.id, one.target.id) == (PLAN, "T1")]
    book = PlanBook(own.engine, lambda: found)
    issue_days(own, found, 3, lambda ago, at, unit: "missed")
    before = book.points(PLAN, "T1")
    with writing(own.engine) as connection:
        last = connection.execute(schema.issued.select().order_by(schema.issued.c.id.desc())).first()
        assert last is not None
        again = last._asdict() | {"id": last.id + 1, "revision": 1, "status": "met", "met": 8, "missed": 0}
        again |= {"why": "late", "changed_first": last.first_minute, "changed_end": last.end_minute}
        again |= {"issued_ms": synthetic.NOW_MS, "body": issued_units.pack({})}
        connection.execute(insert(schema.issued).values(**again))

    page = Client(create_app(synthetic.context(own, verdicts=lambda: found))).get(T1).text
    assert "Đã sửa lại" in section(page, "target")
    after = book.points(PLAN, "T1")
    assert [one.status for one in before] == ["missed"] * 3
    assert [one.status for one in after] == ["missed", "missed", "met"]
    with own.engine.connect() as connection:
        assert after == history.read_points(connection, PLAN, "T1")


def test_the_history_is_drawn_and_stands_in_a_table(client: Client) -> None:
    page = client.get(T1).text

    drawn = re.search(r'<svg class="history" role="img" viewBox="0 0 120 100"[^>]*aria-label="([^"]*)"', page)
    assert drawn is not None
    assert drawn[1] == "Tỷ lệ đạt, chưa đạt, chưa đủ dữ liệu từ 24/07/2026 đến 20/11/2026; đạt 0% rồi 65,0%"
    weeks = re.findall(r'<th scope="row"><a href="/verdicts/\d+">(\d\d/\d\d/\d{4})</a>', page)
    assert weeks[:3] == ["20/11/2026", "13/11/2026", "06/11/2026"]
    assert len(weeks) == 18


def test_the_forecast_is_that_of_the_points_and_names_who_is_likely_to_miss(
    client: Client, made: Made, verdicts: list[Verdict]
) -> None:
    told = client.get(f"/api/v1/plans/{PLAN}/targets/T1/forecast").json()
    with made.engine.connect() as connection:
        expected = forecast(history.read_points(connection, PLAN, "T1"), of(verdicts, "T1").target)

    assert told["forecast"] == {
        "answer": "expected",
        "weeks": 17,
        "least_weeks": 8,
        "earliest": expected.earliest and expected.earliest.isoformat(),
        "likely": expected.likely and expected.likely.isoformat(),
        "latest": expected.latest and expected.latest.isoformat(),
        "by_deadline": 0,
    }
    met = {unit.id for at, unit in enumerate(of(verdicts, "T1").units) if at < 39}
    assert set(told["likely_to_miss"]) == {unit.id for unit in of(verdicts, "T1").units} - met
    assert set(told["areas"]) == {"lc", *(f"xa-{n}" for n in range(9))}
    assert told["areas"]["lc"] == told["forecast"]
    assert "Bốn phần năm khả năng trong khoảng" in section(client.get(T1).text, "forecast")


def test_without_days_there_is_no_history_and_no_forecast(client: Client) -> None:
    page = client.get(f"/plans/{PLAN}/T2.all").text

    assert "Chưa công bố kết luận của ngày nào" in section(page, "history")
    assert "Chưa đủ dữ liệu để dự báo: mới có 0 tuần liền, cần ít nhất 8." in section(page, "forecast")


def test_two_dates_are_compared_unit_by_unit(client: Client, verdicts: list[Verdict]) -> None:
    told = client.get(f"{T1}?then=2026-11-20&table=changes&format=json").json()["rows"]

    units = of(verdicts, "T1").units
    expected = {
        unit.id: (was, unit.status) for at, unit in enumerate(units) if (was := grows(1, at, unit)) != unit.status
    }
    assert {row[5]: (row[1], row[2]) for row in told} == expected
    assert told[0][2] == "missed"
    assert f"{len(expected)} đơn vị nay khác ngày 20/11/2026" in section(
        client.get(f"{T1}?then=2026-11-20").text, "compare"
    )


def test_the_api_gives_days_the_newest_first_in_pages(client: Client) -> None:
    address = f"/api/v1/plans/{PLAN}/targets/T1/history"
    first = client.get(f"{address}?limit=2").json()
    then = client.get(f"{address}?limit=1&before={first[-1]['day']}").json()

    assert [one["day"] for one in [*first, *then]] == ["2026-11-20", "2026-11-19", "2026-11-18"]
    assert (first[0]["met"], first[0]["missed"], first[0]["unknown"]) == (39, 17, 4)


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        (f"/api/v1/plans/{PLAN}/targets/T99", 404, "target 'lao-cai-2022-2025' 'T99': there is no such one"),
        (f"/api/v1/plans/{PLAN}/targets/T1/units?limit=1001", 422, "limit = '1001'"),
        (f"/api/v1/plans/{PLAN}/targets/T1/units?sort=price", 400, "sort = “price”"),
        (f"/api/v1/plans/{PLAN}/targets/T1/history?before=x", 422, "before = 'x'"),
        ("/api/v1/plans/x/targets/T1/forecast", 404, "target 'x' 'T1'"),
    ],
)
def test_the_api_names_what_is_wrong(client: Client, address: str, status: int, says: str) -> None:
    answer = client.get(address)

    assert answer.status_code == status
    assert says in str(answer.json()["detail"])


def test_the_api_lists_plans_with_what_became_of_each_target(client: Client, verdicts: list[Verdict]) -> None:
    told = client.get("/api/v1/plans").json()

    assert [(plan["plan"], one["verdict"]["target"]) for plan in told for one in plan["targets"]] == [
        (one.plan.id, one.target.id) for one in verdicts
    ]
    first = told[0]["targets"][0]
    assert (first["at_deadline"], first["kept"]) == (
        "not_observed",
        {"since": None, "kept": None, "breaks": [], "gaps": []},
    )
    assert first == client.get(f"/api/v1/plans/{PLAN}/targets/T1").json()


# ---- as it was issued --------------------------------------------------------------------------------------


def newest_issue(made: Made, target: str) -> tuple[int, dict[str, issued_units.Unit]]:
    with made.engine.connect() as connection:
        (one,) = [one for one in issued.read_issues(connection, limit=200) if one.target == target][:1]
        found = issued.read_units(connection, one.id)
    assert found is not None
    return one.id, found[1]


def test_the_units_of_an_issued_verdict_are_listed_searched_sorted_and_taken_away_whole(
    client: Client, made: Made
) -> None:
    ident, units = newest_issue(made, "T1")
    missed = [name for name, unit in units.items() if unit["status"] == "missed"]

    page = client.get(f"/verdicts/{ident}?list=missed").text
    rows = list(
        csv.DictReader(
            io.StringIO(client.get(f"/verdicts/{ident}?list=missed&format=csv").text.lstrip("\ufeff")), delimiter=";"
        )
    )
    everything = client.get(f"/verdicts/{ident}?format=json").json()
    by_name = client.get(f"/verdicts/{ident}?sort=unit&order=desc&format=json").json()["rows"]
    found = client.get(f"/verdicts/{ident}?q=phin+hoa&format=json").json()["rows"]

    assert len(re.findall('<th scope="row">', page)) == min(50, len(missed))
    assert sorted(row["Mã"] for row in rows) == sorted(missed)
    assert sorted(row[-1] for row in everything["rows"]) == sorted(units)
    assert [row[-1] for row in by_name] != [row[-1] for row in everything["rows"]]
    assert sorted(row[-1] for row in found) == sorted(
        name for name, unit in units.items() if "Phìn Hoa" in f"{unit['name']} {unit['reasons']}"
    )


@pytest.mark.parametrize(
    ("asked", "status"), [("page=99", 404), ("list=silent", 422), ("sort=isp", 422), ("q=khongcoaitenthe", 200)]
)
def test_what_an_issued_verdict_cannot_list_is_said(client: Client, made: Made, asked: str, status: int) -> None:
    ident, _units = newest_issue(made, "T1")

    assert client.get(f"/verdicts/{ident}?{asked}").status_code == status


# ---- one school --------------------------------------------------------------------------------------------


def test_a_school_is_told_what_is_wrong_right_now_though_no_target_speaks_of_it(client: Client, made: Made) -> None:
    told = text_of(section(client.get(f"/school/{made.faulty}").text, "now"))
    quiet = client.get("/school/t10").text

    assert "thiết bị không trả lời: Bộ phát Wi-Fi dãy 1" in told
    assert 'id="now"' not in quiet


def test_a_school_that_meets_all_is_told_that_nothing_is_asked_of_it(made: Made, verdicts: list[Verdict]) -> None:
    met = [
        replace(one, units=tuple(replace(unit, status="met", silent=False) for unit in one.units))
        for one in verdicts
        if one.target.id == "T1"
    ]
    pages = {
        language: Client(create_app(synthetic.context(made, verdicts=lambda: met))).get(f"/school/t5?lang={language}")
        for language in ("vi", "en")
    }

    assert "Không chỉ tiêu nào đòi trường làm thêm việc gì lúc này." in pages["vi"].text
    assert "No target asks anything more of the school now." in pages["en"].text


def test_a_school_reads_what_it_misses_why_and_what_to_do(client: Client, made: Made, verdicts: list[Verdict]) -> None:
    silent = next(unit for unit in of(verdicts, "T2").units if unit.silent)
    page = client.get(f"/school/{silent.school}").text
    mine = [unit for one in verdicts for unit in one.units if unit.school == silent.school]

    assert "Trường phải làm gì?" in text_of(page)
    assert "lắp và đăng ký thiết bị cổng tại điểm trường" in section(page, "unknown")
    assert text_of(page).count("Xem từng phút") <= len(mine)
    missed = next(unit for unit in of(verdicts, "T1").units if unit.status == "missed")
    told = section(client.get(f"/school/{missed.school}").text, "missed")
    assert missed.reasons[0].vi in told
    assert "Hỏi nhà mạng phương án kéo cáp quang" in told


# ---- minutes -----------------------------------------------------------------------------------------------


def test_a_days_minutes_are_the_ledgers(client: Client, made: Made) -> None:
    page = client.get("/site/t3/minutes?signal=line.isp&day=2026-11-21").text
    rows = re.findall(
        r'<tr><th scope="row">(\d\d:\d\d)</th><td[^>]*>(\d\d:\d\d)</td><td[^>]*>([\d.]+)</td><td[^>]*>(.*?)</td></tr>',
        page,
    )

    start = (NOW_MINUTE + 420) // 1_440 * 1_440 - 420
    with made.engine.connect() as connection:
        codes = made.ledger.read(connection, "t3", ["line.isp"], start, NOW_MINUTE)["line.isp"]
    words = {60: "thông", 0: "mất cả phút", 255: "không có số liệu"}
    told = [(count.replace(".", ""), word) for _, _, count, word in rows]
    expected = [(str(len(list(run))), words[code]) for code, run in groupby(codes)]
    assert told == expected
    assert sum(int(count) for count, _ in told) == NOW_MINUTE - start
    assert rows[0][0] == "00:00"


def test_a_day_before_the_first_report_is_unknown_and_not_up(client: Client) -> None:
    page = client.get("/site/t2/minutes?day=2026-01-01&days=1").text

    assert "không rõ 1 ngày" in section(page, "day")
    assert "00:00 23:59 1.440 không có số liệu" in section(page, "day")


def test_speed_tests_of_the_days_stand_under_their_minutes(client: Client) -> None:
    told = section(client.get("/site/t3-b/minutes?days=7").text, "tests")

    assert told.count("Mbit/s") == 14
