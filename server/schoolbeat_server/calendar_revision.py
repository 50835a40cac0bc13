"""A changed calendar: in minutes already measured its outages are found anew, site by site, and the change says so."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import calendar_places, calendar_rows, issued, schema
from schoolbeat_server.calendar_rows import Change
from schoolbeat_server.database import writing
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.school_calendar import PlaceCalendar, changed_days, day_of, first_minute_of
from schoolbeat_wire import inventory as inventories
from schoolbeat_wire.errors import WireError

PIECE_DAYS: Final = 14  # found anew in one transaction: nobody waits long for an acknowledgement


class Piece(NamedTuple):
    """Minutes [first, end) of a site in which lessons changed."""

    site: str
    first_minute: int
    end_minute: int


class CalendarRevision:
    """Notices that the calendar was changed, uses it at once, and goes through the past in steps.

    What is found is a function of ledger and calendar alone, so a step may be done twice, and a restart begins anew.
    """

    def __init__(self, ingest: Ingest) -> None:
        self.ingest = ingest
        self.register: object = None  # what it said of sites' places when they were kept last
        self.change: Change | None = None  # the one being worked off
        self.pieces: list[Piece] = []
        self.sites = 0
        self.outages = 0

    def look(self) -> None:
        """Takes up the newest calendar and register, and the oldest change whose past is still to be found anew."""
        ingest = self.ingest
        with ingest.engine.connect() as connection:
            register = calendar_places.read_register(connection)
        if register != self.register:
            calendar_places.keep(ingest.engine, ingest.now_ms())
        with ingest.engine.connect() as connection:
            if register != self.register or calendar_rows.last_change(connection) != ingest.asked.calendar.revision:
                self.register = register
                ingest.asked.calendar = calendar_rows.read_calendar(connection, ingest.asked.calendar.default)
            if self.change is None:
                waiting = calendar_rows.read_changes(connection, limit=1, waiting=True)
                if waiting:
                    self._begin(connection, waiting[0])

    def _begin(self, connection: Connection, change: Change) -> None:
        default = self.ingest.asked.calendar.default
        before = calendar_rows.read_calendar(connection, default, change.id - 1)
        after = calendar_rows.read_calendar(connection, default, change.id)
        last_day = day_of(self.ingest.now_ms() // 60_000)
        self.pieces = []
        first_days = _first_days(connection, self.ingest)
        earliest = min(first_days.values(), default=0)
        known: dict[tuple[PlaceCalendar, PlaceCalendar], list[tuple[int, int]]] = {}  # many sites share theirs
        for site, first_day in sorted(first_days.items()):
            # All days measured, not the rules' own: a first timetable ends the province's default for ever.
            both = before.of_site(site), after.of_site(site)
            if both not in known:
                known[both] = changed_days(*both, earliest, last_day + 1)
            for low, high in ((max(low, first_day), high) for low, high in known[both] if high > first_day):
                self.pieces += [
                    Piece(site, first_minute_of(at), first_minute_of(min(at + PIECE_DAYS, high)))
                    for at in range(low, high, PIECE_DAYS)
                ]
        self.change, self.outages = change, 0
        self.sites = len({piece.site for piece in self.pieces})

    @property
    def busy(self) -> bool:
        return self.change is not None

    def step(self) -> str | None:
        """One piece, or the end of the change; the site looked at. Raises SQLAlchemyError: to be tried again."""
        assert self.change is not None
        try:
            with writing(self.ingest.engine) as connection:
                if not self.pieces:
                    self._end(connection, self.change.id)
                    self.change = None
                    return None
                piece = self.pieces[-1]
                self._find_again(connection, piece)
        except SQLAlchemyError:
            self.ingest.stale = True  # what memory knows of open outages is loaded again
            raise
        self.pieces.pop()
        return piece.site

    def _find_again(self, connection: Connection, piece: Piece) -> None:
        issued.touch(connection, [(*piece, "calendar")], self.ingest.now_ms())
        self._learn_past(connection, piece.site)
        outages = self.ingest.outages
        self.outages += outages.find_again(connection, piece.site, piece.first_minute, piece.end_minute - 1)
        outages.flush(connection)

    def _learn_past(self, connection: Connection, site: str) -> None:
        """Devices that are there no more had their clock too."""
        table = schema.inventory.c
        found = []
        for payload in connection.scalars(
            select(table.payload).where(table.site == site).order_by(table.received_ms, table.agent, table.revision)
        ):
            try:
                found.append(inventories.decode(payload))
            except WireError:  # believed once, by older bounds
                continue
        self.ingest.asked.learn_past(site, found)

    def _end(self, connection: Connection, change: int) -> None:
        table = schema.calendar_change
        values = {"revised_ms": self.ingest.now_ms(), "sites": self.sites, "outages": self.outages}
        connection.execute(update(table).where(table.c.id == change).values(values))


def _first_days(connection: Connection, ingest: Ingest) -> dict[str, int]:
    """Site -> its first local day with minutes."""
    table = schema.ledger_day.c
    days = connection.execute(select(table.site, func.min(table.day)).group_by(table.site))
    found = {site: day_of(day * 1_440) for site, day in days}
    with ingest.ledger.lock:
        opened = {
            site: min(block.hour for block in blocks.values()) for site, blocks in ingest.ledger.open.items() if blocks
        }
    for site, hour in opened.items():
        found[site] = min(found.get(site, 1 << 40), day_of(hour * 60))
    return found
