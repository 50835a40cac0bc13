"""The canonical form of reported minutes: the same bytes however messages were cut, repeated or ordered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from schoolbeat_wire import codec
from schoolbeat_wire import report as reports
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory

Minute = tuple[int, bytes]  # minutes since 1970 UTC, and its canonical form


def canonical_minutes(agent: str, report: reports.Report, inventory: Inventory) -> list[Minute]:
    """One for each minute of a report that was placed. docs/proof.md defines the form.

    A report too wide to be taken apart stands whole under its first minute, as it came."""
    try:
        reports.fits(report, inventory)
        if report.count == 1:
            return [_of_one(agent, report, inventory)]
        return [_of_row(agent, report, row, inventory) for row in reports.unpack(report, inventory)]
    except WireError:
        return [(report.minutes[0], codec.to_json([agent, report]))]


def _of_one(agent: str, report: reports.Report, inventory: Inventory) -> Minute:
    """As it travelled, but for what may be said in more than one way."""
    values = report.values
    absent = sorted(report.absent)
    for entry in absent:
        column = list(values[entry[0]])
        place = 0
        for step in entry[1:]:
            place += step
            column[place] = 0
        values = [*values[: entry[0]], column, *values[entry[0] + 1 :]]
    missing = sum(len(entry) - 1 for entry in absent)
    dense = sum(len(column) for column, told in zip(values, inventory.columns, strict=False) if not told.sparse)
    sparse = any(column for column, told in zip(values, inventory.columns, strict=False) if told.sparse)
    if missing == dense and not sparse:
        values, absent = [], []
    return _told(
        agent,
        report,
        report.seq,
        report.minutes[0],
        report.signals,
        values,
        absent,
        [entry[1:] for entry in report.failures],
        [entry[1:] for entry in report.causes],
        [entry[1:] for entry in report.off],
    )


def _of_row(agent: str, report: reports.Report, row: reports.MinuteRow, inventory: Inventory) -> Minute:
    values: list[list[int]] = []
    absent: list[list[int]] = []
    for index, (column, found) in enumerate(zip(inventory.columns, row.values, strict=False)):
        if column.sparse:
            values.append([n for place, value in enumerate(found) if value is not None for n in (0, place, value)])
            continue
        values.append([value or 0 for value in found])
        gone = [place for place, value in enumerate(found) if value is None]
        if gone:
            absent.append([index, gone[0], *(b - a for a, b in pairwise(gone))])
    if not any(value is not None for found in row.values for value in found):
        values, absent = [], []
    off = [(one.first_minute, one.count, one.reason) for one in row.off]
    return _told(
        agent, report, row.seq, row.minute, row.signals, values, absent, row.failures, row.causes, off
    )  # fmt: skip


def _told(
    agent: str,
    report: reports.Report,
    seq: int,
    minute: int,
    signals: bytes,
    values: list[list[int]],
    absent: list[list[int]],
    failures: Sequence[tuple[int, ...]],
    causes: Sequence[tuple[int, ...]],
    off: Sequence[tuple[int, ...]],
) -> Minute:
    told = [agent, report.epoch, seq, report.revision, minute, signals, values, absent]
    return minute, codec.to_json([*told, sorted(failures), sorted(causes), sorted(off)])


def in_order(minutes: Iterator[Minute] | Sequence[Minute]) -> list[Minute]:
    """By minute, then by bytes; what came twice stands once."""
    return sorted(set(minutes))
