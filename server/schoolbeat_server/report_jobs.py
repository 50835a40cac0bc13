"""Reports and evidence packs made in the background: asked for, made one at a time, kept for some days, and deleted."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import pack_making, report_facts, report_files, reports, schema
from schoolbeat_server.comparison_shelf import Shelf
from schoolbeat_server.database import writing
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.report_facts import Facts, Kind, Period, Refused
from schoolbeat_server.reports import Report
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.settings import Office
from schoolbeat_server.sums import Sums
from schoolbeat_server.targets import Plan

log = logging.getLogger(__name__)

KEPT_MS: Final = 7 * 86_400_000
MOST_WAITING: Final = 20
MOST_KEPT: Final = 200
MOST_KEPT_BYTES: Final = 8 * 1024**3  # of all files but the newest
STEPS: Final = 3  # of a report: begun, gathered, written
PACK_STEPS: Final = 100
PACK: Final = "evidence"
OFFICE: Final = Office()
LOOK_SECONDS: Final = 30.0
BUSY_SECONDS: Final = 20.0  # a reader waits so long for the one before

JobKind = Literal["area", "school", "isp", "league", "line", "evidence"]  # report_facts.Kind, and evidence packs
State = Literal["waiting", "running", "done", "failed"]
STATE_WORDS: Final[dict[State, Said]] = {
    "waiting": Said("đang đợi", "waiting"),
    "running": Said("đang lập", "being made"),
    "done": Said("đã xong", "done"),
    "failed": Said("không lập được", "could not be made"),
}


class Wanted(NamedTuple):
    """Of an evidence pack ident is PLAN/TARGET, the days are its window, and the format is zip."""

    kind: JobKind
    ident: str
    first_day: str
    last_day: str
    format: str
    language: str


class Job(NamedTuple):
    """step: of steps. name: of the file, "" until it is done; error_*: why it could not be made."""

    id: int
    asked_ms: int
    kind: JobKind
    ident: str
    first_day: str
    last_day: str
    format: str
    language: str
    state: State
    step: int
    steps: int
    done_ms: int | None
    name: str
    bytes: int
    sha256: str
    error_vi: str
    error_en: str


class Busy(Exception):
    """Somebody else's report is being made."""


class Desk:
    """Makes reports: at once for whoever looks at one, in its own thread for whoever asks and comes back."""

    def __init__(
        self,
        engine: Engine,
        ledger: Ledger,
        plans: Sequence[Plan],
        folder: Path,
        now_ms: Callable[[], int],
        calendar: Callable[[], SchoolCalendar] = SchoolCalendar,
        office: Office = OFFICE,
    ) -> None:
        self.engine, self.ledger, self.plans, self.folder = engine, ledger, plans, folder
        self.now_ms, self.calendar, self.office = now_ms, calendar, office
        self.making = threading.Lock()  # a province's year takes memory: one at a time
        self.shelf = Shelf(engine, self._facts_in_turn, plans, now_ms)
        self.stopping, self.asked = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def start(self) -> None:
        self.thread.start()
        self.shelf.start()

    def stop(self) -> None:
        self.stopping.set()
        self.asked.set()
        self.thread.join(10)
        self.shelf.stop()

    # ---- at once -------------------------------------------------------------------------------------------

    def report(self, kind: Kind, ident: str, period: Period) -> Report:
        """Raises Refused, or Busy."""
        return reports.report(self.facts(kind, ident, period))

    def facts(self, kind: Kind, ident: str, period: Period) -> Facts:
        """Raises Refused, or Busy."""
        if not self.making.acquire(timeout=BUSY_SECONDS):
            raise Busy
        try:
            return self._facts(kind, ident, period)
        finally:
            self.making.release()

    def _facts_in_turn(self, kind: Kind, ident: str, period: Period) -> Facts:
        """Of comparisons, for which nobody waits."""
        with self.making:
            return self._facts(kind, ident, period)

    def _facts(self, kind: Kind, ident: str, period: Period) -> Facts:
        with self.engine.connect() as connection, self.engine.connect() as summed:
            sums = Sums(summed, self.ledger, self.calendar())
            return report_facts.gather(connection, sums, self.plans, kind, ident, period, self.now_ms())

    # ---- in the background ---------------------------------------------------------------------------------

    def ask(self, wanted: Wanted) -> Job:
        """The same report that waits already, or is being made, is not made twice. Raises Refused."""
        table = schema.report_job.c
        same = [table[name] == value for name, value in wanted._asdict().items()]
        with writing(self.engine) as connection:
            going = table.state.in_(("waiting", "running"))
            ident = connection.scalar(select(table.id).where(going, *same))
            if ident is None:
                count = connection.scalar(select(func.count()).select_from(schema.report_job).where(going)) or 0
                if count >= MOST_WAITING:
                    raise Refused(
                        f"đã có {count} báo cáo đang đợi; hãy đợi rồi yêu cầu lại",
                        f"{count} reports wait already; ask again when some are done",
                    )
                steps = PACK_STEPS if wanted.kind == PACK else STEPS
                row = {"asked_ms": self.now_ms(), "steps": steps, **wanted._asdict()}
                done = connection.execute(insert(schema.report_job).values(**row))
                assert done.inserted_primary_key is not None
                ident = int(done.inserted_primary_key[0])
        self.asked.set()
        found = self.job(ident)
        assert found is not None
        return found

    def wanted_pack(self, ident: str, last: date, language: str) -> Wanted:
        """Raises Refused."""
        first = pack_making.first_day(self.plans, ident, last, self.now_ms())
        return Wanted("evidence", ident, first.isoformat(), last.isoformat(), "zip", language)

    def pack_of(self, ident: str, last: date) -> Job | None:
        """The newest that was asked for and not deleted, unless it failed."""
        table = schema.report_job.c
        mine = (table.kind == PACK) & (table.ident == ident) & (table.last_day == last.isoformat())
        query = select(schema.report_job).where(mine, table.state != "failed").order_by(table.id.desc()).limit(1)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Job(*row)

    def job(self, ident: int) -> Job | None:
        with self.engine.connect() as connection:
            row = connection.execute(select(schema.report_job).where(schema.report_job.c.id == ident)).one_or_none()
        return None if row is None else Job(*row)

    def jobs(self) -> list[Job]:
        """The newest first."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(schema.report_job).order_by(schema.report_job.c.id.desc()).limit(MOST_KEPT)
            )
            return [Job(*row) for row in rows]

    def file(self, job: Job) -> Path | None:
        """None: not done, or deleted."""
        path = self._path(job.id, job.format)
        return path if job.state == "done" and path.is_file() else None

    def _path(self, ident: int, form: str) -> Path:
        return self.folder / _stored(ident, form)

    def _run(self) -> None:
        try:
            self.begin()
        except (SQLAlchemyError, OSError) as error:
            log.warning("reports: %s", error)
        while not self.stopping.is_set():
            try:
                while not self.stopping.is_set() and self.make_next():
                    pass
                self.delete_old()
            except (SQLAlchemyError, OSError) as error:  # a full disk: what waits, waits
                log.warning("reports wait: %s", error)
            self.asked.wait(LOOK_SECONDS)
            self.asked.clear()

    def begin(self) -> None:
        """What was being made when the server ended is made anew."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        table = schema.report_job
        with writing(self.engine) as connection:
            connection.execute(update(table).where(table.c.state == "running").values(state="waiting", step=0))

    def make_next(self) -> bool:
        """False: none waits."""
        table = schema.report_job.c
        with self.engine.connect() as connection:
            query = select(schema.report_job).where(table.state == "waiting").order_by(table.id).limit(1)
            row = connection.execute(query).one_or_none()
        if row is None:
            return False
        job = Job(*row)
        try:
            self._make(job)
        except Refused as refused:
            self._failed(job, refused.said)
        except (SQLAlchemyError, OSError):
            raise
        except Exception:
            log.exception("report %d could not be made", job.id)
            self._failed(job, Said("lỗi của máy chủ; nhật ký ghi vì sao", "the server failed; its log says why"))
        return True

    def _make(self, job: Job) -> None:
        self._tell(job, state="running", step=0)
        path = self._path(job.id, job.format)
        half = path.with_suffix(path.suffix + ".part")
        half.touch(mode=0o600)
        name, size, digest = self._pack(job, half) if job.kind == "evidence" else self._report(job, job.kind, half)
        half.replace(path)
        self._tell(job, state="done", step=job.steps, done_ms=self.now_ms(), name=name, bytes=size, sha256=digest.hex())

    def _report(self, job: Job, kind: Kind, half: Path) -> tuple[str, int, bytes]:
        """The file's name, its size and digest."""
        period = report_facts.checked_period(
            date.fromisoformat(job.first_day), date.fromisoformat(job.last_day), self.now_ms()
        )
        with self.making:
            report = reports.report(self._facts(kind, job.ident, period))
        self._tell(job, step=1)
        data = report_files.FORMATS[job.format].make(report, self.office, job.language)
        self._tell(job, step=2)
        half.write_bytes(data)
        return report_files.file_name(report, job.format), len(data), hashlib.sha256(data).digest()

    def _pack(self, job: Job, half: Path) -> tuple[str, int, bytes]:
        made = pack_making.make_pack(
            half,
            self.engine,
            self.ledger,
            pack_making.target_of(self.plans, job.ident),
            date.fromisoformat(job.last_day),
            self.now_ms(),
            self.calendar(),
            self.office,
            lambda percent: self._tell(job, step=percent),
        )
        return pack_making.file_name(job.ident, job.last_day), made.size, made.digest

    def _failed(self, job: Job, why: Said) -> None:
        self._tell(job, state="failed", done_ms=self.now_ms(), error_vi=why.vi, error_en=why.en)

    def _tell(self, job: Job, **values: object) -> None:
        with writing(self.engine) as connection:
            table = schema.report_job
            connection.execute(update(table).where(table.c.id == job.id).values(**values))

    def delete_old(self) -> None:
        """Rows and files; also a file whose row a restored backup does not know."""
        table = schema.report_job.c
        with writing(self.engine) as connection:
            ended = table.state.in_(("done", "failed"))
            newest = connection.execute(
                select(table.id, table.bytes).where(ended).order_by(table.id.desc()).limit(MOST_KEPT)
            ).all()
            least = newest[-1].id if len(newest) == MOST_KEPT else 0
            old = (table.done_ms < self.now_ms() - KEPT_MS) | (table.id < max(least, _least_within(newest)))
            connection.execute(delete(schema.report_job).where(ended, old))
            known = _known_files(connection)
        for path in self.folder.iterdir() if self.folder.is_dir() else ():
            if path.name not in known and path.name.partition(".")[0].isdigit():
                path.unlink(missing_ok=True)


def _least_within(newest: Sequence[Any]) -> int:
    """The oldest job whose file still fits among the newer ones; rows have id and bytes, the newest first."""
    total = 0
    for place, row in enumerate(newest):
        total += row.bytes if place else 0
        if total > MOST_KEPT_BYTES:
            return int(newest[place - 1].id)
    return 0


def _stored(ident: int, form: str) -> str:
    return f"{ident}.{report_files.FORMATS[form].suffix if form in report_files.FORMATS else form}"


def _known_files(connection: Connection) -> set[str]:
    table = schema.report_job.c
    return {_stored(ident, form) for ident, form in connection.execute(select(table.id, table.format))}
