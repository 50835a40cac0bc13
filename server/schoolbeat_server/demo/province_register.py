"""The simulated province's papers: old and new boundaries, pupils, contracts, the asset book; from the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

Rows = dict[str, list[dict[str, Any]]]

MARK = "(mô phỏng)"
CHANGED = "2025-07-01"
# Old districts, each of three of today's communes; every commune was made of two.
_DISTRICTS = (("Mây Trắng", "may-trang"), ("Sương Xanh", "suong-xanh"), ("Đá Bạc", "da-bac"), ("Gió Ngàn", "gio-ngan"))
_HALVES = (("Thượng", "thuong"), ("Hạ", "ha"))
FOUNDED_SINCE = 10  # this school was founded after the change, so it is in none of the old areas
UNPLACED_BEFORE = 11  # of this one nobody has entered where it was before

# By level: pupils of the morning at most, and whether it teaches in the afternoon too.
_PUPILS = {
    "preschool": (240, False),
    "primary": (480, True),
    "lower_secondary": (520, False),
    "primary_lower_secondary": (640, True),
    "upper_secondary": (900, False),
}
_FUNDING = ("Ngân sách tỉnh", "Ngân sách xã", "Xã hội hóa", "Dự án")
_MODELS = {"board": ("Hãng A (mô phỏng)", "BTT-75"), "access_point": ("Hãng B (mô phỏng)", "WF-6")}
_NEVER_BOUGHT_BY_THE_BOOK = 9  # one device in so many is in no asset book
_BACKUP_EVERY = 6  # one school in so many has a SIM that stands by
_PILOT_EVERY = 10  # one school in so many
_DUPLICATE_EVERY = 5  # one site in so many has entered an asset twice
_GHOST_EVERY = 3  # one site in so many has an asset that nobody has found


def complete(register: Rows, province: str, seed: int) -> None:
    """Adds to what `province.make` has placed. Nothing that a simulated gateway sends hangs on it."""
    _boundaries(register, province)
    levels = {school["id"]: school["level"] for school in register["schools"]}
    border = {area["id"] for area in register["areas"] if area["kind"] == "commune"}
    border = set(sorted(border)[:3])
    areas = {school["id"]: school["area"] for school in register["schools"]}
    pilots = {school["id"] for school in register["schools"][::_PILOT_EVERY]}
    for site in register["sites"]:
        rng = Random(f"{seed} papers {site['id']}")
        main = site["kind"] == "main"
        tags = {"mountain"} if not main or rng.random() < 0.5 else set()
        tags |= {"ethnic_minority"} if tags and rng.random() < 0.6 else set()
        tags |= {"border"} if areas[site["school"]] in border else set()
        tags |= {"pilot"} if site["school"] in pilots else set()
        site["tags"] = ",".join(sorted(tags))
        register["shifts"] += _shifts(site["id"], levels[site["school"]], main, rng)
    for number, line in enumerate(register["lines"]):
        _contract(line, number, register["sites"][number]["kind"] == "main", Random(f"{seed} contract {line['id']}"))
    register["lines"] += list(_backups(register))
    register["assets"] += _assets(register, seed)
    register["room_needs"] += [
        {"kind": "any", "smart_level": level, "device_kind": "board", "count": 1} for level in (1, 2)
    ]
    register["room_needs"].append({"kind": "computer", "smart_level": 0, "device_kind": "computer", "count": 1})


def _boundaries(register: Rows, province: str) -> None:
    communes = [area for area in register["areas"] if area["kind"] == "commune"]
    for name, slug in _DISTRICTS:
        register["areas"].append(
            {"id": f"huyen-{slug}", "name": f"Huyện {name} {MARK}", "kind": "district", "parent": province}
            | {"valid_to": CHANGED}
        )
    for number, commune in enumerate(communes):
        commune["valid_from"] = CHANGED
        district = _DISTRICTS[number * len(_DISTRICTS) // len(communes)][1]
        words = commune["name"].removesuffix(f" {MARK}")
        for half, slug in _HALVES:
            register["areas"].append(
                {"id": f"{commune['id']}-{slug}", "name": f"{words} {half} {MARK}", "kind": "commune"}
                | {"parent": f"huyen-{district}", "valid_to": CHANGED}
            )
    for number, school in enumerate(register["schools"]):
        school["code"] = f"0{number + 1:07d}"
        school["cluster"] = f"Cụm {number % 6 + 1}"
        since = {"school": school["id"], "area": school["area"], "valid_from": CHANGED}
        if number == FOUNDED_SINCE:
            school["founded"] = "2025-08-15"
        elif number != UNPLACED_BEFORE:
            half = _HALVES[number // len(communes) % len(_HALVES)][1]
            before = {"school": school["id"], "area": f"{school['area']}-{half}", "valid_to": CHANGED}
            register["school_areas"].append(before)
        register["school_areas"].append(since)


def _shifts(site: str, level: str, main: bool, rng: Random) -> list[dict[str, Any]]:
    most, both = _PUPILS[level]
    pupils = rng.randrange(most // 3, most) if main else rng.randrange(18, 90)
    rows: list[dict[str, Any]] = [{"site": site, "shift": "morning", "valid_from": "2025-09-01", "pupils": pupils}]
    if both:
        afternoon = pupils * rng.randrange(60, 110) // 100
        rows.append({"site": site, "shift": "afternoon", "valid_from": "2025-09-01", "pupils": afternoon})
    for row in rows:
        row["teachers"] = max(2, row["pupils"] // 22)
    if main:  # the new school year has a few more or fewer
        rows += [
            row | {"valid_from": "2026-09-01", "pupils": row["pupils"] * rng.randrange(92, 112) // 100} for row in rows
        ]
    return rows


def _contract(line: dict[str, Any], number: int, main: bool, rng: Random) -> None:
    line["contract"] = f"MP-{number + 1:04d}/2025"
    line["contract_from"] = "2025-01-01"
    line["contract_to"] = "2026-07-01" if rng.random() < 0.1 else "2028-01-01"  # some have run out unnoticed
    line["universal_service"] = "no" if main else "yes"
    if rng.random() < 0.7:
        line["contract_min_bps"] = line["contract_down_bps"] // 2


def _backups(register: Rows) -> Iterator[dict[str, Any]]:
    """A SIM that stands by, at some main sites with fibre."""
    mains = {site["id"] for site in register["sites"] if site["kind"] == "main"}
    fibre = [line for line in register["lines"] if line["site"] in mains and line["technology"] == "fibre"]
    for line in fibre[::_BACKUP_EVERY]:
        isp = {"Viettel": "VNPT"}.get(line["isp"], "Viettel")
        yield {
            "id": f"{line['site']}-2",
            "site": line["site"],
            "isp": isp,
            "technology": "mobile",
            "role": "backup",
        } | {
            "contract": f"{line['contract']}-SIM",
            "contract_from": "2025-09-01",
            "contract_down_bps": 30_000_000,
            "contract_up_bps": 10_000_000,
        }


def _assets(register: Rows, seed: int) -> list[dict[str, Any]]:
    """Most devices stand in the book, under the room they are in; some do not, and some that do were never found."""
    numbers: dict[str, int] = {}
    rows: list[dict[str, Any]] = []
    for device in register["devices"]:
        site = device["site"]
        numbers[site] = numbers.get(site, 0) + 1
        rng = Random(f"{seed} asset {site} {device['id']}")
        vendor, model = _MODELS.get(device["kind"], ("Hãng C (mô phỏng)", f"{device['kind'][:3].upper()}-1"))
        serial = f"MP{rng.randrange(10**8):08d}"
        device |= {"vendor": vendor, "model": model, "serial": serial}
        if rng.randrange(_NEVER_BOUGHT_BY_THE_BOOK) == 0:
            continue
        year = rng.randrange(2019, 2027)
        rows.append(
            {
                "site": site,
                "code": f"TS-{numbers[site]:03d}",
                "name": device["name"],
                "room": device.get("room"),
                "kind": device["kind"],
                "serial": serial if rng.random() < 0.8 else "",
                "model": model,
                "year": year,
                "funding": rng.choice(_FUNDING),
                "warranty_to": f"{year + 3}-12-31",
                "device": device["id"] if rng.random() < 0.7 else None,
            }
        )
    for number, site in enumerate(list(numbers)):
        if number % _GHOST_EVERY == 0:
            status = ("in_use", "broken", "lent", "disposed")[number // _GHOST_EVERY % 4]
            ghost = {"site": site, "code": "TS-901", "name": "Máy chiếu cũ", "kind": "projector", "year": 2016}
            rows.append(ghost | {"serial": f"CU{number:06d}", "status": status})
        if number % _DUPLICATE_EVERY == 2:
            twice = next((row for row in rows if row["site"] == site and row["serial"]), None)
            if twice is not None:
                rows.append({**twice, "code": "TS-902", "device": None})
    return rows
