"""Inspections: entered once, answered by additions, frozen with a digest, and counted."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from tests.server.test_verdicts import END, PLAN, TARGET, evidence, site_facts

from schoolbeat_server.inspections import Inspected
from schoolbeat_server.register import School
from schoolbeat_server.school_calendar import date_of, day_of, first_minute_of
from schoolbeat_server.targets import Condition, Filter, Target
from schoolbeat_server.verdicts import Verdict, judge

# ---- as a target -------------------------------------------------------------------------------------------

YEAR_END = first_minute_of(day_of(END))  # a local midnight
DIGITAL = replace(
    TARGET,
    unit="inspection",
    conditions=(Condition("inspection.digital", ""),),
    share=Fraction(1, 2),
    window_days=365,
)


def held(ident: int, kind: str = "digital", days_ago: int = 10, school: str = "school") -> Inspected:
    day = date_of(day_of(YEAR_END) - days_ago)
    digest = b"\x07" * 32 if kind == "digital" else None
    return Inspected(ident, school, "", kind, day, digest)  # type: ignore[arg-type]


def judged(*inspections: Inspected, target: Target = DIGITAL) -> Verdict:
    found = evidence(site_facts("s", silent=True), days=365)
    window = found.window._replace(first_minute=YEAR_END - 365 * 1_440, end_minute=YEAR_END)
    schools = {**found.schools, "tinh": School("tinh", "Trường tỉnh", "xa", "", "province")}
    return judge(
        replace(PLAN, targets=(target,)),
        target,
        replace(found, window=window, inspections=inspections, schools=schools),
    )


def numbers(found: Verdict) -> tuple[str, int, int, int]:
    return found.status, found.met, found.missed, found.unknown


def test_half_of_the_inspections_held_digitally_meets_a_half_even_of_a_school_that_never_reported() -> None:
    found = judged(held(1), held(2, "on_site"))

    assert numbers(found) == ("met", 1, 1, 0)
    assert [(one.id, one.name, one.school, one.status, one.grade) for one in found.units] == [
        ("inspection-2", f"Trường school, {date_of(day_of(YEAR_END) - 10):%d/%m/%Y}", "school", "missed", "declared"),
        ("inspection-1", f"Trường school, {date_of(day_of(YEAR_END) - 10):%d/%m/%Y}", "school", "met", "observed"),
    ]
    assert "07" * 32 in found.units[1].reasons[0].vi


def test_most_of_them_held_on_site_misses_a_half() -> None:
    assert numbers(judged(held(1), held(2, "on_site"), held(3, "on_site"))) == ("missed", 1, 2, 0)


def test_without_any_inspection_the_target_does_not_apply() -> None:
    assert numbers(judged()) == ("not_applicable", 0, 0, 0)


def test_a_year_counts_each_inspection_of_its_365_days_and_none_besides() -> None:
    first, before, today = held(1, days_ago=365), held(2, days_ago=366), held(3, days_ago=0)

    assert [one.id for one in judged(first, before, today).units] == ["inspection-1"]


def test_the_filter_of_a_target_is_on_the_inspected_schools() -> None:
    target = replace(DIGITAL, filter=Filter(managers=("province",)))

    found = judged(held(1), held(2, school="tinh"), target=target)

    assert [one.id for one in found.units] == ["inspection-2"]


def test_one_of_a_school_that_the_register_does_not_have_is_not_counted() -> None:
    assert numbers(judged(held(1, school="nowhere"))) == ("not_applicable", 0, 0, 0)
