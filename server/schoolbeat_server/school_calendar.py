"""The school calendar: which minutes are lessons at a site, from rules of province, area, school and site; pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final, Literal, NamedTuple, get_args

from schoolbeat_wire import bounds, messages
from schoolbeat_wire.catalogue import UP_FULL
from schoolbeat_wire.hours import DAY_MINUTES, THURSDAY, UTC_OFFSET_MINUTES

Level = Literal["province", "area", "school", "site"]
Kind = Literal["week", "holiday", "closed", "open", "exam", "default"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
EPOCH: Final = date(1970, 1, 1).toordinal()
LAST_DAY: Final = date.max.toordinal() - EPOCH  # of rules without an end
TOLD_EXAM_DAYS: Final = 60  # ahead, told to agents


@dataclass(frozen=True)
class LessonHours:
    """The province's week as server.toml has it: holds before the first day that any calendar of a site speaks of. On
    a running server its rules, with days, are in the database: calendar_default.py.

    Empty: nobody told it, so nothing is asked for in lessons.
    """

    week: tuple[messages.Lesson, ...] = ()
    exam_days: tuple[str, ...] = ()


class LessonTime(NamedTuple):
    """Minutes of the day in Viet Nam's time, [first, end)."""

    first: int
    end: int
    shift: str = ""


@dataclass(frozen=True)
class Rule:
    """One sentence of a calendar, for the local days [first_day, end_day), counted since 1970.

    week: lessons on those weekdays (0 Monday). holiday, closed: no lessons, or none that begins in `hours` (minutes
    of the day). open: lessons all the same: those named, else the timetable of as_weekday, else of the day itself;
    outside all periods that of the last one. exam: no speed tests; whether there are lessons the other rules
    say. default: lessons on those weekdays where no calendar speaks yet. place: "" for the province.
    """

    level: Level
    place: str
    kind: Kind
    first_day: int
    end_day: int
    weekdays: tuple[int, ...] = ()
    lessons: tuple[LessonTime, ...] = ()
    as_weekday: int | None = None
    hours: tuple[int, int] | None = None
    why: str = ""


class Place(NamedTuple):
    """A site with all it lies in. areas: from the province down to the commune."""

    site: str
    school: str
    areas: tuple[str, ...] = ()

    def chain(self) -> Iterator[tuple[Level, str]]:
        """From the farthest to the nearest."""
        yield "province", ""
        for area in self.areas:
            yield "area", area
        yield "school", self.school
        yield "site", self.site


class Day(NamedTuple):
    """lessons: ascending. why: of the exception that decided, if one did."""

    lessons: tuple[LessonTime, ...]
    exam: bool
    why: str


def day_of(minute: int) -> int:
    """The local day of a minute since 1970 UTC."""
    return (minute + UTC_OFFSET_MINUTES) // DAY_MINUTES


def first_minute_of(day: int) -> int:
    return day * DAY_MINUTES - UTC_OFFSET_MINUTES


def day_number(day: date) -> int:
    return day.toordinal() - EPOCH


def date_of(day: int) -> date:
    return date.fromordinal(day + EPOCH)


def weekday_of(day: int) -> int:
    """0 Monday to 6 Sunday."""
    return (day + THURSDAY) % 7


@dataclass(frozen=True)
class _Rules:
    """Those of one place: weeks, and the exceptions and exams of each day."""

    weeks: tuple[Rule, ...]
    exceptions: Mapping[int, tuple[Rule, ...]]
    exams: frozenset[int]
    first_day: int


class PlaceCalendar:
    """What the calendar says at one place; places under the same rules share one. Days once seen are remembered."""

    def __init__(
        self, levels: tuple[_Rules, ...] = (), default: LessonHours = LessonHours(), defaults: tuple[Rule, ...] = ()
    ) -> None:
        """defaults: rules that stand for default.week, if there are any."""
        self._levels, self._default, self._defaults = levels, default, defaults
        self._weeks = [level for level in reversed(levels) if level.weeks]  # the nearest first
        self._first_day = min((level.first_day for level in self._weeks), default=None)
        self._days: dict[int, Day] = {}
        self._told: tuple[int, LessonHours] | None = None

    @property
    def says_nothing(self) -> bool:
        return not self._weeks and not self._defaults and not self._default.week

    def day(self, day: int) -> Day:
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = _one_of_many(self._find(day))
        return found

    def _find(self, day: int) -> Day:
        """The timetable of the nearest place that has one; then what each place decides of the day, nearest last."""
        lessons, why = self._timetable(day, weekday_of(day)), ""
        for level in self._levels:
            for rule in level.exceptions.get(day, ()):
                lessons, why = self._excepted(rule, day, lessons), rule.why
        exam = any(day in level.exams for level in self._levels) or date_of(day).isoformat() in self._default.exam_days
        return Day(_apart(lessons), exam, why)

    def _timetable(self, day: int, weekday: int) -> tuple[LessonTime, ...]:
        if self._first_day is None or day < self._first_day:
            return self._by_default(day, weekday)
        for level in self._weeks:
            now = [rule for rule in level.weeks if rule.first_day <= day < rule.end_day]
            if now:
                return tuple(sorted(one for rule in now if weekday in rule.weekdays for one in rule.lessons))
        return ()

    def _by_default(self, day: int, weekday: int) -> tuple[LessonTime, ...]:
        if self._defaults:
            now = (rule for rule in self._defaults if rule.first_day <= day < rule.end_day)
            return tuple(sorted(one for rule in now if weekday in rule.weekdays for one in rule.lessons))
        return tuple(sorted(LessonTime(one.first, one.end) for one in self._default.week if one.weekday == weekday))

    def _last_timetable(self, day: int, weekday: int) -> tuple[LessonTime, ...]:
        """Of the period that ended last before the day: lessons made up for after the school year are as in it."""
        if any(rule.first_day <= day < rule.end_day for level in self._weeks for rule in level.weeks):
            return ()  # a period holds, and its weekday has no lessons
        for level in self._weeks:
            over = [rule for rule in level.weeks if rule.end_day <= day]
            if over:
                last = max(rule.end_day for rule in over)
                now = [rule for rule in over if rule.end_day == last and weekday in rule.weekdays]
                return tuple(sorted(one for rule in now for one in rule.lessons))
        return ()

    def _excepted(self, rule: Rule, day: int, lessons: tuple[LessonTime, ...]) -> tuple[LessonTime, ...]:
        if rule.kind == "open":
            weekday = weekday_of(day) if rule.as_weekday is None else rule.as_weekday
            return rule.lessons or self._timetable(day, weekday) or self._last_timetable(day, weekday)
        if rule.hours is None:
            return ()
        return tuple(one for one in lessons if not rule.hours[0] <= one.first < rule.hours[1])

    def minutes(self, first_minute: int, end_minute: int) -> bytes:
        """1 for each minute of a lesson, 0 for others."""
        if end_minute <= first_minute:
            return b""
        start = day_of(first_minute)
        masks = b"".join(_mask(self.day(day).lessons) for day in range(start, day_of(end_minute - 1) + 1))
        skip = first_minute - first_minute_of(start)
        return masks[skip : skip + end_minute - first_minute]

    def is_lesson(self, minute: int) -> bool:
        day, at = divmod(minute + UTC_OFFSET_MINUTES, DAY_MINUTES)
        return bool(_mask(self.day(day).lessons)[at])

    def is_exam_day(self, minute: int) -> bool:
        return self.day(day_of(minute)).exam

    def lesson_at(self, minute: int) -> int | None:
        """The first minute of the lesson that the minute lies in."""
        day, at = divmod(minute + UTC_OFFSET_MINUTES, DAY_MINUTES)
        first = next((one.first for one in self.day(day).lessons if one.first <= at < one.end), None)
        return None if first is None else first_minute_of(day) + first

    def lesson_starts(self, first_minute: int, end_minute: int) -> Iterator[int]:
        """The first minute of each lesson that begins in the window."""
        for day in range(day_of(first_minute), day_of(max(first_minute, end_minute - 1)) + 1):
            for lesson in self.day(day).lessons:
                minute = first_minute_of(day) + lesson.first
                if first_minute <= minute < end_minute:
                    yield minute

    def told(self, minute: int) -> LessonHours:
        """What an agent is told, who knows a week and exam days only: the seven days from now as they really are."""
        today = day_of(minute)
        if self._told is None or self._told[0] != today:
            self._told = (today, self._to_tell(today))
        return self._told[1]

    def _to_tell(self, today: int) -> LessonHours:
        week = (
            messages.Lesson(weekday_of(day), one.first, one.end)
            for day in range(today, today + 7)
            for one in joined(self.day(day).lessons)
        )
        exams = [date_of(day).isoformat() for day in range(today, today + TOLD_EXAM_DAYS) if self.day(day).exam]
        later = [day for day in self._default.exam_days if day not in exams]
        lessons = sorted(week, key=lambda one: (one.weekday, one.first))
        return LessonHours(tuple(lessons[: bounds.LESSONS]), tuple(sorted([*exams, *later])[: bounds.EXAM_DAYS]))


class MovedCalendar(PlaceCalendar):
    """Of a site that was elsewhere before: each day is that of the place where it was then."""

    def __init__(self, spans: tuple[tuple[int, PlaceCalendar], ...], default: LessonHours) -> None:
        """spans: from which day on it is where; the first one also before."""
        super().__init__((), default)
        self._spans = spans

    @property
    def says_nothing(self) -> bool:
        return all(calendar.says_nothing for _, calendar in self._spans)

    def _find(self, day: int) -> Day:
        place = bisect_right(self._spans, day, key=lambda span: span[0])
        return self._spans[max(0, place - 1)][1].day(day)


def joined(lessons: Iterable[LessonTime]) -> list[LessonTime]:
    """Lessons that follow each other without a break, as one."""
    out: list[LessonTime] = []
    for one in lessons:
        if out and one.first <= out[-1].end:
            out[-1] = LessonTime(out[-1].first, max(out[-1].end, one.end), out[-1].shift)
        else:
            out.append(one)
    return out


def _apart(lessons: tuple[LessonTime, ...]) -> tuple[LessonTime, ...]:
    """Lessons that overlap, as one: two documents may have said the same hours."""
    out: list[LessonTime] = []
    for one in lessons:
        if out and one.first < out[-1].end:
            out[-1] = out[-1]._replace(end=max(out[-1].end, one.end))
        else:
            out.append(one)
    return tuple(out)


@lru_cache(maxsize=4_096)
def _one_of_many(day: Day) -> Day:
    """The first that was equal: a province's year has few different days, and each is kept once."""
    return day


@lru_cache(maxsize=4_096)
def _mask(lessons: tuple[LessonTime, ...]) -> bytes:
    """A local day's."""
    out = bytearray(DAY_MINUTES)
    for one in lessons:
        out[one.first : one.end] = b"\x01" * (one.end - one.first)
    return bytes(out)


# ---- all places --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SchoolCalendar:
    """Rules of all places, and where each site lies. default: server.toml's word. revision: its last change. moves: of
    sites that were elsewhere before, from which day on they are where."""

    rules: tuple[Rule, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    default: LessonHours = LessonHours()
    revision: int = 0
    moves: Mapping[str, tuple[tuple[int, Place], ...]] = field(default_factory=dict)
    _defaults: list[Rule] = field(default_factory=list, init=False, compare=False)
    _moved: dict[tuple[tuple[int, PlaceCalendar], ...], MovedCalendar] = field(
        default_factory=dict, init=False, compare=False
    )
    _levels: dict[tuple[Level, str], _Rules] = field(default_factory=dict, init=False, compare=False)
    _made: dict[tuple[tuple[Level, str], ...], PlaceCalendar] = field(default_factory=dict, init=False, compare=False)

    def __post_init__(self) -> None:
        by_place: dict[tuple[Level, str], list[Rule]] = {}
        for rule in self.rules:
            if rule.kind == "default":
                self._defaults.append(rule)
            else:
                by_place.setdefault((rule.level, rule.place), []).append(rule)
        self._levels.update({place: _sorted_out(rules) for place, rules in by_place.items()})

    def read(self, site: str, first_minute: int, end_minute: int) -> bytes | None:
        """As verdicts ask (evidence.LessonReader)."""
        found = self.of_site(site)
        return None if found.says_nothing else found.minutes(first_minute, end_minute)

    def of_site(self, site: str) -> PlaceCalendar:
        spans = self.moves.get(site)
        if not spans:
            return self.of(self.places.get(site, Place(site, "")))
        key = tuple((day, self.of(place)) for day, place in spans)
        found = self._moved.get(key)
        if found is None:
            found = self._moved[key] = MovedCalendar(key, self.default)
        return found

    def of(self, place: Place) -> PlaceCalendar:
        key = tuple(one for one in place.chain() if one in self._levels)
        found = self._made.get(key)
        if found is None:
            found = self._made[key] = PlaceCalendar(
                tuple(self._levels[one] for one in key), self.default, tuple(self._defaults)
            )
        return found


def lesson_minutes(calendar: SchoolCalendar, place: Place, first_minute: int, end_minute: int) -> bytes:
    """1 for each minute since 1970 UTC in [first_minute, end_minute) that is a lesson at the place, 0 for others."""
    return calendar.of(place).minutes(first_minute, end_minute)


_IN_ORDER: Final = {"holiday": 0, "closed": 1, "open": 2}  # at one place the later decides


def _sorted_out(rules: Iterable[Rule]) -> _Rules:
    weeks: list[Rule] = []
    exams: set[int] = set()
    exceptions: dict[int, list[Rule]] = {}
    for rule in rules:
        days = range(rule.first_day, rule.end_day)
        if rule.kind == "week":
            weeks.append(rule)
        elif rule.kind == "exam":
            exams.update(days)
        else:
            for day in days:
                exceptions.setdefault(day, []).append(rule)
    return _Rules(
        tuple(weeks),
        {day: tuple(sorted(found, key=_decides)) for day, found in exceptions.items()},
        frozenset(exams),
        min((rule.first_day for rule in weeks), default=0),
    )


def _decides(rule: Rule) -> tuple[object, ...]:
    """An order that does not hang on the order of loading."""
    lessons = tuple(tuple(one) for one in rule.lessons)
    return (
        _IN_ORDER[rule.kind],
        rule.first_day,
        rule.end_day,
        rule.hours or (0, 0),
        lessons,
        rule.as_weekday or 0,
        rule.why,
    )


# ---- what follows ------------------------------------------------------------------------------------------


def lessons_touched(calendar: PlaceCalendar, codes: bytes, first_minute: int) -> int:
    """How many lessons hold a minute with a down second. codes: a ledger row whose first byte is first_minute."""
    first_day, last_day = day_of(first_minute), day_of(first_minute + len(codes) - 1)
    count = 0
    for day in range(first_day, last_day + 1 if codes else first_day):
        midnight = first_minute_of(day) - first_minute
        for one in calendar.day(day).lessons:
            low, high = max(0, midnight + one.first), max(0, midnight + one.end)
            count += any(code < UP_FULL for code in codes[low:high])
    return count


def changed_days(before: PlaceCalendar, after: PlaceCalendar, first_day: int, end_day: int) -> list[tuple[int, int]]:
    """Runs [first, end) of local days whose lessons differ."""
    out: list[tuple[int, int]] = []
    if before is after:
        return out
    for day in range(first_day, end_day):
        if _times(before.day(day)) != _times(after.day(day)):
            if out and out[-1][1] == day:
                out[-1] = (out[-1][0], day + 1)
            else:
                out.append((day, day + 1))
    return out


def _times(day: Day) -> list[tuple[int, int]]:
    return [(one.first, one.end) for one in day.lessons]
