"""A dashboard held to Grafana's published schema: the types that its Foundation SDK is generated from, read strictly."""

from __future__ import annotations

import json
import types
import typing
from enum import Enum
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

MODELS = "grafana_foundation_sdk.models"


def faults(dashboard: dict[str, Any]) -> list[str]:
    """What the schema does not know, or knows otherwise; by the way to it. Its own reader is lenient: what it does not
    know it drops, and it checks no type. So what it read is compared with what was there, and held to its types."""
    plugins.register_default_plugins()
    read = Dashboard.from_json(dashboard)
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    return [*_dropped(dashboard, again, "dashboard"), *_mistyped(read, Dashboard, "dashboard")]


def _dropped(told: Any, again: Any, where: str) -> list[str]:
    """What is there and not in what was read of it. (The SDK adds defaults.)"""
    if isinstance(told, dict) and isinstance(again, dict):
        return [
            fault
            for name, value in told.items()
            for fault in (
                _dropped(value, again[name], f"{where}.{name}")
                if name in again
                else [f"{where}.{name}: unknown"] * (value is not None)
            )
        ]
    if isinstance(told, list) and isinstance(again, list) and len(told) == len(again):
        return [
            fault
            for at, (one, other) in enumerate(zip(told, again, strict=True))
            for fault in _dropped(one, other, f"{where}[{at}]")
        ]
    return [] if told == again else [f"{where}: {told!r} is read as {again!r}"]


def _mistyped(value: Any, hint: Any, where: str) -> list[str]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in (Any, object) or (value is None and type(None) in arguments):
        return _own(value, where)
    if origin in (typing.Union, types.UnionType):
        its = [one for one in arguments if isinstance(one, type) and type(value) is one]
        return min((_mistyped(value, one, where) for one in its or arguments if one is not type(None)), key=len)
    if origin is list:
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [fault for at, one in enumerate(value) for fault in _mistyped(one, arguments[0], f"{where}[{at}]")]
    if origin is dict:
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        return [fault for name, one in value.items() for fault in _mistyped(one, arguments[1], f"{where}.{name}")]
    if origin is typing.Literal:
        return [] if value in arguments else [f"{where}: {value!r} is none of {arguments}"]
    if isinstance(hint, type) and issubclass(hint, Enum):
        allowed = [one.value for one in hint]
        plain = value.value if isinstance(value, Enum) else value
        return [] if plain in allowed else [f"{where}: {plain!r} is none of {allowed}"]
    if hint is float:
        return (
            []
            if isinstance(value, int | float) and not isinstance(value, bool)
            else [f"{where}: {value!r} is no number"]
        )
    if hint is int:
        return (
            [] if isinstance(value, int) and not isinstance(value, bool) else [f"{where}: {value!r} is no whole number"]
        )
    if isinstance(hint, type) and hint.__module__.startswith(MODELS) and isinstance(value, dict):
        read = hint.from_json(value)  # where the SDK leaves it as it was
        again = json.loads(json.dumps(read, cls=JSONEncoder))
        return [*_dropped(value, again, where), *_own(read, where)]
    if isinstance(hint, type) and not isinstance(value, hint):
        return [f"{where}: {value!r} is no {hint.__name__}"]
    return _own(value, where)


def _own(value: Any, where: str) -> list[str]:
    """The attributes of a model, by its annotations; whatever else is taken as it is."""
    if not type(value).__module__.startswith(MODELS):
        return []
    hints = typing.get_type_hints(type(value))
    return [fault for name, hint in hints.items() for fault in _mistyped(getattr(value, name), hint, f"{where}.{name}")]
