"""Speed as an indicator: the median of a window's speed tests against a threshold, and what the contract declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Literal, NamedTuple

from schoolbeat_server.finding import WEEK_MINUTES, Case, Finding, grade_unseen, stated
from schoolbeat_server.register import Line
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Join

Direction = Literal["download", "upload"]
What = Literal["median", "tenth", "of_contract", "per_pupil"]


def judge_speed(direction: Direction, what: What, case: Case) -> Finding:
    """A test that the gateway itself held down (its port, its processor, its Wi-Fi) shows that the line is at least so
    fast: it may make a target met, never missed."""
    asked, measured = case.target.min_tests, list(_measured(direction, case))
    coverage = min(Fraction(1), Fraction(len(measured), asked))
    if len(measured) < asked:
        said = _too_few_tests(direction, len(measured), asked, case)
        return Finding(None, "observed" if measured else grade_unseen(case.facts), coverage, None, said)
    least = _statistic(what, [test.bps for test in measured])
    most = _statistic(what, [NO_LIMIT if test.ceiling else test.bps for test in measured])
    need = _need(direction, what, case)
    if isinstance(need, Said):
        return Finding(None, "observed", coverage, None, need)
    met = True if least >= need else False if most < need else None
    if what == "of_contract" and met is (case.target.lines != "any") and not _all_state(direction, case):
        return Finding(None, "observed", coverage, None, _NOT_EVERY_CONTRACT)
    proven = met and _tested_every_week([test.minute for test in measured], case)
    said = _speed_said(what, _Told(_DIRECTIONS[direction], least, need, len(measured), met), case)
    return Finding(met, "proven" if proven else "observed", coverage, _slow_since(measured, need, met), said)


NO_LIMIT = 10**15


class _Measured(NamedTuple):
    minute: int
    bps: int
    ceiling: bool


def _measured(direction: Direction, case: Case) -> Iterator[_Measured]:
    for test in case.facts.tests:
        bps = test.download_bps if direction == "download" else test.upload_bps
        if bps is not None and case.window.first_minute <= test.minute < case.window.end_minute:
            yield _Measured(test.minute, bps, bool(test.ceiling))


def _statistic(what: What, values: Sequence[int]) -> Fraction:
    return tenth(values) if what == "tenth" else median(values)


def _need(direction: Direction, what: What, case: Case) -> Fraction | Said:
    """In bits a second; or why it cannot be said."""
    stated = case.condition.at_least
    assert stated is not None
    if what == "of_contract":
        told = [bps for bps in _contracts(direction, main_lines(case)) if bps is not None]
        if not told:
            return Said("Sổ đăng ký không ghi tốc độ hợp đồng", "The register states no contracted speed")
        return stated * (min(told) if case.target.lines == "any" else max(told))
    if what == "per_pupil":
        if case.facts.pupils is None:
            return Said(
                "Sổ đăng ký chưa ghi số học sinh mỗi ca", "The register does not state the pupils of each shift"
            )
        each_of_all = stated * case.facts.pupils
        return each_of_all if case.condition.up_to is None else min(each_of_all, case.condition.up_to)
    return stated


def tenth(values: Sequence[int]) -> Fraction:
    """The highest value that at least nine in ten of them reach: of ten tests the second lowest, of nine the lowest."""
    return Fraction(sorted(values)[len(values) // 10])


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


def _slow_since(tests: Sequence[_Measured], need: Fraction, met: bool | None) -> int | None:
    """The first slow test after the last fast one; if the last was fast, the first slow one."""
    if met is not False:
        return None
    slow = [test.minute for test in tests if test.bps < need]
    fast = [test.minute for test in tests if test.bps >= need]
    return next((minute for minute in slow if not fast or minute > fast[-1]), slow[0])


_DIRECTIONS = {"download": Said("tải xuống", "download"), "upload": Said("tải lên", "upload")}


_STATISTICS = {
    "median": Said("trung vị", "median"),
    "tenth": Said("mức mà 9/10 lần đo đạt được", "reached by 9 of 10 tests"),
}


class _Told(NamedTuple):
    direction: Said
    value: Fraction
    need: Fraction
    tests: int
    met: bool | None


def _speed_said(what: What, told: _Told, case: Case) -> Said:
    direction, value, need, count, met = told
    (mine_vi, mine_en), (need_vi, need_en), how = mbps(value, need), mbps(need), _why_so_much(what, case)
    if met is None:
        return Said(
            f"Tốc độ {direction.vi}: ít nhất {mine_vi} ({count} lần đo, bị chính thiết bị cổng giới hạn),"
            f" cần {need_vi}{how.vi}",
            f"{direction.en.capitalize()} speed: at least {mine_en} ({count} tests, held down by the gateway itself),"
            f" needs {need_en}{how.en}",
        )
    statistic = _STATISTICS.get(what, _STATISTICS["median"])
    vi, en = ("đạt", "reaches") if met else ("thấp hơn", "is below")
    return Said(
        f"Tốc độ {direction.vi}: {statistic.vi} {mine_vi} của {count} lần đo, {vi} mức cần {need_vi}{how.vi}",
        f"{direction.en.capitalize()} speed: {statistic.en} {mine_en} of {count} tests, which {en} the {need_en} needed"
        f"{how.en}",
    )


def _why_so_much(what: What, case: Case) -> Said:
    at_least = case.condition.at_least
    assert at_least is not None
    if what == "of_contract":
        share = stated(at_least)
        return Said(f" ({share.vi} hợp đồng)", f" ({share.en} of the contract)")
    if what == "per_pupil":
        each, pupils, most = _small(at_least), case.facts.pupils, case.condition.up_to
        vi, en = f"{each.vi} × {pupils} học sinh của ca đông nhất", f"{each.en} × {pupils} pupils of the busiest shift"
        if most is not None:
            vi, en = f"{vi}, không quá {mbps(most).vi}", f"{en}, at most {mbps(most).en}"
        return Said(f" ({vi})", f" ({en})")
    return Said("", "")


def _too_few_tests(direction: str, count: int, asked: int, case: Case) -> Said:
    contract = contract_of(direction, main_lines(case), case.target.lines)
    if contract is None:
        vi, en = "Sổ đăng ký không ghi tốc độ hợp đồng", "The register states no contracted speed"
    else:
        told = mbps(Fraction(contract))
        vi, en = f"Hợp đồng ghi {told.vi}", f"The contract states {told.en}"
    if not count:
        return Said(f"{vi}; chưa có phép đo tốc độ nào", f"{en}; no speed has been measured")
    return Said(f"{vi}; mới có {count} lần đo tốc độ, cần {asked}", f"{en}; {count} speed tests so far, {asked} needed")


def contract_of(direction: str, lines: Sequence[Line], how: Join) -> int | None:
    """What the lines' contracts state, in bits a second; None: nothing, or not of every line that counts."""
    contracts = _contracts(direction, lines)
    found = [bps for bps in contracts if bps is not None]
    if not found or (how == "every" and len(found) < len(contracts)):
        return None
    return max(found) if how == "any" else min(found)


def _contracts(direction: str, lines: Sequence[Line]) -> list[int | None]:
    return [line.contract_down_bps if direction == "download" else line.contract_up_bps for line in lines]


def _all_state(direction: Direction, case: Case) -> bool:
    return None not in _contracts(direction, main_lines(case))


def main_lines(case: Case) -> list[Line]:
    """Those that are no backup; a backup alone is all that the site has."""
    return [one for one in case.facts.lines if one.role != "backup"] or list(case.facts.lines)


_NOT_EVERY_CONTRACT = Said(
    "Sổ đăng ký không ghi tốc độ hợp đồng của mọi đường truyền",
    "The register does not state the contracted speed of every line",
)


def _small(bps: Fraction) -> Said:
    """As a plan states what each pupil needs."""
    if bps >= 1_000_000 or bps % 1_000:
        return mbps(bps)
    return Said(f"{bps // 1_000} kbit/s", f"{bps // 1_000} kbit/s")


def mbps(bps: Fraction, need: Fraction | None = None) -> Said:
    """'18,4 Mbit/s', rounded down, with as many decimals as keep it on its side of the need (at most six)."""
    for decimals in range(1, 7):
        scaled = bps * 10**decimals // 1_000_000
        if need is None or (Fraction(scaled * 1_000_000, 10**decimals) >= need) == (bps >= need):
            break
    whole, rest = divmod(int(scaled), 10**decimals)
    tail = f"{rest:0{decimals}d}".rstrip("0")
    return Said(f"{whole}{',' if tail else ''}{tail} Mbit/s", f"{whole}{'.' if tail else ''}{tail} Mbit/s")
