"""Evidence packs are made in the background, tell how far they are, hold the report as PDF, and are fetched again."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from pypdf import PdfReader
from sqlalchemy import delete, update
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made
from tests.server.test_reports import CALENDAR, OFFICE, PLANS, Asking

from schoolbeat_server import evidence_paper, pack_making, report_jobs, schema
from schoolbeat_server.database import writing
from schoolbeat_server.report_facts import Refused
from schoolbeat_server.report_jobs import Desk, Wanted
from schoolbeat_server.web.app import create_app

IDENT = "lao-cai-2022-2025/T2"
BODY = {"kind": "evidence", "id": IDENT, "last_day": "2026-11-20"}
ADDRESS = f"/api/v1/evidence/{IDENT}.zip?last=2026-11-20"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return synthetic.make(tmp_path_factory.mktemp("packs") / "schoolbeat.db", 12)


@pytest.fixture
def desk(made: Made, tmp_path: Path) -> Iterator[Desk]:
    found = Desk(made.engine, made.ledger, PLANS, tmp_path / "reports", lambda: NOW_MS, lambda: CALENDAR, OFFICE)
    found.begin()
    yield found
    with writing(made.engine) as connection:
        connection.execute(delete(schema.report_job))


@pytest.fixture
def asking(made: Made, desk: Desk) -> Asking:
    return Asking(create_app(synthetic.context(made, calendar=lambda: CALENDAR, reports=desk)))


def text_of(pdf: bytes) -> str:
    pages = PdfReader(io.BytesIO(pdf)).pages
    return unicodedata.normalize("NFC", " ".join(" ".join(page.extract_text() for page in pages).split()))


def test_a_pack_is_asked_for_made_and_fetched_again(asking: Asking, desk: Desk) -> None:
    never = asking.get(ADDRESS)
    waiting = asking.post("/api/v1/report-jobs", json=BODY)
    early = asking.get(ADDRESS)

    assert desk.make_next()

    assert (never.status_code, early.status_code, early.headers["retry-after"]) == (404, 409, "5")
    assert 'POST /api/v1/report-jobs {"kind": "evidence"' in never.json()["detail"]
    told = waiting.json()
    assert (waiting.status_code, told["state"], told["first_day"], told["last_day"]) == (
        202,
        "waiting",
        "2026-11-14",
        "2026-11-20",
    )
    done = asking.get(f"/api/v1/report-jobs/{told['job']}").json()
    assert (done["state"], done["step"], done["steps"]) == ("done", 100, 100)
    assert done["name"] == "schoolbeat-lao-cai-2022-2025-T2-2026-11-20.zip"
    answers = [asking.get(done["file"]), asking.get(ADDRESS), asking.get(ADDRESS)]
    for answer in answers:
        assert hashlib.sha256(answer.content).hexdigest() == answer.headers["x-sha256"] == done["sha256"]
        assert len(answer.content) == done["bytes"]
        assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answers[0].content)) as pack:
        assert json.loads(pack.read("target.jsonl"))["target"] == "T2"


def test_the_pack_says_how_far_it_is(desk: Desk) -> None:
    desk.ask(desk.wanted_pack(IDENT, date(2026, 11, 20), "vi"))
    seen: list[int] = []
    tell = desk._tell

    def told(job: report_jobs.Job, **values: object) -> None:
        tell(job, **values)
        found = desk.job(job.id)
        assert found is not None
        seen.append(found.step)

    desk._tell = told  # type: ignore[method-assign]
    assert desk.make_next()

    assert seen == sorted(seen)
    assert (seen[0], seen[-1], 90 in seen) == (0, 100, True)


def test_its_paper_is_an_official_document_in_both_languages(asking: Asking, desk: Desk, tmp_path: Path) -> None:
    job = desk.ask(desk.wanted_pack(IDENT, date(2026, 11, 20), "vi"))
    assert desk.make_next()
    path = desk.file(desk.job(job.id))  # type: ignore[arg-type]
    assert path is not None

    with zipfile.ZipFile(path) as pack:
        vi, en = (text_of(pack.read(f"report/report.{language}.pdf")) for language in ("vi", "en"))
        quote = json.loads(pack.read("target.jsonl"))["quote"][0]
        units = [json.loads(line) for line in pack.read("units.jsonl").decode().splitlines()]
        pack.extractall(tmp_path / "pack")

    for said in ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "SỞ GIÁO DỤC VÀ ĐÀO TẠO", "Minh chứng chỉ tiêu T2", quote):
        assert " ".join(said.split()) in vi
    assert "từ 14/11/2026 đến 20/11/2026" in vi
    assert "Evidence for target T2" in en
    squeezed = vi.replace(" ", "")
    for unit in units:
        assert unit["name"].replace(" ", "") in squeezed
    code = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "recompute.py"], cwd=tmp_path / "pack", capture_output=True, check=False
    ).returncode
    assert code == 0


def test_the_same_data_gives_the_same_bytes_with_the_paper_too(desk: Desk) -> None:
    digests = []
    for _ in range(2):
        job = desk.ask(desk.wanted_pack(IDENT, date(2026, 11, 20), "vi"))
        assert desk.make_next()
        done = desk.job(job.id)
        assert done is not None
        digests.append(done.sha256)

    assert digests[0] == digests[1] != ""


def test_a_pack_without_the_paper_extra_says_so_inside(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child process finds no weasyprint, as where the extra is not installed."""
    blocked = "import sys; sys.modules['weasyprint'] = None; import schoolbeat_server.paper_child as one; one.main()"
    real = subprocess.run

    def without(command: list[str], **given: object) -> object:
        return real([sys.executable, "-c", blocked], **given)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", without)
    job = desk.ask(desk.wanted_pack(IDENT, date(2026, 11, 20), "vi"))
    assert desk.make_next()

    path = desk.file(desk.job(job.id))  # type: ignore[arg-type]
    assert path is not None
    with zipfile.ZipFile(path) as pack:
        names = [name for name in pack.namelist() if name.startswith("report/")]
        told = pack.read(f"report/{evidence_paper.MISSING}").decode()
    assert sorted(names) == ["report/NO-PDF.txt", "report/report.en.txt", "report/report.vi.txt"]
    assert "schoolbeat[paper]" in told


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/api/v1/evidence/no/T1.zip?last=2026-11-20", 404, "not judged here"),
        ("/api/v1/evidence/lao-cai-2022-2025/T1.zip?last=2026-11-21", 422, "the day 2026-11-21 is not over"),
        ("/api/v1/evidence/lao-cai-2022-2025/T1.zip?last=soon", 422, "last"),
    ],
)
def test_a_pack_that_cannot_be_made_says_why(asking: Asking, address: str, status: int, said: str) -> None:
    answer = asking.get(address)

    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"id": "lao-cai-2022-2025/T99"}, 404, "not judged here"),
        ({"last_day": "2026-11-21"}, 400, "not over"),
        ({"kind": "area", "id": "lc"}, 400, "a report needs the first day"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_at_once(
    asking: Asking, change: dict[str, str], status: int, said: str
) -> None:
    answer = asking.post("/api/v1/report-jobs", json=BODY | change)

    assert (answer.status_code, said in answer.text) == (status, True), answer.text


def test_the_page_of_a_target_asks_by_a_button(asking: Asking, desk: Desk) -> None:
    page = asking.get(f"/plans/{IDENT}").text
    form = {"kind": "evidence", "id": IDENT, "to": "2026-11-20"}

    answer = asking.post("/reports", data=form, headers={"Origin": "http://127.0.0.1:8080"})

    for name, value in form.items():
        assert f'<input type="hidden" name="{name}" value="{value}">' in page
    assert (answer.status_code, answer.headers["location"]) == (303, "/reports#jobs")
    assert [(job.kind, job.ident, job.state) for job in desk.jobs()] == [("evidence", IDENT, "waiting")]
    assert "Gói minh chứng của một chỉ tiêu: T2: Điểm trường" in asking.get("/reports").text


def test_large_files_go_before_their_time_but_never_the_newest(
    made: Made, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = []
    for day in ("2026-11-18", "2026-11-19", "2026-11-20"):
        ids.append(desk.ask(Wanted("school", "t0", "2026-11-16", day, "json", "vi")).id)
        assert desk.make_next()
    monkeypatch.setattr(report_jobs, "MOST_KEPT_BYTES", 100)
    with writing(made.engine) as connection:
        for ident, size in zip(ids, (50, 60, 10**9), strict=True):
            connection.execute(update(schema.report_job).where(schema.report_job.c.id == ident).values(bytes=size))

    desk.delete_old()

    assert [job.id for job in desk.jobs()] == [ids[2], ids[1]]
    assert {path.name for path in desk.folder.iterdir()} == {f"{ids[1]}.json", f"{ids[2]}.json"}


def test_a_pack_that_fails_leaves_no_half_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise Refused("hỏng", "broken")

    desk.ask(desk.wanted_pack(IDENT, date(2026, 11, 20), "vi"))
    monkeypatch.setattr(pack_making, "write_pack", broken)
    assert desk.make_next()
    desk.delete_old()

    assert [(job.state, job.error_en) for job in desk.jobs()] == [("failed", "broken")]
    assert list(desk.folder.iterdir()) == []
    assert desk.pack_of(IDENT, date(2026, 11, 20)) is None
