"""Availability as an indicator: the ledger's minutes of a signal against a share of the time."""

from __future__ import annotations

from fractions import Fraction
from functools import partial
from math import floor
from typing import Final

from schoolbeat_server.availability import Availability, shown
from schoolbeat_server.finding import WEEK_MINUTES, Case, Finding, Grade, grade_unseen, stated
from schoolbeat_server.measured import Span, end_of_allowance, first_of, last_of
from schoolbeat_server.register import Device
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Target
from schoolbeat_wire.catalogue import OFF, UP_FULL

_UP: Final = Said("thông", "up")


def judge_availability(signal: str, name: Said, case: Case, *, up: Said = _UP) -> Finding:
    """up: what the signal is called while it is up."""
    target, window = case.target, case.window
    name, signal = (name, signal) if case.device is None else (_device_name(case.device), case.device.signal)
    measured = case.facts.measured.get(signal)
    unseen = grade_unseen(case.facts)
    if measured is None:
        return Finding(None, unseen, Fraction(0), None, _nothing_measured(name))
    if target.clock == "lessons" and not measured.has_lessons:
        return Finding(None, unseen, Fraction(0), None, _no_calendar(name))
    span = Span(measured, *window, target.clock)
    raw = span.seconds()
    found = _with_off_settled(raw, target)
    if not found.all_seconds:
        return Finding(None, unseen, Fraction(0), None, _no_lessons(name))
    assert case.condition.at_least is not None
    met = found.at_least(case.condition.at_least, min_coverage=target.min_coverage, off_is_down=target.off_is_down)
    coverage = Fraction(_covered(found, target), found.all_seconds)
    if not coverage:
        return Finding(None, unseen, coverage, None, _nothing_measured(name))
    grade: Grade = "proven" if met and _every_week(span, found, target) else "observed"
    since = None if met else _since(span, found, case, met)
    said = _availability_said(name, found, coverage, case, met, up)
    if raw.off_seconds and met is not True:
        said = _with_off(said, Fraction(raw.off_seconds, raw.all_seconds))
    return Finding(met, grade, coverage, since, said)


def _with_off_settled(found: Availability, target: Target) -> Availability:
    """Off that is left out is not known either: else a gateway left unplugged would prove the line by one good hour."""
    if target.off_is_down:
        return found
    return Availability(found.up_seconds, found.down_seconds, 0, found.unknown_seconds + found.off_seconds)


def _covered(found: Availability, target: Target) -> int:
    return found.up_seconds + found.down_seconds + (found.off_seconds if target.off_is_down else 0)


def _every_week(span: Span, found: Availability, target: Target) -> bool:
    """Weeks are counted back from the window's end; what is left over at its beginning counts as one too."""
    ends = range(span.end, span.first, -WEEK_MINUTES)
    weeks = [span._replace(first=max(span.first, end - WEEK_MINUTES), end=end) for end in ends]
    return (len(weeks) == 1 and _enough(found, target)) or all(_week_is_covered(week, found, target) for week in weeks)


def _enough(found: Availability, target: Target) -> bool:
    return _covered(found, target) >= target.min_coverage * found.all_seconds


def _week_is_covered(week: Span, window: Availability, target: Target) -> bool:
    """Minutes are read only where neither the window, its months nor the whole days in the week tell it."""
    asked = (week.first, week.end, week.clock)
    every = week.measured.all_seconds(*asked)
    allowed = floor((1 - target.min_coverage) * every)
    wider = (lambda: window), partial(week.measured.around, *asked), partial(week.measured.days_around, *asked)
    for told in (one() for one in wider):  # though all that is missing there were missing in this week
        if told is not None and told.all_seconds - _covered(told, target) <= allowed:
            return True
    if _covered(week.measured.at_hand(*asked), target) >= target.min_coverage * every:
        return True
    return _enough(week.seconds(), target)


def _since(span: Span, found: Availability, case: Case, met: bool | None) -> int:
    """Missed: the beginning of the outage that used up what the target allows. Unknown: of the gap that did."""
    target, share = case.target, case.condition.at_least
    assert share is not None
    if met is False:
        allowed = (1 - share) * _covered(found, target)
        over = end_of_allowance(span, floor(allowed), lambda part: _covered(part, target) - part.up_seconds)
        full = last_of(span._replace(end=over), [UP_FULL], lambda part: part.up_seconds)
        start = span.first if full is None else full + 1
        codes = [*range(UP_FULL), *([OFF] if target.off_is_down else [])]
        down = first_of(span._replace(first=start), codes, lambda part: _covered(part, target) - part.up_seconds)
        return start if down is None else down
    allowed = (1 - target.min_coverage) * found.all_seconds
    over = end_of_allowance(span, floor(allowed), lambda part: part.all_seconds - _covered(part, target))
    codes = [*range(UP_FULL + 1), *([OFF] if target.off_is_down else [])]
    known = last_of(span._replace(end=over), codes, lambda part: _covered(part, target))
    return span.first if known is None else known + 1


def _availability_said(
    name: Said, found: Availability, coverage: Fraction, case: Case, met: bool | None, up: Said
) -> Said:
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
            f" phần đã đo {up.vi} {seen.vi}, cần {need.vi}",
            f"{name.en}: not enough data, {part.en} of {days[1]} measured (needs {asked.en});"
            f" of that {up.en} {seen.en}, needs {need.en}",
        )
    vi, en = ("đạt", "reaches") if met else ("thấp hơn", "is below")
    return Said(
        f"{name.vi}: {up.vi} {seen.vi} thời gian, {vi} mức cần {need.vi}; đo được {part.vi} của {days[0]}",
        f"{name.en}: {up.en} {seen.en} of the time, which {en} the {need.en} needed; {part.en} of {days[1]} measured",
    )


def _with_off(said: Said, share: Fraction) -> Said:
    off = Said(*_percents(share))
    return Said(
        f"{said.vi}; thiết bị cổng mất điện hoặc tắt {off.vi} thời gian",
        f"{said.en}; the gateway was without power or off for {off.en} of the time",
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
