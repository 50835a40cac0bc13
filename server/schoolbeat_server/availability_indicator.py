"""Availability as an indicator: the ledger's minutes of a signal against a share of the time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction

from schoolbeat_server.availability import Availability, availability, shown, within
from schoolbeat_server.finding import DAY_MINUTES, WEEK_MINUTES, Case, Finding, Grade, grade_unseen, stated
from schoolbeat_server.register import Device
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Target
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN, UP_FULL


def judge_availability(signal: str, name: Said, case: Case) -> Finding:
    target = case.target
    name, signal = (name, signal) if case.device is None else (_device_name(case.device), case.device.signal)
    count = case.window.end_minute - case.window.first_minute
    minutes = case.facts.minutes.get(signal, b"")[-count:]
    clock = case.facts.lessons[-count:] if target.clock == "lessons" and case.facts.lessons is not None else None
    if target.clock == "lessons" and clock is None:
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, _no_calendar(name))
    if not minutes:
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, _nothing_measured(name))
    if clock is not None:
        if 1 not in clock:
            return Finding(None, grade_unseen(case.facts), Fraction(0), None, _no_lessons(name))
        minutes = within(minutes, clock)  # what is told of the time since when is of lessons too
    assert case.condition.at_least is not None
    found = _with_off_settled(availability(minutes, clock), target)
    met = found.at_least(case.condition.at_least, min_coverage=target.min_coverage, off_is_down=target.off_is_down)
    coverage = Fraction(_covered(found, target), found.all_seconds or 1)
    if not coverage:
        return Finding(None, grade_unseen(case.facts), coverage, None, _nothing_measured(name))
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
    for first in range(0, len(minutes), DAY_MINUTES):
        end = min(first + DAY_MINUTES, len(minutes))
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
    days = f"{target.window_days} ngày", f"{target.window_days} days"
    if target.clock == "lessons":
        days = f"giờ học trong {days[0]}", f"lesson time in {days[1]}"
    if met is None:
        return Said(
            f"{name.vi}: chưa đủ dữ liệu, mới đo được {part.vi} của {days[0]} (cần {asked.vi});"
            f" phần đã đo thông {seen.vi}, cần {need.vi}",
            f"{name.en}: not enough data, {part.en} of {days[1]} measured (needs {asked.en});"
            f" of that up {seen.en}, needs {need.en}",
        )
    vi, en = ("đạt", "reaches") if met else ("thấp hơn", "is below")
    return Said(
        f"{name.vi}: thông {seen.vi} thời gian, {vi} mức cần {need.vi}; đo được {part.vi} của {days[0]}",
        f"{name.en}: up {seen.en} of the time, which {en} the {need.en} needed; {part.en} of {days[1]} measured",
    )


def _nothing_measured(name: Said) -> Said:
    return Said(f"{name.vi}: chưa đo được phút nào trong kỳ", f"{name.en}: not one minute measured in the window")


def _no_calendar(name: Said) -> Said:
    return Said(f"{name.vi}: chưa có lịch học để tính giờ học", f"{name.en}: there is no school calendar to count by")


def _no_lessons(name: Said) -> Said:
    return Said(f"{name.vi}: trong kỳ không có giờ học nào", f"{name.en}: there were no lessons in the window")


def _percents(share: Fraction, target: Fraction | None = None) -> tuple[str, str]:
    return shown(share, target, point=","), shown(share, target)


def _device_name(device: Device) -> Said:
    name = device.name or device.id
    return Said(f"Thiết bị {name}", f"Device {name}")
