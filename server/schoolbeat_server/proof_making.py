"""Makes the digests of days that are over, a site a turn, and once a day the digest of digests that leaves us."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import issued, kept_days, proof, schema, summaries
from schoolbeat_server.database import get_meta, set_meta, writing
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import SchoolCalendar, date_of, day_of, first_minute_of

log = logging.getLogger(__name__)

HOUR_OF_DAY: Final = 4  # in Viet Nam: by then what is usually late has come
CALM_MS: Final = 30_000  # no report of days before for so long: the backlog of a server's first day is in
TOLD_HOURS: Final = 6  # an agent is told the newest proof again after so long: an ack may be lost

_NEXT_DAY = "digested_to"  # the first local day without digests


class Proofs:
    """What ingest must know of it: which minutes are late, and which proof an agent has not been told yet."""

    def __init__(self) -> None:
        self.late_before = 0  # minutes before it belong to days that have digests, or get them now
        self.today_from = 0  # the first minute of today
        self.backlog = 0  # reports of days before today, since we run
        self.newest: tuple[int, bytes] | None = None
        self._told: dict[tuple[str, str], tuple[int, int]] = {}

    def load(self, connection: Connection) -> None:
        said = get_meta(connection, _NEXT_DAY)
        self.late_before = max(self.late_before, first_minute_of(int(said)) if said is not None else 0)
        self.newest = proof.newest_proof(connection)

    def note(self, connection: Connection, site: str, minutes: Sequence[int]) -> None:
        """Minutes were placed; those of days over make their days due for a revision."""
        if minutes[0] < self.today_from:
            self.backlog += 1
        if minutes[0] < self.late_before:
            self._touch(connection, site, {day_of(minute) for minute in minutes if minute < self.late_before})

    def note_off(self, connection: Connection, site: str, off: Iterable[tuple[int, int]]) -> None:
        """(first minute, count) of minutes that an agent was off: they change what is known of days over."""
        days = {
            day
            for first, count in off
            for day in range(day_of(first), day_of(min(first + count, self.late_before) - 1) + 1)
            if first < self.late_before
        }
        if days:
            self._touch(connection, site, days)

    def _touch(self, connection: Connection, site: str, days: set[int]) -> None:
        touched = insert(schema.day_touched).on_conflict_do_nothing()
        connection.execute(touched, [{"site": site, "day": day} for day in sorted(days)])

    def to_tell(self, key: tuple[str, str], now_ms: int, *, asked: bool) -> tuple[str, str]:
        """(ISO day, hex) for an ack to the agent (site, name); empty when it was told lately and did not ask."""
        if self.newest is None:
            return "", ""
        day, digest = self.newest
        turn = (day, now_ms // (TOLD_HOURS * 3_600_000))
        if not asked and self._told.get(key) == turn:
            return "", ""
        self._told[key] = turn
        return date_of(day).isoformat(), digest.hex()


class ProofMaking:
    """In steps, by the heart. What is made is a function of what is stored, so a restart simply begins anew."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        layouts: Layouts,
        proofs: Proofs,
        calendar: Callable[[], SchoolCalendar] = SchoolCalendar,
    ) -> None:
        self.engine, self.ledger, self.layouts, self.proofs, self.calendar = engine, ledger, layouts, proofs, calendar
        self.next_day: int | None = None
        self.today = 0
        self.backlog = (0, 0)  # what of it was seen, and since when it is no more
        self.due: list[tuple[str, int]] | None = None  # taken from the end
        self.recount: list[tuple[str, int]] = []  # only summaries: the calendar is another one now

    @property
    def busy(self) -> bool:
        return self.due is not None

    def look(self, now_ms: int) -> None:
        """Begins when it is time to."""
        minute = now_ms // 60_000
        today = day_of(minute)
        self.proofs.today_from = first_minute_of(today)
        if self.busy or minute < first_minute_of(today) + HOUR_OF_DAY * 60:
            return
        if self.next_day == today and not self._first_backlog_is_in(now_ms):
            return
        with self.engine.connect() as connection:
            said = get_meta(connection, _NEXT_DAY)
            self.next_day = int(said) if said is not None else _first_day(connection, today)
            if self.next_day >= today:
                return
            table = schema.agent.c
            sites = sorted(connection.scalars(select(table.site).distinct()))
            touched = schema.day_touched.c
            late = connection.execute(select(touched.site, touched.day).where(touched.day < self.next_day)).all()
            self.recount = summaries.to_count_again(connection, self.calendar(), self.next_day)
        self.today = today
        self.proofs.late_before = max(self.proofs.late_before, first_minute_of(today))
        days = [(site, day) for day in range(self.next_day, today) for site in sites]
        self.due = list(reversed([*sorted(map(tuple, late), key=lambda one: one[::-1]), *days]))

    def _first_backlog_is_in(self, now_ms: int) -> bool:
        """There is no digest yet, and agents that are older than this server have sent their days before: those need
        not wait for the night. Once there are digests, what is late waits."""
        if self.proofs.late_before or not self.proofs.backlog:
            return False
        if self.backlog[0] != self.proofs.backlog:
            self.backlog = self.proofs.backlog, now_ms
        return now_ms - self.backlog[1] >= CALM_MS

    def step(self, last_report: int, now_ms: int) -> None:
        """One site's day. last_report: report.id up to which everything is committed."""
        assert self.due is not None
        try:
            if self.due:
                site, day = self.due[-1]
                self._make_day(site, day, last_report, now_ms)
                self.due.pop()
                return
            if self.recount:
                with writing(self.engine) as connection:
                    summaries.make_day(connection, self.ledger, self.calendar(), *self.recount[-1])
                self.recount.pop()
                return
            with writing(self.engine) as connection:
                set_meta(connection, _NEXT_DAY, str(self.today))
                proof.make_proof(connection, self.today, now_ms)
                self.proofs.load(connection)
            self.next_day = self.today
        except SQLAlchemyError as error:
            log.warning("digests wait: %s", error)
            self.next_day = None
        self.due = None

    def _make_day(self, site: str, day: int, last_report: int, now_ms: int) -> None:
        """The site's day as it is known now: its digest, if the newest revision says something else, its sums, and
        its kept readings."""
        with self.engine.connect() as connection:
            due = proof.draft(connection, self.layouts, self.ledger, site, day, last_report)
        if due is not None and due.why == "unexplained":
            told = date_of(day).isoformat()
            log.error("the stored day %s of %s was changed, and not by reports: `schoolbeat-server verify`", told, site)
        touched = schema.day_touched.c
        with writing(self.engine) as connection:
            if due is not None:
                proof.write(connection, due, now_ms)
            summaries.make_day(connection, self.ledger, self.calendar(), site, day)
            if kept_days.make_day(connection, self.layouts, site, day, last_report):
                issued.touch(connection, [(site, first_minute_of(day), first_minute_of(day + 1), "late")], now_ms)
            connection.execute(delete(schema.day_touched).where(touched.site == site, touched.day == day))


def _first_day(connection: Connection, today: int) -> int:
    """Where digests begin on a server that never made one."""
    first = connection.scalar(select(func.min(schema.report.c.first_minute)))
    return min(day_of(first), today) if first is not None else today


def deletable_before(connection: Connection) -> int:
    """Reports of minutes from here on are needed for a digest yet to be made."""
    said = get_meta(connection, _NEXT_DAY)
    return first_minute_of(int(said)) if said is not None else 0
