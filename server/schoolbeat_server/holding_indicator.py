"""Holdings as an indicator: what is found, declared or booked, and how much of it is in a digital record."""

from __future__ import annotations

from schoolbeat_server.finding import Case, Finding, grade_unseen
from schoolbeat_server.said import Said


def judge_recorded(case: Case) -> Finding:
    """Of a site's holdings together: counts says how many of them are recorded, and how many not."""
    recorded = sum(one.quantity for one in case.facts.holdings if one.recorded)
    strange = sum(one.quantity for one in case.facts.holdings if not one.recorded)
    said = Said(
        f"{recorded}/{recorded + strange} có hồ sơ số; {strange} tác tử thấy mà chưa có hồ sơ",
        f"{recorded} of {recorded + strange} on digital record; {strange} known to an agent and on no record",
    )
    counts = (0, 0, recorded + strange) if case.facts.silent else (recorded, strange, 0)
    return Finding(not strange, grade_unseen(case.facts), None, None, said, counts)
