"""The shape of a plan file, and where in it an error lies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NoReturn, get_args

import msgspec
from msgspec import Meta

from schoolbeat_server import yaml_text
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Unit


class PlanError(ValueError):
    """The plan cannot be used; `said` names file, line, key, value and what is allowed."""

    def __init__(self, said: Said) -> None:
        super().__init__(said.vi)
        self.said = said


_Line = Annotated[str, Meta(min_length=1, max_length=500)]
_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,59}$")]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class WordsShape(_Struct, frozen=True):
    vi: _Line
    en: _Line


class AssumptionShape(_Struct, frozen=True):
    value: _Line | Annotated[list[_Line], Meta(min_length=1, max_length=50)]
    reason: WordsShape
    source: _Line


class ConditionShape(_Struct, frozen=True):
    """at_least, at_most, one_of: the name of the assumption that holds the threshold; of: of the one that says which
    services, kinds of device or readings are meant; up_to: of the most that is asked of any unit."""

    indicator: _Line
    at_least: _Name | None = None
    at_most: _Name | None = None
    one_of: _Name | None = None
    of: _Name | None = None
    up_to: _Name | None = None


_Some = Annotated[list[_Line], Meta(min_length=1, max_length=5_000)]


class FilterShape(_Struct, frozen=True):
    areas: _Some | None = None
    levels: _Some | None = None
    managers: _Some | None = None
    site_tags: _Some | None = None
    room_kinds: _Some | None = None
    smart_levels: list[Annotated[int, Meta(ge=0, le=2)]] | None = None
    device_kinds: _Some | None = None


class TargetShape(_Struct, frozen=True):
    target: _Name
    name: WordsShape
    clause: WordsShape
    quote: WordsShape
    unit: Unit
    conditions: Annotated[list[ConditionShape], Meta(min_length=1, max_length=20)]
    share: _Line | None = None  # this or count
    count: _Line | None = None
    deadline: _Line | None = None  # a profile and a claim may have none
    assumptions: Annotated[dict[_Name, Any], Meta(max_length=50)] = {}  # converted one by one, to name the bad one
    filter: FilterShape = FilterShape()
    claim: Literal["yes", "no"] = "no"  # said to be reached already, not promised
    covers: WordsShape | None = None  # what of the promise is judged, where it is not all of it
    variant_of: _Name | None = None  # the same promise, read another way


class PlanShape(_Struct, frozen=True):
    """assumptions: those that several targets share; a target's own of the same name goes before."""

    plan: _Name
    document: WordsShape
    issuer: WordsShape
    targets: Annotated[list[TargetShape], Meta(min_length=1, max_length=100)]
    kind: Literal["plan", "profile"] = "plan"  # a profile is a yardstick from elsewhere, nobody here promised it
    source: _Line | None = None  # where the document was read
    boundaries: _Line | None = None  # the day whose areas it speaks of
    assumptions: Annotated[dict[_Name, Any], Meta(max_length=50)] = {}


# ---- errors ------------------------------------------------------------------------------------------------


class Source:
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
    "unit": Said(" | ".join(get_args(Unit)), " | ".join(get_args(Unit))),
    "kind": Said("plan | profile", "plan | profile"),
    "claim": Said("yes | no", "yes | no"),
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
        "": PlanShape,
        "targets": TargetShape,
        "conditions": ConditionShape,
        "filter": FilterShape,
    }
    if "assumptions" in path and last[0] not in ("reason", "assumptions"):
        return AssumptionShape.__struct_fields__
    return kinds.get(last[0], WordsShape).__struct_fields__


def said_of(words: WordsShape) -> Said:
    return Said(words.vi, words.en)
