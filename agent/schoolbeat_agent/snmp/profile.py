"""Vendor profiles: which objects a family of devices offers beyond the standard tables, and what they mean.

A profile is data, profiles/<family>.toml; docs/snmp-profiles.md says how one is written. profiles/index.toml says by
sysObjectID and sysDescr which family a device may be of, so that only the files of families that are met are read.
"""

from __future__ import annotations

import math
import re
import tomllib
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from schoolbeat_agent.snmp.columns import Columns, text
from schoolbeat_agent.snmp.rows import Rows
from schoolbeat_agent.snmp.rule import Condition, Rule, apply

FILES: Final = Path(__file__).parent / "profiles"
# sysObjectIDs that say nothing of the vendor: net-snmp's on Linux, with which UniFi, Grandstream, Synology, OpenWrt…
# answer, and those of software agents that a maker did not rename.
NAMELESS: Final = ("1.3.6.1.4.1.8072.3.2", "1.3.6.1.4.1.2021.250")
# Words that stand in a sysDescr where other devices of the family have their model.
_NO_MODELS: Final = frozenset(
    {"hp", "h3c", "huawei", "versatile", "comware", "software", "switch", "technologies", "linux"}
)
SYS_DESCR: Final = "1.3.6.1.2.1.1.1.0"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Profile:
    """One family's objects.

    kind: of catalogue.DEVICE_KINDS, "" where the family has several. present: instance that a GET must find before the
    profile is believed; "" where sysObjectID is proof enough. gets: scalar instances of a round; walks: columns of a
    round; slow: those of `walks` that hardly ever change (names, units), so that an hour-old copy does.
    identity: scalar instances that tell the model, for `model` alone. excludes: families that it then cannot be.
    kinds: (how a model begins, kind), the longest first, of the models that are of another kind than the family.
    """

    family: str
    title: str
    kind: str
    present: str
    gets: tuple[str, ...]
    walks: tuple[str, ...]
    slow: tuple[str, ...]
    identity: tuple[str, ...]
    rules: tuple[Rule, ...]
    model_after: tuple[str, ...]
    excludes: tuple[str, ...]
    kinds: tuple[tuple[str, str], ...]


_alive: weakref.WeakValueDictionary[str, Profile] = weakref.WeakValueDictionary()


def matching(sys_object_id: str, sys_descr: str) -> tuple[Profile, ...]:
    """The families a device may be of, the likeliest first, each to be confirmed by its `present` where it has one.

    Where sysObjectID names no vendor that is known here, every family that can be confirmed is a candidate.
    """
    index, words, sys_object_id = _index(), sys_descr.lower(), sys_object_id.lstrip(".")
    named = [family for family, entry in index.items() if _is_under(sys_object_id, entry.get("enterprises", ()))]
    said = [family for family, entry in index.items() if any(word in words for word in entry.get("descr", ()))]
    rest: Iterable[str] = ()
    if not named or _is_under(sys_object_id, NAMELESS):
        rest = (family for family, entry in index.items() if entry.get("nameless", False))
    return tuple(load(family) for family in dict.fromkeys([*named, *said, *rest]))


def confirmed(profiles: Iterable[Profile], rows: Rows) -> tuple[Profile, ...]:
    """Those whose `present` the rows contain and those that need none, without those that these exclude."""
    found = tuple(profile for profile in profiles if not profile.present or profile.present in rows)
    excluded = {family for profile in found for family in profile.excludes}
    return tuple(profile for profile in found if profile.family not in excluded)


def readings(profiles: Iterable[Profile], rows: Rows, subject: str) -> dict[tuple[str, str], float]:
    """(subject, reading) -> value. What two profiles tell is taken from the first that does."""
    columns = Columns(rows)
    found: dict[tuple[str, str], float] = {}
    for profile in profiles:
        for reading, value in _of(profile, columns, subject).items():
            found.setdefault(reading, value)
    return found


def _of(profile: Profile, columns: Columns, subject: str) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for each in profile.rules:
        for reading, value in apply(each, columns, subject).items():
            found.setdefault(reading, value)
    return found


def model(profiles: Iterable[Profile], rows: Rows) -> str:
    """What the device calls its model; "" if nothing known says it."""
    descr = text(rows.get(SYS_DESCR))
    for profile in profiles:
        for oid in profile.identity:
            if said := text(rows.get(oid)):
                return said
        for word in profile.model_after:
            for found in re.finditer(rf"{re.escape(word) or '^'}([^\s,)]+)", descr):
                if found[1].lower() not in _NO_MODELS:
                    return found[1].rstrip(".;:")
    return ""


def kind(profiles: Iterable[Profile], rows: Rows) -> str:
    """Of catalogue.DEVICE_KINDS: by its model where its family has several kinds. "" if nothing known says it."""
    for profile in profiles:
        said = model([profile], rows).lower()
        of_model = next((kind for begins, kind in profile.kinds if said.startswith(begins)), profile.kind)
        if of_model:
            return of_model
    return ""


def families() -> tuple[str, ...]:
    return tuple(_index())


def load(family: str) -> Profile:
    """A family's profile, read once as long as somebody holds it."""
    found = _alive.get(family)
    if found is None:
        found = _alive[family] = parse(family, tomllib.loads((FILES / f"{family}.toml").read_text("utf-8")))
    return found


@cache
def _index() -> dict[str, dict[str, Any]]:
    return tomllib.loads((FILES / "index.toml").read_text("utf-8"))


def parse(family: str, data: Mapping[str, Any]) -> Profile:
    """A profile file's content as a profile. KeyError if it names an object that it does not list."""
    scalars, columns = _objects(data.get("scalars", {})), _objects(data.get("columns", {}))
    rules = tuple(_rule(entry, scalars, columns) for entry in data.get("reading", ()))
    used = {oid for each in rules for oid in each.asks()}
    steady = (used - {oid for each in rules for oid in each.moving()}) | {
        columns[name] for name in data.get("still", ())
    }
    models = tuple(scalars[name] for name in data.get("model", ()))
    kinds = [(begins.lower(), kind) for kind, models in data.get("kinds", {}).items() for begins in models]
    present = scalars[data["present"]] if "present" in data else ""
    walks = tuple(oid for oid in columns.values() if oid in used)
    return Profile(
        family=family,
        title=data["title"],
        kind=data.get("kind", ""),
        present=present,
        gets=tuple(oid for oid in scalars.values() if oid in used),
        walks=walks,
        slow=tuple(oid for oid in walks if oid in steady),
        identity=models,
        rules=rules,
        model_after=tuple(data.get("model_after", ())),
        excludes=tuple(data.get("excludes", ())),
        kinds=tuple(sorted(kinds, key=lambda pair: -len(pair[0]))),
    )


def _rule(entry: Mapping[str, Any], scalars: Mapping[str, str], columns: Mapping[str, str]) -> Rule:
    """One [[reading]] of a profile file. KeyError if it names an object that the file does not list."""

    def oid(name: str) -> str:
        return "" if not name else columns[name] if name in columns else scalars[name]

    def conditions(key: str) -> tuple[Condition, ...]:
        return tuple(
            Condition(
                oid(each["object"]), each["object"] in columns, tuple(each.get("is", ())), tuple(each.get("has", ()))
            )
            for each in entry.get(key, ())
        )

    other = entry.get("plus", entry.get("of", ""))
    return Rule(
        reading=entry["name"],
        oid=oid(entry["from"]),
        column=entry["from"] in columns,
        each=entry.get("each", False),
        part=entry.get("part", ""),
        prefix=entry.get("prefix", ""),
        names=tuple(columns[name] for name in entry.get("called", ())),
        without=tuple(entry.get("without", ())),
        only_named=entry.get("only_named", False),
        index_text=entry.get("index_text", False),
        index=entry.get("index", ""),
        index_end=entry.get("index_end", ""),
        scale=entry.get("scale", 1.0),
        mapping=tuple((_key(known), float(value)) for known, value in entry.get("map", {}).items()),
        otherwise=None if "otherwise" not in entry else float(entry["otherwise"]),
        ignore=tuple(entry.get("ignore", ())),
        low=entry.get("low", -math.inf),
        high=entry.get("high", math.inf),
        of=oid(other),
        plus="plus" in entry,
        of_column=other in columns,
        free=entry.get("free", False),
        milliwatts=entry.get("milliwatts", False),
        bits=entry.get("bits", False),
        si_scale=oid(entry.get("si_scale", "")),
        precision=oid(entry.get("precision", "")),
        when=conditions("when"),
        unless=conditions("unless"),
        aggregate=entry.get("aggregate", ""),
    )


def _key(known: str) -> float | str:
    try:
        return float(known)
    except ValueError:
        return known


def _objects(mibs: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {name: oid for objects in mibs.values() for name, oid in objects.items()}


def _is_under(oid: str, roots: Iterable[str]) -> bool:
    return any(oid == root or oid.startswith(root + ".") for root in roots)
