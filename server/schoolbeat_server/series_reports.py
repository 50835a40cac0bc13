"""Lines of reports: their readings, and the ledger's minutes that they told; fast, for a province sends many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Final, NamedTuple

from schoolbeat_server.kept_days import signal_of
from schoolbeat_server.layouts import Layout, Layouts
from schoolbeat_server.ledger import CONTACT
from schoolbeat_server.school_calendar import day_of
from schoolbeat_server.series_lines import prefix
from schoolbeat_server.series_places import Places, Span
from schoolbeat_wire import report as reports
from schoolbeat_wire.catalogue import DISPUTED, READINGS, UP_FULL

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


class _Field(NamedTuple):
    """A subject's reading in a dense column. scale: 0 for whole numbers."""

    column: int
    width: int
    place: int
    name: str
    scale: int


class _Column(NamedTuple):
    """take: the subjects' places of a minute's values; None: all as they stand."""

    position: int
    width: int
    scale: int
    take: Callable[[Sequence[int]], Sequence[int]] | None


class _Group(NamedTuple):
    """Subjects that have the same dense readings. template: of a line without its time."""

    template: str
    subjects: tuple[str, ...]
    prefixes: tuple[str, ...]
    columns: tuple[_Column, ...]


class _Made(NamedTuple):
    """hangs_on: by subject the signal it hangs on ("": none); minutes: by signal what stands before its number."""

    layout: Layout
    span: Span
    signals: tuple[str, ...]
    hangs_on: dict[str, str]
    fields: dict[str, list[_Field]]  # by subject
    prefixes: dict[str, str]  # by subject
    groups: list[_Group]
    minutes: dict[str, str]


def _make(places: Places, site: str, agent: str, layout: Layout, day: int) -> _Made:
    told = {one.id: one for one in layout.inventory.devices}
    signals = tuple(signal for signal in layout.signals if signal)
    place, known = places.of_place(site, day) | {"agent": agent}, frozenset(signals)
    subjects = dict.fromkeys(subject for column in layout.inventory.columns for subject in column.subjects)
    prefixes = {
        one: prefix("schoolbeat_reading", place | {"subject": one} | places.about(site, one, day, told))
        for one in subjects
    }
    fields = _fields(layout)
    minutes = {
        one: prefix("schoolbeat_minute", _without_isp(places.of_signal(site, one, day, told))) + " up_seconds="
        for one in signals
    }
    hangs_on = {one: signal_of(one, known) for one in subjects}
    groups = _groups(layout, fields, prefixes)
    return _Made(layout, places.span(site, day), signals, hangs_on, fields, prefixes, groups, minutes)


def _without_isp(tags: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in tags.items() if name != "isp"}


def _fields(layout: Layout) -> dict[str, list[_Field]]:
    found: dict[str, list[_Field]] = {}
    for index, column in enumerate(layout.inventory.columns):
        if not column.sparse:
            width, scale = len(column.subjects), _scale(column.reading)
            for place, subject in enumerate(column.subjects):
                found.setdefault(subject, []).append(_Field(index, width, place, column.reading, scale))
    return found


def _scale(reading: str) -> int:
    decimals = READINGS[reading].decimals
    return 10**decimals if decimals else 0


def _number(value: int, scale: int) -> str:
    """Of what the catalogue allows of a reading with decimals none is told with an exponent; a test insists."""
    return str(value / scale) if scale else f"{value}i"


@cache
def _often(scale: int) -> list[str]:
    """The numbers 0 to _OFTEN, for a look is faster than a division and its digits."""
    return [_number(value, scale) for value in range(_OFTEN)]


def _groups(layout: Layout, fields: Mapping[str, list[_Field]], prefixes: Mapping[str, str]) -> list[_Group]:
    together: dict[tuple[int, ...], list[str]] = {}
    for subject, mine in fields.items():
        together.setdefault(tuple(one.column for one in mine), []).append(subject)
    found = []
    for subjects in together.values():
        alike = fields[subjects[0]]
        columns = tuple(
            _Column(one.column, one.width, one.scale, _taker([fields[subject][at].place for subject in subjects], one))
            for at, one in enumerate(alike)
        )
        numbers = ",".join(f"{one.name}=%s" for one in alike)
        found.append(_Group(f"%s {numbers}", tuple(subjects), tuple(prefixes[one] for one in subjects), columns))
    return found


def _taker(places: list[int], field: _Field) -> Callable[[Sequence[int]], Sequence[int]] | None:
    first = places[0]
    if places == list(range(first, first + len(places))):
        return None if len(places) == field.width else itemgetter(slice(first, first + len(places)))
    return itemgetter(*places)


# ---- what of a minute is not as the columns say --------------------------------------------------------------


class _Odd(NamedTuple):
    """gone: (column, place) without a value; more: values of sparse columns by subject; silent: subjects of which
    nothing may be told."""

    gone: set[tuple[int, int]]
    more: dict[str, list[str]]
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
            scale = _scale(column.reading)
            for index, at, value in zip(values[0::3], values[1::3], values[2::3], strict=True):
                found[index].more.setdefault(column.subjects[at], []).append(
                    f"{column.reading}={_number(value, scale)}"
                )
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
    ) -> list[str]:
        """Lines of schoolbeat_reading and schoolbeat_minute for the minutes of a report.

        columns: as report.absolute made them; owns: as ownership() says; rows: of the layout's signals as the ledger
        has them from the minute `first` on, all through the report's minutes: several agents may speak for a site.
        """
        minutes = reports.minutes_of(report)
        made = self._of(site, agent, layout, minutes[0])
        odd = _odd_minutes(report, columns, layout) if columns else _OddMinutes()
        if columns:
            _silence(odd, made, minutes, owns, rows, first)
        out: list[str] = []
        for index, minute in enumerate(minutes):
            made = self._of(site, agent, layout, minute)
            end = f" {minute * MINUTE_MS}"
            if columns:
                out += _readings(made, layout, columns, index, odd.get(index), end)
            out += _codes(made, owns, rows, minute, minute - first, end)
        return out

    def contact(self, site: str, codes: bytes, first: int) -> list[str]:
        """Lines of schoolbeat_minute of the server's own signal, whose bytes begin at the minute `first`."""
        return self.signal(site, CONTACT, codes, first)

    def signal(self, site: str, signal: str, codes: bytes, first: int) -> list[str]:
        """Lines of schoolbeat_minute of a signal that needs no inventory to be described."""
        out, day, before = [], None, ""
        for minute, code in enumerate(codes, first):
            if code <= UP_FULL:
                if day != day_of(minute):
                    day = day_of(minute)
                    before = prefix("schoolbeat_minute", _without_isp(self.places.of_signal(site, signal, day)))
                out.append(f"{before} up_seconds={code}i {minute * MINUTE_MS}")
        return out

    def _of(self, site: str, agent: str, layout: Layout, minute: int) -> _Made:
        day = day_of(minute)
        span = self.places.span(site, day)
        made = self.made.get((site, agent))
        if made is None or made.layout is not layout or made.span != span:
            made = self.made[site, agent] = _make(self.places, site, agent, layout, day)
        return made


def _readings(
    made: _Made, layout: Layout, columns: Sequence[list[int]], index: int, odd: _Odd | None, end: str
) -> list[str]:
    out: list[str] = []
    apart = odd.subjects(layout) if odd else set()
    for group in made.groups:
        numbers = [_texts(columns[one.position], one, index) for one in group.columns]
        whole: Iterable[tuple[str, ...]] = zip(group.prefixes, *numbers, strict=True)
        if not apart.isdisjoint(group.subjects):
            whole = [row for subject, row in zip(group.subjects, whole, strict=True) if subject not in apart]
        out += map((group.template + end).__mod__, whole)
    if odd:
        for subject in sorted(apart - odd.silent):
            texts = [
                f"{one.name}={_number(columns[one.column][index * one.width + one.place], one.scale)}"
                for one in made.fields.get(subject, ())
                if (one.column, one.place) not in odd.gone
            ]
            texts += odd.more.get(subject, ())
            if texts:
                out.append(f"{made.prefixes[subject]} {','.join(texts)}{end}")
    return out


def _texts(values: Sequence[int], column: _Column, index: int) -> list[str]:
    """The column's numbers of a minute."""
    if len(values) != column.width:
        values = values[index * column.width : (index + 1) * column.width]
    if column.take is not None:
        values = column.take(values)
    often, scale = _often(column.scale), column.scale
    return [often[value] if 0 <= value < _OFTEN else _number(value, scale) for value in values]


def _codes(made: _Made, owns: Owns | None, rows: Rows, minute: int, at: int, end: str) -> list[str]:
    return [
        f"{before}{rows[signal][at]}i{end}"
        for signal, before in made.minutes.items()
        if signal in rows and rows[signal][at] <= UP_FULL and (owns is None or owns(signal, minute))
    ]
