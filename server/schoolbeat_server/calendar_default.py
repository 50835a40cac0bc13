"""The week of server.toml as a rule with days: a settings file that is changed changes no lesson of the past."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, func, select, update

from schoolbeat_server import calendar_rows, schema
from schoolbeat_server.calendar_places import NEVER
from schoolbeat_server.database import writing
from schoolbeat_server.school_calendar import LAST_DAY, LessonHours, LessonTime, Rule, day_of

SETTINGS: Final = "@settings"  # in the place of a calendar's id; no id begins so


def rules_of(week: LessonHours, first_day: int, end_day: int = LAST_DAY) -> list[Rule]:
    """A rule for each weekday that has lessons."""
    found = []
    for weekday in sorted({one.weekday for one in week.week}):
        lessons = tuple(sorted(LessonTime(one.first, one.end) for one in week.week if one.weekday == weekday))
        found.append(Rule("province", "", "default", first_day, end_day, (weekday,), lessons))
    return found


def keep(engine: Engine, week: LessonHours, now_ms: int) -> None:
    """At the server's start: another week than the one kept holds from today on; the first of all, before anything
    was measured, for ever."""
    today = day_of(now_ms // 60_000)
    with writing(engine) as connection:
        stored = calendar_rows.standing(connection, SETTINGS)
        now = {rule for rule in stored if rule.end_day == LAST_DAY}
        if {rule.weekdays: rule.lessons for rule in now} == {rule.weekdays: rule.lessons for rule in rules_of(week, 0)}:
            return
        measured = connection.scalar(select(func.count()).select_from(schema.latest)) or 0
        first = today if stored or measured else 0
        added = set(rules_of(week, first))
        for rule in now:
            if rule.first_day < today:
                added.add(Rule("province", "", "default", rule.first_day, today, rule.weekdays, rule.lessons))
        ids = [ident for rule in now for ident in stored[rule]]
        change = calendar_rows.write_change(
            connection, SETTINGS, added, now, who="server", why="server.toml [lessons]", now_ms=now_ms
        )
        table = schema.calendar_rule
        connection.execute(update(table).where(table.c.id.in_(ids)).values(removed=change))
        calendar_rows.add_rules(connection, SETTINGS, added, change)
        said = {"first_day": calendar_rows.iso(first), "end_day": NEVER}
        connection.execute(update(schema.calendar_change).where(schema.calendar_change.c.id == change).values(said))
