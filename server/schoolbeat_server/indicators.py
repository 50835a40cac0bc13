"""The fixed list of indicators: what each says of a site or device against its threshold, with the numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal, NamedTuple

from schoolbeat_server.availability import Availability, availability, shown
from schoolbeat_server.evidence import SiteFacts, Window
from schoolbeat_server.register import Device, Line
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Condition, Join, Target
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN, UP_FULL

Grade = Literal["declared", "inventoried", "observed", "proven"]
GRADES: tuple[Grade, ...] = ("declared", "inventoried", "observed", "proven")

_DAY_MINUTES = 1_440
WEEK_MINUTES = 7 * _DAY_MINUTES


@dataclass(frozen=True, slots=True)
class Finding:
    """What one indicator says. met None: unknown. since_minute: since when it has been so; None: not known.

    coverage: the part of the window (or of the asked tests) that was measured; None where nothing is measured.
    """

    met: bool | None
    grade: Grade
    coverage: Fraction | None
    since_minute: int | None
    said: Said


class Case(NamedTuple):
    """What a condition is judged on: a site, the device if it is of one, and the target with its window."""

    facts: SiteFacts
    device: Device | None
    target: Target
    condition: Condition
    window: Window  # the target's own: the tail of what was gathered


class Indicator(NamedTuple):
    """of: what it speaks of. threshold: the unit of at_least, or "words" for one_of. needs: the assumptions it asks
    of its target. signal: what it reads of the ledger ("" for none, "device." for the device's own)."""

    of: Literal["site", "device"]
    threshold: Literal["share", "bps", "words"]
    needs: tuple[str, ...]
    signal: str
    words: tuple[str, ...]
    judge: Callable[[Case], Finding]
    name: Said


def all3(values: Iterable[bool | None]) -> bool | None:
    """False if any is, else None if any is; None for nothing at all."""
    found = set(values)
    if not found:
        return None
    return False if False in found else None if None in found else True


def any3(values: Iterable[bool | None]) -> bool | None:
    """True if any is, else None if any is; None for nothing at all."""
    found = set(values)
    if not found:
        return None
    return True if True in found else None if None in found else False


def join3(how: Join, values: Iterable[bool | None]) -> bool | None:
    """'main' is chosen before: there it is one value."""
    return any3(values) if how == "any" else all3(values)


def weakest(grades: Iterable[Grade]) -> Grade:
    return min(grades, key=GRADES.index, default="declared")


# ---- availability ------------------------------------------------------------------------------------------


def _availability(signal: str, name: Said, case: Case) -> Finding:
    target = case.target
    name, signal = (name, signal) if case.device is None else (_device_name(case.device), case.device.signal)
    count = case.window.end_minute - case.window.first_minute
    minutes = case.facts.minutes.get(signal, b"")[-count:]
    clock = case.facts.lessons[-count:] if target.clock == "lessons" and case.facts.lessons is not None else None
    if not minutes or (target.clock == "lessons" and clock is None):
        return Finding(None, _unseen(case.facts), Fraction(0), None, _nothing_measured(name))
    assert case.condition.at_least is not None
    found = _with_off_settled(availability(minutes, clock), target)
    met = found.at_least(case.condition.at_least, min_coverage=target.min_coverage, off_is_down=target.off_is_down)
    coverage = Fraction(_covered(found, target), found.all_seconds or 1)
    if not coverage:
        return Finding(None, _unseen(case.facts), coverage, None, _nothing_measured(name))
    grade: Grade = "proven" if met and _every_week(minutes, clock, target) else "observed"
    since = None if met else case.window.first_minute + _since(minutes, clock, found, case, met)
    return Finding(met, grade, coverage, since, _availability_said(name, found, coverage, case, met))


def _with_off_settled(found: Availability, target: Target) -> Availability:
    """Off that is left out is not known either: else a gateway left unplugged would prove the line by one good hour."""
    if target.off_is_down:
        return found
    return Availability(found.up_seconds, found.down_seconds, 0, found.unknown_seconds + found.off_seconds)


def _covered(found: Availability, target: Target) -> int:
    return found.up_seconds + found.down_seconds + (found.off_seconds if target.off_is_down else 0)


def _every_week(minutes: bytes, clock: bytes | None, target: Target) -> bool:
    """Weeks are counted back from the window's end; what is left over at its beginning counts as one too."""
    ends = range(len(minutes), 0, -WEEK_MINUTES)
    weeks = (slice(max(0, end - WEEK_MINUTES), end) for end in ends)
    parts = (availability(minutes[week], clock[week] if clock is not None else None) for week in weeks)
    return all(_covered(part, target) >= target.min_coverage * part.all_seconds for part in parts)


def _since(minutes: bytes, clock: bytes | None, found: Availability, case: Case, met: bool | None) -> int:
    """Missed: the beginning of the outage that used up what the target allows. Unknown: of the gap that did."""
    target, share = case.target, case.condition.at_least
    assert share is not None
    if met is False:
        allowed = (1 - share) * _covered(found, target)
        over = _first_over(minutes, clock, allowed, lambda part: _covered(part, target) - part.up_seconds)
        start = minutes.rfind(UP_FULL, 0, over) + 1
        return next((at for at in range(start, len(minutes)) if _is_down(minutes[at], target)), start)
    allowed = (1 - target.min_coverage) * found.all_seconds
    over = _first_over(minutes, clock, allowed, lambda part: part.all_seconds - _covered(part, target))
    return max((minutes.rfind(value, 0, over) for value in _known_values(minutes, target)), default=-1) + 1


def _first_over(minutes: bytes, clock: bytes | None, allowed: Fraction, seconds: Callable[[Availability], int]) -> int:
    """How many minutes from the beginning it takes until their seconds exceed what is allowed; all if they never do."""

    def spent(first: int, end: int) -> int:
        return seconds(availability(minutes[first:end], clock[first:end] if clock is not None else None))

    before = 0
    for first in range(0, len(minutes), _DAY_MINUTES):
        end = min(first + _DAY_MINUTES, len(minutes))
        day = spent(first, end)
        if before + day > allowed:
            left = int(allowed - before)  # rounded down: seconds are whole
            return bisect_right(range(first, end), left, key=lambda at: spent(first, at)) + first
        before += day
    return len(minutes)


def _is_down(value: int, target: Target) -> bool:
    return value < UP_FULL or (value == OFF and target.off_is_down)


def _known_values(minutes: bytes, target: Target) -> set[int]:
    unknown = {UNKNOWN, DISPUTED} if target.off_is_down else {UNKNOWN, DISPUTED, OFF}
    return set(minutes) - unknown


def _availability_said(name: Said, found: Availability, coverage: Fraction, case: Case, met: bool | None) -> Said:
    share, target = case.condition.at_least, case.target
    assert share is not None
    observed = Fraction(found.up_seconds, _covered(found, target))
    need, seen = stated(share), Said(*_percents(observed, share))
    part, asked = Said(*_percents(coverage, target.min_coverage)), stated(target.min_coverage)
    days = target.window_days
    if met is None:
        return Said(
            f"{name.vi}: chưa đủ dữ liệu, mới đo được {part.vi} của {days} ngày (cần {asked.vi});"
            f" phần đã đo thông {seen.vi}, cần {need.vi}",
            f"{name.en}: not enough data, {part.en} of {days} days measured (needs {asked.en});"
            f" of that up {seen.en}, needs {need.en}",
        )
    vi, en = ("đạt", "reaches") if met else ("thấp hơn", "is below")
    return Said(
        f"{name.vi}: thông {seen.vi} thời gian, {vi} mức cần {need.vi}; đo được {part.vi} của {days} ngày",
        f"{name.en}: up {seen.en} of the time, which {en} the {need.en} needed; {part.en} of {days} days measured",
    )


def _nothing_measured(name: Said) -> Said:
    return Said(f"{name.vi}: chưa đo được phút nào trong kỳ", f"{name.en}: not one minute measured in the window")


def _percents(share: Fraction, target: Fraction | None = None) -> tuple[str, str]:
    return shown(share, target, point=","), shown(share, target)


def stated(share: Fraction) -> Said:
    """A share that a document or assumption states: exact, '90%', '99,5%' or '1/3'."""
    percent = share * 100
    for decimals in range(7):
        whole = percent * 10**decimals
        if whole.denominator == 1:
            before, after = divmod(int(whole), 10**decimals)
            tail = f"{after:0{decimals}d}" if decimals else ""
            return Said(f"{before}{',' if tail else ''}{tail}%", f"{before}{'.' if tail else ''}{tail}%")
    return Said(str(share), str(share))


def _unseen(facts: SiteFacts) -> Grade:
    return "inventoried" if facts.inventoried else "declared"


def _device_name(device: Device) -> Said:
    name = device.name or device.id
    return Said(f"Thiết bị {name}", f"Device {name}")


# ---- speed -------------------------------------------------------------------------------------------------


def _speed(direction: Literal["download", "upload"], case: Case) -> Finding:
    assert case.condition.at_least is not None
    need, asked = case.condition.at_least, case.target.min_tests
    tests = list(_measured(direction, case))
    coverage = min(Fraction(1), Fraction(len(tests), asked))
    if len(tests) < asked:
        said = _too_few_tests(direction, len(tests), asked, case)
        return Finding(None, "observed" if tests else _unseen(case.facts), coverage, None, said)
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


# ---- the contract ------------------------------------------------------------------------------------------

TECHNOLOGY_WORDS = {
    "fibre": Said("cáp quang", "fibre"),
    "copper": Said("cáp đồng", "copper"),
    "mobile": Said("di động", "mobile"),
    "satellite": Said("vệ tinh", "satellite"),
    "other": Said("loại khác", "other"),
    "unknown": Said("chưa rõ", "not known"),
}


def _technology(case: Case) -> Finding:
    lines, allowed = case.facts.lines, case.condition.one_of
    if not lines:
        said = Said("Sổ đăng ký không ghi đường truyền nào", "The register names no line")
        return Finding(None, "declared", None, None, said)
    values = (None if line.technology == "unknown" else line.technology in allowed for line in lines)
    met = join3(case.target.lines, values)
    stated = _joined(sorted({line.technology for line in lines}))
    need = _joined(allowed)
    if met:
        said = Said(f"Đường truyền theo hợp đồng: {stated.vi}", f"Line by contract: {stated.en}")
    else:
        said = Said(
            f"Đường truyền theo hợp đồng: {stated.vi}; cần {need.vi}", f"Line by contract: {stated.en}; needs {need.en}"
        )
    return Finding(met, "declared", None, None, said)


def _joined(technologies: Iterable[str]) -> Said:
    words = [TECHNOLOGY_WORDS[one] for one in technologies]
    return Said(", ".join(word.vi for word in words), ", ".join(word.en for word in words))


# ---- the list ----------------------------------------------------------------------------------------------

_OBSERVED = ("clock", "min_coverage", "off")
_INTERNET = Said("Internet của trường", "The school's Internet")
_ISP = Said("Đường tới nhà mạng", "The line to the ISP")
_ROUTER = Said("Bộ định tuyến", "The router")
_DEVICE = Said("Thiết bị", "The device")

INDICATORS: dict[str, Indicator] = {
    "line.technology": Indicator(
        "site",
        "words",
        ("lines",),
        "",
        tuple(TECHNOLOGY_WORDS),
        _technology,
        Said("công nghệ đường truyền", "technology"),
    ),
    "line.download.median": Indicator(
        "site",
        "bps",
        ("lines", "min_tests"),
        "",
        (),
        partial(_speed, "download"),
        Said("trung vị tốc độ tải xuống", "median download speed"),
    ),
    "line.upload.median": Indicator(
        "site",
        "bps",
        ("lines", "min_tests"),
        "",
        (),
        partial(_speed, "upload"),
        Said("trung vị tốc độ tải lên", "median upload speed"),
    ),
    "line.internet.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "line.internet",
        (),
        partial(_availability, "line.internet", _INTERNET),
        Said("độ khả dụng Internet", "availability of the Internet"),
    ),
    "line.isp.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "line.isp",
        (),
        partial(_availability, "line.isp", _ISP),
        Said("độ khả dụng tới nhà mạng", "availability of the ISP's edge"),
    ),
    "lan.router.availability": Indicator(
        "site",
        "share",
        _OBSERVED,
        "lan.router",
        (),
        partial(_availability, "lan.router", _ROUTER),
        Said("độ khả dụng của bộ định tuyến", "availability of the router"),
    ),
    "device.availability": Indicator(
        "device",
        "share",
        _OBSERVED,
        "device.",
        (),
        partial(_availability, "", _DEVICE),
        Said("độ khả dụng của thiết bị", "availability of the device"),
    ),
}
