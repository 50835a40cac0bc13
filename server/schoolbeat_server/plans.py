"""Plan files: YAML -> plans; every error names file, line, key, value and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec

from schoolbeat_server import register_columns, yaml_text
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.plan_shape import (
    AssumptionShape,
    ConditionShape,
    FilterShape,
    PlanError,
    PlanShape,
    Source,
    TargetShape,
    said_of,
)
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Assumption, Condition, Filter, Plan, Target

SHIPPED = Path(__file__).parent / "plan_files"
MOST_BYTES = 1024 * 1024
MOST_WINDOW_DAYS = 366

__all__ = ["PlanError", "all_plans", "load_plan", "parse"]


# ---- reading -----------------------------------------------------------------------------------------------


def all_plans(folder: Path | None = None) -> list[Plan]:
    """The shipped plans, then those of the folder. A plan of the folder replaces a shipped one of its id."""
    found = {plan.id: plan for plan in _folder(SHIPPED)}
    if folder is not None:
        if not folder.is_dir():
            raise PlanError(Said(f"{folder}: không có thư mục kế hoạch này", f"{folder}: there is no such plan folder"))
        found |= {plan.id: plan for plan in _folder(folder)}
    return list(found.values())


def _folder(folder: Path) -> list[Plan]:
    plans: dict[str, Plan] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        plan = load_plan(path)
        if plan.id in plans:
            other = plans[plan.id].file
            raise PlanError(
                Said(f"{path}: kế hoạch {plan.id!r} đã có ở {other}", f"{path}: plan {plan.id!r} is in {other} already")
            )
        plans[plan.id] = plan
    return list(plans.values())


def load_plan(path: Path) -> Plan:
    """Raises PlanError."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PlanError(Said(f"{path}: lớn hơn {MOST_BYTES} byte", f"{path}: larger than {MOST_BYTES} bytes"))
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise PlanError(Said(f"{path}: không phải UTF-8", f"{path}: not UTF-8")) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise PlanError(Said(f"{path}: không đọc được: {reason}", f"{path}: cannot be read: {reason}")) from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Plan:
    """A plan file's text; `file` stands in errors. Raises PlanError."""
    try:
        found, lines = yaml_text.parse(text)
    except yaml_text.YamlError as error:
        where = f"{file}:{error.line}" if error.line else file
        raise PlanError(Said(f"{where}: {error.vi}", f"{where}: {error.en}")) from None
    source = Source(file, found, lines)
    try:
        raw = msgspec.convert(found, PlanShape, strict=False)
    except msgspec.ValidationError as error:
        source.refuse_shape(str(error), ())
    targets = tuple(_target(source, one, ("targets", index)) for index, one in enumerate(raw.targets))
    for index, target in enumerate(targets):
        if target.id in [other.id for other in targets[:index]]:
            source.refuse(("targets", index, "target"), "mã này đã dùng ở trên", "this id is used above already")
    return Plan(raw.plan, said_of(raw.document), said_of(raw.issuer), file, targets)


# ---- one target --------------------------------------------------------------------------------------------

Parsed = TypeVar("Parsed")


def _share(text: str) -> Fraction:
    """'90%' or '9/10': exact."""
    percent = re.fullmatch(r"([0-9]{1,3})(?:[.,]([0-9]{1,6}))? ?%", text)
    ratio = re.fullmatch(r"([0-9]{1,9})/([1-9][0-9]{0,8})", text)
    if percent:
        share = Fraction(int(percent[1] + (percent[2] or "")), 100 * 10 ** len(percent[2] or ""))
    elif ratio:
        share = Fraction(int(ratio[1]), int(ratio[2]))
    else:
        raise ValueError
    if not 0 < share <= 1:
        raise ValueError
    return share


def _bps(text: str) -> Fraction:
    found = re.fullmatch(r"([0-9]{1,7})(?:\.([0-9]{1,3}))? (k|M|G)bit/s", text)
    if not found:
        raise ValueError
    places = found[2] or ""
    bps = Fraction(int(found[1] + places), 10 ** len(places)) * {"k": 10**3, "M": 10**6, "G": 10**9}[found[3]]
    if not 0 < bps <= 10**12:
        raise ValueError
    return bps


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise ValueError
        return int(text)

    return parse


def _word(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError
        return text

    return parse


def _words(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        words = tuple(text.split(", "))
        if not set(words) <= set(allowed):
            raise ValueError
        return words

    return parse


_SHARE_ALLOWED = Said(
    "phần trăm như 90% hoặc phân số như 9/10, lớn hơn 0", "a percentage as 90% or a fraction as 9/10, above 0"
)
_BPS_ALLOWED = Said(
    "tốc độ như '20 Mbit/s' (kbit/s, Mbit/s, Gbit/s)", "a speed as '20 Mbit/s' (kbit/s, Mbit/s, Gbit/s)"
)


def _one_of_said(*allowed: str) -> Said:
    return Said(" | ".join(allowed), " | ".join(allowed))


def _whole_said(low: int, high: int) -> Said:
    return Said(f"số nguyên từ {low} đến {high}", f"a whole number from {low} to {high}")


# What every target may have to state: how it is read, what is allowed, and what stands when no target needs it.
STANDARD: dict[str, tuple[Callable[[str], Any], Said, Any]] = {
    "window_days": (_number(1, MOST_WINDOW_DAYS), _whole_said(1, MOST_WINDOW_DAYS), 7),
    "clock": (_word("always", "lessons"), _one_of_said("always", "lessons"), "always"),
    "min_coverage": (_share, _SHARE_ALLOWED, Fraction(1)),
    "off": (_word("left_out", "down"), _one_of_said("left_out", "down"), "left_out"),
    "lines": (_word("any", "every"), _one_of_said("any", "every"), "every"),
    "sites": (_word("any", "main", "every"), _one_of_said("any", "main", "every"), "every"),
    "devices": (_word("any", "every"), _one_of_said("any", "every"), "every"),
    "site_kinds": (_words("main", "satellite"), Said("main và/hoặc satellite", "main and/or satellite"), ()),
    "min_tests": (_number(1, 10_000), _whole_said(1, 10_000), 1),
}


class _Draft(NamedTuple):
    """A target with its assumptions, and where it stands in the file."""

    source: Source
    raw: TargetShape
    assumptions: dict[str, AssumptionShape]
    path: yaml_text.Path

    def refuse(self, path: yaml_text.Path, vi: str, en: str) -> NoReturn:
        self.source.refuse((*self.path, *path), vi, en)


def _target(source: Source, raw: TargetShape, path: yaml_text.Path) -> Target:
    draft = _Draft(source, raw, _assumptions(source, raw, path), path)
    for index, condition in enumerate(raw.conditions):
        _check_condition(draft, condition, ("conditions", index))
    _check_assumptions(draft)
    standard = {name: _standard(draft, name) for name in STANDARD}
    return Target(
        id=raw.target,
        name=said_of(raw.name),
        clause=said_of(raw.clause),
        quote=said_of(raw.quote),
        unit=raw.unit,
        filter=_filter(draft, standard.pop("site_kinds")),
        conditions=tuple(_condition(draft, one) for one in raw.conditions),
        share=_read(draft, _share, raw.share, _SHARE_ALLOWED, ("share",)),
        deadline=_read(draft, _day, raw.deadline, _DAY_ALLOWED, ("deadline",)),
        assumptions=tuple(_stated(name, one) for name, one in draft.assumptions.items()),
        **standard,
    )


def _stated(name: str, shape: AssumptionShape) -> Assumption:
    return Assumption(name, _text(shape.value), said_of(shape.reason), shape.source)


def _assumptions(source: Source, raw: TargetShape, path: yaml_text.Path) -> dict[str, AssumptionShape]:
    found = {}
    for name, value in raw.assumptions.items():
        try:
            found[name] = msgspec.convert(value, AssumptionShape, strict=False)
        except msgspec.ValidationError as error:
            source.refuse_shape(str(error), (*path, "assumptions", name))
    return found


_DAY_ALLOWED = Said("ngày như 2025-12-31", "a date as 2025-12-31")


def _day(text: str) -> date:
    if len(text) != 10:
        raise ValueError
    return date.fromisoformat(text)


def _read(draft: _Draft, parse: Callable[[str], Parsed], text: str, allowed: Said, path: yaml_text.Path) -> Parsed:
    try:
        return parse(text)
    except ValueError:
        draft.refuse(path, f"cần {allowed.vi}", f"allowed is {allowed.en}")


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _check_condition(draft: _Draft, condition: ConditionShape, path: yaml_text.Path) -> None:
    found = INDICATORS.get(condition.indicator)
    if found is None:
        near = difflib.get_close_matches(condition.indicator, INDICATORS, 1)
        allowed = " | ".join(INDICATORS)
        vi = f"có phải {near[0]}?" if near else f"các chỉ số: {allowed}"
        en = f"did you mean {near[0]}?" if near else f"the indicators are {allowed}"
        draft.refuse((*path, "indicator"), f"không có chỉ số này; {vi}", f"unknown indicator; {en}")
    if found.of == "device" and draft.raw.unit not in ("room", "device"):
        draft.refuse((*path, "indicator"), "chỉ dùng với unit: room | device", "is only for unit: room | device")
    wanted, other = ("one_of", "at_least") if found.threshold == "words" else ("at_least", "one_of")
    if getattr(condition, wanted) is None or getattr(condition, other) is not None:
        draft.refuse(
            path,
            f"{condition.indicator} cần khóa {wanted}: tên của một giả định, và không có {other}",
            f"{condition.indicator} needs the key {wanted}: an assumption's name, and no {other}",
        )
    if _threshold(condition) not in draft.assumptions:
        allowed = ", ".join(draft.assumptions)
        draft.refuse(
            (*path, wanted),
            f"không có giả định này; các giả định: {allowed}",
            f"no such assumption; there are {allowed}",
        )


def _threshold(condition: ConditionShape) -> str:
    return condition.at_least or condition.one_of or ""


def _required(raw: TargetShape) -> set[str]:
    """The standard assumptions that this target must state."""
    indicators = [INDICATORS[condition.indicator] for condition in raw.conditions]
    needed = {"window_days"}.union(*(indicator.needs for indicator in indicators))
    needed.add("sites" if raw.unit == "school" else "site_kinds")
    if raw.unit == "room" and any(indicator.of == "device" for indicator in indicators):
        needed.add("devices")
    return needed


def _check_assumptions(draft: _Draft) -> None:
    """Whatever is needed is stated, and nothing is stated that has no effect."""
    required = _required(draft.raw)
    for name in STANDARD:
        if name in required and name not in draft.assumptions:
            allowed = STANDARD[name][1]
            draft.refuse(
                ("assumptions",),
                f"thiếu giả định {name} ({allowed.vi})",
                f"the assumption {name} is missing ({allowed.en})",
            )
    used = required | {_threshold(condition) for condition in draft.raw.conditions}
    for name in draft.assumptions:
        if name not in used:
            draft.refuse(
                ("assumptions", name),
                f"giả định này không có tác dụng; đang dùng: {', '.join(sorted(used))}",
                f"this assumption has no effect; used are {', '.join(sorted(used))}",
            )


def _standard(draft: _Draft, name: str) -> Any:
    parse, allowed, default = STANDARD[name]
    if name not in draft.assumptions:
        return default
    return _read(draft, parse, _text(draft.assumptions[name].value), allowed, ("assumptions", name, "value"))


def _condition(draft: _Draft, condition: ConditionShape) -> Condition:
    indicator, name = INDICATORS[condition.indicator], _threshold(condition)
    value, where = draft.assumptions[name].value, ("assumptions", name, "value")
    if indicator.threshold == "words":
        words = [value] if isinstance(value, str) else value
        for word in words:
            if word not in indicator.words:
                allowed = " | ".join(indicator.words)
                draft.refuse(where, f"{word!r}: cần {allowed}", f"{word!r}: allowed is {allowed}")
        return Condition(condition.indicator, name, one_of=tuple(words))
    parse, said = (_share, _SHARE_ALLOWED) if indicator.threshold == "share" else (_bps, _BPS_ALLOWED)
    return Condition(condition.indicator, name, at_least=_read(draft, parse, _text(value), said, where))


# ---- filter ------------------------------------------------------------------------------------------------

_FILTER_COLUMNS = {
    "levels": ("schools", "level"),
    "managers": ("schools", "manager"),
    "room_kinds": ("rooms", "kind"),
    "device_kinds": ("devices", "kind"),
}
_FILTER_UNITS = {
    "room_kinds": ("room",),
    "smart_levels": ("room",),
    "device_kinds": ("device",),
}


def _filter(draft: _Draft, site_kinds: tuple[str, ...]) -> Filter:
    values: dict[str, tuple[Any, ...]] = {}
    for key in FilterShape.__struct_fields__:
        found = getattr(draft.raw.filter, key)
        if found is None:
            continue
        units = _FILTER_UNITS.get(key, (draft.raw.unit,))
        if draft.raw.unit not in units:
            allowed = " | ".join(units)
            draft.refuse(("filter", key), f"chỉ dùng với unit: {allowed}", f"is only for unit: {allowed}")
        values[key] = tuple(_filter_value(draft, key, one, ("filter", key, at)) for at, one in enumerate(found))
    return Filter(site_kinds=site_kinds, **values)


def _filter_value(draft: _Draft, key: str, value: Any, path: yaml_text.Path) -> Any:
    if key not in _FILTER_COLUMNS:
        return value
    section, column = _FILTER_COLUMNS[key]
    try:
        return register_columns.COLUMNS[section][column].check(value)
    except register_columns.Refused as refused:
        draft.refuse(path, refused.said.vi, refused.said.en)
