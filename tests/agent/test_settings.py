"""agent.toml: what is right becomes frozen settings, what is wrong is told by file, key, value and what is allowed."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from schoolbeat_agent import config_file, inventory, settings_keys
from schoolbeat_agent.settings import Broker, Device, Service, Settings, SettingsError, load
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.messages import Config, WatchedDevice, WatchedService

DOCUMENT = Path(__file__).parents[2] / "docs" / "agent.md"


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


MINIMAL = 'site = "th-a"\n[broker]\nhost = "mqtt.example.vn"\n'


def test_site_and_broker_are_enough(tmp_path: Path) -> None:
    found = load(written(tmp_path, MINIMAL))

    assert found == Settings(
        site="th-a",
        agent="gateway",
        role="gateway",
        server="",
        language="vi",
        clock="kernel",
        folder=Path("/var/lib/schoolbeat-agent"),
        report_minutes=1,
        probe_seconds=10,
        outbox_max_bytes=64 * 1024 * 1024,
        ca_file=None,
        broker=Broker("mqtt.example.vn", 8883, "th-a.gateway", "", True, None, "tcp", "/mqtt", 10, False),
        router="",
        isp_ttl=2,
        domestic=(),
        international=("1.1.1.1", "8.8.8.8", "9.9.9.9"),
        main_edges=(),
        internet_names=("moet.gov.vn", "chinhphu.vn", "vnexpress.net"),
        internet_targets=(("vnexpress.net", 443), ("moet.gov.vn", 443), ("chinhphu.vn", 443)),
        resolvers=(),
        known_resolver=("1.1.1.1", 53),
        dns_name="moet.gov.vn",
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("mật khẩu 1\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "ca.pem").write_text("")
    text = """
site = "th-a"
agent = "pi-2"
role = "classroom"
server = "0123456789abcdef"
language = "en"
clock = "trust"
folder = "state"
report_minutes = 5
probe_seconds = 20
outbox_max_bytes = 8388608
ca_file = "ca.pem"
[broker]
host = "2001:db8::1"
username = "someone"
password_file = "secret"
ca_file = "ca.pem"
transport = "websockets"
websocket_path = "/ws"
metered = true
[path]
router = "192.168.1.1"
isp_ttl = 3
domestic = ["203.0.113.1"]
international = []
main_edges = ["203.0.113.254"]
[internet]
names = ["a.vn"]
targets = ["[2001:db8::2]:80", "b.vn:443"]
[dns]
resolvers = ["192.168.1.1", "192.168.1.2:5353", "2001:db8::53"]
known = "9.9.9.9"
name = "c.vn"
[[service]]
id = "lms"
url = "https://lms.example.vn:8443/ping?x=1"
[[device]]
id = "sw-1"
address = "192.168.1.2"
[[device]]
id = "cam-1"
address = "192.168.1.9"
name = "Camera cổng"
kind = "camera"
room = "Cổng"
port = 554
behind = "device.sw-1"
"""

    found = load(written(tmp_path, text))

    assert found == Settings(
        site="th-a",
        agent="pi-2",
        role="classroom",
        server="0123456789abcdef",
        language="en",
        clock="trust",
        folder=tmp_path / "state",
        report_minutes=5,
        probe_seconds=20,
        outbox_max_bytes=8_388_608,
        ca_file=tmp_path / "ca.pem",
        broker=Broker(
            "2001:db8::1", 443, "someone", "mật khẩu 1", True, tmp_path / "ca.pem", "websockets", "/ws", 60, True
        ),
        router="192.168.1.1",
        isp_ttl=3,
        domestic=("203.0.113.1",),
        international=(),
        main_edges=("203.0.113.254",),
        internet_names=("a.vn",),
        internet_targets=(("2001:db8::2", 80), ("b.vn", 443)),
        resolvers=(("192.168.1.1", 53), ("192.168.1.2", 5353), ("2001:db8::53", 53)),
        known_resolver=("9.9.9.9", 53),
        dns_name="c.vn",
        services=(Service("lms", "https://lms.example.vn:8443/ping?x=1"),),
        devices=(
            Device("sw-1", "192.168.1.2"),
            Device("cam-1", "192.168.1.9", "Camera cổng", "camera", "Cổng", 554, "device.sw-1"),
        ),
    )
    with pytest.raises(FrozenInstanceError):
        found.site = "x"  # type: ignore[misc]
    assert "mật khẩu 1" not in repr(found)


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ('agent = "x"\n[broker]\nhost = "h"', "site", "1–40 ký tự"),
        (MINIMAL.replace("th-a", "TH A"), "site = 'TH A'", "allowed is 1-40 of a-z"),
        (MINIMAL + "prot = 5\n", "broker.prot", "có phải port?"),
        (MINIMAL + "port = 70000\n", "broker.port = 70000", "1–65535"),
        (MINIMAL + "port = true\n", "broker.port = True", "1-65535"),
        (MINIMAL + 'tls = "yes"\n', "broker.tls = 'yes'", "true hoặc false"),
        (MINIMAL + "keepalive = 4\n", "broker.keepalive = 4", "5–600 giây"),
        (MINIMAL + 'transport = "udp"\n', "broker.transport = 'udp'", '"tcp" hoặc "websockets"'),
        (MINIMAL + 'ca_file = "none.pem"\n', "broker.ca_file", "một tệp PEM có thật"),
        (MINIMAL + 'password_file = "none"\n', "broker.password_file", "tệp đọc được"),
        (MINIMAL.replace("mqtt.example.vn", "a b"), "broker.host = 'a b'", "tên máy hoặc địa chỉ IP"),
        ('lanbuage = "vi"\n' + MINIMAL, "lanbuage", "did you mean language?"),
        ('language = "fr"\n' + MINIMAL, "language = 'fr'", '"vi" or "en"'),
        ('folder = ""\n' + MINIMAL, "folder = ''", "một thư mục"),
        ("report_minutes = 0\n" + MINIMAL, "report_minutes = 0", "1–60 phút"),
        ("probe_seconds = 60\n" + MINIMAL, "probe_seconds = 60", "5–20"),
        ("outbox_max_bytes = 10\n" + MINIMAL, "outbox_max_bytes = 10", "4194304–"),
        ('server = "xyz"\n' + MINIMAL, "server = 'xyz'", "8–32 chữ số thập lục phân"),
        (MINIMAL + '[path]\nrouter = "fe80::1"\n', "path.router = 'fe80::1'", "an IPv4 address"),
        (MINIMAL + '[path]\ndomestic = "1.1.1.1"\n', "path.domestic = '1.1.1.1'", "at most 8 IPv4"),
        (MINIMAL + "[internet]\nnames = []\n", "internet.names = []", "1–8 tên miền"),
        (MINIMAL + '[internet]\ntargets = ["a.vn"]\n', "internet.targets = ['a.vn']", '"máy:cổng"'),
        (MINIMAL + '[internet]\ntargets = ["a.vn:0"]\n', "internet.targets = ['a.vn:0']", '"host:port"'),
        (MINIMAL + '[dns]\nknown = "dns.vn"\n', "dns.known = 'dns.vn'", "địa chỉ IP"),
        (MINIMAL + '[[service]]\nid = "a"\nurl = "ftp://a"\n', "service[1].url = 'ftp://a'", "http(s)"),
        (MINIMAL + '[[service]]\nid = "a"\nurl = "https://u:p@a"\n', "service[1].url", "http(s)"),
        (MINIMAL + '[[device]]\nid = "a"\n', "device[1].address", "địa chỉ IP"),
        (MINIMAL + '[[device]]\nid = "a b"\naddress = "10.0.0.1"\n', "device[1].id = 'a b'", "1–64 ký tự"),
        (MINIMAL + '[[device]]\nid = "a"\naddress = "10.0.0.1"\nbehind = "x.y"\n', "device[1].behind", "tín hiệu"),
        (MINIMAL + '[[device]]\nid = "a"\naddress = "10.0.0.1"\n' * 2, "device[2].id = 'a'", "each id once"),
        (MINIMAL + 'device = "x"\n', "broker.device", "có"),
        ('device = "x"\n' + MINIMAL, "device = 'x'", "[[device]]"),
        ('path = "x"\n' + MINIMAL, "path = 'x'", "[path]"),
        ("site = \n", "agent.toml", "TOML"),
    ],
)
def test_an_error_names_file_key_value_and_what_is_allowed(tmp_path: Path, text: str, key: str, said: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(SettingsError) as caught:
        load(path)

    assert str(path) in str(caught.value)
    assert key in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"không có tệp .*none\.toml.* / there is no file"):
        load(tmp_path / "none.toml")


@pytest.mark.parametrize("where", ["file", "toml"])
def test_a_password_that_everybody_can_read_is_refused_and_never_shown(tmp_path: Path, where: str) -> None:
    (tmp_path / "secret").write_text("geheim-1234")
    (tmp_path / "secret").chmod(0o644)
    key = 'password_file = "secret"' if where == "file" else 'password = "geheim-1234"'

    with pytest.raises(SettingsError, match="chmod 600") as caught:
        load(written(tmp_path, f"{MINIMAL}{key}\n", 0o644))

    assert "geheim" not in str(caught.value)


def test_a_wrong_password_value_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written(tmp_path, f'{MINIMAL}password = "geheim\\u0007"\n'))

    assert "broker.password" in str(caught.value)
    assert "geheim" not in str(caught.value)


# --- the server's configuration on disk ----------------------------------------------------------------------------

CONFIG = Config(
    5,
    "ab" * 8,
    report_minutes=5,
    keepalive=30,
    devices=[WatchedDevice("cam-1", "10.0.0.9", "Camera", port=554, behind="device.sw-1")],
    services=[WatchedService("lms", "https://lms.vn/")],
)


def test_a_config_is_kept_whole_and_read_again(tmp_path: Path) -> None:
    file = tmp_path / "config.json"

    config_file.save(file, CONFIG)

    assert config_file.load(file) == CONFIG
    assert file.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\x00", b'{"revision": -1}', b"[]"])
def test_a_damaged_config_never_stops_the_start(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "config.json").write_bytes(damage)

    assert config_file.load(tmp_path / "config.json") is None


@pytest.mark.parametrize(
    "config",
    [
        Config(1, devices=[WatchedDevice("a", "no address")]),
        Config(1, devices=[WatchedDevice("a", "10.0.0.1", behind="nothing.known")]),
        Config(1, services=[WatchedService("a", "gopher://a")]),
    ],
)
def test_a_config_that_cannot_be_watched_is_refused(config: Config) -> None:
    with pytest.raises(WireError):
        config_file.check(config)


def test_the_servers_devices_are_added_to_those_of_the_site(tmp_path: Path) -> None:
    text = MINIMAL + '[[device]]\nid = "sw-1"\naddress = "10.0.0.2"\n[[device]]\nid = "cam-1"\naddress = "10.0.0.3"\n'
    ground = load(written(tmp_path, text))

    found = config_file.laid_over(ground, CONFIG)

    assert found.devices == (
        Device("sw-1", "10.0.0.2"),
        Device("cam-1", "10.0.0.9", "Camera", "", "", 554, "device.sw-1"),
    )
    assert found.services == (Service("lms", "https://lms.vn/"),)
    assert (found.report_minutes, found.broker.keepalive) == (5, 30)
    assert config_file.laid_over(ground, None) == ground


def test_a_metered_line_stays_slow_whatever_the_server_says(tmp_path: Path) -> None:
    ground = load(written(tmp_path, MINIMAL + "metered = true\n"))

    assert config_file.laid_over(ground, Config(1, keepalive=10)).broker.keepalive == 60


# --- the inventory that settings make ------------------------------------------------------------------------------


def test_the_inventory_names_every_signal_with_what_it_is_behind(tmp_path: Path) -> None:
    text = (
        MINIMAL
        + '[path]\ndomestic = ["203.0.113.1"]\n'
        + '[[service]]\nid = "lms"\nurl = "https://lms.vn/"\n'
        + '[[device]]\nid = "sw-1"\naddress = "10.0.0.2"\nname = "Switch"\n'
        + '[[device]]\nid = "cam-1"\naddress = "10.0.0.9"\nport = 554\nbehind = "device.sw-1"\n'
    )
    settings = load(written(tmp_path, text))

    found = inventory.of(settings, inventory.watches(settings), "1.2")

    assert found.signals == [
        "lan.router",
        "line.isp",
        "line.domestic",
        "line.international",
        "line.internet",
        "service.lms",
        "device.sw-1",
        "device.cam-1",
        "lesson.video",
    ]
    assert found.behind == {
        "line.isp": "lan.router",
        "line.domestic": "line.isp",
        "line.international": "line.domestic",
        "service.lms": "line.international",
        "device.sw-1": "lan.router",
        "device.cam-1": "device.sw-1",
    }
    assert found.probes == ["host", "path", "internet", "dns", "http", "icmp", "tcp"]
    columns = {column.reading: column.subjects for column in found.columns}
    assert columns["rtt_ms"] == ["lan.router", "line.isp", "line.domestic", "line.international", "device.sw-1"]
    assert columns["connect_ms"] == ["line.internet", "service.lms", "device.cam-1"]
    assert columns["run_count"] == [f"probe.{probe}" for probe in found.probes]
    assert found.revision == inventory.of(settings, inventory.watches(settings), "1.2").revision


def test_without_targets_a_rung_is_not_in_the_inventory(tmp_path: Path) -> None:
    settings = load(written(tmp_path, MINIMAL + "[path]\ninternational = []\n"))

    found = inventory.of(settings, inventory.watches(settings), "1.2")

    assert (found.signals, found.behind) == (["lan.router", "line.internet"], {})


def test_every_key_is_documented_with_its_default_and_what_is_allowed() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")

    missing = [line for line in settings_keys.table() if line not in text]

    assert missing == []


def test_files_that_windows_wrote_are_read(tmp_path: Path) -> None:
    for name, text in {
        "agent.toml": MINIMAL + 'password_file = "password"\n',
        "password": "mật khẩu\n",
        "secrets.toml": '[[credential]]\nname = "a"\npassword = "b"\n',
        "devices.toml": '[[device]]\nid = "a"\naddress = "10.0.0.1"\n',
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8-sig", newline="\r\n")
        (tmp_path / name).chmod(0o600)

    found = load(tmp_path / "agent.toml")

    assert found.broker.password == "mật khẩu"
    assert [*found.credentials, *(device.id for device in found.devices)] == ["a", "a"]
