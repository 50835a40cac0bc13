"""Inspections: entered once, answered by additions, frozen with a digest, and counted."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update
from tests.server import synthetic
from tests.server.test_verdicts import END, PLAN, TARGET, evidence, site_facts
from tests.server.test_web import text_of

from schoolbeat_server import schema
from schoolbeat_server.cli import main
from schoolbeat_server.database import writing
from schoolbeat_server.inspection_making import canonical
from schoolbeat_server.inspections import Inspected, read_inspected
from schoolbeat_server.register import School
from schoolbeat_server.school_calendar import date_of, day_of, first_minute_of
from schoolbeat_server.targets import Condition, Filter, Target
from schoolbeat_server.verdicts import Verdict, judge
from schoolbeat_server.web.app import create_app

# ---- as a target -------------------------------------------------------------------------------------------

YEAR_END = first_minute_of(day_of(END))  # a local midnight
DIGITAL = replace(
    TARGET,
    unit="inspection",
    conditions=(Condition("inspection.digital", ""),),
    share=Fraction(1, 2),
    window_days=365,
)


def held(ident: int, kind: str = "digital", days_ago: int = 10, school: str = "school") -> Inspected:
    day = date_of(day_of(YEAR_END) - days_ago)
    digest = b"\x07" * 32 if kind == "digital" else None
    return Inspected(ident, school, "", kind, day, digest)  # type: ignore[arg-type]


def judged(*inspections: Inspected, target: Target = DIGITAL) -> Verdict:
    found = evidence(site_facts("s", silent=True), days=365)
    window = found.window._replace(first_minute=YEAR_END - 365 * 1_440, end_minute=YEAR_END)
    schools = {**found.schools, "tinh": School("tinh", "Trường tỉnh", "xa", "", "province")}
    return judge(
        replace(PLAN, targets=(target,)),
        target,
        replace(found, window=window, inspections=inspections, schools=schools),
    )


def numbers(found: Verdict) -> tuple[str, int, int, int]:
    return found.status, found.met, found.missed, found.unknown


def test_half_of_the_inspections_held_digitally_meets_a_half_even_of_a_school_that_never_reported() -> None:
    found = judged(held(1), held(2, "on_site"))

    assert numbers(found) == ("met", 1, 1, 0)
    assert [(one.id, one.name, one.school, one.status, one.grade) for one in found.units] == [
        ("inspection-2", f"Trường school, {date_of(day_of(YEAR_END) - 10):%d/%m/%Y}", "school", "missed", "declared"),
        ("inspection-1", f"Trường school, {date_of(day_of(YEAR_END) - 10):%d/%m/%Y}", "school", "met", "observed"),
    ]
    assert "07" * 32 in found.units[1].reasons[0].vi


def test_most_of_them_held_on_site_misses_a_half() -> None:
    assert numbers(judged(held(1), held(2, "on_site"), held(3, "on_site"))) == ("missed", 1, 2, 0)


def test_without_any_inspection_the_target_does_not_apply() -> None:
    assert numbers(judged()) == ("not_applicable", 0, 0, 0)


def test_a_year_counts_each_inspection_of_its_365_days_and_none_besides() -> None:
    first, before, today = held(1, days_ago=365), held(2, days_ago=366), held(3, days_ago=0)

    assert [one.id for one in judged(first, before, today).units] == ["inspection-1"]


def test_the_filter_of_a_target_is_on_the_inspected_schools() -> None:
    target = replace(DIGITAL, filter=Filter(managers=("province",)))

    found = judged(held(1), held(2, school="tinh"), target=target)

    assert [one.id for one in found.units] == ["inspection-2"]


def test_one_of_a_school_that_the_register_does_not_have_is_not_counted() -> None:
    assert numbers(judged(held(1, school="nowhere"))) == ("not_applicable", 0, 0, 0)


# ---- entered, answered, frozen -----------------------------------------------------------------------------


class Web:
    """The pages and the API over a small made-up province, in this process."""

    def __init__(self, folder: Path) -> None:
        self.made = synthetic.make(folder / "schoolbeat.db", 8)
        self.app = create_app(synthetic.context(self.made))

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                if isinstance(body, bytes):
                    return await client.request(method, address, content=body, headers=headers)
                return await client.request(method, address, json=body, headers=headers)

        return asyncio.run(ask())

    def school_of(self, site: str) -> str:
        with self.made.engine.connect() as connection:
            return str(connection.scalar(select(schema.site.c.school).where(schema.site.c.id == site)))


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Web:
    return Web(tmp_path_factory.mktemp("inspections"))


def entry(web: Web, **changes: str) -> dict[str, str]:
    return {
        "school": web.school_of(web.made.down),
        "kind": "digital",
        "inspector": "Phòng Giáo dục phổ thông",
        "scope": "Hạ tầng mạng & phòng học",
    } | changes


def test_a_digital_inspection_freezes_what_the_pages_say_with_its_digest(web: Web) -> None:
    made = web.ask("POST", "/api/v1/inspections", entry(web))

    assert made.status_code == 201, made.text
    one = made.json()
    frozen = web.ask("GET", f"/api/v1/inspections/{one['id']}/snapshot.json")
    seen = json.loads(frozen.content)
    assert sha256(frozen.content).hexdigest() == one["snapshot_sha256"]
    assert canonical(seen) == frozen.content
    assert (one["state"], one["held_on"], one["who"]) == ("open", "2026-11-21", "api")
    assert seen["taken_ms"] == synthetic.NOW_MS
    (site,) = [one for one in seen["sites"] if one["id"] == web.made.down]
    listed = web.ask("GET", "/api/v1/sites").json()["sites"]
    assert [site["state"]] == [one["state"] for one in listed if one["id"] == web.made.down] == ["down"]
    assert site["signals"]["line.internet"] == "down"
    said = {(v["plan"], v["target"], u["id"]): u["status"] for v in seen["verdicts"] for u in v["units"]}
    expected = {
        (v.plan.id, v.target.id, unit.id): unit.status
        for v in web.app.state.context.verdicts()
        for unit in v.units
        if unit.school == one["school"]
    }
    assert said == expected != {}


def test_what_is_said_later_is_added_and_changes_nothing_said_before(web: Web) -> None:
    first = web.ask("POST", "/api/v1/inspections", entry(web)).json()
    words = f"/api/v1/inspections/{first['id']}/words"

    states = [
        web.ask("POST", words, {"kind": kind, "author": "Trường", "text": f"<b>{kind}</b>"}).json()["state"]
        for kind in ("finding", "reply", "closed")
    ]

    assert states == ["open", "replied", "closed"]
    after = web.ask("GET", f"/api/v1/inspections/{first['id']}").json()
    assert {**after, "words": [], "state": "open"} == first
    assert [(word["kind"], word["text"]) for word in after["words"]] == [
        ("finding", "<b>finding</b>"),
        ("reply", "<b>reply</b>"),
        ("closed", "<b>closed</b>"),
    ]
    refused = web.ask("POST", words, {"kind": "reply", "author": "Trường", "text": "muộn"})
    assert (refused.status_code, "is over" in refused.text) == (422, True)
    page = web.ask("GET", f"/inspections/{first['id']}").text
    assert "&lt;b&gt;reply&lt;/b&gt;" in page
    assert first["snapshot_sha256"] in page


def test_one_that_is_withdrawn_is_kept_and_not_counted(web: Web) -> None:
    one = web.ask("POST", "/api/v1/inspections", entry(web, kind="on_site", held_on="2026-10-01")).json()
    with web.made.engine.connect() as connection:
        before = [row.id for row in read_inspected(connection)]

    said = {"kind": "withdrawn", "author": "Sở", "text": "ghi nhầm trường"}
    web.ask("POST", f"/api/v1/inspections/{one['id']}/words", said)

    with web.made.engine.connect() as connection:
        assert [row.id for row in read_inspected(connection)] == [ident for ident in before if ident != one["id"]]
    assert one["id"] in before
    assert one["snapshot_sha256"] is None
    assert web.ask("GET", f"/api/v1/inspections/{one['id']}/snapshot.json").status_code == 404
    assert web.ask("GET", f"/inspections/{one['id']}").status_code == 200


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"school": "nowhere"}, "school = 'nowhere'"),
        ({"site": "nowhere"}, "site = 'nowhere'"),
        ({"held_on": "2026-11-20"}, "is entered on its day (2026-11-21)"),
        ({"kind": "on_site", "held_on": "2026-11-22"}, "to today, 2026-11-21"),
        ({"kind": "on_site", "held_on": "20/11/2026"}, "must be like 2026-09-05"),
        ({"inspector": "  "}, "inspector: must not be empty"),
        ({"inspector": "a\nb"}, "inspector = 'a\\\\nb'"),
        ({"scope": "x\x00"}, "control characters"),
        ({"scope": "x" * 2_001}, "2001 characters, at most 2000"),
        ({"kind": "by_phone"}, "kind"),
        ({"state": "closed"}, "state"),
    ],
)
def test_what_cannot_be_is_refused_with_its_reason_and_nothing_is_stored(
    web: Web, changes: dict[str, str], told: str
) -> None:
    before = web.ask("GET", "/api/v1/inspections").json()

    answer = web.ask("POST", "/api/v1/inspections", entry(web, **changes))

    assert (answer.status_code, told in answer.text) == (422, True), answer.text
    assert web.ask("GET", "/api/v1/inspections").json() == before


def test_a_snapshots_devices_are_called_by_name_and_those_that_do_not_answer_come_first(web: Web) -> None:
    one = web.ask("POST", "/api/v1/inspections", entry(web) | {"school": web.made.faulty}).json()

    told = text_of(web.ask("GET", f"/inspections/{one['id']}").text)

    assert "Đoạn gián đoạn đang mở: Bộ phát Wi-Fi dãy 1 (từ " in told
    assert "Không trả lời (1): Bộ phát Wi-Fi dãy 1 Chưa rõ (8): Bảng tương tác phòng 1, " in told
    assert "device.ap-1" not in told


def test_a_form_of_another_site_cannot_enter_one(web: Web) -> None:
    """A browser sends text/plain elsewhere without asking; JSON it asks for first, and nobody answers it."""
    before = len(web.ask("GET", "/api/v1/inspections").json())

    plain = web.ask("POST", "/api/v1/inspections", json.dumps(entry(web)).encode(), **{"Content-Type": "text/plain"})

    assert plain.status_code == 422
    assert len(web.ask("GET", "/api/v1/inspections").json()) == before


def test_a_snapshot_that_was_altered_is_not_shown_as_one(tmp_path: Path) -> None:
    web = Web(tmp_path)
    one = web.ask("POST", "/api/v1/inspections", entry(web)).json()
    with writing(web.made.engine) as connection:
        connection.execute(update(schema.inspection).values(snapshot=zlib.compress(b'{"taken_ms":0}')))

    page = web.ask("GET", f"/inspections/{one['id']}").text

    assert "KHÔNG còn khớp mã SHA-256" in page
    assert web.ask("GET", f"/api/v1/inspections/{one['id']}/snapshot.json").status_code == 500


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_list_names_each_with_school_and_state(web: Web, language: str) -> None:
    one = web.ask("POST", "/api/v1/inspections", entry(web)).json()

    page = web.ask("GET", f"/inspections?lang={language}").text

    assert f'<a href="/inspections/{one["id"]}">' in page
    assert ("chờ ý kiến của trường" if language == "vi" else "waits for the school&#39;s reply") in page


def test_the_commands_enter_answer_and_show_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    made = synthetic.make(folder / "schoolbeat.db", 5)
    settings = tmp_path / "server.toml"
    settings.write_text(f'folder = "{folder}"\n')
    with made.engine.connect() as connection:
        school = connection.scalar(select(schema.site.c.school).where(schema.site.c.id == made.down))
    command = ["--settings", str(settings), "--lang", "en", "inspection"]

    codes = [
        main([*command, "add", str(school), "--inspector", "Sở GD&ĐT", "--scope", "mạng"]),
        main([*command, "say", "1", "reply", "--author", "Trường", "--text", "đã sửa"]),
        main([*command, "show", "1", "--snapshot", str(tmp_path / "s.json")]),
        main([*command, "say", "9", "reply", "--author", "Trường", "--text", "đã sửa"]),
    ]

    shown = capsys.readouterr()
    assert codes == [0, 0, 0, 1]
    assert "State: the school has replied" in shown.out
    assert sha256((tmp_path / "s.json").read_bytes()).hexdigest() in shown.out
    assert shown.err == "there is no inspection 9\n"
