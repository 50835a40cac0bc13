"""The product under the same month: the real recorder makes the rows, the real report.pack packs them, the real ingest reads."""

from __future__ import annotations

import json
from functools import cache
from itertools import takewhile
from random import Random
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, Engine
from tests.oracle import month as months
from tests.oracle.month import (
    BEHIND,
    HOLD,
    LESSONS,
    PROBES,
    SIGNALS,
    Calendar,
    Enrolled,
    Life,
    Month,
    Removed,
    answers,
)
from tests.oracle.truth import Row

from schoolbeat_agent.clock import Anchor, Source
from schoolbeat_agent.minutes import Holds
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.recorder import Before, Recorder, from_raw, to_raw
from schoolbeat_server import calendar_rows, database, enrol, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.calendar_file import Document
from schoolbeat_server.calendar_revision import CalendarRevision
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.evidence import LedgerReader, LessonReader, Window, from_ledger
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import LessonHours, LessonTime, Rule
from schoolbeat_server.targets import Plan
from schoolbeat_server.verdicts import Verdict, collect, judge_plan
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics
from schoolbeat_wire.catalogue import OFF_REASONS
from schoolbeat_wire.report import MinuteRow

SITE = "s1"
HOURS = LessonHours(tuple(wire.Lesson(*lesson) for lesson in LESSONS))
HOLDS: Holds = {months.BOARD: HOLD[months.BOARD]}
KINDS = {"sw": "switch", "ap": "access_point", "board": "board"}


@cache
def inventory(tells: tuple[str, ...]) -> inventories.Inventory:
    return inventories.with_revision(
        inventories.Inventory(
            revision="",
            signals=list(tells),
            columns=[],
            probes=list(PROBES),
            devices=[
                inventories.Device(name, kind=kind, behind=BEHIND[f"device.{name}"]) for name, kind in KINDS.items()
            ],
            behind=dict(BEHIND),
        )
    )


STATES = {"up": State.UP, "down": State.DOWN, "unseen": State.UNSEEN}


# ---- the agent -----------------------------------------------------------------------------------------------


class Card:
    """In the outbox's place: what an agent finds there of those before it."""

    def __init__(self) -> None:
        self.rows: list[MinuteRow] = []
        self.saved: list[float] = []  # when each was
        self.stopped_in = 0
        self.same_boot = True  # as the agent that last knew a time
        self.raw: list[str] = []  # runs of this boot without a time, as they are kept
        self.lost_runs = False
        self.began: tuple[int, int, tuple[reports.Off, ...]] = (
            0,
            -1,
            (),
        )  # the minute in which an agent began, how many rows there were then, what it would tell

    def before(self) -> Before:
        last = self.rows[-1].minute if self.rows else 0
        began, _, told = self.began if self.began[1] == len(self.rows) else (0, 0, ())
        return Before(last, self.stopped_in, self.same_boot, self.lost_runs, began, told)

    def boot(self) -> None:
        self.lost_runs = self.lost_runs or bool(self.raw)
        self.same_boot, self.raw = False, []

    def keep(self, rows: list[tuple[str, MinuteRow]], at: float) -> None:
        for _, row in rows:
            self.saved.append(at)
            self.rows.append(msgspec.structs.replace(row, seq=len(self.rows)))
        if rows:
            self.raw, self.lost_runs = [], False


def recorded(month: Month, tells: tuple[str, ...] = SIGNALS) -> list[list[MinuteRow]]:
    """The rows of each card, with their seqs."""
    return [card.rows for card in cards_of(month, tells)]


def cards_of(month: Month, tells: tuple[str, ...] = SIGNALS) -> list[Card]:
    cards = [Card()]
    boot_began, anchor = 0.0, None
    for life in month.lives:
        if life.new_card and cards[-1].rows:
            cards.append(Card())
        elif life.new_card:
            cards[-1] = Card()
        if life.new_boot:
            boot_began, anchor = life.begin - 40, None
            cards[-1].boot()
        anchor = _live(month, life, cards[-1], boot_began, anchor, inventory(tells))
    return cards


def _live(
    month: Month, life: Life, card: Card, boot_began: float, anchor: Anchor | None, told: inventories.Inventory
) -> Anchor | None:
    recorder = Recorder(card.before(), life.begin - boot_began, told)
    recorder.use(told, HOLDS)
    for run in filter(None, map(from_raw, map(json.loads, card.raw))):
        recorder.record(run)
    card.raw += [json.dumps(to_raw(_run(month, ran, boot_began))) for ran in months.kept_by(life)]
    if card.raw and not life.clock:
        return None  # the recorder would only have kept them too
    _know(card, recorder, anchor, life.begin - boot_began)
    starts = dict.fromkeys(PROBES, 0.0)
    for at, _, what in _happenings(life):
        now = at - boot_began
        if isinstance(what, months.Step):
            source: Source = "kernel" if what.error == 0 else "trust"
            _know(card, recorder, Anchor(source, boot_began + what.error), now)
        elif isinstance(what, months.Ran):
            recorder.record(_run(month, what, boot_began))
            starts[what.probe] = what.started - boot_began
        card.keep(recorder.due(now, starts.values(), _already(card, recorder)), at)
    now = life.end - boot_began
    if life.ending == "stop":
        card.keep(recorder.rest(now, _already(card, recorder)), life.end)
        card.stopped_in = recorder.minute(now)
    return recorder.anchor


def _know(card: Card, recorder: Recorder, anchor: Anchor | None, now: float) -> None:
    """A time is known, or is known better; the first leaves its mark."""
    known = recorder.anchor is not None
    recorder.offer(anchor, now)
    if recorder.anchor is not None and not known:
        card.began = recorder.began, len(card.rows), recorder.told
        card.stopped_in, card.same_boot, card.lost_runs = 0, True, False


def _happenings(life: Life) -> list[tuple[float, int, object]]:
    """Runs as they finish, the clock as it becomes known, and the loop's own looks: each five seconds, before
    a step, and the last."""
    out: list[tuple[float, int, object]] = [(ran.finished, 0, ran) for ran in life.runs if ran.finished < life.end]
    for step in life.clock:
        out += [(step.at, 1, None), (step.at, 2, step)] if life.begin < step.at else []
    out += [(life.begin + 5 * n, 3, None) for n in range(1, int((life.end - life.begin) // 5))]
    out.append((life.end, 4, None)) if life.ending != "stop" else None
    return sorted(out, key=lambda one: one[:2])


def _already(card: Card, recorder: Recorder) -> set[int]:
    return {row.minute for row in card.rows} if recorder.next_minute is not None else set()


def _run(month: Month, ran: months.Ran, boot_began: float) -> Run:
    began, seconds = ran.started - boot_began, ran.finished - ran.started
    if not ran.measured:
        return Run(ran.probe, began, seconds, None, "no_permission")
    found = answers(month, ran.probe, ran.started)
    return Run(ran.probe, began, seconds, Observation({signal: STATES[word] for signal, word in found.items()}))


def rows_of(rows: list[Row]) -> list[MinuteRow]:
    """Those an agent has saved, with their seqs."""
    out = []
    for seq, row in enumerate(rows):
        told: list[reports.Off] = []
        for minute, reason in sorted(row.off.items()):
            code = OFF_REASONS[reason][0]
            if told and told[-1].reason == code and told[-1].first_minute + told[-1].count == minute:
                told[-1] = reports.Off(told[-1].first_minute, told[-1].count + 1, code)
            else:
                told.append(reports.Off(minute, 1, code))
        out.append(MinuteRow(seq, row.minute, row.codes, [], off=told))
    return out


# ---- the way and the server ----------------------------------------------------------------------------------


class Sent(NamedTuple):
    """Rows of one card of an agent, one after the other, as they come in at a second."""

    at: int
    agent: str
    card: int
    tells: tuple[str, ...]
    rows: tuple[MinuteRow, ...]

    def message(self) -> Message:
        told = inventory(self.tells)
        packed = reports.pack(f"{self.card:016x}", told.revision, self.rows, told)
        return Message(topics.topic(SITE, self.agent, "report"), reports.encode(packed), False, None)


class Inventory(NamedTuple):
    at: int
    agent: str
    tells: tuple[str, ...]

    def message(self) -> Message:
        payload = inventories.encode(inventory(self.tells))
        return Message(topics.topic(SITE, self.agent, "inventory"), payload, True, None)


class Operator(NamedTuple):
    at: int
    what: Enrolled | Removed | Calendar


Event = Sent | Inventory | Operator


class Server:
    """The real ingest on a real database."""

    def __init__(self, engine: Engine, random: Random, troubles: int) -> None:
        self.engine, self.random, self.troubles, self.now_ms = engine, random, troubles, 0
        self.start()

    def start(self) -> None:
        ident = database.server_id(self.engine)
        self.ingest = Ingest(self.engine, ident, ContactBook(self.now_ms), lambda: self.now_ms, HOURS)
        self.ingest.load()
        self.revision = CalendarRevision(self.ingest)

    def take(self, events: list[Event]) -> None:
        """In batches; between them the server may be started anew, or seal what it has."""
        at = 0
        while at < len(events):
            self.now_ms = events[at].at * 1_000
            what = events[at]
            if isinstance(what, Operator):
                self._obey(what.what)
                at += 1
                continue
            size = self.random.choice((1, 2, 5, 40))
            following = takewhile(lambda one: not isinstance(one, Operator), events[at : at + size])
            together = [one.message() for one in following if not isinstance(one, Operator)]
            self.now_ms = events[at + len(together) - 1].at * 1_000
            self.ingest.commit(together, lambda _batch: None)
            at += len(together)
            if self.random.randrange(100) < self.troubles:
                if self.random.randrange(2):
                    self.start()
                else:
                    self.ingest.ledger.seal(self.now_ms // 60_000, self.ingest.next_report_id - 1, 0)

    def _obey(self, what: Enrolled | Removed | Calendar) -> None:
        if isinstance(what, Calendar):
            document = Document(what.document, frozenset(map(_rule, what.rules)), ())
            calendar_rows.store(self.engine, document, "x.yaml", who="test", why="vì thử", now_ms=self.now_ms)
            self.revise()
            return
        if isinstance(what, Enrolled):
            values = {"site": SITE, "name": what.agent, "password_hash": "", "created_ms": self.now_ms}
            with self.engine.begin() as connection:
                connection.execute(schema.agent.insert().values(values))
        else:
            enrol.remove_agent(self.engine, SITE, what.agent, now_ms=self.now_ms)
        with self.engine.connect() as connection:
            self.ingest.load_agents(connection)

    def revise(self) -> None:
        self.revision.look()
        while self.revision.busy:
            if self.random.randrange(100) < self.troubles:
                self.start()
                self.revision.look()
            self.revision.step()
            self.revision.look()

    def judged(self, asked: Plan, window: tuple[int, int]) -> list[Verdict]:
        """Of each target."""
        with self.engine.connect() as connection:

            def read(site: str, signal: str, first: int, end: int) -> bytes:
                return self.ingest.ledger.read(connection, site, [signal], first, end)[signal]

            return judged(connection, read, self.ingest.asked.calendar.read, asked, window)


def judged(
    connection: Connection, read: LedgerReader, lessons: LessonReader, asked: Plan, window: tuple[int, int]
) -> list[Verdict]:
    return judge_plan(asked, collect(connection, from_ledger(read, lessons), asked, Window(*window)))


def _rule(rule: months.Rule) -> Rule:
    level, place = (("province", ""), ("school", SITE), ("site", SITE))[rule.place]
    return Rule(
        level,  # type: ignore[arg-type]
        place,
        rule.kind,  # type: ignore[arg-type]
        rule.first_day,
        rule.end_day,
        rule.weekdays,
        tuple(LessonTime(*lesson) for lesson in rule.lessons),
        rule.as_weekday,
        rule.hours,
        "vì thử",
    )
