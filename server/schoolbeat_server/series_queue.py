"""The series queue: a thread that hands stored rows to the time-series store and moves on when it has answered."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import (
    schema,
    series_again,
    series_aside,
    series_health,
    series_now,
    series_setup,
    server_matters,
)
from schoolbeat_server.database import server_id, set_meta, writing
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.series_about import About
from schoolbeat_server.series_again import Again
from schoolbeat_server.series_cursors import Cursors
from schoolbeat_server.series_decisions import Backlog, backlog, oldest_ms, retention_of
from schoolbeat_server.series_delivery import Refused, Waits, deliver, not_older
from schoolbeat_server.series_past import read_again
from schoolbeat_server.series_pieces import Piece, Read, Sources
from schoolbeat_server.series_places import read_places
from schoolbeat_server.series_room import Waiting, held, waiting
from schoolbeat_server.series_rows import Stamps
from schoolbeat_server.series_store import Store
from schoolbeat_server.series_streams import STREAMS
from schoolbeat_server.series_trouble import TROUBLE, Stuck, Trouble
from schoolbeat_server.settings import Settings

log = logging.getLogger(__name__)

IDLE_SECONDS: Final = 2.0
SHARE: Final = 0.25  # of the time that a backlog takes, others have the processor to themselves
LATER_SECONDS: Final = 300.0  # between two looks for inventories that were lost
ABOUT_SECONDS: Final = 3_600.0
NOW_SECONDS: Final = 300.0
PLACES_SECONDS: Final = 240.0  # between two looks at the register, which takes a while
BEHIND_MS: Final = 900_000  # reports that wait so long are sent beside the newest, no longer before them


class SeriesQueue:
    """What it knows of itself is read by other threads; what it remembers is in the database, but for the trouble."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        layouts: Layouts,
        calendar: Callable[[], SchoolCalendar],
        store: Store,
        settings: Settings,
        now_ms: Callable[[], int],
        *,
        unit_kinds: Mapping[tuple[str, str], str] | None = None,
        healthy: Callable[[], bool] = lambda: True,
        knows_time: Callable[[], bool] = lambda: True,
        deaf: Callable[[], bool] = lambda: False,
        seconds: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """unit_kinds: what the targets count, by plan and target. healthy: what the rest of the server says of itself.
        knows_time: False while our own clock cannot be right; then nothing is sent. deaf: True while nobody can be
        heard; then nothing is said of how sites are now."""
        self.engine, self.store, self.settings, self.now_ms = engine, store, settings, now_ms
        self.healthy, self.knows_time, self.deaf = healthy, knows_time, deaf
        self.seconds, self.jitter = seconds, jitter
        self.cursors = Cursors(store.settles_seconds)
        with engine.connect() as connection:
            places = read_places(connection)
        with writing(engine) as connection:
            self.cursors.load(connection)
            self.cursors.write_all(connection)
            self.counts, self.aside = series_aside.counts(connection), series_aside.points(connection)
        stamps = Stamps(settings.series.kind == "victoriametrics")
        kinds = unit_kinds or {}
        self.sources = Sources(engine, ledger, layouts, calendar, places, stamps, server_id(engine), kinds)
        self.about: About | None = None
        self.trouble, self.stuck = Trouble(), Stuck()
        self.next_now = self.next_about = self.next_later = 0.0
        self.next_places = seconds() + PLACES_SECONDS
        self.answered = False  # since the start, or since the last trouble
        self.health_minute = 0
        self.waiting = Waiting(0, 0, 0)
        self.backlog = Backlog(0.0, None, False)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="series", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join(10)
        self.store.close()

    def _run(self) -> None:
        while not self.stopping.is_set():
            began, more = time.monotonic(), False
            try:
                more = self.knows_time() and self.step()
            except SQLAlchemyError as error:
                log.warning("the series queue waits: %s", error)
            except Exception:  # one row gone wrong must not end the thread
                log.exception("the series queue could not go on")
                self.stopping.wait(30)
            spent = time.monotonic() - began
            self.stopping.wait(SHARE * spent if more else IDLE_SECONDS)

    # ---- a step --------------------------------------------------------------------------------------------

    def step(self) -> bool:
        """A piece of every stream. True: there is more to be sent at once."""
        self._note_minute()
        if self.seconds() < self.trouble.next_try:
            return False
        if self.seconds() >= self.next_about:
            self._ask_about()
        try:
            return self._send_all()
        except _Restarted:
            log.warning("the time-series store was started anew: what it took in the last minute is sent again")
            self.cursors.go_back()
            with writing(self.engine) as connection:
                self.cursors.write_all(connection)
            self._went_well()
            return True

    def _send_all(self) -> bool:
        more, self.sources.oldest_ms = False, self._oldest_ms()
        for stream, read in STREAMS.items():
            if stream == "later" and not self._is_time_for_later():
                continue
            if stream == "reports" and self.answered:
                self._let_newest_go_first()
            piece = self._read(stream, read)
            if piece is not None:
                if not self._send(stream, piece):
                    return False
                more |= piece.full
        if self.answered and self.seconds() >= self.next_now and not self._send_now():
            return False
        return self._send_again() or more

    def _read(self, stream: str, read: Read) -> Piece | None:
        if self.stuck.rests(stream, self.seconds()):
            return None
        try:
            with self.engine.connect() as connection:
                piece = read(self.sources, connection, self.cursors.at(stream))
        except SQLAlchemyError:
            raise
        except Exception as error:
            self.stuck.note(stream, error, self.seconds())
            return None
        self.stuck.forget(stream)
        return piece

    def _is_time_for_later(self) -> bool:
        if self.seconds() < self.next_later:
            return False
        self.next_later = self.seconds() + LATER_SECONDS
        return True

    def _send(self, stream: str, piece: Piece, count_old: bool = True) -> bool:
        """False: the store did not take it; the cursor stays."""
        lines = not_older(piece.lines, self.sources.oldest_ms)
        found = deliver(
            lines, self._write, self.settings.series.batch_bytes, patient=self.trouble.is_patient(self.seconds())
        )
        if found.waits is not None:
            self._wait(found.waits)
            return False
        if lines:
            self._went_well()
        gone_old = len(piece.lines) - len(lines) if count_old else 0
        self._moved(stream, piece, found.taken, found.refused, gone_old)
        return True

    def _write(self, lines: bytes) -> Any:
        answer = self.store.write(lines)
        if answer.restarted:
            raise _Restarted
        return answer

    def _moved(self, stream: str, piece: Piece, taken: int, refused: Sequence[Refused], old: int) -> None:
        now_ms = self.now_ms()
        self.cursors.move(stream, piece.position, self.seconds())
        counts = {"points_sent": taken, "points_old": old, "points_aside": sum(len(one.lines) for one in refused)}
        with writing(self.engine) as connection:
            piece.done(connection)
            self.cursors.write(connection, stream, now_ms)
            for one in refused:
                series_aside.keep(connection, stream, one, now_ms)
            if refused:
                counts["aside_dropped"] = series_aside.make_room(connection)
            series_aside.count(connection, counts)
            self.counts = series_aside.counts(connection)
            self.aside = series_aside.points(connection)
        if refused:
            log.error(
                "the time-series store refused %d points, which are set aside (schoolbeat-server series aside): %s",
                counts["points_aside"],
                refused[0].reason,
            )

    # ---- the past ------------------------------------------------------------------------------------------

    def _let_newest_go_first(self) -> None:
        """After a long time without the store, what waits is sent beside what is new, newest first."""
        position = self.cursors.at("reports")
        table = schema.report.c
        oldest = select(table.received_ms).where(table.id > position).order_by(table.id).limit(1)
        with self.engine.connect() as connection:
            received_ms = connection.scalar(oldest)
        now_ms = self.now_ms()
        if received_ms is None or received_ms > now_ms - BEHIND_MS:
            return
        with writing(self.engine) as connection:
            newest = series_again.newest_report(connection)
            span = series_again.Span(self.cursors.settled.get("reports", 0), newest)
            series_again.ask(connection, "", series_again.ALL_MINUTES, now_ms, span)
            self.cursors.forget("reports")
            self.cursors.positions["reports"] = self.cursors.settled["reports"] = newest
            self.cursors.write(connection, "reports", now_ms)

    def _send_again(self) -> bool:
        with self.engine.connect() as connection:
            asked = series_again.read(connection, sent=False)
            ended = series_again.read(connection, sent=True)
        for one in ended:
            self._end_of(one)
        for one in asked:
            piece = self._read(one.stream, partial(_read_again, one))
            if piece is not None:
                return self._send(one.stream, piece, count_old=one.is_first_time)
        return False

    def _end_of(self, one: Again) -> None:
        """Once the store keeps it for good."""
        self.cursors.settle(self.seconds())
        if self.cursors.settled.get(one.stream, 0) >= one.end:
            self.cursors.forget(one.stream)
            with writing(self.engine) as connection:
                series_again.forget(connection, one)

    # ---- now -----------------------------------------------------------------------------------------------

    def _send_now(self) -> bool:
        piece = self._read("now", lambda sources, _connection, _position: _now(sources, self.now_ms(), self.deaf()))
        found = deliver(
            piece.lines if piece else [],
            self._write,
            self.settings.series.batch_bytes,
            patient=self.trouble.is_patient(self.seconds()),
        )
        if found.waits is not None:
            self._wait(found.waits)
            return False
        self.next_now = self.seconds() + NOW_SECONDS
        with writing(self.engine) as connection:
            series_aside.count(connection, {"points_sent": found.taken})
            self.counts = series_aside.counts(connection)
        return True

    def _note_minute(self) -> None:
        """Once a minute: the server's health as a row of its own."""
        minute = self.now_ms() // 60_000
        if minute == self.health_minute:
            return
        now_ms, series = self.now_ms(), self.settings.series
        with self.engine.connect() as connection:
            self.waiting = waiting(connection, self.cursors.at("reports"), now_ms)
            before_ms = now_ms - self.settings.report_days * 86_400_000
            kept = held(connection, series_again.passed_reports(connection), before_ms)
            self.backlog = backlog(
                self.waiting.bytes,
                self.waiting.seconds,
                held_bytes=kept.bytes,
                report_days=self.settings.report_days,
                backlog_bytes=series.backlog_bytes,
            )
            ok = self.healthy() and not self.reasons()
            found = series_health.numbers(connection, self.settings.database, now_ms, self._of_itself(), ok=ok)
        with writing(self.engine) as connection:
            row = insert(schema.health).values(minute=minute, payload=json.dumps(found))
            connection.execute(row.on_conflict_do_nothing())
            connection.execute(delete(schema.health).where(schema.health.c.minute < before_ms // 60_000))
            self.cursors.settle(self.seconds())
            self.cursors.write_settled(connection)
            server_matters.look(connection, self.matters(), self.settings.channels, now_ms)
            set_meta(connection, TROUBLE, self.trouble.now.text if self.trouble.now is not None else "")
            self.sources.stamps = self.sources.stamps._replace(ahead_ms=series_setup.ahead_ms(connection))
            self.counts, self.aside = series_aside.counts(connection), series_aside.points(connection)
        self.health_minute = minute
        if self.seconds() >= self.next_places:
            self._read_places()

    def _read_places(self) -> None:
        self.next_places = self.seconds() + PLACES_SECONDS
        with self.engine.connect() as connection:
            places = read_places(connection)
        if places != self.sources.places:
            self.sources.use(places)

    def _of_itself(self) -> dict[str, int]:
        return {
            "queue_reports": self.waiting.reports,
            "queue_seconds": self.waiting.seconds,
            "queue_bytes": self.waiting.bytes,
            "points_sent": self.counts["points_sent"],
            "points_aside": self.counts["points_aside"],
            "points_old": self.counts["points_old"],
        }

    # ---- trouble -------------------------------------------------------------------------------------------

    def _ask_about(self) -> None:
        self.about = self.store.about()
        self.next_about = self.seconds() + (ABOUT_SECONDS if self.about.reached else 60.0)

    def _oldest_ms(self) -> int:
        days = self.about.retention_days if self.about else None
        return oldest_ms(self.now_ms(), retention_of(self.settings.series.retention_days, days))

    def _wait(self, waits: Waits) -> None:
        self.answered = False
        self.trouble.wait(waits, self.seconds(), self.jitter())
        self.next_about = min(self.next_about, self.trouble.next_try)  # it may be another one when it is back

    def _went_well(self) -> None:
        self.answered = True
        self.trouble.end()

    def reasons(self) -> list[Said]:
        """Why somebody should go and look."""
        return [said for found in self.matters().values() for said in found]

    def matters(self) -> dict[str, list[Said]]:
        """By the name of what is wrong."""
        aside = Said(
            f"kho chuỗi thời gian đã từ chối {self.aside} điểm, để riêng: schoolbeat-server series aside",
            f"the time-series store refused {self.aside} points, set aside: schoolbeat-server series aside",
        )
        told = {
            "series.store": self.trouble.said(self.seconds()),
            "series.stuck": self.stuck.said(),
            "series.room": self.backlog.said(),
            "series.aside": aside if self.aside else None,
        }
        found = {name: [said] for name, said in told.items() if said is not None}
        if self.about is not None and self.about.reached and self.about.problems:
            found["series.settings"] = list(self.about.problems)
        return found

    def numbers(self) -> dict[str, int]:
        """For /healthz and /metrics."""
        return {f"series_{name}": count for name, count in self._of_itself().items()} | {
            "series_reports_lost": self.counts["reports_lost"],
            "series_aside_dropped": self.counts["aside_dropped"],
            "series_waits": int(self.trouble.now is not None),
        }


def _read_again(one: Again, sources: Sources, connection: Connection, position: int) -> Piece | None:
    return read_again(sources, connection, one, position)


def _now(sources: Sources, now_ms: int, deaf: bool) -> Piece:
    return Piece(series_now.lines_of_now(sources, now_ms, deaf=deaf), 0)


class _Restarted(Exception):
    """The store lost what it had taken last."""
