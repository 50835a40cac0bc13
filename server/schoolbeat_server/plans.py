"""Plan files: YAML -> plans; every error names file, line, key, value and what is allowed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from schoolbeat_server import register_columns, yaml_text
from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Assumption, Condition, Filter, Plan, Target

SHIPPED = Path(__file__).parent / "plan_files"
MOST_BYTES = 1024 * 1024
MOST_WINDOW_DAYS = 366


class PlanError(ValueError):
    """The plan cannot be used; `said` names file, line, key, value and what is allowed."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.vi)
        self.said = said


# ---- the file's shape --------------------------------------------------------------------------------------

_Line = Annotated[str, Meta(min_length=1, max_length=500)]
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Words(_Struct, frozen=True):
    vi: _Line
    en: _Line


class _Assumption(_Struct, frozen=True):
    value: _Line | Annotated[list[_Line], Meta(min_length=1, max_length=50)]
    reason: _Words
    source: _Line


class _Condition(_Struct, frozen=True):
    indicator: _Line
    at_least: _Name | None = None
    one_of: _Name | None = None


_Some = Annotated[list[_Line], Meta(min_length=1, max_length=5_000)]


class _Filter(_Struct, frozen=True):
    areas: _Some | None = None
    levels: _Some | None = None
    managers: _Some | None = None
    room_kinds: _Some | None = None
    smart_levels: list[Annotated[int, Meta(ge=0, le=2)]] | None = None
    device_kinds: _Some | None = None


class _Target(_Struct, frozen=True):
    target: _Name
    name: _Words
    clause: _Words
    quote: _Words
    unit: Literal["school", "site", "room", "device"]
    share: _Line
    deadline: _Line
    conditions: Annotated[list[_Condition], Meta(min_length=1, max_length=20)]
    assumptions: dict[_Name, Any]  # converted one by one, so that an error can name which
    filter: _Filter = _Filter()


class _Plan(_Struct, frozen=True):
    plan: _Name
    document: _Words
    issuer: _Words
    targets: Annotated[list[_Target], Meta(min_length=1, max_length=100)]


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
    source = _Source(file, found, lines)
    try:
        raw = msgspec.convert(found, _Plan, strict=False)
    except msgspec.ValidationError as error:
        source.refuse_shape(str(error), ())
    targets = tuple(_target(source, one, ("targets", index)) for index, one in enumerate(raw.targets))
    for index, target in enumerate(targets):
        if target.id in [other.id for other in targets[:index]]:
            source.refuse(("targets", index, "target"), "mã này đã dùng ở trên", "this id is used above already")
    return Plan(raw.plan, _said(raw.document), _said(raw.issuer), file, targets)


class _Source:
    """The file as parsed, to say where a thing stands."""

    def __init__(self, file: str, found: Any, lines: Mapping[yaml_text.Path, int]) -> None:
        self.file, self.found, self.lines = file, found, lines

    def refuse(self, path: yaml_text.Path, vi: str, en: str) -> NoReturn:
        where = f"{self.file}:{self._line(path)}: {_dotted(path)}"
        value = self._value(path)
        if isinstance(value, str):
            where += f" = {value[:80]!r}"
        raise PlanError(Said(f"{where}: {vi}", f"{where}: {en}"))

    def refuse_shape(self, problem: str, prefix: yaml_text.Path) -> NoReturn:
        """msgspec's sentence, with its path made ours; prefix: the path of what was converted."""
        what, _, where = problem.partition(" - at `")
        path = prefix + _path_of(where.rstrip("`"))
        unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what)
        missing = re.fullmatch(r"Object missing required field `(.*)`", what)
        if unknown:
            keys = _keys_at(path)
            near = difflib.get_close_matches(unknown[1], keys, 1)
            vi = f"có phải {near[0]}?" if near else f"các khóa: {', '.join(keys)}"
            en = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(keys)}"
            self.refuse((*path, unknown[1]), f"không có khóa này; {vi}", f"unknown key; {en}")
        if missing:
            self.refuse(path, f"thiếu khóa {missing[1]}", f"key {missing[1]} is missing")
        allowed = _SHAPES.get(str(path[-1])) if path else None
        if allowed is not None:
            self.refuse(path, f"cần {allowed.vi}", f"allowed is {allowed.en}")
        self.refuse(path, f"sai dạng ({_translated(what)})", f"wrong shape ({what})")

    def _line(self, path: yaml_text.Path) -> int:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def _value(self, path: yaml_text.Path) -> Any:
        value = self.found
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value


_ID_SHAPE = Said("mã 1-60 ký tự A-Z, a-z, 0-9 và . _ -", "an id of 1-60 of A-Z, a-z, 0-9 and . _ -")
_SHAPES = {
    "unit": Said("school | site | room | device", "school | site | room | device"),
    "plan": _ID_SHAPE,
    "target": _ID_SHAPE,
    "smart_levels": Said("danh sách các cấp 0 | 1 | 2", "a list of the levels 0 | 1 | 2"),
}
_TYPES_VI = {"object": "các cặp khóa: giá trị", "array": "một danh sách", "str": "chữ", "int": "số", "null": "ô trống"}


def _translated(what: str) -> str:
    found = re.fullmatch(r"Expected `(\w+)`, got `(\w+)`", what)
    return f"cần {_TYPES_VI.get(found[1], found[1])}, lại là {_TYPES_VI.get(found[2], found[2])}" if found else what


def _path_of(text: str) -> yaml_text.Path:
    """`$.targets[0].share` -> ("targets", 0, "share"). What follows a key that msgspec does not name is left out."""
    path: list[str | int] = []
    for name, index in re.findall(r"\.([A-Za-z_]+)|\[([0-9]+|\.\.\.)\]", text):
        if index == "...":
            break
        path.append(name or int(index))
    return tuple(path)


def _dotted(path: yaml_text.Path) -> str:
    text = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.lstrip(".") or "tệp / file"


def _keys_at(path: yaml_text.Path) -> tuple[str, ...]:
    last = [step for step in path if isinstance(step, str)][-1:] or [""]
    kinds: dict[str, type[_Struct]] = {
        "": _Plan,
        "targets": _Target,
        "conditions": _Condition,
        "filter": _Filter,
    }
    if "assumptions" in path and last[0] not in ("reason", "assumptions"):
        return _Assumption.__struct_fields__
    return kinds.get(last[0], _Words).__struct_fields__


def _said(words: _Words) -> Said:
    return Said(words.vi, words.en)


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

    source: _Source
    raw: _Target
    assumptions: dict[str, _Assumption]
    path: yaml_text.Path

    def refuse(self, path: yaml_text.Path, vi: str, en: str) -> NoReturn:
        self.source.refuse((*self.path, *path), vi, en)


def _target(source: _Source, raw: _Target, path: yaml_text.Path) -> Target:
    draft = _Draft(source, raw, _assumptions(source, raw, path), path)
    for index, condition in enumerate(raw.conditions):
        _check_condition(draft, condition, ("conditions", index))
    _check_assumptions(draft)
    standard = {name: _standard(draft, name) for name in STANDARD}
    return Target(
        id=raw.target,
        name=_said(raw.name),
        clause=_said(raw.clause),
        quote=_said(raw.quote),
        unit=raw.unit,
        filter=_filter(draft, standard.pop("site_kinds")),
        conditions=tuple(_condition(draft, one) for one in raw.conditions),
        share=_read(draft, _share, raw.share, _SHARE_ALLOWED, ("share",)),
        deadline=_read(draft, _day, raw.deadline, _DAY_ALLOWED, ("deadline",)),
        assumptions=tuple(
            Assumption(name, _text(one.value), _said(one.reason), one.source) for name, one in draft.assumptions.items()
        ),
        **standard,
    )


def _assumptions(source: _Source, raw: _Target, path: yaml_text.Path) -> dict[str, _Assumption]:
    found = {}
    for name, value in raw.assumptions.items():
        try:
            found[name] = msgspec.convert(value, _Assumption, strict=False)
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


def _check_condition(draft: _Draft, condition: _Condition, path: yaml_text.Path) -> None:
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


def _threshold(condition: _Condition) -> str:
    return condition.at_least or condition.one_of or ""


def _required(raw: _Target) -> set[str]:
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


def _condition(draft: _Draft, condition: _Condition) -> Condition:
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
    for key in _Filter.__struct_fields__:
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
