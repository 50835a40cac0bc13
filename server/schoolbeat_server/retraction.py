"""A machine's reports taken back by an operator: kept apart from then on, and the days made again without them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import proof, rebuild, schema
from schoolbeat_server.database import upsert, writing
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.verify import merge_contact
from schoolbeat_wire import report as reports
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

RETRACT: Final = "retract"
_KEPT: Final = ("site", "agent", "epoch", "seq", "count", "first_minute", "last_minute", "received_ms", "payload")


def of_decision(row: Any) -> ColumnElement[bool]:
    """The stored reports that a row of `decision` names, joined with their speaker."""
    speaker, report = schema.speaker.c, schema.report.c
    where: ColumnElement[bool] = (report.site == row.site) & (report.agent == row.agent)
    where &= (speaker.hardware == row.hardware) & (speaker.boot == row.boot if row.boot else True)
    if row.epoch:
        where &= speaker.epoch == row.epoch
    if row.first_minute is not None:
        where &= report.first_minute >= row.first_minute
    if row.end_minute is not None:
        where &= report.last_minute < row.end_minute
    return where


def select_reports(*columns: Any) -> Select[Any]:
    joined = schema.report.join(schema.speaker, schema.report.c.speaker == schema.speaker.c.id)
    return select(*columns).select_from(joined)


class Retraction:
    """By the heart, a local day of reports a step. What is left to do is what is still stored: a restart goes on.
    retold(connection, site, first, end): in the same transaction, what else rests on those minutes."""

    def __init__(self, ingest: Ingest, retold: Callable[[Connection, str, int, int], None] = lambda *_: None) -> None:
        self.ingest, self.retold = ingest, retold
        self.decision: Row[Any] | None = None
        self._begin()

    def _begin(self) -> None:
        self.after = 0  # reports of earlier minutes stay: their days cannot be made again
        self.moved = self.kept = self.days = 0

    @property
    def busy(self) -> bool:
        return self.decision is not None

    def look(self) -> None:
        """Takes up the oldest decision that waits."""
        if self.busy:
            return
        table = schema.decision
        waiting = select(table).where(table.c.what == RETRACT, table.c.done_ms.is_(None)).order_by(table.c.id).limit(1)
        with self.ingest.engine.connect() as connection:
            self.decision = connection.execute(waiting).one_or_none()
        self._begin()

    def step(self) -> None:
        """Raises SQLAlchemyError: to be tried again."""
        assert self.decision is not None
        if self.ingest.stale:
            self.ingest.load()
        with self.ingest.engine.connect() as connection:
            first = connection.scalar(
                select_reports(func.min(schema.report.c.first_minute)).where(
                    of_decision(self.decision), schema.report.c.first_minute >= self.after
                )
            )
        if first is None:
            self._end(self.decision)
            return
        try:
            self._take_back(self.decision, day_of(first))
        except SQLAlchemyError:
            self.ingest.stale = True  # memory is loaded again
            raise

    def _take_back(self, decision: Row[Any], day: int) -> None:
        """The reports that begin on that day, and what they made of it and of days they told of."""
        ingest, now_ms = self.ingest, self.ingest.now_ms()
        end = first_minute_of(day + 1)
        with ingest.engine.connect() as connection:
            table = schema.report.c
            rows = connection.execute(
                select_reports(schema.report, schema.speaker.c.hardware, schema.speaker.c.boot)
                .where(of_decision(decision), table.first_minute >= self.after, table.first_minute < end)
                .order_by(table.id)
            ).all()
            days = _days(rows)
            around = range(min(days) - 1, max(days) + 2)
            bad = {one for one in around if not rebuild.is_sound(connection, ingest.layouts, decision.site, one)}
        if day in bad:  # no longer all there, or altered: the ledger of the day stands by its digest
            self.after, self.kept = end, self.kept + len(rows)
            return
        days -= bad
        refused = {one for one in bad if one not in days}
        with writing(ingest.engine) as connection:
            _set_aside(connection, decision, rows)
            reopen(ingest, connection, decision.site)
            rebuild.remake(connection, ingest, decision.site, sorted(days), refused, now_ms, "retracted")
            _latest(ingest, connection, decision.site, decision.agent)
            if days:
                minutes = first_minute_of(min(days)), first_minute_of(max(days) + 1)
                self.retold(connection, decision.site, *minutes)
        self.moved, self.days = self.moved + len(rows), self.days + 1
        with ingest.engine.connect() as connection:
            ingest.held.load(connection)

    def _end(self, decision: Row[Any]) -> None:
        outcome = f"set aside {self.moved} reports of {self.days} days"
        outcome += f", not {self.kept}: reports of their days are no longer all kept" if self.kept else ""
        table = schema.decision
        with writing(self.ingest.engine) as connection:
            values = {"done_ms": self.ingest.now_ms(), "outcome": outcome}
            connection.execute(update(table).where(table.c.id == decision.id).values(values))
        log.info("decision %d on %s/%s: %s", decision.id, decision.site, decision.agent, outcome)
        self.decision = None


def _days(rows: Sequence[Any]) -> set[int]:
    """The local days whose minutes or off-minutes the reports told."""
    days: set[int] = set()
    for row in rows:
        spans = [(row.first_minute, row.last_minute)]
        try:
            spans += [(first, first + count - 1) for _, first, count, _ in reports.decode(row.payload).off]
        except WireError:
            pass
        for first, last in spans:
            days |= set(range(day_of(first), day_of(last) + 1))
    return days


def _set_aside(connection: Connection, decision: Row[Any], rows: Sequence[Any]) -> None:
    said = {"why": "retracted", "state": "discarded", "decision": decision.id, "text": decision.reason[:500]}
    held = [
        {name: getattr(row, name) for name in _KEPT} | {"hardware": row.hardware, "boot": row.boot} | said
        for row in rows
    ]
    keys = ["site", "agent", "epoch", "hardware", "boot", "seq", "first_minute"]
    statement = insert(schema.held)
    again = {name: statement.excluded[name] for name in ("why", "state", "decision", "text", "payload", "received_ms")}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=again), held)
    ids = [row.id for row in rows]
    for at in range(0, len(ids), 500):
        connection.execute(delete(schema.report).where(schema.report.c.id.in_(ids[at : at + 500])))


def reopen(ingest: Ingest, connection: Connection, site: str) -> None:
    """The site's open hours, from what is stored now."""
    fresh = Ledger(ingest.engine)
    sealed, contact = ingest.ledger.sealed_up_to(connection)
    reader = proof.DayReader(connection, ingest.layouts, site, 0, 2**31)
    reader.ledger = fresh
    reader.take(proof.read_told(connection, site, 0, 2**31, after=sealed, up_to=2**62))
    merge_contact(connection, fresh, site, contact + 1, 2**31)
    ledger = ingest.ledger
    with ledger.lock:
        ledger.open_bytes += fresh.open_bytes - sum(len(block.data) for block in ledger.open.get(site, {}).values())
        ledger.open[site] = fresh.open.get(site, {})


def _latest(ingest: Ingest, connection: Connection, site: str, agent: str) -> None:
    """The newest minute that is left of the agent."""
    table, latest = schema.report.c, schema.latest
    mine = (latest.c.site == site) & (latest.c.agent == agent)
    row = connection.execute(
        select(table.id, table.last_minute, table.received_ms)
        .where(table.site == site, table.agent == agent, table.placed)
        .order_by(table.last_minute.desc(), table.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        connection.execute(delete(latest).where(mine))
        ingest.newest.pop((site, agent), None)
        return
    values = {"minute": row.last_minute, "report_id": row.id, "received_ms": row.received_ms}
    upsert(connection, latest, [{"site": site, "agent": agent, **values}], ("site", "agent"))
    ingest.newest[site, agent] = row.last_minute
