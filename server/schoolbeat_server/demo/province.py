"""The simulated province: schools, sites, lines, rooms and devices, made from one seed; no real school, no person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from schoolbeat_server.demo import province_register
from schoolbeat_server.demo.province_register import MARK as MARK
from schoolbeat_server.register_columns import COLUMNS
from schoolbeat_wire import video
from schoolbeat_wire.inventory import Column, Device, Inventory, with_revision

PROVINCE = "lc-mo-phong"
SATELLITE_EVERY = 4  # one school in so many has a satellite site with a gateway of its own
MOST_SCHOOLS = 300

_COMMUNES = (
    ("Suối Mây", "suoi-may"),
    ("Nà Sương", "na-suong"),
    ("Bản Gió", "ban-gio"),
    ("Phìn Hoa", "phin-hoa"),
    ("Mường Trúc", "muong-truc"),
    ("Pha Nắng", "pha-nang"),
    ("Tả Thông", "ta-thong"),
    ("Nậm Ngần", "nam-ngan"),
    ("Khe Chàm", "khe-cham"),
    ("Lũng Quế", "lung-que"),
    ("Cốc Hồng", "coc-hong"),
    ("Sín Vàng", "sin-vang"),
)
# Level as in the register, words before the commune's name, letters in the id.
_SCHOOLS = (
    ("lower_secondary", "THCS", "thcs"),
    ("primary", "Tiểu học", "th"),
    ("preschool", "Mầm non", "mn"),
    ("primary_lower_secondary", "Tiểu học và THCS", "th-thcs"),
    ("upper_secondary", "THPT", "thpt"),
)
_HAMLETS = ("Bản Sáng", "Thôn Suối", "Bản Đồi", "Thôn Núi", "Bản Cầu", "Thôn Rừng")
_ISPS = ("Viettel", "VNPT", "FPT")
_MBPS = 1_000_000
_FIBRE_DOWN = (100, 150, 150, 200, 300)
_SATELLITE_FIBRE_DOWN = (80, 100, 100, 150)

CSDL, PLATFORM = "service.csdl", "service.platform"
MAIN_LINE = "line.main"
WIFI = "wifi.hoc-sinh"
PROBES = ["path", "icmp", "speed", "snmp", "pjlink", "rtsp", "wifi_seat"]

# What devices of a kind tell beside that they answer, in the order of the columns.
OF_KIND: dict[str, tuple[str, ...]] = {
    "clients": ("access_point",),
    "ports_up": ("switch",),
    "power_state": ("board", "projector"),
    "lamp_hours": ("projector",),
    "video_ms": ("camera",),
    "clock_offset_seconds": ("camera",),
    "disks_total": ("recorder",),
    "disks_faulty": ("recorder",),
    "battery_percent": ("ups",),
    "on_battery": ("ups",),
}


@dataclass(frozen=True)
class SimulatedSite:
    """One place with one gateway. number: its place in the script of faults; down_bps, up_bps: what its speed tests
    find; rtt_us: usual round-trip time to router, ISP edge, domestic and international target."""

    id: str
    school: str
    number: int
    main: bool
    isp: str
    technology: str
    contract_bps: tuple[int, int]
    down_bps: int
    up_bps: int
    rtt_us: tuple[int, int, int, int]
    devices: tuple[Device, ...]
    inventory: Inventory


@dataclass(frozen=True)
class Province:
    """register: what `register.load` reads; sites: those that have a simulated gateway."""

    register: dict[str, list[dict[str, Any]]]
    sites: tuple[SimulatedSite, ...]


def make(seed: int, schools: int) -> Province:
    """The same seed gives the same province. Raises ValueError for an impossible number of schools."""
    if not 1 <= schools <= MOST_SCHOOLS:
        raise ValueError(f"số trường / schools = {schools}: phải từ 1 đến / allowed is 1 to {MOST_SCHOOLS}")
    register: dict[str, list[dict[str, Any]]] = {
        "areas": list(_areas()),
        **{section: [] for section in COLUMNS if section != "areas"},
    }
    sites: list[SimulatedSite] = []
    for index in range(schools):
        school = _school(index)
        register["schools"].append(school)
        sites.append(_site(register, school, index, len(sites), True, Random(f"{seed} main {index}")))
        if index % SATELLITE_EVERY == 1:
            sites.append(_site(register, school, index, len(sites), False, Random(f"{seed} satellite {index}")))
    province_register.complete(register, PROVINCE, seed)
    return Province(register, tuple(sites))


def _areas() -> Iterator[dict[str, Any]]:
    yield {"id": PROVINCE, "name": f"Lào Cai {MARK}", "kind": "province"}
    for name, slug in _COMMUNES:
        yield {"id": f"xa-{slug}", "name": f"Xã {name} {MARK}", "kind": "commune", "parent": PROVINCE}


def _school(index: int) -> dict[str, Any]:
    """Level by level through the communes, so that a small province has many communes too."""
    name, slug = _COMMUNES[index % len(_COMMUNES)]
    level, words, letters = _SCHOOLS[index // len(_COMMUNES) % len(_SCHOOLS)]
    again = index // (len(_COMMUNES) * len(_SCHOOLS))
    return {
        "id": f"{letters}-{slug}" + (f"-{again + 1}" if again else ""),
        "name": f"Trường {words} {name}{f' số {again + 1}' if again else ''} {MARK}",
        "area": f"xa-{slug}",
        "level": level,
        "manager": "province" if level == "upper_secondary" else "commune",
    }


def _site(
    register: dict[str, list[dict[str, Any]]],
    school: dict[str, Any],
    index: int,
    number: int,
    main: bool,
    rng: Random,
) -> SimulatedSite:
    site = school["id"] + ("" if main else "-dl")
    hamlet = _HAMLETS[index // SATELLITE_EVERY % len(_HAMLETS)]
    register["sites"].append(
        {
            "id": site,
            "school": school["id"],
            "name": "Điểm trường chính" if main else f"Điểm trường {hamlet}",
            "kind": "main" if main else "satellite",
        }
    )
    technology, contract, measured = _line(index, main, rng)
    isp = _ISPS[rng.choice((0, 0, 0, 1, 1, 2))]
    register["lines"].append(
        {
            "id": f"{site}-1",
            "site": site,
            "isp": isp,
            "technology": technology,
            "contract_down_bps": contract[0],
            "contract_up_bps": contract[1],
        }
    )
    rooms, devices, placed = _rooms_and_devices(site, main, rng)
    register["rooms"] += rooms
    register["devices"] += placed
    slow = 1 if technology == "fibre" else 9
    edge_us = rng.randrange(1_800, 4_500) * slow
    domestic_us = edge_us + rng.randrange(9_000, 16_000)
    return SimulatedSite(
        id=site,
        school=school["id"],
        number=number,
        main=main,
        isp=isp,
        technology=technology,
        contract_bps=contract,
        down_bps=measured[0],
        up_bps=measured[1],
        rtt_us=(rng.randrange(400, 1_400), edge_us, domestic_us, domestic_us + rng.randrange(38_000, 62_000)),
        devices=tuple(devices),
        inventory=_inventory(devices),
    )


def _line(index: int, main: bool, rng: Random) -> tuple[str, tuple[int, int], tuple[int, int]]:
    """Technology, contracted and measured speeds. Satellite sites are slower: two in five miss what is promised."""
    if main and index % 20 != 7:
        down = rng.choice(_FIBRE_DOWN) * _MBPS
        return "fibre", (down, down), (_share(rng, down, 70, 96), _share(rng, down, 60, 95))
    kind = index // SATELLITE_EVERY % 5
    if not main and kind in (0, 2, 4):
        down = rng.choice(_SATELLITE_FIBRE_DOWN) * _MBPS
        return "fibre", (down, down), (_share(rng, down, 65, 92), _share(rng, down, 55, 90))
    if not main and kind == 1:  # on paper fibre of 80 Mbit/s; what arrives is another matter
        return "fibre", (80 * _MBPS, 80 * _MBPS), (_share(rng, 80 * _MBPS, 12, 22), _share(rng, 80 * _MBPS, 8, 15))
    return "mobile", (30 * _MBPS, 10 * _MBPS), (_share(rng, 30 * _MBPS, 25, 60), _share(rng, 10 * _MBPS, 20, 50))


def _share(rng: Random, bps: int, low_percent: int, high_percent: int) -> int:
    return bps * rng.randrange(low_percent, high_percent) // 100


def _rooms_and_devices(
    site: str, main: bool, rng: Random
) -> tuple[list[dict[str, Any]], list[Device], list[dict[str, Any]]]:
    """Classrooms with a board or projector, an access point for every third one, cameras, a UPS; 10 to 30 devices."""
    classes = rng.randrange(6, 13) if main else rng.randrange(5, 7)
    rooms: list[dict[str, Any]] = [
        {
            "id": f"{site}-p{number}",
            "site": site,
            "name": f"Phòng {number}",
            "kind": "classroom",
            "smart_level": 2 if number % 4 == 1 else 1 if number % 2 == 0 else 0,
        }
        for number in range(1, classes + 1)
    ]
    if main:
        next(room for room in rooms if not room["smart_level"]).update(name="Phòng máy tính", kind="computer")
    devices = [Device("sw-1", "Bộ chuyển mạch chính", "switch")]
    points = max(2, classes // 3)
    for number in range(1, points + 1):
        room = rooms[(number - 1) * 3 % classes]
        devices.append(Device(f"ap-{number}", f"Điểm phát Wi-Fi {number}", "access_point", room["name"], "device.sw-1"))
    for number, room in enumerate(rooms, 1):
        kind, words = ("board", "Bảng tương tác") if room["smart_level"] else ("projector", "Máy chiếu")
        behind = f"device.ap-{number % points + 1}" if kind == "board" else "device.sw-1"
        devices.append(Device(f"{kind}-{number}", f"{words} phòng {number}", kind, room["name"], behind))
    devices += [
        Device(f"cam-{number}", f"Camera hành lang {number}", "camera", "", "device.sw-1")
        for number in range(1, rng.randrange(3, 8))
    ]
    if main:
        devices.append(Device("may-gv", "Máy giáo viên phòng máy tính", "computer", "Phòng máy tính", "device.sw-1"))
    devices.append(Device("ups-1", "Bộ lưu điện", "ups", "", "device.sw-1"))
    if main:
        devices.append(Device("rec-1", "Đầu ghi hình", "recorder", "", "device.sw-1"))
    ids = {room["name"]: room["id"] for room in rooms}
    placed = [
        {
            "site": site,
            "id": device.id,
            "name": device.name,
            "kind": device.kind,
            "address": f"192.168.1.{number}",
            "behind": device.behind,
            **({"room": ids[device.room]} if device.room else {}),
        }
        for number, device in enumerate(devices, 20)
    ]
    return rooms, devices, placed


def _device_columns(devices: Sequence[Device]) -> list[Column]:
    found = [
        Column(reading, [f"device.{device.id}" for device in devices if device.kind in kinds])
        for reading, kinds in OF_KIND.items()
    ]
    return [column for column in found if column.subjects]


def _inventory(devices: Sequence[Device]) -> Inventory:
    ladder = ["lan.router", "line.isp", "line.domestic", "line.international"]
    return with_revision(
        Inventory(
            revision="",
            signals=[
                *ladder,
                "line.internet",
                MAIN_LINE,
                video.SIGNAL,
                CSDL,
                PLATFORM,
                WIFI,
                *(f"device.{device.id}" for device in devices),
            ],
            columns=[
                Column("rtt_ms", ladder),
                Column("loss_percent", ladder),
                Column("download_bps", ["line.internet"], sparse=True),
                Column("upload_bps", ["line.internet"], sparse=True),
                *_device_columns(devices),
            ],
            probes=PROBES,
            capabilities=[*PROBES, video.PROFILE.name],
            devices=list(devices),
            behind={f"device.{device.id}": device.behind for device in devices},
            version="mo-phong 1",
        )
    )
