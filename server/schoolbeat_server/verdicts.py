"""Verdicts: met, missed or unknown, for every unit and for the target, with the numbers and the evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple

from sqlalchemy import Connection

from schoolbeat_server.evidence import (
    Evidence,
    Source,
    Window,
    read_register,
    with_holdings,
    with_inspections,
    with_kept,
    with_ledger,
    with_rooms,
)
from schoolbeat_server.finding import Case, Finding, Grade, all3, join3, joined, since_of, stated, weakest
from schoolbeat_server.indicators import INDICATORS, kept_of, signals_of
from schoolbeat_server.kept import Key
from schoolbeat_server.register_needs import read_room_needs
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.targets import Condition, Plan, Target, Unit, units_needed
from schoolbeat_server.units import Counted, Part, counted_units

Status = Literal["met", "missed", "unknown", "not_applicable"]

STATUS_WORDS: dict[Status, Said] = {
    "met": Said("đạt", "met"),
    "missed": Said("chưa đạt", "missed"),
    "unknown": Said("chưa đủ dữ liệu", "unknown"),
    "not_applicable": Said("không áp dụng", "not applicable"),
}
UNIT_WORDS: dict[Unit, Said] = {
    "school": Said("trường", "schools"),
    "site": Said("điểm trường", "sites"),
    "room": Said("phòng", "rooms"),
    "device": Said("thiết bị", "devices"),
    "holding": Said("tài sản (thấy hoặc đã khai)", "holdings (seen or declared)"),
    "inspection": Said("cuộc kiểm tra", "inspections"),
}


@dataclass(frozen=True, slots=True)
class UnitVerdict:
    """One unit. silent: nothing has ever been reported from it, which is its first reason.

    since_minute: since when it has been missed or unknown, as far as the window shows; None: not known, or met.
    coverage: of its least covered indicator; None if nothing of it is measured. site: "" for a school of many sites.
    counts: what it adds to the met, the missed and the unknown: one, but for a site's holdings.
    """

    unit: Unit
    id: str
    name: str
    area: str
    school: str
    site: str
    status: Status
    silent: bool
    since_minute: int | None
    coverage: Fraction | None
    grade: Grade
    reasons: tuple[Said, ...]
    counts: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target's. numerator/denominator: units met of units counted. units: those to look at first come first."""

    plan: Plan
    target: Target
    window: Window
    status: Status
    met: int
    missed: int
    unknown: int
    silent: int
    grade: Grade
    reasons: tuple[Said, ...]
    units: tuple[UnitVerdict, ...]

    @property
    def numerator(self) -> int:
        return self.met

    @property
    def denominator(self) -> int:
        return self.met + self.missed + self.unknown


# ---- the three values --------------------------------------------------------------------------------------


def plan_status(met: int, missed: int, unknown: int, share: Fraction, count: int | None = None) -> Status:
    """Decided only when no outcome of the unknown units could decide otherwise. Where the document states a number
    of units and the register names fewer, it is not known whether the rest exist."""
    units = met + missed + unknown
    if not units:
        return "not_applicable"
    needed = units_needed(units, share, count)
    if met >= needed:
        return "met"
    return "missed" if met + unknown < needed <= units else "unknown"


def _status(value: bool | None) -> Status:
    return "unknown" if value is None else "met" if value else "missed"


# ---- judging -----------------------------------------------------------------------------------------------


def judge_plan(plan: Plan, evidence: Evidence) -> list[Verdict]:
    return [judge(plan, target, evidence) for target in plan.targets]


def judge(plan: Plan, target: Target, evidence: Evidence) -> Verdict:
    """Pure: the same evidence gives the same verdict."""
    window = window_of(target, evidence.window.end_minute)
    if window.first_minute < evidence.window.first_minute:
        raise ValueError(f"target {target.id} needs {target.window_days} days; the evidence has fewer")
    return verdict_of(
        plan, target, window, (_judge_unit(target, one, window) for one in counted_units(target, evidence))
    )


def verdict_of(plan: Plan, target: Target, window: Window, judged: Iterable[UnitVerdict]) -> Verdict:
    """The target's, from the verdicts on all of its units."""
    units = sorted(judged, key=_urgency)
    met, missed, unknown = (sum(unit.counts[at] for unit in units) for at in range(3))
    silent = sum(unit.silent for unit in units)
    status = plan_status(met, missed, unknown, target.share, target.count)
    return Verdict(
        plan,
        target,
        window,
        status,
        met,
        missed,
        unknown,
        silent,
        weakest(unit.grade for unit in units if unit.status in ("met", "missed")),
        _target_reasons(target, status, met, missed, unknown, silent),
        tuple(units),
    )


def _urgency(unit: UnitVerdict) -> tuple[bool, int, str, str]:
    """Silent first, then missed, unknown, met."""
    return not unit.silent, ("missed", "unknown", "met").index(unit.status), unit.name, unit.id


def _judge_unit(target: Target, counted: Counted, window: Window) -> UnitVerdict:
    parts = [_judge_part(target, part, window) for part in counted.parts]
    value = join3(target.sites, (part.met for part in parts))
    status = _status(value)
    told = [(part, finding) for part in parts for finding in part.findings]
    reasons = list(_reasons(parts, counted.parts, value)) or [_no_site(target)]
    sinces = [_since(part) for part in parts if part.met == value]
    coverages = [finding.coverage for _, finding in told if finding.coverage is not None]
    return UnitVerdict(
        target.unit,
        counted.id,
        counted.name,
        counted.area,
        counted.school,
        counted.site,
        status,
        bool(parts) and all(part.silent for part in parts),
        since_of(target.sites, sinces) if status != "met" else None,
        min(coverages, default=None),
        weakest(finding.grade for _, finding in told),
        tuple(reasons),
        next((finding.counts for _, finding in told if finding.counts), ONE[status]),
    )


def _since(part: _PartVerdict) -> int | None:
    return since_of("every", [finding.since_minute for finding in part.findings if finding.met == part.met])


ONE: dict[Status, tuple[int, int, int]] = {"met": (1, 0, 0), "missed": (0, 1, 0), "unknown": (0, 0, 1)}


class _PartVerdict(NamedTuple):
    met: bool | None
    silent: bool
    findings: tuple[Finding, ...]


def _judge_part(target: Target, part: Part, window: Window) -> _PartVerdict:
    findings = tuple(finding_of(target, condition, part, window) for condition in target.conditions)
    if part.facts.silent:  # whatever its contract says: nobody has seen it
        return _PartVerdict(None, True, findings)
    return _PartVerdict(all3(finding.met for finding in findings), False, findings)


def finding_of(target: Target, condition: Condition, part: Part, window: Window) -> Finding:
    indicator = INDICATORS[condition.indicator]
    if indicator.of != "device":
        return indicator.judge(Case(part.facts, None, target, condition, window, part.room, part.inspection))
    found = [indicator.judge(Case(part.facts, device, target, condition, window)) for device in part.devices]
    if not found:
        return Finding(None, "declared", None, None, _NO_DEVICE)
    return joined(target.devices, found)


_NO_DEVICE = Said("Sổ đăng ký không ghi thiết bị nào", "The register names no device")


SILENT = Said("Chưa từng nhận được bản tin nào từ điểm trường này", "Nothing has ever been reported from this site")


def _no_site(target: Target) -> Said:
    if target.sites == "main":
        return Said("Sổ đăng ký chưa ghi điểm trường chính", "The register names no main site")
    return Said("Sổ đăng ký chưa ghi điểm trường nào", "The register names no site")


def _reasons(verdicts: list[_PartVerdict], parts: Sequence[Part], value: bool | None) -> Iterator[Said]:
    """What decided comes first. Several sites: each reason begins with the site's name."""
    for verdict, part in sorted(zip(verdicts, parts, strict=True), key=lambda pair: pair[0].met != value):
        name = part.facts.site.name if len(parts) > 1 else ""
        ordered = sorted(verdict.findings, key=lambda finding: finding.met != verdict.met)
        said = [*([SILENT] if verdict.silent else []), *(finding.said for finding in ordered)]
        for one in said:
            yield Said(f"{name}: {one.vi}", f"{name}: {one.en}") if name else one


def _asked(share: Fraction, need: int) -> Said:
    told = stated(share)
    return Said(f"{told.vi}, tức {need}", f"{told.en}, that is {need}")


def _target_reasons(
    target: Target, status: Status, met: int, missed: int, unknown: int, silent: int
) -> tuple[Said, ...]:
    count, words = met + missed + unknown, UNIT_WORDS[target.unit]
    if not count:
        return (Said(f"Sổ đăng ký không có {words.vi} nào thuộc chỉ tiêu", f"The register has no such {words.en}"),)
    need = units_needed(count, target.share, target.count)
    asked = Said(str(need), str(need)) if target.count is not None else _asked(target.share, need)
    told = [
        Said(
            f"{met}/{count} {words.vi} đạt, {missed} chưa đạt, {unknown} chưa đủ dữ liệu; cần {asked.vi}",
            f"{met} of {count} {words.en} met, {missed} missed, {unknown} unknown; needs {asked.en}",
        )
    ]
    if need > count:
        told.append(
            Said(
                f"Sổ đăng ký chỉ ghi {count} {words.vi}, ít hơn con số {need} của văn bản",
                f"The register names only {count} {words.en}, fewer than the document's {need}",
            )
        )
    if status == "missed" and unknown:
        told.append(
            Said(
                f"Dù cả {unknown} {words.vi} chưa đủ dữ liệu đều đạt cũng chỉ được {met + unknown}/{count}",
                f"Even if all {unknown} unknown {words.en} met it, it would be {met + unknown} of {count}",
            )
        )
    if status == "unknown" and need <= count:
        told.append(
            Said(
                f"Còn phải biết thêm: {need - met} trong {unknown} {words.vi} chưa đủ dữ liệu cần đạt",
                f"Still open: {need - met} of the {unknown} unknown {words.en} must meet it",
            )
        )
    if silent:
        en = f"{words.en.removesuffix('s')} has" if silent == 1 else f"{words.en} have"
        told.append(Said(f"{silent} {words.vi} chưa từng gửi bản tin nào", f"{silent} {en} never reported"))
    return tuple(told)


# ---- gathering ---------------------------------------------------------------------------------------------


def window_of(what: Plan | Target, end_minute: int) -> Window:
    """The target's window, or for a plan the longest of its targets'; it ends before `end_minute`."""
    targets = what.targets if isinstance(what, Plan) else (what,)
    return Window(end_minute - max(target.window_minutes for target in targets), end_minute)


def collect(
    connection: Connection,
    source: Source,
    plan: Plan,
    window: Window,
    sites: frozenset[str] | None = None,
    calendar: SchoolCalendar | None = None,
) -> Evidence:
    """Everything the plan's targets ask for. sites: of which minutes are asked for (None: all); verdicts on units of
    others are not to be used. Without a calendar nothing is known of when lessons begin."""
    return with_minutes(connection, source, plan, registered(connection, plan, window, calendar), sites, calendar)


def registered(connection: Connection, plan: Plan, window: Window, calendar: SchoolCalendar | None = None) -> Evidence:
    """All but what was measured."""
    asked = [INDICATORS[condition.indicator] for target in plan.targets for condition in target.conditions]
    with_devices = any(target.unit in ("room", "device") for target in plan.targets) or any(
        indicator.of != "site" or indicator.signal in ("devices.", "fibre.", "rooms.") for indicator in asked
    )
    evidence = read_register(connection, window, with_devices=with_devices, boundaries_day=plan.boundaries)
    if any(indicator.of == "room" or indicator.signal == "rooms." for indicator in asked):
        evidence = with_rooms(evidence, read_room_needs(connection), calendar)
    if any(indicator.of == "holding" for indicator in asked):
        evidence = with_holdings(connection, evidence)
    if any(target.unit == "inspection" for target in plan.targets):
        evidence = with_inspections(connection, evidence)
    return evidence


def with_minutes(
    connection: Connection,
    source: Source,
    plan: Plan,
    evidence: Evidence,
    sites: frozenset[str] | None = None,
    calendar: SchoolCalendar | None = None,
) -> Evidence:
    """What was measured at the sites (None: all that the evidence has)."""
    wanted = _wanted(plan, evidence)
    if sites is not None:
        wanted = {site: wanted[site] for site in sites & wanted.keys()}
    series = _wanted_kept(plan, evidence)
    if sites is not None:
        series = {site: series[site] for site in sites & series.keys()}
    evidence = with_kept(connection, evidence, series, calendar)
    windows = {window_of(target, evidence.window.end_minute) for target in plan.targets}
    return with_ledger(evidence, wanted, windows, source)


def _wanted_kept(plan: Plan, evidence: Evidence) -> dict[str, frozenset[Key]]:
    """Series of kept readings by site."""
    if not any(INDICATORS[condition.indicator].kept for target in plan.targets for condition in target.conditions):
        return {}
    found: dict[str, set[Key]] = {}
    for target in plan.targets:
        for counted in counted_units(target, evidence):
            for part in counted.parts:
                mine = found.setdefault(part.facts.site.id, set())
                for condition in target.conditions:
                    mine.update(kept_of(condition, part.devices))
    return {site: frozenset(mine) for site, mine in found.items() if mine}


def _wanted(plan: Plan, evidence: Evidence) -> dict[str, frozenset[str]]:
    """Signals by site."""
    signals: dict[str, set[str]] = {}
    for target in plan.targets:
        for counted in counted_units(target, evidence):
            for part in counted.parts:
                mine = signals.setdefault(part.facts.site.id, set())
                for condition in target.conditions:
                    mine.update(signals_of(condition, part.facts, part.devices))
    return {site: frozenset(mine) for site, mine in signals.items()}
