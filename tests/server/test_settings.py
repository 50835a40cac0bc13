"""server.toml: what is accepted, and what every error names."""

from __future__ import annotations

from pathlib import Path

import pytest

from schoolbeat_server.settings import Broker, Channel, Incidents, Settings, SettingsError, Web, load


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_is_all_that_must_be_said(tmp_path: Path) -> None:
    settings = load(written(tmp_path, 'folder = "/srv/schoolbeat"'))

    assert settings == Settings(folder=Path("/srv/schoolbeat"))
    assert settings.database == Path("/srv/schoolbeat/schoolbeat.db")


def test_everything_can_be_said(tmp_path: Path) -> None:
    text = """
folder = "/srv/schoolbeat"
language = "en"
plans = "/etc/schoolbeat/plans"
report_days = 30
[web]
host = "::1"
port = 8081
[broker]
port = 8883
bind = "0.0.0.0"
cert_file = "/etc/cert.pem"
key_file = "/etc/key.pem"
[incidents]
hold_seconds = 60
[channels.it]
url = "json://127.0.0.1:9/"
language = "en"
"""

    settings = load(written(tmp_path, text))

    assert settings == Settings(
        folder=Path("/srv/schoolbeat"),
        language="en",
        plans=Path("/etc/schoolbeat/plans"),
        report_days=30,
        web=Web("::1", 8081),
        broker=Broker(
            port=8883,
            bind="0.0.0.0",
            cert_file=Path("/etc/cert.pem"),
            key_file=Path("/etc/key.pem"),
        ),
        incidents=Incidents(hold_seconds=60),
        channels=(Channel("it", "json://127.0.0.1:9/", "en"),),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "folder is missing"),
        (
            "folder = 5",
            "folder = '5': chỉ nhận một dòng, nhiều nhất 500 ký tự / allowed is one line of at most 500 characters",
        ),
        ('folder = "x"\nlanguage = "fr"', "language = 'fr': chỉ nhận / allowed is vi | en"),
        ('folder = "x"\nlangage = "vi"', "langage: không có khóa này / is unknown; có phải / did you mean language?"),
        (
            'folder = "x"\nreport_days = 0',
            "report_days = 0: chỉ nhận số nguyên 1–3650 / allowed is a whole number from 1 to 3650",
        ),
        (
            'folder = "x"\nreport_days = true',
            "report_days = True: chỉ nhận số nguyên 1–3650 / allowed is a whole number",
        ),
        (
            'folder = "x"\n[web]\nhost = "0.0.0.0"',
            "web.host = '0.0.0.0': chỉ nhận / allowed is 127.0.0.1 | ::1 | localhost",
        ),
        (
            'folder = "x"\n[web]\nport = 70000',
            "web.port = 70000: chỉ nhận số nguyên 0–65535 / allowed is a whole number from 0 to 65535",
        ),
        ('folder = "x"\n[wep]\nport = 1', "[wep]: không có mục này / is unknown; có phải / did you mean web?"),
        ('folder = "x"\nweb = 1', "web"),
        ('folder = "x"\n[broker]\nmode = "other"', "broker.mode = 'other': chỉ nhận / allowed is managed | outside"),
        ('folder = "x"\n[broker]\nbind = "0.0.0.0"', "broker.bind = '0.0.0.0'"),
        ('folder = "x"\n[broker]\ncert_file = "c"', "broker.cert_file, broker.key_file: phải có cả hai / go together"),
        ('folder = "x"\n[channels]\nmail = "mailto://x"', "channels.mail"),
        ('folder = "x"\n[channels.mail]\nlanguage = "vi"', "channels.mail: thiếu / missing: url | url_file"),
        ('folder = "x"\n[channels.mail]\nurl = 5', "channels.mail.url: chỉ nhận một dòng"),
        ('folder = "x"\n[channels.mail]\nurl_file = "/no/such/file"', "channels.mail.url_file"),
        ("folder = ", "not TOML"),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        load(path)

    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: không đọc được / cannot be read"):
        load(tmp_path / "none.toml")


def test_a_channels_address_may_stand_in_a_file_of_its_own_and_is_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "mail"
    secret.write_text("mailto://user:secret-word@mail.example.vn\n", encoding="utf-8")

    settings = load(written(tmp_path, f'folder = "x"\n[channels.mail]\nurl_file = "{secret}"'))

    assert settings.channels[0].url == "mailto://user:secret-word@mail.example.vn"
    assert "secret-word" not in repr(settings)


def test_a_store_is_read_with_its_secret_and_never_shows_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    text = f"""folder = "{tmp_path}"
[series]
kind = "influxdb2"
url = "http://127.0.0.1:8086/"
database = "schoolbeat"
org = "tinh"
token_file = "{tmp_path / "token"}"
"""
    (tmp_path / "server.toml").write_text(text)

    series = load(tmp_path / "server.toml").series

    assert (series.kind, series.url, series.token) == ("influxdb2", "http://127.0.0.1:8086", "s3cret")
    assert "s3cret" not in repr(series)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('kind = "influx"', "series.kind = 'influx'"),
        ('kind = "victoriametrics"', "series.url: victoriametrics"),
        ('kind = "victoriametrics"\nurl = "http://u:geheim@h:1"', "series.url: chỉ nhận http(s)://"),
        ('kind = "victoriametrics"\nurl = "http://h:99999"', "series.url: chỉ nhận http(s)://"),
        ('kind = "influxdb2"\nurl = "http://h:1"\ndatabase = "b"\norg = "o"', "series.token_file: influxdb2"),
        ('url = "http://h:1"', "series.kind: thiếu"),
        ('kind = ""\nbatch_bytes = 1', "series.batch_bytes = 1"),
    ],
)
def test_a_store_that_cannot_be_used_is_refused_by_name(tmp_path: Path, lines: str, said: str) -> None:
    (tmp_path / "server.toml").write_text(f'folder = "{tmp_path}"\n[series]\n{lines}\n')

    with pytest.raises(SettingsError) as refused:
        load(tmp_path / "server.toml")

    assert said in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_grafana_is_named_by_address_and_token_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("glsa_s3cret\n")
    lines = f'[grafana]\nurl = "https://grafana.tinh.example/g/"\ntoken_file = "{tmp_path}/token"\nby = "school"'

    grafana = load(written(tmp_path, f'folder = "{tmp_path}"\n{lines}\n')).grafana

    assert (grafana.url, grafana.token, grafana.by) == ("https://grafana.tinh.example/g", "glsa_s3cret", "school")
    assert "s3cret" not in repr(grafana)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('url = "http://h:3000"', "grafana.token_file: thiếu"),
        ('by = "school"', "grafana.url: thiếu"),
        ('url = "http://admin:geheim@h:3000"', "grafana.url: chỉ nhận http(s)://"),
        ('url = "http://h:3000"\ntoken_file = "/nowhere/token"', "grafana.token_file: [Errno 2]"),
        ('url = "http://h:3000"\nby = "class"', "grafana.by = 'class': chỉ nhận / allowed is commune | school"),
        ('url = "http://h:3000"\npassword = "geheim"', "grafana.password: không có khóa này"),
    ],
)
def test_a_grafana_that_cannot_be_used_is_refused_by_name(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(written(tmp_path, f'folder = "{tmp_path}"\n[grafana]\n{lines}\n'))

    assert said in str(refused.value)
    assert "geheim" not in str(refused.value)
