"""Fibre as an indicator: a contract for it, and time in which the school had Internet over that line and no other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from schoolbeat_server.availability import Availability
from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.finding import Case, Finding, grade_unseen, join3
from schoolbeat_server.measured import Measured, Row, Span
from schoolbeat_server.register import Device, Line
from schoolbeat_server.said import Said
from schoolbeat_server.site_indicators import NO_LINE
from schoolbeat_server.targets import Clock
from schoolbeat_wire.catalogue import OFF, UNKNOWN, UP_FULL

INTERNET = "line.internet"
MAIN = "line.main"  # up: what the school sends leaves by its main line, not by a fallback
_SUBJECT = Said("Internet qua cáp quang", "Internet over fibre")


def judge_fibre(case: Case) -> Finding:
    """Where another kind of line stands by, only minutes count in which the agent saw the main line in use. The
    grade is the contract's unless an optical terminal (ONT) of the line was seen at the site."""
    lines = case.facts.lines
    if not lines:
        return Finding(None, "declared", None, None, NO_LINE)
    main = [one for one in lines if one.role != "backup"] or list(lines)
    by_contract = join3(case.target.lines, (_is_fibre(one) for one in main))
    if not by_contract:
        return Finding(by_contract, "declared", None, None, _no_contract(by_contract))
    measured = case.facts.measured
    internet, in_use = measured.get(INTERNET), measured.get(MAIN) if MAIN in case.facts.watched else None
    if in_use is None and any(_is_fibre(one) is not True for one in lines):
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, _which_line())
    if internet is not None and in_use is not None:
        facts = replace(case.facts, measured={**measured, INTERNET: Both(internet, in_use)})
        case = case._replace(facts=facts)
    found = judge_availability(INTERNET, _SUBJECT, case)
    if any(_ont_seen(one, case) for one in main):
        return found
    return replace(found, grade="declared")


def _is_fibre(line: Line) -> bool | None:
    return None if line.technology == "unknown" else line.technology == "fibre"


def _ont_seen(line: Line, case: Case) -> bool:
    """The line's terminal, or where the register links none to it, any terminal of the site."""
    terminals = [one for one in case.facts.devices if one.kind == "ont" and line.ont in ("", one.id)]
    return _is_fibre(line) is True and any(_was_up(one, case) for one in terminals)


def _was_up(device: Device, case: Case) -> bool:
    measured = case.facts.measured.get(device.signal)
    return measured is not None and measured.seconds(*case.window, "always").up_seconds > 0


def _no_contract(by_contract: bool | None) -> Said:
    if by_contract is None:
        return Said(
            "Sổ đăng ký chưa ghi công nghệ của đường truyền", "The register does not state the line's technology"
        )
    return Said("Không có hợp đồng cáp quang", "There is no contract for fibre")


def _which_line() -> Said:
    return Said(
        "Có đường truyền khác dự phòng, và chưa biết lúc nào trường dùng cáp quang (line.main chưa được đo)",
        "Another kind of line stands by, and nothing tells when the school used the fibre (line.main is not measured)",
    )


@dataclass(frozen=True, slots=True)
class Both:
    """Up as far as both are; what is not known of one is not known."""

    one: Measured
    other: Measured

    @property
    def has_lessons(self) -> bool:
        return self.one.has_lessons

    def seconds(self, first: int, end: int, clock: Clock) -> Availability:
        for mine, its in ((self.one, self.other), (self.other, self.one)):
            found = its.seconds(first, end, clock)
            if found.up_seconds == found.all_seconds:
                return mine.seconds(first, end, clock)
        parts = Span(self, first, end, clock).by_days()
        if len(parts) <= 1:
            return self.row(first, end).seconds(first, end, clock)
        half = parts[len(parts) // 2].first
        return self.seconds(first, half, clock) + self.seconds(half, end, clock)

    def at_hand(self, first: int, end: int, clock: Clock) -> Availability:
        return self.seconds(first, end, clock)

    def around(self, first: int, end: int, clock: Clock) -> Availability | None:
        return None

    def days_around(self, first: int, end: int, clock: Clock) -> Availability | None:
        return None

    def all_seconds(self, first: int, end: int, clock: Clock) -> int:
        return self.one.all_seconds(first, end, clock)

    def row(self, first: int, end: int) -> Row:
        mine, its = self.one.row(first, end), self.other.row(first, end)
        return replace(mine, codes=bytes(map(_both, mine.codes, its.codes)))

    def at(self, minutes: tuple[int, ...]) -> bytes:
        return bytes(map(_both, self.one.at(minutes), self.other.at(minutes)))


def _both(one: int, other: int) -> int:
    """Codes above UP_FULL are no seconds. What is all down needs nothing to be known of the other."""
    low, high = min(one, other), max(one, other)
    if high <= UP_FULL or (low == 0 and high != OFF):
        return low
    return OFF if OFF in (one, other) else UNKNOWN
