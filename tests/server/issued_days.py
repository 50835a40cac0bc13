"""Days of verdicts as if they had been issued, for tests of history, forecast and comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.server.synthetic import DAY, NOW_MINUTE, Made

from schoolbeat_server import issued
from schoolbeat_server.database import writing
from schoolbeat_server.evidence import Window
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import ONE, Status, UnitVerdict, Verdict


def issue_days(
    made: Made, verdicts: list[Verdict], days: int, status_of: Callable[[int, int, UnitVerdict], Status]
) -> None:
    """For each of the last days, the newest ending with yesterday. status_of: (days ago, place of the unit, unit)."""
    plans: dict[str, Plan] = {one.plan.id: one.plan for one in verdicts}
    today = first_minute_of(day_of(NOW_MINUTE))
    for ago in range(days, 0, -1):
        end = today - (ago - 1) * DAY

        def judging(plan: Plan, end_minute: int, _sites: frozenset[str] | None, ago: int = ago) -> list[Verdict]:
            return [
                replace(
                    one,
                    window=Window(end_minute - one.target.window_minutes, end_minute),
                    units=tuple(_unit(unit, status_of(ago, at, unit)) for at, unit in enumerate(one.units)),
                )
                for one in verdicts
                if one.plan.id == plan.id
            ]

        with writing(made.engine) as connection:
            rows = issued.issue(connection, list(plans.values()), end, end * 60_000, judging)
            issued.keep(connection, rows, 0)


def _unit(unit: UnitVerdict, status: Status) -> UnitVerdict:
    return replace(unit, status=status, counts=ONE[status], grade="proven" if status == "met" else "observed")
