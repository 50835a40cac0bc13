"""Lines of reports: their readings, and the ledger's minutes that they told; fast, for a province sends many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple

from schoolbeat_server.kept_days import signal_of
from schoolbeat_server.layouts import Layout, Layouts
from schoolbeat_server.school_calendar import day_of
from schoolbeat_server.series_lines import prefix
from schoolbeat_server.series_places import Places, Span
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, READINGS, UP_FULL
from schoolbeat_wire.inventory import Column

Owns = Callable[[str, int], bool]
"""(signal, minute) -> whether the agent spoke for it then."""

Rows = Mapping[str, bytes]
"""The ledger's bytes by signal, minute by minute."""

MINUTE_MS: Final = 60_000
_OFTEN: Final = 10_000


def ownership(layouts: Layouts, site: str, agent: str, layout: Layout) -> Owns | None:
    """None: every signal of the layout always was the agent's."""
    owners, changed = layouts.owners, layouts.changed
    if all(owners.get((site, name)) == agent and (site, name) not in changed for name in layout.signals if name):
        return None
    return lambda signal, minute: layouts.owned_at(site, agent, signal, minute)


# ---- what of a layout is made once -------------------------------------------------------------------------


class _Column(NamedTuple):
    """A dense column of a group's subjects. places: theirs in a minute's values; take: brings these; None: all as they
    stand. scale: 0 for whole numbers."""

    position: int
    reading: bytes
    width: int
    scale: int
    places: Sequence[int]
    take: Callable[[Sequence[int]], Sequence[int]] | None


class _Group(NamedTuple):
    """Subjects that have the same dense readings. template: of a line without its time."""

    template: bytes
    subjects: tuple[str, ...]
    prefixes: tuple[bytes, ...]
    columns: tuple[_Column, ...]


class _Made(NamedTuple):
    """Bytes, for a province's have many megabytes, and more as text. hangs_on: by subject the signal it hangs on ("":
    none); places: by subject its group and place in it; minutes: by signal what stands before its number."""

    layout: Layout
    span: Span
    signals: tuple[str, ...]
    hangs_on: dict[str, str]
    prefixes: dict[str, bytes]  # by subject
    groups: list[_Group]
    places: dict[str, tuple[_Group, int]]
    minutes: dict[str, bytes]


def _make(places: Places, site: str, agent: str, layout: Layout, day: int) -> _Made:
    told = {one.id: one for one in layout.inventory.devices}
    signals = tuple(signal for signal in layout.signals if signal)
    place, known = places.of_place(site, day) | {"agent": agent}, frozenset(signals)
    subjects = dict.fromkeys(subject for column in layout.inventory.columns for subject in column.subjects)
    prefixes = {
        one: prefix("schoolbeat_reading", place | {"subject": one} | places.about(site, one, day, told)).encode()
        for one in subjects
    }
    groups = _groups(layout, prefixes)
    return _Made(
        layout,
        places.span(site, day),
        signals,
        {one: signal_of(one, known) for one in subjects},
        prefixes,
        groups,
        {subject: (group, at) for group in groups for at, subject in enumerate(group.subjects)},
        {one: _minute_prefix(places.of_signal(site, one, day, told)) for one in signals},
    )


def _minute_prefix(tags: Mapping[str, str]) -> bytes:
    without_isp = {name: value for name, value in tags.items() if name != "isp"}
    return prefix("schoolbeat_minute", without_isp).encode() + b" up_seconds="


def _groups(layout: Layout, prefixes: Mapping[str, bytes]) -> list[_Group]:
    columns = layout.inventory.columns
    of: dict[str, list[tuple[int, int]]] = {}  # (column, place) by subject
    for index, column in enumerate(columns):
        for place, subject in enumerate(column.subjects if not column.sparse else ()):
            of.setdefault(subject, []).append((index, place))
    together: dict[tuple[int, ...], list[str]] = {}
    for subject, mine in of.items():
        together.setdefault(tuple(index for index, _ in mine), []).append(subject)
    found = []
    for indexes, subjects in together.items():
        alike = tuple(
            _column(index, columns[index], [of[subject][at][1] for subject in subjects])
            for at, index in enumerate(indexes)
        )
        template = b"%b " + b",".join(one.reading + b"=%b" for one in alike)
        found.append(_Group(template, tuple(subjects), tuple(prefixes[one] for one in subjects), alike))
    return found


def _column(index: int, column: Column, places: list[int]) -> _Column:
    first, width = places[0], len(column.subjects)
    run = range(first, first + len(places))
    if places != list(run):
        return _Column(index, column.reading.encode(), width, _scale(column.reading), places, itemgetter(*places))
    take = None if len(run) == width else itemgetter(slice(run.start, run.stop))
    return _Column(index, column.reading.encode(), width, _scale(column.reading), run, take)


def _scale(reading: str) -> int:
    decimals = READINGS[reading].decimals
    return 10**decimals if decimals else 0


def _number(value: int, scale: int) -> bytes:
    """Of what the catalogue allows of a reading with decimals none is told with an exponent; a test insists."""
    return str(value / scale).encode() if scale else b"%di" % value


@cache
def _often(scale: int) -> list[bytes]:
    """The numbers 0 to _OFTEN, for a look is faster than a division and its digits."""
    return [_number(value, scale) for value in range(_OFTEN)]


# ---- what of a minute is not as the columns say --------------------------------------------------------------


class _Odd(NamedTuple):
    """gone: (column, place) without a value; more: values of sparse columns by subject; silent: subjects of which
    nothing may be told."""

    gone: set[tuple[int, int]]
    more: dict[str, list[bytes]]
    silent: set[str]

    def subjects(self, layout: Layout) -> set[str]:
        columns = layout.inventory.columns
        return {columns[column].subjects[place] for column, place in self.gone} | self.more.keys() | self.silent


class _OddMinutes(dict[int, _Odd]):
    """By the index of the minute in its report."""

    def __missing__(self, index: int) -> _Odd:
        self[index] = found = _Odd(set(), {}, set())
        return found


def _odd_minutes(report: reports.Report, columns: Sequence[list[int]], layout: Layout) -> _OddMinutes:
    found, told = _OddMinutes(), layout.inventory.columns
    for position, *steps in report.absent:
        place, width = 0, len(told[position].subjects)
        for step in steps:
            place += step
            index, at = divmod(place, width)
            found[index].gone.add((position, at))
    for values, column in zip(columns, told, strict=False):
        if column.sparse and values:
            scale, name = _scale(column.reading), column.reading.encode() + b"="
            for index, at, value in zip(values[0::3], values[1::3], values[2::3], strict=True):
                found[index].more.setdefault(column.subjects[at], []).append(name + _number(value, scale))
    return found


def _silence(odd: _OddMinutes, made: _Made, minutes: Sequence[int], owns: Owns | None, rows: Rows, first: int) -> None:
    """Of a disputed minute no reading is told, nor of a signal that another agent spoke for. What hangs on no signal
    is told unless any of the agent's signals is disputed: then it was the clock that was wrong."""
    disputed = {signal for signal in made.signals if DISPUTED in rows.get(signal, b"")}
    if not disputed and owns is None:
        return
    for index, minute in enumerate(minutes):
        wrong = {signal for signal in disputed if rows[signal][minute - first] == DISPUTED}
        silent = wrong | {""} if wrong else set()
        if owns is not None:
            silent |= {signal for signal in made.signals if not owns(signal, minute)}
        if silent:
            odd[index].silent.update(subject for subject, signal in made.hangs_on.items() if signal in silent)


# ---- lines -------------------------------------------------------------------------------------------------


class Encoder:
    """Remembers what stands before the numbers, of each agent by its newest inventory. Another register is another
    encoder."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.made: dict[tuple[str, str], _Made] = {}
        self.alone: dict[tuple[str, str], tuple[Span, bytes]] = {}

    def report(
        self,
        site: str,
        agent: str,
        layout: Layout,
        report: reports.Report,
        columns: Sequence[list[int]],
        owns: Owns | None,
        rows: Rows,
        first: int,
    ) -> list[bytes]:
        """Lines of schoolbeat_reading and schoolbeat_minute for the minutes of a report.

        columns: as report.absolute made them; owns: as ownership() says; rows: of the layout's signals as the ledger
        has them from the minute `first` on, all through the report's minutes: several agents may speak for a site.
        """
        minutes = reports.minutes_of(report)
        made = self._of(site, agent, layout, minutes[0])
        odd = _odd_minutes(report, columns, layout) if columns else _OddMinutes()
        if columns:
            _silence(odd, made, minutes, owns, rows, first)
        out: list[bytes] = []
        for index, minute in enumerate(minutes):
            made = self._of(site, agent, layout, minute)
            end = b" %d" % (minute * MINUTE_MS)
            if columns:
                out += _readings(made, layout, columns, index, odd.get(index), end)
            out += _codes(made, owns, rows, minute, minute - first, end)
        return out

    def signal(self, site: str, signal: str, codes: bytes, first: int) -> list[bytes]:
        """Lines of schoolbeat_minute of a signal that needs no inventory to be described, as the server's own."""
        out = []
        for minute, code in enumerate(codes, first):
            if code <= UP_FULL:
                day = day_of(minute)
                key, span = (site, signal), self.places.span(site, day)
                known = self.alone.get(key)
                if known is None or known[0] != span:
                    known = self.alone[key] = span, _minute_prefix(self.places.of_signal(site, signal, day))
                out.append(b"%b%di %d" % (known[1], code, minute * MINUTE_MS))
        return out

    def _of(self, site: str, agent: str, layout: Layout, minute: int) -> _Made:
        day = day_of(minute)
        span = self.places.span(site, day)
        made = self.made.get((site, agent))
        if made is None or made.layout is not layout or made.span != span:
            made = self.made[site, agent] = _make(self.places, site, agent, layout, day)
        return made


def _readings(
    made: _Made, layout: Layout, columns: Sequence[list[int]], index: int, odd: _Odd | None, end: bytes
) -> list[bytes]:
    out: list[bytes] = []
    apart = odd.subjects(layout) if odd else set()
    for group in made.groups:
        numbers = [_texts(columns[one.position], one, index) for one in group.columns]
        whole: Iterable[tuple[bytes, ...]] = zip(group.prefixes, *numbers, strict=True)
        if not apart.isdisjoint(group.subjects):
            whole = [row for subject, row in zip(group.subjects, whole, strict=True) if subject not in apart]
        out += map((group.template + end).__mod__, whole)
    if odd:
        for subject in sorted(apart - odd.silent):
            numbers_of_it = [*_dense(made, columns, index, odd, subject), *odd.more.get(subject, ())]
            if numbers_of_it:
                out.append(b"%b %b%b" % (made.prefixes[subject], b",".join(numbers_of_it), end))
    return out


def _dense(made: _Made, columns: Sequence[list[int]], index: int, odd: _Odd, subject: str) -> Iterator[bytes]:
    if subject in made.places:
        group, at = made.places[subject]
        for one in group.columns:
            place = one.places[at]
            if (one.position, place) not in odd.gone:
                yield one.reading + b"=" + _number(columns[one.position][index * one.width + place], one.scale)


def _texts(values: Sequence[int], column: _Column, index: int) -> list[bytes]:
    """The column's numbers of a minute."""
    if len(values) != column.width:
        values = values[index * column.width : (index + 1) * column.width]
    if column.take is not None:
        values = column.take(values)
    often, scale = _often(column.scale), column.scale
    return [often[value] if 0 <= value < _OFTEN else _number(value, scale) for value in values]


def _codes(made: _Made, owns: Owns | None, rows: Rows, minute: int, at: int, end: bytes) -> list[bytes]:
    return [
        b"%b%di%b" % (before, rows[signal][at], end)
        for signal, before in made.minutes.items()
        if signal in rows and rows[signal][at] <= UP_FULL and (owns is None or owns(signal, minute))
    ]
