"""YAML as text with places: every scalar stays the text that was typed, every key knows its line."""

from __future__ import annotations

from typing import Any

import yaml

MOST_BYTES = 32 * 1024 * 1024
_DEEPEST = 12

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
    try:
        _refuse_anchors(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        problem = error.problem or "?"
        raise YamlError(line, f"không đọc được YAML: {problem}", f"not YAML: {problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise YamlError(0, f"không đọc được YAML: {error}", f"not YAML: {error}") from None
    lines: dict[Path, int] = {}
    return (None if node is None else _plain(node, (), lines)), lines


def _refuse_anchors(text: str) -> None:
    if "&" not in text and "*" not in text:
        return
    for event in yaml.parse(text, Loader=_LOADER):
        anchor = getattr(event, "anchor", None)
        if anchor:
            raise YamlError(
                event.start_mark.line + 1 if event.start_mark else 0,
                f"không dùng neo YAML (&{anchor}, *{anchor}): hãy viết đầy đủ",
                f"YAML anchors (&{anchor}, *{anchor}) are not allowed: write it out",
            )


def _plain(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > _DEEPEST:
        raise YamlError(line, f"lồng nhau quá {_DEEPEST} tầng", f"nested more than {_DEEPEST} deep")
    if isinstance(node, yaml.ScalarNode):
        return None if node.tag == "tag:yaml.org,2002:null" else node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, index), lines) for index, item in enumerate(node.value)]
    assert isinstance(node, yaml.MappingNode)
    found: dict[str, Any] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise YamlError(line, "khóa phải là một từ", "a key must be a word")
        if key.value in found:
            raise YamlError(line, f"khóa {key.value!r} ghi hai lần", f"key {key.value!r} is written twice")
        lines[(*path, key.value)] = line
        found[key.value] = _plain(value, (*path, key.value), lines)
    return found
