"""Rows by column: what stands under one object, by index."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import Final

from schoolbeat_agent.snmp.rows import Rows, Value

TEXT_BYTES: Final = 256  # of a text a device gives; what is longer is cut
_NUMBER = re.compile(r"\s*([-+]?\d{1,15}(?:[.,]\d{1,15})?)\s*([^\s\d]{0,8})\s*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


class Columns:
    """The rows of one device, sorted once; a column is read from them once, when first asked for."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._sorted = sorted(rows)
        self._read: dict[str, dict[str, Value]] = {}

    def scalar(self, oid: str) -> Value | None:
        return self._rows.get(oid)

    def column(self, root: str) -> dict[str, Value]:
        """index -> value, in the order of the indices: 2 before 10."""
        if root not in self._read:
            # "/" follows "." in the order of characters
            first, end = bisect_left(self._sorted, root + "."), bisect_left(self._sorted, root + "/")
            found = {oid[len(root) + 1 :]: self._rows[oid] for oid in self._sorted[first:end]}
            self._read[root] = dict(sorted(found.items(), key=lambda row: _order(row[0])))
        return self._read[root]

    def at(self, root: str, index: str) -> Value | None:
        return self.column(root).get(index)


def _order(index: str) -> tuple[int, ...]:
    return tuple(int(part) for part in index.split("."))


def text(value: Value | None) -> str:
    """What a device wrote, without control characters and outer spaces; "" if it said nothing."""
    if value is None:
        return ""
    plain = value[:TEXT_BYTES].split(b"\0")[0].decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return _CONTROL.sub(" ", plain).strip()


def number(value: Value | None, units: frozenset[str]) -> float | None:
    """A number, also where a device writes it as text, alone or with one of these units (lower case) behind it."""
    if value is None or isinstance(value, int | float):
        return value
    found = _NUMBER.fullmatch(text(value))
    if found is None or (found[2] and found[2].lower() not in units):
        return None
    return float(found[1].replace(",", "."))
