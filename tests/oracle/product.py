"""The product under the same month: the real recorder makes the rows, the real report.pack packs them, the real ingest reads."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine
from tests.oracle import month as months
from tests.oracle.month import BEHIND, HOLD, LESSONS, PROBES, SIGNALS, Life, Month, answers

from schoolbeat_agent.clock import Anchor, Source
from schoolbeat_agent.minutes import Holds
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.recorder import Before, Recorder
from schoolbeat_server import database
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import LessonHours
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics
from schoolbeat_wire.report import MinuteRow

SITE, AGENT = "s1", "gateway"
HOURS = LessonHours(tuple(wire.Lesson(*lesson) for lesson in LESSONS))
HOLDS: Holds = {months.BOARD: HOLD[months.BOARD]}
INVENTORY = inventories.with_revision(
    inventories.Inventory(
        revision="",
        signals=list(SIGNALS),
        columns=[],
        probes=list(PROBES),
        devices=[
            inventories.Device("sw", kind="switch"),
            inventories.Device("ap", kind="access_point", behind="device.sw"),
            inventories.Device("board", kind="board", behind="device.ap"),
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
        self.stopped_in = 0
        self.lost_runs = False
        self.began: tuple[int, int, tuple[reports.Off, ...]] = (
            0,
            -1,
            (),
        )  # the minute in which an agent began, how many rows there were then, what it would tell

    def before(self, life: Life) -> Before:
        last = self.rows[-1].minute if self.rows else 0
        began, _, told = self.began if self.began[1] == len(self.rows) else (0, 0, ())
        return Before(last, self.stopped_in, not life.new_boot, self.lost_runs, began, told)


def recorded(month: Month) -> list[list[MinuteRow]]:
    """The rows of each card, with their seqs."""
    cards = [Card()]
    boot_began, anchor = 0.0, None
    for life in month.lives:
        if life.new_card and cards[-1].rows:
            cards.append(Card())
        elif life.new_card:
            cards[-1] = Card()
        if life.new_boot:
            boot_began, anchor = life.begin - 40, None
        anchor = _live(month, life, cards[-1], boot_began, anchor)
    return [card.rows for card in cards]


def _live(month: Month, life: Life, card: Card, boot_began: float, anchor: Anchor | None) -> Anchor | None:
    recorder = Recorder(card.before(life), life.begin - boot_began, INVENTORY)
    recorder.use(INVENTORY, HOLDS)
    card.stopped_in = 0
    if anchor is not None:
        recorder.offer(anchor, life.begin - boot_began)
        card.began = recorder.began, len(card.rows), recorder.told
    starts = dict.fromkeys(PROBES, 0.0)
    finished, known = 0, anchor is not None
    for at, _, what in _happenings(life):
        now = at - boot_began
        if isinstance(what, months.Step):
            source: Source = "kernel" if what.error == 0 else "trust"
            recorder.offer(Anchor(source, boot_began + what.error), now)
            if not known:
                card.began = recorder.began, len(card.rows), recorder.told
            card.lost_runs, known = False, True
        elif isinstance(what, months.Ran):
            finished += 1
            recorder.record(_run(month, what, boot_began))
            starts[what.probe] = what.started - boot_began
        _keep(card, recorder.due(now, starts.values(), _already(card, recorder)))
    now = life.end - boot_began
    if recorder.anchor is None:
        card.lost_runs = card.lost_runs or finished > 0
        return None
    card.lost_runs = False
    if life.ending == "stop":
        _keep(card, recorder.rest(now, _already(card, recorder)))
        card.stopped_in = recorder.minute(now)
    return recorder.anchor


def _happenings(life: Life) -> list[tuple[float, int, object]]:
    """Runs as they finish, the clock as it becomes known, and the loop's own looks: each five seconds, and the last."""
    out: list[tuple[float, int, object]] = [(ran.finished, 0, ran) for ran in life.runs if ran.finished < life.end]
    out += [(step.at, 1, step) for step in life.clock if life.begin < step.at]
    out += [(life.begin + 5 * n, 2, None) for n in range(1, int((life.end - life.begin) // 5))]
    out.append((life.end, 3, None)) if life.ending != "stop" else None
    return sorted(out, key=lambda one: one[:2])


def _already(card: Card, recorder: Recorder) -> set[int]:
    return {row.minute for row in card.rows} if recorder.next_minute is not None else set()


def _keep(card: Card, rows: list[tuple[str, MinuteRow]]) -> None:
    for _, row in rows:
        card.rows.append(msgspec.structs.replace(row, seq=len(card.rows)))


def _run(month: Month, ran: months.Ran, boot_began: float) -> Run:
    began, seconds = ran.started - boot_began, ran.finished - ran.started
    if not ran.measured:
        return Run(ran.probe, began, seconds, None, "no_permission")
    found = answers(month, ran.probe, ran.started)
    return Run(ran.probe, began, seconds, Observation({signal: STATES[word] for signal, word in found.items()}))


# ---- the way and the server ----------------------------------------------------------------------------------


class Sent(NamedTuple):
    """Rows of one card, one after the other."""

    card: int
    rows: tuple[MinuteRow, ...]


def message(sent: Sent) -> Message:
    packed = reports.pack(f"{sent.card:016x}", INVENTORY.revision, sent.rows, INVENTORY)
    return Message(topics.topic(SITE, AGENT, "report"), reports.encode(packed), False, None)


def inventory_message() -> Message:
    return Message(topics.topic(SITE, AGENT, "inventory"), inventories.encode(INVENTORY), True, None)


class Server:
    """The real ingest on a real database."""

    def __init__(self, engine: Engine, now_ms: int) -> None:
        self.engine, self.now_ms = engine, now_ms
        self.start()

    def start(self) -> None:
        ident = database.server_id(self.engine)
        self.ingest = Ingest(self.engine, ident, ContactBook(self.now_ms), lambda: self.now_ms, HOURS)
        self.ingest.load()

    def take(self, messages: list[Message], random: Random, troubles: int) -> None:
        """In batches; between them the server may be started anew, or seal what it has."""
        at = 0
        while at < len(messages):
            size = random.choice((1, 2, 5, 40))
            self.ingest.commit(messages[at : at + size], lambda _batch: None)
            at += size
            if random.randrange(100) < troubles:
                if random.randrange(2):
                    self.start()
                else:
                    self.ingest.ledger.seal(self.now_ms // 60_000, self.ingest.next_report_id - 1, 0)
