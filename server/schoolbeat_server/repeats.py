"""What of a report is stored already: a minute that comes again, alone or among new ones, is kept once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from sqlalchemy import select

from schoolbeat_server import schema
from schoolbeat_server.batch import Batch, EpochKey
from schoolbeat_wire import bounds
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, UNKNOWN
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory


class Stored(NamedTuple):
    revision: str
    payload: bytes


class Fresh(NamedTuple):
    """seqs: those whose minute is not stored with the same bytes. clash: one of them is stored with others."""

    seqs: list[int]
    clash: bool


def fresh_seqs(batch: Batch, key: EpochKey, report: reports.Report, payload: bytes) -> Fresh:
    """Of the database and of what came earlier in the batch. A seq used again for something else is no repeat; it is
    merged like any other, and tells of two machines that number their minutes in one epoch."""
    found = [*_in_batch(batch, key, report), *_in_database(batch, key, report)]
    if any(stored.payload == payload for stored in found):
        return Fresh([], clash=False)
    known = {minute: stored.revision for stored in found for minute in _minutes(reports.decode(stored.payload))}
    seqs = [minute[0] for minute in _minutes(report) if known.get(minute) != report.revision]
    used = {seq for (seq, _, told), revision in known.items() if revision == report.revision and _claims(told)}
    claimed = {seq for seq, _, told in _minutes(report) if seq in seqs and _claims(told)}
    return Fresh(seqs, clash=not used.isdisjoint(claimed))


def _claims(told: bytes) -> bool:
    """Not of a minute that a wrong clock had placed and that the agent takes back: it is the same machine."""
    return bool(told.strip(bytes([DISPUTED, UNKNOWN])))


def _in_batch(batch: Batch, key: EpochKey, report: reports.Report) -> Iterator[Stored]:
    for row in batch.reports:
        touches = row["seq"] < report.seq + report.count and report.seq < row["seq"] + row["count"]
        if touches and (row["site"], row["agent"], row["epoch"]) == key:
            yield Stored(row["revision"], row["payload"])


def _in_database(batch: Batch, key: EpochKey, report: reports.Report) -> list[Stored]:
    site, agent, epoch = key
    table = schema.report.c
    rows = batch.connection.execute(
        select(table.revision, table.payload).where(
            table.site == site,
            table.agent == agent,
            table.epoch == epoch,
            table.seq < report.seq + report.count,
            table.seq > report.seq - bounds.MINUTES,
            table.seq + table.count > report.seq,
        )
    )
    return [Stored(*row) for row in rows]


def only(report: reports.Report, inventory: Inventory, seqs: Iterable[int]) -> list[reports.Report]:
    """The report without its other minutes: one for each run of seqs. It must fit the inventory. [] when it is too
    wide to be taken apart: to merge the whole of it again harms nothing."""
    try:
        rows = {row.seq: row for row in reports.unpack(report, inventory)}
    except WireError:
        return []
    runs = groupby(enumerate(sorted(seqs)), key=lambda pair: pair[1] - pair[0])
    return [reports.pack(report.epoch, report.revision, [rows[seq] for _, seq in run], inventory) for _, run in runs]


def _minutes(report: reports.Report) -> Iterator[tuple[int, int, bytes]]:
    """(seq, minute, signal bytes) of each minute."""
    width = len(report.signals) // report.count
    for index, minute in enumerate(reports.minutes_of(report)):
        yield report.seq + index, minute, report.signals[index * width : (index + 1) * width]
