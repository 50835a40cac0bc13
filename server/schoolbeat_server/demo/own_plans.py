"""The demo's own plans: another reading of T2, and Lào Cai's judged by weeks, for there are no four weeks of data."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from schoolbeat_server import plans

FILES = Path(__file__).parent / "plan_files"
SHIPPED = plans.SHIPPED / "lao-cai-2022-2025.yaml"
_FOUR_WEEKS = re.compile(r"^  window_days:\n    value: 28\n    reason: .*\n    source: .*\n", re.MULTILINE)
_ONE_WEEK = """  window_days:
    value: 7
    reason: {vi: Bản trình diễn chỉ có bảy ngày số liệu, en: The demonstration has seven days of data only}
    source: Giả định của bản trình diễn
"""


def write(folder: Path) -> Path:
    """As an operator would put them there; a plan of a shipped one's id replaces it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for file in FILES.glob("*.yaml"):
        shutil.copy(file, folder)
    text, count = _FOUR_WEEKS.subn(_ONE_WEEK, SHIPPED.read_text(encoding="utf-8"))
    assert count == 1, SHIPPED
    (folder / SHIPPED.name).write_text(text, encoding="utf-8")
    return folder
