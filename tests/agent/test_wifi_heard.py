"""What the radio hears: judged from parsed scans, and asked of emulated programs (here is no radio)."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.agent.wifi_lab import calls, emulated

from schoolbeat_agent import inventory, nut, power, wifi
from schoolbeat_agent.observation import Observation, ProbeFailed, Run, State
from schoolbeat_agent.probes import wifi_heard, wifi_seat
from schoolbeat_agent.probes.wifi_heard import HeardTarget
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.recorder import from_raw, to_raw
from schoolbeat_agent.settings import Settings, build
from schoolbeat_agent.wifi import hearing, joining
from schoolbeat_agent.wifi.hearing import judge
from schoolbeat_agent.wifi.link import Link
from schoolbeat_agent.wifi.radio import radio_lock
from schoolbeat_agent.wifi.scan import Heard
from schoolbeat_agent.wifi.survey import Surveyed
from schoolbeat_wire.catalogue import CAUSES, READINGS

RADIO = "lo"  # an interface that every machine has
SCHOOL, OTHER = "Trường".encode(), b"hoc-sinh"
SUBJECT = "wifi.Tr%C6%B0%E1%BB%9Dng"


def test_the_best_access_point_counts_and_strangers_are_only_counted() -> None:
    heard = [
        Heard(SCHOOL, 2412.0, 1, -70.0, busy_255=51),
        Heard(SCHOOL, 5180.0, 36, -50.0),
        Heard(SCHOOL, 2437.0, 6),
        Heard(b"quan ca phe", 2412.0, 1, -80.0),
        Heard(b"quan ca phe", 5180.0, 36, -85.0),
        Heard(b"", 5180.0, 36, -60.0),
        Heard(b"\0\0\0", 5180.0, 36, -61.0),
    ]

    seen = judge(heard, [Surveyed(5180.0, busy_percent=12.5), Surveyed(2412.0, busy_percent=99.0)], [SCHOOL, OTHER])

    assert seen == Observation(
        {},
        {
            (SUBJECT, "networks_heard"): 3.0,
            (SUBJECT, "signal_dbm"): -50.0,
            (SUBJECT, "channel"): 36.0,
            (SUBJECT, "channel_busy_percent"): 12.5,
            ("wifi.hoc-sinh", "networks_heard"): 0.0,
            ("wifi", "networks_strange"): 3.0,
        },
        {},
        {"wifi.hoc-sinh": "not heard"},
    )
    assert "quan" not in repr(seen)


def test_the_access_points_own_word_of_its_load_comes_first_and_what_is_not_known_is_absent() -> None:
    load = judge([Heard(OTHER, 2412.0, 1, -40.0, busy_255=255)], [Surveyed(2412.0, busy_percent=1.0)], [OTHER])
    bare = judge([Heard(OTHER)], [], [OTHER])

    assert load.readings["wifi.hoc-sinh", "channel_busy_percent"] == 100.0
    assert set(bare.readings) == {("wifi.hoc-sinh", "networks_heard"), ("wifi", "networks_strange")}


SCAN = (
    "BSS 02:00:00:00:00:01(on wlan1)\n\tfreq: 2412\n\tsignal: -54.00 dBm\n\tlast seen: {age} ms ago\n\tSSID: hoc-sinh\n"
)


def iw(
    folder: Path, scan: str, dump: str = "exit 0", survey: str = "exit 161", link: str = "echo 'Not connected.'"
) -> str:
    body = f"""
case "$*" in
  *"scan dump") {dump} ;;
  *scan) {scan} ;;
  *"survey dump") {survey} ;;
  *link) {link} ;;
esac
"""
    return emulated(folder, "iw", body)


def printing(text: str) -> str:
    return f"cat <<'E'\n{text}\nE\n"


def saying(text: str, code: int = 240) -> str:
    return f"echo '{text}' >&2; exit {code}"


def world_for(folder: Path, interface: str = "eth0", is_radio: bool = False) -> World:
    (folder / "proc/net").mkdir(parents=True, exist_ok=True)
    (folder / "proc/net/route").write_text(
        f"Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n{interface}\t00000000\t0100580A\t0003\t0\t0\t0\t00000000\n"
    )
    place = folder / "sys/class/net" / interface / "phy80211"
    if is_radio:
        place.mkdir(parents=True, exist_ok=True)
    return World(proc=folder / "proc", sys=folder / "sys")


def asked(folder: Path, program: str, world: World | None = None, **more: object) -> Observation:
    target = HeardTarget(
        RADIO, (OTHER,), iw=program, iwconfig="/nowhere/iwconfig", nmcli="/nowhere/nmcli", windows=False
    )
    return asyncio.run(wifi_heard.probe(replace(target, **more), world or world_for(folder)))  # type: ignore[arg-type]


HEARD = {
    ("wifi.hoc-sinh", "networks_heard"): 1.0,
    ("wifi.hoc-sinh", "signal_dbm"): -54.0,
    ("wifi.hoc-sinh", "channel"): 1.0,
    ("wifi", "networks_strange"): 0.0,
}


def test_a_scan(tmp_path: Path) -> None:
    survey = "Survey data from wlan1\n\tfrequency: 2412 MHz\n\tchannel active time: 200 ms\n\tchannel busy time: 50 ms"

    seen = asked(tmp_path, iw(tmp_path, printing(SCAN.format(age=20)), survey=printing(survey)))

    assert seen == Observation({}, HEARD | {("wifi.hoc-sinh", "channel_busy_percent"): 25.0})


@pytest.mark.parametrize(
    "refused",
    [
        "command failed: Device or resource busy (-16)",
        "command failed: Operation not permitted (-1)",
        "Error: Scanning not allowed immediately following previous scan.",
    ],
)
def test_a_scan_that_is_refused_is_normal_while_something_was_heard_lately(tmp_path: Path, refused: str) -> None:
    seen = asked(tmp_path, iw(tmp_path, saying(refused), printing(SCAN.format(age=59_000))))

    assert seen.readings == HEARD


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("command failed: Device or resource busy (-16)", "radio_busy"),
        ("Error: Scanning not allowed immediately following previous scan.", "radio_busy"),
        ("command failed: Operation not permitted (-1)", "no_permission"),
        ("command failed: Network is down (-100)", "not_configured"),
        ("command failed: No such device (-19)", "no_radio"),
        ("nl80211 not found.", "no_radio"),
        ("command failed: Connection timed out (-110)", "hung"),
        ("something new", "bad_answer"),
    ],
)
def test_why_nothing_is_heard(tmp_path: Path, said: str, cause: str) -> None:
    with pytest.raises(ProbeFailed) as failed:
        asked(tmp_path, iw(tmp_path, saying(said), printing(SCAN.format(age=61_000))))

    assert failed.value.cause == cause


def test_a_radio_that_hears_nobody_is_an_answer(tmp_path: Path) -> None:
    seen = asked(tmp_path, iw(tmp_path, "exit 0"))

    assert seen.readings == {("wifi.hoc-sinh", "networks_heard"): 0.0, ("wifi", "networks_strange"): 0.0}


def test_a_radio_on_which_the_own_line_hangs_is_not_sent_off_its_channel(tmp_path: Path) -> None:
    program = iw(
        tmp_path,
        "exit 1",
        printing(SCAN.format(age=20)),
        link=printing(
            "Connected to 02:00:00:00:00:01 (on lo)\n\tSSID: x\n\tfreq: 5180\n\tsignal: -61 dBm\n\ttx bitrate: 6.0 MBit/s"
        ),
    )

    seen = asked(tmp_path, program, world_for(tmp_path, RADIO, is_radio=True))

    own = {("host", "signal_dbm"): -61.0, ("host", "channel"): 36.0, ("host", "bitrate_bps"): 6_000_000.0}
    assert seen.readings == HEARD | own
    assert not any(call.endswith(" scan") for call in calls(tmp_path, "iw"))


def test_firmware_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hearing, "SCAN_SECONDS", 0.5)
    started = time.monotonic()

    with pytest.raises(ProbeFailed) as failed:
        asked(tmp_path, iw(tmp_path, "exec sleep 60"))

    assert failed.value.cause == "hung"
    assert time.monotonic() - started < 10


def test_an_output_without_end_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed) as failed:
        asked(tmp_path, iw(tmp_path, "exec cat /dev/zero"))

    assert failed.value.cause == "too_much"


def test_without_iw_nmcli_tells_what_it_can_also_an_old_one(tmp_path: Path) -> None:
    body = """
case "$*" in
  *SSID-HEX*) echo "Error: invalid field 'SSID-HEX'" >&2; exit 2 ;;
  *) printf 'hoc-sinh:2412 MHz:1\\na\\\\:b:5180 MHz:36\\n' ;;
esac
"""
    seen = asked(tmp_path, "/nowhere/iw", nmcli=emulated(tmp_path, "nmcli", body))

    assert seen.readings == {
        ("wifi.hoc-sinh", "networks_heard"): 1.0,
        ("wifi.hoc-sinh", "channel"): 1.0,
        ("wifi", "networks_strange"): 1.0,
    }
    with pytest.raises(ProbeFailed) as failed:
        asked(tmp_path, "/nowhere/iw")
    assert failed.value.cause == "not_installed"


def test_a_machine_without_that_interface_says_so(tmp_path: Path) -> None:
    with pytest.raises(ProbeFailed, match="wlan77") as failed:
        asked(
            tmp_path, emulated(tmp_path, "iw", printing("phy#0\n\tInterface wlan0\n\tInterface wlan1")), radio="wlan77"
        )

    assert failed.value.cause == "no_radio"
    assert failed.value.detail.endswith("radios here: wlan0, wlan1")
    assert calls(tmp_path, "iw") == ["dev"]


def test_the_real_iw_says_on_a_machine_without_radio_that_there_is_none(tmp_path: Path) -> None:
    program = shutil.which("iw", path="/usr/sbin:/sbin:/usr/bin")
    if program is None or Path("/sys/class/ieee80211").exists():
        pytest.skip("iw is not installed, or this machine has a radio")

    with pytest.raises(ProbeFailed) as failed:
        asked(tmp_path, program)

    assert failed.value.cause == "no_radio"


def test_while_a_seat_is_tried_it_waits_and_then_says_that_the_radio_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "RADIO_SECONDS", 0.2)
    world = world_for(tmp_path)
    target = HeardTarget(RADIO, (OTHER,), iw=iw(tmp_path, printing(SCAN.format(age=20))), windows=False)

    async def both() -> str:
        async with radio_lock(world):
            with pytest.raises(ProbeFailed) as failed:
                await wifi_heard.probe(target, world)
        assert (await wifi_heard.probe(target, world)).readings == HEARD
        return failed.value.cause

    assert asyncio.run(both()) == "radio_busy"


def test_a_computer_on_a_cable_has_nothing_to_say_and_one_on_wifi_tells_its_link(tmp_path: Path) -> None:
    cable = asked(tmp_path, iw(tmp_path, "exit 1"), radio="", ssids=())
    (tmp_path / "proc/net/wireless").write_text(" wlan0: 0000   58.  -52.  -256        0\n")
    world = world_for(tmp_path, "wlan0", is_radio=True)
    old = asked(tmp_path, "/nowhere/iw", world, radio="", ssids=())

    said = 'wlan0     IEEE 802.11  ESSID:"a"\n          Bit Rate=6 Mb/s\n          Signal level=-53 dBm'
    older = emulated(tmp_path, "iwconfig", printing(said))
    by_iwconfig = asked(tmp_path, "/nowhere/iw", world, radio="", ssids=(), iwconfig=older)

    assert cable == Observation()
    assert by_iwconfig.readings == {("host", "signal_dbm"): -53.0, ("host", "bitrate_bps"): 6_000_000.0}
    assert calls(tmp_path, "iwconfig") == ["wlan0"]
    assert old.readings == {("host", "signal_dbm"): -52.0}


def test_a_windows_computer_asks_netsh(tmp_path: Path) -> None:
    said = "    SSID : a\n    Channel : 6\n    Receive rate (Mbps) : 72\n    Signal : 80%\n"

    seen = asked(tmp_path, "iw", radio="", ssids=(), windows=True, netsh=emulated(tmp_path, "netsh", printing(said)))

    assert seen.readings == {
        ("host", "signal_dbm"): -60.0,
        ("host", "channel"): 6.0,
        ("host", "bitrate_bps"): 72_000_000.0,
    }
    assert calls(tmp_path, "netsh") == ["wlan show interfaces"]
    assert hearing.of_link(Link()) == Observation()


def settings_for(tmp_path: Path, role: str = "gateway", **table: object) -> Settings:
    return build(
        {"site": "a", "role": role, "broker": {"host": "b", "tls": False}, "wifi": table}, tmp_path / "agent.toml"
    )


def test_every_cause_and_reading_named_is_in_the_catalogue() -> None:
    folder = Path(wifi.__file__).parent
    text = "\n".join(
        path.read_text() for path in [*folder.glob("*.py"), folder.parent / "nut.py", folder.parent / "power.py"]
    )
    causes = set(re.findall(r'(?:NoAnswer|ProbeFailed)\(\s*"(\w+)"', text))
    causes |= {cause for _, cause, _ in hearing.TROUBLES} | {cause for cause, _ in nut.ERRORS.values()}
    causes |= {cause for _, cause in (*joining.NM_FAILURES, *joining.NM_TROUBLES)}
    readings = {*wifi_seat.READINGS, *power.FLAGS.values(), *power.NUT_NUMBERS.values()}

    assert len(causes) > 12
    assert causes <= set(CAUSES)
    assert readings <= set(READINGS)


def test_a_school_with_all_of_it_fits_the_wire(tmp_path: Path) -> None:
    names = ["Trường", "b" * 32, "ệ" * 10, "a.b", "a/b#+"]
    table = {"radio": "wlan1", "ssids": names, "seats": names[:4]}
    settings = build(
        {"site": "a", "broker": {"host": "b", "tls": False}, "wifi": table, "power": {"nut": "ups@localhost"}},
        tmp_path / "agent.toml",
    )

    watches = inventory.watches(settings)
    found = inventory.of(settings, watches, "1")

    assert {"power.mains", SUBJECT, "wifi.a%2Eb"} <= set(found.signals)
    sparse = {column.reading: column.sparse for column in found.columns}
    assert (sparse["on_battery"], sparse["join_ms"], sparse["networks_strange"]) == (False, True, True)
    held = Run("wifi_seat", 0.0, 1.0, Observation({SUBJECT: State.UP}))
    assert from_raw(to_raw(held)) == held


def test_what_is_watched(tmp_path: Path) -> None:
    assert wifi_heard.watches(settings_for(tmp_path)) == []
    (computer,) = wifi_heard.watches(settings_for(tmp_path, "classroom"))
    (gateway,) = wifi_heard.watches(settings_for(tmp_path, radio="wlan1", ssids=["Trường"], seats=["Trường", "b"]))

    assert (computer.readings, computer.learns, computer.about) == ((), True, "host")
    assert {subject for subject, _ in gateway.readings} == {"wifi", SUBJECT, "wifi.b"}
    assert gateway.signals == ()
