"""Answers as devices of each family give them, written by hand, with what they must be read as; sentinels beside them.

A key of `rows` is the object's OID below the family's root and its index; one that begins with "1.3.6.1." is whole.
`told` is keyed by (part, reading); the part "" is the device itself.
"""

from __future__ import annotations

from typing import NamedTuple

from schoolbeat_agent.snmp.rows import Rows, Value


class Case(NamedTuple):
    family: str
    what: str
    root: str
    rows: dict[str, Value]
    told: dict[tuple[str, str], float]

    def whole(self) -> Rows:
        return {oid if oid.startswith("1.3.6.1.") else f"{self.root}.{oid}": value for oid, value in self.rows.items()}


def if_names(*names: str) -> dict[str, Value]:
    return {f"1.3.6.1.2.1.31.1.1.1.1.{index}": name.encode() for index, name in enumerate(names, 1)}


def entity(index: int, name: str, descr: str = "") -> dict[str, Value]:
    root = "1.3.6.1.2.1.47.1.1.1.1"
    return {f"{root}.7.{index}": name.encode(), f"{root}.2.{index}": (descr or name).encode()}


def cisco_sensor(index: int, kind: int, value: int, *, scale: int = 9, precision: int = 1) -> dict[str, Value]:
    columns = {1: kind, 2: scale, 3: precision, 4: value, 5: 1}
    return {f"9.91.1.1.1.1.{column}.{index}": said for column, said in columns.items()}


def sensor(index: int, kind: int, value: int, *, scale: int = 9, precision: int = 0, ok: int = 1) -> dict[str, Value]:
    return {f"{c}.{index}": said for c, said in enumerate((kind, scale, precision, value, ok), 1)}


def huawei_port(index: int, name: str, rx: int, tx: int, degrees: int, millivolts: int) -> dict[str, Value]:
    optical = {5: degrees, 6: millivolts, 8: rx, 9: tx}
    return {f"1.1.3.1.{c}.{index}": said for c, said in optical.items()} | entity(index, name)


def gauges(index: int, name: str, value: int, unit: int) -> dict[str, Value]:
    return {f"3.100.1.2.{index}": name.encode(), f"3.100.1.3.{index}": value, f"3.100.1.4.{index}": unit}


def sfp(index: int, name: str, degrees: int, millivolts: int, tx: int, rx: int) -> dict[str, Value]:
    return {
        f"19.1.1.2.{index}": name.encode(),
        f"19.1.1.6.{index}": degrees,
        f"19.1.1.7.{index}": millivolts,
        f"19.1.1.9.{index}": tx,
        f"19.1.1.10.{index}": rx,
    }


CPU, MEMORY, HEAT = ("", "cpu_percent"), ("", "memory_used_percent"), ("", "temperature_celsius")
RX, TX = "optical_rx_dbm", "optical_tx_dbm"
MAC = "104.40.207.1.2.3"

CASES = (
    Case(
        "mikrotik",
        "light, no light, an empty cage",
        "1.3.6.1.4.1.14988.1.1",
        sfp(1, "sfp1", 40, 3300, -4879, -5673) | sfp(2, "sfp2", 41, 3300, -5000, -40000) | sfp(3, "sfp3", 0, 0, 0, 0),
        {
            ("sfp1", RX): -5.673,
            ("sfp1", TX): -4.879,
            ("sfp1", "temperature_celsius"): 40,
            ("sfp2", TX): -5,
            ("sfp2", "temperature_celsius"): 41,
        },
    ),
    Case(
        "mikrotik",
        "one network on two radios",
        "1.3.6.1.4.1.14988.1.1",
        {
            "1.3.1.4.7": "Trường".encode(),
            "1.3.1.4.8": "Trường".encode(),
            "1.3.1.6.7": 5,
            "1.3.1.6.8": 2,
            "1.3.1.9.7": -101,
            "1.3.1.9.8": 0,
            "1.3.6.1.2.1.31.1.1.1.1.7": b"wlan1",
            "1.3.6.1.2.1.31.1.1.1.1.8": b"wlan2",
        },
        {
            ("", "clients"): 7,
            ("ssid.Tr%C6%B0%E1%BB%9Dng", "clients"): 7,
            ("radio.wlan1", "clients"): 5,
            ("radio.wlan2", "clients"): 2,
            ("radio.wlan1", "noise_dbm"): -101,
        },
    ),
    Case(
        "mikrotik",
        "the gauges of RouterOS 7 before the scalars of RouterOS 6",
        "1.3.6.1.4.1.14988.1.1",
        gauges(13, "voltage", 243, 3) | gauges(14, "temperature", 38, 1) | {"3.10.0": 990},
        {HEAT: 38},
    ),
    Case(
        "mikrotik",
        "access points managed by CAPsMAN",
        "1.3.6.1.4.1.14988.1.1.1",
        {"10.0": 31, "7.1.2.1": 30, "7.1.2.2": 1} | if_names("cap1", "cap2"),
        {("", "clients"): 31, ("radio.cap1", "clients"): 30, ("radio.cap2", "clients"): 1},
    ),
    Case("mikrotik", "tenths of a degree in RouterOS 6", "1.3.6.1.4.1.14988.1.1", {"3.10.0": 330}, {HEAT: 33}),
    Case(
        "huawei",
        "hundredths of a dBm, microwatts, no module, no light",
        "1.3.6.1.4.1.2011.5.25.31",
        {"1.1.1.1.5.9": 24, "1.1.1.1.7.9": 58, "1.1.1.1.11.9": 44}
        | {"1.1.1.1.5.14": 0, "1.1.1.1.7.14": 0, "1.1.1.1.11.14": 0}
        | huawei_port(1, "GE0/0/1", -849, -575, 51, 3208)
        | huawei_port(2, "GE0/0/2", 331, 500, 24, 3300)
        | huawei_port(3, "GE0/0/3", -1, -1, -255, 0)
        | huawei_port(4, "GE0/0/4", -4000, -575, 40, 3300)
        | huawei_port(5, "GE0/0/5", 0, 0, 25, 3300),
        {
            CPU: 24,
            MEMORY: 58,
            HEAT: 44,
            ("GE0%2F0%2F1", RX): -8.49,
            ("GE0%2F0%2F1", TX): -5.75,
            ("GE0%2F0%2F1", "temperature_celsius"): 51,
            ("GE0%2F0%2F2", RX): -4.80172,
            ("GE0%2F0%2F2", TX): -3.0103,
            ("GE0%2F0%2F2", "temperature_celsius"): 24,
            ("GE0%2F0%2F4", TX): -5.75,
            ("GE0%2F0%2F4", "temperature_celsius"): 40,
            ("GE0%2F0%2F5", "temperature_celsius"): 25,
        },
    ),
    Case(
        "huawei_ac",
        "access points by their names",
        "1.3.6.1.4.1.2011.6.139",
        {"12.1.2.2.0": 41, f"13.3.3.1.4.{MAC}": b"AP 1", f"13.3.3.1.44.{MAC}": 40, "13.3.3.1.44.1.2.3.4.5.6": 1},
        {("", "clients"): 41, ("ap.AP%201", "clients"): 40},
    ),
    Case(
        "huawei_ups",
        "tenths, and what a card of one phase leaves at all ones",
        "1.3.6.1.4.1.2011.6.174.1",
        {
            "2.100.1.2.1": b"UPS5000-E",
            "2.101.1.1.1": 4,
            "3.100.1.1.1": 2347,
            "4.100.1.14.1": 200,
            "4.100.1.15.1": 4294967295,
            "6.100.1.1.1": 5385,
            "6.100.1.3.1": 100,
            "6.100.1.4.1": 28080,
        },
        {
            ("", "on_battery"): 1,
            ("", "input_volts"): 234.7,
            ("L1", "load_percent"): 20,
            ("", "battery_volts"): 538.5,
            ("", "battery_percent"): 100,
            ("", "battery_runtime_seconds"): 28_080,
        },
    ),
    Case(
        "cisco",
        "sensors by their words, the processor's pool",
        "1.3.6.1.4.1.9",
        {"9.109.1.1.1.1.7.1": 58, "9.48.1.1.1.5.1": 25, "9.48.1.1.1.6.1": 75, "9.48.1.1.1.5.2": 9, "9.48.1.1.1.6.2": 1}
        | {"9.13.1.3.1.3.1005": 61, "9.13.1.3.1.3.1006": 0}
        | cisco_sensor(1, 14, -60)
        | entity(1, "Gi1/0/1 Receive Power Sensor")
        | cisco_sensor(2, 14, -55)
        | entity(2, "Gi1/0/1 Transmit Power Sensor")
        | cisco_sensor(3, 14, -400)
        | entity(3, "Gi1/0/2 Receive Power Sensor")
        | cisco_sensor(4, 8, 419)
        | entity(4, "Gi1/0/1 Module Temperature Sensor")
        | cisco_sensor(5, 14, -1931, scale=8, precision=0),
        {
            CPU: 58,
            MEMORY: 25,
            HEAT: 61,
            ("Gi1%2F0%2F1", RX): -6,
            ("Gi1%2F0%2F1", TX): -5.5,
        },
    ),
    Case(
        "cisco_small",
        "the test in the index; 101 is no load, -40 no light",
        "1.3.6.1.4.1.9.6.1.101",
        {"1.8.0": 101, "53.15.1.10.1": 36, "90.1.2.1.3.1.5": 34, "90.1.2.1.3.1.8": -5402, "90.1.2.1.3.1.9": -40000}
        | {"90.1.2.1.3.2.9": -7000}
        | if_names("gi1", "gi2"),
        {HEAT: 36, ("gi1", "temperature_celsius"): 34, ("gi1", TX): -5.402, ("gi2", RX): -7},
    ),
    Case(
        "cisco_wlc",
        "networks of a controller",
        "1.3.6.1.4.1.14179",
        {"1.1.1.3.0": b"AIR-CT5508", "1.1.5.1.0": 7, "1.1.5.2.0": 1000, "1.1.5.3.0": 460}
        | {"2.1.1.1.2.1": b"school", "2.1.1.1.2.2": b"school", "2.1.1.1.38.1": 71, "2.1.1.1.38.2": 1},
        {CPU: 7, MEMORY: 54, ("", "clients"): 72, ("ssid.school", "clients"): 72},
    ),
    Case(
        "hp_procurve",
        "no light is -99999999, no diagnostics is all 0",
        "1.3.6.1.4.1.11.2.14.11.5.1",
        {"9.6.1.0": 97, "1.2.1.1.1.5.1": 1000, "1.2.1.1.1.7.1": 83}
        | {"82.1.1.1.1.11.1": 31_250, "82.1.1.1.1.14.1": -2100, "82.1.1.1.1.15.1": -7654}
        | {"82.1.1.1.1.11.2": 30_000, "82.1.1.1.1.14.2": -2200, "82.1.1.1.1.15.2": -99999999}
        | {"82.1.1.1.1.11.3": 0, "82.1.1.1.1.14.3": 0, "82.1.1.1.1.15.3": 0}
        | if_names("A1", "A2", "A3"),
        {
            CPU: 97,
            MEMORY: 8.3,
            ("A1", RX): -7.654,
            ("A1", TX): -2.1,
            ("A1", "temperature_celsius"): 31.25,
            ("A2", TX): -2.2,
            ("A2", "temperature_celsius"): 30,
        },
    ),
    Case(
        "tplink_jetstream",
        "milliwatts as text, N/A, 0 mW",
        "1.3.6.1.4.1.11863.6",
        {"4.1.1.1.1.2.1": 79, "4.1.2.1.1.2.1": 41}
        | {"96.1.7.1.1.1.1": b"1/0/17", "96.1.7.1.1.2.1": b"45.5", "96.1.7.1.1.5.1": b"0.5", "96.1.7.1.1.6.1": b"0.4"}
        | {"96.1.7.1.1.1.2": b"1/0/18", "96.1.7.1.1.2.2": b"N/A", "96.1.7.1.1.5.2": b"N/A", "96.1.7.1.1.6.2": b"0.0"}
        | {"96.1.7.1.1.1.3": b"1/0/19", "96.1.7.1.1.5.3": b"-5.21", "96.1.7.1.1.6.3": b"-40.00"},
        {
            ("1%2F0%2F19", TX): -5.21,
            CPU: 79,
            MEMORY: 41,
            ("1%2F0%2F17", RX): -3.9794,
            ("1%2F0%2F17", TX): -3.0103,
            ("1%2F0%2F17", "temperature_celsius"): 45.5,
        },
    ),
    Case("tplink_eap", "clients", "1.3.6.1.4.1.11863.10.1.1", {"1.0": 12}, {("", "clients"): 12}),
    Case(
        "zyxel_switch",
        "the quantity in the index",
        "1.3.6.1.4.1.890.1.15.3",
        {"2.4.0": 12, "84.1.2.1.6.1.1": 3050, "84.1.2.1.6.1.4": -520, "84.1.2.1.6.1.5": -812, "84.1.2.1.6.1.2": 330}
        | {"84.1.2.1.6.2.1": 0, "84.1.2.1.6.2.4": 0, "84.1.2.1.6.2.5": 0}
        | if_names("swp00", "swp01"),
        {CPU: 12, ("swp00", "temperature_celsius"): 30.5, ("swp00", TX): -5.2, ("swp00", RX): -8.12},
    ),
    Case(
        "zyxel_ap",
        "stations of two radios",
        "1.3.6.1.4.1.890.1.15.3",
        {"2.4.0": 9, "5.1.1.2.1": 4, "5.1.1.2.2": 6},
        {CPU: 9, ("", "clients"): 10, ("radio.1", "clients"): 4, ("radio.2", "clients"): 6},
    ),
    Case(
        "zte",
        "text in dBm, empty, all ones",
        "1.3.6.1.4.1.3902.3.103.11.1.1",
        {"18.1": b"-6.120", "20.1": b"-5.986", "24.1": b"37.625", "18.2": b"", "20.2": b"", "18.3": b"2147483647"}
        | if_names("gei-0/1", "gei-0/2", "gei-0/3"),
        {("gei-0%2F1", RX): -6.12, ("gei-0%2F1", TX): -5.986, ("gei-0%2F1", "temperature_celsius"): 37.625},
    ),
    Case(
        "ruijie",
        "hundredths of a dBm where the module can tell; -10000 is not known",
        "1.3.6.1.4.1.4881.1.1.10.2",
        {"36.1.1.2.0": 39, "35.1.1.1.3.1": 50, "1.1.16.0": 43}
        | {"105.1.1.1.15.1": 1, "105.1.1.1.76.1": -1290}
        | {"105.1.1.1.15.2": 2, "105.1.1.1.76.2": -500}
        | {"105.1.1.1.15.3": 1, "105.1.1.1.76.3": -10000}
        | if_names("Te0/1", "Te0/2", "Te0/3"),
        {CPU: 39, MEMORY: 50, HEAT: 43, ("Te0%2F1", RX): -12.9},
    ),
    Case(
        "ruijie_ac",
        "access points by their names",
        "1.3.6.1.4.1.4881.1.1.10.2.56",
        {"1.1.11.0": 2, f"2.1.1.1.2.{MAC}": b"AP 1", f"2.1.1.1.34.{MAC}": 40, "2.1.1.1.34.1.2.3.4.5.6": 1},
        {("", "clients"): 41, ("ap.AP%201", "clients"): 40},
    ),
    Case(
        "h3c",
        "65535 is no degrees, 2147483647 no light known",
        "1.3.6.1.4.1.25506.2",
        {"6.1.1.1.1.6.1": 0, "6.1.1.1.1.8.1": 0, "6.1.1.1.1.12.1": 65535}
        | {"6.1.1.1.1.6.2": 24, "6.1.1.1.1.8.2": 55, "6.1.1.1.1.12.2": 49}
        | {"70.1.1.1.9.1": -229, "70.1.1.1.12.1": -254, "70.1.1.1.15.1": 37}
        | {"70.1.1.1.9.2": 2147483647, "70.1.1.1.12.2": 2147483647, "70.1.1.1.15.2": 2147483647}
        | if_names("XGE1/0/1", "XGE1/0/2"),
        {
            CPU: 24,
            MEMORY: 55,
            HEAT: 49,
            ("XGE1%2F0%2F1", RX): -2.54,
            ("XGE1%2F0%2F1", TX): -2.29,
            ("XGE1%2F0%2F1", "temperature_celsius"): 37,
        },
    ),
    Case(
        "dlink",
        "processor, memory, heat",
        "1.3.6.1.4.1.171.12",
        {"1.1.6.2.0": 30, "1.1.9.1.4.0": 88, "11.1.8.1.2.1": 53},
        {CPU: 30, MEMORY: 88, HEAT: 53},
    ),
    Case(
        "bdcom",
        "tenths of a dBm; -65535 is an empty cage",
        "1.3.6.1.4.1.3320.9",
        {"109.1.1.1.1.4.1": 38, "48.1.0": 15, "63.1.7.1.2.1": -55, "63.1.7.1.3.1": -121}
        | {"63.1.7.1.2.2": -65535, "63.1.7.1.3.2": -65535}
        | if_names("g0/1", "g0/2"),
        {CPU: 38, MEMORY: 15, ("g0%2F1", TX): -5.5, ("g0%2F1", RX): -12.1},
    ),
    Case(
        "unifi",
        "clients by network and by radio",
        "1.3.6.1.4.1.41112.1.6",
        {"1.1.1.3.1": b"ng", "1.1.1.3.2": b"na", "1.1.1.6.1": 31, "1.1.1.6.2": 4}
        | {"1.2.1.6.1": b"school", "1.2.1.6.3": b"school", "1.2.1.6.4": b"guest"}
        | {"1.2.1.8.1": 4, "1.2.1.8.3": 14, "1.2.1.8.4": 1}
        | {"1.2.1.9.1": b"ng", "1.2.1.9.3": b"na", "1.2.1.9.4": b"na"}
        | {"1.3.6.1.4.1.10002.1.1.1.1.1.0": 1000, "1.3.6.1.4.1.10002.1.1.1.1.2.0": 250},
        {
            MEMORY: 75,
            ("", "clients"): 19,
            ("ssid.school", "clients"): 18,
            ("ssid.guest", "clients"): 1,
            ("radio.ng", "clients"): 4,
            ("radio.na", "clients"): 15,
            ("radio.ng", "channel_busy_percent"): 31,
            ("radio.na", "channel_busy_percent"): 4,
        },
    ),
    Case(
        "airos",
        "a bridge",
        "1.3.6.1.4.1.41112.1.4.5.1",
        {"2.1": b"bridge", "5.1": -64, "8.1": -101, "15.1": 1}
        | {"1.3.6.1.4.1.10002.1.1.1.1.1.0": 100, "1.3.6.1.4.1.10002.1.1.1.1.2.0": 68},
        {
            MEMORY: 32,
            ("", "clients"): 1,
            ("ssid.bridge", "clients"): 1,
            ("", "signal_dbm"): -64,
            ("", "noise_dbm"): -101,
        },
    ),
    Case(
        "aruba_instant",
        "a cluster, told by its access points' names and never by a MAC",
        "1.3.6.1.4.1.14823.2.3.3.1",
        {"1.7.1.2.0": b"school", "1.7.1.4.0": 30, f"2.1.1.2.{MAC}": b"AP 1", f"2.1.1.7.{MAC}": 6}
        | {f"2.1.1.8.{MAC}": 400, f"2.1.1.10.{MAC}": 1000}
        | {f"2.2.1.21.{MAC}.0": 30, f"2.2.1.6.{MAC}.0": 94, f"2.2.1.8.{MAC}.0": 12}
        | {f"2.2.1.21.{MAC}.1": 0, f"2.2.1.6.{MAC}.1": 95, f"2.2.1.8.{MAC}.1": 3}
        | {"2.2.1.21.1.2.3.4.5.6.0": 9},
        {
            ("", "clients"): 30,
            ("ssid.school", "clients"): 30,
            ("radio.AP%201.0", "clients"): 30,
            ("radio.AP%201.1", "clients"): 0,
            ("radio.AP%201.0", "noise_dbm"): -94,
            ("radio.AP%201.0", "channel_busy_percent"): 12,
            ("radio.AP%201.1", "noise_dbm"): -95,
            ("radio.AP%201.1", "channel_busy_percent"): 3,
            ("AP%201", "cpu_percent"): 6,
            ("AP%201", "memory_used_percent"): 60,
        },
    ),
    Case(
        "aruba_controller",
        "a network's name in the index",
        "1.3.6.1.4.1.14823.2.2.1",
        {"1.3.2.0": 67, "5.2.1.8.1.2.3.97.98.99": 37, "5.2.1.8.1.2.9.97": 1},
        {("", "clients"): 67, ("ssid.abc", "clients"): 37},
    ),
    Case(
        "grandstream",
        "one row a client: counted, its MAC nowhere",
        "1.3.6.1.4.1.42397.1.1.3.3.1",
        {"4.2.0.0.0.0.1": b"school", "4.2.0.0.0.0.2": b"school", "4.2.0.0.0.0.3": b"staff", "4.2.0.0.0.0.4": b""},
        {("", "clients"): 4, ("ssid.school", "clients"): 2, ("ssid.staff", "clients"): 1},
    ),
    Case(
        "ruckus",
        "clients by network",
        "1.3.6.1.4.1.25053.1.1.6.1.1.1.4.1",
        {"1.8": b"school", "1.9": b"school", "3.8": 3, "3.9": 4},
        {("", "clients"): 7, ("ssid.school", "clients"): 7},
    ),
    Case("cambium", "clients", "1.3.6.1.4.1.17713.22.1.1.1", {"6.0": 5, "14.0": 21}, {CPU: 5, ("", "clients"): 21}),
    Case("fortigate", "load", "1.3.6.1.4.1.12356.101.4.1", {"3.0": 5, "4.0": 19}, {CPU: 5, MEMORY: 19}),
    Case("draytek", "memory", "1.3.6.1.4.1.7367.3", {"7.0": 67}, {MEMORY: 67}),
    Case(
        "hikvision",
        "one good disk, one asleep, one whose SMART failed",
        "1.3.6.1.4.1.50001.1",
        {"221.0": 5, "240.0": 3, "241.1.3.1.0": 0, "241.1.3.2.0": 5, "241.1.3.3.0": 3}
        | {"241.1.4.1.0": 400, "241.1.5.1.0": 1000, "241.1.4.2.0": 1, "241.1.5.2.0": 1000}
        | {"241.1.4.3.0": 0, "241.1.5.3.0": 0},
        {
            MEMORY: 5,
            ("", "disks_total"): 3,
            ("", "disks_faulty"): 1,
            ("", "storage_used_percent"): 99.9,
        },
    ),
    Case(
        "hikvision_camera",
        "words for units; no card, no storage",
        "1.3.6.1.4.1.39165.1",
        {"1.0": b"DS-2CD", "7.0": b"52 PERCENT", "8.0": b"0.0 GB", "9.0": b"0 PERCENT", "11.0": b"75 PERCENT"},
        {CPU: 52, MEMORY: 75},
    ),
    Case(
        "dahua",
        "disks as text",
        "1.3.6.1.4.1.1004849.2",
        {"1.3.0": 6, "4.1.1.5.1": b"Running", "4.1.1.5.2": b"Error", "4.1.1.6.1": 63, "4.1.1.6.2": 12},
        {CPU: 6, ("", "disks_total"): 2, ("", "disks_faulty"): 1, ("", "storage_used_percent"): 63},
    ),
    Case("epson_projector", "lamp", "1.3.6.1.4.1.1248.4.1.1.1", {"1.0": 79}, {("", "lamp_hours"): 79}),
    Case(
        "synology",
        "a crashed disk",
        "1.3.6.1.4.1.6574",
        {"1.5.1.0": b"DS918+", "1.2.0": 41, "2.1.1.5.0": 1, "2.1.1.5.1": 5},
        {HEAT: 41, ("", "disks_total"): 2, ("", "disks_faulty"): 1},
    ),
    Case(
        "apc",
        "on battery, low and old at 75 %",
        "1.3.6.1.4.1.318.1.1.1",
        {"2.1.1.0": 3, "2.1.2.0": 12_300, "2.2.1.0": 75, "2.2.2.0": 23, "2.2.3.0": 3_992_500, "2.2.4.0": 2}
        | {"2.2.8.0": 110, "3.2.1.0": 0, "4.1.1.0": 3, "4.2.3.0": 10, "2.3.2.0": 5000},
        {
            ("", "battery_low"): 1,
            ("", "on_battery_seconds"): 123,
            ("", "battery_percent"): 75,
            ("", "temperature_celsius"): 23,
            ("", "battery_runtime_seconds"): 39_925,
            ("", "battery_replace"): 1,
            ("", "battery_volts"): 110,
            ("", "input_volts"): 0,
            ("", "on_battery"): 1,
            ("", "load_percent"): 10,
        },
    ),
    Case(
        "apc",
        "tenths before whole ones; a battery test says nothing of the mains; a card without a sensor",
        "1.3.6.1.4.1.318.1.1",
        {"1.2.3.1.0": 995, "1.2.2.1.0": 99, "1.3.3.1.0": 2312, "1.3.2.1.0": 231, "1.4.1.1.0": 15, "1.2.1.2.0": 500}
        | {"25.1.2.1.3.1.1": b"Phong may", "25.1.2.1.6.1.1": 20, "25.1.2.1.3.2.1": b"x", "25.1.2.1.6.2.1": -1},
        {
            ("", "battery_percent"): 99.5,
            ("", "input_volts"): 231.2,
            ("Phong%20may", "temperature_celsius"): 20,
        },
    ),
    Case(
        "phoenixtec_ups",
        "one phase: the answers for three are all 0; 0 and 9999 seconds are not known",
        "1.3.6.1.4.1.935.1.1.1",
        {"2.1.1.0": 2, "2.2.1.0": 100, "2.2.2.0": 22, "2.2.3.0": 315, "2.2.4.0": 0, "2.2.5.0": 0, "3.2.1.0": 2390}
        | {"4.1.1.0": 2, "4.2.3.0": 2, "8.3.1.0": 0, "8.2.2.0": 0, "8.3.5.0": 0, "1.3.6.1.2.1.33.1.2.5.0": 410},
        {
            ("", "battery_low"): 0,
            ("", "battery_percent"): 100,
            ("", "battery_volts"): 41,
            ("", "temperature_celsius"): 31.5,
            ("", "input_volts"): 239,
            ("", "on_battery"): 0,
            ("", "load_percent"): 2,
        },
    ),
    Case(
        "phoenixtec_ups",
        "three phases, bucking",
        "1.3.6.1.4.1.935.1.1.1",
        {"2.2.4.0": 9999, "4.1.1.0": 9, "8.3.1.0": 499, "8.2.2.0": 2360, "8.2.3.0": 2367, "8.2.4.0": 0, "8.3.5.0": 235},
        {
            ("", "on_battery"): 0,
            ("L1", "input_volts"): 236,
            ("L2", "input_volts"): 236.7,
            ("L3", "input_volts"): 0,
            ("L1", "load_percent"): 23.5,
        },
    ),
    Case(
        "cyberpower",
        "hundredths of a second",
        "1.3.6.1.4.1.3808.1.1.1",
        {"2.1.1.0": 2, "2.1.2.0": 0, "2.2.1.0": 100, "2.2.2.0": 270, "2.2.3.0": 28, "2.2.4.0": 210_000, "2.2.5.0": 1}
        | {"3.2.1.0": 2283, "4.1.1.0": 2, "4.2.3.0": 12},
        {
            ("", "battery_low"): 0,
            ("", "battery_percent"): 100,
            ("", "battery_volts"): 27,
            ("", "temperature_celsius"): 28,
            ("", "battery_runtime_seconds"): 2_100,
            ("", "battery_replace"): 0,
            ("", "input_volts"): 228.3,
            ("", "on_battery"): 0,
            ("", "load_percent"): 12,
        },
    ),
    Case(
        "eaton",
        "65535 seconds are not known",
        "1.3.6.1.4.1.534.1",
        {"2.1.0": 65535, "2.2.0": 521, "2.4.0": 100, "2.7.0": 2, "2.9.0": 1, "2.10.0": 2, "4.1.0": 21, "4.5.0": 5}
        | {"6.1.0": 25, "3.4.1.2.1": 227, "3.4.1.2.2": 233},
        {
            ("", "battery_volts"): 521,
            ("", "battery_percent"): 100,
            ("", "battery_replace"): 1,
            ("", "battery_low"): 0,
            ("", "load_percent"): 21,
            ("", "on_battery"): 1,
            ("", "temperature_celsius"): 25,
            ("", "input_volts"): 233,
        },
    ),
    Case(
        "delta_ups",
        "counted from 0",
        "1.3.6.1.4.1.2254.2.4",
        {"4.3.0": 0, "5.1.0": 1, "5.7.0": 29, "7.1.0": 2, "7.2.0": 1, "7.4.0": 75, "7.5.0": 8, "7.6.0": 550}
        | {"7.8.0": 63, "7.9.0": -1},
        {
            ("", "battery_percent"): 63,
            ("", "battery_runtime_seconds"): 480,
            ("", "battery_volts"): 55,
            ("", "battery_low"): 1,
            ("", "battery_replace"): 1,
            ("", "on_battery"): 1,
            ("", "on_battery_seconds"): 75,
            ("", "input_volts"): 0,
            ("", "load_percent"): 29,
        },
    ),
    Case(
        "ups_mib",
        "minutes; one line in use, two that answer 0",
        "1.3.6.1.2.1.33.1",
        {"2.1.0": 3, "2.2.0": 61, "2.3.0": 12, "2.4.0": 40, "2.5.0": 410, "2.7.0": 31, "3.2.0": 1, "4.1.0": 5}
        | {"3.3.1.3.1": 0, "3.3.1.3.2": 0, "3.3.1.3.3": 0, "4.4.1.5.1": 8},
        {
            ("", "battery_low"): 1,
            ("", "on_battery_seconds"): 61,
            ("", "battery_runtime_seconds"): 720,
            ("", "battery_percent"): 40,
            ("", "battery_volts"): 41,
            ("", "temperature_celsius"): 31,
            ("", "on_battery"): 1,
            ("", "input_volts"): 0,
            ("", "load_percent"): 8,
        },
    ),
    Case(
        "ups_mib",
        "a card that knows little: -1, 0, all ones, volts beyond reason",
        "1.3.6.1.2.1.33.1",
        {"2.1.0": 1, "2.2.0": 0, "2.3.0": -1, "2.4.0": -1, "2.5.0": 0, "2.7.0": -1, "3.2.0": 3, "4.1.0": 1}
        | {"3.3.1.3.1": 2369, "3.3.1.3.2": 236, "4.4.1.5.1": 4294967295},
        {("", "input_volts"): 236, ("L2", "input_volts"): 236},
    ),
    Case(
        "printer",
        "the lowest of what is used up; waste toner fills; -3 is a word",
        "1.3.6.1.2.1.43",
        {"10.2.1.4.1.1": 48_211, "1.3.6.1.2.1.25.3.5.1.2.1": b"\x04\x80"}
        | {"11.1.1.4.1.1": 3, "11.1.1.8.1.1": 8000, "11.1.1.9.1.1": 2000}
        | {"11.1.1.4.1.2": 3, "11.1.1.8.1.2": 100, "11.1.1.9.1.2": -3}
        | {"11.1.1.4.1.3": 3, "11.1.1.8.1.3": -2, "11.1.1.9.1.3": 5}
        | {"11.1.1.4.1.4": 4, "11.1.1.8.1.4": 100, "11.1.1.9.1.4": 1},
        {("", "pages_printed"): 48_211, ("", "supply_percent"): 25, ("", "error_flags"): 2**5 + 2**8},
    ),
    Case(
        "entity_sensor",
        "scale and precision; a sensor that does not work; light in watts",
        "1.3.6.1.2.1.99.1.1.1",
        sensor(1, 8, 287, precision=1)
        | sensor(2, 8, 990, precision=1, ok=2)
        | sensor(3, 6, 500, scale=7)
        | entity(3, "", "DOM RX Power Sensor for Ethernet1")
        | sensor(4, 6, 350)
        | entity(4, "Power supply 1", "Power supply 1 input"),
        {HEAT: 28.7, ("Ethernet1", RX): -3.0103},
    ),
    Case(
        "net_snmp",
        "load and heat",
        "1.3.6.1.4.1.2021",
        {"10.1.5.1": 64, "13.16.2.1.3.1": 36_476, "13.16.2.1.3.2": 0},
        {("", "load1"): 0.64, HEAT: 36.476},
    ),
)
