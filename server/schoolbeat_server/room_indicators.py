"""Rooms as indicators: equipped by the bill of materials, and ready when a lesson begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from schoolbeat_server.availability import Availability, shown
from schoolbeat_server.finding import Case, Finding, Grade, all3, grade_unseen, stated
from schoolbeat_server.register_values import Device, Room, RoomNeed
from schoolbeat_server.said import Said
from schoolbeat_wire.catalogue import UP_FULL, device_kind


class Lessons(NamedTuple):
    """Planned lessons of the window by whether the room was ready when they began. why: why it cannot be said."""

    ready: int
    not_ready: int
    unknown: int
    why: Said | None = None


def judge_equipped(case: Case) -> Finding:
    """By the register alone: what stands in the room, against what such a room must hold."""
    room = _room(case)
    needs = _needs(case, room)
    if not needs:
        return Finding(None, "declared", None, None, _nothing_asked(room))
    missing = [need for need in needs if len(_devices(case, room, need)) < need.count]
    grade = grade_unseen(case.facts)
    if not missing:
        said = Said(f"{room.name}: đủ thiết bị theo sổ đăng ký", f"{room.name}: equipped, by the register")
        return Finding(True, grade, None, None, _with_source(said, case))
    told = _listed(missing)
    said = Said(f"{room.name}: thiếu {told.vi}", f"{room.name}: lacks {told.en}")
    return Finding(False, grade, None, None, _with_source(said, case))


def judge_ready(case: Case) -> Finding:
    """The part of the planned lessons at whose first minute every required thing answered."""
    share, room = case.condition.at_least, _room(case)
    assert share is not None
    lessons = lessons_of(case, room)
    if lessons.why is not None:
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, lessons.why)
    found = Availability(lessons.ready, lessons.not_ready, 0, lessons.unknown)
    met = found.at_least(share, min_coverage=case.target.min_coverage, off_is_down=False)
    coverage = found.coverage
    known = lessons.ready + lessons.not_ready
    if not known:
        said = Said(f"{room.name}: chưa biết tiết nào", f"{room.name}: not one lesson is known")
        return Finding(met, grade_unseen(case.facts), coverage, None, said)
    told, need = Fraction(lessons.ready, known), stated(share)
    vi, en = shown(told, share, point=","), shown(told, share)
    said = Said(
        f"{room.name}: sẵn sàng ở {lessons.ready}/{known} tiết ({vi}), cần {need.vi}",
        f"{room.name}: ready at {lessons.ready} of {known} lessons ({en}), needs {need.en}",
    )
    grade: Grade = "proven" if met and coverage >= case.target.min_coverage else "observed"
    return Finding(met, grade, coverage, None, _with_source(said, case))


def judge_ready_rooms(case: Case) -> Finding:
    """How many rooms of the kinds named were ready at more of their lessons than not."""
    need = case.condition.at_least
    assert need is not None
    rooms = [room for room in case.facts.rooms if room.kind in case.condition.of]
    values = [_mostly_ready(lessons_of(case, room)) for room in rooms]
    ready, unknown = values.count(True), values.count(None)
    met = True if ready >= need else False if ready + unknown < need else None
    said = Said(
        f"{ready}/{len(rooms)} phòng sẵn sàng ở quá nửa số tiết, {unknown} phòng chưa biết; cần {int(need)}",
        f"{ready} of {len(rooms)} rooms ready at more than half of the lessons, {unknown} not known; needs {int(need)}",
    )
    coverage = Fraction(len(rooms) - unknown, len(rooms)) if rooms else None
    grade: Grade = "observed" if ready or (rooms and not unknown) else grade_unseen(case.facts)
    return Finding(met, grade, coverage, None, _with_source(said, case) if rooms else said)


def _mostly_ready(lessons: Lessons) -> bool | None:
    """At more lessons than not; whatever the unknown ones were, or it is not known."""
    if lessons.why is not None or lessons.ready + lessons.not_ready == 0:
        return None
    if lessons.ready > lessons.not_ready + lessons.unknown:
        return True
    return False if lessons.ready + lessons.unknown <= lessons.not_ready else None


# ---- lessons -----------------------------------------------------------------------------------------------


def lessons_of(case: Case, room: Room) -> Lessons:
    first, end = case.window
    if case.facts.lesson_starts is None:
        return Lessons(0, 0, 0, _of(room, "chưa có lịch học để tính tiết", "there is no school calendar to count by"))
    starts = tuple(minute for minute in case.facts.lesson_starts if first <= minute < end)
    needs = _needs(case, room)
    if not needs:
        return Lessons(0, 0, 0, _nothing_asked(room))
    if not starts:
        return Lessons(0, 0, 0, _of(room, "trong kỳ không có tiết nào", "no lessons in the window"))
    answers = [list(_answered(case, _devices(case, room, need), need.count, starts)) for need in needs]
    values = [all3(column) for column in zip(*answers, strict=True)]
    return Lessons(values.count(True), values.count(False), values.count(None))


def _answered(case: Case, devices: Sequence[Device], count: int, starts: tuple[int, ...]) -> Iterator[bool | None]:
    """Whether so many of the devices answered in each of the minutes. What is not registered cannot answer."""
    rows = [
        measured.at(starts) for device in devices if (measured := case.facts.measured.get(device.signal)) is not None
    ]
    blind = len(devices) - len(rows)
    for at in range(len(starts)):
        yield enough([row[at] for row in rows], count, blind)


def enough(codes: Sequence[int], count: int, blind: int = 0) -> bool | None:
    """Whether so many of the devices answered in a minute. blind: further ones of which nothing is known."""
    up = answering(codes)
    unknown = blind + sum(code > UP_FULL for code in codes)
    return True if up >= count else False if up + unknown < count else None


def answering(codes: Sequence[int]) -> int:
    return sum(0 < code <= UP_FULL for code in codes)


# ---- what a room must hold ---------------------------------------------------------------------------------


def _room(case: Case) -> Room:
    assert case.room is not None
    return case.room


def _needs(case: Case, room: Room) -> list[RoomNeed]:
    return [] if case.facts.needs is None else case.facts.needs.of(room)


def _devices(case: Case, room: Room, need: RoomNeed) -> list[Device]:
    return [one for one in case.facts.devices if one.room == room.id and one.kind == need.device_kind]


def _listed(needs: Iterable[RoomNeed]) -> Said:
    pairs = [(need.count, device_kind(need.device_kind)) for need in needs]
    vi = ", ".join(f"{count} {kind.vi.lower()}" for count, kind in pairs)
    return Said(vi, ", ".join(f"{count} {kind.en.lower()}" for count, kind in pairs))


def _nothing_asked(room: Room) -> Said:
    return _of(room, "chưa ai ghi phòng loại này cần gì", "nobody has said what such a room must hold")


def _of(room: Room, vi: str, en: str) -> Said:
    return Said(f"{room.name}: {vi}", f"{room.name}: {en}")


def _with_source(said: Said, case: Case) -> Said:
    if case.facts.needs is None or not case.facts.needs.assumed:
        return said
    return Said(f"{said.vi} (theo danh mục giả định)", f"{said.en} (by an assumed bill of materials)")
