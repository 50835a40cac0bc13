"""Setting up a school: what is asked, what is swept, what is written, and that nothing is written before the end."""

from __future__ import annotations

import asyncio
import io
import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.agent.setup_process import LAN, THERE, FakeSweep, measured
from tests.ports import free_port

from schoolbeat_agent import cli
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.found import device_id
from schoolbeat_agent.settings import Device, SettingsError, load
from schoolbeat_agent.setup import command, files
from schoolbeat_agent.setup.desk import Lines, Stopped
from schoolbeat_agent.setup.rows import rows, shown, with_kind
from schoolbeat_agent.setup.terminal import Menu, Option, between_words, cleaned, fitted, frame, keys_of, width

KEY = "00112233445566778899aabbccddeeff"
PASTED = """site = "th-nam-cuong"
agent = "gateway"
role = "gateway"
server = "0123456789abcdef"

[broker]
host = "mqtt.example.vn"
port = 8883
tls = true
password = "một mật khẩu"
"""
AGENT_TOML = """# the technician's own words
site = "th-nam-cuong"
[broker]
host = "mqtt.example.vn"
"""


def id_of(mac: str) -> str:
    return device_id(bytes.fromhex(KEY), f"mac {mac}")


def put(config: Path, text: str = AGENT_TOML) -> Path:
    config.write_text(text)
    config.chmod(0o600)
    secrets = config.with_name("secrets.toml")
    secrets.write_text(f'[[credential]]\nname = "site-key"\npassword = "{KEY}"\n')
    secrets.chmod(0o600)
    return config


def typed(config: Path, lines: str, sweep: FakeSweep | None = None, **more: Any) -> tuple[int, str]:
    """Exit code and everything said, of a technician at a pipe."""
    out = io.StringIO()
    code = command.run(
        config,
        more.pop("language", "vi"),
        sweep=sweep or FakeSweep(),
        own_lans=lambda: [LAN],
        measure=measured,
        stdin=io.StringIO(lines),
        stdout=out,
        **more,
    )
    return code, out.getvalue()


def state(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in sorted(folder.iterdir()) if entry.is_file()}


# --- a whole set-up, line by line ----------------------------------------------------------------------------------


def test_a_new_school_is_set_up_by_pasting_what_the_server_printed(tmp_path: Path) -> None:
    config, sweep = tmp_path / "agent.toml", FakeSweep()
    answers = "\n".join(
        [
            *PASTED.splitlines(),
            KEY[:16] + " " + KEY[16:],  # the former card's key
            "1",  # our own LAN
            "public",
            "",
            "camera-pw",
            "",  # admin
            "1",  # the board stands first: its kind is uncertain
            "2",  # kind
            "6",  # projector
            "3",  # room
            "2",  # another one
            "Phòng 5A",
            "1",  # right
            "",  # done
        ]
    )

    code, told = typed(config, answers + "\n", sweep)

    assert code == 0, told
    settings = load(config)
    assert (settings.site, settings.server, settings.broker.password) == (
        "th-nam-cuong",
        "0123456789abcdef",
        "một mật khẩu",
    )
    assert settings.devices == (
        Device(id_of("02:00:00:00:00:20"), "192.168.7.20", "Máy chiếu 20", "projector", room="Phòng 5A", ask="pjlink"),
        Device(id_of("02:00:00:00:00:09"), "192.168.7.9", "Camera 9", "camera", ask="rtsp", credential="camera"),
        Device(id_of("02:00:00:00:00:01"), "192.168.7.1", "GW-Trường", "router", interfaces=("ether1",)),
    )
    assert dict(settings.credentials) == {
        "site-key": Credential("site-key", password=KEY),
        "snmp": Credential("snmp", community="public"),
        "camera": Credential("camera", username="admin", password="camera-pw"),
    }
    assert sweep.asked[0]["networks"] == ["192.168.7.0/24"]
    assert sweep.asked[0]["site_key"] == bytes.fromhex(KEY)
    assert set(sweep.asked[0]["credentials"]) == {"snmp", "camera"}
    assert "ĐÃ ĐO 3 THIẾT BỊ" in told
    assert "0011 2233 4455 6677 8899 aabb ccdd eeff" in told
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in state(tmp_path)}
    assert modes == dict.fromkeys(("agent.toml", "devices.toml", "password", "secrets.toml"), 0o600)
    for secret in ("camera-pw", "public", "một mật khẩu"):
        assert secret not in told


def test_the_fields_can_be_typed_one_by_one_and_a_wrong_one_is_asked_again(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"
    lines = ["Trường Nam Cường", "th-nam-cuong", "no host", "10.0.0.1", "99999", "0", "không", "", "", "", "pw", ""]

    code, told = typed(config, "\n".join([*lines, "1", "", "", "", "c"]) + "\n")

    assert code == 0, told
    assert told.count("Không được: ") == 3
    found = tomllib.loads(config.read_text())
    assert found == {
        "site": "th-nam-cuong",
        "agent": "gateway",
        "role": "gateway",
        "language": "vi",
        "broker": {"host": "10.0.0.1", "tls": False, "password_file": "password"},
    }
    key = load(config).credentials["site-key"].password
    assert len(bytes.fromhex(key)) == 16  # made anew, and shown
    assert key in told.replace(" ", "")


def test_the_same_key_on_another_card_finds_the_same_ids(tmp_path: Path) -> None:
    ids = []
    for card in ("first", "second"):
        config = put(tmp_path / card / "agent.toml") if (tmp_path / card).mkdir() is None else Path()
        typed(config, "1\n\n\n\nc\n")
        ids.append([device.id for device in load(config).devices])

    assert ids[0] == ids[1]
    assert len(ids[0]) == 3


# --- again, later --------------------------------------------------------------------------------------------------


def second_time(tmp_path: Path, there: Sequence[Any], lines: str, **more: Any) -> tuple[str, Path]:
    config = put(tmp_path / "agent.toml")
    assert typed(config, "1\n\n\n\nc\n")[0] == 0
    code, told = typed(config, lines, FakeSweep(there), **more)
    assert code == 0, told
    return told, config


def test_when_nothing_changed_nothing_is_written_and_it_measures_once(tmp_path: Path) -> None:
    put(tmp_path / "agent.toml")
    typed(tmp_path / "agent.toml", "1\n\n\n\nc\n")
    before = state(tmp_path)

    code, told = typed(tmp_path / "agent.toml", "1\n\n\n")

    assert code == 0
    assert "Thấy 4 thiết bị, 0 thiết bị mới." in told  # the computer was left out, and is remembered so
    assert "ĐÃ ĐO 3" in told
    assert state(tmp_path) == before


def test_what_moved_keeps_its_id_and_name_and_what_is_gone_is_asked_about(tmp_path: Path) -> None:
    there = [("192.168.7.99", *THERE[1][1:]), THERE[2]]  # the camera moved, the router is not there

    told, config = second_time(tmp_path, there, "1\n\n\nc\n")

    assert "Đổi địa chỉ: Camera 9: 192.168.7.9 → 192.168.7.99." in told
    assert "Không thấy GW-Trường (192.168.7.1): có thể đang tắt. Bỏ khỏi danh sách?" in told
    assert {device.name: device.address for device in load(config).devices} == {
        "Bảng tương tác 20": "192.168.7.20",
        "Camera 9": "192.168.7.99",
    }
    assert '192.168.7.9"' in config.with_name("devices.toml.bak").read_text()


def test_only_what_is_new_is_shown_and_what_the_technician_wrote_stays(tmp_path: Path) -> None:
    new = ("192.168.7.30", "02:00:00:00:00:30", "printer", 85, "", "")

    told, config = second_time(tmp_path, [*THERE, new], "1\n\n\n\n")

    assert "✓ Máy in 30" in told
    assert "Camera 9" not in told
    assert config.read_text() == AGENT_TOML
    assert [device.kind for device in load(config).devices] == ["board", "camera", "router", "printer"]


def test_everything_can_be_named_anew_and_what_was_left_out_be_taken(tmp_path: Path) -> None:
    form = "\n".join(["1", "", "", "1", "4", "Máy thư viện", "5", "3", "3", "2", "Cổng trường", "1", ""])
    typed(put(tmp_path / "agent.toml"), "1\n\n\n\nc\n")
    before = load(tmp_path / "agent.toml").devices

    code, told = typed(tmp_path / "agent.toml", form + "\n", everything=True)

    assert code == 0, told
    after = load(tmp_path / "agent.toml").devices
    assert [(device.name, device.room) for device in after] == [
        ("Bảng tương tác 20", ""),
        ("Camera 9", "Cổng trường"),
        ("GW-Trường", ""),
        ("Máy thư viện", ""),
    ]
    assert [(device.id, device.ask, device.interfaces) for device in after[:3]] == [
        (device.id, device.ask, device.interfaces) for device in before
    ]


def test_a_classrooms_computer_sweeps_nothing_and_is_told_where_the_gateway_is(tmp_path: Path) -> None:
    config, sweep = tmp_path / "agent.toml", FakeSweep()
    pasted = PASTED.replace('role = "gateway"', 'role = "classroom"').replace('agent = "gateway"', 'agent = "may-5a"')

    code, told = typed(config, pasted + "192.168.1.x\n192.168.1.5\n", sweep)

    assert code == 0, told
    assert sweep.asked == []
    settings = load(config)
    assert (settings.role, settings.agent, settings.classroom.gateway) == ("classroom", "may-5a", "192.168.1.5")
    assert sorted(state(tmp_path)) == ["agent.toml", "password"]


def test_a_device_of_agent_toml_is_never_rewritten_but_told_of(tmp_path: Path) -> None:
    own = f'[[device]]\nid = "{id_of(THERE[1][1])}"\naddress = "192.168.7.200"\nname = "Cổng"\n'
    config = put(tmp_path / "agent.toml", AGENT_TOML + own)

    code, told = typed(config, "1\n\n\n\nc\n")

    assert code == 0
    assert "nằm trong agent.toml: hãy tự sửa address thành 192.168.7.9" in told
    assert config.read_text() == AGENT_TOML + own
    assert [device.name for device in load(config).devices] == ["Cổng", "Bảng tương tác 20", "GW-Trường"]


def test_an_address_outside_what_was_swept_is_not_gone(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml")
    config.with_name("devices.toml").write_text('[[device]]\nid = "0123456789ab"\naddress = "10.1.1.1"\n')

    _, told = typed(config, "1\n\n\n\nc\n")

    assert "Không thấy" not in told
    assert "10.1.1.1" in [device.address for device in load(config).devices]


# --- nothing before the end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", range(1, 7))
def test_wherever_the_technician_stops_everything_is_as_it_was(tmp_path: Path, lines: int) -> None:
    config = put(tmp_path / "agent.toml")
    before = state(tmp_path)

    code, _ = typed(config, "\n".join(["1", "snmp-word", "", "", "1", "1", ""][:lines]) + "\n")

    assert code == 130
    assert state(tmp_path) == before


def test_a_dry_run_sweeps_and_writes_nothing_and_shows_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "agent.toml"

    code, told = typed(config, PASTED + f"{KEY}\n1\npublic-word\n\n\n\nc\n", dry_run=True)

    assert code == 0, told
    assert state(tmp_path) == {}
    assert f"+ {config}" in told
    assert '+kind = "camera"' in told
    assert KEY not in told
    assert "public-word" not in told
    assert 'mật khẩu"' not in told


def test_where_no_network_is_confirmed_nothing_is_swept(tmp_path: Path) -> None:
    sweep = FakeSweep()

    code, _ = typed(put(tmp_path / "agent.toml"), "-\n\n\n", sweep)

    assert (code, sweep.asked) == (130, [])


def test_another_network_can_be_typed_and_a_large_or_public_routing_one_is_refused(tmp_path: Path) -> None:
    sweep = FakeSweep()

    code, told = typed(put(tmp_path / "agent.toml"), "2\n10.0.0.0/8\nx\n10.3.0.0/23\n\n\n\nc\n", sweep)

    assert code == 0, told
    assert told.count("Không được: ") == 2
    assert sweep.asked[0]["networks"] == ["10.3.0.0/23"]


def test_a_power_cut_between_two_files_leaves_each_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = put(tmp_path / "agent.toml")
    before = state(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    code, _ = typed(config, "1\n\n\n\nc\n")

    assert code == 2
    assert state(tmp_path) == before


# --- answers from a file -------------------------------------------------------------------------------------------

ANSWERS = f"""
site = "th-nam-cuong"
host = "mqtt.example.vn"
broker_password = "pw"
site_key = "{KEY}"
networks = ["192.168.7.0/24"]
community = ["public", "private"]
camera_password = "cam"
camera_user = "viewer"
[[device]]
address = "192.168.7.20"
kind = "television"
room = "Phòng 5A"
name = "Ti vi 5A"
[[device]]
address = "192.168.7.1"
watch = false
"""


def test_answers_from_a_file_set_a_school_up_without_a_question(tmp_path: Path) -> None:
    answers, config = tmp_path / "answers.toml", tmp_path / "agent.toml"
    answers.write_text(ANSWERS)

    code, told = typed(config, "", answers=answers)

    assert code == 0, told
    settings = load(config)
    assert [(device.name, device.kind, device.room, device.credential) for device in settings.devices] == [
        ("Ti vi 5A", "television", "Phòng 5A", ""),
        ("Camera 9", "camera", "", "camera"),
    ]
    assert set(settings.credentials) == {"site-key", "snmp", "snmp-2", "camera"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("networks", "networksx"), "networks"),
        (('site = "th-nam-cuong"', 'site = "TH"'), "site = TH"),
        (('kind = "television"', 'kind = "tv"'), "device.kind = tv"),
        (("room =", "rooms ="), "device.rooms"),
        ((f'"{KEY}"', '"123"'), "site_key = …"),
        (("[[device]]", "[[device]"), "answers.toml"),
    ],
)
def test_an_answer_that_is_missing_or_wrong_is_named(
    tmp_path: Path, change: tuple[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = tmp_path / "answers.toml"
    answers.write_text(ANSWERS.replace(*change))

    code, _ = typed(tmp_path / "agent.toml", "", answers=answers)

    assert code == 2
    assert named in capsys.readouterr().err
    assert list(state(tmp_path)) == ["answers.toml"]


def test_the_documents_example_of_an_answers_file_sets_a_school_up(tmp_path: Path) -> None:
    document = Path(__file__).parents[2] / "docs" / "setup.md"
    example = document.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    answers = tmp_path / "answers.toml"
    answers.write_text(example.replace("…", "secret").replace("192.168.1.0", "192.168.7.0"))

    code, told = typed(tmp_path / "agent.toml", "", answers=answers)

    assert code == 0, told
    assert load(tmp_path / "agent.toml").site == "th-nam-cuong"


# --- the files -----------------------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_whatever_letters_it_has(tmp_path: Path) -> None:
    evil = 'a"b\\c€ắ\U0001f600 # not a comment'
    device = Device("d-1", "10.0.0.1", evil, "camera", room=evil, interfaces=("ether1", evil))
    config = put(tmp_path / "agent.toml")
    files.write(config.with_name("devices.toml"), files.devices_toml([device]))
    old = config.with_name("secrets.toml").read_text() + "# my own comment"
    files.write(config.with_name("secrets.toml"), files.secrets_toml(old, [Credential("x", community=evil + "'")]))

    settings = load(config)

    assert settings.devices == (device,)
    assert settings.credentials["site-key"].password == KEY
    assert "# my own comment\n" in config.with_name("secrets.toml").read_text()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_what_root_writes_belongs_to_the_agents_user(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    os.chown(folder, 12_345, 12_346)

    for text in ("first", "second"):
        files.write(folder / "secrets.toml", text)

    owners = {entry.name: (entry.stat().st_uid, entry.stat().st_gid) for entry in folder.iterdir()}
    assert owners == dict.fromkeys(("secrets.toml", "secrets.toml.bak"), (12_345, 12_346))
    assert {entry.name: entry.read_text() for entry in folder.iterdir()} == {
        "secrets.toml": "second",
        "secrets.toml.bak": "first",
    }


def test_an_id_in_both_files_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml", AGENT_TOML + '[[device]]\nid = "a"\naddress = "10.0.0.1"\n')
    config.with_name("devices.toml").write_text('[[device]]\nid = "a"\naddress = "10.0.0.2"\n')

    with pytest.raises(SettingsError, match=r"devices\.toml: device\[1\]\.id = 'a'"):
        load(config)

    config.with_name("devices.toml").write_text('site = "x"\n')
    with pytest.raises(SettingsError, match=r"devices\.toml: .*site"):
        load(config)


def test_the_command_is_there_and_says_what_is_wrong_with_agent_toml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "agent.toml"
    config.write_text("site = 1\n")

    assert cli.main(["--config", str(config), "setup", "--dry-run"]) == 2
    assert "agent.toml: site = 1" in capsys.readouterr().err


def test_it_measures_once_for_real_at_the_end(tmp_path: Path) -> None:
    port = free_port()
    text = (
        f'site = "th-thu"\nfolder = "state"\n[broker]\nhost = "127.0.0.1"\nport = {port}\ntls = false\n'
        f'[path]\nrouter = "127.0.0.1"\ninternational = []\n[internet]\nnames = ["a.test"]\n'
        f'targets = ["127.0.0.1:{port}"]\n[dns]\nknown = "127.0.0.1:{port}"\nresolvers = ["127.0.0.1:{port}"]\n'
        'name = "a.test"\n'
    )
    config, out = put(tmp_path / "agent.toml", text), io.StringIO()

    async def nobody(*_: object, **__: object) -> list[Any]:
        return []

    code = command.run(config, "vi", sweep=nobody, own_lans=lambda: [LAN], stdin=io.StringIO("1\n\n\n"), stdout=out)

    assert code == 1
    assert "✗ Internet dùng được" in out.getvalue()
    assert "Cần làm: " in out.getvalue()


# --- the form's pure parts -----------------------------------------------------------------------------------------


def found_rows() -> list[Any]:
    async def swept() -> list[Any]:
        return await FakeSweep()([], None, site_key=bytes.fromhex(KEY), progress=lambda _: None)

    return rows(asyncio.run(swept()), "vi")


def test_the_least_certain_stand_first_and_machines_of_people_are_left_out() -> None:
    assert [(row.kind, row.watched) for row in found_rows()] == [
        ("board", True),
        ("camera", True),
        ("router", True),
        ("computer", False),
    ]
    assert shown(found_rows()[0], "vi") == (
        "? Bảng tương tác 20",
        "192.168.7.20 · 40 % chắc",
        "Hãng thử — mở cổng 554; MAC của hãng",
    )


def test_a_made_up_name_follows_the_kind_and_a_given_one_stays() -> None:
    board, _, router, _ = found_rows()

    assert with_kind(board, "projector", "vi").name == "Máy chiếu 20"
    assert with_kind(router, "switch", "vi").name == "GW-Trường"


def test_keys_of_both_cursor_modes_and_of_a_phone_without_arrows_are_understood() -> None:
    typed_keys = b"\x1b[A\x1bOBjk \r\n\x1bq\x1b[15~x\xe1\xba\xafG"

    assert keys_of(typed_keys) == ["up", "down", "down", "up", "space", "enter", "enter", "back", "back", "last"]
    assert keys_of(b"\x1b") == ["back"]


def test_text_fits_its_columns_by_what_letters_take_and_steers_no_terminal() -> None:
    assert fitted("Bảng tương tác tầng hai", 10) == "Bảng tươn…"
    assert width(fitted("教室教室教室", 7)) <= 7
    assert width("a\u0301") == 1
    assert cleaned("evil\x1b[2J\u202ename\n") == "evil·[2J·name·"


@pytest.mark.parametrize("size", [(40, 12), (40, 30), (80, 24), (20, 6), (5, 2)])
@pytest.mark.parametrize("cursor", [0, 17, 39])
def test_a_frame_is_never_wider_or_longer_than_its_screen_and_shows_the_cursor(
    size: tuple[int, int], cursor: int
) -> None:
    import re

    options = tuple(
        Option(f"Thiết bị số {number} " + "ấ" * 40, "ở đâu đó " * 9, "vì sao " * 60) for number in range(40)
    )
    lines = frame(Menu("Tiêu đề rất dài " * 8, options, "phím gì " * 20, cursor), *size)

    plain = [re.sub("\x1b\\[[0-9;]*m", "", line) for line in lines]
    assert len(lines) <= max(size[1], 6)
    assert max(map(width, plain)) <= max(size[0], 20)
    assert [line for line in plain if line.startswith(f"› Thiết bị số {cursor}"[: max(size[0], 20) - 2])]


def test_lines_end_between_words_and_keep_their_indentation() -> None:
    assert between_words("    Cần làm: xem thiết bị có bật và cắm cáp không", 30) == [
        "    Cần làm: xem thiết bị có",
        "    bật và cắm cáp không",
    ]
    assert between_words("Mật khẩu xem camera (không hiện): ", 24) == ["Mật khẩu xem camera", "(không hiện): "]


def test_the_cursor_stays_in_the_list() -> None:
    menu = Menu("", (Option("a"), Option("b"), Option("c")), "")

    assert [menu.moved(key).cursor for key in ("up", "down", "page down", "last", "first")] == [0, 1, 2, 2, 0]


def test_a_desk_of_lines_gives_up_on_answers_without_end() -> None:
    desk = Lines("en", io.StringIO("x\n" * 100), io.StringIO())

    with pytest.raises(Stopped):
        desk.several("k", "t", [Option("a")], [0])


def test_a_secret_that_the_file_could_not_hold_is_asked_for_again(tmp_path: Path) -> None:
    config = put(tmp_path / "agent.toml")

    code, told = typed(config, "1\n" + "x" * 201 + "\nwith\x07bell\nright\n\n\n\nc\n")

    assert code == 0, told
    assert told.count("Không được: nhiều nhất 200 ký tự") == 2
    assert load(config).credentials["snmp"].community == "right"
