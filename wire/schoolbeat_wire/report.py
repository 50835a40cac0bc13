"""The report: one or several minutes of one agent, columnar. docs/wire.md specifies it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from operator import add, sub

import msgspec

from schoolbeat_wire import bounds, catalogue, codec
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.inventory import Inventory


class Off(msgspec.Struct, frozen=True, array_like=True):
    """Minutes that the agent did not observe, told by the first minute after them. Reason: catalogue.OFF_REASONS."""

    first_minute: int
    count: int
    reason: int


class MinuteRow(msgspec.Struct, frozen=True, array_like=True):
    """One minute as the agent records it.

    minute:   minutes since 1970 UTC
    signals:  one byte a signal, 0-60 seconds up, catalogue.UNKNOWN, or catalogue.DISPUTED: what was told is untrue
    values:   for each column of the inventory, for each of its subjects, the scaled integer or None; or [] when
              the minute's readings were given up for space
    failures: (probe index, cause code, runs) - runs that could not measure
    causes:   (signal index, cause code) - why a signal that was down in this minute was said to be down
    """

    seq: int
    minute: int
    signals: bytes
    values: list[list[int | None]] = []
    failures: list[tuple[int, int, int]] = []
    causes: list[tuple[int, int]] = []
    off: list[Off] = []


class Report(msgspec.Struct, omit_defaults=True):
    """As it travels. n minutes with the seqs [seq, seq + n).

    minutes:  the first minute, then the distance from each to the next (1 or more)
    signals:  n x len(inventory.signals) bytes, minute by minute
    values:   for each column: dense - the first minute's values, then each minute's difference to the one before;
              sparse - [minute index, subject index, value, ...]. [] when no readings are sent.
    absent:   [column, position, distance to the next position, ...] of the places in a dense column without a value
    failures: [minute index, probe index, cause code, runs]
    causes:   [minute index, signal index, cause code]
    off:      [minute index, first minute, count, reason]
    """

    epoch: str
    seq: int
    revision: str
    minutes: list[int]
    signals: bytes
    values: list[list[int]] = []
    absent: list[list[int]] = []
    failures: list[tuple[int, int, int, int]] = []
    causes: list[tuple[int, int, int]] = []
    off: list[tuple[int, int, int, int]] = []

    @property
    def count(self) -> int:
        return len(self.minutes)


_decoder = msgspec.json.Decoder(Report)
_VALUE_LIMIT = 2**54
_BAD_SIGNAL_BYTES = bytes(
    sorted(set(range(256)) - set(range(catalogue.UP_FULL + 1)) - {catalogue.UNKNOWN, catalogue.DISPUTED})
)


def encode(report: Report) -> bytes:
    return codec.deflate_numbers(codec.to_json(report))


def decode(payload: bytes) -> Report:
    """Checked in everything that can be checked without the inventory. Raises WireError only."""
    report = codec.parse(_decoder, codec.inflate(payload), "report")
    _check(report)
    return report


def _check(report: Report) -> None:
    bounds.matches(bounds.TOKEN, report.epoch, "epoch")
    bounds.matches(bounds.TOKEN, report.revision, "inventory revision")
    bounds.within(report.count, 1, bounds.MINUTES, "minutes in a report")
    bounds.within(report.seq, 0, bounds.SEQ - report.count, "seq")
    bounds.minute(report.minutes[0])
    if report.count > 1 and min(report.minutes[1:]) < 1:
        raise WireError("time", "minutes of a report must ascend")
    bounds.minute(sum(report.minutes), "last minute")
    if len(report.signals) % report.count:
        raise WireError("shape", f"{len(report.signals)} signal bytes do not divide by {report.count} minutes")
    bounds.at_most(len(report.signals) // report.count, bounds.SIGNALS, "signals in a report")
    if len(report.signals.translate(None, _BAD_SIGNAL_BYTES)) != len(report.signals):
        raise WireError("range", "a signal byte is neither 0-60 nor 253 nor 255")
    bounds.at_most(len(report.values), bounds.COLUMNS, "columns in a report")
    bounds.at_most(sum(map(len, report.values)), bounds.VALUES, "values in a report")
    for column in report.values:
        if column and (min(column) < -_VALUE_LIMIT or max(column) > _VALUE_LIMIT):
            raise WireError("range", f"a value is beyond {_VALUE_LIMIT}")
    _check_sparse_lists(report)


def _check_sparse_lists(report: Report) -> None:
    bounds.at_most(len(report.absent), bounds.COLUMNS, "columns in absent")
    bounds.at_most(sum(map(len, report.absent)), bounds.VALUES, "places in absent")
    for name, rows in (("failures", report.failures), ("causes", report.causes), ("off", report.off)):
        bounds.at_most(len(rows), bounds.VALUES // 10, name)
        for row in rows:
            bounds.within(row[0], 0, report.count - 1, f"minute index in {name}")
            if min(row) < 0 or max(row) > bounds.LAST_MINUTE:
                raise WireError("range", f"{name} {list(row)}: a number is out of range")
    if report.off:
        minutes = minutes_of(report)
        for index, first, count, _reason in report.off:
            bounds.minute(first, "first off minute")
            bounds.within(count, 1, bounds.OFF_MINUTES, "count of off minutes")
            bounds.within(first + count, first, minutes[index], "end of off minutes, told by a minute after them,")


class Identity(msgspec.Struct, frozen=True):
    """Which minutes a report speaks for; the rest of it is not looked at."""

    epoch: str
    seq: int
    minutes: list[msgspec.Raw]


_identity_decoder = msgspec.json.Decoder(Identity)


def identity(payload: bytes) -> tuple[str, int, int] | None:
    """(epoch, first seq, count) of a report that `decode` refused, as far as it says so itself; else None.

    With it the server can settle what it sets aside, so that nobody sends it again for ever.
    """
    try:
        found = codec.parse(_identity_decoder, codec.inflate(payload), "report")
        bounds.matches(bounds.TOKEN, found.epoch, "epoch")
        bounds.within(len(found.minutes), 1, bounds.MINUTES, "minutes in a report")
        bounds.within(found.seq, 0, bounds.SEQ - len(found.minutes), "seq")
    except WireError:
        return None
    return found.epoch, found.seq, len(found.minutes)


def minutes_of(report: Report) -> list[int]:
    """Absolute minutes since 1970 UTC, ascending."""
    total, out = 0, []
    for step in report.minutes:
        total += step
        out.append(total)
    return out


def fits(report: Report, inventory: Inventory) -> None:
    """The report's positions agree with the inventory of its revision. Raises WireError 'layout'."""
    if len(report.signals) != report.count * len(inventory.signals):
        raise WireError(
            "layout",
            f"{len(report.signals)} signal bytes for {report.count} minutes of {len(inventory.signals)} signals",
        )
    if report.values and len(report.values) != len(inventory.columns):
        raise WireError("layout", f"{len(report.values)} columns, the inventory has {len(inventory.columns)}")
    for values, column in zip(report.values, inventory.columns, strict=False):
        want = report.count * len(column.subjects)
        if column.sparse:
            if len(values) % 3 or len(values) > 3 * want:
                raise WireError("layout", f"sparse column {column.reading} has {len(values)} numbers")
        elif len(values) != want:
            raise WireError("layout", f"column {column.reading} has {len(values)} values, expected {want}")
    for _, signal, _cause in report.causes:
        bounds.within(signal, 0, len(inventory.signals) - 1, "signal index in causes")
    for _, probe, _cause, _runs in report.failures:
        bounds.within(probe, 0, len(inventory.probes) - 1, "probe index in failures")
    _check_absent(report, inventory)


def _check_absent(report: Report, inventory: Inventory) -> None:
    seen = set()
    for entry in report.absent:
        if len(entry) < 2 or not 0 <= entry[0] < len(report.values) or entry[0] in seen:
            raise WireError("layout", f"absent entry {entry[:3]}: must begin with a column, each one once, and a place")
        seen.add(entry[0])
        column = inventory.columns[entry[0]]
        last = sum(entry) - entry[0]
        if column.sparse or entry[1] < 0 or min(entry[2:], default=1) < 1 or last >= len(report.values[entry[0]]):
            raise WireError(
                "layout", f"absent places of column {column.reading}: must ascend within a dense column's values"
            )


def absolute(report: Report, inventory: Inventory) -> list[list[int]]:
    """Dense columns with the differences undone and checked against the catalogue's range; sparse as they are.

    [] when the report brings no readings. Places listed in `absent` hold a number without meaning. Call `fits` first.
    Raises WireError.
    """
    if not report.values:
        return []
    out = []
    for position, (values, column) in enumerate(zip(report.values, inventory.columns, strict=True)):
        reading = catalogue.READINGS[column.reading]
        scale = 10**reading.decimals
        low, high = reading.low * scale, reading.high * scale
        if column.sparse:
            _check_triples(values, report.count, len(column.subjects), column.reading)
            checked = values[2::3]
        else:
            values = _undo(values, len(column.subjects), report.count)
            checked = values
        if checked and (min(checked) < low or max(checked) > high):
            gone = set(absent_places(report, position)) if not column.sparse else set()
            if any(not low <= v <= high for i, v in enumerate(checked) if i not in gone):
                raise WireError(
                    "range",
                    f"{column.reading}: a value is outside {reading.low} to {reading.high} {reading.unit}",
                )
        out.append(values)
    return out


def _check_triples(values: list[int], minutes: int, subjects: int, reading: str) -> None:
    before = -1
    for index, (minute, subject) in enumerate(zip(values[0::3], values[1::3], strict=True)):
        if not (0 <= minute < minutes and 0 <= subject < subjects):
            raise WireError("layout", f"sparse column {reading}: entry {index} points outside the report")
        if minute * subjects + subject <= before:
            raise WireError("layout", f"sparse column {reading}: entry {index} does not ascend")
        before = minute * subjects + subject


def _undo(values: list[int], width: int, count: int) -> list[int]:
    if count == 1 or not width:
        return values
    row = values[:width]
    out = list(row)
    for start in range(width, width * count, width):
        row = list(map(add, row, values[start : start + width]))
        out += row
    return out


def absent_places(report: Report, column: int) -> Iterator[int]:
    """Positions (minute index x subjects + subject index) of a dense column that have no value."""
    for entry in report.absent:
        if entry and entry[0] == column:
            place = 0
            for step in entry[1:]:
                place += step
                yield place


def pack(epoch: str, revision: str, rows: Sequence[MinuteRow], inventory: Inventory) -> Report:
    """One report of consecutive seqs and ascending minutes, all of one inventory.

    If any row has no readings, none are sent for that row: its places are absent.
    """
    with_values = any(row.values for row in rows)
    values: list[list[int]] = []
    absent: list[list[int]] = []
    if with_values:
        for index, column in enumerate(inventory.columns):
            width = len(column.subjects)
            nothing: list[int | None] = [None] * width
            table = [row.values[index] if row.values else nothing for row in rows]
            if column.sparse:
                values.append(_triples(table))
            else:
                packed, gone = _differences(table, width)
                values.append(packed)
                if gone:
                    absent.append([index, gone[0], *(b - a for a, b in pairwise(gone))])
    minutes = [rows[0].minute, *(b.minute - a.minute for a, b in pairwise(rows))]
    return Report(
        epoch=epoch,
        seq=rows[0].seq,
        revision=revision,
        minutes=minutes,
        signals=b"".join(row.signals for row in rows),
        values=values,
        absent=absent,
        failures=[(i, *entry) for i, row in enumerate(rows) for entry in row.failures],
        causes=[(i, *pair) for i, row in enumerate(rows) for pair in row.causes],
        off=[(i, *entry) for i, row in enumerate(rows) for o in row.off for entry in _bounded(o, row.minute)],
    )


def _bounded(off: Off, minute: int) -> list[tuple[int, int, int]]:
    """What may be told of an absence: what lies before the minute that tells it (a clock may have been set back), and
    of years only the last part. A summer in a drawer must not make the first report unreadable."""
    end = min(off.first_minute + off.count, minute)
    first = max(off.first_minute, end - bounds.OFF_MINUTES)
    return [(first, end - first, off.reason)] if first < end else []


def _triples(table: list[list[int | None]]) -> list[int]:
    return [
        number
        for minute, row in enumerate(table)
        for subject, value in enumerate(row)
        if value is not None
        for number in (minute, subject, value)
    ]


def _differences(table: list[list[int | None]], width: int) -> tuple[list[int], list[int]]:
    """A place without a value repeats the one before (difference 0), so that it costs nothing."""
    before = [0] * width
    packed: list[int] = []
    gone: list[int] = []
    for minute, row in enumerate(table):
        now = list(before)
        for subject, value in enumerate(row):
            if value is None:
                gone.append(minute * width + subject)
            else:
                now[subject] = value
        packed += now if minute == 0 else list(map(sub, now, before))
        before = now
    return packed, gone


def unpack(report: Report, inventory: Inventory) -> list[MinuteRow]:
    """The rows that were packed; for tests, tools and slow paths. Raises WireError."""
    fits(report, inventory)
    width = len(inventory.signals)
    tables = _tables(report, inventory)
    rows = [
        MinuteRow(
            seq=report.seq + index,
            minute=minute,
            signals=report.signals[index * width : (index + 1) * width],
            values=[table[index] for table in tables],
        )
        for index, minute in enumerate(minutes_of(report))
    ]
    for index, probe, cause, runs in report.failures:
        rows[index].failures.append((probe, cause, runs))
    for index, signal, cause in report.causes:
        rows[index].causes.append((signal, cause))
    for index, first, count, reason in report.off:
        rows[index].off.append(Off(first, count, reason))
    return rows


def _tables(report: Report, inventory: Inventory) -> list[list[list[int | None]]]:
    if not report.values:
        return []
    bounds.at_most(report.count * sum(len(column.subjects) for column in inventory.columns), bounds.PLACES, "places")
    tables: list[list[list[int | None]]] = []
    for position, (values, column) in enumerate(zip(absolute(report, inventory), inventory.columns, strict=True)):
        width = len(column.subjects)
        flat: list[int | None]
        if column.sparse:
            flat = [None] * (width * report.count)
            for minute, subject, value in zip(values[0::3], values[1::3], values[2::3], strict=True):
                flat[minute * width + subject] = value
        else:
            flat = list(values)
            for place in absent_places(report, position):
                flat[place] = None
        tables.append([flat[i * width : (i + 1) * width] for i in range(report.count)])
    return tables
