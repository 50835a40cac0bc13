"""`nmcli -t`: rows of fields with : between them, in which : and \\ are escaped by a \\ (nmcli(1), "--terse")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from schoolbeat_agent.wifi.scan import Heard
from schoolbeat_agent.wifi.ssid import LONGEST, channel_of

MOST: Final = 1_000
# Some nmcli do not know SSID-HEX; SIGNAL is left out, for it is a percentage by nobody's standard and no dBm.
LIST_FIELDS: Final = (("SSID-HEX", "SSID", "FREQ", "CHAN"), ("SSID", "FREQ", "CHAN"))
DEVICE_FIELDS: Final = ("DEVICE", "TYPE", "STATE", "CONNECTION", "CON-UUID")


def split(line: str) -> list[str]:
    """The fields of a row, unescaped."""
    fields, field, escaped = [], "", False
    for sign in line:
        if escaped:
            field, escaped = field + sign, False
        elif sign == "\\":
            escaped = True
        elif sign == ":":
            fields.append(field)
            field = ""
        else:
            field += sign
    return [*fields, field]


def rows(text: str, fields: Sequence[str]) -> list[dict[str, str]]:
    """Rows that have just these fields; others are left out."""
    split_rows = (split(line) for line in text.splitlines()[:MOST])
    return [dict(zip(fields, row, strict=True)) for row in split_rows if len(row) == len(fields)]


def networks(text: str, fields: Sequence[str]) -> list[Heard]:
    """`nmcli -t -f … device wifi list`: without signal strength, which it does not tell in dBm."""
    out = []
    for row in rows(text, fields):
        freq = _number(row.get("FREQ", "").removesuffix(" MHz"))
        channel = channel_of(freq) if freq else _number(row.get("CHAN", ""))
        out.append(Heard(_ssid(row), float(freq) if freq else None, channel or None))
    return out


def _ssid(row: dict[str, str]) -> bytes:
    try:
        if row.get("SSID-HEX"):
            return bytes.fromhex(row["SSID-HEX"])[:LONGEST]
    except ValueError:
        pass
    return row.get("SSID", "").encode("utf-8", "replace")[:LONGEST]


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def device(text: str, interface: str) -> dict[str, str] | None:
    """The row of an interface in `nmcli -t -f DEVICE,TYPE,STATE,CONNECTION,CON-UUID device`; None if it knows none."""
    return next((row for row in rows(text, DEVICE_FIELDS) if row["DEVICE"] == interface), None)
