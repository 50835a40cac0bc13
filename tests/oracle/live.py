"""The product in an hour told as it happens: the real heart, second by second, and what it made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Engine, select
from tests.oracle import hours
from tests.oracle.hours import BEGIN, END, Hour
from tests.oracle.month import SIGNALS
from tests.oracle.product import SITE, cards_of, inventory

from schoolbeat_server import database, schema
from schoolbeat_server.batch import Message
from schoolbeat_server.contact import BLIND_MS, ContactBook
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.mqtt import Link
from schoolbeat_server.settings import Channel, Settings
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire import messages as wire
from schoolbeat_wire import report as reports
from schoolbeat_wire import topics
from schoolbeat_wire.report import MinuteRow

AGENT, EPOCH, HARDWARE = "gateway", "ab" * 8, "cd" * 8


class NoBroker:
    """In the link's place: everything is called by the test."""

    connected, problem = True, ""

    def pump(self, seconds: float) -> None:
        pass

    def ack(self, token: Any) -> None:
        pass

    def publish(self, topic: str, payload: bytes, **_: Any) -> None:
        pass


class Server:
    """The heart without a network, by a clock of our own."""

    def __init__(self, engine: Engine, folder: Path, second: int) -> None:
        self.engine, self.folder, self.second = engine, folder, second
        self.start()

    def ms(self) -> int:
        return self.second * 1_000

    def start(self) -> None:
        contact = ContactBook(self.ms() + BLIND_MS)
        self.ingest = Ingest(self.engine, database.server_id(self.engine), contact, self.ms)
        self.ingest.load()
        rows = IncidentRows(self.ingest, Settings(self.folder).incidents, [Channel("a", "json://127.0.0.1")])
        with self.engine.connect() as connection:
            rows.load(connection)
            contact.breaks.start(connection, self.ms())

        def link(_receive: object) -> Link:
            return NoBroker()  # type: ignore[return-value]

        self.heart = Heart(self.engine, Settings(self.folder), link, self.ingest, rows)

    def step(self, second: int, messages: list[Message]) -> None:
        self.second = second
        self.heart.inbox += messages
        self.heart._commit(tick=True)


class Incident(NamedTuple):
    scope: str
    opened: int
    since: int
    closed: int | None
    until: int | None
    cause_opened: str
    cause: str
    notices: tuple[str, ...]


class Lived(NamedTuple):
    """heard, session: as hours.contact wants them."""

    incidents: list[Incident]
    contact: bytes
    heard: list[int]
    session: list[tuple[int, bool]]


def live(engine: Engine, folder: Path, hour: Hour) -> Lived:
    """The hour, and half an hour more in which all is well."""
    (card,) = cards_of(hours.month_of(hour))
    server = Server(engine, folder, BEGIN - 1)
    waiting: list[MinuteRow] = []
    heard: list[int] = []
    session: list[tuple[int, bool]] = []
    at = 0
    for second, now in zip(range(BEGIN, END), hours.sessions(hour), strict=True):
        while at < len(card.rows) and card.saved[at] <= second:
            waiting.append(card.rows[at])
            at += 1
        if hours.is_away(hour, second):
            continue
        messages: list[Message] = []
        if hours.is_away(hour, second - 1):
            server.second = second
            server.start()
        if now.ends:
            messages.append(_presence(wire.Presence(online=False)))
            session.append((second, False))
        if now.begins:
            lowest = waiting[0].seq if waiting else at
            presence = wire.Presence(online=True, epoch=EPOCH, hardware=HARDWARE, boot="", lowest=lowest, next=at)
            messages += [_presence(presence), _inventory()]
        if now.connected and waiting:
            newest = waiting.pop()
            messages += [_report(newest), *(_report(row) for row in waiting[: hour.per_second])]
            del waiting[: hour.per_second]
        if now.begins or (now.connected and any(one.topic.endswith("/report") for one in messages)):
            heard.append(second)
            session.append((second, True))
        server.step(second, messages)
    with engine.connect() as connection:
        contact = server.ingest.ledger.read(connection, SITE, ["site.contact"], BEGIN // 60, END // 60)
    return Lived(_incidents(engine), contact["site.contact"], heard, session)


def _presence(presence: wire.Presence) -> Message:
    return Message(topics.topic(SITE, AGENT, "presence"), wire.encode(presence), False, None)


def _inventory() -> Message:
    return Message(topics.topic(SITE, AGENT, "inventory"), inventories.encode(inventory(SIGNALS)), True, None)


def _report(row: MinuteRow) -> Message:
    told = inventory(SIGNALS)
    packed = reports.pack(EPOCH, told.revision, [row], told)
    return Message(topics.topic(SITE, AGENT, "report"), reports.encode(packed), False, None)


def _incidents(engine: Engine) -> list[Incident]:
    table, notice = schema.incident.c, schema.notice.c
    out = []
    with engine.connect() as connection:
        for row in connection.execute(select(schema.incident).order_by(table.id)):
            kinds = connection.scalars(select(notice.kind).where(notice.incident == row.id).order_by(notice.id))
            closed, until = (None if ms is None else ms // 1_000 for ms in (row.closed_ms, row.until_ms))
            opened, since = row.opened_ms // 1_000, row.since_ms // 1_000
            out.append(Incident(row.scope, opened, since, closed, until, row.cause_opened, row.cause, tuple(kinds)))
    return out
