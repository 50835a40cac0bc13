"""Inspections as an indicator: held through the digital environment, with a snapshot that can be looked at again."""

from __future__ import annotations

from schoolbeat_server.finding import Case, Finding
from schoolbeat_server.said import Said


def judge_digital(case: Case) -> Finding:
    one = case.inspection
    assert one is not None
    if one.kind != "digital" or one.digest is None:
        said = Said("Kiểm tra tại trường, theo người ghi biên bản", "Held on site, as whoever entered it says")
        return Finding(False, "declared", None, None, said)
    mark = one.digest.hex()
    said = Said(
        f"Kiểm tra qua môi trường số; bản chụp số liệu lúc ấy có mã SHA-256 {mark}",
        f"Held digitally; the snapshot of that moment has the SHA-256 {mark}",
    )
    return Finding(True, "observed", None, None, said)
