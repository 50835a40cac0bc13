"""Calendars for people to read: what a file would change, what holds now, the days of one site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from schoolbeat_server.calendar_default import SETTINGS
from schoolbeat_server.calendar_places import REGISTER
from schoolbeat_server.calendar_rows import Change, Loaded
from schoolbeat_server.local_time import clock_and_day
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LAST_DAY, LessonTime, PlaceCalendar, Rule, date_of, joined, weekday_of

KINDS = {
    "week": Said("thời khóa biểu", "timetable"),
    "holiday": Said("nghỉ lễ", "public holiday"),
    "closed": Said("nghỉ", "closed"),
    "open": Said("học bù", "school is open"),
    "exam": Said("thi", "exams"),
    "default": Said("giờ học mặc định", "default lessons"),
}
SOURCES = {
    SETTINGS: Said("server.toml, [lessons]", "server.toml, [lessons]"),
    REGISTER: Said("sổ đăng ký: điểm trường chuyển nơi", "the register: sites that moved"),
}
LEVELS = {
    "province": Said("toàn tỉnh", "the province"),
    "area": Said("địa bàn", "area"),
    "school": Said("trường", "school"),
    "site": Said("điểm trường", "site"),
}
WEEKDAYS = ("thứ 2", "thứ 3", "thứ 4", "thứ 5", "thứ 6", "thứ 7", "CN")
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MOST = 40  # rules listed of each kind of change


def loaded_text(loaded: Loaded, language: str, *, dry_run: bool) -> str:
    name = loaded.document
    counts = Said(
        f"Lịch {name}: {len(loaded.added)} quy định mới, {len(loaded.removed)} thôi áp dụng, {loaded.kept} như cũ.",
        f"Calendar {name}: {len(loaded.added)} new rules, {len(loaded.removed)} withdrawn, {loaded.kept} as before.",
    )
    lines = [counts.to(language), *_some("+", loaded.added, language), *_some("-", loaded.removed, language)]
    if dry_run:
        lines.append(Said("Chỉ kiểm tra: chưa ghi gì.", "Only checked: nothing was written.").to(language))
    elif loaded.change is not None:
        lines.append(
            Said(
                f"Đã ghi, lần sửa {loaded.change}. Máy chủ đang chạy (hoặc lúc khởi động) sẽ tính lại các ngày đã đo.",
                f"Stored as change {loaded.change}. The server, when it runs, finds the days already measured anew.",
            ).to(language)
        )
    return "\n".join(lines)


def _some(sign: str, rules: Sequence[Rule], language: str) -> list[str]:
    lines = [f"  {sign} {rule_text(rule, language)}" for rule in rules[:MOST]]
    if len(rules) > MOST:
        more = len(rules) - MOST
        lines.append(f"  {sign} " + Said(f"… và {more} quy định nữa", f"… and {more} more").to(language))
    return lines


def rule_text(rule: Rule, language: str) -> str:
    where = LEVELS[rule.level].to(language) + (f" {rule.place}" if rule.place else "")
    parts = [f"{where}: {KINDS[rule.kind].to(language)} {_period(rule)}".rstrip()]
    if rule.weekdays:
        names = WEEKDAYS_EN if language == "en" else WEEKDAYS
        parts.append(", ".join(names[day] for day in rule.weekdays))
    if rule.lessons:
        parts.append(_times(rule.lessons))
    if rule.as_weekday is not None:
        like = Said(f"như {WEEKDAYS[rule.as_weekday]}", f"as on a {WEEKDAYS_EN[rule.as_weekday]}")
        parts.append(like.to(language))
    if rule.hours:
        hours = f"{_clock(rule.hours[0])}-{_clock(rule.hours[1])}"
        parts.append(Said(f"các tiết bắt đầu trong {hours}", f"lessons that begin in {hours}").to(language))
    return "; ".join(parts) + (f" ({rule.why})" if rule.why else "")


def _period(rule: Rule) -> str:
    first, last = date_of(rule.first_day), date_of(rule.end_day - 1)
    if rule.end_day == LAST_DAY:
        return f"{first:%d/%m/%Y} –" if rule.first_day > 0 else ""
    if rule.first_day <= 0:
        return f"– {last:%d/%m/%Y}"
    return f"{first:%d/%m/%Y}" if first == last else f"{first:%d/%m/%Y}–{last:%d/%m/%Y}"


def _times(lessons: Iterable[LessonTime]) -> str:
    return ", ".join(f"{_clock(one.first)}-{_clock(one.end)}" for one in lessons)


def source(document: str, language: str) -> str:
    """A calendar's id; or the settings, or the register."""
    return SOURCES[document].to(language) if document in SOURCES else document


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def standing_text(documents: Mapping[str, Sequence[Rule]], changes: Sequence[Change], language: str) -> str:
    if not documents:
        none = Said(
            "Chưa nạp lịch nào: giờ học theo [lessons] của server.toml.",
            "No calendar is loaded: lessons are those of [lessons] in server.toml.",
        )
        return none.to(language)
    lines: list[str] = []
    for name, rules in sorted(documents.items()):
        shown = source(name, language)
        lines.append(shown if name in SOURCES else Said(f"Lịch {name}", f"Calendar {name}").to(language))
        ordered = sorted(rules, key=lambda rule: (tuple(LEVELS).index(rule.level), rule.place, rule.first_day))
        lines += [f"  {rule_text(rule, language)}" for rule in ordered]
    lines.append(Said("Các lần sửa", "Changes").to(language))
    return "\n".join([*lines, *(f"  {change_text(change, language)}" for change in changes)])


def change_text(change: Change, language: str) -> str:
    head = f"{change.id}. {clock_and_day(change.at_ms, language)}, {change.who}, {source(change.document, language)}"
    why = f" ({change.why})" if change.why else ""
    if change.revised_ms is None:
        done = Said("chưa tính lại", "not yet found anew")
    else:
        done = Said(
            f"đã tính lại: {change.sites} điểm trường đổi giờ học đã đo, {change.outages} đoạn gián đoạn đổi",
            f"revised: {change.sites} sites with lessons changed in measured time, {change.outages} outages changed",
        )
    days = f"{change.first_day} → {change.end_day}"
    return f"{head}{why}: +{change.added} -{change.removed}, {days}; {done.to(language)}"


def days_text(calendar: PlaceCalendar, first_day: int, count: int, language: str) -> str:
    names = WEEKDAYS_EN if language == "en" else WEEKDAYS
    lines = []
    for number in range(first_day, first_day + count):
        day = calendar.day(number)
        hours = _times(joined(day.lessons)) or Said("không có tiết", "no lessons").to(language)
        exam = Said("; có thi", "; exams").to(language) if day.exam else ""
        why = f" ({day.why})" if day.why else ""
        if day.lessons:
            number_of = len(day.lessons)
            hours = Said(f"{number_of} tiết, {hours}", f"{number_of} lessons, {hours}").to(language)
        lines.append(f"{date_of(number):%d/%m/%Y} {names[weekday_of(number)]}: {hours}{exam}{why}")
    return "\n".join(lines)
