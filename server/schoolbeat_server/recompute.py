#!/usr/bin/env python3
"""Recomputes every verdict of an evidence pack from the minutes in it, with Python's standard library alone.

    python3 recompute.py                the folder in which this file lies
    python3 recompute.py PACK.zip       a pack that was not unpacked

It says first whether every file is the one that SHA256SUMS names, then whether each unit's verdict and the target's
follow from the data. Exit code 0: all agrees; 1: a file is missing, added or altered; 2: a verdict does not follow.
It is written apart from the server, so that a fault in one shows as a difference.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import compress
from pathlib import Path
from typing import Any, NamedTuple

UNKNOWN, OFF, DISPUTED = 255, 254, 253  # of a minute; 0 to 60: seconds up
CODES = {"U": UNKNOWN, "O": OFF, "D": DISPUTED}
INTERNET, MAIN = "line.internet", "line.main"
NO_LIMIT = 10**15  # a test that the gateway held down: the line may be as fast as you like

Value = bool | None  # met, missed; None: unknown
Json = dict[str, Any]


class Broken(Exception):
    """The pack cannot be read as one."""


# ---- the files ---------------------------------------------------------------------------------------------


class Pack:
    """A folder or a zip."""

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else None
        self.zip = None if self.folder else zipfile.ZipFile(path)

    def names(self) -> list[str]:
        if self.zip is not None:
            return sorted(one for one in self.zip.namelist() if not one.endswith("/"))
        assert self.folder is not None
        found = (one for one in self.folder.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
        return sorted(one.relative_to(self.folder).as_posix() for one in found)

    def read(self, name: str) -> bytes:
        if not re.fullmatch(r"[A-Za-z0-9._@-]+(/[A-Za-z0-9._@-]+)*", name) or ".." in name:
            raise Broken(f"{name!r}: not a name of a pack's file")
        try:
            return self.zip.read(name) if self.zip is not None else (self.folder or Path()).joinpath(name).read_bytes()
        except (KeyError, OSError):
            raise Broken(f"{name}: thiếu / missing") from None

    def lines(self, name: str) -> Iterator[Json]:
        for line in self.read(name).decode().splitlines():
            yield json.loads(line)


def altered(pack: Pack) -> list[str]:
    """What differs from SHA256SUMS."""
    listed = {}
    for line in pack.read("SHA256SUMS").decode().splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    found = []
    for name in pack.names():
        if name == "SHA256SUMS":
            continue
        if name not in listed:
            found.append(f"{name}: không có trong SHA256SUMS / not in SHA256SUMS")
        elif hashlib.sha256(pack.read(name)).hexdigest() != listed[name]:
            found.append(f"{name}: đã bị sửa / altered")
    missing = sorted(set(listed) - set(pack.names()))
    return found + [f"{name}: thiếu / missing" for name in missing]


def minutes_of(pack: Pack, site: str, first: int, end: int) -> dict[str, bytes]:
    """Signal -> a byte a minute. A line is: day signal CODE*COUNT CODE*COUNT …; the days follow each other."""
    rows: dict[str, bytearray] = {}
    for line in pack.read(f"minutes/{site}.txt").decode().splitlines():
        if line.startswith("#"):
            continue
        _, signal, *runs = line.split(" ")
        row = rows.setdefault(signal, bytearray())
        for run in runs:
            code, _, count = run.partition("*")
            row += bytes([CODES[code] if code in CODES else int(code)]) * int(count)
    for signal, row in rows.items():
        if len(row) != end - first:
            raise Broken(f"minutes/{site}.txt: {signal}: {len(row)} phút / minutes, {end - first} expected")
    return {signal: bytes(row) for signal, row in rows.items()}


# ---- three values ------------------------------------------------------------------------------------------


def every(values: Iterable[Value]) -> Value:
    found = list(values)
    return None if not found else False if False in found else None if None in found else True


def some(values: Iterable[Value]) -> Value:
    found = list(values)
    return None if not found else True if True in found else None if None in found else False


def join(how: str, values: Iterable[Value]) -> Value:
    return some(values) if how == "any" else every(values)


class Seconds(NamedTuple):
    up: int
    down: int
    off: int
    unknown: int


def seconds(codes: bytes, counted: bytes | None) -> Seconds:
    """counted: 1 for each minute of a lesson; None: around the clock."""
    found = Counter(codes if counted is None else compress(codes, counted))
    known = {code: count for code, count in found.items() if code <= 60}
    up = sum(code * count for code, count in known.items())
    off = found[OFF]
    unknown = sum(found.values()) - sum(known.values()) - off
    return Seconds(up, 60 * sum(known.values()) - up, 60 * off, 60 * unknown)


def reaches(found: Seconds, share: Fraction, min_coverage: Fraction, off_is_down: bool) -> Value:
    """Met though every unknown second were down; missed though every one were up; else by what is known, if enough."""
    known = found.up + found.down + (found.off if off_is_down else 0)
    asked, all_seconds = known + found.unknown, sum(found)
    if not asked:
        return None
    if found.up >= share * asked:
        return True
    if found.up + found.unknown < share * asked:
        return False
    if not known or known < min_coverage * all_seconds:
        return None
    return found.up >= share * known


# ---- what a condition is judged on -------------------------------------------------------------------------


class Case(NamedTuple):
    target: Json
    condition: Json
    site: Json
    rows: dict[str, bytes]
    part: Json
    first: int
    end: int

    def share(self, key: str = "at_least") -> Fraction:
        return Fraction(self.condition[key])


def available(case: Case, codes: bytes | None) -> Value:
    if codes is None:
        return None
    counted = None
    if case.target["clock"] == "lessons":
        counted = case.rows.get("@lessons")
        if counted is None:
            return None
    found = seconds(codes, counted)
    off_is_down = bool(case.target["off_is_down"])
    if not off_is_down:  # neither up nor down: not known
        found = Seconds(found.up, found.down, 0, found.unknown + found.off)
    if not found.up + found.down + found.off:
        return None
    return reaches(found, case.share(), Fraction(case.target["min_coverage"]), off_is_down)


def signal(name: str, case: Case) -> Value:
    return available(case, case.rows.get(name))


def video(_name: str, case: Case) -> Value:
    """Lesson time, whatever the target's clock."""
    return signal("lesson.video", case._replace(target={**case.target, "clock": "lessons"}))


def services(_name: str, case: Case) -> Value:
    return every(signal(f"service.{one}", case) for one in case.condition["of"])


def wifi(_name: str, case: Case) -> Value:
    return every(signal(one, case) for one in case.site["watched"] if one.startswith("wifi."))


def kinds_of_devices(_name: str, case: Case) -> Value:
    ids = [one["id"] for one in case.site["devices"] if one["kind"] in case.condition["of"]]
    return every(signal(f"device.{one}", case) for one in ids)


def main_lines(case: Case) -> list[Json]:
    return [one for one in case.site["lines"] if one["role"] != "backup"] or list(case.site["lines"])


def is_fibre(line: Json) -> Value:
    return None if line["technology"] == "unknown" else line["technology"] == "fibre"


def fibre(_name: str, case: Case) -> Value:
    """A contract for fibre, and Internet in minutes that did not leave by another kind of line."""
    lines = case.site["lines"]
    by_contract = join(case.target["lines"], (is_fibre(one) for one in main_lines(case)))
    if not lines or not by_contract:
        return by_contract if lines else None
    internet, in_use = case.rows.get(INTERNET), case.rows.get(MAIN) if MAIN in case.site["watched"] else None
    if in_use is None and any(is_fibre(one) is not True for one in lines):
        return None
    if internet is not None and in_use is not None:
        internet = bytes(both(one, other) for one, other in zip(internet, in_use, strict=True))
    return available(case, internet)


def both(one: int, other: int) -> int:
    if one <= 60 and other <= 60:
        return min(one, other)
    if 0 in (one, other) and OFF not in (one, other):
        return 0
    return OFF if OFF in (one, other) else UNKNOWN


def technology(_name: str, case: Case) -> Value:
    allowed = case.condition["one_of"]
    values = (None if one["technology"] == "unknown" else one["technology"] in allowed for one in main_lines(case))
    return join(case.target["lines"], values)


def contracts(case: Case, direction: str) -> list[int | None]:
    key = "contract_down_bps" if direction == "download" else "contract_up_bps"
    return [one[key] for one in main_lines(case)]


def contract(direction: str, case: Case) -> Value:
    """Line by line; a contract that is not stated is not known."""
    values = (None if bps is None else bps >= case.share() for bps in contracts(case, direction))
    return join(case.target["lines"], values)


def backup(_name: str, case: Case) -> Value:
    lines = case.site["lines"]
    return any(one["role"] == "backup" for one in lines) if lines else None


def speed(what: str, case: Case) -> Value:
    direction, _, statistic = what.partition(" ")
    at = 1 if direction == "download" else 2
    tests = [one for one in case.site["tests"] if one[at] is not None and case.first <= one[0] < case.end]
    if len(tests) < case.target["min_tests"]:
        return None
    value = tenth if statistic == "tenth" else median
    least = value([one[at] for one in tests])
    most = value([NO_LIMIT if one[3] else one[at] for one in tests])
    need = case.share()
    stated = contracts(case, direction)
    if statistic == "of_contract":
        told = [one for one in stated if one is not None]
        if not told:
            return None
        need *= min(told) if case.target["lines"] == "any" else max(told)
    elif statistic == "per_pupil":
        if case.site["pupils"] is None:
            return None
        need *= case.site["pupils"]
        if case.condition["up_to"] is not None:
            need = min(need, Fraction(case.condition["up_to"]))
    met = True if least >= need else False if most < need else None
    if statistic == "of_contract" and None in stated and met is (case.target["lines"] != "any"):
        return None  # the line whose contract is not stated could decide otherwise
    return met


def median(values: list[int]) -> Fraction:
    ordered = sorted(values)
    return Fraction(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2], 2)


def tenth(values: list[int]) -> Fraction:
    """The highest that at least nine in ten of them reach."""
    return max(Fraction(one) for one in values if 10 * sum(each >= one for each in values) >= 9 * len(values))


def completeness(_name: str, case: Case) -> Value:
    codes = case.rows.get(INTERNET)
    if codes is None:
        return None
    return Fraction(sum(code <= 60 or code == OFF for code in codes), len(codes)) >= case.share()


def freshness(_name: str, case: Case) -> Value:
    codes = case.rows.get(INTERNET)
    if codes is None:
        return None
    known = [at for at, code in enumerate(codes) if code <= 60 or code == OFF]
    return bool(known) and len(codes) - 1 - known[-1] <= case.share("at_most")


# ---- rooms, holdings, inspections --------------------------------------------------------------------------


def needs_of(case: Case, room: Json) -> list[Json]:
    level = [one for one in case.site["needs"] or [] if one["smart_level"] == room["smart_level"]]
    return [one for one in level if one["kind"] == room["kind"]] or [one for one in level if one["kind"] == "any"]


def room_of(case: Case) -> Json:
    return next(one for one in case.site["rooms"] if one["id"] == case.part["room"])


def in_room(case: Case, room: Json, kind: str) -> list[str]:
    return [one["id"] for one in case.site["devices"] if one["room"] == room["id"] and one["kind"] == kind]


def equipped(_name: str, case: Case) -> Value:
    room = room_of(case)
    needs = needs_of(case, room)
    if not needs:
        return None
    return all(len(in_room(case, room, one["device_kind"])) >= one["count"] for one in needs)


def lessons(case: Case, room: Json) -> Seconds | None:
    """How many lessons found the room ready, not ready, (none,) unknown; None: it cannot be said."""
    starts, needs = case.site["lesson_starts"], needs_of(case, room)
    starts = None if starts is None else [one for one in starts if case.first <= one < case.end]
    if not starts or not needs:
        return None
    values = [
        every(answered(case, in_room(case, room, one["device_kind"]), one["count"], at) for one in needs)
        for at in starts
    ]
    return Seconds(values.count(True), values.count(False), 0, values.count(None))


def answered(case: Case, devices: list[str], count: int, minute: int) -> Value:
    codes = [case.rows[f"device.{one}"][minute - case.first] for one in devices if f"device.{one}" in case.rows]
    up = sum(0 < code <= 60 for code in codes)
    unknown = len(devices) - len(codes) + sum(code > 60 for code in codes)
    return True if up >= count else False if up + unknown < count else None


def ready(_name: str, case: Case) -> Value:
    found = lessons(case, room_of(case))
    return None if found is None else reaches(found, case.share(), Fraction(case.target["min_coverage"]), False)


def ready_rooms(_name: str, case: Case) -> Value:
    values: list[Value] = []
    for room in case.site["rooms"]:
        if room["kind"] in case.condition["of"]:
            found = lessons(case, room)
            if found is None or not found.up + found.down:
                values.append(None)
            elif found.up > found.down + found.unknown:
                values.append(True)
            else:
                values.append(False if found.up + found.unknown <= found.down else None)
    sure, need = values.count(True), case.share()
    return True if sure >= need else False if sure + values.count(None) < need else None


def recorded(_name: str, case: Case) -> Value:
    return not case.site["holdings"]["strange"]


def digital(_name: str, case: Case) -> Value:
    one = case.part["inspection"]
    return one["kind"] == "digital" and one["snapshot_sha256"] is not None


JUDGES = {
    "line.technology": (technology, ""),
    "line.fibre": (fibre, ""),
    "line.contract.download": (contract, "download"),
    "line.contract.upload": (contract, "upload"),
    "line.backup": (backup, ""),
    **{
        f"line.{direction}.{what}": (speed, f"{direction} {what}")
        for direction in ("download", "upload")
        for what in ("median", "tenth", "of_contract")
    },
    "line.download.per_pupil": (speed, "download per_pupil"),
    **{
        f"{one}.availability": (signal, one)
        for one in ("line.internet", "line.isp", "line.domestic", "line.international", "lan.router", "power.mains")
    },
    "lesson.video": (video, ""),
    "service.availability": (services, ""),
    "wifi.availability": (wifi, ""),
    "lan.devices.availability": (kinds_of_devices, ""),
    "data.completeness": (completeness, ""),
    "data.freshness": (freshness, ""),
    "room.equipped": (equipped, ""),
    "room.ready": (ready, ""),
    "rooms.ready.count": (ready_rooms, ""),
    "holding.recorded": (recorded, ""),
    "inspection.digital": (digital, ""),
}
RECOMPUTED = frozenset(JUDGES) | {"device.availability"}  # of others the pack states what the server found


# ---- a unit, the target ------------------------------------------------------------------------------------


def judged(case: Case) -> Value:
    name = case.condition["indicator"]
    if name == "device.availability":
        return join(case.target["devices"], (signal(f"device.{one}", case) for one in case.part["devices"]))
    if name in JUDGES:
        judge, what = JUDGES[name]
        return judge(what, case)
    given: Value = case.part["given"][name]
    return given


def part_value(part: Json, target: Json, site: Json, rows: dict[str, bytes]) -> Value:
    if part["silent"]:
        return None
    window = target["window"]["first_minute"], target["window"]["end_minute"]
    return every(judged(Case(target, one, site, rows, part, *window)) for one in target["conditions"])


def counts_of(unit: Json, value: Value, sites: dict[str, Json], holding: bool) -> list[int]:
    """What the unit adds to the met, the missed and the unknown: one, but for a site's holdings."""
    if not holding:
        return [int(value is True), int(value is False), int(value is None)]
    held = sites[unit["parts"][0]["site"]]["holdings"]
    every_one = held["recorded"] + held["strange"]
    return [0, 0, every_one] if unit["parts"][0]["silent"] else [held["recorded"], held["strange"], 0]


def status_of(met: int, missed: int, unknown: int, target: Json) -> str:
    units = met + missed + unknown
    if not units:
        return "not_applicable"
    share = Fraction(target["share"])
    needed = target["count"] if target["count"] is not None else -(-share.numerator * units // share.denominator)
    if met >= needed:
        return "met"
    return "missed" if met + unknown < needed <= units else "unknown"


WORDS = {True: "met", False: "missed", None: "unknown"}


def recompute(pack: Pack) -> tuple[list[str], dict[str, int], int]:
    """(what does not follow, numbers, verdicts on conditions that were taken as given)"""
    target = next(pack.lines("target.jsonl"))
    sites = {one["site"]: one for one in pack.lines("sites.jsonl")}
    window = target["window"]["first_minute"], target["window"]["end_minute"]
    wrong, totals, given, of_site, rows = [], [0, 0, 0], 0, "", dict[str, bytes]()
    holding = target["unit"] == "holding"
    for unit in pack.lines("units.jsonl"):
        values = []
        for part in unit["parts"]:
            if part["site"] != of_site:
                of_site = part["site"]
                rows = minutes_of(pack, of_site, *window) if sites[of_site]["has_minutes"] else {}
            given += len(part["given"])
            values.append(part_value(part, target, sites[of_site], rows))
        value = join(target["sites"], values)
        if WORDS[value] != unit["status"]:
            wrong.append(f"{unit['id']} ({unit['name']}): {unit['status']} → {WORDS[value]}")
        totals = [a + b for a, b in zip(totals, counts_of(unit, value, sites, holding), strict=True)]
    met, missed, unknown = totals
    numbers = {"met": met, "missed": missed, "unknown": unknown}
    status, stated = status_of(met, missed, unknown, target), target["verdict"]
    for name, number in numbers.items():
        if stated[name] != number:
            wrong.append(f"{name}: {stated[name]} → {number}")
    if stated["status"] != status:
        wrong.append(f"{target['plan']} {target['target']}: {stated['status']} → {status}")
    return wrong, numbers, given


def stamp_is_right(pack: Pack) -> bool:
    stated: str = next(pack.lines("target.jsonl"))["stamp"]
    return hashlib.sha256(pack.read("digests/stamp.txt")).hexdigest() == stated


def registers(pack: Pack) -> tuple[list[str], list[str]]:
    """(what is wrong, what was issued by another register or calendar than the pack was made by)"""
    target = next(pack.lines("target.jsonl"))
    wrong, told, now = [], [], pack.read("digests/register.txt").decode()
    if hashlib.sha256(now.encode()).hexdigest() != target["register_digest"]:
        wrong.append("digests/register.txt: không khớp / does not have the digest stated in target.jsonl")
    for one in target["issued"]:
        digest, name = one["register_digest"], f"digests/register-{one['register_digest']}.txt"
        if digest in (target["register_digest"], ""):
            continue
        tables = "?"
        if name in pack.names():
            before = pack.read(name).decode()
            if hashlib.sha256(before.encode()).hexdigest() != digest:
                wrong.append(f"{name}: không khớp / does not have its digest")
            changed = set(before.splitlines()) ^ set(now.splitlines())
            tables = ", ".join(sorted({line.split(" ")[0] for line in changed}))
        told.append(
            f"bản công bố số {one['revision']} xét theo sổ đăng ký hoặc lịch học khác với gói này / revision"
            f" {one['revision']} as issued was judged by another register or calendar than this pack: {tables}"
        )
    return wrong, told


def main(arguments: list[str]) -> int:
    pack = Pack(Path(arguments[0]) if arguments else Path(__file__).resolve().parent)
    try:
        changed = altered(pack)
        for line in changed:
            print(f"✗ {line}")
        if not changed:
            print("✓ Mọi tệp đúng như SHA256SUMS / every file is as SHA256SUMS has it")
        wrong, numbers, given = recompute(pack)
        if not stamp_is_right(pack):
            wrong.append("digests/stamp.txt: không khớp / does not have the digest stated in target.jsonl")
        not_its_own, other_registers = registers(pack)
        wrong += not_its_own
    except (Broken, KeyError, ValueError, TypeError, IndexError, StopIteration) as error:
        print(f"✗ Không đọc được gói / the pack cannot be read: {error!r}")
        return 1
    for line in wrong:
        print(f"✗ {line}")
    told = ", ".join(f"{name} {number}" for name, number in numbers.items())
    if not wrong:
        print(f"✓ Mọi kết luận tính lại đều khớp / every verdict recomputed agrees: {told}")
    for line in other_registers:
        print(f"! {line}")
    if given:
        print(
            f"! {given} giá trị không tính từ phút được, lấy nguyên như máy chủ ghi"
            f" / {given} values cannot be told from minutes and were taken as the server stated them"
        )
    return 1 if changed else 2 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
