"""A piece of a stream on its way to the time-series store, and what all streams are made from."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

from schoolbeat_server import series_reports
from schoolbeat_server.layouts import Layouts
from schoolbeat_server.ledger import Ledger
from schoolbeat_server.school_calendar import SchoolCalendar
from schoolbeat_server.series_places import Places
from schoolbeat_server.series_rows import DayLines, Stamps
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

Done = Callable[[Connection], None]


def _nothing(_connection: Connection) -> None: ...


class Piece(NamedTuple):
    """position: of the cursor, once the lines are taken. done: in the transaction in which it moves. full: there may be
    more at once."""

    lines: list[bytes]
    position: int
    full: bool = False
    done: Done = _nothing


@dataclass
class Sources:
    """unit_kinds: by plan and target. server: its id. oldest_ms: what is older the store would drop."""

    engine: Engine
    ledger: Ledger
    layouts: Layouts
    calendar: Callable[[], SchoolCalendar]
    places: Places
    stamps: Stamps
    server: str
    unit_kinds: Mapping[tuple[str, str], str]
    oldest_ms: int = 0

    def __post_init__(self) -> None:
        self.use(self.places)

    def use(self, places: Places) -> None:
        self.places = places
        self.encoder = series_reports.Encoder(places)
        self.days = DayLines(places)


Read = Callable[[Sources, Connection, int], Piece | None]
"""None: there is nothing after the position. The connection has read nothing yet."""

_Line = TypeVar("_Line", str, bytes)
UNTOLD: Final = (WireError, ValueError, LookupError, TypeError, ArithmeticError, zlib.error)


def each(what: str, rows: Iterable[Any], lines_of: Callable[[Any], Iterable[_Line]]) -> list[_Line]:
    """A row of which no lines can be made (damaged, or by a fault of ours) is told, and stops no other."""
    lines: list[_Line] = []
    for row in rows:
        try:
            lines += list(lines_of(row))
        except UNTOLD as error:
            log.warning("%s %s is not sent: %s: %s", what, row[0], type(error).__name__, error)
    return lines
