"""The command: what it prints and how it ends, in Vietnamese and English, as a real process and in-process."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from sqlalchemy import select

from schoolbeat_agent import settings as agent_settings
from schoolbeat_server import schema
from schoolbeat_server.cli import main
from schoolbeat_server.database import open_database, writing

REGISTER = """
areas: [{id: lc, name: Tỉnh Lào Cai, kind: tỉnh}]
schools: [{id: "001", name: Trường A, area: lc}]
sites:
  - {id: a-1, school: "001", name: Điểm chính, kind: chính}
  - {id: a-2, school: "001", name: Điểm bản, kind: lẻ}
lines:
  - {id: l1, site: a-1, technology: cáp quang, contract_down_mbps: 100}
  - {id: l2, site: a-2, technology: cáp quang, contract_down_mbps: 100}
"""


class Desk:
    """A folder with server.toml and a register, and the command run in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.settings = folder / "server.toml"
        self.settings.write_text(f'folder = "{folder / "data"}"\n', encoding="utf-8")
        self.register = folder / "register.yaml"
        self.register.write_text(REGISTER, encoding="utf-8")

    def run(self, *words: object) -> tuple[int, str, str]:
        code = main(["--settings", str(self.settings), *map(str, words)])
        said = self.capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def test_help_speaks_vietnamese_first_and_loads_neither_server_nor_demo() -> None:
    script = "import sys; from schoolbeat_server import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    script += "print([name for name in ('fastapi', 'sqlalchemy', 'paho', 'uvicorn') if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    assert "chạy máy chủ" in done.stdout
    assert "sổ đăng ký" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_the_installed_command_answers_in_english_when_asked() -> None:
    command = [sys.executable, "-m", "schoolbeat_server.cli", "--lang", "en", "--help"]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)

    assert "run the server" in done.stdout


def test_check_says_that_the_settings_are_sound(desk: Desk) -> None:
    code, out, err = desk.run("check")

    assert (code, err) == (0, "")
    assert out == (
        f"{desk.settings}: dùng được. Thư mục dữ liệu {desk.folder / 'data'}; kế hoạch: lao-cai-2022-2025.\n"
    )
    assert not (desk.folder / "data").exists()


def test_check_names_what_is_wrong_in_settings_and_plans(desk: Desk) -> None:
    desk.settings.write_text('folder = "x"\nlangage = "en"\n', encoding="utf-8")
    code, _, err = desk.run("check")
    assert (code, err) == (
        1,
        f"{desk.settings}: langage: không có khóa này / is unknown; có phải / did you mean language?\n",
    )

    desk.settings.write_text(f'folder = "x"\nlanguage = "en"\nplans = "{desk.folder}/plans"\n', encoding="utf-8")
    code, _, err = desk.run("check")
    assert (code, err) == (1, f"{desk.folder}/plans: there is no such plan folder\n")


def test_a_dry_run_of_a_register_shows_counts_and_writes_nothing(desk: Desk) -> None:
    code, out, err = desk.run("register", "load", desk.register, "--dry-run")

    assert (code, err) == (0, "")
    assert out == (
        "địa bàn: 1 mới, 0 thay đổi, 0 như cũ\n"
        "trường: 1 mới, 0 thay đổi, 0 như cũ\n"
        "điểm trường: 2 mới, 0 thay đổi, 0 như cũ\n"
        "đường truyền: 2 mới, 0 thay đổi, 0 như cũ\n"
        "  địa bàn lc: mới (register.yaml, dòng 2)\n"
        "  trường 001: mới (register.yaml, dòng 3)\n"
        "  điểm trường a-1: mới (register.yaml, dòng 5)\n"
        "  điểm trường a-2: mới (register.yaml, dòng 6)\n"
        "  đường truyền l1: mới (register.yaml, dòng 8)\n"
        "  đường truyền l2: mới (register.yaml, dòng 9)\n"
        "Chỉ kiểm tra: chưa ghi gì.\n"
    )
    with open_database(desk.folder / "data" / "schoolbeat.db").connect() as connection:
        assert connection.execute(select(schema.site)).all() == []


def test_loading_again_tells_what_changed_and_what_the_file_does_not_name(desk: Desk) -> None:
    desk.run("register", "load", desk.register)
    desk.register.write_text("lines: [{id: l1, site: a-1, isp: VNPT, contract_down_mbps: 200}]", encoding="utf-8")

    code, out, _ = desk.run("--lang", "en", "register", "load", desk.register)

    assert code == 0
    assert out == (
        "lines: 0 new, 1 changed, 0 as before, 1 not in the file (they stay)\n"
        "  lines l1: isp: – → VNPT; contract_down_bps: 100000000 → 200000000\n"
        "Loaded.\n"
    )


def test_a_register_with_faults_lists_them_all_and_is_not_loaded(desk: Desk) -> None:
    desk.register.write_text(REGISTER.replace("cáp quang", "quang"), encoding="utf-8")

    code, out, err = desk.run("register", "load", desk.register)

    assert (code, out) == (1, "")
    assert err.count("cột technology: 'quang': cần một trong: fibre (cáp quang)") == 2
    assert err.endswith("2 lỗi; chưa nạp gì. Hãy sửa rồi nạp lại.\n")


def test_adding_an_agent_prints_lines_that_the_agent_accepts(desk: Desk) -> None:
    desk.run("register", "load", desk.register)

    code, out, err = desk.run("agent", "add", "a-1")

    assert (code, err) == (0, "")
    pasted = desk.folder / "agent.toml"
    pasted.write_text(out[out.index("site =") : out.index("\n\nKhóa ")], encoding="utf-8")
    secrets = desk.folder / "secrets.toml"
    secrets.write_text(out[out.index("[[credential]]") : out.index("\n\nThay ")], encoding="utf-8")
    for file in (pasted, secrets):
        file.chmod(0o600)
    agent = agent_settings.load(pasted)
    assert re.fullmatch("[0-9a-f]{32}", agent.credentials["site-key"].password)
    assert (agent.site, agent.agent, agent.role, len(agent.server)) == ("a-1", "gateway", "gateway", 16)
    assert (agent.broker.host, agent.broker.port, agent.broker.tls) == ("127.0.0.1", 1883, False)
    assert agent.broker.username == "a-1.gateway"
    assert out.count(agent.broker.password) == 1
    assert "Thay 127.0.0.1 bằng địa chỉ" in out
    assert agent.credentials["site-key"].password in desk.run("agent", "add", "a-1", "--replace")[1]


def test_an_outside_brokers_address_goes_into_the_agents_lines(desk: Desk) -> None:
    with desk.settings.open("a", encoding="utf-8") as file:
        file.write('[broker]\nmode = "outside"\nurl = "wss://server:word@mqtt.example.vn/mqtt"\n')
    desk.run("register", "load", desk.register)

    _, out, _ = desk.run("--lang", "en", "agent", "add", "a-1", "--name", "pc-1", "--role", "classroom")

    agent = tomllib.loads(out[out.index("site =") :])
    assert (agent["agent"], agent["role"]) == ("pc-1", "classroom")
    del agent["broker"]["password"]
    assert agent["broker"] == {"host": "mqtt.example.vn", "port": 443, "tls": True, "transport": "websockets"}
    assert "word" not in out.replace("password", "")


def test_an_agent_is_listed_without_its_password(desk: Desk) -> None:
    desk.run("register", "load", desk.register)
    empty = desk.run("agent", "list")[1]
    desk.run("agent", "add", "a-1")

    code, out, _ = desk.run("agent", "list")

    assert empty == "Chưa có tác tử nào. Thêm bằng 'schoolbeat-server agent add ĐIỂM_TRƯỜNG'.\n"
    assert code == 0
    head, row = out.splitlines()
    assert head.split() == ["điểm", "trường", "tác", "tử", "vai", "trò", "thêm", "ngày", "(UTC)"]
    assert row.split()[:3] == ["a-1", "gateway", "gateway"]


def test_an_agent_twice_is_refused_and_replaced_only_when_said(desk: Desk) -> None:
    desk.run("register", "load", desk.register)
    desk.run("agent", "add", "a-1")

    again = desk.run("agent", "add", "a-1")
    replaced = desk.run("agent", "add", "a-1", "--replace")

    assert again == (1, "", "tác tử gateway của điểm trường a-1 đã có; dùng --replace để cấp mật khẩu mới\n")
    assert replaced[0] == 0


@pytest.mark.parametrize(("typed", "gone"), [("y\n", True), ("có\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_removing_an_agent_asks_first(desk: Desk, monkeypatch: pytest.MonkeyPatch, typed: str, gone: bool) -> None:
    desk.run("register", "load", desk.register)
    desk.run("agent", "add", "a-1")
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))

    code, out, err = desk.run("agent", "remove", "a-1", "gateway")

    assert "Gỡ tác tử gateway của điểm trường a-1? Số liệu đã có vẫn giữ. [y/N]" in out
    assert (code, err) == ((0, "") if gone else (1, "Không gỡ gì.\n"))
    assert ("a-1" in desk.run("agent", "list")[1]) != gone


def test_removing_with_yes_does_not_ask_and_an_unknown_agent_is_named(desk: Desk) -> None:
    code, out, err = desk.run("--lang", "en", "agent", "remove", "a-1", "gateway", "--yes")

    assert (code, out) == (1, "")
    assert err == "there is no agent gateway at site a-1; see 'schoolbeat-server agent list'\n"


def test_plan_check_shows_targets_with_quote_and_assumptions(desk: Desk) -> None:
    from schoolbeat_server.plans import SHIPPED

    code, out, _ = desk.run("plan", "check", SHIPPED / "lao-cai-2022-2025.yaml")

    assert code == 0
    assert "T2  Điểm trường có Internet tốc độ cao: 90% điểm trường" in out
    assert "“90% các điểm trường có kết nối Internet tốc độ cao” (Mục tiêu 5)" in out
    assert "high_speed = 20 Mbit/s: " in out


def test_plan_check_names_the_fault(desk: Desk) -> None:
    plan = desk.folder / "p.yaml"
    plan.write_text("plan: p\n", encoding="utf-8")

    code, out, err = desk.run("plan", "check", plan)

    assert (code, out, err) == (1, "", f"{plan}:1: tệp / file: thiếu khóa document\n")


def test_verdict_tells_who_never_reported_and_what_the_contract_states(desk: Desk) -> None:
    desk.run("register", "load", desk.register)
    now_minute = int(time.time()) // 60
    with writing(open_database(desk.folder / "data" / "schoolbeat.db")) as connection:
        row = {"site": "a-2", "agent": "gateway", "minute": now_minute, "report_id": 1, "received_ms": 0}
        connection.execute(schema.latest.insert().values(row))

    code, out, _ = desk.run("verdict")

    assert code == 0
    assert "? lao-cai-2022-2025 T1  Trường học có cáp quang: CHƯA ĐỦ DỮ LIỆU" in out
    assert "  ? Trường A (a-1)\n      Chưa từng nhận được bản tin nào từ điểm trường này\n" in out
    assert "  ? Trường A – Điểm bản (a-2)\n      Hợp đồng ghi 100 Mbit/s; chưa có phép đo tốc độ nào\n" in out


def test_verdict_of_one_plan_file_with_all_units_in_english(desk: Desk) -> None:
    desk.run("register", "load", desk.register)
    now_minute = int(time.time()) // 60
    with writing(open_database(desk.folder / "data" / "schoolbeat.db")) as connection:
        row = {"site": "a-2", "agent": "gateway", "minute": now_minute, "report_id": 1, "received_ms": 0}
        connection.execute(schema.latest.insert().values(row))
        tests = [{"site": "a-2", "minute": now_minute - at, "download_bps": 90_000_000} for at in range(1, 8)]
        connection.execute(schema.speed_test.insert(), tests)
    from schoolbeat_server.plans import SHIPPED

    code, out, _ = desk.run("--lang=en", "verdict", "--units", SHIPPED / "lao-cai-2022-2025.yaml")

    assert code == 0
    assert "✓ lao-cai-2022-2025 T2  Satellite sites on high-speed Internet: MET" in out
    assert "    Evidence: proven\n  ✓ Trường A – Điểm bản (a-2)\n" in out
    assert "      Download speed: median 90 Mbit/s of 7 tests, which reaches the 20 Mbit/s needed\n" in out


def test_a_data_folder_that_cannot_be_made_is_named(desk: Desk) -> None:
    (desk.folder / "file").write_text("", encoding="utf-8")
    desk.settings.write_text(f'folder = "{desk.folder}/file/data"\n', encoding="utf-8")

    code, _, err = desk.run("agent", "list")

    assert (code, err) == (1, f"{desk.folder}/file/data: không mở được thư mục dữ liệu: Not a directory\n")
