"""Quarantine: reports that are not believed yet, kept whole until an operator (or time) says whether they are true."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import belief, schema
from schoolbeat_server.batch import Batch, EpochKey
from schoolbeat_server.clones import Card, Cards, Key
from schoolbeat_wire.report import Report, minutes_of

# clone: of a card that is set aside. trial: of a boot that may be one. future, past: times that cannot be. early: ahead
# of our clock by less than a day; the agent still has it and sends it again. retracted: believed once, taken back.
Why = Literal["clone", "trial", "future", "past", "early", "retracted"]
OF_TIME: tuple[Why, ...] = ("future", "past", "early")
BY_ID: tuple[Why, ...] = (*OF_TIME, "retracted")  # what an operator may decide about row by row

AGENT_BYTES = 32 << 20  # kept of one agent: weeks of an ordinary school
ALL_BYTES = 2 << 30
AT_ONCE = 200  # reports released in one transaction


class Waiting(NamedTuple):
    """Of one agent and one reason, what waits for an operator."""

    site: str
    agent: str
    why: str
    reports: int
    first_minute: int
    last_minute: int


class Quarantine:
    """The rows of table `held`. Knows how much there is of each agent, and who has early ones."""

    def __init__(self) -> None:
        self.bytes: Counter[Key] = Counter()
        self.early: set[Key] = set()
        self.busy = False  # something is to be released

    def load(self, connection: Connection) -> None:
        table = schema.held.c
        sums = select(table.site, table.agent, func.sum(func.length(table.payload))).group_by(table.site, table.agent)
        self.bytes = Counter({(site, agent): total for site, agent, total in connection.execute(sums)})
        early = select(table.site, table.agent).where(table.why == "early").distinct()
        self.early = {(site, agent) for site, agent in connection.execute(early)}
        self.busy = connection.scalar(select(table.id).where(table.state == "releasing").limit(1)) is not None

    def keep(
        self, batch: Batch, key: EpochKey, report: Report, payload: bytes, why: Why, text: str, card: Card | None
    ) -> bool:
        """False: there is no room for more of this agent. The same report is kept once."""
        agent = key[:2]
        if self.bytes[agent] + len(payload) > AGENT_BYTES or self.bytes.total() + len(payload) > ALL_BYTES:
            batch.counts["held.no_room"] += 1
            return False
        minutes = minutes_of(report)
        values = {
            "site": key[0],
            "agent": key[1],
            "epoch": key[2],
            "hardware": card.hardware if card else "",
            "boot": card.boot if card else "",
            "seq": report.seq,
            "count": report.count,
            "first_minute": minutes[0],
            "last_minute": minutes[-1],
            "received_ms": batch.now_ms,
            "why": why,
            "text": text[:500],
            "state": "discarded" if card and card.state == "false" else "waiting",
            "payload": payload,
        }
        statement = insert(schema.held).values(values).on_conflict_do_nothing()
        if batch.connection.execute(statement).rowcount:
            self.bytes[agent] += len(payload)
            batch.counts[f"held.{why}"] += 1
        if why == "early":
            self.early.add(agent)
        return True

    def forget_early(self, batch: Batch, key: EpochKey, first: int, end: int) -> None:
        """Their time has come: they were sent again and are believed."""
        if key[:2] not in self.early:
            return
        table = schema.held.c
        mine = (table.site == key[0]) & (table.agent == key[1]) & (table.why == "early")
        batch.connection.execute(
            delete(schema.held).where(mine, table.epoch == key[2], table.seq >= first, table.seq < end)
        )
        if batch.connection.scalar(select(func.count()).select_from(schema.held).where(mine)) == 0:
            self.early.discard(key[:2])

    # ---- what becomes of them ----------------------------------------------------------------------------------

    def release_of(self, connection: Connection, key: Key, card: Card, decision: int | None) -> int:
        """Everything of a card that is believed now."""
        return self._turn(connection, _of_card(key, card) & _is_there(), decision)

    def turn_to_clone(self, connection: Connection, key: Key, card: Card) -> None:
        """The boot on trial is a copy's."""
        where = _of_card(key, card) & (schema.held.c.why == "trial") & (schema.held.c.state == "waiting")
        connection.execute(update(schema.held).where(where).values(why="clone"))

    def discard_of(self, connection: Connection, key: Key, card: Card, decision: int | None) -> int:
        where = _of_card(key, card) & (schema.held.c.state == "waiting")
        return connection.execute(
            update(schema.held).where(where).values(state="discarded", decision=decision)
        ).rowcount

    def decide(self, connection: Connection, row: Any, now_ms: int) -> str:
        """An operator's word on reports whose times cannot be; what came of it in a few words."""
        table = schema.held.c
        where = table.why.in_(OF_TIME if row.held is None else BY_ID) & _is_there()
        where &= (table.site == row.site) & (table.agent == row.agent)
        if row.held is not None:
            where &= table.id == row.held
        if row.what == "discard":
            change = update(schema.held).where(where).values(state="discarded", decision=row.id)
            return f"discarded {connection.execute(change).rowcount}"
        ahead = table.last_minute > now_ms // 60_000 + belief.FUTURE_MINUTES
        left = connection.scalar(select(func.count()).select_from(schema.held).where(where, ahead)) or 0
        released = self._turn(connection, where & ~ahead, row.id)
        return f"released {released}" + (f", {left} not: their minutes have not come yet" if left else "")

    def _turn(self, connection: Connection, where: ColumnElement[bool], decision: int | None) -> int:
        values: dict[str, object] = {"state": "releasing", "decision": decision}
        count = connection.execute(update(schema.held).where(where).values(values)).rowcount
        self.busy |= count > 0
        return count

    def take(self, connection: Connection) -> list[Any]:
        """The next rows to release, in the order in which they came."""
        table = schema.held
        rows = connection.execute(
            select(table).where(table.c.state == "releasing").order_by(table.c.id).limit(AT_ONCE)
        ).all()
        self.busy = len(rows) == AT_ONCE
        return list(rows)

    def forget_old(self, connection: Connection, before_ms: int) -> None:
        """Payloads of what was refused go with the reports of their time; the rows with who, when and why stay. What
        waits stays whole; what was early and never came again has had its time."""
        table = schema.held
        early = (table.c.why == "early") & (table.c.received_ms < before_ms)
        gone = connection.execute(delete(table).where(early)).rowcount
        refused = (table.c.state == "discarded") & (table.c.payload != b"") & (table.c.received_ms < before_ms)
        gone += connection.execute(update(table).where(refused).values(payload=b"")).rowcount
        if gone:
            self.load(connection)

    def released(self, connection: Connection, row: Any, problem: str) -> None:
        """The payload is now in table `report`, unless it could not be placed."""
        self.bytes[row.site, row.agent] -= 0 if problem else len(row.payload)
        values = {"state": "discarded", "text": problem[:500]} if problem else {"state": "released", "payload": b""}
        connection.execute(update(schema.held).where(schema.held.c.id == row.id).values(values))


def _of_card(key: Key, card: Card) -> ColumnElement[bool]:
    table = schema.held.c
    whose = (table.site == key[0]) & (table.agent == key[1])
    return whose & (table.hardware == card.hardware) & (table.boot == card.boot) & table.why.in_(("clone", "trial"))


def _is_there() -> ColumnElement[bool]:
    """Undecided, or refused and not forgotten yet: a refusal can be taken back."""
    return schema.held.c.state.in_(("waiting", "discarded")) & (schema.held.c.payload != b"")


def carry_out(batch: Batch, cards: Cards, quarantine: Quarantine) -> None:
    """What operators decided since the last look."""
    table = schema.decision
    waiting = select(table).where(table.c.done_ms.is_(None), table.c.what != "retract")
    for row in batch.connection.execute(waiting.order_by(table.c.id)).all():
        outcome = _true(batch, cards, quarantine, row) if row.what == "true" else ""
        outcome = outcome or quarantine.decide(batch.connection, row, batch.now_ms)
        change = update(table).where(table.c.id == row.id)
        batch.connection.execute(change.values(done_ms=batch.now_ms, outcome=outcome))
        batch.sites.add(row.site)


def _true(batch: Batch, cards: Cards, quarantine: Quarantine, row: Any) -> str:
    key = (row.site, row.agent)
    believed, refused = cards.decide(key, row.hardware, row.boot)
    released = sum(quarantine.release_of(batch.connection, key, card, row.id) for card in believed)
    discarded = sum(quarantine.discard_of(batch.connection, key, card, row.id) for card in refused)
    if not believed:
        return f"no such machine: {row.hardware} {row.boot}".strip()
    return f"believed; released {released}, discarded {discarded}"


def has_decisions(connection: Connection) -> bool:
    """Retractions apart, which take longer: retraction.py."""
    table = schema.decision.c
    waiting = select(table.id).where(table.done_ms.is_(None), table.what != "retract")
    return connection.scalar(waiting.limit(1)) is not None


def read_waiting(connection: Connection) -> list[Waiting]:
    """What waits for an operator, by agent and reason."""
    table = schema.held.c
    rows = connection.execute(
        select(
            table.site,
            table.agent,
            table.why,
            func.count(),
            func.min(table.first_minute),
            func.max(table.last_minute),
        )
        .where(table.state == "waiting", table.why != "trial")
        .group_by(table.site, table.agent, table.why)
        .order_by(table.site, table.agent, table.why)
    )
    return [Waiting(*row) for row in rows]
