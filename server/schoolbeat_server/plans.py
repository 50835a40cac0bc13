"""Plan files: YAML -> plans; every error names file, line, key, value and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
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
from schoolbeat_server.register_columns import ROOM_KINDS
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Assumption, Condition, Filter, Plan, Target
from schoolbeat_wire.catalogue import DEVICE_KINDS

SHIPPED = Path(__file__).parent / "plan_files"
FOLLOWED = ("lao-cai-2022-2025",)  # while server.toml says nothing
MOST_BYTES = 1024 * 1024
MOST_WINDOW_DAYS = 366
MOST_COUNT = 1_000_000

__all__ = ["FOLLOWED", "PlanError", "all_plans", "available", "load_plan", "parse"]


# ---- reading -----------------------------------------------------------------------------------------------


def all_plans(folder: Path | None = None, follow: Collection[str] = FOLLOWED) -> list[Plan]:
    """The plans that are judged: the shipped ones that are followed, by id ("*": every one), and all of the folder. A
    plan of the folder replaces a shipped one of its id. PlanError for an id that there is not."""
    shipped, own = available(), {}
    if folder is not None:
        if not folder.is_dir():
            raise PlanError(Said(f"{folder}: không có thư mục kế hoạch này", f"{folder}: there is no such plan folder"))
        own = {plan.id: plan for plan in _folder(folder)}
    for name in follow:
        if name != "*" and name not in shipped and name not in own:
            ids = ", ".join(shipped)
            raise PlanError(
                Said(
                    f"follow = {name!r}: không có kế hoạch này; có sẵn: {ids}",
                    f"follow = {name!r}: there is no such plan; shipped are {ids}",
                )
            )
    chosen = {name: plan for name, plan in shipped.items() if "*" in follow or name in follow}
    return list((chosen | own).values())


def available() -> dict[str, Plan]:
    """The shipped plans by id, followed or not."""
    return {plan.id: plan for plan in _folder(SHIPPED)}


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
    shared = _assumptions(source, raw.assumptions, ())
    drafts = [_draft(source, one, shared, ("targets", index)) for index, one in enumerate(raw.targets)]
    targets = tuple(_target(draft, raw.kind) for draft in drafts)
    _check_ids(source, targets)
    _check_shared(source, shared, drafts)
    boundaries = None
    if raw.boundaries is not None:
        boundaries = _parsed(source, _day, raw.boundaries, _DAY_ALLOWED, ("boundaries",))
    names = said_of(raw.document), said_of(raw.issuer)
    return Plan(raw.plan, *names, file, targets, raw.kind, raw.source or "", boundaries)


def _check_ids(source: Source, targets: Sequence[Target]) -> None:
    ids = [target.id for target in targets]
    for index, target in enumerate(targets):
        if target.id in ids[:index]:
            source.refuse(("targets", index, "target"), "mã này đã dùng ở trên", "this id is used above already")
        if target.variant_of and target.variant_of not in ids[:index]:
            allowed = ", ".join(ids[:index]) or "–"
            source.refuse(
                ("targets", index, "variant_of"),
                f"không có chỉ tiêu này ở trên; đã có: {allowed}",
                f"no such target above; there are {allowed}",
            )


def _check_shared(source: Source, shared: Mapping[str, AssumptionShape], drafts: Sequence[_Draft]) -> None:
    for name in shared:
        if not any(name in draft.assumptions and name not in draft.raw.assumptions for draft in drafts):
            source.refuse(
                ("assumptions", name), "không chỉ tiêu nào dùng giả định này", "no target uses this assumption"
            )


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


def _part(text: str) -> Fraction:
    """As _share, but nothing at all is allowed too."""
    return Fraction(0) if text == "0%" else _share(text)


def _scaled(unit: str, highest: int) -> Callable[[str], Fraction]:
    def parse(text: str) -> Fraction:
        found = re.fullmatch(rf"([0-9]{{1,7}})(?:\.([0-9]{{1,3}}))? {unit}", text)
        if not found:
            raise ValueError
        places = found[2] or ""
        value = Fraction(int(found[1] + places), 10 ** len(places))
        if value > highest:
            raise ValueError
        return value

    return parse


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


_MOST = 1_000_000
_UNITS: dict[str, tuple[Callable[[str], Fraction], Said]] = {
    "share": (_part, _SHARE_ALLOWED),
    "bps": (_bps, _BPS_ALLOWED),
    "ms": (_scaled("ms", 60_000), Said("thời gian như '50 ms'", "a time as '50 ms'")),
    "minutes": (_scaled("min", 600_000), Said("thời gian như '90 min'", "a time as '90 min'")),
    "count": (lambda text: Fraction(_number(0, _MOST)(text)), _whole_said(0, _MOST)),
}
_CHOICES: dict[str, Collection[str] | None] = {
    "services": None,
    "device_kinds": tuple(DEVICE_KINDS),
    "room_kinds": tuple(ROOM_KINDS),
}

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


def _draft(source: Source, raw: TargetShape, shared: Mapping[str, AssumptionShape], path: yaml_text.Path) -> _Draft:
    """Of the shared assumptions, those that the target has a use for and does not state itself."""
    own = _assumptions(source, raw.assumptions, path)
    draft = _Draft(source, raw, own, path)
    for index, condition in enumerate(raw.conditions):
        _check_indicator(draft, condition, ("conditions", index))
    used = _required(raw).union(*(_named(condition) for condition in raw.conditions))
    return draft._replace(assumptions={name: one for name, one in {**shared, **own}.items() if name in {*used, *own}})


def _target(draft: _Draft, kind: str) -> Target:
    raw = draft.raw
    for index, condition in enumerate(raw.conditions):
        _check_condition(draft, condition, ("conditions", index))
    _check_assumptions(draft)
    share, count = _how_many(draft)
    standard = {name: _standard(draft, name) for name in STANDARD}
    if standard["window_days"] < 2 and any(INDICATORS[one.indicator].kept for one in raw.conditions):
        draft.refuse(
            ("assumptions", "window_days", "value"),
            "chỉ số này xét các ngày trọn vẹn đã qua 12 giờ: cần ít nhất 2",
            "this indicator judges whole days that have been over for 12 hours: at least 2 are needed",
        )
    return Target(
        id=raw.target,
        name=said_of(raw.name),
        clause=said_of(raw.clause),
        quote=said_of(raw.quote),
        unit=raw.unit,
        filter=_filter(draft, standard.pop("site_kinds")),
        conditions=tuple(_condition(draft, one) for one in raw.conditions),
        share=share,
        deadline=_deadline(draft, kind),
        assumptions=tuple(_stated(name, one) for name, one in draft.assumptions.items()),
        count=count,
        claim=raw.claim == "yes",
        covers=said_of(raw.covers) if raw.covers else None,
        variant_of=raw.variant_of or "",
        **standard,
    )


def _how_many(draft: _Draft) -> tuple[Fraction, int | None]:
    share, count = draft.raw.share, draft.raw.count
    if (share is None) == (count is None):
        draft.refuse((), "cần đúng một trong hai khóa share, count", "exactly one of share and count is needed")
    if share is not None:
        return _read(draft, _share, share, _SHARE_ALLOWED, ("share",)), None
    return Fraction(0), _read(draft, _number(1, MOST_COUNT), str(count), _whole_said(1, MOST_COUNT), ("count",))


def _deadline(draft: _Draft, kind: str) -> date | None:
    if draft.raw.deadline is not None:
        return _read(draft, _day, draft.raw.deadline, _DAY_ALLOWED, ("deadline",))
    if kind == "plan" and draft.raw.claim == "no":
        vi = "thiếu khóa deadline (chỉ kind: profile hoặc claim: yes mới không có hạn)"
        draft.refuse((), vi, "key deadline is missing (only kind: profile or claim: yes has none)")
    return None


def _stated(name: str, shape: AssumptionShape) -> Assumption:
    return Assumption(name, _text(shape.value), said_of(shape.reason), shape.source)


def _assumptions(source: Source, raw: Mapping[str, Any], path: yaml_text.Path) -> dict[str, AssumptionShape]:
    found = {}
    for name, value in raw.items():
        try:
            found[name] = msgspec.convert(value, AssumptionShape, strict=False)
        except msgspec.ValidationError as error:
            source.refuse_shape(str(error), (*path, "assumptions", name))
    return found


_DAY_ALLOWED = Said("ngày như 2025-12-31, từ 2000 đến 2099", "a date as 2025-12-31, from 2000 to 2099")


def _day(text: str) -> date:
    if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError
    return date.fromisoformat(text)


def _read(draft: _Draft, parse: Callable[[str], Parsed], text: str, allowed: Said, path: yaml_text.Path) -> Parsed:
    return _parsed(draft.source, parse, text, allowed, (*draft.path, *path))


def _parsed(source: Source, parse: Callable[[str], Parsed], text: str, allowed: Said, path: yaml_text.Path) -> Parsed:
    try:
        return parse(text)
    except ValueError:
        source.refuse(path, f"cần {allowed.vi}", f"allowed is {allowed.en}")


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


# What may be judged by what an indicator speaks of.
_UNITS_OF: dict[str, tuple[str, ...]] = {
    "site": ("school", "site", "room", "device"),
    "room": ("room",),
    "device": ("room", "device"),
    "holding": ("holding",),
    "inspection": ("inspection",),
}


def _check_indicator(draft: _Draft, condition: ConditionShape, path: yaml_text.Path) -> None:
    found = INDICATORS.get(condition.indicator)
    if found is None:
        near = difflib.get_close_matches(condition.indicator, INDICATORS, 1)
        allowed = " | ".join(INDICATORS)
        vi = f"có phải {near[0]}?" if near else f"các chỉ số: {allowed}"
        en = f"did you mean {near[0]}?" if near else f"the indicators are {allowed}"
        draft.refuse((*path, "indicator"), f"không có chỉ số này; {vi}", f"unknown indicator; {en}")
    if draft.raw.unit not in _UNITS_OF[found.of]:
        units = " | ".join(_UNITS_OF[found.of])
        draft.refuse((*path, "indicator"), f"chỉ dùng với unit: {units}", f"is only for unit: {units}")


def _check_condition(draft: _Draft, condition: ConditionShape, path: yaml_text.Path) -> None:
    found = INDICATORS[condition.indicator]
    wanted = {found.compares, "of" if found.choice else ""} - {""}
    optional = {"up_to"} if found.grows else set()
    for key in ("at_least", "at_most", "one_of", "of", "up_to"):
        name = getattr(condition, key)
        if (name is not None) != (key in wanted) and not (key in optional and name):
            keys = ", ".join(sorted(wanted)) or "–"
            draft.refuse(
                path,
                f"{condition.indicator} cần các khóa: {keys} (mỗi khóa là tên của một giả định) và không khóa nào khác",
                f"{condition.indicator} needs the keys: {keys} (each an assumption's name) and no others",
            )
        if name is not None and name not in draft.assumptions:
            allowed = ", ".join(draft.assumptions)
            draft.refuse(
                (*path, key),
                f"không có giả định này; các giả định: {allowed}",
                f"no such assumption; there are {allowed}",
            )


def _threshold(condition: ConditionShape) -> str:
    return condition.at_least or condition.at_most or condition.one_of or ""


def _named(condition: ConditionShape) -> set[str]:
    return {_threshold(condition), condition.of or "", condition.up_to or ""} - {""}


def _required(raw: TargetShape) -> set[str]:
    """The standard assumptions that this target must state."""
    indicators = [INDICATORS[condition.indicator] for condition in raw.conditions]
    needed = {"window_days"}.union(*(indicator.needs for indicator in indicators))
    if raw.unit != "inspection":
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
    used = required.union(*(_named(condition) for condition in draft.raw.conditions))
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
    of = _chosen(draft, condition.of, _CHOICES[indicator.choice]) if condition.of else ()
    if indicator.compares == "one_of":
        return Condition(condition.indicator, name, one_of=_chosen(draft, name, indicator.words), of=of)
    if not indicator.compares:
        return Condition(condition.indicator, "", of=of)
    parse, said = _UNITS[indicator.threshold]
    value, up_to = (
        None
        if one is None
        else _read(draft, parse, _text(draft.assumptions[one].value), said, ("assumptions", one, "value"))
        for one in (name, condition.up_to)
    )
    if indicator.edges and value not in indicator.edges:
        edges = ", ".join(map(str, indicator.edges))
        unit = indicator.threshold
        draft.refuse(
            ("assumptions", name, "value"),
            f"chỉ trả lời chính xác được cho các ngưỡng ({unit}): {edges}",
            f"only these thresholds can be answered exactly ({unit}): {edges}",
        )
    least, most = (value, None) if indicator.compares == "at_least" else (None, value)
    return Condition(condition.indicator, name, at_least=least, at_most=most, of=of, up_to=up_to)


def _chosen(draft: _Draft, name: str, allowed: Collection[str] | None) -> tuple[str, ...]:
    """The words that an assumption lists. allowed None: any id of the register."""
    value, where = draft.assumptions[name].value, ("assumptions", name, "value")
    words = [value] if isinstance(value, str) else value
    for word in words:
        if allowed is None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}", word):
            draft.refuse(where, f"{word!r}: cần mã của sổ đăng ký", f"{word!r}: allowed is an id of the register")
        if allowed is not None and word not in allowed:
            listed = " | ".join(allowed)
            draft.refuse(where, f"{word!r}: cần {listed}", f"{word!r}: allowed is {listed}")
    return tuple(words)


# ---- filter ------------------------------------------------------------------------------------------------

_FILTER_COLUMNS = {
    "levels": ("schools", "level"),
    "managers": ("schools", "manager"),
    "site_tags": ("sites", "tags"),
    "room_kinds": ("rooms", "kind"),
    "device_kinds": ("devices", "kind"),
}
_FILTER_UNITS = {
    "site_tags": ("site", "room", "device", "holding"),
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
