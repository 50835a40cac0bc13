"""How boards, televisions and projectors are asked, never told: PJLink, and makers' frames as data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@cache
def families() -> tuple[str, ...]:
    """Names that a device's `profile` may have: each is a data file here."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))
