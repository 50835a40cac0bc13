"""One sentence in the two languages, Vietnamese first."""

from __future__ import annotations

from typing import NamedTuple


class Said(NamedTuple):
    """The same sentence twice."""

    vi: str
    en: str

    def to(self, language: str) -> str:
        return self.en if language == "en" else self.vi


def number_vi(text: str) -> str:
    """A number as Vietnamese readers write it: decimal comma."""
    return text.replace(".", ",")
