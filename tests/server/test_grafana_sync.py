"""`schoolbeat-server grafana sync`: run as the command, against FakeGrafana. It was never run against a real Grafana."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.server.fake_grafana import TOKEN, FakeGrafana, fake_grafana

from schoolbeat_server import grafana_api
from schoolbeat_server.cli import main

REGISTER = """
areas:
  - {id: lc, name: Tỉnh Lào Cai, kind: tỉnh}
  - {id: x1, name: Xã Một, kind: xã, parent: lc}
  - {id: x2, name: Xã Hai, kind: xã, parent: lc}
  - {id: x3, name: Xã chưa có trường, kind: xã, parent: lc}
schools:
  - {id: "001", name: "Trường A, điểm", area: x1}
  - {id: "002", name: Trường B, area: x2}
  - {id: "003", name: Trường C, area: x2}
sites:
  - {id: a-1, school: "001", name: Chính, kind: chính}
lines:
  - {id: l1, site: a-1, technology: cáp quang, contract_down_mbps: 100}
"""


def dashboard(uid: str, *asks: str, links: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    variables = [
        {"name": "area", "type": "query", "query": "areas of the province"},
        {"name": "school", "type": "query", "query": {"query": "schools of '$area'"}},
        {"name": "site", "type": "query", "definition": "sites of ${school:regex}", "query": ""},
    ]
    targets = [{"refId": chr(65 + at), "query": ask} for at, ask in enumerate(asks)]
    return {
        "id": None,
        "uid": uid,
        "title": f"Bảng {uid}",
        "tags": ["schoolbeat"],
        "version": 1,
        "links": links or [],
        "templating": {"list": variables},
        "panels": [{"id": 1, "type": "row", "panels": [{"id": 2, "title": "$school", "targets": targets}]}],
    }


class Desk:
    def __init__(self, folder: Path, grafana: FakeGrafana, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.grafana, self.capsys = folder, grafana, capsys
        (folder / "token").write_text(TOKEN + "\n")
        (folder / "boards").mkdir()
        self.put("school", dashboard("sb-school-vi", "x where site = '$site'"))
        self.settings("school")
        self.load(REGISTER)

    def put(self, name: str, value: dict[str, Any]) -> None:
        (self.folder / "boards" / f"{name}.json").write_text(json.dumps(value))

    def settings(self, by: str, url: str = "", more: str = "") -> None:
        (self.folder / "server.toml").write_text(
            f'folder = "{self.folder}/data"\n[grafana]\nurl = "{url or self.grafana.url}"\n'
            f'token_file = "{self.folder}/token"\nby = "{by}"\n' + (more or f'dashboards = "{self.folder}/boards"\n')
        )

    def load(self, register: str) -> None:
        (self.folder / "register.yaml").write_text(register)
        assert (
            main(
                ["--settings", str(self.folder / "server.toml"), "register", "load", str(self.folder / "register.yaml")]
            )
            == 0
        )
        self.capsys.readouterr()

    def sync(self, *words: str) -> tuple[int, list[str], str]:
        language = [word for word in words if word.startswith("--lang=")]
        rest = [word for word in words if word not in language]
        code = main(["--settings", str(self.folder / "server.toml"), *language, "grafana", "sync", *rest])
        said = self.capsys.readouterr()
        return code, said.out.splitlines(), said.err


@pytest.fixture
def grafana() -> Iterator[FakeGrafana]:
    with fake_grafana() as fake:
        yield fake


@pytest.fixture
def desk(tmp_path: Path, grafana: FakeGrafana, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, grafana, capsys)


def team_of(grafana: FakeGrafana, name: str) -> int:
    (found,) = (number for number, team in grafana.teams.items() if team["name"] == name)
    return found


def test_each_school_has_a_folder_that_its_team_alone_may_view(desk: Desk) -> None:
    code, lines, _ = desk.sync()

    assert code == 0
    assert {uid: one["title"] for uid, one in desk.grafana.folders.items()} == {
        "sb-school-001": "Trường A, điểm (001)",
        "sb-school-002": "Trường B (002)",
        "sb-school-003": "Trường C (003)",
    }
    assert [desk.grafana.viewers(uid) for uid in sorted(desk.grafana.folders)] == [
        ["SchoolBeat trường: Trường A, điểm (001)"],
        ["SchoolBeat trường: Trường B (002)"],
        ["SchoolBeat trường: Trường C (003)"],
    ]
    team = team_of(desk.grafana, "SchoolBeat trường: Trường B (002)")
    assert desk.grafana.permissions["sb-school-002"] == [{"teamId": team, "permission": 1}]
    assert lines[:4] == [
        "tạo       nhóm       SchoolBeat trường: Trường A, điểm (001)",
        "tạo       thư mục    Trường A, điểm (001)",
        "đặt       quyền xem  Trường A, điểm (001)",
        "tạo       bảng       Bảng sb-school-vi · Trường A, điểm",
    ]
    assert lines[-1] == "Đã làm 12 việc, 0 việc đã đúng, 0 điều cần lưu ý, 0 việc không xong."


def test_a_copy_shows_its_school_and_no_other(desk: Desk) -> None:
    desk.sync()

    (copy,) = (one["dashboard"] for one in desk.grafana.dashboards.values() if one["folderUid"] == "sb-school-001")
    variables = {one["name"]: one for one in copy["templating"]["list"]}
    option = {"text": "Trường A, điểm", "value": "001", "selected": True}
    assert variables["school"] == {
        "name": "school",
        "type": "custom",
        "query": "Trường A\\, điểm : 001",
        "current": {"text": ["Trường A, điểm"], "value": ["001"], "selected": True},
        "options": [option],
        "hide": 2,
        "includeAll": False,
        "multi": True,
        "skipUrlSync": True,
    }
    assert variables["area"]["current"] == {"text": ["Xã Một"], "value": ["x1"], "selected": True}
    assert variables["site"]["type"] == "query"
    assert copy["title"] == "Bảng sb-school-vi · Trường A, điểm"


def test_a_second_run_changes_nothing(desk: Desk) -> None:
    desk.sync()
    desk.grafana.asked.clear()

    code, lines, _ = desk.sync()

    assert (code, lines) == (0, ["Đã làm 0 việc, 12 việc đã đúng, 0 điều cần lưu ý, 0 việc không xong."])
    assert desk.grafana.changes == []


@pytest.mark.parametrize("settings", [{"page": 2}, {"ids_in_search": False}, {"version": "9.4.7"}, {"version": ""}])
def test_it_is_the_same_with_small_pages_and_with_other_versions(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_grafana(**settings) as grafana:
        desk = Desk(tmp_path, grafana, capsys)

        first, _, _ = desk.sync()
        again, lines, _ = desk.sync()

    assert (first, again) == (0, 0)
    assert lines == ["Đã làm 0 việc, 12 việc đã đúng, 0 điều cần lưu ý, 0 việc không xong."]
    assert len(grafana.folders) == len(grafana.teams) == len(grafana.dashboards) == 3


def test_a_dry_run_says_what_would_be_done_and_does_nothing(desk: Desk) -> None:
    code, dry, _ = desk.sync("--dry-run")

    assert (code, desk.grafana.changes) == (0, [])
    assert dry[-1] == "Thử: sẽ làm 12 việc, 0 việc đã đúng, 0 điều cần lưu ý. Chưa đổi gì trong Grafana."
    _, wet, _ = desk.sync()
    assert dry[:-1] == wet[:-1]


def test_by_commune_only_communes_with_schools_have_a_folder(desk: Desk) -> None:
    desk.settings("commune")

    code, _, _ = desk.sync()

    assert code == 0
    assert sorted(desk.grafana.folders) == ["sb-commune-x1", "sb-commune-x2"]
    (copy,) = (one["dashboard"] for one in desk.grafana.dashboards.values() if one["folderUid"] == "sb-commune-x2")
    variables = {one["name"]: one for one in copy["templating"]["list"]}
    assert (variables["area"]["current"]["value"], variables["school"]["type"]) == (["x2"], "query")


def test_a_dashboard_that_asks_beyond_the_school_is_not_copied(desk: Desk) -> None:
    desk.put("province", dashboard("sb-province-vi", "x where site = '$site'", "all lines of the province"))
    desk.put("server", dashboard("sb-server-vi", "x where agent = '$server'"))
    wide = dashboard("sb-wide-vi", "x where site =~ '$site'")
    wide["templating"]["list"][2] |= {"includeAll": True, "allValue": ".*"}
    desk.put("wide", wide)
    both = dashboard("sb-both-vi", "x where school =~ '$school' and site =~ '$site'")
    both["templating"]["list"] = [one | {"includeAll": True, "allValue": ".*"} for one in both["templating"]["list"]]
    desk.put("both", both)
    desk.put("area", dashboard("sb-area-vi", "x where area =~ '$area'"))

    desk.sync()

    titles = {one["dashboard"]["title"].split(" · ")[0] for one in desk.grafana.dashboards.values()}
    assert titles == {"Bảng sb-school-vi", "Bảng sb-both-vi"}


def test_links_lead_to_the_copies_and_never_to_the_whole_province(desk: Desk) -> None:
    links = [
        {"title": "phòng", "type": "link", "url": "/d/sb-rooms-vi?var-school=$school"},
        {"title": "tỉnh", "type": "link", "url": "/d/sb-province-vi"},
        {"title": "mọi bảng", "type": "dashboards", "tags": ["schoolbeat"], "url": ""},
        {"title": "trang", "type": "link", "url": "$server/school/$school"},
    ]
    desk.put("school", dashboard("sb-school-vi", "x where '$site'", links=links))
    desk.put("rooms", dashboard("sb-rooms-vi", "y where '$site'"))

    desk.sync()

    here = {
        one["dashboard"]["title"].split(" · ")[0]: one["dashboard"]
        for one in desk.grafana.dashboards.values()
        if one["folderUid"] == "sb-school-001"
    }
    rooms = here["Bảng sb-rooms-vi"]["uid"]
    assert [(one["title"], one["url"], one.get("tags")) for one in here["Bảng sb-school-vi"]["links"]] == [
        ("phòng", f"/d/{rooms}?var-school=$school", None),
        ("mọi bảng", "", ["sb-school-001"]),
        ("trang", "$server/school/$school", None),
    ]
    assert all("sb-school-001" in one["tags"] for one in here.values())


def test_renamed_and_moved_schools_keep_folder_team_and_members(desk: Desk) -> None:
    desk.sync()
    team = team_of(desk.grafana, "SchoolBeat trường: Trường B (002)")
    desk.grafana.teams[team] |= {"email": "b@truong.example", "memberCount": 3}
    desk.load(REGISTER.replace("Trường B", "Trường B mới"))

    code, lines, _ = desk.sync()

    assert code == 0
    assert lines == [
        "đổi tên   nhóm       SchoolBeat trường: Trường B mới (002)",
        "đổi tên   thư mục    Trường B mới (002)",
        "cập nhật  bảng       Bảng sb-school-vi · Trường B mới",
        "Đã làm 3 việc, 9 việc đã đúng, 0 điều cần lưu ý, 0 việc không xong.",
    ]
    assert desk.grafana.teams[team] == {
        "id": team,
        "name": "SchoolBeat trường: Trường B mới (002)",
        "email": "b@truong.example",
        "memberCount": 3,
    }
    assert desk.grafana.folders["sb-school-002"]["title"] == "Trường B mới (002)"


def test_rights_given_to_everybody_are_taken_back_and_those_given_by_hand_stay(desk: Desk) -> None:
    desk.sync()
    team = team_of(desk.grafana, "SchoolBeat trường: Trường A, điểm (001)")
    desk.grafana.permissions["sb-school-001"] = [
        {"role": "Viewer", "permission": 1},
        {"teamId": team, "permission": 2},
        {"userId": 7, "permission": 4},
    ]

    _, lines, _ = desk.sync()

    assert lines[0] == "đặt       quyền xem  Trường A, điểm (001)"
    assert desk.grafana.permissions["sb-school-001"] == [
        {"teamId": team, "permission": 1},
        {"userId": 7, "permission": 4},
    ]


def test_what_it_cannot_close_itself_is_said(desk: Desk) -> None:
    desk.grafana.add_folder("schoolbeat-vi", "SchoolBeat")
    desk.sync()
    desk.grafana.inherited["sb-school-003"] = [{"role": "Viewer", "permission": 1, "inherited": True}]

    _, lines, _ = desk.sync()

    assert [line.split(":")[0] for line in lines[:-1]] == [
        "lưu ý     quyền xem  Trường C (003)",
        "lưu ý     quyền xem  SchoolBeat",
    ]
    assert desk.grafana.viewers("schoolbeat-vi") == ["Editor", "Viewer"]


def test_only_what_it_made_is_touched(desk: Desk) -> None:
    desk.grafana.add_folder("ops", "Trường A, điểm")
    desk.grafana.add_dashboard("mine", "Bảng của tôi", "ops", "schoolbeat")
    desk.grafana.teams[5] = {"id": 5, "name": "SchoolBeat trường 001", "email": "", "memberCount": 1}
    before = json.dumps([desk.grafana.folders["ops"], desk.grafana.permissions["ops"], desk.grafana.dashboards["mine"]])
    desk.sync()

    desk.sync("--prune")

    after = json.dumps([desk.grafana.folders["ops"], desk.grafana.permissions["ops"], desk.grafana.dashboards["mine"]])
    assert (after, desk.grafana.teams[5]["name"]) == (before, "SchoolBeat trường 001")


def test_a_dashboard_with_our_uid_that_is_not_ours_is_left_and_named(desk: Desk) -> None:
    desk.sync()
    uid = next(uid for uid, one in desk.grafana.dashboards.items() if one["folderUid"] == "sb-school-001")
    desk.grafana.dashboards[uid]["dashboard"]["tags"] = []

    code, lines, _ = desk.sync()

    assert code == 1
    assert lines[0].startswith("tạo       bảng       Bảng sb-school-vi · Trường A, điểm — KHÔNG XONG: ")
    assert uid in lines[0]
    assert desk.grafana.dashboards[uid]["dashboard"]["version"] == 1


def test_schools_that_are_gone_are_noted_and_pruned_when_asked(desk: Desk) -> None:
    desk.sync()
    desk.settings("commune")
    _, noted, _ = desk.sync()
    assert next(line for line in noted if line.startswith("lưu ý")).startswith("lưu ý     bảng ")
    desk.grafana.add_dashboard("guest", "Bảng khách", "sb-school-002")

    code, lines, _ = desk.sync("--prune")

    assert code == 1
    (left,) = (line for line in lines if "KHÔNG XONG" in line)
    assert left.startswith("xóa       thư mục    Trường B (002) — KHÔNG XONG: Grafana từ chối (409): ")
    assert "Bảng khách" in left
    assert sorted(desk.grafana.folders) == ["sb-commune-x1", "sb-commune-x2", "sb-school-002"]
    assert sorted(desk.grafana.dashboards)[0] == "guest"
    assert [team["name"] for team in desk.grafana.teams.values()] == [
        "SchoolBeat xã: Xã Một (x1)",
        "SchoolBeat xã: Xã Hai (x2)",
    ]


def test_a_folder_that_was_deleted_but_is_still_shown_by_the_search_is_made_again(desk: Desk) -> None:
    desk.sync()
    shown = json.dumps([{"uid": uid, "title": one["title"]} for uid, one in desk.grafana.folders.items()]).encode()
    del desk.grafana.folders["sb-school-002"], desk.grafana.permissions["sb-school-002"]
    desk.grafana.fault("GET", "/api/search", 200).body = shown
    desk.grafana.fault("GET", "/api/search", 200).body = b"[]"

    code, lines, _ = desk.sync()

    assert (code, lines[0]) == (0, "tạo       thư mục    Trường B (002)")
    assert sorted(desk.grafana.folders) == ["sb-school-001", "sb-school-002", "sb-school-003"]


def test_rows_are_told_in_english_too(desk: Desk) -> None:
    code, lines, _ = desk.sync("--dry-run", "--lang=en")

    assert code == 0
    assert lines[:4] == [
        "create    team       SchoolBeat trường: Trường A, điểm (001)",
        "create    folder     Trường A, điểm (001)",
        "set       rights     Trường A, điểm (001)",
        "create    dashboard  Bảng sb-school-vi · Trường A, điểm",
    ]
    assert lines[-1] == "Dry run: 12 to be done, 0 as they should be, 0 to note. Grafana was not changed."


def test_what_a_search_does_not_show_yet_is_found_when_it_is_made(desk: Desk) -> None:
    desk.sync()
    before = desk.grafana.dashboards.copy(), desk.grafana.folders.copy(), desk.grafana.teams.copy()
    desk.grafana.fault("GET", "/api/search", 200, times=2).body = b"[]"
    desk.grafana.fault("GET", "/api/teams/search", 200).body = b'{"totalCount":0,"teams":[]}'

    code, lines, _ = desk.sync()

    assert (code, lines[-1]) == (0, "Đã làm 12 việc, 0 việc đã đúng, 0 điều cần lưu ý, 0 việc không xong.")
    after = desk.grafana.dashboards, desk.grafana.folders, desk.grafana.teams
    assert [list(one) for one in after] == [list(one) for one in before]


# ---- what goes wrong ---------------------------------------------------------------------------------------


def test_a_change_by_somebody_else_in_between_is_read_again(desk: Desk) -> None:
    desk.sync()
    desk.load(REGISTER.replace("Trường B", "Trường B mới"))
    body = json.dumps({"message": "changed by someone else", "status": "version-mismatch"}).encode()
    desk.grafana.fault("PUT", "/api/folders/", 412).body = body
    desk.grafana.fault("POST", "/api/dashboards/db", 412).body = body

    code, _, _ = desk.sync()

    assert code == 0
    assert desk.grafana.folders["sb-school-002"]["title"] == "Trường B mới (002)"


def test_a_run_that_did_not_hear_the_answer_is_taken_up_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grafana_api, "TIMEOUT", grafana_api.httpx.Timeout(0.5))
    for path in ("/api/teams", "/api/folders"):
        hang = desk.grafana.fault("POST", path, 200)
        hang.after, hang.hang_seconds = True, 1.5
        code, _, err = desk.sync()
        assert (code, f"{path}: Grafana không trả lời trong 0 giây" in err) == (1, True)

    code, _, _ = desk.sync()

    assert code == 0
    assert len(desk.grafana.folders) == len(desk.grafana.teams) == 3


def test_one_refusal_leaves_the_other_schools(desk: Desk) -> None:
    desk.grafana.fault("POST", "/api/folders/sb-school-002/permissions", 500, "Failed to create permission")

    code, lines, _ = desk.sync()

    assert code == 1
    assert [line for line in lines if "KHÔNG XONG" in line] == [
        "đặt       quyền xem  Trường B (002) — KHÔNG XONG: Grafana từ chối (500): Failed to create permission",
        "tạo       bảng       Bảng sb-school-vi · Trường B — KHÔNG XONG: bỏ qua vì bước trước không xong",
    ]
    assert {one["folderUid"] for one in desk.grafana.dashboards.values()} == {"sb-school-001", "sb-school-003"}
    assert desk.sync()[0] == 0


def test_many_refusals_in_a_row_end_the_run(desk: Desk) -> None:
    desk.grafana.fault("POST", "/api/", 500, "database is locked", times=99)

    code, lines, err = desk.sync()

    assert code == 1
    assert len(desk.grafana.changes) == 3  # each school's first step; what builds on it is not tried
    assert "không xong" in lines[-1]
    assert err == ""


@pytest.mark.parametrize(
    ("status", "headers", "body", "said"),
    [
        (401, {}, b'{"message":"Expired glsa_thu key"}', "Grafana không nhận token (401: Expired … key)"),
        (
            403,
            {},
            b'{"message":"Access denied"}',
            "token không đủ quyền (403: Access denied): tài khoản dịch vụ cần vai trò Admin",
        ),
        (404, {"Content-Type": "text/html"}, b"<html>", "câu trả lời (404) không phải của API Grafana"),
        (200, {"Content-Type": "text/html"}, b"<html>Log in", "câu trả lời (200) không phải của API Grafana"),
        (200, {}, b"[1, 2", "câu trả lời (200) không phải của API Grafana"),
        (200, {}, b"[" * 100_000, "câu trả lời (200) không phải của API Grafana"),
        (200, {}, b'["x"]', "câu trả lời (200) không phải của API Grafana"),
        (
            302,
            {"Location": "https://g.example/login?token=x"},
            b"",
            "Grafana chuyển sang https://g.example: ghi đúng địa chỉ ấy",
        ),
        (500, {}, b'{"message":"database is locked"}', "Grafana từ chối (500): database is locked"),
        (503, {"Content-Type": "text/plain"}, b"busy", "câu trả lời (503) không phải của API Grafana"),
    ],
)
def test_what_grafana_says_wrong_is_said_plainly(
    desk: Desk, status: int, headers: dict[str, str], body: bytes, said: str
) -> None:
    desk.grafana.fault("GET", "/api/search", status, **headers).body = body

    code, lines, err = desk.sync()

    assert (code, lines) == (1, [])
    assert said in err
    assert TOKEN not in err
    assert desk.grafana.changes == []


def test_a_wrong_token_is_named_by_where_it_stands(desk: Desk) -> None:
    for token, said in (
        ("glsa_cu", "Grafana không nhận token (401: Invalid API key)"),
        ("glsa_cũ", "không phải token"),
    ):
        (desk.folder / "token").write_text(token)

        code, _, err = desk.sync()

        assert (code, said in err, "grafana.token_file" in err, token in err) == (1, True, True, False)


def test_too_many_requests_are_waited_for_and_not_for_ever(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    fault = desk.grafana.fault("GET", "/api/search", 429, times=2, **{"Retry-After": "7"})

    assert desk.sync()[0] == 0
    assert (waited, fault.times) == ([7.0, 7.0], 0)

    desk.grafana.fault("GET", "/api/search", 429, times=99, **{"Retry-After": "99999"})
    code, _, err = desk.sync()
    assert (code, waited[2:]) == (1, [60.0] * 5)
    assert "(429) sau 5 lần" in err


def test_an_answer_without_end_is_cut(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grafana_api, "ANSWER_BYTES", 1 << 20)
    desk.grafana.fault("GET", "/api/search", 200).body = b"[" + b" " * (2 << 20) + b"]"

    code, _, err = desk.sync()

    assert (code, "dài hơn 1 MiB" in err) == (1, True)


def test_an_older_grafana_and_one_that_is_not_there_are_said(desk: Desk) -> None:
    desk.grafana.version = "9.3.16"
    code, _, err = desk.sync()
    assert (code, "Grafana 9.3.16: cần từ 9.4 trở lên" in err) == (1, True)

    desk.grafana.fault("GET", "/api/health", 404, "no such page")
    code, _, err = desk.sync()
    assert (code, "không phải Grafana trả lời" in err) == (1, True)

    desk.settings("school", url="http://127.0.0.1:9")
    code, _, err = desk.sync()
    assert (code, "không nối được với Grafana" in err) == (1, True)


def test_without_a_section_or_dashboards_it_says_what_to_write(desk: Desk) -> None:
    desk.settings("school", more=f'dashboards = "{desk.folder}/none"\n')
    assert "grafana.dashboards" in desk.sync()[2]

    (desk.folder / "server.toml").write_text(f'folder = "{desk.folder}/data"\n')
    code, _, err = desk.sync()
    assert (code, "[grafana]" in err) == (1, True)
