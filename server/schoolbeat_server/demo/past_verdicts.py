"""Months of simulated verdicts, as if they had been issued day by day, so that history and forecast have something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from sqlalchemy import Engine

from schoolbeat_server import issued
from schoolbeat_server.database import writing
from schoolbeat_server.demo import faults as script
from schoolbeat_server.demo.province import SimulatedSite
from schoolbeat_server.evidence import Window, from_ledger
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.targets import Condition, Plan, Target
from schoolbeat_server.verdicts import ONE, Status, UnitVerdict, Verdict, collect, judge_plan, window_of
from schoolbeat_wire.catalogue import UNKNOWN

DAYS = 150
SIMULATED = Said(
    "Lịch sử mô phỏng của bản trình diễn, không phải số đo",
    "Simulated history of the demonstration, not a measurement",
)
NEVER_REVISED = 2**31 - 1  # a touch that none comes after: the simulated minutes are of some days only
_ONE_IN_SO_MANY_NEVER = 14  # of what nothing is known about, a unit in so many never reaches its target


def issue(engine: Engine, plans: Sequence[Plan], sites: Sequence[SimulatedSite], seed: int, now_ms: int) -> None:
    """The days up to yesterday; today is for the server to judge. Nobody else may be writing yet."""
    today = first_minute_of(day_of(now_ms // 60_000))
    by_id = {site.id: site for site in sites}
    units = {plan.id: _units(engine, plan, today) for plan in plans}
    rows: list[issued.Row] = []
    with engine.connect() as connection:
        for ago in range(DAYS, 0, -1):
            end = first_minute_of(day_of(today) - ago + 1) - 24 * 60

            def judging(plan: Plan, end: int, _sites: frozenset[str] | None, ago: int = ago) -> Sequence[Verdict]:
                return [_on_that_day(one, end, ago, by_id, seed) for one in units[plan.id]]

            made = issued.issue(connection, plans, end, end * 60_000, judging)
            rows += [{**row, "touch": NEVER_REVISED} for row in made]
    with writing(engine) as connection:
        issued.keep(connection, rows, 0)


def _units(engine: Engine, plan: Plan, end_minute: int) -> list[Verdict]:
    """Who is judged, before anything is known of them."""

    def nothing(_site: str, _signal: str, first: int, end: int) -> bytes:
        return bytes([UNKNOWN]) * (end - first)

    with engine.connect() as connection:
        evidence = collect(connection, from_ledger(nothing), plan, window_of(plan, end_minute))
    return judge_plan(plan, evidence)


def _on_that_day(verdict: Verdict, end_minute: int, ago: int, sites: dict[str, SimulatedSite], seed: int) -> Verdict:
    target = verdict.target
    units = tuple(_unit(target, unit, status_of(target, unit, sites, ago, seed)) for unit in verdict.units)
    return replace(verdict, window=Window(end_minute - target.window_minutes, end_minute), units=units)


def _unit(target: Target, unit: UnitVerdict, status: Status) -> UnitVerdict:
    if target.unit in ("holding", "inspection"):
        return replace(unit, reasons=(SIMULATED,))  # papers: what stands in them now stood in them then
    return replace(
        unit,
        status=status,
        silent=status == "unknown",
        since_minute=None,
        grade="observed" if status == "missed" else "proven" if status == "met" else "declared",
        reasons=(SIMULATED,),
        counts=ONE[status],
    )


def status_of(target: Target, unit: UnitVerdict, sites: dict[str, SimulatedSite], ago: int, seed: int) -> Status:
    """Gateways were plugged in over the first three months; what can reach the target does so some weeks later."""
    site = sites.get(unit.site or unit.school)  # a school's main site has the school's id
    if site is None or script.silent(site):
        return "unknown"
    rng = Random(f"{seed} past verdict {target.id} {unit.id}")
    plugged_in, reached = rng.randrange(60, DAYS), rng.randrange(1, 60)
    if ago > plugged_in:
        return "unknown"
    in_the_end = _in_the_end(target, site, rng)
    return "missed" if in_the_end == "met" and ago > reached else in_the_end


def _in_the_end(target: Target, site: SimulatedSite, rng: Random) -> Status:
    """As the simulated line is. Of everything else nothing is known here: most reach it."""
    if site.number == script.LITTLE_POWER:
        return "missed" if target.off_is_down else "unknown"
    told = [_CONDITIONS[one.indicator](one, site) for one in target.conditions if one.indicator in _CONDITIONS]
    if not all(told):
        return "missed"
    return "met" if told or rng.randrange(_ONE_IN_SO_MANY_NEVER) else "missed"


_CONDITIONS: dict[str, Callable[[Condition, SimulatedSite], bool]] = {
    "line.technology": lambda condition, site: site.technology in condition.one_of,
    "lesson.video": lambda _condition, site: site.technology != "mobile",
    "line.download.median": lambda condition, site: site.down_bps >= (condition.at_least or 0),
    "line.download.of_contract": lambda condition, site: (
        site.down_bps >= (condition.at_least or 0) * site.contract_bps[0]
    ),
    "line.upload.of_contract": lambda condition, site: site.up_bps >= (condition.at_least or 0) * site.contract_bps[1],
}
