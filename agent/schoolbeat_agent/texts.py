"""What the agent says to people, in Vietnamese and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["vi", "en"]


@dataclass(frozen=True)
class Text:
    """One sentence in both languages; {names} are filled in by `say`."""

    vi: str
    en: str

    def say(self, language: Language, **names: object) -> str:
        return (self.vi if language == "vi" else self.en).format(**names)

    def both(self, **names: object) -> str:
        """For errors that come before the language is known."""
        return f"{self.vi.format(**names)} / {self.en.format(**names)}"
