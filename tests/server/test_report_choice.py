"""What a report is of is chosen by name: from a list, or by part of a name in any of 1,400 sites' worth of them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made
from tests.server.test_reports import CALENDAR, PLANS, Asking

from schoolbeat_server import report_choice, schema
from schoolbeat_server.database import writing
from schoolbeat_server.report_choice import Choice, meant
from schoolbeat_server.report_jobs import Desk, Wanted
from schoolbeat_server.said import Said
from schoolbeat_server.web.app import create_app

DAYS = "from=2026-11-16&to=2026-11-20"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """400 schools, more than one list offers; two communes of one name in two old districts."""
    found = synthetic.make(tmp_path_factory.mktemp("choice") / "schoolbeat.db", 400, detailed=(0,))
    with writing(found.engine) as connection:
        old = {"valid_from": "2000-01-01", "valid_to": "2025-07-01"}
        rows = [
            {"id": "h1", "name": "Huyện Bắc", "kind": "district", "parent": "lc", **old},
            {"id": "h2", "name": "Huyện Nam", "kind": "district", "parent": "lc", **old},
            {"id": "c1", "name": "Xã Tân Lập", "kind": "commune", "parent": "h1", **old},
            {"id": "c2", "name": "Xã Tân Lập", "kind": "commune", "parent": "h2", **old},
        ]
        connection.execute(insert(schema.area), rows)
    return found


@pytest.fixture
def desk(made: Made, tmp_path: Path) -> Iterator[Desk]:
    found = Desk(made.engine, made.ledger, PLANS, tmp_path / "reports", lambda: NOW_MS, lambda: CALENDAR)
    found.begin()
    yield found
    with writing(made.engine) as connection:
        connection.execute(delete(schema.report_job))


@pytest.fixture
def asking(made: Made, desk: Desk) -> Asking:
    return Asking(create_app(synthetic.context(made, calendar=lambda: CALENDAR, reports=desk)))


def known(made: Made, kind: str, day: str = "2026-11-20") -> list[Choice]:
    with made.engine.connect() as connection:
        return report_choice.choices(connection, PLANS, kind, day)  # type: ignore[arg-type]


def test_areas_are_those_of_the_day_and_equal_names_say_what_they_lie_in(made: Made) -> None:
    today, before = ([one.label.vi for one in known(made, "area", day)] for day in ("2026-11-20", "2025-06-30"))

    assert today[0] == "Tỉnh Lào Cai"
    assert not [one for one in today if "Tân Lập" in one]
    assert [one for one in before if "Tân Lập" in one] == [
        "Xã Tân Lập, Huyện Bắc, Tỉnh Lào Cai",
        "Xã Tân Lập, Huyện Nam, Tỉnh Lào Cai",
    ]


def test_a_school_a_line_an_isp_and_a_target_have_names(made: Made) -> None:
    labels = {kind: {one.id: one.label.vi for one in known(made, kind)} for kind in ("school", "line", "isp")}

    assert len(labels["school"]) == 400
    assert labels["school"]["t0"] == "Trường Tiểu học Suối Mây, Xã Suối Mây (t0)"
    assert re.fullmatch(r"Trường Tiểu học Suối Mây – Điểm trường chính, \w+ \(t0-1\)", labels["line"]["t0-1"])
    assert list(labels["isp"]) == ["FPT", "VNPT", "Viettel"]
    assert [(one.id, one.group) for one in known(made, "evidence")] == [
        (f"{plan.id}/{target.id}", plan.document) for plan in PLANS for target in plan.targets
    ]


NAMES = [
    Choice("t1", Said("Trường Tiểu học Nà Sương (t1)", "Trường Tiểu học Nà Sương (t1)")),
    Choice("t11", Said("Trường Mầm non Nà Sương (t11)", "Trường Mầm non Nà Sương (t11)")),
    Choice("p/T2", Said("T2: mạng", "T2: network")),
]


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("t1", ["t1"]),
        ("Trường Tiểu học Nà Sương (t1)", ["t1"]),
        ("  trường mầm non   NÀ SƯƠNG ", ["t11"]),
        ("na suong", ["t1", "t11"]),
        ("suong tieu", ["t1"]),
        ("network", ["p/T2"]),
        ("nowhere", []),
        ("", []),
        ("%' OR 1=1", []),
        ("%", []),
    ],
)
def test_a_typed_name_means_the_id_the_whole_name_or_what_has_all_its_words(typed: str, ids: list[str]) -> None:
    assert [one.id for one in meant(NAMES, typed)] == ids


def test_few_are_a_list_and_many_a_field_that_proposes_names(asking: Asking) -> None:
    areas, schools = (asking.get(f"/reports?kind={kind}").text for kind in ("area", "school"))

    assert '<option value="xa-0">Xã Suối Mây</option>' in areas
    assert "<datalist" not in areas
    assert '<input name="id" list="known"' in schools
    assert "<option>Trường Tiểu học Suối Mây, Xã Suối Mây (t0)</option>" in html.unescape(schools)


def test_a_name_that_is_one_school_leads_to_its_report(asking: Asking) -> None:
    typed = "Trường Tiểu học Suối Mây, Xã Suối Mây (t0)"

    answer = asking.get(f"/reports/look/at?kind=school&id={typed}&{DAYS}&format=html")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/reports/school?id=t0&{DAYS}&format=html"


def test_a_name_that_is_several_is_offered_to_choose_from(asking: Asking) -> None:
    look = asking.get(f"/reports/look/at?kind=school&id=mam non suoi may&{DAYS}&format=xlsx")
    page = asking.get(look.headers["location"].partition("#")[0])

    assert (look.status_code, page.status_code) == (303, 200)
    offered = re.findall(r'<option value="(t\d+)">Trường Mầm non Suối Mây', page.text)
    assert len(offered) > 5
    assert f"{len(offered)} tên khớp với “mam non suoi may”" in page.text
    assert 'value="xlsx" selected' in page.text
    assert 'name="from" value="2026-11-16"' in page.text


def test_a_name_that_is_nothing_says_so_and_asks_for_nothing(asking: Asking, desk: Desk) -> None:
    form = {"kind": "school", "id": "Trường Nơi Khác", "from": "2026-11-16", "to": "2026-11-20", "format": "pdf"}

    answer = asking.post("/reports", data=form)
    page = asking.get(answer.headers["location"].partition("#")[0])

    assert (answer.status_code, desk.jobs()) == (303, [])
    assert "Không thấy tên hay mã nào khớp với “Trường Nơi Khác”" in page.text


def test_a_report_in_the_background_is_asked_for_by_name(asking: Asking, desk: Desk) -> None:
    form = {"kind": "school", "id": "THCS Na Suong 3", "from": "2026-11-16", "to": "2026-11-20", "format": "pdf"}
    (only,) = report_choice.meant(known_of(desk), form["id"])

    answer = asking.post("/reports", data=form)

    assert answer.headers["location"] == "/reports#jobs"
    assert [job.ident for job in desk.jobs()] == [only.id]


def test_what_was_asked_for_is_listed_by_its_name(asking: Asking, desk: Desk) -> None:
    for kind, ident in (("league", "xa-1"), ("school", "t0"), ("isp", "VNPT"), ("line", "t1-1"), ("school", "gone")):
        desk.ask(Wanted(kind, ident, "2026-11-16", "2026-11-20", "pdf", "vi"))  # type: ignore[arg-type]

    page = " ".join(html.unescape(asking.get("/reports").text).split())

    for name in (
        "Bảng xếp hạng của địa bàn: Xã Nà Sương (PDF)",
        "Trường: Trường Tiểu học Suối Mây (PDF)",
        "Nhà mạng: VNPT (PDF)",
        "Phiếu đánh giá một đường truyền: Trường Tiểu học Nà Sương – Điểm trường chính",
        "Trường: gone (PDF)",
    ):
        assert name in page


def known_of(desk: Desk) -> list[Choice]:
    with desk.engine.connect() as connection:
        return report_choice.choices(connection, desk.plans, "school", "2026-11-20")


def test_old_areas_are_listed_by_the_day_that_is_asked(asking: Asking) -> None:
    page = asking.get("/reports?kind=area&to=2025-06-30&fresh=1&id=lc").text

    assert '<option value="c1">Xã Tân Lập, Huyện Bắc, Tỉnh Lào Cai</option>' in page
    assert 'name="to" value="2025-06-30"' in page
