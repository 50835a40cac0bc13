"""Recordings of SNMP agents in the .snmprec format: a line an object, OID|TAG|VALUE."""

from __future__ import annotations

import bz2
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Value = int | bytes | str | float

INTEGER, OCTETS, NULL, OID = 0x02, 0x04, 0x05, 0x06
IP_ADDRESS, COUNTER32, GAUGE32, TIME_TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NUMBERS = (INTEGER, COUNTER32, GAUGE32, TIME_TICKS, COUNTER64)
TAGS = {
    "2": INTEGER,
    "4": OCTETS,
    "5": NULL,
    "6": OID,
    "64": IP_ADDRESS,
    "65": COUNTER32,
    "66": GAUGE32,
    "67": TIME_TICKS,
    "68": OPAQUE,
    "70": COUNTER64,
}
OID_TEXT = re.compile(r"\d+(?:\.\d+)+")
ESCAPES = {"\\": 92, "'": 39, '"': 34, "a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}


class Typed(NamedTuple):
    """A value with its BER tag. Numbers are int, octet strings bytes, addresses and object identifiers str."""

    tag: int
    value: Value


Records = dict[str, Typed]


def unescaped(text: str) -> bytes:
    """Python's own escapes, as snmpsim writes them in values of tag 4e."""
    out, at = bytearray(), 0
    while at < len(text):
        if text[at] != "\\" or at + 1 == len(text):
            out.append(ord(text[at]) & 255)
            at += 1
        elif text[at + 1] == "x":
            out.append(int(text[at + 2 : at + 4], 16))
            at += 4
        else:
            out.append(ESCAPES[text[at + 1]])
            at += 2
    return bytes(out)


def octets(kind: str, text: str) -> bytes:
    """kind: "" as it stands, "x" hexadecimal, "e" with escapes. Odd hexadecimal: the last digit is a byte."""
    if kind == "x":
        return bytes.fromhex(text if len(text) % 2 == 0 else f"{text[:-1]}0{text[-1]}")
    return unescaped(text) if kind == "e" else text.encode("latin-1")


def address(kind: str, text: str) -> str:
    """Dotted; some recordings have its four bytes as they stand. OSError where it is neither."""
    if kind == "" and text.count(".") == 3:
        return socket.inet_ntoa(socket.inet_aton(text))
    return socket.inet_ntoa(octets(kind, text))


def typed(tag_text: str, text: str) -> Typed:
    """ValueError or KeyError where the line makes no sense."""
    tag_text, kind = (tag_text[:-1], tag_text[-1]) if tag_text[-1:] in ("x", "e") else (tag_text, "")
    tag = TAGS[tag_text]
    if tag in NUMBERS:
        return Typed(tag, int(text))
    if tag == OID:
        return Typed(tag, text.strip(".") or "0.0")
    if tag == IP_ADDRESS:
        return Typed(tag, address(kind, text))
    return Typed(tag, octets(kind, text))


def records(lines: Iterable[bytes]) -> Records:
    """Those that can be read, the first of each OID; values that only snmpsim could compute are left out."""
    out: Records = {}
    for line in lines:
        parts = line.decode("latin-1").strip().split("|", 2)
        if len(parts) != 3 or parts[0].startswith("#") or ":" in parts[1]:
            continue
        oid = parts[0].strip(".")
        if not OID_TEXT.fullmatch(oid):
            continue
        try:
            out.setdefault(oid, typed(parts[1], parts[2]))
        except (ValueError, KeyError, OSError):
            continue
    return out


def load(path: Path) -> Records:
    """A file, packed with bzip2 or not."""
    with bz2.open(path) if path.suffix == ".bz2" else path.open("rb") as file:
        return records(file)


def rows(recorded: Records) -> dict[str, Value]:
    """As the agent sees them: without tags."""
    return {oid: value for oid, (tag, value) in recorded.items() if tag != NULL}
