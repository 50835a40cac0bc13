"""One kind of table for page, file and paper: columns that know what they hold; sorted, searched and read here."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Any, Literal, NamedTuple

from schoolbeat_server.availability import shown
from schoolbeat_server.local_time import clock_and_day, lasting
from schoolbeat_server.plans_shown import GRADE_WORDS
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import mbps
from schoolbeat_server.verdicts import STATUS_WORDS

Kind = Literal["text", "count", "share", "bps", "number", "seconds", "minute", "moment", "day", "status", "grade"]
"""text: str or Said. count, seconds: int. share: Fraction of 1. bps: int or Fraction. number: int, Fraction or float.
minute: int, since 1970 UTC. moment: int, milliseconds since 1970 UTC. day: date. status, grade: the word of verdicts
and findings. None in any: not known; a Said in any: what stands there instead."""

Cell = str | Said | int | float | Fraction | date | None

UNKNOWN = Said("chưa biết", "not known")


class Column(NamedTuple):
    """about: what it says, for whoever points at the heading."""

    key: str
    heading: Said
    kind: Kind = "text"
    about: Said = Said("", "")


_NOTHING = Said("", "")


@dataclass(frozen=True, slots=True)
class Table:
    """rows: as many cells as columns each. links: by row, the page that proves it ("" for none), or nothing at all."""

    name: str
    title: Said
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    links: tuple[str, ...] = ()
    note: Said = _NOTHING

    def place(self, key: str) -> int:
        """KeyError for what is no column."""
        for place, column in enumerate(self.columns):
            if column.key == key:
                return place
        raise KeyError(key)


# ---- as one reads it ---------------------------------------------------------------------------------------


def cell_text(value: Cell, kind: Kind, language: str, target: Fraction | None = None) -> str:
    """target: the share that a shown share must stand on the right side of."""
    if value is None:
        return UNKNOWN.to(language)
    if isinstance(value, Said):
        return value.to(language)
    return _TEXTS[kind](value, language, target)


def _point(text: str, language: str) -> str:
    return text.replace(".", ",") if language == "vi" else text


def _whole(value: Any, language: str, target: Fraction | None) -> str:
    return f"{int(value):,}".replace(",", "." if language == "vi" else ",")


def _share(value: Any, language: str, target: Fraction | None) -> str:
    return shown(Fraction(value), target, point="," if language == "vi" else ".")


def _decimal(value: Any, language: str, target: Fraction | None) -> str:
    return _point(f"{float(value):.2f}".rstrip("0").rstrip("."), language)


_TEXTS: Mapping[Kind, Callable[[Any, str, Fraction | None], str]] = {
    "text": lambda value, language, target: str(value),
    "count": _whole,
    "share": _share,
    "bps": lambda value, language, target: mbps(Fraction(value), target).to(language),
    "number": _decimal,
    "seconds": lambda value, language, target: lasting(int(value), language),
    "minute": lambda value, language, target: clock_and_day(int(value) * 60_000, language),
    "moment": lambda value, language, target: clock_and_day(int(value), language),
    "day": lambda value, language, target: value.strftime("%d/%m/%Y") if language == "vi" else value.isoformat(),
    "status": lambda value, language, target: STATUS_WORDS[value].to(language),
    "grade": lambda value, language, target: GRADE_WORDS[value].to(language),
}
NUMERIC: frozenset[Kind] = frozenset({"count", "share", "bps", "number", "seconds", "minute", "moment"})


# ---- in which order, and which rows ------------------------------------------------------------------------


def ordered(table: Table, key: str, *, descending: bool = False, language: str = "vi") -> Table:
    """What is not known comes last either way; texts by Vietnamese letters without regard to case."""
    place = table.place(key)
    kind = table.columns[place].kind

    worths = [worth(row[place], kind, language) for row in table.rows]
    known = [at for at, one in enumerate(worths) if one is not None]
    rest = [at for at, one in enumerate(worths) if one is None]
    return _picked(table, [*sorted(known, key=lambda at: worths[at], reverse=descending), *rest])


def worth(value: Cell, kind: Kind, language: str) -> Any:
    """By which a cell is put in order; None for what is not known."""
    if value is None or (kind in NUMERIC and isinstance(value, Said)):
        return None
    return value if kind in NUMERIC or kind == "day" else _folded(cell_text(value, kind, language))


def searched(table: Table, text: str, language: str = "vi") -> Table:
    """Rows in which every word stands somewhere; accents and case do not matter."""
    words = search_words(text)
    if not words:
        return table

    def has(row: Sequence[Cell]) -> bool:
        whole = row_text(row, table.columns, language)
        return all(word in whole for word in words)

    return _picked(table, [at for at, row in enumerate(table.rows) if has(row)])


def search_words(text: str) -> list[str]:
    return _bare(text).split()


def row_text(row: Sequence[Cell], columns: Sequence[Column], language: str) -> str:
    """In which words are searched."""
    return _bare(" ".join(cell_text(cell, one.kind, language) for cell, one in zip(row, columns, strict=True)))


def filtered(table: Table, key: str, values: Iterable[Cell]) -> Table:
    """Rows whose cell is one of the values."""
    place, wanted = table.place(key), set(values)
    return _picked(table, [at for at, row in enumerate(table.rows) if row[place] in wanted])


def page_of(table: Table, first: int, count: int) -> Table:
    return _picked(table, range(len(table.rows))[first : first + count])


def _picked(table: Table, places: Iterable[int]) -> Table:
    chosen = list(places)
    links = tuple(table.links[at] for at in chosen) if table.links else ()
    return replace(table, rows=tuple(table.rows[at] for at in chosen), links=links)


def pairs(table: Table, row: Sequence[Cell]) -> Iterator[tuple[Cell, Column]]:
    return zip(row, table.columns, strict=True)


_PLACES = {letter: place for place, letter in enumerate("aăâbcdđeêfghijklmnoôơpqrstuưvwxyz")}
_TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))


def _folded(text: str) -> list[int]:
    """By the Vietnamese alphabet; tones do not count."""
    plain = unicodedata.normalize("NFC", unicodedata.normalize("NFD", text.casefold()).translate(_TONES))
    return [1_000 + _PLACES[sign] if sign in _PLACES else ord(sign) for sign in plain]


def _bare(text: str) -> str:
    plain = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(sign for sign in plain if not unicodedata.combining(sign))
