"""`schoolbeat-agent check|once|run|status` as a technician types them."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.agent.broker import wait_for
from tests.agent.rows import FIRST, REVISION, row
from tests.ports import free_port

from schoolbeat_agent import inventory, machine, status
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.probes import PROBES
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import measure
from schoolbeat_agent.settings import load
from schoolbeat_agent.table import PROBE_NAMES, REMEDIES, REMEDIES_BEYOND, Line, drawn, lines_of, shown
from schoolbeat_agent.watch import Watch
from schoolbeat_wire.catalogue import CAUSES, READINGS

CONFIG = """
site = "th-thu"
folder = "state"
[broker]
host = "127.0.0.1"
port = {port}
tls = false
[path]
router = "127.0.0.1"
international = []
[internet]
names = ["a.test"]
targets = ["127.0.0.1:{port}"]
[dns]
known = "127.0.0.1:{port}"
resolvers = ["127.0.0.1:{port}"]
name = "a.test"
[[device]]
id = "cam-1"
address = "127.0.0.1"
port = {port}
name = "Camera cổng"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG.format(port=free_port()))
    return path


def typed(config: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [sys.executable, "-m", "schoolbeat_agent.cli", "--config", config, *arguments]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


def test_check_says_that_all_is_right_in_both_languages_and_makes_no_file(tmp_path: Path, config: Path) -> None:
    vi, en = typed(config, "check"), typed(config, "--lang", "en", "check")

    assert (vi.returncode, en.returncode) == (0, 0)
    assert "cấu hình đúng: điểm trường th-thu, tác tử gateway" in vi.stdout
    assert "the configuration is right: site th-thu, agent gateway" in en.stdout
    assert [entry.name for entry in tmp_path.iterdir()] == ["agent.toml"]


@pytest.mark.parametrize("command", ["check", "once", "run", "status"])
def test_every_command_refuses_a_wrong_configuration_with_one_line(config: Path, command: str) -> None:
    config.write_text(config.read_text().replace("tls = false", 'tls = "no"'))

    found = typed(config, command)

    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith(f"{config}: broker.tls = 'no': cho phép true hoặc false")
    assert "Traceback" not in found.stderr


def test_too_many_devices_are_refused_by_check(config: Path) -> None:
    devices = "".join(f'[[device]]\nid = "d{n}"\naddress = "10.0.{n // 250}.{n % 250 + 1}"\n' for n in range(600))
    config.write_text(config.read_text() + devices)

    found = typed(config, "check")

    assert found.returncode == 2
    assert "device = 601: cho phép nhiều nhất 500" in found.stderr


def test_once_prints_what_answers_what_does_not_and_what_to_do(tmp_path: Path, config: Path) -> None:
    found = typed(config, "once")

    assert found.returncode == 1
    assert "✗ Camera cổng" in found.stdout
    assert "Nguyên nhân: từ chối kết nối" in found.stdout
    assert "Cần làm: " in found.stdout
    assert "✗ Internet dùng được" in found.stdout
    assert re.search(r"✓ Máy chạy tác tử +tải trung bình 1 phút \d", found.stdout)
    assert found.stdout.rstrip().endswith("mục cần xem lại.")
    assert not (tmp_path / "state").exists()


def test_once_in_english(config: Path) -> None:
    found = typed(config, "--lang", "en", "once")

    assert "Cause: connection refused" in found.stdout
    assert "What to do: " in found.stdout


def test_status_of_an_agent_that_does_not_run(config: Path) -> None:
    text, machine = typed(config, "status"), typed(config, "status", "--json")

    assert (text.returncode, machine.returncode) == (1, 1)
    assert text.stdout.startswith("✗ tác tử không chạy")
    assert json.loads(machine.stdout) == {"running": False}


def test_status_tells_what_waits_while_the_agent_does_not_run(tmp_path: Path, config: Path) -> None:
    box = Outbox(tmp_path / "state" / "outbox.sqlite", hardware="aa" * 8, boot="bb" * 16)
    for minute in range(3):
        box.add(row(FIRST + minute), REVISION, False)
    box.close()

    found = typed(config, "status")

    assert (found.returncode, found.stdout.splitlines()[1]) == (
        1,
        "… 3 phút nằm trong sổ gửi, sẽ được gửi khi tác tử chạy lại",
    )


def test_a_machine_is_known_by_its_serial_then_its_cards_then_its_installation(tmp_path: Path) -> None:
    sys, etc = tmp_path / "sys", tmp_path / "etc"
    etc.mkdir()
    (etc / "machine-id").write_text("0123\n")
    found = [machine.hardware_id(sys, etc)]
    card = sys / "class" / "net" / "eth0"
    (card / "device").mkdir(parents=True)
    (card / "address").write_text("02:00:00:00:00:01\n")
    found.append(machine.hardware_id(sys, etc))
    serial = sys / "firmware" / "devicetree" / "base" / "serial-number"
    serial.parent.mkdir(parents=True)
    serial.write_bytes(b"10000000abcdef01\0")
    found.append(machine.hardware_id(sys, etc))
    (card / "address").write_text("02:00:00:00:00:02\n")
    found.append(machine.hardware_id(sys, etc))

    assert len(set(found[:3])) == 3
    assert found[3] == found[2]
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in found)


def test_run_without_broker_tells_its_status_refuses_a_second_one_and_stops_when_asked(
    tmp_path: Path, config: Path
) -> None:
    log = (tmp_path / "log").open("wb")
    command: list[str | Path] = [sys.executable, "-m", "schoolbeat_agent.cli", "--config", config, "run"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(lambda: (told := status.ask(tmp_path / "state")) and told["problem"])
        second, text = typed(config, "run"), typed(config, "--lang", "en", "status")
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        log.close()
    assert second.returncode == 2
    assert "một tác tử khác đang chạy ở đó" in second.stderr
    assert text.returncode == 1
    assert text.stdout.startswith("✗ not connected to 127.0.0.1:")
    assert "Connection refused" in text.stdout
    logged = (tmp_path / "log").read_text()
    assert logged.count("Connection refused\n") <= 2  # each trouble is told once
    assert logged.endswith("INFO stopped\n")


# --- the table -----------------------------------------------------------------------------------------------------


def test_every_cause_has_a_remedy_and_every_probe_a_name() -> None:
    assert set(REMEDIES) == set(CAUSES)
    assert set(PROBE_NAMES) == set(PROBES)


def test_a_line_of_the_table_says_mark_what_value_cause_and_remedy() -> None:
    watch = Watch("path", None, ("lan.router", "line.isp", "line.domestic"), ())
    seen = Observation(
        {"lan.router": State.UP, "line.isp": State.UNSEEN, "line.domestic": State.DOWN},
        {("lan.router", "rtt_ms"): 1.25, ("lan.router", "loss_percent"): 0.0},
        {"line.domestic": "timeout"},
        {"lan.router": "192.168.1.1"},
    )

    found = lines_of(watch, Run("path", 0.0, 0.1, seen), {}, "en")

    assert found == [
        Line("✓", "The school's router", "192.168.1.1 · round-trip time (median) 1.2 ms · packet loss 0.0 %"),
        Line("?", "The ISP's edge", "", "does not show itself from here: neither up nor down"),
        Line("✗", "Domestic network", "", "no answer in time", REMEDIES_BEYOND["timeout"].en),
    ]
    assert drawn(found, "en").splitlines() == [
        "  What                 Value",
        "✓ The school's router  192.168.1.1 · round-trip time (median) 1.2 ms · packet loss 0.0 %",
        "? The ISP's edge",
        "    Cause: does not show itself from here: neither up nor down",
        "✗ Domestic network",
        "    Cause: no answer in time",
        f"    What to do: {REMEDIES_BEYOND['timeout'].en}",
        "",
        "To look at: 1.",
    ]


@pytest.mark.parametrize(
    ("reading", "value", "vi"),
    [
        ("disk_free_bytes", 81_444_376_576, "75,9 GiB"),
        ("uptime_seconds", 4_688, "1 giờ 18 phút"),
        ("rtt_ms", 0.71, "0,7 ms"),
        ("tls_days_left", 29, "29 ngày"),
        ("load1", 1.3, "1,3"),
    ],
)
def test_a_number_is_shown_as_a_technician_reads_it(reading: str, value: float, vi: str) -> None:
    assert shown(value, READINGS[reading], "vi") == vi


def test_a_probe_that_cannot_measure_says_why_and_what_to_do() -> None:
    watch = Watch("icmp", None, ("device.sw-1",), ())

    found = lines_of(watch, Run("icmp", 0.0, 0.1, None, "no_permission", "EACCES"), {"device.sw-1": "Switch"}, "vi")

    why = REMEDIES["no_permission"].vi
    assert found == [Line("✗", "Thiết bị (ICMP): Switch", "EACCES", "tác tử không được phép đo", why)]
    assert drawn([], "vi").strip() == "Mọi thứ đều trả lời."


# --- one run -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "failure"),
    [
        (ProbeFailed("no_permission", "why"), "no_permission"),
        (ProbeFailed("a cause nobody knows"), "internal"),
        (RuntimeError("a mistake"), "internal"),
        (TimeoutError("of its own"), "internal"),
        (None, "hung"),
    ],
)
def test_whatever_happens_in_a_probe_is_a_run_that_failed(
    monkeypatch: pytest.MonkeyPatch, problem: Exception | None, failure: str
) -> None:
    async def spoilt(_target: object, _world: World) -> Observation:
        if problem is None:
            await asyncio.sleep(60)
        raise problem or AssertionError

    monkeypatch.setitem(PROBES, "host", spoilt)
    seconds = iter([5.0, 5.5])

    found = asyncio.run(measure(Watch("host", None, (), ()), World(), 0.05, lambda: next(seconds)))

    assert (found.probe, found.started, found.seconds, found.observation, found.failure) == (
        "host",
        5.0,
        0.5,
        None,
        failure,
    )


def test_every_probe_takes_the_target_that_the_settings_make(config: Path) -> None:
    text = (
        config.read_text()
        + '[[service]]\nid = "s"\nurl = "http://127.0.0.1:9/"\n[[device]]\nid = "i"\naddress = "127.0.0.1"\n'
    )
    config.write_text(text)
    watches = inventory.watches(load(config))

    async def all_of_them() -> list[Run]:
        world = World()
        return await asyncio.gather(*(measure(watch, world, 20, lambda: 0.0) for watch in watches))

    runs = asyncio.run(all_of_them())

    assert [run.probe for run in runs] == ["host", "path", "internet", "dns", "http", "tcp", "icmp"]
    assert [run.failure for run in runs if run.failure == "internal"] == []
    for watch, run in zip(watches, runs, strict=True):
        if run.observation:
            assert set(run.observation.states) <= set(watch.signals)
            assert set(run.observation.readings) <= set(watch.readings)


def test_what_lies_beyond_the_school_is_not_looked_for_at_a_socket() -> None:
    seen = Observation({"line.internet": State.DOWN}, causes={"line.internet": "timeout"})
    internet = Watch("internet", None, ("line.internet",), ())
    device = Watch("icmp", None, ("device.ap",), ())

    [line] = lines_of(internet, Run("internet", 0.0, 0.1, seen), {}, "vi")
    [failed] = lines_of(Watch("dns", None, (), ()), Run("dns", 0.0, 0.1, None, "timeout", "a.vn"), {}, "en")
    [near] = lines_of(device, Run("icmp", 0.0, 0.1, Observation({"device.ap": State.DOWN})), {}, "en")

    assert line.remedy.startswith("xem modem quang")
    assert failed.remedy.startswith("look at the optical modem")
    assert near.remedy == "see whether it is switched on and plugged in"


def test_every_probe_has_a_line_also_when_one_run_has_nothing_to_tell() -> None:
    found = [
        line
        for probe in ("speed", "traffic", "wifi_heard")
        for line in lines_of(Watch(probe, None, (), ()), Run(probe, 0.0, 0.1, Observation()), {}, "en")
    ]

    assert found == [
        Line("–", "Speed test", "not now: only when it is this school's turn, outside lessons, on an idle line"),
        Line("–", "The line's traffic", "this takes two counts: the agent tells it when it runs"),
        Line("–", "Wi-Fi heard", "nothing to tell yet"),
    ]


def test_a_name_in_capitals_stays_so_within_a_line() -> None:
    seen = Observation(readings={("lan", "dhcp_servers"): 2.0, ("lan", "devices_seen"): 7.0})

    [line] = lines_of(Watch("lan", None, (), ()), Run("lan", 0.0, 0.1, seen), {}, "en")

    assert line.value == "DHCP servers 2 · devices seen on the LAN 7"


def test_a_device_stands_in_the_table_by_its_name_also_where_a_probe_decides_no_signal() -> None:
    names = {"device.sw": "Switch tầng 1", "device.sw.9": "Camera cổng", "device.ap": ""}
    watch = Watch("snmp", None, (), (), about="device.sw")
    told = {("device.sw", "ports_up"): 3.0, ("device.sw.gi%201", "port_speed_bps"): 1e9, ("device.ap", "clients"): 7.0}

    failed = lines_of(watch, Run("snmp", 0.0, 0.1, None, "bad_answer", "10.0.0.1"), names, "vi")
    found = lines_of(watch, Run("snmp", 0.0, 0.1, Observation(readings=told)), names, "vi")

    assert [line.what for line in (*failed, *found)] == [
        "Thiết bị (SNMP): Switch tầng 1",
        "Thiết bị (SNMP): Switch tầng 1",
        "Thiết bị (SNMP): Switch tầng 1 gi 1",
        "Thiết bị (SNMP): ap",
    ]
    assert failed[0].remedy.startswith("khởi động lại thiết bị")
