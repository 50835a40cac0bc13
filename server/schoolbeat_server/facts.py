"""Off-minutes and speed tests of a site, which figures need besides the ledger: how reports make them, their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from schoolbeat_server import schema
from schoolbeat_server.cause import INTERNET
from schoolbeat_server.database import upsert
from schoolbeat_server.layouts import Layout, Layouts
from schoolbeat_wire import codec
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, OFF_NAMES
from schoolbeat_wire.errors import WireError

if TYPE_CHECKING:
    from schoolbeat_server.proof import Told

_SPEED: Final = ("download_bps", "upload_bps", "server", "method", "bytes", "ceiling", "failure")

Off = dict[str, Any]  # a row of table `off`
Speed = tuple[int, dict[str, Any]]  # minute, and the columns of table `speed_test` that are told
Line = tuple[Any, ...]  # ("off", agent, first minute, count, reason) or ("speed", minute, and the columns of _SPEED)


class Saying(NamedTuple):
    """What one stored report tells of them. back: minutes of the line that it takes back."""

    report: int
    off: list[Off]
    speeds: list[Speed]
    back: list[int]


# ---- what a report says ------------------------------------------------------------------------------------


def off_rows(site: str, agent: str, report: reports.Report) -> list[Off]:
    """Without reasons that nobody knows."""
    rows: dict[int, Off] = {}
    for index, first, count, code in report.off:
        reason = OFF_NAMES.get(code)
        if reason is None:
            continue
        row = {"site": site, "agent": agent, "first_minute": first, "count": count, "reason": reason}
        row |= {"epoch": report.epoch, "seq": report.seq + index}
        if stands(row, rows.get(first)):
            rows[first] = row
    return list(rows.values())


def stands(new: Off, known: Off | None) -> bool:
    """Whether a word that came later stands over the one known. A backlog comes newest first: in one epoch the word
    with the greater seq is the last, whenever it comes. No seq tells which of two epochs was first."""
    return known is None or bool(new["epoch"] != known["epoch"] or new["seq"] >= known["seq"])


def keep_off(connection: Connection, rows: Sequence[Off]) -> list[tuple[int, int]]:
    """rows: of one agent. (first minute, count) of what is known otherwise now, both as it was and as it is."""
    known = {}
    for row in rows:
        table = schema.off.c
        mine = (table.site == row["site"], table.agent == row["agent"], table.first_minute == row["first_minute"])
        found = connection.execute(select(schema.off).where(*mine)).mappings().one_or_none()
        if found is not None:
            known[row["first_minute"]] = dict(found)
    fresh = [row for row in rows if stands(row, known.get(row["first_minute"]))]
    if fresh:
        upsert(connection, schema.off, fresh, ("site", "agent", "first_minute"))
    before = [known[row["first_minute"]] for row in fresh if row["first_minute"] in known]
    return [(row["first_minute"], row["count"]) for row in (*fresh, *before)]


def speeds(
    layouts: Layouts, site: str, agent: str, minutes: Sequence[int], layout: Layout, columns: Sequence[Sequence[int]]
) -> Iterator[Speed]:
    """columns: the report's, absolute. Of an agent that owned the line then."""
    for column, name, servers in layout.speeds:
        triples = columns[column]
        for index, subject, value in zip(triples[0::3], triples[1::3], triples[2::3], strict=True):
            server = servers[subject]
            if server is not None and layouts.owned_at(site, agent, INTERNET, minutes[index]):
                yield minutes[index], {"server": server, name: value}


def taken_back(report: reports.Report) -> list[int]:
    """The minutes of which the agent says that the clock which placed them never was right: what was measured then was
    measured at another time."""
    if DISPUTED not in report.signals:
        return []
    width = len(report.signals) // report.count
    rows = (report.signals[at * width : (at + 1) * width] for at in range(report.count))
    return [minute for minute, row in zip(reports.minutes_of(report), rows, strict=True) if DISPUTED in row]


def forget_speeds(connection: Connection, layouts: Layouts, site: str, agent: str, back: Iterable[int]) -> None:
    """back: minutes that the agent takes back, and of which it spoke for the line."""
    minutes = [minute for minute in back if layouts.owned_at(site, agent, INTERNET, minute)]
    for at in range(0, len(minutes), 500):
        test = schema.speed_test.c
        here = (test.site == site) & test.minute.in_(minutes[at : at + 500])
        connection.execute(delete(schema.speed_test).where(here))


def was_taken_back(connection: Connection, site: str, agent: str, waiting: Iterable[Any], minute: int) -> bool:
    """A backlog comes newest first. waiting: rows that are not in table `report` yet."""
    table = schema.report.c
    of_minute = (table.first_minute <= minute, table.last_minute >= minute)
    stored = connection.scalars(select(table.payload).where(table.site == site, table.agent == agent, *of_minute))
    mine = (row["payload"] for row in waiting if (row["site"], row["agent"]) == (site, agent))
    return any(minute in taken_back(reports.decode(payload)) for payload in (*stored, *mine))


def keep_speeds(connection: Connection, site: str, told: Iterable[Speed]) -> None:
    for minute, values in told:
        statement = insert(schema.speed_test).values(site=site, minute=minute, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["site", "minute"], set_=values))


def collect(connection: Connection, layouts: Layouts, site: str, told: Iterable[Told]) -> list[Saying]:
    """told: placed reports of the site, by id. Those that can no longer be read say nothing."""
    found = []
    for one in told:
        layout = layouts.of(connection, site, one.agent, one.revision)
        if layout is None:
            continue
        try:
            report = reports.decode(one.payload)
            reports.fits(report, layout.inventory)
            columns = reports.absolute(report, layout.inventory) if layout.speeds and report.values else []
        except WireError:
            continue
        off = off_rows(site, one.agent, report)
        rows = list(speeds(layouts, site, one.agent, reports.minutes_of(report), layout, columns)) if columns else []
        back = [minute for minute in taken_back(report) if layouts.owned_at(site, one.agent, INTERNET, minute)]
        if off or rows or back:
            found.append(Saying(one.id, off, rows, back))
    return found


# ---- lines of a span ---------------------------------------------------------------------------------------


def told_lines(sayings: Iterable[Saying], first: int, end: int, up_to: int = 2**62) -> set[Line]:
    """What the reports up to that id make of the minutes [first, end): the last word on each stands."""
    sayings = [saying for saying in sayings if saying.report <= up_to]
    tests: dict[int, dict[str, Any]] = {}
    back = {minute for saying in sayings for minute in saying.back}
    for saying in sayings:
        for minute, values in saying.speeds:
            if first <= minute < end and minute not in back:
                tests.setdefault(minute, {}).update(values)
    lines = {_off_line(row) for row in last_words(sayings).values() if _touches(row, first, end)}
    return lines | {("speed", minute, *(values.get(name) for name in _SPEED)) for minute, values in tests.items()}


def last_words(sayings: Iterable[Saying]) -> dict[tuple[str, int], Off]:
    """By agent and first minute."""
    found: dict[tuple[str, int], Off] = {}
    for saying in sayings:
        for row in saying.off:
            key = row["agent"], row["first_minute"]
            if stands(row, found.get(key)):
                found[key] = row
    return found


def stored_lines(connection: Connection, site: str, first: int, end: int) -> set[Line]:
    off, speed = schema.off.c, schema.speed_test.c
    rows = connection.execute(
        select(schema.off).where(off.site == site, off.first_minute < end, off.first_minute + off.count > first)
    ).mappings()
    lines = {_off_line(row) for row in rows}
    tests = select(speed.minute, *(speed[name] for name in _SPEED)).where(
        speed.site == site, speed.minute >= first, speed.minute < end
    )
    return lines | {("speed", *row) for row in connection.execute(tests)}


def _off_line(row: Any) -> Line:
    return "off", row["agent"], row["first_minute"], row["count"], row["reason"]


def _touches(row: Off, first: int, end: int) -> bool:
    return bool(row["first_minute"] < end and row["first_minute"] + row["count"] > first)


def digest(lines: Iterable[Line]) -> bytes:
    """SHA-256 of "facts" and the lines as JSON, sorted, each with a newline."""
    told = sorted(codec.to_json(list(line)) for line in lines)
    return hashlib.sha256(b"facts\n" + b"".join(line + b"\n" for line in told)).digest()


def differ(one: set[Line], other: set[Line]) -> int:
    """How many rows are others."""
    return len({line[: 3 if line[0] == "off" else 2] for line in one ^ other})


# ---- made again --------------------------------------------------------------------------------------------


def put(
    connection: Connection, site: str, sayings: Sequence[Saying], first: int, end: int, off_may_go: Callable[[], bool]
) -> set[Line]:
    """The tables say of the minutes [first, end) what the sayings do; the lines that changed. off_may_go: whether every
    report is there that may have told of off-minutes, which is a later one than they."""
    wanted, words = told_lines(sayings, first, end), last_words(sayings)
    stored = stored_lines(connection, site, first, end)
    gone = stored - wanted
    if any(line[0] == "off" for line in gone) and not off_may_go():
        gone = {line for line in gone if line[0] != "off"}
    for line in gone:
        if line[0] == "off":
            table = schema.off.c
            where = (table.site == site) & (table.agent == line[1]) & (table.first_minute == line[2])
            connection.execute(delete(schema.off).where(where))
        else:
            test = schema.speed_test.c
            connection.execute(delete(schema.speed_test).where(test.site == site, test.minute == line[1]))
    fresh = wanted - stored
    off = [words[one[1], one[2]] for one in fresh if one[0] == "off"]
    tests = [dict(zip(("minute", *_SPEED), one[1:], strict=True)) for one in fresh if one[0] == "speed"]
    if off:
        upsert(connection, schema.off, off, ("site", "agent", "first_minute"))
    if tests:
        upsert(connection, schema.speed_test, [{"site": site, **row} for row in tests], ("site", "minute"))
    return gone | fresh
