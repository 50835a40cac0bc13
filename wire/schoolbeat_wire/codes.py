"""What coded readings mean, in words: agent and server say the same."""

from __future__ import annotations

import re
from typing import Final, Literal

from schoolbeat_wire.catalogue import READINGS

Language = Literal["vi", "en"]

MEANING: Final = re.compile(r"(\d+) ([^,]+)")  # "0 chờ, 1 bật" behind the colon of a reading's text

# error_flags: two bits for each part, the first lowest; as PJLink's ERST.
PARTS: Final = (
    ("quạt", "fan"),
    ("đèn", "lamp"),
    ("nhiệt độ", "temperature"),
    ("nắp", "cover"),
    ("lưới lọc", "filter"),
    ("phần khác", "another part"),
)
LEVELS: Final = {1: ("cảnh báo", "warning"), 2: ("lỗi", "error"), 3: ("lỗi", "error")}
NO_FAULT: Final = ("không có", "none")


def title(reading: str, language: Language) -> str:
    """The reading's name without its list of codes."""
    known = READINGS[reading]
    text = known.vi if language == "vi" else known.en
    return text.partition(":")[0] if known.unit == "code" else text


def word(reading: str, value: float, language: Language) -> str | None:
    """What a code says; None where it is no code or has no word."""
    known = READINGS[reading]
    if known.unit != "code":
        return None
    if reading == "error_flags":
        return faults(int(value), language)
    _, _, listed = (known.vi if language == "vi" else known.en).partition(":")
    return dict(MEANING.findall(listed)).get(str(int(value)))


def faults(flags: int, language: Language) -> str:
    """Of error_flags: "đèn lỗi, lưới lọc cảnh báo"."""
    which = 0 if language == "vi" else 1
    found = [(PARTS[place][which], flags >> (2 * place) & 3) for place in range(len(PARTS))]
    said = [f"{part} {LEVELS[level][which]}" for part, level in found if level]
    return ", ".join(said) or NO_FAULT[which]
