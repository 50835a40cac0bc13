"""Plans and verdicts as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from schoolbeat_server.finding import GRADES, Grade, Indicator, stated
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Plan, Target
from schoolbeat_server.verdicts import STATUS_WORDS, UNIT_WORDS, UnitVerdict, Verdict

MARKS = {"met": "✓", "missed": "✗", "unknown": "?", "not_applicable": "–"}
GRADE_WORDS: dict[Grade, Said] = dict(
    zip(
        GRADES,
        (
            Said("khai báo", "declared"),
            Said("kiểm kê", "inventoried"),
            Said("quan sát", "observed"),
            Said("chứng minh", "proven"),
        ),
        strict=True,
    )
)


def plan_text(plan: Plan, language: str) -> str:
    count = len(plan.targets)
    head = Said(f"{plan.file}: dùng được, {count} chỉ tiêu", f"{plan.file}: sound, {count} targets")
    lines = [head.to(language), f"{plan.id}: {plan.document.to(language)} ({plan.issuer.to(language)})"]
    for target in plan.targets:
        lines += _target_lines(target, language)
    return "\n".join(lines)


def _target_lines(target: Target, language: str) -> Iterator[str]:
    yield ""
    units = UNIT_WORDS[target.unit].to(language)
    asked = stated(target.share).to(language) if target.count is None else target.count
    yield f"{target.id}  {target.name.to(language)}: {asked} {units}"
    yield f"    “{target.quote.to(language)}” ({target.clause.to(language)})"
    for assumption in target.assumptions:
        yield f"    {assumption.name} = {assumption.value}: {assumption.reason.to(language)} [{assumption.source}]"


def verdict_text(verdict: Verdict, language: str, *, units: bool) -> str:
    return "\n".join(_verdict_lines(verdict, language, units))


def _verdict_lines(verdict: Verdict, language: str, units: bool) -> Iterator[str]:
    target = verdict.target
    status = STATUS_WORDS[verdict.status].to(language)
    yield f"{MARKS[verdict.status]} {verdict.plan.id} {target.id}  {target.name.to(language)}: {status.upper()}"
    yield f"    “{target.quote.to(language)}” ({target.clause.to(language)})"
    first, end = (clock_and_day(minute * 60_000, language) for minute in verdict.window)
    yield Said(f"    Kỳ xét: {first} đến {end}", f"    Window: {first} to {end}").to(language)
    for reason in verdict.reasons:
        yield f"    {reason.to(language)}"
    grade = GRADE_WORDS[verdict.grade]
    yield Said(f"    Mức minh chứng: {grade.vi}", f"    Evidence: {grade.en}").to(language)
    for unit in verdict.units:
        if units or unit.status != "met":
            yield from _unit_lines(unit, language)


def _unit_lines(unit: UnitVerdict, language: str) -> Iterator[str]:
    since = ""
    if unit.since_minute is not None:
        at = clock_and_day(unit.since_minute * 60_000, language)
        since = Said(f", từ {at}", f", since {at}").to(language)
    yield f"  {MARKS[unit.status]} {unit.name} ({unit.site or unit.id}){since}"
    for reason in unit.reasons:
        yield f"      {reason.to(language)}"


# ---- the catalogue of indicators ---------------------------------------------------------------------------

_EXAMPLES = {
    "share": "`95%`",
    "bps": "`20 Mbit/s`",
    "ms": "`50 ms`",
    "minutes": "`90 min`",
    "count": "`0`",
    "words": "",
    "none": "",
}


def indicators_table() -> str:
    """The table of docs/indicators.md."""
    head = (
        "| chỉ số / indicator | xét gì / of | so với / compared with | phải nêu / must state"
        " | mức minh chứng cao nhất / best grade | nói gì / what it says |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|", *(_indicator_row(*one) for one in INDICATORS.items())])


def _indicator_row(name: str, one: Indicator) -> str:
    keys = [f"`{key}`" for key in (one.compares, "of" if one.choice else "", "up_to" if one.grows else "") if key]
    values = ", ".join(f"`{word}`" for word in one.words) or _EXAMPLES[one.threshold]
    compared = f"{', '.join(keys)}: {values}" if values else ", ".join(keys)
    needs = ", ".join(f"`{need}`" for need in one.needs)
    grade = GRADE_WORDS[one.best]
    said = f"**{one.name.vi}**: {one.about.vi}. / *{one.name.en}: {one.about.en}.*"
    return f"| `{name}` | `{one.of}` | {compared} | {needs} | {grade.vi} / {grade.en} | {said} |"
