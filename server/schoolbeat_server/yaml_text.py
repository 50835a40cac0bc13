"""YAML as text with places: every scalar stays the text that was typed, every key knows its line."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from typing import Any

import yaml

MOST_BYTES = 32 * 1024 * 1024
_DEEPEST = 12
_NULL, _NULLS = "tag:yaml.org,2002:null", frozenset(("", "~", "null", "Null", "NULL"))

Path = tuple[str | int, ...]
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """Not YAML, or not of the plain kind that is read here; the text says what, `line` says where (0: unknown)."""

    def __init__(self, line: int, vi: str, en: str) -> None:
        super().__init__(vi, en)
        self.line, self.vi, self.en = line, vi, en


def parse(text: str) -> tuple[Any, dict[Path, int]]:
    """Mappings, lists and strings (None for an empty value), and the line of each by its path.

    Nothing is guessed: `0012`, `no` and `2025-01-01` stay as typed, so an id keeps its leading zeros. Anchors are
    refused (a short text could unfold into a huge one), and so are duplicate keys.
    """
    lines: dict[Path, int] = {}
    try:
        return _document(yaml.parse(text, Loader=_LOADER), lines), lines
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = error.problem or "?"
        raise YamlError(line, f"không đọc được YAML: {problem}", f"not YAML: {problem}") from None
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlError(0, f"không đọc được YAML: {error}", f"not YAML: {error}") from None


def _document(events: Iterator[Any], lines: dict[Path, int]) -> Any:
    """From the parser's events and not by yaml.compose: that recurses in C, and a hundred thousand brackets end the
    process."""
    first = next(event for event in events if not isinstance(event, yaml.StreamStartEvent | yaml.DocumentStartEvent))
    if isinstance(first, yaml.StreamEndEvent):
        return None
    found = _node(first, events, (), lines)
    more = next(event for event in events if not isinstance(event, yaml.DocumentEndEvent))
    if not isinstance(more, yaml.StreamEndEvent):
        raise YamlError(_line(more), "có nhiều tài liệu YAML trong một tệp", "more than one YAML document in one file")
    return found


def _node(event: Any, events: Iterator[Any], path: Path, lines: dict[Path, int]) -> Any:
    line = _line(event)
    if event.anchor:
        raise YamlError(
            line,
            f"không dùng neo YAML (&{event.anchor}, *{event.anchor}): hãy viết đầy đủ",
            f"YAML anchors (&{event.anchor}, *{event.anchor}) are not allowed: write it out",
        )
    lines.setdefault(path, line)
    if len(path) > _DEEPEST:
        raise YamlError(line, f"lồng nhau quá {_DEEPEST} tầng", f"nested more than {_DEEPEST} deep")
    if isinstance(event, yaml.ScalarEvent):
        is_null = event.tag == _NULL or (event.tag is None and event.implicit[0] and event.value in _NULLS)
        return None if is_null else event.value
    if isinstance(event, yaml.SequenceStartEvent):
        items = takewhile(lambda item: not isinstance(item, yaml.SequenceEndEvent), events)
        return [_node(item, events, (*path, index), lines) for index, item in enumerate(items)]
    return _mapping(events, path, lines)


def _mapping(events: Iterator[Any], path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    while not isinstance(key := next(events), yaml.MappingEndEvent):
        line = _line(key)
        if not isinstance(key, yaml.ScalarEvent):
            raise YamlError(line, "khóa phải là một từ", "a key must be a word")
        if key.value in found:
            raise YamlError(line, f"khóa {key.value!r} ghi hai lần", f"key {key.value!r} is written twice")
        lines[(*path, key.value)] = line
        found[key.value] = _node(next(events), events, (*path, key.value), lines)
    return found


def _line(event: Any) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0
