"""Evidence packs: the same bytes for the same data, and a script in them that recomputes and finds what was altered."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from tests.server import synthetic
from tests.server.synthetic import NOW_MS, Made

from schoolbeat_server import evidence_pack, plans, recompute, schema, verdicts
from schoolbeat_server.database import writing
from schoolbeat_server.evidence import SiteFacts, SpeedTest, Window, from_ledger
from schoolbeat_server.evidence_pack import PackError, window_until, write_pack
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.inspection_making import Entry, record
from schoolbeat_server.measured import Row
from schoolbeat_server.register_digest import State
from schoolbeat_server.register_needs import RoomNeeds
from schoolbeat_server.register_values import Device, Line, Room, RoomNeed, Site
from schoolbeat_server.school_calendar import LessonHours, SchoolCalendar, day_number, first_minute_of
from schoolbeat_server.stamp import Stamp
from schoolbeat_server.targets import Condition, Plan, Target
from schoolbeat_server.units import Part
from schoolbeat_server.verdicts import Verdict
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN
from schoolbeat_wire.messages import Lesson

LAST = date(2026, 11, 20)
CALENDAR = SchoolCalendar(default=LessonHours(tuple(Lesson(day, 7 * 60, 11 * 60) for day in range(6))))
PLAN = plans.all_plans()[0]
BASE = replace(
    PLAN.targets[0],
    id="X",
    unit="site",
    conditions=(Condition("line.internet.availability", "a", at_least=Fraction(99, 100)),),
    window_days=5,
    clock="always",
    off="left_out",
    min_coverage=Fraction(4, 5),
    share=Fraction(9, 10),
    count=None,
    lines="any",
    sites="every",
    devices="every",
    min_tests=2,
)


def least(indicator: str, value: Fraction | int, *of: str) -> Condition:
    return Condition(indicator, "a", at_least=Fraction(value), of=of)


def told(unit: str, *conditions: Condition, **changes: object) -> Target:
    return replace(BASE, unit=unit, conditions=conditions, **changes)  # type: ignore[arg-type]


TARGETS = {
    "internet": BASE,
    "internet in lessons, off is down": replace(BASE, clock="lessons", off="down"),
    "schools by any site": told("school", *BASE.conditions, sites="any"),
    "schools by their main site": told("school", *BASE.conditions, sites="main"),
    "the ISP's edge and a contract": told(
        "site", least("line.isp.availability", Fraction(999, 1000)), least("line.contract.download", 100_000_000)
    ),
    "fibre": told("site", least("line.fibre", Fraction(95, 100))),
    "technology": told("site", Condition("line.technology", "a", one_of=("fibre",)), lines="every"),
    "backup": told("site", Condition("line.backup", "")),
    "median": told("site", least("line.download.median", 50_000_000)),
    "tenth": told("site", least("line.download.tenth", 50_000_000)),
    "of contract": told("site", least("line.download.of_contract", Fraction(4, 5))),
    "per pupil": told("site", least("line.download.per_pupil", 100_000)),
    "services": told("site", least("service.availability", Fraction(9, 10), "csdl")),
    "video lessons": told("site", least("lesson.video", Fraction(1, 2))),
    "boards": told("site", least("lan.devices.availability", Fraction(9, 10), "board"), clock="lessons"),
    "devices": told("device", least("device.availability", Fraction(9, 10))),
    "rooms by their devices": told("room", least("device.availability", Fraction(9, 10)), devices="any"),
    "rooms equipped": told("room", Condition("room.equipped", "")),
    "rooms ready": told("room", least("room.ready", Fraction(1, 2))),
    "ready rooms": told("site", least("rooms.ready.count", 1, "smart", "classroom")),
    "holdings": told("holding", Condition("holding.recorded", "")),
    "inspections": told("inspection", Condition("inspection.digital", "")),
    "completeness": told("site", least("data.completeness", Fraction(9, 10))),
    "freshness": told("site", Condition("data.freshness", "a", at_most=Fraction(60))),
    "a number of sites": replace(BASE, share=Fraction(0), count=3),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The synthetic province with odd minutes, speed tests, rooms and inspections added."""
    made = synthetic.make(tmp_path_factory.mktemp("packs") / "schoolbeat.db", 9)
    rng = random.Random(11)
    end = first_minute_of(day_number(LAST) + 1)
    codes = (60, 60, 60, 60, 59, 30, 0, 0, OFF, UNKNOWN, DISPUTED)
    for site in made.sites[5:9]:
        signals = ("line.internet", "line.isp", "service.csdl", "device.b", "lesson.video")
        runs = b"".join(bytes([rng.choice(codes)]) * (5 * rng.randint(1, 200)) for _ in range(200))
        data = runs[: 5 * 1_440 * 5]
        minutes = range(end - len(data) // 5, end)
        made.ledger.merge(site, "gw", "r", signals, minutes, data[: len(minutes) * 5])
    with writing(made.engine) as connection:
        known = {(row.site, row.minute) for row in connection.execute(select(schema.speed_test))}
        rows = [
            {"site": site, "minute": end - 90 * at, "download_bps": rng.choice([None, 10**7, 6 * 10**7]), "ceiling": 0}
            for site in made.sites
            for at in range(1, 9)
            if (site, end - 90 * at) not in known
        ]
        connection.execute(insert(schema.speed_test), rows)
        room = {"id": "r-b", "site": made.sites[5], "name": "Phòng B", "kind": "smart", "smart_level": 1}
        connection.execute(insert(schema.room), [room])
        device = {"site": made.sites[5], "id": "b", "kind": "board", "room": "r-b", "address": ""}
        connection.execute(insert(schema.device), [device])
        school = connection.scalar(select(schema.school.c.id).limit(1))
        assert school is not None
    for day, kind in (("2026-11-18", "digital"), ("2026-11-19", "on_site"), ("2026-10-01", "on_site")):
        at_ms = first_minute_of(day_number(date.fromisoformat(day))) * 60_000
        entry = Entry(school, "", kind, "", "Sở", "mạng")
        record(made.engine, entry, "test", at_ms, lambda *_: {"format": "t"})
    return made


def pack_of(made: Made, target: Target, plan: Plan = PLAN) -> tuple[bytes, Verdict]:
    out = io.BytesIO()
    with made.engine.connect() as connection:

        def read(site: str, signal: str, first: int, end: int) -> bytes:
            return made.ledger.read(connection, site, [signal], first, end)[signal]

        window = window_until(target, LAST, NOW_MS)
        found = write_pack(out, connection, replace(plan, targets=(target,)), target, window, read, CALENDAR)
    assert hashlib.sha256(out.getvalue()).digest() == found.digest
    return out.getvalue(), found.verdict


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """The script that lies in the pack, by itself: nothing of ours can be imported."""
    command = [sys.executable, "-I", "-S", "-B", str(folder / "recompute.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={"PYTHONIOENCODING": "utf-8"})
    return done.returncode, done.stdout + done.stderr


def unpacked(data: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        pack.extractall(folder)
    return folder


@pytest.mark.parametrize("name", TARGETS)
def test_the_script_in_the_pack_recomputes_every_verdict(made: Made, tmp_path: Path, name: str) -> None:
    data, verdict = pack_of(made, TARGETS[name])
    (tmp_path / "p.zip").write_bytes(data)

    wrong, numbers, given = recompute.recompute(recompute.Pack(tmp_path / "p.zip"))

    assert wrong == []
    assert numbers == {"met": verdict.met, "missed": verdict.missed, "unknown": verdict.unknown}
    assert given == 0
    assert verdict.denominator > 0


def test_the_verdict_of_a_pack_is_the_one_that_the_server_gives(made: Made) -> None:
    for target in TARGETS.values():
        plan = replace(PLAN, targets=(target,))
        with made.engine.connect() as connection:

            def read(site: str, signal: str, first: int, end: int) -> bytes:
                return made.ledger.read(connection, site, [signal], first, end)[signal]

            window = window_until(target, LAST, NOW_MS)
            source = from_ledger(read, CALENDAR.read)
            evidence = verdicts.collect(connection, source, plan, window, None, CALENDAR)

        assert pack_of(made, target)[1] == verdicts.judge(plan, target, evidence)


def test_what_is_judged_some_schools_at_a_time_is_what_is_judged_at_once(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = pack_of(made, BASE)
    monkeypatch.setattr(evidence_pack, "MINUTES_AT_ONCE", 1)

    assert pack_of(made, BASE) == whole


def test_a_pack_runs_by_itself_from_folder_and_zip(made: Made, tmp_path: Path) -> None:
    data, verdict = pack_of(made, BASE)
    folder = unpacked(data, tmp_path / "folder")
    (tmp_path / "p.zip").write_bytes(data)

    results = run(folder), run(folder, str(tmp_path / "p.zip"))

    assert [code for code, _ in results] == [0, 0]
    numbers = f"met {verdict.met}, missed {verdict.missed}, unknown {verdict.unknown}"
    assert all(text.rstrip().endswith(numbers) for _, text in results)
    assert {verdict.met > 0, verdict.missed > 0, verdict.unknown > 0} == {True}


def edited(folder: Path, name: str, change: Callable[[str], str], *, cover_up: bool) -> None:
    """cover_up: SHA256SUMS is made to fit."""
    path = folder / name
    before = path.read_bytes()
    after = change(before.decode()).encode()
    assert after != before
    path.write_bytes(after)
    if cover_up:
        sums = folder / "SHA256SUMS"
        old, new = (hashlib.sha256(one).hexdigest() for one in (before, after))
        sums.write_text(sums.read_text().replace(old, new))


def a_met_unit(folder: Path) -> dict[str, str]:
    units = [json.loads(line) for line in (folder / "units.jsonl").read_text().splitlines()]
    return next(one for one in units if one["status"] == "met")


def test_an_altered_file_is_named(made: Made, tmp_path: Path) -> None:
    folder = unpacked(pack_of(made, BASE)[0], tmp_path)
    edited(folder, "report/report.vi.txt", lambda text: text + " ", cover_up=False)
    (folder / "more.txt").write_text("?")
    (folder / "plan" / "plan.yaml").unlink()

    code, text = run(folder)

    assert code == 1
    assert "report/report.vi.txt: đã bị sửa / altered" in text
    assert "more.txt: không có trong SHA256SUMS / not in SHA256SUMS" in text
    assert "plan/plan.yaml: thiếu / missing" in text


def test_minutes_that_were_altered_with_their_sums_no_longer_carry_the_verdict(made: Made, tmp_path: Path) -> None:
    folder = unpacked(pack_of(made, BASE)[0], tmp_path)
    unit = a_met_unit(folder)
    edited(
        folder,
        f"minutes/{unit['site']}.txt",
        lambda text: text.replace("2026-11-18 line.internet 60*1440", "2026-11-18 line.internet 0*1440"),
        cover_up=True,
    )

    code, text = run(folder)

    assert code == 2
    assert f"✗ {unit['id']} ({unit['name']}): met → missed" in text


def test_a_verdict_that_was_altered_with_its_sums_does_not_follow(made: Made, tmp_path: Path) -> None:
    folder = unpacked(pack_of(made, BASE)[0], tmp_path)
    edited(folder, "units.jsonl", lambda text: text.replace('"status":"missed"', '"status":"met"', 1), cover_up=True)

    code, text = run(folder)

    assert (code, ": met → missed" in text) == (2, True)


def test_a_stamp_that_was_altered_is_found(made: Made, tmp_path: Path) -> None:
    folder = unpacked(pack_of(made, BASE)[0], tmp_path)
    edited(folder, "digests/stamp.txt", lambda text: text.replace("sites=", "sites=1"), cover_up=True)

    code, text = run(folder)

    assert (code, "digests/stamp.txt: không khớp" in text) == (2, True)


def test_a_pack_with_a_hole_is_told_from_one_that_disagrees(made: Made, tmp_path: Path) -> None:
    folder = unpacked(pack_of(made, BASE)[0], tmp_path)
    unit = a_met_unit(folder)
    edited(folder, f"minutes/{unit['site']}.txt", lambda text: text.replace("60*1440", "60*1439", 1), cover_up=True)

    code, text = run(folder)

    assert (code, "1 minutes" in text or "7199 phút / minutes, 7200 expected" in text) == (1, True)


def test_the_same_data_gives_the_same_bytes(made: Made) -> None:
    first, second = pack_of(made, BASE)[0], pack_of(made, BASE)[0]

    assert first == second


def test_the_pack_holds_what_its_paper_says(made: Made) -> None:
    data, verdict = pack_of(made, BASE)

    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        names = pack.namelist()
        sums = pack.read("SHA256SUMS").decode()
        units = pack.read("tables/units.vi.csv").decode("utf-8-sig")
        about = pack.read("HOW-TO-RECOMPUTE.txt").decode()
        target = json.loads(pack.read("target.jsonl"))
        outages = json.loads(pack.read("tables/outages.json"))["rows"]

    assert len(sums.splitlines()) == len(names) - 1
    assert {name.partition("/")[0] for name in names} == {
        *("HOW-TO-RECOMPUTE.txt", "SHA256SUMS", "recompute.py", "target.jsonl", "units.jsonl", "sites.jsonl"),
        *("minutes", "tables", "report", "plan", "digests"),
    }
    assert len(units.splitlines()) == 1 + len(verdict.units)
    assert all(f"  {name.partition('/')[0]}" in about for name in names if "SUMS" not in name and "HOW" not in name)
    assert (target["verdict"]["status"], target["share"]) == (verdict.status, "9/10")
    with made.engine.connect() as connection:
        table, window = schema.outage.c, verdict.window
        inside = (table.first_minute < window.end_minute) & (table.signal == "line.internet")
        inside &= table.end_minute.is_(None) | (table.last_minute >= window.first_minute)
        judged = {unit.site for unit in verdict.units if not unit.silent}
        rows = connection.execute(select(table.site, table.first_minute).where(inside)).all()
    assert sorted((row[0], row[2]) for row in outages) == sorted(tuple(row) for row in rows if row.site in judged)


def test_what_cannot_be_told_from_minutes_is_taken_over_and_said(made: Made, tmp_path: Path) -> None:
    kept = next(name for name, one in INDICATORS.items() if name not in recompute.RECOMPUTED and one.of == "site")
    condition = Condition(kept, "a", at_least=Fraction(1, 2), at_most=None, of=("csdl",))
    if INDICATORS[kept].compares == "at_most":
        condition = replace(condition, at_least=None, at_most=Fraction(50))
    folder = unpacked(pack_of(made, told("site", condition))[0], tmp_path)

    code, text = run(folder)

    assert code == 0
    assert "taken as the server stated them" in text


def test_a_day_that_is_not_over_has_no_pack() -> None:
    with pytest.raises(PackError, match="ngày 2026-11-21 chưa hết"):
        window_until(BASE, date(2026, 11, 21), NOW_MS)


def test_a_pack_is_bounded(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_pack, "MOST_BYTES", 5_000)

    with pytest.raises(PackError, match="lớn hơn 5000 byte"):
        pack_of(made, BASE)


def test_every_indicator_that_needs_no_kept_reading_is_recomputed() -> None:
    assert {name for name, one in INDICATORS.items() if not one.kept} == recompute.RECOMPUTED


# ---- the two calculators ------------------------------------------------------------------------------------


def drawn_facts(rng: random.Random, end: int) -> SiteFacts:
    """A site of all that may be odd: lines without contract or technology, tests that failed, gaps, two days."""
    count = 2 * 1_440

    def row() -> Row:
        codes = b"".join(
            bytes([rng.choice([60, 60, 60, 60, 60, 59, 20, 0, OFF, UNKNOWN, DISPUTED])]) * rng.randint(1, 900)
            for _ in range(40)
        )
        lessons = bytes(int(at % 1_440 in range(420, 660)) for at in range(count))
        return Row(end - count, codes[:count].ljust(count, bytes([60])), lessons if told_lessons else None)

    told_lessons = rng.random() < 0.8
    lines = tuple(
        Line(
            f"l{at}",
            "s",
            "VNPT",
            rng.choice(["fibre", "fibre", "copper", "unknown"]),
            rng.choice([None, 40_000_000, 100_000_000]),
            rng.choice([None, 20_000_000]),
            role=rng.choice(["main", "main", "backup"]),
        )
        for at in range(rng.randint(0, 3))
    )
    speeds = (None, 10**7, 4 * 10**7, 9 * 10**7)
    tests = tuple(
        SpeedTest(end - rng.randint(1, count), rng.choice(speeds), rng.choice(speeds), ceiling)
        for ceiling in rng.choices([None, 0, 1], k=rng.randint(0, 6))
    )
    devices = tuple(
        Device("s", f"d{at}", "", rng.choice(["board", "camera", "ont"]), rng.choice([None, "r"]), "", 0, "")
        for at in range(rng.randint(0, 4))
    )
    signals = ["line.internet", "line.main", "line.isp", "line.domestic", "line.international", "lan.router"]
    signals += ["power.mains", "service.csdl", "wifi.a", "lesson.video", *(one.signal for one in devices)]
    return SiteFacts(
        Site("s", "school", "S", "main", None, None),
        lines=lines,
        rooms=(Room("r", "s", "R", "smart", 1),),
        devices=devices,
        measured={one: row() for one in signals if rng.random() < 0.9},
        tests=tests,
        pupils=rng.choice([None, 200, 900]),
        watched=frozenset(one for one in ("line.main", "service.csdl", "wifi.a") if rng.random() < 0.7),
        needs=RoomNeeds((RoomNeed("smart", 1, "board", rng.randint(1, 2)),), assumed=False),
        lesson_starts=None if rng.random() < 0.1 else tuple(end - count + at for at in range(420, count, 300)),
    )


@pytest.mark.parametrize("seed", range(4))
def test_script_and_server_agree_on_sites_of_every_odd_kind(seed: int) -> None:
    rng = random.Random(seed)
    end = first_minute_of(day_number(LAST) + 1)
    seen: dict[str, set[object]] = {}
    for _ in range(40):
        facts = drawn_facts(rng, end)
        for name in sorted(recompute.RECOMPUTED - {"inspection.digital", "holding.recorded", "device.availability"}):
            one = INDICATORS[name]
            value = {"bps": rng.choice([100_000, 10**7, 5 * 10**7]), "count": 1}.get(one.threshold)
            share = Fraction(rng.choice([50, 80, 90, 99]), 100) if value is None else Fraction(value)
            of = {"services": ("csdl",), "device_kinds": ("board", "ont"), "room_kinds": ("smart",)}.get(one.choice, ())
            at_most = one.compares == "at_most"
            condition = Condition(
                name,
                "a",
                at_least=None if at_most or not one.compares else share,
                at_most=Fraction(rng.choice([0, 600])) if at_most else None,
                one_of=("fibre",) if one.compares == "one_of" else (),
                of=of,
                up_to=Fraction(3 * 10**7) if one.grows and rng.random() < 0.5 else None,
            )
            target = told(
                "site",
                condition,
                window_days=2,
                clock=rng.choice(["always", "lessons"]),
                off=rng.choice(["left_out", "down"]),
                lines=rng.choice(["any", "main", "every"]),
            )
            window = verdicts.window_of(target, end)
            part = Part(facts, room=facts.rooms[0])

            server = verdicts.finding_of(target, condition, part, window).met
            script = recomputed(target, condition, part, window)

            assert script == server, (name, condition, target.clock, target.off, target.lines, facts)
            seen.setdefault(name, set()).add(server)
    assert all(len(values) > 1 for values in seen.values()), {name for name, values in seen.items() if len(values) < 2}


def recomputed(target: Target, condition: Condition, part: Part, window: Window) -> bool | None:
    """Through the JSON of the pack."""
    verdict = verdicts.verdict_of(PLAN, target, window, [])
    empty = Stamp(0, 0, 0, (), 0, 0, b"", None, b"")
    site = json.loads(evidence_pack._line(evidence_pack._site(part.facts, window)))
    told_target = json.loads(evidence_pack._line(evidence_pack._target(verdict, empty, [], State("", ""))))
    rows = {name: row.row(*window).codes for name, row in part.facts.measured.items()}
    lessons = next((row.row(*window).lessons for row in part.facts.measured.values() if row.has_lessons), None)
    if lessons is not None:
        rows["@lessons"] = lessons
    told_part = json.loads(evidence_pack._line(evidence_pack._part(part, target, window)))
    (one,) = told_target["conditions"]
    return recompute.judged(recompute.Case(told_target, one, site, rows, told_part, *window))
