"""Calendar files: YAML as people here write it -> rules, or every fault with line, key and what is allowed; pure."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final, NamedTuple

from schoolbeat_server import yaml_text
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import LessonTime, Level, Rule, day_number
from schoolbeat_wire.hours import DAY_MINUTES

MOST_BYTES: Final = 2 * 1024 * 1024
MOST_RULES: Final = 50_000
MOST_FAULTS: Final = 200
MOST_DAYS: Final = 800  # of one period
MOST_LESSONS: Final = 30  # of one shift
FIRST_YEAR, LAST_YEAR = 2000, 2100

DaysOff = Callable[[date, date], Mapping[date, str]]
"""(first, last) -> the national days off among them, with names."""

# Every key has two spellings; the first is the one that errors and documents use.
_TOP: Final = {"calendar": ("lịch", "calendar"), "shifts": ("ca", "shifts"), "places": ("nơi", "places")}
_PLACE: Final = {
    "place": ("nơi", "place"),
    "week": ("tuần", "week"),
    "holidays": ("nghỉ lễ", "holidays"),
    "closed": ("nghỉ", "closed"),
    "open": ("học bù", "open"),
    "exams": ("thi", "exams"),
}
_FROM_TO: Final = {"from": ("từ", "from"), "to": ("đến", "to")}
_ITEMS: Final = {
    "week": {**_FROM_TO, "days": ("thứ", "days"), "shifts": ("ca", "shifts")},
    "closed": {**_FROM_TO, "day": ("ngày", "day"), "hours": ("giờ", "hours"), "why": ("vì", "why")},
    "open": {
        **_FROM_TO,
        "day": ("ngày", "day"),
        "as": ("như thứ", "as"),
        "shifts": ("ca", "shifts"),
        "why": ("vì", "why"),
    },
    "exams": {**_FROM_TO, "day": ("ngày", "day"), "why": ("vì", "why")},
}
_LEVELS: Final[dict[str, Level]] = {
    **dict.fromkeys(("tỉnh", "thành phố", "province"), "province"),
    **dict.fromkeys(("địa bàn", "xã", "phường", "huyện", "area"), "area"),
    **dict.fromkeys(("trường", "school"), "school"),
    **dict.fromkeys(("điểm trường", "site"), "site"),
}
_PLACE_WRITTEN: Final = Said(
    "viết: tỉnh | xã MÃ | trường MÃ | điểm trường MÃ", "write: province | area ID | school ID | site ID"
)
_DATE_WRITTEN: Final = Said("viết ngày như 05/09/2026 hoặc 2026-09-05", "write a date as 05/09/2026 or 2026-09-05")
_HOURS = re.compile(r"([01]?\d|2[0-4])[:hg]([0-5]\d)\s*[-–]\s*([01]?\d|2[0-4])[:hg]([0-5]\d)")
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})|(\d{4})-(\d{2})-(\d{2})")
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class CalendarFault(NamedTuple):
    """line 0: the file as a whole. key: as in 'nơi 2, tuần 1, từ'."""

    file: str
    line: int
    key: str
    value: str | None
    said: Said

    def text(self, language: str) -> str:
        line, key = ("line", "key") if language == "en" else ("dòng", "khóa")
        where = self.file + (f", {line} {self.line}" if self.line else "") + (f", {key} {self.key}" if self.key else "")
        shown = "" if self.value is None else f" {self.value[:80]!r}:"
        return f"{where}:{shown} {self.said.to(language)}"


class CalendarError(ValueError):
    """The calendar cannot be used; nothing of it was stored. Every fault is listed."""

    def __init__(self, faults: list[CalendarFault]) -> None:
        super().__init__("\n".join(fault.text("vi") for fault in faults))
        self.faults = faults

    def text(self, language: str) -> str:
        return "\n".join(fault.text(language) for fault in self.faults)


@dataclass(frozen=True)
class Document:
    """places: the places that are named, each with its line and how it was written."""

    id: str
    rules: frozenset[Rule]
    places: tuple[tuple[Level, str, int, str], ...]


def read(text: str, file: str, days_off: DaysOff) -> Document:
    """Raises CalendarError with every fault."""
    if len(text.encode()) > MOST_BYTES:
        said = Said(f"lớn hơn {MOST_BYTES >> 20} MiB: hãy chia nhỏ", f"larger than {MOST_BYTES >> 20} MiB: split it")
        raise CalendarError([CalendarFault(file, 0, "", None, said)])
    try:
        found, lines = yaml_text.parse(unicodedata.normalize("NFC", text))
    except yaml_text.YamlError as error:
        raise CalendarError([CalendarFault(file, error.line, "", None, Said(error.vi, error.en))]) from None
    reader = _Reader(file, lines, days_off)
    document = reader.document(found)
    if reader.faults or document is None:
        raise CalendarError(sorted(reader.faults, key=lambda fault: fault.line)[:MOST_FAULTS])
    return document


Steps = tuple[str | int, ...]


@dataclass
class _Reader:
    """Goes on after a fault, so that all of them are told at once."""

    file: str
    lines: Mapping[yaml_text.Path, int]
    days_off: DaysOff
    faults: list[CalendarFault] = field(default_factory=list)
    shifts: dict[str, tuple[LessonTime, ...]] = field(default_factory=dict)

    def fault(self, path: Steps, value: object, vi: str, en: str) -> None:
        shown = None if value is None or isinstance(value, dict | list) else str(value)
        self.faults.append(CalendarFault(self.file, self._line(path), _key(path), shown, Said(vi, en)))

    def _line(self, path: Steps) -> int:
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 0)

    # ---- the whole -----------------------------------------------------------------------------------------

    def document(self, found: Any) -> Document | None:
        top = self._mapping((), found, _TOP, required=("calendar", "places"))
        if top is None:
            return None
        path, ident = top.get("calendar", ((), ""))
        if not isinstance(ident, str) or not _ID.fullmatch(ident):
            self.fault(path, ident, "mã lịch: chữ thường a-z, số, gạch nối", "a calendar's id: a-z, digits, hyphens")
        self._read_shifts(*top.get("shifts", ((), None)))
        rules: list[Rule] = []
        places: list[tuple[Level, str, int, str]] = []
        for at, entry in self._list(*top.get("places", ((), None))):
            self._place(at, entry, rules, places)
        if len(rules) > MOST_RULES:
            self.fault((), None, f"quá {MOST_RULES} quy định", f"more than {MOST_RULES} rules")
        return Document(str(ident), frozenset(rules), tuple(places))

    def _read_shifts(self, path: Steps, found: Any) -> None:
        if found is None:
            return
        if not isinstance(found, dict):
            self.fault(path, found, "cần 'tên ca: [07:00-07:45, …]'", "expected 'shift: [07:00-07:45, …]'")
            return
        for name, hours in found.items():
            key = _folded(name)
            lessons = [one for at, text in self._list((*path, name), hours) if (one := self._lesson(at, text, key))]
            if len(lessons) > MOST_LESSONS:
                self.fault((*path, name), None, f"quá {MOST_LESSONS} tiết", f"more than {MOST_LESSONS} lessons")
            self._apart((*path, name), lessons)
            self.shifts[key] = tuple(sorted(lessons))

    def _lesson(self, path: Steps, text: Any, shift: str) -> LessonTime | None:
        hours = self._hours(path, text)
        return None if hours is None else LessonTime(*hours, shift)

    def _hours(self, path: Steps, text: Any) -> tuple[int, int] | None:
        found = _HOURS.fullmatch(text.strip()) if isinstance(text, str) else None
        if found:
            hour, minute, end_hour, end_minute = (int(part) for part in found.groups())
            first, end = hour * 60 + minute, end_hour * 60 + end_minute
            if first < end <= DAY_MINUTES:
                return first, end
        self.fault(
            path, text, "viết giờ như 07:00-07:45, giờ sau muộn hơn", "write hours as 07:00-07:45, the end later"
        )
        return None

    def _apart(self, path: Steps, lessons: Iterable[LessonTime]) -> None:
        ordered = sorted(lessons)
        for one, other in itertools.pairwise(ordered):
            if other.first < one.end:
                shown = f"{_clock(one.first)}-{_clock(one.end)}, {_clock(other.first)}-{_clock(other.end)}"
                self.fault(path, shown, "hai tiết trùng giờ nhau", "two lessons overlap")

    # ---- one place -----------------------------------------------------------------------------------------

    def _place(self, path: Steps, entry: Any, rules: list[Rule], places: list[tuple[Level, str, int, str]]) -> None:
        found = self._mapping(path, entry, _PLACE, required=("place",))
        if found is None or "place" not in found:
            return
        place = self._where(*found["place"])
        if place is None:
            return
        level, ident = place
        if (level, ident) in {(one[0], one[1]) for one in places}:
            self.fault(found["place"][0], found["place"][1], "nơi này đã ghi ở trên", "this place stands above already")
        places.append((level, ident, self._line(found["place"][0]), str(found["place"][1])))
        mine: list[Rule] = []
        for section in ("week", "closed", "open", "exams"):
            for at, item in self._list(*found.get(section, ((), None))):
                rule = self._rule(section, at, item, level, ident)
                if rule is not None:
                    mine.append(rule)
        self._weeks_apart(path, mine)
        wanted = self._yes(*found["holidays"]) if "holidays" in found else level == "province"
        rules += mine
        rules += self._holidays(level, ident, [rule for rule in mine if rule.kind == "week"]) if wanted else []

    def _where(self, path: Steps, text: Any) -> tuple[Level, str] | None:
        words = text.strip() if isinstance(text, str) else ""
        for name in sorted(_LEVELS, key=len, reverse=True):
            if _folded(words) == name and _LEVELS[name] == "province":
                return "province", ""
            if _folded(words).startswith(name + " ") and _LEVELS[name] != "province":
                return _LEVELS[name], words[len(name) :].strip()
        self.fault(path, text, *_PLACE_WRITTEN)
        return None

    def _yes(self, path: Steps, text: Any) -> bool:
        word = _folded(text) if isinstance(text, str) else ""
        if word not in ("có", "không", "yes", "no", "true", "false"):
            self.fault(path, text, "viết: có | không", "write: yes | no")
        return word in ("có", "yes", "true")

    def _holidays(self, level: Level, place: str, weeks: list[Rule]) -> list[Rule]:
        """National days off become rules of this document, from its first school day to its last."""
        if not weeks:
            return []
        first, last = min(rule.first_day for rule in weeks), max(rule.end_day for rule in weeks) - 1
        epoch = date(1970, 1, 1)
        names = self.days_off(epoch + timedelta(days=first), epoch + timedelta(days=last))
        return [
            Rule(level, place, "holiday", day_number(day), day_number(day) + 1, why=name) for day, name in names.items()
        ]

    def _weeks_apart(self, path: Steps, rules: list[Rule]) -> None:
        weeks = [rule for rule in rules if rule.kind == "week"]
        for at, one in enumerate(weeks):
            for other in weeks[at + 1 :]:
                meet = one.first_day < other.end_day and other.first_day < one.end_day
                if meet and set(one.weekdays) & set(other.weekdays):
                    self._apart((*path, "tuần"), [*one.lessons, *other.lessons])

    # ---- one sentence --------------------------------------------------------------------------------------

    def _rule(self, section: str, path: Steps, item: Any, level: Level, place: str) -> Rule | None:
        required = ("from", "to", "days", "shifts") if section == "week" else ()
        found = self._mapping(path, item, _ITEMS[section], required=required)
        if found is None:
            return None
        days = self._period(section, path, found)
        weekdays = self._weekdays(*found["days"]) if "days" in found else ()
        lessons = self._shifts(*found["shifts"]) if "shifts" in found else ()
        hours = self._hours(*found["hours"]) if "hours" in found else None
        like = self._weekdays(*found["as"]) if "as" in found else ()
        if len(like) > 1 or (like and lessons):
            self.fault(
                found["as"][0], found["as"][1], "chỉ một thứ, và không kèm 'ca'", "one day, and without 'shifts'"
            )
        why = found["why"][1] if "why" in found else ""
        if not isinstance(why, str | None) or len(why or "") > 200:
            self.fault(found["why"][0], why, "một câu, tối đa 200 chữ", "one sentence of at most 200 characters")
            return None
        if days is None:
            return None
        kind = "exam" if section == "exams" else section
        as_weekday = like[0] if like else None
        return Rule(level, place, kind, *days, weekdays, lessons, as_weekday, hours, why or "")  # type: ignore[arg-type]

    def _period(self, section: str, path: Steps, found: Mapping[str, tuple[Steps, Any]]) -> tuple[int, int] | None:
        if ("day" in found) == bool({"from", "to"} & found.keys()) or ("from" in found) != ("to" in found):
            if section != "week":  # which lacks a required key and has been told
                self.fault(path, None, "cần 'ngày', hoặc cả 'từ' và 'đến'", "expected 'day', or both 'from' and 'to'")
            return None
        first = self._date(*found["day" if "day" in found else "from"])
        last = first if "day" in found else self._date(*found["to"])
        if first is None or last is None:
            return None
        if not 0 <= (last - first).days < MOST_DAYS:
            vi = f"'đến' phải từ ngày 'từ' trở đi, không quá {MOST_DAYS} ngày"
            self.fault(
                found["to"][0], found["to"][1], vi, f"'to' must not precede 'from', nor follow by {MOST_DAYS} days"
            )
            return None
        return day_number(first), day_number(last) + 1

    def _date(self, path: Steps, text: Any) -> date | None:
        found = _DATE.fullmatch(text.strip()) if isinstance(text, str) else None
        if found:
            day, month, year = (found[3], found[2], found[1])[::-1] if found[1] else (found[6], found[5], found[4])
            try:
                if FIRST_YEAR <= int(year) <= LAST_YEAR:
                    return date(int(year), int(month), int(day))
            except ValueError:
                self.fault(path, text, "không có ngày này trong lịch", "there is no such day")
                return None
        self.fault(path, text, *_DATE_WRITTEN)
        return None

    def _weekdays(self, path: Steps, found: Any) -> tuple[int, ...]:
        """2-7 and CN, as people count here: Monday is 2. 0 Monday to 6 Sunday comes back."""
        words = found if isinstance(found, list) else re.split(r"\s*,\s*", found.strip()) if found else []
        out: set[int] = set()
        for word in words:
            ends = [_weekday(part) for part in re.split(r"\s*[-–]\s*", str(word))]
            if len(ends) > 2 or None in ends or not ends or (ends[0] or 0) > (ends[-1] or 0):
                self.fault(path, word, "viết thứ như 2-6, hoặc 2, 4, CN", "write days as 2-6 (2: Monday), or 2, 4, CN")
                return ()
            out.update(range(ends[0] or 0, (ends[-1] or 0) + 1))
        if not out:
            self.fault(path, found, "viết thứ như 2-6, hoặc 2, 4, CN", "write days as 2-6 (2: Monday), or 2, 4, CN")
        return tuple(sorted(out))

    def _shifts(self, path: Steps, found: Any) -> tuple[LessonTime, ...]:
        names = found if isinstance(found, list) else [found]
        lessons: list[LessonTime] = []
        for name in names:
            one = self.shifts.get(_folded(name)) if isinstance(name, str) else None
            if one is None:
                known = ", ".join(self.shifts) or "–"
                self.fault(path, name, f"không có ca này; mục 'ca' có: {known}", f"no such shift; 'ca' has: {known}")
            lessons += one or ()
        if len(names) > 1:
            self._apart(path, lessons)
        return tuple(sorted(lessons))

    # ---- shapes --------------------------------------------------------------------------------------------

    def _mapping(
        self, path: Steps, found: Any, keys: Mapping[str, tuple[str, ...]], *, required: tuple[str, ...]
    ) -> dict[str, tuple[Steps, Any]] | None:
        """key -> (where it stands, value). Keys in either language."""
        allowed = ", ".join(names[0] for names in keys.values())
        if not isinstance(found, dict):
            self.fault(path, found, f"cần các khóa: {allowed}", f"expected keys: {_english(keys)}")
            return None
        known = {spelling: key for key, names in keys.items() for spelling in names}
        out: dict[str, tuple[Steps, Any]] = {}
        for written, value in found.items():
            key = known.get(_folded(written))
            if key is None:
                at = (*path, written)
                self.fault(at, None, f"không có khóa này; chỉ có: {allowed}", f"unknown; allowed: {_english(keys)}")
            elif key in out:
                self.fault((*path, written), None, "ghi hai lần bằng hai thứ tiếng", "written twice, in both languages")
            else:
                out[key] = ((*path, written), value)
        for key in required:
            if key not in out:
                self.fault(path, None, f"thiếu khóa '{keys[key][0]}'", f"key '{keys[key][1]}' is missing")
        return out

    def _list(self, path: Steps, found: Any) -> list[tuple[Steps, Any]]:
        if found is None:
            return []
        if not isinstance(found, list):
            self.fault(path, found, "phải là một danh sách", "must be a list")
            return []
        return [((*path, index), item) for index, item in enumerate(found)]


def _english(keys: Mapping[str, tuple[str, ...]]) -> str:
    return ", ".join(names[1] for names in keys.values())


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _weekday(text: str) -> int | None:
    word = text.strip().upper().removeprefix("T")
    if word == "CN":
        return 6
    return int(word) - 2 if word in tuple("234567") else None


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _key(path: Steps) -> str:
    """'nơi 2, tuần 1, từ'"""
    out: list[str] = []
    for step in path:
        if isinstance(step, int) and out:
            out[-1] += f" {step + 1}"
        else:
            out.append(str(step))
    return ", ".join(out)
