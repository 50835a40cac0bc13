"""Bytes of a text file -> text, in whichever of the encodings that Vietnamese offices save in; never a guess untold."""

from __future__ import annotations

import codecs
import re
import unicodedata
from typing import NamedTuple

# Letters that Vietnamese has beside A-Z, and signs that a spreadsheet may hold. What Windows-1258 makes of the older
# TCVN3 and VNI fonts has others in it.
_VIETNAMESE = frozenset(
    unicodedata.normalize("NFC", letter + tone)
    for letter in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY"
    for tone in ("", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323")
) | frozenset("đĐ")
_SIGNS = frozenset("\u00a0–—‘’“”„…•°²³·×€«»§±")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


class Text(NamedTuple):
    """encoding: as people know it; sure: it says so itself, or nothing else fits."""

    text: str
    encoding: str
    sure: bool


class Unreadable(ValueError):
    """at: the byte from which on it is not UTF-8."""

    def __init__(self, at: int) -> None:
        super().__init__(f"not text in a known encoding (byte {at})")
        self.at = at


def decode(data: bytes) -> Text:
    """UTF-8 and UTF-16 with or without a mark, Windows-1258. The text is in composed letters. Raises Unreadable."""
    for mark, codec, name in (
        (codecs.BOM_UTF8, "utf-8", "UTF-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
        (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
    ):
        if data.startswith(mark):
            return Text(_strictly(data[len(mark) :], codec), name, True)
    if b"\0" in data[:1_000]:
        return _unmarked_utf16(data)
    try:
        return Text(_composed(data.decode("utf-8")), "UTF-8", True)
    except UnicodeDecodeError as error:
        return _windows_1258(data, error.start)


def _strictly(data: bytes, codec: str) -> str:
    try:
        return _composed(data.decode(codec))
    except UnicodeDecodeError as error:
        raise Unreadable(error.start) from None


def _unmarked_utf16(data: bytes) -> Text:
    """The first sign of a table is an ASCII letter of its heading, nearly always: where is the zero byte beside it?"""
    codec = "utf-16-be" if data[:1] == b"\0" else "utf-16-le"
    text = _strictly(data, codec)
    if "\0" in text:
        raise Unreadable(data.index(b"\0"))
    return Text(text, "UTF-16", True)


def _windows_1258(data: bytes, not_utf8_at: int) -> Text:
    try:
        text = _composed(data.decode("cp1258"))
    except UnicodeDecodeError:
        raise Unreadable(not_utf8_at) from None
    strange = {sign for sign in text if not sign.isascii()} - _VIETNAMESE - _SIGNS
    if strange or _CONTROL.search(text):
        raise Unreadable(not_utf8_at)
    return Text(text, "Windows-1258", False)


def _composed(text: str) -> str:
    """Windows-1258 writes ế as ê and a combining tone; some keyboards write every letter in pieces."""
    return unicodedata.normalize("NFC", text)
