"""An independent reader of line protocol, by its published grammar; knows no product code."""

from __future__ import annotations

import re
from typing import NamedTuple

_INTEGER = re.compile(r"-?[0-9]+i")
_FLOAT = re.compile(r"-?[0-9]+(\.[0-9]+)?")  # stricter than the grammar: no exponent


class Point(NamedTuple):
    measurement: str
    tags: dict[str, str]
    fields: dict[str, int | float]
    at_ms: int


def parse(line: str) -> Point:
    """Raises ValueError for what the grammar does not allow, and for what we never write."""
    key, numbers, at = _split(line, " ")
    measurement, *tags = _split(key, ",")
    pairs = [_split(one, "=") for one in tags]
    fields = [_split(one, "=") for one in _split(numbers, ",")]
    if len({name for name, _ in pairs}) != len(pairs) or len({name for name, _ in fields}) != len(fields):
        raise ValueError(f"something is named twice: {line}")
    return Point(
        _plain(measurement),
        {_plain(name): _plain(value) for name, value in pairs},
        {_plain(name): _number(value) for name, value in fields},
        int(at),
    )


def _split(text: str, by: str) -> list[str]:
    """At what no backslash stands before. Nothing between two of them is an error."""
    parts = re.split(rf"(?<!\\){re.escape(by)}", text)
    if not all(parts):
        raise ValueError(f"nothing between two {by!r}: {text}")
    return parts


def _plain(text: str) -> str:
    if "\n" in text or text.endswith("\\") or re.search(r"(?<!\\)[ ,=]", text):
        raise ValueError(f"not escaped: {text!r}")
    return re.sub(r"\\([ ,=])", r"\1", text)


def _number(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text[:-1])
    if _FLOAT.fullmatch(text):
        return float(text)
    raise ValueError(f"no number: {text!r}")
