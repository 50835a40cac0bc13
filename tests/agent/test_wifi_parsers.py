"""What Wi-Fi tools print: captured outputs, the ways in which formats differ, and text spoilt at random."""

# ruff: noqa: E101 (that is how iw indents)

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_agent.wifi import iw_dev, iwconfig, link, netsh, nmcli, scan, ssid, survey
from schoolbeat_agent.wifi.iw_dev import Radio
from schoolbeat_agent.wifi.link import Link
from schoolbeat_agent.wifi.scan import Heard
from schoolbeat_agent.wifi.survey import Surveyed
from schoolbeat_wire import bounds

CAPTURED = Path(__file__).parents[3] / "shared" / "material" / "data" / "wifi-jc"
need_captured = pytest.mark.skipif(not CAPTURED.is_dir(), reason="../shared/material is not here")

# Written by hand after the formats; names and addresses are made up.
SCAN = """\
BSS 02:00:00:00:00:01(on wlan1)
	last seen: 4206.107s [boottime]
	TSF: 608162896731 usec (7d, 00:56:02)
	freq: 2412.0
	beacon interval: 100 TUs
	signal: -54.00 dBm
	last seen: 1410 ms ago
	Information elements from Probe Response frame:
	SSID: Tr\\xc6\\xb0\\xe1\\xbb\\x9dng H\\xe1\\xbb\\x8dc
	HT operation:
		 * primary channel: 1
	BSS Load:
		 * station count: 12
		 * channel utilisation: 103/255
		 * available admission capacity: 31250 [*32us]
	WPS:	 * Version: 1.0
		 * Device name: SSID: liar
BSS 02:00:00:00:00:02(on wlan1) -- associated
	freq: 5180
	signal: -30.00 dBm
	last seen: 0 ms ago
	SSID: a:b\\x5cc\\x20
BSS 02:00:00:00:00:03 (on wlan1)
    freq: 2484
    signal: 60/100
    SSID: \\x00\\x00\\x00\\x00
BSS xx:xx:xx:xx:3e:41(on wlan0-1)
	freq: 5955
	SSID:
	DS Parameter set: channel 36
	BSS Load:
		 * channel utilization: 999/255
BSS 02:00:00:00:00:05(on wlan1)
"""


def test_a_scan() -> None:
    assert scan.parse(SCAN) == [
        Heard("Trường Học".encode(), 2412.0, 1, -54.0, 1410, 12, 103),
        Heard(b"a:b\\c ", 5180.0, 36, -30.0, 0, associated=True),
        Heard(b"\0\0\0\0", 2484.0, 14),
        Heard(b"", 5955.0, 1),
        Heard(),
    ]
    assert scan.parse(SCAN)[0].busy_percent == pytest.approx(40.39, abs=0.01)
    assert scan.parse("") == scan.parse("command failed: Device or resource busy (-16)\n") == []
    assert len(scan.parse("BSS 02:00:00:00:00:05(on wlan1)\n" * 5_000)) == scan.MOST


@need_captured
@pytest.mark.parametrize("name", ["iw-scan0.out", "iw-scan1.out", "iw-scan2.out"])
def test_captured_scans_say_what_another_script_read_from_them(name: str) -> None:
    facts = json.loads((CAPTURED / "facts.json").read_text())[f"centos-7.7/{name}"]

    heard = scan.parse((CAPTURED / "centos-7.7" / name).read_text())

    assert [_facts(one) for one in heard] == [
        {key: value for key, value in fact.items() if key not in ("bssid", "ifname", "primary_channel", "ssid")}
        for fact in facts
    ]
    assert [one.ssid for one in heard] == [ssid.from_iw(fact.get("ssid", "")) for fact in facts]
    told = [(one, fact) for one, fact in zip(heard, facts, strict=True) if "primary_channel" in fact]
    assert [one.channel for one, _ in told] == [fact["primary_channel"] for _, fact in told]


def _facts(one: Heard) -> dict[str, Any]:
    out = {
        "associated": one.associated,
        "freq": one.freq_mhz,
        "signal_dbm": one.signal_dbm,
        "stations": one.stations,
        "channel_util_255": one.busy_255,
    }
    return {key: value for key, value in out.items() if value is not None}


@need_captured
def test_captured_iwconfig_and_nmcli_outputs() -> None:
    many = iwconfig.parse((CAPTURED / "generic" / "iwconfig-many.out").read_text())
    dash = iwconfig.parse((CAPTURED / "generic" / "iwconfig-space-dash-ssid.out").read_text())

    assert many == {
        "wlp5s0": Link(b"BLABLABLA", 36, -52.0, 6_000_000),
        "wlp5s02": Link(b"BLABLABLA2", 36, -53.0, 6_000_000),
    }
    assert dash == {"wlp-50": Link(b"BLABLABLA-bla bla bla", 36, -52.0, 6_000_000)}
    for path in CAPTURED.rglob("*.out"):
        for parse in PARSERS:
            parse(path.read_text())


LINKS = [
    (
        "Connected to 02:00:00:00:00:01 (on wlan0)\n\tSSID: a b\n\tfreq: 5180\n\tRX: 1 bytes (1 packets)\n"
        "\tsignal: -54 dBm\n\trx bitrate: 433.3 MBit/s VHT-MCS 9 80MHz short GI VHT-NSS 1\n"
        "\ttx bitrate: 866.7 MBit/s VHT-MCS 9 80MHz short GI VHT-NSS 2\n\n\tbss flags:\tshort-slot-time\n",
        Link(b"a b", 36, -54.0, 866_700_000),
    ),
    ("Not connected.\n", None),
    ("", None),
    (
        # a newer iw: fields in another order, no space behind the ack signal, no expected throughput
        "Station 02:00:00:00:00:01 (on wlan0)\n\tauthorized:\tyes\n\tauthenticated:\tyes\n\tinactive time:\t328 ms\n"
        "\tlast ack signal:-99 dBm\n\tavg ack signal: -98 dBm\n\tsignal avg:\t-97 dBm\n"
        "\tsignal:  \t-54 [-56, -58] dBm\n\trx bitrate:\t1201.0 MBit/s 80MHz HE-MCS 11 HE-NSS 2 HE-GI 0 HE-DCM 0\n",
        Link(b"", None, -54.0, 1_201_000_000),
    ),
    (
        "Station 02:00:00:00:00:01 (on wlan0)\n\ttx bitrate:\t6.0 MBit/s\nStation 02:00:00:00:00:02 (on wlan0)\n"
        "\tsignal:\t-10 dBm\n",
        Link(b"", None, None, 6_000_000),
    ),
]


@pytest.mark.parametrize(("text", "expected"), LINKS)
def test_a_link_in_its_different_forms(text: str, expected: Link | None) -> None:
    assert link.parse(text) == expected


SURVEY = """\
Survey data from wlan0
	frequency:			2412 MHz
	noise:				-95 dBm
	channel active time:		200 ms
	channel busy time:		50 ms
	channel receive time:		40 ms
Survey data from wlan0
	frequency:			5180 MHz [in use]
	channel active time:		0 ms
	channel busy time:		0 ms
Survey data from wlan0
	noise:				-95 dBm
Survey data from wlan0
	frequency:			5200 MHz
	channel active time:		10 ms
	channel busy time:		18446744073709551 ms
"""


def test_a_survey() -> None:
    assert survey.parse(SURVEY) == [
        Surveyed(2412.0, False, -95.0, 25.0),
        Surveyed(5180.0, True),
        Surveyed(5200.0),
    ]


IW_DEV = """\
phy#1
	Interface wlan1
		ifindex 4
		wdev 0x100000001
		addr 02:00:00:00:00:01
		type managed
		txpower 31.00 dBm
phy#0
	Unnamed/non-netdev interface
		wdev 0x3
		type P2P-device
	Interface wlan0
		ifindex 3
		ssid Tr\\xc6\\xb0\\xe1\\xbb\\x9dng
		type managed
		channel 6 (2437 MHz), width: 20 MHz, center1: 2437 MHz
"""


def test_the_radios_of_a_machine() -> None:
    assert iw_dev.parse(IW_DEV) == [Radio("wlan1", "managed"), Radio("wlan0", "managed", "Trường".encode())]
    assert iw_dev.parse("nl80211 not found.\n") == []


def test_nmcli_escapes_colons_and_backslashes() -> None:
    assert nmcli.split(r"a\:b:c\\d::") == ["a:b", "c\\d", "", ""]
    assert nmcli.split("open\\") == ["open"]


def test_networks_by_nmcli() -> None:
    full = (
        "6120623A63:a b\\:c:2412 MHz:1\n"
        "::5180 MHz:36\n"  # hidden
        "FF00:\\:x:5955 MHz:1\n"
        "a:row:too:short:or:long\n"
        "zz:not hex:x MHz:6\n"
    )
    short = "a b\\:c:2412 MHz:1\n"

    assert nmcli.networks(full, nmcli.LIST_FIELDS[0]) == [
        Heard(b"a b:c", 2412.0, 1),
        Heard(b"", 5180.0, 36),
        Heard(b"\xff\0", 5955.0, 1),
        Heard(b"not hex", None, 6),
    ]
    assert nmcli.networks(short, nmcli.LIST_FIELDS[1]) == [Heard(b"a b:c", 2412.0, 1)]


def test_a_device_by_nmcli() -> None:
    text = (
        "wlan1:wifi:connected:Nhà\\: trường:9f4d\neth0:ethernet:connected:Wired connection 1:1e5f\n"
        "p2p-dev-wlan0:wifi-p2p:disconnected::\nwlan3:wifi\n"
    )

    row = nmcli.device(text, "wlan1")

    assert row is not None
    assert list(row.values()) == ["wlan1", "wifi", "connected", "Nhà: trường", "9f4d"]
    assert nmcli.device(text, "wlan2") is nmcli.device(text, "wlan3") is None


PROC_WIRELESS = """\
Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE
 face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22
 wlan0: 0000   58.  -52.  -256        0      0      0      0   1766        0
wlp5s0: 0000   70.  200.  161.        0      0      0      0      0        0
 ath0: 0000   5    30    0   0
"""


def test_levels_of_wireless_extensions() -> None:
    assert iwconfig.levels(PROC_WIRELESS) == {
        "wlan0": (-52.0, None),
        "wlp5s0": (-56.0, -95.0),
        "ath0": (None, None),
    }


IWCONFIG = """\
lo        no wireless extensions.

wlan0     IEEE 802.11bgn  ESSID:"a "b" c"
          Mode:Managed  Frequency:2.412 GHz  Access Point: 02:00:00:00:00:01
          Bit Rate:1.2 Gb/s   Tx-Power=20 dBm
          Link Quality=58/70  Signal level=-52 dBm
wlan1     IEEE 802.11  ESSID:off/any
          Mode:Managed  Access Point: Not-Associated   Tx-Power=20 dBm
"""


def test_iwconfig() -> None:
    assert iwconfig.parse(IWCONFIG) == {
        "wlan0": Link(b'a "b" c', 1, -52.0, 1_200_000_000),
        "wlan1": Link(),
    }


NETSH = """
There is 1 interface on the system:

    Name                   : Wi-Fi
    Description            : Adapter 802.11ac: 100% new
    Physical address       : 02:00:00:00:00:01
    State                  : connected
    SSID                   : Nha truong
    AP BSSID               : 02:00:00:00:00:02
    Radio type             : 802.11ac
    Channel                : 36
    Receive rate (Mbps)    : 390
    Transmit rate (Mbps)   : 433.3
    Signal                 : 85%{rssi}
    Profile                : Nha truong

    Hosted network status  : Not available
"""
# The shape of another language: no label but SSID, BSSID and the unit is relied upon.
NETSH_OTHER = """
    Tên                    : Wi-Fi
    Trạng thái             : đã kết nối
    SSID                   : Nhà trường
    Kênh                   : 6
    Tốc độ nhận (Mbps)     : 72,2
    Tín hiệu               : 100 %
"""


def test_netsh_in_two_languages() -> None:
    assert netsh.parse(NETSH.format(rssi="")) == Link(b"Nha truong", 36, -57.5, 390_000_000)
    assert netsh.parse(NETSH.format(rssi="\n    Rssi                   : -61")) == Link(
        b"Nha truong", 36, -61.0, 390_000_000
    )
    assert netsh.parse(NETSH_OTHER) == Link("Nhà trường".encode(), 6, None, 72_200_000)
    assert netsh.parse("The Wireless AutoConfig Service (wlansvc) is not running.\n") is None
    assert netsh.parse("    Name : Wi-Fi\n    State : disconnected\n") is None


def test_channels_of_all_bands() -> None:
    freqs = (2412, 2437, 2472, 2484, 5180, 5825, 5885, 5955, 7115, 900, 60480)

    assert [ssid.channel_of(freq) for freq in freqs] == [1, 6, 13, 14, 36, 165, 177, 1, 233, None, None]


@given(st.binary(max_size=32))
def test_every_name_has_a_signal_of_its_own_that_the_wire_allows(name: bytes) -> None:
    signal = ssid.signal_of(name)

    if name:
        assert bounds.SIGNAL.fullmatch(signal)
    back = bytearray()
    rest = signal.removeprefix("wifi.")
    while rest:
        if rest[0] == "%":
            back.append(int(rest[1:3], 16))
            rest = rest[3:]
        else:
            back.append(ord(rest[0]))
            rest = rest[1:]
    assert bytes(back) == name


@given(st.binary(max_size=32))
def test_what_iw_escapes_is_read_back(name: bytes) -> None:
    """As iw's own print_ssid_escaped: printable ASCII but the backslash, and spaces inside."""
    last = len(name) - 1
    written = "".join(
        chr(byte) if (33 <= byte < 127 and byte != 92) or (byte == 32 and place not in (0, last)) else f"\\x{byte:02x}"
        for place, byte in enumerate(name)
    )

    assert ssid.from_iw(written) == name


PARSERS: tuple[Callable[[str], object], ...] = (
    scan.parse,
    link.parse,
    survey.parse,
    iw_dev.parse,
    iwconfig.parse,
    iwconfig.levels,
    netsh.parse,
    lambda text: nmcli.networks(text, nmcli.LIST_FIELDS[0]),
    lambda text: nmcli.networks(text, nmcli.LIST_FIELDS[1]),
    lambda text: nmcli.device(text, "wlan0"),
)
GOOD = [SCAN, *(text for text, _ in LINKS), SURVEY, IW_DEV, PROC_WIRELESS, IWCONFIG, NETSH, NETSH_OTHER]


@given(
    st.sampled_from(GOOD),
    st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 40), st.text(max_size=12)), max_size=6),
)
def test_spoilt_text_never_raises(text: str, cuts: list[tuple[int, int, str]]) -> None:
    for at, length, put in cuts:
        text = text[:at] + put + text[at + length :]
    for parse in PARSERS:
        parse(text)


@given(st.text(max_size=500))
def test_any_text_never_raises(text: str) -> None:
    for parse in PARSERS:
        parse(text)
