"""An evidence pack: a target's verdict with everything it rests on, as a zip whose bytes follow from the data alone."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import issued, register_digest, schema
from schoolbeat_server.evidence import Evidence, LedgerReader, SiteFacts, Window, from_ledger
from schoolbeat_server.issued import Issue
from schoolbeat_server.pack_texts import ABOUT, ASSUMPTIONS, OUTAGES, TESTS, UNITS, assumption_rows, unit_row
from schoolbeat_server.plans_shown import verdict_text
from schoolbeat_server.recompute import RECOMPUTED
from schoolbeat_server.register_digest import State
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_number, day_of, first_minute_of
from schoolbeat_server.stamp import Stamp, stamp, stamp_lines
from schoolbeat_server.table_files import to_csv, to_json
from schoolbeat_server.tables import Cell, Table
from schoolbeat_server.targets import Condition, Plan, Target
from schoolbeat_server.units import Part, counted_units
from schoolbeat_server.verdicts import (
    UnitVerdict,
    Verdict,
    finding_of,
    judge,
    registered,
    verdict_of,
    window_of,
    with_minutes,
)
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

MOST_BYTES: Final = 2 * 1024**3  # before they are packed
MOST_OUTAGES: Final = 200_000  # listed; the minutes hold all of them
MINUTES_AT_ONCE: Final = 64 * 1024**2  # of all signals
_SIGNALS_A_SITE: Final = 8  # guessed, for how many sites are read at once
_NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


class PackError(ValueError):
    """The pack cannot be made."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(vi)
        self.said = Said(vi, en)


class Made(NamedTuple):
    """size: bytes of the zip; digest: its SHA-256."""

    verdict: Verdict
    size: int
    digest: bytes


Papers = Callable[[Verdict, Stamp], Mapping[str, bytes]]


def window_until(target: Target, last: date, now_ms: int) -> Window:
    """The target's, ending with that local day, which must be over. Raises PackError."""
    end = first_minute_of(day_number(last) + 1)
    if end > now_ms // 60_000:
        raise PackError(f"ngày {last} chưa hết", f"the day {last} is not over")
    if end - target.window_minutes < 0:
        raise PackError(f"ngày {last}: quá sớm", f"the day {last} is too early")
    return window_of(target, end)


def write_pack(
    out: IO[bytes],
    connection: Connection,
    plan: Plan,
    target: Target,
    window: Window,
    read: LedgerReader,
    calendar: SchoolCalendar,
    papers: Papers = lambda verdict, rests_on: {},
    progress: Callable[[int, int], None] = lambda done, all_: None,
) -> Made:
    """papers: further files by name, such as a PDF, of what was found. progress: (sites done, of how many). out: empty,
    can be read and sought in. Raises PackError."""
    alone = replace(plan, targets=(target,))
    base = registered(connection, alone, window, calendar)
    with ExitStack() as stack:
        spools = {name: stack.enter_context(tempfile.TemporaryFile()) for name in ("units.jsonl", "sites.jsonl")}
        pack = _Zip(out)
        found = _Gathered([], [], [], 0)
        source = from_ledger(read, calendar.read)
        parts = list(_parts(base, target))
        done = 0
        for part in parts:
            evidence = with_minutes(connection, source, alone, part, None, calendar)
            _add(pack, spools, connection, alone, target, evidence, found)
            done += len(evidence.sites)
            progress(done, len(base.sites))
        verdict = verdict_of(plan, target, window, found.units)
        for name, spool in spools.items():
            spool.seek(0)
            pack.add(name, iter(lambda spool=spool: spool.read(1 << 20), b""))  # type: ignore[misc]
        mine = sorted({part for unit in found.parts for part in unit})
        days = day_of(window.first_minute), day_of(window.end_minute - 1) + 1
        rests_on = stamp(connection, mine, *days)
        _papers(pack, connection, verdict, rests_on, found, papers(verdict, rests_on))
        pack.close()
    out.seek(0)
    digest = hashlib.sha256()
    size = 0
    while piece := out.read(1 << 20):
        digest.update(piece)
        size += len(piece)
    out.seek(0)
    return Made(verdict, size, digest.digest())


class _Gathered(NamedTuple):
    """parts: the sites of each unit."""

    units: list[UnitVerdict]
    parts: list[tuple[str, ...]]
    outages: list[tuple[Cell, ...]]
    tests: int


# ---- the zip -----------------------------------------------------------------------------------------------


class _Zip:
    """Members without times and owners, each with its digest in SHA256SUMS, which comes last."""

    def __init__(self, out: IO[bytes]) -> None:
        self.zip = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self.digests: dict[str, str] = {}
        self.size = 0

    def add(self, name: str, pieces: Iterable[bytes]) -> None:
        digest = hashlib.sha256()
        with self.zip.open(_member(name), "w", force_zip64=True) as file:
            for piece in pieces:
                self.size += len(piece)
                if self.size > MOST_BYTES:
                    raise PackError(
                        f"gói lớn hơn {MOST_BYTES} byte; hãy chọn chỉ tiêu có kỳ xét ngắn hơn",
                        f"the pack has more than {MOST_BYTES} bytes; take a target with a shorter window",
                    )
                digest.update(piece)
                file.write(piece)
        self.digests[name] = digest.hexdigest()

    def close(self) -> None:
        sums = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        with self.zip.open(_member("SHA256SUMS"), "w") as file:
            file.write(sums.encode())
        self.zip.close()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _NO_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = (0o755 if name.endswith(".py") else 0o644) << 16
    return info


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + b"\n"


# ---- some schools at a time --------------------------------------------------------------------------------


def _parts(evidence: Evidence, target: Target) -> Iterator[Evidence]:
    """Whole schools, as many as can be held in memory; with no site at all, one part."""
    most = max(1, MINUTES_AT_ONCE // (target.window_minutes * _SIGNALS_A_SITE))
    sites: dict[str, list[SiteFacts]] = {school: [] for school in sorted(evidence.schools)}
    for _, facts in sorted(evidence.sites.items()):
        sites[facts.site.school].append(facts)
    schools: list[str] = []
    count = 0
    for school, mine in sites.items():
        if schools and count + len(mine) > most:
            yield _only(evidence, schools, sites)
            schools, count = [], 0
        schools.append(school)
        count += len(mine)
    yield _only(evidence, schools, sites)


def _only(evidence: Evidence, schools: Sequence[str], sites: Mapping[str, list[SiteFacts]]) -> Evidence:
    return replace(
        evidence,
        schools={school: evidence.schools[school] for school in schools},
        sites={one.site.id: one for school in schools for one in sites[school]},
    )


def _add(
    pack: _Zip,
    spools: Mapping[str, IO[bytes]],
    connection: Connection,
    plan: Plan,
    target: Target,
    evidence: Evidence,
    found: _Gathered,
) -> None:
    window = window_of(target, evidence.window.end_minute)
    counted = {one.id: one for one in counted_units(target, evidence)}
    verdict = judge(plan, target, evidence)
    used: dict[str, SiteFacts] = {}
    for unit in sorted(verdict.units, key=lambda one: one.id):
        parts = counted[unit.id].parts
        spools["units.jsonl"].write(_line(_unit(unit, parts, target, window)))
        used |= {part.facts.site.id: part.facts for part in parts}
        found.units.append(unit)
        found.parts.append(tuple(part.facts.site.id for part in parts if part.facts.site.id))
    for site, facts in sorted(used.items()):
        spools["sites.jsonl"].write(_line(_site(facts, window)))
        if facts.measured:
            pack.add(f"minutes/{site}.txt", _minutes(facts, window))
    _outages(connection, used, window, found)


# ---- what the script reads ---------------------------------------------------------------------------------


def _unit(unit: UnitVerdict, parts: Sequence[Part], target: Target, window: Window) -> dict[str, Any]:
    return {
        "id": unit.id,
        "name": unit.name,
        "area": unit.area,
        "school": unit.school,
        "site": unit.site,
        "status": unit.status,
        "silent": unit.silent,
        "grade": unit.grade,
        "coverage": None if unit.coverage is None else str(unit.coverage),
        "since_minute": unit.since_minute,
        "reasons": [list(said) for said in unit.reasons],
        "parts": [_part(part, target, window) for part in parts],
    }


def _part(part: Part, target: Target, window: Window) -> dict[str, Any]:
    one = part.inspection
    given = [] if part.facts.silent else [c for c in target.conditions if c.indicator not in RECOMPUTED]
    return {
        "site": part.facts.site.id,
        "silent": part.facts.silent,
        "devices": [device.id for device in part.devices],
        "room": None if part.room is None else part.room.id,
        "inspection": None
        if one is None
        else {
            "id": one.id,
            "kind": one.kind,
            "held_on": one.held_on.isoformat(),
            "snapshot_sha256": None if one.digest is None else one.digest.hex(),
        },
        "given": {c.indicator: finding_of(target, c, part, window).met for c in given},
    }


def _site(facts: SiteFacts, window: Window) -> dict[str, Any]:
    recorded = sum(one.quantity for one in facts.holdings if one.recorded)
    starts = facts.lesson_starts
    return {
        "site": facts.site.id,
        "name": facts.site.name,
        "has_minutes": bool(facts.measured),
        "lines": [asdict(line) for line in facts.lines],
        "pupils": facts.pupils,
        "watched": sorted(facts.watched),
        "devices": [{"id": one.id, "kind": one.kind, "room": one.room} for one in facts.devices],
        "rooms": [{"id": one.id, "kind": one.kind, "smart_level": one.smart_level} for one in facts.rooms],
        "needs": None if facts.needs is None else [asdict(one) for one in facts.needs.needs],
        "lesson_starts": None if starts is None else [one for one in starts if window.first_minute <= one],
        "tests": [list(one) for one in facts.tests if window.first_minute <= one.minute < window.end_minute],
        "holdings": {"recorded": recorded, "strange": sum(one.quantity for one in facts.holdings) - recorded},
    }


def _minutes(facts: SiteFacts, window: Window) -> Iterator[bytes]:
    """A line for each day and signal: what `recompute.minutes_of` reads."""
    yield f"# schoolbeat-minutes 1 site={facts.site.id} first={window.first_minute} end={window.end_minute}\n".encode()
    rows = {signal: measured.row(*window) for signal, measured in sorted(facts.measured.items())}
    lessons = next((row.lessons for row in rows.values() if row.lessons is not None), None)
    told = {signal: row.codes for signal, row in rows.items()} | ({} if lessons is None else {"@lessons": lessons})
    for at in range(0, window.end_minute - window.first_minute, 1_440):
        day = date_of(day_of(window.first_minute + at)).isoformat()
        yield "".join(f"{day} {signal} {_runs(codes[at : at + 1_440])}\n" for signal, codes in told.items()).encode()


_RUN = re.compile(rb"(.)\1*", re.DOTALL)
_LETTERS: Final = {UNKNOWN: "U", OFF: "O", DISPUTED: "D"}


@lru_cache(maxsize=2_000)
def _runs(codes: bytes) -> str:
    return " ".join(f"{_LETTERS.get(run[0][0], run[0][0])}*{len(run[0])}" for run in _RUN.finditer(codes))


def _target(verdict: Verdict, rests_on: Stamp, issues: Sequence[Issue], register: State) -> dict[str, Any]:
    target = verdict.target
    return {
        "format": "schoolbeat-evidence 1",
        "plan": verdict.plan.id,
        "document": list(verdict.plan.document),
        "issuer": list(verdict.plan.issuer),
        "target": target.id,
        "name": list(target.name),
        "clause": list(target.clause),
        "quote": list(target.quote),
        "unit": target.unit,
        "filter": asdict(target.filter),
        "conditions": [_condition(one) for one in target.conditions],
        "share": str(target.share),
        "count": target.count,
        "window": {"first_minute": verdict.window.first_minute, "end_minute": verdict.window.end_minute},
        "window_days": target.window_days,
        "clock": target.clock,
        "min_coverage": str(target.min_coverage),
        "off_is_down": target.off_is_down,
        "lines": target.lines,
        "sites": target.sites,
        "devices": target.devices,
        "min_tests": target.min_tests,
        "assumptions": [
            {"name": one.name, "value": one.value, "reason": list(one.reason), "source": one.source}
            for one in target.assumptions
        ],
        "verdict": {
            "status": verdict.status,
            "met": verdict.met,
            "missed": verdict.missed,
            "unknown": verdict.unknown,
            "silent": verdict.silent,
            "grade": verdict.grade,
            "reasons": [list(one) for one in verdict.reasons],
        },
        "issued": [_issue(one) for one in issues],
        "stamp": rests_on.digest.hex(),
        "register_digest": register.digest,
        "proof": None
        if rests_on.proof_day is None
        else [date_of(rests_on.proof_day).isoformat(), rests_on.proof.hex()],
    }


def _condition(one: Condition) -> dict[str, Any]:
    exact = {
        key: None if (value := getattr(one, key)) is None else str(value) for key in ("at_least", "at_most", "up_to")
    }
    return {
        "indicator": one.indicator,
        "assumption": one.assumption,
        "one_of": list(one.one_of),
        "of": list(one.of),
        **exact,
    }


def _issue(one: Issue) -> dict[str, Any]:
    keys = ("id", "revision", "issued_ms", "status", "met", "missed", "unknown", "silent", "grade", "why")
    return {key: getattr(one, key) for key in (*keys, "register_digest")}


# ---- what people read --------------------------------------------------------------------------------------


def _outages(connection: Connection, used: Mapping[str, SiteFacts], window: Window, found: _Gathered) -> None:
    table = schema.outage.c
    query = (
        select(schema.outage)
        .where(table.first_minute < window.end_minute, table.site.in_(sorted(used)))
        .where(table.end_minute.is_(None) | (table.last_minute >= window.first_minute))
        .order_by(table.site, table.signal, table.first_minute)
    )
    for row in connection.execute(query):
        if row.signal in used[row.site].measured and len(found.outages) <= MOST_OUTAGES:
            end = row.end_minute
            found.outages.append(
                (row.site, row.signal, row.first_minute, row.last_minute, end, row.down_seconds, row.lessons, row.cause)
            )


def _papers(
    pack: _Zip,
    connection: Connection,
    verdict: Verdict,
    rests_on: Stamp,
    found: _Gathered,
    papers: Mapping[str, bytes],
) -> None:
    issues, register = _issues(connection, verdict), register_digest.state(connection)
    pack.add("target.jsonl", [_line(_target(verdict, rests_on, issues, register))])
    for table in _tables(connection, verdict, found):
        for language in ("vi", "en"):
            pack.add(f"tables/{table.name}.{language}.csv", [to_csv(table, language)])
        pack.add(f"tables/{table.name}.json", [_line(to_json(table))])
    for language in ("vi", "en"):
        text = verdict_text(verdict, language, units=True)
        pack.add(f"report/report.{language}.txt", [(text + "\n").encode()])
    for name, data in sorted(papers.items()):
        pack.add(f"report/{name}", [data])
    plan = _plan_file(verdict.plan)
    if plan is not None:
        pack.add("plan/plan.yaml", [plan])
    pack.add("digests/stamp.txt", ["".join(line + "\n" for line in stamp_lines(rests_on)).encode()])
    pack.add("digests/register.txt", [register.text.encode()])
    for digest in sorted({one.register_digest for one in issues} - {register.digest, ""}):
        before = register_digest.kept(connection, digest)
        if before is not None:
            pack.add(f"digests/register-{digest}.txt", [before.text.encode()])
    pack.add("recompute.py", [Path(__file__).with_name("recompute.py").read_bytes()])
    pack.add("HOW-TO-RECOMPUTE.txt", [ABOUT.encode()])


def _issues(connection: Connection, verdict: Verdict) -> list[Issue]:
    """What was issued of this very window, with its revisions."""
    known = issued.read_issues(connection, plan=verdict.plan.id, target=verdict.target.id, limit=2_000)
    mine = [one for one in known if one.end_minute == verdict.window.end_minute]
    return sorted(mine, key=lambda one: one.revision)


def _plan_file(plan: Plan) -> bytes | None:
    """As it lies there now; None: it was not read from a file."""
    try:
        return Path(plan.file).read_bytes()
    except OSError:
        return None


def _tables(connection: Connection, verdict: Verdict, found: _Gathered) -> Iterator[Table]:
    target = verdict.target
    yield Table("units", Said("Từng đơn vị", "Every unit"), UNITS, tuple(unit_row(one) for one in verdict.units))
    rows = tuple(found.outages[:MOST_OUTAGES])
    title = Said("Các đoạn gián đoạn của các tín hiệu được xét", "Outages of the signals judged")
    yield Table("outages", title, OUTAGES, rows)
    sites = {site for mine in found.parts for site in mine}
    yield Table("tests", Said("Các lần đo tốc độ", "Speed tests"), TESTS, tuple(_tests(connection, verdict, sites)))
    title = Said("Giả định", "Assumptions")
    yield Table("assumptions", title, ASSUMPTIONS, tuple(assumption_rows(target)))


def _tests(connection: Connection, verdict: Verdict, sites: set[str]) -> Iterator[tuple[Cell, ...]]:
    table, window = schema.speed_test.c, verdict.window
    columns = (table.site, table.minute, table.download_bps, table.upload_bps, table.server, table.bytes, table.ceiling)
    where = table.minute.between(window.first_minute, window.end_minute - 1)
    for row in connection.execute(select(*columns).where(where).order_by(table.site, table.minute)):
        if row.site in sites:
            yield tuple(row)
