"""The judge: verdicts made anew in the background, so that no reader waits for one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import issued, schema
from schoolbeat_server.database import writing
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import SchoolCalendar, day_of, first_minute_of
from schoolbeat_server.sums import Sums, from_sums
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import Verdict, collect, judge_plan, window_of

log = logging.getLogger(__name__)

LEAST_SECONDS = 20.0  # between two judgements
LATE_MINUTES = 7  # metered lines report every 5: what is still on its way must not be unknown
SHARE = 20  # a judgement may take one part in so many of the time


class Judge:
    """`verdicts` is replaced as a whole when a judgement is done."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        plans: Sequence[Plan],
        now_ms: Callable[[], int],
        calendar: Callable[[], SchoolCalendar] = SchoolCalendar,
        *,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """knows_time: False while our own clock cannot be right; then nothing is judged."""
        self.engine, self.ledger, self.plans, self.now_ms = engine, ledger, plans, now_ms
        self.knows_time = knows_time
        self.calendar = calendar
        self.verdicts: tuple[Verdict, ...] = ()
        self.judged_ms = 0
        self.after: Callable[[], object] = lambda: None  # what pages make of new verdicts, so that no reader waits
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="judge", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(10)

    def _run(self) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            if not self.knows_time():
                self.stopping.wait(1.0)
                continue
            try:
                self.judge()
                self.after()
            except SQLAlchemyError as error:
                log.warning("verdicts wait: %s", error)
            except Exception:  # one plan gone wrong must not end the thread; the old verdicts stand with their date
                log.exception("verdicts could not be made")
            self.stopping.wait(max(LEAST_SECONDS, SHARE * (time.monotonic() - began)))

    def judge(self) -> None:
        end_minute = self.now_ms() // 60_000 - LATE_MINUTES
        with self.engine.connect() as connection, self.engine.connect() as summed:
            calendar = self.calendar()
            source = from_sums(Sums(summed, self.ledger, calendar))

            def judging(plan: Plan, end: int, sites: frozenset[str] | None) -> Sequence[Verdict]:
                return judge_plan(plan, collect(connection, source, plan, window_of(plan, end), sites, calendar))

            self.verdicts = tuple(verdict for plan in self.plans for verdict in judging(plan, end_minute, None))
            self.judged_ms = self.now_ms()
            rows = issued.issue(connection, self.plans, first_minute_of(day_of(end_minute)), self.judged_ms, judging)
            site = schema.site.c
            schools = {row.id: row.school for row in connection.execute(select(site.id, site.school))}
            more, last_touch = issued.revise(connection, self.plans, self.judged_ms, schools, judging)
        if rows or last_touch:
            with writing(self.engine) as connection:
                issued.keep(connection, [*rows, *more], last_touch)
