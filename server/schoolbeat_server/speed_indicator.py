"""Speed as an indicator: the median of a window's speed tests against a threshold, and what the contract declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal

from schoolbeat_server.finding import WEEK_MINUTES, Case, Finding, Grade, grade_unseen
from schoolbeat_server.register import Line
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Join


def judge_speed(direction: Literal["download", "upload"], case: Case) -> Finding:
    assert case.condition.at_least is not None
    need, asked = case.condition.at_least, case.target.min_tests
    tests = list(_measured(direction, case))
    coverage = min(Fraction(1), Fraction(len(tests), asked))
    if len(tests) < asked:
        said = _too_few_tests(direction, len(tests), asked, case)
        return Finding(None, "observed" if tests else grade_unseen(case.facts), coverage, None, said)
    middle = median([bps for _, bps in tests])
    met = middle >= need
    grade: Grade = "proven" if met and _tested_every_week([minute for minute, _ in tests], case) else "observed"
    since = None if met else _slow_since(tests, need)
    return Finding(met, grade, coverage, since, _speed_said(direction, middle, len(tests), met, case))


def _measured(direction: str, case: Case) -> Iterator[tuple[int, int]]:
    for test in case.facts.tests:
        bps = test.download_bps if direction == "download" else test.upload_bps
        if bps is not None and case.window.first_minute <= test.minute < case.window.end_minute:
            yield test.minute, bps


def median(values: Sequence[int]) -> Fraction:
    """Exact; of an even number, the mean of the middle two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return Fraction(ordered[half]) if len(ordered) % 2 else Fraction(ordered[half - 1] + ordered[half], 2)


def _tested_every_week(minutes: Sequence[int], case: Case) -> bool:
    weeks = -(-case.target.window_days // 7)
    counts = [0] * weeks
    for minute in minutes:
        counts[(case.window.end_minute - 1 - minute) // WEEK_MINUTES] += 1
    return all(count * weeks >= case.target.min_tests for count in counts)


def _slow_since(tests: list[tuple[int, int]], need: Fraction) -> int:
    """The first slow test after the last fast one; if the last was fast, the first slow one."""
    slow = [minute for minute, bps in tests if bps < need]
    fast = [minute for minute, bps in tests if bps >= need]
    return next((minute for minute in slow if not fast or minute > fast[-1]), slow[0])


_DIRECTIONS = {"download": Said("tải xuống", "download"), "upload": Said("tải lên", "upload")}


def _speed_said(direction: str, middle: Fraction, count: int, met: bool, case: Case) -> Said:
    assert case.condition.at_least is not None
    need = case.condition.at_least
    words, (mine_vi, mine_en) = _DIRECTIONS[direction], mbps(middle, need)
    need_vi, need_en = mbps(need)
    vi, en = ("đạt", "reaches") if met else ("thấp hơn", "is below")
    return Said(
        f"Tốc độ {words.vi}: trung vị {mine_vi} của {count} lần đo, {vi} mức cần {need_vi}",
        f"{words.en.capitalize()} speed: median {mine_en} of {count} tests, which {en} the {need_en} needed",
    )


def _too_few_tests(direction: str, count: int, asked: int, case: Case) -> Said:
    contract = _contract(direction, case.facts.lines, case.target.lines)
    if contract is None:
        vi, en = "Sổ đăng ký không ghi tốc độ hợp đồng", "The register states no contracted speed"
    else:
        stated = mbps(Fraction(contract))
        vi, en = f"Hợp đồng ghi {stated.vi}", f"The contract states {stated.en}"
    if not count:
        return Said(f"{vi}; chưa có phép đo tốc độ nào", f"{en}; no speed has been measured")
    return Said(f"{vi}; mới có {count} lần đo tốc độ, cần {asked}", f"{en}; {count} speed tests so far, {asked} needed")


def _contract(direction: str, lines: Sequence[Line], how: Join) -> int | None:
    stated = [line.contract_down_bps if direction == "download" else line.contract_up_bps for line in lines]
    found = [bps for bps in stated if bps is not None]
    if not found or (how == "every" and len(found) < len(stated)):
        return None
    return max(found) if how == "any" else min(found)


def mbps(bps: Fraction, need: Fraction | None = None) -> Said:
    """'18,4 Mbit/s', rounded down, with as many decimals as keep it on its side of the need (at most six)."""
    for decimals in range(1, 7):
        scaled = bps * 10**decimals // 1_000_000
        if need is None or (Fraction(scaled * 1_000_000, 10**decimals) >= need) == (bps >= need):
            break
    whole, rest = divmod(int(scaled), 10**decimals)
    tail = f"{rest:0{decimals}d}".rstrip("0")
    return Said(f"{whole}{',' if tail else ''}{tail} Mbit/s", f"{whole}{'.' if tail else ''}{tail} Mbit/s")
