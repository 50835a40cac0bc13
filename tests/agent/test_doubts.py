"""`check` names what is allowed in the settings and yet cannot work, in both languages, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbeat_agent.cli import main
from schoolbeat_agent.doubts import doubts
from schoolbeat_agent.settings import SettingsError, load

MINIMAL = 'site = "th-a"\nfolder = "state"\n[broker]\nhost = "h"\ntls = false\n'
SECRETS = '[[credential]]\nname = "read"\ncommunity = "kh0a"\n'
SWITCH = '[[device]]\nid = "sw"\naddress = "10.0.0.1"\nkind = "switch"\nask = "snmp"\ncredential = "read"\n'
CAMERA = '[[device]]\nid = "cam"\naddress = "10.0.0.2"\n'


def written(folder: Path, settings: str, secrets: str = SECRETS) -> Path:
    path = folder / "agent.toml"
    path.write_text(MINIMAL + settings)
    (folder / "secrets.toml").write_text(secrets)
    (folder / "secrets.toml").chmod(0o600)
    return path


def test_what_can_work_is_not_doubted(tmp_path: Path) -> None:
    path = written(tmp_path, f'[traffic]\ndevice = "sw"\nport = "ether1"\n[power]\nups = "sw"\n{SWITCH}{CAMERA}')

    assert doubts(load(path), "vi") == []


@pytest.mark.parametrize(
    ("settings", "key", "vi", "en"),
    [
        (CAMERA + 'ask = "rtsp"\ncredential = "cam"\n', "device cam: credential = 'cam'", "thêm mục", "add a"),
        (CAMERA + 'snmp = "cam"\n', "device cam: snmp = 'cam'", "không có mục này", "has no such entry"),
        (CAMERA + 'ask = "snmp"\n', "device cam:", "điền tên một mục", "name an entry"),
        (CAMERA + 'ask = "display"\n', "device cam:", "không có profile", "no profile"),
        (CAMERA + 'kind = "camra"\n', "device cam.kind = 'camra'", "có: router, ont", "there are: router, ont"),
        ('[traffic]\ndevice = "r"\nport = "wan"\n', "traffic.device = 'r'", "không có [[device]]", "no [[device]]"),
        (f'[traffic]\ndevice = "cam"\nport = "wan"\n{CAMERA}', "traffic.device = 'cam'", "điền snmp", "set its snmp"),
        (f'[traffic]\ndevice = "sw"\n{SWITCH}', "traffic.device", "traffic.port", "traffic.port"),
        ('[power]\nups = "u"\n', "power.ups = 'u'", "không có [[device]]", "no [[device]]"),
        ('[speed]\nmethod = "iperf3"\n', "speed.method = 'iperf3'", "cần speed.server", "needs speed.server"),
        ('[wifi]\nseats = ["a"]\n', "wifi.seats", "cần wifi.radio", "needs wifi.radio"),
        ('[wifi]\ncredential = "w"\n', "wifi.credential = 'w'", "không có mục này", "has no such entry"),
    ],
)
def test_a_name_that_nothing_has_is_told_with_its_key(
    tmp_path: Path, settings: str, key: str, vi: str, en: str
) -> None:
    found = load(written(tmp_path, settings))

    [said_vi], [said_en] = doubts(found, "vi"), doubts(found, "en")

    assert said_vi.startswith(key)
    assert vi in said_vi
    assert said_en.startswith(key)
    assert en in said_en


def test_check_prints_doubts_and_is_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, '[speed]\nmethod = "librespeed"\n')

    code = main(["--config", str(path), "--lang", "en", "check"])

    assert code == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "! speed.method = 'librespeed' needs speed.server; without it no speed is tested"
    ]


@pytest.mark.parametrize(
    ("settings", "secrets", "allowed"),
    [
        pytest.param("", '[credential]\nname = "x"\npassword = "kh0a"\n', "tables [[credential]]", id="one bracket"),
        pytest.param("", 'credential = "kh0a"\n', "tables [[credential]]", id="no table"),
        pytest.param("", "", "a table [broker]", id="a list of brokers"),
        pytest.param("", '[[credential]]\nname = "x"\npassword = ["kh0a"]\n', "text, at most 200", id="a list"),
    ],
)
def test_no_error_quotes_a_secret(tmp_path: Path, settings: str, secrets: str, allowed: str) -> None:
    path = written(tmp_path, settings, secrets)
    if not secrets:
        path.write_text('site = "th-a"\n[[broker]]\nhost = "h"\npassword = "kh0a"\n')

    with pytest.raises(SettingsError) as refused:
        load(path)

    assert allowed in str(refused.value)
    assert "kh0a" not in str(refused.value)
